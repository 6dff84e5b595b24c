"""JAX's threads do not survive a fork: in the new process every computation would wait for them without end."""

from __future__ import annotations

import functools
import os
import sys
from collections.abc import Callable
from typing import Any, TypeVar, cast

F = TypeVar("F", bound=Callable[..., Any])

_without_threads = False


def _look() -> None:
    """Find out, in a new child, whether its parent had started JAX."""
    global _without_threads
    # JAX has no public word for it; where this one is gone, nothing is refused
    bridge = sys.modules.get("jax._src.xla_bridge")
    _without_threads = bool(getattr(bridge, "backends_are_initialized", lambda: False)())


if sys.platform != "win32":
    os.register_at_fork(after_in_child=_look)


def computes(function: F) -> F:
    """Make ``function`` raise a RuntimeError where it would hang: in a process forked after JAX had started."""

    @functools.wraps(function)
    def checked(*args: Any, **options: Any) -> Any:
        if _without_threads:
            raise RuntimeError(
                f"{function.__name__} was called in a process that was forked after JAX had started its threads, which "
                'do not survive that: start processes by the spawn method, with multiprocessing.get_context("spawn") '
                'or, in concurrent.futures, ProcessPoolExecutor(mp_context=multiprocessing.get_context("spawn"))'
            )
        return function(*args, **options)

    return cast(F, checked)

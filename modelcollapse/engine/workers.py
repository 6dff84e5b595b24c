"""Batches of a run on several threads: compiled programs let go of Python's lock, so that each has a core.

Chains share nothing but arrays that are only read, so processes would copy these and compile again. One thread that
dispatches several programs gains nothing: XLA runs them one after another on a CPU.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

import jax
from jax.extend.core import ClosedJaxpr, Jaxpr

_CONTEXT: dict[str, Callable[[Any], contextlib.AbstractContextManager[None]]] = {
    "jax_enable_x64": jax.enable_x64,
    "jax_default_device": jax.default_device,
    "jax_default_matmul_precision": jax.default_matmul_precision,
    "jax_numpy_dtype_promotion": jax.numpy_dtype_promotion,
    "jax_numpy_rank_promotion": jax.numpy_rank_promotion,
    "jax_debug_nans": jax.debug_nans,
    "jax_debug_infs": jax.debug_infs,
    "jax_default_prng_impl": jax.default_prng_impl,
    "jax_disable_jit": jax.disable_jit,
    "jax_softmax_custom_jvp": jax.softmax_custom_jvp,
    "jax_threefry_partitionable": jax.threefry_partitionable,
}
"""Settings of JAX that belong to a thread, each with what sets it for a block."""
_LAPACK = frozenset({
    "cholesky", "cholesky_update", "eig", "eigh", "geqp3", "geqrf", "hessenberg", "householder_product", "lu", "ormqr",
    "qr", "schur", "svd", "symmetric_product", "triangular_solve", "tridiagonal", "tridiagonal_solve",
})  # fmt: skip
"""Operations that a CPU leaves to LAPACK, batches of which wait for a thread of the pool that they run in."""
_FOREIGN = frozenset({"debug_callback", "debug_print", "ffi_call", "io_callback", "pure_callback"})
"""Calls of code that may not bear to be called twice at once."""

T = TypeVar("T")
U = TypeVar("U")


class Workers:
    """``count`` threads with the settings of JAX that the caller has; with one, the caller's own thread."""

    def __init__(self, count: int) -> None:
        self.pool = ThreadPoolExecutor(count, "modelcollapse") if count > 1 else None
        self.settings = {name: getattr(jax.config, name) for name in _CONTEXT}

    def __enter__(self) -> Workers:
        return self

    def __exit__(self, *_: object) -> None:
        if self.pool is not None:
            self.pool.shutdown(cancel_futures=True)

    def map(self, function: Callable[[T], U], items: Iterable[T], together: bool) -> Iterator[U]:
        """``function`` of each item, in order; ``together`` says that several may be at work at once."""
        if self.pool is None or not together:
            return map(function, items)

        def within(item: T) -> U:
            with contextlib.ExitStack() as stack:
                for name, value in self.settings.items():
                    stack.enter_context(_CONTEXT[name](value))
                return function(item)

        return self.pool.map(within, items)


def takes_turns(jaxpr: Jaxpr) -> bool:
    """Whether a traced program, or one within it, calls LAPACK or code of others, and so may not run twice at once."""
    for equation in jaxpr.eqns:
        if equation.primitive.name in _LAPACK | _FOREIGN:
            return True
        within = jax.tree.leaves(list(equation.params.values()), is_leaf=lambda x: isinstance(x, Jaxpr | ClosedJaxpr))
        for inner in within:
            program = inner.jaxpr if isinstance(inner, ClosedJaxpr) else inner
            if isinstance(program, Jaxpr) and takes_turns(program):
                return True
    return False

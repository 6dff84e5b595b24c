"""A theorem is a function that knows its own statement, conditions, order and source."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import TypeVar

F = TypeVar("F", bound=Callable)


@dataclasses.dataclass(frozen=True)
class Theorem:
    """One row of the atlas: what ``function`` states, when it holds, how sharply, and who proved it."""

    statement: str
    conditions: str
    order: str
    source: str
    function: str  # "module.name" inside modelcollapse_theory


THEOREMS: dict[str, Theorem] = {}


def theorem(*, statement: str, conditions: str, order: str, source: str) -> Callable[[F], F]:
    """Register the decorated function as a theorem; the function itself is returned unchanged."""

    def register(function: F) -> F:
        name = f"{function.__module__.rpartition('.')[2]}.{function.__name__}"
        if name in THEOREMS:
            raise ValueError(f"a theorem named {name!r} is registered already")
        THEOREMS[name] = Theorem(statement, conditions, order, source, name)
        return function

    return register

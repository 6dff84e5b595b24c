"""What the states of a source are called, or the columns of its rows: kept beside the numbers, never among them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from modelcollapse.pytree import part, static


@part
class Names:
    """Names in order.

    No number depends on them, so sources that differ in names alone run the same compiled program: all of one length
    are equal.
    """

    values: tuple = static()

    @staticmethod
    def of(values: tuple | None) -> Names | None:
        """Names, or None where there are none."""
        return None if values is None else Names(values)

    def __eq__(self, other: Any) -> bool:
        return isinstance(other, Names) and len(other.values) == len(self.values)

    def __hash__(self) -> int:
        return hash((Names, len(self.values)))

    def __repr__(self) -> str:
        first = ", ".join(repr(value) for value in self.values[:3])
        return f"Names({first}{', ...' if len(self.values) > 3 else ''})"


def distinct_names(name: str, values: list) -> tuple:
    """What states are called, by ``as_name``. ValueError if two names are equal."""
    found = tuple(as_name(value) for value in values)
    seen: set = set()
    for value in found:
        if is_missing(value):
            raise ValueError(f"{name} must have no gaps among its names, got {value!r}")
        if value in seen:
            raise ValueError(f"{name} must have names of their own, got {value!r} twice")
        seen.add(value)
    return found


def texts(names: Iterable[Any]) -> list[str]:
    """Names as text, or their numbers where two look alike, as the name 1 and the text "1" do."""
    said = [str(name) for name in names]
    return said if len(set(said)) == len(said) else [str(i) for i in range(len(said))]


def coordinate(names: tuple) -> np.ndarray:
    """Names as an array of one plain type: as they are if they share one, otherwise as ``texts``."""
    if len({type(name) for name in names}) == 1 and not isinstance(names[0], tuple):
        found = np.array(names)
        # NumPy has no type for some whole numbers together, and makes them floats
        if found.dtype.kind in "iufbU" and type(found.tolist()[0]) is type(names[0]):
            return found
    return np.array(texts(names))


def as_name(value: Any) -> Any:
    """A name as text, a number or a tuple of them, which a saved run can hold."""
    if isinstance(value, np.generic) and value.dtype.kind not in "mM":
        value = value.item()
    if isinstance(value, tuple):
        return tuple(as_name(item) for item in value)
    return value if isinstance(value, str | int | float) or is_missing(value) else str(value)


def is_missing(item: Any) -> bool:
    """Whether one entry is a gap: None, NaN, NA, NaT, masked."""
    if item is None or type(item).__name__ == "NAType" or item is np.ma.masked:
        return True
    try:
        return bool(item != item)
    except (TypeError, ValueError):
        return False

"""Values of any kind as plain arrays of NumPy, and what the messages of refusals are made of.

Lists, tuples, arrays of NumPy, JAX and others, series and frames come out as integers or floats; what is not a real
number is refused by the name of its argument. ``modelcollapse.arguments`` says what is asked of them.
"""

from __future__ import annotations

import decimal
import numbers
from types import ModuleType
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import ArrayLike

EXACT = 2**53
"""Whole numbers up to here are exact in float64."""


def traced(tree: Any) -> bool:
    """Whether a leaf of ``tree`` is a placeholder of a transformation, whose value is not known."""
    return any(isinstance(leaf, jax.core.Tracer | jax.ShapeDtypeStruct) for leaf in jax.tree.leaves(tree))


def plain(name: str, value: ArrayLike, wanted: str, booleans: bool = False) -> np.ndarray:
    """``value`` as an array of numbers, those of Python where no type of NumPy holds them."""
    if value is None or isinstance(value, str | bytes | dict | set | frozenset):
        raise TypeError(f"{name} must be {wanted}, got {shown(value)}")
    if traced(value):
        raise TypeError(f"{name} must be concrete, got {shown(value)}, which a transformation of JAX traces")
    if np.ma.isMaskedArray(value) and np.ma.getmaskarray(value).any():
        raise ValueError(f"{name} must have no masked entry, got {int(np.ma.getmaskarray(value).sum())}")
    try:
        found = np.asarray(
            value.to_numpy() if hasattr(value, "to_numpy") else value
        )  # a column or frame of any library
    except ValueError:
        raise ValueError(f"{name} must be {wanted} with rows of one length, got {shown(value)}") from None
    except (TypeError, OverflowError):
        raise TypeError(f"{name} must be {wanted}, got {shown(value)}") from None
    if found.dtype == object:
        found = _from_objects(name, found, wanted)
    elif jnp.issubdtype(found.dtype, jnp.floating) and found.dtype.kind != "f":
        found = found.astype(np.float64)  # half precisions that NumPy does not know
    if found.dtype.kind == "b" and not booleans:
        raise TypeError(f"{name} must be {wanted}, not True or False, got {shown(value)}")
    if found.dtype.kind == "c":
        raise TypeError(f"{name} must be {wanted} without imaginary part, got {shown(value)}")
    if found.dtype.kind not in "iufbO":
        raise TypeError(f"{name} must be {wanted}, got {shown(value)} of type {found.dtype}")
    if found.dtype.kind != "b" and holds_booleans(value):
        raise TypeError(f"{name} must be {wanted}, not True or False, got {shown(value)}")
    return found


def _from_objects(name: str, found: np.ndarray, wanted: str) -> np.ndarray:
    """Numbers that came as objects: integers of a column that may have gaps, fractions, decimals."""
    for index, item in enumerate(found.flat):
        known = isinstance(item, numbers.Real | decimal.Decimal) and not isinstance(item, bool | np.bool_)
        if not known:
            where = f" in place {index}" if found.ndim else ""
            raise TypeError(f"{name} must be {wanted}, got {shown(item)}{where}")
    if all(isinstance(item, numbers.Integral) for item in found.flat):
        if all(-(2**63) <= int(item) < 2**63 for item in found.flat):
            return found.astype(np.int64)
        return found
    return _floats(found)


def _floats(found: np.ndarray) -> np.ndarray:
    def one(item: numbers.Real) -> float:
        try:
            return float(item)
        except OverflowError:
            return np.inf

    return np.array([one(item) for item in found.flat], np.float64).reshape(found.shape)


def real(name: str, value: ArrayLike, wanted: str, booleans: bool = False) -> np.ndarray:
    found = plain(name, value, wanted, booleans)
    return _floats(found) if found.dtype == object else found.astype(np.float64)


def in_force(value: ArrayLike) -> np.ndarray:
    """``value`` as an array of NumPy in the floats that JAX has in force: no program is compiled to convert it."""
    return np.asarray(value, np.dtype(jnp.result_type(float)))


def namespace(*arrays: ArrayLike) -> ModuleType:
    """NumPy for arrays of NumPy, whose arithmetic compiles nothing; ``jax.numpy`` for any other."""
    return np if all(isinstance(array, np.ndarray | np.generic) for array in arrays) else jnp


def holds_booleans(value: ArrayLike) -> bool:
    """Whether a list mixes truth values with numbers, which NumPy would turn into 0 and 1."""
    if isinstance(value, list | tuple):
        return any(holds_booleans(item) for item in value)
    return isinstance(value, bool | np.bool_)


def check_dimensions(name: str, found: np.ndarray, ndim: int | tuple[int, ...] | None) -> None:
    allowed = (ndim,) if isinstance(ndim, int) else ndim
    if allowed is not None and found.ndim not in allowed:
        words = {0: "one number", 1: "a vector", 2: "a table (n, d)", 3: "an array of three dimensions"}
        raise ValueError(f"{name} must be {' or '.join(words[n] for n in allowed)}, got shape {found.shape}")


def check_range(name: str, found: np.ndarray, low: float, high: float, open_low: bool, open_high: bool) -> None:
    dtype = np.dtype(jnp.result_type(float))
    with np.errstate(over="ignore", under="ignore"):
        kept = found.astype(dtype)
    lost = ~np.isfinite(kept)
    words = _interval(low, high, open_low, open_high)
    if lost.any():
        entry = found[lost].flat[0]
        held = f" in {dtype.name}, the precision in force (jax_enable_x64 gives 64 bits)" if np.isfinite(entry) else ""
        raise ValueError(f"{name} must {words}{held}, got {entry!s}{place(lost)}")
    for kind in (found, kept):
        outside = (kind < low) | (kind > high) | (open_low & (kind == low)) | (open_high & (kind == high))
        # the end itself may be rounded away from what the precision holds
        outside &= (found < low) | (found > high) | ((kind == low) & open_low) | ((kind == high) & open_high)
        if outside.any():
            raise ValueError(f"{name} must {words}, got {found[outside].flat[0]!s}{place(outside)}")


def _interval(low: float, high: float, open_low: bool, open_high: bool) -> str:
    if np.isfinite(low) and np.isfinite(high):
        return f"lie in {'(' if open_low else '['}{low:g}, {high:g}{')' if open_high else ']'}"
    if np.isfinite(low):
        if low == 0:
            return "be finite and " + ("positive" if open_low else "not negative")
        return f"be finite and {'above' if open_low else 'at least'} {low:g}"
    if np.isfinite(high):
        return f"be finite and {'below' if open_high else 'at most'} {high:g}"
    return "be finite"


def place(wrong: np.ndarray, entry: str = "place") -> str:
    """Where the first ``wrong`` entry is: " in row 2, column 0", or in a vector " in place 2", or another ``entry``."""
    if not wrong.ndim:
        return ""
    at = np.argwhere(wrong)[0]
    if wrong.ndim == 2:
        return f" in row {at[0]}, column {at[1]}"
    return f" in {entry} {at[0] if wrong.ndim == 1 else tuple(int(i) for i in at)}"


def bound(number: int) -> str:
    size = abs(number + 1 if number > 0 else number)
    large = size >= 2**31 and size & (size - 1) == 0
    return (
        f"{'-' if number < 0 else ''}2**{size.bit_length() - 1}{' - 1' if number > 0 else ''}" if large else f"{number}"
    )


def shown(value: Any) -> str:
    """``repr``, cut to one line."""
    try:
        with np.printoptions(threshold=20):
            text = " ".join(repr(value).split())
    except ValueError:  # Python prints no integer of more than 4300 digits
        return f"a value of type {type(value).__name__} that is too long to print"
    return text if len(text) <= 200 else f"{text[:200]}..."


def mean_and_error(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean over chains and its standard error, ``(generation, ...)``; NaN for the error of a single chain."""
    values = values.astype(np.float64)
    with np.errstate(invalid="ignore"):
        mean = values.mean(0)
        spread = values.std(0, ddof=1) if len(values) > 1 else np.full_like(mean, np.nan)
    return mean, spread / np.sqrt(len(values))

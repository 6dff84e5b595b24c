"""Arguments are checked once, at the door, and every refusal names the argument, its value and what would be right."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

Array = NDArray[np.float64]


def whole(name: str, value: ArrayLike, minimum: int = 0, reason: str = "") -> NDArray[np.int64]:
    """``value`` as int64, refused unless every entry is a whole number of at least ``minimum``."""
    array = np.asarray(value)
    if array.dtype.kind not in "iuf" or not np.all(np.isfinite(array)) or np.any(array != np.floor(array)):
        raise ValueError(f"{name} must be a whole number, got {value!r}")
    if np.any(array < minimum):
        raise ValueError(f"{name} must be at least {minimum}{': ' + reason if reason else ''}, got {value!r}")
    return array.astype(np.int64)


def real(name: str, value: ArrayLike) -> Array:
    """``value`` as float64, refused unless finite."""
    array = np.asarray(value, dtype=np.float64)
    if not np.all(np.isfinite(array)):
        raise ValueError(f"{name} must be finite, got {value!r}")
    return array


def positive(name: str, value: ArrayLike) -> Array:
    """``value`` as float64, refused unless finite and above 0."""
    array = real(name, value)
    if np.any(array <= 0):
        raise ValueError(f"{name} must be positive, got {value!r}")
    return array


def within(
    name: str, value: ArrayLike, low: float, high: float, *, open_low: bool = False, open_high: bool = False
) -> Array:
    """``value`` as float64, refused outside the interval from ``low`` to ``high``."""
    array = real(name, value)
    bad = (array <= low if open_low else array < low) | (array >= high if open_high else array > high)
    if np.any(bad):
        left, right = "(" if open_low else "[", ")" if open_high else "]"
        raise ValueError(f"{name} must lie in {left}{low:g}, {high:g}{right}, got {value!r}")
    return array


def law(name: str, value: ArrayLike) -> Array:
    """A probability vector ``(K,)``: nonnegative entries that sum to 1 within 1e-9; returned divided by its sum."""
    array = real(name, value)
    if array.ndim != 1 or array.size == 0:
        raise ValueError(f"{name} must be a vector of probabilities, got shape {array.shape}")
    if np.any(array < 0):
        raise ValueError(f"{name} must not be negative, got {array.min():g} at index {int(array.argmin())}")
    total = float(array.sum())
    if abs(total - 1) > 1e-9:
        raise ValueError(f"{name} must sum to 1, got a sum of {total:.12g}")
    return array / total


def choice(name: str, value: object, allowed: tuple) -> object:
    """``value`` if it is one of ``allowed``."""
    if value not in allowed:
        raise ValueError(f"{name} must be one of {allowed}, got {value!r}")
    return value

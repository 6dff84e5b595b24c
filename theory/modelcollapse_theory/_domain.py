"""Arguments are checked once, at the door, and every refusal names the argument, its value and what would be right.

Numbers come as Python or NumPy scalars, 0-d arrays, arrays, lists, tuples, Series or frames, of any integer or float
type. Text, booleans, complex numbers, missing values and other objects are a TypeError; a number out of place is a
ValueError. ``one_whole`` and ``one_real`` want a single number, the others take any shape.
"""

from __future__ import annotations

import numbers
import reprlib
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

Array = NDArray[np.float64]

SQUARABLE = 1e150
"""The largest number that may be squared, and the square multiplied, without leaving float64."""

LONGEST = 10**7
"""The most fits, states or moments where each costs a step of a loop or an entry of an array."""

LAW_TOLERANCE = 1e-6
"""How far from 1 the sum of a law may be, beside the rounding of float32 entries: see ``law_tolerance``."""


class NotCovered(ValueError):
    """The arguments make sense, but the theorem says nothing about them.

    Either they violate one of its conditions, or they lie beyond the range in which its value can be computed.
    Arguments that no theorem could make sense of, such as a negative sample size, are a plain ValueError.
    """


_short = reprlib.Repr()
_short.maxlist = _short.maxtuple = 8
_short.maxstring, _short.maxother = 60, 160


def _shown(value: object) -> str:
    return _short.repr(value)


def _holds_boolean(value: object) -> bool:
    """Whether a list of lists has True or False in it, which NumPy would take for 1 or 0."""
    if isinstance(value, (list, tuple)):
        return any(_holds_boolean(item) for item in value)
    return isinstance(value, (bool, np.bool_)) or (isinstance(value, np.ndarray) and value.dtype.kind == "b")


def _numeric(name: str, value: ArrayLike, kind: str) -> NDArray[Any]:
    """``value`` as an array of an integer or float type, or of Python numbers; else TypeError."""
    refusal = TypeError(f"{name} must be {kind}, or an array of such, got {_shown(value)}")
    if isinstance(value, np.ma.MaskedArray):
        if np.ma.is_masked(value):
            raise TypeError(f"{name} must have no masked entries, got {_shown(value)}")
        value = value.data
    if _holds_boolean(value):
        raise refusal
    try:
        array = np.asarray(value)
    except (ValueError, TypeError, OverflowError) as error:  # ragged lists, broken objects
        raise refusal from error
    if array.dtype.kind in "iuf" or (array.size == 0 and array.dtype.kind == "O" and array.ndim):
        return array if array.dtype.kind != "O" else array.astype(np.float64)
    # integers beyond 64 bits and columns of mixed number types arrive as objects
    if array.dtype.kind != "O" or not all(
        isinstance(entry, (numbers.Real, np.number)) and not isinstance(entry, (bool, np.bool_, np.complexfloating))
        for entry in array.flat
    ):
        raise refusal
    return array


def whole(
    name: str, value: ArrayLike, minimum: int = 0, reason: str = "", most: int | None = None
) -> NDArray[np.int64]:
    """``value`` as int64, refused unless every entry is a whole number from ``minimum`` to ``most`` (2^63 - 1).

    A positive number below ``minimum``, or one above ``most``, is NotCovered: other theorems may take it.
    """
    array = _numeric(name, value, "a whole number")
    if array.dtype.kind == "f":
        array = array.astype(np.float64)
    if array.dtype.kind in "fO":
        with np.errstate(invalid="ignore"):  # infinity // 1 is nan, which equals nothing
            if not np.all(array == array // 1):
                raise ValueError(f"{name} must be a whole number, got {_shown(value)}")
    if np.any(array >= (2.0**63 if array.dtype.kind == "f" else 2**63)):
        raise ValueError(f"{name} must be below 2**63, about 9.2e18, got {_shown(value)}")
    if np.any(array < minimum):
        refusal = NotCovered if np.all(array >= 1) else ValueError
        raise refusal(f"{name} must be at least {minimum}{': ' + reason if reason else ''}, got {_shown(value)}")
    if most is not None and np.any(array > most):
        raise NotCovered(f"{name} must be at most {most}{': ' + reason if reason else ''}, got {_shown(value)}")
    return array.astype(np.int64)


def schedule(
    name: str, value: ArrayLike, minimum: int = 1, reason: str = "a fit needs data", longest: int | None = None
) -> NDArray[np.int64]:
    """The sizes M_1, ..., M_n of data sets as a vector of int64, of at most ``longest`` entries."""
    size = whole(name, value, minimum, reason)
    if size.ndim != 1 or (longest is not None and size.size > longest):
        raise ValueError(f"{name} must be a vector M_1, ..., M_n, got shape {size.shape}")
    return size


def real(name: str, value: ArrayLike) -> Array:
    """``value`` as float64, refused unless finite."""
    with np.errstate(over="ignore"):
        try:
            array = _numeric(name, value, "a number").astype(np.float64)
        except OverflowError as error:  # an integer of more than 308 digits
            raise ValueError(f"{name} must be finite in float64, got {_shown(value)}") from error
    if not np.all(np.isfinite(array)):
        raise ValueError(f"{name} must be finite, got {_shown(value)}")
    return array


def positive(name: str, value: ArrayLike) -> Array:
    """``value`` as float64, refused unless finite and above 0."""
    return within(name, value, 0, np.inf, open_low=True)


def scale(name: str, value: ArrayLike) -> Array:
    """``value`` as float64, positive, and neither its square nor the inverse of that leaves float64."""
    return within(name, positive(name, value), 1 / SQUARABLE, SQUARABLE)


def within(
    name: str, value: ArrayLike, low: float, high: float, *, open_low: bool = False, open_high: bool = False
) -> Array:
    """``value`` as float64, refused outside the interval from ``low`` to ``high``.

    A number beyond ``SQUARABLE`` or its inverse is NotCovered: those are limits of float64.
    """
    array = real(name, value)
    below = array <= low if open_low else array < low
    if np.any(below | (array >= high if open_high else array > high)):
        if low == 0 and open_low and high == np.inf:
            raise ValueError(f"{name} must be positive, got {_shown(value)}")
        left, right = "(" if open_low else "[", ")" if open_high else "]"
        limit = abs(low if np.any(below) else high)
        refusal = NotCovered if limit in (SQUARABLE, 1 / SQUARABLE) else ValueError
        raise refusal(f"{name} must lie in {left}{low:g}, {high:g}{right}, got {_shown(value)}")
    return array


def _one(name: str, array: NDArray[Any]) -> Any:
    if array.ndim:
        raise ValueError(f"{name} must be one number, got an array of shape {array.shape}")
    return array[()]


def one_whole(name: str, value: ArrayLike, minimum: int = 0, reason: str = "", most: int | None = None) -> int:
    """``whole`` for a single number."""
    return int(_one(name, whole(name, value, minimum, reason, most)))


def one_real(
    name: str,
    value: ArrayLike,
    low: float = -np.inf,
    high: float = np.inf,
    *,
    open_low: bool = False,
    open_high: bool = False,
) -> float:
    """``within`` for a single number."""
    return float(_one(name, within(name, value, low, high, open_low=open_low, open_high=open_high)))


def law_tolerance(entries: int) -> float:
    """How far from 1 the sum of ``entries`` probabilities may be: 1e-6, and 4 sqrt(K) roundings of float32."""
    return LAW_TOLERANCE + 4 * float(np.sqrt(entries)) * float(np.finfo(np.float32).eps)


def law(name: str, value: ArrayLike) -> Array:
    """A probability vector ``(K,)``: nonnegative entries that sum to 1 within ``law_tolerance(K)``, divided by their
    sum.

    The simulator has the same tolerance, so that a law in float32 passes both or neither.
    """
    array = real(name, value)
    if array.ndim != 1 or array.size == 0:
        raise ValueError(f"{name} must be a vector of probabilities, got shape {array.shape}")
    if np.any(array < 0):
        raise ValueError(f"{name} must not be negative, got {array.min():g} at index {int(array.argmin())}")
    with np.errstate(over="ignore"):
        total = float(array.sum())
    if not abs(total - 1) <= law_tolerance(array.size):
        raise ValueError(
            f"{name} must sum to 1 within {law_tolerance(array.size):.2g}, got a sum of {total:.12g}; "
            f"divide {name} by this sum to normalise"
        )
    return array / total


def choice(name: str, value: object, allowed: tuple) -> Any:
    """The one of ``allowed`` that equals ``value``; True is not 1."""
    plain = value[()] if isinstance(value, np.ndarray) and value.ndim == 0 else value
    if isinstance(plain, (str, numbers.Real, np.integer, np.floating)) and not isinstance(plain, (bool, np.bool_)):
        for option in allowed:
            if plain == option:
                return option
    raise ValueError(f"{name} must be one of {allowed}, got {_shown(value)}")


def flag(name: str, value: object) -> bool:
    """``value`` if it is True or False."""
    if not isinstance(value, (bool, np.bool_)):
        raise TypeError(f"{name} must be True or False, got {_shown(value)}")
    return bool(value)

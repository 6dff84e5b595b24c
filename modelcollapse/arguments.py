"""Arguments are checked where they enter: a function returns one in a plain form, or says what is wrong.

A wrong type is a TypeError, a wrong value a ValueError; the message names the argument, its value and what would be
right. Whole numbers are those of Python, NumPy and JAX, never booleans; real numbers and arrays come in any of their
kinds, lists, tuples and columns of a data frame included. Nothing wraps, is cut off or dropped.
"""

from __future__ import annotations

import functools
import numbers
import operator
import os
from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeVar

import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import ArrayLike

from modelcollapse.numeric import bound, check_dimensions, check_range, place, plain, real, shown, traced

T = TypeVar("T")
LARGEST = 2**31 - 1
"""The largest count: kernels count in 31 bits."""
MOST_STATES = 10**7
"""The most states of a law that is made of their number alone."""


def whole(name: str, value: ArrayLike, minimum: int = 0, maximum: int = LARGEST) -> int:
    """A whole number from ``minimum`` to ``maximum``: of Python, NumPy or JAX, 0-d arrays too, but no boolean."""
    try:
        if isinstance(value, bool) or np.ndim(value):
            raise TypeError
        number = operator.index(value)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        raise TypeError(f"{name} must be a whole number, got {shown(value)}") from None
    if number < minimum:
        raise ValueError(f"{name} must be at least {bound(minimum)}, got {shown(number)}")
    if number > maximum:
        raise ValueError(f"{name} must be at most {bound(maximum)}, got {shown(number)}")
    return number


def number(
    name: str,
    value: ArrayLike,
    low: float = -np.inf,
    high: float = np.inf,
    *,
    open_low: bool = False,
    open_high: bool = False,
) -> float:
    """A real number of any type, 0-d arrays too, finite in the precision in force, from ``low`` to ``high``.

    ``open_low`` and ``open_high`` leave out the ends, also after rounding to that precision.
    """
    found = real(name, value, "a number")
    if found.ndim:
        raise ValueError(f"{name} must be one number, got {shown(value)} of shape {found.shape}")
    check_range(name, found, low, high, open_low, open_high)
    return float(found)


def array(
    name: str,
    value: ArrayLike,
    *,
    ndim: int | tuple[int, ...] | None = None,
    least: int = 0,
    low: float = -np.inf,
    high: float = np.inf,
    open_low: bool = False,
    open_high: bool = False,
    booleans: bool = False,
) -> np.ndarray:
    """Finite real numbers as a float64 array of NumPy: from lists, tuples, arrays, series, frames.

    ``least`` is a number of entries, and ``booleans`` takes truth values as 0 and 1. What is refused: text, complex
    numbers, objects, masked or missing entries, rows of unequal length, and what is not finite in the precision in
    force.
    """
    found = real(name, value, "an array of numbers", booleans)
    check_dimensions(name, found, ndim)
    if found.size < least:
        raise ValueError(f"{name} must have at least {least} {'entries' if least > 1 else 'entry'}, got {shown(value)}")
    check_range(name, found, low, high, open_low, open_high)
    return found


def whole_array(
    name: str,
    value: ArrayLike,
    *,
    ndim: int | tuple[int, ...] | None = None,
    minimum: int = 0,
    maximum: int = LARGEST,
    booleans: bool = False,
) -> np.ndarray:
    """Whole numbers from ``minimum`` to ``maximum`` as an int64 array, from what ``array`` takes except floats."""
    found = plain(name, value, "an array of whole numbers", booleans)
    if not found.size and found.dtype.kind == "f":  # an empty list
        found = found.astype(np.int64)
    if found.dtype.kind not in ("iub" if booleans else "iu"):
        if found.dtype == object and all(isinstance(item, numbers.Integral) for item in found.flat):
            first = next(int(item) for item in found.flat if not -(2**63) <= int(item) < 2**63)
            raise ValueError(f"{name} must lie between {bound(minimum)} and {bound(maximum)}, got {first}")
        raise TypeError(f"{name} must be a whole number or an array of them, got {shown(value)}")
    check_dimensions(name, found, ndim)
    if found.size and int(found.min()) < minimum:
        raise ValueError(f"{name} must be at least {minimum}, got {found.min()}{place(found < minimum)}")
    if found.size and int(found.max()) > maximum:
        raise ValueError(f"{name} must be at most {bound(maximum)}, got {found.max()}{place(found > maximum)}")
    return found.astype(np.int64)


def schedule(
    name: str,
    value: ArrayLike,
    low: float = -np.inf,
    high: float = np.inf,
    *,
    open_low: bool = False,
    open_high: bool = False,
    generations: int | None = None,
) -> Any:
    """A number, or a float64 vector with one entry for each generation 0, ..., ``generations`` (if known)."""
    found = array(name, value, ndim=(0, 1), low=low, high=high, open_low=open_low, open_high=open_high)
    if found.ndim == 0:
        return float(found)
    if not found.size:
        raise ValueError(f"{name} must be a number, or one for each generation, got no entry")
    if generations is not None:
        check_length(name, found, generations)
    return found


def check_length(name: str, schedule: ArrayLike, generations: int) -> None:
    """Refuse a schedule that has not one entry for each of the generations 0, ..., ``generations``."""
    if np.ndim(schedule) and np.shape(schedule)[0] != generations + 1:
        raise ValueError(
            f"{name} needs one entry for each generation 0 to {generations} "
            f"({generations + 1} {'numbers' if np.ndim(schedule) == 1 else 'in all'}), "
            f"got {np.shape(schedule)[0]}"
        )


def sizes(size: ArrayLike, generations: int) -> np.ndarray:
    """Sample sizes ``(generations + 1,)`` int64, from one number or one for each generation."""
    if traced(size):
        raise TypeError("size must be concrete: it fixes the shapes of a run")
    found = whole_array("size", size, minimum=1)
    if found.ndim > 1 or (found.ndim == 1 and found.size != generations + 1):
        raise ValueError(
            f"size must be one number, or one for each generation 0 to {generations} ({generations + 1} numbers), "
            f"got shape {found.shape}"
        )
    return np.broadcast_to(found, (generations + 1,))


def recorded(record: ArrayLike | None, first: int, last: int) -> np.ndarray:
    """Generations to record ``(n,)`` int64, increasing, from ``first`` to ``last``; None means all."""
    if record is None:
        return np.arange(first, last + 1)
    try:
        found = np.atleast_1d(whole_array("record", record, minimum=-(2**63), maximum=2**63 - 1, ndim=(0, 1)))
    except TypeError:
        raise TypeError(f"record must be a list of generations, got {shown(record)}") from None
    if not found.size:
        raise ValueError(f"record must name at least one generation, got {shown(record)}")
    if np.any(np.diff(found) <= 0) or found[0] < first or found[-1] > last:
        raise ValueError(f"record must be increasing and lie between {first} and {last}, got {shown(record)}")
    return found


def law_tolerance(entries: int) -> float:
    """How far from 1 probabilities may sum, as in the theory: 1e-6, and the rounding of as many entries in float32."""
    return 1e-6 + 4 * float(np.sqrt(entries)) * float(np.finfo(np.float32).eps)


def law(name: str, weights: ArrayLike, normalise: bool | None = None) -> np.ndarray:
    """Probabilities ``(K,)`` float64 with a sum of 1; with ``normalise``, of any nonnegative weights, such as counts.

    None says that the caller has no such option, so that no message advises it.

    Raises
    ------
    ValueError
        If an entry is negative or not finite, or the sum is not 1 within ``law_tolerance(K)`` and ``normalise`` is not
        set.
    """
    p = real(name, weights, "an array of numbers")
    if p.ndim != 1 or p.size == 0:
        raise ValueError(f"{name} must be a vector with one entry for each state, got shape {p.shape}")
    if not np.all(np.isfinite(p)):
        raise ValueError(
            f"{name} must be finite, got {p[~np.isfinite(p)][0]} at state {int(np.argmin(np.isfinite(p)))}"
        )
    if np.any(p < 0):
        raise ValueError(f"{name} must not be negative, got {p.min():g} at state {int(p.argmin())}")
    with np.errstate(over="ignore"):
        total = p.sum()
    if not np.isfinite(total):
        raise ValueError(
            f"{name} must have a finite sum, got {total} (the largest is {p.max():g}): divide them all by one number"
        )
    if total <= 0:
        raise ValueError(f"{name} must not all be zero")
    if not normalise and abs(total - 1) > law_tolerance(p.size):
        advice = "" if normalise is None else "; for counts or weights pass normalise=True"
        raise ValueError(f"{name} must sum to 1, got a sum of {total:.9g}{advice}")
    return p / total


def flag(name: str, value: ArrayLike) -> bool:
    """True or False, of Python or NumPy; a number is neither."""
    scalar = isinstance(value, np.ndarray | jax.Array) and not traced(value) and not value.ndim
    if isinstance(value, bool | np.bool_) or (scalar and np.asarray(value).dtype == bool):
        return bool(value)
    raise TypeError(f"{name} must be True or False, got {shown(value)}")


def choice(name: str, value: ArrayLike, allowed: Iterable[Any]) -> Any:
    """One of the ``allowed`` words or whole numbers."""
    options = list(allowed)
    either = ", ".join(f"{o!r}" for o in options[:-1]) + f" or {options[-1]!r}"
    if not isinstance(value, str) and all(isinstance(option, str) for option in options):
        raise TypeError(f"{name} must be {either}, got {shown(value)}")
    found = str(value) if isinstance(value, str) else whole(name, value, -(2**63), 2**63 - 1)
    if found not in options:
        raise ValueError(f"{name} must be {either}, got {shown(value)}")
    return found


def text(name: str, value: str) -> str:
    """A text."""
    if not isinstance(value, str):
        raise TypeError(f"{name} must be text, got {shown(value)}")
    return str(value)


def listed(name: str, value: Iterable[T]) -> list[T]:
    """The entries of a list, or of anything like one; a text is none."""
    single = isinstance(value, np.ndarray | jax.Array) and value.ndim == 0
    if isinstance(value, str | bytes | Mapping) or not isinstance(value, Iterable) or single:
        raise TypeError(f"{name} must be a list, got {shown(value)}")
    return list(value)


def texts(name: str, value: Iterable[str]) -> list[str]:
    """The texts of a list."""
    return [text(f"an entry of {name}", item) for item in listed(name, value)]


def path(name: str, value: str | os.PathLike) -> str | os.PathLike:
    """A text or a ``Path``: neither bytes nor the number of an open file."""
    if not isinstance(value, str | os.PathLike):
        raise TypeError(f"{name} must be a path, a text or a Path, got {shown(value)}")
    return value


def function(name: str, value: Callable[..., T]) -> Callable[..., T]:
    """Anything that can be called."""
    if not callable(value):
        raise TypeError(f"{name} must be a function, got {shown(value)}")
    return value


def operand(name: str, value: Any) -> jax.Array:
    """Real numbers for a pure function: traced values and floats of JAX as they are, others, if finite, as arrays."""
    if traced(value) or (isinstance(value, jax.Array) and jnp.issubdtype(value.dtype, jnp.floating)):
        return value
    return jnp.asarray(array(name, value), jnp.result_type(float))


def converted(part: Any, **checks: Callable[[str, Any], Any]) -> None:
    """Replace each named field of a part by what its check returns, ``check(name, value)``; for ``__post_init__``.

    Values that a transformation traces, and its placeholders, pass as they are.
    """
    for name, check in checks.items():
        value = getattr(part, name)
        if not traced(value):
            object.__setattr__(part, name, check(name, value))


def checker(check: Callable[..., T], *args: Any, **options: Any) -> Callable[[str, Any], T]:
    """``check`` with its bounds, as ``converted`` calls it."""
    return lambda name, value: check(name, value, *args, **options)


def optional(check: Callable[..., T], *args: Any, **options: Any) -> Callable[[str, Any], T | None]:
    """``checker`` that takes None too."""
    return lambda name, value: None if value is None else check(name, value, *args, **options)


share = functools.partial(number, low=0.0, high=1.0)
"""A number in [0, 1]."""
shares = functools.partial(schedule, low=0.0, high=1.0)
"""A number in [0, 1], or one for each generation."""


def deviation(name: str, value: ArrayLike) -> float:
    """A number of at least 0 whose square, a variance, the precision in force can hold."""
    found = nonnegative(name, value)
    dtype = jnp.result_type(float)
    if found > np.sqrt(float(jnp.finfo(dtype).max)):
        raise ValueError(f"{name} must have a square that is finite in {dtype}, got {shown(value)}")
    return found


positive = functools.partial(number, low=0.0, open_low=True)
"""A finite number above 0."""
nonnegative = functools.partial(number, low=0.0)
"""A finite number of at least 0."""
count = functools.partial(whole, minimum=1)
"""A whole number of at least 1."""


def having(name: str, value: T, methods: Iterable[str]) -> T:
    """A part with all the named ``methods``: an instance, not its class."""
    methods = list(methods)
    missing = _lacking(value, methods)
    if missing or isinstance(value, type):
        hint = "; give an instance, not the class" if isinstance(value, type) else ""
        raise TypeError(
            f"{name} must have {', '.join(methods)}; {shown(value)} lacks {', '.join(missing) or 'an instance'}{hint}"
        )
    return value


FAMILY = ("draw", "draw_rows", "summarise", "fit", "data")
SOURCE = ("draw_rows", "moments")
REGIME = ("start", "next", "needs_items")
family = functools.partial(having, methods=FAMILY)
"""A family: what is refitted each generation."""
regime = functools.partial(having, methods=REGIME)
"""A regime: which data the next generation learns from."""


def source(name: str, value: T) -> T:
    """A source: what is real. A refusal of bare data names the functions that make sources, and prints no data."""
    if len(_lacking(value, SOURCE)) < len(SOURCE) or isinstance(value, type):
        return having(name, value, SOURCE)
    # data of any library
    shape = f" of shape {np.shape(value)}" if hasattr(value, "shape") else ""
    raise TypeError(
        f"{name} must say what is real, and {type(value).__name__}{shape} does not. Rows of numbers become a source by "
        "table(rows), probabilities by categorical(p), counts by name by counts(mapping), text and other labels by "
        "labels(values), a function of (key, n) by sampler(draw)"
    )


def _lacking(value: Any, methods: Iterable[str]) -> list[str]:
    # by name, so that the message can list them
    return [method for method in methods if not hasattr(value, method)]


def trees(**parts: Any) -> None:
    """Refuse parts, by name, that JAX cannot look into, and so could not carry through a compiled loop."""
    for name, part in parts.items():
        if jax.tree_util.all_leaves([part]):
            raise TypeError(
                f"{name} must be a PyTree, and {type(part).__name__} is not one: decorate its class with "
                "modelcollapse.part"
            )

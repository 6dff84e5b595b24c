"""Arguments are checked where they enter, on concrete values: each function here returns what it was given in one plain form, or names what is wrong.

A wrong type is a TypeError, a wrong value a ValueError; the message names the argument, its value and what would be right. Whole
numbers are those of Python, NumPy and JAX, never booleans; real numbers and arrays come in any of their kinds, lists, tuples and
columns of a data frame included. Nothing wraps, is cut off or dropped.
"""

from __future__ import annotations

import decimal
import functools
import numbers
import operator
from collections.abc import Callable, Iterable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from modelcollapse import sampling

LARGEST = 2**31 - 1
"""The largest count: kernels count in 31 bits."""
_LIST = 2**32 - 1
"""Begins the spawn key of a list of seeds, so that no ``SeedSequence`` that a user spawns is one of them."""
Seed = int | list[int] | dict[str, Any] | None
"""What the record of a run says of its seed."""


def traced(tree: Any) -> bool:
    """Whether a leaf of ``tree`` is a placeholder of a transformation, whose value nobody can check."""
    return any(isinstance(leaf, jax.core.Tracer | jax.ShapeDtypeStruct) for leaf in jax.tree.leaves(tree))


def whole(name: str, value: Any, minimum: int = 0, maximum: int = LARGEST) -> int:
    """A whole number from ``minimum`` to ``maximum``: of Python, NumPy or JAX, 0-d arrays included; neither a boolean nor a float."""
    try:
        if isinstance(value, bool) or np.ndim(value) or _type(value) == np.bool_:
            raise TypeError
        number = operator.index(value)
    except (TypeError, ValueError):
        raise TypeError(f"{name} must be a whole number, got {_shown(value)}") from None
    if number < minimum:
        raise ValueError(f"{name} must be at least {minimum}, got {number}")
    if number > maximum:
        raise ValueError(f"{name} must be at most {_bound(maximum)}, got {number}")
    return number


def number(
    name: str,
    value: Any,
    low: float = -np.inf,
    high: float = np.inf,
    *,
    open_low: bool = False,
    open_high: bool = False,
) -> float:
    """A real number of any type, 0-d arrays included, that is finite in the precision in force and lies from ``low`` to ``high``.

    ``open_low`` and ``open_high`` leave out the ends, also after rounding to that precision.
    """
    found = _numbers(name, value, "a number")
    if found.ndim:
        raise ValueError(f"{name} must be one number, got {_shown(value)} of shape {found.shape}")
    _check_range(name, found, low, high, open_low, open_high, value)
    return float(found)


def array(
    name: str,
    value: Any,
    *,
    ndim: int | tuple[int, ...] | None = None,
    low: float = -np.inf,
    high: float = np.inf,
    open_low: bool = False,
    open_high: bool = False,
    booleans: bool = False,
) -> np.ndarray:
    """Finite real numbers as a float64 array of NumPy: from lists, tuples, arrays, series, frames, columns that may have gaps.

    ``booleans`` takes truth values as 0 and 1. What is refused: text, complex numbers, objects, masked or missing entries, rows of
    unequal length, and what is not finite in the precision in force.
    """
    found = _numbers(name, value, "an array of numbers", booleans)
    _check_dimensions(name, found, ndim)
    _check_range(name, found, low, high, open_low, open_high, value)
    return found


def whole_array(
    name: str,
    value: Any,
    *,
    ndim: int | tuple[int, ...] | None = None,
    minimum: int = 0,
    maximum: int = LARGEST,
    booleans: bool = False,
) -> np.ndarray:
    """Whole numbers from ``minimum`` to ``maximum`` (at most 63 bits) as an int64 array of NumPy: the kinds of ``array``, but no floats."""
    found = _plain(name, value, "an array of whole numbers", booleans)
    if not found.size and found.dtype.kind == "f":  # an empty list
        found = found.astype(np.int64)
    if found.dtype.kind not in ("iub" if booleans else "iu"):
        if found.dtype == object and all(isinstance(item, numbers.Integral) for item in found.flat):
            raise ValueError(
                f"{name} must lie between {_bound(minimum)} and {_bound(maximum)}, got {_first_large(found.flat)}"
            )
        raise TypeError(f"{name} must be a whole number or an array of them, got {_shown(value)}")
    _check_dimensions(name, found, ndim)
    if found.size and int(found.min()) < minimum:
        raise ValueError(f"{name} must be at least {minimum}, got {found.min()}{_place(found, found < minimum)}")
    if found.size and int(found.max()) > maximum:
        raise ValueError(f"{name} must be at most {_bound(maximum)}, got {found.max()}{_place(found, found > maximum)}")
    return found.astype(np.int64)


def schedule(
    name: str,
    value: Any,
    low: float = -np.inf,
    high: float = np.inf,
    *,
    open_low: bool = False,
    open_high: bool = False,
    generations: int | None = None,
) -> Any:
    """A number, or a float64 vector with one entry for each generation: 0, ..., ``generations`` where that is known already."""
    found = array(name, value, ndim=(0, 1), low=low, high=high, open_low=open_low, open_high=open_high)
    if found.ndim == 0:
        return float(found)
    if not found.size:
        raise ValueError(f"{name} must be a number, or one for each generation, got no entry")
    if generations is not None:
        check_length(name, found, generations)
    return found


def check_length(name: str, schedule: Any, generations: int) -> None:
    """Refuse a schedule that has not one entry for each of the generations 0, ..., ``generations``."""
    if np.ndim(schedule) == 1 and np.shape(schedule)[0] != generations + 1:
        raise ValueError(
            f"{name} needs one entry for each generation 0 to {generations} ({generations + 1} numbers), "
            f"got {np.shape(schedule)[0]}"
        )


def sizes(size: Any, generations: int) -> np.ndarray:
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


def recorded(record: Any, first: int, last: int) -> np.ndarray:
    """Generations to record ``(n,)`` int64, increasing, from ``first`` to ``last``; None means all."""
    if record is None:
        return np.arange(first, last + 1)
    try:
        found = np.atleast_1d(whole_array("record", record, minimum=-(2**63), maximum=2**63 - 1, ndim=(0, 1)))
    except TypeError:
        raise TypeError(f"record must be a list of generations, got {_shown(record)}") from None
    if not found.size:
        raise ValueError(f"record must name at least one generation, got {_shown(record)}")
    if np.any(np.diff(found) <= 0) or found[0] < first or found[-1] > last:
        raise ValueError(f"record must be increasing and lie between {first} and {last}, got {_shown(record)}")
    return found


def law_tolerance(entries: int) -> float:
    """How far from 1 probabilities may sum: 1e-6, and the rounding of as many entries in float32. The theory has the same rule."""
    return 1e-6 + 4 * float(np.sqrt(entries)) * float(np.finfo(np.float32).eps)


def law(name: str, weights: Any, normalise: bool = False) -> np.ndarray:
    """Probabilities ``(K,)`` float64 with a sum of 1; with ``normalise``, of any nonnegative weights, such as counts.

    Raises
    ------
    ValueError
        If an entry is negative or not finite, or the sum is not 1 within ``law_tolerance(K)`` and ``normalise`` is not set.
    """
    p = _numbers(name, weights, "an array of numbers")
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
    if normalise and not np.isfinite(total):
        p = p / p.max()
        total = p.sum()
    if total <= 0:
        raise ValueError(f"{name} must not all be zero")
    if not normalise and abs(total - 1) > law_tolerance(p.size):
        raise ValueError(f"{name} must sum to 1, got a sum of {total:.9g}; for counts or weights pass normalise=True")
    return p / total


def flag(name: str, value: Any) -> bool:
    """True or False, of Python or NumPy; a number is neither."""
    if isinstance(value, bool | np.bool_) or (not traced(value) and _is_scalar(value) and value.dtype == bool):
        return bool(value)
    raise TypeError(f"{name} must be True or False, got {_shown(value)}")


def choice(name: str, value: Any, allowed: Iterable[Any]) -> Any:
    """One of the ``allowed`` words or whole numbers."""
    options = list(allowed)
    if isinstance(value, str):
        found = str(value)
    else:
        words = all(isinstance(option, str) for option in options)
        if words:
            raise TypeError(f"{name} must be {_either(options)}, got {_shown(value)}")
        found = whole(name, value, -(2**63), 2**63 - 1)  # type: ignore[assignment]
    if found not in options:
        raise ValueError(f"{name} must be {_either(options)}, got {_shown(value)}")
    return found


def seed(value: Any) -> tuple[jax.Array, Seed]:
    """The key of a run, and what its record says of the seed. No two seeds give one key.

    An integer below 2**64 is the two words of a threefry key, high and low, as in JAX's 64-bit mode; a larger one is
    hashed by ``numpy.random.SeedSequence``, as is a list of integers, together with their lengths (alone it would read
    ``[5]`` and ``[5, 0]`` as one). None draws an integer, which the record holds. JAX keys, raw ones included, are taken as they are.
    """
    if value is None:
        value = int(np.random.SeedSequence().generate_state(1, np.uint64)[0])
    if isinstance(value, np.random.SeedSequence):
        record = {"entropy": np.array(value.entropy, object).tolist(), "spawn_key": [int(k) for k in value.spawn_key]}
        return _from_words(value.generate_state(2)), record
    if isinstance(value, jax.Array | np.ndarray) and (
        jnp.issubdtype(value.dtype, jax.dtypes.prng_key) or _is_raw(value)
    ):
        shape = value.shape[:-1] if _is_raw(value) else value.shape
        if shape or (_is_raw(value) and value.shape != (2,)):
            raise ValueError(
                f"seed must be one key (raw: two words of uint32), got {value.dtype} of shape {value.shape}"
            )
        return sampling.wrap(value), None
    if isinstance(value, list | tuple | np.ndarray) and np.ndim(value) == 1 and len(value):
        several = [_seed_number(item) for item in value]
        counts = tuple(max(1, -(-item.bit_length() // 32)) for item in several)
        return _from_words(np.random.SeedSequence(several, spawn_key=(_LIST, *counts)).generate_state(2)), several
    single = _seed_number(value)
    if single >= 2**64:
        return _from_words(np.random.SeedSequence(single).generate_state(2)), single
    return _from_words(np.array([single >> 32, single & 0xFFFFFFFF], np.uint32)), single


def operand(name: str, value: Any) -> Any:
    """Real numbers for a pure function: traced values and arrays of JAX as they are, anything else as an array of the precision in force."""
    if traced(value) or (isinstance(value, jax.Array) and jnp.issubdtype(value.dtype, jnp.floating)):
        return value
    return jnp.asarray(_numbers(name, value, "an array of numbers"), jnp.result_type(float))


def converted(part: Any, **checks: Callable[[str, Any], Any]) -> None:
    """For ``__post_init__`` of a part: each named field as its check returns it, ``check(name, value)``.

    Values that a transformation traces, and its placeholders, pass as they are.
    """
    for name, check in checks.items():
        value = getattr(part, name)
        if not traced(value):
            object.__setattr__(part, name, check(name, value))


def checker(check: Callable[..., Any], *args: Any, **options: Any) -> Callable[[str, Any], Any]:
    """``check`` with its bounds, as ``converted`` calls it."""
    return lambda name, value: check(name, value, *args, **options)


def optional(check: Callable[..., Any], *args: Any, **options: Any) -> Callable[[str, Any], Any]:
    """``checker`` that takes None too."""
    return lambda name, value: None if value is None else check(name, value, *args, **options)


share = functools.partial(number, low=0.0, high=1.0)
"""A number in [0, 1]."""
shares = functools.partial(schedule, low=0.0, high=1.0)
"""A number in [0, 1], or one for each generation."""
positive = functools.partial(number, low=0.0, open_low=True)
"""A finite number above 0."""
nonnegative = functools.partial(number, low=0.0)
"""A finite number of at least 0."""
count = functools.partial(whole, minimum=1)
"""A whole number of at least 1."""


def having(name: str, value: Any, methods: Iterable[str]) -> Any:
    """A part with all the named ``methods``: an instance, not its class."""
    methods = list(methods)
    missing = [m for m in methods if not hasattr(value, m)]
    if missing or isinstance(value, type):
        hint = "; give an instance, not the class" if isinstance(value, type) else ""
        raise TypeError(
            f"{name} must have {', '.join(methods)}; {_shown(value)} lacks {', '.join(missing) or 'an instance'}{hint}"
        )
    return value


FAMILY = ("draw", "draw_rows", "summarise", "fit", "data")
SOURCE = ("draw_rows", "moments")
REGIME = ("start", "next", "needs_items")
family = functools.partial(having, methods=FAMILY)
"""A family: what is refitted each generation."""
regime = functools.partial(having, methods=REGIME)
"""A regime: which data the next generation learns from."""


def source(name: str, value: Any) -> Any:
    """A source: what is real. Bare data are refused by the names of the functions that make sources of them, and not printed."""
    if any(hasattr(value, method) for method in SOURCE) or isinstance(value, type):
        return having(name, value, SOURCE)
    shape = f" of shape {np.shape(value)}" if hasattr(value, "shape") else ""
    raise TypeError(
        f"{name} must say what is real, and {type(value).__name__}{shape} does not. Rows of numbers become a source by "
        "table(rows), probabilities by categorical(p), counts by name by counts(mapping), text and other labels by "
        "labels(values), a function of (key, n) by sampler(draw)"
    )


def _plain(name: str, value: Any, wanted: str, booleans: bool = False) -> np.ndarray:
    """``value`` as an array of NumPy whose entries are numbers, or Python's own numbers where no type of NumPy holds them."""
    if value is None or isinstance(value, str | bytes | dict | set | frozenset):
        raise TypeError(f"{name} must be {wanted}, got {_shown(value)}")
    if traced(value):
        raise TypeError(f"{name} must be concrete, got {_shown(value)}, which a transformation of JAX traces")
    if np.ma.isMaskedArray(value) and np.ma.getmaskarray(value).any():
        raise ValueError(f"{name} must have no masked entry, got {int(np.ma.getmaskarray(value).sum())}")
    try:
        found = np.asarray(value.to_numpy() if hasattr(value, "to_numpy") else value)
    except ValueError:
        raise ValueError(f"{name} must be {wanted} with rows of one length, got {_shown(value)}") from None
    except (TypeError, OverflowError):
        raise TypeError(f"{name} must be {wanted}, got {_shown(value)}") from None
    if found.dtype == object:
        found = _from_objects(name, found, wanted, value)
    elif jnp.issubdtype(found.dtype, jnp.floating) and found.dtype.kind != "f":
        found = found.astype(np.float64)  # half precisions that NumPy does not know
    if found.dtype.kind == "b" and not booleans:
        raise TypeError(f"{name} must be {wanted}, not True or False, got {_shown(value)}")
    if found.dtype.kind == "c":
        raise TypeError(f"{name} must be {wanted} without imaginary part, got {_shown(value)}")
    if found.dtype.kind not in "iufbO":
        raise TypeError(f"{name} must be {wanted}, got {_shown(value)} of type {found.dtype}")
    if found.dtype.kind != "b" and _holds_booleans(value):
        raise TypeError(f"{name} must be {wanted}, not True or False, got {_shown(value)}")
    return found


def _from_objects(name: str, found: np.ndarray, wanted: str, value: Any) -> np.ndarray:
    """Numbers that came as objects: integers of a column that may have gaps, fractions, decimals."""
    for place, item in enumerate(found.flat):
        real = isinstance(item, numbers.Real | decimal.Decimal) and not isinstance(item, bool | np.bool_)
        if not real:
            where = f" in place {place}" if found.ndim else ""
            raise TypeError(f"{name} must be {wanted}, got {_shown(item)}{where}")
    if all(isinstance(item, numbers.Integral) for item in found.flat):
        if all(-(2**63) <= int(item) < 2**63 for item in found.flat):
            return found.astype(np.int64)
        return found
    return _floats(found)


def _floats(found: np.ndarray) -> np.ndarray:
    def one(item: Any) -> float:
        try:
            return float(item)
        except OverflowError:
            return np.inf

    return np.array([one(item) for item in found.flat], np.float64).reshape(found.shape)


def _numbers(name: str, value: Any, wanted: str, booleans: bool = False) -> np.ndarray:
    found = _plain(name, value, wanted, booleans)
    return _floats(found) if found.dtype == object else found.astype(np.float64)


def _holds_booleans(value: Any) -> bool:
    """Whether a list mixes truth values with numbers, which NumPy would turn into 0 and 1."""
    if isinstance(value, list | tuple):
        return any(_holds_booleans(item) for item in value)
    return isinstance(value, bool | np.bool_)


def _check_dimensions(name: str, found: np.ndarray, ndim: int | tuple[int, ...] | None) -> None:
    allowed = (ndim,) if isinstance(ndim, int) else ndim
    if allowed is not None and found.ndim not in allowed:
        words = {0: "one number", 1: "a vector", 2: "a table (n, d)", 3: "an array of three dimensions"}
        raise ValueError(f"{name} must be {' or '.join(words[n] for n in allowed)}, got shape {found.shape}")


def _check_range(
    name: str, found: np.ndarray, low: float, high: float, open_low: bool, open_high: bool, value: Any
) -> None:
    dtype = np.dtype(jnp.result_type(float))
    with np.errstate(over="ignore", under="ignore"):
        kept = found.astype(dtype)
    lost = ~np.isfinite(kept)
    words = _interval(low, high, open_low, open_high)
    if lost.any():
        entry = found[lost].flat[0]
        held = f" in {dtype.name}, the precision in force (jax_enable_x64 gives 64 bits)" if np.isfinite(entry) else ""
        raise ValueError(f"{name} must {words}{held}, got {entry!s}{_place(found, lost)}")
    for kind in (found, kept):
        outside = (kind < low) | (kind > high) | (open_low & (kind == low)) | (open_high & (kind == high))
        # the end itself may be rounded away from what the precision holds
        outside &= (found < low) | (found > high) | ((kind == low) & open_low) | ((kind == high) & open_high)
        if outside.any():
            raise ValueError(f"{name} must {words}, got {found[outside].flat[0]!s}{_place(found, outside)}")


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


def _place(found: np.ndarray, wrong: np.ndarray) -> str:
    if not found.ndim:
        return ""
    place = np.argwhere(wrong)[0]
    if found.ndim == 2:
        return f" in row {place[0]}, column {place[1]}"
    return f" in place {place[0] if found.ndim == 1 else tuple(int(i) for i in place)}"


def _bound(number: int) -> str:
    size = abs(number + 1 if number > 0 else number)
    large = size >= 2**31 and size & (size - 1) == 0
    return (
        f"{'-' if number < 0 else ''}2**{size.bit_length() - 1}{' - 1' if number > 0 else ''}" if large else f"{number}"
    )


def _first_large(items: Iterable[Any]) -> int:
    return next(int(item) for item in items if not -(2**63) <= int(item) < 2**63)


def _either(options: list[Any]) -> str:
    return ", ".join(f"{o!r}" for o in options[:-1]) + f" or {options[-1]!r}"


def _type(value: Any) -> Any:
    return getattr(value, "dtype", None)


def _is_scalar(value: Any) -> bool:
    return hasattr(value, "dtype") and getattr(value, "shape", None) == ()


def _is_raw(value: Any) -> bool:
    return value.dtype == np.uint32 and value.ndim >= 1


def _seed_number(value: Any) -> int:
    try:
        number = whole("seed", value, -(2**62), 2**4096)
    except TypeError:
        raise TypeError(f"seed must be a nonnegative integer or a JAX key, got {_shown(value)}") from None
    if number < 0:
        raise ValueError(f"seed must not be negative, got {number}")
    return number


def _from_words(words: np.ndarray) -> jax.Array:
    return sampling.wrap(np.asarray(words, np.uint32))


def _shown(value: Any) -> str:
    """``repr``, cut to one line."""
    with np.printoptions(threshold=20):
        text = " ".join(repr(value).split())
    return text if len(text) <= 200 else f"{text[:200]}..."

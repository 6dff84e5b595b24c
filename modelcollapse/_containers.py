"""Lists, arrays, series, data frames and mappings become arrays and names; a refusal names the call that is right.

Nothing here needs pandas: a series is what has an index and a type, a frame what has columns and types.
"""

from __future__ import annotations

import contextlib
import datetime
import decimal
import numbers
from collections.abc import Hashable, Iterable, Mapping
from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import ArrayLike

from modelcollapse import arguments
from modelcollapse.names import as_name, distinct_names, is_missing
from modelcollapse.numeric import EXACT, holds_booleans, place


@runtime_checkable
class Columns(Protocol):
    """A data frame of any library."""

    columns: Any
    dtypes: Any
    shape: tuple[int, int]


@runtime_checkable
class Typed(Protocol):
    """An array or column of any library."""

    dtype: Any


@runtime_checkable
class ToNumpy(Protocol):
    """Data of any library that become an array of NumPy."""

    def to_numpy(self) -> np.ndarray: ...


@runtime_checkable
class Series(Typed, ToNumpy, Protocol):
    """One column with an index."""

    index: Any
    name: Any


@runtime_checkable
class Lists(Protocol):
    """An array or column that gives its entries as Python has them."""

    def tolist(self) -> list: ...


@runtime_checkable
class Categories(Protocol):
    """The type of a column whose entries are of a list of values."""

    categories: Any


def rows(data: Any) -> tuple[np.ndarray, tuple | None]:
    """Measurements ``(N, d)`` float64, states ``(N,)`` or rows of whole numbers ``(N, d)`` int32, and a frame's
    columns.
    """
    if isinstance(data, Columns):
        return _frame(data)
    if isinstance(data, Mapping | str | bytes) or data is None:
        hint = ": counts(mapping) makes counts by name a law" if isinstance(data, Mapping) else ""
        raise TypeError(f"a table must hold numbers in rows of shape (N, d), got {_type(data)}{hint}")
    _refuse_counts("rows", data)
    found = dense(data)
    if not found.size:
        raise ValueError(f"a table must have at least one row and one column, got shape {found.shape}")
    if (what := kind(data)) != "numbers":
        hint = (
            ": labels(values) makes them states, numbered from 0"
            if found.ndim == 1 and what != "complex numbers"
            else ""
        )
        raise TypeError(
            f"a table must hold numbers, got {what} ({data.dtype if isinstance(data, Typed) else found.dtype}){hint}"
        )
    if found.ndim not in (1, 2):
        raise ValueError(f"a table must hold numbers in rows of shape (N, d), got {found.dtype} of shape {found.shape}")
    if found.dtype.kind != "b" and holds_booleans(data):
        raise TypeError("rows must hold numbers or truth values, not both")
    _refuse_missing("rows", found)
    if found.ndim == 1 and _are_whole(found):
        return _states(found), None
    _refuse_inexact("rows", found)
    points = arguments.array("rows", data, booleans=True)
    if (
        _are_whole(found)
        and found.dtype.kind != "b"
        and -arguments.LARGEST <= points.min() <= points.max() <= arguments.LARGEST
    ):
        return points.astype(np.int32), None
    return points[:, None] if points.ndim == 1 else points, None


def codes(values: Any) -> tuple[np.ndarray, tuple]:
    """States ``(N,)`` int32, numbered from 0 by value or as categories are ordered, and what they are called."""
    alone = isinstance(values, str | bytes) or not isinstance(values, Iterable)
    if alone or isinstance(values, Mapping | Columns) or (isinstance(values, Typed) and np.asarray(values).shape == ()):
        hint = ": counts(mapping) takes counts by name" if isinstance(values, Mapping) else ""
        hint = ': give one column, labels(frame["..."])' if isinstance(values, Columns) else hint
        raise TypeError(f"values must be one label for each row, got {_type(values)}{hint}")
    _refuse_counts("values", values)
    dtype = values.dtype if isinstance(values, Typed) else None
    categories = dtype.categories if isinstance(dtype, Categories) else None
    # NumPy would give times as bare integers; types of some libraries have no letter for their kind
    times = getattr(dtype, "kind", "O") in "mM"
    items = values.tolist() if isinstance(values, Lists) and not times else list(values)
    if not items:
        raise ValueError("values must hold at least one label, got none")
    for row, item in enumerate(items):
        if is_missing(item):
            raise ValueError(f"values must have no gaps, got {item!r} in row {row}: leave such rows out")
        if not isinstance(item, Hashable):
            raise TypeError(f"values must be one label for each row, got {type(item).__name__} in row {row}")
    if len({isinstance(item, bool | np.bool_) for item in items if isinstance(item, numbers.Number | np.bool_)}) > 1:
        raise TypeError(
            "values must not mix numbers with True and False, which equal 1 and 0: write the latter as text"
        )
    distinct = list(dict.fromkeys(items)) if categories is None else categories.tolist()
    if categories is None:
        # labels of several types, which have no order, stay as they come
        with contextlib.suppress(TypeError):
            distinct = sorted(distinct)
    number = {item: state for state, item in enumerate(distinct)}
    for row, item in enumerate(items):
        # True == 1, and neither is the label of the other
        if isinstance(item, bool) != isinstance(distinct[number[item]], bool):
            raise ValueError(
                f"values must differ by more than their type, got {distinct[number[item]]!r} and {item!r} in row {row}"
            )
    return np.array([number[item] for item in items], np.int32), distinct_names("values", distinct)


def images(pixels: ArrayLike) -> np.ndarray:
    """Images ``(n, height, width)`` or ``(n, pixels)`` as float64 rows ``(n, pixels)``."""
    array = dense(pixels, "rows of pixels")
    if array.ndim not in (2, 3) or not array.size or kind(pixels) != "numbers":
        raise ValueError(
            f"pixels of images must be numbers in an array (n, height, width) or (n, pixels), got {array.dtype} of "
            f"shape {array.shape}"
        )
    _refuse_missing("images", array)
    return array.reshape(len(array), -1).astype(np.float64)


def classes(labels: ArrayLike, n: int) -> np.ndarray:
    """The classes of ``n`` images as float64 ``(n,)``, whole numbers from 0."""
    found = dense(labels, "labels")
    found = arguments.whole_array("labels", labels) if found.dtype == object else found
    if found.shape != (n,) or found.dtype.kind not in "iu" or found.min() < 0:
        raise ValueError(
            f"labels must be {n} whole numbers from 0, one for each image of pixels, got {found.dtype} of shape "
            f"{found.shape}" + (f" from {found.min()}" if found.size and found.dtype.kind in "iu" else "")
        )
    if found.max() > arguments.LARGEST:
        raise ValueError(f"labels must be at most 2**31 - 1, got {found.max()}: number the classes from 0")
    return found.astype(np.float64)


def named_weights(name: str, weights: Any) -> tuple[Any, tuple | None]:
    """The numbers of a mapping, or of a series with its own index, and what they are called; anything else as it is."""
    if isinstance(weights, Columns):
        raise TypeError(f"{name} must be one number for each state, got {_type(weights)}: give one column")
    if isinstance(weights, Mapping):
        return list(weights.values()), distinct_names(name, list(weights))
    if not isinstance(weights, Typed):
        dense(weights, name)
    if (what := kind(weights)) == "text" and not isinstance(weights, str | bytes):
        raise TypeError(f"{name} must be numbers, got text: labels(values) takes one label for each row")
    if isinstance(weights, Series) and isinstance(weights.dtype, Categories):
        raise TypeError(
            f"{name} must be numbers, got categories of {what}: labels(values) takes one label for each row"
        )
    return weights, distinct_names(name, weights.index.tolist()) if has_own_index(weights) else None


def has_own_index(data: Any) -> bool:
    """Whether ``data`` is a series whose index is more than the number of the row."""
    return isinstance(data, Series) and type(data.index).__name__ != "RangeIndex"


def kind(data: Any) -> str:
    """What a column or array holds, in words: "numbers" are those of any real type, and booleans."""
    dtype = data.dtype if isinstance(data, Typed) else None
    if isinstance(dtype, Categories):
        return kind(dtype.categories)
    # types of some libraries have no letter for their kind
    if dtype is None or not hasattr(dtype, "kind"):
        dtype = np.asarray(data).dtype
    letter = "U" if str(dtype).startswith(("str", "String")) else dtype.kind
    known = {"M": "dates", "m": "durations", "U": "text", "S": "text", "T": "text", "c": "complex numbers"}
    if letter in "iufb" or "float" in str(dtype):
        return "numbers"
    if letter != "O":
        return known.get(letter, "records")
    words = {_kind_of_item(item) for item in np.asarray(data, object).flat if not is_missing(item)}
    return words.pop() if len(words) == 1 else "numbers" if not words else "objects of several types"


def _kind_of_item(item: Any) -> str:
    for types, word in (
        (numbers.Real | decimal.Decimal | np.bool_, "numbers"),
        (numbers.Complex, "complex numbers"),
        (str | bytes, "text"),
        (datetime.date | datetime.time | np.datetime64, "dates"),
    ):
        if isinstance(item, types):
            return word
    return f"objects of type {type(item).__name__}"


def _frame(frame: Any) -> tuple[np.ndarray, tuple]:
    titles = [as_name(title) for title in frame.columns]
    if not len(frame) or not titles:
        raise ValueError(f"a table must have at least one row and one column, got shape {frame.shape}")
    # by their places, as names may occur twice; not every library has that
    columns = [frame.iloc[:, j] if hasattr(frame, "iloc") else frame[title] for j, title in enumerate(frame.columns)]
    kinds = [kind(column) for column in columns]
    if set(kinds) != {"numbers"}:
        raise TypeError(_mixed(titles, kinds))
    read = []
    for j, (title, column) in enumerate(zip(titles, columns, strict=True)):
        where = f"column {j} ({title!r})"
        values = dense(column)
        _refuse_missing(where, values)
        _refuse_inexact(where, values)
        read.append(arguments.array(where, values, booleans=True))
        if str(title).startswith("Unnamed:") and np.array_equal(read[-1], np.arange(len(values))):
            raise ValueError(
                f"{where} numbers the rows, an index written to a file: drop it, or read it with index_col={j}"
            )
    return np.stack(read, axis=1), tuple(titles)


def _mixed(titles: list, kinds: list[str]) -> str:
    groups = {
        what: [title for title, k in zip(titles, kinds, strict=True) if k == what] for what in dict.fromkeys(kinds)
    }
    held = "; ".join(f"{what} in {_few(group)}" for what, group in groups.items())
    advice = [f"table(frame[[{_few(groups['numbers'])}]]) takes the numbers"] if "numbers" in groups else []
    first = next(title for title, k in zip(titles, kinds, strict=True) if k != "numbers")
    advice += [f"labels(frame[{first!r}]) takes a column as states", "simulate_models takes the frame whole"]
    return f"a table must hold numbers, got {held}: {', '.join(advice)}"


def _few(titles: list) -> str:
    return ", ".join(f"{title!r}" for title in titles[:5]) + (
        f", ... {len(titles) - 5} more" if len(titles) > 5 else ""
    )


def _refuse_counts(name: str, data: Any) -> None:
    """Refuse how often each value occurs where one value for each row is wanted."""
    if not has_own_index(data):
        return
    whole = kind(data) == "numbers" and _are_whole(dense(data))
    tally = data.name in ("count", "proportion") and data.index.is_unique and data.is_monotonic_decreasing
    if tally or (whole and kind(data.index) == "text"):
        call = "categorical" if data.name == "proportion" else "counts"
        raise TypeError(
            f"{name} must be one entry for each row, and this series looks like {data.name or 'count'}s by name: "
            f"{call}(series) makes it a law; if it is not, give series.to_numpy()"
        )


def _states(found: np.ndarray) -> np.ndarray:
    low, high = int(found.min()), int(found.max())
    if low < 0:
        raise ValueError(f"states must be 0 or more, got {low} in row {int(found.argmin())}")
    if high > arguments.LARGEST:
        raise ValueError(
            f"states must be at most 2**31 - 1, got {high} in row {int(found.argmax())}: labels(values) numbers "
            "identifiers from 0; for measurements give floats"
        )
    return found.astype(np.int32)


def _refuse_inexact(name: str, found: np.ndarray) -> None:
    """Refuse whole numbers that floats cannot tell apart."""
    if not _are_whole(found) or found.dtype.kind == "b":
        return
    wide = (
        np.array([abs(int(item)) > EXACT for item in found.flat])
        if found.dtype == object
        else (found > EXACT) | (found < -EXACT)
    )
    if wide.any():
        wide = wide.reshape(found.shape)
        raise ValueError(
            f"{name} must hold whole numbers up to 2**53, which floats hold exactly, got {found[wide].flat[0]}"
            f"{place(wide, 'row')}: take off an offset, or give identifiers to labels(values)"
        )


def _refuse_missing(name: str, found: np.ndarray) -> None:
    """Refuse gaps: NaN, None, NA, masked entries; and infinities."""
    gone = np.ma.getmaskarray(found)
    if found.dtype == object:
        gone = np.array([is_missing(item) for item in found.flat], bool).reshape(found.shape)
    elif found.dtype.kind not in "iub":
        gone = gone | ~np.isfinite(np.ma.getdata(found).astype(np.float64))
    if gone.any():
        value = "a masked entry" if np.ma.isMaskedArray(found) else found[gone].flat[0]
        raise ValueError(f"{name} must be finite, got {value}{place(gone, 'row')} ({int(gone.sum())} such entries)")


def _are_whole(found: np.ndarray) -> bool:
    return found.dtype.kind in "iub" or (
        found.dtype == object and all(isinstance(item, numbers.Integral | np.bool_) for item in found.flat)
    )


def dense(data: Any, name: str = "rows") -> Any:
    """``data`` as an array of NumPy, masks kept."""
    if isinstance(data, ToNumpy):
        return data.to_numpy()
    try:
        return data if isinstance(data, np.ndarray) else np.asarray(data)
    except ValueError:
        raise ValueError(f"{name} must be of one length, got a list of several lengths") from None


def _type(data: Any) -> str:
    # lists may be ragged, and have no shape
    shape = f" of shape {np.shape(data)}" if hasattr(data, "shape") else ""
    return f"{type(data).__name__}{shape}"

"""How rows look to a model: arrays as they are, or data frames with their columns, types and missing values.

A frame is held as a float64 matrix: columns of numbers as they are, all others as codes of their values. So regimes
pool, subset and mix rows of any kind alike, and a model is given, and gives, the frame.
"""

from __future__ import annotations

import functools
from typing import Any, TypeAlias

import jax
import jax.numpy as jnp
import numpy as np

from modelcollapse.data import Rows
from modelcollapse.numeric import EXACT, shown
from modelcollapse.pytree import part, static

DataFrame: TypeAlias = Any
"""A data frame of pandas, which need not be installed."""
Series: TypeAlias = Any
"""One of its columns."""
Kind: TypeAlias = Any
"""The type of one."""
Value: TypeAlias = Any
"""What stands in one row of it, or what it is called."""


def is_frame(data: Any) -> bool:
    """Whether ``data`` is a data frame of pandas, which need not be installed."""
    kind = type(data)
    return kind.__name__ == "DataFrame" and kind.__module__.partition(".")[0] == "pandas"


class Arrays:
    """Rows ``(n, d)`` as arrays: numbers, finite."""

    values: list[list[Any]] | None = None

    def restore(self, values: list[list[Any]]) -> None:
        """Numbers are not coded."""

    def given(self, rows: np.ndarray) -> Any:
        """What a model is fitted to."""
        return rows

    def taken(self, out: Any, n: int, width: int | None = None) -> np.ndarray:
        """The rows of what a model's ``sample`` returned."""
        # scikit-learn's mixtures return rows and labels
        rows = np.asarray(out[0] if isinstance(out, tuple) else out)
        rows = rows[:, None] if rows.ndim == 1 else rows
        if rows.ndim != 2 or len(rows) != n or (width is not None and rows.shape[1] != width):
            raise ValueError(f"sample({n}) must return {n} rows of the width that was fitted, got shape {rows.shape}")
        try:
            rows = (
                rows
                if rows.dtype.kind in "iu"
                else rows.astype(np.float64, casting="unsafe" if rows.dtype == object else "same_kind")
            )
        except (TypeError, ValueError):
            raise TypeError(f"sample({n}) must return rows of numbers, got {rows.dtype}") from None
        if not np.all(np.isfinite(rows)):
            raise ValueError(f"sample({n}) must return finite rows, got {rows[~np.isfinite(rows).all(1)][0]}")
        return rows


@part
class Columns:
    """The columns of a data frame, as a saved run holds them; what a type is, pandas is asked when it is needed."""

    names: tuple = static()
    types: tuple[str, ...] = static()
    categories: tuple[tuple[list[Any], bool] | None, ...] = static()  # and whether they are ordered
    missing: tuple[bool, ...] = static()
    numeric: tuple[bool, ...] = static()
    values: list[list[Any]] = static()  # of the columns that are coded

    @staticmethod
    def of(frame: DataFrame) -> Columns:
        """Those of a data frame, with its types and where it has gaps."""
        if not len(frame) or not len(frame.columns):
            raise ValueError(f"a data frame must have at least one row and one column, got shape {frame.shape}")
        if not frame.columns.is_unique:
            twice = frame.columns[frame.columns.duplicated()][0]
            raise ValueError(f"the columns of a data frame must have names of their own, got {twice!r} twice")
        import pandas

        names = tuple(_item(name) for name in frame.columns)
        for name in names:
            if not _kept(name):
                raise TypeError(f"the columns of a data frame must have names that are text or numbers, got {name!r}")
        kinds = [frame[name].dtype for name in names]
        found = Columns(
            names=names,
            types=tuple(map(str, kinds)),
            categories=tuple(
                (_categories(name, kind), bool(kind.ordered)) if isinstance(kind, pandas.CategoricalDtype) else None
                for name, kind in zip(names, kinds, strict=True)
            ),
            missing=tuple(bool(frame[name].isna().any()) for name in names),
            numeric=tuple(_numeric(frame[name]) for name in names),
            values=[[] for _ in names],
        )
        vars(found)["dtypes"] = kinds  # a text does not say all of every type
        return found

    @functools.cached_property
    def dtypes(self) -> list[Any]:
        """The types of pandas."""
        import pandas

        return [
            pandas.CategoricalDtype(*known) if known else pandas.api.types.pandas_dtype(kind)
            for kind, known in zip(self.types, self.categories, strict=True)
        ]

    def __repr__(self) -> str:
        return f"the columns of a data frame, {list(self.names)}"


class Frames:
    """Rows of one chain as data frames with the given columns; models may draw values that the real data have not."""

    def __init__(self, columns: Columns) -> None:
        self.columns, self.missing, self.numeric = list(columns.names), columns.missing, columns.numeric
        self.dtypes = columns.dtypes
        self.values: list[list[Any]] = [[] for _ in self.columns]
        self.codes: list[dict[Any, int]] = [{} for _ in self.columns]
        self.restore(columns.values)

    def restore(self, values: list[list[Any]]) -> None:
        """Code by ``values``, of each column, as a chain did before; those of the real data come first."""
        if any(found[: len(own)] != own for own, found in zip(self.values, values, strict=True)):
            raise ValueError("the columns of the data frame hold other values than those of the run that goes on")
        self.values = [list(column) for column in values]
        self.codes = [{(type(value), value): code for code, value in enumerate(column)} for column in values]

    def encoded(self, frame: DataFrame) -> np.ndarray:
        """The frame as a matrix ``(n, d)``; a missing value of a coded column is -1."""
        return np.stack([self._numbers(i, frame[name]) for i, name in enumerate(self.columns)], axis=1)

    def given(self, rows: np.ndarray) -> Any:
        """The frame that a matrix stands for."""
        import pandas

        return pandas.DataFrame({name: self._column(i, rows[:, i]) for i, name in enumerate(self.columns)})

    def taken(self, out: Any, n: int, width: int | None = None) -> np.ndarray:
        """The rows of what a model's ``sample`` returned: a frame with these columns, or an array of as many."""
        import pandas

        out = out[0] if isinstance(out, tuple) else out
        if not is_frame(out):
            array = np.asarray(out)
            if array.ndim != 2 or array.shape[1] != len(self.columns):
                raise ValueError(
                    f"sample({n}) must return the {len(self.columns)} columns that were fitted, got shape {array.shape}"
                )
            out = pandas.DataFrame(array, columns=self.columns)
        absent = [str(name) for name in self.columns if name not in out.columns]
        beyond = [str(name) for name in out.columns if name not in self.columns]
        if absent or beyond or len(out) != n:
            raise ValueError(
                f"sample({n}) must return {n} rows with the columns that were fitted, got {len(out)} rows"
                + (f" without {', '.join(absent)}" if absent else "")
                + (f" with {', '.join(beyond)} besides" if beyond else "")
            )
        for name, missing in zip(self.columns, self.missing, strict=True):
            if not missing and out[name].isna().any():
                raise ValueError(
                    f"sample({n}) returned a missing value in the column {name!r}, and the real data have none there"
                )
        return self.encoded(out)

    def _numbers(self, i: int, column: Series) -> np.ndarray:
        if self.numeric[i]:
            try:
                numbers = column.to_numpy(np.float64, na_value=np.nan)
            except (TypeError, ValueError):
                raise TypeError(
                    f"the column {self.columns[i]!r} must hold numbers, as in the real data, got {column.dtype}"
                ) from None
            self._check_numbers(i, numbers)
            return numbers
        codes, values, dates = self.codes[i], self.values[i], _is_date(self.dtypes[i])
        out = np.empty(len(column))
        for row, (value, gone) in enumerate(zip(column, column.isna(), strict=True)):
            if gone:
                out[row] = -1
                continue
            value = str(value) if dates else _item(value)  # a date as text, so that a file can hold it
            try:
                code = codes.get((type(value), value), len(values))
            except TypeError:
                code = len(values)  # refused below
            if code == len(values):
                if not _kept(value):
                    raise TypeError(
                        f"the column {self.columns[i]!r} must hold numbers, text or dates, got {shown(value)}: "
                        f"{_remedy(self.columns[i], self.dtypes[i])}"
                    )
                codes[type(value), value] = code
                values.append(value)
            out[row] = code
        return out

    def _check_numbers(self, i: int, numbers: np.ndarray) -> None:
        """Refuse infinite numbers, and those that the type of the column would round off or wrap."""
        dtype = self.dtypes[i]
        if np.isinf(numbers).any() and dtype.kind == "f":
            raise ValueError(f"the column {self.columns[i]!r} must be finite, got {numbers[np.isinf(numbers)][0]}")
        if dtype.kind == "b":
            fits, kind = (numbers == 0) | (numbers == 1), "True and False"
        elif dtype.kind in "iu":
            limits = np.iinfo(getattr(dtype, "numpy_dtype", dtype))  # a type of pandas with gaps names NumPy's
            fits = (numbers == np.rint(numbers)) & (numbers >= limits.min) & (numbers <= limits.max)
            kind = f"whole numbers of type {dtype}"
        else:
            return
        wrong = numbers[~(fits | np.isnan(numbers))]
        if wrong.size:
            raise ValueError(
                f"the column {self.columns[i]!r} must hold {kind}, as in the real data, got {wrong[0]:g}: let `sample` "
                "round its draws, or make it a column of floats in the real data"
            )

    def _column(self, i: int, numbers: np.ndarray) -> Any:
        import pandas

        dtype = self.dtypes[i]
        if self.numeric[i]:
            if np.isnan(numbers).any() and dtype.kind in "iub":
                return pandas.Series(numbers).astype(object).where(~np.isnan(numbers), None).astype(dtype)
            return pandas.Series(numbers).astype(dtype)
        values = [None if code < 0 else self.values[i][int(code)] for code in numbers]
        if isinstance(dtype, pandas.CategoricalDtype):
            added = [v for v in self.values[i] if v not in dtype.categories]
            dtype = pandas.CategoricalDtype([*dtype.categories, *added], dtype.ordered) if added else dtype
        return pandas.Series(values, dtype=dtype)


def _kind(dtype: Kind) -> str:
    """NumPy's letter for a type: every one of NumPy and pandas has it, those of others need not."""
    return getattr(dtype, "kind", "O")


def _is_date(dtype: Kind) -> bool:
    """Whether values of this type are read back from their text: dates, times, spans of time and periods."""
    return _kind(dtype) in "mM" or str(dtype).startswith("period")


def _numeric(column: Series) -> bool:
    """Whether float64 holds the column exactly; one that it does not is coded."""
    kind = _kind(column.dtype)
    if kind not in "iufb":
        return False
    return kind in "fb" or bool((column.dropna().abs() <= EXACT).all())


def _item(value: Value) -> Value:
    """A scalar of NumPy as one of Python, all else as it is."""
    if type(value) is tuple:
        return tuple(map(_item, value))
    return value.item() if isinstance(value, np.generic) else value


def _kept(value: Value) -> bool:
    """Whether a file of a run can hold the value, and it can be told apart from others."""
    if type(value) is tuple:
        return all(map(_kept, value))
    return value is None or type(value) in (bool, int, float, str)


def _categories(name: Value, kind: Kind) -> list[Value]:
    """The categories of a type of pandas."""
    found = [_item(value) for value in kind.categories]
    for value in found:
        if not _kept(value):
            raise TypeError(
                f"the column {name!r} must have categories that are text or numbers, got {shown(value)}: "
                f"{_remedy(name, kind)}"
            )
    return found


def _remedy(name: Value, dtype: Kind) -> str:
    """How a column becomes one that a run can hold."""
    if str(dtype) == "category":
        return f"convert them, by frame[{name!r}].cat.rename_categories(str)"
    return f"convert it, by frame[{name!r}].astype(str), or dates by pandas.to_datetime(frame[{name!r}])"


@part
class Frame:
    """A data frame as a source: its rows, drawn with replacement."""

    points: np.ndarray  # (N, d) float64, coded as ``shape`` does
    columns: Columns = static()

    @property
    def shape(self) -> Frames:
        """The columns as one chain has them."""
        return Frames(self.columns)

    def draw_rows(self, key: jax.Array, n: Any, capacity: int) -> Rows:
        chosen = jax.random.randint(key, (capacity,), 0, len(self.points), jnp.int32)
        return Rows(self.points[np.asarray(chosen)], n)

    def moments(self) -> tuple[jax.Array, jax.Array] | None:
        """Mean and covariance (divisor N), where every column holds numbers without gaps."""
        if not all(self.columns.numeric) or any(self.columns.missing):
            return None
        centred = self.points - self.points.mean(0)
        return jnp.asarray(self.points.mean(0)), jnp.asarray(centred.T @ centred / len(self.points))


def frame_source(frame: DataFrame) -> Frame:
    """The rows of a data frame as a source of ``simulate_models``."""
    columns = Columns.of(frame)
    coded = Frames(columns)
    points = coded.encoded(frame)
    columns.values[:] = coded.values
    return Frame(points, columns)

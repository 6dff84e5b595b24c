"""Models that are called in ways of their own, as ``simulate_models`` calls them: data frames, and pairs of functions.

    >>> import numpy as np
    >>> import modelcollapse as mc
    >>> def train(data):
    ...     return data.mean(0), data.std(0)
    >>> def sample(model, n, seed):
    ...     return np.random.default_rng(seed).normal(*model, (n, len(model[0])))
    >>> make = mc.adapters.functions(train, sample)
    >>> run = mc.simulate_models(make, mc.normal([0.0, 1.0]), size=20, generations=5)
    >>> run["mean"].shape
    (1, 6, 2)

What needs pandas, torch or a package of models imports it itself; nothing is imported here.
"""

from __future__ import annotations

import inspect
import json
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import jax
import numpy as np

from modelcollapse import arguments
from modelcollapse.host import generators
from modelcollapse.host.foreign import Adapter, Model, Rows, call, check, generator, maker
from modelcollapse.host.frames import DataFrame, Series, is_frame
from modelcollapse.host.saved import check_saves, load
from modelcollapse.pytree import part, static, used

__all__ = ["FromFrames", "FromFunctions", "frames", "functions"]


def frames(
    make: Callable[..., Model],
    columns: Iterable[str] | None = None,
    dtypes: Mapping[str, Any] | None = None,
    *,
    table: str | None = None,
    seed: Callable[[Any, int], Any] | None = None,
) -> FromFrames:
    """``make_model`` of ``simulate_models`` for models that are fitted to data frames of pandas and draw such frames.

    Parameters
    ----------
    make
        A class, or a function that makes a new, unfitted model with ``fit(frame)`` and ``sample(n)``. If it has one
        required argument, it gets the model of the previous generation (None at generation 0), for a warm start.
    columns
        Names of the columns, where the source has none of its own: a law or a ``table``. Default ``x0``, ``x1``, ...
        A data frame as source names its columns, and the names that are given here must be those; the model sees them
        in this order.
    dtypes
        Types of some columns as the model shall see them, by name: ``{"age": "int64", "group": "category"}``. Whole
        numbers and truth values are refused where rows hold others.
    table
        Name of the table for models that take and give ``{table: frame}``, as those of SDV 2.0.
    seed
        ``seed(model, number)`` seeds a model in a way of its own, before each fit and each draw, with a whole number
        below 2^32.

    Returns
    -------
    FromFrames
        What makes the models. An observable sees them as ``fitted.model``; ``fitted.rows`` and ``fitted.sample`` are
        data frames if the source is one, arrays otherwise.

    Raises
    ------
    TypeError, ValueError
        For an argument that makes no sense. During a run: for columns that are missing, unknown or of another number,
        for rows that a type cannot hold, and for text, dates and gaps drawn where the source has numbers alone: columns
        of other kinds need a data frame as source.

    Notes
    -----
    **Seeds.** Every fit and every draw has a number of its own, by chain and generation. It goes, in this order of
    preference, to ``seed``; to a method ``set_random_state`` of the model, or to ``_set_random_state`` before a draw
    (synthesizers of SDV, which otherwise all draw with the same seed); or to an attribute ``random_state`` that holds a
    generator of NumPy, which is replaced by a new one, or None or an integer (scikit-learn's contract), which is set. A
    parameter ``rng`` or ``random_state`` of ``fit`` or ``sample`` is given besides. For models with none of these the
    shared generators of NumPy, of Python and, once it has been imported, of torch begin with the number, and afterwards
    go on as if nothing had been drawn. So runs can be repeated, as long as a model has no generator that it hides.

    **Columns** of numbers, truth values, text, categories and dates, with gaps or without, pass through every regime
    as ``simulate_models`` says of data frames.

    ``save`` and ``load`` of the models are used where they have them.
    """
    arguments.function("make", make)
    names = None if columns is None else tuple(arguments.texts("columns", columns))
    if names is not None and (not names or len(set(names)) < len(names)):
        raise ValueError(f"columns must be at least one name, each once, got {list(names)}")
    kinds = () if dtypes is None else _kinds(dtypes)
    unknown = [name for name, _ in kinds if names is not None and name not in names]
    if unknown:
        raise ValueError(f"dtypes must name columns, {', '.join(names or ())}, got {unknown[0]!r}")
    table = None if table is None else arguments.text("table", table)
    if seed is not None:
        used(arguments.function("seed", seed))
    used(make)
    return FromFrames(make, names, kinds, table, seed)


def functions(
    train: Callable[..., Any],
    sample: Callable[..., Any],
    *,
    save: Callable[[Any, Path], Any] | None = None,
    load: Callable[[Path], Any] | None = None,
) -> FromFunctions:
    """``make_model`` of ``simulate_models`` for two functions: one trains a model, the other draws from it.

    Parameters
    ----------
    train
        ``train(data)`` returns a trained model: any object. ``data`` are rows ``(n, d)`` in float64, or a data frame if
        the source is one. With a parameter ``previous`` it gets the model of the previous generation (None at
        generation 0), for a warm start; it must leave that model as it is and return another, such as a
        ``copy.deepcopy``, since regimes may draw from older models.
    sample
        ``sample(model, n)`` returns ``n`` rows as an array, a data frame or a tensor of torch, on whatever device. With
        a parameter ``given``, it continues rows where a regime gives them.
    save, load
        ``save(model, path)`` writes a file or a folder at ``path``, and ``load(path)`` returns the model; needed by
        ``run.save`` and ``checkpoint=`` alone.

    Returns
    -------
    FromFunctions
        What makes the models. An observable sees what ``train`` returned as ``fitted.model``; ``fitted.mean`` and
        ``fitted.covariance`` are those of ``fitted.sample``.

    Raises
    ------
    TypeError, ValueError
        For what are not functions; for one of ``save`` and ``load`` without the other. During a run: if ``train``
        returns the model of the previous generation, or None.

    Notes
    -----
    A parameter ``seed`` or ``random_state`` of either function is given a whole number below 2^32, one of its own for
    each chain, generation and role; a parameter ``rng`` a NumPy generator. Besides, the shared generators of NumPy, of
    Python and, once it has been imported, of torch begin with that number in each call, and go on afterwards as if
    nothing had been drawn.
    """
    for name, function in {"train": train, "sample": sample}.items():
        used(arguments.function(name, function))
    if (save is None) != (load is None):
        given, lacking = ("load", "save") if save is None else ("save", "load")
        raise ValueError(f"{given} needs {lacking} beside it: what one writes the other reads")
    if save is not None and load is not None:
        used(arguments.function("save", save))
        used(arguments.function("load", load))
    return FromFunctions(train, sample, save, load)


@part
class FromFrames:
    """Makes models for ``simulate_models`` that are fitted to data frames; see ``frames``."""

    make: Callable[..., Model] = static()
    columns: tuple[str, ...] | None = static()
    dtypes: tuple[tuple[str, str], ...] = static()
    table: str | None = static()
    seed: Callable[[Any, int], Any] | None = static()

    def __call__(self, previous: _FrameModel | None) -> _FrameModel:
        before = None if previous is None else previous.inner
        model = maker(self.make)(before)
        check(model)
        if model is before:
            raise TypeError(
                f"make must return a new object each time, and it returned the same {type(model).__name__} twice; a "
                "warm start returns copy.deepcopy(previous)"
            )
        return _FrameModel(model, self)


class _FrameModel(Adapter):
    """A model of frames in the role of one of rows."""

    def __init__(self, inner: Any, how: FromFrames) -> None:
        self.inner, self.how = inner, how
        self.columns: list[str] | None = None  # in their order, where the source is an array

    def fit(self, X: Rows, random_state: int | None = None) -> None:
        frame = self._frame(X)
        given = frame if self.how.table is None else {self.how.table: frame}
        self._called("fit", given, random_state)

    def sample(self, n: int, random_state: int | None = None, given: Rows | None = None) -> Any:
        prompts = None if given is None else self._frame(given)
        out = self._called("sample", n, random_state, prompts)
        out = out[0] if isinstance(out, tuple) else out
        if isinstance(out, Mapping):
            if self.how.table not in out:
                said = (
                    f"without {self.how.table!r}" if self.how.table else "and `table` is not given: frames(..., table=)"
                )
                raise ValueError(f"sample({n}) returned the tables {', '.join(map(repr, out))}, {said}")
            out = out[self.how.table]
        if self.columns is None or not is_frame(out):
            return _array(out)
        absent = [name for name in self.columns if name not in out.columns]
        beyond = [str(name) for name in out.columns if name not in self.columns]
        if absent or beyond:
            raise ValueError(
                f"sample({n}) must return the columns that were fitted, {', '.join(self.columns)}, and returned "
                + ", ".join(map(str, out.columns))
            )
        return np.stack([_numbers(out[name]) for name in self.columns], axis=1)

    def save(self, path: Path) -> None:
        path.mkdir()
        check_saves(self.inner).save(path / "model")
        (path / "columns.json").write_text(json.dumps(self.columns))

    def load(self, path: Path) -> None:
        self.columns = json.loads((path / "columns.json").read_text())
        self.inner = load(self.inner, path / "model")

    def _called(self, method: str, argument: Any, number: int | None, given: Rows | None = None) -> Any:
        number = _number(number)
        with generators.lent(number):
            _seed(self.inner, method, number, self.how.seed)
            return call(self.inner, method, argument, jax.random.key(np.uint32(number)), given)

    def _frame(self, X: Rows) -> DataFrame:
        import pandas

        how = self.how
        if is_frame(X):
            if how.columns is not None and set(how.columns) != set(X.columns):
                raise ValueError(
                    f"columns must be those of the source, {', '.join(map(str, X.columns))}, got {list(how.columns)}"
                )
            frame = X if how.columns is None else X[list(how.columns)]
        else:
            self.columns = list(how.columns or (f"x{i}" for i in range(X.shape[1])))
            if len(self.columns) != X.shape[1]:
                raise ValueError(f"columns must be {X.shape[1]} names, one for each column, got {self.columns}")
            frame = pandas.DataFrame(X, columns=self.columns)
        for name, _ in how.dtypes:
            if name not in frame.columns:
                raise ValueError(f"dtypes must name columns, {', '.join(map(str, frame.columns))}, got {name!r}")
        return frame.assign(**{name: _cast(frame[name], dtype) for name, dtype in how.dtypes})


@part
class FromFunctions:
    """Makes models for ``simulate_models`` of two functions; see ``functions``."""

    train: Callable[..., Any] = static()
    sample: Callable[..., Any] = static()
    save: Callable[[Any, Path], Any] | None = static()
    load: Callable[[Path], Any] | None = static()

    def __call__(self, previous: _Trained | None) -> _Trained:
        return _Trained(self, None if previous is None else previous.inner)


class _Trained(Adapter):
    """What ``train`` returns, in the role of a model with methods."""

    inner: Any = None

    def __init__(self, how: FromFunctions, previous: Any) -> None:
        self.how, self.previous = how, previous

    def fit(self, X: Rows, random_state: int | None = None) -> None:
        previous, self.previous = self.previous, None  # older models are kept only where a regime needs them
        self.inner = _followed(self.how.train, (X,), random_state, previous=previous)
        if self.inner is None:
            raise TypeError("train must return the model that it trained, got None")
        if self.inner is previous:
            raise TypeError(
                f"train must return a new model, and it returned the {type(previous).__name__} of the previous "
                "generation, which older draws may still need: begin with copy.deepcopy(previous)"
            )

    def sample(self, n: int, random_state: int | None = None, given: Rows | None = None) -> Any:
        if given is not None and "given" not in inspect.signature(self.how.sample).parameters:
            raise TypeError(
                "the regime gives rows to continue: give `sample` a parameter given, or choose another regime"
            )
        return _array(_followed(self.how.sample, (self.inner, n), random_state, given=given))

    def save(self, path: Path) -> None:
        if self.how.save is None:
            raise TypeError("functions(train, sample) keeps models in no file: give it save=... and load=... as well")
        self.how.save(self.inner, path)

    def load(self, path: Path) -> None:
        if self.how.load is None:
            raise TypeError("functions(train, sample) reads models from no file: give it save=... and load=... as well")
        self.inner = self.how.load(path)


@runtime_checkable
class _Tensor(Protocol):
    """A tensor of torch, which need not be installed."""

    def detach(self) -> Any: ...
    def cpu(self) -> Any: ...


@runtime_checkable
class _SetsState(Protocol):
    """A model of copulas or of CTGAN."""

    def set_random_state(self, random_state: int) -> Any: ...


@runtime_checkable
class _SetsDraws(Protocol):
    """A synthesizer of SDV, after it has been fitted."""

    def _set_random_state(self, random_state: int) -> Any: ...


def _array(out: Any) -> Any:
    """Tensors as arrays of NumPy, all else as it is."""
    return out.detach().cpu().numpy() if isinstance(out, _Tensor) else out


def _followed(function: Callable[..., Any], values: tuple, number: int | None, **others: Any) -> Any:
    """The function of the values, with what it asks for by name."""
    number = _number(number)
    rng = generator(jax.random.key(np.uint32(number)))
    known = {"seed": number, "random_state": number, "rng": rng, **others}
    taken = inspect.signature(function).parameters
    keywords = {name: value for name, value in known.items() if name in taken}
    with generators.lent(number):
        return function(*values, **keywords)


def _number(number: int | None) -> int:
    """A new one where a user asks a model of a run for draws."""
    return int(np.random.SeedSequence().generate_state(1)[0]) if number is None else number


def _seed(model: Any, method: str, number: int, seed: Callable[[Any, int], Any] | None) -> None:
    """Seed the model in its own way, if it has one; ``random_state`` as None or a number is left to ``call``."""
    if seed is not None:
        seed(model, number)
        return
    if isinstance(model, _SetsState):
        model.set_random_state(number)
        return
    if method == "sample" and isinstance(model, _SetsDraws):
        model._set_random_state(number)
        return
    state = getattr(model, "random_state", None)
    if isinstance(state, np.random.RandomState):
        model.random_state = np.random.RandomState(number)
    elif isinstance(state, np.random.Generator):
        model.random_state = np.random.default_rng(number)


def _kinds(dtypes: Mapping[str, Any]) -> tuple[tuple[str, str], ...]:
    """Types by their names in pandas."""
    from pandas.api.types import pandas_dtype

    if not isinstance(dtypes, Mapping):
        raise TypeError(f"dtypes must be a mapping from columns to types, got {dtypes!r}")
    found = []
    for name, dtype in dtypes.items():
        try:
            kind = str(pandas_dtype(dtype))
        except TypeError:
            raise TypeError(f"dtypes[{name!r}] must be a type of pandas, such as 'int64', got {dtype!r}") from None
        found.append((arguments.text("a column of dtypes", name), kind))
    return tuple(found)


def _cast(column: Series, dtype: str) -> Series:
    try:
        cast = column.astype(dtype)
    except (TypeError, ValueError) as error:
        raise ValueError(f"the column {column.name!r} cannot be {dtype}: {error}") from error
    if cast.dtype.kind in "iub":
        changed = column[(cast != column) & column.notna()]
        if len(changed):
            raise ValueError(f"the column {column.name!r} cannot be {dtype}: it holds {changed.iloc[0]}")
    return cast


def _numbers(column: Series) -> np.ndarray:
    try:
        return column.to_numpy(np.float64, na_value=np.nan)
    except (TypeError, ValueError):
        raise TypeError(
            f"the column {column.name!r} must hold numbers, as the source does, got {column.dtype}: pass a data frame "
            "as source, and columns of other kinds are kept"
        ) from None

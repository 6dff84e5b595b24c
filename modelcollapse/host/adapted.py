"""Models of data frames, and pairs of functions, in the role of objects with ``fit`` and ``sample``."""

from __future__ import annotations

import inspect
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Protocol, TypeAlias, runtime_checkable

import jax
import jax.numpy as jnp
import numpy as np

from modelcollapse.host import generators
from modelcollapse.host.foreign import Adapter, Model, Rows, call, check, generator, integer, maker, words
from modelcollapse.host.frames import DataFrame, Series, is_frame
from modelcollapse.host.saved import check_saves, load
from modelcollapse.pytree import part, static

Trained: TypeAlias = Any
"""A model of any class."""
Draws: TypeAlias = Any
"""What a model gives: an array, a data frame, a tensor, a pair or a mapping with one of them."""


@part
class FromFrames:
    """Makes models for ``simulate_models`` that are fitted to data frames; see ``frames``."""

    make: Callable[..., Model] = static()
    columns: tuple[str, ...] | None = static()
    dtypes: tuple[tuple[str, str], ...] = static()
    table: str | None = static()
    seed: Callable[[Trained, int], object] | None = static()

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

    def __init__(self, inner: Trained, how: FromFrames) -> None:
        self.inner, self.how = inner, how
        self.columns: list[str] | None = None  # in their order, where the source is an array

    def fit(self, X: Rows, key: jax.Array | None = None) -> None:
        frame = self._frame(X)
        given = frame if self.how.table is None else {self.how.table: frame}
        self._called("fit", given, key)

    def sample(self, n: int, key: jax.Array | None = None, given: Rows | None = None) -> Any:
        prompts = None if given is None else self._frame(given)
        out = self._called("sample", n, key, prompts)
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

    def _called(
        self, method: str, argument: Rows | int | dict[str, Rows], key: jax.Array | None, given: Rows | None = None
    ) -> Any:
        key = _new_key() if key is None else key
        with generators.lent(integer(key)):
            _seed(self.inner, method, key, self.how.seed)
            return call(self.inner, method, argument, key, given)

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

    train: Callable[..., Trained] = static()
    sample: Callable[..., Trained] = static()
    save: Callable[[Trained, Path], object] | None = static()
    load: Callable[[Path], Trained] | None = static()

    def __call__(self, previous: _Trained | None) -> _Trained:
        return _Trained(self, None if previous is None else previous.inner)


class _Trained(Adapter):
    """What ``train`` returns, in the role of a model with methods."""

    inner: Any = None

    def __init__(self, how: FromFunctions, previous: Trained | None) -> None:
        self.how, self.previous = how, previous

    def fit(self, X: Rows, key: jax.Array | None = None) -> None:
        previous, self.previous = self.previous, None  # older models are kept only where a regime needs them
        self.inner = _followed(self.how.train, (X,), key, previous=previous)
        if self.inner is None:
            raise TypeError("train must return the model that it trained, got None")
        warm = "previous" in inspect.signature(self.how.train).parameters
        if warm and self.inner is previous and not _immutable(previous):
            raise TypeError(
                f"train must return a new model, and it returned the {type(previous).__name__} of the previous "
                "generation, which older draws may still need: begin with copy.deepcopy(previous)"
            )

    def sample(self, n: int, key: jax.Array | None = None, given: Rows | None = None) -> Any:
        if given is not None and "given" not in inspect.signature(self.how.sample).parameters:
            raise TypeError(
                "the regime gives rows to continue: give `sample` a parameter given, or choose another regime"
            )
        return _array(_followed(self.how.sample, (self.inner, n), key, given=given))

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


def _array(out: Draws) -> Draws:
    """Tensors as arrays of NumPy, all else as it is."""
    return out.detach().cpu().numpy() if isinstance(out, _Tensor) else out


def _immutable(model: Trained) -> bool:
    """Whether nothing that is done to the model later changes it."""
    if isinstance(model, tuple | frozenset):
        return all(map(_immutable, model))
    return isinstance(model, bool | int | float | complex | str | bytes | np.generic)


def _followed(function: Callable[..., Trained], values: tuple, key: jax.Array | None, **others: Rows | Trained) -> Any:
    """The function of the values, with what it asks for by name."""
    key = _new_key() if key is None else key
    number = integer(key)
    known = {"seed": number, "random_state": number, "rng": generator(key), **others}
    taken = inspect.signature(function).parameters
    keywords = {name: value for name, value in known.items() if name in taken}
    with generators.lent(number):
        return function(*values, **keywords)


def _new_key() -> jax.Array:
    """A new address, where a user asks a model of a run for draws."""
    return jax.random.wrap_key_data(jnp.asarray(np.random.SeedSequence().generate_state(2)), impl="threefry2x32")


def _seed(model: Trained, method: str, key: jax.Array, seed: Callable[[Trained, int], object] | None) -> None:
    """Seed the model in its own way, if it has one; ``random_state`` as None or a number is left to ``call``."""
    if seed is not None:
        seed(model, integer(key))
        return
    if isinstance(model, _SetsState):
        model.set_random_state(integer(key))
        return
    if method == "sample" and isinstance(model, _SetsDraws):
        model._set_random_state(integer(key))  # under this name alone
        return
    state = getattr(model, "random_state", None)
    if isinstance(state, np.random.RandomState):
        model.random_state = np.random.RandomState(words(key))
    elif isinstance(state, np.random.Generator):
        model.random_state = generator(key)


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

"""A run as other libraries hold it: data frames of pandas, datasets and trees of xarray, and files of these."""

from __future__ import annotations

import importlib.util
import json
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

import numpy as np

from modelcollapse.axes import Axes, entries
from modelcollapse.names import coordinate
from modelcollapse.numeric import mean_and_error

if TYPE_CHECKING:
    import pandas
    import xarray

Cells: TypeAlias = "dict[str, Any]"
"""Columns of a frame by name."""


class Recorded(Protocol):
    """What is exported of a run."""

    @property
    def trace(self) -> Mapping[str, np.ndarray]: ...
    @property
    def recorded(self) -> np.ndarray: ...
    @property
    def provenance(self) -> dict[str, Any]: ...
    @property
    def chains(self) -> int: ...
    def axes(self) -> Axes: ...
    def sizes(self) -> np.ndarray: ...
    def units(self, name: str) -> str: ...


class Saved(Protocol):
    """What a file holds of a run."""

    def save(self, path: str | os.PathLike[str]) -> None: ...
    def to_dataframe(self) -> pandas.DataFrame: ...


class Summarised(Protocol):
    """What is exported of a summary."""

    @property
    def level(self) -> float: ...
    @property
    def statistics(self) -> dict[str, dict[str, np.ndarray]]: ...


class Predicted(Protocol):
    """What is exported of a prediction."""

    @property
    def observable(self) -> str: ...
    @property
    def recorded(self) -> np.ndarray: ...
    @property
    def values(self) -> np.ndarray: ...
    @property
    def kind(self) -> str: ...
    @property
    def formula(self) -> str: ...
    @property
    def conditions(self) -> str: ...
    @property
    def order(self) -> str: ...
    @property
    def function(self) -> str: ...


SAID = ("kind", "formula", "conditions", "order", "function")


def frame(run: Recorded, name: str | None) -> pandas.DataFrame:
    """``Traces.to_dataframe``."""
    frames = _pandas("to_dataframe")
    chains, recorded = run.chains, np.asarray(run.recorded)
    axes = run.axes()
    if name is None:
        columns: Cells = {"chain": np.repeat(np.arange(chains), recorded.size), "generation": np.tile(recorded, chains)}
        for observed, values in run.trace.items():
            flat = values.reshape(chains * recorded.size, -1)
            named = dict(zip(entries(observed, values.shape[2:], axes[observed]), flat.T, strict=True))
            columns |= _apart("data frame", columns, named)
    else:
        values = run.trace[name]
        along = {"chain": np.arange(chains), "generation": recorded}
        for axis, n in zip(axes[name], values.shape[2:], strict=True):
            labels = np.arange(n) if axis.names is None else coordinate(axis.names)
            along |= _apart("data frame", along, {axis.dim: labels})
        places = np.indices(values.shape).reshape(values.ndim, -1)
        columns = {dim: found[at] for (dim, found), at in zip(along.items(), places, strict=True)}
        columns |= _apart("data frame", columns, {name: values.ravel()})
    made = frames.DataFrame(columns)
    made.attrs["provenance"] = json.dumps(run.provenance)
    return made


FRAMES = {".csv": "pandas", ".parquet": "pyarrow"}
"""Endings of files that hold a data frame, and what each needs."""


def check_file(name: str, path: str | os.PathLike[str]) -> None:
    """Refuse a file for a data frame where pandas, or pyarrow, is not there to write it; call this before a run."""
    needed = FRAMES.get(Path(path).suffix.lower())
    if needed is None:
        return
    lacking = [package for package in ("pandas", needed) if importlib.util.find_spec(package) is None]
    if lacking:
        extra = "parquet" if needed == "pyarrow" else "pandas"
        raise ModuleNotFoundError(
            f"{name}={os.fspath(path)} needs {lacking[0]}: pip install 'modelcollapse[{extra}]'", name=lacking[0]
        )


def write(run: Saved, path: str | os.PathLike[str]) -> None:
    """Write a run by the ending of the path: ``.csv`` and ``.parquet`` hold ``run.to_dataframe()``, and any other file
    what ``Run.load`` reads.
    """
    ending = Path(path).suffix.lower()
    if ending not in FRAMES:
        run.save(path)
    elif ending == ".csv":
        run.to_dataframe().to_csv(path, index=False)
    else:
        run.to_dataframe().to_parquet(path, index=False)


def summary_frame(
    recorded: np.ndarray, statistics: Mapping[str, dict[str, np.ndarray]], axes: Axes
) -> pandas.DataFrame:
    """``Summary.to_dataframe``."""
    frames = _pandas("to_dataframe")
    blocks = []
    for name, found in statistics.items():
        shape = found["mean"].shape[1:]
        labels = entries(name, shape, axes.get(name, ()))
        flat = {statistic: values.reshape(recorded.size, -1).T.ravel() for statistic, values in found.items()}
        beside = {"observable": np.repeat(labels, recorded.size), "generation": np.tile(recorded, len(labels))}
        blocks.append(frames.DataFrame(beside | flat))
    return frames.concat(blocks, ignore_index=True) if blocks else frames.DataFrame()


def prediction_frame(
    predictions: Iterable[Predicted], axes: Axes, trace: Mapping[str, np.ndarray] | None
) -> pandas.DataFrame:
    """``Predictions.to_dataframe``."""
    frames = _pandas("to_dataframe")
    blocks = []
    for one in predictions:
        shape, recorded = one.values.shape[1:], one.recorded
        labels = entries(one.observable, shape, axes.get(one.observable, ()))
        columns: Cells = {
            "observable": np.repeat(labels, recorded.size),
            "generation": np.tile(recorded, len(labels)),
            "predicted": one.values.reshape(recorded.size, -1).T.ravel(),
        }
        if trace is not None:
            mean, error = mean_and_error(trace[one.observable])
            columns["simulated"] = mean.reshape(recorded.size, -1).T.ravel()
            columns["standard_error"] = error.reshape(recorded.size, -1).T.ravel()
        blocks.append(frames.DataFrame(columns | _said(one)))
    if blocks:
        return frames.concat(blocks, ignore_index=True)
    beside = () if trace is None else ("simulated", "standard_error")
    return frames.DataFrame(columns=["observable", "generation", "predicted", *beside, *SAID])


def dataset(run: Recorded) -> xarray.Dataset:
    """``Traces.to_dataset``."""
    xarray = _xarray("to_dataset")
    axes, variables = run.axes(), {}
    for name, values in run.trace.items():
        attributes = {"units": run.units(name)} if run.units(name) else {}
        variables[name] = (("chain", "generation", *(axis.dim for axis in axes[name])), values, attributes)
    coords: Cells = {"chain": np.arange(run.chains), "generation": run.recorded, **_coordinates(axes, axes)}
    dims = [axis.dim for several in axes.values() for axis in several]
    _apart("dataset", dict.fromkeys([*coords, *dims]), variables)
    taken = {"size", *coords} & {*variables, *dims}
    if "size" not in taken:
        # a regime that pools or keeps rows fits to more of them, or to fewer
        said = {"long_name": "sample size: number of items drawn in the generation"}
        coords["size"] = ("generation", np.asarray(run.sizes())[run.recorded], said)
    return xarray.Dataset(variables, coords=coords, attrs={"provenance": json.dumps(run.provenance)})


def tree(run: Recorded, predictions: Iterable[Predicted], summary: Summarised) -> xarray.DataTree:
    """``Traces.to_datatree``."""
    xarray = _xarray("to_datatree")
    axes, given = run.axes(), {"generation": run.recorded}
    dims = {name: ("generation", *(axis.dim for axis in several)) for name, several in axes.items()}
    predicted = {one.observable: (dims[one.observable], one.values, _said(one)) for one in predictions}
    known = {name: np.stack(list(found.values())) for name, found in summary.statistics.items()}
    whole = {name: (("statistic", *dims[name]), values) for name, values in known.items()}
    statistics = {"statistic": list(next(iter(summary.statistics.values()), {}))}
    _apart("tree", statistics, whole)
    _unslashed([*dims, *(dim for several in dims.values() for dim in several)])
    return xarray.DataTree.from_dict(
        {
            "/": xarray.Dataset(attrs={"provenance": json.dumps(run.provenance)}),
            "/simulation": dataset(run).drop_attrs(deep=False),
            "/prediction": xarray.Dataset(predicted, given | _coordinates(axes, predicted)),
            "/summary": xarray.Dataset(
                whole, statistics | given | _coordinates(axes, whole), attrs={"level": summary.level}
            ),
        }
    )


def _coordinates(axes: Axes, observables: Iterable[str]) -> Cells:
    """The names of entries along the axes of some observables."""
    several = [axis for name in observables for axis in axes[name] if axis.names is not None]
    return {axis.dim: coordinate(axis.names) for axis in several if axis.names is not None}


def _apart(kind: str, columns: Cells, more: Cells) -> Cells:
    twice = next((name for name in more if name in columns), None)
    if twice is not None:
        one = "column" if kind == "data frame" else "name"
        raise ValueError(
            f"a {kind} has one {one} {twice!r}, and the run two things of that name: give its observables other names, "
            "by observe={name: ...}"
        )
    return more


def _unslashed(names: Iterable[str]) -> None:
    found = next((name for name in names if "/" in name), None)
    if found is not None:
        raise ValueError(
            f"a tree can have no '/' in its names, got {found!r}: give its observables other names, by "
            "observe={name: ...}"
        )


def _said(one: Predicted) -> dict[str, str]:
    return {
        "kind": one.kind, "formula": one.formula, "conditions": one.conditions, "order": one.order,
        "function": one.function,
    }  # fmt: skip


def _pandas(method: str) -> ModuleType:
    try:
        return importlib.import_module("pandas")
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(f"{method} needs pandas: pip install 'modelcollapse[pandas]'") from error


def _xarray(method: str) -> ModuleType:
    try:
        return importlib.import_module("xarray")
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(f"{method} needs xarray: pip install 'modelcollapse[xarray]'") from error

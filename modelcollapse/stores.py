"""A sweep is kept in a zarr store with one chunk for each variable of each cell, its ``status`` written last.

A chunk is written beside its place and moved there in one step, by this module and not by zarr: so whatever is killed,
there is never half a chunk. It is what the zarr format says of arrays without compression: the bytes of the numbers,
the least significant first, and a text behind its number and length.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import secrets
import shutil
import struct
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from modelcollapse.grids import Axis, Cell, Form, Index
from modelcollapse.names import coordinate

if TYPE_CHECKING:
    import xarray
    import zarr

FORMAT = 1
STATISTICS = ("mean", "standard_error", "median", "lower", "upper")
PENDING, DONE, FAILED = "pending", "done", "failed"
RESERVED = ("status", "message", "number_of_chains", "standard_error_reached", "generation", "statistic", "chain")
"""Names of a dataset that no axis and no observable may have."""
UNFINISHED = ".unfinished"
PARTS = os.path.join("status", UNFINISHED)
"""Where chunks are written before they are moved: within an array, as zarr looks at every other folder."""
HOUR = 3600


@dataclasses.dataclass(frozen=True, eq=False)
class Variable:
    """What one cell has of a variable: dimensions beyond those of the axes, shape and type (``str`` for a text)."""

    dims: tuple[str, ...] = ()
    shape: tuple[int, ...] = ()
    dtype: str = "<f8"
    fill: Any = np.nan
    attributes: dict[str, str] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True, eq=False)
class Layout:
    """The variables of a store, and its coordinates beside the axes; ``padded`` if cells may have less."""

    variables: dict[str, Variable]
    coordinates: dict[str, np.ndarray]
    padded: bool

    def filled(self, name: str, value: np.ndarray, recorded: np.ndarray) -> np.ndarray:
        """What a cell has of a variable, with NaN where it has nothing; ``recorded`` are its generations."""
        variable, value = self.variables[name], np.asarray(value)
        generation = variable.dims.index("generation")
        place: list[Any] = [slice(length) for length in value.shape]
        place[generation] = np.searchsorted(self.coordinates["generation"], recorded)
        room = [length for axis, length in enumerate(variable.shape) if axis != generation]
        found = [length for axis, length in enumerate(value.shape) if axis != generation]
        if len(room) != len(found) or (any(map(int.__gt__, found, room)) if self.padded else found != room):
            raise ValueError(f"{name} has shape {value.shape}, and {variable.shape} was foreseen for it")
        out = np.full(variable.shape, np.nan, variable.dtype)
        out[tuple(place)] = value
        return out


def layout(
    cells: list[Cell], forms: list[Form], chains: list[int], *, pad: bool, traces: bool, predict: bool, adaptive: bool
) -> Layout:
    """The variables for cells that look like ``forms``; refuses forms that differ, unless ``pad``."""
    _check_alike(cells, forms, chains if traces else [0] * len(forms), pad)
    recorded = np.unique(np.concatenate([form.recorded for form in forms]))
    coordinates: dict[str, np.ndarray] = {"generation": recorded, "statistic": np.array(STATISTICS)}
    several = ("statistic", *(("chain",) if traces else ()))
    lengths, variables = {"statistic": len(STATISTICS), "generation": recorded.size, "chain": max(chains)}, {}
    if traces:
        coordinates["chain"] = np.arange(max(chains))
    for name in dict.fromkeys(name for form in forms for name in form.shapes):
        having = [form for form in forms if name in form.shapes]
        shape = np.max([form.shapes[name] for form in having], axis=0).astype(int).tolist()
        dims = having[0].dims[name]
        if len(set(dims)) != len(shape) or any(lengths.get(d, n) != n for d, n in zip(dims, shape, strict=True)):
            dims = tuple(f"{name}_{i}" for i in range(len(shape)))
        lengths |= dict(zip(dims, shape, strict=True))
        units = {"units": having[0].units[name]} if having[0].units[name] else {}
        for dim in several:
            whole = (dim, "generation", *dims)
            dtype = np.result_type(*[form.dtypes[name] for form in having]).newbyteorder("<").str
            kind, called = ("<f8", name) if dim == "statistic" else (dtype, f"{name}_trace")
            variables[called] = Variable(whole, tuple(lengths[d] for d in whole), kind, attributes=units)
        if predict:
            whole = ("generation", *dims)
            variables[f"{name}_prediction"] = Variable(whole, tuple(lengths[d] for d in whole), attributes=units)
            variables[f"{name}_theorem"] = Variable(dtype="str", fill="")
    variables["number_of_chains"] = Variable(dtype="<i8", fill=0)
    if adaptive:
        variables["standard_error_reached"] = Variable()
    names = {form.names for form in forms}
    for found in names if len(names) == 1 else ():
        if found is not None and lengths.get(found[0]) == len(found[1]):
            coordinates[found[0]] = coordinate(found[1])
    variables |= {"message": Variable(dtype="str", fill=""), "status": Variable(dtype="str", fill=PENDING)}
    return Layout(variables, coordinates, pad)


def _check_alike(cells: list[Cell], forms: list[Form], chains: list[int], pad: bool) -> None:
    """Refuse cells whose results differ in shape; with ``pad``, those that differ in the number of dimensions."""

    def said(form: Form, count: int) -> dict[str, Any]:
        known = {f"the observable {name!r} has shape": shape for name, shape in form.shapes.items()}
        return {**known, "the recorded generations are": form.recorded.tolist(), "the traces have chains": count}

    first = said(forms[0], chains[0])
    seen: set[tuple[int, int]] = set()
    for cell, form, count in zip(cells, forms, chains, strict=True):
        if (id(form), count) in seen:
            continue
        seen.add((id(form), count))
        here = said(form, count)
        for what in {**first, **here}:
            a, b = first.get(what, "none"), here.get(what, "none")
            if a != b and not pad:
                raise ValueError(
                    f"axes must not change what the results of a cell look like, unless pad=True fills with NaN what "
                    f"is absent: {what} {a} at {cells[0]}, and {b} at {cell}"
                )
            if isinstance(a, tuple) and isinstance(b, tuple) and len(a) != len(b):
                raise ValueError(f"pad cannot add dimensions: {what} {a} at {cells[0]}, and {b} at {cell}")


def check_names(axes: Iterable[Axis], made: Layout) -> None:
    """Refuse axes and observables with a name that the dataset has for something else."""
    names = [name for name in made.variables if name not in RESERVED]
    dims = {dim for variable in made.variables.values() for dim in variable.dims}
    for axis in axes:
        if axis.name in {*names, *dims, *RESERVED}:
            raise ValueError(f"axes must not have the name {axis.name!r}, which the dataset has for something else")
    taken = [name for name in made.variables if name.rpartition("_")[0] in names and name in RESERVED]
    for name in [name for name in names if name in dims] + taken:
        raise ValueError(f"an observable must not have the name {name!r}, which the dataset has for something else")


def create(path: Path, axes: list[Axis], made: Layout, attributes: Mapping[str, Any]) -> None:
    """A new store at ``path``, whole or not at all."""
    zarr = _zarr()
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.parent / f".{path.name[:40]}.{secrets.token_hex(8)}{UNFINISHED}"
    try:
        group = zarr.open_group(temporary, mode="w", zarr_format=3, attributes=dict(attributes))
        along, lengths = tuple(axis.name for axis in axes), tuple(len(axis.values) for axis in axes)
        for name, values in ({axis.name: axis.labels for axis in axes} | made.coordinates).items():
            _coordinate(group, name, values)
        for name, variable in made.variables.items():
            group.create_array(
                name,
                shape=lengths + variable.shape,
                # a dimension of length 0 still has chunks of length 1
                chunks=(1,) * len(lengths) + tuple(max(length, 1) for length in variable.shape),
                dtype=variable.dtype if variable.dtype != "str" else str,
                fill_value=variable.fill,
                compressors=None,
                chunk_key_encoding={"name": "default", "separator": "."},
                dimension_names=along + variable.dims,
                attributes=variable.attributes,
            )
        (temporary / PARTS).mkdir()
        try:
            os.rename(temporary, path)
        except OSError:
            # another process may have made it meanwhile; whether it is the same is looked at next
            if not (path / "zarr.json").exists():
                raise
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _coordinate(group: zarr.Group, name: str, values: np.ndarray) -> None:
    text = values.dtype.kind == "U"
    array = group.create_array(
        name, shape=values.shape, dtype=str if text else values.dtype, chunks=values.shape, dimension_names=(name,)
    )
    array[:] = values.astype(object) if text else values


def attributes(path: Path) -> dict[str, Any] | None:
    """Those of the store at ``path``; None if there is nothing.

    Raises
    ------
    ValueError
        If there is something else.
    """
    if not path.exists() or (path.is_dir() and not any(path.iterdir())):
        return None
    with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
        found = json.loads((path / "zarr.json").read_text())["attributes"]
        if "grid" in found:
            return dict(found)
    raise ValueError(f"store must be a path where nothing is, or the store of a sweep; {path} is something else")


def write(path: Path, name: str, index: Index, variable: Variable, value: object) -> None:
    """One chunk, in one step."""
    temporary = os.path.join(path, PARTS, secrets.token_hex(8))
    with open(temporary, "wb") as file:
        file.write(_chunk(variable, value))
    os.replace(temporary, _place(path, name, index, variable))


def erase(path: Path, name: str, index: Index, variable: Variable) -> None:
    """Make one chunk what it was in the beginning."""
    with contextlib.suppress(FileNotFoundError):
        os.unlink(_place(path, name, index, variable))


def read_text(path: Path, name: str, index: Index, variable: Variable) -> str:
    """What a variable of texts has for one cell."""
    try:
        with open(_place(path, name, index, variable), "rb", buffering=0) as file:
            return file.read()[8:].decode()
    except FileNotFoundError:
        return str(variable.fill)


def read_texts(path: Path, name: str) -> np.ndarray:
    """What a variable of texts has for each cell."""
    return np.asarray(_zarr().open_group(path, mode="r")[name][...])


def _chunk(variable: Variable, value: object) -> bytes:
    if variable.dtype == "str":
        text = str(value).encode()
        return struct.pack("<II", 1, len(text)) + text
    return np.ascontiguousarray(value, variable.dtype).tobytes()


def _place(path: Path, name: str, index: Index, variable: Variable) -> str:
    return os.path.join(path, name, ".".join(map(str, ("c", *index, *(0 for _ in variable.shape)))))


def tidy(path: Path) -> None:
    """Remove what killed processes have left half done, more than an hour ago."""
    for left in (path / PARTS).iterdir():
        with contextlib.suppress(OSError):
            if time.time() - left.stat().st_mtime > HOUR:
                left.unlink()


def opened(path: Path, names: Iterable[str]) -> xarray.Dataset:
    """The store as a dataset, its variables in the order of ``names``, of which nothing is read yet."""
    check_installed()
    import xarray

    return xarray.open_zarr(path, consolidated=False, chunks=None)[list(names)]


def check_installed() -> None:
    """Refuse to begin where the libraries of the extra are missing."""
    _zarr()


def _zarr() -> Any:
    try:
        import xarray  # noqa: F401
        import zarr
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(f"sweep needs {error.name}: pip install 'modelcollapse[sweep]'") from error
    return zarr

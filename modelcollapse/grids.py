"""A grid is a product of named axes; each of its cells is one process, whose results have one shape."""

from __future__ import annotations

import dataclasses
import hashlib
import itertools
import numbers
import re
from collections.abc import Callable, Hashable, Iterable, Mapping
from typing import Any, TypeAlias

import jax
import jax.numpy as jnp
import numpy as np

from modelcollapse import arguments, sampling
from modelcollapse.addresses import chain_keys
from modelcollapse.axes import labelled
from modelcollapse.loop import Process, begin
from modelcollapse.numeric import shown
from modelcollapse.process import Prepared, prepare
from modelcollapse.protocols import marks
from modelcollapse.serial import code_hashes, content_hash

Make: TypeAlias = Callable[..., Mapping[str, Any]]
"""The arguments of ``simulate`` for the values of one cell."""
Index: TypeAlias = tuple[int, ...]
NEEDED = ("family", "source", "size", "generations")
ALLOWED = (*NEEDED, "regime", "observe", "chains", "seed", "record", "batch_size", "workers")
UNSEEN = ("batch_size", "workers")
"""Arguments that change no number."""
ADDRESS = re.compile(r" at 0x[0-9a-fA-F]+")


@dataclasses.dataclass(frozen=True, eq=False)
class Axis:
    """The values of one axis, and the coordinate by which they are found: numbers, or texts."""

    name: str
    values: tuple[Any, ...]
    labels: np.ndarray


@dataclasses.dataclass(frozen=True, eq=False)
class Cell:
    """One place of the grid: its index along each axis, and the values there."""

    index: Index
    values: dict[str, Any]
    labels: dict[str, Any]
    content: str = ""
    """The hash of its arguments."""

    def __str__(self) -> str:
        return ", ".join(f"{name}={label!r}" for name, label in self.labels.items())


@dataclasses.dataclass(frozen=True, eq=False)
class Form:
    """What the results of a cell look like.

    Attributes
    ----------
    shapes, dtypes, dims, units
        Of each observable at one generation of one chain, ``dims`` as its author names them.
    recorded
        The recorded generations.
    names
        The dimension of the source that has names, and the names; None if it has none.
    """

    shapes: dict[str, tuple[int, ...]]
    dtypes: dict[str, np.dtype]
    dims: dict[str, tuple[str, ...]]
    units: dict[str, str]
    recorded: np.ndarray
    names: tuple[str, tuple[Any, ...]] | None


def axes(given: Mapping[str, Iterable[Any] | Mapping[str, Any]]) -> list[Axis]:
    """The axes of a dictionary from names to lists of values, or to dictionaries from labels to values."""
    if not isinstance(given, Mapping) or not given:
        raise TypeError(
            f"axes must be a dictionary from names to lists of values, such as {{'size': [20, 50]}}, got {shown(given)}"
        )
    return [_axis(name, values) for name, values in given.items()]


def _axis(name: str, values: Iterable[Any] | Mapping[str, Any]) -> Axis:
    if not isinstance(name, str) or not name.isidentifier():
        raise ValueError(f"axes must have names that make can take as arguments, got {name!r}")
    where = f"axes[{name!r}]"
    if isinstance(values, Mapping):
        texts, found = arguments.texts(where, values.keys()), list(values.values())
        labels = np.array(texts)
    else:
        found = [_plain(value) for value in arguments.listed(where, values)]
        labels = _labels(where, found)
    if not found:
        raise ValueError(f"{where} must have at least one value, got none")
    unique, counts = np.unique(labels, return_counts=True)
    if unique.size < labels.size:
        raise ValueError(
            f"{where} must have distinct values, got {unique[counts.argmax()]!s} twice; parts that print alike are "
            "told apart by labels: a dictionary from labels to values"
        )
    return Axis(name, tuple(found), labels)


def _plain(value: object) -> object:
    """A number of NumPy or JAX as that of Python."""
    alone = isinstance(value, np.generic) or (isinstance(value, np.ndarray | jax.Array) and not value.ndim)
    return value.item() if alone else value  # type: ignore[attr-defined]


def _labels(where: str, values: list[Any]) -> np.ndarray:
    if all(isinstance(value, numbers.Real) and not isinstance(value, bool) for value in values):
        found = np.array(values)
        if found.dtype.kind not in "if" or not np.all(np.isfinite(found)):
            raise ValueError(f"{where} must have finite numbers, whole ones below 2**63, got {shown(values)}")
        return found
    texts = [value if isinstance(value, str) else shown(value) for value in values]
    for text in texts:
        if ADDRESS.search(text):
            raise ValueError(
                f"{where} has a value that prints as {text!r}, which is another in each process: give it a label, by a "
                "dictionary from labels to values"
            )
    return np.array(texts)


def cells(along: list[Axis]) -> list[Cell]:
    """Every cell, the last axis running fastest."""
    out = []
    for index in itertools.product(*(range(len(axis.values)) for axis in along)):
        at = list(zip(along, index, strict=True))
        labels = {axis.name: axis.labels[i].item() for axis, i in at}
        out.append(Cell(index, {axis.name: axis.values[i] for axis, i in at}, labels))
    return out


def called(make: Make, cell: Cell, seed: int) -> dict[str, Any]:
    """The arguments of ``simulate`` for a cell, those without a seed with ``[seed, *index]``."""
    given = make(**cell.values)
    if not isinstance(given, Mapping):
        raise TypeError(
            f"make must return a dictionary of arguments of simulate, got {shown(given)} for the cell {cell}"
        )
    unknown = [name for name in given if name not in ALLOWED]
    missing = [name for name in NEEDED if name not in given]
    if unknown or missing:
        wrong = f"{unknown[0]!r} is none that a sweep takes" if unknown else f"{missing[0]!r} is missing"
        raise TypeError(f"make must return arguments of simulate among {', '.join(ALLOWED)}, and {wrong}")
    own = given.get("seed", [seed, *cell.index])
    # a number, or a list of them: what can be told again, by any process
    own = [arguments.whole("seed", one, maximum=2**4096) for one in own] if isinstance(own, list | tuple) else own
    own = own if isinstance(own, list) else arguments.whole("seed", own, maximum=2**4096)
    return {"chains": 1, **given, "seed": own}


def hashed(given: Mapping[str, Any]) -> str:
    """The hash of all arguments that numbers depend on: parts, their arrays, and the code of functions in them."""
    held = {name: value for name, value in given.items() if name not in UNSEEN}
    text = f"{content_hash(held)} {code_hashes(held)}"
    return hashlib.sha256(text.encode()).hexdigest()


def structure(given: Mapping[str, Any]) -> Hashable:
    """What the programs and shapes of a cell depend on: two cells of one structure differ in numbers alone."""
    parts = (given["family"], given["source"], given.get("regime"))
    leaves, tree = jax.tree.flatten(parts)
    kinds = tuple((np.shape(leaf), str(_dtype(leaf))) for leaf in leaves)
    rest = {name: given.get(name) for name in ("observe", "size", "generations", "chains", "record")}
    return tree, kinds, content_hash(rest), str(code_hashes(rest))


def _dtype(leaf: object) -> object:
    return leaf.dtype if isinstance(leaf, np.ndarray | np.generic | jax.Array) else type(leaf)


def form(given: Mapping[str, Any]) -> Form:
    """What the results of a cell look like; its arguments are checked as ``simulate`` checks them, and nothing runs."""
    generations = arguments.whole("generations", given["generations"])
    arguments.count("chains", given["chains"])
    process = (given["family"], given["source"], given.get("regime"), given.get("observe"))
    prepared = prepare(*process, given["size"], generations)
    read = jax.eval_shape(_first, prepared.process)
    return Form(
        shapes={name: tuple(leaf.shape) for name, leaf in read.items()},
        dtypes={name: _kept(leaf.dtype, prepared) for name, leaf in read.items()},
        dims={name: marks(part).dims for name, part in prepared.observables.items()},
        units={name: marks(part).units for name, part in prepared.observables.items()},
        recorded=arguments.recorded(given.get("record"), 0, generations),
        names=labelled(given["source"]),
    )


@jax.jit
def _first(process: Process) -> dict[str, jax.Array]:
    """What is read of generation 0 of a chain."""
    keys = chain_keys(sampling.key(0), jnp.zeros(1, jnp.uint32), process.models)
    return process.read(begin(keys[0], process))


def _kept(dtype: np.dtype, prepared: Prepared) -> np.dtype:
    """The type of a trace in the dataset: floats as they are, all else as float64, which has NaN for what is absent."""
    plain = np.dtype(dtype).kind == "f" and prepared.location is None
    return np.dtype(dtype) if plain else np.dtype(np.float64)

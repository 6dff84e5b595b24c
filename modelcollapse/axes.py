"""What the axes of an observable are called, and their entries: the states of a source, the columns of its rows."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from modelcollapse.families.population import Population
from modelcollapse.host.frames import Frame
from modelcollapse.laws import Law, Table
from modelcollapse.names import texts
from modelcollapse.protocols import marks


class Axis(NamedTuple):
    """One axis of an observable."""

    dim: str
    names: tuple[Any, ...] | None  # of its entries; None where they have only numbers


Axes = Mapping[str, tuple[Axis, ...]]
"""The axes of each observable, besides those of chains and generations."""


def labelled(source: object) -> tuple[str, tuple[Any, ...]] | None:
    """The dimension whose entries a source has names for, and the names; None if it has none."""
    if isinstance(source, Frame):
        return "dimension", source.columns.names
    names = source.names if isinstance(source, Law | Table) else None
    # rows have columns, everything else that has names has states
    rows = isinstance(source, Table) and source.points.ndim == 2
    return ("dimension" if rows else "state", names) if names else None


def axes_of(
    family: object, source: object, observables: Mapping[str, Any], shapes: Mapping[str, tuple[int, ...]]
) -> dict[str, tuple[Axis, ...]]:
    """The axes of observables that have these shapes in one chain at one generation."""
    found: dict[str, tuple[Axis, ...]] = {}
    lengths: dict[str, int] = {}
    dim, names = labelled(source) or ("", ())
    for name, shape in shapes.items():
        known = marks(observables[name])
        dims = ("model", *known.dims) if isinstance(family, Population) and not known.joint else known.dims
        dims = dims if len(dims) == len(shape) else tuple(f"{name}_{i}" for i in range(len(shape)))
        # a dimension has one length, that of the observable that named it first
        dims = tuple(d if lengths.setdefault(d, n) == n else f"{d} of {name}" for d, n in zip(dims, shape, strict=True))
        called = [names if d == dim and n == len(names) else None for d, n in zip(dims, shape, strict=True)]
        found[name] = tuple(map(Axis, dims, called))
    return found


def entries(name: str, shape: tuple[int, ...], axes: tuple[Axis, ...] = ()) -> list[str]:
    """What the numbers of an observable are called, in the order of an array: ``entropy``, or ``mean[0]`` and
    ``mean[1]``, or ``probabilities[cat]`` and so on where entries have names.
    """
    if int(np.prod(shape)) == 1:
        return [name]
    names = [axis.names for axis in axes] if len(axes) == len(shape) else [None] * len(shape)
    words = [texts(range(n) if known is None else known[:n]) for known, n in zip(names, shape, strict=True)]
    return [f"{name}[{', '.join(one)}]" for one in itertools.product(*words)]

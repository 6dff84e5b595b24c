"""Several models in one chain: they take turns at what each does alone, and some observables see them all at once.

Turns are a loop over the models within a chain, so that a kernel is compiled once and runs along the chains; models
side by side would be a second axis, which no kernel has.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Sequence
from typing import Any, TypeAlias

import jax
import jax.numpy as jnp
import numpy as np

from modelcollapse import arguments
from modelcollapse.data import Rows
from modelcollapse.forks import computes
from modelcollapse.laws import Law, Stream, Table
from modelcollapse.protocols import Count, Params, Source, Truth
from modelcollapse.pytree import part

Tree: TypeAlias = Any
"""Nested containers of arrays."""


@part
class Models:
    """What an observable of all models sees: leaves of ``each`` have the model as first axis.

    ``present`` ``(models,)`` says which have entered; the others hold what means nothing.
    """

    each: Params
    present: jax.Array

    def moved(self, by: np.ndarray | jax.Array) -> Models:
        """Those of rows moved by ``by`` (d,)."""
        return Models(self.each.moved(by), self.present)


@part
class Separate:
    """What is real, for each model of a population on its own: ``sources``, all of one kind and shape."""

    sources: Any

    def __post_init__(self) -> None:
        arguments.converted(self, sources=_alike)

    @property
    def first(self) -> Source:
        """The source of the first model."""
        return self.sources[0]

    @property
    def stacked(self) -> Any:
        """One source whose leaves have the model as first axis."""
        return stacked(self.sources)

    def draw_rows(self, key: jax.Array, n: Count, capacity: int) -> Rows:
        raise TypeError("separate sources are for simulate(Population(family, models=D), ...)")

    def moments(self) -> None:
        return None


@computes
def separate(*sources: Source) -> Separate:
    """What is real for each model of a population: one source for each, all laws of one family, or tables of one shape.

    Raises
    ------
    ValueError, TypeError
        If they are not of one kind and shape, or lie so far from 0 that the type in force cannot hold them.
    """
    return Separate(sources)


def _alike(name: str, value: Iterable[Source]) -> tuple[Source, ...]:
    found = tuple(arguments.source(f"an entry of {name}", source) for source in arguments.listed(name, value))
    if not found:
        raise ValueError(f"{name} must hold one source for each model, got none")
    if any(isinstance(source, Law | Table) and source.exact is not None for source in found):
        raise ValueError(f"{name} must not lie so far from 0: subtract a constant from the rows of all")
    kinds = [(jax.tree.structure(s), [jnp.shape(leaf) for leaf in jax.tree.leaves(s)]) for s in found]
    differs = next((i for i, kind in enumerate(kinds) if kind != kinds[0]), None)
    if differs is not None:
        raise ValueError(
            f"{name} must be of one kind and shape, got {found[0]!r} and, as number {differs}, {found[differs]!r}"
        )
    return found


def stacked(trees: Sequence[Tree]) -> Any:
    """Trees of one shape as one tree, with what they are of as first axis."""
    return jax.tree.map(lambda *leaves: jnp.stack([jnp.asarray(leaf) for leaf in leaves]), *trees)


def turns(function: Callable[..., Any], *trees: Tree) -> Any:
    """``function`` of the entry of each model, one after another; leaves of ``trees`` have the model as first axis."""
    return jax.lax.map(lambda each: function(*each), trees)


def first(tree: Tree) -> Any:
    """What the first model has, of a tree with the model as first axis."""
    return jax.tree.map(lambda leaf: leaf[0], tree)


def drawing_from(stream: Stream) -> tuple[Callable[[Any], Stream], Any]:
    """A stream of stacked laws, or one that all models share: how an entry makes a stream, and the entries or None.

    ``make, entries = drawing_from(real)``; then ``make(entry)`` in a turn.
    """
    law = stream.law
    if isinstance(law, Separate):
        return functools.partial(_with_law, stream), law.stacked
    return lambda _: stream, None


def _with_law(stream: Stream, law: Source) -> Stream:
    return Stream(law, stream.family, stream.capacity, stream.items, stream.many, stream.alike)


def of_model(stream: Stream, params: Params) -> Stream:
    """The stream of one model, of a stream whose law has the parameters of all."""
    return _with_law(stream, Law(stream.law.family, params))


def truths(truth: Truth, source: Source, models: int) -> Truth:
    """The truth of each model, as one tree with the model as first axis."""
    if isinstance(source, Separate):
        return truth
    return jax.tree.map(lambda leaf: jnp.broadcast_to(jnp.asarray(leaf), (models, *jnp.shape(leaf))), truth)


def where(condition: jax.Array, yes: Tree, no: Tree) -> Tree:
    """Of each model ``(models,)`` the one tree or the other."""
    return jax.tree.map(lambda a, b: jnp.where(condition.reshape(-1, *(1,) * (jnp.ndim(a) - 1)), a, b), yes, no)

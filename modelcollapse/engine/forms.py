"""A chain that sees nothing but its own output, by what is left of it: its items or its counts, then its survivors.

Where each data set is drawn from the last fit alone, a state that is lost stays lost, and drawing from the fit is
copying items of the data set before. So the law on K states may be kept as the items themselves (:class:`Items`), whose
work is the sample size whatever K is; as their counts (:class:`Tallies`); or as the list of states that are left
(:class:`Survivors`), whose work is their number. A run of a ``Discrete`` family takes these forms by itself, and what
observables see of them is the family's own parameters.
"""

from __future__ import annotations

import dataclasses
import functools
import itertools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from modelcollapse.data import Counts, Rows
from modelcollapse.families.discrete import Discrete
from modelcollapse.laws import Law
from modelcollapse.loop import Process, State, Watch, opened
from modelcollapse.numeric import namespace
from modelcollapse.protocols import Count, KeepsRows, Params, Source, marks
from modelcollapse.pytree import part, static
from modelcollapse.regimes.common import contained
from modelcollapse.sampling import (
    float64,
    in_turn,
    keys,
    materialise_pair,
    materialised,
    multinomial,
    over_lanes,
    padded_states,
)


@part
class Copied:
    """The states of a data set: ``points`` ``(capacity,)``, of which the first ``count`` are there.

    Up to 2**16 - 1 states they are uint16: half the memory, which copying waits for.
    """

    points: jax.Array
    count: jax.Array
    states: int = static()

    @property
    def counts(self) -> jax.Array:
        """How often each state occurs among the items."""
        present = Rows(self.points, self.count).present
        return jnp.zeros(self.states, jnp.int32).at[self.points].add(present.astype(jnp.int32))


@part
class Items:
    """K states by the items of the data set. Each item copies a parent, every one with a chance exact to 2**-32."""

    states: int = static()

    data = Rows

    def draw(self, key: jax.Array, params: Copied, n: Count, capacity: int) -> Rows:
        """Copies of items, chosen independently and uniformly."""
        words = keys.words(materialised(key), (-(-capacity // 2),))
        with float64():
            # the words are drawn first: inside a gather they would be drawn one by one
            size = params.count.astype(jnp.uint64)
            parents = materialise_pair(
                *(((w.astype(jnp.uint64) * size) >> np.uint64(32)).astype(jnp.uint32) for w in words)
            )
        states = [params.points.at[p].get(mode="promise_in_bounds") for p in parents]
        return Rows(jnp.concatenate(states)[:capacity], jnp.asarray(n, jnp.int32))

    def summarise(self, rows: Rows) -> Rows:
        """Rows are items as they are."""
        return rows

    def fit(self, key: jax.Array, data: Rows, previous: Params | None) -> Copied:
        """Keep the items."""
        return Copied(self._small(data.points), data.count, states=self.states)

    def _small(self, points: jax.Array) -> jax.Array:
        """-1, which is no state, becomes the largest number."""
        return points.astype(jnp.uint16) if self.states < 2**16 else points

    def represented(self, params: Copied, labelled: bool = True) -> jax.Array:
        """Probabilities ``(K,)``."""
        return _frequencies(params.counts, params.count)

    def valid(self, params: Copied) -> jax.Array:
        """Whether these are states: weights that make no sense give items of -1."""
        return ((params.points >= 0) & (params.points < self.states)).all()

    def at_rest(self, params: Copied) -> jax.Array:
        return (~Rows(params.points, params.count).present | (params.points == params.points[0])).all()

    def workspace(self, params: Copied) -> int:
        return 1

    def with_room(self, params: Copied, capacity: int) -> Copied:
        points = jnp.pad(self._small(params.points), (0, capacity - len(params.points)))
        return Copied(points, params.count, states=self.states)

    def capacity(self, largest: int) -> int:
        """A little more, so that nearby sample sizes share one compilation."""
        step = max(1 << max(largest - 1, 1).bit_length() >> 5, 2)
        return -(-largest // step) * step


@part
class Tally:
    """How often each state occurs in a data set: ``counts`` ``(K,)`` int32."""

    counts: jax.Array


@part
class Tallies:
    """K states by their counts; what ``family`` does with probabilities, in integers.

    Counts that are all 0 stand for the ``truth`` ``(K,)``: nothing was drawn yet.
    """

    family: Discrete
    truth: jax.Array | None = None

    data = Counts

    def draw(self, key: jax.Array, params: Tally, n: int | jax.Array, capacity: int) -> Counts:
        """Counts of draws in proportion to the tally, or to the truth before the first fit."""
        with float64():
            weights = params.counts.astype(jnp.float64)
            if self.truth is not None:
                weights = jnp.where((params.counts == 0).all(), jnp.asarray(self.truth).astype(jnp.float64), weights)
            return Counts(multinomial(key, n, weights, capacity=capacity))

    def summarise(self, rows: Rows) -> Counts:
        """As the family counts rows."""
        return self.family.summarise(rows)

    def fit(self, key: jax.Array, data: Counts, previous: Params | None) -> Tally:
        """Keep the counts."""
        return Tally(data.n)

    def before(self, source: Source) -> Tally | None:
        truth = self.family.before(source)
        return None if truth is None else Tally(np.zeros(truth.size, np.int32))  # type: ignore[arg-type]

    def represented(self, params: Tally, labelled: bool = True) -> jax.Array:
        """Probabilities ``(K,)``."""
        return _frequencies(params.counts, params.counts.sum(dtype=jnp.int32))

    def valid(self, params: Tally) -> jax.Array:
        """Whether these are counts: weights that make no sense give -1."""
        return (params.counts >= 0).all()

    def at_rest(self, params: Tally) -> jax.Array:
        return (params.counts > 0).sum() == 1

    def workspace(self, params: Tally) -> int:
        return self.family.workspace(params.counts)

    def capacity(self, largest: int) -> int:
        """Room that so many draws need."""
        return Counts.capacity_for(largest)


@part
class Surviving:
    """The states that are left: the first ``number`` of ``labels`` and ``counts``, ``(C,)`` int32; the rest pads."""

    labels: jax.Array
    counts: jax.Array
    number: jax.Array  # () int32
    size: jax.Array  # () int32, the sum of the counts
    states: int = static()


@part
class Survivors:
    """K states by the list of those that are left; a draw is one conditional binomial for each."""

    states: int = static()

    data = Counts

    def draw(self, key: jax.Array, params: Surviving, n: Count, capacity: int) -> Surviving:
        """Counts of the next generation, among the survivors alone."""
        with float64():
            drawn = _redraw(materialised(key), jnp.asarray(n, jnp.int32), params)
        return drawn

    def fit(self, key: jax.Array, data: Surviving, previous: Params | None) -> Surviving:
        """Keep the counts."""
        return data

    def represented(self, params: Surviving, labelled: bool = True) -> jax.Array:
        """Probabilities ``(K,)``; if not ``labelled``, those of the survivors in the order of the list."""
        frequencies = _frequencies(_first(params.counts, params.number), params.size)
        return jnp.zeros(self.states, frequencies.dtype).at[params.labels].add(frequencies) if labelled else frequencies

    def at_rest(self, params: Surviving) -> jax.Array:
        return params.number <= 1

    def capacity(self, largest: int) -> int:
        """None: the survivors are their own room."""
        return 0

    def entered(self, params: Copied | Tally, room: int) -> Surviving:
        """The list of the states that items or counts have; at most ``room`` of them."""
        counts = params.counts
        left = counts > 0
        place = jnp.where(left, jnp.cumsum(left, dtype=jnp.int32) - 1, room)
        here, labels = jnp.zeros(room, jnp.int32), jnp.arange(self.states, dtype=jnp.int32)
        names, numbers = (here.at[place].set(values, mode="drop") for values in (labels, counts))
        number, size = left.sum(dtype=jnp.int32), counts.sum(dtype=jnp.int32)
        return Surviving(names, numbers, number, size, states=self.states)

    def room(self, support: int) -> int:
        """The length of a list for ``support`` states: a power of 8, so that few programs are compiled."""
        return min(self.states, next(8**k for k in itertools.count(1) if 8**k >= support))


Form = Items | Tallies | Survivors

# generations in units of the sample size, 1 / M_1 + 1 / M_2 + ..., after which so few states are left that a list of
# them is shorter work
_SOON, _LATE = 1 / 12, 1.0
# up to so many items a state, copying those is less work than drawing counts
_ITEMS_PER_STATE = 32
_FEW_STATES = 64


def forms(process: Process, sizes: np.ndarray) -> list[tuple[int, Process]]:
    """The process in the forms that its chains take in turn, each with the generation from which on they are kept so.

    A chain that sees nothing but its own output may be kept in another form than its parameters. Sizes that follow
    change no form before them, so that a run may go on with any.
    """
    family, truth, regime = process.family, process.watch.truth, process.regime
    if not contained(regime) or process.watch.needs_data or type(family) is not Discrete or truth is None:
        return [(0, process)]
    process = _padded(process)
    found = _forms(process.family, process.watch.truth, sizes)
    out = []
    for i, (first, form) in enumerate(found):
        # the largest data set while it is kept so
        until = found[i + 1][0] + 1 if i + 1 < len(found) else len(sizes)
        capacity = form.capacity(int(sizes[:until].max()))
        room = capacity if isinstance(form, KeepsRows) else process.room
        out.append((first, opened(dataclasses.replace(process, family=form, capacity=capacity, room=room))))
    return out


def _padded(process: Process) -> Process:
    """The process with states of weight 0 up to a number that others share, where no observable can tell.

    A program then serves several numbers of states. The states that are added are never drawn, and :func:`cut` takes
    them off again.
    """
    source, watch = process.source, process.watch
    short = padded_states(watch.truth.size) - watch.truth.size
    blind = all(marks(observable).unlabelled for observable in watch.observables.values())
    if not process.pads or not short or not blind or type(source) is not Law or type(source.family) is not Discrete:
        return process
    xp = namespace(watch.truth, source.params)
    law, truth = Law(Discrete(), xp.pad(source.params, (0, short))), xp.pad(watch.truth, (0, short))
    return dataclasses.replace(process, family=Discrete(), source=law, watch=Watch(watch.observables, truth))


def cut(state: State, process: Process) -> State:
    """The states of a run, on the host, with as many states of the law as ``process`` has, which was not padded."""
    params = state.params
    if isinstance(params, Tally):
        params = Tally(params.counts[:, : process.watch.truth.size])
    elif isinstance(params, Surviving):
        params = dataclasses.replace(params, states=process.watch.truth.size)
    return dataclasses.replace(state, params=params)


def padded(state: State, process: Process) -> State:
    """The reverse of :func:`cut`, for a process that goes on from ``state`` in its form or the next."""
    params, truth = state.params, process.watch.truth
    if isinstance(params, Tally):
        short = truth.size - params.counts.shape[1]
        params = jax.tree.map(lambda counts: np.pad(counts, ((0, 0), (0, short))), params)
    elif isinstance(params, Surviving):
        params = dataclasses.replace(params, states=truth.size)
    return dataclasses.replace(state, params=params)


def form_at(process: Process, sizes: np.ndarray, generation: int) -> Process:
    """The process in the form that follows ``generation``."""
    return [form for start, form in forms(process, sizes) if start <= max(generation, 0)][-1]


def _forms(family: Discrete, truth: jax.Array, sizes: np.ndarray) -> list[tuple[int, Form]]:
    states = truth.size
    by_items = states > _FEW_STATES and sizes[0] <= _ITEMS_PER_STATE * states
    late = np.flatnonzero(np.cumsum(1 / sizes) >= (_SOON if by_items else _LATE))[:1]
    if by_items:  # before the first data set that is too large to copy
        late = np.sort(np.concatenate([late, np.flatnonzero(sizes > _ITEMS_PER_STATE * states) - 1]))[:1]
    opening = Items(states) if by_items else Tallies(family, truth)
    # generation 0 is in the opening form, however small its data set
    return [(0, opening), *((max(int(first), 1), Survivors(states)) for first in late)]


def changes(state: State, process: Process) -> bool:
    """Whether the family of ``process`` keeps its law in another form than ``state`` has it."""
    return isinstance(process.family, Survivors) and not isinstance(state.params, Surviving)


@functools.partial(jax.jit, static_argnames=("room",))
def changed(state: State, process: Process, room: int) -> State:
    """The same chains as lists of survivors with places for ``room``."""
    params = jax.vmap(lambda params: process.family.entered(params, room))(state.params)
    return dataclasses.replace(state, params=params)


@jax.jit
def supports(state: State) -> jax.Array:
    """How many states each chain ``(chain,)`` of items or counts has left."""
    return jax.vmap(lambda params: (params.counts > 0).sum(dtype=jnp.int32))(state.params)


def final_law(params: Params) -> Params:
    """The parameters of every chain as their family has them, whatever form they end in."""
    kept: Any = {
        Copied: lambda p: Items(p.states),
        Tally: lambda p: Tallies(Discrete()),
        Surviving: lambda p: Survivors(p.states),
    }
    form = kept.get(type(params))
    return params if form is None else jax.tree.map(np.array, jax.vmap(form(params).represented)(params))


@over_lanes
def _redraw(key: Any, n: jax.Array, params: Surviving) -> Surviving:
    """``n`` draws, one survivor after another; those that stay move up, to places that have been read already."""
    lanes = jnp.broadcast_shapes(n.shape, params.number.shape, keys.lanes(key))
    lane, room = jnp.arange(lanes[0], dtype=jnp.int32), len(params.counts)
    n, params = jax.tree.map(lambda leaf: jnp.broadcast_to(leaf, (*leaf.shape[:-1], *lanes)), (n, params))

    def weigh(index: jax.Array, state: tuple[jax.Array, ...]) -> tuple[jax.Array, jax.Array]:
        still, _, _, counts = state
        own = counts[index, lane]
        return own.astype(jnp.float64), (still - own).astype(jnp.float64)

    def put(
        index: jax.Array, taken: jax.Array, after: jax.Array, done: jax.Array, state: tuple[jax.Array, ...]
    ) -> tuple[jax.Array, ...]:
        still, place, labels, counts = state
        stays = done & (taken > 0)
        at = jnp.where(stays, place, room)
        labels = labels.at[at, lane].set(labels[index, lane], mode="drop")
        counts = counts.at[at, lane].set(taken.astype(jnp.int32), mode="drop")
        still = jnp.where(done, after.astype(jnp.int32), still)
        return still, place + stays.astype(jnp.int32), labels, counts

    state = (params.size, jnp.zeros_like(params.number), params.labels, params.counts)
    last, following = params.number - 1, lambda index: index + 1
    _, number, labels, counts = in_turn(key, n.astype(jnp.float64), last, following, weigh, put, state)
    return Surviving(labels, counts, number, n, states=params.states)


@over_lanes
def _first(counts: jax.Array, number: jax.Array) -> jax.Array:
    """The first ``number`` of ``counts`` (C, lanes), then zeros."""
    place = jnp.arange(len(counts), dtype=jnp.int32)[:, None]
    return jnp.where(place < number[None], counts, 0)


def _frequencies(counts: jax.Array, size: jax.Array) -> jax.Array:
    """``counts / size``, and exactly 1 for a state that is alone."""
    dtype = jnp.result_type(float)
    # XLA multiplies by the reciprocal, and 49 * (1 / 49) is not 1
    return jnp.where(counts == size, 1.0, counts.astype(dtype) / jnp.maximum(size, 1).astype(dtype))

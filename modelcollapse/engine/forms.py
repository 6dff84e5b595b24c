"""A chain that sees nothing but its own output, by what is left of it: its items or its counts, then its survivors.

Where each data set is drawn from the last fit alone, a state that is lost stays lost, and drawing from the fit is copying items of the
data set before. So the law on K states may be kept as the items themselves (:class:`Items`), whose work is the sample size
whatever K is; as their counts (:class:`Tallies`); or as the list of states that are left (:class:`Survivors`), whose work is their
number. ``simulate`` runs a ``Discrete`` family in these forms by itself; none is a family for the user.
"""

from __future__ import annotations

import itertools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from modelcollapse.data import Counts, Rows
from modelcollapse.pytree import part, static
from modelcollapse.sampling import float64, keys, multinomial, over_lanes, settled, together
from modelcollapse.sampling._multinomial import in_turn


@part
class Copied:
    """The states of a data set, item by item: ``points`` ``(capacity,)`` int32, of which the first ``count`` are there."""

    points: jax.Array
    count: jax.Array
    states: int = static()

    def law(self, labelled: bool = True) -> jax.Array:
        """Probabilities ``(K,)``."""
        return _shares(self.counts, self.count)

    @property
    def counts(self) -> jax.Array:
        present = Rows(self.points, self.count).present
        return jnp.zeros(self.states, jnp.int32).at[self.points].add(present.astype(jnp.int32))


@part
class Items:
    """K states by the items of the data set. Each item copies a parent, every one with a chance exact to 2**-32."""

    states: int = static()

    data = Rows

    def draw(self, key: jax.Array, params: Copied, n: Any, capacity: int) -> Rows:
        words = keys.words(settled(key), (-(-capacity // 2),))
        with float64():
            # the words are drawn first: inside a gather they would be drawn one by one
            size = params.count.astype(jnp.uint64)
            parents = together(*(((w.astype(jnp.uint64) * size) >> np.uint64(32)).astype(jnp.uint32) for w in words))
        states = [params.points.at[p].get(mode="promise_in_bounds") for p in parents]
        return Rows(jnp.concatenate(states)[:capacity], jnp.asarray(n, jnp.int32))

    def summarise(self, rows: Rows) -> Rows:
        return rows

    def fit(self, key: jax.Array, data: Rows, previous: Any) -> Copied:
        return Copied(data.points, data.count, states=self.states)

    def valid(self, params: Copied) -> jax.Array:
        """Whether these are states: weights that make no sense give items of -1."""
        return (params.points >= 0).all()

    def at_rest(self, params: Copied) -> jax.Array:
        return (~Rows(params.points, params.count).present | (params.points == params.points[0])).all()

    def workspace(self, params: Any) -> int:
        return 1

    def with_room(self, params: Copied, capacity: int) -> Copied:
        return Copied(jnp.pad(params.points, (0, capacity - len(params.points))), params.count, states=self.states)

    def capacity(self, largest: int) -> int:
        """A little more, so that nearby sample sizes share one compilation."""
        step = max(1 << max(largest - 1, 1).bit_length() >> 5, 2)
        return -(-largest // step) * step


@part
class Tally:
    """How often each state occurs in a data set: ``counts`` ``(K,)`` int32."""

    counts: jax.Array

    def law(self, labelled: bool = True) -> jax.Array:
        """Probabilities ``(K,)``."""
        return _shares(self.counts, self.counts.sum(dtype=jnp.int32))


@part
class Tallies:
    """K states by their counts; what ``family`` does with probabilities, in integers."""

    family: Any

    data = Counts

    def draw(self, key: jax.Array, params: Tally, n: Any, capacity: int) -> Counts:
        return Counts(multinomial(key, n, params.counts, capacity=capacity))

    def summarise(self, rows: Rows) -> Counts:
        return self.family.summarise(rows)

    def fit(self, key: jax.Array, data: Counts, previous: Any) -> Tally:
        return Tally(data.n)

    def valid(self, params: Tally) -> jax.Array:
        """Whether these are counts: weights that make no sense give -1."""
        return (params.counts >= 0).all()

    def at_rest(self, params: Tally) -> jax.Array:
        return (params.counts > 0).sum() == 1

    def workspace(self, params: Tally) -> int:
        return self.family.workspace(params.counts)

    def capacity(self, largest: int) -> int:
        return Counts.capacity_for(largest)


@part
class Surviving:
    """The states that are left: the first ``number`` of ``labels`` and ``counts`` ``(C,)`` int32; what follows means nothing."""

    labels: jax.Array
    counts: jax.Array
    number: jax.Array  # () int32
    size: jax.Array  # () int32, the sum of the counts
    states: int = static()

    def law(self, labelled: bool = True) -> jax.Array:
        """Probabilities ``(K,)``; of the survivors alone, without the names that they go by, if not ``labelled``."""
        shares = _shares(_first(self.counts, self.number), self.size)
        return jnp.zeros(self.states, shares.dtype).at[self.labels].add(shares) if labelled else shares


@part
class Survivors:
    """K states by the list of those that are left; a draw is one conditional binomial for each."""

    states: int = static()

    data = Counts

    def draw(self, key: jax.Array, params: Surviving, n: Any, capacity: int) -> Surviving:
        with float64():
            drawn = _redraw(settled(key), jnp.asarray(n, jnp.int32), params)
        return drawn

    def fit(self, key: jax.Array, data: Surviving, previous: Any) -> Surviving:
        return data

    def at_rest(self, params: Surviving) -> jax.Array:
        return params.number <= 1

    def capacity(self, largest: int) -> int:
        return 0

    def keeps(self, params: Any) -> bool:
        return isinstance(params, Surviving)

    def support(self, params: Copied | Tally) -> jax.Array:
        return (params.counts > 0).sum(dtype=jnp.int32)

    def received(self, params: Copied | Tally, room: int) -> Surviving:
        """The list of the states that items or counts have; at most ``room`` of them."""
        counts = params.counts
        left = counts > 0
        place = jnp.where(left, jnp.cumsum(left, dtype=jnp.int32) - 1, room)
        here, labels = jnp.zeros(room, jnp.int32), jnp.arange(self.states, dtype=jnp.int32)
        names, numbers = (here.at[place].set(values, mode="drop") for values in (labels, counts))
        number, size = left.sum(dtype=jnp.int32), counts.sum(dtype=jnp.int32)
        return Surviving(names, numbers, number, size, states=self.states)

    def room(self, support: int) -> int:
        """Of a list that holds so many: a power of 8, so that few programs are compiled."""
        return min(self.states, next(8**k for k in itertools.count(1) if 8**k >= support))


# generations in units of the sample size, 1 / M_1 + 1 / M_2 + ..., after which so few states are left that a list of them is shorter work
_SOON, _LATE = 1 / 12, 1.0
# up to so many items a state, copying those is less work than drawing counts
_ITEMS_A_STATE = 32
_FEW_STATES = 64


def forms(family: Any, states: int, sizes: np.ndarray) -> list[tuple[int, Any]]:
    """The forms that a chain takes, each with the generation from which on it is kept so; the same for all chains of a run.

    Sizes that follow change no form before them, so that a run may go on with any.
    """
    by_items = states > _FEW_STATES and sizes[0] <= _ITEMS_A_STATE * states
    late = np.flatnonzero(np.cumsum(1 / sizes) >= (_SOON if by_items else _LATE))[:1]
    if by_items:  # before the first data set that is too large to copy
        late = np.sort(np.concatenate([late, np.flatnonzero(sizes > _ITEMS_A_STATE * states) - 1]))[:1]
    return [(0, Items(states) if by_items else Tallies(family)), *((int(first), Survivors(states)) for first in late)]


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


def _shares(counts: jax.Array, size: jax.Array) -> jax.Array:
    """``counts / size``, and exactly 1 for a state that is alone."""
    dtype = jnp.result_type(float)
    # XLA multiplies by the reciprocal, and 49 * (1 / 49) is not 1
    return jnp.where(counts == size, 1.0, counts.astype(dtype) / jnp.maximum(size, 1).astype(dtype))

"""Lineages of a data set, traced back pick by pick while they are many and meeting by meeting once they are few.

Arrays carry a leading axis of chains (B). No chain's numbers depend on how many others run: words are addressed by
chain, stage and turn, and a chain that is done waits without drawing.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple, TypeAlias

import jax
import jax.numpy as jnp
from jax import lax

from modelcollapse.sampling import _hypergeometric, exact, keys

# up to this many, or one in sixteen of the data set, lineages wait for their next meeting
_FEW, _ONE_IN = 4096, 16
# the narrowest buffer where each generation must be walked
_NARROW = 256


class Picks(NamedTuple):
    """How the items of a generation came about, looking back: one field for each regime, None where it is off."""

    sizes: jax.Array  # (rounds,) int32: size of the older data set by round, the newest round first; (1,) if constant
    share: jax.Array | None = None  # float64: probability that an item is original
    real: int | None = None  # number of items of every data set that are original
    kept: int | None = None  # number of items that are kept from the older data set; the others are drawn from it


Record: TypeAlias = tuple[jax.Array, ...]
"""What a walk keeps of its rounds; first, which chains (B,) are done."""
Note: TypeAlias = Callable[[Record, jax.Array, jax.Array, jax.Array], Record]


class Tree(NamedTuple):
    """The lineages of B chains, in L places."""

    family: jax.Array  # (B, L) int32: how many items of the newest data set descend from the place; 0 if empty
    alive: jax.Array  # (B, L) bool: still to be traced
    left: jax.Array  # (B,) float64: rounds still to go, infinity where the end is extinction


def widths(size: int, waits: bool) -> list[int]:
    """Buffer lengths of the stages, quartering from ``size`` down to where walking stops."""
    last = max(min(size, _FEW), size // _ONE_IN) if waits else min(size, _NARROW)
    lengths = [size]
    while lengths[-1] > last:
        lengths.append(max(last, -(-lengths[-1] // 4)))
    return lengths


_Walk: TypeAlias = tuple[Tree, jax.Array, jax.Array, jax.Array, Record]


def walk(
    chain_keys: jax.Array,
    tree: Tree,
    low: int,
    slots: int,
    picks: Picks,
    record: Record = (),
    note: Note | None = None,
) -> tuple[Tree, Record]:
    """Generation after generation, until at most ``low`` lineages are alive; picks among at most ``slots`` items.

    ``note(record, before, after, going)`` sees the numbers of lineages (B,) before and after each round.
    """
    chains, length = tree.family.shape
    place = lax.broadcasted_iota(jnp.int32, (chains, length), 1)
    lane = lax.broadcasted_iota(jnp.int32, (chains, length), 0)

    def going(tree: Tree, record: Record) -> jax.Array:
        count = tree.alive.sum(axis=1)
        more = (count > low) & (tree.left > 0)
        return more & ~record[0] if record else more

    def uniform(turn: jax.Array) -> jax.Array:
        return jax.vmap(lambda key: exact.unit(key, (length,), turn))(chain_keys)

    def one_round(state: _Walk) -> _Walk:
        tree, table, u, turn, record = state
        moving = going(tree, record)
        active = tree.alive & moving[:, None]
        ended = jnp.zeros_like(active)
        if picks.share is not None:
            ended = active & (u < picks.share)
            u = jnp.maximum(u - picks.share, 0.0) / (1.0 - picks.share)
        rounds = picks.sizes.shape[0]
        size = picks.sizes[jnp.clip(rounds - tree.left, 0.0, rounds - 1.0).astype(jnp.int32)]
        parent = jnp.floor(u * size[:, None]).astype(jnp.int32)
        picking = active & ~ended
        if picks.kept is not None:
            parent = _keep(chain_keys, turn, active, parent, picks.kept, size)
        heir, table = _heirs(table, place, jnp.where(picking, lane * slots + parent, chains * slots), picking)
        family = jnp.zeros(chains * length, jnp.int32)
        family = family.at[(lane * length + heir).reshape(-1)].add(tree.family.reshape(-1)).reshape(chains, length)
        alive = tree.alive & ~ended & (heir == place)
        if picks.real is not None:
            alive = alive & ~(picking & (parent < picks.real))
        if note is not None:
            record = note(record, tree.alive.sum(axis=1), alive.sum(axis=1), moving)
        left = tree.left - moving.astype(jnp.float64)
        # the next words are drawn here, as one block: inside the gather they would be drawn one by one
        return Tree(family, alive, left), table, uniform(turn + 1), turn + 1, record

    def unfinished(state: _Walk) -> jax.Array:
        return jnp.any(going(state[0], state[4]))

    table = jnp.full(chains * slots, -1, jnp.int32)
    start = (tree, table, uniform(jnp.uint32(0)), jnp.uint32(0), record)
    tree, _, _, _, record = lax.while_loop(unfinished, one_round, start)
    return tree, record


def _heirs(table: jax.Array, place: jax.Array, address: jax.Array, picking: jax.Array) -> tuple[jax.Array, jax.Array]:
    """For each place, the heir of its family (of those that meet, the highest place); and the cleared ``table``."""
    table = table.at[address.reshape(-1)].max(place.reshape(-1), mode="drop")
    heir = jnp.where(picking, table.at[address].get(mode="fill", fill_value=0), place)
    return heir, table.at[address.reshape(-1)].set(-1, mode="drop")


def _keep(
    chain_keys: jax.Array, turn: jax.Array, active: jax.Array, parent: jax.Array, kept: int, size: jax.Array
) -> jax.Array:
    """Parents where ``kept`` of the ``size`` items are kept: each of those lineages has a parent of its own.

    The places of lineages in a data set are exchangeable, so the kept ones are a random subset, whose number is
    hypergeometric; which distinct items they come from is a matter of naming.
    """

    def one(key: jax.Array, active: jax.Array, parent: jax.Array, size: jax.Array) -> jax.Array:
        number = active.sum().astype(jnp.float64)
        many = _hypergeometric.draw(keys.fold(key, 1, turn), jnp.float64(kept), size - kept, number)
        order = jnp.argsort(jnp.where(active, exact.unit(keys.fold(key, 2), parent.shape, turn), 2.0))
        rank = jnp.zeros_like(parent).at[order].set(lax.iota(jnp.int32, parent.size))
        return jnp.where(rank.astype(jnp.float64) < many, rank, parent)

    return jax.vmap(one)(chain_keys, active, parent, size.astype(jnp.float64))


def gather(tree: Tree, length: int) -> Tree:
    """The living lineages of at most ``length`` places, moved to the front."""
    chains = tree.family.shape[0]
    to = jnp.where(tree.alive, jnp.cumsum(tree.alive, axis=1, dtype=jnp.int32) - 1, length)
    to = jnp.where(to < length, to + length * lax.broadcasted_iota(jnp.int32, to.shape, 0), chains * length)
    family = jnp.zeros(chains * length, jnp.int32).at[to.reshape(-1)].set(tree.family.reshape(-1), mode="drop")
    family = family.reshape(chains, length)
    return Tree(family, family > 0, tree.left)


class Waiting(NamedTuple):
    """Few lineages: places [0, number) are alive; ``taken`` of them already have their parent of the current round."""

    family: jax.Array  # (B * L,) int32
    number: jax.Array  # (B,) int32
    taken: jax.Array  # (B,) int32
    left: jax.Array  # (B,) float64
    before: jax.Array  # (B,) int32: how many there were when the current round began
    done: jax.Array  # (B,) bool


def wait(
    chain_keys: jax.Array, tree: Tree, size: int | jax.Array, share: jax.Array | None, target: jax.Array
) -> Waiting:
    """Meeting after meeting, until the rounds are over or a round ends with at most ``target`` (B,) lineages.

    One step per lineage lost. Exact up to the rounding of float64 sums of hazards H.
    """
    chains, length = tree.family.shape
    lane = jnp.arange(chains, dtype=jnp.int32) * length
    original = jnp.asarray(0.0 if share is None else share, jnp.float64)
    steps = -jnp.log1p(-jnp.arange(length, dtype=jnp.float64) / size) - jnp.log1p(-original)
    hazard = jnp.concatenate([jnp.zeros(1), jnp.cumsum(steps)])

    def next_meeting(state: tuple[Waiting, jax.Array]) -> tuple[Waiting, jax.Array]:
        now, turn = state
        u = jax.vmap(lambda key: exact.unit(key, (3,), turn))(chain_keys)
        clock = hazard[now.taken] - exact.log(u[:, 0])
        round_ = hazard[now.number]
        passed = jnp.where(round_ > 0.0, jnp.floor(clock / jnp.where(round_ > 0.0, round_, 1.0)), jnp.inf)
        # a round that ends low enough ends the wait, and so does the last round
        reached = (passed >= 1.0) & (now.number <= target)
        over = passed >= now.left
        stop = now.done | reached | over
        spent = jnp.where(reached, 1.0, jnp.minimum(passed, now.left))
        left = jnp.where(now.done, now.left, now.left - spent)
        before = jnp.where((passed >= 1.0) & ~stop, now.number, now.before)
        clock = clock - jnp.where(stop, 0.0, passed) * round_
        which = exact.search(hazard, clock) - 1
        which = jnp.clip(which, 0, now.number - 1)
        parents = which.astype(jnp.float64)
        met = (1.0 - original) * parents / size
        ends = u[:, 1] * (original + met) < original
        other = jnp.floor(u[:, 2] * parents).astype(jnp.int32)
        last = now.number - 1
        own, moved = now.family[lane + jnp.maximum(which, 0)], now.family[lane + jnp.maximum(last, 0)]
        # the last place fills the gap; an ended lineage keeps its family there, one that met hands it over
        index = jnp.stack([lane + other, lane + which, lane + last])
        change = jnp.stack([jnp.where(ends, 0, own), moved - own, jnp.where(ends, own, 0) - moved])
        index = jnp.where(stop, chains * length, index)
        family = now.family.at[index.reshape(-1)].add(change.reshape(-1), mode="drop")
        count = jnp.where(stop, now.number, last)
        taken = jnp.where(stop, now.taken, which)
        stop = stop | (count == 0)
        return Waiting(family, count, taken, left, before, stop), turn + 1

    count = tree.alive.sum(axis=1, dtype=jnp.int32)
    # a single lineage without an end never meets anyone
    idle = (tree.left <= 0) | (count == 0) | (count <= target)
    start = Waiting(tree.family.reshape(-1), count, jnp.zeros_like(count), tree.left, count, idle)
    return lax.while_loop(lambda state: jnp.any(~state[0].done), next_meeting, (start, jnp.uint32(0)))[0]

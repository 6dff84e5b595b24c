"""How many items pass a detector, and from which law: found before any item is drawn."""

from __future__ import annotations

import dataclasses
from typing import Any, TypeAlias

import jax
import jax.numpy as jnp

from modelcollapse.addresses import fold
from modelcollapse.families.discrete import Discrete
from modelcollapse.laws import Law, Stream, outcome
from modelcollapse.numeric import namespace
from modelcollapse.protocols import Count, Number, SeesLaws
from modelcollapse.sampling import binomial, hypergeometric

POOLS = 10_000
"""The most pools that are drawn to refill one data set."""
OF_MODEL, OF_REAL, REFILLED, FLAGGED = range(4)
"""Keys within the role of a detector."""
Pair: TypeAlias = tuple[Any, Any]
"""What there is of the model, and of what is real."""


def real_share(share: Number, model: Number, real: Number) -> Any:
    """The real share of what passes with these chances, from a mixture with the real ``share``; that itself where both
    are equal.
    """
    xp = namespace(share, model, real)
    other = (1 - share) * (model / xp.where(real > 0, real, 1.0))
    some = (share > 0) & (real > 0)
    return xp.where(some, share / xp.where(some, share + other, 1.0), 0.0)


def thinned(stream: Stream, key: jax.Array, n: Count, chance: Number) -> Any:
    """How many of ``n`` items pass, each with this chance; of infinitely many draws the expected number."""
    number = number_of(stream, n)
    return number * chance if isinstance(stream.family, SeesLaws) else binomial(key, number, chance)


def number_of(stream: Stream, n: Count) -> jax.Array:
    """A number of items; as which they weigh, a real number, for a family that sees laws."""
    return jnp.asarray(n).astype(jnp.result_type(float) if isinstance(stream.family, SeesLaws) else jnp.int32)


def refilled(key: jax.Array, pool: Pair, chances: Pair, size: jax.Array) -> Pair:
    """How many items of each kind are among the first ``size`` that pass, pool after pool; fewer beyond ``POOLS``.

    Of the last pool a random subset of what passes is taken.
    """
    trials, chance = jnp.stack(pool).astype(jnp.int32), jnp.stack(jnp.broadcast_arrays(*map(jnp.asarray, chances)))

    def short(state: tuple[jax.Array, jax.Array]) -> jax.Array:
        return (state[0].sum(dtype=jnp.int32) < size) & (state[1] < POOLS)

    def more(state: tuple[jax.Array, jax.Array]) -> tuple[jax.Array, jax.Array]:
        found, turn = state
        own = fold(key, turn)
        passed = binomial(fold(own, OF_MODEL), trials, chance)
        wanted = jnp.minimum(size - found.sum(dtype=jnp.int32), passed.sum(dtype=jnp.int32))
        first = hypergeometric(fold(own, REFILLED), passed[0], passed[1], wanted)
        return found + jnp.stack([first, wanted - first]), turn + 1

    found, _ = jax.lax.while_loop(short, more, (jnp.zeros(2, jnp.int32), jnp.int32(0)))
    return found[0], found[1]


def judged(streams: Pair, rates: Pair, *, passes: bool) -> tuple[Pair, Pair]:
    """For draws of the model and real ones: the chance to pass, or to be flagged, and the stream of those that do."""
    found = [_one_judged(stream, rate, passes) for stream, rate in zip(streams, rates, strict=True)]
    return (found[0][0], found[1][0]), (found[0][1], found[1][1])


def _one_judged(stream: Stream, rate: Number, passes: bool) -> tuple[Any, Stream]:
    chance = 1 - jnp.asarray(rate) if passes else jnp.asarray(rate)
    if not jnp.ndim(rate):
        return chance, stream
    law = outcome(stream.law)
    p = law.params if isinstance(law, Law) else stream.family.project(law)
    p = jnp.asarray(p, jnp.result_type(float))
    weights = p * chance.astype(p.dtype)
    total = weights.sum()
    kept = jnp.where(total > 0, weights / jnp.where(total > 0, total, 1.0), p)
    return jnp.minimum(total, 1.0), dataclasses.replace(stream, law=Law(Discrete(), kept), alike=False)

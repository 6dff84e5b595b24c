"""A detector that scores rows: pool after pool is drawn and looked at, and the rates at which it flags are measured."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from modelcollapse.addresses import DETECTED, MODEL, REAL, fold
from modelcollapse.data import Rows
from modelcollapse.protocols import Divides, Memory, Number, Pools, Regime
from modelcollapse.pytree import part
from modelcollapse.regimes.passing import POOLS, REFILLED, Pair


@part
class Rated:
    """The memory of a detector that scores rows: the shares of synthetic and of real items that it flagged, ``(2,)``.

    NaN where there was none of a kind. ``memory`` is that of a regime that ``Pools``, else None.
    """

    rates: jax.Array
    memory: Any = None


def pools(regime: Regime) -> bool:
    """Whether a regime gives its pool itself."""
    return isinstance(regime, Pools)


def judged_rows(
    detector: tuple[Any, Callable[[jax.Array], jax.Array], Any],
    key: jax.Array,
    streams: Pair,
    memory: Memory,
    size: jax.Array,
    generation: jax.Array,
    refills: bool,
) -> tuple[Rows, Rows, Rated]:
    """What passes of the pool of a regime, what is flagged, and the rates, for a ``detector`` ``(regime, score,
    threshold)``.

    With ``refills``, ``size`` rows that pass from as many pools as it takes, of the last a random subset; fewer after
    ``POOLS``. What is flagged is then left out.
    """
    regime, score, threshold = detector
    capacity = streams[0].capacity

    def pool(key: jax.Array) -> tuple[Rows, Rows, jax.Array]:
        each = _pool(regime, key, streams, memory, size, generation)
        flags = [_flags(score, threshold, rows.points) for rows, _ in each]
        passed = [rows.where(~flag) for (rows, _), flag in zip(each, flags, strict=True)]
        flagged = [rows.where(flag) for (rows, _), flag in zip(each, flags, strict=True)]
        found = sum(_counts(rows, kinds, flag) for (rows, kinds), flag in zip(each, flags, strict=True))
        return _joined(passed), _joined(flagged), jnp.asarray(found)

    def rated(found: jax.Array) -> Rated:
        counts = found.astype(jnp.result_type(float))
        return Rated(counts[1] / counts[0], memory.memory)

    if not refills:
        passed, flagged, found = pool(key)
        return passed, flagged, rated(found)

    def more(state: tuple[Rows, jax.Array, jax.Array]) -> tuple[Rows, jax.Array, jax.Array]:
        rows, found, turn = state
        own = fold(fold(fold(key, DETECTED), REFILLED), turn)
        new, _, counts = pool(own)
        return rows | new.take(fold(own, DETECTED), size - rows.count, capacity), found + counts, turn + 1

    def short(state: tuple[Rows, jax.Array, jax.Array]) -> jax.Array:
        return (state[0].count < size) & (state[2] < POOLS)

    shape = jax.eval_shape(pool, key)[0].points
    empty = Rows(jnp.zeros((capacity, *shape.shape[1:]), shape.dtype), jnp.int32(0))
    data, found, _ = jax.lax.while_loop(short, more, (empty, jnp.zeros((2, 2), jnp.int32), jnp.int32(0)))
    return data, empty, rated(found)


def _pool(
    regime: Regime, key: jax.Array, streams: Pair, memory: Memory, size: jax.Array, generation: jax.Array
) -> list[tuple[Rows, jax.Array]]:
    """One pool: rows, and which of them ``(capacity,)`` the model made."""
    if isinstance(regime, Pools):
        return [regime.pool(key, *streams, memory.memory, size, generation)]
    assert isinstance(regime, Divides)
    counts = regime.divided(key, streams[0], size, generation)
    each = zip(streams, (MODEL, REAL), counts, (True, False), strict=True)
    drawn = [(stream.draw_rows(fold(key, role), n), made) for stream, role, n, made in each]
    return [(rows, jnp.full(rows.capacity, made)) for rows, made in drawn]


def _counts(rows: Rows, synthetic: jax.Array, flags: jax.Array) -> jax.Array:
    """How many synthetic and real rows there are, and how many of them are flagged: ``(2, 2)`` int32."""
    kinds = jnp.stack([rows.present & synthetic, rows.present & ~synthetic])
    return jnp.stack([kinds.sum(1, dtype=jnp.int32), (kinds & flags[None]).sum(1, dtype=jnp.int32)])


def _joined(parts: list[Rows]) -> Rows:
    return parts[0] if len(parts) == 1 else parts[0] | parts[1]


def _flags(score: Callable[[jax.Array], jax.Array], threshold: Number, points: jax.Array) -> jax.Array:
    found = score(points)
    if jnp.shape(found) != points.shape[:1]:
        raise ValueError(
            f"score must give one number for each row, shape ({points.shape[0]},), got shape {jnp.shape(found)}"
        )
    return found >= threshold

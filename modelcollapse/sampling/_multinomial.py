"""Counts over many states: the total is exact, and a state of weight zero stays empty.

Weights become integers first (multiples of 2**-61 of their sum), so that every partial sum is exact: no rounding can
give an extinct state a probability, or make the counts miss the total.
"""

from __future__ import annotations

import functools
import math

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from modelcollapse.sampling import _binomial, _exact, _hypergeometric, keys

_BITS = 61
# up to here counting words below each threshold beats searching for each word
_FEW_STATES = 64
# up to so many items a state, drawing items costs less than splitting counts
_ITEMS_A_STATE = 32
# up to here items cost no more than binomials would, whatever K, and compile in a tenth of the time
_FEW_ITEMS = 256
# up to here one level of conditional draws does: half as much to compile as two
_ONE_LEVEL = 16


def multinomial(key: jax.Array, n: jax.Array | int, p: jax.Array, capacity: int | None = None) -> jax.Array:
    r"""How often each state is drawn in ``n`` independent draws, int32 of the shape ``(K,)`` of ``p``, summing to ``n``.

    .. math:: P(X = x) = \frac{n!}{\prod_i x_i!} \prod_i p_i^{x_i}

    ``p`` holds nonnegative weights, floats or integers, which need not be normalised; a state of weight zero gets exactly
    0. ``n`` in [0, 2**31 - 1] may be traced. ``capacity``, a static bound ``n <= capacity``, allows drawing the items one
    by one where that is cheaper; the result then depends on it, its law does not. Every probability is exact to 2**-60
    absolutely and to float64 rounding, also where ``jax_enable_x64`` is off. All weights zero, or one that is negative or
    not finite, gives counts of -1. Raises ValueError for a ``p`` that is not a vector, a concrete ``n`` outside
    [0, capacity]. Source: conditional binomials, in blocks of sqrt(K).
    """
    n, p = jnp.asarray(n), jnp.asarray(p)
    if not jnp.issubdtype(n.dtype, jnp.integer) or n.ndim:
        raise TypeError(f"n must be an integer scalar, got {n.dtype}{list(n.shape)}")
    if p.ndim != 1 or p.size == 0:
        raise ValueError(f"p must be a vector of at least one weight, got shape {p.shape}")
    _check_size("n", n, capacity)
    key = keys.wrap(key)
    with _exact.float64():
        return _draw(key, n, p, capacity)


@functools.partial(jax.jit, static_argnums=3)
def _draw(key, n, p, capacity):
    weights, sound = integer_weights(p)
    size = jnp.maximum(n, 0).astype(jnp.int32)
    if capacity is not None and capacity <= max(_ITEMS_A_STATE * p.size, _FEW_ITEMS):
        counts = _one_by_one(key, size, weights, capacity)
    else:
        counts = _in_blocks(functools.partial(_share, key), size.astype(jnp.float64), weights)
    return jnp.where(sound, counts.astype(jnp.int32), -1)


def multivariate_hypergeometric(
    key: jax.Array, counts: jax.Array, n: jax.Array | int, capacity: int | None = None
) -> jax.Array:
    r"""How often each state occurs among ``n`` items drawn without replacement from ``counts``, int32 ``(K,)``.

    .. math:: P(X = x) = \prod_i \binom{c_i}{x_i} \Big/ \binom{\sum c}{n}

    ``counts`` are nonnegative integers, their sum at most 2**31 - 1 (and at most the static ``capacity``, where given);
    ``n`` may be traced, and beyond the sum it takes everything. Totals are exact. Exact up to the rounding of float64
    arithmetic, whatever ``jax_enable_x64`` says. ``capacity`` is only checked: the draw needs no bound. Raises TypeError
    for arguments that are not integers, ValueError for ``counts`` that are not a vector or that concretely exceed the
    capacity. Source: conditional hypergeometric draws, in blocks of sqrt(K).
    """
    n, counts = jnp.asarray(n), jnp.asarray(counts)
    for name, array in (("n", n), ("counts", counts)):
        if not jnp.issubdtype(array.dtype, jnp.integer):
            raise TypeError(f"{name} must have an integer type, got {array.dtype}")
    if counts.ndim != 1 or counts.size == 0:
        raise ValueError(f"counts must be a vector of at least one state, got shape {counts.shape}")
    if n.ndim:
        raise TypeError(f"n must be an integer scalar, got shape {n.shape}")
    if not isinstance(counts, jax.core.Tracer):
        _check_size("the sum of counts", counts.sum(), capacity)
    key = keys.wrap(key)
    with _exact.float64():
        return _draw_subset(key, counts, n)


@jax.jit
def _draw_subset(key, counts, n):
    stock = jnp.maximum(counts, 0).astype(jnp.int64)
    size = jnp.clip(n.astype(jnp.int64), 0, stock.sum()).astype(jnp.float64)
    return _in_blocks(functools.partial(_without_replacement, key), size, stock).astype(jnp.int32)


def _check_size(name, value, capacity):
    if capacity is None or isinstance(value, jax.core.Tracer):
        return
    if not 0 <= int(value) <= capacity:
        raise ValueError(f"{name} must lie between 0 and capacity={capacity}, got {int(value)}")


def integer_weights(p):
    """Weights as int64 that sum to exactly 2**61, the rounding given to the largest; and whether ``p`` made sense."""
    wide = p.astype(jnp.float64)
    top = wide.max()
    sound = jnp.isfinite(top) & (top > 0.0) & (wide >= 0.0).all()
    wide = jnp.where(sound, wide, 1.0)
    # scaled by the largest first, so that neither tiny nor huge weights leave the range of float64
    wide = wide / jnp.where(sound, top, 1.0)
    weights = jnp.floor(wide * (2.0**_BITS / wide.sum())).astype(jnp.int64)
    # the first of the largest; argmax itself does not lower to 64 bits where these are off
    place = lax.iota(jnp.int32, wide.size)
    first = jnp.where(wide >= wide.max(), place, wide.size).min()
    return weights + jnp.where(place == first, 2**_BITS - weights.sum(), 0), sound


def _integers(high, low):
    """Uniform int64 in [0, 2**61) from two words."""
    return (high.astype(jnp.int64) << np.int64(_BITS - 32)) | (low >> np.uint32(64 - _BITS)).astype(jnp.int64)


def states(upper, high, low):
    """The states that words pick, given the cumulated integer weights ``upper``; a weight of zero is never picked."""
    return _exact.search(upper, _integers(high, low))


def _one_by_one(key, size, weights, capacity):
    """Draw ``capacity`` items, count the first ``size``: by threshold where states are few, by search where many."""
    blocks, used, upper, last = _items(key, size, weights, capacity)
    if weights.size <= _FEW_STATES:
        below = sum((words[None, :] < upper[:, None]).sum(axis=1, dtype=jnp.int32) for words in blocks)
        below = jnp.where(last, size, below)
        return jnp.diff(below, prepend=jnp.zeros(1, jnp.int32), append=size[None])
    # the highest word would go past the thresholds that stand for 2**32
    state = jnp.minimum(_exact.search(upper, jnp.concatenate(blocks)), (~last).sum(dtype=jnp.int32))
    return jnp.zeros(weights.size, jnp.int32).at[state].add(used.astype(jnp.int32))


def _items(key, size, weights, capacity):
    """Words in pieces and which are among the ``size`` used (2**32 - 1 if not); thresholds, and which of them mean 2**32.

    A word below a threshold belongs to the states up to it. All thresholds are rounded to 32 bits by one common uniform
    offset, which makes the chance of every item exact.

    The scan of two steps is there to write words and thresholds to memory: XLA would otherwise compute them again for every
    comparison, or one at a time inside a search.
    """
    offset = (keys.words(key, (), 1)[0] >> np.uint32(32 - (_BITS - 32))).astype(jnp.int64)
    cumulated = jnp.cumsum(weights)[:-1]
    quarter = (capacity + 3) // 4
    place = lax.broadcasted_iota(jnp.int32, (2, quarter), 0) + 4 * lax.broadcasted_iota(jnp.int32, (2, quarter), 1)

    def half(_, item):
        stream, place = item
        words = keys.words(key, (quarter,), stream)
        masked = [jnp.where(place + 2 * i < size, word, 2**32 - 1) for i, word in enumerate(words)]
        upper = (cumulated + offset) >> np.int64(_BITS - 32)
        return None, (masked, jnp.minimum(upper, 2**32 - 1).astype(jnp.uint32), upper >= 2**32)

    both, upper, last = lax.scan(half, None, (jnp.arange(2, 4, dtype=jnp.uint32), place))[1]
    # left in four pieces: flattened, they would be transposed under vmap in the midst of whatever reads them
    pieces = [(step, i) for step in range(2) for i in range(2)]
    used = jnp.concatenate([place[step] + 2 * i < size for step, i in pieces])
    return [both[i][step] for step, i in pieces], used, upper[0], last[0]


def _in_blocks(share, size, weights):
    """Split ``size`` over ``weights``: first over about sqrt(K) blocks one after another, then inside all blocks at once.

    ``share(stream, size, own, after)`` draws the part that goes to a state of weight ``own`` when ``after`` is the
    weight still to come. About 2 sqrt(K) steps, and one traced body whatever K.
    """
    width = math.isqrt(weights.size - 1) + 1
    blocks = -(-weights.size // width)
    table = jnp.pad(weights, (0, blocks * width - weights.size)).reshape(blocks, width)

    def along(stream, size, weights):
        """Split ``size`` (B,) over ``weights`` (B, J), one column after another."""
        after = lax.cumsum(weights, axis=1, reverse=True) - weights

        def column(left, item):
            index, own, rest = item
            taken = share(stream + index, left, own.astype(jnp.float64), rest.astype(jnp.float64))
            return left - taken, taken

        steps = lax.iota(jnp.uint32, weights.shape[1])
        _, taken = lax.scan(column, size, (steps, weights.T, after.T))
        return taken.T

    if weights.size <= _ONE_LEVEL:
        return along(np.uint32(0), size[None], weights[None])[0]
    per_block = along(np.uint32(0), size[None], table.sum(axis=1)[None])[0]
    return along(np.uint32(0x80000000), per_block, table).reshape(-1)[: weights.size]


def _share(key, stream, size, own, after):
    key = keys.fold(key, stream)
    chance = jnp.where(after == 0.0, jnp.where(own > 0.0, 1.0, 0.0), own / jnp.maximum(own + after, 1.0))
    return _binomial.draw(key, size, chance)


def _without_replacement(key, stream, size, own, after):
    return _hypergeometric.draw(keys.fold(key, stream), own, after, size)

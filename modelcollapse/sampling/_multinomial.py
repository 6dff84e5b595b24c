"""Counts over many states: the total is exact, and a state of weight zero stays empty.

No rounding can give an extinct state a probability, or make the counts miss the total: few weights are summed one after
another, where equal sums are equal bit for bit, and many become integers first (multiples of 2**-61 of their sum).
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from typing import Any, TypeVar

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.typing import ArrayLike

from modelcollapse.sampling import _binomial, _hypergeometric, exact, keys
from modelcollapse.sampling._xla import materialise, materialise_pair, over_lanes
from modelcollapse.sampling.keys import Key

State = TypeVar("State")

_BITS = 61
# up to here one conditional binomial after another, all chains at once
_FEW_STATES = 64
# up to so many items per state, drawing items costs less than splitting counts
_ITEMS_A_STATE = 32
# what drawing an item costs, and comparing it with one threshold, in parts of a binomial; and what splitting costs
# beside its binomials: the loop, whose program also takes twice as long to compile
_ITEM, _COMPARISON, _LOOP = 1 / 64, 1 / 450, 3
# blocks of two words that are drawn and compared at once
_AT_ONCE = 10


def multinomial(key: jax.Array, n: ArrayLike, p: ArrayLike, capacity: int | None = None) -> jax.Array:
    r"""How often each state is drawn in ``n`` independent draws: int32 of the shape ``(K,)`` of ``p``, with sum ``n``.

    .. math:: P(X = x) = \frac{n!}{\prod_i x_i!} \prod_i p_i^{x_i}

    ``p`` holds nonnegative weights, floats or integers, which need not be normalised; a state of weight zero gets
    exactly
    0. ``n`` in [0, 2**31 - 1] may be traced. ``capacity``, a static bound ``n <= capacity``, allows drawing the items
    one by one where that is cheaper; the result then depends on it, its law does not. Every probability is right to
    float64 rounding, also where ``jax_enable_x64`` is off; items drawn one by one have thresholds that are rounded
    together to 32 bits, so that they are independent to 2**-32. If all weights are zero, or one is negative or not
    finite, or their sum is not finite, all counts are -1. Raises ValueError for a ``p`` that is not a vector, a
    concrete ``n`` outside [0, capacity]. Source: conditional binomials, beyond 64 states in blocks of sqrt(K); or one
    word per item, compared with the cumulated weights.
    """
    n, p = jnp.asarray(n), jnp.asarray(p)
    if not jnp.issubdtype(n.dtype, jnp.integer) or n.ndim:
        raise TypeError(f"n must be an integer scalar, got {n.dtype}{list(n.shape)}")
    if p.ndim != 1 or p.size == 0:
        raise ValueError(f"p must be a vector of at least one weight, got shape {p.shape}")
    _check_size("n", n, capacity)
    key = keys.wrap(key)
    with exact.float64():
        return _draw(key, n, p, capacity)


@functools.partial(jax.jit, static_argnums=3)
def _draw(key: jax.Array, n: jax.Array, p: jax.Array, capacity: int | None) -> jax.Array:
    size = jnp.maximum(n, 0).astype(jnp.int32)
    if p.size <= _FEW_STATES:
        states = padded_states(p.size)  # states of weight 0 that are added change no count
        by_items = capacity is not None and capacity * (_ITEM + _COMPARISON * states) < states + _LOOP
        kernel = _below_thresholds if by_items else _one_after_another
        return over_lanes(kernel)(keys.materialised(key), size, p)
    weights, sound = integer_weights(p)
    if capacity is not None and capacity <= _ITEMS_A_STATE * p.size:
        counts = _one_by_one(key, size, weights, capacity)
    else:
        counts = _in_blocks(functools.partial(_binomial_part, key), size.astype(jnp.float64), weights)
    return jnp.where(sound, counts.astype(jnp.int32), -1)


def padded_states(states: int) -> int:
    """The next of 8, 16, 32 and 64: as many states as runs of a few share a program for. More stay as many."""
    return max(8, 1 << (states - 1).bit_length()) if states <= _FEW_STATES else states


def _before(weights: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Sums of the rows ``(K, lanes)`` before each row, and of all. A weight of zero adds nothing, bit for bit."""
    rows = weights.astype(jnp.float64)
    total, before = lax.scan(lambda sum_, own: (sum_ + own, sum_), jnp.zeros_like(rows[0]), rows, unroll=8)
    return before, total


def _sound(weights: jax.Array, total: jax.Array) -> jax.Array:
    return jnp.isfinite(total) & (total > 0.0) & (weights >= 0).all(0)


def _below_thresholds(key: Key, size: jax.Array, p: jax.Array) -> jax.Array:
    """One word per item, compared with the cumulated weights: one common uniform offset rounds these to 32 bits, which
    keeps the probability of each item exact.
    """
    before, total = _before(p)
    sound = _sound(p, total)
    offset = keys.words(key, (), 1)[0].astype(jnp.float64) * 2.0**-32 - 0.5
    scaled = jnp.minimum(before[1:] * (1.0 / total)[None] * 2.0**32 + offset[None], 2.0**32 - 1)
    # adding a number to 2**52 rounds it to an integer, which the low bits of the sum hold
    upper = lax.bitcast_convert_type(jnp.maximum(scaled, 0.0) + 2.0**52, jnp.uint64).astype(jnp.uint32)
    lanes = jnp.broadcast_shapes(size.shape, offset.shape, total.shape)
    upper = materialise(jnp.broadcast_to(upper, (len(p) - 1, *lanes)))

    def some_items(turn: jax.Array, below: jax.Array) -> jax.Array:
        first = 2 * _AT_ONCE * turn + 2 * jnp.arange(_AT_ONCE, dtype=jnp.int32)[:, None]
        words = keys.words(key, (_AT_ONCE,), 2 + turn)
        # items beyond ``size`` get the largest word, so that no threshold counts them
        masked = materialise_pair(*(jnp.where(first + i < size[None], word, 2**32 - 1) for i, word in enumerate(words)))
        for word in masked:
            for item in range(_AT_ONCE):
                below = below + (word[item, None] < upper).astype(jnp.int32)
        return below

    turns = (size.max() + 2 * _AT_ONCE - 1) // (2 * _AT_ONCE)
    below = lax.fori_loop(0, turns, some_items, jnp.zeros(upper.shape, jnp.int32))
    below = jnp.where(before[1:] == total[None], size[None], below)
    ends = (jnp.zeros((1, *lanes), jnp.int32), jnp.broadcast_to(size, (1, *lanes)))
    below = materialise(jnp.concatenate([ends[0], below, ends[1]]))
    return jnp.where(sound[None], below[1:] - below[:-1], -1)


def _one_after_another(key: Key, size: jax.Array, p: jax.Array) -> jax.Array:
    """Conditional binomials: ``size`` (lanes,) split over ``p`` (K, lanes)."""
    after, total = _before(p[::-1])
    sound = _sound(p, total)
    lanes = jnp.broadcast_shapes(size.shape, sound.shape, keys.lanes(key))
    own, after = (jnp.broadcast_to(a, (len(p), *lanes)) for a in (p.astype(jnp.float64), after[::-1]))
    lane, place = jnp.arange(lanes[0]), jnp.arange(len(p), dtype=jnp.int32)[:, None]
    # from each state on, the first state with a weight: the others cost nothing
    positive = own > 0.0
    ends = jnp.full(lanes, len(p), jnp.int32)
    _, onward = lax.scan(
        lambda next_, here: (jnp.minimum(next_, here),) * 2,
        ends,
        jnp.where(positive, place, len(p)),
        reverse=True,
        unroll=8,
    )

    def put(index: jax.Array, taken: jax.Array, after: jax.Array, done: jax.Array, counts: jax.Array) -> jax.Array:
        return counts.at[jnp.where(done, index, len(p)), lane].set(taken.astype(jnp.int32), mode="drop")

    counts = in_turn(
        key,
        jnp.broadcast_to(jnp.where(sound, size, 0).astype(jnp.float64), lanes),
        jnp.where(positive, place, -1).max(0),
        lambda index: onward[jnp.minimum(index + 1, len(p) - 1), lane],
        lambda index, _: (own[index, lane], after[index, lane]),
        put,
        jnp.zeros((len(p), *lanes), jnp.int32),
    )
    return jnp.where(sound[None], counts, -1)


def in_turn(
    key: Key,
    left: jax.Array,
    last: jax.Array,
    following: Callable[[jax.Array], jax.Array],
    weigh: Callable[[jax.Array, State], tuple[jax.Array, jax.Array]],
    put: Callable[..., Any],
    state: State,
) -> State:
    """Split draws ``left`` (lanes,) by conditional binomials over the states of each lane; the one at ``last`` ends it.

    ``following(index)`` is the state after that at ``index``, and the first state after -1. ``weigh(index, state)``
    gives the weight of a state, which is positive, and that of all later ones; ``put(index, taken, after, done,
    state)`` stores what it took. A turn draws one candidate for each lane, and a lane whose candidate is accepted goes
    on to its next state: no lane waits for another before its end, where in lock-step each state would last until the
    last lane accepts. A lane whose ``last`` is -1 draws nothing. Returns the last ``state``.
    """

    def going(index: jax.Array, left: jax.Array) -> jax.Array:
        return (index < last) & (left > 0.0)

    def one_turn(carry: tuple[jax.Array, jax.Array, jax.Array, State]) -> tuple[jax.Array, jax.Array, jax.Array, State]:
        turn, index, left, state = carry
        wanted = going(index, left)
        own, after = weigh(jnp.clip(index, 0, jnp.maximum(last, 0)), state)
        u, v = (exact.unit_like(key, left, 2 * turn + i) for i in range(2))
        # both are written to memory before the state changes
        taken, after = materialise_pair(_binomial.attempt(u, v, left, _probability(own, after), wanted), after)
        done = wanted & (taken >= 0.0)
        left = jnp.where(done, left - taken, left)
        state = put(index, taken, after, done, state)
        return turn + 1, jnp.where(done, following(index), index), left, state

    first = jnp.broadcast_to(following(jnp.full(left.shape, -1, jnp.int32)), left.shape)
    _, _, left, state = lax.while_loop(
        lambda carry: jnp.any(going(carry[1], carry[2])), one_turn, (jnp.uint32(0), first, left, state)
    )
    rest = (last >= 0) & (left > 0.0)
    return put(jnp.broadcast_to(last, left.shape), left, jnp.zeros_like(left), rest, state)


def _probability(own: jax.Array, after: jax.Array) -> jax.Array:
    """The probability that a draw goes to a state of weight ``own``, if all later states weigh ``after``."""
    return jnp.where(after == 0.0, jnp.where(own > 0.0, 1.0, 0.0), own / jnp.where(after == 0.0, 1.0, own + after))


def categories(key: jax.Array, p: ArrayLike, size: int) -> jax.Array:
    """Independent draws ``(size,)`` int32 of the states that ``p`` ``(K,)`` weighs, in order of drawing.

    ``p`` is that of :func:`multinomial`, and the draws are as exact; weights that make no sense give states of -1.
    """
    key = keys.wrap(key)
    with exact.float64():
        return _categories(key, jnp.asarray(p), size)


@functools.partial(jax.jit, static_argnums=2)
def _categories(key: jax.Array, p: jax.Array, size: int) -> jax.Array:
    weights, sound = integer_weights(p)
    # drawn before they are looked up: inside the search they would be drawn again in every round
    found = pick_states(weights, *materialise_pair(*keys.words(keys.materialised(key), (size,))))
    return jnp.where(sound, found, -1)


def multivariate_hypergeometric(
    key: jax.Array, counts: ArrayLike, n: ArrayLike, capacity: int | None = None
) -> jax.Array:
    r"""How often each state occurs among ``n`` items drawn without replacement from ``counts``, int32 ``(K,)``.

    .. math:: P(X = x) = \prod_i \binom{c_i}{x_i} \Big/ \binom{\sum c}{n}

    ``counts`` are nonnegative integers, their sum at most 2**31 - 1 (and at most the static ``capacity``, where given);
    ``n`` may be traced, and beyond the sum it takes everything. Totals are exact. Exact up to the rounding of float64
    arithmetic, whatever ``jax_enable_x64`` says. ``capacity`` is only checked: the draw needs no bound. Raises
    TypeError for arguments that are not integers, ValueError for ``counts`` that are not a vector or that concretely
    exceed the capacity. Source: conditional hypergeometric draws, in blocks of sqrt(K).
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
    with exact.float64():
        return _draw_subset(key, counts, n)


@jax.jit
def _draw_subset(key: jax.Array, counts: jax.Array, n: jax.Array) -> jax.Array:
    stock = jnp.maximum(counts, 0).astype(jnp.int64)
    size = jnp.clip(n.astype(jnp.int64), 0, stock.sum()).astype(jnp.float64)
    return _in_blocks(functools.partial(_hypergeometric_part, key), size, stock).astype(jnp.int32)


def _check_size(name: str, value: jax.Array, capacity: int | None) -> None:
    if capacity is None or isinstance(value, jax.core.Tracer):
        return
    if not 0 <= int(value) <= capacity:
        raise ValueError(f"{name} must lie between 0 and capacity={capacity}, got {int(value)}")


def integer_weights(p: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Weights as int64 with a sum of exactly 2**61 (the largest takes the rounding), and whether ``p`` made sense."""
    wide = p.astype(jnp.float64)
    total = wide.sum()
    sound = jnp.isfinite(total) & (total > 0.0) & (wide >= 0.0).all()
    wide = jnp.where(sound, wide, 1.0)
    # scaled by the largest first, so that tiny weights do not leave the range of float64
    wide = wide / wide.max()
    weights = jnp.floor(wide * (2.0**_BITS / wide.sum())).astype(jnp.int64)
    # the first of the largest; argmax itself does not lower to 64 bits where these are off
    place = lax.iota(jnp.int32, wide.size)
    first = jnp.where(wide >= wide.max(), place, wide.size).min()
    return weights + jnp.where(place == first, 2**_BITS - weights.sum(), 0), sound


def _integers(high: jax.Array, low: jax.Array) -> jax.Array:
    """Uniform int64 in [0, 2**61) from two words."""
    return (high.astype(jnp.int64) << np.int64(_BITS - 32)) | (low >> np.uint32(64 - _BITS)).astype(jnp.int64)


def pick_states(weights: jax.Array, high: jax.Array, low: jax.Array) -> jax.Array:
    """The states that words pick, given integer weights ``(K,)``; a state of weight zero is never picked.

    The leading bits of a number say between which states it lies; halving finds the rest, in as many rounds as the
    fullest of these intervals needs.
    """
    upper, values = jnp.cumsum(weights), _integers(high, low)
    bits = min(max(weights.size.bit_length() + 1, 4), 16)
    first = jnp.zeros(2**bits + 1, jnp.int32).at[(upper >> np.int64(_BITS - bits)) + 1].add(1, mode="drop")
    # how many states end before each interval does
    first = jnp.cumsum(first, dtype=jnp.int32)
    start = first.at[values >> np.int64(_BITS - bits)].get(mode="promise_in_bounds")
    fullest = jnp.diff(first).max()
    rounds = 32 - lax.clz(fullest)

    def halve(i: jax.Array, found: jax.Array) -> jax.Array:
        further = found + lax.shift_left(jnp.int32(1), rounds - 1 - i)
        here = upper.at[jnp.minimum(further, upper.size) - 1].get(mode="promise_in_bounds")
        return jnp.where((further <= upper.size) & (here <= values), further, found)

    return lax.fori_loop(jnp.int32(0), rounds, halve, start)


def _one_by_one(key: Key, size: jax.Array, weights: jax.Array, capacity: int) -> jax.Array:
    """Draw ``capacity`` items by search among the thresholds, and count the first ``size``."""
    blocks, used, upper, last = _items(key, size, weights, capacity)
    # the highest word would go past the thresholds that stand for 2**32
    state = jnp.minimum(exact.search(upper, jnp.concatenate(blocks)), (~last).sum(dtype=jnp.int32))
    return jnp.zeros(weights.size, jnp.int32).at[state].add(used.astype(jnp.int32))


def _items(
    key: Key, size: jax.Array, weights: jax.Array, capacity: int
) -> tuple[list[jax.Array], jax.Array, jax.Array, jax.Array]:
    """Words in pieces, and which of them are among the ``size`` used; thresholds, and which of them mean 2**32.

    A word that is not used is 2**32 - 1. A word below a threshold belongs to the states up to it. One common uniform
    offset rounds all thresholds to 32 bits, which keeps the probability of each item exact.

    The scan of two steps writes words and thresholds to memory: XLA would otherwise compute them again for each
    comparison, or one at a time inside a search.
    """
    offset = (keys.words(key, (), 1)[0] >> np.uint32(32 - (_BITS - 32))).astype(jnp.int64)
    cumulated = jnp.cumsum(weights)[:-1]
    quarter = (capacity + 3) // 4
    place = lax.broadcasted_iota(jnp.int32, (2, quarter), 0) + 4 * lax.broadcasted_iota(jnp.int32, (2, quarter), 1)

    def half(_: None, item: tuple[jax.Array, jax.Array]) -> tuple[None, tuple[list[jax.Array], jax.Array, jax.Array]]:
        stream, place = item
        words = keys.words(key, (quarter,), stream)
        masked = [jnp.where(place + 2 * i < size, word, 2**32 - 1) for i, word in enumerate(words)]
        upper = (cumulated + offset) >> np.int64(_BITS - 32)
        return None, (masked, jnp.minimum(upper, 2**32 - 1).astype(jnp.uint32), upper >= 2**32)

    both, upper, last = lax.scan(half, None, (jnp.arange(2, 4, dtype=jnp.uint32), place))[1]
    # four pieces: flattened ones would be transposed under vmap inside whatever reads them
    pieces = [(step, i) for step in range(2) for i in range(2)]
    used = jnp.concatenate([place[step] + 2 * i < size for step, i in pieces])
    return [both[i][step] for step, i in pieces], used, upper[0], last[0]


def _in_blocks(part: Callable[..., jax.Array], size: jax.Array, weights: jax.Array) -> jax.Array:
    """Split ``size`` over ``weights``: first over about sqrt(K) blocks in turn, then inside all blocks at once.

    ``part(stream, size, own, after)`` draws the part that goes to a state of weight ``own``, where later states have
    the weight ``after``. About 2 sqrt(K) steps, and one traced body whatever K.
    """
    width = math.isqrt(weights.size - 1) + 1
    blocks = -(-weights.size // width)
    table = jnp.pad(weights, (0, blocks * width - weights.size)).reshape(blocks, width)

    def along(stream: int | jax.Array, size: jax.Array, weights: jax.Array) -> jax.Array:
        """Split ``size`` (B,) over ``weights`` (B, J), one column after another."""
        after = lax.cumsum(weights, axis=1, reverse=True) - weights

        def column(left: jax.Array, item: tuple[jax.Array, jax.Array, jax.Array]) -> tuple[jax.Array, jax.Array]:
            index, own, rest = item
            taken = part(stream + index, left, own.astype(jnp.float64), rest.astype(jnp.float64))
            return left - taken, taken

        steps = lax.iota(jnp.uint32, weights.shape[1])
        _, taken = lax.scan(column, size, (steps, weights.T, after.T))
        return taken.T

    per_block = along(jnp.uint32(0), size[None], table.sum(axis=1)[None])[0]
    return along(jnp.uint32(0x80000000), per_block, table).reshape(-1)[: weights.size]


def _binomial_part(
    key: jax.Array, stream: int | jax.Array, size: jax.Array, own: jax.Array, after: jax.Array
) -> jax.Array:
    return over_lanes(_binomial.draw)(keys.materialised(keys.fold(key, stream)), size, _probability(own, after))


def _hypergeometric_part(
    key: jax.Array, stream: int | jax.Array, size: jax.Array, own: jax.Array, after: jax.Array
) -> jax.Array:
    return over_lanes(_hypergeometric.draw)(keys.materialised(keys.fold(key, stream)), own, after, size)

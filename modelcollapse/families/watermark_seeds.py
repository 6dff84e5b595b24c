"""What a watermark's key makes of the token before: green lists, and the waiting times of the exponential minimum."""

from __future__ import annotations

import jax
import jax.numpy as jnp

from modelcollapse.addresses import WATERMARK, fold
from modelcollapse.portions import portion

AT_ONCE = 16
"""How many blocks are scored together: it bounds the memory of the lists of a long block."""


def green_number(share: float, vocabulary: int) -> int:
    """``round(share * V)``, halves up; ValueError if no token, or every one, would be green."""
    listed = portion(share, vocabulary)
    if not 0 < listed < vocabulary:
        what = "no token" if not listed else "every token"
        raise ValueError(f"share must leave green and other tokens, got {share} of {vocabulary}: {what} is green")
    return listed


def green_lists(key: jax.Array, previous: jax.Array, vocabulary: int, share: float) -> jax.Array:
    """Which tokens are green after each ``previous`` (...,): boolean ``(..., vocabulary)``, ``round(share * V)``
    true.
    """
    words, listed = seeded_words(fold(key, WATERMARK), previous, vocabulary), green_number(share, vocabulary)
    last = jnp.sort(words, -1)[..., listed - 1 : listed]
    below, ties = words < last, words == last
    # of equal words the first ones, as in a stable sort: the size is exact
    room = listed - below.sum(-1, keepdims=True, dtype=jnp.int32)
    return below | (ties & (jnp.cumsum(ties, -1, dtype=jnp.int32) <= room))


def green_counts(key: jax.Array, blocks: jax.Array, vocabulary: int, share: float) -> tuple[jax.Array, jax.Array]:
    """How many different pairs each block of tokens ``(n, L)`` has, and how many of them are green: two ``(n,)``
    int32.
    """
    seed, listed = fold(key, WATERMARK), green_number(share, vocabulary)
    there = jnp.arange(vocabulary, dtype=jnp.int32)[None]

    def one(block: jax.Array) -> tuple[jax.Array, jax.Array]:
        previous, token, new = _pairs(block)
        words = seeded_words(seed, previous, vocabulary)
        mine = jnp.take_along_axis(words, token[:, None], -1)
        # the rank that a stable sort gives it
        before = (words < mine) | ((words == mine) & (there < token[:, None]))
        green = before.sum(-1, dtype=jnp.int32) < listed
        return new.sum(dtype=jnp.int32), (green & new).sum(dtype=jnp.int32)

    return jax.lax.map(one, _blocks(blocks), batch_size=AT_ONCE)


def gumbel_sums(key: jax.Array, blocks: jax.Array, vocabulary: int, per: str) -> tuple[jax.Array, jax.Array]:
    """How many different pairs each block of tokens ``(n, L)`` has, int32, and the sum of their -log(1 - U): two
    ``(n,)``. With ``per`` "place" each place has a seed of its own, and every pair counts.
    """
    seed, placed = fold(key, WATERMARK), per == "place"

    def one(block: jax.Array) -> tuple[jax.Array, jax.Array]:
        previous, token, new = _pairs(block)
        if placed:  # the token at index i of a block is new token number i
            place = jnp.arange(1, block.size, dtype=jnp.int32)
            words = jax.vmap(lambda i, w: seeded_words(fold(seed, i), w, vocabulary))(place, previous)
            new = jnp.ones_like(new)
        else:
            words = seeded_words(seed, previous, vocabulary)
        mine = jnp.take_along_axis(words, token[:, None], -1)[:, 0]
        return new.sum(dtype=jnp.int32), jnp.where(new, -jnp.log(uniforms(~mine)), 0.0).sum()

    return jax.lax.map(one, _blocks(blocks), batch_size=AT_ONCE)


def seeded_words(key: jax.Array, previous: jax.Array, vocabulary: int) -> jax.Array:
    """Random words ``(..., vocabulary)`` uint32, seeded by the key and each ``previous`` (...,)."""
    flat = previous.reshape(-1).astype(jnp.uint32)
    words = jax.vmap(lambda token: jax.random.bits(fold(key, token), (vocabulary,), jnp.uint32))(flat)
    return words.reshape(*previous.shape, vocabulary)


def uniforms(words: jax.Array) -> jax.Array:
    """Uniforms in (0, 1]; ``uniforms(~words)`` is 1 minus them, to full precision."""
    dtype = jnp.result_type(float)
    return (words.astype(dtype) + jnp.asarray(0.5, dtype)) * jnp.asarray(2.0**-32, dtype)


def winner(scores: jax.Array, words: jax.Array) -> jax.Array:
    """The token of least -log(U)/p, ``(...,)`` int32."""
    # above 1/2 through 1 - U, so that no U is 1 in float32 and every time is positive
    half = jnp.uint32(2**31)
    late = -jnp.log1p(-uniforms(jnp.minimum(~words, half)))
    times = jnp.where(words < half, -jnp.log(uniforms(words)), late)
    return jnp.argmax(scores - jnp.log(times).astype(scores.dtype), -1).astype(jnp.int32)


def _pairs(block: jax.Array) -> tuple[jax.Array, jax.Array, jax.Array]:
    """Previous tokens and tokens of one block ``(L - 1,)``, and which pairs are the first of their kind."""
    previous, token = block[:-1], block[1:]
    same = (previous[:, None] == previous[None]) & (token[:, None] == token[None])
    return previous, token, ~(same & jnp.tri(token.size, k=-1, dtype=bool)).any(-1)


def _blocks(points: jax.Array) -> jax.Array:
    if points.ndim != 2 or not jnp.issubdtype(points.dtype, jnp.integer):
        raise TypeError(
            f"a watermark is looked for in blocks of tokens, whole numbers (n, L), got {points.dtype} {points.shape}"
        )
    return points


def key_of(key: int | jax.Array) -> jax.Array:
    """The key of a watermark, from a whole number or a key."""
    # of one kind, so that who decodes and who detects need not have the same default
    return jax.random.key(key, impl="threefry2x32")

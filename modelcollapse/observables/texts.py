"""What the text of a generation is like: variety, repetition, loops, and how often its tokens occur.

Blocks are rows ``(n, L)`` of tokens, those that the generation was fitted to: real at generation 0, and the output of
the generation before from then on. Nothing is drawn again.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import jax
import jax.numpy as jnp

from modelcollapse import arguments
from modelcollapse.observables.registry import Momentary
from modelcollapse.protocols import Carry, CountsTokens, HasPoints, HasRoom, Truth
from modelcollapse.pytree import part, static

if TYPE_CHECKING:
    from modelcollapse.loop import State


def blocks_of(state: State) -> tuple[jax.Array, jax.Array]:
    """The blocks ``(capacity, L)`` of the data set of a generation, and which of them are there, ``(capacity,)``."""
    data = state.data
    if isinstance(data, HasPoints) and data.points.ndim == 2 and jnp.issubdtype(data.points.dtype, jnp.integer):
        points = jnp.asarray(data.points, jnp.int32)
        return points, data.present if isinstance(data, HasRoom) else jnp.ones(len(points), bool)
    raise TypeError(f"it needs blocks of tokens, rows (n, L) of whole numbers, and the data set is {_said(data)}")


def _said(data: object) -> str:
    if isinstance(data, HasPoints):
        return f"rows of {data.points.dtype} of shape {('n', *data.points.shape[1:])}"
    return f"{type(data).__name__}"


class _OfBlocks(Momentary):
    """Base of what is read from the blocks of a generation alone."""

    needs_data = True
    settles = False

    def read(self, carry: Carry, state: State, truth: Truth) -> jax.Array:
        return self.of(*blocks_of(state))

    def of(self, blocks: jax.Array, there: jax.Array) -> jax.Array:
        raise NotImplementedError


@part
class Distinct(_OfBlocks):
    """Share of different ones among all n-grams of a data set, ``()``; none reaches from one block into the next."""

    n: int = static()

    def __post_init__(self) -> None:
        arguments.converted(self, n=arguments.count)

    def of(self, blocks: jax.Array, there: jax.Array) -> jax.Array:
        """Different n-grams per n-gram."""
        grams = _grams(blocks, self.n)
        each = grams.shape[1]
        found = _different(grams.reshape(-1, self.n), jnp.repeat(there, each))
        return _share(found, there.sum(dtype=jnp.int32) * each)


@part
class Repetition(Distinct):
    """Share of the n-grams of a block that occurred in it before, its mean over blocks, ``()``."""

    def of(self, blocks: jax.Array, there: jax.Array) -> jax.Array:
        """N-grams that occurred before in their block, per n-gram."""
        grams = _grams(blocks, self.n)
        each = grams.shape[1]
        different = jax.vmap(lambda one: _different(one, jnp.ones(each, bool)))(grams)
        again = jnp.where(there, each - different, 0).sum(dtype=jnp.int32)
        return _share(again, there.sum(dtype=jnp.int32) * each)


@part
class Looped(_OfBlocks):
    """Share of blocks that end in a loop, ``()``: their last half, or their last two periods if these are longer, has a
    period of at most ``max_period`` tokens.
    """

    max_period: int = static(default=32)

    def __post_init__(self) -> None:
        arguments.converted(self, max_period=arguments.count)

    def of(self, blocks: jax.Array, there: jax.Array) -> jax.Array:
        """Share of blocks that end in a loop."""
        length = blocks.shape[1]
        place = jnp.arange(length, dtype=jnp.int32)[None]

        def with_period(loops: jax.Array, period: jax.Array) -> tuple[jax.Array, None]:
            tail = jnp.maximum(2 * period, length // 2)
            same = blocks == jnp.roll(blocks, period, 1)
            return loops | (same | (place < length - tail + period)).all(1), None

        periods = jnp.arange(1, min(self.max_period, length // 2) + 1, dtype=jnp.int32)
        loops, _ = jax.lax.scan(with_period, jnp.zeros(len(blocks), bool), periods)
        return _share((loops & there).sum(dtype=jnp.int32), there.sum(dtype=jnp.int32))


@part
class Unigrams(_OfBlocks):
    """How often each of ``vocabulary`` tokens occurs, ``(V,)`` int32; all -1 if a token lies outside."""

    vocabulary: int = static()

    units = "tokens"
    dims = ("token",)

    def __post_init__(self) -> None:
        arguments.converted(self, vocabulary=arguments.count)

    def read(self, carry: Carry, state: State, truth: Truth) -> jax.Array:
        data = state.data
        return data.unigrams(self.vocabulary) if isinstance(data, CountsTokens) else self.of(*blocks_of(state))

    def of(self, blocks: jax.Array, there: jax.Array) -> jax.Array:
        """Counts of tokens; -1 if a token is outside the vocabulary."""
        inside = (blocks >= 0) & (blocks < self.vocabulary)
        place = jnp.where(inside & there[:, None], blocks, self.vocabulary)
        counts = jnp.zeros(self.vocabulary + 1, jnp.int32).at[place].add(1)[: self.vocabulary]
        return jnp.where((inside | ~there[:, None]).all(), counts, -1)


@part
class TokenEntropy(_OfBlocks):
    r"""Entropy :math:`-\sum_i f_i \ln f_i` of the frequencies f of single tokens, ``()``."""

    units = "nats"

    def of(self, blocks: jax.Array, there: jax.Array) -> jax.Array:
        """Entropy of the frequencies of tokens, in nats."""
        counts = _counts(blocks, there)
        shares = _share(counts, counts.sum(dtype=jnp.int32))
        return jax.scipy.special.entr(shares).sum()


@part
class ZipfSlope(_OfBlocks):
    """Slope of log count over log rank, by least squares over the ``ranks`` most frequent tokens, ``()``."""

    ranks: int | None = static(default=None)

    def __post_init__(self) -> None:
        arguments.converted(self, ranks=arguments.optional(arguments.whole, minimum=2))

    def of(self, blocks: jax.Array, there: jax.Array) -> jax.Array:
        """Slope of log count on log rank, by least squares."""
        counts = -jnp.sort(-_counts(blocks, there))
        rank = jnp.arange(1, counts.size + 1, dtype=jnp.int32)
        used = counts > 0 if self.ranks is None else (counts > 0) & (rank <= self.ranks)
        dtype = jnp.result_type(float)
        x, y = (jnp.where(used, jnp.log(jnp.maximum(each, 1).astype(dtype)), 0.0) for each in (rank, counts))
        number = used.sum(dtype=jnp.int32).astype(dtype)
        x, y = (jnp.where(used, each - each.sum() / number, 0.0) for each in (x, y))
        return (x * y).sum() / (x * x).sum()


@part
class Blocks(_OfBlocks):
    """The first ``number`` blocks of the data set as they are, ``(number, L)``; -1 where there are fewer."""

    number: int = static()

    units = "tokens"
    dims = ("block", "place")

    def __post_init__(self) -> None:
        arguments.converted(self, number=arguments.count)

    def of(self, blocks: jax.Array, there: jax.Array) -> jax.Array:
        """The first blocks; missing ones are -1."""
        missing = max(self.number - len(blocks), 0)
        first = jnp.where(there[:, None], blocks, -1)[: self.number]
        return jnp.pad(first, ((0, missing), (0, 0)), constant_values=-1)


def distinct(n: int) -> Distinct:
    """Distinct-n (Li et al. 2016): different n-grams over all n-grams within the blocks of a data set, ``()``.

    It falls as a data set grows, so compare those of one size. Li et al. divide by the number of tokens.
    """
    return Distinct(n)


def repetition(n: int) -> Repetition:
    """Rep-n (Welleck et al. 2020): 1 - different n-grams over all n-grams of a block, mean over blocks, ``()``."""
    return Repetition(n)


def looped(max_period: int = 32) -> Looped:
    """Share of blocks that end in a loop of at most ``max_period`` tokens, ``()``.

    A block loops if some period p, of at most half its length, holds throughout its last half, or its last 2 p tokens
    where these are more: each token there but the first p is the one p places before.
    """
    return Looped(max_period)


def unigrams(vocabulary: int) -> Unigrams:
    """How often each token below ``vocabulary`` occurs in the data set of a generation, ``(V,)`` int32.

    Of an n-gram model these are the tokens that are drawn: without the first n - 1 of each block.
    """
    return Unigrams(vocabulary)


def token_entropy() -> TokenEntropy:
    """Entropy of the frequencies of single tokens in the data set, in nats, ``()``; a plug-in estimate, biased down."""
    return TokenEntropy()


def zipf_slope(ranks: int | None = None) -> ZipfSlope:
    """Slope of log count over log rank, near -1 in real text of words: ordinary least squares, each rank with weight 1.

    That is the estimator of the field (Holtzman et al. 2020, over 5,000 ranks). It depends on how many rare tokens
    there are, so compare data sets of one size. ``ranks`` takes the most frequent alone; None takes every token that
    occurs.
    NaN where a single token occurs.
    """
    return ZipfSlope(ranks)


def blocks(number: int) -> Blocks:
    """The first ``number`` blocks of the data set of each generation, to read: ``run.texts(generation)``."""
    return Blocks(number)


def _grams(blocks: jax.Array, n: int) -> jax.Array:
    """All n-grams of each block, ``(blocks, L - n + 1, n)``."""
    length = blocks.shape[1]
    if n > length:
        raise ValueError(f"n must be at most the {length} tokens of a block, got {n}")
    return jnp.stack([blocks[:, i : length - n + 1 + i] for i in range(n)], -1)


def _order(grams: jax.Array, there: jax.Array) -> tuple[jax.Array, jax.Array]:
    """N-grams ``(m, n)`` in order, those that are there first; and where one differs from the one before, ``(m,)``."""
    order = jnp.lexsort([*grams.T[::-1], ~there])
    grams, there = grams[order], there[order]
    changes = jnp.concatenate([jnp.ones(1, bool), (grams[1:] != grams[:-1]).any(1)])
    return there, changes & there


def _different(grams: jax.Array, there: jax.Array) -> jax.Array:
    """How many different ones ``()`` there are among n-grams ``(m, n)``."""
    return _order(grams, there)[1].sum(dtype=jnp.int32)


def _counts(blocks: jax.Array, there: jax.Array) -> jax.Array:
    """How often each token that occurs does, ``(tokens,)`` int32, in no order and with zeros after them."""
    there, first = _order(blocks.reshape(-1, 1), jnp.repeat(there, blocks.shape[1]))
    place = jnp.cumsum(first.astype(jnp.int32)) - 1
    return jnp.zeros(there.size, jnp.int32).at[place].add(there.astype(jnp.int32))


def _share(part: jax.Array, whole: jax.Array) -> jax.Array:
    dtype = jnp.result_type(float)
    return part.astype(dtype) / whole.astype(dtype)

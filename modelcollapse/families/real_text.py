"""A real text as an n-gram model reads it: its contexts, found on the host, and the tokens that follow them.

A text is blocks of tokens. An n-gram model predicts each token from the n - 1 before it, its context; the first n - 1
tokens of a block are never predicted.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import ArrayLike

from modelcollapse import arguments
from modelcollapse.addresses import NGRAM_ORDER, NGRAM_PROMPTS, NGRAM_TOKENS, fold
from modelcollapse.data import Rows
from modelcollapse.families import next_draws
from modelcollapse.families.next_tokens import NextTokens
from modelcollapse.families.transitions import Places, Seen, Transitions
from modelcollapse.laws import Table
from modelcollapse.protocols import Count
from modelcollapse.pytree import part, static
from modelcollapse.sampling import exact, multinomial


@part
class Text:
    """Contexts ``(C, n - 1)`` int32 of a text, in lexicographic order, and its next tokens, of either kind.

    ``starts`` (C + 1,) int32: the places of context c are ``starts[c]`` to ``starts[c + 1] - 1``. ``places`` (N,)
    int32: the context of each place; None where next tokens are counts.
    """

    contexts: np.ndarray | jax.Array
    starts: np.ndarray | jax.Array
    data: Seen
    places: np.ndarray | jax.Array | None
    vocabulary: int = static()

    @property
    def order(self) -> int:
        """Tokens of an n-gram: its context and the next one."""
        return int(self.contexts.shape[1]) + 1

    @property
    def sizes(self) -> jax.Array:
        """How many places each context has, ``(C,)`` int32."""
        return jnp.diff(jnp.asarray(self.starts))

    def numbers(self, contexts: jax.Array) -> jax.Array:
        """The numbers ``(n,)`` int32 of ``contexts`` (n, order - 1); C for those that the text lacks."""
        known = jnp.asarray(self.contexts)
        # one token after another narrows the range of rows that agree so far
        low = jnp.zeros(len(contexts), jnp.int32)
        high = jnp.full(len(contexts), len(known), jnp.int32)
        for i in range(self.order - 1):
            wanted, column = contexts[:, i].astype(jnp.int32), known[:, i]
            low, high = _within(column, low, high, wanted), _within(column, low, high, wanted + 1)
        return jnp.where(high > low, low, len(known)).astype(jnp.int32)


def _within(column: jax.Array, low: jax.Array, high: jax.Array, wanted: jax.Array) -> jax.Array:
    """The first place of ``low`` to ``high`` (n,) where ``column``, ascending there, is at least ``wanted``."""

    def halve(_: int, ends: tuple[jax.Array, jax.Array]) -> tuple[jax.Array, jax.Array]:
        low, high = ends
        middle = (low + high) // 2
        less = column[jnp.minimum(middle, column.size - 1)] < wanted
        open_ = low < high
        return jnp.where(open_ & less, middle + 1, low), jnp.where(open_ & ~less, middle, high)

    return jax.lax.fori_loop(0, int(column.size).bit_length(), halve, (low, high))[0]


def ngrams(name: str, blocks: ArrayLike | Table, order: int, vocabulary: int | None = None) -> np.ndarray:
    """All n-grams ``(N, order)`` int64 of blocks ``(n, L)``, or of one text ``(L,)``: block by block, in order.

    Raises
    ------
    TypeError, ValueError
        If the tokens are not whole numbers from 0 to V - 1, the blocks are shorter than the order, or there is none.
    """
    tokens = arguments.whole_array(name, blocks.points if isinstance(blocks, Table) else blocks, ndim=(1, 2))
    rows = tokens[None] if tokens.ndim == 1 else tokens
    if not rows.size:
        raise ValueError(f"{name} must hold at least one token, got shape {tokens.shape}")
    if vocabulary is not None and rows.max() >= vocabulary:
        raise ValueError(f"{name} must hold tokens below the vocabulary {vocabulary}, got {rows.max()}")
    if rows.shape[1] < order:
        raise ValueError(
            f"{name} must have at least {order} tokens in a block for an n-gram model of order {order}, got "
            f"{rows.shape[1]}: the first {order - 1} are context only"
        )
    return np.lib.stride_tricks.sliding_window_view(rows, order, axis=1).reshape(-1, order)


def text_of(grams: np.ndarray, vocabulary: int) -> Text:
    """The text of n-grams ``(N, order)``, its next tokens as places.

    Raises
    ------
    ValueError
        If the whole text has one word only, so that there is nothing to learn.
    """
    if (grams == grams.flat[0]).all():
        raise ValueError(f"the text must have two different tokens at least, got nothing but token {grams.flat[0]}")
    ordered = grams[np.lexsort(grams.T[::-1])].astype(np.int32)
    context, tokens = ordered[:, :-1], ordered[:, -1]
    new = np.concatenate([[True], (context[1:] != context[:-1]).any(1)])
    starts = np.append(np.flatnonzero(new), len(grams)).astype(np.int32)
    data = Places(jnp.asarray(tokens[None]), jnp.int32(1), jnp.asarray(starts))
    places = np.cumsum(new, dtype=np.int32) - np.int32(1)
    return Text(context[new], starts, data, places, vocabulary)


def by_place(data: Seen) -> Places:
    """A data set that has the token of each place."""
    if not isinstance(data, Places):
        raise TypeError(f"it needs the token of each place, and the data set is {type(data).__name__}")
    return data


def counted(text: Text) -> Text:
    """The same with next tokens as counts."""
    counts = np.zeros((len(text.contexts), text.vocabulary), np.int32)
    np.add.at(counts, (np.asarray(text.places), np.asarray(by_place(text.data).tokens[0])), 1)
    return Text(text.contexts, text.starts, Transitions(jnp.asarray(counts)), None, text.vocabulary)


@part
class RealText:
    """What is real for an n-gram model: the tokens of a text, each after its own context."""

    text: Text
    prompts: str = static(default="fixed")
    replace: bool = static(default=True)

    @property
    def data(self) -> type[Seen]:
        """The kind of counts that the text is held as."""
        return type(self.text.data)

    def law(self) -> NextTokens:
        """The frequencies of the text itself."""
        dtype, text = jnp.result_type(float), self.text
        sizes = text.sizes.astype(dtype)
        uniform = jnp.full(text.vocabulary, 1 / text.vocabulary, dtype)
        return NextTokens(text.data, jnp.zeros_like(sizes), uniform, sizes / sizes.sum())

    def whole(self) -> Seen:
        """The text itself, as the regime that rewrites it needs it."""
        data = jax.tree.map(jnp.asarray, self.text.data)
        wider = isinstance(data, Places) and self.prompts == "random"
        return data.with_width(_width(self.text, 0)) if wider else data

    def draw(self, key: jax.Array, params: NextTokens, n: Count, capacity: int) -> Seen:
        """A part of the text, or draws with replacement, in the form of the family."""
        draw = fold(key, NGRAM_TOKENS)
        if not self.replace:
            return self.whole() if self.prompts == "fixed" else self._part(draw, n, capacity)
        if self.data is Transitions:
            return next_draws.counts(draw, params.seen.counts, sizes(key, self.text, n, self.prompts))  # type: ignore[union-attr]
        starts, context = starts_of(key, self.text, n, self.prompts, capacity)
        vocabulary = self.text.vocabulary
        return next_draws.places(draw, params.seen, starts, context, params.mutation, vocabulary)  # type: ignore[arg-type]

    def _part(self, key: jax.Array, n: Count, capacity: int) -> Seen:
        return self.whole().take(key, n, capacity)

    def draw_rows(self, key: jax.Array, params: NextTokens, n: Count, capacity: int) -> Rows:
        """The same as blocks of tokens, one a row."""
        return rows_of_places(key, self.text, self.draw(key, params, n, capacity), capacity)


def sizes(key: jax.Array, text: Text, n: Count, prompts: str) -> jax.Array:
    """How many of ``n`` places each context has, ``(C,)`` int32."""
    if prompts == "fixed":
        return jnp.where(jnp.asarray(n) > 0, text.sizes, 0)
    return multinomial(fold(key, NGRAM_PROMPTS), jnp.asarray(n, jnp.int32), text.sizes)


def starts_of(key: jax.Array, text: Text, n: Count, prompts: str, capacity: int) -> tuple[jax.Array, jax.Array]:
    """Where the places of each context begin, ``(C + 1,)``, and the context of each place ``(width,)``."""
    if prompts == "fixed":
        starts = jnp.asarray(text.starts)
        return starts, jnp.asarray(text.places)
    ends = jnp.cumsum(sizes(key, text, n, prompts), dtype=jnp.int32)
    starts = jnp.concatenate([jnp.zeros(1, jnp.int32), ends])
    return starts, exact.search(starts[1:], jnp.arange(_width(text, capacity), dtype=jnp.int32))


def _width(text: Text, capacity: int) -> int:
    """Room for the tokens of random prompts, and of the laws that contexts without data keep: more has a chance below
    1e-12.
    """
    kept = max(capacity, by_place(text.data).tokens.shape[1]) + len(text.contexts)
    return kept + 8 * int(np.ceil(np.sqrt(kept))) + 64


def rows_of_places(key: jax.Array, text: Text, data: Seen, capacity: int) -> Rows:
    """The n-grams of a data set, in random order."""
    count, contexts = data.size, jnp.asarray(text.contexts)
    row = jnp.arange(capacity, dtype=jnp.int32)
    bits = jax.random.bits(fold(key, NGRAM_ORDER), (capacity,), jnp.uint32) >> 1
    item = jnp.argsort(jnp.where(row < count, bits, jnp.uint32(0xFFFFFFFF))).astype(jnp.int32)
    if isinstance(data, Transitions):
        cell = exact.search(jnp.cumsum(data.counts.reshape(-1), dtype=jnp.int32), item)
        context, token = jnp.divmod(jnp.minimum(cell, data.counts.size - 1), text.vocabulary)
    else:
        context, token = exact.search(data.starts[1:], item), data.tokens[0, item]
    return Rows(jnp.concatenate([contexts[jnp.minimum(context, len(contexts) - 1)], token[:, None]], axis=1), count)

"""A real text as an n-gram model reads it: its contexts, found on the host, and the tokens that follow them.

A text is blocks of tokens. An n-gram model predicts each token from the n - 1 before it, its context; the first n - 1
tokens of a block are never predicted.
"""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import ArrayLike

from modelcollapse import arguments
from modelcollapse.families.transitions import Places, Transitions
from modelcollapse.laws import Table
from modelcollapse.pytree import part, static
from modelcollapse.sampling import exact


@part
class Text:
    """Contexts ``(C, n - 1)`` int32 of a text, in lexicographic order, and its next tokens, of either kind.

    ``starts`` (C + 1,) int32: the places of context c are ``starts[c]`` to ``starts[c + 1] - 1``.
    """

    contexts: Any
    starts: Any
    data: Any
    vocabulary: int = static()

    @property
    def order(self) -> int:
        return int(self.contexts.shape[1]) + 1

    @property
    def sizes(self) -> jax.Array:
        """How many places each context has, ``(C,)`` int32."""
        return jnp.diff(jnp.asarray(self.starts))

    def places(self) -> jax.Array:
        """The context of each place, ``(N,)`` int32; N is known where the data are places."""
        return exact.search(jnp.asarray(self.starts)[1:], jnp.arange(self.data.tokens.shape[1], dtype=jnp.int32))

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
    return Text(context[new], starts, data, vocabulary)


def counted(text: Text) -> Text:
    """The same with next tokens as counts."""
    counts = np.zeros((len(text.contexts), text.vocabulary), np.int32)
    places = np.repeat(np.arange(len(text.contexts)), np.diff(text.starts))
    np.add.at(counts, (places, np.asarray(text.data.tokens[0])), 1)
    return Text(text.contexts, text.starts, Transitions(jnp.asarray(counts)), text.vocabulary)

"""Next tokens by their context: all that an n-gram model sees of a text.

A text is blocks of tokens. An n-gram model predicts each token from the n - 1 before it, its context; the first n - 1
tokens of a block are never predicted. The contexts of a model are the distinct ones of the real text, found on the host
and numbered in lexicographic order.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import ArrayLike

from modelcollapse import arguments
from modelcollapse.laws import Table
from modelcollapse.protocols import Count, Number
from modelcollapse.pytree import part, static
from modelcollapse.sampling import binomial, exact, multivariate_hypergeometric

CELLS = 10**7
"""Up to so many cells, contexts times tokens, a data set is a table of counts."""


@part
class Transitions:
    """How often each token follows each context: ``counts`` (C, V) int32; -1 marks what cannot be fitted."""

    counts: jax.Array

    @property
    def size(self) -> jax.Array:
        return self.counts.sum(dtype=jnp.int32)

    @property
    def of_contexts(self) -> jax.Array:
        """How many tokens follow each context, ``(C,)`` int32."""
        return self.counts.sum(-1, dtype=jnp.int32)

    def __or__(self, other: Transitions) -> Transitions:
        return Transitions(self.counts + other.counts)

    def take(self, key: jax.Array, n: Count, capacity: int) -> Transitions:
        """A uniformly random subset of ``n`` places: multivariate hypergeometric, exact. The whole if it has no more."""
        flat = self.counts.reshape(-1)
        taken = multivariate_hypergeometric(key, flat, jnp.minimum(n, flat.sum(dtype=jnp.int32)))
        return Transitions(taken.reshape(self.counts.shape))

    def rewritten(self, key: jax.Array, kept: Count, draw: Callable[[Count, Transitions], Transitions]) -> Transitions:
        """A uniformly random subset of ``kept`` places stays; ``draw(n, given)`` gives the tokens of the n others."""
        stays = self.take(key, kept, 0)
        return stays | draw(self.size - stays.size, Transitions(self.counts - stays.counts))

    def thinned(self, key: jax.Array, probability: Number) -> Transitions:
        """Each place stays with ``probability``, one for all or one for each cell ``(C, V)``: binomial counts."""
        return Transitions(binomial(key, self.counts, jnp.broadcast_to(probability, self.counts.shape)))

    @staticmethod
    def capacity_for(size: int) -> int:
        """The size itself, which the contexts fix."""
        return int(size)


@part
class Text:
    """A real text as an n-gram model reads it.

    ``contexts`` (C, n - 1) int32 in lexicographic order; ``data``: the next tokens of each. ``longest`` is the largest
    number of tokens after one context.
    """

    contexts: Any
    data: Any
    vocabulary: int = static()
    longest: int = static()

    @property
    def order(self) -> int:
        return self.contexts.shape[1] + 1

    def index(self, contexts: np.ndarray) -> np.ndarray:
        """The numbers ``(n,)`` of ``contexts`` (n, order - 1), found on the host; C for those that the text lacks."""
        known = [tuple(row) for row in np.asarray(self.contexts).tolist()]
        place = {context: i for i, context in enumerate(known)}
        return np.array([place.get(tuple(row), len(known)) for row in contexts.tolist()], np.int64)

    def numbers(self, contexts: jax.Array) -> jax.Array:
        """The numbers ``(n,)`` int32 of ``contexts`` (n, order - 1) within a program; -1 for those that are unknown."""
        with exact.float64():  # 64-bit words
            base = jnp.int64(self.vocabulary)
            code = lambda rows: sum(  # noqa: E731
                (rows[:, i].astype(jnp.int64) * base ** (self.order - 2 - i) for i in range(self.order - 1)),
                jnp.zeros(len(rows), jnp.int64),
            )
            known, wanted = code(jnp.asarray(self.contexts)), code(contexts)
            found = jnp.minimum(exact.search(known, wanted) - 1, len(self.contexts) - 1)
            return jnp.where((found >= 0) & (known[found] == wanted), found, -1).astype(jnp.int32)


def ngrams(name: str, blocks: ArrayLike | Table, order: int, vocabulary: int | None = None) -> np.ndarray:
    """All n-grams ``(N, order)`` int64 of blocks ``(n, L)``, or of one text ``(L,)``; block by block, in order.

    Raises
    ------
    TypeError, ValueError
        If the tokens are not whole numbers from 0 to V - 1, the blocks are shorter than the order, or there is none.
    """
    given = blocks.points if isinstance(blocks, Table) else blocks
    limit = arguments.LARGEST if vocabulary is None else vocabulary - 1
    if np.asarray(given).dtype.kind == "i" and np.size(given) and int(np.max(given)) > limit:
        raise ValueError(
            f"{name} must hold tokens from 0 to {limit}, as the vocabulary has {vocabulary}, got {int(np.max(given))}"
        )
    tokens = arguments.whole_array(name, given, ndim=(1, 2))
    rows = tokens[None] if tokens.ndim == 1 else tokens
    if not rows.size:
        raise ValueError(f"{name} must hold at least one token, got shape {tokens.shape}")
    if rows.shape[1] < order:
        raise ValueError(
            f"{name} must have blocks of at least {order} tokens for an n-gram model of order {order}, got "
            f"{rows.shape[1]}: their first {order - 1} are contexts only"
        )
    windows = np.lib.stride_tricks.sliding_window_view(rows, order, axis=1)
    return windows.reshape(-1, order)


def text_of(blocks: ArrayLike | Table, order: int, vocabulary: int | None = None) -> Text:
    """The text of blocks ``(n, L)``; a ``vocabulary`` that is not known is the largest token and 1.

    Raises
    ------
    TypeError, ValueError
        As ``ngrams``, and if the whole text has one word only, so that nothing can be learned.
    """
    grams = ngrams("blocks", blocks, order, vocabulary)
    size = int(np.max(blocks.points if isinstance(blocks, Table) else blocks)) + 1 if vocabulary is None else vocabulary
    if np.unique(grams).size == 1:
        raise ValueError(f"the text must have at least two different tokens, got only token {grams[0, 0]}")
    contexts, index = np.unique(grams[:, :-1], axis=0, return_inverse=True)
    index = index.reshape(-1)
    counts = np.zeros((len(contexts), size), np.int32)
    np.add.at(counts, (index, grams[:, -1]), 1)
    longest = int(counts.sum(1).max())
    return Text(contexts.astype(np.int32), Transitions(counts), size, longest)


def replaced(text: Text, data: Any) -> Text:
    """The same contexts with other next tokens."""
    return dataclasses.replace(text, data=data)

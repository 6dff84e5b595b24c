"""The law of an n-gram model: of the next token after each context, with what it was fitted to."""

from __future__ import annotations

from collections.abc import Callable

import jax
import jax.numpy as jnp
from jax.typing import DTypeLike

from modelcollapse.families.transitions import Seen, Transitions
from modelcollapse.pytree import part
from modelcollapse.sampling import exact

CELLS = 10**7
"""Beyond so many cells, contexts times tokens, no table of counts is made."""


@part
class NextTokens:
    r"""The law of an n-gram model: of the next token after each of C contexts, before any decoding.

    .. math:: p_c(a) = (1 - g_c) X_{ca} / M_c + g_c u_a

    Attributes
    ----------
    seen
        The M tokens after each context that the model was fitted to: X. A context without any has those of its last
        fit.
    mutation
        ``(C,)``: the weight g of the background.
    background
        ``(V,)``: the law u.
    weights
        ``(C,)``: the share of each context in the real text.
    """

    seen: Seen
    mutation: jax.Array
    background: jax.Array
    weights: jax.Array

    @property
    def probabilities(self) -> jax.Array:
        """``(C, V)``."""
        return self._smoothed(self.seen.table(self.background.size), self.seen.of_contexts, self.mutation)

    def rows(self, contexts: jax.Array) -> jax.Array:
        """The laws ``(K, V)`` of contexts, by ascending numbers; those from number C on mean nothing."""
        if isinstance(self.seen, Transitions):
            return self.probabilities[contexts]
        vocabulary, place = self.background.size, self.seen.contexts()
        there = (jnp.arange(len(self.seen.tokens), dtype=jnp.int32) < self.seen.passes)[:, None]
        row = exact.search(contexts, place) - 1
        mine = (row >= 0) & (contexts[jnp.maximum(row, 0)] == place)
        row = jnp.where(mine, row, contexts.size)[None]
        counts = jnp.zeros((contexts.size, vocabulary), jnp.int32)
        counts = counts.at[row, self.seen.tokens].add(there.astype(jnp.int32), mode="drop")
        return self._smoothed(counts, self.seen.of_contexts[contexts], self.mutation[contexts])

    def _smoothed(self, counts: jax.Array, total: jax.Array, mutation: jax.Array) -> jax.Array:
        g, u = mutation[:, None], self.background[None]
        return (1 - g) * frequencies(counts, total[:, None], g.dtype) + g * u

    def of_next(self, contexts: jax.Array, tokens: jax.Array) -> jax.Array:
        """Probabilities ``(n,)`` of ``tokens`` (n,) after ``contexts`` (n,), by number; after number C, which the text
        lacks, those of the background, or 0 without smoothing.
        """
        g, total = self.mutation, self.seen.of_contexts
        g = jnp.append(g, (g.max() > 0).astype(g.dtype))[contexts]
        # a table is sooner made than the places are sorted
        seen = Transitions(self.seen.table(self.background.size)) if self._small else self.seen
        raw = frequencies(seen.seen(contexts, tokens), jnp.append(total, 1)[contexts], g.dtype)
        return (1 - g) * raw + g * self.background[tokens]

    @property
    def support_size(self) -> jax.Array:
        """How many different n-grams the model was fitted to, int32 ``()``."""
        if self._small:
            return (self.seen.table(self.background.size) > 0).sum(dtype=jnp.int32)
        return (self.seen.runs()[2] > 0).sum(dtype=jnp.int32)  # type: ignore[union-attr]

    @property
    def heterozygosity(self) -> jax.Array:
        r"""Probability :math:`\sum_c w_c (1 - \sum_a p_c(a)^2)` that two tokens after one context differ, ``()``."""
        return self._mean(lambda p: p * (1 - p))

    @property
    def entropy(self) -> jax.Array:
        r"""Conditional entropy :math:`-\sum_c w_c \sum_a p_c(a) \ln p_c(a)`, in nats, ``()``."""
        return self._mean(jax.scipy.special.entr)

    @property
    def _small(self) -> bool:
        return isinstance(self.seen, Transitions) or self.mutation.size * self.background.size <= CELLS

    def _mean(self, function: Callable[[jax.Array], jax.Array]) -> jax.Array:
        """The mean over contexts, by their real shares, of the sum of a function of the probabilities of tokens."""
        if self._small:
            return self.weights @ function(self.probabilities).sum(1)
        context, token, times = self.seen.runs()  # type: ignore[union-attr]
        total, g, u = self.seen.of_contexts, self.mutation, self.background
        unseen = jax.lax.map(lambda share: function(share * u).sum(), g, batch_size=64)
        here = jnp.minimum(context, g.size - 1)
        low = g[here] * u[jnp.clip(token, 0, u.size - 1)]
        p = (1 - g[here]) * frequencies(times, total[here], g.dtype) + low
        gained = jnp.where(times > 0, self.weights[here] * (function(p) - function(low)), 0.0)
        return self.weights @ unseen + gained.sum()


def frequencies(counts: jax.Array, total: jax.Array, dtype: DTypeLike) -> jax.Array:
    """Counts over their totals; all of them is exactly 1, which a product with a rounded reciprocal is not."""
    share = counts.astype(dtype) / jnp.maximum(total, 1).astype(dtype)
    return jnp.where((counts == total) & (total > 0), 1.0, share)

"""Next tokens by their context: all that an n-gram model sees of a text, as counts or as the tokens themselves."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

import jax
import jax.numpy as jnp

from modelcollapse.protocols import Count, Number
from modelcollapse.pytree import part
from modelcollapse.sampling import binomial, exact, multivariate_hypergeometric


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
        """A uniformly random subset of ``n`` places, exact: multivariate hypergeometric. All if there are no more."""
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

    def over(self, before: Transitions) -> Transitions:
        """The same, with the tokens that contexts without any had ``before``."""
        return Transitions(jnp.where(self.of_contexts[:, None] != 0, self.counts, before.counts))

    def table(self, vocabulary: int) -> jax.Array:
        """Counts ``(contexts, tokens)``."""
        return self.counts

    def unigrams(self, vocabulary: int) -> jax.Array:
        """How often each token is there, ``(V,)`` int32."""
        return self.counts.sum(0, dtype=jnp.int32)

    def sound(self) -> jax.Array:
        """Whether this can be fitted, boolean ``()``."""
        return (self.counts >= 0).all()

    def seen(self, contexts: jax.Array, tokens: jax.Array) -> jax.Array:
        """How often ``tokens`` (n,) follow ``contexts`` (n,), int32; 0 for a context of number C."""
        return self.counts.at[contexts, tokens].get(mode="fill", fill_value=0)

    @staticmethod
    def capacity_for(size: int) -> int:
        """The size itself, which the text fixes."""
        return int(size)


@part
class Places:
    """The next token of each place of a text, in the order of contexts: 4 bytes a place, whatever the vocabulary.

    ``tokens`` (R, N) int32 has room for R passes through the text, of which ``passes`` are there; context c has the
    places ``starts[c]`` to ``starts[c + 1] - 1`` of each pass, and N may have room beyond the last.
    """

    tokens: jax.Array
    passes: jax.Array
    starts: jax.Array  # (C + 1,) int32

    @property
    def size(self) -> jax.Array:
        return self.passes * self.starts[-1]

    @property
    def present(self) -> jax.Array:
        """``(R N,)``: which places of the array are those of a pass that is there."""
        return jnp.arange(self.tokens.size, dtype=jnp.int32) < self.passes * self.tokens.shape[1]

    @property
    def of_contexts(self) -> jax.Array:
        """How often each context occurs."""
        return self.passes * jnp.diff(self.starts)

    def contexts(self) -> jax.Array:
        """The context of each place of a pass ``(N,)`` int32; C in the room behind the last."""
        return exact.search(self.starts[1:], jnp.arange(self.tokens.shape[1], dtype=jnp.int32))

    def __or__(self, other: Places) -> Places:
        """The passes of both, which have the places of one text; an empty set changes nothing."""
        whole = self.with_room(other.tokens.size)
        rows = jnp.arange(len(whole.tokens), dtype=jnp.int32) - self.passes
        new = other.tokens[jnp.clip(rows, 0, len(other.tokens) - 1)]
        total = self.passes + other.passes
        tokens = jnp.where(((rows >= 0) & (rows < other.passes))[:, None], new, whole.tokens)
        # what does not fit must fail
        tokens = jnp.where(total <= len(whole.tokens), tokens, -1)
        return Places(tokens, total, jnp.where(self.passes > 0, self.starts, other.starts))

    def with_room(self, capacity: int) -> Places:
        """The same with room for ``capacity`` tokens."""
        missing = -(-capacity // self.tokens.shape[1]) - len(self.tokens)
        return self if missing <= 0 else Places(jnp.pad(self.tokens, ((0, missing), (0, 0))), self.passes, self.starts)

    def with_width(self, places: int) -> Places:
        """The same with room for ``places`` in each pass, or as it is if there are more."""
        missing = max(places - self.tokens.shape[1], 0)
        return Places(jnp.pad(self.tokens, ((0, 0), (0, missing))), self.passes, self.starts)

    def take(self, key: jax.Array, n: Count, capacity: int) -> Places:
        """A uniformly random subset of ``n`` places of one pass, in room for as many as now."""
        if len(self.tokens) > 1:
            raise TypeError("a random part of several passes through a text needs counts: use NGram(form='counts')")
        stays = self._chosen(key, n)
        before = jnp.concatenate([jnp.zeros(1, jnp.int32), jnp.cumsum(stays, dtype=jnp.int32)])
        return Places(self.tokens[:, jnp.argsort(~stays, stable=True)], self.passes, before[self.starts])

    def rewritten(self, key: jax.Array, kept: Count, draw: Callable[[Count, Places], Places]) -> Places:
        """A uniformly random subset of ``kept`` places of one pass stays, bit for bit; ``draw`` gives a whole pass, of
        which the others have their tokens.
        """
        stays = self._chosen(key, kept)
        new = draw(self.size - jnp.asarray(kept, jnp.int32), self)
        return Places(jnp.where(stays[None], self.tokens, new.tokens[:1]), self.passes, self.starts)

    def _chosen(self, key: jax.Array, n: Count) -> jax.Array:
        """A random ``n`` of the places of a pass, booleans ``(N,)``.

        They are ordered by 31 random bits each; a tie (probability below N^2 / 2^32) prefers the earlier one.
        """
        there = jnp.arange(self.tokens.shape[1], dtype=jnp.int32) < self.starts[-1]
        bits = jnp.where(there, jax.random.bits(key, there.shape, jnp.uint32) >> 1, jnp.uint32(0xFFFFFFFF))
        order = jnp.argsort(bits, stable=True)
        n = jnp.minimum(n, self.starts[-1])
        return jnp.zeros(there.shape, bool).at[order].set(jnp.arange(there.size, dtype=jnp.int32) < n)

    def over(self, before: Places) -> Places:
        """The same, with the tokens that contexts without any had ``before``; for one pass."""
        if len(self.tokens) > 1:  # a whole text, whose contexts all have tokens
            return self
        sizes, old = jnp.diff(self.starts), jnp.diff(before.starts)
        starts = jnp.concatenate([jnp.zeros(1, jnp.int32), jnp.cumsum(jnp.where(sizes > 0, sizes, old))])
        place = jnp.arange(self.tokens.shape[1], dtype=jnp.int32)
        context = jnp.minimum(exact.search(starts[1:], place), sizes.size - 1)
        within = place - starts[context]
        own, kept = self.tokens[0, self.starts[context] + within], before.tokens[0, before.starts[context] + within]
        tokens = jnp.where(sizes[context] > 0, own, kept)
        # more laws of old than there is room for: some context would lose tokens in silence
        return Places(jnp.where(starts[-1] <= place.size, tokens, -1)[None], self.passes, starts)

    @property
    def there(self) -> jax.Array:
        """``(R, N)``: which places hold a token."""
        passes = jnp.arange(len(self.tokens), dtype=jnp.int32) < self.passes
        return passes[:, None] & (jnp.arange(self.tokens.shape[1], dtype=jnp.int32) < self.starts[-1])[None]

    def table(self, vocabulary: int) -> jax.Array:
        """Counts ``(C, V)`` int32."""
        counts = jnp.zeros((self.starts.size - 1, vocabulary), jnp.int32)
        return counts.at[self.contexts()[None], self.tokens].add(self.there.astype(jnp.int32), mode="drop")

    def unigrams(self, vocabulary: int) -> jax.Array:
        """How often each token is there, ``(V,)`` int32."""
        return jnp.zeros(vocabulary, jnp.int32).at[self.tokens].add(self.there.astype(jnp.int32), mode="drop")

    def sound(self) -> jax.Array:
        """Whether every place that is there has a token."""
        return ((self.tokens >= 0) | ~self.there).all()

    def seen(self, contexts: jax.Array, tokens: jax.Array) -> jax.Array:
        """How often ``tokens`` (n,) follow ``contexts`` (n,), int32, by two searches among the sorted places."""
        with exact.float64():  # codes of 64 bits
            codes = self._codes()
            wanted = _code(contexts, tokens)
            found = exact.search(codes, wanted) - exact.search(codes, wanted - 1)
            return found.astype(jnp.int32)

    def runs(self) -> tuple[jax.Array, jax.Array, jax.Array]:
        """Each different n-gram once: its context, its token and how often it is there, ``(R N,)`` int32; 0 else."""
        with exact.float64():
            codes = self._codes()
            first = jnp.concatenate([jnp.ones(1, bool), codes[1:] != codes[:-1]]) & (codes != _NOTHING)
            run = jnp.cumsum(first, dtype=jnp.int32) - 1
            times = jnp.zeros(codes.size, jnp.int32).at[run].add((codes != _NOTHING).astype(jnp.int32))
            context, token = (codes >> 32).astype(jnp.int32), codes.astype(jnp.int32)
            return context, token, jnp.where(first, times[run], 0)

    def _codes(self) -> jax.Array:
        """Context and token of each place as one number, in order, and the largest number for what is not there."""
        context = jnp.broadcast_to(self.contexts()[None], self.tokens.shape)
        return jnp.sort(jnp.where(self.there, _code(context, self.tokens), _NOTHING).reshape(-1))

    @staticmethod
    def capacity_for(size: int) -> int:
        return int(size)


Seen: TypeAlias = Transitions | Places
"""A data set of an n-gram model."""
_NOTHING = 2**63 - 1


def _code(contexts: jax.Array, tokens: jax.Array) -> jax.Array:
    return (contexts.astype(jnp.int64) << 32) + tokens.astype(jnp.int64)

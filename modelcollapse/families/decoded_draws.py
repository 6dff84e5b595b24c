"""Draws of next tokens as a decoding gives them, after contexts of an n-gram model."""

from __future__ import annotations

import jax
import jax.numpy as jnp

from modelcollapse.families import next_draws
from modelcollapse.families.decoding import Beam, Decodes, Greedy, Past
from modelcollapse.families.next_tokens import NextTokens
from modelcollapse.families.real_text import Text
from modelcollapse.families.transitions import Places, Transitions
from modelcollapse.protocols import Samples
from modelcollapse.sampling import exact, keys

CHUNK = 2**20
"""Cells, contexts times tokens, that are decoded at once where a data set has the token of each place."""


def _decoded(decoding: Decodes, key: jax.Array, p: jax.Array, previous: jax.Array) -> tuple[jax.Array, Past]:
    """Scores ``(C, V)`` of the next token after contexts whose last token is ``previous`` (C,), and what was known."""
    past = Past(key, None, previous, jnp.int32(0))
    return decoding.scores(jnp.log(p), past), past


def _weights(decoding: Decodes, scores: jax.Array, past: Past) -> jax.Array | None:
    """Weights ``(C, V)`` that independent draws have; None if tokens are picked in another way."""
    if isinstance(decoding, Samples) and decoding.samples:
        return jnp.exp(scores - scores.max(-1, keepdims=True))
    if isinstance(decoding, Greedy | Beam):
        best = decoding.pick(past.key, scores, past)
        return jax.nn.one_hot(best, scores.shape[-1], dtype=scores.dtype)
    return None


def _picked(decoding: Decodes, key: jax.Array, scores: jax.Array, past: Past, context: jax.Array) -> jax.Array:
    """A token ``(n,)`` for each place, whose ``context`` is a row of ``scores``: each has a key of its own."""
    each = jax.vmap(keys.fold, (None, 0))(keys.wrap(key), jnp.arange(context.size, dtype=jnp.uint32))

    def one(item: tuple[jax.Array, jax.Array]) -> jax.Array:
        own, c = item
        return decoding.pick(own, scores[c], past._replace(previous=past.previous[c]))

    return jax.lax.map(one, (each, context), batch_size=256)


def counts(
    decoding: Decodes, key: jax.Array, draw: jax.Array, p: jax.Array, text: Text, sizes: jax.Array, capacity: int
) -> Transitions:
    """Counts of tokens as a decoding gives them. ``key`` is that of the generation's draw, ``draw`` of the tokens."""
    scores, past = _decoded(decoding, key, p, _previous(text))
    weights = _weights(decoding, scores, past)
    if weights is not None:
        return next_draws.counts(draw, weights, sizes)
    place = jnp.arange(capacity, dtype=jnp.int32)
    context = exact.search(jnp.cumsum(sizes, dtype=jnp.int32), place)
    tokens = _picked(decoding, draw, scores, past, jnp.minimum(context, sizes.size - 1))
    return Transitions(jnp.zeros(p.shape, jnp.int32).at[context, tokens].add(1, mode="drop"))


def places(
    decoding: Decodes,
    key: jax.Array,
    draw: jax.Array,
    law: NextTokens,
    text: Text,
    starts: jax.Array,
    context: jax.Array,
) -> Places:
    """The same for each place, some contexts at a time, so that no table of all contexts and tokens is held."""
    number = len(text.contexts)
    several = min(number, max(1, CHUNK // text.vocabulary))
    groups = -(-number // several)
    previous = _previous(text)

    def group(tokens: jax.Array, first: jax.Array) -> tuple[jax.Array, None]:
        rows = first + jnp.arange(several, dtype=jnp.int32)  # those beyond the last have no places
        scores, past = _decoded(decoding, key, law.rows(rows), previous[rows])
        weights = _weights(decoding, scores, past)
        mine = (context >= first) & (context < first + several)
        row = jnp.clip(context - first, 0, several - 1)
        own = jax.random.fold_in(draw, first)
        found = _picked(decoding, own, scores, past, row) if weights is None else _by_inversion(own, weights, row)
        return jnp.where(mine, found, tokens), None

    firsts = several * jnp.arange(groups, dtype=jnp.int32)
    tokens, _ = jax.lax.scan(group, jnp.zeros(context.shape, jnp.int32), firsts)
    return Places(tokens[None], jnp.int32(1), starts)


def _by_inversion(key: jax.Array, weights: jax.Array, row: jax.Array) -> jax.Array:
    """A token ``(n,)`` of each ``row`` of ``weights`` (K, V); one of weight zero never comes."""
    with exact.float64():
        ends = jnp.cumsum(weights.astype(jnp.float64), axis=1)
        total = ends[:, -1:]
        number = jnp.arange(len(weights), dtype=jnp.float64)[:, None]
        # row k has the interval from k to k + 1; ends of tokens without weight coincide with those before
        flat = (number + jnp.minimum(ends / total, 1.0)).reshape(-1)
        u = exact.unit(keys.materialised(keys.wrap(key)), row.shape)
        value = jnp.minimum(row.astype(jnp.float64) + u, jnp.nextafter(row.astype(jnp.float64) + 1.0, 0.0))
        return jnp.clip(exact.search(flat, value) - row * weights.shape[1], 0, weights.shape[1] - 1).astype(jnp.int32)


def _previous(text: Text) -> jax.Array:
    contexts = text.contexts
    if contexts.shape[1] == 0:
        return jnp.full(len(contexts), -1, jnp.int32)
    return jnp.asarray(contexts[:, -1], jnp.int32)

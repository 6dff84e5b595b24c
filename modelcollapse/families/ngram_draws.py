"""Draws of next tokens after given contexts: counts from weights, or each place from the tokens of a parent."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from modelcollapse.families.decoding import Beam, Decodes, Greedy, Past
from modelcollapse.families.real_text import Text
from modelcollapse.families.transitions import Places, Transitions
from modelcollapse.protocols import Samples
from modelcollapse.sampling import exact, keys, multinomial

CHUNK = 2**20
"""Cells, contexts times tokens, that are decoded at once where a data set has the token of each place."""


def counts(key: jax.Array, weights: jax.Array, sizes: jax.Array) -> Transitions:
    """Tokens of contexts with ``weights`` (C, V), so many for each as ``sizes`` (C,) says."""
    each = jax.vmap(keys.fold, (None, 0))(keys.wrap(key), jnp.arange(len(sizes), dtype=jnp.uint32))
    return Transitions(jax.vmap(multinomial)(each, sizes, weights))


def places(
    key: jax.Array, parent: Places, starts: jax.Array, context: jax.Array, mutation: jax.Array, background: Any
) -> Places:
    """One pass: at each place a token of the same context of ``parent``, or, with chance ``mutation`` (C,), one of the
    ``background`` (V,); a whole number V is the uniform law. ``context`` (N,) has C in the room behind the last place.
    """
    with exact.float64():
        u = exact.unit(keys.materialised(keys.wrap(key)), context.shape)
        here = jnp.minimum(context, mutation.size - 1)
        share = mutation.astype(jnp.float64)[here]
        new = u < share
        sizes = jnp.diff(parent.starts)[here]
        total = (parent.passes * sizes).astype(jnp.float64)
        # the rest of u is uniform again, in the part of [0, 1) that it lies in
        item = jnp.floor((u - share) / (1.0 - share) * total).astype(jnp.int32)
        item = jnp.clip(jnp.where(new, 0, item), 0, jnp.maximum(parent.passes * sizes - 1, 0))
        turn, within = jnp.divmod(item, jnp.maximum(sizes, 1)) if len(parent.tokens) > 1 else (0, item)
        own = parent.tokens[turn, parent.starts[here] + within]
        v = jnp.where(new, u / jnp.where(new, share, 1.0), 0.0)
        if isinstance(background, int):
            other = jnp.minimum(jnp.floor(v * background), background - 1).astype(jnp.int32)
        else:
            ends = jnp.cumsum(background.astype(jnp.float64))
            other = exact.search(ends / ends[-1], v)
        return Places(jnp.where(new, other, own)[None], jnp.int32(1), starts)


def decoded(decoding: Decodes, key: jax.Array, p: jax.Array, previous: jax.Array) -> tuple[jax.Array, Past]:
    """Scores ``(C, V)`` of the next token after contexts whose last token is ``previous`` (C,), and what was known."""
    past = Past(key, None, previous, jnp.int32(0))
    return decoding.scores(jnp.log(p), past), past


def weights_of(decoding: Decodes, scores: jax.Array, past: Past) -> jax.Array | None:
    """Weights ``(C, V)`` that independent draws have; None if tokens are picked in another way."""
    if isinstance(decoding, Samples) and decoding.samples:
        return jnp.exp(scores - scores.max(-1, keepdims=True))
    if isinstance(decoding, Greedy | Beam):
        best = decoding.pick(past.key, scores, past)
        return jax.nn.one_hot(best, scores.shape[-1], dtype=scores.dtype)
    return None


def picked(decoding: Decodes, key: jax.Array, scores: jax.Array, past: Past, context: jax.Array) -> jax.Array:
    """A token ``(n,)`` for each place, whose ``context`` is a row of ``scores``: each has a key of its own."""
    each = jax.vmap(keys.fold, (None, 0))(keys.wrap(key), jnp.arange(context.size, dtype=jnp.uint32))

    def one(item: tuple[jax.Array, jax.Array]) -> jax.Array:
        own, c = item
        return decoding.pick(own, scores[c], past._replace(previous=past.previous[c]))

    return jax.lax.map(one, (each, context), batch_size=256)


def decoded_counts(
    decoding: Decodes, key: jax.Array, draw: jax.Array, p: jax.Array, text: Text, sizes: jax.Array, capacity: int
) -> Transitions:
    """Tokens as a decoding gives them: counts. ``key`` is that of the generation's draw, ``draw`` that of the tokens."""
    scores, past = decoded(decoding, key, p, _previous(text))
    weights = weights_of(decoding, scores, past)
    if weights is not None:
        return counts(draw, weights, sizes)
    place = jnp.arange(capacity, dtype=jnp.int32)
    context = exact.search(jnp.cumsum(sizes, dtype=jnp.int32), place)
    tokens = picked(decoding, draw, scores, past, jnp.minimum(context, sizes.size - 1))
    return Transitions(jnp.zeros(p.shape, jnp.int32).at[context, tokens].add(1, mode="drop"))


def decoded_places(
    decoding: Decodes, key: jax.Array, draw: jax.Array, law: Any, text: Text, starts: jax.Array, context: jax.Array
) -> Places:
    """The same for each place, some contexts at a time, so that no table of all contexts and tokens is held.

    ``law`` gives the rows of contexts: ``law.rows(numbers, vocabulary)`` (K, V).
    """
    number = len(text.contexts)
    several = min(number, max(1, CHUNK // text.vocabulary))
    groups = -(-number // several)
    previous = _previous(text)

    def group(tokens: jax.Array, first: jax.Array) -> tuple[jax.Array, None]:
        rows = jnp.minimum(first + jnp.arange(several, dtype=jnp.int32), number - 1)
        scores, past = decoded(decoding, key, law.rows(rows), previous[rows])
        weights = weights_of(decoding, scores, past)
        mine = (context >= first) & (context < first + several)
        row = jnp.clip(context - first, 0, several - 1)
        own = jax.random.fold_in(draw, first)
        if weights is None:
            found = picked(decoding, own, scores, past, row)
        else:
            found = _by_inversion(own, weights, row)
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
    contexts = np.asarray(text.contexts) if isinstance(text.contexts, np.ndarray) else text.contexts
    if contexts.shape[1] == 0:
        return jnp.full(len(contexts), -1, jnp.int32)
    return jnp.asarray(contexts[:, -1], jnp.int32)

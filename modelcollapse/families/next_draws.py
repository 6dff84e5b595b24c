"""Draws of next tokens after given contexts: counts from weights, or each place from the tokens of a parent."""

from __future__ import annotations

import jax
import jax.numpy as jnp

from modelcollapse.families.transitions import Places, Transitions
from modelcollapse.sampling import exact, keys, materialise, multinomial


def counts(key: jax.Array, weights: jax.Array, sizes: jax.Array) -> Transitions:
    """Tokens of contexts with ``weights`` (C, V), so many for each as ``sizes`` (C,) says."""
    each = jax.vmap(keys.fold, (None, 0))(keys.wrap(key), jnp.arange(len(sizes), dtype=jnp.uint32))
    return Transitions(materialise(jax.vmap(multinomial)(each, sizes, weights)))


def places(
    key: jax.Array,
    parent: Places,
    starts: jax.Array,
    context: jax.Array,
    mutation: jax.Array,
    background: jax.Array | int,
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
        tokens = jnp.where(new, other, own)
    # written once: XLA would draw them again for each of those who read them
    return Places(materialise(tokens)[None], jnp.int32(1), starts)

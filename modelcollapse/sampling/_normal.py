"""Standard normal draws: those of JAX, from the fast keys."""

from __future__ import annotations

import jax

from modelcollapse.sampling import keys


def normal(key: jax.Array, shape: tuple[int, ...] = (), dtype=None) -> jax.Array:
    """Independent standard normal draws of ``shape``; ``dtype`` defaults to the float type in force.

    The numbers of :func:`jax.random.normal` for the same key: the inverse error function of a uniform, so the tails end
    where the uniform does (beyond 5 standard deviations in float32, 8 in float64).
    """
    return jax.random.normal(keys.wrap(key), shape, dtype)

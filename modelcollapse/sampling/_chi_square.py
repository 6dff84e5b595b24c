"""Chi-square variates without rejection: the cube root is a smooth function of a normal draw."""

from __future__ import annotations

import jax
import jax.numpy as jnp

from modelcollapse.sampling import keys


def chi_square(key: jax.Array, dof: jax.Array | int, dtype=None) -> jax.Array:
    return jnp.exp(log_chi_square(key, dof, dtype))


def log_chi_square(key: jax.Array, dof: jax.Array | int, dtype=None, *, per_dof: bool = False) -> jax.Array:
    dof = jnp.asarray(dof)
    dtype = jnp.result_type(float) if dtype is None else dtype
    wide = dof.astype(dtype)
    half = 0.5 * jnp.maximum(wide, 1.0)
    log = jax.random.loggamma(keys.wrap(key), half, dtype=dtype) + (
        jnp.log(2.0).astype(dtype) if not per_dof else -jnp.log(half)
    )
    return jnp.where(dof > 0, log, -jnp.inf)

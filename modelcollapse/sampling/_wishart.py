"""Wishart matrices by Bartlett's factor: d(d + 1)/2 variates, however many rows went in."""

from __future__ import annotations

import functools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from modelcollapse.sampling import keys
from modelcollapse.sampling._chi_square import per_dof_from
from modelcollapse.sampling._normal import normal


def wishart_factor(key: jax.Array, dof: jax.Array | int, d: int, dtype=None) -> tuple[jax.Array, jax.Array]:
    r"""A lower triangular factor of a standard Wishart matrix, as a unit lower triangle ``(d, d)`` and log pivots ``(d,)``.

    .. math:: W = T T^\top \sim W_d(k, I), \qquad T = U \operatorname{diag}(e^{\ell}), \qquad
              T_{jj} \sim \chi_{k - j}, \quad T_{ij} \sim N(0, 1) \; (i > j), \quad j = 0, \dots, d - 1

    ``dof`` k is a nonnegative integer scalar and may be traced. With ``k < d`` the matrix has rank k: the columns j >= k
    of T are zero, that is, their log pivot is minus infinity and their column of U a unit vector. Logarithms of pivots
    stay finite where the matrix itself would underflow. Exact up to the error of :func:`log_chi_square`. Raises ValueError
    for ``d < 1``. Source: Bartlett (1933); for k < d, Srivastava, "Singular Wishart and multivariate beta distributions",
    Ann. Statist. 31 (2003).
    """
    if d < 1:
        raise ValueError(f"d must be at least 1, got {d}")
    dof = jnp.asarray(dof)
    if dof.ndim or not jnp.issubdtype(dof.dtype, jnp.integer):
        raise TypeError(f"dof must be an integer scalar, got {dof.dtype}{list(dof.shape)}")
    dtype = jax.dtypes.canonicalize_dtype(float if dtype is None else dtype)
    return _factor(keys.wrap(key), dof, d, dtype)


@functools.partial(jax.jit, static_argnums=(2, 3))
def _factor(key, dof, d, dtype):
    return factor_from(key, normal(key, (normals(d),), dtype), dof, d)


def mean_and_factor(key: jax.Array, dof: jax.Array, d: int, dtype: Any) -> tuple[jax.Array, jax.Array, jax.Array]:
    """A standard normal vector ``(d,)`` and, independent of it, ``wishart_factor(key, dof, d)``, from one run of normal draws."""
    key = keys.settled(key)
    z = normal(key, (d + normals(d),), dtype)
    return z[:d], *factor_from(key, z[d:], dof, d)


def normals(d):
    """How many normal draws a factor takes."""
    return d * (d + 1) // 2


def factor_from(key, z, dof, d):
    """The same from its normal draws; what few degrees of freedom need besides comes from ``key``."""
    dtype = z.dtype
    left = dof - jnp.arange(d, dtype=dof.dtype)
    log_pivots = 0.5 * (per_dof_from(key, z[:d], left) + jnp.log(jnp.maximum(left, 1).astype(dtype)))
    if d == 1:
        return jnp.ones((1, 1), dtype), log_pivots
    # row by row below the diagonal; a place above reads any draw, and drops it
    row, column = np.indices((d, d))
    draw = jnp.where(row > column, z[np.minimum(d + row * (row - 1) // 2 + column, z.size - 1)], 0.0)
    there = left > 0
    inverse = jnp.where(there, jnp.exp(-jnp.where(there, log_pivots, 0.0)), 0.0)
    return jnp.eye(d, dtype=dtype) + draw * inverse[None, :], log_pivots

"""Wishart matrices by Bartlett's factor: d(d + 1)/2 variates, however many rows went in."""

from __future__ import annotations

import functools

import jax
import jax.numpy as jnp

from modelcollapse.sampling import keys
from modelcollapse.sampling._chi_square import log_chi_square
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
    left = dof - jnp.arange(d, dtype=dof.dtype)
    log_pivots = 0.5 * log_chi_square(keys.fold(key, 0), left, dtype)
    normals = normal(keys.fold(key, 1), (d, d), dtype)
    present = (left > 0)[None, :] & jnp.tril(jnp.ones((d, d), bool), -1)
    below = jnp.where(present, normals * jnp.exp(-jnp.where(left > 0, log_pivots, 0.0))[None, :], 0.0)
    return below + jnp.eye(d, dtype=dtype), log_pivots

"""Wishart matrices by Bartlett's factor: d(d + 1)/2 variates, whatever the number of rows."""

from __future__ import annotations

import functools

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import DTypeLike

from modelcollapse.sampling import keys
from modelcollapse.sampling._chi_square import per_dof_from
from modelcollapse.sampling._normal import draws
from modelcollapse.sampling._xla import materialise, over_lanes
from modelcollapse.sampling.keys import Key


def wishart_factor(
    key: jax.Array, dof: jax.Array | int, d: int, dtype: DTypeLike | None = None, *, many: bool = False
) -> tuple[jax.Array, jax.Array]:
    r"""The lower triangular factor of a standard Wishart matrix: unit lower triangle ``(d, d)``, log pivots ``(d,)``.

    .. math:: W = T T^\top \sim W_d(k, I), \qquad T = U \operatorname{diag}(e^{\ell}), \qquad
              T_{jj} \sim \chi_{k - j}, \quad T_{ij} \sim N(0, 1) \; (i > j), \quad j = 0, \dots, d - 1

    ``dof`` k is a nonnegative integer scalar and may be traced. With ``k < d`` the matrix has rank k: the columns j >=
    k of T are zero, so their log pivots are minus infinity and their columns of U unit vectors. Logarithms of pivots
    stay finite where the matrix itself would underflow. Exact up to the error of :func:`log_chi_square`. ``many=True``
    says that k is 0 or at least d + 11, in less code; any other then gives NaN. Raises ValueError for ``d < 1``.
    Source: Bartlett (1933); for k < d, Srivastava, "Singular Wishart and multivariate beta distributions", Ann.
    Statist. 31 (2003).
    """
    if d < 1:
        raise ValueError(f"d must be at least 1, got {d}")
    dof = jnp.asarray(dof)
    if dof.ndim or not jnp.issubdtype(dof.dtype, jnp.integer):
        raise TypeError(f"dof must be an integer scalar, got {dof.dtype}{list(dof.shape)}")
    dtype = jax.dtypes.canonicalize_dtype(float if dtype is None else dtype)
    return _factor(keys.wrap(key), dof, d, dtype, many)


@functools.partial(jax.jit, static_argnums=(2, 3, 4))
def _factor(key: jax.Array, dof: jax.Array, d: int, dtype: DTypeLike, many: bool) -> tuple[jax.Array, jax.Array]:
    return over_lanes(lambda key, dof: mean_and_factor(key, dof, d, dtype, many)[1:])(keys.materialised(key), dof)


def mean_and_factor(
    key: Key, dof: jax.Array, d: int, dtype: DTypeLike, many: bool = False
) -> tuple[jax.Array, jax.Array, jax.Array]:
    """A standard normal vector ``(d, lanes)`` and, independent of it, the factor ``(d, d, lanes)``, ``(d, lanes)``.

    ``key`` is materialised, and ``dof`` has a trailing axis of lanes, of length 1 where it is the same in all. Where d
    = 1 the two are the halves of one block. ``many``: no ``dof`` lies between 1 and d + 10.
    """
    z = draws(key, d + d * (d + 1) // 2, dtype)
    centre, pivot, below = z[:d], z[d : 2 * d], z[2 * d :]
    left = dof[None] - jnp.arange(d, dtype=dof.dtype)[:, None]
    log_pivots = 0.5 * (per_dof_from(pivot, left, many) + jnp.log(jnp.maximum(left, 1).astype(dtype)))
    unit = jnp.ones((1, 1, 1), dtype)
    if d > 1:
        there = (left > 0)[None] & np.tri(d, k=-1, dtype=bool)[:, :, None]
        draw = materialise(_rows(below, d))
        inverse = jnp.exp(-jnp.where(left > 0, log_pivots, 0.0))
        unit = jnp.where(there, draw * inverse[None], jnp.eye(d, dtype=dtype)[:, :, None])
    return centre, unit, log_pivots


def _rows(packed: jax.Array, d: int) -> jax.Array:
    """``(d (d - 1) / 2, lanes)`` as the rows below the diagonal of ``(d, d, lanes)``, zeros elsewhere."""
    rows = (packed[i * (i - 1) // 2 : i * (i + 1) // 2] for i in range(d))
    return jnp.stack([jnp.pad(row, ((0, d - len(row)), (0, 0))) for row in rows])

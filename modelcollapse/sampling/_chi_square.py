"""Chi-square variates without rejection: the logarithm is a smooth function of a normal draw.

For k degrees of freedom, ``log(chi2_k / k) = e h(z, e)`` with z standard normal and ``e = k^(-1/2)``; h is smooth down
to e = 0, where it is the straight line ``z sqrt(2)``. One polynomial in z and e therefore serves every k from 12 to
infinity; below 12, each k has a polynomial in z of its own.
"""

from __future__ import annotations

import functools
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.typing import ArrayLike, DTypeLike

from modelcollapse.sampling import exact, keys
from modelcollapse.sampling._normal import draws

FILE = Path(__file__).with_name("chi_square.npz")
"""Coefficients, as ``_quantiles`` fits them."""
MANY = 12
"""Degrees of freedom from which the one polynomial serves; its error grows as they fall."""
FARTHEST = 8.3
"""A float64 normal from 52 bits stays within."""


def chi_square(key: jax.Array, dof: ArrayLike, dtype: DTypeLike | None = None) -> jax.Array:
    """Chi-square draws, one for each entry of ``dof``: the exponential of :func:`log_chi_square`; 0 for dof <= 0."""
    return jnp.exp(log_chi_square(key, dof, dtype))


def log_chi_square(
    key: jax.Array, dof: ArrayLike, dtype: DTypeLike | None = None, *, per_dof: bool = False, many: bool = False
) -> jax.Array:
    r"""Natural logarithms of chi-square draws, one for each entry of ``dof``.

    .. math:: \log\chi^2_k = \log k + k^{-1/2} h(z, k^{-1/2}), \qquad z \sim N(0, 1)

    ``dof`` k holds integers up to 2**31 - 1 and may be traced; k <= 0 gives minus infinity. ``per_dof=True`` gives
    :math:`\log(\chi^2_k / k)`, without the cancellation of subtracting log k afterwards. ``dtype`` defaults to the
    float type in force. One normal per draw and no loop. ``many=True`` says that no k lies between 1 and 11, in less
    code; such a k then gives NaN.

    Error in float64, relative to the exact quantile of chi-square: below 2e-9 for k >= 12, below 1e-9 for 2 <= k < 12,
    below 1e-7 for k = 1. In float32 about 1e-6, and normals end at 6.7. The draw increases with z. If ``dof`` is a
    batch under ``vmap`` both ways of drawing run. Raises TypeError for ``dof`` that are not integers. Source: the
    polynomials are fitted to SciPy's quantiles by ``sampling._quantiles``.
    """
    dof = jnp.asarray(dof)
    if not jnp.issubdtype(dof.dtype, jnp.integer):
        raise TypeError(f"dof must have an integer type, got {dof.dtype}")
    dtype = jax.dtypes.canonicalize_dtype(float if dtype is None else dtype)
    if not jnp.issubdtype(dtype, jnp.floating):
        raise TypeError(f"dtype must be a float type, got {dtype}")
    return _log_chi_square(keys.wrap(key), dof, dtype, per_dof, many)


@functools.partial(jax.jit, static_argnums=(2, 3, 4))
def _log_chi_square(key: jax.Array, dof: jax.Array, dtype: DTypeLike, per_dof: bool, many: bool) -> jax.Array:
    log_ratio = per_dof_from(draws(keys.materialised(key), dof.size, dtype).reshape(dof.shape), dof, many)
    return log_ratio if per_dof else log_ratio + jnp.log(jnp.maximum(dof, 1).astype(dtype))


def per_dof_from(z: jax.Array, dof: jax.Array, many: bool = False) -> jax.Array:
    """log(chi2 / dof), each from a normal draw ``z``; ``many``: NaN where ``dof`` is below 12, but not 0.

    ``dof`` broadcasts against ``z``; where it is the same for all lanes, its polynomial is computed once.
    """
    is_few = dof < MANY

    def smooth() -> jax.Array:
        return _of_many(z, jnp.maximum(dof, MANY))

    def mixed() -> jax.Array:
        return jnp.where(is_few, _of_few(z, jnp.clip(dof, 1, MANY - 1)), smooth())

    if many:
        return jnp.where(is_few, jnp.where(dof > 0, jnp.nan, -jnp.inf).astype(z.dtype), smooth())
    # the predicate is a scalar that no chain changes, so that one branch runs where dof is not a batch
    return jnp.where(dof > 0, lax.cond(jnp.any(is_few), mixed, smooth), -jnp.inf)


def _of_many(z: jax.Array, dof: jax.Array) -> jax.Array:
    dtype = z.dtype
    table = coefficients()["double" if dtype == jnp.float64 else "single"].astype(dtype)
    # a contraction is computed once for each dof; an elementwise expression would be copied into the loop over draws
    exponents = np.arange(1, table.shape[1] + 1, dtype=dtype).reshape(*(1,) * dof.ndim, -1)
    powers = lax.rsqrt(dof.astype(dtype))[..., None] ** exponents
    return exact.polynomial(jnp.einsum("ij,...j->i...", table, powers, precision=lax.Precision.HIGHEST), z)


def _of_few(z: jax.Array, dof: jax.Array) -> jax.Array:
    """By Clenshaw's rule in float64: in powers of z so many terms would cancel."""
    with exact.float64():
        x = z.astype(jnp.float64) * (1 / FARTHEST)
        rows = jnp.asarray(coefficients()["few"])[:, dof - 1]
        now, before = rows[-1], jnp.zeros_like(rows[-1])
        for row in rows[-2:0:-1]:
            now, before = row + 2.0 * x * now - before, now
        return (rows[0] + x * now - before).astype(z.dtype)


@functools.cache
def coefficients() -> dict[str, np.ndarray]:
    """``single`` and ``double``: c with log(chi2_k / k) = sum of c[i, j] z^i e^(j + 1), as float32 and float64 need
    it. ``few``: ``(terms, 11)``, for each k below 12 a Chebyshev series in z / 8.3.
    """
    with np.load(FILE) as file:
        return dict(file)

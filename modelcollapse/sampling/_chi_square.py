"""Chi-square variates without rejection: the cube root is a smooth function of a normal draw.

For k degrees of freedom, ``(chi2_k / k)^(1/3) = 1 + e g(z, e)`` with z standard normal and ``e = k^(-1/2)``; g is
smooth down to e = 0, where it is the straight line of Wilson and Hilferty. One polynomial in z and e therefore serves
every k from 12 to infinity; below 12, a chi-square is a handful of exponentials and a squared normal.
"""

from __future__ import annotations

import functools
import math
from types import ModuleType

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.typing import ArrayLike, DTypeLike

from modelcollapse.sampling import exact, keys
from modelcollapse.sampling._normal import draws
from modelcollapse.sampling.keys import Key

MANY = 12
"""Degrees of freedom from which the polynomial serves; its error grows as they fall. Fewer: sums of exponentials."""
# a float64 normal from 53 bits stays within 8.22
_FARTHEST = 8.3
_TERMS_Z, _TERMS_E = 20, 14


def chi_square(key: jax.Array, dof: ArrayLike, dtype: DTypeLike | None = None) -> jax.Array:
    """Chi-square draws, one for each entry of ``dof``: the exponential of :func:`log_chi_square`; 0 for dof <= 0."""
    return jnp.exp(log_chi_square(key, dof, dtype))


def log_chi_square(
    key: jax.Array, dof: ArrayLike, dtype: DTypeLike | None = None, *, per_dof: bool = False, many: bool = False
) -> jax.Array:
    r"""Natural logarithms of chi-square draws, one for each entry of ``dof``.

    .. math:: \log\chi^2_k = \log k + 3 \log\bigl(1 + k^{-1/2} g(z, k^{-1/2})\bigr), \qquad z \sim N(0, 1)

    ``dof`` k holds integers up to 2**31 - 1 and may be traced; k <= 0 gives minus infinity. ``per_dof=True`` gives
    :math:`\log(\chi^2_k / k)`, without the cancellation of subtracting log k afterwards. ``dtype`` defaults to the
    float type in force. One normal per draw and no loop. ``many=True`` says that no k lies between 1 and 11, which then
    give NaN: it compiles in a third of the time, and the numbers are the same.

    Error in float64, relative to the exact quantile of chi-square: below 2e-8 for abs(z) < 5.7 and 1e-7 beyond, at the
    worst k = 12; below 1e-9 from k = 40 on; k < 12 exact. In float32 about 1e-6, and normals end at 5.4. The draw
    increases with z. If ``dof`` is a batch under ``vmap`` both ways of drawing run. Raises TypeError for ``dof`` that
    are not integers. Source: Wilson and Hilferty (1931) for the cube root; the polynomial is fitted to SciPy's
    quantiles by :func:`coefficients`.
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
    address = keys.materialised(key)
    log_ratio = per_dof_from(address, draws(address, dof.size, dtype).reshape(dof.shape), dof, many)
    return log_ratio if per_dof else log_ratio + jnp.log(jnp.maximum(dof, 1).astype(dtype))


def per_dof_from(key: Key, z: jax.Array, dof: jax.Array, many: bool = False) -> jax.Array:
    """log(chi2 / dof), each from a normal draw ``z``; few degrees of freedom draw more from the materialised ``key``.

    ``dof`` broadcasts against ``z``; where it is the same for all lanes, its polynomial is computed once. ``many``: few
    degrees of freedom, but more than none, give NaN.
    """
    is_few = dof < MANY

    def smooth() -> jax.Array:
        return _from_normal(z, jnp.maximum(dof, MANY))

    def mixed() -> jax.Array:
        return jnp.where(is_few, _from_exponentials(key, z, jnp.clip(dof, 1, MANY)), smooth())

    if many:
        return jnp.where(dof > 0, smooth(), -jnp.inf) + jnp.where(is_few & (dof > 0), jnp.nan, 0.0).astype(z.dtype)
    # the predicate is a scalar that no chain changes, so that one branch runs where dof is not a batch
    return jnp.where(dof > 0, lax.cond(jnp.any(is_few), mixed, smooth), -jnp.inf)


def _from_normal(z: jax.Array, dof: jax.Array) -> jax.Array:
    dtype = z.dtype
    inverse_root = lax.rsqrt(dof.astype(dtype))
    table = coefficients().astype(dtype)
    # a contraction is computed once for each dof; an elementwise expression would be copied into the loop over draws
    exponents = np.arange(_TERMS_E, dtype=dtype).reshape(*(1,) * dof.ndim, -1)
    powers = (inverse_root * np.asarray(MANY**0.5, dtype))[..., None] ** exponents
    rows = jnp.einsum("ij,...j->i...", table, powers, precision=lax.Precision.HIGHEST)
    deviation = inverse_root * exact.polynomial(rows, z * np.asarray(1 / _FARTHEST, dtype))
    # float64 has digits to spare, and its log is the cheaper
    return 3 * (jnp.log(1 + deviation) if dtype == jnp.float64 else jnp.log1p(deviation))


def _from_exponentials(key: Key, z: jax.Array, dof: jax.Array) -> jax.Array:
    """Exactly: half of ``dof`` exponentials, and a squared normal if it is odd; log of the mean over ``dof``."""
    own = z.shape[: z.ndim - len(keys.lanes(key))]
    with exact.float64():
        product = jnp.ones(z.shape, jnp.float64)
        for pair in range((MANY - 1) // 2):
            u = exact.unit(key, own, pair + 1)
            product = jnp.where(2 * pair + 1 < dof, product * u, product)
        normals = draws(key, math.prod(own), jnp.float64, MANY).reshape(z.shape)
        total = jnp.where(dof % 2 == 1, normals**2, 0.0) - 2.0 * exact.log(product)
        return jnp.log(total / dof.astype(jnp.float64)).astype(z.dtype)


@functools.cache
def coefficients() -> np.ndarray:
    """Coefficients ``(20, 14)`` of g in powers of ``z / 8.3`` and ``(12 / k)^(1/2)``, from SciPy's quantiles.

    Interpolation at Chebyshev nodes; the node at k = infinity carries the exact limit ``z sqrt(2) / 3``.
    """
    from numpy.polynomial import chebyshev, polynomial
    from scipy import special

    z = _FARTHEST * np.cos(np.pi * (np.arange(_TERMS_Z) + 0.5) / _TERMS_Z)[:, None]
    x = np.cos(np.pi * np.arange(_TERMS_E) / (_TERMS_E - 1))
    inverse_root = (1 + x[:-1]) / 2 / MANY**0.5
    half = 0.5 / inverse_root**2
    # each tail from its own side, where its probability keeps its digits
    lower, upper = special.gammaincinv(half, special.ndtr(z)), special.gammainccinv(half, special.ndtr(-z))
    g = (np.cbrt(np.where(z < 0, lower, upper) / half) - 1) / inverse_root
    g = np.concatenate([g, z * 2**0.5 / 3], axis=1)
    fitted = np.linalg.solve(chebyshev.chebvander(z[:, 0] / _FARTHEST, _TERMS_Z - 1), g)
    fitted = np.linalg.solve(chebyshev.chebvander(x, _TERMS_E - 1), fitted.T)
    in_x = np.array([chebyshev.cheb2poly(column) for column in fitted.T])
    # x = 2 e - 1, by Horner's rule on polynomials
    in_e = np.array([_compose(row, polynomial) for row in in_x])
    return np.array([chebyshev.cheb2poly(column) for column in in_e.T]).T


def _compose(row: np.ndarray, polynomial: ModuleType) -> np.ndarray:
    total = np.zeros(1)
    for coefficient in row[::-1]:
        total = polynomial.polyadd(polynomial.polymul(total, [-1.0, 2.0]), [coefficient])
    return np.pad(total, (0, max(0, _TERMS_E - total.size)))[:_TERMS_E]

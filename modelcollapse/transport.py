"""Squared Wasserstein-2 distances in closed form, exact where laws nearly coincide or covariances nearly vanish."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike

from modelcollapse.arguments import operand
from modelcollapse.numeric import shown


def bures(first: ArrayLike, second: ArrayLike) -> jax.Array:
    r"""Squared Bures distance of the covariances :math:`A A^T` and :math:`B B^T`, from their factors ``(..., d, d)``.

    .. math:: \min_Q \|A - B Q\|_F^2 = \mathrm{tr}\,AA^T + \mathrm{tr}\,BB^T - 2 \|B^T A\|_*

    over orthogonal Q, attained at the polar factor of :math:`B^T A`. The left side is computed, exactly to rounding: it
    is a sum of squares, so nothing cancels when the two are close, and takes no root of a nearly singular matrix.
    """
    return _bures(operand("first", first), operand("second", second), "first and second")


def _bures(first: jax.Array, second: jax.Array, names: str) -> jax.Array:
    if first.ndim < 2 or second.ndim < 2 or first.shape[-2:] != second.shape[-2:] or first.shape[-1] != first.shape[-2]:
        raise ValueError(f"{names} must be factors of one shape (..., d, d), got {first.shape} and {second.shape}")
    first, second = _together(first, second, names)
    if first.shape[-1] == 1:
        return ((jnp.abs(first) - jnp.abs(second)) ** 2)[..., 0, 0]
    left, _, right = jnp.linalg.svd(jnp.swapaxes(second, -1, -2) @ first)
    return ((first - second @ (left @ right)) ** 2).sum((-2, -1))


def gaussian_w2(mean: ArrayLike, factor: ArrayLike, other_mean: ArrayLike, other_factor: ArrayLike) -> jax.Array:
    r"""Squared W2 distance of two normal laws: that of the means plus the squared Bures distance (Gelbrich 1990).

    It is infinite where a square is beyond the floating type.
    """
    one, other = operand("factor", factor), operand("other_factor", other_factor)
    mu, nu = operand("mean", mean), operand("other_mean", other_mean)
    distance = _bures(one, other, "factor and other_factor")
    if mu.shape[-1:] != one.shape[-1:] or nu.shape[-1:] != one.shape[-1:]:
        raise ValueError(
            f"mean and other_mean must have shape (..., d), d = {one.shape[-1]}, got {mu.shape} and {nu.shape}"
        )
    mu, nu = _together(mu, nu, "mean and other_mean")
    apart, distance = _together(((mu - nu) ** 2).sum(-1), distance, "means and factors")
    return apart + distance


def _together(one: jax.Array, other: jax.Array, names: str) -> tuple[jax.Array, jax.Array]:
    """Both, broadcast to one shape."""
    try:
        shape = np.broadcast_shapes(one.shape, other.shape)
    except ValueError:
        raise ValueError(f"{names} must be as many, or one for all, got {one.shape} and {other.shape}") from None
    return jnp.broadcast_to(one, shape), jnp.broadcast_to(other, shape)


def sample_w2(first: ArrayLike, second: ArrayLike) -> jax.Array:
    r"""Squared W2 distance of two empirical laws on the line, from samples ``(n,)`` and ``(m,)`` of any sizes.

    .. math:: \int_0^1 (F^{-1}(u) - G^{-1}(u))^2 du

    Both quantile functions are steps; the integral is a sum over the merged steps, exact to rounding.
    """
    x, y = operand("first", first), operand("second", second)
    if x.ndim != 1 or y.ndim != 1 or not x.size or not y.size:
        raise ValueError(
            f"first and second must be vectors with at least one value, got shapes {x.shape} and {y.shape}"
        )
    x, y = jnp.sort(x), jnp.sort(y)
    n, m = x.size, y.size
    if n == m:
        return ((x - y) ** 2).mean()
    # the steps lie at i / n and j / m; as 64-bit integers over n m they are exact, so no step is missed by rounding
    ends = np.sort(np.concatenate([np.arange(1, n + 1) * m, np.arange(1, m + 1) * n]))
    starts = np.concatenate([[0], ends[:-1]])
    gap = x[np.minimum(starts // m, n - 1)] - y[np.minimum(starts // n, m - 1)]
    return (gap**2 * jnp.asarray((ends - starts) / (n * m), x.dtype)).sum()


def mixture_l2(
    weights: ArrayLike, means: ArrayLike, covariances: ArrayLike, other: tuple[ArrayLike, ArrayLike, ArrayLike]
) -> jax.Array:
    r"""Squared L2 distance of the densities of two normal mixtures, each ``(k,), (k, d), (k, d, d)``.

    .. math:: \int (p - q)^2 = \sum_{ij} w_i w_j N(m_i - m_j; 0, C_i + C_j)

    over the components of both, those of q with weight :math:`-w`. Exact; where p and q nearly coincide the sum cancels
    and the result has the absolute error of one term.
    """
    if not isinstance(other, tuple) or len(other) != 3:
        raise TypeError(f"other must be a tuple of weights, means and covariances, got {shown(other)}")
    names = ("weights", "means", "covariances")
    both = zip(names, (weights, means, covariances), other, strict=True)
    (p, q), *rest = pairs = [(operand(name, one), operand(f"other {name}", two)) for name, one, two in both]
    d = rest[0][0].shape[-1:]
    for side, owner in enumerate(("", "other ")):
        shapes = [pair[side].shape for pair in pairs]
        k = shapes[0]
        if shapes != [k, (*k, *d), (*k, *d, *d)] or len(k) != 1 or not k[0] or not d:
            raise ValueError(
                f"{owner}weights, means and covariances must have shapes (k,), (k, d) and (k, d, d), got "
                f"{', '.join(map(str, shapes))}"
            )
    w = jnp.concatenate([p, -q])
    m, c = (jnp.concatenate(pair) for pair in rest)
    gap = m[:, None] - m[None]
    factor = jnp.linalg.cholesky(c[:, None] + c[None])
    whitened = jax.scipy.linalg.solve_triangular(factor, gap[..., None], lower=True)[..., 0]
    log_det = jnp.log(jnp.diagonal(factor, axis1=-2, axis2=-1)).sum(-1)
    normaliser = 0.5 * m.shape[1] * jnp.log(2 * jnp.pi).astype(m.dtype)
    density = jnp.exp(-0.5 * (whitened**2).sum(-1) - log_det - normaliser)
    return jnp.einsum("i,j,ij->", w, w, density)

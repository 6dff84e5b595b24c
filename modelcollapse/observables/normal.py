"""Observables of laws with moments: means, variances on log scales, distances to the truth.

Logarithms are natural, and lengths are in the unit of the rows.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import jax
import jax.numpy as jnp

from modelcollapse.families.gaussian import Normal
from modelcollapse.families.ppca import LinearDecoder
from modelcollapse.observables.registry import observable
from modelcollapse.protocols import HasFactor, HasLogMean, HasLogVariance, Moments
from modelcollapse.transport import gaussian_w2, mixture_l2

if TYPE_CHECKING:
    from modelcollapse.families.mixture import NormalMixture
    from modelcollapse.families.pareto import PowerLaw
    from modelcollapse.families.uniform import Interval


@observable(dims=("dimension",), shifts=True)
def mean(params: Moments) -> jax.Array:
    """Mean ``(d,)``."""
    return params.mean


@observable(dims=("dimension",))
def log_mean(params: HasLogMean | Moments) -> jax.Array:
    """Natural logarithm of the mean of a positive law, ``(d,)``: minus infinity if that is 0, infinity if infinite."""
    return params.log_mean if isinstance(params, HasLogMean) else jnp.log(params.mean)


@observable(dims=("dimension",))
def log_end(params: Interval) -> jax.Array:
    """Natural logarithm of the upper end of a uniform law, ``(1,)``."""
    return params.log_end


@observable(dims=("dimension",))
def log_index(params: PowerLaw) -> jax.Array:
    """Natural logarithm of the tail index of a Pareto law, ``(1,)``; the smaller the index, the heavier the tail."""
    return params.log_index


@observable(dims=("dimension",), shifts=False)
def log_variance(params: HasLogVariance | Moments) -> jax.Array:
    """Natural logarithm of the variance of each coordinate, ``(d,)``."""
    return params.log_variance if isinstance(params, HasLogVariance) else jnp.log(jnp.diagonal(params.covariance))


@observable(dims=("dimension",), shifts=False)
def variance(params: Moments) -> jax.Array:
    """Variance of each coordinate, ``(d,)``; it underflows long after collapse, and its mean over chains hides that."""
    return jnp.exp(log_variance(params)) if isinstance(params, Normal) else jnp.diagonal(params.covariance)


@observable(shifts=False)
def total_variance(params: Moments) -> jax.Array:
    """Trace of the covariance, ``()``; it underflows like ``variance``."""
    return variance(params).sum()


@observable(shifts=False)
def determinant(params: Moments) -> jax.Array:
    """Determinant of the covariance, ``()``; it underflows like ``variance``."""
    return jnp.exp(log_determinant(params))


@observable(dims=("dimension",), shifts=False)
def standard_deviation(params: HasLogVariance | Moments) -> jax.Array:
    """Standard deviation of each coordinate, ``(d,)``; it underflows like ``variance``."""
    return jnp.exp(0.5 * log_variance(params))


@observable(dims=("dimension",), shifts=False)
def log_pivots(params: Normal) -> jax.Array:
    """Logarithms of the squared Cholesky pivots, ``(d,)``; their increments are exact log chi-squares."""
    return 2 * params.log_scale


@observable(shifts=False)
def log_determinant(params: Moments) -> jax.Array:
    """Natural logarithm of the determinant of the covariance, ``()``."""
    if isinstance(params, Normal):
        return 2 * params.log_scale.sum()
    return jnp.linalg.slogdet(params.covariance)[1]


@observable(dims=("direction",), shifts=False)
def decoder_variances(params: LinearDecoder) -> jax.Array:
    """Variances of a linear decoder's means along their principal directions, ``(q,)``, largest first."""
    return jnp.linalg.svd(params.weights, compute_uv=False) ** 2


@observable(shifts=False)
def decoder_variance(params: LinearDecoder) -> jax.Array:
    """Total variance of a linear decoder's means, the trace of W W^T, ``()``."""
    return (params.weights**2).sum()


@observable(shifts=False)
def squared_mean_error(params: Moments, truth: Moments) -> jax.Array:
    r"""Squared Euclidean distance :math:`|\mu_n - \mu_0|^2` of the means, ``()``."""
    return ((params.mean - truth.mean) ** 2).sum()


@observable(shifts=False)
def w2_squared(params: Moments, truth: Moments) -> jax.Array:
    """Squared Wasserstein-2 distance of the normal laws with the same moments as model and truth, ``()``."""
    return gaussian_w2(params.mean, _factor(params), truth.mean, _factor(truth))


def _factor(params: Moments) -> jax.Array:
    """A factor of the covariance, ``(d, d)``: that of the law itself where it holds one, which may be singular."""
    return params.covariance_factor if isinstance(params, HasFactor) else jnp.linalg.cholesky(params.covariance)


@observable(shifts=False)
def l2_squared(params: NormalMixture, truth: NormalMixture) -> jax.Array:
    """Squared L2 distance of the densities of two normal mixtures, ``()``; unit 1 / volume."""
    return mixture_l2(params.weights, params.means, params.covariances, (truth.weights, truth.means, truth.covariances))

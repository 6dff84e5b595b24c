r"""Draws from the posterior of a conjugate prior that is worth ``strength`` a items at a law of the family, the base.

========  ===================================================  ==================================================
family    prior of what is unknown                             posterior after n items
========  ===================================================  ==================================================
Discrete  law: Dirichlet(a p), p the base                      Dirichlet(a p + counts)
Poisson   mean: gamma of shape a m and rate a                  shape a m + total, rate a + n
Gamma     rate, of items of shape k: gamma of shape k a and    shape k (a + n), rate a m + total
          rate a m
Gaussian  mean and covariance: normal-inverse-Wishart at m,    at the pooled mean, kappa = a + n, nu = a + n - 1,
          kappa = a, nu = a - 1, scale a Sigma                 scale = the pooled scatter
========  ===================================================  ==================================================

The base enters as a further items with its mean and scatter would, so a need not be whole. At a = 0 nothing of it is
left: the reference priors, which are improper; so is that of ``Gaussian`` for a <= d. Sources: Gelman et al., Bayesian
Data Analysis, 3rd ed. (2013), chapters 2 and 3; Bartlett (1933) for the factor.

A family of one's own joins by ``drawn.register`` and, for ``per="item"``, ``predictive.register``.
"""

from __future__ import annotations

import functools

import jax
import jax.numpy as jnp

from modelcollapse.addresses import POSTERIOR_NORMAL, POSTERIOR_SCALE, fold
from modelcollapse.data import Counts, Moments, weighed
from modelcollapse.families.discrete import Discrete
from modelcollapse.families.exponential import Gamma, LogMean, LogScale, Mean, Poisson, Total
from modelcollapse.families.gaussian import Gaussian, Normal, lower_product
from modelcollapse.families.student import Student
from modelcollapse.protocols import Data, Family, Number, Params
from modelcollapse.sampling import float64, log_gamma, normal, over_lanes


@functools.singledispatch
def drawn(family: Family, key: jax.Array, data: Data, strength: Number, base: Params) -> Params:
    """One draw of the parameters from their posterior given ``data``."""
    raise NotImplementedError


@functools.singledispatch
def predictive(family: Family, key: jax.Array, data: Data, strength: Number, base: Params) -> Params:
    """The law of one item that has a draw of the parameters of its own: the posterior predictive law."""
    raise NotImplementedError


@drawn.register
def _(family: Discrete, key: jax.Array, data: Counts, strength: Number, base: jax.Array) -> jax.Array:
    with float64():
        shape = data.n.astype(jnp.float64) + _wide(strength) * _wide(base)
    logs = log_gamma(fold(key, POSTERIOR_SCALE), shape, base.dtype)
    return jnp.where((data.n >= 0).all(), jax.nn.softmax(logs), jnp.nan)


@predictive.register
def _(family: Discrete, key: jax.Array, data: Counts, strength: Number, base: jax.Array) -> jax.Array:
    seen = family.fit(key, data, base)
    size, a = data.size.astype(base.dtype), jnp.asarray(strength, base.dtype)
    return (size / (size + a)) * seen + (a / (size + a)) * base


@drawn.register
def _(family: Poisson, key: jax.Array, data: Total, strength: Number, base: Mean) -> Mean:
    dtype = base.mean.dtype
    with float64():
        a = _wide(strength)
        shape = a * _wide(base.mean) + data.total.astype(jnp.float64)
        rate = jnp.log(a + data.count.astype(jnp.float64)).astype(dtype)
    mean = jnp.exp(log_gamma(fold(key, POSTERIOR_SCALE), shape, dtype) - rate)
    return family.law(jnp.where(data.total >= 0, mean, jnp.nan))


@drawn.register
def _(family: Gamma, key: jax.Array, data: LogMean, strength: Number, base: LogScale) -> LogScale:
    dtype = base.log_mean.dtype
    n, a = data.count.astype(dtype), jnp.asarray(strength, dtype)
    log_mean = jnp.logaddexp(
        jnp.log(n / (n + a)) + data.log_mean, jnp.log(a / (n + a)) + base.log_mean
    )  # of the a + n items
    shape = jnp.asarray(family.shape, dtype) * (n + a)
    return family.law(log_mean - log_gamma(fold(key, POSTERIOR_SCALE), shape, dtype, per_shape=True))


@drawn.register
def _(family: Gaussian, key: jax.Array, data: Moments, strength: Number, base: Normal) -> Normal:
    pool, kappa = _pooled(data, strength, base)
    d, dtype = base.mean.size, base.mean.dtype
    # of the upper factor A of a Wishart matrix with a + n - 1 degrees of freedom: the least first
    dof = kappa - d + jnp.arange(d, dtype=dtype)
    log_pivots = 0.5 * (log_gamma(fold(key, POSTERIOR_SCALE), 0.5 * dof, dtype) + jnp.log(2.0).astype(dtype))
    z = normal(fold(key, POSTERIOR_NORMAL), (d + d * (d - 1) // 2,), dtype)
    return Normal(*_inverse_wishart(z, log_pivots, pool.mean, pool.unit, pool.log_scale, kappa))


@predictive.register
def _(family: Gaussian, key: jax.Array, data: Moments, strength: Number, base: Normal) -> Student:
    pool, kappa = _pooled(data, strength, base)
    dof = kappa - base.mean.size
    return Student(pool.mean, pool.unit, pool.log_scale + 0.5 * (jnp.log1p(1 / kappa) - jnp.log(dof)), dof)


def _pooled(data: Moments, strength: Number, base: Normal) -> tuple[Moments, jax.Array]:
    """The data with ``strength`` further items that have the moments of ``base``, and the number of all."""
    dtype = base.mean.dtype
    a, n = jnp.asarray(strength, dtype), data.count.astype(dtype)
    prior = Moments(jnp.zeros_like(data.count), base.mean, base.unit, base.log_scale + 0.5 * jnp.log(a))
    return weighed(data, prior, n, a), a + n


@over_lanes
def _inverse_wishart(
    z: jax.Array, log_pivots: jax.Array, mean: jax.Array, unit: jax.Array, log_scale: jax.Array, kappa: jax.Array
) -> tuple[jax.Array, jax.Array, jax.Array]:
    r"""A covariance with the law of :math:`C (A A^T)^{-1} C^T`, scatter :math:`C C^T`, and a mean given it.

    A is upper triangular with standard normals ``z[d:]`` above the diagonal. Its transposed inverse is lower
    triangular, so :math:`C A^{-T}` is the new lower factor, and nothing but A is solved against: the pivots of C may be
    separated by any factor.
    """
    d, lanes = len(log_pivots), z.shape[-1]
    inverse = jnp.broadcast_to(jnp.eye(d, dtype=z.dtype)[:, :, None], (d, d, lanes))
    first = d
    for i in range(1, d):  # row i of the inverse of diag(A)^{-1} A^T, which is unit lower triangular
        row = z[first : first + i] * jnp.exp(-log_pivots[i])[None]
        inverse = inverse.at[i].add(-(row[:, None] * inverse[:i]).sum(0))
        first += i
    unit, log_scale = lower_product(unit, log_scale, inverse, -log_pivots)
    step = (unit * (jnp.exp(log_scale) * z[:d])[None]).sum(1) / jnp.sqrt(kappa)[None]
    return mean + step, unit, log_scale


def _wide(value: Number) -> jax.Array:
    return jnp.asarray(value).astype(jnp.float64)

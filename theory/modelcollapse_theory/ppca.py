"""A linear VAE sampled by its decoder's mean forgets the noise it explained, a fixed amount of variance at every fit.

The model is ``x = W z + mu + e``, ``z`` standard normal in q dimensions, ``e`` of variance ``noise`` a coordinate. With
the noise held fixed the best fit keeps the data's eigenvectors, and direction j with variance ``l_j`` gets
``|w_j|^2 = max(l_j - kl_weight * noise, 0)``. First the population limit: endless data, exact optimum. Then fits by
maximum likelihood to M draws (covariance with divisor M), where sampling takes its own share at every fit.
"""

from __future__ import annotations

import numpy as np
import scipy
from numpy.typing import ArrayLike, NDArray

from modelcollapse_theory import wishart
from modelcollapse_theory._domain import LONGEST, Array, NotCovered, one_whole, positive, whole, within
from modelcollapse_theory._register import theorem

_OWN = "derived in theory/derivations/ppca.md"


def _variance(variance: ArrayLike, name: str = "variance") -> Array:
    return within(name, variance, 0, np.inf)


def _threshold(noise: ArrayLike, kl_weight: ArrayLike) -> Array:
    return positive("noise", noise) * positive("kl_weight", kl_weight)


@theorem(
    statement="Decoder means, fixed decoder noise: a direction's variance loses kl_weight * noise a fit, and is 0 "
    "after ceil(variance/(kl_weight * noise)) fits",
    conditions="linear VAE (probabilistic PCA at kl_weight 1), enough latent dimensions, infinite data, replace",
    order="exact",
    source=_OWN,
)
def decoder_mean_variance(
    variance: ArrayLike, noise: ArrayLike, fits: ArrayLike, *, kl_weight: ArrayLike = 1.0
) -> Array:
    r"""Variance of the decoder's means along a principal direction after n ``fits``.

    .. math:: l_n = \max(l_0 - n\beta\sigma^2, 0), \qquad l_{n+1} = l_n\,(1 - \beta\sigma^2/l_n)

    ``variance`` is l_0, that of the real data along the direction. Exact: the shrinking factor worsens at every fit.
    """
    return np.maximum(_variance(variance) - whole("fits", fits) * _threshold(noise, kl_weight), 0.0)


def lifetime(variance: ArrayLike, noise: ArrayLike, *, kl_weight: ArrayLike = 1.0) -> NDArray[np.int64]:
    """The first number of fits at which :func:`decoder_mean_variance` is 0. Exact."""
    return whole("variance / (kl_weight * noise)", np.ceil(_variance(variance) / _threshold(noise, kl_weight)))


@theorem(
    statement="Under the first encoder, decoder means of fit n have latent variance (l_0 - t) l_n/l_0^2",
    conditions="linear VAE, fixed noise, l_0 > t = kl_weight * noise, infinite data, replace",
    order="exact",
    source=_OWN,
)
def encoded_variance(variance: ArrayLike, noise: ArrayLike, fits: ArrayLike, *, kl_weight: ArrayLike = 1.0) -> Array:
    """Variance of the latent means when what the model of fit n draws is read by the encoder of fit 1.

    ``fits`` = 0 reads the real data. Exact; 0 for a direction the first fit dropped already.
    """
    variance, threshold = positive("variance", variance), _threshold(noise, kl_weight)
    drawn = decoder_mean_variance(variance, noise, fits, kl_weight=kl_weight)
    return np.maximum(variance - threshold, 0.0) / variance * (drawn / variance)


@theorem(
    statement="Sampled pixels, fixed noise: the model's variance is max(l, noise) from the first fit on, a fixed point",
    conditions="probabilistic PCA (kl_weight 1), enough latent dimensions, infinite data, replace",
    order="exact",
    source=_OWN,
)
def sampled_pixel_variance(variance: ArrayLike, noise: ArrayLike, fits: ArrayLike) -> Array:
    """Variance along a principal direction when each draw includes the decoder's noise. Exact, constant from fit 1."""
    variance, noise, fits = np.broadcast_arrays(_variance(variance), positive("noise", noise), whole("fits", fits))
    return np.where(fits > 0, np.maximum(variance, noise), variance)[()]


@theorem(
    statement="Learned noise: the first fit takes the mean discarded eigenvalue off each kept one; with decoder means "
    "every later fit is that fit again",
    conditions="probabilistic PCA by maximum likelihood, infinite data, replace, q < d",
    order="exact",
    source="maximum likelihood solution of Tipping and Bishop; recursion " + _OWN,
)
def learned_noise(eigenvalues: ArrayLike, latent_dimension: int) -> tuple[Array, float]:
    """Decoder variances (q,) and noise variance of the maximum-likelihood fit to a spectrum of ``eigenvalues`` (d,).

    The noise is the mean of the d - q smallest eigenvalues, and each decoder variance its eigenvalue less that. Applied
    to the spectrum of its own decoder means (d - q of them 0) it returns them unchanged: one loss, then none. Exact.
    """
    values = _variance(eigenvalues, "eigenvalues")
    if values.ndim != 1:
        raise ValueError(f"eigenvalues must be a vector, got shape {values.shape}")
    kept = one_whole("latent_dimension", latent_dimension, 1)
    if kept >= values.size:
        raise ValueError(f"latent_dimension must be below the {values.size} eigenvalues, got {latent_dimension}")
    ordered = np.sort(values)[::-1]
    noise = float(ordered[kept:].mean())
    return ordered[:kept] - noise, noise


def _log_kept(sample_size: ArrayLike) -> Array:
    """ln(1 - 1/M): what the mean of a sample variance with divisor M keeps."""
    return np.log1p(-1 / whole("sample_size", sample_size, 2, "a variance needs at least two draws").astype(np.float64))


@theorem(
    statement="Decoder means, fixed noise t, M draws: E tr falls as a^n tr_0 - t r M (1 - a^n), a = 1 - 1/M",
    conditions="PPCA by maximum likelihood, any source of rank r <= q, replace, no direction dropped (else a lower "
    "bound)",
    order="exact",
    source=_OWN,
)
def finite_decoder_trace(
    trace: ArrayLike,
    rank: ArrayLike,
    noise: ArrayLike,
    sample_size: ArrayLike,
    fits: ArrayLike,
    *,
    kl_weight: ArrayLike = 1.0,
) -> Array:
    r"""Mean total variance of the decoder's means after n ``fits`` to M = ``sample_size`` draws each.

    .. math:: E\,\mathrm{tr}\,W_n W_n^T = a^n\,\mathrm{tr}\,\Sigma_0 - r\beta\sigma^2\,M (1 - a^n), \qquad a = 1 - 1/M

    ``trace`` and ``rank`` r are those of the covariance of the real data, of which r <= q are kept. Exact as long as
    every sample eigenvalue stays above the threshold :math:`\beta\sigma^2`; a dropped direction loses less than that,
    so it is a lower bound for ever. As M goes to infinity it is r directions of :func:`decoder_mean_variance`.
    """
    trace, threshold = within("trace", trace, 0, np.inf), _threshold(noise, kl_weight)
    log_kept, n = _log_kept(sample_size), whole("fits", fits).astype(np.float64)
    lost = np.expm1(n * log_kept) / np.expm1(log_kept)  # sum of a^i, i < n
    return np.exp(n * log_kept) * trace - whole("rank", rank, 1) * threshold * lost


@theorem(
    statement="Decoder means, fixed noise t, M draws, one direction: it lives after n fits with P(sum_k "
    "prod_{i<=k} 1/G_i < l_0/t)",
    conditions="PPCA by maximum likelihood, rows of one number, normal source, replace; G_i = chi2_{M-1}/M",
    order="exact (quadrature, absolute error below 1e-6)",
    source=_OWN,
)
def alive_probability(
    variance: ArrayLike, noise: float, sample_size: int, fits: int, *, kl_weight: float = 1.0
) -> Array:
    r"""Probability that the decoder still uses its one direction after n ``fits`` to M = ``sample_size`` draws each.

    .. math:: F_n(x) = E\,F_{n-1}(x G - 1), \quad F_0(x) = [x > 0], \quad x = l_0 / (\beta\sigma^2), \quad
              G \sim \chi^2_{M-1}/M

    Death is final, and comes in finite time with probability 1; :func:`lifetime` is its time at M = infinity. By
    Gauss-Legendre quadrature in log G and interpolation in log x, absolute error below 1e-6.
    """
    x = _variance(variance) / _threshold(noise, kl_weight)
    size = one_whole("sample_size", sample_size, 2, "a variance needs at least two draws")
    n = one_whole("fits", fits, most=LONGEST)
    if size > 10_000:
        raise NotCovered(
            f"sample_size must be at most 10000, where the step of the grid is no longer fine enough, got {size}"
        )
    if n == 0:
        return (x > 0).astype(np.float64)[()]
    law = scipy.stats.chi2(size - 1)
    low, high = np.log(law.ppf(1e-14) / size), np.log(law.isf(1e-16) / size)
    nodes, weights = np.polynomial.legendre.leggauss(256)
    nodes = 0.5 * (high - low) * nodes + 0.5 * (high + low)
    # the density of log G is g f(g)
    weights = 0.5 * (high - low) * weights * law.pdf(size * np.exp(nodes)) * size * np.exp(nodes)
    # the sum of the 1/prod lies between the first term at the largest G and n terms at the smallest
    grid = np.linspace(-high, np.logaddexp.reduce(-low * np.arange(1, n + 1)), 1500)
    left = np.expm1(grid[:, None] + nodes)
    there = left > np.exp(grid[0])
    moved = np.minimum(np.log(np.where(there, left, 1.0)), grid[-1])
    chance = scipy.interpolate.CubicSpline(grid, law.sf(size * np.exp(-grid)))
    for _ in range(n - 1):
        chance = scipy.interpolate.CubicSpline(grid, np.where(there, chance(moved), 0.0) @ weights)
    start = np.clip(np.log(np.maximum(x, np.exp(grid[0]))), grid[0], grid[-1])
    return np.where(x > np.exp(grid[0]), np.clip(chance(start), 0, 1), 0.0)[()]


@theorem(
    statement="Decoder means, fitted noise, M draws: after the first fit the decoder is a Gaussian chain (ddof 0) "
    "in q dimensions",
    conditions="PPCA by maximum likelihood, q < d, replace, M >= q + 1; nothing else is lost",
    order="exact",
    source=_OWN,
)
def learned_noise_log_determinant(sample_size: ArrayLike, fits: ArrayLike, latent_dimension: int) -> Array:
    r"""Mean change of :math:`\log\det W_n^T W_n` between fit 1 and fit n = ``fits`` (at least 1).

    .. math:: E \log\det W_n^T W_n - E \log\det W_1^T W_1 = (n-1) \sum_{j=1}^{q} [\psi((M-j)/2) + \log 2 - \log M]

    Draws :math:`\mu + W_1 z` span q dimensions and no more, so the d - q eigenvalues left over, and with them the
    noise, are 0 from the second fit on, and what remains is a normal law in q dimensions refitted by maximum
    likelihood. Exact.
    """
    n, rank = whole("fits", fits, 1), one_whole("latent_dimension", latent_dimension, 1, most=LONGEST)
    return wishart.expected_log_determinant(sample_size, n - 1, rank, ddof=0)


@theorem(
    statement="Sampled pixels, fitted noise, M draws: E tr of the model's covariance is (1 - 1/M)^n tr Sigma_0",
    conditions="PPCA by maximum likelihood, any source with two moments, replace",
    order="exact",
    source=_OWN,
)
def sampled_trace(trace: ArrayLike, sample_size: ArrayLike, fits: ArrayLike) -> Array:
    """Mean trace of the fitted covariance, noise included, after n ``fits`` to M = ``sample_size`` draws with noise.

    The fit replaces the d - q small eigenvalues by their mean, which leaves their sum as it was: only the divisor M
    loses. Exact.
    """
    return np.exp(_log_kept(sample_size) * whole("fits", fits)) * within("trace", trace, 0, np.inf)

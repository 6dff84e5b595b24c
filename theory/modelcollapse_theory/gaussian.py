"""A normal refitted to its own draws: the log variance walks down, one independent log chi-square step a fit.

One fit to ``M = sample_size`` draws multiplies the variance by ``chi2_{M-1} / (M - ddof)`` and moves the mean by an
independent normal step of variance ``sigma^2 / M`` (Cochran). Everything is relative: variances in units of the true
variance, squared distances of the mean in the same unit. ``fits = n`` counts fits, so a first model has ``n = 1``.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy
from numpy.typing import ArrayLike, NDArray

from modelcollapse_theory import _contour
from modelcollapse_theory._domain import Array, choice, real, whole
from modelcollapse_theory._log_gamma import digamma_excess, log_gamma_increment
from modelcollapse_theory._register import theorem

_COCHRAN = "Cochran's theorem and the moments of a chi-square"


def _sizes(sample_size: ArrayLike) -> Array:
    return whole("sample_size", sample_size, 2, "a variance needs at least two draws").astype(np.float64)


def _fits(fits: ArrayLike, minimum: int = 0) -> Array:
    return whole("fits", fits, minimum).astype(np.float64)


def _log_bias(size: Array, ddof: int) -> Array:
    """log of the mean factor (M - 1) / (M - ddof) of one fit."""
    ddof = choice("ddof", ddof, (0, 1))
    return np.log1p(-1 / size) if ddof == 0 else np.zeros_like(size)


def _step_cgf(theta: ArrayLike, size: Array, ddof: int) -> NDArray[Any]:
    """log E[(chi2_{M-1} / (M - ddof))^theta], for Re theta > -(M - 1) / 2."""
    return log_gamma_increment((size - 1) / 2, theta) + np.asarray(theta) * _log_bias(size, ddof)


def log_c4(sample_size: ArrayLike) -> Array:
    r"""Logarithm of :func:`c4`, about ``-1 / (4 M)``, to full relative precision. Exact. Raises ValueError if M < 2."""
    return log_gamma_increment((_sizes(sample_size) - 1) / 2, 0.5)[()]


def c4(sample_size: ArrayLike) -> Array:
    r"""Mean sample standard deviation of ``M`` normal draws (ddof=1) over the true one.

    .. math:: c_4(M) = \sqrt{2/(M-1)}\;\Gamma(M/2) / \Gamma((M-1)/2) = 1 - 1/(4M) + O(M^{-2})

    Exact for every M >= 2; ValueError below. Source: the mean of a chi variable.
    """
    return np.exp(log_c4(sample_size))


@theorem(
    statement="E log(variance) falls by exactly log((M - ddof)/2) - psi((M - 1)/2), about (2 - ddof)/M, a fit",
    conditions="normal, replace, M >= 2",
    order="exact",
    source=_COCHRAN,
)
def expected_log_variance(sample_size: ArrayLike, fits: ArrayLike, *, ddof: int = 1) -> Array:
    r"""Mean log variance after ``fits`` fits.

    .. math:: E \log(\sigma_n^2/\sigma_0^2) = n\,[\psi((M-1)/2) + \log 2 - \log(M-d)]

    Natural logarithm, d = ddof. Exact for every M >= 2; ValueError outside. Source: the mean of a log chi-square.
    """
    size = _sizes(sample_size)
    return _fits(fits) * (digamma_excess((size - 1) / 2) + _log_bias(size, ddof))


@theorem(
    statement="Var log(variance) grows by exactly psi'((M - 1)/2), about 2/M, a fit",
    conditions="normal, replace, M >= 2, either ddof",
    order="exact",
    source=_COCHRAN,
)
def variance_log_variance(sample_size: ArrayLike, fits: ArrayLike) -> Array:
    r"""Variance of the log variance after ``fits`` fits, ``n psi'((M-1)/2)``, the same for both estimators.

    Exact for every M >= 2; ValueError outside. Source: the variance of a log chi-square.
    """
    return _fits(fits) * scipy.special.polygamma(1, (_sizes(sample_size) - 1) / 2)


@theorem(
    statement="log E[variance^theta] = n log[(2/(M - ddof))^theta Gamma((M-1)/2 + theta) / Gamma((M-1)/2)]",
    conditions="normal, replace, M >= 2, theta > -(M - 1)/2 (infinite otherwise)",
    order="exact",
    source=_COCHRAN,
)
def log_variance_cgf(theta: ArrayLike, sample_size: ArrayLike, fits: ArrayLike, *, ddof: int = 1) -> Array:
    r"""Cumulant function ``log E (sigma_n^2/sigma_0^2)^theta`` of the log variance; Chernoff's bounds start here.

    .. math:: K_n(\theta) = n \log\left[\left(\tfrac{2}{M-d}\right)^{\theta}
              \frac{\Gamma(\frac{M-1}{2}+\theta)}{\Gamma(\frac{M-1}{2})}\right]

    Exact for real theta > -(M-1)/2; ``inf`` at or below, where the moment does not exist (0 for no fits at all).
    """
    theta, size = np.broadcast_arrays(real("theta", theta), _sizes(sample_size))
    fits = _fits(fits)
    finite = theta > -(size - 1) / 2
    step = np.where(finite, _step_cgf(np.where(finite, theta, 0), size, ddof), np.inf)
    return np.where(fits == 0, 0.0, np.where(fits == 0, 1.0, fits) * step)[()]


def variance_moment(order: ArrayLike, sample_size: ArrayLike, fits: ArrayLike, *, ddof: int = 1) -> Array:
    r"""``E (sigma_n^2/sigma_0^2)^order``, any real order: :func:`log_variance_cgf` exponentiated. Exact; may be inf."""
    with np.errstate(over="ignore"):
        return np.exp(log_variance_cgf(real("order", order), sample_size, fits, ddof=ddof))


@theorem(
    statement="E variance is constant (ddof=1), or falls as (1 - 1/M)^n (ddof=0)",
    conditions="replace, M >= 2; any source, normal or not",
    order="exact",
    source="law of total variance",
)
def expected_variance(sample_size: ArrayLike, fits: ArrayLike, *, ddof: int = 1) -> Array:
    """``E sigma_n^2/sigma_0^2 = [(M-1)/(M-ddof)]^n``. Exact; it needs only the first two moments, no normality.

    With ddof=1 the mean stays 1 while every chain's variance goes to 0: never test collapse on this mean.
    """
    return np.exp(_fits(fits) * _log_bias(_sizes(sample_size), ddof))


@theorem(
    statement="Var variance = (1 + 2/(M - 1))^n - 1, times (1 - 1/M)^(2n) with ddof=0",
    conditions="normal, replace, M >= 2",
    order="exact",
    source=_COCHRAN,
)
def variance_of_variance(sample_size: ArrayLike, fits: ArrayLike, *, ddof: int = 1) -> Array:
    r"""``Var(sigma_n^2/sigma_0^2) = [(1 + 2/(M-1))^n - 1] [(M-1)/(M-ddof)]^{2n}``. Exact; overflows to inf."""
    size, fits = _sizes(sample_size), _fits(fits)
    growth, bias = fits * np.log1p(2 / (size - 1)), 2 * fits * _log_bias(size, ddof)
    with np.errstate(over="ignore"):
        return np.where(
            growth < 1, np.expm1(np.minimum(growth, 1)) * np.exp(bias), np.exp(growth + bias) - np.exp(bias)
        )[()]


@theorem(
    statement="E sigma decays as c4(M)^n, about exp(-n/(4M)), times (1 - 1/M)^(n/2) with ddof=0",
    conditions="normal, replace, M >= 2",
    order="exact",
    source=_COCHRAN,
)
def expected_deviation(sample_size: ArrayLike, fits: ArrayLike, *, ddof: int = 1) -> Array:
    """``E sigma_n/sigma_0 = c4(M)^n [(M-1)/(M-ddof)]^{n/2}``. Exact."""
    return np.exp(log_expected_deviation(sample_size, fits, ddof=ddof))


def log_expected_deviation(sample_size: ArrayLike, fits: ArrayLike, *, ddof: int = 1) -> Array:
    """Logarithm of :func:`expected_deviation`, for what would underflow or cancel. Exact."""
    size = _sizes(sample_size)
    return _fits(fits) * _step_cgf(0.5, size, ddof)


@theorem(
    statement="E(mean - mean_0)^2 = n/M (ddof=1) or 1 - (1 - 1/M)^n (ddof=0), in true variances",
    conditions="replace, M >= 2; any source, normal or not",
    order="exact",
    source="law of total variance",
)
def expected_mean_error(sample_size: ArrayLike, fits: ArrayLike, *, ddof: int = 1) -> Array:
    """``E(mu_n - mu_0)^2/sigma_0^2``: ``n/M`` for ddof=1, ``1 - (1 - 1/M)^n`` for ddof=0. Exact."""
    ddof = choice("ddof", ddof, (0, 1))
    size, fits = _sizes(sample_size), _fits(fits)
    return fits / size if ddof == 1 else -np.expm1(fits * _log_bias(size, ddof))


@theorem(
    statement="With sizes M_1..M_n: E(mean - mean_0)^2 = sum 1/M_i (ddof=1) or 1 - prod(1 - 1/M_i) (ddof=0)",
    conditions="replace, every M_i >= 2",
    order="exact",
    source="law of total variance; arXiv 2305.17493 for the sum",
)
def scheduled_mean_error(sizes: ArrayLike, *, ddof: int = 1) -> Array:
    """``E(mu_n - mu_0)^2/sigma_0^2`` after each of the fits to ``sizes`` (n,) draws, an array (n,). Exact.

    It stays bounded, for ddof=1, if and only if ``sum 1/M_i`` converges.
    """
    ddof = choice("ddof", ddof, (0, 1))
    sizes = _schedule(sizes)
    return np.cumsum(1 / sizes) if ddof == 1 else -np.expm1(np.cumsum(_log_bias(sizes, ddof)))


@theorem(
    statement="The variance keeps a positive limit if and only if sum 1/M_i converges",
    conditions="normal, replace, every M_i >= 2",
    order="exact",
    source="Kolmogorov's three series (Kakutani's dichotomy); derived in theory/derivations/gaussian.md",
)
def scheduled_log_variance(sizes: ArrayLike, *, ddof: int = 1) -> tuple[Array, Array]:
    """Mean and variance of ``log(sigma_n^2/sigma_0^2)`` after each fit of a schedule, two arrays (n,). Exact.

    The steps are independent, with means about ``-(2 - ddof)/M_i`` and variances about ``2/M_i``.
    """
    sizes = _schedule(sizes)
    return np.cumsum(expected_log_variance(sizes, 1, ddof=ddof)), np.cumsum(variance_log_variance(sizes, 1))


def _schedule(sizes: ArrayLike) -> Array:
    array = whole("sizes", sizes, 2, "a variance needs at least two draws").astype(np.float64)
    if array.ndim != 1 or array.size == 0:
        raise ValueError(f"sizes must be a list of sample sizes, one a fit, got shape {array.shape}")
    return array


@theorem(
    statement="The law of log(variance) is n independent log chi-squares; P(variance <= e^x) by contour integration",
    conditions="normal, replace, M >= 2, n >= 1",
    order="exact",
    source=f"{_COCHRAN}; the inversion formula of Gil-Pelaez, moved to the saddle point",
)
def log_variance_cdf(log_ratio: ArrayLike, sample_size: ArrayLike, fits: ArrayLike, *, ddof: int = 1) -> Array:
    r"""``P(log(sigma_n^2/sigma_0^2) <= log_ratio)``: the collapse probability at a threshold ``exp(log_ratio)``.

    The integral of :func:`log_variance_cgf` over a vertical line in the complex plane. Exact but for
    rounding: relative error about 1e-12, and 1e-10 in a tail of 1e-250. Raises ValueError unless
    2 <= M <= 10^12 and fits >= 1.
    """
    return _law(log_ratio, sample_size, fits, ddof, 0)


def log_variance_sf(log_ratio: ArrayLike, sample_size: ArrayLike, fits: ArrayLike, *, ddof: int = 1) -> Array:
    """``P(log(sigma_n^2/sigma_0^2) > log_ratio)``, as exact in the far upper tail as :func:`log_variance_cdf` below."""
    return _law(log_ratio, sample_size, fits, ddof, 1)


def _law(log_ratio: ArrayLike, sample_size: ArrayLike, fits: ArrayLike, ddof: int, side: int) -> Array:
    ddof = choice("ddof", ddof, (0, 1))

    def one(x: float, size: float, n: float) -> float:
        half, drift = (size - 1) / 2, float(_log_bias(np.asarray(size), ddof))
        return _contour.tails(
            lambda theta: n * _step_cgf(theta, np.asarray(size), ddof),
            lambda t: n * float(digamma_excess(half + t) + np.log1p(t / half) + drift),
            lambda t: n * float(scipy.special.polygamma(1, half + t)),
            -half,
            x,
        )[side]

    size = whole("sample_size", sample_size, 2, "the integral keeps its digits to there", _contour.LARGEST)
    walk = real("log_ratio", log_ratio), size.astype(np.float64), _fits(fits, 1)
    return np.vectorize(one, otypes=[np.float64])(*walk)[()]

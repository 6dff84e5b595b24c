"""Scale and shape families whose logarithm is an exact gamma walk; the estimator decides the direction of collapse."""

from __future__ import annotations

import numpy as np
import scipy
from numpy.typing import ArrayLike

from modelcollapse_theory._domain import Array, flag, positive, real, whole
from modelcollapse_theory._log_gamma import digamma_excess, log_gamma_increment
from modelcollapse_theory._register import theorem

_OWN = "derived in theory/derivations/exponential-families.md"


def _fits(fits: ArrayLike) -> Array:
    return whole("fits", fits).astype(np.float64)


def _log1p_minus(u: Array) -> Array:
    """log(1 + u) - u without cancellation, for |u| <= 1."""
    small = np.abs(u) < 0.1
    v = np.where(small, u, 0.0)
    total = np.zeros_like(v)
    for k in range(20, 1, -1):
        total = total * v + (-1) ** (k + 1) / k
    with np.errstate(divide="ignore"):
        return np.where(small, v**2 * total, np.log1p(u) - u)


@theorem(
    statement="Gamma law, known shape k: a fit lowers the log mean by log(kM) - psi(kM), variance psi'(kM)",
    conditions="gamma with known shape (1: exponential), mean refitted, replace, M >= 1",
    order="exact",
    source=_OWN,
)
def gamma_log_mean(sample_size: ArrayLike, fits: ArrayLike, *, shape: ArrayLike = 1.0) -> tuple[Array, Array]:
    r"""Mean and variance of ``log(m_n/m_0)`` for gamma draws of known ``shape`` (1: exponential).

    .. math:: m_n = m_0 \prod_{t\le n} \Gamma_t(kM) / (kM), \qquad E\log = n\,[\psi(kM) - \log kM],
              \quad \mathrm{Var} = n\,\psi'(kM)

    Exact: the mean itself is a martingale, its logarithm sinks. Raises ValueError unless M >= 1 and shape > 0.
    """
    total = whole("sample_size", sample_size, 1) * positive("shape", shape)
    return _fits(fits) * digamma_excess(total), _fits(fits) * scipy.special.polygamma(1, total)


@theorem(
    statement="Gamma law, known shape k: log E[mean^theta] = n log[Gamma(kM + theta) / (Gamma(kM) (kM)^theta)]",
    conditions="gamma with known shape, mean refitted, replace, M >= 1, theta > -kM (infinite otherwise)",
    order="exact",
    source=_OWN,
)
def gamma_mean_cgf(theta: ArrayLike, sample_size: ArrayLike, fits: ArrayLike, *, shape: ArrayLike = 1.0) -> Array:
    """Cumulant function of ``log(m_n/m_0)`` for gamma draws of known ``shape``. Exact; inf where no moment exists."""
    total = whole("sample_size", sample_size, 1) * positive("shape", shape)
    return _gamma_walk(real("theta", theta), total, _fits(fits))


def _gamma_walk(theta: Array, total: Array, fits: Array) -> Array:
    theta, total, fits = np.broadcast_arrays(theta, total, fits)
    finite = theta > -total
    step = np.where(finite, log_gamma_increment(total, np.where(finite, theta, 0.0)), np.inf)
    return np.where(fits == 0, 0.0, np.where(fits == 0, 1.0, fits) * step)[()]


@theorem(
    statement="Uniform on [0, b]: -M log(b_n/b_0) is Gamma(n, 1) with the maximum; correcting its bias by (M + 1)/M "
    "still collapses, at about 1/(2 M^2) a fit",
    conditions="uniform, upper end refitted, replace, M >= 1",
    order="exact",
    source=_OWN,
)
def uniform_log_end(sample_size: ArrayLike, fits: ArrayLike, *, unbiased: bool = False) -> tuple[Array, Array]:
    """Mean and variance of ``log(b_n/b_0)`` for uniform draws on [0, b]: each fit takes an exponential of mean 1/M off.

    The estimator is the maximum, times ``(M + 1)/M`` if ``unbiased``. Exact. Raises ValueError unless M >= 1.
    """
    unbiased = flag("unbiased", unbiased)
    inverse = 1 / whole("sample_size", sample_size, 1).astype(np.float64)
    drift = _log1p_minus(inverse) if unbiased else -inverse
    return _fits(fits) * drift, _fits(fits) * inverse**2


def uniform_end_cdf(log_ratio: ArrayLike, sample_size: ArrayLike, fits: ArrayLike, *, unbiased: bool = False) -> Array:
    """``P(log(b_n/b_0) <= log_ratio)`` for the walk of :func:`uniform_log_end`, a gamma law. Exact; fits >= 1."""
    unbiased = flag("unbiased", unbiased)
    size, fits = whole("sample_size", sample_size, 1).astype(np.float64), whole("fits", fits, 1).astype(np.float64)
    top = fits * np.log1p(1 / size) if unbiased else np.zeros_like(size)
    return scipy.special.gammaincc(fits, size * np.maximum(top - real("log_ratio", log_ratio), 0.0))


@theorem(
    statement="Pareto tail index: the log index rises by log M - psi(M) > 0 a fit by maximum likelihood, and falls by "
    "psi(M) - log(M - 1) once that is made unbiased",
    conditions="Pareto with known minimum, index refitted, replace, M >= 1 (unbiased: M >= 2)",
    order="exact",
    source=_OWN,
)
def pareto_log_index(sample_size: ArrayLike, fits: ArrayLike, *, unbiased: bool = False) -> tuple[Array, Array]:
    r"""Mean and variance of ``log(alpha_n/alpha_0)`` for a Pareto tail index refitted to its own draws.

    .. math:: \alpha_n = \alpha_0 \prod_{t\le n} c / \Gamma_t(M), \qquad c = M \text{ (maximum likelihood)},\;
              M - 1 \text{ (unbiased)}

    Exact. Tails die out in the first case (alpha to infinity) and take over in the second (alpha to 0).
    """
    size = _index_sizes(sample_size, unbiased)
    drift = -digamma_excess(size) + (np.log1p(-1 / size) if unbiased else 0.0)
    return _fits(fits) * drift, _fits(fits) * scipy.special.polygamma(1, size)


@theorem(
    statement="Pareto tail index: log E[index^theta] = n log[c^theta Gamma(M - theta)/Gamma(M)], c = M or M - 1",
    conditions="Pareto with known minimum, index refitted, replace, theta < M (infinite otherwise)",
    order="exact",
    source=_OWN,
)
def pareto_index_cgf(theta: ArrayLike, sample_size: ArrayLike, fits: ArrayLike, *, unbiased: bool = False) -> Array:
    """Cumulant function of ``log(alpha_n/alpha_0)``. Exact; inf where no moment exists."""
    size, theta, fits = _index_sizes(sample_size, unbiased), real("theta", theta), _fits(fits)
    walk = _gamma_walk(-theta, size, fits)
    return walk + fits * theta * np.log1p(-1 / size) if unbiased else walk


def _index_sizes(sample_size: ArrayLike, unbiased: bool) -> Array:
    unbiased = flag("unbiased", unbiased)
    least, reason = (2, "the unbiased index needs (M - 1) above 0") if unbiased else (1, "")
    return whole("sample_size", sample_size, least, reason).astype(np.float64)

"""Single chains of normal refits collapse for certain, and no constant correction of the variance prevents it."""

from __future__ import annotations

import numpy as np
import scipy
from numpy.typing import ArrayLike, NDArray

from modelcollapse_theory import gaussian
from modelcollapse_theory._domain import Array, choice, positive, whole, within
from modelcollapse_theory._register import theorem


@theorem(
    statement="P(tr Sigma_n > eps tr Sigma_0) <= d eps^(-1/2) c4(M)^n, times (1 - 1/M)^(n/2) with ddof=0",
    conditions="normal in d dimensions, replace, M >= 2 (singular fits included)",
    order="exact (an upper bound)",
    source="derived in theory/derivations/gaussian.md",
)
def collapse_bound(
    threshold: ArrayLike, sample_size: ArrayLike, fits: ArrayLike, *, dimension: ArrayLike = 1, ddof: int = 1
) -> Array:
    """Upper bound on ``P(tr Sigma_n > threshold tr Sigma_0)`` from Markov's inequality on sigma; at most 1.

    A bound for every n, M >= 2 and d. ``d * gaussian.log_variance_sf(log(threshold), ...)`` is the sharper union bound.
    """
    threshold, dimension = positive("threshold", threshold), whole("dimension", dimension, 1)
    log_bound = (
        np.log(dimension) - 0.5 * np.log(threshold) + gaussian.log_expected_deviation(sample_size, fits, ddof=ddof)
    )
    return np.exp(np.minimum(log_bound, 0.0))


def collapse_fits(
    threshold: ArrayLike, risk: ArrayLike, sample_size: ArrayLike, *, dimension: ArrayLike = 1, ddof: int = 1
) -> NDArray[np.int64]:
    """The fewest fits after which :func:`collapse_bound` is at most ``risk``. Exact inversion of that bound."""
    threshold, dimension = positive("threshold", threshold), whole("dimension", dimension, 1)
    risk = within("risk", risk, 0, 1, open_low=True)
    needed = np.log(dimension) - 0.5 * np.log(threshold) - np.log(risk)
    fits = np.maximum(needed, 0) / -gaussian.log_expected_deviation(sample_size, 1, ddof=ddof)
    return whole("sample_size * log(dimension^2 / (threshold * risk^2))", np.ceil(fits))


@theorem(
    statement="The limit of the mean has a power tail, index exactly 2 (ddof=1) or 4 + O(1/M) (ddof=0)",
    conditions="normal, replace, constant M >= 2",
    order="exact",
    source="Kesten-Goldie theorem on perpetuities; derived in theory/derivations/gaussian.md",
)
def mean_tail_index(sample_size: ArrayLike, *, ddof: int = 1) -> Array:
    r"""The index kappa of ``P(|mu_inf - mu_0| > x) ~ C x^{-kappa}``: ``E (chi2_{M-1}/(M-ddof))^{kappa/2} = 1``.

    Exactly 2 for ddof=1, so that ``E (mu_inf - mu_0)^2`` is infinite; above 4 for ddof=0.
    """
    ddof = choice("ddof", ddof, (0, 1))
    size = whole("sample_size", sample_size, 2, "a variance needs at least two draws").astype(np.float64)
    if ddof == 1:
        return np.full_like(size, 2.0)[()]

    def root(m: float) -> float:
        return 2 * float(
            scipy.optimize.brentq(
                lambda s: float(gaussian.log_variance_cgf(s, m, 1, ddof=0)) / s, 1.5, 10.0, xtol=1e-13
            )
        )

    return np.vectorize(root, otypes=[np.float64])(size)[()]


@theorem(
    statement="Scaling each variance by rho makes log(variance) a driftless, null-recurrent walk at exactly one "
    "rho, and there E variance explodes",
    conditions="normal, replace, constant M >= 2",
    order="exact",
    source="Chung-Fuchs theorem; derived in theory/derivations/gaussian.md",
)
def neutral_scale(sample_size: ArrayLike, *, ddof: int = 1) -> Array:
    r"""The factor rho on each fitted variance above which single chains explode and below which they collapse.

    .. math:: \rho = \exp(-E\log(\chi^2_{M-1}/(M-d))) = 1 + (2-d)/M + O(M^{-2}) > (M-d)/(M-1)

    Exact. At this rho ``E sigma_n^2`` grows without bound although the typical chain does not.
    """
    return np.exp(-gaussian.expected_log_variance(sample_size, 1, ddof=ddof))


@theorem(
    statement="With eps added to each fitted variance, the variance settles: InvGamma(shape 2 - ddof, scale eps M)",
    conditions="normal, replace, constant M, M large",
    order="O(1/M)",
    source="stationary density of the diffusion limit; derived in theory/derivations/gaussian.md",
)
def regularised_variance_cdf(
    variance: ArrayLike, sample_size: ArrayLike, regularisation: ArrayLike, *, ddof: int = 0
) -> Array:
    r"""Stationary ``P(v <= variance)`` of ``v' = v chi2_{M-1}/(M - ddof) + eps``, eps = ``regularisation``.

    .. math:: \varepsilon M / v \sim \mathrm{Gamma}(2 - d), \qquad d = \mathrm{ddof}

    Error O(1/M). With ddof=0 the mean ``eps M`` and the variance ``(2 M - 2) (eps M)^2`` are exact at every M; with
    ddof=1 not even the mean exists. This is where a floor such as ``reg_covar`` stops a mixture from collapsing.
    """
    ddof = choice("ddof", ddof, (0, 1))
    scale = positive("regularisation", regularisation) * whole("sample_size", sample_size, 2)
    return scipy.special.gammaincc(2 - ddof, scale / positive("variance", variance))


def regularised_variance_quantile(
    probability: ArrayLike, sample_size: ArrayLike, regularisation: ArrayLike, *, ddof: int = 0
) -> Array:
    """The inverse of :func:`regularised_variance_cdf` at ``probability`` in (0, 1). Error O(1/M)."""
    ddof = choice("ddof", ddof, (0, 1))
    scale = positive("regularisation", regularisation) * whole("sample_size", sample_size, 2)
    probability = within("probability", probability, 0, 1, open_low=True, open_high=True)
    return scale / scipy.special.gammainccinv(2 - ddof, probability)

"""Three sources of error: finite samples act at every fit, a poor family at the first, a biased learner by a power.

Finite samples are the subject of the other modules. Here: what one normal makes of a truth that is not normal
(expressivity), what a learner that shrinks by a fixed factor does (functional approximation), and what becomes of two
or three at once. Finite precision has a module of its own, ``precision``.
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import scipy
from numpy.typing import ArrayLike

from modelcollapse_theory import gaussian
from modelcollapse_theory._domain import (
    SQUARABLE,
    Array,
    choice,
    law,
    one_real,
    one_whole,
    positive,
    real,
    whole,
    within,
)
from modelcollapse_theory._register import theorem

_OWN = "derived in theory/derivations/errors.md"


def _mixture(weights: ArrayLike, means: ArrayLike, variances: ArrayLike) -> tuple[Array, Array, Array]:
    weights, means, variances = law("weights", weights), real("means", means), positive("variances", variances)
    if not weights.shape == means.shape == variances.shape:
        raise ValueError(
            "weights, means and variances must have one entry a component, "
            f"got shapes {weights.shape}, {means.shape}, {variances.shape}"
        )
    return weights, means, variances


def mixture_moments(weights: ArrayLike, means: ArrayLike, variances: ArrayLike) -> tuple[float, float, float]:
    """Mean, variance and excess kurtosis of a one-dimensional mixture of normals, components (K,). Exact."""
    weights, means, variances = _mixture(weights, means, variances)
    mean = weights @ means
    shift = means - mean
    variance = weights @ (variances + shift**2)
    fourth = weights @ (3 * variances**2 + 6 * variances * shift**2 + shift**4)
    return float(mean), float(variance), float(fourth / variance**2 - 3)


@theorem(
    statement="One normal fitted to any truth of variance V: E variance_n = V, or V (1 - 1/M)^n with ddof=0",
    conditions="replace, M >= 2; any truth with a variance",
    order="exact",
    source=_OWN,
)
def misfitted_variance(variance: ArrayLike, sample_size: ArrayLike, fits: ArrayLike, *, ddof: int = 1) -> Array:
    """``E sigma_n^2`` of one normal fitted to a truth of the given ``variance``, then refitted to its own draws. Exact.

    The shape of the truth does not enter, nor does it enter ``E (mu_n - mu)^2``, :func:`misfitted_mean_error`.
    """
    return positive("variance", variance) * gaussian.expected_variance(sample_size, fits, ddof=ddof)


def misfitted_mean_error(variance: ArrayLike, sample_size: ArrayLike, fits: ArrayLike, *, ddof: int = 1) -> Array:
    """``E (mu_n - mu)^2``, V times ``gaussian.expected_mean_error``, whatever the truth's shape. Exact."""
    return positive("variance", variance) * gaussian.expected_mean_error(sample_size, fits, ddof=ddof)


@theorem(
    statement="One normal fitted to a truth of excess kurtosis k: E variance_n^2 = "
    "V^2 (1 + 2/(M-1) + k/M)(1 + 2/(M-1))^(n-1)",
    conditions="replace, M >= 2, n >= 1, finite fourth moment; times (1 - 1/M)^(2n) with ddof=0",
    order="exact",
    source=_OWN,
)
def misfitted_fourth_moment(
    variance: ArrayLike, kurtosis: ArrayLike, sample_size: ArrayLike, fits: ArrayLike, *, ddof: int = 1
) -> Array:
    r"""``E sigma_n^4``: the kurtosis of the truth enters once, at the first fit; every later fit sees a normal.

    .. math:: E\sigma_n^4 = V^2\left(1+\frac2{M-1}+\frac{\kappa}M\right)\left(1+\frac2{M-1}\right)^{n-1}
              \left(\frac{M-1}{M-d}\right)^{2n}

    Exact. ``kurtosis`` is the excess kurtosis, at least -2. Raises ValueError outside, and for fits < 1. May reach inf.
    """
    kurtosis = within("kurtosis", kurtosis, -2, np.inf)
    fits = whole("fits", fits, 1)
    size = whole("sample_size", sample_size, 2, "a variance needs at least two draws").astype(np.float64)
    first = 1 + 2 / (size - 1) + kurtosis / size
    with np.errstate(over="ignore"):
        later = np.exp((fits - 1) * np.log1p(2 / (size - 1)))
    bias = gaussian.expected_variance(sample_size, 2 * fits, ddof=ddof)
    return within("variance", variance, 0, SQUARABLE, open_low=True) ** 2 * first * later * bias


@theorem(
    statement="With endless data, one normal fitted to p0 is frozen from the first fit, at KL(p0 || N) = h(N) - h(p0)",
    conditions="infinite samples; p0 a mixture of normals in one dimension",
    order="exact",
    source=_OWN,
)
def expressivity_gap(weights: ArrayLike, means: ArrayLike, variances: ArrayLike) -> float:
    """``KL(p0 || N(mu, V))`` in nats from a mixture of normals to the one normal with its moments, by quadrature.

    ``log(2 pi e V)/2 - h(p0)``: what the family cannot say, lost at the first fit, never again. Absolute error 1e-10.
    """
    weights, means, variances = _mixture(weights, means, variances)
    mean, variance, _ = mixture_moments(weights, means, variances)
    sds = np.sqrt(variances)

    def integrand(x: float) -> float:
        parts = -0.5 * (x - means) ** 2 / variances - np.log(sds) + np.log(np.maximum(weights, 1e-300))
        mixed = float(scipy.special.logsumexp(parts))
        normal = -0.5 * (x - mean) ** 2 / variance - 0.5 * np.log(variance)
        return float(np.exp(mixed) * (mixed - normal)) / np.sqrt(2 * np.pi)

    cuts = np.unique(np.concatenate([means + k * sds for k in (-39, -8, -3, 0, 3, 8, 39)]))
    pieces = [scipy.integrate.quad(integrand, a, b, epsabs=1e-13, limit=200)[0] for a, b in pairwise(cuts)]
    return float(max(0.0, np.sum(pieces)))


@theorem(
    statement="One normal fitted to p0: E KL(p0 || N_n) = KL(p0 || N(mu, V)) + E KL(N(mu, V) || N_n): expressivity "
    "adds exactly, "
    "once, and sampling comes on top",
    conditions="replace, M >= 4; p0 one normal, or two of one variance; ddof 0 or 1; refits in part, by a share r",
    order="exact (sums over labels)",
    source=_OWN,
)
def expected_divergence(
    weights: ArrayLike,
    means: ArrayLike,
    variance: ArrayLike,
    sample_size: int,
    fits: ArrayLike,
    *,
    ddof: int = 1,
    rate: float = 1.0,
) -> Array:
    r"""``E KL(p0 || N_n)`` in nats: the mean excess log loss on real data of one normal after n ``fits`` (at least 1).

    .. math:: E\,KL(p_0\|N_n) = KL(p_0\|N(\mu,V))
              + \tfrac12\left[V a_n + b_n - 1 + E\log\frac{\sigma_n^2}{V}\right]

    with :math:`a_n = E\sigma_n^{-2}`, :math:`b_n = E(\mu_n-\mu)^2/\sigma_n^2`. Both multiply by :math:`c = E[G^{-r}]`,
    :math:`G = \chi^2_{M-1}/(M-d)`, at every fit after the first, and b gains :math:`c\,r^2/M`. ``p0`` has components
    ``weights`` (K,), ``means`` (K,), K at most 2, of one ``variance`` (), so that given the labels a first scatter is a
    noncentral chi-square. ``rate`` r is that of a partial refit in mean and log deviation, of all but the first. Exact;
    may reach inf. M at most 10^7.
    """
    w, m = law("weights", weights), real("means", means)
    ddof, v = choice("ddof", ddof, (0, 1)), one_real("variance", variance, 0, open_low=True)
    if w.shape != m.shape or w.size > 2:
        raise ValueError(
            f"weights and means must have one entry for each of at most two components, got {w.shape}, {m.shape}"
        )
    size = one_whole("sample_size", sample_size, 4, "the mean of 1/variance is infinite below 4", 10**7)
    n = whole("fits", fits, 1)
    r, half, divisor = one_real("rate", rate, 0, 1), (size - 1) / 2, size - ddof
    mean, whole_variance, _ = mixture_moments(w, m, np.full(w.size, v))
    drift = float(gaussian.expected_log_variance(size, 1, ddof=ddof))
    inverse, gap, log = _first_fit(w, m - mean, v, size, divisor)
    factor = np.exp(r * np.log(divisor / 2) + scipy.special.gammaln(half - r) - scipy.special.gammaln(half))
    power = factor ** (n - 1)
    with np.errstate(invalid="ignore"):
        added = r**2 / size * np.where(factor == 1, n - 1, factor * (power - 1) / (factor - 1 if factor != 1 else 1.0))
    inner = (
        whole_variance * inverse * power + gap * power + added - 1 + log + (n - 1) * r * drift - np.log(whole_variance)
    )
    return expressivity_gap(w, m, np.full(w.size, v)) + 0.5 * inner


def _first_fit(w: Array, shift: Array, v: float, size: int, divisor: int) -> tuple[float, float, float]:
    """``E 1/s^2``, ``E (mean - mu)^2/s^2`` and ``E log s^2`` of the first fit to a mixture of one or two normals of
    variance v.
    """
    labels = np.arange(size + 1)
    chance = scipy.stats.binom.pmf(labels, size, w[0])
    labels, chance = labels[chance > 1e-20], chance[chance > 1e-20]
    gap = shift[0] - shift[-1]
    centre = shift[-1] + labels / size * gap
    half, loads = (size - 1) / 2, labels * (size - labels) / size * gap**2 / (2 * v)
    inverse, log = np.empty(labels.size), np.empty(labels.size)
    for i, load in enumerate(loads):  # a noncentral chi-square is a central one with a Poisson number of pairs more
        width = 12 * np.sqrt(load) + 40
        pairs = np.arange(max(0, int(load - width)), int(load + width) + 1)
        weight = scipy.stats.poisson.pmf(pairs, load)
        inverse[i] = weight @ (0.5 / (half - 1 + pairs))
        log[i] = weight @ (scipy.special.digamma(half + pairs) + np.log(2))
    scale = divisor / v
    return (
        float(chance @ inverse * scale),
        float(chance @ ((centre**2 + v / size) * inverse) * scale),
        float(chance @ log - np.log(scale)),
    )


@theorem(
    statement="A refit that goes only the share r of the way: E log variance drifts r times as fast after the "
    "first fit",
    conditions="normal, replace, M >= 2; mean and log deviation blended",
    order="exact",
    source=_OWN,
)
def damped_log_variance(rate: ArrayLike, sample_size: ArrayLike, fits: ArrayLike, *, ddof: int = 1) -> Array:
    """``E log(sigma_n^2/sigma_0^2)`` after ``fits`` (at least 1), the first in full. A warm start with few steps is
    slower collapse. Exact.
    """
    n, rate = whole("fits", fits, 1), within("rate", rate, 0, 1)
    return (1 + rate * (n - 1)) * gaussian.expected_log_variance(sample_size, 1, ddof=ddof)


@theorem(
    statement="A learner biased by factors a_j on a given design: risk sum_j [s_j w_j^2 (1 - a_j^n)^2 + sigma^2/T "
    "sum_i a_j^(2i)]: "
    "bias of the learner plus noise of the samples, less what the bias takes off the noise",
    conditions="ridge, a = s/(s + l), or gradient descent stopped, a = 1 - (1 - eta s)^k; the same T rows at every "
    "fit; "
    "s, w: eigenvalues of X'X/T and weights along them",
    order="exact",
    source=_OWN,
)
def shrunken_risk(
    eigenvalues: ArrayLike,
    weights: ArrayLike,
    kept: ArrayLike,
    noise_variance: ArrayLike,
    sample_size: ArrayLike,
    fits: ArrayLike,
) -> tuple[Array, Array]:
    r"""Mean excess risk on the design's own rows after n ``fits``: the part of the learner's bias and that of noise,
    each ``fits.shape``.

    .. math:: \sum_j s_j w_j^2 (1 - a_j^n)^2, \qquad \frac{\sigma^2}{T} \sum_j \sum_{i=1}^n a_j^{2i}

    ``eigenvalues``, ``weights`` and ``kept`` a are vectors (d,); ``kept`` as of :func:`ridge_shrinkage` or
    :func:`gradient_shrinkage` at one fit. The first part is what infinitely many labels give; at a = 1 the
    second is n d sigma^2/T. Exact.
    """
    s, a = within("eigenvalues", eigenvalues, 0, np.inf), within("kept", kept, 0, 1)
    w, n = real("weights", weights), whole("fits", fits)[..., None]
    if not s.shape == a.shape == w.shape or s.ndim != 1:
        raise ValueError(
            f"eigenvalues, weights and kept must be vectors of one length, got {s.shape}, {w.shape}, {a.shape}"
        )
    noise = within("noise_variance", noise_variance, 0, np.inf) / whole("sample_size", sample_size, 1)
    square = np.where(a < 1, a**2, 0.0)
    heard = np.where(a < 1, square * (1 - square**n) / (1 - square), n)
    return (s * w**2 * (1 - a**n) ** 2).sum(-1), noise * heard.sum(-1)


@theorem(
    statement="A learner that multiplies each fitted variance by rho: E variance_n = rho^n, E log variance falls by "
    "log((M - 1)/2) - psi((M - 1)/2) - log rho a fit",
    conditions="normal, replace, M >= 2, rho > 0",
    order="exact",
    source=_OWN,
)
def biased_log_variance(
    factor: ArrayLike, sample_size: ArrayLike, fits: ArrayLike, *, ddof: int = 1
) -> tuple[Array, Array]:
    """``E log variance`` and ``log E variance`` after n fits whose variances are multiplied by rho = ``factor``. Exact.

    The two errors add in the log. ``collapse.neutral_scale`` is the factor that makes the first of them stand still.
    """
    bias = whole("fits", fits) * np.log(positive("factor", factor))
    mean = gaussian.expected_log_variance(sample_size, fits, ddof=ddof)
    return mean + bias, gaussian.log_variance_cgf(1.0, sample_size, fits, ddof=ddof) + bias


@theorem(
    statement="Ridge shrinks an eigendirection of the covariates with eigenvalue s by s/(s + penalty) at every fit",
    conditions="noiseless labels from the fit before, population covariance (or the same design)",
    order="exact",
    source=_OWN,
)
def ridge_shrinkage(eigenvalue: ArrayLike, penalty: ArrayLike, fits: ArrayLike) -> Array:
    """``(s/(s + l))^n``, what is left of the true weight along an eigendirection after ``fits`` ridge fits. Exact.

    ``s`` is the eigenvalue of the covariates' second-moment matrix, ``l`` the penalty beside the mean squared error.
    """
    eigenvalue, penalty = within("eigenvalue", eigenvalue, 0, np.inf), positive("penalty", penalty)
    return (eigenvalue / (eigenvalue + penalty)) ** whole("fits", fits)


@theorem(
    statement="Gradient descent from 0 stopped at k steps learns 1 - (1 - eta s)^k of a direction; n fits keep "
    "its n-th power",
    conditions="noiseless labels from the fit before, population covariance (or the same design), 0 <= eta s <= 1",
    order="exact",
    source=_OWN,
)
def gradient_shrinkage(eigenvalue: ArrayLike, rate: ArrayLike, steps: ArrayLike, fits: ArrayLike) -> Array:
    """``[1 - (1 - eta s)^k]^n`` after ``fits`` cold starts at 0 of k ``steps`` at learning ``rate`` eta. Exact.

    A gradient step is ``w - eta S (w - target)``. Raises ValueError unless ``0 <= eta s <= 1``.
    """
    eigenvalue, rate = within("eigenvalue", eigenvalue, 0, np.inf), positive("rate", rate)
    stride = within("eigenvalue * rate", eigenvalue * rate, 0, 1)
    with np.errstate(divide="ignore"):
        learned = -np.expm1(whole("steps", steps, 1) * np.log1p(-stride))
    return learned ** whole("fits", fits)

r"""Posterior sampling of normal, Poisson and gamma laws: second moments by exact recursions, logarithms without drift.

Priors are conjugate and worth a = ``strength`` items at a base: for the normal law normal-inverse-Wishart with
kappa = a, nu = a - 1 and scale a Sigma_b; for a Poisson mean Gamma(a m_b, rate a); for the rate of a gamma law of
known shape k Gamma(k a, rate a m_b). With a = 0 they are the reference priors, under which a fit multiplies the scale
by a ratio of two independent chi-squares of equal degrees of freedom: its logarithm is a walk without drift, which
neither collapses on average nor settles.

``per="fit"`` draws the parameters once for each fit, and the moments are theirs. ``per="item"`` draws them for each
item, and the moments are those of the law of one item, of which the posterior is the mixture. ``sizes`` (n,) are
M_1, ..., M_n; trajectories have n + 1 entries, the truth first. Derived in theory/derivations/remedies.md.
"""

from __future__ import annotations

import numpy as np
import scipy
from numpy.typing import ArrayLike

from modelcollapse_theory._domain import (
    LONGEST,
    SQUARABLE,
    Array,
    NotCovered,
    choice,
    one_real,
    one_whole,
    real,
    schedule,
    whole,
)
from modelcollapse_theory._log_gamma import log_gamma_increment
from modelcollapse_theory._register import theorem
from modelcollapse_theory._selected import relative_noise

_SOURCE = "derived in theory/derivations/remedies.md"
_REFERENCE = "normal-inverse-Wishart reference prior (a = 0)"
PER = ("fit", "item")


def _strength(value: float) -> float:
    return one_real("strength", value, 0, SQUARABLE)


def _sizes(sample_size: ArrayLike) -> Array:
    return whole("sample_size", sample_size, 2, "a variance needs at least two draws").astype(np.float64)


# --- the reference prior of a normal law -----------------------------------------------------------------------------


@theorem(
    statement="sigma'^2/sigma^2 ~ F(M-1, M-1): E log variance has no drift, and Var grows by 2 psi'((M-1)/2) a fit",
    conditions=f"normal, {_REFERENCE}, one posterior draw for each fit, replace, M >= 2",
    order="exact",
    source=_SOURCE,
)
def reference_log_variance(sample_size: ArrayLike, fits: ArrayLike) -> tuple[Array, Array]:
    r"""Mean and variance of :math:`\ln(\sigma_n^2/\sigma_0^2)`: 0 and :math:`2 n\,\psi'((M-1)/2)`.

    The walk is null-recurrent: there is no stationary law, and every variance is passed again and again. Exact.
    """
    spread = 2 * whole("fits", fits) * scipy.special.polygamma(1, (_sizes(sample_size) - 1) / 2)
    return np.zeros_like(spread), spread


@theorem(
    statement="E (sigma_n^2/sigma_0^2)^theta = [Gamma(nu/2+theta) Gamma(nu/2-theta)/Gamma(nu/2)^2]^n, |theta| < nu/2, "
    "nu = M-1: E variance = (nu/(nu-2))^n grows",
    conditions=f"normal, {_REFERENCE}, one posterior draw for each fit, replace, M >= 2",
    order="exact",
    source=_SOURCE,
)
def reference_variance_moment(order: ArrayLike, sample_size: ArrayLike, fits: ArrayLike) -> Array:
    r"""E of the variance to the power theta = ``order``: of the deviation at 1/2, of the precision at -1.

    Even in theta, so variance and precision have the same mean. Exact; ``inf`` for \|theta\| >= (M-1)/2, and beyond
    float64.
    """
    theta, half = np.broadcast_arrays(real("order", order), (_sizes(sample_size) - 1) / 2)
    count = whole("fits", fits).astype(np.float64)
    finite = np.abs(theta) < half
    inside = np.where(finite, theta, 0.0)
    step = np.where(finite, log_gamma_increment(half, inside) + log_gamma_increment(half, -inside), np.inf)
    with np.errstate(over="ignore"):
        return np.exp(np.where(count == 0, 0.0, np.where(count == 0, 1.0, count) * step))


@theorem(
    statement="E log pivot_i moves by psi((M-i)/2) - psi((M-1-d+i)/2) a fit: up in the first half, down in the second; "
    "E log det stays, with variance 2 sum_i psi'((M-i)/2) a fit",
    conditions=f"normal in d dimensions, {_REFERENCE}, one posterior draw for each fit, replace, M > d",
    order="exact",
    source="Bartlett's decomposition; " + _SOURCE,
)
def reference_pivots(sample_size: int, dimension: int) -> tuple[Array, float]:
    r"""Drift of each log pivot (d,) of Sigma = L L^T, and the variance that log det Sigma gains, both for one fit.

    A fit multiplies pivot i = 1..d by :math:`\chi^2_{M-i}/\chi^2_{M-1-d+i}`, independent: the scatter matrix has a
    lower Bartlett factor, the Wishart precision an upper one with its degrees of freedom in reverse order. Exact.
    """
    d = one_whole("dimension", dimension, 1, most=LONGEST)
    size = one_whole("sample_size", sample_size, d + 1, "a covariance needs more draws than dimensions")
    up, down = (size - 1 - np.arange(d)) / 2, (size - d + np.arange(d)) / 2
    return scipy.special.psi(up) - scipy.special.psi(down), 2 * float(scipy.special.polygamma(1, up).sum())


# --- any prior: second moments ---------------------------------------------------------------------------------------


def _normal_law(mean: ArrayLike, covariance: ArrayLike, name: str) -> tuple[Array, Array]:
    mu, sigma = real(f"{name}mean", mean), real(f"{name}covariance", covariance)
    if mu.ndim != 1 or mu.size == 0 or sigma.shape != (mu.size, mu.size):
        raise ValueError(f"{name}covariance must be (d, d) and {name}mean (d,), got {sigma.shape} and {mu.shape}")
    if np.abs(mu).max() > SQUARABLE or np.abs(sigma).max() > SQUARABLE:
        raise NotCovered(f"{name}mean and {name}covariance must lie within {SQUARABLE:g}")
    return mu, sigma


def _normal_scale(total: float, d: int, per: str) -> float:
    """What the posterior's scale matrix is multiplied by to give E Sigma', or the covariance of an item; or inf."""
    degrees = total - d - 2
    if degrees <= 0:
        return np.inf
    return 1 / degrees if choice("per", per, PER) == "fit" else (total + 1) / total / degrees


@theorem(
    statement="E Sigma' = [a Sigma_b + (M-1+a/A) E Sigma + (aM/A) B]/(A-d-2), B' = (M/A)^2 (B + E Sigma/M) + "
    "E Sigma'/A, B = E (mu-mu_b)(mu-mu_b)^T, A = a + M; for each item times (A+1)/A, and no last term of B'",
    conditions="normal-inverse-Wishart prior worth a items at (mu_b, Sigma_b), replace, M + a > d + 2 (else infinite); "
    "a truth with these two moments",
    order="exact",
    source=_SOURCE,
)
def normal_moments(
    mean: ArrayLike,
    covariance: ArrayLike,
    base_mean: ArrayLike,
    base_covariance: ArrayLike,
    sizes: ArrayLike,
    strength: float,
    *,
    per: str = "fit",
) -> tuple[Array, Array, Array]:
    r"""E mu_n (n+1, d), E (mu_n-mu_0)(mu_n-mu_0)^T and E Sigma_n (both (n+1, d, d)) after 0, 1, ..., n fits.

    ``mean`` (d,) and ``covariance`` (d, d) are the truth's, ``base_mean`` and ``base_covariance`` the prior's, worth
    a = ``strength`` items. With a = 0, E Sigma grows by (M-1)/(M-d-2) a fit, and the error of the mean with it.
    ``per="item"``: the mean and covariance of one item, a Student t. Exact; ``inf`` where a moment does not exist.
    """
    (mu, sigma), (base, scatter) = _normal_law(mean, covariance, ""), _normal_law(base_mean, base_covariance, "base_")
    if mu.shape != base.shape:
        raise ValueError(f"base_mean must have the length of mean, got {base.size} and {mu.size}")
    a, off = _strength(strength), mu - base
    shift, about, spread = [off], [np.outer(off, off)], [sigma]
    for size in schedule("sizes", sizes, longest=LONGEST).astype(np.float64):
        total, b, v = a + size, about[-1], spread[-1]
        kept, scale = size / total, _normal_scale(total, mu.size, per)
        with np.errstate(over="ignore", invalid="ignore"):
            new = scale * (a * scatter + (size - 1 + a / total) * v + a * kept * b)
            error = kept**2 * (b + v / size) + (new / total if per == "fit" else 0.0)
        shift.append(kept * shift[-1])
        spread.append(np.where(np.isfinite(new), new, np.inf))
        about.append(np.where(np.isfinite(error), error, np.inf))
    moved, second = np.array(shift), np.array(about)
    cross = moved[:, :, None] * off[None, None, :]
    error = second - cross - np.swapaxes(cross, 1, 2) + np.outer(off, off)
    error[0] = 0.0
    return base + moved, error, np.array(spread)


@theorem(
    statement="E Sigma* = a/(a-d-2) Sigma_b and E (mu-mu_b)(mu-mu_b)^T = Sigma_b/(a-d-2), whatever M: the prior's own",
    conditions="normal-inverse-Wishart prior worth a > d + 2 items, one posterior draw for each fit, replace; for each "
    "item by the same 2 x 2 system, finite iff its spectral radius is below 1",
    order="exact",
    source="Griffiths and Kalish 2007; " + _SOURCE,
)
def normal_limit(sample_size: int, dimension: int, strength: float, *, per: str = "fit") -> tuple[float, float]:
    """Stationary E Sigma and E (mu - mu_b)(mu - mu_b)^T, both in units of Sigma_b; inf where they grow without bound.

    Raises NotCovered for strength 0, where there is no stationary law.
    """
    d, size = one_whole("dimension", dimension, 1), float(one_whole("sample_size", sample_size, 1))
    a = _strength(strength)
    if a == 0:
        raise NotCovered("strength must be positive: under the reference prior no law is stationary, got 0")
    total, fit = a + size, choice("per", per, PER) == "fit"
    scale = _normal_scale(total, d, per)
    if not np.isfinite(scale):
        return np.inf, np.inf
    row = scale * np.array([size - 1 + a / total, a * size / total])
    matrix = np.array([row, np.array([size / total**2, (size / total) ** 2]) + (row / total if fit else 0.0)])
    if np.abs(np.linalg.eigvals(matrix)).max() >= 1:
        return np.inf, np.inf
    spread, error = np.linalg.solve(np.eye(2) - matrix, np.array([scale * a, scale * a / total if fit else 0.0]))
    return float(spread), float(error)


@theorem(
    statement="E ln variance rises by ln[(1+1/M) nu/(nu-2)] - [6/((nu-4) M) + 2/nu]/2, about 2/M, a fit",
    conditions=f"normal, {_REFERENCE}, a posterior draw for each item, replace, M > 5; from the second fit on",
    order="O(M^-2)",
    source=_SOURCE,
)
def item_log_drift(sample_size: ArrayLike) -> Array:
    r"""How much E ln s^2 rises in a fit to M items that are Student t with nu = M - 1 degrees of freedom.

    The log of their variance, less half the relative variance of a sample variance, by the kurtosis 6/(nu - 4): noise
    in the parameters widens each fit, and wins over the bias of the log. Relative error O(1/M).
    """
    size = whole("sample_size", sample_size, 6, "items need a fourth moment").astype(np.float64)
    nu = size - 1
    return np.log1p(1 / size) - np.log1p(-2 / nu) - relative_noise(6 / (nu - 4), size) / 2


@theorem(
    statement="E m' = (a m_b + M E m)/A, Var m' = [M^2 Var m + a m_b + 2M E m]/A^2, A = a + M; Var* = m_b/a",
    conditions="Poisson, prior of the mean Gamma(a m_b, rate a), replace; for each item E m of the last fit's mean, "
    "Var m' = (M/A)^2 [Var m + E m (1 + 1/A_last)/M], without the 1/A_last where the truth was drawn from",
    order="exact",
    source=_SOURCE,
)
def poisson_moments(
    mean: float, base_mean: float, sizes: ArrayLike, strength: float, *, per: str = "fit"
) -> tuple[Array, Array]:
    r"""E m_n and E (m_n - m_0)^2, (n + 1,) each, of the Poisson mean drawn at each fit, or of the mean of an item.

    Without a prior the error is 2 n m_0/M, twice that of maximum likelihood. An item of its own posterior draw is
    negative binomial, of variance m (1 + 1/A). Exact.
    """
    first = one_real("mean", mean, 0, SQUARABLE)
    base, a = one_real("base_mean", base_mean, 0, SQUARABLE), _strength(strength)
    draws = choice("per", per, PER) == "fit"
    means, variances, excess = [first], [0.0], 0.0
    for size in schedule("sizes", sizes, longest=LONGEST).astype(np.float64):
        total, m, v = a + size, means[-1], variances[-1]
        posterior = (a * base + size * m) / total
        spread = (size / total) ** 2 * (v + m * (1 + excess) / size)
        means.append(posterior)
        variances.append(spread + (posterior / total if draws else 0.0))
        excess = 0.0 if draws else 1 / total
    found = np.array(means)
    return found, np.array(variances) + (found - first) ** 2


@theorem(
    statement="E m' = k(a m_b + M E m)/(kA-1), E m'^2 = k^2 [(a m_b)^2 + 2 a m_b M E m + M(M+1/k) E m^2]/((kA-1)"
    "(kA-2)), A = a + M; E m* = k a m_b/(ka-1)",
    conditions="gamma law of known shape k, prior of the rate Gamma(k a, rate a m_b), one posterior draw for each fit, "
    "replace, k A > 1 for the mean and k A > 2 for the error (else infinite), k a > 1 for the limit",
    order="exact",
    source=_SOURCE,
)
def gamma_moments(
    shape: float, mean: float, base_mean: float, sizes: ArrayLike, strength: float
) -> tuple[Array, Array]:
    r"""E m_n and E (m_n - m_0)^2, (n + 1,) each, of the mean m = k/rate drawn at each fit. Exact.

    The mean drifts up, for it is the inverse of what the prior is conjugate to. ``inf`` where a moment does not exist.
    """
    k = one_real("shape", shape, 1 / SQUARABLE, SQUARABLE)
    first = one_real("mean", mean, 1 / SQUARABLE, SQUARABLE)
    base, a = one_real("base_mean", base_mean, 1 / SQUARABLE, SQUARABLE), _strength(strength)
    means, squares = [1.0], [1.0]  # in units of the true mean
    prior = a * (base / first)
    for size in schedule("sizes", sizes, longest=LONGEST).astype(np.float64):
        degrees, m, s = k * (a + size), means[-1], squares[-1]
        with np.errstate(over="ignore", invalid="ignore"):
            mean_next = k * (prior + size * m) / (degrees - 1) if degrees > 1 else np.inf
            total = prior**2 + 2 * prior * size * m + size * (size + 1 / k) * s
            square = k**2 * total / ((degrees - 1) * (degrees - 2)) if degrees > 2 else np.inf
        means.append(mean_next if np.isfinite(mean_next) else np.inf)
        squares.append(square if np.isfinite(square) else np.inf)
    first_moments, second = np.array(means), np.array(squares)
    with np.errstate(invalid="ignore", over="ignore"):
        error = np.where(np.isfinite(second), second - 2 * first_moments + 1, np.inf) * first**2
        error[0] = 0.0
        return first_moments * first, error


@theorem(
    statement="m'/m ~ F(2kM, 2kM): E log m has no drift, its variance grows by 2 psi'(kM) a fit",
    conditions="gamma law of known shape k, reference prior (a = 0) of the rate, one draw for each fit, replace",
    order="exact",
    source=_SOURCE,
)
def gamma_log_mean(shape: ArrayLike, sample_size: ArrayLike, fits: ArrayLike) -> tuple[Array, Array]:
    r"""Mean and variance of :math:`\ln(m_n/m_0)`: 0 and :math:`2 n\,\psi'(k M)`. Exact; null-recurrent."""
    k = real("shape", shape)
    if np.any(k <= 0):
        raise ValueError(f"shape must be positive, got {shape!r}")
    spread = 2 * whole("fits", fits) * scipy.special.polygamma(1, k * whole("sample_size", sample_size, 1))
    return np.zeros_like(spread), spread

r"""Best of k on a linear reward: variance falls by one factor a fit, and the total gain is bounded whatever k.

Every model's data are the largest of k draws each (the reward is x itself), and a normal is refitted to M winners.
e_k and v_k are mean and variance of the largest of k standard normals. Derived in theory/derivations/curation.md.
"""

from __future__ import annotations

import functools
from typing import NamedTuple

import numpy as np
import scipy
from numpy.typing import ArrayLike

from modelcollapse_theory import gaussian
from modelcollapse_theory._domain import Array, one_real, one_whole
from modelcollapse_theory._register import theorem
from modelcollapse_theory._selected import relative_noise, selected_drift, selected_variance

_SOURCE = "derived in theory/derivations/curation.md"
_MOST = 10**12


class Winner(NamedTuple):
    """Mean, variance and excess kurtosis of the largest of k standard normal draws."""

    mean: float
    variance: float
    kurtosis: float


@theorem(
    statement="e_k = int x k phi Phi^(k-1) dx and so v_k: 1/sqrt(pi) and 1 - 1/pi for k = 2",
    conditions="the largest of k independent standard normal draws",
    order="exact",
    source="order statistics; " + _SOURCE,
)
def winner(choices: int) -> Winner:
    """Mean e_k, variance v_k and excess kurtosis of the best of k = ``choices`` standard normal draws.

    By the trapezoid rule on an analytic density, exact to about 1e-12. Raises NotCovered beyond 10^12 choices.
    """
    return _winner(one_whole("choices", choices, 1, most=_MOST))


@functools.lru_cache(maxsize=64)
def _winner(k: int) -> Winner:
    x = np.arange(-40.0, 40.0, 0.004)
    with np.errstate(under="ignore"):
        density = np.exp(-(x**2) / 2 + (k - 1) * scipy.special.log_ndtr(x))
    density /= density.sum()
    mean = float(density @ x)
    second, fourth = (float(density @ (x - mean) ** power) for power in (2, 4))
    if k == 1:
        return Winner(0.0, 1.0, 0.0)
    return Winner(mean, second, fourth / second**2 - 3)


@theorem(
    statement="E sigma_n^2 = sigma_0^2 v_k^(n-1) (1 - 1/M)^(n [ddof = 0])",
    conditions="normal, replace; each of M items the best of k draws of the last fit; the first fit on real data",
    order="exact",
    source="breeder's equation with refits; " + _SOURCE,
)
def expected_variance(choices: int, sample_size: ArrayLike, fits: ArrayLike, *, ddof: int = 1) -> Array:
    """E sigma_n^2/sigma_0^2 after n = ``fits`` fits to winners of k = ``choices``. Exact."""
    return selected_variance(winner(choices).variance, sample_size, fits, ddof)


@theorem(
    statement="E ln sigma^2 moves by ln v_k - (1/2)(kappa_k/M + 2/(M-1)) a fit",
    conditions="normal, replace, ddof=1 (0: and ln(1-1/M)); each of M items the best of k draws of the last fit",
    order="O(M^-2) a fit",
    source="delta method; " + _SOURCE,
)
def log_variance_drift(choices: int, sample_size: ArrayLike, *, ddof: int = 1) -> Array:
    """What a fit adds to E ln sigma^2, an iid walk after the first fit, k = ``choices``. O(M^-2).

    v_k and kappa_k are the variance and the excess kurtosis of the largest of k normals.
    """
    best = winner(choices)
    return selected_drift(best.variance, best.kurtosis, sample_size, ddof)


@theorem(
    statement="E mu_n - mu_0 = e_k sum_{t=1}^{n-1} E sigma_t, E sigma_t = c4(M) rho^(t-1) sigma_0, rho = E s of M "
    "winners = sqrt(v_k) (1 - (kappa_k/M + 2/(M-1))/8)",
    conditions="normal, replace, ddof=1; each of M items the best of k draws of the last fit; the first fit real",
    order="exact but for rho, which is given to O(M^-2)",
    source="breeder's equation with refits; " + _SOURCE,
)
def expected_gain(choices: int, sample_size: int, fits: int) -> float:
    """What n = ``fits`` fits to winners of k = ``choices`` add to the mean, in true standard deviations. O(M^-2).

    e_k, v_k and kappa_k are mean, variance and excess kurtosis of the largest of k normals; s is the standard deviation
    with divisor M - 1, and c4 its mean for M normals of variance 1.
    """
    best, size = winner(choices), one_whole("sample_size", sample_size, 2)
    count = one_whole("fits", fits, 1)
    rho = np.sqrt(best.variance) * (1 - float(relative_noise(best.kurtosis, size)) / 8)
    total = np.expm1((count - 1) * np.log(rho)) / (rho - 1) if count > 1 else 0.0
    return float(best.mean * float(gaussian.c4(size)) * total)


@theorem(
    statement="E mu_n - mu_0 <= e_k sum_{t<n-1} v_k^(t/2) sigma_0 < e_k/(1 - sqrt(v_k)) sigma_0: a bounded reach",
    conditions="normal, replace, ddof <= 1; each of M items the best of k draws of the last fit; the first fit real",
    order="exact (an upper bound, attained as M grows)",
    source="Jensen's inequality; " + _SOURCE,
)
def gain_bound(choices: int, fits: int | None = None) -> float:
    """The most that the mean gains in n = ``fits`` fits, or ever (None), in true standard deviations, at any M.

    3.24 in all for k = 2, 3.45 for 4, 4.27 for 64, 5.00 for 1024: more choice buys speed, hardly reach. With infinite
    data it is what is gained. Exact.
    """
    best = winner(choices)
    ratio = float(np.sqrt(best.variance))
    if ratio > 1 - 1e-9:  # one choice is none
        return 0.0
    kept = 0.0 if fits is None else ratio ** (one_whole("fits", fits, 1) - 1)
    return best.mean * (1 - kept) / (1 - ratio)


@theorem(
    statement="V* = g/(1 - (1-g)(v_k + e_k^2/g)), mu* - mu_0 = (1-g) e_k sqrt(V*)/g; no limit unless that is positive",
    conditions="one normal fitted to infinitely many items, a share g of them real, the others best of k draws",
    order="exact",
    source=_SOURCE,
)
def mixed_limit(choices: int, share: float) -> tuple[float, float]:
    """Mean gained and variance in the long run with real share g, in true units: inf below ``least_mixed_share``.

    Two groups of data that move apart inflate the one normal that is fitted to both: a fault of the family, not of
    the selection. Exact.
    """
    best, g = winner(choices), one_real("share", share, 0, 1, open_low=True)
    rest = 1 - (1 - g) * (best.variance + best.mean**2 / g)
    if rest <= 0:
        return (np.inf if best.mean > 0 else 0.0), np.inf
    variance = g / rest
    return float((1 - g) * best.mean * np.sqrt(variance) / g), float(variance)


@theorem(
    statement="V* is finite iff (1-g)(v_k + e_k^2/g) < 1, that is v g^2 + (1 + e^2 - v) g > e^2",
    conditions="one normal fitted to infinitely many items, a share g of them real, the others best of k draws",
    order="exact",
    source=_SOURCE,
)
def least_mixed_share(choices: int) -> float:
    """The real share above which ``mixed_limit`` is finite: .361 for k = 2, .573 for 4, .696 for 8. Exact."""
    best = winner(choices)
    square = best.mean**2
    linear = 1 + square - best.variance
    return float(2 * square / (linear + np.sqrt(linear**2 + 4 * best.variance * square))) if square > 0 else 0.0

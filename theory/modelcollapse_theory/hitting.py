"""How long collapse takes: the log variance is a random walk, and its first passage is nearly inverse Gaussian."""

from __future__ import annotations

import numpy as np
import scipy
from numpy.typing import ArrayLike

from modelcollapse_theory import gaussian
from modelcollapse_theory._domain import Array, whole, within
from modelcollapse_theory._register import theorem

#: Mean overshoot of a driftless normal walk over a far barrier, in deviations of a step: -zeta(1/2)/sqrt(2 pi).
SIEGMUND = 0.5825971579390107


def _walk(sample_size: ArrayLike, ddof: int) -> tuple[Array, Array]:
    """Downward drift and standard deviation of one step of the log variance."""
    drift = -gaussian.expected_log_variance(sample_size, 1, ddof=ddof)
    return drift, np.sqrt(gaussian.variance_log_variance(sample_size, 1))


@theorem(
    statement="The median variance halves every log 2 / [log((M - ddof)/2) - psi((M - 1)/2)] fits, about M log 2",
    conditions="normal, replace, M >= 2, many fits",
    order="O(1) fits beside n, the skewness of the walk",
    source="central limit theorem for the exact drift",
)
def half_life(sample_size: ArrayLike, *, ddof: int = 1) -> Array:
    """Fits in which the geometric mean of the variance halves, exactly; its median does to leading order.

    The mean variance, by contrast, stays put with ddof=1. Raises ValueError unless M >= 2.
    """
    return np.log(2) / _walk(sample_size, ddof)[0]


def _barrier(threshold: ArrayLike, sample_size: ArrayLike, ddof: int) -> tuple[Array, Array, Array]:
    depth = -np.log(within("threshold", threshold, 0, 1, open_low=True, open_high=True))
    drift, sd = _walk(sample_size, ddof)
    return depth + SIEGMUND * sd, drift, sd


@theorem(
    statement="Fits until variance < threshold: mean (b + 0.5826 s)/m, b = -log threshold, m, s drift and sd of a step",
    conditions="normal, replace, constant M, M large and b well above s",
    order="O(1) fits: the overshoot of a skewed walk with drift, O(s^2)/m",
    source="Wald's identity with Siegmund's overshoot correction",
)
def expected_hitting_time(threshold: ArrayLike, sample_size: ArrayLike, *, ddof: int = 1) -> Array:
    r"""Mean number of fits until the variance first falls below ``threshold`` (relative, in (0, 1)).

    .. math:: E T \approx \frac{b + 0.5826\,s}{m}, \qquad b = -\log \text{threshold}

    Wald's identity ``E T >= b / m`` is exact; the overshoot 0.5826 s is that of a driftless normal walk.
    """
    depth, drift, _ = _barrier(threshold, sample_size, ddof)
    return depth / drift


@theorem(
    statement="Fits until variance < threshold have variance (b + 0.5826 s) s^2 / m^3",
    conditions="normal, replace, constant M, M large and b well above s",
    order="O(1/M) relative",
    source="inverse Gaussian first passage, Siegmund's correction",
)
def variance_hitting_time(threshold: ArrayLike, sample_size: ArrayLike, *, ddof: int = 1) -> Array:
    """Variance of the number of fits until the variance first falls below ``threshold``. Relative error O(1/M)."""
    depth, drift, sd = _barrier(threshold, sample_size, ddof)
    return depth * sd**2 / drift**3


@theorem(
    statement="Fits until variance < threshold: inverse Gaussian, mean (b + 0.5826 s)/m, shape (b + 0.5826 s)^2/s^2",
    conditions="normal, replace, constant M, M large and b well above s",
    order="O(1/M)",
    source="first passage of Brownian motion with drift, Siegmund's correction",
)
def hitting_time_cdf(fits: ArrayLike, threshold: ArrayLike, sample_size: ArrayLike, *, ddof: int = 1) -> Array:
    """``P(some variance among the first fits is below threshold)``. Error O(1/M) with a fixed threshold.

    At least ``gaussian.log_variance_cdf(log(threshold), ...)``, which asks about the last fit alone.
    """
    depth, drift, sd = _barrier(threshold, sample_size, ddof)
    fits = whole("fits", fits)
    shape = (depth / sd) ** 2
    return scipy.stats.invgauss.cdf(fits, depth / drift / shape, scale=shape)

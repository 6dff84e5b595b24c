r"""In large samples the time until one state is left is of the order of 2M, and its first correction is known in full.

The diffusion limit of the fixation time, in the haploid scale: population genetics' 4N is 2M here. ``fixation`` has
the exact law up to M = 100000; these have no such limit. Derived in theory/derivations/fixation.md.
"""

from __future__ import annotations

import itertools
import math

import numpy as np
import scipy
from numpy.typing import ArrayLike

from ._domain import Array, NotCovered, law, one_whole, whole, within
from ._register import theorem
from .lineage_limits import SURVIVAL_CONSTANT, coalescent_time
from .replacement import states

# 1/2 - C - (gamma + ln 2)/3 = -0.7217024360...
FIXATION_CONSTANT = 0.5 - SURVIVAL_CONSTANT - (np.euler_gamma + math.log(2)) / 3


def _minus_log_mean(probabilities: ArrayLike) -> float:
    """-sum_i (1 - p_i) ln(1 - p_i), to full relative accuracy."""
    group = states(probabilities)
    if group.complement[-1] == 0:
        return 0.0
    return float(-(group.multiplicity * group.complement) @ group.log_complement)


@theorem(
    statement="E T ~ -2M sum_i (1 - p_i) ln(1 - p_i)",
    conditions="replace regime, any K, M large",
    order="O(ln M) (relative O(ln M / M))",
    source="Kimura and Ohta 1969; Ewens; Littler 1975 (4N there is 2M here)",
)
def fixation_time_mean_limit(probabilities: ArrayLike, sample_size: ArrayLike) -> Array:
    r"""Diffusion mean of the number of fits until one state is left, :math:`-2M \sum_i (1 - p_i) \ln(1 - p_i)`.

    Shape of ``sample_size``. Error (1/3) ln M + O(1); ``fixation_time_mean_refined`` removes it. Raises ValueError
    unless ``probabilities`` is a law and sample_size >= 1.
    """
    return 2 * whole("sample_size", sample_size, 1).astype(np.float64) * _minus_log_mean(probabilities)


@theorem(
    statement="E T = -2M sum (1-p_i) ln(1-p_i) - (1/3)[ln M + sum p_i ln(1-p_i)] + 1/2 - C - (gamma + ln 2)/3",
    conditions="replace regime, any K >= 2, M large, every (1 - p_i) M >> 1; C = 0.798248",
    order="O(1/M)",
    source="derived in theory/derivations/fixation.md",
)
def fixation_time_mean_refined(probabilities: ArrayLike, sample_size: ArrayLike) -> Array:
    r"""Mean number of fits until one state is left, with the first correction to the diffusion.

    .. math:: E T = -2M \sum_i (1-p_i) \ln(1-p_i) - \tfrac13 \Big[\ln M + \sum_i p_i \ln(1-p_i)\Big] + c_0,
        \qquad c_0 = \tfrac12 - C - \tfrac13 (\gamma + \ln 2) = -0.72170

    with C the constant of ``lineage_limits.surviving_fraction``. Shape of ``sample_size``. Error O(1/M) for fixed p
    (0.0014 at M = 100), but O(1) once some 1 - p_i is of the order of 1/M. Raises ValueError for fewer than two
    possible states.
    """
    size, group = whole("sample_size", sample_size, 1).astype(np.float64), states(probabilities)
    if group.complement[-1] == 0:
        raise NotCovered("probabilities must have at least two positive entries: one state is fixed from the start")
    edge = float((group.multiplicity * group.probability) @ group.log_complement)
    return 2 * size * _minus_log_mean(probabilities) - (np.log(size) + edge) / 3 + FIXATION_CONSTANT


@theorem(
    statement="E T^2 ~ 8M^2 [pi^2/6 + sum (1-p_i) ln(1-p_i) - sum p_i Li2(p_i)]",
    conditions="replace regime, any K, M large",
    order="O(M ln M) (relative O(ln M / M))",
    source="backward equation; derived in theory/derivations/fixation.md",
)
def fixation_time_second_moment_limit(probabilities: ArrayLike, sample_size: ArrayLike) -> Array:
    r"""Diffusion second moment of the number of fits until one state is left.

    .. math:: E T^2 = 8 M^2 \Big[\frac{\pi^2}{6} + \sum_i (1-p_i) \ln(1-p_i) - \sum_i p_i \operatorname{Li}_2(p_i)\Big]

    Euler's reflection turns pi^2/6 - Li2(p) into ln p ln(1-p) + Li2(1-p), which does not cancel near p = 1. Shape of
    ``sample_size``. Relative error O(ln M / M). Raises ValueError unless ``probabilities`` is a law.
    """
    size, group = whole("sample_size", sample_size, 1).astype(np.float64), states(probabilities)
    if group.complement[-1] == 0:
        return np.zeros(size.shape)
    p, q = group.probability, group.complement
    # Li2(q) = spence(1 - q), which rounds away a small q; q + q^2/4 + q^3/9 + ... does not
    k = np.arange(1.0, 9.0)
    small = q < 1e-2
    dilogarithm = np.where(
        small, np.where(small, q, 0.0)[:, None] ** k @ k**-2.0, scipy.special.spence(np.where(small, 0.5, p))
    )
    inside = q * group.log_complement + p * (group.log * group.log_complement + dilogarithm)
    return 8 * size**2 * float(group.multiplicity @ inside)


@theorem(
    statement="E[T | ends at i] ~ -2M (1-p) ln(1-p)/p - (1/3) ln(M(1-p)) + c_0, c_0 = 1/2 - C - (gamma + ln 2)/3",
    conditions="replace regime, M large, (1 - p) M >> 1",
    order="O(1/M)",
    source="diffusion term Kimura and Ohta 1969; correction derived in theory/derivations/fixation.md",
)
def conditional_fixation_mean_refined(probability: ArrayLike, sample_size: ArrayLike) -> Array:
    r"""Mean number of fits until a state of ``probability`` p is the only one, in the chains where that happens.

    .. math:: E[T \mid i] = -\frac{2M (1-p) \ln(1-p)}{p} - \tfrac13 \ln[M (1-p)] + c_0 + O(1/M)

    Broadcasts. The error is O(1) once M (1 - p) is of the order of 1. Raises ValueError for p outside (0, 1).
    """
    p = within("probability", probability, 0.0, 1.0, open_low=True, open_high=True)
    size = whole("sample_size", sample_size, 1).astype(np.float64)
    return -2 * size * (1 - p) * np.log1p(-p) / p - (np.log(size) + np.log1p(-p)) / 3 + FIXATION_CONSTANT


@theorem(
    statement="E[T | lost] ~ -2M q ln q/(1-q) - (1/3) ln(M q) + c_0, c_0 = 1/2 - C - (gamma + ln 2)/3",
    conditions="replace regime, M large, q M >> 1",
    order="O(1/M) for fixed q; O(1/c) for q = c/M",
    source="diffusion term Kimura and Ohta 1969; correction derived in theory/derivations/fixation.md",
)
def conditional_loss_mean_refined(probability: ArrayLike, sample_size: ArrayLike) -> Array:
    r"""Mean number of fits until a state of ``probability`` q is lost, in the chains where it is lost.

    .. math:: E[T \mid \text{lost}] = -\frac{2M q \ln q}{1-q} - \tfrac13 \ln(M q) + c_0 + O(1/(M q))

    For q = c/M the first term is 2c ln(M/c)/(1 - c/M): linear in the count up to a logarithm, which the median lacks
    (``rare.rare_loss_median``). Broadcasts. Raises ValueError for q outside (0, 1).
    """
    q = within("probability", probability, 0.0, 1.0, open_low=True, open_high=True)
    size = whole("sample_size", sample_size, 1).astype(np.float64)
    return 2 * size * scipy.special.entr(q) / (1 - q) - (np.log(size) + np.log(q)) / 3 + FIXATION_CONSTANT


@theorem(
    statement="E[time until j states are left] ~ 2M sum_{s<=j} (-1)^(j-s) C(K-s-1, j-s) sum_{|B|=s} -(1-p_B) ln(1-p_B)",
    conditions="replace regime, K <= 20 states, 1 <= j < K, M large",
    order="O(ln M) (relative O(ln M / M))",
    source="Littler 1975; inclusion-exclusion over the sets that are left",
)
def states_left_time_limit(probabilities: ArrayLike, sample_size: int, states_left: int) -> float:
    r"""Diffusion mean of the number of fits until at most ``states_left`` = j states are left.

    .. math:: -2M \sum_{s=1}^{j} (-1)^{j-s} \binom{K-s-1}{j-s} \sum_{|B| = s} (1 - p_B) \ln(1 - p_B)

    The sum over sets costs 2^K, so at most 20 possible states; ``support.states_left_time_mean`` is exact and does not.
    Raises ValueError beyond, or for states_left < 1.
    """
    p, size = law("probabilities", probabilities), one_whole("sample_size", sample_size, 1)
    p, left = p[p > 0], one_whole("states_left", states_left, 1)
    if p.size > 20:
        raise NotCovered(f"probabilities must have at most 20 positive entries for the sum over sets, got {p.size}")
    if left >= p.size:
        return 0.0
    total = 0.0
    for s in range(1, left + 1):
        kept = np.zeros((math.comb(p.size, s), p.size), dtype=bool)
        np.put_along_axis(kept, np.array(list(itertools.combinations(range(p.size), s))), True, axis=1)
        others = np.where(kept, 0.0, p).sum(axis=1)
        total += (-1) ** (left - s) * math.comb(p.size - s - 1, left - s) * float(scipy.special.entr(others).sum())
    return float(2 * size * total)


@theorem(
    statement="P(fixed at i by n) ~ p + (1/2) sum_k (-1)^k [P_{k-1}(r) - P_{k+1}(r)] exp(-k(k+1) t/2), r = 1 - 2p",
    conditions="replace regime, M large, n of the order of M; t = 2/(M a_m) + (n - m)/M, m = min(n, M)",
    order="O(1/M) for fixed n/M",
    source="Kimura 1955 (t = n/M, 4N is 2M here); the clock derived in theory/derivations/lineages.md",
)
def fixation_probability_by_limit(probability: ArrayLike, sample_size: int, fits: int) -> Array:
    r"""Diffusion chance that a state of ``probability`` p is the only one after ``fits`` fits.

    .. math:: p + \tfrac12 \sum_{k \ge 1} (-1)^k [P_{k-1}(1-2p) - P_{k+1}(1-2p)]\, e^{-k(k+1)t/2}

    with Legendre polynomials, on the clock t of ``lineage_limits.coalescent_time``: error about 0.03/M at fixed n/M,
    where Kimura's t = n/M leaves O(ln M / M). Shape of ``probability``. Raises ValueError for t < 1e-4, where it is 0
    to rounding.
    """
    p = within("probability", probability, 0.0, 1.0)
    time = coalescent_time(sample_size, fits)
    if time.ndim or time < 1e-4:
        raise NotCovered(f"fits / sample_size must be one number of at least 1e-4, got {fits!r} / {sample_size!r}")
    k = np.arange(1.0, math.sqrt(80 / time) + 3)
    r = (1 - 2 * p)[..., None]
    terms = (
        (scipy.special.eval_legendre(k - 1, r) - scipy.special.eval_legendre(k + 1, r))
        * (1 - 2 * (k % 2))
        * np.exp(-k * (k + 1) * time / 2)
    )
    return p + terms.sum(axis=-1) / 2

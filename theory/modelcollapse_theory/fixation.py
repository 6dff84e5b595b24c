r"""The time until one state is left has an exact law for any number of states: it asks one question of the lineages.

One state is left after n fits iff all ancestors have the same type, so :math:`P(T \le n) = \sum_i E p_i^{A_n}`: no
K-dimensional state space. T counts fits, T >= 1. Derived in theory/derivations/fixation.md.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from ._domain import Array, NotCovered, whole, within
from ._register import theorem
from .lineages import lineage_expectation, lineage_sums, no_merger, occupancy_rows, one_size
from .replacement import States, heterozygosity, states


def _differ(group: States, size: int) -> Array:
    """The chance, for a = 0..M, that a draws are not all of one type; 0 for a = 0 by convention."""
    out = np.zeros(size + 1)
    for first in range(1, size + 1, 512):
        a = np.arange(first, min(first + 512, size + 1))
        # p^a = p exp((a-1) log p), so that small differences from 1 keep their digits
        out[a] = -(group.multiplicity * group.probability) @ np.expm1(np.multiply.outer(group.log, a - 1.0))
    return out


def _agree(group: States, size: int) -> Array:
    """The chance, for a = 0..M, that a draws are all of one type."""
    out = np.ones(size + 1)
    for first in range(1, size + 1, 512):
        a = np.arange(first, min(first + 512, size + 1))
        out[a] = group.multiplicity @ np.exp(np.multiply.outer(group.log, a))
    return out


def _from_one_fit(sample_size: int, fits: ArrayLike, values: Array, at_zero: float) -> Array:
    """Mean of ``values`` at A_n, and ``at_zero`` before the first fit."""
    wanted = whole("fits", fits, 0)
    return np.where(wanted == 0, at_zero, lineage_expectation(sample_size, np.maximum(wanted, 1), values))


@theorem(
    statement="P(T <= n) = sum_i E p_i^{A_n}",
    conditions="replace regime, any K, constant sample size M <= 100000",
    order="exact",
    source="coalescent duality; derived in theory/derivations/fixation.md",
)
def fixation_time_cdf(probabilities: ArrayLike, sample_size: int, fits: ArrayLike) -> Array:
    r"""The chance that one state is left after ``fits`` fits, :math:`P(T \le n) = \sum_i E\, p_i^{A_n}`; 0 for n = 0.

    Shape of ``fits``. Exact, with full relative accuracy when small. O(K M) plus the lineage law. Raises ValueError
    unless ``probabilities`` is a law, 1 <= sample_size <= 100000 and fits >= 0.
    """
    size = one_size(sample_size)
    return _from_one_fit(size, fits, _agree(states(probabilities), size), 0.0)


def fixation_time_survival(probabilities: ArrayLike, sample_size: int, fits: ArrayLike) -> Array:
    r"""The chance that more than one state is left after ``fits`` fits, :math:`P(T > n)`; 1 for n = 0.

    As ``fixation_time_cdf``, but its complement keeps full relative accuracy: exact also where it is 1e-100.
    """
    size = one_size(sample_size)
    return _from_one_fit(size, fits, _differ(states(probabilities), size), 1.0)


@theorem(
    statement="E T = 1 + R, Var T = R - R^2 + 2 D, R = sum_n P(T > n), D = sum_n (n - 1) P(T > n) over n >= 1",
    conditions="replace regime, any K, constant sample size M <= 100000",
    order="exact",
    source="derived in theory/derivations/fixation.md",
)
def fixation_time_moments(probabilities: ArrayLike, sample_size: int) -> tuple[float, float]:
    r"""Mean and variance of the number of fits until one state is left.

    .. math:: E T = 1 + R, \qquad \operatorname{Var} T = R - R^2 + 2 D

    where (I - L) R = g and (I - L) D = L R with g(a) = 1 - sum_i p_i^a: a triangular solve, O(M^2 + K M). Exact. Raises
    ValueError unless ``probabilities`` is a law and 1 <= sample_size <= 100000.
    """
    size = one_size(sample_size)
    once, later = lineage_sums(size, _differ(states(probabilities), size))
    return float(1 + once), float(once - once**2 + 2 * later)


def founder_time_moments(sample_size: int) -> tuple[float, float]:
    r"""Mean and variance of the number of fits until all items descend from one item of the first data set.

    The limit of ``fixation_time_moments`` when no two original items are alike: g(a) = 1 for a >= 2. Exact.
    """
    size = one_size(sample_size)
    once, later = lineage_sums(size, (np.arange(size + 1) >= 2).astype(np.float64))
    return float(1 + once), float(once - once**2 + 2 * later)


def _conditional_mean(log_probability: Array, size: int) -> Array:
    """1 + sum_n (1 - E p^(A_n - 1)) for an array of log p."""
    powers = np.maximum(np.arange(size + 1) - 1.0, 0.0).reshape(-1, *(1,) * log_probability.ndim)
    return 1 + lineage_sums(size, -np.expm1(powers * log_probability))[0]


@theorem(
    statement="E[T | the chain ends at i] = 1 + sum_{n >= 1} (1 - E p_i^(A_n - 1))",
    conditions="replace regime, any K, constant sample size M <= 100000",
    order="exact",
    source="derived in theory/derivations/fixation.md",
)
def conditional_fixation_mean(probability: ArrayLike, sample_size: int) -> Array:
    r"""Mean number of fits until a state of ``probability`` p is the only one, in the chains where that happens.

    .. math:: E[T \mid i] = 1 + \sum_{n \ge 1} (1 - E p^{A_n - 1})

    Shape of ``probability``. Exact; O(M^2). Raises ValueError for p outside (0, 1].
    """
    p, size = within("probability", probability, 0.0, 1.0, open_low=True), one_size(sample_size)
    return _conditional_mean(np.log(p), size)


def conditional_loss_mean(probability: ArrayLike, sample_size: int) -> Array:
    r"""Mean number of fits until a state of ``probability`` q is lost, in the chains where it is lost.

    ``conditional_fixation_mean`` of 1 - q, without rounding 1 - q. Exact. Raises ValueError for q outside [0, 1).
    """
    q, size = within("probability", probability, 0.0, 1.0, open_high=True), one_size(sample_size)
    return _conditional_mean(np.log1p(-q), size)


@theorem(
    statement="P(T > n) ~ c_M H_0 (1 - 1/M)^(n-1), c_M the second right eigenvector of L at M; c_M -> 3",
    conditions="replace regime, any K, constant sample size 2 <= M <= 100000",
    order="O(((M - 2)/M)^n), relative",
    source="Perron-Frobenius for the lineage chain; derived in theory/derivations/fixation.md",
)
def fixation_tail(probabilities: ArrayLike, sample_size: int, fits: ArrayLike) -> Array:
    r"""The leading term of :math:`P(T > n)` for late n, :math:`c_M H_0 (1 - 1/M)^{n-1}`, with the exact constant.

    .. math:: c_M = r(M), \qquad r(2) = 1, \qquad (\lambda_2 - \lambda_a)\, r(a) = \sum_{2 \le j < a} L_{aj}\, r(j)

    The relative error falls like :math:`(1 - 2/M)^n`. The textbook's 3 H_0 is the limit M -> infinity. Shape of
    ``fits``. Raises ValueError for sample_size < 2 or fits < 1.
    """
    size = one_size(sample_size)
    if size < 2:
        raise NotCovered(f"sample_size must be at least 2: one item is fixed at the first fit, got {sample_size!r}")
    count = whole("fits", fits, 1)
    return heterozygosity(probabilities) * tail_constant(size) * np.exp((count - 1) * np.log1p(-1 / size))


def tail_constant(sample_size: int) -> float:
    r"""The constant :math:`c_M = \lim P(A_n > 1) / (1 - 1/M)^{n-1}` of ``fixation_tail``; c_2 = 1, c_M -> 3. Exact."""
    size = one_size(sample_size)
    leave = no_merger(size, size)[1]
    right = np.zeros(size + 1)
    right[2] = 1.0
    for balls, low, row in occupancy_rows(size):
        if balls > 2:
            # lambda_2 - lambda_a; both complements are exact
            gap = leave[balls] - leave[2]
            below = min(balls, low + row.size)
            right[balls] = row[: below - low] @ right[low:below] / gap
    return float(right[size])

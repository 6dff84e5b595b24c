r"""The states alive after n fits are the distinct types of A_n independent draws from the original law.

That sentence turns every question about the support into one about a single data set whose size is the number of
ancestors. Derived in theory/derivations/lineages.md.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from ._domain import Array, NotCovered, one_whole, whole, within
from ._register import theorem
from .fresh_limits import lineage_expectation_limit
from .lineage_limits import surviving_fraction
from .lineages import lineage_expectation, lineage_law, lineage_sums, one_size
from .replacement import distinct_variance, expected_distinct, states


@theorem(
    statement="P(state absent after n fits) = E (1 - q)^{A_n}; for a set B of states q = p_0(B)",
    conditions="replace regime, constant sample size M <= 100000",
    order="exact",
    source="coalescent duality (Moehle 1999); theory/derivations/lineages.md",
)
def absent_probability(probability: ArrayLike, sample_size: int, fits: ArrayLike) -> Array:
    r"""The chance :math:`E (1 - q)^{A_n}` that a state of original ``probability`` q has been lost after ``fits`` fits.

    With q the total probability of a set of states: that all of them have been lost, which gives all joint moments of
    the support. Shape ``fits.shape + probability.shape``. Exact. Raises ValueError for q outside [0, 1].
    """
    return lineage_expectation(one_size(sample_size), fits, _absent(probability, sample_size))


def present_probability(probability: ArrayLike, sample_size: int, fits: ArrayLike) -> Array:
    r"""The chance :math:`E[1 - (1 - q)^{A_n}]` that a state is still alive, accurate also for small q."""
    return lineage_expectation(one_size(sample_size), fits, _present(probability, sample_size))


def _log_absent(probability: ArrayLike, sample_size: int) -> Array:
    q = within("probability", probability, 0.0, 1.0)
    a = np.arange(one_size(sample_size) + 1.0).reshape(-1, *(1,) * q.ndim)
    # q = 1 would give 0 * inf at no ancestors; e^-800 is 0
    return a * np.where(q < 1, np.log1p(-np.where(q < 1, q, 0.0)), -800.0)


def _absent(probability: ArrayLike, sample_size: int) -> Array:
    return np.exp(_log_absent(probability, sample_size))


def _present(probability: ArrayLike, sample_size: int) -> Array:
    return -np.expm1(_log_absent(probability, sample_size))


@theorem(
    statement="E S_n = sum_i E[1 - (1 - p_i)^{A_n}]",
    conditions="replace regime, any K, constant sample size M <= 100000",
    order="exact",
    source="theory/derivations/lineages.md",
)
def expected_support(probabilities: ArrayLike, sample_size: int, fits: ArrayLike) -> Array:
    r"""Mean number of states alive after ``fits`` fits, :math:`E S_n = \sum_i E[1 - (1 - p_i)^{A_n}]`.

    Shape of ``fits``. Exact; O(M) for each different probability plus the lineage law. Raises ValueError unless
    ``probabilities`` is a law, 1 <= sample_size <= 100000 and fits >= 1.
    """
    size = one_size(sample_size)
    return lineage_expectation(size, fits, _distinct_by_ancestors(probabilities, size))


def _distinct_by_ancestors(probabilities: ArrayLike, size: int) -> Array:
    table = np.zeros(size + 1)
    for first in range(1, size + 1, 512):
        a = np.arange(first, min(first + 512, size + 1))
        table[a] = expected_distinct(probabilities, a)
    return table


@theorem(
    statement="Var S_n = E Var(D_a) + Var(E D_a) at a = A_n, D_a the number of distinct types of a draws",
    conditions="replace regime, any K, constant sample size M <= 100000",
    order="exact",
    source="total variance; theory/derivations/lineages.md",
)
def support_variance(probabilities: ArrayLike, sample_size: int, fits: ArrayLike) -> Array:
    r"""Variance between chains of the number of states alive after ``fits`` fits.

    Given A_n = a it is ``replacement.distinct_variance`` of a draws; the law of total variance adds the spread of the
    mean. Shape of ``fits``. Exact; O(M U^2) for U different probabilities. Raises ValueError as ``expected_support``.
    """
    size = one_size(sample_size)
    mean = _distinct_by_ancestors(probabilities, size)
    inside = np.zeros(size + 1)
    inside[1:] = distinct_variance(probabilities, np.arange(1, size + 1))
    wanted = whole("fits", fits, 1)
    law = lineage_law(size, wanted)
    centre = np.asarray(law @ mean)[..., None]
    return (law * (inside + (mean - centre) ** 2)).sum(axis=-1)


def _distinct_laws(probabilities: ArrayLike, size: int, most: int) -> Array:
    """P(a draws show s types), a = 0..size, s = 0..most, then P(more): each state in turn takes a binomial share."""
    group = states(probabilities)
    law = np.zeros((size + 1, most + 2))
    law[0, 0] = 1.0
    so_far = 0.0
    for chance in np.repeat(group.probability, group.multiplicity.astype(np.int64)):
        so_far += chance
        # rows of Binomial(a, chance of an earlier state), by Pascal's rule: only positive terms
        earlier = np.zeros((size + 1, size + 1))
        earlier[0, 0] = 1.0
        take = chance / so_far
        for draws in range(1, size + 1):
            earlier[draws, :draws] = take * earlier[draws - 1, :draws]
            earlier[draws, 1 : draws + 1] += (1 - take) * earlier[draws - 1, :draws]
        none = earlier.diagonal().copy()
        np.fill_diagonal(earlier, 0.0)
        some = earlier @ law
        law *= none[:, None]
        law[:, 1:] += some[:, :-1]
        law[:, -1] += some[:, -1]
    return law


@theorem(
    statement="P(S_n = s) = sum_a P(A_n = a) P(a draws show s types)",
    conditions="replace regime, any K, constant sample size, at most 2000 ancestors",
    order="exact",
    source="derived in theory/derivations/lineages.md",
)
def support_law(probabilities: ArrayLike, sample_size: int, fits: ArrayLike) -> Array:
    r"""Law of the number of states alive after ``fits`` fits, shape ``fits.shape + (min(K, M) + 1,)``.

    .. math:: P(S_n = s) = \sum_a P(A_n = a)\, P(D_a = s)

    where D_a is the number of distinct types of a draws, by one binomial split for each state: O(K a^2 S) for the
    largest relevant a, against 2^K for the sum over sets. Exact. Raises ValueError if more than 2000 ancestors have a
    probability above 1e-20 (take more fits, or a smaller sample).
    """
    size = one_size(sample_size)
    ancestors = lineage_law(size, fits)
    largest = int(np.max(np.flatnonzero((ancestors > 1e-20).reshape(-1, size + 1).any(axis=0)), initial=1))
    if largest > 2000:
        raise NotCovered(f"fits={fits!r} leaves up to {largest} ancestors at sample_size={size}, 2000 is the most")
    most = min(int(states(probabilities).multiplicity.sum()), size)
    return ancestors[..., : largest + 1] @ _distinct_laws(probabilities, largest, most)[:, :-1]


@theorem(
    statement="E[time until at most j states are left] = 1 + sum_{n >= 1} P(D_{A_n} > j)",
    conditions="replace regime, any K, constant sample size M <= 2000",
    order="exact",
    source="derived in theory/derivations/fixation.md",
)
def states_left_time_moments(probabilities: ArrayLike, sample_size: int, states_left: int) -> tuple[float, float]:
    r"""Mean and variance of the number of fits (at least 1) until at most ``states_left`` = j states are left.

    The triangular solve of ``fixation.fixation_time_moments`` with g(a) = P(a draws show more than j types). Exact;
    O(K j M^2). Raises ValueError for sample_size above 2000 or states_left < 1.
    """
    size, left = one_size(sample_size, 2000), one_whole("states_left", states_left, 1)
    once, later = lineage_sums(size, _distinct_laws(probabilities, size, min(left, size))[:, -1])
    return float(1 + once), float(once - once**2 + 2 * later)


@theorem(
    statement="E S_n ~ sum_i 1 - (1 - p_i)^(M a_n)",
    conditions="replace regime, M large, n << M",
    order="O(n/M)",
    source="derived in theory/derivations/lineages.md",
)
def expected_support_limit(probabilities: ArrayLike, sample_size: ArrayLike, fits: ArrayLike) -> Array:
    r"""Mean number of states alive after ``fits`` fits of a large sample: one data set of :math:`M a_n` items.

    .. math:: E S_n \approx \sum_i 1 - (1 - p_i)^{M a_n}

    with a_n of ``lineage_limits.surviving_fraction``. For fixed n the error is O(1/M); it grows with n and the
    formula is useless from n of the order of M. Broadcasts. Raises ValueError unless ``probabilities`` is a law and
    fits >= 1.
    """
    group, size = states(probabilities), whole("sample_size", sample_size, 1)
    ancestors = size * surviving_fraction(fits)
    return -np.expm1(ancestors[..., None] * group.log_complement) @ group.multiplicity


@theorem(
    statement="E S_n = E D(A_n), D(a) = sum_i 1 - (1 - p_i)^a, A_n by the large-sample law of the lineages at any n",
    conditions="replace regime, M large",
    order="O(1/M) relative",
    source="derived in theory/derivations/lineages.md",
)
def expected_support_at_any_size(probabilities: ArrayLike, sample_size: int, fits: int) -> float:
    """Mean number of states alive for samples too large for ``expected_support``, also where n is not far below M.

    The cost does not grow with M or n. Relative error O(1/M). Raises ValueError as ``expected_support``, at any size.
    """
    group = states(probabilities)

    def alive(lineages: Array) -> Array:
        return -np.expm1(np.multiply.outer(lineages, group.log_complement)) @ group.multiplicity

    return lineage_expectation_limit(sample_size, fits, alive)

r"""A detector of synthetic items: what removal with and without refill, or a lower weight, do to the diversity.

A pool has the real share g; the detector flags a synthetic item with probability t and a real one with f, each item
independently and without a look at its value. Removal passes ``s = g (1-f) + (1-g)(1-t)`` of the pool, of which the
share ``g' = g (1-f)/s`` is real. v_n is the chance that two draws of fit n have the same real ancestor. Fit 1 sees M
real items, none of them filtered. Derived in theory/derivations/detectors.md.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from modelcollapse_theory._domain import LONGEST, Array, NotCovered, one_real, one_whole, whole, within
from modelcollapse_theory._pools import COUNTS, IID, PASSING, SOURCE, one_pool, pairs, passing, rates
from modelcollapse_theory._register import theorem
from modelcollapse_theory.moments import binomial_rows
from modelcollapse_theory.selection import detected_share
from modelcollapse_theory.workflows import from_first_fit, random_mixing


@theorem(
    statement="t = 1 - (1-f) g (1-g')/((1-g) g'): the true-positive rate that a detector needs",
    conditions="removed items are replaced by others that passed; the real share rises from g to g'",
    order="exact",
    source="Bayes; " + SOURCE,
)
def needed_true_positive(share: float, target: float, false_positive: float = 0.0) -> float:
    r"""The true-positive rate that turns the real share g = ``share`` into g' = ``target``.

    .. math:: t = 1 - (1 - f)\, \frac{g}{1 - g}\, \frac{1 - g'}{g'}

    Exact. Raises ValueError unless 0 < share < 1, 0 < target <= 1 and false_positive < 1; NotCovered where t would be
    negative: the pool is good enough already.
    """
    g = one_real("share", share, 0, 1, open_low=True, open_high=True)
    goal = one_real("target", target, 0, 1, open_low=True)
    f = one_real("false_positive", false_positive, 0, 1, open_high=True)
    t = 1 - (1 - f) * g / (1 - g) * (1 - goal) / goal
    if t < 0:
        raise NotCovered(f"target must be at least {float(detected_share(g, 0.0, f)):g}, got {target!r}")
    return t


@theorem(
    statement="v' = 1/M + (1 - 1/M)(1 - g')^2 v",
    conditions=IID + "flagged items are removed, and others that pass are drawn until M are kept",
    order="exact",
    source=SOURCE,
)
def refilled(
    sample_size: ArrayLike, fits: ArrayLike, share: float, true_positive: float, false_positive: float
) -> Array:
    r"""v_n where flagged items are removed and the set is refilled to M: random mixing with g' for g. Exact.

    What passes is i.i.d. of the mixture with the real share :math:`g' = g(1-f)/s`. Raises ValueError where nothing
    passes.
    """
    return random_mixing(sample_size, fits, detected_share(*rates(share, true_positive, false_positive)))


@theorem(
    statement="v' = P0 v + e + (1 - P0 - e)(1 - g')^2 v, P0 = P(N < m), e = E[1/N; N >= m], N ~ Bin(M, s)",
    conditions=IID + "flagged items are removed, not replaced; fewer than m items keep the old fit",
    order="exact",
    source=SOURCE,
)
def removed(
    sample_size: int, fits: ArrayLike, share: float, true_positive: float, false_positive: float, fewest: int = 1
) -> Array:
    r"""v_n where flagged items are removed and not replaced; ``fits`` any shape.

    .. math:: v' = P_0 v + e + (1 - P_0 - e)(1 - g')^2 v, \quad P_0 = P(N < m), \quad
       e = E\left[\tfrac1N; N \ge m\right], \quad N \sim \mathrm{Bin}(M, s)

    m = ``fewest`` is the least number of items that the family can be fitted to: 1 of a discrete model. For families
    that reproduce mean and covariance (divisor N). Exact, started at v_1 = 1/M. Raises ValueError where nothing passes.
    """
    size, m, s, kept = _pool(sample_size, share, true_positive, false_positive, fewest)
    none, inverse = _inverse(size, s, m)
    return from_first_fit(1 / size, fits, inverse, _removal_gap(none, inverse, kept))


@theorem(
    statement="v* = e/(1 - P0 - (1 - P0 - e)(1 - g')^2)",
    conditions=IID + "flagged items are removed, not replaced; fewer than m items keep the old fit; stationary",
    order="exact",
    source=SOURCE,
)
def removed_limit(
    sample_size: int, share: float, true_positive: float, false_positive: float, fewest: int = 1
) -> float:
    """Stationary v of ``removed``; 1 where nothing that passes is real. Exact."""
    size, m, s, kept = _pool(sample_size, share, true_positive, false_positive, fewest)
    none, inverse = _inverse(size, s, m)
    if none == 1:
        raise NotCovered(f"sample_size must let {m} items pass, got {sample_size!r}: every set is too small to fit")
    return float(inverse / _removal_gap(none, inverse, kept))


@theorem(
    statement="S' = P0 S + (1-P0) C, m' = P0 m + (1-P0)(1-g')^2 m + e C, C = g' + (1-g')(S+m) - (1-g')^2 m",
    conditions=IID + "flagged items are removed, not replaced; covariances with divisor N - 1, N >= m >= 2",
    order="exact",
    source=SOURCE,
)
def removed_unbiased(
    sample_size: int, fits: int, share: float, true_positive: float, false_positive: float, fewest: int = 2
) -> tuple[Array, Array]:
    r"""Of fits 1, ..., n with the unbiased covariance: (E of the model's variance, E of its mean's squared error).

    In units of the true variance, each ``(fits,)``. Given N, two items of a data set differ by twice C in the mean
    square, which the unbiased variance estimates:

    .. math:: C = g' + (1-g')(S + m) - (1-g')^2 m, \quad S' = P_0 S + (1 - P_0) C, \quad
       m' = P_0 m + (1 - P_0)(1-g')^2 m + e C

    from S = 1, m = 1/M. ``fewest`` is d + 1 for a covariance in d dimensions. Exact.
    """
    size, m, s, kept = _pool(sample_size, share, true_positive, false_positive, fewest, 2)
    none, inverse = _inverse(size, s, m)
    count = one_whole("fits", fits, 1, most=LONGEST)
    found = np.array([[1.0, 1 / size]] * count)
    for n in range(1, count):
        variance, error = found[n - 1]
        within_pair = kept + (1 - kept) * (variance + error) - (1 - kept) ** 2 * error
        found[n] = (
            none * variance + (1 - none) * within_pair,
            none * error + (1 - none) * (1 - kept) ** 2 * error + inverse * within_pair,
        )
    return found[:, 0], found[:, 1]


@theorem(
    statement="v' = P0 v + E[1/N] + E[S(S-1)/N^2] v over N = R + S >= m, R ~ Bin(r, 1-f), S ~ Bin(M-r, 1-t)",
    conditions=COUNTS + "flagged items are removed, not replaced; fewer than m items keep the old fit",
    order="exact",
    source=SOURCE,
)
def removed_counts(
    sample_size: int, fits: ArrayLike, real: int, true_positive: float, false_positive: float, fewest: int = 1
) -> Array:
    r"""v_n where a pool of exactly r = ``real`` fresh real items and M - r model draws is filtered, not refilled.

    .. math:: v' = P_0 v + E\left[\tfrac1N; N \ge m\right] + E\left[\tfrac{S(S-1)}{N^2}; N \ge m\right] v

    ``fits`` any shape, the rest as for ``removed``. Exact. Raises ValueError where nothing passes, NotCovered beyond
    M = 2000.
    """
    size, source, gap = _counts(sample_size, real, true_positive, false_positive, fewest)
    return from_first_fit(1 / size, fits, source, gap)


@theorem(
    statement="v* = E[1/N]/(1 - P0 - E[S(S-1)/N^2])",
    conditions=COUNTS + "flagged items are removed, not replaced; fewer than m items keep the old fit; stationary",
    order="exact",
    source=SOURCE,
)
def removed_counts_limit(
    sample_size: int, real: int, true_positive: float, false_positive: float, fewest: int = 1
) -> float:
    """Stationary v of ``removed_counts``; 1 where nothing that passes is real. Exact."""
    _, source, gap = _counts(sample_size, real, true_positive, false_positive, fewest)
    if gap == 0:
        raise NotCovered(f"sample_size must let {fewest} items pass, got {sample_size!r}: every set is too small")
    return float(source / gap)


@theorem(
    statement="v* ~ 1/(1 + theta), theta = M g (1-f)(2-g')",
    conditions=IID + "flagged items are removed, not replaced; M g large",
    order="O(1/(M g)) relative",
    source=SOURCE,
)
def removal_theta(sample_size: ArrayLike, share: float, true_positive: float, false_positive: float) -> Array:
    r"""theta of removal without refill, :math:`M g (1 - f)(2 - g')`, against :math:`(M - 1) g (2 - g)` without a
    detector.

    The stationary loss is about 1/(1 + theta), relative error O(1/(M g)).
    """
    size, (g, t, f) = whole("sample_size", sample_size, 1), rates(share, true_positive, false_positive)
    return size.astype(np.float64) * g * (1 - f) * (2 - float(detected_share(g, t, f)))


@theorem(
    statement="theta(removed)/theta(no detector) = (1-f)(2-g')/(2-g) <= 1, equal iff f = t = 0",
    conditions=IID + "0 < g < 1; flagged items are removed, not replaced; M g large, pure sampling loss",
    order="O(1/(M g)) relative",
    source=SOURCE,
)
def removal_ratio(share: ArrayLike, true_positive: ArrayLike, false_positive: ArrayLike) -> Array:
    r"""By which factor removal without refill changes theta, :math:`(1-f)(2-g')/(2-g)`: never above 1.

    What is flagged carries the memory of older real data. With a = 1 - f, b = 1 - t, h = 1 - g the ratio is
    :math:`a (ga + 2hb) / [(ga + hb)(g + 2h)]`, which rises with a and with b and is 1 at a = b = 1: to leading order
    no detector makes up for the items that are thrown away. A perfect one (t = 1, f = 0) leaves 1/(2 - g), about a
    half.
    """
    g, f = within("share", share, 0, 1), within("false_positive", false_positive, 0, 1)
    kept = detected_share(share, true_positive, false_positive)
    return (1 - f) * (2 - kept) / (2 - g)


def _pool(
    sample_size: int, share: float, true_positive: float, false_positive: float, fewest: int, least: int = 1
) -> tuple[int, int, float, float]:
    """M, m, the chance s that an item passes, and the real share g' of what passes."""
    size = one_whole("sample_size", sample_size, 1, "a fit needs data", most=LONGEST)
    m = one_whole("fewest", fewest, least, most=LONGEST)
    g, t, f = rates(share, true_positive, false_positive)
    return size, m, passing(g, t, f), float(detected_share(g, t, f))


def _inverse(size: int, chance: float, fewest: int) -> tuple[float, float]:
    """P(N < m) and E[1/N; N >= m] of N ~ Bin(M, s)."""
    law = binomial_rows(size, np.array([min(chance, 1.0)]))[0]
    count = np.arange(size + 1)
    return float(law[:fewest].sum()), float((law[fewest:] / count[fewest:]).sum())


def _removal_gap(none: float, inverse: float, kept: float) -> float:
    """1 - P0 - (1 - P0 - e)(1-g')^2, without the cancellation."""
    return (1 - none) * kept * (2 - kept) + inverse * (1 - kept) ** 2


def _counts(
    sample_size: int, real: int, true_positive: float, false_positive: float, fewest: int
) -> tuple[int, float, float]:
    """M, and source and gap of v' = source + (1 - gap) v, for removal from exact counts."""
    size, r = one_pool(sample_size, real)
    m = one_whole("fewest", fewest, 1, most=LONGEST)
    passed, drawn, chance = pairs(size, r, true_positive, false_positive)
    total = passed + drawn
    if chance[0, 0] == 1:
        raise ValueError(PASSING)
    fits = total >= m
    safe = np.where(fits, total, 1.0)
    source = float(np.where(fits, chance / safe, 0.0).sum())
    # 1 - S(S-1)/N^2 = [R(2N-R) + S]/N^2, every term nonnegative
    lost = (passed * (2 * total - passed) + drawn) / safe**2
    return size, source, float(np.where(fits, chance * lost, 0.0).sum())

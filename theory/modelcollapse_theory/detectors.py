r"""A detector of synthetic items: what removal with and without refill, or a lower weight, do to the diversity.

A pool has the real share g; the detector flags a synthetic item with probability t and a real one with f, each item
independently and without a look at its value. Removal passes ``s = g (1-f) + (1-g)(1-t)`` of the pool, of which the
share ``g' = g (1-f)/s`` is real. v_n is the chance that two draws of fit n have the same real ancestor. Fit 1 sees M
real items, none of them filtered. Derived in theory/derivations/detectors.md.
"""

from __future__ import annotations

import numpy as np
import scipy
from numpy.typing import ArrayLike

from modelcollapse_theory._domain import LONGEST, Array, NotCovered, one_real, one_whole, whole, within
from modelcollapse_theory._register import theorem
from modelcollapse_theory.moments import binomial_rows
from modelcollapse_theory.selection import detected_share
from modelcollapse_theory.workflows import affine, random_mixing

_SOURCE = "theory/derivations/detectors.md"
_IID = "each item of a pool of M is real with probability g, independently; "
_COUNTS = "a pool of exactly r real items and M - r model draws; "
_PASSING = "true_positive and false_positive must let something pass"
_LARGEST_PAIR = 2_000
"""The largest pool whose two counts are summed over together."""


@theorem(
    statement="t = 1 - (1-f) g (1-g')/((1-g) g'): the true-positive rate that a detector needs",
    conditions="removed items are replaced by others that passed; the real share rises from g to g'",
    order="exact",
    source="Bayes; " + _SOURCE,
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
    conditions=_IID + "flagged items are removed, and others that pass are drawn until M are kept",
    order="exact",
    source=_SOURCE,
)
def refilled(
    sample_size: ArrayLike, fits: ArrayLike, share: float, true_positive: float, false_positive: float
) -> Array:
    r"""v_n where flagged items are removed and the set is refilled to M: random mixing with g' for g. Exact.

    What passes is i.i.d. of the mixture with the real share :math:`g' = g(1-f)/s`. Raises ValueError where nothing
    passes.
    """
    return random_mixing(sample_size, fits, detected_share(*_rates(share, true_positive, false_positive)))


@theorem(
    statement="v' = P0 v + e + (1 - P0 - e)(1 - g')^2 v, P0 = P(N < m), e = E[1/N; N >= m], N ~ Bin(M, s)",
    conditions=_IID + "flagged items are removed, not replaced; fewer than m items keep the old fit",
    order="exact",
    source=_SOURCE,
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
    return _from_first_fit(size, fits, inverse, _removal_gap(none, inverse, kept))


@theorem(
    statement="v* = e/(1 - P0 - (1 - P0 - e)(1 - g')^2)",
    conditions=_IID + "flagged items are removed, not replaced; fewer than m items keep the old fit; stationary",
    order="exact",
    source=_SOURCE,
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
    conditions=_IID + "flagged items are removed, not replaced; covariances with divisor N - 1, N >= m >= 2",
    order="exact",
    source=_SOURCE,
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
    conditions=_COUNTS + "flagged items are removed, not replaced; fewer than m items keep the old fit",
    order="exact",
    source=_SOURCE,
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
    return _from_first_fit(size, fits, source, gap)


@theorem(
    statement="v* = E[1/N]/(1 - P0 - E[S(S-1)/N^2])",
    conditions=_COUNTS + "flagged items are removed, not replaced; fewer than m items keep the old fit; stationary",
    order="exact",
    source=_SOURCE,
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
    conditions=_IID + "flagged items are removed, not replaced; M g large",
    order="O(1/(M g)) relative",
    source=_SOURCE,
)
def removal_theta(sample_size: ArrayLike, share: float, true_positive: float, false_positive: float) -> Array:
    r"""theta of removal without refill, :math:`M g (1 - f)(2 - g')`, against :math:`(M - 1) g (2 - g)` without a
    detector.

    The stationary loss is about 1/(1 + theta), relative error O(1/(M g)).
    """
    size, (g, t, f) = whole("sample_size", sample_size, 1), _rates(share, true_positive, false_positive)
    return size.astype(np.float64) * g * (1 - f) * (2 - float(detected_share(g, t, f)))


@theorem(
    statement="theta(removed)/theta(no detector) = (1-f)(2-g')/(2-g) <= 1, equal iff f = t = 0",
    conditions=_IID + "flagged items are removed, not replaced; M g large, pure sampling loss",
    order="O(1/(M g)) relative",
    source=_SOURCE,
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


@theorem(
    statement="v' = E[Q/T^2] + E[(A1^2 - A2)/T^2] v: flagged items weigh omega in the fit",
    conditions=_IID + "T, Q: sums of all weights and of their squares, A1, A2 of the synthetic items'",
    order="exact",
    source=_SOURCE,
)
def weighted_flags(
    sample_size: int, fits: ArrayLike, share: float, true_positive: float, false_positive: float, weight: float
) -> Array:
    r"""v_n where flagged items stay and weigh omega = ``weight`` each, the others 1; divisor: the sum of all weights.

    .. math:: v' = E\left[\frac{Q}{T^2}\right] + E\left[\frac{A_1^2 - A_2}{T^2}\right] v

    over N ~ Bin(M, s) items that pass. Given N, X ~ Bin(N, 1-g') of these are synthetic, and Y ~ Bin(M-N, 1-g'') of the
    flagged; T = N + omega (M-N), A1 = X + omega Y. Exact, started at v_1 = 1/M. Raises ValueError unless 0 < weight <=
    1: at 0 this is ``removed``.
    """
    size, source, gap = _flags(sample_size, share, true_positive, false_positive, weight)
    return _from_first_fit(size, fits, source, gap)


@theorem(
    statement="v* = E[Q/T^2]/(1 - E[(A1^2 - A2)/T^2])",
    conditions=_IID + "flagged items weigh omega in the fit, others 1; stationary",
    order="exact",
    source=_SOURCE,
)
def weighted_flags_limit(
    sample_size: int, share: float, true_positive: float, false_positive: float, weight: float
) -> float:
    """Stationary v of ``weighted_flags``; 1 without real items. Exact."""
    _, source, gap = _flags(sample_size, share, true_positive, false_positive, weight)
    return float(source / gap)


@theorem(
    statement="v' = E[Q/T^2] + E[(A1^2 - A2)/T^2] v over four binomial counts of r real items and M - r model draws",
    conditions=_COUNTS + "flagged items weigh omega in the fit, others 1",
    order="exact",
    source=_SOURCE,
)
def weighted_flag_counts(
    sample_size: int, fits: ArrayLike, real: int, true_positive: float, false_positive: float, weight: float
) -> Array:
    """``weighted_flags`` for a pool of exactly r = ``real`` fresh real items and M - r model draws. Exact.

    Raises ValueError unless 0 < weight <= 1, NotCovered beyond M = 2000.
    """
    size, r = _one_pool(sample_size, real)
    w = one_real("weight", weight, 0, 1, open_low=True)
    passed, drawn, chance = _pairs(size, r, true_positive, false_positive)
    total = passed + drawn + w * (size - passed - drawn)
    first = drawn + w * (size - r - drawn)
    squares = passed + drawn + w**2 * (size - passed - drawn)
    second = drawn + w**2 * (size - r - drawn)
    source = float((chance * squares / total**2).sum())
    return _from_first_fit(size, fits, source, 1 - float((chance * (first**2 - second) / total**2).sum()))


@theorem(
    statement="theta = M g u1 (2 - g_w)(g u1 + (1-g) s1)/(g u2 + (1-g) s2), u_j = 1-f + omega^j f, "
    "s_j = 1-t + omega^j t, g_w = g u1/(g u1 + (1-g) s1)",
    conditions=_IID + "flagged items weigh omega in the fit, others 1; M g large",
    order="O(1/(M g)) relative",
    source=_SOURCE,
)
def weighted_theta(
    sample_size: ArrayLike, share: float, true_positive: float, false_positive: float, weight: ArrayLike
) -> Array:
    r"""theta where flagged items weigh omega; the stationary loss is about 1/(1 + theta).

    omega = 1: no detector. omega = 0: ``removal_theta``. Relative error O(1/(M g)).
    """
    size = whole("sample_size", sample_size, 1).astype(np.float64)
    return size * _weighted_rate(share, true_positive, false_positive, within("weight", weight, 0, 1))


@theorem(
    statement="the best weight of a flagged item maximises theta; it is between removal and no detector",
    conditions=_IID + "flagged items weigh omega in the fit, others 1; M g large",
    order="O(1/(M g)) relative",
    source=_SOURCE,
)
def best_flag_weight(share: float, true_positive: float, false_positive: float) -> float:
    r"""omega in [0, 1] with the least stationary loss in large pools, ``weighted_theta`` at its largest.

    To 1e-8. It does not depend on M. Raises ValueError unless 0 < share < 1.
    """
    g = one_real("share", share, 0, 1, open_low=True, open_high=True)
    rates = (one_real("true_positive", true_positive, 0, 1), one_real("false_positive", false_positive, 0, 1))

    def loss(weight: float) -> float:
        return -float(_weighted_rate(g, *rates, np.asarray(weight)))

    grid = np.linspace(1e-9, 1, 201)
    at = int(np.argmin([loss(float(weight)) for weight in grid]))
    low, high = float(grid[max(at - 1, 0)]), float(grid[min(at + 1, grid.size - 1)])
    found = float(scipy.optimize.minimize_scalar(loss, bounds=(low, high), options={"xatol": 1e-9}, method="bounded").x)
    return min((found, 0.0, 1.0), key=lambda weight: loss(max(weight, 1e-300)))


def _weighted_rate(share: float, true_positive: float, false_positive: float, weight: Array) -> Array:
    """theta / M."""
    g, t, f = _rates(share, true_positive, false_positive)
    u1, u2 = (1 - f + weight**j * f for j in (1, 2))
    s1, s2 = (1 - t + weight**j * t for j in (1, 2))
    total, squares = g * u1 + (1 - g) * s1, g * u2 + (1 - g) * s2
    if np.any(total == 0):
        raise ValueError(_PASSING)
    return g * u1 * (2 - g * u1 / total) * total / squares


def _pool(
    sample_size: int, share: float, true_positive: float, false_positive: float, fewest: int, least: int = 1
) -> tuple[int, int, float, float]:
    """M, m, the chance s that an item passes, and the real share g' of what passes."""
    size = one_whole("sample_size", sample_size, 1, "a fit needs data", most=LONGEST)
    m = one_whole("fewest", fewest, least, most=LONGEST)
    g, t, f = _rates(share, true_positive, false_positive)
    return size, m, g * (1 - f) + (1 - g) * (1 - t), float(detected_share(g, t, f))


def _rates(share: float, true_positive: float, false_positive: float) -> tuple[float, float, float]:
    g, t = one_real("share", share, 0, 1), one_real("true_positive", true_positive, 0, 1)
    return g, t, one_real("false_positive", false_positive, 0, 1)


def _inverse(size: int, chance: float, fewest: int) -> tuple[float, float]:
    """P(N < m) and E[1/N; N >= m] of N ~ Bin(M, s)."""
    law = binomial_rows(size, np.array([min(chance, 1.0)]))[0]
    count = np.arange(size + 1)
    return float(law[:fewest].sum()), float((law[fewest:] / count[fewest:]).sum())


def _removal_gap(none: float, inverse: float, kept: float) -> float:
    """1 - P0 - (1 - P0 - e)(1-g')^2, without the cancellation."""
    return (1 - none) * kept * (2 - kept) + inverse * (1 - kept) ** 2


def _one_pool(sample_size: int, real: int) -> tuple[int, int]:
    size = one_whole("sample_size", sample_size, 1, "a fit needs data", most=_LARGEST_PAIR)
    r = one_whole("real", real)
    if r > size:
        raise ValueError(f"real must not exceed sample_size, got {real!r}")
    return size, r


def _pairs(size: int, real: int, true_positive: float, false_positive: float) -> tuple[Array, Array, Array]:
    """Numbers of real and of synthetic items that pass, as column and row, and the chance of each pair."""
    t, f = one_real("true_positive", true_positive, 0, 1), one_real("false_positive", false_positive, 0, 1)

    def passing(items: int, chance: float) -> Array:
        return binomial_rows(items, np.array([chance]))[0] if items else np.ones(1)

    chance = np.outer(passing(real, 1 - f), passing(size - real, 1 - t))
    return np.arange(real + 1.0)[:, None], np.arange(size - real + 1.0)[None], chance


def _counts(
    sample_size: int, real: int, true_positive: float, false_positive: float, fewest: int
) -> tuple[int, float, float]:
    """M, and source and gap of v' = source + (1 - gap) v, for removal from exact counts."""
    size, r = _one_pool(sample_size, real)
    m = one_whole("fewest", fewest, 1, most=LONGEST)
    passed, drawn, chance = _pairs(size, r, true_positive, false_positive)
    total = passed + drawn
    if chance[0, 0] == 1:
        raise ValueError(_PASSING)
    fits = total >= m
    safe = np.where(fits, total, 1.0)
    source = float(np.where(fits, chance / safe, 0.0).sum())
    # 1 - S(S-1)/N^2 = [R(2N-R) + S]/N^2, every term nonnegative
    lost = (passed * (2 * total - passed) + drawn) / safe**2
    return size, source, float(np.where(fits, chance * lost, 0.0).sum())


def _flags(
    sample_size: int, share: float, true_positive: float, false_positive: float, weight: float
) -> tuple[int, float, float]:
    """M, and source and gap of v' = source + (1 - gap) v, where flagged items weigh omega."""
    size = one_whole("sample_size", sample_size, 1, "a fit needs data", most=LONGEST)
    w, (g, t, f) = one_real("weight", weight, 0, 1, open_low=True), _rates(share, true_positive, false_positive)
    s = g * (1 - f) + (1 - g) * (1 - t)
    law = binomial_rows(size, np.array([min(s, 1.0)]))[0]
    passed = np.arange(size + 1.0)
    flagged = size - passed
    mine = (1 - g) * (1 - t) / s if s > 0 else 0.0  # synthetic among what passes, and among what is flagged
    other = (1 - g) * t / (1 - s) if s < 1 else 0.0
    total = passed + w * flagged
    pairs = (
        passed * (passed - 1) * mine**2
        + 2 * w * passed * flagged * mine * other
        + w**2 * flagged * (flagged - 1) * other**2
    )
    source = float((law * (passed + w**2 * flagged) / total**2).sum())
    return size, source, 1 - float((law * pairs / total**2).sum())


def _from_first_fit(size: int, fits: ArrayLike, source: float, gap: float) -> Array:
    """v_n of x' = source + (1 - gap) x started at v_1 = 1/M, with v_0 = 0."""
    count = whole("fits", fits)
    value = affine(1 / size, np.asarray(source), np.asarray(gap), np.maximum(count - 1, 0))
    return np.where(count == 0, 0.0, np.minimum(value, 1.0))

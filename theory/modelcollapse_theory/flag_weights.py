r"""Items that a detector flags stay and weigh less: the exact loss at any weight, the best weight, and what to do.

Pool, rates and v are those of ``detectors``; an item that is not flagged weighs 1. Derived in
theory/derivations/detectors.md.
"""

from __future__ import annotations

import numpy as np
import scipy
from numpy.typing import ArrayLike

from modelcollapse_theory._domain import LONGEST, Array, flag, one_real, one_whole, whole, within
from modelcollapse_theory._pools import COUNTS, IID, PASSING, SOURCE, one_pool, pairs, passing, rates
from modelcollapse_theory._register import theorem
from modelcollapse_theory.detectors import removed_limit
from modelcollapse_theory.moments import binomial_rows
from modelcollapse_theory.plan import Answer
from modelcollapse_theory.selection import detected_share
from modelcollapse_theory.workflows import from_first_fit, random_mixing_limit


@theorem(
    statement="v' = E[Q/T^2] + E[(A1^2 - A2)/T^2] v: flagged items weigh omega in the fit",
    conditions=IID + "T, Q: sums of all weights and of their squares, A1, A2 of the synthetic items'",
    order="exact",
    source=SOURCE,
)
def weighted_flags(
    sample_size: int, fits: ArrayLike, share: float, true_positive: float, false_positive: float, weight: float
) -> Array:
    r"""v_n where flagged items stay and weigh omega = ``weight`` each, the others 1; divisor: the sum of all weights.

    .. math:: v' = E\left[\frac{Q}{T^2}\right] + E\left[\frac{A_1^2 - A_2}{T^2}\right] v

    over N ~ Bin(M, s) items that pass. Given N, X ~ Bin(N, 1-g') of these are synthetic, and Y ~ Bin(M-N, 1-g'') of the
    flagged, g'' = g f/(1-s); T = N + omega (M-N), A1 = X + omega Y. Exact, started at v_1 = 1/M. Raises ValueError
    unless 0 < weight <= 1: at 0 this is ``detectors.removed``.
    """
    size, source, gap = _flags(sample_size, share, true_positive, false_positive, weight)
    return from_first_fit(1 / size, fits, source, gap)


@theorem(
    statement="v* = E[Q/T^2]/(1 - E[(A1^2 - A2)/T^2])",
    conditions=IID + "flagged items weigh omega in the fit, others 1; stationary",
    order="exact",
    source=SOURCE,
)
def weighted_flags_limit(
    sample_size: int, share: float, true_positive: float, false_positive: float, weight: float
) -> float:
    """Stationary v of ``weighted_flags``; 1 without real items. Exact."""
    _, source, gap = _flags(sample_size, share, true_positive, false_positive, weight)
    return float(source / gap)


@theorem(
    statement="v' = E[Q/T^2] + E[(A1^2 - A2)/T^2] v over four binomial counts of r real items and M - r model draws",
    conditions=COUNTS + "flagged items weigh omega in the fit, others 1",
    order="exact",
    source=SOURCE,
)
def weighted_flag_counts(
    sample_size: int, fits: ArrayLike, real: int, true_positive: float, false_positive: float, weight: float
) -> Array:
    """``weighted_flags`` for a pool of exactly r = ``real`` fresh real items and M - r model draws. Exact.

    Raises ValueError unless 0 < weight <= 1, NotCovered beyond M = 2000.
    """
    size, r = one_pool(sample_size, real)
    w = one_real("weight", weight, 0, 1, open_low=True)
    passed, drawn, chance = pairs(size, r, true_positive, false_positive)
    total = passed + drawn + w * (size - passed - drawn)
    first = drawn + w * (size - r - drawn)
    squares = passed + drawn + w**2 * (size - passed - drawn)
    second = drawn + w**2 * (size - r - drawn)
    source = float((chance * squares / total**2).sum())
    return from_first_fit(1 / size, fits, source, 1 - float((chance * (first**2 - second) / total**2).sum()))


@theorem(
    statement="theta = M g u1 (2 - g_w)(g u1 + (1-g) s1)/(g u2 + (1-g) s2), u_j = 1-f + omega^j f, "
    "s_j = 1-t + omega^j t, g_w = g u1/(g u1 + (1-g) s1)",
    conditions=IID + "flagged items weigh omega in the fit, others 1; M g large",
    order="O(1/(M g)) relative",
    source=SOURCE,
)
def weighted_theta(
    sample_size: ArrayLike, share: float, true_positive: float, false_positive: float, weight: ArrayLike
) -> Array:
    r"""theta where flagged items weigh omega; the stationary loss is about 1/(1 + theta).

    omega = 1: no detector. omega = 0: ``detectors.removal_theta``. Relative error O(1/(M g)).
    """
    size = whole("sample_size", sample_size, 1).astype(np.float64)
    return size * _weighted_rate(share, true_positive, false_positive, within("weight", weight, 0, 1))


@theorem(
    statement="the best weight of a flagged item maximises theta; it is between removal and no detector",
    conditions=IID + "flagged items weigh omega in the fit, others 1; M g large",
    order="O(1/(M g)) relative",
    source=SOURCE,
)
def best_flag_weight(share: float, true_positive: float, false_positive: float) -> float:
    r"""omega in [0, 1] with the least stationary loss in the limit of large M, ``weighted_theta`` at its largest.

    It does not depend on M; ``best_treatment``, the planner's answer, has the best weight at a finite M. To 1e-8.
    Raises ValueError unless 0 < share < 1, and where everything is flagged, so that no weight makes a difference.
    """
    g = one_real("share", share, 0, 1, open_low=True, open_high=True)
    rates = (one_real("true_positive", true_positive, 0, 1), one_real("false_positive", false_positive, 0, 1))
    if rates == (1, 1):
        raise ValueError(PASSING)

    def loss(weight: float) -> float:
        return -float(_weighted_rate(g, *rates, np.asarray(weight)))

    grid = np.linspace(1e-9, 1, 201)
    at = int(np.argmin([loss(float(weight)) for weight in grid]))
    low, high = float(grid[max(at - 1, 0)]), float(grid[min(at + 1, grid.size - 1)])
    found = float(scipy.optimize.minimize_scalar(loss, bounds=(low, high), options={"xatol": 1e-9}, method="bounded").x)
    return min((found, 0.0, 1.0), key=lambda weight: loss(max(weight, 1e-300)))


def _weighted_rate(share: float, true_positive: float, false_positive: float, weight: Array) -> Array:
    """theta / M."""
    g, t, f = rates(share, true_positive, false_positive)
    u1, u2 = (1 - f + weight**j * f for j in (1, 2))
    s1, s2 = (1 - t + weight**j * t for j in (1, 2))
    total, squares = g * u1 + (1 - g) * s1, g * u2 + (1 - g) * s2
    if np.any(total == 0):
        raise ValueError(PASSING)
    return g * u1 * (2 - g * u1 / total) * total / squares


def best_treatment(
    sample_size: int, share: float, true_positive: float, false_positive: float, *, refill: bool = True
) -> Answer:
    r"""What to do with the items that a detector flags: nothing, remove, remove and refill, or a lower weight.

    The one with the least stationary loss v of a pool of M = ``sample_size`` items with i.i.d. labels. ``value`` is the
    weight of a flagged item (1: nothing is done, 0: removed) and ``achieved`` the loss; ``neighbour`` and
    ``achieved_aside`` are those of the best that is not refilled, or the second best. ``regime`` names the treatment,
    the assumptions list every loss. ``cost`` is the number of pool items per fit. ``refill`` False: no more pool items
    can be had. Exact at this M, of which ``best_flag_weight`` is the limit; pure sampling loss, a bias that compounds
    is another matter.
    """
    size = one_whole("sample_size", sample_size, 1, "a fit needs data", most=LONGEST)
    g, t, f = rates(share, true_positive, false_positive)
    more = flag("refill", refill)
    found: dict[str, tuple[float, float, float]] = {  # weight, loss, items of the pool
        "no detector": (1.0, float(random_mixing_limit(size, g)), size),
        "removed, not refilled": (0.0, removed_limit(size, g, t, f), size),
    }
    weight = float(
        scipy.optimize.minimize_scalar(
            lambda w: weighted_flags_limit(size, g, t, f, float(w)), bounds=(1e-6, 1), method="bounded"
        ).x
    )
    found["flagged items weigh less"] = (weight, weighted_flags_limit(size, g, t, f, weight), size)
    if more:
        found["removed and refilled"] = (
            0.0,
            float(random_mixing_limit(size, detected_share(g, t, f))),
            size / passing(g, t, f),
        )
    ranked = sorted(found, key=lambda name: (found[name][1], found[name][2]))
    best, second = found[ranked[0]], found[ranked[1]]
    what = tuple(f"{name}: v = {found[name][1]:.6g}" for name in ranked)
    return Answer(best[0], best[1], second[0], second[1], ranked[0], ("i.i.d. labels, stationary", *what), cost=best[2])


def _flags(
    sample_size: int, share: float, true_positive: float, false_positive: float, weight: float
) -> tuple[int, float, float]:
    """M, and source and gap of v' = source + (1 - gap) v, where flagged items weigh omega."""
    size = one_whole("sample_size", sample_size, 1, "a fit needs data", most=LONGEST)
    w, (g, t, f) = one_real("weight", weight, 0, 1, open_low=True), rates(share, true_positive, false_positive)
    s = passing(g, t, f)
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

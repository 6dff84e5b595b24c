r"""Detectors that look at the item: false positives that depend on the state, laws after endless data, watermarks.

Real items of state x are flagged with probability f(x), synthetic ones with t(x); flagged items are removed. Derived in
theory/derivations/detectors.md.
"""

from __future__ import annotations

import numpy as np
import scipy
from numpy.typing import ArrayLike

from modelcollapse_theory._domain import (
    LONGEST,
    Array,
    NotCovered,
    law,
    one_real,
    one_whole,
    within,
)
from modelcollapse_theory._pools import PASSING, SOURCE
from modelcollapse_theory._register import theorem


@theorem(
    statement="p0~(x) = p0(x)(1 - f(x))/(1 - fbar): the law that all exact results hold for, with g' = g(1-fbar)/Z",
    conditions="real items of state x are removed with probability f(x), synthetic ones with a constant t; refilled",
    order="exact",
    source=SOURCE,
)
def screened_law(probabilities: ArrayLike, false_positive: ArrayLike) -> Array:
    r"""The law of the real items that pass, ``(K,)``: a state flagged at f(x) keeps the share (1-f(x))/(1-fbar).

    What is fitted is i.i.d. of :math:`g'\tilde p_0 + (1-g')p` with :math:`g' = g(1-\bar f)/Z`, Z constant in p: random
    mixing with p0~ for p0. So the bias does not compound, and E p* = p0~. Exact. ``false_positive`` (K,) or one number.
    """
    p, f = _states(probabilities, false_positive)
    kept = p * (1 - f)
    if kept.sum() == 0:
        raise ValueError("false_positive must let a real item pass")
    return kept / kept.sum()


@theorem(
    statement="chi^2(p0~ || p0) = Var_{p0}(f)/(1 - fbar)^2: a floor that no sample size removes",
    conditions="real items of state x are removed with probability f(x), synthetic ones with a constant t; refilled",
    order="exact",
    source=SOURCE,
)
def screened_floor(probabilities: ArrayLike, false_positive: ArrayLike) -> float:
    """chi-square distance of what infinitely much filtered data teaches from the truth. Exact."""
    p, f = _states(probabilities, false_positive)
    mean = float(p @ f)
    if mean == 1:
        raise ValueError("false_positive must let a real item pass")
    return float(p @ (f - mean) ** 2) / (1 - mean) ** 2


@theorem(
    statement="p' proportional to g p0 (1 - f) + (1-g) p (1 - t), state by state",
    conditions="infinite data; flagged items are removed, with or without refill",
    order="exact",
    source=SOURCE,
)
def screened_laws(
    probabilities: ArrayLike, share: float, true_positive: ArrayLike, false_positive: ArrayLike, fits: int
) -> Array:
    r"""The laws of fits 1, ..., n, ``(fits, K)``, fit 1 the truth: :math:`p' \propto g p_0 (1-f) + (1-g) p (1-t)`.

    Rates are (K,) or one number. Exact for endless data. Raises ValueError where nothing passes.
    """
    p, a, b = _maps(probabilities, share, true_positive, false_positive)
    count = one_whole("fits", fits, 1, most=LONGEST)
    out = np.empty((count, p.size))
    out[0] = p
    for n in range(1, count):
        passed = a + b * out[n - 1]
        if passed.sum() == 0:
            raise ValueError(PASSING)
        out[n] = passed / passed.sum()
    return out


@theorem(
    statement="p*(x) = a_x/(Z - b_x), sum_x a_x/(Z - b_x) = 1, Z > max b, with a = g p0 (1-f), b = (1-g)(1-t)",
    conditions="infinite data; rates depend on the state; a_x > 0 for every possible state; at g = 0 it is p_0 on the "
    "states of greatest b",
    order="exact",
    source="Perron and Frobenius; " + SOURCE,
)
def screened_limit(
    probabilities: ArrayLike, share: float, true_positive: ArrayLike, false_positive: ArrayLike
) -> Array:
    r"""The limit ``(K,)`` of ``screened_laws``: the Perron vector of diag(b) + a 1^T.

    At g = 0 the least flagged states take everything, in the proportions of the truth. Exact, to 1e-12. Raises
    NotCovered where g > 0 and a possible state has f = 1, whose synthetic items nothing replaces.
    """
    p, a, b = _maps(probabilities, share, true_positive, false_positive)
    if one_real("share", share, 0, 1) == 0:
        best = b[p > 0].max()
        if best == 0:
            raise ValueError(PASSING)
        return np.where(b == best, p, 0.0) / p[b == best].sum()
    _check_fed(p, a)
    root = _perron(p, a, b)
    return np.where(a > 0, a / np.where(a > 0, root - b, 1.0), 0.0)


@theorem(
    statement="errors fall by lambda_2/lambda_1 a fit, the largest eigenvalues of diag(b) + a 1^T: the roots of "
    "sum_x a_x/(lambda - b_x) = 1, and any b that two states share",
    conditions="infinite data; rates depend on the state; a_x > 0 for every possible state",
    order="exact",
    source="Perron and Frobenius; " + SOURCE,
)
def screened_rate(probabilities: ArrayLike, share: float, true_positive: ArrayLike, false_positive: ArrayLike) -> float:
    r"""By which factor the distance from ``screened_limit`` falls a fit in the end, :math:`\lambda_2/\lambda_1`.

    Of the matrix diag(b) + a 1^T, whose eigenvalues are real. Exact, O(K^3).
    """
    p, a, b = _maps(probabilities, share, true_positive, false_positive)
    one_real("share", share, 0, 1, open_low=True)
    _check_fed(p, a)
    there = p > 0
    if there.sum() == 1:
        return 0.0
    # similar to diag(b) + sqrt(a) sqrt(a)^T
    root = np.sqrt(a[there])
    values = np.linalg.eigvalsh(np.diag(b[there]) + np.outer(root, root))
    return float(max(values[-2], -values[0]) / values[-1])


@theorem(
    statement="gamma_1 = gamma e^delta/(1 + gamma (e^delta - 1))",
    conditions="a share gamma of the tokens is green, their logits raised by delta; even logits otherwise",
    order="exact",
    source="scheme of Kirchenbauer et al., arXiv 2301.10226; " + SOURCE,
)
def green_rate(green: ArrayLike, shift: ArrayLike) -> Array:
    r"""Chance that a marked token is green, :math:`\gamma e^\delta/(1 + \gamma(e^\delta - 1))`. Exact."""
    g, delta = within("green", green, 0, 1, open_low=True, open_high=True), within("shift", shift, 0, 500)
    return g / (g + (1 - g) * np.exp(-delta))


@theorem(
    statement="t = P(Bin(L, gamma_1) >= c), f = P(Bin(L, gamma) >= c)",
    conditions="a text of L independent tokens is flagged if at least c of them are green",
    order="exact",
    source="scheme of Kirchenbauer et al., arXiv 2301.10226; " + SOURCE,
)
def watermark_rates(length: int, count: int, green: float, shift: float) -> tuple[float, float]:
    """(true-positive, false-positive) rate of a detector that flags at ``count`` green tokens of ``length``. Exact."""
    tokens, needed = one_whole("length", length, 1, most=2**53), one_whole("count", count, most=2**53)
    chances = _marked(green, shift), one_real("green", green)
    marked, plain = (float(scipy.stats.binom.sf(needed - 1, tokens, chance)) for chance in chances)
    return marked, plain


@theorem(
    statement="L ~ [(z_f sqrt(gamma(1-gamma)) + z_t sqrt(gamma_1(1-gamma_1)))/(gamma_1 - gamma)]^2",
    conditions="a text of L independent tokens; normal tails, L large; z_f = Phi^-1(1 - f), z_t = Phi^-1(t)",
    order="O(1/sqrt(L)) relative",
    source="scheme of Kirchenbauer et al., arXiv 2301.10226; " + SOURCE,
)
def watermark_length(true_positive: float, false_positive: float, green: float, shift: float) -> float:
    """The length at which normal tails reach both rates; ``watermark_least`` is exact. Raises ValueError at shift 0."""
    t = one_real("true_positive", true_positive, 0.5, 1, open_high=True)
    f = one_real("false_positive", false_positive, 0, 0.5, open_low=True)
    one_real("shift", shift, 0, open_low=True)
    g, marked = one_real("green", green), _marked(green, shift)
    z_f, z_t = float(scipy.special.ndtri(1 - f)), float(scipy.special.ndtri(t))
    return ((z_f * np.sqrt(g * (1 - g)) + z_t * np.sqrt(marked * (1 - marked))) / (marked - g)) ** 2


def watermark_least(true_positive: float, false_positive: float, green: float, shift: float) -> tuple[int, int]:
    """The shortest text, and its threshold, that has both rates: at most ``false_positive``, at least
    ``true_positive``.

    Exact, by the binomial tails of ``watermark_rates``. Raises as ``watermark_length``, and NotCovered beyond 10^5
    tokens.
    """
    guess = watermark_length(true_positive, false_positive, green, shift)
    if guess > 1e5:
        raise NotCovered(f"shift must let 100000 tokens be enough, got {shift!r}, for which it takes {guess:.3g}")
    marked = _marked(green, shift)
    for length in range(1, int(4 * guess) + 100):
        threshold = int(scipy.stats.binom.isf(false_positive, length, green)) + 1
        if scipy.stats.binom.sf(threshold - 1, length, marked) >= true_positive:
            return length, threshold
    raise NotCovered(f"shift must let {int(4 * guess) + 100} tokens be enough, got {shift!r}")


@theorem(
    statement="rate' - gamma = (1-g)(rate - gamma): refits dilute a watermark by the synthetic share",
    conditions="infinite data; a share 1-g of the data is the last model's, which is not marked again; even gamma",
    order="exact",
    source=SOURCE,
)
def diluted_rate(rate: ArrayLike, green: ArrayLike, share: ArrayLike, fits: int = 1) -> Array:
    """Green rate of a model after ``fits`` refits on a real share g, from ``rate``: the excess falls by 1-g. Exact."""
    base, g = within("green", green, 0, 1), within("share", share, 0, 1)
    return base + (1 - g) ** one_whole("fits", fits) * (within("rate", rate, 0, 1) - base)


@theorem(
    statement="g = 1 - (rate' - gamma)/(rate - gamma): the real share, without knowledge of p0",
    conditions="infinite data; a share 1-g of the data is the last model's, which is not marked again; even gamma",
    order="exact",
    source=SOURCE,
)
def real_share_from_rates(rate: float, later: float, green: float) -> float:
    """The real share from the green ``rate`` of a model and ``later`` that of the next. Exact.

    Raises ValueError where the first model has no excess to lose; NotCovered where the second has more, or none is
    left on the same side: its noise is larger than the signal.
    """
    base = one_real("green", green, 0, 1)
    before, after = one_real("rate", rate, 0, 1) - base, one_real("later", later, 0, 1) - base
    if before == 0:
        raise ValueError(f"rate must differ from green, got {rate!r}: there is no excess to follow")
    share = 1 - after / before
    if not 0 <= share <= 1:
        raise NotCovered(f"later must lie between green and rate, got {later!r}")
    return share


def _marked(green: float, shift: float) -> float:
    return float(green_rate(one_real("green", green), one_real("shift", shift)))


def _states(probabilities: ArrayLike, rate: ArrayLike, name: str = "false_positive") -> tuple[Array, Array]:
    p, chance = law("probabilities", probabilities), within(name, rate, 0, 1)
    if chance.shape not in ((), p.shape):
        raise ValueError(f"{name} must be one number or have one for each of the {p.size} states, got {chance.shape}")
    return p, np.broadcast_to(chance, p.shape)


def _maps(
    probabilities: ArrayLike, share: float, true_positive: ArrayLike, false_positive: ArrayLike
) -> tuple[Array, Array, Array]:
    """p0, a = g p0 (1-f) and b = (1-g)(1-t)."""
    p, f = _states(probabilities, false_positive)
    _, t = _states(probabilities, true_positive, "true_positive")
    g = one_real("share", share, 0, 1)
    return p, g * p * (1 - f), (1 - g) * (1 - t)


def _check_fed(p: Array, a: Array) -> None:
    if np.any((a == 0) & (p > 0)):
        raise NotCovered("false_positive must be below 1 for every possible state, so that real items feed it")


def _perron(p: Array, a: Array, b: Array) -> float:
    """The root of sum a/(Z - b) = 1 above max b."""
    a, b = a[p > 0], b[p > 0]
    top = b.max()
    # between top + a at the top state and top + sum a
    low, high = top + a[b == top].sum(), top + a.sum()
    if high - low <= 4 * np.finfo(float).eps * high:
        return float(high)
    return float(
        scipy.optimize.brentq(
            lambda z: float((a / (z - b)).sum()) - 1, low, high * (1 + 1e-15), xtol=1e-300, rtol=1e-15
        )
    )

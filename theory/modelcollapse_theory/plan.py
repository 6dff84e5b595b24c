r"""What it takes to keep something, from the exact laws: every answer carries the values that prove it.

A question has the form "the least sample, share, number of fits or growth such that ...". An ``Answer`` gives that
value, what it achieves, and what its neighbour, one step on the failing side, achieves instead. What cannot be had is
refused with what can. Every question has an answer at any size: where the exact law would take too long, a
large-sample law with a stated error answers, and ``exact`` says so.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import numpy as np
import scipy
from numpy.typing import ArrayLike

from modelcollapse_theory import (
    accumulation,
    divergence,
    fresh,
    fresh_limits,
    gaussian,
    replacement,
    selection,
    support,
)
from modelcollapse_theory._domain import law, one_real, one_whole
from modelcollapse_theory._search import least, least_share
from modelcollapse_theory.lineage_limits import surviving_fraction
from modelcollapse_theory.workflows import replace

_LARGEST = 20_000  # items of a sample; beyond, large-sample laws answer
_LARGEST_BY_FIT = 4_000  # with fresh data, at a given fit
_LARGEST_ENTROPY = 2_000
_LARGEST_CONTOUR = 10**12
_COUNTABLE = 2**53  # whole numbers beyond are not told from their neighbours
_FARTHEST = 2**62
_REPLACE = "replace"
_ASIDE = 1e-6  # the neighbour of a real-valued answer, relative
_ASIDE_LIMIT = 1e-4  # the same of a large-sample answer
_LIMIT = "large-sample law: ln P(absent) off by less than |ln P| (1 + |ln P|) (1/M + 1/10^4)"


@dataclasses.dataclass(frozen=True)
class Answer:
    """The least ``value`` that meets a demand, with its evidence.

    ``achieved`` is the quantity in question at ``value``, ``achieved_aside`` at ``neighbour``, which fails (None where
    value is already the least possible). ``exact`` is False for a large-sample answer. ``cost`` is a total number of
    draws, where there is one.
    """

    value: float
    achieved: float
    neighbour: float | None
    achieved_aside: float | None
    regime: str
    assumptions: tuple[str, ...]
    exact: bool = True
    meets: bool = True
    cost: float | None = None


def _whole_answer(read: Callable[[int], float], value: int, lowest: int, regime: str, *assumptions: str) -> Answer:
    beside = value - 1 if value > lowest else None
    aside = None if beside is None else read(beside)
    return Answer(value, read(value), beside, aside, regime, assumptions)


def _beyond(value: float, read: Callable[[float], float], regime: str, *assumptions: str) -> Answer:
    """The answer where whole numbers cannot be told from their neighbours: the next one below is 1e-6 away."""
    aside = value * (1 - _ASIDE)
    return Answer(value, read(value), aside, read(aside), regime, (*assumptions, "beyond 2^53, to 1e-6"), exact=False)


def _risk(failure: float) -> float:
    return one_real("failure", failure, 0, 1, open_low=True, open_high=True)


def _inner(probability: float) -> float:
    return one_real("probability", probability, 0, 1, open_low=True, open_high=True)


def _absent(probability: float, size: int, share: float, fits: int | None) -> float:
    """P(absent), exact where that takes seconds."""
    if share == 0 and fits is None:
        return 1 - probability  # what the stationary law tends to
    law = fresh_limits.absent_limit if _is_large(size, fits) else fresh.absent
    return float(law(probability, size, share, fits))


def _is_large(size: int, fits: int | None) -> bool:
    return size > (_LARGEST if fits is None else _LARGEST_BY_FIT)


def sample_size_to_keep(probability: float, fits: int, failure: float) -> Answer:
    r"""The least M with which a state of probability q survives n fits of replacement with probability 1 - delta.

    Solves :math:`E (1 - q)^{A_n} \le \delta`, which falls with M: more boxes hold stochastically more lineages.
    ``achieved`` is that loss probability. Exact to M = 20,000; beyond, ``fresh_limits.absent_limit`` at share 0, and
    ``exact`` is False.
    """
    q, delta, count = _inner(probability), _risk(failure), one_whole("fits", fits, 1)
    rate = q * float(surviving_fraction(count))
    enough = max(1.0, np.ceil(-np.log(delta) / rate))
    what = ("discrete model", f"independent draws, state of probability {q:g}")
    if enough > _COUNTABLE:
        return _beyond(enough, lambda m: float(np.exp(-m * rate)), _REPLACE, *what, _LIMIT)
    guess = int(enough)

    def loss(size: int) -> float:
        return float(support.absent_probability(q, size, count))

    def late(size: int) -> float:
        return float(fresh_limits.absent_limit(q, size, 0.0, count))

    size = least(lambda m: late(m) <= delta, 1, guess, _FARTHEST)
    if guess <= _LARGEST:
        # the large-sample law is items away, so that few exact values are needed
        near = least(lambda m: loss(m) <= delta, 1, min(size, _LARGEST), _LARGEST)
        if near <= _LARGEST:
            return _whole_answer(loss, near, 1, _REPLACE, *what)
    return dataclasses.replace(_whole_answer(late, size, 1, _REPLACE, *what, _LIMIT), exact=False)


def share_to_keep(probability: float, sample_size: int, failure: float, fits: int | None = None) -> Answer:
    r"""The least fresh real share g with which a state is present in the n-th fit with probability 1 - delta at least.

    ``fits`` None: in a stationary fit, where no smaller share would do later; else in that fit, which asks for less.
    ``achieved`` is P(absent). Exact to M = 20,000 (stationary) and M = 4,000 (a given fit); beyond, the law of
    ``fresh_limits.absent_limit``, and ``exact`` is False. Presence *at* a fit: over unbounded time every state is
    absent now and then at any share below 1, and only a fixed real set or accumulation keeps one at every fit
    (``real_items_to_keep``). Raises ValueError where real data alone would fail.
    """
    q, delta, size = _inner(probability), _risk(failure), one_whole("sample_size", sample_size, 1, "a fit needs data")
    count = None if fits is None else one_whole("fits", fits, 1)
    what = ["each item real with probability g, independently", f"state of probability {q:g}"]
    what.append("stationary chain" if count is None else f"fit {count}, the first on real data only")
    large = _is_large(size, count)
    if large:
        what.append(_LIMIT)
    floor = float(replacement.unseen_probability(q, size))
    if delta < floor * (1 - 1e-12):
        raise ValueError(f"failure must be at least {floor:g}, that of real data alone, got {failure!r}")

    def answer(share: float) -> Answer:
        aside = None if share == 0 else share * (1 - (_ASIDE_LIMIT if large else _ASIDE))
        beside = None if aside is None else _absent(q, size, aside, count)
        met = _absent(q, size, share, count)
        return Answer(share, met, aside, beside, "random mixing", tuple(what), exact=not large)

    if count is None and not large:
        return answer(fresh.minimal_share(q, size, delta))
    return answer(least_share(lambda g: _absent(q, size, g, count), delta))


def real_items_to_keep(probability: float, failure: float) -> Answer:
    r"""The least number of real items that keep a state *for ever* with probability 1 - delta: (1 - q)^r <= delta.

    As a fixed set under replacement, or as the first batch of an accumulating pool; a state in it never leaves, one
    outside it does in the end or was never there. No fresh share below 1 does this. ``achieved`` is (1 - q)^r. Exact.
    """
    q, delta = _inner(probability), _risk(failure)
    regime, what = "fixed real set, or accumulate", (f"state of probability {q:g}", "items never removed")
    enough = np.ceil(np.log(delta) / np.log1p(-q))
    if enough > _COUNTABLE:
        return _beyond(enough, lambda items: float(np.exp(items * np.log1p(-q))), regime, *what)

    def loss(size: int) -> float:
        return float(replacement.unseen_probability(q, size))

    return _whole_answer(loss, least(lambda m: loss(m) <= delta, 1, int(enough), _FARTHEST), 1, regime, *what)


def variance_below(threshold: float, sample_size: int, confidence: float, *, ddof: int = 1) -> Answer:
    r"""The fits after which a Gaussian's variance is below ``threshold`` (relative) with probability ``confidence``.

    ``achieved`` is P(sigma_n^2 < eps sigma_0^2) from the law of a sum of log chi-squares. Exact but for rounding;
    beyond M = 10^12 by the normal law of that sum, whose error is below M^(-1/2).
    """
    depth = float(np.log(one_real("threshold", threshold, 0, 1, open_low=True, open_high=True)))
    chance = one_real("confidence", confidence, 0, 1, open_low=True, open_high=True)
    size = one_whole("sample_size", sample_size, 2, "a variance needs at least two draws")
    drift = -float(gaussian.expected_log_variance(size, 1, ddof=ddof))
    what = ("one-dimensional Gaussian", f"ddof = {ddof}")
    if size > _LARGEST_CONTOUR:
        spread = float(np.sqrt(gaussian.variance_log_variance(size, 1)))

        def near(fits: float) -> float:
            return float(scipy.special.ndtr((depth + fits * drift) / (spread * np.sqrt(fits))))

        score = spread * float(scipy.special.ndtri(chance)) / (2 * drift)  # of sqrt(n): n m + depth = z s sqrt(n)
        return _beyond((score + np.sqrt(score**2 - depth / drift)) ** 2, near, _REPLACE, *what, "normal law")

    def below(fits: int) -> float:
        return float(gaussian.log_variance_cdf(depth, size, fits, ddof=ddof))

    fits = least(lambda n: below(n) >= chance, 1, max(1, round(-depth / drift)), _COUNTABLE)
    if fits > _COUNTABLE:
        raise ValueError(f"confidence must be told from 1 in float64, got {confidence!r}")
    return _whole_answer(below, fits, 1, _REPLACE, *what)


def variance_half_life(sample_size: int, *, ddof: int = 1) -> Answer:
    """The fits after which the median variance of a Gaussian is at most half: ``variance_below`` at 1/2 and 1/2.

    Exact.
    """
    return variance_below(0.5, sample_size, 0.5, ddof=ddof)


def heterozygosity_half_life(sample_size: int) -> Answer:
    r"""The fits after which E H_n <= H_0/2, about M ln 2. ``achieved`` is (1 - 1/M)^n. Exact."""
    size = one_whole("sample_size", sample_size, 1)
    if size * np.log(2) > _COUNTABLE:
        return _beyond(size * float(np.log(2)), lambda fits: float(np.exp(-fits / size)), _REPLACE, "discrete model")

    def left(fits: int) -> float:
        return float(1 - replace(size, fits))

    return _whole_answer(
        left, least(lambda n: left(n) <= 0.5, 1, round(size * np.log(2)), _FARTHEST), 0, _REPLACE, "discrete model"
    )


def entropy_half_life(probabilities: ArrayLike, sample_size: int) -> Answer:
    """The fits after which E h(p_n) <= h(p_0)/2. ``achieved`` is the mean entropy (nats). Exact to M = 2,000.

    Beyond, ``divergence.expected_entropy_limit``, within M^(-1/2) nats, and ``exact`` is False. Raises ValueError for a
    law on one state, which has no entropy to lose.
    """
    start, size = divergence.entropy(probabilities), one_whole("sample_size", sample_size, 1)
    if start <= 0:
        raise ValueError("probabilities must have at least two possible states: one state has no entropy to lose")
    if size > _LARGEST_ENTROPY:
        curve = divergence.entropy_curve(probabilities, size, min(30 * size, _FARTHEST))
        what = "large-sample law, within M^(-1/2) nats"
        return _half_life(lambda n: float(curve(np.asarray(float(n)))), start / 2, size, what)

    def left(fits: int) -> float:
        return float(divergence.expected_entropy(probabilities, size, fits)) if fits else start

    return _half_life(left, start / 2, size)


def vocabulary_half_life(probabilities: ArrayLike, sample_size: int) -> Answer:
    """The fits after which E S_n <= K/2, K the number of possible states. ``achieved`` is E S_n. Exact to M = 20,000.

    Beyond, by ``fresh_limits.lineage_expectation_limit``, relative error O(1/M), and ``exact`` is False. Raises
    ValueError for K <= 2: at least one state always lives, and E S_n > 1 for ever.
    """
    possible, size = np.count_nonzero(law("probabilities", probabilities)), one_whole("sample_size", sample_size, 1)
    if possible <= 2:
        raise ValueError(f"probabilities must have at least 3 possible states to fall to half, got {possible}")

    def left(fits: int) -> float:
        if fits == 0:
            return float(possible)
        if size > _LARGEST:
            return float(support.expected_support_at_any_size(probabilities, size, fits))
        return float(support.expected_support(probabilities, size, fits))

    return _half_life(
        left, possible / 2, size, *(["large-sample law, relative error O(1/M)"] if size > _LARGEST else [])
    )


def _half_life(left: Callable[[int], float], half: float, size: int, *limit: str) -> Answer:
    # both fall at least like (1 - 1/M)^n in the end
    fits = least(lambda n: left(n) <= half, 1, size if limit else 1, min(10_000 * size, _FARTHEST))
    answer = _whole_answer(left, fits, 0, _REPLACE, "discrete model", "mean over chains", *limit)
    return dataclasses.replace(answer, exact=not limit)


def growth_to_keep(kept: float, sample_size: int, fits: int) -> Answer:
    r"""The least b such that data sets of M t^b items keep the share ``kept`` of the diversity for ever, and its cost.

    :math:`\prod_t (1 - 1/(M t^b)) \ge` ``kept``, rounding sizes up keeps no less; b > 1 always. ``cost`` is the number
    of draws of the first n = ``fits`` data sets, inf beyond 1e308. Exact. Raises ValueError unless kept < 1 - 1/M, what
    the first fit alone leaves.
    """
    size, count = one_whole("sample_size", sample_size, 1), one_whole("fits", fits)
    target = one_real("kept", kept, 0, 1, open_low=True, open_high=True)
    if target >= 1 - 1 / size:
        raise ValueError(
            f"kept must be below 1 - 1/sample_size = {1 - 1 / size:g}, what the first fit leaves, got {kept!r}; "
            f"it takes sample_size above {1 / (1 - target):g}"
        )

    def left(power: float) -> float:
        return 2 * float(replacement.heterozygosity_limit([0.5, 0.5], size, power))

    high = 2.0
    while left(high) < target:
        high *= 2
    what = ("discrete model, or Gaussian with ddof = 0", "data set t has M t^b items, rounded up")
    lowest = float(np.nextafter(1.0, 2.0))
    if left(lowest) >= target:  # no number of float64 lies between 1 and the answer
        return Answer(lowest, left(lowest), None, None, _REPLACE, what, exact=False, cost=_grown(size, lowest, count))
    # near b = 1 the product is e^(-1/(M (b - 1))): the logarithm of the gap is the good scale
    root = scipy.optimize.brentq(
        lambda x: left(1 + np.exp(x)) - target, np.log(lowest - 1), np.log(high - 1), xtol=1e-12
    )
    power, aside = float(1 + np.exp(root)), float(1 + np.exp(root) * (1 - _ASIDE))
    return Answer(power, left(power), aside, left(aside), _REPLACE, what, cost=_grown(size, power, count))


def _grown(size: int, power: float, count: int) -> float:
    """Sum of ceil(M t^b) over t = 1..n: term by term to 10^6, then by Euler and Maclaurin, rounding up by 1/2 on
    average.
    """
    first = min(count, 10**6)
    with np.errstate(over="ignore"):
        total = float(np.ceil(size * np.arange(1.0, first + 1) ** power - 1e-9).sum())
        if count > first:
            start, end = np.float64(first), np.float64(count)
            area = (end ** (power + 1) - start ** (power + 1)) / (power + 1)
            total += float(size * (area + (end**power - start**power) / 2) + (end - start) / 2)
    return total if np.isfinite(total) else np.inf


def batch_to_keep(kept: float) -> Answer:
    r"""The least batch M with which accumulation keeps the share ``kept`` of the diversity for ever.

    It keeps :math:`\sin(\pi s)/(\pi s)`, s = M^(-1/2). The complement, about pi^2/(6M), is accumulation's permanent
    loss. Exact.
    """
    target = one_real("kept", kept, 0, 1, open_low=True, open_high=True)

    def left(size: int) -> float:
        return float(1 - accumulation.accumulate_limit(size))

    guess = int(np.ceil(accumulation.LOSS_ACCUMULATE / (1 - target)))
    size = least(lambda m: float(accumulation.accumulate_limit(m)) <= 1 - target, 1, guess, _FARTHEST)
    return _whole_answer(left, size, 1, "accumulate", "equal batches", "discrete model, or Gaussian with ddof = 0")


def detector_to_keep(
    probability: float, sample_size: int, failure: float, share: float, true_positive: float, false_positive: float
) -> Answer:
    r"""Whether a detector of synthetic items makes a pool of real share gamma good enough to keep a state.

    ``value`` is the effective share gamma' of ``selection.detected_share`` and ``achieved`` the stationary P(absent)
    there; ``neighbour`` is the share that is needed (``share_to_keep``), ``achieved_aside`` P(absent) at it; ``meets``
    whether the detector suffices. Exact where ``share_to_keep`` is.
    """
    needed = share_to_keep(probability, sample_size, failure)
    rates = (one_real("true_positive", true_positive, 0, 1), one_real("false_positive", false_positive, 0, 1))
    effective = float(selection.detected_share(one_real("share", share, 0, 1), *rates))
    absent = _absent(_inner(probability), one_whole("sample_size", sample_size, 1), effective, None)
    what = (*needed.assumptions, "removed items are replaced by others that passed")
    return dataclasses.replace(
        needed,
        value=effective,
        achieved=absent,
        neighbour=needed.value,
        achieved_aside=needed.achieved,
        assumptions=what,
        meets=effective >= needed.value,
    )


def detector_power_to_keep(
    probability: float, sample_size: int, failure: float, share: float, false_positive: float = 0.0
) -> Answer:
    r"""The least true-positive rate t of a detector that keeps a state, in a pool of real share gamma.

    :math:`1 - t = \frac{\gamma (1 - f) (1 - g)}{(1 - \gamma) g}` for the needed share g of ``share_to_keep``; 0 if
    none is needed. ``achieved`` is the stationary P(absent). Exact where ``share_to_keep`` is. Raises ValueError for
    share 0 (nothing to find) and as ``share_to_keep``.
    """
    pool = one_real("share", share, 0, 1, open_low=True, open_high=True)
    missed = one_real("false_positive", false_positive, 0, 1, open_high=True)
    needed = share_to_keep(probability, sample_size, failure)
    q, g = _inner(probability), needed.value
    power = max(0.0, 1 - pool * (1 - missed) * (1 - g) / ((1 - pool) * g)) if g else 0.0

    def absent(true_positive: float) -> float:
        share = float(selection.detected_share(pool, true_positive, missed))
        return _absent(q, one_whole("sample_size", sample_size, 1), share, None)

    what = (*needed.assumptions, f"real share {pool:g} before the detector, false positives {missed:g}")
    if power == 0:
        return Answer(0.0, absent(0.0), None, None, "random mixing", what, exact=needed.exact)
    step = _ASIDE if needed.exact else _ASIDE_LIMIT
    aside = power - step * (1 - power) if power < 1 else 1 - step
    return Answer(power, absent(power), aside, absent(aside), "random mixing", what, exact=needed.exact)

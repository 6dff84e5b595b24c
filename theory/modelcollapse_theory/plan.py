r"""What it takes to keep something, from the exact laws: every answer carries the values that prove it.

A question has the form "the least sample, share, number of fits or growth such that ...". An ``Answer`` gives that
value, what it achieves, and what its neighbour, one step on the failing side, achieves instead. What cannot be had is
refused with what can.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike
from scipy.optimize import brentq

from modelcollapse_theory import accumulation, divergence, fresh, gaussian, rare, replacement, selection, support
from modelcollapse_theory._domain import law, one_real, one_whole, within
from modelcollapse_theory.lineage_limits import surviving_fraction
from modelcollapse_theory.workflows import replace

_LARGEST = 20_000  # samples beyond are answered by the large-sample law
_FARTHEST = 10**7  # fits
_REPLACE = "replace"
_ASIDE = 1e-6  # the neighbour of a real-valued answer


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


def _least(meets: Callable[[int], bool], low: int, guess: int, high: int) -> int:
    """The least whole number of [low, high] that meets a demand met from some number on, galloping from a guess; high
    + 1 if none.
    """
    at = min(max(guess, low), high)
    step = 1
    if meets(at):
        while at > low and meets(below := max(at - step, low)):
            at, step = below, 2 * step
        if at == low:
            return low
        bad, good = below, at
    else:
        while not meets(at):
            if at == high:
                return high + 1
            bad, at, step = at, min(at + step, high), 2 * step
        good = at
    while good - bad > 1:
        middle = (good + bad) // 2
        bad, good = (bad, middle) if meets(middle) else (middle, good)
    return good


def _whole_answer(read: Callable[[int], float], value: int, lowest: int, regime: str, *assumptions: str) -> Answer:
    beside = value - 1 if value > lowest else None
    aside = None if beside is None else read(beside)
    return Answer(value, read(value), beside, aside, regime, assumptions)


def _risk(failure: float) -> float:
    return one_real("failure", failure, 0, 1, open_low=True, open_high=True)


def _inner(probability: float) -> float:
    return one_real("probability", probability, 0, 1, open_low=True, open_high=True)


def sample_size_to_keep(probability: float, fits: int, failure: float) -> Answer:
    r"""The least M with which a state of probability q survives n fits of replacement with probability 1 - delta.

    Solves :math:`E (1 - q)^{A_n} \le \delta`, which falls with M: more boxes hold stochastically more lineages.
    ``achieved`` is that loss probability. Exact to M = 20,000; beyond, the large-sample law e^(-M q a_n), relative
    error O(n/M), and ``exact`` is False.
    """
    q, delta, count = _inner(probability), _risk(failure), one_whole("fits", fits, 1)
    guess = max(1, int(np.ceil(-np.log(delta) / (q * float(surviving_fraction(count))))))
    what = ("discrete model", f"independent draws, state of probability {q:g}")

    def loss(size: int) -> float:
        return float(support.absent_probability(q, size, count))

    if guess <= _LARGEST:
        size = _least(lambda m: loss(m) <= delta, 1, guess, _LARGEST)
        if size <= _LARGEST:
            return _whole_answer(loss, size, 1, _REPLACE, *what)

    def late(size: int) -> float:
        return float(rare.rare_loss_probability(size * q, count))

    size = _least(lambda m: late(m) <= delta, 1, guess, 2**62)
    answer = _whole_answer(late, size, 1, _REPLACE, *what, "sample size far above the number of fits and 1/(1 - q)")
    return dataclasses.replace(answer, exact=False)


def share_to_keep(probability: float, sample_size: int, failure: float, fits: int | None = None) -> Answer:
    r"""The least fresh real share g with which a state is present in the n-th fit with probability 1 - delta at least.

    ``fits`` None: in a stationary fit (M <= 20,000), where no smaller share would do later; else in that fit (M <=
    4,000), which asks for less. ``achieved`` is P(absent). Presence *at* a fit: over unbounded time every state is
    absent now and then at any share below 1, and only a fixed real set or accumulation keeps one at every fit
    (``real_items_to_keep``). Raises ValueError where real data alone would fail.
    """
    q, delta = _inner(probability), _risk(failure)
    what = ["each item real with probability g, independently", f"state of probability {q:g}"]

    def absent(share: float) -> float:
        if share == 0 and fits is None:
            return 1 - q  # what the stationary law tends to
        return float(fresh.absent(q, sample_size, share, fits))

    if fits is None:
        share = fresh.minimal_share(q, sample_size, delta)
        what.append("stationary chain")
    else:
        what.append(f"fit {one_whole('fits', fits, 1)}, the first on real data only")
        if absent(1.0) > delta * (1 + 1e-12):
            raise ValueError(f"failure must be at least {absent(1.0):g}, that of real data alone, got {failure!r}")
        share = 0.0
        if absent(0.0) > delta:
            root = (
                1.0
                if absent(1.0) >= delta
                else brentq(lambda g: np.log(absent(g) / delta), 0.0, 1.0, xtol=1e-18, rtol=1e-12)
            )
            share = float(root)
    if share == 0:
        return Answer(0.0, absent(0.0), None, None, "random mixing", tuple(what))
    aside = share * (1 - _ASIDE)
    return Answer(share, absent(share), aside, absent(aside), "random mixing", tuple(what))


def real_items_to_keep(probability: float, failure: float) -> Answer:
    r"""The least number of real items that keep a state *for ever* with probability 1 - delta: (1 - q)^r <= delta.

    As a fixed set under replacement, or as the first batch of an accumulating pool; a state in it never leaves, one
    outside it does in the end or was never there. No fresh share below 1 does this. ``achieved`` is (1 - q)^r. Exact.
    """
    q, delta = _inner(probability), _risk(failure)

    def loss(size: int) -> float:
        return float(replacement.unseen_probability(q, size))

    size = _least(lambda m: loss(m) <= delta, 1, int(np.ceil(np.log(delta) / np.log1p(-q))), 2**62)
    return _whole_answer(
        loss, size, 1, "fixed real set, or accumulate", f"state of probability {q:g}", "items never removed"
    )


def variance_below(threshold: float, sample_size: int, confidence: float, *, ddof: int = 1) -> Answer:
    r"""The fits after which a Gaussian's variance is below ``threshold`` (relative) with probability ``confidence``.

    ``achieved`` is P(sigma_n^2 < eps sigma_0^2) from the law of a sum of log chi-squares. Exact but for rounding.
    """
    depth = np.log(within("threshold", threshold, 0, 1, open_low=True, open_high=True))
    chance = one_real("confidence", confidence, 0, 1, open_low=True, open_high=True)

    def below(fits: int) -> float:
        return float(gaussian.log_variance_cdf(depth, sample_size, fits, ddof=ddof))

    drift = -float(gaussian.expected_log_variance(sample_size, 1, ddof=ddof))
    fits = _least(lambda n: below(n) >= chance, 1, max(1, round(-float(depth) / drift)), _FARTHEST)
    if fits > _FARTHEST:
        raise ValueError(
            f"sample_size={sample_size!r} is too large: confidence={confidence!r} is not reached in {_FARTHEST} fits"
        )
    return _whole_answer(below, fits, 1, _REPLACE, "one-dimensional Gaussian", f"ddof = {ddof}")


def variance_half_life(sample_size: int, *, ddof: int = 1) -> Answer:
    """The fits after which the median variance of a Gaussian is at most half: ``variance_below`` at 1/2 and 1/2.

    Exact.
    """
    return variance_below(0.5, sample_size, 0.5, ddof=ddof)


def heterozygosity_half_life(sample_size: int) -> Answer:
    r"""The fits after which E H_n <= H_0/2, about M ln 2. ``achieved`` is (1 - 1/M)^n. Exact."""
    size = one_whole("sample_size", sample_size, 1)

    def left(fits: int) -> float:
        return float(1 - replace(size, fits))

    return _whole_answer(
        left, _least(lambda n: left(n) <= 0.5, 1, round(size * np.log(2)), 2**62), 0, _REPLACE, "discrete model"
    )


def entropy_half_life(probabilities: ArrayLike, sample_size: int) -> Answer:
    """The fits after which E h(p_n) <= h(p_0)/2. ``achieved`` is the mean entropy (nats). Exact; M <= 2,000.

    Raises ValueError for a law on one state, which has no entropy to lose.
    """
    start = divergence.entropy(probabilities)
    if start <= 0:
        raise ValueError("probabilities must have at least two possible states: one state has no entropy to lose")

    def left(fits: int) -> float:
        return float(divergence.expected_entropy(probabilities, sample_size, fits)) if fits else start

    return _half_life(left, start / 2, int(sample_size))


def vocabulary_half_life(probabilities: ArrayLike, sample_size: int) -> Answer:
    """The fits after which E S_n <= K/2, K the number of possible states. ``achieved`` is E S_n. Exact.

    Raises ValueError for K <= 2: at least one state always lives, and E S_n > 1 for ever.
    """
    possible = int(np.count_nonzero(law("probabilities", probabilities)))
    if possible <= 2:
        raise ValueError(f"probabilities must have at least 3 possible states to fall to half, got {possible}")

    def left(fits: int) -> float:
        return float(support.expected_support(probabilities, sample_size, fits)) if fits else float(possible)

    return _half_life(left, possible / 2, int(sample_size))


def _half_life(left: Callable[[int], float], half: float, size: int) -> Answer:
    fits = _least(lambda n: left(n) <= half, 1, 1, 10_000 * size)  # both fall at least like (1 - 1/M)^n in the end
    return _whole_answer(left, fits, 0, _REPLACE, "discrete model", "mean over chains")


def growth_to_keep(kept: float, sample_size: int, fits: int) -> Answer:
    r"""The least b such that data sets of M t^b items keep the share ``kept`` of the diversity for ever, and its cost.

    :math:`\prod_t (1 - 1/(M t^b)) \ge` ``kept``, rounding sizes up keeps no less; b > 1 always. ``cost`` is the number
    of draws of the first n = ``fits`` data sets. Exact. Raises ValueError unless kept < 1 - 1/M, what the first fit
    alone leaves.
    """
    size, count = one_whole("sample_size", sample_size, 1), one_whole("fits", fits)
    target = one_real("kept", kept, 0, 1, open_low=True, open_high=True)
    if target >= 1 - 1 / size:
        raise ValueError(
            f"kept must be below 1 - 1/sample_size = {1 - 1 / size:g}, what the first fit leaves, got {kept!r}; "
            f"it takes sample_size above {1 / (1 - target):g}"
        )

    def left(power: float) -> float:
        diversity = float(replacement.heterozygosity_limit([0.5, 0.5], size, power))
        return 2 * diversity

    high = 2.0
    while left(high) < target:
        high *= 2
    # near b = 1 the product is e^(-1/(M (b - 1))): the logarithm of the gap is the good scale
    root = brentq(lambda x: left(1 + np.exp(x)) - target, np.log(1e-12), np.log(high - 1), xtol=1e-12)
    power = float(1 + np.exp(root))
    aside = float(1 + np.exp(root) * (1 - _ASIDE))
    total = float(np.ceil(size * np.arange(1.0, count + 1) ** power - 1e-9).sum())
    assumptions = ("discrete model, or Gaussian with ddof = 0", "data set t has M t^b items, rounded up")
    return Answer(power, left(power), aside, left(aside), _REPLACE, assumptions, cost=total)


def batch_to_keep(kept: float) -> Answer:
    r"""The least batch M with which accumulation keeps the share ``kept`` of the diversity for ever.

    It keeps :math:`\sin(\pi s)/(\pi s)`, s = M^(-1/2). The complement, about pi^2/(6M), is accumulation's permanent
    loss. Exact.
    """
    target = one_real("kept", kept, 0, 1, open_low=True, open_high=True)

    def left(size: int) -> float:
        return float(1 - accumulation.accumulate_limit(size))

    size = _least(lambda m: left(m) >= target, 1, int(np.ceil(accumulation.LOSS_ACCUMULATE / (1 - target))), 2**53)
    return _whole_answer(left, size, 1, "accumulate", "equal batches", "discrete model, or Gaussian with ddof = 0")


def detector_to_keep(
    probability: float, sample_size: int, failure: float, share: float, true_positive: float, false_positive: float
) -> Answer:
    r"""Whether a detector of synthetic items makes a pool of real share gamma good enough to keep a state.

    ``value`` is the effective share gamma' of ``selection.detected_share`` and ``achieved`` the stationary P(absent)
    there; ``neighbour`` is the share that is needed (``share_to_keep``), ``achieved_aside`` P(absent) at it; ``meets``
    whether the detector suffices. Exact.
    """
    needed = share_to_keep(probability, sample_size, failure)
    effective = float(selection.detected_share(share, true_positive, false_positive))
    q = _inner(probability)
    absent = float(fresh.absent(q, sample_size, effective)) if effective else 1 - q
    what = (*needed.assumptions, "removed items are replaced by others that passed")
    return Answer(
        effective, absent, needed.value, needed.achieved, "random mixing", what, meets=effective >= needed.value
    )


def detector_power_to_keep(
    probability: float, sample_size: int, failure: float, share: float, false_positive: float = 0.0
) -> Answer:
    r"""The least true-positive rate t of a detector that keeps a state, in a pool of real share gamma.

    :math:`1 - t = \frac{\gamma (1 - f) (1 - g)}{(1 - \gamma) g}` for the needed share g of ``share_to_keep``; 0 if
    none is needed. ``achieved`` is the stationary P(absent). Exact. Raises ValueError for share 0 (nothing to find)
    and as ``share_to_keep``.
    """
    pool = one_real("share", share, 0, 1, open_low=True, open_high=True)
    missed = one_real("false_positive", false_positive, 0, 1, open_high=True)
    needed = share_to_keep(probability, sample_size, failure)
    q, g = _inner(probability), needed.value
    power = max(0.0, 1 - pool * (1 - missed) * (1 - g) / ((1 - pool) * g)) if g else 0.0

    def absent(true_positive: float) -> float:
        return float(fresh.absent(q, sample_size, float(selection.detected_share(pool, true_positive, missed))))

    what = (*needed.assumptions, f"real share {pool:g} before the detector, false positives {missed:g}")
    if power == 0:
        return Answer(0.0, absent(0.0), None, None, "random mixing", what)
    aside = power - _ASIDE * (1 - power) if power < 1 else 1 - _ASIDE
    return Answer(power, absent(power), aside, absent(aside), "random mixing", what)

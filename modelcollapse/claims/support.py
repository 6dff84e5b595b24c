"""Replacement, seen by the states that are left: how many, which together, and for how long."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from modelcollapse.claims.replacement import END, LAST, LAW, SIZE, A, P, after, times
from modelcollapse.verify import BoundedMean, Evidence, Formula, Lab, Proportion
from modelcollapse.verify.formula import Misses
from modelcollapse_theory import divergence, fixation, lineage_limits, lineages, rare, replacement, support

STATES = len(LAW)
RARE = [3, 4, 5]


def spread(values: np.ndarray, mean: float, low: float, high: float) -> BoundedMean:
    """The variance about a known mean, as a mean of bounded values."""
    return BoundedMean((values - mean) ** 2, 0, max(mean - low, high - mean) ** 2)


@A.claim(
    replacement.distinct_variance,
    support.support_variance,
    source="variance of a sum of indicators; theory/derivations/lineages.md",
)
def support_variance(lab: Lab) -> Iterator[Evidence]:
    """the number of distinct states has the variance of dependent indicators, after one fit and after many"""
    first = spread(after(lab, "support_size", 1), float(replacement.expected_distinct(LAW, SIZE)), 1, STATES)
    once, later = (Formula(f, LAW, SIZE) for f in (replacement.distinct_variance, support.support_variance))
    alone = np.sum((1 - P) ** SIZE * (1 - (1 - P) ** SIZE))
    wrong = {"independent states": alone, "three more draws": once(sample_size=SIZE + 3)}
    yield once.against(first, "one fit", wrong)
    fifth = spread(after(lab, "support_size", 5), float(support.expected_support(LAW, SIZE, 5)), 1, STATES)
    wrong = {"as after one fit": later(fits=1), "two generations late": later(fits=7)}
    yield Evidence(fifth, later(fits=5), wrong, "5 fits")


@A.claim(
    support.absent_probability,
    support.support_law,
    lineages.lineage_law,
    source="coalescent duality; theory/derivations/lineages.md",
)
def joint_absence(lab: Lab) -> Iterator[Evidence]:
    """a set of states is absent with probability E (1 - p_B)^A_n, so the joint law of the support is known"""
    n, rare_states = 5, P[RARE]
    absent = Formula(support.absent_probability, rare_states.sum(), SIZE, n)
    together = Proportion.of((after(lab, "probabilities", n)[:, RARE] == 0).all(1))
    wrong = {"independent states": np.prod(support.absent_probability(rare_states, SIZE, n))}
    yield absent.against(together, "three states together", wrong, early=1, larger=1)
    few = Formula(support.support_law, LAW, SIZE, n, read=lambda law: law[:3].sum())
    yield few.against(
        Proportion.of(after(lab, "support_size", n) <= 2), "P(at most two states left)", early=1, larger=1
    )


@A.claim(
    support.states_left_time_moments,
    divergence.diversity_time,
    source="theory/derivations/fixation.md; theory/derivations/entropy.md",
)
def states_left(lab: Lab) -> Iterator[Evidence]:
    """the time until j states are left, and all the extra states ever alive, follow from the lineage chain"""
    # a chain with three states after 120 fits, 5e-8 of them, moves neither mean by what can be seen
    mean = Formula(support.states_left_time_moments, LAW, SIZE, 2, at=(0,))
    wrong = {"one state left": mean(states_left=1), "generations for fits": mean() - 1}
    yield mean.against(BoundedMean(times(lab, "two_left_time"), 1, END), "fits until two are left", wrong, larger=1)
    extra = BoundedMean(after(lab, "extra_states", LAST + 1), 0, STATES * END)
    wrong = {"diffusion, 2 M h": 2 * SIZE * divergence.entropy(LAW)}
    yield Formula(divergence.diversity_time, LAW, SIZE).against(extra, "sum of S - 1 over all fits", wrong, larger=1)


@A.claim(
    fixation.fixation_tail,
    fixation.conditional_fixation_mean,
    source="Perron-Frobenius; theory/derivations/fixation.md",
)
def fixation_tail(lab: Lab) -> Iterator[Evidence]:
    """the time to fixation has the exponential tail c_M H_0 (1 - 1/M)^(n-1), and a mean of its own for each winner"""
    seen, n, h0 = times(lab, "absorption_time"), 14, replacement.heterozygosity(LAW)
    tail = float(fixation.fixation_tail(LAW, SIZE, n))
    wrong = {
        "E H_n / H_0, without the constant": h0 * (1 - 1 / SIZE) ** n,
        "the constant 3 of large M": 3 * h0 * (1 - 1 / SIZE) ** (n - 1),
        "two generations late": tail * (1 - 1 / SIZE) ** 2,
    }
    yield Evidence(Proportion.of(seen > n), tail, wrong, f"P(T > {n})", slack=tail * ((SIZE - 2) / SIZE) ** n)
    winner = Formula(fixation.conditional_fixation_mean, LAW[0], SIZE)
    won = BoundedMean(seen[after(lab, "probabilities", LAST + 1)[:, 0] == 1], 1, END)
    wrong = {"whoever wins": fixation.fixation_time_moments(LAW, SIZE)[0]}
    yield winner.against(won, "E[T | the commonest wins]", wrong, larger=1)


@A.claim(
    lineages.lineage_law,
    lineage_limits.expected_lineages_limit,
    lineage_limits.surviving_fraction,
    source="theory/derivations/lineages.md",
    chains=20_000,
)
def lineage_numbers(lab: Lab) -> Iterator[Evidence]:
    """traced back, A lineages pick parents among M: their number, not Kingman's clock n/M, rules"""
    size, fits = 60, 6
    random = lab.random("lineages")
    ancestors = np.broadcast_to(np.arange(size), (lab.chains, size))
    for _ in range(fits - 1):
        ancestors = np.take_along_axis(random.integers(size, size=(lab.chains, size)), ancestors, axis=1)
    seen = BoundedMean((np.diff(np.sort(ancestors, axis=1), axis=1) > 0).sum(1) + 1, 1, size)
    exact = Formula(lineages.expected_lineages, size, fits)
    wrong: Misses = {"Kingman's coalescent at t = n/M": kingman(size, fits / size), "M/n for 2 M/n": size / fits}
    wrong |= exact.near(early=1)
    branching = size * float(lineage_limits.surviving_fraction(fits))
    yield exact.against(seen, f"E A_n, M = {size}, {fits} fits", wrong)
    limit = lineage_limits.expected_lineages_limit(size, fits)
    yield Evidence(seen, limit, wrong, "the same, shifted clock", slack=0.42 / fits)
    yield Evidence(seen, branching, wrong, "the same, M a_n", slack=branching * fits / size / 4)


def kingman(size: int, time: float) -> float:
    """Mean number of lineages of the coalescent of ``size`` at ``time``, in units of M fits and with no shift."""
    k = np.arange(1, 60)
    return float(np.sum((2 * k - 1) * np.exp(-k * (k - 1) * time / 2)))


@A.claim(
    rare.rare_loss_probability,
    rare.counted_loss_probability,
    rare.rare_loss_median,
    source="critical branching; theory/derivations/rare-states.md; "
    "arXiv 2412.17646, as summarised, has exp(-c a_n) for Poisson",
)
def rare_state(lab: Lab) -> Iterator[Evidence]:
    """a rare state, p_0 = c/M, is lost by n fits with probability exp(-c a_n); seen c times, with (1 - a_n)^c"""
    size, expected, fits = 2_000, 5, 14
    random = lab.random("rare state")
    for law, what in ((rare.rare_loss_probability, "expected"), (rare.counted_loss_probability, "seen")):
        counted = what == "seen"
        count = np.full(lab.chains, expected) if counted else random.binomial(size, expected / size, lab.chains)
        # the first of n fits is in hand, n - 1 follow
        for _ in range(fits - 1):
            count = random.binomial(size, count / size)
        wrong = {"forgotten once unseen, e^-c": np.exp(-expected), "exp(-2 c / n)": np.exp(-2 * expected / fits)}
        exact, title = Formula(law, expected, fits), f"{expected} copies {what}"
        yield exact.against(Proportion.of(count == 0), title, wrong, early=1, slack=fits / size / 4)

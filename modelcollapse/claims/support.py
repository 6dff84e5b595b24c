"""Replacement, seen by the states that are left: how many, which together, and for how long."""

from __future__ import annotations

import functools

import numpy as np

from modelcollapse.claims.replacement import CHAINS, LAST, LAW, SECTION, SIZE, at, chains_of
from modelcollapse.verify.evidence import BoundedMean, Evidence, Proportion
from modelcollapse.verify.registry import claim, stream
from modelcollapse_theory import divergence, fixation, lineage_limits, lineages, rare, replacement, support

STATES = len(LAW)
RARE = [3, 4, 5]


def spread(values: np.ndarray, mean: float, low: float, high: float) -> BoundedMean:
    """The variance about a known mean, as a mean of bounded values."""
    return BoundedMean((values - mean) ** 2, 0, max(mean - low, high - mean) ** 2)


@claim(
    "the number of distinct states has the variance of dependent indicators, after one fit and after many",
    source="variance of a sum of indicators; theory/derivations/lineages.md",
    section=SECTION,
    chains=CHAINS,
    tier="quick",
    theorems=["replacement.distinct_variance", "support.support_variance"],
)
def support_variance(seed: int, chains: int) -> list[Evidence]:
    p, run = np.array(LAW), chains_of(seed, chains)
    alone = float(np.sum((1 - p) ** SIZE * (1 - (1 - p) ** SIZE)))
    first = spread(at(run, "support_size", 1), float(replacement.expected_distinct(LAW, SIZE)), 1, STATES)
    fifth = spread(at(run, "support_size", 5), float(support.expected_support(LAW, SIZE, 5)), 1, STATES)
    later = functools.partial(support.support_variance, LAW)
    return [
        Evidence(
            first,
            float(replacement.distinct_variance(LAW, SIZE)),
            {"independent states": alone, "three more draws": float(replacement.distinct_variance(LAW, SIZE + 3))},
            "one fit",
        ),
        Evidence(
            fifth,
            float(later(SIZE, 5)),
            {"as after one fit": float(later(SIZE, 1)), "two generations late": float(later(SIZE, 7))},
            "5 fits",
        ),
    ]


@claim(
    "a set of states is absent with probability E (1 - p_B)^A_n, so the joint law of the support is known",
    source="coalescent duality; theory/derivations/lineages.md",
    section=SECTION,
    chains=CHAINS,
    tier="quick",
    theorems=["support.absent_probability", "support.support_law", "lineages.lineage_law"],
)
def joint_absence(seed: int, chains: int) -> list[Evidence]:
    n, run, p = 5, chains_of(seed, chains), np.array(LAW)
    law = at(run, "probabilities", n)
    absent = functools.partial(support.absent_probability, p[RARE].sum())
    alone = float(np.prod(support.absent_probability(p[RARE], SIZE, n)))
    few = [float(support.support_law(LAW, m, k)[:3].sum()) for m, k in ((SIZE, n), (SIZE, n - 1), (SIZE + 1, n))]
    return [
        Evidence(
            Proportion.of((law[:, RARE] == 0).all(1)),
            float(absent(SIZE, n)),
            {
                "independent states": alone,
                "one generation early": float(absent(SIZE, n - 1)),
                "M + 1 for M": float(absent(SIZE + 1, n)),
            },
            "three states together",
        ),
        Evidence(
            Proportion.of(at(run, "support_size", n) <= 2),
            few[0],
            {"one generation early": few[1], "M + 1 for M": few[2]},
            "P(at most two states left)",
        ),
    ]


@claim(
    "the time until j states are left, and all the extra states ever alive, follow from the lineage chain",
    source="theory/derivations/fixation.md; theory/derivations/entropy.md",
    section=SECTION,
    chains=CHAINS,
    tier="quick",
    theorems=["support.states_left_time_moments", "divergence.diversity_time"],
)
def states_left(seed: int, chains: int) -> list[Evidence]:
    run, end = chains_of(seed, chains), LAST + 2
    times = np.minimum(at(run, "two_left_time", LAST + 1) + 1, end)
    mean = functools.partial(support.states_left_time_moments, LAW)
    extra = functools.partial(divergence.diversity_time, LAW)
    return [
        # a chain with three states after 120 fits, 5e-8 of them, moves neither mean by what can be seen
        Evidence(
            BoundedMean(times, 1, end),
            float(mean(SIZE, 2)[0]),
            {
                "one state left": float(mean(SIZE, 1)[0]),
                "M + 1 for M": float(mean(SIZE + 1, 2)[0]),
                "generations for fits": float(mean(SIZE, 2)[0]) - 1,
            },
            "fits until two are left",
        ),
        Evidence(
            BoundedMean(at(run, "extra_states", LAST + 1), 0, STATES * end),
            float(extra(SIZE)),
            {"diffusion, 2 M h": 2 * SIZE * divergence.entropy(LAW), "M + 1 for M": float(extra(SIZE + 1))},
            "sum of S - 1 over all fits",
        ),
    ]


@claim(
    "the time to fixation has the exponential tail c_M H_0 (1 - 1/M)^(n-1), and a mean of its own for each winner",
    source="Perron-Frobenius; theory/derivations/fixation.md",
    section=SECTION,
    chains=CHAINS,
    tier="quick",
    theorems=["fixation.fixation_tail", "fixation.conditional_fixation_mean"],
)
def fixation_tail(seed: int, chains: int) -> list[Evidence]:
    run, n, end = chains_of(seed, chains), 14, LAST + 2
    times = np.minimum(at(run, "absorption_time", LAST + 1) + 1, end)
    tail, wins = float(fixation.fixation_tail(LAW, SIZE, n)), at(run, "probabilities", LAST + 1)[:, 0] == 1
    h0 = replacement.heterozygosity(LAW)
    winner = float(fixation.conditional_fixation_mean(LAW[0], SIZE))
    return [
        Evidence(
            Proportion.of(times > n),
            tail,
            {
                "E H_n / H_0, without the constant": h0 * (1 - 1 / SIZE) ** n,
                "the constant 3 of large M": 3 * h0 * (1 - 1 / SIZE) ** (n - 1),
                "two generations late": tail * (1 - 1 / SIZE) ** 2,
            },
            f"P(T > {n})",
            slack=tail * ((SIZE - 2) / SIZE) ** n,
        ),
        Evidence(
            BoundedMean(times[wins], 1, end),
            winner,
            {
                "whoever wins": float(fixation.fixation_time_moments(LAW, SIZE)[0]),
                "M + 1 for M": float(fixation.conditional_fixation_mean(LAW[0], SIZE + 1)),
            },
            "E[T | the commonest wins]",
        ),
    ]


@claim(
    "traced back, A lineages pick parents among M: their number, not Kingman's clock n/M, rules",
    source="theory/derivations/lineages.md",
    section=SECTION,
    chains=20_000,
    tier="quick",
    theorems=["lineages.lineage_law", "lineage_limits.expected_lineages_limit", "lineage_limits.surviving_fraction"],
)
def lineage_numbers(seed: int, chains: int) -> list[Evidence]:
    size, fits = 60, 6
    random = np.random.default_rng(stream(seed, "lineages"))
    ancestors = np.broadcast_to(np.arange(size), (chains, size))
    for _ in range(fits - 1):
        ancestors = np.take_along_axis(random.integers(size, size=(chains, size)), ancestors, axis=1)
    left = (np.diff(np.sort(ancestors, axis=1), axis=1) > 0).sum(1) + 1
    exact = float(lineages.expected_lineages(size, fits))
    limit = float(lineage_limits.expected_lineages_limit(size, fits))
    wrong = {
        "Kingman's coalescent at t = n/M": kingman(size, fits / size),
        "one generation early": float(lineages.expected_lineages(size, fits - 1)),
        "M/n for 2 M/n": size / fits,
    }
    branching = size * float(lineage_limits.surviving_fraction(fits))
    seen = BoundedMean(left, 1, size)
    return [
        Evidence(seen, exact, wrong, f"E A_n, M = {size}, {fits} fits"),
        Evidence(seen, limit, wrong, "the same, shifted clock", slack=0.42 / fits),
        Evidence(seen, branching, wrong, "the same, M a_n", slack=branching * fits / size / 4),
    ]


def kingman(size: int, time: float) -> float:
    """Mean number of lineages of the coalescent of ``size`` at a time in units of M fits, without the shift of the clock."""
    k = np.arange(1, 60)
    return float(np.sum((2 * k - 1) * np.exp(-k * (k - 1) * time / 2)))


@claim(
    "a rare state, p_0 = c/M, is lost by n fits with probability exp(-c a_n); seen c times, with (1 - a_n)^c",
    source="critical branching; theory/derivations/rare-states.md; arXiv 2412.17646, as summarised, has exp(-c a_n) for Poisson",
    section=SECTION,
    chains=60_000,
    tier="quick",
    theorems=["rare.rare_loss_probability", "rare.counted_loss_probability", "rare.rare_loss_median"],
)
def rare_state(seed: int, chains: int) -> list[Evidence]:
    size, expected, fits = 2_000, 5, 14
    random = np.random.default_rng(stream(seed, "rare state"))
    out = []
    for counted, what in ((False, f"{expected} copies expected"), (True, f"{expected} copies seen")):
        first = np.full(chains, expected) if counted else random.binomial(size, expected / size, chains)
        # n fits: the first is in hand, n - 1 follow
        lost = [0.0]
        count = first
        for _ in range(fits - 1):
            count = random.binomial(size, count / size)
            lost.append(float(np.mean(count == 0)))
        law = functools.partial(rare.counted_loss_probability if counted else rare.rare_loss_probability, expected)
        exact = float(law(fits))
        wrong = {
            "one generation early": float(law(fits - 1)),
            "forgotten once unseen, e^-c": float(np.exp(-expected)),
            "exp(-2 c / n)": float(np.exp(-2 * expected / fits)),
        }
        out.append(Evidence(Proportion.of(count == 0), exact, wrong, what, slack=fits / size / 4))
    return out

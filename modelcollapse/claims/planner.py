"""The planner's answers: simulated at the answer, where the demand is met, and at the nearest value beside it that the budget resolves."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np

from modelcollapse.claims.replacement import CHAINS, LAW, SIZE, at, chains_of
from modelcollapse.claims.workflows import H0, diversity, run_of
from modelcollapse.verify.evidence import BoundedMean, Evidence, Proportion, Statistic
from modelcollapse.verify.registry import claim, stream
from modelcollapse_theory import (
    accumulation,
    divergence,
    fresh,
    gaussian,
    plan,
    replacement,
    selection,
    support,
    workflows,
)

SECTION = "G. planner"
Z = 14  # how far apart, in standard errors, two neighbouring values are to be


def beside(read: Callable[[Any], float], value: Any, step: Any, chains: int) -> Any:
    """The first of ``value - step``, ``value - 2 step``, ... whose probability a Proportion of ``chains`` tells from that at ``value``."""
    met = read(value)
    other = value - step
    while abs(read(other) - met) < Z * np.sqrt(met * (1 - met) / chains):
        other -= step
    return other


def two_sided(
    read: Callable[[Any], float], see: Callable[[Any], Statistic], answer: Any, other: Any, demand: float
) -> list[Evidence]:
    """The answer meets the demand and its neighbour does not: both as predicted, and neither as the other."""
    met, missed = float(read(answer)), float(read(other))
    return [
        Evidence(see(answer), met, {f"at the neighbour {other:.6g}": missed}, f"at the answer {answer:.6g}"),
        Evidence(
            see(other),
            missed,
            {f"at the answer {answer:.6g}": met, "the demand": demand},
            f"at the neighbour {other:.6g}",
        ),
    ]


def present(
    random: np.random.Generator, probability: float, size: int, fits: int, chains: int, real: Any = 0.0
) -> np.ndarray:
    """Counts of one state of two after ``fits`` fits; each item is real with probability ``real``."""
    count = random.binomial(size, probability, chains)
    for _ in range(fits - 1):
        count = random.binomial(size, real * probability + (1 - real) * count / size)
    return count


@claim(
    "the planned sample size keeps a state of probability q through n fits with probability 1 - delta, a smaller one does not",
    source="bisection on the exact law; theory/derivations/lineages.md",
    section=SECTION,
    chains=60_000,
    tier="quick",
    theorems=["support.absent_probability"],
)
def planned_sample_size(seed: int, chains: int) -> list[Evidence]:
    probability, fits, failure = 0.1, 5, 0.05
    answer = int(plan.sample_size_to_keep(probability, fits, failure).value)

    def lost(size: int) -> float:
        return float(support.absent_probability(probability, size, fits))

    def see(size: int) -> Proportion:
        random = np.random.default_rng(stream(seed, f"planned size {size}"))
        return Proportion.of(present(random, probability, size, fits, chains) == 0)

    return two_sided(lost, see, answer, beside(lost, answer, 1, chains), failure)


@claim(
    "the planned share of real data keeps a state in the stationary chain with probability 1 - delta, a smaller one does not",
    source="root of the exact law; theory/derivations/fresh-data.md",
    section=SECTION,
    chains=60_000,
    tier="quick",
    theorems=["fresh.minimal_share", "fresh.absent"],
)
def planned_share(seed: int, chains: int) -> list[Evidence]:
    probability, size, failure, fits = 0.1, 40, 0.1, 150
    out = []
    for when in (None, 6):
        answer = plan.share_to_keep(probability, size, failure, when).value

        def absent(share: float, when: int | None = when) -> float:
            return float(fresh.absent(probability, size, share, when))

        def see(share: float, when: int | None = when) -> Proportion:
            random = np.random.default_rng(stream(seed, f"planned share {share} {when}"))
            return Proportion.of(present(random, probability, size, when or fits, chains, share) == 0)

        out += two_sided(absent, see, answer, beside(absent, answer, answer / 50, chains), failure)
    return out


@claim(
    "a fixed real set of the planned size keeps a state for ever with probability 1 - delta, one item fewer does not",
    source="independence",
    section=SECTION,
    chains=CHAINS,
    tier="quick",
    theorems=["replacement.unseen_probability"],
)
def planned_real_items(seed: int, chains: int) -> Evidence:
    state, failure = 2, (1 - LAW[2]) ** 5 + 1e-9
    answer = plan.real_items_to_keep(LAW[state], failure)
    fixed = run_of(seed, chains, "fixed set", 10, (29,))
    wrong = {
        "one item fewer": float(answer.achieved_aside or 1.0),
        "one item more": (1 - LAW[state]) ** (answer.value + 1),
    }
    return Evidence(
        Proportion.of(fixed["probabilities"][:, 0, state] == 0), answer.achieved, wrong, f"{answer.value} fixed items"
    )


@claim(
    "half-lives: diversity, entropy and vocabulary are above half one fit before the answer and below it there",
    source="monotone exact means; theory/derivations/replacement.md and entropy.md",
    section=SECTION,
    chains=CHAINS,
    tier="quick",
    theorems=["replacement.expected_heterozygosity", "divergence.expected_entropy", "support.expected_support"],
)
def planned_half_lives(seed: int, chains: int) -> list[Evidence]:
    run, states = chains_of(seed, chains), len(LAW)
    questions = (
        (
            "heterozygosity",
            plan.heterozygosity_half_life(SIZE),
            functools.partial(replacement.expected_heterozygosity, LAW, SIZE),
            H0,
            1.0,
        ),
        (
            "entropy",
            plan.entropy_half_life(LAW, SIZE),
            functools.partial(divergence.expected_entropy, LAW, SIZE),
            divergence.entropy(LAW),
            np.log(states),
        ),
        (
            "support_size",
            plan.vocabulary_half_life(LAW, SIZE),
            functools.partial(support.expected_support, LAW, SIZE),
            states,
            states,
        ),
    )
    out = []
    for name, answer, exact, start, high in questions:
        fits = int(answer.value)
        for n in (fits, fits - 1):
            wrong = {f"{n + 1 if n < fits else n - 1} fits": float(exact(n + 1 if n < fits else n - 1))}
            if abs(float(exact(n)) / start - 0.5) > 0.02:
                wrong["half"] = start / 2
            out.append(Evidence(BoundedMean(at(run, name, n), 0, high), float(exact(n)), wrong, f"{name}, {n} fits"))
    return out


@claim(
    "a Gaussian's variance is below eps with the planned probability at the planned fit, and not before",
    source="law of a sum of log chi-squares; theory/derivations/gaussian.md",
    section=SECTION,
    chains=40_000,
    tier="quick",
    theorems=["gaussian.log_variance_cdf"],
)
def planned_collapse(seed: int, chains: int) -> list[Evidence]:
    size, threshold, confidence = 20, 0.1, 0.9
    answer = int(plan.variance_below(threshold, size, confidence).value)
    below = functools.partial(gaussian.log_variance_cdf, np.log(threshold), size)

    def see(fits: int) -> Proportion:
        random = np.random.default_rng(stream(seed, f"planned collapse {fits}"))
        walked = sum(np.log(random.chisquare(size - 1, chains) / (size - 1)) for _ in range(fits))
        return Proportion.of(walked < np.log(threshold))

    return two_sided(
        lambda n: float(below(n)), see, answer, beside(lambda n: float(below(n)), answer, 1, chains), confidence
    )


@claim(
    "growth M t^b keeps the planned share of diversity for ever; a slower growth loses more",
    source="product over data sets; theory/derivations/replacement.md",
    section=SECTION,
    chains=200_000,
    tier="quick",
    theorems=["replacement.heterozygosity_limit"],
)
def planned_growth(seed: int, chains: int) -> Evidence:
    size, target, fits = 5, 0.7, 120
    power = plan.growth_to_keep(target, size, fits).value

    def sizes(growth: float) -> np.ndarray:
        return np.ceil(size * np.arange(1.0, fits + 1) ** growth - 1e-9).astype(np.int64)

    def left(growth: float) -> float:
        return 1 - float(workflows.replace_sizes(sizes(growth))[-1])

    random = np.random.default_rng(stream(seed, "planned growth"))
    share = np.full(chains, 0.5)
    for count in sizes(power):
        share = random.binomial(count, share) / count
    wrong = {
        "b less by a tenth": left(power - 0.1),
        "linear growth": left(1.0),
        "no loss after the first fit": 1 - 1 / size,
    }
    return Evidence(
        BoundedMean(4 * share * (1 - share), 0, 1), left(power), wrong, f"kept after {fits} fits at b = {power:.3f}"
    )


@claim(
    "accumulation with the planned batch keeps the planned share of diversity for ever, a batch less by one does not",
    source="theory/derivations/accumulation.md",
    section="C. accumulation",
    chains=60_000,
    tier="quick",
    theorems=["accumulation.accumulate_limit"],
)
def planned_batch(seed: int, chains: int) -> list[Evidence]:
    target, fits = 0.62, 60
    answer = int(plan.batch_to_keep(target).value)
    out = []
    for size in (answer, answer - 1):
        left = 1 - float(accumulation.accumulate_limit(size))
        now = 1 - float(accumulation.accumulate(size, fits))
        other = answer - 1 if size == answer else answer
        wrong = {f"batch {other}": 1 - float(accumulation.accumulate_limit(other))}
        if size != answer:
            wrong["the demand"] = target
        seen = diversity(run_of(seed, chains, "accumulate", size, (fits - 1,)))
        out.append(Evidence(seen, (left + now) / 2, wrong, f"batch {size}", slack=(now - left) / 2))
    return out


@claim(
    "a detector of the planned power makes a pool good enough to keep a state, a weaker one does not",
    source="Bayes and the exact law of the stationary chain; theory/derivations/selection.md",
    section=SECTION,
    chains=10_000,
    theorems=["selection.detected_share", "fresh.absent"],
)
def planned_detector(seed: int, chains: int) -> list[Evidence]:
    probability, size, failure, real, mistaken, fits = 0.15, 30, 0.02, 0.1, 0.1, 25
    answer = plan.detector_power_to_keep(probability, size, failure, real, mistaken).value

    def absent(power: float) -> float:
        return float(fresh.absent(probability, size, float(selection.detected_share(real, power, mistaken))))

    def see(power: float) -> Proportion:
        random = np.random.default_rng(stream(seed, f"planned detector {power}"))
        count = random.binomial(size, probability, chains)
        for _ in range(fits):
            # items of the pool until each place has one that passed: real or not, of the state or not
            passed = np.zeros((chains, size), bool)
            state = np.zeros((chains, size), bool)
            while np.any(todo := ~passed):
                chain = np.nonzero(todo)[0]
                is_real, fate, kind = random.random((3, chain.size))
                is_real = is_real < real
                state[todo] = kind < np.where(is_real, probability, count[chain] / size)
                passed[todo] = fate >= np.where(is_real, mistaken, power)
            count = state.sum(1)
        return Proportion.of(count == 0)

    return two_sided(absent, see, answer, beside(absent, answer, (1 - answer) / 10, chains), failure)

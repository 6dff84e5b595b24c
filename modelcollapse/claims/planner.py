"""The planner's answers: the demand is met at the answer, and not at the nearest value that the budget resolves."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TypeVar

import numpy as np

from modelcollapse import families, sources
from modelcollapse.claims.replacement import LAW, after
from modelcollapse.claims.replacement import SIZE as REPLACED
from modelcollapse.claims.workflows import H0, C, diversity, kept, run_of
from modelcollapse.regimes import Exchange, Weighted
from modelcollapse.verify import BoundedMean, Evidence, Formula, Lab, Proportion, Section
from modelcollapse_theory import (
    accumulation,
    divergence,
    entrant,
    fresh,
    gaussian,
    plan,
    replacement,
    selection,
    support,
    workflows,
)  # fmt: skip

G = Section("G. planner", chains=60_000, tier="quick")
ENTRANT = "theory/derivations/populations.md"
EVEN = sources.categorical([0.5, 0.5])
Z = 14  # how far apart, in standard errors, two neighbouring values are to be

N = TypeVar("N", int, float)


def two_sided(
    read: Callable[[N], float], see: Callable[[N], Proportion], answer: N, step: N, demand: float, chains: int
) -> Iterator[Evidence]:
    """The answer meets the demand and its neighbour does not: both as predicted, and neither as the other.

    The neighbour is the first of ``answer - step``, ``answer - 2 step``, ... that so many ``chains`` tell from it.
    """
    met, other = read(answer), answer - step
    while abs(read(other) - met) < Z * np.sqrt(met * (1 - met) / chains):
        other -= step
    missed, here, there = read(other), f"at the answer {answer:.6g}", f"at the neighbour {other:.6g}"
    yield Evidence(see(answer), met, {there: missed}, here)
    yield Evidence(see(other), missed, {here: met, "the demand": demand}, there)


def absent(
    random: np.random.Generator, probability: float, size: int, fits: int, chains: int, real: float = 0.0
) -> Proportion:
    """Chains without one state of two after ``fits`` fits; each item is real with probability ``real``."""
    count = random.binomial(size, probability, chains)
    for _ in range(fits - 1):
        count = random.binomial(size, real * probability + (1 - real) * count / size)
    return Proportion.of(count == 0)


@G.claim(support.absent_probability, source="bisection on the exact law; theory/derivations/lineages.md")
def planned_sample_size(lab: Lab) -> Iterator[Evidence]:
    """the planned sample size keeps a state of probability q through n fits with probability 1 - delta, a smaller one
    does not"""
    probability, fits, failure = 0.1, 5, 0.05
    lost = Formula(support.absent_probability, probability, fits=fits)

    def see(size: int) -> Proportion:
        return absent(lab.random(f"planned size {size}"), probability, size, fits, lab.chains)

    answer = int(plan.sample_size_to_keep(probability, fits, failure).value)
    return two_sided(lost.along("sample_size"), see, answer, 1, failure, lab.chains)


@G.claim(fresh.minimal_share, fresh.absent, source="root of the exact law; theory/derivations/fresh-data.md")
def planned_share(lab: Lab) -> Iterator[Evidence]:
    """the planned share of real data keeps a state in the stationary chain with probability 1 - delta, a smaller one
    does not"""
    probability, size, failure, fits = 0.1, 40, 0.1, 150
    for when in (None, 6):
        lost = Formula(fresh.absent, probability, size, fits=when)

        def see(share: float, when: int | None = when) -> Proportion:
            return absent(
                lab.random(f"planned share {share} {when}"), probability, size, when or fits, lab.chains, share
            )

        answer = plan.share_to_keep(probability, size, failure, when).value
        yield from two_sided(lost.along("share"), see, answer, answer / 50, failure, lab.chains)


@G.claim(replacement.unseen_probability, source="independence")
def planned_real_items(lab: Lab) -> Evidence:
    """a fixed real set of the planned size keeps a state for ever with probability 1 - delta, one item fewer does
    not"""
    state = 2
    answer = plan.real_items_to_keep(LAW[state], (1 - LAW[state]) ** 5 + 1e-9)
    wrong = {
        "one item fewer": float(answer.achieved_aside or 1.0),
        "one item more": (1 - LAW[state]) ** (answer.value + 1),
    }
    lost = Proportion.of(run_of(lab, "fixed set", 10, (30,))["probabilities"][:, 0, state] == 0)
    return Evidence(lost, answer.achieved, wrong, f"{answer.value} fixed items")


@G.claim(
    replacement.expected_heterozygosity,
    divergence.expected_entropy,
    support.expected_support,
    source="monotone exact means; theory/derivations/replacement.md and entropy.md",
)
def planned_half_lives(lab: Lab) -> Iterator[Evidence]:
    """half-lives: diversity, entropy and vocabulary are above half one fit before the answer and below it there"""
    size, states = REPLACED, len(LAW)
    questions = {
        "heterozygosity": (plan.heterozygosity_half_life(size), replacement.expected_heterozygosity, H0, 1.0),
        "entropy": (
            plan.entropy_half_life(LAW, size), divergence.expected_entropy, divergence.entropy(LAW), np.log(states)
        ),
        "support_size": (plan.vocabulary_half_life(LAW, size), support.expected_support, states, states),
    }  # fmt: skip
    for name, (answer, theorem, start, high) in questions.items():
        fits = int(answer.value)
        for n, other in ((fits, fits - 1), (fits - 1, fits)):
            exact = Formula(theorem, LAW, size, n)
            wrong = {f"{other} fits": exact(fits=other)}
            if abs(exact() / start - 0.5) > 0.02:
                wrong["half"] = start / 2
            yield exact.against(BoundedMean(after(lab, name, n), 0, high), f"{name}, {n} fits", wrong)


@G.claim(
    gaussian.log_variance_cdf, source="law of a sum of log chi-squares; theory/derivations/gaussian.md", chains=40_000
)
def planned_collapse(lab: Lab) -> Iterator[Evidence]:
    """a Gaussian's variance is below eps with the planned probability at the planned fit, and not before"""
    size, threshold, confidence = 20, 0.1, 0.9
    below = Formula(gaussian.log_variance_cdf, np.log(threshold), size)

    def see(fits: int) -> Proportion:
        random = lab.random(f"planned collapse {fits}")
        walked = sum(np.log(random.chisquare(size - 1, lab.chains) / (size - 1)) for _ in range(fits))
        return Proportion.of(walked < np.log(threshold))

    answer = int(plan.variance_below(threshold, size, confidence).value)
    return two_sided(below.along("fits"), see, answer, 1, confidence, lab.chains)


@G.claim(
    replacement.heterozygosity_limit, source="product over data sets; theory/derivations/replacement.md", chains=200_000
)
def planned_growth(lab: Lab) -> Evidence:
    """growth M t^b keeps the planned share of diversity for ever; a slower growth loses more"""
    size, target, fits = 5, 0.7, 120
    power = plan.growth_to_keep(target, size, fits).value

    def sizes(growth: float) -> np.ndarray:
        return np.ceil(size * np.arange(1.0, fits + 1) ** growth - 1e-9).astype(np.int64)

    def left(growth: float) -> float:
        return 1 - float(workflows.replace_sizes(sizes(growth))[-1])

    random, share = lab.random("planned growth"), np.full(lab.chains, 0.5)
    for count in sizes(power):
        share = random.binomial(count, share) / count
    wrong = {
        "b less by a tenth": left(power - 0.1),
        "linear growth": left(1.0),
        "no loss after the first fit": 1 - 1 / size,
    }
    seen = BoundedMean(4 * share * (1 - share), 0, 1)
    return Evidence(seen, left(power), wrong, f"kept after {fits} fits at b = {power:.3f}")


@C.claim(accumulation.accumulate_limit, source="theory/derivations/accumulation.md")
def planned_batch(lab: Lab) -> Iterator[Evidence]:
    """accumulation with the planned batch keeps the planned share of diversity for ever, a batch less by one does
    not"""
    target, fits = 0.62, 60
    answer = int(plan.batch_to_keep(target).value)
    end, now = (Formula(f, read=kept) for f in (accumulation.accumulate_limit, accumulation.accumulate))
    for size, other in ((answer, answer - 1), (answer - 1, answer)):
        low, high = end(sample_size=size), now(sample_size=size, fits=fits)
        wrong = {f"batch {other}": end(sample_size=other)}
        if size != answer:
            wrong["the demand"] = target
        seen = diversity(run_of(lab, "accumulate", size, (fits,)))
        yield Evidence(seen, (low + high) / 2, wrong, f"batch {size}", slack=(high - low) / 2)


@G.claim(
    selection.detected_share,
    fresh.absent,
    source="Bayes and the exact law of the stationary chain; theory/derivations/selection.md",
    chains=10_000,
    tier="default",
)
def planned_detector(lab: Lab) -> Iterator[Evidence]:
    """a detector of the planned power makes a pool good enough to keep a state, a weaker one does not"""
    probability, size, failure, real, mistaken, fits = 0.15, 30, 0.02, 0.1, 0.1, 25
    answer = plan.detector_power_to_keep(probability, size, failure, real, mistaken).value

    def lost(power: float) -> float:
        return float(fresh.absent(probability, size, float(selection.detected_share(real, power, mistaken))))

    def see(power: float) -> Proportion:
        random = lab.random(f"planned detector {power}")
        count = random.binomial(size, probability, lab.chains)
        for _ in range(fits):
            # items of the pool until each place has one that passed: real or not, of the state or not
            passed = np.zeros((lab.chains, size), bool)
            state = np.zeros((lab.chains, size), bool)
            while np.any(todo := ~passed):
                chain = np.nonzero(todo)[0]
                is_real, fate, kind = random.random((3, chain.size))
                is_real = is_real < real
                state[todo] = kind < np.where(is_real, probability, count[chain] / size)
                passed[todo] = fate >= np.where(is_real, mistaken, power)
            count = state.sum(1)
        return Proportion.of(count == 0)

    return two_sided(lost, see, answer, (1 - answer) / 10, failure, lab.chains)


@G.claim(entrant.entrant_loss, source=ENTRANT, chains=80_000, tier="default")
def planned_entrant(lab: Lab) -> Iterator[Evidence]:
    """an entrant that takes the planned number of unlabelled items is the leader's match, one with an item fewer is
    not"""
    leader, real = 6, 0.4
    answer = entrant.pool_to_match(1 / leader, real)
    enough, short = int(answer.value), int(answer.value) - 1
    weights = np.zeros((3, 3))
    weights[1:, 0] = 1 - real
    regime = Exchange(weights, [0, real, real], [leader, enough, short], enters=[0, 1, 1], frozen=[1, None, None])
    of_three = families.Population(families.Discrete(), models=3)
    seen = lab.last("planned entrant", of_three, EVEN, regime, "heterozygosity", size=enough, fits=2)
    left = {size: 0.5 * (1 - float(entrant.entrant_loss(size, real, 1 / leader))) for size in (enough, short, leader)}
    wrong = {f"{short} items": left[short], f"as many items as the leader, {leader}": left[leader]}
    yield Evidence(BoundedMean(seen[:, 1], 0, 0.5), left[enough], wrong, f"{enough} items, enough")
    wrong = {f"{enough} items": left[enough], "the leader": 0.5 * (1 - 1 / leader)}
    yield Evidence(BoundedMean(seen[:, 2], 0, 0.5), left[short], wrong, f"{short} items, too few")


@G.claim(entrant.best_pooled_loss, entrant.synthetic_worth, source=ENTRANT, chains=60_000, tier="default")
def planned_labels(lab: Lab) -> Iterator[Evidence]:
    """beside labelled draws of the leader the planned number of real items, at the best weight, is its match; one
    fewer is not"""
    leader, drawn = 6, 20
    answer = int(entrant.real_items_to_match(1 / leader, drawn).value)
    for real, other in ((answer, answer - 1), (answer - 1, answer)):
        (lost, weight), (aside, _) = (entrant.best_pooled_loss(r, drawn, 1 / leader) for r in (real, other))
        size = real + drawn
        seen = lab.last(
            f"planned labels {real}", families.Discrete(), EVEN, Weighted(float(weight), real / size),
            "heterozygosity", size=[leader, size], fits=2,
        )  # fmt: skip
        pooled = float(entrant.entrant_loss_by_counts(size, real, 1 / leader))
        wrong = {f"real items: {other}": 0.5 * (1 - float(aside)), "draws like real items": 0.5 * (1 - 1 / size)}
        if real == answer:
            wrong["no weights"] = 0.5 * (1 - pooled)
        yield Evidence(BoundedMean(seen, 0, 0.5), 0.5 * (1 - float(lost)), wrong, f"real items: {real}")

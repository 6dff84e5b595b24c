"""Several models that learn from one another: what is kept within them, between them and by all of them together."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, SupportsFloat

import numpy as np

from modelcollapse import families, observables, sources
from modelcollapse.declarations import Observe
from modelcollapse.families import Population
from modelcollapse.regimes import Exchange
from modelcollapse.run import Run
from modelcollapse.verify import BoundedMean, Evidence, Formula, Lab, NominalMean, Proportion, Section
from modelcollapse.verify.formula import Misses
from modelcollapse.verify.lab import shared
from modelcollapse_theory import entrant, population_limits, populations, workflows

POPULATIONS = "theory/derivations/populations.md"
I = Section("I. several models", source=POPULATIONS, chains=30_000)

HALF = np.array([0.5, 0.5])
H0 = 0.5
TEACHES = np.array([[0.9, 0.1], [0.6, 0.4]])
SIZE, FITS = 5, 5
PAIRS: dict[str, Any] = {
    "within": "heterozygosity", "between": observables.between("mismatch"), "union": observables.union("heterozygosity")
}  # fmt: skip


def turned(weights: np.ndarray) -> np.ndarray:
    """The transposed matrix, its rows scaled to sum to 1."""
    return weights.T / weights.T.sum(1, keepdims=True)


def taught_by(weights: np.ndarray, real: np.ndarray) -> np.ndarray:
    """The transposed matrix, with the shares that are not real."""
    return turned(weights) * (1 - real)[:, None]


def alike(weights: np.ndarray) -> np.ndarray:
    """The matrix by which all models teach alike."""
    return np.broadcast_to(weights.mean(1, keepdims=True), weights.shape)


def of_two(
    lab: Lab, name: str, regime: Exchange, observe: Observe, size: int, fits: int | tuple[int, ...], models: int = 2
) -> Run:
    """Models of two states that are equally probable."""
    population = Population(families.Discrete(), models=models)
    return lab.run(name, population, sources.categorical(HALF), regime, observe, size=size, fits=fits)


@shared
def taught(lab: Lab) -> Run:
    return of_two(lab, "two models without real data", Exchange(TEACHES), PAIRS, SIZE, FITS)


@I.claim(populations.losses, populations.squared_distances, tier="quick")
def diversity_within_and_between(lab: Lab) -> Iterator[Evidence]:
    """the chance that two draws share an ancestor moves by V' = W V W^T + diag((1 - B_ii)/M_i), within and between
    models"""
    run = taught(lab)
    exact = {at: Formula(populations.losses, TEACHES, 0, SIZE, FITS, at=at, read=kept) for at in ((0, 0), (0, 1))}
    wrong: Misses = {
        "W transposed": exact[0, 0](weights=turned(TEACHES)),
        "one model of M items": H0 * (1 - 1 / SIZE) ** FITS,
        "one model of all items": H0 * (1 - 1 / (2 * SIZE)) ** FITS,
    }
    within, between = run["within"][:, 0, 0], run["between"][:, 0, 0, 1]
    yield exact[0, 0].against(BoundedMean(within, 0, H0), "E H_1", wrong, early=1)
    wrong = {"the diversity within": exact[0, 0](), "two models apart": H0}
    yield exact[0, 1].against(BoundedMean(between, 0, 1), "E[1 - sum p_1 p_2]", wrong)
    loss = populations.losses(TEACHES, 0, SIZE, FITS)
    apart = 2 * between - run["within"].sum((1, 2))
    far = H0 * float(populations.squared_distances(loss)[0, 1])
    yield Evidence(
        BoundedMean(apart, 0, 2), far, {"models that never met": H0 * (loss[0, 0] + loss[1, 1])}, "E |p_1 - p_2|^2"
    )


def kept(loss: SupportsFloat) -> float:
    """The diversity that a loss leaves."""
    return H0 * (1 - float(loss))


@I.claim(populations.union_loss, populations.differentiation)
def union_and_differentiation(lab: Lab) -> Iterator[Evidence]:
    """the union of models keeps 1 - u^T V u of the diversity, and F_ST is the part of it that lies between them"""
    run, loss = taught(lab), populations.losses(TEACHES, 0, SIZE, FITS)
    union = kept(populations.union_loss(loss, HALF))
    wrong: Misses = {
        "a model alone": kept(np.trace(loss) / 2), "two models": kept(loss[0, 1]),
        "one model of all items": H0 * (1 - 1 / (2 * SIZE)) ** FITS,
    }  # fmt: skip
    yield Evidence(BoundedMean(run["union"][:, 0], 0, H0), union, wrong, "E H of the union")
    index, between = float(populations.differentiation(loss)), kept(loss[0, 1])
    within = run["within"][:, 0].mean(1)
    wrong = {"with the union for the pairs": 1 - kept(np.trace(loss) / 2) / union, "models that never met": 1 - 0.8**5}
    yield Evidence(BoundedMean(1 - within / between, 1 - H0 / between, 1), index, wrong, "1 - H_within / E H_between")


@I.claim(populations.losses_by_counts)
def fixed_counts_of_models(lab: Lab) -> Evidence:
    """fixed counts of items from each model lose less than shares of the same means"""
    weights = np.full((2, 2), 0.5)
    size, fits = 4, 4
    run = of_two(lab, "two items from each", Exchange(weights, fixed=True), "heterozygosity", size, fits)
    exact = Formula(populations.losses_by_counts, weights * size, 0, fits, at=(0, 0), read=kept)
    wrong: Misses = {
        "independent items": kept(populations.losses(weights, 0, size, fits)[0, 0]),
        "one model of all items": H0 * (1 - 1 / (2 * size)) ** fits,
        "one model": H0 * (1 - 1 / size) ** fits,
    }
    return exact.against(BoundedMean(run["heterozygosity"][:, 0].mean(1), 0, H0), "", wrong, early=1)


@I.claim(populations.losses)
def items_in_common(lab: Lab) -> Iterator[Evidence]:
    """items in common make models alike: v'_ij = w + (1 - w) B_ij, and on one crawl all models are one"""
    weights, size, fits = np.full((2, 2), 0.45), 6, 4
    regime = Exchange(weights, 0.1, shared=4)
    run = of_two(lab, "four items in common", regime, PAIRS, size, fits)
    exact = Formula(populations.losses, weights, 0.1, size, fits, shared=4, at=(0, 1), read=kept)
    wrong: Misses = {
        "data of their own": exact(shared=0), "all in common": exact(shared=size),
        "within a model": kept(populations.losses(weights, 0.1, size, fits, shared=4)[0, 0]),
    }  # fmt: skip
    yield exact.against(BoundedMean(run["between"][:, 0, 0, 1], 0, 1), "E[1 - sum p_1 p_2]", wrong)
    one = kept(workflows.random_mixing(size, fits, 0.1))
    same = Exchange(weights, 0.1, shared=size)
    seen = of_two(lab, "one crawl", same, PAIRS, size, fits)["within"][:, 0, 0]
    wrong = {"one model of all items": kept(workflows.random_mixing(2 * size, fits, 0.1)), "data of their own": kept(
        populations.losses(weights, 0.1, size, fits)[0, 0]
    )}  # fmt: skip
    yield Evidence(BoundedMean(seen, 0, H0), one, wrong, "one crawl is one model")


@I.claim(population_limits.losses_limit, chains=20_000)
def models_that_mix_act_as_one(lab: Lab) -> Evidence:
    """with a real share four models settle where the pair walk ends, close to one model of all their items"""
    size, share, fits = 10, 0.05, 80
    weights = (1 - share) * (np.eye(4) * 0.6 + np.full((4, 4), 0.1))
    run = of_two(lab, "four islands", Exchange(weights, share), "heterozygosity", size, fits, models=4)
    exact = Formula(population_limits.losses_limit, weights, share, size, at=(0, 0), read=kept)
    wrong: Misses = {
        "one model": kept(workflows.random_mixing_limit(size, share)),
        "one model of all items": kept(workflows.random_mixing_limit(4 * size, share)),
        "half the real share": exact(weights=weights * (1 - share / 2) / (1 - share), real=share / 2),
    }
    return exact.against(BoundedMean(run["heterozygosity"][:, 0].mean(1), 0, H0), "", wrong)


@I.claim(population_limits.survivor, populations.mean_laws, chains=60_000)
def who_survives(lab: Lab) -> Evidence:
    """without real data the state at which all end is drawn from the models' laws with their reproductive values"""
    weights, size, last = np.array([[0.9, 0.1], [0.3, 0.7]]), 4, 150
    run = of_two(lab, "who survives", Exchange(weights), "probabilities", size, (1, last))
    law = run["probabilities"][..., 0]
    # the covariance with the first fit of model 1 is its value times the variance of one fit
    seen = (law[:, 0, 0] - 0.5) * (law[:, 1, 0] - 0.5) * 4 * size
    value = population_limits.survivor(weights, np.eye(2))
    wrong: Misses = {
        "equal values": 0.5, "W transposed": population_limits.survivor(turned(weights), np.eye(2))[0],
        "its own items alone": 1.0, "the other model's value": value[1],
    }  # fmt: skip
    return Evidence(BoundedMean(seen, -size, size), value[0], wrong, "4 M Cov(end, first fit of model 1)")


@I.claim(population_limits.absent, chains=120_000)
def absent_from_models(lab: Lab) -> Iterator[Evidence]:
    """P(a state is absent from a model) solves a recursion over the lineages of all models"""
    weights, real, sizes, q = np.array([[0.65, 0.05], [0.85, 0.1]]), np.array([0.3, 0.05]), np.array([3, 4]), 0.5
    regime = Exchange(weights, real, sizes)
    law = of_two(lab, "absent", regime, "probabilities", 4, 60)["probabilities"][:, 0, :, 0]
    exact, both = population_limits.absent(q, weights, real, sizes)
    early, _ = population_limits.absent(q, weights, real, sizes, 2)
    others = {"W transposed": taught_by(weights, real), "all models alike": alike(weights)}
    apart = {name: population_limits.absent(q, other, real, sizes) for name, other in others.items()}
    for i in range(2):
        wrong: Misses = {
            "after two fits": early[i],
            "the other model": exact[1 - i],
            "a fresh data set": (1 - q) ** sizes[i],
        } | {name: each[i] for name, (each, _) in apart.items()}
        yield Evidence(Proportion.of(law[:, i] == 0), exact[i], wrong, f"model {i + 1}")
    wrong = {"independent models": float(np.prod(exact)), "the smaller model": exact.min()}
    wrong |= {name: of_both for name, (_, of_both) in apart.items()}
    yield Evidence(Proportion.of((law == 0).all(1)), both, wrong, "both models")


@I.claim(entrant.entrant_loss, entrant.matching_real_items, entrant.matching_size)
def first_mover(lab: Lab) -> Iterator[Evidence]:
    """an entrant never gets below (1 - g)^2 of the pool's loss, and matches the leader with half its real data or
    more"""
    size, share, late = 10, 0.2, 6
    # the leader stays on its real data; the pool is a chain; one enters it at once, one late
    weights = np.zeros((4, 4))
    weights[1:, 1] = 1 - share
    regime = Exchange(weights, [0, *[share] * 3], enters=[0, 0, 1, late], frozen=[1, None, 2, None])
    run = of_two(lab, "first mover", regime, "heterozygosity", size, late + 1, models=4)
    seen = run["heterozygosity"][:, 0]
    for model, fits in ((2, 1), (3, late)):
        pool = float(workflows.random_mixing(size, fits, share))
        wrong: Misses = {
            "the leader": kept(1 / size), "the floor, with unlimited data": kept((1 - share) ** 2 * pool),
            "the pool itself": kept(entrant.entrant_loss(size, 0, pool)),
        }  # fmt: skip
        yield Evidence(
            BoundedMean(seen[:, model], 0, H0), kept(entrant.entrant_loss(size, share, pool)), wrong, f"t = {fits}"
        )
    share, drawn = 0.5, 13
    assert round(float(entrant.matching_size(1 / size, share, 1 / size))) == drawn
    copied = Exchange([[0, 0], [1 - share, 0]], [0, share], [size, drawn], enters=[0, 1], frozen=[1, None])
    seen = of_two(lab, "the leader's match", copied, "heterozygosity", drawn, 2)["heterozygosity"][:, 0, 1]
    wrong = {
        f"as many items as the leader, {size}": kept(entrant.entrant_loss(size, share, 1 / size)),
        f"{size} real items among {2 * size}": kept(entrant.entrant_loss(2 * size, share, 1 / size)),
        "a pool that is all real": kept(1 / drawn),
    }
    half = f"{drawn} items, {float(entrant.matching_real_items(size, share)):g} of them real"
    yield Evidence(BoundedMean(seen, 0, H0), kept(1 / size), wrong, half)


@I.claim(populations.overlaps, populations.mean_laws, chains=100_000)
def specialised_models(lab: Lab) -> Iterator[Evidence]:
    """models with truths of their own end at a mixture of everybody's, and their diversity with them"""
    laws = np.array([[0.8, 0.2], [0.1, 0.9]])
    weights, real, sizes, fits = np.array([[0.3, 0.5], [0.1, 0.5]]), np.array([0.2, 0.4]), np.array([2, 3]), 4
    source = sources.separate(*map(sources.categorical, laws))
    observe = {"p": "probabilities", "between": observables.between("mismatch")}
    regime, population = Exchange(weights, real, sizes), Population(families.Discrete(), models=2)
    run = lab.run("specialised", population, source, regime, observe, size=3, fits=fits)
    mean = Formula(populations.mean_laws, weights, real, laws, fits, at=(0, 0))
    wrong: Misses = {
        "its own truth": laws[0, 0],
        "W transposed": mean(weights=taught_by(weights, real)),
    }
    yield mean.against(BoundedMean(run["p"][:, 0, 0, 0], 0, 1), "E p_1", wrong, early=1)
    product = Formula(populations.overlaps, weights, real, sizes, laws, fits, at=(0, 1), read=lambda f: 1 - float(f))
    first, second = populations.mean_laws(weights, real, laws, fits)
    wrong = {
        "one truth, the mean of both": product(laws=np.broadcast_to(laws.mean(0), laws.shape)),
        "independent models": 1 - first @ second,
        "sizes exchanged": product(sizes=sizes[::-1]),
        "an item more in each data set": product(sizes=sizes + 1),
        "W transposed": product(weights=taught_by(weights, real)),
    }
    yield product.against(BoundedMean(run["between"][:, 0, 0, 1], 0, 1), "E[1 - sum p_1 p_2]", wrong)


@I.claim(populations.gaussian_moments, chains=60_000)
def gaussian_models(lab: Lab) -> Iterator[Evidence]:
    """unbiased normal models gain the variance of each other's means: S' = g + W (S + diag m) - diag B"""
    weights, real, sizes, fits = np.array([[0.85, 0.05], [0.6, 0.3]]), np.array([0.1, 0.1]), np.array([8, 12]), 6
    regime, population = Exchange(weights, real, sizes), Population(families.Gaussian(), models=2)
    run = lab.run("normal models", population, sources.normal(), regime, ["mean", "variance"], size=12, fits=fits)
    mean, variance = run["mean"][:, 0, :, 0], run["variance"][:, 0, :, 0]

    def exact(*at: int) -> Formula:
        return Formula(populations.gaussian_moments, weights, real, sizes, fits, at=at)

    others = {"W transposed": taught_by(weights, real), "all models alike": alike(weights)}

    def among(of: Formula) -> Misses:
        return {name: of(weights=other) for name, other in others.items()}

    wrong: Misses = {"the truth's variance": 1.0} | among(exact(2, 0))
    yield exact(2, 0).against(NominalMean(variance[:, 0]), "E sigma_1^2", wrong, ddof=0)
    wrong = {"within a model": exact(1, 0, 0)(), "models apart": 0.0} | among(exact(1, 0, 1))
    yield exact(1, 0, 1).against(NominalMean(mean.prod(1)), "E mu_1 mu_2", wrong, ddof=0)


@I.claim(entrant.composed_loss)
def frozen_model_as_truth(lab: Lab) -> Evidence:
    """where a frozen model stands for reality, losses compose: 1 - v = (1 - v_A)(1 - v_workflow)"""
    size, share, fits, frozen = 10, 0.3, 3, 6
    weights = np.zeros((fits + 1, 2, 2))
    weights[:, 1] = [share, 1 - share]
    weights[1, 1] = [1, 0]  # its first data set is all the frozen model's
    regime = Exchange(weights, 0, [frozen, size], enters=[0, 1], frozen=[1, None])
    seen = of_two(lab, "a frozen model", regime, "heterozygosity", size, fits + 1)["heterozygosity"][:, 0, 1]
    workflow = float(workflows.random_mixing(size, fits, share))
    wrong: Misses = {
        "the workflow alone": kept(workflow),
        "the frozen model alone": kept(1 / frozen),
        "no frozen model": H0 * (1 - 1 / size) ** fits,
        "losses that add up": kept(1 / frozen + workflow),
        "one fit early": kept(entrant.composed_loss(1 / frozen, float(workflows.random_mixing(size, fits - 1, share)))),
    }
    return Evidence(BoundedMean(seen, 0, H0), kept(entrant.composed_loss(1 / frozen, workflow)), wrong, "v_A = 1/6")


@I.claim(populations.losses, populations.union_loss, chains=8_000)
def models_apart(lab: Lab) -> Iterator[Evidence]:
    """models that do not learn from one another lose what a closed chain loses; their union keeps 1 - 1/D for good"""
    states, size, fits, models = 100, 10, 16, 3
    population, law = Population(families.Discrete(), models=models), sources.categorical(np.full(states, 1 / states))
    run = lab.run("apart", population, law, Exchange(np.eye(models)), PAIRS, size=size, fits=fits)
    h0, loss = 1 - 1 / states, populations.losses(np.eye(models), 0, size, fits)
    wrong: Misses = {
        "one fit early": h0 * (1 - 1 / size) ** (fits - 1),
        "one model of all items": h0 * (1 - 1 / (models * size)) ** fits,
    }
    within = BoundedMean(run["within"][:, 0].mean(1), 0, 1)
    yield Evidence(within, h0 * (1 - float(loss[0, 0])), wrong, "E H within")
    union = h0 * (1 - float(populations.union_loss(loss, np.full(models, 1 / models))))
    wrong = {"one model of all items": wrong["one model of all items"], "nothing but 1 - 1/D": h0 * (1 - 1 / models)}
    yield Evidence(BoundedMean(run["union"][:, 0], 0, 1), union, wrong, "E H of the union")

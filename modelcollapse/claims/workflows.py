"""Workflows: what fresh, kept or accumulated data save, one scalar recursion each."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from modelcollapse import regimes
from modelcollapse.claims.replacement import LAW, A, P
from modelcollapse.families import Discrete
from modelcollapse.protocols import Regime
from modelcollapse.run import Run
from modelcollapse.sources import categorical
from modelcollapse.verify import BoundedMean, Evidence, Formula, Lab, Section
from modelcollapse.verify.lab import shared
from modelcollapse_theory import accumulation, fresh, mixture, workflows

H0 = 1 - float(np.dot(LAW, LAW))
SIZE = 10
SHARE = 0.2
FITS = 15
B = Section(
    "B. fresh and kept data", source="theory/derivations/variance-conservation.md", chains=120_000, tier="quick"
)
C = Section("C. accumulation", chains=60_000, tier="quick")

REGIMES: dict[str, Regime] = {
    "random mixing": regimes.Mixture(1 - SHARE, 0.0, SHARE),
    "three-way mixture": regimes.Mixture(0.6, 0.2, 0.2),
    "alpha = gamma = 0": regimes.Mixture(0.0, 1.0, 0.0),
    "exact counts": regimes.FreshReal(SHARE),
    "fixed set": regimes.FixedReal(0.5),
    "retention": regimes.Retain(0.5),
    "accumulate": regimes.Accumulate(),
    "subsample": regimes.AccumulateSubsample(),
}
MIXED = (FITS, 60, 63)  # by fit 60 the start is forgotten to 1e-14
SETTLED = 1  # the index from which on
EARLY = (FITS, FITS + 1, FITS + 2)


@shared
def run_of(lab: Lab, regime: str, size: int = SIZE, fits: tuple[int, ...] = (FITS,)) -> Run:
    """One run of the discrete chain under a regime, for all claims about it."""
    observe = ["heterozygosity", "support_size", "probabilities"]
    name = f"{regime} {size}"
    return lab.run(name, Discrete(), categorical(LAW), REGIMES[regime], observe, size=size, fits=fits)


def diversity(run: Run, index: int = 0) -> BoundedMean:
    """H_n / H_0 of the discrete chain, whose mean is 1 - v_n."""
    return BoundedMean(run["heterozygosity"][:, index] / H0, 0, (1 - 1 / P.size) / H0)


def kept(v: ArrayLike) -> float:
    """What is left of the diversity where the fraction ``v`` is lost; of a path of them, the last."""
    return 1 - float(np.ravel(v)[-1])


REPLACED = Formula(workflows.replace, SIZE, FITS, read=kept)
MIXING = Formula(workflows.random_mixing, SIZE, FITS, SHARE, read=kept)
COUNTS = Formula(workflows.fresh_counts, SIZE, FITS, SHARE * SIZE, read=kept)
FIXED = Formula(workflows.fixed_set, SIZE, FITS, SHARE * SIZE, read=kept)


@B.claim(workflows.random_mixing)
def random_mixing(lab: Lab) -> Evidence:
    """with each row real with probability g, v* = 1 / (1 + theta), theta = (M - 1) g (2 - g)"""
    theta = float(fresh.theta(SIZE, SHARE))
    wrong = {
        "theta = 2 M g (diffusion)": kept(1 / (1 + 2 * SIZE * SHARE)),
        "exactly g M real rows": COUNTS(),
        "no real rows": REPLACED(),
        "theta without the (2 - g)": kept(1 / (1 + theta / (2 - SHARE))),
    }
    seen = diversity(run_of(lab, "random mixing", SIZE, MIXED))
    return MIXING.against(seen, f"H_n / H_0 at g M = {SHARE * SIZE:g}", wrong)


@B.claim(workflows.fresh_counts)
def exact_counts(lab: Lab) -> Evidence:
    """with exactly g M fresh real rows, v' = 1/M + [(1 - g)^2 - (1 - g)/M] v"""
    wrong = {
        "each row real with probability g": MIXING(),
        "one real row fewer": COUNTS(real=SHARE * SIZE - 1),
        "the same rows every time": FIXED(),
    }
    return COUNTS.against(diversity(run_of(lab, "exact counts")), f"H_n / H_0 at g M = {SHARE * SIZE:g}", wrong)


@B.claim(workflows.fixed_set, chains=60_000)
def fixed_real_set(lab: Lab) -> Evidence:
    """with a fixed set of r real rows, v* = 1/r + (1 - 1/r) c: a floor that no M removes"""
    rows, exact = 5, Formula(workflows.fixed_set, SIZE, 30, 5, read=kept)
    wrong = {
        "fresh rows every time": COUNTS(fits=30, real=rows),
        "only the floor 1/r": kept(1 / rows),
        "one real row fewer": exact(kept=rows - 1),
    }
    return exact.against(diversity(run_of(lab, "fixed set", SIZE, (30,))), f"H_n / H_0 at r = {rows}", wrong)


@B.claim(workflows.retain, chains=40_000)
def retention(lab: Lab) -> Evidence:
    """retaining b of M items loses 1 - (M - b)(M - 1 + b) / (M^2 (M - 1)) per refit"""
    items, exact = 5, Formula(workflows.retain, SIZE, FITS, 5, read=kept)
    wrong = {
        "retained with replacement (as new)": REPLACED(),
        "effective size M / (1 - beta^2)": (1 - (1 - (items / SIZE) ** 2) / SIZE) ** FITS,
        "one item fewer": exact(retained=items - 1),
    }
    return exact.against(diversity(run_of(lab, "retention")), f"H_n / H_0, b = {items}", wrong)


@B.claim(mixture.law, mixture.fit)
def three_way_mixture(lab: Lab) -> Evidence:
    """the paper's mixture: v' = (1 - gamma)^2 v + alpha^2 (1 - v)/M for the law, and v_fit = 1/M + (1 - 1/M) v_law"""
    alpha, beta, gamma = 0.6, 0.2, 0.2
    exact = Formula(mixture.fit, SIZE, FITS, gamma, beta, read=kept)
    wrong = {
        "the law's v for the fit's": kept(mixture.law(SIZE, FITS, gamma, beta)),
        "old data taken for new model output": exact(previous_share=0.0),
        "alpha and beta exchanged": exact(previous_share=alpha),
    }
    seen = diversity(run_of(lab, "three-way mixture", SIZE, EARLY))
    return exact.against(seen, f"({alpha}, {beta}, {gamma}), {FITS} fits", wrong)


@C.claim(
    accumulation.accumulate,
    accumulation.accumulate_limit,
    source="theory/derivations/accumulation.md; cf. arXiv 2404.01413",
)
def accumulate(lab: Lab) -> Evidence:
    """accumulating equal batches keeps prod(1 - 1/(M i^2)), in the limit sin(pi s)/(pi s), s = M^(-1/2)"""
    size, fits = 4, 60
    exact = Formula(accumulation.accumulate, size, fits, read=kept)
    wrong = {
        "first order 1 - pi^2 / (6 M)": 1 - np.pi**2 / (6 * size),
        "only the first generation's loss": 1 - 1 / size,
        "replacement": REPLACED(sample_size=size, fits=fits),
    }
    seen = diversity(run_of(lab, "accumulate", size, (fits,)))
    return exact.against(seen, f"H_n / H_0, M = {size}, {fits} fits", wrong, larger=1)


@C.claim(
    accumulation.accumulate_subsample,
    accumulation.accumulate_subsample_limit,
    source="theory/derivations/accumulation.md; cf. arXiv 2410.16713",
    chains=40_000,
)
def accumulate_subsample(lab: Lab) -> Evidence:
    """a fixed budget drawn from all data so far reaches a plateau: no collapse"""
    fits = 8
    model, pool = (kept(v) for v in accumulation.accumulate_subsample(SIZE, fits))
    wrong = {
        "the pool's value for the model's": pool,
        "trained on the whole pool": kept(accumulation.accumulate(SIZE, fits)),
        "replacement": REPLACED(fits=fits),
        "first order 1 - (pi^2 / 2 - 2) / M": 1 - (np.pi**2 / 2 - 2) / SIZE,
    }
    return Evidence(diversity(run_of(lab, "subsample", SIZE, (fits,))), model, wrong, f"H_n / H_0, {fits} fits")


@A.claim(
    workflows.replace_sizes, source="Donnelly (1986) for absorption; second moments for the product", chains=20_000
)
def growing_samples(lab: Lab) -> Evidence:
    """diversity survives if and only if the sum of 1/M_i is finite: E[H] = H_0 prod(1 - 1/M_i)"""
    batches = np.arange(1, 7)
    sizes, fits = 5 * batches**2, batches.size
    exact = Formula(workflows.replace_sizes, sizes, read=kept)
    wrong = {
        "constant M": (1 - 1 / sizes[0]) ** fits,
        "linear growth": exact(sizes=5 * batches),
        "the first fit left out": exact(sizes=sizes[1:]),
    }
    run = lab.run(
        "growing samples", Discrete(), categorical(LAW), regimes.Replace(), "heterozygosity", size=sizes, fits=fits
    )
    return exact.against(diversity(run), f"H_n / H_0, M_i = 5 i^2, {fits} fits", wrong)

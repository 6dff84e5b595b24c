"""Workflows: what fresh, kept or accumulated data save, one scalar recursion each."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np

from modelcollapse import regimes
from modelcollapse.families import Discrete
from modelcollapse.run import Run, simulate
from modelcollapse.sources import categorical
from modelcollapse.verify.evidence import BoundedMean, Evidence
from modelcollapse.verify.registry import claim, shared, stream
from modelcollapse_theory import accumulation, fresh, mixture, workflows

LAW = (0.30, 0.25, 0.20, 0.15, 0.08, 0.02)
H0 = 1 - float(np.dot(LAW, LAW))
SIZE = 10
SHARE = 0.2
FITS = 15
GROWING = 5 * np.arange(1, 7) ** 2
B, C = "B. fresh and kept data", "C. accumulation"


@shared
def run_of(seed: int, chains: int, regime: str, size: Any = SIZE, record: tuple[int, ...] = (FITS - 1,)) -> Run:
    """One run of the discrete chain under a regime, for all claims about it."""
    return simulate(
        Discrete(),
        categorical(LAW),
        REGIMES[regime],
        ["heterozygosity", "support_size", "probabilities"],
        size=size,
        generations=record[-1],
        chains=chains,
        seed=stream(seed, f"{regime} {size}"),
        record=record,
    )


REGIMES = {
    "random mixing": regimes.Mixture(1 - SHARE, 0.0, SHARE),
    "three-way mixture": regimes.Mixture(0.6, 0.2, 0.2),
    "alpha = gamma = 0": regimes.Mixture(0.0, 1.0, 0.0),
    "exact counts": regimes.FreshReal(SHARE),
    "fixed set": regimes.FixedReal(0.5),
    "retention": regimes.Retain(0.5),
    "accumulate": regimes.Accumulate(),
    "subsample": regimes.AccumulateSubsample(),
    "replace": regimes.Replace(),
}
MIXED = (FITS - 1, 59, 62)  # by fit 60 the start is forgotten to 1e-14
SETTLED = 1
EARLY = (FITS - 1, FITS, FITS + 1)


def diversity(run: Run, index: int = 0) -> BoundedMean:
    """H_n / H_0 of the discrete chain, whose mean is 1 - v_n."""
    return BoundedMean(run["heterozygosity"][:, index] / H0, 0, (1 - 1 / len(LAW)) / H0)


def kept(v: Any) -> float:
    return float(1 - v)


@claim(
    "with each row real with probability g, v* = 1 / (1 + theta), theta = (M - 1) g (2 - g)",
    source="theory/derivations/variance-conservation.md",
    section=B,
    chains=120_000,
    tier="quick",
    theorems=["workflows.random_mixing"],
)
def random_mixing(seed: int, chains: int) -> Evidence:
    observed = diversity(run_of(seed, chains, "random mixing", SIZE, MIXED))
    theta = float(fresh.theta(SIZE, SHARE))
    wrong = {
        "theta = 2 M g (diffusion)": kept(1 / (1 + 2 * SIZE * SHARE)),
        "exactly g M real rows": kept(workflows.fresh_counts(SIZE, FITS, SHARE * SIZE)),
        "no real rows": kept(workflows.replace(SIZE, FITS)),
        "theta without the (2 - g)": kept(1 / (1 + theta / (2 - SHARE))),
    }
    return Evidence(
        observed, kept(workflows.random_mixing(SIZE, FITS, SHARE)), wrong, f"H_n / H_0 at g M = {SHARE * SIZE:g}"
    )


@claim(
    "with exactly g M fresh real rows, v' = 1/M + [(1 - g)^2 - (1 - g)/M] v",
    source="theory/derivations/variance-conservation.md",
    section=B,
    chains=120_000,
    tier="quick",
    theorems=["workflows.fresh_counts"],
)
def exact_counts(seed: int, chains: int) -> Evidence:
    observed = diversity(run_of(seed, chains, "exact counts"))
    exact = functools.partial(workflows.fresh_counts, SIZE, FITS)
    wrong = {
        "each row real with probability g": kept(workflows.random_mixing(SIZE, FITS, SHARE)),
        "one real row fewer": kept(exact(SHARE * SIZE - 1)),
        "the same rows every time": kept(workflows.fixed_set(SIZE, FITS, SHARE * SIZE)),
    }
    return Evidence(observed, kept(exact(SHARE * SIZE)), wrong, f"H_n / H_0 at g M = {SHARE * SIZE:g}")


@claim(
    "with a fixed set of r real rows, v* = 1/r + (1 - 1/r) c: a floor that no M removes",
    source="theory/derivations/variance-conservation.md",
    section=B,
    chains=60_000,
    tier="quick",
    theorems=["workflows.fixed_set"],
)
def fixed_real_set(seed: int, chains: int) -> Evidence:
    rows = 5
    observed = diversity(run_of(seed, chains, "fixed set", SIZE, (29,)))
    wrong = {
        "fresh rows every time": kept(workflows.fresh_counts(SIZE, 30, rows)),
        "only the floor 1/r": kept(1 / rows),
        "one real row fewer": kept(workflows.fixed_set(SIZE, 30, rows - 1)),
    }
    return Evidence(observed, kept(workflows.fixed_set(SIZE, 30, rows)), wrong, f"H_n / H_0 at r = {rows}")


@claim(
    "retaining b of M items loses 1 - (M - b)(M - 1 + b) / (M^2 (M - 1)) per refit",
    source="theory/derivations/variance-conservation.md",
    section=B,
    chains=40_000,
    tier="quick",
    theorems=["workflows.retain"],
)
def retention(seed: int, chains: int) -> Evidence:
    items = 5
    observed = diversity(run_of(seed, chains, "retention"))
    wrong = {
        "retained with replacement (as new)": kept(workflows.replace(SIZE, FITS)),
        "effective size M / (1 - beta^2)": float((1 - (1 - (items / SIZE) ** 2) / SIZE) ** FITS),
        "one item fewer": kept(workflows.retain(SIZE, FITS, items - 1)),
    }
    return Evidence(observed, kept(workflows.retain(SIZE, FITS, items)), wrong, f"H_n / H_0, b = {items}")


@claim(
    "the paper's mixture: v' = (1 - gamma)^2 v + alpha^2 (1 - v)/M for the law, and v_fit = 1/M + (1 - 1/M) v_law",
    source="theory/derivations/variance-conservation.md",
    section=B,
    chains=120_000,
    tier="quick",
    theorems=["mixture.law", "mixture.fit"],
)
def three_way_mixture(seed: int, chains: int) -> Evidence:
    alpha, beta, gamma = 0.6, 0.2, 0.2
    observed = diversity(run_of(seed, chains, "three-way mixture", SIZE, EARLY))
    wrong = {
        "the law's v for the fit's": kept(mixture.law(SIZE, FITS, gamma, beta)),
        "old data taken for new model output": kept(mixture.fit(SIZE, FITS, gamma, 0.0)),
        "alpha and beta exchanged": kept(mixture.fit(SIZE, FITS, gamma, alpha)),
    }
    return Evidence(
        observed, kept(mixture.fit(SIZE, FITS, gamma, beta)), wrong, f"({alpha}, {beta}, {gamma}), {FITS} fits"
    )


@claim(
    "accumulating equal batches keeps prod(1 - 1/(M i^2)), in the limit sin(pi s)/(pi s), s = M^(-1/2)",
    source="theory/derivations/accumulation.md; cf. arXiv 2404.01413",
    section=C,
    chains=60_000,
    tier="quick",
    theorems=["accumulation.accumulate", "accumulation.accumulate_limit"],
)
def accumulate(seed: int, chains: int) -> list[Evidence]:
    size, fits = 4, 60
    observed = diversity(run_of(seed, chains, "accumulate", size, (fits - 1,)))
    exact = kept(accumulation.accumulate(size, fits))
    wrong = {
        "first order 1 - pi^2 / (6 M)": 1 - np.pi**2 / (6 * size),
        "M + 1 for M": kept(accumulation.accumulate(size + 1, fits)),
        "only the first generation's loss": 1 - 1 / size,
        "replacement": kept(workflows.replace(size, fits)),
    }
    return [Evidence(observed, exact, wrong, f"H_n / H_0, M = {size}, {fits} fits")]


@claim(
    "a fixed budget drawn from all data so far reaches a plateau: no collapse",
    source="theory/derivations/accumulation.md; cf. arXiv 2410.16713",
    section=C,
    chains=40_000,
    tier="quick",
    theorems=["accumulation.accumulate_subsample", "accumulation.accumulate_subsample_limit"],
)
def accumulate_subsample(seed: int, chains: int) -> Evidence:
    fits = 8
    observed = diversity(run_of(seed, chains, "subsample", SIZE, (fits - 1,)))
    model, pool = (kept(v[-1] if np.ndim(v) else v) for v in accumulation.accumulate_subsample(SIZE, fits))
    wrong = {
        "the pool's value for the model's": pool,
        "trained on the whole pool": kept(accumulation.accumulate(SIZE, fits)),
        "replacement": kept(workflows.replace(SIZE, fits)),
        "first order 1 - (pi^2 / 2 - 2) / M": 1 - (np.pi**2 / 2 - 2) / SIZE,
    }
    return Evidence(observed, model, wrong, f"H_n / H_0, {fits} fits")


@claim(
    "diversity survives if and only if the sum of 1/M_i is finite: E[H] = H_0 prod(1 - 1/M_i)",
    source="Donnelly (1986) for absorption; second moments for the product",
    section="A. replacement",
    chains=20_000,
    tier="quick",
    theorems=["workflows.replace_sizes"],
)
def growing_samples(seed: int, chains: int) -> Evidence:
    sizes = GROWING
    run = simulate(
        Discrete(),
        categorical(LAW),
        regimes.Replace(),
        "heterozygosity",
        size=sizes,
        generations=sizes.size - 1,
        chains=chains,
        seed=stream(seed, "growing samples"),
        record=[sizes.size - 1],
    )
    exact = workflows.replace_sizes
    wrong = {
        "constant M": float((1 - 1 / sizes[0]) ** sizes.size),
        "linear growth": kept(exact(5 * np.arange(1, sizes.size + 1))[-1]),
        "the first fit left out": kept(exact(sizes[1:])[-1]),
    }
    return Evidence(diversity(run), kept(exact(sizes)[-1]), wrong, f"H_n / H_0, M_i = 5 i^2, {sizes.size} fits")

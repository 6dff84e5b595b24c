"""Workflows: what fresh, kept or accumulated data save, one scalar recursion each."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np
from modelcollapse_theory import accumulation, fresh, mixture, replacement, workflows

from modelcollapse import regimes
from modelcollapse.checks.claims import claim, stream
from modelcollapse.checks.evidence import BoundedMean, Evidence
from modelcollapse.driver import simulate
from modelcollapse.families import Discrete
from modelcollapse.sources import categorical

LAW = (0.30, 0.25, 0.20, 0.15, 0.08, 0.02)
H0 = 1 - float(np.dot(LAW, LAW))
SIZE = 10
SHARE = 0.2
FITS = 15
B, C = "B. fresh and kept data", "C. accumulation"


def diversity(seed: int, chains: int, regime: Any, *, name: str, size: Any = SIZE, fits: int = FITS) -> BoundedMean:
    """H_n / H_0 of the discrete chain, whose mean is 1 - v_n."""
    run = simulate(
        Discrete(), categorical(LAW), regime, "heterozygosity", size=size, generations=fits - 1, chains=chains,
        seed=stream(seed, name), record=[fits - 1],
    )  # fmt: skip
    return BoundedMean(run["heterozygosity"][:, 0] / H0, 0, (1 - 1 / len(LAW)) / H0)


def kept(v: Any) -> float:
    return float(1 - v)


@claim(
    "with each row real with probability g, v* = 1 / (1 + theta), theta = (M - 1) g (2 - g)",
    source="theory/derivations/variance-conservation.md", section=B, chains=120_000,
    theorems=["workflows.random_mixing", "workflows.random_mixing_limit", "fresh.theta"],
)  # fmt: skip
def random_mixing(seed: int, chains: int) -> Evidence:
    observed = diversity(seed, chains, regimes.Mixture(1 - SHARE, 0.0, SHARE), name="random mixing")
    theta = float(fresh.theta(SIZE, SHARE))
    wrong = {
        "theta = 2 M g (diffusion)": kept(1 / (1 + 2 * SIZE * SHARE)),
        "exactly g M real rows": kept(workflows.fresh_counts(SIZE, FITS, SHARE * SIZE)),
        "no real rows": kept(workflows.replace(SIZE, FITS)),
        "theta without the (2 - g)": kept(1 / (1 + theta / (2 - SHARE))),
    }
    return Evidence(observed, kept(workflows.random_mixing(SIZE, FITS, SHARE)), wrong, f"H_n / H_0 at g M = {SHARE * SIZE:g}")


@claim(
    "with exactly g M fresh real rows, v' = 1/M + [(1 - g)^2 - (1 - g)/M] v",
    source="theory/derivations/variance-conservation.md", section=B, chains=120_000,
    theorems=["workflows.fresh_counts", "workflows.fresh_counts_limit"],
)  # fmt: skip
def exact_counts(seed: int, chains: int) -> Evidence:
    observed = diversity(seed, chains, regimes.FreshReal(SHARE), name="exact counts")
    exact = functools.partial(workflows.fresh_counts, SIZE, FITS)
    wrong = {
        "each row real with probability g": kept(workflows.random_mixing(SIZE, FITS, SHARE)),
        "one real row fewer": kept(exact(SHARE * SIZE - 1)),
        "the same rows every time": kept(workflows.fixed_set(SIZE, FITS, SHARE * SIZE)),
    }
    return Evidence(observed, kept(exact(SHARE * SIZE)), wrong, f"H_n / H_0 at g M = {SHARE * SIZE:g}")


@claim(
    "with a fixed set of r real rows, v* = 1/r + (1 - 1/r) c: a floor that no M removes",
    source="theory/derivations/variance-conservation.md", section=B, chains=60_000,
    theorems=["workflows.fixed_set", "workflows.fixed_set_limit"],
)  # fmt: skip
def fixed_real_set(seed: int, chains: int) -> Evidence:
    share, rows = 0.5, 5
    observed = diversity(seed, chains, regimes.FixedReal(share), name="fixed set", fits=30)
    wrong = {
        "fresh rows every time": kept(workflows.fresh_counts(SIZE, 30, rows)),
        "only the floor 1/r": kept(1 / rows),
        "one real row fewer": kept(workflows.fixed_set(SIZE, 30, rows - 1)),
    }
    return Evidence(observed, kept(workflows.fixed_set(SIZE, 30, rows)), wrong, f"H_n / H_0 at r = {rows}")


@claim(
    "retaining b of M items loses 1 - (M - b)(M - 1 + b) / (M^2 (M - 1)) per refit",
    source="theory/derivations/variance-conservation.md", section=B, chains=40_000, theorems=["workflows.retain"],
)  # fmt: skip
def retention(seed: int, chains: int) -> Evidence:
    items = 5
    observed = diversity(seed, chains, regimes.Retain(items / SIZE), name="retention")
    wrong = {
        "retained with replacement (as new)": kept(workflows.replace(SIZE, FITS)),
        "effective size M / (1 - beta^2)": float((1 - (1 - (items / SIZE) ** 2) / SIZE) ** FITS),
        "one item fewer": kept(workflows.retain(SIZE, FITS, items - 1)),
    }
    return Evidence(observed, kept(workflows.retain(SIZE, FITS, items)), wrong, f"H_n / H_0, b = {items}")


@claim(
    "the paper's mixture: v' = (1 - gamma)^2 v + alpha^2 (1 - v)/M for the law, and v_fit = 1/M + (1 - 1/M) v_law",
    source="theory/derivations/variance-conservation.md", section=B, chains=120_000, theorems=["mixture.law", "mixture.fit"],
)  # fmt: skip
def three_way_mixture(seed: int, chains: int) -> Evidence:
    alpha, beta, gamma = 0.6, 0.2, 0.2
    observed = diversity(seed, chains, regimes.Mixture(alpha, beta, gamma), name="three-way mixture")
    wrong = {
        "the law's v for the fit's": kept(mixture.law(SIZE, FITS, gamma, beta)),
        "old data taken for new model output": kept(mixture.fit(SIZE, FITS, gamma, 0.0)),
        "alpha and beta exchanged": kept(mixture.fit(SIZE, FITS, gamma, alpha)),
    }
    return Evidence(observed, kept(mixture.fit(SIZE, FITS, gamma, beta)), wrong, f"({alpha}, {beta}, {gamma}), {FITS} fits")


@claim(
    "accumulating equal batches keeps prod(1 - 1/(M i^2)), in the limit sin(pi s)/(pi s), s = M^(-1/2)",
    source="theory/derivations/accumulation.md; cf. arXiv 2404.01413", section=C, chains=60_000,
    theorems=["accumulation.accumulate", "accumulation.accumulate_limit"],
)  # fmt: skip
def accumulate(seed: int, chains: int) -> list[Evidence]:
    size, fits = 4, 60
    observed = diversity(seed, chains, regimes.Accumulate(), name="accumulate", size=size, fits=fits)
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
    source="theory/derivations/accumulation.md; cf. arXiv 2410.16713", section=C, chains=40_000,
    theorems=["accumulation.accumulate_subsample", "accumulation.accumulate_subsample_limit"],
)  # fmt: skip
def accumulate_subsample(seed: int, chains: int) -> Evidence:
    fits = 30
    observed = diversity(seed, chains, regimes.AccumulateSubsample(), name="subsample", fits=fits)
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
    source="Donnelly (1986) for absorption; second moments for the product", section="A. replacement", chains=20_000,
    theorems=["replacement.expected_heterozygosity_schedule", "workflows.replace_sizes"],
)  # fmt: skip
def growing_samples(seed: int, chains: int) -> Evidence:
    sizes = 5 * np.arange(1, FITS + 1) ** 2
    observed = diversity(seed, chains, regimes.Replace(), name="growing samples", size=sizes)
    exact = functools.partial(replacement.expected_heterozygosity_schedule, LAW)
    wrong = {
        "constant M": float((1 - 1 / sizes[0]) ** FITS),
        "linear growth": float(exact(5 * np.arange(1, FITS + 1))[-1] / H0),
        "the first fit left out": float(exact(sizes[1:])[-1] / H0),
    }
    return Evidence(observed, float(exact(sizes)[-1] / H0), wrong, "H_n / H_0, M_i = 5 i^2")

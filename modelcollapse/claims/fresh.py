"""Fresh real data: how long the chain remembers, what is missing from it, and how many founders it has; and what is never lost."""

from __future__ import annotations

import functools

import numpy as np

from modelcollapse.claims.workflows import EARLY, FITS, LAW, MIXED, SETTLED, SHARE, SIZE, B, C, diversity, kept, run_of
from modelcollapse.verify.evidence import BoundedMean, Evidence, Proportion
from modelcollapse.verify.registry import claim, stream
from modelcollapse_theory import accumulation, fresh, mixture, support, workflows

P = np.array(LAW)
CHAINS = 120_000


@claim(
    "the stationary chain forgets at rate 1 - g per fit, whatever M",
    source="theory/derivations/fresh-data.md",
    section=B,
    chains=CHAINS,
    tier="quick",
    theorems=["fresh.correlation", "fresh.eigenvalues"],
)
def memory(seed: int, chains: int) -> Evidence:
    law, lag = (
        run_of(seed, chains, "random mixing", SIZE, MIXED)["probabilities"][:, SETTLED:, 0] - P[0],
        MIXED[2] - MIXED[1],
    )
    variance = P[0] * (1 - P[0]) * float(workflows.random_mixing_limit(SIZE, SHARE))
    exact = functools.partial(fresh.correlation, SHARE)
    wrong = {
        "one fit more": variance * float(exact(lag + 1)),
        "the eigenvalue of H, (1 - g)^2 (1 - 1/M)": variance * float(fresh.eigenvalues(SIZE, SHARE)[2]) ** lag,
        "lost (1 - 1/M) a fit too": variance * (float(exact(1)) * (1 - 1 / SIZE)) ** lag,
    }
    return Evidence(
        BoundedMean(law[:, 0] * law[:, 1], -P[0], 1), variance * float(exact(lag)), wrong, f"Cov(p_t, p_t+{lag})"
    )


@claim(
    "all stationary moments come from one upward solve; Wright's Dirichlet law is their limit, its third moment off at small M",
    source="theory/derivations/fresh-data.md; Wright (1931) for the limit",
    section=B,
    chains=CHAINS,
    tier="quick",
    theorems=["fresh.stationary_moments"],
)
def stationary_moments(seed: int, chains: int) -> list[Evidence]:
    law = run_of(seed, chains, "random mixing", SIZE, MIXED)["probabilities"][:, SETTLED, 0]
    exact = fresh.stationary_moments(P[0], SIZE, SHARE, 3)
    larger = fresh.stationary_moments(P[0], SIZE + 2, SHARE, 3)
    theta = 2 * SIZE * SHARE
    dirichlet = [1.0]
    for m in range(3):
        dirichlet.append(dirichlet[-1] * (theta * P[0] + m) / (theta + m))
    return [
        Evidence(
            BoundedMean(law**m, 0, 1),
            float(exact[m]),
            {"Dirichlet with 2 M g": dirichlet[m], "M + 2 for M": float(larger[m]), "frozen": float(P[0]) ** m},
            f"E p^{m}",
        )
        for m in (2, 3)
    ]


@claim(
    "P(a state is absent) solves an upward recursion over lineages that end at real items",
    source="theory/derivations/fresh-data.md",
    section=B,
    chains=CHAINS,
    tier="quick",
    theorems=["fresh.absent", "fresh.present"],
)
def absent_state(seed: int, chains: int) -> list[Evidence]:
    run, state = run_of(seed, chains, "random mixing", SIZE, MIXED), 4
    absent = functools.partial(fresh.absent, P[state], SIZE)
    exact = float(absent(SHARE))
    lost = run["probabilities"][:, :, state] == 0
    total = functools.partial(fresh.expected_support, LAW)
    return [
        Evidence(
            Proportion.of(lost[:, SETTLED]),
            exact,
            {
                "Beta with 2 M g": float(fresh.absent_beta(P[state], SIZE, SHARE)),
                "branching, large M": float(fresh.absent_branching(P[state], SIZE, SHARE)),
                "one real item only, (1 - q)^(g M)": float((1 - P[state]) ** (SHARE * SIZE)),
            },
            f"stationary, q = {P[state]}",
        ),
        Evidence(
            BoundedMean(run["support_size"][:, SETTLED], 1, P.size),
            total(SIZE, SHARE),
            {"a fresh data set": float(np.sum(1 - (1 - P) ** SIZE)), "M + 1 for M": total(SIZE + 1, SHARE)},
            "stationary E S",
        ),
    ]


@claim(
    "before the chain settles, a state is absent with a probability of its own",
    source="theory/derivations/fresh-data.md",
    section=B,
    chains=CHAINS,
    theorems=["fresh.absent"],
)
def absent_early(seed: int, chains: int) -> Evidence:
    state, fits = 2, 3
    run = run_of(seed, chains, "random mixing", SIZE, (fits - 1, 5, 6))
    absent = functools.partial(fresh.absent, P[state], SIZE, SHARE)
    wrong = {
        "stationary": float(absent()),
        "one generation early": float(absent(fits - 1)),
        "no real rows": float(support.absent_probability(P[state], SIZE, fits)),
    }
    return Evidence(
        Proportion.of(run["probabilities"][:, 0, state] == 0),
        float(absent(fits)),
        wrong,
        f"q = {P[state]}, {fits} fits",
    )


@claim(
    "a stationary data set descends from more real draws than Ewens' formula says, because the sample is the population",
    source="theory/derivations/fresh-data.md",
    section=B,
    chains=8_000,
    tier="quick",
    theorems=["fresh.expected_founders"],
)
def founders(seed: int, chains: int) -> Evidence:
    size, share = 30, 0.1
    random = np.random.default_rng(stream(seed, "founders"))
    labels = np.zeros((chains, size), np.int64)
    for fit in range(150):  # a founder of the start is left with probability below 30 * 0.9^150 = 4e-6
        labels = np.take_along_axis(labels, random.integers(size, size=labels.shape), axis=1)
        real = random.random(labels.shape) < share
        labels = np.where(real, (fit + 1) * size + np.arange(size), labels)
    distinct = (np.diff(np.sort(labels, axis=1), axis=1) > 0).sum(1) + 1
    theta = 2 * size * share
    wrong = {
        "Ewens, theta = 2 M g": float(np.sum(theta / (theta + np.arange(size)))),
        "large M, M g sum b_k": size * share * float(fresh.branching_total(share)),
        "the newest real items": size * share,
    }
    return Evidence(
        BoundedMean(distinct, 1, size), fresh.expected_founders(size, share), wrong, f"M = {size}, g = {share}"
    )


@claim(
    "alpha = gamma = 0 is no synthetic loop: the law stays p0 and nothing is lost; the fully synthetic corner is (1, 0, 0)",
    source="the mixture law of arXiv 2305.17493; theory/derivations/variance-conservation.md",
    section=B,
    chains=CHAINS,
    tier="quick",
    theorems=["mixture.law"],
)
def corner_of_the_mixture(seed: int, chains: int) -> Evidence:
    seen = diversity(run_of(seed, chains, "alpha = gamma = 0", SIZE, EARLY))
    wrong = {
        "arXiv 2305.17493: data from a single step": kept(workflows.replace(SIZE, FITS)),
        "nothing at all is lost": 1.0,
    }
    return Evidence(seen, kept(mixture.fit(SIZE, FITS, 0.0, 1.0)), wrong, f"H_n / H_0 at (0, 1, 0), {FITS} fits")


@claim(
    "accumulation freezes the support at the first batch; a fixed real set freezes its own",
    source="every item ever drawn stays; theory/derivations/accumulation.md",
    section=C,
    chains=60_000,
    tier="quick",
    theorems=["accumulation.survival"],
)
def frozen_support(seed: int, chains: int) -> list[Evidence]:
    size, state, rows = 4, 2, 5
    pool = run_of(seed, chains, "accumulate", size, (59,))
    fixed = run_of(seed, chains, "fixed set", SIZE, (29,))
    exact = float(accumulation.expected_support(LAW, size))
    return [
        Evidence(
            BoundedMean(pool["support_size"][:, 0], 1, P.size),
            exact,
            {
                "replacement, two fits": float(support.expected_support(LAW, size, 2)),
                "two batches": float(accumulation.expected_support(LAW, 2 * size)),
            },
            "accumulate, E S after 60 fits",
        ),
        Evidence(
            Proportion.of(pool["probabilities"][:, 0, state] > 0),
            float(accumulation.survival(P[state], size)),
            {"p0, as under replacement": P[state], "one item fewer": float(accumulation.survival(P[state], size - 1))},
            "accumulate, a state is present",
        ),
        Evidence(
            Proportion.of(fixed["probabilities"][:, 0, state] > 0),
            float(accumulation.survival(P[state], rows)),
            {
                "the whole first data set": float(accumulation.survival(P[state], SIZE)),
                "one item fewer": float(accumulation.survival(P[state], rows - 1)),
            },
            f"{rows} fixed rows, a state is present",
        ),
    ]

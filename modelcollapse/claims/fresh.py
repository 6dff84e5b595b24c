"""Fresh real data: how long the chain remembers, what it misses, how many founders it has, and what is never lost."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from modelcollapse.claims.replacement import LAW, P
from modelcollapse.claims.workflows import (
    EARLY,
    FITS,
    MIXED,
    REPLACED,
    SETTLED,
    SHARE,
    SIZE,
    B,
    C,
    diversity,
    kept,
    run_of,
)
from modelcollapse.verify import BoundedMean, Evidence, Formula, Lab, Proportion
from modelcollapse.verify.formula import Misses
from modelcollapse_theory import accumulation, fresh, mixture, support, workflows

FRESH = "theory/derivations/fresh-data.md"


@B.claim(fresh.correlation, fresh.eigenvalues, source=FRESH)
def memory(lab: Lab) -> Evidence:
    """the stationary chain forgets at rate 1 - g per fit, whatever M"""
    law = run_of(lab, "random mixing", SIZE, MIXED)["probabilities"][:, SETTLED:, 0] - P[0]
    lag, variance = MIXED[2] - MIXED[1], P[0] * (1 - P[0]) * float(workflows.random_mixing_limit(SIZE, SHARE))
    exact = Formula(fresh.correlation, SHARE, lag, read=lambda r: float(variance * r))
    wrong = {
        "one fit more": exact(lag=lag + 1),
        "the eigenvalue of H, (1 - g)^2 (1 - 1/M)": variance * float(fresh.eigenvalues(SIZE, SHARE)[2]) ** lag,
        "lost (1 - 1/M) a fit too": variance * (float(fresh.correlation(SHARE, 1)) * (1 - 1 / SIZE)) ** lag,
    }
    return exact.against(BoundedMean(law[:, 0] * law[:, 1], -P[0], 1), f"Cov(p_t, p_t+{lag})", wrong)


@B.claim(fresh.stationary_moments, source=f"{FRESH}; Wright (1931) for the limit")
def stationary_moments(lab: Lab) -> Iterator[Evidence]:
    """all stationary moments come from one upward solve; Wright's Dirichlet law is their limit, its third moment off
    at small M"""
    law = run_of(lab, "random mixing", SIZE, MIXED)["probabilities"][:, SETTLED, 0]
    exact, larger = (fresh.stationary_moments(P[0], size, SHARE, 3) for size in (SIZE, SIZE + 2))
    theta = 2 * SIZE * SHARE
    dirichlet = np.cumprod([1.0, *((theta * P[0] + m) / (theta + m) for m in range(3))])
    for m in (2, 3):
        wrong = {"Dirichlet with 2 M g": dirichlet[m], "M + 2 for M": larger[m], "frozen": P[0] ** m}
        yield Evidence(BoundedMean(law**m, 0, 1), exact[m], wrong, f"E p^{m}")


@B.claim(fresh.absent, fresh.present, source=FRESH)
def absent_state(lab: Lab) -> Iterator[Evidence]:
    """P(a state is absent) solves an upward recursion over lineages that end at real items"""
    run, q = run_of(lab, "random mixing", SIZE, MIXED), P[4]
    wrong: Misses = {
        "Beta with 2 M g": fresh.absent_beta(q, SIZE, SHARE),
        "branching, large M": fresh.absent_branching(q, SIZE, SHARE),
        "one real item only, (1 - q)^(g M)": (1 - q) ** (SHARE * SIZE),
    }
    lost = Proportion.of(run["probabilities"][:, SETTLED, 4] == 0)
    yield Evidence(lost, fresh.absent(q, SIZE, SHARE), wrong, f"stationary, q = {q}")
    total = Formula(fresh.expected_support, LAW, SIZE, SHARE)
    wrong = {"a fresh data set": np.sum(1 - (1 - P) ** SIZE)}
    yield total.against(BoundedMean(run["support_size"][:, SETTLED], 1, P.size), "stationary E S", wrong, larger=1)


@B.claim(fresh.absent, source=FRESH, tier="default")
def absent_early(lab: Lab) -> Evidence:
    """before the chain settles, a state is absent with a probability of its own"""
    state, fits = 2, 3
    lost = run_of(lab, "random mixing", SIZE, (fits, 6, 7))["probabilities"][:, 0, state] == 0
    exact = Formula(fresh.absent, P[state], SIZE, SHARE, fits)
    wrong: Misses = {"stationary": exact(fits=None), "no real rows": support.absent_probability(P[state], SIZE, fits)}
    return exact.against(Proportion.of(lost), f"q = {P[state]}, {fits} fits", wrong, early=1)


@B.claim(fresh.expected_founders, source=FRESH, chains=8_000)
def founders(lab: Lab) -> Evidence:
    """a stationary data set descends from more real draws than Ewens' formula says, because the sample is the
    population"""
    size, share = 30, 0.1
    random = lab.random("founders")
    labels = np.zeros((lab.chains, size), np.int64)
    for fit in range(150):  # a founder of the start is left with probability below 30 * 0.9^150 = 4e-6
        labels = np.take_along_axis(labels, random.integers(size, size=labels.shape), axis=1)
        real = random.random(labels.shape) < share
        labels = np.where(real, (fit + 1) * size + np.arange(size), labels)
    distinct = BoundedMean((np.diff(np.sort(labels, axis=1), axis=1) > 0).sum(1) + 1, 1, size)
    theta = 2 * size * share
    wrong: Misses = {
        "Ewens, theta = 2 M g": np.sum(theta / (theta + np.arange(size))),
        "large M, M g sum b_k": size * share * fresh.branching_total(share),
        "the newest real items": size * share,
    }
    return Evidence(distinct, fresh.expected_founders(size, share), wrong, f"M = {size}, g = {share}")


@B.claim(mixture.law, source="the mixture law of arXiv 2305.17493; theory/derivations/variance-conservation.md")
def corner_of_the_mixture(lab: Lab) -> Evidence:
    """alpha = gamma = 0 is no synthetic loop: the law stays p0 and nothing is lost; the fully synthetic corner is
    (1, 0, 0)"""
    wrong = {"arXiv 2305.17493: data from a single step": REPLACED(), "nothing at all is lost": 1.0}
    exact, seen = kept(mixture.fit(SIZE, FITS, 0.0, 1.0)), diversity(run_of(lab, "alpha = gamma = 0", SIZE, EARLY))
    return Evidence(seen, exact, wrong, f"H_n / H_0 at (0, 1, 0), {FITS} fits")


@C.claim(accumulation.survival, source="every item ever drawn stays; theory/derivations/accumulation.md")
def frozen_support(lab: Lab) -> Iterator[Evidence]:
    """accumulation freezes the support at the first batch; a fixed real set freezes its own"""
    size, state, rows = 4, 2, 5
    pool, fixed = run_of(lab, "accumulate", size, (60,)), run_of(lab, "fixed set", SIZE, (30,))
    exact = Formula(accumulation.expected_support, LAW, size)
    wrong: Misses = {
        "replacement, two fits": support.expected_support(LAW, size, 2),
        "two batches": exact(sample_size=2 * size),
    }
    yield exact.against(BoundedMean(pool["support_size"][:, 0], 1, P.size), "accumulate, E S after 60 fits", wrong)
    alive = Formula(accumulation.survival, P[state])
    seen = Proportion.of(pool["probabilities"][:, 0, state] > 0)
    wrong = {"p0, as under replacement": P[state], "one item fewer": alive(sample_size=size - 1)}
    yield Evidence(seen, alive(sample_size=size), wrong, "accumulate, a state is present")
    seen = Proportion.of(fixed["probabilities"][:, 0, state] > 0)
    wrong = {"the whole first data set": alive(sample_size=SIZE), "one item fewer": alive(sample_size=rows - 1)}
    yield Evidence(seen, alive(sample_size=rows), wrong, f"{rows} fixed rows, a state is present")

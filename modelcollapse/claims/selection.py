"""Tails and tastes: what power laws lose, and what a preference, a filter or a detector does to the data."""

from __future__ import annotations

import functools

import numpy as np
from scipy.special import zeta

from modelcollapse.claims.regression import SECTION, generator
from modelcollapse.verify.evidence import BoundedMean, Evidence, Proportion
from modelcollapse.verify.registry import claim
from modelcollapse_theory import selection, tails

SOURCE = "theory/derivations/selection.md"


@claim(
    "Zipf tails: n fits lose what one sample of M a_n would miss, about n^c M^-c with c = 1 - 1/b: not linear in n",
    source="Karlin (1967); theory/derivations/tails.md",
    section=SECTION,
    chains=8_000,
    tier="quick",
    theorems=["tails.unseen_mass", "tails.distinct_states", "tails.lost_mass"],
)
def zipf_tails(seed: int, chains: int) -> list[Evidence]:
    exponent, size, fits = 2.0, 200, 8
    random = generator(seed, "zipf")
    # the infinite law itself, drawn by rejection; a rank beyond 2^53 weighs nothing
    data = random.zipf(exponent, (chains, size)).astype(np.float64)
    out = []
    for n in (1, fits):
        for _ in range(n - 1):
            data = np.take_along_axis(data, random.integers(size, size=data.shape), axis=1)
        ordered = np.sort(data, axis=1)
        new = np.concatenate([np.ones((chains, 1), bool), np.diff(ordered, axis=1) > 0], axis=1)
        missed = 1 - np.where(new, ordered**-exponent, 0.0).sum(1) / zeta(exponent)
        lost = functools.partial(tails.lost_mass, exponent, size)
        once = float(lost(1))
        wrong = {
            "exponent 1.8": float(tails.lost_mass(1.8, size, n)),
            "half the sample": float(tails.lost_mass(exponent, size // 2, n)),
        }
        if n > 1:
            wrong |= {"linear in n": n * once, "one generation early": float(lost(n - 1))}
        out.append(
            Evidence(
                BoundedMean(missed, 0, 1),
                float(lost(n)),
                wrong,
                f"mass lost, {n} fits",
                slack=float(lost(n)) * n / size,
            )
        )
        if n == 1:
            states = float(tails.distinct_states(exponent, size))
            wrong = {
                "exponent 1.8": float(tails.distinct_states(1.8, size)),
                "Heaps with 1 for Gamma": np.sqrt(size / zeta(2)) - 0.5,
            }
            counted = BoundedMean(new.sum(1), 1, size)
            out.append(Evidence(counted, states, wrong, "distinct states, one fit", slack=size ** (1 / exponent - 1)))
    return out


@claim(
    "a preferred state takes over with probability (1 - e^(-2Msx)) / (1 - e^(-2Ms)): haploid, 2M and not 4N",
    source="Kimura (1962); exact solve of the chain, " + SOURCE,
    section=SECTION,
    chains=40_000,
    tier="quick",
    theorems=["selection.fixation_probability"],
)
def preferred_state(seed: int, chains: int) -> list[Evidence]:
    size, advantage, start = 50, 0.02, 0.2
    random = generator(seed, "preference")
    count = np.full(chains, int(size * start))
    while np.any(alive := (count > 0) & (count < size)):
        share = count[alive] / size
        count[alive] = random.binomial(size, (1 + advantage) * share / (1 + advantage * share))
    law = functools.partial(selection.fixation_probability, start)
    limit = float(law(size, advantage))
    exact = selection.fixation_probability_exact(start, size, advantage)
    wrong = {
        "neutral": start,
        "diploid, 4N": float(law(2 * size, advantage)),
        "half the sample": float(law(size // 2, advantage)),
    }
    seen = Proportion.of(count == size)
    return [
        Evidence(seen, exact, wrong, "the finite chain"),
        Evidence(seen, limit, wrong, "diffusion", slack=advantage * limit),
    ]


@claim(
    "curation: the pick among k draws, by reward, has a law of its own; for k = 2 half of the pairs count twice",
    source="model as summarised for arXiv 2407.09499; " + SOURCE,
    section=SECTION,
    chains=100_000,
    tier="quick",
    theorems=["selection.curated", "selection.tilted"],
)
def curation(seed: int, chains: int) -> list[Evidence]:
    law, reward = np.array([0.5, 0.3, 0.2]), np.array([0.0, 1.0, 2.0])
    random = generator(seed, "curation")
    out = []
    tilted = selection.tilted(law, reward, 1)
    for choices in (2, 4):
        drawn = random.choice(3, size=(chains, choices), p=law)
        # a Gumbel number on each reward: the largest is a choice proportional to e^reward
        picked = np.take_along_axis(
            drawn, np.argmax(reward[drawn] + random.gumbel(size=drawn.shape), axis=1)[:, None], axis=1
        )
        exact = selection.curated(law, reward, choices)
        wrong = {
            "no choice": law[2],
            "k without end, p e^r": tilted[2],
            "one choice more": selection.curated(law, reward, choices + 1)[2],
        }
        out.append(
            Evidence(Proportion.of(picked == 2), float(exact[2]), wrong, f"best of {choices}, the state of most reward")
        )
    return out


@claim(
    "a filter turns precision q into q phi / (q phi + (1 - q) psi), and a detector the real share likewise",
    source="Bayes; setting as summarised for arXiv 2406.07515; " + SOURCE,
    section=SECTION,
    chains=100_000,
    tier="quick",
    theorems=["selection.verified_precision", "selection.detected_share"],
)
def filters(seed: int, chains: int) -> list[Evidence]:
    random = generator(seed, "filters")
    right, keep, leak = 0.4, 0.9, 0.3
    is_right, pass_by = random.random(chains) < right, random.random(chains)
    passed = pass_by < np.where(is_right, keep, leak)
    real, found, mistaken = 0.2, 0.8, 0.1
    is_real, fate = random.random(chains) < real, random.random(chains)
    left = fate >= np.where(is_real, mistaken, found)
    share = functools.partial(selection.detected_share, real)
    return [
        Evidence(
            Proportion.of(is_right[passed]),
            float(selection.verified_precision(right, keep, leak)),
            {
                "unchanged": right,
                "psi ignored": right * keep,
                "rates exchanged": float(selection.verified_precision(right, leak, keep)),
            },
            "precision after a filter",
        ),
        Evidence(
            Proportion.of(is_real[left]),
            float(share(found, mistaken)),
            {
                "unchanged": real,
                "no false positives": float(share(found, 0.0)),
                "rates exchanged": float(share(mistaken, found)),
            },
            "real share after a detector",
        ),
    ]

"""Replacement, seen by moments: frequencies, their products over time, entropy and distances to the truth."""

from __future__ import annotations

import functools

import numpy as np

from modelcollapse.claims.replacement import CHAINS, LAW, SECTION, SIZE, at, chains_of
from modelcollapse.claims.support import spread
from modelcollapse.verify.evidence import BoundedMean, Evidence
from modelcollapse.verify.registry import claim
from modelcollapse_theory import divergence, moments, replacement

P = np.array(LAW)
FITS = 5
MOST = 1 - 1 / P.size


@claim(
    "all moments of the frequencies follow from a chain on as many lineages as the order",
    source="moment duality (Moehle 1999); theory/derivations/lineages.md",
    section=SECTION,
    chains=CHAINS,
    tier="quick",
    theorems=["moments.expected_power", "moments.mixed_moment"],
)
def frequency_moments(seed: int, chains: int) -> list[Evidence]:
    law = at(chains_of(seed, chains), "probabilities", FITS)
    power = functools.partial(moments.expected_power, P[0])
    mixed = functools.partial(moments.mixed_moment, LAW)
    powers = [2, 1, 0, 0, 0, 0]
    return [
        Evidence(
            BoundedMean(law[:, 0] ** 3, 0, 1),
            float(power(SIZE, FITS, 3)),
            {
                "frozen, p^3": P[0] ** 3,
                "one generation early": float(power(SIZE, FITS - 1, 3)),
                "M + 1 for M": float(power(SIZE + 1, FITS, 3)),
            },
            "E p^3",
        ),
        Evidence(
            BoundedMean(law[:, 0] ** 2 * law[:, 1], 0, 4 / 27),
            mixed(SIZE, FITS, powers),
            {
                "independent states": float(power(SIZE, FITS, 2)) * P[1],
                "two generations early": mixed(SIZE, FITS - 2, powers),
                "decay (1 - 1/M)^n of the pair": P[0] ** 2 * P[1] * (1 - 1 / SIZE) ** FITS,
            },
            "E p_1^2 p_2",
        ),
    ]


@claim(
    "chains differ: the variance of H_n needs four lineages",
    source="theory/derivations/replacement.md",
    section=SECTION,
    chains=CHAINS,
    tier="quick",
    theorems=["replacement.heterozygosity_variance"],
)
def heterozygosity_variance(seed: int, chains: int) -> Evidence:
    mean = float(replacement.expected_heterozygosity(LAW, SIZE, FITS))
    seen = spread(at(chains_of(seed, chains), "heterozygosity", FITS), mean, 0, MOST)
    exact = functools.partial(replacement.heterozygosity_variance, LAW, SIZE)
    wrong = {"two generations early": float(exact(FITS - 2)), "H_n (1 - H_n)": mean * (1 - mean)}
    return Evidence(seen, float(exact(FITS)), wrong, f"Var H, {FITS} fits")


@claim(
    "fits m and n have covariance (diag p0 - p0 p0^T)(1 - (1 - 1/M)^min(m, n)), and |p_n - p0|^2 its trace",
    source="martingale; theory/derivations/entropy.md",
    section=SECTION,
    chains=CHAINS,
    tier="quick",
    theorems=["divergence.fits_covariance", "divergence.expected_squared_distance", "workflows.replace"],
)
def covariance_over_time(seed: int, chains: int) -> list[Evidence]:
    run, later = chains_of(seed, chains), 10
    first, second = at(run, "probabilities", FITS) - P, at(run, "probabilities", later) - P
    exact = functools.partial(divergence.fits_covariance, LAW, SIZE)
    far = functools.partial(divergence.expected_squared_distance, LAW, SIZE)
    return [
        Evidence(
            BoundedMean(first[:, 0] * second[:, 0], -P[0], 1),
            float(exact(FITS, later)[0, 0]),
            {
                "the later of the two": float(exact(later)[0, 0]),
                "one generation early": float(exact(FITS - 1, later)[0, 0]),
            },
            f"Cov of one state, fits {FITS} and {later}",
        ),
        Evidence(
            BoundedMean(first[:, 0] * second[:, 1], -1, 1),
            float(exact(FITS, later)[0, 1]),
            {"independent": 0.0, "the later of the two": float(exact(later)[0, 1])},
            f"Cov of two states, fits {FITS} and {later}",
        ),
        Evidence(
            BoundedMean((first**2).sum(1), 0, 2),
            float(far(FITS)),
            {
                "linear, H_0 n / M": replacement.heterozygosity(LAW) * FITS / SIZE,
                "one generation early": float(far(FITS - 1)),
            },
            "E |p_n - p_0|^2",
        ),
    ]


@claim(
    "entropy: E KL(p_n || p_0) = h(p_0) - E h(p_n), from the two-state marginal chain",
    source="theory/derivations/entropy.md",
    section=SECTION,
    chains=CHAINS,
    tier="quick",
    theorems=["divergence.expected_entropy", "divergence.expected_kl", "divergence.entropy_from_support"],
)
def entropy_decay(seed: int, chains: int) -> list[Evidence]:
    run = chains_of(seed, chains)
    start, exact = divergence.entropy(LAW), functools.partial(divergence.expected_entropy, LAW)
    values = BoundedMean(at(run, "entropy", FITS), 0, np.log(P.size))
    wrong = {
        "Miller-Madow, -n (K - 1) / (2M)": start - FITS * (P.size - 1) / (2 * SIZE),
        "one generation early": float(exact(SIZE, FITS - 1)),
        "M + 1 for M": float(exact(SIZE + 1, FITS)),
    }
    kl = functools.partial(divergence.expected_kl, LAW)
    by_support = float(divergence.entropy_from_support(LAW, SIZE, FITS))
    return [
        Evidence(values, float(exact(SIZE, FITS)), wrong, f"E h, {FITS} fits"),
        Evidence(
            values,
            by_support,
            {"Miller-Madow, -n (K - 1) / (2M)": start - FITS * (P.size - 1) / (2 * SIZE)},
            "the same, from the living support",
            slack=np.log(SIZE) / SIZE,
        ),
        Evidence(
            BoundedMean(at(run, "kl_divergence", FITS), 0, -np.log(P.min())),
            float(kl(SIZE, FITS)),
            {"h(p_n), not the loss": float(exact(SIZE, FITS)), "one generation early": float(kl(SIZE, FITS - 1))},
            f"E KL(p_n || p_0), {FITS} fits",
        ),
    ]


@claim(
    "total variation: De Moivre's mean absolute deviation at the first fit, H_0 in the end",
    source="De Moivre (1730); theory/derivations/entropy.md",
    section=SECTION,
    chains=CHAINS,
    tier="quick",
    theorems=["divergence.expected_total_variation", "divergence.mean_absolute_deviation"],
)
def total_variation(seed: int, chains: int) -> list[Evidence]:
    run = chains_of(seed, chains)
    first = float(divergence.mean_absolute_deviation(P, SIZE).sum() / 2)
    exact = functools.partial(divergence.expected_total_variation, LAW, SIZE)
    early = functools.partial(divergence.total_variation_early, LAW, SIZE)
    end = int(run.recorded[-1]) + 1
    return [
        Evidence(
            BoundedMean(at(run, "total_variation", 1), 0, 1),
            first,
            {
                "M + 1 for M": float(divergence.mean_absolute_deviation(P, SIZE + 1).sum() / 2),
                "without the half": 2 * first,
            },
            "one fit",
        ),
        Evidence(
            BoundedMean(at(run, "total_variation", FITS), 0, 1),
            float(exact(FITS)),
            {"normal approximation": float(early(FITS)), "one generation early": float(exact(FITS - 1))},
            f"{FITS} fits",
        ),
        Evidence(
            BoundedMean(at(run, "total_variation", end), 0, 1),
            float(exact(end)),
            {"1, nothing in common": 1.0, "half of H_0": replacement.heterozygosity(LAW) / 2},
            "in the end",
        ),
    ]

"""Kernel densities: every fit adds the kernel's variance, and only real rows or a growing pool hold that up."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np

from modelcollapse import regimes
from modelcollapse.families import KernelDensity
from modelcollapse.run import simulate
from modelcollapse.sources import normal
from modelcollapse.verify.evidence import Evidence, NominalMean
from modelcollapse.verify.registry import claim, stream
from modelcollapse_theory import kde

SECTION = "D. families"
SOURCE = "theory/derivations/kde.md"
SIZE, FITS, WIDTH = 30, 3, 0.5  # means of unbounded variables, so n <= M / 10


def run(
    seed: int, chains: int, family: KernelDensity, regime: Any, dimension: int = 1
) -> tuple[np.ndarray, np.ndarray]:
    """Variance of the first coordinate and its squared error of the mean after the last fit, ``(chains,)`` each."""
    seen = simulate(
        family,
        normal(np.zeros(dimension)),
        regime,
        ["variance", "mean"],
        size=SIZE,
        generations=FITS - 1,
        chains=chains,
        seed=stream(seed, f"{family.rule} {dimension} {type(regime).__name__}"),
        record=[FITS - 1],
    )
    return seen["variance"][:, 0, 0], seen["mean"][:, 0, 0] ** 2


def last(pair: tuple[np.ndarray, np.ndarray], back: int = 1) -> tuple[float, float]:
    return float(pair[0][-back]), float(pair[1][-back])


@claim(
    "a kernel density diffuses: at a fixed bandwidth h, variance and squared error of the mean together grow by h^2 a fit",
    source=SOURCE,
    section=SECTION,
    chains=20_000,
    tier="quick",
    theorems=["kde.fixed_bandwidth"],
)
def kernel_density(seed: int, chains: int) -> list[Evidence]:
    variance, error = run(seed, chains, KernelDensity(WIDTH), regimes.Replace())
    exact = functools.partial(kde.fixed_bandwidth, WIDTH, SIZE)
    (v, b), early = exact(FITS), exact(FITS - 1)
    return [
        Evidence(
            NominalMean(variance),
            float(v),
            {
                "one generation early": float(early[0]),
                "no kernel: rows resampled": (1 - 1 / SIZE) ** FITS,
                "the points, without the last kernel": float(v) - WIDTH**2,
                "nothing lost: 1 + n h^2": 1 + FITS * WIDTH**2,
            },
            "E variance",
        ),
        Evidence(
            NominalMean(error),
            float(b),
            {"one generation early": float(early[1]), "n / M, as a normal": FITS / SIZE},
            "E (mean - truth)^2",
        ),
        Evidence(
            NominalMean(variance + error),
            1 + FITS * WIDTH**2,
            {"the variance alone": float(v), "one generation early": 1 + (FITS - 1) * WIDTH**2},
            "their sum",
        ),
    ]


@claim(
    "with Scott's rule or Silverman's the variance grows by (1-1/M)(1 + c^2 M^(-2/(d+4)) M/(M-1)) a fit: it explodes",
    source=SOURCE,
    section=SECTION,
    chains=20_000,
    theorems=["kde.rule_bandwidth"],
)
def kernel_density_rules(seed: int, chains: int) -> list[Evidence]:
    out = []
    for rule, d in (("scott", 1), ("silverman", 1), ("scott", 2)):
        constants = [1.0, float(kde.silverman_constant(d))]
        constant, other = constants[:: -1 if rule == "silverman" else 1]
        exact = functools.partial(kde.rule_bandwidth, SIZE, constant=constant, dimension=d)
        variance, error = run(seed, chains, KernelDensity(rule=rule), regimes.Replace(), d)
        wrong = {
            "one generation early": float(exact(FITS - 1)[0]),
            "a normal, (1 - 1/M)^n": (1 - 1 / SIZE) ** FITS,
            "the rule in three dimensions": float(exact(FITS, dimension=3)[0]),
            "h = s, no power of M": float(exact(FITS, constant=SIZE ** (1 / (d + 4)))[0]),
        }
        if d == 1:  # in two dimensions the rules are one
            wrong["the other rule"] = float(kde.rule_bandwidth(SIZE, FITS, constant=other)[0])
        what = f"{rule}, d = {d}"
        out.append(Evidence(NominalMean(variance), float(exact(FITS)[0]), wrong, f"{what}, E variance"))
        misses = {"n / M, as a normal": FITS / SIZE, "one generation early": float(exact(FITS - 1)[1])}
        out.append(Evidence(NominalMean(error), float(exact(FITS)[1]), misses, f"{what}, E (mean - truth)^2"))
    return out


@claim(
    "accumulation slows a kernel density to a logarithm at fixed h, and stops it by a rule; real rows settle it",
    source=SOURCE,
    section=SECTION,
    chains=30_000,
    theorems=["kde.accumulated", "kde.accumulated_rule", "kde.fresh_real"],
)
def kernel_density_with_data(seed: int, chains: int) -> list[Evidence]:
    fixed, ruled = KernelDensity(WIDTH), KernelDensity(rule="scott")
    share, real = 0.5, SIZE // 2
    pooled, pool = run(seed, chains, fixed, regimes.Accumulate()), kde.accumulated(WIDTH, SIZE, FITS)
    scott, rule = run(seed, chains, ruled, regimes.Accumulate()), kde.accumulated_rule(SIZE, FITS)
    fresh, mixed = run(seed, chains, fixed, regimes.FreshReal(share)), kde.fresh_real(WIDTH, SIZE, FITS, real)
    replaced, exploded = kde.fixed_bandwidth(WIDTH, SIZE, FITS), kde.rule_bandwidth(SIZE, FITS)
    fewer = last(kde.fresh_real(WIDTH, SIZE, FITS, real - 5))
    return [
        Evidence(
            NominalMean(pooled[0]),
            last(pool)[0],
            {
                "one generation early": last(pool, 2)[0],
                "replacement": float(replaced[0]),
                "without the last kernel": last(pool)[0] - WIDTH**2,
            },
            "all batches kept, E variance",
        ),
        Evidence(
            NominalMean(pooled[1]),
            last(pool)[1],
            {"one generation early": last(pool, 2)[1], "replacement": float(replaced[1])},
            "all batches kept, E (mean - truth)^2",
        ),
        Evidence(
            NominalMean(scott[0]),
            last(rule)[0],
            {
                "replacement": float(exploded[0]),
                "one generation early": last(rule, 2)[0],
            },
            "Scott's rule, all batches kept, E variance",
        ),
        Evidence(
            NominalMean(fresh[0]),
            last(mixed)[0],
            {"replacement": float(replaced[0]), "five real rows fewer": fewer[0], "nothing inherited": 1 + WIDTH**2},
            f"{real} of {SIZE} rows real, E variance",
        ),
        Evidence(
            NominalMean(fresh[1]),
            last(mixed)[1],
            {"replacement": float(replaced[1]), "real rows only": 1 / SIZE},
            f"{real} of {SIZE} rows real, E (mean - truth)^2",
        ),
    ]

"""Kernel densities: every fit adds the kernel's variance, and only real rows or a growing pool hold that up."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from modelcollapse import regimes
from modelcollapse.families import KernelDensity
from modelcollapse.protocols import Regime
from modelcollapse.sources import normal
from modelcollapse.verify import Evidence, Formula, Lab, NominalMean, Section
from modelcollapse_theory import kde

D = Section("D. families", source="theory/derivations/kde.md", chains=20_000)
SIZE, FITS, WIDTH = 30, 3, 0.5  # means of unbounded variables, so n <= M / 10
BOTH = ("E variance", "E (mean - truth)^2")


def seen(lab: Lab, family: KernelDensity, regime: Regime, dimension: int = 1) -> tuple[np.ndarray, np.ndarray]:
    """Variance of the first coordinate after the last fit, and the squared error of its mean."""
    name, source = f"{family.rule} {dimension} {type(regime).__name__}", normal(np.zeros(dimension))
    run = lab.run(name, family, source, regime, ["variance", "mean"], size=SIZE, fits=FITS)
    return run["variance"][:, 0, 0], run["mean"][:, 0, 0] ** 2


def exact(theorem: Callable[..., Any], *arguments: float, **options: float) -> list[Formula]:
    """The same two by a theorem; of a path of fits, the last."""
    return [Formula(theorem, *arguments, at=(i,), read=lambda path: np.ravel(path)[-1], **options) for i in (0, 1)]


@D.claim(kde.fixed_bandwidth, tier="quick")
def kernel_density(lab: Lab) -> Iterator[Evidence]:
    """a kernel density diffuses: at a fixed bandwidth h, variance and squared error of the mean together grow by h^2
    a fit"""
    variance, error = seen(lab, KernelDensity(WIDTH), regimes.Replace())
    v, b = exact(kde.fixed_bandwidth, WIDTH, SIZE, FITS)
    wrong = {
        "no kernel: rows resampled": (1 - 1 / SIZE) ** FITS,
        "the points, without the last kernel": v() - WIDTH**2,
        "nothing lost: 1 + n h^2": 1 + FITS * WIDTH**2,
    }
    yield v.against(NominalMean(variance), BOTH[0], wrong, early=1)
    yield b.against(NominalMean(error), BOTH[1], {"n / M, as a normal": FITS / SIZE}, early=1)
    wrong = {"the variance alone": v(), "one generation early": 1 + (FITS - 1) * WIDTH**2}
    yield Evidence(NominalMean(variance + error), 1 + FITS * WIDTH**2, wrong, "their sum")


@D.claim(kde.rule_bandwidth)
def kernel_density_rules(lab: Lab) -> Iterator[Evidence]:
    """with Scott's rule or Silverman's the variance grows by (1-1/M)(1 + c^2 M^(-2/(d+4)) M/(M-1)) a fit: it
    explodes"""
    for rule, d in (("scott", 1), ("silverman", 1), ("scott", 2)):
        constants = [1.0, float(kde.silverman_constant(d))]
        constant, other = constants[:: -1 if rule == "silverman" else 1]
        v, b = exact(kde.rule_bandwidth, SIZE, FITS, constant=constant, dimension=d)
        variance, error = seen(lab, KernelDensity(rule=rule), regimes.Replace(), d)
        wrong = {
            "a normal, (1 - 1/M)^n": (1 - 1 / SIZE) ** FITS,
            "the rule in three dimensions": v(dimension=3),
            "h = s, no power of M": v(constant=SIZE ** (1 / (d + 4))),
        }
        if d == 1:  # in two dimensions the rules are one
            wrong["the other rule"] = v(constant=other)
        yield v.against(NominalMean(variance), f"{rule}, d = {d}, {BOTH[0]}", wrong, early=1)
        yield b.against(NominalMean(error), f"{rule}, d = {d}, {BOTH[1]}", {"n / M, as a normal": FITS / SIZE}, early=1)


@D.claim(kde.accumulated, kde.accumulated_rule, kde.fresh_real, chains=30_000)
def kernel_density_with_data(lab: Lab) -> Iterator[Evidence]:
    """accumulation slows a kernel density to a logarithm at fixed h, and stops it by a rule; real rows settle it"""
    fixed, real = KernelDensity(WIDTH), SIZE // 2
    replaced = [f() for f in exact(kde.fixed_bandwidth, WIDTH, SIZE, FITS)]
    variance, error = seen(lab, fixed, regimes.Accumulate())
    v, b = exact(kde.accumulated, WIDTH, SIZE, FITS)
    wrong = {"replacement": replaced[0], "without the last kernel": v() - WIDTH**2}
    yield v.against(NominalMean(variance), f"all batches kept, {BOTH[0]}", wrong, early=1)
    yield b.against(NominalMean(error), f"all batches kept, {BOTH[1]}", {"replacement": replaced[1]}, early=1)
    variance, _ = seen(lab, KernelDensity(rule="scott"), regimes.Accumulate())
    v, _ = exact(kde.accumulated_rule, SIZE, FITS)
    wrong = {"replacement": exact(kde.rule_bandwidth, SIZE, FITS)[0]()}
    yield v.against(NominalMean(variance), f"Scott's rule, all batches kept, {BOTH[0]}", wrong, early=1)
    variance, error = seen(lab, fixed, regimes.FreshReal(0.5))
    v, b = exact(kde.fresh_real, WIDTH, SIZE, FITS, real)
    wrong = {"replacement": replaced[0], "five real rows fewer": v(real=real - 5), "nothing inherited": 1 + WIDTH**2}
    yield v.against(NominalMean(variance), f"{real} of {SIZE} rows real, {BOTH[0]}", wrong)
    wrong = {"replacement": replaced[1], "real rows only": 1 / SIZE}
    yield b.against(NominalMean(error), f"{real} of {SIZE} rows real, {BOTH[1]}", wrong)

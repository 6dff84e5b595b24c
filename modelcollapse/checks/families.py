"""Kernel densities diffuse: their variance grows by the squared bandwidth a fit."""

from __future__ import annotations

from typing import Any

import numpy as np

from modelcollapse.checks.claims import claim, stream
from modelcollapse.checks.evidence import Evidence, NominalMean
from modelcollapse_theory import kde

SECTION = "D. families"


@claim(
    "a kernel density diffuses: at a fixed bandwidth h, variance and squared error of the mean together grow by h^2 a fit",
    source="theory/derivations/kde.md",
    section=SECTION,
    chains=20_000,
    tier="quick",
    theorems=["kde.fixed_bandwidth", "kde.rule_bandwidth", "kde.accumulated"],
)
def kernel_density(seed: int, chains: int) -> list[Evidence]:
    size, fits, width = 30, 3, 0.5
    random = np.random.default_rng(stream(seed, "kernel density"))

    def run(bandwidth: Any, *, keep: bool = False) -> tuple[np.ndarray, np.ndarray]:
        points = random.standard_normal((chains, size))
        for n in range(1, fits + 1):
            h = bandwidth(points)
            if n < fits:
                picked = np.take_along_axis(points, random.integers(points.shape[1], size=(chains, size)), axis=1)
                new = picked + h * random.standard_normal((chains, size))
                points = np.concatenate([points, new], axis=1) if keep else new
        return points.var(1) + np.ravel(h) ** 2, points.mean(1) ** 2

    out = []
    fixed = run(lambda points: np.float64(width))
    ruled = run(lambda points: points.std(1, ddof=1, keepdims=True) * size**-0.2)
    pooled = run(lambda points: np.float64(width), keep=True)
    for what, seen, exact, wrong in (
        ("fixed bandwidth", fixed, kde.fixed_bandwidth(width, size, fits), kde.fixed_bandwidth(width, size, fits - 1)),
        ("Scott's rule", ruled, kde.rule_bandwidth(size, fits), kde.rule_bandwidth(size, fits - 1)),
        ("all batches kept", pooled, *(tuple(x[-i] for x in kde.accumulated(width, size, fits)) for i in (1, 2))),
    ):
        misses = {"one generation early": float(wrong[0]), "no kernel": float(1 - 1 / size) ** fits}
        out.append(Evidence(NominalMean(seen[0]), float(exact[0]), misses, f"{what}, E variance"))
    misses = {"n / M": fits / size, "no kernel": 1 - (1 - 1 / size) ** fits}
    exact_error = float(kde.fixed_bandwidth(width, size, fits)[1])
    out.append(Evidence(NominalMean(fixed[1]), exact_error, misses, "fixed bandwidth, E (mean - truth)^2"))
    return out

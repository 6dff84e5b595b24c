"""Selection by enumeration: every draw that a rule chooses among, every count that a data set may have.

Normals go by the recursion of their two moments, written here in means and squares; moments of a cut normal come from
quadrature.
"""

from __future__ import annotations

import dataclasses
import itertools
import math
from collections.abc import Callable
from typing import Any

import numpy as np
from exact_process import at, rows
from scipy import integrate, stats

import modelcollapse as mc
from modelcollapse import families

Law = tuple[float, ...]
Rule = Callable[[Law], np.ndarray]


def normalised(weights: Any) -> np.ndarray:
    return np.asarray(weights) / np.sum(weights)


def picked(reward: Law, choices: int, best: bool = False) -> Rule:
    """The law of the pick, over all draws."""

    def rule(p: Law) -> np.ndarray:
        out = np.zeros(len(p))
        for draw in itertools.product(range(len(p)), repeat=choices):
            weight = np.array([math.exp(reward[i]) for i in draw])
            if best:
                weight = (weight == weight.max()).astype(float)
            np.add.at(out, list(draw), normalised(weight) * np.prod([p[i] for i in draw]))
        return out

    return rule


def likeliest(count: Callable[[list[float]], int]) -> Rule:
    """So many of the likeliest states, the earlier of equal ones; ``count`` of the sorted law."""

    def rule(p: Law) -> np.ndarray:
        order = sorted(range(len(p)), key=lambda i: (-p[i], i))
        keep = order[: count([p[i] for i in order])]
        return normalised([p[i] if i in keep else 0.0 for i in range(len(p))])

    return rule


def nucleus(mass: float) -> Callable[[list[float]], int]:
    return lambda p: next(n for n in range(1, len(p) + 1) if sum(p[:n]) >= mass)


RULES: dict[str, tuple[Callable[[Any], Any], Rule]] = {
    "tempered": (lambda f: families.Tempered(f, 0.8), lambda p: normalised(np.array(p) ** 1.25)),
    "two tempers": (
        lambda f: families.Tempered(families.Tempered(f, 0.5), 1.25), lambda p: normalised(np.array(p) ** 1.6),
    ),
    "top-p": (lambda f: families.Truncated(f, top_p=0.7), likeliest(nucleus(0.7))),
    "top-k": (lambda f: families.Truncated(f, top_k=1), likeliest(lambda p: 1)),
    "curated": (lambda f: families.Curated(f, [1.0, 0.25], 3), picked((1.0, 0.25), 3)),
    "best": (lambda f: families.Curated(f, [1.0, 0.25], 3, pick="best"), picked((1.0, 0.25), 3, best=True)),
    "tilted": (
        lambda f: families.Curated(f, [1.0, 0.25], math.inf), lambda p: normalised(np.array(p) * np.exp([1.0, 0.25])),
    ),
    "two judges": (
        lambda f: families.Curated(f, [[1.0, 0.0], [0.0, 0.5]], 2, shares=[0.25, 0.75]),
        lambda p: 0.25 * picked((1.0, 0.0), 2)(p) + 0.75 * picked((0.0, 0.5), 2)(p),
    ),
    "verified": (lambda f: families.Verified(f, accept=[0.25, 1.0]), lambda p: normalised(np.array(p) * [0.25, 1.0])),
    "by truth": (
        lambda f: families.Verified(f, correct=[True, False], right=0.75, wrong=0.5),
        lambda p: normalised(np.array(p) * [0.75, 0.5]),
    ),
}  # fmt: skip


def real_part(regime: Any, generation: int, size: int) -> tuple[int, float]:
    """Real items of a data set, and the chance that another one is real."""
    if isinstance(regime, mc.FreshReal):
        return rows(at(regime.share, generation), size), 0.0
    return 0, float(at(regime.gamma, generation)) if isinstance(regime, mc.Mixture) else 0.0


def readings(p0: np.ndarray) -> dict[str, Callable[[np.ndarray], Any]]:
    return {
        "probabilities": lambda p: p,
        "heterozygosity": lambda p: (p * (1 - p)).sum(),
        "chi_square": lambda p: ((p - p0) ** 2 / p0).sum(),
        "support_size": lambda p: (p > 0).sum(),
        "absorbed": lambda p: (p > 0).sum() == 1,
        "lost": lambda p: p == 0,
        "entropy": lambda p: -sum(x * math.log(x) for x in p if x > 0),
        "kl_divergence": lambda p: sum(x * math.log(x / q) for x, q in zip(p, p0, strict=True) if x > 0),
        "total_variation": lambda p: np.abs(p - p0).sum() / 2,
    }


@dataclasses.dataclass(frozen=True)
class TwoStates:
    """Two states under a rule of selection, by the law of the first one's count."""

    rule: str
    law: Law = (0.375, 0.625)

    def make(self) -> tuple[Any, Any]:
        return RULES[self.rule][0](mc.Discrete()), mc.categorical(self.law)

    def values(self, regime: Any, sizes: list[int]) -> dict[str, np.ndarray]:
        p0, rule, before = np.array(self.law), RULES[self.rule][1], 0
        found: list[np.ndarray] = []
        for generation, size in enumerate(sizes):
            count = np.arange(size + 1)
            if not found:
                law = stats.binom.pmf(count, size, p0[0])
            else:
                real, chance = real_part(regime, generation, size)
                new = np.zeros(size + 1)
                for j, weight in enumerate(found[-1]):
                    q = (1 - chance) * rule((j / before, 1 - j / before))[0] + chance * p0[0]
                    drawn = stats.binom.pmf(np.arange(size - real + 1), size - real, q)
                    new += weight * np.convolve(drawn, stats.binom.pmf(np.arange(real + 1), real, p0[0]))
                law = new
            found.append(law)
            before = size
        return {
            name: np.array([
                sum(w * np.asarray(read(np.array([j, m - j]) / m), float) for j, w in enumerate(law))
                for m, law in zip(sizes, found, strict=True)
            ])
            for name, read in readings(p0).items()
        }  # fmt: skip


ENDLESS: dict[str, tuple[Callable[[Any], Any], Rule]] = {
    "tempered around": (
        lambda f: families.Tempered(families.Exact(f), 0.8), lambda p: normalised(np.array(p) ** 1.25),
    ),
    "tempered within": (
        lambda f: families.Exact(families.Tempered(f, 0.8)), lambda p: normalised(np.array(p) ** 1.25),
    ),
    "curated": (
        lambda f: families.Curated(families.Exact(f), [0.0, 1.0, 0.5], 2), picked((0.0, 1.0, 0.5), 2),
    ),
}  # fmt: skip


@dataclasses.dataclass(frozen=True)
class EndlessStates:
    """Three states under a rule of selection, fitted to laws."""

    rule: str
    law: Law = (0.5, 0.375, 0.125)

    def make(self) -> tuple[Any, Any]:
        return ENDLESS[self.rule][0](mc.Discrete()), mc.categorical(self.law)

    def values(self, regime: Any, sizes: list[int]) -> dict[str, np.ndarray]:
        p0, p, found = np.array(self.law), np.array(self.law), []
        for generation, size in enumerate(sizes):
            if generation:
                real, chance = real_part(regime, generation, size)
                g = chance + real / size
                p = (1 - g) * ENDLESS[self.rule][1](tuple(p)) + g * p0
            found.append(p)
        return {name: np.array([read(p) for p in found], float) for name, read in readings(p0).items()}


def second_moment(cut: float) -> float:
    mass, square = (integrate.quad(lambda x, k=k: x**k * stats.norm.pdf(x), -cut, cut)[0] for k in (0, 2))
    return square / mass


NORMAL: dict[str, tuple[Callable[[Any], Any], float]] = {
    "tempered": (lambda f: families.Tempered(f, 0.8), 0.8),
    "cut": (lambda f: families.Truncated(f, within=1.5), second_moment(1.5)),
    "whole": (lambda f: families.Truncated(f, within=math.inf), 1.0),
    "tempered and cut": (
        lambda f: families.Truncated(families.Tempered(f, 0.8), within=1.5), 0.8 * second_moment(1.5),
    ),
}  # fmt: skip


@dataclasses.dataclass(frozen=True)
class SelectedNormals:
    """A normal whose draws have another variance: means and squares of items, one group at a time."""

    rule: str
    ddof: int
    endless: bool = False

    def make(self) -> tuple[Any, Any]:
        inner = families.Gaussian(ddof=self.ddof)
        return NORMAL[self.rule][0](families.Exact(inner) if self.endless else inner), mc.normal(2.0, 4.0)

    def values(self, regime: Any, sizes: list[int]) -> dict[str, np.ndarray]:
        factor, errors, variances, drift = NORMAL[self.rule][1], [], [], []
        error, variance = 0.0, 1.0
        for generation, size in enumerate(sizes):
            real, chance = real_part(regime, generation, size) if generation else (size, 0.0)
            if self.endless:
                g = chance + real / size
                variance = g + (1 - g) * factor * variance
            else:
                # sums over items x_i: E sum x_i^2, and E (mean)^2, where models' draws share their mean
                own = size - real
                squares = real + own * (factor * variance + error)
                mean = (real + own * factor * variance + own**2 * error) / size**2
                error, variance = mean, (squares - size * mean) / (size - self.ddof)
            errors.append(error)
            variances.append(variance)
            log = integrate.quad(lambda x, m=size: math.log(x / (m - self.ddof)) * stats.chi2.pdf(x, m - 1), 0, 400)[0]
            drift.append(log + (math.log(factor) if generation else 0.0))
        deviations = [
            stats.chi(m - 1).mean() / math.sqrt(m - self.ddof) * (factor**0.5 if i else 1) for i, m in enumerate(sizes)
        ]
        return {
            "mean": np.full((len(sizes), 1), 2.0),
            "squared_mean_error": 4 * np.array(errors),
            "variance": 4 * np.array(variances)[:, None],
            "total_variance": 4 * np.array(variances),
            "log_variance": (math.log(4.0) + np.cumsum(drift))[:, None],
            "standard_deviation": 2 * np.cumprod(deviations)[:, None],
        }


SELECTED: dict[str, Any] = {
    **{f"two states, {rule}": TwoStates(rule) for rule in RULES},
    **{f"endless states, {rule}": EndlessStates(rule) for rule in ENDLESS},
    **{f"{rule} normal, ddof {ddof}": SelectedNormals(rule, ddof) for rule in NORMAL for ddof in (0, 1)},
    "tempered normal, endless": SelectedNormals("tempered", 1, endless=True),
    "cut normal, endless": SelectedNormals("cut", 1, endless=True),
}
SELECTED_UNDER = {"replace", "replace, sizes", "fresh", "fresh, shares", "mixture, no old data", "mixture"}

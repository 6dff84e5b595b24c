"""Several models by enumeration: of laws on two states every data set of all models, of normal laws items by items."""

from __future__ import annotations

import dataclasses
import itertools
import math
from collections import defaultdict
from fractions import Fraction
from typing import Any

import numpy as np

import modelcollapse as mc
from modelcollapse.families import Population

ONE = Fraction(1)


def rows(regime: Any, generation: int) -> list[list[Fraction]]:
    """What each model learns from, the last entry real; at generation 0 all is real."""
    models = np.shape(regime.weights)[-1]
    if generation == 0:
        return [[Fraction(0)] * models + [ONE]] * models
    weights = regime.weights[generation] if np.ndim(regime.weights) == 3 else regime.weights
    real = np.broadcast_to(regime.real[generation] if np.ndim(regime.real) == 2 else regime.real, (models,))
    return [[Fraction(str(x)) for x in (*map(float, row), float(g))] for row, g in zip(weights, real, strict=True)]


def sizes_of(regime: Any, size: int, generation: int) -> list[int]:
    if regime.sizes is None:
        return [size] * np.shape(regime.weights)[-1]
    return [int(m) for m in (regime.sizes[generation] if np.ndim(regime.sizes) == 2 else regime.sizes)]


def refits(regime: Any, generation: int) -> list[bool]:
    models = np.shape(regime.weights)[-1]
    enters = [0] * models if regime.enters is None else list(regime.enters)
    frozen = [math.inf] * models if regime.frozen is None else list(regime.frozen)
    return [e <= generation < f for e, f in zip(enters, frozen, strict=True)]


def binomial(n: int, p: Fraction) -> dict[int, Fraction]:
    return {k: math.comb(n, k) * p**k * (1 - p) ** (n - k) for k in range(n + 1)}


def summed(one: dict[int, Fraction], other: dict[int, Fraction]) -> dict[int, Fraction]:
    out: dict[int, Fraction] = defaultdict(Fraction)
    for (a, p), (b, q) in itertools.product(one.items(), other.items()):
        out[a + b] += p * q
    return out


@dataclasses.dataclass(frozen=True)
class ModelsOfStates:
    """Models of two states; ``first`` is the true probability of the first state for each, or for all."""

    first: tuple[Fraction, ...]

    def make(self) -> tuple[Any, Any]:
        laws = [mc.categorical([float(p), float(1 - p)]) for p in self.first]
        source = laws[0] if len(laws) == 1 else mc.sources.separate(*laws)
        return Population(mc.Discrete(), models=2), source

    def values(self, regime: Any, sizes: list[int]) -> dict[str, np.ndarray]:
        truths = list(self.first) * (2 // len(self.first))
        worlds: dict[Any, Fraction] = {(None, None): ONE}  # the fits of both models, by the first state
        read = []
        for generation, size in enumerate(sizes):
            moved: dict[Any, Fraction] = defaultdict(Fraction)
            for fits, p in worlds.items():
                each = [self._next(regime, i, fits, truths[i], size, generation) for i in range(2)]
                common = 0 if regime.shared is None else int(regime.shared)
                for world, q in self._pairs(each, regime, fits, truths, size, generation, common):
                    moved[world] += p * q
            worlds = moved
            read.append(self._read(worlds, truths))
        return {name: np.array([now[name] for now in read], float) for name in read[0] if name in read[-1]}

    def _pairs(self, each: Any, regime: Any, fits: Any, truths: Any, size: int, generation: int, common: int) -> Any:
        if not common:
            for (a, p), (b, q) in itertools.product(each[0].items(), each[1].items()):
                yield (a, b), p * q
            return
        chance, rest = self._chance(rows(regime, generation)[0], fits, truths[0]), size - common
        alone = binomial(rest, chance)
        for (c, p), (a, q), (b, r) in itertools.product(binomial(common, chance).items(), alone.items(), alone.items()):
            yield (Fraction(c + a, size), Fraction(c + b, size)), p * q * r

    def _chance(self, row: list[Fraction], fits: Any, truth: Fraction) -> Fraction:
        return sum((w * f for w, f in zip(row, fits, strict=False) if w), Fraction(0)) + row[-1] * truth

    def _next(self, regime: Any, i: int, fits: Any, truth: Fraction, size: int, generation: int) -> Any:
        if not refits(regime, generation)[i]:
            return {fits[i]: ONE}
        row, n = rows(regime, generation)[i], sizes_of(regime, size, generation)[i]
        if regime.fixed:
            counts: dict[int, Fraction] = {0: ONE}
            for w, p in zip(row, (*fits, truth), strict=True):
                counts = summed(counts, binomial(int(w * n), p)) if w else counts
        else:
            counts = binomial(n, self._chance(row, fits, truth))
        return {Fraction(k, n): p for k, p in counts.items() if p}

    def _read(self, worlds: Any, truths: list[Fraction]) -> dict[str, Any]:
        def mean(function: Any) -> float:
            try:
                return float(sum(p * function(*world) for world, p in worlds.items()))
            except TypeError:  # a model that is not there
                return math.nan

        def apart(x: Fraction, y: Fraction) -> Fraction:
            return 1 - x * y - (1 - x) * (1 - y)

        pairs = [[mean(lambda *w, i=i, j=j: apart(w[i], w[j])) for j in range(2)] for i in range(2)]

        def union(*world: Any) -> Fraction:
            there = [x for x in world if x is not None]
            return apart(x := sum(there) / len(there), x)

        out = {
            "probabilities": [[mean(lambda *w, i=i: w[i]), mean(lambda *w, i=i: 1 - w[i])] for i in range(2)],
            "mismatch": [mean(lambda *w, i=i: apart(w[i], truths[i])) for i in range(2)],
            "heterozygosity": [pairs[0][0], pairs[1][1]],
            "between mismatch": pairs,
            "union heterozygosity": mean(union),
        }
        if truths[0] == truths[1]:
            q = truths[0]
            out["chi_square"] = [mean(lambda *w, i=i: (w[i] - q) ** 2 / (q * (1 - q))) for i in range(2)]
        return out


@dataclasses.dataclass(frozen=True)
class NormalModels:
    """Two normal models with the mean and variance of each one's truth; moments of items, independent given the fits."""

    ddof: int
    means: tuple[float, ...] = (2.0,)
    variances: tuple[float, ...] = (4.0,)

    def make(self) -> tuple[Any, Any]:
        laws = [mc.normal(m, v) for m, v in zip(self.means, self.variances, strict=True)]
        source = laws[0] if len(laws) == 1 else mc.sources.separate(*laws)
        return Population(mc.Gaussian(ddof=self.ddof), models=2), source

    def values(self, regime: Any, sizes: list[int]) -> dict[str, np.ndarray]:
        truth, spread = (np.array([*x] * (2 // len(x))) for x in (self.means, self.variances))
        mean, square, product = np.zeros(3), np.zeros(3), np.zeros((3, 3))  # of mu_i, x_i^2 and mu_i mu_j; real last
        found: dict[str, list[Any]] = defaultdict(list)
        for generation, size in enumerate(sizes):
            row = np.array([[float(w) for w in line] for line in rows(regime, generation)])
            n = np.array(sizes_of(regime, size, generation))
            new_mean, new_square, new_product, variance = np.zeros(3), np.zeros(3), np.zeros((3, 3)), np.zeros(2)
            known = [
                (np.append(mean[:2], t), np.append(square[:2], v + t**2)) for t, v in zip(truth, spread, strict=True)
            ]
            for i, j in itertools.product(range(2), range(2)):
                both = product.copy()
                both[:2, 2], both[2, :2], both[2, 2] = mean[:2] * truth[j], mean[:2] * truth[i], truth[i] * truth[j]
                two = row[i] @ both @ row[j]  # two different items
                if regime.fixed and i == j:  # without replacement from the sources
                    c = row[i] * n[i]
                    two = (c @ both @ c - c @ np.diag(both)) / (n[i] * (n[i] - 1))
                one = row[i] @ known[i][1]
                new_product[i, j] = two if i != j else two + (one - two) / n[i]
                if i == j:
                    new_mean[i] = row[i] @ known[i][0]
                    variance[i] = (one - two) * (n[i] - 1) / (n[i] - self.ddof)
                    new_square[i] = variance[i] + new_product[i, i]
            mean, square, product = new_mean, new_square, new_product
            own = np.diagonal(product)[:2]
            found["mean"].append(mean[:2, None])
            found["variance"].append(variance[:, None])
            found["total_variance"].append(variance)
            found["squared_mean_error"].append(own - 2 * mean[:2] * truth + truth**2)
            found["between squared_mean_error"].append(own[:, None] + own[None] - 2 * product[:2, :2])
            found["union variance"].append([(variance + own).mean() - product[:2, :2].sum() / 4])
        return {name: np.array(values, float) for name, values in found.items()}

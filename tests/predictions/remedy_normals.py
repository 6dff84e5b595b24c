"""Exact means of normal, Poisson and gamma laws under remedies: nodes that integrate exactly, and quadrature."""

from __future__ import annotations

import dataclasses
import functools
import itertools
import math
from typing import Any

import numpy as np
from exact_values import Values, of_chi_square, of_log_gamma
from remedy_values import Remedy
from scipy.special import roots_genlaguerre, roots_hermitenorm
from scipy.stats import nbinom, poisson

import modelcollapse as mc
from modelcollapse import families


def nodes(freedom: int) -> list[tuple[float, float, float]]:
    """A chi-square over its degrees of freedom, a normal, and a weight: exact for polynomials up to degree 3 and 5."""
    x, w = roots_genlaguerre(2, freedom / 2 - 1)
    z, u = roots_hermitenorm(3)
    chi, normal = zip(2 * x / freedom, w / w.sum(), strict=True), zip(z, u / u.sum(), strict=True)
    return [(a, b, p * q) for (a, p), (b, q) in itertools.product(chi, normal)]


def of_coordinates(coordinates: list[list[tuple[float, float, float]]]) -> Values:
    """Observables from E m, E (m - m_0)^2 and E variance after each fit, coordinate by coordinate."""
    mean, error, variance = np.moveaxis(np.array(coordinates), 2, 0).swapaxes(1, 2)
    return {
        "mean": mean, "squared_mean_error": error.sum(1), "variance": variance, "total_variance": variance.sum(1),
    }  # fmt: skip


@dataclasses.dataclass(frozen=True)
class Normals(Remedy):
    """A normal law in d dimensions and another one that fits are drawn to; each coordinate is followed by its nodes."""

    mean: tuple[float, ...]
    covariance: tuple[tuple[float, ...], ...]
    at: tuple[tuple[float, ...], tuple[tuple[float, ...], ...]] | None

    def source(self) -> Any:
        return mc.normal(self.mean, self.covariance)

    def target(self) -> Any:
        return None if self.at is None else mc.normal(*self.at)

    def values(self, regime: Any, sizes: list[int]) -> Values:
        mean, scale = (self.mean, self.covariance) if self.at is None else self.at
        return of_coordinates(
            [
                self._coordinate(self.mean[j], self.covariance[j][j], mean[j], scale[j][j], sizes)
                for j in range(len(self.mean))
            ]
        )

    def _coordinate(self, m0: float, v0: float, to: float, spread: float, sizes: list[int]) -> Any:
        states, out = [(m0, v0, 1.0)], []
        for size in sizes:
            after = []
            for m, v, p in states:
                for chi, z, q in nodes(size - 1):
                    after += self._fits(m + math.sqrt(v / size) * z, v * chi * (size - 1), p * q, to, spread, size)
            states = after
            of = np.array(states)
            out.append((of[:, 2] @ of[:, 0], of[:, 2] @ (of[:, 0] - m0) ** 2, of[:, 2] @ of[:, 1]))
        return out

    def _fits(self, mean: float, scatter: float, chance: float, to: float, spread: float, size: int) -> Any:
        raise NotImplementedError


@dataclasses.dataclass(frozen=True)
class ShrunkNormals(Normals):
    weight: float = 0.25
    ddof: int = 1

    def make(self) -> tuple[Any, Any]:
        return families.Shrunk(mc.Gaussian(self.ddof), self.target(), self.weight), self.source()

    def _fits(self, mean: float, scatter: float, chance: float, to: float, spread: float, size: int) -> Any:
        b = self.weight
        yield b * to + (1 - b) * mean, b * spread + (1 - b) * scatter / (size - self.ddof), chance


@dataclasses.dataclass(frozen=True)
class PosteriorNormals(Normals):
    """Of an inverse Wishart the diagonal is an inverse chi-square; its mean serves, as all that follows is linear."""

    strength: float = 0.0
    per: str = "fit"

    def adapted(self, sizes: list[int]) -> list[int]:
        return [n + 3 for n in sizes]

    def make(self) -> tuple[Any, Any]:
        return families.Posterior(mc.Gaussian(), self.strength, self.target(), per=self.per), self.source()

    def _fits(self, mean: float, scatter: float, chance: float, to: float, spread: float, size: int) -> Any:
        a, total = self.strength, self.strength + size
        scale = a * spread + scatter + a * size / total * (mean - to) ** 2
        variance = scale * inverse(total - len(self.mean))
        centre = (a * to + size * mean) / total
        if self.per == "item":  # of one item, about a mean that has its own posterior draw
            yield centre, variance * (1 + 1 / total), chance
            return
        for side in (-1, 1):
            yield centre + side * math.sqrt(variance / total), variance, chance / 2

    def values(self, regime: Any, sizes: list[int]) -> Values:
        out = super().values(regime, sizes)
        if self.strength or self.per == "item":
            return out
        d, truth = len(self.mean), np.array(self.covariance)

        def walk(function: Any, up: int, down: int) -> np.ndarray:
            return np.array([of_chi_square(function, m - up) - of_chi_square(function, m - down) for m in sizes])

        # the scatter's pivots have M-1, M-2, ... degrees of freedom, the precision's the same in reverse
        logs = np.stack([np.cumsum(walk(np.log, 1 + j, d - j)) for j in range(d)], 1)
        pivots = np.log(np.diagonal(np.linalg.cholesky(truth)) ** 2)
        out |= {
            "log_pivots": pivots + logs,
            "log_variance": np.log(np.diagonal(truth)) + logs[:, :1],
            "log_determinant": np.linalg.slogdet(truth)[1] + logs.sum(1),
        }
        if d == 1:
            root = [of_chi_square(np.sqrt, m - 1) * of_chi_square(lambda x: x**-0.5, m - 1) for m in sizes]
            out["standard_deviation"] = np.cumprod(root)[:, None] * np.sqrt(np.diagonal(truth))
        return out


@functools.cache
def inverse(freedom: float) -> float:
    """E 1/chi2; infinite up to 2 degrees of freedom."""
    return of_chi_square(lambda x: 1 / x, freedom) if freedom > 2 else math.inf


@dataclasses.dataclass(frozen=True)
class CorrectedNormals(Remedy):
    """The unbiased covariance times a factor; pivots are chi-squares."""

    covariance: tuple[tuple[float, ...], ...]
    divisor: str

    def make(self) -> tuple[Any, Any]:
        return mc.Gaussian(divisor=self.divisor), mc.normal([0.0] * len(self.covariance), self.covariance)

    def values(self, regime: Any, sizes: list[int]) -> Values:
        truth = np.array(self.covariance)
        d, scale = len(truth), np.diagonal(truth)

        def divided(m: int) -> float:
            """What the scatter is divided by."""
            if self.divisor == "log_unbiased":
                return math.exp(of_chi_square(np.log, m - 1))
            return of_chi_square(np.sqrt, m - 1) ** 2

        grown = np.cumprod([of_chi_square(lambda x: x, m - 1) / divided(m) for m in sizes])
        root = np.cumprod([of_chi_square(np.sqrt, m - 1) / math.sqrt(divided(m)) for m in sizes])
        steps = [[of_chi_square(np.log, m - 1 - j) - math.log(divided(m)) for j in range(d)] for m in sizes]
        logs = np.cumsum(steps, axis=0)
        error = np.cumsum(np.array([1.0, *grown[:-1]]) / sizes)
        return {
            "mean": np.zeros((len(sizes), d)),
            "variance": grown[:, None] * scale,
            "total_variance": grown * scale.sum(),
            "squared_mean_error": error * scale.sum(),
            "standard_deviation": root[:, None] * np.sqrt(scale),
            "log_variance": np.log(scale) + logs[:, :1],
            "log_pivots": np.log(np.diagonal(np.linalg.cholesky(truth)) ** 2) + logs,
            "log_determinant": np.linalg.slogdet(truth)[1] + logs.sum(1),
        }


@dataclasses.dataclass(frozen=True)
class EnsembleNormals(Remedy):
    """The mean of k unbiased covariances is one of k (M - 1) degrees of freedom; the first sample is common to all."""

    covariance: tuple[tuple[float, ...], ...]
    refits: int

    def make(self) -> tuple[Any, Any]:
        family = families.Ensemble(mc.Gaussian(), self.refits)
        return family, mc.normal([0.0] * len(self.covariance), self.covariance)

    def values(self, regime: Any, sizes: list[int]) -> Values:
        scale, fits = np.diagonal(self.covariance), len(sizes)
        samples = [1] + [self.refits] * (fits - 1)
        freedom = [k * (m - 1) for k, m in zip(samples, sizes, strict=True)]
        logs = np.cumsum([of_chi_square(lambda x, n=n: np.log(x / n), n) for n in freedom])
        error = np.cumsum([1 / (k * m) for k, m in zip(samples, sizes, strict=True)])
        return {
            "variance": np.tile(scale, (fits, 1)),
            "total_variance": np.full(fits, scale.sum()),
            "squared_mean_error": error * scale.sum(),
            "log_variance": np.log(scale) + logs[:, None],
        }


@dataclasses.dataclass(frozen=True)
class PosteriorEvents(Remedy):
    """Poisson counts, whose mean is a draw of a gamma law: totals are listed, and beyond 600 lies less than 1e-20."""

    mean: float
    base: float
    strength: float

    def make(self) -> tuple[Any, Any]:
        return families.Posterior(mc.Poisson(), self.strength, mc.poisson(self.base)), mc.poisson(self.mean)

    def values(self, regime: Any, sizes: list[int]) -> Values:
        total, seen = np.arange(600), []
        law = poisson.pmf(total, sizes[0] * self.mean)
        for size, then in itertools.pairwise([*sizes, 1]):
            shape, rate = self.strength * self.base + total, self.strength + size
            mean = shape / rate
            seen.append((law @ mean, law @ (mean**2 + mean / rate - 2 * self.mean * mean + self.mean**2)))
            law = law @ nbinom.pmf(total[None], shape[:, None], rate / (rate + then))
        mean, error = np.array(seen).T
        return {
            "mean": mean[:, None], "squared_mean_error": error, "variance": mean[:, None], "total_variance": mean,
        }  # fmt: skip


@dataclasses.dataclass(frozen=True)
class PosteriorWaiting(Remedy):
    """Gamma waiting times of shape k, whose rate is a draw: the mean is a total over a gamma variable."""

    shape: float
    mean: float
    base: float
    strength: float

    def make(self) -> tuple[Any, Any]:
        family = families.Posterior(mc.Gamma(self.shape), self.strength, mc.gamma(self.base, self.shape))
        return family, mc.gamma(self.mean, self.shape)

    def values(self, regime: Any, sizes: list[int]) -> Values:
        k, a, first, second, seen = self.shape, self.strength, self.mean, self.mean**2, []
        for m in sizes:
            total = [of_log_gamma(lambda x, i=i: np.exp(i * x), k * m) for i in (1, 2)]  # in units of mean / k
            below = [of_log_gamma(lambda x, i=i: np.exp(-i * x), k * (a + m)) for i in (1, 2)]
            prior = k * a * self.base
            second = (prior**2 + 2 * prior * total[0] * first + total[1] * second) * below[1]
            first = (prior + total[0] * first) * below[0]
            seen.append((first, second))
        mean, square = np.array(seen).T
        out = {
            "mean": mean[:, None],
            "squared_mean_error": square - 2 * self.mean * mean + self.mean**2,
            "variance": square[:, None] / k,
            "total_variance": square / k,
        }
        if a == 0:
            logs = [of_log_gamma(lambda x: x, k * m) - of_log_gamma(lambda x: x, k * m) for m in sizes]
            out["log_mean"] = (math.log(self.mean) + np.cumsum(logs))[:, None]
            out["log_variance"] = 2 * out["log_mean"] - math.log(k)
        return out

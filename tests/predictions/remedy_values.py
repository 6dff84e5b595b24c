"""Exact means under remedies: all data sets in fractions, nodes that integrate exactly, or chi-squares by quadrature."""

from __future__ import annotations

import dataclasses
import functools
import itertools
import math
from collections import defaultdict
from collections.abc import Iterator
from fractions import Fraction as F
from typing import Any

import numpy as np
from exact_process import at, compositions
from exact_values import Gaussians, States, Values, of_chi_square, of_log_gamma
from scipy.special import roots_genlaguerre, roots_hermitenorm
from scipy.stats import nbinom, poisson

import modelcollapse as mc
from modelcollapse import families

Law = tuple[F, ...]


@dataclasses.dataclass(frozen=True)
class Remedy:
    """What is enumerated for a few regimes only, by name."""

    @property
    def regimes(self) -> tuple[str, ...]:
        return ("replace", "replace, sizes")

    def adapted(self, sizes: list[int]) -> list[int]:
        """Sizes at which all moments exist."""
        return sizes


def numbers(law: Law) -> list[float]:
    return [float(p) for p in law]


@functools.cache
def multinomial(size: int, law: Law) -> tuple[tuple[F, tuple[int, ...]], ...]:
    out = []
    for counts in compositions(size, len(law)):
        chance = F(math.factorial(size))
        for n, p in zip(counts, law, strict=True):
            chance *= p**n / math.factorial(n)
        if chance:
            out.append((chance, counts))
    return tuple(out)


def polya(size: int, balls: Law) -> Iterator[tuple[F, tuple[int, ...]]]:
    """Data sets of one draw from Dirichlet(balls)."""

    def rising(x: F, n: int) -> F:
        return math.prod((x + i for i in range(n)), start=F(1))

    for counts in compositions(size, len(balls)):
        chance = F(math.factorial(size)) / rising(sum(balls, F(0)), size)
        for n, ball in zip(counts, balls, strict=True):
            chance *= rising(ball, n) / math.factorial(n)
        yield chance, counts


def of_squares(law: Law, seen: list[tuple[np.ndarray, np.ndarray]]) -> Values:
    """Observables of two moments of every state, ``(fits, K)`` each."""
    mean, square = (np.array(x, float) for x in zip(*seen, strict=True))
    truth = np.array(numbers(law))
    return {
        "probabilities": mean,
        "heterozygosity": 1 - square.sum(1),
        "chi_square": ((square - 2 * mean * truth + truth**2) / truth).sum(1),
    }


@dataclasses.dataclass(frozen=True)
class PosteriorStates(Remedy):
    """A draw from Dirichlet(strength base + counts) for each fit, or for each item, or the mean of several."""

    law: Law
    base: Law | None
    strength: F
    per: str = "fit"
    refits: int = 1

    @property
    def regimes(self) -> tuple[str, ...]:
        plain = self.base is None and self.per == "fit" and self.refits == 1
        return ("replace", "mixture, no old data") if plain else ("replace", "replace, sizes")

    def make(self) -> tuple[Any, Any]:
        base = None if self.base is None else mc.categorical(numbers(self.base))
        family: Any = families.Posterior(mc.Discrete(), float(self.strength), base, per=self.per)
        if self.refits > 1:
            family = families.Ensemble(family, self.refits, samples="one")
        return family, mc.categorical(numbers(self.law))

    def values(self, regime: Any, sizes: list[int]) -> Values:
        base = self.law if self.base is None else self.base
        worlds = {x: p for p, x in multinomial(sizes[0], self.law)}
        seen = []
        for generation, size in enumerate([*sizes[1:], 0], 1):
            first, second = np.zeros((2, len(base)), dtype=object)
            after: dict[tuple[int, ...], F] = defaultdict(F)
            for x, weight in worlds.items():
                balls = tuple(self.strength * b + n for b, n in zip(base, x, strict=True))
                total = sum(balls)
                mean = np.array([n / total for n in balls], dtype=object)
                again = np.array([n / total * (n + 1) / (total + 1) for n in balls], dtype=object)
                part = F(1, self.refits) if self.per == "fit" else F(0)
                first = first + weight * mean
                second = second + weight * (part * again + (1 - part) * mean**2)
                for p, y in self._next(regime, generation, size, balls) if size else ():
                    after[y] += weight * p
            seen.append((first, second))
            worlds = after
        return of_squares(self.law, seen)

    def _next(self, regime: Any, generation: int, size: int, balls: Law) -> Iterator[tuple[F, tuple[int, ...]]]:
        share = at(regime.gamma, generation) if isinstance(regime, mc.Mixture) else F(0)
        for real in range(size + 1):
            chance = math.comb(size, real) * share**real * (1 - share) ** (size - real)
            if chance:
                for (p, x), (q, y) in itertools.product(multinomial(real, self.law), self._drawn(size - real, balls)):
                    yield chance * p * q, tuple(a + b for a, b in zip(x, y, strict=True))

    def _drawn(self, size: int, balls: Law) -> Iterator[tuple[F, tuple[int, ...]]]:
        if self.per == "item":
            yield from multinomial(size, tuple(n / sum(balls) for n in balls))
            return
        # each item is of one of the draws, which are independent given the data
        for split in compositions(size, self.refits):
            among = F(math.factorial(size), self.refits**size * math.prod(map(math.factorial, split)))
            for parts in itertools.product(*(list(polya(n, balls)) for n in split)):
                chance = math.prod((p for p, _ in parts), start=among)
                yield chance, tuple(sum(x) for x in zip(*(y for _, y in parts), strict=True))


@dataclasses.dataclass(frozen=True)
class StratifiedStates(Remedy):
    """Systematic sampling of each model, one common shift of equal steps."""

    law: Law

    def make(self) -> tuple[Any, Any]:
        return families.Stratified(mc.Discrete()), mc.categorical(numbers(self.law))

    def values(self, regime: Any, sizes: list[int]) -> Values:
        worlds = {x: p for p, x in multinomial(sizes[0], self.law)}
        seen = []
        for before, size in itertools.pairwise([*sizes, 0]):
            shares = {tuple(F(n, before) for n in x): w for x, w in worlds.items()}
            seen.append(moments(shares))
            after: dict[tuple[int, ...], F] = defaultdict(F)
            for p, weight in shares.items() if size else ():
                edges = list(itertools.accumulate(p, initial=F(0)))
                turns = sorted({F(0), F(1), *((size * e) % 1 for e in edges)})
                for low, high in itertools.pairwise(turns):
                    below = [math.ceil(size * e - (low + high) / 2) if e else 0 for e in edges]
                    after[tuple(b - a for a, b in itertools.pairwise(below))] += weight * (high - low)
            worlds = after
        return of_squares(self.law, seen)


def moments(shares: dict[Law, F]) -> tuple[np.ndarray, np.ndarray]:
    laws = [(w, np.array(p, dtype=object)) for p, w in shares.items()]
    return sum(w * p for w, p in laws), sum(w * p**2 for w, p in laws)


@dataclasses.dataclass(frozen=True)
class ShrunkStates(Remedy):
    law: Law
    to: Law
    weight: F

    def make(self) -> tuple[Any, Any]:
        to = mc.categorical(numbers(self.to))
        return families.Shrunk(mc.Discrete(), to, float(self.weight)), mc.categorical(numbers(self.law))

    def values(self, regime: Any, sizes: list[int]) -> Values:
        worlds, seen = {self.law: F(1)}, []
        for size in sizes:
            after: dict[Law, F] = defaultdict(F)
            for law, chance in worlds.items():
                for p, x in multinomial(size, law):
                    mixed = (self.weight * t + (1 - self.weight) * F(n, size) for t, n in zip(self.to, x, strict=True))
                    after[tuple(mixed)] += chance * p
            worlds = after
            seen.append(moments(worlds))
        return of_squares(self.law, seen)


@dataclasses.dataclass(frozen=True)
class Larger(Remedy):
    """``times`` as many items in all data sets but the first, of one family or as several samples."""

    within: Any
    times: int
    samples: str = ""  # of an ensemble

    def make(self) -> tuple[Any, Any]:
        family, source = self.within.make()
        if self.samples:
            return families.Ensemble(family, self.times, samples=self.samples), source
        return families.Oversampled(family, self.times), source

    def values(self, regime: Any, sizes: list[int]) -> Values:
        times = 1 if self.samples == "one" else self.times
        return self.within.values(regime, [sizes[0], *(times * m for m in sizes[1:])])


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


THREE, AWAY = (F(1, 2), F(3, 8), F(1, 8)), (F(1, 4), F(1, 4), F(1, 2))
LINE, PLANE = ((4.0,),), ((4.0, 1.0), (1.0, 0.5))
ASIDE = ((1.0, -0.5), ((1.0, 0.25), (0.25, 2.0)))

PROCESSES: dict[str, Remedy] = {
    "posterior at the truth": PosteriorStates(THREE, None, F(3, 2)),
    "posterior elsewhere": PosteriorStates(THREE, AWAY, F(3, 2)),
    "smoothed": PosteriorStates(THREE, AWAY, F(3, 2), "item"),
    "mean of two posterior draws": PosteriorStates((F(1, 4), F(3, 4)), None, F(1, 2), refits=2),
    "stratified": StratifiedStates(THREE),
    "shrunk law": ShrunkStates(THREE, AWAY, F(1, 4)),
    "oversampled": Larger(States(THREE), 2),
    "oversampled gaussian": Larger(Gaussians((2.0,), LINE, 1), 2),
    "ensemble": Larger(States(THREE), 2, "own"),
    "ensemble on one sample": Larger(States(THREE), 2, "one"),
    "ensemble of gaussians on one sample": Larger(Gaussians((2.0,), LINE, 0), 2, "one"),
    "ensemble of gaussians": EnsembleNormals(PLANE, 3),
    "gaussian posterior": PosteriorNormals((2.0, -1.0), PLANE, ASIDE, 2.5),
    "gaussian posterior at the truth": PosteriorNormals((2.0,), LINE, None, 3.5),
    "gaussian reference prior": PosteriorNormals((2.0,), LINE, None),
    "gaussian reference prior in the plane": PosteriorNormals((2.0, -1.0), PLANE, None),
    "gaussian items": PosteriorNormals((2.0, -1.0), PLANE, ASIDE, 2.5, "item"),
    "shrunk gaussian": ShrunkNormals((2.0, -1.0), PLANE, ASIDE),
    "shrunk gaussian, ddof 0": ShrunkNormals((2.0,), LINE, None, 0.5, 0),
    "unbiased deviation": CorrectedNormals(LINE, "unbiased_deviation"),
    "unbiased log": CorrectedNormals(PLANE, "log_unbiased"),
    "poisson posterior": PosteriorEvents(1.5, 0.75, 2.5),
    "gamma posterior": PosteriorWaiting(2.5, 2.0, 1.5, 1.5),
    "gamma reference prior": PosteriorWaiting(2.5, 2.0, 2.0, 0.0),
}

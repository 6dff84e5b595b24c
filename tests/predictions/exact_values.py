"""The exact mean of every observable that is predicted, at each of a few fits, from enumeration or quadrature.

Each class is one kind of process: plain numbers that say what is real and how it is refitted, ``make`` for the
library's own parts, and ``values(regime, sizes)``: for each observable an array ``(fits, ...)``. An observable that is
not in it has no known exact mean.
"""

from __future__ import annotations

import dataclasses
import itertools
import math
from collections.abc import Callable
from fractions import Fraction
from typing import Any

import numpy as np
from exact_process import Counts, Items, fitted, only_models
from scipy.special import gammaln
from scipy.stats import poisson

import modelcollapse as mc

Values = dict[str, np.ndarray]
ONE = Fraction(1)


def of_log_gamma(function: Callable[[np.ndarray], np.ndarray], shape: float) -> float:
    """E f(ln X) of X gamma with this shape and scale 1, by the trapezoidal rule in ln x, exact to rounding."""
    log_x = np.linspace(-90 / min(shape, 1), 8, 60_001)
    density = np.exp(shape * log_x - np.exp(log_x) - gammaln(shape))
    return float(np.sum(density * function(log_x)) * (log_x[1] - log_x[0]))


def of_chi_square(function: Callable[[np.ndarray], np.ndarray], freedom: float) -> float:
    """E f(X) of a chi-square."""
    return of_log_gamma(lambda log_x: function(2 * np.exp(log_x)), freedom / 2)


def expectation(function: Callable[[Any], Any], worlds: dict[Any, Any]) -> Any:
    return sum(float(p) * np.asarray(function(data), np.float64) for data, p in worlds.items())


def second_moments(items: Items, regime: Any, sizes: list[int]) -> tuple[np.ndarray, np.ndarray]:
    """E (m_n - m_0)^2 and the expected variance of the model, each (fits,)."""
    worlds = fitted(regime, sizes, items)
    each = [[float(sum(p * f(d) for d, p in w.items())) for w in worlds] for f in (items.error, items.variance)]
    return np.array(each[0]), np.array(each[1])


@dataclasses.dataclass(frozen=True)
class States:
    """The discrete chain on states with these probabilities."""

    law: tuple[Fraction, ...]
    table: tuple[int, ...] | None = None
    once: bool = False  # drawn without replacement

    def make(self) -> tuple[Any, Any]:
        if self.table is not None:
            return mc.Discrete(states=len(self.law)), mc.table(np.array(self.table), replace=not self.once)
        return mc.Discrete(), mc.categorical([float(p) for p in self.law])

    def values(self, regime: Any, sizes: list[int]) -> Values:
        truth = np.array([float(p) for p in self.law])
        there = truth > 0
        once = tuple(np.bincount(self.table).tolist()) if self.table and self.once else None
        worlds = fitted(regime, sizes, Counts(self.law, once))

        def entropy(p: np.ndarray) -> float:
            return -sum(x * math.log(x) for x in p if x > 0)

        readings: dict[str, Callable[[np.ndarray], Any]] = {
            "probabilities": lambda p: p,
            "heterozygosity": lambda p: (p * (1 - p)).sum(),
            "chi_square": lambda p: ((p - truth)[there] ** 2 / truth[there]).sum(),
            "support_size": lambda p: (p > 0).sum(),
            "absorbed": lambda p: (p > 0).sum() == 1,
            "lost": lambda p: (p == 0) & there,
            "entropy": entropy,
            "kl_divergence": lambda p: sum(x * math.log(x / q) for x, q in zip(p, truth, strict=True) if x > 0),
            "total_variation": lambda p: np.abs(p - truth).sum() / 2,
        }

        def each(read: Callable[[np.ndarray], Any]) -> Callable[[Any], Any]:
            return lambda data: read(np.array(data, np.float64) / float(sum(data)))

        return {name: np.array([expectation(each(read), w) for w in worlds]) for name, read in readings.items()}


@dataclasses.dataclass(frozen=True)
class Gaussians:
    """A normal law refitted with divisor n - ddof to rows of this mean and covariance; ``rows`` are a table of them."""

    mean: tuple[float, ...]
    covariance: tuple[tuple[float, ...], ...]
    ddof: int
    rows: tuple[tuple[float, ...], ...] | None = None
    once: bool = False  # drawn without replacement

    def make(self) -> tuple[Any, Any]:
        if self.rows is None:
            return mc.Gaussian(ddof=self.ddof), mc.normal(self.mean, self.covariance)
        return mc.Gaussian(ddof=self.ddof), mc.table(np.array(self.rows), replace=not self.once)

    def values(self, regime: Any, sizes: list[int]) -> Values:
        sigma, mean = np.array(self.covariance), np.array(self.mean)
        together = Fraction(-1, len(self.rows) - 1) if self.rows and self.once else Fraction(0)
        fewest = len(mean) + 1 if self.ddof else 1
        items = Items(ONE, spread=lambda n: Fraction(n) / (n - self.ddof), together=together, fewest=fewest)
        error, variance = second_moments(items, regime, sizes)
        out = {
            "mean": np.tile(mean, (len(sizes), 1)),
            "squared_mean_error": error * np.trace(sigma),
            "variance": variance[:, None] * np.diagonal(sigma),
            "total_variance": variance * np.trace(sigma),
        }
        if only_models(regime, sizes):
            out["determinant"] = self._determinant(sizes)
            if self.rows is None:
                out |= self._walk(sizes, error, variance)
        return out

    def _determinant(self, sizes: list[int]) -> np.ndarray:
        """Of the first data set by every draw of a table; from there on, products of chi-squares."""
        d = len(self.mean)
        step = [
            math.prod(of_chi_square(lambda x: x, m - 1 - j) for j in range(d)) / (m - self.ddof) ** d for m in sizes
        ]
        if self.rows is None:
            first = np.linalg.det(np.array(self.covariance)) * step[0]
        else:
            draws = itertools.permutations if self.once else lambda rows, n: itertools.product(rows, repeat=n)
            every = np.array(list(draws(self.rows, sizes[0])))
            gaps = every - every.mean(1, keepdims=True)
            first = np.linalg.det(np.einsum("abi,abj->aij", gaps, gaps) / (sizes[0] - self.ddof)).mean()
        return first * np.cumprod([1.0, *step[1:]])

    def _walk(self, sizes: list[int], error: np.ndarray, variance: np.ndarray) -> Values:
        """Under replacement each step is an independent Wishart matrix: its pivots are chi-squares."""
        d, truth = len(self.mean), np.array(self.covariance)

        def step(function: Callable[[np.ndarray], np.ndarray], lost: int) -> np.ndarray:
            return np.array([of_chi_square(lambda x, m=m: function(x / (m - self.ddof)), m - 1 - lost) for m in sizes])

        logs = np.stack([np.cumsum(step(np.log, j)) for j in range(d)], 1)  # of pivot j
        root = np.cumprod(step(np.sqrt, 0))
        scale = np.diagonal(truth)
        pivots = np.log(np.diagonal(np.linalg.cholesky(truth)) ** 2)
        out = {
            "log_variance": np.log(scale) + logs[:, :1],
            "standard_deviation": root[:, None] * np.sqrt(scale),
            "log_determinant": np.linalg.slogdet(truth)[1] + logs.sum(1),
            "log_pivots": pivots + logs,
        }
        if d == 1:
            # (mu - mu_0)^2 + (sigma - sigma_0)^2
            out["w2_squared"] = scale[0] * (error + variance - 2 * root + 1)
        return out


@dataclasses.dataclass(frozen=True)
class OneParameter:
    """The mean m is refitted; a model's variance is v0 + v1 m + v2 m^2. ``real`` is that of real rows, if different."""

    family: Callable[[], Any]
    source: Callable[[], Any]
    mean: Fraction
    v: tuple[Fraction, Fraction, Fraction]
    real: Fraction | None = None
    together: Fraction = Fraction(0)

    def make(self) -> tuple[Any, Any]:
        return self.family(), self.source()

    def values(self, regime: Any, sizes: list[int]) -> Values:
        assumed = self.v[0] + self.v[1] * self.mean + self.v[2] * self.mean**2
        real = assumed if self.real is None else self.real
        items = Items(real, constant=lambda n: assumed, square=self.v[2], together=self.together)
        error, variance = second_moments(items, regime, sizes)
        return {
            "mean": np.full((len(sizes), 1), float(self.mean)),
            "squared_mean_error": error,
            "variance": variance[:, None],
            "total_variance": variance,
        }


@dataclasses.dataclass(frozen=True)
class Trials(OneParameter):
    """Binomial counts: any regime draws the ``trials`` of a row alike, so that rows of one trial can be enumerated."""

    trials: int = 1

    def values(self, regime: Any, sizes: list[int]) -> Values:
        out = super().values(regime, sizes)
        if self.real is None and (self.trials == 1 or only_models(regime, sizes)):
            chance = self.mean / self.trials
            worlds = fitted(regime, [self.trials * m for m in sizes], Counts((chance, 1 - chance)))
            out["absorbed"] = np.array([expectation(lambda d: 0 in d, w) for w in worlds])
            out["extinct"] = np.array([expectation(lambda d: d[0] == 0, w) for w in worlds])
        return out


@dataclasses.dataclass(frozen=True)
class Events(OneParameter):
    """Poisson counts: the total of a data set is Poisson; 0 to 600 are listed, and beyond lies less than 1e-100."""

    def values(self, regime: Any, sizes: list[int]) -> Values:
        out = super().values(regime, sizes)
        if only_models(regime, sizes):
            totals = np.arange(600)
            law = poisson.pmf(totals, sizes[0] * float(self.mean))
            empty = [law[0]]
            for before, now in itertools.pairwise(sizes):
                law = law @ poisson.pmf(totals[None], totals[:, None] * now / before)
                empty.append(law[0])
            out["extinct"] = out["absorbed"] = np.array(empty)
        return out


@dataclasses.dataclass(frozen=True)
class Waiting(OneParameter):
    """Gamma waiting times of known shape: ln m moves by ln of a gamma mean."""

    shape: float = 1.0

    def values(self, regime: Any, sizes: list[int]) -> Values:
        out = super().values(regime, sizes)
        if only_models(regime, sizes):
            each = [self.shape * m for m in sizes]
            walk = np.cumsum([of_log_gamma(lambda x, k=k: x - math.log(k), k) for k in each])
            out["log_mean"] = (math.log(self.mean) + walk)[:, None]
            out["log_variance"] = 2 * out["log_mean"] - math.log(self.shape)
        return out


@dataclasses.dataclass(frozen=True)
class Ends:
    """Uniform on [0, end], of which the largest draw is U^(1/n) end; or the unbiased end, (n + 1)/n times that."""

    end: float
    estimator: str

    def make(self) -> tuple[Any, Any]:
        return mc.Uniform(self.estimator), mc.uniform(self.end)

    def values(self, regime: Any, sizes: list[int]) -> Values:
        def gain(n: int) -> float:
            return math.log1p(1 / n) if self.estimator == "unbiased" else 0.0

        # - ln U is exponential, gamma with shape 1
        step = [-of_log_gamma(lambda x: np.exp(x), 1.0) / n for n in sizes]
        if only_models(regime, sizes):
            walk = np.cumsum([s + gain(n) for s, n in zip(step, sizes, strict=True)])
        elif type(regime) is mc.Accumulate and self.estimator == "mle":
            walk = np.full(len(sizes), step[0])  # no draw of a model passes the largest of its pool
        else:
            return {}
        end = (math.log(self.end) + walk)[:, None]
        return {"log_end": end, "log_mean": end - math.log(2), "log_variance": 2 * end - math.log(12)}


@dataclasses.dataclass(frozen=True)
class Tails:
    """Pareto of known minimum: the mean excess of ln x is a gamma mean over the index."""

    index: float
    estimator: str

    def make(self) -> tuple[Any, Any]:
        return mc.Pareto(estimator=self.estimator), mc.pareto(self.index)

    def values(self, regime: Any, sizes: list[int]) -> Values:
        if not only_models(regime, sizes):
            return {}
        top = [n - 1 if self.estimator == "unbiased" else n for n in sizes]
        walk = np.cumsum([of_log_gamma(lambda x, t=t: math.log(t) - x, n) for n, t in zip(sizes, top, strict=True)])
        return {"log_index": (math.log(self.index) + walk)[:, None]}


@dataclasses.dataclass(frozen=True)
class KernelRows:
    """Normal kernels on rows whose coordinates are independent with these variances."""

    variances: tuple[float, ...]
    bandwidth: float
    rule: str = "fixed"
    scaled: bool | None = None
    rows: tuple[tuple[float, ...], ...] | None = None

    def make(self) -> tuple[Any, Any]:
        source = mc.normal([0.0] * len(self.variances), np.diag(self.variances))
        if self.rows is not None:
            source = mc.table(np.array(self.rows))
        return mc.KernelDensity(self.bandwidth, self.rule, self.scaled), source

    def width(self, n: Any) -> float:
        d = len(self.variances)
        effective = {"fixed": 1.0, "scott": float(n), "silverman": float(n) * (d + 2) / 4}[self.rule]
        return (self.bandwidth * effective ** (-1 / (d + 4))) ** 2

    def values(self, regime: Any, sizes: list[int]) -> Values:
        follows = self.rule != "fixed" if self.scaled is None else self.scaled
        each = []
        for variance in self.variances:
            if follows:
                # the kernel has the shape of the rows' covariance with divisor n - 1
                items = Items(variance, spread=lambda n: 1 + self.width(n) * float(n) / float(n - 1))
            else:
                items = Items(variance, constant=self.width, spread=lambda n: 1)
            each.append(second_moments(items, regime, sizes))
        mean = np.zeros(len(self.variances)) if self.rows is None else np.mean(self.rows, 0)
        return {
            "mean": np.tile(mean, (len(sizes), 1)),
            "squared_mean_error": sum(e for e, _ in each),
            "variance": np.stack([v for _, v in each], 1),
            "total_variance": sum(v for _, v in each),
        }


@dataclasses.dataclass(frozen=True)
class DampedGaussian:
    """A normal law in one dimension whose log variance goes the share ``rate`` of the way at each fit but the first."""

    rate: float
    ddof: int

    def make(self) -> tuple[Any, Any]:
        return mc.Damped(mc.Gaussian(self.ddof), self.rate), mc.normal(2.0, 4.0)

    def values(self, regime: Any, sizes: list[int]) -> Values:
        whole = Gaussians((2.0,), ((4.0,),), self.ddof).values(regime, sizes)
        if self.rate == 1:
            return whole
        if not only_models(regime, sizes):
            return {}
        logs = whole["log_variance"]
        return {"log_variance": logs[:1] + self.rate * (logs - logs[:1])}


@dataclasses.dataclass(frozen=True)
class Decoder:
    """Probabilistic PCA of rows whose coordinates are independent, normal, with these variances."""

    variances: tuple[float, ...]
    latent: int
    noise: float | None = None
    output: str = "mean"

    def make(self) -> tuple[Any, Any]:
        family = mc.PPCA(self.latent, self.noise, output=self.output)
        return family, mc.normal([1.0] * len(self.variances), np.diag(self.variances))

    def values(self, regime: Any, sizes: list[int]) -> Values:
        d, out = len(self.variances), {"mean": np.ones((len(sizes), len(self.variances)))}
        if self.noise is None and self.output == "sampled":
            # the noise is what the decoder leaves of the trace
            error, variance = second_moments(Items(ONE, spread=lambda n: ONE), regime, sizes)
            out |= {"squared_mean_error": error * sum(self.variances), "total_variance": variance * sum(self.variances)}
        if self.noise is not None and d == 1 and len(sizes) == 1:
            size, truth, noise = sizes[0], self.variances[0], self.noise
            left = of_chi_square(lambda x: np.maximum(truth * x / size - noise, 0), size - 1)
            out["decoder_variance"] = np.array([left])
        return out

"""A statistic says how improbable it is under a proposed expectation, by a bound wherever the law allows one.

Each kind has ``estimate``, ``standard_error``, ``certain`` (whether its p-values are bounds by construction, or only
nominal) and ``log_p(value, level)``: the natural logarithm of a two-sided p-value of the hypothesis that the
expectation is ``value``.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import Protocol, Self, SupportsFloat

import numpy as np
import scipy

ROUNDINGS = 64
"""How far beyond the bounds of its law a value may lie, in roundings: more than the sum of any observable makes."""


class Statistic(Protocol):
    @property
    def certain(self) -> bool: ...

    @property
    def estimate(self) -> float: ...

    @property
    def standard_error(self) -> float: ...

    def log_p(self, value: float, level: float) -> float: ...


@dataclasses.dataclass(frozen=True)
class Proportion:
    """Independent indicators. The exact binomial tail, doubled; beyond its range the Chernoff bound."""

    successes: int
    trials: int
    certain = True

    @classmethod
    def of(cls, indicators: np.ndarray) -> Proportion:
        """From one indicator a chain."""
        return cls(int(np.sum(indicators)), int(np.size(indicators)))

    @property
    def estimate(self) -> float:
        return self.successes / self.trials

    @property
    def standard_error(self) -> float:
        # of the Agresti-Coull estimate, so that it is never 0
        p = (self.successes + 2) / (self.trials + 4)
        return float(np.sqrt(p * (1 - p) / self.trials))

    def log_p(self, value: float, level: float) -> float:
        if not 0 <= value <= 1:
            return -np.inf
        k, n, x = self.successes, self.trials, self.estimate
        lower, upper = scipy.stats.binom.logcdf(k, n, value), scipy.stats.binom.logsf(k - 1, n, value)
        exact = min(float(lower), float(upper))
        if np.isfinite(exact):
            return min(0.0, np.log(2) + exact)
        if (value == 0 and k) or (value == 1 and k < n):
            return -np.inf
        information = (x * np.log(x / value) if x > 0 else 0) + (
            (1 - x) * np.log((1 - x) / (1 - value)) if x < 1 else 0
        )
        return min(0.0, np.log(2) - n * information)


@dataclasses.dataclass(frozen=True, eq=False)
class _Mean:
    """The mean of independent values, in float64."""

    samples: np.ndarray

    def __post_init__(self) -> None:
        object.__setattr__(self, "samples", np.asarray(self.samples, np.float64))

    @property
    def estimate(self) -> float:
        return float(np.mean(self.samples))

    @property
    def standard_error(self) -> float:
        return float(np.std(self.samples, ddof=1) / np.sqrt(self.samples.size))


@dataclasses.dataclass(frozen=True, eq=False)
class BoundedMean(_Mean):
    r"""Independent values in ``[low, high]``: a test by betting, valid for every law there and every sample size.

    With x scaled to [0, 1], the capital
    :math:`K = \tfrac12 \prod(1 + \lambda_i (x_i - m)) + \tfrac12 \prod(1 - \lambda_i' (x_i - m))` is a nonnegative
    martingale started at 1 if the mean is m and each bet depends on earlier values alone; so
    :math:`P(K \ge 1/p) \le p` (Markov). The bets are those of Waudby-Smith and Ramdas (2024), sec. 4.2: nearly as sharp
    as the normal approximation, whose tail is not trusted here. A sample may lie beyond a bound by ``ROUNDINGS`` units
    of its own precision (float32 or float64, at the larger bound), and then counts as the bound.
    """

    low: float
    high: float
    certain = True

    def __post_init__(self) -> None:
        given = np.asarray(self.samples)
        unit = np.finfo(given.dtype).eps if given.dtype.kind == "f" else 0.0
        slack = ROUNDINGS * unit * max(abs(self.low), abs(self.high))
        samples = given.astype(np.float64)
        if not (np.all(samples >= self.low - slack) and np.all(samples <= self.high + slack)):
            raise ValueError(f"samples must lie in [{self.low}, {self.high}], got [{samples.min()}, {samples.max()}]")
        object.__setattr__(self, "samples", np.clip(samples, self.low, self.high))

    def log_p(self, value: float, level: float) -> float:
        if not self.low <= value <= self.high:
            return -np.inf
        x = (self.samples - self.low) / (self.high - self.low)
        m = (value - self.low) / (self.high - self.low)
        n = x.size
        before = np.arange(1, n + 1)
        mean = (0.5 + np.cumsum(x)) / (before + 1)
        # predictable: the variance estimate that a bet uses has seen earlier values only
        variance = np.concatenate([[0.25], ((0.25 + np.cumsum((x - mean) ** 2)) / (before + 1))[:-1]])
        bet = np.sqrt(2 * np.log(2 / level) / (n * variance))
        with np.errstate(divide="ignore"):
            up = np.log1p(np.minimum(bet, 0.5 / m if m > 0 else np.inf) * (x - m)).sum()
            down = np.log1p(-np.minimum(bet, 0.5 / (1 - m) if m < 1 else np.inf) * (x - m)).sum()
        return float(min(0.0, np.log(2) - np.logaddexp(up, down)))


@dataclasses.dataclass(frozen=True, eq=False)
class ChernoffMean(_Mean):
    r"""Independent values whose law is known up to a shift, by its cumulant generating function.

    :math:`P(\bar x \ge t) \le \exp(-N \sup_\theta [\theta t - \kappa(\theta)])`, and the same below; doubled.
    ``cgf`` is that of the centred values on the open interval ``domain``.
    """

    cgf: Callable[[float], float]
    domain: tuple[float, float]
    certain = True

    @classmethod
    def about(
        cls,
        mean: float,
        samples: np.ndarray,
        cgf: Callable[[float], SupportsFloat],
        low: float = -np.inf,
        high: float = np.inf,
    ) -> Self:
        """From the ``cgf`` of the values themselves, whose mean is ``mean``, between ``low`` and ``high``."""
        return cls(samples, lambda t: float(cgf(t)) - t * mean, (low, high))

    def log_p(self, value: float, level: float) -> float:
        gap = self.estimate - value
        low, high = (0.0, self.domain[1]) if gap > 0 else (self.domain[0], 0.0)
        # the optimum lies near gap / variance; a bracket of its size keeps the search well scaled
        reach = 20 * abs(gap) / float(np.var(self.samples)) + 1e-12
        low, high = max(low, -reach), min(high, reach)
        best = scipy.optimize.minimize_scalar(
            lambda t: self.cgf(t) - t * gap, bounds=(low, high), method="bounded", options={"xatol": 1e-10}
        )
        return float(min(0.0, np.log(2) + self.samples.size * min(best.fun, 0.0)))


@dataclasses.dataclass(frozen=True, eq=False)
class NominalMean(_Mean):
    """A mean of unbounded values by its studentised z: as right as the central limit theorem, so marked nominal."""

    certain = False

    def log_p(self, value: float, level: float) -> float:
        return float(np.log(2) + scipy.special.log_ndtr(-abs(self.estimate - value) / self.standard_error))


@dataclasses.dataclass(frozen=True, eq=False, init=False)
class Evidence:
    """What was seen, what theory says, and the near misses that the same data must reject.

    ``what`` says which of several quantities of a claim this is. ``slack`` is the stated error of an asymptotic
    prediction, or half the width between two bounds: the prediction is rejected only if every value within it is. It
    must come from the theory's error order, never from the data. Near misses get none. Numbers may be given as anything
    that ``float`` takes.
    """

    observed: Statistic
    predicted: float
    wrong: Mapping[str, float]
    what: str
    slack: float

    def __init__(
        self,
        observed: Statistic,
        predicted: SupportsFloat,
        wrong: Mapping[str, SupportsFloat],
        what: str = "",
        slack: SupportsFloat = 0.0,
    ) -> None:
        near = {name: float(value) for name, value in wrong.items()}
        given = {
            "observed": observed,
            "predicted": float(predicted),
            "wrong": near,
            "what": what,
            "slack": float(slack),
        }
        for name, value in given.items():
            object.__setattr__(self, name, value)
        if not 0 <= self.slack < np.inf:
            raise ValueError(f"slack must be finite and not negative, got {self.slack!r}")
        if not near:
            raise ValueError("evidence needs at least one near miss: a check that nothing can fail checks nothing")
        for name, miss in near.items():
            if abs(miss - self.predicted) <= self.slack:
                raise ValueError(
                    f"the near miss {name!r} = {miss!r} equals the prediction {self.predicted!r} within its slack"
                )

    @property
    def nearest(self) -> float:
        """The value within ``slack`` of the prediction that is nearest to what was seen."""
        return float(np.clip(self.observed.estimate, self.predicted - self.slack, self.predicted + self.slack))

    def z(self, value: float) -> float:
        """Studentised distance of the estimate from ``value``; the verdict rests on ``log_p``, not on this."""
        return (self.observed.estimate - value) / self.observed.standard_error

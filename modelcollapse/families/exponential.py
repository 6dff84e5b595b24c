r"""A family with one unknown parameter is refitted by its sample mean; a data set is size and total, drawn directly.

The natural exponential families whose variance is a quadratic function of the mean, :math:`V(m) = v_0 + v_1 m + v_2
m^2` (Morris 1982): the sum of n draws has a law that can be drawn at once, so a generation costs one or two random
numbers, whatever the sample size.

==================  ==========================  ==============================================
family              variance at mean m          sum of n draws
==================  ==========================  ==============================================
Binomial            m (1 - m / trials)          binomial with trials * n trials
Poisson             m                           Poisson with rate n m
NegativeBinomial    m (1 + m / successes)       Poisson whose rate is gamma, shape successes * n
Gamma               m^2 / shape                 gamma of shape shape * n
GaussianMean        the known covariance        normal
==================  ==========================  ==============================================
"""

from __future__ import annotations

import abc

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike

from modelcollapse import arguments
from modelcollapse.data import Rows, row_type
from modelcollapse.families.checks import check_one_column, check_table
from modelcollapse.laws import Law, law_of, own_params, rows_of
from modelcollapse.protocols import Count, Family, HasLogMean, Number, Source
from modelcollapse.pytree import part, static
from modelcollapse.sampling import binomial, log_gamma, poisson

POISSON = 2**16
"""Stream of a Poisson draw whose rate is drawn from the same key."""


@part
class Total:
    """Number and sum of counts.

    The sum is an exact 32-bit integer; one that would pass 2^31 - 1 is -1, which no sum can be, and the fit then fails.
    """

    count: jax.Array  # (), int32
    total: jax.Array  # (), int32

    @property
    def size(self) -> jax.Array:
        return self.count

    def __or__(self, other: Total) -> Total:
        total = self.total + other.total
        lost = (self.total < 0) | (other.total < 0) | (total < 0)
        return Total(self.count + other.count, jnp.where(lost, -1, total))

    @staticmethod
    def capacity_for(size: int) -> int:
        """0: a total takes the same room whatever the size."""
        return 0


@part
class LogMean:
    """Number of positive values and the logarithm of their mean, which cannot underflow; -inf if there are none."""

    count: jax.Array  # (), int32
    log_mean: jax.Array  # (1,)

    @property
    def size(self) -> jax.Array:
        return self.count

    def __or__(self, other: LogMean) -> LogMean:
        dtype = self.log_mean.dtype
        total = self.count + other.count
        logs = [jnp.log(d.count.astype(dtype) / jnp.maximum(total, 1).astype(dtype)) for d in (self, other)]
        # an empty set weighs nothing, and log 1 is 0: pooling with it returns the very same mean
        pooled = jnp.logaddexp(self.log_mean + logs[0], other.log_mean + logs[1])
        return type(self)(total, pooled)

    @staticmethod
    def capacity_for(size: int) -> int:
        """0: a mean takes the same room whatever the size."""
        return 0


@part
class Mean:
    """A law on counts by its mean ``(1,)``; its variance ``(1,)`` is the family's function of the mean."""

    mean: jax.Array
    variance: jax.Array

    @property
    def covariance(self) -> jax.Array:
        """``(1, 1)``."""
        return self.variance[:, None]


@part
class LogScale:
    """A law on positive numbers by the logarithms of its mean and of its variance, both ``(1,)``."""

    log_mean: jax.Array
    log_variance: jax.Array

    @property
    def mean(self) -> jax.Array:
        """``(1,)``; underflows to 0 long after collapse."""
        return jnp.exp(self.log_mean)

    @property
    def covariance(self) -> jax.Array:
        """``(1, 1)``; underflows to 0 long after collapse."""
        return jnp.exp(self.log_variance)[:, None]


class OfCounts(abc.ABC):
    """What the families of counts share: all but the law of a sum. Nothing in it is overridden.

    The total is an exact integer and the mean is total / size, rounded. In float32 a mean within 6e-8 of the largest
    count may round to it.
    """

    data = Total
    default_observables = ("mean", "extinct")

    @property
    @abc.abstractmethod
    def highest(self) -> int | None:
        """The largest count that one draw can be; None if there is none."""

    @abc.abstractmethod
    def variance(self, mean: jax.Array) -> jax.Array:
        """Variance of one draw."""

    @abc.abstractmethod
    def sums(self, key: jax.Array, mean: jax.Array, n: jax.Array) -> jax.Array:
        """Sums of ``n`` draws, int32, one for each entry of ``n``; -1 if beyond int32."""

    def law(self, mean: ArrayLike) -> Mean:
        """The law with this mean."""
        m = _vector(mean)
        return Mean(m, self.variance(m))

    def draw(self, key: jax.Array, params: Mean, n: Count, capacity: int = 0) -> Total:
        n = jnp.asarray(n, jnp.int32)
        return Total(n, self.sums(key, params.mean[0], n))

    def draw_rows(self, key: jax.Array, params: Mean, n: Count, capacity: int) -> Rows:
        """Counts ``(capacity,)`` int32."""
        return Rows(self.sums(key, params.mean[0], jnp.ones(capacity, jnp.int32)), jnp.asarray(n, jnp.int32))

    def summarise(self, rows: Rows) -> Total:
        low = jnp.where(rows.present, rows.points, 0)
        with jax.enable_x64(True):
            total = low.astype(jnp.int64).sum()
            proper = (low >= 0).all() & (total <= arguments.LARGEST)
            if self.highest is not None:
                proper &= (low <= self.highest).all()
            return Total(rows.count, jnp.where(proper, total, -1).astype(jnp.int32))

    def fit(self, key: jax.Array, data: Total, previous: Mean | None) -> Mean:
        dtype = jnp.result_type(float)
        mean = data.total.astype(dtype) / data.count.astype(dtype)
        proper = data.total >= 0
        if self.highest is not None:
            # where all draws are the largest, so is their mean, exactly, whatever a division leaves
            most = data.count * jnp.int32(self.highest)
            mean = jnp.where(data.total == most, float(self.highest), jnp.minimum(mean, self.highest))
            proper &= data.total <= most
        return self.law(jnp.where(proper, mean, jnp.nan))

    def at_rest(self, params: Mean) -> jax.Array:
        """Whether all draws are the same, boolean ``()``: a refit to them is the same law bit for bit."""
        return (params.variance == 0).all()

    def before(self, source: Source) -> Mean | None:
        return own_params(source, self) if _same_law(self, source) else None

    def blend(self, previous: Mean, fitted: Mean, rate: Number) -> Mean:
        """Linear in the mean."""
        return self.law(previous.mean + rate * (fitted.mean - previous.mean))

    def check(self, source: Source, sizes: np.ndarray) -> None:
        """Refuse sources that give no counts, or counts that this family cannot have, and totals beyond 32 bits."""
        name = type(self).__name__
        shape, dtype = row_type(source)
        if shape or not jnp.issubdtype(dtype, jnp.integer):
            raise TypeError(
                f"source must give counts, integers from 0, for {name}; this {type(source).__name__} gives {dtype} of "
                f"shape {('n', *shape)}: use a law on counts or a table of integers"
            )
        own, points = source.family if isinstance(source, Law) else None, rows_of(source)
        largest = (own.highest or arguments.LARGEST) if isinstance(own, OfCounts) else 0
        if self.highest is not None and largest > self.highest:
            raise ValueError(f"source must give counts up to {self.highest} for {self!r}, got a law of {own!r}")
        if self.highest is not None and points is not None and (most := int(points.max())) > self.highest:
            raise ValueError(f"trials must be at least {most}, the largest count of the table; got {self.highest}")
        mean, size = source_mean(source), int(sizes.max())
        expected = self.highest or (0.0 if mean is None else float(np.ravel(mean)[0]))
        if expected * size > arguments.LARGEST:
            what = "mean of the source" if self.highest is None else "trials"
            raise ValueError(
                f"size * {what} must be at most 2**31 - 1, the largest total, got {size} * {expected:g} = "
                f"{expected * size:.3g}: use a smaller size or fewer generations"
            )

    def project(self, source: Source) -> Mean | None:
        """The law with the mean of ``source``, where it is known."""
        mean = source_mean(source)
        return None if mean is None else self.law(mean)

    limit = project


@part
class Binomial(OfCounts):
    r"""Successes in a known number of trials; their mean is refitted. Parameters: a ``Mean``.

    The total of n draws is binomial with ``trials * n`` trials, so this is the haploid Wright-Fisher chain of two
    states with ``trials * size`` items: 0 and ``trials`` absorb, exactly.

    Parameters
    ----------
    trials
        1, the default, is the Bernoulli family.
    """

    trials: int = static(default=1)

    default_observables = ("mean", "absorbed")

    def __post_init__(self) -> None:
        arguments.converted(self, trials=arguments.count)

    @property
    def highest(self) -> int:
        return self.trials

    def variance(self, mean: jax.Array) -> jax.Array:
        """m (1 - m / trials), and exactly 0 at both ends."""
        return mean * ((self.trials - mean) / self.trials)

    def sums(self, key: jax.Array, mean: jax.Array, n: jax.Array) -> jax.Array:
        chance = jnp.where(mean == self.trials, 1.0, mean / self.trials)
        return binomial(key, n * jnp.int32(self.trials), chance)


@part
class Poisson(OfCounts):
    """Counts whose variance is their mean, which is refitted. Parameters: a ``Mean``.

    The total is a critical branching process: 0 absorbs, exactly, and every chain ends there although the mean over
    chains stays. A chain whose total passes 2^31 - 1 fails.
    """

    @property
    def highest(self) -> None:
        return None

    def variance(self, mean: jax.Array) -> jax.Array:
        """m."""
        return mean

    def sums(self, key: jax.Array, mean: jax.Array, n: jax.Array) -> jax.Array:
        return poisson(key, mean * n.astype(mean.dtype))


@part
class NegativeBinomial(OfCounts):
    r"""Failures before a known number of successes, r; their mean m is refitted. Parameters: a ``Mean``.

    One draw is k with probability :math:`\binom{k + r - 1}{k} (r/(r+m))^r (m/(r+m))^k`. 0 absorbs, exactly. A chain
    whose total passes 2^31 - 1 fails.

    Parameters
    ----------
    successes
        r, positive, not necessarily whole. 1, the default, is the geometric family; as r grows it becomes the Poisson
        family.
    """

    successes: Number = 1.0

    def __post_init__(self) -> None:
        arguments.converted(self, successes=arguments.positive)

    @property
    def highest(self) -> None:
        return None

    def variance(self, mean: jax.Array) -> jax.Array:
        """m (1 + m / r)."""
        return mean * (1 + mean / self.successes)

    def sums(self, key: jax.Array, mean: jax.Array, n: jax.Array) -> jax.Array:
        size = n.astype(mean.dtype)
        log_ratio = log_gamma(key, jnp.asarray(self.successes * size), mean.dtype, per_shape=True)
        return poisson(key, mean * size * jnp.exp(log_ratio), POISSON)


@part
class Gamma:
    r"""Positive numbers of known shape; their mean m is refitted, on a log scale. Parameters: a ``LogScale``.

    The variance is :math:`m^2/\text{shape}`. The mean over chains stays, while every chain sinks to 0 exponentially.
    Data sets drawn directly never underflow; rows do (in regimes that need items), and then the fit fails.

    Parameters
    ----------
    shape
        Positive, not necessarily whole. 1, the default, is the exponential family.
    """

    shape: Number = 1.0

    data = LogMean
    default_observables = ("mean", "log_mean")

    def __post_init__(self) -> None:
        arguments.converted(self, shape=arguments.positive)

    def law(self, log_mean: jax.Array) -> LogScale:
        """The law with this logarithm of the mean, ``(1,)``."""
        return LogScale(log_mean, 2 * log_mean - jnp.log(jnp.asarray(self.shape, log_mean.dtype)))

    def _log_means(self, key: jax.Array, log_mean: jax.Array, n: jax.Array) -> jax.Array:
        dtype = log_mean.dtype
        return log_mean + log_gamma(key, jnp.asarray(self.shape * n.astype(dtype)), dtype, per_shape=True)

    def draw(self, key: jax.Array, params: LogScale, n: Count, capacity: int = 0) -> LogMean:
        n = jnp.asarray(n, jnp.int32)
        return LogMean(n, self._log_means(key, params.log_mean, n))

    def draw_rows(self, key: jax.Array, params: LogScale, n: Count, capacity: int) -> Rows:
        """Points ``(capacity, 1)``."""
        one = jnp.ones((capacity, 1), jnp.int32)
        return Rows(jnp.exp(self._log_means(key, params.log_mean[None, :], one)), jnp.asarray(n, jnp.int32))

    def summarise(self, rows: Rows) -> LogMean:
        return LogMean(rows.count, log_mean_of(rows.points, rows))

    def fit(self, key: jax.Array, data: LogMean, previous: LogScale | None) -> LogScale:
        return self.law(data.log_mean)

    def before(self, source: Source) -> LogScale | None:
        return own_params(source, self) if _same_law(self, source) else None

    def blend(self, previous: LogScale, fitted: LogScale, rate: Number) -> LogScale:
        """Linear in the logarithm of the mean."""
        return self.law(previous.log_mean + rate * (fitted.log_mean - previous.log_mean))

    def check(self, source: Source, sizes: np.ndarray) -> None:
        """Refuse sources that do not give positive numbers."""
        check_one_column(self, source)
        check_table(self, source, lambda points: points <= 0, "positive")

    def project(self, source: Source) -> LogScale | None:
        """The law with the mean of ``source``, where it is known."""
        law = law_of(source, object)
        if isinstance(law, HasLogMean):
            return self.law(law.log_mean)
        mean = source_mean(source)
        return None if mean is None else self.law(jnp.log(mean))

    limit = project


def _same_law(family: Family, source: Source) -> bool:
    """Whether a law of ``source`` draws as ``family`` does: number of trials, of successes, shape."""
    return isinstance(source, Law) and repr(source.family) == repr(family)


def source_mean(source: Source) -> jax.Array | None:
    """Mean ``(d,)`` of ``source``, or ``()`` of a table of integers, where it is known."""
    moments = source.moments()
    if moments is not None:
        return moments[0]
    points = rows_of(source)
    return None if points is None else points.astype(jnp.result_type(float)).mean()


def log_mean_of(values: jax.Array, rows: Rows) -> jax.Array:
    """Logarithm ``(1,)`` of the mean of ``values`` ``(capacity, 1)`` over present rows; NaN if one is negative."""
    there = jnp.where(rows.present[:, None], values, 0.0)
    scale = there.max(0)
    size = jnp.maximum(rows.count, 1).astype(values.dtype)
    mean = jnp.log(scale) + jnp.log((there / jnp.where(scale > 0, scale, 1.0)[None, :]).sum(0) / size)
    return jnp.where((there >= 0).all(), mean, jnp.nan)


def _vector(mean: ArrayLike) -> jax.Array:
    return jnp.asarray(mean, jnp.result_type(float)).reshape(1)

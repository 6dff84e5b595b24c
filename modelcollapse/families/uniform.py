r"""A uniform law refitted by its largest draw shrinks at every fit; correcting the bias slows the collapse."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np

from modelcollapse import arguments
from modelcollapse.data import Rows
from modelcollapse.families.checks import check_apart, check_one_column, check_table
from modelcollapse.laws import law_of, own_params, rows_of
from modelcollapse.protocols import Count, Number, Source
from modelcollapse.pytree import part, static
from modelcollapse.sampling import exponential


@part
class Largest:
    """Number of draws and the logarithm of the largest; minus infinity if there are none."""

    count: jax.Array  # (), int32
    log_max: jax.Array  # (1,)

    @property
    def size(self) -> jax.Array:
        return self.count

    def __or__(self, other: Largest) -> Largest:
        return Largest(self.count + other.count, jnp.maximum(self.log_max, other.log_max))

    @staticmethod
    def capacity_for(size: int) -> int:
        """0: a maximum takes the same room whatever the size."""
        return 0


@part
class Interval:
    """The uniform law on [0, b] by the logarithm of b, ``(1,)``."""

    log_end: jax.Array

    @property
    def log_mean(self) -> jax.Array:
        """``(1,)``."""
        return self.log_end - np.log(2.0)

    @property
    def log_variance(self) -> jax.Array:
        """``(1,)``."""
        return 2 * self.log_end - np.log(12.0)

    @property
    def mean(self) -> jax.Array:
        """``(1,)``; underflows to 0 long after collapse."""
        return jnp.exp(self.log_mean)

    @property
    def covariance(self) -> jax.Array:
        """``(1, 1)``; underflows to 0 long after collapse."""
        return jnp.exp(self.log_variance)[:, None]


@part
class Uniform:
    r"""Uniform on [0, b], b refitted on a log scale. Parameters: an ``Interval``.

    A data set is its largest draw, :math:`b\,U^{1/M}` in law. Under replacement :math:`-M \ln(b_n/b_0)` is a sum of n
    standard exponentials with the maximum; the unbiased end still sinks, by about :math:`1/(2M^2)` per fit. A pool of
    everything keeps its first maximum. Data sets drawn directly never underflow; rows do (in regimes that need items),
    and then the fit fails. In float32 a step below half an ulp of ``log_end`` rounds to nothing: about 1/M against 6e-8
    times its size.

    Parameters
    ----------
    estimator
        ``"mle"``, the largest draw, or ``"unbiased"``, that times (M + 1) / M.
    """

    estimator: str = static(default="mle")

    data = Largest
    default_observables = ("mean", "log_end")

    def __post_init__(self) -> None:
        arguments.converted(self, estimator=estimator)

    def draw(self, key: jax.Array, params: Interval, n: Count, capacity: int = 0) -> Largest:
        n, dtype = jnp.asarray(n, jnp.int32), params.log_end.dtype
        # n draws below the end: ln max = ln b - E / n; of none, minus infinity
        return Largest(n, params.log_end - exponential(key, (1,), dtype) / n.astype(dtype))

    def draw_rows(self, key: jax.Array, params: Interval, n: Count, capacity: int) -> Rows:
        """Points ``(capacity, 1)``, above 0."""
        fraction = 1 - jax.random.uniform(key, (capacity, 1), params.log_end.dtype)
        return Rows(jnp.exp(params.log_end)[None, :] * fraction, jnp.asarray(n, jnp.int32))

    def summarise(self, rows: Rows) -> Largest:
        there = jnp.where(rows.present[:, None], rows.points, 0.0)
        return Largest(rows.count, jnp.where((there >= 0).all(), jnp.log(there.max(0)), jnp.nan))

    def fit(self, key: jax.Array, data: Largest, previous: Interval | None) -> Interval:
        if self.estimator == "mle":
            return Interval(data.log_max)
        return Interval(data.log_max + jnp.log1p(1 / data.count.astype(data.log_max.dtype)))

    def before(self, source: Source) -> Interval | None:
        return own_params(source, self)

    def blend(self, previous: Interval, fitted: Interval, rate: Number) -> Interval:
        """Linear in the logarithm of the end."""
        return Interval(previous.log_end + rate * (fitted.log_end - previous.log_end))

    def check(self, source: Source, sizes: np.ndarray) -> None:
        """Refuse sources that do not give numbers from 0 upwards."""
        check_one_column(self, source)
        check_table(self, source, lambda points: points < 0, "at least 0")
        check_apart(self, source, 0.0)

    def project(self, source: Source) -> Interval | None:
        """The uniform law up to the largest value of ``source``, where that is known."""
        points = rows_of(source)
        return law_of(source, Uniform) if points is None else Interval(jnp.log(points.max(0)))


estimator = arguments.checker(arguments.choice, ("mle", "unbiased"))
"""The estimators of a uniform end or of a Pareto index."""

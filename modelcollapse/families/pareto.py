r"""A Pareto tail refitted to its own draws dies out by maximum likelihood, and takes over with the unbiased index."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np

from modelcollapse import arguments
from modelcollapse.data import Rows
from modelcollapse.families.checks import check_apart, check_one_column, check_table
from modelcollapse.families.exponential import LogMean, log_mean_of
from modelcollapse.families.uniform import estimator
from modelcollapse.laws import Law, law_of, own_params, rows_of
from modelcollapse.protocols import Count, Number, Source
from modelcollapse.pytree import part, static
from modelcollapse.sampling import exponential, log_gamma


@part
class LogExcess(LogMean):
    """Number of rows x and the logarithm of the mean of ln(x / minimum), which is exponential."""


@part
class PowerLaw:
    r"""The Pareto law :math:`P(X > x) = (x_{\min}/x)^\alpha` by the logarithms of index and minimum, both ``(1,)``."""

    log_index: jax.Array
    log_minimum: jax.Array

    @property
    def log_mean(self) -> jax.Array:
        """``(1,)``; infinite for an index of 1 or less."""
        # alpha / (alpha - 1)
        return self.log_minimum - _log_one_minus(-self.log_index)

    @property
    def log_variance(self) -> jax.Array:
        """``(1,)``; infinite for an index of 2 or less."""
        # alpha / ((alpha - 1)^2 (alpha - 2))
        spread = 2 * _log_one_minus(-self.log_index) + _log_one_minus(np.log(2.0) - self.log_index)
        return 2 * (self.log_minimum - self.log_index) - spread

    @property
    def mean(self) -> jax.Array:
        """``(1,)``; infinite for an index of 1 or less."""
        return jnp.exp(self.log_mean)


def _log_one_minus(log_x: jax.Array) -> jax.Array:
    """ln(1 - x) from ln x, minus infinity where x is 1 or more."""
    below = log_x < 0
    return jnp.where(below, jnp.log1p(-jnp.exp(jnp.where(below, log_x, -1.0))), -jnp.inf)


@part
class Pareto:
    r"""Pareto with known minimum; the tail index alpha is refitted on a log scale. Parameters: a ``PowerLaw``.

    The logarithms :math:`\ln(x/x_{\min})` are exponential with mean :math:`1/\alpha`, so a data set is drawn as one
    gamma variate. Under replacement :math:`\ln\alpha` rises by :math:`\ln M - \psi(M) > 0` per fit by maximum
    likelihood (no tails in the end), and falls by :math:`\psi(M) - \ln(M - 1)` with the unbiased estimator (nothing but
    tails): the estimator decides which way the model collapses. Data sets drawn directly never overflow. Rows do (in
    regimes that need items): beyond the range of the floating type, or once :math:`1/\alpha` is below an ulp and all
    rows are the minimum; then the fit fails.

    Parameters
    ----------
    minimum
        Known, positive.
    estimator
        ``"mle"``, :math:`M / \sum \ln(x/x_{\min})`, or ``"unbiased"``, that times (M - 1) / M; the latter needs two
        draws.
    """

    minimum: Number = 1.0
    estimator: str = static(default="mle")

    data = LogExcess
    default_observables = ("mean", "log_index")

    def __post_init__(self) -> None:
        arguments.converted(self, minimum=arguments.positive, estimator=estimator)

    def law(self, log_index: jax.Array) -> PowerLaw:
        """The law with this logarithm of the index, ``(1,)``."""
        return PowerLaw(log_index, jnp.log(jnp.asarray(self.minimum, log_index.dtype)).reshape(1))

    def draw(self, key: jax.Array, params: PowerLaw, n: Count, capacity: int = 0) -> LogExcess:
        n, dtype = jnp.asarray(n, jnp.int32), params.log_index.dtype
        return LogExcess(n, log_gamma(key, n.astype(dtype), dtype, per_shape=True) - params.log_index)

    def draw_rows(self, key: jax.Array, params: PowerLaw, n: Count, capacity: int) -> Rows:
        """Points ``(capacity, 1)``."""
        dtype = params.log_index.dtype
        excess = exponential(key, (capacity, 1), dtype) * jnp.exp(-params.log_index)[None, :]
        # a product, because the exponential of ln(minimum) may round to less than the minimum
        return Rows(jnp.asarray(self.minimum, dtype) * jnp.exp(excess), jnp.asarray(n, jnp.int32))

    def summarise(self, rows: Rows) -> LogExcess:
        minimum = jnp.asarray(self.minimum, rows.points.dtype)
        return LogExcess(rows.count, log_mean_of(jnp.log(rows.points / minimum), rows))

    def fit(self, key: jax.Array, data: LogExcess, previous: PowerLaw | None) -> PowerLaw:
        if self.estimator == "mle":
            return self.law(-data.log_mean)
        return self.law(jnp.log1p(-1 / data.count.astype(data.log_mean.dtype)) - data.log_mean)

    def before(self, source: Source) -> PowerLaw | None:
        return own_params(source, self)

    def blend(self, previous: PowerLaw, fitted: PowerLaw, rate: Number) -> PowerLaw:
        """Linear in the logarithm of the index."""
        return self.law(previous.log_index + rate * (fitted.log_index - previous.log_index))

    def check(self, source: Source, sizes: np.ndarray) -> None:
        """Refuse sources that do not give numbers from the minimum upwards, and one draw for the unbiased index."""
        check_one_column(self, source)
        minimum = float(self.minimum)
        check_table(self, source, lambda points: points < minimum, f"at least the minimum {minimum:g}")
        check_apart(self, source, minimum)
        own = source.family if isinstance(source, Law) else None
        if isinstance(own, Pareto) and float(own.minimum) != minimum:
            raise ValueError(f"minimum must be {float(own.minimum):g}, as in the source; got {minimum:g}")
        if self.estimator == "unbiased" and sizes.min() < 2:
            raise ValueError(
                f"size must be at least 2 for the unbiased index, whose factor is M - 1; got {sizes.min()}"
            )

    def fewest(self, params: PowerLaw) -> int:
        """2 for the unbiased index."""
        return 2 if self.estimator == "unbiased" else 1

    def project(self, source: Source) -> PowerLaw | None:
        """The law with the true mean of ln(x / minimum), where that is known."""
        points = rows_of(source)
        if points is None:
            return law_of(source, Pareto)
        every = Rows(points, jnp.asarray(points.shape[0], jnp.int32))
        return self.law(-self.summarise(every).log_mean)

"""What is real: a law, a table of rows, or any sampler; each gives rows, and a law gives its own data sets directly."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import ArrayLike

from modelcollapse.data import Rows
from modelcollapse.families.discrete import Discrete
from modelcollapse.families.exponential import Binomial, Gamma, NegativeBinomial, Poisson
from modelcollapse.families.gaussian import Gaussian, Normal
from modelcollapse.families.mixture import GaussianMixture, NormalMixture
from modelcollapse.families.pareto import Pareto
from modelcollapse.families.regression import Design, Linear, NormalRows, Regression
from modelcollapse.families.uniform import Interval, Uniform
from modelcollapse.families.vae import check_pixels
from modelcollapse.location import loses, mean_and_spread
from modelcollapse.pytree import part, static
from modelcollapse.sampling import multinomial


@part
class Law:
    """A family with parameters: anything that can be drawn from, real or fitted.

    ``exact``: the same parameters with their location in float64 on the host, where the type in force cannot hold it.
    """

    family: Any
    params: Any
    exact: Any = None

    def draw_rows(self, key: jax.Array, n: Any, capacity: int) -> Rows:
        return self.family.draw_rows(key, self.params, n, capacity)

    def moments(self) -> tuple[jax.Array, jax.Array] | None:
        """Mean ``(d,)`` and covariance ``(d, d)``, or None for a law without points."""
        params = self.params
        return (params.mean, params.covariance) if hasattr(params, "covariance") else None


@part
class Table:
    """Real rows ``(N, d)``, or ``(N,)`` integers for states; drawn with replacement, or without.

    Without replacement each data set is a random subset of its own, so no sample size may exceed N. With replacement is
    the empirical law itself. ``exact``: the rows in float64 on the host, where they lie so far from 0 that the type in force
    loses digits of their spread.
    """

    points: jax.Array
    replace: bool = static(default=True)
    exact: Any = None

    def draw_rows(self, key: jax.Array, n: Any, capacity: int) -> Rows:
        size = self.points.shape[0]
        if self.replace:
            chosen = jax.random.randint(key, (capacity,), 0, size, jnp.int32)
            return Rows(jnp.asarray(self.points)[chosen], jnp.asarray(n, jnp.int32))
        return Rows(jnp.asarray(self.points), jnp.asarray(size, jnp.int32)).take(key, n, capacity)

    def moments(self) -> tuple[jax.Array, jax.Array] | None:
        """Mean and covariance (divisor N) of the table as a law."""
        if self.points.ndim != 2:
            return None
        mean = self.points.mean(0)
        centred = self.points - mean[None, :]
        return mean, centred.T @ centred / self.points.shape[0]

    def frequencies(self, states: int) -> jax.Array | None:
        """Relative frequencies ``(states,)`` of an integer table."""
        if self.points.ndim != 1:
            return None
        dtype = jnp.result_type(float)
        counts = jnp.zeros(states, jnp.int32).at[self.points].add(1)
        return counts.astype(dtype) / jnp.asarray(self.points.shape[0], dtype)


@part
class Sampler:
    """Any law that can be sampled: ``draw(key, n)`` gives rows ``(n, d)`` with JAX operations, n a plain integer.

    Nothing else is known of it, so observables that compare with the truth are refused.
    """

    draw: Callable[[jax.Array, int], jax.Array] = static()

    def draw_rows(self, key: jax.Array, n: Any, capacity: int) -> Rows:
        points = self.draw(key, capacity)
        if points.shape[:1] != (capacity,) or points.ndim not in (1, 2):
            raise ValueError(f"a sampler must return rows of shape (n, d), got {points.shape} for n = {capacity}")
        return Rows(points, jnp.asarray(n, jnp.int32))

    def moments(self) -> None:
        return None


@part
class Stream:
    """Draws of one law, as the data sets that a family is fitted to.

    If the law's own family gives the same kind of data set, that is drawn directly; otherwise rows are drawn and
    summarised. ``items`` keeps what has subsets: a kind of data set that has none is then replaced by rows. A family with
    ``population(law, n)`` sees the law itself.
    """

    law: Any
    family: Any
    capacity: int = static()
    items: bool = static(default=False)

    @property
    def rows(self) -> bool:
        """Whether data sets are plain rows, for want of subsets in the family's own kind."""
        return self.items and not hasattr(self.family.data, "take")

    def draw(self, key: jax.Array, n: Any) -> Any:
        """A data set of ``n`` (at most ``capacity``) independent draws; n may be traced."""
        if hasattr(self.family, "population"):
            return self.family.population(self.law, n)
        own = getattr(self.law, "family", None)
        if own is not None and own.data is self.family.data and not self.rows:
            return own.draw(key, self.law.params, n, self.capacity)
        rows = self.law.draw_rows(key, n, self.capacity)
        return rows if self.rows else self.family.summarise(rows)

    def split(self, key: jax.Array, n: Any, shares: jax.Array) -> jax.Array:
        """How many of ``n`` draws come from each part of a mixture; ``shares`` (k,) sum to 1. Where a law is seen, exactly its share."""
        if hasattr(self.family, "population"):
            return n.astype(shares.dtype) * shares
        return multinomial(key, n, shares)


def categorical(weights: ArrayLike, *, normalise: bool = False) -> Law:
    """A law on K states.

    Parameters
    ----------
    weights
        Probabilities ``(K,)``; or, with ``normalise=True``, any nonnegative weights, such as counts.

    Raises
    ------
    ValueError
        If a weight is negative or not finite, or the sum is not 1 (within 1e-6) and ``normalise`` is not set.
    """
    p = np.asarray(weights, dtype=np.float64)
    if p.ndim != 1 or p.size == 0:
        raise ValueError(f"weights must be a vector with one entry for each state, got shape {p.shape}")
    if not np.all(np.isfinite(p)):
        raise ValueError(
            f"weights must be finite, got {p[~np.isfinite(p)][0]} at state {int(np.argmin(np.isfinite(p)))}"
        )
    if np.any(p < 0):
        raise ValueError(f"weights must not be negative, got {p.min():g} at state {int(p.argmin())}")
    total = p.sum()
    if total <= 0:
        raise ValueError("weights must not all be zero")
    if not normalise and abs(total - 1) > 1e-6:
        raise ValueError(f"weights must sum to 1, got a sum of {total:.9g}; for counts or weights pass normalise=True")
    return Law(Discrete(), jnp.asarray(p / total, jnp.result_type(float)))


def normal(mean: ArrayLike = 0.0, covariance: ArrayLike = 1.0) -> Law:
    """A normal law: mean ``()`` or ``(d,)``, covariance ``()`` (a variance, times the identity) or ``(d, d)``.

    Raises
    ------
    ValueError
        If the covariance is not symmetric positive definite, or an entry is not finite in the type in force.
    """
    mu = np.atleast_1d(np.asarray(mean, dtype=np.float64))
    sigma = np.asarray(covariance, dtype=np.float64)
    if mu.ndim != 1:
        raise ValueError(f"mean must be a number or a vector, got shape {mu.shape}")
    if sigma.ndim == 0:
        sigma = sigma * np.eye(mu.size)
    elif mu.size == 1 and np.ndim(mean) == 0 and sigma.ndim == 2:
        mu = np.full(sigma.shape[0], mu[0])
    params = _normal("mean", mu, "covariance", sigma)
    far = loses(mu, np.sqrt(np.diagonal(sigma)))
    return Law(Gaussian(), params, exact=dataclasses.replace(params, mean=mu) if far else None)


def normal_mixture(weights: ArrayLike, means: ArrayLike, covariances: ArrayLike) -> Law:
    """A mixture of k normal laws: weights ``(k,)``, means ``(k,)`` or ``(k, d)``, covariances ``(k,)`` or ``(k, d, d)``.

    Raises
    ------
    ValueError
        As ``categorical`` does for the weights and ``normal`` for each component.
    """
    p = categorical(weights).params
    mu = np.asarray(means, dtype=np.float64)
    mu = mu[:, None] if mu.ndim == 1 else mu
    if mu.shape[:1] != p.shape or mu.ndim != 2:
        raise ValueError(f"means must have shape (k, d) with k = {p.size} weights, got {np.shape(means)}")
    sigma = np.asarray(covariances, dtype=np.float64)
    if sigma.ndim == 1:
        sigma = sigma[:, None, None] * np.eye(mu.shape[1])
    if sigma.shape != (*mu.shape, mu.shape[1]):
        raise ValueError(
            f"covariances must have shape (k, d, d) = {(*mu.shape, mu.shape[1])}, got {np.shape(covariances)}"
        )
    parts = [_normal(f"means[{i}]", mu[i], f"covariances[{i}]", sigma[i]) for i in range(p.size)]
    factors = jnp.stack([c.factor for c in parts])
    params = NormalMixture(p, jnp.stack([c.mean for c in parts]), factors)
    centre = np.average(mu, 0, np.asarray(weights, np.float64))
    within = np.diagonal(sigma, axis1=1, axis2=2) + (mu - centre) ** 2
    far = loses(centre, np.sqrt(np.average(within, 0, np.asarray(weights, np.float64))))
    return Law(GaussianMixture(p.size), params, exact=dataclasses.replace(params, means=mu) if far else None)


def linear(
    weights: ArrayLike, covariance: ArrayLike = 1.0, *, noise: float = 1.0, design: ArrayLike | None = None
) -> Law:
    """Rows x with labels y = w . x + noise: weights ``(d,)``, covariance of x ``()`` or ``(d, d)``, deviation of the noise.

    Covariates are normal with mean 0 and fresh each time; or those of ``design`` (T, d), the same each time: then n draws
    are labels of its first n rows, and an error is judged on its own rows, unless a covariance matrix is given. The family
    of the law refits it by least squares: ``simulate(source.family, source, ...)``.

    Raises
    ------
    ValueError
        If an entry is not finite, the noise is negative, the covariance is not symmetric positive definite, or shapes differ.
    """
    w = np.atleast_1d(np.asarray(weights, np.float64))
    if w.ndim != 1 or not np.all(np.isfinite(w)):
        raise ValueError(f"weights must be a finite vector, got {weights!r}")
    sigma = np.asarray(covariance, np.float64)
    sigma = sigma * np.eye(w.size) if sigma.ndim == 0 else sigma
    factor = _normal("weights", w, "covariance", sigma).factor
    if design is None:
        return Law(Regression(NormalRows(factor), noise), Linear(jnp.asarray(w, factor.dtype)))
    rows = Design(np.asarray(design), None if np.ndim(covariance) == 0 else factor)
    if rows.dimension != w.size:
        raise ValueError(f"design must have {w.size} columns, one for each weight, got {rows.dimension}")
    return Law(Regression(rows, noise), Linear(jnp.asarray(w, factor.dtype)))


def _held(name: str, values: np.ndarray) -> jax.Array:
    """``values`` in the type in force; ValueError if one is larger than it has numbers."""
    dtype = jnp.result_type(float)
    largest, worst = float(jnp.finfo(dtype).max), np.abs(values).max()
    if worst > largest:
        raise ValueError(
            f"{name} must be at most {largest:.3g}, the largest {dtype}, got {worst:g}: divide by a constant, "
            "or set jax.config.update('jax_enable_x64', True)"
        )
    return jnp.asarray(values, dtype)


def _normal(mean_name: str, mean: np.ndarray, name: str, covariance: np.ndarray) -> Any:
    if not np.all(np.isfinite(mean)):
        raise ValueError(f"{mean_name} must be finite, got {mean}")
    if covariance.shape != (mean.size, mean.size):
        raise ValueError(f"{name} must have shape {(mean.size, mean.size)}, got {covariance.shape}")
    if not np.all(np.isfinite(covariance)):
        raise ValueError(f"{name} must be finite, got {covariance}")
    if not np.allclose(covariance, covariance.T, rtol=1e-9, atol=0):
        raise ValueError(f"{name} must be symmetric, got {covariance}")
    spectrum = np.linalg.eigvalsh(covariance)
    if spectrum[0] <= 0 or spectrum[0] < 1e-14 * spectrum[-1]:
        raise ValueError(f"{name} must be positive definite, got eigenvalues {spectrum}")
    dtype = jnp.result_type(float)
    lower = np.linalg.cholesky((covariance + covariance.T) / 2)
    pivot = np.diagonal(lower)
    _held(f"the standard deviation of {name}", np.sqrt(np.diagonal(covariance)))
    return Normal(_held(mean_name, mean), jnp.asarray(lower / pivot, dtype), jnp.asarray(np.log(pivot), dtype))


def bernoulli(chance: float) -> Law:
    """A law on 0 and 1, with probability ``chance`` in [0, 1] of a 1; the ``Binomial`` law of one trial. ValueError outside."""
    return binomial(1, chance)


def binomial(trials: int, chance: float) -> Law:
    """Successes in ``trials`` trials of probability ``chance`` in [0, 1]. ValueError for anything else."""
    p = _number("chance", chance, 0, 1)
    family = Binomial(trials)
    return Law(family, family.law(family.trials * p))


def poisson(mean: float) -> Law:
    """Poisson counts with a mean of at least 0. ValueError for a negative or infinite one."""
    return Law(Poisson(), Poisson().law(_number("mean", mean, 0)))


def negative_binomial(mean: float, successes: float) -> Law:
    """Failures before a number of ``successes`` (positive, not necessarily whole), with a mean of at least 0.

    The variance is ``mean + mean**2 / successes``. ValueError for arguments out of range.
    """
    family = NegativeBinomial(successes)
    return Law(family, family.law(_number("mean", mean, 0)))


def exponential(mean: float = 1.0) -> Law:
    """Exponential waiting times with a positive mean; the ``Gamma`` law of shape 1. ValueError for a mean out of range."""
    return gamma(mean, 1.0)


def gamma(mean: float, shape: float) -> Law:
    """Gamma law with positive mean and shape: scale ``mean / shape``, variance ``mean**2 / shape``. ValueError out of range."""
    family = Gamma(shape)
    return Law(family, family.law(_log("mean", mean)))


def uniform(end: float = 1.0) -> Law:
    """The uniform law on [0, ``end``]. ValueError unless the end is finite and positive."""
    return Law(Uniform(), Interval(_log("end", end)))


def pareto(index: float, minimum: float = 1.0) -> Law:
    r"""The Pareto law :math:`P(X > x) = (x_{\min}/x)^\alpha` with tail index :math:`\alpha`.

    The mean is infinite for an index of 1 or less, the variance for one of 2 or less. ValueError unless both are positive.
    """
    family = Pareto(minimum)
    return Law(family, family.law(_log("index", index)))


def _log(name: str, value: float) -> jax.Array:
    return jnp.log(jnp.asarray([_number(name, value, 0, above=True)], jnp.result_type(float)))


def _number(name: str, value: float, low: float, high: float = np.inf, *, above: bool = False) -> float:
    number = np.asarray(value)
    if number.ndim or number.dtype.kind not in "iuf":
        raise TypeError(f"{name} must be one number, got {value!r}")
    if not low <= number <= high or not np.isfinite(number) or (above and number == low):
        where = (
            f"lie in [{low:g}, {high:g}]"
            if np.isfinite(high)
            else "be finite and " + ("positive" if above else "at least 0")
        )
        raise ValueError(f"{name} must {where}, got {value!r}")
    return float(number)


def table(rows: ArrayLike, *, replace: bool = True) -> Table:
    """Real data: rows ``(N, d)``, ``(N,)`` measurements, or ``(N,)`` integers as states 0 .. K - 1.

    Raises
    ------
    ValueError
        If the table is empty, has a NaN or an entry that is infinite in the type in force, or a negative state.
    """
    points = np.asarray(rows)
    if points.size == 0:
        raise ValueError(f"a table must have at least one row and one column, got shape {points.shape}")
    if points.dtype.kind in "iub" and points.ndim == 1:
        if points.min() < 0:
            raise ValueError(f"states must be 0 or more, got {points.min()} in row {int(points.argmin())}")
        return Table(jnp.asarray(points, jnp.int32), bool(replace))
    if points.dtype.kind not in "iufb" or points.ndim not in (1, 2):
        raise ValueError(
            f"a table must hold numbers in rows of shape (N, d), got {points.dtype} of shape {points.shape}"
        )
    points = points.astype(np.float64)
    points = points[:, None] if points.ndim == 1 else points
    bad = ~np.isfinite(points).all(1)
    if bad.any():
        raise ValueError(
            f"rows must be finite, got {points[bad][0]} in row {int(bad.argmax())} ({int(bad.sum())} such rows)"
        )
    return _table(points, replace)


def _table(rows: np.ndarray, replace: bool) -> Table:
    """Finite rows ``(N, d)`` of float64, kept in float64 besides where the type in force loses digits of their spread."""
    return Table(_held("rows", rows), bool(replace), exact=rows if loses(*mean_and_spread(rows)) else None)


def images(pixels: ArrayLike, labels: ArrayLike | None = None, *, replace: bool = True) -> Table:
    """Real images ``(n, height, width)`` in [0, 1] as a table of rows ``(n, height * width)``; flat ones may be given as they are.

    With ``labels`` ``(n,)``, integers from 0, each row ends with its label, as ``Conditional`` wants it.

    Raises
    ------
    ValueError
        For another shape, for pixels that are not in [0, 1], and for labels that are not as many whole numbers from 0.
    """
    array = np.asarray(pixels)
    if array.ndim not in (2, 3) or not array.size or array.dtype.kind not in "iufb":
        raise ValueError(
            f"images must be numbers in an array (n, height, width) or (n, pixels), got {array.dtype} of shape {array.shape}"
        )
    rows = array.reshape(array.shape[0], -1).astype(np.float64)
    check_pixels(rows)
    if labels is not None:
        classes = np.asarray(labels)
        if classes.shape != rows.shape[:1] or classes.dtype.kind not in "iu" or classes.min() < 0:
            raise ValueError(
                f"labels must be {rows.shape[0]} whole numbers from 0, one for each image, "
                f"got {classes.dtype} of shape {classes.shape}" + (f" from {classes.min()}" if classes.size else "")
            )
        rows = np.concatenate([rows, classes[:, None].astype(np.float64)], axis=1)
    return table(rows, replace=replace)


def sampler(draw: Callable[[jax.Array, int], jax.Array]) -> Sampler:
    """Wrap ``draw(key, n) -> (n, d)``."""
    if not callable(draw):
        raise TypeError(f"draw must be a function of (key, n), got {draw!r}")
    return Sampler(draw)

"""What is real: a law, a table of rows, or any sampler; each gives rows, and a law gives its own data sets directly."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Hashable, Iterable, Mapping

import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import ArrayLike

from modelcollapse import _containers, arguments
from modelcollapse.families.discrete import Discrete
from modelcollapse.families.exponential import Binomial, Gamma, NegativeBinomial, Poisson
from modelcollapse.families.gaussian import Gaussian, Normal
from modelcollapse.families.generalised import LogisticRegression, PoissonRegression
from modelcollapse.families.mixture import GaussianMixture, NormalMixture
from modelcollapse.families.pareto import Pareto
from modelcollapse.families.regression import Design, Linear, NormalRows, Regression
from modelcollapse.families.uniform import Interval, Uniform
from modelcollapse.families.vae import check_pixels
from modelcollapse.forks import computes
from modelcollapse.laws import Law, Sampler, Table
from modelcollapse.location import loses, mean_and_spread
from modelcollapse.names import Names
from modelcollapse.numeric import in_force
from modelcollapse.protocols import Family, Reads, ReadsTokens, Source
from modelcollapse.pytree import used
from modelcollapse.text.source import tokens as tokens
from modelcollapse.together import separate as separate

__all__ = [
    "Law",
    "bernoulli",
    "binomial",
    "categorical",
    "counts",
    "exponential",
    "gamma",
    "images",
    "labels",
    "linear",
    "log_linear",
    "logistic",
    "negative_binomial",
    "normal",
    "normal_mixture",
    "pareto",
    "poisson",
    "sampler",
    "separate",
    "table",
    "tokens",
    "uniform",
]


@computes
def categorical(weights: ArrayLike | Mapping[Hashable, float], *, normalise: bool = False) -> Law:
    """A law on K states.

    Parameters
    ----------
    weights
        Probabilities ``(K,)``; or, with ``normalise=True``, any nonnegative weights, such as counts. A mapping, or a
        series with an index of its own, names the states.

    Raises
    ------
    ValueError
        If a weight is negative or not finite, or the sum is not 1 (within 1e-6) and ``normalise`` is not set.
    TypeError
        If the weights are not real numbers.
    """
    values, names = _containers.named_weights("weights", weights)
    try:
        p = arguments.law("weights", values, arguments.flag("normalise", normalise))
    except ValueError as error:
        if names is None or "normalise=True" not in str(error):
            raise
        raise ValueError(f"{error}, or use counts(...)") from None
    return _categorical(p, names)


@computes
def counts(mapping: ArrayLike | Mapping[Hashable, float]) -> Law:
    """The law of counts by name, in the order given.

    ``counts({"cat": 3, "dog": 5})``; a ``Counter`` or ``series.value_counts()`` will do.

    Raises
    ------
    TypeError
        If there are no names, as in a list: ``categorical(counts, normalise=True)`` takes counts alone.
    ValueError
        If a count is negative or not whole, all are zero, or two states have one name.
    """
    if not isinstance(mapping, Mapping) and not _containers.has_own_index(mapping):
        raise TypeError(
            "mapping must give counts by name, a mapping or a series with an index of names, got "
            f"{type(mapping).__name__}: categorical(counts, normalise=True) takes counts alone, labels(values) one "
            "label for each row"
        )
    values, names = _containers.named_weights("counts", mapping)
    p = arguments.law("counts", values, normalise=True)
    number = np.array([float(value) for value in values])
    if np.any(broken := number != np.floor(number)):
        raise ValueError(
            f"counts must be whole, got {number[broken][0]:g} for {names[int(broken.argmax())]!r}: "  # type: ignore[index]
            "categorical(mapping) takes probabilities"
        )
    return _categorical(p, names)


def _categorical(p: np.ndarray, names: tuple | None) -> Law:
    return Law(Discrete(), in_force(p), named=Names.of(names))


@computes
def normal(mean: ArrayLike = 0.0, covariance: ArrayLike = 1.0) -> Law:
    """A normal law: mean ``()`` or ``(d,)``, covariance ``()`` (a variance, times the identity) or ``(d, d)``.

    Raises
    ------
    ValueError
        If the covariance is not symmetric positive definite, or an entry is not finite.
    """
    mu = arguments.array("mean", mean, ndim=(0, 1), least=1)
    sigma = arguments.array("covariance", covariance)
    if mu.ndim == 0:
        mu = np.full(sigma.shape[0] if sigma.ndim == 2 else 1, float(mu))
    if sigma.ndim == 0:
        sigma = sigma * np.eye(mu.size)
    params = _normal(mu, "covariance", sigma, "mean")
    far = loses(mu, np.sqrt(np.diagonal(sigma)))
    return Law(Gaussian(), params, exact=dataclasses.replace(params, mean=mu) if far else None)  # type: ignore[arg-type]


@computes
def normal_mixture(weights: ArrayLike, means: ArrayLike, covariances: ArrayLike, *, normalise: bool = False) -> Law:
    """A mixture of k normal laws.

    Weights have shape ``(k,)``, means ``(k,)`` or ``(k, d)``, covariances ``(k,)`` or ``(k, d, d)``. With
    ``normalise=True`` the weights may have any sum.

    Raises
    ------
    ValueError, TypeError
        As ``categorical`` does for the weights and ``normal`` for each component.
    """
    p = categorical(weights, normalise=normalise).params
    mu = arguments.array("means", means, least=1)
    mu = mu[:, None] if mu.ndim == 1 else mu
    if mu.shape[:1] != p.shape or mu.ndim != 2:
        raise ValueError(f"means must have shape (k, d) with k = {p.size} weights, got {np.shape(means)}")
    sigma = arguments.array("covariances", covariances)
    if sigma.ndim == 1:
        sigma = sigma[:, None, None] * np.eye(mu.shape[1])
    if sigma.shape != (*mu.shape, mu.shape[1]):
        raise ValueError(
            f"covariances must have shape (k, d, d) = {(*mu.shape, mu.shape[1])}, got {np.shape(covariances)}"
        )
    parts = [_normal(mu[i], f"covariances[{i}]", sigma[i], "means") for i in range(p.size)]
    factors = np.stack([c.factor for c in parts])
    params = NormalMixture(p, np.stack([c.mean for c in parts]), factors)  # type: ignore[arg-type]
    far = loses(*_of_mixture(np.asarray(p, np.float64), mu, sigma))
    return Law(GaussianMixture(p.size), params, exact=NormalMixture(p, mu, factors) if far else None)  # type: ignore[arg-type]


def _of_mixture(weights: np.ndarray, means: np.ndarray, covariances: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean and standard deviation ``(d,)`` of a mixture."""
    centre = weights @ means
    return centre, np.sqrt(weights @ (np.diagonal(covariances, axis1=1, axis2=2) + (means - centre) ** 2))


@computes
def linear(
    weights: ArrayLike, covariance: ArrayLike = 1.0, *, noise: float = 1.0, design: ArrayLike | None = None
) -> Law:
    """Rows x with labels y = w . x + noise: weights ``(d,)``, covariance of x ``()`` or ``(d, d)``, noise by deviation.

    Covariates are normal with mean 0 and fresh each time; or those of ``design`` (T, d), the same each time: then n
    draws are labels of its first n rows, and an error is judged on its own rows, unless a covariance matrix is given.
    The family of the law refits it by least squares: ``simulate(source.family, source, ...)``.

    Raises
    ------
    ValueError
        If an entry is not finite, the noise negative, the covariance not symmetric positive definite, or shapes differ.
    """
    noise = noise if arguments.traced(noise) else arguments.nonnegative("noise", noise)
    rows, params = _labelled(weights, covariance, design)
    return Law(Regression(rows, noise), params)


@computes
def logistic(weights: ArrayLike, covariance: ArrayLike = 1.0, *, design: ArrayLike | None = None) -> Law:
    """Rows x with labels 1 of chance 1/(1 + exp(-w . x)), else 0; covariates, refits and errors as for ``linear``."""
    rows, params = _labelled(weights, covariance, design)
    return Law(LogisticRegression(rows), params)


@computes
def log_linear(weights: ArrayLike, covariance: ArrayLike = 1.0, *, design: ArrayLike | None = None) -> Law:
    """Rows x with Poisson counts of mean exp(w . x) as labels; covariates, refits and errors as for ``linear``."""
    rows, params = _labelled(weights, covariance, design)
    return Law(PoissonRegression(rows), params)


def _labelled(
    weights: ArrayLike, covariance: ArrayLike, design: ArrayLike | None
) -> tuple[NormalRows | Design, Linear]:
    w = np.atleast_1d(arguments.array("weights", weights, ndim=(0, 1), least=1))
    given = arguments.array("covariance", covariance)
    factor = _normal(w, "covariance", given * np.eye(w.size) if given.ndim == 0 else given, "weights").factor
    params = Linear(jnp.asarray(w, factor.dtype))
    if design is None:
        return NormalRows(factor), params
    rows = Design(arguments.array("design", design, ndim=2, least=1), None if given.ndim == 0 else factor)
    if rows.dimension != w.size:
        raise ValueError(f"design must have {w.size} columns, one for each entry of weights, got {rows.dimension}")
    return rows, params


def _normal(mean: np.ndarray, name: str, covariance: np.ndarray, beside: str) -> Normal:
    if covariance.shape != (mean.size, mean.size):
        raise ValueError(f"{name} must have shape {(mean.size, mean.size)} to go with {beside}, got {covariance.shape}")
    if not np.allclose(covariance, covariance.T, rtol=1e-9, atol=0):
        raise ValueError(f"{name} must be symmetric, got {covariance}")
    spectrum = np.linalg.eigvalsh(covariance)
    if spectrum[0] <= 0 or spectrum[0] < 1e-14 * spectrum[-1]:
        raise ValueError(f"{name} must be positive definite, got eigenvalues {spectrum}")
    lower = np.linalg.cholesky((covariance + covariance.T) / 2)
    pivot = np.diagonal(lower)
    return Normal(in_force(mean), in_force(lower / pivot), in_force(np.log(pivot)))  # type: ignore[arg-type]


def bernoulli(chance: float) -> Law:
    """A law on 0 and 1, with probability ``chance`` in [0, 1] of a 1: ``binomial`` with one trial."""
    return binomial(1, chance)


@computes
def binomial(trials: int, chance: float) -> Law:
    """Successes in ``trials`` trials of probability ``chance`` in [0, 1]. ValueError for anything else."""
    p = arguments.share("chance", chance)
    family = Binomial(arguments.count("trials", trials))
    return Law(family, family.law(family.trials * p))


@computes
def poisson(mean: float) -> Law:
    """Poisson counts with a mean of at least 0. ValueError for a negative or infinite one."""
    return Law(Poisson(), Poisson().law(arguments.nonnegative("mean", mean)))


@computes
def negative_binomial(mean: float, successes: float) -> Law:
    """Failures before a number of ``successes`` (positive, not necessarily whole), with a mean of at least 0.

    The variance is ``mean + mean**2 / successes``. ValueError for arguments out of range.
    """
    family = NegativeBinomial(arguments.positive("successes", successes))
    law = family.law(arguments.nonnegative("mean", mean))
    if not arguments.traced(law) and not np.isfinite(law.variance).all():
        raise ValueError(
            f"mean + mean**2 / successes, the variance, must be finite in {law.mean.dtype}, got mean = {mean!r} and "
            f"successes = {successes!r}"
        )
    return Law(family, law)


def exponential(mean: float = 1.0) -> Law:
    """Exponential waiting times with a positive mean: ``gamma`` with shape 1."""
    return gamma(mean, 1.0)


@computes
def gamma(mean: float, shape: float) -> Law:
    """Gamma law of scale ``mean / shape``, variance ``mean**2 / shape``. ValueError unless both are positive."""
    family = Gamma(arguments.positive("shape", shape))
    return Law(family, family.law(_log("mean", mean)))


@computes
def uniform(end: float = 1.0) -> Law:
    """The uniform law on [0, ``end``]. ValueError unless the end is finite and positive."""
    return Law(Uniform(), Interval(_log("end", end)))


@computes
def pareto(index: float, minimum: float = 1.0) -> Law:
    r"""The Pareto law :math:`P(X > x) = (x_{\min}/x)^\alpha` with tail index :math:`\alpha`.

    The mean is infinite for an index of 1 or less, the variance for one of 2 or less. ValueError unless both arguments
    are positive.
    """
    family = Pareto(arguments.positive("minimum", minimum))
    return Law(family, family.law(_log("index", index)))


def _log(name: str, value: float) -> jax.Array:
    positive = arguments.positive(name, value)
    if arguments.traced(positive):
        return jnp.log(jnp.asarray(positive, jnp.result_type(float))[None])
    return in_force(np.log([positive]))  # type: ignore[return-value]


@computes
def table(rows: ArrayLike, *, replace: bool = True) -> Table:
    """Real data: rows ``(N, d)``, ``(N,)`` measurements, or ``(N,)`` integers as states 0 .. K - 1.

    Lists, arrays, series and data frames are taken; ``labels`` takes text, identifiers and categories. Rows of integers
    below 2^31 stay integers, which a family of tokens reads; any other reads them as measurements, the same in floats.
    The columns of a frame are measurements whatever their type, and keep their names.

    Raises
    ------
    ValueError
        If the table is empty, has a gap or an infinite entry, a state that is negative or beyond 31 bits, or a number
        that the precision in force cannot hold.
    TypeError
        If it holds anything but real numbers, or counts by name.
    """
    points, names = _containers.rows(rows)
    replace, named = arguments.flag("replace", replace), Names.of(names)
    if points.dtype.kind == "i":
        return Table(jnp.asarray(points.astype(np.int32)), replace, named)
    return _measurements(points, replace, named)


def _measurements(points: np.ndarray, replace: bool, named: Names | None) -> Table:
    far = loses(*mean_and_spread(points))
    return Table(jnp.asarray(in_force(points)), replace, named, exact=points if far else None)


def read_by(family: Family, source: Source) -> Source:
    """``source`` as ``family`` reads it: rows of whole numbers are measurements to all but families of tokens."""
    if isinstance(family, Reads):
        return family.reading(source)
    return source if isinstance(family, ReadsTokens) and family.tokens else measured(source)


def measured(source: Source) -> Source:
    """``source``, or the same table in floats if it has rows ``(N, d)`` of whole numbers."""
    if not isinstance(source, Table) or source.points.ndim != 2 or not jnp.issubdtype(source.points.dtype, jnp.integer):
        return source
    if arguments.traced(source.points):
        return dataclasses.replace(source, points=source.points.astype(jnp.result_type(float)))
    return _measurements(np.asarray(source.points, np.float64), source.replace, source.named)


@computes
def labels(values: Iterable[Hashable], *, replace: bool = True) -> Table:
    """A table of states from one label for each row: text, identifiers of any width, categories, anything hashable.

    States are numbered in the order of the labels' values (categories in their own, unused ones included), and keep
    them as ``names``; so ``Discrete()`` knows K.

    Raises
    ------
    ValueError
        If there is no label, or one is missing.
    TypeError
        If ``values`` is not one label for each row: counts by name, a frame, a single text.
    """
    states, names = _containers.codes(values)
    return Table(jnp.asarray(states), arguments.flag("replace", replace), named=Names(names))


@computes
def images(pixels: ArrayLike, labels: ArrayLike | None = None, *, replace: bool = True) -> Table:
    """Real images ``(n, height, width)`` in [0, 1], or flat ones ``(n, height * width)``, as a table of flat rows.

    With ``labels`` ``(n,)``, integers from 0, each row ends with its label, as ``Conditional`` wants it.

    Raises
    ------
    ValueError
        For another shape, for pixels that are not in [0, 1], and for labels that are not as many whole numbers from 0.
    """
    rows = _containers.images(pixels)
    check_pixels(rows)
    if labels is not None:
        rows = np.concatenate([rows, _containers.classes(labels, len(rows))[:, None]], axis=1)
    return Table(jnp.asarray(rows, jnp.result_type(float)), arguments.flag("replace", replace))


def sampler(draw: Callable[[jax.Array, int], jax.Array]) -> Sampler:
    """Wrap ``draw(key, n) -> (n, d)``."""
    if not callable(draw):
        raise TypeError(f"draw must be a function of (key, n), got {draw!r}")
    used(draw)
    return Sampler(draw)

"""Linear regression refitted to its own labels: the weights take an independent step at every fit, never to return."""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.scipy.linalg import solve_triangular
from jax.typing import ArrayLike, DTypeLike

from modelcollapse import arguments, sampling
from modelcollapse.data import Rows, row_type
from modelcollapse.laws import Law, rows_of
from modelcollapse.protocols import Count, Number, Source
from modelcollapse.pytree import part, static

NOISE = 2**16
"""Stream of the labels' noise, apart from those of the covariates."""


@part
class LinearSystem:
    r"""Labelled rows reduced to a triangle: ``rows`` is [R | z], ``(d, d + 1)``, with X'X = R'R and X'y = R'z.

    All that least squares, ridge and the shortest solution can see. Two are pooled by QR of both on top of each other,
    so that no product X'X is ever formed and no digit is lost to its condition.
    """

    count: jax.Array  # (), int32
    rows: jax.Array

    @property
    def size(self) -> jax.Array:
        return self.count

    def __or__(self, other: LinearSystem) -> LinearSystem:
        both = LinearSystem(self.count + other.count, triangle(jnp.concatenate([self.rows, other.rows])))
        whole = lambda a, b: jnp.where(other.count == 0, a, b)  # noqa: E731
        return jax.tree.map(whole, self, jax.tree.map(lambda a, b: jnp.where(self.count == 0, a, b), other, both))

    def mixed(self, other: LinearSystem, weight: Number) -> LinearSystem:
        """The pool in which these rows together weigh ``weight``, the others the rest; in units where the mean is 1."""
        dtype = self.rows.dtype
        total = self.count + other.count
        each = jnp.asarray(weight, dtype), 1 - jnp.asarray(weight, dtype)
        scaled = [
            jnp.sqrt(mass * total.astype(dtype) / jnp.maximum(part.count, 1).astype(dtype)) * part.rows
            for mass, part in zip(each, (self, other), strict=True)
        ]
        return LinearSystem(total, triangle(jnp.concatenate(scaled)))

    @staticmethod
    def capacity_for(size: int) -> int:
        """0: a triangle takes the same room whatever the size."""
        return 0


@part
class Estimate:
    """The least-squares weights ``(d,)`` of a data set, which stand for it as long as nothing is pooled."""

    count: jax.Array  # (), int32
    weights: jax.Array

    @property
    def size(self) -> jax.Array:
        return self.count

    def __or__(self, other: Estimate) -> Estimate:
        raise TypeError("Regression(alone=True) draws estimates, which cannot be pooled: this regime needs alone=False")

    @staticmethod
    def capacity_for(size: int) -> int:
        return 0


@part
class NormalRows:
    """Covariates x ~ N(0, S), fresh in each data set; S = factor @ factor.T, ``factor`` a lower triangle ``(d, d)``."""

    factor: jax.Array

    def __post_init__(self) -> None:
        arguments.converted(self, factor=_factor)

    @property
    def dimension(self) -> int:
        """Number of covariates."""
        return self.factor.shape[0]

    @property
    def spread(self) -> jax.Array:
        """The factor of their covariance."""
        return self.factor

    drawn = spread

    def triangle(self, key: jax.Array, n: jax.Array, dtype: DTypeLike) -> jax.Array:
        """R ``(d, d)`` of n rows, in law: the Bartlett factor of a Wishart matrix."""
        unit, pivots = sampling.wishart_factor(key, n, self.dimension, dtype=dtype)
        return (jnp.asarray(self.factor, dtype) @ (unit * jnp.exp(pivots)[None])).T

    def points(self, key: jax.Array, capacity: int, dtype: DTypeLike) -> jax.Array:
        noise = sampling.normal(key, (capacity, self.dimension), dtype)
        return noise @ jnp.asarray(self.factor, dtype).T


@part
class Design:
    """Given covariates ``(T, d)``, the same in every data set: n draws are labels of the first n rows, n <= T.

    ``factor`` (d, d), lower triangular, says which rows an error is judged on: the covariance of a new row is
    ``factor @ factor.T``. Default: the design itself, X'X / T.
    """

    given: np.ndarray | jax.Array
    factor: np.ndarray | jax.Array | None = None

    def __post_init__(self) -> None:
        arguments.converted(self, given=_design, factor=arguments.optional(_factor))
        if self.factor is None:
            return
        shape, expected = np.shape(self.factor), (np.shape(self.given)[1],) * 2
        if shape != expected:
            raise ValueError(f"factor must have shape (d, d) = {expected}, got {shape}")

    @property
    def dimension(self) -> int:
        """Number of covariates."""
        return self.given.shape[1]

    @property
    def spread(self) -> jax.Array:
        """What real rows are drawn from."""
        return self.drawn if self.factor is None else jnp.asarray(self.factor)

    @property
    def drawn(self) -> jax.Array:
        """The factor ``(d, d)`` of X'X / T of its own rows."""
        given = jnp.asarray(self.given)
        return triangle(given, self.dimension).T / jnp.sqrt(jnp.asarray(given.shape[0], given.dtype))

    def triangle(self, key: jax.Array, n: jax.Array, dtype: DTypeLike) -> jax.Array:
        """Triangular factor of the first n given rows; not a number beyond them."""
        given = jnp.asarray(self.given, dtype)
        there = jnp.arange(given.shape[0], dtype=jnp.int32) < n
        out = triangle(jnp.where(there[:, None], given, 0.0), self.dimension)
        return jnp.where(n <= given.shape[0], out, jnp.nan)

    def points(self, key: jax.Array, capacity: int, dtype: DTypeLike) -> jax.Array:
        given = jnp.asarray(self.given, dtype)[:capacity]
        return jnp.pad(given, ((0, capacity - given.shape[0]), (0, 0)), constant_values=jnp.nan)


@part
class Linear:
    """Weights ``(d,)`` of the rule y = w . x."""

    weights: jax.Array


class Target(NamedTuple):
    """What is to be learnt: weights ``(d,)``, and the factor ``(d, d)`` of E x x' over the rows of a test."""

    weights: jax.Array
    factor: jax.Array


@part
class Regression:
    r"""Labels y = w . x + noise, refitted by least squares, ridge or the shortest solution. Parameters: ``Linear``.

    A row is x and y, ``(d + 1,)``. There is no intercept: give x a constant entry. The deviation of the noise is known,
    and the covariates belong to the family: a generation is n rows of ``rows`` with labels by the last fit.

    A data set is the triangle of its QR, drawn directly in law: one Bartlett factor (for normal rows) and d normals,
    whatever the sample size. With fresh normal rows and least squares, :math:`w_n - w_{n-1}` is :math:`\sigma S^{-1/2}
    z / \sqrt{\chi^2_{T-d+1}}`, a multivariate t: ``alone=True`` draws just that, d + 1 variates. Relative error of a
    fit: the condition number of X times the floating type's epsilon. A singular design gives a fit that is not finite,
    and its chain fails.

    Parameters
    ----------
    rows
        Covariates: ``NormalRows(factor)``, fresh each time, or ``Design(points)``, the same each time.
    noise
        Standard deviation :math:`\sigma` of the labels' noise, in the unit of y; 0 is allowed.
    penalty
        :math:`\lambda` of the ridge fit, which minimises the mean squared error plus :math:`\lambda |w|^2`. 0: least
        squares.
    minimum_norm
        Of all weights with the smallest squared error, the shortest: also for fewer rows than features.
    steps, rate
        Stop gradient descent on the mean squared error, started at 0, after so many ``steps`` at this learning rate
        :math:`\eta`: a step is :math:`w - \eta\,X^T(Xw - y)/T`, and it diverges where :math:`\eta` times an eigenvalue
        of :math:`X^TX/T` passes 2. None: the exact optimum.
    alone
        Draw estimates in place of data sets: for ``Replace`` and least squares on fresh normal rows.
    """

    rows: NormalRows | Design
    noise: Number = 1.0
    penalty: Number = 0.0
    minimum_norm: bool = static(default=False)
    alone: bool = static(default=False)
    steps: int | None = static(default=None)
    rate: Number | None = None

    default_observables = ("coefficients",)

    def __post_init__(self) -> None:
        arguments.converted(
            self,
            rows=arguments.checker(arguments.having, ("dimension", "spread", "triangle", "points")),
            noise=arguments.deviation,
            penalty=arguments.nonnegative,
            **dict.fromkeys(("minimum_norm", "alone"), arguments.flag),
            steps=arguments.optional(arguments.count),
            rate=arguments.optional(arguments.positive),
        )
        if (self.steps is None) != (self.rate is None):
            raise ValueError(f"give both steps and rate or neither, got steps={self.steps!r} and rate={self.rate!r}")
        ridge = not arguments.traced(self.penalty) and self.penalty > 0
        if self.minimum_norm and ridge:
            raise ValueError(f"penalty must be 0 for the shortest solution, got {self.penalty!r}")
        if self.alone and (self.minimum_norm or ridge or self.steps or isinstance(self.rows, Design)):
            raise ValueError(
                "alone=True needs least squares on fresh normal rows: no penalty, no minimum_norm, no steps, no Design"
            )
        if self.steps and (self.minimum_norm or ridge):
            raise ValueError("steps cannot be combined with penalty or minimum_norm: they stop plain gradient descent")

    @property
    def data(self) -> type[Estimate | LinearSystem]:
        return Estimate if self.alone else LinearSystem

    def draw(self, key: jax.Array, params: Linear, n: Count, capacity: int = 0) -> Estimate | LinearSystem:
        weights = params.weights
        n, dtype, d = jnp.asarray(n, jnp.int32), weights.dtype, weights.size
        noise = jnp.asarray(self.noise, dtype)
        normals = sampling.normal(key, (d,), dtype, NOISE)
        if self.alone:
            scale = jnp.exp(-0.5 * sampling.log_chi_square(key, n - (d - 1), dtype))
            step = solve_triangular(jnp.asarray(self.rows.factor, dtype).T, normals, lower=False)
            return Estimate(n, jnp.where(n > d, weights + noise * scale * step, jnp.nan))
        corner = self.rows.triangle(key, n, dtype)
        return LinearSystem(n, jnp.concatenate([corner, (corner @ weights + noise * normals)[:, None]], 1))

    def draw_rows(self, key: jax.Array, params: Linear, n: Count, capacity: int) -> Rows:
        dtype = params.weights.dtype
        x = self.rows.points(key, capacity, dtype)
        noise = sampling.normal(key, (capacity,), dtype, NOISE)
        y = x @ params.weights + jnp.asarray(self.noise, dtype) * noise
        return Rows(jnp.concatenate([x, y[:, None]], 1), jnp.asarray(n, jnp.int32))

    def summarise(self, rows: Rows) -> Estimate | LinearSystem:
        found = triangle(jnp.where(rows.present[:, None], rows.points, 0.0), rows.points.shape[1] - 1)
        return Estimate(rows.count, solved(found)) if self.alone else LinearSystem(rows.count, found)

    def fit(self, key: jax.Array, data: Estimate | LinearSystem, previous: Linear | None) -> Linear:
        if isinstance(data, Estimate):
            return Linear(data.weights)
        return Linear(self._learned(data.rows, data.count.astype(data.rows.dtype)))

    def _learned(self, system: jax.Array, size: jax.Array) -> jax.Array:
        """What this learner makes of [R | z] with X'X = R'R of ``size`` rows, ``(d,)``."""
        if self.minimum_norm:
            return shortest(system)
        dtype, d = system.dtype, system.shape[0]
        if self.steps is not None:
            corner, right, stride = system[:, :-1], system[:, -1], jnp.asarray(self.rate, dtype) / size
            descend = lambda _, w: w - stride * (corner.T @ (corner @ w - right))  # noqa: E731
            return jax.lax.fori_loop(0, self.steps, descend, jnp.zeros(d, dtype))
        weight = jnp.sqrt(jnp.asarray(self.penalty, dtype) * size)
        ridge = jnp.concatenate([weight * jnp.eye(d, dtype=dtype), jnp.zeros((d, 1), dtype)], 1)
        return solved(triangle(jnp.concatenate([system, ridge])))

    def blend(self, previous: Linear, fitted: Linear, rate: Number) -> Linear:
        """Linear in the weights."""
        return jax.tree.map(lambda old, new: old + rate * (new - old), previous, fitted)

    def fewest(self, params: Linear) -> int | jax.Array:
        """d + 1 for least squares; 1 with a penalty, steps or the shortest solution."""
        if self.minimum_norm or self.steps:
            return 1
        return jnp.where(jnp.asarray(self.penalty) > 0, 1, self.rows.dimension + 1)

    def check(self, source: Source, sizes: np.ndarray) -> None:
        """Refuse sources that are not labelled rows, and designs that leave a fit singular."""
        shape, dtype = row_type(source)
        d = self.rows.dimension
        if shape != (d + 1,) or not jnp.issubdtype(dtype, jnp.floating):
            raise TypeError(
                f"source must give rows of {d} covariates and a label, shape (n, {d + 1}), for Regression; this "
                f"{type(source).__name__} gives {dtype} of shape {('n', *shape)}"
            )
        own = source.family.rows if isinstance(source, Law) and isinstance(source.family, Regression) else None
        for which, rows in (("source", own), ("family", self.rows)):
            if isinstance(rows, Design) and sizes[0] > rows.given.shape[0]:
                raise ValueError(
                    f"size must be at most the {rows.given.shape[0]} rows of the {which}'s design, got {sizes[0]}"
                )
        if self.minimum_norm or self.steps or np.any(np.asarray(self.penalty) > 0):
            return
        instead = "; give more rows, penalty > 0 or minimum_norm=True"
        if sizes.min() < d + 1:
            raise ValueError(
                f"size must be at least d + 1 = {d + 1} for least squares with {d} covariates, got {sizes.min()}: "
                f"fewer rows fit any labels{instead}"
            )
        tables = [rows.given for rows in (own, self.rows) if isinstance(rows, Design)]
        labelled = rows_of(source)
        if labelled is not None:
            tables.append(labelled[:, :-1])
        for given in tables:
            rank = int(np.linalg.matrix_rank(np.asarray(given, np.float64)))
            if rank < d:
                raise ValueError(f"the design has rank {rank} with {d} covariates: its columns are dependent{instead}")

    def project(self, source: Source) -> Target | None:
        """The weights that infinitely many rows of ``source`` would be fitted by, and the spread of its covariates."""
        if isinstance(source, Law) and isinstance(source.family, Regression):
            return Target(source.params.weights, source.family.rows.spread)
        moments = source.moments()
        if moments is None:
            return None
        mean, covariance = moments
        square = covariance + mean[:, None] * mean[None]
        factor = jnp.linalg.cholesky(square[:-1, :-1])
        return Target(jax.scipy.linalg.cho_solve((factor, True), square[:-1, -1]), factor)

    def limit(self, source: Source) -> Linear | None:
        """What this learner makes of infinitely many rows of ``source``, or labels of a whole design."""
        target = self.project(source)
        if target is None:
            return None
        own = source.family if isinstance(source, Law) else None
        spread = own.rows.drawn if isinstance(own, Regression) else target.factor
        system = jnp.concatenate([spread.T, (spread.T @ target.weights)[:, None]], 1)
        return Linear(self._learned(system, jnp.ones((), system.dtype)))


def _design(name: str, value: ArrayLike) -> jax.Array:
    given = arguments.array(name, value, ndim=2)
    if not given.size:
        raise ValueError(f"{name} must have at least one row and one column, got shape {given.shape}")
    return jnp.asarray(given, jnp.result_type(float))


def _factor(name: str, value: ArrayLike) -> jax.Array:
    factor = arguments.array(name, value, ndim=2)
    if not factor.size or factor.shape[0] != factor.shape[1] or np.triu(factor, 1).any():
        raise ValueError(f"{name} must be lower triangular, of shape (d, d), got {factor}")
    return jnp.asarray(factor, jnp.result_type(float))


def triangle(points: jax.Array, columns: int | None = None) -> jax.Array:
    """The first ``columns`` (default: all but the last) rows of the R factor of ``points`` (n, m): ``(columns, m)``."""
    n, m = points.shape
    keep = m - 1 if columns is None else columns
    filled = jnp.concatenate([points, jnp.zeros((max(keep - n, 0), m), points.dtype)])
    return jnp.linalg.qr(filled, mode="r")[:keep]


def solved(system: jax.Array) -> jax.Array:
    """w ``(d,)`` of R w = z; NaN where R has a pivot that is rounding."""
    corner, right = system[:, :-1], system[:, -1]
    pivots = jnp.abs(jnp.diagonal(corner))
    lengths = jnp.sqrt((corner**2).sum(0))
    eps = jnp.finfo(corner.dtype).eps * corner.shape[0]
    regular = (pivots > eps * lengths).all()
    return jnp.where(regular, solve_triangular(corner, right, lower=False), jnp.nan)


def shortest(system: jax.Array) -> jax.Array:
    """The shortest w ``(d,)`` that solves R w = z in least squares, by the singular values that are not rounding."""
    left, values, right = jnp.linalg.svd(system[:, :-1])
    there = values > 8 * system.shape[0] * jnp.finfo(system.dtype).eps * values[0]
    return right.T @ jnp.where(there, (left.T @ system[:, -1]) / jnp.where(there, values, 1.0), 0.0)

"""Logistic and Poisson regression refitted to their own labels: rows of covariates and a label, fitted by Newton."""

from __future__ import annotations

import abc
from typing import ClassVar

import jax
import jax.numpy as jnp
import numpy as np
from jax.scipy.linalg import cho_solve

from modelcollapse import arguments, sampling
from modelcollapse.data import Rows, row_type
from modelcollapse.families.regression import NOISE, Design, Linear, NormalRows, Target, triangle
from modelcollapse.laws import Law, rows_of
from modelcollapse.protocols import Count, Number, Source
from modelcollapse.pytree import part, static

LENGTHS = (1.0, 0.25, 0.0625, 0.015625)
"""Parts of a Newton step that are tried, the longest first that does not raise the loss."""
_EXACT = jax.lax.Precision.HIGHEST


class OwnLabels(abc.ABC):
    r"""What regressions with labels of their own law share: all but that law.

    With :math:`\eta = w \cdot x` and the loss :math:`\ell(\eta, y)` of one row, a fit minimises
    :math:`\frac1n \sum_i \ell(w \cdot x_i, y_i) + \frac\lambda2 |w|^2` over all weights, an intercept included, by
    ``steps`` Newton steps from one step of iteratively reweighted least squares; a step that would raise the loss is
    shortened. A fit whose last step still moves some :math:`\eta` is not finite, and its chain fails: there the loss
    has no minimum.
    """

    rows: NormalRows | Design
    penalty: Number
    steps: int

    data = Rows
    default_observables = ("coefficients",)
    labels: ClassVar[str]
    """What labels may be."""

    @abc.abstractmethod
    def draw_labels(self, key: jax.Array, eta: jax.Array) -> jax.Array:
        """A label of each row, ``(n,)``, as floats."""

    @abc.abstractmethod
    def losses(self, eta: jax.Array, y: jax.Array) -> jax.Array:
        """Minus the log likelihood of each row, up to a function of y, ``(n,)``."""

    @abc.abstractmethod
    def slopes(self, eta: jax.Array, y: jax.Array) -> tuple[jax.Array, jax.Array]:
        """Minus the first and the second derivative of the loss: y - mean, without cancellation, and variance."""

    @abc.abstractmethod
    def begun(self, y: jax.Array) -> tuple[jax.Array, jax.Array, jax.Array]:
        """Where reweighted least squares begins: eta, and the two slopes there."""

    @staticmethod
    @abc.abstractmethod
    def wrong(y: np.ndarray) -> np.ndarray:
        """Which labels cannot be."""

    def __post_init__(self) -> None:
        arguments.converted(
            self,
            rows=arguments.checker(arguments.having, ("dimension", "spread", "triangle", "points")),
            penalty=arguments.nonnegative,
            steps=arguments.count,
        )

    def draw(self, key: jax.Array, params: Linear, n: Count, capacity: int) -> Rows:
        return self.draw_rows(key, params, n, capacity)

    def draw_rows(self, key: jax.Array, params: Linear, n: Count, capacity: int) -> Rows:
        x = self.rows.points(key, capacity, params.weights.dtype)
        y = self.draw_labels(jax.random.fold_in(key, NOISE), x @ params.weights)
        return Rows(jnp.concatenate([x, y[:, None]], 1), jnp.asarray(n, jnp.int32))

    def summarise(self, rows: Rows) -> Rows:
        return rows

    def fit(self, key: jax.Array, data: Rows, previous: Linear | None) -> Linear:
        points = jnp.where(data.present[:, None], data.points, 0.0)
        return Linear(self._newton(points[:, :-1], points[:, -1], data.present.astype(points.dtype)))

    def _newton(self, x: jax.Array, y: jax.Array, there: jax.Array) -> jax.Array:
        """The weights ``(d,)`` of rows with labels y, which may also be mean labels; NaN where there are none."""
        dtype, d = x.dtype, x.shape[1]
        weight, penalty = there / there.sum(), jnp.asarray(self.penalty, dtype)
        eps = jnp.finfo(dtype).eps

        def solved(curvature: jax.Array, right: jax.Array) -> jax.Array:
            hessian = jnp.einsum("n,ni,nj->ij", weight * curvature, x, x, precision=_EXACT)
            factor = jnp.linalg.cholesky(hessian + penalty * jnp.eye(d, dtype=dtype))
            return cho_solve((factor, True), right)

        def loss(w: jax.Array) -> jax.Array:
            return weight @ self.losses(x @ w, y) + penalty / 2 * (w @ w)

        def step(_: jax.Array, state: tuple[jax.Array, jax.Array]) -> tuple[jax.Array, jax.Array]:
            w = state[0]
            residual, curvature = self.slopes(x @ w, y)
            change = solved(curvature, x.T @ (weight * residual) - penalty * w)
            now = loss(w)
            enough = now + 8 * eps * (1 + jnp.abs(now))
            new = w
            for length in reversed(LENGTHS):
                tried = w + jnp.asarray(length, dtype) * change
                new = jnp.where(loss(tried) <= enough, tried, new)
            return new, jnp.where(jnp.isfinite(now), change, jnp.nan)

        eta, residual, curvature = self.begun(y)
        first = solved(curvature, x.T @ (weight * (curvature * eta + residual)))
        w, change = jax.lax.fori_loop(0, self.steps, step, (first, first))
        # where there is no minimum, every step moves some eta by about 1
        moved = jnp.abs(there * (x @ change)).max()
        settled = moved <= jnp.sqrt(eps) * (1 + jnp.abs(there * (x @ w)).max())
        return jnp.where(settled, w, jnp.nan)

    def blend(self, previous: Linear, fitted: Linear, rate: Number) -> Linear:
        """Linear in the weights."""
        return jax.tree.map(lambda old, new: old + rate * (new - old), previous, fitted)

    def fewest(self, params: Linear) -> jax.Array:
        """d + 1 without a penalty, 1 with one."""
        return jnp.where(jnp.asarray(self.penalty) > 0, 1, self.rows.dimension + 1)

    def labour(self, params: Linear, rows: int) -> int:
        """Products of all steps: a matrix and four losses each, a logarithm counted as twenty."""
        d = params.weights.shape[-1]
        return self.steps * rows * (d * d + 5 * d + 100)

    def workspace(self, params: Linear) -> int:
        """Floats that a step of a fit holds for each row."""
        return 3 * params.weights.shape[-1] + 8

    def check(self, source: Source, sizes: np.ndarray) -> None:
        """Refuse what has no labels of this kind, and designs or sizes that leave a fit without a penalty singular."""
        shape, dtype = row_type(source)
        d, name = self.rows.dimension, type(self).__name__
        if shape != (d + 1,) or not jnp.issubdtype(dtype, jnp.floating):
            raise TypeError(
                f"source must give rows of {d} covariates and a label, shape (n, {d + 1}), for {name}; this "
                f"{type(source).__name__} gives {dtype} of shape {('n', *shape)}"
            )
        if isinstance(source, Law) and not isinstance(source.family, type(self)):
            raise TypeError(
                f"source must have labels that are {self.labels}, as mc.table(rows) or the law of a {name}; "
                f"this is a law of {type(source.family).__name__}"
            )
        labelled = rows_of(source)
        if labelled is not None and (bad := self.wrong(np.asarray(labelled[:, -1]))).any():
            raise ValueError(
                f"labels must be {self.labels} for {name}, got {np.asarray(labelled)[bad][0, -1]:g} "
                f"in row {int(bad.argmax())}"
            )
        own = source.family.rows if isinstance(source, Law) else None
        designs = [rows for rows in (own, self.rows) if isinstance(rows, Design)]
        for rows in designs:
            if sizes.max() > rows.given.shape[0]:
                raise ValueError(
                    f"size must be at most the {rows.given.shape[0]} rows of the design, got {sizes.max()}"
                )
        if np.any(np.asarray(self.penalty) > 0):
            return
        if sizes.min() < d + 1:
            raise ValueError(
                f"size must be at least d + 1 = {d + 1} for {name} with {d} covariates, got {sizes.min()}: fewer rows "
                "fit any labels; give more rows or penalty > 0"
            )
        tables = [rows.given for rows in designs] + ([] if labelled is None else [labelled[:, :-1]])
        for given in tables:
            rank = int(np.linalg.matrix_rank(np.asarray(given, np.float64)))
            if rank < d:
                raise ValueError(
                    f"the design has rank {rank} with {d} covariates: its columns are dependent; leave some out or "
                    "give penalty > 0"
                )

    def project(self, source: Source) -> Target | None:
        """The weights of the law, or of the best unpenalised fit to a whole table, and the spread of its covariates."""
        if isinstance(source, Law) and isinstance(source.family, OwnLabels):
            return Target(source.params.weights, source.family.rows.spread)
        labelled = rows_of(source)
        if labelled is None:
            return None
        points = jnp.asarray(labelled)
        x, n = points[:, :-1], points.shape[0]
        plain = type(self)(self.rows, steps=self.steps)  # type: ignore[call-arg]
        weights = jax.jit(plain._newton)(x, points[:, -1], jnp.ones(n, points.dtype))
        return Target(weights, triangle(x, x.shape[1]).T / jnp.sqrt(jnp.asarray(n, points.dtype)))


@part
class LogisticRegression(OwnLabels):
    r"""Labels 0 or 1 with :math:`P(y = 1) = 1/(1 + e^{-w \cdot x})`, refitted by maximum likelihood or with a ridge.

    A row is x and y, ``(d + 1,)``; parameters are ``Linear``. There is no intercept: give x a constant entry. A
    generation is n rows of ``rows`` with labels by the last fit. Where a hyperplane through 0 divides the labels (data
    are separable, and always are with n <= d rows), the likelihood has no maximum: without a penalty the fit is not
    finite, its chain fails with its generation named, and the message says so.

    Parameters
    ----------
    rows
        Covariates: ``NormalRows(factor)``, fresh each time, or ``Design(points)``, the same each time.
    penalty
        :math:`\lambda` of the mean log loss plus :math:`\frac\lambda2 |w|^2`, on all weights: 1/(n C) of scikit-learn.
    steps
        Newton steps of a fit. Some ten are enough for weights of moderate size; about one more is needed for each unit
        by which the largest :math:`w \cdot x` passes 10.
    """

    rows: NormalRows | Design
    penalty: Number = 0.0
    steps: int = static(default=25)

    labels = "0 or 1"
    unfit = (
        "separable labels, which a hyperplane through 0 divides, have no finite weights: give more rows or penalty > 0"
    )

    def draw_labels(self, key: jax.Array, eta: jax.Array) -> jax.Array:
        # an exponential variate passes t with probability e^-t, to the last digit of a small chance
        passed = sampling.exponential(key, eta.shape, eta.dtype) >= jax.nn.softplus(-eta)
        return jnp.where(jnp.isnan(eta), jnp.nan, passed.astype(eta.dtype))

    def losses(self, eta: jax.Array, y: jax.Array) -> jax.Array:
        return y * jax.nn.softplus(-eta) + (1 - y) * jax.nn.softplus(eta)

    def slopes(self, eta: jax.Array, y: jax.Array) -> tuple[jax.Array, jax.Array]:
        one, none = jax.nn.sigmoid(eta), jax.nn.sigmoid(-eta)
        return y * none - (1 - y) * one, one * none

    def begun(self, y: jax.Array) -> tuple[jax.Array, jax.Array, jax.Array]:
        return jnp.zeros_like(y), y - 0.5, jnp.full_like(y, 0.25)

    @staticmethod
    def wrong(y: np.ndarray) -> np.ndarray:
        return (y != 0) & (y != 1)


@part
class PoissonRegression(OwnLabels):
    r"""Counts with mean :math:`e^{w \cdot x}`, refitted by maximum likelihood or with a ridge.

    A row is x and y, ``(d + 1,)``; parameters are ``Linear``. There is no intercept: give x a constant entry. A
    generation is n rows of ``rows`` with counts by the last fit; a mean so large that a count passes 2^31 - 1 gives a
    fit that is not finite, and its chain fails. So does a data set without a maximum: where the rows with counts above
    0 leave a direction open along which all others only lose, as when all counts are 0.

    Parameters
    ----------
    rows
        Covariates: ``NormalRows(factor)``, fresh each time, or ``Design(points)``, the same each time.
    penalty
        :math:`\lambda` of the mean loss :math:`e^{w \cdot x} - y\,w \cdot x` plus :math:`\frac\lambda2 |w|^2`.
    steps
        Newton steps of a fit.
    """

    rows: NormalRows | Design
    penalty: Number = 0.0
    steps: int = static(default=25)

    labels = "counts 0, 1, 2, ..."
    unfit = (
        "counts that are 0 wherever some direction of x leads down, or that passed 2^31, have no finite weights: give "
        "more rows or penalty > 0"
    )

    def draw_labels(self, key: jax.Array, eta: jax.Array) -> jax.Array:
        count = sampling.poisson(key, jnp.exp(eta))
        return jnp.where(count < 0, jnp.nan, count.astype(eta.dtype))

    def losses(self, eta: jax.Array, y: jax.Array) -> jax.Array:
        return jnp.exp(eta) - y * eta

    def slopes(self, eta: jax.Array, y: jax.Array) -> tuple[jax.Array, jax.Array]:
        mean = jnp.exp(eta)
        return y - mean, mean

    def begun(self, y: jax.Array) -> tuple[jax.Array, jax.Array, jax.Array]:
        mean = y + 0.1
        return jnp.log(mean), jnp.full_like(y, -0.1), mean

    @staticmethod
    def wrong(y: np.ndarray) -> np.ndarray:
        return (y < 0) | (y != np.floor(y))

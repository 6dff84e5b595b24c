"""A normal law refitted by sample mean and covariance, on log scales, so that collapse never underflows."""

from __future__ import annotations

import functools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from modelcollapse import arguments
from modelcollapse.data import Moments, Rows, row_type
from modelcollapse.pytree import part, static
from modelcollapse.sampling import materialise, materialised, mean_and_factor, over_lanes


@part
class Normal:
    r"""A normal law in d dimensions: mean ``(d,)`` and :math:`\Sigma = U\,\mathrm{diag}(e^{2l})\,U^T`.

    ``unit`` is U ``(d, d)``, unit lower triangular; ``log_scale`` is l ``(d,)``. Under recursive fitting the pivots separate
    exponentially, so neither :math:`\Sigma` nor one scale for all of it would survive.
    """

    mean: jax.Array
    unit: jax.Array
    log_scale: jax.Array

    @property
    def factor(self) -> jax.Array:
        """Lower triangular ``(d, d)``, covariance = factor @ factor.T; its small columns may underflow to 0."""
        return self.unit * jnp.exp(self.log_scale)[None, :]

    @property
    def covariance(self) -> jax.Array:
        factor = self.factor
        return factor @ factor.T

    def moved(self, by: Any) -> Normal:
        """The law of rows moved by ``by`` (d,)."""
        return Normal(self.mean + by, self.unit, self.log_scale)


def lower_product(unit: jax.Array, log_scale: jax.Array, right: jax.Array, log_right: jax.Array) -> tuple[Any, Any]:
    r""":math:`U D V E` as a unit lower triangular matrix and log pivots, without ever forming D or E; lanes come last.

    Column j is :math:`U\,(e^{l - l_j} V_{\cdot j})`; the ratios are of pivots below the j-th to the j-th. A pivot of E
    that is 0 (its logarithm ``-inf``) leaves a unit vector, so an empty draw is the same whatever it was drawn from.
    """
    d = len(log_scale)
    if d == 1:
        return unit, log_scale + log_right
    ratio = log_scale[:, None] - log_scale[None]
    column = materialise(jnp.where(right == 0, 0.0, jnp.exp(jnp.where(right == 0, 0.0, ratio)) * right))
    product = _applied(unit, column)
    below = np.tri(d, k=-1, dtype=bool)[:, :, None] & jnp.isfinite(log_right)[None]
    return jnp.where(below, product, jnp.eye(d, dtype=unit.dtype)[:, :, None]), log_scale + log_right


@over_lanes
def _draw_moments(key: Any, n: jax.Array, mean: jax.Array, unit: jax.Array, log_scale: jax.Array) -> Any:
    """Mean, unit factor and log pivots of the scatter of ``n`` draws: d normals and one Bartlett factor."""
    dtype, d = mean.dtype, len(mean)
    centre, below, pivots = mean_and_factor(key, n - 1, d, dtype)
    step = _applied(unit, materialise(jnp.exp(log_scale) * centre)) / jnp.sqrt(jnp.maximum(n, 1).astype(dtype))[None]
    return mean + step, *lower_product(unit, log_scale, below, pivots)


def _applied(matrix: jax.Array, right: jax.Array) -> jax.Array:
    """``matrix`` (d, d, lanes) times a vector ``(d, lanes)`` or matrix ``(d, k, lanes)``.

    A sum of terms is one loop along the lanes up to some size; XLA's own product of many small matrices is several.
    """
    d = len(matrix)
    if d > 16:
        return jnp.einsum("ijl,j...l->i...l", matrix, right, precision=jax.lax.Precision.HIGHEST)
    shape = (d, *(1,) * (right.ndim - 2), matrix.shape[-1])
    terms = [matrix[:, k].reshape(shape) * right[None, k] for k in range(d)]
    return functools.reduce(jnp.add, terms)


@part
class Gaussian:
    """Sample mean and sample covariance with divisor ``size - ddof``. Parameters: a ``Normal``.

    A data set is its mean and scatter, drawn directly in law: d normals and one Bartlett factor a generation, whatever the sample
    size. Needs at least ``d + 1`` rows. The mean has the resolution of the floating type: once a standard
    deviation is below half an ulp of the mean, further steps of the mean round to nothing, while the log scale goes on exactly.

    Parameters
    ----------
    ddof
        1 (unbiased covariance, the default) or 0 (maximum likelihood).
    """

    ddof: int = static(default=1)

    data = Moments
    equivariant = True
    default_observables = ("mean", "log_variance")

    def __post_init__(self) -> None:
        arguments.converted(self, ddof=arguments.checker(arguments.choice, (0, 1)))

    def draw(self, key: jax.Array, params: Normal, n: Any, capacity: int = 0) -> Moments:
        n = jnp.asarray(n, jnp.int32)
        return Moments(n, *_draw_moments(materialised(key), n, params.mean, params.unit, params.log_scale))

    def draw_rows(self, key: jax.Array, params: Normal, n: Any, capacity: int) -> Rows:
        noise = jax.random.normal(key, (capacity, params.mean.size), params.mean.dtype)
        return Rows(params.mean[None, :] + noise @ params.factor.T, jnp.asarray(n, jnp.int32))

    def summarise(self, rows: Rows) -> Moments:
        """The moments of real rows, by QR of the centred and scaled points."""
        points, present = rows.points, rows.present[:, None]
        if points.ndim != 2:
            raise ValueError(f"a normal law is fitted to rows of shape (n, d), got points of shape {points.shape}")
        dtype, d = points.dtype, points.shape[1]
        size = jnp.maximum(rows.count, 1).astype(dtype)
        mean = jnp.where(present, points, 0.0).sum(0) / size
        centred = jnp.where(present, points - mean[None, :], 0.0)
        drift = centred.sum(0) / size  # second pass: the rounding of the first mean
        centred = jnp.where(present, centred - drift[None, :], 0.0)
        scale = jnp.abs(centred).max()
        scale = jnp.where(scale > 0, scale, 1.0)
        room = jnp.zeros((max(d - points.shape[0], 0), d), dtype)
        lower = jnp.linalg.qr(jnp.concatenate([centred / scale, room]), mode="r").T
        pivot = jnp.diagonal(lower)
        spanned = jnp.abs(pivot) > 0
        unit = jnp.where(
            spanned[None, :], jnp.tril(lower) / jnp.where(spanned, pivot, 1.0)[None, :], jnp.eye(d, dtype=dtype)
        )
        log_scale = jnp.where(spanned, jnp.log(jnp.where(spanned, jnp.abs(pivot), 1.0)) + jnp.log(scale), -jnp.inf)
        return Moments(rows.count, mean + drift, unit, log_scale)

    def fit(self, key: jax.Array, data: Moments, previous: Normal | None) -> Normal:
        divisor = (data.count - self.ddof).astype(data.mean.dtype)
        return Normal(data.mean, data.unit, data.log_scale - 0.5 * jnp.log(divisor))

    def blend(self, previous: Normal, fitted: Normal, rate: Any) -> Normal:
        """Linear in the mean, in the unit factor and in the log pivots."""
        return jax.tree.map(lambda old, new: old + rate * (new - old), previous, fitted)

    def check(self, source: Any, sizes: np.ndarray) -> None:
        """Refuse sources without numeric rows, and sample sizes whose covariance has no full rank."""
        d = dimension(self, source)
        smallest = int(sizes.min())
        if smallest < d + 1:
            raise ValueError(
                f"size must be at least d + 1 = {d + 1} for "
                + ("a variance" if d == 1 else f"a covariance in {d} dimensions")
                + f", got {smallest}: fewer rows leave it singular"
            )
        check_spanned(self, source)

    def project(self, source: Any) -> Normal | None:
        """The normal law with the mean and covariance of ``source``, where they are known."""
        if isinstance(getattr(source, "family", None), Gaussian):
            return source.params
        moments = source.moments()
        return None if moments is None else normal_params(*moments)

    limit = project


def dimension(family: Any, source: Any) -> int:
    """d of the rows ``(n, d)`` of ``source``; TypeError if it gives anything else."""
    shape, dtype = row_type(source)
    if len(shape) != 1 or not jnp.issubdtype(dtype, jnp.floating):
        raise TypeError(
            f"source must give rows of real numbers, shape (n, d), for {type(family).__name__}; "
            f"this {type(source).__name__} gives {dtype} of shape {('n', *shape)}. "
            "Integer vectors are states: give measurements as floats, or as shape (n, 1)"
        )
    return shape[0]


def check_spanned(family: Any, source: Any, instead: str = "") -> None:
    """Refuse a table whose rows span fewer than d dimensions: no covariance fitted to them has full rank.

    The ValueError names the columns at fault; ``instead`` is what the caller may do besides leaving them out.
    """
    points = getattr(source, "points", None)
    if points is None:
        return
    (n, d), names = points.shape, getattr(source, "names", None)
    needs = f"rows must span all {d} dimensions for {type(family).__name__}, and " if d > 1 else ""
    if n == 1:
        raise ValueError(f"{needs}this table has a single row: give more rows{instead}")
    constant, empty = unspanned(np.asarray(points))
    if len(constant) == d:
        raise ValueError(f"{needs}all {n} rows of this table are equal: no spread can be fitted to them{instead}")
    if len(constant):
        verb, them = ("is", "it") if len(constant) == 1 else ("are", "them")
        raise ValueError(f"{needs}{_listed(constant, names)} {verb} constant: leave {them} out{instead}")
    if len(empty):
        dependent = np.flatnonzero((np.abs(empty) > 1e-6).any(0))
        different = len(np.unique(np.asarray(points), axis=0))
        remedy = (
            f"give more than the {different} different rows of this table"
            if different <= d
            else "leave one of them out"
        )
        raise ValueError(f"{needs}{_listed(dependent, names)} are linearly dependent: {remedy}{instead}")


def unspanned(points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Columns of rows ``(n, d)`` that are constant ``(c,)``, and directions ``(m, d)`` in which the other, standardised ones are.

    A direction counts as spanned if the rows differ along it by more than twice the rounding of their own entries.
    """
    largest = np.abs(points).max(0).astype(np.float64)
    scaled = points / np.where(largest > 0, largest, 1.0)
    spread = np.where(np.ptp(scaled, axis=0) > 0, scaled.std(0), 0.0)
    rounding = np.finfo(points.dtype).eps * np.sqrt((scaled**2).mean(0))
    constant = spread <= rounding
    varying = np.flatnonzero(~constant)
    standard = (scaled - scaled.mean(0))[:, varying] / spread[varying]
    _, found, directions = np.linalg.svd(np.linalg.qr(standard / np.sqrt(len(points)), mode="r"), full_matrices=True)
    values = np.zeros(varying.size)
    values[: found.size] = found
    empty = directions[
        values <= 2 * np.sqrt(((directions * (rounding / np.where(constant, 1.0, spread))[varying]) ** 2).sum(1))
    ]
    return np.flatnonzero(constant), np.eye(points.shape[1])[varying].T.dot(empty.T).T


def _listed(columns: np.ndarray, names: Any) -> str:
    """``columns 0 ('a') and 2 ('c')``, at most five of them."""
    said = [f"{j}" if names is None else f"{j} ({names[j]!r})" for j in columns[:5]]
    *first, last = said + ([f"{len(columns) - 5} more"] if len(columns) > 5 else [])
    return f"column{'s' if len(columns) > 1 else ''} " + (f"{', '.join(first)} and {last}" if first else last)


def normal_params(mean: jax.Array, covariance: jax.Array) -> Normal:
    """``Normal`` from a mean ``(d,)`` and a positive definite covariance ``(d, d)``."""
    lower = jnp.linalg.cholesky(covariance)
    pivot = jnp.diagonal(lower)
    return Normal(mean, lower / pivot[None, :], jnp.log(pivot))

"""A normal law refitted by sample mean and covariance, on log scales, so that collapse never underflows."""

from __future__ import annotations

import functools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import DTypeLike

from modelcollapse import arguments
from modelcollapse.data import Moments, Rows
from modelcollapse.families.checks import check_spanned, dimension
from modelcollapse.families.corrections import log_mean_deviation, mean_log_variance
from modelcollapse.laws import law_of, own_params
from modelcollapse.numeric import namespace
from modelcollapse.protocols import Count, Number, Source
from modelcollapse.pytree import part, static
from modelcollapse.sampling import MANY, keys, materialise, materialised, mean_and_factor, over_lanes


@part
class Normal:
    r"""A normal law in d dimensions: mean ``(d,)`` and :math:`\Sigma = U\,\mathrm{diag}(e^{2l})\,U^T`.

    ``unit`` is U ``(d, d)``, unit lower triangular; ``log_scale`` is l ``(d,)``. Under recursive fitting the pivots
    separate exponentially, so neither :math:`\Sigma` nor one scale for all of it would survive. Pivots of a law of
    lower rank are ``-inf``, the last ones, and their columns of U unit vectors.
    """

    mean: jax.Array
    unit: jax.Array
    log_scale: jax.Array

    @property
    def factor(self) -> jax.Array:
        """Lower triangular ``(d, d)``, covariance = factor @ factor.T; its small columns may underflow to 0."""
        xp = namespace(self.unit, self.log_scale)
        return self.unit * xp.exp(self.log_scale)[None, :]

    covariance_factor = factor

    @property
    def covariance(self) -> jax.Array:
        """``(d, d)``."""
        factor = self.factor
        return factor @ factor.T

    @property
    def log_variance(self) -> jax.Array:
        """``(d,)``: a row of the factor, squared and summed in log scale, so that nothing underflows."""
        return jax.nn.logsumexp(2 * (jnp.log(jnp.abs(self.unit)) + self.log_scale[None, :]), axis=1)

    def moved(self, by: np.ndarray | jax.Array) -> Normal:
        """The law of rows moved by ``by`` (d,)."""
        return Normal(self.mean + by, self.unit, self.log_scale)


def lower_product(
    unit: jax.Array, log_scale: jax.Array, right: jax.Array, log_right: jax.Array
) -> tuple[jax.Array, jax.Array]:
    r""":math:`U D V E` as a unit lower triangular matrix and log pivots, without ever forming D or E; lanes come last.

    Column j is :math:`U\,(e^{l - l_j} V_{\cdot j})`; the ratios are of pivots below the j-th to the j-th. A pivot of D
    or E that is 0 (its logarithm ``-inf``) leaves a unit vector, so an empty draw is the same whatever it was drawn
    from. Zeros of D must be its last pivots.
    """
    d = len(log_scale)
    if d == 1:
        return unit, log_scale + log_right
    spanned = log_scale > -jnp.inf
    # not the difference of two infinities
    ratio = log_scale[:, None] - jnp.where(spanned, log_scale, 0.0)[None]
    column = materialise(jnp.where(right == 0, 0.0, jnp.exp(jnp.where(right == 0, 0.0, ratio)) * right))
    product = _lower_applied(unit, column)
    below = np.tri(d, k=-1, dtype=bool)[:, :, None] & (spanned & jnp.isfinite(log_right))[None]
    return jnp.where(below, product, jnp.eye(d, dtype=unit.dtype)[:, :, None]), log_scale + log_right


def _draw_moments(
    key: Any, n: jax.Array, mean: jax.Array, unit: jax.Array, log_scale: jax.Array, *, many: bool = False
) -> tuple[jax.Array, jax.Array, jax.Array]:
    """Mean, unit factor and log pivots of the scatter of ``n`` draws: d normals and one Bartlett factor."""
    dtype, d = mean.dtype, len(mean)
    centre, below, pivots = mean_and_factor(key, n - 1, d, dtype, many)
    scaled = jnp.exp(log_scale) * centre
    step = (_applied(unit, materialise(scaled)) if d > 1 else scaled) / jnp.sqrt(jnp.maximum(n, 1).astype(dtype))[None]
    return mean + step, *lower_product(unit, log_scale, below, pivots)


_any_moments, _large_moments = over_lanes(_draw_moments), over_lanes(functools.partial(_draw_moments, many=True))


def _read(key: jax.Array, params: Normal) -> Any:
    """The key as its draws read it; in one dimension they are one block."""
    return keys.address(key) if params.mean.size == 1 else materialised(key)


def _lower_applied(lower: jax.Array, right: jax.Array) -> jax.Array:
    """The product of two lower triangles ``(d, d, lanes)``: of the upper half of the rows, the left half alone."""
    d, half = len(lower), len(lower) // 2
    if not 4 < d <= 16:
        return _applied(lower, right)
    above = _applied(lower[:half, :half], right[:half, :half])
    above = jnp.pad(above, ((0, 0), (0, d - half), (0, 0)))
    return jnp.concatenate([above, _applied(lower[half:], right)])


def _applied(matrix: jax.Array, right: jax.Array) -> jax.Array:
    """``matrix`` (d, d, lanes) times a vector ``(d, lanes)`` or matrix ``(d, k, lanes)``.

    A sum of terms is one loop along the lanes up to some size; XLA's own product of many small matrices is several.
    """
    rows, d = matrix.shape[:2]
    if d > 16:
        return jnp.einsum("ijl,j...l->i...l", matrix, right, precision=jax.lax.Precision.HIGHEST)
    shape = (rows, *(1,) * (right.ndim - 2), matrix.shape[-1])
    terms = [matrix[:, k].reshape(shape) * right[None, k] for k in range(d)]
    return functools.reduce(jnp.add, terms)


@part
class Gaussian:
    r"""Sample mean and sample covariance with divisor ``size - ddof``. Parameters: a ``Normal``.

    A data set is its mean and scatter, drawn directly in law: d normals and one Bartlett factor per generation,
    whatever the sample size. The mean has the resolution of the floating type: once a standard deviation is below half
    an ulp of the mean, further steps of the mean round to nothing, while the log scale goes on exactly.

    With ``ddof=1`` a fit needs at least d + 1 rows. With ``ddof=0`` fits to M <= d rows are legal: they have rank M -
    1, and so a determinant of 0. The rank stays exact where data sets are drawn from one model; where several are
    pooled, directions that no row spans come back at the level of rounding. Rows that leave a coordinate constant, but
    not one that follows it, fail.

    Parameters
    ----------
    ddof
        1 (unbiased covariance, the default) or 0 (maximum likelihood).
    divisor
        Of the scatter. None, the default: ``size - ddof``. ``"unbiased_deviation"`` makes the mean of the fitted
        standard deviation right (:math:`(M-1) c_4^2`), ``"log_unbiased"`` that of the log variance
        (:math:`(M-1) e^{-m}`, :math:`m = \ln(k/2) - \psi(k/2)`, k = M - 1), of every coordinate and in every direction,
        so that neither drifts under ``Replace``. In d > 1 dimensions this is one divisor too, so the log determinant
        still falls. Exact for independent normal draws of one law. Excludes ``ddof=0``.
    """

    ddof: int = static(default=1)
    divisor: str | None = static(default=None)

    data = Moments
    kind = "normal"
    equivariant = True
    default_observables = ("mean", "log_variance")

    def __post_init__(self) -> None:
        divisor = arguments.optional(arguments.choice, ("unbiased_deviation", "log_unbiased"))
        arguments.converted(self, ddof=arguments.checker(arguments.choice, (0, 1)), divisor=divisor)
        if self.divisor is not None and self.ddof == 0:
            raise ValueError(f"divisor must be None with ddof=0, got {self.divisor!r}: leave ddof out")

    def draw(self, key: jax.Array, params: Normal, n: Count, capacity: int = 0) -> Moments:
        n = jnp.asarray(n, jnp.int32)
        return Moments(n, *_any_moments(_read(key, params), n, params.mean, params.unit, params.log_scale))

    def many(self, source: Source) -> int:
        """d + 12: all d chi-square variates then have 12 degrees of freedom."""
        return dimension(self, source) + MANY

    def draw_many(self, key: jax.Array, params: Normal, n: Count, capacity: int = 0) -> Moments:
        """The same draws where n is 0 or at least d + 12; any other number gives NaN."""
        n = jnp.asarray(n, jnp.int32)
        return Moments(n, *_large_moments(_read(key, params), n, params.mean, params.unit, params.log_scale))

    def draw_rows(self, key: jax.Array, params: Normal, n: Count, capacity: int) -> Rows:
        noise = jax.random.normal(key, (capacity, params.mean.size), params.mean.dtype)
        return Rows(params.mean[None, :] + noise @ params.factor.T, jnp.asarray(n, jnp.int32))

    def summarise(self, rows: Rows) -> Moments:
        """The moments of rows, by QR of the centred and scaled points."""
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
        if self.ddof == 0:
            # n rows span n - 1 directions; what is left of the others is the rounding of their entries
            rounding = (
                8 * jnp.finfo(dtype).eps * jnp.sqrt(size) * jnp.where(present, jnp.abs(points), 0.0).max(0) / scale
            )
            first = jnp.arange(d, dtype=jnp.int32) < rows.count - 1
            spanned &= (rows.count > d) | (first & (jnp.abs(pivot) > rounding))
        unit = jnp.where(
            spanned[None, :], jnp.tril(lower) / jnp.where(spanned, pivot, 1.0)[None, :], jnp.eye(d, dtype=dtype)
        )
        log_scale = jnp.where(spanned, jnp.log(jnp.where(spanned, jnp.abs(pivot), 1.0)) + jnp.log(scale), -jnp.inf)
        return Moments(rows.count, mean + drift, unit, log_scale)

    def fit(self, key: jax.Array, data: Moments, previous: Normal | None) -> Normal:
        return Normal(data.mean, data.unit, data.log_scale - 0.5 * self._log_divisor(data.count, data.mean.dtype))

    def _log_divisor(self, count: jax.Array, dtype: DTypeLike) -> jax.Array:
        logarithm = jnp.log((count - self.ddof).astype(dtype))
        if self.divisor is None:
            return logarithm
        if self.divisor == "log_unbiased":
            return logarithm + mean_log_variance(count - 1, dtype)
        return logarithm + 2 * log_mean_deviation(count - 1, dtype)

    def before(self, source: Source) -> Normal | None:
        return own_params(source, self)

    def fewest(self, params: Normal) -> int:
        """d + 1 for a covariance of full rank; with ``ddof=0`` a single row will do."""
        return params.mean.shape[-1] + 1 if self.ddof == 1 else 1

    def blend(self, previous: Normal, fitted: Normal, rate: Number) -> Normal:
        """Linear in the mean, in the unit factor and in the log pivots."""
        if self.ddof == 1:
            return jax.tree.map(lambda old, new: old + rate * (new - old), previous, fitted)
        return jax.tree.map(lambda old, new: _between(old, new, rate), previous, fitted)

    def valid(self, params: Normal) -> jax.Array:
        """Whether all is finite; with ``ddof=0`` the last log pivots may be minus infinity, for a rank below d."""
        finite = jnp.isfinite(params.mean).all() & jnp.isfinite(params.unit).all()
        pivots = params.log_scale
        if self.ddof == 1:
            return finite & jnp.isfinite(pivots).all()
        # a 0 behind a 0 or behind any pivot, but no pivot behind a 0
        legal = jnp.isfinite(pivots) | jnp.isneginf(pivots)
        return finite & legal.all() & ~(jnp.isneginf(pivots[:-1]) & jnp.isfinite(pivots[1:])).any()

    def check(self, source: Source, sizes: np.ndarray) -> None:
        """Refuse sources without numeric rows or full rank, and with ``ddof=1`` sizes that leave a fit singular."""
        d = dimension(self, source)
        smallest = int(sizes.min())
        if smallest < d + 1 and self.ddof == 1:
            raise ValueError(
                f"size must be at least d + 1 = {d + 1} for "
                + ("a variance" if d == 1 else f"a covariance in {d} dimensions")
                + f", got {smallest}: fewer rows leave it singular"
                + ("" if d == 1 else "; or give ddof=0, which allows fits of lower rank")
            )
        check_spanned(self, source)
        law = law_of(source, Gaussian)
        if law is not None and np.isneginf(law.log_scale).any():
            raise ValueError(
                f"source must have a covariance of full rank for Gaussian, got a normal law of rank "
                f"{int(np.isfinite(law.log_scale).sum())} in {d} dimensions"
            )

    def project(self, source: Source) -> Normal | None:
        """The normal law with the mean and covariance of ``source``, where they are known."""
        law = law_of(source, Gaussian)
        if law is not None:
            return law
        moments = source.moments()
        return None if moments is None else normal_params(*moments)

    limit = project


def normal_params(mean: jax.Array, covariance: jax.Array) -> Normal:
    """``Normal`` from a mean ``(d,)`` and a positive definite covariance ``(d, d)``."""
    lower = jnp.linalg.cholesky(covariance)
    pivot = jnp.diagonal(lower)
    return Normal(mean, lower / pivot[None, :], jnp.log(pivot))


def _between(old: jax.Array, new: jax.Array, rate: Number) -> jax.Array:
    """``rate`` of the way from ``old`` to ``new``; a weight of 0 takes off a logarithm of 0."""
    ends = jnp.where(rate <= 0, old, jnp.where(rate >= 1, new, -jnp.inf))
    return jnp.where(jnp.isneginf(jnp.minimum(old, new)), ends, old + rate * (new - old))


@part
class GaussianMean:
    r"""A normal law of known covariance; its mean is refitted, by the sample mean. Parameters: a ``Normal``.

    The mean is a random walk with steps of covariance :math:`\Sigma/M`. The spread stays, so there is drift without
    collapse. One row is enough.

    Parameters
    ----------
    covariance
        Known: ``()``, a variance, times the identity; or ``(d, d)``.
    """

    covariance: Number = 1.0

    data = Moments
    kind = "normal"
    default_observables = ("mean",)

    def __post_init__(self) -> None:
        arguments.converted(self, covariance=known_covariance)

    def draw(self, key: jax.Array, params: Normal, n: Count, capacity: int = 0) -> Moments:
        return Gaussian().draw(key, params, n)

    def many(self, source: Source) -> int:
        return Gaussian().many(source)

    def draw_many(self, key: jax.Array, params: Normal, n: Count, capacity: int = 0) -> Moments:
        return Gaussian().draw_many(key, params, n)

    def draw_rows(self, key: jax.Array, params: Normal, n: Count, capacity: int) -> Rows:
        return Gaussian().draw_rows(key, params, n, capacity)

    def summarise(self, rows: Rows) -> Moments:
        return Gaussian().summarise(rows)

    def law(self, mean: jax.Array) -> Normal:
        """The law with this mean ``(d,)``."""
        d = mean.size
        sigma = jnp.asarray(self.covariance, mean.dtype)
        return normal_params(mean, sigma * jnp.eye(d, dtype=mean.dtype) if sigma.ndim == 0 else sigma)

    def fit(self, key: jax.Array, data: Moments, previous: Normal | None) -> Normal:
        return self.law(data.mean) if previous is None else Normal(data.mean, previous.unit, previous.log_scale)

    def blend(self, previous: Normal, fitted: Normal, rate: Number) -> Normal:
        """Linear in the mean."""
        return Normal(previous.mean + rate * (fitted.mean - previous.mean), fitted.unit, fitted.log_scale)

    def check(self, source: Source, sizes: np.ndarray) -> None:
        """Refuse sources without numeric rows, and a covariance of another dimension."""
        d, shape = dimension(self, source), np.shape(self.covariance)
        if shape not in ((), (d, d)):
            raise ValueError(f"covariance must have shape () or (d, d) = {(d, d)}, got {shape}")

    def project(self, source: Source) -> Normal | None:
        """The law with the mean of ``source``, where it is known."""
        moments = source.moments()
        return None if moments is None else self.law(moments[0])

    limit = project


def known_covariance(name: str, value: Any) -> float | np.ndarray:
    """A positive variance, or a symmetric positive definite matrix ``(d, d)``."""
    sigma = arguments.array(name, value, ndim=(0, 2))
    if not sigma.ndim:
        return arguments.positive(name, sigma)
    if not sigma.size or sigma.shape[0] != sigma.shape[1]:
        raise ValueError(f"{name} must have shape () or (d, d), got {sigma.shape}")
    if not np.allclose(sigma, sigma.T, rtol=1e-9, atol=0) or not np.all(np.linalg.eigvalsh(sigma) > 0):
        raise ValueError(f"{name} must be symmetric and positive definite, got {sigma}")
    return sigma

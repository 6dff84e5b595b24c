"""A kernel density keeps every row it was fitted to, and each refit spreads them by one more kernel: it diffuses."""

from __future__ import annotations

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
from jax.scipy.linalg import solve_triangular

from modelcollapse import arguments, sampling
from modelcollapse.data import MeasuredRows, Rows, measured
from modelcollapse.families.checks import check_spanned, dimension
from modelcollapse.families.gaussian import Gaussian, Normal
from modelcollapse.protocols import Count, Number, Source
from modelcollapse.pytree import part, static


@part
class Kernels:
    """Equal normal kernels on ``count`` points ``(capacity, d)``; one lower triangular ``factor`` ``(d, d)``.

    ``moments``: mean ``(d,)`` and scatter ``(d, d)`` of the points, where they are known.
    """

    points: jax.Array
    count: jax.Array  # (), int32
    factor: jax.Array
    moments: tuple[jax.Array, jax.Array] | None = None

    @property
    def data(self) -> MeasuredRows:
        """The points as a data set."""
        if self.moments is None:
            return measured(Rows(self.points, self.count))
        return MeasuredRows(self.points, self.count, *self.moments)

    @property
    def mean(self) -> jax.Array:
        """Mean of the density, ``(d,)``."""
        return self.data.mean

    @property
    def covariance(self) -> jax.Array:
        """Covariance of the density, ``(d, d)``: that of the points (divisor ``count``) plus the kernel's."""
        return self.data.scatter / self.count.astype(self.points.dtype) + self.factor @ self.factor.T

    def moved(self, by: np.ndarray | jax.Array) -> Kernels:
        """The law of rows moved by ``by`` (d,)."""
        moments = None if self.moments is None else (self.moments[0] + by, self.moments[1])
        return Kernels(self.points + by[None], self.count, self.factor, moments)

    def log_density(self, points: jax.Array) -> jax.Array:
        """Natural logarithm of the density at ``points`` (n, d) -> (n,); takes n times ``capacity`` kernels."""
        d = self.points.shape[1]
        there = Rows(self.points, self.count).present
        gap = points[:, None] - self.points[None]
        white = solve_triangular(self.factor, gap.reshape(-1, d).T, lower=True)
        squared = (white**2).sum(0).reshape(gap.shape[:2])
        logs = jax.nn.logsumexp(jnp.where(there[None], -0.5 * squared, -jnp.inf), axis=1)
        scale = jnp.log(jnp.abs(jnp.diagonal(self.factor))).sum()
        constant = jnp.asarray(0.5 * d * np.log(2 * np.pi), scale.dtype)
        return logs - jnp.log(self.count.astype(scale.dtype)) - scale - constant


@part
class KernelDensity:
    r"""A normal kernel on each of n rows. Parameters: ``Kernels``. Data sets are rows, and a fit keeps them all.

    The kernel's covariance is :math:`h^2 I`, or :math:`h^2 S` with the rows' covariance S (divisor n - 1), where

    .. math:: h = c \cdot \begin{cases} 1 & \text{fixed} \\ n^{-1/(d+4)} & \text{scott} \\
              (n (d+2)/4)^{-1/(d+4)} & \text{silverman}\end{cases}

    Rows are drawn by picking one of the n at random and adding a kernel's noise, so no density is ever evaluated. The
    variance of the density is that of its rows plus the kernel's: under a fixed h it settles at ``M h^2``, by a rule it
    grows without bound. Rows are kept as floats: a density much narrower than its mean is far from 0 loses the digits
    that they share, and one that outgrows the type fails its chain.

    Parameters
    ----------
    bandwidth
        c > 0. For ``rule="fixed"`` it is h itself, in the unit of the rows.
    rule
        ``"fixed"``, ``"scott"`` or ``"silverman"``.
    scaled
        Whether the kernel has the shape of the rows' covariance. Default: for the two rules, as
        ``scipy.stats.gaussian_kde`` does. scikit-learn's ``KernelDensity(bandwidth="scott")`` uses the same factor
        without it: ``scaled=False``, for rows that were standardised.
    """

    bandwidth: Number = 1.0
    rule: str = static(default="fixed")
    scaled: bool | None = static(default=None)

    data = MeasuredRows
    equivariant = True
    default_observables = ("mean", "variance")

    def __post_init__(self) -> None:
        rule = arguments.checker(arguments.choice, ("fixed", "scott", "silverman"))
        arguments.converted(self, rule=rule, scaled=arguments.optional(arguments.flag))
        if isinstance(self.bandwidth, str):
            raise TypeError(
                f"bandwidth must be a number, got {self.bandwidth!r}; name a rule by rule={self.bandwidth!r}"
            )
        arguments.converted(self, bandwidth=arguments.positive)

    @property
    def follows(self) -> bool:
        """Whether the kernel follows the rows' covariance."""
        return self.rule != "fixed" if self.scaled is None else self.scaled

    def factor(self, size: Number, d: int) -> Number:
        """h for ``size`` rows in d dimensions, before any scaling by their covariance; ``size`` is a float."""
        if self.rule == "fixed":
            return self.bandwidth
        return self.bandwidth * (size if self.rule == "scott" else size * ((d + 2) / 4)) ** (-1 / (d + 4))

    def draw(self, key: jax.Array, params: Kernels, n: Count, capacity: int) -> MeasuredRows:
        return measured(self.draw_rows(key, params, n, capacity))

    def draw_rows(self, key: jax.Array, params: Kernels, n: Count, capacity: int) -> Rows:
        dtype, d = params.points.dtype, params.points.shape[1]
        words, _ = sampling.keys.words(sampling.materialised(key), (capacity,))
        with sampling.float64():
            # every point by a chance exact to 2**-32
            scaled = words.astype(jnp.uint64) * params.count.astype(jnp.uint64)
            picked = sampling.materialise((scaled >> np.uint64(32)).astype(jnp.int32))
        noise = sampling.normal(key, (d, capacity), dtype, 1)
        spread = (params.factor[:, :, None] * noise[None]).sum(1)
        points = params.points.at[picked].get(mode="promise_in_bounds")
        return Rows(points + spread.T, jnp.asarray(n, jnp.int32))

    def summarise(self, rows: Rows) -> MeasuredRows:
        return measured(rows)

    def fit(self, key: jax.Array, data: Rows, previous: Kernels | None) -> Kernels:
        data = measured(data)
        dtype, d = data.points.dtype, data.points.shape[1]
        size = data.size.astype(dtype)
        h = jnp.asarray(self.factor(size, d), dtype)
        factor = h * (jnp.linalg.cholesky(data.scatter / (size - 1)) if self.follows else jnp.eye(d, dtype=dtype))
        return Kernels(data.points, data.size, factor, (data.mean, data.scatter))

    def valid(self, params: Kernels) -> jax.Array:
        """Whether the mean of the points is finite, and so each of them, and the kernel."""
        return jnp.isfinite(params.mean).all() & jnp.isfinite(params.factor).all()

    def held(self, params: Kernels) -> MeasuredRows:
        """The data set of the fit."""
        return params.data

    def shortened(self, params: Kernels, before: Kernels) -> Kernels:
        """The fit ``before`` rows were added, in the array of ``params``."""
        return dataclasses.replace(before, points=params.points)

    def check(self, source: Source, sizes: np.ndarray) -> None:
        """Refuse sources without numeric rows, and too few rows for a covariance to scale by."""
        d = dimension(self, source)
        if self.follows and sizes.min() < d + 1:
            raise ValueError(
                f"size must be at least d + 1 = {d + 1} for a kernel scaled by the covariance of the rows, got "
                f"{sizes.min()}: fewer leave it singular; or give scaled=False"
            )
        if self.follows:
            check_spanned(self, source, ", or give scaled=False")

    def fewest(self, params: Kernels) -> int:
        """d + 1 where the kernel has the shape of the rows' covariance."""
        return params.points.shape[-1] + 1 if self.follows else 1

    def with_room(self, params: Kernels, capacity: int) -> Kernels:
        """The same density with room for ``capacity`` points."""
        return dataclasses.replace(params, points=Rows(params.points, params.count).with_room(capacity).points)

    def workspace(self, params: Kernels) -> int:
        """Floats that a step of a fit holds for each row."""
        return 3 * params.points.shape[-1]

    def project(self, source: Source) -> Normal | None:
        """The normal law with the true mean and covariance, where they are known: what observables compare with."""
        return Gaussian().project(source)

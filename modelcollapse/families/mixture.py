"""A Gaussian mixture refitted by expectation-maximisation to rows, warm from its parent or fresh from k-means++."""

from __future__ import annotations

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.scipy.linalg import solve_triangular

from modelcollapse.data import Rows
from modelcollapse.families.gaussian import dimension
from modelcollapse.pytree import part, static


@part
class NormalMixture:
    """k normal laws in d dimensions: weights ``(k,)``, means ``(k, d)``, lower triangular factors ``(k, d, d)``."""

    weights: jax.Array
    means: jax.Array
    factors: jax.Array

    @property
    def covariances(self) -> jax.Array:
        """Of the components, ``(k, d, d)``."""
        return self.factors @ jnp.swapaxes(self.factors, -1, -2)

    @property
    def mean(self) -> jax.Array:
        """Of the whole mixture, ``(d,)``."""
        return self.weights @ self.means

    @property
    def covariance(self) -> jax.Array:
        """Of the whole mixture, ``(d, d)``: within components and between their means."""
        gap = self.means - self.mean[None, :]
        within = jnp.tensordot(self.weights, self.covariances, 1)
        return within + (self.weights[:, None] * gap).T @ gap

    def log_density(self, points: jax.Array) -> jax.Array:
        """Natural logarithm of the density at ``points`` (n, d) -> (n,)."""
        return jax.nn.logsumexp(_log_joint(self, points), axis=1)


class _Fit(NamedTuple):
    params: NormalMixture
    bound: jax.Array  # mean log likelihood of the parameters before the last step
    change: jax.Array
    steps: jax.Array


@part
class GaussianMixture:
    r"""``components`` normal laws with full covariances. Parameters: a ``NormalMixture``. Data sets are rows.

    EM stops when the mean log likelihood of a row changes by less than ``tol``, or after ``max_iter`` steps. Chains stop
    one by one: a chain that has converged no longer changes.

    A component whose rows weigh less than ``n`` times the machine epsilon in all is empty: it keeps its place with weight
    0 from then on, and is never drawn from again. A component that covers fewer than d + 1 distinct rows has a singular
    covariance unless ``reg_covar > 0``; the fit is then not finite and its chain fails, with its generation named.

    Parameters
    ----------
    components
        k.
    reg_covar
        Added to the diagonal of every covariance at every fit. It stops collapse: in one dimension, for one component
        and large M, the variance settles at InvGamma(2, M * reg_covar) instead of going to 0. scikit-learn adds 1e-6 by default; here 0.
    tol, max_iter
        Stopping rule, as in scikit-learn.
    init
        ``"parent"``: start from the previous generation's parameters (generation 0: k-means++). ``"k-means++"``: a
        fresh start each generation: seeds drawn in proportion to squared distance (Arthur and Vassilvitskii 2007), rows given to the
        nearest, one M step.
    """

    components: int = static()
    reg_covar: Any = 0.0
    tol: Any = 1e-3
    max_iter: int = static(default=100)
    init: str = static(default="parent")

    data = Rows

    def __post_init__(self) -> None:
        if not isinstance(self.components, int) or self.components < 1:
            raise ValueError(f"components must be a whole number of at least 1, got {self.components!r}")
        if not isinstance(self.max_iter, int) or self.max_iter < 1:
            raise ValueError(f"max_iter must be a whole number of at least 1, got {self.max_iter!r}")
        if self.init not in ("parent", "k-means++"):
            raise ValueError(f"init must be 'parent' or 'k-means++', got {self.init!r}")
        for name in ("reg_covar", "tol"):
            value = getattr(self, name)
            if isinstance(value, (int, float)) and not 0 <= value < float("inf"):
                raise ValueError(f"{name} must be finite and not negative, got {value!r}")

    def draw(self, key: jax.Array, params: NormalMixture, n: Any, capacity: int) -> Rows:
        return self.draw_rows(key, params, n, capacity)

    def draw_rows(self, key: jax.Array, params: NormalMixture, n: Any, capacity: int) -> Rows:
        dtype = params.means.dtype
        label = jax.random.categorical(jax.random.fold_in(key, 0), jnp.log(params.weights), shape=(capacity,))
        noise = jax.random.normal(jax.random.fold_in(key, 1), (capacity, params.means.shape[1]), dtype)
        points = params.means[label] + jnp.einsum("nij,nj->ni", params.factors[label], noise)
        return Rows(points, jnp.asarray(n, jnp.int32))

    def summarise(self, rows: Rows) -> Rows:
        return rows

    def fit(self, key: jax.Array, data: Rows, previous: NormalMixture | None) -> NormalMixture:
        weight = data.present.astype(data.points.dtype)
        if previous is None or self.init == "k-means++":
            previous = self._seeded(key, data.points, weight)
        dtype = data.points.dtype

        def unfinished(state: _Fit) -> jax.Array:
            # a change that is NaN ends the loop too
            return (state.change >= jnp.asarray(self.tol, dtype)) & (state.steps < self.max_iter)

        def improve(state: _Fit) -> _Fit:
            joint = _log_joint(state.params, data.points)
            evidence = jax.nn.logsumexp(joint, axis=1)
            bound = (weight * evidence).sum() / weight.sum()
            shares = weight[:, None] * jnp.exp(joint - evidence[:, None])
            params = self._maximise(data.points, shares, state.params)
            return _Fit(params, bound, jnp.abs(bound - state.bound), state.steps + 1)

        infinite = jnp.asarray(jnp.inf, dtype)
        return jax.lax.while_loop(unfinished, improve, _Fit(previous, -infinite, infinite, jnp.int32(0))).params

    def check(self, source: Any, sizes: np.ndarray) -> None:
        """Refuse sources without numeric rows, and data sets too small for a component of full rank."""
        d, k = dimension(self, source), self.components
        if sizes.min() < k:
            raise ValueError(f"size must be at least the number of components {k}, got {sizes.min()}")
        if np.any(np.asarray(self.reg_covar) == 0) and (sizes[0] < k * (d + 1) or sizes.min() < d + 1):
            raise ValueError(
                f"size must be at least components * (d + 1) = {k * (d + 1)} at first and d + 1 = {d + 1} later, "
                f"got {sizes[0]} and {sizes.min()}: fewer rows leave a covariance in {d} dimensions singular; "
                "or give reg_covar > 0"
            )

    def project(self, source: Any) -> NormalMixture | None:
        """The mixture itself, or a normal law as a mixture of one."""
        params: Any = getattr(source, "params", None)
        if isinstance(params, NormalMixture):
            return params
        if not hasattr(params, "log_scale"):
            return None
        return NormalMixture(jnp.ones(1, params.mean.dtype), params.mean[None], params.factor[None])

    def _maximise(self, points: jax.Array, shares: jax.Array, before: NormalMixture) -> NormalMixture:
        dtype = points.dtype
        mass = shares.sum(0)
        empty = mass <= jnp.finfo(dtype).eps * shares.sum()
        divisor = jnp.where(empty, 1.0, mass)
        means = (shares.T @ points) / divisor[:, None]
        gap = points[:, None, :] - means[None]
        scatter = jnp.einsum("nk,nki,nkj->kij", shares, gap, gap) / divisor[:, None, None]
        ridge = jnp.asarray(self.reg_covar, dtype) * jnp.eye(points.shape[1], dtype=dtype)
        factors = jnp.linalg.cholesky(scatter + ridge[None])
        return NormalMixture(
            jnp.where(empty, 0.0, mass) / jnp.where(empty, 0.0, mass).sum(),
            jnp.where(empty[:, None], before.means, means),
            jnp.where(empty[:, None, None], before.factors, factors),
        )

    def _seeded(self, key: jax.Array, points: jax.Array, weight: jax.Array) -> NormalMixture:
        k, d, dtype = self.components, points.shape[1], points.dtype

        def seed(i: jax.Array, carry: tuple[jax.Array, jax.Array]) -> tuple[jax.Array, jax.Array]:
            seeds, distance = carry
            # by distance to the seeds so far; uniform for the first, and where every row is a seed already
            chance = jnp.where((distance * weight).sum() > 0, distance * weight, weight)
            chosen = points[jax.random.categorical(jax.random.fold_in(key, i), jnp.log(chance))]
            return seeds.at[i].set(chosen), jnp.minimum(distance, ((points - chosen[None]) ** 2).sum(1))

        seeds = jnp.zeros((k, d), dtype)
        seeds, _ = jax.lax.fori_loop(0, k, seed, (seeds, jnp.full(points.shape[:1], jnp.finfo(dtype).max / 1e3, dtype)))
        nearest = ((points[:, None] - seeds[None]) ** 2).sum(2).argmin(1)
        shares = weight[:, None] * jax.nn.one_hot(nearest, k, dtype=dtype)
        identity = jnp.broadcast_to(jnp.eye(d, dtype=dtype), (k, d, d))
        return self._maximise(points, shares, NormalMixture(jnp.ones(k, dtype) / k, seeds, identity))


def _log_joint(params: NormalMixture, points: jax.Array) -> jax.Array:
    """Log weight plus log density of each component, ``(n, k)``."""

    def component(mean: jax.Array, factor: jax.Array) -> jax.Array:
        whitened = solve_triangular(factor, (points - mean[None]).T, lower=True)
        return -0.5 * (whitened**2).sum(0) - jnp.log(jnp.diagonal(factor)).sum()

    normaliser = 0.5 * points.shape[1] * jnp.log(2 * jnp.pi)
    density = jax.vmap(component, out_axes=1)(params.means, params.factors)
    return density + jnp.log(params.weights)[None] - jnp.asarray(normaliser, points.dtype)

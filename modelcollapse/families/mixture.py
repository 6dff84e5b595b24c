"""A Gaussian mixture refitted by expectation-maximisation to rows, warm from its parent or fresh from k-means."""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.scipy.linalg import solve_triangular

from modelcollapse import arguments, sampling
from modelcollapse.addresses import MIXTURE_COMPONENT, MIXTURE_NOISE
from modelcollapse.data import Rows
from modelcollapse.families.checks import check_spanned, dimension
from modelcollapse.families.gaussian import Normal
from modelcollapse.laws import law_of
from modelcollapse.numeric import namespace
from modelcollapse.protocols import Count, Number, Source
from modelcollapse.pytree import part, static

# up to here a table of all products of two coordinates is small, and one contraction with it is the fastest
_FEW_DIMENSIONS = 3
# an accelerator would round the factors of a product to a few digits
_EXACT = jax.lax.Precision.HIGHEST


@part
class NormalMixture:
    """k normal laws in d dimensions: weights ``(k,)``, means ``(k, d)``, lower triangular factors ``(k, d, d)``."""

    weights: jax.Array
    means: jax.Array
    factors: jax.Array

    @property
    def covariances(self) -> jax.Array:
        """Covariances of the components, ``(k, d, d)``."""
        return self.factors @ self.factors.swapaxes(-1, -2)

    @property
    def mean(self) -> jax.Array:
        """Mean of the whole mixture, ``(d,)``."""
        return self.weights @ self.means

    @property
    def covariance(self) -> jax.Array:
        """Covariance of the whole mixture, ``(d, d)``: within components and between their means."""
        gap = self.means - self.mean[None, :]
        within = namespace(self.weights, self.factors).tensordot(self.weights, self.covariances, 1)
        return within + (self.weights[:, None] * gap).T @ gap

    def moved(self, by: np.ndarray | jax.Array) -> NormalMixture:
        """The law of rows moved by ``by`` (d,)."""
        return NormalMixture(self.weights, self.means + by[None], self.factors)

    def log_density(self, points: jax.Array) -> jax.Array:
        """Natural logarithm of the density at ``points`` (n, d) -> (n,)."""
        return jax.nn.logsumexp(_log_joint(self, _whitened(self, points.T)), axis=0)


class _Fit(NamedTuple):
    params: NormalMixture
    bound: jax.Array  # mean log likelihood of the parameters before the last step
    change: jax.Array
    steps: jax.Array


@part
class GaussianMixture:
    r"""``components`` normal laws with full covariances. Parameters: a ``NormalMixture``. Data sets are rows.

    ``tied`` gives all components one covariance. ``mirrored`` is the symmetric mixture of theory papers,
    :math:`\frac12 N(\mu, \Sigma) + \frac12 N(-\mu, \Sigma)`: two components, opposite means, equal weights, one
    covariance. Its M step is :math:`\mu' = \frac1n \sum_i (2 r_i - 1) x_i`,
    :math:`\Sigma' = \frac1n \sum_i x_i x_i^T - \mu' \mu'^T`, with r the weight of the first component; its sign is
    that of the start.

    EM stops when the mean log likelihood of a row changes by less than ``tol``, or after ``max_iter`` steps. Chains
    stop one by one: a chain that has converged no longer changes.

    A component whose rows weigh less than ``n`` times the machine epsilon in all is empty: it keeps its place with
    weight 0 from then on, and is never drawn from again. A component that covers fewer than d + 1 distinct rows has a
    singular covariance unless ``reg_covar > 0``; the fit is then not finite and its chain fails, with its generation
    named. A tied covariance is singular only if the rows about all means are.

    Parameters
    ----------
    components
        k.
    reg_covar
        Added to the diagonal of every covariance at every fit. It stops collapse: in one dimension, for one component
        and large M, the variance settles at InvGamma(2, M * reg_covar) instead of going to 0. scikit-learn adds 1e-6 by
        default; here 0.
    tol, max_iter
        Stopping rule, as in scikit-learn.
    init
        ``"parent"``: start from the previous generation's parameters (generation 0: k-means++). ``"k-means++"``: a
        fresh start each generation: seeds drawn in proportion to squared distance (Arthur and Vassilvitskii 2007), rows
        given to the nearest, one M step. ``"k-means"``: the same after Lloyd's iteration from those seeds, until the
        squared shifts of the centres sum to at most 1e-4 of the mean variance of a coordinate, or 300 steps, as
        scikit-learn starts by default. With ``mirrored`` the one seed is drawn in proportion to its squared length.
    tied
        One covariance for all components: the average over rows, as scikit-learn's ``covariance_type="tied"``.
    mirrored
        Two components of weight 1/2 at plus and minus one mean, with one covariance. The origin is part of the model,
        so that rows far from 0 are not moved.
    """

    components: int = static()
    reg_covar: Number = 0.0
    tol: Number = 1e-3
    max_iter: int = static(default=100)
    init: str = static(default="parent")
    tied: bool = static(default=False)
    mirrored: bool = static(default=False)

    data = Rows
    default_observables = ("mean", "log_determinant")

    def __post_init__(self) -> None:
        arguments.converted(
            self,
            components=arguments.count,
            reg_covar=arguments.nonnegative,
            tol=arguments.nonnegative,
            max_iter=arguments.count,
            init=arguments.checker(arguments.choice, ("parent", "k-means++", "k-means")),
            **dict.fromkeys(("tied", "mirrored"), arguments.flag),
        )
        if self.mirrored and self.components != 2:
            raise ValueError(f"components must be 2 for a mirrored mixture, got {self.components}")

    @property
    def equivariant(self) -> bool:
        """Whether moved rows give the moved fit: not where the means mirror each other at 0."""
        return not self.mirrored

    def draw(self, key: jax.Array, params: NormalMixture, n: Count, capacity: int) -> Rows:
        return self.draw_rows(key, params, n, capacity)

    def draw_rows(self, key: jax.Array, params: NormalMixture, n: Count, capacity: int) -> Rows:
        dtype, d = params.means.dtype, params.means.shape[1]
        upper = jnp.cumsum(params.weights)
        uniform = jax.random.uniform(jax.random.fold_in(key, MIXTURE_COMPONENT), (capacity,), dtype) * upper[-1]
        # no row passes the last component that has any weight, however the product rounds
        passed = (uniform[None] >= upper[:, None]) & (upper < upper[-1])[:, None]
        label = passed.sum(0, dtype=jnp.int32)
        noise = sampling.normal(jax.random.fold_in(key, MIXTURE_NOISE), (d, capacity), dtype)
        each = jnp.einsum("kij,jn->kin", params.factors, noise, precision=_EXACT) + params.means[:, :, None]
        chosen = label[None] == jnp.arange(upper.size, dtype=jnp.int32)[:, None]
        points = jnp.where(chosen[:, None], each, 0.0).sum(0)
        return Rows(points.T, jnp.asarray(n, jnp.int32))

    def summarise(self, rows: Rows) -> Rows:
        return rows

    def fit(self, key: jax.Array, data: Rows, previous: NormalMixture | None) -> NormalMixture:
        points, weight = data.points.T, data.present.astype(data.points.dtype)
        if previous is None or self.init != "parent":
            previous = self._seeded(key, data.points, weight)
        dtype = points.dtype

        def unfinished(state: _Fit) -> jax.Array:
            # a change that is NaN ends the loop too
            return (state.change >= jnp.asarray(self.tol, dtype)) & (state.steps < self.max_iter)

        def improve(state: _Fit) -> _Fit:
            white = _whitened(state.params, points)
            joint = _log_joint(state.params, white)
            top = joint.max(0)
            relative = jnp.exp(joint - top[None])
            total = relative.sum(0)
            bound = (weight * (top + jnp.log(total))).sum() / weight.sum()
            params = self._maximise(state.params, *_moments(relative, weight / total, white))
            return _Fit(params, bound, jnp.abs(bound - state.bound), state.steps + 1)

        infinite = jnp.asarray(jnp.inf, dtype)
        return jax.lax.while_loop(unfinished, improve, _Fit(previous, -infinite, infinite, jnp.int32(0))).params

    def check(self, source: Source, sizes: np.ndarray) -> None:
        """Refuse sources without numeric rows, and data sets too small for a component of full rank."""
        d, k = dimension(self, source), self.components
        if sizes.min() < k:
            raise ValueError(f"size must be at least the number of components {k}, got {sizes.min()}")
        first, what = (d + 1, "d + 1") if self.mirrored else (k + d, "components + d")
        if not (self.tied or self.mirrored):
            first, what = k * (d + 1), "components * (d + 1)"
        if np.any(np.asarray(self.reg_covar) == 0) and (sizes[0] < first or sizes.min() < d + 1):
            raise ValueError(
                f"size must be at least {what} = {first} at first and d + 1 = {d + 1} later, "
                f"got {sizes[0]} and {sizes.min()}: fewer rows leave a covariance in {d} dimensions singular; "
                "or give reg_covar > 0"
            )
        if np.any(np.asarray(self.reg_covar) == 0):
            check_spanned(self, source, ", or give reg_covar > 0")

    def fewest(self, params: NormalMixture) -> jax.Array:
        """As many as components, and without ``reg_covar`` d + 1."""
        k, d = params.means.shape[-2:]
        return jnp.where(jnp.asarray(self.reg_covar) == 0, max(k, d + 1), k)

    def labour(self, params: NormalMixture, rows: int) -> int:
        """Some five steps, each of which reads and writes what it holds."""
        return 5 * 8 * self.workspace(params) * rows

    def workspace(self, params: NormalMixture) -> int:
        """Floats that a step of a fit holds for each row."""
        k, d = params.means.shape[-2:]
        return k * (4 + 2 * d + d * min(d, _FEW_DIMENSIONS))

    def project(self, source: Source) -> NormalMixture | None:
        """The mixture itself, or a normal law as a mixture of one."""
        params = law_of(source, object)
        if isinstance(params, NormalMixture):
            return params
        if not isinstance(params, Normal):
            return None
        return NormalMixture(jnp.ones(1, params.mean.dtype), params.mean[None], params.factor[None])

    def _maximise(self, before: NormalMixture, mass: jax.Array, first: jax.Array, second: jax.Array) -> NormalMixture:
        """The M step from weighted sums over rows, in coordinates where each component was standard normal before.

        There a step is close to the identity, so that neither a thin component nor a far one loses digits. A component
        that becomes thinner by more digits than the type has is given the width of that rounding, if a ridge keeps it
        regular; the next step, in those coordinates, has its digits again.
        """
        dtype, shared = mass.dtype, self.tied or self.mirrored
        empty = mass <= jnp.finfo(dtype).eps * mass.sum()
        divisor = jnp.where(empty, 1.0, mass)
        centre, square = first / divisor[:, None], second / divisor[:, None, None]
        if self.mirrored:
            shift = (first[0] - first[1]) / mass.sum()
            centre, empty = jnp.stack([shift, -shift]), jnp.zeros_like(empty)
        between = centre[:, :, None] * centre[:, None, :]
        if shared:  # in coordinates that all components have in common
            share = (mass / mass.sum())[:, None, None]
            pooled = jnp.sum(share * between, 0, keepdims=True), jnp.sum(second, 0, keepdims=True) / mass.sum()
            between, square = (jnp.broadcast_to(each, second.shape) for each in pooled)
        inverse = _inverses(before.factors)
        ridge = jnp.asarray(self.reg_covar, dtype) * jnp.einsum("kij,klj->kil", inverse, inverse, precision=_EXACT)
        spread = square - between + ridge
        step = jnp.linalg.cholesky(spread)
        # what is left of a difference that should be 0 is rounding: too few distinct rows, no full rank
        rounding = 32 * jnp.finfo(dtype).eps * jnp.diagonal(square, axis1=1, axis2=2)
        thin = ~(jnp.diagonal(step, axis1=1, axis2=2) ** 2 > rounding).all(1)
        wider = jnp.linalg.cholesky(spread + rounding[:, :, None] * jnp.eye(rounding.shape[1], dtype=dtype)[None])
        step = jnp.where(thin[:, None, None], wider, step)
        singular = thin & (jnp.asarray(self.reg_covar, dtype) == 0)
        factors = jnp.einsum("kij,kjl->kil", before.factors, step, precision=_EXACT)
        means = before.means + jnp.einsum("kij,kj->ki", before.factors, centre, precision=_EXACT)
        kept = jnp.full(2, 0.5, dtype) if self.mirrored else jnp.where(empty, 0.0, mass)
        factors = jnp.where(singular[:, None, None], jnp.nan, jnp.tril(factors))
        stays = empty & (not shared)
        return NormalMixture(
            kept / kept.sum(),
            jnp.where(empty[:, None], before.means, means),
            jnp.where(stays[:, None, None], before.factors, factors),
        )

    def _seeded(self, key: jax.Array, points: jax.Array, weight: jax.Array) -> NormalMixture:
        k, d, dtype = self.components, points.shape[1], points.dtype
        seeds = _opposite(key, points, weight) if self.mirrored else _spread_out(key, k, points, weight)
        if self.init == "k-means":
            # about centres that mirror each other, rows and their mirror images keep them so
            both = (jnp.concatenate([points, -points]), jnp.tile(weight, 2)) if self.mirrored else (points, weight)
            seeds = _settled(seeds, *both)
        identity = jnp.broadcast_to(jnp.eye(d, dtype=dtype), (k, d, d))
        start = NormalMixture(jnp.ones(k, dtype) / k, seeds, identity)
        nearest = _nearest(seeds, points)
        return self._maximise(start, *_moments(nearest, weight, points.T[None] - seeds[:, :, None]))


def _spread_out(key: jax.Array, k: int, points: jax.Array, weight: jax.Array) -> jax.Array:
    """k seeds ``(k, d)`` among the rows, each in proportion to the squared distance to those before."""

    def seed(i: jax.Array, carry: tuple[jax.Array, jax.Array]) -> tuple[jax.Array, jax.Array]:
        seeds, distance = carry
        # by distance to the seeds so far; uniform for the first, and where every row is a seed already
        chance = jnp.where((distance * weight).sum() > 0, distance * weight, weight)
        chosen = points[jax.random.categorical(jax.random.fold_in(key, i), jnp.log(chance))]
        return seeds.at[i].set(chosen), jnp.minimum(distance, ((points - chosen[None]) ** 2).sum(1))

    dtype = points.dtype
    start = jnp.zeros((k, points.shape[1]), dtype), jnp.full(points.shape[:1], jnp.finfo(dtype).max / 1e3, dtype)
    return jax.lax.fori_loop(0, k, seed, start)[0]


def _opposite(key: jax.Array, points: jax.Array, weight: jax.Array) -> jax.Array:
    """A row, in proportion to its squared length, and its mirror image, ``(2, d)``."""
    length = (points**2).sum(1) * weight
    chance = jnp.where(length.sum() > 0, length, weight)
    chosen = points[jax.random.categorical(jax.random.fold_in(key, 0), jnp.log(chance))]
    return jnp.stack([chosen, -chosen])


def _nearest(centres: jax.Array, points: jax.Array) -> jax.Array:
    """1 for each row's nearest centre, 0 for others, ``(k, n)``."""
    nearest = ((points[:, None] - centres[None]) ** 2).sum(2).argmin(1)
    return jax.nn.one_hot(nearest, centres.shape[0], dtype=points.dtype, axis=0)


def _settled(centres: jax.Array, points: jax.Array, weight: jax.Array) -> jax.Array:
    """Where Lloyd's iteration takes the centres ``(k, d)`` of rows ``(n, d)``; one that has no rows stays."""
    total = weight.sum()
    spread = (weight[:, None] * (points - (weight @ points / total)[None]) ** 2).sum() / total / points.shape[1]

    def unfinished(state: tuple[jax.Array, jax.Array, jax.Array]) -> jax.Array:
        _, shift, steps = state
        return (shift > 1e-4 * spread) & (steps < 300)

    def move(state: tuple[jax.Array, jax.Array, jax.Array]) -> tuple[jax.Array, jax.Array, jax.Array]:
        before, _, steps = state
        own = _nearest(before, points) * weight[None]
        mass = own.sum(1)[:, None]
        # from the old centre, so that rows far from the origin lose no digits
        gap = (own[:, :, None] * (points[None] - before[:, None])).sum(1)
        shift = jnp.where(mass > 0, gap / jnp.where(mass > 0, mass, 1.0), 0.0)
        return before + shift, (shift**2).sum(), steps + 1

    start = (centres, jnp.asarray(jnp.inf, points.dtype), jnp.int32(0))
    return jax.lax.while_loop(unfinished, move, start)[0]


def _inverses(factors: jax.Array) -> jax.Array:
    identity = jnp.broadcast_to(jnp.eye(factors.shape[-1], dtype=factors.dtype), factors.shape)
    return solve_triangular(factors, identity, lower=True)


def _whitened(params: NormalMixture, points: jax.Array) -> jax.Array:
    """Points ``(d, n)`` in the coordinates where each component is standard normal, ``(k, d, n)``."""
    gap = points[None] - params.means[:, :, None]
    white = jnp.einsum("kij,kjn->kin", _inverses(params.factors), gap, precision=_EXACT)
    # so far out no component has any weight, and 0 times the square must stay 0
    farthest = np.asarray(float(jnp.finfo(points.dtype).max) ** 0.5 / (2 * points.shape[0]), points.dtype)
    return jnp.clip(white, -farthest, farthest)


def _log_joint(params: NormalMixture, white: jax.Array) -> jax.Array:
    """Log weight plus log density of each component, ``(k, n)``."""
    scale = jnp.log(jnp.diagonal(params.factors, axis1=1, axis2=2)).sum(1)
    normaliser = jnp.asarray(0.5 * white.shape[1] * np.log(2 * np.pi), white.dtype)
    return (jnp.log(params.weights) - scale - normaliser)[:, None] - 0.5 * (white**2).sum(1)


def _moments(relative: jax.Array, weight: jax.Array, white: jax.Array) -> tuple[jax.Array, jax.Array, jax.Array]:
    """Sums over rows of the weights ``relative * weight``, with 1, z and z z^T: ``(k,)``, ``(k, d)``, ``(k, d, d)``.

    As contractions, because their operands are computed once; the sums of a fused expression would each compute the
    weights again.
    """
    k, d, n = white.shape
    if d > _FEW_DIMENSIONS:
        known = jnp.concatenate([jnp.ones((k, 1, n), white.dtype), white], 1)
        sums = jnp.einsum("kin,kjn->kij", known * (relative * weight[None])[:, None], known, precision=_EXACT)
        return sums[:, 0, 0], sums[:, 0, 1:], sums[:, 1:, 1:]
    products = (white[:, :, None] * white[:, None]).reshape(k, d * d, n)
    known = jnp.concatenate([jnp.ones((k, 1, n), white.dtype), white, products], 1) * weight[None, None]
    sums = jnp.einsum("kn,kfn->kf", relative, known, precision=_EXACT)
    return sums[:, 0], sums[:, 1 : d + 1], sums[:, d + 1 :].reshape(k, d, d)

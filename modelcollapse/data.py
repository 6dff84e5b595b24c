"""A data set is whatever a family needs to be fitted; two are pooled with ``|``, and an empty one changes nothing.

``Counts`` and ``Rows`` hold items, so they also have subsets (``take``). ``Moments`` hold only what a Gaussian fit can
see, and the moments of a subset are no function of the moments of the whole.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax

from modelcollapse.protocols import Count, HasRoom, Number, Source
from modelcollapse.pytree import part
from modelcollapse.sampling import binomial, multivariate_hypergeometric


@part
class Counts:
    """How often each of K states was seen.

    Totals are 32-bit integers: a pool beyond 2^31 - 1 items is refused by ``simulate``.
    """

    n: jax.Array  # (K,) int32

    @property
    def size(self) -> jax.Array:
        return self.n.sum(dtype=self.n.dtype)

    def __or__(self, other: Counts) -> Counts:
        return Counts(self.n + other.n)

    def take(self, key: jax.Array, n: Count, capacity: int) -> Counts:
        """A uniformly random subset of ``n`` items: multivariate hypergeometric, exact. The whole if it has no more."""
        return Counts(multivariate_hypergeometric(key, self.n, jnp.minimum(n, self.size)))

    def thinned(self, key: jax.Array, probability: Number) -> Counts:
        """Each item stays with ``probability``, one for all or one for each state ``(K,)``: binomial counts."""
        return Counts(binomial(key, self.n, jnp.broadcast_to(probability, self.n.shape)))

    def mixed(self, other: Counts, weight: Number) -> WeightedCounts:
        """The pool in which these items weigh ``weight`` in all, and the other's the rest."""
        return WeightedCounts(self, other, jnp.asarray(weight, jnp.result_type(float)))

    def alone(self) -> WeightedCounts:
        """The pool with nothing else in it."""
        return self.mixed(Counts(jnp.zeros_like(self.n)), 1.0)

    @staticmethod
    def capacity_for(size: int) -> int:
        """The next power of two, so that nearby sample sizes share one compilation."""
        return 1 << max(int(size) - 1, 1).bit_length()


@part
class WeightedCounts:
    """Counts of two kinds of items: ``first`` weighs ``weight`` ``()`` in all, ``second`` the rest; no integer is
    scaled.
    """

    first: Counts
    second: Counts
    weight: jax.Array

    @property
    def size(self) -> jax.Array:
        """Draws in both groups."""
        return self.first.size + self.second.size

    @property
    def n(self) -> jax.Array:
        """How often each state was seen, ``(K,)`` int32, whatever it weighs."""
        return self.first.n + self.second.n


@part
class Moments:
    r"""Size, mean and scatter of a set of points: all that a Gaussian fit can see.

    The scatter about the mean is kept as :math:`S = U \,\mathrm{diag}(e^{2l})\, U^T` with ``U`` unit lower triangular,
    so that pivots may separate by any factor; a pivot that no draw spans is ``-inf`` and its column of ``U`` a unit
    vector.
    """

    count: jax.Array  # (), int32
    mean: jax.Array  # (d,)
    unit: jax.Array  # (d, d) unit lower triangular
    log_scale: jax.Array  # (d,) log pivots of the factor

    @property
    def size(self) -> jax.Array:
        return self.count

    def __or__(self, other: Moments) -> Moments:
        r"""Pooled moments: :math:`S = S_1 + S_2 + \frac{n_1 n_2}{n_1 + n_2} g g^T` with the gap g of the means (Chan et
        al. 1979).

        Each column is added by a rank-one update in log scale, which is exact where a summand is empty and cannot
        underflow, as an LQ step over rows of such unequal scale would.
        """
        dtype = self.mean.dtype
        return weighed(self, other, self.count.astype(dtype), other.count.astype(dtype))

    def mixed(self, other: Moments, weight: Number) -> Moments:
        """The pool in which these rows weigh ``weight`` together and the other's the rest; the mean weight is 1."""
        dtype = self.mean.dtype
        total = (self.count + other.count).astype(dtype)
        each = total * jnp.asarray(weight, dtype), total * (1 - jnp.asarray(weight, dtype))
        first, second = (
            Moments(m.count, m.mean, m.unit, m.log_scale + 0.5 * jnp.log(mass / jnp.maximum(m.count, 1).astype(dtype)))
            for m, mass in zip((self, other), each, strict=True)
        )
        return weighed(first, second, *each)

    @staticmethod
    def capacity_for(size: int) -> int:
        """0: moments take the same room whatever the size."""
        return 0


def weighed(first: Moments, second: Moments, mine: jax.Array, theirs: jax.Array) -> Moments:
    """The pool of two scatters whose rows weigh ``mine`` and ``theirs`` ``()`` in all, whole numbers or not."""
    both = jnp.where(mine + theirs > 0, mine + theirs, 1.0)
    gap = second.mean - first.mean
    # from the larger side, so that pooling with an empty set returns the very same mean
    mean = jnp.where(mine >= theirs, first.mean + (theirs / both) * gap, second.mean - (mine / both) * gap)
    columns = jnp.concatenate([second.unit.T, gap[None]])
    scales = jnp.concatenate([second.log_scale, 0.5 * jnp.log(mine * theirs / both)[None]])

    def add(factor: tuple[jax.Array, jax.Array], column: tuple[jax.Array, jax.Array]) -> tuple[Any, None]:
        return rank_one_update(*factor, *column), None

    (unit, log_scale), _ = lax.scan(add, (first.unit, first.log_scale), (columns, scales))
    return Moments(first.count + second.count, mean, unit, log_scale)


def rank_one_update(
    unit: jax.Array, log_scale: jax.Array, vector: jax.Array, log_weight: jax.Array
) -> tuple[jax.Array, jax.Array]:
    r"""The factor ``(U, l)`` of :math:`U \mathrm{diag}(e^{2l}) U^T + e^{2s} v v^T`, all scales kept as logarithms.

    The positive LDL update of Gill, Golub, Murray and Saunders (1974, method C1): per pivot
    :math:`d' = d + a p^2`, :math:`a' = a d / d'`, :math:`b = a p / d'`.
    A weight of ``-inf`` changes nothing, bit for bit.
    """
    index = jnp.arange(vector.size, dtype=jnp.int32)

    def pivot(j: jax.Array, carry: tuple[jax.Array, ...]) -> tuple[jax.Array, ...]:
        unit, log_scale, vector, log_weight = carry
        p, old = vector[j], log_scale[j]
        added = log_weight + jnp.log(jnp.abs(p))
        # hypot in log scale; logaddexp(x, -inf) is x exactly
        new = 0.5 * jnp.logaddexp(2 * old, 2 * added)
        moves = jnp.isfinite(added)
        below = index > j
        column = unit[:, j]
        rest = jnp.where(below, vector - p * column, 0.0)
        # b = a p / d' = (a p^2 / d') / p, and a p^2 / d' is at most 1
        b = jnp.where(moves, jnp.exp(2 * jnp.where(moves, added - new, 0.0)) / jnp.where(moves, p, 1.0), 0.0)
        unit = unit.at[:, j].set(jnp.where(below & moves, column + b * rest, column))
        vector = jnp.where(moves, rest, jnp.where(below, vector, 0.0))
        log_weight = jnp.where(moves, log_weight + jnp.where(moves, old - new, 0.0), log_weight)
        return unit, log_scale.at[j].set(jnp.where(moves, new, old)), vector, log_weight

    unit, log_scale, _, _ = lax.fori_loop(0, vector.size, pivot, (unit, log_scale, vector, log_weight))
    return unit, log_scale


@jax.jit
def _one_row(source: Source) -> Rows:
    return source.draw_rows(jax.random.key(0), jnp.int32(1), 1)


def row_type(source: Source) -> tuple[tuple[int, ...], jnp.dtype]:
    """Shape and type of one row of ``source``, found without a draw."""
    points = jax.eval_shape(_one_row, source).points
    return points.shape[1:], points.dtype


@part
class Rows:
    """Points, of which the first ``count`` are there and the rest is room.

    Pooling keeps the larger room of the two, and writes where the other's rows go without moving those that are there.
    Where they would not fit, NaN (integers: -1) is written instead, so that nothing is lost in silence. ``simulate``
    reserves enough for the regimes of this package.
    """

    points: jax.Array  # (capacity, d), or (capacity,) integers for states
    count: jax.Array  # (), int32

    @property
    def size(self) -> jax.Array:
        return self.count

    @property
    def capacity(self) -> int:
        """Rows that there is room for."""
        return self.points.shape[0]

    @property
    def present(self) -> jax.Array:
        """``(capacity,)`` booleans: which rows are there."""
        return jnp.arange(self.capacity, dtype=jnp.int32) < self.count

    def __or__(self, other: Rows) -> Rows:
        whole = self.with_room(max(self.capacity, other.capacity)).points
        total, length = self.count + other.count, other.capacity
        # the last rows of other's array may reach beyond the end, where its room does
        start = jnp.minimum(self.count, len(whole) - length)
        there = lax.dynamic_slice_in_dim(whole, start, length)
        row = jnp.arange(length, dtype=jnp.int32) - (self.count - start)
        new = jnp.asarray(other.points).at[jnp.maximum(row, 0)].get(mode="promise_in_bounds")
        column = (length, *(1,) * (whole.ndim - 1))
        written = jnp.where(((row >= 0) & (row < other.count)).reshape(column), new, there)
        ruined = jnp.full_like(written, jnp.nan if jnp.issubdtype(whole.dtype, jnp.floating) else -1)
        written = jnp.where(total <= len(whole), written, ruined)
        return Rows(lax.dynamic_update_slice_in_dim(whole, written, start, 0), total)

    def take(self, key: jax.Array, n: Count, capacity: int) -> Rows:
        """A uniformly random subset of ``n`` rows, or the whole if it has no more, in room for ``capacity``.

        Rows are ordered by 32 random bits each; a tie (probability below capacity^2 / 2^33) prefers the earlier row.
        """
        chosen = self.points[self._order(key)[: min(capacity, self.capacity)]]
        return Rows(chosen, jnp.minimum(n, self.count).astype(jnp.int32)).with_room(capacity)

    def _order(self, key: jax.Array) -> jax.Array:
        """A random order ``(capacity,)`` of the rows that are there, and then the rest."""
        bits = jax.random.bits(key, (self.capacity,), jnp.uint32)
        return jnp.argsort(jnp.where(self.present, bits >> 1, jnp.uint32(0xFFFFFFFF)), stable=True)

    def rewritten(self, key: jax.Array, kept: Count, draw: Callable[[Count, Rows], Rows]) -> Rows:
        """A uniformly random subset of ``kept`` rows stays, bit for bit; ``draw(n, given)`` gives what stands in the
        places of the n others, which are ``given`` in their order.
        """
        kept = jnp.asarray(kept, jnp.int32)
        stays = (
            jnp.zeros(self.capacity, bool).at[self._order(key)].set(jnp.arange(self.capacity, dtype=jnp.int32) < kept)
        )
        goes = self.present & ~stays
        places, n = jnp.argsort(~goes, stable=True), self.count - kept
        new = draw(n, Rows(self.points[places], n)).points
        if (new.shape[1:], new.dtype) != (self.points.shape[1:], self.points.dtype) or len(new) < self.capacity:
            raise TypeError(
                f"what takes the place of rows must be like them, {self.points.dtype} of shape {self.points.shape}, "
                f"got {new.dtype} of shape {new.shape}"
            )
        column = (self.capacity, *(1,) * (new.ndim - 1))
        return Rows(jnp.where(goes.reshape(column), new[jnp.argsort(places)], self.points), self.count)

    def thinned(self, key: jax.Array, probability: Number) -> Rows:
        """Each row stays with ``probability``, one for all or one for each row ``(capacity,)``, in order."""
        return self.where(jax.random.bernoulli(key, jnp.broadcast_to(probability, (self.capacity,))))

    def where(self, stays: jax.Array) -> Rows:
        """The rows that are there and for which ``stays`` ``(capacity,)`` is true, in order."""
        stays = self.present & stays
        return Rows(self.points[jnp.argsort(~stays, stable=True)], stays.sum(dtype=jnp.int32))

    def with_room(self, capacity: int) -> Rows:
        missing = capacity - self.capacity
        if missing <= 0:
            return self
        return Rows(
            jnp.concatenate([self.points, jnp.zeros((missing, *self.points.shape[1:]), self.points.dtype)]), self.count
        )

    @staticmethod
    def capacity_for(size: int) -> int:
        return int(size)


@part
class MeasuredRows(Rows):
    r"""Rows that know their ``mean`` ``(d,)`` and ``scatter`` about it ``(d, d)``; pooling does not read them again.

    .. math:: S = S_1 + S_2 + \frac{n_1 n_2}{n_1 + n_2} g g^T

    with the gap g of the means (Chan et al. 1979).
    """

    mean: jax.Array
    scatter: jax.Array

    def __or__(self, other: Rows) -> MeasuredRows:
        other, rows = measured(other), Rows.__or__(self, other)
        mine, theirs = (one.count.astype(self.mean.dtype) for one in (self, other))
        both, gap = jnp.maximum(mine + theirs, 1.0), other.mean - self.mean
        # from the larger side, so that pooling with an empty set returns the very same mean
        mean = jnp.where(mine >= theirs, self.mean + (theirs / both) * gap, other.mean - (mine / both) * gap)
        mean = jnp.where(rows.count <= rows.capacity, mean, jnp.nan)  # what does not fit fails at once
        between = (mine * (theirs / both)) * gap[:, None] * gap[None]
        return MeasuredRows(rows.points, rows.count, mean, self.scatter + other.scatter + between)

    def take(self, key: jax.Array, n: Count, capacity: int) -> MeasuredRows:
        return measured(Rows.take(self, key, n, capacity))

    def thinned(self, key: jax.Array, probability: Number) -> MeasuredRows:
        return measured(Rows.thinned(self, key, probability))

    def rewritten(self, key: jax.Array, kept: Count, draw: Callable[[Count, Rows], Rows]) -> MeasuredRows:
        return measured(Rows.rewritten(self, key, kept, draw))

    def with_room(self, capacity: int) -> MeasuredRows:
        rows = Rows(self.points, self.count).with_room(capacity)
        return MeasuredRows(rows.points, rows.count, self.mean, self.scatter)


def measured(rows: Rows) -> MeasuredRows:
    """Rows ``(n, d)`` with their mean and scatter."""
    if isinstance(rows, MeasuredRows):
        return rows
    points, there = rows.points, rows.present[:, None]
    size = jnp.maximum(rows.count, 1).astype(points.dtype)
    mean = jnp.where(there, points, 0.0).sum(0) / size
    centred = jnp.where(there, points - mean[None], 0.0)
    # the rounding of the mean leaves a drift, whose square is taken off again
    drift = centred.sum(0) / size
    square = jnp.matmul(centred.T, centred, precision=lax.Precision.HIGHEST)
    return MeasuredRows(points, rows.count, mean + drift, square - size * drift[:, None] * drift[None])


def with_room(tree: Any, capacity: int) -> Any:
    """The same, every set of rows in it in an array of ``capacity`` or more."""
    kept: Callable[[Any], bool] = lambda node: isinstance(node, Rows | HasRoom)  # noqa: E731
    return jax.tree.map(lambda node: node.with_room(capacity) if kept(node) else node, tree, is_leaf=kept)


def room(data: Any) -> int:
    """The length of the array that holds the rows of a data set; 0 for one without."""
    if isinstance(data, Rows):
        return data.capacity
    # where only shapes are known, there is nothing to compute with
    there = jax.eval_shape(lambda some: some.present if isinstance(some, HasRoom) else None, data)
    return 0 if there is None else there.shape[0]

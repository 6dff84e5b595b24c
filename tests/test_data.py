"""Data sets pool as if their rows had been written one below the other, at any scale and any rank."""

import jax
import jax.numpy as jnp
import mpmath
import numpy as np
import pytest
from scipy import stats

import modelcollapse as mc
from modelcollapse.data import Counts, Moments, Rows

ROOM = 12
pool = jax.jit(lambda a, b: a | b)
summarise = jax.jit(mc.Gaussian().summarise)


def moments_of(points: np.ndarray) -> Moments:
    filled = np.vstack([points, np.full((ROOM - len(points), points.shape[1]), 1e9)])
    return summarise(Rows(jnp.asarray(filled), jnp.int32(len(points))))


def scatter(moments: Moments) -> np.ndarray:
    factor = np.asarray(moments.unit) * np.exp(np.asarray(moments.log_scale))
    return factor @ factor.T


def assert_same_bits(a: Moments, b: Moments) -> None:
    for x, y in zip(jax.tree.leaves(a), jax.tree.leaves(b), strict=True):
        np.testing.assert_array_equal(x, y)


# n <= d rows have a scatter of rank n - 1
@pytest.mark.parametrize(("first", "second"), [(1, 1), (1, 12), (2, 3), (3, 2), (9, 2), (12, 11)])
def test_moments_pool_like_concatenated_rows(first: int, second: int) -> None:
    rng = np.random.default_rng(first * 100 + second)
    a, b = (
        rng.normal(size=(first, 3)) * [1, 2, 3],
        4 + rng.normal(size=(second, 3)) @ [[1, 0.5, 0], [0, 1, 2], [0, 0, 1]],
    )
    both, rows = pool(moments_of(a), moments_of(b)), np.vstack([a, b])
    centred = rows - rows.mean(0)
    expected = centred.T @ centred
    assert int(both.size) == first + second
    np.testing.assert_allclose(both.mean, rows.mean(0), rtol=1e-13, atol=1e-14)
    np.testing.assert_allclose(scatter(both), expected, rtol=1e-11, atol=1e-12 * np.trace(expected))
    # what a rule without the gap of the means would give is far away
    assert abs(scatter(moments_of(a)) + scatter(moments_of(b)) - expected).max() > 0.1 * abs(expected).max()


@pytest.mark.parametrize("order", ["left", "right"])
@pytest.mark.parametrize("empty", ["drawn", "summarised"])
@pytest.mark.parametrize("count", [2, 3, 12])
def test_pooling_with_an_empty_set_changes_no_bit(order: str, empty: str, count: int) -> None:
    law = mc.normal([1.0, -2.0, 0.3], [[2.0, 0.9, -0.4], [0.9, 1.0, 0.1], [-0.4, 0.1, 3.0]])
    nothing = law.family.draw(jax.random.key(3), law.params, 0) if empty == "drawn" else moments_of(np.zeros((0, 3)))
    something = moments_of(np.random.default_rng(count).normal(5, 2, size=(count, 3)))
    both = pool(nothing, something) if order == "left" else pool(something, nothing)
    assert int(nothing.size) == 0
    assert_same_bits(both, something)


def exact_pool(a: Moments, b: Moments) -> tuple[np.ndarray, np.ndarray]:
    """Unit factor and log pivots of the pooled scatter, in 1000 digits."""
    with mpmath.workdps(1000):

        def matrix(m: Moments) -> mpmath.matrix:
            unit = mpmath.matrix(np.asarray(m.unit).tolist())
            return unit * mpmath.diag([mpmath.exp(2 * mpmath.mpf(float(x))) for x in m.log_scale]) * unit.T

        gap = mpmath.matrix((np.asarray(b.mean) - np.asarray(a.mean)).tolist())
        n, m = int(a.count), int(b.count)
        lower = mpmath.cholesky(matrix(a) + matrix(b) + gap * gap.T * mpmath.mpf(n * m) / (n + m))
        d = lower.rows
        unit = [[float(lower[i, j] / lower[j, j]) for j in range(d)] for i in range(d)]
        return np.array(unit), np.array([float(mpmath.log(lower[j, j])) for j in range(d)])


@pytest.mark.parametrize("gap", [0.0, 1.0, 1e-200])
def test_pivots_that_differ_by_many_hundred_orders_survive_pooling(gap: float) -> None:
    rng = np.random.default_rng(0)

    def thin(mean: float, scales: list[float]) -> Moments:
        unit = np.tril(rng.normal(size=(3, 3)), -1) + np.eye(3)
        return Moments(jnp.int32(7), jnp.full(3, mean), jnp.asarray(unit), jnp.asarray(scales))

    a, b = thin(0.0, [0.0, -500.0, -1000.0]), thin(gap, [-0.3, -520.0, -999.0])
    # equal first columns: the sum then keeps its thin direction, which no double-precision scatter could hold
    b = Moments(b.count, b.mean, b.unit.at[:, 0].set(a.unit[:, 0]), b.log_scale)
    both = pool(a, b)
    unit, log_scale = exact_pool(a, b)
    np.testing.assert_allclose(both.log_scale, log_scale, rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(both.unit, unit, rtol=1e-9, atol=1e-12)


def test_subsets_of_counts_stay_within_them_and_have_the_size_asked_for() -> None:
    counts = Counts(jnp.array([5, 0, 3, 1], jnp.int32))
    take = jax.jit(jax.vmap(lambda key, n: counts.take(key, n, 9).n))
    n = np.arange(200) % 12
    taken = np.asarray(take(jax.random.split(jax.random.key(0), 200), jnp.asarray(n, jnp.int32)))
    np.testing.assert_array_equal(taken.sum(1), np.minimum(n, 9))
    assert (taken >= 0).all()
    assert (taken <= np.asarray(counts.n)).all()


def test_subsets_of_rows_are_uniform_and_hold_no_row_twice() -> None:
    rows = Rows(jnp.asarray([[1.0], [2.0], [4.0], [8.0], [1e9]]), jnp.int32(4))
    draws = 6000
    taken = jax.jit(jax.vmap(lambda key: rows.take(key, jnp.int32(2), 3)))(jax.random.split(jax.random.key(1), draws))
    assert taken.points.shape == (draws, 3, 1)
    assert (np.asarray(taken.count) == 2).all()
    totals, seen = np.unique(np.asarray(taken.points)[:, :2, 0].sum(1), return_counts=True)
    # sums of two different powers of two name the pair; 2 or 16 would be one row taken twice
    np.testing.assert_array_equal(totals, [3, 5, 6, 9, 10, 12])
    assert stats.chisquare(seen).pvalue > 1e-6
    assert (np.asarray(rows.take(jax.random.key(2), jnp.int32(9), 5).count)) == 4


def test_rows_pool_in_order_and_refuse_to_lose_any() -> None:
    a = Rows(jnp.asarray([1.0, 2.0, 0.0, 0.0])[:, None], jnp.int32(2))
    b = Rows(jnp.asarray([3.0, 9.0])[:, None], jnp.int32(1))
    both = a | b
    np.testing.assert_array_equal(both.points[: int(both.count), 0], [1, 2, 3])
    full = b | Rows(jnp.asarray([4.0, 5.0])[:, None], jnp.int32(2))
    assert int(full.count) == 3
    assert np.isnan(full.points).all()
    states = Rows(jnp.array([1, 2], jnp.int32), jnp.int32(2))
    assert ((states | states).points == -1).all()
    assert (states | states.with_room(4)).points[:4].tolist() == [1, 2, 1, 2]


def test_nearby_sample_sizes_share_one_capacity() -> None:
    assert [Counts.capacity_for(n) for n in (1, 2, 3, 32, 33, 64)] == [2, 2, 4, 32, 64, 64]
    assert Moments.capacity_for(10**6) == 0
    assert Rows.capacity_for(33) == 33

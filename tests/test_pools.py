"""A pool that only grows is kept once, written in place and measured as it grows: the same chains as by the plain way."""

from __future__ import annotations

import functools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import modelcollapse as mc
from modelcollapse.data import MeasuredRows, Rows, measured
from modelcollapse.engine import scan
from modelcollapse.loop import Process, begin
from modelcollapse.process import prepare
from modelcollapse.pytree import part, static
from modelcollapse.sampling import key

SIZES = [9, 30, 4, 17, 1, 12]
LAST = len(SIZES) - 1


@part
class Remembered(mc.Accumulate):
    """The same regime with a memory of its own."""

    appends = False


@part
class Fragile(mc.KernelDensity):
    """Fits to ten rows or more fail where their mean is above ``most``."""

    most: float = static(default=0.3)

    def valid(self, params: Any) -> jax.Array:
        return (params.count < 10) | (params.mean[0] < self.most)


@functools.cache
def run(regime: type = mc.Accumulate, family: type = mc.KernelDensity, last: int = LAST, dtype: type = float) -> mc.Run:
    with jax.enable_x64(dtype is float):
        try:
            return mc.simulate(
                family(rule="silverman"), mc.normal(), regime(), ["mean", "variance"], size=SIZES[: last + 1],
                generations=last, chains=20,
            )  # fmt: skip
        except mc.ChainFailure as failure:
            return failure.run


def assert_same_chains(first: mc.Run, second: mc.Run, rtol: float) -> None:
    for name in first.trace:
        np.testing.assert_allclose(first[name], second[name], rtol=rtol, atol=rtol, err_msg=name)
    np.testing.assert_array_equal(first.state.status, second.state.status)
    mine, theirs = first.state.params, second.state.params
    np.testing.assert_array_equal(mine.count, theirs.count)
    np.testing.assert_allclose(mine.factor, theirs.factor, rtol=rtol)
    for ours, others, count in zip(mine.points, theirs.points, np.asarray(mine.count), strict=True):
        np.testing.assert_allclose(ours[:count], others[:count], rtol=rtol, atol=rtol)


@pytest.mark.parametrize("dtype", [float, np.float32])
def test_a_pool_without_a_memory_of_its_own_gives_the_same_chains(dtype: type) -> None:
    shared, plain = run(dtype=dtype), run(Remembered, dtype=dtype)
    assert shared.state.memory == ()
    assert plain.state.memory.points.shape == (20, sum(SIZES), 1)
    assert shared["mean"].dtype == dtype
    assert_same_chains(shared, plain, 1e-12 if dtype is float else 2e-5)
    np.testing.assert_array_equal(shared.state.params.count, sum(SIZES))


def test_the_moments_of_a_pool_are_those_of_its_rows() -> None:
    params = run().state.params
    mean, scatter = params.moments
    np.testing.assert_allclose(mean, params.points.mean(1), rtol=1e-12, atol=1e-14)
    np.testing.assert_allclose(scatter[:, 0, 0], params.points.var(1)[:, 0] * sum(SIZES), rtol=1e-12)
    observed = params.points.var(1)[:, 0] + params.factor[:, 0, 0] ** 2
    np.testing.assert_allclose(run()["variance"][:, -1, 0], observed, rtol=1e-12)


def test_a_chain_that_fails_stays_as_it_was_before() -> None:
    shared, plain = run(family=Fragile), run(Remembered, Fragile)
    failed = np.asarray(shared.state.status) > 0
    assert 2 < failed.sum() < 18
    assert len(np.unique(np.asarray(shared.state.status)[failed])) > 1
    assert (np.asarray(shared.state.params.count)[failed] < sum(SIZES)).all()
    assert_same_chains(shared, plain, 1e-12)


def test_a_pool_goes_on_in_a_longer_run_and_with_more_chains() -> None:
    short = run(last=2)
    longer = short.extend(LAST - 2, size=SIZES)
    assert_same_chains(longer, run(), 1e-12)
    both = run().more(3)
    assert both.state.params.points.shape[0] == 23
    np.testing.assert_allclose(both["variance"][:20], run()["variance"], rtol=1e-12)


@pytest.mark.parametrize(
    ("regime", "held"),
    [(mc.Switch(mc.Replace(), mc.Accumulate(), 2), 24), (mc.Switch(mc.Accumulate(), mc.Replace(), 2), 16)],
)
def test_within_a_switch_a_pool_is_the_regimes_own(regime: mc.Switch, held: int) -> None:
    """The parameters follow the part in force, so that the other's pool must be kept beside them."""
    found = mc.simulate(mc.KernelDensity(0.1), mc.normal(), regime, size=8, generations=3, chains=4)
    (pool,) = (memory for memory in found.state.memory if isinstance(memory, Rows))
    assert np.asarray(pool.count).tolist() == [held] * 4


def process_of(regime: Any, size: int) -> Process:
    return prepare(mc.KernelDensity(rule="silverman"), mc.normal(), regime, "mean", size, 50, host=False).process


def scratch(regime: Any, chains: int = 4, size: int = 200) -> tuple[int, int]:
    """Bytes that the compiled loop takes beside its arguments and results, and those of the pools."""
    process = process_of(regime, size)
    keys = jax.eval_shape(lambda: jax.random.split(key(0), chains))
    states = jax.eval_shape(jax.vmap(begin, (0, None)), keys, process)
    gaps = jax.ShapeDtypeStruct((2,), jnp.int32)
    loop = jax.jit(scan.advance, donate_argnums=1, compiler_options=scan.FAST)
    analysis = loop.lower(keys, states, process, gaps, gaps.update(shape=())).compile().memory_analysis()
    points = states.params.points
    return analysis.temp_size_in_bytes, points.size * points.dtype.itemsize


def test_the_loop_holds_no_second_pool() -> None:
    taken, pools = scratch(mc.Accumulate())
    assert taken < pools / 2
    taken, pools = scratch(Remembered())
    assert taken > pools


def test_rows_are_written_after_those_that_are_there_and_nowhere_else() -> None:
    """Against a plain concatenation, for every number of rows in arrays of every length, chain by chain."""
    rng = np.random.default_rng(0)
    for room, length in ((7, 4), (4, 7), (5, 5), (9, 1)):
        counts = np.array([(a, b) for a in range(room + 1) for b in range(length + 1)], np.int32)
        a, b = rng.normal(size=(len(counts), room, 2)), rng.normal(size=(len(counts), length, 2))
        first, second = (Rows(jnp.asarray(x), jnp.asarray(c)) for x, c in ((a, counts[:, 0]), (b, counts[:, 1])))
        pooled = jax.jit(jax.vmap(lambda x, y: x | y))(first, second)
        for i, (n, m) in enumerate(counts):
            held = np.asarray(pooled.points[i])
            assert int(pooled.count[i]) == n + m
            if n + m > len(held):
                assert np.isnan(held).any()
                continue
            np.testing.assert_array_equal(held[: n + m], np.concatenate([a[i, :n], b[i, :m]]))
            if room >= length:  # what lies behind is as it was
                np.testing.assert_array_equal(held[n + m :], a[i, n + m :])


@pytest.mark.parametrize("offset", [0.0, 1e3])
def test_measured_rows_pool_as_one_reading_of_all(offset: float) -> None:
    rng = np.random.default_rng(1)
    pooled = jax.jit(lambda pool, more: pool.with_room(1000) | more)
    parts = [offset + rng.normal(size=(n, 2)) @ [[1.0, 0.0], [0.8, 0.5]] for n in (3, 50, 1, 700)]
    read = jax.jit(lambda points: measured(Rows(points, jnp.int32(len(points)))))
    for dtype, rtol in ((np.float64, 1e-10), (np.float32, 1e-4)):
        pool: MeasuredRows = read(jnp.asarray(parts[0], dtype))
        for points in parts[1:]:
            pool = pooled(pool, read(jnp.asarray(points, dtype)))
        whole = np.concatenate(parts)
        np.testing.assert_allclose(pool.mean, whole.mean(0), rtol=rtol, atol=rtol)
        np.testing.assert_allclose(pool.scatter, np.cov(whole.T, ddof=0) * len(whole), rtol=rtol)
        empty = MeasuredRows(jnp.zeros((5, 2), dtype), jnp.int32(0), jnp.zeros(2, dtype), jnp.zeros((2, 2), dtype))
        for same in (pooled(pool, empty), pooled(empty, pool)):
            np.testing.assert_array_equal(same.mean, pool.mean)
            np.testing.assert_array_equal(same.scatter, pool.scatter)

"""A new family, regime or observable is one class or function outside the package, and everything works with it, in
both precisions.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import modelcollapse as mc
from modelcollapse.data import Rows
from modelcollapse.pytree import part


@pytest.fixture(autouse=True, params=[64, 32])
def ulps(request: pytest.FixtureRequest) -> Iterator[float]:
    """The tests of this module with x64 on and off; a hundred units in the last place."""
    with jax.enable_x64(request.param == 64):
        yield 100 * float(jnp.finfo(jnp.result_type(float)).eps)


@part
class Total:
    """Number and sum of waiting times: all that an exponential fit can see."""

    count: jax.Array
    total: jax.Array

    @property
    def size(self) -> jax.Array:
        return self.count

    def __or__(self, other: "Total") -> "Total":
        return Total(self.count + other.count, self.total + other.total)

    def with_room(self, capacity: int) -> "Total":
        return self

    @staticmethod
    def capacity_for(size: int) -> int:
        return int(size)


@part
class Exponential:
    """Waiting times with one parameter, their mean ``()``."""

    data = Total

    def draw_rows(self, key: jax.Array, params: jax.Array, n: Any, capacity: int) -> Rows:
        return Rows(params * jax.random.exponential(key, (capacity, 1), params.dtype), jnp.asarray(n, jnp.int32))

    def draw(self, key: jax.Array, params: jax.Array, n: Any, capacity: int) -> Total:
        return self.summarise(self.draw_rows(key, params, n, capacity))

    def summarise(self, rows: Rows) -> Total:
        return Total(rows.count, jnp.where(rows.present, rows.points[:, 0], 0.0).sum())

    def fit(self, key: jax.Array, data: Total, previous: jax.Array | None) -> jax.Array:
        return data.total / data.count.astype(data.total.dtype)


@part
class Alternate:
    """Model output at odd generations, real data at even ones."""

    needs_items = False

    def start(self, key: jax.Array, real: Any, size: jax.Array) -> tuple[Any, Any]:
        return real.draw(key, size), ()

    def next(self, key: Any, model: Any, real: Any, memory: Any, size: Any, generation: Any) -> tuple[Any, Any]:
        odd = (generation % 2).astype(jnp.int32)
        return model.draw(jax.random.fold_in(key, 0), size * odd) | real.draw(
            jax.random.fold_in(key, 1), size * (1 - odd)
        ), ()


@part
class Highest:
    """The largest value so far of a function of the parameters."""

    scale: Any

    def start(self, truth: Any, first: Any) -> jax.Array:
        return self.scale * first.params

    def update(self, carry: jax.Array, state: Any, truth: Any) -> jax.Array:
        return jnp.maximum(carry, self.scale * state.params)

    def read(self, carry: jax.Array, state: Any, truth: Any) -> jax.Array:
        return carry


def value(params: jax.Array) -> jax.Array:
    return params


def run(regime: Any, **options: Any) -> mc.Run:
    observe = {"value": value, "highest": Highest(2.0)}
    source = mc.Law(Exponential(), jnp.asarray(3.0))
    return mc.simulate(
        Exponential(), source, regime, observe, **({"size": 20, "generations": 6, "chains": 5} | options)
    )


def test_a_family_of_ones_own_runs_in_every_regime_of_the_package(ulps: float) -> None:
    for regime in (mc.FreshReal(0.5), mc.Retain(0.5)):
        values = run(regime)["value"]
        assert values.shape == (5, 7)
        assert ((values > 0.3) & (values < 30)).all()
        assert np.unique(values).size == values.size
        assert values.dtype == jnp.result_type(float)
    # accumulating divides the step of fit n by n: changes shrink as the pool grows
    pooled = run(mc.Accumulate())
    np.testing.assert_array_equal(pooled.state.memory.count, 140)
    np.testing.assert_allclose(pooled.state.memory.total / 140, pooled["value"][:, -1], rtol=ulps)


def test_a_regime_and_a_running_observable_of_ones_own(ulps: float) -> None:
    found = run(Alternate())
    values = found["value"]
    np.testing.assert_allclose(found["highest"], 2 * np.maximum.accumulate(values, axis=1), rtol=ulps)
    # an even generation forgets its past: the same numbers come from another start
    other = mc.simulate(
        mc.Damped(Blended(), 1.0), mc.Law(Exponential(), jnp.asarray(3.0)), Alternate(), {"value": value},
        size=20, generations=6, chains=5,
    )["value"]  # fmt: skip
    np.testing.assert_allclose(other, values, rtol=ulps)


@part
class Blended(Exponential):
    """The same with a blend, so that it can be damped."""

    def blend(self, previous: jax.Array, fitted: jax.Array, rate: Any) -> jax.Array:
        return previous + rate * (fitted - previous)


def test_damping_a_family_of_ones_own() -> None:
    source = mc.Law(Exponential(), jnp.asarray(3.0))
    still = mc.simulate(mc.Damped(Blended(), 0.0), source, observe=value, size=20, generations=3, chains=5)["value"]
    np.testing.assert_array_equal(still, np.broadcast_to(still[:, :1], still.shape))


def test_sparse_records_saving_and_extending(tmp_path: Path, ulps: float) -> None:
    whole = run(mc.FreshReal(0.5))
    run(mc.FreshReal(0.5), generations=4, record=[2, 4]).save(tmp_path / "run.npz")
    longer = mc.Run.load(tmp_path / "run.npz").extend(2)
    np.testing.assert_array_equal(longer.recorded, [2, 4, 5, 6])
    for name in ("value", "highest"):
        np.testing.assert_allclose(longer[name], whole[name][:, [2, 4, 5, 6]], rtol=ulps)


def test_a_sweep_over_a_part_of_ones_own(ulps: float) -> None:
    def final(mean: Any) -> jax.Array:
        law = mc.Law(Exponential(), mean)
        return mc.trace(Exponential(), law, Alternate(), value, size=20, generations=6, chains=5)["value"]

    single, double = jax.vmap(final)(jnp.array([3.0, 6.0]))
    np.testing.assert_allclose(2 * single, double, rtol=ulps)
    np.testing.assert_allclose(single, run(Alternate())["value"], rtol=ulps)


def test_parts_of_another_class_are_another_tree() -> None:
    """Else ``jit`` would run the program of one regime for another with the same leaves, where their hashes collide."""
    structure = jax.tree.structure
    for first, second in ((mc.Replace(), mc.Accumulate()), (mc.FreshReal(0.5), mc.FixedReal(0.5))):
        assert structure(first) != structure(second)
        assert structure(first) == structure(type(first)(*jax.tree.leaves(first)))
    assert structure(mc.Gaussian(0)) != structure(mc.Gaussian(1))
    assert structure(jax.tree.map(lambda leaf: leaf + 1, mc.FreshReal(0.5))) == structure(mc.FreshReal(0.5))
    ((path, _),) = jax.tree_util.tree_leaves_with_path(mc.FreshReal(0.5))
    assert jax.tree_util.keystr(path) == ".share"

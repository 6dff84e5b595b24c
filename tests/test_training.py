"""A family that is trained by optax from a fixed base: the optimiser is a named factory, its options and the base are
leaves.
"""

import math
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import modelcollapse as mc
import modelcollapse.families.optimizers
from modelcollapse.data import Rows
from modelcollapse.families.training import adam, descend, descend_epochs
from modelcollapse.pytree import FUNCTIONS, part, saved_name, static

KEY = jax.random.key(0)


@part(name="toy.Trained")
class Trained:
    """A normal location ``(d,)``, trained from ``base`` at every generation by steps of any optimiser."""

    base: Any  # (d,)
    options: Mapping[str, Any]
    optimizer: Callable = static(default=optax.sgd)
    steps: int = static(default=10)

    data = Rows
    default_observables = ("mean",)

    def draw(self, key: jax.Array, params: Any, n: Any, capacity: int) -> Rows:
        return self.draw_rows(key, params, n, capacity)

    def draw_rows(self, key: jax.Array, params: Any, n: Any, capacity: int) -> Rows:
        noise = jax.random.normal(key, (capacity, params.mean.size), params.mean.dtype)
        return Rows(params.mean[None] + noise, jnp.asarray(n, jnp.int32))

    def summarise(self, rows: Rows) -> Rows:
        return rows

    def fit(self, key: jax.Array, data: Rows, previous: Any) -> Any:
        there = data.present[:, None]
        size = data.size.astype(data.points.dtype)

        def loss(mean: jax.Array, key: jax.Array) -> jax.Array:
            return 0.5 * (jnp.where(there, data.points - mean[None], 0.0) ** 2).sum() / size

        base = jnp.asarray(self.base, data.points.dtype)
        return Location(descend(loss, base, key, self.steps, self.optimizer, self.options)[0])


@part(name="toy.Location")
class Location:
    mean: jax.Array


def run(**changes: Any) -> mc.Run:
    given = {"base": jnp.array([3.0, 0.0]), "options": {"learning_rate": 0.1}, "optimizer": optax.sgd} | changes
    return mc.simulate(Trained(**given), mc.normal([1.0, 2.0]), observe="mean", size=20, generations=2, chains=3)


@pytest.fixture(scope="module")
def first() -> mc.Run:
    return run()


def test_steps_of_gradient_descent_by_hand(first: mc.Run) -> None:
    # each step goes a tenth of the way from the base to the mean of the data set
    data = np.random.default_rng(0).normal(size=(20, 2))
    rows = Rows(jnp.asarray(data), jnp.int32(20))
    fitted = first.family.fit(jax.random.key(0), rows, None).mean
    np.testing.assert_allclose(fitted, data.mean(0) + 0.9**10 * (np.array([3.0, 0.0]) - data.mean(0)), rtol=1e-12)
    # the base is where every generation begins
    expected = [1.0, 2.0] + 0.9**10 * (np.array([3.0, 0.0]) - [1.0, 2.0])
    assert np.abs(first["mean"][:, 0].mean(0) - expected).max() < 0.6


def test_it_is_saved_loaded_and_extended_to_the_same_numbers(first: mc.Run, tmp_path: Path) -> None:
    first.save(tmp_path / "run.npz")
    again = mc.Run.load(tmp_path / "run.npz")
    assert again.family.optimizer is optax.sgd
    assert again.family.options["learning_rate"] == 0.1
    np.testing.assert_array_equal(again.extend(1)["mean"], first.extend(1)["mean"])
    # in a process of its own, which knows the family by the module that defines it
    code = (
        "import jax; jax.config.update('jax_enable_x64', True); import test_training, modelcollapse as mc, numpy as np; "
        f"r = mc.Run.load({str(tmp_path / 'run.npz')!r}); print(r.family.optimizer.__name__, r['mean'].sum().hex())"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=Path(__file__).parent, capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == ["sgd", first["mean"].sum().hex()]


def test_options_and_base_are_leaves(first: mc.Run) -> None:
    def final(rate: jax.Array, base: jax.Array) -> jax.Array:
        family = Trained(base, {"learning_rate": rate}, optax.sgd)
        return mc.trace(family, mc.normal([1.0, 2.0]), observe="mean", size=20, generations=2, chains=3)["mean"]

    swept = jax.vmap(final)(jnp.array([0.1, 0.0]), jnp.array([[3.0, 0.0], [5.0, 5.0]]))
    np.testing.assert_allclose(swept[0], first["mean"], rtol=1e-12)
    np.testing.assert_array_equal(swept[1], np.full((3, 3, 2), 5.0))


def test_usual_factories_have_names() -> None:
    for factory in (optax.sgd, optax.adam, optax.adamw, optax.rmsprop, optax.lion):
        assert saved_name(factory) == (f"optax.{factory.__name__}", True)
    assert FUNCTIONS["optax.adam"] is optax.adam
    assert saved_name(adam) == ("modelcollapse.adam", True)
    assert modelcollapse.families.optimizers.__name__ not in sys.modules["modelcollapse.families"].__all__


@pytest.mark.parametrize(
    ("factory", "options"),
    [(optax.adamw, {"learning_rate": 0.1, "weight_decay": 0.3}), (optax.sgd, {"learning_rate": 0.1, "momentum": 0.9}), (adam, {"rate": 0.1})],
    ids=["adamw", "momentum", "own"],
)  # fmt: skip
def test_any_factory_descends(factory: Any, options: dict[str, Any]) -> None:
    weights, losses = descend(
        lambda w, key: (w**2).sum(), jnp.array([2.0, -1.0]), jax.random.key(0), 30, factory, options
    )
    assert losses.shape == (30,)
    assert (jnp.abs(weights) < 1).all()
    assert losses[-1] < losses[0] / 4


def counted(rows: int, capacity: int, epochs: int, judge: Any = None) -> Any:
    """Weights ``(capacity,)`` that count how often each row was seen: each step adds 1 to those of its batch."""

    def loss(weights: jax.Array, chosen: jax.Array, there: jax.Array) -> jax.Array:
        return -jnp.where(there, weights[chosen], 0.0).sum()

    def plain(steps: Any) -> Any:
        return optax.sgd(1.0)

    def run(count: Any) -> Any:
        return descend_epochs(loss, jnp.zeros(capacity), KEY, (count, capacity), epochs, 4, plain, judge=judge)

    return jax.jit(run)(jnp.int32(rows))


def test_an_epoch_sees_each_row_once() -> None:
    for rows in (10, 8, 3):
        done = counted(rows, 10, 3)
        assert done.weights.tolist() == [3.0] * rows + [0.0] * (10 - rows)
        assert np.isnan(done.judged).all()


def test_the_epoch_that_is_judged_best_is_kept_and_the_first_of_several() -> None:
    done = counted(10, 10, 5, judge=lambda weights: (weights.sum() - 25.0) ** 2)
    assert done.judged.tolist() == [225.0, 25.0, 25.0, 225.0, 625.0]
    assert done.weights.tolist() == [2.0] * 10
    # before the steps of an epoch each row was seen once less
    assert done.losses.shape == (5,)


def test_orders_differ_between_epochs() -> None:
    """With a rate that falls, what a row gets in all depends on its place in each epoch."""

    def loss(weights: jax.Array, chosen: jax.Array, there: jax.Array) -> jax.Array:
        return -jnp.where(there, weights[chosen], 0.0).sum()

    def falling(steps: Any) -> Any:
        return optax.sgd(lambda step: 100.0**-step)

    weights = jax.jit(lambda: descend_epochs(loss, jnp.zeros(16), KEY, (16, 16), 2, 4, falling).weights)()
    places = np.round(-np.log(np.asarray(weights)) / np.log(100)).astype(int)
    assert sorted(places.tolist()) == [0] * 4 + [1] * 4 + [2] * 4 + [3] * 4
    second = np.round(-np.log(np.asarray(weights) - 100.0**-places) / np.log(100)).astype(int) - 4
    assert (second != places).any()


@pytest.mark.parametrize("rows", [10, 7])
def test_the_rate_falls_as_a_half_cosine_to_its_floor(rows: int) -> None:
    """A step of Adam under a constant slope is the rate."""

    def run(count: Any) -> Any:
        loss = lambda weights, chosen, there: weights.sum()  # noqa: E731
        return descend_epochs(loss, jnp.zeros(1), KEY, (count, 10), 3, 4, options={"rate": 0.1, "decay": 0.0})

    steps = 3 * math.ceil(rows / 4)
    rates = [0.1 * (0.05 + 0.95 * 0.5 * (1 + math.cos(math.pi * i / steps))) for i in range(steps)]
    np.testing.assert_allclose(jax.jit(run)(jnp.int32(rows)).weights, -sum(rates), rtol=1e-6)

"""A family that is trained by optax from a fixed base: the optimiser is a named factory, its options and the base are
leaves.
"""

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
from modelcollapse.families.training import adam, descend
from modelcollapse.pytree import FUNCTIONS, part, saved_name, static


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

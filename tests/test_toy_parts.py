"""Parts that no part of the package foresaw, each in one place: a detector, islands, an observable of the data, parts
with awkward names.
"""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

import modelcollapse as mc
from modelcollapse.addresses import CHOICE, MODEL, OLDER, REAL, fold
from modelcollapse.data import Rows
from modelcollapse.portions import traced_portion
from modelcollapse.protocols import Exchanges, Needs, Plans, Regime
from modelcollapse.together import of_model, turns

LAW = [0.5, 0.3, 0.2]


@mc.part
class Filtered:
    """Twice as many draws as are needed, of which each state passes a detector with a probability of its own ``(K,)``."""

    passes: Any

    needs_items = True

    def plan(self, sizes: np.ndarray) -> Needs:
        return Needs(2 * sizes, 2 * int(sizes.max()), sizes)

    def start(self, key: Any, real: Any, size: Any) -> Any:
        return real.draw(fold(key, REAL), size), ()

    def next(self, key: Any, model: Any, real: Any, memory: Any, size: Any, generation: Any) -> Any:
        return model.draw(fold(key, MODEL), 2 * size).thinned(fold(key, CHOICE), self.passes), ()


@mc.part
class Islands:
    """Models of which each learns from its own draws and, with a share of its data, from its neighbour's."""

    share: Any = 0.0
    models: int = mc.static(default=2)

    needs_items = False

    def start(self, keys: Any, real: Any, size: Any) -> Any:
        return turns(lambda key: real.draw(fold(key, REAL), size), keys), ()

    def exchange(self, keys: Any, models: Any, real: Any, memory: Any, size: Any, generation: Any) -> Any:
        came = traced_portion(self.share, size)

        def one(key: Any, own: Any, neighbour: Any) -> Any:
            mine = of_model(models, own).draw(fold(key, MODEL), size - came)
            return mine | of_model(models, neighbour).draw(fold(key, OLDER), came)

        each = models.law.params
        return turns(one, keys, each, jax.tree.map(lambda leaf: jnp.roll(leaf, -1, 0), each)), memory


@mc.part
class Alone:
    """A plain regime that does what a single island does."""

    needs_items = False

    def start(self, key: Any, real: Any, size: Any) -> Any:
        return real.draw(fold(key, REAL), size), ()

    def next(self, key: Any, model: Any, real: Any, memory: Any, size: Any, generation: Any) -> Any:
        return model.draw(fold(key, MODEL), size) | model.draw(fold(key, OLDER), jnp.int32(0)), ()


@mc.part
class DataSize:
    """How many items the generation was fitted to."""

    needs_data = True
    units = "items"

    def start(self, truth: Any, first: Any) -> tuple:
        return ()

    def update(self, carry: Any, state: Any, truth: Any) -> Any:
        return carry

    def read(self, carry: Any, state: Any, truth: Any) -> jax.Array:
        return state.data.size


@mc.part
class Level:
    """Parameters with names that the engine once had for itself."""

    law: jax.Array
    covariance_: jax.Array


@mc.part
class Levels:
    """A family whose model is the first row that it was fitted to."""

    data = Rows
    default_observables = ()

    def draw(self, key: Any, params: Any, n: Any, capacity: int) -> Rows:
        return self.draw_rows(key, params, n, capacity)

    def draw_rows(self, key: Any, params: Any, n: Any, capacity: int) -> Rows:
        return Rows(jnp.full((capacity, 1), params.law), jnp.asarray(n, jnp.int32))

    def summarise(self, rows: Rows) -> Rows:
        return rows

    def fit(self, key: Any, data: Rows, previous: Any) -> Level:
        return Level(data.points[0, 0], jnp.zeros(()))


def level(params: Level) -> jax.Array:
    return params.law


@mc.part
class Keeper:
    """A regime whose memory is a family that could hold rows."""

    needs_items = False

    def start(self, key: Any, real: Any, size: Any) -> Any:
        return real.draw(fold(key, REAL), size), mc.KernelDensity(0.5)

    def next(self, key: Any, model: Any, real: Any, memory: Any, size: Any, generation: Any) -> Any:
        return model.draw(fold(key, MODEL), size), memory


def test_the_toys_are_what_the_protocols_say() -> None:
    assert isinstance(Filtered(jnp.ones(3)), Regime)
    assert isinstance(Filtered(jnp.ones(3)), Plans)
    assert isinstance(Islands(), Exchanges)
    assert not isinstance(Islands(), Plans)
    assert not isinstance(mc.Replace(), Exchanges)


@pytest.mark.parametrize("source", ["law", "rows"])
def test_a_regime_may_draw_more_than_it_keeps(source: str) -> None:
    size, chains = 10, 4000
    real = mc.categorical(LAW) if source == "law" else mc.table(np.repeat([0, 1, 2], [5, 3, 2]))

    def run(passes: Any) -> mc.Run:
        observe = {"p": "probabilities", "items": DataSize()}
        return mc.simulate(
            mc.Discrete(3), real, Filtered(jnp.asarray(passes)), observe, size=size, generations=2, chains=chains
        )

    assert (run([1.0, 1.0, 1.0])["items"] == [size, 2 * size, 2 * size]).all()
    one_lost = run([1.0, 0.0, 1.0])
    assert (one_lost["p"][:, 1:, 1] == 0).all()
    # a law that has both fits in the first generation passes on with 1/4: binomial, and not all or none
    quarter = run([0.25, 0.25, 0.25])
    counts = np.bincount(quarter["items"][:, 1], minlength=21)
    expected = chains * stats.binom.pmf(np.arange(21), 2 * size, 0.25)
    kept = expected > 5
    chi_square = ((counts - expected)[kept] ** 2 / expected[kept]).sum()
    assert stats.chi2.sf(chi_square, kept.sum() - 1) > 1e-6
    wrong = chains * stats.binom.pmf(np.arange(21), 2 * size, 0.27)
    assert stats.chi2.sf(((counts - wrong)[kept] ** 2 / wrong[kept]).sum(), kept.sum() - 1) < 1e-12


@pytest.mark.parametrize("kind", ["discrete", "normal", "kernels"])
def test_one_model_is_the_plain_run(kind: str) -> None:
    family, source, observe = {
        "discrete": (mc.Discrete(), mc.categorical(LAW), "probabilities"),
        "normal": (mc.Gaussian(), mc.normal([0.0, 1.0], [[1.0, 0.2], [0.2, 1.0]]), "mean"),
        "kernels": (mc.KernelDensity(0.5), mc.normal(), "mean"),
    }[kind]
    given: dict[str, Any] = {"observe": observe, "size": 9, "generations": 4}
    plain = mc.simulate(family, source, Alone(), chains=6, **given)[observe]
    for models in (1, 2):
        islands = mc.simulate(family, source, Islands(models=models), chains=6 // models, **given)[observe]
        assert islands.shape[:3] == (6 // models, 5, models)
        # model i of chain c has the address of chain c D + i
        alone = np.swapaxes(islands, 1, 2).reshape(plain.shape)
        if kind == "discrete" or models == 1:
            np.testing.assert_array_equal(alone, plain)
        else:
            np.testing.assert_allclose(alone, plain, rtol=1e-9, atol=1e-9)


def test_models_of_one_chain_see_one_another() -> None:
    source = mc.sampler(lambda key, n: jnp.full((n, 1), jax.random.uniform(key)))
    run = mc.simulate(Levels(), source, Islands(share=1.0), level, size=3, generations=3, chains=4)
    first = run["level"][:, 0]
    assert np.unique(first).size == 8
    for generation in range(4):
        np.testing.assert_array_equal(run["level"][:, generation], first if generation % 2 == 0 else first[:, ::-1])
    whole = mc.simulate(Levels(), source, Islands(share=1.0), level, size=3, generations=5, chains=6)
    np.testing.assert_array_equal(run.extend(2).more(2)["level"], whole["level"])


def test_islands_are_saved_and_go_on(tmp_path: Any) -> None:
    run = mc.simulate(mc.Gaussian(), mc.normal(), Islands(share=0.3), "mean", size=9, generations=3, chains=4)
    run.save(tmp_path / "run.npz")
    again = mc.Run.load(tmp_path / "run.npz").extend(2)
    np.testing.assert_array_equal(again["mean"], run.extend(2)["mean"])
    assert run.params.mean.shape == (4, 2, 1)


def test_an_observable_that_needs_the_data_sees_each_generation() -> None:
    for regime, items in ((mc.Accumulate(), [5, 10, 15]), (mc.Replace(), [5, 5, 5])):
        for family, source in ((mc.Discrete(), mc.categorical(LAW)), (mc.Gaussian(), mc.normal())):
            run = mc.simulate(family, source, regime, {"n": DataSize()}, size=5, generations=2, chains=3)
            np.testing.assert_array_equal(run["n"], [items] * 3)
            assert (run.extend(1)["n"][:, -1] == items[1] - items[0] + items[2]).all()


@mc.part
class Pool(Islands):
    """Islands that keep every row that they ever had."""

    def plan(self, sizes: np.ndarray) -> Needs:
        return Needs(sizes, int(sizes.sum()), np.cumsum(sizes))

    def start(self, keys: Any, real: Any, size: Any) -> Any:
        data, _ = super().start(keys, real, size)
        return data, data

    def exchange(self, keys: Any, models: Any, real: Any, memory: Any, size: Any, generation: Any) -> Any:
        sets, _ = super().exchange(keys, models, real, memory, size, generation)
        kept = turns(lambda before, new: before | new, memory, sets)
        return kept, kept


def test_rows_of_several_models_have_room_when_a_run_goes_on() -> None:
    def run(generations: int) -> mc.Run:
        return mc.simulate(
            mc.KernelDensity(0.5), mc.normal(), Pool(), {"mean": "mean", "n": DataSize()}, size=5, chains=3,
            generations=generations,
        )  # fmt: skip

    short = run(2).extend(2)
    np.testing.assert_array_equal(short["n"], np.full((3, 5, 2), np.arange(5, 26, 5)[:, None]))
    np.testing.assert_allclose(short["mean"], run(4)["mean"], rtol=1e-12)


def test_data_are_what_was_fitted_under_every_regime() -> None:
    @mc.part
    class Spread(DataSize):
        def read(self, carry: Any, state: Any, truth: Any) -> jax.Array:
            return state.data.mean - state.params.mean

    for regime in (mc.Replace(), mc.Retain(0.5), mc.AccumulateSubsample()):
        run = mc.simulate(mc.Gaussian(), mc.normal(), regime, {"gap": Spread()}, size=9, generations=2, chains=2)
        assert (run["gap"] == 0).all()


def test_names_of_the_engine_are_free() -> None:
    run = mc.simulate(Levels(), mc.normal(), observe=level, size=3, generations=3, chains=2)
    assert (run["level"] == run["level"][:, :1]).all()
    kept = mc.simulate(mc.KernelDensity(0.5), mc.normal(), Keeper(), "mean", size=3, generations=3, chains=2)
    plain = mc.simulate(mc.KernelDensity(0.5), mc.normal(), mc.Mixture(1.0), "mean", size=3, generations=3, chains=2)
    np.testing.assert_array_equal(kept["mean"], plain["mean"])


def test_a_family_without_a_default_asks_for_an_observable() -> None:
    with pytest.raises(ValueError, match="observe must be given for Levels"):
        mc.simulate(Levels(), mc.normal(), size=3, generations=1)


def test_an_array_that_is_no_schedule_is_data() -> None:
    regime = Filtered(jnp.ones(3))
    run = mc.simulate(mc.Discrete(), mc.categorical(LAW), regime, "entropy", size=5, generations=1, chains=2)
    with pytest.raises(ValueError, match="regime must begin as the one that was run"):
        run.extend(1, regime=Filtered(jnp.array([1.0, 1.0, 0.5])))
    with pytest.raises(ValueError, match=r"the schedule FreshReal.share needs one entry for each generation"):
        mc.simulate(mc.Discrete(), mc.categorical(LAW), mc.FreshReal([0.1] * 3), "entropy", size=5, generations=1)


@mc.part
class Halved:
    """Twice as many rows as are needed, real ones too, of which half are taken."""

    needs_items = True

    def plan(self, sizes: np.ndarray) -> Needs:
        return Needs(2 * sizes, 2 * int(sizes.max()), sizes)

    def start(self, key: Any, real: Any, size: Any) -> Any:
        return real.draw(fold(key, REAL), 2 * size).take(fold(key, CHOICE), size, int(size)), ()

    def next(self, key: Any, model: Any, real: Any, memory: Any, size: Any, generation: Any) -> Any:
        return model.draw(fold(key, MODEL), 2 * size).take(fold(key, CHOICE), size, int(size)), ()


class Echo:
    """A model on the host that gives back the rows that it was fitted to, over and over."""

    def fit(self, rows: np.ndarray) -> None:
        self.rows = rows

    def sample(self, n: int, rng: np.random.Generator) -> np.ndarray:
        return self.rows[rng.integers(len(self.rows), size=n)]


def test_a_model_on_the_host_gets_what_a_regime_plans_for() -> None:
    source = mc.table(np.c_[np.arange(40.0), 100 + np.arange(40.0)])
    shape = {"shape": lambda fitted: np.array(fitted.rows.shape)}
    run = mc.simulate_models(Echo, source, Halved(), shape, size=3, generations=2, chains=2)
    np.testing.assert_array_equal(run["shape"], np.broadcast_to([3, 2], (2, 3, 2)))


@mc.part
class Broken(mc.families.Gaussian):
    """A family whose fits fail, with a method of a name that the engine knows."""

    def represented(self, params: Any, labelled: bool = True) -> Any:
        return params

    def fit(self, key: Any, data: Any, previous: Any) -> Any:
        fitted = super().fit(key, data, previous)
        return fitted if previous is None else jax.tree.map(lambda leaf: leaf * jnp.nan, fitted)


def test_a_family_fails_whatever_its_methods_are_called() -> None:
    with pytest.raises(mc.ChainFailure, match="chain 0 at generation 1"):
        mc.simulate(Broken(), mc.normal(), observe="mean", size=5, generations=2, chains=1)

"""Rows far from 0 keep their spread: a run is centred on the host in float64 where that is exact in law, and refused by
name elsewhere.
"""

import dataclasses
import functools
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import modelcollapse as mc
from modelcollapse.pytree import part

# multiples of 2**-10 whose mean is 0, so that a shift by whole numbers is exact in float64; the third coordinate sums
# the others
HALF = np.round(30 * 1024 * np.random.default_rng(0).normal(size=(32, 2))) / 1024
BASE = np.concatenate([HALF, -HALF])
SPREAD = BASE.std(0)
FAR = 1e9 + 7.0
"""Between two numbers of float32, which are 64 apart here."""

SOURCES = {
    "table": lambda shift: mc.table(BASE + shift),
    "without replacement": lambda shift: mc.table(BASE + shift, replace=False),
    "normal": lambda shift: mc.normal(np.full(2, shift), [[900.0, 100.0], [100.0, 400.0]]),
    "mixture": lambda shift: mc.normal_mixture(
        [0.5, 0.5], [[shift - 64, shift], [shift + 64, shift]], [np.eye(2) * 100, np.eye(2) * 900]
    ),
}
FAMILIES = {
    "Gaussian": (mc.Gaussian(), ["mean", "log_variance", "squared_mean_error", "w2_squared"]),
    "GaussianMixture": (mc.GaussianMixture(1), ["mean", "log_variance", "log_determinant"]),
    "KernelDensity": (mc.KernelDensity(5.0), ["mean", "log_variance", "squared_mean_error"]),
    "PPCA": (mc.PPCA(1), ["mean", "variance", "decoder_variance", "squared_mean_error"]),
}


@functools.cache
def simulated(family: str, source: str, shift: float) -> mc.Run:
    """In float32; one compiled program for all shifts."""
    fitted, observe = FAMILIES[family]
    with jax.enable_x64(False):
        return mc.simulate(fitted, SOURCES[source](shift), None, observe, size=32, generations=3, chains=3)


PAIRS = [
    pytest.param(family, source, marks=() if source == "table" or family == "Gaussian" else pytest.mark.slow)
    for family in FAMILIES
    for source in SOURCES
]


@pytest.mark.parametrize(("family", "source"), PAIRS)
def test_the_spread_does_not_depend_on_the_location(family: str, source: str) -> None:
    here = simulated(family, source, 0.0)
    assert here.location is None
    for shift in (1e4, FAR, -3e9):
        there = simulated(family, source, shift)
        assert there["mean"].dtype == np.float64
        np.testing.assert_allclose(there.location, shift, atol=64)
        exact = bool((there.location == shift).all())  # the mean of a mixture is only known to float32
        for name in here.trace:
            if name == "mean":
                np.testing.assert_allclose(there[name] - shift, here[name], rtol=0, atol=SPREAD.max() * 2**-20)
            elif exact:
                np.testing.assert_array_equal(there[name], here[name], err_msg=name)
            else:
                np.testing.assert_allclose(there[name], here[name], rtol=1e-5, atol=1e-3, err_msg=name)


@pytest.mark.parametrize(
    "family", ["Gaussian", *(pytest.param(n, marks=pytest.mark.slow) for n in FAMILIES if n != "Gaussian")]
)
def test_the_first_fit_to_a_whole_table_is_that_of_float64(family: str) -> None:
    """Drawn without replacement as often as it has rows, a table is fitted as it is, whatever the seed and the
    precision.
    """
    rows = 1e9 + 30 * np.random.default_rng(1).normal(size=(32, 2))
    fitted, _ = FAMILIES[family]

    def first() -> mc.Run:
        return mc.simulate(fitted, mc.table(rows, replace=False), None, ["mean", "variance"], size=32, generations=0)

    double = first()
    assert double.location is None  # 2**25 spreads leave float64 28 digits of the spread
    with jax.enable_x64(False):
        single = first()
    np.testing.assert_allclose(single["mean"], double["mean"], rtol=0, atol=30 * 2**-20)
    np.testing.assert_allclose(single["mean"][0, 0], rows.mean(0), rtol=0, atol=30 * 2**-20)
    np.testing.assert_allclose(single["variance"], double["variance"], rtol=1e-5)
    if family == "Gaussian":
        np.testing.assert_allclose(single["variance"][0, 0], rows.var(0, ddof=1), rtol=1e-5)


@pytest.mark.parametrize(
    ("family", "regime"),
    [
        (mc.Damped(mc.Gaussian(), 0.5), mc.Replace()),
        *(
            pytest.param(family, regime, marks=pytest.mark.slow)
            for family, regime in (
                (mc.Gaussian(), mc.Mixture(0.5, 0.3, 0.2)),
                (mc.Gaussian(), mc.FreshReal(0.5)),
                (mc.Gaussian(), mc.Switch(mc.Accumulate(), mc.FixedReal(0.5), 2)),
                (mc.Exact(mc.Gaussian()), mc.FreshReal(0.5)),
            )
        ),
    ],
    ids=str,
)
def test_regimes_and_wrappers_carry_the_location(family: Any, regime: Any) -> None:
    with jax.enable_x64(False):
        here, there = (
            mc.simulate(family, mc.normal(mean), regime, ["mean", "log_variance"], size=10, generations=3, chains=2)
            for mean in (0.0, FAR)
        )
    np.testing.assert_array_equal(there.location, [FAR])
    np.testing.assert_array_equal(there["log_variance"], here["log_variance"])
    np.testing.assert_allclose(there["mean"] - FAR, here["mean"], rtol=0, atol=2**-20)


def test_every_regime_of_the_package_takes_rows_far_from_0() -> None:
    for regime in (mc.Retain(0.5), mc.Weighted(0.5), mc.AccumulateSubsample(), mc.Accumulate(), mc.FixedReal(0.5)):
        with jax.enable_x64(False):
            law = mc.normal(1e9)
            given = {"observe": "variance", "size": 10, "generations": 3}
            shapes = jax.eval_shape(lambda law=law, regime=regime: mc.trace(mc.Gaussian(), law, regime, **given))  # noqa: B023
        assert shapes["variance"].shape == (1, 4, 1)


def test_a_table_that_lies_well_keeps_its_numbers() -> None:
    """Up to 2**4 spreads from 0 nothing is centred: bit for bit what the rows in float32 give."""
    rows = BASE + 15 * SPREAD
    with jax.enable_x64(False):
        table = mc.table(rows)
        plain = type(table)(jnp.asarray(rows, jnp.float32))
        runs = [mc.simulate(mc.Gaussian(), source, None, size=9, generations=2, chains=2) for source in (table, plain)]
        beyond = mc.simulate(mc.Gaussian(), mc.table(BASE + 17 * SPREAD), None, size=9, generations=2, chains=2)
    assert runs[0].location is None
    assert runs[0]["mean"].dtype == np.float32
    np.testing.assert_array_equal(runs[0]["mean"], runs[1]["mean"])
    assert beyond["mean"].dtype == np.float64


def test_a_run_that_goes_on_is_saved_and_exported_keeps_its_location(tmp_path: Path) -> None:
    xarray = pytest.importorskip("xarray")
    whole = simulated("Gaussian", "table", FAR)
    with jax.enable_x64(False):
        observe = FAMILIES["Gaussian"][1]
        begun = mc.simulate(mc.Gaussian(), SOURCES["table"](FAR), None, observe, size=32, generations=2, chains=3)
        begun.save(tmp_path / "run.npz")
        loaded = mc.Run.load(tmp_path / "run.npz")
        assert loaded.location.dtype == np.float64
        gone_on = [run.extend(1) for run in (begun, loaded)]
    for run in gone_on:
        for name in whole.trace:
            assert run[name].dtype == whole[name].dtype
            np.testing.assert_array_equal(run[name], whole[name])
    np.testing.assert_array_equal(whole.params.mean, whole["mean"][:, -1])
    assert whole.params.mean.dtype == np.float64
    assert isinstance(whole.to_dataset(), xarray.Dataset)
    np.testing.assert_array_equal(whole.to_dataset()["mean"], whole["mean"])
    statistics = whole.summary()["mean"]
    np.testing.assert_allclose(statistics["mean"], whole["mean"].mean(0), rtol=1e-15)
    assert (statistics["standard_error"] < 30).all()


@pytest.mark.parametrize("source", ["table", "normal"])
def test_predictions_know_the_location(source: str) -> None:
    runs = [simulated("Gaussian", source, shift) for shift in (0.0, FAR)]
    with jax.enable_x64(False):
        here, there = ({p.observable: p.values for p in run.predict()} for run in runs)
    np.testing.assert_array_equal(here["mean"], np.zeros((4, 2)))
    np.testing.assert_array_equal(there["mean"], np.full((4, 2), FAR))
    np.testing.assert_allclose(there["squared_mean_error"], here["squared_mean_error"], rtol=1e-6)


def test_losses_on_a_far_law_are_those_on_a_near_one() -> None:
    observed = []
    with jax.enable_x64(False):
        for mean in (0.0, FAR):
            law = mc.normal(mean, 900.0)
            loss = mc.excess_log_loss(law)
            observe = {"loss": loss, "soon": mc.first_below(loss, 0.05), "collapsed": mc.first_below("variance", 700.0)}
            observed.append(mc.simulate(mc.Gaussian(), law, None, observe, size=10, generations=3, chains=4))
    for name in observed[0].trace:
        np.testing.assert_allclose(observed[1][name], observed[0][name], rtol=1e-5, err_msg=name)
    assert np.isfinite(observed[0]["soon"]).any()


# --------------------------------------------------------------------------------------------------------- what is
# refused


def own(params: Any) -> jax.Array:
    return params.mean


@part
class Own:
    """A regime that nothing is known of."""

    needs_items = False

    def start(self, key: jax.Array, real: Any, size: jax.Array) -> tuple[Any, Any]:
        return real.draw(key, size), ()

    def next(self, key: Any, model: Any, real: Any, memory: Any, size: Any, generation: Any) -> tuple[Any, Any]:
        return model.draw(key, size), ()


ONE = BASE[:, :1]


@pytest.mark.parametrize(
    ("word", "arguments"),
    [
        ("GaussianMean", {"family": mc.GaussianMean(900.0)}),
        ("Uniform", {"family": mc.Uniform()}),
        ("Pareto", {"family": mc.Pareto()}),
        ("Regression", {"family": mc.Regression(mc.families.NormalRows(np.eye(1))), "source": lambda: mc.table(BASE + 1e9)}),
        ("Rounded", {"family": mc.Rounded(mc.Gaussian())}),
        ("Conditional", {
            "family": mc.Conditional(mc.Gaussian(), 2),
            "source": lambda: mc.table(np.concatenate([ONE + 1e9, np.arange(64)[:, None] % 2], 1)),
        }),
        ("GaussianMean", {"family": mc.GaussianMean(900.0), "source": lambda: mc.normal(1e9, 900.0)}),
        ("Own", {"regime": Own()}),
        ("Own", {"regime": mc.Switch(mc.Replace(), Own(), 2)}),
        ("'own'", {"observe": own}),
        ("'own'", {"observe": own, "source": lambda: mc.normal(1e9, 900.0)}),
        ("'own'", {"observe": own, "source": lambda: mc.normal_mixture([0.5, 0.5], [1e9, 1e9 + 50], [900.0, 400.0])}),
        ("'log_mean'", {"observe": "log_mean"}),
        ("'soon'", {"observe": {"soon": mc.first_below("mean", 3.0)}}),
    ],
)  # fmt: skip
def test_what_needs_the_rows_where_they_lie_is_refused(word: str, arguments: dict[str, Any]) -> None:
    given = {"family": mc.Gaussian(), "regime": None, "observe": "variance"} | arguments
    source = given.pop("source", lambda: mc.table(ONE + 1e9))
    with jax.enable_x64(False), pytest.raises(ValueError, match=rf"(?s){word}.* spreads .*jax_enable_x64"):
        mc.simulate(source=source(), size=10, generations=1, **given)


def test_trace_gives_spreads_and_refuses_locations() -> None:
    with jax.enable_x64(False):
        given = {"size": 32, "generations": 3, "chains": 3}
        table = SOURCES["table"](FAR)
        spread = jax.jit(lambda: mc.trace(mc.Gaussian(), table, observe="log_variance", **given))()
        for inside in (lambda table: table, lambda _: SOURCES["table"](FAR)):
            with pytest.raises(ValueError, match=r"cannot be traced in float32.*jax_enable_x64"):
                jax.eval_shape(
                    lambda t, made=inside: mc.trace(mc.Gaussian(), made(t), observe="variance", **given), table
                )
        # a law is made in NumPy, and so keeps its digits also where it is made inside
        law = SOURCES["normal"](1e9)
        inside, outside = (
            jax.jit(lambda made=made: mc.trace(mc.Gaussian(), made(), observe="log_variance", **given))()
            for made in (lambda: SOURCES["normal"](1e9), lambda: law)
        )
        np.testing.assert_array_equal(inside["log_variance"], outside["log_variance"])
        near = jax.eval_shape(lambda: mc.trace(mc.Gaussian(), SOURCES["normal"](10.0), observe="variance", **given))
        assert near["variance"].shape == (3, 4, 2)
        with pytest.raises(ValueError, match=r"'mean'.*jax_enable_x64"):
            mc.trace(mc.Gaussian(), SOURCES["table"](FAR), observe="mean", **given)
    whole = simulated("Gaussian", "table", FAR)
    np.testing.assert_allclose(spread["log_variance"], whole["log_variance"], rtol=1e-5)


def test_below_the_limit_ones_own_parts_see_the_rows_where_they_lie() -> None:
    """At 100 spreads parameters are moved back for an observable that nothing is known of; a regime of ones own is not
    centred.
    """
    given = {"size": 20, "generations": 3, "chains": 2}
    with jax.enable_x64(False):
        far = mc.table(ONE + 3000.0)
        run = mc.simulate(mc.Gaussian(), far, None, {"mean": "mean", "own": own, "both": squared_gap}, **given)
        other = mc.simulate(mc.Gaussian(), far, Own(), {"mean": "mean", "own": own}, **given)
        traced = mc.trace(mc.Gaussian(), far, observe="mean", **given)
    assert run.location is not None
    np.testing.assert_allclose(run["own"], run["mean"], rtol=2**-22)
    np.testing.assert_allclose(run["both"], ((run["mean"] - ONE.mean() - 3000) ** 2).sum(2), rtol=1e-2)
    np.testing.assert_allclose(traced["mean"], run["mean"], rtol=2**-22)
    assert other.location is None
    np.testing.assert_array_equal(other["own"], other["mean"])


def squared_gap(params: Any, truth: Any) -> jax.Array:
    return ((params.mean - truth.mean) ** 2).sum()


def test_images_are_not_far_however_even_they_are() -> None:
    """A pixel that is white in all images but one lies thousands of its spreads from 0, and is right to 2**-24 all the
    same.
    """
    pixels = np.ones((20_000, 2, 2))
    pixels[0, 0, 0] = 250 / 255
    with jax.enable_x64(False):
        source = mc.images(pixels)
        family = mc.VAE(1, mc.families.MLP((2,)), steps=1, batch=8)
        shapes = jax.eval_shape(
            lambda: mc.trace(family, source, observe={"one": lambda params: params.loss}, size=8, generations=1)
        )
    assert shapes["one"].shape == (1, 2)


def test_what_overflows_is_refused_at_the_door() -> None:
    with jax.enable_x64(False):
        for make in (
            lambda: mc.table([[1e39], [1.0]]),
            lambda: mc.normal(1e39),
            lambda: mc.normal(0.0, 1e80),
            lambda: mc.normal_mixture([1.0], [-1e39], [1.0]),
        ):
            with pytest.raises(ValueError, match="jax_enable_x64"):
                make()
    assert float(mc.table([[1e39], [1.0]]).points[0, 0]) == 1e39


# ------------------------------------------------------------------------------------------------------------- other
# doors


def test_float64_has_the_same_rule_further_out() -> None:
    """Centred beyond 2**33 spreads, refused beyond 2**41."""
    given = {"size": 10, "generations": 2, "chains": 2}
    here, there = (mc.simulate(mc.Gaussian(), mc.normal(m), None, "log_variance", **given) for m in (0.0, 2.0**50))
    np.testing.assert_array_equal(there.location, [2.0**50])
    np.testing.assert_array_equal(there["log_variance"], here["log_variance"])
    law = mc.normal(2.0**40)
    fits = jax.eval_shape(lambda: mc.trace(mc.GaussianMean(), law, size=10, generations=2))
    assert fits["mean"].shape == (1, 3, 1)
    with pytest.raises(ValueError, match="float64 cannot hold") as refused:
        mc.simulate(mc.GaussianMean(), mc.normal(2.0**50), None, "mean", **given)
    assert "x64" not in str(refused.value)


def test_a_table_made_in_float32_is_whole_in_float64() -> None:
    with jax.enable_x64(False):
        table = mc.table(BASE + 1e9)
    run = mc.simulate(mc.Gaussian(), table, None, "variance", size=64, generations=0, chains=50)
    assert run["variance"].dtype == np.float64
    np.testing.assert_allclose(run["variance"].mean((0, 1)), SPREAD**2, rtol=0.2)


def test_a_table_whose_points_were_replaced_is_what_it_says() -> None:
    with jax.enable_x64(False):
        table = dataclasses.replace(mc.table(ONE + 1e9), points=jnp.asarray(ONE, jnp.float32))
        run = mc.simulate(mc.Gaussian(), table, None, size=9, generations=1)
    assert run.location is None
    assert (np.abs(run["mean"]) < 200).all()


class Model:
    """Mean and deviation of rows, in NumPy."""

    def fit(self, rows: np.ndarray) -> None:
        self.mean, self.deviation, self.dtype = rows.mean(0), rows.std(0), rows.dtype

    def sample(self, n: int, rng: np.random.Generator) -> np.ndarray:
        return self.mean + self.deviation * rng.normal(size=(n, self.mean.size))


@pytest.mark.parametrize("source", ["table", "without replacement", "normal"])
def test_models_on_the_host_get_rows_in_float64(source: str) -> None:
    with jax.enable_x64(False):
        observe = {"deviation": lambda fitted: fitted.model.deviation, "mean": "mean", "error": "squared_mean_error"}
        here, there = (
            mc.simulate_models(Model, SOURCES[source](shift), None, observe, size=32, generations=1)
            for shift in (0.0, FAR)
        )
    np.testing.assert_allclose(there["deviation"], here["deviation"], rtol=1e-6)
    np.testing.assert_allclose(there["mean"] - FAR, here["mean"], rtol=0, atol=1e-5)
    np.testing.assert_allclose(there["error"], here["error"], rtol=1e-4)

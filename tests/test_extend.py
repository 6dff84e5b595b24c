"""What goes on goes on as if it had never stopped, or is refused: the past is never rewritten, and each part of a run
says where it was made.
"""

import functools
import json
import re
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from toys import Origins, Walk, origin, originals, place, seen

import modelcollapse as mc

LAST, MORE = 4, 3
END = LAST + MORE


def run_of(regime: Any = None, size: Any = 6, generations: int = LAST, **options: Any) -> mc.Run:
    """A run that shows how many items of each data set came from which model, and compiles fast."""
    given = {"observe": seen, "chains": 2} | options
    return mc.simulate(Origins(), originals(), regime, size=size, generations=generations, **given)


@functools.cache
def begun(name: str) -> mc.Run:
    return run_of(BEGUN[name])


def assert_same(one: mc.Run, other: mc.Run) -> None:
    assert one.trace.keys() == other.trace.keys()
    for name, values in one.trace.items():
        np.testing.assert_array_equal(values, other[name])
    np.testing.assert_array_equal(one.recorded, other.recorded)
    np.testing.assert_array_equal(one.sizes(), other.sizes())


# the sample size

SIZES: dict[str, tuple[Any, Any, Any]] = {
    # of the first part, as given to extend, of the whole
    "as before": (6, None, 6),
    "the same number": (6, 6, 6),
    "a number": (6, 3, [6] * 5 + [3] * 3),
    "a number of NumPy": (6, np.int64(3), [6] * 5 + [3] * 3),
    "a number after a schedule": ([6, 5, 6, 5, 6], 4, [6, 5, 6, 5, 6, 4, 4, 4]),
    "a schedule": ([6, 5, 6, 5, 6], [6, 5, 6, 5, 6, 3, 2, 1], [6, 5, 6, 5, 6, 3, 2, 1]),
    "a schedule after a number": (6, [6] * 6 + [3, 2], [6] * 6 + [3, 2]),
}


@pytest.mark.parametrize("case", SIZES)
def test_sample_sizes_of_the_past_stay(case: str) -> None:
    first, given, whole = SIZES[case]
    run = run_of(size=first).extend(MORE, size=given)
    assert_same(run, run_of(size=whole, generations=END))
    assert run.size.ndim == np.ndim(whole)


def test_predictions_know_the_sizes_that_were_run() -> None:
    def coins(**given: Any) -> mc.Run:
        return mc.simulate(mc.Discrete(), mc.categorical([0.5, 0.5]), observe="heterozygosity", chains=2, **given)

    run = coins(size=6, generations=LAST).extend(MORE, size=3)
    whole = coins(size=[6] * 5 + [3] * 3, generations=END)
    assert [p.observable for p in run.predict()] == [p.observable for p in whole.predict()] != []
    for one, other in zip(run.predict(), whole.predict(), strict=True):
        np.testing.assert_array_equal(one.values, other.values)


@pytest.mark.parametrize(
    ("size", "error", "message"),
    [
        ([6, 6, 6, 5, 6, 6, 6, 6], ValueError, "size must begin with .* were run: 6 at generation 3, got 5"),
        ([7] * 8, ValueError, "6 at generation 0, got 7"),
        ([6] * 5, ValueError, "size must be one number, or one for each generation 0 to 7"),
        ([6] * 9, ValueError, "size must be one number, or one for each generation 0 to 7"),
        ([6] * 3, ValueError, "size must be one number, or one for each generation 0 to 7"),
        (0, ValueError, "size must be at least 1"),
        (3.5, TypeError, "size must be a whole number"),
        (True, TypeError, "size must be .* whole number"),
    ],
)
def test_sizes_that_are_refused(size: Any, error: Any, message: str) -> None:
    with pytest.raises(error, match=message):
        begun("replace").extend(MORE, size=size)


def test_a_schedule_of_sizes_that_has_ended_asks_for_more() -> None:
    with pytest.raises(
        ValueError, match=r"size must be one number, or one for each generation 0 to 7 .* got shape \(5,\)"
    ):
        run_of(size=[6, 5, 6, 5, 6]).extend(MORE)


# the regime

RAMP = np.linspace(0, 1, END + 1)
BEGUN = {
    "replace": mc.Replace(), "half": mc.FreshReal(0.5), "ramp": mc.FreshReal(RAMP[: LAST + 1]), "retain": mc.Retain(0.5),
    "mixture": mc.Mixture(0.5, 0.25, 0.25), "subsample": mc.AccumulateSubsample(), "heal": mc.Switch(mc.Replace(), mc.FreshReal(0.5), 2),
}  # fmt: skip
OTHER: dict[str, tuple[str, Any, str]] = {
    "another class": ("replace", mc.FreshReal(0.5), "the one that was run, Replace"),
    "another class with memory": ("replace", mc.Accumulate(), "the one that was run, Replace"),
    "memory of another kind": ("retain", mc.Accumulate(), "the one that was run, Retain"),
    "a mixture": ("replace", mc.Mixture(0.5, 0.0, 0.5), "the one that was run, Replace"),
    "the same leaf in another class": ("half", mc.FixedReal(0.5), "the one that was run, FreshReal"),
    "another number": ("half", mc.FreshReal(0.25), r"FreshReal\.share was 0\.5"),
    "another weight": ("mixture", mc.Mixture(0.75, 0.0, 0.25), r"Mixture\.alpha was 0\.5"),
    "another static field": ("subsample", mc.AccumulateSubsample(5), "the one that was run, AccumulateSubsample"),
    "another past": ("ramp", mc.FreshReal(RAMP[::-1]), r"FreshReal\.share was"),
    "one other entry": ("ramp", mc.FreshReal(np.where(np.arange(8) == 4, 0.0, RAMP)), r"FreshReal\.share was"),
    "a number for a ramp": ("ramp", mc.FreshReal(0.5), r"FreshReal\.share was"),
    "a ramp for a number": ("half", mc.FreshReal(RAMP), r"FreshReal\.share was 0\.5"),
    "a part within": ("heal", mc.Switch(mc.Replace(), mc.FreshReal(0.25), 2), r"Switch\.after\.share was 0\.5"),
    "another class within": ("heal", mc.Switch(mc.Accumulate(), mc.FreshReal(0.5), 2), "the one that was run, Switch"),
    "another moment": ("heal", mc.Switch(mc.Replace(), mc.FreshReal(0.5), 3), r"Switch\.generation was 2"),
    "too short": ("ramp", mc.FreshReal(RAMP[: LAST + 1]), "one entry for each generation 0 to 7"),
    "too long": ("ramp", mc.FreshReal(np.append(RAMP, 1.0)), "one entry for each generation 0 to 7"),
    "shorter than the past": ("half", mc.FreshReal(np.full(3, 0.5)), r"FreshReal\.share was 0\.5|one entry for each"),
    "a schedule that has ended": ("ramp", None, "one entry for each generation 0 to 7"),
}  # fmt: skip


@pytest.mark.parametrize("case", OTHER)
def test_another_regime_is_refused(case: str) -> None:
    name, regime, message = OTHER[case]
    with pytest.raises(ValueError, match=message) as caught:
        begun(name).extend(MORE, regime=regime)
    assert regime is None or re.search("regime|schedule", str(caught.value))


SAME: dict[str, tuple[Any, Any, Any]] = {
    "an equal one": (mc.FreshReal(0.5), mc.FreshReal(0.5), mc.FreshReal(0.5)),
    "a longer schedule": (mc.FreshReal(RAMP[: LAST + 1]), mc.FreshReal(RAMP), mc.FreshReal(RAMP)),
    "a schedule after a number": (mc.FreshReal(0.5), *[mc.FreshReal(np.repeat([0.5, 0.2], [5, 3]))] * 2),
    "a number after a schedule": (mc.FreshReal(np.full(5, 0.5)), mc.FreshReal(0.5), mc.FreshReal(0.5)),
    "a schedule within": (
        mc.Switch(mc.Replace(), mc.FreshReal(RAMP[: LAST + 1]), 2), *[mc.Switch(mc.Replace(), mc.FreshReal(RAMP), 2)] * 2,
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", SAME)
def test_a_regime_with_the_same_past_goes_on(case: str) -> None:
    first, given, whole = SAME[case]
    run = run_of(first).extend(MORE, regime=given)
    assert_same(run, run_of(whole, generations=END))
    assert run.provenance["parts"]["regime"] == run_of(first).provenance["parts"]["regime"]
    assert run.provenance["extended"][0]["parts"]["regime"]["repr"] == repr(given)


GONE_ON = {
    # the regime, and how many generations the first part has
    "begun": (mc.Mixture(0.3, 0.6, 0.1), 0),
    "one fit": (mc.Mixture(0.3, 0.6, 0.1), 1),
    "three fits": (mc.Mixture(0.3, 0.6, 0.1), 3),
    "within": (mc.Switch(mc.Mixture(0.3, 0.6, 0.1), mc.Replace(), 9), 3),
}


@pytest.mark.parametrize(
    "case", ["three fits", *(pytest.param(n, marks=pytest.mark.slow) for n in GONE_ON if n != "three fits")]
)
def test_a_mixture_goes_on_with_room_for_more_models(case: str) -> None:
    """A short run keeps as few of the past models as it has; a longer one needs them all, and their weights sum to 1."""
    regime, first = GONE_ON[case]

    def run(generations: int) -> mc.Run:
        setting: dict[str, Any] = {"observe": "log_variance", "size": 9, "chains": 3}
        return mc.simulate(mc.Gaussian(), mc.normal(), regime, generations=generations, **setting)

    longer, whole = run(first).extend(6 - first), run(6)
    np.testing.assert_allclose(longer["log_variance"], whole["log_variance"], rtol=1e-12)
    for one, other in zip(jax.tree.leaves(longer.state.memory), jax.tree.leaves(whole.state.memory), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-12)


# precision, generator, versions


@pytest.mark.parametrize("wide", [True, False])
@pytest.mark.parametrize("loaded", [True, False])
def test_another_precision_is_refused_with_the_remedy(wide: bool, loaded: bool, tmp_path: Path) -> None:
    def run(generations: int) -> mc.Run:
        return mc.simulate(Walk(), origin(), observe=place, size=3, generations=generations, chains=2)

    with jax.enable_x64(wide):
        first, whole = run(2), run(3)
    first.save(tmp_path / "run.npz")
    with jax.enable_x64(not wide):
        found = mc.Run.load(tmp_path / "run.npz") if loaded else first
        with pytest.raises(ValueError, match=rf"made in float{64 if wide else 32} .*'jax_enable_x64', {wide}\)"):
            found.extend(1)
        # what was run can be read here all the same
        np.testing.assert_array_equal(found["place"], whole["place"][:, :3])
        assert found["place"].dtype == whole["place"].dtype
    with jax.enable_x64(wide):
        np.testing.assert_array_equal(found.extend(1)["place"], whole["place"])


def test_another_generator_is_refused_with_the_remedy() -> None:
    def run(generations: int) -> mc.Run:
        seed = jax.random.key(3, impl="rbg")
        return mc.simulate(Walk(), origin(), observe=place, size=3, generations=generations, chains=2, seed=seed)

    first = run(2)
    with (
        jax.threefry_partitionable(False),
        pytest.raises(ValueError, match=r"generator 'rbg, on \w+' .* 'rbg, not partitionable.*_partitionable', True\)"),
    ):
        first.extend(1)
    np.testing.assert_array_equal(first.extend(1)["place"], run(3)["place"])


def test_settings_of_a_generator_that_change_no_number_are_no_obstacle() -> None:
    with jax.threefry_partitionable(False):
        run = begun("replace").extend(MORE)
    assert_same(run, run_of(generations=END))


def written_by(path: Path, **versions: str) -> None:
    """The record of a file as other versions would have written it."""
    with np.load(path) as file:
        arrays = dict(file)
    content = json.loads(arrays.pop("header").tobytes())
    known = content["run"]["dict"]["provenance"]["dict"]["versions"]["dict"]
    for name, version in versions.items():
        known[name] = {"value": version}
    header = np.frombuffer(json.dumps(content).encode(), np.uint8)
    with open(path, "wb") as file:
        np.savez(file, **arrays, header=header)


def test_other_versions_are_said_once(tmp_path: Path) -> None:
    path = tmp_path / "run.npz"
    begun("replace").save(path)
    written_by(path, modelcollapse="9.9.9", jax="0.4.1", numpy="1.0")
    old = mc.Run.load(path)
    with pytest.warns(
        UserWarning, match=r"made with modelcollapse 9\.9\.9 \(here .*\), jax 0\.4\.1 \(here [0-9.]+\);"
    ) as told:
        run = old.extend(1)
    assert told[0].filename == __file__
    run = run.extend(2)
    here = begun("replace").provenance["versions"]
    assert run.provenance["versions"] == here | {"modelcollapse": "9.9.9", "jax": "0.4.1", "numpy": "1.0"}
    assert [part["versions"] for part in run.provenance["extended"]] == [here, here]
    assert [part["generations"] for part in run.provenance["extended"]] == [[5, 5], [6, 7]]
    assert_same(run, run_of(generations=END))


def test_every_part_of_a_run_has_its_record(tmp_path: Path) -> None:
    run = begun("replace").extend(1).extend(2, size=3)
    first, second = run.provenance["extended"]
    assert (first["generations"], second["generations"]) == ([5, 5], [6, 7])
    for record in (first, second):
        for name in ("versions", "dtype", "device", "generator"):
            assert record[name] == run.provenance[name] == begun("replace").provenance[name]
    assert "extended" not in begun("replace").provenance
    run.save(tmp_path / "run.npz")
    assert mc.Run.load(tmp_path / "run.npz").provenance == run.provenance
    json.dumps(run.provenance)


def test_a_run_that_fails_while_it_goes_on_says_where() -> None:
    run = mc.simulate(Walk(6), origin(), observe=place, size=3, generations=3, chains=8)
    with pytest.raises(mc.ChainFailure) as caught:
        run.extend(5)
    assert caught.value.run.provenance["extended"][0]["generations"] == [4, 8]


# conditions on what runs


@mc.part
class Countdown:
    """A running observable: ``begin`` at generation 0, one less at each that follows, whatever the model does."""

    begin: int = mc.static(default=10)

    def start(self, truth: Any, first: Any) -> jax.Array:
        return jnp.full((), self.begin, jnp.result_type(float))

    def update(self, carry: jax.Array, state: Any, truth: Any) -> jax.Array:
        return carry - 1

    def read(self, carry: jax.Array, state: Any, truth: Any) -> jax.Array:
        return carry


@pytest.mark.parametrize("wide", [True, False])
def test_a_threshold_on_a_running_observable_is_met(wide: bool) -> None:
    observe = {
        "left": Countdown(), "half": mc.first_below(Countdown(), 5.5), "now": mc.first_below(Countdown(), 11.0),
        "never": mc.first_below(Countdown(), 2.0), "of time": mc.first_below(mc.first_below(Countdown(), 5.5), 7.0),
    }  # fmt: skip
    with jax.enable_x64(wide):
        run = run_of(observe=observe, size=4, generations=3).extend(5, record=[4, 5, 8])
    np.testing.assert_array_equal(run["left"], [[10, 9, 8, 7, 6, 5, 2]] * 2)
    np.testing.assert_array_equal(run["half"], [[np.inf] * 5 + [5, 5]] * 2)
    np.testing.assert_array_equal(run["of time"], [[np.inf] * 5 + [5, 5]] * 2)
    np.testing.assert_array_equal(run["now"], 0)
    np.testing.assert_array_equal(run["never"], np.inf)


def test_a_threshold_asks_for_the_truth_where_its_observable_does() -> None:
    def draw(key: jax.Array, n: int) -> jax.Array:
        return jax.random.normal(key, (n, 1))

    observe = {"near": mc.first_below("squared_mean_error", 0.1)}
    with pytest.raises(ValueError, match="the observable 'near' compares with the truth"):
        mc.simulate(mc.Gaussian(), mc.sampler(draw), observe=observe, size=5, generations=1)

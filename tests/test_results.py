"""A run says what it is, can be summarised, and loses nothing on the way to disk and back."""

import dataclasses
import enum
import functools
import json
import os
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats
from toys import Walk, origin, place

import modelcollapse as mc
from modelcollapse import plot, serial
from modelcollapse.pytree import part


def steps(params: jax.Array) -> jax.Array:
    return params


def walk(generations: int = 6, regime: Any = None, observe: Any = (place, steps)) -> mc.Run:
    return mc.simulate(Walk(), origin(), regime, observe, size=3, generations=generations, chains=8)


@pytest.fixture(scope="module")
def run() -> mc.Run:
    return walk()


def assert_equal_trees(a: Any, b: Any) -> None:
    assert jax.tree.structure(a) == jax.tree.structure(b)
    for x, y in zip(jax.tree.leaves(a), jax.tree.leaves(b), strict=True):
        assert np.asarray(x).dtype == np.asarray(y).dtype
        np.testing.assert_array_equal(x, y)


def test_shapes_names_and_final_state(run: mc.Run) -> None:
    assert run["place"].shape == (8, 7)
    assert run["steps"].shape == (8, 7, 2)
    assert (run.chains, run.generations) == (8, 6)
    np.testing.assert_array_equal(run.params, run["steps"][:, -1])
    np.testing.assert_array_equal(run.sizes(), [3] * 7)
    with pytest.raises(KeyError, match="'price' was not observed; the observables are place, steps"):
        run["price"]


def test_a_run_is_read_like_a_dictionary_of_traces(run: mc.Run) -> None:
    assert "place" in run
    assert "price" not in run
    assert 0 not in run
    assert list(run) == list(run.keys()) == ["place", "steps"]
    assert len(run) == 2
    assert dict(run).keys() == run.trace.keys()
    for (name, values), again in zip(run.items(), run.values(), strict=True):
        assert values is again is run[name]
    # two runs are the same or not; arrays have no one answer
    assert run == run
    assert run != walk(1)
    assert len({run, run}) == 1


def test_a_run_prints_what_it_is_and_how_it_ended(run: mc.Run) -> None:
    lines = repr(run).splitlines()
    assert lines[:7] == [
        "Run",
        "  family       Walk(breaks=1000000)",
        "  source       Law(family=Walk(breaks=1000000), params=Array([0., 0.], dtype=float64), named=None, exact=None)",
        "  regime       Replace()",
        "  size         3",
        "  chains       8",
        "  generations  0 to 6, 7 recorded",
    ]
    assert lines[7:] == str(run.summary()).splitlines()
    assert repr(run.summary()) == str(run.summary())
    page, rows = run._repr_html_(), run.summary()._repr_html_()
    assert page.endswith(rows)
    assert rows.count("<tr>") == 4
    for line in lines[1:7]:
        assert f"<td>{line[15:]}</td>" in page
    # of a source of any size, one line
    large = mc.simulate(
        mc.Discrete(), mc.categorical(np.full(5000, 1 / 5000)), observe="probabilities", size=[9, 9, 7], generations=2
    )
    assert max(map(len, repr(large).splitlines())) < 120
    assert "  size         7 to 9" in repr(large)
    assert "array of shape (5000,)" in repr(large)


def test_a_run_that_failed_prints_how_many_chains_did() -> None:
    with pytest.raises(mc.ChainFailure) as caught:
        mc.simulate(Walk(breaks=2), origin(), observe={"<b>": place}, size=3, generations=6, chains=8)
    failed = caught.value.chains.size
    assert f"  chains       8, of which {failed} failed" in repr(caught.value.run)
    assert "nan" in repr(caught.value.run)
    assert "<td>&lt;b&gt;</td>" in caught.value.run._repr_html_()


def test_summary_numbers(run: mc.Run) -> None:
    summary = run.summary(0.9)
    found, values = summary["place"], run["place"]
    np.testing.assert_allclose(found["mean"], values.mean(0), rtol=1e-15)
    error = values.std(0, ddof=1) / np.sqrt(8)
    np.testing.assert_allclose(found["standard_error"], error, rtol=1e-14)
    np.testing.assert_allclose(found["high"] - found["mean"], stats.norm.ppf(0.95) * error, rtol=1e-12)
    np.testing.assert_allclose(found["mean"] - found["low"], found["high"] - found["mean"], rtol=1e-9)
    ordered = np.sort(values, axis=0)
    np.testing.assert_array_equal(found["lower"], ordered[0])
    np.testing.assert_array_equal(found["median"], ordered[3])
    np.testing.assert_array_equal(found["upper"], ordered[7])
    with pytest.raises(ValueError, match=r"level must lie in \(0, 1\), got 1"):
        run.summary(1)


def test_summary_text(run: mc.Run) -> None:
    lines = str(run.summary()).splitlines()
    assert lines[0].split()[:3] == ["generation", "6", "mean"]
    assert lines[0].endswith("95% of chains")
    values = run["place"][:, -1]
    assert lines[1].split()[:2] == ["place", f"{values.mean():.6g}"]
    assert [line.split()[0] for line in lines[1:]] == ["place", "steps[0]", "steps[1]"]
    assert f"[{values.min():.6g}, {values.max():.6g}]" in lines[1]


def test_a_summary_of_infinite_times_and_of_one_chain() -> None:
    run = mc.simulate(
        mc.Discrete(), mc.categorical([0.5, 0.5]), observe="absorption_time", size=20, generations=2, chains=1
    )
    text = str(run.summary())
    assert "inf" in text
    assert "nan" in text  # one chain has no standard error


def test_saved_runs_come_back_without_loss(run: mc.Run, tmp_path: Path) -> None:
    path = tmp_path / "run.npz"
    run.save(path)
    back = mc.Run.load(path)
    assert dataclasses.fields(back) == dataclasses.fields(run)
    assert_equal_trees(run.trace, back.trace)
    assert_equal_trees(
        (run.state, run.family, run.source, run.regime), (back.state, back.family, back.source, back.regime)
    )
    assert back.provenance == run.provenance
    assert repr(back) == repr(run)
    # a directory's worth of temporary files would show here
    assert os.listdir(tmp_path) == ["run.npz"]


@pytest.mark.parametrize("regime", [mc.Replace(), mc.Accumulate()])
def test_a_loaded_run_goes_on_as_if_never_stopped(regime: Any, tmp_path: Path) -> None:
    walk(3, regime, {"place": place, "crossing": mc.first_below(place, -1.0)}).save(tmp_path / "run.npz")
    longer = mc.Run.load(tmp_path / "run.npz").extend(3)
    whole = walk(6, regime, {"place": place, "crossing": mc.first_below(place, -1.0)})
    assert_equal_trees(longer.trace, whole.trace)
    assert np.isfinite(whole["crossing"][:, -1]).any()


def test_functions_that_cannot_be_found_again_say_so_when_used(tmp_path: Path) -> None:
    with pytest.warns(UserWarning, match="will not find test_results:.*<lambda>"):
        walk(2, observe={"twice": lambda params: 2 * params[0]}).save(tmp_path / "run.npz")
    back = mc.Run.load(tmp_path / "run.npz")
    assert back["twice"].shape == (8, 3)
    with pytest.raises(ValueError, match=r"uses the function test_results:.*<lambda>: import its module"):
        back.extend(1)


@part
class Odd:
    """A part whose field cannot be saved."""

    thing: Any


class Pair(tuple):
    """Not a plain tuple, so not what loading would give back."""


class Colour(enum.IntEnum):
    """Would come back as a number."""

    RED = 1


class Point(NamedTuple):
    x: Any
    y: Any


@pytest.mark.parametrize(
    "thing", [{1, 2}, 1j, Pair((1, 2)), functools.partial(place), {1: 2}, Colour.RED, np.array([None])]
)
def test_what_cannot_come_back_is_not_saved(thing: Any) -> None:
    with pytest.raises(TypeError, match="cannot save"):
        serial.encode(Odd(thing), {})


def test_values_come_back_with_their_types() -> None:
    value = {
        "a": (1, 2.5, None, True, "x", [1e-300, float("inf")]), "b": np.float32(0.1), "c": jnp.arange(3),
        "d": np.array([np.nan, -0.0]), "e": np.arange(4, dtype=np.int8), "f": mc.register(place),
        "g": np.array([0.5, 2.0], jnp.bfloat16),
    }  # fmt: skip
    arrays: dict[str, np.ndarray] = {}
    back = serial.decode(json.loads(json.dumps(serial.encode(value, arrays))), arrays)
    assert back["a"] == value["a"]
    assert type(back["a"]) is tuple
    assert isinstance(back["c"], jax.Array)
    for name in "bcde":
        assert back[name].dtype == value[name].dtype
        np.testing.assert_array_equal(back[name], value[name])
    assert np.signbit(back["d"][1])
    assert back["f"] is place
    assert back["g"].dtype == jnp.bfloat16
    np.testing.assert_array_equal(back["g"].astype(float), [0.5, 2.0])


def test_provenance_names_everything_that_matters(run: mc.Run) -> None:
    provenance = run.provenance
    assert set(provenance["versions"]) >= {"jax", "jaxlib", "numpy", "scipy", "python", "modelcollapse"}
    assert provenance["dtype"] == "float64"
    assert provenance["seed"] == 0
    assert provenance["device"].startswith(jax.default_backend())
    assert provenance["parts"]["family"]["repr"] == "Walk(breaks=1000000)"
    json.dumps(provenance)


def test_the_content_hash_sees_what_repr_leaves_out() -> None:
    p = np.full(2000, 1 / 2000)
    q = p.copy()
    q[[1000, 1001]] += [1e-9, -1e-9]
    first, second = mc.categorical(p), mc.categorical(q)
    assert repr(first) == repr(second)
    assert serial.content_hash(first) != serial.content_hash(second)
    assert serial.content_hash(first) == serial.content_hash(mc.categorical(p))
    assert serial.content_hash(mc.Gaussian(0)) != serial.content_hash(mc.Gaussian(1))
    assert serial.content_hash(np.zeros(2, np.float32)) != serial.content_hash(np.zeros(1, np.float64))
    # what cannot be saved has a hash all the same
    pair = Odd(Point(p, 1.0))
    assert serial.content_hash(pair) == serial.content_hash(Odd(Point(p.copy(), 1.0)))
    assert len({serial.content_hash(x) for x in (pair, Odd(Point(q, 1.0)), Odd(Point(p, 2.0)), Odd((p, 1.0)))}) == 4


def scaled(params: jax.Array, factor: float) -> jax.Array:
    return factor * params[0]


def test_any_callable_can_be_observed() -> None:
    run = walk(observe={"double": functools.partial(scaled, factor=2.0), "single": place})
    np.testing.assert_array_equal(run["double"], 2 * run["single"])
    with pytest.raises(TypeError, match="cannot save"):
        serial.encode(run.observables, {})


def test_a_dataset_has_named_dimensions_and_units() -> None:
    xarray = pytest.importorskip("xarray")
    run = mc.simulate(
        mc.Discrete(), mc.categorical([0.5, 0.3, 0.2]), size=9, generations=3, chains=8, record=[0, 2],
        observe={"probabilities": "probabilities", "entropy": "entropy", "own": lambda p: jnp.stack([p, p])},
    )  # fmt: skip
    data = run.to_dataset()
    assert isinstance(data, xarray.Dataset)
    assert data["probabilities"].dims == ("chain", "generation", "state")
    assert data["own"].dims == ("chain", "generation", "own_0", "own_1")
    assert data["entropy"].attrs["units"] == "nats"
    np.testing.assert_array_equal(data["generation"], [0, 2])
    np.testing.assert_array_equal(data["entropy"].sel(generation=2), run["entropy"][:, 1])
    assert json.loads(data.attrs["provenance"]) == run.provenance


def test_units_go_with_the_observable_and_not_with_its_name() -> None:
    pytest.importorskip("xarray")
    observe = {"entropy": lambda p: (p * p).sum(), "h": "entropy", "gone": mc.first_below("entropy", 0.1)}
    run = mc.simulate(mc.Discrete(), mc.categorical([0.5, 0.5]), observe=observe, size=5, generations=1)
    data = run.to_dataset()
    units = {name: data[name].attrs.get("units") for name in observe}
    assert units == {"entropy": None, "h": "nats", "gone": "generations"}
    assert plot.chains(run, "h").get_ylabel() == "h (nats)"
    assert plot.chains(run, "entropy").get_ylabel() == "entropy"

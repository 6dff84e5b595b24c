"""A sweep has the numbers of ``simulate``, whatever runs its cells and whatever is killed on the way."""

from __future__ import annotations

import contextlib
import functools
import importlib.util
import itertools
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import BrokenExecutor, Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pytest
import runs
import swept
from swept import walk, words
from toys import Walk, place

import modelcollapse as mc
from modelcollapse import cells, grids, stores
from modelcollapse.sweeps import Until

xarray = pytest.importorskip("xarray")
zarr = pytest.importorskip("zarr")

AXES = {"regime": {"replace": mc.Replace(), "fresh": mc.FreshReal(0.25)}, "size": [10, 12]}


@pytest.fixture
def pretended(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """Nothing is simulated: every cell gets the same run. What it was asked for is listed."""
    asked: list[dict[str, Any]] = []

    def simulate(**given: Any) -> mc.Run:
        asked.append(given)
        return runs.walk()

    monkeypatch.setattr(cells, "simulate", simulate)
    return asked


def means(dataset: Any, name: str = "place") -> np.ndarray:
    return dataset[name].sel(statistic="mean").values


# numbers


@pytest.mark.parametrize("bits", [32, 64])
def test_every_number_is_that_of_simulate(bits: int, tmp_path: Path) -> None:
    with jax.enable_x64(bits == 64):
        swept = mc.sweep(words, AXES, store=tmp_path / "store", traces=True)
        assert (swept.status == "done").all()
        for i, label in enumerate(AXES["regime"]):
            for j, size in enumerate(AXES["size"]):
                cell = swept.sel(regime=label, size=size)
                run = mc.simulate(**words(AXES["regime"][label], size), seed=[0, i, j])
                summary, predicted = run.summary(), run.predict()
                assert cell.number_of_chains == run.chains
                for name in run:
                    np.testing.assert_array_equal(cell[f"{name}_trace"], run[name])
                    for statistic in stores.STATISTICS:
                        np.testing.assert_array_equal(cell[name].sel(statistic=statistic), summary[name][statistic])
                    said = next((one for one in predicted if one.observable == name), None)
                    values = np.full(3, np.nan) if said is None else said.values
                    np.testing.assert_array_equal(cell[f"{name}_prediction"], values)
                    assert (said.function if said else "") in str(cell[f"{name}_theorem"].values)
                    assert bool(said) == bool(str(cell[f"{name}_theorem"].values))
        assert "heterozygosity" in predicted
        assert swept.support_size.attrs["units"] == "states"
        assert next(iter(swept)) == "heterozygosity"


def test_predictions_are_of_what_stands_beside_them(tmp_path: Path) -> None:
    # every seed has a chance below 1e-6 of a value above 5.3; one fit early is 12 to 40 standard errors away
    def many(regime: Any, size: int) -> dict[str, Any]:
        return words(regime, size) | {"chains": 40 * 2**9}

    swept = mc.sweep(many, AXES, store=tmp_path / "store")
    simulated, error = means(swept, "heterozygosity"), swept.heterozygosity.sel(statistic="standard_error").values
    predicted = swept.heterozygosity_prediction.values
    assert np.abs((simulated - predicted) / error).max() < 6
    early = swept.heterozygosity_prediction.sel(regime="replace").values[:, :2]  # generations 0 and 3
    assert ((simulated[0, :, 1:] - early) / error[0, :, 1:] < -12).all()


def test_the_dataset_has_names(pretended: list[Any], tmp_path: Path) -> None:
    swept = mc.sweep(walk, {"text": ["b", "a"], "part": [mc.Replace(), None]}, store=tmp_path / "store")
    assert swept.text.values.tolist() == ["b", "a"]
    assert swept.part.values.tolist() == ["Replace()", "None"]
    assert swept.place.dims == ("text", "part", "statistic", "generation")
    assert swept.place_prediction.dims == ("text", "part", "generation")
    assert swept.generation.values.tolist() == [0, 1, 2, 3]
    assert len(swept.attrs["grid_sha256"]) == 64


def test_a_cell_is_one_chunk_of_each_variable_and_zarr_reads_it(pretended: list[Any], tmp_path: Path) -> None:
    swept = mc.sweep(walk, {"a": [1, 2], "b": [3]}, store=tmp_path / "store")
    group = zarr.open_group(tmp_path / "store", mode="r")
    for name in swept.data_vars:
        assert group[name].chunks[:2] == (1, 1)
        assert group[name].nchunks == 2
    np.testing.assert_array_equal(group["place"][0, 0], swept.place[0, 0])
    assert group["status"][1, 0] == "done"


def test_what_is_opened_is_not_read(pretended: list[Any], tmp_path: Path) -> None:
    swept = mc.sweep(walk, {"a": [1, 2]}, store=tmp_path / "store")
    assert not any(swept[name].variable._in_memory for name in swept.data_vars)


def test_seeds_are_folded_from_the_place_in_the_grid(pretended: list[dict[str, Any]], tmp_path: Path) -> None:
    mc.sweep(walk, {"a": [1, 2], "b": [5, 6]}, store=tmp_path / "folded", seed=9)
    assert [given["seed"] for given in pretended] == [[9, 0, 0], [9, 0, 1], [9, 1, 0], [9, 1, 1]]
    pretended.clear()
    mc.sweep(lambda seed: walk() | {"seed": seed}, {"seed": [4, 2**40]}, store=tmp_path / "axis")
    assert [given["seed"] for given in pretended] == [4, 2**40]


def test_cells_of_one_program_run_side_by_side(pretended: list[dict[str, Any]], tmp_path: Path) -> None:
    mc.sweep(lambda seed, size: walk() | {"size": size}, {"seed": [1, 2, 3], "size": [3, 4]}, store=tmp_path / "store")
    assert [given["size"] for given in pretended] == [3, 3, 3, 4, 4, 4]


# shapes


def states(k: int) -> dict[str, Any]:
    source = mc.categorical(np.full(k, 1 / k))
    return {"family": mc.Discrete(), "source": source, "observe": [shares], "size": 5, "generations": 3}


def shares(params: Any) -> Any:
    return params


def test_an_axis_that_changes_a_shape_is_refused_or_padded(tmp_path: Path) -> None:
    axes = {"k": [2, 3]}
    with pytest.raises(
        ValueError, match=r"axes must not change .* 'shares' has shape \(2,\) at k=2, and \(3,\) at k=3"
    ):
        mc.sweep(states, axes, store=tmp_path / "store")
    assert not (tmp_path / "store").exists()
    swept = mc.sweep(states, axes, store=tmp_path / "store", pad=True)
    mean = means(swept, "shares")
    assert mean.shape == (2, 4, 3)
    assert np.isnan(mean[0, :, 2]).all()
    assert np.isfinite(mean[0, :, :2]).all()
    np.testing.assert_allclose(mean[1].sum(-1), 1)


def test_generations_are_put_side_by_side_by_their_number(pretended: list[Any], tmp_path: Path) -> None:
    axes = {"last": [3, 5]}

    def make(last: int) -> dict[str, Any]:
        return walk() | {"generations": last, "record": [0, 1, 2, 3] if last == 3 else [0, 2, 4, 5]}

    with pytest.raises(ValueError, match=r"the recorded generations are \[0, 1, 2, 3\] at last=3"):
        mc.sweep(make, axes, store=tmp_path / "store")
    runs_of = {3: runs.walk(), 5: mc.simulate(**make(5), seed=0)}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cells, "simulate", lambda **given: runs_of[given["generations"]])
        swept = mc.sweep(make, axes, store=tmp_path / "store", pad=True)
    assert swept.generation.values.tolist() == [0, 1, 2, 3, 4, 5]
    mean = means(swept)
    np.testing.assert_array_equal(mean[0], [*runs_of[3].summary()["place"]["mean"], np.nan, np.nan])
    np.testing.assert_array_equal(mean[1, [0, 2, 4, 5]], runs_of[5].summary()["place"]["mean"])
    assert np.isnan(mean[1, [1, 3]]).all()


def test_an_observable_that_some_cells_lack(pretended: list[Any], tmp_path: Path) -> None:
    def make(more: int) -> dict[str, Any]:
        return walk() | {"observe": {"place": place} | ({"again": place} if more else {})}

    with pytest.raises(ValueError, match="'again' has shape none at more=0, and"):
        mc.sweep(make, {"more": [0, 1]}, store=tmp_path / "store")


# going on


def test_the_same_call_goes_on_and_another_grid_is_refused(pretended: list[Any], tmp_path: Path) -> None:
    call = functools.partial(mc.sweep, store=tmp_path / "store")
    call(walk, {"a": [1, 2]})
    assert len(pretended) == 2
    call(walk, {"a": [1, 2]})
    assert len(pretended) == 2
    others: dict[str, Callable[[], Any]] = {
        "axes, cells": lambda: call(walk, {"a": [1, 3, 2]}),
        "axes": lambda: call(walk, {"a": [2, 1]}),
        "cells": lambda: call(lambda a: walk() | {"size": 7}, {"a": [1, 2]}),
        "traces": lambda: call(walk, {"a": [1, 2]}, traces=True),
        "until": lambda: call(walk, {"a": [1, 2]}, until=Until("place", 0.1, 50)),
    }
    for differs, other in others.items():
        with pytest.raises(ValueError, match=rf"^store .* differs in {differs}: repeat the call that began it"):
            other()
    with jax.enable_x64(False), pytest.raises(ValueError, match="differs in cells, dtype"):
        call(walk, {"a": [1, 2]})
    assert len(pretended) == 2


def test_a_function_that_was_edited_is_another_grid(pretended: list[Any], tmp_path: Path) -> None:
    def observing(function: Callable[[Any], Any]) -> Callable[..., dict[str, Any]]:
        return lambda a: walk() | {"observe": {"place": function}}

    mc.sweep(observing(lambda params: params[0]), {"a": [1]}, store=tmp_path / "store")
    with pytest.raises(ValueError, match="differs in cells"):
        mc.sweep(observing(lambda params: params[1]), {"a": [1]}, store=tmp_path / "store")


def test_status_is_written_last_so_that_half_a_cell_runs_again(pretended: list[Any], tmp_path: Path) -> None:
    written: list[str] = []
    write = stores.write

    def dying(path: Path, name: str, *rest: Any) -> None:
        written.append(name)
        if len(written) == 9:
            raise KeyboardInterrupt
        write(path, name, *rest)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(stores, "write", dying)
        with pytest.raises(KeyboardInterrupt):
            mc.sweep(walk, {"a": [1, 2, 3]}, store=tmp_path / "store", traces=True)
    assert written[:4] == ["place", "place_trace", "number_of_chains", "status"]
    swept = mc.sweep(walk, {"a": [1, 2, 3]}, store=tmp_path / "store", traces=True)
    assert [given["seed"] for given in pretended] == [[0, 0], [0, 1], [0, 2], [0, 2]]
    assert (swept.status == "done").all()


def test_a_folder_with_something_else_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "notes").write_text("mine")
    with pytest.raises(ValueError, match="store must be a path where nothing is, or the store of a sweep"):
        mc.sweep(walk, {"a": [1]}, store=tmp_path)
    zarr.open_group(tmp_path / "other", mode="w")
    with pytest.raises(ValueError, match="store must be a path where nothing is"):
        mc.sweep(walk, {"a": [1]}, store=tmp_path / "other")


def test_other_versions_are_said(pretended: list[Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mc.sweep(walk, {"a": [1]}, store=tmp_path / "store")
    group = zarr.open_group(tmp_path / "store")
    group.attrs["jax"] = "0.0.1"
    with pytest.warns(UserWarning, match=r"begun with jax 0\.0\.1"):
        mc.sweep(walk, {"a": [1]}, store=tmp_path / "store")


# failures


def test_a_failure_is_recorded_and_the_others_go_on(pretended: list[Any], tmp_path: Path) -> None:
    def make(share: float) -> dict[str, Any]:
        return walk() | {"regime": mc.FreshReal(share)}

    call = functools.partial(mc.sweep, make, {"share": [0.1, 1.5, 0.3]}, store=tmp_path / "store")
    with pytest.warns(UserWarning, match=r"1 of 3 cells failed, the first of them share=1\.5: ValueError: share must"):
        swept = call()
    assert swept.status.values.tolist() == ["done", "failed", "done"]
    assert swept.message.values.tolist()[::2] == ["", ""]
    assert np.isnan(swept.place.values[1]).all()
    with pytest.raises(ValueError, match="share must"):
        mc.sweep(make, {"share": [0.1, 1.5, 0.3]}, store=tmp_path / "store", on_error="raise")
    with pytest.raises(ValueError, match="share must"):  # where no cell can be made
        mc.sweep(make, {"share": [1.5, 2]}, store=tmp_path / "another")


def test_a_chain_that_fails_is_the_message_of_its_cell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(**given: Any) -> mc.Run:
        raise MemoryError("too large") if given["seed"][-1] == 1 else mc.ChainFailure(runs.walk())

    monkeypatch.setattr(cells, "simulate", fails)
    call = functools.partial(mc.sweep, walk, {"a": [1, 2]}, store=tmp_path / "store")
    with pytest.warns(UserWarning, match="2 of 2 cells failed"):
        swept = call()
    assert swept.message.values[0].startswith("ChainFailure: the fit of Walk was not finite")
    assert swept.message.values[1] == "MemoryError: too large"
    monkeypatch.setattr(cells, "simulate", lambda **_: runs.walk())
    with pytest.warns(UserWarning, match="2 of 2 cells failed"):
        call()
    swept = call(retry_failed=True)
    assert (swept.status == "done").all()
    assert (swept.message == "").all()


def test_the_first_failure_may_be_raised(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(**given: Any) -> mc.Run:
        raise ArithmeticError("no")

    monkeypatch.setattr(cells, "simulate", fails)
    with pytest.raises(RuntimeError, match="the cell a=1 failed: ArithmeticError: no"):
        mc.sweep(walk, {"a": [1, 2]}, store=tmp_path / "store", on_error="raise")
    with stores.opened(tmp_path / "store", ["status"]) as swept:
        assert swept.status.values.tolist() == ["failed", "pending"]


# chains until


def test_chains_are_added_until_the_standard_error_is_small(tmp_path: Path) -> None:
    def make(spread: float) -> dict[str, Any]:
        return walk() | {"source": mc.Law(Walk(), jax.numpy.array([spread, 0.0])), "observe": {"place": scaled}}

    until = Until("place", 0.1, 40)
    swept = mc.sweep(make, {"spread": [0.0, 1.0]}, store=tmp_path / "store", until=until)
    for i in range(2):
        cell = swept.isel(spread=i)
        chains = int(cell.number_of_chains)
        reached = float(cell.standard_error_reached)
        assert reached <= 0.1 or chains == 40
        assert chains in (16, 32, 40)  # the deviation is about 0.5
        run = mc.simulate(**make(float(swept.spread[i])) | {"chains": chains}, seed=[0, i])
        np.testing.assert_array_equal(cell.place.sel(statistic="mean"), run.summary()["place"]["mean"])
        assert reached == run.summary()["place"]["standard_error"][-1]
        fewer = mc.simulate(
            **make(float(swept.spread[i])) | {"chains": 32 if chains == 40 else chains // 2}, seed=[0, i]
        )
        assert until.standard_error(fewer) > 0.1
    assert "until" in swept.attrs["grid"]


def scaled(params: Any) -> Any:
    return params[0] / 4


@pytest.mark.parametrize(
    ("statistic", "exact"), [("mean", 1.0), ("median", 1.2533), ("lower", 2.671), ("upper", 2.671)]
)
def test_standard_errors_of_quantiles(statistic: str, exact: float) -> None:
    # sqrt(q (1 - q)) / density at the quantile, of a normal law. The distance of order statistics has a relative error
    # of 1 / sqrt(their number between them), 4.1% or less: 6 of them
    run = pytest.MonkeyPatch()
    n = 10**6
    values = np.random.default_rng(5).normal(size=(n, 1))
    with run.context() as patch:
        fake = runs.walk()
        patch.setitem(fake.trace, "place", values)
        found = Until("place", 1.0, 4, statistic).standard_error(fake) * np.sqrt(n)
    assert abs(found / exact - 1) < 0.25


def test_a_single_chain_has_no_standard_error() -> None:
    with pytest.MonkeyPatch.context() as patch:
        single = runs.walk()
        patch.setitem(single.trace, "place", np.zeros((1, 1)))
        assert np.isnan(Until("place", 1.0, 4).standard_error(single))
        assert np.isnan(Until("place", 1.0, 4, "median").standard_error(single))


# executors


class Inline(Executor):
    """Runs everything at once, here, and breaks after ``lives`` cells."""

    def __init__(self, lives: int) -> None:
        self.lives = lives

    def submit(self, function: Any, /, *args: Any, **options: Any) -> Future:  # type: ignore[type-arg]
        future: Future[Any] = Future()
        self.lives -= 1
        if self.lives < 0:
            future.set_exception(BrokenExecutor("a worker died"))
            return future
        try:
            future.set_result(function(*args, **options))
        except Exception as error:
            future.set_exception(error)
        return future


def test_a_broken_pool_is_made_again_so_many_times(pretended: list[Any], tmp_path: Path) -> None:
    made: list[Inline] = []

    def executor() -> Executor:
        made.append(Inline(2))
        return made[-1]

    call = functools.partial(mc.sweep, walk, {"a": range(9)}, store=tmp_path / "store", executor=executor)
    with pytest.raises(
        RuntimeError, match=r"workers broke 3 times \(BrokenExecutor: a worker died\), and 3 cells are left"
    ):
        call(retries=2)
    assert len(made) == 3
    assert len(pretended) == 6
    swept = call(retries=1)
    assert (swept.status == "done").all()
    assert len(pretended) == 9


def test_a_cell_that_is_handed_out_twice_runs_once(pretended: list[Any], tmp_path: Path) -> None:
    # as dask does with what a lost worker had finished
    class Twice(Inline):
        def submit(self, function: Any, /, *args: Any, **options: Any) -> Future:  # type: ignore[type-arg]
            super().submit(function, *args, **options)
            return super().submit(function, *args, **options)

    swept = mc.sweep(walk, {"a": range(3)}, store=tmp_path / "store", executor=lambda: Twice(6))
    assert (swept.status == "done").all()
    assert len(pretended) == 3


def test_a_cell_in_another_process_has_one_core(
    pretended: list[Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Elsewhere(Inline):
        def submit(self, function: Any, /, *args: Any, **options: Any) -> Future:  # type: ignore[type-arg]
            with monkeypatch.context() as patch:
                patch.setattr(os, "getpid", lambda: -1)
                return super().submit(function, *args, **options)

    def make(workers: int) -> dict[str, Any]:
        return walk() | ({"workers": workers} if workers else {})

    mc.sweep(make, {"workers": [0, 3]}, store=tmp_path / "elsewhere", executor=lambda: Elsewhere(2))
    mc.sweep(make, {"workers": [0, 3]}, store=tmp_path / "here")
    assert [given.get("workers") for given in pretended] == [1, 3, None, 3]


def test_threads_take_turns(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    inside, most = [0], [0]

    def simulate(**given: Any) -> mc.Run:
        inside[0] += 1
        most[0] = max(most[0], inside[0])
        threading.Event().wait(0.01)
        inside[0] -= 1
        return runs.walk()

    monkeypatch.setattr(cells, "simulate", simulate)
    executor = functools.partial(ThreadPoolExecutor, 3)
    assert (mc.sweep(walk, {"a": range(6)}, store=tmp_path / "store", executor=executor).status == "done").all()
    assert most == [1]


def test_a_worker_that_makes_other_cells_is_found_out(pretended: list[Any], tmp_path: Path) -> None:
    sizes = iter(range(3, 9))

    def make(a: int) -> dict[str, Any]:
        return walk() | {"size": next(sizes)}

    with pytest.raises(
        RuntimeError, match="make returns other arguments in this worker than where the sweep began, for a=1"
    ):
        mc.sweep(make, {"a": [1, 2]}, store=tmp_path / "store")
    assert not pretended


def test_a_function_of_the_script_is_the_same_in_its_workers() -> None:
    def observing(module: str) -> str:
        def observed(params: Any) -> Any:
            return params[0]

        observed.__module__ = module
        return grids.hashed(walk() | {"observe": observed})

    assert observing("__mp_main__") == observing("__main__") != observing("another")


@pytest.mark.skipif(sys.platform == "win32", reason="Windows does not fork")
def test_a_pool_that_forks_is_refused(tmp_path: Path) -> None:
    import multiprocessing

    fork = functools.partial(ProcessPoolExecutor, 1, mp_context=multiprocessing.get_context("fork"))
    with pytest.raises(ValueError, match=r"executor must not fork, .* spawn"):
        mc.sweep(walk, {"a": [1]}, store=tmp_path / "store", executor=fork)


# arguments


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"axes": {}}, "axes must be a dictionary"),
        ({"axes": [1, 2]}, "axes must be a dictionary"),
        ({"axes": {"a b": [1]}}, "axes must have names that make can take as arguments, got 'a b'"),
        ({"axes": {"a": []}}, r"axes\['a'\] must have at least one value"),
        ({"axes": {"a": 3}}, r"axes\['a'\] must be a list, got 3"),
        ({"axes": {"a": "text"}}, r"axes\['a'\] must be a list, got 'text'"),
        ({"axes": {"a": [1, 1.0]}}, r"axes\['a'\] must have distinct values, got 1\.0 twice"),
        ({"axes": {"a": [np.nan]}}, r"axes\['a'\] must have finite numbers"),
        ({"axes": {"a": [object()]}}, r"axes\['a'\] has a value that prints as .*: give it a label"),
        ({"axes": {"generation": [1]}}, "axes must not have the name 'generation'"),
        ({"axes": {"status": [1]}}, "axes must not have the name 'status'"),
        ({"axes": {"place": [1]}}, "axes must not have the name 'place'"),
        ({"make": 5}, "make must be a function"),
        ({"make": lambda a: None}, "make must return a dictionary of arguments of simulate, got None for the cell a=1"),
        ({"make": lambda a: walk() | {"mesh": None}}, "make must return arguments of simulate .* 'mesh' is none"),
        ({"make": lambda a: {"family": Walk()}}, "make must return .* 'source' is missing"),
        ({"make": lambda a: walk() | {"seed": None}}, "seed must be a whole number, got None"),
        ({"make": lambda a: walk() | {"chains": 0}}, "chains must be at least 1"),
        ({"store": 5}, "store must be a path"),
        ({"executor": ThreadPoolExecutor(1)}, "executor must be a function that makes a concurrent.futures.Executor"),
        ({"executor": dict}, r"executor must make a concurrent.futures.Executor, and it made \{\}"),
        ({"seed": -1}, "seed must be at least 0"),
        ({"on_error": "ignore"}, "on_error must be 'record' or 'raise'"),
        ({"retries": 1.5}, "retries must be a whole number"),
        ({"pad": 1}, "pad must be True or False"),
        ({"until": 0.1}, "until must be an Until, got 0.1"),
        ({"until": Until("place", 0.1, 9), "traces": True}, "traces must be False with until"),
        ({"until": Until("entropy", 0.1, 9)}, "until has the observable 'entropy', and observed are place"),
        ({"until": Until("place", 0.1, 3)}, "until.most must be at least the chains that make gives, 4, got 3"),
    ],
)  # fmt: skip
def test_bad_arguments_are_refused_by_name(changed: dict[str, Any], message: str, tmp_path: Path) -> None:
    arguments = {"make": walk, "axes": {"a": [1]}, "store": tmp_path / "store"} | changed
    with pytest.raises((ValueError, TypeError), match=message):
        mc.sweep(arguments.pop("make"), arguments.pop("axes"), **arguments)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((5, 0.1, 9), "observable must be text"),
        (("place", 0.0, 9), "bound must be finite and positive"),
        (("place", 0.1, 0), "most must be at least 1"),
        (("place", 0.1, 9, "mode"), "statistic must be 'mean', 'median', 'lower' or 'upper'"),
    ],
)
def test_until_is_checked(arguments: Any, message: str) -> None:
    with pytest.raises((ValueError, TypeError), match=message):
        Until(*arguments)


@pytest.mark.parametrize("missing", ["zarr", "xarray"])
def test_a_missing_library_is_named_with_its_extra(
    missing: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, missing, None)
    with pytest.raises(ImportError, match=rf"sweep needs {missing}: pip install 'modelcollapse\[sweep\]'"):
        mc.sweep(walk, {"a": [1]}, store=tmp_path / "store")


# processes


def environment() -> dict[str, str]:
    """Without 64 bits: the script asks for them, and its workers are told."""
    given = os.environ | {"PYTHONPATH": os.pathsep.join(p for p in sys.path if p)}
    return {name: value for name, value in given.items() if name != "JAX_ENABLE_X64"}


@contextlib.contextmanager
def sweeping(store: Path, engine: str, workers: int) -> Iterator[subprocess.Popen[str]]:
    script = [sys.executable, swept.__file__, str(store), engine, str(workers)]
    with subprocess.Popen(script, env=environment(), stdout=subprocess.PIPE, text=True) as process:
        try:
            yield process
        finally:
            process.kill()


def written(store: Path) -> dict[Path, tuple[int, int]]:
    """Which file each variable of each cell that is done lies in, and since when."""
    done = [path.name.removeprefix("c") for path in (store / "status").glob("c.*")]
    found = [path for index in done for path in store.glob(f"*/c{index}*") if path.name.count(".") > 1]
    return {path: (path.stat().st_ino, path.stat().st_mtime_ns) for path in found}


def ended(process: int) -> bool:
    """Whether a process of another parent has gone, or is about to be collected."""
    try:
        return "\nState:\tZ" in Path(f"/proc/{process}/status").read_text()
    except OSError:
        return True


@functools.cache
def alone() -> dict[str, np.ndarray]:
    """The numbers of a sweep that nothing happened to, in one process."""
    found = {}
    for i in swept.REPLICATES["replicate"]:
        for j, size in enumerate(swept.REPLICATES["size"]):
            found[i, j] = mc.simulate(**swept.sized(i, size), seed=[0, i, j])["place"]
    return found


def check_numbers(dataset: Any) -> None:
    assert (dataset.status == "done").all()
    traces = dataset.place_trace.values
    for index, trace in alone().items():
        np.testing.assert_array_equal(traces[index], trace)


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="it looks at processes as Linux shows them")
@pytest.mark.parametrize("number", [0, *(pytest.param(i, marks=pytest.mark.soak) for i in range(1, 21))])
def test_workers_and_parent_may_be_killed_at_any_time(number: int, tmp_path: Path) -> None:
    """Five times the parent, and before that, every second time, a worker: nothing is lost, nothing is run twice, and
    the numbers are those of one process.
    """
    rng, store, done = np.random.default_rng(number), tmp_path / "store", {}
    for kill in range(5):
        with sweeping(store, "processes", 2 if number else 1) as process:
            assert process.stdout is not None
            # a worker says its number at the end of each of its cells
            some = itertools.islice(process.stdout, int(rng.integers(1, 9)))
            seen = {int(line) for line in some}
            threading.Event().wait(rng.uniform(0, 0.02))
            if kill % 2 and seen:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(max(seen), signal.SIGKILL)
                # some more lines from before, and some of a new worker
                seen |= {int(line) for line in itertools.islice(process.stdout, int(rng.integers(1, 20)))}
            process.kill()
        while not all(ended(worker) for worker in seen):
            threading.Event().wait(0.01)
        now = written(store)
        assert {path: now[path] for path in done} == done
        done = now
    assert done
    check_numbers(mc.sweep(swept.sized, swept.REPLICATES, store=store, traces=True))
    now = written(store)
    assert {path: now[path] for path in done} == done


@pytest.mark.skipif(importlib.util.find_spec("distributed") is None, reason="dask.distributed is not installed")
def test_dask_gives_the_same_numbers(tmp_path: Path) -> None:
    with sweeping(tmp_path / "store", "dask", 2) as process:
        assert process.stdout is not None
        seen = {int(line) for line in process.stdout}
        assert process.wait() == 0
    assert len(seen) == 2
    check_numbers(mc.sweep(swept.sized, swept.REPLICATES, store=tmp_path / "store", traces=True))

"""A run may be killed, interrupted, extended and enlarged, and has the numbers of one that was left alone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import jax
import numpy as np
import pytest

import modelcollapse as mc
from modelcollapse.engine import batch as batches
from modelcollapse.engine import checkpoint, plan, scan

LAW = np.r_[0.3, 0.2, np.full(98, 0.5 / 98)]
OBSERVE = ["support_size", "heterozygosity", "absorption_time"]


def run(**options: Any) -> mc.Run:
    """Chains that are items, then survivors, and rest before the end; in batches of 8."""
    settings = {"size": 40, "generations": 60, "chains": 20, "observe": OBSERVE, "seed": 3, "batch_size": 8}
    return mc.simulate(mc.Discrete(), mc.categorical(LAW), **(settings | options))


def assert_same(one: mc.Run, other: mc.Run, chains: slice = slice(None)) -> None:
    for name in one.trace:
        np.testing.assert_array_equal(one[name], other[name][chains])


class Stopped(Exception):
    """What a killed process would not even raise."""


def stopping(monkeypatch: pytest.MonkeyPatch, calls: int, error: type[BaseException]) -> None:
    """Let call number ``calls`` of the compiled loop end with ``error``."""
    advance, made = scan.advance_chains, []

    def advancing(*args: Any, **how: Any) -> Any:
        made.append(None)
        if len(made) == calls:
            raise error
        return advance(*args, **how)

    monkeypatch.setattr(scan, "advance_chains", advancing)


@pytest.fixture(scope="module")
def whole() -> mc.Run:
    return run()


@pytest.mark.parametrize("calls", [1, 2, 30, 120, 155])
def test_a_killed_run_goes_on_from_its_checkpoint(
    calls: int, whole: mc.Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checkpoint, "SECONDS", 0.0)
    monkeypatch.setattr(batches, "FEWER", 2)  # chains that rest step aside
    with monkeypatch.context() as patch:
        stopping(patch, calls, Stopped)
        with pytest.raises(Stopped):
            run(checkpoint=tmp_path / "run")
    begun, start = [], scan.start_chains
    monkeypatch.setattr(scan, "start_chains", lambda *args, **how: begun.append(args) or start(*args, **how))
    assert_same(whole, run(checkpoint=tmp_path / "run"))
    assert not begun, "chains that were saved began again"
    # and once more, from the end
    stopping(monkeypatch, 1, Stopped)
    assert_same(whole, run(checkpoint=str(tmp_path / "run")))


@pytest.mark.parametrize(
    ("changed", "named"),
    [
        ({"size": 41}, "size"),
        ({"seed": 4}, "key"),
        ({"chains": 21}, "chains"),
        ({"observe": ["entropy"]}, "observe"),
        ({"regime": mc.FreshReal(0.1)}, "regime"),
        ({"record": [0, 2]}, "record"),
    ],
)
def test_a_checkpoint_of_another_run_is_refused(changed: dict[str, Any], named: str, tmp_path: Path) -> None:
    run(generations=2, chains=2, checkpoint=tmp_path)
    with pytest.raises(ValueError, match=f"holds a run that differs in .*{named}"):
        run(**({"generations": 2, "chains": 2, "checkpoint": tmp_path} | changed))


def test_a_checkpoint_must_be_a_folder(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")
    with pytest.raises(ValueError, match="checkpoint must be a folder"):
        run(generations=2, checkpoint=tmp_path / "file")
    assert (tmp_path / "file").read_text() == "mine"


@pytest.mark.parametrize("calls", [2, 30, 120])
def test_ctrl_c_keeps_the_chains_that_were_begun(
    calls: int, whole: mc.Run, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    with monkeypatch.context() as patch:
        stopping(patch, calls, KeyboardInterrupt)
        with pytest.raises(mc.Interrupted, match="20 chains reached") as caught:
            run(progress=True)
    assert isinstance(caught.value, KeyboardInterrupt)
    kept = caught.value.run
    assert kept.generations < 60
    np.testing.assert_array_equal(kept.recorded, np.arange(kept.generations + 1))
    for name in OBSERVE[:2]:
        np.testing.assert_array_equal(kept[name], whole[name][:, : kept.generations + 1])
    assert_same(whole, kept.extend(60 - kept.generations))


def test_ctrl_c_while_chains_begin(whole: mc.Run, monkeypatch: pytest.MonkeyPatch) -> None:
    start, made = scan.start_chains, []

    def starting(*args: Any, **how: Any) -> Any:
        made.append(None)
        if len(made) == 3:
            raise KeyboardInterrupt
        return start(*args, **how)

    with monkeypatch.context() as patch:
        patch.setattr(scan, "start_chains", starting)
        with pytest.raises(mc.Interrupted) as caught:
            run()
    assert caught.value.run.chains == 16
    assert_same(whole, caught.value.run.more(4).extend(60))


def test_ctrl_c_during_extend_and_more_keeps_the_run(whole: mc.Run, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        stopping(patch, 40, KeyboardInterrupt)
        with pytest.raises(mc.Interrupted) as caught:
            whole.extend(60, progress=True)
    longer = caught.value.run
    assert longer.chains == 20
    assert 60 < longer.generations < 120
    assert_same(whole.extend(60), longer.extend(120 - longer.generations))
    with monkeypatch.context() as patch:
        stopping(patch, 1, KeyboardInterrupt)
        with pytest.raises(mc.Interrupted) as caught:
            whole.more(3)
    assert_same(whole, caught.value.run)


@pytest.mark.parametrize(("kind", "x64"), [("discrete", False), ("normal", True), ("normal", False)])
def test_more_chains_are_those_of_a_larger_run(kind: str, x64: bool) -> None:
    with jax.enable_x64(x64):
        family, source, observe = {
            "discrete": (mc.Discrete(), mc.categorical(LAW), OBSERVE),
            "normal": (mc.Gaussian(), mc.normal(1e6, 1.0), ["mean", "log_variance"]),
        }[kind]

        def begun(chains: int) -> mc.Run:
            return mc.simulate(family, source, observe=observe, size=9, generations=7, chains=chains, record=[0, 3, 7])

        small, large = begun(5), begun(12)
        grown = small.more(4).more(3)
        assert grown.chains == 12
        assert [added["chains"] for added in grown.provenance["added"]] == [[5, 8], [9, 11]]
        for name in observe:
            np.testing.assert_array_equal(grown[name], large[name])
            np.testing.assert_array_equal(grown.extend(2)[name], large.extend(2)[name])


@pytest.mark.parametrize(
    "options", [{"chains": 10**9, "generations": 10**6}, {"generations": 10**8, "observe": "probabilities"}]
)
def test_a_run_that_cannot_fit_is_refused_before_it_is_allocated(options: dict[str, Any]) -> None:
    with pytest.raises(MemoryError, match=r"needs about .* GiB, more than the .* GiB of this machine"):
        run(**options)


def test_memory_of_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    assert plan.memory() is None or plan.memory() > 2**28
    monkeypatch.setattr(plan, "memory", lambda: None)
    assert run(generations=1, chains=2).chains == 2  # a system that does not say refuses nothing


@pytest.mark.parametrize("calls", [1, 2, 3, 4, 5, 6])
def test_ctrl_c_where_the_form_changes(calls: int, whole: mc.Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """Three batches, each of one call as items and then some as survivors."""
    with monkeypatch.context() as patch:
        stopping(patch, calls, KeyboardInterrupt)
        with pytest.raises(mc.Interrupted) as caught:
            run()
    kept = caught.value.run
    assert kept.chains == 20
    more = kept.more(2)
    assert more.chains == 22
    assert_same(whole, kept.extend(60 - kept.generations))


def test_ctrl_c_while_the_form_changes(whole: mc.Run, monkeypatch: pytest.MonkeyPatch) -> None:
    change, made = batches.changed, []

    def changing(*args: Any) -> Any:
        made.append(None)
        if len(made) == 2:
            raise KeyboardInterrupt
        return change(*args)

    with monkeypatch.context() as patch:
        patch.setattr(batches, "changed", changing)
        with pytest.raises(mc.Interrupted) as caught:
            run()
    assert_same(whole, caught.value.run.extend(60 - caught.value.run.generations))


def test_an_interrupted_run_with_schedules_is_completed_in_any_order(monkeypatch: pytest.MonkeyPatch) -> None:
    sizes, share = np.arange(10, 31), np.linspace(0, 1, 21)

    def begun() -> mc.Run:
        return mc.simulate(
            mc.KernelDensity(0.5), mc.normal(), mc.FreshReal(share), "mean", size=sizes, generations=20, chains=6,
            batch_size=3, progress=True,
        )  # fmt: skip

    whole = begun()
    with monkeypatch.context() as patch:
        stopping(patch, 9, KeyboardInterrupt)
        with pytest.raises(mc.Interrupted) as caught:
            begun()
    kept = caught.value.run
    assert 0 < kept.generations < 20
    assert kept.predict()["mean"].values.shape == (kept.generations + 1, 1)
    assert_same(whole, kept.extend(20 - kept.generations))
    larger = kept.more(2)
    assert_same(whole, larger.extend(20 - kept.generations), slice(0, 6))
    assert_same(whole.more(2), larger.extend(20 - kept.generations))


def test_a_checkpoint_knows_the_code_of_functions(tmp_path: Path) -> None:
    options: dict[str, Any] = {"generations": 2, "chains": 2, "checkpoint": tmp_path}
    first = run(observe={"q": lambda p: p.max()}, **options)
    with pytest.raises(ValueError, match="code of functions"):
        run(observe={"q": lambda p: p.min()}, **options)
    np.testing.assert_array_equal(run(observe={"q": lambda p: p.max()}, **options)["q"], first["q"])


def test_a_checkpoint_needs_a_seed(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="seed must be given with checkpoint"):
        run(seed=None, checkpoint=tmp_path)


def test_generation_0_alone() -> None:
    given: dict[str, Any] = {"observe": "entropy", "size": 9, "generations": 0, "chains": 3}
    run, pure = (f(mc.Discrete(), mc.categorical(LAW), **given)["entropy"] for f in (mc.simulate, mc.trace))
    assert run.shape == pure.shape == (3, 1)
    np.testing.assert_array_equal(run, pure)

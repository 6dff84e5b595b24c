"""Batches on several threads: the same numbers, and none waits for another for ever."""

from __future__ import annotations

import faulthandler
import time
from collections.abc import Iterator
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import modelcollapse as mc
from modelcollapse import processors
from modelcollapse.engine import plan, workers

ROWS = np.random.default_rng(0).normal(size=(30, 2))
# family, source, regime, observable, and whether the compiled loop calls LAPACK
KINDS: dict[str, tuple[Any, Any, Any, Any, bool]] = {
    "discrete": (mc.Discrete(), mc.categorical([0.5, 0.3, 0.2]), mc.Replace(), "support_size", False),
    "many states": (mc.Discrete(), mc.categorical(np.ones(100) / 100), mc.Replace(), "support_size", False),
    "fresh": (mc.Discrete(), mc.categorical([0.5, 0.3, 0.2]), mc.FreshReal(0.2), "probabilities", False),
    "normal": (mc.Gaussian(), mc.normal(), mc.Replace(), "log_variance", False),
    "normal, d = 2": (mc.Gaussian(), mc.normal([0.0, 0.0]), mc.Replace(), "log_variance", False),
    "w2": (mc.Gaussian(), mc.normal([0.0, 0.0]), mc.Replace(), "w2_squared", True),
    "kernels": (mc.KernelDensity(0.5), mc.normal(), mc.Replace(), "variance", False),
    "scaled kernels": (mc.KernelDensity(rule="scott"), mc.normal(), mc.Replace(), "variance", True),
    "normal mixture": (
        mc.GaussianMixture(2, reg_covar=0.1), mc.normal_mixture([0.5, 0.5], [-2.0, 2.0], [1.0, 1.0]), mc.Replace(), "mean", True,
    ),
    "regression": (mc.linear([1.0, 2.0]).family, mc.linear([1.0, 2.0]), mc.Replace(), "squared_error", True),
    "poisson": (mc.Poisson(), mc.poisson(3.0), mc.Replace(), "mean", False),
    "gamma": (mc.Gamma(2.0), mc.gamma(1.0, 2.0), mc.Replace(), "log_mean", False),
    "uniform": (mc.Uniform(), mc.uniform(), mc.Replace(), "log_end", False),
    "binomial": (mc.Binomial(4), mc.binomial(4, 0.5), mc.FreshReal(0.5), "mean", False),
    "damped": (mc.Damped(mc.Gaussian(), 0.5), mc.normal(), mc.Replace(), "mean", False),
    "rounded": (mc.Rounded(mc.Gaussian()), mc.normal(), mc.Replace(), "mean", True),
    "known covariance": (mc.GaussianMean(), mc.normal(), mc.Replace(), "mean", False),
    "vae": (
        mc.VAE(1, mc.families.MLP((2,)), steps=2, batch=4), mc.images(np.random.default_rng(0).random((8, 2, 2))), mc.Replace(),
        "training_loss", False,
    ),
    "pareto": (mc.Pareto(), mc.pareto(3.0), mc.Replace(), "log_index", False),
    "ppca": (mc.PPCA(1), mc.normal([0.0, 0.0], [[2.0, 0.0], [0.0, 1.0]]), mc.Replace(), "log_variance", True),
    "rows": (mc.Gaussian(), mc.table(ROWS), mc.FreshReal(0.5), "mean", True),
}  # fmt: skip


def run(kind: str, threads: int, **options: Any) -> mc.Run:
    family, source, regime, observe, _ = KINDS[kind]
    given = {"size": 20, "generations": 5, "chains": 24, "batch_size": 4, "seed": 2} | options
    return mc.simulate(family, source, regime, observe, workers=threads, **given)


@pytest.fixture(autouse=True)
def any_run_is_worth_threads(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(plan, "SHARED", 0)
    # a hang would end in an hour; the stacks of all threads say where it is
    faulthandler.dump_traceback_later(600, exit=True)
    yield
    faulthandler.cancel_dump_traceback_later()


def same(one: mc.Run, other: mc.Run) -> None:
    for name in one.trace:
        np.testing.assert_array_equal(one[name], other[name])


def test_no_family_hangs_and_none_changes_its_numbers() -> None:
    repeat(10)


@pytest.mark.soak
def test_no_family_ever_hangs() -> None:
    repeat(200)


def repeat(times: int) -> None:
    for kind, (*_, lapack) in KINDS.items():
        alone = run(kind, 1)
        for turn in range(times):
            same(alone, run(kind, 2 + turn % 2))
        assert takes_turns(kind) == lapack, kind


def takes_turns(kind: str) -> bool:
    """Whether the batches of a run went one after another although there were threads."""
    together = []
    original = workers.Workers.map
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            workers.Workers, "map", lambda self, f, items, all: together.append(all) or original(self, f, items, all)
        )
        run(kind, 2)
    return not any(together)


@pytest.mark.parametrize("x64", [False, True])
def test_threads_have_the_settings_of_the_caller(x64: bool) -> None:
    with jax.enable_x64(x64), jax.numpy_dtype_promotion("standard" if x64 else "strict"):
        alone, shared = run("normal", 1, generations=3), run("normal", 3, generations=3)
    assert shared["log_variance"].dtype == (np.float64 if x64 else np.float32)
    same(alone, shared)


def test_threads_with_progress_and_checkpoints(tmp_path: Any, capsys: pytest.CaptureFixture) -> None:
    alone = run("discrete", 1)
    same(alone, run("discrete", 3, progress=True, checkpoint=tmp_path / "run"))
    same(alone, run("discrete", 3, checkpoint=tmp_path / "run"))
    same(run("discrete", 1, generations=2).extend(3, workers=1), run("discrete", 2, generations=2).extend(3, workers=3))
    same(alone.more(9, workers=1), alone.more(9, workers=3))


def test_callbacks_are_never_called_twice_at_once() -> None:
    inside, most = [], []

    def seen(mean: Any) -> Any:
        inside.append(None)
        most.append(len(inside))
        time.sleep(0.001)
        inside.pop()
        return mean

    def read(params: Any) -> Any:
        kind = jax.ShapeDtypeStruct((), jnp.result_type(float))
        return jax.pure_callback(seen, kind, params.mean[0], vmap_method="sequential")

    mc.simulate(
        mc.Gaussian(), mc.normal(), observe={"read": read}, size=20, generations=2, chains=24, batch_size=4, workers=3
    )
    assert max(most) == 1


def test_an_error_in_a_thread_comes_out() -> None:
    def read(params: Any) -> Any:
        return jax.pure_callback(
            fail, jax.ShapeDtypeStruct((), jnp.result_type(float)), params.mean[0], vmap_method="sequential"
        )

    def fail(mean: Any) -> Any:
        raise RuntimeError("not today")

    with pytest.raises(Exception, match="not today"):
        mc.simulate(
            mc.Gaussian(),
            mc.normal(),
            observe={"read": read},
            size=20,
            generations=2,
            chains=24,
            batch_size=4,
            workers=3,
        )


def test_lapack_is_found_wherever_it_hides() -> None:
    def hidden(x: jax.Array) -> jax.Array:
        def body(_: Any, y: jax.Array) -> jax.Array:
            return jax.lax.cond(y[0, 0] > 0, lambda z: jnp.linalg.qr(z)[0], lambda z: z, y)

        return jax.lax.fori_loop(0, 3, body, x)

    square = jnp.eye(2)
    operations = {
        "qr": jnp.linalg.qr, "cholesky": jnp.linalg.cholesky, "eigh": jnp.linalg.eigh, "svd": jnp.linalg.svd,
        "solve": lambda x: jnp.linalg.solve(x, x), "hidden": jax.jit(jax.vmap(hidden)),
    }  # fmt: skip
    for name, operation in operations.items():
        program = jax.make_jaxpr(operation)(square[None] if name == "hidden" else square)
        assert workers.takes_turns(program.jaxpr), name
        if name != "solve":  # the lowered program agrees
            text = jax.jit(operation).lower(square[None] if name == "hidden" else square).as_text()
            assert "lapack_" in text, name
    assert not workers.takes_turns(jax.make_jaxpr(lambda x: x @ x)(square).jaxpr)


def test_how_many_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NPROC", raising=False)
    monkeypatch.delenv(processors.VARIABLE, raising=False)
    assert processors.count(None) >= 1
    assert processors.count(3) == 3
    monkeypatch.setenv("NPROC", "1")
    assert processors.count(None) == 1
    monkeypatch.setenv(processors.VARIABLE, "5")
    assert processors.count(None) == 5
    assert processors.count(8) == 5
    for wrong in ("0", "two", "-1"):
        monkeypatch.setenv(processors.VARIABLE, wrong)
        with pytest.raises(
            ValueError, match=f"MODELCOLLAPSE_WORKERS must be a whole number of at least 1, got '{wrong}'"
        ):
            processors.count(None)
    with pytest.raises(ValueError, match="workers must be at least 1, got 0"):
        processors.count(0)

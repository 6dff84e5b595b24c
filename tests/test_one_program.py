"""One program makes every generation, the first included, for any number of generations, chains, draws and records."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import modelcollapse as mc
from modelcollapse.engine import plan, scan
from modelcollapse.process import prepare

LAW = [0.4, 0.3, 0.2, 0.1, 0.0]
NORMAL = mc.normal([0.0, 1.0], [[1.0, 0.3], [0.3, 2.0]])


@mc.part
class Late:
    """Generations seen, and what the first of them showed: an observable with a memory."""

    def start(self, truth: Any, first: Any) -> Any:
        return first.generation, jax.tree.leaves(first.params)[0].sum().astype(jnp.float64)

    def update(self, carry: Any, state: Any, truth: Any) -> Any:
        return carry[0] + 1, carry[1]

    def read(self, carry: Any, state: Any, truth: Any) -> jax.Array:
        return carry[0].astype(jnp.float64) + carry[1]


@pytest.mark.parametrize(
    ("family", "source", "regime"),
    [
        (mc.Discrete(), mc.categorical(LAW), mc.Replace()),
        (mc.Discrete(), mc.categorical(LAW), mc.FreshReal(0.3)),
        (mc.Discrete(), mc.categorical(LAW), mc.Mixture(0.5, 0.2, 0.3)),
        (mc.Discrete(), mc.categorical(LAW), mc.Accumulate()),
        (mc.Gaussian(), NORMAL, mc.Replace()),
        (mc.Gaussian(ddof=0), NORMAL, mc.FreshReal(0.5)),
        (mc.Gaussian(), NORMAL, mc.Weighted(0.3)),
        (mc.Gaussian(), NORMAL, mc.Mixture(0.5, 0.2, 0.3)),
        (mc.Gaussian(), NORMAL, mc.Accumulate()),
        (mc.NegativeBinomial(2.0), mc.negative_binomial(3.0, 2.0), mc.Mixture(0.5, 0.2, 0.3)),
        (mc.Gamma(2.0), mc.gamma(1.5, 2.0), mc.FreshReal(0.25)),
        (mc.Uniform(), mc.uniform(2.0), mc.Accumulate()),
        (mc.Pareto(), mc.pareto(3.0), mc.Replace()),
    ],
    ids=lambda part: type(part).__name__,
)
def test_the_first_generation_is_that_of_a_program_of_its_own(family: Any, source: Any, regime: Any) -> None:
    given: dict[str, Any] = {"size": np.array([20, 12, 16, 20]), "generations": 3, "chains": 4, "seed": 5}
    observe = {"late": Late(), "params": lambda params: jax.tree.leaves(params)[0]}
    process = prepare(family, source, regime, observe, given["size"], 3).process
    assert process.opens
    run = mc.simulate(family, source, regime, observe, **given)
    pure = jax.jit(lambda: mc.trace(family, source, regime, observe, **given))()
    for name in observe:
        np.testing.assert_allclose(run[name], pure[name], rtol=1e-12, atol=1e-12)
    assert np.unique(run["params"][:, 0].reshape(4, -1), axis=0).shape[0] > 1


@pytest.mark.parametrize(
    ("family", "source", "regime"),
    [
        (mc.Discrete(), mc.categorical(np.ones(100) / 100), mc.Replace()),  # items, whose truth is no item
        (mc.Discrete(3), mc.table(np.array([0, 1, 2])), mc.FreshReal(0.5)),
        (mc.Gaussian(), mc.table(np.random.default_rng(0).normal(size=(50, 2))), mc.Replace()),
        (mc.Binomial(4), mc.binomial(3, 0.5), mc.Replace()),  # real draws have another number of trials
        (mc.NegativeBinomial(2.0), mc.negative_binomial(3.0, 2.5), mc.Replace()),
        (mc.Gamma(1.0), mc.gamma(1.5, 2.0), mc.Replace()),
        (mc.Gaussian(), NORMAL, mc.FixedReal(0.5)),
        (mc.Damped(mc.Gaussian(), 0.5), NORMAL, mc.Replace()),  # its first fit is not damped
        (mc.Gaussian(), mc.Law(mc.Gaussian(), jax.tree.map(np.float32, NORMAL.params)), mc.Replace()),
    ],
    ids=lambda part: type(part).__name__,
)
def test_what_has_another_first_generation_keeps_its_own_program(family: Any, source: Any, regime: Any) -> None:
    opening = prepare(family, source, regime, "entropy" if isinstance(family, mc.Discrete) else "mean", 8, 2)
    first = plan.first(opening.process, mc.sampling.key(0))
    assert int(first.generation.shape[0]) == 1
    from modelcollapse.engine.forms import forms

    assert not forms(opening.process, opening.sizes)[0][1].opens


@pytest.mark.parametrize("kind", ["normal", "discrete", "mixture"])
def test_another_run_needs_no_program(kind: str) -> None:
    family, source, regime, observe = {
        "normal": (mc.Gaussian(), mc.normal(), mc.Replace(), ["mean", "log_variance"]),
        "discrete": (mc.Discrete(), mc.categorical(LAW), mc.Replace(), ["heterozygosity"]),
        "mixture": (mc.Discrete(), mc.categorical(LAW), mc.Mixture(0.8, 0.1, 0.1), ["heterozygosity"]),
    }[kind]

    def run(generations: int = 30, chains: int = 90, size: int = 60, record: Any = None) -> mc.Run:
        return mc.simulate(
            family, source, regime, observe, size=size, generations=generations, chains=chains, record=record
        )

    whole = run()
    before = scan.programs()
    longer, wider, other = run(generations=40), run(chains=200), run(size=50)
    sparse, long = run(record=[0, 3, 30]), run(generations=55, record=np.arange(0, 55, 2))
    assert scan.programs() == before
    assert other.chains == 90
    for name in observe:
        np.testing.assert_array_equal(longer[name][:, :31], whole[name])
        np.testing.assert_array_equal(wider[name][:90], whole[name])
        np.testing.assert_array_equal(sparse[name], whole[name][:, [0, 3, 30]])
        np.testing.assert_array_equal(long[name][:, :16], whole[name][:, :31:2])
    extended = whole.extend(10)
    assert scan.programs() == before
    for name in observe:
        np.testing.assert_array_equal(extended[name], longer[name])


def test_a_long_run_has_no_states_but_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    def run() -> mc.Run:
        return mc.simulate(
            mc.Discrete(), mc.categorical(LAW), observe="heterozygosity", size=12, generations=20, chains=10
        )

    short = run()
    monkeypatch.setattr(plan, "LONG", 0)
    process = prepare(mc.Discrete(), mc.categorical(LAW), mc.Replace(), "heterozygosity", 12, 20)
    how = plan.How(None, False, None, 1)
    ahead = plan.planned(process, mc.sampling.key(0), (0, 10), (-1, 20), np.arange(21), how)
    assert {stage.process.watch.truth.size for stage in ahead.stages} == {5}
    long = run()
    np.testing.assert_array_equal(short["heterozygosity"], long["heterozygosity"])
    np.testing.assert_array_equal(short.params, long.params)
    np.testing.assert_array_equal(long.extend(3)["heterozygosity"], short.extend(3)["heterozygosity"])


@pytest.mark.parametrize("x64", [False, True])
def test_few_states_share_a_program_and_none_is_added_to_what_is_seen(x64: bool, tmp_path: Any) -> None:
    """Runs of 5 to 8 states, of observables that cannot tell whose a probability is; beside one that can."""

    def run(states: int, *more: str, generations: int = 20, **options: Any) -> mc.Run:
        p = np.arange(1, states + 1) / (states * (states + 1) / 2)
        observe = ["heterozygosity", "support_size", *more]
        return mc.simulate(
            mc.Discrete(), mc.categorical(p), observe=observe, size=12, generations=generations, chains=10, **options
        )

    with jax.enable_x64(x64):
        run(8)
        before = scan.programs()
        found = {states: run(states) for states in (5, 6, 8)}
        assert scan.programs() == before
        for states, alone in found.items():
            beside = run(states, "probabilities")
            for name in alone.trace:
                np.testing.assert_array_equal(alone[name], beside[name])
            assert alone.params.shape == (10, states)
            np.testing.assert_array_equal(alone.params, beside["probabilities"][:, -1])
        # in both forms: the counts of generation 5, the survivors of generation 20
        for short in (run(5, generations=5), run(5, generations=15)):
            short.save(tmp_path / "run.npz")
            for begun in (short, mc.Run.load(tmp_path / "run.npz")):
                gone_on = begun.extend(20 - begun.generations)
                np.testing.assert_array_equal(gone_on["heterozygosity"], found[5]["heterozygosity"])
                assert gone_on.params.shape == (10, 5)
        np.testing.assert_array_equal(
            run(5, checkpoint=tmp_path / "kept")["heterozygosity"], found[5]["heterozygosity"]
        )


@mc.part
class Half(mc.Replace):
    """Draws half of what `Replace` draws: what that says of its own draws does not hold here."""

    def start(self, key: jax.Array, real: Any, size: jax.Array) -> Any:
        return real.draw(mc.regimes.fold(key, mc.regimes.REAL), size // 2), ()

    def next(self, key: jax.Array, model: Any, real: Any, memory: Any, size: jax.Array, generation: jax.Array) -> Any:
        return model.draw(mc.regimes.fold(key, mc.regimes.MODEL), size // 2), ()


@mc.part
class Flat(mc.Gaussian):
    """A first fit of its own."""

    def fit(self, key: jax.Array, data: Any, previous: Any) -> Any:
        found = mc.Gaussian.fit(self, key, data, previous)
        return found if previous is None else found.moved(np.ones(1))


@pytest.mark.parametrize(
    ("family", "regime", "source", "observe"),
    [
        (mc.Gaussian(), Half(), mc.normal(), "mean"),
        (mc.Discrete(), Half(), mc.categorical(LAW), "probabilities"),
        (Flat(), mc.Replace(), mc.Law(Flat(), mc.normal().params), "mean"),
    ],
)
def test_a_class_that_defines_a_method_again_inherits_no_promise_about_it(
    family: Any, regime: Any, source: Any, observe: str
) -> None:
    given: dict[str, Any] = {"observe": [observe], "size": 20, "generations": 2, "chains": 3}
    run = mc.simulate(family, source, regime, **given)
    pure = jax.jit(lambda: mc.trace(family, source, regime, **given))()
    np.testing.assert_allclose(run[observe], pure[observe], rtol=1e-12, atol=1e-12)
    process = prepare(family, source, regime, [observe], 20, 2).process
    assert not process.opens
    assert not (process.many and isinstance(regime, Half))


@pytest.mark.parametrize("sizes", [1, [1, 5, 5, 5], [6, 6, 6, 1]])
@pytest.mark.parametrize("states", [3, 100])
def test_data_sets_of_one_item(sizes: Any, states: int) -> None:
    law = mc.categorical(np.full(states, 1 / states))
    run = mc.simulate(
        mc.Discrete(), law, observe=["support_size", "probabilities"], size=sizes, generations=3, chains=4
    )
    np.testing.assert_allclose(run["probabilities"].sum(-1), 1.0)
    assert (run["support_size"] >= 1).all()
    assert (run["support_size"][:, np.broadcast_to(sizes, 4) == 1] == 1).all()


@pytest.mark.parametrize("before", [-1, 0, 1])
def test_a_run_goes_on_from_where_its_form_changes(before: int) -> None:
    """After 12 generations of 12 items, chains are kept as survivors."""

    def run(generations: int) -> mc.Run:
        return mc.simulate(
            mc.Discrete(), mc.categorical(LAW), observe="heterozygosity", size=12, generations=generations, chains=6
        )

    longer = run(11 + before).extend(9 - before)
    np.testing.assert_array_equal(longer["heterozygosity"], run(20)["heterozygosity"])
    assert longer.params.shape == (6, 5)


def test_surplus_chains_of_a_run_that_takes_its_time_are_few() -> None:
    process = prepare(mc.Discrete(), mc.categorical(LAW), mc.FreshReal(0.1), "heterozygosity", 100, 20_000)
    how = plan.How(None, False, None, 1)
    for chains in (17, 273, 1041):
        work = plan.planned(process, mc.sampling.key(0), (0, chains), (-1, 20_000), np.arange(20_001), how)
        places = -(-chains // work.batch) * work.batch
        assert (places - chains) * work.work / chains <= plan.IDLE + work.work * 16 / chains


def test_more_records_than_one_call_has_room_for() -> None:
    def run(**options: Any) -> mc.Run:
        return mc.simulate(
            mc.Gaussian(), mc.normal(), observe=["mean"], size=20, generations=200, chains=5, seed=1, **options
        )

    given: dict[str, Any] = {"observe": ["mean"], "size": 20, "generations": 200, "chains": 5, "seed": 1}
    whole, pure = run(), jax.jit(lambda: mc.trace(mc.Gaussian(), mc.normal(), **given))()
    assert whole.recorded.size > 3 * plan.RECORDS
    np.testing.assert_allclose(whole["mean"], pure["mean"], rtol=1e-12, atol=1e-12)
    np.testing.assert_array_equal(run(record=np.arange(100, 201))["mean"], whole["mean"][:, 100:])


@pytest.mark.parametrize("kind", ["normal", "discrete", "mixture"])
def test_both_kinds_of_programs_count_alike(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Counts bit for bit, floats within a few ulp: a run that is extended may change from one to the other."""
    family, source, regime, observe = {
        "normal": (mc.Gaussian(), NORMAL, mc.Replace(), ["mean", "log_variance"]),
        "discrete": (mc.Discrete(), mc.categorical(LAW), mc.FreshReal(0.2), ["probabilities"]),
        "mixture": (
            mc.GaussianMixture(2, reg_covar=0.1),
            mc.normal_mixture([0.5, 0.5], [-2.0, 2.0], [1.0, 1.0]),
            None,
            ["mean"],
        ),
    }[kind]

    def run() -> mc.Run:
        return mc.simulate(family, source, regime, observe, size=40, generations=8, chains=30)

    quick = run()
    monkeypatch.setattr(plan, "LONG", 0)
    better = run()
    for name in observe:
        if kind == "discrete":
            np.testing.assert_array_equal(quick[name], better[name])
        else:
            np.testing.assert_allclose(quick[name], better[name], rtol=1e-9, atol=1e-9)

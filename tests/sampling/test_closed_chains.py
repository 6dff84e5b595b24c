"""A chain that sees its own output alone is kept as items, then as survivors: the same law, and no seam in the numbers."""

from __future__ import annotations

import dataclasses
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from sampling_laws import ACCEPT, REJECT, chi_square_p
from scipy import stats

import modelcollapse as mc
from modelcollapse import sampling
from modelcollapse.data import Rows
from modelcollapse.engine import batch, plan, scan
from modelcollapse.engine import forms as _resampled
from modelcollapse.process import prepare

SIZE, STATES = 40, 100
LAW = np.r_[0.3, 0.2, np.full(STATES - 2, 0.5 / (STATES - 2))]
CHANGE = 3  # four fits of 40 items are more than a twelfth of the sample size in generations
OBSERVE = ["probabilities", "support_size", "heterozygosity", "absorption_time", "lost"]


def run(**options: Any) -> mc.Run:
    settings: dict[str, Any] = {"size": SIZE, "generations": 20, "chains": 24, "observe": OBSERVE, "seed": 3}
    return mc.simulate(mc.Discrete(), mc.categorical(LAW), **(settings | options))


def marginal(fits: int, size: int) -> np.ndarray:
    """Law of the count of state 0 after so many fits, from the transition matrix of one state against the rest."""
    count = np.arange(size + 1)
    law = stats.binom.pmf(count, size, LAW[0])
    for _ in range(fits - 1):
        law = law @ stats.binom.pmf(count[None], size, count[:, None] / size)
    return law


def forms(sizes: np.ndarray, states: int = STATES, family: Any = None) -> list[tuple[int, str]]:
    law = mc.categorical(LAW if states == STATES else np.ones(states) / states)
    prepared = prepare(family or mc.Discrete(), law, mc.Replace(), "entropy", sizes, len(sizes) - 1)
    return [(start, type(p.family).__name__) for start, p in _resampled.forms(prepared.process, np.asarray(sizes))]


def test_the_forms_of_this_run() -> None:
    assert forms(np.full(21, SIZE)) == [(0, "Items"), (CHANGE, "Survivors")]
    # few states are drawn as counts at first; many items per state always are
    assert forms(np.full(200, 50), states=3) == [(0, "Tallies"), (49, "Survivors")]
    assert forms(np.full(200, 10**7)) == [(0, "Tallies")]


@pytest.mark.parametrize(("states", "kind"), [(2**16 - 1, np.uint16), (2**16, np.int32)])
def test_items_take_as_little_room_as_their_states_allow(states: int, kind: type) -> None:
    family, points = _resampled.Items(states), jnp.array([0, states - 1, 5], jnp.int32)
    kept = family.fit(sampling.key(0), Rows(points, jnp.int32(3)), None)
    assert kept.points.dtype == kind
    np.testing.assert_array_equal(kept.points, points)
    assert family.valid(kept)
    # as a run was saved before states took two bytes
    wider = family.with_room(_resampled.Copied(points, jnp.int32(3), states=states), 4)
    assert wider.points.dtype == kind
    np.testing.assert_array_equal(wider.points, [*points, 0])
    failed = family.fit(sampling.key(0), Rows(points.at[1].set(-1), jnp.int32(3)), None)
    assert not family.valid(failed)


def test_every_item_is_as_likely_a_parent() -> None:
    family, size = _resampled.Items(STATES), 37
    items = _resampled.Copied(jnp.arange(48, dtype=jnp.int32), jnp.int32(size), states=STATES)
    keys = jax.random.split(sampling.key(0), 20_000)
    rows = jax.jit(jax.vmap(lambda key: family.draw(key, items, 29, 48)))(keys)
    assert (np.asarray(rows.count) == 29).all()
    parents = np.asarray(rows.points)[:, :29]
    counts = np.bincount(parents.ravel(), minlength=48)
    assert not counts[size:].any()
    assert stats.chisquare(counts[:size]).pvalue > ACCEPT
    assert stats.chisquare(counts[: size + 1]).pvalue < REJECT
    for parent in (0, size - 1):
        copies = (parents == parent).sum(1)
        assert chi_square_p(copies, lambda k: stats.binom.pmf(k, 29, 1 / size), np.arange(30)) > ACCEPT
    # first and second half come from different words
    assert stats.binomtest(int((parents[:, 0] == parents[:, 24]).sum()), len(parents), 1 / size).pvalue > ACCEPT


@pytest.mark.parametrize("fits", [2, 15, *(pytest.param(n, marks=pytest.mark.slow) for n in (1, 6))])
def test_law_of_one_state(fits: int) -> None:
    found = run(chains=40_000, generations=fits - 1, record=[fits - 1], observe="probabilities")
    counts = np.round(found["probabilities"][:, 0, 0] * SIZE).astype(int)
    law, support = marginal(fits, SIZE), np.arange(SIZE + 1)
    assert chi_square_p(counts, lambda k: law[k], support) > ACCEPT
    for wrong in (marginal(fits + 1, SIZE), stats.binom.pmf(support, SIZE, LAW[0] + 0.02)):
        assert chi_square_p(counts, lambda k, wrong=wrong: wrong[k], support) < REJECT


@pytest.mark.parametrize(("states", "size"), [(3, 30), pytest.param(40, 1000, marks=pytest.mark.slow)])
def test_law_where_few_states_are_counted(states: int, size: int) -> None:
    p = np.r_[0.4, np.full(states - 1, 0.6 / (states - 1))]
    found = mc.simulate(
        mc.Discrete(), mc.categorical(p), observe="probabilities", size=size, generations=2 * size,
        chains=3000, record=[1, 2 * size], seed=1,
    )["probabilities"]  # fmt: skip
    count = np.arange(size + 1)
    law = stats.binom.pmf(count, size, p[0])
    step = stats.binom.pmf(count[None], size, count[:, None] / size)
    early = law @ step
    late = law @ np.linalg.matrix_power(step, 2 * size)
    for column, exact in ((0, early), (1, late)):
        drawn = np.round(found[:, column, 0] * size).astype(int)
        assert chi_square_p(drawn, lambda k, exact=exact: exact[k], count) > ACCEPT
        assert chi_square_p(drawn, lambda k: law[k], count) < REJECT


def test_what_is_observed_does_not_depend_on_the_form() -> None:
    found = run()
    p = found["probabilities"]
    np.testing.assert_allclose(p.sum(-1), 1, rtol=1e-6)
    np.testing.assert_allclose(np.round(p * SIZE), p * SIZE, rtol=1e-12)
    np.testing.assert_array_equal(found["support_size"], (p > 0).sum(-1))
    np.testing.assert_allclose(found["heterozygosity"], 1 - (p**2).sum(-1), atol=1e-12)
    np.testing.assert_array_equal(found["lost"], p == 0)
    # what is lost stays lost
    assert (np.diff(found["lost"].astype(int), axis=1) >= 0).all()
    np.testing.assert_array_equal(found.params, p[:, -1])
    assert found["support_size"][:, -1].max() < STATES / 4


def assert_same(a: mc.Run, b: mc.Run) -> None:
    for name in OBSERVE:
        np.testing.assert_array_equal(a[name], b[name], err_msg=name)
    np.testing.assert_array_equal(a.params, b.params)
    np.testing.assert_array_equal(a.state.generation, b.state.generation)


@pytest.mark.parametrize(
    "pause", [CHANGE, *(pytest.param(n, marks=pytest.mark.slow) for n in (CHANGE - 1, CHANGE + 1, 13))]
)
def test_a_run_may_stop_anywhere(pause: int, tmp_path: Any) -> None:
    run(generations=pause).save(tmp_path / "run.npz")
    assert_same(run(), mc.Run.load(tmp_path / "run.npz").extend(20 - pause))


def test_batches_and_records_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = run()
    assert_same(whole, run(batch_size=7))
    sparse = run(record=[0, 4, 20])
    for name in OBSERVE:
        np.testing.assert_array_equal(sparse[name], whole[name][:, [0, 4, 20]])
    alone = run(chains=1)
    np.testing.assert_array_equal(alone["probabilities"], whole["probabilities"][:1])
    # batches of eight chains run alone while they are items, and are merged as survivors
    costs = plan.costs
    room = {True: 8, False: 1000}

    def costly(process: Any, *rest: Any) -> Any:
        """So many bytes that ``most`` finds the ``room``."""
        many = room[isinstance(process.family, _resampled.Items)]
        return dataclasses.replace(costs(process, *rest), working=plan.MEMORY // many, read=0)

    monkeypatch.setattr(plan, "costs", costly)
    monkeypatch.setattr(plan, "FEWEST", 1000)
    assert_same(whole, run())
    # in pairs, the last of which lacks its second: surplus chains run in its place
    room[False] = 16
    widths = []
    advance = scan.advance_chains
    monkeypatch.setattr(
        scan, "advance_chains", lambda words, *r, **how: widths.append(len(words)) or advance(words, *r, **how)
    )
    assert_same(whole, run())
    assert set(widths) == {8, 16}


def test_the_pure_trace_has_the_same_numbers() -> None:
    whole = run()
    pure = jax.jit(
        lambda: mc.trace(
            mc.Discrete(), mc.categorical(LAW), observe=OBSERVE, size=SIZE, generations=20, chains=24, seed=3
        )
    )()
    for name in OBSERVE:
        np.testing.assert_array_equal(whole[name], pure[name])


def test_chains_that_rest_step_aside_unseen(monkeypatch: pytest.MonkeyPatch) -> None:
    options: dict[str, Any] = {"generations": 800, "chains": 64, "record": [2, 60, 120, 800]}
    whole = run(**options)
    alive = (whole["support_size"] > 1).sum(0)
    assert alive[1] > alive[2] > alive[3] == 0
    monkeypatch.setattr(batch, "FEWER", 2)
    sizes = []
    advance = scan.advance_chains

    def counting(words: Any, *rest: Any, **how: Any) -> Any:
        sizes.append(len(words))
        return advance(words, *rest, **how)

    monkeypatch.setattr(scan, "advance_chains", counting)
    assert_same(whole, run(**options))
    assert sizes[-1] <= 4


def test_batches_that_have_emptied_go_on_as_one(monkeypatch: pytest.MonkeyPatch) -> None:
    options: dict[str, Any] = {"generations": 800, "chains": 64, "record": [2, 60, 120, 800]}
    whole = run(**options)
    alive = (whole["support_size"] > 1).sum(0)
    assert 64 > alive[1] > alive[2] > alive[3] == 0
    costs = plan.costs
    small = lambda *given: dataclasses.replace(costs(*given), working=plan.MEMORY // 16, read=0)  # noqa: E731
    monkeypatch.setattr(plan, "costs", small)
    monkeypatch.setattr(plan, "FEWEST", 1000)
    legs = []
    advance = batch.Batch.advance

    def counting(one: batch.Batch, *rest: Any) -> None:
        legs.append((one.generation, one.place.size))
        advance(one, *rest)

    monkeypatch.setattr(batch.Batch, "advance", counting)
    found = run(**options)
    # a sum over states may round otherwise in another width
    for name in {*OBSERVE} - {"heterozygosity"}:
        np.testing.assert_array_equal(found[name], whole[name], err_msg=name)
    np.testing.assert_allclose(found["heterozygosity"], whole["heterozygosity"], rtol=1e-13, atol=1e-15)
    np.testing.assert_array_equal(found.params, whole.params)
    assert {places for _, places in legs} == {16}
    # four batches at first, one at the end
    at = [generation for generation, _ in legs]
    assert [at.count(generation) for generation in (at[0], at[-1])] == [4, 1]


def test_saved_and_loaded(tmp_path: Any) -> None:
    """As survivors; as items in the test of a run that may stop anywhere, which saves what it goes on with."""
    whole = run(generations=CHANGE + 9)
    whole.save(tmp_path / "run.npz")
    loaded = mc.Run.load(tmp_path / "run.npz")
    assert_same(whole, loaded)
    assert_same(whole.extend(3), loaded.extend(3))


def test_sizes_may_vary() -> None:
    sizes = np.array([12, 30, 7, 12, 200, 5] + [40] * 15)
    found = run(size=sizes)
    for generation, size in enumerate(sizes):
        counts = found["probabilities"][:, generation] * size
        np.testing.assert_allclose(counts, np.round(counts), atol=1e-9)
    assert ((found["probabilities"] > 0).sum(-1) <= sizes).all()
    assert forms(sizes)[1][0] < 6


def test_a_damped_family_is_kept_as_it_is() -> None:
    family = mc.Damped(mc.Discrete(), 0.5)
    assert forms(np.full(4, 12), family=family) == [(0, "Damped")]
    found = mc.simulate(family, mc.categorical(LAW), observe="support_size", size=12, generations=3, chains=5)
    # half of the old law stays, so that no state of it is lost
    assert (found["support_size"][:, 1:] >= found["support_size"][:, :1]).all()


@pytest.mark.parametrize(
    ("states", "begun", "after"),
    [
        (10, [2] * 6, [2**20 + 5] * 2),
        pytest.param(100, [1000] * 3, [3000] * 2, marks=pytest.mark.slow),
        pytest.param(100, [1000] * 3, [5000] * 2, marks=pytest.mark.slow),
        pytest.param(100, [50], [9000], marks=pytest.mark.slow),
    ],
)
def test_a_run_goes_on_with_larger_data_sets(states: int, begun: list[int], after: list[int]) -> None:
    sizes = begun + after
    # what follows changes no form before it
    short, long = ([form for form in forms(np.array(s), states) if form[0] < len(begun) - 1] for s in (begun, sizes))
    assert short == long
    given = {"observe": "heterozygosity", "chains": 2000, "generations": len(begun) - 1, "seed": 3}
    run = mc.simulate(mc.Discrete(), mc.categorical(np.ones(states) / states), size=begun, **given)
    values = run.extend(len(after), size=sizes)["heterozygosity"][:, -1]
    exact = (1 - 1 / states) * np.prod(1 - 1 / np.array(sizes))
    error = values.std(ddof=1) / np.sqrt(values.size)
    # a normal mean; false alarm 1e-6 each
    assert abs(values.mean() - exact) < 4.9 * error
    assert abs(values.mean() - exact / (1 - 1 / sizes[0])) > 4.9 * error


@pytest.mark.parametrize("states", [3, pytest.param(100, marks=pytest.mark.slow)])
def test_weights_that_make_no_sense_fail_in_every_form(states: int) -> None:
    given: dict[str, Any] = {"observe": "heterozygosity", "size": 4, "generations": 8, "chains": 2}
    trace = jax.jit(lambda p: mc.trace(mc.Discrete(), mc.Law(mc.Discrete(), p), **given))
    for bad in (np.nan, -0.1):
        law = jnp.full(states, 1 / states).at[-1].set(bad)
        with pytest.raises(mc.ChainFailure) as raised:
            mc.simulate(mc.Discrete(), mc.Law(mc.Discrete(), law), **given)
        assert np.isnan(raised.value.run["heterozygosity"]).all()
        assert jnp.isnan(trace(law)["heterozygosity"]).all()


def test_the_final_state_may_be_written_to() -> None:
    for size in (None, 7):
        state = run(batch_size=size).state
        assert all(leaf.flags.writeable for leaf in jax.tree.leaves(state))


@pytest.mark.parametrize("states", [10, *(pytest.param(n, marks=pytest.mark.slow) for n in (3, 100))])
def test_a_sweep_in_single_precision(states: int) -> None:
    def swept(share: Any) -> jax.Array:
        source = mc.categorical(np.full(states, 1 / states))
        given: dict[str, Any] = {"observe": "heterozygosity", "size": 50, "generations": 3, "chains": 3}
        return mc.trace(mc.Discrete(), source, mc.FreshReal(share), **given)["heterozygosity"]

    with jax.enable_x64(False):
        shares_ = jnp.array([0.1, 0.3], jnp.float32)
        both = jax.vmap(swept)(shares_)
        for share, values in zip(shares_, both, strict=True):
            np.testing.assert_allclose(swept(share), values, rtol=1e-6)

"""The host's side: batches under a memory bound, progress, failures that name their chains, schedules."""

from typing import Any

import jax.numpy as jnp
import numpy as np
import pytest
from toys import Origins, Walk, origin, originals, place, seen

import modelcollapse as mc
from modelcollapse.engine import plan, scan
from modelcollapse.process import prepare


def walk(family: Any = Walk(), generations: int = 6, chains: int = 8, **options: Any) -> mc.Run:  # noqa: B008
    return mc.simulate(family, origin(), observe=place, size=3, generations=generations, chains=chains, **options)


def test_batches_follow_the_memory_bound_and_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = walk()
    taken = []
    start = scan.start_chains

    def counting(words: Any, *rest: Any, **how: Any) -> Any:
        taken.append(len(words))
        return start(words, *rest, **how)

    monkeypatch.setattr(scan, "start_chains", counting)
    monkeypatch.setattr(plan, "MEMORY", 4 * plan.TEMPORARY)
    parts = walk()
    assert len(taken) > 1
    assert sum(taken) >= 8
    assert max(taken) < 8
    np.testing.assert_array_equal(whole["place"], parts["place"])


def test_rows_of_a_table_take_room_where_counts_would_not() -> None:
    def most(source: Any) -> int:
        process = prepare(mc.Discrete(10), source, mc.FreshReal(0.5), "heterozygosity", 10**6, 2).process
        return plan.most(plan.costs(process, plan.first(process, mc.sampling.key(0))), 1)

    # a word, a row and a copy of it for each of a million draws
    assert most(mc.table(np.arange(10))) * 10**6 * 12 <= plan.MEMORY
    assert most(mc.categorical(np.ones(10) / 10)) > 20 * most(mc.table(np.arange(10)))


@pytest.mark.parametrize("record", [None, [2, 3, 6]])
def test_a_progress_bar_changes_no_number(record: Any, capsys: pytest.CaptureFixture) -> None:
    quiet = walk(record=record)
    assert capsys.readouterr().err == ""
    shown = walk(record=record, progress=True)
    assert "chain-gen" in capsys.readouterr().err
    np.testing.assert_array_equal(quiet["place"], shown["place"])
    np.testing.assert_array_equal(quiet.recorded, shown.recorded)


def test_a_failed_chain_is_named_and_the_others_go_on() -> None:
    sound, records = walk(), slice(None)
    # the fit of generation 3 is the fourth
    with pytest.raises(mc.ChainFailure) as caught:
        walk(Walk(3))
    run, failed = caught.value.run, caught.value.chains
    expected = [
        next((g for g in range(3, 7) if sound["place"][c, g - 1] < 0), None) for c in range(8)
    ]  # a step starts from the place before it  # fmt: skip
    np.testing.assert_array_equal(failed, [c for c in range(8) if expected[c] is not None])
    np.testing.assert_array_equal(caught.value.generations, [g for g in expected if g is not None])
    assert 0 < failed.size < 8
    assert f"chain {failed[0]} at generation {expected[failed[0]]}" in str(caught.value)
    for c in range(8):
        end = 7 if expected[c] is None else expected[c]
        np.testing.assert_array_equal(run["place"][c, :end], sound["place"][c, records][:end])
        assert np.isnan(run["place"][c, end:]).all()
        # what is left of a failed chain is its last good fit
        assert run.params[c, 0] == sound["place"][c, end - 1]


def test_a_failure_at_generation_0() -> None:
    nowhere = mc.Law(Walk(), jnp.array([np.nan, 0.0]))
    with pytest.raises(mc.ChainFailure, match="chain 0 at generation 0") as caught:
        mc.simulate(Walk(), nowhere, observe=place, size=3, generations=6, chains=8)
    assert np.isnan(caught.value.run["place"]).all()


def test_real_rows_without_spread_fail_with_their_generation() -> None:
    with pytest.raises(mc.ChainFailure, match="chain 0 at generation 0"):
        mc.simulate(mc.Gaussian(), mc.sampler(lambda key, n: jnp.ones((n, 1))), observe="mean", size=4, generations=0)


def test_only_generation_0() -> None:
    run = walk(generations=0)
    np.testing.assert_array_equal(run["place"], walk()["place"][:, :1])


def test_a_run_without_its_first_generations_keeps_only_what_was_asked() -> None:
    run = walk(record=[6])
    assert run["place"].shape == (8, 1)
    np.testing.assert_array_equal(run["place"][:, 0], walk()["place"][:, 6])


def test_extending_a_run_with_schedules_equals_having_run_longer() -> None:
    sizes, shares = np.array([10, 12, 14, 9, 8, 10, 11]), np.linspace(0, 0.9, 7)

    def run(last: int) -> mc.Run:
        regime, size = mc.FreshReal(shares[: last + 1]), sizes[: last + 1]
        return mc.simulate(Origins(), originals(), regime, seen, size=size, generations=last, chains=3)

    longer = run(3).extend(3, size=sizes, regime=mc.FreshReal(shares))
    np.testing.assert_array_equal(longer["seen"], run(6)["seen"])
    np.testing.assert_array_equal(longer.size, sizes)
    np.testing.assert_array_equal(longer.recorded, np.arange(7))
    with pytest.raises(ValueError, match="size must begin with the sample sizes that were run"):
        run(3).extend(3, size=sizes + 1, regime=mc.FreshReal(shares))
    with pytest.raises(ValueError, match="one entry for each generation 0 to 6"):
        run(3).extend(3, size=sizes)


def test_extending_makes_room_for_a_longer_pool_of_rows() -> None:
    long, short = (
        mc.simulate(Walk(), origin(), mc.Accumulate(), place, size=3, generations=n, chains=8) for n in (4, 2)
    )
    longer = short.extend(2)
    np.testing.assert_array_equal(longer["place"], long["place"])
    np.testing.assert_array_equal(longer.state.memory.points, long.state.memory.points)


def test_an_extension_records_what_it_is_told() -> None:
    run = walk(generations=3).extend(3, record=[5])
    np.testing.assert_array_equal(run.recorded, [0, 1, 2, 3, 5])
    np.testing.assert_array_equal(run["place"], walk()["place"][:, [0, 1, 2, 3, 5]])
    assert run.generations == 6
    np.testing.assert_array_equal(run.params, walk().params)


def test_a_run_goes_to_its_end_whatever_is_recorded() -> None:
    run = walk(record=[0, 2])
    np.testing.assert_array_equal(run["place"], walk()["place"][:, [0, 2]])
    assert run.generations == 6
    np.testing.assert_array_equal(run.params, walk().params)


def test_a_failed_run_can_go_on_with_the_chains_that_are_left() -> None:
    with pytest.raises(mc.ChainFailure) as caught:
        walk(Walk(3), generations=3)
    first = caught.value
    with pytest.raises(mc.ChainFailure) as caught:
        first.run.extend(3)
    with pytest.raises(mc.ChainFailure) as whole:
        walk(Walk(3))
    np.testing.assert_array_equal(caught.value.run["place"], whole.value.run["place"])
    np.testing.assert_array_equal(caught.value.generations, whole.value.generations)

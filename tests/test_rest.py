"""Chains at rest are not simulated any further, and no number shows it."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import modelcollapse as mc
from modelcollapse import sampling
from modelcollapse.addresses import chain_keys
from modelcollapse.engine import scan
from modelcollapse.process import prepare
from modelcollapse.pytree import part

OBSERVE = ["probabilities", "absorption_time", "heterozygosity"]


@part
class Busy:
    """Counts generations: an observable that goes on when nothing else does."""

    def start(self, truth: Any, first: Any) -> Any:
        return jnp.int32(0)

    def update(self, carry: Any, state: Any, truth: Any) -> Any:
        return carry + 1

    def read(self, carry: Any, state: Any, truth: Any) -> Any:
        return carry


def run(**options: Any) -> mc.Run:
    return mc.simulate(
        mc.Discrete(), mc.categorical([0.5, 0.3, 0.2]), observe=options.pop("observe", OBSERVE),
        size=5, generations=200, **options,
    )  # fmt: skip


@pytest.mark.parametrize("record", [[3, 20, 200], pytest.param(None, marks=pytest.mark.slow)], ids=["sparse", "dense"])
def test_no_number_changes(record: list[int] | None, monkeypatch: pytest.MonkeyPatch) -> None:
    rested = run(chains=6, record=record)
    # all chains are at rest long before the end, so that there is something to compare
    assert rested["absorption_time"][:, -1].max() < 100
    monkeypatch.setattr(scan, "settles", lambda process: False)
    # another number of chains, so that nothing compiled is used again
    plain = run(chains=7, record=record)
    for observable in OBSERVE:
        np.testing.assert_array_equal(rested[observable], plain[observable][:6])
    np.testing.assert_array_equal(rested.state.generation, plain.state.generation[:6])


def test_only_what_can_rest_does() -> None:
    def settles(regime: Any, observe: Any, family: Any = None, source: Any = None) -> bool:
        source = mc.categorical([0.5, 0.5]) if source is None else source
        return scan.settles(prepare(family or mc.Discrete(), source, regime, observe, 10, 5).process)

    assert settles(mc.Replace(), OBSERVE)
    assert settles(mc.Replace(), [mc.first_below("entropy", 0.1), mc.tail_mass([1])])
    assert settles(mc.Replace(), OBSERVE, mc.Damped(mc.Discrete(), 0.5))
    assert not settles(mc.Replace(), {"busy": Busy()})
    assert not settles(mc.Replace(), {"late": mc.first_below(Busy(), 7)})
    for regime in (mc.FreshReal(0.1), mc.Mixture(1.0), mc.Accumulate(), mc.Retain(0.5)):
        assert not settles(regime, OBSERVE)
    assert not settles(mc.Replace(), "mean", mc.Gaussian(), mc.normal())


def test_a_long_rest_costs_nothing() -> None:
    """Two billion generations would take a day."""
    process = prepare(mc.Discrete(), mc.categorical([0.5, 0.5]), mc.Replace(), ["absorption_time"], 4, 10).process
    keys = chain_keys(sampling.key(0), np.arange(3, dtype=np.uint32))
    states, _ = scan.start_within(keys, process)
    states, out, rest = jax.jit(scan.advance)(keys, states, process, np.array([2**31 - 2, 0], np.int32), np.int32(1))
    np.testing.assert_array_equal(states.generation, 2**31 - 2)
    assert rest.all()
    assert (out["absorption_time"] < 200).all()


@pytest.mark.parametrize("chains", [64, pytest.param(4096, marks=pytest.mark.slow)])
def test_a_run_whose_chains_all_rest_ends_at_its_last_generation(chains: int):
    run = mc.simulate(
        mc.Discrete(), mc.categorical([0.5, 0.5]), observe="support_size", size=4, generations=200, chains=chains,
        record=[100, 200], batch_size=chains,
    )  # fmt: skip
    assert run.generations == 200
    assert run.extend(2).recorded.tolist() == [100, 200, 201, 202]

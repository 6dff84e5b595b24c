"""No key serves two draws of a regime within a generation."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import numpy as np
import pytest

import modelcollapse as mc
from modelcollapse import data, families, laws, loop
from modelcollapse.process import prepare
from modelcollapse.regimes import Detected, Exchange, Rewrite, passing
from modelcollapse.sampling import key
from tests import toys

LAW = mc.categorical([0.4, 0.3, 0.2, 0.1])
DRAWS: list[tuple[Any, str]] = [
    (laws.Stream, "draw"), (laws.Stream, "draw_rows"), (laws.Stream, "split"), (data.Rows, "take"), (data.Counts, "take"),
    (data.Counts, "thinned"), (data.Rows, "thinned"), (data.Rows, "rewritten"), (passing, "binomial"), (passing, "hypergeometric"),
]  # fmt: skip
"""What consumes a key; of nested ones, the outermost."""
OF_STATES = {
    "replace": mc.Replace(), "fresh": mc.FreshReal(0.5), "fixed": mc.FixedReal(0.5), "retain": mc.Retain(0.5, 0.25), "mixture": mc.Mixture(0.5, 0.25, 0.25),
    "accumulate": mc.Accumulate(), "subsample": mc.AccumulateSubsample(), "weighted": mc.Weighted(0.5),
    "removed": Detected(mc.FreshReal(0.5), 0.5, 0.25, refill=False), "refilled": Detected(mc.FreshReal(0.5), 0.5, 0.25),
    "weighing less": Detected(mc.FreshReal(0.5), 0.5, 0.25, weight=0.5), "removed, mixed": Detected(mc.Mixture(0.5, 0.0, 0.5), 0.5, 0.25, refill=False),
    "weighing less, mixed": Detected(mc.Mixture(0.5, 0.0, 0.5), 0.5, 0.25, weight=0.5), "by state": Detected(mc.FreshReal(0.5), [0.5] * 4, 0.25),
}  # fmt: skip
BLOCKS = np.arange(40).reshape(8, 5) % 5
OF_ROWS = {
    "mixture": mc.Mixture(0.5, 0.25, 0.25), "removed, mixed": Detected(mc.Mixture(0.5, 0.0, 0.5), 0.5, 0.25, refill=False),
    **{
        f"scored, {name}, {'refilled' if refill else 'removed'}": Detected(inner, score=lambda x: x[:, 0], threshold=0.5, refill=refill)
        for name, inner in (("mixed", mc.Mixture(0.5, 0.0, 0.5)), ("counted", mc.FreshReal(0.5)))
        for refill in (True, False)
    },
}  # fmt: skip
MODELS = {
    "exchange": Exchange([[0.5, 0.25], [0.25, 0.5]], 0.25), "counted": Exchange([[0.5, 0.25], [0.25, 0.5]], 0.25, fixed=True),
    "in common": Exchange(np.full((2, 2), 0.375), 0.25, shared=4), "apart": mc.FreshReal(0.5),
}  # fmt: skip
CASES: dict[str, tuple[Any, Any, Any]] = {
    **{f"states, {name}": (mc.Discrete(), LAW, regime) for name, regime in OF_STATES.items()},
    **{f"rows, {name}": (mc.Gaussian(), mc.normal(), regime) for name, regime in OF_ROWS.items()},
    **{f"models of states, {name}": (families.Population(mc.Discrete(), 2), LAW, regime) for name, regime in MODELS.items()},
    **{f"models of rows, {name}": (families.Population(mc.Gaussian(), 2), mc.normal(), regime) for name, regime in MODELS.items()},
    "next tokens, mixed": (families.NGram(prompts="random", form="counts"), mc.table(BLOCKS), mc.Mixture(0.5, 0.25, 0.25)),
    "next tokens, rewritten": (families.NGram(prompts="random", form="tokens"), mc.table(BLOCKS), Rewrite(0.5)),
    "blocks, rewritten": (toys.Bigram(), mc.table(BLOCKS), Rewrite(0.5)),
}  # fmt: skip


class Addresses:
    """Every key that is derived while a function is traced, by its way from the key of the chain; none is computed."""

    def __init__(self) -> None:
        self.ways: dict[int, tuple[Any, ...]] = {}
        self.held: list[Any] = []  # so that no identity is used again
        self.used: list[tuple[tuple[Any, ...], str]] = []
        self.depth = 0

    def way(self, key: Any) -> tuple[Any, ...]:
        self.held.append(key)
        return self.ways.get(id(key), (id(key),))

    def derived(self, fold_in: Callable[..., Any]) -> Callable[..., Any]:
        def watch(key: Any, role: Any) -> Any:
            out = fold_in(key, role)
            self.held += [out, role]
            self.ways[id(out)] = (*self.way(key), id(role) if isinstance(role, jax.core.Tracer) else int(role))
            return out

        return watch

    def consumed(self, name: str, call: Callable[..., Any]) -> Callable[..., Any]:
        def watch(*args: Any, **options: Any) -> Any:
            keys = [a for a in args if isinstance(a, jax.Array) and jax.dtypes.issubdtype(a.dtype, jax.dtypes.prng_key)]
            if self.depth == 0:  # of nested draws the outermost
                self.used.append((self.way(keys[0]), name))
            self.depth += 1
            try:
                return call(*args, **options)
            finally:
                self.depth -= 1

        return watch


@pytest.mark.parametrize("case", CASES)
def test_no_key_serves_two_draws(case: str, monkeypatch: pytest.MonkeyPatch) -> None:
    family, source, regime = CASES[case]
    process = prepare(
        family, source, regime, mc.observables.blocks(1) if isinstance(family, toys.Bigram) else None, 8, 3
    ).process
    keys = key(7) if process.models is None else jax.random.split(key(7), process.models)
    state = jax.eval_shape(loop.begin, keys, process)
    found = Addresses()
    with monkeypatch.context() as patched:
        patched.setattr(jax.random, "fold_in", found.derived(jax.random.fold_in))
        for owner, name in DRAWS:
            patched.setattr(owner, name, found.consumed(name, getattr(owner, name)))
        jax.eval_shape(loop.step, keys, state, process)
    assert found.used
    ways = [way for way, _ in found.used]
    twice = [one for one in found.used if ways.count(one[0]) > 1]
    assert not twice

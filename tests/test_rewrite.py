"""Rewritten blocks stand in the places of those that they continue, and kept ones are the real ones, bit for bit."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from toys import STEP, Continuing, Points

import modelcollapse as mc
from modelcollapse import protocols
from modelcollapse.data import MeasuredRows, Rows, measured

N, LENGTH = 10, 3
BLOCKS = np.arange(N * LENGTH).reshape(N, LENGTH)[::-1] % 97


def blocks(share: Any = 0.0, size: int = N, generations: int = 3, source: Any = None, **options: Any) -> np.ndarray:
    source = mc.table(BLOCKS, replace=False) if source is None else source
    regime = mc.regimes.Rewrite(share)
    options = {"chains": 4} | options
    run = mc.simulate(Continuing(), source, regime, {"data": Points()}, size=size, generations=generations, **options)
    return run["data"]


@pytest.mark.parametrize("replace", [True, False])
def test_the_prompts_are_the_whole_table_in_its_order(replace: bool) -> None:
    seen = blocks(0.0, source=mc.table(BLOCKS, replace=replace))
    assert seen.dtype == np.int32
    for generation in range(4):
        # by the newest model, and always of the real block itself
        np.testing.assert_array_equal(seen[:, generation], np.broadcast_to(BLOCKS + STEP * generation, (4, N, LENGTH)))


@pytest.mark.parametrize(("share", "kept"), [(0.3, 3), (0.25, 3), (1.0, 10), ([1.0, 0.0, 0.5, 0.1], [None, 0, 5, 1])])
def test_exactly_the_share_is_kept_in_place_and_chosen_anew(share: Any, kept: Any) -> None:
    seen = blocks(share)
    np.testing.assert_array_equal(seen[:, 0], np.broadcast_to(BLOCKS, (4, N, LENGTH)))
    patterns = set()
    for generation in (1, 2, 3):
        real = (seen[:, generation] == BLOCKS).all(2)
        expected = kept if np.ndim(kept) == 0 else kept[generation]
        np.testing.assert_array_equal(real.sum(1), expected)
        rewritten = (seen[:, generation] == BLOCKS + STEP * generation).all(2)
        np.testing.assert_array_equal(real, ~rewritten)
        patterns |= {tuple(row) for row in real.tolist()}
    assert share == 1.0 or len(patterns) > 3


def test_every_place_is_kept_equally_often() -> None:
    rows = Rows(jnp.asarray(BLOCKS, jnp.int32), jnp.int32(N))
    gone = lambda n, given: Rows(jnp.full_like(given.points, -1), n)  # noqa: E731
    one = lambda key: rows.rewritten(key, 3, gone).points[:, 0] >= 0  # noqa: E731
    kept = jax.jit(lambda key: jax.vmap(one)(jax.random.split(key, 4000)).sum(0))(jax.random.key(0))
    # binomial with 4000 trials: a deviation of 29, beyond 6 of them once in 10^9
    assert abs(np.asarray(kept) - 1200).max() < 175


def test_rows_beyond_those_there_are_neither_kept_nor_continued() -> None:
    @jax.jit
    def written(key: Any, rows: Rows) -> Any:
        asked = []

        def draw(n: Any, given: Rows) -> Rows:
            asked.append(Rows(given.points, n))
            return Rows(given.points + 100, n)

        return rows.rewritten(key, 2, draw), asked, measured(rows).rewritten(key, 2, draw)

    eight = np.arange(8, dtype=np.float64)[:, None]
    out, (given, _), same = written(jax.random.key(1), Rows(eight, np.int32(5)))
    assert given.count == 3
    # in their order
    assert (np.diff(given.points[:3, 0]) > 0).all()
    assert (np.asarray(given.points[:3]) < 5).all()
    points = np.asarray(out.points[:, 0])
    assert (points[:5] >= 100).sum() == 3
    np.testing.assert_array_equal(points[:5] % 100, np.arange(5))
    np.testing.assert_array_equal(points[5:], [5, 6, 7])
    assert out.count == 5
    assert isinstance(same, MeasuredRows)
    np.testing.assert_allclose(same.mean, [points[:5].mean()], rtol=1e-12)


def test_a_continuation_must_be_like_the_block() -> None:
    def written(wrong: Any) -> Any:
        rows = Rows(jnp.zeros((4, 3), jnp.int32), jnp.int32(4))
        return rows.rewritten(jax.random.key(0), 1, lambda n, given: Rows(wrong, n))

    for shape, dtype in (((4, 2), jnp.int32), ((4, 3), jnp.float32), ((3, 3), jnp.int32)):
        with pytest.raises(TypeError, match="must be like them, int32 of shape"):
            jax.eval_shape(written, jax.ShapeDtypeStruct(shape, dtype))


def test_other_sources_give_draws_that_stay_the_prompts() -> None:
    part_of = blocks(0.0, size=4, source=mc.table(BLOCKS, replace=False))
    for generation in (1, 2, 3):
        np.testing.assert_array_equal(part_of[:, generation], part_of[:, 0] + STEP * generation)
    known = {tuple(block) for block in BLOCKS.tolist()}
    assert all(tuple(block) in known for block in part_of[:, 0].reshape(-1, LENGTH).tolist())
    assert len({tuple(block) for block in part_of[0, 0].tolist()}) == 4
    again = blocks(0.0, size=2 * N, source=mc.table(BLOCKS))
    assert all(tuple(block) in known for block in again[:, 0].reshape(-1, LENGTH).tolist())


def test_chains_and_batches_and_later_generations_change_nothing() -> None:
    whole = blocks(0.3)
    np.testing.assert_array_equal(blocks(0.3, generations=2, chains=2), whole[:2, :3])
    np.testing.assert_array_equal(blocks(0.3, batch_size=1), whole)
    assert (blocks(0.3, seed=1) != whole).any()
    source, regime = mc.table(BLOCKS, replace=False), mc.regimes.Rewrite(0.3)
    short = mc.simulate(Continuing(), source, regime, {"data": Points()}, size=N, generations=1, chains=4)
    np.testing.assert_array_equal(short.extend(2)["data"], whole)


def test_a_sweep_over_shares_is_one_trace() -> None:
    def one(share: Any) -> jax.Array:
        regime = mc.regimes.Rewrite(share)
        return mc.trace(Continuing(), mc.table(BLOCKS), regime, {"data": Points()}, size=N, generations=3, chains=4)[
            "data"
        ]

    swept = jax.vmap(one)(jnp.array([0.0, 0.3, 0.25, 1.0]))
    np.testing.assert_array_equal(swept[1], blocks(0.3))
    real = (np.asarray(swept)[:, :, 1:] == BLOCKS).all(-1).sum(-1)
    np.testing.assert_array_equal(real, np.broadcast_to(np.array([0, 3, 3, 10])[:, None, None], (4, 4, 3)))


def test_a_change_of_regime_and_several_models() -> None:
    regime = mc.Switch(mc.regimes.Rewrite(0.0), mc.regimes.Rewrite(1.0), 2)
    assert isinstance(regime, protocols.InPlace)
    assert regime.in_place
    # a whole new data set needs no place
    assert mc.Switch(mc.regimes.Rewrite(0.0), mc.Replace(), 2).in_place
    for other in (mc.Switch(mc.Replace(), mc.Replace(), 2), mc.Switch(mc.regimes.Rewrite(0.0), mc.FreshReal(0.5), 2)):
        assert not other.in_place
    source = mc.table(BLOCKS, replace=False)
    options = {"size": N, "generations": 3, "chains": 4}
    run = mc.simulate(Continuing(), source, regime, {"data": Points()}, **options)
    for generation, added in enumerate((0, STEP, 0, 0)):
        np.testing.assert_array_equal(run["data"][:, generation], np.broadcast_to(BLOCKS + added, (4, N, LENGTH)))
    # a whole table is remembered by nobody
    assert not jax.tree.leaves(run.state.memory)
    pair = mc.families.Population(Continuing(), models=2)
    models = mc.simulate(pair, source, mc.regimes.Rewrite(0.3), {"data": Points()}, **(options | {"chains": 2}))
    np.testing.assert_array_equal(models["data"][:, :, 0], blocks(0.3)[::2])
    np.testing.assert_array_equal(models["data"][:, :, 1], blocks(0.3)[1::2])


def test_an_n_gram_model_redraws_places_of_the_text() -> None:
    text = np.random.default_rng(0).integers(0, 5, (1, 41))
    family = mc.families.NGram(2)

    def seen(regime: Any) -> np.ndarray:
        options = {"size": 40, "generations": 3, "chains": 3}
        source = mc.text.tokens(text, replace=False)
        return mc.simulate(family, source, regime, "heterozygosity", **options)["heterozygosity"]

    none, all_of_it = seen(mc.regimes.Rewrite(0.0)), seen(mc.regimes.Rewrite(1.0))
    # nothing kept: what `Replace` does where prompts are fixed, in the same numbers
    np.testing.assert_array_equal(none, seen(mc.Replace()))
    np.testing.assert_array_equal(all_of_it, np.broadcast_to(all_of_it[:1, :1], (3, 4)))
    assert (none[:, 1:] < none[:, :1]).all()


def test_what_is_refused() -> None:
    def run(family: Any = None, size: Any = N, share: Any = 0.1, source: Any = None) -> None:
        family, source = family or Continuing(), source or mc.table(BLOCKS)
        mc.simulate(family, source, mc.regimes.Rewrite(share), {"data": Points()}, size=size, generations=2)

    with pytest.raises(ValueError, match=r"size must be one number for Rewrite, .* got 10 and 9"):
        run(size=[10, 10, 9])
    with pytest.raises(
        TypeError, match=r"Rewrite needs a family that continues what is real, .* and Gaussian draws from"
    ):
        run(mc.Gaussian(), source=mc.normal())
    with pytest.raises(ValueError, match=r"share must lie in \[0, 1\], got 1.5"):
        run(share=1.5)
    with pytest.raises(ValueError, match=r"Rewrite\.share needs one entry for each generation"):
        run(share=[0.1, 0.1])


def test_rows_are_a_data_set_with_places() -> None:
    assert issubclass(Rows, protocols.Rewritable)
    assert not issubclass(mc.Gaussian().data, protocols.Rewritable)

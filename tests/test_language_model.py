"""A language model in the loop: what each generation starts from, sees and gives out, and what it refuses."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import modelcollapse as mc
from modelcollapse import observables, protocols
from modelcollapse.data import Rows
from modelcollapse.families import Beam, LanguageModel, Sampled, Transformer, Watermarked
from modelcollapse.observables import own_perplexity, perplexity
from modelcollapse.regimes import Rewrite

V, LENGTH, N = 7, 6, 20
NETWORK = Transformer(V, width=8, layers=2, heads=2, length=2 * LENGTH)
BASE = jax.tree.map(np.asarray, jax.jit(NETWORK.init)(jax.random.key(9)))
BLOCKS = np.random.default_rng(1).integers(0, 3, (N, LENGTH)).astype(np.int32)
OTHERS = np.random.default_rng(2).integers(0, V, (5, LENGTH)).astype(np.int32)
KEY = jax.random.key(3)


def model(**options: Any) -> Any:
    return LanguageModel(
        **({"network": NETWORK, "base": BASE, "epochs": 3, "batch": 8, "rate": 0.01, "at_once": 8} | options)
    )


def same(first: Any, second: Any) -> bool:
    return all(map(np.array_equal, jax.tree.leaves(first), jax.tree.leaves(second)))


@jax.jit
def fitted(family: Any, blocks: Any, count: Any, previous: Any = None) -> Any:
    return family.fit(KEY, Rows(blocks, count), previous)


@jax.jit
def written(family: Any, params: Any, n: Any, given: Any) -> Any:
    return family.draw(KEY, params, n, N, None if given is None else Rows(given, n))


@jax.jit
def losses(family: Any, params: Any, blocks: Any) -> Any:
    return -family.log_probabilities(params, blocks)


@functools.cache
def first() -> Any:
    return fitted(model(), BLOCKS, np.int32(N))


def test_a_fit_learns_and_leaves_the_base_alone() -> None:
    family = model()
    params = fitted(family, BLOCKS, np.int32(N))
    assert same(family.base, BASE)
    assert not same(params.weights, BASE)
    assert float(params.loss) < np.log(V) - 0.1
    # it starts from the base, whatever came before
    assert same(fitted(family, BLOCKS, np.int32(N), params), params)
    assert losses(family, params, BLOCKS).mean() < params.loss


def test_what_is_not_there_is_not_learned_from() -> None:
    params = fitted(model(), BLOCKS, np.int32(13))
    filled = np.where(np.arange(N)[:, None] < 13, BLOCKS, -1).astype(np.int32)
    assert same(fitted(model(), filled, np.int32(13)), params)
    assert not same(params, first())


def test_warm_goes_on_from_the_parent_and_fresh_from_nothing() -> None:
    """At a rate of 1e-30 weights stay where they start."""
    parent = jax.tree.map(lambda leaf: np.asarray(leaf) * 2, first())
    still = {"rate": 1e-30, "decay": 0.0}
    warm, fresh = (fitted(model(start=start, **still), BLOCKS, np.int32(N), parent) for start in ("warm", "fresh"))
    assert same(warm.weights, parent.weights)
    assert not same(fresh.weights, BASE)
    assert not same(fresh.weights, parent.weights)


def test_the_epoch_with_the_least_loss_on_validation_blocks_is_kept() -> None:
    """Real blocks use three tokens and validation blocks all seven, so that training soon makes them worse."""
    family = model(validation=OTHERS, epochs=4, rate=0.05)
    params = fitted(family, BLOCKS, np.int32(N))
    assert params.validation.shape == (4,)
    np.testing.assert_allclose(np.mean(losses(family, params, OTHERS)), np.min(params.validation), rtol=1e-6)
    assert np.argmin(params.validation) < 3


def test_probabilities_are_those_of_the_whole_block() -> None:
    found = losses(model(at_once=3), first(), OTHERS)
    logits = np.asarray(jax.jit(NETWORK)(first().weights, OTHERS), float)
    logp = logits - np.log(np.exp(logits).sum(-1, keepdims=True))
    right = np.take_along_axis(logp[:, :-1], OTHERS[:, 1:, None], -1)[..., 0]
    np.testing.assert_allclose(found, -right, atol=1e-5)


def test_draws_continue_what_is_given_whatever_else_is_drawn() -> None:
    family = model(decoding=Sampled())
    rows = written(family, first(), np.int32(N), BLOCKS)
    assert rows.points.dtype == jnp.int32
    assert rows.points.shape == (N, LENGTH)
    assert not np.array_equal(rows.points, BLOCKS)
    # fewer, with other prompts behind them, and in other portions
    fewer = written(family, first(), np.int32(11), np.where(np.arange(N)[:, None] < 11, BLOCKS, 6).astype(np.int32))
    np.testing.assert_array_equal(fewer.points[:11], rows.points[:11])
    portions = written(model(decoding=Sampled(), at_once=5), first(), np.int32(N), BLOCKS)
    np.testing.assert_array_equal(portions.points, rows.points)


def test_prompts_of_its_own_serve_regimes_that_give_none() -> None:
    family = model(decoding=Sampled(0.0), prompts=OTHERS)
    drawn = np.asarray(written(family, first(), np.int32(N), None).points)
    right = np.asarray(written(model(decoding=Sampled(0.0)), first(), np.int32(5), np.tile(OTHERS, (4, 1))).points)
    assert {tuple(one) for one in drawn.tolist()} <= {tuple(one) for one in right.tolist()}
    with pytest.raises(TypeError, match=r"Replace|use Rewrite\(share\), or LanguageModel\(prompts=blocks\)"):
        mc.simulate(model(), mc.sources.tokens(BLOCKS), mc.Replace(), size=N, generations=1)


# --- runs ---

OBSERVE = {
    "real": perplexity(OTHERS),
    "own": own_perplexity(),
    "blocks": observables.blocks(N),
    "loss": "training_loss",
}


def run(generations: int = 2, **options: Any) -> mc.Run:
    options = {"decoding": Beam(2), "validation": OTHERS} | options
    return mc.simulate(
        model(**options), mc.sources.tokens(BLOCKS, V), Rewrite(0.25), OBSERVE, size=N, generations=generations,
        chains=2, batch_size=1, seed=5,
    )  # fmt: skip


@functools.cache
def two() -> mc.Run:
    return run()


def test_a_run_keeps_a_share_in_place_and_goes_on_as_if_it_had_not_stopped(tmp_path: Path) -> None:
    blocks, real = np.asarray(two()["blocks"]), np.asarray(two()["real"])
    assert np.issubdtype(blocks.dtype, np.integer)
    np.testing.assert_array_equal(blocks[:, 0], np.broadcast_to(BLOCKS, (2, N, LENGTH)))
    stayed = (blocks[:, 1:] == BLOCKS).all(-1)
    assert (stayed.sum(-1) >= 5).all()
    assert (stayed.sum(-1) < N).all()
    assert (real[0] != real[1]).all()
    assert (blocks[0, 1] != blocks[1, 1]).any()
    shorter = run(1)
    shorter.save(tmp_path / "run.npz")
    longer = mc.Run.load(tmp_path / "run.npz").extend(1)
    for name in OBSERVE:
        np.testing.assert_array_equal(shorter[name], two()[name][:, :2])
        np.testing.assert_allclose(longer[name], two()[name], rtol=1e-6)
    np.testing.assert_array_equal(longer["blocks"], blocks)


def test_a_training_that_diverges_is_named() -> None:
    with pytest.raises(mc.ChainFailure, match=r"(?s)generation 0.*lower `rate`"):
        run(rate=1e30)


def test_tokens_outside_the_vocabulary_fail_by_name() -> None:
    params = fitted(model(), np.where(BLOCKS == 2, V, BLOCKS).astype(np.int32), np.int32(N))
    assert np.isnan(params.loss)


def tokens(blocks: Any) -> Any:
    return mc.sources.tokens(np.asarray(blocks, np.int32))


@functools.cache
def wrong() -> dict[str, tuple[Callable[[], Any], type, tuple[str, ...]]]:
    short = BASE | {"place": BASE["place"][:5]}
    missing = {name: BASE[name] for name in ("embed", "place", "gain")}
    start = lambda family, source: mc.simulate(family, source, Rewrite(0.0), size=4, generations=1)  # noqa: E731
    return {
        "a base of other shape": (lambda: model(base=short), ValueError, ("base", "(5, 8)", "(12, 8)")),
        "a base that lacks blocks": (lambda: model(base=missing), ValueError, ("base", "blocks")),
        "no base": (lambda: model(base=None), ValueError, ("base", "start='base'", "None")),
        "validation outside": (lambda: model(validation=[[0, 7]]), ValueError, ("validation", "from 0 to 6", "7")),
        "prompts of floats": (lambda: model(prompts=[[0.5, 1.0]]), TypeError, ("prompts", "whole")),
        "no decoding": (lambda: model(decoding="greedy"), TypeError, ("decoding", "'greedy'")),
        "a network of another kind": (
            lambda: model(network=mc.families.MLP()),
            TypeError,
            ("network", "MLP"),
        ),
        "tokens outside": (lambda: start(model(), tokens([[0, 9]] * 4)), ValueError, ("source", "from 0 to 6", "9")),
        "long blocks": (lambda: start(model(), tokens(np.eye(4, 7))), ValueError, ("2 to 6", "12", "blocks of 7")),
        "short prompts": (
            lambda: start(model(prompts=[[0, 1]]), tokens([[0, 1, 2]] * 4)),
            ValueError,
            ("prompts", "3 tokens", "got 2"),
        ),
        "no tokens": (lambda: start(model(), mc.normal()), TypeError, ("source", "float", "sources.tokens")),
    }


@pytest.mark.parametrize("name", [
    "a base of other shape", "a base that lacks blocks", "no base", "validation outside", "prompts of floats",
    "no decoding", "a network of another kind", "tokens outside", "long blocks", "short prompts", "no tokens",
])  # fmt: skip
def test_bad_input_is_refused_by_name(name: str) -> None:
    make, kind, said = wrong()[name]
    with pytest.raises(kind) as caught:
        make()
    for words in said:
        assert words in str(caught.value)


def test_a_base_of_half_precision_is_trained_in_float32() -> None:
    kinds = jax.eval_shape(lambda: model(base=jax.tree.map(lambda leaf: leaf.astype(np.float16), BASE)).base)
    assert {leaf.dtype for leaf in jax.tree.leaves(kinds)} == {np.dtype("float32")}


def test_it_has_the_abilities_that_a_loop_of_text_needs() -> None:
    for ability in (protocols.Continues, protocols.PredictsTokens, protocols.ReadsTokens, protocols.Labours):
        assert isinstance(model(), ability)
    assert {field.name for field in dataclasses.fields(LanguageModel)} >= {"network", "base", "decoding"}


@pytest.mark.parametrize("bits", [32, 64])
def test_both_precisions_trace(bits: int) -> None:
    with jax.enable_x64(bits == 64):
        dtype = jnp.result_type(float)
        base = jax.tree.map(lambda leaf: leaf.astype(dtype), BASE)
        family = model(base=base, validation=OTHERS, decoding=Watermarked(Beam(2)))
        shape = jax.eval_shape(lambda: family.fit(KEY, Rows(jnp.asarray(BLOCKS), jnp.int32(N)), None))
        assert {leaf.dtype for leaf in jax.tree.leaves(shape)} == {dtype}
        given = Rows(jnp.asarray(BLOCKS), jnp.int32(N))
        rows = jax.eval_shape(lambda params: family.draw(KEY, params, jnp.int32(N), N, given), shape)
        assert rows.points.dtype == jnp.int32

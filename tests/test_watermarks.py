"""Watermarks mark by exact laws over keys, their detectors have the stated rates, and pools are filtered by them."""

from __future__ import annotations

import itertools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy
from toys import STEP, Continuing, Points

import modelcollapse as mc
from modelcollapse import serial
from modelcollapse.families import Beam, Greedy, GreenScore, Gumbel, GumbelScore, Sampled, Watermarked
from modelcollapse.families.decoding import Decodes, Past
from modelcollapse.families.watermark_seeds import green_lists, winner
from modelcollapse.regimes import Detected, Rewrite
from modelcollapse_theory import watermarks

V = 6
LAW = np.array([0.4, 0.25, 0.15, 0.1, 0.06, 0.04])
N, LENGTH = 12, 5
REAL = np.arange(N * LENGTH).reshape(N, LENGTH) % 97


def past(previous: Any, key: int = 1, place: int = 0) -> Past:
    return Past(jax.random.key(key), None, jnp.asarray(previous, jnp.int32), jnp.int32(place))


def logits(rows: int) -> np.ndarray:
    return np.broadcast_to(np.log(LAW), (rows, V))


def scores(decoding: Any, rows: Any, *state: Any, **places: Any) -> np.ndarray:
    """One program for each kind of decoding."""
    return np.asarray(SCORES(decoding, rows, past(*state, **places)))


SCORES = jax.jit(lambda decoding, rows, past: decoding.scores(rows, past))
SCORED = jax.jit(lambda score, blocks: score(blocks), static_argnums=0)


def test_a_list_has_just_its_share_and_all_lists_are_alike() -> None:
    keys = np.arange(6_000)
    one = lambda key: green_lists(jax.random.key(key), jnp.int32(3), V, 0.5)  # noqa: E731
    lists = jax.jit(jax.vmap(one))(keys)
    assert (np.asarray(lists).sum(1) == 3).all()
    found = dict.fromkeys(itertools.combinations(range(V), 3), 0)
    for row in np.asarray(lists):
        found[tuple(np.flatnonzero(row).tolist())] += 1
    # 20 lists: the chance of a larger statistic is 1e-9
    assert scipy.stats.chisquare(list(found.values())).statistic < scipy.stats.chi2.isf(1e-9, 19)


def test_the_mark_raises_the_list_and_nothing_else_and_each_previous_token_has_its_own() -> None:
    marked, previous = Watermarked(Sampled(), 0.5, 2.0, key=7), np.arange(40)
    raised = scores(marked, logits(40), previous) - logits(40)
    assert set(np.round(raised, 5).ravel().tolist()) == {0.0, 2.0}
    assert len({tuple(row) for row in (raised > 1).tolist()}) > 10
    np.testing.assert_array_equal(raised, scores(marked, logits(40), previous, key=2, place=5) - logits(40))
    none = scores(Watermarked(Sampled(), 0.5, 0.0), logits(40), previous)
    np.testing.assert_array_equal(none, logits(40))
    # without a key, that of the generation's draw
    own = Watermarked(Sampled(), 0.5, key=None)
    first, second = (scores(own, logits(40), previous, key) for key in (1, 2))
    assert (first != second).any()


def test_the_mark_comes_after_cuts_and_passes_a_search_on() -> None:
    cut = scores(Watermarked(Sampled(top_k=2), 0.5, 50.0), logits(30), np.arange(30))
    assert (np.isfinite(cut).sum(1) == 2).all()
    search = Watermarked(Beam(3, penalty=2.0))
    assert (search.width, search.needs_seen, Watermarked().width) == (3, True, None)
    assert all(isinstance(one, Decodes) for one in (search, Watermarked(), Gumbel()))
    assert int(Watermarked(Greedy(), delta=0.0).pick(jax.random.key(0), jnp.asarray(LAW), past(0))) == 0


@pytest.mark.parametrize("per", ["previous", "place", "block"])
def test_the_exponential_minimum_draws_from_the_law_over_keys(per: str) -> None:
    def drawn(key: Any, generation: Any) -> jax.Array:
        gumbel = Gumbel(Sampled(), key=key, per=per)
        state = Past(jax.random.key(generation), None, jnp.int32(2), jnp.int32(4))
        return gumbel.pick(jax.random.key(generation), gumbel.scores(jnp.log(LAW), state), state)

    keys = np.arange(4_000)
    draws = jax.jit(jax.vmap(drawn))
    tokens = draws(keys, keys)
    seen = np.bincount(np.asarray(tokens), minlength=V)
    assert scipy.stats.chisquare(seen, 4_000 * LAW).statistic < scipy.stats.chi2.isf(1e-9, V - 1)
    # the same key again is the same token, unless each block has a seed of its own
    again = draws(keys, keys + 10_000)
    assert ((np.asarray(again) == np.asarray(tokens)).all()) == (per != "block")


def test_a_seed_of_the_previous_token_forgets_the_place_and_one_of_the_place_does_not() -> None:
    for per, same in (("previous", True), ("place", False)):
        gumbel = Gumbel(Sampled(), key=1, per=per)
        sure = [scores(gumbel, logits(40), np.zeros(40), place=i) for i in range(12)]
        assert all((np.isfinite(one).sum(1) == 1).all() for one in sure)
        picks = [np.argmax(one, 1) for one in sure]
        assert all(len(set(one.tolist())) == 1 for one in picks)
        assert (len({int(one[0]) for one in picks}) == 1) == same


def by_hand(block: np.ndarray, lists: np.ndarray) -> tuple[int, int]:
    """Pairs and green ones of a block, by the lists that the decoding draws."""
    pairs = sorted(set(zip(block[:-1].tolist(), block[1:].tolist(), strict=True)))
    return len(pairs), sum(bool(lists[pair]) for pair in pairs)


def test_the_count_is_of_different_pairs_and_its_p_value_is_binomial() -> None:
    blocks = np.random.default_rng(0).integers(0, V, (9, 20)).astype(np.int32)
    blocks[0] = 3
    score = Watermarked(Sampled(), 0.5, key=11).score(V)
    pairs, green = jax.jit(score.counts)(blocks)
    lists = scores(Watermarked(Sampled(), 0.5, 1.0, key=11), np.zeros((V, V)), np.arange(V)) == 1
    expected = np.array([by_hand(block, lists) for block in blocks])
    np.testing.assert_array_equal(np.stack([pairs, green], 1), expected)
    assert int(pairs[0]) == 1
    tails = -scipy.stats.binom.logsf(expected[:, 1] - 1, expected[:, 0], 0.5)
    np.testing.assert_allclose(SCORED(score, blocks), np.maximum(tails, 0), rtol=1e-5, atol=1e-6)
    np.testing.assert_array_equal(SCORED(score, np.zeros((3, 1), np.int32)), np.zeros(3))
    assert score.threshold(0.01) == pytest.approx(np.log(100))


@pytest.mark.parametrize("per", ["previous", "place"])
def test_the_sum_of_a_gumbel_score_has_the_gamma_law_unmarked_and_finds_what_is_marked(per: str) -> None:
    decoding, row = Gumbel(Sampled(), key=5, per=per), np.zeros(V)

    def step(previous: jax.Array, place: jax.Array) -> tuple[jax.Array, jax.Array]:
        state = Past(jax.random.key(0), None, previous, place)
        token = decoding.pick(jax.random.key(0), decoding.scores(jnp.broadcast_to(row, (V, V)), state), state)
        return token, token

    start, places = np.arange(V, dtype=np.int32), np.arange(30, dtype=np.int32)
    marked = np.asarray(jax.jit(lambda start: jax.lax.scan(step, start, places)[1])(start)).T
    score = decoding.score(V)
    pairs, total = jax.jit(score.sums)(marked)
    exact = -np.log(scipy.special.gammaincc(np.asarray(pairs), np.asarray(total, float)))
    np.testing.assert_allclose(SCORED(score, marked), exact, rtol=2e-5)
    if per == "place":  # a seed of the previous token walks into a short cycle, which has few pairs
        assert (np.asarray(pairs) == 29).all()
        assert exact.min() > 5
    # text that knows nothing of the key, in which hardly a pair comes twice: p-values are independent and uniform
    blocks = np.random.default_rng(1).integers(0, 2_000, (200, 30)).astype(np.int32)
    values = np.asarray(SCORED(GumbelScore(2_000, 9, per), blocks))
    assert scipy.stats.kstest(np.exp(-values), "uniform").pvalue > 1e-9
    np.testing.assert_array_equal(SCORED(score, np.zeros((3, 1), np.int32)), np.zeros(3))


def test_equal_scores_share_a_program() -> None:
    assert GreenScore(V, 0.5, 3) == Watermarked(Sampled(), 0.5, key=3).score(V)
    assert hash(GumbelScore(V, 3)) == hash(Gumbel(key=3).score(V))
    assert GreenScore(V, 0.5, 3) != GreenScore(V, 0.5, 4)
    assert GreenScore(V) != GumbelScore(V)


def synthetic_of_even_blocks(points: jax.Array) -> jax.Array:
    """Finds synthetic blocks that begin with an even token, and takes one real block for synthetic."""
    first = points[:, 0]
    return jnp.where((first >= STEP) & (first % 2 == 0) | (first == int(REAL[1, 0])), 1.0, 0.0)


@pytest.mark.parametrize("options", [{}, {"refill": False}, {"refill": False, "threshold": 2.0}])
def test_rewritten_pools_are_filtered_and_refilled_and_rates_are_measured(options: dict[str, Any]) -> None:
    options = {"score": synthetic_of_even_blocks, "threshold": 0.5} | options
    run = mc.simulate(
        Continuing(), mc.table(REAL, replace=False), Detected(Rewrite(0.5), **options),
        {"data": Points(), "rates": "detected_rates"}, size=N, generations=3, chains=6,
    )  # fmt: skip
    data, rates = run["data"], run["rates"]
    np.testing.assert_array_equal(data[:, 0], np.broadcast_to(REAL, (6, N, LENGTH)))
    assert np.isnan(rates[:, 0]).all()
    known = {tuple(row) for row in REAL.tolist()}
    for generation in (1, 2, 3):
        rows = data[:, generation]
        found = rows[..., 0] >= STEP
        flagged = np.asarray(synthetic_of_even_blocks(rows.reshape(-1, LENGTH))).reshape(6, N) >= options["threshold"]
        if options.get("refill", True):
            assert not flagged.any()
            # all blocks are real, or continued by the newest model
            plain = np.where(found[..., None], rows - STEP * generation, rows).reshape(-1, LENGTH)
            assert {tuple(row) for row in plain.tolist()} <= known
        if options["threshold"] == 2.0:  # nothing is flagged: the very pool
            assert (found.sum(1) == N // 2).all()
            np.testing.assert_array_equal(rates[:, generation], np.zeros((6, 2)))
        else:
            # of 6 continued blocks some begin with an even token, and one real block of 12 is flagged where it is kept
            assert ((rates[:, generation, 0] > 0) & (rates[:, generation, 0] < 1)).all()
            assert set(np.unique(rates[:, generation, 1]).tolist()) != {0.0}


def test_what_is_refused() -> None:
    with pytest.raises(TypeError, match=r"decoding must be a decoding, such as Sampled\(\), got 3"):
        Watermarked(3)
    with pytest.raises(ValueError, match=r"share must lie in \(0, 1\), got 1"):
        Watermarked(share=1)
    with pytest.raises(ValueError, match=r"delta must lie in \[0, inf\], got -1|delta must be .*, got -1"):
        Watermarked(delta=-1)
    with pytest.raises(TypeError, match=r"key must be a whole number, got 1.5"):
        Watermarked(key=1.5)
    with pytest.raises(ValueError, match=r"decoding must draw at random for Gumbel, .* got Beam"):
        Gumbel(Beam())
    with pytest.raises(ValueError, match=r"per must be 'previous', 'place' or 'block', got 'token'"):
        Gumbel(per="token")
    for lost in (Watermarked(key=None), Gumbel(key=None)):
        with pytest.raises(ValueError, match=r"key must be a whole number for a score, got None"):
            lost.score(V)
    with pytest.raises(ValueError, match=r"per must be 'previous' or 'place' for a score"):
        Gumbel(per="block").score(V)
    with pytest.raises(ValueError, match=r"vocabulary must be at least 2, got 1"):
        GreenScore(1)
    with pytest.raises(ValueError, match=r"rate must lie in \(0, 1\], got 0"):
        GreenScore.threshold(0)
    with pytest.raises(TypeError, match=r"blocks of tokens, whole numbers \(n, L\), got float"):
        GreenScore(V)(np.zeros((2, 3)))  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=r"score and threshold must be given for Rewrite"):
        Detected(Rewrite(0.5), 0.5, 0.1)


def test_a_pool_half_real_and_half_marked_is_filtered_and_refilled_for_a_network() -> None:
    network = mc.families.Transformer(V, width=8, layers=1, heads=2, length=2 * LENGTH)
    base = jax.tree.map(np.asarray, jax.jit(network.init)(jax.random.key(9)))
    marked = Watermarked(Sampled(), 0.5, 50.0, key=3)  # each token is green where one has a chance
    family = mc.families.LanguageModel(network, base, marked, epochs=1, batch=N, at_once=N)
    score = marked.score(V)
    # of 4 pairs all green: p = 1/16; a block with fewer different pairs passes
    regime = Detected(Rewrite(0.5), score=score, threshold=score.threshold(0.07))
    blocks = np.random.default_rng(4).integers(0, V, (N, LENGTH)).astype(np.int32)
    run = mc.simulate(
        family, mc.text.tokens(blocks, vocabulary=V, replace=False), regime, {"data": Points(), "rates": "detected_rates"},
        size=N, generations=2, chains=3, batch_size=1,
    )  # fmt: skip
    data, rates = run["data"], run["rates"]
    assert data.dtype == np.int32
    for generation in (1, 2):
        flags = np.asarray(SCORED(score, data[:, generation].reshape(-1, LENGTH))) >= regime.threshold
        assert not flags.any()
    assert np.nanmin(rates[:, 1:, 0]) > np.nanmax(rates[:, 1:, 1])


def test_one_key_selects_with_endless_data_until_real_data_hold_it() -> None:
    words, shift, key = np.repeat(np.arange(8), [12, 8, 6, 5, 4, 2, 2, 1]), 0.5, 4
    p = np.bincount(words) / words.size
    listed = np.flatnonzero(scores(Watermarked(Sampled(), 0.25, 1.0, key), np.zeros((1, 8)), [-1])[0])
    marked = Watermarked(Sampled(), 0.25, shift, key)
    family = mc.families.NGram(1, decoding=marked, prompts="random", form="counts")
    source = family.reading(mc.labels(words))  # on the host: a program cannot read a text

    def rows(params: Any) -> jax.Array:
        return params.probabilities[0]

    def one(share: Any) -> jax.Array:
        run = mc.trace(family, source, mc.FreshReal(share), {"rows": rows}, size=10**6, generations=30, chains=1)
        return run["rows"][0]

    alone, fed = np.asarray(jax.jit(jax.vmap(one))(np.array([0.0, 0.3])))
    marks = np.arange(5)
    mass = float(p[listed].sum())
    # a million draws leave frequencies with deviations of at most 5e-4 each generation
    np.testing.assert_allclose(alone[:5, listed].sum(1), watermarks.green_mass(mass, shift, marks), atol=8e-3)
    loss = -(p * np.log(alone[:5])).sum(1)
    np.testing.assert_allclose(loss, watermarks.marked_loss(p, listed, shift, marks), atol=8e-3)
    assert alone[-1, listed].sum() > 0.999
    assert fed[-1, listed].sum() == pytest.approx(float(watermarks.green_balance(mass, shift, 0.3)), abs=8e-3)


def test_marks_and_scores_are_saved_by_name_and_swept_over_delta() -> None:
    score = GreenScore(V, 0.5, 3)
    regime, arrays = Detected(Rewrite(0.5), score=score, threshold=score.threshold(0.01)), {}
    back = serial.decode(serial.encode(regime, arrays), arrays)
    assert (back.score, back.threshold) == (score, regime.threshold)
    for decoding in (Watermarked(Beam(3), 0.5, 1.5, None), Gumbel(Sampled(0.5), 4, "place")):
        again = serial.decode(serial.encode(decoding, arrays), arrays)
        assert repr(again) == repr(decoding)
    swept = jax.vmap(lambda delta: SCORES(Watermarked(Sampled(), 0.5, delta, 7), logits(40), past(np.arange(40))))
    for delta, found in zip((0.5, 2.0), swept(np.array([0.5, 2.0])), strict=True):
        one = scores(Watermarked(Sampled(), 0.5, delta, 7), logits(40), np.arange(40))
        np.testing.assert_allclose(found, one, rtol=1e-12)


@pytest.mark.parametrize("x64", [False, True], ids=["float32", "float64"])
def test_extreme_words_never_draw_a_token_that_was_cut(x64: bool) -> None:
    """In float32 the largest words round to a uniform of 1, whose waiting time would be 0, and -inf + inf no number."""
    last = 2**32 - 1
    words = np.array(
        [[7, 2**31, last, 5], [0, 0, last, 0], [last, last, last, last - 1], [2**31 - 1, 2**31 + 2**20, 0, 0]],
        np.uint32,
    )
    logits = np.array(
        [[0.0, -1.0, -np.inf, -2.0], [0.0, 0.0, -np.inf, 1.0], [0.0, 1.0, -np.inf, 0.5], [0.0, 0.0, 0.0, -np.inf]]
    )
    with jax.enable_x64(x64):
        found = winner(jnp.asarray(logits, jnp.float64 if x64 else jnp.float32), jnp.asarray(words))
    uniforms = (words.astype(np.longdouble) + 0.5) / 2**32
    with np.errstate(divide="ignore"):
        expected = (-np.log(uniforms) / np.exp(logits.astype(np.longdouble))).argmin(-1)
    np.testing.assert_array_equal(found, expected)


def test_a_share_that_marks_no_token_or_all_is_refused() -> None:
    for share, what in ((0.01, "no token"), (0.99, "every token")):
        with pytest.raises(
            ValueError, match=f"share must leave green and other tokens, got {share} of 20: {what} is green"
        ):
            GreenScore(20, share)

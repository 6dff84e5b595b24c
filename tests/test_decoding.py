"""Decodings against rules written out in NumPy, token by token, and beam search against all continuations."""

from __future__ import annotations

import functools
import itertools
import math
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from modelcollapse.families.continuation import continued
from modelcollapse.families.decoding import Beam, Decodes, Greedy, Past, Sampled
from modelcollapse.families.transformer import Transformer

LAW = np.array([0.1, 0.02, 0.4, 0.25, 0.15, 0.08])
NOTHING = Past(jax.random.key(0), None, np.int32(0), np.int32(0))  # type: ignore[arg-type]


@jax.jit
def scored(decoding: Decodes, logits: jax.Array, past: Past = NOTHING) -> jax.Array:
    return decoding.scores(logits, past)


@jax.jit
def taken(decoding: Decodes, key: jax.Array, logits: jax.Array, past: Past = NOTHING) -> jax.Array:
    return decoding.pick(key, decoding.scores(logits, past), past)


def kept(decoding: Decodes, law: np.ndarray = LAW) -> list[int]:
    return np.flatnonzero(np.isfinite(scored(decoding, np.log(law)))).tolist()


def until(order: Any, mass: float) -> list[int]:
    """Tokens in order of ``order`` (V,) until their mass reaches ``mass``."""
    total, found = 0.0, []
    for token in np.argsort(order, kind="stable"):
        if total >= mass:
            break
        total += LAW[token]
        found.append(int(token))
    return sorted(found)


ENTROPY = float(-(LAW * np.log(LAW)).sum())


@pytest.mark.parametrize("mass", [0.05, 0.41, 0.64, 0.66, 0.97, 0.99, 1.0])
def test_mass_is_reached_in_the_order_of_the_rule(mass: float) -> None:
    assert kept(Sampled(top_p=mass)) == until(-LAW, mass)
    assert kept(Sampled(typical=mass)) == until(np.abs(-np.log(LAW) - ENTROPY), mass)


@pytest.mark.parametrize("least", [0.0, 0.06, 0.2, 0.3, 0.9])
def test_thresholds_keep_what_reaches_them_and_the_most_probable(least: float) -> None:
    assert kept(Sampled(min_p=least)) == np.flatnonzero(least * LAW.max() <= LAW).tolist()
    assert kept(Sampled(epsilon=least)) == np.flatnonzero((least <= LAW) | (LAW.max() == LAW)).tolist()
    eta = min(least, math.sqrt(least) * math.exp(-ENTROPY))
    assert kept(Sampled(eta=least)) == np.flatnonzero((eta <= LAW) | (LAW.max() == LAW)).tolist()


def test_top_k_keeps_the_most_probable() -> None:
    assert kept(Sampled(top_k=3)) == [2, 3, 4]
    assert kept(Sampled(top_k=9)) == [0, 1, 2, 3, 4, 5]


def test_each_rule_sees_what_the_one_before_has_left() -> None:
    # the three best that are left weigh 1/2, 5/16, 3/16
    assert kept(Sampled(top_k=3, top_p=0.8)) == [2, 3]
    assert kept(Sampled(top_k=3, top_p=0.82)) == [2, 3, 4] != kept(Sampled(top_p=0.82))
    assert kept(Sampled(top_k=3, epsilon=0.18)) == [2, 3, 4] != kept(Sampled(epsilon=0.18))
    # temperature comes first: squared, the law is sharper
    assert kept(Sampled(0.5, top_p=0.82)) == [2, 3]


def test_what_ties_with_the_last_token_is_kept() -> None:
    assert kept(Sampled(top_p=0.5), np.full(6, 1 / 6)) == kept(Sampled(top_k=3), np.full(6, 1 / 6)) == [*range(6)]


def test_temperature_divides_logits_and_zero_is_the_first_of_the_best() -> None:
    logits = np.array([1.0, 3.0, 3.0, -2.0, 0.0, 0.0])
    np.testing.assert_allclose(scored(Sampled(2.0), logits), logits / 2)
    for decoding in (Sampled(0.0), Greedy(), Beam(1)):
        assert int(taken(decoding, jax.random.key(1), logits)) == 1
    # a sweep over temperatures may hold 0
    swept = jax.jit(jax.vmap(lambda t: Sampled(t).scores(jnp.asarray(logits), NOTHING)))(np.array([0.0, 2.0]))
    assert np.isfinite(swept).sum(1).tolist() == [1, 6]


def test_the_two_penalties_are_two_things() -> None:
    logits, past = np.array([2.0, -1.0, 0.5]), NOTHING._replace(seen=jnp.array([True, True, False]))
    np.testing.assert_allclose(scored(Sampled(repetition=2.0), logits, past), [1.0, -2.0, 0.5])
    logp = logits - np.log(np.exp(logits).sum())
    np.testing.assert_allclose(scored(Beam(penalty=2.0), logits, past), logp * [2.0, 2.0, 1.0])
    assert Sampled(repetition=2.0).needs_seen
    assert Beam(penalty=1.0).needs_seen
    assert not any(one.needs_seen for one in (Sampled(), Beam(), Greedy()))
    with pytest.raises(ValueError, match="needs the tokens seen so far"):
        scored(Beam(penalty=2.0), logits)


def test_draws_follow_the_scores() -> None:
    logits = np.broadcast_to(np.log(LAW), (20_000, 6))
    tokens = taken(Sampled(0.5, top_k=3), jax.random.key(3), logits)
    right = np.where(np.isin(np.arange(6), [2, 3, 4]), LAW**2, 0.0)
    right /= right.sum()
    z = (np.bincount(tokens, minlength=6) - 20_000 * right) / np.sqrt(np.maximum(20_000 * right * (1 - right), 1e-9))
    assert tokens.dtype == jnp.int32
    assert np.abs(z).max() < 5


# --- beam search ---

V, NEW = 3, 4
NETWORK = Transformer(V, width=8, layers=2, heads=2, length=8)
PROMPTS = np.array([[0, 1, 2], [2, 2, 0], [1, 1, 1], [2, 2, 2], [0, 0, 0]], np.int32)
ROWS = np.arange(5, dtype=np.int32)
KEY = jax.random.key(7)


_read = jax.jit(NETWORK)


@functools.cache
def weights() -> Any:
    """Weights large enough that continuations differ in probability, and greedy is not the best."""
    scaled = jax.tree.map(lambda leaf: 8 * np.asarray(leaf), jax.jit(NETWORK.init, static_argnums=1)(KEY, np.float64))
    return scaled | {"gain": scaled["gain"] / 8}


def logp(text: Any) -> np.ndarray:
    """Log probabilities ``(n, t, V)`` after each place of texts of at most 7 tokens, read as a whole: 81 at once."""
    text = np.asarray(text, np.int32)
    # what comes later is not seen
    padded = np.zeros((81, 7), np.int32)
    padded[: len(text), : text.shape[1]] = text
    logits = np.asarray(_read(weights(), padded))[: len(text), : text.shape[1]]
    return logits - np.log(np.exp(logits).sum(-1, keepdims=True))


def follow(decoding: Decodes) -> np.ndarray:
    return np.asarray(_follow(weights(), decoding, PROMPTS, ROWS))


@jax.jit
def _follow(weights: Any, decoding: Decodes, prompts: jax.Array, rows: jax.Array) -> jax.Array:
    return continued(NETWORK, weights, decoding, KEY, prompts, rows, NEW)


def sums(penalty: float) -> tuple[np.ndarray, np.ndarray]:
    """All continuations ``(81, 4)`` and the sums of their scores ``(5, 81)``."""
    every = np.array(list(itertools.product(range(V), repeat=NEW)))
    totals = np.zeros((len(PROMPTS), len(every)))
    for i, prompt in enumerate(PROMPTS):
        whole = np.concatenate([np.tile(prompt, (len(every), 1)), every], 1)
        scores = logp(whole)
        for row, text in enumerate(whole):
            for place in range(3, 3 + NEW):
                score = scores[row, place - 1, text[place]]
                totals[i, row] += score * (penalty if text[place] in text[:place] else 1.0)
    return every, totals


@pytest.mark.parametrize("penalty", [None, 2.0])
def test_a_beam_as_wide_as_all_lines_finds_the_best_continuation(penalty: float | None) -> None:
    every, totals = sums(penalty or 1.0)
    np.testing.assert_array_equal(follow(Beam(27, penalty)), every[totals.argmax(1)])


@pytest.mark.parametrize("penalty", [None, 2.0, 0.5])
def test_a_narrow_beam_is_the_search_written_out(penalty: float | None) -> None:
    """Width 2 by reading whole lines again, which neither a cache nor an ancestry can get wrong."""
    right = []
    for prompt in PROMPTS.tolist():
        lines = [(0.0, prompt)]
        for place in range(3, 3 + NEW):
            scores = logp([text for _, text in lines])[:, place - 1]
            grown = [
                (score + scores[i, token] * ((penalty or 1.0) if token in text else 1.0), [*text, token])
                for i, (score, text) in enumerate(lines)
                for token in range(V)
            ]
            lines = sorted(grown, key=lambda line: -line[0])[:2]
        right.append(lines[0][1][3:])
    np.testing.assert_array_equal(follow(Beam(2, penalty)), right)
    assert len({tuple(line) for line in right}) > 1


def test_width_one_is_greedy_and_so_is_temperature_zero() -> None:
    text = PROMPTS
    for _ in range(NEW):
        text = np.concatenate([text, logp(text)[:, -1].argmax(-1)[:, None]], 1)
    for decoding in (Beam(1), Greedy(), Sampled(0.0), Sampled(1e-9)):
        np.testing.assert_array_equal(follow(decoding), text[:, 3:])
    assert (follow(Sampled(5.0)) != text[:, 3:]).any()
    assert follow(Greedy()).dtype == np.int32
    # a search is worth its price: these are not the best continuations
    assert (follow(Beam(27)) != text[:, 3:]).any()


def test_logits_by_the_cache_are_those_of_the_whole_text() -> None:
    text = jnp.asarray(np.random.default_rng(0).integers(0, V, (5, 7), np.int32))

    @jax.jit
    def cached(weights: Any) -> jax.Array:
        logits, cache = NETWORK.begin(weights, text[:, :3], NEW)
        out = [logits]
        for step in range(NEW):
            mine = jnp.broadcast_to(jnp.arange(NEW, dtype=jnp.int32) <= step, (5, 1, NEW))
            logits, cache = NETWORK.go_on(weights, text[:, 3 + step, None], cache, step, mine)
            out.append(logits[:, 0])
        return jax.nn.log_softmax(jnp.stack(out, 1))

    np.testing.assert_allclose(cached(weights()), logp(text)[:, 2:], rtol=1e-11, atol=1e-11)


def test_what_follows_a_prompt_does_not_depend_on_its_company() -> None:
    whole, part = (_follow(weights(), Sampled(), p, r) for p, r in ((PROMPTS, ROWS), (PROMPTS[::-1], ROWS[::-1])))
    np.testing.assert_array_equal(whole, part[::-1])
    assert (_follow(weights(), Sampled(), PROMPTS, ROWS + 5) != whole).any()

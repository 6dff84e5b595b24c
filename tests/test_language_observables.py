"""What is seen of generated text is what plain loops over its blocks find, in both precisions."""

from __future__ import annotations

import collections
import dataclasses
import functools
import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import modelcollapse as mc
from modelcollapse import observables, protocols
from modelcollapse.data import Rows
from modelcollapse.loop import State
from tests.toys import Bigram

V, LENGTH, N = 5, 8, 12


@pytest.fixture(params=[64, 32])
def ulps(request: pytest.FixtureRequest) -> Iterator[float]:
    with jax.enable_x64(request.param == 64):
        yield 1000 * float(jnp.finfo(jnp.result_type(float)).eps)


def texts(seed: int = 0, count: int = 9) -> tuple[np.ndarray, Rows]:
    """Blocks as lists of Python would hold them, and as rows with room that must not be seen."""
    rng = np.random.default_rng(seed)
    blocks = rng.choice(V, (N, LENGTH), p=[0.4, 0.3, 0.15, 0.1, 0.05]).astype(np.int32)
    blocks[0], blocks[1], blocks[2] = 3, [0, 1] * 4, [4, 4, 4, 2, 0, 1, 0, 1]
    return blocks[:count], Rows(jnp.asarray(blocks), jnp.int32(count))


def read(observable: Any, rows: Rows, params: Any = None, carry: Any = (), generation: int = 1) -> np.ndarray:
    state = State(params, (), {}, jnp.int32(generation), jnp.int32(0), rows, Bigram(V))
    return np.asarray(_read(observable, carry, state))


@functools.partial(jax.jit, static_argnums=0)
def _of(kind: Any, observable: Any, carry: Any, state: Any) -> Any:
    return observable.read(carry, state, None)


def _read(observable: Any, carry: Any, state: Any) -> Any:
    return _of(type(observable), observable, carry, state)


def grams(block: np.ndarray, n: int) -> list[tuple]:
    return [tuple(block[i : i + n].tolist()) for i in range(len(block) - n + 1)]


@pytest.mark.parametrize("n", [1, 2, 3, 8])
def test_distinct_and_repetition_count_n_grams(n: int, ulps: float) -> None:
    blocks, rows = texts()
    every = [gram for block in blocks for gram in grams(block, n)]
    assert read(observables.distinct(n), rows) == pytest.approx(len(set(every)) / len(every), rel=ulps)
    each = [1 - len(set(grams(block, n))) / len(grams(block, n)) for block in blocks]
    assert read(observables.repetition(n), rows) == pytest.approx(np.mean(each), rel=ulps, abs=ulps)


def ends_in_a_loop(block: list[int], most: int) -> bool:
    length = len(block)
    for period in range(1, min(most, length // 2) + 1):
        tail = block[length - max(2 * period, length // 2) :]
        if all(tail[i] == tail[i - period] for i in range(period, len(tail))):
            return True
    return False


@pytest.mark.parametrize("most", [1, 2, 4, 32])
def test_a_loop_holds_for_two_periods_and_half_of_the_block(most: int, ulps: float) -> None:
    blocks, rows = texts(count=12)
    expected = np.mean([ends_in_a_loop(block.tolist(), most) for block in blocks])
    assert read(observables.looped(most), rows) == pytest.approx(expected, rel=ulps)
    assert ends_in_a_loop([3] * 8, 1)
    assert ends_in_a_loop([0, 4, 4, 2, 0, 1, 0, 1], 2)
    assert not ends_in_a_loop([0, 4, 4, 2, 2, 1, 0, 1], 2)


def test_frequencies_of_tokens(ulps: float) -> None:
    blocks, rows = texts()
    counted = collections.Counter(blocks.ravel().tolist())
    counts = np.array([counted[token] for token in range(V)])
    np.testing.assert_array_equal(read(observables.unigrams(V), rows), counts)
    np.testing.assert_array_equal(read(observables.unigrams(V + 2), rows), [*counts, 0, 0])
    np.testing.assert_array_equal(read(observables.unigrams(V - 1), rows), [-1] * (V - 1))
    shares = counts / counts.sum()
    assert read(observables.token_entropy(), rows) == pytest.approx(-(shares * np.log(shares)).sum(), rel=ulps)
    for ranks in (None, 3, 40):
        ordered = np.sort(counts[counts > 0])[::-1][:ranks]
        slope = np.polyfit(np.log(np.arange(1, len(ordered) + 1)), np.log(ordered), 1)[0]
        assert read(observables.zipf_slope(ranks), rows) == pytest.approx(slope, rel=10 * ulps)
    alone = Rows(jnp.full((3, 4), 2, jnp.int32), jnp.int32(3))
    assert np.isnan(read(observables.zipf_slope(), alone))
    assert read(observables.token_entropy(), alone) == 0


def loop_losses(table: np.ndarray, blocks: np.ndarray) -> list[list[float]]:
    """The losses of the tokens of each block but its first."""
    return [[-table[a, b] for a, b in itertools.pairwise(block)] for block in blocks.tolist()]


def test_perplexities_are_means_over_tokens(ulps: float) -> None:
    blocks, rows = texts()
    rng = np.random.default_rng(1)
    now, first = (np.log(rng.dirichlet(np.ones(V), V)) for _ in range(2))
    params, carry = jnp.asarray(now), jnp.asarray(first)
    test = texts(5)[0]
    expected = np.exp(np.mean(loop_losses(now, test)))
    assert read(observables.perplexity(test), rows, params) == pytest.approx(expected, rel=ulps)
    assert read(observables.cross_entropy(test), rows, params) == pytest.approx(np.log(expected), rel=ulps)
    losses = loop_losses(first, blocks)
    assert read(observables.own_cross_entropy(), rows, params, carry) == pytest.approx(np.mean(losses), rel=ulps)
    assert read(observables.own_perplexity(), rows, params, carry) == pytest.approx(np.exp(np.mean(losses)), rel=ulps)
    each = np.mean(losses, axis=1)
    padded = np.concatenate([each, np.full(N - len(each), np.nan)])
    np.testing.assert_allclose(read(observables.own_losses(), rows, params, carry), padded, rtol=ulps)
    at = [0.0, 0.1, 0.5, 0.77, 1.0]
    found = read(observables.own_perplexity_quantiles(at), rows, params, carry)
    np.testing.assert_allclose(found, np.quantile(np.exp(each), at), rtol=ulps)
    edges = np.exp(np.sort(each))[[2, 5]] * (1 + 1e-4)
    np.testing.assert_array_equal(read(observables.own_perplexity_histogram(edges), rows, params, carry), [3, 3, 3])
    fine = read(observables.own_perplexity_histogram(), rows, params, carry)
    assert fine.shape == (62,)
    assert fine.sum() == len(blocks)


def test_nothing_is_left_out_of_the_histogram(ulps: float) -> None:
    table = np.zeros((3, V))
    table[1], table[2] = -np.inf, np.nan  # impossible to the model, and a model that is not one
    rows = Rows(jnp.asarray([[0, 0], [1, 1], [2, 2], [0, 1]], jnp.int32), jnp.int32(3))
    seen = read(observables.own_perplexity_histogram([1.0, 10.0]), rows, (), jnp.asarray(table))
    np.testing.assert_array_equal(seen, [0, 1, 2])
    assert np.isnan(read(observables.own_perplexity(), rows, (), jnp.asarray(table)))
    assert np.isnan(read(observables.own_perplexity_quantiles([0.5]), rows, (), jnp.asarray(table))).all()
    seen = read(observables.own_perplexity_histogram([1.0, 10.0]), rows, (), jnp.asarray(table - 1e-9))
    assert seen.sum() == 3


OBSERVED = {
    "real": lambda: observables.perplexity(texts(5)[0]),
    "own": observables.own_perplexity,
    "own losses": observables.own_losses,
    "later": lambda: observables.own_perplexity(under=2),
    "later losses": lambda: observables.own_losses(under=2),
    "later histogram": lambda: observables.own_perplexity_histogram([2.0, 4.0], under=2),
    "blocks": lambda: observables.blocks(N),
    "some": lambda: observables.blocks(3),
    "distinct": lambda: observables.distinct(2),
}


def table_of_blocks() -> Any:
    return mc.table(texts(count=N)[0], replace=False)


@functools.cache
def made(generations: int = 3) -> mc.Run:
    observe = {name: make() for name, make in OBSERVED.items()}
    regime = mc.regimes.Rewrite(0.25)
    return mc.simulate(Bigram(V), table_of_blocks(), regime, observe, size=N, generations=generations, chains=2)


def fitted(blocks: np.ndarray) -> np.ndarray:
    counts = np.ones((V, V))
    for block in blocks:
        for a, b in itertools.pairwise(block):
            counts[a, b] += 1
    return np.log(counts / counts.sum(1, keepdims=True))


def test_a_run_sees_the_data_set_of_each_generation_and_its_first_model() -> None:
    run = made()
    data = run["blocks"]
    np.testing.assert_array_equal(data[:, 0], np.broadcast_to(texts(count=N)[0], (2, N, LENGTH)))
    for chain in range(2):
        models = [fitted(blocks) for blocks in data[chain]]
        for generation, blocks in enumerate(data[chain]):
            own, later = (np.mean(loop_losses(models[under], blocks), axis=1) for under in (0, 2))
            np.testing.assert_allclose(run["own losses"][chain, generation], own, rtol=1e-12)
            assert run["own"][chain, generation] == pytest.approx(np.exp(own.mean()), rel=1e-12)
            real = np.exp(np.mean(loop_losses(models[generation], texts(5)[0])))
            assert run["real"][chain, generation] == pytest.approx(real, rel=1e-12)
            if generation < 2:
                assert np.isnan(run["later"][chain, generation])
                assert run["later histogram"][chain, generation].sum() == 0
            else:
                np.testing.assert_allclose(run["later losses"][chain, generation], later, rtol=1e-12)
                assert run["later histogram"][chain, generation].sum() == N
    np.testing.assert_array_equal(run["some"], data[:, :, :3])


def test_a_data_set_holds_observables_of_different_numbers_of_blocks() -> None:
    data = made().to_dataset()
    assert data["own losses"].dims == ("chain", "generation", "block")
    assert data["blocks"].dims == ("chain", "generation", "block", "place")
    assert data["some"].dims == ("chain", "generation", "block of some", "place")
    np.testing.assert_array_equal(data["some"], data["blocks"][:, :, :3])


def test_a_run_goes_on_after_it_was_saved(tmp_path: Path) -> None:
    made(1).save(tmp_path / "run.npz")
    loaded = mc.Run.load(tmp_path / "run.npz")
    np.testing.assert_array_equal(loaded.texts(1), made().texts(1))
    longer = loaded.extend(2)
    for name in OBSERVED:
        np.testing.assert_array_equal(longer[name], made()[name])


class Letters:
    def decode(self, ids: Any) -> str:
        return "".join("abcde"[i] for i in ids)


def test_texts_are_the_blocks_that_a_run_kept() -> None:
    run = made()
    np.testing.assert_array_equal(run.texts(2, chain=1), run["blocks"][1, 2])
    read = run.texts(0, tokenizer=Letters())
    assert read[0] == "d" * LENGTH
    assert len(read) == N
    source = dataclasses.make_dataclass("Spoken", [("tokenizer", Any)])(Letters())
    assert isinstance(source, protocols.HasTokenizer)
    assert dataclasses.replace(run, source=source).texts(0) == read
    with pytest.raises(ValueError, match=r"generation must be one that was recorded, \[0, 1, 2, 3\], got 4"):
        run.texts(4)
    with pytest.raises(ValueError, match="chain must be below 2, the number of chains, got 2"):
        run.texts(0, chain=2)
    with pytest.raises(TypeError, match="tokenizer must have decode"):
        run.texts(0, tokenizer="abc")
    with pytest.raises(ValueError, match=r"texts needs blocks that the run kept: .* mc.observables.blocks\(n\)"):
        dataclasses.replace(run, observables={}).texts(0)


def test_more_blocks_than_there_are_read_as_none() -> None:
    blocks, rows = texts()
    seen = read(observables.blocks(N + 2), rows)
    np.testing.assert_array_equal(seen[:9], blocks)
    assert (seen[9:] == -1).all()
    assert seen.shape == (N + 2, LENGTH)


REFUSED: dict[str, tuple[Any, type[Exception], str]] = {
    "tokens beyond": (lambda: observed(observables.perplexity([[0, V]])), ValueError, "below the vocabulary of Bigram, 5, got 5"),
    "no tokens": (
        lambda: observed(observables.perplexity([[0, 1]]), mc.Gaussian(), mc.normal()), ValueError,
        "family that predicts tokens, by `log_probabilities`, and Gaussian does not",
    ),
    "moments": (
        lambda: observed(observables.distinct(1), mc.Gaussian(), mc.normal()), ValueError,
        r"needs blocks of tokens, rows \(n, L\) of whole numbers, and the data set is Moments",
    ),
    "measurements": (
        lambda: observed(observables.blocks(1), mc.KernelDensity(), mc.normal()), ValueError,
        r"the data set is rows of float64 of shape \('n', 1\)",
    ),
    "a long n-gram": (lambda: observed(observables.distinct(9)), ValueError, "n must be at most the 8 tokens of a block, got 9"),
    "no n": (lambda: observables.distinct(0), ValueError, "n must be at least 1, got 0"),
    "half a token": (lambda: observables.perplexity([[0.5, 1]]), TypeError, "blocks must be a whole number"),
    "one token": (lambda: observables.perplexity([[0]]), ValueError, r"L at least 2, got shape \(1, 1\)"),
    "no block": (lambda: observables.perplexity(np.zeros((0, 3), int)), ValueError, r"got shape \(0, 3\)"),
    "a negative token": (lambda: observables.perplexity([[0, -1]]), ValueError, "blocks must be at least 0, got -1"),
    "edges down": (lambda: observables.own_perplexity_histogram([2.0, 1.0]), ValueError, "edges must increase, got 1"),
    "an edge of 0": (lambda: observables.own_perplexity_histogram([0.0, 1.0]), ValueError, "edges must"),
    "a share above 1": (lambda: observables.own_perplexity_quantiles([50]), ValueError, "at must"),
    "one rank": (lambda: observables.zipf_slope(1), ValueError, "ranks must be at least 2, got 1"),
    "no period": (lambda: observables.looped(0), ValueError, "max_period must be at least 1, got 0"),
    "no vocabulary": (lambda: observables.unigrams(0), ValueError, "vocabulary must be at least 1"),
    "a past model": (lambda: observables.own_perplexity(-1), ValueError, "under must be at least 0, got -1"),
}  # fmt: skip


def observed(observable: Any, family: Any = None, source: Any = None) -> Any:
    regime = mc.Replace() if family else mc.regimes.Rewrite(0.25)
    return mc.simulate(
        family or Bigram(V), source or table_of_blocks(), regime, {"x": observable}, size=N, generations=1
    )


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_refused(case: str) -> None:
    make, error, message = REFUSED[case]
    with pytest.raises(error, match=message):
        make()

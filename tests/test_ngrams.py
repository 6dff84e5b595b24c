"""n-gram models: both kinds of data sets have one law, that of theory, in every regime that makes sense."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.stats

import modelcollapse as mc
from modelcollapse import families, observables, regimes
from modelcollapse.families import decoded_draws, next_tokens
from modelcollapse.families.transitions import Places, Transitions
from modelcollapse_theory import language, rewriting

# contexts 0, 1 and 2 with 5, 3 and 1 places; token 2 is never real after contexts 1 and 2
TEXT = np.array([[0, 1, 0, 0], [0, 2, 0, 2], [1, 0, 1, 1]])
NGRAMS = np.lib.stride_tricks.sliding_window_view(TEXT, 2, axis=1).reshape(-1, 2)
REAL = np.zeros((3, 3), int)
np.add.at(REAL, tuple(NGRAMS.T), 1)
N, V = len(NGRAMS), 3
RATE = 1e-6
FORMS = pytest.mark.parametrize("form", ["counts", "tokens"])


def model(form: str = "counts", *, replace: bool = False, **options: Any) -> tuple[families.NGram, Any]:
    """A model that knows the text, and its source."""
    family = families.NGram(form=form, **options)
    source = family.reading(mc.table(TEXT, replace=replace))
    return family.told(source), source


def counted(data: Transitions | Places) -> jax.Array:
    return data.table(V)


def agrees(seen: np.ndarray, expected: np.ndarray) -> None:
    """Chi-square of counts of outcomes with given probabilities, at a false-alarm rate of 1e-6."""
    there = expected > 0
    assert not seen[~there].any()
    wanted = expected[there] * seen.sum()
    assert wanted.min() > 10  # the law of chi-square holds
    if there.sum() == 1:
        return
    assert scipy.stats.chisquare(seen[there], wanted).pvalue > RATE


DRAWS = 10_000


def drawn(form: str, **options: Any) -> Callable[..., np.ndarray]:
    """Counts ``(DRAWS, C, V)`` of data sets drawn from the model of the real text; fields may be given anew."""
    source = model(form, **options)[1]

    @jax.jit
    def many(family: families.NGram) -> jax.Array:
        params = family.fit(jax.random.key(0), source.family.whole(), None)
        one = lambda key: counted(family.draw(key, params, N, N))  # noqa: E731
        return jax.vmap(one)(jax.random.split(jax.random.key(1), DRAWS))

    return lambda **fields: np.asarray(many(model(form, **options | fields)[0]))


def rows_agree(seen: np.ndarray, weights: np.ndarray) -> None:
    """Counts of tokens by context, and of all outcomes of the context with three places, are multinomial."""
    p = weights / weights.sum(1, keepdims=True)
    assert (seen.sum(2) == REAL.sum(1)).all()
    for context in range(len(REAL)):
        agrees(seen[:, context].sum(0), p[context])
    states = np.array([(i, j, 3 - i - j) for i in range(4) for j in range(4 - i)])
    number = np.array([(seen[:, 1] == x).all(1).sum() for x in states])
    agrees(number, scipy.stats.multinomial.pmf(states, 3, p[1]))


def test_a_data_set_has_the_law_of_the_smoothed_rows() -> None:
    """Each place gets a token of its context, or one of the background: the law of the counts, by enumeration."""
    many = drawn("tokens")
    for smoothing in (0.0, 0.5):
        rows_agree(many(smoothing=smoothing), REAL + smoothing)


@FORMS
def test_a_decoding_acts_on_the_rows(form: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where contexts are decoded a few at a time, as those of a large vocabulary are; temperature 0 is greedy."""
    monkeypatch.setattr(decoded_draws, "CHUNK", 2 * V)
    many = drawn(form, decoding=families.Sampled(2.0))
    for temperature, smoothing in ((0.5, 0.0), (1.01, 0.5)):
        seen = many(decoding=families.Sampled(temperature), smoothing=smoothing)
        rows_agree(seen, (REAL + smoothing) ** (1 / temperature))
    best = np.eye(V, dtype=int)[REAL.argmax(1)] * REAL.sum(1, keepdims=True)
    assert (many(decoding=families.Sampled(0.0)) == best).all()


def test_smoothing_is_a_sweep_and_losses_are_those_of_theory() -> None:
    """Cross-entropy and distinct n-grams after 1 and 3 fits to drawn tokens, several smoothings in one program."""
    smoothings = np.array([0.1, 1.0])
    other = np.array([[2, 2, 1, 0, 1, 2]])
    text = np.zeros((3, 3), int)
    np.add.at(text, (other[0, :-1], other[0, 1:]), 1)

    def losses(smoothing: jax.Array) -> dict[str, jax.Array]:
        return mc.trace(
            families.NGram(smoothing=smoothing), mc.table(TEXT), regimes.Replace(),
            {"loss": observables.cross_entropy(other), "distinct": "support_size"}, size=N, generations=2, chains=4000,
        )  # fmt: skip

    seen = {name: np.asarray(values) for name, values in jax.vmap(losses)(jnp.asarray(smoothings)).items()}
    for i, smoothing in enumerate(smoothings):
        exact = language.expected_cross_entropy(REAL, text, [1, 3], smoothing)
        g = V * smoothing / (REAL.sum(1, keepdims=True) + V * smoothing)
        p = REAL / REAL.sum(1, keepdims=True)
        size = np.broadcast_to(REAL.sum(1, keepdims=True), p.shape)
        distinct = language.present(p, size, [1, 3], np.broadcast_to(g, p.shape), 1 / V).sum((1, 2))
        for name, expected in (("loss", exact), ("distinct", distinct)):
            values = seen[name][i][:, [0, 2]]
            error = values.std(0) / np.sqrt(len(values))
            assert (np.abs(values.mean(0) - expected) < scipy.stats.norm.isf(RATE / 2) * error).all(), (name, smoothing)


def test_random_prompts_keep_the_law_of_a_context_without_data() -> None:
    run = mc.simulate(
        families.NGram(prompts="random", form="tokens"), mc.table(TEXT), observe="heterozygosity", size=6, generations=2,
        chains=4000,
    )  # fmt: skip
    weights = REAL.sum(1) / N
    exact = sum(
        w * rewriting.random_prompts_heterozygosity(row / row.sum(), 6, w, [1, 3])
        for w, row in zip(weights, REAL, strict=True)
    )
    values = run["heterozygosity"][:, [0, 2]]
    error = values.std(0) / np.sqrt(len(values))
    assert (np.abs(values.mean(0) - exact) < scipy.stats.norm.isf(RATE / 2) * error).all()


def test_a_run_is_saved_and_goes_on(tmp_path: Path) -> None:
    source = mc.table(TEXT, replace=False)

    def run(generations: int) -> mc.Run:
        return mc.simulate(
            families.NGram(), source, regimes.Rewrite(0.5), "support_size", size=N, generations=generations, chains=3
        )

    run(2).save(tmp_path / "run.npz")
    back = mc.Run.load(tmp_path / "run.npz").extend(1)
    for name, values in run(3).trace.items():
        np.testing.assert_array_equal(back[name], values)


@FORMS
def test_exactly_so_many_places_stay(form: str) -> None:
    """What is drawn is marked by a token that the text lacks."""
    _, source = model(form, vocabulary=V + 1)
    whole = source.family.whole()

    @jax.jit
    def table(kept: jax.Array) -> jax.Array:
        def marked(n: Any, given: Any) -> Any:
            if isinstance(given, Places):
                return Places(jnp.full_like(given.tokens, V), given.passes, given.starts)
            return Transitions(jnp.zeros_like(given.counts).at[:, V].set(given.of_contexts))

        return whole.rewritten(jax.random.key(0), kept, marked).table(V + 1)

    for kept in (0, 3, N):
        seen = np.asarray(table(kept))
        assert seen[:, :V].sum() == kept
        assert (seen[:, :V] <= REAL).all()
        np.testing.assert_array_equal(seen.sum(1), REAL.sum(1))


def test_what_a_large_table_never_holds_is_what_a_small_one_has(monkeypatch: pytest.MonkeyPatch) -> None:
    """Diversity and losses by runs of sorted n-grams, and by counts."""
    numbers = jnp.array([0, 1, 2, 3, 1], jnp.int32), jnp.array([0, 2, 2, 1, 0], jnp.int32)

    def seen(form: str) -> list[Any]:
        family, source = model(form, smoothing=0.25)
        params = family.fit(jax.random.key(0), source.family.whole(), None)
        read = jax.jit(
            lambda p: [p.support_size, p.heterozygosity, p.entropy, p.of_next(*numbers), p.rows(numbers[0][:2])]
        )
        return read(params)

    small = seen("counts")
    monkeypatch.setattr(next_tokens, "CELLS", 0)
    for one, other in zip(small, seen("tokens"), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-12)
    p = (REAL + 0.25) / (REAL + 0.25).sum(1, keepdims=True)
    np.testing.assert_allclose(small[3], [p[0, 0], p[1, 2], p[2, 2], 1 / V, p[1, 0]])
    np.testing.assert_allclose(small[2], REAL.sum(1) / N @ -(p * np.log(p)).sum(1))


def test_passes_pool_as_counts_do() -> None:
    """Everything that was ever drawn: two passes and one, in either form, and a model that draws from all three."""
    family, source = model("tokens")
    one = source.family.whole()

    @jax.jit
    def pooled() -> tuple[jax.Array, jax.Array, jax.Array]:
        other = Places(one.tokens[:, ::-1], one.passes, one.starts)
        pool = (one.with_room(3 * N) | other) | one
        law = family.fit(jax.random.key(0), pool, None)
        keys = jax.random.split(jax.random.key(1), DRAWS)
        seen = jax.vmap(lambda key: counted(family.draw(key, law, N, N)))(keys).sum(0)
        return counted(pool), counted(other), seen

    pool, other, seen = map(np.asarray, pooled())
    np.testing.assert_array_equal(pool, 2 * REAL + other)
    for context in range(len(REAL)):
        agrees(seen[context], pool[context] / pool[context].sum())


def run(family: Any = None, source: Any = None, regime: Any = None, size: int = N, observe: Any = None) -> Any:
    family = families.NGram() if family is None else family
    source = mc.table(TEXT, replace=False) if source is None else source
    return lambda: mc.simulate(family, source, regime, observe, size=size, generations=1)


@pytest.mark.parametrize(("call", "words"), [
    (run(size=N + 1), (f"size must be {N}", "got 10", "prompts='random'")),
    (run(regime=regimes.FreshReal(0.1)), ("FreshReal", "part", "Rewrite(share)", "prompts='random'")),
    (run(regime=regimes.Mixture(0.9, 0.0, 0.1)), ("Mixture", "Rewrite(share)")),
    (run(regime=regimes.Retain(0.1)), ("Retain", "Rewrite(share)")),
    (run(regime=regimes.FixedReal(0.1)), ("FixedReal", "Rewrite(share)")),
    (run(families.NGram(prompts="random", form="tokens"), regime=regimes.Accumulate()), ("Accumulate", "form='counts'")),
    (run(source=mc.normal()), ("source must be a text", "Law")),
    (run(families.NGram(5)), ("at least 5 tokens", "got 4")),
    (run(families.NGram(vocabulary=2)), ("below the vocabulary 2", "got 2")),
    (run(source=mc.table(np.zeros((2, 4), int))), ("two different tokens", "token 0")),
    (run(families.NGram(strength=1.0, background=[0.5, 0.5])), ("background", "3 tokens", "got 2")),
    (run(observe=observables.cross_entropy(TEXT)), ("must be smoothed", "living_cross_entropy", "lost_share")),
    (run(observe=observables.perplexity(TEXT)), ("must be smoothed", "infinite")),
    (run(observe=observables.lost_share(TEXT + 5)), ("below the vocabulary", "got 7")),
    (lambda: families.NGram(smoothing=0.1, strength=1.0), ("at most one", "smoothing and strength")),
    (lambda: families.NGram(background=[1.0]), ("background", "strength or an interpolation")),
    (lambda: families.NGram(decoding=families.Sampled(repetition=2.0)), ("decoding", "seen so far", "context alone")),
    (lambda: families.NGram(prompts="free"), ("prompts", "'fixed' or 'random'", "'free'")),
    (lambda: families.NGram(0), ("order", "at least 1", "0")),
    (lambda: families.NGram(smoothing=-1.0), ("smoothing", "-1")),
    (lambda: families.NGram().draw(jax.random.key(0), None, 1, 1), ("knows no text yet",)),
])  # fmt: skip
def test_what_makes_no_sense_is_refused_by_name(call: Callable[[], Any], words: tuple[str, ...]) -> None:
    with pytest.raises((ValueError, TypeError)) as error:
        call()
    assert all(word in str(error.value) for word in words), error.value


def test_a_text_that_is_drawn_without_replacement_has_so_many_places_and_no_more() -> None:
    blocks = np.random.default_rng(0).integers(0, 6, (10, 8))
    random = mc.families.NGram(prompts="random")
    options = {"observe": "entropy", "generations": 1, "chains": 1}
    with pytest.raises(ValueError, match="size 140 exceeds the 70 places of a text drawn without replacement"):
        mc.simulate(random, mc.text.tokens(blocks, replace=False), size=140, **options)
    verified = mc.families.Verified(mc.families.NGram(form="counts", prompts="random"), lambda rows: rows[:, 0] > 0)
    with pytest.raises(TypeError, match=r"family must not be Verified\(NGram\): NGram reads a source in its own way"):
        mc.simulate(verified, mc.text.tokens(blocks), size=70, **options)
    law = random.reading(mc.text.tokens(blocks))
    with pytest.raises(ValueError, match="prompts must be 'random', as of the source, got 'fixed'"):
        mc.simulate(mc.families.NGram(), law, size=70, **options)


@pytest.mark.parametrize("form", ["counts", "tokens"])
def test_real_text_heals_a_model_after_a_change_of_regime(form: str) -> None:
    blocks = np.random.default_rng(0).integers(0, 6, (10, 8))
    run = mc.simulate(
        mc.families.NGram(form=form), mc.text.tokens(blocks, replace=False),
        mc.Switch(mc.Replace(), mc.regimes.Rewrite(1.0), 2), "heterozygosity", size=70, generations=2, chains=3,
    )  # fmt: skip
    first, changed, healed = run["heterozygosity"].T
    np.testing.assert_array_equal(healed, first)
    assert (changed != first).all()

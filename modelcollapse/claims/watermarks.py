"""Watermarks: a fixed key selects, a new one walks at random, sure text hides the mark, and what is not seen stays."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import jax
import jax.numpy as jnp
import numpy as np

from modelcollapse.addresses import fold
from modelcollapse.families import Discrete, Gumbel, NGram, Sampled, Watermarked
from modelcollapse.families.decoding import Past
from modelcollapse.families.ngram import NextTokens
from modelcollapse.families.watermark_seeds import green_counts, green_lists, gumbel_sums
from modelcollapse.regimes import Detected, Mixture
from modelcollapse.run import trace
from modelcollapse.sources import categorical, labels, table
from modelcollapse.verify import BoundedMean, Evidence, Formula, Lab, NominalMean, Proportion, Section
from modelcollapse_theory import detectors, exponential_minimum, screening, selection, watermarks

W = Section("N. watermarks", source="theory/derivations/watermarks.md", chains=20_000)
TEXT = np.repeat(np.arange(8), [12, 8, 6, 5, 4, 2, 2, 1])
SIZE, VOCABULARY = len(TEXT), 8
P = np.bincount(TEXT) / SIZE


def lists(key: int | jax.Array, previous: np.ndarray, vocabulary: int, share: float) -> jax.Array:
    """The green lists ``(n, vocabulary)`` that ``Watermarked`` has after each ``previous`` token."""
    return green_lists(jax.random.key(key, impl="threefry2x32"), jnp.asarray(previous, jnp.int32), vocabulary, share)


def mass_of(listed: np.ndarray) -> Callable[[NextTokens], jax.Array]:
    """The probability of some tokens, by number, after the only context of a unigram model."""

    def green_mass(params: NextTokens) -> jax.Array:
        return params.probabilities[0, jnp.asarray(listed)].sum()

    return green_mass


def first_token(params: NextTokens) -> jax.Array:
    """The probability of token 0 after the only context."""
    return params.probabilities[0, 0]


@W.claim(watermarks.green_chain, watermarks.green_mass, chains=8_000, tier="quick")
def a_fixed_key_selects(lab: Lab) -> Iterator[Evidence]:
    """under one key the green odds grow by e^delta each generation, by Wright and Fisher with selection"""
    key, share, shift, fits = 4, 0.25, 0.5, 4
    listed = np.flatnonzero(np.asarray(lists(key, np.array([-1]), VOCABULARY, share))[0])
    mass = float(P[listed].sum())
    count = np.arange(SIZE + 1) / SIZE
    family = NGram(1, decoding=Watermarked(Sampled(), share, shift, key))
    seen = lab.last("one key", family, labels(TEXT), observe=mass_of(listed), size=SIZE, fits=fits)
    exact = Formula(watermarks.green_chain, SIZE, fits, mass, shift, read=lambda law: law @ count)
    wrong = {
        "no mark": mass,
        "e^delta once": exact(fits=2),
        "odds of endless data": float(watermarks.green_mass(mass, shift, fits - 1)),
        "the first data set is marked too": exact(fits=fits + 1),
    }
    yield exact.against(BoundedMean(seen, 0, 1), f"mass of the list, {fits} fits", wrong)
    lost = Formula(watermarks.green_chain, SIZE, fits, mass, shift, read=lambda law: law[0])
    wrong = {"no mark": lost(shift=0.0), "endless data": 0.0, "as by the first data set": lost(fits=1)}
    yield lost.against(Proportion.of(seen == 0), "the list is lost all the same", wrong)


@W.claim(watermarks.walk_variance, watermarks.two_token_chain, chains=6_000)
def new_keys_walk_at_random(lab: Lab) -> Iterator[Evidence]:
    """new keys each generation give log ratios the variance 2 n delta^2 g(1-g) V/(V-1): text collapses at random"""
    words, listed, shift, marks, size = 5, 2, 0.5, 4, 10**6
    family = NGram(1, decoding=Watermarked(Sampled(), listed / words, shift, None), prompts="random", form="counts")

    def log_ratio(params: NextTokens) -> jax.Array:
        p = params.probabilities[0]
        return jnp.log(p[0]) - jnp.log(p[1])

    source = labels(np.arange(words))
    seen = lab.last("walk", family, source, observe=log_ratio, size=size, fits=marks + 1)
    exact = float(watermarks.walk_variance(marks, shift, listed, words))
    wrong = {
        "independent tokens: without V/(V - 1)": exact * (words - 1) / words,
        "one mark more": float(watermarks.walk_variance(marks + 1, shift, listed, words)),
        "one key in all generations": marks * exact,
        "one token's own variance": exact / 2,
    }
    # M draws add 2/(M p) for each fit, and the law of a token moves by e^(delta marks) at most
    noise = 2 * (marks + 1) * words * np.exp(shift * marks) / size
    yield Evidence(BoundedMean(seen**2, 0, (shift * marks + 0.1) ** 2), exact, wrong, "endless data", slack=noise)
    size, fits, p0, shift = 20, 4, 0.3, 1.0
    source = labels(np.repeat([0, 1], [6, 14]))
    family = NGram(1, decoding=Watermarked(Sampled(), 0.5, shift, None))
    seen = lab.last("two tokens", family, source, observe="heterozygosity", size=size, fits=fits)
    x = np.arange(size + 1) / size
    spread = Formula(watermarks.two_token_chain, size, fits, p0, shift, read=lambda law: law @ (2 * x * (1 - x)))
    one = watermarks.green_chain(size, fits, p0, shift), watermarks.green_chain(size, fits, 1 - p0, shift)
    wrong = {
        "no mark": 2 * p0 * (1 - p0) * (1 - 1 / size) ** fits,
        "one key in all generations": np.mean(one, 0) @ (2 * x * (1 - x)),
    }
    yield spread.against(BoundedMean(seen, 0, 0.5), "H of two tokens", wrong, early=1, late=1)


@W.claim(exponential_minimum.seeded_heterozygosity)
def a_fixed_seed_kills_a_context(lab: Lab) -> Iterator[Evidence]:
    """by an exponential minimum seeded by the previous token, a context is a point mass after one generation"""
    for key, what in ((3, "one key in all generations"), (None, "a new key each generation")):
        family = NGram(1, decoding=Gumbel(Sampled(), key))
        run = lab.run(what, family, labels(TEXT), observe=["heterozygosity", first_token], size=SIZE, fits=2)
        dead = Proportion.of(run["heterozygosity"][:, -1] == 0)
        exact = Formula(exponential_minimum.seeded_heterozygosity, 1 - P @ P, [SIZE], 2, read=lambda h: float(h == 0))
        yield exact.against(dead, f"point masses, {what}", {"seeds of their own": 0.0})
        if key is None:  # over keys the token has the probability that it had
            wrong = {"the most probable token": 1.0, "an even law": 1 / VOCABULARY, "half": P[0] / 2}
            yield Evidence(Proportion.of(run["first_token"][:, -1] == 1), P[0], wrong, "which token is left")
    fits = 6
    family = NGram(1, decoding=Gumbel(Sampled(), 3, per="block"))
    seen = lab.last("blocks", family, labels(TEXT), observe="heterozygosity", size=SIZE, fits=fits)
    exact = Formula(exponential_minimum.seeded_heterozygosity, 1 - P @ P, [1] * SIZE, fits)
    wrong = {"two draws share a seed": exact(groups=[2] * (SIZE // 2))}
    yield exact.against(BoundedMean(seen, 0, 1), "seeds for each block and place", wrong, early=1, late=1)


ROWS = np.array([[10, 10, 10, 10, 10, 10], [35, 10, 6, 4, 3, 2], [57, 1, 0, 1, 1, 0]])
"""How often each of 6 tokens follows each of 3 contexts: an even, a middling and a sharp law, 60 places each."""


def text_of_rows() -> np.ndarray:
    """Bigrams ``(180, 2)`` with these counts."""
    context, token = np.nonzero(ROWS)
    return np.repeat(np.stack([context, token], 1), ROWS[context, token], axis=0)


@W.claim(watermarks.marked_green, watermarks.marked_green_least, chains=4_000)
def marks_need_entropy(lab: Lab) -> Iterator[Evidence]:
    """a marked token is green with E[e^delta P/(1 + (e^delta - 1) P)] over lists: the surer the text, the fainter"""
    listed, shift = 2, 2.0
    words = ROWS.shape[1]
    # read once, outside of the program
    source = NGram(vocabulary=words, form="counts").reading(table(text_of_rows(), replace=False))
    previous = np.arange(len(ROWS))

    def marked(key: jax.Array) -> jax.Array:
        family = NGram(decoding=Watermarked(Sampled(), listed / words, shift, key), vocabulary=words, form="counts")
        green = lists(key, previous, words, listed / words)

        def share(params: NextTokens) -> jax.Array:
            return jnp.where(green, params.probabilities, 0.0).sum(1)

        seed, size = fold(jax.random.key(key), 1), len(text_of_rows())
        return trace(family, source, None, {"green": share}, size=size, generations=1, chains=1, seed=seed)["green"][
            0, 1
        ]

    seen = over_keys(lab, "keys of marks", marked)
    for row, name, green in zip(ROWS, ("even", "middling", "sharp"), seen.T, strict=True):
        exact = watermarks.marked_green(row / row.sum(), listed, shift)
        wrong = {"not marked": listed / words}
        if name != "even":
            wrong |= {"as after an even law": float(screening.green_rate(listed / words, shift))}
            wrong |= {"the lower bound": watermarks.marked_green_least(row / row.sum(), listed, shift)}
        if name == "sharp":
            wrong.pop("the lower bound")
        yield Evidence(BoundedMean(green, 0, 1), exact, wrong, f"green tokens after a {name} context")


def over_keys(lab: Lab, name: str, count: Callable[[jax.Array], jax.Array]) -> np.ndarray:
    """What ``count`` makes of as many watermark keys as the lab has chains."""
    keys = lab.random(name).integers(0, 2**31, lab.chains)
    return np.asarray(jax.jit(lambda keys: jax.lax.map(count, keys, batch_size=2_000))(jnp.asarray(keys, jnp.int32)))


def tail(pairs: int, count: int, green: float = 0.25) -> float:
    """P(Bin(pairs, green) >= count)."""
    return watermarks.marked_power(np.full(pairs, green), count)


@W.claim(watermarks.least_count, watermarks.z_rate, watermarks.green_count_law, chains=100_000)
def green_pairs_are_binomial_and_not_normal(lab: Lab) -> Iterator[Evidence]:
    """text that does not know the key has green pairs by the binomial law; fewer where one token leads to several"""
    words, pairs = 32, 24

    def greens(block: np.ndarray, share: float) -> Callable[[jax.Array], jax.Array]:
        def count(key: jax.Array) -> jax.Array:
            return green_counts(jax.random.key(key), jnp.asarray(block[None], jnp.int32), words, share)[1][0]

        return count

    seen = over_keys(lab, "different", greens(np.arange(pairs + 1), 0.25))
    count, rate = watermarks.least_count(pairs, 0.02, 0.25)
    near = {f"{c} of {pairs}": tail(pairs, c) for c in (count - 1, count + 1)}
    yield Evidence(Proportion.of(seen >= count), rate, near, f"at least {count} of {pairs} green")
    short, level = 1 / 16, 2.0
    seen = over_keys(lab, "short lists", greens(np.arange(pairs + 1), short))
    z = (seen - pairs * short) / np.sqrt(pairs * short * (1 - short))
    near = {"the normal tail": 0.02275, "half the pairs": float(watermarks.z_rate(pairs // 2, level, short))}
    yield Evidence(Proportion.of(z > level), float(watermarks.z_rate(pairs, level, short)), near, "z above 2")
    # 0 1 0 2 0 3 ...: the even places all follow 0, and each odd one a token of its own
    block = np.ravel(np.stack([np.zeros(13, int), np.arange(1, 14)], 1))[: pairs + 1]
    seen = over_keys(lab, "one leads to many", greens(block, 0.25))
    law = Formula(watermarks.green_count_law, [12] + [1] * 12, words, 8, read=lambda law: law[10:].sum())
    wrong = {"binomial": tail(pairs, 10), "two such tokens": law(followers=[12, 12])}
    yield law.against(Proportion.of(seen >= 10), "twelve tokens after one", wrong)


ZIPF = 1 / np.arange(1, 17) / (1 / np.arange(1, 17)).sum()


@W.claim(watermarks.marked_power, watermarks.least_pairs)
def marked_text_is_found_by_its_entropy(lab: Lab) -> Iterator[Evidence]:
    """the power of a green list is a Poisson-binomial tail of the row laws, and sharper text is found less often"""
    words, shift = len(ZIPF), 2.0
    powers = []
    for sharpness in (1.0, 2.0, 3.0):
        law = ZIPF**sharpness / (ZIPF**sharpness).sum()
        chance = watermarks.marked_green(law, words // 4, shift)
        powers.append((sharpness, law, chance))
    pairs, count = watermarks.least_pairs(0.9, 0.01, 0.25, powers[0][2])
    exact = {sharpness: tail(pairs, count, chance) for sharpness, _, chance in powers}
    for sharpness, law, _ in powers:

        def greens(key: jax.Array, law: np.ndarray = law) -> jax.Array:
            decoding, previous = Watermarked(Sampled(), 0.25, shift, key), jnp.arange(pairs, dtype=jnp.int32)
            past = Past(jax.random.key(0), None, previous, jnp.int32(0))
            logits = jnp.broadcast_to(jnp.log(jnp.asarray(law)), (pairs, words))
            token = decoding.pick(fold(jax.random.key(key), 1), decoding.scores(logits, past), past)
            green = green_lists(jax.random.key(key), previous, words, 0.25)
            return jnp.take_along_axis(green, token[:, None], 1).sum(dtype=jnp.int32)

        seen = over_keys(lab, f"marked {sharpness}", greens)
        wrong = {f"of the law to the power {other:g}": p for other, p in exact.items() if other != sharpness}
        even = float(screening.green_rate(0.25, shift))
        wrong |= {"as an even law": tail(pairs, count, even), "not marked": tail(pairs, count)}
        yield Evidence(Proportion.of(seen >= count), exact[sharpness], wrong, f"power {sharpness:g} of Zipf's law")


@W.claim(
    exponential_minimum.score_rate, exponential_minimum.least_score, exponential_minimum.marked_score,
    exponential_minimum.score_power, exponential_minimum.marked_score_least, exponential_minimum.least_score_pairs,
)  # fmt: skip
def gumbel_scores_grow_with_entropy(lab: Lab) -> Iterator[Evidence]:
    """the score of an exponential minimum is a Gamma sum in unmarked text, and its power that of the row law"""
    law, rate = np.array([0.5, 0.25, 0.15, 0.1]), 0.01
    words, pairs = len(law), exponential_minimum.least_score_pairs(0.7, rate, law)
    level = float(exponential_minimum.least_score(pairs, rate))

    def score(key: jax.Array, block: jax.Array) -> jax.Array:
        return gumbel_sums(jax.random.key(key), block[None], words, "place")[1][0]

    def marked(key: jax.Array) -> jax.Array:
        decoding = Gumbel(Sampled(), key, per="place")

        def step(previous: jax.Array, place: jax.Array) -> tuple[jax.Array, jax.Array]:
            past = Past(jax.random.key(0), None, previous, place)
            token = decoding.pick(jax.random.key(0), decoding.scores(jnp.log(jnp.asarray(law)), past), past)
            return token, token

        first = jnp.int32(0)
        _, tokens = jax.lax.scan(step, first, jnp.arange(1, pairs + 1, dtype=jnp.int32))
        return score(key, jnp.append(first, tokens))

    plain = over_keys(lab, "unmarked", lambda key: score(key, jnp.arange(pairs + 1, dtype=jnp.int32) % words))
    wrong = {f"Gamma({n})": float(exponential_minimum.score_rate(n, level)) for n in (pairs - 1, pairs + 1)}
    exact = float(exponential_minimum.score_rate(pairs, level))
    yield Evidence(Proportion.of(plain >= level), exact, wrong, "unmarked text above the threshold")
    seen = over_keys(lab, "marked", marked)
    power = Formula(exponential_minimum.score_power, law, pairs, level)
    wrong = {"a pair fewer": power(pairs=pairs - 1), "an even law": power(probabilities=np.full(words, 1 / words))}
    yield power.against(Proportion.of(seen >= level), "power", wrong | {"not marked": rate})
    mean, _ = exponential_minimum.marked_score(law, pairs)
    least = exponential_minimum.marked_score_least(-(law * np.log(law)).sum(), pairs)
    yield Evidence(
        NominalMean(seen),
        float(mean),
        {"unmarked": pairs, "the bound by the entropy": float(least)},
        "mean score",
    )


@W.claim(screening.screened_limit, selection.detected_share, detectors.refilled, chains=4_000)
def what_is_not_seen_fills_the_loop(lab: Lab) -> Iterator[Evidence]:
    """a detector that misses one token lets it grow to the share of a Perron vector; a coin is a mixture with g'"""
    p = np.array([0.4, 0.2, 0.14, 0.1, 0.08, 0.04, 0.02, 0.02])
    found = np.full(8, 0.9)
    found[-1] = 0.2
    size, share, fits = 10**6, 0.3, 80
    pool = Mixture(1 - share, 0.0, share)
    seen = lab.last(
        "blind spot", Discrete(), categorical(p), Detected(pool, found, 0.0), "probabilities", size=size, fits=fits
    )
    exact = float(screening.screened_limit(p, share, found, 0.0)[-1])
    wrong = {
        "its real share": p[-1],
        "no real data": 1.0,
        "after three fits": float(screening.screened_laws(p, share, found, 0.0, 3)[-1, -1]),
        "as in one generation's pool": float(screening.screened_laws(p, share, found, 0.0, 2)[-1, -1]),
    }
    yield Evidence(BoundedMean(seen[:, -1], 0, 1), exact, wrong, "the token that is not seen", slack=1e-4)
    size, fits, share, true, false = 20, 9, 0.2, 0.8, 0.1
    coin = Detected(Mixture(1 - share, 0.0, share), true, false)
    seen = lab.last("a coin", Discrete(), categorical(p), coin, "heterozygosity", size=size, fits=fits)
    kept = Formula(detectors.refilled, size, fits, share, true, false, read=lambda v: (1 - v) * (1 - p @ p))
    wrong = {
        "no detector": kept(true_positive=0.0, false_positive=0.0),
        "all real": (1 - 1 / size) * (1 - p @ p),
    }
    yield kept.against(BoundedMean(seen, 0, 1), "H under a coin, refilled", wrong)

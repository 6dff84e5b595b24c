"""Language models: an n-gram model in the loop, with smoothing, with random prompts, kept in part, and decoded."""

from __future__ import annotations

import math
from collections.abc import Iterator

import jax
import numpy as np

from modelcollapse import observables
from modelcollapse.families import NGram, Sampled
from modelcollapse.families.ngram import NextTokens
from modelcollapse.laws import Table
from modelcollapse.regimes import Rewrite
from modelcollapse.run import Run
from modelcollapse.sources import labels
from modelcollapse.text import tokens
from modelcollapse.verify import BoundedMean, Evidence, Formula, Lab, Proportion, Section
from modelcollapse.verify.formula import Misses
from modelcollapse.verify.lab import shared
from modelcollapse_theory import (
    decoding,
    language,
    replacement,
    rewriting,
    support,
    text_losses,
    workflows,
)

M = Section("M. language models", source="theory/derivations/language.md", chains=40_000)

# a text of one context: 60 tokens of 20 words
COUNTS = np.array([12, 8, 6, 5, 4, 4, 3, 3, 2, 2, 2, 2, 1, 1, 1, 1, 1, 1, 1, 0])
WORDS, SIZE, LAMBDA, FITS = COUNTS.size, int(COUNTS.sum()), 0.5, 6
P = COUNTS / SIZE
G = WORDS * LAMBDA / (SIZE + WORDS * LAMBDA)


def text(counts: np.ndarray, replace: bool = True) -> Table:
    """One text with so many of each word."""
    return labels(np.repeat(np.arange(counts.size), counts), replace=replace)


@shared
def smoothed(lab: Lab) -> Run:
    """Fits to one context with lambda added to each count: the loss of its own real text, and its distinct words."""
    block = np.repeat(np.arange(WORDS), COUNTS)[None]
    observe = {"loss": observables.cross_entropy(block), "words": "support_size"}
    model = NGram(order=1, smoothing=LAMBDA, vocabulary=WORDS)
    return lab.run("smoothed", model, text(COUNTS), observe=observe, size=SIZE, fits=FITS)


def loss_of(mutation: float, background: np.ndarray, fits: int = FITS) -> float:
    """The mean loss of the text where a draw mutates with this chance."""
    logs = language.expected_log(P[P > 0], SIZE, fits, mutation, background[P > 0])
    return float(-(P[P > 0] @ logs))


UNIFORM = np.full(WORDS, 1 / WORDS)
SMOOTHINGS = {
    "g = lambda V/M": (WORDS * LAMBDA / SIZE, UNIFORM),
    "g = lambda/(M + V lambda)": (LAMBDA / (SIZE + WORDS * LAMBDA), UNIFORM),
    "background p_0, the fresh-data law": (G, P),
}


@M.claim(language.expected_log, language.smoothing_mutation, language.perplexity_bound)
def smoothed_loss(lab: Lab) -> Evidence:
    """E CE_n of real text under add-lambda is the sum over words of a chain of one count with mutation"""
    loss = smoothed(lab)["loss"][:, -1]
    wrong = {name: loss_of(*smoothing) for name, smoothing in SMOOTHINGS.items()}
    wrong["one generation early"] = loss_of(G, UNIFORM, fits=FITS - 1)
    wrong["log E exp(CE) for E CE"] = log_mean_perplexity(lab)
    most = np.log((SIZE + WORDS * LAMBDA) / LAMBDA)  # no word has a smaller probability
    return Evidence(BoundedMean(loss, 0, most), loss_of(G, UNIFORM), wrong, f"{FITS} fits")


def log_mean_perplexity(lab: Lab) -> float:
    """The logarithm of the mean perplexity of the same chain, drawn by NumPy."""
    random = lab.random("perplexity")
    counts = random.multinomial(SIZE, np.tile(P, (20_000, 1)))
    for _ in range(FITS - 1):
        counts = random.multinomial(SIZE, (counts + LAMBDA) / (SIZE + WORDS * LAMBDA))
    loss = -np.log((counts + LAMBDA) / (SIZE + WORDS * LAMBDA)) @ P
    return float(np.log(np.exp(loss).mean()))


@M.claim(language.present, language.smoothing_mutation)
def smoothed_distinct(lab: Lab) -> Evidence:
    """The mean number of distinct n-grams under add-lambda is the sum of P(X_n > 0)"""
    seen = smoothed(lab)["words"][:, -1]

    def words(mutation: float, background: np.ndarray, fits: int = FITS) -> float:
        return float(language.present(P, SIZE, fits, mutation, background).sum())

    wrong = {name: words(*smoothing) for name, smoothing in SMOOTHINGS.items()}
    wrong["no smoothing"] = words(0.0, UNIFORM)
    wrong["one fit"] = words(G, UNIFORM, 1)
    return Evidence(BoundedMean(seen, 0, WORDS), words(G, UNIFORM), wrong, f"{FITS} fits")


# --- random prompts ---------------------------------------------------------------------------------------------------

# context 0 is a tenth of all places and has three next tokens; context 1 has one
RARE, COMMON, PLACES, WEIGHT = [10, 7, 3], 180, 40, 0.1


def lost(params: NextTokens) -> jax.Array:
    """Whether the rarest token of context 0 is lost."""
    return params.probabilities[0, 2] == 0


@shared
def visited(lab: Lab) -> Run:
    blocks = np.repeat([[0, 0], [0, 1], [0, 2], [1, 1]], [*RARE, COMMON], axis=0)
    observe = {"heterozygosity": "heterozygosity", "lost": lost}
    model = NGram(order=2, prompts="random", form="counts")
    return lab.run("visited", model, tokens(blocks), observe=observe, size=PLACES, fits=3)


@M.claim(rewriting.random_prompts_heterozygosity, rewriting.random_prompts_lost, chains=60_000)
def random_prompts(lab: Lab) -> Iterator[Evidence]:
    """With prompts drawn anew a context has Bin(N, w) tokens a generation, and keeps its law where it has none"""
    run, law, fits = visited(lab), np.array(RARE) / sum(RARE), 3
    h0, expected = replacement.heterozygosity(law), PLACES * WEIGHT
    exact = Formula(rewriting.random_prompts_heterozygosity, law, PLACES, WEIGHT, fits)
    seen = BoundedMean(run["heterozygosity"][:, -1], 0, WEIGHT * (1 - 1 / 3))
    f = exact(fits=1) / h0
    empty = (1 - WEIGHT) ** PLACES
    wrong = {
        "1 - 1/(N w)": WEIGHT * h0 * (1 - 1 / expected) ** fits,
        "M - 1 for M": WEIGHT * h0 * (1 - _inverse()) ** fits,
        "an empty context has lost all": WEIGHT * h0 * (f - empty) ** fits,
        "one generation early": WEIGHT * exact(fits=fits - 1),
    }
    yield Evidence(seen, WEIGHT * exact(), wrong, "heterozygosity")
    q = law[2]
    chance = Formula(rewriting.random_prompts_lost, q, PLACES, WEIGHT, fits)
    near = {
        "N w tokens each time": float(support.absent_probability(q, int(expected), fits)),
        "one generation early": chance(fits=fits - 1),
        "one token more": float(support.absent_probability(q, int(expected) + 1, fits)),
    }
    yield Evidence(Proportion.of(run["lost"][:, -1]), chance(), near, "a token of the context is lost")


def _inverse() -> float:
    """E 1/(M - 1) over M >= 2, M the tokens of the context."""
    return sum(math.comb(PLACES, m) * WEIGHT**m * (1 - WEIGHT) ** (PLACES - m) / (m - 1) for m in range(2, PLACES + 1))


# --- generated text under model 0 -------------------------------------------------------------------------------------


@M.claim(text_losses.own_loss, text_losses.own_loss_variances, decoding.tempered_own_loss)
def own_loss(lab: Lab) -> Iterator[Evidence]:
    """Under pure sampling the mean loss of generated text under model 0 is constant, and its variance grows"""
    own, fits = observables.own_cross_entropy(), 6
    first = text(COUNTS, replace=False)  # model 0 is the law of the text
    seen = lab.last("own", NGram(order=1, vocabulary=WORDS), first, observe=own, size=SIZE, fits=fits + 1)
    h = float(text_losses.own_loss(P, 1))
    most = -np.log(P[P > 0].min())
    tempered = decoding.tempered_own_loss(P, 0.9, fits - 1)
    seen_words, uniform = P[P > 0], np.full(int((P > 0).sum()), 1 / (P > 0).sum())
    wrong = {
        "temperature 0.9": tempered,
        "smoothing on": text_losses.own_loss(seen_words, fits, G, uniform),
        "the loss of a model that has lost words": h - text_losses.excess_loss(WORDS - 2, SIZE, 1),
    }
    yield Evidence(BoundedMean(seen, 0, most), h, wrong, "mean")
    exact = Formula(text_losses.own_loss_variances, P, SIZE, fits, at=(0,))
    spread = BoundedMean((seen - h) ** 2, 0, max(h, most - h) ** 2)
    yield exact.against(spread, "variance between chains", early=1, late=1, diploid=True)


# --- a share of places kept -------------------------------------------------------------------------------------------

KEPT, WHOLE = 3, np.array([4, 3, 2, 2, 1])


def single_lost(params: NextTokens) -> jax.Array:
    """Whether the word that the text has once is lost."""
    return params.probabilities[0, 4] == 0


@M.claim(rewriting.rewritten_heterozygosity, rewriting.rewritten, chains=60_000)
def kept_in_place(lab: Lab) -> Iterator[Evidence]:
    """A share of real tokens kept in place holds diversity up: H' = k2 H_0 + (1-1/n)(k1 H_0 + k0 H)"""
    size, fits = int(WHOLE.sum()), 4
    run = lab.run(
        "kept", NGram(order=1, form="counts"), text(WHOLE), Rewrite(KEPT / size),
        {"heterozygosity": "heterozygosity", "lost": single_lost}, size=size, fits=fits,
    )  # fmt: skip
    exact = Formula(rewriting.rewritten_heterozygosity, WHOLE, KEPT, size, fits)
    h0 = replacement.heterozygosity(WHOLE / size)
    seen = BoundedMean(run["heterozygosity"][:, -1], 0, 1 - 1 / WHOLE.size)
    wrong: Misses = {
        "real tokens drawn afresh": h0 * (1 - workflows.fresh_counts(size, fits - 1, KEPT)),
        "places kept for good": h0 * (1 - workflows.fixed_set(size, fits - 1, KEPT)),
        "no 1 - 1/n on the cross term": h0 * _no_factor(fits - 1),
    }
    yield exact.against(seen, "heterozygosity", wrong)
    chance = Formula(rewriting.rewritten, "present", 1, size, fits, KEPT, size, read=lambda p: 1 - float(p))
    near = {
        "none kept": chance(kept=0),
        "one generation early": chance(fits=fits - 1),
    }
    yield Evidence(Proportion.of(run["lost"][:, -1]), chance(), near, "a word that occurs once is lost")


def _no_factor(rewritings: int) -> float:
    size, left = int(WHOLE.sum()), 1.0
    both, one, none = KEPT * (KEPT - 1), 2 * KEPT * (size - KEPT), (size - KEPT) * (size - KEPT - 1)
    for _ in range(rewritings):
        left = (both + one + (1 - 1 / size) * none * left) / (size * (size - 1))
    return left


# --- decoding ---------------------------------------------------------------------------------------------------------

LAW = np.array([0.4, 0.3, 0.2, 0.1])
MANY = 20_000


@M.claim(decoding.nucleus, decoding.min_p, decoding.greedy, decoding.tempered_own_loss, chains=4_000)
def decoding_maps(lab: Lab) -> Iterator[Evidence]:
    """Greedy and min-p do their damage at once, top-p goes on to a fixed point, temperature without end"""
    source = text(np.rint(LAW * MANY).astype(int), replace=False)

    def words(name: str, how: Sampled, generations: int) -> np.ndarray:
        model = NGram(order=1, decoding=how)
        return lab.last(name, model, source, observe="support_size", size=MANY, fits=generations + 1)

    # each cut is decided by 9 standard deviations of a frequency and more
    for kind, how, generations, left, other in (
        ("greedy", Sampled(temperature=0.0), 1, decoding.greedy(LAW), 4),
        ("min-p", Sampled(min_p=0.4), 3, decoding.min_p(LAW, 0.4), 2),
    ):
        alive = int(np.count_nonzero(left))
        seen = Proportion.of(words(kind, how, generations) == alive)
        yield Evidence(seen, 1.0, {f"{other} words are left": 0.0}, f"{kind} leaves {alive} words", slack=1e-9)
    sizes = decoding.nucleus(LAW, 0.75, [1, 2, 5])[0]
    for generations, alive in zip((1, 2, 5), sizes.tolist(), strict=True):
        seen = Proportion.of(words("top-p", Sampled(top_p=0.75), generations) == alive)
        yield Evidence(seen, 1.0, {"one cut too many or too few": 0.0}, f"top-p, generation {generations}", slack=1e-9)
    tau, generations = 0.8, 2
    model = NGram(order=1, decoding=Sampled(temperature=tau))
    own = observables.own_cross_entropy()
    loss = lab.last("tempered", model, source, observe=own, size=MANY, fits=generations + 1)
    exact = Formula(decoding.tempered_own_loss, LAW, tau, generations)
    wrong = {
        "pure sampling": exact(temperature=1.0),
        "one generation early": exact(generations=generations - 1),
        "tau for 1/tau": exact(temperature=1 / tau),
    }
    # the curvature of the loss in the frequencies, summed over their variances
    slack = LAW.size * generations / MANY
    yield exact.against(BoundedMean(loss, 0, -np.log(LAW.min())), f"own loss at temperature {tau}", wrong, slack=slack)


# --- free-running text ------------------------------------------------------------------------------------------------

BIGRAM = np.array(
    [
        [0.05, 0.35, 0.25, 0.15, 0.12, 0.08],
        [0.40, 0.05, 0.25, 0.15, 0.10, 0.05],
        [0.35, 0.30, 0.05, 0.15, 0.10, 0.05],
        [0.30, 0.30, 0.20, 0.05, 0.10, 0.05],
        [0.30, 0.25, 0.20, 0.15, 0.05, 0.05],
        [0.30, 0.25, 0.20, 0.15, 0.05, 0.05],
    ]
)
BLOCKS, LENGTH = 4, 33


@M.claim(rewriting.random_prompts_heterozygosity, chains=10_000)
def free_running(lab: Lab) -> Evidence:
    """Where the model makes its own contexts, one of 12 visits a generation loses diversity faster than under real
    prompts
    """
    values = np.linalg.matrix_power(BIGRAM, 200)[0]
    random, fits, word = lab.random("free"), 8, 4
    rows = np.tile(BIGRAM, (lab.chains, 1, 1))
    first = random.choice(6, size=(lab.chains, BLOCKS), p=values)
    for _ in range(fits):
        rows = _refitted(random, rows, first)
    seen = BoundedMean(1 - (rows[:, word] ** 2).sum(-1), 0, 1 - 1 / 6)
    guide = Formula(
        rewriting.random_prompts_heterozygosity, BIGRAM[word], BLOCKS * (LENGTH - 1), float(values[word]), fits
    )
    wrong = {"no loss": guide(fits=0), "one refit": guide(fits=1), "half the refits": guide(fits=fits // 2)}
    # an inequality that is seen, not proved; a context of 4 visits is soon never visited again, and keeps what it has
    return Evidence(seen, guide() / 2, wrong, "between 0 and the guide of real prompts", slack=guide() / 2)


def _refitted(random: np.random.Generator, rows: np.ndarray, first: np.ndarray) -> np.ndarray:
    """Bigram models fitted to blocks of their own; a context that does not occur keeps its row."""
    chain = np.arange(len(rows))[:, None]
    counts, at = np.zeros(rows.shape), first
    for _ in range(LENGTH - 1):
        u = random.random(at.shape)
        new = np.minimum((rows[chain, at].cumsum(-1) <= u[..., None]).sum(-1), 5)
        np.add.at(counts, (chain, at, new), 1.0)
        at = new
    total = counts.sum(-1, keepdims=True)
    return np.where(total > 0, counts / np.maximum(total, 1), rows)

"""n-gram models: each context of a text is a chain of its own, so that what is summed over n-grams has an exact mean.

A generation goes once through the text (fixed prompts), and all of its tokens are drawn (``Replace``), or all but a
share of places, which keep theirs (``Rewrite``); or contexts are drawn anew (random prompts, without smoothing). Tokens
are drawn from the model's law itself, not decoded.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import numpy as np
import scipy
from numpy.typing import ArrayLike

from modelcollapse import observables, regimes
from modelcollapse.families import NGram
from modelcollapse.families.next_tokens import CELLS
from modelcollapse.families.real_text import RealText, ngrams
from modelcollapse.families.transitions import Transitions
from modelcollapse.laws import Table
from modelcollapse.observables.language import CrossEntropy, OwnCrossEntropy, Perplexity
from modelcollapse.observables.ngrams import LostShare
from modelcollapse.predict.prediction import Function
from modelcollapse.predict.registry import Answer, Key, prediction
from modelcollapse.predict.setting import Setting, needed
from modelcollapse_theory import language, rewriting, text_losses

WORK = 4e9
"""How many numbers the chains of all n-grams may compute: some seconds."""
KEPT = 500
"""The most tokens of a context where a share of the text is kept in place."""
VISITS = 600
"""The most tokens of a context with random prompts."""


@dataclasses.dataclass(frozen=True)
class NGrams:
    """n-grams of a text, all vectors ``(E,)``; those of one context that the text lacks are one entry, if alike."""

    context: np.ndarray
    count: np.ndarray  # in the real text
    size: np.ndarray  # places of the context
    mutation: np.ndarray  # g
    background: np.ndarray  # u of the token
    times: np.ndarray  # how many tokens the entry stands for

    def of(self, entries: np.ndarray) -> NGrams:
        """Some of them."""
        return NGrams(*(part[entries] for part in dataclasses.astuple(self)))

    @property
    def share(self) -> np.ndarray:
        """p_0."""
        return self.count / self.size

    @property
    def fitted(self) -> np.ndarray:
        """Their probability to a model that was fitted to the text itself."""
        return (1 - self.mutation) * self.share + self.mutation * self.background


@dataclasses.dataclass(frozen=True)
class TextCounts:
    """What the rules read of a process: sizes (C,), mutation (C,), u (V,) or None, and the n-grams of the real text."""

    sizes: np.ndarray
    mutation: np.ndarray
    background: np.ndarray | None
    vocabulary: int
    context: np.ndarray  # (D,), as the next two: different n-grams
    token: np.ndarray
    count: np.ndarray

    @property
    def weights(self) -> np.ndarray:
        """Share of each context."""
        return self.sizes / self.sizes.sum()

    def of(self, token: np.ndarray) -> np.ndarray:
        """u of some tokens."""
        return np.full(token.shape, 1 / self.vocabulary) if self.background is None else self.background[token]

    def all_ngrams(self) -> NGrams:
        """All C V n-grams; without smoothing those that the text lacks never come, and are left out."""
        context, count, times = self.context, self.count, np.ones(self.count.size)
        u = self.of(self.token)
        if self.mutation.any() and self.background is None:
            missing = self.vocabulary - np.bincount(context, minlength=self.sizes.size)
            number = np.arange(self.sizes.size)
            context, times = np.append(context, number), np.append(times, missing)
            count, u = np.append(count, 0 * number), np.append(u, np.full(number.size, 1 / self.vocabulary))
        elif self.mutation.any():
            cells = self.rows()
            context, token = (part.ravel() for part in np.indices(cells.shape))
            count, u, times = cells.ravel(), self.of(token), np.ones(cells.size)
        return self.entries(context, count, u, times)

    def entries(self, context: np.ndarray, count: np.ndarray, u: np.ndarray, times: np.ndarray) -> NGrams:
        """N-grams with what their contexts say."""
        return NGrams(context, count, self.sizes[context], self.mutation[context], u, times)

    def rows(self) -> np.ndarray:
        """Counts ``(C, V)``."""
        needed(self.sizes.size * self.vocabulary <= CELLS)
        table = np.zeros((self.sizes.size, self.vocabulary))
        table[self.context, self.token] = self.count
        return table


def text(s: Setting) -> TextCounts:
    """NotCovered where tokens are decoded."""
    needed(s.family.decoding is None)
    real = s.family.text
    sizes = np.diff(np.asarray(real.starts)).astype(np.int64)
    if isinstance(real.data, Transitions):
        counts = np.asarray(real.data.counts)
        context, token = np.nonzero(counts)
        count = counts[context, token]
    else:
        places = np.repeat(np.arange(sizes.size), sizes)
        (context, token), count = np.unique(
            np.stack([places, np.asarray(real.data.tokens[0])[: sizes.sum()]]), axis=1, return_counts=True
        )
    u = None if s.family.background is None else np.asarray(s.family.background, np.float64)
    u = None if u is None else u / u.sum()
    return TextCounts(sizes, _mutation(s.family, real.vocabulary, sizes), u, real.vocabulary, context, token, count)


def _mutation(family: NGram, vocabulary: int, sizes: np.ndarray) -> np.ndarray:
    if family.interpolation is not None:
        return np.full(sizes.shape, float(family.interpolation))
    added = vocabulary * float(family.smoothing)
    return language.smoothing_mutation(sizes, added if family.strength is None else float(family.strength))


def drawn(s: Setting) -> bool:
    """Whether the first data set is drawn, and not the text itself."""
    if type(s.regime) is regimes.Rewrite:
        return False
    if isinstance(s.source, Table):
        return bool(s.source.replace)
    needed(type(s.source.family) is RealText)
    return bool(s.source.family.replace)


def fixed(s: Setting) -> bool:
    """Whether prompts are the same in each generation."""
    return s.family.prompts == "fixed"


def kept(s: Setting) -> int:
    """How many places keep their token."""
    return s.items(s.regime.share) if type(s.regime) is regimes.Rewrite else 0


def rewritten(s: Setting) -> bool:
    """Whether some of the text is kept as it was."""
    return fixed(s) and kept(s) > 0


def redrawn(s: Setting) -> bool:
    """Whether all of the text is drawn again."""
    return fixed(s) and kept(s) == 0


BOTH = (regimes.Replace, regimes.Rewrite)

# --- what is summed over n-grams --------------------------------------------------------------------------------------

AtText = Callable[[NGrams], np.ndarray]
WHAT: dict[str, AtText] = {
    "present": lambda e: (e.count > 0).astype(np.float64),
    "log": lambda e: np.log(e.fitted),
    "entropy": lambda e: scipy.special.entr(e.fitted),
    "square": lambda e: e.fitted**2,
}


def _redrawn(s: Setting, theorem: Function, what: str, e: NGrams) -> np.ndarray:
    """Means ``(fits, E)``: of fit n to a drawn text, or of fit n - 1 where the first is to the text itself."""
    chains = np.unique(np.stack([e.size, e.mutation, np.where(e.mutation > 0, e.background, 0)]), axis=1)[0]
    needed(7 * (chains**1.5).sum() * (30 + s.fits.max()) <= WORK)
    count = s.fits - (not drawn(s))
    found = np.repeat(WHAT[what](e)[None], count.size, 0)
    if (count > 0).any():
        first = e.share if drawn(s) else e.fitted
        found[count > 0] = theorem(first, e.size, count[count > 0], e.mutation, e.background)
    return found


def _rewritten(s: Setting, theorem: Function, what: str, e: NGrams) -> np.ndarray:
    """Means ``(fits, E)`` where places keep their token."""
    needed(e.size.max() <= KEPT)
    sizes, numbers = np.unique(np.stack([e.size, e.mutation]), axis=1)[0], np.unique(e.background).size
    needed(7 * (sizes**2.5).sum() * numbers * s.fits.max() <= WORK)
    return theorem(what, e.count, e.size, s.fits, kept(s), s.size, e.mutation, e.background)


Means = Callable[[Setting, Function, str, NGrams], np.ndarray]


def _entropy(s: Setting, theorem: Function, means: Means) -> np.ndarray:
    t = text(s)
    e = t.all_ngrams()
    return means(s, theorem, "entropy", e) @ (e.times * t.weights[e.context])


def _support(s: Setting, theorem: Function, means: Means) -> np.ndarray:
    e = text(s).all_ngrams()
    return means(s, theorem, "present", e) @ e.times


def _cross_entropy(s: Setting, theorem: Function, means: Means) -> np.ndarray:
    """Mean loss of the blocks of the observable."""
    t = text(s)
    needed(t.mutation.all())  # else a lost n-gram has an infinite loss
    e, times, unknown = _evaluated(s, t)
    needed((e.background > 0).all())
    found = np.full(s.fits.size, -np.log(e.background[unknown]) @ times[unknown])
    known = e.of(~unknown)
    return found if unknown.all() else found - means(s, theorem, "log", known) @ times[~unknown]


def _lost_share(s: Setting, theorem: Function, means: Means) -> np.ndarray:
    """The mean share of tokens of the blocks that have probability 0, without smoothing."""
    t = text(s)
    needed(not t.mutation.any())
    e, times, unknown = _evaluated(s, t)
    known = e.of(~unknown)
    lost = np.full(s.fits.size, times[unknown].sum())
    return lost if unknown.all() else lost + (1 - means(s, theorem, "present", known)) @ times[~unknown]


def _evaluated(s: Setting, t: TextCounts) -> tuple[NGrams, np.ndarray, np.ndarray]:
    """The n-grams of the blocks of the observable, their shares, and which have a context that the text lacks."""
    blocks = ngrams("blocks", np.asarray(s.observable.blocks), s.family.order)
    grams, times = np.unique(blocks, axis=0, return_counts=True)
    place = {tuple(row): i for i, row in enumerate(np.asarray(s.family.text.contexts).tolist())}
    context = np.array([place.get(tuple(row), -1) for row in grams[:, :-1].tolist()])
    count = _counts_of(t, context, grams[:, -1])
    e = t.entries(np.maximum(context, 0), count, t.of(grams[:, -1]), np.ones(count.size))
    return e, times / times.sum(), context < 0


def _counts_of(t: TextCounts, context: np.ndarray, token: np.ndarray) -> np.ndarray:
    """How often the real text has each n-gram, 0 for those that it lacks."""
    known = dict(zip(zip(t.context.tolist(), t.token.tolist(), strict=True), t.count.tolist(), strict=True))
    return np.array([known.get(pair, 0) for pair in zip(context.tolist(), token.tolist(), strict=True)])


SUMMED: tuple[tuple[Key, Function, Callable[[Setting, Function, Means], np.ndarray], str], ...] = (
    (observables.entropy, language.expected_entropy_part, _entropy, "sum_c w_c sum_a E[-p_n log p_n]"),
    (observables.support_size, language.present, _support, "sum over n-grams of P(X_n > 0)"),
    (CrossEntropy, language.expected_log, _cross_entropy, "-sum v(c,a) E log p_n(a|c)"),
    (LostShare, language.present, _lost_share, "sum v(c,a) P(X_n(c,a) = 0)"),
)  # fmt: skip

for _key, _theorem, _sum, _formula in SUMMED:

    @prediction(_key, _theorem, family=NGram, regime=BOTH, where=redrawn, formula=_formula)
    def _(s: Setting, theorem: Function, of: Callable[..., np.ndarray] = _sum) -> ArrayLike:
        return of(s, theorem, _redrawn)

    @prediction(_key, rewriting.rewritten, family=NGram, regime=regimes.Rewrite, where=rewritten, formula=_formula)
    def _(s: Setting, theorem: Function, of: Callable[..., np.ndarray] = _sum) -> ArrayLike:
        return of(s, theorem, _rewritten)


def _bound(loss: Function, where: Callable[[Setting], bool], means: Means) -> None:
    @prediction(
        Perplexity, language.perplexity_bound, loss, family=NGram, regime=BOTH, where=where,
        formula="exp(E CE_n), below E exp(CE_n)",
    )  # fmt: skip
    def _(s: Setting, bound: Function, loss: Function) -> Answer:
        return Answer(bound(_cross_entropy(s, loss, means)), kind="lower bound")


_bound(language.expected_log, redrawn, _redrawn)
_bound(rewriting.rewritten, rewritten, _rewritten)

# --- two draws from one context ---------------------------------------------------------------------------------------


@prediction(
    observables.heterozygosity, language.expected_heterozygosity, family=NGram, regime=BOTH, where=redrawn,
    formula="sum_c w_c E H(p_n(.|c)), by F' = 1/M + (1-1/M)[(1-g)^2 F + 2g(1-g) sum u E X_n/M + g^2 sum u^2]",
)  # fmt: skip
def _(s: Setting, expected_heterozygosity: Function) -> ArrayLike:
    t, count = text(s), s.fits - (not drawn(s))
    rows, found = t.rows(), np.zeros(s.fits.size)
    uniform = np.full(t.vocabulary, 1 / t.vocabulary)
    u = uniform if t.background is None else t.background
    for row, size, g, weight in zip(rows, t.sizes.tolist(), t.mutation.tolist(), t.weights.tolist(), strict=True):
        p = row / size
        model = (1 - g) * p + g * u
        values = np.full(s.fits.size, 1 - model @ model)
        if (count > 0).any():
            first = p if drawn(s) else model
            values[count > 0] = expected_heterozygosity(first, size, count[count > 0], g, u)
        found += weight * values
    return found


def _unsmoothed(s: Setting) -> bool:
    return rewritten(s) and s.family.forgets


@prediction(
    observables.heterozygosity, rewriting.rewritten_heterozygosity, family=NGram, regime=regimes.Rewrite,
    where=_unsmoothed,
)  # fmt: skip
def _(s: Setting, rewritten_heterozygosity: Function) -> ArrayLike:
    t = text(s)
    # contexts with one law of counts are alike
    found = np.zeros(s.fits.size)
    for row, weight in zip(t.rows().astype(np.int64), t.weights, strict=True):
        found += weight * rewritten_heterozygosity(row[row > 0], kept(s), s.size, s.fits)
    return found


@prediction(
    observables.heterozygosity, rewriting.rewritten, family=NGram, regime=regimes.Rewrite, where=rewritten,
    formula="sum_c w_c (1 - sum_a E p_n^2)",
)  # fmt: skip
def _(s: Setting, theorem: Function) -> ArrayLike:
    t = text(s)
    e = t.all_ngrams()
    return 1 - _rewritten(s, theorem, "square", e) @ (e.times * t.weights[e.context])


# --- generated text under model 0 -------------------------------------------------------------------------------------


@prediction(
    OwnCrossEntropy, text_losses.own_loss_under_first, family=NGram, regime=BOTH, where=fixed,
    conditions="n-gram model, fixed prompts, pure sampling, a share of places may keep its real token",
)  # fmt: skip
def _(s: Setting, own_loss_under_first: Function) -> ArrayLike:
    needed(s.observable.under == 0)
    t = text(s)
    e, share = t.all_ngrams(), kept(s) / s.size
    parts = own_loss_under_first(e.share, e.size, s.fits - 1, e.mutation, e.background, share, drawn=drawn(s))
    return parts @ (e.times * t.weights[e.context])


# --- random prompts ---------------------------------------------------------------------------------------------------


def visited(s: Setting) -> bool:
    """Random prompts without smoothing, and a first data set that is drawn."""
    return not fixed(s) and s.family.forgets and drawn(s)


@prediction(
    observables.heterozygosity, rewriting.random_prompts_heterozygosity, family=NGram, regime=regimes.Replace,
    where=visited,
)  # fmt: skip
def _(s: Setting, random_prompts_heterozygosity: Function) -> ArrayLike:
    t = text(s)
    return np.sum(
        [
            weight * random_prompts_heterozygosity(row[row > 0] / row.sum(), s.size, weight, s.fits)
            for row, weight in zip(t.rows(), t.weights.tolist(), strict=True)
        ],
        axis=0,
    )


@prediction(
    observables.support_size, rewriting.random_prompts_lost, family=NGram, regime=regimes.Replace, where=visited,
    formula="number of n-grams - sum P(lost by n)",
)  # fmt: skip
def _(s: Setting, random_prompts_lost: Function) -> ArrayLike:
    t = text(s)
    e = t.all_ngrams()
    most = s.size * np.unique(t.weights) + 45
    needed(most.max() <= VISITS and (most**2 * (most**0.5 * 10 + 45)).sum() <= WORK)
    alive = np.zeros(s.fits.size)
    for size in np.unique(e.size).tolist():
        mine = e.size == size
        lost = random_prompts_lost(e.share[mine], s.size, size / t.sizes.sum(), s.fits)
        alive += (1 - lost).sum(1)
    return alive

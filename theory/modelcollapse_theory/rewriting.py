r"""Rewritten text: tokens kept in place hold a floor under diversity, and random prompts starve rare contexts.

*Kept in place*: of the n = M_c positions of a context some keep their real token, chosen anew each generation; the
others are drawn from the last model at the same real contexts. Coins: each position stays with probability gamma.
Exactly r of N: of the N positions of the text r stay, as ``regimes.Rewrite`` does. The first fit is to the real text
itself, so ``fits`` = n is n - 1 rewritings and the first fit has lost nothing. K positions of the context are kept in
all; of the n_a positions of one token a hypergeometric number are among them, and the rest is binomial:

.. math:: X' = k_a + \mathrm{Bin}(n - K,\; (1-g) X/n + g u), \qquad k_a \mid K \sim \mathrm{Hyp}(n, n_a, K)

*Random prompts*: M_c is Bin(N, w_c) anew each generation, and a context without data keeps its row. Derived in
theory/derivations/language.md.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import scipy
from numpy.typing import ArrayLike

from ._binomial_rows import BinomialRows, hypergeometric
from ._domain import Array, NotCovered, choice, one_real, one_whole, whole, within
from ._ngrams import Counts, Model, by_chain
from ._register import theorem
from .lineages import occupancy_matrix
from .replacement import heterozygosity
from .workflows import affine, share_lost

_SOURCE = "derived in theory/derivations/language.md"
_STEPS = 10_000
_LARGEST = 500  # tokens of a context that is kept in part
_ROWS = 600  # tokens of a context with random prompts
_TAIL = 1e-18


# --- heterozygosity --------------------------------------------------------------------------------------------------


def _pairs(share: float, kept: int | None, positions: int | None) -> tuple[float, float, float]:
    """The chances that both, one and none of two different positions are kept."""
    if kept is None or positions is None:
        return share**2, 2 * share * (1 - share), (1 - share) ** 2
    all_pairs = positions * (positions - 1.0) if positions > 1 else 1.0
    drawn = positions - kept
    return kept * (kept - 1) / all_pairs, 2 * kept * drawn / all_pairs, drawn * (drawn - 1) / all_pairs


def _exact_kept(kept: int, positions: int, size: int) -> tuple[int, int]:
    total = one_whole("positions", positions, 1)
    r = one_whole("kept", kept)
    if r > total:
        raise ValueError(f"kept must be at most positions={total}, got {kept!r}")
    if size > total:
        raise ValueError(f"positions must be at least sample_size={size}, got {positions!r}")
    return r, total


@theorem(
    statement="H' = gamma^2 H_0 + (1-1/n)[2 gamma (1-gamma) H_0 + (1-gamma)^2 H]",
    conditions="positions kept by independent coins of chance gamma, anew each generation; no smoothing; the first "
    "fit is to the real text",
    order="exact",
    source=_SOURCE,
)
def kept_heterozygosity(counts: ArrayLike, share: float, fits: ArrayLike) -> Array:
    """E H_n of one context whose real next tokens have the ``counts`` ``(V,)``, n = their sum, gamma = ``share``.

    Shape of ``fits``. Exact.
    """
    return _heterozygosity(*_context(counts), _pairs(one_real("share", share, 0, 1), None, None), fits)


@theorem(
    statement="as kept_heterozygosity with r(r-1), 2r(N-r), (N-r)(N-r-1) over N(N-1) for gamma^2, 2 gamma(1-gamma), "
    "(1-gamma)^2",
    conditions="exactly r of the text's N positions kept, chosen anew each generation; no smoothing; the first fit is "
    "to the real text",
    order="exact",
    source=_SOURCE,
)
def rewritten_heterozygosity(counts: ArrayLike, kept: int, positions: int, fits: ArrayLike) -> Array:
    """E H_n of one context with these ``counts`` ``(V,)``, where r = ``kept`` of all N = ``positions`` tokens stay.

    Shape of ``fits``. Exact. Raises ValueError for kept > positions or more counts than positions.
    """
    start, size = _context(counts)
    return _heterozygosity(start, size, _pairs(0.0, *_exact_kept(kept, positions, size)), fits)


def _context(counts: ArrayLike) -> tuple[float, int]:
    """H_0 and n of a context."""
    x = whole("counts", counts, most=10**12).astype(np.float64)
    if x.ndim != 1 or x.sum() == 0:
        raise ValueError(f"counts must be a vector of counts, not all 0, got shape {x.shape}")
    return heterozygosity(x / x.sum()), int(x.sum())


def _heterozygosity(start: float, size: int, pairs: tuple[float, float, float], fits: ArrayLike) -> Array:
    both, one, none = pairs
    apart = 1 - 1 / size
    # of v = 1 - H/H_0: two picks are one position with chance 1/n, where nothing is left of H
    same = max(1 - both - apart * (one + none), 0.0)
    return start * (1 - affine(0.0, same, 1 - apart * none, whole("fits", fits, 1) - 1))


@theorem(
    statement="H* = H_0 [gamma^2 + (1-1/n) 2 gamma (1-gamma)]/[1 - (1-1/n)(1-gamma)^2]; 0 at gamma = 0",
    conditions="as kept_heterozygosity",
    order="exact",
    source=_SOURCE,
)
def kept_heterozygosity_limit(counts: ArrayLike, share: float) -> float:
    """The limit of ``kept_heterozygosity``, H_0 at share 1. Exact."""
    start, size = _context(counts)
    both, one, none = _pairs(one_real("share", share, 0, 1), None, None)
    apart = 1 - 1 / size
    return start * (both + apart * one) / (1 - apart * none) if size > 1 else 0.0


# --- one n-gram ------------------------------------------------------------------------------------------------------

WHAT: dict[str, Callable[[Array], Array]] = {
    "present": lambda p: np.minimum(np.arange(p.size), 1.0),
    "log": np.log,
    "entropy": lambda p: scipy.special.entr(p),
    "square": np.square,
}
"""Whose mean is wanted: 1 if the n-gram occurs; log p, -p log p and p^2 of its fitted probability p."""


def _kept_means(size: int, real: Counts, law: Array, model: Array, values: Array, steps: Counts) -> Array:
    """E f(X) after each of ``steps`` fits, ``(steps, U)``; n-grams begin at their ``real`` counts ``(U,)``.

    ``law`` ``(n + 1,)`` is that of the number of kept positions, ``model`` ``(n + 1,)`` a draw's chance at each count.
    """
    amounts = [int(k) for k in np.flatnonzero(law > _TAIL)]
    hits = [np.array([hypergeometric(size, k, token) for token in real.tolist()]) for k in amounts]
    rows = [BinomialRows(size - k, model) for k in amounts]
    current = np.repeat(values[:, None], real.size, 1)
    found, count = np.empty((steps.size, real.size)), 1
    for at, wanted in enumerate(steps.tolist()):
        while count < wanted:
            new = np.zeros_like(current)
            for k, chance, drawn in zip(amounts, hits, rows, strict=True):
                windows = np.lib.stride_tricks.sliding_window_view(current, k + 1, axis=0)
                new += law[k] * drawn.means(np.einsum("juk,uk->ju", windows, chance))
            count = wanted if np.array_equal(new, current) else count + 1
            current = new
        found[at] = current[real, np.arange(real.size)]
    return found


def _one_ngram(
    what: str,
    count: ArrayLike,
    sample_size: ArrayLike,
    fits: ArrayLike,
    mutation: ArrayLike,
    background: ArrayLike,
    law: Callable[[int], Array],
) -> Array:
    kind = choice("what", what, tuple(WHAT))
    real, size = whole("count", count), whole("sample_size", sample_size, 1, most=_LARGEST)
    g, u = within("mutation", mutation, 0, 1), within("background", background, 0, 1)
    wanted = whole("fits", fits, 1, most=_STEPS)
    if kind == "log" and np.any(g * u == 0):
        raise NotCovered(
            f"mutation and background must be positive, or the mean log may be -infinity, got {mutation!r} and "
            f"{background!r}"
        )
    if np.any(real > size):
        raise ValueError(f"count must be at most sample_size, got {count!r}")

    def means(items: int, model: Model, counts: np.ndarray, steps: Counts) -> Array:
        fitted = model(np.arange(items + 1) / items)
        return _kept_means(items, counts, law(items), fitted, WHAT[kind](fitted), steps)

    return by_chain(real, size, g, u, wanted, means)


@theorem(
    statement="X' ~ Bin(n_a, gamma + (1-gamma) m) + Bin(n - n_a, (1-gamma) m), m = (1-g) X/n + g u, X_1 = n_a: mean of "
    "1{X>0}, log m, -m log m or m^2; without smoothing E X = n_a",
    conditions="positions kept by independent coins of chance gamma, anew each generation; n <= 500; the first fit is "
    "to the real text",
    order="exact to 1e-12",
    source=_SOURCE,
)
def kept_in_place(
    what: str,
    count: ArrayLike,
    sample_size: ArrayLike,
    fits: ArrayLike,
    share: float,
    mutation: ArrayLike = 0.0,
    background: ArrayLike = 0.0,
) -> Array:
    """Mean of ``what`` (a key of ``WHAT``) for an n-gram that is ``count`` = n_a of the n real tokens of its context.

    ``sample_size`` n, ``share`` gamma; ``mutation`` g and ``background`` u as in ``language``. ``fits.shape`` + the
    shape of the others. Raises NotCovered above 500 tokens a context and 10000 fits.
    """
    gamma = one_real("share", share, 0, 1)
    return _one_ngram(
        what,
        count,
        sample_size,
        fits,
        mutation,
        background,
        lambda n: scipy.stats.binom.pmf(np.arange(n + 1), n, gamma),
    )


@theorem(
    statement="X' = k_a + Bin(n - K, m), k_a ~ Hyp(n, n_a, K), K ~ Hyp(N, n, r), m = (1-g) X/n + g u, X_1 = n_a: mean "
    "of 1{X>0}, log m, -m log m or m^2",
    conditions="exactly r of the text's N positions kept, chosen anew each generation; n <= 500; the first fit is to "
    "the real text",
    order="exact to 1e-12",
    source=_SOURCE,
)
def rewritten(
    what: str,
    count: ArrayLike,
    sample_size: ArrayLike,
    fits: ArrayLike,
    kept: int,
    positions: int,
    mutation: ArrayLike = 0.0,
    background: ArrayLike = 0.0,
) -> Array:
    """As ``kept_in_place``, where exactly r = ``kept`` of all N = ``positions`` tokens of the text stay."""
    largest = int(np.max(whole("sample_size", sample_size, 1), initial=1))
    r, total = _exact_kept(kept, positions, largest)
    return _one_ngram(what, count, sample_size, fits, mutation, background, lambda n: hypergeometric(total, n, r))


# --- random prompts --------------------------------------------------------------------------------------------------


def _tokens(tokens: int, weight: float) -> tuple[Array, Array]:
    """The law of the number of tokens of a context: the numbers and their chances."""
    size, w = one_whole("tokens", tokens, 1, most=10**7), one_real("weight", weight, 0, 1)
    reach = 45 + 10 * (size * w * (1 - w)) ** 0.5
    items = np.arange(max(int(size * w - reach), 0), min(int(size * w + reach) + 1, size) + 1)
    chance = scipy.stats.binom.pmf(items, size, w)
    return items[chance > _TAIL], chance[chance > _TAIL] / chance[chance > _TAIL].sum()


@theorem(
    statement="E H_n = H_0 f^n, f = 1 - E[1/M; M >= 1], M ~ Bin(N, w)",
    conditions="prompts drawn anew each generation, weight w of the context; a context without data keeps its row; no "
    "smoothing",
    order="exact",
    source=_SOURCE,
)
def random_prompts_heterozygosity(probabilities: ArrayLike, tokens: int, weight: float, fits: ArrayLike) -> Array:
    """E H_n of one context that gets Bin(N = ``tokens``, w = ``weight``) tokens a generation. Shape of ``fits``.

    At weight 1 it is ``replacement.expected_heterozygosity``. It is not H_0 (1 - 1/(N w))^n: a rare context is lost
    faster when it is visited, and not at all when it is not. Exact.
    """
    items, chance = _tokens(tokens, weight)
    seen = items > 0
    lost = chance[seen] @ (1 / items[seen])
    return heterozygosity(probabilities) * (1 - share_lost(lost, whole("fits", fits)))


@theorem(
    statement="P(lost by n) = P(M=0) P(lost by n-1) + sum_{m>=1} P(M=m) E (1-p_0)^{A_{n-1}(m)}; the matrix of "
    "lineages is the mean over M of the occupancy matrix, the identity at M = 0",
    conditions="prompts drawn anew each generation, a context without data keeps its row; no smoothing; N w up to 400",
    order="exact to 1e-12",
    source=_SOURCE,
)
def random_prompts_lost(probability: ArrayLike, tokens: int, weight: float, fits: ArrayLike) -> Array:
    """The chance that an n-gram of real ``probability`` in its context is lost after n fits.

    ``fits.shape + probability.shape``. Raises NotCovered for contexts of more than 600 tokens.
    """
    q, wanted = within("probability", probability, 0, 1), whole("fits", fits, 0, most=_STEPS)
    items, chance = _tokens(tokens, weight)
    most = int(items.max())
    if most > _ROWS:
        raise NotCovered(f"weight must leave a context at most {_ROWS} tokens a generation, got up to {most}")
    matrix = np.zeros((most + 1, most + 1))
    for m, p in zip(items.tolist(), chance, strict=True):
        matrix += p * (occupancy_matrix(m, most) if m else np.eye(most + 1))
    alone = np.ravel(q)
    absent = (1 - alone) ** np.arange(most + 1)[:, None]  # E (1 - p_n)^k
    lost, steps = (alone == 0).astype(np.float64), [(alone == 0).astype(np.float64)]
    empty = chance[items == 0].sum()
    for _ in range(int(wanted.max(initial=0))):
        lost = empty * lost + chance[items > 0] @ absent[items[items > 0]]
        absent = matrix @ absent
        steps.append(lost)
    return np.array(steps)[wanted].reshape(wanted.shape + q.shape)

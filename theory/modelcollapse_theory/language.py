r"""An n-gram model in the loop: every context is a Wright-Fisher chain of its own, and smoothing is its mutation.

Context c has M_c tokens a generation and the real next-token law p_0(.|c). *Fixed prompts*: each generation goes once
through the real contexts and draws one next token for each, so contexts do not depend on the model, M_c is the same in
every generation, and the chains of different contexts are independent. A fit gives the law

.. math:: p = (1 - g) X / M + g u, \qquad g = \mu / (M + \mu)

of the counts X: u is uniform and :math:`\mu = V \lambda` if lambda is added to every count. So count a of context c is
a chain on 0..M by itself, :math:`X_1 \sim \mathrm{Bin}(M, p_0)`, :math:`X_{n+1} \sim \mathrm{Bin}(M, (1-g) X_n/M +
g u)`, and means of any function of it are exact. n counts fits, the first to draws of the real law. Functions of one
n-gram take arrays of its ``probability``, ``sample_size`` M_c, ``mutation`` g and ``background`` u, and broadcast;
their cost is one matrix of about 7 M^1.5 entries for each distinct (M, g, u). Logarithms are natural. Losses of
generated text are in ``text_losses``, random prompts and texts that are kept in part in ``rewriting``. Derived in
theory/derivations/language.md.
"""

from __future__ import annotations

import numpy as np
import scipy
from numpy.typing import ArrayLike, NDArray

from ._domain import SQUARABLE, Array, NotCovered, law, one_real, one_whole, positive, real, whole, within
from ._ngrams import STEPS, ngram_means
from ._register import theorem

_SOURCE = "derived in theory/derivations/language.md"


def _fits(value: ArrayLike) -> NDArray[np.int64]:
    return whole("fits", value, 1, most=STEPS)


def _counts(name: str, value: ArrayLike) -> Array:
    """Counts of a text, contexts by tokens ``(C, V)``."""
    table = whole(name, value, most=2**40)
    if table.ndim != 2 or table.sum() == 0:
        raise ValueError(f"{name} must be a table of counts, contexts by tokens, not all 0, got shape {table.shape}")
    return table.astype(np.float64)


# --- smoothing as mutation -------------------------------------------------------------------------------------------


@theorem(
    statement="(X + mu u)/(M + mu) = (1 - g) X/M + g u, g = mu/(M + mu); lambda added to each of V counts: "
    "mu = V lambda, u uniform",
    conditions="a context with M >= 0 tokens; g = 1 without tokens",
    order="exact",
    source="algebra; mutation independent of the parent in a Wright-Fisher chain; " + _SOURCE,
)
def smoothing_mutation(sample_size: ArrayLike, strength: ArrayLike) -> Array:
    """g, the chance that a draw of a smoothed model is not a copy of a token of its context but one of the background.

    ``strength`` is mu, the pseudo-counts of one context together: V lambda for lambda added to each of V counts, or the
    strength of a Dirichlet prior. Interpolation with a fixed weight is g itself. Broadcasts. Exact. Raises ValueError
    where both are 0.
    """
    size = whole("sample_size", sample_size).astype(np.float64)
    mu = within("strength", strength, 0, SQUARABLE)
    if np.any(size + mu == 0):
        raise ValueError(f"strength must be positive where a context has no tokens, got {strength!r}")
    return mu / (size + mu)


@theorem(
    statement="E X_n/M = (1-g)^(n-1) p_0 + (1 - (1-g)^(n-1)) u",
    conditions="fixed prompts, next data set drawn from (1-g) X/M + g u, n >= 1 fits",
    order="exact",
    source=_SOURCE,
)
def expected_frequency(probability: ArrayLike, fits: ArrayLike, mutation: ArrayLike, background: ArrayLike) -> Array:
    """Mean share of an n-gram among the tokens of its context in data set n; the fit's own law is one g further.

    Broadcasts. Exact, any sample size. Raises ValueError for a mutation or probability outside [0, 1].
    """
    q, g = within("probability", probability, 0, 1), within("mutation", mutation, 0, 1)
    left = (1 - g) ** (whole("fits", fits, 1) - 1.0)
    return left * q + (1 - left) * within("background", background, 0, 1)


def _squares(
    probabilities: ArrayLike, sample_size: int, fits: ArrayLike, mutation: float, background: ArrayLike
) -> tuple[Array, Array]:
    """E sum (X_n/M)^2, and E sum p_n^2 of the smoothed law, after each of ``fits``."""
    p, u = law("probabilities", probabilities), law("background", background)
    if u.shape != p.shape:
        raise ValueError(f"background must have as many tokens as probabilities, got {u.size} and {p.size}")
    size, g, wanted = one_whole("sample_size", sample_size, 1), one_real("mutation", mutation, 0, 1), _fits(fits)
    most = int(wanted.max(initial=1))
    raw, smooth = np.empty(most + 1), np.empty(most + 1)
    model, mean = p @ p, p
    for n in range(1, most + 1):
        raw[n] = 1 / size + (1 - 1 / size) * model
        model = (1 - g) ** 2 * raw[n] + 2 * g * (1 - g) * (u @ mean) + g**2 * (u @ u)
        smooth[n] = model
        mean = (1 - g) * mean + g * u
    return raw[wanted], smooth[wanted]


@theorem(
    statement="F_1 = 1/M + (1-1/M) sum p_0^2, F' = 1/M + (1-1/M)[(1-g)^2 F + 2g(1-g) sum u E X_n/M + g^2 sum u^2]",
    conditions="fixed prompts, next data set drawn from (1-g) X/M + g u",
    order="exact",
    source="coalescence with mutation; " + _SOURCE,
)
def expected_repetition(
    probabilities: ArrayLike, sample_size: int, fits: ArrayLike, mutation: float, background: ArrayLike
) -> Array:
    """F_n, the chance that two tokens of data set n in one context agree, picked with replacement.

    Shape of ``fits``. Without smoothing 1 - H_0 (1-1/M)^n. Exact. Raises ValueError where the laws differ in length.
    """
    return _squares(probabilities, sample_size, fits, mutation, background)[0]


@theorem(
    statement="E H(p_n) = 1 - [(1-g)^2 F_n + 2g(1-g) sum u E X_n/M + g^2 sum u^2]",
    conditions="fixed prompts, next data set drawn from p_n = (1-g) X_n/M + g u",
    order="exact",
    source=_SOURCE,
)
def expected_heterozygosity(
    probabilities: ArrayLike, sample_size: int, fits: ArrayLike, mutation: float, background: ArrayLike
) -> Array:
    """Mean 1 - sum p_n^2 of the smoothed law of one context. Shape of ``fits``. Exact."""
    return 1 - _squares(probabilities, sample_size, fits, mutation, background)[1]


# --- losses, distinct n-grams and entropy, by the chain of one count --------------------------------------------------


@theorem(
    statement="P(X_n > 0) by X_1 ~ Bin(M, p_0), X' ~ Bin(M, (1-g) X/M + g u); E distinct n-grams is the sum of it",
    conditions="fixed prompts, M <= 100000, at most 10000 fits",
    order="exact to 1e-12",
    source="marginals of a multinomial are binomial; " + _SOURCE,
)
def present(
    probability: ArrayLike,
    sample_size: ArrayLike,
    fits: ArrayLike,
    mutation: ArrayLike = 0.0,
    background: ArrayLike = 0.0,
) -> Array:
    """The chance that an n-gram occurs in data set n. ``fits.shape`` + the shape of the others.

    ``mutation`` 0 is no smoothing: then it is 1 - E (1 - p_0)^{A_n} (``support.absent_probability``), what is lost
    stays lost, and an n-gram of a context with one token is never lost after the first fit. Binomial rows are cut where
    less than 1e-18 is left.
    """
    return ngram_means(probability, sample_size, fits, mutation, background, _occurs)


def _occurs(fitted: Array) -> Array:
    """0 for a count of 0, whatever smoothing makes of it, else 1."""
    return np.minimum(np.arange(fitted.size), 1.0)


@theorem(
    statement="E log p_n = E log[(1-g) X_n/M + g u]: E CE_n = -sum_{c,a} v(c,a) E log p_n(a|c) for any real text v",
    conditions="fixed prompts, smoothed fits: g u > 0, else the mean is infinite; M <= 100000",
    order="exact to 1e-12",
    source=_SOURCE,
)
def expected_log(
    probability: ArrayLike, sample_size: ArrayLike, fits: ArrayLike, mutation: ArrayLike, background: ArrayLike
) -> Array:
    """Mean log of the fitted probability of an n-gram after n fits, also of one that the training text never has.

    ``fits.shape`` + the shape of the others. Raises NotCovered where nothing smooths: a lost n-gram has log 0 from the
    first fit on (``expected_living_log``).
    """
    if np.any(within("mutation", mutation, 0, 1) * within("background", background, 0, 1) == 0):
        raise NotCovered(
            "mutation and background must be positive, or the mean log of an n-gram that can be lost is -infinity, got "
            f"{mutation!r} and {background!r}"
        )
    return ngram_means(probability, sample_size, fits, mutation, background, np.log)


@theorem(
    statement="E[log(X_n/M); X_n > 0] by the same chain, beside P(X_n > 0)",
    conditions="fixed prompts, no smoothing, M <= 100000",
    order="exact to 1e-12",
    source=_SOURCE,
)
def expected_living_log(probability: ArrayLike, sample_size: ArrayLike, fits: ArrayLike) -> Array:
    """The part of E log p_n that is finite without smoothing: on n-grams that are alive, 0 where they are lost.

    Report it with the share of text that is lost, 1 - ``present``. ``fits.shape`` + the shape of the others.
    """
    return ngram_means(probability, sample_size, fits, 0.0, 0.0, lambda p: np.log(np.where(p > 0, p, 1.0)))


@theorem(
    statement="E h(p_n(.|c)) = -sum_a E p_n(a|c) log p_n(a|c), a sum over single counts",
    conditions="fixed prompts, M <= 100000",
    order="exact to 1e-12",
    source=_SOURCE,
)
def expected_entropy_part(
    probability: ArrayLike,
    sample_size: ArrayLike,
    fits: ArrayLike,
    mutation: ArrayLike = 0.0,
    background: ArrayLike = 0.0,
) -> Array:
    """E[-p_n log p_n] of one n-gram; summed over tokens it is the mean entropy of the context's fitted law.

    Weighted by w_c and summed over contexts it is the conditional entropy. ``fits.shape`` + the shape of the others.
    """
    return ngram_means(probability, sample_size, fits, mutation, background, scipy.special.entr)


# --- whole texts -----------------------------------------------------------------------------------------------------


@theorem(
    statement="E CE_n = -sum v(c,a) E log[(X_n + lambda)/(M_c + V lambda)] / sum v; log(1/V) where M_c = 0",
    conditions="fixed prompts of a text with these counts, lambda > 0 added to every count",
    order="exact to 1e-12",
    source=_SOURCE,
)
def expected_cross_entropy(counts: ArrayLike, text: ArrayLike, fits: ArrayLike, smoothing: float) -> Array:
    """Mean loss in nats a token of a real ``text`` under the n-gram model after n fits, the first on drawn tokens.

    ``counts`` ``(C, V)`` are the real n-grams that prompt and start the chain (p_0 = counts/M_c), ``text`` ``(C, V)``
    those of the text whose loss it is: the same, or any other. Shape of ``fits``. One matrix for each distinct M_c.
    Its exponential is below the mean perplexity: ``perplexity_bound``.
    """
    real_text, seen = _counts("counts", counts), _counts("text", text)
    if seen.shape != real_text.shape:
        raise ValueError(f"text must have the shape {real_text.shape} of counts, got {seen.shape}")
    added = one_real("smoothing", smoothing, 0, SQUARABLE, open_low=True)
    wanted, states = _fits(fits), real_text.shape[1]
    context, token = np.nonzero(seen)
    size = real_text.sum(axis=1)[context]
    weight = seen[context, token] / seen.sum()
    total = np.full(wanted.shape, np.log(states) * weight[size == 0].sum())
    known = size > 0
    if np.any(known):
        size, weight = size[known], weight[known]
        g = smoothing_mutation(size, states * added)
        logs = expected_log(real_text[context, token][known] / size, size, wanted, g, 1 / states)
        total = total - logs @ weight
    return total


@theorem(
    statement="P(a word is lost from every context by n) = prod_c E (1 - p_0(a|c))^{A_n(c)}",
    conditions="fixed prompts, no smoothing: contexts are independent chains",
    order="exact to 1e-12",
    source=_SOURCE,
)
def word_lost(probability: ArrayLike, sample_size: ArrayLike, fits: ArrayLike) -> Array:
    """The chance that a word is in no context any more after n fits.

    ``probability`` and ``sample_size`` ``(C,)`` are the word's real share in each of its contexts and their tokens.
    Shape of ``fits``. The mean over the words of a class of frequency is the share of them that is lost.
    """
    q, size = real("probability", probability), whole("sample_size", sample_size, 1)
    if q.ndim != 1 or size.shape not in ((), q.shape):
        raise ValueError(
            "probability must be a vector and sample_size one number or one for each of its contexts, got shapes "
            f"{q.shape} and {size.shape}"
        )
    return np.prod(1 - present(q, size, fits), axis=-1)


@theorem(
    statement="E exp(CE) >= exp(E CE), with equality iff CE does not vary between chains",
    conditions="any model whose mean loss is finite",
    order="exact (a bound)",
    source="Jensen's inequality",
)
def perplexity_bound(loss: ArrayLike) -> Array:
    """exp of a mean loss: a lower bound of the mean perplexity, and about its median. Broadcasts; may reach inf."""
    with np.errstate(over="ignore"):
        return np.exp(real("loss", loss))


@theorem(
    statement="E CE -> psi(2 V lambda) - psi(2 lambda): the law forgets the text and is Dirichlet(2 lambda, ..., "
    "2 lambda), worse than uniform",
    conditions="fixed prompts, n -> infinity, then M -> infinity at fixed lambda >= 0.3 (below it is useless)",
    order="O(M^-min(1, 2 lambda)), up to a logarithm",
    source="Wright's stationary law of mutation and drift, haploid: theta = 2 M g; " + _SOURCE,
)
def forgotten_cross_entropy(states: ArrayLike, smoothing: ArrayLike) -> Array:
    """The loss of any real text, in nats a token, when lambda = ``smoothing`` has made the model forget it.

    ``states`` = V. Broadcasts. Raises NotCovered below 0.3: there most of the mean comes from counts near 0, where the
    chain is not a diffusion (lambda = .1, M = 2000: perplexity 285 against 696).
    """
    count = whole("states", states, 1, most=2**53).astype(np.float64)
    added = positive("smoothing", smoothing)
    if np.any(added < 0.3) or np.any(added > 1e12):
        raise NotCovered(f"smoothing must lie in [0.3, 1e12]: use expected_cross_entropy, got {smoothing!r}")
    return scipy.special.digamma(2 * count * added) - scipy.special.digamma(2 * added)

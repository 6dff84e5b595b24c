r"""Sampling leaves the loss of generated text under the original model where it was; real text's loss grows by P/2N.

Generated text is judged by model 0, the real law p_0 itself; real text is judged by the model of generation n. The
setting is that of ``language``: fixed prompts, M draws in each context and generation, n fits. Derived in
theory/derivations/language.md.
"""

from __future__ import annotations

import numpy as np
import scipy
from numpy.typing import ArrayLike

from ._domain import Array, NotCovered, flag, law, one_real, positive, whole, within
from ._ngrams import ngram_means
from ._register import theorem

_SOURCE = "derived in theory/derivations/language.md"


def _losses(probabilities: ArrayLike) -> tuple[Array, Array]:
    """The law of the possible tokens and the loss -log p_0 of each."""
    p = law("probabilities", probabilities)
    p = p[p > 0]
    return p, -np.log(p)


@theorem(
    statement="E[-sum p_n log p_0] = h(p_0) without smoothing; else (1-g)^(n-1) h(p_0) + (1 - (1-g)^(n-1)) CE(u, p_0)",
    conditions="one context, fixed prompts, pure sampling; p_n the frequencies of data set n >= 1",
    order="exact",
    source="the frequencies are a martingale; " + _SOURCE,
)
def own_loss(
    probabilities: ArrayLike, fits: ArrayLike, mutation: ArrayLike = 0.0, background: ArrayLike | None = None
) -> Array:
    """Mean loss of data set n under the original model, in nats a token; CE(u, p_0) = -sum u log p_0.

    ``background`` u ``(V,)`` is uniform unless given. Broadcasts over ``fits`` and ``mutation``. Sampling alone does
    not move text to low perplexity: decoding does (``decoding``). Smoothing moves it up wherever CE(u, p_0) > h(p_0).
    Raises NotCovered where smoothing reaches a token that the original model excludes: its loss is infinite.
    """
    p, g, count = law("probabilities", probabilities), within("mutation", mutation, 0, 1), whole("fits", fits, 1)
    u = np.full(p.size, 1 / p.size) if background is None else law("background", background)
    if u.shape != p.shape:
        raise ValueError(f"background must have as many tokens as probabilities, got {u.size} and {p.size}")
    if np.any(u[p == 0] > 0) and np.any(g > 0):
        raise NotCovered("probabilities must be positive wherever background is, or the mean loss is infinite, got 0")
    loss = -np.log(np.where(p > 0, p, 1.0))
    left = (1 - g) ** (count - 1.0)
    return left * (p @ loss) + (1 - left) * (u @ loss)


@theorem(
    statement="a_k E[-x log m(x)] + (1 - a_k) u E[-log m(x)], summed over tokens; x = X_1/M, m(x) = (1-g) x + g u, "
    "a_0 = 1, a_{k+1} = gamma + (1-gamma)(1-g) a_k; constant without smoothing",
    conditions="generation k under the model of generation 0; fixed prompts, a share gamma of the first data set kept "
    "in place; X_1 ~ Bin(M, p_0), or M p_0 itself",
    order="exact to 1e-12",
    source="the mean of the frequencies given X_1 is linear in it; " + _SOURCE,
)
def own_loss_under_first(
    probability: ArrayLike,
    sample_size: ArrayLike,
    generations: ArrayLike,
    mutation: ArrayLike = 0.0,
    background: ArrayLike = 0.0,
    share: float = 0.0,
    *,
    drawn: bool = True,
) -> Array:
    """The part of one n-gram in the mean loss of data set k under the fitted model 0, in nats.

    Summed over the tokens of a context and weighted by w_c it is the mean loss a token. ``share`` gamma; ``drawn``
    False: the first data set is the text itself. ``generations.shape`` + the shape of the others. Broadcasts.
    """
    g, u = within("mutation", mutation, 0, 1), within("background", background, 0, 1)
    kept, count = one_real("share", share, 0, 1), whole("generations", generations, most=100_000)
    if flag("drawn", drawn):
        own = ngram_means(probability, sample_size, 1, g, u, lambda m: _own_part(np.linspace(0, 1, m.size), m))
        new = ngram_means(probability, sample_size, 1, g, u, _log_part)
    else:
        x = within("probability", probability, 0, 1) + 0.0 * whole("sample_size", sample_size, 1)
        own, new = _own_part(x, (1 - g) * x + g * u), _log_part((1 - g) * x + g * u)
    g, u, own, new = np.broadcast_arrays(g, u, own, new)
    copies = [np.ones(g.shape)]
    for _ in range(int(count.max(initial=0))):
        copies.append(kept + (1 - kept) * (1 - g) * copies[-1])
    a = np.array(copies)[count]
    return a * own + (1 - a) * u * new


def _own_part(x: Array, m: Array) -> Array:
    return -scipy.special.xlogy(x, np.where(x > 0, m, 1.0))


def _log_part(m: Array) -> Array:
    """-log m; 0 where nothing is ever drawn."""
    return -np.log(np.where(m > 0, m, 1.0))


@theorem(
    statement="between chains (1-(1-1/M)^n) Var_{p_0}(log p_0), within a chain (1-1/M)^n Var_{p_0}(log p_0): the sum "
    "is conserved",
    conditions="one context, fixed prompts, pure sampling, no smoothing, constant M >= 1",
    order="exact",
    source="covariance of Wright-Fisher frequencies; " + _SOURCE,
)
def own_loss_variances(probabilities: ArrayLike, sample_size: ArrayLike, fits: ArrayLike) -> tuple[Array, Array]:
    """Variance between chains of the mean loss of data set n under model 0, and mean variance of a token's loss in it.

    Broadcasts. Over contexts, the mean loss of all N tokens has the variance sum w_c^2 (between), w_c = M_c/N: contexts
    are independent.
    """
    p, loss = _losses(probabilities)
    size, count = whole("sample_size", sample_size, 1).astype(np.float64), whole("fits", fits)
    total = float(p @ (loss - p @ loss) ** 2)
    with np.errstate(divide="ignore", invalid="ignore"):
        log = np.where(count == 0, 0.0, count * np.log1p(-1 / size))
    return -np.expm1(log) * total, np.exp(log) * total


@theorem(
    statement="E CE_n - CE_inf = n P/(2N) nats a token; n-gram: P = sum_c (V_c - 1), V_c tokens possible after c",
    conditions="regular model with P free parameters refitted by maximum likelihood to N tokens of its own a "
    "generation; n-gram: M_c >> V_c in each context, n << M_c",
    order="O((n/M)^2) for an n-gram",
    source="asymptotic normality; " + _SOURCE,
)
def excess_loss(parameters: ArrayLike, tokens: ArrayLike, fits: ArrayLike) -> Array:
    """What n fits, each on the last model's text, add to the loss of real text: perplexity times exp(P/2N) each.

    Broadcasts. First order. For a neural network it is a guide at best: with more parameters than tokens no asymptotics
    hold.
    """
    number, size = positive("parameters", parameters), positive("tokens", tokens)
    return whole("fits", fits) * (number / (2 * size))


@theorem(
    statement="(P/2N) sum_{i <= n} 1/i^2 nats a token, at most pi^2/6 times the first fit's",
    conditions="as excess_loss, but each fit sees all n data sets so far",
    order="O(1/N^2)",
    source="asymptotic normality; " + _SOURCE,
)
def excess_loss_accumulated(parameters: ArrayLike, tokens: ArrayLike, fits: ArrayLike) -> Array:
    """The excess loss of real text where data sets of N tokens are pooled and never thrown away. First order."""
    number, size = positive("parameters", parameters), positive("tokens", tokens)
    sums = scipy.special.zeta(2.0) - scipy.special.polygamma(1, whole("fits", fits) + 1.0)
    return number / (2 * size) * sums

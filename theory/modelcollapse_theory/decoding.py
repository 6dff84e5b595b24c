r"""Decoding as a map of next-token laws: cuts do all their damage at once, temperature and top-p go on without end.

Infinite data: a model is fitted to its predecessor's decoded output exactly, so one generation is one application of
the decoding to the law of each context. A map that twice is once is *idempotent*: top-k, min-p, an epsilon cut, greedy.
The others *compound*: temperature, :math:`p_n \propto p_0^{b}` with :math:`b = \tau^{-n}` (``selection.tempered``), and
top-p until it reaches a fixed point (``truncation.top_p``). Tokens that are cut are those that transformers cuts. A
greedy walk through the contexts is at the end. Derived in theory/derivations/language.md.
"""

from __future__ import annotations

import numpy as np
import scipy
from numpy.typing import ArrayLike, NDArray

from ._domain import Array, law, one_real, one_whole, whole
from ._register import theorem
from .lineages import no_merger
from .selection import tempered
from .temperature import effective_states
from .truncation import top_p

_SOURCE = "derived in theory/derivations/language.md"
_INFINITE = "each model's output decoded before the next is fitted to it; infinite data"


def _cut(p: Array, kept: NDArray[np.bool_]) -> Array:
    """``p`` on the tokens ``kept``, of which the likeliest is always one, renormalised."""
    left = np.where(kept | (p == p.max()), p, 0.0)
    return left / left.sum()


@theorem(
    statement="tokens below r p_max are cut; ratios to the likeliest token do not change, so twice is once",
    conditions=f"min-p; {_INFINITE}",
    order="exact",
    source=_SOURCE,
)
def min_p(probabilities: ArrayLike, ratio: float) -> Array:
    """The law ``(V,)`` after one min-p decoding, and after any number of them: tokens with p >= ``ratio`` p_max."""
    p, least = law("probabilities", probabilities), one_real("ratio", ratio, 0, 1)
    return _cut(p, p >= least * p.max())


@theorem(
    statement="tokens below epsilon are cut; what is left only gains, so twice is once",
    conditions=f"epsilon cut, which keeps the likeliest token; {_INFINITE}",
    order="exact",
    source=_SOURCE,
)
def epsilon_cut(probabilities: ArrayLike, epsilon: float) -> Array:
    """The law ``(V,)`` after one cut of the tokens below ``epsilon``, and after any number of them."""
    p, least = law("probabilities", probabilities), one_real("epsilon", epsilon, 0, 1)
    return _cut(p, p >= least)


@theorem(
    statement="the likeliest token has everything, the first of equal ones; twice is once",
    conditions=f"greedy decoding, or temperature 0; {_INFINITE}",
    order="exact",
    source=_SOURCE,
)
def greedy(probabilities: ArrayLike) -> Array:
    """The law ``(V,)`` of a greedy model: a point mass, from the first generation on."""
    p = law("probabilities", probabilities)
    found = np.zeros(p.size)
    found[int(np.argmax(p))] = 1.0
    return found


@theorem(
    statement="temperature, top-k, top-p, min-p and epsilon in this order, n times; at temperature 1 and top-p 1 twice "
    "is once",
    conditions=_INFINITE,
    order="exact",
    source=_SOURCE,
)
def decoded(
    probabilities: ArrayLike,
    generations: int,
    *,
    temperature: float = 1.0,
    top_k: int | None = None,
    mass: float = 1.0,
    ratio: float = 0.0,
    epsilon: float = 0.0,
) -> Array:
    """The law ``(V,)`` after so many ``generations`` of one decoding, step by step.

    ``mass`` is the P of top-p, ``ratio`` that of min-p. All tokens as likely as the k-th stay, as in transformers.
    Exact, sums that miss P by less than 1e-12 counting as P. Raises ValueError for temperature <= 0 (``greedy``).
    """
    p, steps = law("probabilities", probabilities), one_whole("generations", generations, most=10**5)
    most = p.size if top_k is None else one_whole("top_k", top_k, 1)
    held = one_real("mass", mass, 0, 1, open_low=True)
    least, floor = one_real("ratio", ratio, 0, 1), one_real("epsilon", epsilon, 0, 1)
    tau = one_real("temperature", temperature, 0, open_low=True)
    for _ in range(steps):
        before = p
        p = tempered(p, tau, 1)
        if most < p.size:
            p = _cut(p, p >= np.partition(p, -most)[-most])
        if held < 1:
            p = top_p(p, held, 1)
        if least > 0:
            p = min_p(p, least)
        if floor > 0:
            p = epsilon_cut(p, floor)
        if np.array_equal(p, before):
            break
    return p


@theorem(
    statement="real text's loss is b h(p_0) + log sum p_0^b, b = tau^-n: exponential in n, perplexity doubly so",
    conditions=f"sampling at temperature tau; {_INFINITE}",
    order="exact",
    source=_SOURCE,
)
def tempered_loss(probabilities: ArrayLike, temperature: float, generations: ArrayLike) -> Array:
    """Mean loss of real text in nats a token after n = ``generations`` at temperature tau; h(p_0) at n = 0.

    Shape of ``generations``. At tau > 1 it tends to the log of the number of possible tokens. May reach inf.
    """
    p, powers = _powers(probabilities, temperature, generations)
    with np.errstate(over="ignore", invalid="ignore"):
        # of loss relative to the mode: log p_max cancels exactly
        relative = np.log(p) - np.log(p.max())
        sums = scipy.special.logsumexp(np.where(relative == 0, 0.0, powers[..., None] * relative), axis=-1)
        return np.where(np.isfinite(powers), powers * -(p @ relative), _at_zero(-(p @ relative))) + sums


def _at_zero(loss: float) -> float:
    """An infinite power of a loss relative to the mode: 0 if all tokens are equally likely."""
    return np.inf if loss > 0 else 0.0


def _powers(probabilities: ArrayLike, temperature: float, generations: ArrayLike) -> tuple[Array, Array]:
    """The possible tokens' law, and b for each number of generations."""
    p, tau = law("probabilities", probabilities), one_real("temperature", temperature, 0, open_low=True)
    with np.errstate(over="ignore"):
        return p[p > 0], np.exp(-whole("generations", generations).astype(np.float64) * np.log(tau))


@theorem(
    statement="own text's loss under p_0 is -sum p_n log p_0, falling to -log p_max at tau < 1, with derivative "
    "-Var_{p_n}(log p_0) in b = tau^-n",
    conditions=f"sampling at temperature tau; {_INFINITE}",
    order="exact",
    source=_SOURCE,
)
def tempered_own_loss(probabilities: ArrayLike, temperature: float, generations: ArrayLike) -> Array:
    """Mean loss of generated text under the original model, in nats a token. Shape of ``generations``.

    Pure sampling leaves it at h(p_0) (``text_losses.own_loss``): what falls is due to decoding.
    """
    p, powers = _powers(probabilities, temperature, generations)
    relative = np.log(p) - np.log(p.max())
    with np.errstate(over="ignore", invalid="ignore"):
        weights = scipy.special.softmax(np.where(relative == 0, 0.0, powers[..., None] * relative), axis=-1)
    return weights @ -np.log(p)


def effective_tokens(probabilities: ArrayLike, temperature: float, generations: int) -> float:
    """exp of the entropy of the law after ``generations`` at ``temperature``. Exact."""
    return effective_states(tempered(probabilities, temperature, generations))


@theorem(
    statement="tokens sorted by p_0, C(m) the real mass of the m likeliest: m_n is the least m with C(m) >= P "
    "C(m_{n-1}), so C(m_n) >= P^n; it stops at the first m with p_m > (1-P) C(m), or one token",
    conditions=f"top-p at P, the fewest likeliest tokens that hold P; {_INFINITE}",
    order="exact",
    source=_SOURCE,
)
def nucleus(probabilities: ArrayLike, mass: float, generations: ArrayLike) -> tuple[Array, Array]:
    """Tokens m_n that top-p at P = ``mass`` has left after n ``generations``, and the real mass C(m_n) they cover.

    Both of the shape of ``generations``. Exact, sums that miss P by less than 1e-12 counting as P.
    """
    p, held = law("probabilities", probabilities), one_real("mass", mass, 0, 1, open_low=True)
    wanted = whole("generations", generations)
    covered = np.cumsum(np.sort(p[p > 0])[::-1])
    sizes = [covered.size]
    while len(sizes) <= wanted.max(initial=0):
        last = covered[sizes[-1] - 1]
        fewer = int(np.searchsorted(covered / last, held - 1e-12)) + 1
        if fewer >= sizes[-1]:
            break
        sizes.append(fewer)
    at = np.array(sizes)[np.minimum(wanted, len(sizes) - 1)]
    return at, covered[at - 1]


@theorem(
    statement="P(a greedy walk of L steps has met a context again) = 1 - (C)_{L+1}/C^(L+1), about 1 - exp(-L^2/(2C)); "
    "then it repeats for ever",
    conditions="each of C contexts has one successor, independent and uniform: a random map",
    order="exact",
    source="birthday problem; Harris 1960; " + _SOURCE,
)
def loop_probability(contexts: int, steps: int) -> float:
    """The chance that a greedy model that walks through ``contexts`` = C contexts is caught in a loop by step L.

    Greedy text is a walk of a map, so it ends in a cycle. Real successors are not uniform and loop sooner: it is a
    guide for real text. Raises NotCovered from 10^7 steps on.
    """
    size, walked = one_whole("contexts", contexts, 1), one_whole("steps", steps, most=10**7 - 1)
    return float(no_merger(size, walked + 1)[1][-1])


@theorem(
    statement="tail and cycle together have mean sum_{k=0}^{C-1} (C)_{k+1}/C^(k+1) = sqrt(pi C/2) - 1/3 + o(1)",
    conditions="each of C contexts has one successor, independent and uniform: a random map",
    order="exact",
    source="Harris 1960; " + _SOURCE,
)
def loop_length(contexts: int) -> float:
    """Mean number of different contexts that a greedy walk visits, C = ``contexts`` up to 10^7."""
    size = one_whole("contexts", contexts, 1, most=10**7)
    return float(no_merger(size, size)[0][1:].sum())

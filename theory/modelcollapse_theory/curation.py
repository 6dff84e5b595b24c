r"""Curation is selection: weak rewards have one coefficient, real data make a house of cards, judges share a product.

With infinite data and infinitely many choices, w = e^reward, curation with real share g is the map
:math:`p' = (1-g) p w/\langle w \rangle + g p_0`; with several rewards, each of a share of the picks, it is
:math:`p' = p \sum_k \pi_k w_k/\langle w_k \rangle`. Two types at finite M are in ``two_states``. Derived in
theory/derivations/curation.md.
"""

from __future__ import annotations

import numpy as np
import scipy
from numpy.typing import ArrayLike

from modelcollapse_theory._domain import Array, NotCovered, law, one_real, one_whole, real, within
from modelcollapse_theory._register import theorem

_SOURCE = "derived in theory/derivations/curation.md"
_WIDEST = 500.0  # span of rewards, whose exponentials must fit float64
_GAP = 1e-11


def _rewards(name: str, value: ArrayLike, shape: tuple[int, ...]) -> Array:
    r = real(name, value)
    if r.shape != shape:
        raise ValueError(f"{name} must have the shape {shape}, one number for each state, got {r.shape}")
    if r.size and np.ptp(r, axis=-1).max() > _WIDEST:
        raise NotCovered(f"{name} must span at most {_WIDEST:g}, got {np.ptp(r, axis=-1).max():g}")
    return r


@theorem(
    statement="p'(x) = p(x) [1 + (1 - 1/k)(r(x) - <r>)] + O(r^2)",
    conditions="any number of types, one of k draws picked with chance proportional to e^reward; infinite data",
    order="O(r^2)",
    source=_SOURCE,
)
def weak_choice(probabilities: ArrayLike, reward: ArrayLike, choices: int = 2) -> Array:
    r"""One curation among k = ``choices`` draws by weak rewards: the replicator step, at strength 1 - 1/k.

    ``probabilities`` and ``reward`` are ``(K,)``; ``selection.curated`` is exact. Raises NotCovered where the step
    would leave the laws.
    """
    p = law("probabilities", probabilities)
    r = _rewards("reward", reward, p.shape)
    k = one_whole("choices", choices, 1)
    found = p * (1 + (1 - 1 / k) * (r - p @ r))
    if np.any(found < 0):
        raise NotCovered(f"reward must be weak: a step of span {np.ptp(r):g} leaves no law")
    return found


@theorem(
    statement="P(pick of reward at most r) = P(reward of a draw at most r)^k; equals share as p",
    conditions="the best of k draws, one of equals with equal chances; infinite data",
    order="exact",
    source="order statistics; " + _SOURCE,
)
def best_choice(probabilities: ArrayLike, reward: ArrayLike, choices: int = 2) -> Array:
    """The law ``(K,)`` of the draw of greatest reward among k = ``choices`` draws. Exact; rewards equal or not."""
    p = law("probabilities", probabilities)
    r = _rewards("reward", reward, p.shape)
    k = one_whole("choices", choices, 1)
    _, level = np.unique(r, return_inverse=True)
    mass = np.bincount(np.ravel(level), weights=p)
    upto = np.minimum(np.cumsum(mass), 1.0)
    below = np.append(0.0, upto[:-1])
    with np.errstate(divide="ignore", under="ignore"):
        # upto^k - below^k without cancellation where a level weighs little
        gain = np.where(
            mass > 0, upto**k * -np.expm1(k * np.log(np.where(mass > 0, below / np.maximum(upto, 1e-300), 0))), 0
        )
    found = p * (gain / np.where(mass > 0, mass, 1.0))[np.ravel(level)]
    return np.asarray(found / found.sum())


@theorem(
    statement="p*(x) = g p_0(x)/(1 - (1-g) w(x)/lambda), lambda = <w>* the root of sum g p_0/(1 - (1-g) w/lambda) = 1",
    conditions="p' = (1-g) p w/<w> + g p_0, w = e^reward: real share g, infinitely many choices, infinite data",
    order="exact",
    source="Kingman 1978 (house of cards); " + _SOURCE,
)
def house_of_cards(probabilities: ArrayLike, reward: ArrayLike, share: float) -> tuple[Array, float]:
    r"""The law ``(K,)`` in the long run of curation with real share g > 0, and its :math:`\ln \langle e^r \rangle`.

    ``probabilities`` p0 is the truth, ``reward`` the exponent ``(K,)``. Real data keep every state, but a state near
    the top is inflated by up to ``p*/p0 = g/(1 - (1-g) w/lambda)``. One root; exact to about 1e-12.
    """
    p = law("probabilities", probabilities)
    r = _rewards("reward", reward, p.shape)
    g = one_real("share", share, 0, 1, open_low=True)
    top = r[p > 0].max()
    if g == 1 or np.all(r[p > 0] == top):
        return p, float(scipy.special.logsumexp(r, b=p))
    alive = p > 0
    gap, mass = -np.expm1(r[alive] - top), p[alive]

    # lambda = (1-g) w_max (1 + d); in ln d, since d is small where the top weighs little
    def excess(log_lead: float) -> float:
        lead = np.exp(log_lead)
        return float(g * (mass * (1 + lead) / (gap + lead)).sum() - 1)

    low, high = np.log(g) + np.log(mass[gap == 0].sum()) - 1, -np.log1p(-g) + np.log(g) + 1e-9
    while excess(low) < 0:
        low -= 1
    lead = np.exp(scipy.optimize.brentq(excess, low, max(high, low + 1), xtol=1e-14, rtol=1e-14))
    found = np.zeros(p.size)
    found[alive] = g * mass * (1 + lead) / (gap + lead)
    return found / found.sum(), float(np.log1p(-g) + top + np.log1p(lead))


@theorem(
    statement="a share 1 - q of the models' output sits at the greatest reward iff q = g E[1/(1 - w/w_max)] < 1; then "
    "<w> = (1-g) w_max",
    conditions="p' = (1-g) p w/<w> + g p_0, p_0 without an atom at the greatest w, where the start has mass; infinite "
    "data",
    order="exact",
    source="Kingman 1978 (house of cards); " + _SOURCE,
)
def condensed_share(share: ArrayLike, inverse_gap: ArrayLike) -> Array:
    r"""What share of the law condenses at the greatest reward, :math:`\max(0, 1 - g\, E_{p_0}[1/(1 - w/w_{max})])`.

    ``share`` g of real data; ``inverse_gap`` is that mean over the truth, at least 1: (a + b - 1)/(b - 1) where
    w/w_max is Beta(a, b), b > 1. It is finite where the truth is thin near the top, and then too little real data lets
    the best item take a share of all output, however rare it is in the truth. Exact.
    """
    g, mean = within("share", share, 0, 1), within("inverse_gap", inverse_gap, 1, np.inf)
    return np.maximum(0.0, 1 - g * mean)


def _plural(probabilities: ArrayLike, rewards: ArrayLike, shares: ArrayLike) -> tuple[Array, Array, Array]:
    """p0 (K,), weights e^reward (R, K) with 1 as the largest of each row, shares (R,)."""
    p, pi = law("probabilities", probabilities), law("shares", shares)
    r = _rewards("rewards", rewards, (pi.size, p.size))
    return p, np.exp(r - r[:, p > 0].max(axis=1, keepdims=True)), pi


@theorem(
    statement="p' = p sum_k pi_k w_k/<w_k>: F(p) = sum_k pi_k ln <w_k> never falls",
    conditions="a share pi_k of the picks by reward k, w_k = e^reward, infinitely many choices, infinite data",
    order="exact",
    source="Cover 1984 (log-optimal portfolios), an EM step; " + _SOURCE,
)
def plural(probabilities: ArrayLike, rewards: ArrayLike, shares: ArrayLike, generations: int) -> Array:
    """The law ``(K,)`` after so many curations by several rewards ``(R, K)``, of which each decides a share of picks.

    ``shares`` ``(R,)`` sum to 1. One reward is ``selection.tilted``. Exact, step by step. Raises NotCovered beyond
    100,000 generations.
    """
    p, w, pi = _plural(probabilities, rewards, shares)
    for _ in range(one_whole("generations", generations, most=100_000)):
        p = p * (pi @ (w / (w @ p)[:, None]))
        p = p / p.sum()
    return p


@theorem(
    statement="limit: the weighted Nash product max sum_k pi_k ln <w_k>; KKT sum_k pi_k w_k/<w_k> <= 1, equality where "
    "p* > 0; generic rewards leave at most R states",
    conditions="p' = p sum_k pi_k w_k/<w_k> from a start on all states, w_k = e^reward; infinite data",
    order="exact",
    source="Cover 1984; Nash limit also arXiv 2605.07724; " + _SOURCE,
)
def nash(probabilities: ArrayLike, rewards: ArrayLike, shares: ArrayLike) -> Array:
    r"""The law ``(K,)`` that curation by several rewards ends at, started on the states where ``probabilities`` > 0.

    It maximises the weighted Nash product of the means :math:`\langle e^{r_k} \rangle`. Plural rewards do not keep
    diversity: generic ones leave at most as many states as there are rewards ``(R, K)``. The means are unique, and so
    is the law unless rewards are tied (equal columns share as they began; here in some way). Active sets with Newton
    steps (Wang 2007); F is within 1e-11 of its maximum, by its duality gap.
    """
    start, w, pi = _plural(probabilities, rewards, shares)
    alive = start > 0
    w, used = w[:, alive], pi > 0
    w, pi = w[used], pi[used]
    p = start[alive]
    for _ in range(1_000):
        scores = w / (w @ p)[:, None]
        if (pi @ scores).max() - 1 < _GAP:
            break
        p = _uphill(p, w, pi, scores)
    else:
        raise NotCovered(f"rewards must have a maximum that can be found within {_GAP:g}; these are too flat")
    found = np.zeros(start.size)
    found[alive] = p
    return found


def _uphill(p: Array, w: Array, pi: Array, scores: Array) -> Array:
    """A Newton step on the simplex, shortened until F rises; if it does not, the multiplicative step, which does."""
    root = np.sqrt(pi)[:, None]
    target, _ = scipy.optimize.nnls(
        np.vstack([root * (scores - 2), np.ones(p.size)]), np.append(np.zeros(len(pi)), 1.0), maxiter=30 * p.size
    )
    here, slope = float(pi @ np.log(w @ p)), 0.0
    if target.sum() > 0:
        step = target / target.sum() - p
        slope = float(pi @ scores @ step)
    length = 1.0
    while slope > 0 and length > 1e-9:
        there = np.maximum(p + length * step, 0.0)
        if float(pi @ np.log(w @ there)) >= here + slope * length / 4:
            return there / there.sum()
        length /= 2
    return p * (pi @ scores)

r"""A fit drawn from its posterior never collapses, it forgets: in the end the parameters have the law of the prior.

If every generation draws its parameters from the posterior given its data, and all have the same proper prior, then
parameters and data sets are a two-block Gibbs sampler of their joint law, and the prior is the stationary law of the
parameters whatever the sample size (Griffiths and Kalish 2007). Here the family is discrete and the prior is
Dirichlet(alpha b), worth alpha = ``strength`` items at the law b = ``base``: a fit to the counts x of M items draws
:math:`p' \sim \mathrm{Dirichlet}(\alpha b + x)`. With the base at the truth everything follows from one number,
as in ``workflows``: :math:`E H_n = (1 - v_n) H_0`, where v is the chance that two draws from the fit were copied from
one real item, or from one draw of a prior. With alpha = 0 (Haldane's prior) nothing holds the chain, and it is lost
twice as fast as under maximum likelihood: the noise of the posterior is the noise of sampling once more.

With its own posterior draw for each item (``per="item"``) the items come from the posterior's mean, which is additive
smoothing, and the posterior's noise is gone. Normal and one-parameter families are in ``iterated_families``.

``fits`` = n broadcasts, v_0 = 0 is the truth. Derived in theory/derivations/remedies.md.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from modelcollapse_theory._domain import (
    LONGEST,
    SQUARABLE,
    Array,
    NotCovered,
    choice,
    law,
    one_real,
    one_whole,
    schedule,
    whole,
    within,
)
from modelcollapse_theory._log_gamma import log_gamma_increment
from modelcollapse_theory._register import theorem
from modelcollapse_theory.workflows import affine, random_mixing, random_mixing_limit

_SOURCE = "derived in theory/derivations/remedies.md"
PER = ("fit", "item")


def _size(value: ArrayLike) -> Array:
    return whole("sample_size", value, 1, "a fit needs data").astype(np.float64)


def _strength(value: ArrayLike) -> Array:
    return within("strength", value, 0, SQUARABLE)


def _prior(strength: ArrayLike) -> Array:
    alpha = _strength(strength)
    if np.any(alpha == 0):
        raise NotCovered(f"strength must be positive: without a proper prior no law is stationary, got {strength!r}")
    return alpha


def _posterior_map(size: Array, alpha: Array, share: ArrayLike, members: Array | float) -> tuple[Array, Array]:
    """Source and gap of v' = source + (1 - gap) v for the mixture of so many posterior draws from one data set."""
    g, total = within("share", share, 0, 1), alpha + size
    square = (size / total) ** 2
    # w = 1/M + (1 - 1/M)(1 - g)^2 v of the data set: two draws of one member share more than two of its mean do
    kept = square * (1 - 1 / ((total + 1) * members))
    slope = kept * (1 - 1 / size)
    lost = (alpha / total + size / total * (alpha / total)) + square / size  # 1 - square (1 - 1/M)
    lost = lost + size / total * ((size - 1) / total) / (total + 1) / members
    return kept / size + 1 / ((total + 1) * members), lost + slope * g * (2 - g)


@theorem(
    statement="v_n = v* (1 - r^n), r = (1-g)^2 M(M-1)/((alpha+M)(alpha+M+1)), "
    "v* = 1/(1 + alpha + M(M-1) g(2-g)/(alpha + 2M)): 1/(1+alpha) without real data",
    conditions="each fit drawn from its posterior, prior Dirichlet(alpha p_0); after the first fit each item is real "
    "with probability g",
    order="exact",
    source="Polya's urn; " + _SOURCE,
)
def posterior(sample_size: ArrayLike, fits: ArrayLike, strength: ArrayLike, share: ArrayLike = 0.0) -> Array:
    r"""v_n of fits drawn from their posterior, with a prior worth alpha = ``strength`` items at the truth.

    .. math:: v' = \frac{\alpha + 2M + M (M-1) (1-g)^2 v}{(\alpha + M)(\alpha + M + 1)}, \qquad v_0 = 0

    Without real items E H_n goes down to :math:`H_0\,\alpha/(1 + \alpha)` and no further, at every M. With alpha = 0
    :math:`1 - v_n = [(M-1)/(M+1)]^n`, and with real items :math:`\theta` is half that of maximum likelihood. Exact.
    """
    return posterior_ensemble(sample_size, fits, strength, 1, share)


def posterior_limit(sample_size: ArrayLike, strength: ArrayLike, share: ArrayLike = 0.0) -> Array:
    r"""Stationary v of ``posterior``: :math:`1/(1 + \alpha + M(M-1)g(2-g)/(\alpha + 2M))`. Exact."""
    size, alpha, g = _size(sample_size), _strength(strength), within("share", share, 0, 1)
    return 1 / (1 + alpha + size * (g * (2 - g) * (size - 1) / (alpha + 2 * size)))


@theorem(
    statement="E p_i'^2 = [a_i(a_i+1) + 2M(1+a_i) E p_i + M(M-1) E p_i^2]/((alpha+M)(alpha+M+1)), a = alpha b; "
    "of the smoothed law: [a_i^2 + M(1+2a_i) E p_i + M(M-1) E p_i^2]/(alpha+M)^2",
    conditions="prior Dirichlet(alpha b) at any base b, replace, sizes M_1, M_2, ...",
    order="exact",
    source="Polya's urn; " + _SOURCE,
)
def second_moments(
    probabilities: ArrayLike, base: ArrayLike, sizes: ArrayLike, strength: float, *, per: str = "fit"
) -> tuple[Array, Array]:
    r"""E p_n and E p_n^2 of each state after 0, 1, ..., n fits to M_1, ..., M_n items, both (n + 1, K).

    ``probabilities`` (K,) is the truth, ``base`` (K,) where the prior stands, alpha = ``strength`` the items that it
    is worth; ``per="item"`` is the smoothed law (alpha b + x)/(alpha + M). The mean moves from the truth to the base,
    :math:`E p' = (\alpha b + M E p)/(\alpha + M)`. Exact. Raises ValueError where the laws differ in length.
    """
    p, b = law("probabilities", probabilities), law("base", base)
    if p.shape != b.shape:
        raise ValueError(f"base must have as many states as probabilities, got {b.size} and {p.size}")
    whole_draw = choice("per", per, PER) == "fit"
    a = one_real("strength", strength, 0, SQUARABLE) * b
    means, squares = [p], [p**2]
    for size in schedule("sizes", sizes, longest=LONGEST).astype(np.float64):
        total, mean, square = a.sum() + size, means[-1], squares[-1]
        means.append((a + size * mean) / total)
        again = total + 1 if whole_draw else total
        prior = a / total * ((a + whole_draw) / again)
        once = size / total * ((1 + whole_draw + 2 * a) / again) * mean
        squares.append(prior + once + size / total * ((size - 1) / again) * square)
    return np.array(means), np.array(squares)


@theorem(
    statement="eigenvalues M(M-1)...(M-j+1)/((alpha+M)(alpha+M+1)...(alpha+M+j-1)), j = 0..M",
    conditions="prior Dirichlet(alpha b), replace; two states (more only repeat them)",
    order="exact",
    source=_SOURCE,
)
def eigenvalues(sample_size: int, strength: float) -> Array:
    r"""All distinct eigenvalues of the chain of data sets, :math:`\prod_{i<j} (M - i)/(\alpha + M + i)`, j = 0..M.

    The second is the memory of the mean, the third that of the diversity: with alpha = 0 they are 1 and
    (M - 1)/(M + 1). Exact.
    """
    size = one_whole("sample_size", sample_size, 1, most=LONGEST)
    alpha, i = one_real("strength", strength, 0, SQUARABLE), np.arange(size)
    return np.cumprod(np.concatenate([[1.0], (size - i) / (alpha + size + i)]))


@theorem(
    statement="the stationary law of the parameters is the prior: E p^m = prod_{i<m} (alpha q + i)/(alpha + i), "
    "whatever the sample size",
    conditions="each fit drawn from its posterior, proper prior Dirichlet(alpha b), replace; q = b at the state",
    order="exact",
    source="Griffiths and Kalish 2007; " + _SOURCE,
)
def stationary_moments(base: float, strength: float, order: int) -> Array:
    r"""E p^m, m = 0..order, of the stationary probability of a state to which the prior's base gives q = ``base``.

    They are those of Beta(alpha q, alpha (1 - q)): no sample size appears, and nothing of the truth is left. Exact.
    Raises NotCovered for strength 0, where only point masses are stationary.
    """
    q, alpha = one_real("base", base, 0, 1), float(_prior(one_real("strength", strength)))
    i = np.arange(one_whole("order", order, most=LONGEST))
    return np.cumprod(np.concatenate([[1.0], (alpha * q + i) / (alpha + i)]))


@theorem(
    statement="Corr(p_t, p_{t+k}) = (M/(alpha+M))^k in the stationary chain",
    conditions="prior Dirichlet(alpha b), alpha > 0, replace; a posterior draw for each fit or for each item",
    order="exact",
    source=_SOURCE,
)
def correlation(sample_size: ArrayLike, strength: ArrayLike, lag: ArrayLike) -> Array:
    r"""Stationary autocorrelation of every probability, :math:`(M/(\alpha+M))^k`: it remembers M/alpha fits. Exact."""
    size, alpha = _size(sample_size), _prior(strength)
    return (size / (alpha + size)) ** whole("lag", lag)


@theorem(
    statement="P(state absent from a data set) = prod_{i<M} (alpha(1-q) + i)/(alpha + i)",
    conditions="stationary chain of fits drawn from their posterior, prior Dirichlet(alpha b), q = b at the state",
    order="exact",
    source="Dirichlet-multinomial law; " + _SOURCE,
)
def absent(base: ArrayLike, sample_size: ArrayLike, strength: ArrayLike) -> Array:
    r"""The chance that M draws of a stationary fit lack a state of base probability q: never for good, for it returns.

    .. math:: \frac{\Gamma(\alpha(1-q)+M)\,\Gamma(\alpha)}{\Gamma(\alpha(1-q))\,\Gamma(\alpha+M)}

    Exact. Raises ValueError unless 0 < q < 1, NotCovered for strength 0.
    """
    q, size = within("base", base, 0, 1, open_low=True, open_high=True), _size(sample_size)
    other, step = _prior(strength) * (1 - q), _prior(strength) * q
    far = log_gamma_increment(other + size, step) - log_gamma_increment(other, step)
    return np.exp(-(far + step * np.log1p(size / other)))


@theorem(
    statement="v_n = (1-g)^2 u_n, u the loss of random mixing with g = alpha/(alpha+M): smoothing is random mixing",
    conditions="items drawn from the smoothed law (alpha p_0 + x)/(alpha + M), a posterior draw for each item; "
    "prior at the truth, replace",
    order="exact",
    source=_SOURCE,
)
def smoothing(sample_size: ArrayLike, fits: ArrayLike, strength: ArrayLike) -> Array:
    r"""v_n of the smoothed law, with a prior worth alpha = ``strength`` items at the truth.

    Each item of the next data set is a draw of the prior's base with probability g = alpha/(alpha + M), else a copy:
    random mixing with the base in place of the truth, whose fit has the loss u_n. The law that is smoothed again has
    (1-g)^2 of it. About :math:`1/(1+2\alpha)` in the end, against :math:`1/(1+\alpha)` of ``posterior``. Exact.
    """
    size, alpha = _size(sample_size), _strength(strength)
    kept = (size / (alpha + size)) ** 2
    return kept * random_mixing(sample_size, fits, alpha / (alpha + size))


def smoothing_limit(sample_size: ArrayLike, strength: ArrayLike) -> Array:
    """Stationary v of ``smoothing``; 1 for strength 0. Exact."""
    size, alpha = _size(sample_size), _strength(strength)
    return (size / (alpha + size)) ** 2 * random_mixing_limit(sample_size, alpha / (alpha + size))


@theorem(
    statement="v' = (1-1/k)(M/A)^2 w + [1 + M^2 w/A]/(k(A+1)), w = 1/M + (1-1/M)(1-g)^2 v, A = alpha + M: from one "
    "draw for each fit (k = 1) to one for each item (k infinite)",
    conditions="the next data set is drawn from a mixture of k posterior draws given one data set; prior "
    "Dirichlet(alpha p_0); after the first fit each item is real with probability g",
    order="exact",
    source=_SOURCE,
)
def posterior_ensemble(
    sample_size: ArrayLike, fits: ArrayLike, strength: ArrayLike, members: ArrayLike, share: ArrayLike = 0.0
) -> Array:
    r"""v_n of a mixture of k = ``members`` posterior draws given the same data, of which the noise averages out.

    Without a prior and without real data the loss is 2/(M+1) a fit at k = 1, and 1/M in the limit. Exact.
    """
    size = _size(sample_size)
    source, gap = _posterior_map(size, _strength(strength), share, whole("members", members, 1).astype(np.float64))
    return np.minimum(affine(0.0, source, gap, whole("fits", fits)), 1.0)


def posterior_ensemble_limit(
    sample_size: ArrayLike, strength: ArrayLike, members: ArrayLike, share: ArrayLike = 0.0
) -> Array:
    """Stationary v of ``posterior_ensemble``: source over gap; 1 without prior and real data. Exact."""
    size = _size(sample_size)
    source, gap = _posterior_map(size, _strength(strength), share, whole("members", members, 1).astype(np.float64))
    return np.minimum(source / gap, 1.0)

r"""Remedies without a prior: other divisors, shrinkage, stratified draws, more draws, several refits, slow updates.

What each does to one number: the drift of the log variance of a normal law, or the loss v of ``workflows``, of which
maximum likelihood under replacement gains (1 - v)/M a fit. ``fits`` = n counts from the first fit, on M real items.
Derived in theory/derivations/remedies.md.
"""

from __future__ import annotations

import itertools

import numpy as np
import scipy
from numpy.typing import ArrayLike

from modelcollapse_theory import gaussian
from modelcollapse_theory._domain import (
    LONGEST,
    Array,
    NotCovered,
    choice,
    flag,
    law,
    one_real,
    one_whole,
    real,
    schedule,
    whole,
    within,
)
from modelcollapse_theory._log_gamma import digamma_excess
from modelcollapse_theory._register import theorem
from modelcollapse_theory.workflows import from_first_fit, share_lost

_SOURCE = "derived in theory/derivations/remedies.md"
_COCHRAN = "Cochran's theorem; " + _SOURCE
DIVISORS = ("ml", "unbiased", "unbiased_deviation", "log_unbiased")
_LARGEST = 5_000


def _sizes(sample_size: ArrayLike) -> Array:
    return whole("sample_size", sample_size, 2, "a variance needs at least two draws").astype(np.float64)


# --- divisors of a normal variance -----------------------------------------------------------------------------------


def log_divisor_factor(sample_size: ArrayLike, divisor: str) -> Array:
    r"""Logarithm of the factor on the unbiased variance: ln(1-1/M) for "ml", 0 for "unbiased", -2 ln c4 for
    "unbiased_deviation", ln(nu/2) - psi(nu/2) for "log_unbiased", nu = M - 1. Exact.
    """
    size = _sizes(sample_size)
    kind = choice("divisor", divisor, DIVISORS)
    if kind == "ml":
        return np.log1p(-1 / size)
    if kind == "unbiased_deviation":
        return -2 * gaussian.log_c4(sample_size)
    return -digamma_excess((size - 1) / 2) if kind == "log_unbiased" else np.zeros_like(size)


@theorem(
    statement="E log variance moves by ln k + psi(nu/2) - ln(nu/2) a fit: about -2/M for k = 1 - 1/M, -1/M unbiased, "
    "-1/(2M) with unbiased deviation (k = c4^-2), 0 for k = e^m; Var by psi'(nu/2) whatever k",
    conditions="normal, replace, variance k times the unbiased one, nu = M - 1 >= 1; m = ln(nu/2) - psi(nu/2), "
    "c4 = E s_nu/sigma",
    order="exact",
    source=_COCHRAN,
)
def corrected_log_variance(sample_size: ArrayLike, fits: ArrayLike, divisor: str) -> tuple[Array, Array]:
    r"""Mean and variance of :math:`\ln(\sigma_n^2/\sigma_0^2)` after ``fits`` fits with that ``divisor``. Exact.

    The variance does not know the divisor: no factor makes the walk settle, and the one without drift is
    null-recurrent. Raises ValueError for a divisor other than "ml", "unbiased", "unbiased_deviation", "log_unbiased".
    """
    count = whole("fits", fits)
    drift = digamma_excess((_sizes(sample_size) - 1) / 2) + log_divisor_factor(sample_size, divisor)
    return count * drift, gaussian.variance_log_variance(sample_size, fits)


@theorem(
    statement="E variance^theta = k^(n theta) [(2/nu)^theta Gamma(nu/2+theta)/Gamma(nu/2)]^n: E variance = k^n, so "
    "each correction of the log is paid for with a mean that grows",
    conditions="normal, replace, variance k times the unbiased one, nu = M - 1 >= 1, theta > -nu/2",
    order="exact",
    source=_COCHRAN,
)
def corrected_variance_moment(order: ArrayLike, sample_size: ArrayLike, fits: ArrayLike, divisor: str) -> Array:
    r"""E of the variance to the power theta = ``order``, relative to the first; of the deviation at 1/2, which is 1 for
    "unbiased_deviation". Exact; ``inf`` at or below theta = -nu/2 and beyond float64.
    """
    theta = real("order", order)
    base = gaussian.log_variance_cgf(theta, sample_size, fits)
    with np.errstate(over="ignore", invalid="ignore"):
        return np.exp(base + whole("fits", fits) * theta * log_divisor_factor(sample_size, divisor))


@theorem(
    statement="E (mu_n - mu_0)^2 = (1 + k + ... + k^(n-1))/M in true variances",
    conditions="replace, variance k times the unbiased one; any source, normal or not",
    order="exact",
    source="law of total variance; " + _SOURCE,
)
def corrected_mean_error(sample_size: ArrayLike, fits: ArrayLike, divisor: str) -> Array:
    """Squared error of the mean after ``fits`` fits: what a correction keeps of the variance, the mean pays.

    In units of the true variance, or of its trace in d dimensions. Exact; may be inf.
    """
    size, count = _sizes(sample_size), whole("fits", fits).astype(np.float64)
    factor = log_divisor_factor(sample_size, divisor)
    with np.errstate(over="ignore", invalid="ignore"):
        growth = np.expm1(count * factor) / np.where(factor == 0, 1.0, np.expm1(factor))
    return np.where(factor == 0, count, growth) / size


@theorem(
    statement="k fitted variances averaged: E log moves by psi(k nu/2) - ln(k nu/2), about -1/(k nu), "
    "Var by psi'(k nu/2)",
    conditions="normal, k refits to own samples of M draws of the last model, nu = M - 1, unbiased variances averaged",
    order="exact",
    source=_COCHRAN,
)
def averaged_log_variance(sample_size: ArrayLike, fits: ArrayLike, members: ArrayLike) -> tuple[Array, Array]:
    """Mean and variance of the log variance after ``fits`` fits, each the average of k = ``members`` refits. Exact."""
    half = whole("members", members, 1).astype(np.float64) * (_sizes(sample_size) - 1) / 2
    count = whole("fits", fits)
    return count * digamma_excess(half), count * scipy.special.polygamma(1, half)


# --- shrinkage to an archive -----------------------------------------------------------------------------------------


@theorem(
    statement="E v' = b S + (1-b) k E v, E v'^2 = b^2 S^2 + 2b(1-b) S k E v + (1-b)^2 k^2 (1+2/nu) E v^2",
    conditions="one normal coordinate, replace, variance shrunk by b towards S; k = 1 (ddof=1) or 1-1/M (ddof=0)",
    order="exact",
    source=_SOURCE,
)
def shrunk_variance(
    sample_size: int, fits: int, weight: float, target: float = 1.0, *, ddof: int = 1
) -> tuple[Array, Array]:
    r"""E v_n and E v_n^2, (n + 1,) each, of :math:`v' = b S + (1 - b) k v \chi^2_\nu/\nu` with b = ``weight``, S =
    ``target``, in units of the true variance. Exact; may reach inf.
    """
    size, count = one_whole("sample_size", sample_size, 2), one_whole("fits", fits, most=LONGEST)
    b, archive = one_real("weight", weight, 0, 1), one_real("target", target, 0, 1e75)
    k, spread = (size - 1) / (size - choice("ddof", ddof, (0, 1))), 1 + 2 / (size - 1)
    first, second = [1.0], [1.0]
    for _ in range(count):
        e, s = first[-1], second[-1]
        first.append(b * archive + (1 - b) * k * e)
        second.append((b * archive) ** 2 + 2 * b * (1 - b) * archive * k * e + ((1 - b) * k) ** 2 * spread * s)
    return np.array(first), np.array(second)


@theorem(
    statement="Var v*/S^2 = V = (1-b)^2 (2/nu)/(1 - (1-b)^2 (1+2/nu)); V + (1+V) 2/(r-1) about the truth, where S is "
    "the unbiased variance of r archived items",
    conditions="one normal coordinate, replace, unbiased variance shrunk by b towards S; stationary, "
    "(1-b)^2 (1+2/nu) < 1",
    order="exact",
    source=_SOURCE,
)
def shrunk_variance_limit(sample_size: ArrayLike, weight: ArrayLike, archive: int | None = None) -> Array:
    """Stationary relative variance of ``shrunk_variance`` (ddof=1); inf unless (1-b)^2 (1+2/nu) < 1. Exact.

    Of a given S where ``archive`` is None, else of one from r = ``archive`` real items, whose error comes on top, once.
    """
    nu, left = _sizes(sample_size) - 1, (1 - within("weight", weight, 0, 1)) ** 2
    room = 1 - left * (1 + 2 / nu)
    spread = np.where(room > 0, left * (2 / nu) / np.where(room > 0, room, 1.0), np.inf)
    if archive is None:
        return spread
    return spread + (1 + spread) * 2 / (one_whole("archive", archive, 2, "a variance needs at least two draws") - 1)


@theorem(
    statement="Sigma' = b Sigma_t + (1-b) Sigma^, mu' = b mu_t + (1-b) mu^: E Sigma' = b Sigma_t + (1-b) k E Sigma, "
    "B' = (1-b)^2 (B + E Sigma/M) about mu_t; B* = (1-b)^2/(M b(2-b)) Sigma_t for k = 1",
    conditions="replace, mean and covariance shrunk by b towards (mu_t, Sigma_t); k = 1 (ddof=1) or 1-1/M (ddof=0); "
    "any source with these moments",
    order="exact",
    source=_SOURCE,
)
def shrunk_moments(
    sizes: ArrayLike, weight: float, shift: float = 0.0, target: float = 1.0, *, ddof: int = 1
) -> tuple[Array, Array, Array]:
    r"""E mu_n - mu_0, E (mu_n - mu_0)^2 and E sigma_n^2 of a coordinate after 0, 1, ..., n fits, (n + 1,) each.

    In units of the true deviation: the archive has mean mu_0 + ``shift`` and variance ``target``. Exact. Without shift
    and at the true variance the error of the mean settles, an AR(1); a mean that is not shrunk walks.
    """
    size = schedule("sizes", sizes, 2, "a variance needs at least two draws", LONGEST)
    b, archive = one_real("weight", weight, 0, 1), one_real("target", target, 0, 1e150)
    off, degree = one_real("shift", shift, -1e75, 1e75), choice("ddof", ddof, (0, 1))
    away, about, spread = [-off], [off**2], [1.0]
    for m in size:
        about.append((1 - b) ** 2 * (about[-1] + spread[-1] / m))
        away.append((1 - b) * away[-1])
        spread.append(b * archive + (1 - b) * (m - 1) / (m - degree) * spread[-1])
    moved = np.array(away) + off
    error = np.array(about) + 2 * off * np.array(away) + off**2
    return moved, np.where(np.arange(error.size) == 0, 0.0, error), np.array(spread)


@theorem(
    statement="p' = b q + (1-b) p^: E p' = b q + (1-b) E p, E p_i'^2 = b^2 q_i^2 + (1-b)[2b q_i + (1-b)/M] E p_i + "
    "(1-b)^2 (1-1/M) E p_i^2: random mixing with the share b of the archive",
    conditions="discrete model, each fit shrunk by b towards the law q; replace",
    order="exact",
    source=_SOURCE,
)
def shrunk_law_moments(
    probabilities: ArrayLike, target: ArrayLike, sizes: ArrayLike, weight: float
) -> tuple[Array, Array]:
    r"""E p_n and E p_n^2 of each state after 0, 1, ..., n fits, both (n + 1, K), with q = ``target``, b = ``weight``.

    It is smoothing whose weight does not depend on the sample size. Exact. Raises ValueError where the laws differ in
    length.
    """
    p, q, b = law("probabilities", probabilities), law("target", target), one_real("weight", weight, 0, 1)
    if p.shape != q.shape:
        raise ValueError(f"target must have as many states as probabilities, got {q.size} and {p.size}")
    means, squares = [p], [p**2]
    for size in schedule("sizes", sizes, longest=LONGEST):
        mean, square = means[-1], squares[-1]
        means.append(b * q + (1 - b) * mean)
        once = (1 - b) * (2 * b * q + (1 - b) / size) * mean
        squares.append((b * q) ** 2 + once + (1 - b) ** 2 * (1 - 1 / size) * square)
    return np.array(means), np.array(squares)


# --- stratified draws ------------------------------------------------------------------------------------------------


@theorem(
    statement="E sum p'^2 = sum p^2 + sum_i f_i(1-f_i)/M^2, f_i = frac(M p_i): at most K/(4M^2) a fit, nothing where "
    "every M p_i is whole",
    conditions="every state gets floor(M p_i) or ceil(M p_i) items with mean M p_i (systematic sampling), whatever the "
    "dependence",
    order="exact",
    source="low-variance resampling (Kitagawa 1996); " + _SOURCE,
)
def stratified_step(probabilities: ArrayLike, sample_size: int) -> float:
    r"""What one fit to M stratified draws of a law takes from its heterozygosity, in expectation:
    :math:`\sum_i f_i (1 - f_i)/M^2`, against H/M for independent draws. Exact.
    """
    size = one_whole("sample_size", sample_size, 1, most=2**53)
    part = np.mod(law("probabilities", probabilities) * size, 1.0)
    return float((part * (1 - part)).sum() / float(size) ** 2)


@theorem(
    statement="each count is a chain of its own, x' = floor(M' x/M) + Bernoulli(frac(M' x/M)): with constant M, "
    "E p_n^2 = p^2 + p(1-p)/M and E H_n = (1 - 1/M) H_0 for every n >= 1",
    conditions="first data set of independent real draws, later ones stratified draws of the last fit, "
    "sizes M_1, M_2, ...",
    order="exact",
    source=_SOURCE,
)
def stratified_moments(probabilities: ArrayLike, sizes: ArrayLike) -> Array:
    """E p_n^2 of each state after 0, 1, ..., n fits to M_1, ..., M_n items, (n + 1, K). Exact; O(K max M) a fit.

    With one sample size every later data set equals the first, and growing by a whole factor loses nothing either.
    Raises NotCovered for sizes above 5,000 of which the next is no multiple.
    """
    p, size = law("probabilities", probabilities), schedule("sizes", sizes, longest=LONGEST)
    squares = [p**2]
    chance: Array | None = None
    for before, now in itertools.pairwise([0, *size.tolist()]):
        if before and now % before == 0:
            squares.append(squares[-1])
            chance = chance if chance is None else _spread_out(chance, before, now)
            continue
        if not before:
            squares.append(p**2 + p * (1 - p) / now)
            continue
        if max(before, now) > _LARGEST:
            raise NotCovered(f"sizes must be at most {_LARGEST} where the next is no multiple, got {before} and {now}")
        if chance is None:  # all sizes were multiples of the first
            chance = _spread_out(scipy.stats.binom.pmf(np.arange(size[0] + 1), size[0], p[:, None]), size[0], before)
        chance = _spread_out(chance, before, now)
        squares.append(chance @ (np.arange(now + 1) / now) ** 2)
    return np.array(squares)


def _spread_out(chance: Array, before: int, now: int) -> Array:
    """The law (K, now + 1) of each count after stratified draws, from that of the counts (K, before + 1)."""
    low, rest = np.divmod(np.arange(before + 1) * now, before)
    out = np.zeros((now + 2, len(chance)))  # one above, reached by no chance
    np.add.at(out, low, (chance * (1 - rest / before)).T)
    np.add.at(out, low + 1, (chance * (rest / before)).T)
    return out[:-1].T


@theorem(
    statement="E H_n >= H_0 (1 - 1/M_1) - (K/4) sum_{i>1} 1/M_i^2: stratified draws of sizes that never fall "
    "collapse only if sum 1/M_i^2 diverges",
    conditions="first data set of independent real draws, later ones stratified draws of the last fit; K states",
    order="exact (a bound)",
    source=_SOURCE,
)
def stratified_bound(probabilities: ArrayLike, sizes: ArrayLike) -> Array:
    """The least that can be left of E H_n after 0, 1, ..., n fits, (n + 1,); 0 where the bound says nothing. Exact."""
    p, size = law("probabilities", probabilities), schedule("sizes", sizes, longest=LONGEST).astype(np.float64)
    start = float((p * (1 - p)).sum())
    lost = np.concatenate([[0.0], start / size[:1], np.count_nonzero(p) / 4 / size[1:] ** 2])
    return np.maximum(start - np.cumsum(lost), 0.0)


@theorem(
    statement="E H_n = 1 - sum_c (n_c/M)^2 [1 - H_c (1 - 1/n_c)^n]: quotas freeze the shares of the classes, and each "
    "class is a chain of its own",
    conditions="every data set has n_c items of class c, the first one too, drawn independently within a class; H_c is "
    "the heterozygosity of the law within",
    order="exact",
    source=_SOURCE,
)
def quota_heterozygosity(counts: ArrayLike, inner: ArrayLike, fits: ArrayLike) -> Array:
    """E H_n of states of which each belongs to one class, with n_c = ``counts`` (C,) items a class.

    ``inner`` (C,) holds the H_c. What lies between the classes, 1 - sum (n_c/M)^2, is never lost. Exact.
    """
    size, own = whole("counts", counts, 1).astype(np.float64), within("inner", inner, 0, 1)
    if size.ndim != 1 or not size.size or own.shape != size.shape:
        raise ValueError(f"inner must have an entry for each of counts, got shapes {own.shape} and {size.shape}")
    lost = share_lost(1 / size, whole("fits", fits)[..., None])
    return 1 - ((size / size.sum()) ** 2 * (1 - own * (1 - lost))).sum(-1)


# --- more draws, several refits, slow updates ------------------------------------------------------------------------


@theorem(
    statement="1 - v_n = (1 - 1/M)(1 - 1/(AM))^(n-1): A times the draws, 1/A of the loss a fit",
    conditions="first data set of M real items, later ones of A M draws of the last fit",
    order="exact",
    source=_SOURCE,
)
def oversampled(sample_size: ArrayLike, fits: ArrayLike, factor: ArrayLike) -> Array:
    """v_n with A = ``factor`` times M draws of the model in each later data set. Exact."""
    size = whole("sample_size", sample_size, 1, "a fit needs data").astype(np.float64)
    gap = 1 / (size * whole("factor", factor, 1))
    return from_first_fit(1 / size, fits, gap, gap)


@theorem(
    statement="1 - v_n = (1 - v_1)(1 - 1/(kM))^(n-1), v_1 = 1/(kM), or 1/M where all learn from one real set; of k "
    "refits to ONE sample 1 - v_n = (1 - 1/M)^n",
    conditions="k models refitted to M draws each of the mixture of the last k",
    order="exact",
    source=_SOURCE,
)
def ensemble(
    sample_size: ArrayLike, fits: ArrayLike, members: ArrayLike, *, own: bool = True, own_start: bool = True
) -> Array:
    """v_n of the mixture of k = ``members`` refits, on samples of their ``own`` or on one sample of M. Exact.

    ``own_start``: whether the first data sets are k samples of M real items, or one and the same. To fit one sample k
    times gives k equal fits and buys nothing.
    """
    size = whole("sample_size", sample_size, 1, "a fit needs data").astype(np.float64)
    k = whole("members", members, 1).astype(np.float64)
    later = size * (k if flag("own", own) else 1.0)
    return from_first_fit(1 / (later if flag("own_start", own_start) else size), fits, 1 / later, 1 / later)


@theorem(
    statement="1 - v_n = (1 - 1/M)(1 - eta^2/M)^(n-1): a step of eta loses eta^2 of what a refit loses",
    conditions="p' = (1 - eta) p + eta p^ (a mixture of the last fit and its refit), the first fit whole; replace",
    order="exact",
    source=_SOURCE,
)
def slow_update(sample_size: ArrayLike, fits: ArrayLike, rate: ArrayLike) -> Array:
    """v_n where each fit goes only the share eta = ``rate`` of the way, after a whole first fit. Exact.

    After the same number of refits; in units of 1/eta fits the loss is eta of a refit's.
    """
    size = whole("sample_size", sample_size, 1, "a fit needs data").astype(np.float64)
    gap = within("rate", rate, 0, 1) ** 2 / size
    return from_first_fit(1 / size, fits, gap, gap)

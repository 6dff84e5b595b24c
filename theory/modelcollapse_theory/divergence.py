r"""The model drifts from the truth: quadratic distances by a universal law, entropy at the rate of the living support.

Quadratic distances grow as 1 - (1 - 1/M)^n whatever the law. The Kullback-Leibler divergence of the model from the
truth is the entropy lost, and entropy is lost at the rate (S - 1)/(2M): each *living* state but one costs 1/(2M) nats
a fit. Derived in theory/derivations/entropy.md.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import scipy
from numpy.typing import ArrayLike

from ._domain import Array, NotCovered, law, one_whole, whole, within
from ._register import theorem
from .fixation_diffusion import FIXATION_CONSTANT
from .fresh_limits import lineage_expectation_limit
from .lineages import lineage_expectation, lineage_sums, one_size
from .moments import marginal_expectation, marginal_size
from .replacement import States, expected_distinct, heterozygosity, states


def _drift(sample_size: ArrayLike, fits: ArrayLike) -> Array:
    """1 - (1 - 1/M)^n."""
    size, count = whole("sample_size", sample_size, 1), whole("fits", fits, 0)
    keep = np.log1p(-1 / np.maximum(size, 2))
    return np.where(size == 1, (count > 0).astype(np.float64), -np.expm1(count * keep))


@theorem(
    statement="E chi2(p_n || p_0) = (K - 1)(1 - (1 - 1/M)^n), free of p_0",
    conditions="replace regime, K states of positive probability, constant sample size M >= 1",
    order="exact",
    source="derived in theory/derivations/entropy.md",
)
def expected_chi_square(states: ArrayLike, sample_size: ArrayLike, fits: ArrayLike) -> Array:
    r"""Mean chi-square divergence :math:`E \sum_i (p_n(i) - p_0(i))^2 / p_0(i) = (K-1)[1 - (1 - 1/M)^n]`.

    ``states`` is K, the number of states of positive probability; their probabilities do not matter. Broadcasts. Exact.
    Raises ValueError for states < 1, sample_size < 1 or fits < 0.
    """
    return (whole("states", states, 1) - 1) * _drift(sample_size, fits)


@theorem(
    statement="E |p_n - p_0|^2 = H_0 (1 - (1 - 1/M)^n)",
    conditions="replace regime, constant sample size M >= 1, n >= 0 fits",
    order="exact",
    source="martingale increments; theory/derivations/entropy.md",
)
def expected_squared_distance(probabilities: ArrayLike, sample_size: ArrayLike, fits: ArrayLike) -> Array:
    r"""Mean squared Euclidean distance :math:`E \|p_n - p_0\|_2^2 = H_0 [1 - (1 - 1/M)^n]`. Broadcasts. Exact.

    Raises ValueError unless ``probabilities`` is a law, sample_size >= 1 and fits >= 0.
    """
    return heterozygosity(probabilities) * _drift(sample_size, fits)


@theorem(
    statement="Cov(p_m, p_n) = (diag p_0 - p_0 p_0^T)(1 - (1 - 1/M)^min(m, n))",
    conditions="replace regime, constant sample size M >= 1",
    order="exact",
    source="martingale property; theory/derivations/entropy.md",
)
def fits_covariance(probabilities: ArrayLike, sample_size: int, fits: int, other_fits: int | None = None) -> Array:
    r"""Covariance (K, K) of the frequencies after ``fits`` and after ``other_fits`` fits (the same if not given).

    .. math:: \operatorname{Cov}(p_m, p_n) = (\operatorname{diag} p_0 - p_0 p_0^T)\,[1 - (1 - 1/M)^{\min(m, n)}]

    Exact. Raises ValueError unless ``probabilities`` is a law, sample_size >= 1 and fits >= 0.
    """
    p = law("probabilities", probabilities)
    first = one_whole("fits", fits)
    shared = first if other_fits is None else min(first, one_whole("other_fits", other_fits))
    return (np.diag(p) - np.outer(p, p)) * _drift(one_whole("sample_size", sample_size, 1), shared)


def entropy(probabilities: ArrayLike) -> float:
    r"""Shannon entropy :math:`h(p) = -\sum_i p_i \ln p_i` in nats. Exact."""
    group = states(probabilities)
    return float(-(group.multiplicity * group.probability) @ group.log)


@theorem(
    statement="E h(p_n) = sum_i E entr(X_n(i) / M) by the two-state marginal chain",
    conditions="replace regime, any K, constant sample size M <= 2000",
    order="exact",
    source="merging states leaves a Wright-Fisher chain",
)
def expected_entropy(probabilities: ArrayLike, sample_size: int, fits: ArrayLike) -> Array:
    r"""Mean entropy (nats) of the model after ``fits`` fits, :math:`E h(p_n) = -\sum_i E\, p_n(i) \ln p_n(i)`.

    One backward pass of the (M + 1) x (M + 1) two-state chain serves all states: O(M^2) for each fit. Shape of
    ``fits``. Exact. Raises ValueError unless ``probabilities`` is a law, 1 <= sample_size <= 2000 and fits >= 1.
    """
    group, size = states(probabilities), marginal_size(sample_size)
    return (
        marginal_expectation(group.probability, size, fits, scipy.special.entr(np.arange(size + 1) / size))
        @ group.multiplicity
    )


@theorem(
    statement="E KL(p_n || p_0) = h(p_0) - E h(p_n); E KL(p_0 || p_n) is infinite for every n >= 1 and K >= 2",
    conditions="replace regime, any K, constant sample size M <= 2000",
    order="exact",
    source="E p_n = p_0; derived in theory/derivations/entropy.md",
)
def expected_kl(probabilities: ArrayLike, sample_size: int, fits: ArrayLike) -> Array:
    r"""Mean Kullback-Leibler divergence (nats) of the model from the truth.

    .. math:: E \operatorname{KL}(p_n \| p_0) = h(p_0) - E h(p_n) \to h(p_0)

    because E p_n = p_0. Summed as :math:`p_0(i)\, E[y \ln y - y + 1]`, y = p_n(i)/p_0(i), so that only terms of one
    sign are added. The reverse divergence KL(p_0 || p_n) has infinite mean from the first fit on: a state is lost
    with positive probability. Shape of ``fits``; O(M^2 U) for each fit and U different probabilities. Exact. Raises
    ValueError as ``expected_entropy``.
    """
    group, size = states(probabilities), marginal_size(sample_size)
    p = group.probability
    ratio = np.arange(size + 1)[:, None] / (size * p)
    cost = p * (scipy.special.xlogy(ratio, ratio) - (ratio - 1))
    return marginal_expectation(p, size, fits, cost) @ group.multiplicity


@theorem(
    statement="E TV(p_n, p_0) = (1/2) sum_i E |p_n(i) - p_0(i)| -> H_0",
    conditions="replace regime, any K, constant sample size M <= 2000",
    order="exact",
    source="two-state marginal chain; the limit by absorption; theory/derivations/entropy.md",
)
def expected_total_variation(probabilities: ArrayLike, sample_size: int, fits: ArrayLike) -> Array:
    r"""Mean total variation distance :math:`\tfrac12 \sum_i E |p_n(i) - p_0(i)|`; it tends to H_0.

    Shape of ``fits``; O(M^2 U) for each fit and U different probabilities. Exact. Raises ValueError as
    ``expected_entropy``.
    """
    group, size = states(probabilities), marginal_size(sample_size)
    distance = np.abs(np.arange(size + 1)[:, None] / size - group.probability)
    return marginal_expectation(group.probability, size, fits, distance) @ group.multiplicity / 2


@theorem(
    statement="E|X - Mq| = 2k C(M, k) q^k (1-q)^(M-k+1), k = floor(Mq) + 1, X ~ Binomial(M, q)",
    conditions="one fit, M >= 1 draws",
    order="exact",
    source="De Moivre 1730",
)
def mean_absolute_deviation(probability: ArrayLike, sample_size: ArrayLike) -> Array:
    r"""Mean absolute error :math:`E|p_1(i) - q|` of one fitted frequency; half the sum over states is E TV(p_1, p_0).

    .. math:: E|X - Mq| = 2 k \binom{M}{k} q^k (1-q)^{M-k+1}, \qquad k = \lfloor Mq \rfloor + 1

    divided by M. Broadcasts; log-gamma rounding limits it to about 1e-16 M ln M, relative. Exact otherwise. Raises
    ValueError for q outside [0, 1], and for sample_size < 1 or beyond 2**40, where fewer than two digits would be left.
    """
    q, size = within("probability", probability, 0.0, 1.0), whole("sample_size", sample_size, 1).astype(np.float64)
    if np.any(size > 2.0**40):
        raise NotCovered(f"sample_size must be at most 2**40, got {size.max():.6g}: rounding leaves no digits beyond")
    # at q = 1 the factor (1 - q) makes it 0 whatever k
    k = np.minimum(np.floor(size * q) + 1, size)
    choose = scipy.special.gammaln(size + 1) - scipy.special.gammaln(k + 1) - scipy.special.gammaln(size - k + 1)
    return np.where(
        q == 1, 0.0, 2 * k * np.exp(choose + scipy.special.xlogy(k, q) + scipy.special.xlog1py(size - k + 1, -q)) / size
    )


@theorem(
    statement="E TV(p_n, p_0) ~ (1/2) sum_i sqrt(2 n p_i (1 - p_i) / (pi M))",
    conditions="replace regime, n << M, every M p_i >> 1",
    order="O(n/M) relative",
    source="central limit; theory/derivations/entropy.md",
)
def total_variation_early(probabilities: ArrayLike, sample_size: ArrayLike, fits: ArrayLike) -> Array:
    r"""Early mean total variation distance, :math:`\tfrac12 \sum_i \sqrt{2 n p_i (1 - p_i) / (\pi M)}`.

    Broadcasts. Relative error O(n/M) + O(1/(M min p)). Raises ValueError unless ``probabilities`` is a law.
    """
    group, size, count = states(probabilities), whole("sample_size", sample_size, 1), whole("fits", fits, 0)
    return np.sqrt(count / (2 * np.pi * size)) * float(
        group.multiplicity @ np.sqrt(group.probability * group.complement)
    )


@theorem(
    statement="E h(p_n) ~ h(p_0) - (1/(2M)) sum_{t<n} (E S_t - 1)",
    conditions="replace regime, M large, constant sample size M <= 100000",
    order="O(ln M / M)",
    source="generator of the diffusion; derived in theory/derivations/entropy.md",
)
def entropy_from_support(probabilities: ArrayLike, sample_size: int, fits: ArrayLike) -> Array:
    r"""Mean entropy (nats) after ``fits`` fits from the mean support before them.

    .. math:: E h(p_n) \approx h(p_0) - \frac{1}{2M} \sum_{t=0}^{n-1} (E S_t - 1)

    The Miller-Madow rate (K - 1)/(2M) holds only while nothing is lost; after that the living states count. Shape of
    ``fits``; costs one lineage law of max(fits) steps. Error O(ln M / M). Raises ValueError unless ``probabilities``
    is a law, 1 <= sample_size <= 100000 and 0 <= fits <= 10^6.
    """
    group, size, count = (
        states(probabilities),
        one_size(sample_size),
        whole("fits", fits, 0, "every fit is summed", 10**6),
    )
    lost = [0.0, float(group.multiplicity.sum()) - 1]
    last = int(count.max(initial=0))
    if last > 1:
        lost.extend(lineage_expectation(size, np.arange(1, last), _extra_states(probabilities, size)))
    return entropy(probabilities) - np.cumsum(lost)[count] / (2 * size)


def _extra_states(probabilities: ArrayLike, size: int) -> Array:
    """Mean number of distinct types beyond the first among a draws, a = 0..M, 0 at a = 0."""
    table = np.zeros(size + 1)
    for first in range(2, size + 1, 512):
        a = np.arange(first, min(first + 512, size + 1))
        table[a] = expected_distinct(probabilities, a) - 1
    return table


def _early_entropy(group: States, size: int, fits: int) -> float:
    """E h(p_n) while the counts are branching processes, n << M, from E X e^(-u X) over u."""
    count = size * group.probability
    log_u = np.arange(np.log(1e-11 / count.max()), np.log(700), 0.1)
    u = np.exp(log_u)
    exponent, slope = -np.expm1(-u), np.exp(-u)  # E e^(-u X) = e^(-c exponent)
    for _ in range(fits - 1):
        slope, exponent = slope * np.exp(-exponent), -np.expm1(-exponent)
    rest = size * np.exp(-u)
    for first in range(0, count.size, 4096):
        c, times = count[first : first + 4096, None], group.multiplicity[first : first + 4096]
        rest -= times @ (c * slope * np.exp(-c * exponent))
    # each Poisson count loses 1/2 a fit where a binomial one loses (1 - p)/2
    return float(np.log(size) - rest.sum() * 0.1 / size + fits / (2 * size))


def _support_sums(group: States, size: int, start: int, last: float) -> Callable[[Array], Array]:
    """sum of E S_t - 1 over ``start`` <= t < n, as a function of n from ``start`` to ``last``."""
    fits = np.unique(np.rint(np.geomspace(start, max(last, 2 * start), 64)))

    def more(lineages: Array) -> Array:
        return -np.expm1(np.multiply.outer(lineages, group.log_complement)) @ group.multiplicity - 1

    extra = [lineage_expectation_limit(size, int(t), more) for t in fits]
    curve = scipy.interpolate.CubicSpline(np.log(fits), np.log(np.maximum(extra, 1e-12)))
    grid = np.linspace(np.log(start - 0.5), np.log(fits[-1]), 4001)
    rest = scipy.integrate.cumulative_simpson(np.exp(curve(grid) + grid), x=grid, initial=0)  # over d ln t
    later = scipy.interpolate.CubicSpline(grid, rest)
    return lambda count: later(np.log(np.maximum(count, start) - 0.5))


@theorem(
    statement="E h(p_n) ~ ln M - E sum X ln X/M, X branching from Poisson(M p_i), to n = N; then - (1/(2M)) sum (E "
    "S_t - 1)",
    conditions="replace regime, M large, constant sample size; N = M^(1/2), at most 10^4",
    order="O(M^(-1/2)): largest seen 0.75 M^(-1/2) nats, 1% of the loss",
    source="critical branching, then the generator of the diffusion; derived in theory/derivations/entropy.md",
)
def expected_entropy_limit(probabilities: ArrayLike, sample_size: int, fits: ArrayLike) -> Array:
    r"""Mean entropy (nats) after ``fits`` fits of samples too large for ``expected_entropy``; its cost does not grow
    with M.

    To fit N = M^(1/2) counts are branching processes, :math:`E e^{-uX} = e^{-c \varphi_n(u)}`, which covers states that
    the sample is too small for; after that each living state but one costs 1/(2M) a fit, as in
    ``entropy_from_support``:

    .. math:: E h(p_n) \approx E h(p_N) - \frac{1}{2M} \sum_{t=N}^{n-1} (E S_t - 1)

    less what states of few copies cost beyond that, which falls like n^-2 from what it is at N. Followed over 30 M
    fits. Shape of ``fits``. Error O(M^(-1/2)); 0.75 M^(-1/2) nats is the largest seen, 1% of the loss. Raises
    ValueError unless ``probabilities`` is a law, sample_size >= 100, fits >= 0.
    """
    count = whole("fits", fits, 0).astype(np.float64)
    return entropy_curve(probabilities, sample_size, int(count.max(initial=0)))(count)


def entropy_curve(probabilities: ArrayLike, sample_size: int, last: int) -> Callable[[Array], Array]:
    """``expected_entropy_limit`` as a function of an array of fits up to ``last``, for many calls."""
    group, size = states(probabilities), one_whole("sample_size", sample_size, 100, "it is a large-sample law")
    start, end = entropy(probabilities), min(float(one_whole("last", last)), 30.0 * size)
    early, excess, sums = min(int(np.sqrt(size)), 10_000), 0.0, None
    if end > early:
        sums = _support_sums(group, size, early, end)
        # few copies cost more than 1/(2M) a fit; the excess falls like n^-2, and its sum from N to n is N e_N (1 - N/n)
        excess = _early_entropy(group, size, early) - _early_entropy(group, size, early + 1)
        excess = max(excess - float(sums(np.asarray(early + 1.0))) / (2 * size), 0.0)

    def curve(count: Array) -> Array:
        wanted = np.minimum(count, early)
        known = np.unique(wanted)
        begun = np.array([_early_entropy(group, size, int(n)) if n else start for n in known])
        found = begun[np.searchsorted(known, wanted)]
        if sums is not None:
            later = np.clip(count, early, end)
            found = found - sums(later) / (2 * size) - excess * early * (1 - early / later)
        return np.maximum(found, 0.0)

    return curve


@theorem(
    statement="sum_{n>=0} (E S_n - 1) = K - 1 + sum_{n>=1} E[D(A_n) - 1]",
    conditions="replace regime, any K, constant sample size M <= 100000",
    order="exact",
    source="derived in theory/derivations/entropy.md",
)
def diversity_time(probabilities: ArrayLike, sample_size: int) -> float:
    r"""Total number of extra states alive, summed over all generations: :math:`\sum_{n \ge 0} (E S_n - 1)`.

    By the triangular solve of ``lineages.lineage_sums``. Exact; O(M^2 + U M). Raises ValueError unless
    ``probabilities`` is a law and 1 <= sample_size <= 100000.
    """
    group, size = states(probabilities), one_size(sample_size)
    once = lineage_sums(size, _extra_states(probabilities, size))[0]
    return float(group.multiplicity.sum() - 1 + once)


@theorem(
    statement="sum_{n>=0} (E S_n - 1) = 2M h(p_0) - (1/3) sum (1-p_i) ln p_i - (K-1)((1/3) ln M - c_0) + O(1/M)",
    conditions="replace regime, M large, every M p_i >> 1",
    order="O(1/M)",
    source="derived in theory/derivations/entropy.md",
)
def diversity_time_refined(probabilities: ArrayLike, sample_size: ArrayLike) -> Array:
    r"""The diversity-time identity: all the extra states ever alive amount to 2M times the entropy.

    .. math:: \sum_{n \ge 0} (E S_n - 1) = 2M\, h(p_0) - \tfrac13 \sum_i (1 - p_i) \ln p_i
        - (K - 1) (\tfrac13 \ln M - c_0) + O(1/M)

    with c_0 = -0.72170 of ``fixation_diffusion``. Shape of ``sample_size``. Raises ValueError unless
    ``probabilities`` is a law and sample_size >= 1.
    """
    group, size = states(probabilities), whole("sample_size", sample_size, 1).astype(np.float64)
    edge = float((group.multiplicity * group.complement) @ group.log)
    extra = group.multiplicity.sum() - 1
    return 2 * size * entropy(probabilities) - edge / 3 - extra * (np.log(size) / 3 - FIXATION_CONSTANT)

"""When models learn from the last one's samples alone, diversity shrinks by exactly 1 - 1/M a fit, down to one state.

The chain: X_1 ~ Multinomial(M, p_0), p_n = X_n / M, X_{n+1} ~ Multinomial(M, p_n). It is the multi-allele Wright-Fisher
chain of population genetics with haploid size M (the textbook's 2N genes are M here).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import scipy
from numpy.typing import ArrayLike

from ._domain import Array, law, real, whole, within
from ._register import theorem
from .lineages import one_size


class States(NamedTuple):
    """The states of a law that can occur, those of equal probability counted together."""

    probability: Array  # (U,) distinct, positive
    complement: Array  # (U,) one minus it, as the sum of the others: no cancellation near 1
    multiplicity: Array  # (U,) states with this probability

    @property
    def log(self) -> Array:
        """log p, accurate to the last digit also next to p = 1."""
        near = self.probability > 0.5
        return np.where(near, np.log1p(-np.where(near, self.complement, 0.0)), np.log(self.probability))

    @property
    def log_complement(self) -> Array:
        """log(1 - p), accurate to the last digit also next to p = 0; minus infinity at p = 1."""
        small = np.where(self.probability > 0.5, 0.0, self.probability)
        with np.errstate(divide="ignore"):
            return np.where(self.probability > 0.5, np.log(self.complement), np.log1p(-small))


def states(probabilities: ArrayLike) -> States:
    """The possible states of ``probabilities``, grouped. Raises ValueError unless it is a law."""
    p = law("probabilities", probabilities)
    p = p[p > 0]
    before = np.concatenate([[0.0], np.cumsum(p[:-1])])
    after = np.concatenate([np.cumsum(p[:0:-1])[::-1], [0.0]])
    distinct, first, count = np.unique(p, return_index=True, return_counts=True)
    return States(distinct, (before + after)[first], count.astype(np.float64))


def heterozygosity(probabilities: ArrayLike) -> float:
    r"""The chance that two draws differ, :math:`H = \sum_i p_i (1 - p_i) = 1 - \sum_i p_i^2` (Gini-Simpson). Exact."""
    group = states(probabilities)
    return float((group.multiplicity * group.probability) @ group.complement)


@theorem(
    statement="P(the chain ends at state i) = p_0(i), P(state i is lost some day) = 1 - p_0(i)",
    conditions="replace regime, any sample sizes with sum 1/M_t infinite",
    order="exact",
    source="bounded martingale; Shumailov et al. 2024, section on discrete distributions",
)
def fixation_probability(probabilities: ArrayLike) -> Array:
    r"""The chance that the chain ends at each state: its original probability, whatever the sample size.

    .. math:: P(p_\infty = \delta_i) = p_0(i)

    The frequency is a bounded martingale and its limit is 0 or 1. State i is lost some day with probability 1 - p_0(i).
    Shape (K,). Exact. Raises ValueError unless ``probabilities`` is a law.
    """
    return law("probabilities", probabilities)


@theorem(
    statement="P(a state of probability q is missing from M draws) = (1 - q)^M",
    conditions="one fit, M >= 1 draws",
    order="exact",
    source="independence of the draws",
)
def unseen_probability(probability: ArrayLike, sample_size: ArrayLike) -> Array:
    r"""The chance that a state of ``probability`` q is missing from one data set, :math:`(1 - q)^M`.

    Broadcasts. Exact, also for q = 1e-18. Raises ValueError for q outside [0, 1] or sample_size < 1.
    """
    q, size = within("probability", probability, 0.0, 1.0), whole("sample_size", sample_size, 1)
    with np.errstate(divide="ignore"):
        return np.exp(size * np.log1p(-q))


@theorem(
    statement="E S_1 = sum_i 1 - (1 - p_i)^M",
    conditions="one fit, M >= 1 draws",
    order="exact",
    source="linearity of expectation",
)
def expected_distinct(probabilities: ArrayLike, sample_size: ArrayLike) -> Array:
    r"""Mean number of distinct states in one data set, :math:`E S_1 = \sum_i [1 - (1 - p_i)^M]`.

    Shape of ``sample_size``. Exact. Raises ValueError unless ``probabilities`` is a law and sample_size >= 1.
    """
    group, size = states(probabilities), whole("sample_size", sample_size, 1)
    return -np.expm1(size[..., None] * group.log_complement) @ group.multiplicity


@theorem(
    statement="Var S_1 = sum u_i(1 - u_i) + sum_{i != k} [(1 - p_i - p_k)^M - u_i u_k], u_i = (1 - p_i)^M",
    conditions="one fit, M >= 1 draws",
    order="exact",
    source="variance of a sum of indicators",
)
def distinct_variance(probabilities: ArrayLike, sample_size: ArrayLike) -> Array:
    r"""Variance of the number of distinct states in one data set.

    .. math:: \operatorname{Var} S_1 = \sum_i u_i (1 - u_i) + \sum_{i \ne k} [(1 - p_i - p_k)^M - u_i u_k],
        \qquad u_i = (1 - p_i)^M

    The bracket is formed as u_i u_k expm1(M log1p(-p_i p_k / ((1 - p_i)(1 - p_k)))), without cancellation. Shape of
    ``sample_size``; cost the square of the number of *different* probabilities. Exact. Raises ValueError unless
    ``probabilities`` is a law and sample_size >= 1.
    """
    group, size = states(probabilities), whole("sample_size", sample_size, 1)
    if group.complement[-1] == 0:  # one state: nothing varies
        return np.zeros(size.shape)
    p, q = group.probability, group.complement
    pairs = np.outer(group.multiplicity, group.multiplicity) - np.diag(group.multiplicity)
    ratio = np.minimum(np.outer(p, p) / np.outer(q, q), 1.0)
    with np.errstate(divide="ignore"):
        joint = np.log1p(-ratio)
    out = np.empty(size.shape)
    for at, draws in np.ndenumerate(size):
        unseen = np.exp(draws * group.log_complement)
        single = group.multiplicity @ (unseen * -np.expm1(draws * group.log_complement))
        out[at] = single + unseen @ (pairs * np.expm1(draws * joint)) @ unseen
    return out


@theorem(
    statement="E H_n = H_0 (1 - 1/M)^n",
    conditions="replace regime, constant sample size M >= 1, n >= 0 fits",
    order="exact",
    source="Wright-Fisher; for model collapse see also Seddik et al. 2404.05090; theory/derivations/replacement.md",
)
def expected_heterozygosity(probabilities: ArrayLike, sample_size: ArrayLike, fits: ArrayLike) -> Array:
    r"""Mean heterozygosity (Gini-Simpson index) after ``fits`` fits, :math:`E H_n = H_0 (1 - 1/M)^n`.

    Two items of one data set have the same parent with probability 1/M and are otherwise two draws from the last model.
    Broadcasts over ``sample_size`` and ``fits``. Exact. Raises ValueError unless ``probabilities`` is a law,
    sample_size >= 1 and fits >= 0.
    """
    start, size, count = heterozygosity(probabilities), whole("sample_size", sample_size, 1), whole("fits", fits, 0)
    keep = np.log1p(-1 / np.maximum(size, 2))
    return start * np.where(size == 1, (count == 0).astype(np.float64), np.exp(count * keep))


def expected_heterozygosity_schedule(probabilities: ArrayLike, sizes: ArrayLike) -> Array:
    r"""Mean heterozygosity after each fit if the data sets have ``sizes`` M_1, ..., M_n: :math:`H_0 \prod (1 - 1/M_i)`.

    Shape of ``sizes``. Exact. It stays positive for ever iff sum 1/M_i is finite (``heterozygosity_limit``). Raises
    ValueError unless ``probabilities`` is a law and every size is at least 1.
    """
    schedule = whole("sizes", sizes, 1)
    if schedule.ndim != 1:
        raise ValueError(f"sizes must be a vector of sample sizes, got shape {schedule.shape}")
    with np.errstate(divide="ignore"):
        return heterozygosity(probabilities) * np.exp(np.cumsum(np.log1p(-1 / schedule)))


@theorem(
    statement="lim E H_n = H_0 prod_t (1 - 1/M_t), positive iff sum 1/M_t is finite; for M_t = M t^b iff b > 1",
    conditions="replace regime, sample sizes M_t = M t^growth",
    order="exact",
    source="Donnelly 1986 for the criterion; product in theory/derivations/replacement.md",
)
def heterozygosity_limit(probabilities: ArrayLike, sample_size: ArrayLike, growth: ArrayLike) -> Array:
    r"""What is left of the heterozygosity in the end if data set t has M t^b items, b = ``growth``.

    .. math:: \lim E H_n = H_0 \prod_{t \ge 1} \Big(1 - \frac{1}{M t^b}\Big)
        = H_0 \exp\Big(-\sum_{k \ge 1} \frac{\zeta(k b)}{k M^k}\Big), \quad b > 1;\qquad 0, \quad b \le 1

    so the data must grow faster than linearly to escape collapse. For b = 2 it is H_0 sin(pi s)/(pi s), s = M^(-1/2).
    Broadcasts. Exact for sizes as given, not rounded to whole numbers. Raises ValueError for sample_size < 1 or
    growth < 0.
    """
    start, size, power = heterozygosity(probabilities), whole("sample_size", sample_size, 1), real("growth", growth)
    if np.any(power < 0):
        raise ValueError(f"growth must not be negative, got {growth!r}")
    size, power = np.broadcast_arrays(size, power)
    k = np.arange(1.0, 61.0)
    grows = np.where(power > 1, power, 2.0)
    # M = 1 has a first factor of 0; for M >= 2 sixty terms leave less than 2^-60
    with np.errstate(over="ignore"):  # 1/M^k may be 0
        terms = scipy.special.zeta(k * grows[..., None]) / (k * np.maximum(size, 2).astype(np.float64)[..., None] ** k)
    return np.where((power > 1) & (size > 1), start * np.exp(-terms.sum(axis=-1)), 0.0)


@theorem(
    statement="Var H_n is the last entry of a 4 x 4 linear recursion in (H, H - H^2, sum p_i (p_i - s_2)^2, Var H)",
    conditions="replace regime, constant sample size M >= 1, n >= 0 fits",
    order="exact",
    source="derived in theory/derivations/replacement.md",
)
def heterozygosity_variance(probabilities: ArrayLike, sample_size: int, fits: ArrayLike) -> Array:
    r"""Variance between chains of the heterozygosity after ``fits`` fits.

    With :math:`s_k = \sum p_i^k`, :math:`G = E[s_2 - s_2^2]`, :math:`D = E[s_3 - s_2^2]` and
    :math:`\lambda_j = (M)_j / M^j`, one fit does

    .. math::
        \begin{aligned}
        \operatorname{Var} H &\to \lambda_2^2 \operatorname{Var} H + \tfrac{2(M-1)}{M^3} [G + 2 (M-2) D] \\
        G &\to \lambda_3 (1 + \tfrac1M) G - \tfrac4M \lambda_3 D + \tfrac1M \lambda_2\, E H \\
        D &\to \lambda_3 (1 - \tfrac4M) D + \tfrac1M \lambda_3 G
        \end{aligned}

    which unlike E H^2 - (E H)^2 does not cancel. Shape of ``fits``; time grows with log(fits). Exact. Raises ValueError
    unless ``probabilities`` is a law, sample_size >= 1 and fits >= 0. Derived in theory/derivations/replacement.md.
    """
    group, count = states(probabilities), whole("fits", fits, 0)
    size = float(one_size(sample_size, 10**15))
    start = heterozygosity(probabilities)
    same = float(group.multiplicity @ group.probability**2)
    spread = float(group.multiplicity @ (group.probability * (group.probability - same) ** 2))
    two, three = 1 - 1 / size, (1 - 1 / size) * (1 - 2 / size)
    step = np.array(
        [
            [two, 0.0, 0.0, 0.0],
            [two / size, three * (1 + 1 / size), -4 * three / size, 0.0],
            [0.0, three / size, three * (1 - 4 / size), 0.0],
            [0.0, 2 * two / size**2, 4 * three / size, two**2],
        ]
    )
    first = np.array([start, start * same, spread, 0.0])
    return np.vectorize(lambda n: (np.linalg.matrix_power(step, int(n)) @ first)[3], otypes=[np.float64])(count)

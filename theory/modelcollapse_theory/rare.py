r"""A state seen c times is forgotten like a family name: its copies form a critical branching process.

For a state of original probability c/M in a large sample, every copy leaves a Poisson(1) number of copies at the next
fit, independently, as long as the copies stay few. Derived in theory/derivations/rare-states.md.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from ._domain import Array, NotCovered, positive, real, whole, within
from ._register import theorem
from .fixation_diffusion import conditional_loss_mean_refined
from .lineage_limits import SURVIVAL_CONSTANT, surviving_fraction


@theorem(
    statement="P(lost by n) -> exp(-c a_n) for p_0 = c/M",
    conditions="replace regime, M -> infinity with c and n fixed",
    order="O(1/M) for fixed c and n",
    source="critical Poisson branching (Kolmogorov); derived in theory/derivations/rare-states.md",
)
def rare_loss_probability(expected_count: ArrayLike, fits: ArrayLike) -> Array:
    r"""The chance :math:`e^{-c a_n}` that a state of probability c/M has been lost after ``fits`` fits, M large.

    a_n is ``lineage_limits.surviving_fraction``; late, it is :math:`e^{-2c/n}`. The first data set holds Poisson(c)
    copies. Broadcasts. Error O(n/M) + O(c/M). Raises ValueError for expected_count < 0 or fits < 1.
    """
    count = real("expected_count", expected_count)
    if np.any(count < 0):
        raise ValueError(f"expected_count must not be negative, got {expected_count!r}")
    return np.exp(-count * surviving_fraction(fits))


@theorem(
    statement="P(lost by n | c copies in the first data set) -> (1 - a_n)^c",
    conditions="replace regime, M -> infinity with c and n fixed",
    order="O(1/M) for fixed c and n",
    source="critical Poisson branching; derived in theory/derivations/rare-states.md",
)
def counted_loss_probability(count: ArrayLike, fits: ArrayLike) -> Array:
    r"""The chance :math:`(1 - a_n)^c` that a state seen ``count`` = c times in the first data set is lost by n fits.

    0 at n = 1 for c > 0. Because 1 - a_{n+1} = exp(-a_n), it is ``rare_loss_probability(c, n - 1)``: from a known
    count, the first data set plays the part of the original law. Broadcasts. Raises ValueError for count < 0 or fits
    < 1.
    """
    copies, later = whole("count", count, 0), whole("fits", fits, 1)
    before = surviving_fraction(np.maximum(later - 1, 1))
    return np.where(later == 1, (copies == 0).astype(np.float64), np.exp(-copies * before))


@theorem(
    statement="median loss time: the first n with a_n <= ln 2 / c, about 2c/ln2 - (1/3) ln(2c/ln2) - 0.798",
    conditions="replace regime, M -> infinity with c fixed",
    order="exact in the branching limit",
    source="derived in theory/derivations/rare-states.md",
)
def rare_loss_median(expected_count: ArrayLike) -> Array:
    r"""The first fit by which a state of probability c/M is lost with chance at least 1/2, M large.

    .. math:: \min\{n : e^{-c a_n} \ge \tfrac12\} \approx \frac{2c}{\ln 2} - \tfrac13 \ln \frac{2c}{\ln 2} - 0.798

    rounded up: 2.885 fits for each copy. The *mean* carries a logarithm of M instead (``rare_loss_mean``). int64,
    shape of ``expected_count``. Raises ValueError for expected_count <= 0.
    """
    count = within("expected_count", expected_count, 0, 1e18, open_low=True)
    target = np.log(2) / count
    u = 2 / target
    guess = np.maximum(np.floor(u - np.log(u) / 3 - SURVIVAL_CONSTANT).astype(np.int64) - 1, 1)
    for _ in range(4):
        guess = guess + (surviving_fraction(guess) > target)
    return guess


@theorem(
    statement="E[T | lost] ~ 2c ln(M/c)/(1 - c/M) - (1/3) ln c + c_0 for p_0 = c/M",
    conditions="replace regime, 1 << c < M",
    order="O(1/c)",
    source="derived in theory/derivations/fixation.md",
)
def rare_loss_mean(expected_count: ArrayLike, sample_size: ArrayLike) -> Array:
    r"""Mean number of fits until a state of probability c/M is lost, given that it is.

    .. math:: E[T \mid \text{lost}] = \frac{2c \ln(M/c)}{1 - c/M} - \tfrac13 \ln c + c_0 + O(1/c)

    It carries a factor ln(M/c) that the median does not: a few chains let the state grow to order M first. Exact for
    moderate M: ``fixation.conditional_loss_mean``. Broadcasts. Raises ValueError unless 0 < expected_count <
    sample_size.
    """
    count, size = positive("expected_count", expected_count), whole("sample_size", sample_size, 1).astype(np.float64)
    if np.any(count >= size):
        raise NotCovered(f"expected_count must be below sample_size={sample_size!r}, got {expected_count!r}")
    return conditional_loss_mean_refined(count / size, sample_size)

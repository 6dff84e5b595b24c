r"""In large samples the number of ancestors follows one sequence, a_{n+1} = 1 - exp(-a_n), and then the coalescent.

With a_1 = 1, :math:`A_n / M \to a_n` for fixed n as M grows. The same number is the survival probability of a
critical Poisson branching process after n - 1 steps, and the share of distinct items left after n rounds of
bootstrapping. Once n is of the order of M the count itself is small and random, and Kingman's coalescent takes over,
on a clock that the sequence sets. Derived in theory/derivations/lineages.md.
"""

from __future__ import annotations

import numpy as np
import scipy
from numpy.typing import ArrayLike

from ._domain import Array, NotCovered, whole
from ._register import theorem

# lim 2/a_n - n - (1/3) ln n, to all digits of a double (40-digit iteration of the Abel function below)
SURVIVAL_CONSTANT = 0.798248154231387662
# the Abel function of the map in u = 2/a: nu(u) = u - (1/3) ln u + sum_k d_k u^-k satisfies nu(u') = nu(u) + 1
_ABEL = (1 / 18, 1 / 135, -1 / 972, -0.002608759553204, -0.0017164413090339, 9.4497789971041e-5)
_ITERATED = 256


def _first_values() -> Array:
    values = [1.0]
    while len(values) < _ITERATED:
        values.append(-np.expm1(-values[-1]))
    return np.array(values)


_FIRST = _first_values()


def _abel(u: Array) -> tuple[Array, Array]:
    """The Abel function at u and its derivative."""
    powers = u[..., None] ** -np.arange(1.0, len(_ABEL) + 1)
    order = np.arange(1, len(_ABEL) + 1)
    value = u - np.log(u) / 3 + powers @ np.array(_ABEL)
    return value, 1 - 1 / (3 * u) - (powers @ (order * np.array(_ABEL))) / u


@theorem(
    statement="a_1 = 1, a_{n+1} = 1 - exp(-a_n), and 2/a_n = n + (1/3) ln n + 0.798248... + o(1)",
    conditions="n >= 1",
    order="exact",
    source="critical branching; constant and expansion derived in theory/derivations/lineages.md",
)
def surviving_fraction(fits: ArrayLike) -> Array:
    r"""The share :math:`a_n` of the first data set that still has descendants after ``fits`` fits, in a large sample.

    .. math:: a_1 = 1, \qquad a_{n+1} = 1 - e^{-a_n}, \qquad \frac{2}{a_n} = n + \tfrac13 \ln n + C + o(1)

    with C = 0.7982481542 (``SURVIVAL_CONSTANT``). Exact to rounding for every n, in constant time: iterated up to n =
    256, beyond by inverting the map's Abel function, whose neglected terms are below 1e-16 there. Shape of ``fits``.
    Raises ValueError for fits < 1. Source: Kolmogorov's survival probability; constant derived in
    theory/derivations/lineages.md.
    """
    count = whole("fits", fits, 1)
    target = np.maximum(count, _ITERATED) + SURVIVAL_CONSTANT
    u = target + np.log(target) / 3
    for _ in range(4):
        value, slope = _abel(u)
        u = u - (value - target) / slope
    return np.where(count <= _ITERATED, _FIRST[np.minimum(count, _ITERATED) - 1], 2 / u)


def coalescent_time(sample_size: ArrayLike, fits: ArrayLike) -> Array:
    r"""The time t at which Kingman's coalescent has as many lineages as a data set after ``fits`` fits.

    .. math:: t = \frac{2}{M a_m} + \frac{n - m}{M}, \qquad m = \min(n, M)

    The textbook's t = n/M starts from infinitely many lineages instead of M and is up to 100 % off early; this clock
    gives E A_n to within 0.42 / min(n, M) (0.34 from M = 20 on). Broadcasts. Raises ValueError for sample_size or
    fits < 1. Derived in theory/derivations/lineages.md.
    """
    size, count = whole("sample_size", sample_size, 1), whole("fits", fits, 1)
    early = np.minimum(size, count)
    return 2 / (size * surviving_fraction(early)) + (count - early) / size


@theorem(
    statement="E A_n = sum_k (2k - 1) exp(-k(k - 1) t/2) with t = 2/(M a_m) + (n - m)/M, m = min(n, M)",
    conditions="replace regime, constant sample size M, n fits",
    order="O(1/min(n, M)); largest seen 0.42/min(n, M)",
    source="Tavare 1984 for the coalescent; the clock derived in theory/derivations/lineages.md",
)
def expected_lineages_limit(sample_size: ArrayLike, fits: ArrayLike) -> Array:
    r"""Mean number of ancestors for samples too large for ``lineages.expected_lineages``.

    .. math:: E A(t) = \sum_{k \ge 1} (2k - 1)\, e^{-k(k-1)t/2}

    on the clock of ``coalescent_time``. The order 1/min(n, M) is derived; the constant 0.42 is the largest seen for M
    from 1 to 3000 (1/3 at n = 1, M large). For n << M it is M a_n + 1/3. Broadcasts; costs about 9/sqrt(t) terms
    each. Raises ValueError for sample_size or fits < 1.
    """
    time = coalescent_time(sample_size, fits)
    return np.vectorize(_mean_lineages, otypes=[np.float64])(time)


def _mean_lineages(time: float) -> float:
    if time < 1e-4:  # Euler-Maclaurin; what is left out is below t^2/100
        return 2 / time + 1 / 3 + time / 30
    k = np.arange(1.0, np.sqrt(80 / time) + 3)
    return float(((2 * k - 1) * np.exp(-k * (k - 1) * time / 2)).sum())


@theorem(
    statement="P(A(t) = j) = sum_{k >= j} exp(-k(k-1)t/2) (-1)^(k-j) (2k-1) j_(k-1) / (j! (k-j)!)",
    conditions="replace regime, constant sample size M, t = 2/(M a_m) + (n - m)/M with m = min(n, M), t >= 0.2",
    order="O(1/M) in total variation at fixed t",
    source="Tavare 1984 for the coalescent; the clock derived in theory/derivations/lineages.md",
)
def lineage_law_limit(sample_size: int, fits: int, lineages: ArrayLike) -> Array:
    r"""The chance of ``lineages`` ancestors in the coalescent, on the clock of ``coalescent_time``.

    .. math:: P(A(t) = j) = \sum_{k \ge j} e^{-k(k-1)t/2} (-1)^{k-j} \frac{(2k-1)\, j_{(k-1)}}{j!\,(k-j)!}

    with rising factorials :math:`j_{(k-1)}`. Shape of ``lineages``. The sum alternates: times below 0.2 (about n <
    M/5), where it would lose more than six digits, raise ValueError. Error O(1/M) at fixed t.
    """
    time = coalescent_time(sample_size, fits)
    if time.ndim or time < 0.2:
        raise NotCovered(
            f"fits must be at least about sample_size/5, where the alternating sum is stable, got fits={fits!r} "
            f"for sample_size={sample_size!r}"
        )
    j = whole("lineages", lineages, 1)[..., None].astype(np.float64)
    k = np.arange(1.0, 40.0)
    # j_(k-1) = Gamma(j+k-1)/Gamma(j); k < j does not contribute
    gap = np.maximum(k - j, 0)
    logs = (
        scipy.special.gammaln(j + k - 1)
        - scipy.special.gammaln(j)
        - scipy.special.gammaln(j + 1)
        - scipy.special.gammaln(gap + 1)
        - k * (k - 1) * time / 2
    )
    terms = np.where(k >= j, (2 * k - 1) * np.exp(logs) * (1 - 2 * (gap % 2)), 0.0)
    return terms.sum(axis=-1)

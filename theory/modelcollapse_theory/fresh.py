r"""With a share of fresh real data nothing is lost for ever: the chain forgets, and every state keeps coming back.

Each of the M items of a data set is real with probability g (``share``), else a draw from the last fit; the first data
set is real. This is the Wright-Fisher model with parent-independent mutation, haploid: backwards, a lineage stops at a
real draw with probability g and otherwise picks one of M parents. So with R_k(j) the weight of k distinct items having
j distinct parents, each real draw on the way weighted by the chance z of a type,

.. math:: R_{k+1}(j) = \left[g z + (1 - g) \tfrac{j}{M}\right] R_k(j)
   + (1 - g) \left(1 - \tfrac{j - 1}{M}\right) R_k(j - 1)

and :math:`\phi_{n+1}(k) = \sum_j R_k(j) \phi_n(j)` is the chance that k items of fit n + 1 are all of that type.
Everything here is exact at finite M unless it says otherwise. Derived in theory/derivations/fresh-data.md; the loss v
is in ``workflows``.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import scipy
from numpy.typing import ArrayLike, NDArray

from modelcollapse_theory._domain import LONGEST, Array, NotCovered, law, one_real, one_whole, whole, within
from modelcollapse_theory._log_gamma import log_gamma_increment
from modelcollapse_theory._register import theorem
from modelcollapse_theory.workflows import share_lost

_SOURCE = "derived in theory/derivations/fresh-data.md"
_LARGEST = 20_000  # the recursion over items is O(M^2)
_LARGEST_DENSE = 4_000  # a finite number of fits keeps its (M + 1)^2 weights: 128 MB
_CELLS = 2**24  # of weights of several chances at a time


def _one_size(sample_size: int, largest: int) -> int:
    size = one_whole("sample_size", sample_size, 1, "a fit needs data")
    if size > largest:
        raise NotCovered(
            f"sample_size must be at most {largest} for the exact recursion, got {sample_size!r}; "
            "fresh_limits.absent_limit has no such limit"
        )
    return size


def _rows(size: int, share: float, type_chance: Array, items: int) -> Iterator[tuple[int, Array]]:
    """R_k for k = 1, ..., ``items``: arrays (Q, k + 1), one row for each ``type_chance`` z."""
    j = np.arange(items + 1)
    stay = share * type_chance[:, None] + (1 - share) * j / size
    move = (1 - share) * (1 - j[:-1] / size)
    row = np.ones((type_chance.size, 1))
    for k in range(1, items + 1):
        new = np.zeros((type_chance.size, k + 1))
        new[:, :k] = stay[:, :k] * row
        new[:, 1:] += move[:k] * row
        row = new
        yield k, row


def _gaps(size: int, share: float, items: int) -> Array:
    """1 - R_k(k), k = 0..``items``: not all of k lineages go on to different parents; exact for tiny shares."""
    j = np.arange(items)
    logs = np.log1p(-share) + np.log1p(-j / size) if share < 1 else np.full(items, -np.inf)
    return np.concatenate([[0.0], -np.expm1(np.cumsum(logs))])


def _stationary(size: int, share: float, type_chance: Array, source: Array, start: float, items: int) -> Array:
    """Solve x(k) = sum_j R_k(j) x(j) + source(k), x(0) = start, upwards for k = 0..items; (Q, items + 1)."""
    if share == 0:
        raise NotCovered("share must be positive: without real data the only stationary laws are point masses")
    gap = _gaps(size, share, items)
    x = np.full((type_chance.size, items + 1), start)
    for k, row in _rows(size, share, type_chance, items):
        x[:, k] = ((row[:, :k] * x[:, :k]).sum(axis=1) + source[:, k]) / gap[k]
    return x


def theta(sample_size: ArrayLike, share: ArrayLike) -> Array:
    r"""The mutation number :math:`\theta = (M - 1) g (2 - g)`: H* = H_0 theta/(1 + theta) is exact at finite M.

    The diffusion's 2Mg to first order; haploid, so the textbook's 4Nu is 2Mg.
    """
    size, g = whole("sample_size", sample_size, 1).astype(np.float64), within("share", share, 0, 1)
    return (size - 1) * g * (2 - g)


@theorem(
    statement="eigenvalues (1 - g)^j (M)_j / M^j, j = 0..M",
    conditions="each item real with probability g; two states (more only repeat them)",
    order="exact",
    source="classical (Feller 1951; Cannings 1974); " + _SOURCE,
)
def eigenvalues(sample_size: int, share: float) -> Array:
    r"""All distinct eigenvalues of the transition matrix, :math:`(1 - g)^j \prod_{i<j} (1 - i/M)` for j = 0..M.

    Exact.
    """
    size = one_whole("sample_size", sample_size, 1, most=LONGEST)
    g = one_real("share", share, 0, 1)
    return np.cumprod(np.concatenate([[1.0], (1 - g) * (1 - np.arange(size) / size)]))


@theorem(
    statement="Corr(p_t, p_{t+k}) = (1 - g)^k in the stationary chain",
    conditions="each item real with probability g, or exactly a share g",
    order="exact",
    source="classical; " + _SOURCE,
)
def correlation(share: ArrayLike, lag: ArrayLike) -> Array:
    r"""Stationary autocorrelation of every frequency, :math:`(1 - g)^k`, whatever M.

    For E[p_{t+1} | p_t] = (1 - g) p_t + g p_0. Exact.
    """
    return (1 - within("share", share, 0, 1)) ** whole("lag", lag)


def stationary_dirichlet(probabilities: ArrayLike, sample_size: int, share: float) -> Array:
    r"""Parameters theta p_0 of the Dirichlet law of the stationary frequencies in the diffusion limit (Wright 1931).

    With this module's ``theta`` mean and covariance are exact at every M; the distribution function is off by O(1/M)
    in the bulk, and the law puts no atom on 0 where the chain does: for absence see ``absent``.
    """
    p, size = law("probabilities", probabilities), one_whole("sample_size", sample_size, 1)
    return p * theta(size, one_real("share", share, 0, 1))


@theorem(
    statement="E p^m = sum_j L(m, j) phi(j), phi(k) = sum_j R_k(j) phi(j): all stationary moments, by an upward solve",
    conditions="each item real with probability g > 0",
    order="exact",
    source=_SOURCE,
)
def stationary_moments(probability: float, sample_size: int, share: float, order: int) -> Array:
    r"""E p^m, m = 0..order, of the stationary frequency of a state of original probability q.

    Draw m items of the fit with replacement: they are j distinct items with the occupancy chance L(m, j), and phi(j),
    with z = q in R, is the chance that those are all of the state. Exact; O(order^2). Raises ValueError for share 0.
    """
    size, top = one_whole("sample_size", sample_size, 1), one_whole("order", order, most=_LARGEST)
    g, q = one_real("share", share, 0, 1), np.array([one_real("probability", probability, 0, 1)])
    items = min(top, size)
    phi = _stationary(size, g, q, np.zeros((1, items + 1)), 1.0, items)[0]
    occupancy, moments = np.zeros(items + 1), np.empty(top + 1)
    occupancy[0] = 1
    j = np.arange(items + 1)
    for m in range(top + 1):
        moments[m] = occupancy @ phi
        shifted = np.concatenate([[0.0], (occupancy * (1 - j / size))[:-1]])
        occupancy = occupancy * j / size + shifted
    return moments


@theorem(
    statement="phi(k) = sum_j R_k(j) phi(j), phi(0) = 1; P(state absent) = phi(M), z = 1 - q",
    conditions="each item real with probability g > 0, stationary",
    order="exact",
    source=_SOURCE,
)
def absent(probability: ArrayLike, sample_size: int, share: float, fits: ArrayLike | None = None) -> Array:
    r"""P(a state of probability q is missing from the n-th fit); from a stationary one where ``fits`` is None.

    Absence is no loss here: the state comes back. Grows with n from (1 - q)^M to the stationary value. Exact to
    relative rounding, however small. O(M^2), or O(n M^2) for ``fits`` up to n. The shape is that of ``fits``, then that
    of ``probability``. Raises ValueError beyond M = 20,000 (4,000 for given ``fits``): there use
    ``fresh_limits.absent_limit``; and for share 0 without ``fits``.
    """
    return _presence(probability, sample_size, share, fits, present=False)


@theorem(
    statement="psi(k) = sum_j R_k(j) psi(j) + 1 - (1 - g q)^k, psi(0) = 0; P(state present) = psi(M)",
    conditions="each item real with probability g > 0, stationary",
    order="exact",
    source=_SOURCE,
)
def present(probability: ArrayLike, sample_size: int, share: float, fits: ArrayLike | None = None) -> Array:
    """1 - ``absent``, of full relative precision for a rare state too: every term of its own recursion is positive."""
    return _presence(probability, sample_size, share, fits, present=True)


def _presence(
    probability: ArrayLike, sample_size: int, share: float, fits: ArrayLike | None, *, present: bool
) -> Array:
    g, q = one_real("share", share, 0, 1), within("probability", probability, 0, 1)
    size = _one_size(sample_size, _LARGEST if fits is None else _LARGEST_DENSE)
    chance, k = np.atleast_1d(q).ravel(), np.arange(size + 1)
    source = share_lost(g * chance[:, None], k) if present else np.zeros((chance.size, size + 1))
    if fits is None:
        value = _stationary(size, g, 1 - chance, source, 0.0 if present else 1.0, size)[:, -1]
        return np.minimum(value, 1.0).reshape(q.shape)
    counts = whole("fits", fits)
    asked, place = np.unique(counts, return_inverse=True)
    width = max(1, _CELLS // (size + 1) ** 2)  # chances at a time
    parts = [
        _path(size, g, chance[i : i + width], asked, source[i : i + width], present) for i in range(0, q.size, width)
    ]
    path = np.concatenate(parts or [np.zeros((asked.size, 0))], axis=1)
    return np.minimum(path[place.ravel()], 1.0).reshape(counts.shape + q.shape)


def _path(size: int, share: float, probability: Array, fits: NDArray[np.int64], source: Array, present: bool) -> Array:
    """What ``_presence`` asks for in some ``fits``, ascending, ``(fits, Q)``; fit 0 is the law itself."""
    found = np.empty((fits.size, probability.size))
    found[fits == 0] = (probability > 0) == present
    k = np.arange(size + 1)
    x = share_lost(probability[:, None], k) if present else (1 - probability[:, None]) ** k
    found[fits > 0] = x[:, -1]
    last = int(fits.max(initial=0))
    if last < 2:
        return found
    weights = np.zeros((probability.size, size + 1, size + 1))
    weights[:, 0, 0] = 1
    for items, row in _rows(size, share, 1 - probability, size):
        weights[:, items, : items + 1] = row
    for fit in range(2, last + 1):
        new = (weights @ x[:, :, None])[:, :, 0] + source
        found[fits >= fit] = new[:, -1]
        if np.array_equal(new, x):
            break
        x = new
    return found


def expected_support(
    probabilities: ArrayLike, sample_size: int, share: float, fits: ArrayLike | None = None
) -> float | Array:
    """Mean number of states present in the n-th fit (stationary for None): the sum of ``present``. Exact.

    In the shape of ``fits``, a number for one of them.
    """
    values, inverse = np.unique(law("probabilities", probabilities), return_inverse=True)
    found = present(values, sample_size, share, fits)[..., inverse].sum(-1)
    return found if found.ndim else float(found)


@theorem(
    statement="F(k) = k g + sum_j R_k(j) F(j), z = 1: the mean number of real draws behind a data set is F(M)",
    conditions="each item real with probability g > 0, stationary",
    order="exact",
    source=_SOURCE,
)
def expected_founders(sample_size: int, share: float) -> float:
    r"""Mean number of distinct real draws that a whole stationary data set descends from. Exact; O(M^2).

    Ewens' sum_{i<M} theta/(theta + i) is for a sample small against its population; here the sample is the population,
    and it is too low (g = 0.1, M = 100: 36.3 against 40.4).
    """
    size, g = _one_size(sample_size, _LARGEST), one_real("share", share, 0, 1)
    source = g * np.arange(size + 1.0)[None]
    return float(_stationary(size, g, np.ones(1), source, 0.0, size)[0, -1])


def branching_total(share: float) -> float:
    r"""sum_k b_k of b_0 = 1, b_{k+1} = 1 - exp(-(1 - g) b_k): M g times it is the number of founders for large M.

    About ln(1/(2g)) * 2 for small g. Summed to b < 1e-4, the rest in closed form; error below 1e-4. Needs 0 < share <=
    1.
    """
    g = one_real("share", share, 0, 1, open_low=True)
    b, total = 1.0, 0.0
    while b > 1e-4:
        total += b
        b = -np.expm1(-(1 - g) * b)
    # b' - b = -g b - b^2/2 + ...: the sum from b on is 2 ln(1 + b/(2g)) + b/6 up to relative order b and g
    return float(total + 2 * np.log1p(b / (2 * g)) + b / 6) if b else total


def absent_branching(probability: ArrayLike, sample_size: ArrayLike, share: float) -> Array:
    r"""Stationary P(absent) for large M: :math:`\exp(-M g q \sum_k b_k)`, a branching process with immigration.

    Error O(1/M) for a rare state, q of the order of 1/M; ``fresh_limits.absent_limit`` holds for common ones too.
    """
    size, q = whole("sample_size", sample_size, 1), within("probability", probability, 0, 1)
    g = one_real("share", share, 0, 1, open_low=True)
    return np.exp(-size * g * q * branching_total(g))


def absent_beta(probability: ArrayLike, sample_size: ArrayLike, share: ArrayLike) -> Array:
    r"""Stationary P(absent) if frequencies were Beta(theta q, theta (1-q)), theta = 2Mg, and M were drawn from them.

    .. math:: \frac{\Gamma(\theta)\, \Gamma(\theta (1 - q) + M)}{\Gamma(\theta (1 - q))\, \Gamma(\theta + M)}

    An approximation whose error does not vanish with M: a few percent of the exponent. 0 < q < 1, share > 0.
    """
    size = whole("sample_size", sample_size, 1).astype(np.float64)
    q = within("probability", probability, 0, 1, open_low=True, open_high=True)
    number = 2 * size * within("share", share, 0, 1, open_low=True)
    # ratios of gamma functions whose arguments differ by theta q, without the logarithms of the arguments themselves
    other, drawn = number * (1 - q), number * q
    gain = log_gamma_increment(other, drawn) - log_gamma_increment(other + size, drawn)
    return np.exp(gain - drawn * np.log1p(size / other))


@theorem(
    statement="the least share that keeps a state present with probability 1 - delta solves phi(M) = delta",
    conditions="each item real with probability g, stationary; phi(M) falls with g from 1 - q to (1 - q)^M",
    order="exact",
    source=_SOURCE,
)
def minimal_share(probability: float, sample_size: int, failure: float) -> float:
    r"""The least g with stationary P(absent) <= ``failure``; roughly :math:`2 M g q \ln(1/(2g)) = \ln(1/\delta)`.

    The naive :math:`g = \ln(1/\delta)/(M q)`, one data set's worth of real items, ignores inheritance and is far too
    large. Exact, by root finding. Raises ValueError where failure < (1 - q)^M, which even a wholly real data set
    exceeds.
    """
    q = one_real("probability", probability, 0, 1, open_low=True, open_high=True)
    size, delta = _one_size(sample_size, _LARGEST), one_real("failure", failure, 0, 1, open_low=True)
    floor = float(np.exp(size * np.log1p(-q)))
    if delta < floor * (1 - 1e-12):
        raise ValueError(
            f"failure must be at least (1 - probability)^sample_size = {floor:g}: that of real data, got {failure!r}"
        )
    if delta >= 1 - q:
        return 0.0

    def excess(log_share: float) -> float:
        return float(np.log(absent(q, size, np.exp(log_share)))) - np.log(delta)

    low = -1.0
    while excess(low) < 0:
        low *= 2
    return 1.0 if excess(0.0) >= 0 else float(np.exp(scipy.optimize.brentq(excess, low, 0.0, xtol=1e-13, rtol=1e-13)))

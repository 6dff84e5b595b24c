r"""Eight kinds of statement are called "model collapse"; which of them holds depends on the workflow and on the risk.

Our names for them, with R_n the risk of fit n (related work: the abstract of arXiv 2503.03150 counts eight definitions
in use; the wording here is ours):

===  ==================  ==============================================================================================
P1   catastrophic        R_n / R_1 >= c for a stated n and threshold c
P2   any increase        R_n > R_1 for some n
P3   divergence          sup_n R_n is infinite
P4   variance            the variance or diversity goes to 0, in the mean or in a run
P5   scaling law         -d ln R_n / d ln M is smaller than it is for R_1
P6   modes               a state of probability q is absent
P7   tails               the mass of the tails is less than half of the truth's
P8   hallucination       mass where the truth has (almost) none
===  ==================  ==============================================================================================

A risk that is linear in the loss v of ``workflows`` (chi-square, squared distance, error of the mean, all with ddof 0)
has R_n / R_1 = M v_n, which makes P1 to P5 exact. Derived in theory/derivations/definitions.md.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import numpy as np
import scipy
from numpy.typing import ArrayLike, NDArray

from modelcollapse_theory import accumulation, weights, workflows
from modelcollapse_theory._domain import Array, NotCovered, choice, one_real, one_whole, positive, whole, within
from modelcollapse_theory._register import theorem

_OWN = "derived in theory/derivations/definitions.md"


# --- P1 and P2: how many times the loss of one fit -------------------------------------------------------------------


@theorem(
    statement="R_n / R_1 = M v_n for every risk that is linear in the loss v",
    conditions="any workflow whose first fit is to M real items; chi-square, squared distance, error of the mean",
    order="exact",
    source=_OWN,
)
def catastrophe_factor(lost: ArrayLike, sample_size: ArrayLike) -> Array:
    """How many times the risk of the first fit the risk of a fit with v_n = ``lost`` is: v_n / v_1, as v_1 = 1/M.

    ``lost`` is what any function of ``workflows`` gives. Exact. Raises ValueError for a loss outside [0, 1].
    """
    size = whole("sample_size", sample_size, 1)
    return np.asarray(within("lost", lost, 0, 1) * size)


def _factor(factor: ArrayLike, size: NDArray[np.int64]) -> Array:
    return np.minimum(within("factor", factor, 1, np.inf), size.astype(np.float64))


@theorem(
    statement="M v_inf <= c if and only if g >= 1 - sqrt(1 - (M/c - 1)/(M - 1))",
    conditions="each item is real with probability g, independently; M >= 2, c >= 1",
    order="exact",
    source=_OWN,
)
def least_mixing_share(sample_size: ArrayLike, factor: ArrayLike) -> Array:
    r"""The least real share g of ``workflows.random_mixing`` that keeps the risk below ``factor`` c times that of one
    fit.

    From :math:`M v_\infty = M/(1 + (M-1) g(2-g)) \le c`, whence :math:`(1-g)^2 \le 1 - (M/c - 1)/(M-1)`: for
    large M it is 1 - sqrt(1 - 1/c), which is about 1/(2 c) for large c. 0 where c >= M, and 1 at c = 1. Exact.
    """
    size = whole("sample_size", sample_size, 2)
    needed = (size / _factor(factor, size) - 1) / (size - 1)
    return np.asarray(needed / (1 + np.sqrt(np.maximum(1 - needed, 0.0))))


@theorem(
    statement="M v_inf <= c if and only if s(s - 1) <= M^2 (1 - 1/c), s = M - r",
    conditions="exactly r of the M items are real, drawn anew for every fit; c >= 1",
    order="exact",
    source=_OWN,
)
def least_fresh_count(sample_size: ArrayLike, factor: ArrayLike) -> NDArray[np.int64]:
    r"""The fewest fresh real items r in M that keep the risk below ``factor`` c times that of one fit, for ever.

    :math:`M v_\infty = M^2/(M^2 - s(s-1))` with s = M - r model draws. 0 where c >= M. Exact; M at most 10^7.
    """
    size = whole("sample_size", sample_size, 1, most=10**7)
    c = _factor(factor, size)
    return _fewest(size, lambda real: size * workflows.fresh_counts_limit(size, real) <= c * (1 + 1e-12), 0)


@theorem(
    statement="M v_inf <= c if and only if M (M + 2 s) <= c (M^2 - s(s - 1)), s = M - r",
    conditions="the same r >= 1 real items in every data set; c >= 1",
    order="exact",
    source=_OWN,
)
def least_fixed_count(sample_size: ArrayLike, factor: ArrayLike) -> NDArray[np.int64]:
    r"""The fewest real items r, kept for ever, that keep the risk below ``factor`` c times that of one fit.

    :math:`M v_\infty = M(M + 2s)/(M^2 - s(s-1))` with s = M - r. At least 1. Exact; M at most 10^7.
    """
    size = whole("sample_size", sample_size, 1, most=10**7)
    c = _factor(factor, size)
    return _fewest(size, lambda kept: size * workflows.fixed_set_limit(size, kept) <= c * (1 + 1e-12), 1)


@theorem(
    statement="M v_inf <= c if and only if A x^2 - 2 x/r + 1/r - c/M <= 0, x = 1 - w, A = 1/r + 1/s + (1 - 1/s) c/M",
    conditions="r fresh real items weigh w in all, s = M - r model draws the rest; c >= 1 large enough for some w",
    order="exact",
    source=_OWN,
)
def least_weight(sample_size: ArrayLike, real: ArrayLike, factor: ArrayLike) -> Array:
    r"""The least weight w of ``real`` r fresh items in all that keeps the risk below ``factor`` c times that of one
    fit.

    The stationary loss of ``workflows.weighted`` falls from 1 at w = 0 to its least value, ``weights.best_loss``, and
    rises to 1/r at w = 1; this is the smaller root. 0 where c >= M. Exact. NotCovered where no weight is enough.
    """
    size, r = whole("sample_size", sample_size, 2), whole("real", real, 1).astype(np.float64)
    if np.any(r >= size):
        raise ValueError(f"real must be below sample_size, got {real!r} and {sample_size!r}")
    loss, s = _factor(factor, size) / size, size - r
    square = 1 / r + 1 / s + loss * (1 - 1 / s)
    root = 1 / r**2 - square * (1 / r - loss)
    if np.any(root < 0):
        raise NotCovered(f"factor must be at least M v* of the best weight, weights.best_loss, got {factor!r}")
    return np.asarray(np.where(loss >= 1, 0.0, np.maximum(1 - (1 / r + np.sqrt(root)) / square, 0.0)))


def _fewest(
    size: NDArray[np.int64], enough: Callable[[NDArray[np.int64]], NDArray[np.bool_]], lowest: int
) -> NDArray[np.int64]:
    """The smallest whole number from ``lowest`` to ``size`` that is enough, where more is never worse: bisection."""
    shape = np.shape(enough(size))
    low, high = np.full(shape, lowest), np.broadcast_to(size, shape)
    while np.any(low < high):
        middle = (low + high) // 2
        good = enough(middle)
        low, high = np.where(good, low, np.minimum(middle + 1, high)), np.where(good, middle, high)
    return high


# --- P3: the verdict depends on the risk -----------------------------------------------------------------------------


@theorem(
    statement="E KL(N_0 || N_n) = [d q^n + (d/M)(q + ... + q^n) - d + E log det_n]/2, q = (M-ddof)/(M-d-2): it grows "
    "without bound, exponentially",
    conditions="normal in d dimensions, replace, M >= d + 3",
    order="exact",
    source=_OWN,
)
def expected_log_loss(sample_size: ArrayLike, fits: ArrayLike, *, dimension: ArrayLike = 1, ddof: int = 1) -> Array:
    r"""``E KL(N_0 || N_n)`` in nats: the mean excess log loss on real data of a normal model after ``fits`` refits.

    .. math:: \frac12\left[d\,q^n + \frac dM \sum_{i=1}^n q^i - d
              + n \sum_{j=1}^d \left(\psi\!\left(\tfrac{M-j}2\right) - \ln\tfrac{M-\mathrm{ddof}}2\right)\right],
              \qquad q = \frac{M - \mathrm{ddof}}{M - d - 2}

    q is the factor of :math:`E\Sigma_n^{-1}`, an inverse Wishart mean. In one dimension it is
    ``errors.expected_divergence`` of one normal. Exact; inf where it passes float64. NotCovered for M < d + 3, where
    the first mean is infinite already.
    """
    ddof = choice("ddof", ddof, (0, 1))
    d = whole("dimension", dimension, 1).astype(np.float64)
    size = whole("sample_size", sample_size, 4, "the mean of 1/variance is infinite below d + 3").astype(np.float64)
    n = whole("fits", fits).astype(np.float64)
    if np.any(size < d + 3):
        raise NotCovered(f"sample_size must be at least dimension + 3, got {sample_size!r} and {dimension!r}")
    if np.any(d > 10_000):
        raise NotCovered(f"dimension must be at most 10000, got {dimension!r}")
    # log q by its distance from 1, so that large samples lose no digits
    step = np.log1p((d + 2 - ddof) / (size - d - 2))
    with np.errstate(over="ignore"):
        grown = np.expm1(n * step)
        geometric = np.exp(step) * grown / np.expm1(step)
    fall = np.zeros(np.broadcast_shapes(size.shape, d.shape))
    for j in range(1, int(np.max(d, initial=1)) + 1):
        pivot = np.log((size - ddof) / 2) - scipy.special.digamma(np.maximum(size - j, 1) / 2)
        fall = fall + np.where(j <= d, pivot, 0.0)
    return np.asarray(0.5 * (d * grown + d / size * geometric - n * fall))


# --- P5: exponents in the sample size --------------------------------------------------------------------------------


@theorem(
    statement="-d ln v_inf / d ln M = M s/(1 + (M - 1) s), s = g(2 - g): 1 as M grows, 0 for g = 0",
    conditions="each item is real with probability g, whatever M",
    order="exact",
    source=_OWN,
)
def share_exponent(sample_size: ArrayLike, share: ArrayLike) -> Array:
    """The exponent of the stationary loss in M at a constant real ``share``: that of one fit, 1, up to O(1/(M g)).

    Contamination costs a constant, about 1/(2 g), and no exponent; without real data the exponent is 0. Exact.
    """
    size, g = whole("sample_size", sample_size, 1).astype(np.float64), within("share", share, 0, 1)
    added = g * (2 - g)
    return np.asarray(size * added / (1 + (size - 1) * added))


@theorem(
    statement="-d ln v_inf / d ln M = M u'/(1 + u), u = (M - 1) g(2 - g) at g = r/M: 0 as M grows",
    conditions="a mean number r of the M items is real (each with probability r/M), whatever M",
    order="exact",
    source=_OWN,
)
def count_exponent(sample_size: ArrayLike, real: ArrayLike) -> Array:
    r"""The exponent of the stationary loss in M at a constant number ``real`` r of real items: more model draws buy
    nothing.

    :math:`u = r(2 - (2 + r)/M + r/M^2)`, so that the exponent is :math:`r((2+r)/M - 2r/M^2)/(1+u) \to 0`. Exact.
    """
    size, r = (
        whole(name, value, 1).astype(np.float64) for name, value in (("sample_size", sample_size), ("real", real))
    )
    if np.any(r > size):
        raise ValueError(f"real must not exceed sample_size, got {real!r}")
    u = (size - 1) * (r / size) * (2 - r / size)
    return np.asarray(r * ((2 + r) - 2 * r / size) / size / (1 + u))


def exponent(sizes: ArrayLike, risks: ArrayLike) -> float:
    """Least-squares slope of -ln ``risks`` (k,) over ln ``sizes`` (k,), k >= 2: P5 as it is measured."""
    size, risk = whole("sizes", sizes, 1).astype(np.float64), positive("risks", risks)
    if size.ndim != 1 or size.shape != risk.shape or np.unique(size).size < 2:
        raise ValueError(
            "sizes and risks must be vectors of one length, with at least two different sizes, "
            f"got {sizes!r} and {risks!r}"
        )
    gap = np.log(size) - np.log(size).mean()
    return float(-(gap @ np.log(risk)) / (gap @ gap))


# --- P6: lost for good -----------------------------------------------------------------------------------------------


@theorem(
    statement="P(a state of probability q is lost for good) = (1 - q)^r: it is absent from the r items that are kept",
    conditions="a fixed real set of r >= 1 items; accumulation, where r = M is the first data set",
    order="exact",
    source=_OWN,
)
def lost_for_good(probability: ArrayLike, kept: ArrayLike) -> Array:
    r"""Chance that a state of true ``probability`` q is absent for ever, where ``kept`` r real items never leave.

    A state among them stays in every data set. Any other dies out almost surely: beside a fixed set a bounded part of
    each data set descends from last time's model, and dies out with a chance that is bounded below. Under accumulation
    (r = M, the size of the first data set) it never enters the pool. Replace: 1 - q, ``replacement``; with fresh real
    data: 0. Exact.
    """
    q, r = within("probability", probability, 0, 1), whole("kept", kept, 1)
    with np.errstate(divide="ignore"):
        return np.asarray(np.exp(r * np.log1p(-q)))


# --- P7 and P8: tails, in the mean and in a run ----------------------------------------------------------------------


def _shapes(size: int, ddof: int) -> tuple[Array, Array]:
    """Deviations sigma_1 / sigma_0 of a first fit and their weights."""
    x, width = _panels(*_range(size))
    weight = _gamma_density(x, size) * width
    return np.sqrt(2 * x / (size - ddof)), weight / weight.sum()


def _range(size: int) -> tuple[float, float]:
    """Where half of chi2_{M-1} lies, but for 1e-18 on either side."""
    half = (size - 1) / 2
    return float(scipy.special.gammaincinv(half, 1e-18)), float(scipy.special.gammainccinv(half, 1e-18))


def _gamma_density(x: Array, size: int) -> Array:
    half = (size - 1) / 2
    return np.exp((half - 1) * np.log(x) - x - scipy.special.gammaln(half))


def _panels(low: float, high: float) -> tuple[Array, Array]:
    """Nodes and weights of Gauss-Legendre on 32 panels of an interval."""
    edges = np.linspace(low, high, 33)
    node, weight = np.polynomial.legendre.leggauss(40)
    width = np.diff(edges)[:, None] / 2
    return (edges[:-1, None] + width * (1 + node)).ravel(), (width * weight).ravel()


@theorem(
    statement="E P_1(|x - mu_0| > k sigma_0) = E 2 Q(k/sqrt(1/M + G)), G = chi2_{M-1}/(M-ddof); at k = 3 more than "
    "the truth's",
    conditions="normal in one dimension, the first fit, M >= 4",
    order="exact (quadrature)",
    source=_OWN,
)
def first_tail_mass(sample_size: int, deviations: float = 3.0, *, ddof: int = 1) -> float:
    r"""Mean mass that the first fit puts beyond ``deviations`` k true deviations from the true mean, both sides.

    Given :math:`\sigma_1`, a draw of the fit about :math:`\mu_0` is normal of variance :math:`1/M + \sigma_1^2`, as
    the mean of the fit is independent of its deviation. It is more than the truth's for k above about 1 (with ddof = 0,
    above about the square root of 3), and less below. By quadrature over :math:`\sigma_1`, relative error 1e-10.
    """
    size = one_whole("sample_size", sample_size, 4, most=10**6)
    k, ddof = one_real("deviations", deviations, 0, 30, open_low=True), choice("ddof", ddof, (0, 1))
    sigma, weight = _shapes(size, ddof)
    return float(weight @ (2 * scipy.special.ndtr(-k / np.sqrt(1 / size + sigma**2))))


@theorem(
    statement="P(P_1(|x - mu_0| > k sigma_0) < c times the truth's) = E [2 Phi(sqrt(M) b(sigma_1)) - 1], b the shift "
    "at which a deviation sigma_1 has that tail mass",
    conditions="normal in one dimension, the first fit, M >= 4; 0 < c <= 1",
    order="exact (quadrature)",
    source=_OWN,
)
def thin_tail_probability(sample_size: int, deviations: float = 3.0, share: float = 0.5, *, ddof: int = 1) -> float:
    r"""Chance that the first fit has less than ``share`` c of the true mass beyond ``deviations`` k true deviations.

    The tail mass :math:`Q((k - m)/\sigma) + Q((k + m)/\sigma)` grows with the size of the shift m, so that the event is
    \|m\| < b(sigma), and m is normal of variance 1/M. Beyond some sigma_c no shift is small enough; there b ends like a
    square root, so that sigma = sigma_c (1 - u^2) in the quadrature. Bisection for b; absolute error 1e-9.
    """
    size = one_whole("sample_size", sample_size, 4, most=10**6)
    k, ddof = one_real("deviations", deviations, 0, 30, open_low=True), choice("ddof", ddof, (0, 1))
    left = one_real("share", share, 0, 1, open_low=True) * scipy.special.ndtr(-k)
    most, widest = 2 * left, -k / scipy.special.ndtri(left)
    lowest, highest = (np.sqrt(2 * x / (size - ddof)) for x in _range(size))
    if lowest >= widest:
        return 0.0
    u, width = _panels(*(np.sqrt(max(1 - end / widest, 0.0)) for end in (highest, lowest)))
    sigma = widest * (1 - u**2)
    # density of sigma times d sigma / d u
    weight = _gamma_density(sigma**2 * (size - ddof) / 2, size) * sigma * (size - ddof) * 2 * widest * u * width
    low, high = np.zeros(sigma.size), np.full(sigma.size, k + 40.0)
    for _ in range(60):
        shift = (low + high) / 2
        thin = scipy.special.ndtr((shift - k) / sigma) + scipy.special.ndtr((-shift - k) / sigma) < most
        low, high = np.where(thin, shift, low), np.where(thin, high, shift)
    return float(weight @ (2 * scipy.special.ndtr(np.sqrt(size) * low) - 1))


# --- the table -------------------------------------------------------------------------------------------------------


@dataclasses.dataclass(frozen=True)
class Row:
    """What the definitions say of one workflow, for risks linear in v; ``inf`` and 1.0 mean what they say.

    ``lost`` v_inf; P1 ``factor`` M v_inf; P2 ``increases``; P4 ``variance_gone``: v_inf = 1; P6 ``mode_lost``: chance
    that a state of the asked probability is lost for good. P3 in chi-square never holds, v <= 1; P8 never holds for a
    discrete chain.
    """

    workflow: str
    lost: float
    factor: float
    increases: bool
    variance_gone: bool
    mode_lost: float


def table(sample_size: int, real: int, probability: float, synthetic: int | None = None) -> tuple[Row, ...]:
    """P1, P2, P4 and P6 of each workflow at M = ``sample_size``, r = ``real`` real items or the share r/M, and a state
    of ``probability`` q. Exact.

    Rows: replace; each item real with probability r/M; r fresh items; r fixed items; accumulate; the model of an
    accumulated pool's subsample of M; r fresh items beside ``synthetic`` s model draws (default M - r), each fit with
    the weight that is best at the end. The first fit has M real items in all of them. Raises ValueError unless 1 <=
    real < sample_size, sample_size >= 2.
    """
    size, q = one_whole("sample_size", sample_size, 2), one_real("probability", probability, 0, 1)
    r = one_whole("real", real, 1)
    if r >= size:
        raise ValueError(f"real must be below sample_size, got {real!r} and {sample_size!r}")
    s = one_whole("synthetic", size - r if synthetic is None else synthetic, 1)
    kept, every = (float(lost_for_good(q, n)) for n in (r, size))
    found = (
        ("replace", 1.0, 1 - q),
        ("random mixing", float(workflows.random_mixing_limit(size, r / size)), 0.0),
        ("fresh count", float(workflows.fresh_counts_limit(size, r)), 0.0),
        ("fixed real set", float(workflows.fixed_set_limit(size, r)), kept),
        ("accumulate", float(accumulation.accumulate_limit(size)), every),
        ("accumulate, subsample", float(accumulation.accumulate_subsample_limit(size)[0]), every),
        ("fresh count, best weight", float(weights.best_loss(r, s)), 0.0),
    )
    # each recursion is monotone from v_1 = 1/M, so that it rises if and only if its limit is higher
    return tuple(
        Row(name, v, float(catastrophe_factor(min(v, 1.0), size)), v * size > 1 + 1e-12, v >= 1, gone)
        for name, v, gone in found
    )

"""In every family with a quadratic variance function, the mean's error grows by one exact factor 1 + v2/M a fit.

The mean of a natural exponential family is refitted by the sample mean, and the variance at mean m is
``V(m) = v0 + v1 m + v2 m^2`` (Morris's six families). The sign of ``v2`` decides: negative saturates (Bernoulli), zero
is a random walk (Poisson, normal with known variance), positive explodes (gamma, negative binomial).
"""

from __future__ import annotations

import dataclasses

import numpy as np
from numpy.typing import ArrayLike

from modelcollapse_theory._domain import LONGEST, SQUARABLE, Array, flag, one_real, one_whole, whole, within
from modelcollapse_theory._register import theorem
from modelcollapse_theory.lineage_limits import surviving_fraction

_OWN = "derived in theory/derivations/exponential-families.md; families after Morris 1982"


@dataclasses.dataclass(frozen=True)
class VarianceFunction:
    """``V(m) = constant + linear m + quadratic m^2`` for means between ``low`` and ``high``."""

    constant: float
    linear: float
    quadratic: float
    low: float = -np.inf
    high: float = np.inf

    def __post_init__(self) -> None:
        for name in ("constant", "linear", "quadratic"):
            object.__setattr__(self, name, one_real(name, getattr(self, name)))
        for name, open_end in (("low", -np.inf), ("high", np.inf)):
            end = getattr(self, name)
            unbounded = isinstance(end, float) and end == open_end
            object.__setattr__(self, name, open_end if unbounded else one_real(name, end))
        if self.low >= self.high:
            raise ValueError(f"low must be below high, got {self.low:g} and {self.high:g}")

    def __call__(self, mean: ArrayLike) -> Array:
        """The variance of one draw at ``mean``; ValueError outside the closed range of means."""
        mean = within("mean", mean, max(self.low, -SQUARABLE), min(self.high, SQUARABLE))
        return self.constant + self.linear * mean + self.quadratic * mean**2


def bernoulli() -> VarianceFunction:
    """``V = m (1 - m)``: two states of the discrete chain."""
    return VarianceFunction(0.0, 1.0, -1.0, 0.0, 1.0)


def binomial(trials: int) -> VarianceFunction:
    """``V = m (1 - m/trials)`` for the number of successes."""
    trials = one_whole("trials", trials, 1)
    return VarianceFunction(0.0, 1.0, -1.0 / trials, 0.0, float(trials))


def poisson() -> VarianceFunction:
    """``V = m``."""
    return VarianceFunction(0.0, 1.0, 0.0, 0.0)


def negative_binomial(successes: float) -> VarianceFunction:
    """``V = m + m^2/successes`` for the failures before a known, possibly fractional, number of successes."""
    return VarianceFunction(0.0, 1.0, 1.0 / one_real("successes", successes, 0, open_low=True), 0.0)


def gamma(shape: float) -> VarianceFunction:
    """``V = m^2/shape``, the shape known; shape 1 is the exponential law."""
    return VarianceFunction(0.0, 0.0, 1.0 / one_real("shape", shape, 0, open_low=True), 0.0)


def normal(variance: float) -> VarianceFunction:
    """``V = variance``, known."""
    return VarianceFunction(one_real("variance", variance, 0, open_low=True), 0.0, 0.0)


def hyperbolic_secant() -> VarianceFunction:
    """``V = 1 + m^2``, the generalised hyperbolic secant law with unit index."""
    return VarianceFunction(1.0, 0.0, 1.0)


def _family(family: VarianceFunction) -> VarianceFunction:
    if not isinstance(family, VarianceFunction):
        raise TypeError(f"family must be a VarianceFunction, such as poisson(), got {family!r}")
    return family


def _sizes(sample_size: ArrayLike, name: str = "sample_size") -> Array:
    return whole(name, sample_size, 1).astype(np.float64)


def _growth(family: VarianceFunction, log_factor: Array, initial: Array) -> Array:
    """V0 (F - 1)/v2 with log F given: the variance of the mean, since V(m_n) - V(m_0) is v2 times it in expectation."""
    with np.errstate(over="ignore"):
        return initial * np.expm1(log_factor) / family.quadratic


@theorem(
    statement="E V(mean_n) = V(mean_0) (1 + v2/M)^n",
    conditions="natural exponential family with quadratic variance function, replace, M >= 1",
    order="exact",
    source=_OWN,
)
def expected_variance_function(
    family: VarianceFunction, mean: ArrayLike, sample_size: ArrayLike, fits: ArrayLike
) -> Array:
    """Mean variance of one draw of the model after ``fits`` fits, from a truth with the given ``mean``. Exact."""
    with np.errstate(over="ignore"):
        return _family(family)(mean) * np.exp(whole("fits", fits) * _log1p(family, _sizes(sample_size)))


def _log1p(family: VarianceFunction, size: Array) -> Array:
    with np.errstate(divide="ignore"):  # one Bernoulli draw is absorbed at once
        return np.log1p(family.quadratic / size)


@theorem(
    statement="Var mean_n = V(mean_0) [(1 + v2/M)^n - 1]/v2, or n V(mean_0)/M when v2 = 0",
    conditions="natural exponential family with quadratic variance function, replace, M >= 1",
    order="exact",
    source=_OWN,
)
def expected_mean_error(family: VarianceFunction, mean: ArrayLike, sample_size: ArrayLike, fits: ArrayLike) -> Array:
    r"""``E (m_n - m_0)^2`` after ``fits`` fits to ``sample_size`` draws.

    .. math:: \frac{V(m_0)}{v_2}\left[\left(1+\frac{v_2}{M}\right)^n - 1\right], \qquad n V(m_0)/M \text{ if } v_2 = 0

    Exact for every M >= 1; may overflow to inf when v2 > 0. ValueError for a mean outside the family.
    """
    family, size, fits = _family(family), _sizes(sample_size), whole("fits", fits).astype(np.float64)
    if family.quadratic == 0:
        return family(mean) * fits / size
    steps = np.where(fits == 0, 0.0, np.where(fits == 0, 1.0, fits) * _log1p(family, size))
    return _growth(family, steps, family(mean))[()]


@theorem(
    statement="With every batch of M kept: E V(mean_n) = V(mean_0) prod_{i<=n} (1 + v2/(M i^2))",
    conditions="natural exponential family with quadratic variance function, accumulate, equal batches",
    order="exact",
    source=_OWN,
)
def accumulated_mean_error(family: VarianceFunction, mean: ArrayLike, sample_size: ArrayLike, fits: int) -> Array:
    """``E (m_n - m_0)^2`` when each fit uses all ``n`` batches of ``sample_size`` draws so far. Exact; O(n) work.

    The first batch is real. See :func:`accumulated_mean_error_limit` for endless accumulation.
    """
    family, size, last = _family(family), _sizes(sample_size), one_whole("fits", fits, most=LONGEST)
    batches = np.arange(1, last + 1, dtype=np.float64)
    if family.quadratic == 0:
        return family(mean) * np.sum(batches**-2.0) / size
    with np.errstate(divide="ignore"):
        steps = np.log1p(family.quadratic / (size[..., None] * batches**2)).sum(-1)
    return _growth(family, steps, family(mean))


@theorem(
    statement="With sample sizes M_i: Var mean_n = V(mean_0)/v2 [prod_{i<=n} (1 + v2/M_i) - 1]; with every batch kept, "
    "M_i/N_i^2 for 1/M_i, N_i = M_1 + ... + M_i (v2 = 0: V(mean_0) times their sum)",
    conditions="natural exponential family with quadratic variance function, replace or accumulate, M_i >= 1",
    order="exact",
    source=_OWN,
)
def scheduled_mean_error(
    family: VarianceFunction, mean: ArrayLike, sample_sizes: ArrayLike, *, accumulate: bool = False
) -> Array:
    """``E (m_n - m_0)^2`` after each of the fits n = 1, 2, ..., of which fit i draws ``sample_sizes[i - 1]``. Exact.

    ``accumulate``: each fit uses all batches so far. ValueError unless the sizes are a vector of whole numbers from 1.
    """
    family, sizes, accumulate = _family(family), _sizes(sample_sizes, "sample_sizes"), flag("accumulate", accumulate)
    mean = one_real("mean", mean)
    if sizes.ndim != 1:
        raise ValueError(f"sample_sizes must be a vector with one size for each fit, got shape {sizes.shape}")
    weights = sizes / np.cumsum(sizes) ** 2 if accumulate else 1 / sizes
    if family.quadratic == 0:
        return family(mean) * np.cumsum(weights)
    with np.errstate(divide="ignore"):  # one Bernoulli draw is absorbed at once
        return _growth(family, np.cumsum(np.log1p(family.quadratic * weights)), family(mean))


@theorem(
    statement="Endless accumulation: Var mean -> V(mean_0)/v2 [sinh(x)/x - 1], x = pi sqrt(v2/M) (sin for v2 < 0); "
    "pi^2/6 V(mean_0)/M for v2 = 0",
    conditions="natural exponential family with quadratic variance function, accumulate, equal batches",
    order="exact",
    source=_OWN,
)
def accumulated_mean_error_limit(family: VarianceFunction, mean: ArrayLike, sample_size: ArrayLike) -> Array:
    """The limit of :func:`accumulated_mean_error` as batches accumulate for ever, by Euler's product. Exact."""
    family, size = _family(family), _sizes(sample_size)
    square = np.pi**2 * family.quadratic / size
    # (sinh(x)/x - 1)/x^2 in powers of x^2 = square, of either sign
    small = np.abs(square) < 0.5
    inner = np.where(small, square, 0.0)
    series = np.zeros_like(inner)
    for k in range(12, 0, -1):
        series = (series * inner + 1) / ((2 * k) * (2 * k + 1))
    root = np.sqrt(np.abs(np.where(small, 1.0, square)))
    with np.errstate(over="ignore"):
        ratio = np.where(square < 0, np.sin(root), np.sinh(root)) / root
    return (family(mean) * np.pi**2 / size * np.where(small, series, (ratio - 1) / np.where(small, 1.0, square)))[()]


@theorem(
    statement="A fresh real share g settles the mean's error at V(mean_0)/[M(1 - (1-g)^2) - v2(1-g)] (fixed count) or "
    "V(mean_0)/[M(1 - (1-g)^2) - (1-g)(v2 + g)] (random count)",
    conditions="natural exponential family with quadratic variance function; the denominator positive, or infinite",
    order="exact",
    source=_OWN,
)
def fresh_mean_error(
    family: VarianceFunction,
    mean: ArrayLike,
    sample_size: ArrayLike,
    share: ArrayLike,
    fits: ArrayLike | None = None,
    *,
    random_count: bool = False,
) -> Array:
    r"""``E (m_n - m_0)^2`` with a share g of each sample drawn afresh from the truth; stationary when ``fits`` is None.

    .. math:: e' = (1-g)^2 e + \frac{V(m_0) + (1-g)\,w\,e}{M}, \qquad w = v_2 \text{ (count fixed)},\; v_2 + g
              \text{ (each draw real with probability } g)

    Exact. The first fit is all real. ``inf`` where the error grows without bound. A fixed count needs ``g M`` whole.
    """
    family, random_count = _family(family), flag("random_count", random_count)
    size, share = np.broadcast_arrays(_sizes(sample_size), within("share", share, 0, 1))
    if not random_count and np.any(np.abs(share * size - np.rint(share * size)) > 1e-6):
        raise ValueError(f"share * sample_size must be a whole number of real draws, got {(share * size)!r}")
    spread = family.quadratic + (share if random_count else 0.0)
    gap = share * (2 - share) - (1 - share) * spread / size  # one minus the factor on e
    step = family(mean) / size
    if fits is None:
        return np.where(gap > 0, step / np.where(gap > 0, gap, 1.0), np.inf)[()]
    fits = whole("fits", fits).astype(np.float64)
    with np.errstate(divide="ignore", over="ignore"):
        log_factor = np.where(fits == 0, 0.0, np.where(fits == 0, 1.0, fits) * np.log1p(-gap))
        grown = np.where(gap == 0, fits, -np.expm1(log_factor) / np.where(gap == 0, 1.0, gap))
    return (step * grown)[()]


@theorem(
    statement="Poisson: P(every draw of fit n is 0) = exp(-M mean_0 a_n), a_1 = 1, a_{n+1} = 1 - exp(-a_n), about 2/n",
    conditions="Poisson, replace, M >= 1",
    order="exact",
    source="a total of Poisson counts is a critical Galton-Watson process; derived in theory/derivations/"
    "exponential-families.md",
)
def poisson_extinction(mean: ArrayLike, sample_size: ArrayLike, fits: ArrayLike) -> Array:
    """``P(m_n = 0)`` after ``fits`` fits; 0 is absorbing and certain in the end, though ``E m_n`` stays. Exact.

    The mean time to extinction is infinite: the probability of survival falls like ``2 M mean / n``. a_n is
    ``lineage_limits.surviving_fraction``. Broadcasts.
    """
    mean, size = within("mean", mean, 0, SQUARABLE), _sizes(sample_size)
    return np.exp(-size * mean * surviving_fraction(fits))

"""A kernel density does not collapse, it diffuses: every refit adds the kernel's variance and never takes it off.

The model after a fit is the mixture of M kernels, one on each point, so its variance is that of the points (ddof=0)
plus ``h^2``. Only that variance of the kernel enters, so any centred kernel will do, and any truth with a variance; in
several dimensions everything holds for each coordinate.
``fits`` counts fits, the first to real data; results come as ``(E variance of the model, E (mean - true mean)^2)``.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from modelcollapse_theory._domain import LONGEST, SQUARABLE, Array, choice, one_real, one_whole, positive, whole, within
from modelcollapse_theory._register import theorem

_OWN = "derived in theory/derivations/kde.md"


def _sizes(sample_size: ArrayLike) -> Array:
    return whole("sample_size", sample_size, 2, "one point has no spread to set a bandwidth by").astype(np.float64)


def _one_size(sample_size: ArrayLike) -> float:
    return float(one_whole("sample_size", sample_size, 2, "one point has no spread to set a bandwidth by"))


@theorem(
    statement="Kernel density, fixed bandwidth h: E variance_n = V (1-1/M)^n + M h^2 (1 - (1-1/M)^n), towards M h^2; "
    "variance and squared error of the mean together grow by exactly h^2 a fit",
    conditions="replace, M >= 2; any truth with variance V, any kernel with variance h^2",
    order="exact",
    source=_OWN,
)
def fixed_bandwidth(
    bandwidth: ArrayLike, sample_size: ArrayLike, fits: ArrayLike, *, variance: ArrayLike = 1.0
) -> tuple[Array, Array]:
    r"""Model variance and squared error of the mean after n ``fits`` with one bandwidth h throughout.

    .. math:: E V_n = r^n V + M h^2 (1-r^n), \qquad E(\bar x_n-\mu)^2 = (V - M h^2)(1-r^n) + n h^2, \qquad r = 1-1/M

    Exact. The variance settles at ``M h^2``, whatever the truth was, while the mean drifts off for ever.
    """
    size, fits = _sizes(sample_size), whole("fits", fits).astype(np.float64)
    variance, square = positive("variance", variance), within("bandwidth", bandwidth, 0, SQUARABLE) ** 2
    lost = -np.expm1(fits * np.log1p(-1 / size))
    settled = size * square
    return variance + (settled - variance) * lost, (variance - settled) * lost + fits * square


def silverman_constant(dimension: ArrayLike = 1) -> Array:
    """``(4/(d + 2))^(1/(d+4))``: Silverman's bandwidth as a multiple of Scott's. Exact."""
    dimension = whole("dimension", dimension, 1).astype(np.float64)
    return (4 / (dimension + 2)) ** (1 / (dimension + 4))


def _widening(size: ArrayLike, constant: ArrayLike, ddof: int, dimension: ArrayLike) -> Array:
    """Variance of the kernel for ``size`` rows, relative to that of the rows with divisor ``size``."""
    ddof = choice("ddof", ddof, (0, 1))
    size = np.asarray(size, dtype=np.float64)
    power = -2 / (whole("dimension", dimension, 1) + 4)
    return within("constant", constant, 0, SQUARABLE) ** 2 * size**power * size / (size - ddof)


def rule_factor(sample_size: ArrayLike, *, constant: ArrayLike = 1.0, ddof: int = 1, dimension: ArrayLike = 1) -> Array:
    """Factor on ``E variance`` in one fit with the kernel's deviation ``constant * s * M^(-1/(d+4))``, s that of the
    points.

    ``(1 - 1/M)(1 + constant^2 M^(-2/(d+4)) M/(M - ddof))``, of every coordinate and of the whole covariance alike.
    Scott's rule is ``constant = 1``, Silverman's :func:`silverman_constant`; with ddof=1 both give a factor above 1 at
    every M and d, and a kernel of deviation ``s / sqrt(M)`` would give exactly 1. Exact.
    """
    size = _sizes(sample_size)
    return 1 + (_widening(size, constant, ddof, dimension) * (size - 1) - 1) / size


@theorem(
    statement="Kernel density, bandwidth c s M^(-1/(d+4)): E variance grows as "
    "[(1-1/M)(1 + c^2 M^(-2/(d+4)) M/(M-ddof))]^n",
    conditions="replace, M >= 2; any truth with a variance, any kernel; s the sample deviation with that ddof",
    order="exact",
    source=_OWN,
)
def rule_bandwidth(
    sample_size: ArrayLike,
    fits: ArrayLike,
    *,
    constant: ArrayLike = 1.0,
    ddof: int = 1,
    dimension: ArrayLike = 1,
    variance: ArrayLike = 1.0,
) -> tuple[Array, Array]:
    """Model variance and squared error of the mean under Scott's or Silverman's rule, see :func:`rule_factor`. Exact.

    ``variance`` is that of one coordinate in ``dimension`` dimensions. It is multiplied by the factor phi in every fit,
    and the error is ``variance/M (phi^n - 1)/(phi - 1)``: with the usual constants a kernel density explodes where a
    fitted normal would collapse. May reach inf.
    """
    gap = rule_factor(sample_size, constant=constant, ddof=ddof, dimension=dimension) - 1
    size, fits, variance = _sizes(sample_size), whole("fits", fits), positive("variance", variance)
    log_growth = fits * np.log1p(gap)
    flat = gap == 0
    with np.errstate(over="ignore"):
        summed = np.where(flat, fits, np.expm1(log_growth) / np.where(flat, 1.0, gap))
        return variance * np.exp(log_growth), (variance / size * summed)[()]


@theorem(
    statement="Kernel density on all batches so far: variance and squared error of the mean sum to V + h^2 H_n, with "
    "the harmonic number H_n",
    conditions="accumulate, equal batches M >= 2; any truth with variance V, any kernel with variance h^2",
    order="exact",
    source=_OWN,
)
def accumulated(bandwidth: ArrayLike, sample_size: int, fits: int, *, variance: float = 1.0) -> tuple[Array, Array]:
    r"""Model variance and squared error of the mean after each of n ``fits`` to all batches so far, two arrays (n,).

    .. math:: S_n = \Bigl(1-\frac1{Mn^2}\Bigr)S_{n-1} + \frac{h_{n-1}^2}n\Bigl(1-\frac1{nM}\Bigr), \qquad
              B_n = B_{n-1} + \frac{S_{n-1}+h_{n-1}^2}{Mn^2}, \qquad V_n = S_n + h_n^2

    from ``S_1 = (1 - 1/M) V`` and ``B_1 = V/M``. ``bandwidth`` is one h, or that of each fit (n,). Exact. Accumulation
    slows the diffusion to a logarithm, and stops it if the bandwidth shrinks like any power of the pool's size.
    """
    last, h = one_whole("fits", fits, 1, most=LONGEST), within("bandwidth", bandwidth, 0, SQUARABLE)
    if h.shape not in ((), (last,)):
        raise ValueError(f"bandwidth must be one number or one for each of the {last} fits, got shape {h.shape}")
    square = np.broadcast_to(h**2, (last,))
    return _accumulated(sample_size, square, np.zeros(last), variance)


@theorem(
    statement="Kernel density on all batches so far, bandwidth c s (nM)^(-1/(d+4)): E variance is multiplied by "
    "1 - 1/(Mn^2) + (w/n)(1 - 1/(nM)), w the kernel's share, and converges",
    conditions="accumulate, equal batches M >= 2; any truth with a variance, any kernel; s the pool's deviation",
    order="exact",
    source=_OWN,
)
def accumulated_rule(
    sample_size: int,
    fits: int,
    *,
    constant: float = 1.0,
    ddof: int = 1,
    dimension: int = 1,
    variance: float = 1.0,
) -> tuple[Array, Array]:
    """Model variance and squared error of the mean, two arrays (n,): Scott's or Silverman's rule on all batches so far.

    As :func:`accumulated` with ``h_n^2 = w_n S_n``, ``w_n = c^2 (nM)^(-2/(d+4)) nM/(nM - ddof)``. Exact. Where
    replacement explodes this stays finite for ever, since the sum of ``w_n / n`` does.
    """
    last, pool = one_whole("fits", fits, 1, most=LONGEST), _one_size(sample_size)
    c, d = one_real("constant", constant, 0, SQUARABLE), one_whole("dimension", dimension, 1)
    share = _widening(pool * np.arange(1, last + 1), c, ddof, d)
    return _accumulated(sample_size, np.zeros(last), share, variance)


def _accumulated(sample_size: ArrayLike, square: Array, share: Array, variance: ArrayLike) -> tuple[Array, Array]:
    """The recursion for kernels of variance ``square + share * S_n``."""
    size, truth = _one_size(sample_size), one_real("variance", variance, 0, SQUARABLE, open_low=True)
    spread, error = (1 - 1 / size) * truth, truth / size
    out = [(spread, error)]
    for n, (h2, w) in enumerate(zip(square[:-1], share[:-1], strict=True), 2):
        kernel = h2 + w * spread
        error += (spread + kernel) / (size * n**2)
        spread += -spread / (size * n**2) + kernel / n * (1 - 1 / (n * size))
        out.append((spread, error))
    s, b = np.array(out).T
    return s * (1 + share) + square, b


@theorem(
    statement="Kernel density with r of M rows real and fresh: variance and squared error of the mean together "
    "settle at "
    "V + (M/r) h^2",
    conditions="fixed bandwidth h, r real rows anew in each fit, M >= 2; any truth with variance V, any kernel",
    order="exact",
    source=_OWN,
)
def fresh_real(
    bandwidth: ArrayLike, sample_size: int, fits: int, real: int, *, variance: float = 1.0
) -> tuple[Array, Array]:
    r"""Model variance and squared error of the mean after each of n ``fits``, ``real`` = r rows of each from the truth.

    .. math:: B' = \frac{a E V + a^2 B + r\sigma^2}{M^2}, \qquad E V' + B' = \frac{a (E V + B) + r \sigma^2}M + h^2,
              \qquad a = M - r

    Two arrays (n,). Exact. Any steady share of real rows stops the diffusion.
    """
    size, last = _one_size(sample_size), one_whole("fits", fits, 1, most=LONGEST)
    share, truth = float(one_whole("real", real)), one_real("variance", variance, 0, open_low=True)
    if share > size:
        raise ValueError(f"real must be at most sample_size = {sample_size}, got {real}")
    square, kept = one_real("bandwidth", bandwidth, 0, SQUARABLE) ** 2, size - share
    total, error = truth + square, truth / size
    out = [(total - error, error)]
    for _ in range(1, last):
        error = (kept * (total - error) + kept**2 * error + share * truth) / size**2
        total = (kept * total + share * truth) / size + square
        out.append((total - error, error))
    v, b = np.array(out).T
    return v, b

"""A kernel density does not collapse, it diffuses: every refit adds the kernel's variance and never takes it off.

The model after a fit is the mixture of M kernels, one on each point, so its variance is that of the points (ddof=0)
plus ``h^2``. Only that variance of the kernel enters, so any centred kernel will do, and any truth with a variance.
``fits`` counts fits, the first to real data; results come as ``(E variance of the model, E (mean - true mean)^2)``.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from modelcollapse_theory._domain import Array, choice, positive, whole, within
from modelcollapse_theory._register import theorem

_OWN = "derived in theory/derivations/kde.md"


def _sizes(sample_size: ArrayLike) -> Array:
    return whole("sample_size", sample_size, 2, "one point has no spread to set a bandwidth by").astype(np.float64)


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
    size, fits = _sizes(sample_size), whole("fits", fits)
    variance, square = positive("variance", variance), within("bandwidth", bandwidth, 0, np.inf) ** 2
    lost = -np.expm1(fits * np.log1p(-1 / size))
    settled = size * square
    return variance + (settled - variance) * lost, (variance - settled) * lost + fits * square


def rule_factor(sample_size: ArrayLike, *, constant: ArrayLike = 1.0, ddof: int = 1) -> Array:
    """Factor on ``E variance`` in one fit with the bandwidth ``constant * s * M^(-1/5)``, s the points' deviation.

    ``(1 - 1/M)(1 + constant^2 M^(-2/5) M/(M - ddof))``. Scott's rule is ``constant = 1``, Silverman's ``(4/3)^(1/5)``;
    with ddof=1 both give a factor above 1 at every M, and ``h = s / sqrt(M)`` would give exactly 1. Exact.
    """
    choice("ddof", ddof, (0, 1))
    size = _sizes(sample_size)
    widened = within("constant", constant, 0, np.inf) ** 2 * size**-0.4 * size / (size - ddof)
    return 1 + (widened * (size - 1) - 1) / size


@theorem(
    statement="Kernel density, bandwidth c s M^(-1/5): E variance grows as [(1-1/M)(1 + c^2 M^(-2/5) M/(M-ddof))]^n",
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
    variance: ArrayLike = 1.0,
) -> tuple[Array, Array]:
    """Model variance and squared error of the mean under Scott's or Silverman's rule, see :func:`rule_factor`. Exact.

    The variance is multiplied by the factor phi in every fit and the error is ``variance/M (phi^n - 1)/(phi - 1)``:
    with the usual constants a kernel density explodes where a fitted normal would collapse. May reach inf.
    """
    gap = rule_factor(sample_size, constant=constant, ddof=ddof) - 1
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
def accumulated(bandwidth: float, sample_size: int, fits: int, *, variance: float = 1.0) -> tuple[Array, Array]:
    r"""Model variance and squared error of the mean after each of n ``fits`` to all batches so far, two arrays (n,).

    .. math:: S_n = \Bigl(1-\frac1{Mn^2}\Bigr)S_{n-1} + \frac{h^2}n\Bigl(1-\frac1{nM}\Bigr), \qquad
              B_n = B_{n-1} + \frac{S_{n-1}+h^2}{Mn^2}, \qquad V_n = S_n + h^2

    from ``S_1 = (1 - 1/M) V`` and ``B_1 = V/M``. Exact. Accumulation slows the diffusion to a logarithm.
    """
    size, last = float(_sizes(sample_size)), int(whole("fits", fits, 1))
    truth, square = float(positive("variance", variance)), float(within("bandwidth", bandwidth, 0, np.inf)) ** 2
    batch = np.arange(1, last + 1, dtype=np.float64)
    kept = np.cumprod(1 - 1 / (size * batch**2))
    added = np.where(batch > 1, square / batch * (1 - 1 / (batch * size)), 0.0)
    spread = kept * (truth + np.cumsum(added / kept))
    before = np.concatenate([[truth], spread[:-1] + square])
    return spread + square, np.cumsum(before / (size * batch**2))

r"""A normal law refitted by median and median absolute deviation: exact steps of scale and location, by quadrature.

The fit is equivariant: rows :math:`\mu + \sigma z` are fitted by :math:`\mu + \sigma m` and :math:`\sigma r`, with m
the median of M standard normal rows z and r the fitted scale. So :math:`\ln\sigma_n` walks by independent steps
:math:`\ln r`, and :math:`\mu_{n+1} - \mu_n = \sigma_n m`, where m has mean 0 by symmetry.

For odd M = 2k + 1 the law of r is exact. Given that the median is m, k rows lie below it and k above, independent, with
the normal law cut off there. Of the distances to m, that of the median itself is 0 and those of the 2k others are
independent, so the median of all M is the k-th smallest of these:

.. math:: P(D > t \mid m) = P(B_- + B_+ \le k - 1), \qquad B_\pm \sim \mathrm{Bin}(k, F_\pm(t)), \quad
          F_-(t) = \frac{\Phi(m) - \Phi(m-t)}{\Phi(m)}, \quad F_+(t) = \frac{\Phi(m+t) - \Phi(m)}{1 - \Phi(m)}

and m has the density :math:`\frac{(2k+1)!}{k!^2}\,[\Phi(1-\Phi)]^k \varphi`. Integrands are smooth and fall off
exponentially, so the trapezoidal rule in m and in ln t is right to about 1e-10.
"""

from __future__ import annotations

import functools

import numpy as np
import scipy

from modelcollapse_theory._domain import Array, NotCovered, one_real, one_whole
from modelcollapse_theory._register import theorem

LARGEST = 101
"""The most rows for which the sums are done."""
_STEP, _FAR = 0.05, 45.0  # of the grid of ln t; beyond, the logistic law has less than a rounding
_CONDITIONS = "one normal law, replace, refitted to an odd number M >= 3 of rows by median and 1.4826 MAD"
_SOURCE = "derived in the docstring of modelcollapse_theory.robust; estimator: Hampel, J. Amer. Statist. Ass. 69 (1974)"


def _half(sample_size: int) -> int:
    """k of an odd number 2k + 1 of rows."""
    size = one_whole("sample_size", sample_size, 3)
    if size % 2 == 0 or size > LARGEST:
        raise NotCovered(f"sample_size must be odd and at most {LARGEST}, got {size}")
    return size // 2


def _medians(k: int) -> tuple[Array, Array]:
    """Nodes m >= 0 and their weights for means over the absolute median of 2k + 1 standard normal rows."""
    m = np.arange(0.0, 9.0, 0.05)
    density = np.exp(k * (scipy.special.log_ndtr(m) + scipy.special.log_ndtr(-m)) - m**2 / 2)
    density[0] /= 2  # even in m: half of the line, twice
    return m, density / density.sum()


@functools.lru_cache(maxsize=16)
def _survival(k: int) -> tuple[Array, Array]:
    """ln t, equally spaced, and the chance that the MAD of 2k + 1 standard normal rows is beyond t."""
    y = np.arange(-_FAR, _FAR, _STEP)
    # the chance is 1 below, as t^k is nothing, and 0 above
    near = (y > -40 / k - 3) & (y < 3.2)
    t, (m, weights) = np.exp(y[near])[:, None], _medians(k)
    normal = scipy.special.ndtr
    below, above = normal(m), normal(-m)
    small = t < 1e-6  # to first order, where differences would cancel
    slope = t * np.exp(-(m**2) / 2) / np.sqrt(2 * np.pi)
    low = np.where(small, slope, below - normal(m - t)) / below
    high = np.where(small, slope, above - normal(-m - t)) / above
    beyond = np.zeros_like(low)
    for i in range(k):  # of the rows below, i lie within t, and of those above at most k - 1 - i
        within = scipy.special.binom(k, i) * low**i * (1 - low) ** (k - i)
        beyond += within * scipy.special.bdtr(k - 1 - i, k, high)
    out = (y < 0).astype(float)
    out[near] = beyond @ weights
    return y, out


@theorem(
    statement="E ln sigma_n^2 = ln sigma_0^2 + 2n E ln r, Var = 4n Var ln r, r the fit of standard normal rows",
    conditions=_CONDITIONS,
    order="exact",
    source=_SOURCE,
)
def mad_log_variance(sample_size: int, fits: int) -> tuple[float, float]:
    r"""Mean and variance of :math:`\ln\sigma_n^2` with :math:`\sigma_0 = 1`, after n = ``fits`` refits to M rows.

    With :math:`S(y) = P(\ln D > y)` and the logistic law's :math:`L(y) = 1/(1+e^y)`, whose mean is 0 and variance
    :math:`\pi^2/3`: :math:`E\ln D = \int (S - L)\,dy` and :math:`E(\ln D)^2 = \pi^2/3 + \int 2y(S - L)\,dy`, and r is D
    over the median of :math:`|z|`. Exact by quadrature, for odd M up to 101.
    """
    k, n = _half(sample_size), one_whole("fits", fits)
    y, beyond = _survival(k)
    excess = (beyond - scipy.special.expit(-y)) * _STEP
    mean = excess.sum()
    variance = np.pi**2 / 3 + (2 * y * excess).sum() - mean**2
    return 2 * n * float(mean - np.log(scipy.special.ndtri(0.75))), 4 * n * float(variance)


@theorem(
    statement="E sigma_n^t = sigma_0^t (E r^t)^n, r the fit of standard normal rows",
    conditions=_CONDITIONS,
    order="exact",
    source=_SOURCE,
)
def mad_moment(order: float, sample_size: int, fits: int) -> float:
    r""":math:`E\sigma_n^t`, :math:`\sigma_0 = 1`, t = ``order`` from 0.1 to 8, after n = ``fits`` refits to M rows.

    :math:`E D^t = \int t e^{ty} S(y)\,dy`. Exact by quadrature, for odd M up to 101.
    """
    t = one_real("order", order, 0.1, 8)
    k, n = _half(sample_size), one_whole("fits", fits)
    y, beyond = _survival(k)
    # before the grid begins the chance is 1: a geometric series
    moment = t * _STEP * ((np.exp(t * y) * beyond).sum() + np.exp(t * y[0]) / np.expm1(t * _STEP))
    with np.errstate(over="ignore"):
        return float((moment / scipy.special.ndtri(0.75) ** t) ** n)


@theorem(
    statement="E (mu_n - mu_0)^2 = sigma_0^2 Var(m) (1 + q + ... + q^(n-1)), q = E r^2, m the median of M normal rows",
    conditions=_CONDITIONS,
    order="exact",
    source=_SOURCE,
)
def mad_mean_error(sample_size: int, fits: int) -> float:
    r"""Squared error of the location with :math:`\sigma_0 = 1`, after n = ``fits`` refits to M rows.

    Steps :math:`\sigma_t m_t` have mean 0 given the past, so their squares add up. Exact by quadrature, for odd M up to
    101.
    """
    k, n = _half(sample_size), one_whole("fits", fits)
    m, weights = _medians(k)
    growth = mad_moment(2.0, sample_size, 1)
    with np.errstate(over="ignore"):
        return float((m**2 @ weights) * (growth**n - 1) / (growth - 1))

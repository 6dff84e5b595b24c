"""Both tails of a law, to full relative precision, from its cumulant function continued to complex arguments."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import scipy

from modelcollapse_theory._domain import NotCovered

_UNDERFLOW = -745.0
LARGEST = 10**12
"""The largest sample whose sums of log chi-squares have an integral that keeps its digits."""


def tails(
    cgf: Callable[[Any], Any],
    slope: Callable[[float], float],
    curvature: Callable[[float], float],
    edge: float,
    x: float,
) -> tuple[float, float]:
    r"""``(P(Y <= x), P(Y > x))`` for the law with cumulant function ``K = cgf``, analytic on ``Re theta > edge``.

    .. math:: P(Y > x) = \frac{1}{2\pi i}\int_{t-i\infty}^{t+i\infty} e^{K(\theta)-\theta x}\,\frac{d\theta}{\theta},
              \qquad t > 0,

    (the sign changes for ``t < 0`` and ``P(Y <= x)``), by the trapezoidal rule on the vertical line through the saddle
    point ``K'(t) = x``. The rule converges exponentially; the step makes every alias, the pole at 0 included, smaller
    than 1e-15 of the answer. Gil-Pelaez is the same integral with ``t = 0``, where the small tail drowns in the
    rounding error of the large one.
    """
    lower = slope(0.0) > x
    t = _saddle(cgf, slope, edge, x, lower)
    if t is None:
        return (0.0, 1.0) if lower else (1.0, 0.0)
    width = 1 / np.sqrt(curvature(t))
    if abs(t) < width:  # too near the pole at 0: step aside, at the price of a factor of about exp(1/2)
        t = -min(width, -edge / 2) if lower else width
        width = 1 / np.sqrt(curvature(t))
    height = float(cgf(t)) - t * x
    step = min(0.15 * width, 2 * np.pi * abs(t) / (40 + max(0.0, -height)))

    block, total, start = 512, 0.0, 0
    while True:
        theta = t + 1j * step * np.arange(start, start + block)
        terms = np.exp(cgf(theta) - theta * x - height) / (-theta if lower else theta)
        total += float(terms.real.sum()) - (0.5 * float(terms[0].real) if start == 0 else 0.0)
        if abs(terms[-1]) * abs(t) < 1e-18:
            break
        start += block
        if start > 2**22:
            raise NotCovered(f"the law is too near a lattice or a point mass for its integral to converge, at x={x!r}")
    tail = min(1.0, max(0.0, float(np.exp(height)) * total * step / np.pi))
    return (tail, 1 - tail) if lower else (1 - tail, tail)


def _saddle(
    cgf: Callable[[Any], Any], slope: Callable[[float], float], edge: float, x: float, lower: bool
) -> float | None:
    """The root of ``slope(t) = x``, or None where Chernoff's bound on the tail already underflows."""
    inner = 0.0
    for k in range(1, 200):
        outer = edge * (1 - 0.5**k) if lower else 0.5 * max(1.0, -edge) * 1e-6 * 2.0**k
        if float(cgf(outer)) - outer * x < _UNDERFLOW:
            return None
        if outer == edge:
            return inner
        if (slope(outer) - x) * (1 if lower else -1) <= 0:
            return float(scipy.optimize.brentq(lambda t: slope(t) - x, *sorted((inner, outer)), xtol=1e-300, rtol=1e-8))
        inner = outer
    return inner

"""A Gaussian refitted with fresh real items keeps both its variance and its mean within bounds.

Exactly r of the M items of each data set are real, drawn anew; the others are draws from the last fit. Two linear
recursions, one for the variance and one for the squared error of the mean, are exact for both estimators. For ddof = 0
without narrowing they are (1 - v, v) of ``workflows.fresh_counts``. Derived in theory/derivations/fresh-data.md.
"""

from __future__ import annotations

import numpy as np

from modelcollapse_theory._domain import Array, choice, positive, whole
from modelcollapse_theory._register import theorem

_SOURCE = "derived in theory/derivations/fresh-data.md"


@theorem(
    statement="m' = (s/M)^2 m + (s V + r sigma^2)/M^2, V' = (s V + r sigma^2)/M + s r m/(M(M-1)), s = M - r; ddof = 1",
    conditions="Gaussian fit to s model draws and r fresh real ones; V variance, m squared error of the mean",
    order="exact",
    source=_SOURCE,
)
def moments(
    sample_size: int, fits: int, real: int, *, variance: float = 1.0, ddof: int = 1, narrowing: float = 1.0
) -> tuple[float, float]:
    r"""(E variance, E (mean - truth)^2) of the n-th Gaussian fit with exactly r = ``real`` fresh items of M, g = r/M.

    .. math:: m' = (1 - g)^2 m + \frac{(1 - g) \lambda V + g \sigma^2}{M}, \qquad
       V' = g \sigma^2 + (1 - g) \lambda V + \frac{M}{M - 1} g (1 - g) m

    for ddof = 1; V' is (1 - 1/M) times that for ddof = 0. lambda = ``narrowing`` is the factor by which sampling
    distorts the variance of model draws. Fit 0 is the truth, fit 1 sees real data only. Exact. With ddof = 1 the limit
    of V exceeds sigma^2.
    """
    size, r, scale = _arguments(sample_size, real, variance, ddof, narrowing)
    count = int(whole("fits", fits))
    if count == 0:
        return scale, 0.0
    spread = 1.0 if ddof else 1 - 1 / size
    matrix = _step(size, r, ddof, float(narrowing))
    state = np.linalg.matrix_power(matrix, count - 1) @ np.array([spread, 1 / size, 1.0])
    return float(scale * state[0]), float(scale * state[1])


def _arguments(sample_size: int, real: int, variance: float, ddof: int, narrowing: float) -> tuple[int, int, float]:
    choice("ddof", ddof, (0, 1))
    size = int(whole("sample_size", sample_size, 1 + ddof, "an unbiased variance needs two draws" if ddof else ""))
    r = int(whole("real", real))
    if r > size:
        raise ValueError(f"real must not exceed sample_size={sample_size!r}, got {real!r}")
    positive("narrowing", narrowing)
    return size, r, float(positive("variance", variance))


def _step(size: int, r: int, ddof: int, narrowing: float) -> Array:
    """(V, m, 1) -> next, in units of the original variance."""
    s, spread = size - r, 1.0 if ddof else 1 - 1 / size
    mixed = s * r / (size * max(size - 1, 1))
    drawn = s / size * narrowing
    return np.array(
        [
            [spread * drawn, spread * mixed, spread * r / size],
            [drawn / size, (s / size) ** 2, r / size**2],
            [0, 0, 1],
        ]
    )


def moments_limit(
    sample_size: int, real: int, *, variance: float = 1.0, ddof: int = 1, narrowing: float = 1.0
) -> tuple[float, float]:
    r"""Stationary (V, m) of ``moments``: for ddof = 1 without narrowing

    .. math:: m^* = \frac{\sigma^2/M}{1 - (1 - g)^2 M/(M - 1)}, \qquad V^* = \sigma^2 + \frac{M}{M - 1} (1 - g) m^*

    Finite for every r >= 1, since 1/M exceeds the critical share 1 - sqrt(1 - 1/M). Exact. Raises ValueError for real
    = 0 and where a ``narrowing`` above 1 makes the variance grow without bound.
    """
    size, r, scale = _arguments(sample_size, real, variance, ddof, narrowing)
    matrix = _step(size, r, ddof, float(narrowing))
    if r == 0 or max(abs(np.linalg.eigvals(matrix[:2, :2]))) >= 1:
        raise ValueError(
            f"real={real!r} with narrowing={narrowing!r} has no finite limit: take more real data or less narrowing"
        )
    spread, drift = np.linalg.solve(np.eye(2) - matrix[:2, :2], matrix[:2, 2])
    return float(scale * spread), float(scale * drift)

"""Fresh real draws in every sample hold a refitted normal: mean and variance settle where a 2 x 2 matrix says.

Each sample of M holds exactly ``r = real_size`` draws of the truth, fresh at every fit, and M - r of the last fitted
normal. Everything is in units of the true variance. The first fit is all real.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from modelcollapse_theory._domain import Array, choice, one_real, one_whole, whole
from modelcollapse_theory._register import theorem

_OWN = "derived in theory/derivations/gaussian.md"


def _step(sample_size: int, real_size: int, ddof: int, sampling_bias: float) -> tuple[Array, NDArray, float, float]:
    """Matrix and source of the recursion of (mean error, variance), and M and g."""
    ddof = choice("ddof", ddof, (0, 1))
    size = one_whole("sample_size", sample_size, 2, "a variance needs at least two draws")
    real = one_whole("real_size", real_size)
    if real > size:
        raise ValueError(f"real_size must be at most sample_size = {size}, got {real_size!r}")
    bias = one_real("sampling_bias", sampling_bias, 0, open_low=True)
    g, scale = real / size, (size - 1) / (size - ddof)
    matrix = np.array(
        [[(1 - g) ** 2, (1 - g) * bias / size], [scale * size / (size - 1) * g * (1 - g), scale * (1 - g) * bias]]
    )
    return matrix, np.array([g / size, scale * g]), float(size), scale


@theorem(
    statement="m' = (1-g)^2 m + [(1-g) b V + g]/M, V' = g + (1-g) b V + (M/(M-1)) g(1-g) m, in true variances",
    conditions="normal, exactly g M fresh real draws a fit, ddof=1 (ddof=0: V' times 1 - 1/M), sampling bias b",
    order="exact",
    source="law of total variance; sampling bias after arXiv 2307.01850; " + _OWN,
)
def mean_error_and_variance(
    sample_size: int, real_size: int, fits: int, *, ddof: int = 1, sampling_bias: float = 1.0
) -> tuple[float, float]:
    """``E (mu_n - mu_0)^2`` and ``E sigma_n^2`` in units of the true variance, after ``fits`` fits. Exact; may reach
    inf.

    ``sampling_bias`` multiplies the variance of the synthetic draws: below 1 for a model sampled at low temperature.
    """
    matrix, source, size, scale = _step(sample_size, real_size, ddof, sampling_bias)
    fits = one_whole("fits", fits)
    if fits == 0:
        return 0.0, 1.0
    affine = np.block([[matrix, source[:, None]], [np.zeros((1, 2)), np.ones((1, 1))]])
    with np.errstate(over="ignore", invalid="ignore"):
        state = np.linalg.matrix_power(affine, fits - 1) @ np.array([1 / size, scale, 1.0])
    state = np.where(np.isfinite(state), state, np.inf)  # it only leaves the floats by growing
    return float(state[0]), float(state[1])


@theorem(
    statement="ddof=1: m* = (1/M)/(1 - (1-g)^2 M/(M-1)) and V* = 1 + (M/(M-1))(1-g) m* > 1; "
    "finite iff g > 1 - sqrt(1 - 1/M)",
    conditions="normal, exactly g M fresh real draws a fit; any ddof and sampling bias from the same 2 x 2 system",
    order="exact",
    source=_OWN,
)
def stationary(sample_size: int, real_size: int, *, ddof: int = 1, sampling_bias: float = 1.0) -> tuple[float, float]:
    """The limit of :func:`mean_error_and_variance`, infinite where the moments grow without bound. Exact.

    One real draw in every sample is enough: with ddof=1 and no bias the least share is about ``1/(2M)``.
    """
    matrix, source, _, _ = _step(sample_size, real_size, ddof, sampling_bias)
    if np.abs(np.linalg.eigvals(matrix)).max() >= 1:
        return float("inf"), float("inf")
    limit = np.linalg.solve(np.eye(2) - matrix, source)
    return float(limit[0]), float(limit[1])


def least_share(sample_size: ArrayLike) -> Array:
    """``1 - sqrt(1 - 1/M)``, the share of fresh real data above which the second moments settle (ddof=1). Exact."""
    size = whole("sample_size", sample_size, 2, "a variance needs at least two draws")
    return -np.expm1(0.5 * np.log1p(-1.0 / size))

"""A normal in d dimensions refitted to its own draws: the Cholesky pivots die at d different exact rates.

One fit to ``M`` draws multiplies the Cholesky factor on the right by a Bartlett factor over ``sqrt(M - ddof)``. Its
squared diagonal entries are independent chi-squares with ``M - 1, ..., M - d`` degrees of freedom, so pivot ``j`` is a
walk of its own. Results on determinants and pivots need ``M >= d + 1``; those on means and traces only ``M >= 2``.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy
from numpy.typing import ArrayLike, NDArray

from modelcollapse_theory import _contour, gaussian
from modelcollapse_theory._domain import SQUARABLE, Array, NotCovered, choice, one_whole, real, whole, within
from modelcollapse_theory._log_gamma import digamma_excess, log_gamma_increment
from modelcollapse_theory._register import theorem

_BARTLETT = "Bartlett's decomposition of a Wishart matrix"
_ZONAL = "zonal polynomial calculus (A. T. James)"


def _sizes(sample_size: ArrayLike, dimension: int) -> Array:
    """Sample sizes that give full rank."""
    size = whole("sample_size", sample_size, 2, "a variance needs at least two draws")
    if np.any(size < dimension + 1):
        need = f"dimension + 1 = {dimension + 1}"
        raise NotCovered(f"sample_size must be at least {need} for a covariance of full rank, got {sample_size!r}")
    return size.astype(np.float64)


def _dimension(dimension: int) -> int:
    return one_whole("dimension", dimension, 1)


def _covariance(covariance: ArrayLike) -> Array:
    """A symmetric positive semidefinite (d, d) matrix."""
    matrix = np.atleast_2d(within("covariance", covariance, -SQUARABLE, SQUARABLE))
    if matrix.ndim != 2 or matrix.shape[0] != matrix.shape[1] or not np.allclose(matrix, matrix.T, rtol=1e-10, atol=0):
        raise ValueError(f"covariance must be a symmetric matrix, got {covariance!r}")
    values = np.linalg.eigvalsh(matrix)
    if values[0] < -1e-12 * abs(values[-1]):
        raise ValueError(f"covariance must be positive semidefinite, got smallest eigenvalue {values[0]:g}")
    return matrix


def _pivots(sample_size: ArrayLike, dimension: int, ddof: int) -> tuple[Array, Array]:
    """Half the degrees of freedom of the pivots, and the log of the mean step, both (..., d)."""
    ddof = choice("ddof", ddof, (0, 1))
    size = _sizes(sample_size, dimension)[..., None]
    lost = np.arange(1, dimension + 1)
    return (size - lost) / 2, np.log1p(-(lost - ddof) / (size - ddof))


@theorem(
    statement="Lyapunov exponent j of the covariance is psi((M - j)/2) - log((M - ddof)/2), the mean step of pivot j",
    conditions="normal, replace, M >= d + 1, j = 1..d",
    order="exact",
    source=f"{_BARTLETT}; Newman 1986 for the spectrum",
)
def lyapunov_spectrum(sample_size: ArrayLike, dimension: int, *, ddof: int = 1) -> Array:
    r"""Mean change of each log pivot in one fit, shape (..., d), largest first.

    .. math:: \lambda_j = \psi\left(\tfrac{M-j}{2}\right) + \log 2 - \log(M - \mathrm{ddof})

    Exact: the pivots (squared diagonal of the lower Cholesky factor, in any fixed basis) have these means after one fit
    already; the ordered log eigenvalues only in the limit of many fits. Raises ValueError if M < d + 1.
    """
    half, bias = _pivots(sample_size, _dimension(dimension), ddof)
    return digamma_excess(half) + bias


@theorem(
    statement="Log pivot j has variance psi'((M - j)/2) a fit, and the pivots are independent",
    conditions="normal, replace, M >= d + 1, either ddof",
    order="exact",
    source=_BARTLETT,
)
def pivot_log_variance(sample_size: ArrayLike, dimension: int) -> Array:
    """Variance of the change of each log pivot in one fit, ``psi'((M - j)/2)``, shape (..., d). Exact."""
    return scipy.special.polygamma(1, _pivots(sample_size, _dimension(dimension), 1)[0])


@theorem(
    statement="log E[pivot_j^theta] = n log[(2/(M - ddof))^theta Gamma((M - j)/2 + theta) / Gamma((M - j)/2)]",
    conditions="normal, replace, M >= d + 1, theta > -(M - j)/2 (infinite otherwise)",
    order="exact",
    source=_BARTLETT,
)
def pivot_cgf(theta: ArrayLike, sample_size: ArrayLike, fits: ArrayLike, dimension: int, *, ddof: int = 1) -> Array:
    """Cumulant function of each log pivot relative to the truth, shape (..., d). Exact; ``inf`` where no moment exists.

    ``theta``, ``sample_size`` and ``fits`` broadcast together; the pivots are the last axis.
    """
    dimension = _dimension(dimension)
    theta = real("theta", theta)[..., None]
    fits = whole("fits", fits)[..., None].astype(np.float64)
    half, bias = _pivots(sample_size, dimension, ddof)
    theta, fits, half, bias = np.broadcast_arrays(theta, fits, half, bias)
    finite = theta > -half
    used = np.where(finite, theta, 0)
    step = np.where(finite, log_gamma_increment(half, used) + used * bias, np.inf)
    return np.where(fits == 0, 0.0, np.where(fits == 0, 1.0, fits) * step)


@theorem(
    statement="E log det falls by exactly sum_j [log((M - ddof)/2) - psi((M - j)/2)] a fit",
    conditions="normal, replace, M >= d + 1",
    order="exact",
    source=_BARTLETT,
)
def expected_log_determinant(sample_size: ArrayLike, fits: ArrayLike, dimension: int, *, ddof: int = 1) -> Array:
    r"""``E log det(Sigma_n) - log det(Sigma_0) = n sum_j lambda_j``, the spectrum summed. Exact for M >= d + 1."""
    return whole("fits", fits) * lyapunov_spectrum(sample_size, dimension, ddof=ddof).sum(-1)


@theorem(
    statement="Var log det grows by exactly sum_j psi'((M - j)/2) a fit",
    conditions="normal, replace, M >= d + 1, either ddof",
    order="exact",
    source=_BARTLETT,
)
def variance_log_determinant(sample_size: ArrayLike, fits: ArrayLike, dimension: int) -> Array:
    """``Var log det(Sigma_n) = n sum_j psi'((M - j)/2)``. Exact for M >= d + 1."""
    return whole("fits", fits) * pivot_log_variance(sample_size, dimension).sum(-1)


@theorem(
    statement="log E[det^theta] is the sum of the d pivots' cumulant functions",
    conditions="normal, replace, M >= d + 1, theta > -(M - d)/2 (infinite otherwise)",
    order="exact",
    source=_BARTLETT,
)
def log_determinant_cgf(
    theta: ArrayLike, sample_size: ArrayLike, fits: ArrayLike, dimension: int, *, ddof: int = 1
) -> Array:
    """Cumulant function of ``log det(Sigma_n) - log det(Sigma_0)``. Exact; ``inf`` where no moment exists."""
    return pivot_cgf(theta, sample_size, fits, dimension, ddof=ddof).sum(-1)


@theorem(
    statement="P(log det(Sigma_n) - log det(Sigma_0) <= x), by contour integration of the product of d n gammas",
    conditions="normal, replace, M >= d + 1, n >= 1",
    order="exact",
    source=f"{_BARTLETT}; the inversion formula of Gil-Pelaez, moved to the saddle point",
)
def log_determinant_cdf(
    log_ratio: ArrayLike, sample_size: ArrayLike, fits: ArrayLike, dimension: int, *, ddof: int = 1
) -> Array:
    """Distribution function of the log determinant relative to the truth. Exact but for rounding (1e-12 relative)."""
    dimension = _dimension(dimension)

    def one(x: float, size: float, n: float) -> float:
        half, bias = _pivots(size, dimension, ddof)

        def cgf(theta: Any) -> NDArray[Any]:
            column = np.asarray(theta)[..., None]
            return n * (log_gamma_increment(half, column) + column * bias).sum(-1)

        return _contour.tails(
            cgf,
            lambda t: n * float((digamma_excess(half + t) + np.log1p(t / half) + bias).sum()),
            lambda t: n * float(scipy.special.polygamma(1, half + t).sum()),
            -float(half.min()),
            x,
        )[0]

    whole("sample_size", sample_size, 2, "the integral keeps its digits to there", _contour.LARGEST)
    size, fits = _sizes(sample_size, dimension), whole("fits", fits, 1)
    return np.vectorize(one, otypes=[np.float64])(real("log_ratio", log_ratio), size, fits.astype(np.float64))[()]


@theorem(
    statement="E|mean - mean_0|^2 = tr(Sigma_0) n/M (ddof=1) or tr(Sigma_0) [1 - (1 - 1/M)^n] (ddof=0)",
    conditions="replace, M >= 2, any d; any source, normal or not",
    order="exact",
    source="law of total variance",
)
def expected_mean_error(covariance: ArrayLike, sample_size: ArrayLike, fits: ArrayLike, *, ddof: int = 1) -> Array:
    """``E|mu_n - mu_0|^2`` for a truth of the given ``covariance`` (d, d): its trace times the 1-D result. Exact."""
    return np.trace(_covariance(covariance)) * gaussian.expected_mean_error(sample_size, fits, ddof=ddof)


@theorem(
    statement="E[(tr S)^2 + 2 tr S^2] grows as (1 + 2/(M - 1))^n and E[(tr S)^2 - tr S^2] decays as (1 - 1/(M - 1))^n",
    conditions="normal, replace, M >= 2, any d; both times (1 - 1/M)^(2n) with ddof=0",
    order="exact",
    source=f"{_ZONAL}; derived in theory/derivations/wishart.md",
)
def expected_trace_squares(
    covariance: ArrayLike, sample_size: ArrayLike, fits: ArrayLike, *, ddof: int = 1
) -> tuple[Array, Array]:
    r"""``E (tr Sigma_n)^2`` and ``E tr(Sigma_n^2)``, from the two zonal polynomials of degree 2. Exact; may reach inf.

    The first combination grows and the second decays: on average the fitted normal becomes a needle.
    """
    ddof = choice("ddof", ddof, (0, 1))
    size = whole("sample_size", sample_size, 2, "a variance needs at least two draws").astype(np.float64)
    fits = whole("fits", fits).astype(np.float64)
    matrix = _covariance(covariance)
    square_trace, trace_square = np.trace(matrix) ** 2, (matrix**2).sum()
    degrees, bias = size - 1, 2 * np.log1p(-1 / size) if ddof == 0 else 0.0
    with np.errstate(over="ignore"):
        grown = (square_trace + 2 * trace_square) * np.exp(fits * (np.log1p(2 / degrees) + bias))
    decayed = (square_trace - trace_square) * (1 - 1 / degrees) ** fits * np.exp(fits * bias)
    return (grown + 2 * decayed) / 3, (grown - decayed) / 3


@theorem(
    statement="E e_k(Sigma_n) decays as [(M-1)...(M-k) / (M - ddof)^k]^n: Wright-Fisher eigenvalues, M - 1 for M",
    conditions="replace, M >= 2, 1 <= k <= d (0 once k > M - 1); any family that reproduces the fitted covariance",
    order="exact",
    source="Cauchy-Binet formula; derived in theory/derivations/wishart.md",
)
def expected_elementary_symmetric(
    covariance: ArrayLike, sample_size: ArrayLike, fits: ArrayLike, order: int, *, ddof: int = 1
) -> Array:
    r"""Mean elementary symmetric function e_k of the eigenvalues, k = ``order``: 1 is the trace, d the determinant.

    .. math:: E\,e_k(\Sigma_n) = e_k(\Sigma_0)\left[\frac{(M-1)(M-2)\cdots(M-k)}{(M-\mathrm{ddof})^k}\right]^n

    Exact, M >= 2, with no need for normality. Raises ValueError unless 1 <= order <= d.
    """
    ddof = choice("ddof", ddof, (0, 1))
    matrix, order = _covariance(covariance), one_whole("order", order, 1)
    if order > len(matrix):
        raise ValueError(f"order must be at most the dimension {len(matrix)} of covariance, got {order}")
    size = whole("sample_size", sample_size, 2, "a variance needs at least two draws").astype(np.float64)
    fits = whole("fits", fits).astype(np.float64)
    lost = np.arange(1, order + 1)
    ratio = -(lost - ddof) / (size[..., None] - ddof)
    with np.errstate(divide="ignore"):  # fewer than k degrees of freedom leave rank below k
        steps = np.log1p(np.maximum(ratio, -1)).sum(-1)
    value = abs(np.poly(np.linalg.eigvalsh(matrix))[order])
    return (value * np.where(fits == 0, 1.0, np.exp(np.where(fits == 0, 1.0, fits) * steps)))[()]

"""The squared Wasserstein-2 distance to the truth: half drift of the mean, half collapse of the spread.

In one dimension it is ``(mu_n - mu_0)^2 + (sigma_n - sigma_0)^2``; here in units of the true variance ``sigma_0^2``
unless a ``variance`` or a ``covariance`` is asked for. The published expansions (arXiv 2305.17493, equations 7 and 8)
are here as printed, under their own names, because they are wrong: 7 beyond one fit, 8 from the first.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from modelcollapse_theory import gaussian
from modelcollapse_theory._domain import LONGEST, SQUARABLE, Array, choice, one_whole, positive, whole, within
from modelcollapse_theory._register import theorem
from modelcollapse_theory.wishart import _covariance

_OWN = "derived in theory/derivations/wasserstein.md"


@theorem(
    statement="E W2^2 / variance = n/M + 2(1 - c4(M)^n) (ddof=1) or 2[1 - (c4(M) sqrt(1 - 1/M))^n] (ddof=0)",
    conditions="normal in one dimension, replace, M >= 2",
    order="exact",
    source=_OWN,
)
def expected_squared_distance(sample_size: ArrayLike, fits: ArrayLike, *, ddof: int = 1) -> Array:
    r"""``E W_2^2(N_0, N_n) / sigma_0^2`` after ``fits`` fits to ``sample_size`` draws.

    .. math:: \frac nM + 2\,(1 - c_4(M)^n) \quad (\mathrm{ddof}=1), \qquad
              2\,\bigl[1 - (c_4(M)\sqrt{1-1/M})^n\bigr] \quad (\mathrm{ddof}=0)

    Exact. Unbounded only for ddof=1, and there by rare paths: index 2, see ``collapse.mean_tail_index``.
    """
    shrunk = -2 * np.expm1(gaussian.log_expected_deviation(sample_size, fits, ddof=ddof))
    return shrunk if ddof == 0 else gaussian.expected_mean_error(sample_size, fits) + shrunk


@theorem(
    statement="With sizes M_1..M_n: E W2^2 / variance = sum 1/M_i + 2(1 - prod c4(M_i)) (ddof=1)",
    conditions="normal in one dimension, replace, every M_i >= 2; ddof=0: 2(1 - prod c4(M_i) sqrt(1 - 1/M_i))",
    order="exact",
    source=_OWN,
)
def scheduled_squared_distance(sizes: ArrayLike, *, ddof: int = 1) -> Array:
    """``E W_2^2(N_0, N_n) / sigma_0^2`` after each of the fits to ``sizes`` (n,) draws, an array (n,). Exact."""
    moved = gaussian.scheduled_mean_error(sizes)  # validates; used with ddof=1 only
    shrunk = -2 * np.expm1(np.cumsum(gaussian.log_expected_deviation(sizes, 1, ddof=ddof)))
    return shrunk if ddof == 0 else moved + shrunk


@theorem(
    statement="E W2^2 / variance = (3/2) sum 1/M_i to first order, every fit counting alike",
    conditions="normal in one dimension, replace, sum 1/M_i small, either ddof",
    order="O((sum 1/M_i)^2)",
    source=_OWN,
)
def first_order_squared_distance(sizes: ArrayLike) -> Array:
    """``(3/2) sum 1/M_i`` after each fit, an array (n,): both estimators to first order. Error O((sum 1/M_i)^2)."""
    return 1.5 * gaussian.scheduled_mean_error(sizes)


def arxiv_2305_17493_equation_7(sizes: ArrayLike, variance: ArrayLike = 1.0) -> Array:
    """The published expectation as printed: ``variance (1/M_1 + ... + 1/M_{n-1} + 3/(2 M_n))`` after each fit, (n,).

    Right to first order after one fit only: it leaves out the drift of sigma over the earlier fits. Kept as a near
    miss. Source: arXiv 2305.17493 eq. 7, with its ``M_0..M_n`` as ``M_1..M_n`` here.
    """
    inverse = gaussian.scheduled_mean_error(sizes)
    return positive("variance", variance)[..., None] * (inverse + 0.5 / whole("sizes", sizes, 2))


def arxiv_2305_17493_equation_8(sizes: ArrayLike, variance: ArrayLike = 1.0) -> Array:
    """The published variance as printed: ``variance^2 (2/M_1^2 + ... + 3/M_n^2 + sum_{i != j} 3/(M_i M_j))``, (n,).

    The double sum runs over ordered pairs. Wrong from the first fit on; the leading order is
    :func:`first_order_variance`. Kept as a near miss. Source: arXiv 2305.17493 eq. 8.
    """
    total = gaussian.scheduled_mean_error(sizes)
    own = 1 / whole("sizes", sizes, 2).astype(np.float64) ** 2
    squares = np.cumsum(own)
    return within("variance", variance, 0, SQUARABLE, open_low=True)[..., None] ** 2 * (
        2 * squares + own + 3 * (total**2 - squares)
    )


@theorem(
    statement="Var W2^2 / variance^2 = (5/2)(sum 1/M_i)^2 to leading order",
    conditions="normal in one dimension, replace, sum 1/M_i small, either ddof",
    order="O((sum 1/M_i)^3)",
    source=_OWN,
)
def first_order_variance(sizes: ArrayLike) -> Array:
    """``(5/2)(sum 1/M_i)^2`` after each fit, an array (n,). Relative error O(sum 1/M_i), soon large: heavy tails."""
    return 2.5 * gaussian.scheduled_mean_error(sizes) ** 2


@theorem(
    statement="Var W2^2 in closed form, as sums of mixed moments E[sigma_i^a sigma_n^b] of the variance walk",
    conditions="normal in one dimension, replace, constant M >= 2",
    order="exact",
    source=_OWN,
)
def variance_of_squared_distance(sample_size: int, fits: int, *, ddof: int = 1) -> float:
    r"""``Var W_2^2(N_0, N_n) / sigma_0^4``, one number: ``E R^2 - (E R)^2`` with ``R = mu^2 + (sigma - 1)^2``.

    Given the path of sigma the mean is normal with variance ``A = sum_{i<n} sigma_i^2 / M``, so that

    .. math:: E R^2 = 3\,E A^2 + 2\,E[A(\sigma_n-1)^2] + E(\sigma_n-1)^4,

    and every term is a finite sum of moments of products of independent chi-squares. Exact; work and memory O(n).
    Rounding grows like ``1e-16 M``, the price of a fourth difference. Overflows to inf with the fourth moment of sigma.
    """
    ddof = choice("ddof", ddof, (0, 1))
    size, n = (
        one_whole("sample_size", sample_size, 2, "a variance needs at least two draws"),
        one_whole("fits", fits, most=LONGEST),
    )
    if n == 0:
        return 0.0
    earlier = np.arange(n)

    def path(first: float, last: float) -> Array:
        """log E sigma_i^first sigma_n^last for i < n."""
        both = gaussian.log_variance_cgf((first + last) / 2, size, 1, ddof=ddof)
        return earlier * both + (n - earlier) * gaussian.log_variance_cgf(last / 2, size, 1, ddof=ddof)

    with np.errstate(over="ignore", invalid="ignore"):
        # sum_{i,j} E sigma_i^2 sigma_j^2, the inner sum over the later of the two being geometric
        later = (n - 1 - earlier).astype(np.float64)
        inner = later if ddof == 1 else -(size - 1) * np.expm1(later * np.log1p(-1 / size))
        squared = (
            np.sum(np.exp(earlier * gaussian.log_variance_cgf(2.0, size, 1, ddof=ddof)) * (1 + 2 * inner)) / size**2
        )
        crossed = np.sum(np.expm1(path(2, 2)) - 2 * np.expm1(path(2, 1)) + np.expm1(path(2, 0))) / size

        log_moment = np.array([float(n * gaussian.log_variance_cgf(k / 2, size, 1, ddof=ddof)) for k in range(5)])
        weight = np.array([1, -4, 6, -4, 1])
        # exp(g) - 1 - g apart from g: the fourth difference then keeps its digits while g is small
        curved = np.where(
            np.abs(log_moment) < 0.1,
            sum(log_moment**k / float(np.prod(np.arange(1, k + 1))) for k in range(2, 14)),
            np.expm1(log_moment) - log_moment,
        )
        fourth = float(weight @ curved + weight @ log_moment)
        mean = float(expected_squared_distance(size, n, ddof=ddof))
        variance = float(3 * squared + 2 * crossed + fourth) - mean**2
    return variance if np.isfinite(variance) else float("inf")


@theorem(
    statement="E W2^2 = (n/M) tr S + (n/2M)[sum_ij l_i l_j/(l_i + l_j) + tr S / 2] to first order",
    conditions="normal in d dimensions, replace, n d/M small, l_i the eigenvalues of S, either ddof",
    order="O((n/M)^2)",
    source=_OWN,
)
def first_order_bures(covariance: ArrayLike, sample_size: ArrayLike, fits: ArrayLike) -> Array:
    r"""First-order ``E W_2^2`` in d dimensions, for a truth of the given ``covariance`` (d, d).

    .. math:: \frac nM \operatorname{tr}\Sigma_0
              + \frac{n}{2(M-1)}\Bigl[\sum_{ij}\frac{l_i l_j}{l_i+l_j} + \tfrac12\operatorname{tr}\Sigma_0\Bigr]

    For ``sigma^2 I`` it is ``sigma^2 n [d/M + d (d + 1)/(4 (M - 1))]``. Error O((n/M)^2). ValueError unless M >= 2.
    """
    size, fits = whole("sample_size", sample_size, 2).astype(np.float64), whole("fits", fits)
    values = np.clip(np.linalg.eigvalsh(_covariance(covariance)), 0, None)
    values = values[values > 0]  # a direction without variance stays without
    pairs = (values[:, None] * values / (values[:, None] + values)).sum()
    return fits / size * values.sum() + fits / (2 * (size - 1)) * (pairs + values.sum() / 2)


@theorem(
    statement="tr S [n/M + 2(1 - c4^n)] <= E W2^2 <= tr S [n/M + 2] (ddof=1), and "
    "2 tr S [1 - (c4 sqrt(1 - 1/M))^n] <= E W2^2 <= 2 tr S (ddof=0)",
    conditions="normal in d dimensions, replace, M >= 2, every n",
    order="exact (bounds)",
    source=_OWN,
)
def bures_bounds(
    covariance: ArrayLike, sample_size: ArrayLike, fits: ArrayLike, *, ddof: int = 1
) -> tuple[Array, Array]:
    """Lower and upper bound on ``E W_2^2`` in d dimensions at every number of fits; the lower is sharp at d = 1."""
    trace = np.trace(_covariance(covariance))
    lower = trace * expected_squared_distance(sample_size, fits, ddof=ddof)
    moved = gaussian.expected_mean_error(sample_size, fits, ddof=ddof)
    kept = gaussian.expected_variance(sample_size, fits, ddof=ddof)
    return lower, trace * (moved + kept + 1)

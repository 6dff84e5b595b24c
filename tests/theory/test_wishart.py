"""Pivots, determinants and traces of refitted covariances, against enumeration, moment tensors and special laws."""

import itertools
from fractions import Fraction

import numpy as np
import pytest
from scipy import integrate, stats

from modelcollapse_theory import gaussian, wishart

TRUTH = np.array([[2.0, 0.6, 0.0], [0.6, 1.0, -0.3], [0.0, -0.3, 0.5]])


def second_moments(covariance, size, fits, ddof):
    """E Sigma_n x Sigma_n by iterating Isserlis' formula for a Wishart matrix on the full d^4 tensor."""
    nu, scale = size - 1, size - ddof
    tensor = np.einsum("ab,cd->abcd", covariance, covariance)
    for _ in range(fits):
        tensor = (nu**2 * tensor + nu * (np.einsum("abcd->acbd", tensor) + np.einsum("abcd->adcb", tensor))) / scale**2
    return tensor


@pytest.mark.parametrize("ddof", [0, 1])
@pytest.mark.parametrize(("size", "fits"), [(2, 3), (7, 1), (7, 5), (40, 30)])
def test_trace_squares_against_the_moment_tensor(size, fits, ddof):
    tensor = second_moments(TRUTH, size, fits, ddof)
    square_trace, trace_square = wishart.expected_trace_squares(TRUTH, size, fits, ddof=ddof)
    assert square_trace == pytest.approx(np.einsum("aabb->", tensor), rel=1e-12)
    assert trace_square == pytest.approx(np.einsum("abab->", tensor), rel=1e-12)


def det(matrix):
    if len(matrix) == 1:
        return matrix[0][0]
    return sum(
        (-1) ** j * matrix[0][j] * det([row[:j] + row[j + 1 :] for row in matrix[1:]]) for j in range(len(matrix))
    )


@pytest.mark.parametrize(("dimension", "size"), [(2, 2), (2, 3), (2, 4), (3, 4)])
def test_mean_determinant_by_enumeration_of_a_law_that_is_not_normal(dimension, size):
    """Every sample of `size` draws from a law on the corners 0, e_1, ..., e_d, in exact fractions."""
    points = [[0] * dimension] + [[int(i == j) for j in range(dimension)] for i in range(dimension)]
    weights = [Fraction(k + 1, sum(range(1, dimension + 2))) for k in range(dimension + 1)]

    def scatter(sample, chances):
        total = sum(chances)
        mean = [sum(c * x[i] for c, x in zip(chances, sample, strict=True)) / total for i in range(dimension)]
        return [
            [
                sum(c * (x[i] - mean[i]) * (x[j] - mean[j]) for c, x in zip(chances, sample, strict=True))
                for j in range(dimension)
            ]
            for i in range(dimension)
        ]

    truth = scatter(points, weights)
    mean = Fraction(0)
    for draw in itertools.product(range(dimension + 1), repeat=size):
        chance = Fraction(1)
        for k in draw:
            chance *= weights[k]
        mean += chance * det(scatter([points[k] for k in draw], [Fraction(1)] * size))
    for ddof in (0, 1):
        found = wishart.expected_elementary_symmetric(np.array(truth, dtype=float), size, 1, dimension, ddof=ddof)
        assert found == pytest.approx(float(mean) / (size - ddof) ** dimension, rel=1e-12, abs=1e-15)


def test_elementary_symmetric_functions_are_pairs_and_determinants():
    for ddof in (0, 1):
        square_trace, trace_square = wishart.expected_trace_squares(TRUTH, [4, 9], [[2], [6]], ddof=ddof)
        pairs = wishart.expected_elementary_symmetric(TRUTH, [4, 9], [[2], [6]], 2, ddof=ddof)
        assert pairs == pytest.approx((square_trace - trace_square) / 2, rel=1e-12)
        determinant = wishart.expected_elementary_symmetric(TRUTH, 9, 6, 3, ddof=ddof)
        moment = np.exp(wishart.log_determinant_cgf(1.0, 9, 6, 3, ddof=ddof))
        assert determinant == pytest.approx(np.linalg.det(TRUTH) * moment, rel=1e-12)
        trace = wishart.expected_elementary_symmetric(TRUTH, 9, 6, 1, ddof=ddof)
        assert trace == pytest.approx(np.trace(TRUTH) * gaussian.expected_variance(9, 6, ddof=ddof), rel=1e-13)
    assert wishart.expected_elementary_symmetric(TRUTH, 3, 1, 3) == 0
    assert wishart.expected_elementary_symmetric(TRUTH, 3, 0, 3) == pytest.approx(np.linalg.det(TRUTH))


@pytest.mark.parametrize("ddof", [0, 1])
def test_the_determinant_in_two_dimensions_is_a_squared_chi_square(ddof):
    """2 sqrt(det W) ~ chi2_{2 nu - 2} for a 2 x 2 Wishart matrix with nu degrees of freedom."""
    x = np.linspace(-6, 2, 9)
    for size in (3, 8, 120):
        law = stats.chi2(2 * (size - 1) - 2)
        exact = law.cdf(2 * (size - ddof) * np.exp(x / 2))
        assert wishart.log_determinant_cdf(x, size, 1, 2, ddof=ddof) == pytest.approx(exact, rel=1e-10)
        cuts = law.ppf([1e-18, 1e-6, 0.1, 0.9, 1 - 1e-6, 1 - 1e-15])
        mean = sum(
            integrate.quad(lambda y: 2 * np.log(y / (2 * size - 2 * ddof)) * law.pdf(y), a, b)[0]  # noqa: B023
            for a, b in itertools.pairwise(cuts)
        )
        assert wishart.expected_log_determinant(size, 1, 2, ddof=ddof) == pytest.approx(mean, rel=1e-6)


def test_one_dimension_is_the_one_dimensional_theory():
    x, size, fits = np.array([-2.0, 0.1]), [3, 30], 4
    for ddof in (0, 1):
        assert wishart.log_determinant_cdf(x, size, fits, 1, ddof=ddof) == pytest.approx(
            gaussian.log_variance_cdf(x, size, fits, ddof=ddof), rel=1e-12
        )
        assert wishart.log_determinant_cgf(0.7, size, fits, 1, ddof=ddof) == pytest.approx(
            gaussian.log_variance_cgf(0.7, size, fits, ddof=ddof), rel=1e-12
        )
        assert wishart.expected_log_determinant(size, fits, 1, ddof=ddof) == pytest.approx(
            gaussian.expected_log_variance(size, fits, ddof=ddof), rel=1e-12
        )
    assert wishart.variance_log_determinant(size, fits, 1) == pytest.approx(
        gaussian.variance_log_variance(size, fits), rel=1e-12
    )


def test_slope_and_curvature_of_the_cumulant_function():
    step = 1e-3
    size, fits, dimension = np.array([5, 60]), 7, 3
    for ddof in (0, 1):
        up, down = (wishart.log_determinant_cgf(s, size, fits, dimension, ddof=ddof) for s in (step, -step))
        mean = wishart.expected_log_determinant(size, fits, dimension, ddof=ddof)
        assert (up - down) / (2 * step) == pytest.approx(mean, rel=1e-4)
        variance = wishart.variance_log_determinant(size, fits, dimension)
        assert (up + down) / step**2 == pytest.approx(variance, rel=1e-4)
    assert np.isposinf(wishart.log_determinant_cgf(-0.5, 4, 1, 3))
    assert np.isfinite(wishart.log_determinant_cgf(-0.49, 4, 1, 3))


def test_pivots_of_raw_samples():
    """Cholesky pivots of 40,000 sample covariances drawn point by point, fixed seed."""
    rng = np.random.default_rng(20240724)
    size, repeats = 6, 40_000
    factor = np.linalg.cholesky(TRUTH)
    rows = rng.standard_normal((repeats, size, 3)) @ factor.T
    rows -= rows.mean(1, keepdims=True)
    pivots = 2 * np.log(np.diagonal(np.linalg.cholesky(np.einsum("rni,rnj->rij", rows, rows) / size), axis1=1, axis2=2))
    change = pivots - 2 * np.log(np.diagonal(factor))
    spectrum = wishart.lyapunov_spectrum(size, 3, ddof=0)
    variance = wishart.pivot_log_variance(size, 3)
    assert np.abs(change.mean(0) - spectrum) == pytest.approx([0] * 3, abs=4 * np.sqrt(variance.max() / repeats))
    assert change.var(0) == pytest.approx(variance, rel=0.04)
    assert np.abs(np.corrcoef(change.T) - np.eye(3)).max() < 0.02
    wrong = wishart.lyapunov_spectrum(size, 3, ddof=1)
    assert np.all(np.abs(change.mean(0) - wrong) > 10 * np.sqrt(variance / repeats))


def test_the_spectrum_is_that_of_the_singular_values():
    """QR of a product of 6,000 Gaussian matrices: the growth rates of volumes, with no Bartlett factor in sight."""
    rng = np.random.default_rng(7)
    size, dimension, fits = 12, 3, 6000
    frame, total = np.eye(dimension), np.zeros((fits, dimension))
    for n in range(fits):
        rows = rng.standard_normal((size, dimension))
        root = np.linalg.cholesky(np.cov(rows.T))  # any square root: the law is rotation invariant
        frame, triangle = np.linalg.qr(root @ np.linalg.qr(rng.standard_normal((3, 3)))[0] @ frame)
        total[n] = 2 * np.log(np.abs(np.diagonal(triangle)))
    error = total.std(0) / np.sqrt(fits)
    assert np.all(np.abs(total.mean(0) - wishart.lyapunov_spectrum(size, dimension)) < 4 * error)


def test_mean_error_and_large_samples():
    assert wishart.expected_mean_error(TRUTH, 50, 20) == pytest.approx(3.5 * 20 / 50)
    assert wishart.expected_mean_error(TRUTH, 50, 20, ddof=0) == pytest.approx(3.5 * (1 - 0.98**20))
    size = 10**9
    spectrum = wishart.lyapunov_spectrum(size, 3)
    assert spectrum * size == pytest.approx([-1, -2, -3], rel=1e-8)
    assert wishart.pivot_cgf([0.5, 1.0], 10, [[1], [2]], 4).shape == (2, 2, 4)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: wishart.lyapunov_spectrum(3, 3), "at least dimension \\+ 1 = 4"),
        (lambda: wishart.lyapunov_spectrum(9, 0), "dimension must be at least 1"),
        (lambda: wishart.expected_log_determinant(9, 1, 2, ddof=5), "ddof must be one of"),
        (lambda: wishart.expected_trace_squares([[1, 2], [0, 1]], 5, 1), "covariance must be a symmetric"),
        (lambda: wishart.expected_trace_squares([[1, 2], [2, 1]], 5, 1), "positive semidefinite"),
        (lambda: wishart.expected_elementary_symmetric(np.eye(2), 5, 1, 3), "order must be at most the dimension"),
        (lambda: wishart.expected_mean_error(np.eye(2), 1, 3), "at least two draws"),
    ],
)
def test_refusals(call, message):
    with pytest.raises(ValueError, match=message):
        call()

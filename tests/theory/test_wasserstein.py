"""Distances to the truth, against moment recursions in 50 digits and quadrature over Bartlett factors."""

import mpmath
import numpy as np
import pytest
from scipy import special

from modelcollapse_theory import wasserstein


def moments(size, fits, ddof):
    """E R and Var R, R = mu^2 + (sigma - 1)^2, by recursion of the joint moments E mu^a sigma^b over the fits."""
    m = mpmath.mpf(size)

    def factor(b):
        return mpmath.sqrt(2 / (m - ddof)) ** b * mpmath.gammaprod([(m - 1 + b) / 2], [(m - 1) / 2])

    factors = [factor(b) for b in range(9)]
    table = {(0, b): mpmath.mpf(1) for b in range(9)} | {(a, b): mpmath.mpf(0) for a in (2, 4) for b in range(9 - a)}
    for _ in range(fits):
        new = {(0, b): factors[b] * table[0, b] for b in range(9)}
        new |= {(2, b): factors[b] * (table[2, b] + table[0, b + 2] / m) for b in range(7)}
        new |= {
            (4, b): factors[b] * (table[4, b] + 6 * table[2, b + 2] / m + 3 * table[0, b + 4] / m**2) for b in range(5)
        }
        table = new
    square = {a: table[a, 2] - 2 * table[a, 1] + table[a, 0] for a in (0, 2)}
    mean = table[2, 0] + square[0]
    fourth = table[0, 4] - 4 * table[0, 3] + 6 * table[0, 2] - 4 * table[0, 1] + 1
    return mean, table[4, 0] + 2 * square[2] + fourth - mean**2


@pytest.mark.parametrize("ddof", [0, 1])
@pytest.mark.parametrize(("size", "fits"), [(2, 1), (2, 6), (10, 1), (10, 25), (100, 50), (10**6, 1), (10**8, 7)])
def test_mean_and_variance_against_the_moment_recursion(size, fits, ddof):
    with mpmath.workdps(70):
        mean, variance = moments(size, fits, ddof)
    assert wasserstein.expected_squared_distance(size, fits, ddof=ddof) == pytest.approx(float(mean), rel=1e-13)
    found = wasserstein.variance_of_squared_distance(size, fits, ddof=ddof)
    assert found == pytest.approx(float(variance), rel=1e-10 + 3e-15 * size)


def test_a_schedule_by_moments_of_each_fit():
    sizes = [5, 30, 8]
    with mpmath.workdps(30):
        roots = [mpmath.sqrt(2 / mpmath.mpf(m - 1)) * mpmath.gammaprod([m / 2], [(m - 1) / 2]) for m in sizes]
        kept = [float(mpmath.fprod(roots[: k + 1])) for k in range(3)]
    expected = np.cumsum([1 / 5, 1 / 30, 1 / 8]) + 2 * (1 - np.array(kept))
    assert wasserstein.scheduled_squared_distance(sizes) == pytest.approx(expected, rel=1e-13)
    biased = 2 * (1 - np.array(kept) * np.sqrt(np.cumprod(1 - 1 / np.array(sizes))))
    assert wasserstein.scheduled_squared_distance(sizes, ddof=0) == pytest.approx(biased, rel=1e-13)


def test_first_orders_are_first_orders():
    """The error of a first-order formula falls like 1/M beside it; the published one stays off."""
    for ddof in (0, 1):
        gaps, spread_gaps = [], []
        for size in (10**3, 10**4):
            sizes = [size] * 10
            exact = wasserstein.expected_squared_distance(size, 10, ddof=ddof)
            gaps.append(abs(wasserstein.first_order_squared_distance(sizes)[-1] / exact - 1))
            spread = wasserstein.variance_of_squared_distance(size, 10, ddof=ddof)
            spread_gaps.append(abs(wasserstein.first_order_variance(sizes)[-1] / spread - 1))
            assert abs(wasserstein.arxiv_2305_17493_equation_7(sizes)[-1] / exact - 1) > 0.29
            assert abs(wasserstein.arxiv_2305_17493_equation_8(sizes)[-1] / spread - 1) > 0.1
        assert gaps[1] < 0.12 * gaps[0] < 0.01
        assert spread_gaps[1] < 0.12 * spread_gaps[0] < 0.05


def test_published_equations_as_printed():
    sizes, variance = [10, 20, 40], 3.0
    expected = [variance * 1.5 / 10, variance * (0.1 + 1.5 / 20), variance * (0.1 + 0.05 + 1.5 / 40)]
    assert wasserstein.arxiv_2305_17493_equation_7(sizes, variance) == pytest.approx(expected)
    x, y = 0.1, 0.05
    spread = [9 * 3 * x**2, 9 * (2 * x**2 + 3 * y**2 + 6 * x * y)]
    assert wasserstein.arxiv_2305_17493_equation_8(sizes, variance)[:2] == pytest.approx(spread)
    one = wasserstein.expected_squared_distance(1000, 1)
    assert wasserstein.arxiv_2305_17493_equation_7([1000])[-1] == pytest.approx(one, rel=1e-3)


def bures_after_one_fit(covariance, size, ddof):
    """E W2^2 at d = 2 by quadrature over the three entries of a Bartlett factor; closed root of a 2 x 2 matrix."""
    nu = size - 1
    x1, w1 = special.roots_genlaguerre(40, nu / 2 - 1)
    x2, w2 = special.roots_genlaguerre(40, (nu - 1) / 2 - 1)
    z, wz = special.roots_hermitenorm(40)
    t11, t22, t21 = np.sqrt(2 * x1)[:, None, None], np.sqrt(2 * x2)[None, :, None], z[None, None, :]
    weight = w1[:, None, None] * w2[None, :, None] * wz
    weight = weight / weight.sum()
    factor = np.zeros((40, 40, 40, 2, 2))
    factor[..., 0, 0], factor[..., 1, 1], factor[..., 1, 0] = t11, t22, t21
    values, vectors = np.linalg.eigh(covariance)
    root = vectors * np.sqrt(values)
    fitted = root @ factor @ np.swapaxes(factor, -1, -2) @ root.T / (size - ddof)
    sandwich = fitted @ covariance  # similar to S^(1/2) T S^(1/2)
    overlap = np.sqrt(np.trace(sandwich, axis1=-2, axis2=-1) + 2 * np.sqrt(np.linalg.det(sandwich)))
    bures = np.trace(covariance) + np.trace(fitted, axis1=-2, axis2=-1) - 2 * overlap
    return np.trace(covariance) / size + (weight * bures).sum()


@pytest.mark.parametrize("ddof", [0, 1])
@pytest.mark.parametrize("covariance", [np.eye(2), np.array([[1.0, 0.9], [0.9, 4.0]])])
def test_bures_expansion_and_bounds_at_two_dimensions(covariance, ddof):
    gaps = []
    for size in (20, 80):
        exact = bures_after_one_fit(covariance, size, ddof)
        gaps.append(abs(wasserstein.first_order_bures(covariance, size, 1) - exact) * size)
        lower, upper = wasserstein.bures_bounds(covariance, size, 1, ddof=ddof)
        assert lower < exact < upper
        assert lower > 0.75 * exact
    assert gaps[1] < 0.3 * gaps[0] < 0.1


def test_bures_reduces_to_one_dimension_and_to_the_isotropic_form():
    lower, upper = wasserstein.bures_bounds([[2.0]], 9, [1, 50], ddof=1)
    assert lower == pytest.approx(2 * wasserstein.expected_squared_distance(9, [1, 50]))
    assert upper == pytest.approx([2 * (1 / 9 + 2), 2 * (50 / 9 + 2)])
    assert wasserstein.bures_bounds([[2.0]], 9, 50, ddof=0)[1] == pytest.approx(4)
    found = wasserstein.first_order_bures(3 * np.eye(5), 1000, 2)
    assert found == pytest.approx(3 * 2 * (5 / 1000 + 30 / (4 * 999)))
    flat = np.diag([3.0, 0.0])
    assert wasserstein.first_order_bures(flat, 1000, 2) == pytest.approx(
        wasserstein.first_order_bures([[3.0]], 1000, 2)
    )


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: wasserstein.expected_squared_distance(1, 1), "at least two draws"),
        (lambda: wasserstein.variance_of_squared_distance(5, -1), "fits must be at least 0"),
        (lambda: wasserstein.scheduled_squared_distance([5, 5], ddof=4), "ddof must be one of"),
        (lambda: wasserstein.first_order_squared_distance(5), "sizes must be a list"),
        (lambda: wasserstein.arxiv_2305_17493_equation_7([5], 0.0), "variance must be positive"),
    ],
)
def test_refusals(call, message):
    with pytest.raises(ValueError, match=message):
        call()

"""Bounds, tail indices and floors of single chains, against exact laws, quadrature and one-step invariance."""

from itertools import pairwise

import numpy as np
import pytest
from scipy import integrate, optimize, stats

from modelcollapse_theory import collapse, gaussian


@pytest.mark.parametrize("ddof", [0, 1])
@pytest.mark.parametrize("size", [2, 5, 40])
def test_the_bound_holds_and_is_markov_on_sigma(size, ddof):
    fits, threshold = np.arange(1, 200, 23), 0.3
    bound = collapse.collapse_bound(threshold, size, fits, ddof=ddof)
    exact = gaussian.log_variance_sf(np.log(threshold), size, fits, ddof=ddof)
    assert np.all(exact <= bound)
    law = stats.chi2(size - 1)
    first = integrate.quad(lambda x: np.sqrt(x / (size - ddof)) * law.pdf(x), 0, np.inf, epsabs=1e-12)[0]
    small = first**fits / np.sqrt(threshold)
    assert bound == pytest.approx(np.minimum(1, small), rel=1e-6)
    assert collapse.collapse_bound(threshold, size, 4000, dimension=3) == pytest.approx(
        3 * collapse.collapse_bound(threshold, size, 4000)
    )


def test_fewest_fits_is_the_fewest():
    for size in (2, 10, 300):
        for ddof in (0, 1):
            fits = int(collapse.collapse_fits(1e-3, 1e-12, size, dimension=4, ddof=ddof))
            assert collapse.collapse_bound(1e-3, size, fits, dimension=4, ddof=ddof) <= 1e-12
            assert collapse.collapse_bound(1e-3, size, fits - 1, dimension=4, ddof=ddof) > 1e-12


@pytest.mark.parametrize("size", [2, 3, 10, 50, 1000])
def test_tail_index_by_quadrature(size):
    law = stats.chi2(size - 1)
    edges = law.ppf([0, 0.5, 1 - 1e-6, 1 - 1e-15])

    def excess(index, ddof):
        def moment(x):
            return (x / (size - ddof)) ** (index / 2) * law.pdf(x)

        return sum(integrate.quad(moment, a, b, epsrel=1e-12)[0] for a, b in pairwise(edges)) - 1

    assert excess(float(collapse.mean_tail_index(size)), 1) == pytest.approx(0, abs=1e-8)
    root = optimize.brentq(lambda index: excess(index, 0), 3, 6)
    assert collapse.mean_tail_index(size, ddof=0) == pytest.approx(root, abs=1e-5)


def test_tail_index_for_large_samples_is_four_and_a_bit():
    """kappa = 4 + 1/M + O(1/M^2), from the third-order expansion of the cumulant function."""
    sizes = np.array([10**3, 10**5, 10**7])
    assert (collapse.mean_tail_index(sizes, ddof=0) - 4) * sizes == pytest.approx([1, 1, 1], rel=2e-2)


def test_neutral_scale_divides_collapse_from_explosion():
    for ddof in (0, 1):
        rho = collapse.neutral_scale([5, 80], ddof=ddof)
        drift = gaussian.expected_log_variance([5, 80], 1, ddof=ddof)
        assert np.log(rho) + drift == pytest.approx([0, 0], abs=1e-15)
        assert np.all(rho * gaussian.expected_variance([5, 80], 1, ddof=ddof) > 1)


def one_step(law, size, ddof, regularisation, points):
    """P(v chi2/(M - ddof) + eps <= x) with v from ``law``: quadrature over its quantiles."""
    nodes, weights = np.polynomial.legendre.leggauss(400)
    # u = s^3 (10 - 15 s + 6 s^2) crowds the nodes where the quantile function is steep
    s = (nodes + 1) / 2
    u, slope = s**3 * (10 - 15 * s + 6 * s**2), 30 * s**2 * (1 - s) ** 2
    v = law.ppf(u)
    return [
        float(np.sum(weights / 2 * slope * stats.chi2.cdf((size - ddof) * (x - regularisation) / v, size - 1)))
        for x in points
    ]


@pytest.mark.parametrize("ddof", [0, 1])
def test_the_regularised_law_is_invariant_to_order_one_over_m_squared(ddof):
    """One fit moves a law that is wrong at order 1 by O(1/M); the right one only by O(1/M^2)."""
    moves = []
    for size in (200, 800):
        points = collapse.regularised_variance_quantile([0.1, 0.5, 0.9], size, 1.0, ddof=ddof)
        right = stats.invgamma(2 - ddof, scale=size)
        moves.append(size * np.abs(np.subtract(one_step(right, size, ddof, 1.0, points), [0.1, 0.5, 0.9])).max())
        wrong = stats.invgamma(1 + ddof, scale=size)
        shifted = size * np.abs(one_step(wrong, size, ddof, 1.0, points) - wrong.cdf(points)).max()
        assert shifted > 0.1
    assert moves[1] < 0.3 * moves[0] < 0.03


def test_regularised_mean_is_exact():
    size, eps = 30, 1e-3
    stationary = eps * size
    assert (1 - 1 / size) * stationary + eps == pytest.approx(stationary)
    mean = integrate.quad(lambda p: collapse.regularised_variance_quantile(p, size, eps), 0, 1, limit=200)[0]
    assert mean == pytest.approx(stationary, rel=1e-5)
    points = collapse.regularised_variance_quantile([0.01, 0.5, 0.999], size, eps)
    assert collapse.regularised_variance_cdf(points, size, eps) == pytest.approx([0.01, 0.5, 0.999], rel=1e-12)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: collapse.collapse_bound(0.0, 5, 1), "threshold must be positive"),
        (lambda: collapse.collapse_bound(0.1, 5, 1, dimension=0), "dimension must be at least 1"),
        (lambda: collapse.collapse_fits(0.1, 2.0, 5), "risk must lie in"),
        (lambda: collapse.mean_tail_index(1), "at least two draws"),
        (lambda: collapse.mean_tail_index(5, ddof=3), "ddof must be one of"),
        (lambda: collapse.regularised_variance_cdf(1.0, 5, 0.0), "regularisation must be positive"),
        (lambda: collapse.regularised_variance_quantile(1.0, 5, 1.0), "probability must lie in"),
    ],
)
def test_refusals(call, message):
    with pytest.raises(ValueError, match=message):
        call()

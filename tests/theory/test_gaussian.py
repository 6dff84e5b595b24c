"""The moments and the law of the log variance, against chi-square quadrature, 40-digit arithmetic and exact sums."""

from itertools import pairwise

import mpmath
import numpy as np
import pytest
from scipy import integrate, stats

from modelcollapse_theory import gaussian
from modelcollapse_theory._log_gamma import digamma_excess, log_gamma_increment

SIZES = [2, 3, 7, 50, 10**4, 10**9]


def step_mean(function, size, ddof):
    """E function(chi2_{M-1} / (M - ddof)) by quadrature: the referee knows the density and nothing else."""
    law = stats.chi2(size - 1)
    cuts = np.log(law.ppf([1e-18, 1e-9, 1e-4, 0.2, 0.8, 1 - 1e-4, 1 - 1e-15]))

    def integrand(y):
        return function(np.exp(y) / (size - ddof)) * law.pdf(np.exp(y)) * np.exp(y)

    return sum(integrate.quad(integrand, a, b, epsabs=1e-13)[0] for a, b in pairwise(cuts))


@pytest.mark.parametrize("x", [0.5, 3.0, 19.9, 20.1, 4e3, 5e8])
@pytest.mark.parametrize("s", [0.5, -0.25, 1.0, 2.0, 0.3j, 2 - 5j, 40.0, 1e4])
def test_log_gamma_increment_has_fifteen_digits(x, s):
    with mpmath.workdps(60):
        exact = complex(mpmath.loggamma(mpmath.mpf(x) + s) - mpmath.loggamma(x) - s * mpmath.log(x))
    found = complex(log_gamma_increment(x, s))
    assert abs(found - exact) <= 2e-14 * abs(exact) + 1e-15 * min(abs(s), abs(s) ** 2 / x + abs(s) / x) + 1e-30


@pytest.mark.parametrize("x", [0.5, 1.46, 19.99, 20.0, 1e3, 5e8])
def test_digamma_excess(x):
    with mpmath.workdps(60):
        exact = float(mpmath.digamma(x) - mpmath.log(x))
    assert digamma_excess(x) == pytest.approx(exact, rel=1e-14)


@pytest.mark.parametrize("size", SIZES)
def test_c4_in_forty_digits(size):
    with mpmath.workdps(60):
        m = mpmath.mpf(size)
        exact = mpmath.sqrt(2 / (m - 1)) * mpmath.gammaprod([m / 2], [(m - 1) / 2])
        logarithm = float(mpmath.log(exact))
    assert gaussian.log_c4(size) == pytest.approx(logarithm, rel=2e-15)
    assert gaussian.c4(size) == pytest.approx(float(exact), rel=1e-15)


@pytest.mark.parametrize("size", [3, 7, 50, 1000])
@pytest.mark.parametrize("ddof", [0, 1])
def test_one_fit_against_quadrature(size, ddof):
    mean = step_mean(np.log, size, ddof)
    assert gaussian.expected_log_variance(size, 1, ddof=ddof) == pytest.approx(mean, rel=1e-8)
    spread = step_mean(lambda r: (np.log(r) - mean) ** 2, size, ddof)
    assert gaussian.variance_log_variance(size, 1) == pytest.approx(spread, rel=1e-7)
    for order in (-0.5, 0.5, 1, 2, 3.3):
        moment = step_mean(lambda r, order=order: r**order, size, ddof)
        assert gaussian.variance_moment(order, size, 1, ddof=ddof) == pytest.approx(moment, rel=1e-6)
    assert gaussian.expected_deviation(size, 1, ddof=ddof) == pytest.approx(step_mean(np.sqrt, size, ddof), rel=1e-9)
    assert gaussian.expected_variance(size, 1, ddof=ddof) == pytest.approx(step_mean(lambda r: r, size, ddof), rel=1e-9)
    centre = gaussian.expected_variance(size, 1, ddof=ddof)
    spread = step_mean(lambda r: (r - centre) ** 2, size, ddof)
    assert gaussian.variance_of_variance(size, 1, ddof=ddof) == pytest.approx(spread, rel=1e-8)


@pytest.mark.parametrize("ddof", [0, 1])
def test_the_second_moment_follows_from_the_cumulant_function(ddof):
    size, fits = np.array([[2], [9], [400]]), np.array([1, 5, 40])
    second = gaussian.variance_moment(2, size, fits, ddof=ddof)
    first = gaussian.expected_variance(size, fits, ddof=ddof)
    assert gaussian.variance_of_variance(size, fits, ddof=ddof) == pytest.approx(second - first**2, rel=1e-11)
    up, down = (gaussian.log_variance_cgf(step, size, fits, ddof=ddof) for step in (1e-5, -1e-5))
    assert gaussian.expected_log_variance(size, fits, ddof=ddof) == pytest.approx((up - down) / 2e-5, rel=1e-7)


def test_extremes_keep_their_digits():
    assert gaussian.variance_of_variance(10**9, 1) == pytest.approx(2 / (10**9 - 1), rel=1e-14)
    with mpmath.workdps(50):
        x = mpmath.mpf(10**9 - 1) / 2
        mean = float(10**6 * (mpmath.digamma(x) - mpmath.log(mpmath.mpf(10**9) / 2)))
        cumulant = float(10**6 * (mpmath.loggamma(x + 2.5) - mpmath.loggamma(x) - mpmath.mpf(2.5) * mpmath.log(x)))
    assert gaussian.expected_log_variance(10**9, 10**6, ddof=0) == pytest.approx(mean, rel=1e-14)
    assert gaussian.log_variance_cgf(2.5, 10**9, 10**6) == pytest.approx(cumulant, rel=1e-14)
    assert np.isposinf(gaussian.variance_of_variance(2, 10**6))
    assert np.isposinf(gaussian.log_variance_cgf(-0.5, 2, 3))
    assert gaussian.log_variance_cgf(-0.5, 2, 0) == 0


def test_mean_error_is_the_sum_of_expected_steps():
    """E(mu' - mu)^2 = E sigma^2 / M, summed with exact powers."""
    for ddof in (0, 1):
        for size in (2, 5, 30):
            steps = sum(((size - 1) / (size - ddof)) ** k / size for k in range(17))
            assert gaussian.expected_mean_error(size, 17, ddof=ddof) == pytest.approx(steps, rel=1e-13)
    assert gaussian.expected_mean_error(10**9, 1, ddof=0) == pytest.approx(1e-9, rel=1e-14)


@pytest.mark.parametrize("ddof", [0, 1])
def test_a_constant_schedule_is_no_schedule(ddof):
    fits = np.arange(1, 8)
    assert gaussian.scheduled_mean_error([6] * 7, ddof=ddof) == pytest.approx(
        gaussian.expected_mean_error(6, fits, ddof=ddof), rel=1e-13
    )
    mean, variance = gaussian.scheduled_log_variance([6] * 7, ddof=ddof)
    assert mean == pytest.approx(gaussian.expected_log_variance(6, fits, ddof=ddof), rel=1e-13)
    assert variance == pytest.approx(gaussian.variance_log_variance(6, fits), rel=1e-13)


def test_a_schedule_by_hand():
    sizes, kept, moved = [5, 20, 3], 1.0, []
    for size in sizes:
        moved.append((moved[-1] if moved else 0) + kept / size)
        kept *= 1 - 1 / size
    assert gaussian.scheduled_mean_error(sizes, ddof=0) == pytest.approx(moved, rel=1e-14)
    assert gaussian.scheduled_mean_error(sizes) == pytest.approx(np.cumsum([1 / 5, 1 / 20, 1 / 3]), rel=1e-14)


@pytest.mark.parametrize("size", SIZES[:-1])  # SciPy's chi-square itself fails at 1e9 degrees of freedom
@pytest.mark.parametrize("ddof", [0, 1])
def test_law_after_one_fit_is_chi_square(size, ddof):
    law = stats.chi2(size - 1)
    scale = np.sqrt(2 / (size - 1))
    x = np.concatenate([scale * np.linspace(-9, 5, 15), [-25.0, 0.0, 1e-9]])
    point = (size - ddof) * np.exp(x)
    lower, upper = law.cdf(point), law.sf(point)
    assert gaussian.log_variance_cdf(x, size, 1, ddof=ddof) == pytest.approx(lower, rel=1e-10, abs=1e-300)
    assert gaussian.log_variance_sf(x, size, 1, ddof=ddof) == pytest.approx(upper, rel=1e-10, abs=1e-300)


def test_law_at_a_billion_draws_is_normal_with_a_skewness():
    size, z = 10**9, np.array([-9.0, -3.0, 0.0, 2.0])
    sd = np.sqrt(2 / size)
    found = gaussian.log_variance_cdf(gaussian.expected_log_variance(size, 1) + z * sd, size, 1)
    skewness = -np.sqrt(2 / size)
    edgeworth = stats.norm.cdf(z) - skewness / 6 * (z**2 - 1) * stats.norm.pdf(z)
    assert found == pytest.approx(edgeworth, rel=5e-5, abs=0)
    assert abs(found[2] - 0.5) > 1e-6  # the skewness is seen


@pytest.mark.parametrize("size", [2, 4, 30])
@pytest.mark.parametrize("x", [-3.0, -0.4, 0.0, 0.8])
def test_law_after_two_fits_by_convolution(size, x):
    law = stats.chi2(size - 1)

    def integrand(y):
        return law.cdf((size - 1) * np.exp(x - y)) * law.pdf((size - 1) * np.exp(y)) * (size - 1) * np.exp(y)

    low, high = np.log(law.ppf([1e-16, 1 - 1e-15]) / (size - 1))
    exact = sum(integrate.quad(integrand, a, b, epsabs=1e-14, limit=400)[0] for a, b in [(low, -1), (-1, 0), (0, high)])
    assert gaussian.log_variance_cdf(x, size, 2) == pytest.approx(exact, abs=2e-12)


def test_law_of_many_fits_is_normal_with_the_exact_moments_and_an_edgeworth_skewness():
    size, fits, z = 50, 10**6, np.array([-2.0, -0.5, 0.0, 1.0, 2.5])
    mean, sd = gaussian.expected_log_variance(size, fits), np.sqrt(gaussian.variance_log_variance(size, fits))
    with mpmath.workdps(30):
        skewness = float(fits * mpmath.psi(2, mpmath.mpf(size - 1) / 2)) / sd**3
    edgeworth = stats.norm.cdf(z) - skewness / 6 * (z**2 - 1) * stats.norm.pdf(z)
    assert gaussian.log_variance_cdf(mean + z * sd, size, fits) == pytest.approx(edgeworth, abs=1e-6)


def test_the_law_is_no_lattice_of_rounding_errors():
    x = np.linspace(-8, 4, 200)
    lower = gaussian.log_variance_cdf(x, 5, 12)
    assert np.all(np.diff(lower) > 0)
    assert lower + gaussian.log_variance_sf(x, 5, 12) == pytest.approx(np.ones(200), abs=1e-14)


def test_upper_tail_respects_chernoff_and_comes_near():
    """sf <= exp(K - theta x), and the saddle point makes the two agree to a power of the scale."""
    x, size, fits = 6.0, 10, 5
    theta = np.linspace(0.1, 40, 4000)
    chernoff = np.min(gaussian.log_variance_cgf(theta, size, fits) - theta * x)
    tail = np.log(gaussian.log_variance_sf(x, size, fits))
    assert -6 < tail - chernoff < 0


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: gaussian.c4(1), "sample_size must be at least 2"),
        (lambda: gaussian.expected_variance(2.5, 1), "sample_size must be a whole number"),
        (lambda: gaussian.expected_variance(5, -1), "fits must be at least 0"),
        (lambda: gaussian.expected_variance(5, 1, ddof=2), "ddof must be one of"),
        (lambda: gaussian.expected_mean_error(5, 1, ddof=2), "ddof must be one of"),
        (lambda: gaussian.log_variance_cdf(0.0, 5, 0), "fits must be at least 1"),
        (lambda: gaussian.log_variance_cgf(np.nan, 5, 1), "theta must be finite"),
        (lambda: gaussian.scheduled_mean_error([]), "sizes must be"),
        (lambda: gaussian.scheduled_mean_error([5, 1]), "sizes must be at least 2"),
    ],
)
def test_refusals(call, message):
    with pytest.raises(ValueError, match=message):
        call()

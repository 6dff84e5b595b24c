"""Best of k normals: moments by quadrature, steps at M = 2 by quadrature over pairs of winners."""

import numpy as np
import pytest
from scipy import integrate, stats

from modelcollapse_theory import best_of, gaussian


def density(x, k):
    return k * stats.norm.pdf(x) * stats.norm.cdf(x) ** (k - 1)


@pytest.mark.parametrize("k", [1, 2, 3, 8, 1024])
def test_moments_of_the_winner(k):
    mean = integrate.quad(lambda x: x * density(x, k), -9, 9, epsabs=1e-13)[0]
    second, fourth = (
        integrate.quad(lambda x, n=n: (x - mean) ** n * density(x, k), -9, 9, epsabs=1e-13)[0] for n in (2, 4)
    )
    assert best_of.winner(k) == pytest.approx((mean, second, fourth / second**2 - 3), abs=1e-9)


def test_two_choices_in_closed_form():
    assert best_of.winner(2)[:2] == pytest.approx((1 / np.sqrt(np.pi), 1 - 1 / np.pi), rel=1e-12)
    assert best_of.winner(10**9).mean == pytest.approx(stats.norm.isf(1e-9 * (1 - np.exp(-1) / 2)), abs=0.15)


def test_two_winners_refitted():
    """At M = 2 the variance is (x - y)^2/2: its mean, its root and its logarithm over a grid of pairs."""
    k = 4
    x = np.linspace(-5, 6, 2_201)
    weight = density(x, k) / density(x, k).sum()
    apart = np.abs(x[:, None] - x[None]) / np.sqrt(2)
    variance = weight @ apart**2 @ weight
    assert best_of.expected_variance(k, 2, [1, 2, 3]) == pytest.approx([1, variance, variance**2], rel=1e-6)
    assert best_of.expected_variance(k, 2, 2, ddof=0) == pytest.approx(variance / 4, rel=1e-6)
    # the mean gains e_k sigma at every fit, exactly
    rho = weight @ apart @ weight
    gained = best_of.winner(k).mean * gaussian.c4(2) * (1 + rho)
    assert gained <= best_of.gain_bound(k, 3)
    assert best_of.expected_gain(k, 2, 3) == pytest.approx(gained, rel=0.15)  # an expansion in 1/M, at M = 2
    assert best_of.expected_gain(k, 2, 2) == pytest.approx(best_of.winner(k).mean * gaussian.c4(2))


def test_expansions_meet_the_normal_law_without_choice():
    for size in (50, 100):
        exact = gaussian.expected_log_variance(size, 1)
        assert abs(best_of.log_variance_drift(1, size) - exact) < 2 / size**2
        assert best_of.log_variance_drift(1, size, ddof=0) < best_of.log_variance_drift(1, size)
    assert best_of.expected_gain(1, 50, 4) == 0


def test_reach_is_bounded():
    reach = {2: 3.24, 3: 3.36, 4: 3.45, 8: 3.66, 16: 3.87, 64: 4.27, 1024: 5.00}
    for k, expected in reach.items():
        assert best_of.gain_bound(k) == pytest.approx(expected, abs=0.006)
        # with infinite data, fit by fit
        mean, sigma = 0.0, 1.0
        for n in range(1, 30):
            assert best_of.gain_bound(k, n) == pytest.approx(mean, abs=1e-12)
            mean, sigma = mean + best_of.winner(k).mean * sigma, sigma * np.sqrt(best_of.winner(k).variance)
        assert best_of.expected_gain(k, 10**7, 12) == pytest.approx(best_of.gain_bound(k, 12), rel=1e-5)
    assert best_of.gain_bound(1) == 0


def test_one_normal_for_two_groups():
    for k, least in [(2, 0.361), (4, 0.573), (8, 0.696)]:
        assert best_of.least_mixed_share(k) == pytest.approx(least, abs=5e-4)
        assert best_of.mixed_limit(k, least - 1e-3) == (np.inf, np.inf)
        g, best = least + 0.1, best_of.winner(k)
        mean, variance = 0.0, 1.0
        for _ in range(2_000):
            shifted = mean + best.mean * np.sqrt(variance)
            mean, variance = (
                (1 - g) * shifted,
                g + (1 - g) * best.variance * variance + g * (1 - g) * shifted**2,
            )
        assert best_of.mixed_limit(k, g) == pytest.approx((mean, variance), rel=1e-9)
    assert best_of.least_mixed_share(1) == 0
    assert best_of.mixed_limit(1, 0.3) == pytest.approx((0, 1))


def test_bad_arguments_are_named():
    for call, name in [
        (lambda: best_of.winner(0), "choices"),
        (lambda: best_of.mixed_limit(2, 0.0), "share"),
        (lambda: best_of.expected_gain(2, 1, 3), "sample_size"),
    ]:
        with pytest.raises(ValueError, match=name):
            call()

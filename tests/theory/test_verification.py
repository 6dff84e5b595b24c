"""Verifiers against counting, quadrature and the recursion one fit at a time."""

from fractions import Fraction as F

import numpy as np
import pytest
from scipy import integrate, stats

from modelcollapse_theory import NotCovered, selection, two_states, verification


def test_odds_multiply():
    q = F(2, 5)
    for n in range(6):
        assert verification.verified_share(0.4, 0.9, 0.3, n) == pytest.approx(float(q), rel=1e-13)
        q = q * F(9, 10) / (q * F(9, 10) + (1 - q) * F(3, 10))
    assert verification.verified_share(0.4, 0.9, 0.3, 1) == pytest.approx(selection.verified_precision(0.4, 0.9, 0.3))
    assert verification.verified_share([0.0, 1.0], 0.2, 0.9, 10**6) == pytest.approx([0, 1])


def test_accepted_states_by_counting():
    """Of a thousand draws 500, 300, 200; 250, 300 and none pass."""
    assert verification.accepted([0.5, 0.3, 0.2], [0.5, 1.0, 0.0]) == pytest.approx([250 / 550, 300 / 550, 0])
    with pytest.raises(ValueError, match="accept"):
        verification.accepted([1.0, 0.0], [0.0, 1.0])


def test_cost_of_a_kept_item():
    """The mean of a geometric number of draws, summed."""
    q, right, wrong = 0.3, 0.8, 0.1
    kept = q * right + (1 - q) * wrong
    n = np.arange(1, 400)
    assert verification.draws_per_kept(q, right, wrong) == pytest.approx((n * kept * (1 - kept) ** (n - 1)).sum())
    with pytest.raises(ValueError, match="keep_right"):
        verification.draws_per_kept(1.0, 0.0, 0.5)


def test_fixation_of_what_is_right():
    size, right, wrong = 100, 0.9, 0.86
    share = np.arange(size + 1) / size
    response = right * share / (right * share + wrong * (1 - share))
    exact = two_states.next_counts([0.2, 0.2], size)[0] @ two_states.takes_over(response)
    s = np.log(right / wrong)
    assert verification.verified_fixation(0.2, size, right, wrong) == pytest.approx(exact, rel=s)
    # exchanging right and wrong exchanges the states
    other = verification.verified_fixation(0.8, size, wrong, right)
    assert verification.verified_fixation(0.2, size, right, wrong) + other == pytest.approx(1)
    with pytest.raises(NotCovered, match="keep_right"):
        verification.verified_fixation(0.2, size, 0.9, 0.1)


@pytest.mark.parametrize("error", [F(0), F(1, 5), F(2, 3), F(4, 5)])
@pytest.mark.parametrize("rates", [(F(9, 10), F(3, 10)), (F(3, 10), F(9, 10)), (F(1, 2), F(1, 2))])
def test_errors_at_every_fit(error, rates):
    right, wrong = rates
    q = F(2, 5)
    given = float(right), float(wrong), float(error)
    for n in range(7):
        assert verification.share_with_errors(0.4, *given, n) == pytest.approx(float(q), rel=1e-12)
        q = (1 - error) * q * right / (q * right + (1 - q) * wrong)
    limit = verification.error_threshold(*given)
    if error or right != wrong:  # a neutral state without errors stays where it is
        assert verification.share_with_errors(0.4, *given, 10**4) == pytest.approx(limit, abs=1e-3)
    assert (limit > 1e-12) == ((1 - error) * right > wrong)


def test_error_threshold_in_numbers():
    assert verification.error_threshold(0.9, 0.3, 0.2) == pytest.approx(0.7)
    near = [verification.share_with_errors(0.6, 0.9, 0.3, 0.2, n) - 0.7 for n in (20, 21)]
    assert near[1] / near[0] == pytest.approx(0.3 / (0.8 * 0.9), rel=1e-5)


def test_accepted_draws_by_quadrature():
    """Mass, mean and variance of what a soft verifier lets pass."""
    mu, var, centre, width = 0.4, 2.0, 1.5, 0.8

    def density(x):
        return stats.norm.pdf(x, mu, np.sqrt(var)) * np.exp(-((x - centre) ** 2) / (2 * width**2))

    mass, mean, square = (integrate.quad(lambda x, k=k: x**k * density(x), -15, 15)[0] for k in range(3))
    assert verification.soft_acceptance(centre - mu, width, var) == pytest.approx(mass, rel=1e-10)
    gap, left = verification.soft_normal(centre - mu, width, 1, var)
    assert centre - gap == pytest.approx(mean / mass, rel=1e-10)
    assert left == pytest.approx(square / mass - (mean / mass) ** 2, rel=1e-10)
    # composes
    twice = verification.soft_normal(gap, width, 1, left)
    assert verification.soft_normal(centre - mu, width, 2, var) == pytest.approx(np.array(twice), rel=1e-12)


def test_error_of_the_mean_one_fit_at_a_time():
    """Bias and variance of the mean, from those of one accepted draw."""
    delta, width, size, real, var = 0.3, 1.5, 50, 5, 2.0
    a = width**2 / (width**2 + var)
    bias, spread = 0.0, var / real
    for fits in range(1, 30):
        found = verification.soft_mean_error(delta, width, size, fits, real, var)
        assert found == pytest.approx(bias**2 + spread, rel=1e-12)
        bias, spread = a * bias + (1 - a) * delta, a**2 * spread + a * var / size
    limit = verification.soft_mean_error_limit(delta, width, size, var)
    assert verification.soft_mean_error(delta, width, size, 500, real, var) == pytest.approx(limit)
    assert verification.soft_mean_error(delta, width, size, 3) == pytest.approx(
        verification.soft_mean_error(delta, width, size, 3, size)
    )


def test_when_to_stop():
    stop = verification.soft_stopping(0.3, 1.5, 50, 5)
    assert stop.fits == pytest.approx(3.92, abs=0.005)
    errors = verification.soft_mean_error(0.3, 1.5, 50, np.arange(1, 30), 5)
    assert errors.argmin() + 1 == 4
    assert stop.error <= errors.min() <= stop.error * 1.01
    assert errors[-1] > errors.min() * 1.3  # reversal
    # more real items than verified ones are worth: the first fit is the best
    assert verification.soft_stopping(0.3, 1.5, 50, 500) == (1.0, 1 / 500)
    assert verification.soft_stopping(0.0, 1.5, 50, 5).fits == np.inf


def test_bad_arguments_are_named():
    for call, name in [
        (lambda: verification.verified_share(0.5, 0.0, 0.5, 1), "keep_right"),
        (lambda: verification.error_threshold(0.5, 0.2, 1.0), "error"),
        (lambda: verification.soft_mean_error(0.3, 0.0, 5, 1), "width"),
        (lambda: verification.soft_mean_error(0.3, 1.0, 5, 0), "fits"),
    ]:
        with pytest.raises(ValueError, match=name):
            call()

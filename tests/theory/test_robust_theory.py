"""Median and median deviation of normal rows against the joint law of the gaps of three, plain draws, and large M."""

import numpy as np
import pytest
from scipy.special import ndtri
from three_rows import of_three

from modelcollapse_theory import NotCovered, robust

MEDIAN = ndtri(0.75)


def test_three_rows_by_the_law_of_their_gaps():
    mean = of_three(lambda r: 2 * np.log(r))
    variance = of_three(lambda r: (2 * np.log(r)) ** 2) - mean**2
    assert robust.mad_log_variance(3, 5) == pytest.approx((5 * mean, 5 * variance), rel=1e-9)
    for order in (0.1, 1.0, 2.0, 4.5):
        exact = of_three(lambda r, order=order: r**order)
        assert robust.mad_moment(order, 3, 1) == pytest.approx(exact, rel=1e-9)
        assert robust.mad_moment(order, 3, 4) == pytest.approx(exact**4, rel=1e-9)


@pytest.mark.parametrize("size", [5, 11])
def test_plain_draws(size):
    """Within five standard errors, 6e-7 for each number."""
    z = np.random.default_rng(size).normal(size=(200_000, size))
    m = np.median(z, 1)
    r = np.median(np.abs(z - m[:, None]), 1) / MEDIAN
    mean, variance = robust.mad_log_variance(size, 1)
    for values, exact in (
        (2 * np.log(r), mean), ((2 * np.log(r) - mean) ** 2, variance), (r**2, robust.mad_moment(2.0, size, 1)),
        (m**2, robust.mad_mean_error(size, 1)),
    ):  # fmt: skip
        assert abs(values.mean() - exact) < 5 * values.std() / np.sqrt(len(values))


def test_the_median_of_three_and_errors_that_add_up():
    first = 1 - np.sqrt(3) / np.pi  # the variance of the median of three
    growth = robust.mad_moment(2.0, 3, 1)
    assert robust.mad_mean_error(3, 1) == pytest.approx(first, rel=1e-9)
    assert robust.mad_mean_error(3, 3) == pytest.approx(first * (1 + growth + growth**2), rel=1e-9)
    assert robust.mad_mean_error(3, 0) == 0


def test_many_rows_have_the_known_efficiency():
    """The MAD uses 36.75 % of the rows that a standard deviation uses, the median 2/pi; errors fall like 1/M."""
    worth = [2 / (robust.mad_log_variance(size, 1)[1] * size) for size in (51, 101)]
    assert 2 * worth[1] - worth[0] == pytest.approx(0.36753, abs=2e-3)
    median = [1 / (robust.mad_mean_error(size, 1) * size) for size in (51, 101)]
    assert 2 * median[1] - median[0] == pytest.approx(2 / np.pi, abs=1e-3)
    # a chain collapses: the drift is negative, about 3 times that of the standard deviation
    assert robust.mad_log_variance(101, 1)[0] < -2 / 100


def test_what_is_not_covered():
    for size in (4, 103):
        with pytest.raises(NotCovered, match="odd and at most 101"):
            robust.mad_log_variance(size, 1)
    with pytest.raises(ValueError, match="order"):
        robust.mad_moment(-1.0, 9, 1)

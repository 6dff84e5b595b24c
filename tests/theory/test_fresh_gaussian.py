"""The Gaussian with fresh real items against moments taken pair by pair, in exact fractions."""

from fractions import Fraction

import numpy as np
import pytest

from modelcollapse_theory import fresh_gaussian, workflows


def pair_by_pair(size, fits, real, ddof, narrowing):
    """E of the sample variance and squared mean, from E[x_i x_j] of every two items of the data set."""
    spread, drift = None, None
    for n in range(fits):
        fresh = size if n == 0 else real
        item = [Fraction(1)] * fresh + [0 if n == 0 else narrowing * spread + drift] * (size - fresh)
        products = [
            [item[i] if i == j else (0 if min(i, j) < fresh else drift) for j in range(size)] for i in range(size)
        ]
        drift = sum(map(sum, products)) / Fraction(size) ** 2
        spread = (sum(item) - size * drift) / (size - ddof)
    return float(spread), float(drift)


@pytest.mark.parametrize(("size", "real", "narrowing"), [(4, 1, 1), (4, 0, 1), (4, 4, 1), (5, 2, 0.75), (2, 1, 1)])
@pytest.mark.parametrize("ddof", [0, 1])
@pytest.mark.parametrize("fits", [1, 2, 6])
def test_moments(size, real, narrowing, ddof, fits):
    exact = pair_by_pair(size, fits, real, ddof, Fraction(narrowing))
    got = fresh_gaussian.moments(size, fits, real, variance=2.0, ddof=ddof, narrowing=float(narrowing))
    assert got == pytest.approx((2 * exact[0], 2 * exact[1]), rel=1e-13)


@pytest.mark.parametrize("real", [1, 3, 10])
def test_maximum_likelihood_is_the_loss_of_fresh_counts(real):
    for fits in (1, 5, 200):
        lost = float(workflows.fresh_counts(10, fits, real))
        assert fresh_gaussian.moments(10, fits, real, ddof=0) == pytest.approx((1 - lost, lost), rel=1e-12)
    lost = float(workflows.fresh_counts_limit(10, real))
    assert fresh_gaussian.moments_limit(10, real, ddof=0) == pytest.approx((1 - lost, lost), rel=1e-12)


@pytest.mark.parametrize(("size", "real"), [(2, 1), (50, 1), (50, 10), (50, 50)])
def test_unbiased_limit_in_closed_form(size, real):
    share = real / size
    drift = 1 / size / (1 - (1 - share) ** 2 * size / (size - 1))
    spread = 1 + size / (size - 1) * (1 - share) * drift
    assert fresh_gaussian.moments_limit(size, real) == pytest.approx((spread, drift), rel=1e-9)
    assert fresh_gaussian.moments(size, 10**6, real) == pytest.approx((spread, drift), rel=1e-6)
    assert (1 - np.sqrt(1 - 1 / size)) < 1 / size  # one real item is above the critical share


def test_bad_arguments_are_named():
    for call, name in [
        (lambda: fresh_gaussian.moments(1, 3, 1), "sample_size"),
        (lambda: fresh_gaussian.moments(5, 3, 6), "real"),
        (lambda: fresh_gaussian.moments(5, 3, 1, narrowing=0), "narrowing"),
        (lambda: fresh_gaussian.moments_limit(5, 0), "real"),
        (lambda: fresh_gaussian.moments_limit(5, 1, narrowing=1.5), "narrowing"),
    ]:
        with pytest.raises(ValueError, match=name):
            call()

"""The mixture chain against the tree of all its outcomes, and its Gaussian form against moments taken another way."""

import contextlib
from fractions import Fraction
from math import comb

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelcollapse_theory import mixture, workflows

TRUTH = Fraction(1, 3)
TRIPLES = [(0, 0), (Fraction(1, 5), 0), (0, Fraction(1, 2)), (Fraction(1, 4), Fraction(1, 2)), (1, 0), (0, 1)]


def tree(size, fits, gamma, beta):
    """v of the law and of the fit for two states, by following every possible count."""
    first = 2 * TRUTH * (1 - TRUTH)
    laws, of_law, of_fit = {TRUTH: Fraction(1)}, [0.0], [0.0]
    for step in range(fits):
        m, g, b = (x[step] if isinstance(x, list) else x for x in (size, gamma, beta))
        new, fitted = {}, Fraction(0)
        for p, weight in laws.items():
            for count in range(m + 1):
                chance = weight * comb(m, count) * p**count * (1 - p) ** (m - count)
                hat = Fraction(count, m)
                fitted += chance * 2 * hat * (1 - hat)
                q = (1 - b - g) * hat + b * p + g * TRUTH
                new[q] = new.get(q, 0) + chance
        laws = new
        of_fit.append(float(1 - fitted / first))
        of_law.append(float(1 - sum(w * 2 * p * (1 - p) for p, w in laws.items()) / first))
    return of_law, of_fit


@pytest.mark.parametrize(("gamma", "beta"), TRIPLES)
@pytest.mark.parametrize("size", [1, 3])
def test_law_and_fit(size, gamma, beta):
    of_law, of_fit = tree(size, 4, gamma, beta)
    fits, shares = np.arange(5), (float(gamma), float(beta))
    assert mixture.law(size, fits, *shares) == pytest.approx(of_law, rel=1e-13, abs=1e-15)
    assert mixture.fit(size, fits, *shares) == pytest.approx(of_fit, rel=1e-13)


def test_schedules():
    sizes, gamma, beta = (
        [3, 1, 4, 2],
        [Fraction(0), Fraction(1, 2), Fraction(1, 5), Fraction(0)],
        [
            Fraction(1, 4),
            Fraction(0),
            Fraction(1, 2),
            Fraction(1),
        ],
    )
    of_law, of_fit = tree(sizes, 4, gamma, beta)
    shares = [float(g) for g in gamma], [float(b) for b in beta]
    law, fit = mixture.law_schedule(sizes, *shares)
    assert law == pytest.approx(of_law, rel=1e-13)
    assert fit == pytest.approx(of_fit, rel=1e-13)
    # the maximum-likelihood Gaussian obeys the same numbers
    spread, drift = mixture.gaussian_schedule(sizes, *shares, variance=2.0, ddof=0)
    assert spread == pytest.approx(2 * (1 - law))
    assert drift == pytest.approx(2 * law)


def test_without_previous_share_it_is_random_mixing():
    fits = np.arange(1, 9)
    assert mixture.fit(7, fits, 0.3) == pytest.approx(workflows.random_mixing(7, fits, 0.3), rel=1e-13)
    assert mixture.fit_limit(7, 0.3) == pytest.approx(workflows.random_mixing_limit(7, 0.3), rel=1e-13)
    # and the law is not the fit
    assert mixture.law(7, 5, 0.3) < 0.8 * mixture.fit(7, 5, 0.3)


@given(st.integers(1, 50), st.floats(0.01, 1), st.floats(0, 1))
def test_limits(size, share, rest):
    previous = rest * (1 - share)
    assert mixture.law(size, 10**6, share, previous) == pytest.approx(mixture.law_limit(size, share, previous))
    assert mixture.fit(size, 10**6, share, previous) == pytest.approx(mixture.fit_limit(size, share, previous))


def test_law_limit_where_nothing_moves():
    assert mixture.law_limit(5, 0.0, 1.0) == 0
    assert mixture.law_limit(5, 0.0, 0.3) == pytest.approx(1)


def polynomial_moments(size, alpha, beta, gamma, fits, ddof):
    """E of variance and squared mean of the law and of the fit, by the two-point identities of a sample, in fractions.

    For a law of mean m and raw second moment s: E xbar^2 = s/M + (1 - 1/M) m^2, E x^2 = s.
    """
    square, raw = Fraction(0), Fraction(1)  # truth: mean 0, variance 1
    for _ in range(fits):
        mean_square = raw / size + (1 - Fraction(1, size)) * square
        fitted = (raw - mean_square) * (Fraction(size, size - 1) if ddof else 1)
        # the fitted mean and the law's own mean m: E xbar m = m^2
        new_square = alpha**2 * mean_square + 2 * alpha * beta * square + beta**2 * square
        raw = alpha * (fitted + mean_square) + beta * raw + gamma
        square = new_square
    mean_square = raw / size + (1 - Fraction(1, size)) * square
    fit = ((raw - mean_square) * (Fraction(size, size - 1) if ddof else 1), mean_square)
    return (raw - square, square), fit


@pytest.mark.parametrize(("gamma", "beta"), TRIPLES)
@pytest.mark.parametrize("ddof", [0, 1])
def test_gaussian(gamma, beta, ddof):
    law, fit = polynomial_moments(5, 1 - beta - gamma, Fraction(beta), Fraction(gamma), 6, ddof)
    shares = (float(gamma), float(beta))
    assert mixture.gaussian(5, 6, *shares, ddof=ddof) == pytest.approx([float(x) for x in law], rel=1e-12, abs=1e-15)
    got = mixture.gaussian_fit(5, 7, *shares, ddof=ddof, variance=3.0)
    assert got == pytest.approx([3 * float(x) for x in fit], rel=1e-12)
    spread, drift = mixture.gaussian_schedule([5] * 6, *shares, ddof=ddof)
    assert (spread[-1], drift[-1]) == pytest.approx([float(x) for x in law], rel=1e-12, abs=1e-15)


def test_gaussian_known_values():
    """Simulated elsewhere with 20,000 chains at M = 10, 12 generations: 1.279, 0.462; 1.347, 0.343; 1.207, 0.118."""
    assert mixture.gaussian(10, 12, 0.1) == pytest.approx((1.2795, 0.4589), abs=1e-4)
    assert mixture.gaussian(10, 12, 0.0, 0.5) == pytest.approx((1.3449, 0.3449), abs=1e-4)
    assert mixture.gaussian(10, 12, 0.2, 0.2) == pytest.approx((1.2060, 0.1173), abs=1e-4)
    assert mixture.gaussian(10, 30, 0.0) == pytest.approx((1.0, 3.0), rel=1e-12)  # replace, unbiased
    assert mixture.gaussian(10, 9, 0.0, 0.5)[0] == pytest.approx((1 + 0.25 / 10) ** 9, rel=1e-12)
    assert mixture.gaussian_fit(10, 0, 0.1) == (1.0, 0.0)


@given(st.integers(2, 60), st.floats(0.3, 1), st.floats(0, 1), st.sampled_from([0, 1]))
def test_gaussian_limit_is_a_fixed_point(size, share, rest, ddof):
    previous = rest * (1 - share)
    limit = mixture.gaussian_limit(size, share, previous, ddof=ddof, variance=2.0)
    assert mixture.gaussian(size, 10**5, share, previous, ddof=ddof, variance=2.0) == pytest.approx(limit, rel=1e-9)


def test_gaussian_limit_exists_exactly_where_the_recursion_stays_finite():
    size = 10
    for share in (0.046, 0.048, 0.05, 0.052, 0.2):
        finite = share >= 0.05
        with contextlib.nullcontext() if finite else pytest.raises(ValueError, match="share"):
            mixture.gaussian_limit(size, share)
        early, late = mixture.gaussian(size, 2 * 10**5, share)[0], mixture.gaussian(size, 4 * 10**5, share)[0]
        assert finite == (late <= early * 1.0001)
    assert mixture.gaussian(size, 10**9, 0.01) == (np.inf, np.inf)
    assert mixture.gaussian_limit(10, 0.1) == pytest.approx((1.9, 0.81))
    assert mixture.gaussian_limit(10, 0.2, 0.2) == pytest.approx((1.25, 0.125))


def test_bad_arguments_are_named():
    for call, name in [
        (lambda: mixture.law(5, 1, 0.6, 0.6), "previous_share"),
        (lambda: mixture.law(5, 1, -0.1), "share"),
        (lambda: mixture.gaussian(1, 1, 0.1), "sample_size"),
        (lambda: mixture.gaussian(5, 1, 0.1, ddof=2), "ddof"),
        (lambda: mixture.gaussian(5, 1, 0.1, variance=0), "variance"),
        (lambda: mixture.gaussian_limit(5, 0.0), "share"),
        (lambda: mixture.law_schedule([[5]], 0.1), "sizes"),
    ]:
        with pytest.raises(ValueError, match=name):
            call()

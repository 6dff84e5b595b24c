"""The variance-function recursion, against transition matrices of six families and exact enumeration of pools."""

from fractions import Fraction

import numpy as np
import pytest
from scipy import special, stats

from modelcollapse_theory import exponential_families as ef

COUNTS = np.arange(400)


def totals(family, size, means):
    """Laws of the total count of ``size`` draws, one row for each mean, truncated at 400."""
    means = np.maximum(np.asarray(means), 1e-300)[:, None]
    if family.quadratic == 0:
        return stats.poisson.pmf(COUNTS, size * means)
    successes = size / family.quadratic
    return stats.nbinom.pmf(COUNTS, successes, successes / (successes + size * means))


@pytest.mark.parametrize("family", [ef.poisson(), ef.negative_binomial(4.0), ef.negative_binomial(0.8)])
def test_counts_against_the_truncated_chain(family):
    size, mean = 5, 1.2
    states = COUNTS / size
    matrix = totals(family, size, states)
    law = totals(family, size, [mean])[0]
    for fits in range(1, 4):
        assert ef.expected_mean_error(family, mean, size, fits) == pytest.approx(law @ (states - mean) ** 2, rel=1e-5)
        assert ef.expected_variance_function(family, mean, size, fits) == pytest.approx(law @ family(states), rel=1e-5)
        law = law @ matrix


def binomial_matrix(trials, chances):
    return stats.binom.pmf(np.arange(trials + 1), trials, np.asarray(chances)[:, None])


@pytest.mark.parametrize(("trials", "size"), [(1, 6), (4, 3), (1, 1)])
def test_binomials_against_their_matrix(trials, size):
    family = ef.bernoulli() if trials == 1 else ef.binomial(trials)
    total, mean = trials * size, 0.3 * trials
    states = np.arange(total + 1) / size
    matrix = binomial_matrix(total, states / trials)
    law = binomial_matrix(total, [0.3])[0]
    for fits in range(1, 6):
        assert ef.expected_mean_error(family, mean, size, fits) == pytest.approx(law @ (states - mean) ** 2, rel=1e-12)
        found = ef.expected_variance_function(family, mean, size, fits)
        assert found == pytest.approx(law @ family(states), rel=1e-12, abs=1e-15)
        law = law @ matrix
    assert ef.expected_mean_error(family, mean, size, 0) == 0


def test_gamma_by_its_own_moments():
    """E m_n^2 = [Gamma(kM + 2)/Gamma(kM)/(kM)^2]^n: products of independent gammas."""
    for shape, size, fits in [(1.0, 4, 3), (0.5, 7, 10), (3.0, 2, 1)]:
        total = shape * size
        second = (special.poch(total, 2) / total**2) ** fits
        assert ef.expected_mean_error(ef.gamma(shape), 2.0, size, fits) == pytest.approx(4 * (second - 1), rel=1e-12)


def test_hyperbolic_secant_by_quadrature():
    """One draw: density exp(theta x + log cos theta) sech(pi x / 2) / 2; two fits of one draw each."""
    x = np.linspace(-400, 400, 80_001)

    def density(mean):
        theta = np.arctan(mean)
        return np.exp(theta * x + np.log(np.cos(theta)) - np.logaddexp(np.pi * x / 2, -np.pi * x / 2))

    first = density(0.6) * (x[1] - x[0])
    family = ef.hyperbolic_secant()
    assert first @ x == pytest.approx(0.6)
    assert ef.expected_mean_error(family, 0.6, 1, 1) == pytest.approx(first @ (x - 0.6) ** 2)
    assert ef.expected_variance_function(family, 0.6, 1, 1) == pytest.approx(first @ family(x))
    at_two = density(2.0) * (x[1] - x[0])
    assert at_two @ (x - 2.0) ** 2 == pytest.approx(family(2.0), rel=1e-6)


def test_normal_is_a_random_walk():
    assert ef.expected_mean_error(ef.normal(3.0), -7.0, 10, [0, 1, 10]) == pytest.approx([0, 0.3, 3.0])


def enumerated_error(sizes, truth, *, keep):
    """E (m_n - m_0)^2 of Bernoulli batches of these sizes, all kept or the last one only, in exact fractions."""
    pools, held = {0: Fraction(1)}, 0
    for size in sizes:
        new: dict[int, Fraction] = {}
        for ones, chance in pools.items():
            p = Fraction(ones, held) if held else truth
            for k in range(size + 1):
                weight = Fraction(int(special.comb(size, k, exact=True))) * p**k * (1 - p) ** (size - k)
                total = ones + k if keep else k
                new[total] = new.get(total, Fraction(0)) + chance * weight
        pools, held = new, held + size if keep else size
    return float(sum(chance * (Fraction(ones, held) - truth) ** 2 for ones, chance in pools.items()))


@pytest.mark.parametrize("fits", [1, 2, 4])
def test_accumulation_by_enumeration_of_pools(fits):
    exact = enumerated_error([3] * fits, Fraction(1, 4), keep=True)
    assert ef.accumulated_mean_error(ef.bernoulli(), 0.25, 3, fits) == pytest.approx(exact, rel=1e-12)


@pytest.mark.parametrize("keep", [False, True])
def test_schedules_by_enumeration(keep):
    sizes = [3, 1, 4, 2]
    found = ef.scheduled_mean_error(ef.bernoulli(), 0.25, sizes, accumulate=keep)
    exact = [enumerated_error(sizes[:n], Fraction(1, 4), keep=keep) for n in (1, 2, 3, 4)]
    assert found == pytest.approx(exact, rel=1e-12)


@pytest.mark.parametrize("family", [ef.poisson(), ef.gamma(0.7), ef.negative_binomial(3.0), ef.binomial(4)])
def test_constant_schedules_are_the_other_formulas(family):
    fits = np.arange(1, 8)
    assert ef.scheduled_mean_error(family, 0.8, np.full(7, 5)) == pytest.approx(
        ef.expected_mean_error(family, 0.8, 5, fits), rel=1e-13
    )
    assert ef.scheduled_mean_error(family, 0.8, np.full(7, 5), accumulate=True) == pytest.approx(
        [ef.accumulated_mean_error(family, 0.8, 5, int(n)) for n in fits], rel=1e-13
    )


@pytest.mark.parametrize(
    "family", [ef.bernoulli(), ef.poisson(), ef.gamma(0.2), ef.gamma(1.0), ef.gamma(1e4), ef.binomial(300)]
)
def test_the_limit_of_accumulation(family):
    size, mean = np.array([2, 9, 10**6]), 0.4
    limit = ef.accumulated_mean_error_limit(family, mean, size)
    near = ef.accumulated_mean_error(family, mean, size, 200_000)
    assert near == pytest.approx(limit, rel=2e-5)
    assert np.all(near < limit)


def test_large_samples_accumulate_to_pi_squared_over_six():
    found = ef.accumulated_mean_error_limit(ef.gamma(1.0), 1.0, 10**12) * 10**12
    assert found == pytest.approx(np.pi**2 / 6, rel=1e-12)


@pytest.mark.parametrize("random_count", [False, True])
@pytest.mark.parametrize(("size", "real"), [(8, 2), (8, 1), (3, 3)])
def test_fresh_data_against_the_two_state_matrix(size, real, random_count):
    truth, share = 0.3, real / size
    states = np.arange(size + 1) / size
    first = binomial_matrix(size, [truth])[0]
    if random_count:
        matrix = binomial_matrix(size, share * truth + (1 - share) * states)
    else:
        kept = binomial_matrix(real, [truth])[0]
        matrix = np.array([np.convolve(kept, row) for row in binomial_matrix(size - real, states)])
    law = first
    for fits in range(1, 200):
        found = ef.fresh_mean_error(ef.bernoulli(), truth, size, share, fits, random_count=random_count)
        assert found == pytest.approx(law @ (states - truth) ** 2, rel=1e-11)
        law = law @ matrix
    found = ef.fresh_mean_error(ef.bernoulli(), truth, size, share, random_count=random_count)
    assert found == pytest.approx(law @ (states - truth) ** 2, rel=1e-11)


def test_fresh_data_may_be_too_little():
    """Gamma draws: at too small a share the error explodes; at none the formula is that of replacement."""
    family = ef.gamma(0.1)
    assert np.isposinf(ef.fresh_mean_error(family, 1.0, 100, 0.04))
    assert np.isfinite(ef.fresh_mean_error(family, 1.0, 100, 0.05))
    for random_count in (False, True):
        none = ef.fresh_mean_error(family, 1.0, 100, 0.0, [0, 1, 30], random_count=random_count)
        assert none == pytest.approx(ef.expected_mean_error(family, 1.0, 100, [0, 1, 30]), rel=1e-12)
    assert ef.fresh_mean_error(ef.poisson(), 1.0, 100, 0.0, 5) == pytest.approx(0.05)


def test_poisson_extinction_against_the_truncated_chain():
    size, mean = 5, 0.7
    matrix = totals(ef.poisson(), size, COUNTS / size)
    law = stats.poisson.pmf(COUNTS, size * mean)
    for fits in range(1, 12):
        assert ef.poisson_extinction(mean, size, fits) == pytest.approx(law[0], rel=1e-6)
        law = law @ matrix
    survival = 1 - ef.poisson_extinction(mean, size, 10**5)
    assert survival * 10**5 == pytest.approx(2 * size * mean, rel=1e-3)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: ef.expected_mean_error(ef.bernoulli(), 1.5, 5, 1), "mean must lie in"),
        (lambda: ef.expected_mean_error(ef.poisson(), -1.0, 5, 1), "mean must lie in"),
        (lambda: ef.expected_mean_error(ef.poisson(), 1.0, 0, 1), "sample_size must be at least 1"),
        (lambda: ef.fresh_mean_error(ef.poisson(), 1.0, 10, 0.25), "whole number of real draws"),
        (lambda: ef.fresh_mean_error(ef.poisson(), 1.0, 10, 1.5), "share must lie in"),
        (lambda: ef.poisson_extinction(1.0, 5, 0), "fits must be at least 1"),
        (lambda: ef.scheduled_mean_error(ef.poisson(), 1.0, 5), "vector with one size for each fit"),
        (lambda: ef.gamma(0.0), "shape must be positive"),
        (lambda: ef.binomial(0), "trials must be at least 1"),
        (lambda: ef.negative_binomial(-1.0), "successes must be positive"),
        (lambda: ef.normal(0.0), "variance must be positive"),
    ],
)
def test_refusals(call, message):
    with pytest.raises(ValueError, match=message):
        call()

"""Distances from the truth, against every count vector and high-precision sums."""

import math
from fractions import Fraction

import mpmath
import numpy as np
import pytest
import wright_fisher

from modelcollapse_theory import divergence, support

LAW = [Fraction(1, 2), Fraction(3, 10), Fraction(1, 5)]
FLOATS = [0.5, 0.3, 0.2]


def shannon(p):
    return -sum(float(x) * math.log(x) for x in p if x > 0)


@pytest.mark.parametrize("size", [1, 2, 5])
@pytest.mark.parametrize("fits", [1, 3])
def test_distances_by_enumeration(size, fits):
    law = wright_fisher.law_after(LAW, [size] * fits)

    def exact(function):
        return pytest.approx(wright_fisher.mean(law, function), rel=1e-12, abs=0)

    pairs = list(enumerate(LAW))
    assert divergence.expected_chi_square(3, size, fits) == exact(lambda p: sum((p[i] - q) ** 2 / q for i, q in pairs))
    assert divergence.expected_squared_distance(FLOATS, size, fits) == exact(
        lambda p: sum((p[i] - q) ** 2 for i, q in pairs)
    )
    assert divergence.expected_total_variation(FLOATS, size, fits) == exact(
        lambda p: sum(abs(p[i] - q) for i, q in pairs) / 2
    )
    if size > 1:
        assert divergence.expected_entropy(FLOATS, size, fits) == exact(shannon)
    assert divergence.expected_kl(FLOATS, size, fits) == exact(
        lambda p: sum(float(p[i]) * math.log(p[i] / q) for i, q in pairs if p[i] > 0)
    )
    assert divergence.fits_covariance(FLOATS, size, fits)[0, 2] == exact(lambda p: (p[0] - LAW[0]) * (p[2] - LAW[2]))


def test_covariance_between_generations():
    # joint law of fits 2 and 3: the second factor is the conditional mean
    law = wright_fisher.law_after(LAW, [3, 3])
    exact = 0.0
    for x, weight in law.items():
        model = [Fraction(c, 3) for c in x]
        for y in law:
            chance = weight * wright_fisher.multinomial(y, model)
            exact += float(chance * (model[1] - LAW[1]) * (Fraction(y[1], 3) - LAW[1]))
    got = divergence.fits_covariance(FLOATS, 3, 2, 3)
    assert got[1, 1] == pytest.approx(exact, rel=1e-12, abs=0)
    np.testing.assert_array_equal(got, divergence.fits_covariance(FLOATS, 3, 3, 2))
    np.testing.assert_allclose(got.sum(axis=0), 0, atol=1e-16)


def test_small_drifts_keep_their_digits():
    assert divergence.expected_chi_square(2, 10**9, 1) == pytest.approx(1e-9, rel=1e-15, abs=0)
    np.testing.assert_array_equal(divergence.expected_chi_square(4, 1, [0, 1, 5]), [0, 3, 3])


def test_divergence_from_one_fit_in_forty_digits():
    size = 2000
    with mpmath.workdps(40):
        exact = mpmath.mpf(0)
        for q in (mpmath.mpf(x) for x in FLOATS):
            weight = (1 - q) ** size
            for k in range(1, size + 1):
                weight *= q / (1 - q) * (size - k + 1) / k
                exact += weight * mpmath.mpf(k) / size * mpmath.log(mpmath.mpf(k) / size / q)
    assert divergence.expected_kl(FLOATS, size, 1) == pytest.approx(float(exact), rel=1e-11, abs=0)
    # Miller-Madow, and its near miss with K in place of K - 1
    assert divergence.expected_kl(FLOATS, size, 1) == pytest.approx(2 / (2 * size), rel=1e-2, abs=0)


def test_divergence_is_the_entropy_lost():
    fits = np.array([1, 40, 400])
    lost = divergence.entropy(FLOATS) - divergence.expected_entropy(FLOATS, 60, fits)
    np.testing.assert_allclose(divergence.expected_kl(FLOATS, 60, fits), lost, rtol=1e-9)
    assert divergence.expected_kl(FLOATS, 60, 30_000) == pytest.approx(shannon(FLOATS), rel=1e-9, abs=0)
    assert divergence.expected_total_variation(FLOATS, 60, 30_000) == pytest.approx(0.62, rel=1e-9, abs=0)


def test_de_moivre():
    for size, q in ((7, 0.31), (10, 0.5), (3, 2 / 3), (50, 1e-6), (1, 0.4)):
        exact = sum(math.comb(size, k) * q**k * (1 - q) ** (size - k) * abs(k / size - q) for k in range(size + 1))
        assert divergence.mean_absolute_deviation(q, size) == pytest.approx(exact, rel=1e-10, abs=0)
    np.testing.assert_array_equal(divergence.mean_absolute_deviation([0.0, 1.0], 9), [0, 0])
    half = divergence.mean_absolute_deviation(np.array(FLOATS), 40).sum() / 2
    assert divergence.expected_total_variation(FLOATS, 40, 1) == pytest.approx(half, rel=1e-11, abs=0)


def test_early_total_variation():
    for fits in (1, 3):
        exact = divergence.expected_total_variation(FLOATS, 1500, fits)
        assert divergence.total_variation_early(FLOATS, 1500, fits) == pytest.approx(float(exact), rel=4e-3, abs=0)


def test_entropy_follows_the_living_states():
    size, fits = 300, np.array([0, 1, 30, 150, 900])
    limit = divergence.entropy_from_support(FLOATS, size, fits)
    exact = np.concatenate([[shannon(FLOATS)], divergence.expected_entropy(FLOATS, size, fits[1:])])
    assert np.abs(limit - exact).max() < np.log(size) / size
    # the sum over generations, by hand
    alive = support.expected_support(FLOATS, size, np.arange(1, 30)) - 1
    assert limit[2] == pytest.approx(shannon(FLOATS) - (2 + alive.sum()) / (2 * size), rel=1e-12, abs=0)
    # near miss: Miller-Madow's K - 1 for ever
    assert shannon(FLOATS) - fits[3] * 2 / (2 * size) < exact[3] - 0.05


def test_diversity_time():
    size = 40
    total = 2 + sum(support.expected_support(FLOATS, size, np.arange(1, 2500)) - 1)
    assert divergence.diversity_time(FLOATS, size) == pytest.approx(total, rel=1e-11, abs=0)
    for size in (50, 400):
        refined = divergence.diversity_time_refined(FLOATS, size)
        assert refined == pytest.approx(divergence.diversity_time(FLOATS, size), abs=0.5 / size)
    assert divergence.diversity_time([1.0], 9) == 0


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: divergence.expected_chi_square(0, 5, 1), "states"),
        (lambda: divergence.expected_kl(FLOATS, 5, 0), "fits"),
        (lambda: divergence.expected_entropy(FLOATS, 5000, 1), "2000"),
        (lambda: divergence.mean_absolute_deviation(1.5, 5), "probability"),
        (lambda: divergence.entropy_from_support(FLOATS, 5, 10**7), "fits"),
    ],
)
def test_refusals(call, message):
    with pytest.raises(ValueError, match=message):
        call()

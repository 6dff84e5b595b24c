"""The large-sample limits, against 40-digit arithmetic and the exact lineage law."""

import mpmath
import numpy as np
import pytest

from modelcollapse_theory import fresh_limits, lineage_limits, lineages


def test_sequence_and_its_constant_in_forty_digits():
    with mpmath.workdps(40):
        a, n = mpmath.mpf(1), 1
        for target in (1, 2, 3, 100, 255, 256, 257, 258, 1000, 20_000):
            while n < target:
                a, n = -mpmath.expm1(-a), n + 1
            assert float(lineage_limits.surviving_fraction(n) / a - 1) == pytest.approx(0, abs=1e-15)
        u = 2 / a
        constant = u - mpmath.log(u) / 3 + 1 / (18 * u) + 1 / (135 * u**2) - n
        assert float(constant) == pytest.approx(lineage_limits.SURVIVAL_CONSTANT, abs=1e-13)


def test_late_expansion():
    n = np.array([10**6, 10**12])
    rest = 2 / lineage_limits.surviving_fraction(n) - n - np.log(n) / 3
    assert rest[0] == pytest.approx(lineage_limits.SURVIVAL_CONSTANT, abs=1e-5)
    assert rest[1] == pytest.approx(lineage_limits.SURVIVAL_CONSTANT, abs=1e-3)


def test_one_further_fit_is_the_map():
    n = np.array([1, 200, 255, 256, 257, 10**4, 10**7])
    np.testing.assert_allclose(
        lineage_limits.surviving_fraction(n + 1), -np.expm1(-lineage_limits.surviving_fraction(n)), rtol=2e-15
    )


@pytest.mark.parametrize("size", [1, 2, 5, 60, 600, 2000])
def test_mean_stays_within_the_stated_error(size):
    fits = np.unique(np.concatenate([np.arange(1, 12), np.geomspace(1, 8 * size + 8, 25).astype(int)]))
    error = np.abs(lineage_limits.expected_lineages_limit(size, fits) - lineages.expected_lineages(size, fits))
    assert np.all(error <= 0.42 / np.minimum(fits, size))
    if size >= 20:
        assert np.all(error <= 0.34 / np.minimum(fits, size))


def test_the_textbook_clock_is_the_near_miss():
    size, fits, k = 600, 10, np.arange(1.0, 2000)
    textbook = ((2 * k - 1) * np.exp(-k * (k - 1) * fits / size / 2)).sum()
    exact = lineages.expected_lineages(size, fits)
    assert textbook - exact > 16
    assert lineage_limits.expected_lineages_limit(size, fits) == pytest.approx(exact, abs=0.03)


def test_short_times_join_the_series():
    k = np.arange(1.0, 5000)
    for time in (0.99e-4, 3e-5):
        series = ((2 * k - 1) * np.exp(-k * (k - 1) * time / 2)).sum()
        assert lineage_limits._mean_lineages(time) == pytest.approx(series, abs=1e-9)
    assert lineage_limits.expected_lineages_limit(10**12, 1) == pytest.approx(1e12 + 1 / 3, rel=1e-15, abs=0)


@pytest.mark.parametrize("size", [100, 400])
@pytest.mark.parametrize("time", [0.3, 1, 4])
def test_coalescent_law_is_close_by_order_one_over_size(size, time):
    fits, j = int(size * time), np.arange(1, 61)
    limit = lineage_limits.lineage_law_limit(size, fits, j)
    distance = np.abs(limit - lineages.lineage_law(size, fits)[1:61]).sum() / 2
    assert limit.sum() == pytest.approx(1, abs=1e-8)
    assert distance < 2 / size


@pytest.mark.parametrize("size", [250, 1000])
@pytest.mark.parametrize("function", [np.log1p, np.sqrt, np.reciprocal])
def test_a_function_of_the_lineages_is_within_a_hundredth_of_one_over_size(function, size):
    fits = np.array([1, 2, 5, 20, 100, 600])
    values = np.append(0.0, function(np.arange(1.0, size + 1)))
    exact = lineages.lineage_expectation(size, fits, values)
    limit = [fresh_limits.lineage_expectation_limit(size, int(n), function) for n in fits]
    np.testing.assert_allclose(limit, exact, rtol=0.01 / size)
    assert np.all(np.abs(np.divide(limit[:-1], exact[1:]) - 1) > 1 / size)  # one fit early is another number


def test_refusals():
    with pytest.raises(ValueError, match="alternating sum"):
        lineage_limits.lineage_law_limit(1000, 100, 3)
    with pytest.raises(ValueError, match="fits"):
        lineage_limits.surviving_fraction(0)

"""Rare states, against the exact lineage law in large samples and a branching process iterated by hand."""

import math

import numpy as np
import pytest

from modelcollapse_theory import fixation, rare, support


def extinct(copies, fits):
    """P(critical Poisson branching from ``copies`` is extinct after ``fits`` steps), by its generating function."""
    q = 0.0
    for _ in range(fits):
        q = math.exp(q - 1)
    return q**copies


@pytest.mark.parametrize("count", [0.5, 3.0, 12.0])
@pytest.mark.parametrize("fits", [1, 4, 25])
def test_loss_is_the_limit_of_the_exact_chance(count, fits):
    errors = []
    for size in (1000, 4000):
        exact = float(support.absent_probability(count / size, size, fits))
        errors.append(abs(rare.rare_loss_probability(count, fits) - exact))
    assert errors[1] < 0.3 * errors[0] + 1e-12
    assert errors[1] < 2 * (fits + count) / 4000 * 0.2


def test_loss_from_the_branching_process():
    for fits in (1, 2, 7, 300):
        # Poisson(c) first copies, then fits - 1 steps each
        survive = 1 - extinct(1, fits - 1)
        assert rare.rare_loss_probability(2.5, fits) == pytest.approx(math.exp(-2.5 * survive), rel=1e-12, abs=0)
        assert rare.counted_loss_probability(3, fits) == pytest.approx(extinct(3, fits - 1), rel=1e-11, abs=0)
    assert rare.counted_loss_probability(0, 1) == 1
    assert rare.rare_loss_probability(7.0, 10**9) == pytest.approx(math.exp(-14e-9), rel=1e-9, abs=0)


@pytest.mark.parametrize("count", [0.3, 0.6, 1, 5, 20, 137.5])
def test_median_by_search(count):
    n = 1
    while rare.rare_loss_probability(count, n) < 0.5:
        n += 1
    assert rare.rare_loss_median(count) == n


def test_median_grows_by_2_885_for_each_copy():
    x = 2e9 / math.log(2)
    assert rare.rare_loss_median(1e9) == pytest.approx(x - math.log(x) / 3 - 0.798248, abs=1)
    np.testing.assert_array_equal(rare.rare_loss_median([5, 20, 100]), [13, 56, 286])


def test_mean_given_loss_has_the_logarithm():
    for count, size in ((5, 400), (50, 1000)):
        exact = float(fixation.conditional_loss_mean(count / size, size))
        assert rare.rare_loss_mean(count, size) == pytest.approx(exact, abs=0.05 / count)
        diffusion = 2 * count * math.log(size / count) / (1 - count / size)
        assert diffusion - exact > 1


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: rare.rare_loss_probability(-1, 3), "expected_count"),
        (lambda: rare.rare_loss_probability(1, 0), "fits"),
        (lambda: rare.counted_loss_probability(1.5, 3), "count"),
        (lambda: rare.rare_loss_median(0), "expected_count"),
        (lambda: rare.rare_loss_mean(9, 9), "below sample_size"),
    ],
)
def test_refusals(call, message):
    with pytest.raises(ValueError, match=message):
        call()

"""Kernel densities refitted to themselves, against enumeration of every resample with a two-point kernel."""

import itertools

import numpy as np
import pytest

from modelcollapse_theory import kde


def enumerate_chains(size, fits, width):
    """E of model variance and squared error of the mean, by all samples of a fair sign and of a kernel on -h, +h.

    Only the kernel's variance enters the theory, so that a kernel with two points is as good as a normal one.
    """
    samples = {}
    for points in itertools.product((-1.0, 1.0), repeat=size):
        samples[points] = samples.get(points, 0) + 0.5**size
    for _ in range(fits - 1):
        new: dict[tuple, float] = {}
        for points, chance in samples.items():
            h = width(np.array(points))
            shifted = sorted(x + s * h for x in points for s in (-1, 1))
            for draw in itertools.combinations_with_replacement(range(2 * size), size):
                ways = np.prod([1.0] + [1.0 + i for i in range(size)])
                for k in set(draw):
                    ways /= np.prod(np.arange(1, draw.count(k) + 1))
                key = tuple(shifted[k] for k in draw)
                new[key] = new.get(key, 0) + chance * ways / (2 * size) ** size
        samples = new
    variance = sum(c * (np.var(p) + width(np.array(p)) ** 2) for p, c in samples.items())
    error = sum(c * np.mean(p) ** 2 for p, c in samples.items())
    return variance, error


@pytest.mark.parametrize(("size", "fits"), [(2, 1), (2, 2), (2, 4), (3, 3)])
def test_fixed_bandwidth(size, fits):
    found = kde.fixed_bandwidth(0.7, size, fits)
    assert found == pytest.approx(enumerate_chains(size, fits, lambda p: 0.7), rel=1e-12)


@pytest.mark.parametrize("ddof", [0, 1])
@pytest.mark.parametrize(("size", "fits"), [(2, 1), (2, 4), (3, 3)])
def test_rule_bandwidth(size, fits, ddof):
    def width(points):
        return 1.06 * np.std(points, ddof=ddof) * size**-0.2

    found = kde.rule_bandwidth(size, fits, constant=1.06, ddof=ddof)
    assert found == pytest.approx(enumerate_chains(size, fits, width), rel=1e-12)


def test_accumulation_of_two_batches_by_enumeration():
    """M = 2: four real points in two signs, then all 16 + kernel signs of a second batch."""
    h, size = 0.6, 2
    variance = error = 0.0
    for first in itertools.product((-1.0, 1.0), repeat=2):
        shifted = [x + s * h for x in first for s in (-1, 1)]
        for second in itertools.product(shifted, repeat=2):
            pool = np.array([*first, *second])
            chance = 0.25 / 16
            variance += chance * (np.var(pool) + h**2)
            error += chance * np.mean(pool) ** 2
    found = kde.accumulated(h, size, 2)
    assert (found[0][1], found[1][1]) == pytest.approx((variance, error), rel=1e-12)


def two_batches(size, width):
    """M = 2, two batches: four real signs, then every pair of the four kernels' signs; E variance, E squared error."""
    variance = error = 0.0
    for first in itertools.product((-1.0, 1.0), repeat=size):
        h = width(np.array(first))
        shifted = [x + s * h for x in first for s in (-1, 1)]
        for second in itertools.product(shifted, repeat=size):
            pool = np.array([*first, *second])
            chance = 0.5**size / (2 * size) ** size
            variance += chance * (np.var(pool) + width(pool) ** 2)
            error += chance * np.mean(pool) ** 2
    return variance, error


@pytest.mark.parametrize(("ddof", "dimension"), [(0, 1), (1, 1), (1, 3)])
def test_a_rule_on_two_batches_by_enumeration(ddof, dimension):
    def width(points):
        return 0.8 * np.std(points, ddof=ddof) * points.size ** (-1 / (dimension + 4))

    found = kde.accumulated_rule(2, 2, constant=0.8, ddof=ddof, dimension=dimension)
    assert [x[1] for x in found] == pytest.approx(two_batches(2, width), rel=1e-12)


def test_a_shrinking_bandwidth_on_two_batches_by_enumeration():
    found = kde.accumulated([0.7, 0.4], 2, 2)
    assert [x[1] for x in found] == pytest.approx(two_batches(2, lambda p: 0.7 if p.size == 2 else 0.4), rel=1e-12)


def test_fresh_real_rows_by_enumeration():
    """M = 3, one real row: all signs of three real points, then of two kernels on them and of one real point."""
    h, variance, error = 0.6, 0.0, 0.0
    for first in itertools.product((-1.0, 1.0), repeat=3):
        shifted = [x + s * h for x in first for s in (-1, 1)]
        for second in itertools.product(shifted, shifted, (-1.0, 1.0)):
            chance = 1 / 8 / 36 / 2
            variance += chance * (np.var(second) + h**2)
            error += chance * np.mean(second) ** 2
    found = kde.fresh_real(h, 3, 2, 1)
    assert [x[1] for x in found] == pytest.approx((variance, error), rel=1e-12)


def test_limits_with_real_rows_and_of_accumulation():
    v, b = kde.fresh_real(0.2, 50, 3000, 5, variance=2.0)
    assert v[-1] + b[-1] == pytest.approx(2.0 + 10 * 0.04, rel=1e-12)
    none, replaced = kde.fresh_real(0.2, 50, 9, 0, variance=2.0), kde.fixed_bandwidth(0.2, 50, 9, variance=2.0)
    assert [x[-1] for x in none] == pytest.approx(replaced, rel=1e-12)
    ruled = kde.accumulated_rule(100, 4000)[0]
    assert ruled[-1] < 1.6 < kde.rule_bandwidth(100, 4)[0]
    assert ruled[-1] / ruled[1000] < 1.02


def test_what_is_conserved_and_what_grows():
    fits = np.arange(1, 60)
    variance, error = kde.fixed_bandwidth(0.3, 7, fits, variance=2.0)
    assert variance + error == pytest.approx(2.0 + fits * 0.09, rel=1e-13)
    variance, error = kde.accumulated(0.3, 7, 59, variance=2.0)
    assert variance + error == pytest.approx(2.0 + 0.09 * np.cumsum(1 / fits), rel=1e-13)
    assert kde.fixed_bandwidth(0.3, 7, 10**6)[0] == pytest.approx(7 * 0.09)
    assert kde.fixed_bandwidth(0.0, 7, 5)[0] == pytest.approx((6 / 7) ** 5)
    same = kde.rule_bandwidth(32, [0, 1, 9], constant=32**-0.3, ddof=1)
    assert same[0] == pytest.approx([1, 1, 1])
    assert same[1] == pytest.approx([0, 1 / 32, 9 / 32])
    assert kde.silverman_constant([1, 2]) == pytest.approx([(4 / 3) ** 0.2, 1.0])
    for dimension in (1, 2, 9):
        for constant in (1.0, kde.silverman_constant(dimension)):
            sizes = np.arange(2, 10**6, 997)
            assert np.all(kde.rule_factor(sizes, constant=constant, dimension=dimension) > 1)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: kde.fixed_bandwidth(-0.1, 5, 1), "bandwidth must lie in"),
        (lambda: kde.rule_factor(5, ddof=2), "ddof must be one of"),
        (lambda: kde.accumulated(0.1, 1, 2), "sample_size must be at least 2"),
        (lambda: kde.accumulated(0.1, 5, 0), "fits must be at least 1"),
        (lambda: kde.rule_bandwidth(5, 1, variance=0.0), "variance must be positive"),
        (lambda: kde.rule_factor(5, dimension=0), "dimension must be at least 1"),
        (lambda: kde.fresh_real(0.1, 5, 2, 6), "real must be at most"),
    ],
)
def test_refusals(call, message):
    with pytest.raises(ValueError, match=message):
        call()

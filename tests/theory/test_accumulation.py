"""Accumulation against its urn, enumerated in exact fractions, and against gamma functions at 40 digits."""

from fractions import Fraction
from math import comb

import numpy as np
import pytest

from modelcollapse_theory import accumulation, workflows

TRUTH = Fraction(1, 3)
mpmath = pytest.importorskip("mpmath")


def binomial(n, p):
    return ((k, comb(n, k) * p**k * (1 - p) ** (n - k)) for k in range(n + 1))


def spread(x, size):
    return 2 * Fraction(x, size) * (1 - Fraction(x, size)) / (2 * TRUTH * (1 - TRUTH))


def urn(sizes):
    """v after each batch, and the law of the pool's count of one of two states."""
    states, total, values = {0: Fraction(1)}, 0, [0.0]
    for size in sizes:
        new = {}
        for x, weight in states.items():
            for k, chance in binomial(size, Fraction(x, total) if total else TRUTH):
                new[x + k] = new.get(x + k, 0) + weight * chance
        states, total = new, total + size
        values.append(float(1 - sum(w * spread(x, total) for x, w in states.items())))
    return values, states


def urn_with_subsample(size, m, fits):
    states, total, model, pool = dict(binomial(size, TRUTH)), size, [0.0], [0.0]
    for _ in range(fits):
        pool.append(float(1 - sum(w * spread(x, total) for x, w in states.items())))
        new, kept = {}, Fraction(0)
        for x, weight in states.items():
            for j in range(m + 1):
                chance = weight * Fraction(comb(x, j) * comb(total - x, m - j), comb(total, m))
                if not chance:
                    continue
                kept += chance * spread(j, m)
                for k, w in binomial(size, Fraction(j, m)):
                    new[x + k] = new.get(x + k, 0) + chance * w
        model.append(float(1 - kept))
        states, total = new, total + size
    return model, pool


@pytest.mark.parametrize("size", [1, 2, 3])
def test_equal_batches(size):
    values, states = urn([size] * 5)
    assert accumulation.accumulate(size, np.arange(6)) == pytest.approx(values, rel=1e-13)
    assert accumulation.accumulate_sizes([size] * 5) == pytest.approx(values, rel=1e-13)
    present = float(1 - states.get(0, 0))
    assert accumulation.survival(1 / 3, size) == pytest.approx(present, rel=1e-13)
    support = float(2 - states.get(0, 0) - states.get(5 * size, 0))
    assert accumulation.expected_support([1 / 3, 2 / 3], size) == pytest.approx(support, rel=1e-13)


def test_batches_of_any_size():
    assert accumulation.accumulate_sizes([2, 1, 4, 3]) == pytest.approx(urn([2, 1, 4, 3])[0], rel=1e-13)
    # the near miss of dividing by the old pool
    assert accumulation.accumulate_sizes([2, 1])[2] != pytest.approx(1 - (1 - 1 / 2) * (1 - 1 / 4), rel=1e-2)


@pytest.mark.parametrize(("size", "m"), [(1, 1), (2, 2), (3, 2), (3, 3), (3, 1)])
def test_subsample(size, m):
    model, pool = urn_with_subsample(size, m, 4)
    got = accumulation.accumulate_subsample(size, 4, m)
    assert got[0] == pytest.approx(model, rel=1e-12)
    assert got[1] == pytest.approx(pool, rel=1e-12)
    assert [x.shape for x in accumulation.accumulate_subsample(size, 0, m)] == [(1,), (1,)]


@pytest.mark.parametrize(("size", "fits"), [(1, 4), (2, 1), (2, 10**6), (100, 7), (10**9, 2), (10**9, 10**6)])
def test_equal_batches_as_gamma_functions(size, fits):
    with mpmath.workdps(60):
        s = 1 / mpmath.sqrt(size)
        n = mpmath.mpf(fits)
        if size == 1:
            exact = mpmath.mpf(1)
        else:
            top = mpmath.gammaprod([n + 1 - s, n + 1 + s], [n + 1, n + 1])
            exact = 1 - top / (mpmath.gamma(1 - s) * mpmath.gamma(1 + s))
        limit = 1 - mpmath.sinpi(s) / (mpmath.pi * s)
    assert accumulation.accumulate(size, fits) == pytest.approx(float(exact), rel=1e-13)
    assert accumulation.accumulate_limit(size) == pytest.approx(float(limit), rel=1e-13)


@pytest.mark.parametrize(("size", "m"), [(1, 1), (2, 2), (7, 3), (50, 50), (50, 1)])
def test_subsample_settles(size, m):
    limit = accumulation.accumulate_subsample_limit(size, m)
    model, pool = accumulation.accumulate_subsample(size, 40_000, m)
    slope = (pool[-1] - pool[20_000]) * 1  # the rest of a sum of 1/t^2 from T is what T/2 to T added
    assert (model[-1] + (model[-1] - model[20_000]), pool[-1] + slope) == pytest.approx(limit, rel=1e-7)


def test_first_order_constants():
    model, pool = accumulation.accumulate_subsample_limit(10**6)
    assert 1e6 * model == pytest.approx(accumulation.LOSS_SUBSAMPLE_MODEL, rel=1e-5)
    assert 1e6 * pool == pytest.approx(accumulation.LOSS_SUBSAMPLE_POOL, rel=1e-5)
    assert 1e9 * accumulation.accumulate_limit(10**9) == pytest.approx(accumulation.LOSS_ACCUMULATE, rel=1e-8)
    partial = [float(sum(Fraction(1, i * i) for i in range(1, n + 1))) for n in range(6)]
    assert accumulation.first_order_loss(np.arange(6)) == pytest.approx(partial, rel=1e-13)
    assert accumulation.first_order_loss(10**6) == pytest.approx(np.pi**2 / 6 - 1e-6, rel=1e-11)
    assert accumulation.accumulate(10**9, 5) * 1e9 == pytest.approx(partial[5], rel=1e-8)


def gaussian_pool(size, fits, ddof):
    """E of the fitted variance and squared mean error, from raw sums over the pool, in fractions."""
    squares, cross = Fraction(size), Fraction(1, size)  # E sum x^2, E mean^2 of the first, real batch
    spreads, drifts = [1.0, 0.0], [0.0, float(cross)]
    total = size
    for n in range(fits):
        s = (squares - total * cross) / (total - ddof)
        if n == 0:
            spreads[1] = float(s)
        else:
            spreads.append(float(s))
            drifts.append(float(cross))
        # the new batch: mean = pool mean + noise of variance s/size; E sum x^2 = size (s + mean^2)
        squares += size * (s + cross)
        new = total + size
        cross = cross + Fraction(size, new) ** 2 * s / size
        total = new
    return spreads, drifts


@pytest.mark.parametrize(("size", "ddof"), [(2, 1), (5, 1), (5, 0), (1, 0)])
def test_gaussian(size, ddof):
    spreads, drifts = gaussian_pool(size, 6, ddof)
    got = accumulation.gaussian(size, 6, variance=3.0, ddof=ddof)
    assert got[0] == pytest.approx([3 * s for s in spreads], rel=1e-12)
    assert got[1] == pytest.approx([3 * d for d in drifts], rel=1e-12)


@pytest.mark.parametrize("size", [2, 10, 1000])
def test_unbiased_variance_limit(size):
    with mpmath.workdps(30):
        exact = mpmath.exp(mpmath.nsum(lambda t: mpmath.log1p(-1 / (t * (t * size - 1))), [2, mpmath.inf]))
    assert accumulation.unbiased_variance_limit(size) == pytest.approx(float(exact), rel=1e-13)


def test_pooling_beats_replacing_and_agrees_with_the_general_statement():
    lost, links = 1 / 6, 0.0
    for n in range(1, 5):  # n batches of 6 pooled; every pair with a model draw shares with chance v
        assert accumulation.accumulate(6, n) == pytest.approx(lost, rel=1e-12)
        pooled = 6 * n
        links = (pooled * lost - 1) / (pooled - 1)
        lost = float(workflows.pooled([pooled, 6], [[links, lost], [lost, lost]]))
    assert accumulation.accumulate(6, 4) < workflows.replace(6, 2)


def test_bad_arguments_are_named():
    for call, name in [
        (lambda: accumulation.accumulate(0, 1), "sample_size"),
        (lambda: accumulation.accumulate_sizes([3, 0]), "sizes"),
        (lambda: accumulation.accumulate_sizes(3), "sizes"),
        (lambda: accumulation.accumulate_subsample(3, 4, 5), "subsample"),
        (lambda: accumulation.accumulate_subsample_limit(3, 5), "subsample"),
        (lambda: accumulation.gaussian(1, 4), "sample_size"),
        (lambda: accumulation.unbiased_variance_limit(1), "sample_size"),
        (lambda: accumulation.survival(1.5, 3), "probability"),
    ]:
        with pytest.raises(ValueError, match=name):
            call()

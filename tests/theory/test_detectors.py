"""Detectors, against their own chains of two states: every data set of tiny pools, in exact fractions."""

from fractions import Fraction as F
from itertools import product
from math import comb

import numpy as np
import pytest

from modelcollapse_theory import NotCovered, detectors, fresh, selection, workflows

Q = F(1, 3)  # of the state that is counted
T, FALSE, SHARE, SIZE = F(7, 10), F(1, 5), F(3, 10), 4
RATES = (float(T), float(FALSE))


def binomial(n, p):
    return [(k, comb(n, k) * p**k * (1 - p) ** (n - k)) for k in range(n + 1)]


def judged(n, flagged, p):
    """How many of n items pass in either state, and are flagged in either state: (chance, (a0, a1, b0, b1))."""
    for left, w in binomial(n, 1 - flagged):
        for (a, u), (b, v) in product(binomial(left, p), binomial(n - left, p)):
            if w * u * v:
                yield w * u * v, (left - a, a, n - left - b, b)


def pools(x, size, real=None):
    """The pool by what passes and what is flagged, from the law with probability x; real counts are random if None."""
    for r, w in binomial(size, SHARE) if real is None else [(real, F(1))]:
        for (u, mine), (v, other) in product(judged(r, FALSE, Q), judged(size - r, T, x)):
            yield w * u * v, [a + b for a, b in zip(mine, other, strict=True)]


def losses(fit, fits, real=None, size=SIZE):
    """v_1, ..., v_n = 1 - E H/H0 of the chain; ``fit(x, pool)`` is the next probability."""
    first, found = 2 * Q * (1 - Q), []
    states = {F(k, size): w for k, w in binomial(size, Q)}
    for n in range(fits):
        if n:
            moved = {}
            for x, w in states.items():
                for u, pool in pools(x, size, real):
                    new = fit(x, pool)
                    moved[new] = moved.get(new, 0) + w * u
            states = moved
        found.append(float(1 - sum(w * 2 * x * (1 - x) for x, w in states.items()) / first))
    return found


def removal(fewest):
    return lambda x, pool: F(pool[1], pool[0] + pool[1]) if pool[0] + pool[1] >= fewest else x


def weighing(weight):
    def fit(x, pool):
        return (pool[1] + weight * pool[3]) / (pool[0] + pool[1] + weight * (pool[2] + pool[3]))

    return fit


@pytest.mark.parametrize("fewest", [1, 2, 3])
def test_removal_from_shares_and_from_counts_is_that_of_the_enumerated_chain(fewest):
    fits = np.arange(1, 5)
    seen = detectors.removed(SIZE, fits, float(SHARE), *RATES, fewest)
    np.testing.assert_allclose(seen, losses(removal(fewest), 4), rtol=1e-13)
    for real in (0, 1, 3, 4):
        seen = detectors.removed_counts(SIZE, fits, real, *RATES, fewest)
        np.testing.assert_allclose(seen, losses(removal(fewest), 4, real), rtol=1e-13)


@pytest.mark.parametrize("weight", [F(1, 5), F(1, 2), F(1)])
def test_weights_of_flagged_items_are_those_of_the_enumerated_chain(weight):
    fits = np.arange(1, 4)
    seen = detectors.weighted_flags(3, fits, float(SHARE), *RATES, float(weight))
    np.testing.assert_allclose(seen, losses(weighing(weight), 3, size=3), rtol=1e-13)
    for real in (0, 1, 3):
        seen = detectors.weighted_flag_counts(3, fits, real, *RATES, float(weight))
        np.testing.assert_allclose(seen, losses(weighing(weight), 3, real, size=3), rtol=1e-13)


def test_limits_are_where_the_recursions_end():
    args = (20, 0.2, 0.8, 0.1)
    assert detectors.removed_limit(*args) == pytest.approx(float(detectors.removed(20, 5_000, *args[1:])), rel=1e-12)
    assert detectors.removed_counts_limit(20, 4, 0.8, 0.1) == pytest.approx(
        float(detectors.removed_counts(20, 5_000, 4, 0.8, 0.1)), rel=1e-12
    )
    assert detectors.weighted_flags_limit(*args, 0.3) == pytest.approx(
        float(detectors.weighted_flags(20, 5_000, *args[1:], 0.3)), rel=1e-12
    )
    assert detectors.removed_limit(20, 0.0, 0.5, 0.1) == 1


def test_a_detector_that_flags_nothing_or_weighs_all_alike_changes_nothing():
    for fits in (0, 1, 2, 9):
        plain = workflows.random_mixing(20, fits, 0.2)
        assert detectors.removed(20, fits, 0.2, 0.0, 0.0) == pytest.approx(plain, rel=1e-12)
        assert detectors.refilled(20, fits, 0.2, 0.6, 0.6) == pytest.approx(plain, rel=1e-12)
        assert detectors.weighted_flags(20, fits, 0.2, 0.8, 0.1, 1.0) == pytest.approx(plain, rel=1e-12)
    assert detectors.removed_counts(20, 9, 4, 0.0, 0.0) == pytest.approx(workflows.fresh_counts(20, 9, 4), rel=1e-12)
    # a weight without end is removal, but for data sets that are empty
    near = detectors.weighted_flags(40, 9, 0.5, 0.8, 0.1, 1e-9)
    assert near == pytest.approx(detectors.removed(40, 9, 0.5, 0.8, 0.1), rel=1e-6)


def test_the_needed_detector_gives_the_share_that_was_asked_for():
    power = detectors.needed_true_positive(0.2, 0.6, 0.1)
    assert selection.detected_share(0.2, power, 0.1) == pytest.approx(0.6, rel=1e-14)
    assert detectors.needed_true_positive(0.2, 1.0) == 1
    with pytest.raises(NotCovered, match=r"target must be at least 0.2"):
        detectors.needed_true_positive(0.2, 0.1)


def test_the_unbiased_moments_are_those_of_enumerated_ancestries():
    """S and m by the chance that two items, with and without replacement, have one ancestor; N listed one by one."""
    size, t, f, g = 5, T, FALSE, SHARE
    s = g * (1 - f) + (1 - g) * (1 - t)
    kept = g * (1 - f) / s
    variance, error = F(1), F(1, size)
    seen = [(variance, error)]
    for _ in range(3):
        # E (x - mu_0)^2 and E (x - mu_0)(y - mu_0) of two items of one data set
        square, product_ = kept + (1 - kept) * (variance + error), (1 - kept) ** 2 * error
        new = [F(0), F(0)]
        for n, w in binomial(size, s):
            if n < 2:
                new[0] += w * variance
                new[1] += w * error
            else:
                new[0] += w * (square - product_)
                new[1] += w * (square + (n - 1) * product_) / n
        variance, error = new
        seen.append((variance, error))
    found = detectors.removed_unbiased(size, 4, float(g), float(t), float(f))
    np.testing.assert_allclose(np.transpose(found), np.array(seen, float), rtol=1e-13)


def test_removal_without_refill_hurts_and_the_table_of_a_pool_of_200():
    """Stationary losses at M = 200, g = 0.1: no detector, three better and better ones; and refilled."""
    rates = [(0.0, 0.0), (0.5, 0.05), (0.9, 0.1), (1.0, 0.0)]
    removed = [detectors.removed_limit(200, 0.1, *each) for each in rates]
    np.testing.assert_allclose(removed, [0.0258, 0.0284, 0.0376, 0.0525], atol=5e-5)
    refilled = [float(detectors.refilled(200, 10**5, 0.1, *each)) for each in rates[1:]]
    np.testing.assert_allclose(refilled, [0.0155, 0.0067, 0.0050], atol=5e-5)
    grid = np.linspace(0, 1, 11)
    for g in (0.01, 0.3, 0.9):
        ratio = detectors.removal_ratio(g, *np.meshgrid(grid[:-1], grid[:-1]))
        assert (ratio <= 1 + 1e-15).all()
        assert (np.sort(ratio.ravel())[:-1] < 1).all()  # equal to 1 at one corner alone
        assert detectors.removal_ratio(g, 1.0, 0.0) == pytest.approx(1 / (2 - g))


@pytest.mark.parametrize(("share", "t", "f"), [(0.1, 0.9, 0.1), (0.05, 0.5, 0.05), (0.3, 1.0, 0.0)])
def test_large_pools_have_the_limit_that_theta_says(share, t, f):
    """Relative error O(1/(M g)): ten times the pool, a tenth of the error."""
    errors = []
    for size in (2_000, 20_000):
        each = [
            detectors.removed_limit(size, share, t, f) * (1 + float(detectors.removal_theta(size, share, t, f))) - 1
        ]
        for weight in (0.2, 1.0):
            theta = float(detectors.weighted_theta(size, share, t, f, weight))
            each.append(detectors.weighted_flags_limit(size, share, t, f, weight) * (1 + theta) - 1)
        errors.append(np.abs(each))
    assert (errors[0] < 3 / (2_000 * share)).all()
    np.testing.assert_allclose(errors[0] / errors[1], 10, rtol=0.2)
    no_detector = detectors.weighted_theta(2_000, share, t, f, 1.0)
    assert no_detector == pytest.approx(float(fresh.theta(2_001, share)), rel=1e-12)
    none = detectors.weighted_theta(2_000, share, t, f, 0.0)
    assert none == pytest.approx(float(detectors.removal_theta(2_000, share, t, f)), rel=1e-12)


def test_the_best_weight_of_a_flagged_item():
    """The table of section 2B5 at M = 2000, and no weight of a fine grid does better."""
    table = {
        (0.01, 1.0, 0.0): (0.096, 209), (0.01, 0.9, 0.1): (0.26, 73.8), (0.01, 0.7, 0.1): (0.39, 52.2),
        (0.1, 1.0, 0.0): (0.28, 708), (0.1, 0.9, 0.1): (0.35, 560), (0.1, 0.7, 0.1): (0.44, 464),
        (0.5, 1.0, 0.0): (0.618, 1618),
    }  # fmt: skip
    for arguments, (weight, theta) in table.items():
        found = detectors.best_flag_weight(*arguments)
        assert found == pytest.approx(weight, abs=0.006)
        best = float(detectors.weighted_theta(2_000, *arguments, found))
        assert best == pytest.approx(theta, rel=0.01)
        assert best >= detectors.weighted_theta(2_000, *arguments, np.linspace(0, 1, 1001)).max() * (1 - 1e-9)
    assert detectors.best_flag_weight(0.2, 0.0, 0.0) == pytest.approx(0, abs=1)  # nothing is flagged: any weight


def test_what_is_refused():
    with pytest.raises(ValueError, match="must let something pass"):
        detectors.removed(10, 3, 0.2, 1.0, 1.0)
    with pytest.raises(ValueError, match="must let something pass"):
        detectors.removed_counts(10, 3, 10, 0.5, 1.0)
    with pytest.raises(NotCovered, match="sample_size must let 20 items pass"):
        detectors.removed_limit(10, 0.5, 0.5, 0.1, 20)
    with pytest.raises(ValueError, match="weight must lie in"):
        detectors.weighted_flags(10, 3, 0.2, 0.5, 0.1, 0.0)
    with pytest.raises(NotCovered, match="sample_size must be at most 2000"):
        detectors.removed_counts(3_000, 3, 10, 0.5, 0.1)

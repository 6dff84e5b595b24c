"""Diversity under replacement, against every count vector in exact fractions and 40-digit arithmetic."""

from fractions import Fraction

import mpmath
import numpy as np
import pytest
import wright_fisher
from hypothesis import given
from hypothesis import strategies as st

from modelcollapse_theory import replacement

LAW = [Fraction(1, 2), Fraction(3, 10), Fraction(1, 5)]
FLOATS = [0.5, 0.3, 0.2]


def gini(p):
    return 1 - sum(x * x for x in p)


@pytest.mark.parametrize("sizes", [[4], [4, 4], [4, 4, 4, 4], [3, 6, 2], [1, 2]])
def test_heterozygosity_by_enumeration(sizes):
    exact = wright_fisher.mean(wright_fisher.law_after(LAW, sizes), gini)
    assert replacement.expected_heterozygosity_schedule(FLOATS, sizes)[-1] == pytest.approx(exact, rel=1e-13, abs=1e-15)
    if len(set(sizes)) == 1:
        assert replacement.expected_heterozygosity(FLOATS, sizes[0], len(sizes)) == pytest.approx(
            exact, rel=1e-13, abs=0
        )


def test_heterozygosity_far_out():
    with mpmath.workdps(40):
        exact = float(mpmath.mpf("0.62") * (1 - mpmath.mpf(10) ** -9) ** 1_000_000)
    assert replacement.expected_heterozygosity(FLOATS, 10**9, 10**6) == pytest.approx(exact, rel=1e-14, abs=0)
    np.testing.assert_array_equal(replacement.expected_heterozygosity(FLOATS, 1, [0, 1, 2]), [0.62, 0, 0])
    assert replacement.heterozygosity([1.0, 0.0]) == 0
    assert replacement.heterozygosity([1.0, 1e-20]) == pytest.approx(2e-20, rel=1e-14, abs=0)


@pytest.mark.parametrize("fits", [1, 2, 4])
@pytest.mark.parametrize("size", [1, 2, 3, 5])
def test_heterozygosity_variance_by_enumeration(size, fits):
    law = wright_fisher.law_after(LAW, [size] * fits)
    exact = wright_fisher.mean(law, lambda p: gini(p) ** 2) - wright_fisher.mean(law, gini) ** 2
    assert replacement.heterozygosity_variance(FLOATS, size, fits) == pytest.approx(exact, rel=1e-11, abs=1e-15)


@pytest.mark.parametrize("q", [Fraction(1, 2), Fraction(1, 10)])
def test_heterozygosity_variance_does_not_cancel_in_large_samples(q):
    # H = 2x(1-x) for two states; factorial moments of the binomial law in fractions
    size = 10**8
    stirling = {1: [1], 2: [1, 1], 3: [1, 3, 1], 4: [1, 7, 6, 1]}

    def moment(m):
        falling, total = Fraction(1), Fraction(0)
        for j in range(1, m + 1):
            falling *= size - j + 1
            total += stirling[m][j - 1] * falling * q**j
        return total / size**m

    square = 4 * (moment(2) - 2 * moment(3) + moment(4))
    exact = float(square - (2 * (moment(1) - moment(2))) ** 2)
    got = replacement.heterozygosity_variance([float(q), 1 - float(q)], size, 1)
    assert got == pytest.approx(exact, rel=1e-9, abs=0)


@given(st.lists(st.integers(1, 9), min_size=2, max_size=5), st.integers(1, 5))
def test_distinct_states_by_enumeration(weights, size):
    exact_law = [Fraction(w, sum(weights)) for w in weights]
    law = wright_fisher.law_after(exact_law, [size])
    seen = wright_fisher.mean(law, lambda p: sum(x > 0 for x in p))
    square = wright_fisher.mean(law, lambda p: sum(x > 0 for x in p) ** 2)
    p = [float(x) for x in exact_law]
    assert replacement.expected_distinct(p, size) == pytest.approx(seen, rel=1e-12, abs=0)
    assert replacement.distinct_variance(p, size) == pytest.approx(square - seen**2, rel=1e-9, abs=1e-12)


def test_distinct_variance_at_a_thousand_million_draws():
    with mpmath.workdps(60):
        p = [mpmath.mpf(x) for x in ("0.25", "0.75")]
        rare = mpmath.mpf(3) / 10**9
        p = [rare, 2 * rare, 1 - 3 * rare]
        size = 10**9
        u = [(1 - x) ** size for x in p]
        exact = sum(x * (1 - x) for x in u) + sum(
            (1 - p[i] - p[k]) ** size - u[i] * u[k] for i in range(3) for k in range(3) if i != k
        )
        got = replacement.distinct_variance([float(x) for x in p], size)
        assert got == pytest.approx(float(exact), rel=1e-8, abs=0)
    assert replacement.distinct_variance([1.0], 7) == 0
    assert replacement.distinct_variance([0.5, 0.5], 1) == 0


def test_unseen_probability_over_its_whole_range():
    q, size = np.array([0.0, 1e-18, 1e-9, 0.5, 1.0]), 10**9
    with mpmath.workdps(40):
        exact = [float((1 - mpmath.mpf(float(x))) ** size) for x in q]
    np.testing.assert_allclose(replacement.unseen_probability(q, size), exact, rtol=1e-14)
    assert replacement.unseen_probability(0.02, 50) == pytest.approx(0.3642, abs=1e-4)


def test_limit_against_the_product():
    t = np.arange(1.0, 400_001)
    for size, growth in ((2, 1.5), (10, 2.0), (50, 3.0)):
        log = np.log1p(-1 / (size * t**growth)).sum()
        tail = t[-1] ** (1 - growth) / (size * (growth - 1))
        exact = 0.62 * np.exp(log - tail)
        assert replacement.heterozygosity_limit(FLOATS, size, growth) == pytest.approx(exact, rel=1e-8, abs=0)
    s = np.pi / np.sqrt(10)
    assert replacement.heterozygosity_limit(FLOATS, 10, 2) == pytest.approx(0.62 * np.sin(s) / s, rel=1e-13, abs=0)
    np.testing.assert_array_equal(replacement.heterozygosity_limit(FLOATS, [1, 5, 5], [2, 1, 0.5]), [0, 0, 0])


def test_the_chain_ends_at_a_state_with_its_original_probability():
    late = wright_fisher.law_after([Fraction(2, 7), Fraction(5, 7)], [3] * 60)
    assert wright_fisher.mean(late, lambda p: p[0] == 1) == pytest.approx(2 / 7, abs=1e-9)
    np.testing.assert_array_equal(replacement.fixation_probability([2 / 7, 5 / 7]), [2 / 7, 5 / 7])


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: replacement.expected_heterozygosity([0.5, 0.6], 5, 1), "sum to 1"),
        (lambda: replacement.expected_heterozygosity(FLOATS, 0, 1), "sample_size"),
        (lambda: replacement.expected_heterozygosity(FLOATS, 5, -1), "fits"),
        (lambda: replacement.unseen_probability(-0.1, 5), "probability"),
        (lambda: replacement.heterozygosity_limit(FLOATS, 5, -1.0), "growth"),
        (lambda: replacement.expected_heterozygosity_schedule(FLOATS, [[2]]), "sizes"),
    ],
)
def test_refusals(call, message):
    with pytest.raises(ValueError, match=message):
        call()

"""The states that are alive, against every count vector in exact fractions."""

from fractions import Fraction

import numpy as np
import pytest
import wright_fisher
from scipy.stats import binom

from modelcollapse_theory import lineages, support

LAW = [Fraction(1, 2), Fraction(3, 10), Fraction(1, 5)]
FLOATS = [0.5, 0.3, 0.2]


def alive(p):
    return sum(x > 0 for x in p)


@pytest.mark.parametrize("fits", [1, 2, 5])
def test_support_by_enumeration(fits):
    law = wright_fisher.law_after(LAW, [4] * fits)
    mean, square = wright_fisher.mean(law, alive), wright_fisher.mean(law, lambda p: alive(p) ** 2)
    exact = [wright_fisher.mean(law, lambda p, s=s: alive(p) == s) for s in range(4)]
    np.testing.assert_allclose(support.support_law(FLOATS, 4, fits), exact, rtol=1e-12)
    assert support.expected_support(FLOATS, 4, fits) == pytest.approx(mean, rel=1e-13, abs=0)
    assert support.support_variance(FLOATS, 4, fits) == pytest.approx(square - mean**2, rel=1e-11, abs=0)
    for state, q in enumerate(FLOATS):
        absent = wright_fisher.mean(law, lambda p, i=state: p[i] == 0)
        assert support.absent_probability(q, 4, fits) == pytest.approx(absent, rel=1e-13, abs=0)
        assert support.present_probability(q, 4, fits) == pytest.approx(1 - absent, rel=1e-13, abs=0)
    both = wright_fisher.mean(law, lambda p: p[1] == 0 and p[2] == 0)
    assert support.absent_probability(0.3 + 0.2, 4, fits) == pytest.approx(both, rel=1e-13, abs=0)


def test_matrix_power_and_lineages_agree():
    size, q = 80, 0.04
    chain = wright_fisher.two_state_chain(size)
    from_lineages = support.absent_probability(q, size, [1, 7, 200])
    after = [chain_absent(chain, q, size, n) for n in (1, 7, 200)]
    np.testing.assert_allclose(from_lineages, after, rtol=1e-11)
    assert from_lineages[0] == pytest.approx((1 - q) ** size, rel=1e-13, abs=0)
    # near misses: one fit early, and M + 1 for M
    assert abs(support.absent_probability(q, size, 6) / after[1] - 1) > 0.02
    assert abs(support.absent_probability(q, size + 1, 7) / after[1] - 1) > 1e-3


def chain_absent(chain, q, size, fits):
    return (binom.pmf(np.arange(size + 1), size, q) @ np.linalg.matrix_power(chain, fits - 1))[0]


def test_rare_and_certain_states():
    tiny = support.present_probability([0.0, 1e-18, 1.0], 50, 4)
    assert tiny[0] == 0
    assert tiny[1] == pytest.approx(1e-18 * float(lineages.expected_lineages(50, 4)), rel=1e-13, abs=0)
    assert tiny[2] == 1
    np.testing.assert_array_equal(support.absent_probability([0.0, 1.0], 50, 4), [1, 0])


def test_law_of_the_support_with_many_equal_states():
    # the ancestors are balls, the states boxes
    size, kinds, fits = 60, 12, 9
    expected = lineages.lineage_law(size, fits) @ lineages.occupancy_matrix(kinds, size)[:, : kinds + 1]
    law = support.support_law(np.full(kinds, 1 / kinds), size, fits)
    np.testing.assert_allclose(law, expected, rtol=1e-11, atol=1e-18)


def test_law_of_the_support_has_its_mean_and_variance():
    p, fits = np.array([0.4, 0.2, 0.2, 0.1, 0.06, 0.04]), np.array([[1, 4], [30, 400]])
    law = support.support_law(p, 150, fits)
    states = np.arange(law.shape[-1])
    mean = law @ states
    np.testing.assert_allclose(law.sum(axis=-1), 1, rtol=1e-12)
    np.testing.assert_allclose(mean, support.expected_support(p, 150, fits), rtol=1e-12)
    np.testing.assert_allclose(law @ states**2 - mean**2, support.support_variance(p, 150, fits), rtol=1e-9)


def test_more_states_than_items():
    law = support.support_law(np.full(50, 0.02), 5, 2)
    assert law.shape == (6,)
    assert law.sum() == pytest.approx(1, rel=1e-12, abs=0)


@pytest.mark.parametrize("left", [1, 2, 3, 5])
def test_time_to_few_states_sums_the_law(left):
    p, size = np.array([0.4, 0.3, 0.15, 0.1, 0.05]), 25
    n = np.arange(1, 1200)
    more = 1 - support.support_law(p, size, n)[:, : left + 1].sum(axis=-1)
    mean = 1 + more.sum()
    square = 1 + ((2 * n + 1) * more).sum()
    np.testing.assert_allclose(
        support.states_left_time_moments(p, size, left), (mean, square - mean**2), rtol=1e-9, atol=1e-9
    )


def test_large_sample_limit():
    p, size = np.array([0.7, 0.2, 0.08, 0.02]), 2000
    for fits in (1, 3, 20):
        exact = support.expected_support(p, size, fits)
        assert support.expected_support_limit(p, size, fits) == pytest.approx(float(exact), abs=fits / size)
    # early on the limit is nearly exact, and the crude a_n = 2/n is not
    exact = support.expected_support(p, 400, 8)
    assert support.expected_support_limit(p, 400, 8) == pytest.approx(float(exact), abs=2e-3)
    crude = (1 - (1 - p) ** (2 * 400 / 8)).sum()
    assert abs(crude - exact) > 0.05


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: support.expected_support(FLOATS, 5, 0), "fits"),
        (lambda: support.expected_support([0.1], 5, 1), "sum to 1"),
        (lambda: support.absent_probability(2.0, 5, 1), "probability"),
        (lambda: support.support_law(FLOATS, 5000, 1), "2000"),
        (lambda: support.states_left_time_moments(FLOATS, 5000, 1), "2000"),
        (lambda: support.states_left_time_moments(FLOATS, 50, 0), "states_left"),
    ],
)
def test_refusals(call, message):
    with pytest.raises(ValueError, match=message):
        call()

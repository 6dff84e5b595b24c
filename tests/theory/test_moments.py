"""Moments, spectrum and the two-state chain, against exact fractions and dense matrices."""

import math
from fractions import Fraction

import numpy as np
import pytest
import wright_fisher
from scipy.stats import binom

from modelcollapse_theory import moments

LAW = [Fraction(1, 2), Fraction(3, 10), Fraction(1, 5)]
FLOATS = [0.5, 0.3, 0.2]


@pytest.mark.parametrize("size", [2, 4])
@pytest.mark.parametrize("fits", [1, 3])
def test_moments_by_enumeration(size, fits):
    law = wright_fisher.law_after(LAW, [size] * fits)
    for power in range(6):
        exact = wright_fisher.mean(law, lambda p, m=power: p[1] ** m)
        assert moments.expected_power(0.3, size, fits, power) == pytest.approx(exact, rel=1e-13, abs=0)
    for powers in ((2, 0, 3), (1, 1, 1), (0, 0, 0), (4, 1, 0)):
        exact = wright_fisher.mean(law, lambda p, m=powers: math.prod(x**k for x, k in zip(p, m, strict=True)))
        assert moments.mixed_moment(FLOATS, size, fits, powers) == pytest.approx(exact, rel=1e-12, abs=1e-300)


def test_no_fit_leaves_the_original_law():
    assert moments.expected_power(0.3, 9, 0, 3) == pytest.approx(0.027)
    assert moments.mixed_moment(FLOATS, 9, 0, [1, 2, 0]) == pytest.approx(0.045)


def test_eigenvalues_and_multiplicities_of_the_whole_chain():
    vectors = list(wright_fisher.count_vectors(4, 3))
    chain = np.array(
        [[float(wright_fisher.multinomial(y, [Fraction(c, 4) for c in x])) for y in vectors] for x in vectors]
    )
    found = np.sort(np.linalg.eigvals(chain).real)
    stated = np.sort(np.repeat(moments.eigenvalues(4), moments.multiplicities(3, 4)))
    np.testing.assert_allclose(found, stated, atol=1e-7)  # the unit eigenvalue is triple
    assert np.trace(chain) == pytest.approx(stated.sum(), rel=1e-14, abs=0)
    assert sum(moments.multiplicities(7, 9)) == math.comb(9 + 6, 6)


@pytest.mark.parametrize("q", [1e-12, 0.003, 0.5, 0.9999, 1.0, 0.0])
@pytest.mark.parametrize("size", [1, 7, 1500])
def test_binomial_rows(q, size):
    row = moments.binomial_rows(size, np.array([q]))[0]
    np.testing.assert_allclose(row, binom.pmf(np.arange(size + 1), size, q), rtol=1e-11, atol=1e-290)


def test_marginal_law_and_long_jumps():
    size, q = 40, 0.3
    chain = wright_fisher.two_state_chain(size)
    law = binom.pmf(np.arange(size + 1), size, q) @ np.linalg.matrix_power(chain, 99)
    np.testing.assert_allclose(moments.marginal_law(q, size, 100), law, atol=1e-13)
    late = moments.marginal_law(q, size, 100_000)
    np.testing.assert_allclose(late[[0, -1]], [0.7, 0.3], rtol=1e-10)
    exact = wright_fisher.law_after([Fraction(1, 5), Fraction(4, 5)], [4, 4, 4])
    expected = [wright_fisher.mean(exact, lambda p, k=k: p[0] == Fraction(k, 4)) for k in range(5)]
    np.testing.assert_allclose(moments.marginal_law(0.2, 4, 3), expected, rtol=1e-13)


def test_marginal_expectation_in_any_order_of_fits():
    values = np.arange(11.0)[:, None] ** np.array([1, 2])
    got = moments.marginal_expectation([0.3, 0.6], 10, [[5, 1], [1, 2]], values)
    assert got.shape == (2, 2, 2)
    for fits, row in ((5, got[0, 0]), (1, got[0, 1]), (1, got[1, 0]), (2, got[1, 1])):
        for column, q in enumerate((0.3, 0.6)):
            law = moments.marginal_law(q, 10, fits)
            assert row[column] == pytest.approx(law @ values[:, column], rel=1e-12, abs=0)


def test_transient_density_against_the_chain():
    size, q, fits = 400, 0.2, 200
    law = moments.marginal_law(q, size, fits)
    inner = np.arange(20, 381)
    density = moments.transient_density(inner / size, q, size, fits) / size
    np.testing.assert_allclose(density, law[inner], rtol=1.2e-2)
    # near misses: the diploid clock, and one that runs twice as fast
    for wrong in (2 * fits, fits // 2):
        other = moments.transient_density(inner / size, q, size, wrong) / size
        assert np.abs(other / law[inner] - 1).max() > 0.1


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: moments.expected_power(1.5, 5, 1, 2), "probability"),
        (lambda: moments.expected_power(0.5, 5, 1, 2000), "power"),
        (lambda: moments.mixed_moment(FLOATS, 5, 1, [1, 2]), "3 states"),
        (lambda: moments.mixed_moment(FLOATS, 5, 1, [40, 40, 40]), "1024"),
        (lambda: moments.eigenvalues(4, 5), "largest"),
        (lambda: moments.marginal_law(0.5, 3000, 1), "2000"),
        (lambda: moments.transient_density(0.5, 0.5, 10**6, 10), "1e-4"),
    ],
)
def test_refusals(call, message):
    with pytest.raises(ValueError, match=message):
        call()

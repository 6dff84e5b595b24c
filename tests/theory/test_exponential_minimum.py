"""The exponential minimum, against quadrature of its densities, Erlang laws and enumerated draws."""

import itertools
from fractions import Fraction as F
from math import factorial

import numpy as np
import pytest
import scipy

from modelcollapse_theory import NotCovered, exponential_minimum

LAW = np.array([0.5, 0.3, 0.15, 0.05])


def test_draws_with_one_seed_are_one_draw():
    p, groups = (F(1, 2), F(3, 10), F(1, 5)), (2, 1)
    # M = 3 real draws, then two seeds, of which one makes two draws
    h0 = 1 - sum(x * x for x in p)

    def after(law, sizes):
        """Mean of H of the next fit, by all tokens of all seeds."""
        total, size = F(0), sum(sizes)
        for tokens in itertools.product(range(3), repeat=len(sizes)):
            weight, seen = F(1), [F(0)] * 3
            for token, count in zip(tokens, sizes, strict=True):
                weight *= law[token]
                seen[token] += F(count, size)
            total += weight * (1 - sum(x * x for x in seen))
        return total

    first, second = F(0), F(0)
    for tokens in itertools.product(range(3), repeat=3):
        weight = p[tokens[0]] * p[tokens[1]] * p[tokens[2]]
        law = [F(tokens.count(i), 3) for i in range(3)]
        first += weight * (1 - sum(x * x for x in law))
        second += weight * after(law, groups)
    found = exponential_minimum.seeded_heterozygosity(float(h0), groups, [1, 2])
    np.testing.assert_allclose(found, [float(first), float(second)], rtol=1e-13)
    np.testing.assert_array_equal(exponential_minimum.seeded_heterozygosity(0.6, [7], [1, 2, 3])[1:], 0.0)
    # seeds of their own: Wright and Fisher
    np.testing.assert_allclose(
        exponential_minimum.seeded_heterozygosity(0.6, [1] * 5, [1, 4]), 0.6 * 0.8 ** np.array([1, 4]), rtol=1e-14
    )


def test_the_winner_follows_the_law_and_its_uniform_a_beta_law():
    # -log(U)/p is exponential of rate p: P(i first) = p_i, whatever the time; then U = e^(-p s), s exponential
    a = 1 / LAW
    mean = [scipy.integrate.quad(lambda s, p=p: -np.log(-np.expm1(-p * s)) * np.exp(-s), 0, np.inf)[0] for p in LAW]
    square = [
        scipy.integrate.quad(lambda s, p=p: np.log(-np.expm1(-p * s)) ** 2 * np.exp(-s), 0, np.inf)[0] for p in LAW
    ]
    found = exponential_minimum.marked_score(LAW, 7)
    assert found[0] == pytest.approx(7 * LAW @ mean, rel=1e-9)
    assert found[1] == pytest.approx(7 * (LAW @ square - (LAW @ mean) ** 2), rel=1e-9)
    np.testing.assert_allclose(mean, scipy.special.digamma(1 + a) + np.euler_gamma, rtol=1e-9)
    assert exponential_minimum.marked_score([1.0], 7) == (pytest.approx(7), pytest.approx(7))


def test_the_score_is_bounded_by_entropy():
    rng = np.random.default_rng(0)
    for concentration in (0.05, 0.5, 5.0):
        for p in rng.dirichlet(np.full(6, concentration), 50):
            entropy = scipy.special.entr(p).sum()
            assert (
                exponential_minimum.marked_score(p, 3)[0] >= exponential_minimum.marked_score_least(entropy, 3) - 1e-12
            )
    # tangent at a sure token
    p = np.array([1 - 1e-7, 1e-7])
    rise = exponential_minimum.marked_score(p, 1)[0] - 1
    bound = exponential_minimum.marked_score_least(scipy.special.entr(p).sum(), 1) - 1
    assert 1 < rise / bound < 1.6


def test_unmarked_text_has_an_erlang_law():
    for pairs, score in ((1, 2.0), (4, 3.0), (9, 20.0)):
        exact = np.exp(-score) * sum(score**k / factorial(k) for k in range(pairs))
        assert exponential_minimum.score_rate(pairs, score) == pytest.approx(exact, rel=1e-12)
    level = exponential_minimum.least_score([5, 60], 1e-6)
    np.testing.assert_allclose(exponential_minimum.score_rate([5, 60], level), 1e-6, rtol=1e-10)


def test_power_is_that_of_the_density_convolved():
    # a sure token has the law of unmarked text
    for score in (1.0, 5.0, 30.0):
        assert exponential_minimum.score_power([1.0, 0.0], 5, score) == pytest.approx(
            float(exponential_minimum.score_rate(5, score)), abs=1e-10
        )
    # of one token -log(1 - U) has P(> s) = sum p (1 - (1 - e^-s)^(1/p)); five of them on a fine grid
    step = 2e-3
    s = np.arange(0, 60, step)
    above = (LAW * (1 - (-np.expm1(-s[:, None])) ** (1 / LAW))).sum(1)
    cells = above[:-1] - above[1:]
    law = np.ones(1)
    for _ in range(5):
        law = scipy.signal.fftconvolve(law, cells)[: cells.size]
    middles = (np.arange(law.size) + 2.5) * step  # each cell at its middle
    for score in (4.0, 9.0, 15.0):
        grid = np.interp(score, middles - step / 2, law[::-1].cumsum()[::-1])
        assert exponential_minimum.score_power(LAW, 5, score) == pytest.approx(grid, abs=2e-6)


def test_the_shortest_text_has_the_power_and_one_pair_less_has_not():
    pairs = exponential_minimum.least_score_pairs(0.9, 0.001, LAW)
    power = [
        exponential_minimum.score_power(LAW, n, float(exponential_minimum.least_score(n, 0.001)))
        for n in (pairs - 1, pairs)
    ]
    assert power[0] < 0.9 <= power[1]
    assert exponential_minimum.least_score_pairs(0.5, 0.499, np.full(50, 0.02)) == 4
    with pytest.raises(NotCovered, match="10000 pairs"):
        exponential_minimum.least_score_pairs(0.9, 0.001, [1.0])


def test_what_is_refused():
    with pytest.raises(NotCovered, match="pairs must be at least 4"):
        exponential_minimum.score_power(LAW, 3, 2.0)
    with pytest.raises(ValueError, match="groups must be a vector"):
        exponential_minimum.seeded_heterozygosity(0.5, [], 1)

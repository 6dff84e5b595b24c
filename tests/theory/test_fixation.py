"""The time until one state is left, against enumerated chains and linear systems of the forward chain."""

from fractions import Fraction
from math import comb

import mpmath
import numpy as np
import pytest
import wright_fisher
from scipy.stats import binom

from modelcollapse_theory import fixation

LAW = [Fraction(1, 2), Fraction(3, 10), Fraction(1, 5)]
FLOATS = [0.5, 0.3, 0.2]


def forward_moments(start, chain, absorbed, weight=None):
    """Mean and variance of the absorption time, one step before ``start``; with ``weight`` a Doob transform."""
    inner = np.flatnonzero(~absorbed)
    system = np.eye(inner.size) - chain[np.ix_(inner, inner)]
    survive = np.ones(inner.size) if weight is None else weight[inner]
    once = np.linalg.solve(system, survive)
    twice = np.linalg.solve(system, once)
    mean = start[inner] @ once
    return 1 + mean, 2 * (start[inner] @ twice) - mean - mean**2


@pytest.mark.parametrize("fits", [1, 2, 5])
def test_law_by_enumeration(fits):
    law = wright_fisher.law_after(LAW, [4] * fits)
    exact = wright_fisher.mean(law, lambda p: max(p) == 1)
    assert fixation.fixation_time_cdf(FLOATS, 4, fits) == pytest.approx(exact, rel=1e-13, abs=0)
    assert fixation.fixation_time_survival(FLOATS, 4, fits) == pytest.approx(1 - exact, rel=1e-13, abs=0)


def test_law_at_the_ends():
    np.testing.assert_array_equal(fixation.fixation_time_cdf(FLOATS, 9, [0, 10**6]), [0, 1])
    np.testing.assert_array_equal(fixation.fixation_time_survival([1.0, 0.0], 9, [0, 1]), [1, 0])
    assert fixation.fixation_time_cdf(FLOATS, 1, 1) == pytest.approx(1)


def test_both_tails_keep_their_digits():
    with mpmath.workdps(40):
        first = float(sum(mpmath.mpf(p) ** 1000 for p in FLOATS))
    assert fixation.fixation_time_cdf(FLOATS, 1000, 1) == pytest.approx(first, rel=1e-12, abs=0)
    late = fixation.fixation_time_survival(FLOATS, 20, [3000, 4000])
    assert late[0] < 1e-60
    assert late[1] / late[0] == pytest.approx((1 - 1 / 20) ** 1000, rel=1e-11, abs=0)


def test_moments_of_two_states():
    size, q = 60, 0.17
    chain, start = wright_fisher.two_state_chain(size), binom.pmf(np.arange(size + 1), size, q)
    absorbed = np.isin(np.arange(size + 1), [0, size])
    exact = forward_moments(start, chain, absorbed)
    np.testing.assert_allclose(fixation.fixation_time_moments([q, 1 - q], size), exact, rtol=1e-11)
    # near misses that the same numbers reject: a fit not counted, and M + 1 for M
    assert abs(fixation.fixation_time_moments([q, 1 - q], size)[0] - (exact[0] - 1)) > 0.5
    assert abs(fixation.fixation_time_moments([q, 1 - q], size + 1)[0] - exact[0]) > 0.5


def test_moments_of_three_states():
    size = 7
    vectors = list(wright_fisher.count_vectors(size, 3))
    chain = np.array(
        [[float(wright_fisher.multinomial(y, [Fraction(c, size) for c in x])) for y in vectors] for x in vectors]
    )
    start = np.array([float(wright_fisher.multinomial(x, LAW)) for x in vectors])
    absorbed = np.array([max(x) == size for x in vectors])
    exact = forward_moments(start, chain, absorbed)
    np.testing.assert_allclose(fixation.fixation_time_moments(FLOATS, size), exact, rtol=1e-12)


def test_moments_sum_the_law():
    p, size = np.full(25, 0.04), 30
    survival = fixation.fixation_time_survival(p, size, np.arange(1500))
    mean = survival.sum()
    variance = ((2 * np.arange(1500) + 1) * survival).sum() - mean**2
    np.testing.assert_allclose(fixation.fixation_time_moments(p, size), (mean, variance), rtol=1e-10)


def test_nearly_fixed_laws_keep_their_digits():
    excess = [(fixation.fixation_time_moments([1.0, tiny], 50)[1]) / tiny for tiny in (1e-10, 1e-20)]
    assert excess[0] == pytest.approx(excess[1], rel=1e-6, abs=0)
    assert fixation.fixation_time_moments([1.0], 50) == (1.0, 0.0)
    assert fixation.fixation_time_moments(FLOATS, 1) == (1.0, 0.0)


@pytest.mark.parametrize("q", [0.03, 0.4, 0.9])
def test_conditional_means_by_doob_transform(q):
    size = 50
    chain, start = wright_fisher.two_state_chain(size), binom.pmf(np.arange(size + 1), size, q)
    harmonic = np.arange(size + 1) / size
    inner = slice(1, size)
    system = np.eye(size - 1) - chain[inner, inner]
    fixed = 1 + start[inner] @ np.linalg.solve(system, harmonic[inner]) / q
    lost = 1 + start[inner] @ np.linalg.solve(system, 1 - harmonic[inner]) / (1 - q)
    assert fixation.conditional_fixation_mean(q, size) == pytest.approx(fixed, rel=1e-11, abs=0)
    assert fixation.conditional_loss_mean(q, size) == pytest.approx(lost, rel=1e-11, abs=0)
    mean = fixation.fixation_time_moments([q, 1 - q], size)[0]
    assert q * fixed + (1 - q) * lost == pytest.approx(mean, rel=1e-12, abs=0)


def test_founder_time_is_the_limit_of_many_states():
    # no two of 30 first items are alike when there are 10^9 equally likely states
    size = 30
    mean, variance = fixation.founder_time_moments(size)
    ancestors = 1 + np.linalg.solve(*_coalescence(size))[-1]
    assert mean == pytest.approx(ancestors, rel=1e-11, abs=0)
    p = np.full(2_000_000, 5e-7)
    np.testing.assert_allclose(fixation.fixation_time_moments(p, size), (mean, variance), rtol=1e-3)


def _coalescence(size):
    """I - L by inclusion-exclusion for surjections, in fractions, on 2..size lineages."""
    matrix = [
        [
            float(Fraction(comb(size, j) * sum((-1) ** i * comb(j, i) * (j - i) ** k for i in range(j + 1)), size**k))
            for j in range(2, size + 1)
        ]
        for k in range(2, size + 1)
    ]
    return np.eye(size - 1) - np.array(matrix), np.ones(size - 1)


@pytest.mark.parametrize("size", [2, 5, 60])
def test_tail_constant_is_that_of_the_law(size):
    fits = 25 * size
    exact = fixation.fixation_time_survival(FLOATS, size, fits)
    assert fixation.fixation_tail(FLOATS, size, fits) == pytest.approx(exact, rel=1e-11, abs=0)
    assert fixation.tail_constant(2000) == pytest.approx(3, abs=0.01)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: fixation.fixation_time_cdf(FLOATS, 5, -1), "fits"),
        (lambda: fixation.fixation_time_moments(FLOATS, 10**7), "sample_size"),
        (lambda: fixation.fixation_time_moments([0.2, 0.2], 5), "sum to 1"),
        (lambda: fixation.conditional_fixation_mean(0.0, 5), "probability"),
        (lambda: fixation.conditional_loss_mean(1.0, 5), "probability"),
        (lambda: fixation.fixation_tail(FLOATS, 1, 5), "at least 2"),
    ],
)
def test_refusals(call, message):
    with pytest.raises(ValueError, match=message):
        call()

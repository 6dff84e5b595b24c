"""The diffusion limits of the fixation time, against quadrature, a coalescent series and the exact law."""

import itertools

import mpmath
import numpy as np
import pytest
from scipy.integrate import quad

from modelcollapse_theory import fixation, fixation_diffusion, lineage_limits, support

FLOATS = [0.5, 0.3, 0.2]


def test_constant():
    assert pytest.approx(-0.7217024360518804, abs=1e-15) == fixation_diffusion.FIXATION_CONSTANT
    # Richardson on exact founder times, whose mean is 2M - (1/3) ln M + c_0 + c_1/M + ...
    rest = [fixation.founder_time_moments(m)[0] - 2 * m + np.log(m) / 3 for m in (500, 1000)]
    assert 2 * rest[1] - rest[0] == pytest.approx(fixation_diffusion.FIXATION_CONSTANT, abs=3e-6)


@pytest.mark.parametrize("p", [FLOATS, [0.1, 0.9], np.full(10, 0.1)])
@pytest.mark.parametrize("size", [20, 100, 400])
def test_refined_mean_is_one_order_better(p, size):
    exact = fixation.fixation_time_moments(p, size)[0]
    assert abs(fixation_diffusion.fixation_time_mean_refined(p, size) - exact) < 0.2 / size
    plain = fixation_diffusion.fixation_time_mean_limit(p, size) - exact
    assert 1 < plain < 0.34 * np.log(size) + 1


@pytest.mark.parametrize("q", [0.2, 0.5, 0.8])
def test_refined_conditional_means(q):
    size = 300
    for refined, exact in (
        (fixation_diffusion.conditional_fixation_mean_refined, fixation.conditional_fixation_mean),
        (fixation_diffusion.conditional_loss_mean_refined, fixation.conditional_loss_mean),
    ):
        assert refined(q, size) == pytest.approx(float(exact(q, size)), abs=0.3 / size)
    # the part for each end weighs into the whole
    whole = fixation_diffusion.fixation_time_mean_refined([q, 1 - q], size)
    parts = q * fixation_diffusion.conditional_fixation_mean_refined(q, size)
    parts += (1 - q) * fixation_diffusion.conditional_loss_mean_refined(q, size)
    assert parts == pytest.approx(whole, rel=1e-13, abs=0)


@pytest.mark.parametrize("q", [0.5, 0.07, 1e-4, 1e-9, 1e-14])
def test_second_moment_solves_the_backward_equation(q):
    # x(1-x)/2 u'' = -2 m, u = 0 at 0 and 1, by Green's function; m the mean with M = 1
    def forcing(x):
        return -8 * (np.log(x) / (1 - x) + np.log1p(-x) / x)

    near, far = quad(lambda x: x * forcing(x), 0, q)[0], quad(lambda x: (1 - x) * forcing(x), q, 1)[0]
    exact = (1 - q) * near + q * far
    assert fixation_diffusion.fixation_time_second_moment_limit([q, 1 - q], 1) == pytest.approx(exact, rel=1e-7, abs=0)


def test_second_moment_for_more_states_approaches_the_exact_one():
    errors = []
    for size in (100, 400):
        mean, variance = fixation.fixation_time_moments(FLOATS, size)
        limit = fixation_diffusion.fixation_time_second_moment_limit(FLOATS, size)
        errors.append(limit / (variance + mean**2) - 1)
    assert 0 < errors[1] < errors[0] / 2.5 < 0.02


@pytest.mark.parametrize("left", [1, 2, 3, 4])
def test_time_to_few_states_is_a_coalescent_sum(left):
    # the coalescent spends 2M/(k(k-1)) fits with k lineages, which show more than j types with chance P(D_k > j)
    p, size = np.array([0.3, 0.3, 0.2, 0.15, 0.05]), 50
    k = np.arange(2, 4000)

    def chance_of(types):
        """P(k draws show exactly this set), by inclusion-exclusion inside the set."""
        return sum(
            (-1) ** (len(types) - r) * p[list(part)].sum() ** k
            for r in range(1, len(types) + 1)
            for part in itertools.combinations(types, r)
        )

    few = sum(chance_of(types) for s in range(1, left + 1) for types in itertools.combinations(range(5), s))
    total = (2 * size / (k * (k - 1)) * (1 - few)).sum() + 2 * size / k[-1]
    assert fixation_diffusion.states_left_time_limit(p, size, left) == pytest.approx(total, rel=1e-9, abs=0)
    exact = support.states_left_time_moments(p, size, left)[0]
    assert 0 < total - exact < np.log(size)
    if left == 1:
        mean = fixation_diffusion.fixation_time_mean_limit(p, size)
        assert fixation_diffusion.states_left_time_limit(p, size, 1) == pytest.approx(mean, rel=1e-12, abs=0)


def test_kimura_is_tavare_in_other_words():
    # sum_j P(A(t) = j) p^j with Tavare's law in 40 digits, at the t of 1000 fits of 2000 items
    p = mpmath.mpf("0.2")
    with mpmath.workdps(40):
        time = mpmath.mpf(float(lineage_limits.coalescent_time(2000, 1000)))
        total = sum(
            mpmath.exp(-k * (k - 1) * time / 2)
            * (-1) ** (k - j)
            * (2 * k - 1)
            * mpmath.rf(j, k - 1)
            / (mpmath.factorial(j) * mpmath.factorial(k - j))
            * p**j
            for k in range(1, 30)
            for j in range(1, k + 1)
        )
    assert fixation_diffusion.fixation_probability_by_limit(0.2, 2000, 1000) == pytest.approx(float(total), abs=1e-13)


@pytest.mark.parametrize("size", [100, 400])
@pytest.mark.parametrize("time", [0.3, 1, 3])
def test_kimura_against_the_exact_chance(size, time):
    fits = int(size * time)
    exact = support.absent_probability(0.8, size, fits)
    limit = fixation_diffusion.fixation_probability_by_limit(0.2, size, fits)
    assert limit == pytest.approx(float(exact), abs=0.03 / size)
    # near miss: the diploid 4N for 2M
    assert abs(fixation_diffusion.fixation_probability_by_limit(0.2, 2 * size, fits) / exact - 1) > 0.2


def test_edges():
    assert fixation_diffusion.fixation_time_mean_limit([1.0], 10) == 0
    assert fixation_diffusion.fixation_time_second_moment_limit([1.0], 10) == 0
    assert fixation_diffusion.states_left_time_limit(FLOATS, 10, 3) == 0
    assert lineage_limits.SURVIVAL_CONSTANT > 0
    with pytest.raises(ValueError, match="two positive"):
        fixation_diffusion.fixation_time_mean_refined([1.0, 0.0], 10)
    with pytest.raises(ValueError, match="20"):
        fixation_diffusion.states_left_time_limit(np.full(25, 0.04), 10, 3)
    with pytest.raises(ValueError, match="1e-4"):
        fixation_diffusion.fixation_probability_by_limit(0.5, 10**6, 3)

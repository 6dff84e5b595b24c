"""Each map of laws against the enumeration of the choice it stands for."""

import itertools
from fractions import Fraction
from math import comb

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelcollapse_theory import selection

LAW = [0.1, 0.2, 0.3, 0.4]


def test_temperature_one_generation_at_a_time():
    p = np.array(LAW)
    for n in range(6):
        assert selection.tempered(LAW, 0.7, n) == pytest.approx(p, rel=1e-11)
        p = p ** (1 / 0.7)
        p = p / p.sum()


def test_temperature_far_out():
    assert selection.tempered([0.4, 0.4, 0.2, 0.0], 0.5, 5_000) == pytest.approx([0.5, 0.5, 0, 0])
    assert selection.tempered([0.4, 0.4, 0.2, 0.0], 2.0, 5_000) == pytest.approx([1 / 3, 1 / 3, 1 / 3, 0])
    # a Gaussian's density to the power 1/tau has tau times the variance
    x = np.linspace(-8, 8, 4_001)
    density = np.exp(-(x**2) / 2)
    law = selection.tempered(density / density.sum(), 0.8, 3)
    assert law @ x**2 == pytest.approx(0.8**3, rel=1e-6)


def fixation(x, size, s):
    """P(fix) of the two-state chain in fractions, by Gaussian elimination."""

    def step(share):
        p = (1 + s) * share / (1 + s * share)
        return [comb(size, k) * p**k * (1 - p) ** (size - k) for k in range(size + 1)]

    rows = [step(Fraction(i, size)) for i in range(1, size)]
    n = size - 1
    a = [[Fraction(i == j) - rows[i][j + 1] for j in range(n)] + [rows[i][size]] for i in range(n)]
    for i in range(n):
        for j in range(n):
            if j != i:
                factor = a[j][i] / a[i][i]
                a[j] = [u - factor * v for u, v in zip(a[j], a[i], strict=True)]
    value = [Fraction(0), *(a[i][n] / a[i][i] for i in range(n)), Fraction(1)]
    return float(sum(comb(size, k) * x**k * (1 - x) ** (size - k) * value[k] for k in range(size + 1)))


@pytest.mark.parametrize("size", [1, 2, 5])
@pytest.mark.parametrize("s", [Fraction(1, 3), Fraction(0), Fraction(-1, 4)])
def test_exact_fixation(size, s):
    x = Fraction(2, 7)
    got = selection.fixation_probability_exact(float(x), size, float(s))
    assert got == pytest.approx(fixation(x, size, s), rel=1e-12)


def test_fixation_in_the_diffusion_limit():
    for size, s in [(400, 0.004), (400, -0.004), (800, 0.002)]:
        exact = selection.fixation_probability_exact(0.2, size, s)
        assert selection.fixation_probability(0.2, size, s) == pytest.approx(exact, rel=2.5 * abs(s))
        # the textbook's 4N is the near miss
        assert abs(selection.fixation_probability(0.2, 2 * size, s) / exact - 1) > 0.2
    assert selection.fixation_probability([0.0, 0.3, 1.0], 50, 0.0) == pytest.approx([0, 0.3, 1])
    assert selection.fixation_probability([0.0, 1.0], 10**9, [0.5, -0.5]) == pytest.approx([0, 1])
    assert selection.fixation_probability(0.3, 50, 1e-13) == pytest.approx(0.3)
    up, down = selection.fixation_probability(0.3, 50, 0.02), selection.fixation_probability(0.7, 50, -0.02)
    assert up + down == pytest.approx(1)


def chosen(p, reward, k):
    """The law of the pick, over all K^k draws."""
    result = np.zeros(len(p))
    for draw in itertools.product(range(len(p)), repeat=k):
        weight = np.exp([reward[i] for i in draw])
        for i, w in zip(draw, weight / weight.sum(), strict=True):
            result[i] += w * np.prod([p[j] for j in draw])
    return result


@given(st.lists(st.floats(-4, 4), min_size=4, max_size=4), st.integers(1, 5))
def test_curation(reward, k):
    assert selection.curated(LAW, reward, k) == pytest.approx(chosen(LAW, reward, k), rel=1e-10)


def test_curation_with_extreme_rewards_and_many_choices():
    got = selection.curated([0.5, 0.5], [0.0, -400.0], 3)
    assert got == pytest.approx([1 - 0.5**3, 0.5**3], rel=1e-9)  # the worse one only if alone
    reward = [1.0, 0.0, 0.3, -2.0]
    assert selection.curated(LAW, reward, 10**5) == pytest.approx(selection.tilted(LAW, reward, 1), rel=1e-4)


def test_tilting_composes():
    reward = [1.0, 0.0, 0.3, -2.0]
    p = np.array(LAW)
    for n in range(4):
        assert selection.tilted(LAW, reward, n) == pytest.approx(p, rel=1e-12)
        p = p * np.exp(reward)
        p = p / p.sum()
    assert selection.tilted([0.5, 0.5, 0], [1, 2, 3], 10**6) == pytest.approx([0, 1, 0])


def test_filters_by_counting():
    """A thousand items, 300 right: 240 right and 70 wrong pass."""
    assert selection.verified_precision(0.3, 0.8, 0.1) == pytest.approx(240 / 310)
    threshold = 0.1 / 0.9
    assert selection.verified_precision([threshold - 0.01, threshold + 0.01], 0.8, 0.1) == pytest.approx(
        [0.5, 0.5], abs=0.03
    )
    below, above = selection.verified_precision([threshold - 0.01, threshold + 0.01], 0.8, 0.1)
    assert below < 0.5 < above
    # 100 real of 1000; 5 real and 810 of 900 synthetic are removed
    assert selection.detected_share(0.1, 0.9, 0.05) == pytest.approx(95 / 185)


def test_bad_arguments_are_named():
    for call, name in [
        (lambda: selection.tempered(LAW, 0.0, 1), "temperature"),
        (lambda: selection.curated(LAW, [1.0], 2), "reward"),
        (lambda: selection.curated(LAW, [0, 0, 0, 600.0], 2), "reward"),
        (lambda: selection.curated(LAW, [0, 0, 0, 6.0], 0), "choices"),
        (lambda: selection.tilted(LAW, [1.0], 2), "reward"),
        (lambda: selection.fixation_probability(0.1, 10, -1.0), "advantage"),
        (lambda: selection.fixation_probability_exact(0.1, 10**5, 0.1), "sample_size"),
        (lambda: selection.verified_precision(0.5, 0.0, 0.0), "keep_right"),
        (lambda: selection.detected_share(0.0, 1.0, 0.0), "true_positive"),
    ]:
        with pytest.raises(ValueError, match=name):
            call()

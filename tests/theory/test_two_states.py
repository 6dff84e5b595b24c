"""The chain of one count against the enumeration of every path, in fractions."""

import itertools
from fractions import Fraction as F
from math import comb

import numpy as np
import pytest

from modelcollapse_theory import NotCovered, selection, two_states

CUBE = [F(0), F(1, 8), F(4, 7), F(1)]  # a rule without symmetry, M = 3


def binomial(n, p):
    return [comb(n, j) * p**j * (1 - p) ** (n - j) for j in range(n + 1)]


def enumerated(response, p, fits, real=0):
    """The law of the count after so many fits, over all paths of counts."""
    size = len(response) - 1
    out = [F(0)] * (size + 1)
    for path in itertools.product(range(size + 1), repeat=fits):
        weight = binomial(size, p)[path[0]]
        for now, new in itertools.pairwise(path):
            weight *= sum(
                binomial(real, p)[a] * binomial(size - real, response[now])[new - a]
                for a in range(real + 1)
                if 0 <= new - a <= size - real
            )
        out[path[-1]] += weight
    return [float(x) for x in out]


@pytest.mark.parametrize("real", [0, 1, 3])
def test_law_of_the_count(real):
    for fits in (1, 2, 4):
        found = two_states.count_law([float(x) for x in CUBE], 0.3, fits, real)
        assert found == pytest.approx(enumerated(CUBE, F(3, 10), fits, real), abs=1e-15)
    assert two_states.count_law([float(x) for x in CUBE], 0.3, 9, real) == pytest.approx(
        two_states.count_law([float(x) for x in CUBE], 0.3, 5, real)
        @ np.linalg.matrix_power(two_states.next_counts([float(x) for x in CUBE], 3, real, 0.3), 4)
    )


def test_another_size_and_a_chain_without_models():
    rows = two_states.next_counts([float(x) for x in CUBE], 2, 1, 0.25)
    for j, phi in enumerate(CUBE):
        assert rows[j] == pytest.approx([0.75 * (1 - phi), 0.75 * phi + 0.25 * (1 - phi), 0.25 * phi])
    assert two_states.next_counts([0.1, 0.2], 2, 2, 0.5) == pytest.approx(np.tile([0.25, 0.5, 0.25], (2, 1)))


def test_who_takes_over_and_when():
    """By hand at M = 2: from one of each, with phi(1/2) = q, both ends are hit with q^2 and (1 - q)^2."""
    for q in (0.5, 0.7):
        over = q * q / (q * q + (1 - q) ** 2)
        assert two_states.takes_over([0, q, 1]) == pytest.approx([0, over, 1])
        assert two_states.absorption_time([0, q, 1]) == pytest.approx([0, 1 / (1 - 2 * q * (1 - q)), 0])
    # the last fit of all but never ending absorption: P(absorbed) rises to 1 at the rate of the slowest mode
    phi = [float(x) for x in CUBE]
    late, later = (two_states.count_law(phi, 0.3, n)[1:-1].sum() for n in (30, 31))
    assert later / late == pytest.approx(two_states.decay(phi), rel=1e-9)
    size, s = 12, 0.3
    share = np.arange(size + 1) / size
    over = two_states.takes_over((1 + s) * share / (1 + s * share))
    first = [comb(size, k) * 0.2**k * 0.8 ** (size - k) for k in range(size + 1)]
    assert first @ over == pytest.approx(selection.fixation_probability_exact(0.2, size, s), rel=1e-12)


def test_metastable_times_of_temperature():
    share = np.arange(41) / 40
    for tau, expected in [(0.9, 20.7), (1.0, 53.7), (1.05, 130), (1.1, 432), (1.25, 25269)]:
        odds = np.array([selection.tempered([p, 1 - p], tau, 1)[0] for p in share])
        assert two_states.absorption_time(odds)[20] == pytest.approx(expected, rel=5e-3)
    with pytest.raises(NotCovered, match="response"):
        two_states.absorption_time([0.0, *np.full(199, 0.5), 1.0])


def test_stationary_law_in_fractions():
    """Detailed balance does not hold; the linear system in fractions does."""
    response, real, p = [F(1, 10), F(1, 2), F(3, 4)], 1, F(1, 5)
    rows = [[sum(binomial(real, p)[a] * binomial(1, phi)[j - a] for a in range(2) if 0 <= j - a <= 1) for j in range(3)]
            for phi in response]  # fmt: skip
    pi = two_states.stationary_counts([0.1, 0.5, 0.75], 1, 0.2)
    assert pi @ np.array(rows, float) == pytest.approx(pi, abs=1e-15)
    assert pi.sum() == pytest.approx(1)
    # P(absent) of the neutral chain with random shares has its own theorem elsewhere; its mean is the truth
    g, share = 0.2, np.arange(21) / 20
    assert two_states.stationary_counts((1 - g) * share + g * 0.3) @ share == pytest.approx(0.3)
    assert two_states.stationary_counts([0.0, 0.3, 0.5]) == pytest.approx([1, 0, 0])
    with pytest.raises(NotCovered, match="response"):
        two_states.stationary_counts([0, 0.5, 1])


def test_spectrum_of_linear_rules():
    share = np.arange(16) / 15
    assert two_states.decay(share) == pytest.approx(1 - 1 / 15)
    assert two_states.decay(0.75 * share + 0.1) == pytest.approx(0.75)
    assert two_states.decay(share, 3, 0.4) == pytest.approx(0.8)
    assert two_states.decay([0.5, 0.5]) == pytest.approx(0, abs=1e-12)


def picked(p, w, k):
    """The share of picks of the first type, over all 2^k draws."""
    out = F(0)
    for draw in itertools.product((0, 1), repeat=k):
        ones = sum(draw)
        out += p**ones * (1 - p) ** (k - ones) * ones * w / (ones * w + k - ones)
    return out


@pytest.mark.parametrize("k", [1, 2, 4, 5])
def test_pick_among_k(k):
    w = F(5, 3)
    found = two_states.choice_share([[0.2, 0.5], [0.0, 1.0]], np.log(5 / 3), k)
    expected = [[picked(F(1, 5), w, k), picked(F(1, 2), w, k)], [F(0), F(1)]]
    assert found == pytest.approx(np.array(expected, float), rel=1e-13)
    # of first order in the reward, in fractions: the remainder falls like r^2
    for p in (F(1, 5), F(2, 3)):
        gaps = []
        for r in (F(1, 100), F(1, 200)):
            step = picked(p, 1 + r + r * r / 2, k) - p
            gaps.append(float(step) - float(two_states.choice_advantage(float(r), k)) * float(p * (1 - p)))
        assert abs(gaps[0]) < 1e-4
        assert abs(gaps[1]) < 0.26 * abs(gaps[0]) + 1e-12  # like r^2, and like r^3 for k = 2


def test_weak_curation_fixes_like_weak_fitness():
    size, r = 100, 0.05
    first = two_states.next_counts([0.2, 0.2], size)[0]
    for k in (2, 4, 16):
        exact = first @ two_states.takes_over(two_states.choice_share(np.arange(size + 1) / size, r, k))
        limit = two_states.choice_fixation(0.2, size, r, k)
        assert limit == pytest.approx(exact, rel=r)
        # strength r for every k is the near miss
        if k < 16:
            assert abs(selection.fixation_probability(0.2, size, r) / exact - 1) > 0.1
    with pytest.raises(NotCovered, match="reward"):
        two_states.choice_fixation(0.2, size, 1.5, 2)


def test_bad_arguments_are_named():
    for call, name in [
        (lambda: two_states.next_counts([0.5], 3), "response"),
        (lambda: two_states.next_counts([0.5, 1.5], 3), "response"),
        (lambda: two_states.next_counts([0.5, 0.5], 3, 4, 0.5), "real_size"),
        (lambda: two_states.takes_over([0.1, 0.5, 1.0]), "response"),
        (lambda: two_states.choice_share(0.5, 0.0, 0), "choices"),
    ]:
        with pytest.raises(ValueError, match=name):
            call()

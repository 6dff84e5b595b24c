"""Green lists, against every list of a small vocabulary in fractions, iterated maps, and the note's numbers."""

import itertools
from fractions import Fraction as F
from math import comb, exp, log, sqrt

import numpy as np
import pytest
import scipy

from modelcollapse_theory import NotCovered, screening, watermarks

P = (F(1, 2), F(1, 5), F(3, 20), F(1, 10), F(1, 20))
SHIFT = log(3)  # e^shift = 3


def floats(values):
    return np.array(values, float)


def tail(n, count, g):
    return float(sum(comb(n, k) * g**k * (1 - g) ** (n - k) for k in range(count, n + 1)))


def test_the_normal_rate_of_the_z_test_is_too_small():
    for pairs, green, printed in ((64, F(1, 4), 1.23e-4), (63, F(1, 4), 8.6e-5), (64, F(1, 2), 1.2e-5)):
        mean, sd = float(pairs * green), sqrt(pairs * green * (1 - green))
        rate = tail(pairs, int(mean + 4 * sd) + 1, green)
        assert watermarks.z_rate(pairs, 4, float(green)) == pytest.approx(rate, rel=1e-12)
        assert rate == pytest.approx(printed, rel=0.02)
    assert watermarks.z_rate([64, 200], 4, 0.25)[1] == pytest.approx(6.2e-5, rel=0.01)
    assert float(scipy.special.ndtr(-4)) == pytest.approx(3.17e-5, rel=1e-3)
    # a score that is just z is not above it: 24 of 48 is 4 deviations
    assert watermarks.z_rate(48, 4, 0.25) == pytest.approx(tail(48, 25, F(1, 4)), rel=1e-12)


@pytest.mark.parametrize("rate", [0.5, 0.25, 0.0625, 1e-3, 1e-9, 0.0, 1.0])
def test_the_threshold_is_the_least_count_whose_tail_is_rare_enough(rate):
    for pairs in (1, 2, 7, 30):
        count, attained = watermarks.least_count(pairs, rate, 0.25)
        tails = [tail(pairs, c, F(1, 4)) for c in range(pairs + 2)]
        least = next(c for c, t in enumerate(tails) if t <= rate * (1 + 1e-15))
        assert (count, attained) == (least, pytest.approx(tails[least], rel=1e-12, abs=1e-300))


def counted(followers, words, listed):
    """Law of the number of green tokens by all lists, one for each previous token."""
    law = {0: F(1)}
    for k in followers:
        one = {}
        for chosen in itertools.combinations(range(words), listed):
            green = sum(token < k for token in chosen)
            one[green] = one.get(green, F(0)) + F(1, comb(words, listed))
        new = {}
        for (a, p), (b, q) in itertools.product(law.items(), one.items()):
            new[a + b] = new.get(a + b, F(0)) + p * q
        law = new
    return [law.get(n, F(0)) for n in range(sum(followers) + 1)]


@pytest.mark.parametrize("followers", [(1, 1, 1, 1), (1, 2, 3), (4, 4), (5,)])
def test_tokens_after_the_same_one_share_a_list_and_the_binomial_rate_is_a_bound(followers):
    words, listed = 5, 2
    law, total = counted(followers, words, listed), sum(followers)
    np.testing.assert_allclose(watermarks.green_count_law(followers, words, listed), floats(law), atol=1e-15)
    single = set(followers) == {1}
    for count in range(total + 1):
        exact, binomial = float(sum(law[count:])), tail(total, count, F(listed, words))
        if single:
            assert exact == pytest.approx(binomial, rel=1e-13)
        elif count >= total * listed / words + 1:
            assert exact <= binomial * (1 + 1e-13)
    # and more than a bound below the mean it is not: the variance is smaller
    values = np.arange(total + 1.0)
    spread = floats(law) @ (values - total * listed / words) ** 2
    assert spread == pytest.approx(total * 0.24) if single else spread < total * 0.24


def mean_over_lists(p, listed, rise):
    lists = list(itertools.combinations(range(len(p)), listed))
    mass = [sum(p[i] for i in chosen) for chosen in lists]
    return sum((1 + rise) * m / (1 + rise * m) for m in mass) / len(lists)


@pytest.mark.parametrize("law", [P, (F(1),) + (F(0),) * 4, (F(1, 5),) * 5, (F(1, 2), F(1, 2), F(0), F(0), F(0))])
def test_a_marked_token_is_green_with_the_mean_over_all_lists(law):
    for listed, rise in itertools.product((1, 2, 5), (F(2), F(1, 10**6), F(10**6))):
        exact, shift = float(mean_over_lists(law, listed, rise)), log(float(rise) + 1)
        found = watermarks.marked_green(floats(law), listed, shift)
        assert found == pytest.approx(exact, rel=1e-9 if rise < 1 else 1e-12)
        least = watermarks.marked_green_least(floats(law), listed, shift)
        assert least <= exact * (1 + 1e-12)
        if len(set(law)) == 1 or max(law) == 1:
            assert least == pytest.approx(exact, rel=1e-12)
        if listed < 5:
            assert found <= float(screening.green_rate(listed / 5, shift)) * (1 + 1e-12)
    assert watermarks.marked_green(floats(law), 2, 0.0) == pytest.approx(0.4)


def test_power_is_that_of_independent_tokens_and_grows_with_entropy():
    chances = [F(1, 2), F(1, 3), F(3, 4), F(1, 5)]
    law = [F(0)] * 5
    for outcome in itertools.product((0, 1), repeat=4):
        weight = F(1)
        for q, green in zip(chances, outcome, strict=True):
            weight *= q if green else 1 - q
        law[sum(outcome)] += weight
    for count in range(6):
        assert watermarks.marked_power(floats(chances), count) == pytest.approx(float(sum(law[count:])), abs=1e-15)
    count, _ = watermarks.least_count(64, 1e-3, 0.25)
    powers = []
    for sharpness in (0.0, 1.0, 2.0, 4.0):
        p = (1 / np.arange(1, 41.0)) ** sharpness
        q = watermarks.marked_green(p / p.sum(), 10, 2.0)
        powers.append(watermarks.marked_power(np.full(64, q), count))
    assert powers[0] > 0.9999
    assert powers[-1] < 0.1
    assert all(a > b for a, b in itertools.pairwise(powers))


def test_the_shortest_text_has_both_rates_and_no_shorter_one_does():
    pairs, count = watermarks.least_pairs(0.9, 0.001, 0.25, 0.6)
    assert tail(pairs, count, F(1, 4)) <= 0.001
    assert tail(pairs, count, F(3, 5)) >= 0.9
    for fewer in range(1, pairs):
        threshold = next(c for c in range(fewer + 2) if tail(fewer, c, F(1, 4)) <= 0.001)
        assert tail(fewer, threshold, F(3, 5)) < 0.9
    even = float(screening.green_rate(0.25, 2.0))
    assert watermarks.least_pairs(0.9, 0.001, 0.25, even) == screening.watermark_least(0.9, 0.001, 0.25, 2.0)
    with pytest.raises(ValueError, match=r"marked must lie in \(0.25, 1\]"):
        watermarks.least_pairs(0.9, 0.001, 0.25, 0.25)
    with pytest.raises(NotCovered, match="100000 pairs"):
        watermarks.least_pairs(0.9, 0.001, 0.25, 0.2501)


def marked(p, green, rise):
    raised = [x * (1 + rise) if i in green else x for i, x in enumerate(p)]
    return [x / sum(raised) for x in raised]


def test_one_key_is_selection_whose_odds_and_loss_are_those_of_the_iterated_map():
    green, p = (1, 3), P
    mass = sum(P[i] for i in green)
    for k in range(5):
        seen = sum(p[i] for i in green)
        assert watermarks.green_mass(float(mass), SHIFT, k) == pytest.approx(float(seen), rel=1e-13)
        loss = -sum(float(a) * log(b) for a, b in zip(P, p, strict=True))
        assert watermarks.marked_loss(floats(P), green, SHIFT, k) == pytest.approx(loss, rel=1e-13)
        p = marked(p, green, 2)
    # the note: 40 words by Zipf's law
    np.testing.assert_allclose(watermarks.green_mass(0.229, 2.0, [1, 2, 3]), [0.687, 0.942, 0.992], atol=6e-4)
    late = watermarks.marked_loss([0.3, 0.3, 0.4], [0], 400.0, 2)
    assert late == pytest.approx(scipy.special.entr([0.3, 0.3, 0.4]).sum() + 800 * 0.7 + log(0.3), rel=1e-14)
    np.testing.assert_array_equal(watermarks.green_mass([0.0, 1.0], 500.0, 1000), [0.0, 1.0])
    assert watermarks.marked_loss([0.5, 0.5], [0, 1], 2.0, 3) == pytest.approx(log(2))


@pytest.mark.parametrize("share", [0.01, 0.3, 1.0])
@pytest.mark.parametrize("shift", [0.0, 0.01, 2.0])
def test_real_data_balance_the_mark_where_the_map_stands_still(share, shift):
    mass = 0.2
    for _ in range(6_000):
        mass = share * 0.2 + (1 - share) * exp(shift) * mass / (1 + (exp(shift) - 1) * mass)
    assert watermarks.green_balance(0.2, shift, share) == pytest.approx(mass, rel=1e-9)
    np.testing.assert_allclose(watermarks.green_balance([0.0, 1.0], 0.1, 0.3), [0.0, 1.0], atol=1e-15)


def chain(size, fits, start, steps):
    law = [F(0)] * (size + 1)
    for k in range(size + 1):
        law[k] = comb(size, k) * start**k * (1 - start) ** (size - k)
    for _ in range(fits - 1):
        new = [F(0)] * (size + 1)
        for x, weight in enumerate(law):
            for chance, q in steps(F(x, size)):
                for k in range(size + 1):
                    new[k] += weight * chance * comb(size, k) * q**k * (1 - q) ** (size - k)
        law = new
    return floats(law)


def test_the_chains_of_finite_data_are_enumerated():
    tilt = lambda x: 3 * x / (1 + 2 * x)  # noqa: E731
    for fits in (1, 2, 3):
        exact = chain(4, fits, F(1, 5), lambda x: [(1, tilt(x))])
        np.testing.assert_allclose(watermarks.green_chain(4, fits, 0.2, SHIFT), exact, atol=1e-14)
        exact = chain(4, fits, F(1, 5), lambda x: [(F(1, 2), tilt(x)), (F(1, 2), 1 - tilt(1 - x))])
        np.testing.assert_allclose(watermarks.two_token_chain(4, fits, 0.2, SHIFT), exact, atol=1e-14)


def test_a_new_key_each_generation_is_a_random_walk_of_log_ratios():
    words, listed = 5, 2
    steps = [SHIFT * ((0 in chosen) - (1 in chosen)) for chosen in itertools.combinations(range(words), listed)]
    one = float(np.mean(np.square(steps)))
    assert np.mean(steps) == pytest.approx(0)
    np.testing.assert_allclose(watermarks.walk_variance([0, 1, 4], SHIFT, listed, words), [0, one, 4 * one])
    np.testing.assert_allclose(watermarks.walk_variance([1, 5, 20], 2.0, 10, 40), [1.538, 7.692, 30.77], rtol=1e-3)


def test_what_is_refused():
    for call, message in (
        (lambda: watermarks.green_count_law([3], 2, 1), "from 1 to vocabulary = 2"),
        (lambda: watermarks.green_count_law([1], 2, 3), "green must be at most vocabulary = 2"),
        (lambda: watermarks.marked_green([0.5, 0.5], 3, 1.0), "green must be at most the 2 tokens"),
        (lambda: watermarks.marked_loss([0.5, 0.5], [0, 0], 1.0, 1), "different numbers below 2"),
        (lambda: watermarks.marked_power([], 1), "vector of 1 to 20000"),
        (lambda: watermarks.walk_variance(1, 1.0, 1, 1), "vocabulary must be at least 2"),
    ):
        with pytest.raises(ValueError, match=message):
            call()

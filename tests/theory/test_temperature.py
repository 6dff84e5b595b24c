"""Temperature against real data: multipliers by differences, limits by iteration, the normal law by quadrature."""

import numpy as np
import pytest
from scipy import integrate, stats

from modelcollapse_theory import NotCovered, fresh_gaussian, gaussian, selection, temperature

ZIPF = (1 / np.arange(1, 1001)) / (1 / np.arange(1, 1001)).sum()


def step(p, tau, g, p0):
    q = p ** (1 / tau)
    return (1 - g) * q / q.sum() + g * p0


@pytest.mark.parametrize(("states", "g"), [(2, 0.1), (3, 0.25), (50, 0.4)])
def test_multiplier_of_a_small_deviation(states, g):
    tau, flat = 0.8, np.full(states, 1 / states)
    moved = flat * (1 + 1e-6 * np.where(np.arange(states) == 0, states - 1, -1) / states)
    after = step(moved, tau, g, flat)
    assert (after - flat)[0] / (moved - flat)[0] == pytest.approx(temperature.uniform_multiplier(tau, g), rel=1e-5)


def test_detector_that_keeps_a_uniform_law():
    tau, g, f = 0.8, 0.1, 0.05
    t = temperature.detector_for_uniform(tau, g, f)
    assert 0 < t < 1
    share = selection.detected_share(g, t, f)
    assert temperature.uniform_multiplier(tau, share) == pytest.approx(1)
    assert temperature.detector_for_uniform(tau, 0.3) == 0


def test_hysteresis():
    """The largest share at which a dominant state stands still, by a grid over its probability."""
    for states, tau in [(2, 0.8), (3, 0.8), (10, 0.8), (1000, 0.9), (10, 0.5)]:
        x = 1 / states + (1 - 1 / states) * np.linspace(1e-4, 1 - 1e-7, 400_001)
        b = 1 / tau
        phi = x**b / (x**b + (states - 1) ** (1 - b) * (1 - x) ** b)
        grid = ((phi - x) / (phi - 1 / states)).max()
        assert temperature.cured_share(states, tau) == pytest.approx(grid, abs=2e-5)
    assert temperature.cured_share(10, 0.8) == pytest.approx(0.274, abs=5e-4)
    assert temperature.cured_share(10, 1.2) == 0


def test_both_limits_between_the_two_shares():
    flat, top = np.full(10, 0.1), np.eye(10)[3]
    for g, collapsed in [(0.25, 0.504), (0.30, 0.1)]:
        assert temperature.tempered_limit(flat, 0.8, g) == pytest.approx(flat)
        found = temperature.tempered_limit(flat, 0.8, g, top)
        assert found[3] == pytest.approx(collapsed, abs=5e-4)
        assert step(found, 0.8, g, flat) == pytest.approx(found, abs=1e-12)
        # one scalar solves it
        c = (1 - g) / (found**1.25).sum()
        assert found - c * found**1.25 == pytest.approx(g * flat, abs=1e-12)


def test_each_fit():
    p0, start = np.array([0.5, 0.3, 0.2, 0.0]), np.array([0.1, 0.1, 0.7, 0.1])
    p = start
    for n in range(1, 6):
        assert temperature.tempered_share(p0, 0.7, 0.2, n, start) == pytest.approx(p, rel=1e-12)
        p = step(p, 0.7, 0.2, p0)
    assert temperature.tempered_share(p0, 0.7, 0.0, 4) == pytest.approx(selection.tempered(p0, 0.7, 3))


def test_a_skewed_truth_loses_its_words():
    for tau, counts in [(0.9, (1.9, 3.7, 12.4, 36.0, 100.8)), (0.8, (1.6, 2.4, 5.4, 11.5, 45.4))]:
        for g, words in zip((0.05, 0.1, 0.2, 0.3, 0.5), counts, strict=True):
            found = temperature.tempered_limit(ZIPF, tau, g)
            assert temperature.effective_states(found) == pytest.approx(words, abs=0.06)
    # what persists from a rare word is that word
    wrong = temperature.tempered_limit(ZIPF, 0.9, 0.1, np.eye(1000)[499])
    assert wrong.argmax() == 499
    assert temperature.effective_states(wrong) == pytest.approx(4.6, abs=0.06)


def test_share_that_keeps_so_many_words():
    answer = temperature.share_to_keep_words(ZIPF, 0.9, 50)
    assert answer.achieved == pytest.approx(50, rel=1e-5)
    assert answer.achieved >= 50 > answer.achieved_aside
    found = temperature.tempered_limit(ZIPF, 0.9, answer.value)
    assert temperature.effective_states(found) == pytest.approx(answer.achieved, rel=1e-6)
    assert not answer.exact
    # a flat truth: the number jumps where uniform loses its stability, since a tie does not last
    flat = temperature.share_to_keep_words(np.full(10, 0.1), 0.8, 9.99)
    assert flat.value == pytest.approx(0.2, abs=5e-3)
    assert temperature.share_to_keep_words(ZIPF, 1.0, 100).value == 0
    assert temperature.share_to_keep_words([0.5, 0.5], 0.5, 2.0).value == 1
    with pytest.raises(ValueError, match="words"):
        temperature.share_to_keep_words(ZIPF, 0.9, 500)


def test_normal_log_variance_by_quadrature():
    size, tau = 7, 0.8

    def expected(ddof):
        return integrate.quad(lambda x: np.log(x / (size - ddof)) * stats.chi2.pdf(x, size - 1), 0, 200)[0]

    for ddof in (0, 1):
        found = temperature.normal_log_variance(tau, size, [1, 2, 5], ddof=ddof)
        assert found == pytest.approx(np.array([1, 2, 5]) * expected(ddof) + np.array([0, 1, 4]) * np.log(tau))
        balance = float(temperature.balancing_temperature(size, ddof=ddof))
        assert np.log(balance) == pytest.approx(-expected(ddof))
    assert gaussian.expected_log_variance(size, 1) < 0 < np.log(temperature.balancing_temperature(size))


def test_normal_variance_with_real_data():
    for tau, g in [(0.8, 0.2), (1.2, 0.2), (1.2, 1 - 1 / 1.2), (1.5, 0.2), (0.9, 0.0)]:
        variance = 1.0
        for n in range(1, 12):
            assert temperature.normal_variance(tau, g, n) == pytest.approx(variance, rel=1e-12)
            variance = (1 - g) * tau * variance + g
    assert temperature.normal_variance_limit([0.8, 1.2, 1.5, 1.0], [0.2, 0.2, 0.2, 0.0]) == pytest.approx(
        [0.2 / 0.36, 5, np.inf, 1]
    )
    # many draws: the finite recursion of fresh data has the same limit
    size = 10**9
    settled = fresh_gaussian.stationary(size, size // 5, sampling_bias=0.8)[1]
    assert settled == pytest.approx(temperature.normal_variance_limit(0.8, 0.2), rel=1e-6)


def test_bad_arguments_are_named():
    for call, name in [
        (lambda: temperature.uniform_multiplier(0.0, 0.1), "temperature"),
        (lambda: temperature.cured_share(1, 0.5), "states"),
        (lambda: temperature.tempered_share([0.5, 0.5], 0.5, 0.1, 2, [1.0]), "start"),
        (lambda: temperature.detector_for_uniform(1.0, 0.1), "temperature"),
    ]:
        with pytest.raises(ValueError, match=name):
            call()
    with pytest.raises(NotCovered, match="share"):
        temperature.tempered_limit([0.5, 0.5], 0.8, 0.2, [0.6, 0.4])

"""Weights of known labels, against the recursion solved by brute force and a Kalman filter written out."""

import numpy as np
import pytest

from modelcollapse_theory import weights, workflows


def lowest(real, synthetic, fits):
    """v_1, ..., v_n with each weight found on a grid."""
    grid = np.linspace(0, 1, 100_001)
    v = [1 / (real + synthetic)]
    for _ in range(fits - 1):
        v.append((grid**2 / real + (1 - grid) ** 2 * (v[-1] + (1 - v[-1]) / synthetic)).min())
    return np.array(v)


@pytest.mark.parametrize(("real", "synthetic"), [(10, 90), (3, 5), (1, 1), (40, 2)])
def test_no_weight_does_better_at_any_fit(real, synthetic):
    path = weights.best_path(real, synthetic, 8)
    np.testing.assert_allclose(path, lowest(real, synthetic, 8), rtol=1e-8)
    schedule = weights.best(real, synthetic, 8)
    assert schedule[0] == 1
    v = path[0]
    for weight, after in zip(schedule[1:], path[1:], strict=True):
        v = weight**2 / real + (1 - weight) ** 2 * (v + (1 - v) / synthetic)
        assert v == pytest.approx(after, rel=1e-13)


@pytest.mark.parametrize(("real", "synthetic"), [(10, 90), (10, 990), (1, 1), (5, 10**6)])
def test_the_stationary_weight_and_the_square_root_law(real, synthetic):
    v, w = float(weights.best_loss(real, synthetic)), float(weights.best(real, synthetic))
    assert 1 / v == pytest.approx(real + 1 / (v + (1 - v) / synthetic), rel=1e-12)
    assert w == pytest.approx(real * v)
    grid = np.linspace(0.001, 0.999, 999)
    losses = workflows.weighted_limit(real + synthetic, real, grid)
    assert v <= losses.min() * (1 + 1e-12)
    assert workflows.weighted_limit(real + synthetic, real, w) == pytest.approx(v, rel=1e-12)
    if synthetic > 50 * real:
        assert v * np.sqrt(real * synthetic) == pytest.approx(1, rel=2 * np.sqrt(real / synthetic))
        assert workflows.fresh_counts_limit(real + synthetic, real) == pytest.approx(1 / (2 * real), rel=0.1)


def test_the_values_of_the_catalogue():
    np.testing.assert_allclose(weights.best_loss(10, [90, 990]), [0.0279052, 0.0095147], rtol=1e-5)
    np.testing.assert_allclose(
        weights.kalman_error(10, [990, 990, 90], [0, 0.005, 0.002]), [0.009558, 0.02169, 0.03024], rtol=5e-4
    )
    assert workflows.fresh_counts_limit(1000, 10) == pytest.approx(0.0479, abs=5e-5)


@pytest.mark.parametrize(("real", "synthetic", "drift"), [(10, 990, 0.0), (10, 990, 0.005), (4, 4, 0.3), (1, 1, 0.0)])
def test_a_kalman_filter_with_that_process_noise_has_this_gain_and_error(real, synthetic, drift):
    prior, q = 1.0, 1 / synthetic + drift
    for _ in range(3_000):
        predicted = prior + q
        gain = predicted / (predicted + 1 / real)
        prior = (1 - gain) * predicted
    assert weights.kalman_error(real, synthetic, drift) == pytest.approx(prior, rel=1e-10)
    assert weights.kalman_gain(real, synthetic, drift) == pytest.approx(gain, rel=1e-10)
    best = weights.moving_mean_limit(real, synthetic, gain, drift)
    assert best == pytest.approx(prior, rel=1e-10)
    others = weights.moving_mean_limit(real, synthetic, np.linspace(0.01, 1, 100), drift)
    assert (others >= best * (1 - 1e-12)).all()


def test_the_error_of_a_mean_that_moves_is_that_of_simulated_normal_steps():
    """Variances of independent normal steps add: the recursion, step by step."""
    error = 0.3
    for _ in range(4):
        error = 0.2**2 / 5 + 0.8**2 * (error + 1 / 20 + 0.01)
    assert weights.moving_mean_error(5, 20, 0.2, 0.01, 0.3, 4) == pytest.approx(error, rel=1e-13)
    assert weights.moving_mean_error(5, 20, 0.0, 0.01, 0.3, 4) == pytest.approx(0.3 + 4 * 0.06, rel=1e-13)
    assert weights.moving_mean_error(5, 20, 0.2, fits=10**6) == pytest.approx(
        float(weights.moving_mean_limit(5, 20, 0.2)), rel=1e-12
    )


def test_the_mean_of_equal_parts_has_the_golden_ratio():
    assert weights.best(7, 7, of="mean") == pytest.approx((np.sqrt(5) - 1) / 2, rel=1e-14)
    k = 2.5  # k real items for one synthetic: He, Xu and Cheng
    assert weights.best(5, 2, of="mean") == pytest.approx((np.sqrt(k**2 + 4 * k) - k) / 2, rel=1e-14)
    path = weights.best(5, 2, 6, of="mean")
    assert path[0] == 1
    assert path[-1] == pytest.approx(float(weights.best(5, 2, of="mean")), rel=1e-3)


def test_the_weight_of_one_item():
    w = float(weights.best(10, 90))
    omega = float(weights.item_weight(10, 90, w))
    assert 10 / (10 + 90 * omega) == pytest.approx(w)
    assert weights.item_weight(10, 90, 0.1) == pytest.approx(1)  # w = r/M is pooling

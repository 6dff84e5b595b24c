"""Expressivity and learner bias, against exact enumeration, quadrature by other means and explicit iteration."""

import itertools
from fractions import Fraction

import numpy as np
import pytest
from scipy import stats

from modelcollapse_theory import errors, gaussian

MIXTURE = ([0.3, 0.7], [-2.0, 1.5], [0.5, 1.2])


def test_mixture_moments_by_sums():
    x, step = np.linspace(-20, 20, 40_001, retstep=True)
    density = sum(w * stats.norm.pdf(x, m, np.sqrt(v)) for w, m, v in zip(*MIXTURE, strict=True))
    mean, variance, kurtosis = errors.mixture_moments(*MIXTURE)
    centred = x - mean
    assert step * density @ x == pytest.approx(mean, rel=1e-10)
    assert step * density @ centred**2 == pytest.approx(variance, rel=1e-10)
    assert step * density @ centred**4 / variance**2 - 3 == pytest.approx(kurtosis, rel=1e-10)


@pytest.mark.parametrize("size", [2, 3, 5])
def test_first_fit_by_enumeration(size):
    """E s^4 over every sample from a law on three points, in exact fractions; then one normal fit, with chi-squares."""
    points, weights = [Fraction(0), Fraction(1), Fraction(5)], [Fraction(1, 2), Fraction(1, 3), Fraction(1, 6)]
    mean = sum(w * x for w, x in zip(weights, points, strict=True))
    variance, fourth_central = (sum(w * (x - mean) ** k for w, x in zip(weights, points, strict=True)) for k in (2, 4))
    kurtosis = float(fourth_central / variance**2 - 3)
    first = second = Fraction(0)
    for draw in itertools.product(range(3), repeat=size):
        chance = Fraction(1)
        for k in draw:
            chance *= weights[k]
        values = [points[k] for k in draw]
        centre = sum(values) / size
        scatter = sum((x - centre) ** 2 for x in values)
        first, second = first + chance * scatter, second + chance * scatter**2
    for ddof in (0, 1):
        scale = size - ddof
        found = errors.misfitted_fourth_moment(float(variance), kurtosis, size, 1, ddof=ddof)
        assert found == pytest.approx(float(second) / scale**2, rel=1e-12)
        assert errors.misfitted_variance(float(variance), size, 1, ddof=ddof) == pytest.approx(float(first) / scale)
        chi_square = (size - 1) * (size + 1) / scale**2  # E (chi2_{M-1})^2 = (M - 1)(M + 1)
        later = errors.misfitted_fourth_moment(float(variance), kurtosis, size, 4, ddof=ddof)
        assert later == pytest.approx(float(second) / scale**2 * chi_square**3, rel=1e-12)


def test_a_normal_truth_has_no_kurtosis():
    fits = np.array([1, 3, 20])
    for ddof in (0, 1):
        found = errors.misfitted_fourth_moment(1.0, 0.0, 9, fits, ddof=ddof)
        assert found == pytest.approx(gaussian.variance_moment(2, 9, fits, ddof=ddof), rel=1e-12)
        assert errors.misfitted_mean_error(4.0, 9, fits, ddof=ddof) == pytest.approx(
            4 * gaussian.expected_mean_error(9, fits, ddof=ddof)
        )


def test_expressivity_gap_by_a_plain_sum():
    x, step = np.linspace(-25, 25, 100_001, retstep=True)
    density = sum(w * stats.norm.pdf(x, m, np.sqrt(v)) for w, m, v in zip(*MIXTURE, strict=True))
    _, variance, _ = errors.mixture_moments(*MIXTURE)
    entropy = -step * np.sum(density * np.log(np.maximum(density, 1e-300)))
    expected = 0.5 * np.log(2 * np.pi * np.e * variance) - entropy
    assert errors.expressivity_gap(*MIXTURE) == pytest.approx(expected, abs=1e-10)
    assert errors.expressivity_gap([1.0], [3.0], [2.0]) == pytest.approx(0, abs=1e-12)
    assert errors.expressivity_gap([0.5, 0.5], [1.0, 1.0], [2.0, 2.0]) == pytest.approx(0, abs=1e-12)


def test_two_far_components_cost_their_separation_less_one_bit():
    """h(p0) tends to log 2 + h(N(0,1)), while the one normal has variance 1 + a^2."""
    for distance in (10.0, 1e3, 1e6):
        gap = errors.expressivity_gap([0.5, 0.5], [-distance, distance], [1.0, 1.0])
        assert gap == pytest.approx(0.5 * np.log(1 + distance**2) - np.log(2), abs=1e-9)


def test_learner_bias_adds_in_the_log():
    factor, size, fits = 0.97, 30, 40
    for ddof in (0, 1):
        mean_log, log_mean = errors.biased_log_variance(factor, size, fits, ddof=ddof)
        one = errors.biased_log_variance(factor, size, 1, ddof=ddof)
        assert mean_log == pytest.approx(fits * one[0], rel=1e-12)
        assert np.exp(log_mean) == pytest.approx((factor * (size - 1) / (size - ddof)) ** fits, rel=1e-12)
        assert np.exp(one[0]) < factor * (size - 1) / (size - ddof)


def test_ridge_and_gradient_descent_by_iteration():
    rng = np.random.default_rng(0)
    rows = rng.standard_normal((30, 4)) * [1.0, 0.7, 0.4, 0.2]
    second = rows.T @ rows / 30
    values, vectors = np.linalg.eigh(second)
    truth = np.array([1.0, -2.0, 0.5, 3.0])
    ridge, descent = truth, truth
    for _ in range(3):
        ridge = np.linalg.solve(second + 0.3 * np.eye(4), second @ ridge)
        weights = np.zeros(4)
        for _ in range(20):
            weights = weights - 0.25 * second @ (weights - descent)
        descent = weights
    assert vectors.T @ ridge == pytest.approx(errors.ridge_shrinkage(values, 0.3, 3) * (vectors.T @ truth))
    assert vectors.T @ descent == pytest.approx(errors.gradient_shrinkage(values, 0.25, 20, 3) * (vectors.T @ truth))
    assert errors.gradient_shrinkage(4.0, 0.25, 1, 5) == 1
    assert errors.gradient_shrinkage(0.0, 0.25, 9, 2) == 0


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: errors.mixture_moments([0.5, 0.6], [0, 1], [1, 1]), "weights must sum to 1"),
        (lambda: errors.mixture_moments([0.5, 0.5], [0, 1], [1, 0]), "variances must be positive"),
        (lambda: errors.mixture_moments([0.5, 0.5], [0, 1, 2], [1, 1]), "one entry a component"),
        (lambda: errors.misfitted_fourth_moment(1.0, -3.0, 5, 1), "kurtosis must lie in"),
        (lambda: errors.misfitted_fourth_moment(1.0, 0.0, 5, 0), "fits must be at least 1"),
        (lambda: errors.biased_log_variance(0.0, 5, 1), "factor must be positive"),
        (lambda: errors.gradient_shrinkage(3.0, 1.0, 1, 1), "rate must lie in"),
    ],
)
def test_refusals(call, message):
    with pytest.raises(ValueError, match=message):
        call()

"""Expressivity and learner bias, against exact enumeration, quadrature by other means and explicit iteration."""

import itertools
from fractions import Fraction

import numpy as np
import pytest
from scipy import integrate, stats

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


def normal_divergence(mean, variance, centre, whole):
    """KL(N(centre, whole) || N(mean, variance))."""
    return 0.5 * ((whole + (mean - centre) ** 2) / variance - 1 + np.log(variance / whole))


def test_the_divergence_of_a_misfit_is_a_sum():
    """KL(p0 || N) by a plain sum: the gap, and the divergence between normals."""
    x, step = np.linspace(-25, 25, 100_001, retstep=True)
    density = sum(w * stats.norm.pdf(x, m, np.sqrt(v)) for w, m, v in zip(*MIXTURE, strict=True))
    centre, whole, _ = errors.mixture_moments(*MIXTURE)
    for mean, variance in ((0.0, 1.0), (2.0, 9.0)):
        loss = np.log(np.maximum(density, 1e-300)) - stats.norm.logpdf(x, mean, np.sqrt(variance))
        expected = errors.expressivity_gap(*MIXTURE) + normal_divergence(mean, variance, centre, whole)
        assert step * density @ loss == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize(("ddof", "rate"), [(1, 1.0), (0, 1.0), (1, 0.4)])
def test_divergence_of_samples_and_misfit_by_other_sums(ddof, rate):
    """Every set of labels in turn, SciPy's noncentral chi-square for its scatter, and one fit after the other by
    quadrature.
    """
    weights, means, v, size = np.array([0.3, 0.7]), np.array([-2.0, 1.0]), 0.8, 5
    centre, whole, _ = errors.mixture_moments(weights, means, [v, v])
    inverse = gap = log = 0.0
    for labels in itertools.product((0, 1), repeat=size):
        chosen = means[list(labels)]
        chance = weights[list(labels)].prod()
        scatter = stats.ncx2(size - 1, np.maximum(((chosen - chosen.mean()) ** 2).sum() / v, 1e-12))
        grid = {"epsabs": 1e-11, "limit": 200}
        one = integrate.quad(lambda x, s=scatter: s.pdf(x) / x, 0, 200, **grid)[0] * (size - ddof) / v
        inverse += chance * one
        gap += chance * one * ((chosen.mean() - centre) ** 2 + v / size)
        log += chance * integrate.quad(lambda x, s=scatter: s.pdf(x) * np.log(x), 0, 200, **grid)[0]
    log -= np.log((size - ddof) / v)
    chi = stats.chi2(size - 1)
    factor = integrate.quad(lambda x: chi.pdf(x) * (x / (size - ddof)) ** -rate, 0, 200, epsabs=1e-12)[0]
    drift = integrate.quad(lambda x: chi.pdf(x) * np.log(x / (size - ddof)), 0, 200, epsabs=1e-12)[0]
    base = errors.expressivity_gap(weights, means, [v, v])
    for n in range(1, 5):
        expected = base + 0.5 * (whole * inverse + gap - 1 + log - np.log(whole))
        found = errors.expected_divergence(weights, means, v, size, n, ddof=ddof, rate=rate)
        assert found == pytest.approx(expected, rel=1e-7)
        inverse, gap, log = factor * inverse, factor * (gap + rate**2 / size), log + rate * drift


def test_a_normal_truth_has_no_gap_and_large_samples_leave_only_the_gap():
    found = errors.expected_divergence([1.0], [3.0], 2.0, 9, np.array([1, 4]))
    alike = errors.expected_divergence([0.5, 0.5], [3.0, 3.0], 2.0, 9, np.array([1, 4]))
    assert found == pytest.approx(alike, rel=1e-12)
    assert found[0] == pytest.approx(
        0.5 * ((8 / 6) * (1 + 1 / 9) - 1 + gaussian.expected_log_variance(9, 1)), rel=1e-12
    )
    gap = errors.expressivity_gap([0.3, 0.7], [-2.0, 1.0], [0.8, 0.8])
    assert errors.expected_divergence([0.3, 0.7], [-2.0, 1.0], 0.8, 10**4, 1) == pytest.approx(gap, abs=2e-4)
    still = errors.expected_divergence([1.0], [0.0], 1.0, 9, np.array([1, 4]), rate=0.0)
    assert still[0] == still[1]


def test_partial_refits_in_the_log():
    one = gaussian.expected_log_variance(20, 1)
    assert errors.damped_log_variance(0.25, 20, 5) == pytest.approx(2 * one)
    assert errors.damped_log_variance(1.0, 20, 5) == pytest.approx(gaussian.expected_log_variance(20, 5))


def test_risk_of_a_biased_learner_by_matrices():
    """Mean and covariance of the weights through the least squares operator itself, fit by fit."""
    rng = np.random.default_rng(1)
    rows = rng.standard_normal((15, 3)) * [1.0, 0.7, 0.4]
    size, noise, truth = len(rows), 0.6, np.array([1.0, -2.0, 0.5])
    second = rows.T @ rows / size
    values, axes = np.linalg.eigh(second)
    solve = np.linalg.solve(second + 0.2 * np.eye(3), rows.T / size)
    kept = errors.ridge_shrinkage(values, 0.2, 1)
    mean, spread = truth, np.zeros((3, 3))
    for n in range(1, 5):
        mean, spread = solve @ rows @ mean, solve @ (rows @ spread @ rows.T + noise * np.eye(size)) @ solve.T
        bias, heard = errors.shrunken_risk(values, axes.T @ truth, kept, noise, size, n)
        assert bias == pytest.approx((mean - truth) @ second @ (mean - truth), rel=1e-12)
        assert heard == pytest.approx(np.trace(second @ spread), rel=1e-12)
    exact = errors.shrunken_risk(values, axes.T @ truth, np.ones(3), noise, size, np.array([1, 7]))
    assert exact[0].tolist() == [0, 0]
    assert exact[1] == pytest.approx(np.array([1, 7]) * 3 * noise / size)


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
        (lambda: errors.expected_divergence([1.0], [0.0], 1.0, 3, 1), "sample_size must be at least 4"),
        (lambda: errors.expected_divergence([0.2, 0.3, 0.5], [0, 1, 2], 1.0, 9, 1), "at most two components"),
        (lambda: errors.expected_divergence([1.0], [0.0], 1.0, 9, 1, rate=2.0), "rate must lie in"),
        (lambda: errors.shrunken_risk([1.0], [1.0, 2.0], [0.5], 1.0, 9, 1), "vectors of one length"),
        (lambda: errors.shrunken_risk([1.0], [1.0], [1.5], 1.0, 9, 1), "kept must lie in"),
    ],
)
def test_refusals(call, message):
    with pytest.raises(ValueError, match=message):
        call()

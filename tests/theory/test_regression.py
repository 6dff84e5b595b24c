"""Risks of recursive regression, against quadrature, d = 1 laws, algebra on fixed designs and seeded chains."""

from itertools import pairwise

import numpy as np
import pytest
from scipy import integrate, optimize, stats

from modelcollapse_theory import regression as rg


@pytest.mark.parametrize(("size", "dimension"), [(3, 1), (12, 3), (40, 38)])
def test_replaced_risk_by_quadrature(size, dimension):
    """1/[(X'X)^{-1}]_jj is chi-square with T - d + 1 degrees of freedom, so the trace is d times its integral."""
    law = stats.chi2(size - dimension + 1)
    cuts = [0, *law.ppf([0.1, 0.9, 1 - 1e-6]), np.inf]
    inverse = sum(integrate.quad(lambda x: law.pdf(x) / x, a, b)[0] for a, b in pairwise(cuts))
    assert rg.replaced_risk(size, 4, dimension, 2.5) == pytest.approx(4 * 2.5 * dimension * inverse, rel=1e-6)


def test_law_of_one_step():
    """d = 1: a t variable squared. Any d: the mean of the law is the risk, and raw rows follow it."""
    assert rg.step_risk_cdf(0.3, 7, 1, 2.0) == pytest.approx(2 * stats.t(7).cdf(np.sqrt(0.15 * 7)) - 1, rel=1e-12)
    mean = integrate.quad(lambda r: 1 - rg.step_risk_cdf(r, 12, 3, 0.5), 0, np.inf)[0]
    assert mean == pytest.approx(rg.replaced_risk(12, 1, 3, 0.5), rel=1e-6)
    error = chain_risk(12, 20_000, 6, 3, 1, True, False)
    assert stats.kstest(error, lambda r: rg.step_risk_cdf(r, 6, 3)).pvalue > 1e-6
    assert stats.kstest(error, lambda r: rg.step_risk_cdf(r, 7, 3)).pvalue < 1e-6


def chain_risk(seed, repeats, size, dimension, fits, fresh, accumulate):
    """Squared error of least squares on its own labels, row by row; the referee for every closed form at once."""
    rng = np.random.default_rng(seed)
    w = np.zeros((repeats, dimension))
    rows = rng.standard_normal((repeats, size, dimension))
    gram = np.zeros((repeats, dimension, dimension))
    moment = np.zeros((repeats, dimension))
    for _ in range(fits):
        if fresh:
            rows = rng.standard_normal((repeats, size, dimension))
        labels = np.einsum("rtd,rd->rt", rows, w) + rng.standard_normal((repeats, size))
        if not accumulate:
            gram[:], moment[:] = 0, 0
        gram += np.einsum("rti,rtj->rij", rows, rows)
        moment += np.einsum("rt,rti->ri", labels, rows)
        w = np.linalg.solve(gram, moment[..., None])[..., 0]
    return (w**2).sum(1)


@pytest.mark.parametrize("fresh", [True, False])
@pytest.mark.parametrize("accumulate", [True, False])
def test_least_squares_chains_of_raw_rows(fresh, accumulate):
    size, dimension, fits, repeats = 20, 3, 4, 20_000
    error = chain_risk(11, repeats, size, dimension, fits, fresh, accumulate)
    if not accumulate:
        expected = rg.replaced_risk(size, fits, dimension)
        misses = [rg.replaced_risk(size, fits + 1, dimension), fits * dimension / (size - dimension)]
    else:
        same = rg.accumulated_risk_same_rows(size, fits, dimension)
        other = rg.accumulated_risk_fresh_rows(size, fits, dimension)
        expected, misses = (other, [same]) if fresh else (same, [other])
    deviation = error.std() / np.sqrt(repeats)
    assert abs(error.mean() - expected) < 4 * deviation
    assert all(abs(error.mean() - miss) > 4 * deviation for miss in misses)


def test_accumulation_sums():
    for size, dimension in [(5, 3), (50, 3), (10**9, 1)]:
        for fits in (1, 2, 30):
            i = np.arange(1, fits + 1)
            fresh = np.sum(2.0 * dimension / (i * (i * float(size) - dimension - 1)))
            assert rg.accumulated_risk_fresh_rows(size, fits, dimension, 2.0) == pytest.approx(fresh, rel=1e-13)
            same = 2.0 * dimension / (size - dimension - 1) * np.sum(1 / i**2.0)
            assert rg.accumulated_risk_same_rows(size, fits, dimension, 2.0) == pytest.approx(same, rel=1e-13)
        i = np.arange(1, 10**6 + 1)
        far = np.sum(dimension / (i * (i * float(size) - dimension - 1))) + dimension / size / 10**6
        assert rg.accumulated_risk_fresh_rows_limit(size, dimension) == pytest.approx(far, rel=1e-9)


@pytest.mark.parametrize("same_rows", [False, True])
def test_minimum_norm_chains_of_raw_rows(same_rows):
    size, dimension, repeats = 4, 10, 20_000
    rng = np.random.default_rng(5)
    truth = np.zeros(dimension)
    truth[0] = 2.0
    w = np.broadcast_to(truth, (repeats, dimension))
    rows = rng.standard_normal((repeats, size, dimension))
    for fits in range(1, 4):
        labels = np.einsum("rtd,rd->rt", rows, w) + 0.5 * rng.standard_normal((repeats, size))
        w = np.einsum("rtd,rt->rd", rows, np.linalg.solve(rows @ rows.swapaxes(1, 2), labels[..., None])[..., 0])
        error = ((w - truth) ** 2).sum(1)
        found = rg.minimum_norm_risk(size, fits, dimension, 0.25, squared_norm=4.0, same_rows=same_rows)
        assert abs(error.mean() - found) < 4.5 * error.std() / np.sqrt(repeats)
        if fits > 1:
            miss = rg.minimum_norm_risk(size, fits, dimension, 0.25, squared_norm=4.0, same_rows=not same_rows)
            assert abs(error.mean() - miss) > 9 * error.std() / np.sqrt(repeats)
        if not same_rows:
            rows = rng.standard_normal((repeats, size, dimension))


@pytest.mark.parametrize("ratio", [0.2, 0.9, 1.0, 3.0])
@pytest.mark.parametrize("penalty", [1e-3, 0.5, 40.0])
def test_companion_against_the_marchenko_pastur_density(ratio, penalty):
    low, high = (1 - np.sqrt(ratio)) ** 2, (1 + np.sqrt(ratio)) ** 2
    middle, half = (high + low) / 2, (high - low) / 2
    # s = middle - half cos(t): the square-root edges become smooth, and Gauss-Chebyshev would be exact
    t = (np.arange(40_000) + 0.5) * np.pi / 40_000
    s = middle - half * np.cos(t)
    weight = (half * np.sin(t)) ** 2 / (2 * np.pi * ratio * s) * np.pi / 40_000
    atom = max(0.0, 1 - 1 / ratio)
    m, slope = rg.companion(penalty, ratio)
    assert m == pytest.approx(np.sum(weight / (s + penalty)) + atom / penalty, rel=1e-6)
    assert slope == pytest.approx(np.sum(weight / (s + penalty) ** 2) + atom / penalty**2, rel=1e-6)


def test_ridge_on_a_fixed_large_design():
    """One large design: the traces in the exact conditional risk concentrate on the deterministic equivalent."""
    rng = np.random.default_rng(3)
    dimension, size, penalty, noise, norm = 300, 500, 0.2, 0.7, 1.3
    rows = rng.standard_normal((size, dimension))
    s = np.linalg.eigvalsh(rows.T @ rows / size)
    inherited = rg.replaced_risk(900, 5, dimension, 0.3)
    exact = (
        norm * np.mean((penalty / (s + penalty)) ** 2)
        + noise / size * np.sum(s / (s + penalty) ** 2)
        + inherited * np.mean((s / (s + penalty)) ** 2)
    )
    found = rg.ridge_risk(
        penalty, size, dimension, noise, earlier_fits=5, earlier_sample_size=900, earlier_noise_variance=0.3,
        squared_norm=norm,
    )  # fmt: skip
    assert found == pytest.approx(exact, rel=5e-3)
    alone = rg.ridge_risk(penalty, size, dimension, noise, squared_norm=norm)
    assert alone == pytest.approx(exact - inherited * np.mean((s / (s + penalty)) ** 2), rel=5e-3)
    tiny = rg.ridge_risk(1e-9, 10**6, 10, 1.0, squared_norm=0.0)
    assert tiny == pytest.approx(rg.replaced_risk(10**6, 1, 10), rel=1e-4)


@pytest.mark.parametrize(("real", "synthetic"), [(4, 3), (10, 1), (0, 5), (5, 0)])
def test_shifted_labels_in_one_dimension(real, synthetic):
    """d = 1: the weight on the shift is Beta(n2/2, n1/2), and its second moment is all."""
    n = real + synthetic
    second = synthetic * (synthetic + 2) / (n * (n + 2))
    found = rg.shifted_label_risk(real, synthetic, 1, 3.0, squared_shift=2.0)
    assert found == pytest.approx(3.0 / (n - 2) + 2.0 * second, rel=1e-13)


def test_shifted_labels_of_raw_rows_and_limits():
    rng = np.random.default_rng(9)
    real, synthetic, dimension, repeats = 7, 5, 4, 40_000
    rows = rng.standard_normal((repeats, real + synthetic, dimension))
    labels = rng.standard_normal((repeats, real + synthetic))
    labels[:, real:] += 2.0 * rows[:, real:, 0]
    w = np.linalg.solve(np.einsum("rti,rtj->rij", rows, rows), np.einsum("rt,rti->ri", labels, rows)[..., None])[..., 0]
    error = (w**2).sum(1)
    found = rg.shifted_label_risk(real, synthetic, dimension, squared_shift=4.0)
    assert abs(error.mean() - found) < 4 * error.std() / np.sqrt(repeats)
    everything = rg.shifted_label_risk(0, 30, 4, 0.0, squared_shift=4.0)
    assert everything == pytest.approx(4.0, rel=1e-13)
    assert rg.shifted_label_risk(6 * 10**7, 4 * 10**7, 5, 0.0) == pytest.approx(0.16, rel=1e-6)
    proportional = 0.16 + 0.24 * 0.25 / 0.75
    assert rg.shifted_label_risk(6 * 10**6, 4 * 10**6, 25 * 10**5, 0.0) == pytest.approx(proportional, rel=1e-5)


def test_weighted_mean_error_is_the_fixed_point_of_its_recursion():
    weight, ratio, size, variance = 0.4, 2.5, 100, 3.0
    error = 0.0
    for _ in range(200):
        error = weight**2 * variance / size + (1 - weight) ** 2 * (error + ratio * variance / size)
    assert rg.weighted_mean_error(weight, ratio, size, variance) == pytest.approx(error, rel=1e-12)


@pytest.mark.parametrize("ratio", [1e-8, 0.3, 1.0, 7.0, 1e12])
def test_best_weight(ratio):
    best = rg.best_weight(ratio)
    assert best**2 + ratio * best == pytest.approx(ratio, rel=1e-12)
    least = rg.weighted_mean_error(best, ratio, 50, 2.0)
    assert least == pytest.approx(best * 2.0 / 50, rel=1e-9)
    around = rg.weighted_mean_error(best * np.array([0.99, 1 - 1e-3]), ratio, 50, 2.0)
    assert np.all(around > least)
    naive = rg.weighted_mean_error(ratio / (1 + ratio), ratio, 50, 2.0)
    assert naive == pytest.approx((1 + ratio) / (2 + ratio) * 2.0 / 50, rel=1e-9)


def test_the_golden_ratio():
    assert rg.best_weight(1.0) == pytest.approx((np.sqrt(5) - 1) / 2)
    found = optimize.minimize_scalar(
        lambda w: float(rg.weighted_mean_error(w, 1.0, 10)), bounds=(0.1, 1), method="bounded"
    )
    assert found.x == pytest.approx(float(rg.best_weight(1.0)), abs=1e-4)


@pytest.mark.parametrize("accumulate", [False, True])
def test_a_given_design_by_matrices(accumulate):
    """Least squares is linear in its labels, so the covariance of the weights is carried on exactly."""
    rng = np.random.default_rng(2)
    rows, moment, noise = rng.standard_normal((7, 3)), np.diag([1.0, 2.0, 5.0]), 0.6
    solve = np.linalg.pinv(rows)
    covariance = np.zeros((3, 3))
    for fits in range(1, 5):
        # the pool of n batches of labels is their average: w_n = ((n - 1) w_{n-1} + new) / n
        share = fits if accumulate else 1
        covariance = covariance + noise * solve @ solve.T / share**2
        found = rg.fixed_design_risk(rows, fits, noise, second_moment=moment, accumulate=accumulate)
        assert found == pytest.approx(np.trace(moment @ covariance), rel=1e-12)
    assert rg.fixed_design_risk(rows, 4, noise) == pytest.approx(4 * noise * 3 / 7, rel=1e-12)


@pytest.mark.parametrize(("real", "synthetic"), [(4, 3), (0, 6), (6, 0)])
def test_fresh_real_rows_in_one_dimension(real, synthetic):
    """d = 1: each fit keeps the square of a Beta(n2/2, n1/2) share of the last error."""
    n = real + synthetic
    kept, error = synthetic * (synthetic + 2) / (n * (n + 2)), 0.0
    for fits in range(1, 6):
        error = kept * error + 2.0 / (n - 2)
        assert rg.fresh_real_risk(real, synthetic, fits, 1, 2.0) == pytest.approx(error, rel=1e-12)
    if real == 0:
        assert rg.fresh_real_risk(0, n, 5, 1, 2.0) == pytest.approx(rg.replaced_risk(n, 5, 1, 2.0), rel=1e-12)


def test_ridge_refitted_to_itself_on_large_designs():
    """Large fresh designs: the traces of each concentrate, and with an invariant law nothing but traces enters."""
    rng = np.random.default_rng(4)
    dimension, size, penalty, noise, norm = 300, 450, 0.15, 0.8, 1.5
    along, square = 1.0, norm
    for fits in range(1, 4):
        rows = rng.standard_normal((size, dimension))
        s = np.linalg.eigvalsh(rows.T @ rows / size)
        along = along * np.mean(s / (s + penalty))
        square = square * np.mean((s / (s + penalty)) ** 2) + noise / size * np.sum(s / (s + penalty) ** 2)
        found = rg.replaced_ridge_risk(penalty, size, fits, dimension, noise, squared_norm=norm)
        assert found == pytest.approx(norm - 2 * norm * along + square, rel=6e-3)
    once = rg.ridge_risk(penalty, size, dimension, noise, squared_norm=norm)
    assert rg.replaced_ridge_risk(penalty, size, 1, dimension, noise, squared_norm=norm) == pytest.approx(
        once, rel=1e-12
    )
    assert rg.replaced_ridge_risk(penalty, size, 10**6, dimension, noise) < 10


def test_weighted_means_on_the_way():
    weight, ratio, size, variance = 0.4, 0.5, 100, 3.0
    error = variance / (size * 3)
    for fits in range(1, 5):
        found = rg.weighted_mean_path(weight, ratio, size, fits, variance)
        assert found == pytest.approx(error, rel=1e-12)
        error = weight**2 * variance / size + (1 - weight) ** 2 * (error + ratio * variance / size)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: rg.replaced_risk(4, 1, 3), "at least dimension \\+ 2"),
        (lambda: rg.replaced_risk(10, 1, 3, -1.0), "noise_variance must lie in"),
        (lambda: rg.step_risk_cdf(0.1, 2, 3), "at least dimension"),
        (lambda: rg.minimum_norm_risk(9, 1, 10), "at most dimension - 2"),
        (lambda: rg.minimum_norm_risk(4, 0, 10), "fits must be at least 1"),
        (lambda: rg.ridge_risk(0.0, 10, 3), "penalty must be positive"),
        (lambda: rg.ridge_risk(0.1, 10, 3, earlier_fits=2), "earlier_sample_size must be given"),
        (lambda: rg.shifted_label_risk(2, 2, 3), "at least dimension \\+ 2"),
        (lambda: rg.weighted_mean_error(0.0, 1.0, 10), "weight must lie in"),
        (lambda: rg.fixed_design_risk(np.ones((5, 2)), 1), "full column rank"),
        (lambda: rg.fresh_real_risk(2, 2, 1, 3), "at least dimension \\+ 2"),
        (lambda: rg.replaced_ridge_risk(0.0, 10, 1, 3), "penalty must be positive"),
        (lambda: rg.weighted_mean_path(0.5, 1.0, 10, 0), "fits must be at least 1"),
        (lambda: rg.best_weight(0.0), "ratio must be positive"),
    ],
)
def test_refusals(call, message):
    with pytest.raises(ValueError, match=message):
        call()

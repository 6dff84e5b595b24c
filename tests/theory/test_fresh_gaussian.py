"""Fresh real data and a refitted normal, against exact matrices of a two-state chain, iteration and raw draws."""

import numpy as np
import pytest
from scipy import stats

from modelcollapse_theory import fresh_gaussian


@pytest.mark.parametrize(("size", "real"), [(6, 2), (9, 1)])
def test_maximum_likelihood_against_two_states(size, real):
    """With ddof=0 variance is conserved, so the error of a two-state chain over p q is that of the normal."""
    states, truth = np.arange(size + 1) / size, 0.3
    kept = stats.binom.pmf(np.arange(real + 1), real, truth)
    matrix = np.array([np.convolve(kept, stats.binom.pmf(np.arange(size - real + 1), size - real, x)) for x in states])
    law = stats.binom.pmf(np.arange(size + 1), size, truth)
    for fits in range(1, 120):
        error = law @ (states - truth) ** 2 / (truth * (1 - truth))
        found = fresh_gaussian.mean_error_and_variance(size, real, fits, ddof=0)
        assert found == pytest.approx((error, 1 - error), rel=1e-11)
        law = law @ matrix
    assert fresh_gaussian.stationary(size, real, ddof=0) == pytest.approx((error, 1 - error), rel=1e-6)


@pytest.mark.parametrize("bias", [1.0, 0.6])
def test_unbiased_fits_of_raw_draws(bias):
    """200,000 chains of 3 fits to 6 draws, two of them real, fixed seed."""
    rng = np.random.default_rng(42)
    size, real, chains = 6, 2, 200_000
    mean, variance = np.zeros(chains), np.ones(chains)
    for fits in range(1, 4):
        model = mean[:, None] + np.sqrt(bias * variance)[:, None] * rng.standard_normal((chains, size))
        true = rng.standard_normal((chains, size))
        rows = true if fits == 1 else np.concatenate([true[:, :real], model[:, real:]], axis=1)
        mean, variance = rows.mean(1), rows.var(1, ddof=1)
        error, spread = fresh_gaussian.mean_error_and_variance(size, real, fits, sampling_bias=bias)
        assert abs((mean**2).mean() - error) < 4 * (mean**2).std() / np.sqrt(chains)
        assert abs(variance.mean() - spread) < 4 * variance.std() / np.sqrt(chains)
    assert abs(variance.mean() - 1) > 10 * variance.std() / np.sqrt(chains)


@pytest.mark.parametrize(("size", "real"), [(10, 1), (100, 30), (2, 1), (5, 5)])
def test_stationary_is_the_limit_and_the_closed_form(size, real):
    share = real / size
    found = fresh_gaussian.stationary(size, real)
    assert fresh_gaussian.mean_error_and_variance(size, real, 10**6) == pytest.approx(found, rel=1e-9)
    error = (1 / size) / (1 - (1 - share) ** 2 * size / (size - 1))
    assert found == pytest.approx((error, 1 + size / (size - 1) * (1 - share) * error), rel=1e-10)


def test_the_edge_of_stability():
    assert fresh_gaussian.stationary(10, 0) == (np.inf, np.inf)
    assert fresh_gaussian.stationary(10, 1, sampling_bias=1.3) == (np.inf, np.inf)
    assert np.isfinite(fresh_gaussian.stationary(10, 1, sampling_bias=1.05)[0])
    assert fresh_gaussian.mean_error_and_variance(10, 0, 7) == pytest.approx((0.7, 1.0))
    for size in (2, 50, 10**9):
        share = fresh_gaussian.least_share(size)
        assert (1 - share) ** 2 * size == pytest.approx(size - 1, rel=1e-12)
    assert fresh_gaussian.least_share(10**9) * 2e9 == pytest.approx(1, rel=1e-8)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: fresh_gaussian.stationary(5, 6), "real_size must be at most"),
        (lambda: fresh_gaussian.stationary(1, 1), "at least two draws"),
        (lambda: fresh_gaussian.stationary(5, 1, sampling_bias=0.0), "sampling_bias must be positive"),
        (lambda: fresh_gaussian.mean_error_and_variance(5, 1, 3, ddof=7), "ddof must be one of"),
    ],
)
def test_refusals(call, message):
    with pytest.raises(ValueError, match=message):
        call()

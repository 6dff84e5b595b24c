"""Linear VAEs, against a numerical optimum of the evidence bound and matrices built from the fitted decoder."""

import numpy as np
import pytest
from scipy import integrate, optimize, stats

from modelcollapse_theory import ppca


def best_decoder(variance, noise, kl_weight):
    """Maximise one direction's evidence bound over decoder weight, encoder slope and encoder variance."""

    def loss(parameters):
        w, v, log_t = parameters
        t = np.exp(log_t)
        reconstruction = (variance * (1 - w * v) ** 2 + w**2 * t) / (2 * noise)
        divergence = 0.5 * (v**2 * variance + t - 1 - log_t)
        return reconstruction + kl_weight * divergence

    starts = [np.array([s, 0.5, -1.0]) for s in (0.2, 1.0, 3.0)]
    found = [optimize.minimize(loss, start, method="BFGS", options={"gtol": 1e-10}) for start in starts]
    w, v, _ = min(found, key=lambda f: f.fun).x
    return w, v


@pytest.mark.parametrize(("noise", "kl_weight"), [(0.5, 1.0), (0.3, 2.0)])
def test_decoder_means_against_the_optimum_of_the_bound(noise, kl_weight):
    variance, slope = 2.0, None
    for fits in range(1, 4):
        w, v = best_decoder(variance, noise, kl_weight)
        slope = v if slope is None else slope
        variance = w**2  # the decoder's means, which the next fit learns from
        found = ppca.decoder_mean_variance(2.0, noise, fits, kl_weight=kl_weight)
        assert found == pytest.approx(variance, rel=1e-5)
        encoded = ppca.encoded_variance(2.0, noise, fits, kl_weight=kl_weight)
        assert encoded == pytest.approx(slope**2 * variance, rel=1e-5)
    assert ppca.encoded_variance(2.0, noise, 0, kl_weight=kl_weight) == pytest.approx(slope**2 * 2.0, rel=1e-5)


def test_a_direction_below_the_threshold_is_dropped():
    w, _ = best_decoder(0.4, 0.5, 1.0)
    assert w == pytest.approx(0, abs=1e-3)
    assert ppca.decoder_mean_variance(0.4, 0.5, [0, 1, 2]) == pytest.approx([0.4, 0, 0])
    assert ppca.encoded_variance(0.4, 0.5, 0) == 0


@pytest.mark.parametrize(("variance", "noise"), [(2.0, 0.3), (1.0, 0.25), (0.0, 1.0), (0.1, 1.0)])
def test_lifetime_is_the_first_zero(variance, noise):
    last = int(ppca.lifetime(variance, noise))
    assert ppca.decoder_mean_variance(variance, noise, last) == 0
    if last:
        assert ppca.decoder_mean_variance(variance, noise, last - 1) > 0


def test_sampled_pixels_are_a_fixed_point():
    variance, noise = np.array([3.0, 0.2]), 0.5
    once = ppca.sampled_pixel_variance(variance, noise, 1)
    for value, drawn in zip(variance, once, strict=True):
        w, _ = best_decoder(value, noise, 1.0)
        assert w**2 + noise == pytest.approx(drawn, rel=1e-5)
    assert np.all(ppca.sampled_pixel_variance(once, noise, 7) == once)
    assert ppca.sampled_pixel_variance(0.2, 0.5, 0) == 0.2


def test_learned_noise_maximises_the_likelihood_and_then_stays():
    eigenvalues, latent = np.array([4.0, 0.5, 2.0, 0.3]), 2
    decoder, noise = ppca.learned_noise(eigenvalues, latent)

    def loss(parameters):
        signal, level = np.exp(parameters[:2]), np.exp(parameters[2])
        model = np.concatenate([signal + level, [level, level]])
        data = np.sort(eigenvalues)[::-1]
        return np.sum(np.log(model) + data / model)

    found = np.exp(optimize.minimize(loss, np.zeros(3), method="BFGS", options={"gtol": 1e-9}).x)
    assert [*decoder, noise] == pytest.approx(found, rel=1e-5)
    again, silence = ppca.learned_noise([*decoder, 0.0, 0.0], latent)
    assert again == pytest.approx(decoder)
    assert silence == 0


def gain(size):
    """The law of a sample variance with divisor M, relative to the true one."""
    return stats.gamma((size - 1) / 2, scale=2 / size)


def mean_over(size, function, start=0.0):
    law = gain(size)
    low, high = max(start, law.ppf(1e-15)), law.isf(1e-15)
    return (
        integrate.quad(lambda g: law.pdf(g) * function(g), low, high, epsabs=1e-12, limit=300)[0] if low < high else 0.0
    )


def test_finite_trace_is_the_mean_over_two_fits():
    size, variance, noise = 40, 1.0, 0.01

    def after_one(value):
        return mean_over(size, lambda g: max(value * g - noise, 0.0), noise / value)

    once, twice = ppca.finite_decoder_trace(variance, 1, noise, size, [1, 2])
    assert once == pytest.approx(after_one(variance), rel=1e-9)
    again = mean_over(size, lambda g: after_one(g - noise), noise)
    assert twice == pytest.approx(again, rel=1e-9)
    # a threshold that often drops the direction: a lower bound
    assert ppca.finite_decoder_trace(1.0, 1, 0.9, 5, 1) < mean_over(5, lambda g: max(g - 0.9, 0.0), 0.9) - 0.1


def test_finite_trace_has_both_limits():
    fits = np.arange(6)
    endless = ppca.finite_decoder_trace(5.0, 2, 0.1, 10**9, fits)
    both = ppca.decoder_mean_variance([2.0, 3.0], 0.1, fits[:, None]).sum(1)
    assert endless == pytest.approx(both, rel=1e-7)
    silent = ppca.finite_decoder_trace(5.0, 2, 1e-12, 7, fits)
    assert silent == pytest.approx(ppca.sampled_trace(5.0, 7, fits), rel=1e-10)
    weighted = ppca.finite_decoder_trace(5.0, 2, 0.1, 7, fits, kl_weight=3.0)
    assert weighted == pytest.approx(ppca.finite_decoder_trace(5.0, 2, 0.3, 7, fits))


@pytest.mark.parametrize(("size", "ratio"), [(12, 4.0), (3, 2.5)])
def test_life_of_a_direction_by_nested_quadrature(size, ratio):
    law = gain(size)
    assert ppca.alive_probability(ratio, 1.0, size, 1) == pytest.approx(law.sf(1 / ratio), abs=1e-9)
    twice = mean_over(size, lambda g: law.sf(1 / (ratio * g - 1)) if ratio * g > 1 else 0.0, 1 / ratio)
    assert ppca.alive_probability(ratio, 1.0, size, 2) == pytest.approx(twice, abs=1e-6)


def test_life_of_a_direction_at_its_ends():
    many = ppca.alive_probability([0.0, 0.5, 4.5, 5.0, 50.0], 1.0, 10_000, 4)
    assert many[:2] == pytest.approx([0, 0], abs=1e-12)
    assert many[2:] == pytest.approx([1, 1, 1], abs=1e-3)
    assert ppca.alive_probability(3.5, 1.0, 10_000, 4) < 1e-3
    assert list(ppca.alive_probability([0.0, 0.1], 1.0, 5, 0)) == [0, 1]
    falling = [float(ppca.alive_probability(6.0, 1.0, 8, n)) for n in (1, 3, 9)]
    assert falling == sorted(falling, reverse=True)
    assert ppca.alive_probability(6.0, 0.5, 8, 3, kl_weight=2.0) == ppca.alive_probability(6.0, 1.0, 8, 3)


def test_after_the_first_fit_the_determinant_moves_by_that_of_a_wishart_matrix():
    size = 9

    def mean_log(freedom):
        return stats.chi2(freedom).expect(lambda x: np.log(x / size), epsabs=1e-12)

    found = ppca.learned_noise_log_determinant(size, [1, 4], 2)
    # Bartlett: one pivot a dimension
    assert found == pytest.approx([0, 3 * (mean_log(size - 1) + mean_log(size - 2))], rel=1e-7)


def test_a_fit_with_noise_keeps_the_trace():
    eigenvalues = np.array([3.0, 1.5, 0.7, 0.2])
    decoder, noise = ppca.learned_noise(eigenvalues, 2)
    assert decoder.sum() + 4 * noise == pytest.approx(eigenvalues.sum())
    assert ppca.sampled_trace(eigenvalues.sum(), 5, [0, 2]) == pytest.approx(eigenvalues.sum() * np.array([1, 0.64]))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: ppca.finite_decoder_trace(1.0, 0, 0.1, 5, 1), "rank must be at least 1"),
        (lambda: ppca.sampled_trace(1.0, 1, 1), "a variance needs at least two draws"),
        (lambda: ppca.alive_probability(1.0, 0.1, 10**6, 1), "sample_size must be at most 10000"),
        (lambda: ppca.learned_noise_log_determinant(9, 0, 2), "fits must be at least 1"),
        (lambda: ppca.learned_noise_log_determinant(2, 3, 2), "covariance of full rank"),
        (lambda: ppca.decoder_mean_variance(-1.0, 0.5, 1), "variance must lie in"),
        (lambda: ppca.decoder_mean_variance(1.0, 0.0, 1), "noise must be positive"),
        (lambda: ppca.lifetime(1.0, 0.5, kl_weight=0.0), "kl_weight must be positive"),
        (lambda: ppca.learned_noise([1.0, 2.0], 2), "latent_dimension must be below"),
        (lambda: ppca.learned_noise([[1.0]], 1), "eigenvalues must be a vector"),
    ],
)
def test_refusals(call, message):
    with pytest.raises(ValueError, match=message):
        call()

"""Linear VAEs, against a numerical optimum of the evidence bound and matrices built from the fitted decoder."""

import numpy as np
import pytest
from scipy import optimize

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


@pytest.mark.parametrize(
    ("call", "message"),
    [
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

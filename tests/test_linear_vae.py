"""Probabilistic PCA is the eigenvalue problem it claims to be, and its chain loses what the theory says."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import linalg

import modelcollapse as mc
from modelcollapse import observables as ob
from modelcollapse.data import Rows
from modelcollapse_theory import ppca

RNG = np.random.default_rng(0)
POINTS = RNG.normal(size=(12, 4)) @ np.diag([3.0, 2.0, 1.0, 0.5]) @ RNG.normal(size=(4, 4)) + [1, 2, 3, 4]


def fit(family: mc.PPCA) -> Any:
    room = np.vstack([POINTS, np.full((3, 4), 1e9)])  # which must not be seen
    return fitted(family, Rows(jnp.asarray(room), jnp.int32(12)))


fitted = jax.jit(lambda family, rows: family.fit(jax.random.key(0), rows, None))


@pytest.mark.parametrize(("noise", "kl_weight"), [(None, 1.0), (0.3, 1.0), (0.3, 2.0), (50.0, 1.0)])
@pytest.mark.parametrize("latent", [1, 3])
def test_a_fit_keeps_the_first_eigenvectors(latent: int, noise: float | None, kl_weight: float) -> None:
    found = fit(mc.PPCA(latent, noise, kl_weight))
    values, vectors = linalg.eigh(np.cov(POINTS.T, ddof=0))
    values, vectors = values[::-1], vectors[:, ::-1]
    level = values[latent:].mean() if noise is None else noise
    kept = np.maximum(values[:latent] - kl_weight * level, 0)
    assert float(found.noise) == pytest.approx(level, rel=1e-12)
    np.testing.assert_allclose(found.mean, POINTS.mean(0), rtol=1e-13)
    expected = vectors[:, :latent] * kept @ vectors[:, :latent].T
    np.testing.assert_allclose(found.weights @ found.weights.T, expected, rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(ob.decoder_variances(found), kept, rtol=1e-9, atol=1e-9)
    assert float(ob.decoder_variance(found)) == pytest.approx(kept.sum(), rel=1e-9, abs=1e-9)
    # the factor that fixes the draws: lower trapezoidal, nonnegative diagonal
    np.testing.assert_array_equal(np.triu(found.weights, 1), 0)
    assert np.all(np.diagonal(found.weights) >= 0)


def test_fitted_noise_and_variances_are_those_of_the_theory() -> None:
    source = mc.table(POINTS)
    truth = mc.PPCA(2).project(source)
    decoder, noise = ppca.learned_noise(np.linalg.eigvalsh(np.cov(POINTS.T, ddof=0)), 2)
    np.testing.assert_allclose(ob.decoder_variances(truth), decoder, rtol=1e-10)
    assert float(truth.noise) == pytest.approx(noise, rel=1e-10)
    assert mc.PPCA(2).project(mc.sampler(lambda key, n: jax.random.normal(key, (n, 4)))) is None


@pytest.mark.parametrize("output", ["mean", "sampled"])
def test_covariance_and_factor_are_those_of_the_draws(output: str) -> None:
    family = mc.PPCA(2, output=output)
    found = fit(family)
    level = float(found.noise) if output == "sampled" else 0.0
    expected = found.weights @ found.weights.T + level * np.eye(4)
    np.testing.assert_allclose(found.covariance, expected, rtol=1e-10, atol=1e-10)
    np.testing.assert_array_equal(np.triu(found.factor, 1), 0)
    np.testing.assert_allclose(np.exp(ob.log_variance(found)), np.diag(expected), rtol=1e-10)
    assert float(ob.w2_squared(found, found)) == pytest.approx(0, abs=1e-20)
    rows = family.draw_rows(jax.random.key(3), found, jnp.int32(50_000), 50_000)
    seen = np.cov(rows.points.T)
    # sd of an entry of a sample covariance, relative to its scale
    scale = np.sqrt(np.outer(np.diag(expected), np.diag(expected)) + expected**2) / np.sqrt(50_000)
    assert np.all(np.abs(seen - expected) < 6 * scale)
    assert np.linalg.matrix_rank(seen, tol=1e-6) == (2 if output == "mean" else 4)


def test_the_encoder_is_the_posterior() -> None:
    found = fit(mc.PPCA(2))
    mean, log_variance = found.encode(jnp.asarray(POINTS))
    weights, noise = np.asarray(found.weights), float(found.noise)
    gain = weights.T @ np.linalg.inv(weights @ weights.T + noise * np.eye(4))  # by the other form of the posterior
    np.testing.assert_allclose(mean, (POINTS - POINTS.mean(0)) @ gain.T, rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(np.exp(log_variance[0]), np.diag(np.eye(2) - gain @ weights), rtol=1e-9)


def test_a_large_sample_loses_the_noise_and_its_latents_shrink_as_predicted() -> None:
    noise, variances, fits = 0.3, np.array([1.7, 0.8, 0.2]), 4
    source = mc.normal(np.zeros(3), np.diag(variances))
    observe = {"variances": "decoder_variances", "latents": lambda p: p.weights}
    run = mc.simulate(mc.PPCA(3, noise), source, observe=observe, size=200_000, generations=fits - 1)
    for n in range(1, fits + 1):
        exact = ppca.decoder_mean_variance(variances, noise, n)
        np.testing.assert_allclose(run["variances"][0, n - 1], exact, atol=6 * n * np.sqrt(2 / 200_000) * 1.7)
        np.testing.assert_array_equal(run["variances"][0, n - 1] < 1e-12, exact == 0)
    # what the first encoder makes of the draws of the last model
    first, last = run["latents"][0, 0], run["latents"][0, -1]
    gain = first.T @ np.linalg.inv(first @ first.T + noise * np.eye(3))
    seen = np.sort(np.linalg.eigvalsh(gain @ last @ last.T @ gain.T))
    expected = np.sort(ppca.encoded_variance(variances, noise, fits))
    np.testing.assert_allclose(seen, expected, atol=0.02)


def test_prediction_applies_where_its_conditions_hold() -> None:
    options: dict = {"observe": "decoder_variance", "size": 60, "generations": 2}
    source = mc.normal(np.zeros(2), np.diag([2.0, 1.0]))
    (found,) = mc.predictions(mc.PPCA(2, 0.1), source, **options)
    np.testing.assert_allclose(found.values, ppca.finite_decoder_trace(3.0, 2, 0.1, 60, [1, 2, 3]), rtol=1e-12)
    for family in (mc.PPCA(1, 0.1), mc.PPCA(1), mc.PPCA(2, 0.1, output="sampled")):
        assert mc.predictions(family, source, **options) == []
    assert mc.predictions(mc.PPCA(2, 0.1), source, mc.FreshReal(0.5), **options) == []


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"latent": 0}, "latent must be at least 1, got 0"),
        ({"latent": 1, "noise": 0.0}, "noise must be finite and positive, got 0.0"),
        ({"latent": 1, "noise": 0.1, "kl_weight": -1.0}, "kl_weight must be finite and positive"),
        ({"latent": 1, "kl_weight": 2.0}, "kl_weight must be 1 where the noise is fitted, got 2.0"),
        ({"latent": 1, "output": "noisy"}, "output must be 'mean' or 'sampled', got 'noisy'"),
    ],
)
def test_refused_fields(options: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        mc.PPCA(**options)


def test_refused_runs() -> None:
    source = mc.normal(np.zeros(2), np.eye(2))
    for family, size, message in (
        (mc.PPCA(2), 9, r"latent must be at most 1 for rows of 2 numbers \(one less"),
        (mc.PPCA(3, 0.1), 9, "latent must be at most 2 for rows of 2 numbers, got 3"),
        (mc.PPCA(2, 0.1), 2, r"size must be at least latent \+ 1 = 3, got 2"),
    ):
        with pytest.raises(ValueError, match=message):
            mc.simulate(family, source, observe="decoder_variance", size=size, generations=1)
    with pytest.raises(TypeError, match="rows of real numbers"):
        mc.simulate(mc.PPCA(1), mc.categorical([1.0]), observe="decoder_variance", size=9, generations=1)

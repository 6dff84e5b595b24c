"""Gamma variates of any shape follow the exact law, tails and logarithms included."""

import jax
import jax.numpy as jnp
import mpmath
import numpy as np
import pytest
from sampling_laws import ACCEPT, REJECT
from scipy import stats

from modelcollapse import sampling

DRAWS = 200_000


@jax.jit
def draw(key, shape):
    return sampling.log_gamma(key, jnp.full(DRAWS, shape))


def log_cdf(shape):
    """Distribution function of the logarithm; a tiny shape has all its mass where the value itself underflows."""

    def cdf(x):
        least = np.exp(shape * np.minimum(x, -600) - float(mpmath.loggamma(1 + shape)))
        return np.where(x < -600, least, stats.gamma.cdf(np.exp(x), shape))

    return cdf


# below, at and above 1, where the method changes
@pytest.mark.parametrize("shape", [1e-3, 0.05, 0.5, 0.999, 1.0, 1.3, 2.5, 20.5, 1000.0, 1e8])
def test_law(shape):
    draws = np.asarray(draw(sampling.key(7), shape))
    assert draws.dtype == np.float64
    assert stats.kstest(draws, log_cdf(shape)).pvalue > ACCEPT
    for level in (1e-3, 1e-4):
        low, high = stats.gamma.ppf(level, shape), stats.gamma.isf(level, shape)
        if low > 1e-300:
            assert stats.binomtest(int((draws < np.log(low)).sum()), DRAWS, level).pvalue > ACCEPT
        assert stats.binomtest(int((draws > np.log(high)).sum()), DRAWS, level).pvalue > ACCEPT


@pytest.mark.parametrize("shape", [0.05, 0.5, 1.0, 2.5, 20.5])
def test_near_misses_fail(shape):
    draws = np.asarray(draw(sampling.key(7), shape))
    assert stats.kstest(draws, log_cdf(shape * 1.05)).pvalue < REJECT
    assert stats.kstest(draws + 0.05 / shape**0.5, log_cdf(shape)).pvalue < REJECT
    # without the cube, and without the power that takes the shape below 1
    assert stats.kstest(draws, stats.norm(np.log(shape), shape**-0.5).cdf).pvalue < REJECT


@pytest.mark.parametrize("shape", [0.01, 0.7, 3.0, 200.0])
def test_log_moments(shape):
    log = np.asarray(draw(sampling.key(5), shape))
    mean, variance = float(mpmath.digamma(shape)), float(mpmath.psi(1, shape))
    assert abs(log.mean() - mean) < 4 * np.sqrt(variance / DRAWS)
    fourth = float(mpmath.psi(3, shape)) + 2 * variance**2
    assert abs(log.var() - variance) < 4 * np.sqrt(fourth / DRAWS)


def test_the_ratio_to_the_shape_keeps_its_digits():
    shapes = jnp.array([0.3, 1.0, 7.0, 1e12])
    log = sampling.log_gamma(sampling.key(1), shapes)
    ratio = sampling.log_gamma(sampling.key(1), shapes, per_shape=True)
    np.testing.assert_allclose(ratio[:3], log[:3] - np.log(shapes[:3]), rtol=0, atol=1e-14)
    many = np.asarray(sampling.log_gamma(sampling.key(2), jnp.full(DRAWS, 1e12), per_shape=True))
    assert stats.kstest(many * 1e6, "norm").pvalue > ACCEPT
    # with log a, 27.6, added, eight digits of these would be left
    assert np.unique(many).size == DRAWS


def test_degenerate_shapes():
    shapes = jnp.array([0.0, -1.0, jnp.nan, jnp.inf, 1e-300])
    log = np.asarray(sampling.log_gamma(sampling.key(0), shapes))
    np.testing.assert_array_equal(log[:4], [-np.inf, -np.inf, np.nan, -np.inf])
    assert log[4] < -1e290
    assert sampling.log_gamma(sampling.key(0), 3).shape == ()
    with pytest.raises(TypeError, match="shape must be a real number, got bool"):
        sampling.log_gamma(sampling.key(0), jnp.array(True))
    with pytest.raises(TypeError, match="dtype must be a float type, got int32"):
        sampling.log_gamma(sampling.key(0), 1.0, jnp.int32)


def test_batched_and_without_x64():
    keys, shapes = jax.random.split(sampling.key(1), 30), jnp.arange(30, dtype=jnp.float32) / 4
    batched = jax.jit(jax.vmap(sampling.log_gamma))(keys, shapes)
    apart = [float(sampling.log_gamma(keys[i], shapes[i])) for i in (0, 1, 5, 29)]
    np.testing.assert_allclose(np.asarray(batched)[[0, 1, 5, 29]], apart, rtol=1e-13)
    with jax.enable_x64(False):
        narrow = jax.jit(jax.vmap(sampling.log_gamma))(keys, shapes)
        assert narrow.dtype == jnp.float32
    np.testing.assert_allclose(narrow, batched, rtol=1e-6)


def test_exponential():
    draws = np.asarray(sampling.exponential(sampling.key(3), (DRAWS,)))
    assert stats.kstest(draws, "expon").pvalue > ACCEPT
    assert stats.kstest(draws * 1.05, "expon").pvalue < REJECT
    assert stats.kstest(draws, stats.gamma(1.05).cdf).pvalue < REJECT
    assert draws.min() > 0
    with jax.enable_x64(False):
        narrow = sampling.exponential(sampling.key(3), (DRAWS,))
    assert narrow.dtype == jnp.float32
    np.testing.assert_allclose(narrow, draws, rtol=1e-7)

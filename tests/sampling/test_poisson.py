"""Poisson counts follow the exact law, and no law next to it."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from sampling_laws import ACCEPT, REJECT, chi_square_p, randomised_ks_p
from scipy import stats

from modelcollapse import sampling

DRAWS = 200_000


@jax.jit
def draw(key, rate):
    return sampling.poisson(key, jnp.full(DRAWS, rate))


# small and large, both sides of the switch between methods
@pytest.mark.parametrize("rate", [1e-4, 0.3, 1.0, 7.5, 39.0, 99.0, 99.99, 100.0, 101.0, 250.0, 2000.0])
def test_law(rate):
    counts = np.asarray(draw(sampling.key(int(rate) + 1), rate))
    support = np.arange(int(rate + 12 * rate**0.5 + 30))
    assert chi_square_p(counts, lambda k: stats.poisson.pmf(k, rate), support) > ACCEPT


@pytest.mark.parametrize("rate", [1e6, 2.0**31 - 10 * 2.0**15.5])
def test_law_of_large_counts(rate):
    counts = np.asarray(draw(sampling.key(1), rate))
    law, deviation = stats.poisson(rate), rate**0.5
    assert randomised_ks_p(counts, law) > ACCEPT
    assert randomised_ks_p(counts, stats.poisson(rate + 0.02 * deviation)) < REJECT
    for level in (2.5, 3.5):
        low, high = np.floor(rate - level * deviation), np.ceil(rate + level * deviation)
        assert stats.binomtest(int((counts <= low).sum()), DRAWS, law.cdf(low)).pvalue > ACCEPT
        assert stats.binomtest(int((counts > high).sum()), DRAWS, law.sf(high)).pvalue > ACCEPT


@pytest.mark.parametrize("rate", [0.3, 7.5, 39.0, 101.0])
def test_near_misses_fail(rate):
    counts = np.concatenate([np.asarray(draw(sampling.key(seed), rate)) for seed in range(5)])
    support = np.arange(int(rate + 12 * rate**0.5 + 30))
    assert chi_square_p(counts, lambda k: stats.poisson.pmf(k, rate), support) > ACCEPT
    assert chi_square_p(counts, lambda k: stats.poisson.pmf(k, rate * (1 + 0.01 / rate**0.5)), support) < REJECT
    assert chi_square_p(counts, lambda k: stats.binom.pmf(k, 200, rate / 200), support) < REJECT or rate < 1
    assert chi_square_p(counts, lambda k: stats.nbinom.pmf(k, 200, 200 / (200 + rate)), support) < REJECT or rate < 1


@pytest.mark.parametrize("rate", [20.0, 120.0])
def test_tails(rate):
    counts = np.concatenate([np.asarray(draw(sampling.key(seed), rate)) for seed in range(10, 20)])
    law = stats.poisson(rate)
    for level in (1e-4, 1e-5):
        low, high = law.ppf(level), law.isf(level)
        assert stats.binomtest(int((counts <= low).sum()), counts.size, law.cdf(low)).pvalue > ACCEPT
        assert stats.binomtest(int((counts > high).sum()), counts.size, law.sf(high)).pvalue > ACCEPT


def test_what_is_no_count_is_minus_one():
    rates = jnp.array([0.0, -0.0, -1.0, jnp.nan, jnp.inf, 2.2e9, 1e300, 1e-320])
    assert sampling.poisson(sampling.key(0), rates).tolist() == [0, 0, -1, -1, -1, -1, -1, 0]
    assert sampling.poisson(sampling.key(0), 5).dtype == jnp.int32
    # at the edge of int32 about half of the draws are lost, and none is wrong
    edge = np.asarray(draw(sampling.key(3), 2.0**31))
    assert stats.binomtest(int((edge == -1).sum()), DRAWS, stats.poisson(2.0**31).sf(2**31 - 1)).pvalue > ACCEPT
    assert edge[edge >= 0].min() > 2**31 - 8 * 2**15.5
    with pytest.raises(TypeError, match="rate must be a real number, got bool"):
        sampling.poisson(sampling.key(0), jnp.array(True))


def test_same_counts_without_x64():
    rates = jnp.linspace(0, 200, 1001, dtype=jnp.float32)
    wide = sampling.poisson(sampling.key(2), rates)
    with jax.enable_x64(False):
        narrow = jax.jit(sampling.poisson)(sampling.key(2), rates)
    assert narrow.dtype == wide.dtype == jnp.int32
    assert (narrow == wide).all()


def test_transformations_agree():
    batch, rates = jax.random.split(sampling.key(3), 20), jnp.arange(20.0) * 5
    one_by_one = [int(sampling.poisson(key, rate)) for key, rate in zip(batch, rates, strict=True)]
    assert jax.jit(jax.vmap(sampling.poisson))(batch, rates).tolist() == one_by_one

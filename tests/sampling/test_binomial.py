"""Binomial counts follow the exact law, and no law next to it."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from sampling_laws import ACCEPT, REJECT, chi_square_p, randomised_ks_p
from scipy import stats

from modelcollapse import sampling

DRAWS = 200_000


@jax.jit
def draw(key, n, p):
    return sampling.binomial(key, jnp.full(DRAWS, n), p)


# small and large means, both sides of every switch between methods, p beyond a half, p float32 and its own complement
CASES = [
    (1, 0.3),
    (5, 0.5),
    (30, 0.1),
    (100, 0.5),
    (100, 0.97),
    (119, 0.5),
    (121, 0.5),
    (200, 0.4),
    (200, 0.65),
    (900, 0.07),
]


@pytest.mark.parametrize(("n", "p"), CASES)
def test_law(n, p):
    counts = np.asarray(draw(sampling.key(n), jnp.int32(n), p))
    support = np.arange(n + 1)
    assert chi_square_p(counts, lambda k: stats.binom.pmf(k, n, p), support) > ACCEPT


@pytest.mark.parametrize(("n", "p"), [(10**6, 0.3), (2**31 - 1, 0.5), (2**31 - 1, 1e-8), (2**31 - 1, 0.999)])
def test_law_of_large_counts(n, p):
    counts = np.asarray(draw(sampling.key(1), jnp.int32(n), p))
    assert randomised_ks_p(counts, stats.binom(n, p)) > ACCEPT
    law, deviation = stats.binom(n, p), np.sqrt(n * p * (1 - p))
    for level in (2.5, 3.5):
        low, high = np.floor(n * p - level * deviation), np.ceil(n * p + level * deviation)
        assert stats.binomtest(int((counts <= low).sum()), DRAWS, law.cdf(low)).pvalue > ACCEPT
        assert stats.binomtest(int((counts > high).sum()), DRAWS, law.sf(high)).pvalue > ACCEPT


@pytest.mark.parametrize(("n", "p"), [(30, 0.1), (100, 0.3), (100, 0.9), (200, 0.4), (200, 0.65)])
def test_near_misses_fail(n, p):
    counts = np.concatenate([np.asarray(draw(sampling.key(seed), jnp.int32(n), p)) for seed in range(6)])
    support = np.arange(n + 2)
    assert chi_square_p(counts, lambda k: stats.binom.pmf(k, n, p), support) > ACCEPT
    assert chi_square_p(counts, lambda k: stats.binom.pmf(k, n + 1, p), support) < REJECT
    assert chi_square_p(counts, lambda k: stats.binom.pmf(k, n, p + 0.001), support) < REJECT


def test_tails():
    n, p = 50, 0.5
    counts = np.concatenate([np.asarray(draw(sampling.key(seed), jnp.int32(n), p)) for seed in range(10, 20)])
    for k in (8, 9, 10):
        chance = stats.binom.cdf(k, n, p)
        assert stats.binomtest(int((counts <= k).sum()), counts.size, chance).pvalue > ACCEPT
        assert stats.binomtest(int((counts >= n - k).sum()), counts.size, chance).pvalue > ACCEPT


def test_degenerate_arguments():
    key = sampling.key(0)
    n = jnp.array([0, -3, 7, 7, 7, 7, 2**31 - 1, 7])
    p = jnp.array([0.5, 0.5, 0.0, 1.0, -1.0, 2.0, 1.0, jnp.nan])
    assert sampling.binomial(key, n, p).tolist() == [0, 0, 0, 7, 0, 7, 2**31 - 1, -1]
    assert sampling.binomial(key, 5, 1).tolist() == 5
    assert 0 <= sampling.binomial(key, 2**31 - 1, 1e-300) <= 0
    with pytest.raises(TypeError, match="n must have an integer type"):
        sampling.binomial(key, 3.0, 0.5)


def test_same_counts_without_x64():
    n, p = jnp.arange(0, 4000, 3, dtype=jnp.int32), jnp.float32(0.3)
    key = sampling.key(2)
    wide = sampling.binomial(key, n, p)
    with jax.enable_x64(False):
        narrow = jax.jit(sampling.binomial)(key, n, p)
    assert narrow.dtype == wide.dtype == jnp.int32
    assert (narrow == wide).all()


def test_transformations_agree():
    batch = jax.random.split(sampling.key(3), 20)
    n = jnp.arange(20) * 13
    one_by_one = [int(sampling.binomial(key, size, 0.4)) for key, size in zip(batch, n, strict=True)]
    together = jax.jit(jax.vmap(lambda key, size: sampling.binomial(key, size, 0.4)))(batch, n)
    assert together.tolist() == one_by_one

    def step(total, item):
        return total + sampling.binomial(item[0], item[1], 0.4), None

    assert jax.jit(lambda: jax.lax.scan(step, jnp.int32(0), (batch, n)))()[0] == sum(one_by_one)

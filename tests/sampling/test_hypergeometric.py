"""Hypergeometric counts follow the exact law, and no law next to it."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from sampling_laws import ACCEPT, REJECT, chi_square_p, randomised_ks_p
from scipy import stats

from modelcollapse import sampling

DRAWS = 200_000


@jax.jit
def draw(key, good, bad, n):
    return sampling.hypergeometric(key, jnp.full(DRAWS, good), bad, n)


def pmf(good, bad, n):
    return lambda k: stats.hypergeom.pmf(k, good + bad, good, n)


# every mirror image, small and large means, n close to the population
CASES = [
    (1, 1, 1),
    (5, 10, 7),
    (50, 1000, 100),
    (1000, 50, 100),
    (1000, 50, 950),
    (60, 60, 60),
    (400, 300, 500),
    (3000, 2000, 700),
]


@pytest.mark.parametrize(("good", "bad", "n"), CASES)
def test_law(good, bad, n):
    counts = np.asarray(draw(sampling.key(good + n), good, bad, n))
    assert chi_square_p(counts, pmf(good, bad, n), np.arange(max(0, n - bad), min(good, n) + 1)) > ACCEPT


@pytest.mark.parametrize(
    ("good", "bad", "n"), [(10**6, 3 * 10**6, 10**5), (10**9, 10**9, 2 * 10**6), (10**4, 2 * 10**9, 10**6)]
)
def test_law_of_large_populations(good, bad, n):
    counts = np.asarray(draw(sampling.key(7), good, bad, n))
    assert randomised_ks_p(counts, stats.hypergeom(good + bad, good, n)) > ACCEPT


def test_near_misses_fail():
    counts = np.asarray(draw(sampling.key(1), 400, 300, 500))
    support = np.arange(200, 401)
    assert chi_square_p(counts, pmf(400, 300, 500), support) > ACCEPT
    assert chi_square_p(counts, pmf(401, 300, 500), support) < REJECT
    assert chi_square_p(counts, pmf(400, 300, 501), support) < REJECT
    assert chi_square_p(counts, lambda k: stats.binom.pmf(k, 500, 4 / 7), support) < REJECT


def test_degenerate_arguments():
    key = sampling.key(0)
    good, bad = jnp.array([0, 5, 5, 5, -2, 5]), jnp.array([5, 0, 5, 5, 5, 5])
    n = jnp.array([3, 3, 0, 99, 2, 10])
    assert sampling.hypergeometric(key, good, bad, n).tolist() == [0, 3, 0, 5, 0, 5]
    with pytest.raises(TypeError, match="bad must have an integer type"):
        sampling.hypergeometric(key, 3, 2.0, 1)


def test_same_counts_without_x64_and_under_vmap():
    keys, good = jax.random.split(sampling.key(2), 50), jnp.arange(50, dtype=jnp.int32) * 40
    batched = jax.vmap(lambda key, good: sampling.hypergeometric(key, good, 900, 600))
    wide = jax.jit(batched)(keys, good)
    with jax.enable_x64(False):
        assert (jax.jit(batched)(keys, good) == wide).all()
    assert wide[17] == sampling.hypergeometric(keys[17], good[17], 900, 600)

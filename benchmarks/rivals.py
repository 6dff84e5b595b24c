"""What a user would write instead: each the fastest plain form of its kind."""

from __future__ import annotations

import functools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from scipy import stats


def zipf(states: int) -> np.ndarray:
    weights = 1.0 / np.arange(1, states + 1)
    return weights / weights.sum()


def multinomial(seed: int, p: np.ndarray, size: int, chains: int, fits: int) -> np.ndarray:
    """``Generator.multinomial``, vectorised over chains: counts ``(chains, K)``."""
    rng = np.random.default_rng(seed)
    counts = rng.multinomial(size, p, size=chains)
    for _ in range(fits - 1):
        counts = rng.multinomial(size, counts / size)
    return counts


def resample(seed: int, p: np.ndarray, size: int, chains: int, fits: int) -> np.ndarray:
    """Every item copies a uniform parent: states ``(chains, size)``."""
    rng = np.random.default_rng(seed)
    items = rng.choice(p.size, (chains, size), p=p).astype(np.int32)
    for _ in range(fits - 1):
        items = np.take_along_axis(items, rng.integers(0, size, (chains, size), dtype=np.int32), 1)
    return items


def choice_loop(seed: int, p: np.ndarray, size: int, chains: int, fits: int) -> np.ndarray:
    """``choice`` and ``bincount``, chain by chain, as the papers' scripts do it."""
    rng = np.random.default_rng(seed)
    out = []
    for _ in range(chains):
        law = p
        for _ in range(fits):
            law = np.bincount(rng.choice(p.size, size, p=law), minlength=p.size) / size
        out.append(law)
    return np.array(out)


@functools.partial(jax.jit, static_argnames=("size", "chains", "fits"))
def jax_multinomial(seed: Any, p: jax.Array, size: int, chains: int, fits: int) -> jax.Array:
    """``jax.random.multinomial`` in a scan."""

    def refit(law: jax.Array, key: jax.Array) -> tuple[jax.Array, None]:
        draw = jax.vmap(lambda key, law: jax.random.multinomial(key, size, law))
        return draw(jax.random.split(key, chains), law) / size, None

    start = jnp.broadcast_to(p, (chains, p.size))
    return jax.lax.scan(refit, start, jax.random.split(jax.random.key(seed, impl="threefry2x32"), fits))[0]


def resample_until_fixed(seed: int, p: np.ndarray, size: int, chains: int) -> np.ndarray:
    """Index resample, chains dropped once fixed: the numbers of fits, ``(chains,)``."""
    rng = np.random.default_rng(seed)
    items = rng.choice(p.size, (chains, size), p=p).astype(np.int32)
    times, fits = [], 1
    while len(items):
        fixed = (items == items[:, :1]).all(1)
        times += [fits] * int(fixed.sum())
        items = items[~fixed]
        items = np.take_along_axis(items, rng.integers(0, size, items.shape, dtype=np.int32), 1)
        fits += 1
    return np.array(times)


def multinomial_until_fixed(seed: int, p: np.ndarray, size: int, chains: int) -> np.ndarray:
    """``Generator.multinomial``, chain by chain on its surviving states."""
    rng = np.random.default_rng(seed)
    times = []
    for _ in range(chains):
        counts, fits = rng.multinomial(size, p), 1
        while (counts := counts[counts > 0]).size > 1:
            counts = rng.multinomial(size, counts / size)
            fits += 1
        times.append(fits)
    return np.array(times)


def sufficient_statistics(seed: int, size: int, d: int, chains: int, fits: int) -> tuple[np.ndarray, np.ndarray]:
    """Gaussian refits by mean and Bartlett factor, vectorised over chains."""
    rng = np.random.default_rng(seed)
    if d == 1:
        mean, log_scale = np.zeros(chains), np.zeros(chains)
        for _ in range(fits):
            mean = mean + np.exp(log_scale) * rng.standard_normal(chains) / size**0.5
            log_scale = log_scale + 0.5 * np.log(rng.chisquare(size - 1, chains) / (size - 1))
        return mean, log_scale
    mean, factor = np.zeros((chains, d)), np.broadcast_to(np.eye(d), (chains, d, d))
    below = np.tril_indices(d, -1)
    diagonal = np.arange(d)
    for _ in range(fits):
        mean = mean + (factor @ rng.standard_normal((chains, d, 1)))[..., 0] / size**0.5
        bartlett = np.zeros((chains, d, d))
        bartlett[:, below[0], below[1]] = rng.standard_normal((chains, below[0].size))
        bartlett[:, diagonal, diagonal] = np.sqrt(rng.chisquare(size - 1 - diagonal, (chains, d)))
        factor = factor @ bartlett / (size - 1) ** 0.5
    return mean, factor


def kernel_pool(seed: int, size: int, chains: int, fits: int) -> tuple[np.ndarray, np.ndarray]:
    """Kernel densities by Silverman's rule on all rows so far, some chains at once: mean and variance of the rows, ``(chains,)``.

    Rows are added in place and their moments are kept up to date, as our own are. Sixteen chains go all the way before
    the next: faster than one, 4, 64 or all at once.
    """
    rng = np.random.default_rng(seed)
    out = []
    for group in np.array_split(np.arange(chains), -(-chains // 16)):
        pool = np.empty((group.size, fits * size), np.float32)
        pool[:, :size] = rng.standard_normal((group.size, size), np.float32)
        offset = (np.arange(group.size) * pool.shape[1])[:, None]
        mean, scatter = pool[:, :size].mean(1), size * pool[:, :size].var(1)
        for held in range(size, fits * size, size):
            h = np.sqrt(scatter / (held - 1)) * np.float32((held * 0.75) ** -0.2)
            picked = rng.integers(0, held, (group.size, size), dtype=np.int32) + offset
            new = pool.ravel().take(picked) + h[:, None] * rng.standard_normal((group.size, size), np.float32)
            pool[:, held : held + size] = new
            gap = new.mean(1) - mean
            scatter += size * new.var(1) + held * size / (held + size) * gap**2
            mean += gap * size / (held + size)
        out.append((mean, scatter / (fits * size)))
    means, variances = zip(*out, strict=True)
    return np.concatenate(means), np.concatenate(variances)


def kernel_pool_of_scipy(seed: int, size: int, chains: int, fits: int) -> np.ndarray:
    """``scipy.stats.gaussian_kde`` on all rows so far, chain by chain, as a script would do it: the variances."""
    rng = np.random.default_rng(seed)
    out = []
    for _ in range(chains):
        pool = rng.standard_normal(size)
        for _ in range(fits - 1):
            pool = np.append(pool, stats.gaussian_kde(pool, "silverman").resample(size, rng)[0])
        out.append(pool.var())
    return np.array(out)


def sample_and_refit(seed: int, size: int, chains: int, fits: int) -> tuple[np.ndarray, np.ndarray]:
    """Normal rows drawn and refitted, vectorised over chains."""
    rng = np.random.default_rng(seed)
    mean, scale = np.zeros((chains, 1)), np.ones((chains, 1))
    for _ in range(fits):
        rows = mean + scale * rng.standard_normal((chains, size))
        mean, scale = rows.mean(1, keepdims=True), rows.std(1, ddof=1, keepdims=True)
    return mean, scale


def sklearn_mixture(seed: int, rows: np.ndarray, components: int, fits: int) -> list[tuple[np.ndarray, Any]]:
    """scikit-learn's default fit and its own draws: rows and fit of each generation."""
    from sklearn.mixture import GaussianMixture

    random, size, out = np.random.RandomState(seed), len(rows), []
    for _ in range(fits):
        model = GaussianMixture(components, random_state=random).fit(rows)
        out.append((rows, model))
        rows = model.sample(size)[0]
    return out


def two_allele_moments(p: float, size: int) -> tuple[float, float]:
    """Mean and variance of the fits to fixation from the two-allele chain's transition matrix, dense, from every state."""
    count = np.arange(size + 1)
    inner = stats.binom.pmf(count[None, 1:-1], size, count[1:-1, None] / size)
    system = np.eye(size - 1) - inner
    mean = np.linalg.solve(system, np.ones(size - 1))
    second = np.linalg.solve(system, 1 + 2 * inner @ mean)
    first = stats.binom.pmf(count, size, p)[1:-1]
    expected, square = 1 + first @ mean, 1 + 2 * first @ mean + first @ second
    return expected, square - expected**2


def dtwf(seed: int, size: int, generations: int) -> Any:
    """msprime's ``dtwf`` (diploid only: ``size / 2`` individuals), all lineages of the final state back
    ``generations``.
    """
    import msprime

    return msprime.sim_ancestry(
        samples=size // 2, population_size=size // 2, model="dtwf", end_time=generations, random_seed=seed + 1
    )

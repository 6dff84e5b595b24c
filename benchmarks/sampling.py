"""Kernels side by side with NumPy, in CPU-seconds of all threads: ``python benchmarks/sampling.py [name ...]``.

Every row is a median over repeated runs after a first call, which is shown by itself because tracing and compiling are
part of a user's time. Only the ratio of a row travels to other machines.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from modelcollapse import ancestry, sampling

REPEATS = 5


def seconds(run: Callable[[int], object]) -> tuple[float, float]:
    """CPU-seconds of the first call and the median of the others; ``run`` takes a seed."""
    spent = []
    for seed in range(REPEATS + 1):
        start = time.process_time()
        jax.block_until_ready(run(seed))
        spent.append(time.process_time() - start)
    return spent[0], float(np.median(spent[1:]))


def scanned(draw, chains, generations):
    """``draw(key)`` for each chain and generation, as a simulation calls it; the sum keeps every draw alive."""

    @jax.jit
    def run(key):
        keys = jax.random.split(key, chains)

        def generation(total, index):
            return total + jax.vmap(lambda key: draw(sampling.fold(key, index)))(keys), None

        start = jnp.zeros_like(jax.eval_shape(jax.vmap(draw), keys))
        return lax.scan(generation, start, jnp.arange(generations))[0]

    return lambda seed: run(sampling.key(seed))


def repeated(draw, times):
    def run(seed):
        generator = np.random.default_rng(seed)
        for _ in range(times):
            draw(generator)

    return run


def resampling(states, size, chains, generations, capacity):
    """The replace regime on counts, Zipf(1) truth, as one scan."""
    truth = jnp.asarray(1.0 / np.arange(1, states + 1))

    @jax.jit
    def run(key):
        keys = jax.random.split(key, chains)

        def generation(counts, index):
            draw = jax.vmap(lambda key, c: sampling.multinomial(sampling.fold(key, index), size, c, capacity))
            return draw(keys, counts), None

        first = jax.vmap(lambda key: sampling.multinomial(key, size, truth, capacity))(keys)
        return lax.scan(generation, first, jnp.arange(1, generations))[0]

    return lambda seed: run(sampling.key(seed))


def numpy_resampling(states, size, chains, generations):
    truth = 1.0 / np.arange(1, states + 1)

    def run(seed):
        generator = np.random.default_rng(seed)
        p = np.tile(truth / truth.sum(), (chains, 1))
        for _ in range(generations):
            p = generator.multinomial(size, p) / size

    return run


def rows() -> Iterator[tuple[str, int, Callable, Callable | None]]:
    """Name, draws a run, our run, NumPy's run."""
    chains, generations = 1000, 50
    draws = chains * generations
    for dtype in (jnp.float32, jnp.float64):
        name = jnp.dtype(dtype).name
        yield (
            f"normal {name}",
            draws,
            scanned(lambda key, dtype=dtype: sampling.normal(key, (), dtype), chains, generations),
            repeated(lambda g: g.standard_normal(chains), generations),
        )
        for dof in (5, 99, 100_000):
            yield (
                f"log chi-square dof={dof} {name}",
                draws,
                scanned(
                    lambda key, dof=dof, dtype=dtype: sampling.log_chi_square(key, dof, dtype), chains, generations
                ),
                repeated(lambda g, dof=dof: np.log(g.chisquare(dof, chains)), generations),
            )
    for n, p in ((100, 0.1), (100, 0.5), (10_000, 0.3), (1_000_000, 0.5)):
        yield (
            f"binomial n={n} p={p}",
            draws,
            scanned(lambda key, n=n, p=p: sampling.binomial(key, n, p), chains, generations),
            repeated(lambda g, n=n, p=p: g.binomial(n, p, chains), generations),
        )
    yield (
        "hypergeometric 500 + 500, n=300",
        draws,
        scanned(lambda key: sampling.hypergeometric(key, 500, 500, 300), chains, generations),
        repeated(lambda g: g.hypergeometric(500, 500, 300, chains), generations),
    )
    for states, size, chains, generations in ((10, 100, 1000, 100), (1000, 1000, 100, 20), (50_000, 100_000, 4, 4)):
        for capacity in (size, None):
            yield (
                f"replace K={states} M={size} capacity={capacity}",
                chains * generations,
                resampling(states, size, chains, generations, capacity),
                numpy_resampling(states, size, chains, generations),
            )
    zipf = 1.0 / np.arange(1, 50_001)
    yield (
        "generation 999, K=50000 M=100000",
        1,
        lambda seed: ancestry.final_counts(sampling.key(seed), zipf, 100_000, 1000),
        None,
    )
    yield (
        "stationary, a hundredth real, K=50000 M=100000",
        1,
        lambda seed: ancestry.stationary_counts(sampling.key(seed), zipf, 100_000, 0.01),
        None,
    )
    yield (
        "fixation M=1000000",
        1,
        lambda seed: ancestry.fixation(sampling.key(seed), np.array([0.5, 0.5]), 1_000_000),
        None,
    )
    yield (
        "fixation M=1000, 1000 chains",
        1000,
        lambda seed: ancestry.fixation(sampling.key(seed), np.array([0.5, 0.5]), 1000, 1000),
        None,
    )


def main(wanted: list[str]) -> None:
    jax.config.update("jax_enable_x64", True)
    print(f"{'':48s} {'first s':>8s} {'us a draw':>10s} {'NumPy':>10s} {'ratio':>6s}")
    for name, draws, ours, numpys in rows():
        if wanted and not any(word in name for word in wanted):
            continue
        first, again = seconds(ours)
        line = f"{name:48s} {first:8.2f} {again / draws * 1e6:10.3f}"
        if numpys is not None:
            other = seconds(numpys)[1]
            line += f" {other / draws * 1e6:10.3f} {other / again:6.2f}"
        print(line, flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])

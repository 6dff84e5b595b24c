"""The rows of the benchmark: for each kind of work, ours and what a user would pick instead."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Iterator
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import rivals
from timing import Entry, Row

import modelcollapse as mc
from modelcollapse import ancestry, sampling
from modelcollapse.data import Rows
from modelcollapse_theory import fixation


def last(
    family: Any, source: Any, observe: Any, size: int, generations: int, chains: int, regime: Any = None
) -> Callable[[int], Any]:
    """A run that keeps its last generation; a chain whose fit fails just ends."""

    def run(seed: int) -> Any:
        try:
            return mc.simulate(
                family, source, regime, observe, size=size, generations=generations, chains=chains, seed=seed,
                record=[generations],
            ).trace  # fmt: skip
        except mc.ChainFailure as failure:
            return failure.run.trace

    return run


def discrete(states: int, size: int, chains: int, fits: int, slow: int, target: str) -> Row:
    """``slow``: how much less the slow rivals are given to do."""
    p = rivals.zipf(states)
    work = chains * fits
    some = max(chains // slow, 1)
    few = max(fits // slow, 2)
    return Row(
        f"discrete forward, K = {states}, M = {size}",
        "chain-generation",
        {
            "modelcollapse": Entry(
                last(mc.Discrete(), mc.categorical(p), "heterozygosity", size, fits - 1, chains), work
            ),
            "NumPy multinomial": Entry(lambda seed: rivals.multinomial(seed, p, size, chains, fits), work),
            "NumPy index resample": Entry(lambda seed: rivals.resample(seed, p, size, chains, fits), work),
            "choice + bincount": Entry(lambda seed: rivals.choice_loop(seed, p, size, some, few), some * few),
            "jax.random.multinomial": Entry(
                lambda seed: rivals.jax_multinomial(seed, jnp.asarray(p, jnp.float32), size, some, few), some * few
            ),
        },
        target,
        f"runs of {fits} fits; the last two rivals of {few}",
    )


def population(states: int, size: int, chains: int, fits: int, models: int) -> Row:
    """Models that learn from one another, and as many plain chains."""
    p = rivals.zipf(states)
    work, weights = chains * fits, np.full((models, models), 0.9 / models)
    exchange, together = mc.regimes.Exchange(weights, 0.1), mc.families.Population(mc.Discrete(), models=models)
    alone = last(
        mc.Discrete(), mc.categorical(p), "heterozygosity", size, fits, models * chains, mc.Mixture(0.9, 0, 0.1)
    )
    return Row(
        f"population of {models}, K = {states}, M = {size}",
        "chain-generation",
        {
            "modelcollapse": Entry(
                last(together, mc.categorical(p), "heterozygosity", size, fits, chains, exchange), work
            ),
            f"modelcollapse, {models} plain chains": Entry(alone, work),
        },
        "3 CPU-s",
        f"{chains} chains of {fits} generations",
    )


def absorption(states: int, size: int, chains: int, few: int) -> Row:
    """``few``: chains that the rivals are given."""
    p = rivals.zipf(states)
    long = 40 * size  # the chance that a chain lasts longer is below exp(-39)
    return Row(
        f"discrete forward to absorption, K = {states}, M = {size}",
        "chain",
        {
            "modelcollapse": Entry(
                last(mc.Discrete(), mc.categorical(p), "absorption_time", size, long, chains), chains
            ),
            "modelcollapse ancestry": Entry(
                lambda seed: ancestry.fixation(sampling.key(seed), p, size, chains), chains
            ),
            "NumPy index resample": Entry(lambda seed: rivals.resample_until_fixed(seed, p, size, few), few),
            "NumPy multinomial, survivors only": Entry(
                lambda seed: rivals.multinomial_until_fixed(seed, p, size, few), few
            ),
        },
        "10x",
        "ancestry draws the same time and winner exactly, without running the chain; the ratio is of the forward run",
    )


def final_state(states: int, size: int, fits: int, forward: int, target: str) -> Row:
    """``forward``: fits that the forward rivals really run."""
    p = rivals.zipf(states)
    share = forward / fits
    entries = {
        "modelcollapse ancestry": Entry(lambda seed: ancestry.final_counts(sampling.key(seed), p, size, fits)),
        "NumPy multinomial": Entry(lambda seed: rivals.multinomial(seed, p, size, 1, forward), share),
        "NumPy index resample": Entry(lambda seed: rivals.resample(seed, p, size, 1, forward), share),
    }
    if importlib.util.find_spec("msprime"):
        reach = min(fits, 20 * forward)
        entries["msprime dtwf"] = Entry(lambda seed: rivals.dtwf(seed, size, reach), reach / fits)
    return Row(
        f"final state at generation {fits - 1}, K = {states}, M = {size}",
        "draw",
        entries,
        target,
        f"forward rivals extrapolated from {forward} fits at their own rate; dtwf from at most {20 * forward}",
    )


def fixation_draw(size: int, chains: int) -> Row:
    p = rivals.zipf(1000)
    return Row(
        f"fixation time and winner, M = {size}",
        "draw",
        {"modelcollapse ancestry": Entry(lambda seed: ancestry.fixation(sampling.key(seed), p, size, chains), chains)},
        "1 CPU-s",
    )


def stationary(size: int, states: int) -> Row:
    p = rivals.zipf(states)
    return Row(
        f"stationary draw, 1 % real, M = {size}, K = {states}",
        "draw",
        {
            "modelcollapse ancestry": Entry(
                lambda seed: ancestry.stationary_counts(sampling.key(seed), p, size, share=0.01)
            )
        },
        "1 CPU-s",
    )


def gaussian(d: int, size: int, chains: int, fits: int, target: str) -> Row:
    work = chains * fits
    source = mc.normal(np.zeros(d), np.eye(d))
    entries = {
        "modelcollapse": Entry(last(mc.Gaussian(), source, ["log_determinant", "mean"], size, fits - 1, chains), work),
        "NumPy sufficient statistics": Entry(
            lambda seed: rivals.sufficient_statistics(seed, size, d, chains, fits), work
        ),
    }
    if d == 1:
        few = max(fits // 10, 2)
        entries["sample and refit"] = Entry(lambda seed: rivals.sample_and_refit(seed, size, chains, few), chains * few)
    return Row(f"Gaussian, d = {d}, M = {size}", "chain-generation", entries, target)


def mixture(components: int, size: int, chains: int, fits: int, compared: int) -> Row:
    """``tol`` is a tenth of scikit-learn's, so that the likelihood is no lower; by how much is in the note."""
    weights, means = ([0.5, 0.5], [[0, 0], [4, 0]]) if components == 2 else ([0.3, 0.4, 0.3], [[0, 0], [4, 0], [0, 4]])
    source = mc.normal_mixture(weights, means, [np.eye(2)] * components)
    family = mc.GaussianMixture(components, reg_covar=1e-6, tol=1e-4)
    real = np.asarray(source.draw_rows(sampling.key(0), size, size).points, np.float64)
    path = rivals.sklearn_mixture(0, real, components, compared)
    params, gain = None, []
    for rows, model in path:
        data = Rows(jnp.asarray(rows, jnp.result_type(float)), jnp.int32(size))
        params = family.fit(sampling.key(1), data, params)
        gain.append(float(params.log_density(data.points).mean()) - model.score(rows))
    return Row(
        f"mixture, K = {components}, M = {size}, 2-D",
        "chain-generation",
        {
            "modelcollapse": Entry(last(family, source, "mean", size, fits - 1, chains), chains * fits),
            "scikit-learn": Entry(lambda seed: rivals.sklearn_mixture(seed, real, components, compared), compared),
        },
        "30x",
        f"mean log-likelihood of the same rows minus scikit-learn's: {np.mean(gain):+.1e}",
    )


def kernel_density(size: int, chains: int, fits: int, few: int) -> Row:
    """``few``: chains that the script with SciPy is given."""
    family, regime = mc.KernelDensity(rule="silverman"), mc.Accumulate()
    work = chains * fits
    return Row(
        f"kernel density that accumulates, M = {size}",
        "chain-generation",
        {
            "modelcollapse": Entry(
                last(family, mc.normal(), ["mean", "variance"], size, fits - 1, chains, regime), work
            ),
            "NumPy, in place": Entry(lambda seed: rivals.kernel_pool(seed, size, chains, fits), work),
            "scipy.stats.gaussian_kde": Entry(
                lambda seed: rivals.kernel_pool_of_scipy(seed, size, few, fits), few * fits
            ),
        },
        "3 CPU-s",
        f"runs of {chains} chains and {fits} fits, the last to {fits * size} rows",
    )


def refit() -> Row:
    """The default network on as many digits as the claims have."""
    pixels = np.random.default_rng(0).random((1000, 784), np.float32)
    run = lambda seed: mc.simulate(  # noqa: E731
        mc.families.VAE(), mc.sources.images(pixels), size=1000, generations=1, chains=1, seed=seed, record=[1]
    )
    return Row(
        "VAE, default network, 1000 images of 784 pixels", "refit", {"modelcollapse": Entry(run, 2.0)}, "1.2 CPU-s"
    )


def call() -> Row:
    """What a call costs that has nothing to compile and next to nothing to compute."""
    run = last(mc.Gaussian(), mc.normal(), "mean", 100, 1, 10)
    return Row("one call of simulate, 10 chains, 1 generation", "call", {"modelcollapse": Entry(run)})


def language(blocks: int = 64, length: int = 64, vocabulary: int = 256) -> tuple[Row, Row]:
    """A decoder of 0.84 M parameters: an epoch of training, and continuations as long as their prompts."""
    network = mc.families.Transformer(vocabulary, length=2 * length)
    base = jax.jit(network.init)(sampling.key(0))
    tokens = np.random.default_rng(0).integers(0, vocabulary, (blocks, length)).astype(np.int32)
    text = Rows(jnp.asarray(tokens), jnp.int32(blocks))

    @jax.jit
    def train(family: Any, seed: Any) -> Any:
        # the weights too: the loss of one batch alone needs no step
        return family.fit(sampling.key(seed), text, None)

    @jax.jit
    def write(family: Any, params: Any, seed: Any) -> Any:
        return family.draw(sampling.key(seed), params, jnp.int32(blocks), blocks, text).points

    def model(decoding: Any) -> Any:
        return mc.families.LanguageModel(network, base, decoding, epochs=1)

    search, draw = model(mc.families.Beam(5)), model(mc.families.Sampled())
    fitted = jax.jit(lambda: search.fit(sampling.key(0), text, None))()
    size = f"language model, {sum(leaf.size for leaf in jax.tree.leaves(base)) / 1e6:.2f} M parameters"
    return (
        Row(
            f"{size}: training, batches of {min(64, blocks)} blocks of {length}",
            "token",
            {"modelcollapse": Entry(lambda seed: train(search, seed), blocks * length)},
            "204 CPU-us",
        ),
        Row(
            f"{size}: {length} tokens after as many",
            "token",
            {
                "modelcollapse, beam search of width 5": Entry(
                    lambda seed: write(search, fitted, seed), blocks * length
                ),
                "modelcollapse, sampled": Entry(lambda seed: write(draw, fitted, seed), blocks * length),
            },
            "606 CPU-us",
            f"{blocks} prompts at once",
        ),
    )


def moments(size: int) -> Row:
    p = 0.3
    ours = fixation.fixation_time_moments([p, 1 - p], size)
    worst = np.abs(np.array(rivals.two_allele_moments(p, size)) / np.array(ours) - 1).max()
    law = rivals.zipf(50)
    return Row(
        f"mean and variance of the fixation time, M = {size}",
        "solve",
        {
            "modelcollapse_theory, K = 50": Entry(lambda seed: fixation.fixation_time_moments(law, size)),
            "SciPy dense, K = 2": Entry(lambda seed: rivals.two_allele_moments(p, size)),
        },
        "5x",
        f"for two states the two differ by {worst:.0e}, relative",
    )


def whole_law(size: int) -> Row:
    fits = np.arange(1, 501) * (10 * size) // 500
    law = rivals.zipf(50)
    return Row(
        f"law of the fixation time at {fits.size} times, K = 50, M = {size}",
        "law",
        {"modelcollapse_theory": Entry(lambda seed: fixation.fixation_time_cdf(law, size, fits))},
        "1 CPU-s",
    )


def rows() -> Iterator[tuple[str, Callable[[], Row]]]:
    """Names for ``--only``, and what makes each row."""
    yield "discrete-10", lambda: discrete(10, 100, 50_000, 100, 200, "4x")
    yield "discrete-1000", lambda: discrete(1000, 1000, 4000, 100, 50, "6x")
    yield "discrete-50000", lambda: discrete(50_000, 100_000, 40, 100, 50, "6x")
    yield "population", lambda: population(50, 200, 10_000, 50, 4)
    yield "absorption", lambda: absorption(1000, 1000, 1024, 64)
    yield "state-1000", lambda: final_state(50_000, 100_000, 1001, 10, "50x")
    yield "state-100000", lambda: final_state(50_000, 100_000, 100_001, 10, "2000x")
    yield "fixation", lambda: fixation_draw(10**6, 1)
    yield "stationary", lambda: stationary(10**5, 50_000)
    yield "gaussian-1", lambda: gaussian(1, 100, 4000, 1500, "4x")
    yield "gaussian-10", lambda: gaussian(10, 100, 4000, 600, "4x")
    yield "kernel-density", lambda: kernel_density(1000, 1000, 101, 4)
    yield "mixture-2", lambda: mixture(2, 500, 1000, 50, 20)
    yield "mixture-3", lambda: mixture(3, 1000, 1000, 50, 20)
    yield "vae", refit
    yield "language-training", lambda: language()[0]
    yield "language-writing", lambda: language()[1]
    yield "call", call
    yield "moments", lambda: moments(1000)
    yield "law", lambda: whole_law(1000)


def growth() -> Iterator[tuple[str, str, list[int], Callable[[int], Callable[[int], Any]]]]:
    """Name, what grows, its values, and what makes a run of each value."""
    p = rivals.zipf

    def forward(states: int, size: int, generations: int, chains: int) -> Callable[[int], Any]:
        return last(mc.Discrete(), mc.categorical(p(states)), "heterozygosity", size, generations, chains)

    yield (
        "growth-n",
        "Gaussian, generations",
        [1000, 4000, 16_000],
        lambda n: last(mc.Gaussian(), mc.normal(), "log_determinant", 100, n, 1000),
    )
    yield "growth-M", "discrete, sample size (K = 1000)", [1000, 4000, 16_000], lambda m: forward(1000, m, 50, 64)
    yield "growth-K", "discrete, states (M = 1000)", [1000, 4000, 16_000], lambda k: forward(k, 1000, 50, 64)
    yield (
        "growth-chains",
        "discrete, chains (K = 10, M = 100)",
        [1000, 4000, 16_000],
        lambda c: forward(10, 100, 100, c),
    )
    yield (
        "growth-d", "Gaussian, dimension", [4, 8, 16, 32],
        lambda d: last(mc.Gaussian(), mc.normal(np.zeros(d), np.eye(d)), "log_determinant", 100, 200, 400),
    )  # fmt: skip
    yield (
        "growth-ancestry", "final state by ancestry, generations", [100, 1000, 10_000, 100_000],
        lambda n: lambda seed: ancestry.final_counts(sampling.key(seed), p(1000), 10_000, n + 1, 4),
    )  # fmt: skip
    yield (
        "growth-fixation", "fixation draw, sample size", [10**4, 10**5, 10**6],
        lambda m: lambda seed: ancestry.fixation(sampling.key(seed), p(1000), m),
    )  # fmt: skip

"""Linear VAEs: decoder means lose an amount of variance a fit where a Gaussian loses a fraction, and classes are the discrete chain."""

from __future__ import annotations

import functools
from typing import Any

import jax.numpy as jnp
import numpy as np

from modelcollapse.families import PPCA, Conditional
from modelcollapse.observables import of
from modelcollapse.run import simulate
from modelcollapse.sources import images, normal
from modelcollapse.verify.evidence import BoundedMean, ChernoffMean, Evidence, NominalMean, Proportion
from modelcollapse.verify.registry import claim, stream
from modelcollapse_theory import gaussian, ppca, replacement, support, wishart

SECTION = "D. families"
SOURCE = "theory/derivations/ppca.md"


def run(name: str, family: Any, source: Any, observe: Any, size: int, fits: list[int], seed: int, chains: int) -> Any:
    """Traces of the observables after each of ``fits``, ``(chain, fit, ...)``."""
    record = [n - 1 for n in fits]
    return simulate(
        family, source, observe=observe, size=size, generations=record[-1], chains=chains, seed=stream(seed, name), record=record
    ).trace  # fmt: skip


@claim(
    "PPCA with given noise t, refitted to decoder means: E tr = a^n tr_0 - t r M (1 - a^n), a fraction to sampling and an amount to noise",
    source=SOURCE,
    section=SECTION,
    chains=20_000,
    tier="quick",
    theorems=["ppca.finite_decoder_trace", "ppca.decoder_mean_variance"],
)
def decoder_mean_trace(seed: int, chains: int) -> Evidence:
    size, fits, noise, variances = 100, 5, 0.05, (2.0, 1.0)
    source = normal(np.zeros(2), np.diag(variances))
    seen = run("decoder trace", PPCA(2, noise), source, "decoder_variance", size, [fits], seed, chains)
    exact = functools.partial(ppca.finite_decoder_trace, sum(variances), 2, noise, size)
    wrong = {
        "infinite data": float(ppca.decoder_mean_variance(variances, noise, fits).sum()),
        "sampling alone": float(ppca.sampled_trace(sum(variances), size, fits)),
        "noise lost at the first fit only": float(ppca.sampled_trace(exact(1), size, fits - 1)),
        "one direction loses": float(ppca.finite_decoder_trace(sum(variances), 1, noise, size, fits)),
        "one fit early": float(exact(fits - 1)),
    }
    return Evidence(
        NominalMean(seen["decoder_variance"][:, 0]), float(exact(fits)), wrong, f"E tr, M = {size}, {fits} fits"
    )


@claim(
    "a direction of a linear VAE dies in finite time: P(alive) by F_n(x) = E F_{n-1}(x G - 1)",
    source=SOURCE,
    section=SECTION,
    chains=20_000,
    tier="quick",
    theorems=["ppca.alive_probability"],
)
def direction_dies(seed: int, chains: int) -> Evidence:
    size, fits, noise = 20, 4, 0.2
    seen = run("direction", PPCA(1, noise), normal(), "decoder_variance", size, [fits], seed, chains)
    exact = functools.partial(ppca.alive_probability, 1.0, noise)
    wrong = {
        "one fit early": float(exact(size, fits - 1)),
        "one fit late": float(exact(size, fits + 1)),
        "infinite data": float(ppca.decoder_mean_variance(1.0, noise, fits) > 0),
        "divisor M - 1": float(ppca.alive_probability(size / (size - 1), noise * (size - 1) / size, size, fits)),
    }
    return Evidence(
        Proportion.of(seen["decoder_variance"][:, 0] > 0),
        float(exact(size, fits)),
        wrong,
        f"P(alive), M = {size}, {fits} fits",
    )


@claim(
    "PPCA with fitted noise, refitted to decoder means: one loss to noise, then the Gaussian chain with ddof 0 in q dimensions",
    source=SOURCE,
    section=SECTION,
    chains=6_000,
    tier="quick",
    theorems=["ppca.learned_noise_log_determinant", "ppca.learned_noise"],
)
def learned_noise_chain(seed: int, chains: int) -> Evidence:
    size, fits, latent, d = 20, 11, 2, 3
    source = normal(np.zeros(d), np.diag([3.0, 2.0, 1.0]))
    seen = run("fitted noise", PPCA(latent), source, "decoder_variances", size, [1, fits], seed, chains)
    logs = np.log(seen["decoder_variances"]).sum(-1)
    mean = float(ppca.learned_noise_log_determinant(size, fits, latent))
    observed = ChernoffMean(
        logs[:, 1] - logs[:, 0],
        lambda t: float(wishart.log_determinant_cgf(t, size, fits - 1, latent, ddof=0)) - t * mean,
        (-(size - latent) / 2, np.inf),
    )
    wrong = {
        "ddof = 1": float(wishart.expected_log_determinant(size, fits - 1, latent)),
        "all d dimensions": float(ppca.learned_noise_log_determinant(size, fits, d)),
        "q times one dimension": latent * float(gaussian.expected_log_variance(size, fits - 1, ddof=0)),
        "one fit more": float(ppca.learned_noise_log_determinant(size, fits + 1, latent)),
    }
    return Evidence(observed, mean, wrong, f"E ln det, q = {latent} of {d}, M = {size}, {fits} fits")


@claim(
    "PPCA with fitted noise, refitted to sampled pixels: the trace loses 1/M a fit and nothing to noise",
    source=SOURCE,
    section=SECTION,
    chains=20_000,
    tier="quick",
    theorems=["ppca.sampled_trace", "ppca.sampled_pixel_variance"],
)
def sampled_pixels_trace(seed: int, chains: int) -> Evidence:
    size, fits, variances = 50, 5, (3.0, 2.0, 1.0)
    source = normal(np.zeros(3), np.diag(variances))

    def trace(params: Any) -> Any:
        return (params.weights**2).sum() + params.noise * jnp.asarray(3, params.noise.dtype)

    seen = run("sampled pixels", PPCA(1, output="sampled"), source, trace, size, [fits], seed, chains)
    decoder, _ = ppca.learned_noise(variances, 1)
    wrong = {
        "unbiased": sum(variances),
        "decoder means": float(ppca.sampled_trace(decoder.sum(), size, fits - 1)),
        "two fits early": float(ppca.sampled_trace(sum(variances), size, fits - 2)),
    }
    return Evidence(
        NominalMean(seen["trace"][:, 0]),
        float(ppca.sampled_trace(sum(variances), size, fits)),
        wrong,
        f"E tr, q = 1 of 3, M = {size}, {fits} fits",
    )


@claim(
    "the classes of a class-conditional image model are the discrete chain: a rare class is lost as a rare state is",
    source="the class is drawn before the image, and fitted without it",
    section=SECTION,
    chains=20_000,
    tier="quick",
    theorems=["support.absent_probability", "replacement.expected_heterozygosity"],
)
def class_chain(seed: int, chains: int) -> list[Evidence]:
    size, fits, shares = 20, 6, np.array([0.5, 0.4, 0.1])
    # one row in two dimensions for each tenth of a class
    labels = np.repeat(np.arange(3), (10 * shares).round().astype(int))
    pixels = np.stack([labels / 2, np.linspace(0, 1, 10)], axis=1)
    observe = {"lost": of("frequencies", "lost"), "heterozygosity": of("frequencies", "heterozygosity")}
    seen = run("classes", Conditional(PPCA(1), 3), images(pixels, labels), observe, size, [fits], seed, chains)
    rare, absent = shares[2:], support.absent_probability
    decay = functools.partial(replacement.expected_heterozygosity, shares)
    return [
        Evidence(
            Proportion.of(seen["lost"][:, 0, 2]),
            float(absent(rare, size, fits)[0]),
            {
                "one generation early": float(absent(rare, size, fits - 1)[0]),
                "diploid 2M": float(absent(rare, 2 * size, fits)[0]),
                "the first fit alone, (1 - q)^M": float((1 - rare[0]) ** size),
                "1 - q, ever": float(1 - rare[0]),
            },
            "P(rare class lost)",
        ),
        Evidence(
            BoundedMean(seen["heterozygosity"][:, 0], 0, 2 / 3),
            float(decay(size, fits)),
            {"one generation early": float(decay(size, fits - 1)), "diploid 2M": float(decay(2 * size, fits))},
            "E heterozygosity of the classes",
        ),
    ]

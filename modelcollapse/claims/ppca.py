"""Linear VAEs: decoder means lose an amount of variance per fit, not a fraction; classes are the discrete chain."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import jax
import jax.numpy as jnp
import numpy as np

from modelcollapse.families import PPCA, Conditional
from modelcollapse.observables import of
from modelcollapse.sources import images, normal
from modelcollapse.verify import BoundedMean, ChernoffMean, Evidence, Formula, Lab, NominalMean, Proportion, Section
from modelcollapse.verify.formula import Misses
from modelcollapse_theory import gaussian, ppca, replacement, support, wishart

if TYPE_CHECKING:
    from modelcollapse.families.ppca import LinearDecoder

D = Section("D. families", source="theory/derivations/ppca.md", chains=20_000, tier="quick")


@D.claim(ppca.finite_decoder_trace, ppca.decoder_mean_variance)
def decoder_mean_trace(lab: Lab) -> Evidence:
    """PPCA with given noise t, refitted to decoder means: E tr = a^n tr_0 - t r M (1 - a^n), a fraction to sampling
    and an amount to noise"""
    size, fits, noise, variances = 100, 5, 0.05, (2.0, 1.0)
    source = normal(np.zeros(2), np.diag(variances))
    seen = lab.last("decoder trace", PPCA(2, noise), source, observe="decoder_variance", size=size, fits=fits)
    exact = Formula(ppca.finite_decoder_trace, sum(variances), 2, noise, size, fits)
    sampled = Formula(ppca.sampled_trace, sum(variances), size, fits)
    wrong = {
        "infinite data": ppca.decoder_mean_variance(variances, noise, fits).sum(),
        "sampling alone": sampled(),
        "noise lost at the first fit only": sampled(trace=exact(fits=1), fits=fits - 1),
        "one direction loses": exact(rank=1),
    }
    return exact.against(NominalMean(seen), f"E tr, M = {size}, {fits} fits", wrong, early=1, unit="fit")


@D.claim(ppca.alive_probability)
def direction_dies(lab: Lab) -> Evidence:
    """a direction of a linear VAE dies in finite time: P(alive) by F_n(x) = E F_{n-1}(x G - 1)"""
    size, fits, noise = 20, 4, 0.2
    seen = lab.last("direction", PPCA(1, noise), normal(), observe="decoder_variance", size=size, fits=fits) > 0
    exact = Formula(ppca.alive_probability, 1.0, noise, size, fits)
    wrong: Misses = {
        "infinite data": ppca.decoder_mean_variance(1.0, noise, fits) > 0,
        "divisor M - 1": exact(variance=size / (size - 1), noise=noise * (size - 1) / size),
    }
    title = f"P(alive), M = {size}, {fits} fits"
    return exact.against(Proportion.of(seen), title, wrong, early=1, late=1, unit="fit")


@D.claim(ppca.learned_noise_log_determinant, ppca.learned_noise, chains=6_000)
def learned_noise_chain(lab: Lab) -> Evidence:
    """PPCA with fitted noise, refitted to decoder means: one loss to noise, then the Gaussian chain with ddof 0 in q
    dimensions"""
    size, fits, latent, d = 20, 11, 2, 3
    source = normal(np.zeros(d), np.diag([3.0, 2.0, 1.0]))
    run = lab.run("fitted noise", PPCA(latent), source, observe="decoder_variances", size=size, fits=[1, fits])
    first, last = np.log(run["decoder_variances"]).sum(-1).T
    exact = Formula(ppca.learned_noise_log_determinant, size, fits, latent)
    cgf = Formula(wishart.log_determinant_cgf, None, size, fits - 1, latent, ddof=0)
    observed = ChernoffMean.about(exact(), last - first, cgf.along("theta"), -(size - latent) / 2)
    wrong: Misses = {
        "ddof = 1": wishart.expected_log_determinant(size, fits - 1, latent),
        "all d dimensions": exact(latent_dimension=d),
        "q times one dimension": latent * gaussian.expected_log_variance(size, fits - 1, ddof=0),
        "one fit more": exact(fits=fits + 1),
    }
    return exact.against(observed, f"E ln det, q = {latent} of {d}, M = {size}, {fits} fits", wrong)


def total(params: LinearDecoder) -> jax.Array:
    """The trace of the covariance of three pixels, ``()``."""
    return (params.weights**2).sum() + params.noise * jnp.asarray(3, params.noise.dtype)


@D.claim(ppca.sampled_trace, ppca.sampled_pixel_variance)
def sampled_pixels_trace(lab: Lab) -> Evidence:
    """PPCA with fitted noise, refitted to sampled pixels: the trace loses 1/M a fit and nothing to noise"""
    size, fits, variances = 50, 5, (3.0, 2.0, 1.0)
    source = normal(np.zeros(3), np.diag(variances))
    seen = lab.last("sampled pixels", PPCA(1, output="sampled"), source, observe=total, size=size, fits=fits)
    decoder, _ = ppca.learned_noise(variances, 1)
    exact = Formula(ppca.sampled_trace, sum(variances), size, fits)
    wrong = {"unbiased": sum(variances), "decoder means": exact(trace=decoder.sum(), fits=fits - 1)}
    wrong["two fits early"] = exact(fits=fits - 2)
    return exact.against(NominalMean(seen), f"E tr, q = 1 of 3, M = {size}, {fits} fits", wrong)


@D.claim(
    support.absent_probability,
    replacement.expected_heterozygosity,
    source="the class is drawn before the image, and fitted without it",
)
def class_chain(lab: Lab) -> Iterator[Evidence]:
    """the classes of a class-conditional image model are the discrete chain: a rare class is lost as a rare state is"""
    size, fits, classes = 20, 6, np.array([0.5, 0.4, 0.1])
    # one row in two dimensions for each tenth of a class
    labels = np.repeat(np.arange(3), (10 * classes).round().astype(int))
    source = images(np.stack([labels / 2, np.linspace(0, 1, 10)], axis=1), labels)
    observe = {name: of("frequencies", name) for name in ("lost", "heterozygosity")}
    run = lab.run("classes", Conditional(PPCA(1), 3), source, observe=observe, size=size, fits=fits)
    rare = classes[2]
    absent = Formula(support.absent_probability, rare, size, fits)
    wrong: Misses = {"the first fit alone, (1 - q)^M": (1 - rare) ** size, "1 - q, ever": 1 - rare}
    lost = Proportion.of(run["lost"][:, 0, 2])
    yield absent.against(lost, "P(rare class lost)", wrong, early=1, diploid=True)
    decay, seen = Formula(replacement.expected_heterozygosity, classes, size, fits), run["heterozygosity"][:, 0]
    yield decay.against(BoundedMean(seen, 0, 2 / 3), "E heterozygosity of the classes", early=1, diploid=True)

"""Definitions of collapse: what holds of most runs and what holds in the mean are different verdicts."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np

from modelcollapse.families import Gaussian
from modelcollapse.families.gaussian import Normal
from modelcollapse.observables import excess_log_loss
from modelcollapse.run import Run
from modelcollapse.sources import normal
from modelcollapse.verify import BoundedMean, Evidence, Formula, Lab, NominalMean, Proportion, Section
from modelcollapse.verify.lab import shared
from modelcollapse_theory import definitions, errors

L = Section("L. definitions", source="theory/derivations/definitions.md", chains=200000)
SIZE, FITS, FAR = 50, 4, 3.0


def tail_ratio(params: Normal) -> jax.Array:
    """Mass beyond three true deviations from the true mean, over the truth's own, ``()``; the truth is N(0, 1)."""
    mean, sigma = params.mean[0], jnp.exp(params.log_scale[0])
    far = jnp.asarray(FAR, sigma.dtype)
    beyond = jax.scipy.special.ndtr((mean - far) / sigma) + jax.scipy.special.ndtr((-mean - far) / sigma)
    return beyond / (2 * jax.scipy.special.ndtr(-far))


@shared
def fitted(lab: Lab) -> Run:
    """Normal laws refitted to 50 of their own draws, fits 1 and 4."""
    observe = {"tail": tail_ratio, "loss": excess_log_loss(normal(0.0, 1.0))}
    return lab.run("fitted", Gaussian(ddof=0), normal(0.0, 1.0), observe=observe, size=SIZE, fits=[1, FITS])


@L.claim(definitions.first_tail_mass)
def tails_in_the_mean(lab: Lab) -> Evidence:
    """In the mean, the first fit has more mass in the tails than the truth: E P_1 = E 2 Q(k/sqrt(1/M + G))"""
    truth = 2 * float(jax.scipy.special.ndtr(-FAR))
    mean = lambda size, ddof=0: definitions.first_tail_mass(size, FAR, ddof=ddof) / truth  # noqa: E731
    seen = BoundedMean(fitted(lab)["tail"][:, 0], 0, 1 / truth)
    wrong = {"tails vanish in the mean": 0.5, "the truth's own tails": 1.0, "ddof=1": mean(SIZE, 1)}
    return Evidence(seen, mean(SIZE), wrong)


@L.claim(definitions.thin_tail_probability)
def tails_in_a_run(lab: Lab) -> Evidence:
    """The share of runs whose first fit has less than half of the true tail is far above what the mean suggests"""
    exact = Formula(definitions.thin_tail_probability, SIZE, FAR, 0.5, ddof=0)
    thin = Proportion.of(fitted(lab)["tail"][:, 0] < 0.5)
    return exact.against(thin, "thin tails", {"as in the mean: none": 0.0, "a fair coin": 0.5}, ddof=1)


@L.claim(definitions.expected_log_loss, errors.expected_divergence)
def log_loss_diverges(lab: Lab) -> Evidence:
    """E KL(N_0 || N_n) = [q^n + (q + ... + q^n)/M - 1 + E log sigma_n^2]/2: the log loss grows like q^n, q > 1"""
    exact = Formula(definitions.expected_log_loss, SIZE, FITS, ddof=0)
    seen = NominalMean(np.asarray(fitted(lab)["loss"][:, -1]))
    return exact.against(seen, f"{FITS} fits", {"chi-square's law": 1 - (1 - 1 / SIZE) ** FITS}, early=1, ddof=1)

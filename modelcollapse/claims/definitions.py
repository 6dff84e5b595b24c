"""Definitions of collapse: what holds of most runs and what holds in the mean are different verdicts."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import jax
import jax.numpy as jnp
import numpy as np
import scipy

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
FEW, NEAR = 6, 1.0  # where the error of the mean weighs most


def beyond(far: float) -> Callable[[Normal], jax.Array]:
    """Mass beyond ``far`` true deviations from the true mean, over the truth's own, ``()``; the truth is N(0, 1)."""

    def tail_ratio(params: Normal) -> jax.Array:
        mean, sigma = params.mean[0], jnp.exp(params.log_scale[0])
        out = jnp.asarray(far, sigma.dtype)
        mass = jax.scipy.special.ndtr((mean - out) / sigma) + jax.scipy.special.ndtr((-mean - out) / sigma)
        return mass / (2 * jax.scipy.special.ndtr(-out))

    return tail_ratio


@shared
def fitted(lab: Lab) -> Run:
    """Normal laws refitted to 50 of their own draws, fits 1 and 4."""
    observe = {"tail": beyond(FAR), "loss": excess_log_loss(normal(0.0, 1.0))}
    return lab.run("fitted", Gaussian(ddof=0), normal(0.0, 1.0), observe=observe, size=SIZE, fits=[1, FITS])


@shared
def first(lab: Lab) -> np.ndarray:
    """Mass beyond one true deviation, over the truth's own, of first fits to 6 draws."""
    return lab.last("few", Gaussian(ddof=0), normal(0.0, 1.0), observe={"tail": beyond(NEAR)}, size=FEW, fits=1)


def chance_below(square: float) -> float:
    """That the variance of a first fit to 6 draws, with divisor 6, is below ``square``."""
    return float(scipy.special.gammainc((FEW - 1) / 2, FEW * square / 2))


@L.claim(definitions.first_tail_mass)
def tails_in_the_mean(lab: Lab) -> Iterator[Evidence]:
    """In the mean, the first fit has more mass in the tails than the truth: E P_1 = E 2 Q(k/sqrt(1/M + G))"""
    truth = 2 * float(scipy.special.ndtr(-FAR))
    exact = Formula(definitions.first_tail_mass, SIZE, FAR, ddof=0, read=lambda mass: float(mass) / truth)
    wrong = {"tails vanish in the mean": 0.5, "the truth's own tails": 1.0}
    yield exact.against(BoundedMean(fitted(lab)["tail"][:, 0], 0, 1 / truth), "k = 3", wrong, ddof=1)
    mass = 2 * float(scipy.special.ndtr(-NEAR))
    near = Formula(definitions.first_tail_mass, FEW, NEAR, ddof=0, read=lambda found: float(found) / mass)
    # E Q(k/sigma) of a mean that is right, as the mean over a normal x of P(x^2 sigma^2 > k^2)
    x, weight = scipy.special.roots_legendre(400)
    x = 6 * (1 + x) + 1e-9
    right = 12 * weight @ (np.exp(-(x**2) / 2) / np.sqrt(2 * np.pi) * [1 - chance_below((NEAR / y) ** 2) for y in x])
    wrong = {"a mean that is right": right / mass, "the truth's own tails": 1.0}
    wrong["half way to that"] = (near() + right / mass) / 2
    yield near.against(BoundedMean(first(lab), 0, 1 / mass), "six rows, k = 1", wrong, larger=1, ddof=1)


@L.claim(definitions.thin_tail_probability)
def tails_in_a_run(lab: Lab) -> Iterator[Evidence]:
    """The share of runs whose first fit has less than half of the true tail is far above what the mean suggests"""
    exact = Formula(definitions.thin_tail_probability, SIZE, FAR, 0.5, ddof=0)
    thin = Proportion.of(fitted(lab)["tail"][:, 0] < 0.5)
    yield exact.against(thin, "thin tails", {"as in the mean: none": 0.0, "a fair coin": 0.5}, ddof=1)
    # a fit about the true mean has a thinner tail if and only if its variance is below 1
    near = Formula(definitions.thin_tail_probability, FEW, NEAR, 1.0, ddof=0)
    right = chance_below(1.0)
    wrong = {"a mean that is right": right, "half way to that": (near() + right) / 2}
    yield near.against(Proportion.of(first(lab) < 1), "six rows, k = 1, thinner", wrong, ddof=1)


@L.claim(definitions.expected_log_loss, errors.expected_divergence)
def log_loss_diverges(lab: Lab) -> Evidence:
    """E KL(N_0 || N_n) = [q^n + (q + ... + q^n)/M - 1 + E log sigma_n^2]/2: the log loss grows like q^n, q > 1"""
    exact = Formula(definitions.expected_log_loss, SIZE, FITS, ddof=0)
    seen = NominalMean(np.asarray(fitted(lab)["loss"][:, -1]))
    return exact.against(seen, f"{FITS} fits", {"chi-square's law": 1 - (1 - 1 / SIZE) ** FITS}, early=1, ddof=1)

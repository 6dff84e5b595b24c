"""Replacement, seen by moments: frequencies, their products over time, entropy and distances to the truth."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from modelcollapse.claims.replacement import LAST, LAW, SIZE, A, P, after
from modelcollapse.claims.support import spread
from modelcollapse.verify import BoundedMean, Evidence, Formula, Lab
from modelcollapse.verify.formula import Misses
from modelcollapse_theory import divergence, moments, replacement, workflows

FITS = 5
MOST = 1 - 1 / P.size


@A.claim(
    moments.expected_power, moments.mixed_moment, source="moment duality (Moehle 1999); theory/derivations/lineages.md"
)
def frequency_moments(lab: Lab) -> Iterator[Evidence]:
    """all moments of the frequencies follow from a chain on as many lineages as the order"""
    law = after(lab, "probabilities", FITS)
    cube = Formula(moments.expected_power, P[0], SIZE, FITS, 3)
    yield cube.against(BoundedMean(law[:, 0] ** 3, 0, 1), "E p^3", {"frozen, p^3": P[0] ** 3}, early=1, larger=1)
    pair = Formula(moments.mixed_moment, LAW, SIZE, FITS, [2, 1, 0, 0, 0, 0])
    wrong = {
        "independent states": cube(power=2) * P[1],
        "decay (1 - 1/M)^n of the pair": P[0] ** 2 * P[1] * (1 - 1 / SIZE) ** FITS,
    }
    yield pair.against(BoundedMean(law[:, 0] ** 2 * law[:, 1], 0, 4 / 27), "E p_1^2 p_2", wrong, early=2)


@A.claim(replacement.heterozygosity_variance, source="theory/derivations/replacement.md")
def heterozygosity_variance(lab: Lab) -> Evidence:
    """chains differ: the variance of H_n needs four lineages"""
    mean = float(replacement.expected_heterozygosity(LAW, SIZE, FITS))
    seen = spread(after(lab, "heterozygosity", FITS), mean, 0, MOST)
    exact = Formula(replacement.heterozygosity_variance, LAW, SIZE, FITS)
    return exact.against(seen, f"Var H, {FITS} fits", {"H_n (1 - H_n)": mean * (1 - mean)}, early=2)


@A.claim(
    divergence.fits_covariance,
    divergence.expected_squared_distance,
    workflows.replace,
    source="martingale; theory/derivations/entropy.md",
)
def covariance_over_time(lab: Lab) -> Iterator[Evidence]:
    """fits m and n have covariance (diag p0 - p0 p0^T)(1 - (1 - 1/M)^min(m, n)), and |p_n - p0|^2 its trace"""
    later = 10
    first, second = (after(lab, "probabilities", n) - P for n in (FITS, later))
    one, two = (Formula(divergence.fits_covariance, LAW, SIZE, FITS, later, at=(0, j)) for j in (0, 1))
    whole = {"fits": later, "other_fits": None}
    own, both = (BoundedMean(first[:, 0] * second[:, j], low, 1) for j, low in ((0, -P[0]), (1, -1)))
    wrong = {"the later of the two": one(**whole)}
    yield one.against(own, f"Cov of one state, fits {FITS} and {later}", wrong, early=1)
    wrong = {"independent": 0.0, "the later of the two": two(**whole)}
    yield two.against(both, f"Cov of two states, fits {FITS} and {later}", wrong)
    far = Formula(divergence.expected_squared_distance, LAW, SIZE, FITS)
    wrong = {"linear, H_0 n / M": replacement.heterozygosity(LAW) * FITS / SIZE}
    yield far.against(BoundedMean((first**2).sum(1), 0, 2), "E |p_n - p_0|^2", wrong, early=1)


@A.claim(
    divergence.expected_entropy,
    divergence.expected_kl,
    divergence.entropy_from_support,
    source="theory/derivations/entropy.md",
)
def entropy_decay(lab: Lab) -> Iterator[Evidence]:
    """entropy: E KL(p_n || p_0) = h(p_0) - E h(p_n), from the two-state marginal chain"""
    values = BoundedMean(after(lab, "entropy", FITS), 0, np.log(P.size))
    exact, kl = (Formula(f, LAW, SIZE, FITS) for f in (divergence.expected_entropy, divergence.expected_kl))
    wrong = {"Miller-Madow, -n (K - 1) / (2M)": divergence.entropy(LAW) - FITS * (P.size - 1) / (2 * SIZE)}
    yield exact.against(values, f"E h, {FITS} fits", wrong, early=1, larger=1)
    by_support = divergence.entropy_from_support(LAW, SIZE, FITS)
    yield Evidence(values, by_support, wrong, "the same, from the living support", slack=np.log(SIZE) / SIZE)
    seen = BoundedMean(after(lab, "kl_divergence", FITS), 0, -np.log(P.min()))
    yield kl.against(seen, f"E KL(p_n || p_0), {FITS} fits", {"h(p_n), not the loss": exact()}, early=1)


@A.claim(
    divergence.expected_total_variation,
    divergence.mean_absolute_deviation,
    source="De Moivre (1730); theory/derivations/entropy.md",
)
def total_variation(lab: Lab) -> Iterator[Evidence]:
    """total variation: De Moivre's mean absolute deviation at the first fit, H_0 in the end"""
    first, later, last = (BoundedMean(after(lab, "total_variation", n), 0, 1) for n in (1, FITS, LAST + 1))
    half = Formula(divergence.mean_absolute_deviation, P, SIZE, read=lambda each: np.sum(each) / 2)
    yield half.against(first, "one fit", {"without the half": 2 * half()}, larger=1)
    exact = Formula(divergence.expected_total_variation, LAW, SIZE, FITS)
    wrong: Misses = {"normal approximation": divergence.total_variation_early(LAW, SIZE, FITS)}
    yield exact.against(later, f"{FITS} fits", wrong, early=1)
    wrong = {"1, nothing in common": 1.0, "half of H_0": replacement.heterozygosity(LAW) / 2}
    yield Evidence(last, exact(fits=LAST + 1), wrong, "in the end")

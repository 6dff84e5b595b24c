"""Probabilistic PCA that draws its decoder's means: every refit takes the noise off each direction that is left."""

from __future__ import annotations

import numpy as np

from modelcollapse import observables, regimes
from modelcollapse.families import PPCA
from modelcollapse.predict.prediction import Function
from modelcollapse.predict.registry import Answer, prediction
from modelcollapse.predict.setting import Setting, independent, needed, normal
from modelcollapse_theory import ppca

FORMULA = (
    "the largest of 0 and a^n tr_k - t k M (1 - a^n) over the k first directions, a = 1 - 1/M, t = kl_weight noise"
)
BOUND = "PPCA, decoder means, replace; directions may be dropped, which lose less than t"


def draws_means(s: Setting) -> bool:
    """Whether the decoder gives out means, with a known noise."""
    return s.family.noise is not None and s.family.output == "mean"


@prediction(
    observables.decoder_variance, ppca.finite_decoder_trace, family=PPCA, regime=regimes.Replace, source=independent,
    where=draws_means,
)  # fmt: skip
def _(s: Setting, finite_decoder_trace: Function) -> Answer:
    noise, weight = float(s.family.noise), float(s.family.kl_weight)
    values = np.linalg.eigvalsh(s.finite_covariance)[::-1]
    # eigenvalues below the rounding of a covariance, which parameters in single precision may carry, are not directions
    values = values[values > values[0] * values.size * float(np.finfo(np.float32).eps)]
    needed(values.size <= s.family.latent)
    # the k largest directions alone bound the trace for every k, and none at all bounds it by 0
    bounds = [
        finite_decoder_trace(values[:k].sum(), k, noise, s.size, s.fits, kl_weight=weight)
        for k in range(1, values.size + 1)
    ]
    best = np.maximum(np.max(bounds, axis=0), 0.0)
    if _none_dropped(s, values, noise * weight):
        return Answer(best)
    return Answer(best, formula=f"at least {FORMULA}", conditions=BOUND, kind="lower bound")


def _none_dropped(s: Setting, values: np.ndarray, threshold: float) -> bool:
    """Whether no direction comes near the threshold: the smallest, 6 deviations below its mean, stays above it.

    The smallest eigenvalue of M normal draws is about ``(1 - sqrt(d/M))^2`` of the true one, and its logarithm has a
    deviation of about ``sqrt(2n/M)`` after n fits.
    """
    n = int(s.fits.max())
    left = values[-1] * np.exp(-6 * np.sqrt(2 * n / s.size))
    kept = (1 - np.sqrt(min(values.size / s.size, 1.0))) ** 2
    for _ in range(n):
        left = kept * left - threshold
        if left <= 0:
            return False
    return normal(s)

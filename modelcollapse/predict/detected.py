"""Detectors: what is removed, replaced or weighs less, by the loss v; the mean law where rates depend on the state."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from modelcollapse import observables, regimes
from modelcollapse.families import PPCA, Discrete, Exact, Gaussian
from modelcollapse.predict.gaussian import ERROR, SAMPLE_MEAN, VARIANCES, Pair, reproduces, second_moments, unbiased
from modelcollapse.predict.losses import by_loss, trajectory
from modelcollapse.predict.prediction import Function
from modelcollapse.predict.registry import prediction
from modelcollapse.predict.setting import Setting, independent, needed, simplest, simplified
from modelcollapse.protocols import Family, Regime, Source
from modelcollapse_theory import detectors, flag_weights, screening, workflows
from modelcollapse_theory.selection import detected_share

COUNTED = (regimes.FreshReal, regimes.Replace)


@simplified(regimes.Detected)
def _(family: Family, source: Source, regime: regimes.Detected, sizes: np.ndarray) -> Regime | None:
    inner = simplest(family, source, regime.regime, sizes)
    if regime.score is not None or inner is None:
        return None
    if regime.weight == 1 or not np.any([np.any(regime.true_positive), np.any(regime.false_positive)]):
        return inner
    if not regime.refills or not blind(regime):
        return regime
    if isinstance(inner, regimes.Mixture):
        shares = np.asarray(inner.gamma, np.float64)
        share = np.where(shares > 0, detected_share(shares, regime.true_positive, regime.false_positive), 0.0)
        return simplest(family, source, regimes.Mixture(1 - share, np.zeros_like(share), share), sizes)
    return inner if isinstance(inner, regimes.Replace) else regime


def blind(regime: regimes.Detected) -> bool:
    """Whether items are flagged without a look at their values."""
    return np.ndim(regime.true_positive) == np.ndim(regime.false_positive) == 0


def rates(s: Setting) -> tuple[float, float]:
    """True and false positive rates of a detector that does not look at values."""
    needed(blind(s.regime))
    return float(s.regime.true_positive), float(s.regime.false_positive)


def fewest(s: Setting) -> int:
    """How few items the family can be fitted to."""
    if type(s.family) is PPCA:
        return int(s.family.latent) + 1
    return len(s.variances) + 1 if type(s.family) is Gaussian and s.family.ddof == 1 else 1


def pools(*kinds: type, weighs: bool = False) -> Callable[[Setting], bool]:
    """Where flagged items of such pools are removed and not replaced, or weigh less."""
    return lambda s: type(s.regime.regime) in kinds and not s.regime.refills and (s.regime.weight is not None) == weighs


def share(s: Setting) -> float:
    """The real share of i.i.d. items."""
    return s.steady(s.regime.regime.gamma)


def real(s: Setting) -> int:
    """The real items of a pool of exact counts."""
    return 0 if isinstance(s.regime.regime, regimes.Replace) else s.items(s.regime.regime.share)


lost = functools.partial(trajectory, regime=regimes.Detected, source=independent)


@lost(detectors.removed, where=pools(regimes.Mixture))
def _(s: Setting, removed: Function) -> ArrayLike:
    return removed(s.size, np.arange(s.last + 1), share(s), *rates(s), fewest(s))


@lost(detectors.removed_counts, where=pools(*COUNTED))
def _(s: Setting, removed_counts: Function) -> ArrayLike:
    return removed_counts(s.size, np.arange(s.last + 1), real(s), *rates(s), fewest(s))


@lost(flag_weights.weighted_flags, where=pools(regimes.Mixture, weighs=True))
def _(s: Setting, weighted_flags: Function) -> ArrayLike:
    return weighted_flags(s.size, np.arange(s.last + 1), share(s), *rates(s), float(s.regime.weight))


@lost(flag_weights.weighted_flag_counts, where=pools(*COUNTED, weighs=True))
def _(s: Setting, weighted_flag_counts: Function) -> ArrayLike:
    return weighted_flag_counts(s.size, np.arange(s.last + 1), real(s), *rates(s), float(s.regime.weight))


# --- what follows from v, and means ----------------------------------------------------------------------------------

of_loss = functools.partial(by_loss, regime=regimes.Detected)


@of_loss(observables.heterozygosity, workflows.expected_heterozygosity, "E H_n = (1 - v_n) H_0", family=Discrete)
def _(s: Setting, expected_heterozygosity: Function, v: np.ndarray) -> ArrayLike:
    return expected_heterozygosity(s.law, v)


@of_loss(observables.chi_square, workflows.expected_chi_square, "E chi^2 = (K - 1) v_n", family=Discrete)
def _(s: Setting, expected_chi_square: Function, v: np.ndarray) -> ArrayLike:
    return expected_chi_square(int((s.law > 0).sum()), v)


of_covariance = functools.partial(of_loss, theorem=workflows.expected_covariance, family=(Gaussian, PPCA))


@of_covariance(observables.variance, formula="E variance_n = (1 - v_n) variance_0", family=Gaussian, where=reproduces)
def _(s: Setting, expected_covariance: Function, v: np.ndarray) -> ArrayLike:
    return expected_covariance(1.0, v)[0][:, None] * s.variances[None]


@of_covariance(observables.total_variance, formula="E tr Sigma_n = (1 - v_n) tr Sigma_0", where=reproduces)
def _(s: Setting, expected_covariance: Function, v: np.ndarray) -> ArrayLike:
    return expected_covariance(s.variances.sum(), v)[0]


@of_covariance(observables.squared_mean_error, formula="E |mu_n - mu_0|^2 = v_n tr Sigma_0", where=reproduces)
def _(s: Setting, expected_covariance: Function, v: np.ndarray) -> ArrayLike:
    return expected_covariance(s.variances.sum(), v)[1]


@second_moments(
    detectors.removed_unbiased, regime=regimes.Detected, pick=VARIANCES | ERROR, source=independent,
    where=lambda s: unbiased(s) and pools(regimes.Mixture)(s),
)  # fmt: skip
def _(s: Setting, removed_unbiased: Function) -> Pair:
    variance, error = removed_unbiased(s.size, s.last, share(s), *rates(s), fewest(s))
    return s.after(variance), s.after(error)


conserved = functools.partial(
    prediction, regime=regimes.Detected, where=lambda s: blind(s.regime),
    conditions="flagged without a look at the values; a family that reproduces the mean of its data",
)  # fmt: skip


@conserved(observables.mean, workflows.conserved_mean, family=SAMPLE_MEAN, formula="E mean_n = mean_0")
def _(s: Setting, conserved_mean: Function) -> ArrayLike:
    return conserved_mean(s.mean, s.fits)


@conserved(observables.probabilities, workflows.conserved_mean, family=Discrete, formula="E p_n = p_0")
def _(s: Setting, conserved_mean: Function) -> ArrayLike:
    return conserved_mean(s.law, s.fits)


# --- rates that depend on the state ----------------------------------------------------------------------------------


def constant_power(s: Setting) -> bool:
    """Whether the law that is fitted is linear in the last one: refilled, synthetic items flagged alike."""
    return type(s.regime.regime) is regimes.Mixture and s.regime.refills and np.ndim(s.regime.true_positive) == 0


def laws(s: Setting, screened_laws: Function, real_share: float) -> ArrayLike:
    """The recorded laws of draws that are screened."""
    found = screened_laws(s.law, real_share, s.regime.true_positive, s.regime.false_positive, s.last)
    return s.after(found)


@prediction(
    observables.probabilities, screening.screened_laws, family=Discrete, regime=regimes.Detected, source=independent,
    where=constant_power, formula="E p_n = p0~ + (1 - g')^(n-1) (p_0 - p0~), p0~ proportional to p_0 (1 - f)",
    conditions="real items flagged by their state, synthetic ones alike; refilled",
)  # fmt: skip
def _(s: Setting, screened_laws: Function) -> ArrayLike:
    return laws(s, screened_laws, share(s))


@prediction(
    observables.probabilities, screening.screened_laws, family=Exact, regime=regimes.Detected, source=independent,
    where=lambda s: type(s.family.family) is Discrete,
)  # fmt: skip
def _(s: Setting, screened_laws: Function) -> ArrayLike:
    needed(s.regime.weight is None)
    return laws(s, screened_laws, _endless_share(s))


def _endless_share(s: Setting) -> float:
    inner: Any = s.regime.regime
    return share(s) if isinstance(inner, regimes.Mixture) else real(s) / s.size

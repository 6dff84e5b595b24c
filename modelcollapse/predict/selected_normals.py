"""A normal that is sampled at a temperature or cut: two moments with fresh real data, logarithms by exact steps.

Either multiplies the variance of what comes out by one factor, temperature leaving a normal law. A reward or verifier
of rows is a function that is not known here.
"""

from __future__ import annotations

import functools

import numpy as np
from numpy.typing import ArrayLike

from modelcollapse import observables, regimes
from modelcollapse.families import Exact, Gaussian, Tempered, Truncated
from modelcollapse.predict.prediction import Function
from modelcollapse.predict.registry import Answer, prediction, several
from modelcollapse.predict.selection import endless, finite, layers, one, real_items, real_share
from modelcollapse.predict.setting import Setting, independent, needed, normal
from modelcollapse.protocols import Family
from modelcollapse_theory import NotCovered, fresh_gaussian, gaussian, temperature, truncation, workflows

WRAPPERS = (Tempered, Truncated)
NARROWEST = 1e-3
"""Of a cut: what comes out then is nearly uniform, and float32 holds it well."""
FARTHEST = 1e6
"""Of a cut, in standard deviations: beyond, nothing is cut off."""


def factor(s: Setting) -> float:
    """The variance of what comes out over that of the model."""
    wrappers, inner, _ = layers(s.family)
    needed(wrappers and type(inner) is Gaussian)
    return float(np.prod([_factor(wrapper) for wrapper in wrappers]))


def _factor(wrapper: Family) -> float:
    if isinstance(wrapper, Tempered):
        return one(wrapper.temperature)
    cut = one(wrapper.within) if isinstance(wrapper, Truncated) else 0.0
    if cut > FARTHEST:
        return 1.0
    needed(cut >= NARROWEST)
    return float(truncation.truncated_variance(cut))


def ddof(s: Setting) -> int:
    """Of the normal law within; not covered for another family."""
    inner = layers(s.family)[1]
    if not isinstance(inner, Gaussian) or type(inner) is not Gaussian:
        raise NotCovered
    return inner.ddof


def tempered(s: Setting) -> bool:
    """Whether what comes out of a model is normal."""
    return finite(s) and all(type(wrapper) is Tempered for wrapper in layers(s.family)[0])


def steady_share(s: Setting) -> float:
    """The real share of every generation from 1 on, random or exact, of infinite data."""
    return s.steady(real_share(s) + real_items(s) / s.sizes)


@prediction(
    observables.mean, workflows.conserved_mean, family=(*WRAPPERS, Exact),
    regime=(regimes.Replace, regimes.FreshReal, regimes.Mixture), formula="E mean_n = mean_0",
    conditions="temperature and cuts leave the mean of what comes out where that of the model is",
)  # fmt: skip
def _(s: Setting, conserved_mean: Function) -> ArrayLike:
    needed(factor(s) > 0)
    return conserved_mean(s.mean, s.fits)


MOMENTS = {
    observables.variance: lambda s, error, variance: variance[:, None] * s.variances[None],
    observables.total_variance: lambda s, error, variance: variance * s.variances.sum(),
}
ERROR = {observables.squared_mean_error: lambda s, error, variance: error * s.variances.sum()}


@several(
    fresh_gaussian.mean_error_and_variance, pick=MOMENTS | ERROR, family=WRAPPERS,
    regime=(regimes.Replace, regimes.FreshReal), source=independent, where=finite, order="exact",
    conditions="r of M items real; b is the temperature, or the variance of a cut normal over its own",
    formula="m' = [(1-g)^2 m] + [(1-g) b V + g]/M, V' = g + (1-g) b V + (M/(M-1)) g(1-g) m, in true variances (ddof=1)",
)  # fmt: skip
def _(s: Setting, mean_error_and_variance: Function) -> tuple[np.ndarray, np.ndarray]:
    real = int(s.steady(real_items(s)))
    moments = [mean_error_and_variance(s.size, real, int(n), ddof=ddof(s), sampling_bias=factor(s)) for n in s.fits]
    error, variance = np.array(moments).T
    return error, variance


@several(
    temperature.normal_moments, pick=MOMENTS | ERROR, family=WRAPPERS, regime=regimes.Mixture, source=independent,
    where=finite, conditions="each item real with probability g; tau is the temperature, or k_c of a cut normal",
)  # fmt: skip
def _(s: Setting, normal_moments: Function) -> tuple[np.ndarray, np.ndarray]:
    share = s.steady(real_share(s))
    moments = [normal_moments(factor(s), s.size, share, int(n), ddof=ddof(s)) for n in s.fits]
    error, variance = np.array(moments).T
    return error, variance


@several(
    temperature.normal_variance, pick=MOMENTS, family=(*WRAPPERS, Exact),
    regime=(regimes.Replace, regimes.FreshReal, regimes.Mixture), source=independent, where=endless,
    conditions="infinite data (Exact): the limit of large samples, without their noise; a cut is temperature k_c",
    order="exact for infinite data",
)  # fmt: skip
def _(s: Setting, normal_variance: Function) -> tuple[None, np.ndarray]:
    return None, normal_variance(factor(s), steady_share(s), s.fits)


of_normal = functools.partial(prediction, family=Tempered, regime=regimes.Replace, source=normal, where=tempered)


@of_normal(observables.log_variance, temperature.normal_log_variance)
def _(s: Setting, normal_log_variance: Function) -> ArrayLike:
    drift = normal_log_variance(factor(s), s.size, s.fits, ddof=ddof(s))
    return np.log(s.variances)[None] + drift[:, None]


@of_normal(
    observables.standard_deviation, gaussian.expected_deviation,
    formula="E sigma_n = sigma_0 c4(M)^n tau^((n-1)/2) (ddof = 0: times (1 - 1/M)^(n/2))",
    conditions="normal, replace, M draws a fit; every model's draws have tau times its variance; the first fit is real",
)  # fmt: skip
def _(s: Setting, expected_deviation: Function) -> Answer:
    decay = expected_deviation(s.size, s.fits, ddof=ddof(s)) * factor(s) ** ((s.fits - 1) / 2)
    return Answer(decay[:, None] * np.sqrt(s.variances)[None])

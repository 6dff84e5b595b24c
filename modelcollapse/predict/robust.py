"""Robust fits of a normal law: median and median absolute deviation walk by exact steps."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from modelcollapse import observables, regimes
from modelcollapse.families import MedianMAD
from modelcollapse.predict.prediction import Function
from modelcollapse.predict.registry import prediction
from modelcollapse.predict.setting import Setting, normal
from modelcollapse_theory import robust, workflows


@prediction(
    observables.mean, workflows.conserved_mean, family=MedianMAD, regime=regimes.Replace, source=normal,
    formula="E mean_n = mean_0", conditions="a normal law, replace: the median of its rows lies around it symmetrically",
)  # fmt: skip
def _(s: Setting, conserved_mean: Function) -> ArrayLike:
    return conserved_mean(s.mean, s.fits)


@prediction(observables.log_variance, robust.mad_log_variance, family=MedianMAD, regime=regimes.Replace, source=normal)
def _(s: Setting, mad_log_variance: Function) -> ArrayLike:
    return np.log(s.variances)[None] + np.array([[mad_log_variance(s.size, int(n))[0]] for n in s.fits])


@prediction(
    observables.standard_deviation, robust.mad_moment, family=MedianMAD, regime=regimes.Replace, source=normal,
    formula="E sigma_n = sigma_0 (E r)^n, r the fit of standard normal rows",
)  # fmt: skip
def _(s: Setting, mad_moment: Function) -> ArrayLike:
    return np.sqrt(s.variances)[None] * np.array([[mad_moment(1.0, s.size, int(n))] for n in s.fits])


@prediction(
    observables.variance, robust.mad_moment, family=MedianMAD, regime=regimes.Replace, source=normal,
    formula="E sigma_n^2 = sigma_0^2 (E r^2)^n, r the fit of standard normal rows",
)  # fmt: skip
def _(s: Setting, mad_moment: Function) -> ArrayLike:
    return s.variances[None] * np.array([[mad_moment(2.0, s.size, int(n))] for n in s.fits])


@prediction(
    observables.squared_mean_error, robust.mad_mean_error, family=MedianMAD, regime=regimes.Replace, source=normal
)
def _(s: Setting, mad_mean_error: Function) -> ArrayLike:
    return s.variances.sum() * np.array([mad_mean_error(s.size, int(n)) for n in s.fits])

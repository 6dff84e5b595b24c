"""Kernel densities: every refit adds the kernel's variance and never takes it off."""

from __future__ import annotations

import functools
from collections.abc import Callable

import numpy as np

from modelcollapse import observables, regimes
from modelcollapse.families import KernelDensity
from modelcollapse.predict.prediction import Function
from modelcollapse.predict.registry import several
from modelcollapse.predict.setting import Setting, independent
from modelcollapse_theory import kde

Spread = tuple[np.ndarray, np.ndarray]
SPREADS = {
    observables.variance: lambda s, variance, error: variance,
    observables.total_variance: lambda s, variance, error: variance.sum(1),
    observables.squared_mean_error: lambda s, variance, error: error.sum(1),
}


def fixed(s: Setting) -> bool:
    """Whether the kernel is the same whatever the covariance of the rows."""
    return s.size >= 2 and not s.family.follows


def follows(s: Setting) -> bool:
    """Whether the kernel has the covariance of the rows."""
    return s.size >= 2 and bool(s.family.follows)


# Each body gives the variance and the squared error of the mean of each coordinate, both ``(fits, d)``.
spreads = functools.partial(several, pick=SPREADS, family=KernelDensity, source=independent)


def factor(s: Setting) -> float:
    """The factor of the kernel at the size of one data set."""
    return float(s.family.factor(float(s.size), s.variances.size))


def multiple(s: Setting) -> float:
    """The factor as a multiple of Scott's, whatever the rule."""
    return factor(s) * s.size ** (1 / (s.variances.size + 4))


def each(s: Setting, of: Callable[[float], Spread]) -> Spread:
    """``of(variance) ->`` two arrays over fits 1, 2, ..., for each coordinate."""
    pairs = [of(float(v)) for v in s.variances]
    variance, error = (np.stack([s.after(pair[i]) for pair in pairs], 1) for i in (0, 1))
    return variance, error


@spreads(kde.fixed_bandwidth, regime=regimes.Replace, where=fixed)
def _(s: Setting, fixed_bandwidth: Function) -> Spread:
    return fixed_bandwidth(factor(s), s.size, s.fits[:, None], variance=s.variances)


@spreads(kde.rule_bandwidth, regime=regimes.Replace, where=follows)
def _(s: Setting, rule_bandwidth: Function) -> Spread:
    v = s.variances
    return rule_bandwidth(s.size, s.fits[:, None], constant=multiple(s), dimension=v.size, variance=v)


@spreads(kde.fresh_real, regime=regimes.FreshReal, where=fixed)
def _(s: Setting, fresh_real: Function) -> Spread:
    h, real = factor(s), s.items(s.regime.share)
    return each(s, lambda v: fresh_real(h, s.size, s.last, real, variance=v))


@spreads(kde.accumulated, regime=regimes.Accumulate, where=fixed)
def _(s: Setting, accumulated: Function) -> Spread:
    pools = s.sizes[0] * np.arange(1.0, s.last + 1)
    widths = np.broadcast_to(np.asarray(s.family.factor(pools, s.variances.size), np.float64), (s.last,))
    return each(s, lambda v: accumulated(widths, s.size, s.last, variance=v))


# the factor of a fixed rule does not shrink with the pool
@spreads(kde.accumulated_rule, regime=regimes.Accumulate, where=lambda s: follows(s) and s.family.rule != "fixed")
def _(s: Setting, accumulated_rule: Function) -> Spread:
    d, scale = s.variances.size, multiple(s)
    return each(s, lambda v: accumulated_rule(s.size, s.last, constant=scale, dimension=d, variance=v))

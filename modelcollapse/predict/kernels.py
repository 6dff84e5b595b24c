"""Kernel densities: every refit adds the kernel's variance and never takes it off."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np

from modelcollapse import observables, regimes
from modelcollapse.families import KernelDensity
from modelcollapse.portions import portion
from modelcollapse.predict.process import Process, steady
from modelcollapse.predict.registry import prediction
from modelcollapse_theory import kde

Spread = tuple[np.ndarray, np.ndarray]


def spreads(function: Any, regime: type, *, follows: bool) -> Callable[[Any], Any]:
    """Register ``body(process, function, h, truth) ->`` variance and squared error of the mean of each coordinate, two arrays ``(fits, d)``.

    ``follows``: whether the kernel has the covariance of the rows; ``h`` is its factor at the size of one data set.
    """

    def register(body: Any) -> Any:
        for key, pick in (
            (observables.variance, lambda v, e: v),
            (observables.total_variance, lambda v, e: v.sum(1)),
            (observables.squared_mean_error, lambda v, e: e.sum(1)),
        ):
            prediction(key, function, family=KernelDensity, regime=regime)(
                functools.partial(_picked, body, follows, pick)
            )
        return body

    return register


def _picked(body: Any, follows: bool, pick: Any, s: Process, function: Any) -> np.ndarray | None:
    known = s.covariance if s.rows is None else None
    if known is None or s.size is None or s.size < 2 or bool(s.family.follows) != follows:
        return None
    truth = np.diagonal(known)
    found = body(s, function, float(s.family.factor(float(s.size), truth.size)), truth)
    return None if found is None else pick(*found)


def _each(s: Process, truth: np.ndarray, of: Callable[[float], Spread]) -> Spread:
    """``of(variance) ->`` two arrays over fits 1, 2, ..., for each coordinate."""
    pairs = [of(float(v)) for v in truth]
    return tuple(np.stack([s.after(pair[i]) for pair in pairs], 1) for i in (0, 1))  # type: ignore[return-value]


def _scale(s: Process, h: float, d: int) -> float:
    """h as a multiple of Scott's factor, whatever the rule."""
    assert s.size is not None
    return h * s.size ** (1 / (d + 4))


@spreads(kde.fixed_bandwidth, regimes.Replace, follows=False)
def _(s: Process, fixed_bandwidth: Any, h: float, truth: np.ndarray) -> Any:
    return fixed_bandwidth(h, s.size, s.fits[:, None], variance=truth)


@spreads(kde.rule_bandwidth, regimes.Replace, follows=True)
def _(s: Process, rule_bandwidth: Any, h: float, truth: np.ndarray) -> Any:
    d = truth.size
    return rule_bandwidth(s.size, s.fits[:, None], constant=_scale(s, h, d), dimension=d, variance=truth)


@spreads(kde.fresh_real, regimes.FreshReal, follows=False)
def _(s: Process, fresh_real: Any, h: float, truth: np.ndarray) -> Any:
    real = steady(portion(s.regime.share, s.sizes), s.sizes)
    return None if real is None else _each(s, truth, lambda v: fresh_real(h, s.size, s.last, real, variance=v))


@spreads(kde.accumulated, regimes.Accumulate, follows=False)
def _(s: Process, accumulated: Any, h: float, truth: np.ndarray) -> Any:
    pools = s.sizes[0] * np.arange(1.0, s.last + 1)
    widths = np.broadcast_to(np.asarray(s.family.factor(pools, truth.size), np.float64), (s.last,))
    return _each(s, truth, lambda v: accumulated(widths, s.size, s.last, variance=v))


@spreads(kde.accumulated_rule, regimes.Accumulate, follows=True)
def _(s: Process, accumulated_rule: Any, h: float, truth: np.ndarray) -> Any:
    if s.family.rule == "fixed":  # a factor that does not shrink with the pool
        return None
    d = truth.size
    scale = _scale(s, h, d)
    return _each(s, truth, lambda v: accumulated_rule(s.size, s.last, constant=scale, dimension=d, variance=v))

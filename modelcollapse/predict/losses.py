"""v, the fraction of diversity that is lost under each regime; heterozygosity, chi-square and normal moments follow."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from modelcollapse import regimes
from modelcollapse.portions import portion
from modelcollapse.predict.prediction import Function
from modelcollapse.predict.registry import Answer, first, prediction
from modelcollapse.predict.setting import Setting, drawn_once, known
from modelcollapse.protocols import Regime
from modelcollapse_theory import accumulation, mixture, workflows


def loss(s: Setting) -> Answer:
    """v at ``s.fits``, by the first theorem that gives it under the regime of ``s``."""
    found = known(first(loss, s))
    finite = "" if s.rows is None else "; then 1 - v times N/(N - 1), for N rows drawn once without replacement"
    values = s.less_shared(s.trajectory(found.values))
    return Answer(values, found.functions, found.formula + finite, found.conditions)


def by_loss(observable: Function, theorem: Function, formula: str, **where: Any) -> Callable[[Any], Any]:
    """Register ``body(s, theorem, v) ->`` values that follow from v through one more theorem."""

    def register(body: Callable[[Setting, Function, np.ndarray], np.ndarray]) -> Any:
        @prediction(observable, theorem, **where)
        def _(s: Setting, theorem: Function) -> Answer:
            found = loss(s)
            values = body(s, theorem, found.values)
            functions = (*found.functions, theorem)
            return Answer(values, functions, f"{formula}; {found.formula}", found.conditions, "exact")

        return body

    return register


# Each body gives v_0, v_1, ..., v_n of a regime with independent real draws.
trajectory = functools.partial(prediction, loss, source=drawn_once)
MIXED = "v_fit = 1/M + (1 - 1/M) v, v' = (1 - gamma)^2 v + alpha^2 (1 - v)/M of the law"
PAIRS = "M^2 v = M + sum over pairs of items of the chance of one real ancestor, group by group"


def _count(s: Setting) -> np.ndarray:
    return np.arange(s.last + 1)


@trajectory(
    workflows.replace_sizes, regime=regimes.Replace,
    formula="1 - v_n = prod_i (1 - 1/M_i)", conditions="data set i is M_i draws from the last fit",
)  # fmt: skip
@trajectory(accumulation.accumulate_sizes, regime=regimes.Accumulate)
def _(s: Setting, of_sizes: Function) -> ArrayLike:
    return of_sizes(s.sizes)


@trajectory(accumulation.accumulate_subsample, regime=regimes.AccumulateSubsample)
def _(s: Setting, accumulate_subsample: Function) -> ArrayLike:
    return accumulate_subsample(s.size, s.last, s.regime.budget)[0]


@trajectory(workflows.fresh_counts, regime=regimes.FreshReal)
@trajectory(workflows.fixed_set, regime=regimes.FixedReal)
def _(s: Setting, with_real: Function) -> ArrayLike:
    return with_real(s.size, _count(s), s.items(s.regime.share))


@trajectory(workflows.retain, regime=regimes.Retain)
def _(s: Setting, retain: Function) -> ArrayLike:
    return retain(s.size, _count(s), *(int(s.steady(n)) for n in _retained(s)))


@trajectory(workflows.weighted, regime=regimes.Weighted)
def _(s: Setting, weighted: Function) -> ArrayLike:
    return weighted(s.size, _count(s), s.items(s.regime.share), s.steady(s.regime.weight))


@trajectory(mixture.fit, regime=regimes.Mixture, formula=MIXED)
def _(s: Setting, fit: Function) -> ArrayLike:
    return fit(s.size, _count(s), s.steady(s.regime.gamma), s.steady(s.regime.beta))


@trajectory(
    mixture.law_schedule, regime=regimes.Mixture, formula=MIXED, conditions="any sizes and shares; M draws of the law"
)
def _(s: Setting, law_schedule: Function) -> ArrayLike:
    return law_schedule(s.sizes, *mixed(s))[1]


def mixed(s: Setting) -> tuple[np.ndarray, np.ndarray]:
    """gamma and beta of the mixing after each fit: that of generation g follows fit g, and none follows the last."""
    weights = (np.broadcast_to(np.asarray(w, np.float64), s.sizes.shape) for w in (s.regime.gamma, s.regime.beta))
    gamma, beta = (np.append(w[1:], 0.0) for w in weights)
    return gamma, beta


# --- sizes or fractions of real data that change, group by group -----------------------------------------------------


@trajectory(workflows.pooled, regime=(regimes.FreshReal, regimes.Switch), formula=PAIRS)
def _(s: Setting, pooled: Function) -> ArrayLike:
    real = known(_fresh_rows(s.regime, s.sizes))
    v = [0.0, 1 / s.sizes[0]]
    for size, fresh in zip(s.sizes[1:], real[1:], strict=True):
        v.append(float(pooled([fresh, size - fresh], np.diag([0.0, v[-1]]))))
    return v


def _fresh_rows(regime: Regime, sizes: np.ndarray) -> np.ndarray | None:
    """Real rows in each data set of a regime that remembers nothing but the newest model; None for any other."""
    if isinstance(regime, regimes.Replace):
        return np.zeros_like(sizes)
    if isinstance(regime, regimes.FreshReal):
        return portion(regime.share, sizes)
    if not isinstance(regime, regimes.Switch):
        return None
    before, after = (_fresh_rows(part, sizes) for part in (regime.before, regime.after))
    if before is None or after is None:
        return None
    return np.where(np.arange(sizes.size) < int(regime.generation), before, after)


@trajectory(workflows.pooled, regime=regimes.FixedReal, formula=PAIRS)
def _(s: Setting, pooled: Function) -> ArrayLike:
    kept = portion(s.regime.share, s.sizes[0])
    v, k = [0.0, 1 / s.sizes[0]], 1 / s.sizes[0]  # k: the chance that a model draw descends from a given kept item
    for size in s.sizes[1:]:
        drawn = size - kept
        v.append(float(pooled([kept, drawn], [[0.0, k], [k, v[-1]]])))
        k = (1 + drawn * k) / size
    return v


@trajectory(workflows.pooled, regime=regimes.Retain, formula=PAIRS)
def _(s: Setting, pooled: Function) -> ArrayLike:
    v = [0.0, 1 / s.sizes[0]]
    for before, size, kept, fresh in zip(s.sizes[:-1], s.sizes[1:], *(n[1:] for n in _retained(s)), strict=True):
        last = v[-1]
        # two different items of the last data set share an ancestor less often than two draws from its fit
        other = min(max((before * last - 1) / (before - 1), 0.0), 1.0) if before > 1 else 0.0
        shared = [[other, 0.0, last], [0.0, 0.0, 0.0], [last, 0.0, last]]
        v.append(float(pooled([kept, fresh, size - kept - fresh], shared)))
    return v


def _retained(s: Setting) -> tuple[np.ndarray, np.ndarray]:
    """Items kept and fresh real ones of each data set."""
    kept = portion(s.regime.share, s.sizes)
    return kept, np.minimum(portion(s.regime.fresh, s.sizes), s.sizes - kept)

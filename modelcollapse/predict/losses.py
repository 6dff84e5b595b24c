"""v, the share of diversity that is lost, under each regime: the heterozygosity, chi-square and normal moments follow from it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from modelcollapse import regimes
from modelcollapse.portions import portion
from modelcollapse.predict.prediction import registered
from modelcollapse.predict.process import Process, steady
from modelcollapse.predict.registry import Answer, asked
from modelcollapse_theory import accumulation, mixture, workflows
from modelcollapse_theory._register import THEOREMS


class Loss(NamedTuple):
    """v at the fits that are asked for, and the theorem that gave it."""

    values: np.ndarray
    function: Callable[..., Any]
    formula: str
    conditions: str

    def answer(self, formula: str, values: Any, *, through: Callable[..., Any]) -> Answer:
        """Values that follow from v ``through`` another function of the theory."""
        return Answer(values, (self.function, through), f"{formula}; {self.formula}", self.conditions, "exact")


class Recursion(NamedTuple):
    """A registered trajectory, and what it computes."""

    function: Callable[..., Any]
    body: Callable[..., Any]
    formula: str
    conditions: str


LOSSES: dict[type, list[Recursion]] = {}


def loss(
    regime: type, function: Callable[..., Any], formula: str | None = None, conditions: str | None = None
) -> Callable[[Any], Any]:
    """Register ``body(process, function) ->`` v_0, v_1, ..., v_n of a regime with independent real draws, or None.

    ``formula`` and ``conditions`` default to those of the theorem.
    """
    theorem = THEOREMS.get(registered(function))
    said = formula or (theorem.statement if theorem else ""), conditions or (theorem.conditions if theorem else "")

    def register(body: Any) -> Any:
        LOSSES.setdefault(regime, []).append(Recursion(function, body, *said))
        return body

    return register


def lost(process: Process) -> Loss | None:
    """v at ``process.fits``; None where no theorem gives it."""
    if process.spread is None:
        return None
    for function, body, formula, conditions in LOSSES.get(type(process.regime), ()):
        found = body(process, asked(function))
        if found is not None:
            if process.rows is not None:
                formula += "; then 1 - v times N/(N - 1), for N rows drawn once without replacement"
            return Loss(process.less_shared(process.trajectory(found)), function, formula, conditions)
    return None


def _count(process: Process) -> np.ndarray:
    return np.arange(process.last + 1)


@loss(
    regimes.Replace,
    workflows.replace_sizes,
    "1 - v_n = prod_i (1 - 1/M_i)",
    "data set i is M_i draws from the last fit",
)
def _(s: Process, replace_sizes: Any) -> Any:
    return replace_sizes(s.sizes)


@loss(regimes.Accumulate, accumulation.accumulate_sizes)
def _(s: Process, accumulate_sizes: Any) -> Any:
    return accumulate_sizes(s.sizes)


@loss(regimes.AccumulateSubsample, accumulation.accumulate_subsample)
def _(s: Process, accumulate_subsample: Any) -> Any:
    return None if s.size is None else accumulate_subsample(s.size, s.last, s.regime.budget)[0]


@loss(regimes.FreshReal, workflows.fresh_counts)
def _(s: Process, fresh_counts: Any) -> Any:
    real = steady(portion(s.regime.share, s.sizes), s.sizes)
    return None if s.size is None or real is None else fresh_counts(s.size, _count(s), real)


@loss(regimes.FixedReal, workflows.fixed_set)
def _(s: Process, fixed_set: Any) -> Any:
    return None if s.size is None else fixed_set(s.size, _count(s), portion(s.regime.share, s.size))


@loss(regimes.Retain, workflows.retain)
def _(s: Process, retain: Any) -> Any:
    kept, fresh = (steady(n, s.sizes) for n in _retained(s))
    return None if s.size is None or kept is None or fresh is None else retain(s.size, _count(s), kept, fresh)


@loss(regimes.Weighted, workflows.weighted)
def _(s: Process, weighted: Any) -> Any:
    real, weight = steady(portion(s.regime.share, s.sizes), s.sizes), steady(s.regime.weight, s.sizes)
    return None if s.size is None or real is None or weight is None else weighted(s.size, _count(s), real, weight)


@loss(
    regimes.Mixture, mixture.fit,
    "v_fit = 1/M + (1 - 1/M) v, v' = (1 - gamma)^2 v + alpha^2 (1 - v)/M of the law",
)  # fmt: skip
def _(s: Process, fit: Any) -> Any:
    gamma, beta = (steady(w, s.sizes) for w in (s.regime.gamma, s.regime.beta))
    return None if s.size is None or gamma is None or beta is None else fit(s.size, _count(s), gamma, beta)


@loss(
    regimes.Mixture, mixture.law_schedule,
    "v_fit = 1/M + (1 - 1/M) v, v' = (1 - gamma)^2 v + alpha^2 (1 - v)/M of the law", "any sizes and shares; M draws of the law",
)  # fmt: skip
def _(s: Process, law_schedule: Any) -> Any:
    return law_schedule(s.sizes, *mixed(s))[1]


def mixed(s: Process) -> tuple[np.ndarray, np.ndarray]:
    """gamma and beta of the mixing after each fit: that of generation g follows fit g. The last fit is not mixed again."""
    shares = (np.broadcast_to(np.asarray(w, np.float64), s.sizes.shape) for w in (s.regime.gamma, s.regime.beta))
    gamma, beta = (np.append(w[1:], 0.0) for w in shares)
    return gamma, beta


PAIRS = "M^2 v = M + sum over pairs of items of the chance of one real ancestor, group by group"


# --- sizes or shares that change, group by group --------------------------------------------------------------------------


@loss(regimes.FreshReal, workflows.pooled, PAIRS)
@loss(regimes.Switch, workflows.pooled, PAIRS)
def _(s: Process, pooled: Any) -> Any:
    real = _fresh_rows(s.regime, s.sizes)
    if real is None:
        return None
    v = [0.0, 1 / s.sizes[0]]
    for size, fresh in zip(s.sizes[1:], real[1:], strict=True):
        v.append(float(pooled([fresh, size - fresh], np.diag([0.0, v[-1]]))))
    return v


def _fresh_rows(regime: Any, sizes: np.ndarray) -> np.ndarray | None:
    """Real rows in each data set of a regime that remembers nothing but the newest model; None for any other."""
    kind = type(regime)
    if kind is regimes.Replace:
        return np.zeros_like(sizes)
    if kind is regimes.FreshReal:
        return portion(regime.share, sizes)
    if kind is not regimes.Switch:
        return None
    before, after = (_fresh_rows(part, sizes) for part in (regime.before, regime.after))
    if before is None or after is None:
        return None
    return np.where(np.arange(sizes.size) < int(regime.generation), before, after)


@loss(regimes.FixedReal, workflows.pooled, PAIRS)
def _(s: Process, pooled: Any) -> Any:
    kept = portion(s.regime.share, s.sizes[0])
    v, k = [0.0, 1 / s.sizes[0]], 1 / s.sizes[0]  # k: the chance that a model draw descends from a given kept item
    for size in s.sizes[1:]:
        drawn = size - kept
        v.append(float(pooled([kept, drawn], [[0.0, k], [k, v[-1]]])))
        k = (1 + drawn * k) / size
    return v


@loss(regimes.Retain, workflows.pooled, PAIRS)
def _(s: Process, pooled: Any) -> Any:
    v = [0.0, 1 / s.sizes[0]]
    for before, size, kept, fresh in zip(s.sizes[:-1], s.sizes[1:], *(n[1:] for n in _retained(s)), strict=True):
        last = v[-1]
        # two different items of the last data set share an ancestor less often than two draws from its fit
        other = min(max((before * last - 1) / (before - 1), 0.0), 1.0) if before > 1 else 0.0
        shared = [[other, 0.0, last], [0.0, 0.0, 0.0], [last, 0.0, last]]
        v.append(float(pooled([kept, fresh, size - kept - fresh], shared)))
    return v


def _retained(s: Process) -> tuple[np.ndarray, np.ndarray]:
    """Items kept and fresh real ones of each data set."""
    kept = portion(s.regime.share, s.sizes)
    return kept, np.minimum(portion(s.regime.fresh, s.sizes), s.sizes - kept)

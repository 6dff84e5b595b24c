"""Predictions beside the simulation: one row for each number that both know, and how the two were compared.

A mean over chains is judged against an exact value by Student's t. The page as a whole has one false-alarm rate,
``FALSE_ALARM``, shared out among its rows: where every theorem holds, all rows agree with a probability of about 99 %.
Means that a few chains carry, approximations, single chains and failed ones are not judged, and the row says so.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterable

import numpy as np
from scipy import stats

from modelcollapse.predict import Prediction
from modelcollapse.predict.prediction import Predictions
from modelcollapse.run import Run

FALSE_ALARM = 0.01
"""Probability that a row of a page says "differs" although every theorem holds, as far as means are normal."""
CARRIED = 0.25
"""Share of the sample variance from which one chain carries a mean, of a hundred chains or more."""
ENTRIES = 6
"""Rows for one observable that is an array: its first entries."""


@dataclasses.dataclass(frozen=True)
class Row:
    """One number at the last recorded generation: what a theorem says, what the chains say, and whether they agree."""

    prediction: Prediction
    entry: str
    generation: int
    exact: float
    mean: float
    error: float
    median: float
    verdict: str
    """``agrees``, ``differs`` or ``not judged``."""
    reason: str


def rows(run: Run, predictions: Predictions) -> list[Row]:
    """Every prediction beside the statistics of ``run.summary()``."""
    summary = run.summary()
    found = [(p, index) for p in predictions for index in list(np.ndindex(p.values.shape[1:]))[:ENTRIES]]
    shared = max(1, judged(p for p, _ in found))
    out = []
    for p, index in found:
        at = (-1, *index)
        held = {name: float(values[at]) for name, values in summary[p.observable].items()}
        values = np.asarray(run.trace[p.observable], np.float64)[(slice(None), *at)]
        exact = float(p.values[at])
        verdict, reason = judge(values, exact, p, FALSE_ALARM / shared)
        numbers = exact, held["mean"], held["standard_error"], held["median"]
        out.append(Row(p, entry(run, p.observable, index), int(p.recorded[-1]), *numbers, verdict, reason))
    return out


def judged(predictions: Iterable[Prediction]) -> int:
    """How many numbers share the false-alarm rate: those that are no approximations."""
    return sum(p.order == "exact" for p in predictions)


def entry(run: Run, name: str, index: tuple[int, ...]) -> str:
    """What an entry of an observable is called: by the name of its state or column, where there is one."""
    if not index or run.trace[name].shape[2:] == (1,):
        return ""
    axes = run.axes().get(name, ())
    names = [axis.names for axis in axes] if len(axes) == len(index) else [None] * len(index)
    return ", ".join(str(i if known is None else known[i]) for i, known in zip(index, names, strict=True))


def judge(values: np.ndarray, exact: float, prediction: Prediction, rate: float) -> tuple[str, str]:
    """The verdict on chains ``(N,)`` beside an exact value, at a false-alarm ``rate``, and its reason."""
    held, why = _refused(values, exact, prediction)
    if why:
        return held, why
    error = float(values.std(ddof=1)) / math.sqrt(values.size)
    distance = (float(values.mean()) - exact) / error
    if prediction.kind != "mean":
        wrong = distance if prediction.kind == "upper bound" else -distance
        chance = float(stats.t.sf(wrong, values.size - 1))
        if chance < rate:
            return "differs", f"beyond the bound by {wrong:.2g} standard errors"
        return "agrees", "the mean does not go beyond the bound"
    chance = 2 * float(stats.t.sf(abs(distance), values.size - 1))
    said = f"{distance:+.2g} standard errors from the exact value"
    if chance < rate:
        return "differs", f"{said}; by chance that far with probability {chance:.2g}"
    return "agrees", said


def _refused(values: np.ndarray, exact: float, prediction: Prediction) -> tuple[str, str]:
    """The verdict where no distance in standard errors is to be had; empty where one is."""
    mean = float(values.mean())
    if np.isnan(values).any():
        return "not judged", f"{int(np.isnan(values).sum())} of {values.size} chains have no value here"
    if not math.isfinite(exact) or not math.isfinite(mean):
        return "not judged", "both are infinite" if exact == mean else "one of the two is not finite"
    if prediction.order != "exact":
        off = f", off by {abs(mean - exact) / abs(exact):.2g} of it" if exact else ""
        return "not judged", f"the formula is an approximation, with an error of its own{off}"
    if values.size == 1:
        return "not judged", "a single chain has no standard error"
    gaps = (values - mean) ** 2
    # rounding of the floats in which the chains ran
    if gaps.sum() <= values.size * (1e-6 * mean) ** 2:
        if abs(mean - exact) <= 1e-5 * abs(exact):
            return "agrees", "every chain has this value, up to rounding"
        return "not judged", "every chain has the same value; rarer ones, which were not seen, may carry the mean"
    if gaps.max() / gaps.sum() > max(CARRIED, 25 / values.size):
        share = f"{100 * gaps.max() / gaps.sum():.0f} %"
        return "not judged", f"one chain holds {share} of the sample variance: the mean rests on few chains"
    return "", ""

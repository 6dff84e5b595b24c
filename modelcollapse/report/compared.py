"""Predictions beside the simulation: one row for each number that both know, and how the two were compared.

A mean over chains is judged against an exact value by Student's t. The page as a whole has one nominal false-alarm
rate, ``FALSE_ALARM``, shared out among its rows. The t distribution is that of means of normal numbers, and chains that
collapse are far from normal: means of few chains, of skewed ones or of such that one chain carries are not judged, nor
are approximations and failed chains, and the row says so.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterable

import numpy as np
from scipy import stats

from modelcollapse.axes import entries
from modelcollapse.predict import Prediction
from modelcollapse.predict.prediction import Predictions
from modelcollapse.run import Run

FALSE_ALARM = 0.01
"""Nominal probability that some row of a page says "differs" although every theorem holds."""
MEASURED = "213 of 46 113 pages raised one, 0.5 %, and 0.8 % in the worst setting of at least 2000 pages"
"""False alarms with the rules below: models of normal and of discrete laws, 10 to 100 items, 5 to 50 generations, real
data none, fresh or accumulated, 30 to 500 chains, double precision."""
FEWEST = 30
"""Chains below which no mean is judged: so few rarely show how skewed they are."""
SKEWED = 0.1
"""Sample skewness over the root of the number of chains, from which a mean is not judged: there the one-sided chance at
three standard errors is about twice that of t (first term of Edgeworth), and further out more."""
CARRIED = 0.25
"""Share of the sample variance from which one chain carries a mean."""
ROUNDING = 8
"""Units in the last place by which chains of the same value, or a mean and an exact value, may differ."""
UNSEEN = 64
"""Units in the last place up to which a difference may be of rounding over many steps: it is not called one."""
ENTRIES = 6
"""Rows for one observable that is an array: its first entries."""

Verdict = tuple[str, str]
"""``agrees``, ``differs`` or ``not judged``, and why."""


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
        values = np.asarray(run.trace[p.observable])[(slice(None), *at)]
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
    shape = run.trace[name].shape[2:]
    found = entries(name, shape, run.axes().get(name, ()))[int(np.ravel_multi_index(index, shape))]
    return found[len(name) + 1 : -1]


def judge(values: np.ndarray, exact: float, prediction: Prediction, rate: float) -> Verdict:
    """The verdict on chains ``(N,)`` beside an exact value, at a false-alarm ``rate``, and its reason.

    ``values`` come in the type in which the chains ran: it says how far they are rounded.
    """
    eps = float(np.finfo(values.dtype if values.dtype.kind == "f" else np.float64).eps)
    values = values.astype(np.float64)
    held, why = _without(values, exact, prediction) or _constant(values, exact, eps) or _unsteady(values) or ("", "")
    if held:
        return held, why
    mean = float(values.mean())
    distance = (mean - exact) / (float(values.std(ddof=1)) / math.sqrt(values.size))
    if prediction.kind != "mean":
        wrong = distance if prediction.kind == "upper bound" else -distance
        chance = float(stats.t.sf(wrong, values.size - 1))
        agrees, differs = "the mean does not go beyond the bound", f"beyond the bound by {wrong:.2g} standard errors"
    else:
        chance = 2 * float(stats.t.sf(abs(distance), values.size - 1))
        agrees = f"{distance:+.2g} standard errors from the exact value"
        differs = f"{agrees}; by chance that far with probability {chance:.2g}"
    if chance >= rate:
        return "agrees", agrees
    if _apart(mean, exact, eps) <= UNSEEN:
        return (
            "not judged",
            f"the difference is within the rounding of the floats, {_apart(mean, exact, eps):.2g} units",
        )
    return "differs", differs


def _without(values: np.ndarray, exact: float, prediction: Prediction) -> Verdict | None:
    """The verdict where there is no number to judge."""
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
    return None


def _constant(values: np.ndarray, exact: float, eps: float) -> Verdict | None:
    """The verdict where all chains have one value, but for the rounding of the floats in which they ran."""
    mean = float(values.mean())
    if float(values.std()) > ROUNDING * eps * abs(mean):
        return None
    if _apart(mean, exact, eps) <= ROUNDING:
        return "agrees", "every chain has this value, up to rounding"
    return "not judged", "every chain has the same value; rarer ones, which were not seen, may carry the mean"


def _unsteady(values: np.ndarray) -> Verdict | None:
    """The verdict where the mean of so many chains is not normal enough for Student's t."""
    if values.size < FEWEST:
        return "not judged", f"{values.size} chains are too few to show how their mean is distributed"
    gaps = values - values.mean()
    share = float((gaps**2).max() / (gaps**2).sum())
    if share > CARRIED:
        return "not judged", f"one chain holds {100 * share:.0f} % of the sample variance: the mean rests on few chains"
    skewness = float((gaps**3).mean() / values.std() ** 3)
    if abs(skewness) > SKEWED * math.sqrt(values.size):
        return "not judged", f"the chains are skewed, by {skewness:.2g}: the mean rests on few chains"
    return None


def _apart(mean: float, exact: float, eps: float) -> float:
    """How far two numbers are apart, in units of the last place."""
    return abs(mean - exact) / (eps * max(abs(mean), abs(exact))) if mean != exact else 0.0

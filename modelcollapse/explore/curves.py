"""What the page draws of one observable: its statistics over chains, some chains, and its closed form."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from modelcollapse.explore import choices
from modelcollapse.predict import Prediction
from modelcollapse.run import Run
from modelcollapse.summary import summarised


def numbers(values: ArrayLike) -> Any:
    """Nested lists of numbers with five significant digits; what is not finite is None."""
    found = np.asarray(values)
    if found.ndim > 1:
        return [numbers(row) for row in found]
    if found.dtype.kind in "iub":
        return found.astype(np.int64).tolist()
    return [float(f"{x:.{choices.DIGITS}g}") if np.isfinite(x) else None for x in found.tolist()]


def exact(prediction: Prediction) -> dict[str, Any]:
    """A closed form: its values at each generation, and what it rests on."""
    return {
        "values": numbers(prediction.values),
        "formula": prediction.formula,
        "theorem": prediction.function,
        "conditions": prediction.conditions,
        "order": prediction.order,
        "kind": prediction.kind,
    }


def curve(label: str, unit: str, trace: np.ndarray, recorded: np.ndarray, closed: Prediction | None) -> dict[str, Any]:
    """Median, band, mean, some chains and closed form of an observable that is one number: ``trace`` (chain, G)."""
    found = summarised({"it": trace}, recorded, choices.BAND, {})["it"]
    return {
        "label": label,
        "unit": unit,
        "count": len(trace),
        "median": numbers(found["median"]),
        "low": numbers(found["lower"]),
        "high": numbers(found["upper"]),
        "mean": numbers(found["mean"]),
        "chains": numbers(trace[: choices.DRAWN]),
        "exact": None if closed is None else exact(closed),
    }


def of_run(run: Run, labels: Mapping[str, tuple[str, str, str]]) -> dict[str, Any]:
    """The curves of some observables of a run, each beside the closed form that ``run.predict()`` has for it."""
    closed = {prediction.observable: prediction for prediction in run.predict()}
    return {
        name: curve(label, unit, run[name], run.recorded, closed.get(name)) for name, (label, unit, _) in labels.items()
    }

"""Which closed forms apply to a process: the same answer before a run and beside it."""

from __future__ import annotations

from typing import Any

import numpy as np

from modelcollapse.forks import computes
from modelcollapse.predict.prediction import Prediction, Predictions

__all__ = ["Prediction", "Predictions", "predictions"]


@computes
def predictions(
    family: Any,
    source: Any,
    regime: Any = None,
    observe: Any = None,
    *,
    size: Any,
    generations: int,
    record: Any = None,
) -> Predictions:
    """Every closed form that applies to a process, without a simulation; ``run.predict()`` gives the same beside a run.

    Parameters
    ----------
    family, source, regime, size, generations, record
        As for ``simulate``.
    observe
        As for ``simulate``; default every observable that has a closed form here.

    Returns
    -------
    Predictions
        A list, one ``Prediction`` for each observable that has a closed form; ``predictions["entropy"]`` is that of one of them.
        Empty where none is known: parts that are not of this package, their subclasses included, are never answered for.

    Raises
    ------
    ValueError, TypeError
        For what ``simulate`` refuses.
    """
    from modelcollapse import arguments, regimes
    from modelcollapse.predict import rules
    from modelcollapse.process import prepare

    regime = regimes.Replace() if regime is None else regime
    generations = arguments.whole("generations", generations)
    recorded = arguments.recorded(record, 0, generations)
    checked = prepare(family, source, regime, _nothing if observe is None else observe, size, generations)
    observables = rules.known() if observe is None else checked.observables
    return rules.predict(checked.process.family, source, regime, observables, checked.sizes, recorded)


def _nothing(params: Any) -> np.ndarray:
    """An observable that every family has."""
    return np.zeros(())


_nothing.shifts = False  # type: ignore[attr-defined]


def of_run(run: Any) -> Predictions:
    """The closed forms that apply to a run."""
    from modelcollapse.predict import rules

    return rules.predict(run.family, run.source, run.regime, run.observables, np.asarray(run.sizes()), run.recorded)

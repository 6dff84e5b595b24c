"""Which closed forms apply to a process: the same answer before a run and beside it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from modelcollapse import arguments, regimes
from modelcollapse.axes import axes_of
from modelcollapse.families.population import Learner
from modelcollapse.forks import computes
from modelcollapse.predict import (
    decoder,
    designs,
    detected,
    discrete,
    gaussian,
    kernels,
    language,
    one_parameter,
    populations,
    registry,
    regression,
    remedies,
    robust,
    selected_normals,
    selection,
)
from modelcollapse.predict.beside import of_run as of_run
from modelcollapse.predict.prediction import Prediction, Predictions
from modelcollapse.predict.verdict import Verdict
from modelcollapse.predict.verdicts import Verdicts as Verdicts
from modelcollapse.predict.verdicts import profile
from modelcollapse.process import prepare
from modelcollapse.protocols import Exchanges, Observable, Params, Regime, Source

__all__ = ["Prediction", "Verdict", "predictions", "profile"]

RULES = (
    decoder,
    designs,
    detected,
    discrete,
    gaussian,
    kernels,
    language,
    one_parameter,
    populations,
    regression,
    remedies,
    robust,
    selected_normals,
    selection,
)
"""Modules whose import registers rules."""

One = str | Observable | Callable[..., Any]


@computes
def predictions(
    family: Learner,
    source: Source,
    regime: Regime | Exchanges | None = None,
    observe: One | list[One] | Mapping[str, One] | None = None,
    *,
    size: ArrayLike,
    generations: int,
    record: ArrayLike | None = None,
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
        A list, one ``Prediction`` for each observable that has a closed form; ``predictions["entropy"]`` is that of one
        of them. Empty where none is known. No prediction is made for parts from outside this package, subclasses of its
        parts included.

    Raises
    ------
    ValueError, TypeError
        For what ``simulate`` refuses.
    """
    regime = regimes.Replace() if regime is None else regime
    generations = arguments.whole("generations", generations)
    recorded = arguments.recorded(record, 0, generations)
    checked = prepare(family, source, regime, _nothing if observe is None else observe, size, generations)
    observables = registry.every_observable(checked.family) if observe is None else checked.observables
    found = registry.predict(checked.family, source, regime, observables, checked.sizes, recorded)
    shapes = {one.observable: one.values.shape[1:] for one in found}
    return found.beside(axes_of(checked.family, source, observables, shapes), None)


def _nothing(params: Params) -> np.ndarray:
    """An observable that every family has, wherever its rows lie."""
    return np.zeros(())


_nothing.shifts = False  # type: ignore[attr-defined]

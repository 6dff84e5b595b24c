"""The closed forms beside a run: of what it observed, or of anything else that its process has."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

import numpy as np

from modelcollapse import past
from modelcollapse.predict import registry
from modelcollapse.predict.prediction import Predictions
from modelcollapse.protocols import Family, Observable, Regime, Source


class Observed(Protocol):
    """What the closed forms read of a run."""

    @property
    def family(self) -> Family: ...
    @property
    def source(self) -> Source: ...
    @property
    def regime(self) -> Regime: ...
    @property
    def observables(self) -> Mapping[str, Observable]: ...
    @property
    def recorded(self) -> np.ndarray: ...
    def sizes(self) -> np.ndarray:
        """Sample size of the data set of each generation 0, 1, ..., the last."""


def of_run(run: Observed, observables: Mapping[str, Observable] | None = None) -> Predictions:
    """The closed forms that apply to a run, by default those of its own observables."""
    if not run.recorded.size:
        return Predictions()
    sizes = np.asarray(run.sizes())
    regime = past.cut(run.regime, len(sizes) - 1)  # an interrupted run has schedules for more generations
    chosen = run.observables if observables is None else observables
    return registry.predict(run.family, run.source, regime, chosen, sizes, run.recorded)

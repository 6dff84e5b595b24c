"""What a detector between the pool and the fit did: read off the memory of the regime."""

from __future__ import annotations

from typing import TYPE_CHECKING

import jax

from modelcollapse.observables.registry import OBSERVABLES, Momentary
from modelcollapse.protocols import Carry, HasRates, Truth
from modelcollapse.pytree import part

if TYPE_CHECKING:
    from modelcollapse.loop import State


@part
class DetectedRates(Momentary):
    """Shares of the synthetic and of the real items of a pool that ``Detected(score=, threshold=)`` flagged, ``(2,)``.

    True-positive and false-positive rate of each generation; NaN where there were no items of the kind, as at
    generation 0, which is never filtered.
    """

    units = "1"
    dims = ("kind",)
    settles = False
    shifts = False

    def read(self, carry: Carry, state: State, truth: Truth) -> jax.Array:
        if not isinstance(state.memory, HasRates):
            raise TypeError("rates are measured under Detected(regime, score=..., threshold=...) alone")
        return state.memory.rates


OBSERVABLES["detected_rates"] = DetectedRates()

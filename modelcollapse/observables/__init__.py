"""What is kept of a chain, one module a subject; ``registry`` says what an observable is.

Every observable with a name, such as ``entropy``, is a function here: ``observables.entropy``.
"""

from typing import Any

from modelcollapse.observables import images as images
from modelcollapse.observables.combinators import Below, FirstTime, absorption_time, first_below, of
from modelcollapse.observables.combinators import Of as Of
from modelcollapse.observables.detection import DetectedRates
from modelcollapse.observables.discrete import Tail, tail_mass
from modelcollapse.observables.losses import ExcessLogLoss, excess_log_loss
from modelcollapse.observables.populations import Between, FixationIndex, Union, between, fixation_index, union
from modelcollapse.observables.registry import OBSERVABLES, Call, Read, as_observable, check, named, observable

__all__ = [
    "OBSERVABLES", "Below", "Between", "Call", "DetectedRates", "ExcessLogLoss", "FirstTime", "FixationIndex",
    "Read", "Tail", "Union", "absorption_time", "as_observable", "between", "check", "excess_log_loss",
    "first_below", "fixation_index", "named", "observable", "of", "tail_mass", "union",
]  # fmt: skip
__all__ += (name for name in OBSERVABLES if name not in __all__)


def __getattr__(name: str) -> Any:
    if name in OBSERVABLES:
        return OBSERVABLES[name]
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

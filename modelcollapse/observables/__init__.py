"""What is kept of a chain, one module a subject; ``registry`` says what an observable is.

Every observable with a name, such as ``entropy``, is a function here: ``observables.entropy``.
"""

from typing import Any

from modelcollapse.observables import images as images
from modelcollapse.observables.combinators import Below, FirstTime, absorption_time, first_below, of
from modelcollapse.observables.combinators import Of as Of
from modelcollapse.observables.detection import DetectedRates
from modelcollapse.observables.discrete import Tail, tail_mass
from modelcollapse.observables.language import (
    cross_entropy,
    own_cross_entropy,
    own_losses,
    own_perplexity,
    own_perplexity_histogram,
    own_perplexity_quantiles,
    perplexity,
)
from modelcollapse.observables.losses import ExcessLogLoss, excess_log_loss
from modelcollapse.observables.ngrams import living_cross_entropy, lost_share
from modelcollapse.observables.populations import Between as Between
from modelcollapse.observables.populations import FixationIndex as FixationIndex
from modelcollapse.observables.populations import Union as Union
from modelcollapse.observables.populations import between, fixation_index, union
from modelcollapse.observables.registry import OBSERVABLES, Call, Read, as_observable, check, named, observable
from modelcollapse.observables.texts import (
    blocks,
    distinct,
    looped,
    repetition,
    token_entropy,
    unigrams,
    zipf_slope,
)

__all__ = [
    "OBSERVABLES", "Below", "Call", "DetectedRates", "ExcessLogLoss", "FirstTime", "FixationIndex", "Read", "Tail",
    "absorption_time", "as_observable", "between", "blocks", "check", "cross_entropy", "distinct",
    "excess_log_loss", "first_below", "fixation_index", "living_cross_entropy", "looped", "lost_share", "named",
    "observable", "of", "own_cross_entropy", "own_losses", "own_perplexity", "own_perplexity_histogram",
    "own_perplexity_quantiles", "perplexity", "repetition", "tail_mass", "token_entropy", "unigrams", "union",
    "zipf_slope",
]  # fmt: skip
__all__ += (name for name in OBSERVABLES if name not in __all__)


def __getattr__(name: str) -> Any:
    if name in OBSERVABLES:
        return OBSERVABLES[name]
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

"""Which data the next generation learns from: one small class for each regime.

Generation 0 is always fitted to real data. A regime sees two streams, ``model`` (the newest fit) and ``real``, and its
own ``memory``. Shares and weights may be numbers, or arrays with one entry for each generation 0, 1, ... (entry 0 is
where generation 0 would be, and is not read); they are PyTree leaves, so ``jax.vmap`` over them is a sweep with one
trace. A field that may be such a schedule is declared by ``schedule()``; an array in any other field is data of the
regime's own.

A share of a size is a whole number by one rule (``modelcollapse.portions``). Where share and sizes are known,
``simulate`` finds the counts before the run; only a traced share is rounded within it.

Draws are addressed by role, so regimes that ask for the same data get the same numbers. The protocol is
``modelcollapse.protocols.Regime``.
"""

from modelcollapse.addresses import CHOICE as CHOICE
from modelcollapse.addresses import KEPT as KEPT
from modelcollapse.addresses import MODEL as MODEL
from modelcollapse.addresses import OLDER as OLDER
from modelcollapse.addresses import REAL as REAL
from modelcollapse.addresses import fold as fold
from modelcollapse.regimes.basic import FixedReal, FreshReal, Replace, Retain, Weighted
from modelcollapse.regimes.common import at as at
from modelcollapse.regimes.detected import Detected
from modelcollapse.regimes.exchange import Exchange
from modelcollapse.regimes.mixture import Mixture
from modelcollapse.regimes.pools import Accumulate, AccumulateSubsample
from modelcollapse.regimes.rewrite import Rewrite
from modelcollapse.regimes.switch import Switch

__all__ = [
    "Accumulate",
    "AccumulateSubsample",
    "Detected",
    "Exchange",
    "FixedReal",
    "FreshReal",
    "Mixture",
    "Replace",
    "Retain",
    "Rewrite",
    "Switch",
    "Weighted",
]

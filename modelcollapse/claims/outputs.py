"""What a model gives out is cut: top-k costs once, top-p again at every fit."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from modelcollapse.families import Discrete, Truncated
from modelcollapse.sources import categorical
from modelcollapse.verify import Evidence, Formula, Lab, NominalMean, Section
from modelcollapse_theory import truncation

E = Section("E. selection", source="theory/derivations/curation.md", chains=300)
LAW = np.array([0.3, 0.25, 0.2, 0.15, 0.1])
LARGE = 10**6


@E.claim(truncation.top_k, truncation.top_p, tier="quick")
def cuts_repeat(lab: Lab) -> Iterator[Evidence]:
    """top-k costs once and for all; top-p cuts again at every fit, until the least state left has more than 1 - P"""
    top_k = Formula(truncation.top_k, LAW, 3, at=(0,))
    top_p = Formula(truncation.top_p, LAW, 0.8, 1, at=(0,))
    once, twice = top_p(), top_p(fits=2)
    whole, fewer, more = {"nothing is cut": LAW[0]}, top_k(kept=2), top_k(kept=4)
    # by fit, of which the first is to real data
    rows = {
        "top-k": {
            1: (LAW[0], {"real data cut too": top_k()}),
            2: (top_k(), whole | {"one state fewer": fewer, "one state more": more}),
            4: (top_k(), whole | {"one state fewer": fewer, "one state more": more, "a state at each fit": 1.0}),
        },
        "top-p": {
            1: (LAW[0], {"real data cut too": once}),
            2: (once, whole | {"cut twice": twice, "the state that passes P is left out": top_k()}),
            3: (twice, whole | {"it costs once": once, "one state fewer": fewer}),
            4: (twice, whole | {"it costs once": once, "a state at each fit": fewer, "without end": 1.0}),
        },
    }
    for name, family in (("top-k", Truncated(Discrete(), top_k=3)), ("top-p", Truncated(Discrete(), top_p=0.8))):
        run = lab.run(name, family, categorical(LAW), observe="probabilities", size=LARGE, fits=list(rows[name]))
        for at, (fit, (exact, wrong)) in enumerate(rows[name].items()):
            seen = NominalMean(run["probabilities"][:, at, 0])
            slack = 0.0 if fit == 1 else 2e-5  # of the mean of a ratio, O(1 / M)
            yield Evidence(seen, exact, wrong, f"{name}, fit {fit}", slack=slack)

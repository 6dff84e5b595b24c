"""What a model gives out is cut: top-k costs once, top-p again at every fit."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from modelcollapse.families import Discrete, Truncated
from modelcollapse.sources import categorical
from modelcollapse.verify import BoundedMean, Evidence, Lab, Section
from modelcollapse_theory import truncation

E = Section("E. selection", source="theory/derivations/curation.md", chains=300)
LAW = np.array([0.3, 0.25, 0.2, 0.15, 0.1])
LARGE = 10**6


@E.claim(truncation.top_k, truncation.top_p, tier="quick")
def cuts_repeat(lab: Lab) -> Iterator[Evidence]:
    """top-k costs once and for all; top-p cuts again at every fit, until the least state left has more than 1 - P"""
    slack = 2e-5  # of the mean of a ratio, O(1 / M)
    for name, family, exact, wrong in (
        (
            "top-k", Truncated(Discrete(), top_k=3), truncation.top_k(LAW, 3)[0],
            {"nothing is cut": LAW[0], "one state fewer": truncation.top_k(LAW, 2)[0]},
        ),
        (
            "top-p", Truncated(Discrete(), top_p=0.8), truncation.top_p(LAW, 0.8, 3)[0],
            {"it costs once": truncation.top_p(LAW, 0.8, 1)[0], "nothing is cut": LAW[0]},
        ),
    ):  # fmt: skip
        seen = lab.last(name, family, categorical(LAW), observe="probabilities", size=LARGE, fits=4)
        yield Evidence(BoundedMean(seen[:, 0], 0, 1), exact, wrong, name, slack=slack)

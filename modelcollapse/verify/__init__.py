"""How a claim is judged: it returns evidence with near misses, and the runner decides."""

from modelcollapse.verify.evidence import BoundedMean, ChernoffMean, Evidence, NominalMean, Proportion
from modelcollapse.verify.formula import Formula
from modelcollapse.verify.lab import Lab, Section
from modelcollapse.verify.runner import REGISTRY, claim, run_claim
from modelcollapse.verify.runner import Claim as Claim

__all__ = [
    "REGISTRY", "BoundedMean", "ChernoffMean", "Evidence", "Formula", "Lab", "NominalMean", "Proportion",
    "Section", "claim", "run_claim",
]  # fmt: skip

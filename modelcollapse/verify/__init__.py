"""How a claim is judged: it returns evidence with near misses, and the runner decides."""

from modelcollapse.verify.evidence import BoundedMean, ChernoffMean, Evidence, NominalMean, Proportion
from modelcollapse.verify.formula import Formula
from modelcollapse.verify.lab import Lab, Section
from modelcollapse.verify.runner import REGISTRY, Claim, claim, run_claim

__all__ = [
    "REGISTRY", "BoundedMean", "ChernoffMean", "Claim", "Evidence", "Formula", "Lab", "NominalMean", "Proportion",
    "Section", "claim", "run_claim",
]  # fmt: skip

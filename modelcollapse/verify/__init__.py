"""Claims: the one place that imports both the simulators and the theory, and holds one against the other."""

from modelcollapse.verify.evidence import BoundedMean, ChernoffMean, Evidence, NominalMean, Proportion
from modelcollapse.verify.registry import claim, registry, run_claim

__all__ = ["BoundedMean", "ChernoffMean", "Evidence", "NominalMean", "Proportion", "claim", "registry", "run_claim"]

"""Claims: the one place that imports both the simulators and the theory, and holds one against the other."""

from modelcollapse.checks.claims import claim, registry, run_claim
from modelcollapse.checks.evidence import BoundedMean, ChernoffMean, Evidence, NominalMean, Proportion

__all__ = ["BoundedMean", "ChernoffMean", "Evidence", "NominalMean", "Proportion", "claim", "registry", "run_claim"]

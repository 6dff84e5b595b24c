"""All rules: importing this module registers them, and imports the theory."""

from modelcollapse.predict import decoder, discrete, gaussian, kernels, one_parameter, regression
from modelcollapse.predict.registry import known, predict

FAMILIES = (discrete, gaussian, one_parameter, kernels, decoder, regression)
__all__ = ["FAMILIES", "known", "predict"]

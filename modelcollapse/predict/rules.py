"""All rules: importing this module registers them."""

from modelcollapse.predict import decoder, discrete, gaussian, kernels, one_parameter, regression
from modelcollapse.predict.registry import every_observable, predict

FAMILIES = (discrete, gaussian, one_parameter, kernels, decoder, regression)
__all__ = ["FAMILIES", "every_observable", "predict"]

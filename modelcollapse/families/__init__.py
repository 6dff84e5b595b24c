"""What is refitted at each generation: one file per family.

A family is a frozen PyTree dataclass with the methods of ``modelcollapse.protocols.Family``, and those of each further
ability that it has: the protocols in that file say what each is for. A family around another one inherits abilities by
``wrapping.inherits``.
"""

from modelcollapse.families.conditional import Conditional
from modelcollapse.families.damped import Damped
from modelcollapse.families.discrete import Discrete
from modelcollapse.families.exact import Exact
from modelcollapse.families.exponential import Binomial, Gamma, NegativeBinomial, Poisson
from modelcollapse.families.gaussian import Gaussian, GaussianMean, Normal
from modelcollapse.families.generalised import LogisticRegression, PoissonRegression
from modelcollapse.families.kde import KernelDensity
from modelcollapse.families.mixture import GaussianMixture
from modelcollapse.families.pareto import Pareto
from modelcollapse.families.ppca import PPCA
from modelcollapse.families.regression import Design, NormalRows, Regression
from modelcollapse.families.rounded import Rounded
from modelcollapse.families.uniform import Uniform
from modelcollapse.families.vae import MLP, VAE, Convolutional

__all__ = [
    "MLP",
    "PPCA",
    "VAE",
    "Binomial",
    "Conditional",
    "Convolutional",
    "Damped",
    "Design",
    "Discrete",
    "Exact",
    "Gamma",
    "Gaussian",
    "GaussianMean",
    "GaussianMixture",
    "KernelDensity",
    "LogisticRegression",
    "NegativeBinomial",
    "Normal",
    "NormalRows",
    "Pareto",
    "Poisson",
    "PoissonRegression",
    "Regression",
    "Rounded",
    "Uniform",
]

"""What is refitted at each generation: one file per family.

A family is a frozen PyTree dataclass with the methods of ``modelcollapse.protocols.Family``, and those of each further
ability that it has: the protocols in that file say what each is for. A family around another one inherits abilities by
``wrapping.inherits``.
"""

from modelcollapse.families.conditional import Conditional
from modelcollapse.families.curated import Curated
from modelcollapse.families.damped import Damped
from modelcollapse.families.decoding import Beam, Greedy, Sampled
from modelcollapse.families.discrete import Discrete
from modelcollapse.families.ensemble import Ensemble
from modelcollapse.families.exact import Exact
from modelcollapse.families.exponential import Binomial, Gamma, NegativeBinomial, Poisson
from modelcollapse.families.gaussian import Gaussian, GaussianMean, Normal
from modelcollapse.families.generalised import LogisticRegression, PoissonRegression
from modelcollapse.families.kde import KernelDensity
from modelcollapse.families.language import LanguageModel
from modelcollapse.families.mixture import GaussianMixture
from modelcollapse.families.ngram import NGram
from modelcollapse.families.noisy import Noisy
from modelcollapse.families.oversampled import Oversampled
from modelcollapse.families.pareto import Pareto
from modelcollapse.families.population import Population
from modelcollapse.families.posterior import Posterior
from modelcollapse.families.ppca import PPCA
from modelcollapse.families.regression import Design, NormalRows, Regression
from modelcollapse.families.robust import MedianMAD, StudentT
from modelcollapse.families.rounded import Rounded
from modelcollapse.families.shrunk import Shrunk
from modelcollapse.families.stratified import Stratified
from modelcollapse.families.student import Student
from modelcollapse.families.tempered import Tempered
from modelcollapse.families.transformer import Transformer
from modelcollapse.families.truncated import Truncated
from modelcollapse.families.uniform import Uniform
from modelcollapse.families.vae import MLP, VAE, Convolutional
from modelcollapse.families.verified import Verified
from modelcollapse.families.watermarks import GreenScore, Gumbel, GumbelScore, Watermarked

__all__ = [
    "MLP",
    "PPCA",
    "VAE",
    "Beam",
    "Binomial",
    "Conditional",
    "Convolutional",
    "Curated",
    "Damped",
    "Design",
    "Discrete",
    "Ensemble",
    "Exact",
    "Gamma",
    "Gaussian",
    "GaussianMean",
    "GaussianMixture",
    "Greedy",
    "GreenScore",
    "Gumbel",
    "GumbelScore",
    "KernelDensity",
    "LanguageModel",
    "LogisticRegression",
    "MedianMAD",
    "NGram",
    "NegativeBinomial",
    "Noisy",
    "Normal",
    "NormalRows",
    "Oversampled",
    "Pareto",
    "Poisson",
    "PoissonRegression",
    "Population",
    "Posterior",
    "Regression",
    "Rounded",
    "Sampled",
    "Shrunk",
    "Stratified",
    "Student",
    "StudentT",
    "Tempered",
    "Transformer",
    "Truncated",
    "Uniform",
    "Verified",
    "Watermarked",
]

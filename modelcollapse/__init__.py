"""Recursive training of generative models, simulated by the million and held against its exact theory.

    >>> import modelcollapse as mc
    >>> run = mc.simulate(
    ...     mc.Discrete(), mc.categorical([0.5, 0.3, 0.2]), observe=["heterozygosity"], size=50, generations=20, chains=1000
    ... )
    >>> run["heterozygosity"].shape
    (1000, 21)

A run is put together from a *source* (what is real), a *family* (what is refitted), a *regime* (which data the next generation
sees) and *observables* (what is kept).
"""

from typing import Any

from modelcollapse.decomposition import Decomposition, decompose
from modelcollapse.families import (
    PPCA,
    VAE,
    Binomial,
    Conditional,
    Damped,
    Design,
    Discrete,
    Exact,
    Gamma,
    Gaussian,
    GaussianMean,
    GaussianMixture,
    KernelDensity,
    NegativeBinomial,
    Pareto,
    Poisson,
    Regression,
    Rounded,
    Uniform,
)
from modelcollapse.host.models import simulate_models
from modelcollapse.laws import Law
from modelcollapse.observables import absorption_time, excess_log_loss, first_below, of, tail_mass
from modelcollapse.observables import images as image_observables  # noqa: F401
from modelcollapse.predict import Prediction, Predictions, predictions
from modelcollapse.pytree import part, register, static
from modelcollapse.regimes import (
    Accumulate,
    AccumulateSubsample,
    FixedReal,
    FreshReal,
    Mixture,
    Replace,
    Retain,
    Switch,
    Weighted,
)
from modelcollapse.run import ChainFailure, Interrupted, Run, simulate, trace
from modelcollapse.sources import (
    bernoulli,
    binomial,
    categorical,
    counts,
    exponential,
    gamma,
    images,
    labels,
    linear,
    negative_binomial,
    normal,
    normal_mixture,
    pareto,
    poisson,
    sampler,
    table,
    uniform,
)

__all__ = [
    "PPCA",
    "VAE",
    "Accumulate",
    "AccumulateSubsample",
    "Binomial",
    "ChainFailure",
    "Conditional",
    "Damped",
    "Decomposition",
    "Design",
    "Discrete",
    "Exact",
    "FixedReal",
    "FreshReal",
    "Gamma",
    "Gaussian",
    "GaussianMean",
    "GaussianMixture",
    "Interrupted",
    "KernelDensity",
    "Law",
    "Mixture",
    "NegativeBinomial",
    "Pareto",
    "Poisson",
    "Prediction",
    "Predictions",
    "Regression",
    "Replace",
    "Retain",
    "Rounded",
    "Run",
    "Switch",
    "Uniform",
    "Weighted",
    "absorption_time",
    "bernoulli",
    "binomial",
    "categorical",
    "counts",
    "decompose",
    "excess_log_loss",
    "exponential",
    "first_below",
    "gamma",
    "images",
    "labels",
    "linear",
    "negative_binomial",
    "normal",
    "normal_mixture",
    "of",
    "pareto",
    "part",
    "poisson",
    "predictions",
    "register",
    "sampler",
    "simulate",
    "simulate_models",
    "static",
    "table",
    "tail_mass",
    "trace",
    "uniform",
]


def __getattr__(name: str) -> Any:
    if name == "__version__":  # read from what is installed, where somebody asks
        from modelcollapse.provenance import version

        return version()
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

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

from modelcollapse.driver import simulate, trace
from modelcollapse.external import simulate_models
from modelcollapse.families import (
    Damped,
    Design,
    Discrete,
    Gaussian,
    GaussianMixture,
    KernelDensity,
    Regression,
)
from modelcollapse.observables import absorption_time, first_below, tail_mass
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
from modelcollapse.results import ChainFailure, Run
from modelcollapse.sources import Law, categorical, linear, normal, normal_mixture, sampler, table

__all__ = [
    "Accumulate",
    "AccumulateSubsample",
    "ChainFailure",
    "Damped",
    "Design",
    "Discrete",
    "FixedReal",
    "FreshReal",
    "Gaussian",
    "GaussianMixture",
    "KernelDensity",
    "Law",
    "Mixture",
    "Regression",
    "Replace",
    "Retain",
    "Run",
    "Switch",
    "Weighted",
    "absorption_time",
    "categorical",
    "first_below",
    "linear",
    "normal",
    "normal_mixture",
    "sampler",
    "simulate",
    "simulate_models",
    "table",
    "tail_mass",
    "trace",
]

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
from modelcollapse.families import PPCA, VAE, Conditional, Damped, Discrete, Gaussian, GaussianMixture
from modelcollapse.observables import absorption_time, first_below, of, tail_mass
from modelcollapse.regimes import (
    Accumulate,
    AccumulateSubsample,
    FixedReal,
    FreshReal,
    Mixture,
    Replace,
    Retain,
    Switch,
)
from modelcollapse.results import ChainFailure, Run
from modelcollapse.sources import Law, categorical, images, normal, normal_mixture, sampler, table

__all__ = [
    "PPCA",
    "VAE",
    "Accumulate",
    "AccumulateSubsample",
    "ChainFailure",
    "Conditional",
    "Damped",
    "Discrete",
    "FixedReal",
    "FreshReal",
    "Gaussian",
    "GaussianMixture",
    "Law",
    "Mixture",
    "Replace",
    "Retain",
    "Run",
    "Switch",
    "absorption_time",
    "categorical",
    "first_below",
    "images",
    "normal",
    "normal_mixture",
    "of",
    "sampler",
    "simulate",
    "simulate_models",
    "table",
    "tail_mass",
    "trace",
]

"""Recursive training of generative models, simulated by the million and held against its exact theory.

    >>> import modelcollapse as mc
    >>> source = mc.categorical([0.5, 0.3, 0.2])
    >>> run = mc.simulate(mc.Discrete(), source, observe="heterozygosity", size=50, generations=20, chains=1000)
    >>> run["heterozygosity"].shape
    (1000, 21)

A run is put together from a *source* (what is real), a *family* (what is refitted), a *regime* (which data the next
generation sees) and *observables* (what is kept). The everyday names are listed here; ``mc.sources``, ``mc.families``,
``mc.regimes`` and ``mc.observables`` have them all.
"""

import logging
from typing import TYPE_CHECKING, Any

from modelcollapse import adapters, decomposition, families, observables, regimes, sources, text
from modelcollapse.cache import keep_programs
from modelcollapse.decomposition import decompose
from modelcollapse.failures import ChainFailure, Interrupted
from modelcollapse.families import Discrete, Gaussian, GaussianMixture, KernelDensity, Regression
from modelcollapse.host.models import simulate_models
from modelcollapse.laws import Law
from modelcollapse.observables import first_below
from modelcollapse.pytree import part, register, schedule, static
from modelcollapse.regimes import Accumulate, FreshReal, Mixture, Replace
from modelcollapse.run import Run, simulate, trace
from modelcollapse.sources import categorical, counts, labels, normal, normal_mixture, sampler, table

__all__ = [
    "Accumulate",
    "ChainFailure",
    "Discrete",
    "FreshReal",
    "Gaussian",
    "GaussianMixture",
    "Interrupted",
    "KernelDensity",
    "Law",
    "Mixture",
    "Regression",
    "Replace",
    "Run",
    "adapters",
    "categorical",
    "counts",
    "decompose",
    "families",
    "first_below",
    "keep_programs",
    "labels",
    "normal",
    "normal_mixture",
    "observables",
    "part",
    "predictions",
    "profile",
    "regimes",
    "register",
    "sampler",
    "schedule",
    "show_versions",
    "simulate",
    "simulate_models",
    "sources",
    "static",
    "sweep",
    "table",
    "text",
    "trace",
]
_UNLISTED = {
    families: families.__all__,
    sources: sources.__all__,
    regimes: regimes.__all__,
    observables: ["absorption_time", "excess_log_loss", "of", "tail_mass"],
    decomposition: ["Decomposition"],
}
"""Names that are found here too."""

logging.getLogger("modelcollapse").addHandler(logging.NullHandler())  # silent until an application wants to see it

if TYPE_CHECKING:
    from modelcollapse.environment import show_versions as show_versions
    from modelcollapse.predict import Prediction as Prediction
    from modelcollapse.predict import Predictions as Predictions
    from modelcollapse.predict import predictions as predictions
    from modelcollapse.predict import profile as profile
    from modelcollapse.sweeps import Until as Until
    from modelcollapse.sweeps import sweep as sweep


def __getattr__(name: str) -> Any:
    if name == "__version__":  # read from what is installed, when it is asked for
        from modelcollapse.provenance import version

        return version()
    if name in ("Prediction", "Predictions", "predictions", "profile"):  # they import the theory
        from modelcollapse import predict

        return getattr(predict, name)
    if name in ("Until", "sweep"):  # they import what works in processes
        from modelcollapse import sweeps

        return getattr(sweeps, name)
    if name == "show_versions":  # it reads the metadata of what is installed
        from modelcollapse import environment

        return environment.show_versions
    if name == "image_observables":
        return observables.images
    for home, names in _UNLISTED.items():
        if name in names:
            return getattr(home, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*__all__, "__version__"])

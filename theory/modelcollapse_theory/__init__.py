"""Closed forms for recursive training: NumPy and SciPy only, float64, no simulation.

Every function is in a submodule, imported when it is first used; ``theory/README.md`` has one row for each theorem.

* the organising theorem, and what each workflow makes of it: ``workflows``, ``mixture``, ``fresh``, ``fresh_limits``,
  ``accumulation``
* several models and one pool: ``populations``, ``population_limits``, ``islands``, ``entrant``
* replacement, the discrete chain: ``lineages``, ``lineage_limits``, ``replacement``, ``support``, ``fixation``,
  ``fixation_diffusion``, ``moments``, ``divergence``, ``rare``
* Gaussians: ``gaussian``, ``hitting``, ``collapse``, ``wasserstein``, ``wishart``, ``fresh_gaussian``
* other families: ``exponential_families``, ``special_families``, ``kde``, ``ppca``
* regression, tails: ``regression``, ``tails``
* selection: ``selection``, ``two_states``, ``curation``, ``verification``, ``temperature``, ``truncation``, ``best_of``
* detectors, watermarks and weights: ``detectors``, ``flag_weights``, ``screening``, ``weights``, ``watermarks``,
  ``exponential_minimum``
* detectors, watermarks and weights: ``detectors``, ``flag_weights``, ``screening``, ``weights``
* language models: ``language``, ``text_losses``, ``rewriting``, ``decoding``
* sources of error: ``errors``, ``precision``
* remedies: ``iterated_learning``, ``iterated_families``, ``sampling_designs``, ``robust``, ``remedies``
* what is called collapse, as predicates: ``definitions``
* answers for those who must decide: ``plan``

``NotCovered``, a ValueError, is how a theorem refuses arguments that it says nothing about.
"""

from __future__ import annotations

import importlib
from types import ModuleType

from modelcollapse_theory._domain import NotCovered as NotCovered

__all__ = [
    "accumulation",
    "best_of",
    "collapse",
    "curation",
    "decoding",
    "definitions",
    "detectors",
    "divergence",
    "entrant",
    "errors",
    "exponential_families",
    "exponential_minimum",
    "fixation",
    "fixation_diffusion",
    "flag_weights",
    "fresh",
    "fresh_gaussian",
    "fresh_limits",
    "gaussian",
    "hitting",
    "islands",
    "iterated_families",
    "iterated_learning",
    "kde",
    "language",
    "lineage_limits",
    "lineages",
    "mixture",
    "moments",
    "plan",
    "population_limits",
    "populations",
    "ppca",
    "precision",
    "rare",
    "regression",
    "remedies",
    "replacement",
    "rewriting",
    "robust",
    "sampling_designs",
    "screening",
    "selection",
    "special_families",
    "support",
    "tails",
    "temperature",
    "text_losses",
    "truncation",
    "two_states",
    "verification",
    "wasserstein",
    "watermarks",
    "weights",
    "wishart",
    "workflows",
]


def __getattr__(name: str) -> ModuleType:
    if name in __all__:
        return importlib.import_module(f"{__name__}.{name}")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__

"""What is refitted each generation: one file a family.

A family is a frozen PyTree dataclass with

* ``data``: the kind of data set it is fitted to (a class of ``modelcollapse.data`` or one like it);
* ``draw(key, params, n, capacity) -> data``: n independent draws as one data set; n may be traced, ``capacity`` is a fixed bound on it;
* ``draw_rows(key, params, n, capacity) -> Rows``: the same as points;
* ``summarise(rows) -> data``: the same data set, from real rows;
* ``fit(key, data, previous) -> params``: ``previous`` is None at generation 0. Parameters that are not finite mean failure.

and, where it makes sense, ``mix(weights, params)`` (if mixtures of its laws are laws of the family), ``blend(previous, fitted, rate)``
(for a partial refit), ``project(source)`` (the truth that observables compare with: the fit to infinitely many draws, where it is known), ``limit(source)`` (what
infinitely many draws teach this learner, biases included; ``source`` may be a law, or moments alone), ``check(source, size)``,
``fixed(params)`` (whether all its draws are the same, for good), ``workspace(params)`` (floats that a fit holds for each row) and
``with_room(params, capacity)`` (if parameters keep rows: the same, in the shape that more rows have). ``forms(truth, sizes)`` says in which
other families of the same law a chain may be kept that sees nothing but its own output; their parameters read by ``law(labelled)``, and where
these are integers, ``sound(params)`` says whether the first fit made sense. ``equivariant = True`` says that moved rows give the moved fit
(the parameters have ``moved(by)``, which moves the law by ``by`` (d,)), and ``bounded = True`` that all rows lie in [0, 1]; see ``modelcollapse.location``.
"""

from modelcollapse.families.conditional import Conditional
from modelcollapse.families.damped import Damped
from modelcollapse.families.discrete import Discrete
from modelcollapse.families.exact import Exact
from modelcollapse.families.exponential import Binomial, Gamma, NegativeBinomial, Poisson
from modelcollapse.families.gaussian import Gaussian, GaussianMean, Normal
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
    "NegativeBinomial",
    "Normal",
    "NormalRows",
    "Pareto",
    "Poisson",
    "Regression",
    "Rounded",
    "Uniform",
]

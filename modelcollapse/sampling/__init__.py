"""The random kernels: every draw is exact in law, and every key is an address."""

from modelcollapse.sampling import exact, keys, lineages
from modelcollapse.sampling._binomial import binomial
from modelcollapse.sampling._chi_square import MANY, chi_square, log_chi_square
from modelcollapse.sampling._gamma import exponential, log_gamma
from modelcollapse.sampling._hypergeometric import hypergeometric
from modelcollapse.sampling._multinomial import (
    categories,
    in_turn,
    integer_weights,
    multinomial,
    multivariate_hypergeometric,
    padded_states,
    pick_states,
)
from modelcollapse.sampling._normal import normal
from modelcollapse.sampling._poisson import poisson
from modelcollapse.sampling._wishart import mean_and_factor, wishart_factor
from modelcollapse.sampling._xla import axis_of_chains, materialise, materialise_pair, over_lanes
from modelcollapse.sampling.exact import float64
from modelcollapse.sampling.keys import fold, key, materialised, wrap

__all__ = [
    "MANY",
    "axis_of_chains",
    "binomial",
    "categories",
    "chi_square",
    "exact",
    "exponential",
    "float64",
    "fold",
    "hypergeometric",
    "in_turn",
    "integer_weights",
    "key",
    "keys",
    "lineages",
    "log_chi_square",
    "log_gamma",
    "materialise",
    "materialise_pair",
    "materialised",
    "mean_and_factor",
    "multinomial",
    "multivariate_hypergeometric",
    "normal",
    "over_lanes",
    "padded_states",
    "pick_states",
    "poisson",
    "wishart_factor",
    "wrap",
]

"""The random kernels: every draw is exact in law, and every key is an address."""

from modelcollapse.sampling import keys
from modelcollapse.sampling._binomial import binomial
from modelcollapse.sampling._chi_square import chi_square, log_chi_square
from modelcollapse.sampling._exact import float64
from modelcollapse.sampling._gamma import exponential, log_gamma
from modelcollapse.sampling._hypergeometric import hypergeometric
from modelcollapse.sampling._lanes import axis_of_chains, over_lanes
from modelcollapse.sampling._multinomial import categories, multinomial, multivariate_hypergeometric
from modelcollapse.sampling._normal import normal
from modelcollapse.sampling._once import once, together
from modelcollapse.sampling._poisson import poisson
from modelcollapse.sampling._wishart import wishart_factor
from modelcollapse.sampling.keys import fold, key, settled, wrap

__all__ = [
    "axis_of_chains",
    "binomial",
    "categories",
    "chi_square",
    "exponential",
    "float64",
    "fold",
    "hypergeometric",
    "key",
    "keys",
    "log_chi_square",
    "log_gamma",
    "multinomial",
    "multivariate_hypergeometric",
    "normal",
    "once",
    "over_lanes",
    "poisson",
    "settled",
    "together",
    "wishart_factor",
    "wrap",
]

"""The random kernels: every draw is exact in law, and every key is an address."""

from modelcollapse.sampling._binomial import binomial
from modelcollapse.sampling._chi_square import chi_square, log_chi_square
from modelcollapse.sampling._gamma import log_gamma
from modelcollapse.sampling._hypergeometric import hypergeometric
from modelcollapse.sampling._multinomial import multinomial, multivariate_hypergeometric
from modelcollapse.sampling._normal import normal
from modelcollapse.sampling._poisson import poisson
from modelcollapse.sampling._wishart import wishart_factor
from modelcollapse.sampling.keys import fold, key, wrap

__all__ = [
    "binomial",
    "chi_square",
    "fold",
    "hypergeometric",
    "key",
    "log_chi_square",
    "log_gamma",
    "multinomial",
    "multivariate_hypergeometric",
    "normal",
    "poisson",
    "wishart_factor",
    "wrap",
]

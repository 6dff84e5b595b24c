"""Fits drawn from a posterior: they forget the truth and keep the prior, and without one they walk."""

from __future__ import annotations

import dataclasses
import functools

import numpy as np
from numpy.typing import ArrayLike

from modelcollapse import observables, regimes
from modelcollapse.families import Discrete, Ensemble, Gamma, Gaussian, Poisson, Posterior
from modelcollapse.families.exponential import LogScale, Mean
from modelcollapse.families.gaussian import Normal
from modelcollapse.predict.prediction import Function
from modelcollapse.predict.registry import Guard, prediction, several
from modelcollapse.predict.setting import Setting, independent, needed, normal
from modelcollapse.protocols import Params
from modelcollapse_theory import iterated_families, iterated_learning, workflows

# --- what is within a wrapper ----------------------------------------------------------------------------------------


def within(s: Setting) -> Setting:
    """The same process without its wrapper."""
    return dataclasses.replace(s, family=s.family.family)


def wraps(kind: type, **fields: object) -> Guard:
    """Guard: the family within is of this exact type, and the wrapper has these fields."""
    return lambda s: type(s.family.family) is kind and all(vars(s.family)[k] == v for k, v in fields.items())


def strength(s: Setting) -> float:
    """The constant strength of the prior."""
    needed(np.ndim(s.family.strength) == 0)
    return float(s.family.strength)


def law_at(s: Setting, base: Params | None) -> np.ndarray:
    """A law ``(K,)`` that is given as parameters, or the truth where None is."""
    if base is None:
        return within(s).law
    law = np.asarray(base, np.float64)
    return law / law.sum()


def at_truth(s: Setting) -> bool:
    """Whether the prior of a discrete law stands at the truth, to float32."""
    law = within(s).law
    return law_at(s, s.family.base).shape == law.shape and np.allclose(law_at(s, s.family.base), law, 1e-5, 1e-7)


def normal_at(s: Setting, base: Params | None) -> tuple[np.ndarray, np.ndarray]:
    """Mean and covariance of a normal law that is given as parameters, or the truth's where None is."""
    if base is None:
        return s.mean, s.finite_covariance
    needed(type(base) is Normal)
    factor = np.asarray(base.unit, np.float64) * np.exp(np.asarray(base.log_scale, np.float64))
    return np.asarray(base.mean, np.float64), factor @ factor.T


def mean_at(s: Setting, base: Params | None) -> float:
    """The mean of a law on one column, given as parameters, or the truth's where None is."""
    if base is None:
        return float(s.mean[0])
    if type(base) is LogScale:
        return float(np.exp(np.asarray(base.log_mean, np.float64)[0]))
    needed(type(base) is Mean)
    return float(np.asarray(base.mean, np.float64)[0])


# --- discrete laws: two moments of every state -----------------------------------------------------------------------

BOTH = {
    observables.probabilities: lambda s, mean, square: mean,
    observables.heterozygosity: lambda s, mean, square: 1 - square.sum(1),
    observables.chi_square: lambda s, mean, square: chi_square(s, mean, square),
}


def chi_square(s: Setting, mean: np.ndarray, square: np.ndarray) -> np.ndarray:
    """E sum (p_n - p_0)^2/p_0 over the states that there are; infinite where others appear."""
    law = within(s).law
    there = law > 0
    needed(not (mean[:, ~there] > 0).any())
    return ((square - 2 * mean * law + law**2)[:, there] / law[there]).sum(1)


@several(
    iterated_learning.second_moments, pick=BOTH, family=Posterior, regime=regimes.Replace, source=independent,
    where=wraps(Discrete),
)  # fmt: skip
def _(s: Setting, second_moments: Function) -> tuple[np.ndarray, np.ndarray]:
    law, base = within(s).law, law_at(s, s.family.base)
    mean, square = second_moments(law, base, s.sizes, strength(s), per=s.family.per)
    return s.trajectory(mean), s.trajectory(square)


def with_real(s: Setting) -> bool:
    """A mixture without old data, under a prior at the truth."""
    return wraps(Discrete, per="fit")(s) and at_truth(s) and s.steady(s.regime.beta) == 0


BY_LOSS = {
    observables.heterozygosity: lambda s, law, lost: workflows.expected_heterozygosity(law, lost),
    observables.chi_square: lambda s, law, lost: workflows.expected_chi_square(int((law > 0).sum()), lost),
}
OF_LOSS = "E H_n = (1 - v_n) H_0, E chi^2 = (K - 1) v_n"


@several(
    iterated_learning.posterior, pick=BY_LOSS, family=Posterior, regime=regimes.Mixture, source=independent,
    where=with_real, formula=f"{OF_LOSS}, v' = [alpha + 2M + M(M-1)(1-g)^2 v]/(A(A+1)), A = alpha + M",
)  # fmt: skip
def _(s: Setting, posterior: Function) -> tuple[np.ndarray, np.ndarray]:
    return within(s).law, posterior(s.size, s.fits, strength(s), s.steady(s.regime.gamma))


def averages(s: Setting) -> bool:
    """Several posterior draws given one data set are averaged, under a prior at the truth."""
    if type(s.family.family) is not Posterior or not (s.family.samples == "one" or s.family.refits == 1):
        return False
    return wraps(Discrete, per="fit")(within(s)) and at_truth(within(s))


@several(
    iterated_learning.posterior_ensemble, pick=BY_LOSS, family=Ensemble, regime=regimes.Replace, source=independent,
    where=averages, formula=f"{OF_LOSS}, v' = (1-1/k)(M/A)^2 w + [1 + M^2 w/A]/(k(A+1)), w = 1/M + (1-1/M) v",
)  # fmt: skip
def _(s: Setting, posterior_ensemble: Function) -> tuple[np.ndarray, np.ndarray]:
    inner = within(s)
    return within(inner).law, posterior_ensemble(s.size, s.fits, strength(inner), s.family.refits)


# --- normal laws: two moments under any prior, and walks without a drift ---------------------------------------------

NORMAL = {
    observables.mean: lambda s, mean, error, covariance: mean,
    observables.squared_mean_error: lambda s, mean, error, covariance: np.trace(error, axis1=1, axis2=2),
    observables.variance: lambda s, mean, error, covariance: np.diagonal(covariance, axis1=1, axis2=2),
    observables.total_variance: lambda s, mean, error, covariance: np.trace(covariance, axis1=1, axis2=2),
}


@several(
    iterated_families.normal_moments, pick=NORMAL, family=Posterior, regime=regimes.Replace, source=independent,
    where=wraps(Gaussian),
)  # fmt: skip
def _(s: Setting, normal_moments: Function) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    base = normal_at(s, s.family.base)
    found = normal_moments(s.mean, s.finite_covariance, *base, s.sizes, strength(s), per=s.family.per)
    mean, error, covariance = (s.trajectory(x) for x in found)
    return mean, error, covariance


def without_prior(s: Setting) -> bool:
    """Whether the prior has no strength."""
    return strength(s) == 0


def reference(kind: type) -> Guard:
    """Guard: a draw for each fit under the reference prior."""
    return lambda s: wraps(kind, per="fit")(s) and without_prior(s)


of_reference = functools.partial(
    prediction, family=Posterior, regime=regimes.Replace, source=normal, where=reference(Gaussian)
)


def drifts(s: Setting, reference_pivots: Function) -> np.ndarray:
    """Sum of the drifts of the log pivots ``(fits, d)``."""
    steps = [reference_pivots(int(n), s.mean.size)[0] for n in s.sizes]
    return s.after(np.cumsum(steps, axis=0))


@of_reference(observables.log_pivots, iterated_families.reference_pivots)
def _(s: Setting, reference_pivots: Function) -> ArrayLike:
    return 2 * np.log(np.diagonal(np.linalg.cholesky(s.covariance))) + drifts(s, reference_pivots)


@of_reference(
    observables.log_variance, iterated_families.reference_pivots,
    formula="E ln variance moves by psi((M-1)/2) - psi((M-d)/2) a fit: not at all in one dimension",
)  # fmt: skip
def _(s: Setting, reference_pivots: Function) -> ArrayLike:
    # any coordinate may be the first, as the reference prior knows no order
    return np.log(s.variances) + drifts(s, reference_pivots)[:, :1]


@of_reference(
    observables.log_determinant, iterated_families.reference_pivots, formula="E ln det Sigma_n = ln det Sigma_0"
)
def _(s: Setting, reference_pivots: Function) -> ArrayLike:
    return np.linalg.slogdet(s.covariance)[1] + drifts(s, reference_pivots).sum(1)


def one_dimension(s: Setting) -> bool:
    """Whether it is a normal law in one dimension."""
    return reference(Gaussian)(s) and s.mean.size == 1


@of_reference(
    observables.standard_deviation, iterated_families.reference_variance_moment, where=one_dimension,
    formula="E sigma_n = sigma_0 prod_i Gamma(nu_i/2 + 1/2) Gamma(nu_i/2 - 1/2)/Gamma(nu_i/2)^2, nu_i = M_i - 1",
)  # fmt: skip
def _(s: Setting, reference_variance_moment: Function) -> ArrayLike:
    steps = np.cumprod([float(reference_variance_moment(0.5, int(n), 1)) for n in s.sizes])
    return s.after(steps)[:, None] * np.sqrt(s.variances)


# --- Poisson and gamma laws ------------------------------------------------------------------------------------------

OF_MEAN = {
    observables.mean: lambda s, mean, error, variance: mean[:, None],
    observables.squared_mean_error: lambda s, mean, error, variance: error,
    observables.variance: lambda s, mean, error, variance: variance[:, None],
    observables.total_variance: lambda s, mean, error, variance: variance,
}
of_mean = functools.partial(several, pick=OF_MEAN, family=Posterior, regime=regimes.Replace)
Triple = tuple[np.ndarray, np.ndarray, np.ndarray]


@of_mean(iterated_families.poisson_moments, where=wraps(Poisson, per="fit"))
def _(s: Setting, poisson_moments: Function) -> Triple:
    within(s).own()
    mean, error = poisson_moments(float(s.mean[0]), mean_at(s, s.family.base), s.sizes, strength(s))
    return s.trajectory(mean), s.trajectory(error), s.trajectory(mean)


@of_mean(iterated_families.gamma_moments, where=wraps(Gamma, per="fit"))
def _(s: Setting, gamma_moments: Function) -> Triple:
    within(s).own("shape")
    shape, first = float(s.family.family.shape), float(s.mean[0])
    mean, error = (
        s.trajectory(x) for x in gamma_moments(shape, first, mean_at(s, s.family.base), s.sizes, strength(s))
    )
    return mean, error, (error + 2 * mean * first - first**2) / shape  # V = m^2/k


@several(
    iterated_families.gamma_log_mean, family=Posterior, regime=regimes.Replace, where=reference(Gamma),
    formula="E ln m_n = ln m_0",
    pick={
        observables.log_mean: lambda s, logs, shape: logs,
        observables.log_variance: lambda s, logs, shape: 2 * logs - np.log(shape),
    },
)  # fmt: skip
def _(s: Setting, gamma_log_mean: Function) -> tuple[np.ndarray, float]:
    within(s).own("shape")
    shape = float(s.family.family.shape)
    moved = [float(gamma_log_mean(shape, int(n), 1)[0]) for n in s.sizes]
    return (np.log(s.mean[0]) + s.after(np.cumsum(moved)))[:, None], shape

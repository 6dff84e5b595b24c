"""Designs: stratified draws, more draws, several refits, an archive to shrink to, and other divisors."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike

from modelcollapse import observables, regimes
from modelcollapse.families import Damped, Discrete, Ensemble, Gaussian, Oversampled, Shrunk, Stratified
from modelcollapse.predict.prediction import Function
from modelcollapse.predict.registry import Answer, first, prediction, several
from modelcollapse.predict.remedies import BOTH, BY_LOSS, OF_LOSS, law_at, normal_at, within, wraps
from modelcollapse.predict.setting import Setting, independent, known, needed, normal
from modelcollapse_theory import gaussian, sampling_designs, wishart

# --- stratified draws -------------------------------------------------------------------------------------------------


@several(
    sampling_designs.stratified_moments, pick=BOTH, family=Stratified, regime=regimes.Replace, source=independent,
    where=wraps(Discrete),
)  # fmt: skip
def _(s: Setting, stratified_moments: Function) -> tuple[np.ndarray, np.ndarray]:
    law = within(s).law
    return s.always(law), s.trajectory(stratified_moments(law, s.sizes))


# --- more draws, several refits ---------------------------------------------------------------------------------------

OBSERVED = (
    observables.probabilities, observables.heterozygosity, observables.chi_square, observables.support_size,
    observables.mean, observables.variance, observables.total_variance, observables.squared_mean_error,
    observables.log_variance,
)  # fmt: skip


def as_larger(s: Setting, key: Function, times: int) -> Answer:
    """What is said of the family within on data sets of M, then ``times`` M items: the same process."""
    sizes = np.concatenate([s.sizes[:1], times * s.sizes[1:]])
    return known(first(key, dataclasses.replace(s, family=s.family.family, sizes=sizes)))


def refits_counts(s: Setting) -> bool:
    """The mean of refits to counts of their own is the refit to all of them; refits to one data set are alike."""
    return type(s.family.family) is Discrete


def alike(s: Setting) -> bool:
    """Whether one of alike models is drawn from."""
    return type(s.family.family) in (Discrete, Gaussian) and s.family.samples == "one"


for key in OBSERVED:

    @prediction(key, family=Oversampled, regime=regimes.Replace)
    def _(s: Setting, key: Function = key) -> Answer:
        return as_larger(s, key, s.family.times)

    @prediction(key, family=Ensemble, regime=regimes.Replace, where=alike)
    def _(s: Setting, key: Function = key) -> Answer:
        return as_larger(s, key, 1)


for key in (observables.probabilities, observables.heterozygosity, observables.chi_square, observables.support_size):

    @prediction(key, family=Ensemble, regime=regimes.Replace, where=refits_counts)
    def _(s: Setting, key: Function = key) -> Answer:
        return as_larger(s, key, s.family.refits if s.family.samples == "own" else 1)


def averages_normals(s: Setting) -> bool:
    """Each of several refits has its own sample of a normal law, and their unbiased covariances are averaged."""
    family = s.family.family
    return wraps(Gaussian, samples="own")(s) and family.ddof == 1 and family.divisor is None


of_refits = functools.partial(
    prediction, family=Ensemble, regime=regimes.Replace, source=normal, where=averages_normals
)


@of_refits(
    observables.log_variance, sampling_designs.averaged_log_variance,
    formula="E ln variance moves by psi(k nu/2) - ln(k nu/2) a fit, after psi(nu/2) - ln(nu/2) at the first",
)  # fmt: skip
def _(s: Setting, averaged_log_variance: Function) -> ArrayLike:
    members = [1] + [s.family.refits] * (s.last - 1)  # all learn from the same real items
    moved = [float(averaged_log_variance(int(n), 1, k)[0]) for n, k in zip(s.sizes, members, strict=True)]
    return np.log(s.variances) + s.after(np.cumsum(moved))[:, None]


@several(
    gaussian.expected_variance, family=Ensemble, regime=regimes.Replace, source=normal, where=averages_normals,
    formula="E Sigma_n = Sigma_0, E |mu_n - mu_0|^2 = tr Sigma_0 (1/M_1 + sum_{i>1} 1/(k M_i))",
    pick={
        observables.variance: lambda s, kept, lost: kept[:, None] * s.variances,
        observables.total_variance: lambda s, kept, lost: kept * s.variances.sum(),
        observables.squared_mean_error: lambda s, kept, lost: kept * lost * s.variances.sum(),
    },
)  # fmt: skip
def _(s: Setting, expected_variance: Function) -> tuple[np.ndarray, np.ndarray]:
    lost = 1 / s.sizes
    lost[1:] /= s.family.refits
    return expected_variance(int(s.sizes.min()), s.fits, ddof=1), s.after(np.cumsum(lost))


def damps_a_law(s: Setting) -> bool:
    """Whether a law on states is damped at a constant rate."""
    return wraps(Discrete)(s) and np.ndim(s.family.rate) == 0


@several(
    sampling_designs.slow_update, pick=BY_LOSS, family=Damped, regime=regimes.Replace, source=independent,
    where=damps_a_law, formula=f"{OF_LOSS}, 1 - v_n = (1 - 1/M)(1 - eta^2/M)^(n-1)",
)  # fmt: skip
def _(s: Setting, slow_update: Function) -> tuple[np.ndarray, np.ndarray]:
    return within(s).law, slow_update(s.size, s.fits, float(s.family.rate))


# --- an archive to shrink to, and other divisors ---------------------------------------------------------------------


def shrunk_by(s: Setting) -> float:
    """The constant weight of the shrinkage."""
    needed(np.ndim(s.family.weight) == 0)
    return float(s.family.weight)


@several(
    sampling_designs.shrunk_law_moments, pick=BOTH, family=Shrunk, regime=regimes.Replace, source=independent,
    where=wraps(Discrete),
)  # fmt: skip
def _(s: Setting, shrunk_law_moments: Function) -> tuple[np.ndarray, np.ndarray]:
    mean, square = shrunk_law_moments(within(s).law, law_at(s, s.family.to), s.sizes, shrunk_by(s))
    return s.trajectory(mean), s.trajectory(square)


COORDINATES = {
    observables.mean: lambda s, mean, error, variance: mean,
    observables.squared_mean_error: lambda s, mean, error, variance: error.sum(1),
    observables.variance: lambda s, mean, error, variance: variance,
    observables.total_variance: lambda s, mean, error, variance: variance.sum(1),
}


def shrinks_a_gaussian(s: Setting) -> bool:
    """Whether a normal law with the usual divisor is shrunk."""
    return wraps(Gaussian)(s) and s.family.family.divisor is None


@several(
    sampling_designs.shrunk_moments, pick=COORDINATES, family=Shrunk, regime=regimes.Replace, source=independent,
    where=shrinks_a_gaussian,
)  # fmt: skip
def _(s: Setting, shrunk_moments: Function) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    mean, covariance = normal_at(s, s.family.to)
    unit, ddof = np.sqrt(s.variances), s.family.family.ddof
    away, archive = (mean - s.mean) / unit, np.diagonal(covariance) / s.variances
    each = [shrunk_moments(s.sizes, shrunk_by(s), *pair, ddof=ddof) for pair in zip(away, archive, strict=True)]
    moved, error, variance = (s.trajectory(np.stack(x, 1)) for x in zip(*each, strict=True))
    return s.mean + unit * moved, unit**2 * error, unit**2 * variance


def corrected(s: Setting) -> bool:
    """Whether a divisor was given."""
    return s.family.divisor is not None


of_corrected = functools.partial(
    prediction, family=Gaussian, regime=regimes.Replace, source=normal, where=corrected, order="exact"
)


def steps(s: Setting, of: Callable[[int], ArrayLike]) -> np.ndarray:
    """A function of the sample size, summed over all fits so far, ``(fits, ...)``."""
    return s.after(np.cumsum([of(int(n)) for n in s.sizes], axis=0))


def grown(s: Setting, moment: Function, order: float) -> np.ndarray:
    """E of the variance to a power, relative to the truth's, ``(fits,)``."""
    return np.exp(steps(s, lambda n: np.log(moment(order, n, 1, s.family.divisor))))


@several(
    sampling_designs.corrected_variance_moment, family=Gaussian, regime=regimes.Replace, source=normal, where=corrected,
    formula="E variance_n = variance_0 prod_i k_i, E sigma_n = sigma_0 prod_i sqrt(k_i) c4(M_i)",
    pick={
        observables.variance: lambda s, moment: grown(s, moment, 1.0)[:, None] * s.variances,
        observables.total_variance: lambda s, moment: grown(s, moment, 1.0) * s.variances.sum(),
        observables.standard_deviation: lambda s, moment: grown(s, moment, 0.5)[:, None] * np.sqrt(s.variances),
    },
)  # fmt: skip
def _(s: Setting, corrected_variance_moment: Function) -> tuple[Function]:
    return (corrected_variance_moment,)


@of_corrected(
    observables.squared_mean_error, sampling_designs.corrected_variance_moment,
    formula="E |mu_n - mu_0|^2 = tr Sigma_0 sum_i k_1...k_(i-1)/M_i",
)  # fmt: skip
def _(s: Setting, corrected_variance_moment: Function) -> ArrayLike:
    factors = [float(corrected_variance_moment(1.0, int(n), 1, s.family.divisor)) for n in s.sizes]
    return s.after(np.cumsum(np.cumprod([1.0, *factors[:-1]]) / s.sizes)) * s.variances.sum()


@of_corrected(observables.log_variance, sampling_designs.corrected_log_variance)
def _(s: Setting, corrected_log_variance: Function) -> ArrayLike:
    drift = steps(s, lambda n: corrected_log_variance(n, 1, s.family.divisor)[0])
    return np.log(s.variances) + drift[:, None]


@of_corrected(
    observables.log_pivots, wishart.lyapunov_spectrum, sampling_designs.log_divisor_factor,
    formula="E ln pivot_j moves by psi((M-j)/2) - ln((M-1)/2) + ln k a fit",
)  # fmt: skip
def _(s: Setting, lyapunov_spectrum: Function, log_divisor_factor: Function) -> ArrayLike:
    start = 2 * np.log(np.diagonal(np.linalg.cholesky(s.covariance)))
    return start + pivots(s, lyapunov_spectrum, log_divisor_factor)


@of_corrected(
    observables.log_determinant, wishart.lyapunov_spectrum, sampling_designs.log_divisor_factor,
    formula="E ln det moves by sum_j [psi((M-j)/2) - ln((M-1)/2)] + d ln k a fit",
)  # fmt: skip
def _(s: Setting, lyapunov_spectrum: Function, log_divisor_factor: Function) -> ArrayLike:
    return np.linalg.slogdet(s.covariance)[1] + pivots(s, lyapunov_spectrum, log_divisor_factor).sum(1)


def pivots(s: Setting, lyapunov_spectrum: Function, log_divisor_factor: Function) -> np.ndarray:
    """How far the log pivots have moved ``(fits, d)``."""
    d = s.mean.size
    return steps(s, lambda n: lyapunov_spectrum(np.array([n]), d, ddof=1)[0] + log_divisor_factor(n, s.family.divisor))

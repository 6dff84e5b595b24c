"""Normal laws: the log variance walks by exact steps, and two moments follow from the loss of the regime."""

from __future__ import annotations

import functools

import numpy as np
from numpy.typing import ArrayLike

from modelcollapse import observables, regimes
from modelcollapse.families import PPCA, Damped, Gaussian, KernelDensity
from modelcollapse.predict.losses import by_loss, mixed
from modelcollapse.predict.prediction import Function
from modelcollapse.predict.registry import prediction, several
from modelcollapse.predict.setting import ONE_PARAMETER, Setting, drawn_once, independent, needed, normal
from modelcollapse_theory import (
    accumulation,
    errors,
    fresh_gaussian,
    gaussian,
    mixture,
    wasserstein,
    wishart,
    workflows,
)

SAMPLE_MEAN = (*ONE_PARAMETER, Gaussian, KernelDensity, PPCA)
"""Families whose model has exactly the mean of its data set."""


@prediction(observables.mean, workflows.conserved_mean, family=SAMPLE_MEAN, formula="E mean_n = mean_0")
def _(s: Setting, conserved_mean: Function) -> ArrayLike:
    return conserved_mean(s.mean, s.fits)


# --- variance and error of the mean by the loss of the regime: divisor M, any real data that have these moments ------


def reproduces(s: Setting) -> bool:
    """Whether a fit has the covariance of its data set, or its trace (``PPCA`` with its own noise)."""
    family = s.family
    return family.ddof == 0 if type(family) is Gaussian else family.noise is None and family.output == "sampled"


of_covariance = functools.partial(by_loss, theorem=workflows.expected_covariance, where=reproduces)


@of_covariance(observables.variance, formula="E variance_n = (1 - v_n) variance_0", family=Gaussian)
def _(s: Setting, expected_covariance: Function, v: np.ndarray) -> ArrayLike:
    return expected_covariance(1.0, v)[0][:, None] * s.variances[None]


@of_covariance(observables.total_variance, formula="E tr Sigma_n = (1 - v_n) tr Sigma_0", family=(Gaussian, PPCA))
def _(s: Setting, expected_covariance: Function, v: np.ndarray) -> ArrayLike:
    return expected_covariance(s.variances.sum(), v)[0]


@of_covariance(observables.squared_mean_error, formula="E |mu_n - mu_0|^2 = v_n tr Sigma_0", family=(Gaussian, PPCA))
def _(s: Setting, expected_covariance: Function, v: np.ndarray) -> ArrayLike:
    return expected_covariance(s.variances.sum(), v)[1]


# --- the same for the unbiased covariance, each regime by a recursion of its own -------------------------------------
# Each body gives the mean variance and the squared error of the mean, both ``(fits,)`` and in units of the true
# variance; rows without replacement vary by ``s.spread`` more once they are drawn.

Pair = tuple[np.ndarray, np.ndarray]
VARIANCES = {
    observables.variance: lambda s, variance, error: (s.spread * np.asarray(variance))[:, None] * s.variances[None],
    observables.total_variance: lambda s, variance, error: s.spread * np.asarray(variance) * s.variances.sum(),
}
ERROR = {observables.squared_mean_error: lambda s, variance, error: s.less_shared(error) * s.variances.sum()}


def unbiased(s: Setting) -> bool:
    """Whether the variance is the unbiased one."""
    return s.family.ddof == 1 and s.family.divisor is None


second_moments = functools.partial(
    several, pick=VARIANCES | ERROR, family=Gaussian, source=drawn_once, where=unbiased
)  # fmt: skip


@second_moments(
    gaussian.scheduled_mean_error, regime=regimes.Replace, pick=ERROR,
    formula="E |mu_n - mu_0|^2 = tr Sigma_0 sum_i 1/M_i (ddof = 1)", conditions="replace; any source, normal or not",
)  # fmt: skip
def _(s: Setting, scheduled_mean_error: Function) -> tuple[None, np.ndarray]:
    return None, s.after(scheduled_mean_error(s.sizes, ddof=1))


@second_moments(
    gaussian.expected_variance, regime=regimes.Replace, pick=VARIANCES, formula="E Sigma_n = Sigma_0 (ddof = 1)"
)
def _(s: Setting, expected_variance: Function) -> tuple[np.ndarray, None]:
    return expected_variance(int(s.sizes.min()), s.fits, ddof=1), None


@second_moments(accumulation.gaussian, regime=regimes.Accumulate)
def _(s: Setting, moments: Function) -> Pair:
    variance, error = moments(s.size, s.last, ddof=1)
    return s.trajectory(variance), s.trajectory(error)


@second_moments(fresh_gaussian.mean_error_and_variance, regime=regimes.FreshReal)
def _(s: Setting, mean_error_and_variance: Function) -> Pair:
    real = s.items(s.regime.share)
    error, variance = np.array([mean_error_and_variance(s.size, real, int(n), ddof=1) for n in s.fits]).T
    return variance, error


@second_moments(
    mixture.gaussian_schedule, regime=regimes.Mixture, order="exact",
    formula="E variance_n = V_{n-1}, E (mu_n - mu_0)^2 = B_{n-1} + V_{n-1}/M_n; "
    "B' = (1-gamma)^2 B + alpha^2 V/M, V' + B' = (1-gamma)(V + B) + gamma sigma^2 + alpha V/M",
    conditions="Gaussian fits (ddof = 1) to M draws of the mixture law; V variance of the law, B of its mean",
)  # fmt: skip
def _(s: Setting, gaussian_schedule: Function) -> Pair:
    variance, error = (x[:-1] for x in gaussian_schedule(s.sizes, *mixed(s), ddof=1))  # of the laws that are fitted
    return s.after(variance), s.after(error + variance / s.sizes)


# --- normal data, replacement: exact steps of the logarithms ---------------------------------------------------------


def by_ddof(s: Setting) -> bool:
    """The divisor of the covariance is M - ddof."""
    return s.family.divisor is None


of_normal = functools.partial(prediction, family=Gaussian, regime=regimes.Replace, source=normal, where=by_ddof)


@of_normal(
    observables.log_variance, gaussian.scheduled_log_variance, conditions="normal, replace, every M_i >= 2",
    formula="E ln sigma_n^2 = ln sigma_0^2 + sum_i [psi((M_i - 1)/2) + ln 2 - ln(M_i - ddof)]",
)  # fmt: skip
def _(s: Setting, scheduled_log_variance: Function) -> ArrayLike:
    drift = s.after(scheduled_log_variance(s.sizes, ddof=s.family.ddof)[0])
    return np.log(s.variances)[None] + drift[:, None]


@of_normal(
    observables.log_pivots, wishart.lyapunov_spectrum,
    formula="E ln pivot_j = ln pivot_j of the truth + sum_i [psi((M_i - j)/2) + ln 2 - ln(M_i - ddof)]",
)  # fmt: skip
def _(s: Setting, lyapunov_spectrum: Function) -> ArrayLike:
    start = 2 * np.log(np.diagonal(np.linalg.cholesky(s.covariance)))
    return start[None] + s.after(np.cumsum(lyapunov_spectrum(s.sizes, start.size, ddof=s.family.ddof), axis=0))


@of_normal(
    observables.log_determinant, wishart.expected_log_determinant,
    formula="E ln det Sigma_n = ln det Sigma_0 + sum_i sum_j [psi((M_i - j)/2) + ln 2 - ln(M_i - ddof)]",
)  # fmt: skip
def _(s: Setting, expected_log_determinant: Function) -> ArrayLike:
    steps = expected_log_determinant(s.sizes, 1, len(s.covariance), ddof=s.family.ddof)
    return np.linalg.slogdet(s.covariance)[1] + s.after(np.cumsum(steps))


# any data have this mean, normal or not: but a table may hold fewer different rows than there are columns
@of_normal(
    observables.determinant, wishart.expected_elementary_symmetric, source=independent,
    formula="E det Sigma_n = det Sigma_0 prod_i (M_i - 1)...(M_i - d)/(M_i - ddof)^d",
)  # fmt: skip
def _(s: Setting, expected_elementary_symmetric: Function) -> ArrayLike:
    d = len(s.covariance)
    steps = expected_elementary_symmetric(np.eye(d), s.sizes, 1, d, ddof=s.family.ddof)
    return np.linalg.det(s.covariance) * s.after(np.cumprod(steps))


@of_normal(
    observables.standard_deviation, gaussian.expected_deviation,
    formula="E sigma_n = sigma_0 prod_i c4(M_i) (ddof = 0: times sqrt(1 - 1/M_i))",
)  # fmt: skip
def _(s: Setting, expected_deviation: Function) -> ArrayLike:
    decay = s.after(np.cumprod(expected_deviation(s.sizes, 1, ddof=s.family.ddof)))
    return decay[:, None] * np.sqrt(s.variances)[None]


def one_variance(s: Setting) -> float:
    """The true variance of rows with one coordinate."""
    needed(len(s.covariance) == 1)
    return s.covariance[0, 0]


@of_normal(observables.w2_squared, wasserstein.scheduled_squared_distance)
def _(s: Setting, scheduled_squared_distance: Function) -> ArrayLike:
    start = one_variance(s)
    return s.after(scheduled_squared_distance(s.sizes, ddof=s.family.ddof)) * start


def damps_a_gaussian(s: Setting) -> bool:
    """Whether a normal law is damped at a constant rate."""
    family = s.family.family
    return type(family) is Gaussian and family.divisor is None and np.ndim(s.family.rate) == 0


@of_normal(observables.log_variance, errors.damped_log_variance, family=Damped, where=damps_a_gaussian)
def _(s: Setting, damped_log_variance: Function) -> ArrayLike:
    start = np.log(one_variance(s))
    return start + damped_log_variance(float(s.family.rate), s.size, s.fits, ddof=s.family.family.ddof)[:, None]

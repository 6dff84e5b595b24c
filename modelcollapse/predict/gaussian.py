"""Normal laws: the log variance walks by exact steps, and first and second moments follow from the loss of the regime."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np

from modelcollapse import observables, regimes
from modelcollapse.families import PPCA, Damped, Gaussian, KernelDensity
from modelcollapse.portions import portion
from modelcollapse.predict.losses import Loss, lost, mixed
from modelcollapse.predict.process import ONE_PARAMETER, Process, steady
from modelcollapse.predict.registry import prediction
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

replaced: dict[str, Any] = {"family": Gaussian, "regime": regimes.Replace}
SAMPLE_MEAN = (*ONE_PARAMETER, Gaussian, KernelDensity, PPCA)
"""Families whose model has exactly the mean of its data set."""


@prediction(observables.mean, workflows.conserved_mean, family=SAMPLE_MEAN, formula="E mean_n = mean_0")
def _(s: Process, conserved_mean: Any) -> Any:
    return None if s.mean is None else conserved_mean(s.mean, s.fits)


# --- variance and error of the mean by the loss of the regime: divisor M, any real data that have these moments ------------------


def _reproduced(s: Process) -> tuple[Loss, np.ndarray] | None:
    """v, and the true variances (d,), for a family that reproduces the covariance of its data set, or its trace (``PPCA`` with its own noise)."""
    if s.covariance is None:
        return None
    family = s.family
    exact = family.ddof == 0 if type(family) is Gaussian else family.noise is None and family.output == "sampled"
    found = lost(s) if exact else None
    return None if found is None else (found, np.diagonal(s.covariance))


@prediction(observables.variance, workflows.expected_covariance, family=Gaussian)
def _(s: Process, expected_covariance: Any) -> Any:
    known = _reproduced(s)
    if known is None:
        return None
    found, truth = known
    values = expected_covariance(1.0, found.values)[0][:, None] * truth[None]
    return found.answer("E variance_n = (1 - v_n) variance_0", values, through=expected_covariance)


@prediction(observables.total_variance, workflows.expected_covariance, family=(Gaussian, PPCA))
def _(s: Process, expected_covariance: Any) -> Any:
    known = _reproduced(s)
    if known is None:
        return None
    found, truth = known
    values = expected_covariance(truth.sum(), found.values)[0]
    return found.answer("E tr Sigma_n = (1 - v_n) tr Sigma_0", values, through=expected_covariance)


@prediction(observables.squared_mean_error, workflows.expected_covariance, family=(Gaussian, PPCA))
def _(s: Process, expected_covariance: Any) -> Any:
    known = _reproduced(s)
    if known is None:
        return None
    found, truth = known
    values = expected_covariance(truth.sum(), found.values)[1]
    return found.answer("E |mu_n - mu_0|^2 = v_n tr Sigma_0", values, through=expected_covariance)


# --- the same for the unbiased covariance, each regime by a recursion of its own -------------------------------------------------


def second_moments(*functions: Any, regime: type, **said: Any) -> Any:
    """Register ``body(process, *functions) ->`` mean variance and squared error of the mean ``(fits,)``, in units of the true variance."""

    def register(body: Any) -> Any:
        for key in (observables.variance, observables.total_variance, observables.squared_mean_error):
            rule = functools.partial(_one_moment, key, body)
            prediction(key, *functions, family=Gaussian, regime=regime, **said)(rule)
        return body

    return register


def _one_moment(key: Any, body: Any, s: Process, *functions: Any) -> np.ndarray | None:
    found = body(s, *functions) if s.family.ddof == 1 and s.covariance is not None and s.spread is not None else None
    return None if found is None else _scaled(s, key, *found)


def _scaled(s: Process, key: Any, variance: Any, error: Any) -> np.ndarray:
    """One of the two in the units of real data; rows without replacement vary by ``s.spread`` more once they are drawn."""
    assert s.covariance is not None
    assert s.spread is not None
    truth = np.diagonal(s.covariance)
    if key is observables.squared_mean_error:
        return s.less_shared(error) * truth.sum()
    kept = s.spread * np.asarray(variance)
    return kept[:, None] * truth[None] if key is observables.variance else kept * truth.sum()


prediction(
    observables.squared_mean_error, gaussian.scheduled_mean_error, **replaced,
    formula="E |mu_n - mu_0|^2 = tr Sigma_0 sum_i 1/M_i (ddof = 1)", conditions="replace; any source, normal or not",
)(
    functools.partial(
        _one_moment, observables.squared_mean_error, lambda s, error: (None, s.after(error(s.sizes, ddof=1)))
    )
)  # fmt: skip
for _key in (observables.variance, observables.total_variance):
    prediction(_key, gaussian.expected_variance, **replaced, formula="E Sigma_n = Sigma_0 (ddof = 1)")(
        functools.partial(_one_moment, _key, lambda s, mean: (mean(int(s.sizes.min()), s.fits, ddof=1), None))
    )


@second_moments(accumulation.gaussian, regime=regimes.Accumulate)
def _(s: Process, moments: Any) -> Any:
    if s.size is None:
        return None
    variance, error = moments(s.size, s.last, ddof=1)
    return s.trajectory(variance), s.trajectory(error)


@second_moments(fresh_gaussian.mean_error_and_variance, regime=regimes.FreshReal)
def _(s: Process, mean_error_and_variance: Any) -> Any:
    real = steady(portion(s.regime.share, s.sizes), s.sizes)
    if s.size is None or real is None:
        return None
    error, variance = np.array([mean_error_and_variance(s.size, real, int(n), ddof=1) for n in s.fits]).T
    return variance, error


@second_moments(
    mixture.gaussian_schedule, regime=regimes.Mixture,
    formula="E variance_n = V_{n-1}, E (mu_n - mu_0)^2 = B_{n-1} + V_{n-1}/M_n; "
    "B' = (1-gamma)^2 B + alpha^2 V/M, V' + B' = (1-gamma)(V + B) + gamma sigma^2 + alpha V/M",
    conditions="Gaussian fits (ddof = 1) to M draws of the mixture law; V variance of the law, B of its mean", order="exact",
)  # fmt: skip
def _(s: Process, gaussian_schedule: Any) -> Any:
    variance, error = (x[:-1] for x in gaussian_schedule(s.sizes, *mixed(s), ddof=1))  # of the laws that are fitted
    return s.after(variance), s.after(error + variance / s.sizes)


# --- normal data, replacement: exact steps of the logarithms ---------------------------------------------------------------------


@prediction(observables.log_variance, gaussian.scheduled_log_variance, **replaced, formula=(
    "E ln sigma_n^2 = ln sigma_0^2 + sum_i [psi((M_i - 1)/2) + ln 2 - ln(M_i - ddof)]"
), conditions="normal, replace, every M_i >= 2")  # fmt: skip
def _(s: Process, scheduled_log_variance: Any) -> Any:
    if not s.normal or s.covariance is None:
        return None
    drift = s.after(scheduled_log_variance(s.sizes, ddof=s.family.ddof)[0])
    return np.log(np.diagonal(s.covariance))[None] + drift[:, None]


@prediction(observables.log_pivots, wishart.lyapunov_spectrum, **replaced, formula=(
    "E ln pivot_j = ln pivot_j of the truth + sum_i [psi((M_i - j)/2) + ln 2 - ln(M_i - ddof)]"
))  # fmt: skip
def _(s: Process, lyapunov_spectrum: Any) -> Any:
    if not s.normal or s.covariance is None:
        return None
    start = 2 * np.log(np.diagonal(np.linalg.cholesky(s.covariance)))
    return start[None] + s.after(np.cumsum(lyapunov_spectrum(s.sizes, start.size, ddof=s.family.ddof), axis=0))


@prediction(observables.log_determinant, wishart.expected_log_determinant, **replaced, formula=(
    "E ln det Sigma_n = ln det Sigma_0 + sum_i sum_j [psi((M_i - j)/2) + ln 2 - ln(M_i - ddof)]"
))  # fmt: skip
def _(s: Process, expected_log_determinant: Any) -> Any:
    if not s.normal or s.covariance is None:
        return None
    steps = expected_log_determinant(s.sizes, 1, len(s.covariance), ddof=s.family.ddof)
    return np.linalg.slogdet(s.covariance)[1] + s.after(np.cumsum(steps))


@prediction(observables.determinant, wishart.expected_elementary_symmetric, **replaced, formula=(
    "E det Sigma_n = det Sigma_0 prod_i (M_i - 1)...(M_i - d)/(M_i - ddof)^d"
))  # fmt: skip
def _(s: Process, expected_elementary_symmetric: Any) -> Any:
    # no normality: but a table may hold fewer different rows than there are columns
    if s.covariance is None or s.rows is not None:
        return None
    d = len(s.covariance)
    steps = expected_elementary_symmetric(np.eye(d), s.sizes, 1, d, ddof=s.family.ddof)
    return np.linalg.det(s.covariance) * s.after(np.cumprod(steps))


@prediction(observables.standard_deviation, gaussian.expected_deviation, **replaced, formula=(
    "E sigma_n = sigma_0 prod_i c4(M_i) (ddof = 0: times sqrt(1 - 1/M_i))"
))  # fmt: skip
def _(s: Process, expected_deviation: Any) -> Any:
    if not s.normal or s.covariance is None:
        return None
    decay = s.after(np.cumprod(expected_deviation(s.sizes, 1, ddof=s.family.ddof)))
    return decay[:, None] * np.sqrt(np.diagonal(s.covariance))[None]


@prediction(observables.w2_squared, wasserstein.scheduled_squared_distance, **replaced)
def _(s: Process, scheduled_squared_distance: Any) -> Any:
    if not s.normal or s.covariance is None or len(s.covariance) > 1:
        return None
    return s.after(scheduled_squared_distance(s.sizes, ddof=s.family.ddof)) * s.covariance[0, 0]


@prediction(observables.log_variance, errors.damped_log_variance, family=Damped, regime=regimes.Replace)
def _(s: Process, damped_log_variance: Any) -> Any:
    inner, own = s.family.family, s.covariance
    if (
        type(inner) is not Gaussian
        or not s.normal
        or own is None
        or len(own) > 1
        or s.size is None
        or np.ndim(s.family.rate)
    ):
        return None
    drift = damped_log_variance(float(s.family.rate), s.size, s.fits, ddof=inner.ddof)
    return np.log(own[0, 0]) + drift[:, None]

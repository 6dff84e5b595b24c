"""Families with one parameter: a mean with a variance quadratic in it, and scales whose logarithm walks."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from modelcollapse import observables, regimes
from modelcollapse.families import Binomial, Gamma, GaussianMean, NegativeBinomial, Pareto, Poisson, Uniform
from modelcollapse.predict.discrete import EXACT, LATE, diffuses, kimura
from modelcollapse.predict.prediction import Function
from modelcollapse.predict.registry import prediction, several
from modelcollapse.predict.setting import COUNTS, ONE_PARAMETER, Setting, drawn_once, independent, needed
from modelcollapse_theory import exponential_families, fixation, fixation_diffusion, rare, special_families, support
from modelcollapse_theory.lineages import LARGEST

V = exponential_families.VarianceFunction
VARIANCE: dict[type, Callable[[Any, float], V]] = {
    Binomial: lambda f, v: exponential_families.binomial(f.trials),
    Poisson: lambda f, v: exponential_families.poisson(),
    NegativeBinomial: lambda f, v: exponential_families.negative_binomial(float(f.successes)),
    Gamma: lambda f, v: exponential_families.gamma(float(f.shape)),
    GaussianMean: lambda f, v: exponential_families.normal(v),
}


class Walk(NamedTuple):
    """A refitted mean: V, the true mean, V there, and by how much the first fit varies more than a refit does."""

    function: V
    mean: float
    variance: float
    excess: float

    def error(self, s: Setting, of: np.ndarray) -> np.ndarray:
        """``E (m_n - m_0)^2`` at ``s.fits`` from ``of``, that of a truth in the family after 1, 2, ... fits.

        The first fit hands its excess on as it does its error: e becomes (1 + v2 w) e, plus the same, at one more fit.
        """
        if self.excess == 0:
            return s.after(of)
        v2 = self.function.quadratic
        handed = (self.variance + v2 * of) / (self.variance + v2 * of[0])
        return s.after(of + self.excess * handed)


def walk(s: Setting) -> Walk:
    """The walk of a mean that is refitted by the sample mean, where the moments of real data are known."""
    real, truth = float(np.trace(s.finite_covariance)), s.mean
    if type(s.family) is GaussianMean:  # V is constant, and the squared errors of the coordinates add up
        variance = np.asarray(s.family.covariance, np.float64)
        own, mean = float(np.trace(variance) if variance.ndim else variance * truth.size), 0.0
    else:
        own, mean = 1.0, float(truth[0])
    function = VARIANCE[type(s.family)](s.family, own)
    at_truth = float(function(mean))
    # N rows without replacement: the mean of M varies by (N - M)/(N - 1) of what independent ones would
    rest = 1.0 if s.rows is None else (s.rows - s.sizes[0]) / (s.rows - 1)
    excess = (real * rest - at_truth) / s.sizes[0]
    same = s.rows is None and abs(excess * s.sizes[0]) <= 1e-5 * real  # the family's own law, to float32
    return Walk(function, mean, at_truth, 0.0 if same else float(excess))


# --- the mean, and the variance that is a function of it -------------------------------------------------------------
# Each body gives the walk and the squared error of the mean ``(fits,)``.

OWN = "E V(m_n) = V(m_0) + v2 E (m_n - m_0)^2"
ERROR = {observables.squared_mean_error: lambda s, walk, error: error}
VARIANCES = {
    observables.variance: lambda s, walk, error: (walk.variance + walk.function.quadratic * error)[:, None],
    observables.total_variance: lambda s, walk, error: walk.variance + walk.function.quadratic * error,
}
NAMES = (
    (ERROR, ONE_PARAMETER, ""),
    (VARIANCES, (*COUNTS, Gamma), f"{OWN}; "),
)


def of_walk(theorem: Function, formula: str, **where: Any) -> Callable[[Any], Any]:
    """Register ``body(s, theorem) -> walk, error`` for the error of the mean, and for the variance by it."""

    def register(body: Callable[[Setting, Function], tuple[Walk, np.ndarray]]) -> Any:
        for pick, family, through in NAMES:
            several(theorem, pick=pick, family=family, formula=through + formula, order="exact", **where)(body)
        return body

    return register


@of_walk(
    exponential_families.scheduled_mean_error, regime=(regimes.Replace, regimes.Accumulate), source=drawn_once,
    formula="E (m_n - m_0)^2 = V(m_0)/v2 [prod (1 + v2 w_i) - 1], w_i = 1/M_i (replace), M_i/N_i^2 (accumulate)",
    conditions="mean refitted, variance V a quadratic function of it, replace or accumulate; "
    "a truth of another variance, or a table without replacement, counts at the first fit",
)  # fmt: skip
def _(s: Setting, scheduled_mean_error: Function) -> tuple[Walk, np.ndarray]:
    own = walk(s)
    needed(own.variance > 0)
    pooled = type(s.regime) is regimes.Accumulate
    return own, own.error(s, scheduled_mean_error(own.function, own.mean, s.sizes, accumulate=pooled))


@of_walk(
    exponential_families.fresh_mean_error, regime=(regimes.FreshReal, regimes.Mixture), source=independent,
    formula="e' = (1-g)^2 e + [V(m_0) + (1-g) w e]/M, w = v2 (fixed count), v2 + g (each draw real with probability g)",
    conditions="mean refitted, variance V a quadratic function of it; constant M and g, no old data",
)  # fmt: skip
def _(s: Setting, fresh_mean_error: Function) -> tuple[Walk, np.ndarray]:
    own = walk(s)
    needed(own.excess == 0)
    mixed = type(s.regime) is regimes.Mixture
    if mixed:
        needed(s.steady(s.regime.beta) == 0)
    real = s.steady(s.regime.gamma) if mixed else s.items(s.regime.share) / s.size
    return own, fresh_mean_error(own.function, own.mean, s.size, real, s.fits, random_count=mixed)


@prediction(
    observables.variance, exponential_families.normal, family=GaussianMean,
    formula="V = variance, known", conditions="any regime", order="exact",
)  # fmt: skip
def _(s: Setting, normal: Function) -> ArrayLike:
    variance = np.asarray(s.family.covariance, np.float64)
    d = s.mean.size
    each = np.diagonal(variance) if variance.ndim else np.full(d, variance)
    return s.always([float(normal(float(v))(0.0)) for v in each])


# --- the end of a chain of counts ------------------------------------------------------------------------------------


def items(s: Setting) -> tuple[np.ndarray, int]:
    """The two states (success, failure) of a binomial chain of its own law, and its trials * M items in all."""
    success = float(s.own("trials").mean[0]) / s.family.trials
    return np.array([success, 1 - success]), s.size * s.family.trials


coins = functools.partial(prediction, family=Binomial, regime=regimes.Replace)
ITEMS = "two states of trials * M items"


@coins(
    observables.absorbed, fixation.fixation_time_cdf, where=lambda s: not diffuses(*items(s)),
    formula=f"P(T <= n) = sum_i E p_i^{{A_n}}, {ITEMS}",
)  # fmt: skip
def _(s: Setting, fixation_time_cdf: Function) -> ArrayLike:
    return fixation_time_cdf(*items(s), s.fits)


@coins(
    observables.absorbed, fixation_diffusion.fixation_probability_by_limit,
    formula=f"P(T <= n) ~ sum_i P(fixed at i by n), by Kimura's diffusion, {ITEMS}",
)  # fmt: skip
def _(s: Setting, fixation_probability_by_limit: Function) -> ArrayLike:
    return kimura(*items(s), s.fits, fixation_probability_by_limit)


@coins(
    observables.extinct, support.absent_probability, formula=f"P(m_n = 0) = E (1 - m_0/trials)^{{A_n}}, {ITEMS}"
)  # fmt: skip
def _(s: Setting, absent_probability: Function) -> ArrayLike:
    law, count = items(s)
    needed(count <= EXACT or (count <= LARGEST and s.fits.max() > count / LATE))
    return absent_probability(law[0], count, s.fits)


@coins(
    observables.extinct, rare.rare_loss_probability, formula=f"P(m_n = 0) -> exp(-M m_0 a_n), {ITEMS}",
    conditions="replace regime, M large, n << M", order="O(n/M)",
)  # fmt: skip
def _(s: Setting, rare_loss_probability: Function) -> ArrayLike:
    law, count = items(s)
    needed(s.fits.max() <= count / 10)
    return rare_loss_probability(law[0] * count, s.fits)


@prediction(
    (observables.extinct, observables.absorbed), exponential_families.poisson_extinction, family=Poisson,
    regime=regimes.Replace,
)  # fmt: skip
def _(s: Setting, poisson_extinction: Function) -> ArrayLike:
    return poisson_extinction(float(s.own().mean[0]), s.size, s.fits)


# --- scales: the logarithm walks -------------------------------------------------------------------------------------


def log_walk(observable: Function, theorem: Function, family: type, name: str, formula: str, times: int = 1) -> None:
    """Register the walk of the logarithm called ``name`` in the true parameters; each step counts ``times``."""

    @prediction(observable, theorem, family=family, regime=regimes.Replace, formula=formula)
    def _(s: Setting, step: Function) -> ArrayLike:
        if family is Gamma:
            steps = step(s.sizes, 1, shape=float(s.family.shape))[0]
        else:
            steps = step(s.sizes, 1, unbiased=s.family.estimator == "unbiased")[0]
        start = np.asarray(getattr(s.own(SHARED.get(family)), name), np.float64)
        return start[None] + s.after(np.cumsum(times * steps))[:, None]


SHARED: dict[type, str] = {Gamma: "shape", Pareto: "minimum"}
"""What the source must have in common with the family, beside being of it."""
GAMMA = "sum_i [psi(k M_i) - ln(k M_i)]"
END = "sum_i 1/M_i (unbiased: + {}sum_i ln(1 + 1/M_i))"
log_walk(
    observables.log_mean, special_families.gamma_log_mean, Gamma, "log_mean", f"E ln m_n = ln m_0 + {GAMMA}"
)  # fmt: skip
log_walk(
    observables.log_variance, special_families.gamma_log_mean, Gamma, "log_variance",
    f"E ln V_n = ln V_0 + 2 {GAMMA}", 2,
)  # fmt: skip
log_walk(
    observables.log_index, special_families.pareto_log_index, Pareto, "log_index",
    "E ln alpha_n = ln alpha_0 + sum_i [ln M_i - psi(M_i)] (unbiased: ln(M_i - 1) for ln M_i)",
)  # fmt: skip
# the logarithm, how its mean begins under replacement, what stays of it under accumulation, and what a step counts
ENDS = (
    (observables.log_end, "log_end", "E ln b_n = ln b_0", "E ln b_n = ln b_0 - 1/M_1", 1),
    (observables.log_mean, "log_mean", "E ln m_n = ln b_0 - ln 2", "E ln m_n = ln m_0 - 1/M_1", 1),
    (observables.log_variance, "log_variance", "E ln V_n = ln V_0", "E ln V_n = ln V_0 - 2/M_1", 2),
)
for _key, _name, _begins, _stays, _times in ENDS:
    _factor = "" if _times == 1 else f"{_times} "
    log_walk(
        _key, special_families.uniform_log_end, Uniform, _name, f"{_begins} - {_factor}{END.format(_factor)}", _times
    )

    @prediction(
        _key, special_families.uniform_log_end, family=Uniform, regime=regimes.Accumulate,
        formula=f"{_stays} at every n >= 1", where=lambda s: s.family.estimator == "mle",
        conditions="uniform, upper end refitted by the maximum; every batch is kept, and none exceeds the first",
    )  # fmt: skip
    def _(s: Setting, uniform_log_end: Function, name: str = _name, times: int = _times) -> ArrayLike:
        step = times * uniform_log_end(int(s.sizes[0]), 1)[0]
        return s.always(np.asarray(getattr(s.own(), name), np.float64) + step)

"""Families with one parameter: a mean whose variance is a quadratic function of it, and scales whose logarithm walks by exact steps."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from modelcollapse import observables, regimes
from modelcollapse.families import Binomial, Gamma, GaussianMean, NegativeBinomial, Pareto, Poisson, Uniform
from modelcollapse.portions import portion
from modelcollapse.predict.discrete import EXACT, LATE, by_diffusion, diffuses
from modelcollapse.predict.process import COUNTS, ONE_PARAMETER, Process, steady
from modelcollapse.predict.registry import prediction
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
    """A refitted mean: V, the true mean, V there, and how much more or less the first fit varies than a fit to the model's own draws."""

    function: V
    mean: float
    variance: float
    excess: float

    def error(self, s: Process, of: np.ndarray) -> np.ndarray:
        """``E (m_n - m_0)^2`` at ``s.fits`` from that of a truth in the family after 1, 2, ... fits, ``of``.

        The first fit's excess is handed on as its error is: an error e is (1 + v2 w) e, plus the same, after one more fit.
        """
        if self.excess == 0:
            return s.after(of)
        v2 = self.function.quadratic
        handed = (self.variance + v2 * of) / (self.variance + v2 * of[0])
        return s.after(of + self.excess * handed)


def _walk(s: Process) -> Walk | None:
    """None where the mean is not refitted by the sample mean, or the moments of real data are not known."""
    if s.mean is None or s.moments is None or s.spread is None or not np.all(np.isfinite(s.moments[1])):
        return None
    real = float(np.trace(s.moments[1]))
    if type(s.family) is GaussianMean:  # V is constant, and the squared errors of the coordinates add up
        known = np.asarray(s.family.covariance, np.float64)
        own, mean = float(np.trace(known) if known.ndim else known * s.mean.size), 0.0
    else:
        own, mean = 1.0, float(s.mean[0])
    function = VARIANCE[type(s.family)](s.family, own)
    variance = float(function(mean))
    # N rows without replacement: the mean of M varies by (N - M)/(N - 1) of what independent ones would
    rest = 1.0 if s.rows is None else (s.rows - s.sizes[0]) / (s.rows - 1)
    excess = (real * rest - variance) / s.sizes[0]
    same = s.rows is None and abs(excess * s.sizes[0]) <= 1e-5 * real  # the family's own law, to float32
    return Walk(function, mean, variance, 0.0 if same else float(excess))


def _scheduled(s: Process, scheduled_mean_error: Any) -> tuple[Walk, np.ndarray] | None:
    walk = _walk(s)
    if walk is None or walk.variance <= 0:
        return None
    pooled = type(s.regime) is regimes.Accumulate
    return walk, walk.error(s, scheduled_mean_error(walk.function, walk.mean, s.sizes, accumulate=pooled))


def _fresh(s: Process, fresh_mean_error: Any) -> tuple[Walk, np.ndarray] | None:
    walk = _walk(s)
    if walk is None or walk.excess != 0 or s.rows is not None or s.size is None:
        return None
    if type(s.regime) is regimes.FreshReal:
        real = steady(portion(s.regime.share, s.sizes), s.sizes)
        share = None if real is None else real / s.size
    else:
        share = steady(s.regime.gamma, s.sizes) if steady(s.regime.beta, s.sizes) == 0 else None
    if share is None:
        return None
    mixed = type(s.regime) is regimes.Mixture
    return walk, fresh_mean_error(walk.function, walk.mean, s.size, share, s.fits, random_count=mixed)


scheduled: dict[str, Any] = {
    "family": ONE_PARAMETER, "regime": (regimes.Replace, regimes.Accumulate), "order": "exact",
    "conditions": "mean refitted, variance V a quadratic function of it, replace or accumulate; "
    "a truth of another variance, or a table without replacement, counts at the first fit",
}  # fmt: skip
renewed: dict[str, Any] = {
    "family": ONE_PARAMETER, "regime": (regimes.FreshReal, regimes.Mixture), "order": "exact",
    "conditions": "mean refitted, variance V a quadratic function of it; constant M and g, no old data",
}  # fmt: skip
RENEWED = "e' = (1-g)^2 e + [V(m_0) + (1-g) w e]/M, w = v2 (fixed count), v2 + g (each draw real with probability g)"
SCHEDULED = "E (m_n - m_0)^2 = V(m_0)/v2 [prod (1 + v2 w_i) - 1], w_i = 1/M_i (replace), M_i/N_i^2 (accumulate)"
OWN = "E V(m_n) = V(m_0) + v2 E (m_n - m_0)^2"


@prediction(
    observables.squared_mean_error, exponential_families.scheduled_mean_error, **scheduled,
    formula=SCHEDULED,
)  # fmt: skip
def _(s: Process, scheduled_mean_error: Any) -> Any:
    found = _scheduled(s, scheduled_mean_error)
    return None if found is None else found[1]


@prediction(observables.squared_mean_error, exponential_families.fresh_mean_error, **renewed, formula=RENEWED)
def _(s: Process, fresh_mean_error: Any) -> Any:
    found = _fresh(s, fresh_mean_error)
    return None if found is None else found[1]


of_one: dict[str, Any] = {"family": (*COUNTS, Gamma)}


def _of_variance(theorem: Any, of: Any, formula: str, **said: Any) -> None:
    """Register ``E V(m_n)`` by the error of the mean: as the variance of the one coordinate ``(fits, 1)``, and as the total ``(fits,)``."""
    for key, column in ((observables.variance, (slice(None), None)), (observables.total_variance, slice(None))):

        def body(s: Process, theorem: Any, column: Any = column) -> np.ndarray | None:
            found = of(s, theorem)
            return None if found is None else (found[0].variance + found[0].function.quadratic * found[1])[column]

        prediction(key, theorem, formula=f"{OWN}; {formula}", **said)(body)


_of_variance(exponential_families.scheduled_mean_error, _scheduled, SCHEDULED, **scheduled | of_one)
_of_variance(exponential_families.fresh_mean_error, _fresh, RENEWED, **renewed | of_one)


@prediction(
    observables.variance, exponential_families.normal, family=GaussianMean,
    formula="V = variance, known", conditions="any regime", order="exact",
)  # fmt: skip
def _(s: Process, normal: Any) -> Any:
    if s.mean is None:
        return None
    known = np.asarray(s.family.covariance, np.float64)
    each = np.diagonal(known) if known.ndim else np.full(s.mean.size, known)
    return np.broadcast_to([float(normal(float(v))(0.0)) for v in each], (s.recorded, each.size))


# --- the end of a chain of counts -------------------------------------------------------------------------------------------------


def _items(s: Process) -> tuple[np.ndarray, int] | None:
    """The two states (success, failure) of a binomial chain of its own law, and its items trials * M, one number in every generation."""
    params = s.own("trials")
    if params is None or s.size is None:
        return None
    share = float(params.mean[0]) / s.family.trials
    return np.array([share, 1 - share]), s.size * s.family.trials


coins: dict[str, Any] = {"family": Binomial, "regime": regimes.Replace}
ITEMS = "two states of trials * M items"


@prediction(
    observables.absorbed, fixation.fixation_time_cdf, **coins, formula=f"P(T <= n) = sum_i E p_i^{{A_n}}, {ITEMS}"
)
def _(s: Process, fixation_time_cdf: Any) -> Any:
    found = _items(s)
    return None if found is None or diffuses(*found) else fixation_time_cdf(*found, s.fits)


@prediction(
    observables.absorbed, fixation_diffusion.fixation_probability_by_limit, **coins,
    formula=f"P(T <= n) ~ sum_i P(fixed at i by n), by Kimura's diffusion, {ITEMS}",
)  # fmt: skip
def _(s: Process, fixation_probability_by_limit: Any) -> Any:
    found = _items(s)
    return None if found is None else by_diffusion(*found, s.fits, fixation_probability_by_limit)


@prediction(
    observables.extinct,
    support.absent_probability,
    **coins,
    formula=f"P(m_n = 0) = E (1 - m_0/trials)^{{A_n}}, {ITEMS}",
)
def _(s: Process, absent_probability: Any) -> Any:
    found = _items(s)
    if found is None or (found[1] > EXACT and (found[1] > LARGEST or s.fits.max() <= found[1] / LATE)):
        return None
    return absent_probability(found[0][0], found[1], s.fits)


@prediction(
    observables.extinct, rare.rare_loss_probability, **coins, formula=f"P(m_n = 0) -> exp(-M m_0 a_n), {ITEMS}",
    conditions="replace regime, M large, n << M", order="O(n/M)",
)  # fmt: skip
def _(s: Process, rare_loss_probability: Any) -> Any:
    found = _items(s)
    if found is None or s.fits.max() > found[1] / 10:
        return None
    return rare_loss_probability(found[0][0] * found[1], s.fits)


@prediction(
    (observables.extinct, observables.absorbed),
    exponential_families.poisson_extinction,
    family=Poisson,
    regime=regimes.Replace,
)
def _(s: Process, poisson_extinction: Any) -> Any:
    params = s.own()
    if params is None or s.size is None:
        return None
    return poisson_extinction(float(params.mean[0]), s.size, s.fits)


# --- scales: the logarithm walks ---------------------------------------------------------------------------------------------------


def _log_walk(s: Process, start: Any, steps: np.ndarray) -> np.ndarray:
    """Start (1,) plus the sum of the mean steps of all fits so far, ``(fits, 1)``."""
    return np.asarray(start, np.float64)[None] + s.after(np.cumsum(steps))[:, None]


def scale(key: Any, theorem: Any, family: type, parameter: str | None, start: str, times: int, **said: Any) -> None:
    """Register the walk of one logarithm: ``start`` is its name in the true parameters, and each step counts ``times``."""

    def body(s: Process, step: Any) -> Any:
        params = s.own(parameter)
        if params is None:
            return None
        if family is Gamma:
            steps = step(s.sizes, 1, shape=float(s.family.shape))[0]
        else:
            steps = step(s.sizes, 1, unbiased=s.family.estimator == "unbiased")[0]
        return _log_walk(s, getattr(params, start), times * steps)

    prediction(key, theorem, family=family, regime=regimes.Replace, **said)(body)


GAMMA = "sum_i [psi(k M_i) - ln(k M_i)]"
UNIFORM = "- sum_i 1/M_i (unbiased: + sum_i ln(1 + 1/M_i))"
scale(
    observables.log_mean, special_families.gamma_log_mean, Gamma, "shape", "log_mean", 1,
    formula=f"E ln m_n = ln m_0 + {GAMMA}",
)  # fmt: skip
scale(
    observables.log_variance, special_families.gamma_log_mean, Gamma, "shape", "log_variance", 2,
    formula=f"E ln V_n = ln V_0 + 2 {GAMMA}",
)  # fmt: skip
for _key, _start, _times, _what in (
    (observables.log_end, "log_end", 1, "E ln b_n = ln b_0"),
    (observables.log_mean, "log_mean", 1, "E ln m_n = ln b_0 - ln 2"),
    (observables.log_variance, "log_variance", 2, "E ln V_n = ln V_0"),
):
    _change = UNIFORM.replace("sum_i", f"{_times} sum_i") if _times > 1 else UNIFORM
    scale(_key, special_families.uniform_log_end, Uniform, None, _start, _times, formula=f"{_what} {_change}")
scale(
    observables.log_index, special_families.pareto_log_index, Pareto, "minimum", "log_index", 1,
    formula="E ln alpha_n = ln alpha_0 + sum_i [ln M_i - psi(M_i)] (unbiased: ln(M_i - 1) for ln M_i)",
)  # fmt: skip


def _first_maximum(start: str, times: int) -> Any:
    def body(s: Process, uniform_log_end: Any) -> Any:
        params = s.own()
        if params is None or s.family.estimator != "mle":
            return None
        first = np.asarray(getattr(params, start), np.float64) + times * uniform_log_end(int(s.sizes[0]), 1)[0]
        return np.broadcast_to(first, (s.recorded, 1))

    return body


for _key, _start, _times, _what in (
    (observables.log_end, "log_end", 1, "E ln b_n = ln b_0 - 1/M_1"),
    (observables.log_mean, "log_mean", 1, "E ln m_n = ln m_0 - 1/M_1"),
    (observables.log_variance, "log_variance", 2, "E ln V_n = ln V_0 - 2/M_1"),
):
    prediction(
        _key, special_families.uniform_log_end, family=Uniform, regime=regimes.Accumulate,
        formula=f"{_what} at every n >= 1",
        conditions="uniform, upper end refitted by the maximum; every batch is kept, and none exceeds the first",
    )(_first_maximum(_start, _times))  # fmt: skip

"""Which closed forms apply to a run: a prediction is one function, registered with the observable it is about.

The function gets a ``Setting`` and returns the predicted mean over chains at each of ``setting.fits``, or None where its conditions do
not hold. It is the only module beside the checks that sees both a simulation and the theory.
"""

from __future__ import annotations

import dataclasses
import importlib
from collections.abc import Callable
from typing import Any

import numpy as np

from modelcollapse import regimes
from modelcollapse.families import (
    PPCA,
    Binomial,
    Design,
    Discrete,
    Gamma,
    Gaussian,
    GaussianMean,
    KernelDensity,
    NegativeBinomial,
    NormalRows,
    Pareto,
    Poisson,
    Regression,
    Uniform,
)
from modelcollapse.location import exactly
from modelcollapse.observables import as_observable
from modelcollapse.predict.prediction import Prediction, Predictions
from modelcollapse.sources import Table
from modelcollapse_theory import (
    accumulation,
    divergence,
    errors,
    exponential_families,
    fixation,
    gaussian,
    kde,
    mixture,
    ppca,
    regression,
    special_families,
    support,
    wasserstein,
    wishart,
    workflows,
)


@dataclasses.dataclass(frozen=True, eq=False)
class Setting:
    """What the closed forms need to know of a run."""

    family: Any
    source: Any
    regime: Any
    sizes: np.ndarray  # (generations + 1,)
    fits: np.ndarray  # fit numbers of the recorded generations: generation + 1
    truth: Any

    @property
    def size(self) -> Any:
        """M, if it is the same in every generation."""
        return int(self.sizes[0]) if (self.sizes == self.sizes[0]).all() else None

    @property
    def independent(self) -> bool:
        """Whether real draws are independent; a table without replacement is not."""
        return not (isinstance(self.source, Table) and not self.source.replace)

    @property
    def law(self) -> Any:
        """p0 ``(K,)``, if this is the discrete chain of a known law."""
        discrete = isinstance(self.family, Discrete) and self.independent and self.truth is not None
        return _normalised(self.truth) if discrete else None

    @property
    def covariance(self) -> Any:
        """Sigma_0 ``(d, d)``, if this is a Gaussian fitted to a source of known moments."""
        known = isinstance(self.family, Gaussian) and self.independent and self.truth is not None
        return np.asarray(self.truth.covariance, np.float64) if known else None

    @property
    def normal(self) -> bool:
        """Whether the source itself is normal and the family a plain Gaussian."""
        return self.covariance is not None and isinstance(getattr(self.source, "family", None), Gaussian)

    @property
    def variance_function(self) -> tuple[exponential_families.VarianceFunction, float] | None:
        """V and m_0, if this is a family with quadratic variance fitted to independent draws of mean m_0 and variance V(m_0)."""
        known = _VARIANCE.get(type(self.family)) if self.independent and self.truth is not None else None
        moments = self.source.moments() if known else None
        if known is None or moments is None:
            return None
        assumed, real = (np.asarray(x, np.float64) for x in (self.truth.covariance, moments[1]))
        if not np.allclose(assumed, real, rtol=1e-5, atol=1e-5 * np.abs(real).max()):
            return None
        if isinstance(self.family, GaussianMean):  # V is constant, and the squared errors of the coordinates add up
            return exponential_families.normal(float(np.trace(real))), 0.0
        return known(self.family), float(np.asarray(self.truth.mean)[0])

    def walk(self, family: type, parameter: str | None = None) -> Any:
        """The true parameters, if this is ``family`` fitted to a law of its own, ``parameter`` in common, under replacement."""
        own = getattr(self.source, "family", None)
        if not (isinstance(self.family, family) and isinstance(own, family) and self.replaced):
            return None
        alike = parameter is None or np.isclose(
            float(getattr(self.family, parameter)), float(getattr(own, parameter)), rtol=1e-6
        )
        return self.source.params if alike else None

    @property
    def replaced(self) -> bool:
        return isinstance(self.regime, regimes.Replace)

    def lost(self) -> Any:
        """v at each of ``fits``: the share of heterozygosity that is gone, by the workflow's own recursion."""
        rule = _LOST.get(type(self.regime))
        trajectory = rule(self) if rule else None
        return None if trajectory is None else np.asarray(trajectory)[self.fits]


_LOST: dict[type, Callable[[Setting], Any]] = {}
_VARIANCE: dict[type, Callable[[Any], exponential_families.VarianceFunction]] = {
    Binomial: lambda f: exponential_families.binomial(f.trials),
    Poisson: lambda f: exponential_families.poisson(),
    NegativeBinomial: lambda f: exponential_families.negative_binomial(float(f.successes)),
    Gamma: lambda f: exponential_families.gamma(float(f.shape)),
    GaussianMean: lambda f: exponential_families.normal(1.0),
}
PREDICTIONS: list[tuple[str, str, str, str, Callable[[Setting], Any]]] = []


def prediction(observable: str, *, formula: str, conditions: str, function: str) -> Callable[[Any], Any]:
    """Register a closed form for the mean of ``observable``."""

    def register(rule: Callable[[Setting], Any]) -> Callable[[Setting], Any]:
        PREDICTIONS.append((observable, formula, conditions, function, rule))
        return rule

    return register


def lost_share(regime: type) -> Callable[[Any], Any]:
    """Register the trajectory v_0, ..., v_n of a regime; heterozygosity, chi-square and the Gaussian mean follow from it."""

    def register(rule: Callable[[Setting], Any]) -> Callable[[Setting], Any]:
        _LOST[regime] = rule
        return rule

    return register


def known() -> dict[str, Any]:
    """Every observable that a closed form is registered for."""
    return {row[0]: as_observable(row[0]) for row in PREDICTIONS}


def predict(
    family: Any, source: Any, regime: Any, observables: Any, sizes: np.ndarray, recorded: np.ndarray
) -> Predictions:
    """Every registered closed form that applies."""
    source = exactly(source)
    truth = family.project(source) if hasattr(family, "project") else None
    setting = Setting(family, source, regime, sizes, recorded + 1, truth)
    out = Predictions()
    for observable, formula, conditions, function, rule in PREDICTIONS:
        if observable not in observables:
            continue
        values = rule(setting)
        if values is not None:
            module, _, name = function.partition(".")
            evaluated = getattr(importlib.import_module(f"modelcollapse_theory.{module}"), name)
            out.append(
                Prediction(observable, recorded, np.asarray(values, np.float64), formula, conditions, (evaluated,))
            )
    return out


def _normalised(p: Any) -> np.ndarray:
    law = np.asarray(p, np.float64)
    return law / law.sum()


def _number(value: Any) -> float | None:
    return float(value) if np.ndim(value) == 0 else None


def _rows(share: Any, size: int) -> int:
    return int(np.floor(float(share) * size + 0.5))


@lost_share(regimes.Replace)
def _replace(s: Setting) -> Any:
    return workflows.replace_sizes(s.sizes)


@lost_share(regimes.FreshReal)
def _fresh(s: Setting) -> Any:
    share = _number(s.regime.share)
    if s.size is None or share is None:
        return None
    return workflows.fresh_counts(s.size, np.arange(s.sizes.size + 1), _rows(share, s.size))


@lost_share(regimes.FixedReal)
def _fixed(s: Setting) -> Any:
    kept = s.size and _rows(s.regime.share, s.size)
    return workflows.fixed_set(s.size, np.arange(s.sizes.size + 1), kept) if kept else None


@lost_share(regimes.Retain)
def _retain(s: Setting) -> Any:
    share, fresh = _number(s.regime.share), _number(s.regime.fresh)
    if s.size is None or share is None or fresh is None or s.size < 2:
        return None
    return workflows.retain(s.size, np.arange(s.sizes.size + 1), _rows(share, s.size), _rows(fresh, s.size))


@lost_share(regimes.Mixture)
def _mixture(s: Setting) -> Any:
    beta, gamma = _number(s.regime.beta), _number(s.regime.gamma)
    if s.size is None or beta is None or gamma is None:
        return None
    return mixture.fit(s.size, np.arange(s.sizes.size + 1), gamma, beta)


@lost_share(regimes.Accumulate)
def _accumulate(s: Setting) -> Any:
    return accumulation.accumulate_sizes(s.sizes)


@lost_share(regimes.Weighted)
def _weighted(s: Setting) -> Any:
    share, weight = _number(s.regime.share), _number(s.regime.weight)
    if s.size is None or share is None or weight is None:
        return None
    real = _rows(share, s.size)
    return workflows.weighted(s.size, np.arange(s.sizes.size + 1), real, weight)


@lost_share(regimes.AccumulateSubsample)
def _subsample(s: Setting) -> Any:
    return (
        None
        if s.size is None or s.size < 2
        else accumulation.accumulate_subsample(s.size, s.sizes.size, s.regime.budget)[0]
    )


@prediction(
    "probabilities",
    formula="E p_n = p_0",
    conditions="any regime without selection",
    function="replacement.fixation_probability",
)
def _(s: Setting) -> Any:
    return None if s.law is None or s.lost() is None else np.broadcast_to(s.law, (s.fits.size, s.law.size))


@prediction(
    "heterozygosity", formula="E H_n = (1 - v_n) H_0", conditions="exact", function="workflows.expected_heterozygosity"
)
def _(s: Setting) -> Any:
    v = None if s.law is None else s.lost()
    return None if v is None else workflows.expected_heterozygosity(s.law, v)


@prediction("chi_square", formula="E chi^2 = (K - 1) v_n", conditions="exact", function="workflows.expected_chi_square")
def _(s: Setting) -> Any:
    v = None if s.law is None else s.lost()
    return None if v is None else workflows.expected_chi_square(int(np.sum(s.law > 0)), v)


@prediction(
    "support_size",
    formula="E S_n = sum_i 1 - E (1 - p_i)^A_n",
    conditions="replacement, constant M, exact",
    function="support.expected_support",
)
def _(s: Setting) -> Any:
    return support.expected_support(s.law, s.size, s.fits) if _plain(s) else None


@prediction(
    "absorbed",
    formula="P(T <= n) = sum_i E p_i^A_n",
    conditions="replacement, constant M, exact",
    function="fixation.fixation_time_cdf",
)
def _(s: Setting) -> Any:
    return fixation.fixation_time_cdf(s.law, s.size, s.fits) if _plain(s) else None


@prediction(
    "lost",
    formula="P(X_n(i) = 0) = E (1 - p_i)^A_n",
    conditions="replacement, constant M, exact",
    function="support.absent_probability",
)
def _(s: Setting) -> Any:
    if not _plain(s) or s.law is None:
        return None
    there = s.law > 0
    out = np.zeros((s.fits.size, s.law.size))
    out[:, there] = np.stack([support.absent_probability(s.law[there], s.size, int(n)) for n in s.fits])
    return out


@prediction(
    "entropy",
    formula="E h(p_n) by the marginal chain",
    conditions="replacement, constant M, exact",
    function="divergence.expected_entropy",
)
def _(s: Setting) -> Any:
    return divergence.expected_entropy(s.law, s.size, s.fits) if _plain(s, 2000) else None


@prediction(
    "kl_divergence",
    formula="E KL(p_n || p_0) = h(p_0) - E h(p_n)",
    conditions="replacement, constant M, exact",
    function="divergence.expected_kl",
)
def _(s: Setting) -> Any:
    return divergence.expected_kl(s.law, s.size, s.fits) if _plain(s, 2000) else None


@prediction(
    "total_variation",
    formula="E TV by the marginal chain",
    conditions="replacement, constant M, exact",
    function="divergence.expected_total_variation",
)
def _(s: Setting) -> Any:
    return divergence.expected_total_variation(s.law, s.size, s.fits) if _plain(s, 2000) else None


def _plain(s: Setting, largest: int = 5000) -> bool:
    return s.law is not None and s.replaced and s.size is not None and s.size <= largest


@prediction(
    "squared_mean_error",
    formula="E |mu_n - mu_0|^2 = v_n tr Sigma_0",
    conditions="ddof = 0, any source with these moments, exact",
    function="workflows.expected_covariance",
)
def _(s: Setting) -> Any:
    v = s.lost() if s.covariance is not None and s.family.ddof == 0 else None
    return None if v is None else v * np.trace(s.covariance)


@prediction(
    "squared_mean_error",
    formula="E |mu_n - mu_0|^2 = tr Sigma_0 sum 1/M_i",
    conditions="replacement, ddof = 1, any source with these moments, exact",
    function="wishart.expected_mean_error",
)
def _(s: Setting) -> Any:
    if s.covariance is None or not s.replaced or s.family.ddof != 1:
        return None
    return np.trace(s.covariance) * np.cumsum(1 / s.sizes)[s.fits - 1]


@prediction("mean", formula="E mu_n = mu_0", conditions="any regime, exact", function="wishart.expected_mean_error")
def _(s: Setting) -> Any:
    return (
        None
        if s.covariance is None
        else np.broadcast_to(np.asarray(s.truth.mean), (s.fits.size, s.covariance.shape[0]))
    )


@prediction(
    "log_variance",
    formula="E ln sigma_n^2 = ln sigma_0^2 + sum [psi((M_i - 1)/2) + ln 2 - ln(M_i - ddof)]",
    conditions="replacement, normal source, exact",
    function="gaussian.scheduled_log_variance",
)
def _(s: Setting) -> Any:
    if not s.normal or not s.replaced or s.covariance is None:
        return None
    drift = gaussian.scheduled_log_variance(s.sizes, ddof=s.family.ddof)[0][s.fits - 1]
    return np.log(np.diagonal(s.covariance))[None] + drift[:, None]


@prediction(
    "log_determinant",
    formula="E ln det Sigma_n = ln det Sigma_0 + n sum_j [psi((M - j)/2) + ln 2 - ln(M - ddof)]",
    conditions="replacement, normal source, constant M, exact",
    function="wishart.expected_log_determinant",
)
def _(s: Setting) -> Any:
    if not s.normal or not s.replaced or s.size is None or s.covariance is None:
        return None
    d = s.covariance.shape[0]
    return np.linalg.slogdet(s.covariance)[1] + wishart.expected_log_determinant(s.size, s.fits, d, ddof=s.family.ddof)


@prediction(
    "standard_deviation",
    formula="E sigma_n = sigma_0 c4(M)^n (ddof = 0: times (1 - 1/M)^(n/2))",
    conditions="replacement, normal source, constant M, exact",
    function="gaussian.expected_deviation",
)
def _(s: Setting) -> Any:
    if not s.normal or not s.replaced or s.size is None or s.covariance is None:
        return None
    decay = gaussian.expected_deviation(s.size, s.fits, ddof=s.family.ddof)
    return decay[:, None] * np.sqrt(np.diagonal(s.covariance))[None]


@prediction(
    "w2_squared",
    formula="E W2^2 = sigma_0^2 [n/M + 2 (1 - c4^n)] (ddof = 0: 2 sigma_0^2 [1 - (c4 sqrt(1 - 1/M))^n])",
    conditions="replacement, normal source in one dimension, exact",
    function="wasserstein.scheduled_squared_distance",
)
def _(s: Setting) -> Any:
    if not s.normal or not s.replaced or s.covariance is None or s.covariance.shape != (1, 1):
        return None
    return wasserstein.scheduled_squared_distance(s.sizes, ddof=s.family.ddof)[s.fits - 1] * s.covariance[0, 0]


def _kernel_density(s: Setting) -> Any:
    """Variance and squared error of the mean of each coordinate, two arrays (fits, d), as kernels spread it."""
    family = s.family
    if not isinstance(family, KernelDensity) or not s.independent or s.truth is None or s.size is None or s.size < 2:
        return None
    truth = np.diagonal(np.asarray(s.truth.covariance, np.float64))
    d, last = truth.size, s.sizes.size
    h = float(family.factor(float(s.size), d))
    scale = h * s.size ** (1 / (d + 4))  # the theory's constant multiplies Scott's factor, whatever the rule
    if s.replaced and family.follows:
        return kde.rule_bandwidth(s.size, s.fits[:, None], constant=scale, dimension=d, variance=truth)
    if s.replaced:
        return kde.fixed_bandwidth(h, s.size, s.fits[:, None], variance=truth)
    if isinstance(s.regime, regimes.FreshReal) and not family.follows and np.ndim(s.regime.share) == 0:
        each = [kde.fresh_real(h, s.size, last, _rows(s.regime.share, s.size), variance=v) for v in truth]
    elif isinstance(s.regime, regimes.Accumulate) and not family.follows:
        widths = np.broadcast_to(family.factor(s.size * np.arange(1.0, last + 1), d), (last,))
        each = [kde.accumulated(widths, s.size, last, variance=v) for v in truth]
    elif isinstance(s.regime, regimes.Accumulate) and family.rule != "fixed":
        each = [kde.accumulated_rule(s.size, last, constant=scale, dimension=d, variance=v) for v in truth]
    else:
        return None
    return tuple(np.stack([pair[i][s.fits - 1] for pair in each], 1) for i in (0, 1))


@prediction(
    "variance",
    formula="E variance_n = E s_n^2 + h^2, which the next rows inherit",
    conditions="kernel density; replacement, accumulation or fresh real rows; any source with these moments, exact",
    function="kde.fixed_bandwidth",
)
def _(s: Setting) -> Any:
    both = _kernel_density(s)
    return None if both is None else both[0]


@prediction(
    "squared_mean_error",
    formula="E |mu_n - mu_0|^2 = sum of E variance / M over the draws",
    conditions="kernel density; replacement, accumulation or fresh real rows; any source with these moments, exact",
    function="kde.fixed_bandwidth",
)
def _(s: Setting) -> Any:
    both = _kernel_density(s)
    return None if both is None else both[1].sum(1)


@dataclasses.dataclass(frozen=True, eq=False)
class _Regression:
    """What the closed forms need to know of a regression whose source and family have the same rows."""

    family: Any
    given: Any  # the design (T, d), or None for fresh normal rows
    second_moment: np.ndarray  # (d, d)
    noise: float  # variance of real labels
    own: float  # variance of synthetic labels
    squared_norm: float | None  # E (x . w)^2 of isotropic rows

    @classmethod
    def of(cls, s: Setting) -> _Regression | None:
        source, family = getattr(s.source, "family", None), s.family
        if (
            not isinstance(source, Regression)
            or not isinstance(family, Regression)
            or np.any(np.asarray(family.penalty))
            or family.steps is not None
        ):
            return None
        rows = [
            np.asarray(f.rows.given if isinstance(f.rows, Design) else f.rows.factor, np.float64)
            for f in (source, family)
        ]
        if type(source.rows) is not type(family.rows) or rows[0].shape != rows[1].shape or np.any(rows[0] != rows[1]):
            return None
        spread = np.asarray(source.rows.spread, np.float64)
        moment, weights = spread @ spread.T, np.asarray(s.truth.weights, np.float64)
        even = np.allclose(moment, moment[0, 0] * np.eye(len(moment)), rtol=1e-6, atol=0)
        return cls(
            family,
            None if isinstance(family.rows, NormalRows) else rows[0],
            moment,
            float(source.noise) ** 2,
            float(family.noise) ** 2,
            float(weights @ moment @ weights) if even else None,
        )


@prediction(
    "excess_risk",
    formula="sum_i sigma_i^2 d/(T_i - d - 1)",
    conditions="least squares, replacement, fresh normal rows, exact",
    function="regression.replaced_risk",
)
def _(s: Setting) -> Any:
    r = _Regression.of(s)
    d = 0 if r is None else len(r.second_moment)
    if r is None or not s.replaced or r.given is not None or r.family.minimum_norm or s.sizes.min() < d + 2:
        return None
    noise = np.where(np.arange(s.sizes.size) == 0, r.noise, r.own)
    return np.cumsum(regression.replaced_risk(s.sizes, 1, d, noise))[s.fits - 1]


@prediction(
    "excess_risk",
    formula="[|w|^2 + c/(1 - r)](1 - r^n), r = T/d, c = sigma^2 T/(d - T - 1)",
    conditions="shortest solution, replacement, fresh isotropic normal rows, T <= d - 2, exact",
    function="regression.minimum_norm_risk",
)
def _(s: Setting) -> Any:
    r = _Regression.of(s)
    d = 0 if r is None else len(r.second_moment)
    if r is None or not s.replaced or r.given is not None or r.squared_norm is None or r.noise != r.own:
        return None
    if not r.family.minimum_norm or s.size is None or s.size > d - 2:
        return None
    return regression.minimum_norm_risk(s.size, s.fits, d, r.own, squared_norm=r.squared_norm)


@prediction(
    "excess_risk",
    formula="sigma^2 d sum_{i <= n} 1/(i (i T - d - 1))",
    conditions="least squares, accumulation, fresh normal rows, exact",
    function="regression.accumulated_risk_fresh_rows",
)
def _(s: Setting) -> Any:
    r = _Regression.of(s)
    d = 0 if r is None else len(r.second_moment)
    if r is None or not isinstance(s.regime, regimes.Accumulate) or r.given is not None or r.noise != r.own:
        return None
    if s.size is None or s.size < d + 2 or r.family.minimum_norm:
        return None
    return regression.accumulated_risk_fresh_rows(s.size, s.fits, d, r.own)


@prediction(
    "excess_risk",
    formula="sigma^2 tr S (X'X)^-1 times n, or sum_{i <= n} 1/i^2",
    conditions="least squares on a given design, replacement or accumulation, exact",
    function="regression.fixed_design_risk",
)
def _(s: Setting) -> Any:
    r, kept = _Regression.of(s), isinstance(s.regime, regimes.Accumulate)
    if r is None or r.given is None or not (s.replaced or kept) or s.size is None or r.noise != r.own:
        return None
    rows = r.given[: s.size]
    if np.linalg.matrix_rank(rows) < rows.shape[1]:
        return None
    return regression.fixed_design_risk(rows, s.fits, r.own, second_moment=r.second_moment, accumulate=kept)


@prediction(
    "excess_risk",
    formula="c (1 - a^n)/(1 - a), c = sigma^2 d/(T - d - 1), a = B/d",
    conditions="least squares, fresh real rows, all rows fresh isotropic normal, exact",
    function="regression.fresh_real_risk",
)
def _(s: Setting) -> Any:
    r = _Regression.of(s)
    d = 0 if r is None else len(r.second_moment)
    if r is None or not isinstance(s.regime, regimes.FreshReal) or r.given is not None or r.noise != r.own:
        return None
    if s.size is None or s.size < d + 2 or r.squared_norm is None or np.ndim(s.regime.share) or r.family.minimum_norm:
        return None
    real = _rows(s.regime.share, s.size)
    return regression.fresh_real_risk(real, s.size - real, s.fits, d, r.own)


@prediction(
    "excess_risk",
    formula="sum_j [s_j w_j^2 (1 - a_j^n)^2 + sigma^2/T sum_i a_j^(2i)], a = s/(s + l) or 1 - (1 - eta s)^k",
    conditions="ridge or stopped gradient descent on one design, judged on its own rows, replacement, exact",
    function="errors.shrunken_risk",
)
def _(s: Setting) -> Any:
    family, source = s.family, getattr(s.source, "family", None)
    if not isinstance(family, Regression) or not isinstance(source, Regression) or not s.replaced:
        return None
    if not isinstance(family.rows, Design) or not isinstance(source.rows, Design):
        return None
    rows = np.asarray(family.rows.given, np.float64)
    same = (
        np.array_equal(rows, np.asarray(source.rows.given))
        and family.rows.factor is None
        and source.rows.factor is None
    )
    penalty = _number(family.penalty)
    if not same or s.size != len(rows) or float(source.noise) != float(family.noise) or penalty is None:
        return None
    if family.steps is None and penalty == 0:
        return None
    values, axes = np.linalg.eigh(rows.T @ rows / len(rows))
    values = np.maximum(values, 0.0)
    if family.steps is None:
        kept = errors.ridge_shrinkage(values, penalty, 1)
    elif float(family.rate) * values.max() <= 1:
        kept = errors.gradient_shrinkage(values, float(family.rate), family.steps, 1)
    else:
        return None
    weights = axes.T @ np.asarray(s.truth.weights, np.float64)
    return sum(errors.shrunken_risk(values, weights, kept, float(family.noise) ** 2, s.size, s.fits))


@prediction(
    "squared_mean_error",
    formula="E (m_n - m_0)^2 = V(m_0)/v2 [prod (1 + v2 w_i) - 1], w_i = 1/M_i (replace), M_i/N_i^2 (accumulate)",
    conditions="mean refitted, variance a quadratic function of it, exact",
    function="exponential_families.scheduled_mean_error",
)
def _(s: Setting) -> Any:
    pooled = isinstance(s.regime, regimes.Accumulate)
    if s.variance_function is None or not (s.replaced or pooled):
        return None
    return exponential_families.scheduled_mean_error(*s.variance_function, s.sizes, accumulate=pooled)[s.fits - 1]


@prediction(
    "squared_mean_error",
    formula="e' = (1-g)^2 e + [V(m_0) + (1-g) w e]/M, w = v2 (fixed count), v2 + g (each draw real with probability g)",
    conditions="mean refitted, variance a quadratic function of it, fresh real data, constant M and g, no old data, exact",
    function="exponential_families.fresh_mean_error",
)
def _(s: Setting) -> Any:
    if s.variance_function is None or s.size is None:
        return None
    if isinstance(s.regime, regimes.FreshReal) and _number(s.regime.share) is not None:
        share, mixed = _rows(s.regime.share, s.size) / s.size, False
    elif isinstance(s.regime, regimes.Mixture) and _number(s.regime.gamma) is not None and np.all(s.regime.beta == 0):
        share, mixed = float(s.regime.gamma), True
    else:
        return None
    return exponential_families.fresh_mean_error(*s.variance_function, s.size, share, s.fits, random_count=mixed)


@prediction(
    "mean",
    formula="E m_n = m_0",
    conditions="mean refitted by the sample mean, any regime, exact",
    function="exponential_families.scheduled_mean_error",
)
def _(s: Setting) -> Any:
    if type(s.family) not in _VARIANCE or not s.independent or s.truth is None:
        return None
    mean = np.asarray(s.truth.mean)
    return np.broadcast_to(mean, (s.fits.size, mean.size))


@prediction(
    "extinct",
    formula="P(m_n = 0) = exp(-M m_0 a_n), a_{n+1} = 1 - exp(-a_n)",
    conditions="Poisson, replacement, constant M, exact",
    function="exponential_families.poisson_extinction",
)
def _(s: Setting) -> Any:
    params = s.walk(Poisson)
    if params is None or s.size is None:
        return None
    mean = float(params.mean[0])
    return np.array([exponential_families.poisson_extinction(mean, s.size, int(n)) for n in s.fits])


@prediction(
    "absorbed",
    formula="P(T <= n) of two states in trials * M items",
    conditions="binomial, replacement, constant M, exact",
    function="fixation.fixation_time_cdf",
)
def _(s: Setting) -> Any:
    params, items = s.walk(Binomial, "trials"), (s.size or 0) * getattr(s.family, "trials", 0)
    if params is None or not 0 < items <= 5000:
        return None
    share = float(params.mean[0]) / s.family.trials
    return fixation.fixation_time_cdf(np.array([share, 1 - share]), items, s.fits)


def _log_walk(s: Setting, start: Any, step: Callable[..., Any], **options: Any) -> np.ndarray:
    """Start (1,) plus the sum of the mean steps of all fits so far, ``(generations, 1)``."""
    steps = step(s.sizes, 1, **options)[0]
    return np.asarray(start, np.float64)[None] + np.cumsum(steps)[s.fits - 1][:, None]


@prediction(
    "log_mean",
    formula="E ln m_n = ln m_0 + sum [psi(k M_i) - ln(k M_i)]",
    conditions="gamma of shape k, replacement, exact",
    function="special_families.gamma_log_mean",
)
def _(s: Setting) -> Any:
    params = s.walk(Gamma, "shape")
    if params is None:
        return None
    return _log_walk(s, params.log_mean, special_families.gamma_log_mean, shape=float(s.family.shape))


@prediction(
    "log_end",
    formula="E ln b_n = ln b_0 - sum 1/M_i (unbiased: + sum ln(1 + 1/M_i))",
    conditions="uniform, replacement, exact",
    function="special_families.uniform_log_end",
)
def _(s: Setting) -> Any:
    params = s.walk(Uniform)
    if params is None:
        return None
    unbiased = s.family.estimator == "unbiased"
    return _log_walk(s, params.log_end, special_families.uniform_log_end, unbiased=unbiased)


@prediction(
    "log_index",
    formula="E ln alpha_n = ln alpha_0 + sum [ln M_i - psi(M_i)] (unbiased: ln(M_i - 1) for ln M_i)",
    conditions="Pareto, replacement, exact",
    function="special_families.pareto_log_index",
)
def _(s: Setting) -> Any:
    params = s.walk(Pareto, "minimum")
    if params is None:
        return None
    unbiased = s.family.estimator == "unbiased"
    return _log_walk(s, params.log_index, special_families.pareto_log_index, unbiased=unbiased)


@prediction(
    "log_variance",
    formula="E ln V_n = ln V_0 + 2 (E ln m_n - ln m_0)",
    conditions="gamma of known shape or uniform, replacement, exact",
    function="special_families.gamma_log_mean",
)
def _(s: Setting) -> Any:
    params = s.walk(Gamma, "shape") or s.walk(Uniform)
    if params is None:
        return None
    zero = np.zeros(1)
    if isinstance(s.family, Gamma):
        walked = _log_walk(s, zero, special_families.gamma_log_mean, shape=float(s.family.shape))
    else:
        unbiased = s.family.estimator == "unbiased"
        walked = _log_walk(s, zero, special_families.uniform_log_end, unbiased=unbiased)
    return np.asarray(params.log_variance)[None] + 2 * walked


@prediction(
    "decoder_variance",
    formula="E tr W W^T = a^n tr Sigma_0 - r beta sigma^2 M (1 - a^n), a = 1 - 1/M, r the rank of Sigma_0",
    conditions="replacement, given noise, decoder means, latent >= r, while no direction is dropped (then a lower bound)",
    function="ppca.finite_decoder_trace",
)
def _(s: Setting) -> Any:
    if not isinstance(s.family, PPCA) or s.family.noise is None or s.family.output != "mean" or s.truth is None:
        return None
    if not s.replaced or not s.independent or s.size is None:
        return None
    variances = np.linalg.eigvalsh(np.asarray(s.source.moments()[1], np.float64))
    rank = int((variances > variances[-1] * 1e-12).sum())
    if rank > s.family.latent:
        return None
    loss = {"kl_weight": float(s.family.kl_weight)}
    return ppca.finite_decoder_trace(variances.sum(), rank, float(s.family.noise), s.size, s.fits, **loss)

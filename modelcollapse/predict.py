"""Which closed forms apply to a run: a prediction is one function, registered with the observable it is about.

The function gets a ``Setting`` and returns the predicted mean over chains at each of ``setting.fits``, or None where its conditions do
not hold. It is the only module beside the checks that sees both a simulation and the theory.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np

from modelcollapse import regimes
from modelcollapse.families import PPCA, Discrete, Gaussian
from modelcollapse.results import Run
from modelcollapse.sources import Table
from modelcollapse_theory import (
    accumulation,
    divergence,
    fixation,
    gaussian,
    mixture,
    ppca,
    support,
    wasserstein,
    wishart,
    workflows,
)


@dataclasses.dataclass(frozen=True, eq=False)
class Prediction:
    """The mean of an observable over chains at each recorded generation, by a closed form."""

    observable: str
    recorded: np.ndarray  # (generations,)
    values: np.ndarray  # (generations, ...)
    formula: str
    conditions: str
    function: str  # in modelcollapse_theory

    def __str__(self) -> str:
        last = np.array2string(np.asarray(self.values[-1]), precision=6, threshold=8)
        return f"mean {self.observable} = {last} at generation {self.recorded[-1]}: {self.formula} ({self.conditions}; {self.function})"


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
    def replaced(self) -> bool:
        return isinstance(self.regime, regimes.Replace)

    def lost(self) -> Any:
        """v at each of ``fits``: the share of heterozygosity that is gone, by the workflow's own recursion."""
        rule = _LOST.get(type(self.regime))
        trajectory = rule(self) if rule else None
        return None if trajectory is None else np.asarray(trajectory)[self.fits]


_LOST: dict[type, Callable[[Setting], Any]] = {}
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


def predict(run: Run) -> list[Prediction]:
    """Every registered closed form that applies to ``run``; none is an empty list."""
    truth = run.family.project(run.source) if hasattr(run.family, "project") else None
    setting = Setting(run.family, run.source, run.regime, np.asarray(run.sizes()), run.recorded + 1, truth)
    out = []
    for observable, formula, conditions, function, rule in PREDICTIONS:
        if observable not in run.trace:
            continue
        values = rule(setting)
        if values is not None:
            out.append(
                Prediction(observable, run.recorded, np.asarray(values, np.float64), formula, conditions, function)
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
    return np.concatenate([[0.0], workflows.replace_sizes(s.sizes)])


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
    return np.concatenate([[0.0], accumulation.accumulate_sizes(s.sizes)])


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

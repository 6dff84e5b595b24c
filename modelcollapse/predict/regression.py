"""Linear regression refitted to its own labels: least squares adds the same risk at every fit, a biased learner forgets the truth."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np

from modelcollapse import observables, regimes
from modelcollapse.families import Design, NormalRows, Regression
from modelcollapse.portions import portion
from modelcollapse.predict.process import CONSERVING, Process, steady
from modelcollapse.predict.registry import prediction
from modelcollapse_theory import errors, regression, workflows


@dataclasses.dataclass(frozen=True, eq=False)
class Setting:
    """A regression whose source and family have the same rows, and how it learns."""

    given: np.ndarray | None  # the design (T, d), or None for fresh normal rows
    factor: np.ndarray | None  # of the covariance of fresh rows, or of the rows that an error on a design is judged on
    weights: np.ndarray  # (d,), true
    noise: float  # variance of real labels
    own: float  # variance of synthetic labels
    family: Any

    @property
    def d(self) -> int:
        return self.weights.size

    @property
    def second_moment(self) -> np.ndarray:
        """E x x' ``(d, d)`` of the rows that an error is judged on."""
        if self.factor is not None:
            return self.factor @ self.factor.T
        assert self.given is not None
        return self.given.T @ self.given / len(self.given)

    @property
    def isotropic(self) -> bool:
        moment = self.second_moment
        return bool(np.allclose(moment, moment[0, 0] * np.eye(self.d), rtol=1e-6, atol=1e-6 * moment[0, 0]))

    @property
    def unpenalised(self) -> bool:
        return self.family.steps is None and not np.any(np.asarray(self.family.penalty))

    def least_squares(self, fewest: int) -> bool:
        """Whether the learner is least squares: without penalty or early stop, and where it wants the shortest, from d rows on."""
        return self.unpenalised and (not self.family.minimum_norm or fewest >= self.d)


def _rows(rows: Any) -> tuple[np.ndarray | None, np.ndarray | None] | None:
    """Design and factor; None for covariates of the user's own."""
    if type(rows) is NormalRows:
        return None, np.asarray(rows.factor, np.float64)
    if type(rows) is Design:
        return np.asarray(rows.given, np.float64), None if rows.factor is None else np.asarray(rows.factor, np.float64)
    return None


def _setting(s: Process) -> Setting | None:
    if s.drawn_from is not Regression:
        return None
    real = s.source.family
    mine, theirs = _rows(s.family.rows), _rows(real.rows)
    if mine is None or theirs is None or not all(_same(a, b) for a, b in zip(mine, theirs, strict=True)):
        return None
    weights = np.asarray(s.source.params.weights, np.float64)
    return Setting(mine[0], mine[1], weights, float(real.noise) ** 2, float(s.family.noise) ** 2, s.family)


def _same(a: np.ndarray | None, b: np.ndarray | None) -> bool:
    return a is b if a is None or b is None else a.shape == b.shape and bool(np.all(a == b))


replaced: dict[str, Any] = {"family": Regression, "regime": regimes.Replace}


# --- what is learnt on average ----------------------------------------------------------------------------------------------------


@prediction(
    observables.coefficients, workflows.conserved_mean, family=Regression, regime=CONSERVING, formula="E w_n = w_0",
    conditions="least squares, labels of any law with the mean w . x, data sets picked without a look at the labels", order="exact",
)  # fmt: skip
def _(s: Process, conserved_mean: Any) -> Any:
    if s.drawn_from is not Regression:
        return None
    rows, d = _rows(s.family.rows), int(np.shape(s.source.params.weights)[0])
    if rows is None or _rows(s.source.family.rows) is None:
        return None
    weights = np.asarray(s.source.params.weights, np.float64)
    learner = Setting(*rows, weights, 0.0, 0.0, s.family)
    fewest = int(s.sizes.min()) if type(s.regime) is not regimes.AccumulateSubsample else _subsample(s)
    if not learner.least_squares(fewest) or fewest < d + 1 or not _spanned(s, learner, fewest):
        return None
    return conserved_mean(weights, s.fits)


def _spanned(s: Process, learner: Setting, fewest: int) -> bool:
    """Whether every data set spans all d dimensions: the shortest solution is biased where one does not, and any other learner fails."""
    if not learner.family.minimum_norm:
        return True
    if learner.given is None:
        return learner.factor is not None and bool(np.linalg.matrix_rank(learner.factor) == learner.d)
    # the other regimes pool the first rows of the design with the same first rows
    pools_whole = type(s.regime) in (regimes.Replace, regimes.Accumulate)
    return pools_whole and bool(np.linalg.matrix_rank(learner.given[:fewest]) == learner.d)


def _subsample(s: Process) -> int:
    return int(s.sizes.min()) if s.regime.budget is None else min(int(s.regime.budget), int(s.sizes.min()))


def _biased(s: Process, ridge: Any, stopped: Any) -> tuple[Setting, np.ndarray, np.ndarray, np.ndarray] | None:
    """A ridge or stopped learner on its own design: eigenvalues (d,), axes (d, d) and what one fit keeps of each (d,)."""
    found = _setting(s)
    if found is None or found.given is None or found.factor is not None or found.unpenalised:
        return None
    if s.size != len(found.given) or np.ndim(s.family.penalty) or s.family.minimum_norm:
        return None
    values, axes = np.linalg.eigh(found.second_moment)
    values = np.maximum(values, 0.0)
    if s.family.steps is None:
        kept = ridge(values, float(s.family.penalty), 1)
    elif np.any(np.asarray(s.family.penalty)):
        return None
    else:
        kept = stopped(values, float(s.family.rate), s.family.steps, 1)
    return found, values, axes, kept


@prediction(
    observables.coefficients, errors.ridge_shrinkage, errors.gradient_shrinkage, **replaced,
    formula="E w_n = a^n w_0 along each axis of the design, a = s/(s + l) (ridge) or 1 - (1 - eta s)^k (stopped descent)",
    conditions="the same rows at every fit, replace", order="exact",
)  # fmt: skip
def _(s: Process, ridge_shrinkage: Any, gradient_shrinkage: Any) -> Any:
    found = _biased(s, ridge_shrinkage, gradient_shrinkage)
    if found is None:
        return None
    setting, _, axes, kept = found
    return (kept[None] ** s.fits[:, None] * (axes.T @ setting.weights)[None]) @ axes.T


@prediction(
    observables.excess_risk, errors.shrunken_risk, errors.ridge_shrinkage, errors.gradient_shrinkage, **replaced
)
def _(s: Process, shrunken_risk: Any, ridge_shrinkage: Any, gradient_shrinkage: Any) -> Any:
    found = _biased(s, ridge_shrinkage, gradient_shrinkage)
    if found is None or found[0].noise != found[0].own:
        return None
    setting, values, axes, kept = found
    return sum(shrunken_risk(values, axes.T @ setting.weights, kept, setting.own, s.size, s.fits))


# --- fresh normal rows ------------------------------------------------------------------------------------------------------------


def _fresh_rows(s: Process) -> Setting | None:
    """Least squares on fresh normal rows, enough of them at each fit for a finite risk."""
    found = _setting(s)
    fewest = int(s.sizes.min())
    if found is None or found.given is not None or not found.least_squares(fewest) or fewest < found.d + 2:
        return None
    if not _spanned(s, found, fewest):
        return None
    return found


@prediction(
    observables.excess_risk, regression.replaced_risk, **replaced,
    formula="sum_i sigma_i^2 d/(T_i - d - 1)", conditions="least squares, fresh normal rows, every T_i >= d + 2, replace",
)  # fmt: skip
def _(s: Process, replaced_risk: Any) -> Any:
    found = _fresh_rows(s)
    return None if found is None else s.after(np.cumsum(replaced_risk(s.sizes, 1, found.d, _noises(s, found))))


def _noises(s: Process, found: Setting) -> np.ndarray:
    """Variance of the labels of each fit: real ones at the first."""
    return np.where(np.arange(s.last) == 0, found.noise, found.own)


@prediction(observables.excess_risk, regression.minimum_norm_risk, **replaced)
def _(s: Process, minimum_norm_risk: Any) -> Any:
    found = _setting(s)
    if found is None or found.given is not None or not found.isotropic or found.noise != found.own or s.size is None:
        return None
    if not s.family.minimum_norm or not found.unpenalised or s.size > found.d - 2:
        return None
    norm = float(found.weights @ found.second_moment @ found.weights)
    return minimum_norm_risk(s.size, s.fits, found.d, found.own, squared_norm=norm)


@prediction(
    observables.excess_risk, regression.accumulated_risk_fresh_rows, family=Regression, regime=regimes.Accumulate
)
def _(s: Process, accumulated_risk_fresh_rows: Any) -> Any:
    found = _fresh_rows(s)
    if found is None or s.size is None or found.noise != found.own:
        return None
    return accumulated_risk_fresh_rows(s.size, s.fits, found.d, found.own)


@prediction(observables.excess_risk, regression.fresh_real_risk, family=Regression, regime=regimes.FreshReal)
def _(s: Process, fresh_real_risk: Any) -> Any:
    found, real = _fresh_rows(s), steady(portion(s.regime.share, s.sizes), s.sizes)
    if found is None or s.size is None or real is None or not found.isotropic or found.noise != found.own:
        return None
    return fresh_real_risk(real, s.size - real, s.fits, found.d, found.own)


# --- given rows -------------------------------------------------------------------------------------------------------------------


@prediction(
    observables.excess_risk, regression.fixed_design_risk, **replaced,
    formula="sum_i sigma_i^2 tr S (X_i' X_i)^-1, X_i the first T_i rows",
)  # fmt: skip
def _(s: Process, fixed_design_risk: Any) -> Any:
    found = _design(s)
    if found is None or found.given is None:
        return None
    sizes, places = np.unique(s.sizes, return_inverse=True)
    steps = [float(fixed_design_risk(found.given[:n], 1, 1.0, second_moment=found.second_moment)) for n in sizes]
    return s.after(np.cumsum(np.array(steps)[places] * _noises(s, found)))


@prediction(observables.excess_risk, regression.fixed_design_risk, family=Regression, regime=regimes.Accumulate)
def _(s: Process, fixed_design_risk: Any) -> Any:
    found = _design(s)
    if found is None or found.given is None or s.size is None or found.noise != found.own:
        return None
    rows = found.given[: s.size]
    return fixed_design_risk(rows, s.fits, found.own, second_moment=found.second_moment, accumulate=True)


def _design(s: Process) -> Setting | None:
    """Least squares on a given design, of full rank by its first rows already."""
    found = _setting(s)
    if found is None or found.given is None or not found.least_squares(int(s.sizes.min())):
        return None
    rows = found.given[: s.sizes.min()]
    return found if np.linalg.matrix_rank(rows) == found.d else None


@prediction(
    observables.excess_risk, regression.weighted_mean_path, family=Regression, regime=regimes.Weighted,
    conditions="a column of ones: a mean refitted to n real and n/k synthetic draws, which weigh w and 1 - w",
)  # fmt: skip
def _(s: Process, weighted_mean_path: Any) -> Any:
    found = _design(s)
    real, weight = steady(portion(s.regime.share, s.sizes), s.sizes), steady(s.regime.weight, s.sizes)
    if found is None or found.given is None or s.size is None or real is None or weight is None:
        return None
    if found.given.shape[1] > 1 or not np.all(found.given == 1) or found.noise != found.own or not 0 < real < s.size:
        return None
    unit = weighted_mean_path(weight, real / (s.size - real), real, s.fits, found.own)
    return unit * found.second_moment[0, 0]

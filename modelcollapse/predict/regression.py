"""Linear regression refitted to its own labels: each fit adds the same risk, and a biased learner forgets the truth."""

from __future__ import annotations

import dataclasses
import functools

import numpy as np
from numpy.typing import ArrayLike

from modelcollapse import observables, regimes
from modelcollapse.families import Design, NormalRows, Regression
from modelcollapse.predict.prediction import Function
from modelcollapse.predict.registry import prediction
from modelcollapse.predict.setting import Setting, known, needed
from modelcollapse.protocols import Source
from modelcollapse_theory import errors, regression, workflows


@dataclasses.dataclass(frozen=True, eq=False)
class Learner:
    """A regression on rows that are known, and how it learns."""

    given: np.ndarray | None  # the design (T, d), or None for fresh normal rows
    factor: np.ndarray | None  # of the covariance of fresh rows, or of the rows that an error on a design is judged on
    weights: np.ndarray  # (d,), true
    noise: float  # variance of real labels
    own: float  # variance of synthetic labels
    family: Regression

    @property
    def d(self) -> int:
        """Number of covariates."""
        return self.weights.size

    @property
    def design(self) -> np.ndarray:
        """The design ``(T, d)``, where the rows are given."""
        return known(self.given)

    @property
    def second_moment(self) -> np.ndarray:
        """E x x' ``(d, d)`` of the rows that an error is judged on."""
        return self.design.T @ self.design / len(self.design) if self.factor is None else self.factor @ self.factor.T

    @property
    def isotropic(self) -> bool:
        """Whether the second moment is a multiple of the unit matrix."""
        moment = self.second_moment
        return bool(np.allclose(moment, moment[0, 0] * np.eye(self.d), rtol=1e-6, atol=1e-6 * moment[0, 0]))

    @property
    def unpenalised(self) -> bool:
        """Whether it is least squares, to the end and without a penalty."""
        return self.family.steps is None and not np.any(np.asarray(self.family.penalty))

    def least_squares(self, fewest: int) -> bool:
        """Whether the learner is least squares: no penalty, no early stop, and d rows where it wants the shortest."""
        return self.unpenalised and (not self.family.minimum_norm or fewest >= self.d)


Rows = tuple[np.ndarray | None, np.ndarray | None]


def _rows(rows: Source | NormalRows | Design) -> Rows:
    """Design and factor; NotCovered for covariates of the user's own."""
    if type(rows) is NormalRows:
        return None, np.asarray(rows.factor, np.float64)
    needed(type(rows) is Design)
    assert isinstance(rows, Design)
    return np.asarray(rows.given, np.float64), None if rows.factor is None else np.asarray(rows.factor, np.float64)


def labelled(s: Setting) -> bool:
    """Real labels come from a regression."""
    return s.drawn_from is Regression


def matched(s: Setting) -> Learner:
    """Where source and family have the same rows."""
    mine, real = learner(s), s.source.family
    needed(all(_same(a, b) for a, b in zip((mine.given, mine.factor), _rows(real.rows), strict=True)))
    return dataclasses.replace(mine, noise=float(real.noise) ** 2, own=float(s.family.noise) ** 2)


def learner(s: Setting) -> Learner:
    """Where the rows of both are known; the labels may have any noise."""
    weights = np.asarray(s.source.params.weights, np.float64)
    return Learner(*_rows(s.family.rows), weights, np.nan, np.nan, s.family)


def _same(a: np.ndarray | None, b: np.ndarray | None) -> bool:
    return a is b if a is None or b is None else a.shape == b.shape and bool(np.all(a == b))


ruled = functools.partial(prediction, family=Regression, source=labelled)
replaced = functools.partial(ruled, regime=regimes.Replace)
risk = functools.partial(ruled, observables.excess_risk)


# --- what is learnt on average ---------------------------------------------------------------------------------------


@ruled(
    observables.coefficients, workflows.conserved_mean, formula="E w_n = w_0", order="exact",
    conditions="least squares, labels of any law with the mean w . x, data sets picked without a look at the labels",
)  # fmt: skip
def _(s: Setting, conserved_mean: Function) -> ArrayLike:
    mine = learner(s)
    _rows(s.source.family.rows)
    fewest = int(s.sizes.min())
    if isinstance(s.regime, regimes.AccumulateSubsample) and s.regime.budget is not None:
        fewest = min(int(s.regime.budget), fewest)
    needed(mine.least_squares(fewest) and fewest >= mine.d + 1 and _spanned(s, mine, fewest))
    return conserved_mean(mine.weights, s.fits)


def _spanned(s: Setting, mine: Learner, fewest: int) -> bool:
    """Whether each data set spans all d dimensions: else the shortest solution is biased, and other learners fail."""
    if not mine.family.minimum_norm:
        return True
    if mine.given is None:
        return mine.factor is not None and bool(np.linalg.matrix_rank(mine.factor) == mine.d)
    # the other regimes pool the first rows of the design with the same first rows
    pools_whole = type(s.regime) in (regimes.Replace, regimes.Accumulate)
    return pools_whole and bool(np.linalg.matrix_rank(mine.given[:fewest]) == mine.d)


def _biased(s: Setting, ridge: Function, stopped: Function) -> tuple[Learner, np.ndarray, np.ndarray, np.ndarray]:
    """A ridge or stopped learner on its own design; eigenvalues (d,), axes (d, d), what one fit keeps of each (d,)."""
    found, family = matched(s), s.family
    needed(found.factor is None and not found.unpenalised and s.size == len(found.design))
    needed(np.ndim(family.penalty) == 0 and not family.minimum_norm)
    values, axes = np.linalg.eigh(found.second_moment)
    values = np.maximum(values, 0.0)
    if family.steps is None:
        return found, values, axes, ridge(values, float(family.penalty), 1)
    needed(not np.any(np.asarray(family.penalty)))
    return found, values, axes, stopped(values, float(family.rate), family.steps, 1)


@replaced(
    observables.coefficients, errors.ridge_shrinkage, errors.gradient_shrinkage,
    formula="E w_n = a^n w_0 along each axis of the design, "
    "a = s/(s + l) (ridge) or 1 - (1 - eta s)^k (stopped descent)",
    conditions="the same rows at every fit, replace", order="exact",
)  # fmt: skip
def _(s: Setting, ridge_shrinkage: Function, gradient_shrinkage: Function) -> ArrayLike:
    found, _, axes, kept = _biased(s, ridge_shrinkage, gradient_shrinkage)
    return (kept[None] ** s.fits[:, None] * (axes.T @ found.weights)[None]) @ axes.T


@risk(errors.shrunken_risk, errors.ridge_shrinkage, errors.gradient_shrinkage, regime=regimes.Replace)
def _(s: Setting, shrunken_risk: Function, ridge_shrinkage: Function, gradient_shrinkage: Function) -> ArrayLike:
    found, values, axes, kept = _biased(s, ridge_shrinkage, gradient_shrinkage)
    needed(found.noise == found.own)
    return sum(shrunken_risk(values, axes.T @ found.weights, kept, found.own, s.size, s.fits))


# --- fresh normal rows -----------------------------------------------------------------------------------------------


def fresh_rows(s: Setting) -> Learner:
    """Least squares on fresh normal rows, enough of them at each fit for a finite risk."""
    found, fewest = matched(s), int(s.sizes.min())
    needed(found.given is None and found.least_squares(fewest) and fewest >= found.d + 2)
    needed(_spanned(s, found, fewest))
    return found


def one_noise(found: Learner) -> float:
    """The variance of the labels, where real and synthetic ones have the same."""
    needed(found.noise == found.own)
    return found.own


def noises(s: Setting, found: Learner) -> np.ndarray:
    """Variance of the labels of each fit: real ones at the first."""
    return np.where(np.arange(s.last) == 0, found.noise, found.own)


@risk(
    regression.replaced_risk, regime=regimes.Replace, formula="sum_i sigma_i^2 d/(T_i - d - 1)",
    conditions="least squares, fresh normal rows, every T_i >= d + 2, replace",
)  # fmt: skip
def _(s: Setting, replaced_risk: Function) -> ArrayLike:
    found = fresh_rows(s)
    return s.after(np.cumsum(replaced_risk(s.sizes, 1, found.d, noises(s, found))))


@risk(regression.minimum_norm_risk, regime=regimes.Replace)
def _(s: Setting, minimum_norm_risk: Function) -> ArrayLike:
    found = matched(s)
    needed(found.given is None and found.isotropic and s.family.minimum_norm and found.unpenalised)
    needed(s.size <= found.d - 2)
    norm = float(found.weights @ found.second_moment @ found.weights)
    return minimum_norm_risk(s.size, s.fits, found.d, one_noise(found), squared_norm=norm)


@risk(regression.accumulated_risk_fresh_rows, regime=regimes.Accumulate)
def _(s: Setting, accumulated_risk_fresh_rows: Function) -> ArrayLike:
    found = fresh_rows(s)
    return accumulated_risk_fresh_rows(s.size, s.fits, found.d, one_noise(found))


@risk(regression.fresh_real_risk, regime=regimes.FreshReal)
def _(s: Setting, fresh_real_risk: Function) -> ArrayLike:
    found, real = fresh_rows(s), s.items(s.regime.share)
    needed(found.isotropic)
    return fresh_real_risk(real, s.size - real, s.fits, found.d, one_noise(found))


# --- given rows ------------------------------------------------------------------------------------------------------


def given_rows(s: Setting) -> Learner:
    """Least squares on a given design, of full rank by its first rows already."""
    found, fewest = matched(s), int(s.sizes.min())
    needed(found.least_squares(fewest) and np.linalg.matrix_rank(found.design[:fewest]) == found.d)
    return found


@risk(
    regression.fixed_design_risk, regime=regimes.Replace,
    formula="sum_i sigma_i^2 tr S (X_i' X_i)^-1, X_i the first T_i rows",
)  # fmt: skip
def _(s: Setting, fixed_design_risk: Function) -> ArrayLike:
    found = given_rows(s)
    sizes, places = np.unique(s.sizes, return_inverse=True)
    moment = found.second_moment
    steps = [float(fixed_design_risk(found.design[:n], 1, 1.0, second_moment=moment)) for n in sizes]
    return s.after(np.cumsum(np.array(steps)[places] * noises(s, found)))


@risk(regression.fixed_design_risk, regime=regimes.Accumulate)
def _(s: Setting, fixed_design_risk: Function) -> ArrayLike:
    found = given_rows(s)
    rows, moment = found.design[: s.size], found.second_moment
    return fixed_design_risk(rows, s.fits, one_noise(found), second_moment=moment, accumulate=True)


@risk(
    regression.weighted_mean_path, regime=regimes.Weighted,
    conditions="a column of ones: a mean refitted to n real and n/k synthetic draws, which weigh w and 1 - w",
)  # fmt: skip
def _(s: Setting, weighted_mean_path: Function) -> ArrayLike:
    found, real, weight = given_rows(s), s.items(s.regime.share), s.steady(s.regime.weight)
    needed(found.design.shape[1] == 1 and np.all(found.design == 1) and 0 < real < s.size)
    unit = weighted_mean_path(weight, real / (s.size - real), real, s.fits, one_noise(found))
    return unit * found.second_moment[0, 0]

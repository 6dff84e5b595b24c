"""Several models: diversity within and between them and of the union, and the moments of normal laws."""

from __future__ import annotations

from typing import Any

import numpy as np

from modelcollapse import families, observables
from modelcollapse.observables import Between, Union
from modelcollapse.predict.prediction import Function
from modelcollapse.predict.registry import Answer, prediction
from modelcollapse.predict.setting import Setting, needed
from modelcollapse.regimes import Exchange
from modelcollapse.regimes.checks import NEVER, counts_of, learning, shares_of, sizes_of
from modelcollapse.together import Separate
from modelcollapse_theory import populations

# --- the process as the theory has it --------------------------------------------------------------------------------


def of_states(s: Setting) -> bool:
    """A population of discrete models."""
    return type(s.family.family) is families.Discrete and all(one.rows is None for one in settings(s))


def of_normal(s: Setting) -> bool:
    """A population of normal models."""
    return type(s.family.family) is families.Gaussian and all(one.rows is None for one in settings(s))


def settings(s: Setting) -> list[Setting]:
    """The setting of each model alone: of its own truth, where each has one."""
    sources = s.source.sources if type(s.source) is Separate else [s.source] * s.regime.models
    return [Setting(s.family.family, one, s.regime, s.sizes, s.fits) for one in sources]


def one_truth(s: Setting) -> bool:
    """Whether all models have one source."""
    return type(s.source) is not Separate


def times(regime: Exchange) -> dict[str, Any]:
    """When models enter and are frozen, as numbers of fits, and what they share."""
    given: dict[str, Any] = {}
    if regime.enters is not None:
        given["enters"] = np.asarray(regime.enters) + 1
    if regime.frozen is not None:
        frozen = np.asarray(regime.frozen)
        given["frozen"] = np.where(frozen == NEVER, np.inf, frozen.astype(float))
    if regime.shared is not None and regime.models > 1:
        common = np.broadcast_to(np.asarray(regime.shared), (regime.models,))
        given["shared"] = np.minimum.outer(common, common) * (1 - np.eye(regime.models, dtype=int))
    return given


def by_shares(s: Setting) -> tuple[Any, ...]:
    """Weights, real shares and sizes in each fit; what nobody reads is real."""
    shares = shares_of(s.regime, s.last - 1).copy()
    shares[~learning(s.regime, s.last - 1)] = np.eye(s.regime.models + 1)[-1]
    return shares[..., :-1], shares[..., -1], sizes_of(s.regime, s.sizes)


def by_counts(s: Setting) -> tuple[Any, ...]:
    """Fixed counts in each fit, of models and of what is real; the first fit is on real data."""
    counts = np.broadcast_to(counts_of(s.regime, s.sizes), (s.last, s.regime.models, s.regime.models + 1)).copy()
    unread = ~learning(s.regime, s.last - 1)
    counts[unread] = 0
    counts[unread, -1] = sizes_of(s.regime, s.sizes)[unread]
    return counts[..., :-1], counts[..., -1]


def absent(s: Setting) -> np.ndarray:
    """Which models ``(fits, D)`` have not entered."""
    enters = np.zeros(s.regime.models) if s.regime.enters is None else np.asarray(s.regime.enters)
    return s.fits[:, None] - 1 < enters


def answer(s: Setting, values: np.ndarray, pairs: bool = False) -> Answer:
    """Values ``(fits, D, ...)``, or of pairs ``(fits, D, D, ...)``; NaN where a model has not entered."""
    gone = absent(s)
    gone = gone[:, :, None] | gone[:, None] if pairs else gone
    shape = gone.shape + (1,) * (values.ndim - gone.ndim)
    where = np.broadcast_to(gone.reshape(shape), values.shape)
    return Answer(np.where(where, np.nan, values), absent=where)


def mixture(s: Setting) -> np.ndarray:
    """The weights of a union ``(fits, D)``: as given, or equal for all models that have entered."""
    there = ~absent(s)
    given = s.observable.weights
    if given is None:
        return there / there.sum(1, keepdims=True)
    weights = np.broadcast_to(np.asarray(given, np.float64), there.shape)
    needed((there | (weights == 0)).all())
    return weights


# --- laws on states --------------------------------------------------------------------------------------------------

STATES: dict[str, Any] = {"family": families.Population, "regime": Exchange, "where": of_states}


def laws(s: Setting) -> np.ndarray:
    """The law of each model's source, one a row."""
    return np.stack([one.law for one in settings(s)])


def means(s: Setting, mean_laws: Function) -> np.ndarray:
    """E p_i, ``(fits, D, K)``."""
    weights, real, _ = by_shares(s)
    given = {name: value for name, value in times(s.regime).items() if name != "shared"}
    return mean_laws(weights, real, laws(s), s.fits, **given)


def products(s: Setting, overlaps: Function, overlaps_by_counts: Function) -> tuple[np.ndarray, Function]:
    """E sum p_i p_j, ``(fits, D, D)``, and the theorem that says it."""
    if s.regime.fixed:
        return overlaps_by_counts(*by_counts(s), laws(s), s.fits, **times(s.regime)), overlaps_by_counts
    return overlaps(*by_shares(s), laws(s), s.fits, **times(s.regime)), overlaps


@prediction(observables.probabilities, populations.mean_laws, formula="E p_i = m_i, m' = diag(g) q + W m", **STATES)
def _(s: Setting, mean_laws: Function) -> Answer:
    return answer(s, means(s, mean_laws))


@prediction(
    observables.mismatch, populations.mean_laws, formula="1 - sum_x m_i(x) q_i(x), m' = diag(g) q + W m", **STATES
)
def _(s: Setting, mean_laws: Function) -> Answer:
    return answer(s, 1 - (means(s, mean_laws) * laws(s)).sum(-1))


PRODUCTS = (populations.overlaps, populations.overlaps_by_counts)


@prediction(observables.heterozygosity, *PRODUCTS, formula="1 - E sum_x p_i(x)^2", **STATES)
def _(s: Setting, *given: Function) -> Answer:
    found, used = products(s, *given)
    return described(answer(s, 1 - np.diagonal(found, axis1=1, axis2=2)), used)


@prediction((Between, observables.mismatch), *PRODUCTS, formula="1 - E sum_x p_i(x) p_j(x)", **STATES)
def _(s: Setting, *given: Function) -> Answer:
    found, used = products(s, *given)
    return described(answer(s, 1 - found, pairs=True), used)


@prediction(
    (Union, observables.heterozygosity), *PRODUCTS, formula="1 - sum_ij u_i u_j E sum_x p_i(x) p_j(x)", **STATES
)
def _(s: Setting, *given: Function) -> Answer:
    found, used = products(s, *given)
    u = mixture(s)
    values = 1 - np.einsum("fi,fij,fj->f", u, np.where(u[:, :, None] * u[:, None] > 0, found, 0.0), u)
    return described(Answer(values), used)


def described(found: Answer, used: Function) -> Answer:
    """The answer with the theorem that was evaluated."""
    return Answer(found.values, (used,), absent=found.absent)


LOSSES = (populations.losses, populations.losses_by_counts)


def lost(s: Setting, losses: Function, losses_by_counts: Function) -> tuple[np.ndarray, Function]:
    """V, ``(fits, D, D)``, of models of one truth."""
    needed(one_truth(s))
    if s.regime.fixed:
        return losses_by_counts(*by_counts(s), s.fits, **times(s.regime)), losses_by_counts
    return losses(*by_shares(s), s.fits, **times(s.regime)), losses


@prediction(observables.chi_square, *LOSSES, formula="E chi^2_i = (K - 1) v_ii", **STATES)
def _(s: Setting, *given: Function) -> Answer:
    found, used = lost(s, *given)
    states = int((settings(s)[0].law > 0).sum())
    return described(answer(s, (states - 1) * np.diagonal(found, axis1=1, axis2=2)), used)


# --- normal laws -----------------------------------------------------------------------------------------------------

NORMAL: dict[str, Any] = {"family": families.Population, "regime": Exchange, "where": of_normal}
MOMENTS = (populations.gaussian_moments, populations.losses_by_counts)


def moments(s: Setting, gaussian_moments: Function, losses_by_counts: Function) -> tuple[Any, Function]:
    """Of each coordinate E mu_i, E mu_i mu_j and E sigma_i^2 about the first truth, and these truths; the theorem."""
    each = settings(s)
    centre = each[0].mean
    needed(s.regime.shared is None)
    real = np.stack([one.mean - centre for one in each]), np.stack([one.variances for one in each])
    found = [
        _coordinate(s, real[0][:, c], real[1][:, c], gaussian_moments, losses_by_counts) for c in range(len(centre))
    ]
    used = losses_by_counts if s.regime.fixed else gaussian_moments
    return (centre, real[0], *(np.stack(values, -1) for values in zip(*found, strict=True))), used


def _coordinate(
    s: Setting, mean: np.ndarray, variance: np.ndarray, gaussian_moments: Function, losses_by_counts: Function
) -> tuple[np.ndarray, ...]:
    given, ddof = times(s.regime), s.family.family.ddof
    if not s.regime.fixed:
        # in units of the first standard deviation
        unit = np.sqrt(variance[0])
        found = gaussian_moments(
            *by_shares(s), s.fits, ddof=ddof, means=mean / unit, variances=variance / variance[0], **given
        )
        return found[0] * unit, found[1] * variance[0], found[2] * variance[0]
    needed(ddof == 0 and one_truth(s))
    loss = losses_by_counts(*by_counts(s), s.fits, **given)
    own = np.diagonal(loss, axis1=1, axis2=2)
    return np.zeros(own.shape), loss * variance[0], (1 - own) * variance[0]


def own(products: np.ndarray) -> np.ndarray:
    """The diagonal of ``(fits, D, D, d)``, as ``(fits, D, d)``."""
    return np.moveaxis(np.diagonal(products, axis1=1, axis2=2), -1, 1)


@prediction(observables.mean, *MOMENTS, formula="E mu_i: m' = g mu_0 + W m", **NORMAL)
def _(s: Setting, *given: Function) -> Answer:
    (centre, _, mean, _, _), used = moments(s, *given)
    return described(answer(s, centre + mean), used)


@prediction(observables.variance, *MOMENTS, formula="E sigma_i^2 = S_i", **NORMAL)
def _(s: Setting, *given: Function) -> Answer:
    found, used = moments(s, *given)
    return described(answer(s, found[-1]), used)


@prediction(observables.total_variance, *MOMENTS, formula="sum of S_i", **NORMAL)
def _(s: Setting, *given: Function) -> Answer:
    found, used = moments(s, *given)
    return described(answer(s, found[-1].sum(-1)), used)


@prediction(observables.squared_mean_error, *MOMENTS, formula="E |mu_i - mu_0|^2 = m_ii", **NORMAL)
def _(s: Setting, *given: Function) -> Answer:
    (_, real, mean, second, _), used = moments(s, *given)
    return described(answer(s, (own(second) - 2 * real * mean + real**2).sum(-1)), used)


@prediction((Between, observables.squared_mean_error), *MOMENTS, formula="m_ii + m_jj - 2 m_ij", **NORMAL)
def _(s: Setting, *given: Function) -> Answer:
    (_, _, _, second, _), used = moments(s, *given)
    mine = own(second)
    return described(answer(s, (mine[:, :, None] + mine[:, None] - 2 * second).sum(-1), pairs=True), used)


@prediction((Union, observables.variance), *MOMENTS, formula="sum_i u_i (S_i + m_ii) - u^T m u", **NORMAL)
def _(s: Setting, *given: Function) -> Answer:
    (_, _, _, second, variance), used = moments(s, *given)
    u = mixture(s)
    both = np.where((u[:, :, None] * u[:, None] > 0)[..., None], second, 0.0)
    there = np.where(u[..., None] > 0, variance, 0.0)
    values = np.einsum("fi,fic->fc", u, there + own(both)) - np.einsum("fi,fijc,fj->fc", u, both, u)
    return described(Answer(values), used)

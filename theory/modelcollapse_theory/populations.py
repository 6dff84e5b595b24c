r"""Several models that learn from one another keep what a matrix says: the chances that draws of two share an ancestor.

Model i is refitted to M_i items; each is real with probability g_i and comes from model j's last fit with probability
W_ij, g_i + sum_j W_ij = 1. Let v_ij be the chance that a draw from fit i and an independent draw from fit j descend
from the same real draw. Then with no approximation, for every family that reproduces the mean and the covariance
(divided by M) of its data,

.. math:: B = W V W^T, \qquad V' = B + \mathrm{diag}\left(\frac{1 - B_{ii}}{M_i}\right), \qquad
   V_1 = \mathrm{diag}(1/M_i)

.. math:: E[1 - \textstyle\sum_x p_i(x) p_j(x)] = (1 - v_{ij}) H_0, \quad
   E \chi^2(p_i \| p_0) = (K - 1) v_{ii}, \quad E \Sigma_i = (1 - v_{ii}) \Sigma_0, \quad
   E (\mu_i - \mu_0)(\mu_j - \mu_0)^T = v_{ij} \Sigma_0

so that the functions of ``workflows`` turn v_ii into errors. One model is ``workflows.random_mixing``.

Conventions: ``weights`` W (D, D) and ``real`` g (D,), or schedules (fits, D, D) and (fits, D), whose entry n - 1 is for
fit n; ``sizes`` M is one number, (D,) or (fits, D). Fits count from 1; the first is on real data alone, and no row of
``weights`` is read for it. ``enters`` (D,) is the fit at which a model is there first (1), ``frozen`` (D,) the last fit
at which it is refitted (infinity for never). A model that enters later learns from its row at once; before, what
concerns it is NaN. ``fits`` may be an array of any shape; fit 0 is the truth. Derived in
theory/derivations/populations.md.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from modelcollapse_theory._domain import SQUARABLE, Array, NotCovered, choice, law, within
from modelcollapse_theory._domain import real as finite
from modelcollapse_theory._exchange import Exchange, counted_exchange, exchange, moments
from modelcollapse_theory._register import theorem

_SOURCE = "derived in theory/derivations/populations.md"


def _losses(setting: Exchange, fits: ArrayLike) -> Array:
    # chances of a common ancestor are second moments with an empty alphabet: real items have no product
    empty, ones = np.zeros((1, setting.models, 0)), np.ones((1, setting.models))
    asked, states = moments(setting, fits, empty, ones)
    square = (setting.models, setting.models)
    return _placed(asked, fits, [np.minimum(state.products, 1.0) for state in states], square)


def _placed(asked: NDArray[np.int64], fits: ArrayLike, values: list[Array], shape: tuple[int, ...]) -> Array:
    """What was found at the fits ``asked``, where ``fits`` asks for it."""
    at = np.searchsorted(asked, np.asarray(fits).astype(np.int64))
    return np.stack(values)[at] if values else np.zeros((*np.shape(fits), *shape))


def _per_model(name: str, value: Array, models: int) -> Array:
    if value.shape not in ((), (models,)):
        raise ValueError(f"{name} must be one number or one for each of the {models} models, got shape {value.shape}")
    return np.broadcast_to(value, (models,))


@theorem(
    statement="V' = B + diag((1 - B_ii)/M_i), B = W V W^T, V_1 = diag(1/M_i): losses within and between models",
    conditions="each item real with probability g_i or from model j with probability W_ij; schedules, late entrants, "
    "frozen models, items in common",
    order="exact",
    source="island model: Wright 1943, Nagylaki 1980; " + _SOURCE,
)
def losses(
    weights: ArrayLike,
    real: ArrayLike,
    sizes: ArrayLike,
    fits: ArrayLike,
    *,
    enters: ArrayLike | None = None,
    frozen: ArrayLike | None = None,
    shared: ArrayLike | None = None,
) -> Array:
    r"""V_n = (v_ij), shape ``fits.shape + (D, D)``, when each item comes from its source independently of the others.

    ``shared``: o_ij items that the data sets of i and j have in common in every fit, one number or symmetric (D, D),
    the rest independent. A pair of draws then is one such item with chance w = o_ij/(M_i M_j), and

    .. math:: v'_{ij} = w + (1 - w) B_{ij}, \qquad i \ne j .

    It needs equal rows of W and g for these models: an item came from one source, whoever has it; else NotCovered.
    Exact. Raises ValueError for other shapes, rows that do not sum to 1, or weights on a model that is not there yet.
    """
    return _losses(exchange(weights, real, sizes, enters, frozen, shared), fits)


@theorem(
    statement="V' = C V C^T + diag((1 - sum_k C_ik v_kk)/M_i), C_ij = c_ij/M_i",
    conditions="exactly c_ij items of model i come from model j and r_i are real, drawn anew at every fit",
    order="exact",
    source=_SOURCE,
)
def losses_by_counts(
    counts: ArrayLike,
    real: ArrayLike,
    fits: ArrayLike,
    *,
    enters: ArrayLike | None = None,
    frozen: ArrayLike | None = None,
    shared: ArrayLike | None = None,
) -> Array:
    r"""V_n for fixed numbers: c_ij items from model j to i, ``counts`` (D, D) or (fits, D, D), and r_i = ``real``.

    The sizes are M_i = r_i + sum_j c_ij; the first fit has as many real items. Less is lost than with random numbers
    of the same means. ``shared``: o_ij of the *real* items are the same for i and j (in the first fit too): v'_ij
    gains o_ij/(M_i M_j). One model is ``workflows.fresh_counts``. Exact. Raises ValueError as ``losses``.
    """
    return _losses(counted_exchange(counts, real, enters, frozen, shared), fits)


@theorem(
    statement="S'_i = g_i + sum_k W_ik (S_k + m_kk) - B_ii, m' = B + diag(S'/M), B = W m W^T: E sigma^2 and E mu mu^T",
    conditions="Gaussians with ddof 1 (with 0 the fitted S is S' (1 - 1/M)), unit real variance; independent items",
    order="exact",
    source=_SOURCE,
)
def gaussian_moments(
    weights: ArrayLike,
    real: ArrayLike,
    sizes: ArrayLike,
    fits: ArrayLike,
    *,
    ddof: int = 1,
    means: ArrayLike = 0.0,
    variances: ArrayLike = 1.0,
    enters: ArrayLike | None = None,
    frozen: ArrayLike | None = None,
    shared: ArrayLike | None = None,
) -> tuple[Array, Array, Array]:
    r"""E of means (D,), E mu_i mu_j (D, D) and E sigma_i^2 (D,) of Gaussians with either divisor, after ``fits`` fits.

    Model i's real data has mean ``means``_i and variance ``variances``_i, the same for all where one number is given;
    in more dimensions a common ``variances`` = 1 stands for Sigma_0. With ddof = 0 and common truth these are V and 1 -
    V of ``losses``; with ddof = 1 variance is created: each model's is unbiased for what it saw, and the means spread.
    Exact, no normality is used. Raises ValueError for ddof 1 unless all sizes are at least 2, and as ``losses``.
    """
    return _gaussian(exchange(weights, real, sizes, enters, frozen, shared), fits, ddof, means, variances)


@theorem(
    statement="S' = T - P, m' = C m C^T + diag((T - sum_k C_ik m_kk)/M), T = g s^2 + sum_k C_ik (S_k + m_kk), M (M "
    "- 1) P = sum of products of two different items",
    conditions="Gaussians with ddof 1 (with 0 the fitted S is T - m'_ii); exactly c_ij items from model j and r_i "
    "real, of mean 0 (with mean nu, T has g (s^2 + nu^2) and the diagonal - g nu^2)",
    order="exact",
    source=_SOURCE,
)
def gaussian_moments_by_counts(
    counts: ArrayLike,
    real: ArrayLike,
    fits: ArrayLike,
    *,
    ddof: int = 1,
    means: ArrayLike = 0.0,
    variances: ArrayLike = 1.0,
    enters: ArrayLike | None = None,
    frozen: ArrayLike | None = None,
    shared: ArrayLike | None = None,
) -> tuple[Array, Array, Array]:
    """``gaussian_moments`` for fixed numbers of items, given as in ``losses_by_counts``. Exact.

    One model is ``fresh_gaussian.mean_error_and_variance``.
    """
    return _gaussian(counted_exchange(counts, real, enters, frozen, shared), fits, ddof, means, variances)


def _gaussian(
    setting: Exchange, fits: ArrayLike, ddof: int, means: ArrayLike, variances: ArrayLike
) -> tuple[Array, Array, Array]:
    unbiased = bool(choice("ddof", ddof, (0, 1)))
    if unbiased and setting.sizes.min() < 2:
        name = "counts and real" if setting.counted else "sizes"
        raise NotCovered(f"{name} must give each model at least 2 items where ddof = 1, got {setting.sizes.min():g}")
    centre = _per_model("means", within("means", means, -SQUARABLE, SQUARABLE), setting.models)
    spread = _per_model("variances", within("variances", variances, 0, SQUARABLE), setting.models)
    _one_source(setting, np.stack([centre, spread], axis=-1)[None])
    asked, states = moments(setting, fits, centre[None, :, None], (spread + centre**2)[None], unbiased=unbiased)
    found, square = list(states), (setting.models, setting.models)
    return (
        _placed(asked, fits, [state.means[:, 0] for state in found], square[:1]),
        _placed(asked, fits, [state.products for state in found], square),
        _placed(asked, fits, [state.squares - np.diag(state.products) for state in found], square[:1]),
    )


def _one_source(setting: Exchange, truths: Array) -> None:
    """Refuse items in common of models whose truths (fits or 1, D, d) differ."""
    common = setting.shared.max(axis=0) * ~np.eye(setting.models, dtype=bool) > 0
    if np.any(common & (truths[:, :, None] != truths[:, None]).any(axis=(0, 3))):
        raise NotCovered("shared must be 0 between models whose real data has different laws: an item has one source")


def _laws(laws: ArrayLike, models: int) -> Array:
    """(fits or 1, D, K) of one law, one for each model, or one such table for each fit."""
    table = finite("laws", laws)
    if table.ndim not in (1, 2, 3) or table.size == 0 or (table.ndim > 1 and table.shape[-2] != models):
        raise ValueError(
            f"laws must be a law (states,), one for each of the {models} models ({models}, states), or such a table "
            f"for each fit, got shape {table.shape}"
        )
    rows = [law("laws", row) for row in table.reshape(-1, table.shape[-1])]
    states = table.shape[-1]
    return np.broadcast_to(
        np.stack(rows).reshape(-1, models if table.ndim > 1 else 1, states),
        (
            table.shape[0] if table.ndim == 3 else 1,
            models,
            states,
        ),
    )


@theorem(
    statement="m' = diag(g) q + W m for the mean laws m_i = E p_i of models whose real data has laws q_i",
    conditions="any family that reproduces the mean of its data; the laws q_i may change from fit to fit",
    order="exact",
    source=_SOURCE,
)
def mean_laws(
    weights: ArrayLike,
    real: ArrayLike,
    laws: ArrayLike,
    fits: ArrayLike,
    *,
    enters: ArrayLike | None = None,
    frozen: ArrayLike | None = None,
) -> Array:
    r"""E p_i, shape ``fits.shape + (D, K)``, of models that have truths of their own, ``laws`` q (D, K).

    ``laws`` may also be one law (K,), or (fits, D, K) where truths move. Sizes do not matter. Exact. Raises ValueError
    as ``losses``.
    """
    setting = exchange(weights, real, 1, enters, frozen)
    table = _laws(laws, setting.models)
    asked, states = moments(setting, fits, table, np.ones((1, setting.models)))
    return _placed(asked, fits, [state.means for state in states], table.shape[1:])


@theorem(
    statement="F'_ij = B_ij + [i = j](1 - B_ii)/M_i for F_ij = E sum_x p_i p_j, B_ij = E of the product of the pools",
    conditions="models whose real data has laws q_i of their own, which may move; independent items",
    order="exact",
    source=_SOURCE,
)
def overlaps(
    weights: ArrayLike,
    real: ArrayLike,
    sizes: ArrayLike,
    laws: ArrayLike,
    fits: ArrayLike,
    *,
    enters: ArrayLike | None = None,
    frozen: ArrayLike | None = None,
    shared: ArrayLike | None = None,
) -> Array:
    r"""F_ij = E sum_x p_i(x) p_j(x), shape ``fits.shape + (D, D)``: 1 - F_ii is the mean diversity of model i.

    .. math:: B_{ij} = g_i g_j \langle q_i, q_j \rangle + g_i \sum_l W_{jl} \langle q_i, m_l \rangle
       + g_j \sum_k W_{ik} \langle m_k, q_j \rangle + \sum_{kl} W_{ik} W_{jl} F_{kl}

    with the means m of ``mean_laws``. With one law for all, F = sum q^2 + H_0 V. ``laws`` as in ``mean_laws``, the rest
    as in ``losses``. Exact. Raises NotCovered where models with ``shared`` items have different laws.
    """
    setting = exchange(weights, real, sizes, enters, frozen, shared)
    return _overlaps(setting, laws, fits)


def _overlaps(setting: Exchange, laws: ArrayLike, fits: ArrayLike) -> Array:
    table = _laws(laws, setting.models)
    _one_source(setting, table)
    asked, states = moments(setting, fits, table, np.ones((1, setting.models)))
    return _placed(asked, fits, [state.products for state in states], (setting.models, setting.models))


@theorem(
    statement="F'_ij = B_ij + [i = j](1 - g_i |q_i|^2 - sum_k C_ik F_kk)/M_i, g_i = r_i/M_i",
    conditions="laws q_i of their own, exactly c_ij items from model j and r_i real",
    order="exact",
    source=_SOURCE,
)
def overlaps_by_counts(
    counts: ArrayLike,
    real: ArrayLike,
    laws: ArrayLike,
    fits: ArrayLike,
    *,
    enters: ArrayLike | None = None,
    frozen: ArrayLike | None = None,
    shared: ArrayLike | None = None,
) -> Array:
    """F_ij as in ``overlaps`` for fixed numbers of items, given as in ``losses_by_counts``. Exact."""
    return _overlaps(counted_exchange(counts, real, enters, frozen, shared), laws, fits)


@theorem(
    statement="v of the mixture sum_i u_i p_i is u^T V u: the loss of the union of models",
    conditions="any models with losses V; u a law over models",
    order="exact",
    source=_SOURCE,
)
def union_loss(lost: ArrayLike, mixture: ArrayLike) -> Array:
    r"""v of the law sum_i u_i p_i, ``mixture`` u (D,), from ``lost`` V (..., D, D). Exact.

    Two draws from it are draws from models i and j with chance u_i u_j. Raises ValueError for other shapes.
    """
    matrix, share = _matrix(lost), law("mixture", mixture)
    if share.size != matrix.shape[-1]:
        raise ValueError(f"mixture must have one entry for each of the {matrix.shape[-1]} models, got {share.size}")
    return np.asarray(np.einsum("i,...ij,j->...", share, matrix, share))


def _matrix(lost: ArrayLike) -> Array:
    matrix = within("lost", lost, 0, 1)
    if matrix.ndim < 2 or matrix.shape[-1] != matrix.shape[-2] or matrix.shape[-1] == 0:
        raise ValueError(f"lost must be a matrix (..., models, models), got shape {matrix.shape}")
    return matrix


@theorem(
    statement="E |p_i - p_j|^2 = (v_ii + v_jj - 2 v_ij) H_0: how far models are from one another",
    conditions="models of one truth",
    order="exact",
    source=_SOURCE,
)
def squared_distances(lost: ArrayLike) -> Array:
    r"""v_ii + v_jj - 2 v_ij, shape (..., D, D): times H_0 it is E |p_i - p_j|^2, times Sigma_0 the covariance of mu_i -
    mu_j.

    ``lost`` is V (..., D, D). Exact.
    """
    matrix = _matrix(lost)
    own = np.diagonal(matrix, axis1=-2, axis2=-1)
    return np.asarray(own[..., :, None] + own[..., None, :] - 2 * matrix)


@theorem(
    statement="F_ST = (mean v_ii - mean v_ij)/(1 - mean v_ij), i != j: the part of the diversity between models",
    conditions="models of one truth; a ratio of expectations, pairs i != j as in Hudson's estimator",
    order="exact",
    source="Wright 1951, Hudson, Slatkin, Maddison 1992; " + _SOURCE,
)
def differentiation(lost: ArrayLike) -> Array:
    r"""F_ST = 1 - (mean within-diversity)/(mean between-diversity) of D >= 2 models, shape (...).

    .. math:: F_{ST} = \frac{\bar v_w - \bar v_b}{1 - \bar v_b}

    1 for models that are different and have collapsed, 0 for copies of one law. Exact for the ratio of expectations;
    no chain has this value. Raises NotCovered where all has collapsed, where it is 0/0.
    """
    matrix = _matrix(lost)
    models = matrix.shape[-1]
    if models < 2:
        raise ValueError(f"lost must be of at least 2 models, got {models}")
    inner = np.trace(matrix, axis1=-2, axis2=-1)
    within_models, between = inner / models, (matrix.sum(axis=(-2, -1)) - inner) / (models * (models - 1))
    if np.any(between == 1):
        raise NotCovered("lost must be below 1 between models: where all have collapsed to one state F_ST is 0/0")
    return np.asarray((within_models - between) / (1 - between))

r"""Second moments of models that learn from one another: one recursion, whatever is conserved.

At fit n model i takes M_i items, each real with chance g_i, from model j with chance W_ij, or in fixed numbers. Let
F_ij = E x_i . x_j for the means (or laws) x_i of two fits, m_i = E x_i, and T_i = E |draw|^2 of one item. With a_i =
g_i q_i and b = W m, where q_i is what is real for model i,

.. math:: B = a a^T + a b^T + b a^T + W F W^T, \qquad m' = a + b, \qquad F'_{ij} = B_{ij} + [i = j] (T_i - P_i)/M_i

with P_i = B_ii for independent items and P_i = g_i |q_i|^2 + sum_k W_ik F_kk for fixed numbers. Derived in
theory/derivations/populations.md.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from modelcollapse_theory._domain import Array, NotCovered, law_tolerance, whole, within

LONGEST_RUN = 10**6
"""The most fits: each costs a step of a loop."""
_NEVER = np.iinfo(np.int64).max


class Step(NamedTuple):
    """One fit: W (D, D) with unit rows for models that rest, g (D,), M (D,), who is refitted (D,), and o_ij/(M_i
    M_j).
    """

    weights: Array
    real: Array
    sizes: Array
    refitted: Array
    shared: Array


@dataclasses.dataclass(frozen=True)
class Exchange:
    """Who learns from whom, checked: each array has an axis of fits in front, of length 1 where nothing changes."""

    weights: Array
    real: Array
    sizes: Array
    enters: Array
    frozen: Array
    shared: Array
    counted: bool

    @property
    def models(self) -> int:
        return int(self.weights.shape[-1])

    @property
    def constant_from(self) -> int:
        """The fit from which on all steps are the same, or one beyond all."""
        if max(len(self.weights), len(self.real), len(self.sizes), len(self.shared)) > 1:
            return _NEVER
        changes = [*self.enters, *(self.frozen[self.frozen < _NEVER] + 1)]
        return int(max(changes)) + 1

    def there(self, fit: int) -> Array:
        """Which models have a fit."""
        return np.asarray(self.enters <= fit)

    def step(self, fit: int) -> Step:
        """What happens at a fit, counted from 1: models that are there from fit 1 see real data alone in it."""
        weights, real, sizes, shared = (
            part[min(fit, len(part)) - 1] for part in (self.weights, self.real, self.sizes, self.shared)
        )
        refitted = self.there(fit) & (fit <= self.frozen)
        if fit == 1:
            weights, real = np.zeros_like(weights), np.ones_like(real)
        else:
            self._check(weights, real, sizes, refitted, fit)
        rests = np.diag((self.there(fit) & ~refitted).astype(np.float64))
        weights = np.where(refitted[:, None], weights, rests)
        both = np.outer(refitted, refitted)
        common = np.where(both & ~np.eye(self.models, dtype=bool), shared, 0.0)
        if not self.counted:
            _same_rows(common, weights, real)
        return Step(weights, np.where(refitted, real, 0.0), sizes, refitted, common / np.outer(sizes, sizes))

    def _check(self, weights: Array, real: Array, sizes: Array, refitted: Array, fit: int) -> None:
        ghosts = refitted[:, None] & (weights > 0) & ~self.there(fit - 1)
        if ghosts.any():
            i, j = np.argwhere(ghosts)[0]
            raise ValueError(
                f"weights must be 0 from models that have no fit yet, got {weights[i, j]:g} from model {j}, which "
                f"enters at fit {self.enters[j]}, to model {i} at fit {fit}"
            )


def _same_rows(common: Array, weights: Array, real: Array) -> None:
    for i, j in np.argwhere(np.triu(common) > 0):
        if not np.allclose([*weights[i], real[i]], [*weights[j], real[j]], rtol=0, atol=1e-9):
            raise NotCovered(
                f"shared must be 0 between models that learn from different sources, as models {i} and {j} do: "
                "an item that both have came from one source"
            )


def exchange(
    weights: ArrayLike,
    real: ArrayLike,
    sizes: ArrayLike,
    enters: ArrayLike | None = None,
    frozen: ArrayLike | None = None,
    shared: ArrayLike | None = None,
) -> Exchange:
    """Independent items: ``weights`` (D, D) and ``real`` (D,) with row sums g_i + sum_j W_ij = 1, or schedules.

    Raises ValueError for other shapes, sums, or entries outside [0, 1].
    """
    rows = _matrices("weights", within("weights", weights, 0, 1))
    models = rows.shape[-1]
    share = _vectors("real", within("real", real, 0, 1), models)
    size = _vectors("sizes", whole("sizes", sizes, 1, "a fit needs data").astype(np.float64), models)
    first, last = _times(models, enters, frozen)
    rows, share = _normal(rows, share, first)
    common = _common(shared, models, size, "sizes")
    return Exchange(rows, share, size, first, last, common, counted=False)


def counted_exchange(
    counts: ArrayLike,
    real: ArrayLike,
    enters: ArrayLike | None = None,
    frozen: ArrayLike | None = None,
    shared: ArrayLike | None = None,
) -> Exchange:
    """Fixed numbers: c_ij = ``counts`` (D, D) items of model i come from model j and r_i = ``real`` (D,) are real."""
    rows = _matrices("counts", whole("counts", counts).astype(np.float64))
    models = rows.shape[-1]
    fresh = _vectors("real", whole("real", real).astype(np.float64), models)
    _equal_lengths("counts", rows, "real", fresh)
    size = rows.sum(axis=-1) + fresh
    if np.any(size < 1):
        raise ValueError(f"counts and real must give each model at least one item, got sizes {size.min(axis=0)}")
    first, last = _times(models, enters, frozen)
    common = _common(shared, models, fresh, "real")
    return Exchange(rows / size[..., None], fresh / size, size, first, last, common, counted=True)


def _matrices(name: str, array: Array) -> Array:
    stacked = array[None] if array.ndim == 2 else array
    if stacked.ndim != 3 or stacked.shape[1] != stacked.shape[2] or 0 in stacked.shape:
        raise ValueError(
            f"{name} must be a matrix (models, models), or one for each fit (fits, models, models), "
            f"got shape {array.shape}"
        )
    return stacked


def _vectors(name: str, array: Array, models: int) -> Array:
    """(fits, models) of one number, a vector over models, or one such vector for each fit."""
    stacked = np.broadcast_to(array, (1, models)) if array.ndim == 0 else np.atleast_2d(array)
    if stacked.ndim != 2 or stacked.shape[1] != models or not len(stacked):
        raise ValueError(
            f"{name} must be one number, one for each of the {models} models, or an array (fits, {models}), "
            f"got shape {array.shape}"
        )
    return stacked


def _equal_lengths(name: str, array: Array, other: str, second: Array) -> None:
    if 1 not in (len(array), len(second)) and len(array) != len(second):
        raise ValueError(
            f"{name} and {other} must be schedules of equally many fits, got {len(array)} and {len(second)}"
        )


def _times(models: int, enters: ArrayLike | None, frozen: ArrayLike | None) -> tuple[Array, Array]:
    first = np.ones(models, np.int64) if enters is None else whole("enters", enters, 1)
    last = np.full(models, np.inf) if frozen is None else np.asarray(frozen)
    if frozen is not None:
        # infinity stands for never, all other entries are fits
        infinite = np.isposinf(last) if last.dtype.kind == "f" else np.zeros(last.shape, bool)
        last = np.where(infinite, _NEVER, whole("frozen", np.where(infinite, 1, last) if infinite.any() else frozen, 1))
    else:
        last = np.full(models, _NEVER)
    for name, times in (("enters", first), ("frozen", last)):
        if times.shape != (models,):
            raise ValueError(f"{name} must have one entry for each of the {models} models, got shape {times.shape}")
    if np.any(last < first):
        raise ValueError(
            f"frozen must not come before enters, got {last[last < first][0]} for a model that enters at fit "
            f"{first[last < first][0]}"
        )
    return first, last


def _normal(rows: Array, share: Array, first: Array) -> tuple[Array, Array]:
    """Rows divided by their sums, which must be 1 within ``law_tolerance``; the row of fit 1 is never used."""
    _equal_lengths("weights", rows, "real", share)
    total = rows.sum(axis=-1) + share
    fits, models = np.broadcast_shapes(total.shape, (1, first.size))
    number = np.arange(1, fits + 1)[:, None] if fits > 1 else np.full((1, 1), _NEVER)
    used = np.broadcast_to((number >= first) & (number > 1), (fits, models))
    off = used & ~(np.abs(total - 1) <= law_tolerance(models + 1))
    if off.any():
        n, i = np.argwhere(off)[0]
        at = f" at fit {n + 1}" if fits > 1 else ""
        raise ValueError(
            f"weights and real must sum to 1 for each model, real_i + sum_j weights_ij, "
            f"got {total[n, i]:.12g} for model {i}{at}"
        )
    total = np.where(used, total, 1.0)
    return rows / total[..., None], share / total


def _common(shared: ArrayLike | None, models: int, most: Array, what: str) -> Array:
    if shared is None:
        return np.zeros((1, models, models))
    array = whole("shared", shared).astype(np.float64)
    common = _matrices("shared", np.full((models, models), array) if array.ndim == 0 else array)
    if common.shape[1:] != (models, models) or not np.array_equal(common, common.transpose(0, 2, 1)):
        raise ValueError(
            f"shared must be one number or a symmetric matrix ({models}, {models}): the items that two models have in "
            f"common, got {shared!r}"
        )
    fewest = np.minimum(most[:, :, None], most[:, None, :])
    _equal_lengths("shared", common, what, fewest)
    apart = ~np.eye(models, dtype=bool)
    if np.any((common > fewest) & apart):
        raise ValueError(f"shared must not exceed {what} of either model, got {shared!r}")
    return common


class Moments(NamedTuple):
    """F (D, D), m (D, d) and T (D,) of the fits of all models, as above; T of a draw from the fit."""

    products: Array
    means: Array
    squares: Array


def moments(
    setting: Exchange, fits: ArrayLike, truths: Array, squares: Array, *, unbiased: bool = False
) -> tuple[Array, Iterator[Moments]]:
    """The fits asked for, (N,), in order, and an iterator of the moments at each.

    ``truths`` (fits or 1, D, d) are the q_i, ``squares`` (fits or 1, D) is E |draw|^2 of real data. ``unbiased``: what
    a fit draws has its data's variance times M/(M - 1) about its mean, as a Gaussian with ddof = 1.
    """
    asked = np.unique(whole("fits", fits, most=LONGEST_RUN))
    longest = int(asked[-1]) if asked.size else 0
    parts = {"real": setting.real, "sizes": setting.sizes, "shared": setting.shared, "laws": truths}
    for name, part in {("counts" if setting.counted else "weights"): setting.weights, **parts}.items():
        if 1 < len(part) < longest:
            raise ValueError(f"fits must be at most {len(part)}, the length of the schedule {name}, got {longest}")
    return asked, _run(setting, asked, truths, squares, unbiased)


def _run(setting: Exchange, asked: Array, truths: Array, squares: Array, unbiased: bool) -> Iterator[Moments]:
    state = Moments(truths[0] @ truths[0].T, truths[0], squares[0])  # the truth: no fit yet
    rests = max(setting.constant_from, len(truths) + 1 if len(truths) > 1 else 0, 2)
    wanted, fit = set(asked.tolist()), 0
    settled = False
    last = max(wanted, default=0)
    if 0 in wanted:
        yield state
    # what no model draws from may be anything
    state = Moments(*(np.zeros_like(part) for part in state))
    while fit < last:
        fit += 1
        if not settled:
            law, square = (part[min(fit, len(part)) - 1] for part in (truths, squares))
            new = advance(state, setting.step(fit), law, square, counted=setting.counted, unbiased=unbiased)
            settled = fit > rests and all(np.array_equal(a, b) for a, b in zip(new, state, strict=True))
            state = new
        if fit in wanted:
            gone = ~setting.there(fit)
            yield Moments(
                np.where(gone[:, None] | gone, np.nan, state.products),
                np.where(gone[:, None], np.nan, state.means),
                np.where(gone, np.nan, state.squares),
            )


def advance(
    state: Moments, step: Step, truths: Array, squares: Array, *, counted: bool = False, unbiased: bool = False
) -> Moments:
    """One fit of all models."""
    weights, real, sizes = step.weights, step.real, step.sizes
    own = truths @ truths.T
    drawn, fresh = weights @ state.means, real[:, None] * truths
    cross = fresh @ drawn.T
    pairs = fresh @ fresh.T + cross + cross.T + weights @ state.products @ weights.T
    item = real * squares + weights @ state.squares
    same = np.diag(pairs)
    if counted:
        known = real * np.diag(own) + weights @ np.diag(state.products)
        pairs = pairs + step.shared * (np.sqrt(np.outer(squares, squares)) - own)
    else:
        known = same
        pairs = pairs + step.shared * (np.sqrt(np.outer(item, item)) - pairs)
    new = pairs + np.diag(np.where(step.refitted, (item - known) / sizes, 0.0))
    spread = item - np.diag(new)
    if unbiased:
        spread = np.where(step.refitted, spread * (sizes / np.maximum(sizes - 1, 1)), spread)
    return Moments(new, fresh + drawn, np.diag(new) + spread)

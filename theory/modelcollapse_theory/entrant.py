r"""The first mover's advantage: what draws from a model are worth in real items, and what a late entrant can reach.

A model of loss v (``workflows``, ``populations``) knows as much of the truth as 1/v independent real items. So s draws
from it are worth

.. math:: W(s) = \frac1{v + (1 - v)/s} < \frac1v \quad (v < 1)

real items and no number of them is worth more than 1/v. All statements are for families that reproduce the (weighted)
mean and covariance of their data, and for real items that are fresh. Derived in theory/derivations/populations.md.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from modelcollapse_theory import workflows
from modelcollapse_theory._domain import Array, NotCovered, flag, one_real, one_whole, whole, within
from modelcollapse_theory._register import theorem
from modelcollapse_theory._search import least
from modelcollapse_theory.plan import Answer

_SOURCE = "derived in theory/derivations/populations.md"
_COUNTABLE = 2**53  # whole numbers beyond are not told from their neighbours
_ROUNDING = 1 + 1e-14  # a size that meets the demand exactly may round past it
_BESIDE = "draws beside real items"


def _lost(name: str, value: ArrayLike) -> Array:
    return within(name, value, 0, 1)


def _floor(share: ArrayLike, pool_loss: Array) -> Array:
    """(1 - g)^2 v_p, what no amount of the pool goes below."""
    return np.asarray((1 - within("share", share, 0, 1)) ** 2 * pool_loss)


def _drawn(value: ArrayLike) -> Array:
    return whole("drawn", value).astype(np.float64)


@theorem(
    statement="s draws from a model of loss v are worth W(s) = 1/(v + (1 - v)/s) real items: W < 1/v for every s, "
    "if v < 1",
    conditions="families that reproduce weighted mean and covariance; other real items are independent of the model",
    order="exact",
    source="own; " + _SOURCE,
)
def synthetic_worth(drawn: ArrayLike, lost: ArrayLike) -> Array:
    r"""The number W of real items to which s = ``drawn`` draws from a model of loss v = ``lost`` are equal, pooled with
    any number of others at the best weight.

    For a model fitted to M real items, v = 1/M: W = M s/(s + M - 1). 0 for no draws. Exact.
    """
    s, v = np.broadcast_arrays(_drawn(drawn), _lost("lost", lost))
    return np.where(s == 0, 0.0, s / np.where(s == 0, 1.0, s * v + (1 - v)))


@theorem(
    statement="1/v = r + W(s) at the best weight w = r/(r + W) on the real items",
    conditions="r real items and s draws from a model of loss v, labels known",
    order="exact",
    source="own; " + _SOURCE,
)
def best_pooled_loss(real: ArrayLike, drawn: ArrayLike, lost: ArrayLike) -> tuple[Array, Array]:
    r"""(loss, weight): that of a fit to r = ``real`` real items beside s draws, and the total weight of the real ones.

    The least of :math:`w^2/r + (1-w)^2 [v + (1-v)/s]` over w, which is ``workflows.weighted`` with v given. Exact.
    Raises ValueError where there is no item at all.
    """
    r, worth = np.broadcast_arrays(whole("real", real).astype(np.float64), synthetic_worth(drawn, lost))
    total = r + worth
    if np.any(total == 0):
        raise ValueError("real and drawn must not both be 0: a fit needs data")
    return np.asarray(1 / total), np.asarray(r / total)


@theorem(
    statement="1 - v = (1 - v_A)(1 - v'): a workflow of loss v' that takes a frozen model A for reality",
    conditions="all real data of the workflow are independent draws from one frozen fit of loss v_A",
    order="exact",
    source="own; " + _SOURCE,
)
def composed_loss(lost: ArrayLike, workflow: ArrayLike) -> Array:
    r"""The loss against the real truth where a workflow of loss ``workflow`` uses a frozen model of loss ``lost`` as
    its truth: :math:`v = v_A + (1 - v_A) v'`.

    E.g. each item from A with probability w, else its own last output: ``workflow`` =
    ``workflows.random_mixing(M, n, w)``. A chain of n frozen teachers composes n times, which is replacement. Exact.
    """
    first, then = _lost("lost", lost), _lost("workflow", workflow)
    return np.asarray(first + (1 - first) * then)


@theorem(
    statement="v_B = 1/M_B + (1 - 1/M_B)(1 - g)^2 v_p: an entrant that learns from a polluted pool",
    conditions="each of M_B items is real with probability g, else a draw from models whose mixture has loss v_p",
    order="exact",
    source="own; " + _SOURCE,
)
def entrant_loss(sample_size: ArrayLike, share: ArrayLike, pool_loss: ArrayLike) -> Array:
    r"""Loss of the first fit of a model that enters a pool with real share g and synthetic part of loss v_p.

    It falls with M_B to the floor (1 - g)^2 v_p and no lower, however much of the pool it takes. For a pool of several
    models ``pool_loss`` is ``populations.union_loss``. Exact.
    """
    size = whole("sample_size", sample_size, 1, "a fit needs data").astype(np.float64)
    floor = _floor(share, _lost("pool_loss", pool_loss))
    return np.asarray(floor + (1 - floor) / size)


@theorem(
    statement="v_B = 1/M + s(s - 1)/M^2 v_p, s = M - r",
    conditions="exactly r of the M items are real, the others draws from models whose mixture has loss v_p",
    order="exact",
    source="own; " + _SOURCE,
)
def entrant_loss_by_counts(sample_size: ArrayLike, real: ArrayLike, pool_loss: ArrayLike) -> Array:
    """``entrant_loss`` for exactly ``real`` real items. Exact. Raises ValueError for more real items than items."""
    size = whole("sample_size", sample_size, 1, "a fit needs data").astype(np.float64)
    r = whole("real", real).astype(np.float64)
    if np.any(r > size):
        raise ValueError(f"real must not exceed sample_size, got {real!r}")
    drawn = size - r
    return np.asarray(1 / size + drawn * np.maximum(drawn - 1, 0) / size**2 * _lost("pool_loss", pool_loss))


@theorem(
    statement="M_B = (1 - f)/(v_A - f), f = (1 - g)^2 v_p: the entrant is the leader's match iff g > 1 - sqrt(v_A/v_p)",
    conditions="as for the entrant's loss; v_A the leader's loss",
    order="exact",
    source="own; " + _SOURCE,
)
def matching_size(leader_loss: ArrayLike, share: ArrayLike, pool_loss: ArrayLike) -> Array:
    r"""Items of the pool, as a real number, with which an entrant's loss is the leader's v_A = ``leader_loss``.

    g M_B of them are real. Exact. Raises NotCovered where no number is enough: the floor (1 - g)^2 v_p is reached.
    """
    aim, pool = _lost("leader_loss", leader_loss), _lost("pool_loss", pool_loss)
    floor = _floor(share, pool)
    if np.any(aim <= floor):
        raise NotCovered(
            f"share must be above 1 - sqrt(leader_loss/pool_loss): no amount of the pool brings an entrant below "
            f"(1 - share)^2 pool_loss = {np.max(np.where(aim <= floor, floor, 0)):.6g}, got share {share!r}"
        )
    return np.asarray((1 - floor) / (aim - floor))


@theorem(
    statement="M_B = (M_0 - c)/(1 - c), c = (1 - g)^2, g M_B = (M_0 - c)/(2 - g) of them real: (M_0 - 1)/2 or more",
    conditions="the pool's synthetic part is the leader's own output; the leader was fitted to M_0 real items",
    order="exact",
    source="own; " + _SOURCE,
)
def matching_real_items(leader_items: ArrayLike, share: ArrayLike) -> Array:
    r"""Real items, g M_B = (M_0 - (1-g)^2)/(2 - g), that an entrant needs from a pool of real share g > 0, unlabelled.

    Whatever the pollution, it is at least (M_0 - 1)/2: what a labelled pool saves (``real_items_with_provenance``) is
    lost. Exact. Raises NotCovered for g = 0: never.
    """
    size = whole("leader_items", leader_items, 1, "a fit needs data").astype(np.float64)
    g = within("share", share, 0, 1)
    if np.any(g == 0):
        raise NotCovered("share must be positive: an entrant that sees only the leader's output never matches it")
    return np.asarray((size - (1 - g) ** 2) / (2 - g))


@theorem(
    statement="r = max(0, 1/v_A - W(s)) beside s labelled draws from a pool of loss v_p; M_0 (M_0 - 1)/(s + M_0 - 1) "
    "for the leader's own",
    conditions="labels known, the best weight; families that reproduce weighted mean and covariance",
    order="exact",
    source="own; " + _SOURCE,
)
def real_items_with_provenance(leader_loss: ArrayLike, drawn: ArrayLike, pool_loss: ArrayLike) -> Array:
    r"""Real items, as a real number, that make an entrant the leader's match where it knows which s items are drawn.

    Fewer than the leader's 1/v_A for any s > 0; none where the draws alone are enough, which needs v_p < v_A. Exact.
    Raises ValueError for a leader of loss 0.
    """
    aim = within("leader_loss", leader_loss, 0, 1, open_low=True)
    return np.asarray(np.maximum(1 / aim - synthetic_worth(drawn, _lost("pool_loss", pool_loss)), 0.0))


@theorem(
    statement="loss of an entrant over the first mover's: M v_(t+1); at most M/(1 + (M-1) g (2-g)), about 1/(2g); with "
    "unlimited data (1-g)^2 M v_t",
    conditions="the first mover had M real items; the pool is a chain with random mixing, M items and real share g",
    order="exact",
    source="own; " + _SOURCE,
)
def first_mover_ratio(sample_size: ArrayLike, share: ArrayLike, fits: ArrayLike, *, unlimited: bool = False) -> Array:
    r"""How many times the first mover's loss 1/M an entrant's is, that enters after t = ``fits`` fits of the pool.

    The entrant takes M items of the pool as it is then, or with ``unlimited`` as many as it likes. Exact.
    """
    size = whole("sample_size", sample_size, 1, "a fit needs data").astype(np.float64)
    lost = workflows.random_mixing(sample_size, whole("fits", fits, 1, "a pool needs a model"), share)
    return np.asarray(size * (_floor(share, lost) if flag("unlimited", unlimited) else entrant_loss(size, share, lost)))


def pool_to_match(leader_loss: float, share: float, pool_loss: float | None = None) -> Answer:
    r"""The least number of items of a polluted pool, origins unknown, with which an entrant is the leader's match.

    ``leader_loss`` v_A is 1/M_0 for a leader fitted to M_0 real items; ``share`` g the pool's real share; ``pool_loss``
    the loss of what generated the rest, None for the leader itself. ``achieved`` is the entrant's loss. Exact. Raises
    NotCovered where no number of items is enough, with the floor that is reached and the share that would do.
    """
    aim = one_real("leader_loss", leader_loss, 0, 1, open_low=True)
    g = one_real("share", share, 0, 1)
    pool = aim if pool_loss is None else one_real("pool_loss", pool_loss, 0, 1)
    floor = (1 - g) ** 2 * pool
    if aim <= floor:
        raise NotCovered(
            f"share must be above {max(0.0, 1 - float(np.sqrt(aim / pool))):.6g}: no number of items brings an entrant "
            f"below (1 - share)^2 pool_loss = {floor:.6g}, and the loss to match is {aim:.6g}, got {share!r}"
        )
    guess = float(matching_size(aim, g, pool))
    if guess > _COUNTABLE:
        raise NotCovered(f"share must be larger: it takes {guess:.3g} items, more than float64 counts, got {share!r}")

    def lost(size: int) -> float:
        return float(entrant_loss(size, g, pool))

    size = least(lambda m: lost(m) <= aim * _ROUNDING, 1, int(np.ceil(guess)), 2 * _COUNTABLE)
    what = (
        "origins unknown; real items are fresh",
        "the leader's own output" if pool_loss is None else f"synthetic part of loss {pool:g}",
        f"about {size * g:.6g} of the items are real; the leader is worth {1 / aim:.6g}",
    )
    beside = size - 1 if size > 1 else None
    return Answer(
        size, lost(size), beside, None if beside is None else lost(beside), f"one pool of real share {g:g}", what
    )


def real_items_to_match(leader_loss: float, drawn: int, pool_loss: float | None = None) -> Answer:
    r"""The least number of real items that make an entrant the leader's match, beside s = ``drawn`` labelled draws.

    The real ones are weighted best. Arguments as in ``pool_to_match``; ``achieved`` is the entrant's loss. Exact.
    There is always an answer: at most the leader's own 1/v_A, rounded up.
    """
    aim = one_real("leader_loss", leader_loss, 0, 1, open_low=True)
    s = one_whole("drawn", drawn)
    pool = aim if pool_loss is None else one_real("pool_loss", pool_loss, 0, 1)
    guess = float(real_items_with_provenance(aim, s, pool))
    if guess > _COUNTABLE:
        raise NotCovered(f"leader_loss must be larger: it takes {guess:.3g} real items, got {leader_loss!r}")

    def lost(real: int) -> float:
        return float(best_pooled_loss(real, s, pool)[0])

    lowest = 0 if s else 1
    size = least(lambda r: lost(r) <= aim * _ROUNDING, lowest, int(np.ceil(guess)), 2 * _COUNTABLE)
    worth = float(synthetic_worth(s, pool))
    what = (
        f"labels known; total weight {size / (size + worth):.6g} on the real items",
        "draws of the leader" if pool_loss is None else f"draws of models of loss {pool:g}",
        f"the draws are worth {worth:.6g} real items, the leader {1 / aim:.6g}",
    )
    beside = size - 1 if size > lowest else None
    return Answer(size, lost(size), beside, None if beside is None else lost(beside), "real items beside draws", what)


def worth_of_draws(drawn: int, lost: float) -> Answer:
    r"""What s = ``drawn`` draws from a model of loss v = ``lost`` are worth in real items: W(s), not rounded.

    ``achieved`` is the loss of a model fitted to the draws alone, 1/W. Exact.
    """
    s, v = one_whole("drawn", drawn, 1), one_real("lost", lost, 0, 1)
    worth = float(synthetic_worth(s, v))
    most = f"no number of draws is worth {1 / v:.6g}" if v else "draws from the truth are real items"
    return Answer(worth, 1 / worth, None, None, _BESIDE, ("beside independent real items, at the best weight", most))


def draws_worth(real: float, lost: float) -> Answer:
    r"""The least number of draws from a model of loss v = ``lost`` that are worth ``real`` real items.

    ``achieved`` is the loss of a model fitted to them alone, 1/W, at most 1/real. Exact. Raises NotCovered for real >=
    1/v, which no number of draws is worth.
    """
    aim, v = one_real("real", real, 0, np.inf, open_low=True), one_real("lost", lost, 0, 1)
    if aim * v >= 1:
        raise NotCovered(
            f"real must be below 1/lost = {1 / v:.6g}: no number of draws is worth more than what the model was "
            f"fitted to, got {real!r}"
        )
    guess = aim * (1 - v) / (1 - aim * v)
    if not guess <= _COUNTABLE:
        raise NotCovered(f"real must be smaller: it takes {guess:.3g} draws, more than float64 counts, got {real!r}")

    def alone(drawn: int) -> float:
        return 1 / float(synthetic_worth(drawn, v))

    count = least(lambda s: alone(s) * aim <= _ROUNDING, 1, max(1, int(np.ceil(guess))), 2 * _COUNTABLE)
    beside = count - 1 if count > 1 else None
    what = ("beside independent real items, at the best weight", f"model of loss {v:.6g}")
    return Answer(count, alone(count), beside, None if beside is None else alone(beside), _BESIDE, what)

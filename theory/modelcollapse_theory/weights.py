r"""Weights on real data whose labels are known: the square-root law, and the Kalman filter that it is.

Each fit sees r fresh real items, which weigh w in all, and s draws of the last model, which weigh 1 - w. The best
weight is the gain of a Kalman filter whose process noise is the sampling noise of the synthetic items. Derived in
theory/derivations/detectors.md.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from modelcollapse_theory._domain import LONGEST, SQUARABLE, Array, choice, one_real, one_whole, whole, within
from modelcollapse_theory._pools import SOURCE
from modelcollapse_theory._register import theorem
from modelcollapse_theory.plan import Answer
from modelcollapse_theory.workflows import affine, fresh_counts_limit

_MEAN_SOURCE = "golden ratio: He, Xu and Cheng, arXiv 2502.18049; the rest " + SOURCE
_LABELS = "r fresh real items weigh w in all, s draws of the last fit the rest; "


@theorem(
    statement="1/v' = r + 1/(v + (1-v)/s) at the best weight w = r v'",
    conditions=_LABELS + "families that reproduce weighted mean and covariance (divisor: all weights)",
    order="exact",
    source=SOURCE,
)
def best(real: int, synthetic: int, fits: int | None = None, of: str = "loss") -> Array:
    r"""The best total weight of the real part: of a stationary fit ``()``, or of each of ``fits`` fits ``(fits,)``.

    ``real`` = r fresh real items and ``synthetic`` = s draws of the last model in every data set but the first, which
    holds r + s real ones and so has weight 1. It is ``Weighted(weight=..., share=r / (r + s))`` of the simulator, whose
    generation g is fit g + 1. ``of="loss"`` minimises v, the loss of diversity of ``best_loss``; ``of="mean"`` the
    error of a mean whose variance is known, ``kalman_error`` at drift 0. The least loss of a fit grows with that
    before, so that the weight that is best at each fit is best for all that follow. Exact.
    """
    r, _ = _items(real, synthetic)
    kind = choice("of", of, ("loss", "mean"))
    if fits is None:
        return np.asarray(r * (best_loss(real, synthetic) if kind == "loss" else kalman_error(real, synthetic)))
    path = best_path(real, synthetic, fits, kind)
    return np.concatenate([[1.0], r * path[1:]])


@theorem(
    statement="v* = [sqrt((r+1)^2 + 4r(s-1)) - (r+1)]/(2r(s-1)) ~ 1/sqrt(r s) for s >> r: a geometric mean of real "
    "and synthetic",
    conditions=_LABELS + "the best weight w* = r v* in every fit; stationary",
    order="exact",
    source=SOURCE,
)
def best_loss(real: ArrayLike, synthetic: ArrayLike) -> Array:
    r"""Stationary v at the best weight, the fixed point of 1/v = r + 1/(v + (1-v)/s).

    .. math:: v_* = \frac{\sqrt{(r+1)^2 + 4r(s-1)} - (r+1)}{2r(s-1)}

    For s >> r it is 1/sqrt(r s): a fit is worth the geometric mean of its real and synthetic items. Pooling gives
    about 1/(2r), real data alone 1/r. At s = 1 it is 1/(r + 1). Exact.
    """
    r, s = whole("real", real, 1).astype(np.float64), whole("synthetic", synthetic, 1).astype(np.float64)
    return 2 / (np.sqrt((r + 1) ** 2 + 4 * r * (s - 1)) + (r + 1))


@theorem(
    statement="v_1 = 1/(r+s), 1/v' = r + 1/(v + (1-v)/s); of a mean 1/e' = r + 1/(e + 1/s)",
    conditions=_LABELS + "the best weight at every fit",
    order="exact",
    source=SOURCE,
)
def best_path(real: int, synthetic: int, fits: int, of: str = "loss") -> Array:
    """The least possible v_1, ..., v_n, or squared errors of the mean, each the best weight's. Exact."""
    r, s = _items(real, synthetic)
    kind, count = choice("of", of, ("loss", "mean")), one_whole("fits", fits, 1, most=LONGEST)
    path = np.full(count, 1 / (r + s))
    for n in range(1, count):
        last = path[n - 1]
        prior = last + (1 - last) / s if kind == "loss" else last + 1 / s
        path[n] = 1 / (r + 1 / prior)
    return path


@theorem(
    statement="e' = w^2/r + (1-w)^2 (e + 1/s + delta)",
    conditions=_LABELS + "mean of a law of variance 1, which moves by independent steps of variance delta a fit",
    order="exact",
    source=SOURCE,
)
def moving_mean_error(
    real: ArrayLike, synthetic: ArrayLike, weight: ArrayLike, drift: ArrayLike = 0.0, first: float = 0.0, fits: int = 1
) -> Array:
    r"""E of the squared error of the mean after n more ``fits``, from ``first``, at the weight w of the real items.

    .. math:: e' = w^2/r + (1-w)^2 (e + 1/s + \delta)

    The truth moves by a step of variance delta = ``drift`` before each fit, the model's variance is known and 1. Exact.
    """
    source, gap = _moving(real, synthetic, weight, drift)
    return affine(one_real("first", first, 0, SQUARABLE), source, gap, one_whole("fits", fits, 0, most=LONGEST))


@theorem(
    statement="e* = [w^2/r + (1-w)^2 (1/s + delta)]/(w (2-w))",
    conditions=_LABELS + "mean of a law of variance 1, which moves by independent steps of variance delta a fit",
    order="exact",
    source=SOURCE,
)
def moving_mean_limit(real: ArrayLike, synthetic: ArrayLike, weight: ArrayLike, drift: ArrayLike = 0.0) -> Array:
    """Stationary squared error of the mean at the weight w > 0. Exact."""
    source, gap = _moving(real, synthetic, within("weight", weight, 0, 1, open_low=True), drift)
    return source / gap


@theorem(
    statement="e* = [sqrt(q^2 + 4q/r) - q]/2, q = 1/s + delta; w* = r e* is the Kalman gain",
    conditions=_LABELS + "mean of a law of variance 1, which moves by steps of variance delta; best linear rule",
    order="exact",
    source=_MEAN_SOURCE,
)
def kalman_error(real: ArrayLike, synthetic: ArrayLike, drift: ArrayLike = 0.0) -> Array:
    r"""Stationary squared error of the mean at the best weight; synthetic sampling noise acts as process noise.

    .. math:: e_* = \tfrac12 \left[\sqrt{q^2 + 4q/r} - q\right], \qquad q = 1/s + \delta

    the fixed point of 1/e = r + 1/(e + q). Without drift and at r = s the weight r e* is 1 over the golden ratio.
    Exact, and no other linear rule does better.
    """
    r = whole("real", real, 1).astype(np.float64)
    q = 1 / whole("synthetic", synthetic, 1).astype(np.float64) + within("drift", drift, 0, SQUARABLE)
    return 2 / (r * (1 + np.sqrt(1 + 4 / (r * q))))


@theorem(
    statement="w* = r e*, the Kalman gain; a fit remembers about 1/w* fits",
    conditions=_LABELS + "mean of a law of variance 1, which moves by steps of variance delta; best linear rule",
    order="exact",
    source=_MEAN_SOURCE,
)
def kalman_gain(real: ArrayLike, synthetic: ArrayLike, drift: ArrayLike = 0.0) -> Array:
    """The best stationary weight of the real part for a mean that moves: r ``kalman_error``. Exact."""
    return whole("real", real, 1) * kalman_error(real, synthetic, drift)


@theorem(
    statement="omega = (1-w) r/(w s): the weight of one synthetic item beside 1 of a real one",
    conditions="labels are known; r real items weigh w in all, s synthetic ones 1 - w",
    order="exact",
    source=SOURCE,
)
def item_weight(real: ArrayLike, synthetic: ArrayLike, weight: ArrayLike) -> Array:
    """What one synthetic item weighs where a real one weighs 1 and the real part w = ``weight`` > 0 in all. Exact."""
    r, s = whole("real", real, 1).astype(np.float64), whole("synthetic", synthetic, 1).astype(np.float64)
    w = within("weight", weight, 0, 1, open_low=True)
    return (1 - w) * r / (w * s)


def label_weight(real: int, synthetic: int, of: str = "loss") -> Answer:
    r"""What one synthetic item should weigh beside 1 of a real one, where labels are known.

    omega = (1-w) r/(w s) at the best stationary total weight w of the real part, for ``of`` "loss" or "mean".
    ``achieved`` is the stationary loss, or squared error of the mean; ``neighbour`` is 1, plain pooling, and
    ``achieved_aside`` what it gives. Exact.
    """
    r, s = _items(real, synthetic)
    kind = choice("of", of, ("loss", "mean"))
    w = float(best(real, synthetic, of=kind))
    pooled = fresh_counts_limit(r + s, r) if kind == "loss" else moving_mean_limit(r, s, r / (r + s))
    least = best_loss(r, s) if kind == "loss" else kalman_error(r, s)
    what = (f"{r} fresh real items and {s} model draws a fit", f"the real part weighs {w:.6g} in all", "stationary")
    return Answer(float(item_weight(r, s, w)), float(least), 1.0, float(pooled), "weighted", what)


def _items(real: int, synthetic: int) -> tuple[int, int]:
    return one_whole("real", real, 1), one_whole("synthetic", synthetic, 1)


def _moving(real: ArrayLike, synthetic: ArrayLike, weight: ArrayLike, drift: ArrayLike) -> tuple[Array, Array]:
    """Source and gap of e' = source + (1 - gap) e."""
    r, s = whole("real", real, 1).astype(np.float64), whole("synthetic", synthetic, 1).astype(np.float64)
    w, delta = within("weight", weight, 0, 1), within("drift", drift, 0, SQUARABLE)
    return w**2 / r + (1 - w) ** 2 * (1 / s + delta), w * (2 - w)

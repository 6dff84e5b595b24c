"""What an exchange between models must be: shapes that agree, shares that sum to 1, nobody drawn from before it is."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import jax
import numpy as np
from numpy.typing import ArrayLike

from modelcollapse import arguments
from modelcollapse.numeric import shown
from modelcollapse.portions import Portion, portion, whole

if TYPE_CHECKING:
    from modelcollapse.regimes.exchange import Exchange

NEVER = arguments.LARGEST
"""A generation that no run reaches."""


def when(name: str, value: np.ndarray | jax.Array | Iterable[int | None], never: int) -> np.ndarray:
    """A generation for each model ``(D,)`` int32; None stands for ``never``."""
    whole = isinstance(value, np.ndarray | jax.Array)
    given = [never if one is None else one for one in ([] if whole else arguments.listed(name, value))]
    try:
        return arguments.whole_array(name, value if whole else given, ndim=1).astype(np.int32)  # type: ignore[arg-type]
    except TypeError:
        raise TypeError(f"{name} must be whole numbers (or None), one for each model, got {shown(value)}") from None


def permutation(name: str, value: ArrayLike) -> tuple[int, ...]:
    """The numbers 0, ..., D - 1 in any order, as a tuple."""
    found = arguments.whole_array(name, value, ndim=1)
    if not np.array_equal(np.sort(found), np.arange(found.size)):
        raise ValueError(f"{name} must be the numbers 0 to D - 1 in any order, got {shown(value)}")
    return tuple(found.tolist())


def check_shapes(regime: Exchange) -> None:
    """Refuse arrays that are not for so many models as ``weights``."""
    if isinstance(regime.weights, Portion) or arguments.traced(regime.weights):
        return
    shape = np.shape(regime.weights)
    if len(shape) not in (2, 3) or shape[-1] != shape[-2]:
        raise ValueError(
            f"weights must have shape (D, D), or (generations + 1, D, D) for a schedule, got shape {shape}"
        )
    models = shape[-1]
    for name, scalar, schedule in (
        ("real", True, True), ("sizes", False, True), ("enters", False, False), ("frozen", False, False),
        ("shared", True, False),
    ):  # fmt: skip
        value = vars(regime)[name]
        if value is None or arguments.traced(value):
            continue
        shape = np.shape(value)
        if (shape[-1:] == (models,) and len(shape) <= 1 + schedule) or (scalar and shape == ()):
            continue
        either = ["()"] * scalar + [f"({models},)"] + [f"(generations + 1, {models}) for a schedule"] * schedule
        raise ValueError(f"{name} must have shape {' or '.join(either)}, for {models} models, got shape {shape}")
    if regime.numbers is not None and len(regime.numbers) != models:
        raise ValueError(f"numbers must be one for each of {models} models, got {regime.numbers!r}")


def sizes_of(regime: Exchange, sizes: np.ndarray) -> np.ndarray:
    """The sample size of each model in each generation, ``(generations + 1, D)``."""
    if arguments.traced(regime.sizes):
        raise TypeError("sizes must be concrete: they fix the shapes of a run")
    each = sizes[:, None] if regime.sizes is None else np.asarray(regime.sizes)
    return np.broadcast_to(each, (len(sizes), regime.models))


def shares_of(regime: Exchange, generations: int) -> np.ndarray:
    """``(generations + 1, D, D + 1)``: what each model learns from, the last entry real."""
    models = regime.models
    weights, real = np.asarray(regime.weights, np.float64), np.asarray(regime.real, np.float64)
    if isinstance(regime.weights, Portion):
        raise TypeError("counts are found by simulate: give weights and real as shares")
    weights = np.broadcast_to(weights, (generations + 1, models, models))
    return np.concatenate([weights, np.broadcast_to(real, (generations + 1, models))[..., None]], 2)


def learning(regime: Exchange, generations: int) -> np.ndarray:
    """Which models learn from their rows in which generation, ``(generations + 1, D)``."""
    now = np.arange(generations + 1)[:, None]
    learns = np.broadcast_to(now > 0, (generations + 1, regime.models))
    if regime.enters is not None:
        learns = learns & (now >= np.asarray(regime.enters))
    return learns if regime.frozen is None else learns & (now < np.asarray(regime.frozen))


def counts_of(regime: Exchange, sizes: np.ndarray) -> np.ndarray:
    """Fixed counts ``(generations + 1, D, D + 1)``, or ``(D, D + 1)`` if they are always the same; int32."""
    shares, each = shares_of(regime, len(sizes) - 1), sizes_of(regime, sizes)
    counts = portion(shares, each[..., None]).astype(np.int32)
    later = counts[1:] if len(counts) > 1 else counts
    return later[0] if (later == later[0]).all() else counts


def check_exchange(regime: Exchange, sizes: np.ndarray) -> None:
    """Refuse an exchange that this run cannot be made of."""
    if isinstance(regime.weights, Portion):
        return
    generations, models = len(sizes) - 1, regime.models
    each = sizes_of(regime, sizes)
    enters, frozen = np.zeros(models, int), np.full(models, NEVER)
    enters = enters if regime.enters is None else np.asarray(regime.enters)
    frozen = frozen if regime.frozen is None else np.asarray(regime.frozen)
    _check_times(enters, frozen, generations)
    _check_sizes(regime, each, sizes)
    shares = shares_of(regime, generations)
    now, learns = np.arange(generations + 1)[:, None], learning(regime, generations)
    _check_sums(shares, learns)
    early = learns[:, :, None] & (shares[..., :-1] > 0) & (enters[None, None] >= now[..., None])
    if early.any():
        g, i, j = np.argwhere(early)[0]
        raise ValueError(
            f"weights must be 0 where a model has not entered: in generation {g} model {i} would learn from model {j}, "
            f"which is first fitted in generation {enters[j]}"
            + (f": give a schedule in which its own weight begins in generation {g + 1}" if i == j else "")
        )
    if regime.fixed:
        _check_whole(shares, each, learns)
    if regime.shared is not None:
        _check_shared(regime, shares, each, learns)


def _check_times(enters: np.ndarray, frozen: np.ndarray, generations: int) -> None:
    if enters.max() > generations:
        i = int(enters.argmax())
        raise ValueError(f"enters must be at most the last generation {generations}, got {enters[i]} for model {i}")
    if not (enters == 0).any():
        raise ValueError(f"enters must be 0 for at least one model, got {enters.tolist()}")
    if (frozen <= enters).any():
        i = int(np.argmax(frozen <= enters))
        raise ValueError(
            f"frozen must be later than enters, as a model is fitted first: got {frozen[i]} for model {i}, which "
            f"enters in generation {enters[i]}"
        )


def _check_sizes(regime: Exchange, each: np.ndarray, sizes: np.ndarray) -> None:
    if regime.sizes is None:
        return
    if each.min() < 1:
        raise ValueError(f"sizes must be at least 1, got {each.min()}")
    differs = np.flatnonzero(each.max(1) != sizes)
    if differs.size:
        g = differs[0]
        raise ValueError(f"size must be the largest of the regime's sizes, {each[g].max()}, got {sizes[g]}")


def _check_sums(shares: np.ndarray, learns: np.ndarray) -> None:
    total = shares.sum(2)
    wrong = learns & (np.abs(total - 1) > arguments.law_tolerance(shares.shape[-1]))
    if wrong.any():
        g, i = np.argwhere(wrong)[0]
        raise ValueError(
            f"weights and real must sum to 1 for each model, got {total[g, i]:.6g} for model {i} in generation {g}"
        )


def _check_whole(shares: np.ndarray, each: np.ndarray, learns: np.ndarray) -> None:
    off = learns[..., None] & ~whole(shares, each[..., None])
    if off.any():
        g, i, j = np.argwhere(off)[0]
        name = "real" if j == shares.shape[-1] - 1 else "weights"
        raise ValueError(
            f"{name} must be whole counts where they are fixed, got {shares[g, i, j]:g} of {each[g, i]} items for "
            f"model {i}: choose other shares or sizes, or fixed=False"
        )
    total = portion(shares, each[..., None]).sum(2)
    if (differs := learns & (total != each)).any():
        g, i = np.argwhere(differs)[0]
        raise ValueError(
            f"weights and real must give all {each[g, i]} items of model {i} where they are fixed, got {total[g, i]}"
        )


def _check_shared(regime: Exchange, shares: np.ndarray, each: np.ndarray, learns: np.ndarray) -> None:
    if regime.fixed:
        raise ValueError("shared must be None where counts are fixed: an item in common has one source for all")
    common = np.broadcast_to(np.asarray(regime.shared), (regime.models,))
    if (common > each.min(0)).any():
        i = int(np.argmax(common > each.min(0)))
        raise ValueError(f"shared must be at most the sample size, {each[:, i].min()} for model {i}, got {common[i]}")
    taking = common > 0
    if np.unique(common[taking]).size > 1:
        raise ValueError(f"shared must be one number for all that share, and 0 for others, got {common.tolist()}")
    both = learns & taking
    for g in np.flatnonzero(both.sum(1) > 1):
        rows = shares[g, both[g]]
        if not np.allclose(rows, rows[0], rtol=0, atol=1e-9):
            raise ValueError(
                f"shared needs equal rows of weights and real for all models that share, as an item in common has one "
                f"source; they differ in generation {g}"
            )

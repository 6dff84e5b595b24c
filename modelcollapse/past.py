"""What was run is never rewritten: sizes and regimes of a run that goes on must begin as they were."""

from __future__ import annotations

import dataclasses
from typing import Any

import jax
import numpy as np
from numpy.typing import ArrayLike

from modelcollapse import arguments
from modelcollapse.protocols import Regime
from modelcollapse.pytree import may_vary, schedules, varies


def extended_sizes(size: np.ndarray, past: np.ndarray, last: int, given: ArrayLike | None) -> np.ndarray:
    """The sample sizes of a run to generation ``last``, as one number or as one for each generation.

    ``size`` is that of the run, ``past`` what was run, and ``given`` what ``extend`` was given.
    """
    if given is None:
        return size
    if arguments.whole_array("size", given).ndim == 0:
        new = arguments.sizes(given, last)
        return size if size.ndim == 0 and new[0] == past[0] else np.append(past, new[past.size :])
    sizes = arguments.sizes(given, last)
    if not np.array_equal(sizes[: past.size], past):
        differs = int(np.argmax(sizes[: past.size] != past))
        raise ValueError(
            f"size must begin with the sample sizes that were run: {past[differs]} at generation {differs}, "
            f"got {sizes[differs]}"
        )
    return sizes


def reach(size: np.ndarray, regime: Regime, generations: int) -> int:
    """The last generation that a run was planned for: where its schedules end, if they go on beyond ``generations``."""
    lengths = [np.shape(value)[0] for _, value in schedules(regime)]
    return max(generations, size.size - 1 if size.ndim else 0, *(length - 1 for length in lengths), 0)


def cut(regime: Any, generations: int) -> Any:
    """The regime with schedules that end at ``generations``."""
    changes: dict[str, Any] = {}
    for field in dataclasses.fields(regime) if dataclasses.is_dataclass(regime) else ():
        value = vars(regime)[field.name]
        shorter = value[: generations + 1] if varies(field, value) else cut(value, generations)
        if shorter is not value:
            changes[field.name] = shorter
    return dataclasses.replace(regime, **changes) if changes else regime


def check(run: Regime, given: Regime, generation: int) -> None:
    """Refuse a regime that until ``generation`` is not the one that was run; only its schedules may go on otherwise."""
    if given is run:
        return
    kinds: list[Any] = [jax.tree.structure(regime) for regime in (run, given)]
    if kinds[0] != kinds[1]:
        raise ValueError(
            f"regime must be the one that was run, {run!r}, got {given!r}; "
            "a process that changes its regime at generation g is Switch(before, after, g), simulated from the start"
        )
    moving = dict(may_vary(run))
    old, new = (jax.tree_util.tree_leaves_with_path(regime) for regime in (run, given))
    for (path, was), (_, now) in zip(old, new, strict=True):
        name = jax.tree_util.keystr(path)
        if not _same(np.asarray(was), np.asarray(now), generation + 1, moving.get(name)):
            raise ValueError(
                f"regime must begin as the one that was run: {type(run).__name__}{name} was {was!r} "
                f"in generations 0 to {generation}, got {now!r}"
            )


def _same(was: np.ndarray, now: np.ndarray, entries: int, axes: int | None) -> bool:
    """Whether two values agree; of schedules the first ``entries``, where a constant, with so many ``axes``, stands for
    a constant schedule.
    """
    if axes is not None and was.shape != now.shape:
        was, now = (leaf[:entries] if leaf.ndim == axes + 1 else leaf for leaf in (was, now))
        cut_short = was.ndim == now.ndim and len(was) != len(now)
        if cut_short or was.shape[was.ndim - axes :] != now.shape[now.ndim - axes :]:
            return False
    elif was.shape != now.shape:
        return False
    return bool(np.all(was == now))

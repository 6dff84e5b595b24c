"""Colours, line styles and rows of a record, as the figures of this package use them.

Colours are those of Okabe and Ito (2008), which colour-blind readers can tell apart; every line has a style of its own
besides, so that a figure survives a grey print.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from modelcollapse.observables import LABELS

if TYPE_CHECKING:
    from matplotlib.axes import Axes

BLUE, ORANGE, GREEN, VERMILION, PURPLE, SKY, YELLOW, BLACK = (
    "#0072B2", "#E69F00", "#009E73", "#D55E00", "#CC79A7", "#56B4E9", "#F0E442", "#000000",
)  # fmt: skip
STYLES = ("--", ":", "-.", (0, (1, 1)), (0, (5, 1, 1, 1, 1, 1)))
"""Line styles of the predictions, in order."""

Curve = ArrayLike | Callable[[np.ndarray], ArrayLike]
"""A prediction: one value for each recorded generation, or a function of generations ``(G,)``."""


class Record(NamedTuple):
    recorded: np.ndarray
    trace: dict[str, np.ndarray]


def axes(ax: Axes | None) -> Axes:
    if ax is None:
        from matplotlib import pyplot

        _, ax = pyplot.subplots(layout="constrained")
    return ax


def trace(run: Any, name: str) -> tuple[np.ndarray, np.ndarray]:
    if name not in run.trace:
        raise ValueError(f"the run did not observe {name!r}; its observables are {', '.join(run.trace)}")
    return np.asarray(run.recorded), np.asarray(run.trace[name])


def values(run: Any, name: str, component: int | None, until: int | None) -> tuple[np.ndarray, np.ndarray]:
    """Recorded generations ``(G,)`` and values ``(chain, G)`` of one number."""
    recorded, values = trace(run, name)
    if values.ndim == 3 and (component is not None or values.shape[2] == 1):
        index = component or 0
        if not 0 <= index < values.shape[2]:
            raise ValueError(f"component must lie between 0 and {values.shape[2] - 1}, got {component}")
        values = values[:, :, index]
    if values.ndim != 2:
        raise ValueError(f"{name!r} has shape {values.shape[2:]} at each generation; choose one number with component=")
    keep = np.ones(recorded.shape, bool) if until is None else recorded <= until
    if not keep.any():
        raise ValueError(f"until must not lie before the first recorded generation {recorded[0]}, got {until}")
    return recorded[keep], values[:, keep].astype(np.float64)


def rows(recorded: np.ndarray, generations: Sequence[int] | None, most: int) -> np.ndarray:
    """Where in the record the ``generations`` are."""
    if generations is None:
        return np.unique(np.linspace(0, len(recorded) - 1, min(most, len(recorded))).round().astype(int))
    missing = sorted(set(generations) - set(recorded.tolist()))
    if missing:
        raise ValueError(f"generations must have been recorded, got {missing[0]}, which was not")
    return np.searchsorted(recorded, np.sort(np.asarray(generations)))


def predictions(ax: Axes, prediction: Any, generations: np.ndarray, recorded: np.ndarray, change: Any) -> None:
    curves = prediction if isinstance(prediction, Mapping) else {} if prediction is None else {"prediction": prediction}
    colours = (BLACK, VERMILION, GREEN, PURPLE, ORANGE)
    for i, (label, curve) in enumerate(curves.items()):
        if callable(curve):
            y = np.asarray(curve(generations), np.float64)
        else:
            y = np.asarray(curve, np.float64)
            if y.shape != recorded.shape:
                raise ValueError(
                    f"the prediction {label!r} needs one value for each of the {recorded.size} recorded generations, "
                    f"got shape {y.shape}"
                )
            y = y[: generations.size]
        ax.plot(
            generations, change(y), color=colours[i % len(colours)], ls=STYLES[i % len(STYLES)], lw=1.6, label=label
        )


def ridge(ax: Axes, edges: np.ndarray, height: np.ndarray, base: int, count: int, overlap: float = 1.5) -> None:
    """One row of a ridge plot; later rows lie in front, and are darker."""
    share = 0.25 + 0.45 * -base / max(count - 1, 1)
    top = base + overlap * np.append(height, height[-1])
    # mixed with white rather than transparent, so that a row covers what lies behind it
    fill = 1 - share * (1 - np.array([0.337, 0.706, 0.914]))
    ax.fill_between(edges, base, top, step="post", color=tuple(fill), lw=0, zorder=2 - base)
    ax.step(edges, top, where="post", color=BLUE, lw=0.9, zorder=2 - base)
    ax.axhline(base, color="0.7", lw=0.5, zorder=2 - base)


def ridge_axes(ax: Axes, generations: np.ndarray) -> None:
    ax.set_yticks(-np.arange(len(generations)), [str(g) for g in generations])
    ax.set_ylabel("generation")
    ax.tick_params(axis="y", length=0)
    for side in ("top", "left", "right"):
        ax.spines[side].set_visible(False)
    ax.margins(x=0)


def label(name: str) -> str:
    units, _ = LABELS.get(name, ("1", ()))
    words = name.replace("_", " ").replace("w2", "W2").replace("l2", "L2")
    return words if units in ("1", "") else f"{words} ({units})"

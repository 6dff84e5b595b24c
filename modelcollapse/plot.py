"""One function a figure: Axes in, Axes out, and nothing is drawn that the trace of the run does not hold.

Colours are those of Okabe and Ito (2008), which colour-blind readers can tell apart; every line has a style of its own
besides, so that a figure survives a grey print. Global settings of matplotlib are neither read nor changed.
"""

from __future__ import annotations

import warnings
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


def chains(
    run: Any,
    name: str,
    ax: Axes | None = None,
    *,
    prediction: Curve | Mapping[str, Curve] | None = None,
    component: int | None = None,
    centre: str = "median",
    level: float = 0.9,
    show: int = 3,
    until: int | None = None,
    scale: float | Callable[[np.ndarray], np.ndarray] = 1.0,
    label: str | None = None,
) -> Axes:
    """An observable over generations: its median, the central band of the chains, a few chains, and predictions.

    Parameters
    ----------
    run
        The result of ``simulate``, or anything with ``trace`` and ``recorded``.
    name
        An observable that is one number for each chain and generation; of one with more, ``component`` picks one.
    prediction
        A curve, or several by label.
    centre
        ``"median"``, or ``"mean"``, which is what most predictions are of.
    level
        Share of the chains inside the band.
    show
        How many single chains to draw; the first ones, so no choice is made.
    until
        Last generation shown.
    scale
        A factor, or a function applied to values and predictions: ``np.exp`` shows a log variance as a variance.
    label
        Label of the vertical axis.

    Raises
    ------
    ValueError
        If ``name`` was not observed, is not one number, or a prediction has another length than the recorded generations.
    """
    generations, values = _values(run, name, component, until)
    change = scale if callable(scale) else lambda x: np.asarray(x) * scale
    if centre not in ("median", "mean"):
        raise ValueError(f"centre must be 'median' or 'mean', got {centre!r}")
    if not 0 < level < 1:
        raise ValueError(f"level must lie strictly between 0 and 1, got {level}")
    shown = np.asarray(change(values), np.float64)
    tails = [(1 - level) / 2, (1 + level) / 2]
    with warnings.catch_warnings():
        # a generation at which every chain has failed is a gap in the curve
        warnings.filterwarnings("ignore", "All-NaN slice|Mean of empty slice", RuntimeWarning)
        # order statistics, not interpolation: a time may be infinite
        lower, middle, upper = np.nanquantile(shown, [tails[0], 0.5, tails[1]], axis=0, method="inverted_cdf")
        if centre == "mean":
            middle = np.nanmean(shown, axis=0)
    ax = _axes(ax)
    if len(shown) > 1:
        ax.fill_between(generations, lower, upper, color=SKY, alpha=0.3, lw=0, label=f"{100 * level:g}% of chains")
    for i, chain in enumerate(shown[:show]):
        ax.plot(generations, chain, color="0.55", lw=0.6, label="single chains" if i == 0 else None, zorder=1.5)
    ax.plot(generations, middle, color=BLUE, lw=1.8, label=f"{centre} of {len(shown)} chains")
    _predictions(ax, prediction, generations, np.asarray(run.recorded), change)
    ax.set_xlabel("generation")
    ax.set_ylabel(label or _label(name))
    ax.margins(x=0)
    ax.legend(frameon=False)
    return ax


def distribution(
    run: Any,
    name: str,
    ax: Axes | None = None,
    *,
    generations: Sequence[int] | None = None,
    component: int | None = None,
    bins: int = 60,
    scale: Callable[[np.ndarray], np.ndarray] | None = None,
    label: str | None = None,
) -> Axes:
    """How an observable is distributed over the chains, as a ridge of histograms, the latest generation in front.

    ``generations`` default to at most eight recorded ones, evenly spread. Heights are comparable within a ridge only:
    each is scaled to the same height. Values that are not finite are left out. Raises ValueError as ``chains`` does, or
    if a generation was not recorded.
    """
    recorded, values = _values(run, name, component, None)
    rows = _rows(recorded, generations, most=8)
    values = (scale or np.asarray)(values[:, rows])
    pooled = values[np.isfinite(values)]
    if not pooled.size:
        raise ValueError(f"{name!r} has no finite value at the generations {list(recorded[rows])}")
    ax = _axes(ax)
    low, high = pooled.min(), pooled.max()
    edges = np.linspace(low, high if high > low else low + 1, bins + 1)
    for place, (generation, column) in enumerate(zip(recorded[rows], values.T, strict=True)):
        height, _ = np.histogram(column[np.isfinite(column)], edges)
        _ridge(ax, edges, height / max(height.max(), 1), -place, generation, len(rows))
    _ridge_axes(ax, recorded[rows])
    ax.set_xlabel(label or _label(name))
    return ax


def probabilities(
    run: Any,
    ax: Axes | None = None,
    *,
    chain: int = 0,
    generations: Sequence[int] | None = None,
    states: Sequence[str] | None = None,
) -> Axes:
    """The law of one chain over generations, a row of bars for each generation; heights are comparable throughout.

    Needs the observable ``"probabilities"``. ``states`` names the states. Raises ValueError if it was not observed, or
    for a chain, a generation or a number of names that the run does not have.
    """
    recorded, values = _trace(run, "probabilities")
    if not 0 <= chain < len(values):
        raise ValueError(f"chain must lie between 0 and {len(values) - 1}, got {chain}")
    rows = _rows(recorded, generations, most=8)
    laws = values[chain, rows]
    if states is not None and len(states) != laws.shape[1]:
        raise ValueError(f"states must name all {laws.shape[1]} states, got {len(states)} names")
    ax = _axes(ax)
    edges = np.arange(laws.shape[1] + 1) - 0.5
    for place, (generation, law) in enumerate(zip(recorded[rows], laws, strict=True)):
        _ridge(ax, edges, law / laws.max(), -place, generation, len(rows), overlap=0.9)
    _ridge_axes(ax, recorded[rows])
    if states is None:
        ax.set_xlabel("state")
    else:
        ax.set_xticks(np.arange(laws.shape[1]), states, rotation=45, ha="right", rotation_mode="anchor")
    return ax


def surviving_states(
    run: Any,
    ax: Axes | None = None,
    *,
    prediction: Curve | Mapping[str, Curve] | None = None,
    level: float = 0.9,
    show: int = 3,
) -> Axes:
    """How many states are left over generations: the mean over chains, their band, and predictions of the mean.

    Needs the observable ``"support_size"`` or ``"probabilities"``. Raises ValueError if neither was observed.
    """
    if "support_size" not in run.trace and "probabilities" in run.trace:
        support = (np.asarray(run.trace["probabilities"]) > 0).sum(-1)
        run = _Counted(np.asarray(run.recorded), {"support_size": support})
    ax = chains(
        run, "support_size", ax, prediction=prediction, centre="mean", level=level, show=show, label="surviving states"
    )
    ax.set_ylim(bottom=0)
    return ax


def variance_and_w2(
    run: Any,
    axes: Sequence[Axes] | None = None,
    *,
    log_variance: Curve | Mapping[str, Curve] | None = None,
    w2: Curve | Mapping[str, Curve] | None = None,
    component: int = 0,
    level: float = 0.9,
    show: int = 3,
    w2_until: int | None = None,
) -> Sequence[Axes]:
    """Collapse in two panels: the variance on a log scale, and the mean squared Wasserstein-2 distance to the truth.

    Needs the observables ``"log_variance"`` and ``"w2_squared"``. ``log_variance`` predicts its mean and is drawn
    as its exponential, the typical variance: the *mean* variance may stay constant while every chain collapses. ``w2``
    predicts the mean, which rests on rare chains once the generations are comparable to the sample size; ``w2_until``
    cuts its panel there. Raises ValueError if an observable is missing.
    """
    if axes is None:
        from matplotlib import pyplot

        _, axes = pyplot.subplots(1, 2, figsize=(9, 3.6), layout="constrained")
    if len(axes) != 2:
        raise ValueError(f"axes must be two, one for the variance and one for W2, got {len(axes)}")
    chains(
        run, "log_variance", axes[0], prediction=log_variance, component=component, level=level, show=show, scale=np.exp,
        label="variance",
    )  # fmt: skip
    axes[0].set_yscale("log")
    generations, values = _values(run, "w2_squared", None, w2_until)
    mean = values.mean(0)
    error = values.std(0, ddof=1) / np.sqrt(len(values)) if len(values) > 1 else np.full_like(mean, np.nan)
    axes[1].fill_between(
        generations, mean - 2 * error, mean + 2 * error, color=SKY, alpha=0.5, lw=0, label="± 2 standard errors"
    )
    axes[1].plot(generations, mean, color=BLUE, lw=1.8, label=f"mean of {len(values)} chains")
    _predictions(axes[1], w2, generations, np.asarray(run.recorded), np.asarray)
    axes[1].set_xlabel("generation")
    axes[1].set_ylabel("squared W2 distance to the truth")
    axes[1].set_ylim(bottom=0)
    axes[1].margins(x=0)
    axes[1].legend(frameon=False)
    return axes


class _Counted(NamedTuple):
    recorded: np.ndarray
    trace: dict[str, np.ndarray]


def _axes(ax: Axes | None) -> Axes:
    if ax is None:
        from matplotlib import pyplot

        _, ax = pyplot.subplots(layout="constrained")
    return ax


def _trace(run: Any, name: str) -> tuple[np.ndarray, np.ndarray]:
    if name not in run.trace:
        raise ValueError(f"the run did not observe {name!r}; its observables are {', '.join(run.trace)}")
    return np.asarray(run.recorded), np.asarray(run.trace[name])


def _values(run: Any, name: str, component: int | None, until: int | None) -> tuple[np.ndarray, np.ndarray]:
    """Recorded generations ``(G,)`` and values ``(chain, G)`` of one number."""
    recorded, values = _trace(run, name)
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


def _rows(recorded: np.ndarray, generations: Sequence[int] | None, most: int) -> np.ndarray:
    """Where in the record the ``generations`` are."""
    if generations is None:
        return np.unique(np.linspace(0, len(recorded) - 1, min(most, len(recorded))).round().astype(int))
    missing = sorted(set(generations) - set(recorded.tolist()))
    if missing:
        raise ValueError(f"generations must have been recorded, got {missing[0]}, which was not")
    return np.searchsorted(recorded, np.sort(np.asarray(generations)))


def _predictions(ax: Axes, prediction: Any, generations: np.ndarray, recorded: np.ndarray, change: Any) -> None:
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


def _ridge(
    ax: Axes, edges: np.ndarray, height: np.ndarray, base: int, generation: int, count: int, overlap: float = 1.5
) -> None:
    """One row of a ridge plot; later rows lie in front, and are darker."""
    share = 0.25 + 0.45 * -base / max(count - 1, 1)
    top = base + overlap * np.append(height, height[-1])
    # mixed with white rather than transparent, so that a row covers what lies behind it
    fill = 1 - share * (1 - np.array([0.337, 0.706, 0.914]))
    ax.fill_between(edges, base, top, step="post", color=tuple(fill), lw=0, zorder=2 - base)
    ax.step(edges, top, where="post", color=BLUE, lw=0.9, zorder=2 - base)
    ax.axhline(base, color="0.7", lw=0.5, zorder=2 - base)


def _ridge_axes(ax: Axes, generations: np.ndarray) -> None:
    ax.set_yticks(-np.arange(len(generations)), [str(g) for g in generations])
    ax.set_ylabel("generation")
    ax.tick_params(axis="y", length=0)
    for side in ("top", "left", "right"):
        ax.spines[side].set_visible(False)
    ax.margins(x=0)


def _label(name: str) -> str:
    units, _ = LABELS.get(name, ("1", ()))
    words = name.replace("_", " ").replace("w2", "W2").replace("l2", "L2")
    return words if units in ("1", "") else f"{words} ({units})"

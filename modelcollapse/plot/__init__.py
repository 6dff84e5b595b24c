"""One function per figure: Axes in, Axes out, and nothing is drawn that the trace of the run does not hold.

Without Axes a function makes its own with pyplot; global settings of matplotlib are never changed. Colours and line
styles are safe for colour-blind readers and grey prints.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from modelcollapse import arguments
from modelcollapse.numeric import mean_and_error
from modelcollapse.plot import _style as style
from modelcollapse.plot._claims import evidence
from modelcollapse.plot._style import BLACK, BLUE, GREEN, ORANGE, PURPLE, SKY, VERMILION, Curve, Given, Recorded
from modelcollapse.run import Run

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = [
    "BLACK", "BLUE", "GREEN", "ORANGE", "PURPLE", "SKY", "VERMILION", "Curve",
    "chains", "compare", "distribution", "evidence", "overview", "probabilities", "surviving_states", "variance_and_w2",
]  # fmt: skip


def chains(
    run: Recorded,
    name: str,
    ax: Axes | None = None,
    *,
    prediction: Given | None = None,
    component: int | str | None = None,
    centre: str = "median",
    level: float = 0.9,
    show: int = 3,
    until: int | None = None,
    scale: float | Callable[[np.ndarray], np.ndarray] = 1.0,
    label: str | None = None,
    color: str | None = None,
    run_name: str | None = None,
) -> Axes:
    """An observable over generations: its median, the central band of the chains, a few chains, and predictions.

    Runs may be laid over each other on the same Axes: each gets a colour and a name of its own in the legend.

    Parameters
    ----------
    run
        The result of ``simulate``, or anything with ``trace`` and ``recorded``.
    name
        An observable that is one number for each chain and generation; of one with more, ``component`` picks one, by
        its number or by the name of a state or column.
    prediction
        What ``run.predict()`` returns, of which the closed forms of this observable are drawn; one ``Prediction``; a
        curve: values ``(G,)`` or ``(G, d)`` at the recorded generations, or a function of generations; or several
        curves by label.
    centre
        ``"median"``, or ``"mean"``, which is what most predictions are of.
    level
        Fraction of the chains inside the band.
    show
        How many single chains to draw; the first ones, so no choice is made.
    until
        Last generation shown.
    scale
        A factor, or a function applied to values and predictions: ``np.exp`` shows a log variance as a variance.
    label
        Label of the vertical axis, which may hold a formula between two ``$``; names of a run are drawn as they are.
    color
        Colour of the run. Default: the first of a palette that no run on these Axes has.
    run_name
        Name of the run in the legend. Default: its regime, once the Axes hold more than one run.

    Raises
    ------
    ValueError
        If ``name`` was not observed or is not one number, or a prediction has another length than the record or is
        about another observable.
    """
    place = style.place(run, name, component)
    generations, values = style.values(run, name, place, until)
    change = style.scaling(scale)
    arguments.choice("centre", centre, ("median", "mean"))
    level = arguments.number("level", level, 0, 1, open_low=True, open_high=True)
    show = arguments.whole("show", show)
    shown = np.asarray(change(values), np.float64)
    tails = [(1 - level) / 2, (1 + level) / 2]
    with warnings.catch_warnings():
        # a generation at which every chain has failed is a gap in the curve
        warnings.filterwarnings("ignore", "All-NaN slice|Mean of empty slice", RuntimeWarning)
        # order statistics, not interpolation: a time may be infinite
        lower, middle, upper = np.nanquantile(shown, [tails[0], 0.5, tails[1]], axis=0, method="inverted_cdf")
        if centre == "mean":
            middle = np.nanmean(shown, axis=0)
    curves = style.curves(prediction, name, place, np.asarray(run.recorded))
    ax = style.axes(ax)
    own = style.layer(ax, run, run_name, color)
    if len(shown) > 1:
        band = SKY if own.colour == BLUE else own.colour
        ax.fill_between(
            generations, lower, upper, color=band, alpha=0.3 if own.alone else 0.2, lw=0,
            label=f"{100 * level:g}% of chains" if own.alone else None,
        )  # fmt: skip
    for i, chain in enumerate(shown[:show]):
        thin = {"color": "0.55"} if own.alone else {"color": own.colour, "alpha": 0.4}
        ax.plot(generations, chain, lw=0.6, label="single chains" if i == 0 and own.alone else None, zorder=1.5, **thin)
    said = f"{own.prefix}{centre} of {len(shown)} chains"
    ax.plot(generations, middle, color=own.colour, lw=1.8, label=said, gid=own.gid)
    style.draw_predictions(ax, curves, generations, change, own)
    ax.set_xlabel("generation")
    ax.set_ylabel(style.axis_label(run, name, label, place))
    ax.margins(x=0)
    ax.legend(frameon=False)
    return ax


def distribution(
    run: Recorded,
    name: str,
    ax: Axes | None = None,
    *,
    generations: Sequence[int] | None = None,
    component: int | str | None = None,
    bins: int = 60,
    scale: Callable[[np.ndarray], np.ndarray] | None = None,
    label: str | None = None,
) -> Axes:
    """How an observable is distributed over the chains, as a ridge of histograms, the latest generation in front.

    ``generations`` default to at most eight recorded ones, evenly spread. Heights are comparable within a ridge only:
    each is scaled to the same height. Values that are not finite are left out. Raises ValueError as ``chains`` does, or
    if a generation was not recorded.
    """
    entry = style.place(run, name, component)
    recorded, values = style.values(run, name, entry, None)
    bins = arguments.whole("bins", bins, 1)
    rows = style.rows(recorded, generations, most=8)
    values = values[:, rows] if scale is None else arguments.function("scale", scale)(values[:, rows])
    pooled = values[np.isfinite(values)]
    if not pooled.size:
        raise ValueError(f"{name!r} has no finite value at the generations {list(recorded[rows])}")
    ax = style.axes(ax)
    low, high = pooled.min(), pooled.max()
    edges = np.linspace(low, high if high > low else low + 1, bins + 1)
    for place, column in enumerate(values.T):
        height, _ = np.histogram(column[np.isfinite(column)], edges)
        style.ridge(ax, edges, height / max(height.max(), 1), -place, len(rows))
    style.ridge_axes(ax, recorded[rows])
    ax.set_xlabel(style.axis_label(run, name, label, entry))
    return ax


def probabilities(
    run: Recorded,
    ax: Axes | None = None,
    *,
    chain: int = 0,
    generations: Sequence[int] | None = None,
    states: Sequence[str] | None = None,
) -> Axes:
    """The law of one chain over generations, a row of bars for each generation; heights are comparable throughout.

    Needs the observable ``"probabilities"``. ``states`` names the states, by default as the source does. Raises
    ValueError if it was not observed, or for a chain, a generation or a number of names that the run does not have.
    """
    recorded, values = style.trace(run, "probabilities")
    chain = arguments.whole("chain", chain, -(2**31))
    if not 0 <= chain < len(values):
        raise ValueError(f"chain must lie between 0 and {len(values) - 1}, got {chain}")
    rows = style.rows(recorded, generations, most=8)
    laws = values[chain, rows]
    given = style.entries_of(run, "probabilities") if states is None else arguments.listed("states", states)
    states = None if given is None else [str(state) for state in given]
    if states is not None and len(states) != laws.shape[1]:
        raise ValueError(f"states must name all {laws.shape[1]} states, got {len(states)} names")
    from matplotlib.ticker import MaxNLocator

    ax = style.axes(ax)
    edges = np.arange(laws.shape[1] + 1) - 0.5
    for place, law in enumerate(laws):
        style.ridge(ax, edges, law / laws.max(), -place, len(rows), overlap=0.9)
    style.ridge_axes(ax, recorded[rows])
    if states is None:
        ax.set_xlabel("state")
        ax.xaxis.set_major_locator(MaxNLocator(integer=True))
    else:
        style.name_states(ax, states)
    return ax


def surviving_states(
    run: Recorded,
    ax: Axes | None = None,
    *,
    prediction: Given | None = None,
    level: float = 0.9,
    show: int = 3,
    color: str | None = None,
    run_name: str | None = None,
) -> Axes:
    """How many states are left over generations: the mean over chains, their band, and predictions of the mean.

    Needs the observable ``"support_size"`` or ``"probabilities"``. Runs may be laid over each other, as with
    ``chains``. Raises ValueError if neither was observed.
    """
    style.check_run(run)
    if "support_size" not in run.trace and "probabilities" in run.trace:
        support = (np.asarray(run.trace["probabilities"]) > 0).sum(-1)
        run_name = style.called(run) if run_name is None and ax is not None else run_name
        run = style.Record(np.asarray(run.recorded), {"support_size": support})
    ax = chains(
        run, "support_size", ax, prediction=prediction, centre="mean", level=level, show=show, label="surviving states",
        color=color, run_name=run_name,
    )  # fmt: skip
    ax.set_ylim(bottom=0)
    return ax


def variance_and_w2(
    run: Recorded,
    axes: Sequence[Axes] | None = None,
    *,
    log_variance: Given | None = None,
    w2: Given | None = None,
    component: int | str = 0,
    level: float = 0.9,
    show: int = 3,
    w2_until: int | None = None,
    color: str | None = None,
    run_name: str | None = None,
) -> Sequence[Axes]:
    """Collapse in two panels: the variance on a log scale, and the mean squared Wasserstein-2 distance to the truth.

    Needs the observables ``"log_variance"`` and ``"w2_squared"``. ``log_variance`` predicts its mean and is drawn
    as its exponential, the typical variance: the *mean* variance may stay constant while every chain collapses. ``w2``
    predicts the mean, which rests on rare chains once the generations are comparable to the sample size; ``w2_until``
    cuts its panel there. Both take whatever ``chains`` takes as ``prediction``, ``run.predict()`` included. Raises
    ValueError if an observable is missing.
    """
    if axes is None:
        from matplotlib import pyplot

        _, axes = pyplot.subplots(1, 2, figsize=(9, 3.6), layout="constrained")
    given = np.atleast_1d(np.asarray(axes, object)).ravel()
    if given.size != 2:
        raise ValueError(f"axes must be two, one for the variance and one for W2, got {given.size}")
    axes = [style.axes(ax, "axes") for ax in given]
    style.check_run(run)
    recorded = np.asarray(run.recorded)
    place = style.place(run, "log_variance", component)
    style.curves(log_variance, "log_variance", place, recorded, "log_variance")
    curves = style.curves(w2, "w2_squared", None, recorded, "w2")
    options: Any = {"component": place, "level": level, "show": show, "color": color, "run_name": run_name}
    said = "variance" + style.component_label(run, "log_variance", place) if "log_variance" in run.trace else None
    chains(run, "log_variance", axes[0], prediction=log_variance, scale=np.exp, label=said, **options)
    axes[0].set_yscale("log")
    generations, values = style.values(run, "w2_squared", None, w2_until, "w2_until")
    mean, error = mean_and_error(values)
    own = style.layer(axes[1], run, run_name, color)
    axes[1].fill_between(
        generations, mean - 2 * error, mean + 2 * error, color=SKY if own.colour == BLUE else own.colour,
        alpha=0.5 if own.alone else 0.3, lw=0, label="± 2 standard errors" if own.alone else None,
    )  # fmt: skip
    said = f"{own.prefix}mean of {len(values)} chains"
    axes[1].plot(generations, mean, color=own.colour, lw=1.8, label=said, gid=own.gid)
    style.draw_predictions(axes[1], curves, generations, np.asarray, own)
    axes[1].set_xlabel("generation")
    axes[1].set_ylabel("squared W2 distance to the truth")
    axes[1].set_ylim(bottom=0)
    axes[1].margins(x=0)
    axes[1].legend(frameon=False)
    return axes


def compare(
    runs: Mapping[str, Recorded] | Sequence[Recorded],
    name: str,
    ax: Axes | None = None,
    *,
    prediction: bool | Mapping[str, Curve] = True,
    component: int | str | None = None,
    points: int = 13,
    log: bool = True,
    scale: float = 1.0,
    label: str | None = None,
) -> Axes:
    """One observable of several runs: means over chains with two standard errors, and each closed form as a line.

    Parameters
    ----------
    runs
        Runs by the name they have in the legend, or a list of runs, which are named by their regimes.
    name
        An observable that is one number for each chain and generation; of one with more, ``component`` picks one, by
        its number or by the name of a state or column.
    prediction
        Whether to draw the closed forms that apply to each run, at every generation; or curves by the name of the run,
        as ``chains`` takes them.
    points
        How many generations of each run are marked at most, evenly spread along the axis.
    log
        Whether the axis is logarithmic; it then counts fits, generation + 1.
    scale
        A factor for values and predictions, such as one over the value of the truth.
    label
        Label of the vertical axis, as in ``chains``.

    Raises
    ------
    ValueError
        If there is no run, two have one name, a curve has the name of none, or ``name`` is not one number in each.
    """
    if not isinstance(runs, (Mapping, Sequence)) or isinstance(runs, str | bytes):
        raise TypeError(f"runs must be a dictionary or a list of runs, got {runs!r}")
    named = list(runs.items()) if isinstance(runs, Mapping) else [(style.called(run), run) for run in runs]
    if not named or len({key for key, _ in named}) < len(named):
        raise ValueError(f"runs must be at least one and have names of their own, got {[key for key, _ in named]}")
    if not isinstance(prediction, Mapping):
        try:
            prediction = arguments.flag("prediction", prediction)
        except TypeError as refusal:
            raise TypeError(f"{refusal}, or curves by the name of the run") from None
    unknown = [key for key in ({} if isinstance(prediction, bool) else prediction) if key not in dict(named)]
    if unknown:
        raise ValueError(f"prediction must go by the names of the runs, {', '.join(dict(named))}; got {unknown[0]!r}")
    for _, run in named:
        style.check_run(run, "each of runs")
    points, scale = arguments.whole("points", points, 2), arguments.number("scale", scale)
    ax, change, shift = style.axes(ax), style.scaling(scale), int(arguments.flag("log", log))
    for i, (key, run) in enumerate(named):
        place = style.place(run, name, component)
        generations, values = style.values(run, name, place, None)
        mean, error = mean_and_error(values * scale)
        colour, marker = style.LAYERS[i % len(style.LAYERS)], style.MARKERS[i % len(style.MARKERS)]
        if prediction is True:
            curves = style.curves(style.closed_forms(run, name), name, place, np.asarray(run.recorded))
        else:
            given = prediction.get(key) if isinstance(prediction, Mapping) else None
            curves = style.curves(given, name, place, np.asarray(run.recorded))
        own = style.Layer(colour, "_", "", False)  # lines without an entry in the legend
        style.draw_predictions(ax, curves, generations, change, own, offset=shift, styles=("-", *style.STYLES))
        at = style.spread(generations + shift, points, log)
        ax.errorbar(
            generations[at] + shift, mean[at], 2 * error[at], fmt=marker, color=colour, mfc="white", ms=5, elinewidth=1,
            label=style.plain(key),
        )  # fmt: skip
    ax.set_xlabel("fits (generation + 1)" if log else "generation")
    ax.set_xscale("log" if log else "linear")
    ax.set_ylabel(style.axis_label(run, name, label, place))
    ax.legend(frameon=False)
    return ax


def overview(run: Recorded, *, most: int = 9) -> Figure:
    """Every observable of a run in a panel of its own, with the closed forms of ``run.predict()``; a new figure.

    One number: the mean where a closed form is known, else the median. ``"probabilities"``: the law of the first chain.
    Other vectors: the first component. More than ``most`` observables are cut.
    """
    from matplotlib import pyplot

    style.check_run(run)
    most = arguments.whole("most", most, 1)
    predicted = list(run.predict()) if isinstance(run, Run) else []
    names = [n for n, values in run.trace.items() if np.ndim(values) <= 3][:most]
    if not names:
        raise ValueError("the run has no observable that is a number or a vector")
    columns = min(len(names), 3)
    rows = -(-len(names) // columns)
    figure, axes = pyplot.subplots(
        rows, columns, figsize=(4.6 * columns, 3.4 * rows), layout="constrained", squeeze=False
    )
    for ax in axes.flat[len(names) :]:
        ax.remove()
    for name, ax in zip(names, axes.flat, strict=False):
        vector = np.ndim(run.trace[name]) == 3
        if name == "probabilities":
            probabilities(run, ax)
            continue
        about = [p for p in predicted if p.observable == name]
        chains(
            run,
            name,
            ax,
            component=0 if vector else None,
            prediction=about,
            centre="mean" if about else "median",
        )
    return figure

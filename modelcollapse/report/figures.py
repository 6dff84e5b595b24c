"""The figures of a page: each observable as an image within the page, with words for who cannot see it."""

from __future__ import annotations

import base64
import dataclasses
import io
import math
import warnings
from typing import TYPE_CHECKING

import numpy as np

from modelcollapse import plot
from modelcollapse.axes import labelled
from modelcollapse.names import coordinate
from modelcollapse.observables import Read
from modelcollapse.observables.images import Images
from modelcollapse.predict.prediction import Predictions, shown
from modelcollapse.run import Run

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MOST = 12
"""Figures of a page; further observables are in its tables alone."""
HEAVY = 150_000
"""Bytes of a drawing beyond which it is a bitmap, whose size does not grow with the run."""
NAMED = 25
"""States up to which a law is drawn with their names."""
WIDEST = 2_000
"""States up to which a law is drawn at all: beyond, a bar is finer than a pixel."""
DECADES = 1e3
"""Ratio of the largest to the smallest value from which the axis is logarithmic."""


@dataclasses.dataclass(frozen=True)
class Figure:
    """An image as a data URI, what it shows in one sentence, and a caption that says what to see."""

    name: str
    source: str
    alternative: str
    caption: str


def figures(run: Run, predictions: Predictions) -> list[Figure]:
    """One figure for each observable that can be drawn, at most ``MOST``."""
    if not run.recorded.size:
        return []
    names = [name for name in run.trace if drawable(run, name)]
    return [_figure(run, name, predictions) for name in names[:MOST]]


def drawable(run: Run, name: str) -> bool:
    """Whether an observable is a number, a vector or images, with a finite value somewhere."""
    values = run.trace[name]
    if _pictures(run, name):
        return bool(np.isfinite(values).any())
    wide = name == "probabilities" and values.ndim == 3 and values.shape[2] > WIDEST
    return values.ndim in (2, 3) and 0 not in values.shape and not wide and bool(np.isfinite(values).any())


def _pictures(run: Run, name: str) -> bool:
    """Whether an observable is square images, drawn from the model of each generation."""
    held, values = run.observables.get(name), run.trace[name]
    drawn = isinstance(held, Read) and isinstance(held.function, Images)
    return drawn and values.ndim == 4 and 0 not in values.shape and math.isqrt(values.shape[3]) ** 2 == values.shape[3]


def _figure(run: Run, name: str, predictions: Predictions) -> Figure:
    from matplotlib.figure import Figure as Canvas

    canvas = Canvas(figsize=(6.4, 3.7), layout="constrained")
    with warnings.catch_warnings():
        # failed chains are gaps, infinite times lie beyond the axes
        warnings.simplefilter("ignore", RuntimeWarning)
        warnings.simplefilter("ignore", UserWarning)
        law = name == "probabilities" and run.trace[name].ndim == 3
        draw = _images if _pictures(run, name) else _law if law else _curve
        said = draw(run, name, canvas.subplots(), predictions)
        source = _embedded(canvas)
    return Figure(name, source, *said)


def _images(run: Run, name: str, ax: Axes, _: Predictions) -> tuple[str, str]:
    values = run.trace[name]
    rows = np.unique(np.linspace(0, values.shape[1] - 1, min(5, values.shape[1])).round().astype(int))
    grid, side = values[0, rows, :10], math.isqrt(values.shape[3])
    each = grid.reshape(*grid.shape[:2], side, side)
    ax.imshow(each.transpose(0, 2, 1, 3).reshape(len(rows) * side, -1), cmap="gray", vmin=0, vmax=1)
    ax.set_yticks((np.arange(len(rows)) + 0.5) * side - 0.5, [str(g) for g in run.recorded[rows]])
    ax.set_ylabel("generation")
    ax.set_xticks([])
    first, last = run.recorded[rows[0]], run.recorded[rows[-1]]
    what = (
        f"{grid.shape[1]} images of the model of the first chain in each of {len(rows)} generations, {first} to {last}"
    )
    spread = [shown(float(np.nanstd(values[0, at], axis=0).mean())) for at in (rows[0], rows[-1])]
    caption = (
        f"{what[0].upper()}{what[1:]}. See whether the images of a row grow alike: the standard deviation of a pixel "
        f"over its images is {spread[0]} in generation {first} and {spread[1]} in generation {last}."
    )
    return f"Rows of grey images: {what}, from above to below.", caption


def _law(run: Run, name: str, ax: Axes, _: Predictions) -> tuple[str, str]:
    states = run.trace[name].shape[2]
    known = labelled(run.source)
    names = None
    if known is not None and len(known[1]) == states <= NAMED:
        names = [_cut(str(one)) for one in coordinate(known[1])]
    plot.probabilities(run, ax, states=names)
    left = [int(np.count_nonzero(run.trace[name][0, at] > 0)) for at in (0, -1)]
    first, last = run.recorded[0], run.recorded[-1]
    alternative = (
        f"Rows of bars: the law on {states} states of the first chain, from generation {first} above to {last} below. "
        f"{left[0]} states have a probability above 0 in generation {first}, {left[1]} in generation {last}."
    )
    caption = (
        "The law of the first chain, a row for each generation; the latest is in front. A state without a bar is lost "
        f"there. Look at the rare states first: {left[0]} states are left in generation {first}, {left[1]} in "
        f"generation {last}."
    )
    return alternative, caption


def _curve(run: Run, name: str, ax: Axes, predictions: Predictions) -> tuple[str, str]:
    from matplotlib.ticker import MaxNLocator

    values = run.trace[name]
    about = [p for p in predictions if p.observable == name]
    centre = "mean" if about else "median"
    first = values[:, :, 0] if values.ndim == 3 else values
    part = 0 if values.ndim == 3 else None
    plot.chains(run, name, ax, component=part, prediction=about, centre=centre)
    finite = first[np.isfinite(first)]
    logarithmic = bool(finite.min() > 0 and finite.max() > DECADES * finite.min())
    if logarithmic:
        ax.set_yscale("log")
    ax.xaxis.set_major_locator(MaxNLocator(integer=True))
    # what is said is what is drawn: failed chains are left out of both
    (drawn,) = [line for line in ax.get_lines() if (line.get_gid() or "").startswith("run: ")]
    ends = [shown(np.asarray(drawn.get_ydata(), float)[at]) for at in (0, -1)]
    begin, end = run.recorded[0], run.recorded[-1]
    words = name.replace("_", " ")
    of = f"the first of {values.shape[2]} entries of {words}" if values.ndim == 3 and values.shape[2] > 1 else words
    moves = f"{ends[0]} in generation {begin} and {ends[1]} in generation {end}"
    lines = f", with {'a dashed line for ' + _forms(about)}" if about else ""
    alternative = f"Curve over generations {begin} to {end}: the {centre} of {of} is {moves}{lines}."
    caption = f"{of[0].upper()}{of[1:]} over generations. The line is "
    if run.chains == 1:
        caption += f"the one chain of this run, {moves}."
    else:
        caption += f"the {centre} of {run.chains} chains{_left(first)}, {moves}; "
        caption += "the band holds 90 % of the chains, and thin grey lines are single ones."
    if about:
        caption += f" The dashed line is {_forms(about)}, {about[0].formula}: see whether the {centre} stays on it"
        caption += ", and whether single chains do." if about[0].kind == "mean" else ", on the right side."
    else:
        caption += " No closed form is known here: see where it goes"
        caption += "." if run.chains == 1 else ", and how far single chains stray from the median."
    return alternative, caption + (" The axis is logarithmic." if logarithmic else "")


def _left(values: np.ndarray) -> str:
    """How many chains the last values are of, where some have none."""
    missing = int(np.isnan(values[:, -1]).sum())
    return f", of which {len(values) - missing} have a value at the end" if missing else ""


def _forms(about: list) -> str:
    return {"mean": "the closed form of the mean"}.get(about[0].kind, f"a {about[0].kind} of the mean")


def _embedded(canvas: object) -> str:
    """A drawing as a data URI: as lines, or as a bitmap where these would be many."""
    import matplotlib

    file = io.BytesIO()
    with matplotlib.rc_context({"svg.hashsalt": "modelcollapse", "svg.fonttype": "path"}):
        canvas.savefig(file, format="svg", metadata={"Date": None})  # type: ignore[attr-defined]
    kind = "svg+xml"
    if file.tell() > HEAVY:
        kind, file = "png", io.BytesIO()
        canvas.savefig(file, format="png", dpi=160)  # type: ignore[attr-defined]
    return f"data:image/{kind};base64,{base64.b64encode(file.getvalue()).decode()}"


def _cut(text: str) -> str:
    return text if len(text) <= 20 else f"{text[:19]}…"

"""What a notebook shows of a run: tables, and a small figure beside them where one can be drawn."""

from __future__ import annotations

import base64
import html
import io
import warnings
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

PANELS = 3
LINES = 4
"""Entries of an array up to which each has a line."""
LARGEST = 30_000
"""Characters of a figure."""
GREY = "#808080"
COLOURS = ("#3d8fd1", "#e07b39", "#3fa34d", "#b07cc6")
"""Read on white as on black."""


class Line(NamedTuple):
    """One number over generations ``(G,)``: its centre, a band around it, and what is predicted."""

    label: str
    centre: np.ndarray
    lower: np.ndarray | None = None
    upper: np.ndarray | None = None
    predicted: np.ndarray | None = None


class Panel(NamedTuple):
    """One observable."""

    name: str
    title: str
    generations: np.ndarray
    lines: list[Line]


def table(cells: Sequence[tuple[str, ...]]) -> str:
    """A table whose first line is its head."""
    head, *rows = cells
    top = "".join(f"<th>{html.escape(text)}</th>" for text in head)
    body = "".join("<tr>" + "".join(f"<td>{html.escape(text)}</td>" for text in row) + "</tr>" for row in rows)
    return f"<table><thead><tr>{top}</tr></thead><tbody>{body}</tbody></table>"


def evenly(number: int, most: int) -> np.ndarray:
    """At most ``most`` places of ``number``, evenly spread."""
    return np.unique(np.linspace(0, number - 1, min(most, number)).round().astype(int))


def figure(panels: Sequence[Panel], said: str) -> str:
    """A small picture of the first panels, with ``said`` and their numbers as its alternative text; "" if none can be
    drawn.
    """
    panels = [panel for panel in panels if panel.generations.size > 1][:PANELS]
    if not panels:
        return ""
    try:
        uri = "data:image/png;base64," + base64.b64encode(_png(panels)).decode()
    except Exception:  # a table without a figure says all that is needed
        return ""
    if len(uri) > LARGEST:
        return ""
    text = html.escape(f"{said}: {'; '.join(map(_words, panels))}")
    return f'<img src="{uri}" alt="{text}" title="{text}" style="max-width: 100%; background: transparent">'


def _words(panel: Panel) -> str:
    first, last = panel.generations[0], panel.generations[-1]
    ends = ", ".join(f"{line.label} from {line.centre[0]:.4g} to {line.centre[-1]:.4g}" for line in panel.lines)
    return f"{ends}, generations {first} to {last}"


def _png(panels: Sequence[Panel]) -> bytes:
    from matplotlib import style
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from PIL import Image

    out = io.BytesIO()
    with warnings.catch_warnings(), style.context("default", after_reset=True):
        warnings.simplefilter("ignore")
        drawn = Figure(figsize=(2.9 * len(panels), 1.9), dpi=110, layout="constrained", facecolor="none")
        _draw(drawn, panels)
        canvas = FigureCanvasAgg(drawn)
        canvas.draw()
    # few colours take a third of the room
    few = Image.fromarray(np.asarray(canvas.buffer_rgba())).quantize(64, method=Image.Quantize.FASTOCTREE)
    few.save(out, "png", optimize=True)
    return out.getvalue()


def _draw(drawn: Figure, panels: Sequence[Panel]) -> None:
    for panel, ax in zip(panels, np.atleast_1d(drawn.subplots(1, len(panels))), strict=True):
        ax.set_facecolor("none")
        for line, colour in zip(panel.lines, COLOURS, strict=False):
            if line.lower is not None and line.upper is not None:
                ax.fill_between(
                    panel.generations, _finite(line.lower), _finite(line.upper), color=colour, alpha=0.3, lw=0
                )
            ax.plot(panel.generations, _finite(line.centre), color=colour, lw=1.5)
            if line.predicted is not None:
                ax.plot(panel.generations, _finite(line.predicted), color=GREY, lw=1.5, ls="--")
        _label(ax, panel)


def _label(ax: Axes, panel: Panel) -> None:
    ax.set_title(panel.title[:40], fontsize=8, color=GREY, parse_math=False)
    ax.set_xlabel("generation", fontsize=7, color=GREY)
    ax.margins(x=0)
    ax.tick_params(labelsize=7, colors=GREY)
    for side, spine in ax.spines.items():
        spine.set_color(GREY)
        spine.set_visible(side in ("left", "bottom"))
    if len(panel.lines) > 1:
        _name_lines(ax, panel)


def _name_lines(ax: Axes, panel: Panel) -> None:
    """The names of entries, where their lines end, apart from each other."""
    low, high = ax.get_ylim()
    ends = [
        ((_finite(line.centre)[-1] - low) / (high - low), line, c)
        for line, c in zip(panel.lines, COLOURS, strict=False)
    ]
    least = -np.inf
    for place, line, colour in sorted((end for end in ends if np.isfinite(end[0])), key=lambda end: end[0]):
        least = max(place, least + 0.11)
        ax.text(
            1.02, least, line.label[len(panel.name) + 1 : -1][:16], transform=ax.transAxes, fontsize=7, color=colour,
            va="center", parse_math=False,
        )  # fmt: skip


def _finite(values: np.ndarray) -> np.ndarray:
    return np.where(np.isfinite(values), values, np.nan)

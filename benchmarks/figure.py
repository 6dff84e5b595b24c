"""The ratios of a benchmark as one figure."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from matplotlib.figure import Figure


class Bar(NamedTuple):
    """One row: the ratio, its range, and the goal that was set for it."""

    name: str
    low: float
    middle: float
    high: float
    goal: float


def bars(results: list[Any]) -> list[Bar]:
    """Of rows as ``timing.timed`` returns them, those that have a rival and a ratio for a goal."""
    return [
        Bar(result.row.name, *result.ratio("cpu"), float(result.row.target.rstrip("x")))
        for result in results
        if result.rival is not None and result.row.target.endswith("x")
    ]


def bars_of(page: str) -> list[Bar]:
    """The same from the table of docs/benchmarks.md."""
    row = re.compile(
        r"^\| (.+) \(a [^|]+\) \|[^|]+\|[^|]+\|[^|]+\| \*\*(\S+)\*\* \((\S+) to (\S+)\) \|[^|]+\| ([\d.]+)x \|",
        re.MULTILINE,
    )
    return [
        Bar(name, float(low), float(mid), float(high), float(goal)) for name, mid, low, high, goal in row.findall(page)
    ]


def draw(shown: list[Bar], path: Path) -> None:
    """Horizontal bars of the CPU ratio to the best rival, with its range over the turns, and the goal as a mark."""
    figure = Figure(figsize=(7.5, 0.42 * len(shown) + 1.2), layout="constrained")
    ax = figure.add_subplot()
    place = -np.arange(len(shown))
    low, middle, high, goals = np.array([bar[1:] for bar in shown]).T
    ax.barh(place, middle, color="#56B4E9", height=0.6, xerr=[middle - low, high - middle], ecolor="0.3")
    ax.plot(
        goals,
        place,
        ls="",
        marker="|",
        ms=16,
        mew=2,
        color="#D55E00",
        label="goal set before the work; a bar short of it missed",
    )
    ax.axvline(1, color="0.5", lw=0.8, label="as fast as the best rival")
    ax.set_xscale("log")
    ax.set_yticks(place, [bar.name for bar in shown], fontsize=8)
    ax.set_xlabel("CPU time of the best rival over ours (range over the turns)")
    figure.legend(loc="outside upper center", ncols=2, frameon=False, fontsize=8)
    path.parent.mkdir(exist_ok=True)
    figure.savefig(path, dpi=150)


if __name__ == "__main__":  # draw the page's own numbers again
    DOCS = Path(__file__).parents[1] / "docs"
    draw(bars_of((DOCS / "benchmarks.md").read_text(encoding="utf-8")), DOCS / "images" / "benchmarks.png")

"""The ratios of a benchmark as one figure."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from timing import Timed


def draw(results: list[Timed], path: Path) -> None:
    """Horizontal bars of the CPU ratio to the best rival, with its range, and the ratio to reach as a mark."""
    shown = [result for result in results if result.rival is not None]
    figure = Figure(figsize=(7.5, 0.42 * len(shown) + 1.2), layout="constrained")
    ax = figure.add_subplot()
    place = -np.arange(len(shown))
    low, middle, high = np.array([result.ratio("cpu") for result in shown]).T
    ax.barh(place, middle, color="#56B4E9", height=0.6, xerr=[middle - low, high - middle], ecolor="0.3")
    goals = [float(result.row.target.rstrip("x")) for result in shown]
    ax.plot(goals, place, ls="", marker="|", ms=16, mew=2, color="#D55E00", label="to reach")
    ax.axvline(1, color="0.5", lw=0.8)
    ax.set_xscale("log")
    ax.set_yticks(place, [result.row.name for result in shown], fontsize=8)
    ax.set_xlabel("CPU time of the best rival over ours")
    ax.legend(loc="lower right", frameon=False)
    path.parent.mkdir(exist_ok=True)
    figure.savefig(path, dpi=150)

"""The evidence of many claims in one figure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

import numpy as np

from modelcollapse import arguments
from modelcollapse.plot._style import BLUE, VERMILION, axes, plain

if TYPE_CHECKING:
    from matplotlib.axes import Axes


@runtime_checkable
class Judged(Protocol):
    """What ``modelcollapse.verify`` finds about one claim."""

    @property
    def claim(self) -> Any: ...
    @property
    def rows(self) -> Sequence[Any]: ...


def evidence(results: Sequence[Judged], ax: Axes | None = None) -> Axes:
    """How far every prediction and every near miss of checked claims lies from the simulation, in standard errors.

    ``results`` are those of ``modelcollapse.verify``. The scale is linear up to 10 and logarithmic beyond; a near miss
    that was not rejected is drawn open. Raises ValueError for no results.
    """
    if not all(isinstance(result, Judged) for result in arguments.listed("results", results)):
        raise TypeError(f"results must be a list of what modelcollapse.verify finds about claims, got {results!r}")
    rows = [(f"{r.claim.name}: {row.what}" if row.what else r.claim.name, row) for r in results for row in r.rows]
    if not rows:
        raise ValueError("results must hold at least one row of evidence")
    if ax is None:
        from matplotlib import pyplot

        _, ax = pyplot.subplots(figsize=(8, 1.2 + 0.2 * len(rows)), layout="constrained")
    ax = axes(ax)
    kinds: dict[tuple[str, str, str], list[tuple[float, int]]] = {}
    for place, (_, row) in enumerate(rows):
        kinds.setdefault(("prediction", "o", "full"), []).append((row.prediction.z, place))
        for miss in row.near_misses.values():
            kind = ("near miss, rejected", "X", "full") if miss.rejected else ("near miss, NOT rejected", "s", "none")
            kinds.setdefault(kind, []).append((miss.z, place))
    limit = 1e6
    for (label, marker, fill), points in kinds.items():
        z, place = np.array(points, np.float64).T
        colour = BLUE if label == "prediction" else VERMILION
        z = np.clip(np.nan_to_num(z, nan=limit), -limit, limit)
        ax.plot(z, place, marker, color=colour, fillstyle=fill, ms=5, ls="none", label=label, clip_on=False)
    ax.set_xscale("symlog", linthresh=10)
    ax.axvline(0, color="0.6", lw=0.8, zorder=0)
    ax.set_yticks(np.arange(len(rows)), [plain(name) for name, _ in rows], fontsize=7)
    ax.set_ylim(len(rows) - 0.5, -0.5)
    ax.grid(axis="y", color="0.92")
    ax.set_axisbelow(True)
    ax.set_xlabel("distance from the simulation (standard errors)")
    ax.legend(frameon=False, loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=3)
    return ax

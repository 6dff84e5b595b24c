"""One row of a benchmark: ours and its rivals take turns in one process, so that a busy machine slows all of them."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable
from typing import Any

import jax
import numpy as np
from threadpoolctl import threadpool_limits


@dataclasses.dataclass(frozen=True)
class Entry:
    """Something that does ``work`` units when it is called with a seed; ``work`` below one is part of a unit, to be
    extrapolated.
    """

    run: Callable[[int], Any]
    work: float = 1.0


@dataclasses.dataclass(frozen=True)
class Row:
    """``entries[0]`` is ours; the row's ratio is against the rival that needs the least CPU time."""

    name: str
    unit: str
    entries: dict[str, Entry]
    target: str = ""
    note: str = ""


@dataclasses.dataclass(frozen=True)
class Timed:
    """Seconds a unit, ``(repeat,)`` for each entry."""

    row: Row
    first_call: float  # CPU-seconds of our first call less those of a later one
    cpu: dict[str, np.ndarray]
    wall: dict[str, np.ndarray]

    @property
    def ours(self) -> str:
        return next(iter(self.row.entries))

    @property
    def rival(self) -> str | None:
        others = [name for name in self.cpu if not name.startswith("modelcollapse")]
        return min(others, key=lambda name: float(np.median(self.cpu[name]))) if others else None

    def ratio(self, clock: str) -> np.ndarray:
        """Lowest, median and highest of rival over ours."""
        if self.rival is None:
            return np.full(3, np.nan)
        seconds = getattr(self, clock)
        return np.quantile(seconds[self.rival] / seconds[self.ours], [0.0, 0.5, 1.0])


def timed(row: Row, repeats: int) -> Timed:
    """BLAS and OpenMP are held to one thread: threads that spin while they wait would count as work of the rivals."""
    with threadpool_limits(1):
        return _timed(row, repeats)


def _timed(row: Row, repeats: int) -> Timed:
    spent: dict[str, list[tuple[float, float]]] = {name: [] for name in row.entries}
    first = {name: _seconds(entry, 0)[0] * entry.work for name, entry in row.entries.items()}
    for seed in range(1, repeats + 1):
        for name, entry in row.entries.items():
            spent[name].append(_seconds(entry, seed))
    cpu = {name: np.array([s[0] for s in pairs]) for name, pairs in spent.items()}
    wall = {name: np.array([s[1] for s in pairs]) for name, pairs in spent.items()}
    ours = next(iter(row.entries))
    later = float(np.median(cpu[ours])) * row.entries[ours].work
    return Timed(row, max(first[ours] - later, 0.0), cpu, wall)


def _seconds(entry: Entry, seed: int) -> tuple[float, float]:
    cpu, wall = time.process_time(), time.perf_counter()
    jax.block_until_ready(entry.run(seed))
    # process_time counts all threads
    return (time.process_time() - cpu) / entry.work, (time.perf_counter() - wall) / entry.work


def exponent(values: np.ndarray, seconds: np.ndarray) -> float:
    """Slope of log time over log size, by least squares."""
    return float(np.polyfit(np.log(values), np.log(seconds), 1)[0])

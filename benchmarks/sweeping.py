"""What a sweep costs beyond the runs of its cells: looking, hashing, writing, handing out; without the start of workers.

No cell simulates. CPU time is that of all processes beyond as many summaries and predictions; wall time is that in
which a worker does neither, and depends on what else the machine does. ``dask.distributed`` has a row where it is
installed.
"""

from __future__ import annotations

import functools
import importlib.util
import logging
import multiprocessing
import os
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import Executor, ProcessPoolExecutor
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np

import modelcollapse as mc
from modelcollapse import cells

Make: TypeAlias = Callable[[], Executor]
WORKERS = 2
CELLS = 300
GOALS = {"serial": 3, "processes": 2, "dask": 10}
SOURCE = mc.categorical([0.4, 0.3, 0.2, 0.1])


def cell(replicate: int) -> dict[str, Any]:
    """The arguments of a cell. Wherever it is called no cell simulates any more: each gets the same run, so that what is
    measured is the rest.
    """
    cells.simulate = one  # type: ignore[assignment]
    return {
        "family": mc.Discrete(),
        "source": SOURCE,
        "observe": "heterozygosity",
        "size": 10,
        "generations": 6,
        "chains": 40,
    }


@functools.cache
def _run() -> mc.Run:
    return mc.simulate(**cell(0))


def one(**_: Any) -> mc.Run:
    return _run()


class Kept(ProcessPoolExecutor):
    """A pool that one sweep after another uses, so that its workers start once."""

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        pass

    def end(self) -> None:
        super().shutdown()


class Told(logging.Handler):
    """What the cells of a sweep say: how long they took, and where."""

    def __init__(self) -> None:
        super().__init__()
        self.seconds, self.processes = 0.0, set[int]()

    def emit(self, record: logging.LogRecord) -> None:
        *_, seconds, process = record.args  # type: ignore[misc]
        self.seconds += seconds
        self.processes.add(process)


def cpu(processes: set[int]) -> float:
    """CPU-seconds of this process and of others, as Linux counts them."""
    ticks = 0
    for process in processes - {os.getpid()}:
        fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
        ticks += int(fields[11]) + int(fields[12])
    return time.process_time() + ticks / os.sysconf("SC_CLK_TCK")


def swept(folder: str, executor: Make | None, number: int, workers: set[int]) -> tuple[float, float, set[int]]:
    """CPU-seconds of all processes, wall seconds outside of cells, and the workers, of one sweep."""
    told, log = Told(), logging.getLogger("modelcollapse")
    log.addHandler(told)
    level = log.level
    log.setLevel(logging.INFO)
    # stores are removed at the end of all: ext4 is slow to make files where many were removed a moment ago
    store = Path(folder, f"{time.monotonic_ns()}")
    before, start = cpu(workers), time.perf_counter()
    try:
        mc.sweep(cell, {"replicate": range(number)}, store=store, executor=executor)
        wall = time.perf_counter() - start - told.seconds / max(len(told.processes), 1)
        return cpu(workers) - before, wall, told.processes
    finally:
        log.setLevel(level)
        log.removeHandler(told)


def loop(number: int) -> float:
    """CPU-seconds of as many summaries and predictions, one after another."""
    start = time.process_time()
    for _ in range(number):
        one().summary()
        one().predict()
    return time.process_time() - start


def overhead(folder: str, executor: Make | None, repeats: int) -> np.ndarray:
    """CPU- and wall seconds a cell, ``(repeat, 2)``; the first sweep starts and warms the workers."""
    loop(3)
    *_, workers = swept(folder, executor, 20, set())
    spent = []
    for _ in range(repeats):
        total, wall, _ = swept(folder, executor, CELLS, workers)
        spent.append((total - loop(CELLS), wall))
    return np.array(spent) / CELLS


def rows(repeats: int) -> list[str]:
    """Markdown: milliseconds a cell by each engine, CPU and wall, median and range, and the goal."""
    found = {}
    with tempfile.TemporaryDirectory() as folder:
        found["serial"] = overhead(folder, None, repeats)
        pool = Kept(WORKERS, mp_context=multiprocessing.get_context("spawn"))
        found["processes"] = overhead(folder, lambda: pool, repeats)
        pool.end()
        if importlib.util.find_spec("distributed"):
            from dask.distributed import Client, LocalCluster

            with (
                LocalCluster(n_workers=WORKERS, threads_per_worker=1, dashboard_address=None) as cluster,
                Client(cluster) as client,
            ):
                found["dask"] = overhead(folder, lambda: client.get_executor(pure=False), repeats)
    cells.simulate = mc.simulate
    lines = []
    for engine, seconds in found.items():
        shown = [f"{np.median(ms):.2g} ({ms.min():.2g} to {ms.max():.2g})" for ms in 1e3 * seconds.T]
        lines.append(f"| {engine} | {' | '.join(shown)} | {GOALS[engine]} |")
    return lines

"""What a sweep costs beyond the runs of its cells: looking, hashing, writing, handing out; without the start of workers.

Here CPU time is compared with that of the same runs in a plain loop, turn by turn. By workers it is the time in which
they run no cell, of which each tells how long it took. ``dask.distributed`` has a row where it is installed.
"""

from __future__ import annotations

import importlib.util
import logging
import multiprocessing
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import Executor, ProcessPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np

import modelcollapse as mc

WORKERS = 2
CELLS = 300
GOALS = {"serial": 3, "processes": 2, "dask": 10}
SOURCE = mc.categorical([0.4, 0.3, 0.2, 0.1])


def cell(replicate: int) -> dict[str, Any]:
    """A run of some ten milliseconds, most of which are spent outside of its program."""
    return {
        "family": mc.Discrete(),
        "source": SOURCE,
        "observe": "heterozygosity",
        "size": 10,
        "generations": 6,
        "chains": 40,
    }


class Kept(ProcessPoolExecutor):
    """A pool that one sweep after another uses, so that its workers start once."""

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        pass

    def end(self) -> None:
        super().shutdown()


class Seconds(logging.Handler):
    """Adds up what the cells of a sweep say that they took."""

    total = 0.0

    def emit(self, record: logging.LogRecord) -> None:
        self.total += record.args[2]  # type: ignore[index,operator]


def swept(folder: str, executor: Callable[[], Executor] | None, cells: int) -> tuple[float, float, float]:
    """CPU-seconds here, wall seconds, and seconds within cells, of one sweep."""
    seconds, log = Seconds(), logging.getLogger("modelcollapse")
    log.addHandler(seconds)
    level, _ = log.level, log.setLevel(logging.INFO)
    # stores are removed at the end of all: ext4 is slow to make files where many were removed a moment ago
    store = Path(folder, f"{time.monotonic_ns()}")
    cpu, wall = time.process_time(), time.perf_counter()
    try:
        mc.sweep(cell, {"replicate": range(cells)}, store=store, executor=executor)
        return time.process_time() - cpu, time.perf_counter() - wall, seconds.total
    finally:
        log.setLevel(level)
        log.removeHandler(seconds)


def loop(cells: int) -> float:
    """CPU-seconds of the same runs, summaries and predictions, one after another."""
    cpu = time.process_time()
    for replicate in range(cells):
        run = mc.simulate(**cell(replicate), seed=[0, replicate])
        run.summary()
        run.predict()
    return time.process_time() - cpu


def serial(folder: str, repeats: int) -> np.ndarray:
    loop(3), swept(folder, None, 3)
    return np.array([swept(folder, None, CELLS)[0] - loop(CELLS) for _ in range(repeats)]) / CELLS


def by_workers(folder: str, executor: Callable[[], Executor], repeats: int) -> np.ndarray:
    swept(folder, executor, 10 * WORKERS)
    spent = [swept(folder, executor, CELLS) for _ in range(repeats)]
    return np.array([wall - within / WORKERS for _, wall, within in spent]) / CELLS


def rows(repeats: int) -> list[str]:
    """Markdown: milliseconds a cell by each engine, median and range, and the goal."""
    found = {}
    with tempfile.TemporaryDirectory() as folder:
        found["serial"] = serial(folder, repeats)
        pool = Kept(WORKERS, mp_context=multiprocessing.get_context("spawn"))
        found["processes"] = by_workers(folder, lambda: pool, repeats)
        pool.end()
        if importlib.util.find_spec("distributed"):
            from dask.distributed import Client, LocalCluster

            with (
                LocalCluster(n_workers=WORKERS, threads_per_worker=1, dashboard_address=None) as cluster,
                Client(cluster) as client,
            ):
                found["dask"] = by_workers(folder, lambda: client.get_executor(pure=False), repeats)
    return [
        f"| {engine} | {np.median(ms):.2g} ({ms.min():.2g} to {ms.max():.2g}) | {GOALS[engine]} |"
        for engine, ms in ((engine, 1e3 * seconds) for engine, seconds in found.items())
    ]

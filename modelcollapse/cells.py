"""One cell of a sweep, wherever it runs: it looks whether it is done, simulates, and writes what it found."""

from __future__ import annotations

import dataclasses
import functools
import multiprocessing
import os
import threading
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import jax
import numpy as np

from modelcollapse import arguments, grids, stores
from modelcollapse.forks import computes
from modelcollapse.grids import Cell, Make
from modelcollapse.run import Run, simulate

QUANTILES = {"median": 0.5, "lower": 0.025, "upper": 0.975}
_turn = threading.Lock()  # runs of two threads of one process may wait for each other without end


@dataclasses.dataclass(frozen=True)
class Until:
    """When a cell has chains enough: once the standard error of ``statistic`` over chains is at most ``bound``.

    It is looked at for ``observable`` at the last recorded generation, the largest of its entries. A cell begins with
    the ``chains`` that ``make`` gives and doubles them, up to ``most``. The standard error of the mean is s / sqrt(n);
    that of the median, and of ``lower`` and ``upper``, the 2.5% and 97.5% quantiles, is half the distance between the
    order statistics one standard deviation of the binomial(n, q) law below and above rank n q. Both are estimates: a
    sample that stops where its own spread is small has a standard error that is a little too small.
    """

    observable: str
    bound: float
    most: int
    statistic: str = "mean"

    def __post_init__(self) -> None:
        arguments.text("observable", self.observable)
        arguments.positive("bound", self.bound)
        arguments.count("most", self.most)
        arguments.choice("statistic", self.statistic, stores.STATISTICS[:1] + stores.STATISTICS[2:])

    def standard_error(self, run: Run) -> float:
        """The standard error that ``run`` has reached; NaN for a single chain."""
        values = np.asarray(run[self.observable][:, -1], np.float64)
        if self.statistic == "mean":
            return float(np.max(run.summary()[self.observable]["standard_error"][-1]))
        n, q = values.shape[0], QUANTILES[self.statistic]
        if n == 1:
            return np.nan
        spread = np.sqrt(n * q * (1 - q))
        ranks = np.clip([np.floor(n * q - spread), np.ceil(n * q + spread)], 1, n).astype(int) - 1
        low, high = np.sort(values, axis=0)[ranks]
        return float(np.max(high - low) / 2)


@dataclasses.dataclass(frozen=True)
class Job:
    """What all cells of a sweep have in common."""

    path: Path
    make: Make
    seed: int
    layout: stores.Layout
    until: Until | None
    retry_failed: bool
    wide: bool
    generator: str
    cache: dict[str, Any]
    origin: int  # the process that began the sweep
    tied: bool = False  # whether a worker ends with the process that began it

    def read(self, cell: Cell, name: str) -> str:
        """What a variable of texts has for a cell."""
        return stores.read_text(self.path, name, cell.index, self.layout.variables[name])


@dataclasses.dataclass(frozen=True)
class Report:
    """What became of a cell, and how long its runs and predictions took where."""

    status: str
    message: str = ""
    seconds: float = 0.0
    process: int = 0


@computes
def run_cell(job: Job, cell: Cell) -> Report:
    """Run a cell, unless it is done, and write all it has, ``status`` last. An error of its own becomes its message."""
    with _turn, jax.enable_x64(job.wide):
        _settle(job)
        status = job.read(cell, "status")
        if status == stores.DONE or (status == stores.FAILED and not job.retry_failed):
            return Report(status, job.read(cell, "message"))
        begun = time.perf_counter()
        try:
            given = grids.called(job.make, cell, job.seed)
            if grids.hashed(given) != cell.content:
                raise Stray(f"make returns other arguments in this worker than where the sweep began, for {cell}")
            if os.getpid() != job.origin:  # other cells have the other cores
                given.setdefault("workers", 1)
            run = _run(given, job.until)
            if run.provenance["generator"] != job.generator:
                raise Stray(f"the random generator is {run.provenance['generator']!r}, not {job.generator!r}")
            found = dict(_contents(run, job))
        except Stray:
            raise
        except Exception as error:
            seconds = time.perf_counter() - begun
            return fail(job, cell, f"{type(error).__name__}: {error}", seconds)
        seconds = time.perf_counter() - begun
        for name, value in found.items():
            stores.write(job.path, name, cell.index, job.layout.variables[name], value)
        stores.erase(job.path, "message", cell.index, job.layout.variables["message"])
        stores.write(job.path, "status", cell.index, job.layout.variables["status"], stores.DONE)
        return Report(stores.DONE, "", seconds, os.getpid())


class Stray(RuntimeError):
    """A worker whose numbers would be others; no cell is to blame."""


def fail(job: Job, cell: Cell, message: str, seconds: float = 0.0) -> Report:
    """Write that a cell failed, and why."""
    for name, value in {"message": message, "status": stores.FAILED}.items():
        stores.write(job.path, name, cell.index, job.layout.variables[name], value)
    return Report(stores.FAILED, message, seconds, os.getpid())


def _run(given: Mapping[str, Any], until: Until | None) -> Run:
    run = simulate(**given)
    while until is not None and run.chains < until.most and not until.standard_error(run) <= until.bound:
        added = min(run.chains, until.most - run.chains)
        run = run.more(added, **{name: given[name] for name in grids.UNSEEN if name in given})
    return run


def _contents(run: Run, job: Job) -> Iterator[tuple[str, object]]:
    """What a cell has of each variable."""
    variables, summary = job.layout.variables, run.summary()

    def filled(name: str, values: np.ndarray) -> tuple[str, np.ndarray]:
        return name, job.layout.filled(name, values, run.recorded)

    for name, values in run.items():
        yield filled(name, np.stack([summary[name][statistic] for statistic in stores.STATISTICS]))
        if f"{name}_trace" in variables:
            yield filled(f"{name}_trace", values)
    # a bound is no mean, and has no place beside one
    wanted = [name for name in run if f"{name}_prediction" in variables]
    for said in [p for p in run.predict() if p.kind == "mean"] if wanted else []:
        yield filled(f"{said.observable}_prediction", said.values)
        yield f"{said.observable}_theorem", f"{said.formula} ({said.conditions}; {said.order}; {said.function})"
    yield "number_of_chains", run.chains
    if job.until is not None:
        yield "standard_error_reached", job.until.standard_error(run)


def _settle(job: Job) -> None:
    """Make a worker one of the sweep: it keeps compiled programs where the sweep does, and does not outlive it."""
    if os.getpid() == job.origin:
        return
    if job.tied:
        _end_with_parent()
    if jax.config.jax_compilation_cache_dir is None:  # type: ignore[attr-defined]
        for name, value in job.cache.items():
            jax.config.update(name, value)


@functools.cache
def _end_with_parent() -> None:
    """End this process when its parent does: workers of a pool whose parent was killed would wait for ever."""
    parent = multiprocessing.parent_process()

    def wait() -> None:
        if parent is not None:
            parent.join()
            os._exit(1)

    threading.Thread(target=wait, daemon=True).start()

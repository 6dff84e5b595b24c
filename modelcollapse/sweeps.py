"""A sweep runs every cell of a grid, on any executor, into a store that can be gone on with after any accident.

Nothing travels back from a worker but what became of a cell: each writes its own chunks, and then that it is done. A
cell looks at that before it runs, so what is started twice is run once.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import logging
import os
import warnings
from collections.abc import Callable, Hashable, Iterable, Mapping
from concurrent.futures import BrokenExecutor, CancelledError, Executor, Future, ProcessPoolExecutor, as_completed
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jax
from tqdm.auto import tqdm

from modelcollapse import arguments, grids, provenance, sampling, stores
from modelcollapse.cells import Job, Report, Until, fail, run_cell
from modelcollapse.forks import computes
from modelcollapse.grids import Axis, Cell, Make
from modelcollapse.numeric import shown

if TYPE_CHECKING:
    import xarray

LOG = logging.getLogger("modelcollapse")
CACHE = ("jax_compilation_cache_dir", "jax_persistent_cache_min_compile_time_secs")
"""Settings of JAX that a worker takes from the process that began the sweep, if it has none."""


@computes
def sweep(
    make: Make,
    axes: Mapping[str, Iterable[Any] | Mapping[str, Any]],
    *,
    store: str | os.PathLike[str],
    executor: Callable[[], Executor] | None = None,
    seed: int = 0,
    until: Until | None = None,
    traces: bool = False,
    predict: bool = True,
    pad: bool = False,
    on_error: str = "record",
    retries: int = 3,
    retry_failed: bool = False,
    progress: bool = False,
) -> xarray.Dataset:
    """Run ``simulate`` on every cell of a grid, into a store on disk. Needs ``modelcollapse[sweep]``.

    The same call goes on with a store that is not finished: cells that are done are not run again. Every number is that
    of ``simulate(**make(**cell))``, bit for bit.

    Parameters
    ----------
    make
        ``make(**cell)`` returns the arguments of ``simulate`` as a dictionary: ``family``, ``source``, ``size`` and
        ``generations``, and, if they are wanted, ``regime``, ``observe``, ``chains``, ``seed``, ``record``,
        ``batch_size`` and ``workers``, which in other processes is 1 by default. It is called here and again by the
        worker of the cell, which must find it: in a module, or in a script whose own work stands under
        ``if __name__ == "__main__":``.
    axes
        The values of each argument of ``make``: a list, or a dictionary from labels to values. Numbers and texts are
        coordinates as they are; of other values the label is, or else how they print.
    store
        A folder where nothing is, or that of this sweep. All workers must see it.
    executor
        A function that makes a ``concurrent.futures.Executor``: of processes, by spawn and never fork, or of a cluster.
        Default: one cell after another, here.
    seed
        A cell for which ``make`` gives no ``seed`` has the seed ``[seed, *index]``, with its index along each axis.
    until
        Add chains to a cell until a standard error is small enough; see ``Until``.
    traces
        Keep the trace of each observable too. Not with ``until``, where cells differ in their number of chains.
    predict
        Keep what ``run.predict()`` says of the means.
    pad
        Take axes that change the shape of an observable, whether it is observed, or the recorded generations, and put
        NaN where a cell has nothing: in the dataset each has the largest of its shapes, and generations are those of
        all cells.
    on_error
        ``"record"`` goes on where a cell fails; ``"raise"`` raises a RuntimeError for the first.
    retries
        How often workers that broke are made again.
    retry_failed
        Whether cells that failed in an earlier call are run again.
    progress
        Show a progress bar, with the time left.

    Returns
    -------
    xarray.Dataset
        The store, opened lazily, with the axes as its first dimensions. ``name``: statistics over chains of an
        observable, as in ``run.summary()``, ``(*axes, statistic, generation, ...)``. ``name_prediction``: the closed
        form of its mean ``(*axes, generation, ...)``, NaN where there is none, and ``name_theorem``: the formula, its
        conditions, the order of its error and the theorem. ``name_trace``: ``(*axes, chain, generation, ...)``.
        ``number_of_chains`` and, with ``until``, ``standard_error_reached``; ``status``: pending, done or failed, and
        ``message``: why.

    Raises
    ------
    ValueError, TypeError
        For arguments that make no sense, before anything runs; if ``store`` holds another grid; if an axis changes the
        shape of results and ``pad`` is not set.
    RuntimeError
        If workers broke once more than ``retries`` allows, or a cell failed and ``on_error`` is ``"raise"``. What is
        done is kept.

    Warns
    -----
    UserWarning
        If cells have failed, or the store was begun with other versions of JAX or this package.
    """
    stores.check_installed()
    arguments.function("make", make)
    path = Path(arguments.path("store", store)).absolute()
    seed, retries = arguments.whole("seed", seed, maximum=2**4096), arguments.whole("retries", retries)
    on_error = arguments.choice("on_error", on_error, ["record", "raise"])
    options = {"traces": arguments.flag("traces", traces), "predict": arguments.flag("predict", predict)}
    options["pad"], again = arguments.flag("pad", pad), arguments.flag("retry_failed", retry_failed)
    bar = arguments.flag("progress", progress)
    _check_executor(executor)
    if until is not None and (not isinstance(until, Until) or traces):
        raise TypeError(
            f"until must be an Until, got {shown(until)}"
            if not traces
            else "traces must be False with until: cells then differ in their number of chains"
        )
    along = grids.axes(axes)
    plan = _planned(make, along, seed, until, on_error, **options)
    _begun(path, along, plan, until=None if until is None else repr(until), **options)
    job = _job(path, make, seed, plan.layout, until, again)
    done = _work(job, plan, executor, retries, on_error, bar)
    failed = [cell for cell, report in done.items() if report.status == stores.FAILED]
    if failed:
        first = done[failed[0]]
        warnings.warn(
            f"{len(failed)} of {len(done)} cells failed, the first of them {failed[0]}: {first.message}; status and "
            "message of the dataset name them all",
            stacklevel=2,
        )
    return stores.opened(path, plan.layout.variables)


@dataclasses.dataclass(frozen=True, eq=False)
class Plan:
    """Cells in the order in which they run, those of one program side by side; and cells that cannot, with the reason.

    ``content`` is the hash of all of them.
    """

    cells: list[Cell]
    wrong: dict[Cell, str]
    layout: stores.Layout
    content: str


def _planned(make: Make, along: list[Axis], seed: int, until: Until | None, on_error: str, **options: bool) -> Plan:
    """Call ``make`` for every cell, and find what the results of each will look like."""
    known: dict[Hashable, grids.Form] = {}
    kept: list[tuple[Hashable, Cell, int]] = []
    wrong: dict[Cell, str] = {}
    digest = hashlib.sha256()
    first = None
    for cell in grids.cells(along):
        try:
            given = grids.called(make, cell, seed)
            content, structure = grids.hashed(given), grids.structure(given)
            if structure not in known:
                known[structure] = grids.form(given)
            _check_until(until, known[structure], given)
        except Exception as error:
            if on_error == "raise":
                raise
            first, content = first or error, ""
            wrong[cell] = f"{type(error).__name__}: {error}"
        else:
            kept.append((structure, dataclasses.replace(cell, content=content), int(given["chains"])))
        digest.update(f"{content} ".encode())
    if not kept and first is not None:
        raise first
    order = {structure: number for number, structure in enumerate(known)}
    kept.sort(key=lambda one: order[one[0]])
    cells, forms = [cell for _, cell, _ in kept], [known[structure] for structure, _, _ in kept]
    made = stores.layout(cells, forms, [chains for _, _, chains in kept], adaptive=until is not None, **options)
    stores.check_names(along, made)
    return Plan(cells, wrong, made, digest.hexdigest())


def _check_until(until: Until | None, form: grids.Form, given: Mapping[str, Any]) -> None:
    if until is not None and until.observable not in form.shapes:
        raise ValueError(f"until has the observable {until.observable!r}, and observed are {', '.join(form.shapes)}")
    if until is not None and until.most < given["chains"]:
        raise ValueError(f"until.most must be at least the chains that make gives, {given['chains']}, got {until.most}")


def _begun(path: Path, along: list[Axis], plan: Plan, **options: object) -> None:
    """Make the store if there is none, and refuse that of another grid."""
    here = provenance.made(None, sampling.key(0))
    grid = {
        "format": stores.FORMAT, "axes": {axis.name: axis.labels.tolist() for axis in along}, "cells": plan.content,
        **options, "dtype": here["dtype"], "generator": here["generator"],
    }  # fmt: skip
    if stores.attributes(path) is None:
        text = json.dumps(grid, sort_keys=True)
        said = {"grid": text, "grid_sha256": hashlib.sha256(text.encode()).hexdigest(), **here["versions"]}
        stores.create(path, along, plan.layout, said)
    found = stores.attributes(path) or {}
    theirs = json.loads(found["grid"])
    differ = [name for name in grid if theirs.get(name) != grid[name]]
    if differ:
        raise ValueError(
            f"store {path} holds a sweep that differs in {', '.join(differ)}: repeat the call that began it, or give "
            "another folder"
        )
    other = [f"{name} {found[name]}" for name in provenance.COMPUTING if found[name] != here["versions"][name]]
    if other:
        warnings.warn(
            f"the sweep was begun with {', '.join(other)}; the numbers of cells that run now may differ from those of "
            "one uninterrupted sweep",
            stacklevel=3,
        )
    stores.tidy(path)


def _job(path: Path, make: Make, seed: int, made: stores.Layout, until: Until | None, again: bool) -> Job:
    here = provenance.made(None, sampling.key(0))
    wide, cache = here["dtype"] == "float64", {name: getattr(jax.config, name) for name in CACHE}
    return Job(path, make, seed, made, until, again, wide, here["generator"], cache, os.getpid())


def _work(
    job: Job, plan: Plan, executor: Callable[[], Executor] | None, retries: int, on_error: str, progress: bool
) -> dict[Cell, Report]:
    """Run what is not done; what became of each cell, those included that had failed or were wrong."""
    statuses, skipped = stores.read_texts(job.path, "status"), {stores.DONE}
    if not job.retry_failed:
        skipped.add(stores.FAILED)
    reports = {cell: fail(job, cell, message) for cell, message in plan.wrong.items()}
    waiting = []
    for cell in plan.cells:
        status = str(statuses[cell.index])
        if status in skipped:
            reports[cell] = Report(status, job.read(cell, "message"))
        else:
            waiting.append(cell)
    with tqdm(total=len(reports) + len(waiting), initial=len(reports), disable=not progress, unit="cell") as bar:

        def seen(cell: Cell, report: Report) -> None:
            reports[cell] = report
            bar.update()
            LOG.info("cell %s: %s in %.3f s by process %d", cell, report.status, report.seconds, report.process)
            if report.status == stores.FAILED and on_error == "raise":
                raise RuntimeError(f"the cell {cell} failed: {report.message}")

        if executor is None:
            for cell in waiting:
                seen(cell, run_cell(job, cell))
        else:
            _in_pools(job, waiting, executor, retries, seen)
    return reports


def _in_pools(
    job: Job,
    waiting: list[Cell],
    executor: Callable[[], Executor],
    retries: int,
    seen: Callable[[Cell, Report], None],
) -> None:
    """Run cells on an executor, and where its workers break on a new one, at most ``retries`` times."""
    broken = 0
    while waiting:
        left = dict.fromkeys(waiting)
        with _pool(executor) as pool:
            own = dataclasses.replace(job, tied=isinstance(pool, ProcessPoolExecutor))
            futures: dict[Future[Report], Cell] = {}
            try:
                for cell in waiting:
                    futures[pool.submit(run_cell, own, cell)] = cell
                for future in as_completed(futures):
                    report = future.result()
                    del left[futures[future]]
                    seen(futures[future], report)
            except Exception as error:
                if not _broke(error):
                    raise
                for future in [one for one, cell in futures.items() if cell in left and _succeeded(one)]:
                    del left[futures[future]]
                    seen(futures[future], future.result())
                broken += 1
                if broken > retries:
                    raise RuntimeError(
                        f"workers broke {broken} times ({type(error).__name__}: {error}), and {len(left)} cells are "
                        "left; what is done is kept, and the same call goes on. A worker also breaks if it finds no "
                        "memory, or cannot import make: define make in a module, or the script's own work under "
                        '`if __name__ == "__main__":`'
                    ) from error
            finally:
                for future in futures:
                    future.cancel()
        waiting = list(left)


def _succeeded(future: Future[Report]) -> bool:
    return future.done() and not future.cancelled() and future.exception() is None


def _broke(error: Exception) -> bool:
    """Whether workers are gone, through no fault that the cell could report."""
    # dask says so by a class of its own, which is not imported here
    return isinstance(error, BrokenExecutor | CancelledError) or type(error).__name__ == "KilledWorker"


def _pool(executor: Callable[[], Executor]) -> Executor:
    pool = executor()
    if not isinstance(pool, Executor):
        raise TypeError(f"executor must make a concurrent.futures.Executor, and it made {shown(pool)}")
    # nobody else knows how a pool starts its workers
    context = pool._mp_context if isinstance(pool, ProcessPoolExecutor) else None
    if context is not None and context.get_start_method() == "fork":
        pool.shutdown()
        raise ValueError(
            "executor must not fork, which JAX does not survive: start processes by the spawn method, with "
            'functools.partial(ProcessPoolExecutor, 2, mp_context=multiprocessing.get_context("spawn"))'
        )
    return pool


def _check_executor(executor: Callable[[], Executor] | None) -> None:
    if isinstance(executor, Executor) or not (executor is None or callable(executor)):
        raise TypeError(
            f"executor must be a function that makes a concurrent.futures.Executor, as a broken one cannot be used "
            f"again; got {shown(executor)}"
        )

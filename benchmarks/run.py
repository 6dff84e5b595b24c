"""``python benchmarks/run.py [--only NAME ...]``: every row, its rivals in turn, and the page docs/benchmarks.md.

With ``--only`` (the start of one name or of several) the rows are printed and the page is left alone. Under ten minutes
on two cores.
"""

from __future__ import annotations

import argparse
import datetime
import importlib.metadata
import os
import platform
import subprocess
import sys
import time
from collections.abc import Iterable
from pathlib import Path

# a first call is to show what compiling costs
os.environ.pop("JAX_COMPILATION_CACHE_DIR", None)
# the rivals have one thread; more would only hand our kernels to each other (docs/performance.md)
os.environ.setdefault("NPROC", "1")

import cores
import device
import exploring
import first
import numpy as np
import rows
import sweeping
from timing import Row, Timed, exponent, timed

HERE = Path(__file__).resolve().parent
DOCS = HERE.parent / "docs"

DEVICES = """
import sys, time
sys.path.insert(0, {here!r})
import jax, rows
import modelcollapse as mc
source = mc.normal_mixture([0.5, 0.5], [[0, 0], [4, 0]], [[[1, 0], [0, 1]]] * 2)
mesh = jax.make_mesh((jax.device_count(),), ("chain",), axis_types=(jax.sharding.AxisType.Auto,))
run = lambda seed: mc.simulate(mc.GaussianMixture(2, reg_covar=1e-6), source, size=500, generations=30, chains=512,
                               seed=seed, mesh=mesh, batch_size=32)
run(0)
start = time.perf_counter()
run(1)
print(time.perf_counter() - start)
"""


def main(arguments: Iterable[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    timed_rows, grown_rows = (name for name, _ in rows.rows()), (name for name, *_ in rows.growth())
    names = [*timed_rows, *grown_rows, "devices", "first", "cores", "sweep", "explore"]
    parser.add_argument("--only", nargs="+", default=[], metavar="NAME", help=", ".join(names))
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--device", action="store_true", help="the accelerator that JAX finds, in under six minutes")
    options = parser.parse_args(None if arguments is None else list(arguments))
    if options.device:
        print("\n".join(device.main()))
        return
    unknown = [name for name in options.only if not any(known.startswith(name) for known in names)]
    if unknown:
        parser.error(f"no row is named {unknown[0]!r}; the names are {', '.join(names)}")

    def wanted(name: str) -> bool:
        return not options.only or any(name.startswith(given) for given in options.only)

    start = time.perf_counter()
    lines, results = [], []
    for name, make in rows.rows():
        if wanted(name):
            results.append(timed(make(), options.repeats))
            lines += table(results[-1])
            print("\n".join(table(results[-1])), flush=True)
    grown = []
    for name, what, values, make_run in rows.growth():
        if wanted(name):
            grown.append(grow(what, values, make_run))
            print(grown[-1], flush=True)
    if wanted("devices"):
        grown.append(devices())
        print(grown[-1], flush=True)
    begun = first.first_result() if wanted("first") else []
    shared = cores.cores() if wanted("cores") else []
    swept = sweeping.rows(options.repeats) if wanted("sweep") else []
    explored = exploring.rows() if wanted("explore") else []
    print("\n".join([*begun, *shared, *swept, *explored]), flush=True)
    if not options.only:
        write_page(results, grown, begun, shared, swept, explored, time.perf_counter() - start)


def table(result: Timed) -> list[str]:
    """Markdown: one line for each entry, the first with the ratio to the best rival."""
    lines = []
    for label in result.cpu:
        cells = [f"{np.median(seconds[label]) * 1e6:.4g}" for seconds in (result.cpu, result.wall)]
        ours = label == result.ours
        if ours and result.rival is not None:
            spans = [result.ratio(clock) for clock in ("cpu", "wall")]
            cells += [f"**{mid:.3g}** ({low:.3g} to {high:.3g})" for low, mid, high in spans]
        else:
            cells += ["", ""]
        cells += [result.row.target if ours else "", f"{result.first_call:.1f}" if ours else ""]
        what = f"{result.row.name} (a {result.row.unit})" if ours else ""
        lines.append(f"| {what} | {label} | " + " | ".join(cells) + " |")
    if result.row.note:
        lines.append(f"| | *{result.row.note}* | | | | | | |")
    return lines


def grow(what: str, values: list[int], make_run) -> str:
    spent = []
    for value in values:
        row = timed(Row(what, "run", {"ours": rows.Entry(make_run(value))}), 3)
        spent.append(float(np.median(row.cpu["ours"])))
    listed = ", ".join(f"{value:g}: {seconds * 1e3:.3g}" for value, seconds in zip(values, spent, strict=True))
    return f"| {what} | {listed} | {exponent(np.array(values), np.array(spent)):.2f} |"


def devices() -> str:
    """Wall time on one and on two host devices, each in a process of its own, as their number is fixed at the start."""
    spent = []
    for count in (1, 2):
        environment = os.environ | {"XLA_FLAGS": f"--xla_force_host_platform_device_count={count}", "NPROC": "8"}
        command = [sys.executable, "-c", DEVICES.format(here=str(HERE))]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
        spent.append(float(done.stdout.split()[-1]))
    listed = ", ".join(f"{count}: {seconds * 1e3:.3g}" for count, seconds in zip((1, 2), spent, strict=True))
    return f"| mixture, host devices (wall) | {listed} | {exponent(np.array([1, 2]), np.array(spent)):.2f} |"


def machine() -> str:
    model = platform.processor() or platform.machine()
    info = Path("/proc/cpuinfo")
    if info.exists():
        names = [line.split(":")[1].strip() for line in info.read_text().splitlines() if line.startswith("model name")]
        model = names[0] if names else model
    packages = ["numpy", "scipy", "jax", "jaxlib", "scikit-learn", "msprime"]
    versions = []
    for package in packages:
        try:
            versions.append(f"{package} {importlib.metadata.version(package)}")
        except importlib.metadata.PackageNotFoundError:
            versions.append(f"{package} not installed (its rows are left out)")
    busy = f"{os.getloadavg()[0]:.1f}" if hasattr(os, "getloadavg") else "unknown"
    return (
        f"{model}, {os.cpu_count()} cores, load {busy} at the end; Python {platform.python_version()}, "
        f"{', '.join(versions)}; {datetime.date.today()}"
    )


PICTURE = (
    "![Horizontal bars on a log axis for eleven kinds of work: how many times the CPU time of the best rival "
    "exceeds ours, from 2 to nearly 5,000, each with the goal that was set for it.](images/benchmarks.png)\n\n"
    "*What to see: every bar passes the grey line, where we would be as fast as the best rival; a bar that ends before its\n"
    "orange mark missed its goal.*"
)
"""The figure in the page, with what to see in it."""


def write_page(
    results: list[Timed],
    grown: list[str],
    begun: list[str],
    shared: list[str],
    swept: list[str],
    explored: list[str],
    seconds: float,
) -> None:
    from figure import bars, draw

    draw(bars(results), DOCS / "images" / "benchmarks.png")
    head = "| work | who | CPU-us a unit | wall us a unit | ratio, CPU | ratio, wall | goal | first call, CPU-s |"
    body = "\n".join(line for result in results for line in table(result))
    text = f"""# Benchmarks

Written by `make bench` in {seconds / 60:.0f} minutes. Each row runs ours and its rivals in turn in one process; a ratio is
of the rival that needs the least CPU time to ours: the median over the turns, and their range. CPU time counts all threads, of
which there is one (`NPROC=1`), but in the row of host devices. The last column is what the first call costs beyond a later one: tracing and compiling,
without the persistent cache. Only ratios travel to other machines. A ratio below its goal is a goal missed.

Machine: {machine()}. Float32, as JAX starts.

{head}
|---|---|---|---|---|---|---|---|
{body}

{PICTURE}

## The first result

Each number is of a process of its own, its cache of programs empty but in the column that says otherwise. 2000 chains, 50 generations; another
run has other generations, chains, sizes or records.

{chr(10).join(begun)}

## Cores

Wall time of one run in this process, by the number of threads that share its chains; the numbers of the run are the same.

{chr(10).join(shared)}

## Growth

CPU-milliseconds of a run, and the exponent fitted to them.

| what grows | value: CPU-ms | exponent |
|---|---|---|
{chr(10).join(grown)}

## Sweeps

What a sweep of {sweeping.CELLS} cells costs beyond their runs, summaries and predictions, in milliseconds a cell, without the
start of its {sweeping.WORKERS} workers: CPU time of all processes, and wall time. Median and range.

| by | CPU | wall | goal |
|---|---|---|---|
{chr(10).join(swept)}

## The explorer

Wall time of [the explorer](explore.md), in a process of its own, from the question to the answer; the first answer from the start
of the command. A step is a share that was not asked for before: median, least and 90% quantile of {exploring.STEPS}.

| what | wall | CPU | goal |
|---|---|---|---|
{chr(10).join(explored)}
"""
    (DOCS / "benchmarks.md").write_text(text)


if __name__ == "__main__":
    main()

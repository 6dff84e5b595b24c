"""Cells of sweeps, by functions that any process can import; and, as a script, a sweep that may be killed."""

from __future__ import annotations

import functools
import logging
import multiprocessing
import sys
from collections.abc import Callable
from concurrent.futures import Executor, ProcessPoolExecutor
from typing import Any

import jax
import numpy as np
from toys import Walk, origin, place

import modelcollapse as mc

LAW = np.array([0.4, 0.3, 0.2, 0.1])
REPLICATES = {"replicate": range(60), "size": [3, 4]}
"""The axes of the sweep that is killed."""


def walk(**cell: Any) -> dict[str, Any]:
    """The cheapest process there is, whatever the axes."""
    return {"family": Walk(), "source": origin(), "observe": place, "size": 3, "generations": 3, "chains": 4}


def words(regime: Any, size: int) -> dict[str, Any]:
    """A discrete law, with closed forms."""
    observe = ["heterozygosity", "support_size"]
    return {
        "family": mc.Discrete(), "source": mc.labels([*"aaaabbbccd"]), "regime": regime, "observe": observe, "size": size,
        "generations": 6, "chains": 40, "record": [0, 3, 6],
    }  # fmt: skip


def sized(replicate: int, size: int) -> dict[str, Any]:
    return walk() | {"size": size}


def pool(workers: int) -> Callable[[], Executor]:
    return functools.partial(ProcessPoolExecutor, workers, mp_context=multiprocessing.get_context("spawn"))


class Told(logging.Handler):
    """Prints the process that ran a cell; of one that was done already there is none."""

    def emit(self, record: logging.LogRecord) -> None:
        if process := record.args[-1]:  # type: ignore[index]
            print(process, flush=True)


if __name__ == "__main__":  # what workers must be told: they do not run this
    jax.config.update("jax_enable_x64", True)
    logging.getLogger("modelcollapse").setLevel(logging.INFO)
    logging.getLogger("modelcollapse").addHandler(Told())
    if sys.argv[2] == "dask":
        from dask.distributed import Client, LocalCluster

        with (
            LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None) as cluster,
            Client(cluster) as client,
        ):
            mc.sweep(
                sized, REPLICATES, store=sys.argv[1], executor=lambda: client.get_executor(pure=False), traces=True
            )
    else:
        mc.sweep(sized, REPLICATES, store=sys.argv[1], executor=pool(int(sys.argv[3])), traces=True, retries=100)

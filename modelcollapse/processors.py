"""How many threads a run may have, by what the caller, the environment and the system say."""

from __future__ import annotations

import os

from modelcollapse import arguments

VARIABLE = "MODELCOLLAPSE_WORKERS"
"""The environment variable that limits the threads of every run."""


def count(workers: int | None) -> int:
    """How many threads a run may have: as many as were asked for, or as there are processors that this process may use;
    never more than the environment variable allows.

    Raises
    ------
    ValueError, TypeError
        If ``workers``, or the environment variable, is not a whole number of at least 1.
    """
    asked = None if workers is None else arguments.count("workers", workers)
    given = os.environ.get(VARIABLE)
    if given and (not given.isdecimal() or not int(given)):
        raise ValueError(f"{VARIABLE} must be a whole number of at least 1, got {given!r}")
    limits = [asked, int(given) if given else None]
    if any(limit is not None for limit in limits):
        return min(limit for limit in limits if limit is not None)
    available = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    # XLA runs programs on so many threads of its own
    pool = os.environ.get("NPROC", "")
    return min(available, int(pool)) if pool.isdecimal() and int(pool) else available

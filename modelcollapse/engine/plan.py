"""The plan of a run, made before anything runs: which chains run together, in which form, to which stops."""

from __future__ import annotations

import dataclasses
import functools
import itertools
import os
from typing import Any

import jax
import numpy as np

from modelcollapse.engine import devices, scan
from modelcollapse.engine.forms import form_at, forms
from modelcollapse.loop import Process, State
from modelcollapse.process import Prepared, draws_rows
from modelcollapse.protocols import Works

MEMORY = 2**31
"""Bytes that one batch of chains may take, by estimate, where ``batch_size`` is not given."""
CACHE = 2**21
"""The same for what one generation reads and writes, on a CPU: what fits its caches runs twice as fast or more."""
TEMPORARY = 2**11
"""Bytes that the arithmetic of a chain takes beside its state and its rows."""
FEWEST = 16
"""Chains that run at once at least: enough to make the calls between kernels cheap."""
PAUSES = 16
"""Looks at who has come to rest, half a sample size of generations apart."""
STOPS = 50
"""Pauses of a run that is watched: to report its progress, to save it."""


@dataclasses.dataclass(frozen=True)
class Leg:
    """What one call runs: gaps between stops, some of which are recorded."""

    gaps: np.ndarray  # (stops,) int32
    kept: np.ndarray  # (stops,) booleans

    @property
    def generations(self) -> int:
        return int(self.gaps.sum())


@dataclasses.dataclass(frozen=True)
class Stage:
    """Generations that are run in one form of the process."""

    process: Process
    legs: list[Leg]
    single: bool  # all gaps are 1
    last: bool  # no other form follows


@dataclasses.dataclass(frozen=True)
class Plan:
    """How ``chains`` chains from ``first`` on go from generation ``now`` (-1 for new chains) to ``last``."""

    first: int
    chains: int
    now: int
    last: int
    recorded: np.ndarray  # (records,) generations
    opening: Process  # the form that they begin in
    stages: list[Stage]
    batch: int  # chains that run at once, a multiple of the devices
    merges: bool  # whether later forms may run more at once


def planned(
    prepared: Prepared,
    key: jax.Array,
    span: tuple[int, int],
    way: tuple[int, int],
    recorded: np.ndarray,
    *,
    batch_size: int | None = None,
    mesh: jax.sharding.Mesh | None = None,
    watched: bool = False,
) -> Plan:
    """The plan for ``span`` (first chain, chains) on its ``way`` (generation now, -1 for new chains, and last).

    ``watched`` says that the run is to stop on its way. MemoryError if it cannot fit into this machine's memory.
    """
    (first, chains), (now, last), on = span, way, devices.count(mesh)
    process, sizes = prepared.process, prepared.sizes
    begin = forms(process, sizes)[0][1]
    one = _one(begin, key)
    # equal batches: the last one would otherwise run surplus chains
    even = -(-chains // -(-chains // most(begin, one, recorded.size))) * on
    batch = even if batch_size is None else batch_size
    # as many on each device; the last may run surplus chains
    batch = -(-min(batch, chains) // on) * on
    check_memory(begin, one, chains, batch, recorded.size)
    opening = begin if now < 0 else form_at(process, sizes, now)
    ahead = stages(process, sizes, max(now, 0), recorded, last, watched)
    return Plan(first, chains, now, last, recorded, opening, ahead, batch, batch_size is None and mesh is None)


def stages(
    process: Process, sizes: np.ndarray, now: int, recorded: np.ndarray, last: int, watched: bool
) -> list[Stage]:
    """The way from generation ``now`` to ``last``: stops at recorded generations, and pauses in between."""
    edges = [now, *(start for start, _ in forms(process, sizes) if now < start < last), last]
    out = []
    for begin, end in itertools.pairwise(edges):
        if begin == end:  # generation 0 alone
            continue
        form = form_at(process, sizes, begin)
        wanted = recorded[(recorded > begin) & (recorded <= end)]
        pauses = _pauses(form, sizes, begin, end, watched)
        stops = np.union1d(wanted, [*pauses, end]).astype(np.int64)
        gaps = np.diff(np.concatenate([[begin], stops])).astype(np.int32)
        if not gaps.size:
            continue
        kept = np.isin(stops, wanted)
        if single := bool((gaps == 1).all()) and not watched:
            out.append(Stage(form, [Leg(gaps, kept)], single, end == last))
            continue
        cuts = np.searchsorted(stops, pauses, side="right")
        parts = [(g, k) for g, k in zip(np.split(gaps, cuts), np.split(kept, cuts), strict=True) if g.size]
        length = max(len(g) for g, _ in parts)
        # filled up with gaps of 0: one compilation for all
        filled = [Leg(*(np.pad(a, (0, length - len(a))) for a in part)) for part in parts]
        out.append(Stage(form, filled, single, end == last))
    return out


def _pauses(process: Process, sizes: np.ndarray, begin: int, end: int, watched: bool) -> np.ndarray:
    if watched:
        return np.unique(np.linspace(begin, end, STOPS + 1).round().astype(np.int64)[1:])
    if not scan.settles(process):
        return np.empty(0, np.int64)
    step = max(int(sizes.max()) // 2, scan.STRETCH)
    return np.arange(begin + step, end, step)[:PAUSES]


def most(process: Process, state: State, records: int) -> int:
    """Chains whose state, draws and trace fit into ``MEMORY`` by a generous estimate, and on a CPU into its cache."""
    working, read = _bytes(process, state)
    found = MEMORY // (working + read * records)
    if jax.default_backend() == "cpu":
        found = min(found, max(FEWEST, CACHE // working))
    return max(found, 1)


def check_memory(process: Process, state: State, chains: int, batch: int, records: int) -> None:
    """Refuse a run that cannot fit into memory, by a low estimate: its trace, its states, the draws of one batch."""
    available = memory()
    trace = chains * _bytes(process, state)[1] * records
    states, draws = chains * _size(_single(state)), batch * 4 * process.capacity * bool(process.room)
    needed = trace + states + draws
    if available is not None and needed > available:
        gib = 2**30
        raise MemoryError(
            f"the run needs about {needed / gib:.3g} GiB, more than the {available / gib:.3g} GiB of this machine: "
            f"{trace / gib:.3g} for the trace of {chains} chains and {records} recorded generations, "
            f"{states / gib:.3g} for their states and {draws / gib:.3g} for the draws of one batch; "
            "record fewer generations (record=), run fewer chains, or choose a smaller size"
        )


@functools.cache
def memory() -> int | None:
    """Bytes of memory that this machine has, or that its control group allows; None where the system does not say."""
    found = []
    # Windows has no sysconf
    if "SC_PHYS_PAGES" in getattr(os, "sysconf_names", {}):
        found.append(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"))
    try:
        with open("/sys/fs/cgroup/memory.max") as file:
            found.append(int(file.read()))
    except (OSError, ValueError):  # not Linux, or no limit
        pass
    return min(found, default=None)


def _one(process: Process, key: jax.Array) -> State:
    """The shapes of one chain's state, with an axis of length 1 for the chain."""
    state, _ = jax.eval_shape(scan.start_within, key, np.zeros(1, np.uint32), process)
    return _single(state)


def _single(state: State) -> Any:
    return jax.tree.map(lambda leaf: jax.ShapeDtypeStruct((1, *leaf.shape[1:]), leaf.dtype), state)


def _bytes(process: Process, state: State) -> tuple[int, int]:
    """Bytes that a chain works with in one generation, and those of one record of it."""
    one = _single(state)
    read = jax.eval_shape(scan.read_chains, one, process)
    floats = process.family.workspace(one.params) if isinstance(process.family, Works) else 4
    if not floats and draws_rows(process.family, process.source):
        floats = 4
    return TEMPORARY + 4 * _size(one) + 8 * floats * process.capacity, _size(read)


def _size(tree: Any) -> int:
    return sum(leaf.size * leaf.dtype.itemsize for leaf in jax.tree.leaves(tree))

"""The plan of a run, made before anything runs: which chains run together, in which form, to which stops."""

from __future__ import annotations

import dataclasses
import functools
import itertools
import os
from typing import Any

import jax
import numpy as np

from modelcollapse import arguments, processors
from modelcollapse.addresses import chain_keys
from modelcollapse.engine import devices, scan
from modelcollapse.engine.forms import form_at, forms
from modelcollapse.loop import Process, State, before
from modelcollapse.process import Prepared, draws_rows
from modelcollapse.protocols import Labours, Works

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
WIDTHS = 16, 80, 272, 1040
"""Numbers of chains that run at once in a short run, so that runs of many numbers of chains share a program.

Odd multiples of 16 floats, a line of a cache: rows that lie a power of two apart share one set of a cache's lines, and
a Gaussian in ten dimensions then runs at half its speed.
"""
RECORDS = 64
"""Records for which one call has room, so that runs of many numbers of records share a program."""
LONG = 2**33
"""Bytes that the chains of a long run work with in all their generations: from here on, about a second or two of work,
better programs repay the half to one second that compiling them takes more.
"""
SHARED = 2**28
"""The same for a run whose batches may run at once: some 50 milliseconds of work, against one for the threads."""
PARTS = 8
"""Batches that such a run is cut into at least, unless these would be small."""
IDLE = 2**29
"""Bytes that surplus chains of a short run may work with: some 50 milliseconds, against a second to compile."""
NARROW = 2**10
"""The least such batch of chains that are a few numbers each: smaller ones spend their time between kernels."""


@dataclasses.dataclass(frozen=True)
class How:
    """The arguments of a run that change no number."""

    batch_size: int | None
    progress: bool
    mesh: jax.sharding.Mesh | None
    threads: int

    @staticmethod
    def checked(batch_size: int | None, progress: bool, mesh: jax.sharding.Mesh | None, workers: int | None) -> How:
        """As they were given by a user; by default as many threads as there are processors."""
        devices.check(mesh)
        batch = None if batch_size is None else arguments.count("batch_size", batch_size)
        return How(batch, arguments.flag("progress", progress), mesh, processors.count(workers))


@dataclasses.dataclass(frozen=True)
class Leg:
    """What one call runs: gaps between stops, some of which are recorded."""

    gaps: np.ndarray  # (room,) int32, of which the first are there
    kept: np.ndarray  # (stops,) booleans

    @property
    def generations(self) -> int:
        return int(self.gaps.sum())


@dataclasses.dataclass(frozen=True)
class Stage:
    """Generations that are run in one form of the process."""

    process: Process
    legs: list[Leg]
    last: bool  # no other form follows

    @property
    def generations(self) -> int:
        return sum(leg.generations for leg in self.legs)


@dataclasses.dataclass(frozen=True)
class Plan:
    """How ``chains`` chains from ``first`` on go from generation ``now`` (-1 for new chains) to ``last``."""

    whole: Process  # as it was prepared, in no form
    first: int
    chains: int
    now: int
    last: int
    recorded: np.ndarray  # (records,) generations
    opening: Process  # the form that they begin in
    stages: list[Stage]
    batch: int  # chains that run at once, a multiple of the devices
    merges: bool  # whether later forms may run more at once
    work: int  # bytes that the chains work with in all their generations, by estimate
    abreast: int  # batches that fit into memory at once

    @property
    def quick(self) -> bool:
        """Whether the run is too short for the better of the two kinds of programs."""
        return self.work < LONG and jax.default_backend() == "cpu"


def planned(
    prepared: Prepared,
    key: jax.Array,
    span: tuple[int, int],
    way: tuple[int, int],
    recorded: np.ndarray,
    how: How,
    *,
    saved: bool = False,
) -> Plan:
    """The plan for ``span`` (first chain, chains) on its ``way`` (generation now, -1 for new chains, and last).

    A run that is shown or ``saved`` stops on its way. MemoryError if it cannot fit into this machine's memory.
    """
    (begun, chains), (now, last), on = span, way, devices.count(how.mesh)
    process, sizes = prepared.process, prepared.sizes
    begin = forms(process, sizes)[0][1]
    cost = costs(begin, first(begin, key))
    each = process.models or 1  # models take turns: in room they cost one, in time all
    work = chains * max(last - now, 1) * max(cost.working, cost.labour) * each
    if work >= LONG:  # a program of its own costs less than states that are never drawn
        process = dataclasses.replace(process, pads=False)
        begin = forms(process, sizes)[0][1]
    even = _width(-(-chains // on), most(cost, recorded.size), cost, work) * on
    batch = even if how.batch_size is None else min(how.batch_size, chains)
    # as many on each device; the last may run surplus chains
    batch = -(-batch // on) * on
    check_memory(cost, chains, batch, recorded.size)
    opening = begin if now < 0 else form_at(process, sizes, now)
    room = _room(recorded.size, batch * cost.read, work)
    since = now if now >= 0 or opening.opens else 0
    ahead = stages(process, sizes, since, recorded, last, how.progress or saved, room)
    merges = how.batch_size is None and how.mesh is None
    return Plan(
        prepared.process,
        begun,
        chains,
        now,
        last,
        recorded,
        opening,
        ahead,
        batch,
        merges,
        work,
        _abreast(batch * cost.working),
    )


def _width(chains: int, most: int, cost: Cost, work: int) -> int:
    """Chains that run at once: a width that many runs share where idle chains cost next to nothing, else equal parts.

    It depends on the arguments of a run alone.
    """
    largest = max((width for width in WIDTHS if width <= 1.5 * most), default=0)
    if not cost.rows and largest and work < LONG and jax.default_backend() == "cpu":
        width = next((width for width in WIDTHS if width >= min(chains, largest)), largest)
        surplus = -(-chains // width) * width - chains
        if work // chains * surplus <= IDLE:
            return width
    parts = -(-chains // most)
    if work >= SHARED:  # a number that does not depend on the machine, so that no result does
        parts = max(parts, min(PARTS, chains // (FEWEST if cost.rows else NARROW)))
    # the last one would otherwise run surplus chains
    width = -(-chains // parts)
    return width if width < 256 or width % 128 else width + 16


def _abreast(batch: int) -> int:
    """How many batches of so many bytes may run at once: in a quarter of the memory, or in ``MEMORY``."""
    return max(max((memory() or 0) // 4, MEMORY) // batch, 1)


def _room(records: int, each: int, work: int) -> int:
    """Records for which one call has room, ``each`` of so many bytes: one number for most runs."""
    whole = 1 << max(records - 1, 0).bit_length()
    if RECORDS * each > CACHE:
        return max(min(whole, RECORDS, MEMORY // 16 // max(each, 1)), 1)
    return RECORDS if work < LONG else max(RECORDS, min(whole, 2**10))


def stages(
    process: Process, sizes: np.ndarray, now: int, recorded: np.ndarray, last: int, watched: bool, room: int
) -> list[Stage]:
    """The way from generation ``now`` to ``last``: stops at recorded generations, and pauses in between.

    ``now`` is -1 before generation 0 of a process that ``opens``; ``room`` is how many stops a leg has at most.
    """
    edges = [now, *(start for start, _ in forms(process, sizes) if max(now, 0) < start < last), last]
    out = []
    for begin, end in itertools.pairwise(edges):
        if begin == end:  # generation 0 alone
            continue
        form = form_at(process, sizes, begin)
        wanted = recorded[(recorded > begin) & (recorded <= end)]
        pauses = _pauses(form, sizes, begin, end, watched)
        stops = np.union1d(wanted, [*pauses, end]).astype(np.int64)
        gaps = np.diff(np.concatenate([[begin], stops])).astype(np.int32)
        kept = np.isin(stops, wanted)
        cuts = np.searchsorted(stops, pauses, side="right")
        parts = [p for g, k in zip(np.split(gaps, cuts), np.split(kept, cuts), strict=True) for p in _parts(g, k, room)]
        out.append(Stage(form, parts, end == last))
    return out


def _parts(gaps: np.ndarray, kept: np.ndarray, room: int) -> list[Leg]:
    cuts = range(0, len(gaps), room)
    return [Leg(np.pad(g := gaps[i : i + room], (0, room - len(g))), kept[i : i + room]) for i in cuts]


def _pauses(process: Process, sizes: np.ndarray, begin: int, end: int, watched: bool) -> np.ndarray:
    if watched:
        return np.unique(np.linspace(begin, end, STOPS + 1).round().astype(np.int64)[1:])
    if not scan.settles(process):
        return np.empty(0, np.int64)
    step = max(int(sizes.max()) // 2, scan.STRETCH)
    return np.arange(begin + step, end, step)[:PAUSES]


@dataclasses.dataclass(frozen=True)
class Cost:
    """Bytes of one chain, by estimate."""

    working: int  # what it works with in one generation
    read: int  # of one record
    state: int
    draws: int  # of the rows that it draws, by a low estimate
    rows: bool  # whether it holds rows at all
    labour: int  # products of a fit, of which one takes about as long as a byte


def costs(process: Process, one: State) -> Cost:
    """What a chain costs whose state, with an axis of length 1 for the chain, is ``one``."""
    read = jax.eval_shape(scan.read_chains, one, process)
    floats = process.family.workspace(one.params) if isinstance(process.family, Works) else 4
    if not floats and draws_rows(process.family, process.source):
        floats = 4
    state, rows = _size(one), floats * process.capacity
    draws = 4 * process.capacity * bool(process.room)
    labour = process.family.labour(single(one).params, process.capacity) if isinstance(process.family, Labours) else 0
    return Cost(TEMPORARY + 4 * state + 8 * rows, _size(read), state, draws, bool(rows or draws), labour)


def most(cost: Cost, records: int) -> int:
    """Chains whose state, draws and trace fit into ``MEMORY`` by a generous estimate, and on a CPU into its cache."""
    found = MEMORY // (cost.working + cost.read * records)
    if jax.default_backend() == "cpu":
        found = min(found, max(FEWEST, CACHE // cost.working))
    return max(found, 1)


def check_memory(cost: Cost, chains: int, batch: int, records: int) -> None:
    """Refuse a run that cannot fit into memory, by a low estimate: its trace, its states, the draws of one batch."""
    available = memory()
    trace, states, draws = chains * cost.read * records, chains * cost.state, batch * cost.draws
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


def first(process: Process, key: jax.Array) -> State:
    """The shapes of one chain's first state, with an axis of length 1 for the chain."""
    if process.opens:
        return jax.tree.map(lambda leaf: jax.ShapeDtypeStruct((1, *leaf.shape), leaf.dtype), before(process))
    return jax.eval_shape(
        lambda: scan.start_within(chain_keys(key, np.zeros(1, np.uint32), process.models), process)[0]
    )


def single(state: State) -> State:
    """The shapes of the first of many chains, with an axis of length 1."""
    return jax.tree.map(lambda leaf: jax.ShapeDtypeStruct((1, *leaf.shape[1:]), leaf.dtype), state)


def _size(tree: Any) -> int:
    return sum(leaf.size * leaf.dtype.itemsize for leaf in jax.tree.leaves(tree))

"""A share of the chains of a run: what runs at once, from stage to stage, while chains that have come to rest step aside."""

from __future__ import annotations

import dataclasses
import functools
import itertools
from collections.abc import Callable
from typing import Any

import jax
import numpy as np

from modelcollapse import regimes
from modelcollapse.engine import devices, loop

FEWEST = 16
"""Chains that run at once at least: enough to make the calls between kernels cheap."""
FEWER = 64
"""To how many at least, that others may rest: below, another program costs more to compile than it saves."""
PAUSES = 16
"""Looks at who has come to rest, half a sample size of generations apart."""


@dataclasses.dataclass(frozen=True)
class Portion:
    """What is run in one call: gaps between stops, some of which are recorded."""

    gaps: np.ndarray  # (stops,) int32
    kept: np.ndarray  # (stops,) booleans


@dataclasses.dataclass(frozen=True)
class Stage:
    """Generations that are run in one form of the process."""

    process: loop.Process
    portions: list[Portion]
    single: bool  # all gaps are 1
    last: bool  # no other form follows


def forms(process: loop.Process, sizes: np.ndarray) -> list[tuple[int, loop.Process]]:
    """The process in the forms that its family takes in turn: from which generation on, and how.

    A chain that sees nothing but its own output may be kept in another form than its parameters; a family says which by ``forms``.
    """
    if not (getattr(process.regime, "closed", False) and hasattr(process.family, "forms")):
        return [(0, process)]
    found = process.family.forms(process.truth, sizes)
    out = []
    for i, (start, family) in enumerate(found):
        if family is process.family:
            out.append((start, process))
            continue
        # the largest data set while it is kept so
        until = found[i + 1][0] + 1 if i + 1 < len(found) else len(sizes)
        capacity = family.capacity(int(sizes[:until].max()))
        room = capacity if hasattr(family, "with_room") else process.room
        out.append((start, dataclasses.replace(process, family=family, capacity=capacity, room=room)))
    return out


def form_at(process: loop.Process, sizes: np.ndarray, generation: int) -> loop.Process:
    """The process in the form that follows ``generation``."""
    return [form for start, form in forms(process, sizes) if start <= generation][-1]


def stages(
    process: loop.Process, sizes: np.ndarray, now: int, recorded: np.ndarray, last: int, progress: bool
) -> list[Stage]:
    """The way from generation ``now`` to ``last``: stops at recorded generations, and pauses to look up in between."""
    edges = [now, *(start for start, _ in forms(process, sizes) if now < start < last), last]
    out = []
    for begin, end in itertools.pairwise(edges):
        form = form_at(process, sizes, begin)
        wanted = recorded[(recorded > begin) & (recorded <= end)]
        pauses = _pauses(form, sizes, begin, end, progress)
        stops = np.union1d(wanted, [*pauses, end]).astype(np.int64)
        gaps = np.diff(np.concatenate([[begin], stops])).astype(np.int32)
        if not gaps.size:
            continue
        kept = np.isin(stops, wanted)
        if single := bool((gaps == 1).all()) and not progress:
            out.append(Stage(form, [Portion(gaps, kept)], single, end == last))
            continue
        cuts = np.searchsorted(stops, pauses, side="right")
        parts = [(g, k) for g, k in zip(np.split(gaps, cuts), np.split(kept, cuts), strict=True) if g.size]
        length = max(len(g) for g, _ in parts)
        # filled up with gaps of 0: one compilation for all
        filled = [Portion(*(np.pad(a, (0, length - len(a))) for a in part)) for part in parts]
        out.append(Stage(form, filled, single, end == last))
    return out


def _pauses(process: loop.Process, sizes: np.ndarray, begin: int, end: int, progress: bool) -> np.ndarray:
    if progress:
        return np.unique(np.linspace(begin, end, 51).round().astype(np.int64)[1:])
    if not process.settles:
        return np.empty(0, np.int64)
    step = max(int(sizes.max()) // 2, loop.STRETCH)
    return np.arange(begin + step, end, step)[:PAUSES]


def changes(state: loop.State, process: loop.Process) -> bool:
    """Whether the family of ``process`` keeps its law in another form than ``state`` has it."""
    return hasattr(process.family, "received") and not process.family.keeps(state.params)


@functools.partial(jax.jit, static_argnames=("room",))
def changed(state: loop.State, process: loop.Process, room: int) -> loop.State:
    """The same chains in the form of ``process``; ``room`` as the family counts it."""
    params = jax.vmap(lambda params: process.family.received(params, room))(state.params)
    return dataclasses.replace(state, params=params)


@jax.jit
def _supports(state: loop.State, process: loop.Process) -> jax.Array:
    return jax.vmap(process.family.support)(state.params)


class Share:
    """Chains ``first``, ``first + 1``, ... of a run."""

    def __init__(self, key: jax.Array, first: int, chains: int, mesh: Any, records: int) -> None:
        self.key, self.first, self.chains, self.mesh, self.records = key, first, chains, mesh, records
        self.state: Any = None
        self.process: Any = None
        self.place = np.empty(0, np.int64)  # of each running chain in the share; beyond ``chains``: surplus
        self.trace: dict[str, np.ndarray] = {}
        self.column = 0  # records so far
        self.resting: list[tuple[np.ndarray, Any]] = []

    @property
    def index(self) -> np.ndarray:
        return (self.first + self.place).astype(np.uint32)

    def start(self, process: loop.Process, batch: int, recorded: bool) -> None:
        self.place, self.process = np.arange(batch), process
        self.state, record = loop.start_chains(self.key, self.index, process, self.mesh)
        self._prepare(record)
        if recorded:
            self._write({name: leaf[:, None] for name, leaf in devices.collect(record, self.mesh).items()})

    def resume(self, state: Any, process: loop.Process, batch: int) -> None:
        self.place = np.arange(batch)
        chosen = np.minimum(self.first + self.place, self.first + self.chains - 1)
        state = jax.tree.map(lambda leaf: devices.place(np.asarray(leaf)[chosen], self.mesh), state)
        params, memory = jax.vmap(process.with_room)(state.params), loop.with_room_each(state.memory, process.room)
        if jax.tree.leaves(memory):
            memory = jax.vmap(functools.partial(regimes.continued, process.regime))(memory)
        self.state = dataclasses.replace(state, params=params, memory=memory)

    def change_form(self, process: loop.Process) -> None:
        """Carry the chains over to the form that ``process`` keeps them in."""
        if changes(self.state, process):
            most = devices.collect(_supports(self.state, process), self.mesh).max()
            self.state = changed(self.state, process, process.family.room(int(most)))
        self.process = process
        if not self.trace:
            self._prepare(jax.eval_shape(loop.read_chains, self.state, process))

    def advance(self, stage: Stage, portion: Portion) -> None:
        if not self.place.size:
            self.column += int(portion.kept.sum())
            return
        self.state, out = loop.advance_chains(
            self.key, self.index, self.state, stage.process, portion.gaps, stage.single, self.mesh
        )
        kept = np.flatnonzero(portion.kept)
        self._write({name: leaf[:, kept] for name, leaf in devices.collect(out, self.mesh).items()})
        if stage.last and stage.process.settles and self.mesh is None:
            self._let_rest()

    def finish(self, last: int) -> tuple[dict[str, np.ndarray], Any]:
        """The trace, and the states at generation ``last`` in the order of the chains."""
        self._leave(np.arange(self.place.size))
        order = np.argsort(np.concatenate([place for place, _ in self.resting]))
        state = _chosen(stacked([state for _, state in self.resting]), order)
        return self.trace, dataclasses.replace(state, generation=np.full_like(state.generation, last))

    def _prepare(self, record: Any) -> None:
        shapes = {name: (leaf.shape[1:], leaf.dtype) for name, leaf in record.items()}
        self.trace = {name: np.empty((self.chains, self.records, *s), d) for name, (s, d) in shapes.items()}

    def _write(self, records: dict[str, np.ndarray]) -> None:
        asked = self.place < self.chains
        for name, leaf in records.items():
            self.trace[name][self.place[asked], self.column : self.column + leaf.shape[1]] = leaf[asked]
        self.column += next(iter(records.values())).shape[1]

    def _let_rest(self) -> None:
        """Once three quarters of the chains only reproduce themselves, the others go on alone, in a quarter of the room."""
        fewer = self.place.size // 4
        if fewer < FEWER:
            return
        rest = np.asarray(loop.at_rest(self.state, self.process))
        live = np.flatnonzero(~rest)
        if live.size > fewer:
            return
        self._leave(np.flatnonzero(rest))
        # places that are left over run a chain that nobody asks for again
        stay = np.resize(live, fewer) if live.size else live
        self.place = np.where(np.arange(stay.size) < live.size, self.place[stay], self.chains + np.arange(stay.size))
        self.state = jax.tree.map(lambda leaf: np.asarray(leaf)[stay], self.state)

    def _leave(self, which: np.ndarray) -> None:
        """Chains that have come to rest, or to their end: what they show now, they show for the rest of the run."""
        which = which[self.place[which] < self.chains]
        if not which.size:
            return
        state = _chosen(devices.collect(self.state, self.mesh), which)
        if self.column < self.records:
            shown = devices.collect(loop.read_chains(self.state, self.process), self.mesh)
            for name, leaf in shown.items():
                self.trace[name][self.place[which], self.column :] = leaf[which][:, None]
        self.resting.append((self.place[which], state))


def advance_all(shares: list[Share], stage: Stage, report: Callable[[int], Any]) -> None:
    """All shares through a stage, one after another; ``report`` hears of chain-generations."""
    for share in shares:
        for portion in stage.portions:
            share.advance(stage, portion)
            report(share.chains * int(portion.gaps.sum()))


def merged(shares: list[Share], most: int) -> list[Share]:
    """Neighbours as one, running at most ``most`` chains: a form that takes less room than the last has room for more.

    All of one width, so that they run the same programs.
    """
    width = shares[0].place.size
    groups = -(-len(shares) // max(most // width, 1))
    each = -(-len(shares) // groups)
    return [_joined(shares[i : i + each], each * width) for i in range(0, len(shares), each)] if each > 1 else shares


def _joined(shares: list[Share], width: int) -> Share:
    """Neighbours as one share that runs ``width`` chains; those beyond its own are surplus."""
    one = shares[0]
    state = stacked([share.state for share in shares])
    asked = [np.where(share.place < share.chains, share.first + share.place, -1) for share in shares]
    index = np.concatenate([*asked, np.full(width - sum(map(len, asked)), -1)])
    one.state = jax.tree.map(lambda leaf: np.resize(leaf, (width, *leaf.shape[1:])), state)
    one.chains = sum(share.chains for share in shares)
    one.trace = {name: np.concatenate([share.trace[name] for share in shares]) for name in one.trace}
    one.place = np.where(index < 0, one.chains + np.arange(width), index - one.first)
    return one


def stacked(states: list[Any]) -> Any:
    """States of several shares as one, lists of different room filled up with zeros."""

    def join(*leaves: np.ndarray) -> np.ndarray:
        shape = np.max([leaf.shape[1:] for leaf in leaves], axis=0).astype(int) if leaves[0].ndim > 1 else ()
        return np.concatenate([filled(leaf, tuple(shape)) for leaf in leaves])

    def filled(leaf: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
        gaps = [(0, n - m) for n, m in zip(shape, leaf.shape[1:], strict=True)]
        return np.pad(leaf, [(0, 0), *gaps]) if any(gap for _, gap in gaps) else leaf

    return jax.tree.map(join, *states) if len(states) > 1 else states[0]


def _chosen(state: Any, which: np.ndarray) -> Any:
    """The chains of these places, on the host."""
    leaves = jax.tree.map(np.asarray, state)
    everyone = np.array_equal(which, np.arange(len(jax.tree.leaves(leaves)[0])))
    return leaves if everyone else jax.tree.map(lambda leaf: leaf[which], leaves)

"""Chains that run together, from stage to stage, while those that have come to rest step aside."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable
from typing import Any

import jax
import numpy as np
from jax.sharding import Mesh

from modelcollapse.addresses import chain_words
from modelcollapse.data import with_room
from modelcollapse.engine import devices, scan
from modelcollapse.engine.forms import changed, changes, padded, supports
from modelcollapse.engine.plan import Leg, Stage
from modelcollapse.loop import Process, State, before
from modelcollapse.regimes import common

FEWER = 64
"""Smallest batch to shrink to once chains are at rest; below, another program costs more than it saves."""


@dataclasses.dataclass
class Batch:
    """Chains ``first``, ``first + 1``, ... of a run between two calls; made by ``started`` or ``resumed``."""

    key: jax.Array
    mesh: Mesh | None
    first: int
    chains: int
    process: Process
    state: Any  # State with one chain per place
    place: (
        np.ndarray
    )  # (places,): which chain of the batch runs there; numbers >= chains are surplus, and their results are dropped
    trace: dict[str, np.ndarray]  # (chains, records, ...)
    column: int = 0  # records so far
    generation: int = 0
    resting: list[tuple[np.ndarray, Any]] = dataclasses.field(default_factory=list)
    settled: np.ndarray | None = None  # (places,) booleans: which chains have come to rest, once one is asked

    @property
    def words(self) -> np.ndarray:
        """The words of the chains' keys."""
        return _words(self.key, self.first + self.place, self.process, self.mesh)

    @property
    def records(self) -> int:
        """Generations that are recorded."""
        return next(iter(self.trace.values())).shape[1]

    def change_form(self, process: Process) -> None:
        """Carry the chains over to the form that ``process`` keeps them in."""
        if changes(self.state, process):
            largest = devices.collect(supports(self.state), self.mesh).max()
            self.state = changed(self.state, process, process.family.room(int(largest)))
        self.process = process

    def advance(self, stage: Stage, leg: Leg, quick: bool) -> None:
        """Run one leg, and let chains that have come to rest step aside."""
        self.generation += leg.generations
        if not self.place.size:
            self.column += int(leg.kept.sum())
            return
        how: dict[str, Any] = {"impl": jax.random.key_impl(self.key), "quick": quick}
        self.state, out, rest = scan.advance_chains(
            self.words, self.state, stage.process, leg.gaps, len(leg.kept), mesh=self.mesh, **how
        )
        kept = np.flatnonzero(leg.kept)
        self.write({name: leaf[kept].swapaxes(0, 1) for name, leaf in devices.collect(out, self.mesh).items()})
        if stage.last and self.mesh is None and scan.settles(stage.process):
            self.settled = np.asarray(rest)
            self._let_rest()

    def takes_turns(self, stage: Stage, quick: bool) -> bool:
        """Whether batches of a stage must run one after another."""
        how: dict[str, Any] = {"impl": jax.random.key_impl(self.key), "quick": quick}
        return scan.takes_turns(self.words, self.state, stage.process, stage.legs[0].gaps, **how)

    def finish(self, last: int) -> tuple[dict[str, np.ndarray], Any]:
        """The trace, and the states at generation ``last`` in the order of the chains."""
        self._leave(np.arange(self.place.size))
        order = np.argsort(np.concatenate([place for place, _ in self.resting]))
        state = _chosen(stacked_chains([state for _, state in self.resting]), order)
        return self.trace, dataclasses.replace(state, generation=np.full_like(state.generation, last))

    def snapshot(self) -> Batch:
        """The batch as it is now. The trace is shared, as what follows writes to later columns alone."""
        return dataclasses.replace(self, resting=list(self.resting))

    def write(self, records: dict[str, np.ndarray]) -> None:
        """Put the next records of every place ``(places, records, ...)`` into the trace."""
        real = self.place < self.chains
        for name, leaf in records.items():
            self.trace[name][self.place[real], self.column : self.column + leaf.shape[1]] = leaf[real]
        self.column += next(iter(records.values())).shape[1]

    @property
    def live(self) -> np.ndarray:
        """The places whose chains are neither at rest nor surplus."""
        real = self.place < self.chains
        return np.flatnonzero(real if self.settled is None else real & ~self.settled)

    def _let_rest(self) -> None:
        """Once three quarters of the chains are at rest, the others go on alone, in a quarter of the places."""
        fewer = self.place.size // 4
        if fewer >= FEWER and self.live.size <= fewer:
            self.narrow(fewer)

    def narrow(self, width: int) -> None:
        """The chains that are at rest step aside; the others go on in ``width`` places, surplus chains in the rest."""
        live = self.live
        self._leave(np.setdiff1d(np.arange(self.place.size), live))
        stay = np.resize(live, width) if live.size else live
        self.place = np.where(np.arange(stay.size) < live.size, self.place[stay], self.chains + np.arange(stay.size))
        self.state = jax.tree.map(lambda leaf: np.asarray(leaf)[stay], self.state)
        self.settled = None

    def _leave(self, which: np.ndarray) -> None:
        """Take chains out that are at rest or at their end: what they show now, they show for the rest of the run."""
        which = which[self.place[which] < self.chains]
        if not which.size:
            return
        state = _chosen(devices.collect(self.state, self.mesh), which)
        if self.column < self.records:
            shown = devices.collect(scan.read_chains(self.state, self.process), self.mesh)
            for name, leaf in shown.items():
                self.trace[name][self.place[which], self.column :] = leaf[which][:, None]
        self.resting.append((self.place[which], state))


def started(
    key: jax.Array,
    mesh: Mesh | None,
    first: int,
    chains: int,
    process: Process,
    width: int,
    recorded: np.ndarray,
) -> Batch:
    """New chains at generation 0, or before it for a process that ``opens``, in ``width`` places."""
    place = np.arange(width)
    if process.opens:
        one = before(process)
        state = jax.tree.map(lambda leaf: devices.place(np.broadcast_to(leaf, (width, *leaf.shape)), mesh), one)
        batch = Batch(key, mesh, first, chains, process, state, place, {}, generation=-1)
        return with_trace(batch, process, recorded.size)
    words = _words(key, first + place, process, mesh)
    state, record = scan.start_chains(words, process, impl=jax.random.key_impl(key), mesh=mesh)
    batch = Batch(key, mesh, first, chains, process, state, place, _room(record, process, chains, recorded.size))
    if recorded.size and recorded[0] == 0:
        batch.write({name: leaf[:, None] for name, leaf in devices.collect(record, mesh).items()})
    return batch


def resumed(
    key: jax.Array,
    mesh: Mesh | None,
    first: int,
    chains: int,
    process: Process,
    width: int,
    recorded: np.ndarray,
    states: State,
    offset: int,
) -> Batch:
    """Chains ``first``, ... of a run that ended, whose ``states`` begin with chain ``offset``."""
    states, place = padded(states, process), np.arange(width)
    chosen = np.minimum(first - offset + place, first - offset + chains - 1)
    state = jax.tree.map(lambda leaf: devices.place(np.asarray(leaf)[chosen], mesh), states)
    state = _widened(state, process)
    generation = int(np.max(np.asarray(states.generation)))
    return Batch(key, mesh, first, chains, process, state, place, {}, 0, generation)


def _widened(state: State, process: Process) -> State:
    """States of a shorter run with room for what this one holds."""

    def each(function: Callable[[Any], Any], tree: Any) -> Any:
        if not jax.tree.leaves(tree):
            return tree
        return jax.vmap(function if process.models is None else jax.vmap(function))(tree)

    wider = functools.partial(with_room, capacity=process.room)
    memory = each(functools.partial(common.continued, process.regime), each(wider, state.memory))
    params, data = each(process.with_room, state.params), each(wider, state.data)
    return dataclasses.replace(state, params=params, memory=memory, data=data)


def _words(key: jax.Array, index: np.ndarray, process: Process, mesh: Mesh | None) -> Any:
    return devices.place(chain_words(key, index.astype(np.uint32), process.models), mesh)


def with_trace(batch: Batch, process: Process, records: int) -> Batch:
    """A batch with room for the records of its first stage."""
    record = jax.eval_shape(scan.read_chains, batch.state, process)
    return dataclasses.replace(batch, trace=_room(record, process, batch.chains, records))


def merged(batches: list[Batch], most: int) -> list[Batch]:
    """Neighbours as one, running at most ``most`` chains: a form that takes less room than the last has room for more.

    All of one width, so that they run the same programs.
    """
    width = batches[0].place.size
    groups = -(-len(batches) // max(most // width, 1))
    each = -(-len(batches) // groups)
    return [_joined(batches[i : i + each], each * width) for i in range(0, len(batches), each)] if each > 1 else batches


def regrouped(batches: list[Batch]) -> list[Batch]:
    """Neighbours whose live chains fit into the places of one of them go on as one, in the same programs."""
    groups: list[list[Batch]] = []
    for batch in batches:
        last = groups[-1] if groups else []
        alike = bool(last) and _shapes(last[0]) == _shapes(batch)
        if alike and sum(b.live.size for b in (*last, batch)) <= batch.place.size:
            last.append(batch)
        else:
            groups.append([batch])
    return [group[0] if len(group) == 1 else _squeezed(group) for group in groups]


def _shapes(batch: Batch) -> list[tuple[int, ...]]:
    return [np.shape(leaf) for leaf in jax.tree.leaves(batch.state)]


def _squeezed(batches: list[Batch]) -> Batch:
    width = batches[0].place.size if any(batch.live.size for batch in batches) else 0
    for batch in batches:
        batch.narrow(batch.live.size)
    return _joined(batches, width)


def _joined(batches: list[Batch], width: int) -> Batch:
    """Neighbours as one batch of ``width`` places; those beyond its own chains are surplus."""
    one = batches[0]
    state = stacked_chains([batch.state for batch in batches])
    real = [np.where(b.place < b.chains, b.first + b.place, -1) for b in batches]
    index = np.concatenate([*real, np.full(width - sum(map(len, real)), -1)])
    chains = sum(batch.chains for batch in batches)
    return dataclasses.replace(
        one,
        state=jax.tree.map(lambda leaf: np.resize(leaf, (width, *leaf.shape[1:])), state),
        chains=chains,
        trace={name: np.concatenate([batch.trace[name] for batch in batches]) for name in one.trace},
        place=np.where(index < 0, chains + np.arange(width), index - one.first),
        resting=[(place + b.first - one.first, state) for b in batches for place, state in b.resting],
        settled=None,
    )


def stacked_chains(states: list[Any]) -> Any:
    """States of several batches as one, lists of different length filled up with zeros."""

    def join(*leaves: np.ndarray) -> np.ndarray:
        shape = np.max([leaf.shape[1:] for leaf in leaves], axis=0).astype(int) if leaves[0].ndim > 1 else ()
        return np.concatenate([filled(leaf, tuple(shape)) for leaf in leaves])

    def filled(leaf: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
        gaps = [(0, n - m) for n, m in zip(shape, leaf.shape[1:], strict=True)]
        return np.pad(leaf, [(0, 0), *gaps]) if any(gap for _, gap in gaps) else leaf

    return jax.tree.map(join, *states) if len(states) > 1 else states[0]


def _room(record: scan.Records, process: Process, chains: int, records: int) -> dict[str, np.ndarray]:
    """Arrays for the trace ``(chains, records, ...)`` of what is read ``(places, ...)``, in the order given."""
    shapes = {name: record[name] for name in process.watch.observables}
    return {name: np.empty((chains, records, *leaf.shape[1:]), leaf.dtype) for name, leaf in shapes.items()}


def _chosen(state: Any, which: np.ndarray) -> Any:
    """The chains of these places, on the host."""
    leaves = jax.tree.map(np.asarray, state)
    everyone = np.array_equal(which, np.arange(len(jax.tree.leaves(leaves)[0])))
    return leaves if everyone else jax.tree.map(lambda leaf: leaf[which], leaves)

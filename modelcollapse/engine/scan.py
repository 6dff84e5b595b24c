"""Many chains, many generations, one program: the compiled functions of a run."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Hashable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from modelcollapse.engine import workers
from modelcollapse.loop import Process, State, begin, step
from modelcollapse.protocols import Rests, marks
from modelcollapse.regimes.common import contained
from modelcollapse.sampling import axis_of_chains

FAST = {
    "xla_cpu_prefer_vector_width": 512,
    "xla_disable_hlo_passes": "cpu-parallel-task-assigner",
    "xla_cpu_scheduler_type": "CPU_SCHEDULER_TYPE_MEMORY_OPTIMIZED",
}
"""For a CPU: vectors as long as it has, where XLA would stop at 256 bits; no loop split over its cores, whose threads
would wait for each other a thousand times a millisecond; and operations one after another: two factorisations of many
matrices that run at once in one process may deadlock (jaxlib 0.10.2).
"""
QUICK = {"xla_cpu_use_fusion_emitters": False, "xla_cpu_parallel_codegen_split_count": 1}
"""Besides, for a short run: compiled in a third to two thirds of the time, up to twice as slow; the same counts."""
STRETCH = 16
"""Generations between two looks at whether every chain has come to rest."""

Records = dict[str, jax.Array]
_Go = Callable[[State, jax.Array], State]


def settles(process: Process) -> bool:
    """Whether a chain can come to rest: at a fixed point of the family, where regime and observables change nothing."""
    observables = process.watch.observables.values()
    return (
        contained(process.regime)
        and isinstance(process.family, Rests)
        and all(marks(observable).settles for observable in observables)
    )


class _Chains:
    """Chains of one process side by side; what is a few numbers per chain has the chains as last axis, so that vector
    instructions run along them.
    """

    def __init__(self, keys: jax.Array, states: State, process: Process) -> None:
        self.keys, self.process, self.rests = keys, process, settles(process)
        self.axes = jax.tree.map(lambda leaf: axis_of_chains(leaf.shape[1:]), states)

    def laid(self, states: State) -> State:
        return jax.tree.map(lambda leaf, axis: jnp.moveaxis(leaf, 0, axis), states, self.axes)

    def back(self, states: State) -> State:
        return jax.tree.map(lambda leaf, axis: jnp.moveaxis(leaf, axis, 0), states, self.axes)

    def next(self, states: State) -> State:
        return jax.vmap(step, (0, self.axes, None), self.axes)(self.keys, states, self.process)

    def read(self, states: State) -> Records:
        return jax.vmap(self.process.read, (self.axes,))(states)

    def at_rest(self, states: State) -> jax.Array:
        """Which chains ``(chain,)`` can only reproduce themselves, or have failed."""
        if not self.rests:
            return jnp.zeros(states.status.shape, bool)
        resting = jax.vmap(self.process.family.at_rest, (self.axes.params,))(states.params)
        return (states.generation >= 0) & ((states.status > 0) | resting)


def advance(
    keys: jax.Array, states: State, process: Process, gaps: jax.Array, stops: jax.Array
) -> tuple[State, Records, jax.Array]:
    """Go on by ``gaps[0]``, ``gaps[1]``, ... generations, the first ``stops`` of these, and read the observables after
    each.

    Neither the gaps nor their number is part of the program, only the room for them. Where every chain has come to
    rest, what is left of a gap is only counted. Returns the states, records ``(record, chain, ...)`` and which chains
    are at rest.
    """
    chains = _Chains(keys, states, process)
    states = chains.laid(states)

    def several(states: State, count: jax.Array) -> State:
        return lax.fori_loop(0, count, lambda _, s: chains.next(s), states)

    def record(i: jax.Array, carry: tuple[State, Records]) -> tuple[State, Records]:
        states, room = carry
        go = _until_rest(several, chains) if chains.rests else several
        states = go(states, gaps[i])
        put = lambda whole, now: lax.dynamic_update_index_in_dim(whole, now, i, 0)  # noqa: E731
        return states, jax.tree.map(put, room, chains.read(states))

    shapes = jax.eval_shape(chains.read, states)
    room = jax.tree.map(lambda leaf: jnp.zeros((len(gaps), *leaf.shape), leaf.dtype), shapes)
    states, room = lax.fori_loop(0, stops, record, (states, room))
    return chains.back(states), room, chains.at_rest(states)


def _until_rest(several: _Go, chains: _Chains) -> _Go:
    """``several``, which only counts from where every chain has come to rest."""

    def stretch(carry: tuple[jax.Array, State]) -> tuple[jax.Array, State]:
        left, states = carry
        count = jnp.minimum(left, STRETCH)
        return left - count, several(states, count)

    def goes_on(carry: tuple[jax.Array, State]) -> jax.Array:
        return (carry[0] > 0) & ~chains.at_rest(carry[1]).all()

    return lambda states, gap: _later(*lax.while_loop(goes_on, stretch, (gap, states)))


def _later(generations: int | jax.Array, states: State) -> State:
    return dataclasses.replace(states, generation=states.generation + generations)


def follow(keys: jax.Array, states: State, process: Process, generations: int) -> tuple[State, Records]:
    """``advance`` by one generation at a time, ``generations`` times; leaves ``(chain, record, ...)``.

    Nothing but scans is used, so that the trace has a reverse derivative.
    """
    chains = _Chains(keys, states, process)

    def record(states: State, _: None) -> tuple[State, Records]:
        if chains.rests:
            states = lax.cond(chains.at_rest(states).all(), lambda s: _later(1, s), chains.next, states)
        else:
            states = chains.next(states)
        return states, chains.read(states)

    states, records = lax.scan(record, chains.laid(states), length=generations)
    return chains.back(states), jax.tree.map(lambda leaf: jnp.swapaxes(leaf, 0, 1), records)


def start(keys: jax.Array, process: Process) -> tuple[State, Records]:
    """Generation 0 of the chains with these keys, and its record."""
    states = jax.vmap(begin, (0, None))(keys, process)
    return states, jax.vmap(process.read)(states)


def _started(
    words: jax.Array, process: Process, impl: Hashable, mesh: jax.sharding.Mesh | None
) -> tuple[State, Records]:
    """``start`` for chains whose keys have these ``words``, equally many on each device of the mesh."""

    def each(words: jax.Array, process: Process) -> tuple[State, Records]:
        return start(jax.random.wrap_key_data(words, impl=impl), process)

    return _over_devices(each, mesh, (True, False), (0, 0))(words, process)


def _advanced(
    words: jax.Array,
    states: State,
    process: Process,
    gaps: jax.Array,
    stops: jax.Array,
    impl: Hashable,
    mesh: jax.sharding.Mesh | None,
) -> tuple[State, Records, jax.Array]:
    """``advance`` for chains whose keys have these ``words``, equally many on each device of the mesh."""

    def each(
        words: jax.Array, states: State, process: Process, gaps: jax.Array, stops: jax.Array
    ) -> tuple[State, Records, jax.Array]:
        return advance(jax.random.wrap_key_data(words, impl=impl), states, process, gaps, stops)

    split = _over_devices(each, mesh, (True, True, False, False, False), (0, 1, 0))
    return split(words, states, process, gaps, stops)


@functools.cache
def _compiled(function: Callable[..., Any], quick: bool) -> Any:
    options = FAST | {name: value for name, value in QUICK.items() if _is_known(name, value)} if quick else FAST
    return jax.jit(function, static_argnames=("impl", "mesh"), compiler_options=options)


def _is_known(option: str, value: int) -> bool:
    """Whether the XLA that is installed has an option: some come and go with its versions."""
    try:
        jax.jit(lambda x: x, compiler_options={option: value}).lower(np.float32(0)).compile()
    except jax.errors.JaxRuntimeError:
        return False
    return True


def start_chains(
    words: jax.Array | np.ndarray, process: Process, *, impl: Hashable, mesh: jax.sharding.Mesh | None
) -> tuple[State, Records]:
    """``start`` for chains whose keys have these ``words``."""
    return _compiled(_started, True)(words, process, impl=impl, mesh=mesh)


def advance_chains(
    words: jax.Array | np.ndarray,
    states: State,
    process: Process,
    gaps: np.ndarray,
    stops: int,
    *,
    impl: Hashable,
    mesh: jax.sharding.Mesh | None,
    quick: bool,
) -> tuple[State, Records, jax.Array]:
    """``advance`` for chains whose keys have these ``words``; ``quick`` for a run that is soon over."""
    return _compiled(_advanced, quick)(words, states, process, gaps, np.int32(stops), impl=impl, mesh=mesh)


def takes_turns(
    words: jax.Array | np.ndarray, states: State, process: Process, gaps: np.ndarray, *, impl: Hashable, quick: bool
) -> bool:
    """Whether the program of ``advance_chains`` must, which is traced for it."""
    traced = _compiled(_advanced, quick).trace(words, states, process, gaps, np.int32(1), impl=impl, mesh=None)
    return workers.takes_turns(traced.jaxpr.jaxpr)


def programs() -> int:
    """How many programs ``advance_chains`` has compiled."""
    return sum(_compiled(_advanced, quick)._cache_size() for quick in (True, False))


start_within = jax.jit(start)
"""``start`` and ``follow`` for use inside other compiled functions, which alone may have options."""
follow_within = jax.jit(follow, static_argnames=("generations",))
read_chains = jax.jit(lambda states, process: jax.vmap(process.read)(states))
"""The record ``(chain, ...)`` of states as they are."""


def _over_devices(
    function: Callable[..., Any], mesh: jax.sharding.Mesh | None, given: tuple[bool, ...], got: tuple[int, ...]
) -> Callable[..., Any]:
    """``function`` on each device's chains, without communication: of its arguments those ``given`` are split over
    them; ``got`` is which axis of each result the chains are.
    """
    if mesh is None:
        return function
    whole, first, second = jax.P(), jax.P(mesh.axis_names[0]), jax.P(None, mesh.axis_names[0])
    into = tuple(first if split else whole for split in given)
    out = tuple((first, second)[axis] for axis in got)
    # what varies over devices is declared here, not traced through every loop of a family
    return jax.shard_map(function, mesh=mesh, in_specs=into, out_specs=out, check_vma=False)

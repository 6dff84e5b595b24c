"""Many chains, many generations, one program: the compiled functions of a run."""

from __future__ import annotations

import dataclasses
import functools
import inspect
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from modelcollapse.addresses import chain_keys
from modelcollapse.loop import Process, State, begin, step
from modelcollapse.protocols import Rests, SelfContained, marks
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
STRETCH = 16
"""Generations between two looks at whether every chain has come to rest."""

Records = dict[str, jax.Array]


def settles(process: Process) -> bool:
    """Whether a chain can come to rest: at a fixed point of the family, where regime and observables change nothing."""
    regime, observables = process.regime, process.watch.observables.values()
    return (
        isinstance(regime, SelfContained)
        and regime.self_contained
        and isinstance(process.family, Rests)
        and all(marks(observable).settles for observable in observables)
    )


def advance(
    keys: jax.Array, states: State, process: Process, gaps: jax.Array, *, single: bool
) -> tuple[State, Records]:
    """Go on by ``gaps[0]``, ``gaps[1]``, ... generations and read the observables after each; leaves
    ``(chain, record, ...)``.

    ``single`` says that all gaps are 1: then nothing but scans is used, and the trace has a reverse derivative. Where
    every chain has come to rest, what is left of a gap is only counted.
    """

    def every(states: State) -> State:
        return jax.vmap(step, (0, axes, None), axes)(keys, states, process)

    def several(states: State, count: jax.Array) -> State:
        return every(states) if single else jax.lax.fori_loop(0, count, lambda _, s: every(s), states)

    def record(states: State, gap: jax.Array) -> tuple[State, Records]:
        if rests and single:
            states = jax.lax.cond(resting(states), functools.partial(_later, gap), every, states)
        elif rests:
            states = _until_rest(several, resting, states, gap)
        else:
            states = several(states, gap)
        return states, jax.vmap(process.read, (axes,))(states)

    def resting(states: State) -> jax.Array:
        return ((states.status > 0) | jax.vmap(process.family.at_rest, (axes.params,))(states.params)).all()

    rests = settles(process)
    # what is a few numbers per chain is carried with the chains as last axis, so that vector instructions run along
    # them
    axes = jax.tree.map(lambda leaf: axis_of_chains(leaf.shape[1:]), states)
    states = jax.tree.map(lambda leaf, axis: jnp.moveaxis(leaf, 0, axis), states, axes)
    states, records = jax.lax.scan(record, states, gaps)
    states = jax.tree.map(lambda leaf, axis: jnp.moveaxis(leaf, axis, 0), states, axes)
    return states, jax.tree.map(lambda leaf: jnp.swapaxes(leaf, 0, 1), records)


@jax.jit
def at_rest(states: State, process: Process) -> jax.Array:
    """Which chains ``(chain,)`` can only reproduce themselves, or have failed."""
    return (states.status > 0) | jax.vmap(process.family.at_rest)(states.params)


def _later(generations: jax.Array, states: State) -> State:
    return dataclasses.replace(states, generation=states.generation + generations)


def _until_rest(
    several: Callable[[State, jax.Array], State], resting: Callable[[State], jax.Array], states: State, gap: jax.Array
) -> State:
    def stretch(carry: tuple[jax.Array, State]) -> tuple[jax.Array, State]:
        left, states = carry
        count = jnp.minimum(left, STRETCH)
        return left - count, several(states, count)

    left, states = jax.lax.while_loop(lambda carry: (carry[0] > 0) & ~resting(carry[1]), stretch, (gap, states))
    return _later(left, states)


def start(
    key: jax.Array, index: jax.Array, process: Process, mesh: jax.sharding.Mesh | None = None
) -> tuple[State, Records]:
    """Generation 0 of the chains of these numbers, equally many on each device of the mesh, and its record."""

    def each(key: jax.Array, process: Process, index: jax.Array) -> tuple[State, Records]:
        states = jax.vmap(begin, (0, None))(chain_keys(key, index, process.models), process)
        return states, jax.vmap(process.read)(states)

    return _over_devices(each, mesh, 1)(key, process, index)


def resume(
    key: jax.Array,
    index: jax.Array,
    states: State,
    process: Process,
    gaps: jax.Array,
    single: bool,
    mesh: jax.sharding.Mesh | None = None,
) -> tuple[State, Records]:
    """``advance`` for the chains of these numbers."""

    def each(
        key: jax.Array, process: Process, gaps: jax.Array, index: jax.Array, states: State
    ) -> tuple[State, Records]:
        return advance(chain_keys(key, index, process.models), states, process, gaps, single=single)

    return _over_devices(each, mesh, 2)(key, process, gaps, index, states)


start_chains = jax.jit(start, static_argnames=("mesh",), compiler_options=FAST)
advance_chains = jax.jit(resume, static_argnames=("single", "mesh"), compiler_options=FAST)
start_within = jax.jit(start, static_argnames=("mesh",))
"""``start_chains`` and ``advance_chains`` for use inside other compiled functions, which alone may have options."""
advance_within = jax.jit(resume, static_argnames=("single", "mesh"))
read_chains = jax.jit(lambda states, process: jax.vmap(process.read)(states))
"""The record ``(chain, ...)`` of states as they are."""


def _over_devices(function: Callable[..., Any], mesh: jax.sharding.Mesh | None, split: int) -> Callable[..., Any]:
    """``function`` on each device's chains, which its last ``split`` arguments hold, without communication."""
    if mesh is None:
        return function
    whole, parts = jax.P(), jax.P(mesh.axis_names[0])
    count = len(inspect.signature(function).parameters) - split
    specs = (*(whole,) * count, *(parts,) * split)
    # what varies over devices is declared here, not traced through every loop of a family
    return jax.shard_map(function, mesh=mesh, in_specs=specs, out_specs=parts, check_vma=False)

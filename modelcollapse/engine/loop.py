"""One loop carries every family and every regime: fit, draw, fit again, over generations and over chains.

``step`` advances one chain by one generation and is pure. ``trace`` scans it over generations and maps it over chains, and is pure too:
``jax.jit``, ``jax.vmap`` and ``jax.grad`` go through it. ``simulate`` checks its arguments, calls ``trace``'s own kernel in
batches and chunks, and keeps what is needed to go on.

Randomness is an address: the key of chain c at generation g is ``fold_in(fold_in(key, c), g)``, so no chain knows its neighbours and no
generation knows how many follow.
"""

from __future__ import annotations

import dataclasses
import functools
import inspect
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from modelcollapse.laws import Law, Stream
from modelcollapse.protocols import Rests, Validates
from modelcollapse.pytree import part, static
from modelcollapse.sampling import axis_of_chains, keys, once

FIT, LOOK = 2**16, 2**16 + 1
"""Roles of a generation beside those of its regime, which are small numbers: the fit, and an observable's own draws."""
FAST = {
    "xla_cpu_prefer_vector_width": 512,
    "xla_disable_hlo_passes": "cpu-parallel-task-assigner",
    "xla_cpu_scheduler_type": "CPU_SCHEDULER_TYPE_MEMORY_OPTIMIZED",
}
"""For a CPU: vectors as long as it has, where XLA would stop at 256 bits; no loop split over its cores, whose threads would wait for each
other a thousand times a millisecond; and operations one after another: two factorisations of many matrices that run at once in one process
may wait for each other for ever (jaxlib 0.10.2)."""
STRETCH = 16
"""Generations between two looks at whether every chain has come to rest."""


@part
class State:
    """One chain between generations."""

    params: Any
    memory: Any  # the regime's own
    carries: Any  # of the observables, by name
    generation: jax.Array  # (), int32
    status: jax.Array  # (), int32: 0, or 1 + the generation whose fit was not finite


@part
class Process:
    """Everything that is fixed over a run."""

    family: Any
    source: Any
    regime: Any
    observables: dict[str, Any]
    truth: Any
    sizes: Any  # (), or (generations + 1,): sample size of each data set
    capacity: int = static()  # a bound on every draw
    room: int = static()  # a bound on every pool

    def stream(self, law: Any) -> Stream:
        return Stream(law, self.family, self.capacity, self.regime.needs_items)

    def size(self, generation: Any) -> jax.Array:
        return self.sizes if jnp.ndim(self.sizes) == 0 else self.sizes[generation]

    @property
    def settles(self) -> bool:
        """Whether a chain can come to rest: a fixed point of the family, in a regime and under observables that then change nothing."""
        closed = getattr(self.regime, "closed", False) and isinstance(self.family, Rests)
        return closed and all(getattr(o, "settles", False) for o in self.observables.values())

    def with_room(self, params: Any) -> Any:
        """The same parameters in the shape that those of the largest pool have, if a fit keeps its rows."""
        return self.family.with_room(params, self.room) if hasattr(self.family, "with_room") else params

    def observing(self, observables: dict[str, Any]) -> Process:
        """The same process with other observables."""
        return dataclasses.replace(self, observables=observables)

    def seen(self, state: State, observable: Any) -> State:
        """The state as an observable sees it: parameters that are kept in another form say how they read."""
        if not hasattr(state.params, "law"):
            return state
        return dataclasses.replace(state, params=state.params.law(not getattr(observable, "unlabelled", False)))

    def carrying(self, state: State) -> State:
        """A first state with the carries that the observables begin with."""
        carries = {name: o.start(self.truth, self.seen(state, o)) for name, o in self.observables.items()}
        return dataclasses.replace(state, carries=carries)

    def carried(self, before: State, now: State) -> dict[str, Any]:
        """The carries after one more generation."""
        return {
            name: o.update(before.carries[name], self.seen(now, o), self.truth) for name, o in self.observables.items()
        }

    def read(self, state: State) -> dict[str, Any]:
        return {
            name: o.read(state.carries[name], self.seen(state, o), self.truth) for name, o in self.observables.items()
        }


def begin(key: jax.Array, process: Process) -> State:
    """Generation 0 of one chain: a fit to real data."""
    now = jnp.int32(0)
    key = jax.random.fold_in(key, now)
    real = process.stream(process.source)
    data, memory = process.regime.start(key, real, process.size(now))
    params = process.family.fit(jax.random.fold_in(key, FIT), _fitted(real, data), None)
    # integers cannot be NaN, so forms say themselves whether they are valid: later ones are drawn from these
    status = jnp.where(_valid(process.family, params), 0, 1).astype(jnp.int32)
    memory = with_room(memory, process.room)
    return process.carrying(State(process.with_room(params), memory, {}, now, status))


def step(key: jax.Array, state: State, process: Process) -> State:
    """The next generation of one chain, whose key this is. A fit that is not finite leaves the chain as it was, for good."""
    now = state.generation + 1
    key = jax.random.fold_in(key, now)
    model = process.stream(Law(process.family, state.params))
    real = process.stream(process.source)
    data, memory = process.regime.next(key, model, real, state.memory, process.size(now), now)
    params = _once(process.family.fit(jax.random.fold_in(key, FIT), _fitted(real, data), state.params))
    params = process.with_room(params)
    valid = _valid(process.family, params) if _reals(params) else jnp.bool_(True)
    failed = (state.status == 0) & ~valid
    status = jnp.where(failed, now + 1, state.status)
    moved = State(params, memory, state.carries, now, status)
    new = State(params, memory, process.carried(state, moved), now, status)
    if not _reals(params):
        return new  # counts do not fail
    frozen = State(state.params, state.memory, state.carries, now, status)
    return jax.tree.map(lambda a, b: jnp.where(status == 0, a, b), new, frozen)


def advance(chains: jax.Array, states: State, process: Process, gaps: jax.Array, *, single: bool) -> tuple[State, dict]:
    """Go on by ``gaps[0]``, ``gaps[1]``, ... generations and read the observables after each; leaves ``(chain, record, ...)``.

    ``single`` says that all gaps are 1: then nothing but scans is used, and the trace has a reverse derivative. Where every
    chain has come to rest, what is left of a gap is only counted.
    """

    def every(states: State) -> State:
        return jax.vmap(step, (0, axes, None), axes)(chains, states, process)

    def several(states: State, count: jax.Array) -> State:
        return every(states) if single else jax.lax.fori_loop(0, count, lambda _, s: every(s), states)

    def record(states: State, gap: jax.Array) -> tuple[State, dict]:
        if process.settles and single:
            states = jax.lax.cond(resting(states), functools.partial(_later, gap), every, states)
        elif process.settles:
            states = _until_rest(several, resting, states, gap)
        else:
            states = several(states, gap)
        return states, jax.vmap(process.read, (axes,))(states)

    def resting(states: State) -> jax.Array:
        return ((states.status > 0) | jax.vmap(process.family.at_rest, (axes.params,))(states.params)).all()

    # what is a few numbers a chain is carried with the chains as last axis, so that vector instructions run along them
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


def chain_keys(key: jax.Array, index: Any) -> jax.Array:
    """Keys of the chains of the given numbers."""
    # stored, so that the loop over generations does not begin with a program for each word of their schedule
    return keys.stored(jax.vmap(functools.partial(jax.random.fold_in, key))(jnp.asarray(index, jnp.uint32)))


def start(
    key: jax.Array, index: jax.Array, process: Process, mesh: jax.sharding.Mesh | None = None
) -> tuple[State, dict]:
    """Generation 0 of the chains of these numbers, and its record; an equal share of them on each device of the mesh."""

    def share(key: jax.Array, process: Process, index: jax.Array) -> tuple[State, dict]:
        states = jax.vmap(begin, (0, None))(chain_keys(key, index), process)
        return states, jax.vmap(process.read)(states)

    return _shared(share, mesh, 1)(key, process, index)


def resume(
    key: jax.Array,
    index: jax.Array,
    states: State,
    process: Process,
    gaps: jax.Array,
    single: bool,
    mesh: jax.sharding.Mesh | None = None,
) -> tuple[State, dict]:
    """``advance`` for the chains of these numbers."""

    def share(key: jax.Array, process: Process, gaps: jax.Array, index: jax.Array, states: State) -> tuple[State, dict]:
        return advance(chain_keys(key, index), states, process, gaps, single=single)

    return _shared(share, mesh, 2)(key, process, gaps, index, states)


start_chains = jax.jit(start, static_argnames=("mesh",), compiler_options=FAST)
advance_chains = jax.jit(resume, static_argnames=("single", "mesh"), compiler_options=FAST)
start_within = jax.jit(start, static_argnames=("mesh",))
"""``start_chains`` and ``advance_chains`` for use inside other compiled functions, which alone may have options."""
advance_within = jax.jit(resume, static_argnames=("single", "mesh"))
read_chains = jax.jit(lambda states, process: jax.vmap(process.read)(states))
"""The record ``(chain, ...)`` of states as they are."""


def _shared(function: Callable, mesh: jax.sharding.Mesh | None, split: int) -> Callable:
    """``function`` on each device's share of the chains, which its last ``split`` arguments hold, without communication."""
    if mesh is None:
        return function
    whole, parts = jax.P(), jax.P(mesh.axis_names[0])
    count = len(inspect.signature(function).parameters) - split
    specs = (*(whole,) * count, *(parts,) * split)
    # what varies over devices is declared here, not traced through every loop of a family
    return jax.shard_map(function, mesh=mesh, in_specs=specs, out_specs=parts, check_vma=False)


def with_room(tree: Any, capacity: int) -> Any:
    """The same, every pool of rows in it with room for ``capacity``."""
    pools: Callable[[Any], bool] = lambda node: hasattr(node, "with_room")  # noqa: E731
    return jax.tree.map(lambda node: node.with_room(capacity) if pools(node) else node, tree, is_leaf=pools)


def with_room_each(tree: Any, capacity: int) -> Any:
    """``with_room`` for every chain of a batch."""
    return jax.vmap(lambda one: with_room(one, capacity))(tree) if jax.tree.leaves(tree) else tree


def _fitted(stream: Stream, data: Any) -> Any:
    return stream.family.summarise(data) if stream.rows else data


def _once(params: Any) -> Any:
    """A fit has many readers, each of which would compute it anew; large arrays, and counts, are written to memory anyway."""
    leaves, tree = jax.tree.flatten(params)
    few = [axis_of_chains(leaf.shape) != 0 and jnp.issubdtype(leaf.dtype, jnp.inexact) for leaf in leaves]
    kept = iter(once([leaf for leaf, is_few in zip(leaves, few, strict=True) if is_few]))
    return jax.tree.unflatten(tree, [next(kept) if is_few else leaf for leaf, is_few in zip(leaves, few, strict=True)])


def _valid(family: Any, params: Any) -> jax.Array:
    return family.valid(params) if isinstance(family, Validates) else _finite(params)


def _finite(params: Any) -> jax.Array:
    finite = [jnp.isfinite(leaf).all() for leaf in _reals(params)]
    return functools.reduce(jnp.logical_and, finite, jnp.bool_(True))


def _reals(params: Any) -> list[jax.Array]:
    return [leaf for leaf in jax.tree.leaves(params) if jnp.issubdtype(leaf.dtype, jnp.inexact)]

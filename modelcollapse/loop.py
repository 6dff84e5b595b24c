"""One loop carries every family and every regime: fit, draw, fit again.

``begin`` makes one chain and ``step`` advances it by one generation; both are pure. How many chains run at once, on
which devices and in which form is the business of ``modelcollapse.engine``.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable
from typing import Any, TypeVar

import jax
import jax.numpy as jnp
import numpy as np

from modelcollapse.addresses import FIT, fold
from modelcollapse.data import Rows, with_room
from modelcollapse.laws import Law, Stream
from modelcollapse.numeric import traced
from modelcollapse.protocols import (
    Appends,
    Carry,
    ComesShort,
    Exchanges,
    Family,
    HoldsData,
    KeepsRows,
    Memory,
    NeedsItems,
    Numbered,
    Observable,
    Opens,
    Params,
    Precedes,
    Represents,
    Source,
    Staggers,
    Truth,
    Validates,
    marks,
    vouched,
)
from modelcollapse.pytree import part, static
from modelcollapse.sampling import axis_of_chains, materialise
from modelcollapse.sampling import key as sampling_key
from modelcollapse.together import Models, Separate, truths, turns, where

Tree = TypeVar("Tree")


@part
class State:
    """One chain between generations. Of several models, leaves of ``params`` have the model as first axis."""

    params: Params
    memory: Memory  # the regime's own
    carries: dict[str, Carry]  # of the observables, by name
    generation: jax.Array  # (), int32
    status: jax.Array  # (), int32: 0, or 1 + the generation whose fit failed
    data: Any = ()  # the data set of the generation, if an observable needs it
    family: Any = ()  # in what an observable sees: the family


@part
class Watch:
    """The observables of a run by name, and the truth that they compare with."""

    observables: dict[str, Any]
    truth: Truth

    @property
    def needs_data(self) -> bool:
        """Whether an observable reads the data set."""
        return any(marks(observable).needs_data for observable in self.observables.values())

    def start(self, state: State, family: Family | None = None) -> dict[str, Carry]:
        """The carries of a first state; ``family`` says in which form the parameters are kept."""
        return {name: o.start(self.truth, _seen(state, o, family)) for name, o in self.observables.items()}

    def update(self, before: State, now: State, family: Family | None = None) -> dict[str, Carry]:
        """The carries of the state of one generation later."""
        each = self.observables.items()
        return {name: o.update(before.carries[name], _seen(now, o, family), self.truth) for name, o in each}

    def read(self, state: State, family: Family | None = None) -> dict[str, jax.Array]:
        """What is recorded of a state, by name."""
        each = self.observables.items()
        return {name: o.read(state.carries[name], _seen(state, o, family), self.truth) for name, o in each}


def _seen(state: State, observable: Observable, family: Family | None) -> State:
    """The state as an observable sees it, its parameters those of the family that the user named."""
    params = state.params
    if isinstance(family, Represents):
        params = family.represented(params, not marks(observable).unlabelled)
    return dataclasses.replace(state, params=params, family=family)


@part
class Process:
    """Everything that is fixed over a run."""

    family: Any
    source: Any
    regime: Any
    watch: Watch
    sizes: jax.Array | np.ndarray  # (), or (generations + 1,): sample size of each data set
    capacity: int = static()  # a bound on every draw
    room: int = static()  # a bound on every pool of rows; 0 if there are none
    many: bool = static(default=False)  # no draw is so small that a family would have to draw it another way
    pads: bool = static(default=True)  # whether few states may be filled up to a number that other runs share
    opens: bool = static(default=False)  # whether `step` makes generation 0, from the state `before` it

    @property
    def models(self) -> int | None:
        """How many models a chain has that see one another; None for a plain chain of one."""
        return self.regime.models if isinstance(self.regime, Exchanges) else None

    @property
    def appends(self) -> bool:
        """Whether the parameters hold the memory: the last data set, to which the next only adds."""
        regime = self.regime
        appends = isinstance(regime, Appends) and regime.appends and vouched(regime, "appends", "start", "next")
        return appends and isinstance(self.family, HoldsData)

    def stream(self, law: Source) -> Stream:
        """Draws of a law, in the form that the regime needs."""
        return Stream(law, self.family, self.capacity, self.regime.needs_items, self.many, self.opens)

    def size(self, generation: int | jax.Array) -> jax.Array:
        """The sample size of a generation."""
        sizes = jnp.asarray(self.sizes)
        return sizes if sizes.ndim == 0 else sizes[generation]

    def with_room(self, params: Params) -> Params:
        """The same parameters in the shape that those of the largest pool have, if a fit keeps its rows."""
        return self.family.with_room(params, self.room) if isinstance(self.family, KeepsRows) else params

    def observing(self, observables: dict[str, Any]) -> Process:
        """The same process with other observables."""
        return dataclasses.replace(self, watch=Watch(observables, self.watch.truth))

    def read(self, state: State) -> dict[str, jax.Array]:
        """Every observable of a state."""
        read = self._each(lambda watch, now: watch.read(now, self.family), state)
        staggered = self.staggered
        if staggered is None:
            return read
        there, joint = staggered.entered(state.generation), self._joint
        return {name: values if name in joint else _unless_absent(there, values) for name, values in read.items()}

    def started(self, state: State) -> State:
        """The state with its observables begun."""
        return dataclasses.replace(state, carries=self._each(lambda watch, now: watch.start(now, self.family), state))

    def updated(self, before: State, now: State) -> State:
        """The later state with its observables brought up to it."""
        carries = self._each(lambda watch, *both: watch.update(*both, self.family), before, now)
        staggered = self.staggered
        if staggered is not None:
            new = staggered.entered(now.generation) & ~staggered.entered(before.generation)
            first = self.started(now).carries
            carries = {n: c if n in self._joint else where(new, first[n], c) for n, c in carries.items()}
        return dataclasses.replace(now, carries=carries)

    @property
    def staggered(self) -> Any:
        """The regime, if its models enter or stay as they are."""
        return self.regime if isinstance(self.regime, Staggers) and self.regime.staggered else None

    @property
    def _joint(self) -> set[str]:
        """The names of the observables that see all models at once."""
        return {name for name, o in self.watch.observables.items() if marks(o).joint}

    def _each(self, function: Callable[..., dict[str, Any]], *states: State) -> dict[str, Any]:
        """``function(watch, *states)`` of a chain; or of each of its models in turn, and of all of them at once."""
        if self.models is None:
            return function(self.watch, *states)
        names, observables, apart = self._joint, self.watch.observables, isinstance(self.source, Separate)
        alone = {name: o for name, o in observables.items() if name not in names}

        def one(truth: Truth, *each: tuple[Any, ...]) -> dict[str, Any]:
            single = [
                dataclasses.replace(state, params=params, memory=memory, carries=carries, data=data)
                for state, (params, memory, carries, data) in zip(states, each, strict=True)
            ]
            return function(Watch(alone, truth if apart else self.watch.truth), *single)

        def held(state: State) -> tuple[Any, ...]:
            return state.params, state.memory, {n: c for n, c in state.carries.items() if n in alone}, state.data

        out = turns(one, self.watch.truth if apart else None, *map(held, states)) if alone else {}
        if not names:
            return out
        joint = Watch({name: observables[name] for name in names}, truths(self.watch.truth, self.source, self.models))
        return out | function(joint, *(dataclasses.replace(s, params=self.together(s)) for s in states))

    def together(self, state: State) -> Models:
        """The models of a chain, as an observable of all of them sees them."""
        staggered = self.staggered
        there = jnp.ones(self.models, bool) if staggered is None else staggered.entered(state.generation)
        return Models(state.params, there)


def _unless_absent(there: jax.Array, values: jax.Array) -> jax.Array:
    """What was read of models, NaN or 0 for those that are not there."""
    absent = jnp.nan if jnp.issubdtype(values.dtype, jnp.inexact) else 0
    return jnp.where(there.reshape(-1, *(1,) * (values.ndim - 1)), values, jnp.asarray(absent, values.dtype))


def opened(process: Process) -> Process:
    """The process, which ``opens`` if its regime and its family allow it."""
    family, regime = process.family, process.regime
    opens = (
        isinstance(regime, Opens)
        and regime.opens
        and vouched(regime, "opens", "start", "next")
        and isinstance(family, Precedes)
        and vouched(family, "before", "draw", "fit")
        and not process.appends
        and not traced(process)
        and family.before(process.source) is not None
    )
    return dataclasses.replace(process, opens=opens)


def before(process: Process) -> State:
    """The state of one chain before its first generation, number -1, for a process that ``opens``, in NumPy.

    Its model draws what is real; its memory, data and carries are zeros, which generation 0 replaces.
    """

    params = process.with_room(process.family.before(process.source))
    memory, data = _zeros(jax.eval_shape(_memory_and_data, process.observing({})))
    generation, status = _NOTHING
    state = State(params, memory, {}, generation, status, data if process.watch.needs_data else ())
    return dataclasses.replace(state, carries=_zeros(jax.eval_shape(_carries, process, state)))


@jax.jit
def _memory_and_data(process: Process) -> tuple[Memory, Any]:
    size = jnp.asarray(process.size(0))
    data, memory = process.regime.start(sampling_key(0), process.stream(process.source), size)
    return with_room((memory, data), process.room)


@jax.jit
def _carries(process: Process, state: State) -> dict[str, Carry]:
    return process.started(state).carries


_NOTHING: tuple[Any, Any] = np.int32(-1), np.int32(0)
"""Generation and status before the first generation."""


def _zeros(shapes: Tree) -> Tree:
    return jax.tree.map(lambda leaf: np.zeros(leaf.shape, leaf.dtype), shapes)


def begin(key: jax.Array, process: Process) -> State:
    """Generation 0 of one chain: a fit to real data. ``key`` is the chain's, or ``(models,)`` keys."""
    now, size = jnp.int32(0), process.size(jnp.int32(0))
    real = process.stream(process.source)

    def fitted(key: jax.Array, drawn: Tree) -> tuple[Params, Any, jax.Array]:
        data = _fitted(real, drawn)
        params = process.family.fit(fold(key, FIT), data, None)
        kept = with_room(data, process.room) if process.watch.needs_data else ()
        return process.with_room(params), kept, _valid(process.family, params)

    key = _at_generation(key, process, now)
    data, memory = process.regime.start(key, real, size)
    if process.models is None:
        memory = with_room(() if process.appends else memory, process.room)
        params, data, valid = fitted(key, data)
    else:
        memory = jax.vmap(lambda one: with_room(one, process.room))(memory) if jax.tree.leaves(memory) else memory
        params, data, valid = turns(fitted, key, data)
    if process.staggered is not None:
        there = process.staggered.entered(now)
        # nobody sees a model that is not there yet, but none of its items may be drawn from what is not finite
        valid |= ~there
        params = where(there, params, jax.tree.map(lambda leaf: leaf[jnp.argmax(there)][None], params))
    status = jnp.where(valid.all(), 0, 1).astype(jnp.int32)
    return process.started(State(params, memory, {}, now, status, data))


def _at_generation(key: jax.Array, process: Process, now: jax.Array) -> jax.Array:
    """The key of a generation, or those of the models in their order."""
    if process.models is None:
        return fold(key, now)
    if isinstance(process.regime, Numbered) and process.regime.numbers is not None:
        key = key[np.array(process.regime.numbers)]
    return jax.vmap(fold, (0, None))(key, now)


def step(key: jax.Array, state: State, process: Process) -> State:
    """The next generation of one chain, whose key this is. A fit that fails leaves the chain as it was from then on.

    Where the process ``opens`` and nothing has been yet, that is generation 0.
    """
    now = state.generation + 1
    first = now == 0 if process.opens else None
    size, real = process.size(now), process.stream(process.source)

    if process.models is not None:
        params, memory, data, valid = _exchanged(key, state, process)
    else:
        key = fold(key, now)
        model = process.stream(Law(process.family, state.params))
        memory = process.family.held(state.params) if process.appends else state.memory
        data, memory = process.regime.next(key, model, real, memory, size, now)
        memory = () if process.appends else memory
        data = _fitted(real, data)
        params = _refitted(key, data, state.params, process)
        valid, data = _valid(process.family, params), with_room(data, process.room)
    data = data if process.watch.needs_data else ()
    fails = (state.status == 0) & ~valid.all()
    from_counts = isinstance(process.family, Represents) and not _reals(params)
    if from_counts:  # these do not fail; those of generation 0 are drawn from weights
        fails = jnp.bool_(False) if first is None else fails & first
    status = jnp.where(fails, now + 1, state.status)
    fresh = State(params, memory, state.carries, now, status, data)
    new = process.updated(state, fresh)
    if first is not None:
        started = process.started(fresh).carries
        new = dataclasses.replace(new, carries=_chosen(first, started, new.carries))
    if from_counts:
        return new
    # never two arrays of all rows: those before are in the new one
    last = process.family.shortened(params, state.params) if process.appends else state.params
    frozen = dataclasses.replace(state, params=last, generation=now, status=status)
    # a failed fit at generation 0 is shown: there is none before it
    return _chosen(status == 0 if first is None else (status == 0) | first, new, frozen)


def _refitted(key: jax.Array, data: Any, previous: Params, process: Process) -> Params:
    """A fit; the last one again where a regime whose data sets may come short gave too few items for another."""
    family, regime = process.family, process.regime
    params = process.with_room(_once(family.fit(fold(key, FIT), data, previous)))
    if isinstance(regime, ComesShort) and regime.comes_short:
        fewest = family.fewest(params) if isinstance(family, NeedsItems) else 1
        params = _chosen(data.size >= fewest, params, previous)
    return params


def _exchanged(key: jax.Array, state: State, process: Process) -> tuple[Params, Memory, Any, jax.Array]:
    """Of all models of a chain: new parameters, memory, data sets, and which fits have not failed."""
    now, family, staggered = state.generation + 1, process.family, process.staggered
    real, models = process.stream(process.source), process.stream(Law(family, state.params))
    keys = _at_generation(key, process, now)
    sets, memory = process.regime.exchange(keys, models, real, state.memory, process.size(now), now)
    # a model that enters has no fit before; most families would not look at it
    looks = staggered is not None and not isinstance(family, Precedes)
    new = ~staggered.entered(state.generation) if looks else None

    def fitted(key: jax.Array, data: Tree, previous: Params, new: jax.Array | None) -> tuple[Params, Any, jax.Array]:
        data = _fitted(real, data)
        params = _refitted(key, data, previous, process)
        if new is not None:
            params = _chosen(new, process.with_room(family.fit(fold(key, FIT), data, None)), params)
        return params, with_room(data, process.room), _valid(family, params)

    params, data, valid = turns(fitted, keys, sets, state.params, new)
    if staggered is not None:
        refitted = staggered.refitted(now)
        params, valid = where(refitted, params, state.params), valid | ~refitted
        data = where(refitted, data, state.data) if process.watch.needs_data else data
    return params, memory, data, valid


def _chosen(condition: jax.Array, yes: Tree, no: Tree) -> Tree:
    return jax.tree.map(lambda a, b: jnp.where(condition, a, b), yes, no)


def _fitted(stream: Stream, data: Any) -> Any:
    return stream.family.summarise(data) if stream.rows and isinstance(data, Rows) else data


def _once(params: Params) -> Params:
    """A fit has many readers, each of which would compute it again; large arrays and counts are stored anyway."""
    leaves, tree = jax.tree.flatten(params)
    few = [axis_of_chains(leaf.shape) != 0 and jnp.issubdtype(leaf.dtype, jnp.inexact) for leaf in leaves]
    kept = iter(materialise([leaf for leaf, is_few in zip(leaves, few, strict=True) if is_few]))
    return jax.tree.unflatten(tree, [next(kept) if is_few else leaf for leaf, is_few in zip(leaves, few, strict=True)])


def _valid(family: Family, params: Params) -> jax.Array:
    """Whether a fit has not failed: as its family says, or else if all its numbers are finite."""
    if isinstance(family, Validates):
        return family.valid(params)
    finite = [jnp.isfinite(leaf).all() for leaf in _reals(params)]
    return functools.reduce(jnp.logical_and, finite, jnp.bool_(True))


def _reals(params: Params) -> list[jax.Array]:
    return [leaf for leaf in jax.tree.leaves(params) if jnp.issubdtype(leaf.dtype, jnp.inexact)]

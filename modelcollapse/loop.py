"""One loop carries every family and every regime: fit, draw, fit again.

``begin`` makes one chain and ``step`` advances it by one generation; both are pure. How many chains run at once, on
which devices and in which form is the business of ``modelcollapse.engine``.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Sequence
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
    Observable,
    Opens,
    Params,
    Precedes,
    Represents,
    Source,
    Truth,
    Validates,
    marks,
    vouched,
)
from modelcollapse.pytree import part, static
from modelcollapse.sampling import axis_of_chains, materialise
from modelcollapse.sampling import key as sampling_key

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


@part
class Watch:
    """The observables of a run by name, and the truth that they compare with."""

    observables: dict[str, Any]
    truth: Truth

    @property
    def needs_data(self) -> bool:
        return any(marks(observable).needs_data for observable in self.observables.values())

    def start(self, state: State, family: Family | None = None) -> State:
        """A first state with its carries; ``family`` says in which form the parameters are kept."""
        return dataclasses.replace(
            state, carries={name: o.start(self.truth, _seen(state, o, family)) for name, o in self.observables.items()}
        )

    def update(self, before: State, now: State, family: Family | None = None) -> State:
        """The state of one generation later, with its carries."""
        carries = {
            name: o.update(before.carries[name], _seen(now, o, family), self.truth)
            for name, o in self.observables.items()
        }
        return dataclasses.replace(now, carries=carries)

    def read(self, state: State, family: Family | None = None) -> dict[str, jax.Array]:
        return {
            name: o.read(state.carries[name], _seen(state, o, family), self.truth)
            for name, o in self.observables.items()
        }


def _seen(state: State, observable: Observable, family: Family | None) -> State:
    """The state as an observable sees it, its parameters those of the family that the user named."""
    if not isinstance(family, Represents):
        return state
    return dataclasses.replace(state, params=family.represented(state.params, not marks(observable).unlabelled))


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
        return Stream(law, self.family, self.capacity, self.regime.needs_items, self.many, self.opens)

    def size(self, generation: int | jax.Array) -> jax.Array:
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
        return self._each(lambda one: self.watch.read(one, self.family), state)

    def started(self, state: State) -> State:
        return self._each(lambda one: self.watch.start(one, self.family), state)

    def updated(self, before: State, now: State) -> State:
        return self._each(lambda one, two: self.watch.update(one, two, self.family), before, now)

    def _each(self, function: Callable[..., Any], *states: State) -> Any:
        """``function`` of a chain, or of each of its models; generation and status are the chain's."""
        if self.models is None:
            return function(*states)
        return stacked_models([function(*(_one(state, i) for state in states)) for i in range(self.models)])


def stacked_models(models: Sequence[Any]) -> Any:
    """What each model of a chain has, as one tree with the model as first axis; of states, what is the chain's once."""
    joined = jax.tree.map(lambda *leaves: jnp.stack(leaves), *models)
    if not isinstance(models[0], State):
        return joined
    return dataclasses.replace(joined, generation=models[0].generation, status=models[0].status)


def _one(tree: Any, i: int) -> Any:
    """What model ``i`` of a chain has."""
    return jax.tree.map(lambda leaf: leaf[i] if jnp.ndim(leaf) else leaf, tree)


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

    def one(key: jax.Array) -> tuple[Params, Memory, Any, jax.Array]:
        key = fold(key, now)
        data, memory = process.regime.start(key, real, size)
        data = _fitted(real, data)
        params = process.family.fit(fold(key, FIT), data, None)
        memory = () if process.appends else memory
        memory, data = with_room((memory, data if process.watch.needs_data else ()), process.room)
        return process.with_room(params), memory, data, _valid(process.family, params)

    models = process.models
    params, memory, data, valid = one(key) if models is None else stacked_models([one(key[i]) for i in range(models)])
    status = jnp.where(valid.all(), 0, 1).astype(jnp.int32)
    return process.started(State(params, memory, {}, now, status, data))


def step(key: jax.Array, state: State, process: Process) -> State:
    """The next generation of one chain, whose key this is. A fit that fails leaves the chain as it was from then on.

    Where the process ``opens`` and nothing has been yet, that is generation 0.
    """
    now = state.generation + 1
    first = now == 0 if process.opens else None
    size, real = process.size(now), process.stream(process.source)

    def fitted(key: jax.Array, data: Any, previous: Params) -> tuple[Params, jax.Array]:
        params = process.with_room(_once(process.family.fit(fold(key, FIT), data, previous)))
        if isinstance(process.regime, ComesShort) and process.regime.comes_short:
            params = _chosen(data.size >= _fewest(process.family, params), params, previous)
        return params, _valid(process.family, params)

    if isinstance(process.regime, Exchanges):
        models = range(process.regime.models)
        keys, each = [fold(key[i], now) for i in models], [_one(state.params, i) for i in models]
        streams = tuple(process.stream(Law(process.family, params)) for params in each)
        drawn, memory = process.regime.exchange(jnp.stack(keys), streams, real, state.memory, size, now)
        sets = [_fitted(real, data) for data in drawn]
        params, valid = stacked_models([fitted(*one) for one in zip(keys, sets, each, strict=True)])
        data = stacked_models([with_room(one, process.room) for one in sets])
    else:
        key = fold(key, now)
        model = process.stream(Law(process.family, state.params))
        memory = process.family.held(state.params) if process.appends else state.memory
        data, memory = process.regime.next(key, model, real, memory, size, now)
        memory = () if process.appends else memory
        data = _fitted(real, data)
        params, valid = fitted(key, data, state.params)
        data = with_room(data, process.room)
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


def _fewest(family: Family, params: Params) -> int | jax.Array:
    return family.fewest(params) if isinstance(family, NeedsItems) else 1


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

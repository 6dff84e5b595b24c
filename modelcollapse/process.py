"""A process is put together and checked before anything is compiled, for a run, a trace or a prediction."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable
from typing import Any, Literal

import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import ArrayLike

from modelcollapse import arguments, location, regimes, sampling
from modelcollapse.addresses import chain_keys
from modelcollapse.data import row_type
from modelcollapse.declarations import Observe
from modelcollapse.families.population import Learner, Population, learner, single
from modelcollapse.families.wrapping import Wrapper, described, innermost
from modelcollapse.laws import Law
from modelcollapse.loop import Process, State, Watch, before, begin, opened
from modelcollapse.numeric import shown
from modelcollapse.observables import named
from modelcollapse.protocols import (
    ByRows,
    Checks,
    ChecksFamily,
    ChecksNeeds,
    ChecksParams,
    ChecksSizes,
    DrawsMany,
    Exchanges,
    Family,
    HasItems,
    Informed,
    Multiplies,
    Observed,
    Projects,
    Reads,
    Regime,
    Represents,
    Source,
    marks,
    vouched,
)
from modelcollapse.pytree import schedules
from modelcollapse.regimes import common
from modelcollapse.regimes.exchange import joined
from modelcollapse.sources import read_by
from modelcollapse.together import Separate, Tree, stacked

_begin = jax.jit(begin)  # traced once for all observables
_first_read = jax.jit(lambda state, process: process.read(process.started(state)))


@dataclasses.dataclass(frozen=True)
class Prepared:
    """A process that was checked, and what it was made of.

    Attributes
    ----------
    process
        What a run carries: its source and observables are about ``location``, its regime has counts and room.
    sizes
        Sample sizes ``(generations + 1,)``.
    observe, observables
        What is observed: as it was given, or the default; and by name.
    location
        ``(d,)``, which was taken off every real row; None if nothing was.
    family
        What was given, with what the source told it: the family of the process, or a population of that.
    """

    process: Process
    sizes: np.ndarray
    observe: Any
    observables: dict[str, Any]
    location: np.ndarray | None
    family: Any


def prepare(
    family: Learner,
    source: Source,
    regime: Regime | Exchanges | None,
    observe: Observe | None,
    size: ArrayLike,
    generations: int,
    about: np.ndarray | Literal["find"] | None = location.FIND,
    *,
    host: bool = True,
) -> Prepared:
    """Check the concrete arguments and put the process together; ``about`` and ``host`` as for ``location.place``."""
    regime = regimes.Replace() if regime is None else regime
    given, one = learner("family", family), single(family)
    arguments.source("source", source)
    exchanged = _for_models(regime, given, source)
    check_schedules(regime, generations)
    found = _prepared(one, source, exchanged, observe, arguments.sizes(size, generations), about, host)
    told = found.process.family
    return (
        dataclasses.replace(found, family=dataclasses.replace(given, family=told))
        if isinstance(given, Population)
        else found
    )


def _prepared(
    family: Family,
    source: Source,
    regime: Tree,
    observe: Observe | None,
    sizes: np.ndarray,
    about: np.ndarray | Literal["find"] | None,
    host: bool,
) -> Prepared:
    """The same for a regime that knows of how many models it is."""
    if isinstance(regime, Exchanges):
        arguments.having("regime", regime, ("start", "exchange", "needs_items"))
    else:
        arguments.regime("regime", regime)
    arguments.trees(family=family, source=source, regime=regime)
    for one in _each(source):
        _check_law(one)
    if isinstance(family, Wrapper) and not isinstance(family, Reads) and isinstance(innermost(family), Reads):
        raise TypeError(
            f"family must not be {described(family)}: {type(innermost(family)).__name__} reads a source in its own "
            "way, which no wrapper can change; its own arguments, such as decoding, change what it gives out"
        )
    source = each_source(source, lambda one: read_by(family, one))
    family = _told(family, _each(source)[0])
    if observe is None and isinstance(family, Observed):
        observe = family.default_observables or None
    observables = {} if observe is None else named(observe)
    source, seen, where = location.place(family, source, regime, observables, about, host=host)
    needs = common.plan(regime, sizes)
    if isinstance(family, ChecksNeeds):
        family.check_needs(regime, needs)
    if isinstance(family, Multiplies):
        needs = dataclasses.replace(needs, pool=needs.pool * family.times)
    if needs.pool > arguments.LARGEST:
        raise ValueError(
            f"the pool would hold {needs.pool} items, more than 2**31 - 1: use fewer generations or a smaller size"
        )
    if not arguments.traced((regime, family, source)):
        common.check(regime, sizes)
        for one in _each(source):
            if isinstance(one, ChecksSizes):
                one.check(needs.draw)
            if isinstance(family, Checks):
                family.check(one, needs.fitted)
    regime = common.prepared(regime, family, source, sizes)
    truth = _truth(family, source)
    rows = regime.needs_items and not issubclass(family.data, HasItems)
    largest = int(np.max(needs.draw))
    capacity = largest if rows or draws_rows(family, source) else family.data.capacity_for(largest)
    # a class cannot be asked by `issubclass` for what its instances have beside methods
    room = needs.pool if rows or hasattr(family.data, "present") else 0
    each = np.asarray(sizes[0] if (sizes == sizes[0]).all() else sizes, np.int32)
    if observe is None:
        raise ValueError(
            f"observe must be given for {type(family).__name__}, which has no default: "
            "a name, or a function of its parameters"
        )
    first = _each(source)[0]
    many = all(_shorter(one, first, needs.least) for one in _drawing(family, first))
    process = Process(family, source, regime, Watch(seen, truth), each, capacity, room, many)
    process = opened(process) if host else process
    _check_observables(process)
    return Prepared(process, sizes, observe, observables, where, family)


def _for_models(regime: Regime | Exchanges, family: Learner, source: Source) -> Any:
    """The regime for so many models as ``family`` and ``source`` have."""
    models = family.models if isinstance(family, Population) else 1
    if isinstance(source, Separate) and models != len(source.sources):
        raise ValueError(
            f"source has {len(source.sources)} separate sources, so family must be Population(family, "
            f"models={len(source.sources)}), got {shown(family)}"
        )
    if isinstance(regime, regimes.Exchange) and not isinstance(family, Population):
        raise TypeError(f"family must be Population(family, models={regime.models}) for Exchange, got {shown(family)}")
    return joined(regime, models) if isinstance(family, Population) else regime


def _each(source: Source) -> tuple[Source, ...]:
    """What is real, once or for each model."""
    return source.sources if isinstance(source, Separate) else (source,)


def each_source(source: Source, change: Callable[[Source], Source]) -> Source:
    """What is real, changed; each source of several."""
    return Separate(tuple(map(change, source.sources))) if isinstance(source, Separate) else change(source)


def _truth(family: Family, source: Source) -> Any:
    """The truth for observables; that of each model, stacked, where each has its own."""
    if not isinstance(family, Projects):
        return None
    if not isinstance(source, Separate):
        return family.project(source)
    found = [family.project(one) for one in source.sources]
    return None if any(one is None for one in found) else stacked(found)


def draws_rows(family: Family, source: Source) -> bool:
    """Whether data sets are drawn as rows, real ones or those of a model, which are then summarised."""
    source = source.first if isinstance(source, Separate) else source
    drawn = (family, source.family) if isinstance(source, Law) else (family,)
    if any(isinstance(one, ByRows) and one.by_rows for one in drawn):
        return True
    return not (isinstance(source, Law) and source.family.data is family.data)


def _shorter(family: Family, source: Source, least: int) -> bool:
    """Whether a family may take its shorter way to draw, as no draw is smaller than ``least``."""
    return isinstance(family, DrawsMany) and vouched(family, "draw_many", "draw") and family.many(source) <= least


def _drawing(family: Family, source: Source) -> list[Any]:
    """The families that data sets are drawn by."""
    return [family] if draws_rows(family, source) else [family, source.family]  # type: ignore[attr-defined]


def check_schedules(regime: Regime | Exchanges, generations: int) -> None:
    """Refuse a schedule of ``regime`` that has not one entry for each generation."""
    for name, value in schedules(regime):
        arguments.check_length(f"the schedule {type(regime).__name__}{name}", value, generations)


def _told(family: Family, source: Source) -> Any:
    """The family, and those within it, with what the source tells them."""

    def told(part: Family) -> Any:
        return part.told(source) if isinstance(part, Informed) else part

    return jax.tree.map(told, family, is_leaf=lambda part: isinstance(part, Informed))


def _check_law(source: Source) -> None:
    """Refuse a law with parameters that its family cannot draw from; of these, only shapes and types are looked at."""
    if not isinstance(source, Law) or arguments.traced(source):
        return
    try:
        row_type(source)
    except (AttributeError, IndexError, OverflowError, TypeError, ValueError) as error:
        raise TypeError(
            f"params of the source must be parameters of its family {type(source.family).__name__}, got "
            f"{shown(source.params)}: {error}"
        ) from error


def _check_observables(process: Process) -> None:
    for name, observable in process.watch.observables.items():
        if marks(observable).needs_truth and process.watch.truth is None:
            raise ValueError(
                f"the observable {name!r} compares with the truth, and what {type(process.family).__name__} would be "
                f"fitted to by infinitely many draws of this {type(process.source).__name__} is not known"
            )
    state = _first(process.observing({}))
    for name, observable in process.watch.observables.items():
        alone, joint = process.observing({name: observable}), marks(observable).joint
        if joint and process.models is None:
            raise ValueError(
                f"the observable {name!r} sees several models, and this process has one: use "
                "Population(family, models=D)"
            )
        if alone.watch.needs_data:
            state = _first(alone)
        try:
            seen = jax.eval_shape(process.together if joint else functools.partial(_one_model, process), state)
            if isinstance(observable, ChecksParams):
                observable.check(seen)
            if isinstance(observable, ChecksFamily):
                observable.check_family(process.family)
            (read,) = jax.eval_shape(_first_read, state, alone).values()
            if not isinstance(read, jax.ShapeDtypeStruct):
                raise TypeError(f"it gives a {type(read).__name__}, not an array")
        except (AttributeError, TypeError) as error:
            raise ValueError(
                f"the observable {name!r} cannot be read from the parameters of {type(process.family).__name__}: "
                f"{error}"
            ) from error


def _first(process: Process) -> State:
    """The shapes of a chain's first state."""
    if process.opens:
        return before(process)
    keys = jax.eval_shape(lambda: chain_keys(sampling.key(0), jnp.zeros(1, jnp.uint32), process.models)[0])
    return jax.eval_shape(_begin, keys, process)


def _one_model(process: Process, state: Any) -> Any:
    """Parameters of one model, as an observable sees them."""
    params = state.params if process.models is None else jax.tree.map(lambda leaf: leaf[0], state.params)
    return process.family.represented(params) if isinstance(process.family, Represents) else params

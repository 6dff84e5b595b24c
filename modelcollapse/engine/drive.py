"""The host's side of a run: arguments are checked before anything is compiled, chains run in batches, and no result is lost."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from tqdm.auto import tqdm

from modelcollapse import arguments, location, provenance, regimes, sampling, seeds
from modelcollapse.data import row_type
from modelcollapse.engine import batch as shares
from modelcollapse.engine import devices, loop
from modelcollapse.forks import computes
from modelcollapse.numeric import shown
from modelcollapse.observables import check as check_observable
from modelcollapse.observables import named
from modelcollapse.protocols import marks
from modelcollapse.run import ChainFailure, Run
from modelcollapse.sources import read_by

MEMORY = 2**31
"""Bytes that one batch of chains may take, by estimate, where ``batch_size`` is not given."""
CACHE = 2**21
"""The same for what one generation reads and writes, on a CPU: what fits its caches runs twice as fast or more."""
TEMPORARY = 2**11
"""Bytes that the arithmetic of a chain takes beside its state and its rows."""
# their traces are kept
_begin = jax.jit(loop.begin)
_first_read = jax.jit(lambda state, process: process.read(process.carrying(state)))


@computes
def simulate(
    family: Any,
    source: Any,
    regime: Any = None,
    observe: Any = "mean",
    *,
    size: Any,
    generations: int,
    chains: int = 1,
    seed: Any = 0,
    record: Any = None,
    batch_size: int | None = None,
    progress: bool = False,
    mesh: jax.sharding.Mesh | None = None,
) -> Run:
    """Run ``chains`` independent chains of recursive training.

    Generation 0 is a fit to ``size`` real draws; generation g is fitted to the data set that the regime makes from generation
    g - 1, so it is fit number g + 1 of the theory.

    Parameters
    ----------
    family
        What is refitted: ``Discrete()``, ``Gaussian()``, ``GaussianMixture(k)``, ...
    source
        What is real: ``categorical(p)``, ``normal(mean, covariance)``, ``normal_mixture(...)``, ``table(rows)``, ``sampler(draw)``,
        or the ``Law`` of any fitted model.
    regime
        Which data the next generation sees. Default ``Replace()``, only the newest model's.
    observe
        What is kept: a name, a function of ``(params)`` or ``(params, truth)``, several of them, or a dictionary from names.
    size
        Sample size M of every data set, or one for each generation 0, ..., ``generations``: whole numbers below 2^31.
    generations
        Number of the last generation, included.
    seed
        A nonnegative integer, a list of them, a ``numpy.random.SeedSequence`` or a JAX key: different seeds give different runs, in
        both precisions. None draws a number, which ``provenance`` keeps.
    record
        Generations to record, increasing; default all of them, 0 included. What lies between is not kept.
    batch_size
        Chains that run at once; chosen by an estimate of memory if not given. It changes no result.
    progress
        Show a progress bar.
    mesh
        Devices that share the chains: a mesh of one axis, ``jax.make_mesh((n,), ("chain",), axis_types=(AxisType.Auto,))``.
        Default one device. Every process of a ``jax.distributed`` job makes the same call and gets the whole result. The
        numbers are those of one device: keys and counts bit for bit, floats within a few ulp.

    Returns
    -------
    Run
        Its ``trace`` holds each observable as an array ``(chain, generation, ...)``.

    Raises
    ------
    ValueError, TypeError
        For an argument that makes no sense, before anything runs.
    ChainFailure
        After the run, if a fit was not finite; it names the chains and generations, and its ``run`` holds everything else.
    """
    regime = regimes.Replace() if regime is None else regime
    generations = arguments.whole("generations", generations)
    chains = arguments.count("chains", chains)
    recorded = arguments.recorded(record, 0, generations)
    progress = arguments.flag("progress", progress)
    key, number = seeds.keyed(seed)
    devices.check(mesh)
    source = read_by(family, source)
    process, where = placed(family, source, regime, observe, size, generations)
    family, observables = process.family, named(observe)
    run = Run(
        family=family,
        source=source,
        regime=regime,
        observables=observables,
        size=arguments.whole_array("size", size),
        recorded=recorded,
        trace={},
        state=None,
        key=np.asarray(jax.random.key_data(key)),
        key_impl=provenance.implementation(key),
        provenance=provenance.made(number, key, family=family, source=source, regime=regime, observe=observables),
        location=where,
    )
    return drive(run, process, key, chains, recorded, generations, batch_size=batch_size, progress=progress, mesh=mesh)


@computes
def trace(
    family: Any,
    source: Any,
    regime: Any = None,
    observe: Any = "mean",
    *,
    size: Any,
    generations: int,
    chains: int = 1,
    seed: Any = 0,
) -> dict[str, jax.Array]:
    """``simulate`` as a pure function: every observable at every generation, ``(chain, generation, ...)``.

    Goes through ``jax.jit``, ``jax.vmap`` and ``jax.grad``, so that a sweep over a regime's parameter is
    ``jax.vmap(lambda share: trace(..., FreshReal(share), ...))(shares)``, one compilation. The numbers are those of
    ``simulate``. Arguments that are traced are not checked: a weight that is not a number gives NaN, and a share outside [0, 1]
    gives numbers that mean nothing. ``generations``, ``chains`` and ``observe`` are fixed. No location can be added in float64 here, so
    what moves with rows far from 0, such as ``"mean"``, is refused where float32 cannot hold it.
    """
    regime = regimes.Replace() if regime is None else regime
    generations = arguments.whole("generations", generations)
    chains = arguments.count("chains", chains)
    key, _ = seeds.keyed(seed)
    process, _ = placed(family, source, regime, observe, size, generations, host=False)
    sizes, index = arguments.sizes(size, generations), np.arange(chains, dtype=np.uint32)
    state, first = loop.start_within(key, index, shares.forms(process, sizes)[0][1])
    records = [jax.tree.map(lambda leaf: leaf[:, None], first)]
    for stage in shares.stages(process, sizes, 0, np.arange(generations + 1), generations, False):
        if shares.changes(state, stage.process):
            state = shares.changed(state, stage.process, stage.process.family.room(int(sizes.max())))
        state, out = loop.advance_within(key, index, state, stage.process, stage.portions[0].gaps, True)
        records.append(out)
    whole = jax.tree.map(lambda *parts: jnp.concatenate(parts, axis=1), *records)
    return _masked(whole, state.status, jnp.arange(generations + 1, dtype=jnp.int32), jnp)


def prepare(family: Any, source: Any, regime: Any, observe: Any, size: Any, generations: int) -> loop.Process:
    """The process of a run, its concrete arguments checked."""
    return placed(family, source, regime, observe, size, generations)[0]


def placed(
    family: Any,
    source: Any,
    regime: Any,
    observe: Any,
    size: Any,
    generations: int,
    about: Any = location.FIND,
    *,
    host: bool = True,
) -> tuple[loop.Process, np.ndarray | None]:
    """``prepare``, and the location that the process is centred about; the other arguments are those of ``location.place``."""
    arguments.family("family", family)
    arguments.source("source", source)
    arguments.regime("regime", regime)
    arguments.trees(family=family, source=source, regime=regime)
    _check_law(source)
    family, source = _told(family, source), read_by(family, source)
    sizes = arguments.sizes(size, generations)
    source, observables, where = location.place(family, source, regime, named(observe), about, host=host)
    check_schedules(regime, generations)
    room = regimes.room(regime, sizes)
    if room > arguments.LARGEST:
        raise ValueError(
            f"the pool would hold {room} items, more than 2**31 - 1: use fewer generations or a smaller size"
        )
    if not arguments.traced((regime, family, source)):
        if hasattr(regime, "check"):
            regime.check(sizes)
        check_source(source, sizes)
        if hasattr(family, "check"):
            family.check(source, regimes.fitted_sizes(regime, sizes))
    regime = regimes.prepared(regime, family, source, sizes)
    truth = family.project(source) if hasattr(family, "project") else None
    rows = regime.needs_items and not hasattr(family.data, "take")
    largest = int(sizes.max())
    capacity = largest if rows or _draws_rows(family, source) else family.data.capacity_for(largest)
    fixed = jnp.asarray(sizes[0] if (sizes == sizes[0]).all() else sizes, jnp.int32)
    process = loop.Process(
        family, source, regime, observables, truth, fixed, capacity, room if _holds_rows(family, rows) else 0
    )
    _check_observables(process)
    return process, where


def drive(
    run: Run,
    process: loop.Process,
    key: jax.Array,
    chains: int,
    recorded: np.ndarray,
    last: int,
    *,
    batch_size: int | None,
    progress: bool,
    mesh: jax.sharding.Mesh | None = None,
) -> Run:
    """Carry ``run`` on to generation ``last`` and return it with the trace of the generations ``recorded``."""
    fresh = run.state is None
    now = 0 if fresh else int(np.max(run.state.generation))
    sizes = run.sizes(last)
    first_form = shares.forms(process, sizes)[0][1]
    current = shares.form_at(process, sizes, now)
    if batch_size is None:
        batch = _batch(first_form, key, chains, recorded.size) * devices.count(mesh)
    else:
        batch = arguments.count("batch_size", batch_size)
    # as many on each device; the last may run surplus chains
    batch = -(-min(batch, chains) // devices.count(mesh)) * devices.count(mesh)
    parts = [
        shares.Share(key, first, min(batch, chains - first), mesh, recorded.size) for first in range(0, chains, batch)
    ]
    for part in parts:
        if fresh:
            part.start(first_form, batch, bool(recorded.size) and recorded[0] == 0)
        else:
            part.resume(run.state, current, batch)
    with tqdm(total=chains * (last - now), disable=not progress, unit="chain-gen", unit_scale=True, smoothing=0) as bar:
        for stage in shares.stages(process, sizes, now, recorded, last, progress):
            for part in parts:
                part.change_form(stage.process)
            if batch_size is None and mesh is None:
                parts = shares.merged(parts, _most(stage.process, parts[0].state, recorded.size))
            shares.advance_all(parts, stage, bar.update)
    finished = [part.finish(last) for part in parts]
    trace = {name: np.concatenate([t[name] for t, _ in finished]) for name in process.observables}
    final = jax.tree.map(_own, shares.stacked([state for _, state in finished]))
    trace = location.restored(_masked(trace, final.status, recorded, np), run.observables, run.location)
    if not fresh:
        trace = {name: np.concatenate([run.trace[name], trace[name]], axis=1) for name in run.trace}
        recorded = np.concatenate([run.recorded, recorded])
    run = run.replaced(trace=trace, state=final, recorded=recorded)
    if np.any(final.status):
        raise ChainFailure(run)
    return run


def _own(leaf: np.ndarray) -> np.ndarray:
    """A view of a device's memory cannot be written to."""
    return leaf if leaf.flags.writeable else leaf.copy()


def _masked(trace: dict[str, Any], status: Any, recorded: Any, xp: Any) -> dict[str, Any]:
    """A chain that failed at generation g has no value from g on: NaN, where the observable is a real number."""
    gone = (status > 0)[:, None] & (recorded[None, :] >= status[:, None] - 1)

    def masked(values: Any) -> Any:
        if not jnp.issubdtype(values.dtype, jnp.floating):
            return values
        return xp.where(gone.reshape(gone.shape + (1,) * (values.ndim - 2)), xp.asarray(xp.nan, values.dtype), values)

    return trace if xp is np and not gone.any() else jax.tree.map(masked, trace)


def _batch(process: loop.Process, key: jax.Array, chains: int, records: int) -> int:
    state, _ = jax.eval_shape(loop.start_within, key, np.zeros(1, np.uint32), process)
    # equal shares: the last one would otherwise run surplus chains
    return -(-chains // -(-chains // _most(process, state, records)))


def _most(process: loop.Process, state: loop.State, records: int) -> int:
    """Chains whose state, draws and trace fit into ``MEMORY`` by a generous estimate, and on a CPU into its cache."""
    one = jax.tree.map(lambda leaf: jax.ShapeDtypeStruct((1, *leaf.shape[1:]), leaf.dtype), state)
    read = jax.eval_shape(loop.read_chains, one, process)
    size = lambda tree: sum(leaf.size * leaf.dtype.itemsize for leaf in jax.tree.leaves(tree))  # noqa: E731
    floats = process.family.workspace(one.params) if hasattr(process.family, "workspace") else 4
    if not floats and _draws_rows(process.family, process.source):
        floats = 4
    working = TEMPORARY + 4 * size(one) + 8 * floats * process.capacity
    most = MEMORY // (working + size(read) * records)
    if jax.default_backend() == "cpu":
        most = min(most, max(shares.FEWEST, CACHE // working))
    return max(most, 1)


def _draws_rows(family: Any, source: Any) -> bool:
    """Whether real data come as rows, which are then summarised."""
    return getattr(getattr(source, "family", None), "data", None) is not family.data


def _holds_rows(family: Any, rows: bool) -> bool:
    return rows or hasattr(family.data, "present")


def restored_key(data: np.ndarray, impl: str) -> jax.Array:
    """The key that a run was started with."""
    return sampling.wrap(jax.random.wrap_key_data(jnp.asarray(data), impl=impl))


def _told(family: Any, source: Any) -> Any:
    """The family, and those within it, with what the source tells them."""
    asks = lambda part: hasattr(type(part), "told")  # noqa: E731
    return jax.tree.map(lambda part: part.told(source) if asks(part) else part, family, is_leaf=asks)


def check_schedules(regime: Any, generations: int) -> None:
    """Refuse a schedule of ``regime`` that has not one entry for each generation."""
    for path, leaf in jax.tree_util.tree_leaves_with_path(regime):
        name = f"the schedule {type(regime).__name__}{jax.tree_util.keystr(path)}"
        arguments.check_length(name, leaf, generations)


def check_source(source: Any, sizes: np.ndarray) -> None:
    if getattr(source, "replace", True) is False and sizes.max() > source.points.shape[0]:
        raise ValueError(
            f"size {sizes.max()} exceeds the {source.points.shape[0]} rows of a table drawn without replacement; "
            "use a smaller size or table(rows, replace=True)"
        )


def _check_law(source: Any) -> None:
    """Refuse a law with parameters that its family cannot draw from; of these, only shapes and types are looked at."""
    if not hasattr(source, "params") or arguments.traced(source):
        return
    try:
        row_type(source)
        jax.eval_shape(lambda law: law.family.draw(sampling.key(0), law.params, 1, 1), source)
    except (AttributeError, IndexError, OverflowError, TypeError, ValueError) as error:
        raise TypeError(
            f"params of the source must be parameters of its family {type(source.family).__name__}, got "
            f"{shown(source.params)}: {error}"
        ) from error


def _check_observables(process: loop.Process) -> None:
    for name, observable in process.observables.items():
        if marks(observable).needs_truth and process.truth is None:
            raise ValueError(
                f"the observable {name!r} compares with the truth, and what {type(process.family).__name__} would be fitted to by "
                f"infinitely many draws of this {type(process.source).__name__} is not known"
            )
    bare = process.observing({})
    state = jax.eval_shape(_begin, jax.eval_shape(sampling.key, 0), bare)
    for name, observable in process.observables.items():
        alone = process.observing({name: observable})
        try:
            seen = jax.eval_shape(lambda state, one=observable: bare.seen(state, one).params, state)
            check_observable(observable, seen)
            (read,) = jax.eval_shape(_first_read, state, alone).values()
            if not hasattr(read, "shape"):
                raise TypeError(f"it gives a {type(read).__name__}, not an array")
        except (AttributeError, TypeError) as error:
            raise ValueError(
                f"the observable {name!r} cannot be read from the parameters of {type(process.family).__name__}: {error}"
            ) from error

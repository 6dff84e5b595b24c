"""A run: begun by ``simulate``, continued by ``extend`` and ``more``, read by the names of its observables."""

from __future__ import annotations

import dataclasses
import os
from typing import TYPE_CHECKING, Any

import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import ArrayLike

from modelcollapse import arguments, past, provenance, sampling, saved, seeds
from modelcollapse.addresses import chain_keys
from modelcollapse.declarations import Observe, Seed
from modelcollapse.engine import checkpoint as checkpoints
from modelcollapse.engine import drive, forms, scan
from modelcollapse.engine.batch import stacked_chains
from modelcollapse.engine.plan import How, planned, stages
from modelcollapse.failures import Interrupted, sound
from modelcollapse.families.population import Learner, learner, single
from modelcollapse.forks import computes
from modelcollapse.location import restored
from modelcollapse.process import each_source, prepare
from modelcollapse.protocols import Exchanges, GoesOn, Movable, Regime, Source
from modelcollapse.regimes import Replace
from modelcollapse.sources import read_by
from modelcollapse.summary import Traces

if TYPE_CHECKING:
    from modelcollapse.predict import Predictions, Verdicts


@computes
def simulate(
    family: Learner,
    source: Source,
    regime: Regime | Exchanges | None = None,
    observe: Observe | None = None,
    *,
    size: ArrayLike,
    generations: int,
    chains: int = 1,
    seed: Seed = 0,
    record: ArrayLike | None = None,
    batch_size: int | None = None,
    progress: bool = False,
    checkpoint: str | os.PathLike[str] | None = None,
    mesh: jax.sharding.Mesh | None = None,
    workers: int | None = None,
) -> Run:
    """Run ``chains`` independent chains of recursive training.

    Generation 0 is a fit to ``size`` real draws; generation g is fitted to the data set that the regime makes from
    generation g - 1, so it is fit number g + 1 of the theory.

    Parameters
    ----------
    family
        What is refitted: ``Discrete()``, ``Gaussian()``, ``GaussianMixture(k)``, ...
    source
        What is real: ``categorical(p)``, ``normal(mean, covariance)``, ``normal_mixture(...)``, ``table(rows)``,
        ``sampler(draw)``, or the ``Law`` of any fitted model.
    regime
        Which data the next generation sees. Default ``Replace()``, only the newest model's.
    observe
        What is kept: a name, a function of ``(params)`` or ``(params, truth)``, several of them, or a dictionary from
        names. Default what the family shows of itself (``family.default_observables``).
    size
        Sample size M of every data set, or one for each generation 0, ..., ``generations``: whole numbers below 2^31.
    generations
        Number of the last generation, included.
    seed
        A nonnegative integer, a list of them, a ``numpy.random.SeedSequence`` or a JAX key: different seeds give
        different runs, in both precisions. None draws a number, which ``provenance`` keeps.
    record
        Generations to record, increasing; default all of them, 0 included. What lies between is not kept.
    batch_size
        Chains that run at once; chosen by an estimate of memory if not given. It changes no count, floats by an ulp.
    progress
        Show a progress bar, with the time left.
    checkpoint
        A folder: the run is written there while it goes on, and the same call goes on from there after a crash, to the
        same numbers.
    mesh
        Devices that share the chains: a mesh of one axis,
        ``jax.make_mesh((n,), ("chain",), axis_types=(AxisType.Auto,))``. Default one device. Every process of a
        ``jax.distributed`` job makes the same call and gets the whole result. The numbers are those of one device: keys
        and counts bit for bit, floats within a few ulp.
    workers
        Threads that share the chains on a CPU, in the same numbers: by default as many as this process may use
        processors, and never more than the environment variable ``MODELCOLLAPSE_WORKERS`` says.

    Returns
    -------
    Run
        Its ``trace`` holds each observable as an array ``(chain, generation, ...)``.

    Raises
    ------
    ValueError, TypeError
        For an argument that makes no sense, before anything runs.
    MemoryError
        If the run cannot fit into this machine's memory, with the estimate, before anything runs.
    ChainFailure
        After the run, if a fit failed; it names the chains and generations, and its ``run`` holds everything else.
    Interrupted
        After Ctrl-C; its ``run`` holds the chains that were begun, to the last stop that all of them reached. A run
        with ``progress`` or ``checkpoint`` stops some fifty times on its way, another after some dozens of records and
        where the form of its chains changes. Before the first stop there is nothing to hold, and KeyboardInterrupt
        goes on.
    """
    regime = Replace() if regime is None else regime
    generations = arguments.whole("generations", generations)
    chains = arguments.count("chains", chains)
    recorded = arguments.recorded(record, 0, generations)
    how = How.checked(batch_size, progress, mesh, workers)
    key, number = seeds.keyed(seed)
    source = each_source(source, lambda one: read_by(single(family), one))
    prepared = prepare(family, source, regime, observe, size, generations)
    history = provenance.made(
        number, key, family=prepared.family, source=source, regime=regime, observe=prepared.observe
    )
    work = planned(prepared, key, (0, chains), (-1, generations), recorded, how, saved=checkpoint is not None)
    place, parts = checkpoints.folder(checkpoint, seed, mesh), (family, source, regime, prepared.observables)
    store = None if place is None else checkpoints.Checkpoint(place, checkpoints.identity(history, work, *parts))
    outcome = drive.drive(work, key, how, checkpoint=store)
    run = Run(
        family=prepared.family,
        source=source,
        regime=regime,
        observables=prepared.observables,
        size=arguments.whole_array("size", size),
        recorded=outcome.recorded,
        trace=restored(outcome.trace, prepared.observables, prepared.location),
        state=outcome.state,
        key=np.asarray(jax.random.key_data(key)),
        key_impl=provenance.implementation(key),
        provenance=history,
        location=prepared.location,
    )
    return sound(run, outcome.interrupted)


@computes
def trace(
    family: Learner,
    source: Source,
    regime: Regime | Exchanges | None = None,
    observe: Observe | None = None,
    *,
    size: ArrayLike,
    generations: int,
    chains: int = 1,
    seed: Seed = 0,
) -> dict[str, jax.Array]:
    """``simulate`` as a pure function: every observable at every generation, ``(chain, generation, ...)``.

    Goes through ``jax.jit``, ``jax.vmap`` and ``jax.grad``, so that a sweep over a regime's parameter is
    ``jax.vmap(lambda share: trace(..., FreshReal(share), ...))(shares)``, one compilation. The numbers are those of
    ``simulate``. Arguments that are traced are not checked: a weight that is not a number gives NaN, and a share
    outside [0, 1] gives numbers that mean nothing. ``generations``, ``chains`` and ``observe`` are fixed. No location
    can be added in float64 here, so what moves with rows far from 0, such as ``"mean"``, is refused where float32
    cannot hold it.
    """
    generations = arguments.whole("generations", generations)
    chains = arguments.count("chains", chains)
    key, _ = seeds.keyed(seed)
    prepared = prepare(family, source, regime, observe, size, generations, host=False)
    process, sizes = prepared.process, prepared.sizes
    keys = chain_keys(key, np.arange(chains, dtype=np.uint32), process.models)
    state, first = scan.start_within(keys, forms.forms(process, sizes)[0][1])
    records = [jax.tree.map(lambda leaf: leaf[:, None], first)]
    for stage in stages(process, sizes, 0, np.arange(1), generations, False, 1):
        if forms.changes(state, stage.process):
            state = forms.changed(state, stage.process, stage.process.family.room(int(sizes.max())))
        state, out = scan.follow_within(keys, state, stage.process, generations=stage.generations)
        records.append(out)
    whole = jax.tree.map(lambda *parts: jnp.concatenate(parts, axis=1), *records)
    return drive.masked(whole, state.status, jnp.arange(generations + 1, dtype=jnp.int32), jnp)


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class Run(Traces):
    """What ``simulate`` returns.

    Attributes
    ----------
    family, source, regime
        What was run; the family with what the source told it, such as its number of states.
    observables
        What was observed, by name.
    size
        The sample size, ``()`` or one for each generation ``(generations + 1,)``.
    recorded
        The recorded generations.
    trace
        Each observable by name: ``(chain, generation, ...)``, one entry for each recorded generation.
    state
        The final state of every chain: parameters, memory of the regime, carries of the observables. Rows in it, and
        the parameters, are about ``location``, if there is one.
    key, key_impl
        The data of the JAX key that the run was started with, and the name of its generator.
    provenance
        Versions, dtype, device, seed, and repr and content hash of every part.
    location
        ``(d,)`` float64: what was taken off every real row before the run, because the rows lie far from 0 (see
        ``modelcollapse.location``); None if nothing was. ``trace`` and ``params`` have it again, in float64.
    """

    family: Any
    source: Any
    regime: Any
    observables: dict[str, Any]
    size: np.ndarray
    recorded: np.ndarray
    trace: dict[str, np.ndarray]
    state: Any
    key: np.ndarray
    key_impl: str
    provenance: dict[str, Any]
    location: np.ndarray | None = None

    @property
    def params(self) -> Any:
        """Final parameters of the family, with the chain as first axis of every leaf."""
        kept = self.state.params
        if self.location is not None and isinstance(kept, Movable):
            return kept.moved(self.location)  # in NumPy, which has float64 whatever JAX has
        return forms.final_law(kept)

    @computes
    def extend(
        self,
        generations: int,
        *,
        record: ArrayLike | None = None,
        size: ArrayLike | None = None,
        regime: Regime | Exchanges | None = None,
        batch_size: int | None = None,
        progress: bool = False,
        mesh: jax.sharding.Mesh | None = None,
        workers: int | None = None,
    ) -> Run:
        """Go on for ``generations`` more, as if the run had never stopped; a new ``Run``.

        The past is never run again, and never rewritten. ``size`` may be a number for the new generations alone. A
        schedule, of sizes or within ``regime``, must reach from generation 0 to the new end and begin with what was
        run; ``regime`` is needed only for that. New sizes beyond all that were run need longer arrays of draws, which
        may then hold other numbers than those of one long run, of the same law. ``mesh`` and
        ``workers`` as for ``simulate``; a run may be continued on other devices. ``provenance["extended"]`` has a
        record of each extension.

        Raises
        ------
        ValueError
            If a schedule ends too early, or its past is not what was run; if the regime is another one; if the
            precision or the random generator here is not that of the run, so that other numbers would follow. Other
            versions of this package or of JAX are a UserWarning.
        """
        host = isinstance(self.family, GoesOn)
        if not host:
            learner("family", self.family)
        how = How.checked(batch_size, progress, mesh, workers)
        generations = arguments.count("generations", generations)
        now, last = self.generations, self.generations + generations
        sizes = past.extended_sizes(self.size, self.sizes(), last, size)
        regime = self.regime if regime is None else regime
        past.check(self.regime, regime, now)
        recorded = arguments.recorded(record, now + 1, last)
        key = self._key()
        given = {} if regime is self.regime else {"regime": regime}
        # before anything is traced, as arrays of another precision would be
        with jax.enable_x64(host or jnp.result_type(float) == jnp.float64):  # models on the host run in float64
            history = provenance.extended(self.provenance, key, now + 1, last, **given)
        if isinstance(self.family, GoesOn):
            if any(given is not None for given in (batch_size, mesh, workers)):
                raise TypeError("a run of simulate_models goes on chain by chain: omit batch_size, mesh and workers")
            longer = dataclasses.replace(self, regime=regime, size=sizes, provenance=history)
            return self.family.go_on(longer, key, recorded, last, arguments.flag("progress", progress))
        prepared = prepare(self.family, self.source, regime, self.observables, sizes, last, about=self.location)
        work = planned(prepared, key, (0, self.chains), (now, last), recorded, how)
        try:
            outcome = drive.drive(work, key, how, self.state)
        except KeyboardInterrupt:
            raise Interrupted(self) from None
        if outcome.state.status.size < self.chains:  # interrupted before all chains went on
            raise Interrupted(self)
        new = restored(outcome.trace, self.observables, self.location)
        longer = dataclasses.replace(
            self,
            regime=regime,
            size=sizes,
            recorded=np.concatenate([self.recorded, outcome.recorded]),
            trace={name: np.concatenate([values, new[name]], axis=1) for name, values in self.trace.items()},
            state=outcome.state,
            provenance=history,
        )
        return sound(longer, outcome.interrupted)

    @computes
    def more(
        self,
        chains: int,
        *,
        batch_size: int | None = None,
        progress: bool = False,
        mesh: jax.sharding.Mesh | None = None,
        workers: int | None = None,
    ) -> Run:
        """The run with ``chains`` more of the same process, as if it had been begun with all of them; a new ``Run``.

        The new chains have the numbers that follow, and so the keys that they have in a larger run.
        ``provenance["added"]`` has a record of each addition.

        Raises
        ------
        ValueError
            As ``extend`` for another precision or random generator. Other versions are a UserWarning.
        """
        if isinstance(self.family, GoesOn):
            raise TypeError("a run of simulate_models has its number of chains: call simulate_models with more of them")
        learner("family", self.family)
        how = How.checked(batch_size, progress, mesh, workers)
        chains, key, last = arguments.count("chains", chains), self._key(), self.generations
        history = provenance.enlarged(self.provenance, key, self.chains, self.chains + chains)
        # for as many generations as the run was planned for, as room and forms depend on them
        sizes = self.sizes(end := past.reach(self.size, self.regime, last))
        prepared = prepare(self.family, self.source, self.regime, self.observables, sizes, end, about=self.location)
        work = planned(prepared, key, (self.chains, chains), (-1, last), self.recorded, how)
        try:
            outcome = drive.drive(work, key, how)
        except KeyboardInterrupt:
            raise Interrupted(self) from None
        if outcome.interrupted:  # new chains that are behind the others are no part of the run
            raise Interrupted(self)
        new = restored(outcome.trace, self.observables, self.location)
        trace = {name: np.concatenate([values, new[name]]) for name, values in self.trace.items()}
        state = stacked_chains([self.state, outcome.state])
        return sound(dataclasses.replace(self, trace=trace, state=state, provenance=history))

    def _key(self) -> jax.Array:
        """The key that the run was started with."""
        return sampling.wrap(jax.random.wrap_key_data(jnp.asarray(self.key), impl=self.key_impl))

    @computes
    def predict(self) -> Predictions:
        """Every closed form that applies to this run, with its conditions; an empty list if there is none."""
        from modelcollapse.predict import of_run

        return of_run(self).beside(self.axes(), self.trace)

    def profile(self, *, risk: str | None = None, factor: float = 10.0, kept: float = 0.01) -> Verdicts:
        """Which of eight kinds of definition of collapse this run meets, judged by what; as ``mc.profile``."""
        from modelcollapse.predict import profile

        return profile(self, risk=risk, factor=factor, kept=kept)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write everything to one file, which ``load`` reads back without loss. A failure leaves the old file whole.

        A symbolic link is followed, and an existing file keeps its mode.

        Raises
        ------
        ValueError
            If the path leads to a directory, a device, a pipe or anything else that is not a regular file.
        TypeError
            If a part holds what no file can.

        Warns
        -----
        UserWarning
            If a part or function will not be found by another process that loads the run.
        """
        fields = {f.name: getattr(self, f.name) for f in dataclasses.fields(self)}
        saved.write(arguments.path("path", path), fields)

    @staticmethod
    @computes
    def load(path: str | os.PathLike[str]) -> Run:
        """Read what ``save`` wrote. Nothing that the file names is called, and it may name only parts and functions
        that are registered here: those of this package, those of modules that are imported, and functions of runs of
        this process.

        A function that is not registered stands for itself until it is used; the numbers of the run can be read without
        it.

        Raises
        ------
        ValueError
            If the file is not a whole saved run, or one of another format, or names a part that is not registered.
        OSError
            If it cannot be opened.
        """
        needed = [f.name for f in dataclasses.fields(Run) if f.default is dataclasses.MISSING]
        return Run(**saved.read(arguments.path("path", path), needed))

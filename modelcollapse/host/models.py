"""Anything with ``fit(X)`` and ``sample(n)`` can be retrained recursively: same sources, regimes, observables.

A model here is an ordinary Python object, as scikit-learn's ``KernelDensity`` and ``GaussianMixture`` are, or the
user's own. Nothing is compiled: each chain runs by itself on the host, and a regime's pure functions are executed as
they stand, on rows of NumPy floats.
"""

from __future__ import annotations

import dataclasses
import logging
import os
from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike
from tqdm.auto import tqdm

from modelcollapse import arguments, provenance, regimes, seeds
from modelcollapse.addresses import FIT, LOOK
from modelcollapse.data import Rows
from modelcollapse.declarations import Observe, Seed
from modelcollapse.families import Gaussian, GaussianMixture
from modelcollapse.forks import computes
from modelcollapse.host.foreign import Fitted, FittedToTokens, Model, call, check, maker
from modelcollapse.host.frames import frame_source, is_frame
from modelcollapse.host.laws import Laws
from modelcollapse.host.saved import Checkpoint, Held, Standing, restored
from modelcollapse.laws import Law, Stream
from modelcollapse.location import exactly
from modelcollapse.loop import State, Watch
from modelcollapse.observables import named
from modelcollapse.process import check_schedules
from modelcollapse.protocols import Carry, ChecksSizes, Regime, ScoresTokens, Source, Truth, marks
from modelcollapse.pytree import part, static, used
from modelcollapse.regimes import common
from modelcollapse.run import Run
from modelcollapse.sources import measured

__all__ = ["FitSample", "Fitted", "simulate_models"]
LOG = logging.getLogger("modelcollapse")


@computes
def simulate_models(
    make_model: Callable[..., Model],
    source: Any,
    regime: Regime | None = None,
    observe: Observe = "mean",
    *,
    size: ArrayLike,
    generations: int,
    chains: int = 1,
    seed: Seed = 0,
    record: ArrayLike | None = None,
    progress: bool = False,
    checkpoint: str | os.PathLike | None = None,
) -> Run:
    """``simulate`` for any object with ``fit(X)`` and ``sample(n)``, ``X`` of shape ``(n, d)``.

    Parameters
    ----------
    make_model
        A function without arguments that makes a new, unfitted model: ``lambda: KernelDensity(bandwidth=0.3)``, or a
        class. If it has one required argument, it gets the model of the previous generation (None at generation 0),
        for a warm start. Each call must return an object of its own: older models are drawn from later.
    source
        As in ``simulate``; or a data frame of any columns, whose rows are drawn with replacement: then ``X`` is such a
        frame, and ``sample`` returns one, with the same columns. Columns keep their types: draws that a column of whole
        numbers or of truth values cannot hold are refused, not rounded.
    regime, observe, size, generations, chains, seed, record, progress
        As in ``simulate``. An observable is given a ``Fitted``: ``mean``, ``covariance``, ``model``, ``rows`` and
        ``sample``; so ``"log_variance"`` and ``"w2_squared"`` work, and so does any function of ``fitted.model``.

    checkpoint
        A folder, made if it is not there, that holds every chain as of its last generation. The same call with the same
        folder goes on from there, to the same numbers; it may ask for more generations. Models need ``save`` and
        ``load``.

    Returns
    -------
    Run
        Its ``params`` is a tuple with the final model of each chain. ``extend`` goes on with these models, in the
        numbers of one long run. ``save`` asks each model to ``save`` itself, so it needs classes with ``save`` and
        ``load``; in a loaded run ``params`` holds files, and ``extend`` makes models of them by ``make_model`` and
        ``load``.

    Raises
    ------
    ValueError, TypeError
        As ``simulate``; or if a model has no ``fit`` or ``sample``, or its draws are not ``n`` finite rows of the
        right width; or if ``make_model`` returns the same object twice; or if the checkpoint is one of another run.
        Whatever a model itself raises passes through, with a note that names chain and generation.

    Notes
    -----
    Everything is computed in float64, whatever the precision of JAX.

    Randomness is addressed by chain and generation wherever a model lets it be: a ``fit`` or ``sample`` with a
    parameter ``rng`` is given a NumPy ``Generator``, one with ``random_state`` an integer, and an attribute
    ``random_state`` that is None or an integer is set before every call. A model that has none of these draws from a
    generator of its own; that must be seeded differently each time a model is made, and the numbers of the run cannot
    be repeated. A run that is loaded or resumed then goes on with the same numbers only if ``save`` keeps the
    generator.

    ``save(path)`` writes a file or a folder at ``path``; ``load(path)`` is called on a new model, which becomes what
    was saved, or, as a class method, returns it. No file names code that is run, but a ``load`` that unpickles runs
    what its file says: such files must come from someone you trust.

    ``sample`` gets the number of rows as its first argument, or by keyword (``num_rows``, ``n_samples``, ...) where it
    takes only that. A regime that has rows continued, prompts, passes them on as ``given``: one row is drawn for each,
    in their order. A table ``(N, d)`` of whole numbers is given as floats, or, to a model with an attribute ``tokens``
    that is true, as integers.

    ``Mixture`` remembers all earlier models here, not a ring of them.
    """
    regime = regimes.Replace() if regime is None else regime
    source = frame_source(source) if is_frame(source) else source
    generations = arguments.whole("generations", generations)
    chains = arguments.count("chains", chains)
    sizes = arguments.sizes(size, generations)
    recorded = arguments.recorded(record, 0, generations)
    progress = arguments.flag("progress", progress)
    key, number = seeds.keyed(seed)
    arguments.source("source", source)
    arguments.regime("regime", regime)
    family, observables = FitSample(make_model), named(observe)
    with jax.enable_x64(True):
        history = provenance.made(number, key, family=family, source=source, regime=regime, observe=observables)
        host = _Host(family, source, regime, observables, sizes)
        store = (
            None
            if checkpoint is None
            else Checkpoint(arguments.path("checkpoint", checkpoint), history, sizes, recorded)
        )
        stood = [None if store is None else store.read(chain, host.new) for chain in range(chains)]
        trace, state = _chains(host, key, stood, recorded, progress, store)
    return Run(
        family=family,
        source=source,
        regime=regime,
        observables=observables,
        size=arguments.whole_array("size", size),
        recorded=recorded,
        trace=trace,
        state=state,
        key=np.asarray(jax.random.key_data(key)),
        key_impl=provenance.implementation(key),
        provenance=history,
    )


def _chains(
    host: _Host,
    key: jax.Array,
    stood: Sequence[tuple[Standing, dict[int, Model]] | None],
    recorded: np.ndarray,
    progress: bool,
    store: Checkpoint | None = None,
) -> tuple[dict[str, np.ndarray], State]:
    """The trace of all chains, one after another, each from where it ``stood``, and where they stand in the end."""
    # the stock generator gives the same numbers, and is a single operation where nothing is compiled
    plain = jax.random.wrap_key_data(jax.random.key_data(key), impl=provenance.implementation(key))
    last = len(host.sizes) - 1
    ended: list[_Chain] = []
    with tqdm(total=len(stood) * (last + 1), disable=not progress, unit="fit") as bar:
        for chain, begun in enumerate(stood):
            one = _Chain(host, jax.random.fold_in(plain, chain), [other.model for other in ended], begun)
            bar.update(one.generation + 1)
            for generation in range(one.generation + 1, last + 1):
                try:
                    one.advance(generation, generation in recorded)
                except Exception as error:
                    error.add_note(f"in chain {chain} at generation {generation}")
                    raise
                if store is not None:
                    store.write(chain, one.standing(), one.laws.models)
                LOG.debug("chain %d: generation %d of %d is fitted", chain, generation, last)
                bar.update()
            LOG.info("chain %d of %d reached generation %d", chain, len(stood), last)
            ended.append(one)
    names = host.watch.observables
    trace = {name: np.stack([[record[name] for record in one.records] for one in ended]) for name in names}
    reached: Any = np.full(len(ended), last, np.int32)
    memory = tuple(one.standing(whole=True) for one in ended)
    return trace, State(tuple(one.model for one in ended), memory, {}, reached, np.zeros_like(reached))


@part
class FitSample:
    """What a run of ``simulate_models`` was of: models with a loop of their own, on the host."""

    make_model: Callable[..., Model] = static()

    def go_on(self, run: Run, key: jax.Array, recorded: np.ndarray, last: int, progress: bool) -> Run:
        """``run`` until generation ``last``, with the generations ``recorded`` besides its own."""
        with jax.enable_x64(True):
            host = _Host(self, run.source, run.regime, run.observables, run.sizes(last))
            stood = [
                (one, {int(place): restored(m, host.new) for place, m in one.models.items()})
                for one in run.state.memory
            ]
            for (one, models), newest in zip(stood, run.params, strict=True):
                models[one.generation + 1] = restored(newest, host.new)
            trace, state = _chains(host, key, stood, recorded, progress)
        trace = {name: np.concatenate([run.trace[name], values], axis=1) for name, values in trace.items()}
        recorded = np.concatenate([run.recorded, recorded])
        return dataclasses.replace(run, trace=trace, state=state, recorded=recorded)


class _Host:
    """What all chains of a run share."""

    def __init__(
        self, family: FitSample, source: Source, regime: Regime, observables: dict[str, Any], sizes: np.ndarray
    ) -> None:
        check_schedules(regime, len(sizes) - 1)
        common.check(regime, sizes)
        needs = common.plan(regime, sizes)
        if isinstance(source, ChecksSizes):
            source.check(needs.draw)
        self.most = int(needs.draw.max())
        self.make = maker(family.make_model)
        used(family.make_model)
        self.sizes, self.source = sizes, jax.tree.map(_wide, exactly(source))
        self.watch = Watch(observables, _truth(measured(self.source)))
        for name, observable in observables.items():
            if marks(observable).needs_truth and self.watch.truth is None:
                raise ValueError(
                    f"the observable {name!r} compares with the truth, and the mean and covariance of this "
                    f"{type(source).__name__} are not known"
                )
        laws: Any = self.laws()
        self.regime = common.prepared(regime, laws, Law(laws, laws.only(0)), sizes)

    def laws(self) -> Laws:
        return Laws(self.source, self.most, len(self.sizes) - 1)

    def new(self) -> Model:
        """A model without a past, to load another into."""
        return self.make(None)


class _Chain:
    """One chain between generations; before the first of them, at generation -1."""

    def __init__(
        self, host: _Host, key: jax.Array, others: list[Model], stood: tuple[Standing, dict[int, Model]] | None
    ) -> None:
        self.host, self.key = host, key
        self.others = others  # final models of earlier chains
        self.laws = host.laws()
        self.generation = -1
        self.model: Any = None
        self.memory: Any = None
        self.state: Any = None
        self.records: list[dict[str, np.ndarray]] = []
        if stood is not None:
            past, self.laws.models = stood
            self.generation, self.records = past.generation, list(past.records)
            carries = jax.tree.map(self._let_go, past.carries, is_leaf=lambda leaf: isinstance(leaf, Held))
            self.state = State((), (), carries, *[jnp.int32(0)] * 2)
            self.memory = self.laws.longer(past.memory, past.generations)
            if past.values is not None:
                self.laws.shape.restore(past.values)
            self.model = self.laws.models[past.generation + 1]

    def standing(self, whole: bool = False) -> Standing:
        """Where the chain stands: for a checkpoint, whose models are files; or ``whole``, for a run with a trace."""
        older = {str(place): model for place, model in self.laws.models.items() if model is not self.model}
        return Standing(
            generation=self.generation,
            memory=self.memory,
            carries=jax.tree.map(_hold, self.state.carries),
            models=older if whole else {},
            records=[] if whole else self.records,
            generations=len(self.host.sizes) - 1,
            values=self.laws.shape.values,
        )

    def advance(self, generation: int, recorded: bool) -> None:
        key = jax.random.fold_in(self.key, generation)
        now: Any = np.asarray(generation, np.int32)
        watch = self.host.watch
        data = self._data(key, now)
        self.model = self._made()
        check(self.model)
        call(self.model, "fit", self.laws.given(self.model, data.points), jax.random.fold_in(key, FIT))
        self.laws.models[generation + 1] = self.model
        state = State(
            params=self._fitted(generation + 1, data.points),
            memory=(),
            carries={},
            generation=now,
            status=np.zeros_like(now),
            data=Rows(jnp.asarray(data.points), jnp.int32(data.size)) if watch.needs_data else (),
        )
        carries = watch.update(self.state, state) if generation else watch.start(state)
        self.state = dataclasses.replace(state, carries=carries)
        held = [leaf.place for leaf in jax.tree.leaves(carries) if isinstance(leaf, Fitted)]
        self.laws.forget(self.memory, [generation + 1, *held])
        self.generation = generation
        if recorded:
            self.records.append(self._read())

    def _data(self, key: jax.Array, now: Any) -> Any:
        """The data set of this generation."""
        regime, size = self.host.regime, np.asarray(self.host.sizes[now], np.int32)
        real, model = (self._stream(place) for place in (0, int(now)))
        # without compilation a branch or a scan of a regime is plain Python, so that it may call a model
        with jax.disable_jit():
            if now == 0:
                data, self.memory = regime.start(key, real, size)
            else:
                data, self.memory = regime.next(key, model, real, self.memory, size, now)
        return data

    def _stream(self, place: int) -> Stream:
        return Stream(
            Law(self.laws, self.laws.only(place)), self.laws, self.laws.capacity, self.host.regime.needs_items
        )

    def _made(self) -> Model:
        """A new model. One that was used before would change under the draws that older generations still owe."""
        made = self.host.make(self.model)
        older = [self.model, *self.laws.models.values(), *self.others]
        if made is not None and any(made is model for model in older):
            raise TypeError(
                f"make_model must return a new object each time, and it returned the same {type(made).__name__} twice: "
                "pass a class or a function that makes one, such as lambda: KernelDensity(); a warm start returns "
                "copy.deepcopy(previous)"
            )
        return made

    def _fitted(self, place: int, points: np.ndarray) -> Fitted:
        """What observables see of the fit at ``place``, which was of these rows."""
        model = self.laws.models[place]
        rows = self.laws.given(model, points)
        key = jax.random.fold_in(jax.random.fold_in(self.key, place - 1), LOOK)

        def look(n: int) -> Any:
            return self.laws.given(model, self.laws.shape.taken(call(model, "sample", n, key), n, rows.shape[1]))

        return (FittedToTokens if isinstance(model, ScoresTokens) else Fitted)(model, rows, look, place, points)

    def _let_go(self, leaf: Carry) -> Any:
        return self._fitted(leaf.place, leaf.points) if isinstance(leaf, Held) else leaf

    def _read(self) -> dict[str, np.ndarray]:
        out, watch = {}, self.host.watch
        for name, observable in watch.observables.items():
            try:
                out[name] = np.asarray(Watch({name: observable}, watch.truth).read(self.state)[name])
            except (AttributeError, TypeError) as error:
                if self.state.params.raised is not None:
                    raise
                kind = type(self.state.params.model).__name__
                raise ValueError(f"the observable {name!r} cannot be read from a fitted {kind}: {error}") from error
        return out


def _hold(leaf: Carry) -> Any:
    return Held(leaf.place, leaf.points) if isinstance(leaf, Fitted) else leaf


def _wide(leaf: Any) -> Any:
    """Numbers of a source in float64."""
    narrow = isinstance(leaf, jax.Array | np.ndarray) and jnp.issubdtype(leaf.dtype, jnp.floating)
    return leaf.astype(np.float64) if narrow else leaf


def _truth(source: Source) -> Truth:
    """The law with the true mean and covariance; with its components, where the source is a mixture of normals."""
    moments = source.moments()
    if moments is None:
        return None
    mixture = GaussianMixture(1).project(source)
    return Gaussian().project(source) if mixture is None else mixture

"""Anything with ``fit(X)`` and ``sample(n)`` can be retrained recursively: same sources, regimes, observables.

A model here is an ordinary Python object, as scikit-learn's ``KernelDensity`` and ``GaussianMixture`` are, or the
user's own. Nothing is compiled: each chain runs by itself on the host, and a regime's pure functions are executed as
they stand, on rows of NumPy floats.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from tqdm.auto import tqdm

from modelcollapse import addresses, arguments, loop, provenance, regimes, seeds
from modelcollapse.families import Gaussian, GaussianMixture
from modelcollapse.forks import computes
from modelcollapse.host.frames import frame_source, is_frame
from modelcollapse.host.laws import Fitted, Laws, call
from modelcollapse.laws import Law, Stream
from modelcollapse.location import exactly
from modelcollapse.observables import named
from modelcollapse.process import check_schedules
from modelcollapse.protocols import ChecksSizes
from modelcollapse.pytree import part, static
from modelcollapse.regimes import common
from modelcollapse.run import Run


@computes
def simulate_models(
    make_model: Callable[..., Any],
    source: Any,
    regime: Any = None,
    observe: Any = "mean",
    *,
    size: Any,
    generations: int,
    chains: int = 1,
    seed: Any = 0,
    record: Any = None,
    progress: bool = False,
) -> Run:
    """``simulate`` for any object with ``fit(X)`` and ``sample(n)``, ``X`` of shape ``(n, d)``.

    Parameters
    ----------
    make_model
        A function without arguments that makes a new, unfitted model: ``lambda: KernelDensity(bandwidth=0.3)``, or a
        class. If it has one required argument, it gets the model of the previous generation (None at generation 0),
        for a warm start. Each call must return an object of its own: older models are drawn from later.
    source
        As in ``simulate``; or a data frame of any columns, whose rows are drawn with replacement: then ``X`` is such a frame, and
        ``sample`` returns one, with the same columns. Columns keep their types: draws that a column of whole numbers or of truth values
        cannot hold are refused, not rounded.
    regime, observe, size, generations, chains, seed, record, progress
        As in ``simulate``. An observable is given a ``Fitted``: ``mean``, ``covariance``, ``model``, ``rows`` and
        ``sample``; so ``"log_variance"`` and ``"w2_squared"`` work, and so does any function of ``fitted.model``.

    Returns
    -------
    Run
        Its ``params`` is a tuple with the final model of each chain. ``extend`` is refused, as the memory of the
        regime is not kept: a longer run with the same seed begins with the same numbers. ``save`` is refused too, as models
        may be any objects; ``to_dataset`` keeps the trace.

    Raises
    ------
    ValueError, TypeError
        As ``simulate``; or if a model has no ``fit`` or ``sample``, or its draws are not ``n`` finite rows of the
        right width; or if ``make_model`` returns the same object twice. Whatever a model itself raises passes through, with a note
        that names chain and generation.

    Notes
    -----
    Everything is computed in float64, whatever the precision of JAX.

    Randomness is addressed by chain and generation wherever a model lets it be: a ``fit`` or ``sample`` with a
    parameter ``rng`` is given a NumPy ``Generator``, one with ``random_state`` an integer, and an attribute
    ``random_state`` that is None or an integer is set before every call. A model that has none of these draws from a generator of its
    own; that must be seeded differently each time a model is made, and the numbers of the run cannot be repeated.

    ``sample`` gets the number of rows as its first argument, or by keyword (``num_rows``, ``n_samples``, ...) where it takes only that.

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
    check_schedules(regime, generations)
    common.check(regime, sizes)
    if isinstance(source, ChecksSizes):
        source.check(sizes)
    family, observables = FitSample(_maker(make_model)), named(observe)
    with jax.enable_x64(True):
        real = jax.tree.map(_wide, exactly(source))
        _check_truth(source, observables, truth := _truth(real))
        laws = Laws(real, int(sizes.max()))
        counted = common.prepared(regime, laws, Law(laws, np.asarray(laws.newest)), sizes)
        plan = functools.partial(_Chain, family.make_model, real, counted, observables, truth, sizes)
        trace, models = _chains(plan, key, chains, recorded, generations, progress)
        history = provenance.made(number, key, family=family, source=source, regime=regime, observe=observables)
    reached: Any = np.full(chains, generations, np.int32)
    return Run(
        family=family,
        source=source,
        regime=regime,
        observables=observables,
        size=arguments.whole_array("size", size),
        recorded=recorded,
        trace=trace,
        state=loop.State(models, (), {}, reached, np.zeros_like(reached)),
        key=np.asarray(jax.random.key_data(key)),
        key_impl=provenance.implementation(key),
        provenance=history,
    )


def _chains(
    plan: Callable[..., _Chain], key: jax.Array, chains: int, recorded: np.ndarray, last: int, progress: bool
) -> tuple[dict[str, np.ndarray], tuple[Any, ...]]:
    """The trace of all chains, one after another, and the final model of each."""
    # the stock generator gives the same numbers, and is a single operation where nothing is compiled
    plain = jax.random.wrap_key_data(jax.random.key_data(key), impl=provenance.implementation(key))
    records: list[list[dict[str, np.ndarray]]] = []
    models: list[Any] = []
    with tqdm(total=chains * (last + 1), disable=not progress, unit="fit") as bar:
        for chain in range(chains):
            one = plan(jax.random.fold_in(plain, chain), models)
            kept = []
            for generation in range(last + 1):
                try:
                    one.advance(generation)
                    if generation in recorded:
                        kept.append(one.read())
                except Exception as error:
                    error.add_note(f"in chain {chain} at generation {generation}")
                    raise
                bar.update()
            records.append(kept)
            models.append(one.model)
    trace = {name: np.stack([[record[name] for record in kept] for kept in records]) for name in records[0][0]}
    return trace, tuple(models)


def _wide(leaf: Any) -> Any:
    """Numbers of a source in float64."""
    narrow = hasattr(leaf, "dtype") and jnp.issubdtype(leaf.dtype, jnp.floating)
    return leaf.astype(np.float64) if narrow else leaf


def _check_truth(source: Any, observables: dict[str, Any], truth: Any) -> None:
    for name, observable in observables.items():
        if getattr(observable, "needs_truth", False) and truth is None:
            raise ValueError(
                f"the observable {name!r} compares with the truth, and the mean and covariance of this "
                f"{type(source).__name__} are not known"
            )


@part
class FitSample:
    """What a run of ``simulate_models`` says it was of. It is not a family: it lives on the host."""

    make_model: Callable[..., Any] = static()

    @property
    def draw(self) -> Any:
        raise TypeError(
            "objects with fit and sample live on the host: a run of them cannot be extended, and `simulate` cannot "
            "carry them; call simulate_models with more generations (the same seed begins with the same numbers)"
        )


class _Chain:
    """One chain between generations."""

    def __init__(
        self, make: Any, source: Any, regime: Any, observables: Any, truth: Any, sizes: Any, key: Any, others: list[Any]
    ) -> None:
        self.make, self.regime, self.observables = make, regime, observables
        self.truth, self.sizes, self.key = truth, sizes, key
        self.others = others  # final models of earlier chains
        self.model: Any = None
        self.memory: Any = None
        self.state: Any = None
        self.laws = Laws(source, int(sizes.max()))
        self.real = self._stream(np.asarray(0.0))

    def _stream(self, number: np.ndarray) -> Stream:
        return Stream(Law(self.laws, number), self.laws, self.laws.capacity, self.regime.needs_items)

    def advance(self, generation: int) -> None:
        key = jax.random.fold_in(self.key, generation)
        size: Any = np.asarray(self.sizes[generation], np.int32)
        now: Any = np.asarray(generation, np.int32)
        # without compilation a branch or a scan of a regime is plain Python, so that it may call a model
        with jax.disable_jit():
            if generation == 0:
                data, self.memory = self.regime.start(key, self.real, size)
            else:
                model = self._stream(np.asarray(self.laws.newest))
                data, self.memory = self.regime.next(key, model, self.real, self.memory, size, now)
        self.model = self._made()
        for method in ("fit", "sample"):
            if not callable(getattr(self.model, method, None)):
                raise TypeError(
                    f"make_model must make objects with fit(X) and sample(n); {self.model!r} has no {method}"
                )
        rows = self.laws.shape.given(data.points)
        call(self.model, "fit", rows, jax.random.fold_in(key, addresses.FIT))
        self.laws.add(self.model)
        self.laws.forget(self.memory)
        fitted = Fitted(
            self.model, rows, functools.partial(self._look, jax.random.fold_in(key, addresses.LOOK), rows.shape[1])
        )
        state = loop.State(fitted, (), {}, now, np.zeros_like(now))
        if generation == 0:
            carries = {name: o.start(self.truth, state) for name, o in self.observables.items()}
        else:
            carries = {
                name: o.update(self.state.carries[name], state, self.truth) for name, o in self.observables.items()
            }
        self.state = loop.State(fitted, (), carries, now, state.status)

    def _made(self) -> Any:
        """A new model. One that was used before would change under the draws that older generations still owe."""
        made = self.make(self.model)
        older = [self.model, *self.laws.laws.values(), *self.others]
        if made is not None and any(made is model for model in older):
            raise TypeError(
                f"make_model must return a new object each time, and it returned the same {type(made).__name__} twice: pass a class or "
                "a function that makes one, such as lambda: KernelDensity(); a warm start returns copy.deepcopy(previous)"
            )
        return made

    def _look(self, key: jax.Array, width: int, n: int) -> Any:
        """Draws for the eyes of the observables alone."""
        shape = self.laws.shape
        return shape.given(shape.taken(call(self.model, "sample", n, key), n, width))

    def read(self) -> dict[str, np.ndarray]:
        out = {}
        for name, observable in self.observables.items():
            try:
                out[name] = np.asarray(observable.read(self.state.carries[name], self.state, self.truth))
            except (AttributeError, TypeError) as error:
                if self.state.params.raised is not None:
                    raise
                kind = type(self.model).__name__
                raise ValueError(f"the observable {name!r} cannot be read from a fitted {kind}: {error}") from error
        return out


def _maker(make_model: Any) -> Callable[..., Any]:
    """``make_model`` as a function of the previous model that a record of the run can name."""
    if not callable(make_model):
        raise TypeError(
            f"make_model must be a function or class that makes an unfitted model, got {make_model!r}; "
            "for example lambda: KernelDensity(bandwidth=0.3)"
        )
    parameters = inspect.signature(make_model).parameters.values()
    kinds = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    required = [p.name for p in parameters if p.kind in kinds and p.default is inspect.Parameter.empty]
    if len(required) > 1:
        raise TypeError(
            f"make_model must take nothing, or the previous model; {make_model!r} takes {', '.join(required)}"
        )

    def make(previous: Any) -> Any:
        return make_model(previous) if required else make_model()

    make.__module__ = getattr(make_model, "__module__", type(make_model).__module__)
    make.__qualname__ = getattr(make_model, "__qualname__", repr(make_model))
    return make


def _truth(source: Any) -> Any:
    """The law with the true mean and covariance; with its components, where the source is a mixture of normals."""
    moments = source.moments()
    if moments is None:
        return None
    mixture = GaussianMixture(1).project(source)
    return Gaussian().project(source) if mixture is None else mixture

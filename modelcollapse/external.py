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
import numpy as np
from tqdm.auto import tqdm

from modelcollapse import arguments, driver, loop, regimes, seeds
from modelcollapse._host import Fitted, Laws, call, drawn
from modelcollapse.families import Gaussian, GaussianMixture
from modelcollapse.observables import named
from modelcollapse.pytree import part, static
from modelcollapse.results import Run
from modelcollapse.sources import Law, Stream


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
        for a warm start.
    source, regime, observe, size, generations, chains, seed, record, progress
        As in ``simulate``. An observable is given a ``Fitted``: ``mean``, ``covariance``, ``model``, ``rows`` and
        ``sample``; so ``"log_variance"`` and ``"w2_squared"`` work, and so does any function of ``fitted.model``.

    Returns
    -------
    Run
        Its ``params`` is a tuple with the final model of each chain. ``extend`` is refused, as the memory of the
        regime is not kept: a longer run with the same seed begins with the same numbers.

    Raises
    ------
    ValueError, TypeError
        As ``simulate``; or if a model has no ``fit`` or ``sample``, or its draws are not ``n`` finite rows of the
        right width. Whatever a model itself raises passes through, with a note that names chain and generation.

    Notes
    -----
    Randomness is addressed by chain and generation wherever a model lets it be: a ``fit`` or ``sample`` with a
    parameter ``rng`` is given a NumPy ``Generator``, one with ``random_state`` an integer, and an attribute
    ``random_state`` is set before every call. A model that has none of these draws from a generator of its own; that
    must be seeded differently each time a model is made, and the numbers of the run cannot be repeated.

    ``Mixture`` remembers all earlier models here, not a ring of them.
    """
    regime = regimes.Replace() if regime is None else regime
    generations = arguments.whole("generations", generations)
    chains = arguments.count("chains", chains)
    sizes = arguments.sizes(size, generations)
    recorded = arguments.recorded(record, 0, generations)
    progress = arguments.flag("progress", progress)
    key, number = seeds.keyed(seed)
    arguments.source("source", source)
    arguments.regime("regime", regime)
    driver.check_schedules(regime, generations)
    if hasattr(regime, "check"):
        regime.check(sizes)
    driver.check_source(source, sizes)
    make = _maker(make_model)
    observables = named(observe)
    truth = _truth(source)
    for name, observable in observables.items():
        if getattr(observable, "needs_truth", False) and truth is None:
            raise ValueError(
                f"the observable {name!r} compares with the truth, and the mean and covariance of this "
                f"{type(source).__name__} are not known"
            )
    # the stock generator gives the same numbers, and is a single operation where nothing is compiled
    plain = jax.random.wrap_key_data(jax.random.key_data(key), impl=driver._impl(key))
    laws = Laws(source, int(sizes.max()))
    counted = regimes.prepared(regime, laws, Law(laws, np.asarray(laws.newest)), sizes)
    traces: list[dict[str, np.ndarray]] = []
    final: list[Any] = []
    with tqdm(total=chains * (generations + 1), disable=not progress, unit="fit") as bar:
        for chain in range(chains):
            one = _Chain(make, source, counted, observables, truth, sizes, jax.random.fold_in(plain, chain))
            kept = []
            for generation in range(generations + 1):
                try:
                    one.advance(generation)
                except Exception as error:
                    error.add_note(f"in chain {chain} at generation {generation}")
                    raise
                if generation in recorded:
                    kept.append(one.read())
                bar.update()
            traces.append({name: np.stack([record[name] for record in kept]) for name in observables})
            final.append(one.model)
    family = FitSample(make)
    reached: Any = np.full(chains, generations, np.int32)
    ended = loop.State(tuple(final), (), {}, reached, np.zeros_like(reached))
    return Run(
        family=family,
        source=source,
        regime=regime,
        observables=observables,
        size=arguments.whole_array("size", size),
        recorded=recorded,
        trace={name: np.stack([t[name] for t in traces]) for name in observables},
        state=ended,
        key=np.asarray(jax.random.key_data(key)),
        key_impl=driver._impl(key),
        provenance=driver._provenance(number, key, family=family, source=source, regime=regime, observe=observables),
    )


@part
class FitSample:
    """What a run of ``simulate_models`` says it was of. It is no family: it lives on the host."""

    make_model: Callable[..., Any] = static()

    @property
    def draw(self) -> Any:
        raise TypeError(
            "objects with fit and sample live on the host: a run of them cannot be extended, and `simulate` cannot "
            "carry them; call simulate_models with more generations (the same seed begins with the same numbers)"
        )


class _Chain:
    """One chain between generations."""

    def __init__(self, make: Any, source: Any, regime: Any, observables: Any, truth: Any, sizes: Any, key: Any) -> None:
        self.make, self.regime, self.observables = make, regime, observables
        self.truth, self.sizes, self.key = truth, sizes, key
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
        self.model = self.make(self.model)
        for method in ("fit", "sample"):
            if not callable(getattr(self.model, method, None)):
                raise TypeError(
                    f"make_model must make objects with fit(X) and sample(n); {self.model!r} has no {method}"
                )
        call(self.model, "fit", data.points, jax.random.fold_in(key, loop.FIT))
        self.laws.add(self.model)
        self.laws.forget(self.memory)
        look = functools.partial(drawn, self.model, jax.random.fold_in(key, loop.LOOK), width=data.points.shape[1])
        fitted = Fitted(self.model, data.points, look)
        state = loop.State(fitted, (), {}, now, np.zeros_like(now))
        if generation == 0:
            carries = {name: o.start(self.truth, state) for name, o in self.observables.items()}
        else:
            carries = {
                name: o.update(self.state.carries[name], state, self.truth) for name, o in self.observables.items()
            }
        self.state = loop.State(fitted, (), carries, now, state.status)

    def read(self) -> dict[str, np.ndarray]:
        out = {}
        for name, observable in self.observables.items():
            try:
                out[name] = np.asarray(observable.read(self.state.carries[name], self.state, self.truth))
            except (AttributeError, TypeError) as error:
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

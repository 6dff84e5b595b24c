"""Anything with ``fit(X)`` and ``sample(n)`` can be retrained recursively: the same sources, regimes and observables, on the host.

A model here is an ordinary Python object, as scikit-learn's ``KernelDensity`` and ``GaussianMixture`` are, or the user's own. Nothing is
compiled: each chain runs by itself, and a regime's pure functions are executed as they stand, on rows of NumPy floats.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Any

import jax
import numpy as np
from tqdm.auto import tqdm

from modelcollapse import driver, loop, regimes
from modelcollapse.families import Gaussian, GaussianMixture
from modelcollapse.observables import named
from modelcollapse.pytree import part, static
from modelcollapse.results import Run
from modelcollapse.sources import Law, Stream

LOOK = 2
"""Role of the draws that an observable makes, beside ``loop.DATA`` and ``loop.FIT``: looking changes no data set."""
NEGLIGIBLE = 1e-18
"""Share of a law in a mixture below which it is left out: no row is expected from it in any run that ends."""


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
        A function without arguments that makes a new, unfitted model: ``lambda: KernelDensity(bandwidth=0.3)``, or a class. If it has one
        required argument, it gets the model of the previous generation (None at generation 0), for a warm start.
    source, regime, observe, size, generations, chains, seed, record, progress
        As in ``simulate``. An observable is given a ``Fitted``: ``mean``, ``covariance``, ``model``, ``rows`` and ``sample``; so names such as
        ``"log_variance"`` and ``"w2_squared"`` work, and so does any function of ``fitted.model``.

    Returns
    -------
    Run
        Its ``params`` is a tuple with the final model of each chain. ``extend`` is refused, as the memory of the regime is not kept: a
        longer run with the same seed begins with the same numbers.

    Raises
    ------
    ValueError, TypeError
        As ``simulate``; or if a model has no ``fit`` or ``sample``, or its draws are not ``n`` finite rows of the right width.
        Whatever a model itself raises passes through, with a note that names chain and generation.

    Notes
    -----
    Randomness is addressed by chain and generation wherever a model lets it be: a ``fit`` or ``sample`` with a parameter ``rng`` is
    given a NumPy ``Generator``, one with ``random_state`` an integer, and an attribute ``random_state`` is set before every call. A model
    that has none of these draws from its own generator; it must then be new and differently seeded each time it is made, and the
    numbers of a run can not be repeated.

    ``Mixture`` remembers all earlier models here, not a ring of them.
    """
    regime = regimes.Replace() if regime is None else regime
    generations = driver._integer("generations", generations, 0)
    chains = driver._integer("chains", chains, 1)
    sizes = driver._sizes(size, generations)
    recorded = driver._recorded(record, 0, generations)
    driver._check_schedules(regime, generations)
    if hasattr(regime, "check"):
        regime.check(sizes)
    driver._check_source(source, sizes)
    make = _maker(make_model)
    observables = named(observe)
    truth = _truth(source)
    for name, observable in observables.items():
        if getattr(observable, "needs_truth", False) and truth is None:
            raise ValueError(
                f"the observable {name!r} compares with the truth, and the mean and covariance of this "
                f"{type(source).__name__} are not known"
            )
    key, number = driver._key(seed)
    # the stock generator gives the same numbers as the package's own, and is a single operation where nothing is compiled
    plain = jax.random.wrap_key_data(jax.random.key_data(key), impl=driver._impl(key))
    traces: list[dict[str, np.ndarray]] = []
    final = []
    with tqdm(total=chains * (generations + 1), disable=not progress, unit="fit") as bar:
        for chain in range(chains):
            one = _Chain(make, source, regime, observables, truth, sizes, jax.random.fold_in(plain, chain))
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
    ended = loop.State(tuple(final), (), {}, np.full(chains, generations, np.int32), np.zeros(chains, np.int32))
    return Run(
        family=family,
        source=source,
        regime=regime,
        observables=observables,
        size=np.asarray(size),
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
            "objects with fit and sample live on the host: a run of them cannot be extended, and `simulate` cannot carry them; "
            "call simulate_models with more generations (the same seed begins with the same numbers)"
        )


class Fitted:
    """What an observable sees of one fit.

    Attributes
    ----------
    model
        The fitted object.
    rows
        ``(n, d)``: what it was fitted to.
    sample
        ``(n, d)``: as many draws of the model, made when first asked for; they enter no data set.
    mean, covariance
        ``(d,)`` and ``(d, d)``: of the model's law. Exact where the model has them: attributes ``mean`` and ``covariance``, or the
        ``weights_``, ``means_`` and full ``covariances_`` of a fitted scikit-learn mixture. Otherwise the mean and the unbiased covariance
        of ``sample``, so with the error of one more sampling step.
    weights, means, covariances
        Of a mixture with full covariances: ``(k,)``, ``(k, d)``, ``(k, d, d)``.
    """

    def __init__(self, model: Any, rows: np.ndarray, draw: Callable[[int], np.ndarray]) -> None:
        self.model, self.rows, self._draw = model, rows, draw
        shapes = tuple(np.shape(getattr(model, name, None)) for name in ("weights_", "means_", "covariances_"))
        k, d = shapes[0][0] if shapes[0] else 0, rows.shape[1]
        if shapes == ((k,), (k, d), (k, d, d)):
            self.weights, self.means, self.covariances = model.weights_, model.means_, model.covariances_

    @functools.cached_property
    def sample(self) -> np.ndarray:
        return self._draw(len(self.rows))

    @functools.cached_property
    def mean(self) -> np.ndarray:
        own = self._own("mean")
        if own is not None:
            return own
        return self.weights @ self.means if hasattr(self, "weights") else self.sample.mean(0)

    @functools.cached_property
    def covariance(self) -> np.ndarray:
        own = self._own("covariance")
        if own is not None:
            return own
        if hasattr(self, "weights"):
            gap = self.means - self.mean
            return np.tensordot(self.weights, self.covariances, 1) + (self.weights[:, None] * gap).T @ gap
        if len(self.sample) < 2:
            raise ValueError(f"a covariance needs at least two draws, got size={len(self.sample)}")
        return np.atleast_2d(np.cov(self.sample, rowvar=False))

    def _own(self, name: str) -> np.ndarray | None:
        own, d = getattr(self.model, name, None), self.rows.shape[1]
        if own is None or callable(own):
            return None
        return np.asarray(own, np.float64).reshape((d,) if name == "mean" else (d, d))


@part
class Sample:
    """Rows ``(n, d)`` on the host, exactly as many as there are."""

    points: np.ndarray

    @property
    def size(self) -> int:
        return len(self.points)

    def __or__(self, other: Sample) -> Sample:
        return Sample(np.concatenate([s.points for s in (self, other) if s.size] or [self.points]))

    def take(self, key: jax.Array, n: Any, capacity: int) -> Sample:
        """A uniformly random subset of ``n`` rows, or the whole if it has no more."""
        if _abstract(key):
            return self
        chosen = _generator(key).permutation(self.size)[: int(n)]
        return Sample(self.points[chosen])

    def with_room(self, capacity: int) -> Sample:
        return self

    @staticmethod
    def capacity_for(size: int) -> int:
        return int(size)


class _Laws:
    """The laws of one chain by number, in the role of a family: 0 is the source, and mixtures of laws are laws.

    The numbers are floats because a regime computes with parameters: it stacks them and casts weights to their type. A regime that asks
    for shapes traces its functions; nothing is drawn then, and what comes back is an empty place holder.
    """

    data = Sample

    def __init__(self, source: Any, capacity: int) -> None:
        self.source, self.capacity = source, capacity
        self.laws: dict[float, Any] = {0.0: None}
        self.newest = 0.0
        self.drawn: dict[Any, np.ndarray] = {}

    def add(self, law: Any) -> np.ndarray:
        self.newest += 1
        self.laws[self.newest] = law
        return np.asarray(self.newest)

    def draw(self, key: jax.Array, number: Any, n: Any, capacity: int) -> Sample:
        if _abstract(key) or _abstract(n) or _abstract(number):
            return Sample(np.zeros((0, 1)))
        with jax.disable_jit(False):
            return Sample(self.rows(key, float(number), int(n)))

    def rows(self, key: jax.Array, number: float, n: int) -> np.ndarray:
        law = self.laws[number]
        if n <= 0:
            return np.zeros((0, 1))
        if isinstance(law, dict):
            shares = np.array(list(law.values()))
            counts = _generator(key).multinomial(n, shares / shares.sum())
            parts = [
                self.rows(jax.random.fold_in(key, i), k, int(c))
                for i, (k, c) in enumerate(zip(law, counts, strict=True))
            ]
            return np.concatenate([rows for rows in parts if len(rows)])
        # a regime may ask twice for the same draws, and a model with a generator of its own would answer twice
        address = (np.asarray(jax.random.key_data(key)).tobytes(), number, n)
        if address not in self.drawn:
            self.drawn[address] = self._real(key, n) if law is None else _draw(law, key, n)
        return self.drawn[address]

    def _real(self, key: jax.Array, n: int) -> np.ndarray:
        points = np.asarray(self.source.draw_rows(key, n, self.capacity).points[:n])
        points = points.astype(np.float64) if points.dtype.kind == "f" else points
        return points.reshape(n, -1)

    def mix(self, weights: Any, numbers: Any) -> np.ndarray:
        """The number of the mixture; of the law itself where only one has any weight."""
        if _abstract(weights) or _abstract(numbers):
            return np.asarray(0.0)
        shares: dict[float, float] = {}
        for weight, number in zip(np.asarray(weights, np.float64), np.asarray(numbers, np.float64), strict=True):
            law = self.laws[float(number)]
            for single, share in law.items() if isinstance(law, dict) else [(float(number), 1.0)]:
                shares[single] = shares.get(single, 0.0) + float(weight) * share
        shares = {single: share for single, share in shares.items() if share > NEGLIGIBLE}
        return np.asarray(next(iter(shares))) if len(shares) == 1 else self.add(shares)

    def forget(self, memory: Any) -> None:
        """Drop every law that neither ``memory`` nor a mixture in it names, except the source and the newest."""
        leaves = jax.tree.leaves(memory, is_leaf=lambda node: isinstance(node, Sample))
        named = {float(x) for leaf in leaves if not isinstance(leaf, Sample) for x in np.ravel(leaf)}
        for number in named & self.laws.keys():
            if isinstance(self.laws[number], dict):
                named |= self.laws[number].keys()
        self.laws = {k: law for k, law in self.laws.items() if k in named or k in (0.0, self.newest)}
        self.drawn = {}


class _Chain:
    """One chain between generations."""

    def __init__(self, make: Any, source: Any, regime: Any, observables: Any, truth: Any, sizes: Any, key: Any) -> None:
        self.make, self.regime, self.observables, self.truth, self.sizes, self.key = (
            make, regime, observables, truth, sizes, key,
        )  # fmt: skip
        self.model = self.memory = self.state = None
        self.laws = _Laws(source, int(sizes.max()))
        self.real = self._stream(np.asarray(0.0))

    def _stream(self, number: np.ndarray) -> Stream:
        return Stream(Law(self.laws, number), self.laws, self.laws.capacity, self.regime.needs_items)

    def advance(self, generation: int) -> None:
        key = jax.random.fold_in(self.key, generation)
        size, now = np.asarray(self.sizes[generation], np.int32), np.asarray(generation, np.int32)
        data_key = jax.random.fold_in(key, loop.DATA)
        # without compilation a branch or a scan of a regime is plain Python, so that it may call a model
        with jax.disable_jit():
            if generation == 0:
                data, self.memory = self.regime.start(data_key, self.real, size)
            else:
                model = self._stream(np.asarray(self.laws.newest))
                data, self.memory = self.regime.next(data_key, model, self.real, self.memory, size, now)
        self.model = self.make(self.model)
        for method in ("fit", "sample"):
            if not callable(getattr(self.model, method, None)):
                raise TypeError(
                    f"make_model must make objects with fit(X) and sample(n); {self.model!r} has no {method}"
                )
        _call(self.model, "fit", data.points, jax.random.fold_in(key, loop.FIT))
        self.laws.add(self.model)
        self.laws.forget(self.memory)
        look = functools.partial(_draw, self.model, jax.random.fold_in(key, LOOK), width=data.points.shape[1])
        fitted = Fitted(self.model, data.points, look)
        state = loop.State(fitted, (), {}, now, np.asarray(0, np.int32))
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


def _draw(model: Any, key: jax.Array, n: int, width: int | None = None) -> np.ndarray:
    out = _call(model, "sample", n, key)
    # scikit-learn's mixtures return rows and labels
    rows = np.asarray(out[0] if isinstance(out, tuple) else out)
    rows = rows[:, None] if rows.ndim == 1 else rows
    if rows.ndim != 2 or len(rows) != n or (width is not None and rows.shape[1] != width):
        raise ValueError(f"sample({n}) must return {n} rows of the width that was fitted, got shape {rows.shape}")
    if not np.all(np.isfinite(rows)):
        raise ValueError(f"sample({n}) must return finite rows, got {rows[~np.isfinite(rows).all(1)][0]}")
    return rows


def _call(model: Any, method: str, argument: Any, key: jax.Array) -> Any:
    """``model.method(argument)`` with its randomness addressed by ``key``, as far as the model has a place for it."""
    if hasattr(model, "random_state"):
        model.random_state = _integer(key)
    function = getattr(model, method)
    parameters = inspect.signature(function).parameters
    if "rng" in parameters:
        return function(argument, rng=_generator(key))
    if "random_state" in parameters:
        return function(argument, random_state=_integer(key))
    return function(argument)


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
    """The law with the true mean and covariance; with its components, where the source is normal or a mixture of normals."""
    moments = source.moments()
    if moments is None:
        return None
    mixture = GaussianMixture(1).project(source)
    return Gaussian().project(source) if mixture is None else mixture


def _integer(key: jax.Array) -> int:
    return int(jax.random.bits(key, (), np.uint32))


def _generator(key: jax.Array) -> np.random.Generator:
    return np.random.default_rng(np.asarray(jax.random.key_data(key)))


def _abstract(value: Any) -> bool:
    return isinstance(value, jax.core.Tracer)

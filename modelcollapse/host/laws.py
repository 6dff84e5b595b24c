"""What a chain of ordinary Python models is made of: rows of exactly the size drawn, and laws known by number.

Inside the loop every row is float64. What a model is fitted to, and what it draws, passes through the shape of the source: arrays as they are, or
data frames whose other columns are coded by number in between.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Any

import jax
import numpy as np

from modelcollapse.host.frames import Arrays
from modelcollapse.pytree import part

COUNTS = ("n", "n_samples", "num_rows", "n_rows", "num_samples", "size")
"""What a keyword may be called that says how many rows ``sample`` shall draw."""
NEGLIGIBLE = 1e-18
"""Share of a law in a mixture below which it is left out: no row is expected from it in any run that ends."""


class Fitted:
    """What an observable sees of one fit.

    Attributes
    ----------
    model
        The fitted object.
    rows
        ``(n, d)``: what it was fitted to, an array or a data frame.
    sample
        ``(n, d)``: as many draws of the model, made when first asked for; they enter no data set. Of the kind of ``rows``.
    mean, covariance
        ``(d,)`` and ``(d, d)``: of the model's law. Exact where the model has them: attributes ``mean`` and
        ``covariance``, or the ``weights_``, ``means_`` and full ``covariances_`` of a fitted scikit-learn mixture.
        Otherwise the mean and the unbiased covariance of ``sample``, so with the error of one more sampling step.
    weights, means, covariances
        Of a mixture with full covariances: ``(k,)``, ``(k, d)``, ``(k, d, d)``.
    """

    def __init__(self, model: Any, rows: np.ndarray, draw: Callable[[int], np.ndarray]) -> None:
        self.model, self.rows, self._draw = model, rows, draw
        self.raised: Exception | None = None  # by the model itself, when it was asked for the sample
        shapes = tuple(np.shape(getattr(model, name, ())) for name in ("weights_", "means_", "covariances_"))
        k, d = shapes[0][0] if shapes[0] else 0, rows.shape[1]
        if shapes == ((k,), (k, d), (k, d, d)):
            self.weights, self.means, self.covariances = model.weights_, model.means_, model.covariances_

    @functools.cached_property
    def sample(self) -> Any:
        try:
            return self._draw(len(self.rows))
        except Exception as error:
            self.raised = error
            raise

    @functools.cached_property
    def mean(self) -> np.ndarray:
        own = self._own("mean")
        if own is not None:
            return own
        return self.weights @ self.means if hasattr(self, "weights") else self._numbers().mean(0)

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
        return np.atleast_2d(np.cov(self._numbers(), rowvar=False))

    def _numbers(self) -> np.ndarray:
        sample = self.sample
        if not isinstance(sample, np.ndarray):
            named = zip(sample.columns, sample.dtypes, strict=True)
            other = [str(name) for name, dtype in named if dtype.kind not in "iufb"]
            if other:
                raise TypeError(
                    f"a mean and a covariance need columns of numbers, and {', '.join(other[:5])} hold others; "
                    "observe a function of fitted.rows or fitted.sample instead"
                )
        return np.asarray(sample, np.float64)

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


class Laws:
    """The laws of one chain by number, in the role of a family: 0 is the source, and mixtures of laws are laws.

    The numbers are floats because a regime computes with parameters: it stacks them and casts weights to their type.
    A regime that asks for shapes traces its functions; nothing is drawn then, and what comes back is empty.
    """

    data = Sample

    def __init__(self, source: Any, capacity: int) -> None:
        self.source, self.capacity = source, capacity
        self.shape = getattr(source, "shape", None) or Arrays()
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
            self.drawn[address] = (
                self._real(key, n) if law is None else self.shape.taken(call(law, "sample", n, key), n)
            )
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


def call(model: Any, method: str, argument: Any, key: jax.Array) -> Any:
    """``model.method(argument)`` with its randomness addressed by ``key``, as far as the model has a place for it."""
    # a generator of the model's own, or a method of that name, stays as it is
    if hasattr(model, "random_state") and _replaceable(model.random_state):
        model.random_state = _integer(key)
    function = getattr(model, method)
    parameters = _parameters(function)
    keywords: dict[str, Any] = {}
    if "rng" in parameters:
        keywords["rng"] = _generator(key)
    elif "random_state" in parameters:
        keywords["random_state"] = _integer(key)
    takes = (
        inspect.Parameter.POSITIONAL_ONLY,
        inspect.Parameter.POSITIONAL_OR_KEYWORD,
        inspect.Parameter.VAR_POSITIONAL,
    )
    first = [p for p in parameters.values() if p.kind in takes and p.name not in keywords]
    name = None if first or method != "sample" else next((name for name in COUNTS if name in parameters), None)
    return function(argument, **keywords) if name is None else function(**{name: argument}, **keywords)


def _replaceable(state: Any) -> bool:
    return state is None or (isinstance(state, (int, np.integer)) and not isinstance(state, bool))


def _parameters(function: Any) -> dict[str, inspect.Parameter]:
    try:
        return dict(inspect.signature(function).parameters)
    except (ValueError, TypeError):  # a compiled function need not say
        return {}


def _integer(key: jax.Array) -> int:
    return int(jax.random.bits(key, (), np.uint32))


def _generator(key: jax.Array) -> np.random.Generator:
    return np.random.default_rng(np.asarray(jax.random.key_data(key)))


def _abstract(value: Any) -> bool:
    return isinstance(value, jax.core.Tracer)

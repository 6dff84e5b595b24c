"""Foreign models: ordinary Python objects with ``fit(X)`` and ``sample(n)``, asked for what they have by name.

What such an object offers beyond these two methods cannot be declared by this package, so it is found by name.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Any, Protocol, TypeAlias

import jax
import numpy as np
from numpy.typing import ArrayLike

COUNTS = ("n", "n_samples", "num_rows", "n_rows", "num_samples", "size")
"""Names of a keyword that says how many rows ``sample`` shall draw."""

Rows: TypeAlias = Any
"""What a model is fitted to and draws: an array ``(n, d)``, or a data frame."""


class Model(Protocol):
    """What ``make_model`` makes."""

    def fit(self, X: Rows) -> Any: ...

    def sample(self, n: int) -> Any: ...


class Adapter:
    """Base of models that stand for another object, ``inner``, which is what observables see.

    ``fit`` and ``sample`` get the whole address of their randomness, by the keyword ``key``.
    """

    inner: Any


class Fitted:
    """What an observable sees of one fit.

    Attributes
    ----------
    model
        The fitted object.
    rows
        ``(n, d)``: what it was fitted to, an array or a data frame.
    sample
        ``(n, d)``: as many draws of the model, made when first asked for; they enter no data set. Of the kind of
        ``rows``.
    mean, covariance
        ``(d,)`` and ``(d, d)``: of the model's law. Exact where the model has them: attributes ``mean`` and
        ``covariance``, or the ``weights_``, ``means_`` and full ``covariances_`` of a fitted scikit-learn mixture.
        Otherwise the mean and the unbiased covariance of ``sample``, so with the error of one more sampling step.
    weights, means, covariances
        Of a mixture with full covariances: ``(k,)``, ``(k, d)``, ``(k, d, d)``.
    """

    def __init__(self, model: Any, rows: Rows, draw: Callable[[int], Rows], place: int, points: np.ndarray) -> None:
        self.model = model.inner if isinstance(model, Adapter) else model
        self.rows, self._draw = rows, draw
        self.place, self.points = place, points  # of the fit among those of its chain, and its rows as numbers
        self.raised: Exception | None = None  # by the model itself, when it was asked for the sample
        # a mixture of scikit-learn, by the names that its fits have
        shapes = tuple(np.shape(getattr(model, name, ())) for name in ("weights_", "means_", "covariances_"))
        k, d = shapes[0][0] if shapes[0] else 0, rows.shape[1]
        self._mixed = shapes == ((k,), (k, d), (k, d, d))
        if self._mixed:
            self.weights, self.means, self.covariances = model.weights_, model.means_, model.covariances_

    @functools.cached_property
    def sample(self) -> Any:
        """As many draws as the model was fitted to, drawn once."""
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
        return self.weights @ self.means if self._mixed else self._numbers().mean(0)

    @functools.cached_property
    def covariance(self) -> np.ndarray:
        own = self._own("covariance")
        if own is not None:
            return own
        if self._mixed:
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
        # an attribute that a model may have, or a method of that name, or neither
        own, d = getattr(self.model, name, None), self.rows.shape[1]
        if own is None or callable(own):
            return None
        return np.asarray(own, np.float64).reshape((d,) if name == "mean" else (d, d))


class FittedToTokens(Fitted):
    """The same for a model that says how probable tokens are."""

    def log_probabilities(self, blocks: ArrayLike) -> np.ndarray:
        return self.model.log_probabilities(blocks)


def check(model: Model) -> None:
    """Refuse an object that cannot be fitted or drawn from."""
    for method in ("fit", "sample"):
        if not callable(getattr(model, method, None)):
            raise TypeError(f"make_model must make objects with fit(X) and sample(n); {model!r} has no {method}")


def call(model: Model, method: str, argument: Rows | int, key: jax.Array, given: Rows = None) -> Any:
    """``model.method(argument)`` with its randomness addressed by ``key``, as far as the model has a place for it.

    Rows that are ``given`` are passed on by that name.
    """
    # a generator of the model's own, or a method of that name, stays as it is
    state = getattr(model, "random_state", False)
    if state is None or (isinstance(state, (int, np.integer)) and not isinstance(state, bool)):
        model.random_state = integer(key)  # type: ignore[attr-defined]
    function = getattr(model, method)
    parameters = _parameters(function)
    keywords: dict[str, Any] = {}
    if isinstance(model, Adapter):
        keywords["key"] = key
    elif "rng" in parameters:
        keywords["rng"] = generator(key)
    elif "random_state" in parameters:
        keywords["random_state"] = integer(key)
    if given is not None:
        if "given" not in parameters:
            raise TypeError(
                f"the regime gives rows to continue, and a {type(model).__name__} continues none: give its class a "
                f"method {method}(n, given), or choose another regime"
            )
        keywords["given"] = given
    takes = (
        inspect.Parameter.POSITIONAL_ONLY,
        inspect.Parameter.POSITIONAL_OR_KEYWORD,
        inspect.Parameter.VAR_POSITIONAL,
    )
    first = [p for p in parameters.values() if p.kind in takes and p.name not in keywords]
    name = None if first or method != "sample" else next((name for name in COUNTS if name in parameters), None)
    return function(argument, **keywords) if name is None else function(**{name: argument}, **keywords)


def maker(make_model: Callable[..., Model]) -> Callable[[Model | None], Model]:
    """``make_model`` as a function of the previous model, which it may ignore."""
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
    return lambda previous: make_model(previous) if required else make_model()


def _parameters(function: Callable[..., Any]) -> dict[str, inspect.Parameter]:
    try:
        return dict(inspect.signature(function).parameters)
    except (ValueError, TypeError):  # a compiled function need not say
        return {}


def integer(key: jax.Array) -> int:
    """A whole number below 2^32 at the address of ``key``: as large as a seed may be that every library takes."""
    return int(jax.random.bits(key, (), np.uint32))


def generator(key: jax.Array) -> np.random.Generator:
    """NumPy's generator at the address of ``key``."""
    return np.random.default_rng(words(key))


def words(key: jax.Array) -> np.ndarray:
    """All that ``key`` says, as whole numbers below 2^32."""
    return np.asarray(jax.random.key_data(key))

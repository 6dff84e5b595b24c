"""Observables of several models at once: of each two of them, and of what they give out together."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import ArrayLike

from modelcollapse import arguments
from modelcollapse.declarations import One
from modelcollapse.numeric import shown
from modelcollapse.observables.combinators import Combinator, Of
from modelcollapse.observables.registry import Momentary, as_observable
from modelcollapse.protocols import Carry, Marks, Observable, Params, Truth, marks
from modelcollapse.protocols import Moments as HasMoments
from modelcollapse.pytree import part
from modelcollapse.together import Models, first

if TYPE_CHECKING:
    from modelcollapse.loop import State


@part
class Between(Combinator):
    """An observable of each two models, ``(models, models, ...)``: that of model i with model j as its truth."""

    observable: Any

    def __post_init__(self) -> None:
        arguments.converted(self, observable=_of_truth)

    @property
    def marks(self) -> Marks:
        """Of all pairs of models at once."""
        inner = marks(self.inner)
        settles, dims = inner.settles, ("model", "other model", *inner.dims)
        shifts = False if inner.shifts is False else None
        return Marks(inner.units, dims, settles, shifts=shifts, joint=True)

    def check(self, params: Models) -> None:
        super().check(_shapes(params))

    def start(self, truth: Truth, first: State) -> Carry:
        return ()

    def update(self, carry: Carry, state: State, truth: Truth) -> Carry:
        return carry

    def read(self, carry: Carry, state: State, truth: Truth) -> jax.Array:
        models: Models = state.params

        def one(mine: Params, theirs: Params) -> jax.Array:
            return self.inner.read((), dataclasses.replace(state, params=mine), theirs)

        values = jax.vmap(jax.vmap(one, (None, 0)), (0, None))(models.each, models.each)
        return _if_there(models.present[:, None] & models.present[None], values)


@part
class Union(Combinator):
    """An observable of what all models give out together, the mixture of their laws with ``weights`` ``(models,)``.

    Its truth is the mixture of the truths. Default equal weights, over the models that have entered.
    """

    observable: Any
    weights: ArrayLike | None = None

    def __post_init__(self) -> None:
        arguments.converted(self, observable=_momentary, weights=arguments.optional(arguments.law))

    @property
    def marks(self) -> Marks:
        """Of all models at once."""
        inner = marks(self.inner)
        return dataclasses.replace(inner, unlabelled=False, joint=True)

    def check(self, params: Models) -> None:
        models = params.present.shape[0]
        if self.weights is not None and np.shape(self.weights) != (models,):
            raise ValueError(f"weights must be one for each of {models} models, got shape {np.shape(self.weights)}")
        super().check(jax.eval_shape(lambda models: self._mixed(models.each, models.present), params))

    def start(self, truth: Truth, first: State) -> Carry:
        return ()

    def update(self, carry: Carry, state: State, truth: Truth) -> Carry:
        return carry

    def read(self, carry: Carry, state: State, truth: Truth) -> jax.Array:
        models: Models = state.params
        mixed = dataclasses.replace(state, params=self._mixed(models.each, models.present))
        of_truths = None if not marks(self.inner).needs_truth else self._mixed(truth, models.present)
        values = self.inner.read((), mixed, of_truths)
        there = (
            models.present.any() if self.weights is None else (models.present | (jnp.asarray(self.weights) == 0)).all()
        )
        return _if_there(there, values)

    def _mixed(self, each: Params, present: jax.Array) -> Any:
        """The law of the union: of states, or else the mean and covariance that it has."""
        dtype = jnp.result_type(float)
        weights = present.astype(dtype) / present.sum().astype(dtype)
        weights = weights if self.weights is None else jnp.asarray(self.weights, dtype)
        if isinstance(each, jax.Array):
            # what is not there is no number of any kind
            return jnp.where(weights[:, None] > 0, weights[:, None].astype(each.dtype) * each, 0.0).sum(0)
        mean, covariance = jax.vmap(_moments)(each)
        return _pooled_moments(weights.astype(mean.dtype), mean, covariance)


def _moments(params: Params) -> tuple[jax.Array, jax.Array]:
    if not isinstance(params, HasMoments):
        kind = type(params).__name__
        raise TypeError(f"a union is known of laws on states and of laws with moments, not of {kind}")
    return params.mean, params.covariance


@part
class UnionMoments:
    """Mean ``(d,)`` and covariance ``(d, d)`` of a mixture of laws."""

    mean: jax.Array
    covariance: jax.Array


def _pooled_moments(weights: jax.Array, mean: jax.Array, covariance: jax.Array) -> UnionMoments:
    centre = (weights[:, None] * mean).sum(0)
    gap = mean - centre[None]
    within = covariance + gap[:, :, None] * gap[:, None, :]
    return UnionMoments(centre, (weights[:, None, None] * within).sum(0))


def between(observable: One) -> Between:
    """An observable of each two models of a population, ``(models, models, ...)``.

    ``observable`` compares a model with the truth; here model j is in the place of the truth for model i:
    ``between("mismatch")`` is the probability that draws from models i and j differ, ``between("w2_squared")`` the
    squared distance of each two. On the diagonal a model is compared with itself.

    Raises
    ------
    TypeError
        For an observable that compares with no truth, or follows a chain through the generations.
    """
    return Between(observable)


def union(observable: One, weights: ArrayLike | None = None) -> Union:
    """An observable of the mixture of all models of a population: of laws on states, or of laws with moments.

    ``weights`` ``(models,)`` sum to 1; default equal ones, of the models that have entered.

    Raises
    ------
    TypeError, ValueError
        For an observable that follows a chain through the generations; for weights that are no law.
    """
    return Union(observable, weights)


class FixationIndex(NamedTuple):
    """F_ST ``(generation,)``, and its standard error by the jackknife over chains."""

    value: np.ndarray
    error: np.ndarray


def fixation_index(mismatches: ArrayLike) -> FixationIndex:
    r"""F_ST of a population at each recorded generation: how much less two draws differ within a model than between.

    .. math:: F_{ST} = 1 - \frac{E\,\overline{H}_{within}}{E\,\overline{H}_{between}}

    with :math:`\overline{H}_{within}` the mean probability that two draws from one model differ, and
    :math:`\overline{H}_{between}` that of draws from two different ones: Wright's index as Hudson, Slatkin and Maddison
    (1992) estimate it. Means are over chains, since in a single chain both go to 0. The error is that of the
    jackknife which leaves out one chain at a time.

    Parameters
    ----------
    mismatches
        ``(chain, generation, models, models)``: what ``between("mismatch")`` recorded.

    Raises
    ------
    ValueError
        For another shape, or fewer than two chains or models.
    """
    h = arguments.array("mismatches", mismatches)
    if h.ndim != 4 or h.shape[2] != h.shape[3] or min(h.shape[0], h.shape[2]) < 2:
        raise ValueError(
            f"mismatches must have shape (chain, generation, models, models), two chains and models at least, got "
            f"{h.shape}"
        )
    chains, _, models, _ = h.shape
    within = np.diagonal(h, axis1=2, axis2=3).mean(-1)
    apart = (h.sum((2, 3)) - models * within) / (models * (models - 1))
    with np.errstate(invalid="ignore", divide="ignore"):
        value = 1 - within.mean(0) / apart.mean(0)
        left_out = 1 - (within.sum(0) - within) / (apart.sum(0) - apart)
        error = np.sqrt((chains - 1) * left_out.var(0))
    return FixationIndex(value, error)


def _of_truth(name: str, value: One) -> Observable:
    found = _momentary(name, value)
    if not marks(found).needs_truth:
        raise TypeError(f"{name} must compare with a truth, a function of (params, truth), got {shown(value)}")
    return found


def _momentary(name: str, value: One) -> Observable:
    found = as_observable(value)
    inner = found
    while isinstance(inner, Of):
        inner = inner.inner
    if not isinstance(inner, Momentary):
        raise TypeError(f"{name} must look at one generation alone, got {shown(value)}")
    return found


def _shapes(params: Models) -> Params:
    """The shapes of one model."""
    return jax.eval_shape(first, params.each)


def _if_there(there: jax.Array, values: jax.Array) -> jax.Array:
    absent = jnp.nan if jnp.issubdtype(values.dtype, jnp.inexact) else 0
    there = there.reshape(there.shape + (1,) * (values.ndim - there.ndim))
    return jnp.where(there, values, jnp.asarray(absent, values.dtype))

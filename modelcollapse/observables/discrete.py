"""Observables of laws on states and of counts: what is lost, what diversity is left, how far the truth is."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

import jax
import jax.numpy as jnp
import numpy as np

from modelcollapse import arguments
from modelcollapse.forks import computes
from modelcollapse.observables.registry import Momentary, observable
from modelcollapse.protocols import Carry, Diverse, HasVariance, Moments, Params
from modelcollapse.pytree import part
from modelcollapse.sampling import axis_of_chains, over_lanes

if TYPE_CHECKING:
    from modelcollapse.loop import State


@observable(dims=("state",))
def probabilities(params: jax.Array) -> jax.Array:
    """The law itself, ``(K,)``."""
    return params


@observable("states", unlabelled=True)
def support_size(params: jax.Array | Diverse) -> jax.Array:
    """Number of states with positive probability, int32 ``()``; of an n-gram model, of different n-grams it saw."""
    if isinstance(params, Diverse):
        return params.support_size
    # few numbers are summed along the chains: absorption times ask at every generation
    return _positive(params.reshape(-1)) if axis_of_chains(params.shape) else (params > 0).sum(dtype=jnp.int32)


@over_lanes
def _positive(params: jax.Array) -> jax.Array:
    return (params > 0).sum(0, dtype=jnp.int32)


@observable(dims=("state",))
def lost(params: jax.Array, truth: jax.Array) -> jax.Array:
    """Which states of the truth have probability 0 now, booleans ``(K,)``."""
    return (params == 0) & (truth > 0)


@observable(unlabelled=True, shifts=False)
def absorbed(params: jax.Array | HasVariance) -> jax.Array:
    """Whether one state is left, or one value of a count, boolean ``()``."""
    if isinstance(params, HasVariance):
        return (params.variance == 0).all()
    return support_size(params) == 1


@observable()
def extinct(params: Moments) -> jax.Array:
    """Whether all counts are 0, boolean ``()``."""
    return (params.mean == 0).all()


@observable(unlabelled=True)
def heterozygosity(params: jax.Array | Diverse) -> jax.Array:
    r"""Gini-Simpson index :math:`1 - \sum_i p_i^2`, the probability that two draws differ, ``()``.

    That of an n-gram model is the mean over its contexts, by their shares in the real text.
    """
    if isinstance(params, Diverse):
        return params.heterozygosity
    # sum of p (1 - p): no cancellation near absorption, and exactly 0 there
    return (params * (1 - params)).sum()


@observable()
def mismatch(params: jax.Array, truth: jax.Array) -> jax.Array:
    r"""Probability :math:`1 - \sum_i p_n(i) p_0(i)` that a draw from the model and a real one differ, ``()``.

    ``between("mismatch")`` is the probability for each two models of a population.
    """
    return 1 - (params * truth).sum()


@observable("nats", unlabelled=True)
def entropy(params: jax.Array | Diverse) -> jax.Array:
    r"""Shannon entropy :math:`-\sum_i p_i \ln p_i`, ``()``; of an n-gram model, the conditional entropy."""
    if isinstance(params, Diverse):
        return params.entropy
    return jax.scipy.special.entr(params).sum()


@observable("nats")
def kl_divergence(params: jax.Array, truth: jax.Array) -> jax.Array:
    r"""Kullback-Leibler divergence :math:`KL(p_n \| p_0)`, ``()``.

    The other direction is infinite as soon as one state is lost, so its expectation is infinite at every generation.
    """
    return jax.scipy.special.rel_entr(params, truth).sum()


@observable()
def total_variation(params: jax.Array, truth: jax.Array) -> jax.Array:
    r"""Total variation distance :math:`\frac12 \sum_i |p_n(i) - p_0(i)|`, ``()``."""
    return 0.5 * jnp.abs(params - truth).sum()


@observable()
def chi_square(params: jax.Array, truth: jax.Array) -> jax.Array:
    r"""Pearson's divergence :math:`\sum_i (p_n(i) - p_0(i))^2 / p_0(i)` over the support of the truth, ``()``."""
    there = truth > 0
    return jnp.where(there, (params - truth) ** 2 / jnp.where(there, truth, 1.0), 0.0).sum()


@computes
def tail_mass(states: Iterable[int] | None = None, *, below: float | None = None) -> Tail:
    """Probability of the given ``states``, or of those whose true probability is ``below`` a threshold in (0, 1].

    ``states`` are different whole numbers from 0; ``simulate`` refuses those that the law does not have.

    Raises
    ------
    ValueError, TypeError
        For anything else, and unless exactly one of the two is given.
    """
    if (states is None) == (below is None):
        raise ValueError(f"give either states or below, got states={states!r} and below={below!r}")
    return Tail(states, below)


@part
class Tail(Momentary):
    """Probability that is left to rare states, ``()``."""

    states: Any
    below: Any

    @property
    def needs_truth(self) -> bool:
        """Whether the tail is that of the truth."""
        return self.below is not None

    def __post_init__(self) -> None:
        below = arguments.checker(arguments.number, 0, 1, open_low=True)
        arguments.converted(self, states=arguments.optional(_states), below=arguments.optional(below))

    def check(self, params: Params) -> None:
        """Refuse states that the law ``params`` ``(K,)`` does not have."""
        shape = np.shape(params)
        if self.states is None or arguments.traced(self.states) or len(shape) != 1:
            return
        largest = int(np.max(self.states))
        if largest >= shape[0]:
            raise ValueError(f"states must lie between 0 and {shape[0] - 1}, those of the law, got {largest}")

    def read(self, carry: Carry, state: State, truth: jax.Array) -> jax.Array:
        if self.states is not None:
            return state.params[self.states].sum()
        return jnp.where(truth < self.below, state.params, 0.0).sum()


def _states(name: str, value: Any) -> jax.Array:
    several = isinstance(value, Iterable) and not isinstance(value, str | bytes | Mapping)
    given = list(value) if several and not hasattr(value, "__array__") else value  # arrays of any library stay whole
    states = arguments.whole_array(name, given, ndim=1)
    if not states.size:
        raise ValueError(f"{name} must hold at least one state, got {value!r}")
    if np.unique(states).size < states.size:
        raise ValueError(f"{name} must differ from each other, got {value!r}")
    return jnp.asarray(states, jnp.int32)

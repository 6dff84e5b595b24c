"""How probable text is to language models: real test text, and the text that each generation was fitted to.

A perplexity is exp(mean of -log p) with natural logarithms, the mean taken over tokens; the first token of a block is
never predicted, nor are the first n - 1 by an n-gram model, so that orders are not compared by it. A loss is infinite
where a token has probability 0. What is seen of a generation is its data set, which is real at generation 0 and holds
the output of the generation before from then on: nothing is drawn again.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import ArrayLike

from modelcollapse import arguments
from modelcollapse.laws import Table
from modelcollapse.observables.registry import Momentary
from modelcollapse.observables.texts import blocks_of
from modelcollapse.protocols import (
    Carry,
    Family,
    HasPoints,
    LosesOnData,
    MayForget,
    Params,
    PredictsTokens,
    ScoresTokens,
    Truth,
)
from modelcollapse.pytree import part, static

if TYPE_CHECKING:
    from modelcollapse.loop import State


def log_probabilities(state: State, params: Params, blocks: jax.Array) -> jax.Array:
    """``(n, L - 1)`` under ``params``, by the family of the run or by the parameters themselves."""
    if isinstance(params, ScoresTokens):
        return jnp.asarray(params.log_probabilities(blocks))
    if isinstance(state.family, PredictsTokens):
        return state.family.log_probabilities(params, blocks)
    raise TypeError(
        f"it needs a family that predicts tokens, by `log_probabilities`, and {type(state.family).__name__} does not"
    )


@part
class CrossEntropy(Momentary):
    """Mean loss in nats a token of given ``blocks`` (n, L) to the model of the generation, ``()``."""

    blocks: Any

    units = "nats"
    finite = False  # whether tokens of probability 0 are left out

    def __post_init__(self) -> None:
        arguments.converted(self, blocks=_blocks)

    def check_family(self, family: Family) -> None:
        """Refuse tokens that the family does not know, and losses that would be infinite."""
        if isinstance(family, MayForget) and family.forgets and not self.finite:
            raise ValueError(
                f"{type(family).__name__} must be smoothed for the loss of a text, which is infinite once one of its "
                "n-grams is lost: give it a smoothing, or use living_cross_entropy(blocks) and lost_share(blocks)"
            )
        if not isinstance(family, PredictsTokens) or arguments.traced(self.blocks):
            return
        largest = int(np.max(self.blocks))
        if largest >= family.vocabulary:
            raise ValueError(
                f"blocks must hold tokens below the vocabulary of {type(family).__name__}, {family.vocabulary}, got "
                f"{largest}"
            )

    def read(self, carry: Carry, state: State, truth: Truth) -> jax.Array:
        return -log_probabilities(state, state.params, self.blocks).mean()


@part
class Perplexity(CrossEntropy):
    """Perplexity of given ``blocks`` (n, L) to the model of the generation, ``()``."""

    units = "1"

    def read(self, carry: Carry, state: State, truth: Truth) -> jax.Array:
        return jnp.exp(super().read(carry, state, truth))


@part
class _Own:
    """Base of what is seen of the loss of each block of the data set to the model of generation ``under``."""

    under: int = static(default=0)

    needs_data = True

    def __post_init__(self) -> None:
        arguments.converted(self, under=arguments.whole)

    def start(self, truth: Truth, first: State) -> Carry:
        return first.params

    def update(self, carry: Carry, state: State, truth: Truth) -> Carry:
        if not self.under:
            return carry
        early = state.generation <= self.under
        if not isinstance(state.generation, jax.Array):  # on the host
            return state.params if early else carry
        return jax.tree.map(lambda new, old: jnp.where(early, new, old), state.params, carry)

    def losses(self, carry: Carry, state: State) -> tuple[jax.Array, jax.Array]:
        """The mean loss of each block, ``(capacity,)``, and which of them count: none before that generation."""
        blocks, there = blocks_of(state)
        return -log_probabilities(state, carry, blocks).mean(1), there & (state.generation >= self.under)


@part
class OwnLosses(_Own):
    """Mean loss in nats of each block of the data set to the model of generation ``under``, ``(capacity,)``; NaN where
    there is no block, and before that generation.
    """

    units = "nats"
    dims = ("block",)

    def read(self, carry: Carry, state: State, truth: Truth) -> jax.Array:
        losses, there = self.losses(carry, state)
        return jnp.where(there, losses, jnp.nan)


@part
class OwnCrossEntropy(_Own):
    """Mean loss in nats a token of the data set to the model of generation ``under``, ``()``."""

    units = "nats"

    def read(self, carry: Carry, state: State, truth: Truth) -> jax.Array:
        if isinstance(state.family, LosesOnData) and not isinstance(state.data, HasPoints):
            loss = state.family.data_loss(carry, state.data)
            return jnp.where(state.generation >= self.under, loss, jnp.nan)
        losses, there = self.losses(carry, state)
        # blocks are of one length; none is there before generation `under`
        total, number = jnp.where(there, losses, 0.0).sum(), there.sum(dtype=jnp.int32)
        return total / number.astype(losses.dtype)


@part
class OwnPerplexity(OwnCrossEntropy):
    """Perplexity of the data set to the model of generation ``under``, ``()``."""

    units = "1"

    def read(self, carry: Carry, state: State, truth: Truth) -> jax.Array:
        return jnp.exp(super().read(carry, state, truth))


@part
class OwnQuantiles(_Own):
    """Quantiles ``at`` (k,) of the perplexities of single blocks, ``(k,)``, linear between two blocks."""

    at: Any = (0.1, 0.5, 0.9)

    units = "1"
    dims = ("quantile",)

    def __post_init__(self) -> None:
        super().__post_init__()
        arguments.converted(self, at=_quantiles)

    def read(self, carry: Carry, state: State, truth: Truth) -> jax.Array:
        losses, there = self.losses(carry, state)
        # a loss that is not a number is not left out
        ordered = jnp.sort(jnp.where(there, losses, jnp.inf))
        ordered = jnp.where((there & jnp.isnan(losses)).any(), jnp.nan, ordered)
        last = jnp.maximum(there.sum(dtype=jnp.int32) - 1, 0)
        place = jnp.asarray(self.at, losses.dtype) * last.astype(losses.dtype)
        below = jnp.floor(place).astype(jnp.int32)
        low, high = (jnp.exp(ordered[jnp.minimum(each, last)]) for each in (below, below + 1))
        step = place - below.astype(losses.dtype)
        between = low + jnp.where(step > 0, step * (high - low), 0.0)
        return jnp.where(there.any(), between, jnp.nan)


@part
class OwnHistogram(_Own):
    """How many blocks have a perplexity below ``edges[0]``, from ``edges[i]`` to below ``edges[i + 1]``, and from the
    last edge on: ``(k + 1,)`` int32 for k edges. All blocks are counted, so that the sum is their number.
    """

    edges: Any = ()

    units = "blocks"
    dims = ("bin",)

    def __post_init__(self) -> None:
        super().__post_init__()
        arguments.converted(self, edges=_edges)

    def read(self, carry: Carry, state: State, truth: Truth) -> jax.Array:
        losses, there = self.losses(carry, state)
        edges = jnp.log(jnp.asarray(self.edges, losses.dtype))
        # what is not a number sorts above all numbers
        places = jnp.searchsorted(edges, losses, side="right")
        return jnp.zeros(edges.size + 1, jnp.int32).at[places].add(there.astype(jnp.int32))


def perplexity(blocks: ArrayLike | Table) -> Perplexity:
    """Perplexity of real test text: exp(mean over tokens of -log p), natural logarithms, ``()``.

    ``blocks`` are tokens ``(n, L)`` or a table of them, L at least 2; the first token of each is not predicted.
    ValueError or TypeError for anything else, and, when a run begins, for tokens beyond the family's vocabulary.
    """
    return Perplexity(blocks)


def cross_entropy(blocks: ArrayLike | Table) -> CrossEntropy:
    """Mean of -log p over the tokens of real test text, in nats, ``()``: the logarithm of its ``perplexity``.

    ``blocks`` as there. Its mean over chains is what theory gives: that of a perplexity is carried by rare chains.
    """
    return CrossEntropy(blocks)


def own_cross_entropy(under: int = 0) -> OwnCrossEntropy:
    """Mean loss of the data set of each generation to the model of generation ``under``, in nats a token, ``()``.

    The logarithm of ``own_perplexity``. NaN before generation ``under``.
    """
    return OwnCrossEntropy(under)


def own_perplexity(under: int = 0) -> OwnPerplexity:
    """Perplexity of the data set of each generation to the model of generation ``under``, ``()``.

    With the default, that of generated text to the first model, which was fitted to real text. Real blocks that a
    regime keeps are in the data set, and so is all of generation 0. NaN before generation ``under``.
    """
    return OwnPerplexity(under)


def own_losses(under: int = 0) -> OwnLosses:
    """The logarithms of the perplexities of single blocks, in nats, ``(blocks,)``: what the others are made of."""
    return OwnLosses(under)


def own_perplexity_quantiles(at: ArrayLike = (0.1, 0.5, 0.9), under: int = 0) -> OwnQuantiles:
    """Quantiles of the perplexities of single blocks to the model of generation ``under``, ``(k,)``.

    ``at`` are shares in [0, 1]: 0.5 is the median. ValueError for others.
    """
    return OwnQuantiles(under, at)


def own_perplexity_histogram(edges: ArrayLike | None = None, under: int = 0) -> OwnHistogram:
    """How many blocks have which perplexity to the model of generation ``under``: counts ``(k + 1,)`` for k ``edges``.

    The first is of all below ``edges[0]``, the last of all from the last edge on, so that none is left out. The default
    is 61 edges from 1 to 1000, equal steps of the logarithm. ValueError unless edges are positive and increase.
    """
    return OwnHistogram(under, np.geomspace(1.0, 1000.0, 61) if edges is None else edges)


def _blocks(name: str, value: ArrayLike | Table) -> jax.Array:
    found = arguments.whole_array(name, value.points if isinstance(value, Table) else value, ndim=2)
    if not found.shape[0] or found.shape[1] < 2:
        raise ValueError(f"{name} must be tokens (n, L) with n at least 1 and L at least 2, got shape {found.shape}")
    return jnp.asarray(found, jnp.int32)


def _quantiles(name: str, value: ArrayLike) -> np.ndarray:
    return arguments.array(name, value, ndim=1, least=1, low=0.0, high=1.0)


def _edges(name: str, value: ArrayLike) -> np.ndarray:
    found = arguments.array(name, value, ndim=1, least=1, low=0.0, open_low=True)
    if np.any(np.diff(found) <= 0):
        raise ValueError(
            f"{name} must increase, got {found[int(np.argmax(np.diff(found) <= 0)) + 1]:g} after a larger one"
        )
    return found

"""Losses of n-gram models in nats a token: of real text, of the part of it that a model can still produce, of its own.

Without smoothing the loss of real text is infinite once one of its n-grams is lost; then the loss on living n-grams and
the share of lost ones say what a model still knows. Logarithms are natural.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import jax
import jax.numpy as jnp
from numpy.typing import ArrayLike

from modelcollapse import arguments
from modelcollapse.laws import Table
from modelcollapse.observables.language import Perplexity, log_probabilities
from modelcollapse.observables.registry import Momentary
from modelcollapse.protocols import Carry, Family, LosesOnData, Truth
from modelcollapse.pytree import part, static

if TYPE_CHECKING:
    from modelcollapse.loop import State


@part
class CrossEntropy(Perplexity):
    """Mean loss of the tokens of ``blocks`` (n, L) to the model of the generation, in nats, ``()``."""

    units = "nats"

    def read(self, carry: Carry, state: State, truth: Truth) -> jax.Array:
        return -log_probabilities(state, state.params, self.blocks).mean()


@part
class LivingCrossEntropy(Perplexity):
    """The same over the tokens that have a probability above 0, ``()``; NaN where none has."""

    units = "nats"
    finite = True

    def read(self, carry: Carry, state: State, truth: Truth) -> jax.Array:
        found = log_probabilities(state, state.params, self.blocks)
        lives = found > -jnp.inf
        return -jnp.where(lives, found, 0.0).sum() / lives.sum(dtype=jnp.int32).astype(found.dtype)


@part
class LostShare(Perplexity):
    """Share of the tokens of ``blocks`` (n, L) whose probability is 0, ``()``."""

    finite = True

    def read(self, carry: Carry, state: State, truth: Truth) -> jax.Array:
        return (log_probabilities(state, state.params, self.blocks) == -jnp.inf).mean(dtype=jnp.result_type(float))


@part
class OwnLoss(Momentary):
    """Mean loss of the data set of the generation to the first model, or to the real law, in nats, ``()``."""

    under: str = static(default="first")

    units = "nats"
    needs_data = True
    settles = False

    def __post_init__(self) -> None:
        arguments.converted(self, under=arguments.checker(arguments.choice, allowed=("first", "real")))

    @property
    def needs_truth(self) -> bool:
        return self.under == "real"

    def check_family(self, family: Family) -> None:
        """Refuse families whose data sets are blocks."""
        if not isinstance(family, LosesOnData):
            raise TypeError(f"own_loss is of n-gram models, and {type(family).__name__} has blocks: use own_perplexity")

    def start(self, truth: Truth, first: State) -> Carry:
        return () if self.needs_truth else first.params

    def read(self, carry: Carry, state: State, truth: Truth) -> jax.Array:
        assert isinstance(state.family, LosesOnData)  # checked before the run
        return state.family.data_loss(truth if self.needs_truth else carry, state.data)


def cross_entropy(blocks: ArrayLike | Table) -> CrossEntropy:
    """Loss of any text, real or not: mean over tokens of -log p, ``()``; ``perplexity`` is its exponential.

    ``blocks`` are tokens ``(n, L)``; the first ones of each, which have no whole context, are not predicted. A context
    that an n-gram model does not know gives the law of its background. Where the model is not smoothed a run is refused
    (ValueError), since the loss is infinite once an n-gram is lost: ``living_cross_entropy`` and ``lost_share`` are not.
    """
    return CrossEntropy(blocks)


def living_cross_entropy(blocks: ArrayLike | Table) -> LivingCrossEntropy:
    """The loss over those tokens of a text that a model can still produce, ``()``, to be read with ``lost_share``."""
    return LivingCrossEntropy(blocks)


def lost_share(blocks: ArrayLike | Table) -> LostShare:
    """Share of the tokens of a text that have probability 0 after their contexts, ``()``."""
    return LostShare(blocks)


def own_loss(under: str = "first") -> OwnLoss:
    """Mean loss of the data set of each generation of an n-gram model, in nats a token, ``()``.

    ``under="first"``: to the model of generation 0; ``"real"``: to the frequencies of the real text. Under pure sampling
    without smoothing and with fixed prompts its mean does not change from generation to generation.
    """
    return OwnLoss(under)

"""What a model without smoothing still knows of a text: its loss on living n-grams, and the share of lost ones.

Its loss on the whole text is infinite once one n-gram of it is lost.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import jax
import jax.numpy as jnp
from numpy.typing import ArrayLike

from modelcollapse.laws import Table
from modelcollapse.observables.language import CrossEntropy, log_probabilities
from modelcollapse.protocols import Carry, Truth
from modelcollapse.pytree import part

if TYPE_CHECKING:
    from modelcollapse.loop import State


@part
class LivingCrossEntropy(CrossEntropy):
    """Mean loss in nats of the tokens of ``blocks`` (n, L) that have a probability above 0, ``()``; NaN without any."""

    finite = True

    def read(self, carry: Carry, state: State, truth: Truth) -> jax.Array:
        found = log_probabilities(state, state.params, self.blocks)
        lives = found > -jnp.inf
        return -jnp.where(lives, found, 0.0).sum() / lives.sum(dtype=jnp.int32).astype(found.dtype)


@part
class LostShare(CrossEntropy):
    """Share of the tokens of ``blocks`` (n, L) whose probability is 0, ``()``."""

    units = "1"
    finite = True

    def read(self, carry: Carry, state: State, truth: Truth) -> jax.Array:
        return (log_probabilities(state, state.params, self.blocks) == -jnp.inf).mean(dtype=jnp.result_type(float))


def living_cross_entropy(blocks: ArrayLike | Table) -> LivingCrossEntropy:
    """The loss over those tokens of a text that a model can still produce, ``()``, to be read with ``lost_share``."""
    return LivingCrossEntropy(blocks)


def lost_share(blocks: ArrayLike | Table) -> LostShare:
    """Share of the tokens of a text that have probability 0 after their contexts, ``()``."""
    return LostShare(blocks)

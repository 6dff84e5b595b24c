"""Regimes that keep everything that was ever drawn."""

from __future__ import annotations

from typing import Any

import jax
import numpy as np

from modelcollapse import arguments
from modelcollapse.addresses import CHOICE, MODEL, REAL, fold
from modelcollapse.arguments import converted, optional
from modelcollapse.data import room
from modelcollapse.laws import Stream
from modelcollapse.protocols import Memory, Needs
from modelcollapse.pytree import part, static
from modelcollapse.regimes.common import at_first, role


@part
class Accumulate:
    """Everything ever drawn: each generation is fitted to all real and synthetic data so far."""

    needs_items = False
    equivariant = True
    opens = True
    appends = True

    def plan(self, sizes: np.ndarray) -> Needs:
        """The pool holds every item ever drawn, and all of them are fitted."""
        return Needs(sizes, int(sizes.sum()), np.cumsum(sizes), int(sizes.min()))

    def start(self, key: jax.Array, real: Stream, size: jax.Array) -> tuple[Any, Memory]:
        pool = real.draw(fold(key, REAL), size)
        return pool, pool

    def next(
        self, key: jax.Array, model: Stream, real: Stream, memory: Memory, size: jax.Array, generation: jax.Array
    ) -> tuple[Any, Memory]:
        new = model.draw(fold(key, role(generation)), size)
        pool = memory | new
        if not room(pool):  # nothing was kept before generation 0, and zeros need not be an empty set
            pool = at_first(generation, new, pool)
        return pool, pool


@part
class AccumulateSubsample:
    """Everything is kept, but each generation is fitted to a random subset of ``budget`` items (default: the size)."""

    budget: int | None = static(default=None)

    needs_items = True
    equivariant = True

    def plan(self, sizes: np.ndarray) -> Needs:
        """The pool holds every item ever drawn; the budget is fitted."""
        return Needs(sizes, int(sizes.sum()), sizes if self.budget is None else np.full_like(sizes, self.budget))

    def __post_init__(self) -> None:
        converted(self, budget=optional(arguments.count))

    def check(self, sizes: np.ndarray) -> None:
        if self.budget is not None and self.budget > sizes[0]:
            raise ValueError(f"budget must be at most the first sample size {sizes[0]}, got {self.budget}")

    def start(self, key: jax.Array, real: Stream, size: jax.Array) -> tuple[Any, Memory]:
        pool = real.draw(fold(key, REAL), size)
        return self._choose(key, pool, size, real), pool

    def next(
        self, key: jax.Array, model: Stream, real: Stream, memory: Memory, size: jax.Array, generation: jax.Array
    ) -> tuple[Any, Memory]:
        pool = memory | model.draw(fold(key, MODEL), size)
        return self._choose(key, pool, size, model), pool

    def _choose(self, key: jax.Array, pool: Any, size: jax.Array, stream: Stream) -> Any:
        return pool.take(
            fold(key, CHOICE), size if self.budget is None else self.budget, self.budget or stream.capacity
        )

"""One regime until a generation, another from there on."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from modelcollapse import arguments
from modelcollapse.arguments import checker, converted
from modelcollapse.data import room, with_room
from modelcollapse.laws import Stream
from modelcollapse.protocols import Equivariant, Family, Memory, Needs, Source
from modelcollapse.pytree import part
from modelcollapse.regimes.common import check, continued, plan, prepared


@part
class Switch:
    """``before`` for the data sets of generations below ``generation``, ``after`` from there on: healing is
    ``Switch(Replace(), FreshReal(1.0), n)``.

    Each part has a memory of its own, started at generation 0 from the same real data; only the part in force moves its
    own.
    """

    before: Any
    after: Any
    generation: Any

    def __post_init__(self) -> None:
        converted(self, before=arguments.regime, after=arguments.regime, generation=checker(arguments.whole, 1))

    @property
    def needs_items(self) -> bool:
        return self.before.needs_items or self.after.needs_items

    @property
    def equivariant(self) -> bool:
        return all(isinstance(each, Equivariant) and each.equivariant for each in (self.before, self.after))

    def plan(self, sizes: np.ndarray) -> Needs:
        """The needs of both, as the generation of the change may be traced."""
        before, after = (plan(regime, sizes) for regime in (self.before, self.after))
        draw, fitted = np.maximum(before.draw, after.draw), np.minimum(before.fitted, after.fitted)
        return Needs(draw, max(before.pool, after.pool), fitted, min(before.least, after.least))

    def check(self, sizes: np.ndarray) -> None:
        check(self.before, sizes)
        check(self.after, sizes)

    def prepared(self, family: Family, source: Source, sizes: np.ndarray) -> Switch:
        before, after = (prepared(r, family, source, sizes) for r in (self.before, self.after))
        return Switch(before, after, self.generation)

    def continued(self, memory: Memory) -> Memory:
        return tuple(continued(regime, own) for regime, own in zip((self.before, self.after), memory, strict=True))

    def start(self, key: jax.Array, real: Stream, size: jax.Array) -> tuple[Any, Memory]:
        data, before = self.before.start(key, real, size)
        return data, (before, self.after.start(key, real, size)[1])

    def next(
        self, key: jax.Array, model: Stream, real: Stream, memory: Memory, size: jax.Array, generation: jax.Array
    ) -> tuple[Any, Memory]:
        before, after = memory

        def first() -> tuple[Any, Any]:
            data, moved = self.before.next(key, model, real, before, size, generation)
            return data, (moved, after)

        def second() -> tuple[Any, Any]:
            data, moved = self.after.next(key, model, real, after, size, generation)
            return data, (before, moved)

        # both branches must return data sets of one shape: rows in the array of the larger, and expected numbers of
        # draws, where one of them has such
        shapes = [jax.eval_shape(branch)[0] for branch in (first, second)]
        capacity = max(map(room, shapes))
        kinds = jax.tree.map(lambda one, other: one.dtype == other.dtype, *shapes)

        def as_other(data: Any) -> Any:
            floats = jnp.result_type(float)
            return jax.tree.map(lambda leaf, same: leaf if same else leaf.astype(floats), data, kinds)

        def one_of(branch: Callable[[], tuple[Any, Any]]) -> Callable[[], tuple[Any, Any]]:
            def drawn() -> tuple[Any, Any]:
                data, moved = branch()
                return with_room((as_other(data), moved), capacity)

            return drawn

        return jax.lax.cond(generation < self.generation, one_of(first), one_of(second))

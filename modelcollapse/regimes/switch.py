"""One regime until a generation, another from there on."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import jax
import jax.numpy as jnp
import numpy as np

from modelcollapse import arguments
from modelcollapse.arguments import checker, converted
from modelcollapse.data import room, with_room
from modelcollapse.laws import Stream
from modelcollapse.protocols import ComesShort, Equivariant, Family, InPlace, Memory, Needs, SelfContained, Source
from modelcollapse.pytree import part
from modelcollapse.regimes.common import alone, check, continued, plan, prepared

T = TypeVar("T")


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

    @property
    def in_place(self) -> bool:
        """Whether a part keeps items in their places, and the other does too or draws whole data sets."""
        parts = (self.before, self.after)
        in_place = [isinstance(each, InPlace) and each.in_place for each in parts]
        whole = [isinstance(each, SelfContained) and each.self_contained for each in parts]
        return any(in_place) and all(a or b for a, b in zip(in_place, whole, strict=True))

    @property
    def comes_short(self) -> bool:
        return any(isinstance(each, ComesShort) and each.comes_short for each in (self.before, self.after))

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
        other, after = self.after.start(key, real, size)
        return _alike(data, other), (before, after)

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

        # both branches must return data sets of one shape: rows in the array of the larger, both weighted or neither
        shapes = [jax.eval_shape(branch)[0] for branch in (first, second)]
        capacity = max(map(room, shapes))

        def shaped(branch: Callable[[], tuple[Any, Any]], other: object) -> tuple[Any, Any]:
            data, memories = branch()
            return with_room((_alike(data, other), memories), capacity)

        return jax.lax.cond(
            generation < self.generation, lambda: shaped(first, shapes[1]), lambda: shaped(second, shapes[0])
        )


def _alike(data: T, other: object) -> T:
    """``data`` in the form of a weighted pool, if ``other`` has that form and it has not; of two pools of expected
    numbers and of numbers of draws, both of expected ones.
    """
    if type(data) is not type(other):
        return alone(data)
    floats = jnp.result_type(float)
    return jax.tree.map(lambda leaf, like: leaf if leaf.dtype == like.dtype else leaf.astype(floats), data, other)

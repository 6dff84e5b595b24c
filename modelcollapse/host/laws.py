"""What a chain of ordinary Python models is made of: rows of the size drawn, and laws that mix the source and the fits.

Inside the loop every row is float64. What a model is fitted to, and what it draws, passes through the shape of the
source: arrays as they are, or data frames, whose other columns are numbered codes in between.
"""

from __future__ import annotations

import functools
import operator
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from modelcollapse.host.foreign import Model, call, generator
from modelcollapse.host.frames import Arrays, Frame
from modelcollapse.protocols import Memory, Source
from modelcollapse.pytree import part

NEGLIGIBLE = 1e-18
"""Weight of a law in a mixture below which it is left out: no row is expected from it in any run that ends."""


@part
class Sample:
    """Rows ``(n, d)`` on the host, exactly as many as there are."""

    points: np.ndarray

    @property
    def size(self) -> int:
        return len(self.points)

    def __or__(self, other: Sample) -> Sample:
        return Sample(np.concatenate([s.points for s in (self, other) if s.size] or [self.points]))

    def take(self, key: jax.Array, n: int | jax.Array, capacity: int) -> Sample:
        """A uniformly random subset of ``n`` rows, or the whole if it has no more."""
        return self if _traced(key) else Sample(self.points[generator(key).permutation(self.size)[: int(n)]])

    def thinned(self, key: jax.Array, probability: float | np.ndarray | jax.Array) -> Sample:
        """The rows that stay if each stays with ``probability``: one for all, or one for each row."""
        return self if _traced(key) else Sample(self.points[generator(key).random(self.size) < np.asarray(probability)])

    def with_room(self, capacity: int) -> Sample:
        return self

    @staticmethod
    def capacity_for(size: int) -> int:
        return int(size)


class Laws:
    """The laws of one chain, in the role of a family.

    Parameters are weights ``(generations + 2,)``, of the source and of each fit. Mixtures of such laws are such laws. A
    regime that asks for shapes traces its functions; nothing is drawn then, and what comes back is empty.
    """

    data = Sample

    def __init__(self, source: Source, capacity: int, generations: int) -> None:
        self.source, self.capacity, self.room = source, capacity, generations + 2
        self.shape = source.shape.fresh() if isinstance(source, Frame) else Arrays()
        self.models: dict[int, Model] = {}  # by their places in the weights
        self.drawn: dict[tuple[bytes, int, int], np.ndarray] = {}

    def only(self, place: int) -> np.ndarray:
        """The law of the source (0) or of one fit (1 + its generation)."""
        return np.eye(1, self.room, place)[0]

    def draw(self, key: jax.Array, weights: np.ndarray | jax.Array, n: int | jax.Array, capacity: int) -> Sample:
        if _traced(key, weights, n):
            return Sample(np.zeros((0, 1)))
        with jax.disable_jit(False):
            return Sample(self._rows(key, np.asarray(weights), int(n)))

    def mix(self, weights: jax.Array, laws: jax.Array) -> jax.Array:
        """The mixture of ``laws``, which is the law itself where only one has any weight."""
        mixed = functools.reduce(operator.add, (weight * law for weight, law in zip(weights, laws, strict=True)))
        kept = mixed > NEGLIGIBLE
        return jnp.where(kept.sum() == 1, kept.astype(mixed.dtype), jnp.where(kept, mixed, 0.0))

    def forget(self, memory: Memory, newest: int) -> None:
        """Drop every fit that no law in ``memory`` gives any weight, except the newest."""
        held = np.sum([self.only(newest), *filter(self._is_law, _arrays(memory))], axis=0)
        self.models = {place: model for place, model in self.models.items() if held[place] > 0}
        self.drawn = {}

    def longer(self, memory: Memory, generations: int) -> Memory:
        """``memory`` of a run of ``generations`` as this longer one has it: its laws give later fits no weight."""
        shorter = Laws(self.source, self.capacity, generations)

        def grown(leaf: Any) -> Any:
            return np.pad(leaf, (0, self.room - len(leaf))) if shorter._is_law(leaf) else leaf

        return jax.tree.map(grown, memory, is_leaf=_is_sample)

    def _is_law(self, leaf: Any) -> bool:
        return np.shape(leaf) == (self.room,) and np.issubdtype(leaf.dtype, np.floating)

    def _rows(self, key: jax.Array, weights: np.ndarray, n: int) -> np.ndarray:
        if n <= 0:
            return np.zeros((0, 1))
        # the newest fit first and the source last: this order decides which rows a seed gives
        places = np.flatnonzero(weights)
        places = np.concatenate([places[places > 0][::-1], places[places == 0]])
        if len(places) == 1:
            return self._drawn(key, int(places[0]), n)
        own = weights[places]
        counts = generator(key).multinomial(n, own / own.sum())
        parts = [
            (jax.random.fold_in(key, i), int(k), int(c)) for i, (k, c) in enumerate(zip(places, counts, strict=True))
        ]
        return np.concatenate([self._drawn(*one) for one in parts if one[2]])

    def _drawn(self, key: jax.Array, place: int, n: int) -> np.ndarray:
        # a regime may ask twice for the same draws, and a model with a generator of its own would answer twice
        address = (np.asarray(jax.random.key_data(key)).tobytes(), place, n)
        if address not in self.drawn:
            rows = self.shape.taken(call(self.models[place], "sample", n, key), n) if place else self._real(key, n)
            self.drawn[address] = rows
        return self.drawn[address]

    def _real(self, key: jax.Array, n: int) -> np.ndarray:
        if n > self.capacity:
            raise ValueError(
                f"the regime drew {n} rows at once, more than the {self.capacity} that its plan(sizes) says"
            )
        points = np.asarray(self.source.draw_rows(key, n, self.capacity).points[:n])
        points = points.astype(np.float64) if points.dtype.kind == "f" else points
        return points.reshape(n, -1)


def _is_sample(node: Any) -> bool:
    return isinstance(node, Sample)


def _arrays(memory: Memory) -> list[Any]:
    return [leaf for leaf in jax.tree.leaves(memory, is_leaf=_is_sample) if not _is_sample(leaf)]


def _traced(*values: Any) -> bool:
    return any(isinstance(value, jax.core.Tracer) for value in values)

"""What a chain of ordinary Python models is made of: rows of the size drawn, and laws that mix the source and the fits.

Inside the loop every row is float64. What a model is fitted to, and what it draws, passes through the shape of the
source: arrays as they are, or data frames, whose other columns are numbered codes in between.
"""

from __future__ import annotations

import functools
import operator
from collections.abc import Callable, Iterable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from modelcollapse.host.foreign import Model, Rows, call, generator
from modelcollapse.host.frames import Arrays, Frame
from modelcollapse.laws import rows_of
from modelcollapse.protocols import Memory, ReadsTokens, Source
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

    def rewritten(self, key: jax.Array, kept: int | jax.Array, draw: Callable[[int, Sample], Sample]) -> Sample:
        """A uniformly random subset of ``kept`` rows stays; ``draw(n, given)`` gives what takes the places of the
        others.
        """
        goes = np.sort(generator(key).permutation(self.size)[int(kept) :])
        if not goes.size:
            return self
        new = draw(goes.size, Sample(self.points[goes])).points
        points = self.points.astype(np.result_type(self.points, new))
        points[goes] = new
        return Sample(points)

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
        self.shape = source.shape if isinstance(source, Frame) else Arrays()
        table = rows_of(source)
        self.integers = table is not None and table.ndim == 2 and table.dtype.kind == "i"
        self.models: dict[int, Model] = {}  # by their places in the weights
        self.drawn: dict[tuple[bytes, int, int, bytes], np.ndarray] = {}

    def given(self, model: Model, rows: np.ndarray) -> Rows:
        """Rows as a model takes them; whole numbers are measurements to all but those that read tokens."""
        measured = self.integers and not (isinstance(model, ReadsTokens) and model.tokens)
        return self.shape.given(rows.astype(np.float64) if measured else rows)

    def only(self, place: int) -> np.ndarray:
        """The law of the source (0) or of one fit (1 + its generation)."""
        return np.eye(1, self.room, place)[0]

    def draw(
        self,
        key: jax.Array,
        weights: np.ndarray | jax.Array,
        n: int | jax.Array,
        capacity: int,
        given: Sample | None = None,
    ) -> Sample:
        """``n`` rows; or one for each row that is ``given``, which the models continue."""
        if _traced(key, weights, n):
            return Sample(np.zeros((0, 1)))
        with jax.disable_jit(False):
            prompts = None if given is None else given.points
            if prompts is not None and len(prompts) != int(n):
                raise ValueError(f"the regime asked for {int(n)} continuations of {len(prompts)} rows")
            return Sample(self._rows(key, np.asarray(weights), int(n), prompts))

    def whole(self) -> Sample | None:
        """The rows of a table, in their order; None for any other source."""
        rows = rows_of(self.source)
        return None if rows is None else Sample(np.asarray(rows))

    def continued_rows(self, rows: Sample) -> Sample:
        """What is continued: whole rows, as models on the host take them."""
        return rows

    def mix(self, weights: jax.Array, laws: jax.Array) -> jax.Array:
        """The mixture of ``laws``, which is the law itself where only one has any weight."""
        mixed = functools.reduce(operator.add, (weight * law for weight, law in zip(weights, laws, strict=True)))
        kept = mixed > NEGLIGIBLE
        return jnp.where(kept.sum() == 1, kept.astype(mixed.dtype), jnp.where(kept, mixed, 0.0))

    def forget(self, memory: Memory, kept: Iterable[int]) -> None:
        """Drop every fit that no law in ``memory`` gives any weight, except those at the places ``kept``."""
        held = np.sum([*map(self.only, kept), *filter(self._is_law, _arrays(memory))], axis=0)
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

    def _rows(self, key: jax.Array, weights: np.ndarray, n: int, given: np.ndarray | None) -> np.ndarray:
        if n <= 0:
            return np.zeros((0, 1))
        # the newest fit first and the source last: this order decides which rows a seed gives
        places = np.flatnonzero(weights)
        places = np.concatenate([places[places > 0][::-1], places[places == 0]])
        if len(places) == 1:
            return self._drawn(key, int(places[0]), n, given)
        own = weights[places]
        numbers = generator(key)
        counts = numbers.multinomial(n, own / own.sum())
        # any of the laws may continue any row; without rows to continue their order says nothing
        order = None if given is None else numbers.permutation(n)
        drawn: list[np.ndarray] = []
        for i, (place, count) in enumerate(zip(places, counts, strict=True)):
            done = sum(map(len, drawn))
            mine = None if order is None or given is None else given[order[done : done + count]]
            if count:
                drawn.append(self._drawn(jax.random.fold_in(key, i), int(place), int(count), mine))
        rows = np.concatenate(drawn)
        return rows if order is None else rows[np.argsort(order)]

    def _drawn(self, key: jax.Array, place: int, n: int, given: np.ndarray | None) -> np.ndarray:
        # a regime may ask twice for the same draws, and a model with a generator of its own would answer twice
        content = b"" if given is None else given.tobytes()
        address = (np.asarray(jax.random.key_data(key)).tobytes(), place, n, content)
        if address not in self.drawn:
            self.drawn[address] = self._model(key, place, n, given) if place else self._real(key, n, given)
        return self.drawn[address]

    def _model(self, key: jax.Array, place: int, n: int, given: np.ndarray | None) -> np.ndarray:
        model = self.models[place]
        prompts = None if given is None else self.given(model, given)
        return self.shape.taken(call(model, "sample", n, key, given=prompts), n)

    def _real(self, key: jax.Array, n: int, given: np.ndarray | None) -> np.ndarray:
        if given is not None:
            raise TypeError(
                f"given rows can be continued by a model, and the source, {type(self.source).__name__}, is none"
            )
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

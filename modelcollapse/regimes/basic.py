"""Regimes that replace data: by the newest model's output, with real rows beside it, or with rows that stay."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from modelcollapse import arguments
from modelcollapse.addresses import KEPT, MODEL, REAL, fold
from modelcollapse.arguments import converted
from modelcollapse.data import room, with_room
from modelcollapse.laws import Stream
from modelcollapse.portions import portion
from modelcollapse.protocols import Count, Family, Memory, Needs, Source
from modelcollapse.pytree import part, schedule
from modelcollapse.regimes.common import (
    alone,
    at,
    at_first,
    counted,
    counts_of,
    drawn,
    parted,
    role,
    share,
    shares,
    weighable,
)


@part
class Replace:
    """Only the newest model's output: the fully synthetic loop."""

    needs_items = False
    equivariant = True
    self_contained = True
    opens = True

    def plan(self, sizes: np.ndarray) -> Needs:
        return Needs(sizes, int(sizes.max()), sizes, int(sizes.min()))

    def start(self, key: jax.Array, real: Stream, size: jax.Array) -> tuple[Any, Memory]:
        return real.draw(fold(key, REAL), size), ()

    def next(
        self, key: jax.Array, model: Stream, real: Stream, memory: Memory, size: jax.Array, generation: jax.Array
    ) -> tuple[Any, Memory]:
        return model.draw(fold(key, role(generation)), size), ()

    def divided(
        self, key: jax.Array, model: Stream, size: jax.Array, generation: int | jax.Array
    ) -> tuple[Count, Count]:
        return size, jnp.zeros_like(size)


@part
class FreshReal:
    """``round(share * size)`` rows (halves up) are real and newly drawn each generation, the rest is model output."""

    share: Any = schedule()

    needs_items = False
    equivariant = True
    opens = True

    def __post_init__(self) -> None:
        converted(self, share=shares)

    def plan(self, sizes: np.ndarray) -> Needs:
        return parted(self.share, sizes)

    def prepared(self, family: Family, source: Source, sizes: np.ndarray) -> FreshReal:
        """The same regime with the counts of this run."""
        return FreshReal(counts_of(self.share, sizes))

    def start(self, key: jax.Array, real: Stream, size: jax.Array) -> tuple[Any, Memory]:
        return real.draw(fold(key, REAL), size), ()

    def next(
        self, key: jax.Array, model: Stream, real: Stream, memory: Memory, size: jax.Array, generation: jax.Array
    ) -> tuple[Any, Memory]:
        fresh = at_first(generation, size, counted(self.share, size, generation))
        own, new = drawn(key, model, real, size - fresh, fresh)
        return own | new, ()

    def divided(
        self, key: jax.Array, model: Stream, size: jax.Array, generation: int | jax.Array
    ) -> tuple[Count, Count]:
        fresh = counted(self.share, size, generation)
        return size - fresh, fresh


@part
class FixedReal:
    """``round(share * size_0)`` real rows, drawn once, are in every data set; model output fills it up."""

    share: Any

    needs_items = False
    equivariant = True

    def __post_init__(self) -> None:
        converted(self, share=share)

    def prepared(self, family: Family, source: Source, sizes: np.ndarray) -> FixedReal:
        """The same regime with the count of this run."""
        return FixedReal(counts_of(self.share, sizes[:1]))

    def check(self, sizes: np.ndarray) -> None:
        kept = portion(self.share, sizes[0])
        if kept > sizes.min():
            raise ValueError(f"share keeps {kept} real rows for good, more than the smallest sample size {sizes.min()}")

    def start(self, key: jax.Array, real: Stream, size: jax.Array) -> tuple[Any, Memory]:
        count = counted(self.share, size, 0)
        kept = real.draw(fold(key, KEPT), count)
        return kept | real.draw(fold(key, REAL), size - count), kept

    def next(
        self, key: jax.Array, model: Stream, real: Stream, memory: Memory, size: jax.Array, generation: jax.Array
    ) -> tuple[Any, Memory]:
        return memory | model.draw(fold(key, MODEL), size - memory.size), memory


@part
class Retain:
    """``round(share * size)`` items of the previous data set stay (chosen without replacement), ``round(fresh * size)``
    are real and new, the rest is model output. Where both round up to more than the size, fewer are new.
    """

    share: Any = schedule()
    fresh: Any = schedule(default=0.0)

    needs_items = True
    equivariant = True

    def __post_init__(self) -> None:
        converted(self, share=shares, fresh=shares)

    def prepared(self, family: Family, source: Source, sizes: np.ndarray) -> Retain:
        """The same regime with the counts of this run."""
        return Retain(counts_of(self.share, sizes), counts_of(self.fresh, sizes))

    def check(self, sizes: np.ndarray) -> None:
        total = np.asarray(self.share) + np.asarray(self.fresh)
        if np.any(total > 1 + arguments.law_tolerance(3)):
            raise ValueError(f"share + fresh must be at most 1, got {np.max(total):g}")
        kept = portion(self.share, sizes)
        lacking = np.flatnonzero(kept[1:] > sizes[:-1])
        if lacking.size:
            first = lacking[0]
            raise ValueError(f"share keeps {kept[first + 1]} items of a data set that had only {sizes[first]}")

    def start(self, key: jax.Array, real: Stream, size: jax.Array) -> tuple[Any, Memory]:
        data = real.draw(fold(key, REAL), size)
        return data, data

    def next(
        self, key: jax.Array, model: Stream, real: Stream, memory: Memory, size: jax.Array, generation: jax.Array
    ) -> tuple[Any, Memory]:
        kept = counted(self.share, size, generation)
        fresh = jnp.minimum(counted(self.fresh, size, generation), size - kept)
        new = model.draw(fold(key, MODEL), size - kept - fresh) | real.draw(fold(key, REAL), fresh)
        data = memory.take(fold(key, KEPT), kept, model.capacity) | new
        return data, with_room(data, room(memory))


@part
class Weighted:
    r"""``round(share * size)`` rows (halves up) are real and new, the rest model output, and the real ones weigh
    ``weight`` in all.

    Each real row weighs ``weight / share`` and each synthetic one ``(1 - weight) / (1 - share)``, so that all weights
    sum to the sample size. ``weight = share`` is plain pooling, ``FreshReal(share)``. With k real rows for one
    synthetic, ``share = k / (1 + k)``, the best weight for a sample mean is :math:`(\sqrt{k^2 + 4k} - k) / 2`, the
    golden ratio at k = 1 (He, Xu and Cheng, arXiv 2502.18049). ``modelcollapse_theory.weights.best`` has the best
    weights for a mean and for the loss of diversity. Needs data sets that can be weighted (``mixed``): of ``Discrete``,
    ``Gaussian`` or ``Regression``.
    """

    weight: Any = schedule()
    share: Any = schedule(default=0.5)

    needs_items = False
    equivariant = True
    opens = True

    def __post_init__(self) -> None:
        converted(self, weight=arguments.shares, share=shares)

    def prepared(self, family: Family, source: Source, sizes: np.ndarray) -> Weighted:
        """The same regime with the counts of this run."""
        return Weighted(self.weight, counts_of(self.share, sizes))

    def check(self, sizes: np.ndarray) -> None:
        real = portion(self.share, sizes)[1:]
        if np.any((real < 1) | (real >= sizes[1:])):
            raise ValueError(f"share must leave at least one real and one synthetic row to weigh, got {self.share!r}")

    def start(self, key: jax.Array, real: Stream, size: jax.Array) -> tuple[Any, Memory]:
        data = real.draw(fold(key, REAL), size)
        return weighable(data, real.family, "Weighted", "use FreshReal for plain pooling"), ()

    def next(
        self, key: jax.Array, model: Stream, real: Stream, memory: Memory, size: jax.Array, generation: jax.Array
    ) -> tuple[Any, Memory]:
        fresh = at_first(generation, size, counted(self.share, size, generation))
        own, new = drawn(key, model, real, size - fresh, fresh)
        mixed = new.mixed(own, at(self.weight, generation))
        return at_first(generation, alone(new), mixed), ()

"""Real blocks rewritten: the newest model continues each of them, but for a share that is kept as it is."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import jax
import jax.numpy as jnp
import numpy as np

from modelcollapse.addresses import KEPT, MODEL, REAL, fold
from modelcollapse.arguments import converted
from modelcollapse.data import Rows
from modelcollapse.laws import Law, Stream, rows_of
from modelcollapse.protocols import Continues, Count, Family, HasWhole, Memory, Rewritable, SeesLaws, Source
from modelcollapse.pytree import part, schedule
from modelcollapse.regimes.common import counted, counts_of, shares

T = TypeVar("T")


@part
class Rewrite:
    r"""``round(share * size)`` real blocks (halves up) are kept in their places, bit for bit, chosen anew each
    generation; each other one is replaced by the newest model's continuation of it, the block itself not included.

    The loop of Shumailov et al. (Nature 631:755, 2024), where ``share`` is 0 or 0.1. The real blocks are drawn once, at
    generation 0, which is fitted to them, and are the prompts of all generations. Of a table of ``size`` blocks they
    are all blocks in their order, whether or not it is drawn with replacement: each generation goes once through the
    real text. Any other source gives ``size`` draws as in any other regime: of a longer table, random blocks, each at
    most once where it is drawn without replacement.

    What the items are is the family's: blocks of tokens, which a network continues; or places in a text, whose next
    token an n-gram model draws after the real context. There, with exactly r of N places kept, the chance that two
    draws from a context with M places differ goes from H to

    .. math:: \frac{r (r - 1) H_0 + (1 - 1/M) [2 r (N - r) H_0 + (N - r)(N - r - 1) H]}{N (N - 1)}

    where :math:`H_0` is that of the real text.

    Parameters
    ----------
    share
        Share of the real blocks that is kept, in [0, 1]: 0.1 keeps 10 %. A number, or one for each generation.

    Raises
    ------
    TypeError
        If the family cannot continue what is given (``Continues``), or its data sets have no places.
    ValueError
        If a share lies outside [0, 1], or the sample size changes.
    """

    share: Any = schedule(default=0.0)

    needs_items = True
    in_place = True

    def __post_init__(self) -> None:
        converted(self, share=shares)

    def check(self, sizes: np.ndarray) -> None:
        if np.any(sizes != sizes[0]):
            other = sizes[sizes != sizes[0]][0]
            raise ValueError(
                "size must be one number for Rewrite, as each generation is prompted by the same blocks, got "
                f"{sizes[0]} and {other}"
            )

    def prepared(self, family: Family, source: Source, sizes: np.ndarray) -> Rewrite:
        """The same regime with the counts of this run; it remembers no blocks where these are all that there are."""
        _check(family)
        kind = _Whole if _number(source) == sizes[0] else Rewrite
        return kind(counts_of(self.share, sizes))

    def start(self, key: jax.Array, real: Stream, size: jax.Array) -> tuple[Any, Memory]:
        drawn, whole = real.draw(fold(key, REAL), size), _whole(real)
        shapes = [list(map(jnp.shape, jax.tree.leaves(data))) for data in (whole, drawn)]
        # a longer data set has more draws than there are blocks
        if shapes[0] == shapes[1] and isinstance(size, jax.Array):  # a share is traced, and nothing was prepared
            drawn = jax.tree.map(lambda one, other: jnp.where(size == whole.size, one, other), whole, drawn)
        return _rewritable(drawn, real.family), drawn

    def next(
        self, key: jax.Array, model: Stream, real: Stream, memory: Memory, size: jax.Array, generation: jax.Array
    ) -> tuple[Any, Memory]:
        return self._rewritten(key, model, memory, size, generation, model.draw), memory

    def pool(
        self, key: jax.Array, model: Stream, real: Stream, memory: Memory, size: jax.Array, generation: int | jax.Array
    ) -> tuple[Rows, jax.Array]:
        """The same as rows, whatever the family is fitted to, and which of them ``(capacity,)`` the model continued."""
        if not isinstance(memory, Rows):
            raise TypeError(
                f"a detector scores rows, such as blocks of tokens, and the data sets of {type(model.family).__name__} "
                f"are {type(memory).__name__}"
            )
        rows = self._rewritten(key, model, memory, size, generation, model.draw_rows)
        # the same places, labelled
        labels = Rows(jnp.zeros(memory.capacity, jnp.int32), memory.count)
        made = lambda n, given: Rows(jnp.ones_like(given.points), n)  # noqa: E731
        kept = counted(self.share, size, generation)
        return rows, labels.rewritten(fold(key, KEPT), kept, made).points == 1

    def _rewritten(
        self, key: jax.Array, model: Stream, blocks: Rewritable, size: jax.Array, generation: int | jax.Array,
        draw: Callable[..., Any],
    ) -> Any:  # fmt: skip
        _check(model.law.family)

        def continued(n: Count, given: Any) -> Any:
            return draw(fold(key, MODEL), n, given=model.law.family.continued_rows(given))

        return blocks.rewritten(fold(key, KEPT), counted(self.share, size, generation), continued)


@part
class _Whole(Rewrite):
    """The same where the blocks are a whole table or text, which is always at hand."""

    def start(self, key: jax.Array, real: Stream, size: jax.Array) -> tuple[Any, Memory]:
        return _rewritable(_whole(real), real.family), ()

    def next(
        self, key: jax.Array, model: Stream, real: Stream, memory: Memory, size: jax.Array, generation: jax.Array
    ) -> tuple[Any, Memory]:
        return self._rewritten(key, model, _whole(real), size, generation, model.draw), memory

    def pool(
        self, key: jax.Array, model: Stream, real: Stream, memory: Memory, size: jax.Array, generation: int | jax.Array
    ) -> tuple[Rows, jax.Array]:
        return super().pool(key, model, real, _whole(real), size, generation)


def _number(source: Source) -> int | None:
    """How many items a table or a text has; None for any other source."""
    if isinstance(source, Law) and isinstance(source.family, HasWhole):
        return int(source.family.whole().size)
    table = rows_of(source)
    return None if table is None else len(table)


def _whole(real: Stream) -> Any:
    """The data set of all rows of a table, or of a whole text; None where there is none."""
    law = real.law
    if isinstance(law, Law) and isinstance(law.family, HasWhole):
        return law.family.whole()
    table = rows_of(law)
    if table is None or len(table) > real.capacity:
        return None
    rows = Rows(jnp.asarray(table), jnp.int32(len(table))).with_room(real.capacity)
    return rows if real.rows else real.family.summarise(rows)


def _rewritable(data: T, family: Family) -> T:
    if not isinstance(data, Rewritable):
        raise TypeError(
            f"Rewrite needs data sets whose items have places, such as Rows, got {type(data).__name__} of "
            f"{type(family).__name__}"
        )
    return data


def _check(family: Family) -> None:
    if isinstance(family, SeesLaws) or not isinstance(family, Continues):
        raise TypeError(
            f"Rewrite needs a family that continues what is real, such as a language model, and "
            f"{type(family).__name__} draws from nothing: use FreshReal or Retain to keep real rows"
        )

"""What can be drawn from: a law, a table of rows, any sampler; and the data sets that a family gets from it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, overload

import jax
import jax.numpy as jnp
import numpy as np

from modelcollapse import arguments
from modelcollapse.data import Rows
from modelcollapse.names import Names
from modelcollapse.numeric import shown
from modelcollapse.protocols import (
    Continues,
    Count,
    Detokenizes,
    DrawsMany,
    Family,
    GivesOut,
    HasItems,
    Moments,
    Movable,
    Params,
    SeesLaws,
    Source,
)
from modelcollapse.pytree import part, static
from modelcollapse.sampling import multinomial


@part
class Law:
    """A family with parameters: anything that can be drawn from, real or fitted.

    ``named``: what its states are called, if anything. ``exact``: the same parameters with their location in float64 on
    the host, where the type in force cannot hold it.
    """

    family: Any
    params: Any
    named: Names | None = static(default=None)
    exact: Any = None

    def __post_init__(self) -> None:
        law = arguments.checker(arguments.having, ("draw",))
        arguments.converted(self, family=law, params=_params, named=_named, exact=arguments.optional(self._like_params))

    def _like_params(self, name: str, value: Any) -> Any:
        if type(value) is not type(self.params) or not isinstance(value, Movable):
            raise TypeError(
                f"{name} must be params with a location, in float64, of the type of params, got {shown(value)}"
            )
        return value

    @property
    def names(self) -> tuple[Any, ...] | None:
        """What the states are called, ``(K,)``, where that is known."""
        return None if self.named is None else self.named.values

    def draw_rows(self, key: jax.Array, n: Count, capacity: int) -> Rows:
        return self.family.draw_rows(key, self.params, n, capacity)

    def moments(self) -> tuple[jax.Array, jax.Array] | None:
        """Mean ``(d,)`` and covariance ``(d, d)`` of what comes out, or None for a law without points."""
        if (out := outcome(self)) is not self:
            return out.moments()
        params = self.params
        return (params.mean, params.covariance) if isinstance(params, Moments) else None


@part
class Table:
    """Real rows ``(N, d)``, or ``(N,)`` integers for states; drawn with replacement, or without.

    Without replacement each data set is a random subset of its own, so no sample size may exceed N. With replacement is
    the empirical law itself. ``exact``: the rows in float64 on the host, where they lie so far from 0 that the type in
    force loses digits of their spread.
    """

    points: jax.Array
    replace: bool = static(default=True)
    named: Names | None = static(default=None)
    exact: Any = None

    @property
    def names(self) -> tuple[Any, ...] | None:
        """What the states are called, ``(K,)``, or the columns, ``(d,)``, where that is known."""
        return None if self.named is None else self.named.values

    @property
    def states(self) -> int | None:
        """K of a table of states with names; None where the table does not say."""
        return None if self.names is None or self.points.ndim != 1 else len(self.names)

    def draw_rows(self, key: jax.Array, n: Count, capacity: int) -> Rows:
        size = self.points.shape[0]
        if self.replace:
            chosen = jax.random.randint(key, (capacity,), 0, size, jnp.int32)
            return Rows(jnp.asarray(self.points)[chosen], jnp.asarray(n, jnp.int32))
        return Rows(jnp.asarray(self.points), jnp.asarray(size, jnp.int32)).take(key, n, capacity)

    def moments(self) -> tuple[jax.Array, jax.Array] | None:
        """Mean and covariance (divisor N) of the table as a law."""
        if self.points.ndim != 2:
            return None
        mean = self.points.mean(0)
        centred = self.points - mean[None, :]
        return mean, centred.T @ centred / self.points.shape[0]

    def check(self, sizes: np.ndarray) -> None:
        """Refuse data sets larger than a table that is drawn without replacement."""
        rows = self.points.shape[0]
        if not self.replace and sizes.max() > rows:
            raise ValueError(
                f"size {sizes.max()} exceeds the {rows} rows of a table drawn without replacement; "
                "use a smaller size or table(rows, replace=True)"
            )

    def frequencies(self, states: int) -> jax.Array | None:
        """Relative frequencies ``(states,)`` of an integer table."""
        if self.points.ndim != 1:
            return None
        dtype = jnp.result_type(float)
        counts = jnp.zeros(states, jnp.int32).at[self.points].add(1)
        return counts.astype(dtype) / jnp.asarray(self.points.shape[0], dtype)


@part
class Tokens(Table):
    """Real blocks of tokens ``(N, L)`` int32 below ``vocabulary``, drawn as the rows of a table are.

    ``tokenizer`` makes texts of them, if it is known.
    """

    vocabulary: int | None = static(default=None)
    tokenizer: Detokenizes | None = static(default=None)

    @property
    def states(self) -> int | None:
        """The vocabulary: how many tokens there are."""
        return self.vocabulary

    def moments(self) -> None:
        """None: numbers of tokens are names."""
        return None


@part
class Sampler:
    """Any law that can be sampled: ``draw(key, n)`` gives rows ``(n, d)`` with JAX operations, n a plain integer.

    Nothing else is known of it, so observables that compare with the truth are refused.
    """

    draw: Callable[[jax.Array, int], jax.Array] = static()

    def draw_rows(self, key: jax.Array, n: Count, capacity: int) -> Rows:
        points = self.draw(key, capacity)
        if points.shape[:1] != (capacity,) or points.ndim not in (1, 2):
            raise ValueError(f"a sampler must return rows of shape (n, d), got {points.shape} for n = {capacity}")
        return Rows(points, jnp.asarray(n, jnp.int32))

    def moments(self) -> None:
        return None


@part
class Stream:
    """Draws of one law, as the data sets that a family is fitted to.

    If the law's own family gives the same kind of data set, that is drawn directly; otherwise rows are drawn and
    summarised. ``items`` keeps what has subsets: a kind of data set that has none is then replaced by rows. A family
    with ``population(law, n)`` sees the law itself. ``many`` says that no data set is small: where the law's family
    ``DrawsMany``, it may be drawn in the shorter way. ``alike`` says that the newest model and what is real are laws of
    one kind.
    """

    law: Any
    family: Any
    capacity: int = static()
    items: bool = static(default=False)
    many: bool = static(default=False)
    alike: bool = static(default=False)

    @property
    def rows(self) -> bool:
        """Whether data sets are plain rows, for want of subsets in the family's own kind."""
        return self.items and not issubclass(self.family.data, HasItems)

    def draw(self, key: jax.Array, n: Count, given: Rows | None = None) -> Any:
        """A data set of ``n`` (at most ``capacity``) independent draws; n may be traced.

        ``given`` are rows that the draws continue, one draw for each; only laws of families that take them can
        (``Continues``).
        """
        if isinstance(self.family, SeesLaws):
            return self.family.population(self.law, n)
        law = self.law
        if isinstance(law, Law) and law.family.data is self.family.data and not self.rows:
            if self.many and given is None and isinstance(law.family, DrawsMany):
                return law.family.draw_many(key, law.params, n, self.capacity)
            return law.family.draw(key, law.params, n, self.capacity, **_continuing(law, given))
        rows = self.draw_rows(key, n, given)
        return rows if self.rows else self.family.summarise(rows)

    def draw_rows(self, key: jax.Array, n: Count, given: Rows | None = None) -> Rows:
        """The same draws as rows, whatever the family is fitted to: for a score, or to be continued."""
        if given is None:
            return self.law.draw_rows(key, n, self.capacity)
        return self.law.family.draw_rows(key, self.law.params, n, self.capacity, **_continuing(self.law, given))

    def split(self, key: jax.Array, n: jax.Array, weights: jax.Array) -> jax.Array:
        """How many of ``n`` draws come from each component of a mixture with ``weights`` ``(k,)``: multinomial
        counts.

        A family that sees laws gets the expected counts ``n * weights`` instead.
        """
        if isinstance(self.family, SeesLaws):
            return n.astype(weights.dtype) * weights
        return multinomial(key, n, weights)


def _continuing(law: Any, given: Rows | None) -> dict[str, Rows]:
    """The argument by which a family continues rows, for one that can."""
    if given is None:
        return {}
    if not (isinstance(law, Law) and isinstance(law.family, Continues)):
        kind = type(law.family if isinstance(law, Law) else law).__name__
        raise TypeError(f"given rows can be continued by a family with `continued_rows`, and {kind} has none")
    return {"given": given}


def _params(name: str, value: Any) -> Any:
    leaves = jax.tree.leaves(value)
    if not leaves or not all(map(_is_numeric, leaves)):
        raise TypeError(f"{name} must be the parameters of a fitted model, one array or several, got {shown(value)}")
    return value


def _is_numeric(leaf: Any) -> bool:
    array = isinstance(leaf, jax.Array | np.ndarray | np.generic)
    return array and any(jnp.issubdtype(leaf.dtype, kind) for kind in (jnp.floating, jnp.integer, jnp.bool_))


def _named(name: str, value: Any) -> Names | None:
    if value is None or isinstance(value, Names):
        return value
    raise TypeError(f"{name} must be Names, as counts(...) makes them, or None, got {shown(value)}")


@overload
def outcome(source: Law) -> Any: ...
@overload
def outcome(source: Source) -> Source: ...
def outcome(source: Source) -> Any:
    """What comes out: of a family that changes what its models give out, the law of that; any other source as it is.

    Where that is no law of the family within, it is another source.
    """
    if isinstance(source, Law) and isinstance(source.family, GivesOut):
        return source.family.given_out(source.params)
    return source


def law_of(source: Source, kind: type) -> Params | None:
    """The parameters of a source that is a law of a family of this ``kind``, or comes out as one; else None."""
    law = outcome(source)
    return law.params if isinstance(law, Law) and isinstance(law.family, kind) else None


def own_params(source: Source, family: Family) -> Params | None:
    """The parameters of a law of just this kind of family, in the floats that a fit has; else None."""
    if type(source) is not Law or type(source.family) is not type(family) or arguments.traced(source):
        return None
    floats = (leaf for leaf in jax.tree.leaves(source.params) if jnp.issubdtype(leaf.dtype, jnp.inexact))
    return source.params if all(leaf.dtype == jnp.result_type(float) for leaf in floats) else None


def rows_of(source: Source) -> jax.Array | None:
    """The rows of a table, ``(N, d)`` or ``(N,)``; None for any other source."""
    return source.points if isinstance(source, Table) else None

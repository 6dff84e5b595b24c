"""A wrapper that alters laws on states at once, and of any other family the rows that are drawn."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import ArrayLike

from modelcollapse import arguments, protocols
from modelcollapse.addresses import CANDIDATE, CHANCE, fold
from modelcollapse.data import Moments, Rows, row_type
from modelcollapse.families.gaussian import Normal, lower_product
from modelcollapse.families.wrapping import OutputWrapper, described
from modelcollapse.laws import Law, outcome
from modelcollapse.numeric import shown
from modelcollapse.protocols import Count, Family, Params, Source
from modelcollapse.pytree import Unregistered, part, static

REACH, NODES = 10.0, 2**14 + 1
"""Standard deviations and nodes of the grid on which moments of rows are integrated."""


@part
class OfRows:
    """A function of rows ``(n, d)``, as a field of a part."""

    function: Callable[[jax.Array], jax.Array] = static()

    def __call__(self, points: jax.Array) -> jax.Array:
        return self.function(points)


@part
class Selected:
    """What comes out of a model of ``family``, a wrapper that alters rows: a source."""

    family: Any
    params: Any

    def draw_rows(self, key: jax.Array, n: Count, capacity: int) -> Rows:
        return self.family.draw_rows(key, self.params, n, capacity)

    def moments(self) -> tuple[jax.Array, jax.Array] | None:
        return self.family.moments_out(self.params)


def kind(family: Family) -> str:
    """What laws the family has: "states", "normal", or "" for any other."""
    return family.kind if isinstance(family, protocols.OfKind) else ""


def states_of(family: Family, source: Source) -> int:
    """K, for a family of laws on states that takes this source."""
    truth = family.project(source) if isinstance(family, protocols.Projects) else None
    if truth is not None:
        return truth.shape[-1]
    key = jax.random.key(0)
    return jax.eval_shape(lambda: family.summarise(source.draw_rows(key, jnp.int32(1), 1))).n.size


def check_states(family: Family, source: Source, **vectors: ArrayLike | None) -> None:
    """Refuse vectors, by name, that have not one number for each state of ``source`` as their last axis."""
    states = states_of(family, source)
    for name, vector in vectors.items():
        if vector is not None and np.ndim(vector) and np.shape(vector)[-1] != states:
            raise ValueError(
                f"{name} must have one number for each of the {states} states of the source, got "
                f"{np.shape(vector)[-1]}: shape {np.shape(vector)}"
            )


def check_function(name: str, function: Callable[..., Any], source: Source, shape: tuple[int, ...] = ()) -> None:
    """Refuse a function that does not give ``(n, *shape)`` numbers of rows of ``source`` ``(n, ...)``."""
    row, dtype = row_type(source)
    try:
        found = jax.eval_shape(function, jax.ShapeDtypeStruct((3, *row), dtype))
        given = f"shape {found.shape}"
    except Unregistered:
        raise
    except (AttributeError, IndexError, TypeError, ValueError) as error:
        found, given = None, f"{type(error).__name__}: {str(error).partition(chr(10))[0]}"
    if found is None or found.shape != (3, *shape):
        raise ValueError(f"{name} must give shape {(3, *shape)} for 3 rows {(3, *row)} of the source, got {given}")


def check_items(family: Family) -> None:
    """Refuse a family that gives several rows for one that is asked for."""
    if isinstance(family, protocols.Multiplies):
        raise TypeError(
            f"family must give one row for each that is asked for, got {described(family)}: "
            "Oversampled goes around what a model gives out"
        )


def vector_or_function(
    name: str,
    value: ArrayLike | Callable[..., jax.Array],
    family: Family,
    ndim: tuple[int, ...] = (1,),
    high: float = np.inf,
) -> Any:
    """For a family of states, numbers with these for the last axis, chances if they are at most ``high``; a function of
    rows for any other.
    """
    on_states = kind(family) == "states"
    if isinstance(value, OfRows) or callable(value):
        if on_states:
            raise TypeError(f"{name} must be a vector with one number for each state for {described(family)}, got "
                            f"a function, {shown(value)}")  # fmt: skip
        check_items(family)
        return value if isinstance(value, OfRows) else OfRows(value)
    if not on_states:
        raise TypeError(f"{name} must be a function of rows (n, d) for {described(family)}, got {shown(value)}")
    low = -np.inf if high == np.inf else 0.0
    return arguments.array(name, value, ndim=ndim, least=1, low=low, high=high, booleans=bool(low == 0))


class Selecting(OutputWrapper):
    """A wrapper of what comes out: ``altered`` of a law on states, where ``by_rows`` is False, or ``picked`` rows.

    Of a normal law that is drawn as moments, rows are kept in units of the law, so that their moments stay exact on
    log scales whatever the spread. Where rows are picked, what comes out is no law of the family: it has no mixture and
    no rest.
    """

    @property
    def by_rows(self) -> bool:
        raise NotImplementedError

    @property
    def withheld(self) -> tuple[type, ...]:  # type: ignore[override]
        if not self.by_rows:
            return ()
        return protocols.Mixes, protocols.Rests, protocols.OfKind, protocols.Continues

    def picked(self, key: jax.Array, n: jax.Array, capacity: int, draw: Drawing) -> Rows:
        """``n`` rows that come out of the candidates that ``draw`` gives."""
        raise NotImplementedError

    def passing(self, mass: jax.Array, points: jax.Array) -> jax.Array | None:
        """What comes out of a law of ``mass`` (N,) at ``points`` (N, 1): (N,); None where that is not known."""
        return None

    def given_out(self, params: Params) -> Any:
        return Selected(self, params) if self.by_rows else self.altered(outcome(Law(self.family, params)))

    def draw(self, key: jax.Array, params: Params, n: Count, capacity: int, given: Rows | None = None) -> Any:
        if not self.by_rows:
            return OutputWrapper.draw(self, key, params, n, capacity, given)
        source = drawing(self.family, params)
        return source.gathered(self.picked(key, jnp.asarray(n, jnp.int32), capacity, source))

    def draw_rows(self, key: jax.Array, params: Params, n: Count, capacity: int, given: Rows | None = None) -> Rows:
        if not self.by_rows:
            return OutputWrapper.draw_rows(self, key, params, n, capacity, given)
        source = drawing(self.family, params)
        rows = self.picked(key, jnp.asarray(n, jnp.int32), capacity, source)
        return Rows(source.placed(rows.points), rows.count)

    def moments_out(self, params: Params) -> tuple[jax.Array, jax.Array] | None:
        """Mean ``(1,)`` and covariance ``(1, 1)`` of what comes out of a normal law in one dimension, or None.

        By the trapezoid rule on 2^14 + 1 nodes within 10 standard deviations: to rounding for smooth functions, to
        1e-7 for the best of k, and to 1e-3 where a function jumps.
        """
        law = outcome(Law(self.family, params))
        if not isinstance(law, Law) or kind(law.family) != "normal" or law.params.mean.size != 1:
            return None
        dtype = law.params.mean.dtype
        nodes = np.linspace(-REACH, REACH, NODES)
        weights = np.exp(-0.5 * nodes**2)
        z, mass = jnp.asarray(nodes, dtype), jnp.asarray(weights / weights.sum(), dtype)
        out = self.passing(mass, _placed(law.params, z[:, None]))
        if out is None:
            return None
        out = out / out.sum()
        mean = (out * z).sum()
        scale = law.params.factor[0, 0]
        variance = (out * (z - mean) ** 2).sum()
        return law.params.mean + scale * mean, (scale**2 * variance)[None, None]


class Drawing:
    """Candidates of a model: how they are drawn, where they lie as rows, and the data set that they make."""

    def __init__(self, family: Family, params: Params, normal: Normal | None) -> None:
        self.family, self.params, self.normal = family, params, normal

    def candidates(self, key: jax.Array, n: jax.Array, capacity: int) -> jax.Array:
        """``(capacity, ...)``; of a normal law in its own units."""
        if self.normal is None:
            return self.family.draw_rows(key, self.params, n, capacity).points
        return jax.random.normal(key, (capacity, self.normal.mean.size), self.normal.mean.dtype)

    def placed(self, points: jax.Array) -> jax.Array:
        """Candidates as rows."""
        return points if self.normal is None else _placed(self.normal, points)

    def gathered(self, rows: Rows) -> Any:
        """The data set of candidates."""
        if self.normal is None:
            return self.family.summarise(rows)
        return moved(self.normal, self._moments(rows))

    def _moments(self, rows: Rows) -> Moments:
        """The moments of candidates; in one dimension without a factorisation."""
        if rows.points.shape[1] > 1:
            return self.family.summarise(rows)
        points, present = rows.points[:, 0], rows.present
        size = jnp.maximum(rows.count, 1).astype(points.dtype)
        mean = jnp.where(present, points, 0.0).sum() / size
        square = jnp.where(present, (points - mean) ** 2, 0.0).sum()
        return Moments(rows.count, mean[None], jnp.ones((1, 1), points.dtype), 0.5 * jnp.log(square)[None])


def drawing(family: Family, params: Params) -> Drawing:
    """How a model of ``family`` draws candidates."""
    law = outcome(Law(family, params))
    # a family that draws several data sets at once says itself that it has no rows
    normal = isinstance(law, Law) and kind(law.family) == "normal" and family.data is Moments
    return Drawing(family, params, law.params if normal else None)


def _placed(law: Normal, points: jax.Array) -> jax.Array:
    return law.mean[None, :] + points @ law.factor.T


def moved(law: Normal, standard: Moments) -> Moments:
    """The moments of rows that have ``standard`` moments in units of ``law``; scales stay logarithms."""
    unit, log_scale = lower_product(
        law.unit[..., None], law.log_scale[:, None], standard.unit[..., None], standard.log_scale[:, None]
    )
    mean = law.mean + law.factor @ standard.mean
    return Moments(standard.count, mean, unit[..., 0], log_scale[:, 0])


def ruined(points: jax.Array) -> jax.Array:
    """Rows that make a fit fail."""
    return jnp.full_like(points, jnp.nan if jnp.issubdtype(points.dtype, jnp.inexact) else -1)


def candidate(key: jax.Array, turn: jax.Array | int) -> tuple[jax.Array, jax.Array]:
    """The keys of the candidates of one turn, and of the chance that decides about them."""
    key = fold(key, turn)
    return fold(key, CANDIDATE), fold(key, CHANCE)

"""Rows far from 0 enter a run centred, and the host keeps their location in float64.

A floating type spends its digits on the distance from 0: in float32, rows around 1e9 are multiples of 64, and a spread
of 30 is lost. So a family that is ``equivariant`` (moved rows give the moved fit) runs on rows whose mean, the
``location`` (d,), was taken off in float64, and what moves with the rows gets it back on the host. What needs the rows
where they lie gets parameters that were moved back, and is refused where the type in force cannot hold them.

Distances are counted in spreads: the largest ratio of mean to standard deviation of any coordinate that varies.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, TypeVar

import jax
import jax.numpy as jnp
import numpy as np

from modelcollapse.laws import Law, Table
from modelcollapse.numeric import traced
from modelcollapse.protocols import (
    Bounded,
    Carry,
    ChecksParams,
    Equivariant,
    Family,
    HoldsRows,
    Marks,
    Movable,
    Observable,
    Params,
    Regime,
    Source,
    Truth,
    marks,
)
from modelcollapse.pytree import part

if TYPE_CHECKING:
    from modelcollapse.loop import State

S = TypeVar("S")
FIND: Literal["find"] = "find"
"""In place of a location: that of the source, which is to be found."""


class Placed(NamedTuple):
    """A source and observables as the loop sees them; ``location`` is None for a run that stays where its rows lie."""

    source: Source
    observables: dict[str, Observable]
    location: np.ndarray | None


class _Offset(NamedTuple):
    """Mean and standard deviation of each coordinate, ``(d,)``, and the largest ratio of the two, at ``column``."""

    mean: np.ndarray
    spread: np.ndarray
    spreads: float
    column: int


def near() -> float:
    """Spreads from 0 up to which nothing is centred: 2**4 (float64: 2**33); rows are then right to 2**-20 spreads."""
    return 2.0 ** (jnp.finfo(jnp.result_type(float)).nmant - 19)


def limit() -> float:
    """Spreads from 0 beyond which what needs the rows where they lie is refused: 2**12 (float64: 2**41)."""
    return 2.0 ** (jnp.finfo(jnp.result_type(float)).nmant - 11)


def loses(mean: np.ndarray, spread: np.ndarray) -> bool:
    """Whether the type in force has too few digits for rows of this mean and standard deviation, ``(d,)``."""
    return jnp.result_type(float) != jnp.float64 and _measured(mean, spread).spreads > near()


def mean_and_spread(rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean and standard deviation ``(d,)`` of rows ``(N, d)``; exactly 0 for a coordinate that does not vary."""
    # in units of a power of 2, which rounds nothing, so that no square overflows
    unit = np.ldexp(1.0, np.frexp(np.abs(rows).max(0))[1] - 1)
    apart = rows / unit - rows[0] / unit
    return rows[0] + apart.mean(0) * unit, apart.std(0) * unit


def exactly(source: S) -> S:
    """``source`` with its numbers in float64 on the host, where it keeps them besides those of the type in force.

    Raises
    ------
    ValueError
        If the source is traced, and so the digits that its type lacks are out of reach.
    """
    if not isinstance(source, Law | Table) or source.exact is None:
        return source
    if traced(source):
        raise ValueError(
            f"a source so far from 0 cannot be traced in {jnp.result_type(float)}: make it outside of jax.jit and "
            "jax.vmap, and close over it; or set jax.config.update('jax_enable_x64', True)"
        )
    field = "points" if isinstance(source, Table) else "params"
    held = vars(source)[field]
    # dataclasses.replace leaves them behind
    exact = source.exact if _rounds_to(source.exact, held) else held
    return dataclasses.replace(source, **{field: exact, "exact": None})


def place(
    family: Family,
    source: Source,
    regime: Regime,
    observables: dict[str, Observable],
    about: np.ndarray | Literal["find"] | None = FIND,
    *,
    host: bool = True,
) -> Placed:
    """Centre what a run needs to be centred; ``about`` a given location, or about none, if it goes on from there.

    ``host`` says that the trace comes back to the host, where a location may be added in float64.

    Raises
    ------
    ValueError
        If the source lies beyond ``limit()``, and the family, the regime or an observable needs its rows where they
        lie.
    """
    exact = exactly(source)
    where = None if isinstance(about, str) else about
    if not isinstance(about, str):
        source = _moved(exact, 0.0 if where is None else -where) if where is not None or exact is not source else source
    elif not traced(source):
        source, where = _found(family, source, exact, regime, observables, host)
    seen = {name: _about(observable, where) for name, observable in observables.items()}
    if where is not None:
        back = jnp.asarray(where, jnp.result_type(float))
        seen = {name: o if _centred(o, host) else InPlace(o, back) for name, o in seen.items()}
    return Placed(source, seen, where)


def restored(
    trace: dict[str, np.ndarray], observables: dict[str, Observable], location: np.ndarray | None
) -> dict[str, np.ndarray]:
    """``trace`` with the location added, in float64, to what moves with the rows."""
    if location is None:
        return trace
    moves = {name for name, observable in observables.items() if marks(observable).shifts}
    return {name: values.astype(np.float64) + location if name in moves else values for name, values in trace.items()}


def _found(
    family: Family, source: Source, exact: Source, regime: Regime, observables: dict[str, Observable], host: bool
) -> tuple[Source, np.ndarray | None]:
    held = source if exact is source else _moved(exact, 0.0)
    offset = None if isinstance(family, Bounded) and family.bounded else _offset(exact)
    own = isinstance(source, Law) and source.family.data is family.data
    # a law of the family's own kind that has no location gives data sets, not rows
    if offset is None or offset.spreads <= near() or (own and not _movable(source)):
        return held, None
    fixed = [f"the family {type(family).__name__}"] * (not equivariant(family))
    fixed += [f"the regime {regime!r}"] * (not equivariant(regime))
    fixed += [f"the source {type(source).__name__}"] * (not _movable(source))
    bound = {f"the observable {name!r}": o for name, o in observables.items() if not _centred(o, host)}
    fixed += [what for what, o in bound.items() if marks(o).needs_data]
    if offset.spreads > limit() and (fixed or bound):
        raise ValueError(_refusal([*fixed, *bound][0], offset))
    return (held, None) if fixed else (_moved(exact, -offset.mean), offset.mean)


def equivariant(thing: Family | Regime) -> bool:
    """Whether a family or regime may run on rows that were moved."""
    return isinstance(thing, Equivariant) and thing.equivariant


def _refusal(what: str, offset: _Offset) -> str:
    dtype, j = jnp.result_type(float), offset.column
    single = "set jax.config.update('jax_enable_x64', True), or " if dtype == jnp.float32 else ""
    return (
        f"{what} needs the rows where they lie, and {dtype} cannot hold them there: coordinate {j} of the source has "
        f"the mean {offset.mean[j]:.6g} and the standard deviation {offset.spread[j]:.3g}, so it lies "
        f"{offset.spreads:.3g} spreads from 0, more than {limit():.6g}; {single}subtract a constant from the rows"
    )


def _offset(source: Source) -> _Offset | None:
    if isinstance(source, Table):
        if source.points.ndim != 2 or not jnp.issubdtype(source.points.dtype, jnp.floating):
            return None
        return _measured(*mean_and_spread(np.asarray(source.points, np.float64)))
    with jax.ensure_compile_time_eval():  # within a function that is traced, too
        moments = source.moments()
    if moments is None:
        return None
    mean, covariance = (np.asarray(moment, np.float64) for moment in moments)
    if mean.ndim != 1 or covariance.shape != (mean.size, mean.size):
        return None
    return _measured(mean, np.sqrt(np.diagonal(covariance)))


def _measured(mean: np.ndarray, spread: np.ndarray) -> _Offset:
    varies = np.isfinite(mean) & (spread > 0)
    spreads = np.where(varies, np.abs(mean) / np.where(varies, spread, 1.0), 0.0)
    return _Offset(mean, spread, float(spreads.max()), int(spreads.argmax()))


def _movable(source: Source) -> bool:
    return isinstance(source, Table) or (isinstance(source, Law) and isinstance(source.params, Movable))


def _moved(source: Any, by: float | np.ndarray) -> Any:
    """The source, a table or a law with a location, moved by ``by`` in float64, in the type in force."""
    if isinstance(source, Table):
        rows = np.asarray(source.points, np.float64) + by
        return dataclasses.replace(source, points=jnp.asarray(rows, jnp.result_type(float)))

    def cast(tree: Params, array: Any, dtype: np.dtype) -> Params:
        real = lambda leaf: jnp.issubdtype(leaf.dtype, jnp.floating)  # noqa: E731
        return jax.tree.map(lambda leaf: array(leaf, dtype) if real(leaf) else leaf, tree)

    exact = cast(source.params, np.asarray, np.dtype(np.float64))
    moved = exact.moved(np.broadcast_to(by, np.shape(source.params.mean)))
    return dataclasses.replace(source, params=cast(moved, jnp.asarray, jnp.result_type(float)))


def _rounds_to(exact: Params, held: Params) -> bool:
    flat: list[Any] = [jax.tree.flatten(tree) for tree in (exact, held)]
    (numbers, structure), (kept, other) = flat
    return structure == other and all(
        np.array_equal(np.asarray(a).astype(b.dtype), b) for a, b in zip(numbers, kept, strict=True)
    )


def _centred(observable: Observable, host: bool) -> bool:
    """Whether it may see centred parameters."""
    shifts = marks(observable).shifts
    return shifts is not None and (host or not shifts)


def _about(observable: S, location: np.ndarray | None) -> S:
    """The same, where every observable in it that holds real data holds them about ``location``."""
    holds = lambda node: isinstance(node, HoldsRows)  # noqa: E731
    return jax.tree.map(lambda node: node.about(location) if holds(node) else node, observable, is_leaf=holds)


@part
class InPlace:
    """An observable of parameters, and of a truth, that were moved back to where the rows lie."""

    observable: Observable
    location: jax.Array  # (d,)

    @property
    def marks(self) -> Marks:
        """Those of the observable; what moves with the rows is no longer known."""
        return dataclasses.replace(marks(self.observable), shifts=None)

    def check(self, params: Params) -> None:
        if isinstance(self.observable, ChecksParams):
            self.observable.check(params)

    def start(self, truth: Truth, first: State) -> Carry:
        return self.observable.start(self._truth(truth), self._state(first))

    def update(self, carry: Carry, state: State, truth: Truth) -> Carry:
        return self.observable.update(carry, self._state(state), self._truth(truth))

    def read(self, carry: Carry, state: State, truth: Truth) -> jax.Array:
        return self.observable.read(carry, self._state(state), self._truth(truth))

    def _state(self, state: State) -> State:
        return dataclasses.replace(state, params=state.params.moved(self.location))

    def _truth(self, truth: Truth) -> Truth:
        return truth.moved(self.location) if isinstance(truth, Movable) else truth

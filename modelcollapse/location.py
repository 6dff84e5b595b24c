"""Rows far from 0 enter a run centred, and the host keeps their location in float64.

A floating type spends its digits on the distance from 0: in float32 rows around 1e9 are multiples of 64, and a spread of 30 is lost. So a
family that is ``equivariant`` (moved rows give the moved fit) runs on rows whose mean, the ``location`` (d,), was taken off in float64,
and what moves with the rows gets it back on the host. What needs the rows where they lie gets parameters that were moved back, and is
refused where the type in force cannot hold them.

Distances are counted in spreads: the largest ratio of mean to standard deviation of any coordinate that varies.
"""

from __future__ import annotations

import dataclasses
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from modelcollapse.numeric import traced
from modelcollapse.protocols import Marks, marks
from modelcollapse.pytree import part

FIND = object()
"""Stands for the location of the source, which is to be found."""


class Placed(NamedTuple):
    """A source and observables as the loop sees them; None for a run that stays where its rows lie."""

    source: Any
    observables: dict[str, Any]
    location: np.ndarray | None


class _Offset(NamedTuple):
    """Mean and standard deviation of each coordinate, ``(d,)``, and the largest ratio of the two, at ``column``."""

    mean: np.ndarray
    spread: np.ndarray
    spreads: float
    column: int


def near() -> float:
    """Spreads from 0 up to which nothing is centred, so that rows are right to 2**-20 of theirs: 2**4 (float64: 2**33)."""
    return 2.0 ** (jnp.finfo(jnp.result_type(float)).nmant - 19)


def limit() -> float:
    """Spreads from 0 beyond which what needs the rows where they lie is refused: 2**12 (float64: 2**41)."""
    return 2.0 ** (jnp.finfo(jnp.result_type(float)).nmant - 11)


def loses(mean: np.ndarray, spread: np.ndarray) -> bool:
    """Whether the type in force has fewer digits of rows with this mean and standard deviation, ``(d,)``, than a source should keep."""
    return jnp.result_type(float) != jnp.float64 and _measured(mean, spread).spreads > near()


def mean_and_spread(rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean and standard deviation ``(d,)`` of rows ``(N, d)``; exactly 0 for a coordinate that does not vary."""
    # in units of a power of 2, which rounds nothing, so that no square overflows
    unit = np.ldexp(1.0, np.frexp(np.abs(rows).max(0))[1] - 1)
    apart = rows / unit - rows[0] / unit
    return rows[0] + apart.mean(0) * unit, apart.std(0) * unit


def exactly(source: Any) -> Any:
    """``source`` with its numbers in float64 on the host, where it keeps them besides those of the type in force.

    Raises
    ------
    ValueError
        If the source is traced, and so the digits that its type lacks are out of reach.
    """
    exact = getattr(source, "exact", None)
    if exact is None:
        return source
    if traced(source):
        raise ValueError(
            f"a source so far from 0 cannot be traced in {jnp.result_type(float)}: make it outside of jax.jit and jax.vmap, and close "
            "over it; or set jax.config.update('jax_enable_x64', True)"
        )
    field = "points" if hasattr(source, "points") else "params"
    held = getattr(source, field)
    # dataclasses.replace leaves them behind
    return dataclasses.replace(source, **{field: exact if _rounds_to(exact, held) else held, "exact": None})


def place(
    family: Any, source: Any, regime: Any, observables: dict[str, Any], about: Any = FIND, *, host: bool = True
) -> Placed:
    """Centre what a run needs to be centred; ``about`` a given location, or about none, if it goes on from there.

    ``host`` says that the trace comes back to the host, where a location may be added in float64.

    Raises
    ------
    ValueError
        If the source lies beyond ``limit()``, and the family, the regime or an observable needs its rows where they lie.
    """
    where = None if about is FIND else about
    exact = exactly(source)
    if about is not FIND:
        source = _moved(exact, 0.0 if where is None else -where) if where is not None or exact is not source else source
    elif not traced(source):
        source, where = _found(family, source, exact, regime, observables, host)
    seen = {name: _about(observable, where) for name, observable in observables.items()}
    if where is not None:
        back = jnp.asarray(where, jnp.result_type(float))
        seen = {name: o if _centred(o, host) else InPlace(o, back) for name, o in seen.items()}
    return Placed(source, seen, where)


def restored(trace: dict[str, np.ndarray], observables: dict[str, Any], location: np.ndarray | None) -> dict[str, Any]:
    """``trace`` with the location added, in float64, to what moves with the rows."""
    if location is None:
        return trace
    moves = {name for name, observable in observables.items() if marks(observable).shifts}
    return {name: values.astype(np.float64) + location if name in moves else values for name, values in trace.items()}


def _found(
    family: Any, source: Any, exact: Any, regime: Any, observables: dict[str, Any], host: bool
) -> tuple[Any, np.ndarray | None]:
    held = source if exact is source else _moved(exact, 0.0)
    offset = None if getattr(family, "bounded", False) else _offset(exact)
    own = getattr(getattr(source, "family", None), "data", None)
    # a law of the family's own kind that has no location gives data sets, not rows
    if offset is None or offset.spreads <= near() or (own is family.data and not _movable(source)):
        return held, None
    fixed = [f"the family {type(family).__name__}"] * (not getattr(family, "equivariant", False))
    fixed += [f"the regime {regime!r}"] * (not getattr(regime, "equivariant", False))
    fixed += [f"the source {type(source).__name__}"] * (not _movable(source))
    seen = [f"the observable {name!r}" for name, o in observables.items() if not _centred(o, host)]
    if offset.spreads > limit() and fixed + seen:
        raise ValueError(_refusal((fixed + seen)[0], offset))
    return (held, None) if fixed else (_moved(exact, -offset.mean), offset.mean)


def _refusal(what: str, offset: _Offset) -> str:
    dtype, j = jnp.result_type(float), offset.column
    single = "set jax.config.update('jax_enable_x64', True), or " if dtype == jnp.float32 else ""
    return (
        f"{what} needs the rows where they lie, and {dtype} cannot hold them there: coordinate {j} of the source has the mean "
        f"{offset.mean[j]:.6g} and the standard deviation {offset.spread[j]:.3g}, so it lies {offset.spreads:.3g} spreads from 0, "
        f"more than {limit():.6g}; {single}subtract a constant from the rows"
    )


def _offset(source: Any) -> _Offset | None:
    points = getattr(source, "points", None)
    if points is not None:
        if points.ndim != 2 or not jnp.issubdtype(points.dtype, jnp.floating):
            return None
        mean, spread = mean_and_spread(np.asarray(points, np.float64))
    else:
        with jax.ensure_compile_time_eval():  # within a function that is traced, too
            moments = source.moments()
        if moments is None:
            return None
        mean, covariance = (np.asarray(moment, np.float64) for moment in moments)
        if mean.ndim != 1 or covariance.shape != (mean.size, mean.size):
            return None
        spread = np.sqrt(np.diagonal(covariance))
    return _measured(mean, spread)


def _measured(mean: np.ndarray, spread: np.ndarray) -> _Offset:
    varies = np.isfinite(mean) & (spread > 0)
    spreads = np.where(varies, np.abs(mean) / np.where(varies, spread, 1.0), 0.0)
    return _Offset(mean, spread, float(spreads.max()), int(spreads.argmax()))


def _movable(source: Any) -> bool:
    return hasattr(source, "points") or hasattr(getattr(source, "params", None), "moved")


def _moved(source: Any, by: Any) -> Any:
    """The source moved by ``by`` in float64, in the type in force."""
    if hasattr(source, "points"):
        rows = np.asarray(source.points, np.float64) + by
        return dataclasses.replace(source, points=jnp.asarray(rows, jnp.result_type(float)))

    def cast(tree: Any, into: Any, dtype: Any) -> Any:
        real = lambda leaf: jnp.issubdtype(leaf.dtype, jnp.floating)  # noqa: E731
        return jax.tree.map(lambda leaf: into(leaf, dtype) if real(leaf) else leaf, tree)

    exact = cast(source.params, np.asarray, np.float64)
    moved = exact.moved(np.broadcast_to(by, np.shape(source.params.mean)))
    return dataclasses.replace(source, params=cast(moved, jnp.asarray, jnp.result_type(float)))


def _rounds_to(exact: Any, held: Any) -> bool:
    flat: list[Any] = [jax.tree.flatten(tree) for tree in (exact, held)]
    (numbers, structure), (kept, other) = flat
    return structure == other and all(
        np.array_equal(np.asarray(a).astype(b.dtype), b) for a, b in zip(numbers, kept, strict=True)
    )


def _centred(observable: Any, host: bool) -> bool:
    """Whether it may see centred parameters."""
    shifts = marks(observable).shifts
    return shifts is not None and (host or not shifts)


def _about(tree: Any, location: np.ndarray | None) -> Any:
    """The same, with every observable in it that holds real data about ``location``."""
    holds = lambda node: hasattr(node, "about")  # noqa: E731
    return jax.tree.map(lambda node: node.about(location) if holds(node) else node, tree, is_leaf=holds)


@part
class InPlace:
    """An observable of parameters, and of a truth, that were moved back to where the rows lie."""

    observable: Any
    location: jax.Array  # (d,)

    @property
    def marks(self) -> Marks:
        return dataclasses.replace(marks(self.observable), shifts=None)

    def check(self, params: Any) -> None:
        if hasattr(self.observable, "check"):
            self.observable.check(params)

    def start(self, truth: Any, first: Any) -> Any:
        return self.observable.start(self._truth(truth), self._state(first))

    def update(self, carry: Any, state: Any, truth: Any) -> Any:
        return self.observable.update(carry, self._state(state), self._truth(truth))

    def read(self, carry: Any, state: Any, truth: Any) -> Any:
        return self.observable.read(carry, self._state(state), self._truth(truth))

    def _state(self, state: Any) -> Any:
        return dataclasses.replace(state, params=state.params.moved(self.location))

    def _truth(self, truth: Any) -> Any:
        return truth.moved(self.location) if hasattr(truth, "moved") else truth

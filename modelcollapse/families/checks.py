"""What families refuse of a source before anything is compiled, by messages that name the rows or columns at fault."""

from __future__ import annotations

from collections.abc import Callable

import jax.numpy as jnp
import numpy as np

from modelcollapse.data import row_type
from modelcollapse.laws import Table, rows_of
from modelcollapse.protocols import Family, Source


def dimension(family: Family, source: Source) -> int:
    """d of the rows ``(n, d)`` of ``source``; TypeError if it gives anything else."""
    shape, dtype = row_type(source)
    if len(shape) != 1 or not jnp.issubdtype(dtype, jnp.floating):
        raise TypeError(
            f"source must give rows of real numbers, shape (n, d), for {type(family).__name__}; "
            f"this {type(source).__name__} gives {dtype} of shape {('n', *shape)}. "
            "Integer vectors are states: give measurements as floats, or as shape (n, 1)"
        )
    return shape[0]


def check_one_column(family: Family, source: Source) -> None:
    """Refuse sources that do not give rows ``(n, 1)`` of real numbers."""
    d = dimension(family, source)
    if d != 1:
        raise ValueError(f"source must give rows with one column for {type(family).__name__}, got {d} columns")


def check_table(family: Family, source: Source, bad: Callable[[np.ndarray], np.ndarray], what: str) -> None:
    """Refuse a table with rows that the family cannot have."""
    points = rows_of(source)
    if points is not None and (wrong := bad(np.asarray(points)[:, 0])).any():
        raise ValueError(
            f"rows must be {what} for {type(family).__name__}, "
            f"got {np.asarray(points)[wrong][0, 0]} in row {int(wrong.argmax())}"
        )


def check_apart(family: Family, source: Source, end: float) -> None:
    """Refuse a table whose rows all lie at the ``end`` of the family's range, where its fit is infinite."""
    points = rows_of(source)
    if points is not None and bool((np.asarray(points) == np.asarray(end, points.dtype)).all()):
        raise ValueError(
            f"rows must not all be {end:g} for {type(family).__name__}: "
            "the fit to such a table is infinite on its log scale"
        )


def check_spanned(family: Family, source: Source, instead: str = "") -> None:
    """Refuse a table whose rows span fewer than d dimensions: no covariance fitted to them has full rank.

    The ValueError names the columns at fault; ``instead`` is what the caller may do besides leaving them out.
    """
    if not isinstance(source, Table):
        return
    points, names = source.points, source.names
    n, d = points.shape
    needs = f"rows must span all {d} dimensions for {type(family).__name__}, and " if d > 1 else ""
    if n == 1:
        raise ValueError(f"{needs}this table has a single row: give more rows{instead}")
    constant, empty = unspanned(np.asarray(points))
    if len(constant) == d:
        raise ValueError(f"{needs}all {n} rows of this table are equal: no spread can be fitted to them{instead}")
    if len(constant):
        verb, them = ("is", "it") if len(constant) == 1 else ("are", "them")
        raise ValueError(f"{needs}{_listed(constant, names)} {verb} constant: leave {them} out{instead}")
    if len(empty):
        dependent = np.flatnonzero((np.abs(empty) > 1e-6).any(0))
        different = len(np.unique(np.asarray(points), axis=0))
        remedy = (
            f"give more than the {different} different rows of this table"
            if different <= d
            else "leave one of them out"
        )
        raise ValueError(f"{needs}{_listed(dependent, names)} are linearly dependent: {remedy}{instead}")


def unspanned(points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Columns of rows ``(n, d)`` that are constant ``(c,)``, and directions ``(m, d)`` in which the others do not vary.

    The directions are those of standardised columns. A direction counts as spanned if the rows differ along it by more
    than twice the rounding of their own entries.
    """
    largest = np.abs(points).max(0).astype(np.float64)
    scaled = points / np.where(largest > 0, largest, 1.0)
    spread = np.where(np.ptp(scaled, axis=0) > 0, scaled.std(0), 0.0)
    rounding = np.finfo(points.dtype).eps * np.sqrt((scaled**2).mean(0))
    constant = spread <= rounding
    varying = np.flatnonzero(~constant)
    standard = (scaled - scaled.mean(0))[:, varying] / spread[varying]
    _, found, directions = np.linalg.svd(np.linalg.qr(standard / np.sqrt(len(points)), mode="r"), full_matrices=True)
    values = np.zeros(varying.size)
    values[: found.size] = found
    empty = directions[
        values <= 2 * np.sqrt(((directions * (rounding / np.where(constant, 1.0, spread))[varying]) ** 2).sum(1))
    ]
    return np.flatnonzero(constant), np.eye(points.shape[1])[varying].T.dot(empty.T).T


def _listed(columns: np.ndarray, names: tuple | None) -> str:
    """``columns 0 ('a') and 2 ('c')``, at most five of them."""
    said = [f"{j}" if names is None else f"{j} ({names[j]!r})" for j in columns[:5]]
    *first, last = said + ([f"{len(columns) - 5} more"] if len(columns) > 5 else [])
    return f"column{'s' if len(columns) > 1 else ''} " + (f"{', '.join(first)} and {last}" if first else last)

r"""Robust fits of one column: a t law by maximum likelihood, and a normal law by median and median deviation.

Both fit location and scale by means that gross errors hardly move. Neither stops collapse: where a chain sees nothing
but its own output, the logarithm of the scale walks by independent steps all the same, and faster than by the standard
deviation, as less of the data is used.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from modelcollapse import arguments
from modelcollapse.data import Rows
from modelcollapse.families.checks import check_one_column, check_spanned
from modelcollapse.families.gaussian import Gaussian, Normal
from modelcollapse.families.student import Student, student_rows
from modelcollapse.laws import law_of
from modelcollapse.protocols import Count, Number, Params, Source
from modelcollapse.pytree import part, static

NORMAL_MAD = 1.482602218505602
r"""1 over the median of \|z\|, z standard normal, which is 0.67448975."""


def median_and_deviation(rows: Rows) -> tuple[jax.Array, jax.Array]:
    """Median of the rows ``(capacity, 1)`` that are there, and the median of their distances from it, each ``()``."""
    points, n = rows.points[:, 0], rows.count

    def median(values: jax.Array) -> jax.Array:
        ordered = jnp.sort(jnp.where(rows.present, values, jnp.inf))
        low, high = ordered[jnp.maximum(n - 1, 0) // 2], ordered[n // 2]
        return low + 0.5 * (high - low)

    middle = median(points)
    return middle, median(jnp.abs(points - middle))


@part
class MedianMAD:
    r"""A normal law fitted by the median and 1.4826 times the median absolute deviation. Parameters: a ``Normal``.

    The factor :math:`1/\Phi^{-1}(3/4)` makes the scale right for endless normal data (Hampel 1974). Nearly half of the
    rows may be anything. For many normal rows the scale varies as if there were 2.7 times fewer of them, and the median
    as if 1.6 times fewer, so without gross errors a chain collapses faster. Rows with one column, at least 2; a fit
    fails where more than half of them are equal.
    """

    data = Rows
    equivariant = True
    default_observables = ("mean", "log_variance")

    def draw(self, key: jax.Array, params: Normal, n: Count, capacity: int) -> Rows:
        return self.draw_rows(key, params, n, capacity)

    def draw_rows(self, key: jax.Array, params: Normal, n: Count, capacity: int) -> Rows:
        return Gaussian().draw_rows(key, params, n, capacity)

    def summarise(self, rows: Rows) -> Rows:
        return rows

    def fit(self, key: jax.Array, data: Rows, previous: Normal | None) -> Normal:
        middle, deviation = median_and_deviation(data)
        return Normal(*_line(middle, jnp.log(deviation) + float(np.log(NORMAL_MAD))))

    def blend(self, previous: Normal, fitted: Normal, rate: Number) -> Normal:
        """Linear in the mean and in the logarithm of the scale."""
        return _blended(previous, fitted, rate)

    def check(self, source: Source, sizes: np.ndarray) -> None:
        """Refuse sources without one column of numbers, equal rows, and sizes below 2."""
        _check(self, source, sizes)

    def project(self, source: Source) -> Normal | None:
        """A normal law is its own fit to endless data; of other laws it is not known."""
        law = law_of(source, MedianMAD)
        return law_of(source, Gaussian) if law is None else law

    limit = project


@part
class StudentT:
    r"""A t law of known degrees of freedom, location and scale by maximum likelihood. Parameters: a ``Student``.

    Draws are t rows, and the fit weighs each row by :math:`(k + 1)/(k + z^2)`, z its distance from the location in
    scales: far rows count little (Lange, Little and Taylor 1989). The iterations of ``EM``, with the extended step of
    Kent, Tyler and Vardi (1994), that divides by the sum of the weights, start at median and median deviation. A fixed
    number of them is taken. Rows with one column, more than 1 + 1/k.

    Parameters
    ----------
    dof
        k, positive, not necessarily whole. As it grows this becomes ``Gaussian(ddof=0)``.
    iterations
        The default, 100, leaves an error below the rounding of float32 for k >= 1.
    """

    dof: Number
    iterations: int = static(default=100)

    data = Rows
    equivariant = True
    default_observables = ("mean", "log_pivots")

    def __post_init__(self) -> None:
        arguments.converted(self, dof=arguments.positive, iterations=arguments.count)

    def law(self, location: Number, scale: Number) -> Student:
        """The law of one column with this location and scale, each ``()``."""
        dtype = jnp.result_type(float)
        return self._law(jnp.asarray(location, dtype), jnp.log(jnp.asarray(scale, dtype)))

    def _law(self, location: jax.Array, log_scale: jax.Array) -> Student:
        return Student(*_line(location, log_scale), jnp.asarray(self.dof, location.dtype))

    def draw(self, key: jax.Array, params: Student, n: Count, capacity: int) -> Rows:
        return self.draw_rows(key, params, n, capacity)

    def draw_rows(self, key: jax.Array, params: Student, n: Count, capacity: int) -> Rows:
        return student_rows(key, params, n, capacity)

    def summarise(self, rows: Rows) -> Rows:
        return rows

    def fit(self, key: jax.Array, data: Rows, previous: Student | None) -> Student:
        middle, deviation = median_and_deviation(data)
        there = data.present
        apart = jnp.where(there, data.points[:, 0] - middle, 0.0)
        unit = jnp.where(deviation > 0, deviation, jnp.abs(apart).max())
        z = apart / jnp.where(unit > 0, unit, 1.0)
        k = jnp.asarray(self.dof, z.dtype)

        def step(_: int, found: tuple[jax.Array, jax.Array]) -> tuple[jax.Array, jax.Array]:
            location, square = found
            weights = jnp.where(there, 1 / (k * square + (z - location) ** 2), 0.0)
            weights = weights / weights.sum()
            location = (weights * z).sum()
            return location, (weights * (z - location) ** 2).sum()

        start = jnp.zeros((), z.dtype), jnp.ones((), z.dtype)
        location, square = lax.fori_loop(0, self.iterations, step, start)
        return self._law(middle + unit * location, jnp.log(unit) + 0.5 * jnp.log(square))

    def blend(self, previous: Student, fitted: Student, rate: Number) -> Student:
        """Linear in the location and in the logarithm of the scale."""
        return _blended(previous, fitted, rate)

    def check(self, source: Source, sizes: np.ndarray) -> None:
        """Refuse sources without one column of numbers, equal rows, and sizes too small for a largest likelihood."""
        _check(self, source, sizes)
        smallest, k = int(sizes.min()), float(np.asarray(self.dof))
        if smallest * k <= 1 + k:
            raise ValueError(
                f"size must be more than 1 + 1/dof = {1 + 1 / k:g} for StudentT, got {smallest}: the likelihood of so "
                "few rows has no maximum"
            )

    def project(self, source: Source) -> Student | None:
        """A t law of these degrees of freedom is its own fit to endless data; of other laws it is not known."""
        law: Student | None = law_of(source, StudentT)
        same = law is not None and (arguments.traced((law.dof, self.dof)) or bool(np.isclose(law.dof, self.dof)))
        return law if same else None


def _line(location: jax.Array, log_scale: jax.Array) -> tuple[jax.Array, jax.Array, jax.Array]:
    """Mean ``(1,)``, unit factor ``(1, 1)`` and log scale ``(1,)`` of a law on the line."""
    return location[None], jnp.ones((1, 1), location.dtype), log_scale[None]


def _blended(previous: Params, fitted: Params, rate: Number) -> Params:
    return jax.tree.map(lambda old, new: old + rate * (new - old), previous, fitted)


def _check(family: MedianMAD | StudentT, source: Source, sizes: np.ndarray) -> None:
    check_one_column(family, source)
    check_spanned(family, source)
    if sizes.min() < 2:
        raise ValueError(f"size must be at least 2 for a scale fitted by {type(family).__name__}, got {sizes.min()}")

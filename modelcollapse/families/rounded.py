"""Finite precision: parameters, and the rows that are drawn, are kept in a floating type of few digits."""

from __future__ import annotations

import functools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from modelcollapse import arguments, protocols
from modelcollapse.data import Rows
from modelcollapse.families.gaussian import Normal
from modelcollapse.families.wrapping import Wrapper, continuing, inherits
from modelcollapse.protocols import Count, Family, Number, Params
from modelcollapse.pytree import part, static

TYPES = ("float16", "bfloat16", "float32")


def rounded(values: jax.Array, dtype: str) -> jax.Array:
    """The nearest numbers of the type ``dtype``, ties to even, in the type of ``values``.

    Subnormal numbers are included, those of bfloat16 in double precision only.
    """
    info = jnp.finfo(dtype)
    if jnp.finfo(values.dtype).nmant <= info.nmant:
        return values
    # not a cast there and back, which a compiler may leave out
    exponent = jnp.maximum(jnp.frexp(values)[1] - 1, info.minexp) - info.nmant
    nearest = jnp.ldexp(jnp.rint(jnp.ldexp(values, -exponent)), exponent)
    largest = np.asarray(float(info.max), values.dtype)
    return jnp.where(jnp.abs(nearest) > largest, jnp.copysign(jnp.asarray(jnp.inf, values.dtype), values), nearest)


@part
class Written:
    """A normal law as plain numbers: mean ``(d,)`` and lower triangular factor ``(d, d)``, which may be 0."""

    mean: jax.Array
    factor: jax.Array

    @property
    def covariance_factor(self) -> jax.Array:
        return self.factor

    @property
    def covariance(self) -> jax.Array:
        return self.factor @ self.factor.T

    @property
    def variance(self) -> jax.Array:
        """``(d,)``."""
        return (self.factor**2).sum(1)


@functools.singledispatch
def written(params: Params) -> Params:
    """Parameters in the form in which a program would keep them: no logarithms in place of scales."""
    return params


@functools.singledispatch
def unwritten(params: Params) -> Params:
    """The parameters that ``written`` was given, but for rounding."""
    return params


@written.register
def _(params: Normal) -> Written:
    return Written(params.mean, params.factor)


@unwritten.register
def _(params: Written) -> Normal:
    pivots = jnp.diagonal(params.factor)
    there = pivots > 0
    unit = jnp.where(
        there[None], params.factor / jnp.where(there, pivots, 1.0)[None], jnp.eye(pivots.size, dtype=pivots.dtype)
    )
    return Normal(params.mean, unit, jnp.log(pivots))


@part
@inherits(
    protocols.Checks, protocols.Projects, protocols.Blends, protocols.Validates, protocols.KeepsRows, protocols.Works,
    protocols.SeesLaws, protocols.Continues, protocols.NeedsItems, protocols.Bounded, protocols.HasFeatures,
    protocols.Observed, protocols.ByRows,
)  # fmt: skip
class Rounded(Wrapper):
    r"""``family`` as a program with few digits runs it: every fit and every row drawn is rounded to ``dtype``.

    Rows of a standard deviation :math:`\sigma` around :math:`\mu`, where numbers are h apart, gain the variance
    :math:`h^2/12` of the rounding at every fit (Sheppard 1898), as long as :math:`\sigma` is not far below h. So a
    ``Gaussian`` chain does not die out once :math:`\sigma` passes h: rounding feeds it, as a ridge :math:`h^2/12`
    would, and its variance settles near :math:`M h^2/12`. Only small samples are ever absorbed: all rows equal, the
    standard deviation exactly 0 from then on (``absorbed``). See ``modelcollapse_theory.precision``.

    Fits are computed in the type of the run (``float32``, or ``float64`` if enabled) and then rounded, to nearest and
    ties to even. A type no shorter than that changes nothing.

    Parameters
    ----------
    dtype
        ``"float16"``, ``"bfloat16"`` or ``"float32"``.
    rows
        False: only the fits are rounded, and data sets are the family's own. Then no draw is ever absorbed: once
        :math:`\sigma` is below h/2 the mean stands still, and :math:`\sigma` goes on to the smallest number of the
        type.
    """

    family: Family
    dtype: str = static(default="float16")
    rows: bool = static(default=True)

    def __post_init__(self) -> None:
        dtype = arguments.checker(arguments.choice, TYPES)
        arguments.converted(self, family=arguments.family, dtype=dtype, rows=arguments.flag)
        if self.rows and isinstance(self.family, protocols.SeesLaws):
            raise TypeError(
                f"Rounded(..., rows=True) cannot wrap {type(self.family).__name__}, "
                "which draws no rows: pass rows=False"
            )

    @property
    def data(self) -> type:
        return Rows if self.rows else self.family.data

    def draw(self, key: jax.Array, params: Params, n: Count, capacity: int, given: Rows | None = None) -> Any:
        if self.rows:
            return self.draw_rows(key, params, n, capacity, given)
        return self.family.draw(key, unwritten(params), n, capacity, **continuing(given))

    def draw_rows(self, key: jax.Array, params: Params, n: Count, capacity: int, given: Rows | None = None) -> Rows:
        return self._kept(self.family.draw_rows(key, unwritten(params), n, capacity, **continuing(given)))

    def summarise(self, rows: Rows) -> Any:
        return self._kept(rows) if self.rows else self.family.summarise(rows)

    def fit(self, key: jax.Array, data: Any, previous: Params | None) -> Params:
        previous = None if previous is None else unwritten(previous)
        fitted = written(self.family.fit(key, self.family.summarise(data) if self.rows else data, previous))
        return self._rounded(fitted)

    def blend(self, previous: Params, fitted: Params, rate: Number) -> Params:
        """That of the family, of what is kept."""
        return self._rounded(self.family.blend(previous, fitted, rate))  # type: ignore[attr-defined]

    def valid(self, params: Params) -> jax.Array:
        """Whether plain numbers are finite: a scale of 0 is one of them. Other parameters: as the family says."""
        if unwritten(params) is params:
            return self.family.valid(params)  # type: ignore[attr-defined]
        return jnp.stack([jnp.isfinite(leaf).all() for leaf in jax.tree.leaves(params)]).all()

    def with_room(self, params: Params, capacity: int) -> Params:
        return written(self.family.with_room(unwritten(params), capacity))  # type: ignore[attr-defined]

    def workspace(self, params: Params) -> int:
        return self.family.workspace(jax.eval_shape(jax.vmap(unwritten), params))  # type: ignore[attr-defined]

    def continued_rows(self, rows: Rows) -> Rows:
        return self.family.continued_rows(self._kept(rows))  # type: ignore[attr-defined]

    def _kept(self, rows: Rows) -> Rows:
        return Rows(self._rounded(rows.points), rows.count)

    def _rounded(self, tree: Params) -> Params:
        real = lambda leaf: jnp.issubdtype(leaf.dtype, jnp.floating)  # noqa: E731
        return jax.tree.map(lambda leaf: rounded(leaf, self.dtype) if real(leaf) else leaf, tree)

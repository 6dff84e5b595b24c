"""Truncation: the tail of a model never comes out."""

from __future__ import annotations

import math
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import ArrayLike

from modelcollapse import arguments, protocols
from modelcollapse.data import Rows
from modelcollapse.families.checks import dimension
from modelcollapse.families.selecting import Drawing, Selecting, check_items, kind
from modelcollapse.families.wrapping import described, inherits
from modelcollapse.laws import Law, outcome
from modelcollapse.protocols import Count, Family, Number, Params, Source
from modelcollapse.pytree import part

NODES, FAR = 64, 12.0
"""Of the rule, and where a normal law ends as far as floats can tell, in standard deviations."""


@part
@inherits(protocols.Checks, protocols.Equivariant, protocols.Bounded)
class Truncated(Selecting):
    r"""``family``, whose models give out their law without its tail, normalised; real data stay as they are.

    On states, ``top_k`` keeps the k most probable, and ``top_p`` the fewest most probable that weigh P or more
    together (to rounding); with both, P is a share of what k leaves. Among equals the lower state comes first, as in
    ``jax.lax.top_k``, so that never more than k come out. A normal law in one dimension gives out what is ``within`` c
    standard deviations of its mean: rows, and the fit is to their moments. What cuts nothing off (``top_k`` >= K,
    ``top_p`` = 1, ``within`` = inf) is the family itself, bit for bit.

    Parameters
    ----------
    family
        ``Discrete``, ``Gaussian`` or ``GaussianMean``, or a wrapper of one that keeps its laws.
    top_k
        k >= 1, on states.
    top_p
        P in (0, 1], on states.
    within
        c > 0, for a normal law; infinity cuts nothing off.

    Raises
    ------
    TypeError, ValueError
        If a cut is not given, lies out of range, or is none for the laws of this family.
    """

    family: Family
    top_k: Any = None
    top_p: Number | None = None
    within: Number | None = None

    def __post_init__(self) -> None:
        optional = arguments.optional
        arguments.converted(
            self,
            family=arguments.family,
            top_k=optional(arguments.count),
            top_p=optional(arguments.number, low=0.0, high=1.0, open_low=True),
            within=optional(_width),
        )
        found, on_states = kind(self.family), self.top_k is not None or self.top_p is not None
        if not found:
            raise TypeError(
                f"family must be Discrete, Gaussian or GaussianMean for Truncated, got {described(self.family)}"
            )
        if found == "states" and (not on_states or self.within is not None):
            raise ValueError(f"give top_k or top_p for {described(self.family)}, got {self._cuts()}")
        if found == "normal" and (on_states or self.within is None):
            raise ValueError(f"give within for {described(self.family)}, got {self._cuts()}")
        if self.by_rows:
            check_items(self.family)

    def _cuts(self) -> str:
        return f"top_k={self.top_k!r}, top_p={self.top_p!r}, within={self.within!r}"

    @property
    def by_rows(self) -> bool:
        return kind(self.family) == "normal"

    def check(self, source: Source, sizes: np.ndarray) -> None:
        self.family.check(source, sizes)  # type: ignore[attr-defined]
        if self.by_rows and (d := dimension(self, source)) != 1:
            raise ValueError(f"source must give rows with one column for Truncated(within=), got {d} columns")

    def altered(self, law: Law) -> Law:
        return Law(law.family, kept(law.params, self.top_k, self.top_p))

    def draw(self, key: jax.Array, params: Params, n: Count, capacity: int, given: Rows | None = None) -> Any:
        cut = Selecting.draw(self, key, params, n, capacity, given)
        if not self.by_rows:
            return cut
        whole, endless = self.family.draw(key, params, n, capacity), jnp.isinf(jnp.asarray(self.within))
        return jax.tree.map(lambda a, b: jnp.where(endless, a, b), whole, cut)

    def picked(self, key: jax.Array, n: jax.Array, capacity: int, draw: Drawing) -> Rows:
        if draw.normal is None:
            raise TypeError(
                f"family must draw one data set of a normal law for Truncated(within=), got {described(self.family)}: "
                "an Ensemble may have samples='one'"
            )
        dtype = draw.normal.mean.dtype
        width = jnp.asarray(self.within, dtype)
        cut = jax.random.truncated_normal(key, -width, width, (capacity, 1), dtype)
        return Rows(jnp.where(jnp.isinf(width), draw.candidates(key, n, capacity), cut), n)

    def moments_out(self, params: Params) -> tuple[jax.Array, jax.Array] | None:
        """Mean ``(1,)`` and covariance ``(1, 1)``, by a Gauss-Legendre rule over the half of the law that is left."""
        law = outcome(Law(self.family, params)).params
        dtype = law.mean.dtype
        nodes, weights = (jnp.asarray(x, dtype) for x in np.polynomial.legendre.leggauss(NODES))
        z = 0.5 * (1 + nodes) * jnp.minimum(jnp.asarray(self.within, dtype), FAR)
        mass = weights * jnp.exp(-0.5 * z**2)
        return law.mean, law.covariance * ((mass * z**2).sum() / mass.sum())


def _width(name: str, value: ArrayLike) -> float:
    # infinity is no finite number, and means that nothing is cut off
    endless = isinstance(value, float | np.floating) and value == np.inf
    return np.inf if endless else arguments.positive(name, value)


def kept(p: jax.Array, top_k: Count | None, top_p: Number | None) -> jax.Array:
    """``p`` (K,) without the states that the cuts leave out, normalised; ``p`` itself where that is none."""
    order = jnp.argsort(-p, stable=True)
    ordered = p[order]
    rank = jnp.arange(p.size, dtype=jnp.int32)
    stays = jnp.ones(p.size, bool)
    if top_k is not None:
        stays = rank < jnp.asarray(top_k, jnp.int32)
    if top_p is not None:
        share = jnp.asarray(top_p, p.dtype)
        before = jnp.cumsum(jnp.where(stays, ordered, 0.0))
        whole = before[-1]
        before = jnp.concatenate([jnp.zeros(1, p.dtype), before[:-1]])
        # a sum that is P but for its rounding, as of 3 states of 0.1 each, is P
        slack = 2 * (math.log2(p.size) + 2) * jnp.finfo(p.dtype).eps
        stays &= (share >= 1) | (before < (share - slack) * whole)
    stays = jnp.zeros(p.size, bool).at[order].set(stays)
    out = jnp.where(stays, p, 0.0)
    return jnp.where((stays | (p == 0)).all(), p, out / out.sum())

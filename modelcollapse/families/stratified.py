"""Stratified draws: every state comes out as often as its share of the sample size says, up to one item."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp

from modelcollapse import arguments, protocols
from modelcollapse.addresses import CLASS_LABEL, STRATA_OFFSET, STRATA_ORDER, fold
from modelcollapse.data import Counts, Rows
from modelcollapse.families.conditional import Conditional, Conditioned
from modelcollapse.families.wrapping import Wrapper, described, inherits
from modelcollapse.protocols import Count, Family, Params
from modelcollapse.pytree import part
from modelcollapse.sampling import float64, keys

_BITS = 32
"""An item is 2**32 parts, the resolution of the common offset."""


def systematic(key: jax.Array, n: Count, law: jax.Array) -> jax.Array:
    r"""Counts ``(K,)`` int32 of ``n`` items in proportion to ``law`` ``(K,)``, each the floor or ceiling of n p.

    .. math:: N_k = \lfloor C_k + u \rfloor - \lfloor C_{k-1} + u \rfloor, \qquad C_k = n (p_1 + \dots + p_k), \quad
              u \sim U(0, 1)

    in integers, an item being :math:`2^{32}` parts: the total is n exactly, and :math:`E N_k = n p_k`. A share of a
    whole number of items, up to the rounding of ``law`` to its type, counts as whole; nothing is random about it then.
    The largest share takes what rounding leaves. -1 where ``law`` is no law. Source: Madow and Madow, "On the theory of
    systematic sampling", Ann. Math. Statist. 15 (1944).
    """
    (offset,) = keys.words(keys.materialised(key), (1,))[0]
    return at_offset(offset, n, law)


def at_offset(offset: jax.Array, n: Count, law: jax.Array) -> jax.Array:
    """``systematic`` with the common offset u given as the uint32 of :math:`2^{32} u`."""
    n = jnp.asarray(n, jnp.int32)
    largest = law.argmax()
    sound = jnp.isfinite(law).all() & (law >= 0).all() & (law.sum() > 0)
    with float64():
        wide = jnp.where(sound, law, 1.0).astype(jnp.float64)
        expected = n.astype(jnp.float64) * (wide / wide.sum())
        nearest = jnp.round(expected)
        # both the entry and the sum of all were rounded
        rounding = expected * (2.0 * float(jnp.finfo(law.dtype).eps))
        expected = jnp.where(jnp.abs(expected - nearest) <= rounding, nearest, expected)
        whole = jnp.floor(expected)
        parts = (whole.astype(jnp.int64) << _BITS) + jnp.floor((expected - whole) * 2.0**_BITS).astype(jnp.int64)
        left = (n.astype(jnp.int64) << _BITS) - parts.sum()
        parts = parts.at[largest].add(left)
        bounds = (jnp.cumsum(parts) + offset.astype(jnp.int64)) >> _BITS
        counts = jnp.diff(bounds, prepend=jnp.zeros(1, jnp.int64)).astype(jnp.int32)
    return jnp.where(sound, counts, -1)


def in_random_order(key: jax.Array, counts: jax.Array, capacity: int) -> Rows:
    """The items of ``counts`` ``(K,)`` as rows of states ``(capacity,)`` int32, in random order."""
    ends = jnp.cumsum(counts, dtype=jnp.int32)
    items = jnp.searchsorted(ends, jnp.arange(capacity, dtype=jnp.int32), side="right").astype(jnp.int32)
    there = Rows(jnp.minimum(items, counts.size - 1), ends[-1])
    return there.take(key, there.count, capacity)


@part
@inherits(
    protocols.Checks, protocols.Projects, protocols.Blends, protocols.Rests, protocols.Validates, protocols.KeepsRows,
    protocols.NeedsItems, protocols.Bounded, protocols.HasFeatures, protocols.Observed, protocols.OfKind,
)  # fmt: skip
class Stratified(Wrapper):
    r"""``family``, but a model's items come in proportion to its law: M of them hold each state the floor or the
    ceiling of :math:`M p` times, by systematic sampling.

    For families of counts, ``Discrete`` first of all, and for the classes of ``Conditional``. A refit then lowers the
    expected heterozygosity H by at most :math:`K/(4 M^2)`, where independent items take :math:`H/M`; with a constant M
    under ``Replace`` nothing is lost after the first fit, as later data sets equal it exactly. Items are dependent, and
    a model's law must be known when it is sampled. Real draws stay independent. Where a regime draws from several laws,
    as ``Mixture`` does, how many items each gives is drawn first, and what each model gives is stratified. States
    follow one another in their own order, so that neighbours share a rounding.

    Raises
    ------
    TypeError
        For a family without states: one whose data sets are not counts, other than ``Conditional``.
    """

    family: Family

    def __post_init__(self) -> None:
        arguments.converted(self, family=arguments.family)
        changed = isinstance(self.family, protocols.GivesOut | protocols.Multiplies)
        counts = self.family.data is Counts and not changed
        if not counts and not isinstance(self.family, Conditional):
            raise TypeError(
                "Stratified needs a family of counts, such as Discrete, or the classes of Conditional; got "
                f"{described(self.family)}. A wrapper of what a model gives out goes around Stratified"
            )

    def draw(self, key: jax.Array, params: Params, n: Count, capacity: int, given: Rows | None = None) -> Any:
        if isinstance(params, Conditioned):
            return self.draw_rows(key, params, n, capacity)
        return Counts(systematic(fold(key, STRATA_OFFSET), n, params))

    def draw_rows(self, key: jax.Array, params: Params, n: Count, capacity: int, given: Rows | None = None) -> Rows:
        """Rows in random order."""
        if not isinstance(params, Conditioned):
            return self._states(key, params, n, capacity)
        chosen = self._states(fold(key, CLASS_LABEL), params.frequencies, n, capacity)
        return self.family.rows_of_classes(key, params, chosen)  # type: ignore[attr-defined]

    def _states(self, key: jax.Array, law: jax.Array, n: Count, capacity: int) -> Rows:
        return in_random_order(fold(key, STRATA_ORDER), systematic(fold(key, STRATA_OFFSET), n, law), capacity)

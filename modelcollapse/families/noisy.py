"""Noise on what a model gives out."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from modelcollapse import arguments, protocols
from modelcollapse.data import Rows, rank_one_update
from modelcollapse.families.checks import dimension
from modelcollapse.families.gaussian import Normal
from modelcollapse.families.selecting import Drawing, Selecting, candidate, check_items, kind
from modelcollapse.families.wrapping import described, inherits
from modelcollapse.laws import Law
from modelcollapse.protocols import Family, Number, Source
from modelcollapse.pytree import part


@part
@inherits(protocols.Checks, protocols.Equivariant)
class Noisy(Selecting):
    r"""``family``, whose models give out rows with normal noise on each coordinate; real data stay as they are.

    A normal law becomes the normal law with covariance :math:`\Sigma + s^2 I`, whose moments are drawn at once; for any
    other family the noise is added to the rows. ``scale`` 0 is the family itself (of a normal law bit for bit).
    Families of states and tokens, and those whose rows hold labels, are refused: put the noise within them. Noise may
    leave the range of a family of positive rows, whose fit then fails.

    Parameters
    ----------
    family
        A family of rows of real numbers.
    scale
        Standard deviation s >= 0 of the noise, in the unit of the rows.

    Raises
    ------
    TypeError, ValueError
        If the rows of the family or of a source are no real numbers, or ``scale`` is negative.
    """

    family: Family
    scale: Number

    def __post_init__(self) -> None:
        arguments.converted(self, family=arguments.family, scale=arguments.deviation)
        words = isinstance(self.family, protocols.ReadsTokens) or kind(self.family) == "states"
        if words or isinstance(self.family, protocols.HasFeatures):
            what = "states or tokens" if words else "rows with labels"
            raise TypeError(
                f"family must have rows of real numbers for Noisy, got {described(self.family)}, which has {what}"
            )

        if self.by_rows:
            check_items(self.family)

    @property
    def by_rows(self) -> bool:
        return kind(self.family) != "normal"

    def check(self, source: Source, sizes: np.ndarray) -> None:
        self.family.check(source, sizes)  # type: ignore[attr-defined]
        dimension(self, source)

    def altered(self, law: Law) -> Law:
        params: Any = law.params
        unit, log_scale = params.unit, params.log_scale
        step = jnp.log(jnp.asarray(self.scale, params.mean.dtype))
        for axis in jnp.eye(params.mean.size, dtype=params.mean.dtype):
            unit, log_scale = rank_one_update(unit, log_scale, axis, step)
        return Law(law.family, Normal(params.mean, unit, log_scale))

    def picked(self, key: jax.Array, n: jax.Array, capacity: int, draw: Drawing) -> Rows:
        drawn, luck = candidate(key, 0)
        points = draw.candidates(drawn, n, capacity)
        noise = jax.random.normal(luck, points.shape, points.dtype)
        return Rows(points + jnp.asarray(self.scale, points.dtype) * noise, n)

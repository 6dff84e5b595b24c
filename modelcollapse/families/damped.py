"""A partial refit: the new model stays close to the old one, as a warm start with few steps does."""

from __future__ import annotations

from typing import Any

import jax

from modelcollapse import arguments, protocols
from modelcollapse.families.wrapping import Wrapper, described, inherits
from modelcollapse.protocols import Family, Number, Params
from modelcollapse.pytree import part


@part
@inherits(
    protocols.Checks, protocols.Projects, protocols.Mixes, protocols.Blends, protocols.Rests, protocols.Validates,
    protocols.KeepsRows, protocols.Works, protocols.SeesLaws, protocols.GivesOut, protocols.Continues,
    protocols.DrawsMany, protocols.NeedsItems, protocols.Labours, protocols.Equivariant, protocols.Bounded,
    protocols.ReadsTokens, protocols.HasFeatures, protocols.Observed, protocols.Multiplies, protocols.OfKind,
    protocols.ByRows, protocols.PredictsTokens, protocols.LosesOnData,
)  # fmt: skip
class Damped(Wrapper):
    """``family``, but a refit goes only the fraction ``rate`` of the way from the last parameters to the fitted ones.

    The way is the family's own ``blend``: linear in probabilities (discrete), in mean, unit factor and log pivots
    (Gaussian). ``rate`` 1 is the family itself. Generation 0 is fitted in full.
    """

    family: Family
    rate: Number

    def __post_init__(self) -> None:
        arguments.converted(self, family=arguments.family, rate=arguments.share)
        if not isinstance(self.family, protocols.Blends):
            raise TypeError(
                f"{described(self.family)} has no meaningful blend of two fits (its parameters have no fixed labels), "
                "so it cannot be damped; use a family with a `blend`, such as Gaussian or Discrete"
            )

    def fit(self, key: jax.Array, data: Any, previous: Params | None) -> Params:
        fitted = self.family.fit(key, data, previous)
        return fitted if previous is None else self.family.blend(previous, fitted, self.rate)  # type: ignore[attr-defined]

"""More items of a model than a regime asks for: what sampling loses at a fit goes down in proportion."""

from __future__ import annotations

from typing import Any

import jax

from modelcollapse import arguments, protocols
from modelcollapse.data import Rows
from modelcollapse.families.wrapping import Wrapper, continuing, described, inherits
from modelcollapse.protocols import Count, Family, Params
from modelcollapse.pytree import part, static


@part
@inherits(
    protocols.Checks, protocols.Projects, protocols.Blends, protocols.Rests, protocols.Validates, protocols.KeepsRows,
    protocols.NeedsItems, protocols.Works, protocols.Labours, protocols.Equivariant, protocols.Bounded,
    protocols.ReadsTokens, protocols.HasFeatures, protocols.Observed, protocols.OfKind, protocols.ByRows,
    protocols.PredictsTokens, protocols.LosesOnData,
)  # fmt: skip
class Oversampled(Wrapper):
    """``family``, but a model gives ``times`` items wherever a regime asks it for one; real draws are as asked.

    Under ``Replace`` a data set of M real items is followed by data sets of ``times * M`` synthetic ones, as with
    ``size=[M, times * M, times * M, ...]``; a regime with r real items beside s synthetic ones gets r and
    ``times`` s. Where a regime draws from several laws, as ``Mixture`` does, how many items each gives is drawn first.
    ``times`` 1 is the family itself. What a regime keeps of a data set, it counts in items, as ever.

    Raises
    ------
    TypeError
        For a family that is fitted to laws, which has no items, or that continues rows one by one.
    """

    family: Family
    times: int = static()

    def __post_init__(self) -> None:
        arguments.converted(self, family=arguments.family, times=arguments.count)
        if isinstance(self.family, protocols.SeesLaws | protocols.Continues):
            why = "is fitted to laws" if isinstance(self.family, protocols.SeesLaws) else "continues rows one by one"
            raise TypeError(f"Oversampled needs a family that draws items, and {described(self.family)} {why}")

    def draw(self, key: jax.Array, params: Params, n: Count, capacity: int, given: Rows | None = None) -> Any:
        return self.family.draw(key, params, n * self.times, capacity * self.times, **continuing(given))

    def draw_rows(self, key: jax.Array, params: Params, n: Count, capacity: int, given: Rows | None = None) -> Rows:
        return self.family.draw_rows(key, params, n * self.times, capacity * self.times, **continuing(given))

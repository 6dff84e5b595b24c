"""A partial refit: the new model stays close to the old one, as a warm start with few steps does."""

from __future__ import annotations

from typing import Any

import jax

from modelcollapse import arguments
from modelcollapse.data import Rows
from modelcollapse.pytree import part


@part
class Damped:
    """``family``, but each refit moves only the share ``rate`` of the way from the previous parameters to the fitted ones.

    The way is the family's own ``blend``: linear in probabilities (discrete), in mean, unit factor and log pivots (Gaussian). ``rate`` 1 is
    the family itself. Generation 0 is fitted in full.
    """

    family: Any
    rate: Any

    def __post_init__(self) -> None:
        arguments.converted(self, family=arguments.family, rate=arguments.share)
        if not hasattr(self.family, "blend"):
            raise TypeError(
                f"{type(self.family).__name__} has no meaningful blend of two fits (its parameters have no fixed labels), "
                "so it cannot be damped; use a family with a `blend`, such as Gaussian or Discrete"
            )

    @property
    def data(self) -> Any:
        return self.family.data

    def draw(self, key: jax.Array, params: Any, n: Any, capacity: int) -> Any:
        return self.family.draw(key, params, n, capacity)

    def draw_rows(self, key: jax.Array, params: Any, n: Any, capacity: int) -> Rows:
        return self.family.draw_rows(key, params, n, capacity)

    def summarise(self, rows: Rows) -> Any:
        return self.family.summarise(rows)

    def fit(self, key: jax.Array, data: Any, previous: Any) -> Any:
        fitted = self.family.fit(key, data, previous)
        return fitted if previous is None else self.family.blend(previous, fitted, self.rate)

    def __getattr__(self, name: str) -> Any:
        # optional abilities (project, check, mix) are those of the family within
        if name.startswith("_") or name in ("family", "rate"):
            raise AttributeError(name)
        return getattr(self.family, name)

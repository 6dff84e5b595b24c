"""Learning by a draw from the posterior: the prior comes back at each fit, so a chain forgets instead of collapsing."""

from __future__ import annotations

import dataclasses
from typing import Any

import jax
import numpy as np

from modelcollapse import arguments, protocols
from modelcollapse.data import Moments, Rows
from modelcollapse.families import conjugate
from modelcollapse.families.checks import dimension
from modelcollapse.families.prior import check_target, target, target_in
from modelcollapse.families.student import Student, student_rows
from modelcollapse.families.wrapping import Wrapper, described, inherits
from modelcollapse.protocols import Count, Data, Family, Number, Params, Source
from modelcollapse.pytree import part, static


@part
@inherits(
    protocols.Projects, protocols.Limits, protocols.Mixes, protocols.Blends, protocols.Works, protocols.Observed,
)  # fmt: skip
class Posterior(Wrapper):
    r"""``family`` fitted by a draw from the posterior of a prior that is worth ``strength`` items at ``base``.

    ``Discrete``, ``Poisson``, ``Gamma`` and ``Gaussian`` have such priors (``families.conjugate`` lists them); the
    estimator of the family, and so its ``ddof``, plays no part. With a proper prior, the same at all fits, the
    stationary law of the parameters under ``Replace`` is the prior itself (Griffiths and Kalish 2007): a chain forgets
    the data without collapsing. At ``strength`` 0, the reference prior, posterior noise adds to sampling noise: the
    diversity of ``Discrete`` decays by :math:`(M-1)/(M+1)` per fit, and :math:`\sigma'^2/\sigma^2 \sim F(M-1, M-1)`
    for one normal.

    Parameters
    ----------
    strength
        a, at least 0: what the prior weighs, in items. Whole or not. A ``Gaussian`` in d dimensions needs more than
        d items, real, drawn and prior ones together.
    base
        Where the prior is: a source such as ``categorical(p)`` or ``normal(0, 1)``, or parameters of the family. None,
        the default: at what is real, where that is known.
    per
        ``"fit"``: one draw of the parameters per fit. ``"item"``: one for each item that comes out, so that items
        follow the predictive law. For ``Discrete`` this is additive smoothing, ``strength / (size + strength)`` of the
        base mixed in. For ``Gaussian`` items are multivariate t and data sets are rows; parameters: a ``Student``.

    Raises
    ------
    TypeError
        For a family without such a prior, and for ``per="item"`` with one other than ``Discrete`` and ``Gaussian``.
    ValueError
        For a negative ``strength``, and for a ``base`` that is no law of the family. A run refuses a base of another
        size than its source, and no base where what is real is not known.
    """

    family: Family
    strength: Number
    base: Any = None
    per: str = static(default="fit")

    def __post_init__(self) -> None:
        per = arguments.checker(arguments.choice, ("fit", "item"))
        arguments.converted(self, family=arguments.family, strength=arguments.nonnegative, per=per)
        rule = conjugate.drawn if self.per == "fit" else conjugate.predictive
        if rule.dispatch(type(self.family)) is rule.dispatch(object):
            known = sorted(kind.__name__ for kind in rule.registry if kind is not object)
            raise TypeError(
                f"Posterior(..., per={self.per!r}) needs a family with a conjugate prior, {', '.join(known[:-1])} or "
                f"{known[-1]}; got {described(self.family)}. A wrapper goes around Posterior"
            )
        arguments.converted(self, base=arguments.optional(target, self.family))

    @property
    def data(self) -> type:
        return Rows if self._makes_rows else self.family.data

    @property
    def _makes_rows(self) -> bool:
        """Whether the mean and scatter of the items that come out have no law to be drawn from at once."""
        return self.per == "item" and self.family.data is Moments

    def draw(self, key: jax.Array, params: Params, n: Count, capacity: int, given: Rows | None = None) -> Any:
        if self._makes_rows:
            return self.draw_rows(key, params, n, capacity)
        return self.family.draw(key, params, n, capacity)

    def draw_rows(self, key: jax.Array, params: Params, n: Count, capacity: int, given: Rows | None = None) -> Rows:
        if isinstance(params, Student):
            return student_rows(key, params, n, capacity)
        return self.family.draw_rows(key, params, n, capacity)

    def summarise(self, rows: Rows) -> Any:
        return rows if self._makes_rows else self.family.summarise(rows)

    def fit(self, key: jax.Array, data: Data, previous: Params | None) -> Params:
        rule = conjugate.drawn if self.per == "fit" else conjugate.predictive
        if isinstance(data, Rows):
            data = self.family.summarise(data)
        return rule(self.family, key, data, self.strength, target_in(self.base, self))

    def told(self, source: Source) -> Posterior:
        """This family with what the source tells the family within, and with its base where none is given."""
        family = self.family.told(source) if isinstance(self.family, protocols.Informed) else self.family
        base = family.project(source) if self.base is None else self.base  # type: ignore[attr-defined]
        return dataclasses.replace(self, family=family, base=base)

    def check(self, source: Source, sizes: np.ndarray) -> None:
        """Refuse what the family refuses of a source, a base of another size, and fits with too few items."""
        least = 0
        if self.family.data is Moments:
            least = dimension(self, source) + 1
            smallest = int(sizes.min())
            if self.strength == 0 and smallest < least:
                raise ValueError(
                    f"size must be at least d + 1 = {least} for Posterior(Gaussian) with strength 0, got {smallest}"
                )
            if not smallest + self.strength > least - 1:
                raise ValueError(
                    f"size + strength must be more than d = {least - 1} for Posterior(Gaussian), got "
                    f"{smallest} + {self.strength:g}"
                )
        if isinstance(self.family, protocols.Checks):
            self.family.check(source, np.maximum(sizes, least))
        check_target("base", self.base, self, source)

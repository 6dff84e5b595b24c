"""Fits that are drawn a fixed part of the way to one law: collapse meets a force that does not tire."""

from __future__ import annotations

import dataclasses
import functools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from modelcollapse import arguments, protocols
from modelcollapse.data import rank_one_update
from modelcollapse.families.discrete import Discrete
from modelcollapse.families.exact import Exact
from modelcollapse.families.exponential import Binomial, NegativeBinomial, Poisson
from modelcollapse.families.gaussian import Gaussian, GaussianMean, Normal
from modelcollapse.families.posterior import Posterior
from modelcollapse.families.prior import check_target, target, target_in
from modelcollapse.families.wrapping import Wrapper, described, inherits
from modelcollapse.protocols import Data, Family, Number, Params, Source
from modelcollapse.pytree import part


@functools.singledispatch
def between(family: Family, fitted: Params, to: Params, weight: Number) -> Params:
    """The law with the moments of ``fitted``, weighing ``1 - weight``, and of ``to``, weighing ``weight``."""
    raise NotImplementedError


@between.register(Discrete)
@between.register(Poisson)
@between.register(Binomial)
@between.register(NegativeBinomial)
@between.register(GaussianMean)
def _(family: protocols.Blends, fitted: Params, to: Params, weight: Number) -> Params:
    return family.blend(fitted, to, weight)  # linear in what is fitted


@between.register
def _(family: Gaussian, fitted: Normal, to: Normal, weight: Number) -> Normal:
    """By a rank-one update for each column of the factor of ``to``, in log scale: no covariance is formed."""
    b = jnp.asarray(weight, fitted.mean.dtype)

    def add(factor: tuple[jax.Array, jax.Array], column: tuple[jax.Array, jax.Array]) -> tuple[Any, None]:
        return rank_one_update(*factor, *column), None

    start = fitted.unit, fitted.log_scale + 0.5 * jnp.log1p(-b)
    (unit, log_scale), _ = lax.scan(add, start, (to.unit.T, to.log_scale + 0.5 * jnp.log(b)))
    return Normal(fitted.mean + b * (to.mean - fitted.mean), unit, log_scale)


@between.register(Exact)
@between.register(Posterior)
def _(family: Wrapper, fitted: Params, to: Params, weight: Number) -> Params:
    return between(family.family, fitted, to, weight)


def lies_between(family: Family) -> bool:
    """Whether two laws of the family have one between them."""
    if isinstance(family, Exact | Posterior):
        family = family.family if isinstance(family, Exact) or family.per == "fit" else family
        return not isinstance(family, Posterior) and lies_between(family)
    return between.dispatch(type(family)) is not between.dispatch(object)


@part
@inherits(
    protocols.Projects, protocols.Mixes, protocols.Blends, protocols.Validates, protocols.Works, protocols.SeesLaws,
    protocols.DrawsMany, protocols.Observed,
)  # fmt: skip
class Shrunk(Wrapper):
    r"""``family``, but each fit is drawn the part ``weight`` of the way to the law ``to``, fixed for good.

    Linear in mean and covariance for ``Gaussian``: :math:`\mu' = (1-b)\hat\mu + b\mu_{to}` and :math:`\Sigma' =
    (1-b)\hat\Sigma + b\Sigma_{to}`, without the distance of the means. Linear in the probabilities for ``Discrete``,
    and in the mean for the families of counts and ``GaussianMean``. One normal with k = M - 1 degrees of freedom then
    has a stationary variance of mean :math:`\sigma_{to}^2`, and of finite variance if :math:`(1-b)^2 (1 + 2/k) < 1`.
    ``weight`` 0 is the family itself, and 1 stays at ``to``. Generation 0 is drawn there as all others are.

    Parameters
    ----------
    to
        A source such as ``normal(0, 1)``, or parameters of the family: an archived fit, for instance
        ``fitted.params``. None: what is real, where that is known.
    weight
        b, from 0 to 1.

    Raises
    ------
    TypeError
        For a family in which two laws have none between them. ``Exact`` goes inside: ``Shrunk(Exact(family), ...)``.
    ValueError
        For a ``weight`` outside [0, 1], and for ``to`` that is no law of the family; a run refuses one of another size.
    """

    family: Family
    to: Any
    weight: Number

    def __post_init__(self) -> None:
        arguments.converted(self, family=arguments.family, weight=arguments.share)
        if not lies_between(self.family):
            known = sorted(kind.__name__ for kind in between.registry if kind not in (object, Exact, Posterior))
            raise TypeError(
                f"Shrunk needs a family in which two laws have one between them, {', '.join(known[:-1])} or "
                f"{known[-1]}; got {described(self.family)}"
            )
        arguments.converted(self, to=arguments.optional(target, self.family))

    def fit(self, key: jax.Array, data: Data, previous: Params | None) -> Params:
        fitted = self.family.fit(key, data, previous)
        return between(self.family, fitted, target_in(self.to, self), self.weight)

    def told(self, source: Source) -> Shrunk:
        """This family with what the source tells the family within, and with its law where none is given."""
        family = self.family.told(source) if isinstance(self.family, protocols.Informed) else self.family
        to = family.project(source) if self.to is None else self.to  # type: ignore[attr-defined]
        return dataclasses.replace(self, family=family, to=to)

    def check(self, source: Source, sizes: np.ndarray) -> None:
        """Refuse what the family refuses, and a law of another size."""
        if isinstance(self.family, protocols.Checks):
            self.family.check(source, sizes)
        check_target("to", self.to, self, source)

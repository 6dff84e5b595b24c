"""Endless data: a fit to the law itself, so that no sampling error is left."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from modelcollapse import arguments, protocols
from modelcollapse.data import Rows
from modelcollapse.families.wrapping import Wrapper, described, inherits
from modelcollapse.laws import Law, outcome
from modelcollapse.protocols import Count, Family, Number, Params, Source
from modelcollapse.pytree import part


@part
class Known:
    """A law by its mean ``(d,)`` and covariance ``(d, d)``, which is all that some families can see of it."""

    mean: jax.Array
    covariance: jax.Array

    def moments(self) -> tuple[jax.Array, jax.Array]:
        """Mean and covariance, as they were given."""
        return self.mean, self.covariance

    def mixed(self, other: Known, weight: jax.Array) -> Known:
        """The mixture in which this law weighs ``weight`` and the other the rest."""
        gap = other.mean - self.mean
        covariance = weight * self.covariance + (1 - weight) * other.covariance
        return Known(
            weight * self.mean + (1 - weight) * other.mean,
            covariance + weight * (1 - weight) * gap[:, None] * gap[None],
        )


@part(formerly=["modelcollapse.Fitted"])
class KnownLaw(Law):
    """A law of a family, as data."""

    def mixed(self, other: KnownLaw, weight: jax.Array) -> KnownLaw:
        """As for ``Known``, where the mixture is a law of the family."""
        if not isinstance(self.family, protocols.Mixes):
            raise TypeError(
                f"endless data of {type(self.family).__name__} cannot be pooled: what it would be fitted to by a "
                "mixture of two laws is not known; use Replace"
            )
        weights = jnp.stack([weight, 1 - weight])
        return KnownLaw(self.family, self.family.mix(weights, jnp.stack([self.params, other.params])))


@part
class Endless:
    """An infinite data set: the law that it is drawn from, and the sample size as which it counts in a pool."""

    size: jax.Array  # ()
    law: Known | KnownLaw

    def __or__(self, other: Endless) -> Endless:
        total = self.size + other.size
        dtype = jnp.result_type(float)
        weight = self.size.astype(dtype) / jnp.where(total > 0, total, 1).astype(dtype)
        return Endless(total, self.law.mixed(other.law, weight))  # type: ignore[arg-type]

    def mixed(self, other: Endless, weight: Number) -> Endless:
        """The pool in which these draws weigh ``weight`` in all and the other's the rest."""
        mass = jnp.asarray(weight, jnp.result_type(float))
        return Endless(self.size + other.size, self.law.mixed(other.law, mass))  # type: ignore[arg-type]

    def take(self, key: jax.Array, n: Count, capacity: int) -> Endless:
        """A random subset of infinitely many draws is as good as all of them."""
        return Endless(jnp.minimum(jnp.asarray(n, self.size.dtype), self.size), self.law)

    @staticmethod
    def capacity_for(size: int) -> int:
        """0: a law takes the same room whatever the size."""
        return 0


@part
@inherits(
    protocols.Projects, protocols.Blends, protocols.Validates, protocols.Equivariant, protocols.Bounded,
    protocols.Observed, protocols.OfKind,
)  # fmt: skip
class Exact(Wrapper):
    """``family`` fitted to infinitely many draws in place of each data set: all errors but the statistical one stay.

    Sample sizes count only as the weights of what is pooled, and small-sample corrections (``ddof``) are void. Nothing
    is random, so one chain says all. The family must say what endless data teach it (``limit``), from a law of its own
    or from a mean and covariance: ``Gaussian``, ``Discrete``, ``PPCA``, ``Regression``, ``Binomial`` and its kin. A
    covariance is a plain matrix here: its condition may reach 1e15 (float32: 1e6), and each fit rounds it.
    """

    family: Family

    data = Endless
    deterministic = True

    def __post_init__(self) -> None:
        arguments.converted(self, family=arguments.family)
        if not isinstance(self.family, protocols.Limits):
            raise TypeError(
                f"what {described(self.family)} learns from infinitely many draws is not known (it has no `limit`), so "
                "Exact cannot have it; use a family with one, such as Gaussian, Discrete, PPCA or Regression. A "
                "wrapper goes around Exact: Damped(Exact(family), rate)"
            )

    def population(self, law: Source, n: Count) -> Endless:
        """The data set that infinitely many draws of ``law`` give, which weighs as ``n`` in a pool."""
        if isinstance(law, Law) and isinstance(law.family, protocols.SeesLaws):
            law = Law(self.family, law.params)  # a model: its draws are those of the family within
        seen = self._seen(outcome(law))
        if seen is None:
            raise TypeError(
                f"what {type(self.family).__name__} would be fitted to by infinitely many draws of this "
                f"{type(law).__name__} is not known: give a law or a table whose moments it can be fitted to"
            )
        return Endless(jnp.asarray(n), seen)

    def draw(self, key: jax.Array, params: Params, n: Count, capacity: int, given: Rows | None = None) -> Endless:
        return self.population(Law(self.family, params), n)

    def summarise(self, rows: Rows) -> Any:
        raise TypeError("Exact cannot be fitted to rows; wrap the data as a law: table(rows)")

    def fit(self, key: jax.Array, data: Endless, previous: Params | None) -> Params:
        return self.family.limit(data.law)  # type: ignore[attr-defined]

    def check(self, source: Source, sizes: np.ndarray) -> None:
        self.population(source, sizes[0])
        if isinstance(self.family, protocols.Checks):
            self.family.check(source, sizes)

    def _seen(self, law: Source) -> Known | KnownLaw | None:
        limit = self.family.limit  # type: ignore[attr-defined]
        if isinstance(self.family, protocols.Mixes):
            params = limit(law)
            # a law that data come from, which no wrapper of what a model gives out changes
            return None if params is None else KnownLaw(outcome(Law(self.family, params)).family, params)
        moments = law.moments()
        known = None if moments is None else Known(*moments)
        if known is not None and limit(known) is not None:
            return known
        if not isinstance(law, Law) or limit(law) is None:
            return None
        return KnownLaw(law.family, law.params)

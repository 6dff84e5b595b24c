"""Endless data: a fit to the law itself, so that no sampling error is left."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from modelcollapse import arguments
from modelcollapse.data import Rows
from modelcollapse.pytree import part


@part
class Known:
    """A law by its mean ``(d,)`` and covariance ``(d, d)``, which is all that some families can see of it."""

    mean: jax.Array
    covariance: jax.Array

    def moments(self) -> tuple[jax.Array, jax.Array]:
        return self.mean, self.covariance

    def mixed(self, other: Known, share: jax.Array) -> Known:
        """The mixture in which this law weighs ``share`` and the other the rest."""
        gap = other.mean - self.mean
        covariance = share * self.covariance + (1 - share) * other.covariance
        return Known(
            share * self.mean + (1 - share) * other.mean, covariance + share * (1 - share) * gap[:, None] * gap[None]
        )


@part
class Fitted:
    """A law of a family, by its parameters."""

    family: Any
    params: Any

    def moments(self) -> None:
        return None

    def mixed(self, other: Fitted, share: jax.Array) -> Fitted:
        """As for ``Known``, where the mixture is a law of the family."""
        if not hasattr(self.family, "mix"):
            raise TypeError(
                f"endless data of {type(self.family).__name__} cannot be pooled: what it would be fitted to by a mixture of "
                "two laws is not known; use Replace"
            )
        weights = jnp.stack([share, 1 - share])
        return Fitted(self.family, self.family.mix(weights, jnp.stack([self.params, other.params])))


@part
class Endless:
    """What infinitely many draws tell: the law that they come from, and the number that they weigh as in a pool."""

    size: jax.Array  # ()
    law: Any

    def __or__(self, other: Endless) -> Endless:
        total = self.size + other.size
        dtype = jnp.result_type(float)
        share = self.size.astype(dtype) / jnp.where(total > 0, total, 1).astype(dtype)
        return Endless(total, self.law.mixed(other.law, share))

    def mixed(self, other: Endless, weight: Any) -> Endless:
        """The pool in which these draws weigh ``weight`` in all and the other's the rest."""
        return Endless(self.size + other.size, self.law.mixed(other.law, jnp.asarray(weight, jnp.result_type(float))))

    def take(self, key: jax.Array, n: Any, capacity: int) -> Endless:
        """A random subset of infinitely many draws is as good as all of them."""
        return Endless(jnp.minimum(jnp.asarray(n, self.size.dtype), self.size), self.law)

    def with_room(self, capacity: int) -> Endless:
        return self

    @staticmethod
    def capacity_for(size: int) -> int:
        """0: a law takes the same room whatever the size."""
        return 0


@part
class Exact:
    """``family`` fitted to infinitely many draws in place of each data set: the statistical error is off, all others stay.

    Sample sizes count only as the weights of what is pooled, and small-sample corrections (``ddof``) are void. Nothing is
    random, so one chain says all. The family must say what endless data teach it (``limit``), from a law of its own or from
    a mean and covariance: ``Gaussian``, ``Discrete``, ``PPCA``, ``Regression``, ``Binomial`` and its kin. A covariance is a
    plain matrix here: its condition may reach 1e15 (float32: 1e6), and each fit rounds it.
    """

    family: Any

    data = Endless
    deterministic = True

    def __post_init__(self) -> None:
        arguments.converted(self, family=arguments.family)
        if not hasattr(self.family, "limit"):
            raise TypeError(
                f"what {type(self.family).__name__} learns from infinitely many draws is not known (it has no `limit`), so "
                "Exact cannot have it; use a family with one, such as Gaussian, Discrete, PPCA or Regression. A wrapper goes "
                "around Exact: Damped(Exact(family), rate)"
            )

    def population(self, law: Any, n: Any) -> Endless:
        """The data set that infinitely many draws of ``law`` give, which weighs as ``n`` in a pool."""
        if hasattr(getattr(law, "family", None), "population"):
            law = type(law)(self.family, law.params)  # a model: its draws are those of the family within
        seen = self._seen(law)
        if seen is None:
            raise TypeError(
                f"what {type(self.family).__name__} would be fitted to by infinitely many draws of this {type(law).__name__} "
                "is not known: give a law or a table whose moments it can be fitted to"
            )
        return Endless(jnp.asarray(n), seen)

    def draw(self, key: jax.Array, params: Any, n: Any, capacity: int) -> Endless:
        from modelcollapse.laws import Law

        return self.population(Law(self.family, params), n)

    def draw_rows(self, key: jax.Array, params: Any, n: Any, capacity: int) -> Rows:
        """Rows to look at; a fit never sees them."""
        return self.family.draw_rows(key, params, n, capacity)

    def summarise(self, rows: Rows) -> Any:
        raise TypeError("Exact is fitted to laws, not to rows: rows of data are a law by table(rows)")

    def fit(self, key: jax.Array, data: Endless, previous: Any) -> Any:
        return self.family.limit(data.law)

    def check(self, source: Any, sizes: np.ndarray) -> None:
        self.population(source, sizes[0])
        if hasattr(self.family, "check"):
            self.family.check(source, sizes)

    def _seen(self, law: Any) -> Any:
        if hasattr(self.family, "mix"):
            params = self.family.limit(law)
            return None if params is None else Fitted(self.family, params)
        moments = law.moments()
        known = None if moments is None else Known(*moments)
        if known is not None and self.family.limit(known) is not None:
            return known
        own = hasattr(law, "params") and self.family.limit(law) is not None
        return Fitted(law.family, law.params) if own else None

    def __getattr__(self, name: str) -> Any:
        # what does not draw is that of the family within
        if name in ("project", "blend", "equivariant"):
            return getattr(self.family, name)
        raise AttributeError(name)

"""Several refits per generation, and their mean: worth more data if each has a sample of its own, else nothing."""

from __future__ import annotations

import dataclasses
from typing import Any

import jax
import jax.numpy as jnp

from modelcollapse import arguments, protocols
from modelcollapse.addresses import ENSEMBLE, fold
from modelcollapse.data import Rows
from modelcollapse.families.discrete import Discrete
from modelcollapse.families.shrunk import between, lies_between
from modelcollapse.families.wrapping import Wrapper, described, inherits
from modelcollapse.laws import law_of
from modelcollapse.protocols import Count, Data, Family, Params, Source
from modelcollapse.pytree import part, static


@part
class Several:
    """A data set for each of several refits: leaves of ``sets`` have the refit as first axis. All are of one size."""

    sets: Any

    @property
    def size(self) -> jax.Array:
        """Of one of them."""
        return jax.vmap(lambda one: one.size)(self.sets)[0]

    def __or__(self, other: Several) -> Several:
        return Several(jax.vmap(lambda one, more: one | more)(self.sets, other.sets))

    @staticmethod
    def capacity_for(size: int) -> int:
        """The next power of two, so that nearby sample sizes share one compilation."""
        return 1 << max(int(size) - 1, 1).bit_length()


@part
@inherits(protocols.Checks, protocols.Projects, protocols.Blends, protocols.Validates, protocols.Observed)
class Ensemble(Wrapper):
    r"""The mean of ``refits`` fits of ``family``: in the probabilities (``Discrete``), in mean and covariance
    (``Gaussian``), in the mean (the families of counts, ``GaussianMean``).

    For ``Discrete`` that is the mixture of the fitted models. k refits to samples of their own, M items each, lose as
    much as one refit to k M items; the mean of k variances with :math:`\nu` degrees of freedom drifts by
    :math:`\psi(k\nu/2) - \ln(k\nu/2)` per fit. k refits to one sample are one refit, unless fits are random, as those
    of ``Posterior`` are. The mixture of k normal laws is no normal law: this is the one with the mean of their means
    and of their covariances.

    Parameters
    ----------
    refits
        k, at least 1. 1 is the family itself.
    samples
        ``"own"``: a model's items are drawn anew for each refit, ``size`` for each of them. Real items are the same for
        all. ``"one"``: all refits see the same data set.

    Raises
    ------
    TypeError
        For a family in which fits have no mean, and for ``samples="own"`` with data sets that are rows. Under a regime
        that takes subsets, ``"own"`` is refused.
    """

    family: Family
    refits: int = static()
    samples: str = static(default="own")

    def __post_init__(self) -> None:
        samples = arguments.checker(arguments.choice, ("own", "one"))
        arguments.converted(self, family=arguments.family, refits=arguments.count, samples=samples)
        if not lies_between(self.family):
            raise TypeError(f"Ensemble needs a family in which several laws have a mean; got {described(self.family)}")
        if self._own and issubclass(self.family.data, Rows):
            raise TypeError(
                f"Ensemble(..., samples='own') needs data sets other than rows, which {described(self.family)} has: "
                "use samples='one', or Oversampled"
            )

    @property
    def _own(self) -> bool:
        return self.samples == "own" and self.refits > 1

    @property
    def data(self) -> type:
        return Several if self._own else self.family.data

    def draw(self, key: jax.Array, params: Params, n: Count, capacity: int, given: Rows | None = None) -> Any:
        if not self._own:
            return self.family.draw(key, params, n, capacity)
        return Several(jax.vmap(lambda key: self.family.draw(key, params, n, capacity))(self._keys(key)))

    def draw_rows(self, key: jax.Array, params: Params, n: Count, capacity: int, given: Rows | None = None) -> Rows:
        if self._own:
            raise TypeError(
                "Ensemble(..., samples='own') draws a data set for each refit, and this regime asks for rows or for "
                "subsets: use samples='one'"
            )
        return self.family.draw_rows(key, params, n, capacity)

    def summarise(self, rows: Rows) -> Any:
        """The rows, the same for all refits."""
        one = self.family.summarise(rows)
        if not self._own:
            return one
        return Several(jax.tree.map(lambda leaf: jnp.broadcast_to(leaf, (self.refits, *leaf.shape)), one))

    def fit(self, key: jax.Array, data: Data, previous: Params | None) -> Params:
        keys = self._keys(key)
        if isinstance(data, Several):
            fits = jax.vmap(lambda key, one: self.family.fit(key, one, previous))(keys, data.sets)
        else:
            fits = jax.vmap(lambda key: self.family.fit(key, data, previous))(keys)
        each = [jax.tree.map(lambda leaf, i=i: leaf[i], fits) for i in range(self.refits)]
        mean = each[0]
        for i, one in enumerate(each[1:], 2):
            mean = between(self.family, mean, one, 1 / i)
        return mean

    def told(self, source: Source) -> Ensemble:
        """This family with what the source tells the family within, and its states, as real data come as rows."""
        family = self.family.told(source) if isinstance(self.family, protocols.Informed) else self.family
        law = law_of(source, Discrete)
        if self._own and law is not None:
            states = Discrete(law.size)
            lacks = lambda one: isinstance(one, Discrete) and one.states is None  # noqa: E731
            family = jax.tree.map(lambda one: states if lacks(one) else one, family, is_leaf=lacks)
        return dataclasses.replace(self, family=family)

    def _keys(self, key: jax.Array) -> jax.Array:
        """A key for each refit ``(refits,)``; the first is the family's own."""
        return jnp.stack([key, *(fold(fold(key, ENSEMBLE), i) for i in range(1, self.refits))])

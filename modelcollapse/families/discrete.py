"""Empirical frequencies on K states: a family without any error but sampling."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np

from modelcollapse import arguments
from modelcollapse.data import Counts, Rows, WeightedCounts, row_type
from modelcollapse.laws import Table, law_of, own_params
from modelcollapse.protocols import Count, Number, Source
from modelcollapse.pytree import part, static
from modelcollapse.sampling import categories, multinomial


@part
class Discrete:
    """The maximum-likelihood law on K states. Parameters: probabilities ``(K,)``.

    Refitting it to its own draws is the haploid Wright-Fisher chain: counts are integers that total the sample size
    exactly, and a state that was not drawn has probability exactly 0 from then on.

    Parameters
    ----------
    states
        K. Needed only where the source does not say how many there are: a table of states without names, a sampler.
    """

    states: int | None = static(default=None)

    data = Counts
    kind = "states"
    default_observables = ("heterozygosity", "support_size")

    def __post_init__(self) -> None:
        arguments.converted(self, states=arguments.optional(arguments.count))

    def draw(self, key: jax.Array, params: jax.Array, n: Count, capacity: int) -> Counts:
        return Counts(multinomial(key, n, params, capacity=capacity))

    def draw_rows(self, key: jax.Array, params: jax.Array, n: Count, capacity: int) -> Rows:
        """States ``(capacity,)`` int32, independent and in order of drawing."""
        return Rows(categories(key, params, capacity), jnp.asarray(n, jnp.int32))

    def summarise(self, rows: Rows) -> Counts:
        if self.states is None:
            raise ValueError(
                "Discrete needs the number of states to count rows, those of a table, a sampler or a score: "
                "give Discrete(states=K), got states=None"
            )
        counts = jnp.zeros(self.states, jnp.int32).at[rows.points].add(rows.present.astype(jnp.int32))
        inside = (rows.points >= 0) & (rows.points < self.states)
        # a scatter drops what lies outside in silence; -1 makes the fit fail
        return Counts(jnp.where((inside | ~rows.present).all(), counts, -1))

    def fit(self, key: jax.Array, data: Counts | WeightedCounts, previous: jax.Array | None) -> jax.Array:
        if isinstance(data, WeightedCounts):
            return self._weighted(key, data, previous)
        dtype = jnp.result_type(float) if previous is None else previous.dtype
        # XLA multiplies by the reciprocal, and 49 * (1 / 49) is not 1: a state that is left alone has probability 1
        frequencies = jnp.where(data.n == data.size, 1.0, data.n.astype(dtype) / data.size.astype(dtype))
        # counts of -1 come from weights that make no sense, or states out of range
        return jnp.where((data.n >= 0).all(), frequencies, jnp.nan)

    def _weighted(self, key: jax.Array, data: WeightedCounts, previous: jax.Array | None) -> jax.Array:
        """The mixture of two fits; a set without items or weight is not looked at, so that the other's fit stays."""
        fits = [self.fit(key, counts, previous) for counts in (data.first, data.second)]
        weight = data.weight.astype(fits[0].dtype)
        first = jnp.where(data.second.size == 0, 1.0, jnp.where(data.first.size == 0, 0.0, weight))
        return jnp.where(first >= 1, fits[0], jnp.where(first <= 0, fits[1], first * fits[0] + (1 - first) * fits[1]))

    def before(self, source: Source) -> jax.Array | None:
        return own_params(source, self)

    def at_rest(self, params: jax.Array) -> jax.Array:
        """Whether one state is left, boolean ``()``: then a refit gives the same law bit for bit."""
        return (params == 1).any()

    def workspace(self, params: jax.Array) -> int:
        """Numbers that a draw holds for each item: none, where the few states are counted as the items come."""
        return 0 if params.size <= 64 else 4

    def mix(self, weights: jax.Array, params: jax.Array) -> jax.Array:
        """The mixture law: ``weights`` (n,), ``params`` (n, K). Discrete laws are closed under mixing."""
        # the products with zero weights are exact zeros, so a corner of the simplex returns one law bit for bit
        return (weights[:, None] * params).sum(0)

    def blend(self, previous: jax.Array, fitted: jax.Array, rate: Number) -> jax.Array:
        """Linear in the probabilities."""
        return previous + rate * (fitted - previous)

    def told(self, source: Source) -> Discrete:
        """This family with the number of states that the names of a table give."""
        found = source.states if isinstance(source, Table) else None
        return self if self.states is not None or found is None else Discrete(found)

    def check(self, source: Source, sizes: np.ndarray) -> None:
        """Refuse sources that give no states, or states that this family does not have."""
        shape, dtype = row_type(source)
        if shape or not jnp.issubdtype(dtype, jnp.integer):
            raise TypeError(
                f"source must give states, integers from 0 to K - 1, for Discrete; this {type(source).__name__} gives "
                f"{dtype} of shape {('n', *shape)}: use categorical(...), a table of integers, or bin the rows"
            )
        law = law_of(source, Discrete)
        found = source.states if isinstance(source, Table) else None if law is None else law.size
        if found is not None:
            if self.states not in (None, found):
                raise ValueError(f"states must be {found}, as in the source, or None; got {self.states}")
        elif self.states is None:
            raise ValueError(
                f"states must be given for a {type(source).__name__}: Discrete(states=K), got {self!r}; "
                "or name them by labels(values)"
            )
        elif isinstance(source, Table) and (largest := int(source.points.max())) >= self.states:
            raise ValueError(
                f"states must be at least {largest + 1}, the largest state of the table plus 1; got {self.states}"
            )

    def project(self, source: Source) -> jax.Array | None:
        """The law that infinitely many draws of ``source`` would be fitted by, where it is known."""
        if isinstance(source, Table):
            return None if self.states is None else source.frequencies(self.states)
        return law_of(source, Discrete)

    limit = project

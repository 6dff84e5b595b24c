"""Empirical frequencies on K states: a family without any error but sampling."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from modelcollapse import arguments
from modelcollapse.data import Counts, Rows, row_type
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
    default_observables = ("heterozygosity", "support_size")

    def __post_init__(self) -> None:
        arguments.converted(self, states=arguments.optional(arguments.count))

    def draw(self, key: jax.Array, params: jax.Array, n: Any, capacity: int) -> Counts:
        return Counts(multinomial(key, n, params, capacity=capacity))

    def draw_rows(self, key: jax.Array, params: jax.Array, n: Any, capacity: int) -> Rows:
        """States ``(capacity,)`` int32, independent and in order of drawing."""
        return Rows(categories(key, params, capacity), jnp.asarray(n, jnp.int32))

    def summarise(self, rows: Rows) -> Counts:
        if self.states is None:
            raise ValueError("a table of states needs the number of states: Discrete(states=K)")
        counts = jnp.zeros(self.states, jnp.int32).at[rows.points].add(rows.present.astype(jnp.int32))
        inside = (rows.points >= 0) & (rows.points < self.states)
        # a scatter drops what lies outside in silence; -1 makes the fit fail
        return Counts(jnp.where((inside | ~rows.present).all(), counts, -1))

    def fit(self, key: jax.Array, data: Counts, previous: jax.Array | None) -> jax.Array:
        dtype = jnp.result_type(float) if previous is None else previous.dtype
        # XLA multiplies by the reciprocal, and 49 * (1 / 49) is not 1: what is left alone must have probability 1 exactly
        shares = jnp.where(data.n == data.size, 1.0, data.n.astype(dtype) / data.size.astype(dtype))
        # counts of -1 come from weights that make no sense, or states out of range
        return jnp.where((data.n >= 0).all(), shares, jnp.nan)

    def at_rest(self, params: jax.Array) -> jax.Array:
        """Whether one state is left, boolean ``()``: all draws are that state, so a refit to them is the same law bit for bit."""
        return (params == 1).any()

    def workspace(self, params: jax.Array) -> int:
        """Numbers that a draw holds for each item: none, where the few states are counted as the items come."""
        return 0 if params.size <= 64 else 4

    def mix(self, weights: jax.Array, params: jax.Array) -> jax.Array:
        """The mixture law: ``weights`` (n,), ``params`` (n, K). Discrete laws are closed under mixing."""
        # the products with zero weights are exact zeros, so a corner of the simplex returns one law bit for bit
        return (weights[:, None] * params).sum(0)

    def blend(self, previous: jax.Array, fitted: jax.Array, rate: Any) -> jax.Array:
        """Linear in the probabilities."""
        return previous + rate * (fitted - previous)

    def told(self, source: Any) -> Discrete:
        """This family with the number of states that the names of a table give."""
        found = getattr(source, "states", None)
        return self if self.states is not None or found is None else Discrete(found)

    def check(self, source: Any, sizes: np.ndarray) -> None:
        """Refuse sources that give no states, or states that this family does not have."""
        shape, dtype = row_type(source)
        if shape or not jnp.issubdtype(dtype, jnp.integer):
            raise TypeError(
                f"source must give states, integers from 0 to K - 1, for Discrete; this {type(source).__name__} gives "
                f"{dtype} of shape {('n', *shape)}: use categorical(...), a table of integers, or bin the rows"
            )
        own = isinstance(getattr(source, "family", None), Discrete)
        found = source.params.size if own else getattr(source, "states", None)
        if found is not None:
            if self.states not in (None, found):
                raise ValueError(f"states must be {found}, as in the source, or None; got {self.states}")
        elif self.states is None:
            raise ValueError(
                f"states must be given for a {type(source).__name__}: Discrete(states=K), got {self!r}; or name them by labels(values)"
            )
        elif hasattr(source, "points") and (largest := int(source.points.max())) >= self.states:
            raise ValueError(
                f"states must be at least {largest + 1}, the largest state of the table plus 1; got {self.states}"
            )

    def project(self, source: Any) -> jax.Array | None:
        """The law that infinitely many draws of ``source`` would be fitted by, where it is known."""
        law = getattr(source, "params", None)
        if isinstance(getattr(source, "family", None), Discrete):
            return law
        frequencies = getattr(source, "frequencies", None)
        return None if frequencies is None or self.states is None else frequencies(self.states)

    limit = project

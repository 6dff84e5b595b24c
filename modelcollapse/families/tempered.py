"""Sampling at a temperature: what a model gives out is a power of its law."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp

from modelcollapse import arguments, protocols
from modelcollapse.families.gaussian import Normal
from modelcollapse.families.selecting import kind
from modelcollapse.families.wrapping import OutputWrapper, described, inherits
from modelcollapse.laws import Law
from modelcollapse.protocols import Family, Number
from modelcollapse.pytree import part


@part
@inherits(protocols.Equivariant)
class Tempered(OutputWrapper):
    r"""``family``, whose models give out :math:`p^{1/\tau}`, normalised; real data stay as they are.

    On states the power is computed in logarithms: a probability of 0 stays 0, and equals stay equal. Of a normal law it
    is the normal law with :math:`\tau` times the covariance. ``temperature`` 1 is the family itself, bit for bit.
    Mixtures, kernels and networks are refused, since a power of such a law is none of that family.

    Parameters
    ----------
    family
        ``Discrete``, ``Gaussian`` or ``GaussianMean``, or a wrapper of one that keeps its laws.
    temperature
        :math:`\tau > 0`, a leaf: below 1 the mode gains, above 1 the tail.

    Raises
    ------
    TypeError
        If a power of the family's laws is none of its laws.
    ValueError
        If ``temperature`` is not positive.
    """

    family: Family
    temperature: Number

    def __post_init__(self) -> None:
        arguments.converted(self, family=arguments.family, temperature=arguments.positive)
        if not kind(self.family):
            raise TypeError(
                f"family must be Discrete, Gaussian or GaussianMean for Tempered, got {described(self.family)}: "
                "p^(1/temperature) of its laws is no law of that family"
            )

    def altered(self, law: Law) -> Law:
        params: Any = law.params
        if isinstance(params, Normal):
            step = 0.5 * jnp.log(jnp.asarray(self.temperature, params.mean.dtype))
            return Law(law.family, Normal(params.mean, params.unit, params.log_scale + step))
        return Law(law.family, power(params, jnp.asarray(self.temperature, params.dtype)))


def power(p: jax.Array, temperature: jax.Array) -> jax.Array:
    """``p ** (1 / temperature)`` (K,), normalised."""
    logs = jnp.log(p)
    # relative to the largest, so that not all powers underflow
    weights = jnp.exp((logs - logs.max()) / temperature)
    return jnp.where(temperature == 1, p, weights / weights.sum())

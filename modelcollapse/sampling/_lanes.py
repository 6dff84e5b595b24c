"""A kernel sees a whole batch of chains as the last axis of its arrays, where vector instructions run along it.

``jax.vmap`` puts the batch first, so that a matrix of ten by ten is walked in strips of ten; and it turns every branch and loop into one
whose condition differs from chain to chain. A kernel written for lanes decides for the batch.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jax.custom_batching import custom_vmap

# arrays of more entries a chain are vectors enough by themselves: there the chains come first
FEW = 256


def axis_of_chains(shape: tuple[int, ...]) -> int:
    """Where the batch axis of arrays of this shape is best put: last for a few numbers, first for many."""
    return -1 if math.prod(shape) <= FEW else 0


def over_lanes(kernel: Callable[..., Any]) -> Callable[..., Any]:
    """Make ``kernel``, whose arguments and results all have one trailing axis of lanes, a function of arrays without it.

    Called plainly there is one lane; under ``jax.vmap`` the batch is the lanes, and an argument that is no part of the batch has a
    trailing axis of length 1, to be broadcast. Derivatives are those of the plain call.
    """

    @functools.cache
    def batching(wide: bool) -> Callable[..., Any]:
        """``wide``: whether 64 bits are in force where the kernel is called. A batch may be formed later, outside of that."""

        def plain(*args: Any) -> Any:
            with jax.enable_x64(wide):
                out = kernel(*jax.tree.map(lambda leaf: jnp.expand_dims(leaf, -1), args))
                return jax.tree.map(lambda leaf: jnp.squeeze(leaf, -1), out)

        def batch(size: int, batched: Any, *args: Any) -> tuple[Any, Any]:
            def laned(leaf: jax.Array, has: bool) -> jax.Array:
                return jnp.moveaxis(leaf, 0, -1) if has else jnp.expand_dims(leaf, -1)

            def chains_first(leaf: jax.Array) -> jax.Array:
                return jnp.moveaxis(jnp.broadcast_to(leaf, (*leaf.shape[:-1], size)), -1, 0)

            with jax.enable_x64(wide):
                out = jax.tree.map(chains_first, kernel(*jax.tree.map(laned, args, tuple(batched))))
            return out, jax.tree.map(lambda _: True, out)

        # compiled as one, it keeps its constants to itself: a branch over chains batches them, which custom_vmap refuses
        rule = custom_vmap(jax.jit(plain))
        rule.def_vmap(batch)
        # what has a batching rule of its own has no reverse derivative; the value stays that of the rule, whose batch axes are known
        function = jax.custom_jvp(lambda *args: rule(*args))
        function.defjvp(lambda primals, tangents: (rule(*primals), jax.jvp(plain, primals, tangents)[1]))
        return function

    return functools.wraps(kernel)(lambda *args: batching(jnp.result_type(float) == jnp.float64)(*args))

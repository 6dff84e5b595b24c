"""XLA on a CPU computes a value again in every loop that reads it; what passes through here is computed once.

Its fusion pass copies cheap producers into each consumer, and twenty rounds of threefry count as cheap: two arrays that
read the same words draw them twice, an address read by a thousand items is computed a thousand times. A barrier is removed before
that pass runs. A conditional is not, and costs some twenty nanoseconds whatever the size.
"""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
from jax import lax
from jax.custom_batching import custom_vmap

from modelcollapse.sampling._lanes import axis_of_chains


def once(tree: Any) -> Any:
    """The same arrays, written to memory before anything reads them. Elsewhere than on a CPU, nothing is done."""
    return _once(tree) if jax.default_backend() == "cpu" and jax.tree.leaves(tree) else tree


def _conditional(tree: Any) -> Any:
    # true, but not to the compiler
    certain = lax.optimization_barrier(jnp.bool_(True))
    return lax.cond(certain, lambda same: same, lambda other: jax.tree.map(jnp.zeros_like, other), tree)


_batching = custom_vmap(_conditional)


@_batching.def_vmap
def _in_place(size: int, batched: Any, tree: Any) -> tuple[Any, Any]:
    """A conditional fixes the order of the axes in memory, so it must not be the batch first where a kernel has it last."""

    def axis(leaf: jax.Array, has: bool) -> int:
        return axis_of_chains(leaf.shape[1:]) if has else 0

    axes = jax.tree.map(axis, tree, batched[0])
    placed = jax.tree.map(lambda leaf, axis: jnp.moveaxis(leaf, 0, axis) if axis else leaf, tree, axes)
    out = _conditional(placed)
    return jax.tree.map(lambda leaf, axis: jnp.moveaxis(leaf, axis, 0) if axis else leaf, out, axes), batched[0]


# what has a batching rule of its own has no reverse derivative
_once = jax.custom_jvp(lambda tree: _batching(tree))
_once.defjvp(lambda primals, tangents: (_once(*primals), *tangents))


def together(first: jax.Array, second: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Two arrays of one shape and one real type, computed in one loop: as the two parts of complex numbers.

    A loop on a CPU writes one array; two that share their work would do it twice. Words are lent the type of a float, which
    moves their bits unchanged.
    """
    if jax.default_backend() != "cpu":
        return first, second
    kind = first.dtype
    if kind == jnp.uint32:
        first, second = (lax.bitcast_convert_type(a, jnp.float32) for a in (first, second))
    both = once(lax.complex(first, second))
    first, second = lax.real(both), lax.imag(both)
    if kind == jnp.uint32:
        first, second = (lax.bitcast_convert_type(a, jnp.uint32) for a in (first, second))
    return first, second

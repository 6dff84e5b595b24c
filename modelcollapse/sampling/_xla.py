"""What XLA must be told, so that a kernel runs along a whole batch of chains and computes every value once.

Lanes: ``jax.vmap`` puts the batch first, so that XLA walks a matrix of ten by ten in strips of ten, and it turns each
branch and loop into one whose condition differs from chain to chain. A kernel written for lanes has the chains as the
last axis of its arrays, where vector instructions run along it, and decides for the whole batch.

Materialising: on a CPU, XLA's fusion pass copies a cheap producer into each of its consumers, and twenty rounds of
threefry count as cheap. Two arrays that read the same words draw them twice, and an address that a thousand items read
is computed a thousand times. XLA removes a barrier before that pass runs. It keeps a conditional, which costs some
twenty nanoseconds whatever the size.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from typing import Any, TypeVar

import jax
import jax.numpy as jnp
from jax import lax
from jax.custom_batching import custom_vmap

Tree = TypeVar("Tree")

# arrays with more entries per chain are vectors enough by themselves: there the chains come first
FEW = 256


def axis_of_chains(shape: tuple[int, ...]) -> int:
    """The best batch axis for arrays of this shape: last for a few numbers per chain, first for many."""
    return -1 if math.prod(shape) <= FEW else 0


def over_lanes(kernel: Callable[..., Any]) -> Callable[..., Any]:
    """Turn ``kernel``, whose arguments and results have one trailing axis of lanes, into a function without that axis.

    A plain call has one lane. Under ``jax.vmap`` the batch becomes the lanes, and an argument outside the batch gets a
    trailing axis of length 1, to be broadcast. Derivatives are those of the plain call.
    """

    @functools.cache
    def batching(wide: bool) -> Callable[..., Any]:
        """``wide``: whether 64 bits are in force at the call. A batch may be formed later, outside that context."""

        def plain(*args: Any) -> Any:
            with jax.enable_x64(wide):
                out = kernel(*jax.tree.map(lambda leaf: jnp.expand_dims(leaf, -1), args))
                return jax.tree.map(lambda leaf: jnp.squeeze(leaf, -1), out)

        def batch(size: int, batched: list[Any], *args: Any) -> tuple[Any, Any]:
            def laned(leaf: jax.Array, has: bool) -> jax.Array:
                return jnp.moveaxis(leaf, 0, -1) if has else jnp.expand_dims(leaf, -1)

            def chains_first(leaf: jax.Array) -> jax.Array:
                return jnp.moveaxis(jnp.broadcast_to(leaf, (*leaf.shape[:-1], size)), -1, 0)

            with jax.enable_x64(wide):
                out = jax.tree.map(chains_first, kernel(*jax.tree.map(laned, args, tuple(batched))))
            return out, jax.tree.map(lambda _: True, out)

        # compiled as one function, it keeps its constants to itself: a branch over chains batches them, which
        # custom_vmap refuses
        rule = custom_vmap(jax.jit(plain))
        rule.def_vmap(batch)
        return _with_derivative(rule, lambda primals, tangents: jax.jvp(plain, primals, tangents)[1])

    return functools.wraps(kernel)(lambda *args: batching(jnp.result_type(float) == jnp.float64)(*args))


def _with_derivative(rule: Callable[..., Any], tangent: Callable[[tuple, tuple], Any]) -> Callable[..., Any]:
    """``rule`` with the derivative that ``tangent`` gives: a function with a batching rule of its own has none."""
    function = jax.custom_jvp(lambda *args: rule(*args))
    function.defjvp(lambda primals, tangents: (rule(*primals), tangent(primals, tangents)))
    return function


def materialise(tree: Tree) -> Tree:
    """The same arrays, written to memory before anything reads them. Does nothing on a device other than a CPU."""
    return _materialise(tree) if jax.default_backend() == "cpu" and jax.tree.leaves(tree) else tree


def _conditional(tree: Any) -> Any:
    # true, but not to the compiler
    certain = lax.optimization_barrier(jnp.bool_(True))
    return lax.cond(certain, lambda same: same, lambda other: jax.tree.map(jnp.zeros_like, other), tree)


_batching = custom_vmap(_conditional)


@_batching.def_vmap
def _in_place(size: int, batched: list[Any], tree: Any) -> tuple[Any, Any]:
    """A conditional fixes the order of axes in memory, so the batch must not come first where a kernel has it last."""

    def axis(leaf: jax.Array, has: bool) -> int:
        return axis_of_chains(leaf.shape[1:]) if has else 0

    axes = jax.tree.map(axis, tree, batched[0])
    placed = jax.tree.map(lambda leaf, axis: jnp.moveaxis(leaf, 0, axis) if axis else leaf, tree, axes)
    out = _conditional(placed)
    return jax.tree.map(lambda leaf, axis: jnp.moveaxis(leaf, axis, 0) if axis else leaf, out, axes), batched[0]


_materialise = _with_derivative(_batching, lambda _, tangents: tangents[0])


def materialise_pair(first: jax.Array, second: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Two arrays of one shape and one real type, computed in one loop: as the two parts of complex numbers.

    A loop on a CPU writes one array; two loops that share their work would do it twice. Words borrow the type of a
    float, which moves their bits unchanged.
    """
    if jax.default_backend() != "cpu":
        return first, second
    kind = first.dtype
    if kind == jnp.uint32:
        first, second = (lax.bitcast_convert_type(a, jnp.float32) for a in (first, second))
    both = materialise(lax.complex(first, second))
    first, second = lax.real(both), lax.imag(both)
    if kind == jnp.uint32:
        first, second = (lax.bitcast_convert_type(a, jnp.uint32) for a in (first, second))
    return first, second

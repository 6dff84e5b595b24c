"""Training by optax: an optimiser is a factory with a name and options, so that a family that holds both can be saved.

A family has the factory as a static field and its options as leaves, ``optimizer: Callable =
static(default=optax.sgd)`` and ``options: Mapping``, such as ``{"learning_rate": 0.1}``: a ``GradientTransformation``
itself is made of closures, which no file can hold. ``modelcollapse.families.optimizers`` gives the factories of optax
their names in saved runs.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import ModuleType
from typing import TYPE_CHECKING, NamedTuple

import jax
import jax.numpy as jnp
from jax.flatten_util import ravel_pytree

from modelcollapse.protocols import Count, Number, Params
from modelcollapse.pytree import register

if TYPE_CHECKING:
    import optax


def _optax() -> ModuleType:
    """The package, whose import takes a second."""
    import optax

    return optax


@register(name="modelcollapse.adam")
def adam(rate: Number = 1e-3, decay: Number = 0.0) -> optax.GradientTransformation:
    """Adam with ``decay`` times the weights added to the gradient, as PyTorch's ``weight_decay``."""
    optax = _optax()
    return optax.chain(optax.add_decayed_weights(decay), optax.scale_by_adam(), optax.scale_by_learning_rate(rate))


@register(name="modelcollapse.cosine_adamw")
def cosine_adamw(
    rate: Number = 3e-4, decay: Number = 0.01, floor: Number = 0.05, steps: Number = 1
) -> optax.GradientTransformation:
    """AdamW with a rate that falls from ``rate`` to ``floor`` times it over ``steps`` steps, as a half cosine.

    ``decay`` shrinks all weights by ``rate * decay`` a step, apart from the gradient (Loshchilov and Hutter 2019).
    """

    def schedule(step: jax.Array) -> jax.Array:
        done = jnp.minimum(step / steps, 1.0).astype(jnp.result_type(rate))
        return jnp.asarray(rate * (floor + (1 - floor) * 0.5 * (1 + jnp.cos(jnp.pi * done))))

    return _optax().adamw(schedule, weight_decay=decay)


def descend(
    loss: Callable[[Params, jax.Array], jax.Array],
    weights: Params,
    key: jax.Array,
    steps: int,
    optimizer: Callable[..., optax.GradientTransformation] = adam,
    options: Mapping[str, Number] | None = None,
) -> tuple[Params, jax.Array]:
    """``steps`` steps of ``optimizer(**options)`` on ``loss(weights, key)``, each with a key of its own.

    Returns the weights, and the losses ``(steps,)`` before each step. ``steps`` is a plain integer; options may be
    traced, and real ones get the type of the weights.
    """
    start, moved, restored = _stepper(weights, optimizer, options)

    def step(carry: tuple[jax.Array, optax.OptState], index: jax.Array) -> tuple[tuple, jax.Array]:
        here = jax.random.fold_in(key, index)
        return moved(carry, lambda weights: loss(weights, here))

    (flat, _), losses = jax.lax.scan(step, start, jnp.arange(steps, dtype=jnp.int32))
    return restored(flat), losses


class Epochs(NamedTuple):
    """A training in epochs: the best weights, and the losses of all epochs ``(epochs,)``."""

    weights: Params
    losses: jax.Array
    """Of an epoch the mean over its batches, each before its step."""
    judged: jax.Array
    """Of the weights after each epoch, by ``judge``; NaN without one."""


def descend_epochs(
    loss: Callable[[Params, jax.Array, jax.Array], jax.Array],
    weights: Params,
    key: jax.Array,
    rows: tuple[Count, int],
    epochs: int,
    batch: int,
    optimizer: Callable[..., optax.GradientTransformation] = cosine_adamw,
    options: Mapping[str, Number] | None = None,
    judge: Callable[[Params], jax.Array] | None = None,
) -> Epochs:
    """``epochs`` times through all rows in a new random order, one step of ``optimizer(**options)`` for each batch.

    ``rows`` are their number, which may be traced, and a plain integer that bounds it. ``loss(weights, chosen, there)``
    gets numbers of rows ``(batch,)`` int32, of which those ``there`` count: the last batch of an epoch may have fewer.
    ``options`` get ``steps``, the number of all steps. With ``judge(weights)`` the weights of the epoch that it gives
    the lowest number are kept, the earliest of several; otherwise the last ones.
    """
    count, capacity = rows
    count, size = jnp.asarray(count, jnp.int32), min(batch, capacity)
    room = -(-capacity // size) * size
    in_epoch = (count + (size - 1)) // size
    steps = jnp.maximum(epochs * in_epoch, 1)
    start, moved, restored = _stepper(weights, optimizer, {**(options or {}), "steps": steps})

    def epoch(carry: tuple, index: jax.Array) -> tuple[tuple, tuple[jax.Array, jax.Array]]:
        state, best, lowest = carry
        random = jax.random.bits(jax.random.fold_in(key, index), (room,), jnp.uint32)
        absent = jnp.arange(room, dtype=jnp.int32) >= count
        order = jnp.lexsort((random, absent)).astype(jnp.int32)

        def step(i: jax.Array, carry: tuple) -> tuple:
            state, total = carry
            chosen = jax.lax.dynamic_slice_in_dim(order, i * size, size)
            there = i * size + jnp.arange(size, dtype=jnp.int32) < count
            state, value = moved(state, lambda weights: loss(weights, jnp.where(there, chosen, 0), there))
            return state, total + value

        state, total = jax.lax.fori_loop(0, in_epoch, step, (state, jnp.zeros((), state[0].dtype)))
        mean = total / in_epoch.astype(total.dtype)
        if judge is None:
            return (state, state[0], lowest), (mean, jnp.full_like(mean, jnp.nan))
        judged = judge(restored(state[0]))
        best = jnp.where(judged < lowest, state[0], best)
        return (state, best, jnp.minimum(judged, lowest)), (mean, judged)

    first = (start, start[0], jnp.asarray(jnp.inf, start[0].dtype))
    (_, best, _), (losses, judged) = jax.lax.scan(epoch, first, jnp.arange(epochs, dtype=jnp.int32))
    return Epochs(restored(best), losses, judged)


def _stepper(
    weights: Params, optimizer: Callable[..., optax.GradientTransformation], options: Mapping[str, Number] | None
) -> tuple[tuple[jax.Array, optax.OptState], Callable[..., tuple[tuple, jax.Array]], Callable[[jax.Array], Params]]:
    """What a loop of steps carries at its start; a step ``(carry, loss) -> carry, value``; weights from a vector."""
    # one vector: a dozen arrays would take twice as long to compile, and no less to run
    flat, restored = ravel_pytree(weights)
    real = lambda value: jnp.issubdtype(jnp.result_type(value), jnp.floating)  # noqa: E731
    given = {name: jnp.asarray(v, flat.dtype) if real(v) else v for name, v in (options or {}).items()}
    # optax raises a float to the power of its integer counter
    with jax.numpy_dtype_promotion("standard"):
        method = optimizer(**given)

    def moved(carry: tuple[jax.Array, optax.OptState], loss: Callable[[Params], jax.Array]) -> tuple[tuple, jax.Array]:
        flat, state = carry
        value, slope = jax.value_and_grad(lambda flat: loss(restored(flat)))(flat)
        with jax.numpy_dtype_promotion("standard"):
            move, state = method.update(slope, state, flat)
        return (flat + move, state), value

    return (flat, method.init(flat)), moved, restored

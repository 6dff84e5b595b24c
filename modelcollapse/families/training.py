"""Training by optax: an optimiser is a factory with a name and options, so that a family that holds both can be saved.

A family has the factory as a static field and its options as leaves, ``optimizer: Callable =
static(default=optax.sgd)`` and ``options: Mapping``, such as ``{"learning_rate": 0.1}``: a ``GradientTransformation``
itself is made of closures, which no file can hold. ``modelcollapse.families.optimizers`` gives the factories of optax
their names in saved runs.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

import jax
import jax.numpy as jnp
from jax.flatten_util import ravel_pytree

from modelcollapse.protocols import Number, Params
from modelcollapse.pytree import register

if TYPE_CHECKING:
    import optax


@register(name="modelcollapse.adam")
def adam(rate: Number = 1e-3, decay: Number = 0.0) -> optax.GradientTransformation:
    """Adam with ``decay`` times the weights added to the gradient, as PyTorch's ``weight_decay``."""
    import optax  # takes a second

    return optax.chain(optax.add_decayed_weights(decay), optax.scale_by_adam(), optax.scale_by_learning_rate(rate))


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
    # one vector: a dozen arrays would take twice as long to compile, and no less to run
    flat, restored = ravel_pytree(weights)
    real = lambda value: jnp.issubdtype(jnp.result_type(value), jnp.floating)  # noqa: E731
    given = {name: jnp.asarray(v, flat.dtype) if real(v) else v for name, v in (options or {}).items()}
    method = optimizer(**given)

    def step(carry: tuple[jax.Array, optax.OptState], index: jax.Array) -> tuple[tuple, jax.Array]:
        flat, state = carry
        here = jax.random.fold_in(key, index)
        value, slope = jax.value_and_grad(lambda flat: loss(restored(flat), here))(flat)
        # optax raises a float to the power of its integer counter
        with jax.numpy_dtype_promotion("standard"):
            move, state = method.update(slope, state, flat)
        return (flat + move, state), value

    (flat, _), losses = jax.lax.scan(step, (flat, method.init(flat)), jnp.arange(steps, dtype=jnp.int32))
    return restored(flat), losses

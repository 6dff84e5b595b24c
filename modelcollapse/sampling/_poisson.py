"""Poisson counts, exact for every rate whose counts fit an int32."""

from __future__ import annotations

import functools

import jax
import jax.numpy as jnp
from jax import lax
from jax.typing import ArrayLike

from modelcollapse.sampling import exact, keys
from modelcollapse.sampling._xla import over_lanes
from modelcollapse.sampling.keys import Key

# below this rate, summing the probabilities from zero costs less than the rounds of rejection of a batch
_SMALL_RATE = 100.0
_LARGEST = 2.0**31 - 1


def poisson(key: jax.Array, rate: ArrayLike, stream: int = 0) -> jax.Array:
    r"""Poisson counts, int32, one for each entry of ``rate``.

    .. math:: P(X = k) = e^{-\lambda} \lambda^k / k!

    ``rate`` may be traced. A rate of 0 gives 0. A rate that is negative or not a number, and a draw above 2**31 - 1,
    give -1, which cannot be a count. Exact up to the rounding of float64 arithmetic (relative error of a probability
    below 1e-9; for a small rate, the cumulated probability is right to 2**-40 absolutely), also where
    ``jax_enable_x64`` is off; the counts are the same in both settings for the same float32 ``rate``. ``stream``
    numbers independent draws from one key; a draw uses some hundreds of streams. Raises TypeError if ``rate`` is not a
    real number. Source: inversion by summing up from zero for a small rate; otherwise transformed rejection (PTRS),
    Hörmann, "The transformed rejection method for generating Poisson random variables", Insurance: Math. Econ. 12
    (1993).
    """
    rate = jnp.asarray(rate)
    if not jnp.issubdtype(rate.dtype, jnp.floating) and not jnp.issubdtype(rate.dtype, jnp.integer):
        raise TypeError(f"rate must be a real number, got {rate.dtype}")
    key = keys.wrap(key)
    with exact.float64():
        return _cast_and_draw(key, rate, stream)


@functools.partial(jax.jit, static_argnums=2)
def _cast_and_draw(key: jax.Array, rate: jax.Array, stream: int) -> jax.Array:
    kernel = over_lanes(functools.partial(draw, stream=stream))
    return kernel(keys.materialised(key), rate.astype(jnp.float64)).astype(jnp.int32)


def draw(key: Key, rate: jax.Array, stream: int | jax.Array) -> jax.Array:
    """The same in float64 throughout; ``key`` is materialised, and its lanes are the last axes of ``rate``."""
    (rate,) = keys.broadcast(key, rate)
    # a rate that reached the loops as NaN would never be accepted; twice the largest count always gives -1
    proper = jnp.where(rate >= 0.0, jnp.minimum(rate, 2 * _LARGEST), 0.0)
    small = proper < _SMALL_RATE
    few = exact.sum_up(exact.unit_like(key, rate, stream), jnp.exp(-proper), lambda k, inverse: proper * inverse, small)
    many = lax.cond(
        jnp.any(~small),
        lambda: _transformed_rejection(key, proper, ~small, stream + 1),
        lambda: jnp.zeros_like(rate),
    )
    count = jnp.where(small, few, many)
    return jnp.where((rate >= 0.0) & (count <= _LARGEST), count, -1.0)


def _transformed_rejection(key: Key, rate: jax.Array, wanted: jax.Array, stream: int | jax.Array) -> jax.Array:
    """PTRS in lock-step: a round draws one candidate for each lane; the loop ends with the last lane."""
    rate = jnp.maximum(rate, _SMALL_RATE)
    b = 0.931 + 2.53 * jnp.sqrt(rate)
    a = -0.059 + 0.02483 * b
    quick = 0.9277 - 3.6224 / (b - 2.0)
    alpha = 1.1239 + 1.1328 / (b - 3.4)
    at_rate = 0.5 * exact.log(2.0 * jnp.pi * rate)

    def round_(state: tuple[jax.Array, jax.Array]) -> tuple[jax.Array, jax.Array]:
        count, turn = state
        u = exact.unit_like(key, rate, stream + 2 * turn) - 0.5
        v = exact.unit_like(key, rate, stream + 2 * turn + 1)
        inner = 0.5 - jnp.abs(u)
        k = jnp.floor((2.0 * a / inner + b) * u + rate + 0.43)
        inside = k >= 0.0
        k = jnp.maximum(k, 0.0)
        # log of the probability by Stirling's formula; the large terms cancel within log1p
        gap = rate - (k + 1.0)
        log_mass = (k + 0.5) * exact.log1p(gap / (k + 1.0)) - gap - at_rate - exact.stirling(k)
        accept = ((inner >= 0.07) & (v <= quick)) | (v * alpha <= jnp.exp(log_mass) * (a / (inner * inner) + b))
        return jnp.where((count < 0.0) & inside & accept, k, count), turn + 1

    return exact.until_accepted(round_, wanted)

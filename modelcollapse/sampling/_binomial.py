"""Binomial counts, exact for every size that fits an int32, whether the size is traced or not."""

from __future__ import annotations

import jax
import jax.numpy as jnp
from jax import lax
from jax.typing import ArrayLike

from modelcollapse.sampling import exact, keys
from modelcollapse.sampling._xla import over_lanes
from modelcollapse.sampling.keys import Key

# below this mean, summing the probabilities from zero costs less than a batch's rounds of rejection, or than one
# candidate
_SMALL_MEAN, _SMALL_FOR_ONE = 60.0, 16.0


def binomial(key: jax.Array, n: ArrayLike, p: ArrayLike) -> jax.Array:
    r"""Number of successes in ``n`` independent trials of probability ``p``, int32, for each entry of ``n`` and ``p``.

    .. math:: P(X = k) = \binom{n}{k} p^k (1 - p)^{n - k}

    ``n`` integer in [0, 2**31 - 1] and ``p`` broadcast against each other; both may be traced. ``p <= 0`` gives 0, ``p
    >= 1`` gives ``n``, ``n <= 0`` gives 0; a ``p`` that is not a number gives -1, which cannot be a count. Exact up to
    the rounding of float64 arithmetic (relative error of a probability below 1e-9 up to n = 1e6, 1e-6 at 2**31; for a
    small mean, the cumulated probability is right to 2**-40 absolutely), also where ``jax_enable_x64`` is off; the
    counts are the same in both settings for the same float32 ``p``. Raises TypeError if ``n`` is not an integer.
    Source: inversion by summing up from zero for a small mean; otherwise transformed rejection (BTRS), Hörmann, "The
    generation of binomial random variates", J. Stat. Comput. Simul. 46 (1993).
    """
    n, p = checked(n, p)
    key = keys.wrap(key)
    with exact.float64():
        return _cast_and_draw(key, n, p)


@jax.jit
def _cast_and_draw(key: jax.Array, n: jax.Array, p: jax.Array) -> jax.Array:
    shape = jnp.broadcast_shapes(n.shape, p.shape)
    trials = jnp.broadcast_to(n, shape).astype(jnp.float64)
    probability = jnp.broadcast_to(p, shape).astype(jnp.float64)
    return over_lanes(draw)(keys.materialised(key), trials, probability).astype(jnp.int32)


def checked(n: ArrayLike, p: ArrayLike) -> tuple[jax.Array, jax.Array]:
    n, p = jnp.asarray(n), jnp.asarray(p)
    if not jnp.issubdtype(n.dtype, jnp.integer):
        raise TypeError(f"n must have an integer type, got {n.dtype}")
    if not jnp.issubdtype(p.dtype, jnp.floating) and not jnp.issubdtype(p.dtype, jnp.integer):
        raise TypeError(f"p must be a real number, got {p.dtype}")
    return n, p


def draw(key: Key, trials: jax.Array, probability: jax.Array, stream: int | jax.Array = 0) -> jax.Array:
    """The same in float64 throughout, for callers inside :func:`exact.float64`: broadcasting arrays, floats out.

    ``key`` is materialised, and its lanes are the last axes of the others. Uses the words of streams from ``stream``
    on, some hundreds at most.
    """
    trials, probability = keys.broadcast(key, trials, probability)
    rare, small, large = _kinds(trials, probability, _SMALL_MEAN)
    few = _few(exact.unit_like(key, trials, stream), trials, rare, small)
    hat = _hat(trials, rare)

    def round_(state: tuple[jax.Array, jax.Array]) -> tuple[jax.Array, jax.Array]:
        count, turn = state
        u = exact.unit_like(key, trials, stream + 2 * turn + 1)
        v = exact.unit_like(key, trials, stream + 2 * turn + 2)
        return jnp.where(count < 0.0, _transformed_rejection(u, v, hat), count), turn + 1

    # in lock-step: a round draws one candidate for every lane, the loop ends with the last lane
    many = lax.cond(jnp.any(large), lambda: exact.until_accepted(round_, large), lambda: jnp.zeros_like(trials))
    return _count(trials, probability, jnp.where(small, few, many))


def attempt(u: jax.Array, v: jax.Array, trials: jax.Array, probability: jax.Array, wanted: jax.Array) -> jax.Array:
    """One candidate from two uniforms: the number of successes, or -1 if it is rejected.

    It is always rejected where ``probability`` is not a number, and a lane not ``wanted`` gives anything. For callers
    whose lanes need not wait for each other: repeated until it is accepted, a candidate has the law of :func:`draw`.
    """
    rare, small, large = _kinds(trials, probability, _SMALL_FOR_ONE)
    few = _few(u, trials, rare, small & wanted)
    many = lax.cond(
        jnp.any(large & wanted),
        lambda: _transformed_rejection(u, v, _hat(trials, rare)),
        lambda: jnp.zeros_like(trials),
    )
    found = jnp.where(large, many, few)
    return jnp.where(found < 0.0, -1.0, _count(trials, probability, found))


def _kinds(trials: jax.Array, probability: jax.Array, small_mean: float) -> tuple[jax.Array, jax.Array, jax.Array]:
    """The probability of the rarer outcome, and whether to sum the count up (small mean) or to draw it by rejection."""
    # a NaN that reached the loops would never be accepted
    rare = jnp.where(jnp.isnan(probability), 0.0, jnp.clip(jnp.minimum(probability, 1.0 - probability), 0.0, 0.5))
    fixed = (trials < 1.0) | (rare == 0.0)
    small = trials * rare < small_mean
    return rare, ~fixed & small, ~fixed & ~small


def _few(u: jax.Array, trials: jax.Array, rare: jax.Array, wanted: jax.Array) -> jax.Array:
    odds = rare / (1.0 - rare)
    first = jnp.exp(trials * exact.log1p(-rare))
    few = exact.sum_up(u, first, lambda k, inverse: (odds * (trials - k)) * inverse, wanted)
    return jnp.where(wanted, few, 0.0)


def _count(trials: jax.Array, probability: jax.Array, found: jax.Array) -> jax.Array:
    """Turn the count of the rarer outcome back into the count of successes."""
    count = jnp.where(probability > 0.5, jnp.maximum(trials, 0.0) - found, found)
    return jnp.where(jnp.isnan(probability), -1.0, count)


def _hat(trials: jax.Array, rare: jax.Array) -> tuple[jax.Array, ...]:
    """What BTRS needs to know of a law."""
    spread = jnp.sqrt(trials * rare * (1.0 - rare))
    b = 1.15 + 2.53 * spread
    a = -0.0873 + 0.0248 * b + 0.01 * rare
    alpha = (2.83 + 5.1 / b) * spread
    mode = jnp.floor((trials + 1.0) * rare)
    odds = rare / (1.0 - rare)
    rest = trials - mode
    at_mode = (
        (mode + 0.5) * exact.log((mode + 1.0) / (odds * (rest + 1.0))) + exact.stirling(mode) + exact.stirling(rest)
    )
    return trials, trials * rare + 0.5, odds, a, b, 0.92 - 4.2 / b, alpha, rest, at_mode


def _transformed_rejection(u: jax.Array, v: jax.Array, hat: tuple[jax.Array, ...]) -> jax.Array:
    """The candidate of BTRS, or -1."""
    trials, centre, odds, a, b, quick, alpha, rest, at_mode = hat
    u = u - 0.5
    inner = 0.5 - jnp.abs(u)
    k = jnp.floor((2.0 * a / inner + b) * u + centre)
    inside = (k >= 0.0) & (k <= trials)
    k = jnp.clip(k, 0.0, trials)
    other = trials - k
    log_ratio = (
        at_mode
        + (trials + 1.0) * exact.log((rest + 1.0) / (other + 1.0))
        + (k + 0.5) * exact.log(odds * (other + 1.0) / (k + 1.0))
        - exact.stirling(k)
        - exact.stirling(other)
    )
    accept = ((inner >= 0.07) & (v <= quick)) | (v * alpha <= jnp.exp(log_ratio) * (a / (inner * inner) + b))
    return jnp.where(inside & accept, k, -1.0)

"""Binomial counts, exact for every size that fits an int32, whether the size is traced or not."""

from __future__ import annotations

import jax
import jax.numpy as jnp
from jax import lax

from modelcollapse.sampling import _exact, keys
from modelcollapse.sampling._lanes import over_lanes

# below this mean, summing the probabilities from zero costs less than the rounds of rejection of a batch
_SMALL_MEAN = 60.0


def binomial(key: jax.Array, n: jax.Array | int, p: jax.Array | float) -> jax.Array:
    r"""Number of successes in ``n`` independent trials of probability ``p``, int32, one for each entry of ``n`` and ``p``.

    .. math:: P(X = k) = \binom{n}{k} p^k (1 - p)^{n - k}

    ``n`` integer in [0, 2**31 - 1] and ``p`` broadcast against each other; both may be traced. ``p <= 0`` gives 0,
    ``p >= 1`` gives ``n``, ``n <= 0`` gives 0; a ``p`` that is not a number gives -1, which no count can be.
    Exact up to the rounding of float64 arithmetic (relative error of a probability below 1e-9 up to n = 1e6, 1e-6 at
    2**31; where the mean is small, the cumulated probability is right to 2**-40 absolutely), also where ``jax_enable_x64`` is off; the counts are the same in both settings for the same float32 ``p``.
    Raises TypeError if ``n`` is not an integer. Source: inversion by summing up from zero for a small mean; otherwise
    transformed rejection (BTRS), Hörmann, "The generation of binomial random variates", J. Stat. Comput. Simul. 46 (1993).
    """
    n, p = checked(n, p)
    key = keys.wrap(key)
    with _exact.float64():
        return _cast_and_draw(key, n, p)


@jax.jit
def _cast_and_draw(key, n, p):
    shape = jnp.broadcast_shapes(n.shape, p.shape)
    trials = jnp.broadcast_to(n, shape).astype(jnp.float64)
    chance = jnp.broadcast_to(p, shape).astype(jnp.float64)
    return over_lanes(draw)(keys.settled(key), trials, chance).astype(jnp.int32)


def checked(n, p):
    n, p = jnp.asarray(n), jnp.asarray(p)
    if not jnp.issubdtype(n.dtype, jnp.integer):
        raise TypeError(f"n must have an integer type, got {n.dtype}")
    if not jnp.issubdtype(p.dtype, jnp.floating) and not jnp.issubdtype(p.dtype, jnp.integer):
        raise TypeError(f"p must be a real number, got {p.dtype}")
    return n, p


def draw(key, trials, chance, stream=0):
    """The same in float64 throughout, for callers inside :func:`_exact.float64`: broadcasting arrays, floats out.

    ``key`` is settled, its lanes are the last axes of the others. Uses the words of streams from ``stream`` on, some hundreds at
    the most.
    """
    trials, chance = keys.broadcast(key, trials, chance)
    # a NaN that reached the loops would never be accepted
    rare = jnp.where(jnp.isnan(chance), 0.0, jnp.clip(jnp.minimum(chance, 1.0 - chance), 0.0, 0.5))
    fixed = (trials < 1.0) | (rare == 0.0)
    small = trials * rare < _SMALL_MEAN
    odds = rare / (1.0 - rare)
    few = _exact.sum_up(
        _exact.unit_like(key, trials, stream),
        jnp.exp(trials * jnp.log1p(-rare)),
        lambda k, inverse: (odds * (trials - k)) * inverse,
        ~fixed & small,
    )
    wanted = ~fixed & ~small
    many = lax.cond(
        jnp.any(wanted),
        lambda: _transformed_rejection(key, trials, rare, wanted, stream + 1),
        lambda: jnp.zeros_like(trials),
    )
    count = jnp.where(fixed, 0.0, jnp.where(small, few, many))
    count = jnp.where(chance > 0.5, jnp.maximum(trials, 0.0) - count, count)
    return jnp.where(jnp.isnan(chance), -1.0, count)


def _transformed_rejection(key, trials, rare, wanted, stream):
    """BTRS in lock-step: a round draws one candidate for every lane; the loop ends with the last lane."""
    spread = jnp.sqrt(trials * rare * (1.0 - rare))
    b = 1.15 + 2.53 * spread
    a = -0.0873 + 0.0248 * b + 0.01 * rare
    centre = trials * rare + 0.5
    quick = 0.92 - 4.2 / b
    alpha = (2.83 + 5.1 / b) * spread
    mode = jnp.floor((trials + 1.0) * rare)
    odds = rare / (1.0 - rare)
    rest = trials - mode
    at_mode = (
        (mode + 0.5) * jnp.log((mode + 1.0) / (odds * (rest + 1.0))) + _exact.stirling(mode) + _exact.stirling(rest)
    )

    def round_(state):
        count, turn = state
        u = _exact.unit_like(key, trials, stream + 2 * turn) - 0.5
        v = _exact.unit_like(key, trials, stream + 2 * turn + 1)
        inner = 0.5 - jnp.abs(u)
        k = jnp.floor((2.0 * a / inner + b) * u + centre)
        inside = (k >= 0.0) & (k <= trials)
        k = jnp.clip(k, 0.0, trials)
        other = trials - k
        log_ratio = (
            at_mode
            + (trials + 1.0) * jnp.log((rest + 1.0) / (other + 1.0))
            + (k + 0.5) * jnp.log(odds * (other + 1.0) / (k + 1.0))
            - _exact.stirling(k)
            - _exact.stirling(other)
        )
        accept = ((inner >= 0.07) & (v <= quick)) | (jnp.log(v * alpha / (a / (inner * inner) + b)) <= log_ratio)
        return jnp.where((count < 0.0) & inside & accept, k, count), turn + 1

    return _exact.until_accepted(round_, wanted)

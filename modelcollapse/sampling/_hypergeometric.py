"""Hypergeometric counts, exact for every population that fits an int32."""

from __future__ import annotations

import jax
import jax.numpy as jnp
from jax import lax
from jax.typing import ArrayLike

from modelcollapse.sampling import exact, keys
from modelcollapse.sampling._xla import over_lanes
from modelcollapse.sampling.keys import Key

_SMALL_MEAN = 60.0


def hypergeometric(key: jax.Array, good: ArrayLike, bad: ArrayLike, n: ArrayLike) -> jax.Array:
    r"""Number of good items among ``n`` drawn without replacement from ``good + bad``, int32, entry by entry.

    .. math:: P(X = k) = \binom{g}{k} \binom{b}{n - k} \Big/ \binom{g + b}{n}

    Integer arguments broadcast and may be traced; ``good + bad`` at most 2**31 - 1. ``n`` beyond the population takes
    all of it; negative arguments count as 0. Exact up to the rounding of float64 arithmetic (relative error of a
    probability below 1e-9 for n <= 1e6, 1e-6 at 2**31; for a small mean, the cumulated probability is right to 2**-40
    absolutely), whatever ``jax_enable_x64`` says. Raises TypeError for arguments that are not integers. Source:
    inversion from zero for a small mean; otherwise ratio of uniforms (HRUA), Stadlober, "The ratio of uniforms approach
    for generating discrete random variates", J. Comput. Appl. Math. 31 (1990).
    """
    arrays = []
    for name, value in (("good", good), ("bad", bad), ("n", n)):
        array = jnp.asarray(value)
        if not jnp.issubdtype(array.dtype, jnp.integer):
            raise TypeError(f"{name} must have an integer type, got {array.dtype}")
        arrays.append(array)
    key = keys.wrap(key)
    with exact.float64():
        return _cast_and_draw(key, *arrays)


@jax.jit
def _cast_and_draw(key: jax.Array, *arrays: jax.Array) -> jax.Array:
    shape = jnp.broadcast_shapes(*(a.shape for a in arrays))
    wide = (jnp.broadcast_to(a, shape).astype(jnp.float64) for a in arrays)
    return over_lanes(draw)(keys.materialised(key), *wide).astype(jnp.int32)


def draw(key: Key, good: jax.Array, bad: jax.Array, n: jax.Array, stream: int | jax.Array = 0) -> jax.Array:
    """The same in float64 throughout, inside ``exact.float64``; ``key`` and ``stream`` as for ``_binomial.draw``."""
    good, bad, n = keys.broadcast(key, jnp.maximum(good, 0.0), jnp.maximum(bad, 0.0), n)
    total = good + bad
    n = jnp.clip(n, 0.0, total)
    # mirror both ways, so that fewer than half are good and fewer than half are drawn
    rare, drawn = jnp.minimum(good, bad), jnp.minimum(n, total - n)
    mean = rare * drawn / jnp.maximum(total, 1.0)
    fixed = (rare == 0.0) | (drawn == 0.0)
    small = mean < _SMALL_MEAN
    few = _sum_up(exact.unit_like(key, total, stream), rare, drawn, total, ~fixed & small)
    wanted = ~fixed & ~small
    many = lax.cond(
        jnp.any(wanted),
        lambda: _ratio_of_uniforms(key, rare, drawn, total, wanted, stream + 1),
        lambda: jnp.zeros_like(total),
    )
    count = jnp.where(fixed, 0.0, jnp.where(small, few, many))
    count = jnp.where(good > bad, drawn - count, count)
    return jnp.where(2.0 * n > total, good - count, count)


def _sum_up(u: jax.Array, rare: jax.Array, drawn: jax.Array, total: jax.Array, wanted: jax.Array) -> jax.Array:
    """Smallest k whose cumulative probability reaches ``u``; lanes not ``wanted`` cost nothing."""
    # symmetric in the two, and the shorter factor cancels less
    rare, drawn = jnp.minimum(rare, drawn), jnp.maximum(rare, drawn)
    total = jnp.maximum(total, 1.0)
    rest = total - rare - drawn
    whole, left_out = total + 1.0, total - drawn + 1.0
    log_none = (
        (total - rare + 0.5) * exact.log1p(-rare / whole)
        - (rest + 0.5) * exact.log1p(-rare / left_out)
        + rare * exact.log1p(-drawn / whole)
        + (exact.stirling(total - rare) - exact.stirling(rest))
        - (exact.stirling(total) - exact.stirling(total - drawn))
    )

    def ratio(k: jax.Array, inverse: jax.Array) -> jax.Array:
        return (rare - k) * (drawn - k) * inverse / (rest + k + 1.0)

    return exact.sum_up(u, jnp.exp(log_none), ratio, wanted)


def _ratio_of_uniforms(
    key: Key, rare: jax.Array, drawn: jax.Array, total: jax.Array, wanted: jax.Array, stream: int | jax.Array
) -> jax.Array:
    """HRUA in lock-step: a round draws one candidate for each lane; the loop ends with the last lane."""
    rest = total - rare - drawn
    fraction = rare / jnp.maximum(total, 1.0)
    mode = jnp.floor((drawn + 1.0) * (rare + 1.0) / (total + 2.0))
    centre = drawn * fraction + 0.5
    variance = (total - drawn) * drawn * fraction * (1.0 - fraction) / jnp.maximum(total - 1.0, 1.0)
    deviation = jnp.sqrt(variance + 0.5)
    width = 1.7155277699214135 * deviation + 0.8989161620588988  # 2 sqrt(2 / e) and 3 - 2 sqrt(3 / e)
    beyond = jnp.minimum(jnp.minimum(rare, drawn) + 1.0, jnp.floor(centre + 16.0 * deviation))
    # the four factorials of the probability, and which way each grows with k
    parts = ((mode, 1.0), (rare - mode, -1.0), (drawn - mode, -1.0), (rest + mode, 1.0))
    tilt = exact.log((rare - mode + 1.0) * (drawn - mode + 1.0) / ((mode + 1.0) * (rest + mode + 1.0)))

    def log_ratio(k: jax.Array) -> jax.Array:
        step = k - mode
        log = step * tilt
        for at_mode, way in parts:
            moved = at_mode + way * step
            log = log - (moved + 0.5) * exact.log1p(way * step / (at_mode + 1.0))
            log = log + (exact.stirling(at_mode) - exact.stirling(moved))
        return log

    def round_(state: tuple[jax.Array, jax.Array]) -> tuple[jax.Array, jax.Array]:
        count, turn = state
        x = exact.unit_like(key, total, stream + 2 * turn)
        y = exact.unit_like(key, total, stream + 2 * turn + 1)
        w = centre + width * (y - 0.5) / x
        inside = (w >= 0.0) & (w < beyond)
        k = jnp.where(inside, jnp.floor(w), mode)
        accept = x * x <= jnp.exp(log_ratio(k))
        return jnp.where((count < 0.0) & inside & accept, k, count), turn + 1

    return exact.until_accepted(round_, wanted)

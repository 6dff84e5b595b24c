"""Logarithms of gamma variates of any real shape: a cubed normal, accepted almost always. Exponentials by inversion."""

from __future__ import annotations

import functools
import math

import jax
import jax.numpy as jnp
from jax import lax
from jax.typing import ArrayLike, DTypeLike

from modelcollapse.sampling import exact, keys
from modelcollapse.sampling._normal import draws
from modelcollapse.sampling._xla import over_lanes
from modelcollapse.sampling.keys import Key

# a float64 normal from 53 bits stays within 8.3: with this added it is positive, as what is accepted must be
_RAISE = 16.0


def exponential(key: jax.Array, shape: tuple[int, ...] = (), dtype: DTypeLike | None = None) -> jax.Array:
    r"""Independent exponential draws of mean 1: :math:`-\log u` with u of 52 bits, so from 1e-16 to 36.7.

    ``dtype`` defaults to the float type in force; computed in float64 and rounded.
    """
    dtype = jax.dtypes.canonicalize_dtype(float if dtype is None else dtype)
    with exact.float64():
        return (-exact.log(exact.unit(keys.wrap(key), shape))).astype(dtype)


def log_gamma(
    key: jax.Array, shape: ArrayLike, dtype: DTypeLike | None = None, *, per_shape: bool = False
) -> jax.Array:
    r"""Natural logarithms of gamma draws with unit scale, one for each entry of ``shape``.

    .. math:: \log\Gamma_a = \log d + 3 \log(1 + z / \sqrt{9 d}), \quad d = a - 1/3, \qquad z \sim N(0, 1)
              \text{ by rejection}; \qquad \Gamma_a = \Gamma_{a+1} U^{1/a} \text{ for } a < 1

    ``shape`` a is real and may be traced; a <= 0 gives minus infinity, NaN gives NaN. ``per_shape=True`` gives
    :math:`\log(\Gamma_a / a)`, without the cancellation of subtracting log a afterwards. ``dtype`` defaults to the
    float type in force. Exact up to the rounding of float64 arithmetic, also where ``jax_enable_x64`` is off; the
    result is then rounded to float32. No derivative with respect to ``shape``. Raises TypeError for a shape that is not
    real. Source: Marsaglia and Tsang, "A simple method for generating gamma variables", ACM Trans. Math. Softw. 26
    (2000).
    """
    shape = jnp.asarray(shape)
    if not jnp.issubdtype(shape.dtype, jnp.floating) and not jnp.issubdtype(shape.dtype, jnp.integer):
        raise TypeError(f"shape must be a real number, got {shape.dtype}")
    dtype = jax.dtypes.canonicalize_dtype(float if dtype is None else dtype)
    if not jnp.issubdtype(dtype, jnp.floating):
        raise TypeError(f"dtype must be a float type, got {dtype}")
    key = keys.wrap(key)
    with exact.float64():
        return _log_gamma(key, jax.lax.stop_gradient(shape), dtype, per_shape)


@functools.partial(jax.jit, static_argnums=(2, 3))
def _log_gamma(key: jax.Array, shape: jax.Array, dtype: DTypeLike, per_shape: bool) -> jax.Array:
    shape = shape.astype(jnp.float64)
    log_ratio = over_lanes(_per_shape)(keys.materialised(key), shape)
    log_shape = 0.0 if per_shape else jnp.log(shape)
    return jnp.where(jnp.isfinite(log_ratio), log_ratio + log_shape, log_ratio).astype(dtype)


def _per_shape(key: Key, shape: jax.Array) -> jax.Array:
    """log(gamma / shape) in float64; ``key`` is materialised, and its lanes are the last axes of ``shape``."""
    (shape,) = keys.broadcast(key, shape)
    proper = (shape > 0.0) & jnp.isfinite(shape)
    safe = jnp.where(proper, shape, 1.0)
    raised = jnp.where(safe < 1.0, safe + 1.0, safe)
    d = raised - 1.0 / 3.0
    c = 1.0 / jnp.sqrt(9.0 * d)
    size = math.prod(shape.shape[: shape.ndim - len(keys.lanes(key))])

    def round_(state: tuple[jax.Array, jax.Array]) -> tuple[jax.Array, jax.Array]:
        raised_z, turn = state
        z = draws(key, size, jnp.float64, 2 * turn + 1).reshape(shape.shape)
        u = exact.unit_like(key, shape, 2 * turn + 2)
        inside = c * z > -1.0
        t = jnp.where(inside, c * z, 0.0)
        # z^2/2 + d (1 - v + log v) with v = (1 + t)^3, written so that nothing of the size of d is left to cancel
        log_ratio = 0.5 * z * z + d * (3.0 * (exact.log1p(t) - t) - t * t * (3.0 + t))
        accept = inside & (u <= jnp.exp(log_ratio))
        return jnp.where((raised_z < 0.0) & accept, z + _RAISE, raised_z), turn + 1

    def lowered() -> jax.Array:
        """What a shape below 1 adds: Gamma(a) = Gamma(a + 1) U^(1/a)."""
        log_power = exact.log(exact.unit_like(key, shape)) / safe + jnp.log1p(1.0 / safe)
        return jnp.where(safe < 1.0, log_power, 0.0)

    z = jnp.where(proper, exact.until_accepted(round_, proper) - _RAISE, 0.0)
    log_ratio = 3.0 * exact.log1p(c * z) + exact.log1p(-1.0 / (3.0 * raised))
    log_ratio = log_ratio + lax.cond(jnp.any(safe < 1.0), lowered, lambda: jnp.zeros_like(safe))
    return jnp.where(proper, log_ratio, jnp.where(jnp.isnan(shape), jnp.nan, -jnp.inf))

r"""Means of the deviation and of the log variance of a sample, to divide them by, for any number of rows.

With k degrees of freedom and :math:`x = k/2`

.. math:: \log\frac{E\chi_k}{\sqrt k} = \log\frac{\Gamma(x + \frac12)}{\Gamma(x)\sqrt x}, \qquad
          E\log\frac{\chi^2_k}{k} = \psi(x) - \log x.

Below 64 degrees of freedom from a table, which recurrences fill in float64; from there on by the expansions in 1/k,
whose first term left out is below 1e-16.
"""

from __future__ import annotations

import functools
import math

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import DTypeLike

FEW = 64
"""Degrees of freedom from which the expansions serve."""
# in powers k^-1, k^-2, ...: Stirling's series of log-gamma and digamma at k / 2
_DEVIATION = (-1 / 4, 0.0, 1 / 24, 0.0, -1 / 20, 0.0, 17 / 112, 0.0, -31 / 36)
_LOG = (-1.0, -1 / 3, 0.0, 2 / 15, 0.0, -16 / 63, 0.0, 16 / 15)


def log_mean_deviation(dof: jax.Array, dtype: DTypeLike) -> jax.Array:
    r""":math:`\log(E\chi_k/\sqrt k)`, negative, for each integer k >= 1 in ``dof``; -inf for k < 1."""
    return _found(dof, _DEVIATION, _tables()[0], dtype)


def mean_log_variance(dof: jax.Array, dtype: DTypeLike) -> jax.Array:
    r""":math:`E\log(\chi^2_k/k)`, negative, for each integer k >= 1 in ``dof``; -inf for k < 1."""
    return _found(dof, _LOG, _tables()[1], dtype)


def _found(dof: jax.Array, series: tuple[float, ...], table: np.ndarray, dtype: DTypeLike) -> jax.Array:
    inverse = 1 / jnp.maximum(dof, FEW).astype(dtype)
    smooth = jnp.zeros_like(inverse)
    for coefficient in reversed(series):
        smooth = (smooth + coefficient) * inverse
    few = jnp.asarray(table, dtype)[jnp.clip(dof, 1, FEW - 1)]
    return jnp.where(dof < 1, -jnp.inf, jnp.where(dof < FEW, few, smooth))


@functools.cache
def _tables() -> tuple[np.ndarray, np.ndarray]:
    """Both at 0 (unused), 1, ..., 63 degrees of freedom."""
    deviation, logs, digamma = np.zeros(FEW), np.zeros(FEW), np.zeros(FEW)
    for k in range(1, FEW):
        x = k / 2
        deviation[k] = math.lgamma(x + 0.5) - math.lgamma(x) - 0.5 * math.log(x)
        # psi(1/2) and psi(1), then psi(x + 1) = psi(x) + 1/x
        digamma[k] = digamma[k - 2] + 2 / (k - 2) if k > 2 else -np.euler_gamma - (2 * math.log(2) if k == 1 else 0)
        logs[k] = digamma[k] - math.log(x)
    return deviation, logs

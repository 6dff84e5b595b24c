"""A Student t law by location, factor and degrees of freedom; below 2 of these it has no covariance."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np

from modelcollapse.addresses import STUDENT_NORMAL, STUDENT_SCALE, fold
from modelcollapse.data import Rows
from modelcollapse.protocols import Count
from modelcollapse.pytree import part
from modelcollapse.sampling import log_gamma, normal


@part
class Student:
    r"""A multivariate t law: location ``mean`` ``(d,)``, shape :math:`U\,\mathrm{diag}(e^{2l})\,U^T`, degrees of
    freedom ``dof`` ``()``.

    ``unit`` is U ``(d, d)``, unit lower triangular, and ``log_scale`` is l ``(d,)``, as of ``Normal``. A row is
    :math:`\mu + U e^{l} z / \sqrt{\chi^2_k / k}` with z standard normal and k the degrees of freedom. The mean exists
    for k > 1, and the covariance is infinite for k <= 2.
    """

    mean: jax.Array
    unit: jax.Array
    log_scale: jax.Array
    dof: jax.Array

    @property
    def factor(self) -> jax.Array:
        """Lower triangular ``(d, d)``: shape matrix = factor @ factor.T."""
        return self.unit * jnp.exp(self.log_scale)[None, :]

    @property
    def covariance_factor(self) -> jax.Array:
        """``(d, d)``, covariance = covariance_factor @ covariance_factor.T."""
        return self.factor * jnp.exp(0.5 * self._log_spread())

    @property
    def covariance(self) -> jax.Array:
        """``(d, d)``."""
        factor = self.covariance_factor
        return factor @ factor.T

    @property
    def log_variance(self) -> jax.Array:
        """``(d,)``, summed in log scale, so that nothing underflows."""
        rows = 2 * (jnp.log(jnp.abs(self.unit)) + self.log_scale[None, :])
        return jax.nn.logsumexp(rows, axis=1) + self._log_spread()

    def _log_spread(self) -> jax.Array:
        """log(k / (k - 2)), infinite for k <= 2."""
        finite = self.dof > 2
        return jnp.where(finite, -jnp.log1p(-2 / jnp.where(finite, self.dof, 4.0)), jnp.inf)

    def moved(self, by: np.ndarray | jax.Array) -> Student:
        """The law of rows moved by ``by`` (d,)."""
        return Student(self.mean + by, self.unit, self.log_scale, self.dof)


def student_rows(key: jax.Array, params: Student, n: Count, capacity: int) -> Rows:
    """``n`` independent rows of a t law, in room for ``capacity``."""
    d, dtype = params.mean.size, params.mean.dtype
    noise = normal(fold(key, STUDENT_NORMAL), (capacity, d), dtype)
    shapes = jnp.broadcast_to(0.5 * params.dof, (capacity,))
    log_ratio = log_gamma(fold(key, STUDENT_SCALE), shapes, dtype, per_shape=True)
    points = (noise * jnp.exp(-0.5 * log_ratio)[:, None]) @ params.factor.T
    return Rows(params.mean[None, :] + points, jnp.asarray(n, jnp.int32))

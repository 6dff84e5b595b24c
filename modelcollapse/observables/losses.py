"""Losses: of regressions, of networks in training, and of densities on real data, in nats."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

import jax
import jax.numpy as jnp
import numpy as np

from modelcollapse.families.gaussian import Normal
from modelcollapse.families.mixture import NormalMixture
from modelcollapse.forks import computes
from modelcollapse.laws import Law
from modelcollapse.location import exactly
from modelcollapse.observables.normal import log_variance
from modelcollapse.observables.registry import Momentary, observable
from modelcollapse.protocols import Carry, HasDensity, Source, Truth
from modelcollapse.pytree import part

if TYPE_CHECKING:
    from modelcollapse.families.regression import Linear, Target
    from modelcollapse.families.vae import Autoencoder
    from modelcollapse.loop import State


@observable("nats", shifts=False)
def training_loss(params: Autoencoder) -> jax.Array:
    """Mean training loss of an image over the last tenth of the steps of a refit, in nats, ``()``."""
    return params.loss


@observable(dims=("feature",))
def coefficients(params: Linear) -> jax.Array:
    """Weights ``(d,)`` of a regression, in the unit of y over that of x."""
    return params.weights


@observable()
def squared_error(params: Linear, truth: Target) -> jax.Array:
    r"""Squared Euclidean distance :math:`|w_n - w_0|^2` of regression weights, ``()``."""
    return ((params.weights - truth.weights) ** 2).sum()


@observable()
def excess_risk(params: Linear, truth: Target) -> jax.Array:
    r"""Mean squared error on a noiseless label of a new row, :math:`(w_n - w_0)^T E[x x^T] (w_n - w_0)`, ``()``."""
    return (((params.weights - truth.weights) @ truth.factor) ** 2).sum()


@computes
def excess_log_loss(source: Source) -> ExcessLogLoss:
    r"""Mean loss on real data beyond that of the truth, :math:`KL(p_0 \| p_n) = E_{p_0} \log(p_0 / p_n)`, in nats.

    ``source`` is the law of real data on one coordinate, normal or a mixture of normals, whether or not it lies in the
    family; the models are normal laws or have a ``log_density``. The value is a sum over a grid with a step of a
    twentieth of the smallest true deviation: exact to rounding for a normal model (float32: 1e-5); where the log
    density of a mixture turns from one component to another within less than a step, the error is of order step^2. It
    is infinite for a model that has collapsed to a point.

    Raises
    ------
    TypeError, ValueError
        If the source is not such a law, or its grid would need more than 20,000 points.
    """
    weights, means, deviations = _components(exactly(source))
    low, high = (means - 9 * deviations).min(), (means + 9 * deviations).max()
    # the trapezoidal rule is exact to rounding for what is smooth at this scale
    points = int(np.ceil((high - low) / (0.05 * deviations.min()))) + 1
    if points > 20_000:
        raise ValueError(f"source has components too thin for their distance: the grid would need {points} points")
    x, step = np.linspace(low, high, points, retstep=True)
    with np.errstate(under="ignore"):
        parts = weights * np.exp(-0.5 * ((x[:, None] - means) / deviations) ** 2) / deviations / np.sqrt(2 * np.pi)
    density = parts.sum(1)
    there = density > 0
    entropy = -step * (density[there] * np.log(density[there])).sum()
    kind = jnp.result_type(float)
    return ExcessLogLoss(x[there], jnp.asarray(step * density[there], kind), jnp.asarray(entropy, kind))


def _components(source: Any) -> tuple[np.ndarray, ...]:
    """Weights, means and standard deviations of a mixture of normal laws on one coordinate, each ``(k,)``."""
    if not isinstance(source, Law):
        raise TypeError(f"source must be a normal law or a mixture of them, got {type(source).__name__}")
    law = source.params
    if not isinstance(law, Normal | NormalMixture):
        raise TypeError(f"source must be a normal law or a mixture of them, got a law of {type(law).__name__}")
    if law.mean.shape != (1,):
        raise ValueError(f"source must be a law on one coordinate, got {law.mean.shape[0]}")
    if isinstance(law, Normal):
        law = NormalMixture(jnp.ones(1), law.mean[None], law.factor[None])
    return tuple(np.asarray(each, np.float64) for each in (law.weights, law.means[:, 0], law.factors[:, 0, 0]))


@part
class ExcessLogLoss(Momentary):
    """Mean loss on real data, ``points`` (n,) of given ``weights`` (n,), beyond their ``entropy`` in nats; ``()``.

    The points are float64 on the host until a run takes them about its own location.
    """

    points: Any
    weights: jax.Array
    entropy: jax.Array

    units = "nats"
    shifts = False

    def about(self, location: np.ndarray | None) -> ExcessLogLoss:
        """The same for parameters about ``location`` (1,)."""
        points = self.points if location is None else np.asarray(self.points, np.float64) - location
        return dataclasses.replace(self, points=jnp.asarray(points, self.weights.dtype))

    def read(self, carry: Carry, state: State, truth: Truth) -> jax.Array:
        params = state.params
        if isinstance(params, HasDensity):
            return -(self.weights @ params.log_density(self.points[:, None])) - self.entropy
        spread = log_variance(params)[0]
        square = self.weights @ (self.points - params.mean[0]) ** 2
        loss = 0.5 * (np.log(2 * np.pi) + spread + square * jnp.exp(-spread)) - self.entropy
        return jnp.where(jnp.isneginf(spread), jnp.inf, loss)

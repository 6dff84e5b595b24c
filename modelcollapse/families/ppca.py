"""Probabilistic PCA, the linear VAE: its best fit is an eigenvalue problem, so its collapse can be solved."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np

from modelcollapse import arguments, sampling
from modelcollapse.addresses import PPCA_LATENT, PPCA_PIXELS
from modelcollapse.data import Rows
from modelcollapse.families.checks import dimension
from modelcollapse.protocols import Count, Number, Source
from modelcollapse.pytree import part, static


@part
class LinearDecoder:
    r""":math:`x = \mu + W z` with z standard normal in q dimensions, plus noise.

    ``mean`` is ``(d,)``, ``weights`` W ``(d, q)``, and ``noise`` a variance ``()``. Only :math:`W W^T` is a property of
    the law; W is its lower trapezoidal factor with a nonnegative diagonal, so that close laws give close draws.
    ``sampled`` says whether draws include the noise.
    """

    mean: jax.Array
    weights: jax.Array
    noise: jax.Array
    sampled: bool = static()

    @property
    def covariance(self) -> jax.Array:
        """Covariance of what is drawn, ``(d, d)``: without the noise, unless ``sampled``."""
        return self.factor @ self.factor.T

    @property
    def factor(self) -> jax.Array:
        """Lower triangular ``(d, d)``, covariance = factor @ factor.T."""
        d = self.weights.shape[0]
        level = jnp.sqrt(self.noise) if self.sampled else jnp.zeros((), self.noise.dtype)
        return _trapezoid(jnp.concatenate([self.weights.T, level * jnp.eye(d, dtype=level.dtype)]))

    covariance_factor = factor

    def moved(self, by: np.ndarray | jax.Array) -> LinearDecoder:
        """The law of rows moved by ``by`` (d,)."""
        return LinearDecoder(self.mean + by, self.weights, self.noise, self.sampled)

    def encode(self, rows: jax.Array) -> tuple[jax.Array, jax.Array]:
        r"""Mean and log variance of the latents given ``rows`` (n, d), each ``(n, q)``.

        The mean is :math:`(W^T W + \sigma^2)^{-1} W^T (x - \mu)`: the posterior itself, at KL weight 1. Its covariance
        has correlations; the variances are its diagonal.
        """
        q = self.weights.shape[1]
        precision = self.weights.T @ self.weights + self.noise * jnp.eye(q, dtype=self.noise.dtype)
        mean = jnp.linalg.solve(precision, self.weights.T @ (rows - self.mean[None]).T).T
        variance = self.noise * jnp.diagonal(jnp.linalg.inv(precision))
        return mean, jnp.broadcast_to(jnp.log(variance)[None], mean.shape)

    def decode(self, latents: jax.Array) -> jax.Array:
        """The mean row of each row of ``latents`` (n, q), ``(n, d)``."""
        return self.mean[None] + latents @ self.weights.T


@part
class PPCA:
    r"""Probabilistic principal component analysis by maximum likelihood (Tipping and Bishop 1999).

    Parameters: a ``LinearDecoder``.

    With the eigenvalues :math:`\lambda_1 \ge \dots` of the sample covariance (divisor n), the model has decoder
    variances :math:`\max(\lambda_j - \beta\sigma^2, 0)` along the first ``latent`` eigenvectors. With decoder means as
    output, each refit takes :math:`\beta\sigma^2` off every direction that is left; see ``modelcollapse_theory.ppca``.
    Data sets are rows, reduced by QR, so variances are right to a rounding of the largest standard deviation:
    directions thinner than 1e-16 of it (float32: 1e-7) are lost.

    Parameters
    ----------
    latent
        q, the number of latent dimensions; fewer than d, or at most d if the noise is given.
    noise
        :math:`\sigma^2`; None: by maximum likelihood, the mean of the d - q smallest eigenvalues.
    kl_weight
        :math:`\beta`, with a given noise; 1 is maximum likelihood.
    output
        What the next generation sees: ``"mean"``, the decoder's means, or ``"sampled"``, with the noise.
    """

    latent: int = static()
    noise: Number | None = None
    kl_weight: Number = 1.0
    output: str = static(default="mean")

    data = Rows
    equivariant = True
    default_observables = ("mean", "decoder_variance")

    def __post_init__(self) -> None:
        arguments.converted(
            self,
            latent=arguments.count,
            noise=arguments.optional(arguments.positive),
            kl_weight=arguments.positive,
            output=arguments.checker(arguments.choice, ("mean", "sampled")),
        )
        if self.noise is None and not arguments.traced(self.kl_weight) and self.kl_weight != 1:
            raise ValueError(f"kl_weight must be 1 where the noise is fitted, got {self.kl_weight!r}: give the noise")

    def draw(self, key: jax.Array, params: LinearDecoder, n: Count, capacity: int) -> Rows:
        return self.draw_rows(key, params, n, capacity)

    def draw_rows(self, key: jax.Array, params: LinearDecoder, n: Count, capacity: int) -> Rows:
        dtype, (d, q) = params.mean.dtype, params.weights.shape
        points = params.decode(sampling.normal(jax.random.fold_in(key, PPCA_LATENT), (capacity, q), dtype))
        if self.output == "sampled":
            noise = sampling.normal(jax.random.fold_in(key, PPCA_PIXELS), (capacity, d), dtype)
            points = points + jnp.sqrt(params.noise) * noise
        return Rows(points, jnp.asarray(n, jnp.int32))

    def summarise(self, rows: Rows) -> Rows:
        return rows

    def fit(self, key: jax.Array, data: Rows, previous: LinearDecoder | None) -> LinearDecoder:
        points, present = data.points, data.present[:, None]
        size = data.count.astype(points.dtype)
        mean = jnp.where(present, points, 0.0).sum(0) / size
        centred = jnp.where(present, points - mean[None], 0.0)
        drift = centred.sum(0) / size  # second pass: the rounding of the first mean
        reduced = jnp.linalg.qr(jnp.where(present, centred - drift[None], 0.0), mode="r")
        _, scales, axes = jnp.linalg.svd(reduced, full_matrices=False)
        return self._spanned(mean + drift, scales**2 / size, axes)

    def check(self, source: Source, sizes: np.ndarray) -> None:
        """Refuse sources without numeric rows, too many latent dimensions, and data sets that do not span them."""
        d = dimension(self, source)
        most = d if self.noise is not None else d - 1
        if self.latent > most:
            raise ValueError(
                f"latent must be at most {most} for rows of {d} numbers"
                + ("" if self.noise is not None else " (one less, where the noise is fitted to what is left)")
                + f", got {self.latent}"
            )
        if sizes.min() < self.latent + 1:
            raise ValueError(f"size must be at least latent + 1 = {self.latent + 1}, got {sizes.min()}")

    def fewest(self, params: LinearDecoder) -> int:
        """latent + 1."""
        return self.latent + 1

    def project(self, source: Source) -> LinearDecoder | None:
        """The fit to infinitely many draws of ``source``, where its mean and covariance are known."""
        moments = source.moments()
        if moments is None:
            return None
        variances, axes = jnp.linalg.eigh(moments[1])
        return self._spanned(moments[0], jnp.maximum(variances[::-1], 0.0), axes.T[::-1])

    limit = project

    def _spanned(self, mean: jax.Array, variances: jax.Array, axes: jax.Array) -> LinearDecoder:
        """From eigenvalues ``(r,)``, largest first, and eigenvectors ``(r, d)``; the other d - r variances are 0."""
        d, q, dtype = mean.size, self.latent, variances.dtype
        kept = variances[:q]
        if self.noise is None:
            noise = variances[q:].sum() / (d - q)
            loss = noise
        else:
            noise = jnp.asarray(self.noise, dtype)
            loss = jnp.asarray(self.kl_weight, dtype) * noise
        rows = jnp.sqrt(jnp.maximum(kept - loss, 0.0))[:, None] * axes[:q]
        # fewer rows than latent dimensions span fewer directions
        rows = jnp.concatenate([rows, jnp.zeros((q - rows.shape[0], d), dtype)])
        return LinearDecoder(mean, _trapezoid(rows), noise, self.output == "sampled")


def _trapezoid(rows: jax.Array) -> jax.Array:
    """Lower trapezoidal L ``(d, min(n, d))`` with L L^T = rows^T rows and no negative entry on its diagonal."""
    upper = jnp.linalg.qr(rows, mode="r")
    return (upper * jnp.where(jnp.diagonal(upper) < 0, -1.0, 1.0)[:, None]).T

r"""A variational autoencoder, trained afresh at each generation in one compiled scan, many chains at once."""

from __future__ import annotations

import math

import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import ArrayLike

from modelcollapse import arguments, sampling
from modelcollapse.addresses import VAE_BATCH, VAE_INIT, VAE_LATENT, VAE_PIXELS, VAE_TRAIN
from modelcollapse.data import Rows, row_type
from modelcollapse.families.networks import MLP, Convolutional, Network, Weights
from modelcollapse.families.training import descend
from modelcollapse.laws import rows_of
from modelcollapse.protocols import Count, Number, Source
from modelcollapse.pytree import part, static
from modelcollapse.sampling import keys

__all__ = ["MLP", "VAE", "Autoencoder", "Convolutional"]


@jax.custom_jvp
def _softplus(x: jax.Array) -> jax.Array:
    """log(1 + e^x): an absolute error of an ulp of 1, which a sum over pixels has anyway, at half the price."""
    return jnp.maximum(x, 0.0) + jnp.log(1.0 + jnp.exp(-jnp.abs(x)))


@_softplus.defjvp
def _(primals: tuple[jax.Array], tangents: tuple[jax.Array]) -> tuple[jax.Array, jax.Array]:
    (x,), (dx,) = primals, tangents
    return _softplus(x), jax.nn.sigmoid(x) * dx


@part
class Autoencoder:
    """A trained model: its weights, and the mean loss per image over the last tenth of the steps, in nats."""

    network: Network
    encoder: Weights
    decoder: Weights
    noise: jax.Array | None  # variance of a Gaussian decoder; None for Bernoulli pixels
    loss: jax.Array  # ()

    def encode(self, images: jax.Array) -> tuple[jax.Array, jax.Array]:
        """Mean and log variance of the latents of ``images`` (n, pixels), each ``(n, latent)``."""
        return self.network.encode(self.encoder, images)

    def decode(self, latents: jax.Array) -> jax.Array:
        """The mean image of each row of ``latents`` (n, latent), ``(n, pixels)``."""
        out = self.network.decode(self.decoder, latents)
        return jax.nn.sigmoid(out) if self.noise is None else out

    def bound(self, images: jax.Array, normals: jax.Array) -> tuple[jax.Array, jax.Array]:
        r"""Both parts of the evidence bound of each image, in nats, each ``(n,)``: expected log likelihood, and KL.

        .. math:: \log p(x) \ge E_q \log p(x|z) - KL(q(z|x)\,\|\,N(0, I)), \quad
                  KL = \tfrac12 \sum_j (\mu_j^2 + e^{s_j} - 1 - s_j)

        with :math:`q = N(\mu, \mathrm{diag}\,e^{s})` by the encoder. The expectation is taken at one draw :math:`\mu +
        e^{s/2} \epsilon` per image, :math:`\epsilon` the rows of ``normals`` (n, latent). Pixels between 0 and 1 enter
        the Bernoulli likelihood as :math:`x \log p + (1 - x) \log(1 - p)`.
        """
        mean, log_variance = self.encode(images)
        out = self.network.decode(self.decoder, mean + jnp.exp(0.5 * log_variance) * normals)
        if self.noise is None:
            likelihood = (images * out - _softplus(out)).sum(1)
        else:
            noise = jnp.asarray(self.noise, out.dtype)
            density = (images - out) ** 2 / noise + jnp.log(2 * math.pi * noise)
            likelihood = -0.5 * density.sum(1)
        divergence = 0.5 * (mean**2 + jnp.exp(log_variance) - 1 - log_variance).sum(1)
        return likelihood, divergence


@part
class VAE:
    r"""A variational autoencoder (Kingma and Welling 2013) with a standard normal prior.

    Parameters: an ``Autoencoder``; data sets are rows. A refit takes ``steps`` steps of Adam on :math:`\sum (-\log
    p(x|z) + \beta\,KL)` over a batch of rows, drawn from the data set with replacement, at one latent draw per row. The
    defaults are the protocol of Shumailov et al. (2024): a new network from random weights each generation, whose
    training images are the previous decoder's *mean* images. Their code draws these again for every batch; here a data
    set is drawn once per generation, so that real images can be kept in it; let its size grow for their case. Weights
    have the floating type of the rows: float32 is three times as fast.

    Parameters
    ----------
    latent
        Number of latent dimensions.
    network
        ``MLP(hidden)`` or ``Convolutional(channels, shape)``, or a part with the same methods.
    steps, batch, rate
        Number of steps of Adam, rows in each, learning rate.
    kl_weight
        :math:`\beta`.
    weight_decay
        Adds this multiple of the weights to the gradient, as Adam in PyTorch does; 1e-5 in the paper's code.
    output
        What the next generation sees: ``"mean"``, the decoder's mean images, or ``"sampled"``, pixels drawn from its
        likelihood.
    start
        ``"fresh"``: from random weights. ``"warm"``: from the previous generation's.
    warm_steps
        Steps of a warm start, where they differ from ``steps``: few make a partial refit. Generation 0 takes ``steps``.
    noise
        None for Bernoulli pixels in [0, 1]. A number makes the decoder Gaussian with this variance per pixel, for any
        real rows; with ``MLP(())`` its optimum is that of ``PPCA``.
    """

    latent: int = static(default=20)
    network: Network = MLP()
    steps: int = static(default=400)
    batch: int = static(default=128)
    rate: Number = 1e-3
    kl_weight: Number = 1.0
    weight_decay: Number = 0.0
    output: str = static(default="mean")
    start: str = static(default="fresh")
    warm_steps: int | None = static(default=None)
    noise: Number | None = None

    data = Rows
    default_observables = ("training_loss",)
    bounded = True  # rows in [0, 1], where the type resolves all alike

    def __post_init__(self) -> None:
        arguments.converted(
            self,
            **dict.fromkeys(("latent", "steps", "batch"), arguments.count),
            warm_steps=arguments.optional(arguments.count),
            network=arguments.checker(arguments.having, ("init", "encode", "decode", "check")),
            rate=arguments.positive,
            **dict.fromkeys(("kl_weight", "weight_decay"), arguments.nonnegative),
            noise=arguments.optional(arguments.positive),
            output=arguments.checker(arguments.choice, ("mean", "sampled")),
            start=arguments.checker(arguments.choice, ("fresh", "warm")),
        )
        if self.warm_steps is not None and self.start == "fresh":
            raise ValueError(f"warm_steps must be None for start='fresh', got {self.warm_steps}")

    def draw(self, key: jax.Array, params: Autoencoder, n: Count, capacity: int) -> Rows:
        return self.draw_rows(key, params, n, capacity)

    def draw_rows(self, key: jax.Array, params: Autoencoder, n: Count, capacity: int) -> Rows:
        latents = sampling.normal(jax.random.fold_in(key, VAE_LATENT), (capacity, self.latent), params.loss.dtype)
        points = params.decode(latents)
        if self.output == "sampled":
            pixels = jax.random.fold_in(key, VAE_PIXELS)
            if self.noise is None:
                points = (jax.random.uniform(pixels, points.shape, points.dtype) < points).astype(points.dtype)
            else:
                spread = jnp.sqrt(jnp.asarray(self.noise, points.dtype))
                points = points + spread * sampling.normal(pixels, points.shape, points.dtype)
        return Rows(points, jnp.asarray(n, jnp.int32))

    def summarise(self, rows: Rows) -> Rows:
        return rows

    def fit(self, key: jax.Array, data: Rows, previous: Autoencoder | None) -> Autoencoder:
        dtype = data.points.dtype
        if previous is not None and self.start == "warm":
            weights, steps = (previous.encoder, previous.decoder), self.warm_steps or self.steps
        else:
            init = jax.random.fold_in(key, VAE_INIT)
            weights, steps = self.network.init(init, data.points.shape[1], self.latent, dtype), self.steps
        kl_weight = jnp.asarray(self.kl_weight, dtype)
        noise = None if self.noise is None else jnp.asarray(self.noise, dtype)

        def loss(weights: tuple[Weights, Weights], key: jax.Array) -> jax.Array:
            words, _ = keys.words(key, (self.batch,), VAE_BATCH)
            normals = sampling.normal(key, (self.batch, self.latent), dtype, VAE_LATENT)
            # the remainder favours some rows by a fraction count / 2^32
            chosen = words % data.count.astype(jnp.uint32)
            encoder, decoder = weights
            model = Autoencoder(self.network, encoder, decoder, noise, jnp.zeros((), dtype))
            likelihood, divergence = model.bound(data.points[chosen], normals)
            return (kl_weight * divergence - likelihood).sum()

        train = jax.random.fold_in(key, VAE_TRAIN)
        (encoder, decoder), losses = descend(
            loss, weights, train, steps, options={"rate": self.rate, "decay": self.weight_decay}
        )
        return Autoencoder(self.network, encoder, decoder, noise, losses[-max(steps // 10, 1) :].mean() / self.batch)

    def labour(self, params: Autoencoder, rows: int) -> int:
        """Each step multiplies a batch by every weight, and the slopes back twice."""
        steps = max(self.steps, self.warm_steps or 0)
        return 3 * steps * self.batch * sum(leaf.size for leaf in jax.tree.leaves((params.encoder, params.decoder)))

    def workspace(self, params: Autoencoder) -> int:
        """Floats that are held for each row: the row itself, its logits and means."""
        image = jax.vmap(lambda one: one.decode(jnp.zeros((1, self.latent), one.loss.dtype)))
        return 3 * jax.eval_shape(image, params).size

    def fewest(self, params: Autoencoder) -> int:
        """A batch."""
        return self.batch

    def check(self, source: Source, sizes: np.ndarray) -> None:
        """Refuse rows that are not images of the network's size, and data sets smaller than a batch."""
        shape, dtype = row_type(source)
        if len(shape) != 1 or not jnp.issubdtype(dtype, jnp.floating):
            raise TypeError(
                f"source must give images as rows of real numbers, shape (n, pixels), for VAE; "
                f"this {type(source).__name__} gives {dtype} of shape {('n', *shape)}: use images(array)"
            )
        self.network.check(shape[0])
        if sizes.min() < self.batch:
            raise ValueError(
                f"size must be at least the batch of {self.batch} images, got {sizes.min()}: lower `batch`"
            )
        if self.noise is None:
            # some draws of a law or sampler
            table = rows_of(source)
            check_pixels(source.draw_rows(jax.random.key(0), jnp.int32(64), 64).points if table is None else table)


def check_pixels(rows: ArrayLike) -> None:
    """Refuse rows ``(n, pixels)`` with a value outside [0, 1] or NaN, by a ValueError that names the first."""
    values = np.asarray(rows)
    bad = ~((values >= 0) & (values <= 1))
    if bad.any():
        image, pixel = np.unravel_index(bad.argmax(), bad.shape)
        raise ValueError(
            f"pixels must lie in [0, 1], got {values[image, pixel]:g} in image {image} "
            f"(largest {np.nanmax(values):g}): divide bytes by 255"
        )

"""Networks of an autoencoder: plain arrays as parameters, pure functions, and every product a matrix product.

A network is a part with ``init(key, pixels, latent, dtype) -> (encoder, decoder)``, ``encode(encoder, images) -> (mean, log_variance)`` and
``decode(decoder, latents) -> (n, pixels)``, before any output nonlinearity. Images are rows ``(n, pixels)``. Weights and offsets begin uniform on
+-1 / sqrt(inputs), as PyTorch's do.
"""

from __future__ import annotations

import itertools
import math
from typing import Any

import jax
import jax.numpy as jnp

from modelcollapse.pytree import part, static


@part
class MLP:
    """Dense layers with ReLU between them; ``hidden`` widths from pixels to latents, and back in the decoder. ``()`` is linear."""

    hidden: tuple[int, ...] = static(default=(256,))

    def __post_init__(self) -> None:
        if not isinstance(self.hidden, tuple) or not all(isinstance(w, int) and w >= 1 for w in self.hidden):
            raise ValueError(f"hidden must be a tuple of widths of at least 1, got {self.hidden!r}")

    def check(self, pixels: int) -> None:
        pass

    def init(self, key: jax.Array, pixels: int, latent: int, dtype: Any) -> tuple[Any, Any]:
        inwards = (pixels, *self.hidden, 2 * latent)
        outwards = (latent, *self.hidden[::-1], pixels)
        return tuple(
            [
                layer(jax.random.fold_in(jax.random.fold_in(key, side), i), (a, b), b, a, dtype)
                for i, (a, b) in enumerate(itertools.pairwise(widths))
            ]
            for side, widths in enumerate((inwards, outwards))
        )  # type: ignore[return-value]

    def encode(self, encoder: Any, images: jax.Array) -> tuple[jax.Array, jax.Array]:
        return _halves(self._layers(encoder, images))

    def decode(self, decoder: Any, latents: jax.Array) -> jax.Array:
        return self._layers(decoder, latents)

    @staticmethod
    def _layers(layers: Any, x: jax.Array) -> jax.Array:
        for one in layers[:-1]:
            x = jax.nn.relu(affine(one, x))
        return affine(layers[-1], x)


@part
class Convolutional:
    """Two convolutions (4 x 4, stride 2, padding 1) with ``channels`` and twice as many channels and ReLU, one dense layer; the mirror image decodes.

    64 channels and 28 x 28 pixels are the network of the code that goes with Shumailov et al. (2024): 647,081 parameters
    at 20 latent dimensions. ``shape`` is height and width, multiples of 4.
    """

    channels: int = static(default=8)
    shape: tuple[int, int] = static(default=(28, 28))

    def __post_init__(self) -> None:
        if not isinstance(self.channels, int) or self.channels < 1:
            raise ValueError(f"channels must be a whole number of at least 1, got {self.channels!r}")
        if len(self.shape) != 2 or not all(isinstance(s, int) and s >= 4 and s % 4 == 0 for s in self.shape):
            raise ValueError(f"shape must be height and width, multiples of 4, got {self.shape!r}")

    def check(self, pixels: int) -> None:
        """Refuse images of another size."""
        if math.prod(self.shape) != pixels:
            raise ValueError(f"shape {self.shape} means {math.prod(self.shape)} pixels, but the images have {pixels}")

    @property
    def _small(self) -> tuple[int, int, int]:
        return self.shape[0] // 4, self.shape[1] // 4, 2 * self.channels

    def init(self, key: jax.Array, pixels: int, latent: int, dtype: Any) -> tuple[Any, Any]:
        c, flat = self.channels, math.prod(self._small)
        # weights, offsets, and the inputs that bound them: PyTorch counts those of a transposed convolution by its outputs
        inwards = (((16, c), c, 16), ((16 * c, 2 * c), 2 * c, 16 * c), ((flat, 2 * latent), 2 * latent, flat))
        outwards = (((latent, flat), flat, latent), ((2 * c, 16 * c), c, 16 * c), ((c, 16), 1, 16))
        return tuple(
            [layer(jax.random.fold_in(jax.random.fold_in(key, side), i), *s, dtype) for i, s in enumerate(sizes)]
            for side, sizes in enumerate((inwards, outwards))
        )  # type: ignore[return-value]

    def encode(self, encoder: Any, images: jax.Array) -> tuple[jax.Array, jax.Array]:
        x = images.reshape(-1, *self.shape, 1)
        for one in encoder[:2]:
            x = jax.nn.relu(convolved(one, x))
        return _halves(affine(encoder[2], x.reshape(x.shape[0], -1)))

    def decode(self, decoder: Any, latents: jax.Array) -> jax.Array:
        x = affine(decoder[0], latents).reshape(-1, *self._small)
        x = jax.nn.relu(spread(decoder[1], x))
        return spread(decoder[2], x).reshape(latents.shape[0], -1)


def layer(key: jax.Array, shape: tuple[int, int], offsets: int, inputs: int, dtype: Any) -> dict[str, jax.Array]:
    bound = inputs**-0.5
    weights, offset = (
        jax.random.uniform(jax.random.fold_in(key, i), s, dtype, -bound, bound) for i, s in enumerate((shape, (offsets,)))
    )
    return {"weights": weights, "offset": offset}


def affine(one: Any, x: jax.Array) -> jax.Array:
    return x @ one["weights"] + one["offset"][None]


def convolved(one: Any, x: jax.Array) -> jax.Array:
    """Convolution 4 x 4, stride 2, padding 1: ``(n, 2h, 2w, c) -> (n, h, w, k)``; weights ``(16 c, k)``, taps in order ``(row, column)``.

    Padded, the image falls into blocks of 2 x 2, and a window is 2 x 2 of those: four slices and one product. Under
    ``vmap`` a convolution with kernels of its own for each chain would become a grouped one, many times slower on a CPU.
    """
    n, height, width, c = x.shape
    h, w = height // 2, width // 2
    blocks = jnp.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0))).reshape(n, h + 1, 2, w + 1, 2, c)
    windows = jnp.stack(
        [
            jnp.stack([blocks[:, a : a + h, :, b : b + w] for b in (0, 1)], axis=4)  # (n, h, 2, w, 2, 2, c)
            for a in (0, 1)
        ],
        axis=2,
    )  # (n, h, a, 2, w, b, 2, c)
    windows = windows.transpose(0, 1, 4, 2, 3, 5, 6, 7).reshape(n, h, w, 16 * c)
    return windows @ one["weights"] + one["offset"][None, None, None]


def spread(one: Any, x: jax.Array) -> jax.Array:
    """Transposed convolution 4 x 4, stride 2, padding 1: ``(n, h, w, c) -> (n, 2h, 2w, k)``; weights ``(c, 16 k)``, the same taps."""
    n, h, w, _ = x.shape
    outputs = one["offset"].size
    taps = (x @ one["weights"]).reshape(n, h, w, 2, 2, 2, 2, outputs)
    blocks = sum(
        jnp.pad(taps[:, :, :, a, :, b], ((0, 0), (a, 1 - a), (b, 1 - b), (0, 0), (0, 0), (0, 0)))
        for a in (0, 1)
        for b in (0, 1)
    )  # (n, h + 1, w + 1, 2, 2, k)
    whole = blocks.transpose(0, 1, 3, 2, 4, 5).reshape(n, 2 * h + 2, 2 * w + 2, outputs)  # type: ignore[union-attr]
    return whole[:, 1:-1, 1:-1] + one["offset"][None, None, None]


def _halves(both: jax.Array) -> tuple[jax.Array, jax.Array]:
    latent = both.shape[-1] // 2
    return both[..., :latent], both[..., latent:]

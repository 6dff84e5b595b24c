"""Networks of an autoencoder: plain arrays as parameters, pure functions, and every product a matrix product.

Images are rows ``(n, pixels)``. Weights and offsets begin uniform on +-1 / sqrt(inputs), as PyTorch's do.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Sequence
from typing import Any, Protocol, TypeAlias

import jax
import jax.numpy as jnp
from jax.typing import DTypeLike

from modelcollapse import arguments
from modelcollapse.pytree import part, static

Layer: TypeAlias = dict[str, jax.Array]
"""``weights`` and ``offset``."""
Weights: TypeAlias = Sequence[Layer]


class Network(Protocol):
    """Encoder and decoder of an autoencoder."""

    def check(self, pixels: int) -> None:
        """Refuse images with another number of pixels by a ValueError."""

    def init(self, key: jax.Array, pixels: int, latent: int, dtype: DTypeLike) -> tuple[Weights, Weights]: ...

    def encode(self, encoder: Weights, images: jax.Array) -> tuple[jax.Array, jax.Array]:
        """Mean and log variance of the latents, each ``(n, latent)``."""

    def decode(self, decoder: Weights, latents: jax.Array) -> jax.Array:
        """``(n, pixels)``, before any output nonlinearity."""


@part
class MLP:
    """Dense layers with ReLU between them; ``hidden`` widths from pixels to latents, and back in the decoder.

    ``()`` is linear.
    """

    hidden: tuple[int, ...] = static(default=(256,))

    def __post_init__(self) -> None:
        arguments.converted(self, hidden=_widths)

    def check(self, pixels: int) -> None:
        pass

    def init(self, key: jax.Array, pixels: int, latent: int, dtype: DTypeLike) -> tuple[Weights, Weights]:
        inwards = (pixels, *self.hidden, 2 * latent)
        outwards = (latent, *self.hidden[::-1], pixels)
        return begun(key, [[((a, b), b, a) for a, b in itertools.pairwise(w)] for w in (inwards, outwards)], dtype)

    def encode(self, encoder: Weights, images: jax.Array) -> tuple[jax.Array, jax.Array]:
        return _halves(dense(encoder, images))

    def decode(self, decoder: Weights, latents: jax.Array) -> jax.Array:
        return dense(decoder, latents)


@part
class Convolutional:
    """Two convolutions (4 x 4, stride 2, padding 1) with ReLU and one dense layer; the mirror image decodes.

    The convolutions have ``channels`` and twice as many channels. 64 channels and 28 x 28 pixels are the network of the
    code that goes with Shumailov et al. (2024): 647,081 parameters at 20 latent dimensions. ``shape`` is height and
    width, multiples of 4.
    """

    channels: int = static(default=8)
    shape: tuple[int, int] = static(default=(28, 28))

    def __post_init__(self) -> None:
        arguments.converted(self, channels=arguments.count, shape=_widths)
        if len(self.shape) != 2 or any(side % 4 for side in self.shape):
            raise ValueError(f"shape must be height and width, multiples of 4, got {self.shape!r}")

    def check(self, pixels: int) -> None:
        """Refuse images of another size."""
        if math.prod(self.shape) != pixels:
            raise ValueError(f"shape {self.shape} means {math.prod(self.shape)} pixels, but the images have {pixels}")

    @property
    def _small(self) -> tuple[int, int, int]:
        return self.shape[0] // 4, self.shape[1] // 4, 2 * self.channels

    def init(self, key: jax.Array, pixels: int, latent: int, dtype: DTypeLike) -> tuple[Weights, Weights]:
        c, flat = self.channels, math.prod(self._small)
        # weights, offsets, and the inputs that bound them: PyTorch counts those of a transposed convolution by outputs
        inwards = (((16, c), c, 16), ((16 * c, 2 * c), 2 * c, 16 * c), ((flat, 2 * latent), 2 * latent, flat))
        outwards = (((latent, flat), flat, latent), ((2 * c, 16 * c), c, 16 * c), ((c, 16), 1, 16))
        return begun(key, (inwards, outwards), dtype)

    def encode(self, encoder: Weights, images: jax.Array) -> tuple[jax.Array, jax.Array]:
        x = images.reshape(-1, *self.shape, 1)
        for one in encoder[:2]:
            x = jax.nn.relu(convolved(one, x))
        return _halves(affine(encoder[2], x.reshape(x.shape[0], -1)))

    def decode(self, decoder: Weights, latents: jax.Array) -> jax.Array:
        x = affine(decoder[0], latents).reshape(-1, *self._small)
        x = jax.nn.relu(spread(decoder[1], x))
        return spread(decoder[2], x).reshape(latents.shape[0], -1)


def begun(
    key: jax.Array, sides: Iterable[Sequence[tuple[tuple[int, ...], int, int]]], dtype: DTypeLike
) -> tuple[Weights, Weights]:
    """Weights and offsets of layers ``(shape, offsets, inputs)``, uniform on +-1 / sqrt(inputs), from one long draw."""
    sizes = [(math.prod(shape), offsets) for layers in sides for shape, offsets, _ in layers]
    ends = iter(itertools.accumulate(itertools.chain(*sizes), initial=0))
    draw = jax.random.uniform(key, (sum(map(sum, sizes)),), dtype, -1.0, 1.0)
    start = next(ends)

    def cut(shape: tuple[int, ...], bound: float) -> jax.Array:
        nonlocal start
        before, start = start, next(ends)
        return bound * draw[before:start].reshape(shape)

    encoder, decoder = (
        [
            {"weights": cut(shape, inputs**-0.5), "offset": cut((offsets,), inputs**-0.5)}
            for shape, offsets, inputs in layers
        ]
        for layers in sides
    )
    return encoder, decoder


def dense(layers: Weights, x: jax.Array) -> jax.Array:
    """Layers with ReLU between them."""
    for one in layers[:-1]:
        x = jax.nn.relu(affine(one, x))
    return affine(layers[-1], x)


def affine(one: Layer, x: jax.Array) -> jax.Array:
    """One layer: inputs ``(n, d)`` times weights, plus the offset."""
    return x @ one["weights"] + one["offset"][None]


def convolved(one: Layer, x: jax.Array) -> jax.Array:
    """Convolution 4 x 4, stride 2, padding 1: ``(n, 2h, 2w, c) -> (n, h, w, k)``; weights ``(16 c, k)``.

    Padded, the image falls into blocks of 2 x 2, and a window is 2 x 2 of those: four slices and one product. Under
    ``vmap`` a convolution with kernels of its own for each chain would become a grouped one, many times slower on a
    CPU.
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


def spread(one: Layer, x: jax.Array) -> jax.Array:
    """Transposed convolution 4 x 4, stride 2, padding 1: ``(n, h, w, c) -> (n, 2h, 2w, k)``; weights ``(c, 16 k)``."""
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


def _widths(name: str, value: Any) -> tuple[int, ...]:
    """Whole numbers of at least 1, or none, hashable."""
    return tuple(arguments.whole_array(name, value, ndim=1, minimum=1).tolist())


def _halves(both: jax.Array) -> tuple[jax.Array, jax.Array]:
    latent = both.shape[-1] // 2
    return both[..., :latent], both[..., latent:]

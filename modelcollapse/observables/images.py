"""Observables of image models: each looks at the model, or at images drawn from the same latents at every generation.

The parts hold their data (held-out images, a classifier) as fields. Their draws come from one fixed key, so a value is
a function of the parameters alone and a change from one generation to the next is the model's.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import ArrayLike

from modelcollapse import arguments, sampling
from modelcollapse.families.networks import MLP, dense
from modelcollapse.families.training import descend
from modelcollapse.forks import computes
from modelcollapse.observables.registry import Momentary
from modelcollapse.protocols import Carry, Family, HasFeatures, Params, Truth
from modelcollapse.pytree import part, static
from modelcollapse.sources import images as image_rows
from modelcollapse.transport import gaussian_w2

if TYPE_CHECKING:
    from modelcollapse.families.ppca import LinearDecoder
    from modelcollapse.families.vae import Autoencoder
    from modelcollapse.loop import State

SEED = 20240724
"""The seed of the fixed draws."""


def _rows(name: str, value: ArrayLike) -> jax.Array:
    return jnp.asarray(arguments.array(name, value, ndim=2, least=1), jnp.result_type(float))


def _several(name: str, value: ArrayLike) -> jax.Array:
    rows = _rows(name, value)
    if rows.shape[0] < 2:
        raise ValueError(f"{name} must have at least 2 images for a covariance, got {rows.shape[0]}")
    return rows


_two = arguments.checker(arguments.whole, 2)
_family = arguments.checker(arguments.having, ("draw_rows",))
_reference = arguments.optional(arguments.having, ("encode",))
_classifier = arguments.checker(arguments.having, ("scores",))
_embedding = arguments.checker(arguments.having, ("embed",))


@part
class Images:
    """``draws`` images of the model itself, ``(draws, pixels)``."""

    family: Family
    draws: int = static(default=10)

    def __post_init__(self) -> None:
        arguments.converted(self, family=_family, draws=arguments.count)

    def __call__(self, params: Params) -> jax.Array:
        return _drawn(self.family, params, self.draws)


@part
class PixelVariance:
    """Variance over ``draws`` images of the model, averaged over pixels, ``()``."""

    family: Family
    draws: int = static(default=1000)

    def __post_init__(self) -> None:
        arguments.converted(self, family=_family, draws=arguments.count)

    def __call__(self, params: Params) -> jax.Array:
        return _drawn(self.family, params, self.draws).var(0).mean()


@part
class EvidenceBound:
    """Mean evidence bound (ELBO) per image of held-out ``images`` (n, pixels), at one fixed latent each, ``()``."""

    images: jax.Array

    units = "nats"

    def __post_init__(self) -> None:
        arguments.converted(self, images=_rows)

    def __call__(self, params: Autoencoder) -> jax.Array:
        latent = jax.eval_shape(params.encode, self.images)[0].shape[1]
        normals = sampling.normal(sampling.key(SEED), (self.images.shape[0], latent), self.images.dtype)
        likelihood, divergence = params.bound(self.images, normals)
        return (likelihood - divergence).mean()


@part
class Latents(Momentary):
    """Latent means ``(draws, latent)`` of ``draws`` images of the model, by the encoder of the chain's generation 0.

    The measure of figure 8 of arXiv 2305.17493, there with 100 draws. ``reference`` (parameters with ``encode``) takes
    the place of generation 0, and compares chains that have no common beginning.
    """

    family: Family
    reference: Autoencoder | LinearDecoder | None = None
    draws: int = static(default=100)

    def __post_init__(self) -> None:
        arguments.converted(self, family=_family, reference=_reference, draws=arguments.count)

    def start(self, truth: Truth, first: State) -> Carry:
        return first.params if self.reference is None else ()

    def read(self, carry: Carry, state: State, truth: Truth) -> jax.Array:
        original = carry if self.reference is None else self.reference
        return original.encode(_drawn(self.family, state.params, self.draws))[0]


@part
class LatentSpread(Latents):
    """Standard deviation of all numbers that ``Latents`` would keep, ``()``."""

    def read(self, carry: Carry, state: State, truth: Truth) -> jax.Array:
        return super().read(carry, state, truth).std()


@part
class ClassHistogram:
    """Fraction of ``draws`` images of the model that ``classifier`` gives to each class, ``(K,)``."""

    family: Family
    classifier: Classifier
    draws: int = static(default=1000)

    def __post_init__(self) -> None:
        arguments.converted(self, family=_family, classifier=_classifier, draws=arguments.count)

    def __call__(self, params: Params) -> jax.Array:
        scores = self.classifier.scores(_drawn(self.family, params, self.draws))
        return jax.nn.one_hot(scores.argmax(1), scores.shape[1], dtype=scores.dtype).mean(0)


@part
class FrechetDistance:
    """``frechet_distance`` of ``draws`` images of the model to real ``images`` (n, pixels), ``()``.

    The distance of finitely many images is above that of the laws they come from, by an amount that falls like
    1 / ``draws`` + 1 / n: compare it with the distance of two sets of real images of these sizes, never with 0.
    """

    family: Family
    classifier: Classifier
    images: jax.Array
    draws: int = static(default=1000)

    def __post_init__(self) -> None:
        arguments.converted(self, family=_family, classifier=_embedding, images=_several, draws=_two)

    def __call__(self, params: Params) -> jax.Array:
        return _frechet(self.classifier, _drawn(self.family, params, self.draws), self.images)


@part
class NearestReal:
    """Mean Euclidean distance from ``draws`` images of the model to the nearest of ``images`` (n, pixels), ``()``."""

    family: Family
    images: jax.Array
    draws: int = static(default=200)

    def __post_init__(self) -> None:
        arguments.converted(self, family=_family, images=_rows, draws=arguments.count)

    def __call__(self, params: Params) -> jax.Array:
        points = _drawn(self.family, params, self.draws)

        def nearest(point: jax.Array) -> jax.Array:
            # differences, not |a|^2 - 2ab + |b|^2, which would lose a small distance to rounding
            return jnp.sqrt(((self.images - point[None]) ** 2).sum(1).min())

        return jax.lax.map(nearest, points).mean()


@part
class Each:
    """A function of one model, for each class of a class-conditional one, ``(K, ...)``.

    ``of("models", Each(PixelVariance(family)))`` is the variance of each class.
    """

    function: Any

    def __post_init__(self) -> None:
        arguments.converted(self, function=arguments.function)

    def __call__(self, models: Params) -> jax.Array:
        return jax.vmap(self.function)(models)


@part
class Classifier:
    """A fixed classifier of images, which gets the fraction ``accuracy`` of held-out images right."""

    layers: Any
    accuracy: float

    def scores(self, images: jax.Array) -> jax.Array:
        """Logits ``(n, K)`` of ``images`` (n, pixels)."""
        return dense(self.layers, self._checked(images))

    def embed(self, images: jax.Array) -> jax.Array:
        """Features ``(n, d)`` of ``images`` (n, pixels): what the last layer sees."""
        images = self._checked(images)
        return jax.nn.relu(dense(self.layers[:-1], images)) if len(self.layers) > 1 else images

    def _checked(self, images: jax.Array) -> jax.Array:
        pixels = self.layers[0]["weights"].shape[0]
        if images.shape[1] != pixels:
            raise ValueError(f"images must have the {pixels} pixels of the classifier, got {images.shape[1]}")
        return images


@computes
def frechet_distance(classifier: Classifier, images: ArrayLike, others: ArrayLike) -> jax.Array:
    r"""Squared Frechet distance of two sets of images, (n, pixels) and (k, pixels), in a classifier's features, ``()``.

    .. math:: |m_1 - m_2|^2 + \mathrm{tr}(S_1 + S_2 - 2 (S_1 S_2)^{1/2})

    the squared W2 distance of the normal laws with the means m and covariances S (with n - 1) of the features
    ``classifier.embed``. It is the FID of Heusel et al. (2017) with other features than those of Inception, so that its
    values compare with one another alone. The unit is that of the features squared.

    Raises
    ------
    ValueError, TypeError
        For sets of fewer than two images, or of another number of pixels; or a classifier without ``embed``.
    """
    _embedding("classifier", classifier)
    one, other = _several("images", images), _several("others", others)
    if one.shape[1] != other.shape[1]:
        raise ValueError(f"images and others must have as many pixels, got {one.shape[1]} and {other.shape[1]}")
    return _frechet(classifier, one, other)


def _frechet(classifier: Classifier, images: jax.Array, others: jax.Array) -> jax.Array:
    return _apart(classifier.embed(images), classifier.embed(others))


@jax.jit
def _apart(features: jax.Array, others: jax.Array) -> jax.Array:
    return gaussian_w2(*_normal(features), *_normal(others))


def _normal(features: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Mean ``(d,)`` of rows ``(n, d)``, and a factor ``(d, d)`` of their covariance, which may be singular."""
    n, d = features.shape
    mean = features.mean(0)
    # the factor of the rows themselves: one of their covariance would be lost to rounding where that is singular
    upper = jnp.linalg.qr((features - mean[None]) / jnp.sqrt(n - 1).astype(features.dtype), mode="r")
    return mean, jnp.zeros((d, d), features.dtype).at[:, : upper.shape[0]].set(upper.T)


@computes
def train_classifier(
    pixels: ArrayLike,
    labels: ArrayLike,
    *,
    hidden: int = 128,
    steps: int = 1000,
    batch: int = 128,
    rate: float = 1e-3,
    held_out: float = 0.2,
    seed: int = 0,
) -> Classifier:
    """A classifier with one hidden layer, trained by Adam on the cross-entropy.

    It learns from images ``(n, height, width)`` or ``(n, pixels)`` with labels ``(n,)``. The fraction ``held_out`` of
    them, chosen at random, is kept apart for ``accuracy``; on the 5,000 digits that is near 0.94.

    Raises
    ------
    ValueError, TypeError
        As ``images`` does; if ``held_out`` leaves no image on either side; or if the training diverges.
    """
    if labels is None:
        raise TypeError("labels must be whole numbers from 0, one for each image, got None")
    hidden, steps, batch = (
        arguments.count(name, value) for name, value in (("hidden", hidden), ("steps", steps), ("batch", batch))
    )
    rate, seed = arguments.positive("rate", rate), arguments.whole("seed", seed)
    held_out = arguments.share("held_out", held_out)
    rows = np.asarray(image_rows(pixels, labels).points)
    order = np.random.default_rng(seed).permutation(len(rows))
    apart = round(held_out * len(rows))
    if not 0 < apart < len(rows):
        raise ValueError(f"held_out must leave images on both sides of {len(rows)}, got {held_out!r}")
    test, train = (jnp.asarray(rows[chosen]) for chosen in (order[:apart], order[apart:]))
    classes, key = int(rows[:, -1].max()) + 1, sampling.key(seed)
    # the decoder of a network from K latents to pixels and back; here it goes from pixels to K scores
    _, layers = MLP((hidden,)).init(jax.random.fold_in(key, 0), classes, train.shape[1] - 1, train.dtype)

    layers = _trained(layers, train, jax.random.fold_in(key, 1), rate, steps, batch)
    if not all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(layers)):
        raise ValueError(f"rate must be small enough for the training not to diverge, got {rate:g}")
    right = dense(layers, test[:, :-1]).argmax(1) == test[:, -1].astype(int)
    return Classifier(layers, float(right.mean()))


@functools.partial(jax.jit, static_argnames=("steps", "batch"))
def _trained(layers: Params, train: jax.Array, key: jax.Array, rate: float, steps: int, batch: int) -> Params:
    """Layers trained on rows that end with their class."""

    def loss(layers: Params, key: jax.Array) -> jax.Array:
        chosen = train[jax.random.randint(key, (batch,), 0, train.shape[0], jnp.int32)]
        scores = jax.nn.log_softmax(dense(layers, chosen[:, :-1]))
        return -jnp.take_along_axis(scores, chosen[:, -1:].astype(jnp.int32), axis=1).mean()

    return descend(loss, layers, key, steps, options={"rate": rate})[0]


def _drawn(family: Family, params: Params, draws: int) -> jax.Array:
    """Images of the model, always from the same latents; those of a class-conditional model without their class."""
    rows = family.draw_rows(sampling.key(SEED), params, jnp.int32(draws), draws).points
    return family.features(rows) if isinstance(family, HasFeatures) else rows

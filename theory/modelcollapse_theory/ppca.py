"""A linear VAE sampled by its decoder's mean forgets the noise it explained, a fixed amount of variance at every fit.

The model is ``x = W z + mu + e``, ``z`` standard normal in q dimensions, ``e`` of variance ``noise`` a coordinate.
With the noise held fixed the best fit keeps the data's eigenvectors, and direction j with variance ``l_j`` gets
``|w_j|^2 = max(l_j - kl_weight * noise, 0)``. Everything here is the population limit: endless data, exact optimum.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from modelcollapse_theory._domain import Array, positive, whole, within
from modelcollapse_theory._register import theorem

_OWN = "derived in theory/derivations/ppca.md"


def _variance(variance: ArrayLike) -> Array:
    return within("variance", variance, 0, np.inf)


def _threshold(noise: ArrayLike, kl_weight: ArrayLike) -> Array:
    return positive("noise", noise) * positive("kl_weight", kl_weight)


@theorem(
    statement="Decoder means, fixed decoder noise: a direction's variance loses kl_weight * noise a fit, and is 0 "
    "after ceil(variance/(kl_weight * noise)) fits",
    conditions="linear VAE (probabilistic PCA at kl_weight 1), enough latent dimensions, infinite data, replace",
    order="exact",
    source=_OWN,
)
def decoder_mean_variance(
    variance: ArrayLike, noise: ArrayLike, fits: ArrayLike, *, kl_weight: ArrayLike = 1.0
) -> Array:
    r"""Variance of the decoder's means along a principal direction after n ``fits``.

    .. math:: l_n = \max(l_0 - n\beta\sigma^2, 0), \qquad l_{n+1} = l_n\,(1 - \beta\sigma^2/l_n)

    ``variance`` is l_0, that of the real data along the direction. Exact: the shrinking factor worsens at every fit.
    """
    return np.maximum(_variance(variance) - whole("fits", fits) * _threshold(noise, kl_weight), 0.0)


def lifetime(variance: ArrayLike, noise: ArrayLike, *, kl_weight: ArrayLike = 1.0) -> NDArray[np.int64]:
    """The first number of fits at which :func:`decoder_mean_variance` is 0. Exact."""
    return np.ceil(_variance(variance) / _threshold(noise, kl_weight)).astype(np.int64)


@theorem(
    statement="Under the first encoder, decoder means of fit n have latent variance (l_0 - t) l_n/l_0^2",
    conditions="linear VAE, fixed noise, l_0 > t = kl_weight * noise, infinite data, replace",
    order="exact",
    source=_OWN,
)
def encoded_variance(variance: ArrayLike, noise: ArrayLike, fits: ArrayLike, *, kl_weight: ArrayLike = 1.0) -> Array:
    """Variance of the latent means when what the model of fit n draws is read by the encoder of fit 1.

    ``fits`` = 0 reads the real data. Exact; 0 for a direction the first fit dropped already.
    """
    variance, threshold = positive("variance", variance), _threshold(noise, kl_weight)
    drawn = decoder_mean_variance(variance, noise, fits, kl_weight=kl_weight)
    return np.maximum(variance - threshold, 0.0) / variance * (drawn / variance)


@theorem(
    statement="Sampled pixels, fixed noise: the model's variance is max(l, noise) from the first fit on, a fixed point",
    conditions="probabilistic PCA (kl_weight 1), enough latent dimensions, infinite data, replace",
    order="exact",
    source=_OWN,
)
def sampled_pixel_variance(variance: ArrayLike, noise: ArrayLike, fits: ArrayLike) -> Array:
    """Variance along a principal direction when each draw includes the decoder's noise. Exact, constant from fit 1."""
    variance, noise, fits = np.broadcast_arrays(_variance(variance), positive("noise", noise), whole("fits", fits))
    return np.where(fits > 0, np.maximum(variance, noise), variance)[()]


@theorem(
    statement="Learned noise: the first fit takes the mean discarded eigenvalue off each kept one; with decoder means "
    "every later fit is that fit again",
    conditions="probabilistic PCA by maximum likelihood, infinite data, replace, q < d",
    order="exact",
    source="maximum likelihood solution of Tipping and Bishop; recursion " + _OWN,
)
def learned_noise(eigenvalues: ArrayLike, latent_dimension: int) -> tuple[Array, float]:
    """Decoder variances (q,) and noise variance of the maximum-likelihood fit to a spectrum of ``eigenvalues`` (d,).

    The noise is the mean of the d - q smallest eigenvalues, and each decoder variance its eigenvalue less that. Applied
    to the spectrum of its own decoder means (d - q of them 0) it returns them unchanged: one loss, then none. Exact.
    """
    values = _variance(eigenvalues)
    if values.ndim != 1:
        raise ValueError(f"eigenvalues must be a vector, got shape {values.shape}")
    kept = int(whole("latent_dimension", latent_dimension, 1))
    if kept >= values.size:
        raise ValueError(f"latent_dimension must be below the {values.size} eigenvalues, got {latent_dimension}")
    ordered = np.sort(values)[::-1]
    noise = float(ordered[kept:].mean())
    return ordered[:kept] - noise, noise

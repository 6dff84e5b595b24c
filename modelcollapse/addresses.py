"""Who owns which role of a key: randomness is an address, not a queue.

The key of chain c at generation g is ``fold(fold(key, c), g)``. Each user of randomness within a generation folds a
role of its own into it, so nobody's draws depend on how many others draw. In a chain of several models, model i of
chain c has the keys of chain ``c * models + i``.
"""

from __future__ import annotations

import functools

import jax
import jax.numpy as jnp
import numpy as np

from modelcollapse.sampling import keys

MODEL, REAL, KEPT, CHOICE, OLDER, DETECTED, OTHER, SHARED = range(8)
"""A regime's draws: of the newest model, real data, data that stay, a subset or counts, older models (by age), what a
detector flags, other models (by number), and what models have in common.
"""
FIT, LOOK = 2**16, 2**16 + 1
"""The fit, and an observable's own draws."""
# within a draw or a fit, folded into the key that the family was given
CLASS_LABEL, CLASS_MODEL = range(2)
MIXTURE_COMPONENT, MIXTURE_NOISE = range(2)
PPCA_LATENT, PPCA_PIXELS = range(2)
CANDIDATE, CHANCE, JUDGE = range(3)
VAE_INIT, VAE_TRAIN, VAE_BATCH, VAE_LATENT, VAE_PIXELS = range(5)
POSTERIOR_SCALE, POSTERIOR_NORMAL = range(2)
STUDENT_NORMAL, STUDENT_SCALE = range(2)
STRATA_OFFSET, STRATA_ORDER = range(2)
NGRAM_PROMPTS, NGRAM_TOKENS, NGRAM_ORDER = range(3)
LANGUAGE_INIT, LANGUAGE_ORDER, LANGUAGE_PROMPT, LANGUAGE_TOKEN = range(4)
ENSEMBLE = 2**17
"""The second, third, ... draw or fit of an ensemble; the first has the key that the family was given."""
WATERMARK = 2**18
"""What a watermark seeds its lists or uniforms by, within its own key or that of a draw."""


def fold(key: jax.Array, role: int | jax.Array) -> jax.Array:
    """The key of a role."""
    return jax.random.fold_in(key, role)


def chain_words(key: jax.Array, index: np.ndarray, models: int | None = None) -> np.ndarray:
    """The data of ``chain_keys``, ``(chain, 2)`` or ``(chain, models, 2)`` words, found without a program."""
    if not keys.is_threefry(key):
        return np.asarray(jax.random.key_data(chain_keys(key, index, models)))
    numbers = np.asarray(index, np.uint32)
    if models is not None:
        numbers = numbers[:, None] * np.uint32(models) + np.arange(models, dtype=np.uint32)[None]
    return keys.fold_on_host(np.asarray(jax.random.key_data(key)), numbers)


def chain_keys(key: jax.Array, index: jax.Array | np.ndarray, models: int | None = None) -> jax.Array:
    """The keys of the chains of these numbers ``(chain,)``; ``(chain, models)`` where each has so many models."""
    numbers = jnp.asarray(index, jnp.uint32)
    if models is not None:
        numbers = numbers[:, None] * jnp.uint32(models) + jnp.arange(models, dtype=jnp.uint32)[None]
    each = jax.vmap(functools.partial(jax.random.fold_in, key))(numbers.reshape(-1))
    # stored, so that the loop over generations does not begin with a program for each word of their schedule
    return keys.materialise_keys(each).reshape(numbers.shape)

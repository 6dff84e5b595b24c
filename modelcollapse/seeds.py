"""A seed is a key, and no two seeds give the same one."""

from __future__ import annotations

import numbers
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import ArrayLike

from modelcollapse import arguments, sampling
from modelcollapse.numeric import shown

_LIST = 2**32 - 1
"""Begins the spawn key of a list of seeds, so that no ``SeedSequence`` that a user spawns is one of them."""
Seed = int | list[int] | dict[str, Any] | None
"""What the record of a run says of its seed."""


def keyed(value: Any) -> tuple[jax.Array, Seed]:
    """The key of a run, and what its record says of the seed. No two seeds give one key.

    An integer below 2**64 is the two words of a threefry key, high and low, as in JAX's 64-bit mode; a larger one is
    hashed by ``numpy.random.SeedSequence``, as is a list of integers, together with their lengths (alone it would read
    ``[5]`` and ``[5, 0]`` as one). None draws an integer, which the record holds. JAX keys, raw ones included, are
    taken as they are.
    """
    if value is None:
        value = int(np.random.SeedSequence().generate_state(1, np.uint64)[0])
    if isinstance(value, np.random.SeedSequence):
        entropy: Any = value.entropy
        entropy = int(entropy) if isinstance(entropy, numbers.Integral) else [int(item) for item in entropy]
        record = {"entropy": entropy, "spawn_key": [int(item) for item in value.spawn_key]}
        return _from_words(value.generate_state(2)), record
    if isinstance(value, jax.Array | np.ndarray) and (_is_raw(value) or _is_key(value)):
        if value.shape != (() if _is_key(value) else (2,)):
            raise ValueError(
                f"seed must be one key (raw: two words of uint32), got {value.dtype} of shape {value.shape}"
            )
        return sampling.wrap(value), None
    if (isinstance(value, list | tuple) or (isinstance(value, np.ndarray) and value.ndim == 1)) and len(value):
        several = [_seed_number(item) for item in value]
        counts = tuple(max(1, -(-item.bit_length() // 32)) for item in several)
        return _from_words(np.random.SeedSequence(several, spawn_key=(_LIST, *counts)).generate_state(2)), several
    single = _seed_number(value)
    if single >= 2**64:
        return _from_words(np.random.SeedSequence(single).generate_state(2)), single
    return _from_words(np.array([single >> 32, single & 0xFFFFFFFF], np.uint32)), single


def _is_raw(value: np.ndarray | jax.Array) -> bool:
    return value.dtype == np.uint32 and value.ndim >= 1


def _is_key(value: np.ndarray | jax.Array) -> bool:
    return jnp.issubdtype(value.dtype, jax.dtypes.prng_key)


def _seed_number(value: ArrayLike) -> int:
    try:
        number = arguments.whole("seed", value, -(2**4096), 2**4096 - 1)
    except TypeError:
        raise TypeError(f"seed must be a nonnegative integer or a JAX key, got {shown(value)}") from None
    if number < 0:
        raise ValueError(f"seed must not be negative, got {shown(number)}")
    return number


def _from_words(words: np.ndarray) -> jax.Array:
    return sampling.wrap(np.asarray(words, np.uint32))

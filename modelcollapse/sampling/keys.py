"""A key is an address: the default JAX stream, bit for bit, at the price of unrolled arithmetic on a CPU.

JAX lowers threefry2x32 on a CPU with rolled loops. The same twenty rounds written out vectorise: each word is the word
that :func:`jax.random.bits` gives, several times sooner. On an accelerator the stock implementation is a kernel
already, so :func:`key` and :func:`wrap` keep it there.
"""

from __future__ import annotations

import functools
import math
from typing import Any, NamedTuple, TypeAlias, TypeVar, cast, overload

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.typing import ArrayLike

from modelcollapse.sampling._xla import materialise_pair

__all__ = ["fold", "key", "materialise_keys", "materialised", "raw", "threefry2x32", "words", "wrap"]

Word = TypeVar("Word", jax.Array, np.ndarray)

_ROTATIONS = ((13, 15, 26, 6), (17, 29, 16, 24))
_UNSIGNED = {8: jnp.uint8, 16: jnp.uint16, 32: jnp.uint32, 64: jnp.uint64}


@functools.partial(jax.jit, inline=True)
def threefry2x32(first: jax.Array, second: jax.Array, high: jax.Array, low: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Two uint32 words from a key ``(first, second)`` and a counter ``(high, low)``: twenty rounds, unrolled.

    All four arguments are uint32 and broadcast like scalars against arrays. Source: Salmon, Moraes, Dror and Shaw,
    "Parallel random numbers: as easy as 1, 2, 3" (SC 2011).
    """
    return _rounds(first, second, high, low)


def _rounds(first: Word, second: Word, high: Word, low: Word) -> tuple[Word, Word]:
    """Arrays of JAX or of NumPy."""
    schedule = (first, second, first ^ second ^ np.uint32(0x1BD11BDA))
    x, y = high + schedule[0], low + schedule[1]
    for group in range(5):
        for turn in _ROTATIONS[group % 2]:
            x = x + y
            y = x ^ ((y << np.uint32(turn)) | (y >> np.uint32(32 - turn)))
        x = x + schedule[(group + 1) % 3]
        y = y + (schedule[(group + 2) % 3] + np.uint32(group + 1))
    return x, y


def fold_on_host(key_data: np.ndarray, addresses: np.ndarray) -> np.ndarray:
    """The words ``(..., 2)`` of a threefry key folded with each of ``addresses`` ``(...)`` uint32, in NumPy."""
    with np.errstate(over="ignore"):
        first, second = (key_data[i : i + 1] for i in range(2))
        words = _rounds(first, second, np.zeros(1, np.uint32), addresses.reshape(-1))
    return np.stack(words, axis=-1).reshape(*addresses.shape, 2)


def _counters(shape: tuple[int, ...]) -> jax.Array:
    size = math.prod(shape)
    if size >= 2**32:
        raise ValueError(f"shape must have fewer than 2**32 entries, got {shape}")
    return lax.iota(np.uint32, size).reshape(shape)


def _pair(first: jax.Array, second: jax.Array) -> jax.Array:
    """Two words as key data ``(..., 2)``; :func:`_halves` undoes it.

    By way of one 64-bit word, because XLA cancels a bitcast against its inverse and fuses shifts, while a concatenation
    met by a slice stays behind as scalar code, three times slower than the threefry rounds themselves.
    """
    with jax.enable_x64(True):
        whole = first.astype(jnp.uint64) | (second.astype(jnp.uint64) << np.uint64(32))
        return lax.bitcast_convert_type(whole, jnp.uint32)


def _halves(key_data: jax.Array) -> tuple[jax.Array, jax.Array]:
    with jax.enable_x64(True):
        whole = lax.bitcast_convert_type(key_data, jnp.uint64)
        return whole.astype(jnp.uint32), (whole >> np.uint64(32)).astype(jnp.uint32)


def _address(key_data: jax.Array, shape: tuple[int, ...]) -> tuple[jax.Array, jax.Array]:
    """The words of a key from which ``shape`` is drawn, computed once where a copy in every draw would cost more."""
    return _halves(key_data) if math.prod(shape) <= 1 else materialise_pair(*_halves(key_data))


def _seed(seed: ArrayLike) -> jax.Array:
    seed = jnp.asarray(seed)
    if not jnp.issubdtype(seed.dtype, jnp.integer) or seed.shape:
        raise TypeError(f"seed must be an integer scalar, got {seed!r}")
    wide = seed.dtype.itemsize == 8
    high = lax.shift_right_logical(seed, jnp.asarray(32, seed.dtype)) if wide else jnp.zeros_like(seed)
    return jnp.stack([high.astype(np.uint32), seed.astype(np.uint32)])


def _split(key_data: jax.Array, shape: tuple[int, ...]) -> jax.Array:
    return _pair(*threefry2x32(*_halves(key_data), np.uint32(0), _counters(shape)))


def _fold_in(key_data: jax.Array, data: int | jax.Array) -> jax.Array:
    return _pair(*threefry2x32(*_halves(key_data), np.uint32(0), jnp.asarray(data).astype(np.uint32)))


def _random_bits(key_data: jax.Array, bit_width: int, shape: tuple[int, ...]) -> jax.Array:
    high, low = threefry2x32(*_address(key_data, shape), np.uint32(0), _counters(shape))
    if bit_width == 64:
        return (high.astype(jnp.uint64) << np.uint64(32)) | low.astype(jnp.uint64)
    return (high ^ low).astype(_UNSIGNED[bit_width])


@functools.cache
def unrolled() -> Any:
    """The unrolled threefry2x32 as an implementation that :func:`jax.random.key` accepts, made once."""
    from jax.extend.random import define_prng_impl

    return define_prng_impl(
        key_shape=(2,),
        seed=_seed,
        split=_split,
        random_bits=_random_bits,
        fold_in=_fold_in,
        name="threefry2x32_unrolled",
        tag="ufry",
    )


def key(seed: int | jax.Array) -> jax.Array:
    """A typed key: unrolled threefry2x32 on a CPU, JAX's own threefry2x32 elsewhere; the numbers are the same.

    ``seed`` is an integer scalar. The stream equals that of ``jax.random.key(seed, impl="threefry2x32")`` bit for bit,
    under JAX's default ``jax_threefry_partitionable=True``.
    """
    stock = jax.random.key(seed, impl="threefry2x32")
    return wrap(stock)


def wrap(key: jax.Array | np.ndarray) -> jax.Array:
    """The same key, ready for the fast kernels: any typed key, or a raw uint32 array ``(..., 2)``.

    A threefry2x32 key is read by the unrolled implementation on a CPU; keys of other implementations, and every typed
    key on an accelerator, pass through. Raises TypeError for anything else.
    """
    if not isinstance(key, jax.Array | np.ndarray):
        raise TypeError(f"key must be a typed JAX key or a raw uint32 key, got {type(key).__name__}: {key!r}")
    if not jnp.issubdtype(key.dtype, jax.dtypes.prng_key):
        if key.dtype != jnp.uint32 or key.ndim < 1 or key.shape[-1] != 2:
            raise TypeError(
                f"key must be a typed JAX key or a raw uint32 key of shape (..., 2), got {key.dtype}{key.shape}"
            )
        impl = unrolled() if jax.default_backend() == "cpu" else "threefry2x32"
        return jax.random.wrap_key_data(jax.device_put(key), impl=impl)
    typed = cast(jax.Array, key)
    if jax.default_backend() == "cpu" and jax.random.key_impl(typed) == "threefry2x32":
        return jax.random.wrap_key_data(jax.random.key_data(typed), impl=unrolled())
    return typed


def raw(key: jax.Array) -> jax.Array:
    """The key as uint32 words ``(..., 2)``, which a file can hold and :func:`wrap` turns back into the same key."""
    return jax.random.key_data(wrap(key))


@overload
def fold(key: jax.Array, *addresses: int | jax.Array) -> jax.Array: ...
@overload
def fold(key: Address, *addresses: int | jax.Array) -> Address: ...
def fold(key: Key, *addresses: int | jax.Array) -> Key:
    """The key at an address: ``fold_in`` by each integer in turn, so ``fold(key, a, b)`` is ``fold(fold(key, a), b)``.

    The key is that of :func:`jax.random.fold_in`, but its rounds are written in the open, where XLA fuses them with
    what follows.
    """
    if isinstance(key, Address):
        return Address(*_folded(key, addresses))
    key = wrap(key)
    if not is_threefry(key):
        return functools.reduce(jax.random.fold_in, addresses, key)
    data = _pair(*_folded(_halves(jax.random.key_data(key)), addresses))
    return jax.random.wrap_key_data(data, impl=jax.random.key_impl(key))


def _folded(words: tuple[jax.Array, jax.Array], addresses: tuple[int | jax.Array, ...]) -> tuple[jax.Array, jax.Array]:
    for address in addresses:
        words = threefry2x32(*words, np.uint32(0), jnp.asarray(address).astype(np.uint32))
    return words


def materialise_keys(key: jax.Array) -> jax.Array:
    """The same keys, with their words written to memory: a program that reads them does not derive them again."""
    key = wrap(key)
    if not is_threefry(key):
        return key
    data = _pair(*materialise_pair(*_halves(jax.random.key_data(key))))
    return jax.random.wrap_key_data(data, impl=jax.random.key_impl(key))


class Address(NamedTuple):
    """The two words of a threefry key, as a kernel computes with them; each ``(lanes,)`` if each lane has its key."""

    first: jax.Array
    second: jax.Array


Key: TypeAlias = jax.Array | Address


def materialised(key: Key) -> Key:
    """The key as an address that is computed once, however many draws and branches read it; other keys as they are."""
    key = address(key)
    return Address(*materialise_pair(*key)) if isinstance(key, Address) else key


def address(key: Key) -> Key:
    """The key as an address for a single reader, which computes it as it reads; other keys as they are."""
    if isinstance(key, Address):
        return key
    key = wrap(key)
    return Address(*_halves(jax.random.key_data(key))) if is_threefry(key) else key


def lanes(key: Key) -> tuple[int, ...]:
    """The trailing axes that a materialised key gives its draws: none, or one where every lane has its own key."""
    return key.first.shape if isinstance(key, Address) else key.shape


def broadcast(key: Key, *arrays: jax.Array) -> list[jax.Array]:
    """The arrays in one shape, which has all lanes of the materialised key."""
    shape = jnp.broadcast_shapes(*(array.shape for array in arrays))
    own = len(shape) - len(lanes(key))
    shape = (*shape[:own], *jnp.broadcast_shapes(shape[own:], lanes(key)))
    return [jnp.broadcast_to(array, shape) for array in arrays]


def words(key: Key, shape: tuple[int, ...] = (), stream: int | jax.Array = 0) -> tuple[jax.Array, jax.Array]:
    """Two independent uint32 arrays of ``shape``: both words of each threefry block, which ``bits`` folds into one.

    ``stream`` is the high word of the counter, so that one key holds 2**32 blocks of words without another fold. The
    first word of stream 0 xor the second is ``jax.random.bits(key, shape)``. Keys of other implementations give the
    words of ``bits`` instead. ``key`` is one scalar key (under ``vmap``, a batch of them), or a materialised one, whose
    lanes come last.
    """
    if isinstance(key, Address):
        counters = _counters(shape).reshape(*shape, *(1,) * key.first.ndim)
        first, second = (word.reshape(*(1,) * len(shape), *word.shape) for word in key)
        return threefry2x32(first, second, jnp.asarray(stream).astype(np.uint32), counters)
    key = wrap(key)
    if is_threefry(key):
        address = _address(jax.random.key_data(key), shape)
        return threefry2x32(*address, jnp.asarray(stream).astype(np.uint32), _counters(shape))
    draw = lambda key: jax.random.bits(jax.random.fold_in(key, stream), (2, *shape), jnp.uint32)  # noqa: E731
    both = draw(key) if key.ndim == 0 else jax.vmap(draw, out_axes=-1)(key)
    return both[0], both[1]


def is_threefry(key: jax.Array) -> bool:
    """Whether the key belongs to threefry2x32, in JAX's own form or the unrolled one."""
    return jax.random.key_impl(key) in ("threefry2x32", unrolled())

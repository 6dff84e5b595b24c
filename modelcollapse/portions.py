r"""A share of a size as a whole number, by one rule: the decimal that the share prints as, times the size, halves up.

A share is read as a person reads it: 0.29 of 50 is 14.5 items, so 15, although the binary number is a little less than
0.29. A share that single precision holds exactly is read by its single-precision digits, so that both precisions agree;
and one that is the float nearest to a half, such as 1/6 of 3, means that half. Counts are exact at any size, and a
share in [0, 1] never gives more than the size.
"""

from __future__ import annotations

import fractions
import functools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import ArrayLike, DTypeLike

from modelcollapse.protocols import Count, Number
from modelcollapse.pytree import part
from modelcollapse.sampling import float64

DIGITS = 9
"""Decimals of a traced share that are read exactly: a product with a size of 31 bits still fits 63."""


@part
class Portion:
    """Counts that a share of each sample size comes to, found on the host: ``()``, or ``(generations + 1,)`` int32."""

    counts: Any


def portion(share: Any, size: ArrayLike) -> Any:
    """``share`` in [0, 1] of ``size``, broadcast against each other: an int, or an int64 array of NumPy."""
    shares, sizes = np.broadcast_arrays(np.asarray(share, np.float64), np.asarray(size, np.int64))
    if not shares.ndim:
        return _portion(float(shares), int(sizes))
    counts = [_portion(s, n) for s, n in zip(shares.ravel().tolist(), sizes.ravel().tolist(), strict=True)]
    return np.array(counts, np.int64).reshape(shares.shape)


def whole(share: Any, size: ArrayLike) -> Any:
    """Whether ``share`` of ``size`` is a whole number of items, but for the rounding of the share: booleans."""
    shares, sizes = np.broadcast_arrays(np.asarray(share, np.float64), np.asarray(size, np.int64))
    found = [_whole(s, n) for s, n in zip(shares.ravel().tolist(), sizes.ravel().tolist(), strict=True)]
    return np.array(found, bool).reshape(shares.shape)


def _whole(share: float, size: int) -> bool:
    count = _portion(share, size)
    if abs(fractions.Fraction(share) * size - count) <= 4 * np.finfo(np.float64).eps * size:
        return True
    # a share that was single precision: 1/3, or 0.3
    return size < _largest(np.float32) and float(np.float32(count / size)) == share


@functools.lru_cache(maxsize=4096)
def _portion(share: float, size: int) -> int:
    narrow = float(np.float32(share)) == share
    below = int(fractions.Fraction(share) * size)
    half = (2 * below + 1) / (2 * size) if size else np.inf
    if narrow and size < _largest(np.float32):
        half = float(np.float32(half))
    if half == share:
        return below + 1
    decimal = fractions.Fraction(str(np.float32(share)) if narrow else repr(share))
    return int(decimal * size + fractions.Fraction(1, 2))


def _largest(dtype: DTypeLike) -> int:
    """Sizes below which halves are further apart than the shares of a type."""
    return 2 ** (jnp.finfo(dtype).nmant - 1)


def traced_portion(share: Number, size: Count) -> jax.Array:
    """``portion`` of one share that may be traced, int32 ``()``: the same up to nine decimals; -1 outside [0, 1].

    Shares of more decimals are multiplied as they are.
    """
    share = jnp.asarray(share)
    share = share if jnp.issubdtype(share.dtype, jnp.floating) else share.astype(jnp.result_type(float))
    with float64():
        x, n = share.astype(jnp.float64), jnp.asarray(size).astype(jnp.int64)
        product = x * n.astype(jnp.float64)
        below = jnp.floor(product)
        scales = 10 ** np.arange(1, DIGITS + 1)
        digits = jnp.rint(x * scales.astype(np.float64))
        reads = (digits / scales.astype(np.float64)).astype(share.dtype) == share
        shortest = reads & (jnp.cumsum(reads.astype(jnp.int32)) == 1)
        numerator = jnp.where(shortest, digits, 0.0).astype(jnp.int64) * (scales[-1] // scales)
        decimal = (2 * numerator.sum() * n + scales[-1]) // (2 * scales[-1])
        count = jnp.where(reads.any(), decimal, jnp.floor(product + 0.5).astype(jnp.int64))
        half = ((below + 0.5) / n.astype(jnp.float64)).astype(share.dtype) == share
        count = jnp.where(half & (n < _largest(share.dtype)), below.astype(jnp.int64) + 1, count)
        proper = (x >= 0) & (x <= 1)
        return jnp.where(proper, jnp.clip(count, 0, n), -1).astype(jnp.int32)

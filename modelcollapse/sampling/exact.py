"""Float64 arithmetic inside a kernel, whatever the global setting: the law of an integer cannot bear float32."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.typing import ArrayLike

from modelcollapse.sampling import keys
from modelcollapse.sampling.keys import Key

# log k! - [(k + 1/2) log(k + 1) - (k + 1) + log(2 pi) / 2] for k = 0..9, where the series below is too short
_STIRLING = np.array(
    [
        0.08106146679532726,
        0.04134069595540929,
        0.02767792568499834,
        0.02079067210376509,
        0.01664469118982119,
        0.01387612882307075,
        0.01189670994589177,
        0.01041126526197209,
        0.009255462182712733,
        0.008330563433362871,
    ]
)


def float64() -> AbstractContextManager[None]:
    """A context in which float64 and int64 exist; constants and loops traced inside it keep their width."""
    return jax.enable_x64(True)


def unit(key: Key, shape: tuple[int, ...], stream: int | jax.Array = 0) -> jax.Array:
    """Uniform float64 in the open interval (0, 1), multiples of 2**-52 shifted by half a step: never 0, never 1."""
    high, low = keys.words(key, shape, stream)
    return from_words(high, low)


def unit_like(key: Key, x: jax.Array, stream: int | jax.Array = 0) -> jax.Array:
    """One uniform number for each entry of ``x``, whose last axes are the lanes of the materialised ``key``."""
    return unit(key, x.shape[: x.ndim - len(keys.lanes(key))], stream)


def from_words(high: jax.Array, low: jax.Array) -> jax.Array:
    """A float64 number in (0, 1) from the upper 26 bits of each of two words."""
    whole = (high >> np.uint32(6)).astype(jnp.float64) * 2.0**26 + (low >> np.uint32(6)).astype(jnp.float64)
    return (whole + 0.5) * 2.0**-52


def polynomial(coefficients: Iterable[ArrayLike], x: jax.Array) -> jax.Array:
    """Lowest degree first; by pairs (Estrin), so that a processor can begin a term before the last one is ready."""
    terms, power = [jnp.asarray(c, x.dtype) for c in coefficients], x
    while len(terms) > 1:
        odd = terms[1::2] + [None] * (len(terms) % 2)
        terms = [a if b is None else a + b * power for a, b in zip(terms[::2], odd, strict=True)]
        power = power * power
    return terms[0]


# log 2 in two parts, the first of which ends in zeros: a multiple of it is exact
_LN2_HIGH, _LN2_LOW = float.fromhex("0x1.62e42fee00000p-1"), float.fromhex("0x1.a39ef35793c76p-33")
_ONE, _ROOT_HALF, _SHIFT = np.uint64(0x3FF0000000000000), np.uint64(0x3FE6A09E667F3BCD), np.uint64(52)
_TO_FLOAT = np.uint64(0x4330000000000000)  # 2**52: its low bits hold a small integer


def log(x: jax.Array) -> jax.Array:
    r"""Natural logarithm of normal float64 numbers above 0, to two units in the last place; others give nonsense.

    .. math:: \log(2^e m) = e \log 2 + 2 \operatorname{artanh} \frac{m - 1}{m + 1}, \quad \sqrt{1/2} \le m < \sqrt 2

    The series of artanh is cut after its 11th term, below 2**-58 of the sum. XLA on a CPU calls the C library for each
    number; this vectorises and takes a third of the time, ``log1p`` a fifth. It has no derivative.
    """
    exponent, mantissa = _parts(x)
    return _log(exponent, mantissa - 1.0)


def log1p(x: jax.Array) -> jax.Array:
    """``log(1 + x)`` for float64 ``x`` above -1, to three units in the last place, also where ``x`` is small."""
    exponent, mantissa = _parts(1.0 + x)
    return _log(exponent, jnp.where(exponent == 0.0, x, mantissa - 1.0))


def _parts(x: jax.Array) -> tuple[jax.Array, jax.Array]:
    """``x`` as 2**e times m, where m is between the roots of 1/2 and 2."""
    bits = lax.bitcast_convert_type(x, jnp.uint64)
    biased = (bits + (_ONE - _ROOT_HALF)) >> _SHIFT
    exponent = lax.bitcast_convert_type(biased | _TO_FLOAT, jnp.float64) - (2.0**52 + 1023.0)
    return exponent, lax.bitcast_convert_type(bits - (biased << _SHIFT) + _ONE, jnp.float64)


def _log(exponent: jax.Array, above: jax.Array) -> jax.Array:
    """e log 2 + log(1 + f); with r = f / (2 + f), log(1 + f) = 2 r + ... = f - r (f - ...), its first term exact."""
    ratio = above / (above + 2.0)
    square = ratio * ratio
    rest = square * polynomial([2.0 / (2 * k + 1) for k in range(1, 11)], square)
    return exponent * _LN2_HIGH + (above - (ratio * (above - rest) - exponent * _LN2_LOW))


def stirling(k: jax.Array) -> jax.Array:
    r"""The remainder of Stirling's formula at an integer ``k >= 0``, absolute error below 1e-11.

    .. math:: \log k! - [(k + 1/2) \log(k + 1) - (k + 1) + \tfrac12 \log 2\pi]
    """
    inverse = 1.0 / (k + 1.0)
    square = inverse * inverse
    series = (1 / 12 - (1 / 360 - (1 / 1260 - square / 1680) * square) * square) * inverse
    return jnp.where(k < 10.0, jnp.asarray(_STIRLING)[jnp.clip(k, 0.0, 9.0).astype(jnp.int32)], series)


# counts that are summed up stay below 2**9: with 4 for each, the rest of u keeps 2**-41
_PACKED = 4.0
_STEPS = 16


def sum_up(
    u: jax.Array, first: jax.Array, ratio: Callable[[jax.Array, jax.Array], jax.Array], wanted: jax.Array
) -> jax.Array:
    """Smallest k with P(X <= k) >= ``u``, right to 2**-40; P(0) = ``first``, P(k + 1) = P(k) ``ratio(k, 1 / (k + 1))``.

    In lock-step: all lanes are at the same k, a scalar, and go as far as the largest result among the lanes ``wanted``.
    What is left of u is packed into one number with the count, and into one complex array with the probability, so that
    a step of the loop is one pass.
    """

    def parts(packed: jax.Array) -> tuple[jax.Array, jax.Array, jax.Array]:
        count = jnp.floor((lax.real(packed) + 2.0) * (1.0 / _PACKED))
        return lax.real(packed) - _PACKED * count, count, lax.imag(packed)

    def unfinished(state: tuple[jax.Array, jax.Array]) -> jax.Array:
        left, _, term = parts(state[1])
        # no mass is left when a term is 0: what remains of u is rounding
        return jnp.any((left > 0.0) & (term > 0.0))

    def some_more(state: tuple[jax.Array, jax.Array]) -> tuple[jax.Array, jax.Array]:
        k, packed = state
        left, count, term = parts(packed)
        # one division for all lanes
        inverse = 1.0 / (k + np.arange(1.0, _STEPS + 1.0))
        for step in range(_STEPS):
            going = left > 0.0
            term = term * ratio(k + float(step), inverse[step])
            count = jnp.where(going & (term > 0.0), count + 1.0, count)
            left = left - term
        return k + float(_STEPS), lax.complex(jnp.maximum(left, -1.0) + _PACKED * count, term)

    u = jnp.where(wanted, u, 0.0)
    first = jnp.broadcast_to(first, u.shape)
    return parts(lax.while_loop(unfinished, some_more, (jnp.zeros(()), lax.complex(u - first, first)))[1])[1]


def until_accepted(
    round_: Callable[[tuple[jax.Array, jax.Array]], tuple[jax.Array, jax.Array]], wanted: jax.Array
) -> jax.Array:
    """Rejection in lock-step: ``round_((count, turn))`` fills in entries of ``count`` that are -1, until none is left.

    The state is one array: XLA would compute a round once for each array that the round returns.
    """
    start = (jnp.where(wanted, -1.0, 0.0), jnp.zeros((), jnp.uint32))
    return lax.while_loop(lambda state: jnp.any(state[0] < 0.0), round_, start)[0]


def search(ascending: jax.Array, values: jax.Array) -> jax.Array:
    """For each of ``values``, how many entries of the vector ``ascending`` are at most as large: int32, by halving.

    :func:`jax.numpy.searchsorted` with one array of state in place of two, which is less than half the work for XLA.
    """
    size = ascending.size
    rounds = size.bit_length()

    def halve(i: jax.Array, found: jax.Array) -> jax.Array:
        further = found + lax.shift_left(jnp.int32(1), jnp.int32(rounds - 1) - i)
        here = ascending.at[jnp.minimum(further, size) - 1].get(mode="promise_in_bounds")
        below = (further <= size) & (here <= values)
        return jnp.where(below, further, found)

    return lax.fori_loop(jnp.int32(0), jnp.int32(rounds), halve, jnp.zeros(values.shape, jnp.int32))

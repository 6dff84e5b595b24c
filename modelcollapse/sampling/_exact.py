"""Float64 arithmetic inside a kernel, whatever the global setting: an integer law has no room for float32 rounding."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from modelcollapse.sampling import keys

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


def float64():
    """A context in which float64 and int64 exist; constants and loops traced inside it keep their width."""
    return jax.enable_x64(True)


def unit(key, shape, stream=0):
    """Uniform float64 in the open interval (0, 1), multiples of 2**-52 shifted by half a step: never 0, never 1."""
    high, low = keys.words(key, shape, stream)
    return from_words(high, low)


def from_words(high, low):
    whole = (high >> np.uint32(6)).astype(jnp.float64) * 2.0**26 + (low >> np.uint32(6)).astype(jnp.float64)
    return (whole + 0.5) * 2.0**-52


def polynomial(coefficients, x):
    """Lowest degree first; by pairs (Estrin), so that a processor need not wait for one term before it begins the next."""
    terms, power = [jnp.asarray(c, x.dtype) for c in coefficients], x
    while len(terms) > 1:
        odd = terms[1::2] + [None] * (len(terms) % 2)
        terms = [a if b is None else a + b * power for a, b in zip(terms[::2], odd, strict=True)]
        power = power * power
    return terms[0]


def stirling(k):
    r"""The rest of Stirling's formula at an integer ``k >= 0``, absolute error below 1e-11.

    .. math:: \log k! - [(k + 1/2) \log(k + 1) - (k + 1) + \tfrac12 \log 2\pi]
    """
    inverse = 1.0 / (k + 1.0)
    square = inverse * inverse
    series = (1 / 12 - (1 / 360 - (1 / 1260 - square / 1680) * square) * square) * inverse
    return jnp.where(k < 10.0, jnp.asarray(_STIRLING)[jnp.clip(k, 0.0, 9.0).astype(jnp.int32)], series)


def sum_up(u, first, ratio, wanted):
    """Smallest k with P(X <= k) >= ``u``, from P(X = 0) = ``first`` and P(k + 1) = P(k) ``ratio(k)``.

    In lock-step: as many steps as the largest result among the lanes ``wanted``, none if there are none.
    """

    def unfinished(state):
        left, _, term = state
        return jnp.any(left > term)

    def one_more(left, k, term):
        going = left > term
        following = term * ratio(k)
        # no mass is left when a term is 0: what remains of u is rounding
        some = following > 0.0
        return (
            jnp.where(going, jnp.where(some, left - term, 0.0), left),
            jnp.where(going & some, k + 1.0, k),
            jnp.where(going, following, term),
        )

    def some_more(state):
        for _ in range(4):  # entering a loop costs as much as a few steps
            state = one_more(*state)
        return state

    left = jnp.where(wanted, u, 0.0)
    return lax.while_loop(unfinished, some_more, (left, jnp.zeros_like(u), first))[1]


def until_accepted(round_, wanted):
    """Rejection in lock-step: ``round_((count, turn))`` fills in entries of ``count`` that are -1, until none is left.

    One array is the whole state: XLA would compute a round once for each array that it returns.
    """
    start = (jnp.where(wanted, -1.0, 0.0), jnp.zeros((), jnp.uint32))
    return lax.while_loop(lambda state: jnp.any(state[0] < 0.0), round_, start)[0]


def search(ascending, values):
    """How many entries of the vector ``ascending`` are at most each of ``values``: int32, by halving.

    :func:`jax.numpy.searchsorted` with one array of state in place of two, which is less than half the work for XLA.
    """
    size = ascending.size
    rounds = size.bit_length()

    def halve(i, found):
        further = found + lax.shift_left(jnp.int32(1), jnp.int32(rounds - 1) - i)
        below = (further <= size) & (ascending.at[further - 1].get(mode="clip") <= values)
        return jnp.where(below, further, found)

    return lax.fori_loop(jnp.int32(0), jnp.int32(rounds), halve, jnp.zeros(values.shape, jnp.int32))

r"""The law of what is picked among k draws by a reward, for laws on states.

A choice with odds :math:`e^r` is a race: candidate j has the time :math:`T_j = E_j e^{-r_j}`, with independent standard
exponential :math:`E_j`, and the earliest wins. One candidate is later than t with probability
:math:`G(t) = \sum_y p(y) e^{-t e^{r(y)}}`, so that x wins with probability
:math:`k\,p(x) \int e^{r(x)} e^{-t e^{r(x)}} G(t)^{k-1} dt`.
"""

from __future__ import annotations

import math

import jax
import jax.numpy as jnp
import numpy as np

SPAN = 80.0
"""Rewards that lie further apart are refused: their odds are as good as 0, and a float32 cannot hold them."""
NODES = 256
"""Times at which a race is evaluated: an integrand that is analytic in log t, and so a relative error below 1e-9 at any
span (1e-13 up to a span of 20), or the rounding of float32.
"""
EARLY = {4: 18.0, 8: 37.0}
"""By the size of a float, e-foldings below 1 / k after which what is earlier weighs less than its rounding."""


def chosen(p: jax.Array, reward: jax.Array, choices: float, best: bool) -> jax.Array:
    """The law ``(K,)`` of the pick among ``choices`` draws of ``p`` ``(K,)``, by odds e^reward or as the ``best``.

    One choice, and rewards that are all equal, give ``p`` bit for bit; states of probability 0 keep it.
    """
    if choices == 1:
        return p
    reward = jnp.asarray(reward, p.dtype)
    if best:
        found = best_of(p, reward, int(choices))
    elif math.isinf(choices):
        found = p * jnp.exp(reward - reward.max())
    elif choices == 2 and p.size <= NODES:
        found = p * (jax.nn.sigmoid(reward[:, None] - reward[None]) @ p)
    else:
        found = _first_in_the_race(p, reward, int(choices))
    return jnp.where((reward == reward[0]).all(), p, found / found.sum())


def best_of(p: jax.Array, reward: jax.Array, choices: int) -> jax.Array:
    r"""The law of the draw of largest reward among ``choices``, not normalised; equals win with equal chances.

    .. math:: p(x)\,F^{k-1}\,\frac{1 - (1 - q)^k}{q}, \qquad q = \frac{P(r = r(x))}{F}, \quad F = P(r \le r(x))
    """
    order = jnp.argsort(reward)
    cumulated = jnp.concatenate([jnp.zeros(1, p.dtype), jnp.cumsum(p[order])])
    below, upto = (cumulated[jnp.searchsorted(reward[order], reward, side=side)] for side in ("left", "right"))
    upto = jnp.maximum(upto, p)  # by rounding
    alive = upto > 0
    whole = jnp.where(alive, upto, 1.0)
    equal = jnp.clip(jnp.maximum((upto - below) / whole, p / whole), 0.0, 1.0)
    drawn = jnp.where(equal > 0, -jnp.expm1(choices * jnp.log1p(-equal)) / jnp.where(equal > 0, equal, 1.0), choices)
    return jnp.where(alive, p * (whole / cumulated[-1]) ** (choices - 1) * drawn, 0.0)


def _first_in_the_race(p: jax.Array, reward: jax.Array, choices: int) -> jax.Array:
    """The winner's law, not normalised, by the trapezoid rule in log t; NaN for rewards too far apart."""
    reward = reward - reward.max()
    span = -reward.min()
    first = -EARLY[p.dtype.itemsize] - math.log(choices)
    share = jnp.asarray(np.linspace(0.0, 1.0, NODES), p.dtype)
    log_time = first + (span + 4.0 - first) * share
    hazard = jnp.exp(log_time[:, None] + reward[None])  # (NODES, K): t e^r
    later = jnp.exp(-hazard)
    others = jnp.exp((choices - 1) * jnp.log(jnp.maximum(later @ p, jnp.finfo(p.dtype).tiny)))
    found = p * (others @ (hazard * later))
    return jnp.where(span <= SPAN, found, jnp.nan)

r"""Power-law tails: what a sample of T misses is a constant times T^-(1 - 1/b), and n fits miss n^(1 - 1/b) times that.

The law is Zipf's, p_i = i^-b/zeta(b) on i = 1, 2, ..., b > 1 (``exponent``). All sums over states become one Gamma
integral (Karlin 1967). Repeated refits to M draws behave like one sample of M a_n draws, a_1 = 1, a_{n+1} = 1 -
exp(-a_n), so a_n ~ 2/n. Derived in theory/derivations/tails.md.
"""

from __future__ import annotations

import numpy as np
import scipy
from numpy.typing import ArrayLike

from modelcollapse_theory._domain import LONGEST, Array, one_real, one_whole, positive, whole, within
from modelcollapse_theory._register import theorem
from modelcollapse_theory.lineage_limits import surviving_fraction

_SOURCE = "derived in theory/derivations/tails.md"


def _exponent(name: str, value: ArrayLike) -> Array:
    return within(name, value, 1, 1e6, open_low=True)  # zeta of more is a NaN in SciPy


def zipf(exponent: float, states: int) -> Array:
    r"""Zipf's law cut at K = ``states`` and normalised: p_i proportional to i^-b, i = 1..K; b >= 0. Exact."""
    weight = np.arange(1.0, one_whole("states", states, 1, most=10 * LONGEST) + 1) ** -one_real(
        "exponent", exponent, 0, 1e6
    )
    return weight / weight.sum()


def tail_mass(exponent: ArrayLike, rank: ArrayLike) -> Array:
    r"""Mass of the states beyond ``rank`` k, :math:`\sum_{i>k} p_i = \zeta(b, k + 1)/\zeta(b)`.

    Exact; about k^(1-b)/((b-1) zeta(b)): the loss of a vocabulary cut at k, which no amount of data makes good.
    """
    b, k = _exponent("exponent", exponent), whole("rank", rank)
    return scipy.special.zeta(b, k + 1.0) / scipy.special.zeta(b)


@theorem(
    statement="unseen mass ~ Gamma(c)/(b zeta(b)) (T/zeta(b))^-c, c = 1 - 1/b",
    conditions="T draws from Zipf's law of exponent b > 1, T large",
    order="relative O(1/T)",
    source="classical (Karlin 1967); constants " + _SOURCE,
)
def unseen_mass(exponent: ArrayLike, sample_size: ArrayLike, drawn_exponent: ArrayLike | None = None) -> Array:
    r"""Mean mass, under the law of exponent b, of what T draws miss, when they are drawn with exponent b' >= b.

    .. math:: \sum_i p_i (1 - p'_i)^T \sim \frac{\Gamma(c')}{b'\, \zeta(b)} \left(\frac{T}{\zeta(b')}\right)^{-c'},
       \qquad c' = \frac{b - 1}{b'}

    b' = ``drawn_exponent`` defaults to b: then c = 1 - 1/b. A narrowed sampler (lower temperature, truncated search)
    has b' > b and so a worse rate. Relative error O(1/T), from the binomial only: the Euler-Maclaurin terms vanish.
    ``sample_size`` need not be whole.
    """
    b, size = _exponent("exponent", exponent), positive("sample_size", sample_size)
    drawn = b if drawn_exponent is None else _exponent("drawn_exponent", drawn_exponent)
    if np.any(drawn < b):
        raise ValueError(f"drawn_exponent must be at least exponent={exponent!r}, got {drawn_exponent!r}")
    rate = (b - 1) / drawn
    return scipy.special.gamma(rate) / (drawn * scipy.special.zeta(b)) * (size / scipy.special.zeta(drawn)) ** -rate


@theorem(
    statement="distinct states = Gamma(1 - 1/b) (T/zeta(b))^(1/b) - 1/2 + o(1)",
    conditions="T draws from Zipf's law of exponent b > 1, T large",
    order="absolute O(T^(1/b - 1))",
    source="classical (Karlin 1967); " + _SOURCE,
)
def distinct_states(exponent: ArrayLike, sample_size: ArrayLike) -> Array:
    r"""Mean number of different states among T draws, :math:`\Gamma(1 - 1/b)\, (T/\zeta(b))^{1/b} - 1/2`.

    The half is the Euler-Maclaurin term at rank 0, where a state is seen for certain. Absolute error O(T^(1/b - 1)).
    ``sample_size`` T need not be whole.
    """
    b, size = _exponent("exponent", exponent), positive("sample_size", sample_size)
    return scipy.special.gamma(1 - 1 / b) * (size / scipy.special.zeta(b)) ** (1 / b) - 0.5


def effective_sample(sample_size: ArrayLike, fits: ArrayLike) -> Array:
    r"""The one sample that misses as much as n refits to M draws: T = M a_n, near 2M/n.

    .. math:: a_1 = 1, \qquad a_{n+1} = 1 - e^{-a_n}

    The share a_n of a large first data set still has descendants at fit n, up to a relative O(n/M).
    """
    size, count = positive("sample_size", sample_size), whole("fits", fits, 1)
    return size * surviving_fraction(count)


@theorem(
    statement="after n fits the unseen mass is that of one sample of M a_n: ~ n^c M^-c, c = 1 - 1/b",
    conditions="replace, Zipf's law, M draws a fit, n much less than M, M a_n large",
    order="relative O(n/M)",
    source=_SOURCE,
)
def lost_mass(exponent: ArrayLike, sample_size: ArrayLike, fits: ArrayLike) -> Array:
    r"""Mean original mass of the states gone after n fits, ``unseen_mass`` at T = M a_n: grows like n^c, not like n.

    The survivors at fit n are those of a sample of M a_n real draws, so the mass is that of what such a sample misses.
    """
    return unseen_mass(exponent, effective_sample(sample_size, fits))


def surviving_states(exponent: ArrayLike, sample_size: ArrayLike, fits: ArrayLike) -> Array:
    """Mean number of states left after n fits: ``distinct_states`` at T = M a_n. Conditions as for ``lost_mass``."""
    return distinct_states(exponent, effective_sample(sample_size, fits))

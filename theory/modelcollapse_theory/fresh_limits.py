r"""In a large sample the lineages fall along one curve until few are left, and those few are counted exactly.

Backwards from fit n, M items have about :math:`M b_k` ancestors k fits earlier, :math:`b_0 = 1`,
:math:`b_{k+1} = 1 - e^{-(1-g) b_k}`, and on the way :math:`M g \sum b_k` real draws. While there are many, both
are as good as certain; from a few hundred lineages on, the recursion of ``fresh`` does the rest at the true M. So the
cost does not grow with M, nor with the number of fits. Derived in theory/derivations/fresh-data.md; without real data
(share 0) it is replacement, theory/derivations/lineages.md.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import scipy
from numpy.typing import ArrayLike

from modelcollapse_theory._domain import Array, NotCovered, one_real, one_whole, within
from modelcollapse_theory._register import theorem

_ITERATED = 1e-3  # the curve is iterated down to this share of lineages, and solved below
# from here on lineages are counted one by one: a solve of one triangle, of one power, of the power for all states
_STATIONARY, _MIXED, _REPLACED = 1000, 300, 120
_CLOCK = 10**8  # few lineages in a larger sample are those of this one, in its time


def _spread_share(y: float) -> float:
    """Variance of the number of lineages over its mean M b, at y = b/(2g): from 1/3 (y large) to 1."""
    if y > 1e3:
        return 1 / 3 + 1 / (6 * y)
    return (1 + y) * (1 + 2 * y) - 2 * y * (1 + y) ** 2 * np.log1p(1 / y)


def _many(share: float, most: float, below: float) -> tuple[float, float, float, float, float]:
    """Down the curve for ``most`` steps, or until b <= ``below``: steps, b, sum of b, variance/M, mean less M b."""
    b, total, steps, variance, offset, kept = 1.0, 0.0, 0.0, 0.0, 0.0, 1 - share
    while b > max(below, _ITERATED) and steps < most:
        total += b
        load, thinned = kept * b, kept * kept * variance + kept * share * b
        empty = np.exp(-load)
        variance = empty**2 * thinned + empty - (1 + load) * empty**2
        offset = empty * (kept * offset - thinned / 2 + load / 2)
        b, steps = -float(np.expm1(-load)), steps + 1
    if steps < most and b > below:
        # 1/b grows by 1/(1 - g) and adds 1/2: 1/b' = (1/b)/(1 - g) + 1/2 + O(b)
        if share > 0:
            rate, level = -np.log1p(-share), kept / (2 * share)
            left = min(np.ceil(np.log((1 / below + level) / (1 / b + level)) / rate), most - steps)
            end = 1 / ((1 / b) * np.exp(left * rate) + level * np.expm1(left * rate))
        else:
            left = min(np.ceil(2 * (1 / below - 1 / b)), most - steps)
            end = 1 / (1 / b + left / 2)
        total += 2 * np.log((b + 2 * share) / (end + 2 * share)) + (b - end) / 6
        variance = end * (_spread_share(end / (2 * share)) if share > 0 else 1 / 3)
        b, steps = end, steps + left
    return steps, b, total, variance, offset


def _step(size: int, share: float, chance: float, top: int) -> Array:
    """One fit on up to ``top`` lineages, each real draw weighted by ``chance``: the lower triangle R of ``fresh``."""
    j = np.arange(top + 1)
    stay, move = share * chance + (1 - share) * j / size, (1 - share) * (1 - j / size)
    table = np.zeros((top + 1, top + 1))
    table[0, 0] = 1
    for k in range(1, top + 1):
        table[k, :k] = stay[:k] * table[k - 1, :k]
        table[k, 1 : k + 1] += move[:k] * table[k - 1, :k]
    return table


def _log_few(size: int, share: float, chances: Array, steps: int | None, top: int) -> Array:
    """Log of the chance that j = 0..``top`` items, ``steps`` fits after the first (None: for ever), lack the state."""
    j, scale = np.arange(top + 1), size / _CLOCK
    if scale > 1 and share * scale < 0.01:  # only M g and n/M count, and powers of a matrix near 1 lose their digits
        size, share, steps = _CLOCK, share * scale, steps if steps is None else round(steps / scale)
    if share == 0:
        power = np.linalg.matrix_power(_step(size, 0.0, 0.0, top), steps or 0)
        found = power @ chances ** j[:, None]
    else:
        columns = []
        for chance in chances:
            table = _step(size, share, float(chance), top)
            if steps is None:
                logs = np.log1p(-share) + np.log1p(-j[:-1] / size) if share < 1 else np.full(top, -np.inf)
                gap, column = -np.expm1(np.cumsum(logs)), np.ones(top + 1)
                for k in range(1, top + 1):
                    column[k] = table[k, :k] @ column[:k] / gap[k - 1]
            else:
                # long before 800/g fits the law is the stationary one
                column = np.linalg.matrix_power(table, min(steps, int(800 / share))) @ chance**j
            columns.append(column)
        found = np.stack(columns, axis=1)
    return np.log(np.maximum(found, 1e-300))


@theorem(
    statement="P(absent) ~ exp(-M g q sum_{i<k} b_i) phi(A), b_0 = 1, b' = 1 - exp(-(1 - g) b), phi exact for the "
    "A ~ M b_k left",
    conditions="each item real with probability g, n fits or stationary; g = 0: replacement; M large",
    order="O(1/M): ln P off by less than L (1 + L) (1/M + 1/10^4), L = -ln P",
    source="branching process with immigration, then the recursion of fresh; derived in "
    "theory/derivations/fresh-data.md",
)
def absent_limit(probability: ArrayLike, sample_size: int, share: float = 0.0, fits: int | None = None) -> Array:
    r"""P(a state of probability q is missing from the n-th fit) for samples too large for ``fresh.absent``.

    .. math:: P \approx \exp\Big(-M g q \sum_{i<k} b_i\Big)\; E\,\phi(A), \qquad A \approx N(M b_k, \text{variance})

    with the chance :math:`\phi` of the recursion in ``fresh`` for the lineages that are left after k fits, or the
    original law's :math:`(1 - q)^A` where the n fits end before. Stationary where ``fits`` is None; share 0 is
    replacement, where the support is all that is asked for. Unlike ``fresh.absent_branching`` it holds for common
    states too. ln P is off by less than L (1 + L) (1/M + 1/10^4), L = -ln P (half of that is the largest seen); P below
    1e-300 is 0. Broadcasts over ``probability``. Raises ValueError for share 0 without ``fits``.
    """
    size, g = one_whole("sample_size", sample_size, 1, "a fit needs data"), one_real("share", share, 0, 1)
    q = within("probability", probability, 0, 1)
    if fits is None and g == 0:
        raise NotCovered("share must be positive where fits is None: without real data every state but one is lost")
    most = np.inf if fits is None else float(one_whole("fits", fits, 1) - 1)
    items = _REPLACED if g == 0 else _STATIONARY if fits is None else _MIXED
    steps, b, total, variance, offset = _many(g, most, min(1.0, items / size))
    chance = q.ravel()
    early = -size * g * chance * total
    mean, deviation = min(size * b + offset, size), np.sqrt(size * max(variance, 0.0))
    if steps == most:
        with np.errstate(divide="ignore", invalid="ignore"):
            log_other = np.log1p(-chance)
            late = np.where(chance < 1, mean * log_other + deviation**2 * log_other**2 / 2, -np.inf)
        # the normal law of the lineages has no meaning where it would raise the chance
        found = np.exp(np.minimum(early + np.where(np.isnan(late), -np.inf, late), 0.0))
    else:
        top = min(size, int(items + 8 * np.sqrt(items) + 5))
        nodes, weights = np.polynomial.hermite_e.hermegauss(12)
        at = np.clip(mean + deviation * nodes, 1, top)
        left, found = None if fits is None else int(most - steps), np.empty(chance.size)
        for first in range(0, chance.size, 4096):
            part = slice(first, first + 4096)
            logs = scipy.interpolate.CubicSpline(np.arange(top + 1), _log_few(size, g, 1 - chance[part], left, top))(at)
            found[part] = np.exp(early[part]) * ((weights / weights.sum()) @ np.exp(logs))
    return np.where(q == 0, 1.0, np.minimum(found, 1.0).reshape(q.shape))


@theorem(
    statement="E f(A_n) ~ E f(N(M a_n, variance)) while lineages are many, the occupancy chain once they are few",
    conditions="replace regime, M large, f smooth",
    order="O(1/M)",
    source="theory/derivations/lineages.md",
)
def lineage_expectation_limit(sample_size: int, fits: int, function: Callable[[Array], Array]) -> float:
    r"""E f(A_n) for samples too large for ``lineages.lineage_expectation``; ``function`` gives f at an array of real a
    >= 1.

    As ``absent_limit`` at share 0, which is f(a) = (1 - q)^a, for any f that changes slowly from a to a + 1. Error
    O(1/M). Raises ValueError unless sample_size and fits are at least 1.
    """
    size, most = one_whole("sample_size", sample_size, 1), one_whole("fits", fits, 1) - 1
    if not callable(function):
        raise TypeError(f"function must be a function of an array, got {function!r}")
    steps, b, _, variance, offset = _many(0.0, most, min(1.0, _REPLACED / size))
    top = min(size, int(_REPLACED + 8 * np.sqrt(_REPLACED) + 5))
    nodes, weights = np.polynomial.hermite_e.hermegauss(12)
    at = np.clip(size * b + offset + np.sqrt(size * max(variance, 0.0)) * nodes, 1, size if steps == most else top)
    if steps == most:
        values = function(at)
    else:
        number, scale = np.arange(1.0, top + 1), max(size / _CLOCK, 1.0)
        table = _step(round(size / scale), 0.0, 0.0, top)[1:, 1:]
        power = np.linalg.matrix_power(table, round((most - steps) / scale))
        values = scipy.interpolate.CubicSpline(number, power @ function(number))(at)
    return float(weights @ values / weights.sum())

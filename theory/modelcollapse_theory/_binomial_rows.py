"""Means of functions of binomial counts, many success chances at once, without the entries that no float can see.

A row of a binomial matrix is kept where Bernstein's inequality does not put it below 1e-18 together: some 18 standard
deviations and 28 entries in all. So a chain on 0..M costs M^1.5 numbers and not M^2. Entries come from ratios of
neighbours and each row is divided by its sum, so they keep about 13 digits.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import scipy
from numpy.typing import NDArray

from ._domain import Array

_TAIL = 42.0  # log of 2e18
_ENTRIES = 2_000_000  # of one block
KEPT = 20_000
"""Up to this sample size the matrix of a chain is kept, at most 250 MB; above, it is made again for each step."""


def _block(size: int, chance: Array) -> scipy.sparse.csr_array:
    """The rows of Binomial(size, chance), ``(R, size + 1)``."""
    centre, variance = size * chance, size * chance * (1 - chance)
    reach = _TAIL / 3 + np.sqrt(_TAIL**2 / 9 + 2 * _TAIL * variance)
    low = np.floor(np.maximum(centre - reach, 0)).astype(np.int64)
    width = min(int(np.max(np.ceil(np.minimum(centre + reach, size)) - low)) + 1, size + 1)
    low = np.minimum(low, size + 1 - width)
    at = low[:, None] + np.arange(width)
    inside = np.clip(chance, 1e-300, 1 - 1e-16)
    odds = np.log(inside) - np.log1p(-inside)
    odds = np.where(chance <= 0, -1e4, np.where(chance >= 1, 1e4, odds))
    k = np.arange(1.0, size + 1)
    step = np.concatenate([[0.0], np.log((size - k + 1) / k)])[at] + odds[:, None]
    step[:, 0] = 0.0
    np.cumsum(step, axis=1, out=step)
    step -= step.max(axis=1, keepdims=True)
    with np.errstate(under="ignore"):
        np.exp(step, out=step)
    step /= step.sum(axis=1, keepdims=True)
    ends = np.arange(chance.size + 1) * width
    return scipy.sparse.csr_array((step.ravel(), at.ravel(), ends), (chance.size, size + 1))


class BinomialRows:
    """The law of Binomial(``size``, c) for each c of ``chances`` ``(R,)``, as a map of functions to their means."""

    def __init__(self, size: int, chances: Array) -> None:
        order = np.argsort(chances)
        self._size, self._sorted, self._back = size, chances[order], np.argsort(order)
        self._rows = max(1, int(_ENTRIES / (18 * (size / 4) ** 0.5 + 30)))
        self._kept = list(self._blocks()) if size <= KEPT else None

    def _blocks(self) -> Iterator[scipy.sparse.csr_array]:
        for first in range(0, self._sorted.size, self._rows):
            yield _block(self._size, self._sorted[first : first + self._rows])

    def means(self, values: Array) -> Array:
        """E f(X) of the functions f in the columns of ``values`` ``(size + 1, k)``: ``(R, k)``."""
        blocks = self._blocks() if self._kept is None else self._kept
        return np.concatenate([block @ values for block in blocks])[self._back]


def chain_means(
    size: int, first: Array, step: Callable[[Array], Array] | None, values: Array, fits: NDArray[np.int64]
) -> Array:
    """E f(X_n) where X_1 ~ Binomial(M, c), c in ``first`` ``(R,)``, and X_{n+1} ~ Binomial(M, step(X_n / M)).

    ``values`` ``(M + 1, k)`` are the functions, ``fits`` ``(F,)`` increasing from 1: the answer is ``(F, R, k)``. One
    pass backwards, n - 1 products of the matrix with all functions. Where nothing changes any more it stops.
    """
    begin = BinomialRows(size, first)
    chain, count, settled = None, 1, False
    found = np.empty((fits.size, first.size, values.shape[1]))
    for at, wanted in enumerate(fits.tolist()):
        while count < wanted and not settled:
            if chain is None:
                x = np.arange(size + 1) / size
                chain = BinomialRows(size, x if step is None else step(x))
            new = chain.means(values)
            settled = bool(np.array_equal(new, values))
            values, count = new, count + 1
        found[at] = begin.means(values)
    return found


def hypergeometric(total: int, marked: int, drawn: int) -> Array:
    """P(k of ``drawn`` items are marked) for k = 0..``marked``, of ``total`` items of which so many are marked.

    By ratios of neighbours, divided by the sum: about 13 digits, at any total.
    """
    low, high = max(0, drawn - (total - marked)), min(marked, drawn)
    k = np.arange(low, high, dtype=np.float64)
    unmarked = float(total - marked - drawn)
    steps = np.log(marked - k) + np.log(drawn - k) - np.log(k + 1) - np.log(unmarked + k + 1)
    logs = np.concatenate([[0.0], np.cumsum(steps)])
    with np.errstate(under="ignore"):
        law = np.exp(logs - logs.max())
    found = np.zeros(marked + 1)
    found[low : high + 1] = law / law.sum()
    return found

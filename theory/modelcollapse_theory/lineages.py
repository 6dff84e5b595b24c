r"""Traced backwards, a data set has fewer and fewer ancestors, and their number decides what is still alive.

Items of data set :math:`n` are independent uniform picks from data set :math:`n-1`, so the items of the last data set
descend from :math:`A_n` items of the first, with :math:`A_1 = M` and :math:`A_{n+1}` the number of boxes hit by
:math:`A_n` balls thrown into :math:`M` boxes. The types of those :math:`A_n` ancestors are independent draws from the
original law. Everything that a chain of refits has lost is therefore an expectation over one small integer. Derived
in theory/derivations/lineages.md.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator

import numpy as np
from numpy.typing import ArrayLike

from ._domain import LONGEST, Array, NotCovered, one_whole, real, whole, within
from ._register import theorem

# Laws are cut where their entries fall below this, far under any rounding: what is left keeps its relative accuracy.
TINY = 1e-290
# Up to here one matrix of balls and boxes is kept (8 MB); above, balls are thrown one by one.
DENSE = 1024
# Up to here a long stretch of fits is one matrix power.
SMALL = 64
LARGEST = 100_000


def one_size(sample_size: ArrayLike, largest: int = LARGEST) -> int:
    """``sample_size`` as one int from 1 to ``largest``, where an exact law costs at least O(M)."""
    size, largest = one_whole("sample_size", sample_size, 1), one_whole("largest", largest, 1)
    if size > largest:
        raise NotCovered(
            f"sample_size must be at most {largest} for the exact lineage law, got {sample_size!r}; "
            "larger samples have the limits in lineage_limits"
        )
    return size


def _trim(low: int, row: Array) -> tuple[int, Array]:
    """Drop the ends of ``row`` that are below TINY; ``low`` is the index of its first entry."""
    if row[0] >= TINY and row[-1] >= TINY:
        return low, row
    kept = np.flatnonzero(row >= TINY)
    return low + int(kept[0]), row[kept[0] : kept[-1] + 1]


class _Boxes:
    """Balls thrown one at a time into boxes; a law on the number of boxes hit is its first index and a vector."""

    def __init__(self, boxes: int, balls: int) -> None:
        hit = np.arange(min(boxes, balls) + 1, dtype=np.float64)
        self.again, self.anew = hit / boxes, (boxes - hit) / boxes

    def throw(self, low: int, row: Array) -> tuple[int, Array]:
        """The law after one more ball: it lands in one of j hit boxes with probability j/M."""
        window = slice(low, low + row.size)
        after = np.empty(row.size + 1)
        after[-1] = 0.0
        np.multiply(row, self.again[window], out=after[:-1])
        after[1:] += row * self.anew[window]
        return _trim(low, after)

    def rows(self, balls: int) -> Iterator[tuple[int, int, Array]]:
        """For 1, 2, ..., ``balls`` balls: the number of balls and the law of the number of boxes hit."""
        low, row = 1, np.ones(1)
        yield 1, low, row
        for thrown in range(2, balls + 1):
            low, row = self.throw(low, row)
            yield thrown, low, row


def occupancy_rows(sample_size: int) -> Iterator[tuple[int, int, Array]]:
    """The rows of ``occupancy_matrix`` in turn: lineages k = 1..M, the first index and the vector of L_k."""
    size = one_size(sample_size)
    return _Boxes(size, size).rows(size)


def _merge(boxes: int, low: int, law: Array) -> tuple[int, Array]:
    """The law of boxes hit when the number of balls has law ``law``, by Horner's rule over the balls: no matrix."""
    thrower = _Boxes(boxes, low + law.size - 1)
    at, row = 1, law[-1:]
    for balls in range(low + law.size - 2, 0, -1):
        at, row = thrower.throw(at, row)
        if balls >= low:
            if at > 1:
                at, row = 1, np.concatenate([np.zeros(at - 1), row])
            row[0] += law[balls - low]
    return at, row


def _table(boxes: int, size: int) -> Array:
    table = np.zeros((size + 1, size + 1))
    table[0, 0] = 1.0
    if size:
        for balls, low, row in _Boxes(boxes, size).rows(size):
            table[balls, low : low + row.size] = row
    return table


_kept_table = functools.lru_cache(maxsize=4)(_table)


def occupancy_matrix(sample_size: int, lineages: int | None = None) -> Array:
    r"""The chance that ``k`` lineages have exactly ``j`` parents among ``sample_size`` items.

    .. math:: L_{kj} = S(k, j)\,(M)_j / M^k

    with Stirling numbers of the second kind, built ball by ball so that nothing overflows. Shape ``(lineages + 1,) *
    2`` for k and j from 0, lower triangular, rows sum to 1. Exact; entries below 1e-290 are 0. ``lineages`` is
    ``sample_size`` unless given. Raises ValueError above 5000 lineages. Source: the classical occupancy problem.
    """
    size = one_size(sample_size, 10**15)
    wanted = size if lineages is None else lineages
    count = one_whole("lineages", wanted, 0, "the matrix takes 200 MB there", 5000)
    return _table(size, count)


def no_merger(sample_size: int, lineages: int) -> tuple[Array, Array]:
    r"""The chance that 0, 1, ..., ``lineages`` lineages all have different parents, and one minus that.

    .. math:: \lambda_j = (M)_j / M^j = \prod_{i<j} (1 - i/M)
    """
    size, most = one_whole("sample_size", sample_size, 1), one_whole("lineages", lineages, most=LONGEST)
    logs = np.full(most + 1, -np.inf)  # of 0, where there are more lineages than parents
    steps = np.arange(min(most, size), dtype=np.float64)
    logs[: steps.size + 1] = np.concatenate([[0.0], np.cumsum(np.log1p(-steps / size))])
    return np.exp(logs), -np.expm1(logs)


def _laws(sample_size: int, targets: list[int]) -> Iterator[tuple[int, Array]]:
    """The law of A_n, as its first index and a vector, for each of the increasing ``targets``."""
    low, law, fits = sample_size, np.ones(1), 1
    for target in targets:
        while fits < target and low + law.size > 2:
            high = low + law.size - 1
            step = 1
            if high > DENSE:
                low, law = _merge(sample_size, low, law)
            else:
                block = _kept_table(sample_size, min(sample_size, DENSE))[: high + 1, : high + 1]
                if high <= SMALL and target - fits > SMALL:
                    step = target - fits
                    block = np.linalg.matrix_power(block, step)
                low, law = _trim(1, law @ block[low:, 1:])
            fits += step
            # rows sum to 1 up to rounding; dividing keeps a million fits from drifting
            law = law / law.sum()
        fits = target
        yield low, law


@theorem(
    statement="The number of ancestors is the chain A_1 = M, A_{n+1} = boxes hit by A_n balls in M boxes",
    conditions="replace regime, constant sample size M >= 1, n >= 1 fits",
    order="exact",
    source="coalescent duality of the Wright-Fisher model; derived in theory/derivations/lineages.md",
)
def lineage_law(sample_size: int, fits: ArrayLike) -> Array:
    r"""Law of the number of ancestors :math:`A_n` that a data set of ``sample_size`` items has after ``fits`` fits.

    .. math:: P(A_n = a) = (e_M L^{n-1})_a, \qquad A_1 = M

    Shape ``fits.shape + (sample_size + 1,)``; entry a is :math:`P(A_n = a)`, entry 0 is 0. Exact: only positive
    numbers are added and multiplied, so every entry above 1e-290 keeps about 13 digits. Costs about ``2 M ln(n)``
    vector steps. Raises ValueError unless 1 <= sample_size <= 100000 and fits >= 1.
    """
    size, wanted = one_size(sample_size), whole("fits", fits, 1)
    distinct, back = np.unique(wanted, return_inverse=True)
    out = np.zeros((distinct.size, size + 1))
    for row, (low, law) in zip(out, _laws(size, distinct.tolist()), strict=True):
        row[low : low + law.size] = law
    return out[back.reshape(wanted.shape)]


def lineage_law_schedule(sizes: ArrayLike) -> Array:
    r"""Law of the number of ancestors among the first data set when the data sets have ``sizes`` M_1, ..., M_n items.

    The last data set starts with M_n lineages, which throw M_n balls into M_{n-1} boxes, and so on down to M_1. Shape
    ``(max(sizes) + 1,)``. Exact. Raises ValueError unless every size is from 1 to 100000. Source: as ``lineage_law``.
    """
    schedule = whole("sizes", sizes, 1)
    if schedule.ndim != 1 or schedule.size == 0:
        raise ValueError(f"sizes must be a vector of sample sizes up to {LARGEST}, got {sizes!r}")
    if schedule.max() > LARGEST:
        raise NotCovered(f"sizes must be a vector of sample sizes up to {LARGEST}, got {sizes!r}")
    low, law = int(schedule[-1]), np.ones(1)
    for boxes in schedule[-2::-1].tolist():
        low, law = _merge(boxes, low, law)
    out = np.zeros(int(schedule.max()) + 1)
    out[low : low + law.size] = law
    return out


def lineage_law_spectral(sample_size: int, fits: int) -> Array:
    r"""The law of ``lineage_law`` from its eigenvalues :math:`\lambda_j = (M)_j/M^j`, in one step for any ``fits``.

    .. math:: P(A_n = a) = \sum_{j \ge a} \lambda_j^{n-1}\, r_j(M)\, l_j(a)

    with right and left eigenvectors of the occupancy matrix. The terms alternate and cancel: all digits are lost for
    small n, so n >= M and M <= 200 are required (then the error stays below 1e-10). Raises ValueError otherwise.
    """
    size, wanted = one_size(sample_size, 200), one_whole("fits", fits, 1)
    if wanted < size:
        raise NotCovered(f"fits must be at least sample_size={size}, where the alternating sum is stable, got {fits!r}")
    table, values = _table(size, size), no_merger(size, size)[0]
    right, left = np.eye(size + 1), np.eye(size + 1)
    for k in range(2, size + 1):
        right[k, 1:k] = table[k, 1:k] @ right[1:k, 1:k] / (values[1:k] - values[k])
    for k in range(size - 1, 0, -1):
        left[k + 1 :, k] = left[k + 1 :, k + 1 :] @ table[k + 1 :, k] / (values[k + 1 :] - values[k])
    law = (values ** (wanted - 1) * right[size]) @ left
    law[0] = 0.0
    return law


def lineage_expectation(sample_size: int, fits: ArrayLike, values: ArrayLike) -> Array:
    r"""Mean of a function of the number of ancestors, :math:`E f(A_n)`, where ``values[a]`` is f(a) for a = 0..M.

    ``values`` has shape ``(sample_size + 1, ...)``, the answer ``fits.shape + values.shape[1:]``. Exact. Raises
    ValueError for another length. Source: the law of ``lineage_law``.
    """
    size, wanted, table = one_size(sample_size), whole("fits", fits, 1), real("values", values)
    if table.ndim == 0 or table.shape[0] != size + 1:
        raise ValueError(f"values must have sample_size + 1 = {size + 1} rows, got shape {table.shape}")
    distinct, back = np.unique(wanted, return_inverse=True)
    out = np.empty((distinct.size, *table.shape[1:]))
    for at, (low, law) in enumerate(_laws(size, distinct.tolist())):
        out[at] = np.tensordot(law, table[low : low + law.size], 1)
    return out[back.reshape(wanted.shape)]


def lineage_generating(sample_size: int, fits: ArrayLike, probability: ArrayLike) -> Array:
    r"""The chance :math:`E q^{A_n}` that all ancestors are of one kind, of ``probability`` q in the original law.

    With q a state's probability: it is all that is left after n fits. With 1 - q: it has been lost. Shape
    ``fits.shape + probability.shape``. Exact. Raises ValueError for q outside [0, 1]. Source: duality,
    theory/derivations/lineages.md.
    """
    size, chance = one_size(sample_size), within("probability", probability, 0.0, 1.0)
    powers = chance ** np.arange(size + 1).reshape(-1, *(1,) * chance.ndim)
    return lineage_expectation(size, fits, powers)


def expected_lineages(sample_size: int, fits: ArrayLike) -> Array:
    """Mean number of ancestors :math:`E A_n` of a whole data set after ``fits`` fits; shape of ``fits``. Exact."""
    size = one_size(sample_size)
    return lineage_expectation(size, fits, np.arange(size + 1))


def lineage_sums(sample_size: int, values: ArrayLike) -> tuple[Array, Array]:
    r"""Sums over all fits of a function of the number of ancestors that vanishes at one ancestor.

    .. math:: R = \sum_{n \ge 1} E f(A_n), \qquad D = \sum_{n \ge 1} (n - 1)\, E f(A_n)

    from :math:`(I - L) R = f` and :math:`(I - L) D = L R`, solved upwards while the rows of L are made: O(M^2) time,
    O(M) memory, and for f >= 0 no cancellation. ``values`` as in ``lineage_expectation``, with ``values[1] = 0``.
    Exact. Raises ValueError if ``values[1]`` is not 0, since the sums are then infinite.
    """
    size, table = one_size(sample_size), real("values", values)
    if table.ndim == 0 or table.shape[0] != size + 1:
        raise ValueError(f"values must have sample_size + 1 = {size + 1} rows, got shape {table.shape}")
    if np.any(table[1] != 0):
        raise ValueError(f"values must be 0 at one ancestor, or the sum is infinite, got {table[1]!r}")
    leave = no_merger(size, size)[1]
    flat = table.reshape(size + 1, -1)
    width = flat.shape[1]
    sums = np.zeros((size + 1, 2 * width))  # R and D side by side: one product a row serves both
    for lineages, low, row in occupancy_rows(size):
        if lineages == 1:
            continue
        fewer = row[: lineages - low]
        moved = fewer @ sums[low : low + fewer.size]
        stay = row[-1] if low + row.size > lineages else 0.0
        once = (flat[lineages] + moved[:width]) / leave[lineages]
        sums[lineages, :width] = once
        sums[lineages, width:] = (moved[:width] + stay * once + moved[width:]) / leave[lineages]
    return sums[size, :width].reshape(table.shape[1:]), sums[size, width:].reshape(table.shape[1:])

"""A moment of order m after n fits is a chain on m lineages: small matrices replace the K-dimensional state space."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable

import numpy as np
import scipy
from numpy.typing import ArrayLike

from ._domain import LONGEST, Array, NotCovered, law, one_real, one_whole, real, whole, within
from ._register import theorem
from .lineages import no_merger, occupancy_matrix, one_size


def _one_power(name: str, value: ArrayLike, minimum: int, most: int) -> int:
    return one_whole(name, value, minimum, most=most)


def _vector(name: str, array: Array) -> Array:
    if array.ndim != 1:
        raise ValueError(f"{name} must be a vector, got shape {array.shape}")
    return array


@theorem(
    statement="E p_n(i)^m = sum_j (L^n)_{mj} p_0(i)^j",
    conditions="replace regime, constant sample size M >= 1, n >= 0 fits",
    order="exact",
    source="moment duality (Moehle 1999); theory/derivations/lineages.md",
)
def expected_power(probability: ArrayLike, sample_size: int, fits: int, power: int) -> Array:
    r"""Moment :math:`E p_n(i)^m` of the frequency of a state of original ``probability`` q, m = ``power``.

    .. math:: E p_n(i)^m = \sum_{j} (L^n)_{mj}\, q^j

    m lineages traced back n fits, with the occupancy matrix L of M boxes. Shape of ``probability``; costs O(m^3 log n).
    Exact, no cancellation. Raises ValueError for q outside [0, 1], power outside 0..1000.
    """
    q, size = within("probability", probability, 0.0, 1.0), one_size(sample_size, 10**15)
    order, count = _one_power("power", power, 0, 1000), _one_power("fits", fits, 0, 10**15)
    weights = np.linalg.matrix_power(occupancy_matrix(size, order), count)[order]
    return q[..., None] ** np.arange(order + 1) @ weights


@theorem(
    statement="E prod p_n(i)^m_i: one fit maps prod p^m_i to M^-m sum_j prod S(m_i, j_i) (M)_|j| prod p^j_i",
    conditions="replace regime, constant sample size M >= 1, n >= 0 fits",
    order="exact",
    source="factorial moments of the multinomial law; theory/derivations/lineages.md",
)
def mixed_moment(probabilities: ArrayLike, sample_size: int, fits: int, powers: ArrayLike) -> float:
    r"""Mixed moment :math:`E \prod_i p_n(i)^{m_i}` with ``powers`` m, one for each state.

    .. math:: T \prod_i p_i^{m_i} = M^{-|m|} \sum_{j \le m} \prod_i S(m_i, j_i)\, (M)_{|j|} \prod_i p_i^{j_i}

    applied n times, S being Stirling numbers of the second kind. Exact. The number of terms, prod(m_i + 1), is at most
    1024. Raises ValueError beyond, and unless ``powers`` has one entry for each state.
    """
    p, size = law("probabilities", probabilities), one_size(sample_size, 10**15)
    count, order = _one_power("fits", fits, 0, 10**15), whole("powers", powers, 0)
    if order.shape != p.shape:
        raise ValueError(f"powers must have one entry for each of the {p.size} states, got shape {order.shape}")
    if math.prod(int(m) + 1 for m in order) > 1024:
        raise NotCovered(f"powers must give at most 1024 terms prod(m_i + 1), got {powers!r}")
    used = order > 0
    p, order = p[used], order[used]
    merge: Array = np.ones((1, 1))
    start: Array = np.ones(1)
    degree = np.zeros(1, dtype=np.int64)
    for chance, m in zip(p, order.tolist(), strict=True):
        stirling = np.eye(m + 1)
        for k in range(1, m + 1):
            for j in range(1, k):
                stirling[k, j] = j * stirling[k - 1, j] + stirling[k - 1, j - 1]
        merge = np.asarray(np.kron(merge, stirling), dtype=np.float64)
        start = np.multiply.outer(start, chance ** np.arange(m + 1)).ravel()
        degree = np.add.outer(degree, np.arange(m + 1)).ravel()
    distinct = no_merger(size, int(degree[-1]))[0]
    step = merge * distinct[degree] * float(size) ** np.minimum(degree[None, :] - degree[:, None], 0)
    return float(np.linalg.matrix_power(step, count)[-1] @ start)


@theorem(
    statement="The eigenvalues are lambda_j = (M)_j / M^j, j = 0..M, with multiplicity C(j + K - 2, K - 2)",
    conditions="replace regime, K >= 2 states, constant sample size M",
    order="exact",
    source="Feller 1951; Cannings 1974",
)
def eigenvalues(sample_size: int, largest: int | None = None) -> Array:
    r"""Eigenvalues :math:`\lambda_j = (M)_j/M^j = \prod_{i<j}(1 - i/M)` of the chain, j = 0..``largest`` (or M).

    :math:`\lambda_0 = \lambda_1 = 1` belong to the K absorbing states; the first that decays is 1 - 1/M. Exact. Raises
    ValueError unless 0 <= largest <= sample_size.
    """
    size = one_size(sample_size, 10**15)
    if largest is None and size > LONGEST:
        raise NotCovered(f"largest must be given where sample_size is above {LONGEST}, got sample_size={size}")
    order = size if largest is None else _one_power("largest", largest, 0, min(size, LONGEST))
    return no_merger(size, order)[0]


def multiplicities(states: int, largest: int) -> list[int]:
    r"""Multiplicity :math:`\binom{j + K - 2}{K - 2}` of :func:`eigenvalues` j = 0..``largest`` for K >= 2 ``states``.

    Over j = 0..M they sum to the number of count vectors, C(M + K - 1, K - 1). Exact integers.
    """
    kinds, order = _one_power("states", states, 2, 10**6), _one_power("largest", largest, 0, 10**6)
    return [math.comb(j + kinds - 2, kinds - 2) for j in range(order + 1)]


@theorem(
    statement="density sum_i p(1-p) i(i+1)(2i+1) F(1-i,i+2;2;p) F(1-i,i+2;2;x) exp(-i(i+1) n/(2M)) inside (0, 1)",
    conditions="replace regime, M large, n of the order of M",
    order="O(1/M) for fixed n/M",
    source="Kimura 1955",
)
def transient_density(frequency: ArrayLike, probability: float, sample_size: int, fits: int) -> Array:
    r"""Diffusion density, over frequencies x in (0, 1), of a state of ``probability`` p that is neither lost nor fixed.

    .. math:: f(x) = p(1-p) \sum_{i \ge 1} \frac{(i+1)(2i+1)}{i} P_{i-1}^{(1,1)}(1-2p)\, P_{i-1}^{(1,1)}(1-2x)\,
        e^{-i(i+1)t/2}, \qquad t = n/M

    with Jacobi polynomials. It integrates to the chance of being still undecided. Error O(1/M) at fixed t. Shape of
    ``frequency``. Raises ValueError for t < 1e-4, where the series is long and a normal law is as good.
    """
    x, q = within("frequency", frequency, 0.0, 1.0), one_real("probability", probability, 0, 1)
    time = _one_power("fits", fits, 1, 10**15) / one_size(sample_size, 10**15)
    if time < 1e-4:
        raise NotCovered(f"fits / sample_size must be at least 1e-4, got {fits!r} / {sample_size!r}")
    i = np.arange(1.0, math.sqrt(80 / time) + 3)
    there = scipy.special.eval_jacobi(i - 1, 1, 1, 1 - 2 * x[..., None])
    here = scipy.special.eval_jacobi(i - 1, 1, 1, 1 - 2 * q)
    return q * (1 - q) * (there @ ((i + 1) * (2 * i + 1) / i * here * np.exp(-i * (i + 1) * time / 2)))


def binomial_rows(sample_size: int, probability: Array) -> Array:
    """Binomial(M, q) laws, one row for each entry of ``probability`` (r,), from the mode outwards: error 1e-14."""
    sample_size = one_whole("sample_size", sample_size, 1, most=LONGEST)
    q = _vector("probability", within("probability", probability, 0, 1))[:, None]
    j = np.arange(sample_size + 1.0)
    mode = np.minimum(np.floor((sample_size + 1) * q), sample_size)
    inside = (q > 0) & (q < 1)
    # a certain row is set below; odds of 1/M keep its products from overflowing until then
    odds = np.where(inside, q, 1.0) / np.where(inside, 1 - q, sample_size)
    rise = np.ones((q.size, sample_size + 1))
    fall = np.ones((q.size, sample_size + 1))
    up = (sample_size - j[:-1]) / (j[:-1] + 1) * odds
    np.copyto(rise[:, 1:], up, where=j[1:] > mode)
    np.copyto(fall[:, :-1], 1 / up, where=inside & (j[1:] <= mode))
    with np.errstate(under="ignore"):
        rows = np.cumprod(rise, axis=1) * np.cumprod(fall[:, ::-1], axis=1)[:, ::-1]
    rows = np.where(inside, rows, j == sample_size * q)
    return rows / rows.sum(axis=1, keepdims=True)


@functools.lru_cache(maxsize=2)
def _chain(sample_size: int) -> Array:
    rows = binomial_rows(sample_size, np.arange(sample_size + 1) / sample_size)
    rows.flags.writeable = False
    return rows


def _advance(sample_size: int, steps: int, vector: Array, apply: Callable[[Array, Array], Array]) -> Array:
    """``steps`` fits applied to ``vector``, one by one unless squaring the matrix is cheaper."""
    if steps == 0:
        return vector
    chain = _chain(sample_size)
    if steps > 3 * sample_size * steps.bit_length():
        return apply(np.linalg.matrix_power(chain, steps), vector)
    for _ in range(steps):
        vector = apply(chain, vector)
    return vector


def marginal_size(sample_size: ArrayLike) -> int:
    """``sample_size`` as one int up to 2000, where the two-state transition matrix takes 32 MB."""
    return one_size(sample_size, 2000)


def marginal_law(probability: float, sample_size: int, fits: int) -> Array:
    r"""Law of the count of one state of original ``probability`` q in data set number ``fits``: :math:`b(q) Q^{n-1}`.

    Merging all other states leaves a two-state chain with :math:`Q_{kj} = \operatorname{Bin}(M, k/M)(j)`. Shape
    ``(sample_size + 1,)``. Exact; costs O(M^2) for each fit. Raises ValueError for sample_size above 2000.
    """
    q, size = one_real("probability", probability, 0, 1), marginal_size(sample_size)
    count = _one_power("fits", fits, 1, 10**9)
    return _advance(size, count - 1, binomial_rows(size, np.array([q]))[0], lambda chain, row: row @ chain)


def marginal_expectation(probability: ArrayLike, sample_size: int, fits: ArrayLike, values: ArrayLike) -> Array:
    r"""Mean of a function of the count of one state, for each of the original probabilities ``probability`` (U,).

    ``values`` is (M + 1,) for one function of the count, or (M + 1, U) for one each. Shape ``fits.shape + (U,)``.
    Exact; the functions are carried backwards, so that many states cost as much as one. Raises ValueError as
    ``marginal_law``.
    """
    q, size = _vector("probability", within("probability", probability, 0.0, 1.0)), marginal_size(sample_size)
    wanted, carried = whole("fits", fits, 1), real("values", values)
    if carried.shape not in ((size + 1,), (size + 1, q.size)):
        raise ValueError(
            f"values must have shape ({size + 1},) or ({size + 1}, {q.size}), one row for each count, got "
            f"{carried.shape}"
        )
    first, done = binomial_rows(size, q), 1
    distinct, back = np.unique(wanted, return_inverse=True)
    out = np.empty((distinct.size, q.size))
    for at, target in enumerate(distinct.tolist()):
        carried = _advance(size, target - done, carried, lambda chain, column: chain @ column)
        done = target
        out[at] = first @ carried if carried.ndim == 1 else np.einsum("uj,ju->u", first, carried)
    return out[back.reshape(wanted.shape)]

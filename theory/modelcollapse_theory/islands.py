r"""Does it help to have several models? Closed forms for D equal models that share evenly, and for one common pool.

Symmetric islands: each of D models is refitted to M items; an item is real with probability g (``share``), else from
the model itself with probability 1 - m and with probability m (``mixing``) from a uniformly chosen other one. Two
lines in one model are in one model again with probability a, two lines in different ones with probability b,

.. math:: a = (1 - m)^2 + \frac{m^2}{D - 1}, \qquad b = \frac{1 - a}{D - 1} .

m = (D - 1)/D is the common pool: every model draws from all alike. ``populations`` and ``population_limits`` have the
same for any weights. Derived in theory/derivations/populations.md.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from modelcollapse_theory._domain import Array, NotCovered, law, one_real, one_whole, whole
from modelcollapse_theory._register import theorem
from modelcollapse_theory.workflows import from_first_fit, replace

_SOURCE = "derived in theory/derivations/populations.md"
_LARGEST = 10**5  # powers of the rates must be told from one another


def _models(models: int) -> int:
    return one_whole("models", models, 2, "islands exchange with others")


def _size(sample_size: int) -> int:
    return one_whole("sample_size", sample_size, 1, "a fit needs data")


def _meeting(models: int, mixing: float) -> tuple[float, float]:
    """1 - a and b, without cancellation."""
    m = one_real("mixing", mixing, 0, 1)
    apart = m * (2 - m * models / (models - 1))
    return apart, apart / (models - 1)


@theorem(
    statement="x = 1 - lambda is the smaller root of x^2 - (D b + a/M) x + b/M = 0: rate of symmetric islands",
    conditions="D models of M items, each item from another model with probability m > 0, no real data",
    order="exact",
    source="classical (Maruyama 1970, Nagylaki 1980); " + _SOURCE,
)
def islands_size(models: int, sample_size: int, mixing: float) -> float:
    r"""M_e = 1/(1 - lambda): the size of the one model that collapses as fast as D islands do in the long run.

    .. math:: \frac1{M_e} = \frac{s - \sqrt{s^2 - 4 b/M}}2, \qquad s = D b + \frac aM

    MD at m = (D - 1)/D, and without bound as m -> 0. Exact. Raises ValueError for m = 0, where islands never meet.
    """
    count, size = _models(models), _size(sample_size)
    apart, b = _meeting(count, one_real("mixing", mixing, 0, 1, open_low=True))
    s = count * b + (1 - apart) / size
    return float((s + np.sqrt(max(s * s - 4 * b / size, 0.0))) * size / (2 * b))


@theorem(
    statement="M_e = M D + (D - 1)(a - b)/(D b) + O(1/M); for small m it is M D + (D - 1)^2/(2 m D)",
    conditions="symmetric islands, M large, m > 0 fixed",
    order="O(1/M)",
    source="own; " + _SOURCE,
)
def islands_size_expansion(models: int, sample_size: int, mixing: float) -> float:
    r"""M_e of ``islands_size`` for large M: :math:`M D + (D - 1)(a - b)/(D b)`, off by O(1/M).

    Isolation adds to the size what does not depend on M: some (D - 1)^2/(2 m D) items.
    """
    count, size = _models(models), _size(sample_size)
    apart, b = _meeting(count, one_real("mixing", mixing, 0, 1, open_low=True))
    return float(size * count + (count - 1 - count * apart) / (count * b))


@theorem(
    statement="v_w' = 1/M + (1 - 1/M) G [a v_w + (1 - a) v_b], v_b' = G [b v_w + (1 - b) v_b], G = (1 - g)^2",
    conditions="symmetric islands; fits start at v_w = 1/M, v_b = 0",
    order="exact",
    source=_SOURCE,
)
def islands_losses(
    models: int, sample_size: int, mixing: float, fits: ArrayLike, share: float = 0.0
) -> tuple[Array, Array]:
    r"""(v_w, v_b), the losses within and between models after ``fits`` fits.

    The loss of the union of all is :math:`(v_w + (D - 1) v_b)/D`. Exact; by powers of the 3 x 3 matrix, at any number
    of fits.
    """
    step = _step(_models(models), _size(sample_size), mixing, one_real("share", share, 0, 1))
    asked = whole("fits", fits)
    start, values = np.array([1.0, 0.0, 0.0]), np.zeros((asked.size, 2))
    for at, n in enumerate(asked.ravel()):
        values[at] = (np.linalg.matrix_power(step, int(n)) @ start)[1:]
    kept = np.minimum(values, 1.0).reshape(*asked.shape, 2)
    return kept[..., 0], kept[..., 1]


def _step(models: int, size: int, mixing: float, share: float) -> Array:
    """The map of (1, v_w, v_b). From (1, 0, 0) it gives the first fit."""
    apart, b = _meeting(models, mixing)
    both = (1 - share) ** 2
    return np.array(
        [
            [1.0, 0.0, 0.0],
            [1 / size, (1 - 1 / size) * both * (1 - apart), (1 - 1 / size) * both * apart],
            [0.0, both * b, both * (1 - b)],
        ]
    )


@theorem(
    statement="v_w = 1/(1 + theta), theta = (M - 1)(1 - G[a + (1 - a) c]), v_b = c v_w, c = G b/(1 - G (1 - b))",
    conditions="symmetric islands with a real share g > 0, stationary; G = (1 - g)^2",
    order="exact",
    source="own; " + _SOURCE,
)
def islands_limit(models: int, sample_size: int, mixing: float, share: float) -> tuple[float, float]:
    r"""(v_w, v_b) in the long run. For g far below 1/D and full mixing theta is about 2 g D M: one model of D M items.

    Without real data (1, 1) if m > 0. Exact.
    """
    count, size = _models(models), _size(sample_size)
    apart, b = _meeting(count, mixing)
    g = one_real("share", share, 0, 1)
    fresh = g * (2 - g)
    if fresh == 0:
        return 1.0, float(b > 0)
    c = (1 - fresh) * b / (fresh + (1 - fresh) * b)
    # 1 - G [a + (1 - a) c] without cancellation
    theta = (size - 1) * (fresh + (1 - fresh) * apart * (1 - c))
    return float(1 / (1 + theta)), float(c / (1 + theta))


def _pool(sizes: ArrayLike, pool: ArrayLike) -> tuple[Array, Array]:
    size, share = whole("sizes", sizes, 1, "a fit needs data").astype(np.float64), law("pool", pool)
    if size.shape not in ((), share.shape):
        raise ValueError(
            f"sizes must be one number or one for each of the {share.size} models of pool, got shape {size.shape}"
        )
    return np.broadcast_to(size, share.shape), share


@theorem(
    statement="the pool of all models is one model of 1/sum w_i^2/M_i items, at most sum M_i",
    conditions="every model draws from the same pool: row w of the weights for all; no real data in the size",
    order="exact",
    source=_SOURCE,
)
def pool_size(sizes: ArrayLike, pool: ArrayLike) -> float:
    r"""The size :math:`1/\sum_i w_i^2/M_i` of the one model that the pool sum_i w_i p_i is equal to, for all fits.

    ``pool`` w (D,) are the shares of the models in the pool. By Cauchy and Schwarz it is at most sum M_i, for w_i
    proportional to M_i: to cut data among models never gains anything against one model on all of it. Exact.
    """
    size, share = _pool(sizes, pool)
    return float(1 / (share**2 / size).sum())


@theorem(
    statement="1 - v_ii = (1 - 1/M_i)(1 - B), B' = (1-g)^2 [B + (1 - B)/N], B_1 = 0: at g = 0 the pool's loss of "
    "one fit less",
    conditions="every model draws from the same pool w, and real items with probability g",
    order="exact",
    source=_SOURCE,
)
def common_pool(sizes: ArrayLike, pool: ArrayLike, fits: ArrayLike, share: float = 0.0) -> tuple[Array, Array]:
    r"""(v_ii, shape ``fits.shape + (D,)``; v_ij for i != j, ``fits.shape``) of models with one common pool.

    N = ``pool_size``. For g = 0 the pool's own loss is 1 - (1 - 1/N)^n, whatever the number of models, and each single
    model's is larger: it starts at 1/M_i. Exact.
    """
    size, w = _pool(sizes, pool)
    count, g = whole("fits", fits).astype(np.float64), one_real("share", share, 0, 1)
    rate, kept = float((w**2 / size).sum()), (1 - g) ** 2
    # two draws from the last pool, both of them not real; 0 for the first fit
    between = from_first_fit(0.0, count, kept * rate, g * (2 - g) + kept * rate)
    own = between[..., None] + (1 - between[..., None]) / size
    return np.where(count[..., None] == 0, 0.0, own), between


@theorem(
    statement="the union of D models that never exchange keeps at least the share 1 - 1/D: v = (1 - (1 - 1/M)^n)/D",
    conditions="each model is refitted to M draws of its own",
    order="exact",
    source=_SOURCE,
)
def isolated_union(models: ArrayLike, sample_size: ArrayLike, fits: ArrayLike) -> Array:
    r"""v of the union sum_i p_i/D of isolated models: each of them collapses, the union keeps (1 - 1/D) H_0. Exact."""
    count = whole("models", models, 1).astype(np.float64)
    return replace(sample_size, fits) / count


@theorem(
    statement="a single island is better off than a model of the common pool from fit n on: v_w below its v",
    conditions="symmetric islands, no real data, 0 < m < (D - 1)/D",
    order="exact",
    source="own; " + _SOURCE,
)
def isolation_pays_from(models: int, sample_size: int, mixing: float) -> int:
    r"""The first fit at which an island that shares m has lost less than one that draws from all alike.

    The union of islands is better off from fit 2 on; a single model only after about M D fits or, for small m, more
    (as ln(1/m)), when most is lost anyway: before, others' data dilutes its losses. Exact, by bisection. Raises
    ValueError unless 0 < m < (D - 1)/D and M >= 2.
    """
    count = one_whole("models", models, 2, "islands exchange with others", most=_LARGEST)
    size = one_whole("sample_size", sample_size, 2, "what one item leaves is nothing", most=_LARGEST)
    m = one_real("mixing", mixing, 0, 1 - 1 / count, open_low=True, open_high=True)
    # (1 - v_w, 1 - v_b) from (1, 1): without real data the same map, and no digit is lost where little is left
    islands, pooled = (_step(count, size, mixed, 0.0)[1:, 1:] for mixed in (m, 1 - 1 / count))

    def behind(n: int) -> bool:
        left, right = (np.linalg.matrix_power(step, n).sum(axis=1)[0] for step in (islands, pooled))
        if left == right == 0:
            raise NotCovered(f"mixing must be larger: all is lost before a single island is better off, got {mixing!r}")
        return bool(left <= right)

    low, high = 1, 2
    while behind(high):
        low, high = high, 2 * high
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if behind(middle) else (low, middle)
    return high

r"""Accumulation: keep every generation, and diversity has a floor.

The t-th batch of M_t items is drawn from a fit to the pool of all earlier batches and joins it; the first batch is
real. The pool of N_t items then loses the share v_t of ``workflows``, with 1 - v' = (1 - v)(1 - M_t/N_t^2): a
converging product. With equal batches the loss is bounded by pi^2/(6M), however long the process runs. Derived in
theory/derivations/accumulation.md.
"""

from __future__ import annotations

import numpy as np
import scipy
from numpy.typing import ArrayLike

from modelcollapse_theory._domain import LONGEST, Array, choice, law, one_real, one_whole, schedule, whole, within
from modelcollapse_theory._register import theorem
from modelcollapse_theory.workflows import share_lost

_SOURCE = "derived in theory/derivations/accumulation.md"

# Replace loses n/M to first order; these are the c of a loss c/M after many generations, for large M.
LOSS_ACCUMULATE = np.pi**2 / 6
LOSS_SUBSAMPLE_MODEL = np.pi**2 / 2 - 2
LOSS_SUBSAMPLE_POOL = np.pi**2 / 2 - 3


def _log_square_product(square: Array, count: Array) -> Array:
    r"""log prod_{i=1}^n (1 - s^2/i^2) for s^2 = ``square`` in [0, 1], n = ``count`` >= 1, to relative precision.

    The gamma functions of the closed form would cancel for small s. Here the first factor is apart and the others are
    expanded: -sum_k s^(2k)/k sum_{i=2}^n i^(-2k), whose k-th term falls like 4^-k.
    """
    tail = np.zeros(np.broadcast(square, count).shape)
    for k in range(26, 0, -1):
        tail = tail - square**k / k * (scipy.special.zeta(2 * k, 2.0) - scipy.special.zeta(2 * k, count + 1.0))
    return scipy.special.xlog1py(1.0, -square) + tail


@theorem(
    statement="1 - v_n = prod_{i<=n} (1 - 1/(M i^2)) -> sin(pi s)/(pi s), s = M^(-1/2)",
    conditions="equal batches of M items, each drawn from a fit to all earlier ones; the first real",
    order="exact",
    source=_SOURCE,
)
def accumulate(sample_size: ArrayLike, fits: ArrayLike) -> Array:
    r"""v_n of the n-th fit, to the pool of n batches of M items.

    .. math:: 1 - v_n = \prod_{i=1}^n \left(1 - \frac{1}{M i^2}\right)
       = \frac{\Gamma(n+1-s)\,\Gamma(n+1+s)}{\Gamma(n+1)^2\,\Gamma(1-s)\,\Gamma(1+s)}, \qquad s = M^{-1/2}

    Exact. The discrete model, and a Gaussian with ddof = 0 over the pool.
    """
    size = whole("sample_size", sample_size, 1, "a fit needs data").astype(np.float64)
    count = whole("fits", fits).astype(np.float64)
    kept = _log_square_product(1 / size, np.maximum(count, 1))
    return np.where(count == 0, 0.0, -np.expm1(kept))


@theorem(
    statement="1 - v_inf = sin(pi s)/(pi s), s = M^(-1/2): the loss is pi^2/(6M) to first order",
    conditions="equal batches of M items, accumulated for ever",
    order="exact",
    source=_SOURCE,
)
def accumulate_limit(sample_size: ArrayLike) -> Array:
    r"""v after infinitely many fits: :math:`1 - \sin(\pi s)/(\pi s)`, :math:`s = M^{-1/2}`; :math:`\pi^2/(6M) +
    O(M^{-2})`. Exact.
    """
    size = whole("sample_size", sample_size, 1, "a fit needs data").astype(np.float64)
    # n = inf in the product: the Hurwitz tails are 0
    return -np.expm1(_log_square_product(1 / size, np.asarray(np.inf)))


@theorem(
    statement="1 - v' = (1 - v)(1 - M_t/N_t^2), N_t the pool with batch t",
    conditions="batches of any sizes M_t, each drawn from a fit to the whole pool; the first real",
    order="exact",
    source=_SOURCE,
)
def accumulate_sizes(sizes: ArrayLike) -> Array:
    r"""Trajectory v_0, ..., v_n of fits to a growing pool of batches: :math:`1 - v_n = \prod_t (1 - M_t/N_t^2)`.

    Exact. Each batch that is small beside the pool costs little; the loss stays below 1 unless the first batch is one
    item.
    """
    size = schedule("sizes", sizes, 1, "a batch needs items").astype(np.float64)
    return np.concatenate([[0.0], -np.expm1(np.cumsum(scipy.special.xlog1py(1.0, -size / np.cumsum(size) ** 2)))])


@theorem(
    statement="pool: 1 - v' = (1 - v)[1 - (M/(N+M))^2 (f + (1-f)/M)], f = (N-m)/(m(N-1)); model: (1-f)(1-v)",
    conditions="the fit sees m of the N pooled items, without replacement; M of its draws join the pool",
    order="exact",
    source=_SOURCE,
)
def accumulate_subsample(sample_size: int, fits: int, subsample: int | None = None) -> tuple[Array, Array]:
    r"""Trajectories (model, pool) of v_0, ..., v_n when each fit sees m = ``subsample`` random items of the pool.

    The pool before fit n holds N = n M items; m defaults to M, a fixed budget.

    .. math:: 1 - v_{model} = (1 - f)(1 - v_{pool}), \quad f = \frac{N - m}{m (N - 1)}, \qquad
       1 - v'_{pool} = (1 - v_{pool}) \left[1 - \left(\tfrac{M}{N+M}\right)^2 \left(f + \tfrac{1-f}{M}\right)\right]

    Entry n of ``pool`` is the pool that fit n was drawn from. Exact. The loss does not grow for ever: it settles near
    ``LOSS_SUBSAMPLE_MODEL``/M = 2.935/M (m = M large). Raises ValueError unless 1 <= subsample <= sample_size.
    """
    size = float(one_whole("sample_size", sample_size, 1, "a fit needs data"))
    m = size if subsample is None else float(one_whole("subsample", subsample, 1, "a fit needs data"))
    if m > size:
        raise ValueError(f"subsample must not exceed sample_size={sample_size!r}, the first pool, got {subsample!r}")
    count = one_whole("fits", fits, most=LONGEST)
    pooled = np.arange(1.0, count + 1) * size
    unlike = (pooled - m) / (m * np.maximum(pooled - 1, 1))
    step = -((size / (pooled + size)) ** 2) * (unlike + (1 - unlike) / size)
    log_pool = np.cumsum(
        np.concatenate([scipy.special.xlog1py(1.0, np.full(min(count, 1), -1 / size)), np.log1p(step[:-1])])
    )
    pool = np.concatenate([[0.0], -np.expm1(log_pool)])
    model = np.concatenate([[0.0], -np.expm1(log_pool + scipy.special.xlog1py(1.0, -unlike))])
    return model, pool


@theorem(
    statement="the pool's 1 - v_inf is a product of Gamma functions at the roots of a cubic: a plateau",
    conditions="fixed subsample of m <= M from a pool that grows by M, for ever",
    order="exact",
    source=_SOURCE,
)
def accumulate_subsample_limit(sample_size: int, subsample: int | None = None) -> tuple[float, float]:
    r"""Where (model, pool) of ``accumulate_subsample`` settle: there is a plateau, not a slow collapse.

    With :math:`g(t) = \frac{t - 1/M}{M} + (1 - \tfrac1M) \frac{t - m/M}{m}` the pool's t-th factor is
    :math:`1 - g(t)/[(t+1)^2 (t - 1/M)]`, so that with the roots :math:`\rho_i` of :math:`(t+1)^2 (t - 1/M) - g(t)`

    .. math:: 1 - v_{pool} = (1 - \tfrac1M) \frac{\Gamma(2)^2\, \Gamma(1 - 1/M)}{\prod_i \Gamma(1 - \rho_i)}, \qquad
       1 - v_{model} = (1 - \tfrac1m)(1 - v_{pool})

    For m = M large these are (pi^2/2 - 2)/M and (pi^2/2 - 3)/M. Exact; absolute rounding error near 1e-15.
    """
    size = float(one_whole("sample_size", sample_size, 1, "a fit needs data"))
    m = size if subsample is None else float(one_whole("subsample", subsample, 1, "a fit needs data"))
    if m > size:
        raise ValueError(f"subsample must not exceed sample_size={sample_size!r}, the first pool, got {subsample!r}")
    if size == 1:
        return 1.0, 1.0
    slope = 1 / size + (1 - 1 / size) / m
    roots = np.roots([1, 2 - 1 / size, 1 - 2 / size - slope, -1 / size + 1 / size**2 + (1 - 1 / size) / size])
    log_kept = (
        np.log1p(-1 / size) + scipy.special.gammaln(1 - 1 / size) - np.sum(scipy.special.loggamma(1 - roots + 0j)).real
    )
    pool = -np.expm1(log_kept)
    return float(1 / m + (1 - 1 / m) * pool), float(pool)


@theorem(
    statement="E s_n^2 = sigma^2 prod_{t=2}^n (1 - 1/(t(tM - 1))), E (mu_n - mu_0)^2 = sum E s_{t-1}^2/(M t^2)",
    conditions="normal batches of M accumulated, the pool's variance divided by nM - 1 (ddof = 1)",
    order="exact",
    source=_SOURCE,
)
def gaussian(sample_size: int, fits: int, *, variance: float = 1.0, ddof: int = 1) -> tuple[Array, Array]:
    r"""Trajectories 0..n of (E s_n^2, E (mu_n - mu_0)^2) of a Gaussian fitted to the accumulated pool.

    .. math:: E s_n^2 = \sigma^2 \prod_{t=2}^n \left(1 - \frac{1}{t (t M - 1)}\right), \qquad
       E (\mu_n - \mu_0)^2 = \sigma^2 \sum_{t=1}^n \frac{E s_{t-1}^2}{M t^2}, \qquad s_0 = \sigma

    for ddof = 1; (1 - v_n, v_n) sigma^2 of ``accumulate`` for ddof = 0. Exact. Raises ValueError for sample_size < 2
    with ddof = 1.
    """
    ddof = choice("ddof", ddof, (0, 1))
    size = float(
        one_whole("sample_size", sample_size, 1 + ddof, "an unbiased variance needs two draws" if ddof else "")
    )
    count, scale = one_whole("fits", fits, most=LONGEST), one_real("variance", variance, 0, open_low=True)
    if ddof == 0:
        lost = accumulate(sample_size, np.arange(count + 1))
        return (1 - lost) * scale, lost * scale
    t = np.arange(1.0, count + 1)
    factors = np.concatenate([np.zeros(min(count, 1) + 1), np.log1p(-1 / (t[1:] * (t[1:] * size - 1)))])[: count + 1]
    spread = np.exp(np.cumsum(factors)) * scale
    return spread, np.concatenate([[0.0], np.cumsum(spread[:-1] / (size * t**2))])


@theorem(
    statement="E s_inf^2 = sigma^2 Gamma(2 - 1/M)/(Gamma(2 - r) Gamma(2 + 1/(M r))), r = (1 + sqrt(1 + 4M))/(2M)",
    conditions="normal batches of M accumulated for ever, the pool's variance divided by nM - 1",
    order="exact",
    source=_SOURCE,
)
def unbiased_variance_limit(sample_size: ArrayLike) -> Array:
    r"""E s_inf^2/sigma^2 of ``gaussian`` with ddof = 1, an infinite product in closed form.

    .. math:: \prod_{t \ge 2} \left(1 - \frac{1}{t (t M - 1)}\right)
       = \frac{\Gamma(2 - 1/M)}{\Gamma(2 - r_1)\, \Gamma(2 - r_2)},
       \qquad r_{1,2} = \frac{1 \pm \sqrt{1 + 4 M}}{2 M}

    Exact; :math:`1 - (\pi^2/6 - 1)/M + O(M^{-2})`, against :math:`1 - \pi^2/(6M)` with ddof = 0.
    """
    size = whole("sample_size", sample_size, 2, "an unbiased variance needs two draws").astype(np.float64)
    root = np.sqrt(1 + 4 * size)
    high, low = (1 + root) / (2 * size), (1 - root) / (2 * size)
    return np.exp(
        scipy.special.gammaln(2 - 1 / size) - scipy.special.gammaln(2 - high) - scipy.special.gammaln(2 - low)
    )


@theorem(
    statement="M v_n -> sum_{i<=n} 1/i^2 <= pi^2/6, where replace has n",
    conditions="equal batches, n fixed, M to infinity; parametric excess risk to first order",
    order="O(1/M)",
    source="as summarised for Dey and Donoho, arXiv 2410.22812; " + _SOURCE,
)
def first_order_loss(fits: ArrayLike) -> Array:
    r"""Limit of M v_n for large M: :math:`\sum_{i=1}^n i^{-2} \le \pi^2/6`, against n under replace.

    The mechanism is general: the n-th estimate moves by a fresh error divided by n, so every smooth parametric model
    pays this factor to first order. The limit is exact; M v_n differs from it by O(1/M).
    """
    count = whole("fits", fits).astype(np.float64)
    return np.where(count == 0, 0.0, 1 + scipy.special.zeta(2.0, 2.0) - scipy.special.zeta(2.0, count + 1))


@theorem(
    statement="the support never changes after the first batch: P(state present for ever) = 1 - (1 - q)^M_1",
    conditions="every item ever drawn stays in the training set",
    order="exact",
    source=_SOURCE,
)
def survival(probability: ArrayLike, sample_size: ArrayLike) -> Array:
    r"""P(a state of probability q is in every fit, for ever) = :math:`1 - (1 - q)^{M_1}`.

    ``sample_size`` = M_1 is the first batch, the real one.

    What the first batch missed is never drawn again, and what it holds is never dropped. Exact. A fixed real set of r
    items under replacement keeps for ever what it holds, and only that: the same formula with r for M_1.
    """
    size = whole("sample_size", sample_size, 1, "a fit needs data").astype(np.float64)
    return share_lost(within("probability", probability, 0, 1), size)


def expected_support(probabilities: ArrayLike, sample_size: ArrayLike) -> Array:
    r"""Mean number of states for ever present: :math:`\sum_i 1 - (1 - p_i)^{M_1}`, M_1 = ``sample_size``. Exact."""
    size = np.asarray(whole("sample_size", sample_size, 1, "a fit needs data"))
    return survival(law("probabilities", probabilities), size[..., None]).sum(axis=-1)

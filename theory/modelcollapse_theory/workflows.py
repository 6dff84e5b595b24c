r"""One number, the chance that two draws from a fit share a real ancestor, is the loss of every workflow.

Let a model reproduce the mean and the covariance (divided by M) of its training set, and let the training set be any
mixture of model draws, kept data and fresh real data. Trace two independent draws from the n-th fit back to the real
draws they descend from, and let :math:`v_n` be the probability that they descend from the same one. Then, with no
approximation,

.. math:: E H_n = (1 - v_n) H_0, \qquad E\,\chi^2(p_n \| p_0) = (K - 1) v_n, \qquad
   E \Sigma_n = (1 - v_n) \Sigma_0, \qquad E (\mu_n - \mu_0)(\mu_n - \mu_0)^T = v_n \Sigma_0

for the discrete model (heterozygosity :math:`H = 1 - \sum p_i^2`) and for every model with that mean and covariance,
the maximum-likelihood Gaussian above all. Only the recursion of v depends on the workflow:

==================================  ===================================================================================
workflow                            function
==================================  ===================================================================================
replace                             ``replace``, ``replace_sizes``
each item real with probability g   ``random_mixing``, ``random_mixing_limit``
exactly r real items, drawn anew    ``fresh_counts``, ``fresh_counts_limit``
r real items, kept for ever         ``fixed_set``, ``fixed_set_limit``
b items of the last data set kept   ``retain``, ``retain_limit``
the mixture alpha, beta, gamma      ``mixture.law``, ``mixture.fit``, ``mixture.law_schedule``
accumulate                          ``accumulation.accumulate``, ``accumulation.accumulate_sizes``
accumulate, train on a subsample    ``accumulation.accumulate_subsample``
==================================  ===================================================================================

Conventions: v_0 = 0 is the truth, v_1 = 1/M the first fit, always on M real items; ``fits`` = n broadcasts, so that
``fits=np.arange(n + 1)`` is the trajectory. Derived in theory/derivations/variance-conservation.md.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from modelcollapse_theory._domain import Array, law, schedule, whole, within
from modelcollapse_theory._domain import real as finite
from modelcollapse_theory._register import theorem

_SOURCE = "derived in theory/derivations/variance-conservation.md"


def _sample_size(value: ArrayLike) -> Array:
    return whole("sample_size", value, 1, "a fit needs data").astype(np.float64)


def _part(name: str, value: ArrayLike, size: Array, minimum: int = 0) -> Array:
    part = whole(name, value, minimum)
    if np.any(part > size):
        raise ValueError(f"{name} must not exceed sample_size, got {value!r}")
    return part.astype(np.float64)


def share_lost(gap: ArrayLike, steps: ArrayLike) -> Array:
    """1 - (1 - gap)^steps to full relative precision, for 0 <= gap <= 1 and steps >= 0."""
    # a gap that is 1 may round above it
    gap = np.minimum(within("gap", gap, 0, 1 + 1e-9), 1.0)
    return 0.0 - np.expm1(_log_power(whole("steps", steps).astype(np.float64), -gap))


def _log_power(steps: Array | float, change: Array) -> Array:
    """Logarithm of (1 + change)^steps, 0 for no steps; in NumPy, as to import SciPy's takes longer than to predict."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(np.equal(steps, 0), 0.0, steps * np.log1p(change))


def affine(first: ArrayLike, source: ArrayLike, gap: ArrayLike, steps: ArrayLike) -> Array:
    """x after ``steps`` rounds of x' = source + (1 - gap) x, from x = first; by the gap, so that no digit is lost."""
    start, added = finite("first", first), finite("source", source)
    lost = share_lost(gap, steps)
    gap = np.asarray(gap, dtype=np.float64)
    rounds = np.where(gap == 0, steps, lost / np.where(gap == 0, 1.0, gap))
    return start * (1 - lost) + added * rounds


def from_first_fit(first: ArrayLike, fits: ArrayLike, source: ArrayLike, gap: ArrayLike) -> Array:
    """v_n of v' = source + (1 - gap) v from v_1 = ``first``, with v_0 = 0."""
    count = whole("fits", fits).astype(np.float64)
    value = affine(first, source, gap, np.maximum(count - 1, 0))
    return np.where(count == 0, 0.0, np.minimum(value, 1.0))  # a rounding above 1 is no probability


@theorem(
    statement="v = sum over ordered pairs of items of P(same real ancestor) / N^2: the loss of a pooled data set",
    conditions="groups of exchangeable items, each item marginally of the original law",
    order="exact",
    source=_SOURCE,
)
def pooled(sizes: ArrayLike, shared: ArrayLike) -> Array:
    r"""v of a fit to a data set made of groups, from the chance that two of its items share a real ancestor.

    .. math:: N^2 v = \sum_k n_k + \sum_k n_k (n_k - 1) c_{kk} + \sum_{k \ne l} n_k n_l c_{kl}

    ``sizes`` (G,) are the n_k; ``shared`` (G, G), symmetric, holds c_kl for a random item of k and a random *other*
    item of l. Every workflow is this one line. Exact. Raises ValueError for other shapes, asymmetry or entries outside
    [0, 1].
    """
    count = whole("sizes", sizes).astype(np.float64)
    chance = within("shared", shared, 0, 1)
    if count.ndim != 1 or chance.shape != (count.size, count.size):
        raise ValueError(
            f"shared must be a square matrix over the groups of sizes, got shapes {chance.shape}, {count.shape}"
        )
    if not np.allclose(chance, chance.T, rtol=1e-12, atol=0):
        raise ValueError("shared must be symmetric: sharing an ancestor has no order")
    total = count.sum()
    if total < 1:
        raise ValueError(f"sizes must hold at least one item, got {sizes!r}")
    pairs = np.outer(count, count) - np.diag(count)
    return np.asarray((total + (pairs * chance).sum()) / total**2)


@theorem(
    statement="E p_n = p_0, E mean_n = mean_0: on average a mean stays where it was",
    conditions="any workflow that picks items without a look at their values; a family that reproduces the mean of "
    "its data",
    order="exact",
    source=_SOURCE,
)
def conserved_mean(mean: ArrayLike, fits: ArrayLike) -> Array:
    r"""E of the fitted mean, or of the fitted probabilities, after ``fits`` fits: that of the original law, ``mean``
    (d,).

    Each item of a data set is marginally of the original law, whether it is real, kept or a model draw, and the fit is
    the average of the items. Shape ``fits.shape + mean.shape``. Exact.
    """
    value, count = finite("mean", mean), whole("fits", fits)
    return np.broadcast_to(value, count.shape + value.shape)


def expected_heterozygosity(probabilities: ArrayLike, lost: ArrayLike) -> Array:
    r"""E H_n = (1 - v_n) H_0 with H = 1 - sum p_i^2 and ``lost`` = v_n of any workflow. Exact; by conservation."""
    p = law("probabilities", probabilities)
    # 1 - sum p^2 would lose the digits of a law close to a point mass
    return np.asarray((p * (1 - p)).sum() * (1 - within("lost", lost, 0, 1)))


def expected_squared_distance(probabilities: ArrayLike, lost: ArrayLike) -> Array:
    r"""E |p_n - p_0|^2 = v_n H_0, the other half of the conserved heterozygosity. Exact."""
    p = law("probabilities", probabilities)
    return np.asarray((p * (1 - p)).sum() * within("lost", lost, 0, 1))


def expected_chi_square(states: ArrayLike, lost: ArrayLike) -> Array:
    r"""E chi^2(p_n || p_0) = E sum (p_n - p_0)^2 / p_0 = (K - 1) v_n, whatever the law on its K states. Exact."""
    return np.asarray((whole("states", states, 1) - 1) * within("lost", lost, 0, 1))


def expected_covariance(covariance: ArrayLike, lost: ArrayLike) -> tuple[Array, Array]:
    r"""The original covariance (or scalar variance), split between the model and its wandering mean.

    .. math:: E \Sigma_n = (1 - v_n) \Sigma_0, \qquad E (\mu_n - \mu_0)(\mu_n - \mu_0)^T = v_n \Sigma_0

    Returns (within, of the mean). ``lost`` is a scalar where ``covariance`` is a matrix. Exact with ddof = 0.
    """
    original, gone = finite("covariance", covariance), within("lost", lost, 0, 1)
    if original.ndim == 0 and original < 0:
        raise ValueError(f"covariance must not be negative where it is one variance, got {covariance!r}")
    if gone.ndim and original.ndim:
        raise ValueError(f"lost must be one number where covariance is a matrix, got shape {gone.shape}")
    return (1 - gone) * original, gone * original


@theorem(
    statement="v_n = 1 - (1 - 1/M)^n",
    conditions="each data set is M draws from the last fit",
    order="exact",
    source="classical (Wright-Fisher); " + _SOURCE,
)
def replace(sample_size: ArrayLike, fits: ArrayLike) -> Array:
    r"""v_n when each fit sees only the last model's draws: :math:`v_n = 1 - (1 - 1/M)^n`, from v' = 1/M + (1 - 1/M) v.
    Exact.
    """
    return share_lost(1 / _sample_size(sample_size), whole("fits", fits))


@theorem(
    statement="1 - v_n = prod (1 - 1/M_i); everything is lost iff sum 1/M_i diverges",
    conditions="the i-th data set is M_i draws from the last fit",
    order="exact",
    source="classical (Wright-Fisher); " + _SOURCE,
)
def replace_sizes(sizes: ArrayLike) -> Array:
    r"""Trajectory v_0, ..., v_n for data sets of M_1, ..., M_n items: :math:`1 - v_n = \prod_{i \le n} (1 - 1/M_i)`.
    Exact.
    """
    size = schedule("sizes", sizes).astype(np.float64)
    return np.concatenate([[0.0], -np.expm1(np.cumsum(_log_power(1.0, -1 / size)))])


@theorem(
    statement="v' = 1/M + (1 - 1/M)(1 - g)^2 v",
    conditions="each of the M items is real with probability g, independently; later real items are fresh",
    order="exact",
    source="classical (parent-independent mutation); " + _SOURCE,
)
def random_mixing(sample_size: ArrayLike, fits: ArrayLike, share: ArrayLike) -> Array:
    r"""v_n when each item is a fresh real one with probability g = ``share``, else a model draw.

    .. math:: v_n = v_\infty (1 - r^n), \quad r = (1 - 1/M)(1 - g)^2,
       \quad v_\infty = 1/(1 + \theta), \quad \theta = (M-1) g (2-g)

    Exact. ``share = 0`` is replace.
    """
    size, g = _sample_size(sample_size), within("share", share, 0, 1)
    gap = g * (2 - g) + (1 - g) ** 2 / size
    return from_first_fit(1 / size, fits, 1 / size, gap)


def random_mixing_limit(sample_size: ArrayLike, share: ArrayLike) -> Array:
    r"""Stationary v of ``random_mixing``: :math:`1/(1 + (M-1) g (2-g))`.

    Exact; 1 at share 0, where everything is lost.
    """
    size, g = _sample_size(sample_size), within("share", share, 0, 1)
    return 1 / (1 + (size - 1) * g * (2 - g))


@theorem(
    statement="v' = 1/M + s(s-1)/M^2 v, s = M - r model draws",
    conditions="exactly r of the M items are real, drawn anew for every fit",
    order="exact",
    source=_SOURCE,
)
def fresh_counts(sample_size: ArrayLike, fits: ArrayLike, real: ArrayLike) -> Array:
    r"""v_n when exactly r = ``real`` of the M items are fresh real ones, the other s = M - r model draws.

    .. math:: v' = 1/M + \frac{s (s - 1)}{M^2} v, \qquad v_\infty = \frac{M}{M^2 - s (s - 1)}

    Exact; less is lost than with a random count of the same mean. Raises ValueError unless 0 <= real <= sample_size.
    """
    size = _sample_size(sample_size)
    r = _part("real", real, size)
    return from_first_fit(1 / size, fits, 1 / size, _fresh_gap(size, r))


def _fresh_gap(size: Array, r: Array) -> Array:
    """1 - s(s-1)/M^2 without the cancellation."""
    return (r * (2 * size - r) + (size - r)) / size**2


def fresh_counts_limit(sample_size: ArrayLike, real: ArrayLike) -> Array:
    r"""Stationary v of ``fresh_counts``: :math:`M/(M^2 - s(s-1))`, s = M - r. Exact; 1 without real items."""
    size = _sample_size(sample_size)
    return 1 / (size * _fresh_gap(size, _part("real", real, size)))


@theorem(
    statement="v' = 1/M + 2 r s/M^2 k + s(s-1)/M^2 v,  k_n = (1 - (s/M)^n)/r,  s = M - r",
    conditions="the same r real items are in every data set; the first has s more real items, later ones s model draws",
    order="exact",
    source=_SOURCE,
)
def fixed_set(sample_size: ArrayLike, fits: ArrayLike, kept: ArrayLike) -> Array:
    r"""v_n when the same r = ``kept`` >= 1 real items sit in every data set, beside s = M - r model draws.

    A draw from the n-th fit is a descendant of a given kept item with probability :math:`k_n = (1 - (s/M)^n)/r`, whence

    .. math:: v_n = v_\infty (1 - B^n) - \frac{2}{r + 1} \left[(s/M)^n - B^n\right],
       \qquad B = \frac{s (s - 1)}{M^2}, \qquad
       v_\infty = \frac{M + 2 s}{M^2 - s (s - 1)}

    Exact, over the choice of the kept items too. v never falls below 1/r in the end: that is the kept set's own error,
    and no number of model draws removes it. Raises ValueError unless 1 <= kept <= sample_size.
    """
    size = _sample_size(sample_size)
    r = _part("kept", kept, size, 1)
    count = whole("fits", fits).astype(np.float64)
    gap = _fresh_gap(size, r)
    # at r = M there is no model draw: the first factor is 0 and the second must only stay finite
    between = (1 - share_lost(r / size, count)) * share_lost(np.minimum((r + 1) / size, 1), count)
    return np.minimum(_fixed_limit(size, r) * share_lost(gap, count) - 2 / (r + 1) * between, 1.0)


def _fixed_limit(size: Array, r: Array) -> Array:
    return np.minimum((3 * size - 2 * r) / (size**2 * _fresh_gap(size, r)), 1.0)


def fixed_set_limit(sample_size: ArrayLike, kept: ArrayLike) -> Array:
    r"""Stationary v of ``fixed_set``: :math:`(M + 2s)/(M^2 - s(s-1))`, s = M - r, at least 1/r.

    Exact; needs kept >= 1.
    """
    size = _sample_size(sample_size)
    return _fixed_limit(size, _part("kept", kept, size, 1))


@theorem(
    statement="M^2 v' = M + b(b-1) f + a(a-1+2b) v with f = (M v - 1)/(M - 1), a = M - b - r",
    conditions="b items of the last data set kept (without replacement), r fresh real items, a model draws",
    order="exact",
    source=_SOURCE,
)
def retain(sample_size: ArrayLike, fits: ArrayLike, retained: ArrayLike, real: ArrayLike = 0) -> Array:
    r"""v_n when b = ``retained`` random items of the last data set are kept, r = ``real`` fresh, the rest model draws.

    Two distinct items of the last data set share an ancestor with probability f = (M v - 1)/(M - 1); with a = M - b -
    r,

    .. math:: M^2 v' = M + b (b - 1) f + a (a - 1 + 2 b) v

    started at v_1 = 1/M. Without fresh items :math:`1 - v' = (1 - v)\left[1 - \frac{(M-b)(M-1+b)}{M^2(M-1)}\right]`: b
    = 0 is Wright-Fisher, b = M - 1 the Moran model, whose factor is 1 - 2/M^2. The map does not take v_0 = 0 to 1/M,
    for the truth has no items to keep. Exact. Raises ValueError unless retained + real <= sample_size.
    """
    size = _sample_size(sample_size)
    b, r = _part("retained", retained, size), _part("real", real, size)
    source, gap = _retain_map(size, b, r)
    return from_first_fit(1 / size, fits, source, gap)


def _retain_map(size: Array, b: Array, r: Array) -> tuple[Array, Array]:
    """Source and gap of v' = source + (1 - gap) v."""
    a = size - b - r
    if np.any(a < 0):
        raise ValueError("retained + real must not exceed sample_size")
    others = np.maximum(size - 1, 1)  # a single item has no pair
    source = (size - b * (b - 1) / others) / size**2
    # M^2 - M b (b-1)/(M-1) - a (a-1+2b) with a + b = M - r, every term written as a nonnegative one
    gap = (r * (2 * size - r) + a + b * (size - b) / others) / size**2
    return source, np.where(size == 1, 1.0, gap)


def retain_limit(sample_size: ArrayLike, retained: ArrayLike, real: ArrayLike = 0) -> Array:
    """Stationary v of ``retain``: source over gap; 1 without fresh items, 1/M if nothing is ever replaced. Exact."""
    size = _sample_size(sample_size)
    b, r = np.broadcast_arrays(_part("retained", retained, size), _part("real", real, size))
    source, gap = _retain_map(size, b, r)
    return np.where(gap == 0, 1 / size, source / np.where(gap == 0, 1.0, gap))


@theorem(
    statement="v' = w^2/r + (1-w)^2 [v + (1-v)/s]: r fresh real items weigh w in all, s model draws 1 - w",
    conditions="weights on items in the fit; families that reproduce weighted mean and covariance (divisor: all "
    "weights)",
    order="exact",
    source="setting of arXiv 2502.18049; theory/derivations/variance-conservation.md",
)
def weighted(sample_size: ArrayLike, fits: ArrayLike, real: ArrayLike, weight: ArrayLike) -> Array:
    r"""v_n when r = ``real`` fresh real items weigh w = ``weight`` in all, and s = M - r model draws the rest.

    .. math:: v' = \frac{w^2}r + (1-w)^2\left[v + \frac{1-v}s\right], \qquad v_1 = \frac1M

    ``w = r/M`` is :func:`fresh_counts`. Exact. Raises ValueError unless 1 <= real <= M - 1.
    """
    size = _sample_size(sample_size)
    source, gap = _weighted_map(size, real, weight)
    return from_first_fit(1 / size, fits, source, gap)


def _weighted_map(size: Array, real: ArrayLike, weight: ArrayLike) -> tuple[Array, Array]:
    r, w = _part("real", real, size - 1, 1), within("weight", weight, 0, 1)
    rest = (1 - w) ** 2 / (size - r)
    return w**2 / r + rest, w * (2 - w) + rest


def weighted_limit(sample_size: ArrayLike, real: ArrayLike, weight: ArrayLike) -> Array:
    """Stationary v of ``weighted``: 1 without weight on real items. Exact."""
    source, gap = _weighted_map(_sample_size(sample_size), real, weight)
    return source / gap

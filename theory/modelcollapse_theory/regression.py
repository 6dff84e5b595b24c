"""Linear regression on its own labels: least squares adds the same exact risk at every fit, forever.

Rows ``x ~ N(0, S)`` in d dimensions, labels ``x.w + noise`` of variance sigma^2 = ``noise_variance``; every fit learns
from labels made by the fit before (the first from the truth). The excess risk is ``E (w_n - w)^T S (w_n - w)``, the
error on a fresh noiseless label. It is free of S wherever a docstring does not say isotropic.
"""

from __future__ import annotations

import numpy as np
import scipy
from numpy.typing import ArrayLike

from modelcollapse_theory._domain import Array, NotCovered, flag, positive, real, scale, whole, within
from modelcollapse_theory._register import theorem

_OWN = "derived in theory/derivations/regression.md"


def _dimension(dimension: ArrayLike) -> Array:
    return whole("dimension", dimension, 1).astype(np.float64)


def _noise(noise_variance: ArrayLike, name: str = "noise_variance") -> Array:
    return within(name, noise_variance, 0, np.inf)


def _rows(sample_size: ArrayLike, dimension: Array, name: str = "sample_size") -> Array:
    size = whole(name, sample_size, 1).astype(np.float64)
    if np.any(size < dimension + 2):
        raise NotCovered(
            f"{name} must be at least dimension + 2 for least squares to have a finite risk, "
            f"got {sample_size!r} at dimension {dimension!r}"
        )
    return size


@theorem(
    statement="Least squares on its own labels: excess risk n sigma^2 d/(T - d - 1)",
    conditions="Gaussian rows, T >= d + 2 rows a fit, the same or fresh ones, replace",
    order="exact",
    source="mean of an inverse Wishart; risk as summarised from arXiv 2402.07712; " + _OWN,
)
def replaced_risk(
    sample_size: ArrayLike, fits: ArrayLike, dimension: ArrayLike, noise_variance: ArrayLike = 1.0
) -> Array:
    """Excess risk after ``fits`` fits to ``sample_size`` rows. Exact; ValueError below d + 2, where it is infinite.

    With fresh rows the steps ``w_n - w_{n-1}`` are independent, each ``sigma S^{-1/2} z / sqrt(chi2_{T-d+1})``: a
    multivariate t.
    """
    dimension = _dimension(dimension)
    size = _rows(sample_size, dimension)
    return whole("fits", fits) * _noise(noise_variance) * dimension / (size - dimension - 1)


@theorem(
    statement="The risk of one least-squares fit is sigma^2 d/(T-d+1) times F(d, T-d+1)",
    conditions="Gaussian rows, T >= d; of each step w_n - w_{n-1} with fresh rows",
    order="exact",
    source="multivariate t; " + _OWN,
)
def step_risk_cdf(
    risk: ArrayLike, sample_size: ArrayLike, dimension: ArrayLike, noise_variance: ArrayLike = 1.0
) -> Array:
    """``P((w_n - w_{n-1})^T S (w_n - w_{n-1}) <= risk)`` of one fit to ``sample_size`` >= d rows. Exact."""
    d, size = _dimension(dimension), whole("sample_size", sample_size, 1).astype(np.float64)
    if np.any(size < d):
        raise NotCovered(f"sample_size must be at least dimension, got {sample_size!r} at dimension {dimension!r}")
    left = size - d + 1
    return scipy.special.fdtr(
        d, left, within("risk", risk, 0, np.inf) / positive("noise_variance", noise_variance) * left / d
    )


@theorem(
    statement="Least squares on all labels so far, same rows: excess risk sigma^2 d/(T - d - 1) sum_{i<=n} 1/i^2",
    conditions="Gaussian rows reused by every batch, T >= d + 2, accumulate",
    order="exact",
    source="bound pi^2/6 as summarised from arXiv 2404.01413; " + _OWN,
)
def accumulated_risk_same_rows(
    sample_size: ArrayLike, fits: ArrayLike, dimension: ArrayLike, noise_variance: ArrayLike = 1.0
) -> Array:
    """Excess risk when ``fits`` batches of labels for the same rows accumulate; under pi^2/6 of the first. Exact."""
    fits = whole("fits", fits)
    total = np.pi**2 / 6 - scipy.special.zeta(2, fits + 1.0)
    return replaced_risk(sample_size, 1, dimension, noise_variance) * total


@theorem(
    statement="Least squares on all labels so far, fresh rows: excess risk sigma^2 d sum_{i<=n} 1/(i (iT - d - 1))",
    conditions="Gaussian rows, fresh in every batch, T >= d + 2, accumulate",
    order="exact",
    source=_OWN,
)
def accumulated_risk_fresh_rows(
    sample_size: ArrayLike, fits: ArrayLike, dimension: ArrayLike, noise_variance: ArrayLike = 1.0
) -> Array:
    r"""Excess risk when ``fits`` batches of fresh rows accumulate.

    .. math:: \sigma^2 d\sum_{i\le n}\frac1{i(iT-d-1)}
              = \frac{\sigma^2 d}{d+1}\,[\psi(n+1-c)-\psi(1-c)-\psi(n+1)+\psi(1)], \qquad c = \frac{d+1}T

    Exact; smaller than with the same rows, because the pool of rows grows too.
    """
    dimension = _dimension(dimension)
    size = _rows(sample_size, dimension)
    c = (dimension + 1) / size
    whole_sum = _digamma_gap(1.0, c) - _digamma_gap(whole("fits", fits) + 1.0, c)
    return _noise(noise_variance) * dimension / size * whole_sum


def accumulated_risk_fresh_rows_limit(
    sample_size: ArrayLike, dimension: ArrayLike, noise_variance: ArrayLike = 1.0
) -> Array:
    """The limit of :func:`accumulated_risk_fresh_rows` for endless accumulation. Exact."""
    dimension = _dimension(dimension)
    size = _rows(sample_size, dimension)
    return _noise(noise_variance) * dimension / size * _digamma_gap(1.0, (dimension + 1) / size)


def _digamma_gap(x: ArrayLike, c: Array) -> Array:
    """(psi(x) - psi(x - c)) / c for 0 < c < 1 <= x, stable as c -> 0 and as x grows."""
    x, c = np.broadcast_arrays(np.asarray(x, dtype=np.float64), c)
    total = np.zeros(x.shape)
    for k in range(40):  # raise x until Taylor's series in c is short
        total = total + 1 / ((x + k) * (x + k - c))
    y = x + 40
    for k in range(1, 9):
        total = total + (-c) ** (k - 1) * scipy.special.polygamma(k, y) / scipy.special.factorial(k)
    return total[()]


@theorem(
    statement="Minimum-norm least squares, r = T/d, c = sigma^2 T/(d - T - 1): risk [|w|^2 + c/(1 - r)](1 - r^n) "
    "with fresh rows, |w|^2 (1 - r) + n c with the same rows",
    conditions="isotropic Gaussian rows, T <= d - 2 rows a fit, replace",
    order="exact",
    source=_OWN,
)
def minimum_norm_risk(
    sample_size: ArrayLike,
    fits: ArrayLike,
    dimension: ArrayLike,
    noise_variance: ArrayLike = 1.0,
    *,
    squared_norm: ArrayLike = 1.0,
    same_rows: bool = False,
) -> Array:
    """Excess risk of the shortest interpolating weights with fewer rows than features, isotropic rows.

    ``squared_norm`` is ``|w|^2``. With fresh rows the truth is forgotten at the rate T/d a fit, down to risk
    ``|w|^2 + c/(1 - r)``; with the same rows only once. Exact for fits >= 1; ValueError unless 1 <= T <= d - 2.
    """
    dimension, size = _dimension(dimension), whole("sample_size", sample_size, 1).astype(np.float64)
    if np.any(size > dimension - 2):
        raise NotCovered(f"sample_size must be at most dimension - 2, got {sample_size!r} at dimension {dimension!r}")
    fits, norm = whole("fits", fits, 1).astype(np.float64), within("squared_norm", squared_norm, 0, np.inf)
    same_rows = flag("same_rows", same_rows)
    share, step = size / dimension, _noise(noise_variance) * size / (dimension - size - 1)
    if same_rows:
        return norm * (1 - share) + fits * step
    return (norm + step / (1 - share)) * -np.expm1(fits * np.log(share))


@theorem(
    statement="Least squares on a given design X: excess risk sigma^2 tr(S (X'X)^-1) times n, or sum_{i<=n} 1/i^2 "
    "if all "
    "labels are kept",
    conditions="the same rows X of full rank at every fit; S = E x x' of the rows it is judged on",
    order="exact",
    source=_OWN,
)
def fixed_design_risk(
    design: ArrayLike,
    fits: ArrayLike,
    noise_variance: ArrayLike = 1.0,
    *,
    second_moment: ArrayLike | None = None,
    accumulate: bool = False,
) -> Array:
    """Excess risk after ``fits`` fits to labels of the rows of ``design`` (T, d).

    ``second_moment`` S (d, d) defaults to that of the design itself, X'X/T: then one fit costs ``sigma^2 d/T``, not the
    ``sigma^2 d/(T-d-1)`` of new normal rows. Exact, conditionally on X. ValueError unless X has full column rank.
    """
    rows, accumulate = real("design", design), flag("accumulate", accumulate)
    if rows.ndim != 2 or not rows.size:
        raise ValueError(f"design must be (T, d) of full column rank, got shape {rows.shape}")
    if np.linalg.matrix_rank(rows) < rows.shape[1]:
        raise NotCovered(f"design must be (T, d) of full column rank, got shape {rows.shape}")
    moment = rows.T @ rows / len(rows) if second_moment is None else real("second_moment", second_moment)
    if moment.shape != (rows.shape[1],) * 2:
        raise ValueError(f"second_moment must be a square matrix over the {rows.shape[1]} columns, got {moment.shape}")
    fits = whole("fits", fits)
    times = np.pi**2 / 6 - scipy.special.zeta(2, fits + 1.0) if accumulate else fits
    corner = np.linalg.qr(rows)[1]
    half = np.linalg.solve(corner.T, moment)
    return _noise(noise_variance) * np.trace(np.linalg.solve(corner.T, half.T)) * times


@theorem(
    statement="Least squares on n1 fresh real and n2 synthetic rows: excess risk c (1 - a^n)/(1 - a), "
    "c = sigma^2 d/(T-d-1), a = B/d from matrix-beta moments",
    conditions="isotropic Gaussian rows, fresh in every fit, T = n1 + n2 >= d + 2",
    order="exact",
    source=_OWN,
)
def fresh_real_risk(
    real_size: ArrayLike,
    synthetic_size: ArrayLike,
    fits: ArrayLike,
    dimension: ArrayLike,
    noise_variance: ArrayLike = 1.0,
) -> Array:
    """Excess risk after ``fits`` fits, of which all but the first share their rows between truth and last fit.

    The synthetic labels are shifted by the last fit's error, so each fit keeps the share ``a`` of its square (see
    :func:`shifted_label_risk`): between ``(n2/T)^2`` for small d and 1. Exact. Without real rows it is
    :func:`replaced_risk`.
    """
    step = shifted_label_risk(real_size, synthetic_size, dimension, noise_variance, squared_shift=0.0)
    kept = shifted_label_risk(real_size, synthetic_size, dimension, 0.0, squared_shift=1.0)
    fits, forgets = whole("fits", fits), kept < 1
    lost = -np.expm1(fits * np.log(np.clip(kept, np.finfo(np.float64).tiny, 1)))
    return step * np.where(forgets, lost / np.where(forgets, 1 - kept, 1), fits)


def companion(penalty: ArrayLike, ratio: ArrayLike) -> tuple[Array, Array]:
    r"""``m = int (s + l)^{-1}`` and ``m' = int (s + l)^{-2}`` over the Marchenko-Pastur law with ratio f = d/T.

    .. math:: m(l) = \frac{-(1-f+l)+\sqrt{(1-f+l)^2+4fl}}{2fl}

    Exact for l = ``penalty`` > 0; f > 1 includes the atom at 0.
    """
    penalty, ratio = scale("penalty", penalty), scale("ratio", ratio)
    b = 1 - ratio + penalty
    root = np.sqrt(b**2 + 4 * ratio * penalty)
    # the two forms of a quadratic's root; each cancels where the other does not
    m = np.where(b > 0, 2 / (np.abs(b) + root), (np.abs(b) + root) / (2 * ratio * penalty))
    return m[()], (m * (1 + ratio * m) / root)[()]


@theorem(
    statement="Ridge on labels from n least-squares fits: excess risk l^2 m'|w|^2 + s^2 f (m - l m') + "
    "n s0^2 d/(T0-d-1) (1 - 2lm + l^2 m')",
    conditions="isotropic rows, d and T large with d/T = f, penalty l > 0, the n fits with T0 rows each and noise s0^2",
    order="o(1) as d grows (deterministic equivalent)",
    source="setting of arXiv 2402.07712; " + _OWN,
)
def ridge_risk(
    penalty: ArrayLike,
    sample_size: ArrayLike,
    dimension: ArrayLike,
    noise_variance: ArrayLike = 1.0,
    *,
    earlier_fits: ArrayLike = 0,
    earlier_sample_size: ArrayLike | None = None,
    earlier_noise_variance: ArrayLike = 1.0,
    squared_norm: ArrayLike = 1.0,
) -> Array:
    """Excess risk of one ridge fit to labels that passed through ``earlier_fits`` least-squares fits; isotropic rows.

    The penalty is that of ``mean squared error + penalty |w|^2``. Deterministic equivalent as d and T grow together.
    """
    dimension, size = _dimension(dimension), whole("sample_size", sample_size, 1).astype(np.float64)
    penalty, norm = scale("penalty", penalty), within("squared_norm", squared_norm, 0, np.inf)
    m, slope = companion(penalty, dimension / size)
    inherited = 0.0 * dimension
    earlier, earlier_noise = (
        whole("earlier_fits", earlier_fits),
        _noise(earlier_noise_variance, "earlier_noise_variance"),
    )
    if earlier_sample_size is not None:
        rows = _rows(earlier_sample_size, dimension, "earlier_sample_size")
        inherited = earlier * earlier_noise * dimension / (rows - dimension - 1)
    elif np.any(earlier > 0):
        raise ValueError("earlier_sample_size must be given when earlier_fits is above 0")
    fitted = _noise(noise_variance) * dimension / size * (m - penalty * slope)
    return penalty**2 * slope * norm + fitted + inherited * (1 - 2 * penalty * m + penalty**2 * slope)


@theorem(
    statement="Ridge on its own labels: risk |w|^2 (1 - 2 a^n + b^n) + v (1 - b^n)/(1 - b), a = 1 - lm, b = 1 - "
    "2lm + l^2 m', "
    "v = s^2 f (m - l m')",
    conditions="isotropic rows, fresh in every fit, d and T large with d/T = f, penalty l > 0, replace",
    order="o(1) as d grows (deterministic equivalent)",
    source=_OWN,
)
def replaced_ridge_risk(
    penalty: ArrayLike,
    sample_size: ArrayLike,
    fits: ArrayLike,
    dimension: ArrayLike,
    noise_variance: ArrayLike = 1.0,
    *,
    squared_norm: ArrayLike = 1.0,
) -> Array:
    """Excess risk of ridge refitted to its own labels ``fits`` times; isotropic rows, fresh in each fit.

    The penalty forgets the truth, ``E w_n = a^n w``, and bounds the noise: the risk tends to ``|w|^2 + v/(1 - b)``
    where that of least squares grows for ever. Deterministic equivalent as d and T grow together.
    """
    dimension, size = _dimension(dimension), whole("sample_size", sample_size, 1).astype(np.float64)
    penalty, norm = scale("penalty", penalty), within("squared_norm", squared_norm, 0, np.inf)
    m, slope = companion(penalty, dimension / size)
    mean, square = 1 - penalty * m, 1 - 2 * penalty * m + penalty**2 * slope
    step = _noise(noise_variance) * dimension / size * (m - penalty * slope)
    fits = whole("fits", fits)
    return norm * (1 - 2 * mean**fits + square**fits) + step * (1 - square**fits) / (1 - square)


@theorem(
    statement="n1 real and n2 shifted labels: risk sigma^2 d/(n-d-1) + |shift|^2 B/d, B from matrix-beta moments",
    conditions="isotropic Gaussian rows, least squares on the pool of n = n1 + n2 >= d + 2 rows",
    order="exact",
    source="cf. arXiv 2410.04840; " + _OWN,
)
def shifted_label_risk(
    real_size: ArrayLike,
    synthetic_size: ArrayLike,
    dimension: ArrayLike,
    noise_variance: ArrayLike = 1.0,
    *,
    squared_shift: ArrayLike = 1.0,
) -> Array:
    r"""Excess risk when ``synthetic_size`` of the pooled labels come from weights off by a vector of ``squared_shift``.

    .. math:: B = (x+y)\,E\operatorname{tr}U^2 + y\,E(\operatorname{tr}U)^2, \qquad U \sim \mathrm{Beta}_d(n_2/2, n_1/2)

    with ``x = n/(n-d-1)`` and ``y = -1/(n-d-1)``. Exact. The bias does not vanish with more data: with shares p1 and p2
    it tends to ``p2^2 |shift|^2`` for fixed d, and to ``[p2^2 + p1 p2 f/(1-f)] |shift|^2`` for d/n -> f.
    """
    d = _dimension(dimension)
    first = whole("real_size", real_size).astype(np.float64)
    second = whole("synthetic_size", synthetic_size).astype(np.float64)
    n = first + second
    if np.any(n < d + 2):
        raise NotCovered(f"real_size + synthetic_size must be at least dimension + 2, got {n!r} at dimension {d!r}")
    a, c = second / 2, n / 2
    symmetric = d * (d + 2) / 3 * a * (a + 1) / (c * (c + 1))
    alternating = 2 * d * (d - 1) / 3 * a * (a - 0.5) / (c * (c - 0.5))
    square_trace, trace_square = symmetric + alternating, symmetric - alternating / 2
    bias = ((n - 1) * trace_square - square_trace) / (n - d - 1)
    return _noise(noise_variance) * d / (n - d - 1) + within("squared_shift", squared_shift, 0, np.inf) * bias / d


@theorem(
    statement="Fresh real mean at weight w, synthetic mean at 1 - w: stationary error "
    "(sigma^2/n)(w^2 + k(1-w)^2)/(1-(1-w)^2)",
    conditions="a mean refitted to n real and n/k synthetic draws, the synthetic from the last fit, 0 < w <= 1",
    order="exact",
    source="setting of arXiv 2502.18049, as summarised; " + _OWN,
)
def weighted_mean_error(
    weight: ArrayLike, ratio: ArrayLike, sample_size: ArrayLike, variance: ArrayLike = 1.0
) -> Array:
    """Stationary squared error of ``w real mean + (1 - w) synthetic mean``; k = ``ratio`` of real to synthetic draws.

    ``sample_size`` counts the real draws, fresh at each fit. Exact. Pooling naively is ``weight = k/(1 + k)``, with the
    error ``(1 + k)/(2 + k)`` times that of the real mean alone.
    """
    weight, ratio = within("weight", weight, 0, 1, open_low=True), positive("ratio", ratio)
    size = whole("sample_size", sample_size, 1)
    real_alone = positive("variance", variance) / size
    return real_alone * (weight**2 + ratio * (1 - weight) ** 2) / (weight * (2 - weight))


@theorem(
    statement="A weighted mean forgets its start by (1 - w)^2 a fit on the way to its stationary error",
    conditions="as for weighted_mean_error, the first fit to n + n/k real draws",
    order="exact",
    source=_OWN,
)
def weighted_mean_path(
    weight: ArrayLike, ratio: ArrayLike, sample_size: ArrayLike, fits: ArrayLike, variance: ArrayLike = 1.0
) -> Array:
    """Squared error on the way to :func:`weighted_mean_error`, after ``fits`` >= 1 fits, the first to n + n/k real
    draws.

    The distance from the limit falls by ``(1 - w)^2`` a fit. Exact.
    """
    limit = weighted_mean_error(weight, ratio, sample_size, variance)
    first = positive("variance", variance) / (whole("sample_size", sample_size, 1) * (1 + 1 / positive("ratio", ratio)))
    return limit + (1 - within("weight", weight, 0, 1)) ** (2.0 * (whole("fits", fits, 1) - 1.0)) * (first - limit)


@theorem(
    statement="The best weight on real data is (sqrt(k^2 + 4k) - k)/2 (golden ratio at k = 1), and the error there is "
    "that weight times sigma^2/n",
    conditions="as for weighted_mean_error, k the ratio of real to synthetic draws",
    order="exact",
    source="weight as summarised from arXiv 2502.18049; error " + _OWN,
)
def best_weight(ratio: ArrayLike) -> Array:
    """The minimiser of :func:`weighted_mean_error`, where it is ``best_weight(k) * variance / sample_size``. Exact."""
    ratio = positive("ratio", ratio)
    return 2 / (1 + np.sqrt(1 + 4 / ratio))

"""Rounding feeds the variance it is blamed for ending: rows that are h apart add h^2/12 at every fit, as a ridge would.

A program draws rows in a floating type whose numbers are h apart around the mean, and fits the rounded rows. While the
deviation is not far below h the rounding is as good as independent noise of variance h^2/12, so
``v' = (v + h^2/12) chi2_{M-1}/(M - d)``: a Gaussian chain with a ridge. It stops near ``M h^2/12`` and does not go on
to 0. Samples of a few rows are absorbed all the same.
"""

from __future__ import annotations

import numpy as np
import scipy
from numpy.typing import ArrayLike

from modelcollapse_theory import gaussian, hitting
from modelcollapse_theory._domain import (
    LONGEST,
    SQUARABLE,
    Array,
    choice,
    one_real,
    one_whole,
    positive,
    real,
    scale,
    whole,
    within,
)
from modelcollapse_theory._register import theorem

_OWN = "derived in theory/derivations/precision.md"

#: Stored bits of the significand of the usual floating types.
BITS = {"bfloat16": 7, "float16": 10, "float32": 23, "float64": 52}


def spacing(value: ArrayLike, dtype: str) -> Array:
    """Distance h from a normal number of about ``value`` to the next one away from 0:
    ``2^(floor(log2 |value|) - bits)``.

    ``dtype`` is one of ``BITS``. Raises ValueError for 0 and what is not finite.
    """
    bits = BITS[str(choice("dtype", dtype, tuple(BITS)))]
    size = positive("|value|", np.abs(real("value", value)))
    return np.ldexp(1.0, np.frexp(size)[1] - 1 - bits)


@theorem(
    statement="A normal row rounded to multiples of h has variance s^2 + h^2/12, off by at most "
    "(4 s^2 + h^2) exp(-2 pi^2 s^2/h^2) for s >= h/2",
    conditions="round to nearest, any mean",
    order="exact (a sum over cells)",
    source="Sheppard 1898; remainder " + _OWN,
)
def rounded_moments(mean: ArrayLike, deviation: ArrayLike, spacing: ArrayLike) -> tuple[Array, Array]:
    """Mean and variance of ``h round(X/h)`` for ``X ~ N(mean, deviation^2)``, h = ``spacing``. Exact up to rounding.

    ``deviation`` may be 0. Cells out to 12 deviations are summed; beyond 10^5 deviations to a cell ValueError is
    raised.
    """
    mean, h = real("mean", mean), scale("spacing", spacing)
    relative = within("deviation / spacing", within("deviation", deviation, 0, np.inf) / h, 0, 1e5)
    centre = np.rint(mean / h)
    mean, relative, offset = np.broadcast_arrays(mean / h - centre, relative, centre)
    reach = int(np.ceil(12 * np.max(relative, initial=0))) + 2
    cells = np.arange(-reach, reach + 1)
    with np.errstate(divide="ignore", invalid="ignore"):
        edges = (cells[:-1] + 0.5 - mean[..., None]) / relative[..., None]
    edges = np.where(relative[..., None] > 0, edges, np.where(cells[:-1] + 0.5 > mean[..., None], np.inf, -np.inf))
    below = np.concatenate([np.zeros((*mean.shape, 1)), scipy.special.ndtr(edges), np.ones((*mean.shape, 1))], -1)
    chance = np.diff(below, axis=-1)
    first = chance @ cells
    second = (chance * (cells - first[..., None]) ** 2).sum(-1)
    return h * (first + offset), h**2 * second


@theorem(
    statement="A Gaussian chain with a ridge e: E variance_n = v_0 + n e (ddof=1), a^n v_0 + e a (1 - a^n)/(1 - a), "
    "a = 1 - 1/M (ddof=0); rows h apart are the ridge h^2/12",
    conditions="v' = (v + e) chi2_{M-1}/(M - d), M >= 2; for rounded rows as long as the deviation is not below h/2",
    order="exact",
    source=_OWN,
)
def fed_variance(
    variance: ArrayLike, ridge: ArrayLike, sample_size: ArrayLike, fits: ArrayLike, *, ddof: int = 1
) -> Array:
    """``E v_n`` after n ``fits`` from a truth of this ``variance``, when each data set has ``ridge`` more than its law.
    Exact.

    With the unbiased estimator it grows without bound, on ever rarer chains, while the law of single chains settles.
    """
    start, ridge = within("variance", variance, 0, np.inf), within("ridge", ridge, 0, np.inf)
    kept = gaussian.expected_variance(sample_size, 1, ddof=ddof)
    n = whole("fits", fits)
    with np.errstate(divide="ignore", invalid="ignore"):
        added = np.where(kept < 1, kept * -np.expm1(n * np.log(kept)) / (1 - kept), n)
    return kept**n * start + ridge * added


@theorem(
    statement="A Gaussian chain with a ridge e: F_n(x) = E F_{n-1}(x/G - e), and it settles: E log(1 + e/v) = "
    "log((M - d)/2) - psi((M - 1)/2), v near InvGamma(2 - d, M e) for large M",
    conditions="G = chi2_{M-1}/(M - d), e > 0; rows h apart, deviation above h/2: e = h^2/12",
    order="exact (quadrature, absolute error below 1e-5)",
    source=_OWN,
)
def fed_variance_cdf(
    level: ArrayLike, variance: float, ridge: float, sample_size: int, fits: int, *, ddof: int = 1
) -> Array:
    r"""``P(v_n < level)`` after n ``fits`` from a truth of this ``variance``, where every data set has ``ridge`` more
    than its law.

    .. math:: F_n(x) = E\,F_{n-1}(x/G - \epsilon), \qquad G \sim \chi^2_{M-1}/(M-d)

    By Gauss-Legendre quadrature in log G and cubic interpolation in log x, on a grid up to where fewer than one chain
    in 10^6 ever is. Raises ValueError for M below 8 or above 2000, where the grid is not fine enough. Absolute error
    below 1e-5.
    """
    x = positive("level", level)
    start, ridge = one_real("variance", variance, 0, open_low=True), one_real("ridge", ridge, 0, open_low=True)
    size = one_whole("sample_size", sample_size, 8, "the grid is fine enough from 8 to 2000", 2000)
    n, ddof = one_whole("fits", fits, 1, most=LONGEST), choice("ddof", ddof, (0, 1))
    law, divisor = scipy.stats.chi2(size - 1), size - ddof
    low, high = np.log(law.ppf(1e-14) / divisor), np.log(law.isf(1e-14) / divisor)
    nodes, weights = np.polynomial.legendre.leggauss(128)
    nodes = 0.5 * (high - low) * nodes + 0.5 * (high + low)
    weights = 0.5 * (high - low) * weights * law.pdf(divisor * np.exp(nodes)) * divisor * np.exp(nodes)
    grid = np.linspace(np.log(ridge) + low, np.log(max(start, ridge * size)) + 15, 2500)
    before = np.exp(grid[:, None] - nodes) - ridge
    there = before > 0
    place = (np.log(np.where(there, before, 1.0)) - grid[0]) / (grid[1] - grid[0])
    place = np.clip(place, 0, grid.size - 1)
    first = np.clip(np.floor(place).astype(int) - 1, 0, grid.size - 4)
    t = place - first
    # the four points of a cubic: where between 0, 1, 2 and 3 a value is asked for
    lagrange = [
        -(t - 1) * (t - 2) * (t - 3) / 6, t * (t - 2) * (t - 3) / 2,
        -t * (t - 1) * (t - 3) / 2, t * (t - 1) * (t - 2) / 6,
    ]  # fmt: skip
    rows = np.broadcast_to(np.arange(grid.size)[:, None], place.shape).ravel()
    step = sum(
        scipy.sparse.csr_array(
            (np.where(there, c * weights, 0.0).ravel(), (rows, (first + k).ravel())), (grid.size,) * 2
        )
        for k, c in enumerate(lagrange)
    )
    chance = law.cdf(divisor * np.exp(grid) / (start + ridge))
    for _ in range(n - 1):
        chance = step @ chance
    found = scipy.interpolate.CubicSpline(grid, chance)(np.clip(np.log(x), grid[0], grid[-1]))
    return np.where(np.log(x) < grid[0], 0.0, np.clip(found, 0, 1))[()]


@theorem(
    statement="The deviation falls below half the spacing h of floating numbers after (2 log(2 s_0/h) + 0.5826 "
    "s)/m fits on "
    "average, 2 M log(2 s_0/h) for large M",
    conditions="data sets drawn without rounding (moments); m, s drift and deviation of a step of the log variance",
    order="O(1) fits",
    source="hitting.expected_hitting_time at the threshold (h/(2 s_0))^2",
)
def resolution_time(deviation: ArrayLike, spacing: ArrayLike, sample_size: ArrayLike, *, ddof: int = 1) -> Array:
    """Mean number of fits until the deviation is below ``spacing / 2``: from there on the mean stands still.

    A truth of ``deviation`` near a mean where numbers are ``spacing`` apart. For ``deviation`` = mean = 1: 73 M fits in
    float64, 33 M in float32, 15 M in float16, 11 M in bfloat16, about half with ddof=0. It is not the time at which all
    rows are equal: if rows are rounded, the variance does not get there, :func:`fed_variance_cdf`.
    """
    half, sd = positive("spacing", spacing) / 2, within("deviation", deviation, 0, SQUARABLE, open_low=True)
    relative = within("spacing / (2 deviation)", half / sd, 1 / SQUARABLE, 1, open_high=True)
    return hitting.expected_hitting_time(relative**2, sample_size, ddof=ddof)


@theorem(
    statement="Two rounded rows a fit: their distance in units of h is a Markov chain on 0, 1, 2, ... that 0 absorbs",
    conditions="replace, M = 2, ddof=1, mean rounded too, one spacing h throughout",
    order="exact (distances cut at 1000 h)",
    source=_OWN,
)
def pair_absorbed(deviation: float, spacing: float, fits: ArrayLike) -> Array:
    r"""P(both rows are equal within the first n ``fits``), from a truth of ``deviation`` about a mean that is a number
    of the type.

    The rounded mean is on the grid again, so only the distance D counts: the next rows are ``round(D z_1/sqrt 2)`` and
    ``round(D z_2/sqrt 2)`` spacings away. The error of the cut is below the chance to get there,
    ``2 (s^2/h^2 + n/12)/1000^2`` (Markov).
    """
    sd, h = one_real("deviation", deviation, 0, open_low=True), one_real("spacing", spacing, 0, open_low=True)
    start = one_real("deviation / spacing", sd / h, 0, 100)
    n = whole("fits", fits, 1, most=LONGEST)
    most = 1000

    def distances(sd: float) -> Array:
        reach = int(np.ceil(9 * sd)) + 1
        cells = np.arange(-reach, reach + 1)
        chance = np.diff(scipy.special.ndtr((np.append(cells, reach + 1) - 0.5) / sd))
        pair = scipy.signal.fftconvolve(chance, chance[::-1])[2 * reach :]  # lags 0, 1, ...
        pair[1:] *= 2
        out = np.zeros(most + 1)
        out[: min(pair.size, most)] = pair[:most]
        out[most] = max(0.0, 1 - out.sum())
        return out

    move = np.stack([np.eye(most + 1)[0], *(distances(d / np.sqrt(2)) for d in range(1, most + 1))])
    law, found = distances(start), []
    for _ in range(int(n.max(initial=0))):
        found.append(law[0])
        law = law @ move
    return np.asarray(found)[n - 1]

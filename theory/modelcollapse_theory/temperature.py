r"""Temperature against real data: the share that keeps a law flat, the one that cures it, and what a vocabulary needs.

A model sampled at temperature tau gives p^(1/tau)/Z; with real share g the law of the next data set is
:math:`p' = (1-g) p^{1/\tau}/Z + g p_0`. Infinite data throughout, but for the normal law. Derived in
theory/derivations/curation.md.
"""

from __future__ import annotations

import numpy as np
import scipy
from numpy.typing import ArrayLike

from modelcollapse_theory import gaussian
from modelcollapse_theory._domain import (
    LONGEST,
    Array,
    NotCovered,
    choice,
    law,
    one_real,
    one_whole,
    positive,
    whole,
    within,
)
from modelcollapse_theory._register import theorem
from modelcollapse_theory.plan import Answer

_SOURCE = "derived in theory/derivations/curation.md"
_STEPS = 100_000  # of an iteration to its limit
_COLDEST = 1e-3  # of temperatures that are raised to a power
_SETTLED = 1e-14
_LONG = 10_000  # fits that the planner calls the long run
_LEAD = 1e-6  # of the likeliest word, at the start of the planner
_ASIDE = 1e-6  # the neighbour of an answer, relative


def _temperature(value: ArrayLike, most: float = 1e3) -> float:
    tau = one_real("temperature", value, 0, open_low=True)
    if not _COLDEST <= tau <= most:
        raise NotCovered(f"temperature must lie in [{_COLDEST:g}, {most:g}], got {value!r}")
    return tau


@theorem(
    statement="deviations from uniform are multiplied by (1-g)/tau a fit: uniform is stable iff g > 1 - tau",
    conditions="truth uniform on two or more states, real share g, every model sampled at tau, infinite data",
    order="exact (the linearised map)",
    source=_SOURCE,
)
def uniform_multiplier(temperature: ArrayLike, share: ArrayLike) -> Array:
    """(1-g)/tau, the factor of every small deviation from a uniform law. Above 1 the law leaves it.

    The number of states does not matter here; ``cured_share`` says from where it comes back.
    """
    return (1 - within("share", share, 0, 1)) / positive("temperature", temperature)


@theorem(
    statement="uniform stays stable iff t > 1 - (1-f) (g/(1-g)) tau/(1-tau), refilled or not",
    conditions="truth uniform, real share g of the pool, a detector of true positive rate t and false positive rate f",
    order="exact (the linearised map)",
    source=_SOURCE,
)
def detector_for_uniform(temperature: float, share: float, false_positive: float = 0.0) -> float:
    """The least true-positive rate at which a detector keeps a uniform law stable at temperature tau < 1.

    0 where none is needed. It is ``share`` > 1 - tau for the share that the detector leaves. Exact.
    """
    tau = one_real("temperature", temperature, 0, 1, open_low=True, open_high=True)
    g = one_real("share", share, 0, 1, open_high=True)
    missed = one_real("false_positive", false_positive, 0, 1)
    return max(0.0, 1 - (1 - missed) * g / (1 - g) * tau / (1 - tau))


@theorem(
    statement="a collapsed law exists iff g <= max_x (phi(x)-x)/(phi(x)-1/K), phi = x^b/(x^b + (K-1)^(1-b) (1-x)^b), "
    "b = 1/tau (K = 2: iff g < 1 - tau; tau >= 1: at no g)",
    conditions="truth uniform on K states; a law with one state at x and the others equal; infinite data",
    order="exact",
    source=_SOURCE,
)
def cured_share(states: int, temperature: float) -> float:
    r"""The real share above which no law with one dominant state persists, at temperature tau; at least 1 - tau.

    With theta = the log ratio of the dominant state to the others the share at which it stands still is
    :math:`K (1 - e^{-(b-1)\theta})/((e^\theta + K - 1)(1 - e^{-b\theta}))`, here at its maximum. For K = 2 that is 1 -
    tau, at theta = 0; for K > 2 it is more: between the two a law is kept by real data that would not bring it back.
    That is a feature of flat truths (``tempered_limit`` has any). Exact to about 1e-12.
    """
    count, tau = one_whole("states", states, 2, most=2**53), _temperature(temperature)
    if tau >= 1:
        return 0.0
    b = 1 / tau

    def log_share(theta: Array) -> Array:
        sharper = np.log(-np.expm1(-(b - 1) * theta)) - np.log(-np.expm1(-b * theta))
        return np.log(count) + sharper - np.logaddexp(theta, np.log(count - 1))

    at = np.geomspace(1e-6, np.log(count) + 60, 4_001)
    best = int(np.argmax(log_share(at)))
    around = (at[max(best - 1, 0)], at[min(best + 1, at.size - 1)])
    found = scipy.optimize.minimize_scalar(
        lambda x: -float(log_share(np.asarray(x))), bounds=around, method="bounded", options={"xatol": 1e-10}
    )
    return float(max(np.exp(-found.fun), 1 - tau))


def _start(p0: Array, start: ArrayLike | None) -> Array:
    if start is None:
        return p0
    p = law("start", start)
    if p.shape != p0.shape:
        raise ValueError(f"start must have the shape {p0.shape} of probabilities, got {p.shape}")
    return p


def _sharpened(p: Array, power: float, number: Array | float = 1.0) -> Array:
    """p^power/Z, each state for a ``number`` of equal ones."""
    with np.errstate(under="ignore"):
        q = np.where(p > 0, (p / p.max()) ** power, 0.0)
    return q / (q * number).sum()


@theorem(
    statement="p' = (1-g) p^(1/tau)/Z + g p_0",
    conditions="real share g (exact or random), every model sampled at temperature tau; infinite data",
    order="exact",
    source=_SOURCE,
)
def tempered_share(
    probabilities: ArrayLike, temperature: float, share: float, fits: int, start: ArrayLike | None = None
) -> Array:
    """The fitted law ``(K,)`` after n = ``fits`` fits, the first to the truth or, if given, to the law ``start``.

    Exact, step by step; share 0 is ``selection.tempered``. Raises NotCovered beyond 100,000 fits.
    """
    p0, tau, g = law("probabilities", probabilities), _temperature(temperature), one_real("share", share, 0, 1)
    p = _start(p0, start)
    for _ in range(one_whole("fits", fits, 1, most=_STEPS) - 1):
        p = (1 - g) * _sharpened(p, 1 / tau) + g * p0
    return p


@theorem(
    statement="limit: p_x - c p_x^b = g p_0x, b = 1/tau, one scalar c = (1-g)/sum_x p_x^b",
    conditions="real share g, every model sampled at temperature tau; infinite data; limit of the given start",
    order="exact",
    source=_SOURCE,
)
def tempered_limit(probabilities: ArrayLike, temperature: float, share: float, start: ArrayLike | None = None) -> Array:
    """Where ``tempered_share`` goes from the truth, or from the law ``start``: a fixed point, ``(K,)``.

    At tau < 1 at most one state of a stable one lies above the turning point of p - c p^b: the dominant one. From a
    start on a rare state the wrong word may stay dominant. Found by iteration, to about 1e-12. Raises NotCovered where
    100,000 fits are not enough, which is close to where a fixed point vanishes.
    """
    p0, tau, g = law("probabilities", probabilities), _temperature(temperature), one_real("share", share, 0, 1)
    distinct, where, number = np.unique(np.stack([p0, _start(p0, start)]), axis=1, return_inverse=True,
                                        return_counts=True)  # fmt: skip
    truth, p = distinct
    found, settled = _settled(truth, p, number.astype(np.float64), 1 / tau, g, _STEPS)
    if not settled:
        raise NotCovered(
            f"share must be further from where a fixed point vanishes: {_STEPS} fits do not settle at {g!r}"
        )
    return found[np.ravel(where)]


def _settled(truth: Array, p: Array, number: Array, power: float, g: float, steps: int) -> tuple[Array, bool]:
    """The limit of states of which each stands for a ``number`` of equal ones, and whether so many steps reach it."""
    for _ in range(steps):
        new = (1 - g) * _sharpened(p, power, number) + g * truth
        if np.abs(new - p) @ number <= _SETTLED:
            return new, True
        p = new
    return p, False


def effective_states(probabilities: ArrayLike) -> float:
    """exp of the entropy of a law: of K equal states K."""
    return float(np.exp(scipy.special.entr(law("probabilities", probabilities)).sum()))


def share_to_keep_words(probabilities: ArrayLike, temperature: float, effective: float) -> Answer:
    r"""The least real share g with which a vocabulary keeps so many effective words at temperature tau in the end.

    ``probabilities`` ``(K,)`` of the user's own vocabulary, ``effective`` exp of the entropy that must be left;
    ``achieved`` is that number at g, ``achieved_aside`` the same at a share 1e-6 below. The start is the truth with its
    likeliest word a millionth likelier, so that a tie does not last for ever. The long run is the limit, or 10,000 fits
    where that is further away. Where a fixed point vanishes the number jumps, and ``achieved`` lies above what was
    asked for. It is the law of infinite data, so ``exact`` is False: sampling noise takes its own toll
    (``plan.share_to_keep``). That the number rises with g is checked on a grid of 40 shares above the answer, not
    proved, unless the answer is 0. Raises ValueError for more words than the truth has.
    """
    p0, tau = law("probabilities", probabilities), _temperature(temperature)
    most = effective_states(p0)
    target = one_real("effective", effective, 0, open_low=True)
    if target > most * (1 + 1e-12):
        raise ValueError(
            f"effective must lie in (0, {most:g}], whose upper end is the vocabulary's own number, got {effective!r}"
        )
    p0 = np.sort(p0[p0 > 0])
    rest, counts = np.unique(p0[:-1], return_counts=True)
    truth, number = np.append(rest, p0[-1]), np.append(counts, 1).astype(np.float64)
    start = np.append(rest, p0[-1] * (1 + _LEAD))

    def left(g: float) -> float:
        p, _ = _settled(truth, start / (start @ number), number, 1 / tau, g, _LONG)
        return float(np.exp(scipy.special.entr(p) @ number))

    what: tuple[str, ...] = (
        "infinite data: the law itself, no sampling noise",
        f"temperature {tau:g} at every fit, start at the truth",
    )
    regime = "fresh real data or random mixing"
    if left(0.0) >= target:
        return Answer(0.0, left(0.0), None, None, regime, what, exact=False)
    what = (*what, "that the number rises with the share: seen, not proved")
    if target >= most * (1 - 1e-9):
        return Answer(1.0, left(1.0), 1 - _ASIDE, left(1 - _ASIDE), regime, what, exact=False)
    low = max(float(g) for g in np.arange(40) / 40 if left(float(g)) < target)
    high = low + 1 / 40
    while high - low > _ASIDE / 4 * high:
        middle = (low + high) / 2
        low, high = (middle, high) if left(middle) < target else (low, middle)
    aside = high * (1 - _ASIDE)
    return Answer(high, left(high), aside, left(aside), regime, what, exact=False)


# --- a normal law ----------------------------------------------------------------------------------------------------


@theorem(
    statement="E ln sigma_n^2 = ln sigma_0^2 + (n-1) ln tau + n (psi(nu/2) + ln 2 - ln(M - ddof)), nu = M - 1",
    conditions="normal, replace, M draws a fit; every model's draws have tau times its variance; the first fit is real",
    order="exact",
    source=_SOURCE,
)
def normal_log_variance(temperature: ArrayLike, sample_size: ArrayLike, fits: ArrayLike, *, ddof: int = 1) -> Array:
    """E ln(sigma_n^2/sigma_0^2) of a normal sampled at temperature tau, after n = ``fits`` fits. Exact."""
    count = whole("fits", fits, 1, most=LONGEST)
    drift = gaussian.expected_log_variance(sample_size, count, ddof=ddof)
    return np.asarray(drift + (count - 1) * np.log(positive("temperature", temperature)))


@theorem(
    statement="tau = (M - ddof)/2 e^(-psi((M-1)/2)) > 1 stops the drift of ln sigma^2, and lets E sigma^2 grow",
    conditions="normal, replace, M draws a fit",
    order="exact",
    source=_SOURCE,
)
def balancing_temperature(sample_size: ArrayLike, *, ddof: int = 1) -> Array:
    """The temperature, about 1 + 1/M (ddof = 0: 1 + 2/M), at which the typical chain keeps its variance. Exact.

    The mean variance then grows by this factor a fit (ddof = 1): typical and mean chain cannot both be kept.
    """
    return np.exp(-gaussian.expected_log_variance(whole("sample_size", sample_size, 2), 1, ddof=ddof))


@theorem(
    statement="e' = (1-g)^2 e + [g + (1-g)(tau V + g e)]/M, V' = g + (1-g)(tau V + g e) (ddof=0: times 1 - 1/M)",
    conditions="normal, each of M items real with probability g, models' draws of tau times their variance",
    order="exact",
    source="law of total variance; " + _SOURCE,
)
def normal_moments(
    temperature: float, sample_size: int, share: float, fits: int, *, ddof: int = 1
) -> tuple[float, float]:
    """``E (mu_n - mu_0)^2`` and ``E sigma_n^2`` over the true variance, each item real at random. May reach inf.

    Draws need not be normal, only of mean mu and tau = ``temperature`` times the variance of the model, as those of a
    cut normal are. ``fresh_gaussian.mean_error_and_variance`` has exact numbers of real items. Exact.
    """
    tau, g = one_real("temperature", temperature, 0, open_low=True), one_real("share", share, 0, 1)
    size = one_whole("sample_size", sample_size, 2, "a variance needs at least two draws")
    scale = (size - 1) / (size - choice("ddof", ddof, (0, 1)))
    count = one_whole("fits", fits, 1)
    # of 1, error and variance; the spread of an item about the mean of its law is linear in them
    spread = np.array([g, g * (1 - g), (1 - g) * tau])
    step = np.stack([[1.0, 0.0, 0.0], spread / size + [0.0, (1 - g) ** 2, 0.0], spread * scale])
    with np.errstate(over="ignore", invalid="ignore"):
        found = np.linalg.matrix_power(step, count - 1) @ np.array([1.0, 1 / size, scale])
    found = np.where(np.isfinite(found), found, np.inf)  # it only leaves the floats by growing
    return float(found[1]), float(found[2])


@theorem(
    statement="V_n = V* + ((1-g) tau)^(n-1) (1 - V*), V* = g/(1 - (1-g) tau), finite for tau > 1 iff "
    "g > 1 - 1/tau; V_n = 1 + g (n - 1) at (1-g) tau = 1",
    conditions="normal, real share g, every model's draws have tau times its variance; infinite data",
    order="exact",
    source=_SOURCE,
)
def normal_variance(temperature: ArrayLike, share: ArrayLike, fits: ArrayLike) -> Array:
    """The variance over the true one after n = ``fits`` fits, the first on real data. Exact; may reach inf.

    A truncation that multiplies the variance by k (``truncation.truncated_variance``) is temperature k. At finite M
    ``fresh_gaussian.mean_error_and_variance`` has both second moments.
    """
    tau, g = positive("temperature", temperature), within("share", share, 0, 1)
    factor, count = (1 - g) * tau, whole("fits", fits, 1) - 1.0
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        log = np.log(factor)
        kept = np.where(count == 0, 1.0, np.exp(count * log))
        total = np.where(factor == 1, count, np.expm1(np.where(count == 0, 0.0, count * log)) / (factor - 1))
        return np.asarray(kept + np.where(g == 0, 0.0, g * total))


@theorem(
    statement="V* = g/(1 - (1-g) tau), infinite unless (1-g) tau < 1; 1 at tau = 1, whatever g",
    conditions="normal, real share g, every model's draws have tau times its variance; infinite data",
    order="exact",
    source=_SOURCE,
)
def normal_variance_limit(temperature: ArrayLike, share: ArrayLike) -> Array:
    """The limit of ``normal_variance``: inf where (1-g) tau >= 1 and g > 0, or tau > 1. Exact."""
    tau, g = np.broadcast_arrays(positive("temperature", temperature), within("share", share, 0, 1))
    rest = 1 - (1 - g) * tau
    settles = np.where(rest > 0, g / np.where(rest > 0, rest, 1.0), np.inf)
    return np.where((g == 0) & (tau == 1), 1.0, settles)

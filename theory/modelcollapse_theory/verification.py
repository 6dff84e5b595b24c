r"""A verifier multiplies the odds of what is right at every fit, and its own bias in the end replaces the truth.

Two kinds of verifier: one that passes right items with probability phi and wrong ones with psi, and a soft one that
accepts a number x with probability :math:`e^{-(x-c)^2/(2 s^2)}`, around a centre c of its own. Derived in
theory/derivations/curation.md.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import scipy
from numpy.typing import ArrayLike

from modelcollapse_theory._domain import (
    LONGEST,
    Array,
    NotCovered,
    law,
    one_real,
    one_whole,
    positive,
    scale,
    whole,
    within,
)
from modelcollapse_theory._register import theorem
from modelcollapse_theory.selection import fixation_probability

_SOURCE = "derived in theory/derivations/curation.md"
_WEAK = 1.0  # of ln(phi/psi)


def _rates(keep_right: ArrayLike, keep_wrong: ArrayLike) -> tuple[Array, Array]:
    """Both rates, positive."""
    return (
        within("keep_right", keep_right, 0, 1, open_low=True),
        within("keep_wrong", keep_wrong, 0, 1, open_low=True),
    )


@theorem(
    statement="odds of a right item after n verified fits: q/(1 - q) (phi/psi)^n",
    conditions="right items pass with probability phi, wrong ones with psi, independently; infinite data, no real data",
    order="exact",
    source=_SOURCE,
)
def verified_share(probability: ArrayLike, keep_right: ArrayLike, keep_wrong: ArrayLike, fits: ArrayLike) -> Array:
    r"""The share of right items after n verified fits: :math:`\frac{q \phi^n}{q \phi^n + (1-q) \psi^n}`, n = ``fits``.

    q = ``probability`` of a right item before; phi = ``keep_right`` and psi = ``keep_wrong`` are positive;
    ``selection.verified_precision`` is n = 1. The first fit on real data is not verified and not counted. Exact.
    """
    q = within("probability", probability, 0, 1)
    right, wrong = _rates(keep_right, keep_wrong)
    return scipy.special.expit(scipy.special.logit(q) + whole("fits", fits) * np.log(right / wrong))


@theorem(
    statement="P(the right state takes over) = (1 - e^(-2Msx))/(1 - e^(-2Ms)), s = ln(phi/psi)",
    conditions="M items kept at every fit, right ones with probability phi, wrong ones with psi, phi/psi near 1; right "
    "with probability x in the truth",
    order="O(s) relative",
    source="Kimura 1962, haploid; selection coefficient " + _SOURCE,
)
def verified_fixation(
    probability: ArrayLike, sample_size: ArrayLike, keep_right: ArrayLike, keep_wrong: ArrayLike
) -> Array:
    """The chance that right items take over where M = ``sample_size`` verified items are kept at every fit.

    The first data set is real: right with ``probability``, unverified. The logarithm of phi/psi, rather than phi/psi -
    1, treats right and wrong alike. ``two_states.takes_over`` is the exact value. Raises NotCovered unless
    ``|ln(phi/psi)| < 1``.
    """
    right, wrong = _rates(keep_right, keep_wrong)
    advantage = np.log(right / wrong)
    if np.any(np.abs(advantage) >= _WEAK):
        raise NotCovered(
            f"keep_right / keep_wrong must lie within (1/e, e): the formula is for weak selection, got {keep_right!r} "
            f"and {keep_wrong!r}"
        )
    return fixation_probability(probability, sample_size, advantage)


@theorem(
    statement="expected draws for a kept item: 1/(q phi + (1 - q) psi)",
    conditions="independent draws, right with probability q; right items pass with phi, wrong ones with psi",
    order="exact",
    source="geometric waiting time",
)
def draws_per_kept(probability: ArrayLike, keep_right: ArrayLike, keep_wrong: ArrayLike) -> Array:
    r"""What a verified item costs in draws, :math:`1/(q \phi + (1-q) \psi)`. Exact.

    Raises ValueError where nothing would pass.
    """
    q = within("probability", probability, 0, 1)
    kept = q * within("keep_right", keep_right, 0, 1) + (1 - q) * within("keep_wrong", keep_wrong, 0, 1)
    if np.any(kept < 1e-300):
        raise ValueError(f"keep_right and keep_wrong must let something pass, got {keep_right!r} and {keep_wrong!r}")
    return 1 / kept


@theorem(
    statement="p'(x) = p(x) a(x)/<a>, at 1/<a> draws for a kept item",
    conditions="a draw of state x passes with probability a(x); infinite data",
    order="exact",
    source="Bayes",
)
def accepted(probabilities: ArrayLike, accept: ArrayLike) -> Array:
    """The law ``(K,)`` of what a verifier lets pass, state x with probability a(x) = ``accept`` ``(K,)``. Exact.

    Raises ValueError where nothing would pass.
    """
    p, a = law("probabilities", probabilities), within("accept", accept, 0, 1)
    if a.shape != p.shape:
        raise ValueError(f"accept must have the shape {p.shape} of probabilities, got {a.shape}")
    passed = p * a
    if passed.sum() < 1e-300:
        raise ValueError(f"accept must let something pass, got {accept!r}")
    return np.asarray(passed / passed.sum())


def _threshold(keep_right: float, keep_wrong: float, error: float) -> tuple[float, float, float]:
    right = one_real("keep_right", keep_right, 0, 1, open_low=True)
    wrong = one_real("keep_wrong", keep_wrong, 0, 1, open_low=True)
    return right, wrong, one_real("error", error, 0, 1, open_high=True)


@theorem(
    statement="1/q_n - 1/q = rho^n (1/q_0 - 1/q), rho = psi/((1 - e) phi), q = ((1 - e) phi - psi)/(phi - psi) of "
    "either sign; 1/q_n = 1/q_0 + n A at rho = 1, A = (phi - psi)/((1 - e) phi)",
    conditions="q' = (1 - e) q phi/(q phi + (1 - q) psi): a share e of right items turns wrong; infinite data",
    order="exact",
    source="Moran and Eigen's two-state quasispecies; " + _SOURCE,
)
def share_with_errors(probability: float, keep_right: float, keep_wrong: float, error: float, fits: int) -> float:
    r"""The share of right items after n verified fits, of each of which a share e = ``error`` turns wrong.

    .. math:: q_n = \frac{q_0}{\rho^n + q_0 A \frac{1 - \rho^n}{1 - \rho}}, \quad
       \rho = \frac{\psi}{(1-e) \phi}, \; A = \frac{\phi - \psi}{(1-e) \phi}

    1/q follows a linear recursion, so this is exact at every n; at rho = 1 the fraction is n. ``error_threshold`` is
    its limit.
    """
    q = one_real("probability", probability, 0, 1)
    right, wrong, lost = _threshold(keep_right, keep_wrong, error)
    count = one_whole("fits", fits)
    if lost == 0:
        return float(verified_share(q, right, wrong, count))
    growth = np.log(wrong) - np.log1p(-lost) - np.log(right)
    lead = (right - wrong) / ((1 - lost) * right)
    size = abs(growth)
    # sum of rho^t over t < n, over rho^n where rho > 1
    total = float(count) if size == 0 else float(np.expm1(-size * count) / np.expm1(-size))
    if growth <= 0:
        return float(q / (np.exp(growth * count) + q * lead * total))
    return float(q * np.exp(-growth * count) / (1 + q * lead * total * np.exp(-growth)))


@theorem(
    statement="q* = ((1 - e) phi - psi)/(phi - psi) if (1 - e) phi > psi, otherwise q* = 0",
    conditions="q' = (1 - e) q phi/(q phi + (1 - q) psi): a share e of right items turns wrong; infinite data; e > "
    "0 or phi != psi, else nothing moves",
    order="exact",
    source="Eigen's error threshold for two states; " + _SOURCE,
)
def error_threshold(keep_right: float, keep_wrong: float, error: float) -> float:
    r"""The share of right items in the long run: 0 as soon as :math:`\phi/\psi \le 1/(1-e)`.

    A verifier too weak for the rate of errors saves nothing. It is approached by the factor psi/((1-e) phi) a fit, or
    the inverse of that below the threshold. The start must have some right items. Exact.
    """
    right, wrong, lost = _threshold(keep_right, keep_wrong, error)
    excess = (1 - lost) * right - wrong
    return float(excess / (right - wrong)) if excess > 0 else 0.0


# --- a soft verifier of a number ------------------------------------------------------------------------------------


def _pull(width: ArrayLike, variance: ArrayLike) -> Array:
    """a = s^2/(s^2 + sigma^2), what is left of the distance to the centre."""
    return 1 / (1 + positive("variance", variance) / scale("width", width) ** 2)


@theorem(
    statement="e_n = delta^2 (1 - a^(n-1))^2 + a^(2n-2) V_1 + V_inf (1 - a^(2n-2)), a = s^2/(s^2 + sigma^2), "
    "V_1 = sigma^2/r, V_inf = (sigma^2/M) a/(1 - a^2), delta = c - mu_0",
    conditions="normal mean, known variance sigma^2; M draws kept, each with probability exp(-(x-c)^2/(2 s^2))",
    order="exact",
    source="phenomenon: arXiv 2510.16657; " + _SOURCE,
)
def soft_mean_error(
    gap: ArrayLike, width: ArrayLike, sample_size: int, fits: ArrayLike, real_size: int | None = None,
    variance: ArrayLike = 1.0,
) -> Array:  # fmt: skip
    r"""E (mu_n - mu_0)^2 after n = ``fits`` fits, the first to r real items, the others to M accepted draws.

    ``gap`` = c - mu_0 is the verifier's own error, ``width`` its s, ``variance`` the known sigma^2; ``real_size`` r is
    M unless given. Accepted draws are exactly N(a mu + (1-a) c, a sigma^2), so the mean goes to the verifier's centre
    geometrically: first it gains what noise the first fit had, then it loses all to the verifier's error. Exact.
    """
    delta, a = _gap(gap), _pull(width, variance)
    size = one_whole("sample_size", sample_size, 1)
    real = size if real_size is None else one_whole("real_size", real_size, 1)
    count = whole("fits", fits, 1)
    first, last = _spreads(a, size, real, np.asarray(variance, np.float64))
    log = np.log(a)
    kept = np.exp((count - 1) * log)
    return (delta * np.expm1((count - 1) * log)) ** 2 + kept**2 * first - last * np.expm1(2 * (count - 1) * log)


def _gap(gap: ArrayLike) -> Array:
    return within("gap", gap, -1e100, 1e100)


def _spreads(a: Array, size: int, real: int, variance: Array) -> tuple[Array, Array]:
    """Variance of the mean after the first fit and in the long run."""
    # 1 - a^2 = (1 - a)(1 + a), with 1 - a = sigma^2/(sigma^2 + s^2) > 0 even where a rounds to 1
    rest = np.maximum(1 - a, np.finfo(float).tiny)
    return variance / real, variance / size * a / (rest * (1 + a))


@theorem(
    statement="mu_n -> c + N(0, V_inf): E (mu_n - mu_0)^2 -> delta^2 + V_inf, delta = c - mu_0: the verifier's "
    "error and not the truth's",
    conditions="normal mean, known variance sigma^2; M draws kept, each with probability exp(-(x-c)^2/(2 s^2))",
    order="exact",
    source=_SOURCE,
)
def soft_mean_error_limit(gap: ArrayLike, width: ArrayLike, sample_size: int, variance: ArrayLike = 1.0) -> Array:
    r"""The error of the mean in the long run, :math:`\delta^2 + \frac{\sigma^2}{M} \frac{a}{1 - a^2}`. Exact."""
    delta, a = _gap(gap), _pull(width, variance)
    size = one_whole("sample_size", sample_size, 1)
    if np.any(a > 1 - 1e-12):
        raise NotCovered(f"width must be below a million standard deviations to pull at all, got {width!r}")
    return delta**2 + _spreads(a, size, size, np.asarray(variance, np.float64))[1]


class Stop(NamedTuple):
    """When to stop retraining on verified output, and the error there."""

    fits: float
    error: float


@theorem(
    statement="best at a^(n-1) = delta^2/(delta^2 + V_1 - V_inf), error V_inf + delta^2 (V_1 - V_inf)/(delta^2 + V_1 "
    "- V_inf), if V_1 > V_inf; otherwise at the first fit",
    conditions="as soft_mean_error, delta = c - mu_0; n taken for a real number",
    order="exact",
    source=_SOURCE,
)
def soft_stopping(gap: float, width: float, sample_size: int, real_size: int, variance: float = 1.0) -> Stop:
    """The number of fits (a real number, at least 1) at which the error of ``soft_mean_error`` is least, and that error

    Verified retraining helps only if M accepted draws say more of the centre than r real items say of the truth; fits
    is inf for a verifier without error of its own. The best whole number is one of the two beside it. Exact.
    """
    delta, a = float(_gap(one_real("gap", gap))), float(_pull(one_real("width", width), one_real("variance", variance)))
    size, real = one_whole("sample_size", sample_size, 1), one_whole("real_size", real_size, 1)
    first, last = (float(v) for v in _spreads(np.asarray(a), size, real, np.asarray(variance, np.float64)))
    gain = first - last
    if gain <= 0:
        return Stop(1.0, first)
    left = delta**2 / (delta**2 + gain)
    fits = 1 + np.log(left) / np.log(a) if left > 0 else np.inf
    return Stop(float(fits), last + left * gain)


@theorem(
    statement="P(accepted) = s/sqrt(sigma^2 + s^2) exp(-(mu - c)^2/(2 (sigma^2 + s^2)))",
    conditions="a draw of N(mu, sigma^2), accepted with probability exp(-(x-c)^2/(2 s^2))",
    order="exact",
    source=_SOURCE,
)
def soft_acceptance(gap: ArrayLike, width: ArrayLike, variance: ArrayLike = 1.0) -> Array:
    """The share of draws that a soft verifier accepts; ``gap`` is its centre c less the mean mu of what is drawn.

    Exact.
    """
    delta, a = _gap(gap), _pull(width, variance)
    s = scale("width", width)
    with np.errstate(under="ignore"):
        return np.sqrt(a) * np.exp(-(delta**2) * a / (2 * s**2))


@theorem(
    statement="1/sigma_n^2 = 1/sigma_0^2 + n/s^2, mu_n - c = (mu_0 - c)/(1 + n sigma_0^2/s^2)",
    conditions="normal, both moments refitted; infinitely many draws kept with probability exp(-(x-c)^2/(2 s^2))",
    order="exact",
    source=_SOURCE,
)
def soft_normal(gap: ArrayLike, width: ArrayLike, fits: ArrayLike, variance: ArrayLike = 1.0) -> tuple[Array, Array]:
    """``c - mu_n`` and ``sigma_n^2`` after n = ``fits`` verified fits that begin at ``gap`` and ``variance``.

    Precision adds up, so the variance falls like s^2/n and the mean goes to the centre like 1/n: a power law where a
    known variance gives a geometric one. Exact. The first fit on real data is not verified and not counted.
    """
    delta, start, s = _gap(gap), positive("variance", variance), scale("width", width)
    shrunk = 1 + whole("fits", fits, most=LONGEST) * (start / s**2)
    return np.asarray(delta / shrunk), np.asarray(start / shrunk)

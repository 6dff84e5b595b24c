r"""Truncation: top-k costs once, top-p goes on until few states are left, and a cut normal shrinks by one factor a fit.

Derived in theory/derivations/curation.md.
"""

from __future__ import annotations

import numpy as np
import scipy
from numpy.typing import ArrayLike

from modelcollapse_theory._domain import Array, NotCovered, law, one_real, one_whole, within
from modelcollapse_theory._register import theorem
from modelcollapse_theory._selected import selected_drift, selected_variance

_SOURCE = "derived in theory/derivations/curation.md"
_ROUNDING = 1e-12  # sums of probabilities that differ by less are the same


@theorem(
    statement="top-k keeps the k likeliest states, renormalised; twice is once",
    conditions="every model's draws come from its k likeliest states, the earlier of equal ones; infinite data",
    order="exact",
    source=_SOURCE,
)
def top_k(probabilities: ArrayLike, kept: int) -> Array:
    """The law ``(K,)`` after one truncation to ``kept`` states, and after any number of them. Exact."""
    p, count = law("probabilities", probabilities), one_whole("kept", kept, 1)
    order = np.argsort(-p, kind="stable")
    found = np.zeros(p.size)
    found[order[:count]] = p[order[:count]]
    return found / found.sum()


@theorem(
    statement="top-p at P: p is a fixed point iff its least live state has more than 1 - P, or one state is left; so "
    "fewer than 1/(1-P) states survive, none below 1 - P",
    conditions="every model's draws come from the fewest likeliest states that hold P together; infinite data",
    order="exact",
    source=_SOURCE,
)
def top_p(probabilities: ArrayLike, mass: float, fits: int | None = None) -> Array:
    """The law ``(K,)`` after n = ``fits`` truncations to mass P; None: in the long run, after at most K of them.

    The states kept are the fewest likeliest ones whose probabilities sum to at least P = ``mass``, the earlier of equal
    ones first. Exact, sums that differ from P by less than 1e-12 counting as P.
    """
    p, target = law("probabilities", probabilities), one_real("mass", mass, 0, 1, open_low=True)
    limit = int(np.count_nonzero(p))
    count = limit if fits is None else min(one_whole("fits", fits), limit)
    order = np.argsort(-p, kind="stable")
    live = p[order]
    for _ in range(count):
        before = np.cumsum(live) - live
        kept = np.where((before < target - _ROUNDING) & (live > 0), live, 0.0)
        kept[0] = live[0]
        if np.count_nonzero(kept) == np.count_nonzero(live):
            break
        live = kept / kept.sum()
    found = np.zeros(p.size)
    found[order] = live
    return found


def _cut(value: ArrayLike) -> Array:
    return within("cut", value, 1e-6, 1e100)


def _moments(cut: Array) -> tuple[Array, Array]:
    """Second and fourth moment of a standard normal cut at |x| < c, by incomplete gamma functions: no cancellation."""
    half = np.minimum(cut, 1e3) ** 2 / 2
    kept, second, fourth = (scipy.special.gammainc(a, half) for a in (0.5, 1.5, 2.5))
    return second / kept, 3 * fourth / kept


@theorem(
    statement="a model's draws have k_c = 1 - 2 c phi(c)/(2 Phi(c) - 1) times its variance",
    conditions="normal, every model's draws cut at |x - mu| < c sigma",
    order="exact",
    source="truncated normal law; " + _SOURCE,
)
def truncated_variance(cut: ArrayLike) -> Array:
    r"""k_c, the variance of a normal cut at c = ``cut`` standard deviations over its own.

    Draws are no longer normal, but s^2 with ddof = 1 is unbiased for any law, so at every M it is exactly
    E sigma_{n+1}^2 = k_c E sigma_n^2 (ddof = 0: times 1 - 1/M), and with real data ``fresh_gaussian`` with
    ``sampling_bias`` k_c.
    """
    return _moments(_cut(cut))[0]


@theorem(
    statement="excess kurtosis of a normal cut at c: 3 P(5/2) P(1/2)/P(3/2)^2 - 3, P(a) = P(a, c^2/2) the "
    "regularised lower gamma function",
    conditions="normal cut at |x - mu| < c sigma",
    order="exact",
    source="truncated normal law; " + _SOURCE,
)
def truncated_kurtosis(cut: ArrayLike) -> Array:
    """kappa_c of a normal cut at c = ``cut`` standard deviations: -6/5 as c -> 0, 0 as c grows. Exact."""
    second, fourth = _moments(_cut(cut))
    return fourth / second**2 - 3


@theorem(
    statement="E sigma_n^2 = sigma_0^2 k_c^(n-1) (1 - 1/M)^(n [ddof = 0])",
    conditions="replace, M draws a fit; every model's draws cut at |x - mu| < c sigma; the first fit is on real data",
    order="exact",
    source=_SOURCE,
)
def expected_variance(cut: ArrayLike, sample_size: ArrayLike, fits: ArrayLike, *, ddof: int = 1) -> Array:
    """E sigma_n^2/sigma_0^2 after n = ``fits`` fits, c = ``cut``. Exact."""
    return selected_variance(truncated_variance(cut), sample_size, fits, ddof)


@theorem(
    statement="E ln sigma^2 moves by ln k_c - (1/2)(kappa_c/M + 2/(M-1)) a fit",
    conditions="normal, replace, ddof=1 (0: and ln(1-1/M)); every model's M draws cut at |x - mu| < c sigma",
    order="O(M^-2) a fit",
    source="delta method; " + _SOURCE,
)
def log_variance_drift(cut: ArrayLike, sample_size: ArrayLike, *, ddof: int = 1) -> Array:
    """What a fit adds to E ln sigma^2 where the last model's draws are cut at c = ``cut`` deviations. O(M^-2)."""
    return selected_drift(truncated_variance(cut), truncated_kurtosis(cut), sample_size, ddof)


def survivors_bound(mass: float) -> int:
    """The most states that top-p at P can leave: the greatest whole number below 1/(1-P). Refuses P = 1."""
    target = one_real("mass", mass, 0, 1, open_low=True)
    if target >= 1 - 1e-15:
        raise NotCovered(f"mass must be below 1, where nothing is cut, got {mass!r}")
    return max(1, int(np.ceil(1 / (1 - target) - 1e-9)) - 1)

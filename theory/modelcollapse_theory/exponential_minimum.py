r"""The exponential minimum (Gumbel) watermark: unbiased over keys, a point mass for each.

A key and what is seeded by it give each token i a uniform U_i; the token drawn after a context with the law p is the
one of least :math:`-\log(U_i)/p_i`. A detector adds :math:`-\log(1 - U)` of T different pairs (previous token, token).
Derived in theory/derivations/watermarks.md.
"""

from __future__ import annotations

import numpy as np
import scipy
from numpy.typing import ArrayLike

from modelcollapse_theory._domain import LONGEST, Array, NotCovered, law, one_real, one_whole, positive, whole, within
from modelcollapse_theory._register import theorem

SOURCE = "theory/derivations/watermarks.md"
SCHEME = "scheme of Aaronson (2022); " + SOURCE
UNMARKED = "text that does not depend on the key; T different pairs"
TINY = 1e-13
MOST_TERMS = 2_000_000


@theorem(
    statement="E H_n = h0 (1 - 1/M)(1 - sum_s (m_s/M)^2)^(n-1); one seed for all draws after a context: E H_2 = 0",
    conditions="m_s of the M draws after a context share seed s, in every generation; seeds of two generations are "
    "independent, or there is one seed for all; the first data set is real and not marked",
    order="exact",
    source=SOURCE,
)
def seeded_heterozygosity(h0: float, groups: ArrayLike, fits: ArrayLike) -> Array:
    """Mean diversity of a context after n = ``fits`` fits, where draws are made by the seeds that ``groups`` (S,)
    count.

    Draws with one seed are one draw: the effective number is :math:`M^2/\\sum m_s^2`. Seeds of the previous token and a
    key are one for all M: after one marked generation the context is a point mass, of which the token is distributed
    as before. Exact.
    """
    start, n = one_real("h0", h0, 0, 1), whole("fits", fits, 1, "fits are counted from 1", LONGEST)
    m = whole("groups", groups, 1)
    if m.ndim != 1 or not m.size:
        raise ValueError(f"groups must be a vector of how many draws share each seed, got {groups!r}")
    size = float(m.sum())
    later = 1 - float(((m / size) ** 2).sum())
    return np.asarray(start * (1 - 1 / size) * later ** (n - 1.0), np.float64)


@theorem(
    statement="f = P(Gamma(T) >= x) of the score sum -log(1 - U)",
    conditions=UNMARKED,
    order="exact",
    source=SCHEME,
)
def score_rate(pairs: ArrayLike, score: ArrayLike) -> Array:
    """False-positive rate of a detector that flags at ``score``. Exact, also where previous tokens repeat."""
    return np.asarray(scipy.special.gammaincc(whole("pairs", pairs, 1), within("score", score, 0, np.inf)))


@theorem(
    statement="x = the (1 - f)-quantile of Gamma(T)",
    conditions=UNMARKED,
    order="exact",
    source=SCHEME,
)
def least_score(pairs: ArrayLike, rate: ArrayLike) -> Array:
    """The threshold that has just the false-positive ``rate``. Exact: the score is continuous."""
    f = within("rate", rate, 0, 1, open_low=True)
    return np.asarray(scipy.special.gammainccinv(whole("pairs", pairs, 1), f))


@theorem(
    statement="E score = T sum_i p_i H(1/p_i), Var = T [sum_i p_i (H(1/p_i)^2 + pi^2/6 - psi'(1 + 1/p_i)) - mean^2], "
    "H(a) = psi(1 + a) + Euler's gamma",
    conditions="marked text of the row law p; T draws with seeds of their own",
    order="exact",
    source=SCHEME,
)
def marked_score(probabilities: ArrayLike, pairs: ArrayLike) -> tuple[Array, Array]:
    """Mean and variance of the score of ``pairs`` marked tokens of the law ``probabilities`` (V,); unmarked, both are
    T. Exact.
    """
    p, tokens = law("probabilities", probabilities), whole("pairs", pairs, 1).astype(float)
    p = p[p > 0]
    mean = scipy.special.digamma(1 + 1 / p) + np.euler_gamma
    inner = np.pi**2 / 6 - scipy.special.polygamma(1, 1 + 1 / p)
    total = float(p @ mean)
    return tokens * total, tokens * float(p @ (inner + (mean - total) ** 2))


@theorem(
    statement="E score >= T [1 + (pi^2/6 - 1) h(p)]",
    conditions="marked text of a row law of entropy h nats; T draws with seeds of their own",
    order="lower bound",
    source=SCHEME,
)
def marked_score_least(entropy: ArrayLike, pairs: ArrayLike) -> Array:
    """Lower bound of the mean score from the entropy alone: a sure token scores as unmarked text does."""
    tokens = whole("pairs", pairs, 1).astype(float)
    return tokens * (1 + (np.pi**2 / 6 - 1) * within("entropy", entropy, 0, np.inf))


@theorem(
    statement="t = P(score >= x), by its characteristic function (sum_i p_i Gamma(1+1/p_i) Gamma(1-iu)/"
    "Gamma(1+1/p_i-iu))^T",
    conditions="marked text of the row law p; T >= 4 draws with seeds of their own",
    order="exact",
    source="inversion of Davies (1973); " + SCHEME,
)
def score_power(probabilities: ArrayLike, pairs: int, score: float) -> float:
    """True-positive rate of a detector that flags at ``score``. Exact, to 1e-10.

    Raises NotCovered below 4 pairs, where the inversion is slow.
    """
    p, tokens = law("probabilities", probabilities), one_whole("pairs", pairs, 4, most=20_000)
    return _survival(p[p > 0], tokens, float(positive("score", one_real("score", score))))


@theorem(
    statement="the least T >= 4 with P(score >= x_T) >= t, x_T the (1 - f)-quantile of Gamma(T)",
    conditions="marked text of the row law p; draws with seeds of their own; the power grows with T (not proved)",
    order="exact",
    source=SCHEME,
)
def least_score_pairs(true_positive: float, false_positive: float, probabilities: ArrayLike) -> int:
    """How many pairs a text of the law ``probabilities`` needs for both rates; 4 where fewer may do.

    By bisection: that the power grows with each pair was seen in every case computed and is not proved. Raises
    NotCovered beyond 10^4 pairs, as for a law that is nearly sure.
    """
    t = one_real("true_positive", true_positive, 0.5, 1, open_high=True)
    f = one_real("false_positive", false_positive, 0, 0.5, open_low=True)
    p = law("probabilities", probabilities)
    p = p[p > 0]

    def enough(pairs: int) -> bool:
        return _survival(p, pairs, float(least_score(pairs, f))) >= t

    high = 4
    while not enough(high):
        high *= 2
        if high > 10_000:
            raise NotCovered("probabilities must let 10000 pairs be enough: too sure a law hides the mark")
    low = high // 2 if high > 4 else 3
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if enough(middle) else (middle, high)
    return high


def _survival(p: Array, pairs: int, score: float) -> float:
    """P(S >= score) by the midpoint sum of Davies, whose error is the chance to lie beyond one period.

    With the period beyond the score nothing lies below; above, each term exceeds x with at most (1/p) e^-x.
    """
    values, number = np.unique(p, return_counts=True)
    weight, a = values * number, 1 / values
    # the mean of e^(S/2) bounds what lies beyond, by Markov
    bound = np.log(weight @ np.exp(scipy.special.gammaln(1 + a) + scipy.special.gammaln(0.5)
                                   - scipy.special.gammaln(0.5 + a))) * pairs  # fmt: skip
    if bound - score / 2 < np.log(TINY):
        return 0.0
    period = max(score, 2 * (bound + 30) - score, 1.0) + score
    step, total, done = 2 * np.pi / period, 0.0, 0
    while done < MOST_TERMS:
        k = np.arange(done, done + 1024) + 0.5
        u = k[:, None] * step
        each = (
            scipy.special.loggamma(1 + a) + scipy.special.loggamma(1 - 1j * u) - scipy.special.loggamma(1 + a - 1j * u)
        )
        logs = pairs * np.log(np.exp(each) @ weight)
        total += float((np.exp(logs - 1j * u[:, 0] * score).imag / k).sum())
        done += k.size
        if np.exp(logs.real[-1]) < TINY:
            return float(np.clip(0.5 + total / np.pi, 0, 1))
    raise NotCovered(
        f"pairs must be larger, or score smaller, for this law, got {pairs} and {score:g}: the inversion is too slow"
    )

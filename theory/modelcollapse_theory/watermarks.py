r"""The green list: what a detector counts, what it finds, and what the mark does to models that learn from marked text.

After each previous token a key draws a list of G of the V tokens, all lists alike; g = G/V. Marked text has the logits
of listed tokens raised by ``shift``, delta. A detector counts the green ones among T different pairs (previous token,
token), and flags a text with at least c. Derived in theory/derivations/watermarks.md.
"""

from __future__ import annotations

import numpy as np
import scipy
from numpy.typing import ArrayLike

from modelcollapse_theory._domain import LONGEST, Array, NotCovered, law, one_real, one_whole, whole, within
from modelcollapse_theory._register import theorem
from modelcollapse_theory.moments import binomial_rows

SOURCE = "theory/derivations/watermarks.md"
SCHEME = "scheme of Kirchenbauer et al., arXiv 2301.10226; " + SOURCE
UNMARKED = "text that does not depend on the key; T different pairs; "
FIXED = "one key in all generations, whose list after one context holds the mass P0 of the real law; "
LARGEST_SHIFT = 500
MOST_WORDS = 10_000


@theorem(
    statement="f = P(Bin(T, g) > g T + z sqrt(g(1-g) T)), not the normal tail",
    conditions=UNMARKED + "no previous token twice; flagged where the z-score exceeds z",
    order="exact",
    source=SCHEME,
)
def z_rate(pairs: ArrayLike, z: ArrayLike, green: ArrayLike) -> Array:
    """False-positive rate of the z-test of a green list. Exact.

    At z = 4, g = 1/4 and T = 64 it is 1.2e-4, where the normal tail says 3.2e-5: a binomial with g < 1/2 is skew.
    """
    tokens, g = whole("pairs", pairs, 1), within("green", green, 0, 1, open_low=True, open_high=True)
    level = tokens * g + within("z", z, -100, 1e6) * np.sqrt(g * (1 - g) * tokens)
    return np.asarray(scipy.stats.binom.sf(np.floor(level), tokens, g))


@theorem(
    statement="the least c with P(Bin(T, g) >= c) <= f; the true rate is that if no previous token comes twice, and at "
    "most that if c >= g T + 1",
    conditions=UNMARKED + "flagged where at least c are green",
    order="exact; a bound where previous tokens repeat",
    source="Vatutin and Mikhailov (1982), Hoeffding (1956); " + SCHEME,
)
def least_count(pairs: int, rate: float, green: float) -> tuple[int, float]:
    """(c, the rate that it has): the least number of green tokens of ``pairs`` whose false-positive rate is at most
    ``rate``.

    (T + 1, 0.0) where even T green ones of T are not rare enough.
    """
    tokens, f = one_whole("pairs", pairs, 1, most=LONGEST), one_real("rate", rate, 0, 1)
    g = _share(green)
    count = 0 if f >= 1 else int(scipy.stats.binom.isf(f, tokens, g)) + 1
    # the quantile may be off by one where the rate is that of a count
    while count > 0 and scipy.stats.binom.sf(count - 2, tokens, g) <= f:
        count -= 1
    while scipy.stats.binom.sf(count - 1, tokens, g) > f:
        count += 1
    return count, float(scipy.stats.binom.sf(count - 1, tokens, g))


@theorem(
    statement="the number of green tokens is a sum of hypergeometrics H(V, G, k_w) over the previous tokens w",
    conditions=UNMARKED + "k_w different tokens follow w",
    order="exact",
    source=SOURCE,
)
def green_count_law(followers: ArrayLike, vocabulary: int, green: int) -> Array:
    """Law ``(T + 1,)`` of the number of green tokens: ``followers`` (n,) are the k_w, T their sum, ``green`` is G.

    Tokens that follow the same one share a list, and are not independent. Exact.
    """
    k = whole("followers", followers, 1)
    words, listed = _list(vocabulary, green)
    if k.ndim != 1 or not k.size or k.max() > words or k.sum() > 100_000:
        raise ValueError(
            f"followers must be a vector of numbers from 1 to vocabulary = {words}, at most 100000 in all, "
            f"got {followers!r}"
        )
    out = np.ones(1)
    for number in k.tolist():
        out = np.convolve(out, scipy.stats.hypergeom.pmf(np.arange(number + 1), words, listed, number))
    return out


@theorem(
    statement="P(green) = e^d/(e^d - 1) (1 - int_0^inf e^-t e_G(e^(-t (e^d - 1) p))/binom(V, G) dt)",
    conditions="marked text; the mean over all lists of a row law p; e_G is an elementary symmetric polynomial",
    order="exact",
    source=SOURCE,
)
def marked_green(probabilities: ArrayLike, green: int, shift: float) -> float:
    r"""Chance that a marked token of the law ``probabilities`` (V,) is green, over all lists of G = ``green`` tokens.

    .. math:: E\left[\frac{e^\delta P}{1 + (e^\delta - 1) P}\right]

    with P the probability of the list: one quadrature of positive terms. Exact, to 1e-13. The less entropy, the
    nearer to G/V: a sure token cannot be marked. At even probabilities it is ``screening.green_rate``, an upper bound
    for every law.
    """
    p, listed, delta = _row(probabilities, green, shift)
    if delta == 0:
        return listed / p.size
    rise = float(np.expm1(delta))
    # t = e^s: analytic for |Im s| < pi/2, so that equal steps of 1/4 leave e^(-4 pi^2)
    t = np.exp(np.arange(-20 - np.log1p(rise), 4.2, 0.25))
    lost = _mean_shortfall(rise * p, t, listed)
    return float(0.25 * (t * np.exp(-t)) @ lost * (1 + rise) / rise)


@theorem(
    statement="P(green) >= sum_i g e^d p_i/(1 + (e^d - 1)(p_i + (1 - p_i)(G-1)/(V-1)))",
    conditions="marked text; the mean over all lists of a row law p",
    order="lower bound",
    source="after Kirchenbauer et al., arXiv 2301.10226, lemma E.1 (spike entropy); " + SOURCE,
)
def marked_green_least(probabilities: ArrayLike, green: int, shift: float) -> float:
    """Lower bound of ``marked_green`` in closed form: power against entropy. Equal at a sure or an even law."""
    p, listed, delta = _row(probabilities, green, shift)
    others = (listed - 1) / max(p.size - 1, 1)
    # e^d is divided out, so that it may be large
    low = np.exp(-delta)
    return float((listed / p.size * p / (low + (1 - low) * (p + (1 - p) * others))).sum())


@theorem(
    statement="t = P(sum_i Bernoulli(q_i) >= c)",
    conditions="marked text; T different pairs, no previous token twice, the i-th green with chance q_i over all lists",
    order="exact",
    source=SOURCE,
)
def marked_power(chances: ArrayLike, count: int) -> float:
    """True-positive rate of a detector that flags at ``count`` green tokens, of pairs that are green with ``chances``
    ``(T,)``, such as ``marked_green`` of each row law. Exact.
    """
    q = within("chances", chances, 0, 1)
    if q.ndim != 1 or not 0 < q.size <= 20_000:
        raise ValueError(f"chances must be a vector of 1 to 20000 numbers, got shape {q.shape}")
    out = np.ones(1)
    for chance in q.tolist():
        out = np.convolve(out, [1 - chance, chance])
    return float(out[one_whole("count", count) :].sum())


@theorem(
    statement="the least T for which some c has P(Bin(T, g) >= c) <= f and P(Bin(T, q) >= c) >= t",
    conditions="a marked token is green with chance q > g; no previous token twice",
    order="exact",
    source=SOURCE,
)
def least_pairs(true_positive: float, false_positive: float, green: float, marked: float) -> tuple[int, int]:
    """(T, c): how many pairs a text needs for both rates, and the threshold, from the chances g = ``green`` and q =
    ``marked``.

    ``screening.watermark_least`` is the case of even laws. A longer text may fall short again, since counts are whole.
    Raises ValueError unless q > g, NotCovered beyond 10^5 pairs.
    """
    t = one_real("true_positive", true_positive, 0.5, 1, open_high=True)
    f = one_real("false_positive", false_positive, 0, 0.5, open_low=True)
    g = _share(green)
    q = one_real("marked", marked, g, 1, open_low=True)
    z_f, z_t = float(scipy.special.ndtri(1 - f)), float(scipy.special.ndtri(t))
    guess = ((z_f * np.sqrt(g * (1 - g)) + z_t * np.sqrt(q * (1 - q))) / (q - g)) ** 2
    if guess > 1e5:
        raise NotCovered(f"marked must let 100000 pairs be enough, got {marked!r}, for which it takes {guess:.3g}")
    tokens = np.arange(1, int(4 * guess) + 200)
    counts = scipy.stats.binom.isf(f, tokens, g).astype(int) + 1
    enough = scipy.stats.binom.sf(counts - 1, tokens, q) >= t
    if not enough.any():
        raise NotCovered(f"marked must let {tokens[-1]} pairs be enough, got {marked!r}")
    first = int(enough.argmax())
    return int(tokens[first]), least_count(int(tokens[first]), f, g)[0]


@theorem(
    statement="P/(1 - P) = e^(k d) P0/(1 - P0): the green odds grow by e^d with each marked generation",
    conditions=FIXED + "infinite data; k generations of marked draws",
    order="exact",
    source=SOURCE,
)
def green_mass(mass: ArrayLike, shift: ArrayLike, marks: ArrayLike) -> Array:
    """Probability of the list after k = ``marks`` marked generations, from P0 = ``mass``: a key selects. Exact."""
    p0, delta = within("mass", mass, 0, 1), within("shift", shift, 0, LARGEST_SHIFT)
    shrunk = np.exp(-whole("marks", marks, most=LONGEST) * delta)
    green = p0 + (1 - p0) * shrunk
    return np.divide(p0, green, out=np.zeros(np.shape(green)), where=green > 0)


@theorem(
    statement="loss of real text h(p0) - k d P0 + log(1 - P0 + P0 e^(k d))",
    conditions=FIXED + "infinite data; k generations of marked draws; the model as it is fitted, not marked again",
    order="exact",
    source=SOURCE,
)
def marked_loss(probabilities: ArrayLike, listed: ArrayLike, shift: float, marks: ArrayLike) -> Array:
    """Cross-entropy of real tokens of the law ``probabilities`` (V,), nats, under the model after k = ``marks`` marked
    generations; ``listed`` are the numbers of the green tokens. Exact.
    """
    p = law("probabilities", probabilities)
    tokens = whole("listed", listed)
    if tokens.ndim != 1 or np.unique(tokens).size != tokens.size or (tokens.size and tokens.max() >= p.size):
        raise ValueError(f"listed must be different numbers below {p.size}, got {listed!r}")
    mass = min(float(p[tokens].sum()), 1.0)
    raised = whole("marks", marks, most=LONGEST) * one_real("shift", shift, 0, LARGEST_SHIFT)
    with np.errstate(divide="ignore"):
        total = np.logaddexp(np.log1p(-mass), np.log(mass) + raised)
    return float(scipy.special.entr(p).sum()) - raised * mass + total


@theorem(
    statement="P = s P0 + (1-s) e^d P/(1 + (e^d - 1) P): the green mass at which real data balance the mark",
    conditions=FIXED + "infinite data of which a share s > 0 is real, the rest marked; stationary",
    order="exact",
    source=SOURCE,
)
def green_balance(mass: ArrayLike, shift: ArrayLike, share: ArrayLike) -> Array:
    """The mass of the list that training ends with, from the real P0 = ``mass`` and the real ``share``. Exact."""
    p0, delta = within("mass", mass, 0, 1), within("shift", shift, 0, LARGEST_SHIFT)
    s = within("share", share, 0, 1, open_low=True)
    low = np.exp(-delta)
    # (1 - low) P^2 + b P - low s P0 = 0; 2c/(b + root) loses no digits where b > 0
    b = low * s - (1 - low) * (1 - s) - (1 - low) * s * p0
    root = np.sqrt(b**2 + 4 * (1 - low) * low * s * p0)
    upper = np.divide(root - b, 2 * (1 - low), out=np.zeros(np.shape(root + b)), where=low < 1)
    return np.where(b > 0, 2 * low * s * p0 / np.where(b > 0, b + root, 1.0), upper)


@theorem(
    statement="X_1 ~ Bin(M, P0), X' ~ Bin(M, e^d X/(e^d X + M - X)): Wright-Fisher with selection",
    conditions=FIXED + "M draws a generation after this context, the first of them real and not marked",
    order="exact",
    source=SOURCE,
)
def green_chain(sample_size: int, fits: int, mass: float, shift: float) -> Array:
    """Law ``(M + 1,)`` of the number of green tokens among the M that fit n = ``fits`` sees. Exact.

    The list is lost with the law's first entry, whatever ``shift`` is.
    """
    size = one_whole("sample_size", sample_size, 1, most=2000)
    count = one_whole("fits", fits, 1, most=LONGEST)
    p0, delta = one_real("mass", mass, 0, 1), one_real("shift", shift, 0, LARGEST_SHIFT)
    out = binomial_rows(size, np.array([p0]))[0]
    steps = binomial_rows(size, green_mass(np.arange(size + 1) / size, delta, 1))
    for _ in range(count - 1):
        out = out @ steps
    return out


@theorem(
    statement="Var log(p_i/p_j) = 2 k d^2 g(1-g) V/(V-1)",
    conditions="a new key in each of k generations of marked draws; infinite data; two tokens after one context",
    order="exact",
    source=SOURCE,
)
def walk_variance(marks: ArrayLike, shift: ArrayLike, green: int, vocabulary: int) -> Array:
    """Variance over keys of the log ratio of two tokens, which walks at random: no mark is the same twice, and none is
    undone. Exact; ``green`` is G, ``vocabulary`` V >= 2.
    """
    words, listed = _list(vocabulary, green)
    if words < 2:
        raise ValueError(f"vocabulary must be at least 2, got {vocabulary!r}")
    k, delta = whole("marks", marks, most=LONGEST), within("shift", shift, 0, LARGEST_SHIFT)
    return 2 * k * delta**2 * (listed / words) * (1 - listed / words) * words / (words - 1)


@theorem(
    statement="X' ~ (1/2) Bin(M, T(x)) + (1/2) Bin(M, 1 - T(1-x)), T(x) = e^d x/(1 + (e^d - 1) x), x = X/M",
    conditions="a new key in each generation; M draws a generation after a context with two tokens, one of them green; "
    "the first data set real and not marked",
    order="exact",
    source=SOURCE,
)
def two_token_chain(sample_size: int, fits: int, probability: float, shift: float) -> Array:
    """Law ``(M + 1,)`` of how often the first of two tokens, of real ``probability``, is seen by fit n = ``fits``.

    Exact: the random environment that a new key makes of each generation.
    """
    size = one_whole("sample_size", sample_size, 1, most=2000)
    count = one_whole("fits", fits, 1, most=LONGEST)
    p0, delta = one_real("probability", probability, 0, 1), one_real("shift", shift, 0, LARGEST_SHIFT)
    x = np.arange(size + 1) / size
    steps = (binomial_rows(size, green_mass(x, delta, 1)) + binomial_rows(size, 1 - green_mass(1 - x, delta, 1))) / 2
    out = binomial_rows(size, np.array([p0]))[0]
    for _ in range(count - 1):
        out = out @ steps
    return out


def _share(green: float) -> float:
    return one_real("green", green, 0, 1, open_low=True, open_high=True)


def _list(vocabulary: int, green: int) -> tuple[int, int]:
    words = one_whole("vocabulary", vocabulary, 1, most=LONGEST)
    listed = one_whole("green", green)
    if listed > words:
        raise ValueError(f"green must be at most vocabulary = {words}, got {green!r}")
    return words, listed


def _row(probabilities: ArrayLike, green: int, shift: float) -> tuple[Array, int, float]:
    p = law("probabilities", probabilities)
    if p.size > MOST_WORDS:
        raise NotCovered(f"probabilities must have at most {MOST_WORDS} entries, got {p.size}")
    listed = one_whole("green", green, 1)
    if listed > p.size:
        raise ValueError(f"green must be at most the {p.size} tokens, got {green!r}")
    return p, listed, one_real("shift", shift, 0, 50)


def _mean_shortfall(rates: Array, t: Array, chosen: int) -> Array:
    """1 - the mean over all sets S of ``chosen`` tokens of e^(-t sum_S rates): ``(len(t),)`` for ``rates`` (V,).

    After i tokens entry k is that over the sets of k of these: no binomial coefficient, and only positive terms.
    """
    short = np.zeros((t.size, chosen + 1))
    sizes = np.arange(1, chosen + 1)
    for i, rate in enumerate(rates.tolist(), 1):
        taken = np.minimum(sizes / i, 1.0)
        loss, stays = -np.expm1(-t * rate)[:, None], np.exp(-t * rate)[:, None]
        short[:, 1:] = (1 - taken) * short[:, 1:] + taken * (loss + stays * short[:, :-1])
    return short[:, chosen]

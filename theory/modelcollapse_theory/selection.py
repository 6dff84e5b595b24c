r"""A bias that acts every generation compounds geometrically, even with infinite data.

Sampling at a temperature, preferring one state, curating by reward and filtering by a verifier are each a map of laws
p -> p'. Here are their iterates without sampling noise, and the fixation probability where noise and preference
compete. Derived in theory/derivations/selection.md.
"""

from __future__ import annotations

import numpy as np
import scipy
from numpy.typing import ArrayLike

from modelcollapse_theory._domain import Array, NotCovered, law, one_real, one_whole, real, whole, within
from modelcollapse_theory._register import theorem

_SOURCE = "derived in theory/derivations/selection.md"
_LARGEST = 2_000  # an M x M solve


@theorem(
    statement="p_n proportional to p_0^(tau^-n): all mass goes to the modes doubly exponentially fast if tau < 1",
    conditions="infinite data, every generation sampled at temperature tau",
    order="exact",
    source=_SOURCE,
)
def tempered(probabilities: ArrayLike, temperature: float, generations: int) -> Array:
    r"""The law after n generations sampled at temperature tau: :math:`p_n \propto p_0^{\tau^{-n}}`.

    tau = 1 changes nothing; above 1 the law tends to uniform on its support. A Gaussian's variance is multiplied by
    tau each time. Exact for infinite data; states of probability 0 stay there. Raises ValueError for tau <= 0.
    """
    p, tau = law("probabilities", probabilities), one_real("temperature", temperature, 0, open_low=True)
    steps = one_whole("generations", generations)
    alive = p > 0
    relative = np.log(p[alive]) - np.log(p.max())
    # 0 for the modes even where the power overflows, so that ties are shared
    exponent = np.zeros(relative.size)
    with np.errstate(over="ignore"):
        power = np.exp(-steps * np.log(tau))
        np.multiply(relative, power, out=exponent, where=relative < 0)
    result = np.zeros(p.size)
    result[alive] = scipy.special.softmax(exponent)
    return result


@theorem(
    statement="P(fix) = (1 - e^(-2Msx))/(1 - e^(-2Ms)), haploid",
    conditions="fitness 1 + s against 1, M draws a generation, s small",
    order="O(s) relative",
    source="Kimura 1962, with 2M for the diploid 4N",
)
def fixation_probability(probability: ArrayLike, sample_size: ArrayLike, advantage: ArrayLike) -> Array:
    r"""Chance that a preferred state of initial probability x takes over: :math:`\frac{1 - e^{-2Msx}}{1 - e^{-2Ms}}`.

    It is x at s = 0.

    M = ``sample_size`` draws a generation, each draw preferring the state 1 + s to 1 (s = ``advantage`` > -1), the
    first data set being M draws from a law in which the state has probability x. Diffusion limit:
    ``fixation_probability_exact`` is the referee.
    """
    x, size = within("probability", probability, 0, 1), whole("sample_size", sample_size, 1).astype(np.float64)
    scale = 2 * size * within("advantage", advantage, -1, np.inf, open_low=True)
    # by the symmetry x -> 1 - x, s -> -s, only positive exponents' reciprocals are formed
    strength = np.abs(scale)
    safe = np.where(strength == 0, 1.0, strength)
    rise = np.expm1(-safe * x) / np.expm1(-safe)
    fall = np.exp(-safe * (1 - x)) * rise
    return np.where(scale == 0, x, np.where(scale > 0, rise, fall))


def fixation_probability_exact(probability: float, sample_size: int, advantage: float) -> float:
    r"""The same for finite M and any s > -1: a solve of the chain p -> (1+s)p/(1+sp), then M draws. Exact; O(M^3).

    The first data set is drawn from the law x itself; preference acts from the second on. Raises ValueError beyond M =
    2000.
    """
    size = one_whole("sample_size", sample_size, 1)
    if size > _LARGEST:
        raise NotCovered(f"sample_size must be at most {_LARGEST} for the exact solve, got {sample_size!r}")
    x = one_real("probability", probability, 0, 1)
    s = one_real("advantage", advantage, -1, np.inf, open_low=True)
    count = np.arange(size + 1)
    share = count / size
    step = scipy.stats.binom.pmf(count[None], size, ((1 + s) * share / (1 + s * share))[:, None])
    inner = slice(1, size)
    fixed = np.concatenate([[0.0], np.linalg.solve(np.eye(size - 1) - step[inner, inner], step[inner, -1]), [1.0]])
    return float(scipy.stats.binom.pmf(count, size, x) @ fixed)


@theorem(
    statement="p'(x) = k p(x) e^r(x) int e^(-t e^r(x)) (sum_y p(y) e^(-t e^r(y)))^(k-1) dt",
    conditions="best of k by Bradley-Terry choice among k independent draws, infinite data",
    order="exact",
    source="model as summarised for Ferbach et al., arXiv 2407.09499; integral " + _SOURCE,
)
def curated(probabilities: ArrayLike, reward: ArrayLike, choices: int = 2) -> Array:
    r"""The law of the pick among k = ``choices`` draws, chosen with probability proportional to e^reward.

    .. math:: p'(x) = p(x)\, E\left[\frac{k\, e^{r(x)}}{e^{r(x)} + \sum_{i<k} e^{r(Y_i)}}\right], \qquad
       k = 2: \; p'(x) = p(x) \sum_y 2 p(y) \frac{e^{r(x)}}{e^{r(x)} + e^{r(y)}}

    With 1/S = int e^(-tS) dt the expectation is one integral for every k. k = 1 changes nothing; k -> inf is
    ``tilted`` by one generation. Exact to about 1e-15 k. Raises ValueError unless ``reward`` is finite, of the shape
    of ``probabilities``, and spans at most 500.
    """
    p, r = law("probabilities", probabilities), real("reward", reward)
    if r.shape != p.shape:
        raise ValueError(f"reward must have the shape {p.shape} of probabilities, got {r.shape}")
    k = one_whole("choices", choices, 1)
    if np.ptp(r) > 500:
        raise ValueError(f"reward must span at most 500, got {np.ptp(r):g}")
    if k == 1:
        return p
    if k == 2:
        return 2 * p * (p / (1 + np.exp(np.minimum(r[None] - r[:, None], 700)))).sum(axis=1)
    r = r - r.max()
    # t = e^u: the integrand decays doubly exponentially above and like e^u below; the trapezoid rule converges fast
    u = np.arange(-np.log(k) - 42, -r.min() + 7, 0.05)
    rate = np.exp(u[:, None] + r[None])
    others = np.exp((k - 1) * np.log(np.exp(-rate) @ p + np.finfo(float).tiny))
    pick = k * p * (rate * np.exp(-rate) * others[:, None]).sum(axis=0) * 0.05
    return pick / pick.sum()


@theorem(
    statement="p_n proportional to p_0 e^(n r)",
    conditions="curation among infinitely many draws, or reward tilting, n times; infinite data",
    order="exact",
    source="as summarised for Ferbach et al., arXiv 2407.09499; " + _SOURCE,
)
def tilted(probabilities: ArrayLike, reward: ArrayLike, generations: int) -> Array:
    r"""The law after n curations among infinitely many draws: :math:`p_n \propto p_0\, e^{n r}`. Exact."""
    p, r = law("probabilities", probabilities), real("reward", reward)
    if r.shape != p.shape:
        raise ValueError(f"reward must have the shape {p.shape} of probabilities, got {r.shape}")
    alive = p > 0
    logs = np.log(p[alive]) + one_whole("generations", generations) * (r[alive] - r[alive].max())
    result = np.zeros(p.size)
    result[alive] = np.exp(logs - scipy.special.logsumexp(logs))
    return result


@theorem(
    statement="precision = q phi/(q phi + (1 - q) psi), above 1/2 iff q phi > (1 - q) psi",
    conditions="a share q is right; right items pass with probability phi, wrong ones with psi, independently",
    order="exact",
    source="Bayes; setting as summarised for Feng et al., arXiv 2406.07515",
)
def verified_precision(probability: ArrayLike, keep_right: ArrayLike, keep_wrong: ArrayLike) -> Array:
    r"""Share of right items after a filter, :math:`\frac{q \phi}{q \phi + (1 - q) \psi}`.

    It beats 1/2 iff q > psi/(phi + psi). q = ``probability`` of a right item, phi = ``keep_right``, psi =
    ``keep_wrong``. Exact. Raises ValueError where nothing would pass.
    """
    q = within("probability", probability, 0, 1)
    right, wrong = q * within("keep_right", keep_right, 0, 1), (1 - q) * within("keep_wrong", keep_wrong, 0, 1)
    if np.any(right + wrong == 0):
        raise ValueError("keep_right and keep_wrong must let something pass")
    return right / (right + wrong)


@theorem(
    statement="after a detector the mixture is alpha (1 - t) : gamma (1 - f), t true and f false positive rate",
    conditions="each synthetic item removed with probability t, each real one with f, and the rest refilled alike",
    order="exact",
    source="Bayes; " + _SOURCE,
)
def detected_share(share: ArrayLike, true_positive: ArrayLike, false_positive: ArrayLike) -> Array:
    r"""The real share left by a detector, :math:`\frac{\gamma (1 - f)}{\gamma (1 - f) + (1 - \gamma)(1 - t)}`.

    gamma = ``share`` before; t = ``true_positive`` and f = ``false_positive`` are the chances of removing a synthetic
    and a real item. Exact. Raises ValueError where the detector removes everything.
    """
    g = within("share", share, 0, 1)
    kept = g * (1 - within("false_positive", false_positive, 0, 1))
    missed = (1 - g) * (1 - within("true_positive", true_positive, 0, 1))
    if np.any(kept + missed == 0):
        raise ValueError("true_positive and false_positive must let something pass")
    return kept / (kept + missed)

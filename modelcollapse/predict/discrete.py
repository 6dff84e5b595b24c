"""The discrete chain: diversity by the loss of its regime, the support by its lineages, and the law of one count."""

from __future__ import annotations

import functools
from collections.abc import Callable

import numpy as np
import scipy
from numpy.typing import ArrayLike

from modelcollapse import observables, regimes
from modelcollapse.families import Discrete
from modelcollapse.predict.losses import by_loss
from modelcollapse.predict.prediction import Function
from modelcollapse.predict.registry import prediction
from modelcollapse.predict.setting import Setting, drawn_once, independent, needed
from modelcollapse_theory import (
    accumulation,
    divergence,
    fixation,
    fixation_diffusion,
    fresh,
    moments,
    rare,
    support,
    workflows,
)
from modelcollapse_theory.lineages import LARGEST

EXACT = 5000
"""Up to this sample size the exact lineage law is quick, and always answers."""
MARGINAL = 2000
"""The largest transition matrix of one count."""
LATE = 100
"""Beyond ``EXACT`` the branching limit answers for fewer than M / LATE fits: its relative error is below a percent."""
WORK = 3e9
"""How many numbers the law of one count at a time may compute: a few seconds."""

# --- by the loss of the regime, whatever it is -----------------------------------------------------------------------


@prediction(observables.probabilities, workflows.conserved_mean, family=Discrete, formula="E p_n = p_0")
def _(s: Setting, conserved_mean: Function) -> ArrayLike:
    return conserved_mean(s.law, s.fits)


@by_loss(
    observables.heterozygosity, workflows.expected_heterozygosity, "E H_n = (1 - v_n) H_0", family=Discrete
)  # fmt: skip
def _(s: Setting, expected_heterozygosity: Function, v: np.ndarray) -> ArrayLike:
    return expected_heterozygosity(s.law, v)


@by_loss(observables.chi_square, workflows.expected_chi_square, "E chi^2 = (K - 1) v_n", family=Discrete)
def _(s: Setting, expected_chi_square: Function, v: np.ndarray) -> ArrayLike:
    return expected_chi_square(int((s.law > 0).sum()), v)


# --- replacement with one sample size: the exact lineage law, and its limits -----------------------------------------


def exactly(s: Setting) -> bool:
    """Whether the exact law of one sample size answers: always up to ``EXACT``, beyond where its limits do not."""
    return s.size <= EXACT or (s.size <= LARGEST and not early(s))


def early(s: Setting) -> bool:
    """Whether the branching limit holds: a large sample, and few fits beside it."""
    return s.size > EXACT and s.fits.max() <= s.size / (LATE if s.size <= LARGEST else 10)


def by_diffusion(s: Setting) -> bool:
    """Whether the sample is so large that the diffusion answers."""
    return diffuses(s.law, s.size)


def diffuses(law: np.ndarray, size: int) -> bool:
    """Whether a sample is large, and no state so common that few items are of another."""
    return size > EXACT and size * (1 - law.max()) >= 100


def kimura(law: np.ndarray, size: int, fits: np.ndarray, limit: Function) -> np.ndarray:
    """P(one state is left) in the diffusion limit, 0 while time is too short for it."""
    p, multiplicity = np.unique(law[law > 0], return_counts=True)
    return np.array([limit(p, size, int(n)) @ multiplicity if n >= 2e-4 * size else 0.0 for n in fits])


def different(s: Setting) -> int:
    """Number of different probabilities."""
    return np.unique(s.law).size


def quick(s: Setting, columns: int = 1) -> bool:
    """Whether the transition matrix of one count, applied to this many columns, is affordable."""
    return s.size <= MARGINAL and float(s.size) ** 2 * columns * float(s.fits.max()) <= 2e10


def quick_for_all(s: Setting) -> bool:
    """Whether the exact answer for all different states is quick."""
    return quick(s, different(s))


def by_support(s: Setting) -> bool:
    """Whether the exact recursion over the number of states is quick enough."""
    if not MARGINAL < s.size <= LARGEST:
        return False
    return s.size * float(different(s)) <= 3e8 and s.fits.max() <= min(s.size, 1000)


def varies_early(s: Setting) -> bool:
    """Whether the normal limit of a few fits holds: no state is rare."""
    large = s.size > MARGINAL and s.fits.max() <= s.size / LATE
    return large and s.size * s.law[s.law > 0].min() >= LATE


def of_law(s: Setting, theorem: Function) -> ArrayLike:
    """A theorem about the law, at all recorded fits."""
    return theorem(s.law, s.size, s.fits)


def less_entropy(s: Setting, entropy: Function) -> ArrayLike:
    """The entropy that is lost."""
    return scipy.special.entr(s.law).sum() - entropy(s.law, s.size, s.fits)


def each_state(s: Setting, of: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
    """``of(p) -> (fits, p)`` for every state, once for each probability; 0 for a state that never was."""
    chances, inverse = np.unique(s.law, return_inverse=True)
    width = max(1, int(2e7 // s.sizes.max()))  # states at a time
    columns = [of(chances[i : i + width]) for i in range(0, chances.size, width)]
    return np.where(s.law > 0, np.concatenate(columns, axis=-1)[:, inverse], 0.0)


replaced = functools.partial(prediction, family=Discrete, regime=regimes.Replace, source=independent)
KL = "E KL(p_n || p_0) = h(p_0) - E h(p_n)"

replaced(observables.support_size, support.expected_support, where=exactly)(of_law)
replaced(observables.support_size, support.expected_support_limit, where=early)(of_law)


@replaced(observables.lost, support.absent_probability, where=exactly)
def _(s: Setting, absent_probability: Function) -> ArrayLike:
    return each_state(s, lambda p: absent_probability(p, s.size, s.fits))


@replaced(
    observables.lost, rare.rare_loss_probability, where=early, order="O(n/M)",
    conditions="replace regime, M large, n << M; states that are not rare are certain to be there",
)  # fmt: skip
def _(s: Setting, rare_loss_probability: Function) -> ArrayLike:
    return each_state(s, lambda p: rare_loss_probability(s.size * p, s.fits[:, None]))


replaced(observables.absorbed, fixation.fixation_time_cdf, where=lambda s: not by_diffusion(s) and exactly(s))(of_law)


@replaced(
    observables.absorbed, fixation_diffusion.fixation_probability_by_limit, where=by_diffusion,
    formula="P(T <= n) ~ sum_i P(fixed at i by n), by Kimura's diffusion",
)  # fmt: skip
def _(s: Setting, fixation_probability_by_limit: Function) -> ArrayLike:
    return kimura(s.law, s.size, s.fits, fixation_probability_by_limit)


replaced(observables.entropy, divergence.expected_entropy, where=quick)(of_law)
replaced(observables.entropy, divergence.entropy_from_support, where=by_support)(of_law)
replaced(observables.kl_divergence, divergence.expected_kl, where=quick_for_all)(of_law)
replaced(observables.kl_divergence, divergence.expected_entropy, where=quick, formula=KL)(less_entropy)
replaced(
    observables.kl_divergence, divergence.entropy_from_support, where=by_support,
    formula=f"{KL} ~ (1/(2M)) sum_{{t<n}} (E S_t - 1)", order="O(ln M / M), absolute",
)(less_entropy)  # fmt: skip
replaced(observables.total_variation, divergence.expected_total_variation, where=quick_for_all)(of_law)
replaced(
    observables.total_variation, divergence.total_variation_early, where=varies_early,
    order="O(n/M) + O(1/(M min p)), relative",
)(of_law)  # fmt: skip

# --- replacement with other sizes, or from a finite table: the law of one count at a time ----------------------------

CHAIN = "X_{n+1} ~ Bin(M_{n+1}, X_n/M_n)"
Value = Callable[[np.ndarray, np.ndarray], np.ndarray]


def _expected(s: Setting, binomial_rows: Function, value: Value) -> np.ndarray:
    """``E value(X_n / M_n, p)`` for each state at each fit, ``(fits, K)``, from the exact law of its count.

    The first count is binomial, or hypergeometric from a table without replacement; each later one is Bin(M, x) where
    the last fit has x.
    """
    chances, inverse = np.unique(s.law, return_inverse=True)
    most, last = int(s.sizes.max()), int(s.fits.max())
    needed(most <= MARGINAL and last * float(most) ** 2 * (20 + chances.size) <= WORK)
    wanted = set(s.fits.tolist())
    size = int(s.sizes[0])
    laws = binomial_rows(size, chances) if s.rows is None else _hypergeometric(s.rows, chances, size)
    step = functools.lru_cache(maxsize=1)(lambda m, n: binomial_rows(n, np.arange(m + 1) / m))
    out = []
    for fit, after in enumerate([*s.sizes[1:last].tolist(), 0], 1):
        if fit in wanted:
            out.append((laws * value(np.arange(size + 1)[None] / size, chances[:, None])).sum(1))
        if after:
            laws, size = laws @ step(size, after), after
    return np.stack(out)[:, inverse]


def _hypergeometric(rows: int, chances: np.ndarray, size: int) -> np.ndarray:
    """Laws of the number of rows of a kind among ``size`` of ``rows``, one law for each entry of ``chances`` (U,)."""
    kind, j = np.rint(rows * chances)[:, None], np.arange(size + 1.0)[None]
    inside = (j <= kind) & (size - j <= rows - kind)

    def choose(n: ArrayLike, k: ArrayLike) -> np.ndarray:
        n, k = np.asarray(n), np.asarray(k)
        return scipy.special.gammaln(n + 1) - scipy.special.gammaln(k + 1) - scipy.special.gammaln(n - k + 1)

    at = np.where(inside, j, np.maximum(size - (rows - kind), 0))
    law = np.where(inside, np.exp(choose(kind, at) + choose(rows - kind, size - at) - choose(rows, size)), 0.0)
    return law / law.sum(1, keepdims=True)


def _relative_entropy(x: np.ndarray, p: np.ndarray) -> np.ndarray:
    return np.where(p > 0, scipy.special.xlogy(x, x / np.where(p > 0, p, 1.0)) - x + p, 0.0)


# what is summed over the states, and its formula
SUMMED: dict[Function, tuple[Value, str]] = {
    observables.support_size: (lambda x, p: x > 0, "E S_n = sum_i P(X_n(i) > 0)"),
    observables.absorbed: (lambda x, p: x == 1, "sum_i P(X_n(i) = M_n)"),
    observables.entropy: (lambda x, p: scipy.special.entr(x), "E h(p_n) = sum_i E entr(X_n(i)/M_n)"),
    observables.kl_divergence: (_relative_entropy, f"{KL} by the law of each count"),
    observables.total_variation: (lambda x, p: np.abs(x - p) / 2, "(1/2) sum_i E |X_n(i)/M_n - p_0(i)|"),
}
counted = functools.partial(
    prediction, family=Discrete, regime=regimes.Replace, source=drawn_once, order="exact",
    conditions="replace regime, any sample sizes; the first data set drawn with or without replacement",
)  # fmt: skip

for _key, (_value, _formula) in SUMMED.items():

    @counted(_key, moments.binomial_rows, formula=f"{_formula}, {CHAIN}")
    def _(s: Setting, binomial_rows: Function, value: Value = _value) -> ArrayLike:
        return _expected(s, binomial_rows, value).sum(1)


@counted(observables.lost, moments.binomial_rows, formula=f"P(X_n(i) = 0), {CHAIN}")
def _(s: Setting, binomial_rows: Function) -> ArrayLike:
    return _expected(s, binomial_rows, lambda x, p: (x == 0) & (p > 0))


# --- real data that stay or come back --------------------------------------------------------------------------------

accumulated = functools.partial(prediction, family=Discrete, regime=regimes.Accumulate, source=independent)


@accumulated(
    observables.support_size, accumulation.expected_support, formula="E S_n = sum_i 1 - (1 - p_i)^M_1",
    conditions="every item ever drawn stays in the training set", order="exact",
)  # fmt: skip
def _(s: Setting, expected_support: Function) -> ArrayLike:
    return s.always(expected_support(s.law, int(s.sizes[0])))


@accumulated(observables.lost, accumulation.survival, formula="P(state absent for ever) = (1 - p_i)^M_1")
def _(s: Setting, survival: Function) -> ArrayLike:
    return s.always(np.where(s.law > 0, 1 - survival(s.law, int(s.sizes[0])), 0.0))


@accumulated(
    observables.absorbed, fixation.fixation_time_cdf, formula="P(one state is left) = sum_i p_i^M_1",
    conditions="every item ever drawn stays in the training set",
)  # fmt: skip
def _(s: Setting, fixation_time_cdf: Function) -> ArrayLike:
    return s.always(fixation_time_cdf(s.law, int(s.sizes[0]), 1))


def remembers_nothing(s: Setting) -> bool:
    """Whether a mixture has no old data and one sample size, at which its exact law is affordable."""
    return s.steady(s.regime.beta) == 0 and float(s.size) ** 2 * different(s) * float(s.fits.max()) <= 1e8


remixed = functools.partial(
    prediction, family=Discrete, regime=regimes.Mixture, source=independent, where=remembers_nothing,
    conditions="each item real with probability g, else a draw from the last fit; constant M",
)  # fmt: skip


@remixed(
    observables.support_size, fresh.expected_support, order="exact",
    formula="E S_n = sum_i psi_n(M), psi_{n+1}(k) = sum_j R_k(j) psi_n(j) + 1 - (1 - g p_i)^k",
)  # fmt: skip
def _(s: Setting, expected_support: Function) -> ArrayLike:
    g = s.steady(s.regime.gamma)
    return expected_support(s.law, s.size, g, s.fits)


@remixed(
    observables.lost, fresh.absent,
    formula="P(state absent) = phi_n(M), phi_{n+1}(k) = sum_j R_k(j) phi_n(j)",
)  # fmt: skip
def _(s: Setting, absent: Function) -> ArrayLike:
    g = s.steady(s.regime.gamma)
    return each_state(s, lambda p: absent(p, s.size, g, s.fits))

"""The discrete chain: diversity by the loss of its regime, the support by its lineages, and the law of one count at a time."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np
from scipy.special import entr, gammaln, xlogy

from modelcollapse import observables, regimes
from modelcollapse.families import Discrete
from modelcollapse.predict.losses import Loss, lost
from modelcollapse.predict.process import Process, steady
from modelcollapse.predict.registry import prediction
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
"""Up to this sample size the exact lineage law is quick, and is always taken."""
MARGINAL = 2000
"""The largest transition matrix of one count."""
LATE = 100
"""Beyond ``EXACT`` the branching limit answers for fewer than M / LATE fits: its relative error is then below a percent."""
WORK = 3e9
"""Numbers that the law of one count at a time may compute: a few seconds."""

discrete: dict[str, Any] = {"family": Discrete}
replaced: dict[str, Any] = {"family": Discrete, "regime": regimes.Replace}


# --- by the loss of the regime, whatever it is -----------------------------------------------------------------------------


@prediction(observables.probabilities, workflows.conserved_mean, formula="E p_n = p_0", **discrete)
def _(s: Process, conserved_mean: Any) -> Any:
    return None if s.law is None else conserved_mean(s.law, s.fits)


@prediction(observables.heterozygosity, workflows.expected_heterozygosity, **discrete)
def _(s: Process, expected_heterozygosity: Any) -> Any:
    found = _lost(s)
    if found is None:
        return None
    values = expected_heterozygosity(s.law, found.values)
    return found.answer("E H_n = (1 - v_n) H_0", values, through=expected_heterozygosity)


@prediction(observables.chi_square, workflows.expected_chi_square, **discrete)
def _(s: Process, expected_chi_square: Any) -> Any:
    found = _lost(s)
    if found is None or s.law is None:
        return None
    values = expected_chi_square(int((s.law > 0).sum()), found.values)
    return found.answer("E chi^2 = (K - 1) v_n", values, through=expected_chi_square)


def _lost(s: Process) -> Loss | None:
    return lost(s) if s.law is not None else None


# --- replacement with one sample size: the exact lineage law, and its limits ----------------------------------------------------


def _exactly(s: Process, largest: int = EXACT) -> bool:
    """Whether the exact law of a constant sample size answers: always up to ``largest``, beyond where its limits do not."""
    if s.law is None or s.size is None or s.rows is not None:
        return False
    return s.size <= largest or (s.size <= LARGEST and not _early(s))


def _early(s: Process) -> bool:
    """Whether the branching limit holds: a large sample, and few fits beside it."""
    if s.law is None or s.size is None or s.rows is not None or s.size <= EXACT:
        return False
    return bool(s.fits.max() <= s.size / (LATE if s.size <= LARGEST else 10))


@prediction(observables.support_size, support.expected_support, **replaced)
def _(s: Process, expected_support: Any) -> Any:
    return expected_support(s.law, s.size, s.fits) if _exactly(s) else None


@prediction(observables.support_size, support.expected_support_limit, **replaced)
def _(s: Process, expected_support_limit: Any) -> Any:
    return expected_support_limit(s.law, s.size, s.fits) if _early(s) else None


@prediction(observables.lost, support.absent_probability, **replaced)
def _(s: Process, absent_probability: Any) -> Any:
    return _of_states(s, lambda p: absent_probability(p, s.size, s.fits)) if _exactly(s) else None


@prediction(
    observables.lost, rare.rare_loss_probability, **replaced,
    conditions="replace regime, M large, n << M; states that are not rare are certain to be there",
    order="O(n/M)",
)  # fmt: skip
def _(s: Process, rare_loss_probability: Any) -> Any:
    size = s.size
    return _of_states(s, lambda p: rare_loss_probability(size * p, s.fits[:, None])) if _early(s) else None


@prediction(observables.absorbed, fixation.fixation_time_cdf, **replaced)
def _(s: Process, fixation_time_cdf: Any) -> Any:
    return None if _by_diffusion(s) or not _exactly(s) else fixation_time_cdf(s.law, s.size, s.fits)


@prediction(
    observables.absorbed, fixation_diffusion.fixation_probability_by_limit, **replaced,
    formula="P(T <= n) ~ sum_i P(fixed at i by n), by Kimura's diffusion",
)  # fmt: skip
def _(s: Process, fixation_probability_by_limit: Any) -> Any:
    if s.law is None or not _by_diffusion(s):
        return None
    return by_diffusion(s.law, s.size, s.fits, fixation_probability_by_limit)


def _by_diffusion(s: Process) -> bool:
    return s.law is not None and s.rows is None and s.size is not None and diffuses(s.law, s.size)


def diffuses(law: np.ndarray, size: int) -> bool:
    """Whether a sample is large, and no state so common that few items are of another."""
    return size > EXACT and size * (1 - law.max()) >= 100


def by_diffusion(law: np.ndarray, size: Any, fits: np.ndarray, limit: Any) -> np.ndarray:
    """P(one state is left) in the diffusion limit, 0 while time is too short for it."""
    p, multiplicity = np.unique(law[law > 0], return_counts=True)
    return np.array([limit(p, size, int(n)) @ multiplicity if n >= 2e-4 * size else 0.0 for n in fits])


def _of_states(s: Process, of: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
    """``of(p) -> (fits, p)`` for every state, those of one probability together; 0 for a state that never was."""
    assert s.law is not None
    chances, inverse = np.unique(s.law, return_inverse=True)
    width = max(1, int(2e7 // s.sizes.max()))  # states at a time
    columns = [of(chances[i : i + width]) for i in range(0, chances.size, width)]
    return np.where(s.law > 0, np.concatenate(columns, axis=-1)[:, inverse], 0.0)


@prediction(observables.entropy, divergence.expected_entropy, **replaced)
def _(s: Process, expected_entropy: Any) -> Any:
    return expected_entropy(s.law, s.size, s.fits) if _quick(s, 1) else None


@prediction(observables.entropy, divergence.entropy_from_support, **replaced)
def _(s: Process, entropy_from_support: Any) -> Any:
    return entropy_from_support(s.law, s.size, s.fits) if _by_support(s) else None


@prediction(observables.kl_divergence, divergence.expected_kl, **replaced)
def _(s: Process, expected_kl: Any) -> Any:
    return expected_kl(s.law, s.size, s.fits) if _quick(s, _different(s)) else None


@prediction(
    observables.kl_divergence, divergence.expected_entropy, **replaced, formula="E KL(p_n || p_0) = h(p_0) - E h(p_n)"
)
def _(s: Process, expected_entropy: Any) -> Any:
    return entr(s.law).sum() - expected_entropy(s.law, s.size, s.fits) if _quick(s, 1) else None


@prediction(
    observables.kl_divergence, divergence.entropy_from_support, **replaced,
    formula="E KL(p_n || p_0) = h(p_0) - E h(p_n) ~ (1/(2M)) sum_{t<n} (E S_t - 1)", order="O(ln M / M), absolute",
)  # fmt: skip
def _(s: Process, entropy_from_support: Any) -> Any:
    return entr(s.law).sum() - entropy_from_support(s.law, s.size, s.fits) if _by_support(s) else None


@prediction(observables.total_variation, divergence.expected_total_variation, **replaced)
def _(s: Process, expected_total_variation: Any) -> Any:
    return expected_total_variation(s.law, s.size, s.fits) if _quick(s, _different(s)) else None


@prediction(
    observables.total_variation, divergence.total_variation_early, **replaced, order="O(n/M) + O(1/(M min p)), relative"
)
def _(s: Process, total_variation_early: Any) -> Any:
    if s.law is None or s.size is None or s.rows is not None or s.size <= MARGINAL:
        return None
    if s.fits.max() > s.size / LATE or s.size * s.law[s.law > 0].min() < LATE:
        return None
    return total_variation_early(s.law, s.size, s.fits)


def _different(s: Process) -> int:
    """Number of different probabilities."""
    return 0 if s.law is None else np.unique(s.law).size


def _quick(s: Process, columns: int) -> bool:
    """Whether the transition matrix of one count, applied to so many columns, is affordable."""
    if s.law is None or s.size is None or s.rows is not None or s.size > MARGINAL:
        return False
    return float(s.size) ** 2 * columns * float(s.fits.max()) <= 2e10


def _by_support(s: Process) -> bool:
    if s.law is None or s.size is None or s.rows is not None or not MARGINAL < s.size <= LARGEST:
        return False
    return bool(s.size * float(_different(s)) <= 3e8 and s.fits.max() <= min(s.size, 1000))


# --- replacement with other sizes, or from a finite table: the law of one count at a time ----------------------------------------


def _counts(s: Process, binomial_rows: Any, value: Callable[[np.ndarray, np.ndarray], np.ndarray]) -> np.ndarray | None:
    """``E value(X_n / M_n, p)`` for each state at each fit, ``(fits, K)``, from the exact law of its count.

    The first count is binomial, or hypergeometric from a table without replacement; each later one is Bin(M, x) of the last share x.
    """
    if s.law is None or s.spread is None:
        return None
    chances, inverse = np.unique(s.law, return_inverse=True)
    most, last = int(s.sizes.max()), int(s.fits.max())
    if most > MARGINAL or last * float(most) ** 2 * (20 + chances.size) > WORK:
        return None
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
    """Laws of the number of rows of a kind among ``size`` of ``rows``, one row for each entry of ``chances`` (U,)."""
    kind, j = np.rint(rows * chances)[:, None], np.arange(size + 1.0)[None]
    inside = (j <= kind) & (size - j <= rows - kind)

    def choose(n: Any, k: Any) -> Any:
        return gammaln(n + 1) - gammaln(k + 1) - gammaln(n - k + 1)

    at = np.where(inside, j, np.maximum(size - (rows - kind), 0))
    law = np.where(inside, np.exp(choose(kind, at) + choose(rows - kind, size - at) - choose(rows, size)), 0.0)
    return law / law.sum(1, keepdims=True)


by_counts: dict[str, Any] = replaced | {
    "conditions": "replace regime, any sample sizes; the first data set drawn with or without replacement",
    "order": "exact",
}
CHAIN = "X_{n+1} ~ Bin(M_{n+1}, X_n/M_n)"


@prediction(
    observables.support_size, moments.binomial_rows, **by_counts, formula=f"E S_n = sum_i P(X_n(i) > 0), {CHAIN}"
)
def _(s: Process, binomial_rows: Any) -> Any:
    return _summed(_counts(s, binomial_rows, lambda x, p: x > 0))


@prediction(observables.lost, moments.binomial_rows, **by_counts, formula=f"P(X_n(i) = 0), {CHAIN}")
def _(s: Process, binomial_rows: Any) -> Any:
    return _counts(s, binomial_rows, lambda x, p: (x == 0) & (p > 0))


@prediction(observables.absorbed, moments.binomial_rows, **by_counts, formula=f"sum_i P(X_n(i) = M_n), {CHAIN}")
def _(s: Process, binomial_rows: Any) -> Any:
    return _summed(_counts(s, binomial_rows, lambda x, p: x == 1))


@prediction(
    observables.entropy, moments.binomial_rows, **by_counts, formula=f"E h(p_n) = sum_i E entr(X_n(i)/M_n), {CHAIN}"
)
def _(s: Process, binomial_rows: Any) -> Any:
    return _summed(_counts(s, binomial_rows, lambda x, p: entr(x)))


@prediction(
    observables.kl_divergence, moments.binomial_rows, **by_counts,
    formula=f"E KL(p_n || p_0) = h(p_0) - E h(p_n) by the law of each count, {CHAIN}",
)  # fmt: skip
def _(s: Process, binomial_rows: Any) -> Any:
    there = lambda x, p: np.where(p > 0, xlogy(x, x / np.where(p > 0, p, 1.0)) - x + p, 0.0)  # noqa: E731
    return _summed(_counts(s, binomial_rows, there))


@prediction(
    observables.total_variation, moments.binomial_rows, **by_counts,
    formula=f"(1/2) sum_i E |X_n(i)/M_n - p_0(i)|, {CHAIN}",
)  # fmt: skip
def _(s: Process, binomial_rows: Any) -> Any:
    return _summed(_counts(s, binomial_rows, lambda x, p: np.abs(x - p) / 2))


def _summed(values: np.ndarray | None) -> np.ndarray | None:
    return None if values is None else values.sum(1)


# --- real data that stay or come back --------------------------------------------------------------------------------------------

accumulated: dict[str, Any] = {"family": Discrete, "regime": regimes.Accumulate}


@prediction(
    observables.support_size, accumulation.expected_support, **accumulated, formula="E S_n = sum_i 1 - (1 - p_i)^M_1",
    conditions="every item ever drawn stays in the training set", order="exact",
)  # fmt: skip
def _(s: Process, expected_support: Any) -> Any:
    return _for_ever(s, lambda law, size: expected_support(law, size))


@prediction(observables.lost, accumulation.survival, **accumulated, formula="P(state absent for ever) = (1 - p_i)^M_1")
def _(s: Process, survival: Any) -> Any:
    return _for_ever(s, lambda law, size: np.where(law > 0, 1 - survival(law, size), 0.0))


@prediction(
    observables.absorbed, fixation.fixation_time_cdf, **accumulated, formula="P(one state is left) = sum_i p_i^M_1",
    conditions="every item ever drawn stays in the training set",
)  # fmt: skip
def _(s: Process, fixation_time_cdf: Any) -> Any:
    return _for_ever(s, lambda law, size: fixation_time_cdf(law, size, 1))


def _for_ever(s: Process, of: Callable[[np.ndarray, int], np.ndarray]) -> Any:
    if s.law is None or s.rows is not None:
        return None
    found = np.asarray(of(s.law, int(s.sizes[0])))
    return np.broadcast_to(found, (s.recorded, *found.shape))


remixed: dict[str, Any] = {"family": Discrete, "regime": regimes.Mixture}
remixed["conditions"] = "each item real with probability g, else a draw from the last fit; constant M"


@prediction(
    observables.support_size, fresh.expected_support, **remixed, order="exact",
    formula="E S_n = sum_i psi_n(M), psi_{n+1}(k) = sum_j R_k(j) psi_n(j) + 1 - (1 - g p_i)^k",
)  # fmt: skip
def _(s: Process, expected_support: Any) -> Any:
    g = _remixed(s)
    return None if g is None else np.array([expected_support(s.law, s.size, g, int(n)) for n in s.fits])


@prediction(
    observables.lost, fresh.absent, **remixed,
    formula="P(state absent) = phi_n(M), phi_{n+1}(k) = sum_j R_k(j) phi_n(j)",
)  # fmt: skip
def _(s: Process, absent: Any) -> Any:
    g = _remixed(s)
    if g is None:
        return None
    return _of_states(s, lambda p: np.stack([absent(p, s.size, g, int(n)) for n in s.fits]))


def _remixed(s: Process) -> float | None:
    """The constant real share of a mixture without old data, where its exact law is affordable."""
    if s.law is None or s.size is None or s.rows is not None or steady(s.regime.beta, s.sizes) != 0:
        return None
    if float(s.size) ** 2 * _different(s) * s.recorded > 5e6:
        return None
    return steady(s.regime.gamma, s.sizes)

"""Replacement: each generation of the discrete chain is drawn from the last, and one state wins."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import jax
import numpy as np

from modelcollapse.families import Discrete
from modelcollapse.observables import FirstTime, as_observable
from modelcollapse.pytree import part
from modelcollapse.run import Run
from modelcollapse.sources import categorical
from modelcollapse.verify import BoundedMean, Evidence, Formula, Lab, Proportion, Section
from modelcollapse.verify.lab import shared
from modelcollapse_theory import divergence, fixation, fixation_diffusion, replacement, support

if TYPE_CHECKING:
    from modelcollapse.loop import State

LAW = (0.30, 0.25, 0.20, 0.15, 0.08, 0.02)
P = np.array(LAW)
SIZE = 8
LAST = 119  # by then a chain is not absorbed with probability 5e-8
END = LAST + 2  # in fits: a chain still alive at the end counts as this, and so does the prediction
A = Section("A. replacement", chains=60_000, tier="quick")


@part
class ExtraStates:
    """Sum over all generations so far of the number of states beyond the first, ``()``."""

    def start(self, truth: jax.Array, first: State) -> jax.Array:
        return self._extra(truth) + self._extra(first.params)

    def update(self, carry: jax.Array, state: State, truth: jax.Array) -> jax.Array:
        return carry + self._extra(state.params)

    def read(self, carry: jax.Array, state: State, truth: jax.Array) -> jax.Array:
        return carry

    @staticmethod
    def _extra(law: jax.Array) -> jax.Array:
        return (law > 0).sum(dtype=law.dtype) - 1


def two_left(params: jax.Array) -> jax.Array:
    """Whether two states are left at most."""
    return (params > 0).sum() <= 2


OBSERVED: dict[str, Any] = {
    name: name
    for name in (
        "probabilities", "heterozygosity", "support_size", "chi_square", "absorption_time", "entropy", "kl_divergence",
        "total_variation",
    )
}  # fmt: skip


@shared
def chains_of(lab: Lab) -> Run:
    """One run for all claims of this section: generations 0 to 14 and the last."""
    observe = {**OBSERVED, "extra_states": ExtraStates(), "two_left_time": FirstTime(as_observable(two_left))}
    return lab.run(
        "replacement", Discrete(), categorical(LAW), observe=observe, size=SIZE, fits=[*range(1, 16), LAST + 1]
    )


def after(lab: Lab, name: str, fits: int) -> np.ndarray:
    """An observable of that run after ``fits`` fits: generation fits - 1."""
    run = chains_of(lab)
    return run[name][:, int(np.flatnonzero(run.recorded == fits - 1)[0])]


def times(lab: Lab, name: str) -> np.ndarray:
    """A time in fits, which is the generation + 1, of each chain."""
    return np.minimum(after(lab, name, LAST + 1) + 1, END)


@A.claim(replacement.fixation_probability, source="frequencies are bounded martingales; arXiv 2305.17493, sec. 4")
def absorption_probability(lab: Lab) -> Iterator[Evidence]:
    """a chain is absorbed in state i with probability p0(i)"""
    final, exact = after(lab, "probabilities", LAST + 1), replacement.fixation_probability(LAW)
    for i in (0, 4):
        wrong = {"uniform over the states": 1 / P.size, "proportional to p^2": P[i] ** 2 / (P @ P)}
        yield Evidence(Proportion.of(final[:, i] == 1), exact[i], wrong, f"ends in state {i}")


@A.claim(replacement.unseen_probability, source="independence")
def unseen(lab: Lab) -> Evidence:
    """a state of probability q is missed by M draws with probability (1 - q)^M"""
    first, q = after(lab, "probabilities", 1), LAW[2]
    wrong = {"1 - q, lost at some generation": 1 - q, "exp(-q M)": np.exp(-q * SIZE)}
    exact = Formula(replacement.unseen_probability, q, SIZE)
    return exact.against(Proportion.of(first[:, 2] == 0), f"q = {q}, one fit", wrong, larger=1)


@A.claim(
    replacement.expected_heterozygosity, source="coalescence of two lineages; for model collapse cf. arXiv 2404.05090"
)
def heterozygosity_decay(lab: Lab) -> Evidence:
    """E[H] decays by exactly 1 - 1/M per refit"""
    n = 5
    observed = BoundedMean(after(lab, "heterozygosity", n), 0, 1 - 1 / P.size)
    exact = Formula(replacement.expected_heterozygosity, LAW, SIZE, n)
    return exact.against(observed, f"{n} fits, M = {SIZE}", larger=1, early=1, diploid=True)


@A.claim(
    support.expected_support,
    replacement.expected_distinct,
    source="duality with the coalescent; theory/derivations/lineages.md",
)
def expected_support(lab: Lab) -> Iterator[Evidence]:
    """the expected support after n refits follows from the lineage chain"""
    for n in (1, 5):
        exact = Formula(support.expected_support, LAW, SIZE, n)
        yield exact.against(BoundedMean(after(lab, "support_size", n), 1, P.size), f"{n} fits", larger=1, late=1)


@A.claim(divergence.expected_chi_square, source="second moments; theory/derivations/lineages.md")
def chi_square_growth(lab: Lab) -> Evidence:
    """the chi-square divergence grows as (K - 1)(1 - (1 - 1/M)^n), whatever the law"""
    n, states = 5, P.size
    exact = Formula(divergence.expected_chi_square, states, SIZE, n)
    wrong = {"K for K - 1": exact(states=states + 1), "linear, (K - 1) n / M": (states - 1) * n / SIZE}
    return exact.against(BoundedMean(after(lab, "chi_square", n), 0, 1 / min(LAW) - 1), f"{n} fits", wrong, early=1)


@A.claim(
    fixation.fixation_time_cdf,
    fixation.fixation_time_moments,
    fixation_diffusion.fixation_time_mean_limit,
    source="duality; theory/derivations/fixation.md",
)
def fixation_time(lab: Lab) -> Iterator[Evidence]:
    """the time to fixation has the law that the lineage chain gives, for any number of states"""
    seen, n = times(lab, "absorption_time"), 10
    alive = Formula(fixation.fixation_time_survival, LAW, SIZE, np.arange(1, END), read=np.sum)
    mean, diffusion = 1 + alive(), float(fixation_diffusion.fixation_time_mean_limit(LAW, SIZE))
    wrong = {
        "the diffusion's mean": diffusion,
        "diploid: twice that": 2 * diffusion,
        "M + 1 for M": 1 + alive(sample_size=SIZE + 1),
        "generations for fits": mean - 1,
    }
    yield Evidence(BoundedMean(seen, 1, END), mean, wrong, "mean, in fits")
    by = Formula(fixation.fixation_time_cdf, LAW, SIZE, n)
    yield by.against(Proportion.of(seen <= n), f"P(T <= {n})", early=1, larger=1)

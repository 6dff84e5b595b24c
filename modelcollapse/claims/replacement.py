"""Replacement: each generation of the discrete chain is drawn from the last, and one state wins."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np

from modelcollapse.families import Discrete
from modelcollapse.observables import FirstTime, as_observable
from modelcollapse.pytree import part
from modelcollapse.run import Run, simulate
from modelcollapse.sources import categorical
from modelcollapse.verify.evidence import BoundedMean, Evidence, Proportion
from modelcollapse.verify.registry import claim, shared, stream
from modelcollapse_theory import divergence, fixation, fixation_diffusion, replacement, support

LAW = (0.30, 0.25, 0.20, 0.15, 0.08, 0.02)
SIZE = 8
CHAINS = 60_000
LAST = 119  # by then a chain is not absorbed with probability 5e-8
SECTION = "A. replacement"


@part
class ExtraStates:
    """Sum over all generations so far of the number of states beyond the first, ``()``."""

    def start(self, truth: Any, first: Any) -> Any:
        return self._extra(truth) + self._extra(first.params)

    def update(self, carry: Any, state: Any, truth: Any) -> Any:
        return carry + self._extra(state.params)

    def read(self, carry: Any, state: Any, truth: Any) -> Any:
        return carry

    @staticmethod
    def _extra(law: Any) -> Any:
        return (law > 0).sum(dtype=law.dtype) - 1


def two_left(params: Any) -> Any:
    return (params > 0).sum() <= 2


OBSERVED = {name: name for name in ("probabilities", "heterozygosity", "support_size", "chi_square", "absorption_time")}
OBSERVED |= {name: name for name in ("entropy", "kl_divergence", "total_variation")}


@shared
def chains_of(seed: int, chains: int) -> Run:
    """One run for all claims of this section: generations 0 to 14 and the last."""
    observe = {**OBSERVED, "extra_states": ExtraStates(), "two_left_time": FirstTime(as_observable(two_left))}
    return simulate(
        Discrete(),
        categorical(LAW),
        observe=observe,
        size=SIZE,
        generations=LAST,
        chains=chains,
        seed=stream(seed, "replacement"),
        record=[*range(15), LAST],
    )


def at(run: Run, name: str, fits: int) -> np.ndarray:
    """Values after ``fits`` fits: generation fits - 1."""
    return run[name][:, int(np.flatnonzero(run.recorded == fits - 1)[0])]


@claim(
    "a chain is absorbed in state i with probability p0(i)",
    source="frequencies are bounded martingales; arXiv 2305.17493, sec. 4",
    section=SECTION,
    chains=CHAINS,
    tier="quick",
    theorems=["replacement.fixation_probability"],
)
def absorption_probability(seed: int, chains: int) -> list[Evidence]:
    final = at(chains_of(seed, chains), "probabilities", LAST + 1)
    p, q = np.array(LAW), replacement.fixation_probability(LAW)
    return [
        Evidence(
            Proportion.of(final[:, i] == 1),
            q[i],
            {"uniform over the states": 1 / p.size, "proportional to p^2": float(p[i] ** 2 / (p @ p))},
            f"ends in state {i}",
        )
        for i in (0, 4)
    ]


@claim(
    "a state of probability q is missed by M draws with probability (1 - q)^M",
    source="independence",
    section=SECTION,
    chains=CHAINS,
    tier="quick",
    theorems=["replacement.unseen_probability"],
)
def unseen(seed: int, chains: int) -> Evidence:
    first, q = at(chains_of(seed, chains), "probabilities", 1), LAW[2]
    wrong = {
        "1 - q, lost at some generation": 1 - q,
        "exp(-q M)": np.exp(-q * SIZE),
        "M + 1 for M": (1 - q) ** (SIZE + 1),
    }
    return Evidence(
        Proportion.of(first[:, 2] == 0), float(replacement.unseen_probability(q, SIZE)), wrong, f"q = {q}, one fit"
    )


@claim(
    "E[H] decays by exactly 1 - 1/M per refit",
    source="coalescence of two lineages; for model collapse cf. arXiv 2404.05090",
    section=SECTION,
    chains=CHAINS,
    tier="quick",
    theorems=["replacement.expected_heterozygosity"],
)
def heterozygosity_decay(seed: int, chains: int) -> Evidence:
    n, seen = 5, chains_of(seed, chains)
    decay = functools.partial(replacement.expected_heterozygosity, LAW)
    wrong = {
        "M + 1 for M": float(decay(SIZE + 1, n)),
        "one generation early": float(decay(SIZE, n - 1)),
        "diploid 2M": float(decay(2 * SIZE, n)),
    }
    observed = BoundedMean(at(seen, "heterozygosity", n), 0, 1 - 1 / len(LAW))
    return Evidence(observed, float(decay(SIZE, n)), wrong, f"{n} fits, M = {SIZE}")


@claim(
    "the expected support after n refits follows from the lineage chain",
    source="duality with the coalescent; theory/derivations/lineages.md",
    section=SECTION,
    chains=CHAINS,
    tier="quick",
    theorems=["support.expected_support", "replacement.expected_distinct"],
)
def expected_support(seed: int, chains: int) -> list[Evidence]:
    seen = chains_of(seed, chains)
    out = []
    for n in (1, 5):
        exact = float(support.expected_support(LAW, SIZE, n))
        wrong = {
            "M + 1 for M": float(support.expected_support(LAW, SIZE + 1, n)),
            "one generation late": float(support.expected_support(LAW, SIZE, n + 1)),
        }
        out.append(Evidence(BoundedMean(at(seen, "support_size", n), 1, len(LAW)), exact, wrong, f"{n} fits"))
    return out


@claim(
    "the chi-square divergence grows as (K - 1)(1 - (1 - 1/M)^n), whatever the law",
    source="second moments; theory/derivations/lineages.md",
    section=SECTION,
    chains=CHAINS,
    tier="quick",
    theorems=["divergence.expected_chi_square"],
)
def chi_square_growth(seed: int, chains: int) -> Evidence:
    n, states = 5, len(LAW)
    expected = functools.partial(divergence.expected_chi_square, states)
    wrong = {
        "K for K - 1": float(divergence.expected_chi_square(states + 1, SIZE, n)),
        "linear, (K - 1) n / M": (states - 1) * n / SIZE,
        "one generation early": float(expected(SIZE, n - 1)),
    }
    observed = BoundedMean(at(chains_of(seed, chains), "chi_square", n), 0, 1 / min(LAW) - 1)
    return Evidence(observed, float(expected(SIZE, n)), wrong, f"{n} fits")


@claim(
    "the time to fixation has the law that the lineage chain gives, for any number of states",
    source="duality; theory/derivations/fixation.md",
    section=SECTION,
    chains=CHAINS,
    tier="quick",
    theorems=[
        "fixation.fixation_time_cdf",
        "fixation.fixation_time_moments",
        "fixation_diffusion.fixation_time_mean_limit",
    ],
)
def fixation_time(seed: int, chains: int) -> list[Evidence]:
    # time in fits: generation + 1; a chain still alive at the end counts as LAST + 2, and so does the prediction
    end = LAST + 2
    times = np.minimum(at(chains_of(seed, chains), "absorption_time", LAST + 1) + 1, end)
    mean = 1 + float(fixation.fixation_time_survival(LAW, SIZE, np.arange(1, end)).sum())
    larger = 1 + float(fixation.fixation_time_survival(LAW, SIZE + 1, np.arange(1, end)).sum())
    diffusion = float(fixation_diffusion.fixation_time_mean_limit(LAW, SIZE))
    cdf = functools.partial(fixation.fixation_time_cdf, LAW)
    n = 10
    return [
        Evidence(
            BoundedMean(times, 1, end),
            mean,
            {
                "the diffusion's mean": diffusion,
                "diploid: twice that": 2 * diffusion,
                "M + 1 for M": larger,
                "generations for fits": mean - 1,
            },
            "mean, in fits",
        ),
        Evidence(
            Proportion.of(times <= n),
            float(cdf(SIZE, n)),
            {"one generation early": float(cdf(SIZE, n - 1)), "M + 1 for M": float(cdf(SIZE + 1, n))},
            f"P(T <= {n})",
        ),
    ]

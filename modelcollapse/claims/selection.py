"""Tails and tastes: what power laws lose, and what a preference, a filter or a detector does to the data."""

from __future__ import annotations

from collections.abc import Iterator

import jax.numpy as jnp
import numpy as np
import scipy

from modelcollapse.families import Curated, Discrete
from modelcollapse.laws import Law
from modelcollapse.verify import BoundedMean, Evidence, Formula, Lab, Proportion, Section
from modelcollapse_theory import curation as curate
from modelcollapse_theory import selection, tails

SOURCE = "theory/derivations/selection.md"
E = Section("E. regression, tails, selection", chains=100_000, tier="quick")


@E.claim(
    tails.unseen_mass,
    tails.distinct_states,
    tails.lost_mass,
    source="Karlin (1967); theory/derivations/tails.md",
    chains=8_000,
)
def zipf_tails(lab: Lab) -> Iterator[Evidence]:
    """Zipf tails: n fits lose what one sample of M a_n would miss, about n^c M^-c with c = 1 - 1/b: not linear in n"""
    exponent, size, fits = 2.0, 200, 8
    random = lab.random("zipf")
    # the infinite law itself, drawn by rejection; a rank beyond 2^53 weighs nothing
    data = random.zipf(exponent, (lab.chains, size)).astype(np.float64)
    for n in (1, fits):
        for _ in range(n - 1):
            data = np.take_along_axis(data, random.integers(size, size=data.shape), axis=1)
        ordered = np.sort(data, axis=1)
        new = np.concatenate([np.ones((lab.chains, 1), bool), np.diff(ordered, axis=1) > 0], axis=1)
        missed = BoundedMean(1 - np.where(new, ordered**-exponent, 0.0).sum(1) / scipy.special.zeta(exponent), 0, 1)
        lost = Formula(tails.lost_mass, exponent, size, n)
        wrong = {"exponent 1.8": lost(exponent=1.8), "half the sample": lost(sample_size=size // 2)}
        if n > 1:
            wrong["linear in n"] = n * lost(fits=1)
        yield lost.against(missed, f"mass lost, {n} fits", wrong, early=int(n > 1), slack=lost() * n / size)
        if n == 1:
            states = Formula(tails.distinct_states, exponent, size)
            wrong = {
                "exponent 1.8": states(exponent=1.8),
                "Heaps with 1 for Gamma": np.sqrt(size / scipy.special.zeta(2)) - 0.5,
            }
            counted = BoundedMean(new.sum(1), 1, size)
            yield states.against(counted, "distinct states, one fit", wrong, slack=size ** (1 / exponent - 1))


@E.claim(selection.fixation_probability, source=f"Kimura (1962); exact solve of the chain, {SOURCE}", chains=40_000)
def preferred_state(lab: Lab) -> Iterator[Evidence]:
    """a preferred state takes over with probability (1 - e^(-2Msx)) / (1 - e^(-2Ms)): haploid, 2M and not 4N"""
    size, advantage, start = 50, 0.02, 0.2
    random = lab.random("preference")
    count = np.full(lab.chains, int(size * start))
    while np.any(alive := (count > 0) & (count < size)):
        held = count[alive] / size
        count[alive] = random.binomial(size, (1 + advantage) * held / (1 + advantage * held))
    limit = Formula(selection.fixation_probability, start, size, advantage)
    wrong = {
        "neutral": start,
        "diploid, 4N": limit(sample_size=2 * size),
        "half the sample": limit(sample_size=size // 2),
    }
    seen = Proportion.of(count == size)
    yield Evidence(seen, selection.fixation_probability_exact(start, size, advantage), wrong, "the finite chain")
    yield limit.against(seen, "diffusion", wrong, slack=advantage * limit())


def picked(lab: Lab, name: str, family: Curated, law: np.ndarray) -> Proportion:
    """Whether an item that comes out is of the last state."""
    model = Law(family, jnp.asarray(law, jnp.result_type(float)))
    return Proportion.of(lab.last(name, Discrete(), model, observe="probabilities", size=1, fits=1)[:, -1] == 1)


@E.claim(
    selection.curated, selection.tilted, curate.best_choice,
    source=f"model as summarised for arXiv 2407.09499; {SOURCE}",
)  # fmt: skip
def curation(lab: Lab) -> Iterator[Evidence]:
    """curation: the pick among k draws, by reward, has a law of its own; for k = 2 half of the pairs count twice"""
    law, reward = np.array([0.5, 0.3, 0.2]), np.array([0.0, 1.0, 2.0])
    for choices in (2, 4):
        seen = picked(lab, f"picks {choices}", Curated(Discrete(), reward, choices), law)
        exact = Formula(selection.curated, law, reward, choices, at=(2,))
        wrong = {
            "no choice": law[2],
            "k without end, p e^r": selection.tilted(law, reward, 1)[2],
            "one choice more": exact(choices=choices + 1),
        }
        yield exact.against(seen, f"pick of {choices}, the state of most reward", wrong)
    exact = Formula(curate.best_choice, law, reward, 4, at=(2,))
    wrong = {"by odds": selection.curated(law, reward, 4)[2], "one choice more": exact(choices=5), "always": 1.0}
    seen = picked(lab, "best", Curated(Discrete(), reward, 4, "best"), law)
    yield exact.against(seen, "best of 4, the state of most reward", wrong)


@E.claim(
    selection.verified_precision,
    selection.detected_share,
    source=f"Bayes; setting as summarised for arXiv 2406.07515; {SOURCE}",
)
def filters(lab: Lab) -> Iterator[Evidence]:
    """a filter turns precision q into q phi / (q phi + (1 - q) psi), and a detector the real share likewise"""
    random = lab.random("filters")
    right, keep, leak = 0.4, 0.9, 0.3
    is_right, pass_by = random.random(lab.chains) < right, random.random(lab.chains)
    passed = pass_by < np.where(is_right, keep, leak)
    real, found, mistaken = 0.2, 0.8, 0.1
    is_real, fate = random.random(lab.chains) < real, random.random(lab.chains)
    left = fate >= np.where(is_real, mistaken, found)
    precision = Formula(selection.verified_precision, right, keep, leak)
    wrong = {
        "unchanged": right,
        "psi ignored": right * keep,
        "rates exchanged": precision(keep_right=leak, keep_wrong=keep),
    }
    yield precision.against(Proportion.of(is_right[passed]), "precision after a filter", wrong)
    share = Formula(selection.detected_share, real, found, mistaken)
    wrong = {
        "unchanged": real,
        "no false positives": share(false_positive=0.0),
        "rates exchanged": share(true_positive=mistaken, false_positive=found),
    }
    yield share.against(Proportion.of(is_real[left]), "real share after a detector", wrong)

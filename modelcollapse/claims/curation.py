"""Selection at finite size and in the limit: picks, verifiers, temperature, cuts, with and without real data."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from modelcollapse.families import Curated, Discrete, Gaussian, GaussianMean, Tempered, Truncated, Verified
from modelcollapse.protocols import Family
from modelcollapse.regimes import FreshReal, Mixture, Replace, Switch
from modelcollapse.sources import categorical, normal
from modelcollapse.verify import BoundedMean, ChernoffMean, Evidence, Formula, Lab, NominalMean, Proportion, Section
from modelcollapse_theory import (
    best_of,
    curation,
    fresh_gaussian,
    gaussian,
    selection,
    temperature,
    truncation,
    two_states,
    verification,
)

S = Section("E. selection", source="theory/derivations/curation.md", chains=20_000)
SIZE, START = 20, 0.2
LATE = 400  # fits, by which all chains of two states without real data are settled
SHARES = np.arange(SIZE + 1) / SIZE
FIRST = two_states.next_counts([START, START], SIZE)[0]


def settled(response: np.ndarray) -> float:
    """The chance that the first state takes over, from a first data set that is real."""
    return float(FIRST @ two_states.takes_over(response))


def taken_over(lab: Lab, name: str, family: Family) -> Proportion:
    """Whether the first state has everything, in each chain."""
    law = lab.last(name, family, categorical([START, 1 - START]), observe="probabilities", size=SIZE, fits=LATE)
    return Proportion.of(law[:, 0] == 1)


@S.claim(two_states.takes_over, two_states.choice_share, two_states.choice_fixation, two_states.choice_advantage)
def picks_take_over(lab: Lab) -> Iterator[Evidence]:
    """a type that judges prefer takes over as the chain of its count says; k choices have strength (1 - 1/k) r"""
    reward, choices = 0.2, 2
    seen = taken_over(lab, "picks", Curated(Discrete(), [reward, 0.0], choices=choices))
    exact = settled(two_states.choice_share(SHARES, reward, choices))
    wrong = {
        "no preference": START,
        "strength r whatever k": settled(two_states.choice_share(SHARES, reward, 10_000)),
        "one choice more": settled(two_states.choice_share(SHARES, reward, choices + 1)),
    }
    yield Evidence(seen, exact, wrong, "the finite chain", slack=1e-8)
    limit = Formula(two_states.choice_fixation, START, SIZE, reward, choices)
    wrong = {"no preference": START, "many choices": limit(choices=10**6), "diploid, 4N": limit(sample_size=2 * SIZE)}
    yield limit.against(seen, "diffusion", wrong, slack=limit() * reward / 2)


@S.claim(two_states.takes_over, verification.verified_fixation, verification.accepted, tier="quick", chains=8_000)
def what_is_right_takes_over(lab: Lab) -> Iterator[Evidence]:
    """a verifier lets what is right take over with the chance of a selection coefficient ln(phi/psi), not certainly"""
    right, wrong_rate = 0.9, 0.75
    family = Verified(Discrete(), correct=[True, False], right=right, wrong=wrong_rate)
    seen = taken_over(lab, "verified", family)

    def response(keep_right: float, keep_wrong: float) -> np.ndarray:
        return np.array([verification.accepted([x, 1 - x], [keep_right, keep_wrong])[0] for x in SHARES])

    wrong = {
        "it always does": 1.0,
        "no verifier": START,
        "wrong items never pass": settled(response(right, 1e-3)),
        "psi a tenth higher": settled(response(right, 1.1 * wrong_rate)),
    }
    yield Evidence(seen, settled(response(right, wrong_rate)), wrong, "the finite chain", slack=1e-8)
    limit = Formula(verification.verified_fixation, START, SIZE, right, wrong_rate)
    wrong = {"no verifier": START, "diploid, 4N": limit(sample_size=2 * SIZE)}
    yield limit.against(seen, "diffusion", wrong, slack=limit() * np.log(right / wrong_rate) / 2)


@S.claim(two_states.absorption_time, two_states.count_law, chains=30_000)
def metastable_diversity(lab: Lab) -> Iterator[Evidence]:
    """without real data a temperature above 1 keeps two states long, not for ever: the law and mean of the time"""
    size, tau, fits = 10, 1.1, 12
    share = np.arange(size + 1) / size
    first = two_states.next_counts([0.5, 0.5], size)[0]

    def response(heat: float) -> np.ndarray:
        return np.array([selection.tempered([x, 1 - x], heat, 1)[0] for x in share])

    def absorbed(heat: float, n: int) -> float:
        law = two_states.count_law(response(heat), 0.5, n)
        return float(law[0] + law[-1])

    run = lab.run(
        "metastable", Tempered(Discrete(), tau), categorical([0.5, 0.5]), None, ["absorbed", "absorption_time"],
        size=size, fits=[fits, 600],
    )  # fmt: skip
    wrong = {
        "temperature 1": absorbed(1.0, fits),
        "temperature 1/1.1": absorbed(1 / tau, fits),
        "one fit early": absorbed(tau, fits - 1),
    }
    yield Evidence(Proportion.of(run["absorbed"][:, 0]), absorbed(tau, fits), wrong, f"P(one state, {fits} fits)")
    exact, wrong = (first @ two_states.absorption_time(response(t)) for t in (tau, 1.0))
    # generation g is fit g + 1, and the time counts fits after the first
    times = run["absorption_time"][:, -1].astype(float)
    yield Evidence(NominalMean(times), exact, {"temperature 1": wrong, "for ever": 600.0}, "E T", slack=1e-3)


@S.claim(two_states.stationary_counts, two_states.decay)
def selection_against_real_data(lab: Lab) -> Iterator[Evidence]:
    """curation and a real share settle at a law of the count, away from the truth and from the infinite limit"""
    size, reward, choices, g, fits = 10, 1.0, 3, 0.2, 60
    truth, share = 0.3, np.arange(size + 1) / size
    picked = two_states.choice_share(share, reward, choices)
    response = (1 - g) * picked + g * truth
    family = Curated(Discrete(), [reward, 0.0], choices=choices)
    run = lab.run(
        "kept apart", family, categorical([truth, 1 - truth]), Mixture(1 - g, 0.0, g), ["probabilities", "lost"],
        size=size, fits=fits,
    )  # fmt: skip
    limit = truth
    for _ in range(500):
        limit = (1 - g) * float(two_states.choice_share(limit, reward, choices)) + g * truth
    law = two_states.stationary_counts(response)
    exactly = two_states.stationary_counts(picked, round(g * size), truth)
    slack = float(two_states.decay(response)) ** (fits - 1)
    wrong = {"the truth": truth, "infinite data": limit, "no real data": 1.0}
    yield Evidence(BoundedMean(run["probabilities"][:, -1, 0], 0, 1), law @ share, wrong, "E x", slack=slack)
    wrong = {"exactly g M real items": exactly[-1], "neutral": two_states.stationary_counts((1 - g) * share)[-1]}
    yield Evidence(Proportion.of(run["lost"][:, -1, 1]), law[-1], wrong, "P(the other is absent)", slack=slack)


def near(points: jax.Array) -> jax.Array:
    """A soft verifier with its centre at 0.3 and width 1.5."""
    return jnp.exp(-((points[:, 0] - 0.3) ** 2) / (2 * 1.5**2))


@S.claim(verification.soft_mean_error, verification.soft_stopping)
def soft_verifier(lab: Lab) -> Iterator[Evidence]:
    """verified retraining first gains on a small real sample, then ends at the verifier's own centre"""
    real, size, fits = 5, 50, [2, 4, 13]
    run = lab.run(
        "soft verifier", Verified(GaussianMean(1.0), accept=near), normal(), Replace(), "squared_mean_error",
        size=np.array([real] + [size] * 12), fits=fits,
    )  # fmt: skip
    exact = Formula(verification.soft_mean_error, 0.3, 1.5, size, 2, real)
    for i, n in enumerate(fits):
        wrong = {"no verifier": 1 / real + (n - 1) / size, "as at the first fit": 1 / real}
        if n > 2:
            wrong["a verifier at the truth"] = exact(gap=0.0, fits=n)
            wrong["no gain, or no reversal"] = exact(fits=17 - n)  # 4 for 13, and 13 for 4
        if n == 4:
            best = verification.soft_stopping(0.3, 1.5, size, real)
            assert abs(best.fits - n) < 0.5
            assert best.error <= exact(fits=n)
        yield Evidence(NominalMean(run["squared_mean_error"][:, i]), exact(fits=n), wrong, f"{n} fits")


def moved(cgf: Callable[[Any], float], shift: float, theta: float) -> float:
    """The cumulant generating function of values that are ``shift`` larger."""
    return cgf(theta) + theta * shift


@S.claim(temperature.normal_log_variance, temperature.balancing_temperature, tier="quick", chains=40_000)
def tempered_normal(lab: Lab) -> Iterator[Evidence]:
    """a normal's log variance moves by ln tau more a fit after the first, and tau = e^m stops the typical collapse"""
    size, fits = 20, 15
    balance = float(temperature.balancing_temperature(size))
    cgf = Formula(gaussian.log_variance_cgf, sample_size=size, fits=fits).along("theta")
    for what, tau in (("tau = 0.9", 0.9), ("tau = e^m", balance)):
        exact = Formula(temperature.normal_log_variance, tau, size, fits)
        shift = (fits - 1) * np.log(tau)
        walked = lab.last(what, Tempered(Gaussian(), tau), normal(), observe="log_variance", size=size, fits=fits)
        seen = ChernoffMean.about(exact(), walked[:, 0], partial(moved, cgf, shift), -(size - 1) / 2 / fits)
        wrong = {
            "temperature ignored": exact(temperature=1.0),
            "deviation for variance": exact(temperature=tau**2),
        }
        if tau < 1:  # at balance the typical variance is the same at each fit
            wrong |= {"real data tempered too": exact() + np.log(tau)} | exact.near(early=1, unit="fit")
        yield exact.against(seen, f"E ln sigma^2, {what}", wrong)


@S.claim(truncation.truncated_variance, truncation.expected_variance, truncation.truncated_kurtosis,
         truncation.log_variance_drift, fresh_gaussian.mean_error_and_variance)  # fmt: skip
def cut_normal(lab: Lab) -> Iterator[Evidence]:
    """a normal cut at c deviations loses a fixed share of its variance at every fit, and fresh real data stop that"""
    size, cut, fits, real = 30, 1.5, 5, 9
    family, factor = Truncated(Gaussian(), within=cut), float(truncation.truncated_variance(cut))
    observe = ["variance", "log_variance", "squared_mean_error"]
    run = lab.run("cut", family, normal(), None, observe, size=size, fits=fits)
    exact = Formula(truncation.expected_variance, cut, size, fits)
    wrong = {"no cut": 1.0, "real data cut too": exact() * factor, "mass for variance": 0.8664 ** (fits - 1)}
    yield exact.against(NominalMean(run["variance"][:, -1, 0]), "E sigma^2", wrong, early=1, unit="fit")
    start, drift = float(gaussian.expected_log_variance(size, 1)), float(truncation.log_variance_drift(cut, size))
    wrong = {
        "ln k_c alone": start + (fits - 1) * np.log(factor),
        "cut draws taken for normal": fits * start + (fits - 1) * np.log(factor),
    }
    slack = (fits - 1) / size**2
    seen = NominalMean(run["log_variance"][:, -1, 0])
    yield Evidence(seen, start + (fits - 1) * drift, wrong, "E ln sigma^2", slack=slack)
    run = lab.run("cut, fresh", family, normal(), FreshReal(real / size), observe, size=size, fits=fits)
    for at, what in enumerate(("squared_mean_error", "variance")):
        kept = Formula(fresh_gaussian.mean_error_and_variance, size, real, fits, at=(at,), sampling_bias=factor)
        wrong = {"no cut": kept(sampling_bias=1.0), "no real data": kept(real_size=0)}
        yield kept.against(NominalMean(np.ravel(run[what][:, -1])), f"E {what}, real data", wrong)


def itself(points: jax.Array) -> jax.Array:
    """The reward x."""
    return points[:, 0]


@S.claim(best_of.winner, best_of.expected_variance, best_of.expected_gain, best_of.gain_bound)
def best_of_some(lab: Lab) -> Iterator[Evidence]:
    """best of k: variance falls by v_k a fit, so the mean gains ever less, and its reach is bounded"""
    size, choices, fits = 20, 4, 5
    family = Curated(Gaussian(), itself, choices=choices, pick="best")
    run = lab.run("best of k", family, normal(), None, ["variance", "mean"], size=size, fits=fits)
    exact = Formula(best_of.expected_variance, choices, size, fits)
    wrong = {"best of 3": exact(choices=3), "no choice": 1.0, "real data chosen too": exact(fits=fits + 1)}
    yield exact.against(NominalMean(run["variance"][:, -1, 0]), "E sigma^2", wrong, early=1, unit="fit")
    gain = Formula(best_of.expected_gain, choices, size, fits)
    wrong = {
        "as much at every fit": best_of.winner(choices).mean * (fits - 1),
        "infinite data": best_of.gain_bound(choices, fits),
        "all of the reach": best_of.gain_bound(choices),
    }
    seen = NominalMean(run["mean"][:, -1, 0])
    yield gain.against(seen, "E gain", wrong, early=1, unit="fit", slack=(fits - 1) / size**2)


def evenness(law: np.ndarray) -> float:
    """The chance that two draws from a law differ."""
    return float(1 - law @ law)


@S.claim(temperature.tempered_limit, temperature.uniform_multiplier, temperature.cured_share, chains=300)
def prevention_and_cure(lab: Lab) -> Iterator[Evidence]:
    """the real share that keeps a flat law at a low temperature does not bring it back: that takes more"""
    states, tau, size, later = 10, 0.8, 20_000, 160
    flat, top = np.full(states, 1 / states), np.eye(states)[0]
    between, above = 0.25, 0.32
    assert 1 - tau < between < temperature.cured_share(states, tau) < above
    for what, g, begin, start in (
        ("kept", between, 0, flat),
        ("not cured", between, 80, top),
        ("cured", above, 80, top),
    ):
        # without real data one state takes all; then real data come back
        regime = Switch(Replace(), Mixture(1 - g, 0.0, g), begin) if begin else Mixture(1 - g, 0.0, g)
        seen = lab.last(
            what, Tempered(Discrete(), tau), categorical(flat), regime, observe="heterozygosity", size=size,
            fits=begin + later,
        )  # fmt: skip
        exact = evenness(temperature.tempered_limit(flat, tau, g, start))
        collapsed = evenness(temperature.tempered_limit(flat, tau, between, top))
        wrong = {"one state alone": 0.0, "g > 1 - tau cures" if what == "not cured" else "collapsed": (
            evenness(flat) if what == "not cured" else collapsed
        )}  # fmt: skip
        # noise of 1/M a fit, remembered at the multiplier
        noise = 1 / size / (1 - float(temperature.uniform_multiplier(tau, g)) ** 2)
        yield Evidence(NominalMean(seen), exact, wrong, what, slack=2 * noise)


@S.claim(temperature.tempered_limit, temperature.tempered_share, chains=300)
def a_skewed_vocabulary(lab: Lab) -> Iterator[Evidence]:
    """a share above 1 - tau keeps a flat law, but of a Zipf vocabulary only the head; the planner knows the share"""
    states, tau, size, fits, wanted = 200, 0.9, 50_000, 80, 40.0
    law = 1 / np.arange(1, states + 1)
    law /= law.sum()
    planned = temperature.share_to_keep_words(law, tau, wanted).value

    def entropy(heat: float, share: float, n: int = fits) -> float:
        return float(np.log(temperature.effective_states(temperature.tempered_share(law, heat, share, n))))

    for what, g, exact in (("g = 0.2", 0.2, entropy(tau, 0.2)), ("as planned", planned, float(np.log(wanted)))):
        seen = lab.last(
            f"zipf, {what}", Tempered(Discrete(), tau), categorical(law), Mixture(1 - g, 0.0, g), observe="entropy",
            size=size, fits=fits,
        )  # fmt: skip
        wrong = {
            "g > 1 - tau keeps the vocabulary": entropy(tau, g, 1),
            "temperature 0.8": entropy(0.8, g),
            "nine tenths of the real data": entropy(tau, 0.9 * g),
        }
        # O(K/(g M)): what sampling takes from the entropy at a fit, over the share that restores it
        slack = (states - 1) / (2 * size) / g + abs(entropy(tau, g) - exact)
        yield Evidence(NominalMean(seen), exact, wrong, f"E entropy, {what}", slack=slack)


@S.claim(curation.house_of_cards, chains=300)
def house_of_cards(lab: Lab) -> Iterator[Evidence]:
    """curation against a real share: each state is inflated by g/(1 - (1-g) w/lambda), and none is lost"""
    law, reward, g, size = np.array([0.5, 0.3, 0.15, 0.05]), np.array([0.0, 0.5, 1.0, 2.0]), 0.2, 20_000
    seen = lab.last(
        "house of cards", Curated(Discrete(), reward, choices=math.inf), categorical(law), Mixture(1 - g, 0.0, g),
        observe="probabilities", size=size, fits=60,
    )  # fmt: skip
    exact, _ = curation.house_of_cards(law, reward, g)
    pairs = law
    for _ in range(200):
        pairs = (1 - g) * selection.curated(pairs, reward, 2) + g * law
    for at in (0, 3):
        wrong = {"the truth": law[at], "no real data": float(at == 3)} | ({"two choices": pairs[at]} if at == 3 else {})
        yield Evidence(NominalMean(seen[:, at]), exact[at], wrong, f"E p, state {at}", slack=10 / size)


@S.claim(curation.nash, curation.plural, chains=300)
def several_judges(lab: Lab) -> Iterator[Evidence]:
    """several rewards end at their weighted Nash product: as many states as judges, not the greatest sum"""
    shares, size, fits = np.array([0.6, 0.4]), 50_000, 60
    rewards = np.array([[1.0, 0.0, 0.3, 0.0], [0.0, 1.5, 0.6, 0.5]])
    law = np.full(4, 0.25)
    seen = lab.last(
        "judges", Curated(Discrete(), rewards, choices=math.inf, shares=shares), categorical(law),
        observe="probabilities", size=size, fits=fits + 1,
    )  # fmt: skip
    exact, limit = curation.plural(law, rewards, shares, fits), curation.nash(law, rewards, shares)
    assert np.abs(exact - limit).max() < 1e-3
    greatest = np.eye(4)[(shares @ np.exp(rewards)).argmax()]
    for at in (0, 1):
        wrong = {"as the judges' shares": shares[at], "the greatest sum": greatest[at], "at the start": law[at]}
        yield Evidence(NominalMean(seen[:, at]), limit[at], wrong, f"E p, state {at}", slack=1e-3 + fits / size)

"""Sources of error: expressivity adds once, a learner's bias eats into noise, and rounding feeds the variance."""

from __future__ import annotations

import dataclasses
import functools
from typing import Any

import numpy as np

from modelcollapse.families import Damped, Gaussian, Rounded
from modelcollapse.observables import excess_log_loss, first_below
from modelcollapse.run import Run, simulate
from modelcollapse.sources import linear, normal, normal_mixture
from modelcollapse.verify.evidence import ChernoffMean, Evidence, NominalMean, Proportion
from modelcollapse.verify.registry import claim, stream
from modelcollapse_theory import errors, gaussian, precision, regression

SECTION = "F. error sources"
SOURCE = "theory/derivations/errors.md"
PRECISION = "theory/derivations/precision.md"
WEIGHTS, MEANS, SIZE, FITS = (0.5, 0.5), (-3.0, 3.0), 50, 3
H = 2.0**-10  # spacing of float16 around MIDDLE, which is far from where it changes
MIDDLE = 1.5


def misfit(seed: int, chains: int, ddof: int = 1, rate: float = 1.0) -> np.ndarray:
    """Excess log loss ``(chains,)`` of one normal for two after ``FITS`` fits."""
    source = normal_mixture(WEIGHTS, MEANS, (1.0, 1.0))
    family = Gaussian(ddof=ddof)
    run = simulate(
        family if rate == 1 else Damped(family, rate), source, observe={"loss": excess_log_loss(source)}, size=SIZE,
        generations=FITS - 1, chains=chains, seed=stream(seed, f"misfit {ddof} {rate}"), record=[FITS - 1],
    )  # fmt: skip
    return run["loss"][:, 0]


@claim(
    "the loss of one normal on a truth of two is the expressivity gap, once, and the sampling error beside it",
    source=SOURCE,
    section=SECTION,
    chains=40_000,
    theorems=["errors.expected_divergence", "errors.expressivity_gap"],
)
def errors_of_a_misfit(seed: int, chains: int) -> list[Evidence]:
    gap = errors.expressivity_gap(WEIGHTS, MEANS, (1.0, 1.0))
    exact = functools.partial(errors.expected_divergence, WEIGHTS, MEANS, 1.0, SIZE)
    added = gap + float(errors.expected_divergence([1.0], [0.0], 1.0, SIZE, FITS))
    out = []
    cases: dict[str, dict[str, Any]] = {"full refits": {}, "ddof = 0": {"ddof": 0}, "half refits": {"rate": 0.5}}
    for what, options in cases.items():
        at = float(exact(FITS, **options))
        wrong = {
            "samples alone": at - gap,
            "the gap at every fit": at + (FITS - 1) * gap,
            "one generation early": float(exact(FITS - 1, **options)),
        }
        wrong |= (
            {"errors of a normal truth, added up": added}
            if not options
            else {"full unbiased refits": float(exact(FITS))}
        )
        out.append(Evidence(NominalMean(misfit(seed, chains, **options)), at, wrong, f"E KL, {what}"))
    return out


@claim(
    "a refit that goes a share of the way collapses at that share of the speed, the first fit apart",
    source=SOURCE,
    section=SECTION,
    chains=40_000,
    tier="quick",
    theorems=["errors.damped_log_variance"],
)
def partial_refits(seed: int, chains: int) -> Evidence:
    rate, fits, size = 0.3, 20, 20
    run = simulate(
        Damped(Gaussian(), rate), normal(), observe="log_variance", size=size, generations=fits - 1, chains=chains,
        seed=stream(seed, "partial"), record=[fits - 1],
    )  # fmt: skip
    at = float(errors.damped_log_variance(rate, size, fits))
    cgf = functools.partial(gaussian.log_variance_cgf, sample_size=size, fits=1)

    def centred(t: float) -> float:
        return float(cgf(t)) + (fits - 1) * float(cgf(rate * t)) - t * at

    wrong = {
        "full refits": float(gaussian.expected_log_variance(size, fits)),
        "the first fit partial too": rate * float(gaussian.expected_log_variance(size, fits)),
        "rate squared": float(errors.damped_log_variance(rate**2, size, fits)),
    }
    law = ChernoffMean(run["log_variance"][:, 0, 0], centred, (-(size - 1) / 2, np.inf))
    return Evidence(law, at, wrong, f"E ln sigma^2, rate {rate}, {fits} fits")


@claim(
    "ridge, or gradient descent stopped early, on one design: the learner's bias and the noise add, but the bias damps the noise",
    source=SOURCE,
    section=SECTION,
    chains=20_000,
    theorems=["errors.shrunken_risk", "errors.ridge_shrinkage", "errors.gradient_shrinkage"],
)
def biased_learners(seed: int, chains: int) -> list[Evidence]:
    fits, noise = 4, 1.0
    rows = np.random.default_rng(0).standard_normal((30, 3)) * [1.0, 0.6, 0.3]
    values, axes = np.linalg.eigh(rows.T @ rows / len(rows))
    weights = np.array([1.0, -1.0, 1.0])
    source = linear(weights, noise=noise, design=rows)
    plain = float(regression.fixed_design_risk(rows, fits, noise**2))
    out = []
    for what, changes, kept in (
        ("ridge", {"penalty": 0.1}, errors.ridge_shrinkage(values, 0.1, 1)),
        ("6 steps of gradient descent", {"steps": 6, "rate": 0.4}, errors.gradient_shrinkage(values, 0.4, 6, 1)),
    ):
        run = simulate(
            dataclasses.replace(source.family, **changes), source, observe="excess_risk", size=len(rows),
            generations=fits - 1, chains=chains, seed=stream(seed, what), record=[fits - 1],
        )  # fmt: skip
        exact = functools.partial(errors.shrunken_risk, values, axes.T @ weights, kept, noise**2, len(rows))
        bias, heard = (float(x) for x in exact(fits))
        wrong = {
            "bias and noise added": bias + plain,
            "bias alone": bias,
            "noise alone": plain,
            "one fit early": float(sum(exact(fits - 1))),
        }
        out.append(Evidence(NominalMean(run["excess_risk"][:, 0]), bias + heard, wrong, f"E risk, {what}, {fits} fits"))
    return out


def rounded_rows(
    seed: int, name: str, chains: int, size: int, spread: float, fits: list[int], observe: Any, **options: Any
) -> Run:
    """Rows in float16 from a normal truth of ``spread`` spacings."""
    return simulate(
        Rounded(Gaussian(), "float16", **options), normal(MIDDLE, (spread * H) ** 2), observe=observe, size=size,
        generations=fits[-1] - 1, chains=chains, seed=stream(seed, name), record=[n - 1 for n in fits],
    )  # fmt: skip


@claim(
    "rows rounded to multiples of h add h^2/12 to the mean variance at every fit",
    source="Sheppard 1898; " + PRECISION,
    section=SECTION,
    chains=20_000,
    theorems=["precision.fed_variance", "precision.rounded_moments"],
)
def rounding_feeds(seed: int, chains: int) -> list[Evidence]:
    size, fits, spread = 200, 20, 1.0
    run = rounded_rows(seed, "feeds", chains, size, spread, [1, fits], "variance")
    first = float(precision.rounded_moments(MIDDLE / H, spread, 1.0)[1])
    grown = functools.partial(precision.fed_variance, spread**2)
    wrong = {
        "no rounding": spread**2,
        "one fit early": float(grown(1 / 12, size, fits - 1)),
        "rounding down, h^2/3": float(grown(1 / 3, size, fits)),
        "ddof = 0": float(grown(1 / 12, size, fits, ddof=0)),
    }
    return [
        Evidence(
            NominalMean(run["variance"][:, 0, 0] / H**2),
            first,
            {"no rounding": spread**2, "h^2/3": spread**2 + 1 / 3},
            "E variance/h^2, first fit",
        ),
        Evidence(
            NominalMean(run["variance"][:, 1, 0] / H**2),
            float(grown(1 / 12, size, fits)),
            wrong,
            f"E variance/h^2, {fits} fits",
        ),
    ]


@claim(
    "so a chain of rounded rows does not die out: its variance settles near M h^2/12, as with a ridge",
    source=PRECISION,
    section=SECTION,
    chains=10_000,
    theorems=["precision.fed_variance_cdf"],
)
def rounding_floor(seed: int, chains: int) -> list[Evidence]:
    size, fits, spread = 50, 300, 4.0
    run = rounded_rows(seed, "floor", chains, size, spread, [fits], "variance")
    values, out = run["variance"][:, 0, 0] / H**2, []
    for level in (size / 12, size / 4):
        exact = functools.partial(precision.fed_variance_cdf, level, spread**2, sample_size=size, fits=fits)
        wrong = {
            "no rounding: it goes on to 0": float(gaussian.log_variance_cdf(np.log(level / spread**2), size, fits)),
            "a ridge of h^2/6": float(exact(ridge=1 / 6)),
            "ddof = 0": float(exact(ridge=1 / 12, ddof=0)),
        }
        out.append(
            Evidence(Proportion.of(values < level), float(exact(ridge=1 / 12)), wrong, f"P(variance < {level:.3g} h^2)")
        )
    return out


@claim(
    "two rounded rows a fit are absorbed by a Markov chain on their distance, later than half a spacing is crossed",
    source=PRECISION,
    section=SECTION,
    chains=100_000,
    tier="quick",
    theorems=["precision.pair_absorbed"],
)
def two_rows_absorbed(seed: int, chains: int) -> list[Evidence]:
    fits, spread = [3, 8], 2.0
    run = rounded_rows(seed, "pair", chains, 2, spread, fits, "absorbed")
    out = []
    for i, n in enumerate(fits):
        crossed = float(gaussian.log_variance_cdf(np.log((0.5 / spread) ** 2), 2, n))
        at = float(precision.pair_absorbed(spread, 1.0, n))
        wrong = {
            "deviation below h/2": crossed,
            "one fit early": float(precision.pair_absorbed(spread, 1.0, n - 1)),
            "twice the spacing": float(precision.pair_absorbed(spread, 2.0, n)),
        }
        out.append(Evidence(Proportion.of(run["absorbed"][:, i]), at, wrong, f"P(absorbed within {n} fits)"))
    return out


@claim(
    "without rounding of rows the deviation passes half a spacing after 2 M log(2 s/h) fits, and the mean then stands still",
    source="Wald's identity; " + PRECISION,
    section=SECTION,
    chains=10_000,
    theorems=["precision.resolution_time"],
)
def resolution_lost(seed: int, chains: int) -> Evidence:
    size, spread = 30, 5.0
    time = {"time": first_below("standard_deviation", H / 2)}
    run = rounded_rows(seed, "resolution", chains, size, spread, [2500], time, rows=False)
    exact = functools.partial(precision.resolution_time, spread, 1.0)
    wrong = {
        "a whole spacing": float(precision.resolution_time(spread, 2.0, size)),
        "ddof = 0": float(exact(size, ddof=0)),
    }
    # generation g is fit g + 1; the overshoot of a skewed walk is stated to O(1) fits
    return Evidence(NominalMean(run["time"][:, 0] + 1), float(exact(size)), wrong, "E fits until sd < h/2", slack=1.0)

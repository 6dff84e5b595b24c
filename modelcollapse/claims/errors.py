"""Sources of error: expressivity adds once, a learner's bias eats into noise, and rounding feeds the variance."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import Any

import numpy as np

from modelcollapse.families import Damped, Gaussian, Rounded
from modelcollapse.observables import excess_log_loss, first_below
from modelcollapse.sources import linear, normal, normal_mixture
from modelcollapse.verify import ChernoffMean, Evidence, Formula, Lab, NominalMean, Proportion, Section
from modelcollapse.verify.formula import Misses
from modelcollapse_theory import errors, gaussian, precision, regression

F = Section("F. error sources", source="theory/derivations/errors.md", chains=40_000)
PRECISION = "theory/derivations/precision.md"
WEIGHTS, MEANS, SIZE, FITS = (0.5, 0.5), (-3.0, 3.0), 50, 3
H = 2.0**-10  # spacing of float16 around MIDDLE, which is far from where it changes
MIDDLE = 1.5


def misfit(lab: Lab, ddof: int = 1, rate: float = 1.0) -> NominalMean:
    """Excess log loss of one normal for two after ``FITS`` fits."""
    source, family = normal_mixture(WEIGHTS, MEANS, (1.0, 1.0)), Gaussian(ddof=ddof)
    return NominalMean(lab.last(
        f"misfit {ddof} {rate}", family if rate == 1 else Damped(family, rate), source,
        observe={"loss": excess_log_loss(source)}, size=SIZE, fits=FITS,
    ))  # fmt: skip


@F.claim(errors.expected_divergence, errors.expressivity_gap)
def errors_of_a_misfit(lab: Lab) -> Iterator[Evidence]:
    """the loss of one normal on a truth of two is the expressivity gap, once, and the sampling error beside it"""
    gap = errors.expressivity_gap(WEIGHTS, MEANS, (1.0, 1.0))
    full = Formula(errors.expected_divergence, WEIGHTS, MEANS, 1.0, SIZE, FITS)
    cases: dict[str, dict[str, Any]] = {"full refits": {}, "ddof = 0": {"ddof": 0}, "half refits": {"rate": 0.5}}
    for what, options in cases.items():
        exact = Formula(errors.expected_divergence, WEIGHTS, MEANS, 1.0, SIZE, FITS, **options)
        wrong = {"samples alone": exact() - gap, "the gap at every fit": exact() + (FITS - 1) * gap}
        if options:
            wrong["full unbiased refits"] = full()
        else:
            wrong["errors of a normal truth, added up"] = gap + full(weights=[1.0], means=[0.0])
        yield exact.against(misfit(lab, **options), f"E KL, {what}", wrong, early=1)


@F.claim(errors.damped_log_variance, tier="quick")
def partial_refits(lab: Lab) -> Evidence:
    """a refit that goes a share of the way collapses at that share of the speed, the first fit apart"""
    rate, fits, size = 0.3, 20, 20
    walked = lab.last("partial", Damped(Gaussian(), rate), normal(), observe="log_variance", size=size, fits=fits)
    exact = Formula(errors.damped_log_variance, rate, size, fits)
    cgf = Formula(gaussian.log_variance_cgf, sample_size=size, fits=1).along("theta")
    refits = float(gaussian.expected_log_variance(size, fits))
    wrong = {"full refits": refits, "the first fit partial too": rate * refits, "rate squared": exact(rate=rate**2)}
    seen = ChernoffMean.about(exact(), walked[:, 0], lambda t: cgf(t) + (fits - 1) * cgf(rate * t), -(size - 1) / 2)
    return exact.against(seen, f"E ln sigma^2, rate {rate}, {fits} fits", wrong)


@F.claim(errors.shrunken_risk, errors.ridge_shrinkage, errors.gradient_shrinkage, chains=20_000)
def biased_learners(lab: Lab) -> Iterator[Evidence]:
    """ridge, or gradient descent stopped early, on one design: the learner's bias and the noise add, but the bias
    damps the noise"""
    fits, noise = 4, 1.0
    rows = np.random.default_rng(0).standard_normal((30, 3)) * [1.0, 0.6, 0.3]
    values, axes = np.linalg.eigh(rows.T @ rows / len(rows))
    weights = np.array([1.0, -1.0, 1.0])
    source = linear(weights, noise=noise, design=rows)
    plain = float(regression.fixed_design_risk(rows, fits, noise**2))
    for what, changes, kept in (
        ("ridge", {"penalty": 0.1}, errors.ridge_shrinkage(values, 0.1, 1)),
        ("6 steps of gradient descent", {"steps": 6, "rate": 0.4}, errors.gradient_shrinkage(values, 0.4, 6, 1)),
    ):
        family = dataclasses.replace(source.family, **changes)
        seen = lab.last(what, family, source, observe="excess_risk", size=len(rows), fits=fits)
        parts = values, axes.T @ weights, kept, noise**2, len(rows), fits
        risk, bias = Formula(errors.shrunken_risk, *parts, read=sum), float(errors.shrunken_risk(*parts)[0])
        wrong = {"bias and noise added": bias + plain, "bias alone": bias, "noise alone": plain}
        yield risk.against(NominalMean(seen), f"E risk, {what}, {fits} fits", wrong, early=1, unit="fit")


def rounded_rows(
    lab: Lab, name: str, size: int, spread: float, fits: list[int], observe: str | dict[str, Any], rows: bool = True
) -> np.ndarray:
    """An observable, ``(chains, fits, ...)``, of rows in float16 from a normal truth of ``spread`` spacings."""
    family, source = Rounded(Gaussian(), "float16", rows=rows), normal(MIDDLE, (spread * H) ** 2)
    (values,) = lab.run(name, family, source, observe=observe, size=size, fits=fits).trace.values()
    return values


@F.claim(precision.fed_variance, precision.rounded_moments, source=f"Sheppard 1898; {PRECISION}", chains=20_000)
def rounding_feeds(lab: Lab) -> Iterator[Evidence]:
    """rows rounded to multiples of h add h^2/12 to the mean variance at every fit"""
    size, fits, spread = 200, 20, 1.0
    first, last = (rounded_rows(lab, "feeds", size, spread, [1, fits], "variance")[..., 0] / H**2).T
    wrong = {"no rounding": spread**2, "h^2/3": spread**2 + 1 / 3}
    exact = precision.rounded_moments(MIDDLE / H, spread, 1.0)[1]
    yield Evidence(NominalMean(first), exact, wrong, "E variance/h^2, first fit")
    grown = Formula(precision.fed_variance, spread**2, 1 / 12, size, fits)
    wrong = {"no rounding": spread**2, "rounding down, h^2/3": grown(ridge=1 / 3)}
    yield grown.against(NominalMean(last), f"E variance/h^2, {fits} fits", wrong, early=1, unit="fit", ddof=0)


@F.claim(precision.fed_variance_cdf, source=PRECISION, chains=10_000)
def rounding_floor(lab: Lab) -> Iterator[Evidence]:
    """so a chain of rounded rows does not die out: its variance settles near M h^2/12, as with a ridge"""
    size, fits, spread = 50, 300, 4.0
    values = rounded_rows(lab, "floor", size, spread, [fits], "variance")[:, 0, 0] / H**2
    for level in (size / 12, size / 4):
        exact = Formula(precision.fed_variance_cdf, level, spread**2, 1 / 12, size, fits)
        wrong: Misses = {
            "no rounding: it goes on to 0": gaussian.log_variance_cdf(np.log(level / spread**2), size, fits),
            "a ridge of h^2/6": exact(ridge=1 / 6),
        }
        yield exact.against(Proportion.of(values < level), f"P(variance < {level:.3g} h^2)", wrong, ddof=0)


@F.claim(precision.pair_absorbed, source=PRECISION, chains=100_000, tier="quick")
def two_rows_absorbed(lab: Lab) -> Iterator[Evidence]:
    """two rounded rows a fit are absorbed by a Markov chain on their distance, later than half a spacing is crossed"""
    fits, spread = [3, 8], 2.0
    absorbed = rounded_rows(lab, "pair", 2, spread, fits, "absorbed")
    for i, n in enumerate(fits):
        exact = Formula(precision.pair_absorbed, spread, 1.0, n)
        wrong: Misses = {
            "deviation below h/2": gaussian.log_variance_cdf(np.log((0.5 / spread) ** 2), 2, n),
            "twice the spacing": exact(spacing=2.0),
        }
        seen = Proportion.of(absorbed[:, i])
        yield exact.against(seen, f"P(absorbed within {n} fits)", wrong, early=1, unit="fit")


@F.claim(precision.resolution_time, source=f"Wald's identity; {PRECISION}", chains=10_000)
def resolution_lost(lab: Lab) -> Evidence:
    """without rounding of rows the deviation passes half a spacing after 2 M log(2 s/h) fits, and the mean then
    stands still"""
    size, spread = 30, 5.0
    observe = {"time": first_below("standard_deviation", H / 2)}
    seen = rounded_rows(lab, "resolution", size, spread, [2500], observe, rows=False)[:, 0] + 1
    exact = Formula(precision.resolution_time, spread, 1.0, size)
    # generation g is fit g + 1; the overshoot of a skewed walk is stated to O(1) fits
    wrong = {"a whole spacing": exact(spacing=2.0)}
    return exact.against(NominalMean(seen), "E fits until sd < h/2", wrong, ddof=0, slack=1.0)

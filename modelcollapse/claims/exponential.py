"""Families with one parameter: the mean's error grows by 1 + v2/M per fit; the estimator decides how a scale ends."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from modelcollapse import regimes
from modelcollapse.families import Binomial, Gamma, GaussianMean, NegativeBinomial, Pareto, Poisson, Uniform
from modelcollapse.protocols import Family, Regime, Source
from modelcollapse.sources import binomial, exponential, gamma, negative_binomial, normal, pareto, poisson, uniform
from modelcollapse.verify import BoundedMean, ChernoffMean, Evidence, Formula, Lab, NominalMean, Proportion, Section
from modelcollapse.verify.formula import Misses
from modelcollapse_theory import exponential_families as theory
from modelcollapse_theory import special_families

D = Section("D. families", source="theory/derivations/exponential-families.md", chains=40_000)
SHAPE, TRIALS, CHANCE = 2.0, 3, 0.4
SIZE, FITS = 50, 5  # means of unbounded variables are tested at n <= M / 10 only
BATCH = 5_000  # one compiled program for runs of different size

# family, source, and variance function with the true mean
SETTINGS: dict[str, tuple[Family, Source, tuple[theory.VarianceFunction, float]]] = {
    "binomial": (Binomial(TRIALS), binomial(TRIALS, CHANCE), (theory.binomial(TRIALS), TRIALS * CHANCE)),
    "poisson": (Poisson(), poisson(1.0), (theory.poisson(), 1.0)),
    "negative binomial": (
        NegativeBinomial(SHAPE), negative_binomial(1.0, SHAPE), (theory.negative_binomial(SHAPE), 1.0)
    ),
    "gamma": (Gamma(SHAPE), gamma(1.0, SHAPE), (theory.gamma(SHAPE), 1.0)),
}  # fmt: skip


def last(lab: Lab, name: str, family: Family, source: Source, observe: str, **options: Any) -> np.ndarray:
    """The observable of such a run after the last fit, one number for each chain."""
    seen = lab.last(f"exponential families, {name}", family, source, observe=observe, batch_size=BATCH, **options)
    return np.asarray(seen, np.float64).reshape(lab.chains)


def squared_errors(
    name: str, lab: Lab, size: int, fits: int, regime: Regime | None = None
) -> NominalMean | BoundedMean:
    """Squared errors of the mean in one of the ``SETTINGS``."""
    family, source, _ = SETTINGS[name]
    title = f"{name} {type(regime).__name__} {size} {fits}"
    errors = last(lab, title, family, source, "squared_mean_error", regime=regime, size=size, fits=fits)
    return bounded(errors) if name == "binomial" else NominalMean(errors)


def bounded(errors: np.ndarray) -> BoundedMean:
    """Squared errors of a binomial mean, which lies between 0 and the number of trials."""
    return BoundedMean(errors, 0, (TRIALS * max(CHANCE, 1 - CHANCE)) ** 2)


@D.claim(theory.expected_mean_error, theory.expected_variance_function, theory.scheduled_mean_error)
def quadratic_variance(lab: Lab) -> Iterator[Evidence]:
    """Var m_n = V(m_0) [(1 + v2/M)^n - 1] / v2 in every family with V = v0 + v1 m + v2 m^2"""
    for name in ("poisson", "negative binomial", "gamma"):
        exact = Formula(theory.expected_mean_error, *SETTINGS[name][2], SIZE, FITS)
        seen = squared_errors(name, lab, SIZE, FITS)
        yield exact.against(seen, f"{name}, E (m - m_0)^2", {"twice the variance": 2 * exact()}, early=1)
    size, fits = 4, 12
    family, source, (variance, truth) = SETTINGS["binomial"]
    mean, start = last(lab, "binomial mean", family, source, "mean", size=size, fits=fits), float(variance(truth))
    exact = Formula(theory.expected_mean_error, variance, truth, size, fits)
    wrong = {"v2 = 0": start * fits / size, "v2 = -1": exact(family=theory.bernoulli(), mean=CHANCE) * TRIALS}
    yield exact.against(bounded((mean - truth) ** 2), "binomial, E (m - m_0)^2", wrong, larger=1, early=1)
    spread = Formula(theory.expected_variance_function, variance, truth, size, fits)
    wrong = {"V(m_0) for ever": start, "v2 = -1": start * (1 - 1 / size) ** fits}
    variances = BoundedMean(mean * (1 - mean / TRIALS), 0, TRIALS / 4)
    yield spread.against(variances, "binomial, E V(m)", wrong, larger=1, early=1)
    schedule = np.array([2, 8, 2, 8])
    errors = last(lab, "binomial schedule", family, source, "squared_mean_error", size=schedule, fits=schedule.size)
    planned = Formula(theory.scheduled_mean_error, variance, truth, schedule, at=(-1,))
    wrong = {
        "the mean sample size": exact(sample_size=5, fits=4),
        "the first sample size": exact(sample_size=2, fits=4),
        "one generation early": planned(sample_sizes=schedule[:-1]),
    }
    yield planned.against(bounded(errors), "binomial, M_i = 2, 8, 2, 8", wrong)


@D.claim(theory.accumulated_mean_error, theory.accumulated_mean_error_limit, theory.scheduled_mean_error)
def accumulated_families(lab: Lab) -> Iterator[Evidence]:
    """accumulating keeps the mean's error below V(m_0)/v2 [prod(1 + v2/(M i^2)) - 1]"""
    for name, size, fits in (("gamma", SIZE, FITS), ("binomial", 2, 200)):
        variance, truth = SETTINGS[name][2]
        exact, start = Formula(theory.accumulated_mean_error, variance, truth, size, fits), float(variance(truth))
        wrong = {
            "replacement": float(theory.expected_mean_error(variance, truth, size, fits)),
            "real data only": start / (size * fits),
            "the first fit for ever": start / size,
        }
        seen = squared_errors(name, lab, size, fits, regimes.Accumulate())
        yield exact.against(seen, f"{name}, {fits} batches", wrong, larger=int(name == "binomial"))
    limit = theory.accumulated_mean_error_limit(variance, truth, size)
    # what is missing after n batches is below pi^2/6 - sum 1/i^2 < 1/n in units of V/M
    yield Evidence(seen, limit, {"pi^2/6 V/M": np.pi**2 / 6 * start / size}, "limit", start / size / fits)


@D.claim(theory.fresh_mean_error, chains=60_000)
def fresh_families(lab: Lab) -> Iterator[Evidence]:
    """fresh real data settle the mean's error; a random number of real draws leaves more of it than a fixed one"""
    size, share, fits = 4, 0.5, 15
    variance, truth = SETTINGS["binomial"][2]
    for is_random, regime, label in (
        (False, regimes.FreshReal(share), "2 of 4 real"),
        (True, regimes.Mixture(1 - share, 0.0, share), "each draw real by half"),
    ):
        exact = Formula(theory.fresh_mean_error, variance, truth, size, share, fits, random_count=is_random)
        wrong: Misses = {
            "the other count": exact(random_count=not is_random),
            "a fifth draw, of the model": exact(sample_size=size + 1, share=share * size / (size + 1), fits=None),
            "real data only": variance(truth) / size,
            "v2 = -1": TRIALS * exact(family=theory.bernoulli(), mean=CHANCE, fits=None),
        }
        seen = squared_errors("binomial", lab, size, fits, regime)
        yield exact.against(seen, f"binomial, {fits} fits, {label}", wrong)
    real = 20
    variance, truth = SETTINGS["gamma"][2]
    exact = Formula(theory.fresh_mean_error, variance, truth, SIZE, real / SIZE, FITS)
    wrong = {
        "five real draws fewer": exact(share=(real - 5) / SIZE),
        "real data only": variance(truth) / SIZE,
        "replacement": theory.expected_mean_error(variance, truth, SIZE, FITS),
    }
    seen = squared_errors("gamma", lab, SIZE, FITS, regimes.FreshReal(real / SIZE))
    yield exact.against(seen, f"gamma, {real} of {SIZE} real", wrong)


@D.claim(
    theory.poisson_extinction, source="critical branching; theory/derivations/exponential-families.md", tier="quick"
)
def poisson_extinction(lab: Lab) -> Evidence:
    """Poisson: every draw is 0 by fit n with probability exp(-M m_0 a_n), though the mean never changes"""
    size, truth, fits = 10, 0.5, 8
    seen = Proportion.of(last(lab, "extinction", Poisson(), poisson(truth), "extinct", size=size, fits=fits) == 1)
    wrong = {"no draw at once, e^(-M m_0)": np.exp(-size * truth), "a_n = 2 / n": np.exp(-size * truth * 2 / fits)}
    exact = Formula(theory.poisson_extinction, truth, size, fits)
    return exact.against(seen, f"M m_0 = {size * truth:g}, {fits} fits", wrong, larger=1, early=1)


@D.claim(theory.expected_mean_error, source="sums of independent normals", chains=60_000)
def known_variance(lab: Lab) -> Evidence:
    """a normal law of known variance only drifts: its mean is a random walk with variance n sigma^2 / M"""
    size, fits, variance = 10, 10, 4.0
    source = normal(3.0, variance)
    seen = last(lab, "known variance", GaussianMean(variance), source, "squared_mean_error", size=size, fits=fits)
    exact = Formula(theory.expected_mean_error, theory.normal(variance), 0.0, size, fits)
    value = exact()
    wrong = {"the variance refitted, ddof = 0": variance * (1 - (1 - 1 / size) ** fits)}
    # the squared error is value times a chi-square with one degree of freedom
    statistic = ChernoffMean.about(value, seen, lambda t: -0.5 * np.log1p(-2 * value * t), high=0.5 / value)
    return exact.against(statistic, f"E (mu - mu_0)^2, {fits} fits", wrong, larger=1, early=1)


def drift(theorem: Callable[..., Any], size: int, fits: int, **options: Any) -> Formula:
    """The mean of a logarithm, the first of two moments."""
    return Formula(theorem, size, fits, at=(0,), **options)


@D.claim(special_families.gamma_log_mean, special_families.gamma_mean_cgf, tier="quick")
def gamma_log_drift(lab: Lab) -> Iterator[Evidence]:
    """the log mean of a gamma law sinks by ln(kM) - psi(kM) a fit, although the mean is a martingale"""
    size, fits = 4, 10
    for shape, source in ((1.0, exponential()), (0.3, gamma(1.0, 0.3))):
        exact = drift(special_families.gamma_log_mean, size, fits, shape=shape)
        cgf = Formula(special_families.gamma_mean_cgf, sample_size=size, fits=fits, shape=shape).along("theta")
        walked = last(lab, f"log mean {shape}", Gamma(shape), source, "log_mean", size=size, fits=fits)
        wrong = {"no drift: E m_n = m_0": 0.0, "twice the shape": exact(shape=2 * shape)}
        if shape < 1:
            wrong["the first order, -n/(2kM)"] = -fits / (2 * shape * size)
        seen = ChernoffMean.about(exact(), walked, cgf, -shape * size)
        yield exact.against(seen, f"E ln(m_n/m_0), shape {shape:g}", wrong, larger=1, early=1)


@D.claim(special_families.uniform_log_end, chains=20_000)
def uniform_collapse(lab: Lab) -> Iterator[Evidence]:
    """uniform: -M ln(b_n/b_0) is Gamma(n) by the maximum; the unbiased end still sinks"""
    size, fits = 10, 20
    ends = last(lab, "largest", Uniform(), uniform(), "log_end", size=size, fits=fits)
    for level in (-1.5, -2.0, -2.5):
        below = Formula(special_families.uniform_end_cdf, level, size, fits)
        seen, wrong = Proportion.of(ends <= level), {"unbiased end": below(unbiased=True)}
        yield below.against(seen, f"P(ln(b_n/b_0) < {level:g})", wrong, larger=1, early=1)
    size, fits = 4, 100
    exact = drift(special_families.uniform_log_end, size, fits, unbiased=True)
    ends = last(lab, "unbiased end", Uniform("unbiased"), uniform(), "log_end", size=size, fits=fits)
    top = fits * np.log1p(1 / size)
    wrong = {
        "no drift: E b_n = b_0": 0.0,
        "the maximum": exact(unbiased=False),
        "the first order, -n/(2M^2)": -fits / (2 * size**2),
    }
    # the log end is its highest value less Gamma(n)/M
    walked = ChernoffMean.about(exact(), ends, lambda t: top * t - fits * np.log1p(t / size), -size)
    yield exact.against(walked, "E ln(b_n/b_0), unbiased end", wrong, larger=1)


@D.claim(special_families.pareto_log_index, special_families.pareto_index_cgf)
def pareto_direction(lab: Lab) -> Iterator[Evidence]:
    """Pareto: maximum likelihood loses the tail, the unbiased index is overrun by it; each drift is exact"""
    size, fits = 4, 12
    for estimator in ("mle", "unbiased"):
        unbiased = estimator == "unbiased"
        exact = drift(special_families.pareto_log_index, size, fits, unbiased=unbiased)
        cgf = Formula(special_families.pareto_index_cgf, sample_size=size, fits=fits, unbiased=unbiased)
        walked = last(lab, f"index {estimator}", Pareto(1.0, estimator), pareto(1.0), "log_index", size=size, fits=fits)
        wrong = {"the other estimator": exact(unbiased=not unbiased), "no drift": 0.0}
        seen = ChernoffMean.about(exact(), walked, cgf.along("theta"), high=size)
        yield exact.against(seen, f"E ln(alpha_n/alpha_0), {estimator}", wrong, larger=1, early=1)

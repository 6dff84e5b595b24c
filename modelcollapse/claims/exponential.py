"""Families with one parameter: the mean's error grows by 1 + v2/M a fit, and the estimator decides which way a scale collapses."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np

from modelcollapse import regimes
from modelcollapse.families import Binomial, Gamma, GaussianMean, NegativeBinomial, Pareto, Poisson, Uniform
from modelcollapse.run import simulate
from modelcollapse.sources import binomial, exponential, gamma, negative_binomial, normal, pareto, poisson, uniform
from modelcollapse.verify.evidence import BoundedMean, ChernoffMean, Evidence, NominalMean, Proportion
from modelcollapse.verify.registry import claim, stream
from modelcollapse_theory import exponential_families as theory
from modelcollapse_theory import special_families

SECTION = "D. families"
SOURCE = "theory/derivations/exponential-families.md"
SHAPE, TRIALS, CHANCE = 2.0, 3, 0.4
SIZE, FITS = 50, 5  # means of unbounded variables are tested at n <= M / 10 only
BATCH = 5_000  # one compiled program for runs of different size

# family, source, variance function, true mean
SETTINGS: dict[str, tuple[Any, Any, theory.VarianceFunction, float]] = {
    "binomial": (Binomial(TRIALS), binomial(TRIALS, CHANCE), theory.binomial(TRIALS), TRIALS * CHANCE),
    "poisson": (Poisson(), poisson(1.0), theory.poisson(), 1.0),
    "negative binomial": (
        NegativeBinomial(SHAPE),
        negative_binomial(1.0, SHAPE),
        theory.negative_binomial(SHAPE),
        1.0,
    ),
    "gamma": (Gamma(SHAPE), gamma(1.0, SHAPE), theory.gamma(SHAPE), 1.0),
}


def last(
    name: str, family: Any, source: Any, observe: str, seed: int, chains: int, size: Any, fits: int, regime: Any = None
) -> np.ndarray:
    """An observable of fit number ``fits`` of a run called ``name``, one number for each chain."""
    run = simulate(
        family, source, regime, observe, size=size, generations=fits - 1, record=[fits - 1], chains=chains,
        seed=stream(seed, f"exponential families, {name}"), batch_size=BATCH,
    )  # fmt: skip
    return np.asarray(run[observe], np.float64).reshape(chains)


def squared_errors(name: str, seed: int, chains: int, size: int, fits: int, regime: Any = None) -> np.ndarray:
    family, source, _, _ = SETTINGS[name]
    title = f"{name} {type(regime).__name__} {size} {fits}"
    return last(title, family, source, "squared_mean_error", seed, chains, size, fits, regime)


def bounded(samples: np.ndarray) -> BoundedMean:
    """Squared errors of a binomial mean, which lies between 0 and the number of trials."""
    return BoundedMean(samples, 0, (TRIALS * max(CHANCE, 1 - CHANCE)) ** 2)


@claim(
    "Var m_n = V(m_0) [(1 + v2/M)^n - 1] / v2 in every family with V = v0 + v1 m + v2 m^2",
    source=SOURCE,
    section=SECTION,
    chains=40_000,
    theorems=[
        "exponential_families.expected_mean_error",
        "exponential_families.expected_variance_function",
        "exponential_families.scheduled_mean_error",
    ],
)
def quadratic_variance(seed: int, chains: int) -> list[Evidence]:
    out = []
    for name in ("poisson", "negative binomial", "gamma"):
        _, _, variance, truth = SETTINGS[name]
        exact = functools.partial(theory.expected_mean_error, variance, truth, SIZE)
        wrong = {"one generation early": float(exact(FITS - 1)), "twice the variance": 2 * float(exact(FITS))}
        seen = squared_errors(name, seed, chains, SIZE, FITS)
        out.append(Evidence(NominalMean(seen), float(exact(FITS)), wrong, f"{name}, E (m - m_0)^2"))
    size, fits = 4, 12
    family, source, variance, truth = SETTINGS["binomial"]
    mean = last("binomial mean", family, source, "mean", seed, chains, size, fits)
    exact = functools.partial(theory.expected_mean_error, variance, truth)
    wrong = {
        "M + 1 for M": float(exact(size + 1, fits)),
        "one generation early": float(exact(size, fits - 1)),
        "v2 = 0": float(variance(truth)) * fits / size,
        "v2 = -1": float(theory.expected_mean_error(theory.bernoulli(), CHANCE, size, fits)) * TRIALS,
    }
    out.append(Evidence(bounded((mean - truth) ** 2), float(exact(size, fits)), wrong, "binomial, E (m - m_0)^2"))
    spread = functools.partial(theory.expected_variance_function, variance, truth)
    wrong = {
        "M + 1 for M": float(spread(size + 1, fits)),
        "one generation early": float(spread(size, fits - 1)),
        "V(m_0) for ever": float(variance(truth)),
        "v2 = -1": float(variance(truth)) * (1 - 1 / size) ** fits,
    }
    variances = BoundedMean(mean * (1 - mean / TRIALS), 0, TRIALS / 4)
    out.append(Evidence(variances, float(spread(size, fits)), wrong, "binomial, E V(m)"))
    schedule = np.array([2, 8, 2, 8])
    errors = last("binomial schedule", family, source, "squared_mean_error", seed, chains, schedule, schedule.size)
    predicted = float(theory.scheduled_mean_error(variance, truth, schedule)[-1])
    wrong = {
        "the mean sample size": float(exact(5, 4)),
        "the first sample size": float(exact(2, 4)),
        "one generation early": float(theory.scheduled_mean_error(variance, truth, schedule[:-1])[-1]),
    }
    out.append(Evidence(bounded(errors), predicted, wrong, "binomial, M_i = 2, 8, 2, 8"))
    return out


@claim(
    "accumulating keeps the mean's error below V(m_0)/v2 [prod(1 + v2/(M i^2)) - 1]",
    source=SOURCE,
    section=SECTION,
    chains=40_000,
    theorems=[
        "exponential_families.accumulated_mean_error",
        "exponential_families.accumulated_mean_error_limit",
        "exponential_families.scheduled_mean_error",
    ],
)
def accumulated_families(seed: int, chains: int) -> list[Evidence]:
    out = []
    for name, size, fits in (("gamma", SIZE, FITS), ("binomial", 2, 200)):
        _, _, variance, truth = SETTINGS[name]
        seen = squared_errors(name, seed, chains, size, fits, regimes.Accumulate())
        exact = functools.partial(theory.accumulated_mean_error, variance, truth)
        wrong = {
            "replacement": float(theory.expected_mean_error(variance, truth, size, fits)),
            "real data only": float(variance(truth)) / (size * fits),
            "the first fit for ever": float(variance(truth)) / size,
        }
        if name == "gamma":
            out.append(Evidence(NominalMean(seen), float(exact(size, fits)), wrong, f"gamma, {fits} batches"))
            continue
        wrong["M + 1 for M"] = float(exact(size + 1, fits))
        limit = float(theory.accumulated_mean_error_limit(variance, truth, size))
        out.append(Evidence(bounded(seen), float(exact(size, fits)), wrong, f"binomial, {fits} batches"))
        # what is missing after n batches is below pi^2/6 - sum 1/i^2 < 1/n in units of V/M
        slack = float(variance(truth)) / size / fits
        out.append(
            Evidence(bounded(seen), limit, {"pi^2/6 V/M": np.pi**2 / 6 * float(variance(truth)) / size}, "limit", slack)
        )
    return out


@claim(
    "fresh real data settle the mean's error; a random number of real draws leaves more of it than a fixed one",
    source=SOURCE,
    section=SECTION,
    chains=60_000,
    theorems=["exponential_families.fresh_mean_error"],
)
def fresh_families(seed: int, chains: int) -> list[Evidence]:
    size, share, fits = 4, 0.5, 15
    _, _, variance, truth = SETTINGS["binomial"]
    exact = functools.partial(theory.fresh_mean_error, variance, truth)
    fixed, random = (float(exact(size, share, fits, random_count=r)) for r in (False, True))
    one_draw = float(variance(truth)) / size
    out = []
    for regime, is_random in ((regimes.FreshReal(share), False), (regimes.Mixture(1 - share, 0.0, share), True)):
        counted = functools.partial(exact, random_count=is_random)
        bernoulli = float(theory.fresh_mean_error(theory.bernoulli(), CHANCE, size, share, random_count=is_random))
        wrong = {
            "the other count": fixed if is_random else random,
            "a fifth draw, of the model": float(counted(size + 1, share * size / (size + 1))),
            "real data only": one_draw,
            "v2 = -1": TRIALS * bernoulli,
        }
        seen = squared_errors("binomial", seed, chains, size, fits, regime)
        label = "each draw real by half" if is_random else "2 of 4 real"
        out.append(Evidence(bounded(seen), random if is_random else fixed, wrong, f"binomial, {fits} fits, {label}"))
    real = 20
    _, _, variance, truth = SETTINGS["gamma"]
    exact = functools.partial(theory.fresh_mean_error, variance, truth, SIZE)
    seen = squared_errors("gamma", seed, chains, SIZE, FITS, regimes.FreshReal(real / SIZE))
    wrong = {
        "five real draws fewer": float(exact((real - 5) / SIZE, FITS)),
        "real data only": float(variance(truth)) / SIZE,
        "replacement": float(theory.expected_mean_error(variance, truth, SIZE, FITS)),
    }
    out.append(Evidence(NominalMean(seen), float(exact(real / SIZE, FITS)), wrong, f"gamma, {real} of {SIZE} real"))
    return out


@claim(
    "Poisson: every draw is 0 by fit n with probability exp(-M m_0 a_n), though the mean never changes",
    source="critical branching; theory/derivations/exponential-families.md",
    section=SECTION,
    chains=40_000,
    tier="quick",
    theorems=["exponential_families.poisson_extinction"],
)
def poisson_extinction(seed: int, chains: int) -> Evidence:
    size, truth, fits = 10, 0.5, 8
    seen = last("extinction", Poisson(), poisson(truth), "extinct", seed, chains, size, fits)
    exact = functools.partial(theory.poisson_extinction, truth)
    wrong = {
        "M + 1 for M": float(exact(size + 1, fits)),
        "one generation early": float(exact(size, fits - 1)),
        "no draw at once, e^(-M m_0)": float(np.exp(-size * truth)),
        "a_n = 2 / n": float(np.exp(-size * truth * 2 / fits)),
    }
    return Evidence(Proportion.of(seen == 1), float(exact(size, fits)), wrong, f"M m_0 = {size * truth:g}, {fits} fits")


@claim(
    "a normal law of known variance only drifts: its mean is a random walk with variance n sigma^2 / M",
    source="sums of independent normals",
    section=SECTION,
    chains=60_000,
    theorems=["exponential_families.expected_mean_error"],
)
def known_variance(seed: int, chains: int) -> Evidence:
    size, fits, variance = 10, 10, 4.0
    seen = last(
        "known variance", GaussianMean(variance), normal(3.0, variance), "squared_mean_error", seed, chains, size, fits
    )
    exact = functools.partial(theory.expected_mean_error, theory.normal(variance), 0.0)
    value = float(exact(size, fits))
    wrong = {
        "M + 1 for M": float(exact(size + 1, fits)),
        "one generation early": float(exact(size, fits - 1)),
        "the variance refitted, ddof = 0": variance * (1 - (1 - 1 / size) ** fits),
    }
    # the squared error is value times a chi-square with one degree of freedom
    statistic = ChernoffMean(seen, lambda t: -0.5 * np.log1p(-2 * value * t) - value * t, (-np.inf, 0.5 / value))
    return Evidence(statistic, value, wrong, f"E (mu - mu_0)^2, {fits} fits")


def centred(cgf: Callable[[float], Any], mean: float) -> Callable[[float], float]:
    return lambda t: float(cgf(t)) - t * mean


@claim(
    "the log mean of a gamma law sinks by ln(kM) - psi(kM) a fit, although the mean is a martingale",
    source=SOURCE,
    section=SECTION,
    chains=40_000,
    tier="quick",
    theorems=["special_families.gamma_log_mean", "special_families.gamma_mean_cgf"],
)
def gamma_log_drift(seed: int, chains: int) -> list[Evidence]:
    size, fits = 4, 10
    out = []
    for shape, source in ((1.0, exponential()), (0.3, gamma(1.0, 0.3))):
        drift = functools.partial(special_families.gamma_log_mean, shape=shape)
        value = float(drift(size, fits)[0])
        cgf = functools.partial(special_families.gamma_mean_cgf, sample_size=size, fits=fits, shape=shape)
        seen = last(f"log mean {shape}", Gamma(shape), source, "log_mean", seed, chains, size, fits)
        wrong = {
            "no drift: E m_n = m_0": 0.0,
            "M + 1 for M": float(drift(size + 1, fits)[0]),
            "one generation early": float(drift(size, fits - 1)[0]),
            "twice the shape": float(special_families.gamma_log_mean(size, fits, shape=2 * shape)[0]),
        }
        if shape < 1:
            wrong["the first order, -n/(2kM)"] = -fits / (2 * shape * size)
        statistic = ChernoffMean(seen, centred(cgf, value), (-shape * size, np.inf))
        out.append(Evidence(statistic, value, wrong, f"E ln(m_n/m_0), shape {shape:g}"))
    return out


@claim(
    "uniform: -M ln(b_n/b_0) is Gamma(n) by the maximum; the unbiased end still sinks",
    source=SOURCE,
    section=SECTION,
    chains=20_000,
    theorems=["special_families.uniform_log_end"],
)
def uniform_collapse(seed: int, chains: int) -> list[Evidence]:
    size, fits = 10, 20
    seen = last("largest", Uniform(), uniform(), "log_end", seed, chains, size, fits)
    cdf = special_families.uniform_end_cdf
    out = []
    for level in (-1.5, -2.0, -2.5):
        wrong = {
            "unbiased end": float(cdf(level, size, fits, unbiased=True)),
            "M + 1 for M": float(cdf(level, size + 1, fits)),
            "one generation early": float(cdf(level, size, fits - 1)),
        }
        share = Proportion.of(seen <= level)
        out.append(Evidence(share, float(cdf(level, size, fits)), wrong, f"P(ln(b_n/b_0) < {level:g})"))
    size, fits = 4, 100
    drift = functools.partial(special_families.uniform_log_end, unbiased=True)
    seen = last("unbiased end", Uniform("unbiased"), uniform(), "log_end", seed, chains, size, fits)
    value, top = float(drift(size, fits)[0]), fits * np.log1p(1 / size)
    wrong = {
        "no drift: E b_n = b_0": 0.0,
        "the maximum": float(special_families.uniform_log_end(size, fits)[0]),
        "the first order, -n/(2M^2)": -fits / (2 * size**2),
        "M + 1 for M": float(drift(size + 1, fits)[0]),
    }
    # the log end is its highest value less Gamma(n)/M
    cgf = centred(lambda t: top * t - fits * np.log1p(t / size), value)
    out.append(Evidence(ChernoffMean(seen, cgf, (-size, np.inf)), value, wrong, "E ln(b_n/b_0), unbiased end"))
    return out


@claim(
    "Pareto: maximum likelihood loses the tail, the unbiased index is overrun by it; each drift is exact",
    source=SOURCE,
    section=SECTION,
    chains=40_000,
    theorems=["special_families.pareto_log_index", "special_families.pareto_index_cgf"],
)
def pareto_direction(seed: int, chains: int) -> list[Evidence]:
    size, fits = 4, 12
    drift = special_families.pareto_log_index
    out = []
    for estimator in ("mle", "unbiased"):
        unbiased = estimator == "unbiased"
        seen = last(f"index {estimator}", Pareto(1.0, estimator), pareto(1.0), "log_index", seed, chains, size, fits)
        value = float(drift(size, fits, unbiased=unbiased)[0])
        cgf = functools.partial(special_families.pareto_index_cgf, sample_size=size, fits=fits, unbiased=unbiased)
        wrong = {
            "the other estimator": float(drift(size, fits, unbiased=not unbiased)[0]),
            "no drift": 0.0,
            "M + 1 for M": float(drift(size + 1, fits, unbiased=unbiased)[0]),
            "one generation early": float(drift(size, fits - 1, unbiased=unbiased)[0]),
        }
        statistic = ChernoffMean(seen, centred(cgf, value), (-np.inf, size))
        out.append(Evidence(statistic, value, wrong, f"E ln(alpha_n/alpha_0), {estimator}"))
    return out

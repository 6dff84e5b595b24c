"""Gaussians: the logarithm of the variance walks down, the mean walks away, and both at known rates."""

from __future__ import annotations

import functools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from modelcollapse.families import Gaussian
from modelcollapse.run import Run, simulate
from modelcollapse.sources import normal
from modelcollapse.verify.evidence import ChernoffMean, Evidence, NominalMean, Proportion
from modelcollapse.verify.registry import claim, shared, stream
from modelcollapse_theory import errors, gaussian, wasserstein, wishart

SECTION = "D. Gaussians"
SIZE, FITS = 100, 10  # means of unbounded variables are tested at n <= M / 10 only
VARIANCES = (1.0, 2.0, 4.0)
CHAINS = 20_000
BATCH = 5_000  # one compiled program for runs of different size
LATE_SIZE, LATE_FITS, LAST_FITS = 4, 80, 400


def first_w2(params: Any, truth: Any) -> jax.Array:
    """Squared W2 distance of the first coordinates, ``()``: any fixed direction of a Gaussian run is a run in one dimension."""
    sigma = jnp.exp(params.log_scale[0])
    return (params.mean[0] - truth.mean[0]) ** 2 + (sigma - jnp.exp(truth.log_scale[0])) ** 2


def covariance(params: Any) -> jax.Array:
    """The covariance ``(d, d)``; it underflows long after collapse."""
    return params.covariance


OBSERVED = (
    "log_variance",
    "standard_deviation",
    "squared_mean_error",
    "log_pivots",
    "log_determinant",
    "w2_squared",
    first_w2,
    covariance,
)


@shared
def early(seed: int, chains: int, ddof: int = 1) -> Run:
    """Three dimensions while means can still be trusted: fits 1, 5 and 10, one run for many claims."""
    return _three(f"early {ddof}", seed, chains, VARIANCES, SIZE, [0, 4, FITS - 1], ddof)


@shared
def late(seed: int, chains: int) -> Run:
    """A quarter of the chains, far into collapse, with the fewest rows that three dimensions allow; the compiled program of ``early``."""
    return _three("late", seed, max(2, chains // 4), np.ones(3), LATE_SIZE, [0, LATE_FITS - 1, LAST_FITS - 1], 1)


def _three(name: str, seed: int, chains: int, variances: Any, size: int, record: list[int], ddof: int) -> Run:
    return simulate(
        Gaussian(ddof=ddof),
        normal(np.zeros(3), np.diag(np.asarray(variances, float))),
        observe=OBSERVED,
        size=size,
        generations=record[-1],
        chains=chains,
        seed=stream(seed, name),
        record=record,
        batch_size=BATCH,
    )


def last(run: Run, name: str) -> np.ndarray:
    return run[name][:, -1]


def at_late(run: Run, name: str) -> np.ndarray:
    return run[name][:, 1]


def log_variance_test(samples: np.ndarray, size: int, fits: int, ddof: int = 1) -> ChernoffMean:
    mean = float(gaussian.expected_log_variance(size, fits, ddof=ddof))
    return ChernoffMean(
        samples,
        lambda t: float(gaussian.log_variance_cgf(t, size, fits, ddof=ddof)) - t * mean,
        (-(size - 1) / 2, np.inf),
    )


@claim(
    "E ln(sigma_n^2) = n [psi((M-1)/2) + ln 2 - ln(M - ddof)]: the variance of every chain goes to 0",
    source="Cochran's theorem; mean of a log chi-square",
    section=SECTION,
    chains=CHAINS,
    tier="quick",
    theorems=["gaussian.expected_log_variance", "gaussian.log_variance_cgf", "gaussian.variance_log_variance"],
)
def log_variance_drift(seed: int, chains: int) -> list[Evidence]:
    run = early(seed, chains)
    walked = last(run, "log_variance")[:, 0]
    spread = float(gaussian.variance_log_variance(SIZE, FITS))
    mean = float(gaussian.expected_log_variance(SIZE, FITS))
    return [
        Evidence(
            log_variance_test(walked, SIZE, FITS),
            mean,
            {"ddof = 0": float(gaussian.expected_log_variance(SIZE, FITS, ddof=0)), "no drift: E sigma^2 = 1": 0.0},
            "mean",
        ),
        Evidence(
            NominalMean((walked - mean) ** 2),
            spread,
            {
                "one generation early": float(gaussian.variance_log_variance(SIZE, FITS - 1)),
                "three dimensions": 3 * spread,
            },
            "variance",
        ),
    ]


@claim(
    "the law of ln(sigma_n^2) is that of a sum of n log chi-squares",
    source="Gil-Pelaez inversion; theory/derivations/gaussian.md",
    section=SECTION,
    chains=CHAINS,
    tier="quick",
    theorems=["gaussian.log_variance_cdf"],
)
def log_variance_law(seed: int, chains: int) -> Evidence:
    level = -0.3
    values = last(early(seed, chains), "log_variance")[:, 0]
    cdf = functools.partial(gaussian.log_variance_cdf, level)
    wrong = {"ddof = 0": float(cdf(SIZE, FITS, ddof=0)), "three generations early": float(cdf(SIZE, FITS - 3))}
    return Evidence(Proportion.of(values < level), float(cdf(SIZE, FITS)), wrong, f"P(ln sigma^2 < {level})")


@claim(
    "E sigma_n = c4(M)^n",
    source="mean of a chi variable",
    section=SECTION,
    chains=CHAINS,
    tier="quick",
    theorems=["gaussian.expected_deviation"],
)
def deviation_decay(seed: int, chains: int) -> Evidence:
    values = last(early(seed, chains), "standard_deviation")[:, 0]
    wrong = {
        "constant": 1.0,
        "the typical exp(-n / (2 M))": float(np.exp(-FITS / (2 * SIZE))),
        "ddof = 0": float(gaussian.expected_deviation(SIZE, FITS, ddof=0)),
    }
    return Evidence(
        NominalMean(values), float(gaussian.expected_deviation(SIZE, FITS)), wrong, f"M = {SIZE}, {FITS} fits"
    )


@claim(
    "E W2^2 = sigma^2 [n/M + 2 (1 - c4(M)^n)]",
    source="theory/derivations/wasserstein.md",
    section=SECTION,
    chains=CHAINS,
    tier="quick",
    theorems=["wasserstein.expected_squared_distance"],
)
def wasserstein_growth(seed: int, chains: int) -> Evidence:
    exact = functools.partial(wasserstein.expected_squared_distance, SIZE)
    wrong = {
        "arXiv 2305.17493 eq. 7": float(wasserstein.arxiv_2305_17493_equation_7(np.full(FITS, SIZE))[-1]),
        "the mean alone, n / M": FITS / SIZE,
        "one generation early": float(exact(FITS - 1)),
    }
    values = last(early(seed, chains), "first_w2")
    return Evidence(NominalMean(values), float(exact(FITS)), wrong, f"M = {SIZE}, {FITS} fits")


@claim(
    "E |mu_n - mu_0|^2 = n tr(Sigma_0) / M",
    source="martingale increments",
    section=SECTION,
    chains=CHAINS,
    tier="quick",
    theorems=["wishart.expected_mean_error", "gaussian.expected_mean_error"],
)
def mean_walk(seed: int, chains: int) -> Evidence:
    exact = functools.partial(wishart.expected_mean_error, np.diag(VARIANCES), SIZE)
    wrong = {
        "one generation early": float(exact(FITS - 1)),
        "the largest variance for the trace": FITS * max(VARIANCES) / SIZE,
    }
    return Evidence(
        NominalMean(last(early(seed, chains), "squared_mean_error")),
        float(exact(FITS)),
        wrong,
        f"M = {SIZE}, {FITS} fits",
    )


@claim(
    "E sigma_n^2 stays sigma_0^2 while every chain's variance goes to 0, and its spread grows as (1 + 2/(M-1))^n - 1",
    source="martingale; moments of a chi-square",
    section=SECTION,
    chains=CHAINS,
    tier="quick",
    theorems=["gaussian.expected_variance", "gaussian.variance_of_variance"],
)
def variance_martingale(seed: int, chains: int) -> list[Evidence]:
    values = last(early(seed, chains), "standard_deviation")[:, 0] ** 2
    return [
        Evidence(
            NominalMean(values),
            float(gaussian.expected_variance(SIZE, FITS)),
            {
                "the typical exp(-n / M)": float(np.exp(-FITS / SIZE)),
                "(1 - 1/M)^n": float(gaussian.expected_variance(SIZE, FITS, ddof=0)),
            },
            "E sigma^2",
        ),
        Evidence(
            NominalMean((values - 1) ** 2),
            float(gaussian.variance_of_variance(SIZE, FITS)),
            {
                "half of it, 1/M for 2/M": FITS / SIZE,
                "three generations early": float(gaussian.variance_of_variance(SIZE, FITS - 3)),
            },
            "Var sigma^2",
        ),
    ]


@claim(
    "with the maximum-likelihood variance the mean stays within sigma_0 and E W2^2 below 2 sigma_0^2",
    source="law of total variance; theory/derivations/wasserstein.md",
    section=SECTION,
    chains=CHAINS,
    theorems=["gaussian.expected_mean_error", "errors.biased_log_variance"],
)
def maximum_likelihood(seed: int, chains: int) -> list[Evidence]:
    run = early(seed, chains, 0)
    factor = 1 - 1 / SIZE
    drift, growth = errors.biased_log_variance(factor, SIZE, FITS)
    unbiased, tutorial = float(gaussian.expected_log_variance(SIZE, FITS)), (FITS / (FITS + 1)) ** FITS
    return [
        Evidence(
            log_variance_test(last(run, "log_variance")[:, 0], SIZE, FITS, 0),
            float(drift),
            {"ddof = 1": unbiased, "log E": float(growth)},
            "E ln sigma^2",
        ),
        Evidence(
            NominalMean(last(run, "standard_deviation")[:, 0] ** 2),
            float(np.exp(growth)),
            {"unbiased": 1.0, "(n / (n + 1))^n, n the generation": tutorial},
            "E sigma^2",
        ),
        Evidence(
            NominalMean((run["squared_mean_error"][:, -1]) / sum(VARIANCES)),
            float(gaussian.expected_mean_error(SIZE, FITS, ddof=0)),
            {
                "one generation early": float(gaussian.expected_mean_error(SIZE, FITS - 1, ddof=0)),
                "two generations late": float(gaussian.expected_mean_error(SIZE, FITS + 2, ddof=0)),
            },
            "E (mu - mu_0)^2",
        ),
        Evidence(
            NominalMean(last(run, "first_w2")),
            float(wasserstein.expected_squared_distance(SIZE, FITS, ddof=0)),
            {
                "one generation early": float(wasserstein.expected_squared_distance(SIZE, FITS - 1, ddof=0)),
                "the mean alone": FITS / SIZE,
            },
            "E W2^2",
        ),
    ]

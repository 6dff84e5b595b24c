"""Gaussians: the logarithm of the variance walks down, the mean walks away, and both at known rates."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import jax
import jax.numpy as jnp
import numpy as np

from modelcollapse.families import Gaussian
from modelcollapse.run import Run
from modelcollapse.sources import normal
from modelcollapse.verify import ChernoffMean, Evidence, Formula, Lab, NominalMean, Proportion, Section
from modelcollapse.verify.lab import shared
from modelcollapse_theory import errors, gaussian, wasserstein, wishart

if TYPE_CHECKING:
    from modelcollapse.families.gaussian import Normal

D = Section("D. Gaussians", chains=20_000, tier="quick")
SIZE, FITS = 100, 10  # means of unbounded variables are tested at n <= M / 10 only
VARIANCES = (1.0, 2.0, 4.0)
LATE_SIZE, LATE_FITS, LAST_FITS = 4, 80, 400
BATCH = 5_000  # one compiled program for runs of different size


def first_w2(params: Normal, truth: Normal) -> jax.Array:
    """Squared W2 distance of the first coordinates, ``()``: one direction of a Gaussian run is a run of its own."""
    sigma = jnp.exp(params.log_scale[0])
    return (params.mean[0] - truth.mean[0]) ** 2 + (sigma - jnp.exp(truth.log_scale[0])) ** 2


def covariance(params: Normal) -> jax.Array:
    """The covariance ``(d, d)``; it underflows long after collapse."""
    return params.covariance


OBSERVED = (
    "log_variance", "standard_deviation", "squared_mean_error", "log_pivots", "log_determinant", "w2_squared", first_w2,
    covariance,
)  # fmt: skip


@shared
def early(lab: Lab, ddof: int = 1) -> Run:
    """Three dimensions while means can still be trusted: fits 1, 5 and 10, one run for many claims."""
    source = normal(np.zeros(3), np.diag(VARIANCES))
    return lab.run(
        f"early {ddof}", Gaussian(ddof=ddof), source, observe=OBSERVED, size=SIZE, fits=[1, 5, FITS], batch_size=BATCH
    )


@shared
def late(lab: Lab) -> Run:
    """A quarter of the chains, far into collapse, with the fewest rows that three dimensions allow."""
    fewer, fits = Lab(lab.seed, max(2, lab.chains // 4)), [1, LATE_FITS, LAST_FITS]
    source = normal(np.zeros(3), np.diag(np.ones(3)))
    return fewer.run("late", Gaussian(ddof=1), source, observe=OBSERVED, size=LATE_SIZE, fits=fits, batch_size=BATCH)


def log_variance_test(samples: np.ndarray, ddof: int = 1) -> ChernoffMean:
    """The mean log variance after all fits, judged by its exact cumulants."""
    mean = float(gaussian.expected_log_variance(SIZE, FITS, ddof=ddof))
    cgf = Formula(gaussian.log_variance_cgf, None, SIZE, FITS, ddof=ddof)
    return ChernoffMean.about(mean, samples, cgf.along("theta"), -(SIZE - 1) / 2)


@D.claim(
    gaussian.expected_log_variance,
    gaussian.log_variance_cgf,
    gaussian.variance_log_variance,
    source="Cochran's theorem; mean of a log chi-square",
)
def log_variance_drift(lab: Lab) -> Iterator[Evidence]:
    """E ln(sigma_n^2) = n [psi((M-1)/2) + ln 2 - ln(M - ddof)]: the variance of every chain goes to 0"""
    walked = early(lab)["log_variance"][:, -1, 0]
    mean = Formula(gaussian.expected_log_variance, SIZE, FITS)
    yield mean.against(log_variance_test(walked), "mean", {"no drift: E sigma^2 = 1": 0.0}, ddof=0)
    spread = Formula(gaussian.variance_log_variance, SIZE, FITS)
    yield spread.against(NominalMean((walked - mean()) ** 2), "variance", {"three dimensions": 3 * spread()}, early=1)


@D.claim(gaussian.log_variance_cdf, source="Gil-Pelaez inversion; theory/derivations/gaussian.md")
def log_variance_law(lab: Lab) -> Evidence:
    """the law of ln(sigma_n^2) is that of a sum of n log chi-squares"""
    level = -0.3
    seen = Proportion.of(early(lab)["log_variance"][:, -1, 0] < level)
    exact = Formula(gaussian.log_variance_cdf, level, SIZE, FITS)
    return exact.against(seen, f"P(ln sigma^2 < {level})", ddof=0, early=3)


@D.claim(gaussian.expected_deviation, source="mean of a chi variable")
def deviation_decay(lab: Lab) -> Evidence:
    """E sigma_n = c4(M)^n"""
    seen = NominalMean(early(lab)["standard_deviation"][:, -1, 0])
    wrong = {"constant": 1.0, "the typical exp(-n / (2 M))": np.exp(-FITS / (2 * SIZE))}
    return Formula(gaussian.expected_deviation, SIZE, FITS).against(seen, f"M = {SIZE}, {FITS} fits", wrong, ddof=0)


@D.claim(wasserstein.expected_squared_distance, source="theory/derivations/wasserstein.md")
def wasserstein_growth(lab: Lab) -> Evidence:
    """E W2^2 = sigma^2 [n/M + 2 (1 - c4(M)^n)]"""
    wrong = {
        "arXiv 2305.17493 eq. 7": wasserstein.arxiv_2305_17493_equation_7(np.full(FITS, SIZE))[-1],
        "the mean alone, n / M": FITS / SIZE,
    }
    exact, seen = Formula(wasserstein.expected_squared_distance, SIZE, FITS), NominalMean(early(lab)["first_w2"][:, -1])
    return exact.against(seen, f"M = {SIZE}, {FITS} fits", wrong, early=1)


@D.claim(wishart.expected_mean_error, gaussian.expected_mean_error, source="martingale increments")
def mean_walk(lab: Lab) -> Evidence:
    """E |mu_n - mu_0|^2 = n tr(Sigma_0) / M"""
    seen = NominalMean(early(lab)["squared_mean_error"][:, -1])
    wrong = {"the largest variance for the trace": FITS * max(VARIANCES) / SIZE}
    exact = Formula(wishart.expected_mean_error, np.diag(VARIANCES), SIZE, FITS)
    return exact.against(seen, f"M = {SIZE}, {FITS} fits", wrong, early=1)


@D.claim(gaussian.expected_variance, gaussian.variance_of_variance, source="martingale; moments of a chi-square")
def variance_martingale(lab: Lab) -> Iterator[Evidence]:
    """E sigma_n^2 stays sigma_0^2 while every chain's variance goes to 0, and its spread grows as
    (1 + 2/(M-1))^n - 1"""
    values = early(lab)["standard_deviation"][:, -1, 0] ** 2
    exact = Formula(gaussian.expected_variance, SIZE, FITS)
    wrong = {"the typical exp(-n / M)": np.exp(-FITS / SIZE), "(1 - 1/M)^n": exact(ddof=0)}
    yield exact.against(NominalMean(values), "E sigma^2", wrong)
    spread = Formula(gaussian.variance_of_variance, SIZE, FITS)
    yield spread.against(
        NominalMean((values - 1) ** 2), "Var sigma^2", {"half of it, 1/M for 2/M": FITS / SIZE}, early=3
    )


@D.claim(
    gaussian.expected_mean_error,
    errors.biased_log_variance,
    source="law of total variance; theory/derivations/wasserstein.md",
    tier="default",
)
def maximum_likelihood(lab: Lab) -> Iterator[Evidence]:
    """with the maximum-likelihood variance the mean stays within sigma_0 and E W2^2 below 2 sigma_0^2"""
    run = early(lab, 0)
    drift, growth = (float(x) for x in errors.biased_log_variance(1 - 1 / SIZE, SIZE, FITS))
    wrong = {"ddof = 1": float(gaussian.expected_log_variance(SIZE, FITS)), "log E": growth}
    yield Evidence(log_variance_test(run["log_variance"][:, -1, 0], 0), drift, wrong, "E ln sigma^2")
    wrong = {"unbiased": 1.0, "(n / (n + 1))^n, n the generation": (FITS / (FITS + 1)) ** FITS}
    yield Evidence(NominalMean(run["standard_deviation"][:, -1, 0] ** 2), np.exp(growth), wrong, "E sigma^2")
    error = NominalMean(run["squared_mean_error"][:, -1] / sum(VARIANCES))
    yield Formula(gaussian.expected_mean_error, SIZE, FITS, ddof=0).against(error, "E (mu - mu_0)^2", early=1, late=2)
    exact = Formula(wasserstein.expected_squared_distance, SIZE, FITS, ddof=0)
    yield exact.against(NominalMean(run["first_w2"][:, -1]), "E W2^2", {"the mean alone": FITS / SIZE}, early=1)

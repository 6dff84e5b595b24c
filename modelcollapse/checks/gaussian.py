"""Gaussians: the logarithm of the variance walks down, the mean walks away, and both at known rates."""

from __future__ import annotations

import functools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from modelcollapse_theory import gaussian, mixture, wasserstein, wishart

from modelcollapse import regimes
from modelcollapse.checks.claims import claim, stream
from modelcollapse.checks.evidence import ChernoffMean, Evidence, NominalMean, Proportion
from modelcollapse.driver import simulate
from modelcollapse.families import Gaussian
from modelcollapse.results import Run
from modelcollapse.sources import normal, normal_mixture

SECTION = "D. Gaussians"
SIZE, FITS = 100, 10  # means of unbounded variables are tested at n <= M / 10 only
VARIANCES = (1.0, 4.0)


def first_w2(params: Any, truth: Any) -> jax.Array:
    """Squared W2 distance of the first coordinates, ``()``: any fixed direction of a Gaussian run is a run in one dimension."""
    sigma = jnp.exp(params.log_scale[0])
    return (params.mean[0] - truth.mean[0]) ** 2 + (sigma - jnp.exp(truth.log_scale[0])) ** 2


@functools.lru_cache(maxsize=4)
def plane(seed: int, chains: int, ddof: int = 1) -> Run:
    """Two dimensions, one run for several claims."""
    return simulate(
        Gaussian(ddof=ddof), normal(np.zeros(2), np.diag(VARIANCES)), observe=[first_w2, *OBSERVED],
        size=SIZE, generations=FITS - 1, chains=chains, seed=stream(seed, f"plane {ddof}"), record=[FITS - 1],
    )  # fmt: skip


OBSERVED = ("log_variance", "standard_deviation", "squared_mean_error")


def last(run: Run, name: str) -> np.ndarray:
    return run[name][:, -1]


def log_variance_test(samples: np.ndarray, size: int, fits: int) -> ChernoffMean:
    mean = float(gaussian.expected_log_variance(size, fits))
    return ChernoffMean(
        samples, lambda t: float(gaussian.log_variance_cgf(t, size, fits)) - t * mean, (-(size - 1) / 2, np.inf)
    )


@claim(
    "E ln(sigma_n^2) = n [psi((M-1)/2) + ln 2 - ln(M - ddof)]: the variance of every chain goes to 0",
    source="Cochran's theorem; mean of a log chi-square", section=SECTION, chains=40_000,
    theorems=["gaussian.expected_log_variance", "gaussian.log_variance_cgf"],
)  # fmt: skip
def log_variance_drift(seed: int, chains: int) -> list[Evidence]:
    out = []
    for ddof in (1, 0):
        drift = functools.partial(gaussian.expected_log_variance, SIZE, FITS)
        wrong = {
            f"ddof = {1 - ddof}": float(drift(ddof=1 - ddof)),
            "no drift: E sigma^2 = 1": 0.0 if ddof else float(FITS * np.log1p(-1 / SIZE)),
        }
        values = last(plane(seed, chains, ddof), "log_variance")[:, 0]
        out.append(Evidence(log_variance_test(values, SIZE, FITS), float(drift(ddof=ddof)), wrong, f"ddof = {ddof}"))
    return out


@claim(
    "the law of ln(sigma_n^2) is that of a sum of n log chi-squares",
    source="Gil-Pelaez inversion; theory/derivations/gaussian.md", section=SECTION, chains=40_000,
    theorems=["gaussian.log_variance_cdf"],
)  # fmt: skip
def log_variance_law(seed: int, chains: int) -> Evidence:
    level = -0.3
    values = last(plane(seed, chains), "log_variance")[:, 0]
    cdf = functools.partial(gaussian.log_variance_cdf, level)
    wrong = {"ddof = 0": float(cdf(SIZE, FITS, ddof=0)), "two generations early": float(cdf(SIZE, FITS - 2))}
    return Evidence(Proportion.of(values < level), float(cdf(SIZE, FITS)), wrong, f"P(ln sigma^2 < {level})")


@claim(
    "E sigma_n = c4(M)^n", source="mean of a chi variable", section=SECTION, chains=40_000,
    theorems=["gaussian.expected_deviation", "gaussian.c4"],
)  # fmt: skip
def deviation_decay(seed: int, chains: int) -> Evidence:
    values = last(plane(seed, chains), "standard_deviation")[:, 0]
    wrong = {
        "constant": 1.0,
        "the typical exp(-n / (2 M))": float(np.exp(-FITS / (2 * SIZE))),
        "ddof = 0": float(gaussian.expected_deviation(SIZE, FITS, ddof=0)),
    }
    return Evidence(NominalMean(values), float(gaussian.expected_deviation(SIZE, FITS)), wrong, f"M = {SIZE}, {FITS} fits")


@claim(
    "E W2^2 = sigma^2 [n/M + 2 (1 - c4(M)^n)]", source="theory/derivations/wasserstein.md", section=SECTION, chains=40_000,
    theorems=["wasserstein.expected_squared_distance", "wasserstein.arxiv_2305_17493_equation_7"],
)  # fmt: skip
def wasserstein_growth(seed: int, chains: int) -> Evidence:
    exact = functools.partial(wasserstein.expected_squared_distance, SIZE)
    wrong = {
        "arXiv 2305.17493 eq. 7": float(wasserstein.arxiv_2305_17493_equation_7(np.full(FITS, SIZE))[-1]),
        "the mean alone, n / M": FITS / SIZE,
        "one generation early": float(exact(FITS - 1)),
    }
    values = last(plane(seed, chains), "first_w2")
    return Evidence(NominalMean(values), float(exact(FITS)), wrong, f"M = {SIZE}, {FITS} fits")


@claim(
    "E |mu_n - mu_0|^2 = n tr(Sigma_0) / M", source="martingale increments", section=SECTION, chains=40_000,
    theorems=["wishart.expected_mean_error", "gaussian.expected_mean_error"],
)  # fmt: skip
def mean_walk(seed: int, chains: int) -> list[Evidence]:
    covariance = np.diag(VARIANCES)
    out = []
    for ddof in (1, 0):
        exact = functools.partial(wishart.expected_mean_error, covariance, SIZE)
        wrong = {"one generation early": float(exact(FITS - 1, ddof=ddof)), "the largest variance for the trace": FITS * max(VARIANCES) / SIZE}
        values = last(plane(seed, chains, ddof), "squared_mean_error")
        out.append(Evidence(NominalMean(values), float(exact(FITS, ddof=ddof)), wrong, f"ddof = {ddof}"))
    return out


@functools.lru_cache(maxsize=1)
def space(seed: int, chains: int) -> Run:
    """Three dimensions, far into collapse."""
    return simulate(
        Gaussian(), normal(np.zeros(3), np.eye(3)), observe=["log_pivots", "log_determinant"], size=10, generations=79,
        chains=chains, seed=stream(seed, "space"), record=[79],
    )  # fmt: skip


@claim(
    "ln det Sigma_n is a sum of independent log chi-squares (Bartlett)", source="Bartlett decomposition", section=SECTION,
    chains=4_000, theorems=["wishart.expected_log_determinant", "wishart.log_determinant_cgf"],
)  # fmt: skip
def log_determinant(seed: int, chains: int) -> Evidence:
    size, fits, d = 10, 80, 3
    exact = functools.partial(wishart.expected_log_determinant, size, fits)
    mean = float(exact(d))
    observed = ChernoffMean(
        last(space(seed, chains), "log_determinant"),
        lambda t: float(wishart.log_determinant_cgf(t, size, fits, d)) - t * mean,
        (-(size - d) / 2, np.inf),
    )
    wrong = {
        "d times one dimension": d * float(gaussian.expected_log_variance(size, fits)),
        "ddof = 0": float(exact(d, ddof=0)),
        "M + 1 for M": float(wishart.expected_log_determinant(size + 1, fits, d)),
    }
    return Evidence(observed, mean, wrong, f"d = {d}, M = {size}, {fits} fits")


@claim(
    "the Cholesky pivots carry the Lyapunov spectrum psi((nu - j + 1)/2) + ln(2/nu) exactly, at every n",
    source="Bartlett decomposition; cf. Newman (1986)", section=SECTION, chains=4_000,
    theorems=["wishart.lyapunov_spectrum", "wishart.pivot_cgf"],
)  # fmt: skip
def lyapunov_spectrum(seed: int, chains: int) -> list[Evidence]:
    size, fits, d = 10, 80, 3
    spectrum = wishart.lyapunov_spectrum(size, d)
    pivots = last(space(seed, chains), "log_pivots") / fits
    out = []
    for j in range(d):
        mean = float(spectrum[j])

        def centred(t: float, j: int = j, mean: float = mean) -> float:
            return float(wishart.pivot_cgf(t / fits, size, fits, d)[..., j]) - t * mean

        wrong = {f"the exponent of pivot {i + 1}": float(spectrum[i]) for i in range(d) if abs(i - j) == 1}
        wrong["ddof = 0"] = float(wishart.lyapunov_spectrum(size, d, ddof=0)[j])
        observed = ChernoffMean(pivots[:, j], centred, (-fits * (size - 1 - j) / 2, np.inf))
        out.append(Evidence(observed, mean, wrong, f"pivot {j + 1} of {d}"))
    return out


@claim(
    "the paper's mixture for Gaussians: mean and variance of the fit follow one linear recursion",
    source="theory/derivations/variance-conservation.md", section="B. fresh and kept data", chains=40_000,
    theorems=["mixture.gaussian", "mixture.gaussian_fit"],
)  # fmt: skip
def gaussian_mixture_recursion(seed: int, chains: int) -> Evidence:
    alpha, beta, gamma, size, fits = 0.6, 0.2, 0.2, 50, 5
    run = simulate(
        Gaussian(), normal(), regimes.Mixture(alpha, beta, gamma), "squared_mean_error", size=size, generations=fits - 1,
        chains=chains, seed=stream(seed, "gaussian mixture"), record=[fits - 1],
    )  # fmt: skip
    exact = functools.partial(_fit_error, size, fits)
    wrong = {
        "old data taken for new model output": exact(gamma, 0.0),
        "no old data, no real data": exact(0.0, 0.0),
        "one generation early": _fit_error(size, fits - 1, gamma, beta),
    }
    return Evidence(NominalMean(last(run, "squared_mean_error")), exact(gamma, beta), wrong, f"E (mu - mu_0)^2, {fits} fits")


def _fit_error(size: int, fits: int, share: float, previous: float) -> float:
    return float(mixture.gaussian_fit(size, fits, share, previous)[1])


@claim(
    "a summable schedule 1/M_i keeps the variance, a constant M does not",
    source="sums of independent log chi-squares", section=SECTION, chains=8_000, theorems=["gaussian.scheduled_log_variance"],
)  # fmt: skip
def growing_samples_gaussian(seed: int, chains: int) -> Evidence:
    sizes = 10 * np.arange(1, 41) ** 2
    run = simulate(
        Gaussian(), normal(), regimes.Replace(), "log_variance", size=sizes, generations=sizes.size - 1, chains=chains,
        seed=stream(seed, "growing gaussian"), record=[sizes.size - 1],
    )  # fmt: skip
    mean = float(np.ravel(gaussian.scheduled_log_variance(sizes)[0])[-1])

    def centred(t: float) -> float:
        return float(sum(gaussian.log_variance_cgf(t, int(m), 1) for m in sizes)) - t * mean

    wrong = {
        "constant M": float(gaussian.expected_log_variance(int(sizes[0]), sizes.size)),
        "linear growth": float(np.ravel(gaussian.scheduled_log_variance(10 * np.arange(1, 41))[0])[-1]),
        "the first fit left out": float(np.ravel(gaussian.scheduled_log_variance(sizes[1:])[0])[-1]),
    }
    return Evidence(ChernoffMean(last(run, "log_variance")[:, 0], centred, (-(sizes[0] - 1) / 2, np.inf)), mean, wrong, "M_i = 10 i^2, 40 fits")


@claim(
    "one Gaussian fitted to a mixture: the expressivity error enters at the first generation only",
    source="theory/derivations/errors.md", section="F. error sources", chains=100_000, theorems=["errors.misfitted_fourth_moment"],
)  # fmt: skip
def expressivity(seed: int, chains: int) -> Evidence:
    size, fits, gap = 20, 2, 3.0
    run = simulate(
        Gaussian(), normal_mixture([0.5, 0.5], [-gap, gap], [1.0, 1.0]), regimes.Replace(), "log_variance", size=size,
        generations=fits - 1, chains=chains, seed=stream(seed, "expressivity"), record=[fits - 1],
    )  # fmt: skip
    variance = 1 + gap**2
    kurtosis = -2 * gap**4 / variance**2
    squared = np.exp(2 * last(run, "log_variance")[:, 0]) / variance**2
    nu = size - 1
    first, later = 1 + 2 / nu + kurtosis / size, 1 + 2 / nu
    wrong = {"in every generation": first**fits, "in none": later**fits, "at the second only in sign": (later - kurtosis / size) * later}
    return Evidence(NominalMean(squared), first * later ** (fits - 1), wrong, f"E s^4 / V^2, {fits} fits")

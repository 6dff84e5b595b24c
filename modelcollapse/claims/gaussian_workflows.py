"""Gaussians with other data than the last model's: mixtures, fresh rows, growth, accumulation, and a truth that is not Gaussian."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np

from modelcollapse import regimes
from modelcollapse.claims.gaussian import SECTION, last
from modelcollapse.families import Gaussian
from modelcollapse.run import simulate
from modelcollapse.sources import normal, normal_mixture
from modelcollapse.verify.evidence import ChernoffMean, Evidence, NominalMean
from modelcollapse.verify.registry import claim, stream
from modelcollapse_theory import accumulation, errors, fresh_gaussian, gaussian, mixture, wasserstein


@claim(
    "the paper's mixture for Gaussians: mean and variance of the fit follow one linear recursion",
    source="theory/derivations/variance-conservation.md",
    section="B. fresh and kept data",
    chains=40_000,
    tier="quick",
    theorems=["mixture.gaussian"],
)
def gaussian_mixture_recursion(seed: int, chains: int) -> Evidence:
    alpha, beta, gamma, size, fits = 0.6, 0.2, 0.2, 50, 5
    run = simulate(
        Gaussian(),
        normal(),
        regimes.Mixture(alpha, beta, gamma),
        "squared_mean_error",
        size=size,
        generations=fits - 1,
        chains=chains,
        seed=stream(seed, "gaussian mixture"),
        record=[fits - 1],
    )
    exact = functools.partial(_fit_error, size, fits)
    wrong = {
        "old data taken for new model output": exact(gamma, 0.0),
        "no old data, no real data": exact(0.0, 0.0),
        "two generations early": _fit_error(size, fits - 2, gamma, beta),
    }
    return Evidence(
        NominalMean(last(run, "squared_mean_error")), exact(gamma, beta), wrong, f"E (mu - mu_0)^2, {fits} fits"
    )


def _fit_error(size: int, fits: int, share: float, previous: float) -> float:
    return float(mixture.gaussian_fit(size, fits, share, previous)[1])


@claim(
    "a summable schedule 1/M_i keeps the variance, a constant M does not",
    source="sums of independent log chi-squares",
    section=SECTION,
    chains=8_000,
    theorems=["gaussian.scheduled_log_variance"],
)
def growing_samples_gaussian(seed: int, chains: int) -> Evidence:
    sizes = 10 * np.arange(1, 41) ** 2
    run = simulate(
        Gaussian(),
        normal(),
        regimes.Replace(),
        "log_variance",
        size=sizes,
        generations=sizes.size - 1,
        chains=chains,
        seed=stream(seed, "growing gaussian"),
        record=[sizes.size - 1],
    )
    mean = float(np.ravel(gaussian.scheduled_log_variance(sizes)[0])[-1])

    def centred(t: float) -> float:
        return float(sum(gaussian.log_variance_cgf(t, int(m), 1) for m in sizes)) - t * mean

    wrong = {
        "constant M": float(gaussian.expected_log_variance(int(sizes[0]), sizes.size)),
        "linear growth": float(np.ravel(gaussian.scheduled_log_variance(10 * np.arange(1, 41))[0])[-1]),
        "the first fit left out": float(np.ravel(gaussian.scheduled_log_variance(sizes[1:])[0])[-1]),
    }
    return Evidence(
        ChernoffMean(last(run, "log_variance")[:, 0], centred, (-(sizes[0] - 1) / 2, np.inf)),
        mean,
        wrong,
        "M_i = 10 i^2, 40 fits",
    )


@claim(
    "one Gaussian fitted to a mixture: the expressivity error enters at the first generation only",
    source="theory/derivations/errors.md",
    section="F. error sources",
    chains=100_000,
    tier="quick",
    theorems=["errors.misfitted_fourth_moment", "errors.misfitted_variance"],
)
def expressivity(seed: int, chains: int) -> list[Evidence]:
    size, fits, gap = 20, 2, 3.0
    run = simulate(
        Gaussian(),
        normal_mixture([0.5, 0.5], [-gap, gap], [1.0, 1.0]),
        regimes.Replace(),
        "log_variance",
        size=size,
        generations=fits - 1,
        chains=chains,
        seed=stream(seed, "expressivity"),
        record=[fits - 1],
    )
    variance = 1 + gap**2
    kurtosis = -2 * gap**4 / variance**2
    seen = np.exp(last(run, "log_variance")[:, 0])
    first, later = (float(errors.misfitted_fourth_moment(variance, k, size, 1)) / variance**2 for k in (kurtosis, 0.0))
    wrong = {
        "in every generation": variance**2 * first**fits,
        "in none": variance**2 * later**fits,
        "normal at the first fit, the kurtosis at the second": variance**2 * (first - 0.02) * later,
    }
    fourth = float(errors.misfitted_fourth_moment(variance, kurtosis, size, fits))
    return [
        Evidence(NominalMean(seen**2), fourth, wrong, f"E s^4, {fits} fits"),
        Evidence(
            NominalMean(seen),
            float(errors.misfitted_variance(variance, size, fits)),
            {
                "the variance of one component": 1.0,
                "ddof = 0": float(errors.misfitted_variance(variance, size, fits, ddof=0)),
            },
            f"E s^2, {fits} fits",
        ),
    ]


@claim(
    "exactly g M fresh real rows: mean and variance follow a 2 x 2 system, and the unbiased variance settles above sigma_0^2",
    source="law of total variance; theory/derivations/gaussian.md",
    section="B. fresh and kept data",
    chains=100_000,
    theorems=["fresh_gaussian.mean_error_and_variance", "fresh_gaussian.stationary"],
)
def fresh_rows_gaussian(seed: int, chains: int) -> list[Evidence]:
    size, real, fits = 50, 30, 5
    run = _run(regimes.FreshReal(real / size), "fresh gaussian", seed, chains, size, fits)
    exact = functools.partial(fresh_gaussian.mean_error_and_variance, size)
    settled = fresh_gaussian.stationary(size, real)
    # the slower eigenvalue is below 1 - g = 0.4: 1 % of a hundredth part is left of the start
    error, variance = exact(real, fits)
    return [
        Evidence(
            NominalMean(last(run, "squared_mean_error")),
            error,
            {
                "no real rows": exact(0, fits)[0],
                "five real rows fewer": exact(real - 5, fits)[0],
                "all rows real": 1 / size,
            },
            "E (mu - mu_0)^2",
        ),
        Evidence(
            NominalMean(np.exp(last(run, "log_variance")[:, 0])),
            variance,
            {
                "no gain: sigma_0^2": 1.0,
                "ddof = 0": fresh_gaussian.mean_error_and_variance(size, real, fits, ddof=0)[1],
            },
            "E s^2",
        ),
        Evidence(
            NominalMean(last(run, "squared_mean_error")),
            settled[0],
            {"all rows real": 1 / size, "ten real rows fewer": fresh_gaussian.stationary(size, real - 10)[0]},
            "stationary, from 5 fits",
            slack=settled[0] * (1 - real / size) ** (2 * fits),
        ),
    ]


@claim(
    "accumulated normal batches: E s_n^2 = sigma^2 prod_{t=2}^n (1 - 1/(t (t M - 1))) with the unbiased pooled variance",
    source="theory/derivations/accumulation.md; cf. arXiv 2410.16713",
    section="C. accumulation",
    chains=150_000,
    theorems=["accumulation.gaussian"],
)
def accumulate_gaussian(seed: int, chains: int) -> list[Evidence]:
    size, fits = 30, 3
    run = _run(regimes.Accumulate(), "accumulate gaussian", seed, chains, size, fits)
    variance, error = (float(x[-1]) for x in accumulation.gaussian(size, fits))
    biased = float(accumulation.gaussian(size, fits, ddof=0)[0][-1])
    return [
        Evidence(
            NominalMean(np.exp(last(run, "log_variance")[:, 0])),
            variance,
            {
                "no loss, as under replacement": 1.0,
                "maximum likelihood": biased,
                "half the M": float(accumulation.gaussian(size // 2, fits)[0][-1]),
            },
            "E s^2",
        ),
        Evidence(
            NominalMean(last(run, "squared_mean_error")),
            error,
            {
                "replacement": fits / size,
                "as if all rows were real": 1 / (fits * size),
                "one generation early": float(accumulation.gaussian(size, fits)[1][-2]),
            },
            "E (mu - mu_0)^2",
        ),
    ]


def _run(regime: Any, name: str, seed: int, chains: int, size: int, fits: int) -> Any:
    return simulate(
        Gaussian(),
        normal(),
        regime,
        ["squared_mean_error", "log_variance"],
        size=size,
        generations=fits - 1,
        chains=chains,
        seed=stream(seed, name),
        record=[fits - 1],
    )


@claim(
    "the variance of W2^2 is (5/2) (n/M)^2 to first order, here at one fit",
    source="theory/derivations/wasserstein.md",
    section=SECTION,
    chains=10_000_000,
    theorems=["wasserstein.variance_of_squared_distance", "wasserstein.first_order_variance"],
)
def wasserstein_variance(seed: int, chains: int) -> Evidence:
    size = 100
    random = np.random.default_rng(stream(seed, "one fit"))
    # mean and deviation of one sample in law: this many chains are what the fourth power of a normal needs
    distance = (
        random.standard_normal(chains) ** 2 / size + (np.sqrt(random.chisquare(size - 1, chains) / (size - 1)) - 1) ** 2
    )
    exact = float(wasserstein.variance_of_squared_distance(size, 1))
    seen = (distance - float(wasserstein.expected_squared_distance(size, 1))) ** 2
    wrong = {
        "arXiv 2305.17493 eq. 8": float(wasserstein.arxiv_2305_17493_equation_8(np.array([size]))[-1]),
        "the mean alone, 2 / M^2": 2 / size**2,
    }
    return Evidence(NominalMean(seen), exact, wrong, f"Var W2^2, M = {size}, one fit")

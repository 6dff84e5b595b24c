"""Gaussians fitted to more than the last model's data: mixtures, fresh rows, accumulation; and other truths."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from modelcollapse import regimes
from modelcollapse.claims.errors import F
from modelcollapse.claims.gaussian import D
from modelcollapse.claims.workflows import B, C
from modelcollapse.families import Gaussian
from modelcollapse.sources import normal, normal_mixture
from modelcollapse.verify import ChernoffMean, Evidence, Formula, Lab, NominalMean
from modelcollapse.verify.formula import Misses
from modelcollapse_theory import accumulation, errors, fresh_gaussian, gaussian, mixture, wasserstein

MOMENTS = ["squared_mean_error", "log_variance"]


@B.claim(mixture.gaussian, chains=40_000)
def gaussian_mixture_recursion(lab: Lab) -> Evidence:
    """the paper's mixture for Gaussians: mean and variance of the fit follow one linear recursion"""
    alpha, beta, gamma, size, fits = 0.6, 0.2, 0.2, 50, 5
    exact = Formula(mixture.gaussian_fit, size, fits, gamma, beta, at=(1,))
    wrong = {
        "old data taken for new model output": exact(previous_share=0.0),
        "no old data, no real data": exact(share=0.0, previous_share=0.0),
    }
    regime = regimes.Mixture(alpha, beta, gamma)
    seen = lab.last("gaussian mixture", Gaussian(), normal(), regime, "squared_mean_error", size=size, fits=fits)
    return exact.against(NominalMean(seen), f"E (mu - mu_0)^2, {fits} fits", wrong, early=2)


@D.claim(gaussian.scheduled_log_variance, source="sums of independent log chi-squares", chains=8_000, tier="default")
def growing_samples_gaussian(lab: Lab) -> Evidence:
    """a summable schedule 1/M_i keeps the variance, a constant M does not"""
    batches = np.arange(1, 41)
    sizes, fits = 10 * batches**2, batches.size
    exact = Formula(gaussian.scheduled_log_variance, sizes, at=(0, -1))
    wrong: Misses = {
        "constant M": gaussian.expected_log_variance(int(sizes[0]), fits),
        "linear growth": exact(sizes=10 * batches),
        "the first fit left out": exact(sizes=sizes[1:]),
    }
    walked = lab.last(
        "growing gaussian", Gaussian(), normal(), regimes.Replace(), "log_variance", size=sizes, fits=fits
    )
    seen = ChernoffMean.about(
        exact(),
        walked[:, 0],
        lambda t: sum(gaussian.log_variance_cgf(t, int(m), 1) for m in sizes),
        -(sizes[0] - 1) / 2,
    )
    return exact.against(seen, "M_i = 10 i^2, 40 fits", wrong)


@F.claim(errors.misfitted_fourth_moment, errors.misfitted_variance, chains=100_000, tier="quick")
def expressivity(lab: Lab) -> Iterator[Evidence]:
    """one Gaussian fitted to a mixture: the expressivity error enters at the first generation only"""
    size, fits, gap = 20, 2, 3.0
    source = normal_mixture([0.5, 0.5], [-gap, gap], [1.0, 1.0])
    walked = lab.last("expressivity", Gaussian(), source, regimes.Replace(), "log_variance", size=size, fits=fits)
    seen, variance = np.exp(walked[:, 0]), 1 + gap**2
    fourth = Formula(errors.misfitted_fourth_moment, variance, -2 * gap**4 / variance**2, size, fits)
    first, later = fourth(fits=1) / variance**2, fourth(kurtosis=0.0, fits=1) / variance**2
    wrong = {
        "in every generation": variance**2 * first**fits,
        "in none": variance**2 * later**fits,
        "normal at the first fit, the kurtosis at the second": variance**2 * (first - 0.02) * later,
    }
    yield fourth.against(NominalMean(seen**2), f"E s^4, {fits} fits", wrong)
    second = Formula(errors.misfitted_variance, variance, size, fits)
    wrong = {"the variance of one component": 1.0}
    yield second.against(NominalMean(seen), f"E s^2, {fits} fits", wrong, ddof=0)


@B.claim(
    fresh_gaussian.mean_error_and_variance,
    fresh_gaussian.stationary,
    source="law of total variance; theory/derivations/gaussian.md",
    chains=100_000,
    tier="default",
)
def fresh_rows_gaussian(lab: Lab) -> Iterator[Evidence]:
    """exactly g M fresh real rows: mean and variance follow a 2 x 2 system, and the unbiased variance settles above
    sigma_0^2"""
    size, real, fits = 50, 30, 5
    run = lab.run("fresh gaussian", Gaussian(), normal(), regimes.FreshReal(real / size), MOMENTS, size=size, fits=fits)
    errors, variances = run["squared_mean_error"][:, -1], np.exp(run["log_variance"][:, -1, 0])
    error, variance = (Formula(fresh_gaussian.mean_error_and_variance, size, real, fits, at=(i,)) for i in (0, 1))
    wrong = {
        "no real rows": error(real_size=0),
        "five real rows fewer": error(real_size=real - 5),
        "all rows real": 1 / size,
    }
    yield error.against(NominalMean(errors), "E (mu - mu_0)^2", wrong)
    yield variance.against(NominalMean(variances), "E s^2", {"no gain: sigma_0^2": 1.0}, ddof=0)
    settled = Formula(fresh_gaussian.stationary, size, real, at=(0,))
    wrong = {"all rows real": 1 / size, "ten real rows fewer": settled(real_size=real - 10)}
    # the slower eigenvalue is below 1 - g = 0.4: 1 % of a hundredth part is left of the start
    slack = settled() * (1 - real / size) ** (2 * fits)
    yield settled.against(NominalMean(errors), "stationary, from 5 fits", wrong, slack=slack)


@C.claim(
    accumulation.gaussian,
    source="theory/derivations/accumulation.md; cf. arXiv 2410.16713",
    chains=150_000,
    tier="default",
)
def accumulate_gaussian(lab: Lab) -> Iterator[Evidence]:
    """accumulated normal batches: E s_n^2 = sigma^2 prod_{t=2}^n (1 - 1/(t (t M - 1))) with the unbiased pooled
    variance"""
    size, fits = 30, 3
    run = lab.run("accumulate gaussian", Gaussian(), normal(), regimes.Accumulate(), MOMENTS, size=size, fits=fits)
    variance, error = (Formula(accumulation.gaussian, size, fits, at=(i, -1)) for i in (0, 1))
    wrong = {
        "no loss, as under replacement": 1.0,
        "maximum likelihood": variance(ddof=0),
        "half the M": variance(sample_size=size // 2),
    }
    yield variance.against(NominalMean(np.exp(run["log_variance"][:, -1, 0])), "E s^2", wrong)
    wrong = {"replacement": fits / size, "as if all rows were real": 1 / (fits * size)}
    yield error.against(NominalMean(run["squared_mean_error"][:, -1]), "E (mu - mu_0)^2", wrong, early=1)


@D.claim(
    wasserstein.variance_of_squared_distance,
    wasserstein.first_order_variance,
    source="theory/derivations/wasserstein.md",
    chains=10_000_000,
    tier="default",
)
def wasserstein_variance(lab: Lab) -> Evidence:
    """the variance of W2^2 is (5/2) (n/M)^2 to first order, here at one fit"""
    size, random = 100, lab.random("one fit")
    # mean and deviation of one sample in law: this many chains are what the fourth power of a normal needs
    means = random.standard_normal(lab.chains) ** 2 / size
    distance = means + (np.sqrt(random.chisquare(size - 1, lab.chains) / (size - 1)) - 1) ** 2
    wrong = {
        "arXiv 2305.17493 eq. 8": wasserstein.arxiv_2305_17493_equation_8(np.array([size]))[-1],
        "the mean alone, 2 / M^2": 2 / size**2,
    }
    seen = NominalMean((distance - float(wasserstein.expected_squared_distance(size, 1))) ** 2)
    exact = wasserstein.variance_of_squared_distance(size, 1)
    return Evidence(seen, exact, wrong, f"Var W2^2, M = {size}, one fit")

"""Limits of large samples, each within the error that its theorem states."""

from __future__ import annotations

import functools

import numpy as np

from modelcollapse import ancestry, sampling
from modelcollapse.claims.gaussian import SECTION as GAUSSIANS
from modelcollapse.claims.replacement import LAW, SECTION
from modelcollapse.families import GaussianMixture
from modelcollapse.run import simulate
from modelcollapse.sources import normal
from modelcollapse.verify.evidence import Evidence, NominalMean, Proportion
from modelcollapse.verify.registry import claim, shared, stream
from modelcollapse_theory import collapse, fixation, fixation_diffusion, hitting

SIZE = 200


@shared
def fixations(seed: int, chains: int) -> tuple[np.ndarray, np.ndarray]:
    """Fits until one state is left, and which, traced backwards."""
    times, winners = ancestry.fixation(sampling.key(stream(seed, "fixation") % 2**63), np.array(LAW), SIZE, chains)
    return np.asarray(times), np.asarray(winners)


@claim(
    "E T = -2M sum (1 - p) ln(1 - p) - (1/3)[ln M + sum p ln(1 - p)] + c_0: the diffusion's mean, corrected",
    source="Kimura and Ohta (1969), Littler (1975) for the diffusion; theory/derivations/fixation.md",
    section=SECTION,
    chains=200_000,
    theorems=[
        "fixation_diffusion.fixation_time_mean_refined",
        "fixation_diffusion.fixation_time_second_moment_limit",
        "fixation_diffusion.conditional_fixation_mean_refined",
        "fixation_diffusion.fixation_probability_by_limit",
        "fixation.fixation_time_moments",
    ],
)
def fixation_limits(seed: int, chains: int) -> list[Evidence]:
    times, winners = fixations(seed, chains)
    refined = float(fixation_diffusion.fixation_time_mean_refined(LAW, SIZE))
    plain = float(fixation_diffusion.fixation_time_mean_limit(LAW, SIZE))
    second = float(fixation_diffusion.fixation_time_second_moment_limit(LAW, SIZE))
    state, n = 1, SIZE
    given = float(fixation_diffusion.conditional_fixation_mean_refined(LAW[state], SIZE))
    by = functools.partial(fixation_diffusion.fixation_probability_by_limit, LAW[0], SIZE)
    exact = float(fixation.fixation_time_moments(LAW, SIZE)[0])
    return [
        Evidence(
            NominalMean(times), exact, {"diploid": 2 * plain, "M + 5 for M": exact * (1 + 5 / SIZE)}, "E T, exact"
        ),
        Evidence(
            NominalMean(times),
            refined,
            {"diploid": 2 * plain, "M + 5 for M": refined * (1 + 5 / SIZE)},
            "E T, corrected",
            slack=2 / SIZE,
        ),
        Evidence(
            NominalMean(times.astype(float) ** 2),
            second,
            {"the square of the mean": plain**2, "twice that": 2 * plain**2},
            "E T^2, diffusion",
            slack=SIZE * np.log(SIZE) * 4,
        ),
        Evidence(
            NominalMean(times[winners == state]),
            given,
            {"whoever wins": refined, "given a loss": plain / 2},
            "E[T | a state wins]",
            slack=10 / SIZE,
        ),
        Evidence(
            Proportion.of((times <= n) & (winners == 0)),
            float(by(n)),
            {"in the end": LAW[0], "a tenth earlier": float(by(n - n // 10))},
            f"P(a state has won by fit {n})",
            slack=1 / SIZE,
        ),
    ]


@claim(
    "the variance first falls below a threshold after an inverse Gaussian time, with Siegmund's overshoot",
    source="Wald's identity and Siegmund's correction; theory/derivations/gaussian.md",
    section=GAUSSIANS,
    chains=20_000,
    theorems=["hitting.expected_hitting_time", "hitting.variance_hitting_time", "hitting.hitting_time_cdf"],
)
def hitting_time(seed: int, chains: int) -> list[Evidence]:
    size, threshold = 20, 1e-3
    random = np.random.default_rng(stream(seed, "hitting time"))
    walked, time = np.zeros(chains), np.zeros(chains)
    while np.any(alive := walked >= np.log(threshold)):
        walked[alive] += np.log(random.chisquare(size - 1, int(alive.sum())) / (size - 1))
        time[alive] += 1
    mean, spread = (float(f(threshold, size)) for f in (hitting.expected_hitting_time, hitting.variance_hitting_time))
    n = int(mean)
    by = functools.partial(hitting.hitting_time_cdf, threshold=threshold, sample_size=size)
    return [
        Evidence(
            NominalMean(time),
            mean,
            {
                "ddof = 0": float(hitting.expected_hitting_time(threshold, size, ddof=0)),
                "M ln 2 for each halving, of M + 2": mean * (size + 2) / size,
            },
            "mean",
            slack=2.0,
        ),
        Evidence(
            NominalMean((time - time.mean()) ** 2),
            spread,
            {"Poisson: the mean": mean, "twice that": 2 * spread},
            "variance",
            slack=4 * spread / size,
        ),
        Evidence(
            Proportion.of(time <= n),
            float(by(n)),
            {"a fifth later": float(by(n + n // 5)), "a fifth earlier": float(by(n - n // 5))},
            f"P(T <= {n})",
            slack=0.5 / size,
        ),
    ]


@claim(
    "eps added to every fitted variance stops the collapse: the variance settles at InvGamma(2 - ddof, eps M)",
    source="diffusion limit; theory/derivations/gaussian.md; the reg_covar of scikit-learn's mixtures",
    section=GAUSSIANS,
    chains=4_000,
    theorems=["collapse.regularised_variance_cdf"],
)
def regularised_variance(seed: int, chains: int) -> list[Evidence]:
    size, eps, out = 100, 1e-6, []
    # what is left of the start after n fits: e^(-n/M) with ddof 0, e^(-n/(4M)) with ddof 1
    for ddof, times in ((0, 8), (1, 32)):
        random = np.random.default_rng(stream(seed, f"regularised {ddof}"))
        variance = np.full(chains, eps * size)
        for _ in range(times * size):
            variance = variance * random.chisquare(size - 1, chains) / (size - ddof) + eps
        out += _settled(variance, size, eps, ddof, "variance alone")
    return out


@claim(
    "a mixture of one component with reg_covar does not collapse: its variance settles at InvGamma(2, reg_covar M)",
    source="diffusion limit; theory/derivations/gaussian.md",
    section=GAUSSIANS,
    chains=2_000,
    theorems=["collapse.regularised_variance_cdf"],
)
def regularised_mixture(seed: int, chains: int) -> list[Evidence]:
    size, eps, last = 50, 1e-6, 400
    run = simulate(
        GaussianMixture(1, reg_covar=eps, tol=1e-5),
        normal(0.0, eps * size),
        observe="variance",
        size=size,
        generations=last,
        chains=chains,
        seed=stream(seed, "regularised mixture"),
        record=[last],
    )
    return _settled(run["variance"][:, 0, 0], size, eps, 0, "mixture")


def _settled(variance: np.ndarray, size: int, eps: float, ddof: int, what: str) -> list[Evidence]:
    out = []
    cdf = functools.partial(collapse.regularised_variance_cdf, sample_size=size)
    for level in (0.25, 0.75):
        point = float(collapse.regularised_variance_quantile(level, size, eps, ddof=ddof))
        wrong = {
            f"ddof = {1 - ddof}": float(cdf(point, regularisation=eps, ddof=1 - ddof)),
            "twice eps": float(cdf(point, regularisation=2 * eps, ddof=ddof)),
            "collapse to eps": 1.0,
        }
        label = f"{what}, ddof = {ddof}, P(v < {point:.3g})"
        out.append(Evidence(Proportion.of(variance <= point), level, wrong, label, slack=1 / size))
    return out

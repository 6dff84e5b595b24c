"""Limits of large samples, each within the error that its theorem states."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from modelcollapse import ancestry, sampling
from modelcollapse.claims.gaussian import D
from modelcollapse.claims.replacement import LAW, A
from modelcollapse.families import GaussianMixture
from modelcollapse.sources import normal
from modelcollapse.verify import Evidence, Formula, Lab, NominalMean, Proportion
from modelcollapse.verify.runner import stream
from modelcollapse_theory import collapse, fixation, fixation_diffusion, hitting

SIZE = 200


@A.claim(
    fixation_diffusion.fixation_time_mean_refined,
    fixation_diffusion.fixation_time_second_moment_limit,
    fixation_diffusion.conditional_fixation_mean_refined,
    fixation_diffusion.fixation_probability_by_limit,
    fixation.fixation_time_moments,
    source="Kimura and Ohta (1969), Littler (1975) for the diffusion; theory/derivations/fixation.md",
    chains=200_000,
    tier="default",
)
def fixation_limits(lab: Lab) -> Iterator[Evidence]:
    """E T = -2M sum (1 - p) ln(1 - p) - (1/3)[ln M + sum p ln(1 - p)] + c_0: the diffusion's mean, corrected"""
    key = sampling.key(stream(lab.seed, "fixation") % 2**63)
    # fits until one state is left, and which, traced backwards
    times, winners = (np.asarray(x) for x in ancestry.fixation(key, np.array(LAW), SIZE, lab.chains))
    seen, state, n = NominalMean(times), 1, SIZE
    plain = float(fixation_diffusion.fixation_time_mean_limit(LAW, SIZE))
    exact = fixation.fixation_time_moments(LAW, SIZE)[0]
    refined = float(fixation_diffusion.fixation_time_mean_refined(LAW, SIZE))
    for value, what, slack in ((exact, "exact", 0.0), (refined, "corrected", 2 / SIZE)):
        wrong = {"diploid": 2 * plain, "M + 5 for M": value * (1 + 5 / SIZE)}
        yield Evidence(seen, value, wrong, f"E T, {what}", slack)
    second = fixation_diffusion.fixation_time_second_moment_limit(LAW, SIZE)
    wrong = {"the square of the mean": plain**2, "twice that": 2 * plain**2}
    squares = NominalMean(times.astype(float) ** 2)
    yield Evidence(squares, second, wrong, "E T^2, diffusion", slack=SIZE * np.log(SIZE) * 4)
    given = fixation_diffusion.conditional_fixation_mean_refined(LAW[state], SIZE)
    wrong = {"whoever wins": refined, "given a loss": plain / 2}
    yield Evidence(NominalMean(times[winners == state]), given, wrong, "E[T | a state wins]", slack=10 / SIZE)
    by = Formula(fixation_diffusion.fixation_probability_by_limit, LAW[0], SIZE, n)
    won = Proportion.of((times <= n) & (winners == 0))
    wrong = {"in the end": LAW[0], "a tenth earlier": by(fits=n - n // 10)}
    yield by.against(won, f"P(a state has won by fit {n})", wrong, slack=1 / SIZE)


@D.claim(
    hitting.expected_hitting_time,
    hitting.variance_hitting_time,
    hitting.hitting_time_cdf,
    source="Wald's identity and Siegmund's correction; theory/derivations/gaussian.md",
    tier="default",
)
def hitting_time(lab: Lab) -> Iterator[Evidence]:
    """the variance first falls below a threshold after an inverse Gaussian time, with Siegmund's overshoot"""
    size, threshold = 20, 1e-3
    random = lab.random("hitting time")
    walked, time = np.zeros(lab.chains), np.zeros(lab.chains)
    while np.any(alive := walked >= np.log(threshold)):
        walked[alive] += np.log(random.chisquare(size - 1, int(alive.sum())) / (size - 1))
        time[alive] += 1
    mean = Formula(hitting.expected_hitting_time, threshold, size)
    wrong = {"M ln 2 for each halving, of M + 2": mean() * (size + 2) / size}
    yield mean.against(NominalMean(time), "mean", wrong, ddof=0, slack=2.0)
    spread = float(hitting.variance_hitting_time(threshold, size))
    wrong = {"Poisson: the mean": mean(), "twice that": 2 * spread}
    yield Evidence(NominalMean((time - time.mean()) ** 2), spread, wrong, "variance", slack=4 * spread / size)
    n = int(mean())
    by = Formula(hitting.hitting_time_cdf, n, threshold, size)
    wrong = {"a fifth later": by(fits=n + n // 5), "a fifth earlier": by(fits=n - n // 5)}
    yield by.against(Proportion.of(time <= n), f"P(T <= {n})", wrong, slack=0.5 / size)


@D.claim(
    collapse.regularised_variance_cdf,
    source="diffusion limit; theory/derivations/gaussian.md; the reg_covar of scikit-learn's mixtures",
    chains=4_000,
    tier="default",
)
def regularised_variance(lab: Lab) -> Iterator[Evidence]:
    """eps added to every fitted variance stops the collapse: the variance settles at InvGamma(2 - ddof, eps M)"""
    size, eps = 100, 1e-6
    # what is left of the start after n fits: e^(-n/M) with ddof 0, e^(-n/(4M)) with ddof 1
    for ddof, times in ((0, 8), (1, 32)):
        random = lab.random(f"regularised {ddof}")
        variance = np.full(lab.chains, eps * size)
        for _ in range(times * size):
            variance = variance * random.chisquare(size - 1, lab.chains) / (size - ddof) + eps
        yield from settled(variance, size, eps, ddof, "variance alone")


@D.claim(
    collapse.regularised_variance_cdf,
    source="diffusion limit; theory/derivations/gaussian.md",
    chains=2_000,
    tier="default",
)
def regularised_mixture(lab: Lab) -> Iterator[Evidence]:
    """a mixture of one component with reg_covar does not collapse: its variance settles at InvGamma(2, reg_covar M)"""
    size, eps = 50, 1e-6
    family, source = GaussianMixture(1, reg_covar=eps, tol=1e-5), normal(0.0, eps * size)
    variance = lab.last("regularised mixture", family, source, observe="variance", size=size, fits=401)[:, 0]
    return settled(variance, size, eps, 0, "mixture")


def settled(variance: np.ndarray, size: int, eps: float, ddof: int, what: str) -> Iterator[Evidence]:
    """Quartiles of the stationary variance."""
    for level in (0.25, 0.75):
        point = float(collapse.regularised_variance_quantile(level, size, eps, ddof=ddof))
        below = Formula(collapse.regularised_variance_cdf, point, size, eps, ddof=ddof)
        wrong = {"twice eps": below(regularisation=2 * eps), "collapse to eps": 1.0, **below.near(ddof=1 - ddof)}
        label = f"{what}, ddof = {ddof}, P(v < {point:.3g})"
        yield Evidence(Proportion.of(variance <= point), level, wrong, label, slack=1 / size)

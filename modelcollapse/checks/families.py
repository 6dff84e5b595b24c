"""Families with one parameter, drawn by their sufficient statistic: the mean's error grows by 1 + v2/M a fit, whatever the family."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np

from modelcollapse.checks.claims import claim, stream
from modelcollapse.checks.evidence import BoundedMean, ChernoffMean, Evidence, NominalMean, Proportion
from modelcollapse_theory import exponential_families as families
from modelcollapse_theory import special_families

SECTION = "D. families"
SOURCE = "theory/derivations/exponential-families.md"
SIZE, FITS, SHAPE, TRIALS = 50, 5, 2.0, 3

# the mean of M draws from the law with mean m, in law
DRAWS = {
    "poisson": (families.poisson(), 1.0, lambda r, m, n: r.poisson(n * m) / n),
    "negative binomial": (
        families.negative_binomial(SHAPE),
        1.0,
        lambda r, m, n: r.poisson(r.standard_gamma(SHAPE * n, m.shape) * m / SHAPE) / n,
    ),
    "gamma": (families.gamma(SHAPE), 1.0, lambda r, m, n: m * r.standard_gamma(SHAPE * n, m.shape) / (SHAPE * n)),
    "normal": (families.normal(1.0), 0.0, lambda r, m, n: m + r.standard_normal(m.shape) / np.sqrt(n)),
    "binomial": (families.binomial(TRIALS), 1.2, lambda r, m, n: r.binomial(TRIALS * n, m / TRIALS) / n),
}


def walk(name: str, seed: int, chains: int, fits: int = FITS, *, real: int = 0, keep: bool = False) -> np.ndarray:
    """Fitted means after ``fits`` fits: ``real`` of the draws from the truth each time, or all batches kept."""
    _, truth, draw = DRAWS[name]
    random = np.random.default_rng(stream(seed, f"{name} {fits} {real} {keep}"))
    mean = draw(random, np.full(chains, truth), SIZE)
    for n in range(2, fits + 1):
        if keep:
            mean = ((n - 1) * mean + draw(random, mean, SIZE)) / n
        elif real:
            fresh = draw(random, np.full(chains, truth), real)
            mean = ((SIZE - real) * draw(random, mean, SIZE - real) + real * fresh) / SIZE
        else:
            mean = draw(random, mean, SIZE)
    return mean


def bounded_or_nominal(name: str, values: np.ndarray, high: float) -> Any:
    return BoundedMean(values, 0, high) if name == "binomial" else NominalMean(values)


@claim(
    "Var m_n = V(m_0) [(1 + v2/M)^n - 1] / v2 in every family with V = v0 + v1 m + v2 m^2",
    source=SOURCE,
    section=SECTION,
    chains=100_000,
    tier="quick",
    theorems=["exponential_families.expected_mean_error", "exponential_families.expected_variance_function"],
)
def quadratic_variance(seed: int, chains: int) -> list[Evidence]:
    out = []
    for name, (family, truth, _) in DRAWS.items():
        exact = functools.partial(families.expected_mean_error, family, truth, SIZE)
        wrong = {"one generation early": float(exact(FITS - 1)), "twice the variance function": 2 * float(exact(FITS))}
        seen = (walk(name, seed, chains) - truth) ** 2
        out.append(
            Evidence(bounded_or_nominal(name, seen, TRIALS**2), float(exact(FITS)), wrong, f"{name}, E (m - m_0)^2")
        )
    family, truth, _ = DRAWS["binomial"]
    mean, n = walk("binomial", seed, chains, 60), 60
    shown = functools.partial(families.expected_variance_function, family, truth)
    wrong = {
        "V(m_0) for ever": float(shown(SIZE, 0)),
        "Bernoulli's v2 = -1": float(shown(SIZE, 0)) * (1 - 1 / SIZE) ** n,
    }
    out.append(
        Evidence(
            BoundedMean(mean * (1 - mean / TRIALS), 0, TRIALS / 4),
            float(shown(SIZE, n)),
            wrong,
            f"binomial, E V, {n} fits",
        )
    )
    return out


@claim(
    "accumulating keeps the mean's error below V(m_0)/v2 [prod(1 + v2/(M i^2)) - 1]; fresh real data settle it",
    source=SOURCE,
    section=SECTION,
    chains=100_000,
    tier="quick",
    theorems=["exponential_families.accumulated_mean_error", "exponential_families.fresh_mean_error"],
)
def families_with_data(seed: int, chains: int) -> list[Evidence]:
    family, truth, _ = DRAWS["gamma"]
    exact = functools.partial(families.accumulated_mean_error, family, truth, SIZE)
    fresh = functools.partial(families.fresh_mean_error, family, truth, SIZE)
    real = 20
    return [
        Evidence(
            NominalMean((walk("gamma", seed, chains, keep=True) - truth) ** 2),
            float(exact(FITS)),
            {
                "replacement": float(families.expected_mean_error(family, truth, SIZE, FITS)),
                "two generations early": float(exact(FITS - 2)),
                "real data only": truth**2 / (SHAPE * SIZE * FITS),
            },
            "gamma, all batches kept",
        ),
        Evidence(
            NominalMean((walk("gamma", seed, chains, real=real) - truth) ** 2),
            float(fresh(real / SIZE, FITS)),
            {
                "five real draws fewer": float(fresh((real - 5) / SIZE, FITS)),
                "real data only": truth**2 / (SHAPE * SIZE),
            },
            f"gamma, {real} of {SIZE} real",
        ),
        Evidence(
            BoundedMean((walk("binomial", seed, chains, 30, real=real) - DRAWS["binomial"][1]) ** 2, 0, TRIALS**2),
            float(families.fresh_mean_error(DRAWS["binomial"][0], DRAWS["binomial"][1], SIZE, real / SIZE)),
            {
                "five real draws fewer": float(
                    families.fresh_mean_error(DRAWS["binomial"][0], DRAWS["binomial"][1], SIZE, (real - 5) / SIZE)
                ),
                "no synthetic draws": DRAWS["binomial"][1] * (1 - DRAWS["binomial"][1] / TRIALS) / SIZE,
            },
            f"binomial, stationary, {real} of {SIZE} real",
        ),
    ]


@claim(
    "Poisson: every draw is 0 by fit n with probability exp(-M m_0 a_n), though the mean never changes",
    source="critical branching; theory/derivations/exponential-families.md",
    section=SECTION,
    chains=100_000,
    tier="quick",
    theorems=["exponential_families.poisson_extinction"],
)
def poisson_extinction(seed: int, chains: int) -> Evidence:
    size, truth, fits = 10, 0.5, 8
    random = np.random.default_rng(stream(seed, "poisson extinction"))
    count = random.poisson(size * truth, chains)
    for _ in range(fits - 1):
        count = random.poisson(count)
    exact = functools.partial(families.poisson_extinction, truth, size)
    wrong = {
        "one generation early": float(exact(fits - 1)),
        "no draw at once, e^(-M m_0)": float(np.exp(-size * truth)),
        "a_n = 2 / n": float(np.exp(-size * truth * 2 / fits)),
    }
    return Evidence(Proportion.of(count == 0), float(exact(fits)), wrong, f"M m_0 = {size * truth:g}, {fits} fits")


@claim(
    "the logarithm of a gamma mean, of a uniform end and of a Pareto index are gamma walks, and the estimator decides their direction",
    source=SOURCE,
    section=SECTION,
    chains=50_000,
    tier="quick",
    theorems=[
        "special_families.gamma_log_mean",
        "special_families.gamma_mean_cgf",
        "special_families.uniform_log_end",
        "special_families.pareto_log_index",
        "special_families.pareto_index_cgf",
    ],
)
def gamma_walks(seed: int, chains: int) -> list[Evidence]:
    size, fits = 10, 20
    random = np.random.default_rng(stream(seed, "walks"))
    mean = np.zeros(chains)
    end, index, unbiased = np.zeros(chains), np.zeros(chains), np.zeros(chains)
    for _ in range(fits):
        mean += np.log(random.standard_gamma(SHAPE * size, chains) / (SHAPE * size))
        end += np.log(random.random((chains, size)).max(1))
        # the index is fitted to logarithms of Pareto draws, which are exponential
        total = np.log(random.standard_exponential((chains, size)).sum(1))
        index += np.log(size) - total
        unbiased += np.log(size - 1) - total
    drift = float(special_families.gamma_log_mean(size, fits, shape=SHAPE)[0])
    rise, fall = (float(special_families.pareto_log_index(size, fits, unbiased=u)[0]) for u in (False, True))
    cdf = functools.partial(special_families.uniform_end_cdf, -2.0, size)

    def pareto(unbiased: bool, mean: float) -> Any:
        return lambda t: float(special_families.pareto_index_cgf(t, size, fits, unbiased=unbiased)) - t * mean

    return [
        Evidence(
            ChernoffMean(
                mean,
                lambda t: float(special_families.gamma_mean_cgf(t, size, fits, shape=SHAPE)) - t * drift,
                (-SHAPE * size, np.inf),
            ),
            drift,
            {
                "no drift": 0.0,
                "exponential": float(special_families.gamma_log_mean(size, fits)[0]),
                "five generations early": drift * (1 - 5 / fits),
            },
            "gamma, E ln(m_n / m_0)",
        ),
        Evidence(
            Proportion.of(end <= -2.0),
            float(cdf(fits)),
            {"unbiased end": float(cdf(fits, unbiased=True)), "one generation early": float(cdf(fits - 1))},
            "uniform, P(ln(b_n / b_0) < -2)",
        ),
        Evidence(
            ChernoffMean(index, pareto(False, rise), (-np.inf, size)),
            rise,
            {"unbiased": fall, "no drift": 0.0},
            "Pareto, most likely index",
        ),
        Evidence(
            ChernoffMean(unbiased, pareto(True, fall), (-np.inf, size)),
            fall,
            {"most likely": rise, "no drift": 0.0},
            "Pareto, unbiased index",
        ),
    ]

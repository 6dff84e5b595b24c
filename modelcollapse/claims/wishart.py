"""Matrices: the pivots of a refitted covariance die at different rates, and its zonal moments at exact ones."""

from __future__ import annotations

import functools

import numpy as np

from modelcollapse.claims.gaussian import (
    CHAINS,
    FITS,
    LAST_FITS,
    LATE_FITS,
    LATE_SIZE,
    SECTION,
    SIZE,
    VARIANCES,
    at_late,
    early,
    last,
    late,
)
from modelcollapse.verify.evidence import ChernoffMean, Evidence, NominalMean, Proportion
from modelcollapse.verify.registry import claim
from modelcollapse_theory import collapse, gaussian, wasserstein, wishart

TRUTH = np.diag(VARIANCES)


@claim(
    "ln det Sigma_n is a sum of independent log chi-squares (Bartlett)",
    source="Bartlett decomposition",
    section=SECTION,
    chains=CHAINS,
    tier="quick",
    theorems=["wishart.expected_log_determinant", "wishart.log_determinant_cgf"],
)
def log_determinant(seed: int, chains: int) -> Evidence:
    size, fits, d = LATE_SIZE, LATE_FITS, 3
    exact = functools.partial(wishart.expected_log_determinant, size, fits)
    mean = float(exact(d))
    observed = ChernoffMean(
        at_late(late(seed, chains), "log_determinant"),
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
    source="Bartlett decomposition; cf. Newman (1986)",
    section=SECTION,
    chains=CHAINS,
    tier="quick",
    theorems=["wishart.lyapunov_spectrum", "wishart.pivot_cgf"],
)
def lyapunov_spectrum(seed: int, chains: int) -> list[Evidence]:
    size, fits, d = LATE_SIZE, LATE_FITS, 3
    spectrum = wishart.lyapunov_spectrum(size, d)
    pivots = at_late(late(seed, chains), "log_pivots") / fits
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
    "every chain collapses: P(tr Sigma_n > eps tr Sigma_0) <= d eps^(-1/2) c4(M)^n",
    source="Markov's inequality on sigma; theory/derivations/gaussian.md",
    section=SECTION,
    chains=CHAINS,
    tier="quick",
    theorems=["collapse.collapse_bound"],
)
def every_chain(seed: int, chains: int) -> Evidence:
    eps = 1e-3
    bound = float(collapse.collapse_bound(eps, LATE_SIZE, LAST_FITS, dimension=3))
    assert bound < 1e-12
    share = np.trace(last(late(seed, chains), "covariance"), axis1=1, axis2=2) / 3
    wrong = {"E Sigma_n = Sigma_0, so no chain collapses": 1.0, "one chain in a hundred survives": 0.01}
    return Evidence(
        Proportion.of(share > eps), bound / 2, wrong, f"P(tr Sigma > {eps:g}), {LAST_FITS} fits", slack=bound / 2
    )


@claim(
    "ln det Sigma_n has variance n sum psi'((M - j)/2), and its law is known",
    source="Bartlett decomposition",
    section=SECTION,
    chains=CHAINS,
    theorems=["wishart.variance_log_determinant", "wishart.log_determinant_cdf", "wishart.pivot_log_variance"],
)
def log_determinant_law(seed: int, chains: int) -> list[Evidence]:
    run = early(seed, chains)
    change = last(run, "log_determinant") - np.log(np.prod(VARIANCES))
    mean = float(wishart.expected_log_determinant(SIZE, FITS, 3))
    cdf = functools.partial(wishart.log_determinant_cdf, -1.0)
    pivot = last(run, "log_pivots")[:, 2] - np.log(VARIANCES[2])
    third = FITS * wishart.lyapunov_spectrum(SIZE, 3)[2]
    spread = FITS * wishart.pivot_log_variance(SIZE, 3)
    return [
        Evidence(
            NominalMean((change - mean) ** 2),
            float(wishart.variance_log_determinant(SIZE, FITS, 3)),
            {
                "one dimension": float(gaussian.variance_log_variance(SIZE, FITS)),
                "one generation early": float(wishart.variance_log_determinant(SIZE, FITS - 1, 3)),
            },
            "Var ln det",
        ),
        Evidence(
            Proportion.of(change <= -1),
            float(cdf(SIZE, FITS, 3)),
            {"two dimensions": float(cdf(SIZE, FITS, 2)), "two generations early": float(cdf(SIZE, FITS - 2, 3))},
            "P(ln det < -1)",
        ),
        Evidence(
            NominalMean((pivot - third) ** 2),
            float(spread[2]),
            {"one generation early": float(spread[2]) * (1 - 1 / FITS), "the sum of all three": float(spread.sum())},
            "Var ln of pivot 3",
        ),
    ]


@claim(
    "zonal moments: E[2 tr S^2 + (tr S)^2] grows as (1 + 2/nu)^n, E e_k decays as ((nu)_k / nu^k)^n",
    source="zonal polynomials; theory/derivations/wishart.md",
    section=SECTION,
    chains=CHAINS,
    tier="quick",
    theorems=["wishart.expected_trace_squares", "wishart.expected_elementary_symmetric"],
)
def zonal_moments(seed: int, chains: int) -> list[Evidence]:
    covariance = last(early(seed, chains), "covariance")
    trace, squares = np.trace(covariance, axis1=1, axis2=2), (covariance**2).sum((1, 2))

    def both(fits: int) -> float:
        squared_trace, trace_of_square = wishart.expected_trace_squares(TRUTH, SIZE, fits)
        return float(squared_trace + 2 * trace_of_square)

    def symmetric(order: int, fits: int, size: int = SIZE) -> float:
        return float(wishart.expected_elementary_symmetric(TRUTH, size, fits, order))

    out = [
        Evidence(
            NominalMean(trace**2 + 2 * squares),
            both(FITS),
            {
                "no growth": both(0),
                "as (1 + 1/nu)^n": both(0) * (1 + 1 / (SIZE - 1)) ** FITS,
                "half the fits": both(FITS // 2),
            },
            "(tr S)^2 + 2 tr S^2",
        )
    ]
    values = {2: (trace**2 - squares) / 2, 3: np.linalg.det(covariance)}
    for order, seen in values.items():
        wrong = {
            "no decay": symmetric(order, 0),
            "half the fits": symmetric(order, FITS // 2),
            "independent directions": symmetric(1, 0) ** order,
        }
        out.append(Evidence(NominalMean(seen), symmetric(order, FITS), wrong, f"E e_{order}"))
    return out


@claim(
    "E W2^2 in d dimensions: first order n d/M + n d (d + 1)/(4 nu) when isotropic, and bounds at every n",
    source="theory/derivations/wasserstein.md",
    section=SECTION,
    chains=CHAINS,
    tier="quick",
    theorems=["wasserstein.first_order_bures", "wasserstein.bures_bounds"],
)
def bures_growth(seed: int, chains: int) -> list[Evidence]:
    run, total = early(seed, chains), float(np.sum(VARIANCES))
    out = []
    for index, fits in ((1, 5), (2, FITS)):
        first = float(wasserstein.first_order_bures(TRUTH, SIZE, fits))
        low, high = (float(b) for b in wasserstein.bures_bounds(TRUTH, SIZE, fits))
        seen = NominalMean(run["w2_squared"][:, index])
        wrong = {
            "the mean alone": total * fits / SIZE,
            "d independent directions": 1.5 * total * fits / SIZE,
            "twice the covariance part": 2 * first - total * fits / SIZE,
        }
        out.append(Evidence(seen, first, wrong, f"first order, {fits} fits", slack=total * (fits / SIZE) ** 2 / 2))
    wrong = {"the mean alone": total * FITS / SIZE, "the bound of the far future": total * (FITS / SIZE + 4)}
    out.append(Evidence(seen, (low + high) / 2, wrong, f"between the bounds, {FITS} fits", slack=(high - low) / 2))
    return out

"""Matrices: the pivots of a refitted covariance die at different rates, and its zonal moments at exact ones."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from modelcollapse.claims.gaussian import FITS, LAST_FITS, LATE_FITS, LATE_SIZE, SIZE, VARIANCES, D, early, late
from modelcollapse.verify import ChernoffMean, Evidence, Formula, Lab, NominalMean, Proportion
from modelcollapse_theory import collapse, gaussian, wasserstein, wishart

TRUTH = np.diag(VARIANCES)


@D.claim(wishart.expected_log_determinant, wishart.log_determinant_cgf, source="Bartlett decomposition")
def log_determinant(lab: Lab) -> Evidence:
    """ln det Sigma_n is a sum of independent log chi-squares (Bartlett)"""
    size, fits, d = LATE_SIZE, LATE_FITS, 3
    exact = Formula(wishart.expected_log_determinant, size, fits, d)
    cgf, logs = Formula(wishart.log_determinant_cgf, None, size, fits, d), late(lab)["log_determinant"][:, 1]
    observed = ChernoffMean.about(exact(), logs, cgf.along("theta"), -(size - d) / 2)
    wrong = {"d times one dimension": d * gaussian.expected_log_variance(size, fits)}
    return exact.against(observed, f"d = {d}, M = {size}, {fits} fits", wrong, ddof=0, larger=1)


@D.claim(wishart.lyapunov_spectrum, wishart.pivot_cgf, source="Bartlett decomposition; cf. Newman (1986)")
def lyapunov_spectrum(lab: Lab) -> Iterator[Evidence]:
    """the Cholesky pivots carry the Lyapunov spectrum psi((nu - j + 1)/2) + ln(2/nu) exactly, at every n"""
    size, fits, d = LATE_SIZE, LATE_FITS, 3
    pivots = late(lab)["log_pivots"][:, 1] / fits
    each = [Formula(wishart.lyapunov_spectrum, size, d, at=(j,)) for j in range(d)]

    def cgf(pivot: int) -> Callable[[float], float]:
        """The one of a pivot's mean over all fits."""
        walk = Formula(wishart.pivot_cgf, None, size, fits, d, at=(pivot,))
        return lambda t: walk(theta=t / fits)

    for j, exact in enumerate(each):
        observed = ChernoffMean.about(exact(), pivots[:, j], cgf(j), -fits * (size - 1 - j) / 2)
        wrong = {f"the exponent of pivot {i + 1}": each[i]() for i in range(d) if abs(i - j) == 1}
        yield exact.against(observed, f"pivot {j + 1} of {d}", wrong, ddof=0)


@D.claim(collapse.collapse_bound, source="Markov's inequality on sigma; theory/derivations/gaussian.md")
def every_chain(lab: Lab) -> Evidence:
    """every chain collapses: P(tr Sigma_n > eps tr Sigma_0) <= d eps^(-1/2) c4(M)^n"""
    eps = 1e-3
    bound = float(collapse.collapse_bound(eps, LATE_SIZE, LAST_FITS, dimension=3))
    assert bound < 1e-12
    left = Proportion.of(np.trace(late(lab)["covariance"][:, -1], axis1=1, axis2=2) / 3 > eps)
    wrong = {"E Sigma_n = Sigma_0, so no chain collapses": 1.0, "one chain in a hundred survives": 0.01}
    return Evidence(left, bound / 2, wrong, f"P(tr Sigma > {eps:g}), {LAST_FITS} fits", slack=bound / 2)


@D.claim(
    wishart.variance_log_determinant,
    wishart.log_determinant_cdf,
    wishart.pivot_log_variance,
    source="Bartlett decomposition",
    tier="default",
)
def log_determinant_law(lab: Lab) -> Iterator[Evidence]:
    """ln det Sigma_n has variance n sum psi'((M - j)/2), and its law is known"""
    run = early(lab)
    change = run["log_determinant"][:, -1] - np.log(np.prod(VARIANCES))
    mean = float(wishart.expected_log_determinant(SIZE, FITS, 3))
    spread = Formula(wishart.variance_log_determinant, SIZE, FITS, 3)
    wrong = {"one dimension": gaussian.variance_log_variance(SIZE, FITS)}
    yield spread.against(NominalMean((change - mean) ** 2), "Var ln det", wrong, early=1)
    law = Formula(wishart.log_determinant_cdf, -1.0, SIZE, FITS, 3)
    yield law.against(Proportion.of(change <= -1), "P(ln det < -1)", {"two dimensions": law(dimension=2)}, early=2)
    pivot = run["log_pivots"][:, -1, 2] - np.log(VARIANCES[2])
    third, spreads = FITS * wishart.lyapunov_spectrum(SIZE, 3)[2], FITS * wishart.pivot_log_variance(SIZE, 3)
    wrong = {"one generation early": spreads[2] * (1 - 1 / FITS), "the sum of all three": spreads.sum()}
    yield Evidence(NominalMean((pivot - third) ** 2), spreads[2], wrong, "Var ln of pivot 3")


@D.claim(
    wishart.expected_trace_squares,
    wishart.expected_elementary_symmetric,
    source="zonal polynomials; theory/derivations/wishart.md",
)
def zonal_moments(lab: Lab) -> Iterator[Evidence]:
    """zonal moments: E[2 tr S^2 + (tr S)^2] grows as (1 + 2/nu)^n, E e_k decays as ((nu)_k / nu^k)^n"""
    covariance = early(lab)["covariance"][:, -1]
    trace, squares = np.trace(covariance, axis1=1, axis2=2), (covariance**2).sum((1, 2))
    both = Formula(wishart.expected_trace_squares, TRUTH, SIZE, FITS, read=lambda pair: pair[0] + 2 * pair[1])
    start, half = {"fits": 0}, {"fits": FITS // 2}
    wrong = {
        "no growth": both(**start),
        "as (1 + 1/nu)^n": both(**start) * (1 + 1 / (SIZE - 1)) ** FITS,
        "half the fits": both(**half),
    }
    yield both.against(NominalMean(trace**2 + 2 * squares), "(tr S)^2 + 2 tr S^2", wrong)
    for order, seen in {2: (trace**2 - squares) / 2, 3: np.linalg.det(covariance)}.items():
        exact = Formula(wishart.expected_elementary_symmetric, TRUTH, SIZE, FITS, order)
        wrong = {
            "no decay": exact(**start),
            "half the fits": exact(**half),
            "independent directions": exact(fits=0, order=1) ** order,
        }
        yield exact.against(NominalMean(seen), f"E e_{order}", wrong)


@D.claim(wasserstein.first_order_bures, wasserstein.bures_bounds, source="theory/derivations/wasserstein.md")
def bures_growth(lab: Lab) -> Iterator[Evidence]:
    """E W2^2 in d dimensions: first order n d/M + n d (d + 1)/(4 nu) when isotropic, and bounds at every n"""
    w2, total = early(lab)["w2_squared"], sum(VARIANCES)
    for index, fits in ((1, 5), (2, FITS)):
        first, mean = float(wasserstein.first_order_bures(TRUTH, SIZE, fits)), total * fits / SIZE
        wrong = {
            "the mean alone": mean,
            "d independent directions": 1.5 * mean,
            "twice the covariance part": 2 * first - mean,
        }
        slack = total * (fits / SIZE) ** 2 / 2
        yield Evidence(NominalMean(w2[:, index]), first, wrong, f"first order, {fits} fits", slack)
    low, high = (float(bound) for bound in wasserstein.bures_bounds(TRUTH, SIZE, FITS))
    wrong = {"the mean alone": total * FITS / SIZE, "the bound of the far future": total * (FITS / SIZE + 4)}
    seen = NominalMean(w2[:, 2])
    yield Evidence(seen, (low + high) / 2, wrong, f"between the bounds, {FITS} fits", slack=(high - low) / 2)

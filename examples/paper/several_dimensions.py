"""In two dimensions the mean wanders by tr Sigma n/M, the determinant dies, and the distance to the truth keeps above its bound.

After theorem 3.1 of the Nature article and the lower bound of arXiv 2305.17493: N(0, diag(1, 4)), M = 50, unbiased estimators, so that
Sigma_{n+1} is Wishart with M - 1 degrees of freedom about Sigma_n. The bound E W2^2 >= tr Sigma sum 1/M_i counts the mean alone and holds at
every n; the exact one-dimensional term for the shrinking spread makes it sharper. Where the truth is not normal the bound of Gelbrich
still counts means and covariances only: what the family cannot express comes on top, at the first fit and for good.
"""

import sys

import _paper
import numpy as np
from matplotlib import pyplot
from scipy import integrate, stats

import modelcollapse as mc
from modelcollapse import plot
from modelcollapse.verify.evidence import ChernoffMean, Evidence, NominalMean
from modelcollapse_theory import gaussian, wasserstein, wishart

SHOWS = (
    "Three panels for a normal law in two dimensions: the squared error of the mean rises on the exact line to 2 in "
    "20 fits; the log determinant falls within its band along the exact mean over 300 generations; the mean squared "
    "distance rises above two lower bounds."
)
SEE = (
    "the mean wanders and the determinant dies exactly as predicted; the distance lies more than half above the "
    "published lower bound after twenty fits, and a tenth above the sharper one."
)

SIGMA, SIZE, FITS, LAST = np.diag([1.0, 4.0]), 50, 20, 300
TRACE = np.trace(SIGMA)
OTHERS = {"uniform": stats.uniform(-np.sqrt(3), 2 * np.sqrt(3)), "Laplace": stats.laplace(0, np.sqrt(0.5))}
"""Laws with mean 0 and variance 1."""


def numbers(small=False, seed=0, progress=False):
    last = FITS if small else LAST
    record = np.unique(np.concatenate([np.arange(FITS), np.arange(FITS - 1, last, 10)]))
    run = mc.simulate(
        mc.Gaussian(), mc.normal([0.0, 0.0], SIGMA), observe=["squared_mean_error", "log_determinant", "w2_squared"], size=SIZE,
        generations=last - 1, chains=10_000 if small else 40_000, seed=seed, record=record,
    )  # fmt: skip
    found = {name: np.asarray(values, np.float64) for name, values in run.trace.items()}
    return found | {"fits": record + 1, "run": run, "gap": {name: to_normal(law) for name, law in OTHERS.items()}}


def to_normal(law):
    """Squared W2 distance of a law on the line to the normal law with its mean and variance."""
    return integrate.quad(lambda u: (law.ppf(u) - stats.norm.ppf(u)) ** 2, 0, 1, limit=200)[0]


def evidence(found):
    at, early = list(found["fits"]).index(FITS), list(found["fits"]).index(5)
    mean = float(wishart.expected_log_determinant(SIZE, FITS, 2))
    start = np.linalg.slogdet(SIGMA)[1]
    bound = float(wishart.expected_mean_error(SIGMA, SIZE, 5))
    first = float(wasserstein.first_order_bures(SIGMA, SIZE, 1))
    return [
        Evidence(
            ChernoffMean(
                found["log_determinant"][:, at] - start,
                lambda t: float(wishart.log_determinant_cgf(t, SIZE, FITS, 2)) - t * mean,
                (-(SIZE - 2) / 2, np.inf),
            ),
            mean,
            {
                "twice one dimension": 2 * float(gaussian.expected_log_variance(SIZE, FITS)),
                "ddof = 0": float(wishart.expected_log_determinant(SIZE, FITS, 2, ddof=0)),
            },
            f"E ln det Sigma_n / det Sigma_0, {FITS} fits",
        ),
        Evidence(
            NominalMean(found["squared_mean_error"][:, early]),
            bound,
            {"one fit early": bound * 4 / 5, "largest eigenvalue alone": 4 * 5 / SIZE, "identity": 2 * 5 / SIZE},
            "E |mu_n - mu_0|^2, 5 fits",
        ),
        Evidence(
            NominalMean(found["w2_squared"][:, 0]),
            first,
            {"the bound, mean alone": TRACE / SIZE, "two dimensions alike": 1.5 * TRACE / SIZE},
            "E W2^2, 1 fit, to first order",
            slack=(2 / SIZE) ** 2 * TRACE,
        ),
    ]


def table(found):
    at = list(found["fits"]).index(FITS)
    start = np.linalg.slogdet(SIGMA)[1]
    det, error = found["log_determinant"][:, at] - start, found["squared_mean_error"][:, at]
    w2 = found["w2_squared"][:, at]
    lower, upper = (float(b) for b in wasserstein.bures_bounds(SIGMA, SIZE, FITS))
    rows = [
        _paper.Row(
            f"E |mu_n - mu|^2, {FITS} fits", f"at least {TRACE * FITS / SIZE:g}", f"{TRACE * FITS / SIZE:g}",
            _paper.spread(error.mean(), _paper.standard_error(error)), "agrees: the bound is what the mean does",
        ),
        _paper.Row(
            f"E W2^2, {FITS} fits", f"at least {TRACE * FITS / SIZE:g}", f"{lower:.4g} to {upper:.4g}",
            _paper.spread(w2.mean(), _paper.standard_error(w2)), "agrees; ours is the sharper bound",
        ),
        _paper.Row(
            f"E ln det Sigma_n / det Sigma_0, {FITS} fits", "to minus infinity",
            f"{float(wishart.expected_log_determinant(SIZE, FITS, 2)):.5g}", _paper.spread(det.mean(), _paper.standard_error(det), 5), "agrees",
        ),
    ]  # fmt: skip
    for name, gap in found["gap"].items():
        rows.append(
            _paper.Row(
                f"W2^2 of a {name} law to its best normal",
                "at least 0 (Gelbrich)",
                f"{gap:.4g}",
                "-",
                "agrees; of variance 1, quadrature",
            )
        )
    return rows


def draw(found):
    figure, (left, middle, right) = pyplot.subplots(1, 3, figsize=(12.5, 4), layout="constrained")
    fits, n = found["fits"], np.arange(1, FITS + 1)
    early = np.flatnonzero(fits <= FITS)
    for ax, name, label in ((left, "squared_mean_error", "E |mean - truth|²"), (right, "w2_squared", "E W2²")):
        values = found[name][:, early]
        ax.errorbar(
            fits[early], values.mean(0), 2 * _paper.standard_error(values), fmt="o", color=plot.BLUE, mfc="white", ms=5,
            label=f"mean of {len(values)} chains",
        )  # fmt: skip
        ax.set(xlabel="fits n", ylabel=label)
    left.plot(n, wishart.expected_mean_error(SIGMA, SIZE, n), color=plot.BLACK, lw=1.4, label="exact, tr Σ n/M")
    lower, _upper = wasserstein.bures_bounds(SIGMA, SIZE, n)
    right.plot(n, lower, color=plot.BLACK, lw=1.4, label="exact lower bound")
    right.plot(n, TRACE * n / SIZE, "--", color=plot.VERMILION, lw=1.4, label="the paper's bound, tr Σ n/M")
    right.plot(
        n[:10], [float(wasserstein.first_order_bures(SIGMA, SIZE, int(k))) for k in n[:10]], ":", color=plot.GREEN, lw=1.8,
        label="to first order in n/M",
    )  # fmt: skip
    start = np.linalg.slogdet(SIGMA)[1]
    generation = fits - 1
    plot.chains(
        found["run"], "log_determinant", middle, centre="mean", scale=lambda x: np.asarray(x) - start,
        prediction={"exact mean": start + wishart.expected_log_determinant(SIZE, fits, 2)}, label="ln det Σₙ / det Σ₀",
    )  # fmt: skip
    middle.set_xlim(0, generation[-1])
    for ax in (left, middle, right):
        ax.legend(frameon=False, fontsize=8)
    left.set_title("the mean wanders", fontsize=10)
    middle.set_title("the determinant dies", fontsize=10)
    right.set_title("the distance to the truth grows", fontsize=10)
    return figure


if __name__ == "__main__":
    _paper.main(sys.modules[__name__])

"""One fit of a normal law errs by 1/sqrt(2M) in its deviation and 1/sqrt(M) in its mean, at every M from 10 to ten million.

After figure 2 of arXiv 2305.17493 and the notebook released with it: N(0, 1), M from 10 to 1e7, 10,000 repeats (the notebook has 1,000). Axis and
title there say mean; what the notebook computes and prints is the standard deviation with ddof = 0, as np.std gives it. Its expectation is
c4(M) sqrt(1 - 1/M), below 1. All the printed numbers agree with that law. The mean, of which the text gives |mean| at M = 1e7, is half-normal.
"""

import sys

import _paper
import numpy as np
from matplotlib import pyplot

import modelcollapse as mc
from modelcollapse import plot
from modelcollapse.verify.evidence import ChernoffMean, Evidence, Proportion
from modelcollapse_theory import gaussian

SHOWS = (
    "Three panels against the sample size from 10 to ten million: the mean of the estimated deviation with its "
    "spread, which closes around 1; the spread alone; and the mean absolute error of the mean, both straight falling "
    "lines on log axes."
)
SEE = (
    "circles (simulated) and crosses (the published notebook) lie on the exact lines over six orders of magnitude of "
    "the sample size: a single fit holds no mystery."
)

SIZES = (10, 30, 100, 500, 10**3, 10**4, 10**5, 10**6, 10**7)
MEAN = (0.920621, 0.983135, 0.991604, 0.997780, 0.999468, 0.999689, 0.999952, 1.000004, 0.999998)
DEVIATION = (0.221160, 0.131984, 0.067578, 0.030952, 0.022170, 0.007276, 0.002229, 0.000727, 0.000229)
"""Of the estimated deviation over the notebook's 1,000 repeats, as it prints them."""
REPEATS = 1000
ABSOLUTE_MEAN = (0.00024899, 1.89382984e-4)
"""Of |mean| at M = 1e7, mean and deviation, as quoted from the text; its number of repeats is taken to be 1,000 too."""


def numbers(small=False, seed=0, progress=False):
    runs = [
        mc.simulate(
            mc.Gaussian(ddof=0), mc.normal(), observe=["mean", "log_variance"], size=size, generations=0,
            chains=5000 if small else 10_000, seed=seed + i,
        )
        for i, size in enumerate(SIZES)
    ]  # fmt: skip
    return {
        name: np.stack([np.asarray(r[name][:, 0, 0], np.float64) for r in runs]) for name in ("mean", "log_variance")
    }


def exact(size, ddof=0):
    """Mean and standard deviation of the estimated deviation."""
    mean = float(gaussian.expected_deviation(size, 1, ddof=ddof))
    # 1 - mean^2 without cancellation: log E s^2 is known, and log E s
    square = float(gaussian.expected_variance(size, 1, ddof=ddof))
    log_ratio = 2 * float(gaussian.log_expected_deviation(size, 1, ddof=ddof)) - np.log(square)
    return mean, np.sqrt(-square * np.expm1(log_ratio))


def within(size, reach):
    """P(|log variance| <= reach) after one fit, ddof = 0."""
    return float(gaussian.log_variance_cdf(reach, size, 1, ddof=0) - gaussian.log_variance_cdf(-reach, size, 1, ddof=0))


def evidence(found):
    out = []
    for i, size in enumerate(SIZES):
        mean, deviation = exact(size)
        logs, reach = found["log_variance"][i], np.sqrt(2 / size)
        out.append(
            Evidence(
                Proportion.of(np.abs(logs) <= reach),
                within(size, reach),
                {
                    "variance of sigma is 1/M": within(size, reach / np.sqrt(2)),
                    "M + 50% draws": within(size, reach * np.sqrt(1.5)),
                },
                f"P(|log variance| < sqrt(2/M)), M = {size:g}",
            )
        )
        if size <= 30:
            drift = float(gaussian.expected_log_variance(size, 1, ddof=0))
            out.append(
                Evidence(
                    ChernoffMean(
                        logs,
                        lambda t, m=size, d=drift: float(gaussian.log_variance_cgf(t, m, 1, ddof=0)) - d * t,
                        (-(size - 1) / 2, np.inf),
                    ),
                    drift,
                    {"no bias": 0.0},
                    f"E log variance, M = {size}",
                )
            )
        out.append(
            Evidence(
                _paper.Quoted(DEVIATION[i], deviation / np.sqrt(2 * REPEATS - 2)),
                deviation,
                {"1/sqrt(M)": deviation * np.sqrt(2)},
                f"notebook's sd, M = {size:g}",
            )
        )
    mean, deviation = exact(SIZES[0])
    out.append(
        Evidence(
            _paper.Quoted(MEAN[0], deviation / np.sqrt(REPEATS)),
            mean,
            {"ddof = 1": exact(SIZES[0], 1)[0], "no bias": 1.0},
            "notebook's mean, M = 10",
        )
    )
    half = np.abs(found["mean"][-1])
    mean = np.sqrt(2 / np.pi / SIZES[-1])
    out.append(
        Evidence(
            Proportion.of(half < mean),
            0.575062,  # erf(1/sqrt(pi))
            {"rms 1/sqrt(M) for the mean": 0.682689, "uniform": 0.5},
            "P(|mean| < its expectation), M = 1e7",
        )
    )
    return out


def agreement(published, mean, deviation):
    z = (published - mean) / (deviation / np.sqrt(REPEATS))
    return f"{'agrees' if abs(z) < 3 else 'disagrees'} ({z:+.1f} standard errors)"


def table(found):
    rows = []
    sigma = np.exp(0.5 * found["log_variance"])
    for i, size in enumerate(SIZES):
        mean, deviation = exact(size)
        rows.append(
            _paper.Row(
                f"deviation, M = {size:g}",
                _paper.spread(MEAN[i], DEVIATION[i], 6),
                _paper.spread(mean, deviation, 6),
                _paper.spread(sigma[i].mean(), sigma[i].std(), 6),
                agreement(MEAN[i], mean, deviation),
            )
        )
    half, size = np.abs(found["mean"][-1]), SIZES[-1]
    mean, deviation = np.sqrt(2 / np.pi / size), np.sqrt((1 - 2 / np.pi) / size)
    rows.append(
        _paper.Row(
            "|mean|, M = 1e7",
            _paper.spread(*ABSOLUTE_MEAN),
            _paper.spread(mean, deviation),
            _paper.spread(half.mean(), half.std()),
            agreement(ABSOLUTE_MEAN[0], mean, deviation),
        )
    )
    return rows


def draw(found):
    figure, (left, middle, right) = pyplot.subplots(1, 3, figsize=(12, 3.8), layout="constrained")
    sizes, curve = np.array(SIZES), np.unique(np.geomspace(10, 10**7, 60).astype(int))
    sigma = np.exp(0.5 * found["log_variance"])
    mean, deviation = np.array([exact(m) for m in curve]).T
    left.fill_between(curve, mean - deviation, mean + deviation, color=plot.SKY, alpha=0.35, lw=0, label="exact, ± sd")
    left.plot(curve, mean, color=plot.BLACK, lw=1.2, label="exact mean")
    left.errorbar(
        sizes / 1.12, sigma.mean(1), sigma.std(1), fmt="o", color=plot.BLUE, mfc="white", ms=5, elinewidth=1,
        label=f"simulated, {sigma.shape[1]} repeats",
    )  # fmt: skip
    left.errorbar(
        sizes * 1.12, MEAN, DEVIATION, fmt="x", color=plot.VERMILION, ms=6, elinewidth=1, label="notebook, 1000 repeats"
    )
    left.set(xscale="log", xlabel="sample size M", ylabel="estimated deviation (ddof = 0)")
    left.legend(frameon=False, fontsize=8)
    middle.plot(curve, deviation, color=plot.BLACK, lw=1.2, label="exact")
    middle.plot(sizes, sigma.std(1), "o", color=plot.BLUE, mfc="white", ms=6, label="simulated")
    middle.plot(sizes, DEVIATION, "x", color=plot.VERMILION, ms=6, label="notebook")
    middle.set(xscale="log", yscale="log", xlabel="sample size M", ylabel="sd of the estimated deviation")
    middle.legend(frameon=False, fontsize=8)
    right.plot(curve, np.sqrt(2 / np.pi / curve), color=plot.BLACK, lw=1.2, label="exact, sqrt(2/(πM))")
    right.plot(sizes, np.abs(found["mean"]).mean(1), "o", color=plot.BLUE, mfc="white", ms=6, label="simulated")
    right.plot(SIZES[-1], ABSOLUTE_MEAN[0], "x", color=plot.VERMILION, ms=7, label="paper's text")
    right.set(xscale="log", yscale="log", xlabel="sample size M", ylabel="mean of |estimated mean|")
    right.legend(frameon=False, fontsize=8)
    return figure


if __name__ == "__main__":
    _paper.main(sys.modules[__name__])

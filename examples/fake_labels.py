"""Regression on its own labels: what replacing, accumulating and weighting do to the risk, each beside its exact line.

Left: least squares on 30 rows with 3 features, refitted to labels by the last fit. Replacing adds the same risk at
every fit; accumulated labels add less and less, and a third of real rows settles it. Right: a sample mean refitted to
as many synthetic draws as real ones, by the weight of the real ones. Pooling weighs both alike; the golden ratio is
best, and there the error is
0.618 of that of the real draws alone.
"""

import _common
import numpy as np
from matplotlib import pyplot

import modelcollapse as mc
from modelcollapse import plot
from modelcollapse_theory import regression

ROWS, FEATURES, REAL = 30, 3, 100
REGIMES = {
    "replace": (mc.Replace(), lambda n: regression.replaced_risk(ROWS, n, FEATURES), plot.VERMILION, "o"),
    "10 of 30 rows real": (
        mc.FreshReal(1 / 3), lambda n: regression.fresh_real_risk(10, 20, n, FEATURES), plot.GREEN, "s",
    ),
    "accumulate": (
        mc.Accumulate(), lambda n: regression.accumulated_risk_fresh_rows(ROWS, n, FEATURES), plot.BLUE, "D",
    ),
}  # fmt: skip


def risks(ax, chosen, chains, generations):
    source, rows = mc.linear([1.0, -2.0, 0.5]), []
    record = np.unique(np.geomspace(1, generations + 1, 9).round().astype(int)) - 1
    fits = np.arange(1, generations + 2)
    for name, (regime, exact, colour, marker) in REGIMES.items():
        run = mc.simulate(
            source.family, source, regime, "excess_risk",
            size=ROWS, generations=generations, chains=chains, seed=chosen.seed, record=record,
        )  # fmt: skip
        values = np.asarray(run["excess_risk"], np.float64)
        mean, error = values.mean(0), values.std(0, ddof=1) / np.sqrt(chains)
        ax.plot(fits, exact(fits), color=colour, lw=1.5)
        ax.errorbar(record + 1, mean, 2 * error, fmt=marker, color=colour, mfc="white", ms=5, elinewidth=1, label=name)
        rows.append((f"{name}, after {generations + 1} fits", float(exact(fits[-1])), mean[-1], error[-1]))
    ax.set(xscale="log", yscale="log", xlabel="fits (generation + 1)", ylabel="excess risk (noise variance)")
    ax.set_title(f"least squares on its own labels, {ROWS} rows, {FEATURES} features", fontsize=10)
    ax.legend(frameon=False, fontsize=9)
    return rows


def weights(ax, chosen, chains):
    # a column of ones: the regression is the sample mean
    source, rows = mc.linear([1.5], design=np.ones((2 * REAL, 1))), []
    golden = float(regression.best_weight(1.0))
    shown = np.linspace(0.2, 1, 200)
    ax.plot(shown, REAL * regression.weighted_mean_error(shown, 1.0, REAL), color=plot.BLUE, lw=1.5, label="exact")
    for weight, label in ((0.3, "weight 0.3"), (0.5, "plain pooling"), (golden, "golden ratio"), (0.8, "weight 0.8")):
        run = mc.simulate(
            source.family, source, mc.Weighted(weight, 0.5), "excess_risk",
            size=2 * REAL, generations=30, chains=chains, seed=chosen.seed, record=[30],
        )  # fmt: skip
        values = REAL * np.asarray(run["excess_risk"][:, 0], np.float64)
        mean, error = values.mean(), values.std(ddof=1) / np.sqrt(chains)
        colour, marker = (plot.VERMILION, "D") if weight == golden else (plot.BLACK, "o")
        ax.errorbar(weight, mean, 2 * error, fmt=marker, color=colour, mfc="white", ms=6, elinewidth=1)
        rows.append((label, REAL * float(regression.weighted_mean_error(weight, 1.0, REAL)), mean, error))
    ax.axhline(1, color="0.5", lw=1, ls=":", label="real draws alone")
    ax.axvline(golden, color=plot.VERMILION, lw=1, ls="--", label=f"golden ratio {golden:.3f}")
    ax.set(xlabel="weight of the real draws", ylabel="stationary error (variance / real draws)", ylim=(0.5, 2))
    ax.set_title("a mean of real and synthetic draws, as many of each", fontsize=10)
    ax.legend(frameon=False, fontsize=9)
    return rows


def main(argv=None):
    chosen = _common.options(__doc__.splitlines()[0], argv)
    figure, (left, right) = pyplot.subplots(1, 2, figsize=(10, 4.2), layout="constrained")
    risk = risks(left, chosen, 500 if chosen.small else 4000, 20 if chosen.small else 100)
    error = weights(right, chosen, 2000 if chosen.small else 20_000)
    _common.save(figure, "fake_labels", chosen)
    pyplot.close(figure)
    _common.table("excess risk", risk)
    _common.table("stationary error of a weighted mean", error)
    return risk + error


if __name__ == "__main__":
    main()

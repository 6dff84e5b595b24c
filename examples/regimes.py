"""Replace, mix, keep, accumulate: one chain under seven regimes, each beside its exact curve.

How much diversity is left (heterozygosity, relative to the truth) of a law on ten states refitted to 50 items. Replacing all
data loses it all, and drawing on the last data set only delays that. Any steady share of real data leaves a floor; a pool
that only grows loses almost nothing, and a fixed budget drawn from such a pool a little more, before it settles.
"""

import _common
import numpy as np
from matplotlib import pyplot

import modelcollapse as mc
from modelcollapse import plot
from modelcollapse_theory import accumulation, mixture, replacement, workflows

SIZE = 50
LAW = np.arange(1, 11) / 55
REGIMES = {
    "accumulate": (mc.Accumulate(), lambda n: accumulation.accumulate(SIZE, n), plot.BLUE, "-", "o"),
    "fresh real 10%": (mc.FreshReal(0.1), lambda n: workflows.fresh_counts(SIZE, n, 5), plot.GREEN, "-", "s"),
    "mixture (0.8, 0.1, 0.1)": (mc.Mixture(0.8, 0.1, 0.1), lambda n: mixture.fit(SIZE, n, 0.1, 0.1), plot.ORANGE, "--", "D"),
    "fixed real 10%": (mc.FixedReal(0.1), lambda n: workflows.fixed_set(SIZE, n, 5), plot.PURPLE, "-.", "^"),
    "accumulate, subsample": (
        mc.AccumulateSubsample(), lambda n: accumulation.accumulate_subsample(SIZE, int(n.max()))[0][n], plot.SKY, "-", "v",
    ),
    "mixture (0.5, 0.5, 0)": (mc.Mixture(0.5, 0.5, 0.0), lambda n: mixture.fit(SIZE, n, 0.0, 0.5), plot.BLACK, ":", "h"),
    "replace": (mc.Replace(), lambda n: workflows.replace(SIZE, n), plot.VERMILION, "-", "p"),
}  # fmt: skip


def main(argv=None):
    chosen = _common.options(__doc__.splitlines()[0], argv)
    generations, chains = (30, 200) if chosen.small else (200, 1000)
    record = np.unique(np.geomspace(1, generations + 1, 13).round().astype(int)) - 1
    truth = replacement.heterozygosity(LAW)
    fits = np.arange(1, generations + 2)
    figure, ax = pyplot.subplots(figsize=(7.5, 4.6), layout="constrained")
    rows = []
    for name, (regime, lost, colour, style, marker) in REGIMES.items():
        run = mc.simulate(
            mc.Discrete(),
            mc.categorical(LAW),
            regime,
            "heterozygosity",
            size=SIZE,
            generations=generations,
            chains=chains,
            seed=chosen.seed,
            record=record,
        )
        left = np.asarray(run["heterozygosity"], np.float64) / truth
        mean, error = left.mean(0), left.std(0, ddof=1) / np.sqrt(chains)
        exact = 1 - np.asarray(lost(fits))
        ax.plot(fits, exact, color=colour, ls=style, lw=1.5)
        ax.errorbar(
            run.recorded + 1, mean, 2 * error, fmt=marker, color=colour, mfc="white", ms=5, elinewidth=1, label=name
        )
        rows.append((f"{name}, after {generations + 1} fits", exact[-1], mean[-1], error[-1]))
    ax.set(
        xscale="log", xlabel="fits (generation + 1)", ylim=(0, 1.03),
        ylabel="heterozygosity, relative to the truth",
    )  # fmt: skip
    ax.set_title(f"sample size {SIZE}, means of {chains} chains ± 2 standard errors; lines are exact", fontsize=10)
    ax.legend(frameon=False, loc="lower left", fontsize=9)
    _common.save(figure, "regimes", chosen)
    pyplot.close(figure)
    _common.table("share of the heterozygosity that is left", rows)
    return rows


if __name__ == "__main__":
    main()

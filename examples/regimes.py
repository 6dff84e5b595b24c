"""Replace, mix, keep, accumulate: one chain under seven regimes, each beside its exact curve.

How much diversity is left (heterozygosity, relative to the truth) of a law on ten states refitted to 50 items.
Replacing all data loses it all, and drawing on the last data set only delays that. Any steady share of real data leaves
a floor; a pool that only grows loses almost nothing, and a fixed budget drawn from such a pool a little more, before it
settles.
"""

import _common
import numpy as np
from matplotlib import pyplot

import modelcollapse as mc
from modelcollapse import plot
from modelcollapse_theory import replacement

SIZE = 50
LAW = np.arange(1, 11) / 55
REGIMES = {
    "accumulate": mc.Accumulate(),
    "fresh real 10%": mc.FreshReal(0.1),
    "mixture (0.8, 0.1, 0.1)": mc.Mixture(0.8, 0.1, 0.1),
    "fixed real 10%": mc.FixedReal(0.1),
    "accumulate, subsample": mc.AccumulateSubsample(),
    "mixture (0.5, 0.5, 0)": mc.Mixture(0.5, 0.5, 0.0),
    "replace": mc.Replace(),
}


def main(argv=None):
    chosen = _common.options(__doc__.splitlines()[0], argv)
    generations, chains = (30, 200) if chosen.small else (200, 1000)
    record = np.unique(np.geomspace(1, generations + 1, 13).round().astype(int)) - 1
    options = {"size": SIZE, "generations": generations, "chains": chains, "seed": chosen.seed, "record": record}
    truth = replacement.heterozygosity(LAW)
    runs = {
        name: mc.simulate(mc.Discrete(), mc.categorical(LAW), regime, "heterozygosity", **options)
        for name, regime in REGIMES.items()
    }
    figure, ax = pyplot.subplots(figsize=(7.5, 4.6), layout="constrained")
    plot.compare(runs, "heterozygosity", ax, scale=1 / truth, label="heterozygosity, relative to the truth")
    ax.set_ylim(0, 1.03)
    ax.set_title(f"sample size {SIZE}, means of {chains} chains ± 2 standard errors; lines are exact", fontsize=10)
    ax.legend(frameon=False, loc="lower left", fontsize=9)
    _common.save(figure, "regimes", chosen)
    pyplot.close(figure)
    rows = []
    for name, run in runs.items():
        left = np.asarray(run["heterozygosity"][:, -1], np.float64) / truth
        exact = run.predict()["heterozygosity"].values[-1] / truth
        error = left.std(ddof=1) / np.sqrt(chains)
        rows.append((f"{name}, after {generations + 1} fits", exact, left.mean(), error))
    _common.table("share of the heterozygosity that is left", rows)
    return rows


if __name__ == "__main__":
    main()

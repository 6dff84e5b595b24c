"""Remove what a detector flags, refill, or let it weigh less? Removal without refill is worse than no detector at all.

A pool of 200 items is refitted again and again; one item in ten is real. A detector flags model output with the
true-positive rate t and real items with the false-positive rate f. What is flagged and thrown away carried the memory
of older real data, so that removal speeds up the loss of diversity, the more the better the detector. Refilling the
set from the same pool helps, and where no more can be had, a lower weight of flagged items does.
"""

import _common
import numpy as np
from matplotlib import pyplot
from matplotlib.ticker import NullFormatter

import modelcollapse as mc
from modelcollapse import plot
from modelcollapse_theory import detectors, flag_weights, workflows

SIZE, SHARE, MISTAKEN, FOUND = 200, 0.1, 0.1, 0.9
LAW = np.full(10, 0.1)
POOL = mc.Mixture(1 - SHARE, 0.0, SHARE)
WEIGHT = round(flag_weights.best_flag_weight(SHARE, FOUND, MISTAKEN), 2)

# name: colour, line, regime for a true-positive rate, loss at fits, stationary loss
TREATMENTS = {
    "no detector": (
        "0.4",
        ":",
        lambda found: POOL,
        lambda found, fits: workflows.random_mixing(SIZE, fits, SHARE),
    ),
    "removed": (
        plot.VERMILION,
        "-",
        lambda found: mc.regimes.Detected(POOL, found, MISTAKEN, refill=False),
        lambda found, fits: detectors.removed(SIZE, fits, SHARE, found, MISTAKEN),
    ),
    f"flagged items weigh {WEIGHT}": (
        plot.GREEN,
        "-.",
        lambda found: mc.regimes.Detected(POOL, found, MISTAKEN, weight=WEIGHT),
        lambda found, fits: flag_weights.weighted_flags(SIZE, fits, SHARE, found, MISTAKEN, WEIGHT),
    ),
    "removed and refilled": (
        plot.BLUE,
        "--",
        lambda found: mc.regimes.Detected(POOL, found, MISTAKEN, refill=True),
        lambda found, fits: detectors.refilled(SIZE, fits, SHARE, found, MISTAKEN),
    ),
}


def kept(regime, generations, chains, seed, record=None):
    """H_n / H_0, ``(chains, recorded)``."""
    run = mc.simulate(
        mc.Discrete(), mc.categorical(LAW), regime, "heterozygosity", size=SIZE, generations=generations,
        chains=chains, seed=seed, record=record,
    )  # fmt: skip
    return run["heterozygosity"] / (1 - LAW @ LAW)


def main(argv=None):
    chosen = _common.options(__doc__.splitlines()[0], argv)
    chains = 200 if chosen.small else 2_000
    generations, late = 40, 120  # by fit 120 the start is forgotten to 1e-10
    fits = np.arange(1, generations + 2)
    rates = np.linspace(0, 1, 41)
    shown = np.array([0.3, 0.9]) if chosen.small else np.array([0.1, 0.3, 0.5, 0.7, 0.9])
    figure, (path, end) = pyplot.subplots(1, 2, figsize=(10, 4.2), layout="constrained")
    rows = []
    for name, (colour, style, regime, loss) in TREATMENTS.items():
        seen = kept(regime(FOUND), generations, chains, chosen.seed)
        path.plot(fits, 1 - loss(FOUND, fits), color=colour, ls=style, lw=1.6, label=name)
        path.plot(fits[::4], seen[:, ::4].mean(0), "o", color=colour, mfc="white", ms=5)
        rows.append(
            (f"kept after {fits[-1]} fits, {name}", float(1 - loss(FOUND, fits[-1])), seen[:, -1].mean(),
             seen[:, -1].std() / chains**0.5)
        )  # fmt: skip
        one = f"{WEIGHT} at every t (best at t = {FOUND})"
        end.plot(rates, [float(loss(rate, late)) for rate in rates], color=colour, ls=style, lw=1.6,
                 label=name.replace(str(WEIGHT), one))  # fmt: skip
        if name != "no detector":
            points = [1 - kept(regime(rate), late - 1, chains, chosen.seed, [late - 1])[:, -1].mean() for rate in shown]
            end.plot(shown, points, "o", color=colour, mfc="white", ms=5)
    path.set(xlabel="fits (generation + 1)", ylabel=r"diversity kept, $E\,H_n / H_0$")
    path.set_title(f"t = {FOUND}, f = {MISTAKEN}", fontsize=10)
    path.legend(frameon=False, fontsize=8, loc="lower right", bbox_to_anchor=(1, 0.12))
    end.set(xlabel="true-positive rate t", ylabel="diversity lost in the end (log scale)", yscale="log")
    end.set_ylim(0.0025, 0.07)
    end.set_yticks(ticks := [0.003, 0.005, 0.01, 0.02, 0.03, 0.05], [f"{tick:g}" for tick in ticks])
    end.yaxis.set_minor_formatter(NullFormatter())
    end.legend(frameon=False, fontsize=8, loc="lower left")
    end.set_title("the better the detector, the worse plain removal", fontsize=10)
    figure.suptitle(f"{SIZE} items a fit, {SHARE:.0%} real: exact (lines) and {chains} chains (circles)", fontsize=11)
    _common.save(figure, "remove_or_weight", chosen)
    pyplot.close(figure)
    _common.table(f"t = {FOUND}, f = {MISTAKEN}", rows)
    return rows


if __name__ == "__main__":
    main()

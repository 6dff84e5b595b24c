"""The first mover: a model trained before the pollution, and those that enter after 1, 5 and 20 generations of it.

The leader was fitted to real items once and stays as it is. The pool is a chain of models: each learns from the last
one's output with a share of fresh real items. An entrant takes as many items of the pool, as it is then, as the leader
had real ones. Its loss is the chance that two of its draws share an ancestor: 1 - H/H0, or the mean of chi-square over
K - 1. However much of the pool it takes, it stays above the dashed line; to match the leader it needs half of the
leader's real items or more, unless it can tell which items are real.
"""

import _common
import numpy as np
from matplotlib import pyplot

import modelcollapse as mc
from modelcollapse import plot
from modelcollapse.families import Population
from modelcollapse.regimes import Exchange
from modelcollapse_theory import entrant

STATES = 50
SHARES = {0.05: plot.VERMILION, 0.1: plot.ORANGE, 0.3: plot.BLUE}
TIMES = (1, 5, 20)
LEADER, POOL = 0, 1


def losses(share, size, chains, seed):
    """Loss of each entrant in each chain ``(chains, times)``: one run with the leader, the pool and all entrants."""
    models = 2 + len(TIMES)
    weights = np.zeros((models, models))
    weights[POOL:, POOL] = 1 - share  # all but the leader learn from the pool
    regime = Exchange(
        weights,
        share,
        enters=[0, 0, *TIMES],
        frozen=[1, None, *(time + 1 for time in TIMES)],
    )
    law = mc.categorical(1 / np.arange(1, STATES + 1), normalise=True)
    run = mc.simulate(
        Population(mc.Discrete(), models=models), law, regime, "chi_square", size=size, generations=max(TIMES),
        chains=chains, seed=seed, record=[max(TIMES)],
    )  # fmt: skip
    return run["chi_square"][:, 0, :] / (STATES - 1)


def entrants(ax, size, chains, seed):
    fits, rows = np.arange(1, max(TIMES) + 1), []
    for share, colour in SHARES.items():
        ax.plot(fits, entrant.first_mover_ratio(size, share, fits), color=colour, label=f"real share {share:g}")
        ax.plot(fits, entrant.first_mover_ratio(size, share, fits, unlimited=True), "--", color=colour, lw=1)
        seen = size * losses(share, size, chains, seed)
        mean, error = seen.mean(0), seen.std(0) / np.sqrt(chains)
        ax.errorbar(TIMES, mean[2:], 3 * error[2:], fmt="o", color=colour, mfc="white", ms=5, capsize=2.5)
        exact = entrant.first_mover_ratio(size, share, np.array(TIMES))
        rows += [
            (f"real share {share:g}, entry at {t}", *row)
            for t, *row in zip(TIMES, exact, mean[2:], error[2:], strict=True)
        ]
    ax.plot([], [], "-", color="0.3", label="as many items as the leader had")
    ax.plot([], [], "--", color="0.3", lw=1, label="endless items")
    ax.errorbar([], [], [], fmt="o", color="0.3", mfc="white", ms=5, capsize=2.5, label="simulated, with 3 s.e.")
    ax.axhline(1, color="0.6", lw=0.8, label="the leader's own loss")
    ax.set(xlabel="generation of the entry", ylabel="loss of the entrant over the leader's")
    ax.xaxis.get_major_locator().set_params(integer=True)
    ax.set_title("the later, the worse, even with endless data (dashed)", fontsize=10)
    ax.set_ylim(0, 1.4 * ax.get_ylim()[1])  # room for the legend
    ax.legend(frameon=False, fontsize=8, loc="upper left", ncols=2, columnspacing=0.8)
    return rows


def price(ax, size):
    shares = np.linspace(0.01, 1, 200)
    ax.plot(
        shares, entrant.matching_real_items(size, shares), color=plot.BLUE, label="nobody knows which items are real"
    )
    for drawn, style in ((size, "--"), (10 * size, ":")):
        needed = float(entrant.real_items_with_provenance(1 / size, drawn, 1 / size))
        ax.axhline(needed, color=plot.GREEN, ls=style, label=f"known, beside {drawn} of the leader's")
    ax.axhline(size, color="0.6", lw=0.8)
    ax.text(0.98, size, "the leader's", ha="right", va="bottom", fontsize=8, color="0.4")
    ax.set(xlabel="real share of the pool", ylabel="real items that match the leader", ylim=(0, 1.1 * size))
    ax.set_title("what it takes, in a pool of the leader's own output", fontsize=10)
    ax.legend(frameon=False, fontsize=8, loc="center right", bbox_to_anchor=(1, 0.3))


def main(argv=None):
    chosen = _common.options(__doc__.splitlines()[0], argv)
    size, chains = (50, 400) if chosen.small else (200, 4000)
    figure, axes = pyplot.subplots(1, 2, figsize=(9.5, 4.2), layout="constrained")
    rows = entrants(axes[0], size, chains, chosen.seed)
    price(axes[1], size)
    figure.suptitle(f"a leader with {size} real items, {STATES} states, {chains} chains", fontsize=11)
    _common.save(figure, "first_mover", chosen)
    pyplot.close(figure)
    _common.table("loss over the leader's", rows)
    return rows


if __name__ == "__main__":
    main()

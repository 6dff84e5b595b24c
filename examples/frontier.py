"""How much real data keeps the diversity: the exact frontier over a sweep of 5 regimes x 20 shares x 6 sample sizes.

Every point is a cell of one sweep: what is left of the heterozygosity of a law on ten states after 200 fits, simulated.
The lines are the least share of real data that keeps a given part of it, from the exact means that the sweep stores
beside the simulated ones. Real rows may be new in each data set or always the same; they may be mixed, as laws, with
the newest model or with that and all models before it; or half of what is not real may stay from the last data set. A
share of a size is a whole number of rows, none below 1 / (2 M).

The sweep goes on where it was stopped: run this again with the same options.
"""

import functools
import multiprocessing
from concurrent.futures import ProcessPoolExecutor

import _common
import numpy as np
from matplotlib import pyplot
from matplotlib.colors import BoundaryNorm

import modelcollapse as mc
from modelcollapse import plot
from modelcollapse_theory import replacement

LAW = np.arange(1, 11) / 55
REGIMES = {
    "fresh real rows": mc.FreshReal,
    "fixed real rows": mc.FixedReal,
    "fresh rows, old ones stay": lambda share: mc.Retain((1 - share) / 2, share),
    "real law, newest model": lambda share: mc.Mixture(1 - share, 0.0, share),
    "real law, all models": lambda share: mc.Mixture((1 - share) / 2, (1 - share) / 2, share),
}
KEPT = (0.5, 0.8, 0.9)
STYLES = (":", "--", "-")


def cell(regime, size, share, generations, chains):
    """The arguments of ``simulate`` for one point."""
    return {
        "family": mc.Discrete(),
        "source": mc.categorical(LAW),
        "regime": REGIMES[regime](share),
        "observe": "heterozygosity",
        "size": size,
        "generations": generations,
        "chains": chains,
        "record": [generations],
    }


def frontier(shares, left, kept):
    """The least share that keeps a part ``kept``, between two shares with exact values; NaN where it lies beyond them."""
    enough = int(np.argmax(left >= kept))
    if enough == 0:  # the least share is enough, or none is
        return np.nan
    return float(np.exp(np.interp(kept, left[enough - 1 : enough + 1], np.log(shares[enough - 1 : enough + 1]))))


def panel(ax, cells, truth, norm):
    """Simulated points of one regime, and the exact frontiers over them."""
    shares, sizes = cells.share.values, cells["size"].values
    simulated = cells.heterozygosity.sel(statistic="mean").isel(generation=-1).transpose("size", "share") / truth
    exact = cells.heterozygosity_prediction.isel(generation=-1).transpose("size", "share").values / truth
    across, along = np.meshgrid(sizes, shares, indexing="ij")
    dots = ax.scatter(across, along, c=simulated, cmap="viridis", norm=norm, s=34, lw=0)
    for kept, style in zip(KEPT, STYLES, strict=True):
        line = [frontier(shares, row, kept) for row in exact]
        ax.plot(sizes, line, style, color=plot.VERMILION, lw=1.8, label=f"{kept:.0%} kept")
    ax.set(xscale="log", yscale="log", xlabel="sample size M")
    ax.set_xticks(sizes, labels=[str(size) for size in sizes], fontsize=8)
    ax.set_xticks([], minor=True)
    return dots


def main(argv=None):
    parser = _common.parser(__doc__.splitlines()[0])
    parser.add_argument("--workers", type=int, help="processes that run the cells (default: this one alone)")
    chosen = parser.parse_args(argv)
    sizes = (10, 40, 160) if chosen.small else (10, 20, 40, 80, 160, 320)
    shares = np.geomspace(0.005, 1, 4 if chosen.small else 20).round(4)
    generations, chains = (50, 100) if chosen.small else (199, 400)
    make = functools.partial(cell, generations=generations, chains=chains)
    spawn = multiprocessing.get_context("spawn")
    folder = chosen.output or _common.HERE / "output"
    swept = mc.sweep(
        make,
        {"regime": list(REGIMES), "size": sizes, "share": shares},
        store=folder / f"frontier-{chosen.seed}{'-small' if chosen.small else ''}.zarr",
        executor=functools.partial(ProcessPoolExecutor, chosen.workers, mp_context=spawn) if chosen.workers else None,
        seed=chosen.seed,
        progress=not chosen.small,
    )
    truth = replacement.heterozygosity(LAW)
    norm = BoundaryNorm(np.linspace(0, 1, 11), 256)
    figure, axes = pyplot.subplots(1, len(REGIMES), figsize=(13, 4.2), sharey=True, layout="constrained")
    for ax, regime in zip(axes, REGIMES, strict=True):
        dots = panel(ax, swept.sel(regime=regime), truth, norm)
        ax.set_title(regime, fontsize=10)
    axes[0].set_ylabel("share of real data")
    axes[0].set_yticks([0.01, 0.1, 1], labels=["1%", "10%", "100%"])
    figure.legend(
        *axes[1].get_legend_handles_labels(), title="exact frontier", loc="outside lower center", ncols=len(KEPT)
    )
    figure.colorbar(dots, ax=axes, label="part of the heterozygosity left, simulated", pad=0.01)
    figure.suptitle(f"Ten states after {generations + 1} fits: how much real data keeps their diversity")
    _common.save(figure, "frontier", chosen)
    pyplot.close(figure)
    last = swept.isel(generation=-1)
    rows = []
    for regime in REGIMES:
        at = last.sel(regime=regime, size=sizes[1]).isel(share=shares.size // 2)
        mean, error = (float(at.heterozygosity.sel(statistic=name)) / truth for name in ("mean", "standard_error"))
        label = f"{regime}, share {float(at.share):.3g}, M = {sizes[1]}"
        rows.append((label, float(at.heterozygosity_prediction) / truth, mean, error))
    _common.table("part of the heterozygosity that is left", rows)
    return rows, swept


if __name__ == "__main__":
    main()

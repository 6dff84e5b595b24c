"""How much real data keeps a vocabulary alive: the exact frontier of a synthetic-data pipeline, over simulated points.

The words are those of Python's help topics. Every data set has M words, each of them real with probability g and
written by the newest model otherwise, and this goes on for ever. Left: how much of the vocabulary a data set still
shows. Right: the least share of real data for a given part of it, exact lines over perfect draws from the stationary
law.
"""

import _common
import numpy as np
from matplotlib import pyplot
from scipy.interpolate import PchipInterpolator

from modelcollapse import ancestry, datasets, plot, sampling
from modelcollapse_theory import fresh, plan

COLOURS = (plot.VERMILION, plot.ORANGE, plot.GREEN, plot.BLUE)
WANTED = (0.01, 0.02, 0.04)


def survivors(law, size, share, chains, seed):
    """Part of the vocabulary that a stationary data set shows: mean and standard error over chains."""
    key = sampling.key(seed)
    counts = np.asarray(ancestry.stationary_counts(key, law, size, share, chains))
    part = (counts > 0).mean(1)
    return part.mean(), part.std(ddof=1) / np.sqrt(chains)


def shown(law, size, shares):
    """The exact mean part of the vocabulary in a stationary data set, at each share of real data."""
    return np.array([fresh.expected_support(law, size, float(g)) for g in shares]) / law.size


def frontier(shares, parts, wanted):
    """The least share with which a part ``wanted`` is seen on average; NaN where it lies outside the exact values
    given.
    """
    if not parts[0] <= wanted <= parts[-1]:
        return np.nan
    return float(np.exp(PchipInterpolator(np.log(parts), np.log(shares))(np.log(wanted))))


def main(argv=None):
    chosen = _common.options(__doc__.splitlines()[0], argv)
    names, counts = datasets.word_counts()
    law = counts / counts.sum()
    sizes = (100, 200) if chosen.small else (100, 200, 400, 800)
    shares = np.geomspace(0.005, 1, 4 if chosen.small else 9)
    chains = 100

    figure, (left, right) = pyplot.subplots(1, 2, figsize=(10, 4.2), layout="constrained")
    rows, points = [], []
    fine = np.geomspace(shares[0], 1, 7 if chosen.small else 17)
    grid = np.unique(np.geomspace(sizes[0], sizes[-1], 3 if chosen.small else 7).round().astype(int))
    curves = {int(size): shown(law, int(size), fine) for size in grid}
    for size, colour in zip(sizes, COLOURS, strict=False):
        left.plot(fine, curves[size], lw=1.4, color=colour)
        for index, share in enumerate(shares):
            seen, error = survivors(law, size, float(share), chains, chosen.seed + index)
            points.append((size, share, seen))
            exact = float(shown(law, size, [share])[0])
            rows.append((f"vocabulary shown, M = {size}, g = {share:.3g}", exact, seen, error))
            label = f"M = {size}" if index == 0 else None
            left.errorbar(share, seen, 2 * error, fmt="o", mfc="white", ms=4, color=colour, label=label)
    left.set(xscale="log", yscale="log", xlabel="share of real data g", ylabel=f"part of {law.size} words shown")
    left.legend(title="words in a data set", fontsize=8, title_fontsize=8)

    size_points, share_points, seen_points = np.array(points).T
    dots = right.scatter(size_points, share_points, c=np.log10(seen_points), cmap="viridis", s=30)
    for wanted, style in zip(WANTED, ("-", "--", ":"), strict=True):
        line = [frontier(fine, curves[int(size)], wanted) for size in grid]
        right.plot(grid, line, style, color=plot.BLACK, lw=1.4, label=f"{wanted:.0%} shown")
    right.set(
        xscale="log", yscale="log", xlabel="words in a data set M", ylabel="share of real data g", ylim=(1.2e-3, 1.5)
    )
    right.set_xticks(sizes, labels=[str(size) for size in sizes])
    right.set_xticks([], minor=True)
    right.legend(title="exact frontier", fontsize=8, title_fontsize=8, loc="lower center", ncols=3)
    bar = figure.colorbar(dots, ax=right, label="part shown, simulated")
    ticks = [t for t in (0.005, 0.01, 0.02, 0.05, 0.1, 0.2) if seen_points.min() <= t <= seen_points.max()]
    bar.set_ticks(np.log10(ticks), labels=[f"{t:g}" for t in ticks])
    figure.suptitle("What a pipeline of synthetic text still shows when it has settled")

    word, size, failure = names[3], sizes[-1], 0.05
    needed = plan.share_to_keep(float(law[3]), size, failure)
    lost = (
        np.asarray(ancestry.stationary_counts(sampling.key(chosen.seed), law, size, needed.value, 2000))[:, 3] == 0
    ).mean()
    error = np.sqrt(failure * (1 - failure) / 2000)
    rows.append((f"P('{word}' missing) at g = {needed.value:.4g}", needed.achieved, lost, error))
    _common.table("stationary data sets", rows)
    _common.save(figure, "plan_pipeline", chosen)
    return rows


if __name__ == "__main__":
    main()

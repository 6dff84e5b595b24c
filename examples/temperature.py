"""Temperature against real share: how much real text keeps a vocabulary that is sampled a little too cold.

Each generation is trained on real text and on a model's, sampled at a temperature below 1. Left: the words of real
English (the help topics of Python), in endless amounts of text. Right: 100 words, all equally frequent, and 100,000 of
them in each data set. Markers are runs that began at the truth, or that were left to collapse first; lines are the
exact map of laws, iterated, with upright steps where the limit jumps. A flat vocabulary remembers where it came from. A real one does not, and needs far more
real text than the threshold of a flat one (dotted) says.
"""

import itertools

import _common
import numpy as np
from matplotlib import pyplot
from matplotlib.lines import Line2D

import modelcollapse as mc
from modelcollapse import datasets, families, plot
from modelcollapse_theory import temperature

TEMPERATURES = {0.9: plot.BLUE, 0.8: plot.VERMILION}
STARTS = {"from the truth": ("o", "-"), "after a collapse": ("x", "--")}
COLLAPSE = 60
"""Generations without real text, after which about one word is left."""


def predicted(truth, share, tau, start, generations):
    """Effective number of words: exp of the entropy. The first fit is to ``start``."""
    return temperature.effective_states(temperature.tempered_share(truth, tau, share, generations + 1, start))


def simulated(chosen, truth, share, tau, start, generations, size):
    """The same of runs ``(chains,)``: of endless data sets, where ``size`` is None."""
    family, regime = families.Tempered(mc.Discrete(), tau), mc.Mixture(1 - share, 0, share)
    if start == "after a collapse":
        regime, generations = mc.Switch(mc.Replace(), regime, COLLAPSE), generations + COLLAPSE - 1
    run = mc.simulate(
        family if size else mc.Exact(family),
        mc.categorical(truth, normalise=True),
        regime,
        "entropy",
        size=size or 1,
        generations=generations,
        chains=5 if size else 1,
        seed=chosen.seed,
        record=[generations],
    )
    return np.exp(np.asarray(run["entropy"][:, 0], float))


def refined(value, shares, step=0.2, width=2e-4):
    """``shares`` and their values, with more shares wherever the logarithm of the value leaps: steps stay upright."""
    found = {share: value(share) for share in shares}
    waiting = list(itertools.pairwise(shares))
    while waiting:
        low, high = waiting.pop()
        if high - low > width and abs(np.log(found[high] / found[low])) > step:
            middle = (low + high) / 2
            found[middle] = value(middle)
            waiting += [(low, middle), (middle, high)]
    return np.array(sorted(found)), np.array([found[share] for share in sorted(found)])


def panel(chosen, ax, truth, shares, generations, size=None):
    fine = np.linspace(shares[0], shares[-1], (1 if chosen.small else 6) * (len(shares) - 1) + 1)
    collapsed, rows = np.eye(truth.size)[truth.argmax()], []
    # sampling leaves the flat law at once, on which the exact map would stay
    near = truth if size is None else 0.999 * truth + 0.001 * collapsed
    for tau, colour in TEMPERATURES.items():
        for start, (mark, line) in STARTS.items():
            law = near if start == "from the truth" else collapsed
            steps = generations if size is None else 4 * generations
            lines, exact = refined(lambda g, tau=tau, law=law, n=steps: predicted(truth, g, tau, law, n), fine)
            runs = [simulated(chosen, truth, g, tau, start, generations, size) for g in shares]
            means = [run.mean() for run in runs]
            label = f"temperature {tau:g}, {start}"
            ax.plot(lines, exact, line, color=colour, lw=1.2)
            ax.plot(shares, means, mark, color=colour, mfc="none", ms=6)
            errors = [run.std(ddof=1) / np.sqrt(run.size) if run.size > 1 else 0.0 for run in runs]
            rows += zip(
                (f"{label}, {g:.3g} real" for g in shares), np.interp(shares, lines, exact), means, errors, strict=True
            )
        ax.axvline(1 - tau, color=colour, lw=0.9, ls=":")
    words = temperature.effective_states(truth)
    ax.axhline(words, color=plot.BLACK, lw=0.8)
    ax.set(xlabel="real share", yscale="log", ylim=(0.9, 1.6 * words))
    return rows


def legend(ax):
    """What colours, lines and markers mean."""
    entries = [
        Line2D([], [], color=colour, ls=line, lw=1.2, marker=mark, mfc="none", label=f"temperature {tau:g}, {start}")
        for tau, colour in TEMPERATURES.items()
        for start, (mark, line) in STARTS.items()
    ]
    entries += [
        Line2D([], [], color=plot.BLACK, lw=0.8, label="effective words of the truth"),
        Line2D([], [], color="0.4", lw=0.9, ls=":", label="real share = 1 - temperature"),
    ]
    ax.legend(handles=entries, frameon=False, fontsize=8, loc="lower right", handlelength=3)


def main(argv=None):
    chosen = _common.options(__doc__.splitlines()[0], argv)
    names, counts = datasets.word_counts()
    shares = np.linspace(0.05, 0.65, 4 if chosen.small else 9)
    figure, (left, right) = pyplot.subplots(1, 2, figsize=(11.5, 4.2), layout="constrained")
    rows = panel(chosen, left, counts / counts.sum(), shares, 40 if chosen.small else 150)
    left.set(ylabel="effective number of words")
    left.set_title(f"real English, {len(names)} words, endless text", fontsize=10)
    legend(right)
    flat = panel(chosen, right, np.full(100, 0.01), shares, 150, size=100_000)
    right.set_title("100 words, all equally frequent, sample size 100,000", fontsize=10)
    _common.save(figure, "temperature", chosen)
    pyplot.close(figure)
    _common.table("effective words, real English", rows)
    _common.table("the same, 100 words (theory: endless text)", flat)
    return rows, flat


if __name__ == "__main__":
    main()

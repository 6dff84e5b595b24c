"""Rare words and rare breeds disappear first, at exactly the predicted rate.

Left: the words of real English (the help topics of Python), refitted again and again to a sample of themselves. Right:
dog breeds, in frequencies made up for the illustration. The curves are exact; nothing is fitted to the simulation.
"""

import _common
import jax.numpy as jnp
import numpy as np
from matplotlib import pyplot

import modelcollapse as mc
from modelcollapse import datasets, plot
from modelcollapse_theory import support

# illustrative, not data: a common breed, some less common, one rare
BREEDS = {
    "golden retriever": 0.60,
    "dalmatian": 0.20,
    "french bulldog": 0.12,
    "corgi": 0.06,
    "petit basset griffon vendéen": 0.02,
}
CLASSES = ((1, 1), (2, 5), (6, 50), (51, 10**9))
COLOURS = (plot.VERMILION, plot.ORANGE, plot.GREEN, plot.BLUE, plot.BLACK)
MARKERS = "osD^v"


def words(chosen):
    """Share of the words of each class that is left: a run, and the exact ``(fit, class)``."""
    names, counts = datasets.word_counts()
    size, generations, chains = (2000, 20, 20) if chosen.small else (10_000, 200, 60)
    classes = np.stack([(counts >= low) & (counts <= high) for low, high in CLASSES])
    members = jnp.asarray(classes / classes.sum(1, keepdims=True), jnp.float32)

    def share_left(params):
        return members @ (params > 0).astype(jnp.float32)

    run = mc.simulate(
        mc.Discrete(),
        mc.categorical(counts, normalise=True),
        observe=share_left,
        size=size,
        generations=generations,
        chains=chains,
        seed=chosen.seed,
        record=np.unique(np.geomspace(1, generations + 1, 30).round().astype(int)) - 1,
    )
    # words of one frequency have one probability of being there
    distinct, which = np.unique(counts, return_inverse=True)
    present = support.present_probability(distinct / counts.sum(), size, run.recorded + 1)[:, which]
    return run, present @ (classes / classes.sum(1, keepdims=True)).T, names, size


def breeds(chosen):
    size, generations, chains = 20, 40, 2000 if chosen.small else 20_000
    run = mc.simulate(
        mc.Discrete(),
        mc.categorical(list(BREEDS.values())),
        observe={"left": lambda params: params > 0},
        size=size,
        generations=generations,
        chains=chains,
        seed=chosen.seed,
    )
    return run, support.present_probability(list(BREEDS.values()), size, run.recorded + 1), size


def panel(ax, run, name, exact, labels, every):
    values = np.asarray(run[name], np.float64)
    fits = run.recorded + 1
    for k, label in enumerate(labels):
        style = {"color": COLOURS[k], "ms": 5}
        ax.plot(fits, exact[:, k], lw=1.4, color=COLOURS[k])
        ax.plot(fits[::every], values.mean(0)[::every, k], MARKERS[k], mfc="white", label=label, **style)
    ax.set(xlabel="fits (generation + 1)", ylim=(0, 1.03))


def main(argv=None):
    chosen = _common.options(__doc__.splitlines()[0], argv)
    text, text_exact, names, text_size = words(chosen)
    dogs, dogs_exact, dogs_size = breeds(chosen)
    figure, (left, right) = pyplot.subplots(1, 2, figsize=(11.5, 4), layout="constrained")
    labels = ["once in the text", "2 to 5 times", "6 to 50 times", "more than 50 times"]
    panel(left, text, "share_left", text_exact, labels, 2)
    left.set(xscale="log", ylabel="share of the words that is left")
    left.legend(frameon=False, fontsize=8)
    left.set_title(f"{len(names)} words of English, sample size {text_size}", fontsize=10)
    panel(right, dogs, "left", dogs_exact, [f"{b} ({q:.0%})" for b, q in BREEDS.items()], 3)
    right.set(ylabel="probability that the breed is left")
    right.legend(frameon=False, fontsize=8, loc="center left", bbox_to_anchor=(1, 0.5))
    right.set_title(f"dog breeds (illustrative), sample size {dogs_size}", fontsize=10)
    _common.save(figure, "rare_words", chosen)
    pyplot.close(figure)
    rows = []
    for run, name, exact, kinds in ((text, "share_left", text_exact, labels), (dogs, "left", dogs_exact, list(BREEDS))):
        last = np.asarray(run[name][:, -1], np.float64)
        error = last.std(0, ddof=1) / np.sqrt(len(last))
        rows += [
            (f"{kind}, after {run.generations + 1} fits", exact[-1, k], last[:, k].mean(), error[k])
            for k, kind in enumerate(kinds)
        ]
    _common.table("share that is left", rows)
    return rows


if __name__ == "__main__":
    main()

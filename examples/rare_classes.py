"""Rare classes of real images vanish first, at the exact rate of a discrete chain, while the common ones blur.

Five digits in the frequencies of a dog-breed tale, from 60% down to 2%. Each generation learns how frequent each class
is and a small autoencoder for each, then draws its training set of 200 images from them. Left: how often each class is
still there, against the exact curve of the discrete chain; no image matters to it. Middle: one chain, one image a
class. Right: how much the images of a class differ. At the end all data are real again, and a new model recovers
everything.
"""

import _common
import numpy as np
from matplotlib import pyplot

import modelcollapse as mc
from modelcollapse import datasets, plot
from modelcollapse.families import MLP
from modelcollapse.observables import images as io
from modelcollapse_theory import support

SHARES = {3: 0.60, 0: 0.20, 7: 0.12, 6: 0.06, 8: 0.02}
COLOURS = (plot.VERMILION, plot.ORANGE, plot.GREEN, plot.BLUE, plot.BLACK)
MARKERS = "osD^v"
SIZE = 50


def unbalanced(random):
    """Digits in the frequencies of ``SHARES``, with 0 to 4 as their classes."""
    pixels, labels = datasets.mnist_digits()
    most = 500 / max(SHARES.values())
    rows = [random.choice(np.flatnonzero(labels == d), int(most * share), replace=False) for d, share in SHARES.items()]
    return pixels[np.concatenate(rows)], np.repeat(np.arange(len(SHARES)), [len(r) for r in rows])


def main(argv=None):
    chosen = _common.options(__doc__.splitlines()[0], argv)
    pixels, labels = unbalanced(np.random.default_rng(chosen.seed))
    healing, chains, steps = (4, 6, 20) if chosen.small else (12, 24, 200)
    vae = mc.VAE(latent=4, network=MLP((32,)), steps=steps, batch=32, rate=5e-3)
    family = mc.Conditional(vae, len(SHARES))
    one = io.Images(vae, 1)
    run = mc.simulate(
        family,
        mc.images(pixels, labels),
        mc.Switch(mc.Replace(), mc.FreshReal(1.0), healing),
        {
            "lost": mc.of("frequencies", "lost"),
            "images": mc.of("models", io.Each(one)),
            "variance": mc.of("models", io.Each(io.PixelVariance(vae, 200))),
        },
        size=SIZE,
        generations=healing + 1,
        chains=chains,
        seed=chosen.seed,
    )
    shares = np.bincount(labels) / len(labels)
    exact = support.present_probability(shares, SIZE, np.arange(1, healing + 1))
    healed = support.present_probability(shares, SIZE, 1)
    draw(run, exact, healed, healing, chosen)
    return report(run, exact, healed, healing)


def draw(run, exact, healed, healing, chosen):
    figure, (left, middle, right) = pyplot.subplots(
        1, 3, figsize=(12, 4.2), layout="constrained", gridspec_kw={"width_ratios": [1, 0.8, 1]}
    )
    there = ~run["lost"]
    # of chains that have the class; a lost class has a model that nobody asks
    variance = np.ma.masked_where(~there, run["variance"]).mean(0)
    variance = (variance / variance[0]).filled(np.nan)
    for k, (digit, share) in enumerate(SHARES.items()):
        style = {"color": COLOURS[k], "ms": 5}
        name = f"{digit} ({share:.0%})"
        left.plot(np.arange(healing), exact[:, k], lw=1.4, color=COLOURS[k])
        share_left = there[:, :, k].mean(0)
        bars = np.abs(np.array(wilson(there[:, :, k].sum(0), len(there))) - share_left)
        # classes stand side by side, so that their bars can be told apart
        left.errorbar(
            run.recorded + 0.12 * (k - 2),
            share_left,
            bars,
            fmt=MARKERS[k],
            mfc="white",
            elinewidth=0.8,
            label=name,
            **style,
        )
        right.plot(run.recorded, variance[:, k], MARKERS[k] + "-", mfc="white", label=name, **style)
    right.legend(frameon=False, fontsize=9, title="digit and its share", title_fontsize=9, loc="upper center")
    left.set(xlabel="generation", ylabel="share of chains that still have the class", ylim=(-0.03, 1.05))
    right.set(xlabel="generation", ylabel="variance within a class, relative to generation 0", ylim=(0, None))
    for ax, title, place, turned in (
        (left, f"{len(there)} chains, 95% intervals; lines are exact", 0.03, 0),
        (right, "mean of the chains that have the class", 0.5, 90),
    ):
        ax.axvline(healing - 0.5, color="0.6", lw=0.8)
        ax.annotate(
            "real data only", (healing - 0.6, place), xycoords=("data", "axes fraction"), rotation=turned, ha="right",
            va="center", fontsize=8, color="0.4",
        )  # fmt: skip
        ax.set_title(title, fontsize=10)

    chain = int(run["lost"][:, healing - 1].sum(-1).argmax())
    shown = [*sorted({0, 1, 3, healing // 2, healing - 1}), healing]
    grid = np.ones((28 * len(shown), 28 * len(SHARES)))
    for i, g in enumerate(shown):
        for k in range(len(SHARES)):
            if there[chain, g, k]:
                grid[28 * i : 28 * (i + 1), 28 * k : 28 * (k + 1)] = 1 - run["images"][chain, g, k].reshape(28, 28)
    middle.imshow(grid, cmap="gray", vmin=0, vmax=1)
    middle.set_yticks(28 * np.arange(len(shown)) + 14, [str(g) for g in shown[:-1]] + ["healed"])
    middle.set(xticks=[], ylabel="generation")
    middle.set_title("one chain, one image per class (blank: lost)", fontsize=10)
    _common.save(figure, "rare_classes", chosen)
    pyplot.close(figure)


def wilson(successes, trials, z=1.96):
    """Wilson's 95% interval for a probability: it is not empty at 0 or 1."""
    centre = (successes + z**2 / 2) / (trials + z**2)
    half = z / (trials + z**2) * np.sqrt(successes * (trials - successes) / trials + z**2 / 4)
    return centre - half, centre + half


def report(run, exact, healed, healing):
    there = (~run["lost"]).astype(float)
    chains = len(there)
    rows = []
    for k, digit in enumerate(SHARES):
        for label, p, g in (("generation", exact[-1, k], healing - 1), ("healed, generation", healed[k], healing)):
            error = np.sqrt(p * (1 - p) / chains)
            rows.append((f"digit {digit} is there, {label} {g}", p, there[:, g, k].mean(), error))
    _common.table("share of chains", rows)
    left = run["variance"][:, healing - 1, 0].mean() / run["variance"][:, 0, 0].mean()
    back = run["variance"][:, healing, 0].mean() / run["variance"][:, 0, 0].mean()
    print(f"variance within the most common class: {left:.2f} of generation 0, {back:.2f} once healed")
    return rows, left, back


if __name__ == "__main__":
    main()

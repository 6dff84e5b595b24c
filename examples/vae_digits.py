"""Handwritten digits by a variational autoencoder, retrained on its own mean images: tails first, then everything.

Each generation is a new network, trained on images that the last one decoded from fresh latents. Left: images from the
same ten latents. Middle: what the encoder of generation 0 makes of each generation's images, as in figure 8 of arXiv
2305.17493. Right: how well each generation explains real digits that no model has seen; from a moment on, all data are
real again. A new network heals at once, one that only goes on training for a few steps does not. The theory has no
closed form for this network; `modelcollapse_theory.ppca` has one for its linear sister.
"""

import dataclasses

import _common
import jax.numpy as jnp
import numpy as np
from matplotlib import pyplot

import modelcollapse as mc
from modelcollapse import datasets, plot
from modelcollapse.families import MLP
from modelcollapse.observables import images as io

NEVER = 10**6
IMAGES = 10


def main(argv=None):
    chosen = _common.options(__doc__.splitlines()[0], argv)
    pixels, labels = datasets.mnist_digits()
    order = np.random.default_rng(chosen.seed).permutation(len(pixels))
    size, healing, last, chains = (600, 3, 4, 1) if chosen.small else (4000, 10, 13, 2)
    train, held = order[:size], order[-1000:]
    small = {"latent": 10, "network": MLP((64,)), "steps": 150, "batch": 64, "rate": 3e-3}
    fresh = mc.VAE(**(small if chosen.small else {}))
    warm = dataclasses.replace(fresh, start="warm", warm_steps=fresh.steps // 10)
    classifier = io.train_classifier(pixels[train], labels[train], steps=200 if chosen.small else 1000)

    def run(family, share, moment):
        return mc.simulate(
            family,
            mc.images(pixels[train]),
            mc.Switch(mc.FixedReal(share), mc.FreshReal(1.0), moment),
            {
                "bound": io.EvidenceBound(jnp.asarray(pixels[held].reshape(1000, -1))),
                "latents": io.Latents(family),
                "variance": io.PixelVariance(family),
                "digits": io.ClassHistogram(family, classifier),
                "images": io.Images(family, IMAGES),
            },
            size=size,
            generations=last,
            chains=chains,
            seed=chosen.seed,
        )

    runs = {
        "retrained on its own images": run(fresh, 0.0, healing),
        "few steps, from the last network": run(warm, 0.0, healing),
        "10% real images kept": run(fresh, 0.1, NEVER),
    }
    replaced = runs["retrained on its own images"]
    draw(runs, replaced, healing, chosen)
    return report(runs, healing, classifier)


def draw(runs, replaced, healing, chosen):
    figure, (left, middle, right) = pyplot.subplots(
        1, 3, figsize=(12, 4.2), layout="constrained", gridspec_kw={"width_ratios": [1.25, 1, 1]}
    )
    shown = [*sorted({0, 1, 2, 3, healing - 1} & set(range(healing))), healing]
    grid = replaced["images"][0, shown].reshape(len(shown), IMAGES, 28, 28)
    left.imshow(1 - grid.transpose(0, 2, 1, 3).reshape(28 * len(shown), 28 * IMAGES), cmap="gray", vmin=0, vmax=1)
    left.set_yticks(28 * np.arange(len(shown)) + 14, [str(g) for g in shown[:-1]] + ["healed"])
    left.set(xticks=[], ylabel="generation")
    left.set_title("decoded from the same ten latents", fontsize=10)

    edges = np.linspace(-3, 3, 61)
    spread = replaced["latents"].std((-2, -1)).mean(0)
    for i, generation in enumerate(shown[:-1]):
        height, _ = np.histogram(replaced["latents"][:, generation], edges, density=True)
        middle.stairs(
            height,
            edges,
            color=pyplot.cm.viridis(0.85 * i / len(shown)),
            lw=1.4,
            label=f"generation {generation}, sd {spread[generation]:.2f}",
        )
    middle.set_ylim(top=1.35 * middle.get_ylim()[1])
    middle.legend(frameon=False, fontsize=8, loc="upper right")
    middle.set(xlabel="latent mean under the first encoder", ylabel="density")
    middle.set_title("how alike the images of each generation are", fontsize=10)

    styles = ((plot.BLUE, "o", "-"), (plot.VERMILION, "s", "--"), (plot.GREEN, "^", ":"))
    for (name, run), (colour, marker, line) in zip(runs.items(), styles, strict=True):
        right.plot(run.recorded, run["bound"].mean(0), line, marker=marker, color=colour, mfc="white", label=name)
    right.axvline(healing - 0.5, color="0.6", lw=0.8)
    right.annotate(
        "from here on real data only,\nwhere 10% were not kept",
        (healing - 0.6, 0.98),
        xycoords=("data", "axes fraction"),
        va="top",
        ha="right",
        fontsize=8,
    )
    right.set_title("how well real digits are explained", fontsize=10)
    right.set(xlabel="generation", ylabel="bound on log p of real digits (nats)")
    low, high = right.get_ylim()
    right.set_ylim(low - 0.35 * (high - low), high + 0.22 * (high - low))
    right.legend(frameon=False, fontsize=8, loc="lower left")
    _common.save(figure, "vae_digits", chosen)
    pyplot.close(figure)


def report(runs, healing, classifier):
    print(f"classifier: {classifier.accuracy:.1%} of held-out digits right")
    out = {"accuracy": classifier.accuracy}
    for name, run in runs.items():
        digits = run["digits"].mean(0)
        spread = run["latents"].std((-2, -1)).mean(0)
        print(
            f"\n{name}\n{'generation':>10s} {'bound':>8s} {'latent sd':>10s} {'pixel var':>10s}   share of each digit 0 to 9"
        )
        for i, g in enumerate(run.recorded):
            shares = " ".join(f"{100 * s:3.0f}" for s in digits[i])
            print(
                f"{g:10d} {run['bound'].mean(0)[i]:8.1f} {spread[i]:10.3f} {run['variance'].mean(0)[i]:10.4f}   {shares}"
            )
        gone = digits[:healing].min(1) < 0.005
        if gone.any():
            first = int(gone.argmax())
            print(
                f"first digits below 0.5%: {', '.join(map(str, np.flatnonzero(digits[first] < 0.005)))} at generation {first}"
            )
        out[name] = {
            "bound": run["bound"].mean(0),
            "spread": spread,
            "variance": run["variance"].mean(0),
            "digits": digits,
        }
    return out


if __name__ == "__main__":
    main()

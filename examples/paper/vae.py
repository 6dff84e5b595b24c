"""A variational autoencoder trained on its own mean images narrows by about an eighth a generation, until all digits are one blot.

After figures 8 and 9 of arXiv 2305.17493 and its notebook: each generation is a new network, trained on decoder means of the last; latent 20, Adam at 1e-3, weight decay
1e-5, no original data. Scaled to a CPU: 5,000 digits of MNIST for 60,000; dense layers of 256 for the convolutions of 647,081 parameters; 2,000 steps of 128 for 7,050 of 256;
20,000 decoder images drawn once a generation for fresh ones in every batch; three chains for five runs. Spread: the encoder of generation 0 reads 100 images of each
generation, and all its latent means count. The level depends on how many latents a network uses, so what to compare is the ratio from one generation to the next; whether the notebook's
generation 0 has seen real digits is not clear to us, and ratios hardly depend on that. The dashed line is the linear VAE on the same digits, in closed form: it loses an amount of variance, not a
share, and far less. So most of the narrowing here comes from the approximation, not from the loss itself. For the linear model many small chains are held against theory.
"""

import sys

import _paper
import numpy as np
from matplotlib import pyplot

import modelcollapse as mc
from modelcollapse import datasets, plot
from modelcollapse.families import MLP
from modelcollapse.observables import images as io
from modelcollapse.verify.evidence import Evidence, NominalMean
from modelcollapse_theory import ppca

SHOWS = (
    "Four panels: rows of digits, real and decoded from the same latents in generations 0 to 20, which blur into one "
    "blot; histograms of latents that narrow to a peak at 0; the deviation of the latents, falling from 0.87 to about "
    "0.2; and the training loss, rising from 110 to about 190 nats."
)
SEE = (
    "by generation 10 all ten latents decode to one and the same blot. Ours (circles) and the notebook's numbers "
    "(squares) differ in level and agree in how they fall; the linear model (dashed) loses far less."
)

SPREAD, SPREAD_ERROR = (0.6878, 0.6034, 0.5336, 0.4828, 0.4434), (0.011, 0.006, 0.012, 0.009, 0.018)
"""Notebook: deviation of the latent means, generations 0 to 4, mean and deviation over its five runs."""
PEAK = {0: 0.62, 1: 0.79, 2: 0.94, 3: 1.10, 4: 1.24, 5: 1.41, 9: 1.58}
"""Height of the density at its peak, from the published figure."""
LOSS = (98.9, 123.4, 135.3, 144.1, 152.3, 158.8)
"""Training loss of an image in nats: real digits, then generations 0 to 4 of the notebook."""
IMAGES, EDGES = 10, np.linspace(-3, 3, 31)
LINEAR, TRIAL, TRIAL_NOISE = 20, (100, 5), 0.2
"""Latents of the linear VAE; size and fits, and noise, of its many small chains."""


def linear(pixels, generations):
    """Root mean square of the latent means under the first encoder by theory, each generation; noise as fitted to the real digits."""
    rows = pixels.reshape(len(pixels), -1)
    spectrum = np.linalg.eigvalsh(np.cov(rows, rowvar=False))[::-1]
    noise = spectrum[LINEAR:].mean()
    return np.sqrt([ppca.encoded_variance(spectrum[:LINEAR], noise, g + 1).mean() for g in generations]), spectrum[:6]


def numbers(small=False, seed=0, progress=False):
    pixels, _ = datasets.mnist_digits()
    size, last, chains = (1000, 2, 1) if small else (20_000, 20, 3)
    settings = (
        {"latent": 10, "network": MLP((64,)), "steps": 400, "batch": 64, "rate": 3e-3}
        if small
        else {"steps": 2000, "weight_decay": 1e-5}
    )
    if small:
        pixels = pixels[np.random.default_rng(seed).permutation(len(pixels))[:size]]
    family = mc.VAE(**settings)
    record = [g for g in range(last + 1) if g <= 10 or g % 5 == 0]
    run = mc.simulate(
        family,
        mc.images(pixels),
        observe={
            "latents": io.Latents(family),
            "images": io.Images(family, IMAGES),
            "loss": "training_loss",
            "variance": io.PixelVariance(family),
        },
        size=size,
        generations=last,
        chains=chains,
        seed=seed,
        record=record,
        progress=progress,
    )
    spread, spectrum = linear(pixels, record)
    m, fits = TRIAL
    trial = mc.simulate(
        mc.PPCA(spectrum.size, TRIAL_NOISE), mc.normal(np.zeros(spectrum.size), np.diag(spectrum)), observe="decoder_variance", size=m,
        generations=fits - 1, chains=4000 if small else 20_000, seed=seed + 1, record=[fits - 1],
    )  # fmt: skip
    latents = np.asarray(run["latents"], np.float64)
    return {
        "generations": np.array(record),
        "latents": latents,
        "spread": latents.std((-2, -1)),
        "peak": np.stack([density(latents[:, i]).max() for i in range(len(record))]),
        "loss": np.asarray(run["loss"], np.float64),
        "variance": np.asarray(run["variance"], np.float64),
        "images": np.asarray(run["images"][0]),
        "real": pixels[np.random.default_rng(1).permutation(len(pixels))[:IMAGES]],
        "linear": spread,
        "spectrum": spectrum,
        "trace": np.asarray(trial["decoder_variance"][:, 0], np.float64),
    }


def density(latents):
    return np.histogram(latents, EDGES, density=True)[0]


def evidence(found):
    (m, fits), total, r = TRIAL, float(found["spectrum"].sum()), found["spectrum"].size
    exact = float(ppca.finite_decoder_trace(total, r, TRIAL_NOISE, m, fits))
    return [
        Evidence(
            NominalMean(found["trace"]),
            exact,
            {
                "a constant factor": total
                * float(ppca.finite_decoder_trace(total, r, TRIAL_NOISE, m, 1) / total) ** (2 * fits),
                "noise lost at the first fit only": float(
                    ppca.sampled_trace(ppca.finite_decoder_trace(total, r, TRIAL_NOISE, m, 1), m, fits - 1)
                ),
                "infinite data": float(ppca.decoder_mean_variance(found["spectrum"], TRIAL_NOISE, fits).sum()),
            },
            f"linear VAE: E trace of the decoder, M = {m}, {fits} fits",
        )
    ]


def compared(here, paper):
    """Growth of the peak since generation 0, which the eye knows to a few per cent at both ends."""
    verdict = "agrees" if abs(here / paper - 1) < 0.15 else "differs"
    return f"{verdict}: {here:.2f} times generation 0, in the paper {paper:.2f}"


def table(found):
    generations, rows = list(found["generations"]), []
    spread, peak, loss = found["spread"], found["peak"], found["loss"].mean(0)
    for g, (value, error) in enumerate(zip(SPREAD, SPREAD_ERROR, strict=True)):
        if g in generations:
            here = spread[:, generations.index(g)]
            rows.append(
                _paper.Row(
                    f"latent deviation, generation {g}", f"{value:.4f} ± {error:g}", "-",
                    f"{here.mean():.4f}" + (f" ± {here.std(ddof=1):.2g}" if here.size > 1 else ""), "differs: the level is that of another network and fewer digits",
                )
            )  # fmt: skip
    count = min(4, generations[-1])
    ratio = (spread[:, generations.index(count)] / spread[:, 0]) ** (1 / count)
    paper = (SPREAD[4] / SPREAD[0]) ** (1 / 4)
    # of the paper's, from run to run
    deviation = paper / 4 * np.hypot(SPREAD_ERROR[4] / SPREAD[4], SPREAD_ERROR[0] / SPREAD[0])
    gap = (ratio.mean() - paper) / deviation
    rows.append(
        _paper.Row(
            f"its ratio from one generation to the next, 0 to {count}", _paper.spread(paper, deviation, 3), "-",
            f"{ratio.mean():.3f}" + (f" ± {ratio.std(ddof=1):.2g}" if ratio.size > 1 else ""),
            "agrees" if abs(gap) < 2 else f"differs by {gap:+.1f} deviations: a smaller network, fewer digits and steps",
        )
    )  # fmt: skip
    for g, value in PEAK.items():
        if g in generations:
            here = peak[generations.index(g)]
            rows.append(
                _paper.Row(
                    f"peak of the density, generation {g}", f"{value:g} [F]", "-", f"{here:.2f}",
                    compared(here / peak[0], value / PEAK[0]) + ("; ours has no digits left by then" if g == 9 else "")
                    if g else "differs: as the level above",
                )
            )  # fmt: skip
    for g, value in enumerate(LOSS):
        if g in generations:
            rows.append(
                _paper.Row(
                    "training loss (nats), " + ("real digits" if g == 0 else f"retrained {g} time" + "s" * (g > 1)), f"{value:g}", "-",
                    f"{loss[generations.index(g)]:.1f}", "differs: higher, and rises alike" if g else "differs: fewer digits and steps",
                )
            )  # fmt: skip
    start, five = found["linear"][0], found["linear"][min(5, len(generations) - 1)]
    rows.append(
        _paper.Row(
            f"linear VAE: latent deviation left at generation {generations[min(5, len(generations) - 1)]}", "-", f"{five / start:.4f}", "-",
            "loses an amount of variance a fit, not a share",
        )
    )  # fmt: skip
    return rows


def draw(found):
    figure, axes = pyplot.subplots(
        2, 2, figsize=(11, 7.6), layout="constrained", gridspec_kw={"width_ratios": [1.1, 1]}
    )
    digits, densities, spreads, losses = axes.flat
    generations = list(found["generations"])
    shown = [g for g in (0, 1, 2, 5, 10, 20) if g in generations]
    grid = np.concatenate(
        [
            found["real"][None],
            found["images"][[generations.index(g) for g in shown]].reshape(len(shown), IMAGES, 28, 28),
        ]
    )
    digits.imshow(1 - grid.transpose(0, 2, 1, 3).reshape(28 * len(grid), 28 * IMAGES), cmap="gray", vmin=0, vmax=1)
    digits.set_yticks(28 * np.arange(len(grid)) + 14, ["real", *map(str, shown)])
    digits.set(xticks=[], ylabel="generation")
    digits.set_title("decoder means from the same ten latents", fontsize=10)
    few = [g for g in (0, 1, 2, 3, 5, 9, 20) if g in generations]
    for i, g in enumerate(few):
        densities.stairs(
            density(found["latents"][:, generations.index(g)]),
            EDGES,
            color=pyplot.cm.viridis(0.9 * i / len(few)),
            lw=1.4,
            label=f"generation {g}",
        )
    densities.set(xlabel="latent mean under the first encoder", ylabel="density", xlim=(-3, 3))
    densities.set_title("tails go, a peak at 0 is left", fontsize=10)
    densities.legend(frameon=False, fontsize=8)
    x = np.array(generations)
    for i, chain in enumerate(found["spread"]):
        spreads.plot(
            x, chain, "o-", color=plot.BLUE, mfc="white", ms=4, lw=1, label="this VAE, each chain" if i == 0 else None
        )
    spreads.errorbar(
        range(5), SPREAD, SPREAD_ERROR, fmt="s", color=plot.VERMILION, ms=5, label="notebook, ± sd of its runs"
    )
    spreads.plot(x, found["linear"], "--", color=plot.BLACK, lw=1.4, label="linear VAE, same digits, exact")
    for ax in (spreads, losses):
        ax.set_xticks(range(0, int(x[-1]) + 1, 5 if x[-1] > 10 else 1))
    spreads.set(xlabel="generation", ylabel="deviation of the latent means", yscale="log")
    spreads.legend(frameon=False, fontsize=8)
    for i, chain in enumerate(found["loss"]):
        losses.plot(
            x, chain, "o-", color=plot.BLUE, mfc="white", ms=4, lw=1, label="this VAE, each chain" if i == 0 else None
        )
    losses.plot(range(6), LOSS, "s", color=plot.VERMILION, ms=5, label="notebook")
    losses.set(xlabel="generation (0: real digits)", ylabel="training loss of an image (nats)")
    losses.legend(frameon=False, fontsize=8)
    spreads.yaxis.set_major_formatter("{x:g}")
    spreads.yaxis.set_minor_formatter("{x:g}")
    spreads.tick_params(axis="y", which="both", labelsize=8)
    return figure


if __name__ == "__main__":
    _paper.main(sys.modules[__name__])

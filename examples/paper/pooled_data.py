"""Keeping all data stops the drift: the error of a thousand fits stays near that of the first, and a fixed budget of it does nearly as well.

After figures 5 and 6 of arXiv 2305.17493 and its notebook: N(0, 1), M = 100 to 10,000 new draws at each of 1,000 fits, all of them kept, mean
and np.std (ddof = 0) of the whole pool. Exactly, E (mean - truth)^2 rises from 1/M to 1 - sin(pi/sqrt M)/(pi/sqrt M), about pi^2/(6 M), where
replacement takes it to 1 - (1 - 1/M)^n. With a fit to M random items of the pool (figure 5, "parameters jump") the estimates are as noisy as
one fit and the mean still drifts at first, but this has a plateau too, at (pi^2/2 - 2)/M of the squared error. No numbers are printed there.
"""

import sys

import _paper
import numpy as np
from matplotlib import pyplot

import modelcollapse as mc
from modelcollapse import plot
from modelcollapse.verify.evidence import Evidence, NominalMean
from modelcollapse_theory import accumulation, gaussian

SHOWS = (
    "Six panels. Four on log axes, for M = 100 to 10,000: the error of the mean stays flat when all data are kept and "
    "grows when they are replaced. Two over 1,000 fits at M = 100: mean and deviation of fits to the whole pool, "
    "which settle, and to 100 of it, which jump about."
)
SEE = (
    "the flat black line is what keeping all data does, the rising dashed one is replacement. In the last two panels "
    "a fixed budget drawn from the pool is noisier at each fit, and does not drift either."
)

SIZES = (100, 500, 1000, 10_000)
SUBSET = 100
SMALL_SIZE, SMALL_FITS = 10, 10
"""Of the many chains that test the subsample, whose pools must be held in memory."""


def means(regime, size, fits, chains, seed, record=None, progress=False):
    run = mc.simulate(
        mc.Gaussian(ddof=0), mc.normal(), regime, ["mean", "log_variance"], size=size, generations=fits - 1, chains=chains,
        seed=seed, record=record, progress=progress,
    )  # fmt: skip
    return np.asarray(run["mean"][:, :, 0], np.float64), np.exp(
        0.5 * np.asarray(run["log_variance"][:, :, 0], np.float64)
    )


def numbers(small=False, seed=0, progress=False):
    fits = 200 if small else 1000
    shown = np.unique(np.geomspace(1, fits, 25).round().astype(int))
    found = {"fits": fits, "shown": shown, "pooled": {}, "path": {}, "replaced": {}}
    for i, size in enumerate(SIZES):
        found["pooled"][size] = means(mc.Accumulate(), size, fits, 5000 if small else 100_000, seed + i, shown - 1)
        found["path"][size] = [np.abs(values[0]) for values in means(mc.Accumulate(), size, fits, 1, seed + i)]
        found["replaced"][size] = means(mc.Replace(), size, fits, 1, seed + i)[0][0]
    found["subset"] = means(mc.AccumulateSubsample(), SUBSET, fits, 1, seed + 10, None, progress)
    found["whole"] = means(mc.Accumulate(), SUBSET, fits, 1, seed + 10)
    found["tested"] = means(mc.AccumulateSubsample(), SMALL_SIZE, SMALL_FITS, 4000 if small else 20_000, seed + 20)
    return found


def evidence(found):
    out, fits = [], found["fits"]
    for size in SIZES:
        mean, deviation = (values[:, -1] for values in found["pooled"][size])
        exact = float(accumulation.accumulate(size, fits))
        replaced = 1 - (1 - 1 / size) ** fits
        out.append(
            Evidence(
                NominalMean(mean**2),
                exact,
                {"replacement": replaced, "of the first fit": 1 / size, "independent real data": 1 / size / fits},
                f"E mean^2 of the pool, M = {size}, {fits} fits",
            )
        )
        out.append(
            Evidence(
                NominalMean(deviation**2),
                1 - exact,
                {"replacement": 1 - replaced}
                | ({"of one fit": 1 - 1 / size} if size == 100 and mean.size > 5e4 else {}),
                f"E variance of the pool, M = {size}, {fits} fits",
            )
        )
    model, pool = accumulation.accumulate_subsample(SMALL_SIZE, SMALL_FITS)
    out.append(
        Evidence(
            NominalMean(found["tested"][0][:, -1] ** 2),
            float(model[-1]),
            {
                "of the pool": float(pool[-1]),
                "all of the pool": float(accumulation.accumulate(SMALL_SIZE, SMALL_FITS)),
                "replacement": 1 - (1 - 1 / SMALL_SIZE) ** SMALL_FITS,
            },
            f"E mean^2, fitted to {SMALL_SIZE} of the pool, {SMALL_FITS} fits",
        )
    )
    return out


def table(found):
    rows, fits = [], found["fits"]
    for size in SIZES:
        square = found["pooled"][size][0][:, -1] ** 2
        rows.append(
            _paper.Row(
                f"E mean^2, all data kept, M = {size}",
                "errors settle",
                f"{float(accumulation.accumulate(size, fits)):.4g} ({1 - (1 - 1 / size) ** fits:.3g} by replacement)",
                _paper.spread(square.mean(), _paper.standard_error(square)),
                f"agrees: {float(accumulation.accumulate(size, fits)) * size:.2f}/M, as the first fit has 1/M",
            )
        )
    model, _pool = accumulation.accumulate_subsample(SUBSET, fits)
    limit = accumulation.accumulate_subsample_limit(SUBSET)[0]
    rows.append(
        _paper.Row(
            f"E mean^2, fitted to {SUBSET} of the pool",
            "parameters jump around",
            f"{float(model[-1]):.4g}",
            "-",
            f"jumps of deviation {SUBSET**-0.5:g} at every fit; the error ends at {limit:.4g}, {limit * SUBSET:.2f}/M",
        )
    )
    return rows


def draw(found):
    figure, axes = pyplot.subplots(2, 3, figsize=(12.5, 6), layout="constrained")
    every, shown = np.arange(1, found["fits"] + 1), found["shown"]
    for ax, size in zip(axes.flat[:4], SIZES, strict=True):
        ax.plot(every, np.abs(found["replaced"][size]), color="0.7", lw=0.7, label="one run, replaced")
        ax.plot(every, found["path"][size][0], color=plot.BLUE, lw=0.9, label="one run, all kept")
        rms = np.sqrt((found["pooled"][size][0] ** 2).mean(0))
        ax.plot(shown[::2], rms[::2], "o", color=plot.BLUE, mfc="white", ms=5, label="rms of many, all kept")
        ax.plot(
            every, np.sqrt(accumulation.accumulate(size, every)), color=plot.BLACK, lw=1.4, label="exact rms, all kept"
        )
        ax.plot(
            every,
            np.sqrt(gaussian.expected_mean_error(size, every, ddof=0)),
            "--",
            color=plot.VERMILION,
            lw=1.4,
            label="exact rms, replaced",
        )
        ax.set(xscale="log", yscale="log", xlim=(1, every[-1]), ylim=(1e-4, 2), xlabel="fits", ylabel="|mean|")
        ax.set_title(f"M = {size}", fontsize=10)
    axes.flat[0].legend(frameon=False, fontsize=8, loc="lower left")
    mean, deviation = found["subset"]
    fits = np.arange(1, mean.shape[1] + 1)
    model, _pool = accumulation.accumulate_subsample(SUBSET, len(fits))
    for ax, jumping, whole, label in (
        (axes.flat[4], mean[0], found["whole"][0][0], "mean"),
        (axes.flat[5], deviation[0] - 1, found["whole"][1][0] - 1, "sigma - 1"),
    ):
        ax.plot(fits, jumping, color=plot.SKY, lw=0.6, label=f"fitted to {SUBSET} of the pool")
        ax.plot(fits, whole, color=plot.BLUE, lw=1.6, label="fitted to the whole pool")
        ax.axhline(0, color="0.6", lw=0.8)
        ax.set(xlabel="fits", ylabel=label, ylim=(-0.75, 0.45), xlim=(1, fits[-1]))
        ax.set_title(f"one run each, M = {SUBSET}", fontsize=10)
    reach = np.sqrt(model[1:])
    axes.flat[4].fill_between(fits, -2 * reach, 2 * reach, color="0.85", lw=0, zorder=0, label="exact ± 2 rms, subset")
    axes.flat[4].legend(frameon=False, fontsize=8, loc="lower left")
    return figure


if __name__ == "__main__":
    _paper.main(sys.modules[__name__])

"""The estimator decides the direction: a Pareto tail dies out or takes over, a uniform law shrinks fast or slowly.

Every chain refits one parameter to 20 of its own draws. The most likely tail index is too large on average, and the
bias grows the tail away; the unbiased index has no drift on average, but its logarithm sinks in every chain. The
largest of 20 uniform draws lies below the end; correcting that bias slows the collapse about forty times and does not
stop it.
"""

import _common
import numpy as np
from matplotlib import pyplot

import modelcollapse as mc
from modelcollapse import plot
from modelcollapse_theory import special_families

SIZE = 20
PANELS = (
    ("Pareto tail index", "log_index", mc.Pareto, mc.pareto(2.0), special_families.pareto_log_index),
    ("end of a uniform law", "log_end", mc.Uniform, mc.uniform(1.0), special_families.uniform_log_end),
)
STYLES = {"mle": ("maximum likelihood", plot.VERMILION, "-"), "unbiased": ("unbiased", plot.BLUE, "--")}


def main(argv=None):
    chosen = _common.options(__doc__.splitlines()[0], argv)
    generations, chains = (60, 400) if chosen.small else (400, 4000)
    fits = np.arange(1, generations + 2)
    figure, axes = pyplot.subplots(1, 2, figsize=(9.5, 4.2), layout="constrained")
    rows = []
    for ax, (title, observable, family, source, theory) in zip(axes, PANELS, strict=True):
        for estimator, (label, colour, style) in STYLES.items():
            run = mc.simulate(
                family(estimator=estimator), source, observe=observable, size=SIZE, generations=generations,
                chains=chains, seed=chosen.seed,
            )  # fmt: skip
            change = run[observable][..., 0] - float(getattr(source.params, observable)[0])
            drift, variance = theory(SIZE, fits, unbiased=estimator == "unbiased")
            low, middle, high = np.exp(np.quantile(change, [0.05, 0.5, 0.95], axis=0))
            ax.fill_between(fits, low, high, color=colour, alpha=0.2, lw=0)
            ax.plot(fits, middle, color=colour, ls=style, lw=1.5, label=f"{label}: median, 90% of chains")
            every = fits[:: max(1, fits.size // 8)]
            ax.plot(
                every,
                np.exp(drift[every - 1]),
                "o",
                color=colour,
                mfc="white",
                ms=5,
                label="exp of the exact mean logarithm",
            )
            rows.append(
                (f"{title}, {label}: mean logarithm", drift[-1], change[:, -1].mean(), (variance[-1] / chains) ** 0.5)
            )
        ax.axhline(1, color="0.6", lw=0.8)
        ax.set(yscale="log", xlabel="fits (generation + 1)", ylabel=f"{title}, relative to the truth")
    axes[0].set_title("above 1 the tail is lighter, below 1 heavier", fontsize=10)
    axes[1].set_title("the uniform law shrinks either way", fontsize=10)
    axes[0].legend(frameon=False, fontsize=8, loc="upper left")
    figure.suptitle(f"one parameter refitted to {SIZE} of its own draws, {chains} chains", fontsize=11)
    _common.save(figure, "estimators", chosen)
    pyplot.close(figure)
    _common.table(f"after {generations + 1} fits", rows)
    return rows


if __name__ == "__main__":
    main()

"""Four sources of error, each switched on alone and together: finite samples, a poor family, a biased learner, few
digits.

What a family cannot say is lost once, at the first fit. Finite samples act at every fit, a biased learner by a power.
They do not simply add: a biased learner forgets noise as it forgets the truth, and the estimator's bias (ddof = 0) is
nothing at all without finite samples. Few digits do not end the collapse: rounding feeds the variance, which settles at
a few spacings.
"""

import dataclasses

import _common
import numpy as np
from matplotlib import pyplot

import modelcollapse as mc
from modelcollapse import plot
from modelcollapse_theory import errors, ppca, precision

SIZE = 50
WEIGHTS, MEANS, VARIANCE = [0.5, 0.5], [-1.5, 1.5], 1.0
CENTRE, SPREAD, _ = errors.mixture_moments(WEIGHTS, MEANS, [VARIANCE, VARIANCE])
BUMPS = mc.normal_mixture(WEIGHTS, MEANS, [VARIANCE, VARIANCE])
ROUND = mc.normal(CENTRE, SPREAD)  # the truth that the family can say: the normal law with the same moments
ROWS = np.random.default_rng(0).standard_normal((SIZE, 3)) * [1.0, 0.5, 0.25]
LINE = mc.linear([1.0, -1.0, 1.0], noise=1.0, design=ROWS)
AXES = np.array([4.0, 2.0, 1.5, 1.0])
SPACING = 2.0**-10  # of float16 between 1 and 2
LOWEST = 1e-3  # spacings; the place of 0 on the logarithmic axis


def one_normal(on):
    source = BUMPS if "family" in on else ROUND
    family = mc.Gaussian(ddof=0 if "bias" in on else 1)
    return {
        "family": family if "samples" in on else mc.Exact(family),
        "source": source,
        "observe": {"excess log loss": mc.excess_log_loss(source)},
    }


def one_normal_theory(on, fits):
    weights, means, variance = (WEIGHTS, MEANS, VARIANCE) if "family" in on else ([1.0], [CENTRE], SPREAD)
    if "samples" in on:
        return errors.expected_divergence(weights, means, variance, SIZE, fits, ddof=0 if "bias" in on else 1)
    return np.full(fits.size, errors.expressivity_gap(weights, means, [variance] * len(weights)))


def regression(on):
    family = dataclasses.replace(LINE.family, steps=10, rate=0.5) if "few steps" in on else LINE.family
    return {"family": family if "samples" in on else mc.Exact(family), "source": LINE}


def regression_theory(on, fits):
    if "samples" in on:
        return None  # known to the run itself
    values, axes = np.linalg.eigh(ROWS.T @ ROWS / SIZE)
    kept = errors.gradient_shrinkage(values, 0.5, 10, 1) if "few steps" in on else np.ones(3)
    return errors.shrunken_risk(values, axes.T @ [1.0, -1.0, 1.0], kept, 1.0, SIZE, fits)[0]


def bottleneck(on):
    family = mc.PPCA(latent=2 if "family" in on else 4, noise=0.02 if "objective" in on else 1e-9)
    return {
        "family": family if "samples" in on else mc.Exact(family),
        "source": mc.normal(np.zeros(4), np.diag(AXES)),
        "size": 200,  # so large that no direction is dropped, where the closed form would be a bound
    }


def bottleneck_theory(on, fits):
    if on == {"samples", "objective"}:
        # in general a lower bound, and the mean as long as no direction is dropped
        return ppca.finite_decoder_trace(AXES.sum(), AXES.size, 0.02, 200, fits)
    if "samples" in on:
        return None  # known to the run, but for the bottleneck, whose first fit chooses among sample directions
    kept = AXES[: 2 if "family" in on else 4, None]
    return ppca.decoder_mean_variance(kept, 0.02 if "objective" in on else 1e-9, fits).sum(0)


def main(argv=None):
    chosen = _common.options(__doc__.splitlines()[0], argv)
    generations, chains = (5, 400) if chosen.small else (15, 4000)
    fits = np.arange(1, generations + 2)
    figure, axes = pyplot.subplots(2, 2, figsize=(10.5, 7.6), layout="constrained")
    rows = []
    tables = (
        (f"one normal for two, {SIZE} rows a refit", one_normal, one_normal_theory, ("samples", "family", "bias"), {}),
        (f"regression, {SIZE} rows and 10 steps a refit", regression, regression_theory, ("samples", "few steps"), {"observe": "excess_risk"}),
        ("a linear VAE, 200 rows, 2 of 4 latents", bottleneck, bottleneck_theory, ("samples", "family", "objective"),
         {"observe": "decoder_variance"}),
    )  # fmt: skip
    for ax, (title, build, theory, names, options) in zip(axes.flat, tables, strict=False):
        found = mc.decompose(
            build, names, theory=lambda on, theory=theory: theory(on, fits), generations=generations, chains=chains,
            seed=chosen.seed, **({"size": SIZE} | options),
        )  # fmt: skip
        print(found, end="\n\n")
        draw(ax, found, fits)
        ax.set_title(title, fontsize=10)
        for on in found.sets:
            values, known = found.values[frozenset(on)][:, -1], found.prediction(*on)
            if known is not None:
                error = values.std(ddof=1) / np.sqrt(values.size) if values.size > 1 else 0.0
                rows.append((f"{title.split(',')[0]}: {' + '.join(on) or 'none'}", known[-1], values.mean(), error))
    axes[0, 0].set(ylabel="excess log loss on real data (nats)", xlabel="fits (generation + 1)")
    axes[0, 1].set(ylabel="excess risk", xlabel="fits (generation + 1)")
    axes[1, 0].set(ylabel="variance of the decoder's means", xlabel="fits (generation + 1)")
    rows += digits(axes[1, 1], chosen)
    figure.suptitle("Errors alone and together: simulation (points) on theory (lines, where there is one)", fontsize=11)
    _common.save(figure, "error_sources", chosen)
    pyplot.close(figure)
    _common.table(f"after {generations + 1} fits", rows)
    return rows


def draw(ax, found, fits):
    """Means of every combination, dots, on their closed forms, lines; combinations of one curve share it and its entry
    in the legend.
    """
    colours = ["0.6", plot.BLUE, plot.VERMILION, plot.GREEN, plot.ORANGE, plot.SKY, plot.PURPLE, "0.2"]
    reach = max(np.ptp(found.mean(*on)) for on in found.sets)
    drawn = []
    for on, colour in zip(found.sets, colours, strict=False):
        mean, label = found.mean(*on), " + ".join(on) or "none"
        like = [points for other, points in drawn if np.abs(other - mean).max() < 1e-3 * reach]
        if like:
            like[0].set_label(f"{like[0].get_label()}; {label}")
            continue
        known = found.prediction(*on)
        if known is not None:
            ax.plot(fits, known, color=colour, lw=1.2, ls="-" if len(on) < 2 else "--" if len(on) == 2 else ":")
        else:
            label += " (no closed form)"
        drawn.append((mean, ax.plot(fits, mean, "o", color=colour, ms=3.5, label=label)[0]))
    ax.legend(frameon=False, fontsize=7.5, ncols=2 if len(found.errors) > 2 else 1)


def digits(ax, chosen):
    """Rows in float16: the deviation does not go through the spacing of the numbers, unless samples are tiny."""
    start, rows = 10.0, []
    generations, chains = (200, 200) if chosen.small else (1000, 1000)
    source = mc.normal(1.5, (start * SPACING) ** 2)
    record = np.unique(np.geomspace(1, generations, 60).astype(int))
    cases = (
        ("moments, no rounding of rows", mc.Rounded(mc.Gaussian(), "float16", rows=False), SIZE, plot.VERMILION),
        (f"float16 rows, {SIZE} a refit", mc.Rounded(mc.Gaussian(), "float16"), SIZE, plot.BLUE),
        ("float16 rows, 10 a refit", mc.Rounded(mc.Gaussian(), "float16"), 10, plot.GREEN),
    )
    for label, family, size, colour in cases:
        run = mc.simulate(
            family, source, observe="standard_deviation", size=size, generations=generations, chains=chains,
            seed=chosen.seed, record=record,
        )  # fmt: skip
        scaled = run["standard_deviation"][..., 0] / SPACING
        low, middle, high = np.quantile(scaled, [0.05, 0.5, 0.95], axis=0)
        ax.plot(record + 1, np.maximum(middle, LOWEST), color=colour, lw=1.5, label=label)
        ax.fill_between(record + 1, np.maximum(low, LOWEST), np.maximum(high, LOWEST), color=colour, alpha=0.15, lw=0)
        if family.rows and size == SIZE:
            level = size / 12
            below = (scaled[:, -1] ** 2 < level).mean()
            exact = float(precision.fed_variance_cdf(level, start**2, 1 / 12, size, generations + 1))
            rows.append((f"P(variance < M h^2/12), {label}", exact, below, (exact * (1 - exact) / chains) ** 0.5))
    floor = (SIZE / (12 * np.log(2))) ** 0.5
    ax.axhline(floor, color=plot.BLUE, lw=0.8, ls=":", label="where rounding holds it: 0.35 √M")
    ax.axhline(0.5, color="0.6", lw=0.8, ls=":")
    ax.axvline(precision.resolution_time(start, 1.0, SIZE), color="0.6", lw=0.8, ls=":", label="2 M log(2 s/h)")
    ax.set(
        xscale="log",
        yscale="log",
        ylim=(LOWEST, 40),
        xlabel="fits (generation + 1)",
        ylabel="deviation / spacing of the numbers",
    )
    ax.set_yticks([LOWEST, 0.01, 0.1, 1, 10], ["0", "0.01", "0.1", "1", "10"])
    ax.set_title("few digits (median and 90% of chains)", fontsize=10)
    ax.legend(frameon=False, fontsize=7.5, loc="lower left")
    return rows


if __name__ == "__main__":
    main()

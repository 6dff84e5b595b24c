"""A mixture of two refitted to its own draws ends as two dots, and only the ridge that the software adds stops it.

After figure 7 and the L2 figure of arXiv 2305.17493 with its notebook: two components with full covariances fitted by EM to N draws (1,000 for the snapshots), tolerance 1e-5, at most
2,000 steps, reg_covar 1e-6, 2,050 refits, nothing else kept. The text speaks of two Gaussians; the code draws one blob, N(0, I), which the fit cuts in two, and so
do we. Fresh starts by k-means, as in scikit-learn; the start matters: from k-means++ seeds alone, N = 10,000 stays well below the published curve.
Squared L2 distances are between the fit of generation 0 and that of generation n.
Whatever EM does, its last step keeps mean and covariance of the data (plus the ridge), so the variance of the whole obeys
E V_n = (1 - 1/N)^n + reg_covar N (1 - (1 - 1/N)^n) exactly, and in one dimension with one component it settles at InvGamma(2, N reg_covar) for large N. N = 200,000 stops at
generation 200, for time.
"""

import sys

import _paper
import jax
import jax.numpy as jnp
import numpy as np
from gmm_dot import SNAPSHOTS, parameters, snapshot
from matplotlib import pyplot

import modelcollapse as mc
from modelcollapse import plot
from modelcollapse.transport import mixture_l2
from modelcollapse.verify.evidence import Evidence, NominalMean, Proportion
from modelcollapse_theory import collapse

SHOWS = (
    "Above, seven scatter plots of two fitted components from generation 0 to 2000: two overlapping clouds turn into "
    "two thin streaks and then two dots. Below, the squared distance to generation 0 for five sample sizes, and the "
    "deviations of all components, falling towards the root of the ridge."
)
SEE = (
    "in the upper row (both axes from -3.5 to 3.5) the clouds wander, partly out of the panel, and end as two dots. "
    "Below left, crosses are values read off the published figure; below right, the ridge that the software adds is "
    "the floor."
)

RIDGE, LAST = 1e-6, 2050
FULL = {500: (LAST, 20), 1000: (LAST, 20), 10_000: (LAST, 10), 50_000: (LAST, 1), 200_000: (200, 1)}
SMALL = {100: (60, 10)}
"""Generations and chains of each N."""
READ_OFF = {500: 700.0, 1000: 190.0, 10_000: 0.42, 50_000: 1.3e-3, 200_000: 5e-4}
"""Squared L2 distance at the end, from the published figure."""
BEFORE = {50_000: 0.035}
DROPS = 1980
"""Value and generation before which the published curve suddenly drops. Our chains do not, and the paper does not say why its own does."""
PRINTED_L2, PRINTED_DEVIATION, FIRST_DEVIATION = 536.28, (0.010001, 0.011150), (0.9024, 0.8875)
TESTED = 30, 3
"""N and fits of the many chains that test the moments."""
RIDGED, LARGE_RIDGE, SETTLED = 100, 1e-3, 400
"""N, ridge and generations of the one-dimensional law that settles."""
PLANE = np.eye(2)


def family(components=2, ridge=RIDGE):
    return mc.GaussianMixture(components, reg_covar=ridge, tol=1e-5, max_iter=2000, init="k-means")


def unpacked(vectors):
    """Weights (..., 2), means (..., 2, 2) and covariances (..., 2, 2, 2) from ``parameters``."""
    factors = vectors[..., 6:].reshape(*vectors.shape[:-1], 2, 2, 2)
    return (
        vectors[..., :2],
        vectors[..., 2:6].reshape(*vectors.shape[:-1], 2, 2),
        factors @ np.swapaxes(factors, -1, -2),
    )


def from_first(vectors):
    """Squared L2 distance of each generation (chain, generation) to generation 0."""
    weights, means, covariances = (jnp.asarray(a) for a in unpacked(vectors))

    def one(w, m, c):
        return jax.vmap(lambda wn, mn, cn: mixture_l2(wn, mn, cn, (w[0], m[0], c[0])))(w, m, c)

    return np.asarray(jax.jit(jax.vmap(one))(weights, means, covariances), np.float64)


def numbers(small=False, seed=0, progress=False):
    settings = SMALL if small else FULL
    found = {"size": 100 if small else 1000, "generations": {}, "l2": {}, "deviation": {}, "weights": {}}
    for i, (size, (last, chains)) in enumerate(settings.items()):
        record = sorted({*range(0, last + 1, 10), *(s for s in SNAPSHOTS if s <= last)})
        run = mc.simulate(
            family(), mc.normal([0.0, 0.0], PLANE), observe=parameters, size=size, generations=last, chains=chains, seed=seed + i, record=record,
            progress=progress,
        )  # fmt: skip
        vectors = np.asarray(run["parameters"])
        weights, _, covariances = unpacked(vectors.astype(np.float64))
        found["generations"][size], found["l2"][size] = np.array(record), from_first(vectors)
        # of a component, as the notebook prints it: root of half the trace
        found["deviation"][size] = np.sqrt(np.trace(covariances, axis1=-2, axis2=-1) / 2)
        found["weights"][size] = weights
        if size == found["size"]:
            found["shown"] = {s: vectors[0, record.index(s)].astype(np.float64) for s in SNAPSHOTS if s <= last}
    size, fits = TESTED
    run = mc.simulate(
        family(), mc.normal([0.0, 0.0], PLANE), observe=["variance", "squared_mean_error"], size=size, generations=fits - 1,
        chains=2000 if small else 20_000, seed=seed + 10, record=[fits - 1],
    )  # fmt: skip
    found["variance"], found["miss"] = (
        np.asarray(run["variance"][:, 0], np.float64).mean(1), np.asarray(run["squared_mean_error"][:, 0], np.float64)
    )  # fmt: skip
    # from near the median of where it settles, or the first thousand fits would only lead there
    start = collapse.regularised_variance_quantile(0.5, RIDGED, LARGE_RIDGE)
    run = mc.simulate(
        family(1, LARGE_RIDGE), mc.normal(0.0, float(start)), observe="variance", size=RIDGED, generations=SETTLED, chains=1000 if small else 4000,
        seed=seed + 11, record=[SETTLED],
    )  # fmt: skip
    found["settled"] = np.asarray(run["variance"][:, 0, 0], np.float64)
    return found


def expected_variance(size, fits, ridge=RIDGE):
    """Of the whole mixture, each coordinate, exact."""
    kept = (1 - 1 / size) ** fits
    return kept + ridge * size * (1 - kept)


def evidence(found):
    size, fits = TESTED
    out = [
        Evidence(
            NominalMean(found["variance"]),
            expected_variance(size, fits),
            {"unbiased, no loss": 1.0, "loss of two coordinates": 2 * expected_variance(size, fits) - 1},
            f"E variance of the mixture, N = {size}, {fits} fits",
        ),
        Evidence(
            NominalMean(found["miss"]),
            2 * (1 - (1 - 1 / size) ** fits),
            {"one fit early": 2 * (1 - (1 - 1 / size) ** (fits - 1)), "one coordinate": 1 - (1 - 1 / size) ** fits},
            f"E |mean|^2 of the mixture, N = {size}, {fits} fits",
        ),
    ]
    for level in (0.1, 0.5, 0.9):
        at = float(collapse.regularised_variance_quantile(level, RIDGED, LARGE_RIDGE))
        out.append(
            Evidence(
                Proportion.of(found["settled"] < at),
                level,
                {
                    "InvGamma(1), as for ddof = 1": float(
                        collapse.regularised_variance_cdf(at, RIDGED, LARGE_RIDGE, ddof=1)
                    ),
                    "half the ridge": float(collapse.regularised_variance_cdf(at, RIDGED, LARGE_RIDGE / 2)),
                }
                if level == 0.5
                else {"half the ridge": float(collapse.regularised_variance_cdf(at, RIDGED, LARGE_RIDGE / 2))},
                f"settled variance below the {level:.0%} quantile, N = {RIDGED}",
                slack=1 / RIDGED,
            )
        )
    return out


def placed(published, here):
    """Where the published numbers lie among ours."""
    low, high = ((here < x).mean() for x in (min(published), max(published)))
    inside = here.min() <= min(published) and max(published) <= here.max()
    return f"{'agrees' if inside else 'differs'}: {low:.0%} and {high:.0%} of our components are thinner"


def table(found):
    rows = []
    for size, values in found["l2"].items():
        end = int(found["generations"][size][-1])
        last, paper = values[:, -1], READ_OFF.get(size)
        ours = f"{np.median(last):.2g}" + (f" ({last.min():.2g} to {last.max():.2g})" if last.size > 1 else "")
        reading = "one chain" if last.size == 1 else f"{last.size} chains"
        if paper and end == LAST:
            factor = np.median(last) / paper
            if last.min() <= paper <= last.max():
                reading = f"agrees: within the range of our {reading}"
            else:
                reading = f"differs: {factor:.2g} times the paper's, {reading} here and one there"
                if size in BEFORE:
                    reading += f"; {np.median(last) / BEFORE[size]:.2g} times its value before the drop"
        elif paper:
            reading += ", not comparable: the paper's value is at 2050"
        rows.append(
            _paper.Row(
                f"L2 to generation 0, N = {size}, generation {end}",
                (f"{paper:g} [F]" + (f", {BEFORE[size]:g} before its drop" if size in BEFORE else ""))
                if paper
                else "-",
                "-",
                ours,
                reading,
            )
        )
    size = found["size"]
    first, last = found["deviation"][size][:, 0], found["deviation"][size][:, -1]
    alive = found["weights"][size][:, -1] > 0
    rows.append(
        _paper.Row(
            f"deviation of a component, N = {size}, generation 0", "{:g}, {:g}".format(*FIRST_DEVIATION), "-",
            f"median {np.median(first):.3f} ({first.min():.2f} to {first.max():.2f})", placed(FIRST_DEVIATION, first),
        )
    )  # fmt: skip
    end = last[alive]
    rows.append(
        _paper.Row(
            f"the same, generation {int(found['generations'][size][-1])}", "{:.4f}, {:.4f}".format(*PRINTED_DEVIATION), "-",
            f"median {np.median(end):.4f} ({end.min():.4f} to {end.max():.4f})",
            placed(PRINTED_DEVIATION, end),
        )
    )  # fmt: skip
    rows.append(
        _paper.Row(
            "L2 of that run", f"{PRINTED_L2:.4g}", f"{1 / (4 * np.pi * PRINTED_DEVIATION[0] * PRINTED_DEVIATION[1]):.4g}", "-",
            "1/(4 pi s^2), one dot of the printed size; of two dots apart each adds its share squared",
        )
    )  # fmt: skip
    quantiles = np.quantile(found["settled"], [0.1, 0.5, 0.9])
    exact = collapse.regularised_variance_quantile(np.array([0.1, 0.5, 0.9]), RIDGED, LARGE_RIDGE)
    rows.append(
        _paper.Row(
            f"settled variance, one component, N = {RIDGED}, ridge {LARGE_RIDGE:g}", "not said", " ".join(f"{q:.4f}" for q in exact),
            " ".join(f"{q:.4f}" for q in quantiles), "10, 50, 90% quantiles; to O(1/N)",
        )
    )  # fmt: skip
    return rows


def draw(found):
    figure = pyplot.figure(figsize=(12, 6.2), layout="constrained")
    top, bottom = figure.subfigures(2, 1, height_ratios=(1, 1.75))
    rng = np.random.default_rng(0)
    axes = top.subplots(1, len(found["shown"]), sharey=True, squeeze=False)[0]
    for ax, (generation, vector) in zip(axes, found["shown"].items(), strict=True):
        snapshot(ax, vector, generation, rng)
    left, right = bottom.subplots(1, 2)
    colours = (plot.VERMILION, plot.ORANGE, plot.GREEN, plot.SKY, plot.BLUE)
    for (size, values), colour in zip(found["l2"].items(), colours, strict=False):
        generations = found["generations"][size]
        chains = values.shape[0]
        later = generations > 0
        label = f"N = {size}" + (f", {chains} chains" if chains > 1 else "")
        label += f", to {generations[-1]} only" if found["size"] == 1000 and generations[-1] < LAST else ""
        middle = np.median(values[:, later], 0) if chains > 2 else values[0, later]
        left.plot(generations[later], middle, color=colour, lw=1.3, label=label)
        if chains > 2:
            left.fill_between(
                generations[later], values[:, later].min(0), values[:, later].max(0), color=colour, alpha=0.2, lw=0
            )
        if size in READ_OFF and found["size"] == 1000:
            left.plot(LAST * 1.01, READ_OFF[size], "x", color=colour, ms=8, mew=2, clip_on=False, zorder=5)
        if size in BEFORE and found["size"] == 1000:
            left.plot(DROPS, BEFORE[size], "+", color=colour, ms=9, mew=2, zorder=5)
            left.annotate(
                "published curve drops\nhere; ours does not", (DROPS, READ_OFF[size]), (-8, 0), textcoords="offset points",
                ha="right", va="center", fontsize=8, color=colour,
            )  # fmt: skip
    left.plot([], [], "x", color="0.3", ms=8, mew=2, label="published figure, at 2050")
    left.plot([], [], "+", color="0.3", ms=9, mew=2, label="the same before a sudden drop")
    left.set(yscale="log", xlabel="generation", ylabel="squared L2 distance to generation 0")
    left.set_xlim(0, max(g[-1] for g in found["generations"].values()) * 1.01)
    left.set_title("median, range over chains", fontsize=10)
    left.legend(frameon=False, fontsize=8, ncols=2, loc="lower right")
    left.set_ylim(bottom=1e-6 if found["size"] == 1000 else 1e-4)
    size = found["size"]
    generations, deviation = found["generations"][size], found["deviation"][size]
    for i, chain in enumerate(deviation):
        for k in (0, 1):
            right.plot(
                generations, chain[:, k], color="0.6", lw=0.5, label="components of all chains" if i + k == 0 else None
            )
    right.plot(generations, np.median(deviation, (0, 2)), color=plot.BLUE, lw=1.8, label="their median")
    right.plot(
        generations,
        np.sqrt(expected_variance(size, generations + 1)),
        "--",
        color=plot.BLACK,
        lw=1.3,
        label="root of the exact mean variance of the whole",
    )
    if generations[-1] == LAST:
        right.plot(
            [LAST] * 2,
            PRINTED_DEVIATION,
            "x",
            color=plot.VERMILION,
            ms=7,
            mew=2,
            clip_on=False,
            zorder=5,
            label="printed in the notebook",
        )
    right.axhline(np.sqrt(RIDGE), color="0.3", lw=1, ls=":", label="root of the ridge")
    right.set(yscale="log", xlabel="generation", ylabel="standard deviation", xlim=(0, generations[-1]), ylim=(1e-5, 4))
    right.set_title(f"N = {size}, {deviation.shape[0]} chains", fontsize=10)
    right.legend(frameon=False, fontsize=8, loc="lower left")
    return figure


if __name__ == "__main__":
    _paper.main(sys.modules[__name__])

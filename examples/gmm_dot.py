"""The mixture model of the paper shrinks to dots, and a ridge on the covariance stops it short.

Two components are fitted to 1000 points of one round blob, N(0, I), and refitted to their own draws, from a fresh start
each time; they end as two dots, now and then as one. Top: the points of one chain at the generations of figure 7 of
arXiv
2305.17493, with the tolerance and the ridge of the paper's code: scikit-learn adds ``reg_covar`` = 1e-6 to every
covariance at every fit, unasked. Bottom left: the spread of that chain, and of one with a larger ridge. Bottom right:
one component in one dimension, where the law that the variance settles in is known for large samples: inverse gamma
with shape 2 and scale ``size * reg_covar``.
"""

import _common
import jax
import matplotlib as mpl
import numpy as np
from matplotlib import pyplot
from scipy import stats

import modelcollapse as mc
from modelcollapse import plot

SNAPSHOTS = (0, 50, 100, 150, 200, 350, 2000)
RIDGES = (1e-6, 1e-3)


def parameters(params):
    """All there is to know of the mixture: weights, means and factors in one vector."""
    return jax.numpy.concatenate([params.weights, params.means.ravel(), params.factors.ravel()])


def spread(params):
    """Logarithm of the standard deviation of a component: geometric mean over directions and over components."""
    diagonal = jax.numpy.diagonal(params.factors, axis1=1, axis2=2)
    return params.weights @ jax.numpy.log(diagonal).mean(1)


def mixtures(chosen, ridge):
    generations = 60 if chosen.small else SNAPSHOTS[-1]
    return mc.simulate(
        mc.GaussianMixture(2, reg_covar=ridge, tol=1e-5, max_iter=2000, init="k-means"),
        mc.normal([0.0, 0.0], np.eye(2)),
        observe=[spread, parameters],
        size=100 if chosen.small else 1000,
        generations=generations,
        seed=chosen.seed,
        record=sorted({*range(0, generations + 1, 10), *(s for s in SNAPSHOTS if s <= generations)}),
    )


def single(chosen, ridge):
    generations, chains = (60, 50) if chosen.small else (1500, 100)
    return mc.simulate(
        mc.GaussianMixture(1, reg_covar=ridge, tol=1e-5),
        mc.normal(),
        observe={"log_variance": "log_variance"},
        size=20 if chosen.small else 200,
        generations=generations,
        chains=chains,
        seed=chosen.seed,
        record=range(0, generations + 1, 10),
    )


def snapshot(ax, vector, generation, rng):
    weights, means, factors = vector[:2], vector[2:6].reshape(2, 2), vector[6:].reshape(2, 2, 2)
    labels = rng.choice(2, 1000, p=weights / weights.sum())
    points = means[labels] + np.einsum("nij,nj->ni", factors[labels], rng.normal(size=(1000, 2)))
    for k, (colour, marker) in enumerate(((plot.BLUE, "o"), (plot.VERMILION, "x"))):
        ax.plot(*points[labels == k].T, marker, color=colour, ms=1.5, mew=0.5, alpha=0.6, ls="none", rasterized=True)
        u, s, _ = np.linalg.svd(factors[k])
        angle = np.degrees(np.arctan2(u[1, 0], u[0, 0]))
        ax.add_patch(mpl.patches.Ellipse(means[k], 4 * s[0], 4 * s[1], angle=angle, fill=False, lw=0.9))
    ax.set(xlim=(-3.5, 3.5), ylim=(-3.5, 3.5), xticks=(-3, 0, 3), yticks=(-3, 0, 3), aspect="equal")
    ax.set_title(f"generation {generation}", fontsize=9)
    ax.tick_params(labelsize=7)
    ax.set_xlabel("first coordinate", fontsize=8)


def main(argv=None):
    chosen = _common.options(__doc__.splitlines()[0], argv)
    runs = {ridge: mixtures(chosen, ridge) for ridge in RIDGES}
    figure = pyplot.figure(figsize=(11, 5.6), layout="constrained")
    top, bottom = figure.subfigures(2, 1, height_ratios=(1, 1.7))
    shown = [s for s in SNAPSHOTS if s <= runs[RIDGES[0]].generations]
    rng = np.random.default_rng(chosen.seed)
    for ax, generation in zip(top.subplots(1, len(shown), sharey=True, squeeze=False)[0], shown, strict=True):
        place = int(np.searchsorted(runs[RIDGES[0]].recorded, generation))
        snapshot(ax, np.asarray(runs[RIDGES[0]]["parameters"][0, place], np.float64), generation, rng)
    top.axes[0].set_ylabel("second coordinate", fontsize=8)
    left, right = bottom.subplots(1, 2)
    rows = []
    styles = ((plot.BLUE, "-"), (plot.VERMILION, "--"))
    for (ridge, run), (colour, style) in zip(runs.items(), styles, strict=True):
        deviation = np.exp(run["spread"][0])
        left.plot(run.recorded, deviation, color=colour, ls=style, lw=1.5, label=f"reg_covar = {ridge:g}")
    left.set(yscale="log", xlabel="generation", ylabel="standard deviation of a component")
    left.set_title("the chain above, and one with a larger ridge", fontsize=10)
    left.legend(frameon=False, fontsize=9)
    for ridge, colour, style in ((0.0, plot.BLACK, "-"), (1e-3, plot.VERMILION, ":")):
        run = single(chosen, ridge)
        logs = run["log_variance"][:, :, 0]
        lower, median, upper = np.exp(np.quantile(logs, [0.1, 0.5, 0.9], axis=0, method="inverted_cdf"))
        right.plot(run.recorded, median, color=colour, ls=style, lw=1.6, label=f"median, reg_covar = {ridge:g}")
        right.fill_between(run.recorded, lower, upper, color=colour, alpha=0.15, lw=0)
        if ridge:
            limit = stats.invgamma(2, scale=int(run.size) * ridge)
            for quantile in (0.1, 0.5, 0.9):
                right.axhline(
                    limit.ppf(quantile), color=plot.BLUE, lw=1, ls="--",
                    label="InvGamma(2, size x reg_covar): 10, 50, 90%" if quantile == 0.5 else None,
                )  # fmt: skip
            late = logs[:, len(run.recorded) // 2 :]
            by_chain = np.exp(-late).mean(1) * int(run.size) * ridge
            rows.append(
                ("E[size x reg_covar / variance]", 2.0, by_chain.mean(), by_chain.std(ddof=1) / len(by_chain) ** 0.5)
            )
    right.set(yscale="log", xlabel="generation", ylabel="variance")
    right.set_title(f"one component in one dimension, {run.chains} chains, sample size {int(run.size)}", fontsize=10)
    right.legend(frameon=False, fontsize=9, loc="lower left")
    _common.save(figure, "gmm_dot", chosen)
    pyplot.close(figure)
    for ridge, run in runs.items():
        print(
            f"reg_covar {ridge:g}: standard deviation {np.exp(run['spread'][0, -1]):.4g} at generation {run.generations}"
        )
    _common.table("stationary law of one component (large size)", rows)
    return rows, {ridge: float(run["spread"][0, -1]) for ridge, run in runs.items()}


if __name__ == "__main__":
    main()

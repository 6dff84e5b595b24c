"""The Gaussian copula of ``copulas``, SDV's engine, on its own: with normal marginals it is a normal distribution.

Each generation fits ``GaussianMultivariate`` to 50 draws of the last one, from the normal law with the moments of 50
setosa irises. With ``GaussianUnivariate`` marginals the fit is the maximum likelihood fit of a normal distribution, and
the log determinant follows its exact curve. Left to choose each marginal by itself, as is its default, it takes among
others truncated and kernel ones, and the curve is another.

    python examples/packages/copulas_gaussian.py          some minutes; --small: half a minute

Needs copulas, in an environment of its own: the script says how to install it.
"""

import _packages
import numpy as np
from matplotlib import pyplot

import modelcollapse as mc
from modelcollapse import plot

_packages.needs("copulas")

import _common
from copulas.multivariate import GaussianMultivariate
from copulas.univariate import GaussianUnivariate

SIZE = 50
KINDS = {
    "normal marginals": lambda: GaussianMultivariate(distribution=GaussianUnivariate),
    "marginals of its choice": GaussianMultivariate,
}


def main(argv=None):
    chosen = _common.options(__doc__.splitlines()[0], argv)
    generations = 3 if chosen.small else 5
    common, real = {"size": SIZE, "generations": generations}, _packages.normal_setosa()
    # the choice of marginals takes most of the time
    chains = {"normal marginals": 4 if chosen.small else 24, "marginals of its choice": 2 if chosen.small else 6}
    runs = {
        kind: mc.simulate_models(
            mc.adapters.frames(make, _packages.COLUMNS), real, mc.Replace(), "log_determinant",
            chains=chains[kind], seed=chosen.seed, **common,
        )
        for kind, make in KINDS.items()
    }  # fmt: skip
    # what is observed is the unbiased covariance of draws, one fit more: mean over fits with divisors M, ..., M, M - 1
    (exact,) = mc.predictions(
        mc.Gaussian(ddof=0), real, None, "log_determinant", size=SIZE, generations=generations + 1
    )
    expected = exact.values[1:] + 4 * np.log(SIZE / (SIZE - 1))
    draw(runs, expected, chosen)
    return {kind: report(kind, run, expected) for kind, run in runs.items()}


def draw(runs, expected, chosen):
    figure, ax = pyplot.subplots(figsize=(6, 4.2), layout="constrained")
    for (kind, run), colour in zip(runs.items(), (plot.BLUE, plot.VERMILION), strict=True):
        values = run["log_determinant"]
        ax.plot(run.recorded, values.T, color=colour, lw=0.6, alpha=0.4)
        ax.errorbar(
            run.recorded, *_packages.errors(values), color=colour, fmt="o", ms=5, label=f"{kind}, {run.chains} chains"
        )
    ax.plot(run.recorded, expected, color=plot.BLACK, lw=1.4, label="a normal distribution, exact mean")
    ax.set(xlabel="generation", ylabel="log determinant of the covariance (cm$^8$)")
    ax.set_xticks(run.recorded)
    ax.legend(frameon=False, fontsize=9)
    _common.save(figure, "packages_copulas", chosen)
    pyplot.close(figure)


def report(kind, run, expected):
    mean, error = _packages.errors(run["log_determinant"])
    rows = [
        (f"log determinant, generation {g}", float(expected[i]), float(mean[i]), float(error[i]))
        for i, g in enumerate(run.recorded)
    ]
    _common.table(kind, rows)
    return rows


if __name__ == "__main__":
    main()

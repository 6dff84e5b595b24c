"""A normal distribution of pomegranate (PyTorch), refitted to its own draws, beside the exact curve of its collapse.

Real data are the normal law with the mean and covariance of 50 setosa irises. Each generation fits pomegranate's
``Normal`` to 50 draws of the last one. The log determinant of its covariance falls as the library's closed form says
for the maximum likelihood fit, whichever program makes the fit.

    python examples/packages/pomegranate_normal.py          a minute or two; --small: some seconds

Needs torch and pomegranate, in an environment of their own: the script says how to install them.
"""

import _packages
from matplotlib import pyplot

import modelcollapse as mc
from modelcollapse import plot

_packages.needs("torch", "pomegranate")

import _common
import torch
from pomegranate.distributions import Normal

SIZE = 50


def train(data):
    return Normal(covariance_type="full").fit(torch.tensor(data))


def sample(model, n):
    return model.sample(n)


def log_determinant(fitted):
    return float(torch.linalg.slogdet(fitted.model.covs)[1])


def main(argv=None):
    chosen = _common.options(__doc__.splitlines()[0], argv)
    chains, generations = (4, 3) if chosen.small else (96, 5)
    common = {"size": SIZE, "generations": generations}
    make, real = mc.adapters.functions(train, sample), _packages.normal_setosa()
    observe = {"log_determinant": log_determinant}
    run = mc.simulate_models(make, real, mc.Replace(), observe, chains=chains, seed=chosen.seed, **common)
    (exact,) = mc.predictions(mc.Gaussian(ddof=0), real, None, "log_determinant", **common)
    draw(run, exact, chosen)
    return report(run, exact)


def draw(run, exact, chosen):
    figure, ax = pyplot.subplots(figsize=(6, 4.2), layout="constrained")
    values = run["log_determinant"]
    ax.plot(run.recorded, values.T, color=plot.BLUE, lw=0.6, alpha=0.4)
    ax.errorbar(
        run.recorded,
        *_packages.errors(values),
        color=plot.BLUE,
        fmt="o",
        ms=5,
        label=f"pomegranate, mean of {run.chains} chains",
    )
    ax.plot(run.recorded, exact.values, color=plot.BLACK, lw=1.4, label="exact mean")
    ax.set(xlabel="generation", ylabel="log determinant of the covariance (cm$^8$)")
    ax.set_xticks(run.recorded)
    ax.legend(frameon=False, fontsize=9)
    _common.save(figure, "packages_pomegranate", chosen)
    pyplot.close(figure)


def report(run, exact):
    mean, error = _packages.errors(run["log_determinant"])
    rows = [
        (f"log determinant, generation {g}", float(exact.values[i]), float(mean[i]), float(error[i]))
        for i, g in enumerate(run.recorded)
    ]
    _common.table("pomegranate's Normal", rows)
    return rows


if __name__ == "__main__":
    main()

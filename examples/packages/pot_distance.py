"""Optimal transport of POT as observable: how far the tables of each generation are from the real one.

Each generation fits a normal distribution by maximum likelihood to 50 draws of the last one. Three numbers are kept:
``ot.emd2`` between 50 draws of the model and the 50 plants, exact for the two samples; ``ot.sliced``, the same on 100
random lines, cheap in many dimensions; and the distance between the two *laws*, which for normal laws is a closed form
(``ot.gaussian.bures_wasserstein_distance``). Samples of one law are far apart already, as the dashed line says (mean of
20): samples see collapse only once it is larger than that. The distance of the laws has an exact mean in one dimension,
which the second panel compares on petal length alone.

    python examples/packages/pot_distance.py          a minute or two; --small: some seconds

Needs POT, in an environment of its own: the script says how to install it.
"""

import _packages
import numpy as np
from matplotlib import pyplot

import modelcollapse as mc
from modelcollapse import plot

_packages.needs("ot")

import _common
import ot

SIZE = 50


def train(data):
    return data.mean(0), np.atleast_2d(np.cov(data.T, ddof=0))


def sample(model, n, rng):
    return rng.multivariate_normal(*model, n)


def emd(real):
    return lambda fitted: ot.emd2([], [], ot.dist(fitted.sample, real))


def sliced(real):
    return lambda fitted: ot.sliced_wasserstein_distance(fitted.sample, real, n_projections=100, seed=0) ** 2


def laws(mean, covariance):
    """Of two normal laws."""

    def distance(fitted):
        own, spread = fitted.model
        return float(ot.gaussian.bures_wasserstein_distance(own, mean, spread, covariance)) ** 2

    return distance


def main(argv=None):
    chosen = _common.options(__doc__.splitlines()[0], argv)
    chains, generations = (4, 4) if chosen.small else (24, 20)
    rows = _packages.setosa()
    moments = rows.mean(0), np.cov(rows.T)
    random = np.random.default_rng(chosen.seed)
    observe = {"emd2": emd(rows), "sliced": sliced(rows), "laws": laws(*moments)}
    common = {"size": SIZE, "generations": generations, "chains": chains, "seed": chosen.seed}
    make = mc.adapters.functions(train, sample)
    whole = mc.simulate_models(make, mc.normal(*moments), mc.Replace(), observe, **common)
    mean, variance = rows[:, 2].mean(), rows[:, 2].var(ddof=1)
    line = mc.normal([mean], [[variance]])
    one = {"laws": laws(np.array([mean]), np.array([[variance]]))}
    petals = mc.simulate_models(make, line, mc.Replace(), one, **common)
    (exact,) = mc.predictions(mc.Gaussian(ddof=0), line, None, "w2_squared", size=SIZE, generations=generations)
    others = [random.multivariate_normal(*moments, SIZE) for _ in range(20)]
    floor = float(np.mean([ot.emd2([], [], ot.dist(other, rows)) for other in others]))
    draw(whole, petals, exact, floor, chosen)
    return report(whole, petals, exact, floor)


def draw(whole, petals, exact, floor, chosen):
    figure, (left, right) = pyplot.subplots(1, 2, figsize=(10, 4.2), layout="constrained")
    for name, label, colour in (
        ("emd2", "ot.emd2, of samples", plot.BLUE),
        ("laws", "of the laws (Bures)", plot.VERMILION),
        ("sliced", "ot.sliced, of samples", plot.GREEN),
    ):
        left.errorbar(whole.recorded, *_packages.errors(whole[name]), color=colour, fmt="o-", ms=4, label=label)
    left.axhline(floor, color="0.4", ls="--", lw=1, label="ot.emd2 of real samples")
    left.set_title(f"four measurements of setosa, {whole.chains} chains", fontsize=10)
    values = petals["laws"]
    right.errorbar(
        petals.recorded, *_packages.errors(values), color=plot.VERMILION, fmt="o", ms=4, label="of the laws, by POT"
    )
    right.plot(petals.recorded, exact.values, color=plot.BLACK, lw=1.4, label="exact mean")
    right.set_title("petal length alone", fontsize=10)
    for ax in (left, right):
        ax.set(xlabel="generation", ylabel="squared W$_2$ distance from real data (cm$^2$)", ylim=(0, None))
        ax.set_xticks(whole.recorded[:: 1 if whole.recorded.size < 10 else 5])
        ax.legend(frameon=False, fontsize=9, loc="upper left")
    _common.save(figure, "packages_pot", chosen)
    pyplot.close(figure)


def report(whole, petals, exact, floor):
    for name in whole:
        mean, error = _packages.errors(whole[name])
        print(
            f"{name:8s} generation 0: {mean[0]:.4f} ± {error[0]:.4f}, generation {whole.recorded[-1]}: {mean[-1]:.4f} ± {error[-1]:.4f}"
        )
    print(f"ot.emd2 of real samples: {floor:.4f}")
    mean, error = _packages.errors(petals["laws"])
    rows = [
        (f"E W2^2 of petal length, generation {g}", float(exact.values[g]), float(mean[g]), float(error[g]))
        for g in (0, petals.recorded[-1] // 2, petals.recorded[-1])
    ]
    _common.table("between laws", rows)
    return rows, {name: whole[name].mean(0) for name in whole}, floor


if __name__ == "__main__":
    main()

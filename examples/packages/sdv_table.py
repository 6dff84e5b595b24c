"""A widely used synthesizer of tables, trained on its own tables: SDMetrics' quality report falls generation by generation.

SDV's ``GaussianCopulaSynthesizer`` learns 150 irises, four measurements and the species as text; each generation learns
50 rows that the last one drew. Left: the score of SDMetrics' ``QualityReport``, of what each generation draws against
the real table, alone and with a quarter of real rows in each training set. Right: the log determinant of the covariance
of the measurements of one species, with normal marginals, beside what a plain normal distribution loses, exactly.

With SDV's own choice of marginals (beta) the fit breaks on one column of setosa: petal width, of which 29 of 50 values
are 0.2, becomes a constant within a few generations. The last lines that are printed say in how many chains.

    python examples/packages/sdv_table.py           some minutes; --small: half a minute

Needs SDV 2.0 and SDMetrics, in an environment of their own: the script says how to install them.
"""

import _packages
import numpy as np
from matplotlib import pyplot

import modelcollapse as mc
from modelcollapse import plot

_packages.needs("sdv", "sdmetrics")

import _common
from sdmetrics.reports import QualityReport
from sdv.metadata import Metadata
from sdv.single_table import GaussianCopulaSynthesizer

SIZE = 50


def synthesizer(frame, **options):
    """What makes the models: SDV 2.0 takes and gives dictionaries of tables."""
    metadata = Metadata.detect_from_dataframes({"iris": frame})
    return mc.adapters.frames(lambda: GaussianCopulaSynthesizer(metadata, **options), table="iris"), metadata


def quality_of(real, metadata):
    """An observable: the score of SDMetrics, from 0 to 1."""

    def quality(fitted):
        report = QualityReport()
        report.generate({"iris": real}, {"iris": fitted.sample}, metadata.to_dict(), verbose=False)
        return report.get_score()

    return quality


def log_determinant(fitted):
    return _packages.log_determinant(fitted.sample)


def constant(fitted):
    """Whether a column of what a model draws is one number."""
    return bool((fitted.sample.nunique() == 1).any())


def simulated(chains, generations, seed):
    """The runs, by name."""
    common = {"size": SIZE, "generations": generations, "chains": chains, "seed": seed}
    whole, metadata = synthesizer(real := _packages.mixed())
    observe = {"quality": quality_of(real, metadata)}
    one = real[real["species"] == "setosa"].drop(columns="species").reset_index(drop=True)
    beta, normal = (synthesizer(one, **options)[0] for options in ({}, {"default_distribution": "norm"}))
    return {
        "replace": mc.simulate_models(whole, real, mc.Replace(), observe, **common),
        "fresh": mc.simulate_models(whole, real, mc.FreshReal(0.25), observe, **common),
        "normal": mc.simulate_models(normal, one, mc.Replace(), {"log_determinant": log_determinant}, **common),
        "beta": mc.simulate_models(beta, one, mc.Replace(), {"constant": constant}, **common),
    }


def lost(generations):
    """What the log determinant of a normal distribution of 50 rows loses by each generation: the same wherever it began."""
    (exact,) = mc.predictions(
        mc.Gaussian(ddof=0), _packages.normal_setosa(), None, "log_determinant", size=SIZE, generations=generations
    )
    return exact.values - exact.values[0]


def draw(runs, exact, chosen):
    figure, (left, right) = pyplot.subplots(1, 2, figsize=(10, 4.2), layout="constrained")
    for name, label, colour in (
        ("fresh", "a quarter of each training set is real", plot.GREEN),
        ("replace", "its own tables alone", plot.VERMILION),
    ):
        values = runs[name]["quality"]
        generations = np.arange(values.shape[1])
        left.plot(generations, values.T, color=colour, lw=0.6, alpha=0.4)
        left.errorbar(generations, *_packages.errors(values), color=colour, fmt="o-", ms=4, label=label)
    left.set(xlabel="generation", ylabel="SDMetrics quality score (0 to 1)")
    left.set_title("150 irises, measurements and species", fontsize=10)
    left.legend(frameon=False, fontsize=9)
    values = runs["normal"]["log_determinant"]
    right.plot(generations, values.T, color=plot.BLUE, lw=0.6, alpha=0.4)
    right.errorbar(
        generations, *_packages.errors(values), color=plot.BLUE, fmt="o-", ms=4, label="GaussianCopulaSynthesizer"
    )
    right.plot(
        generations,
        values.mean(0)[0] + exact,
        color=plot.BLACK,
        lw=1.4,
        label="loss of a plain normal distribution, exact",
    )
    right.set(xlabel="generation", ylabel="log determinant of the covariance (cm$^8$)")
    right.set_title("setosa, four measurements, normal marginals", fontsize=10)
    right.legend(frameon=False, fontsize=9)
    for ax in (left, right):
        ax.set_xticks(generations)
    _common.save(figure, "packages_sdv", chosen)
    pyplot.close(figure)


def report(runs, exact):
    """Print means and standard errors of first and last generation, and return them."""
    found = {}
    for name, run in runs.items():
        for observable in run:
            mean, error = _packages.errors(run[observable].astype(float))
            found[name] = mean
            print(
                f"{name:8s} {observable:16s} "
                + " ".join(f"{m:8.3f} ± {e:.3f}" for m, e in zip(mean, error, strict=True))
            )
    print(f"{'exact':8s} {'log_determinant':16s} " + " ".join(f"{value:8.3f}{'':8s}" for value in exact))
    lost = runs["beta"]["constant"][:, -1].sum()
    print(
        f"with SDV's own marginals a column is constant in {lost} of {runs['beta'].chains} chains at the last generation"
    )
    return found | {"exact": exact}


def main(argv=None):
    chosen = _common.options(__doc__.splitlines()[0], argv)
    chains, generations = (2, 3) if chosen.small else (8, 5)
    runs, exact = simulated(chains, generations, chosen.seed), lost(generations)
    draw(runs, exact, chosen)
    return report(runs, exact)


if __name__ == "__main__":
    main()

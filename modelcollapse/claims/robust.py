"""Robust training: a normal law refitted by median and median absolute deviation collapses too, by known steps."""

from __future__ import annotations

from collections.abc import Iterator

from modelcollapse.families import MedianMAD
from modelcollapse.sources import normal
from modelcollapse.verify import Evidence, Formula, Lab, NominalMean, Section
from modelcollapse_theory import gaussian, robust

R = Section("K. remedies", source="theory/modelcollapse_theory/robust.py", chains=80_000)
SIZE, FITS = 9, 4


@R.claim(robust.mad_log_variance, robust.mad_moment, robust.mad_mean_error)
def median_and_deviation(lab: Lab) -> Iterator[Evidence]:
    """a normal law refitted by median and MAD collapses by exact steps, faster than by its standard deviation"""
    observe = ["log_variance", "standard_deviation", "squared_mean_error"]
    run = lab.run("median and MAD", MedianMAD(), normal(0.0, 1.0), None, observe, size=SIZE, fits=FITS)
    logs = run["log_variance"][:, -1, 0].astype(float)
    plain = {"standard deviation": float(gaussian.expected_log_variance(SIZE, FITS))}
    drift = Formula(robust.mad_log_variance, SIZE, FITS, at=(0,))
    yield drift.against(NominalMean(logs), "E ln variance", plain, larger=2, early=1)
    centre = robust.mad_log_variance(SIZE, FITS)[0]
    spread = Formula(robust.mad_log_variance, SIZE, FITS, at=(1,))
    wrong = {"2.7 times fewer rows": FITS * 2 * 2.7 / (SIZE - 1), "standard deviation": FITS * 2 / (SIZE - 1)}
    yield spread.against(NominalMean((logs - centre) ** 2), "Var ln variance", wrong, early=1)
    moment = Formula(robust.mad_moment, 1.0, SIZE, FITS)
    wrong = {"standard deviation": float(gaussian.expected_deviation(SIZE, FITS)), "unbiased": 1.0}
    yield moment.against(NominalMean(run["standard_deviation"][:, -1, 0]), "E deviation", wrong, early=1)
    error = Formula(robust.mad_mean_error, SIZE, FITS)
    wrong = {"means": FITS / SIZE, "pi/2 times fewer rows": FITS * 1.5708 / SIZE}
    yield error.against(NominalMean(run["squared_mean_error"][:, -1]), "error of the location", wrong, early=1)

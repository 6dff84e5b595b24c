"""What a run prints about itself holds: every kind of prediction against the very run that it stands beside.

Each cell is one process, run by ``simulate`` (and perhaps ``extend``) and asked by ``run.predict()``. Other claims test
theorems, with wiring of their own; this one tests the wiring: which theorem is taken, at which fit, at which size.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

import modelcollapse as mc
from modelcollapse import families
from modelcollapse.protocols import Family, Regime, Source
from modelcollapse.run import Run
from modelcollapse.verify import BoundedMean, Evidence, Lab, NominalMean, Proportion, Section
from modelcollapse.verify.evidence import Statistic

BATCH = 5_000
LAW = (0.4, 0.3, 0.2, 0.1)
EARLY, LARGER, BIASED = "one fit early", "M + 1", "shrunk by 1/M"


@dataclasses.dataclass(frozen=True)
class Cell:
    """A process and what is observed of it. Its parts are built when used, in the precision then in force."""

    model: Callable[[], tuple[Family, Source]]
    observe: Sequence[str]
    regime: Callable[[], Regime] = mc.Replace
    size: ArrayLike = 5
    generations: int = 1
    full: bool = False  # whether the design has no further row, so that M + 1 is impossible
    extended: bool = False
    weak: Mapping[str, Sequence[str]] = dataclasses.field(default_factory=dict)
    """The near misses, with their observables, that this budget does not reject: they are not claimed."""

    def run(self, name: str, lab: Lab) -> Run:
        """The process up to its last generation, the only one that is recorded."""
        begun = self.generations - self.extended
        run = lab.run(
            f"prediction, {name}", *self.model(), self.regime(), list(self.observe), size=self.size, fits=begun + 1,
            batch_size=BATCH,
        )  # fmt: skip
        return run.extend(1, record=[self.generations]) if self.extended else run

    def predicted(self, size: ArrayLike | None = None, generation: int | None = None) -> dict[str, np.ndarray]:
        """The same question without a run, of another size or generation."""
        sizes = np.broadcast_to(self.size if size is None else size, (self.generations + 1,))
        last = self.generations if generation is None else generation
        given = mc.predictions(
            *self.model(), shortened(self.regime(), last), list(self.observe), size=sizes[: last + 1], generations=last,
            record=[last],
        )  # fmt: skip
        return {p.observable: np.asarray(p.values[-1]) for p in given}


def shortened(regime: Regime, last: int) -> Regime:
    """The regime with its schedules cut after generation ``last``."""
    fields = {f.name: getattr(regime, f.name) for f in dataclasses.fields(regime)}  # type: ignore[arg-type]
    cut = {name: value[: last + 1] for name, value in fields.items() if np.ndim(value) == 1}
    return dataclasses.replace(regime, **cut) if cut else regime  # type: ignore[type-var]


def by(*values: float) -> np.ndarray:
    """A schedule: one value for each generation."""
    return np.array(values)


DIVERSITY, ERROR = ("heterozygosity", "chi_square"), ("squared_mean_error", "variance")
MOMENTS = (*ERROR, "mean")
STATES = (*DIVERSITY, "support_size", "absorbed", "lost", "entropy", "kl_divergence", "total_variation")
TABLE = (0, 0, 1, 1, 1, 1, 2, 3)
ROWS = tuple((0.5 + 0.25 * i + 0.01 * i * i) for i in range(20))
DESIGN = ((1.0, 0.5), (1.0, -1.0), (1.0, 2.0), (1.0, 0.25), (1.0, -0.5))


DECODED = ((1.0, 1.0), ((2.0, 0.0), (0.0, 1.0)))


def normals(
    ddof: int, observe: Sequence[str] = MOMENTS, regime: Callable[[], Regime] = mc.Replace, **rest: Any
) -> Cell:
    """A cell with a normal law."""
    return Cell(lambda: (mc.Gaussian(ddof), mc.normal(2.0, 4.0)), observe, regime, **rest)


def states(regime: Callable[[], Regime], observe: Sequence[str] = DIVERSITY, **rest: Any) -> Cell:
    """A cell with a law on states."""
    return Cell(lambda: (mc.Discrete(), mc.categorical(LAW)), observe, regime, **rest)


def chosen(wrapper: Callable[[Family], Family], regime: Callable[[], Regime] = mc.Replace, **rest: Any) -> Cell:
    """Two states of which a model gives out what a selection leaves."""
    return Cell(lambda: (wrapper(mc.Discrete()), mc.categorical([0.4, 0.6])), STATES, regime, **rest)


def kernels(regime: Callable[[], Regime], *options: Any, weak: str = "", **named: Any) -> Cell:
    """A cell with a kernel density in two dimensions."""

    def model() -> tuple[Family, Source]:
        return mc.KernelDensity(*options, **named), mc.normal([2.0, 0.0], [[4.0, 0.0], [0.0, 1.0]])

    return Cell(model, ERROR[::-1], regime, weak={weak: ["variance"]} if weak else {})


def linear(
    regime: Callable[[], Regime] = mc.Replace,
    *,
    own: float = 1.0,
    weights: Sequence[float] = (1.0, -0.5),
    design: ArrayLike | None = None,
    options: Mapping[str, Any] | None = None,
    size: ArrayLike = 8,
    **rest: Any,
) -> Cell:
    """A cell with a regression on its own labels."""

    def model() -> tuple[Family, Source]:
        source = mc.linear(weights, design=design)
        return mc.Regression(source.family.rows, own, **(options or {})), source

    return Cell(model, ("excess_risk", "coefficients"), regime, size, **rest)


CELLS: dict[str, Cell] = {
    "discrete, replace": states(mc.Replace, STATES, generations=2),
    "discrete, replace, sizes": states(mc.Replace, STATES, size=(5, 7, 4), generations=2),
    "discrete, extended": states(mc.Replace, STATES, generations=2, extended=True),
    "discrete, probabilities": states(lambda: mc.Mixture(0.5, 0.25, 0.25), ("probabilities", "heterozygosity")),
    "discrete, fresh, shares": states(lambda: mc.FreshReal(by(0, 0.2, 0.6)), generations=2),
    "discrete, accumulate": states(mc.Accumulate, (*DIVERSITY, "support_size", "absorbed", "lost")),
    "discrete, mixture without old data": states(
        lambda: mc.Mixture(0.75, 0.0, 0.25), (*DIVERSITY, "support_size", "lost")
    ),
    "discrete, mixture, weights and sizes": states(
        lambda: mc.Mixture(by(1, 0.75, 0.5), by(0, 0.25, 0.25), by(0, 0, 0.25)), size=(4, 6, 4), generations=2
    ),
    "discrete, switch": states(lambda: mc.Switch(mc.Replace(), mc.FreshReal(0.4), 2), generations=2),
    "states of a table without replacement": Cell(
        lambda: (mc.Discrete(4), mc.table(np.array(TABLE), replace=False)),
        (*DIVERSITY, "support_size", "lost", "total_variation"),
    ),
    "discrete, detected, removed": states(
        lambda: mc.regimes.Detected(mc.Mixture(0.6, 0.0, 0.4), 0.5, 0.2, refill=False), generations=2
    ),
    "gaussian, ddof 0, detected, weighing less": normals(
        0, regime=lambda: mc.regimes.Detected(mc.FreshReal(0.4), 0.5, 0.2, weight=0.25), weak={LARGER: ["variance"]}
    ),
    "gaussian, replace": normals(
        1, generations=2,
        observe=(
            *MOMENTS, "total_variance", "log_variance", "log_pivots", "standard_deviation", "w2_squared",
            "log_determinant", "determinant",
        ),
    ),
    "plane, replace": Cell(
        lambda: (mc.Gaussian(), mc.normal([2.0, 0.0], [[4.0, 1.0], [1.0, 0.5]])),
        ("log_variance", "log_determinant", "determinant", "log_pivots", "standard_deviation", "squared_mean_error"),
        size=6, weak={LARGER: ["determinant", "standard_deviation"]},
    ),
    "gaussian, fresh": normals(1, regime=lambda: mc.FreshReal(0.4), weak={LARGER: ["variance"]}),
    "gaussian, ddof 0, replace": normals(
        0, (*MOMENTS, "log_variance", "standard_deviation", "w2_squared"), generations=2
    ),
    "gaussian, ddof 0, fixed": normals(0, regime=lambda: mc.FixedReal(0.4)),
    "gaussian, ddof 0, subsample": normals(0, regime=mc.AccumulateSubsample, size=4),
    "gaussian, ddof 0, retain and fresh, shares": normals(
        0, regime=lambda: mc.Retain(by(0, 0.4), by(0, 0.2)), weak={LARGER: ["variance"]}
    ),
    "gaussian, ddof 0, accumulate": normals(0, regime=mc.Accumulate, size=4),
    "gaussian, ddof 0, mixture with old data": normals(0, regime=lambda: mc.Mixture(0.5, 0.5, 0.0), generations=2),
    "gaussian, ddof 0, weighted": normals(0, regime=lambda: mc.Weighted(0.25, 0.4)),
    "gaussian, ddof 0, switch": normals(
        0, regime=lambda: mc.Switch(mc.Replace(), mc.FreshReal(0.4), 2), generations=2, weak={LARGER: ERROR}
    ),
    "gaussian on rows": Cell(lambda: (mc.Gaussian(0), mc.table(np.array(ROWS))), MOMENTS, size=8),
    "gaussian on rows without replacement": Cell(
        lambda: (mc.Gaussian(), mc.table(np.array(ROWS), replace=False)), MOMENTS
    ),
    "half a gaussian": Cell(lambda: (mc.Damped(mc.Gaussian(), 0.5), mc.normal(2.0, 4.0)), ("log_variance",)),
    "two states, curated": chosen(
        lambda f: families.Curated(f, [1.0, 0.0], 3), generations=2, weak={LARGER: ["total_variation"]}
    ),
    "two states, verified, mixture": chosen(
        lambda f: families.Verified(f, correct=[True, False], right=0.9, wrong=0.3), lambda: mc.Mixture(0.75, 0, 0.25),
        weak={LARGER: ["total_variation"]},
    ),
    "gaussian, tempered": Cell(
        lambda: (families.Tempered(mc.Gaussian(), 0.8), mc.normal(2.0, 4.0)),
        (*MOMENTS, "log_variance", "standard_deviation"), generations=2, weak={LARGER: ["standard_deviation"]},
    ),
    "gaussian, ddof 0, cut, mixture": Cell(
        lambda: (families.Truncated(mc.Gaussian(0), within=1.5), mc.normal(2.0, 4.0)), MOMENTS,
        lambda: mc.Mixture(0.75, 0, 0.25), generations=2,
        weak={EARLY: ["squared_mean_error"], LARGER: ["variance"]},
    ),
    "binomial, replace": Cell(
        lambda: (mc.Binomial(2), mc.binomial(2, 0.3)), (*MOMENTS, "absorbed", "extinct"), size=4, generations=2
    ),
    "poisson, replace": Cell(
        lambda: (mc.Poisson(), mc.poisson(0.5)), (*MOMENTS, "extinct", "absorbed"), generations=2
    ),
    "poisson, fresh": Cell(
        lambda: (mc.Poisson(), mc.poisson(1.5)), ("squared_mean_error", "mean"), lambda: mc.FreshReal(0.4)
    ),
    "poisson on a table without replacement": Cell(
        lambda: (mc.Poisson(), mc.table(np.array(TABLE), replace=False)), MOMENTS
    ),
    "negative binomial, replace": Cell(
        lambda: (mc.NegativeBinomial(2.0), mc.negative_binomial(1.5, 2.0)), MOMENTS, size=(5, 7),
        weak={LARGER: ["variance"]},
    ),
    "gamma, replace": Cell(
        lambda: (mc.Gamma(2.0), mc.gamma(2.0, 2.0)), (*MOMENTS, "log_mean", "log_variance"), generations=2,
        weak={LARGER: ["variance"]},
    ),
    "gaussian mean, replace": Cell(
        lambda: (mc.GaussianMean(4.0), mc.normal(2.0, 4.0)), ("squared_mean_error", "mean")
    ),
    "uniform": Cell(lambda: (mc.Uniform(), mc.uniform(2.0)), ("log_end", "log_mean", "log_variance"), size=(5, 7)),
    "uniform, unbiased": Cell(lambda: (mc.Uniform("unbiased"), mc.uniform(2.0)), ("log_end",), size=3),
    "uniform, accumulate": Cell(lambda: (mc.Uniform(), mc.uniform(2.0)), ("log_end",), mc.Accumulate),
    "pareto": Cell(lambda: (mc.Pareto(), mc.pareto(2.0)), ("log_index",), size=(4, 6)),
    "pareto, unbiased": Cell(lambda: (mc.Pareto(estimator="unbiased"), mc.pareto(2.0)), ("log_index",), size=3),
    "kernels, replace": kernels(mc.Replace, 0.5),
    "kernels by scott, replace": kernels(mc.Replace, 0.75, "scott", weak=LARGER),
    "kernels, fresh": kernels(lambda: mc.FreshReal(0.4), 0.5, weak=EARLY),
    "kernels, accumulate": kernels(mc.Accumulate, 0.75, "silverman", scaled=False, weak=EARLY),
    "regression, replace": linear(own=0.5, size=(8, 10)),
    "regression, accumulate": linear(mc.Accumulate),
    "regression, fresh": linear(lambda: mc.FreshReal(0.5)),
    "design, replace": linear(design=DESIGN, own=0.5, size=(4, 3)),
    "ridge": linear(design=DESIGN, options={"penalty": 0.25}, size=5, full=True),
    "stopped descent": linear(design=DESIGN, options={"steps": 3, "rate": 0.25}, size=5, full=True),
    "a column of ones, weighted": linear(
        lambda: mc.Weighted(0.25, 0.5), weights=(1.5,), design=((1.0,),) * 8, size=6, weak={LARGER: ["excess_risk"]}
    ),
    "decoder": Cell(
        lambda: (mc.PPCA(2, 0.02), mc.normal(*DECODED)), ("decoder_variance", "mean"), size=60,
        weak={LARGER: ["decoder_variance"]},
    ),
    "decoder that samples": Cell(
        lambda: (mc.PPCA(1, output="sampled"), mc.normal(*DECODED)), ("total_variance", "squared_mean_error")
    ),
}  # fmt: skip

RANGES = {
    "heterozygosity": (0, 1 - 1 / len(LAW)), "chi_square": (0, 1 / min(LAW) - 1 + 1e-9), "support_size": (1, len(LAW)),
    "entropy": (0, np.log(len(LAW)) + 1e-9), "kl_divergence": (0, -np.log(min(LAW)) + 1e-9), "total_variation": (0, 1),
    "probabilities": (0, 1),
}  # fmt: skip


def seen(observable: str, values: np.ndarray) -> Statistic:
    """The statistic of one number for each chain; a bound where the law is bounded."""
    if values.dtype == bool:
        return Proportion.of(values)
    if observable in RANGES:
        return BoundedMean(values, *RANGES[observable])
    return NominalMean(values)


def compared(name: str, lab: Lab) -> Iterator[Evidence]:
    """All predictions that stand beside the run of one cell, at its last generation."""
    cell = CELLS[name]
    run = cell.run(name, lab)
    misses = {EARLY: cell.predicted(generation=cell.generations - 1)}
    if not cell.full:
        misses[LARGER] = cell.predicted(np.add(cell.size, 1))
    found = run.predict()
    if len(found) < len(cell.observe):
        raise ValueError(f"the cell {name!r} asks for {', '.join(cell.observe)}, of which some have no prediction")
    for p in found:
        values = run[p.observable][:, -1].reshape(lab.chains, -1)
        # of an observable with several entries one: the last, where that is the rarest state, otherwise the first
        entry = -1 if p.observable == "lost" else 0
        value = float(np.ravel(p.values[-1])[entry])
        claimed = {t: miss for t, miss in misses.items() if p.observable not in cell.weak.get(t, ())}
        wrong = {title: float(np.ravel(miss[p.observable])[entry]) for title, miss in claimed.items()}
        # a mean that stays the same, whatever the fit or M, is held against an estimator that is biased by one item
        wrong = {t: w for t, w in wrong.items() if not np.isclose(w, value, rtol=1e-9, atol=0)}
        wrong = wrong or {BIASED: value * (1 - 1 / float(np.max(cell.size)))}
        yield Evidence(seen(p.observable, values[:, entry]), value, wrong, f"{name}: {p.observable}")


@Section("H. predictions", source="the theorems that the predictions name", chains=40_000).claim()
def predictions_beside_runs(lab: Lab) -> Iterator[Evidence]:
    """every prediction holds beside its run: family, regime, sizes and shares, at the right fit and at the right M"""
    for name in CELLS:
        yield from compared(name, lab)

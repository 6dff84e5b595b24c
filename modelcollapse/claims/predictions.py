"""What a run prints about itself holds: every kind of prediction against the very run that it stands beside.

Each cell is one process, run by ``simulate`` (or gone on with by ``extend``) and asked by ``run.predict()``. Other claims test theorems, with
wiring of their own; this one tests the wiring: which theorem is taken, at which fit, at which sample size.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

import modelcollapse as mc
from modelcollapse.verify.evidence import BoundedMean, Evidence, NominalMean, Proportion
from modelcollapse.verify.registry import claim, stream

BATCH = 5_000
LAW = (0.4, 0.3, 0.2, 0.1)
STATES = (
    "heterozygosity",
    "chi_square",
    "support_size",
    "absorbed",
    "lost",
    "entropy",
    "kl_divergence",
    "total_variation",
)
COUNTS = ("squared_mean_error", "variance", "mean")
NORMAL = ("squared_mean_error", "variance", "mean")
EARLY, LARGER, BIASED = "one fit early", "M + 1", "shrunk by 1/M"


@dataclasses.dataclass(frozen=True)
class Cell:
    """A process and the observables that are looked at."""

    family: Callable[[], Any]
    source: Callable[[], Any]
    regime: Callable[[], Any]
    observe: Sequence[str]
    size: Any = 5
    generations: int = 1
    full: bool = False  # whether the design has no row more, so that M + 1 is impossible
    extended: bool = False
    times: float = 1.0  # of the claim's chains
    weak: Mapping[str, Sequence[str]] = dataclasses.field(default_factory=dict)
    """Underpowered: the near misses, and of which observables, that this budget does not reject; they are not claimed."""

    def run(self, name: str, seed: int, chains: int) -> Any:
        """The process up to its last generation, the only one that is recorded."""
        size, last = self.size, self.generations
        given: dict[str, Any] = {
            "observe": list(self.observe), "chains": int(chains * self.times), "seed": stream(seed, f"prediction, {name}"), "batch_size": BATCH,
        }  # fmt: skip
        parts = self.family(), self.source(), self.regime()
        if not self.extended:
            return mc.simulate(*parts, size=size, generations=last, record=[last], **given)
        begun = mc.simulate(*parts, size=size, generations=last - 1, record=[last - 1], **given)
        return begun.extend(1, record=[last])

    def predicted(self, size: Any = None, generation: int | None = None) -> dict[str, np.ndarray]:
        """The same question without a run, of another size or generation."""
        sizes = np.broadcast_to(self.size if size is None else size, (self.generations + 1,))
        last = self.generations if generation is None else generation
        regime = self.regime()
        if last < self.generations:
            regime = shortened(regime, last)
        given = mc.predictions(
            self.family(), self.source(), regime, list(self.observe), size=sizes[: last + 1], generations=last, record=[last]
        )  # fmt: skip
        return {p.observable: np.asarray(p.values[-1]) for p in given}


def shortened(regime: Any, last: int) -> Any:
    """Schedules up to generation ``last``."""
    fields = {f.name: getattr(regime, f.name) for f in dataclasses.fields(regime)}
    cut = {name: value[: last + 1] for name, value in fields.items() if np.ndim(value) == 1}
    return dataclasses.replace(regime, **cut) if cut else regime


def shares(*values: float) -> np.ndarray:
    return np.array(values)


def gaussian(ddof: int, regime: Callable[[], Any], observe: Sequence[str] = NORMAL, **rest: Any) -> Cell:
    return Cell(lambda: mc.Gaussian(ddof), lambda: mc.normal(2.0, 4.0), regime, observe, **rest)


def discrete(regime: Callable[[], Any], observe: Sequence[str] = ("heterozygosity", "chi_square"), **rest: Any) -> Cell:
    return Cell(mc.Discrete, lambda: mc.categorical(LAW), regime, observe, **rest)


def kernels(family: Callable[[], Any], regime: Callable[[], Any], **rest: Any) -> Cell:
    return Cell(
        family,
        lambda: mc.normal([2.0, 0.0], [[4.0, 0.0], [0.0, 1.0]]),
        regime,
        ("variance", "squared_mean_error"),
        **rest,
    )


def regression(
    regime: Callable[[], Any], *, own: float = 1.0, weights: Sequence[float] = (1.0, -0.5), **rest: Any
) -> Cell:
    options = {k: rest.pop(k) for k in ("penalty", "steps", "rate", "minimum_norm") if k in rest}
    design = rest.pop("design", None)
    source = lambda: mc.linear(weights, design=design)  # noqa: E731
    family = lambda: mc.Regression(source().family.rows, own, **options)  # noqa: E731
    return Cell(family, source, regime, rest.pop("observe", ("excess_risk", "coefficients")), **{"size": 8} | rest)


DESIGN = ((1.0, 0.5), (1.0, -1.0), (1.0, 2.0), (1.0, 0.25), (1.0, -0.5))
TABLE = (0, 0, 1, 1, 1, 1, 2, 3)
ROWS = tuple((0.5 + 0.25 * i + 0.01 * i * i) for i in range(20))

CELLS: dict[str, Cell] = {
    "discrete, replace": discrete(mc.Replace, STATES, generations=2),
    "discrete, replace, sizes": discrete(mc.Replace, STATES, size=(5, 7, 4), generations=2),
    "discrete, extended": discrete(mc.Replace, STATES, generations=2, extended=True),
    "discrete, probabilities": discrete(lambda: mc.Mixture(0.5, 0.25, 0.25), ("probabilities", "heterozygosity")),
    "discrete, fresh, shares": discrete(lambda: mc.FreshReal(shares(0, 0.2, 0.6)), generations=2),
    "discrete, accumulate": discrete(mc.Accumulate, ("heterozygosity", "chi_square", "support_size", "absorbed", "lost")),
    "discrete, mixture without old data": discrete(
        lambda: mc.Mixture(0.75, 0.0, 0.25), ("heterozygosity", "chi_square", "support_size", "lost")
    ),
    "discrete, mixture, weights and sizes": discrete(
        lambda: mc.Mixture(shares(1, 0.75, 0.5), shares(0, 0.25, 0.25), shares(0, 0, 0.25)), size=(4, 6, 4), generations=2
    ),
    "discrete, switch": discrete(lambda: mc.Switch(mc.Replace(), mc.FreshReal(0.4), 2), generations=2),
    "states of a table without replacement": Cell(
        lambda: mc.Discrete(4), lambda: mc.table(np.array(TABLE), replace=False), mc.Replace,
        ("heterozygosity", "chi_square", "support_size", "lost", "total_variation"),
    ),
    "gaussian, replace": gaussian(
        1, mc.Replace,
        (*NORMAL, "total_variance", "log_variance", "log_pivots", "standard_deviation", "w2_squared", "log_determinant", "determinant"),
        generations=2,
    ),
    "plane, replace": Cell(
        mc.Gaussian, lambda: mc.normal([2.0, 0.0], [[4.0, 1.0], [1.0, 0.5]]), mc.Replace,
        ("log_variance", "log_determinant", "determinant", "log_pivots", "standard_deviation", "squared_mean_error"), size=6,
        weak={LARGER: ["determinant", "standard_deviation"]},
    ),
    "gaussian, fresh": gaussian(1, lambda: mc.FreshReal(0.4), weak={LARGER: ["variance"]}),
    "gaussian, ddof 0, replace": gaussian(0, mc.Replace, (*NORMAL, "log_variance", "standard_deviation", "w2_squared"), generations=2),
    "gaussian, ddof 0, fixed": gaussian(0, lambda: mc.FixedReal(0.4)),
    "gaussian, ddof 0, subsample": gaussian(0, mc.AccumulateSubsample, size=4),
    "gaussian, ddof 0, retain and fresh, shares": gaussian(
        0, lambda: mc.Retain(shares(0, 0.4), shares(0, 0.2)), weak={LARGER: ["variance"]}
    ),
    "gaussian, ddof 0, accumulate": gaussian(0, mc.Accumulate, size=4),
    "gaussian, ddof 0, mixture with old data": gaussian(0, lambda: mc.Mixture(0.5, 0.5, 0.0), generations=2),
    "gaussian, ddof 0, weighted": gaussian(0, lambda: mc.Weighted(0.25, 0.4)),
    "gaussian, ddof 0, switch": gaussian(0, lambda: mc.Switch(mc.Replace(), mc.FreshReal(0.4), 2), generations=2, weak={LARGER: NORMAL[:2]}),
    "gaussian on rows": Cell(lambda: mc.Gaussian(0), lambda: mc.table(np.array(ROWS)), mc.Replace, NORMAL, size=8),
    "gaussian on rows without replacement": Cell(
        mc.Gaussian, lambda: mc.table(np.array(ROWS), replace=False), mc.Replace, NORMAL
    ),
    "half a gaussian": Cell(lambda: mc.Damped(mc.Gaussian(), 0.5), lambda: mc.normal(2.0, 4.0), mc.Replace, ("log_variance",)),
    "binomial, replace": Cell(
        lambda: mc.Binomial(2), lambda: mc.binomial(2, 0.3), mc.Replace, (*COUNTS, "absorbed", "extinct"), size=4, generations=2
    ),
    "poisson, replace": Cell(mc.Poisson, lambda: mc.poisson(0.5), mc.Replace, (*COUNTS, "extinct", "absorbed"), generations=2),
    "poisson, fresh": Cell(mc.Poisson, lambda: mc.poisson(1.5), lambda: mc.FreshReal(0.4), ("squared_mean_error", "mean")),
    "poisson on a table without replacement": Cell(
        mc.Poisson, lambda: mc.table(np.array(TABLE), replace=False), mc.Replace, COUNTS
    ),
    "negative binomial, replace": Cell(
        lambda: mc.NegativeBinomial(2.0), lambda: mc.negative_binomial(1.5, 2.0), mc.Replace, COUNTS, size=(5, 7), weak={LARGER: ["variance"]}
    ),
    "gamma, replace": Cell(
        lambda: mc.Gamma(2.0), lambda: mc.gamma(2.0, 2.0), mc.Replace, (*COUNTS, "log_mean", "log_variance"), generations=2, weak={LARGER: ["variance"]}
    ),
    "gaussian mean, replace": Cell(
        lambda: mc.GaussianMean(4.0), lambda: mc.normal(2.0, 4.0), mc.Replace, ("squared_mean_error", "mean")
    ),
    "uniform": Cell(mc.Uniform, lambda: mc.uniform(2.0), mc.Replace, ("log_end", "log_mean", "log_variance"), size=(5, 7)),
    "uniform, unbiased": Cell(lambda: mc.Uniform("unbiased"), lambda: mc.uniform(2.0), mc.Replace, ("log_end",), size=3),
    "uniform, accumulate": Cell(mc.Uniform, lambda: mc.uniform(2.0), mc.Accumulate, ("log_end",)),
    "pareto": Cell(mc.Pareto, lambda: mc.pareto(2.0), mc.Replace, ("log_index",), size=(4, 6)),
    "pareto, unbiased": Cell(lambda: mc.Pareto(estimator="unbiased"), lambda: mc.pareto(2.0), mc.Replace, ("log_index",), size=3),
    "kernels, replace": kernels(lambda: mc.KernelDensity(0.5), mc.Replace),
    "kernels by scott, replace": kernels(
        lambda: mc.KernelDensity(0.75, "scott"), mc.Replace, weak={LARGER: ["variance"]}
    ),
    "kernels, fresh": kernels(lambda: mc.KernelDensity(0.5), lambda: mc.FreshReal(0.4), weak={EARLY: ["variance"]}),
    "kernels, accumulate": kernels(lambda: mc.KernelDensity(0.75, "silverman", scaled=False), mc.Accumulate, weak={EARLY: ["variance"]}),
    "regression, replace": regression(mc.Replace, own=0.5, size=(8, 10)),
    "regression, accumulate": regression(mc.Accumulate),
    "regression, fresh": regression(lambda: mc.FreshReal(0.5)),
    "design, replace": regression(mc.Replace, design=DESIGN, own=0.5, size=(4, 3)),
    "ridge": regression(mc.Replace, design=DESIGN, penalty=0.25, size=5, full=True),
    "stopped descent": regression(mc.Replace, design=DESIGN, steps=3, rate=0.25, size=5, full=True),
    "a column of ones, weighted": regression(lambda: mc.Weighted(0.25, 0.5), weights=(1.5,), design=((1.0,),) * 8, size=6, weak={LARGER: ["excess_risk"]}),
    "decoder": Cell(lambda: mc.PPCA(2, 0.02), lambda: mc.normal([1.0, 1.0], [[2.0, 0.0], [0.0, 1.0]]), mc.Replace, ("decoder_variance", "mean"), size=60, weak={LARGER: ["decoder_variance"]}),
    "decoder that samples": Cell(
        lambda: mc.PPCA(1, output="sampled"), lambda: mc.normal([1.0, 1.0], [[2.0, 0.0], [0.0, 1.0]]), mc.Replace,
        ("total_variance", "squared_mean_error"), size=5,
    ),
}  # fmt: skip

RANGES = {
    "heterozygosity": (0, 1 - 1 / len(LAW)), "chi_square": (0, 1 / min(LAW) - 1 + 1e-9), "support_size": (1, len(LAW)),
    "entropy": (0, np.log(len(LAW)) + 1e-9), "kl_divergence": (0, -np.log(min(LAW)) + 1e-9), "total_variation": (0, 1), "probabilities": (0, 1),
}  # fmt: skip


def seen(observable: str, values: np.ndarray) -> Any:
    """The statistic of one number for each chain; a bound where the law is bounded."""
    if values.dtype == bool:
        return Proportion.of(values)
    if observable in RANGES:
        return BoundedMean(values, *RANGES[observable])
    return NominalMean(values)


def component(observable: str, values: np.ndarray) -> tuple[int, ...]:
    """One entry of an observable with several: the last, where that is the rarest state, otherwise the first."""
    return ((-1 if observable == "lost" else 0),) * (values.ndim - 1)


def compared(name: str, seed: int, chains: int) -> list[Evidence]:
    """All predictions that stand beside the run of one cell, at its last generation."""
    cell = CELLS[name]
    run = cell.run(name, seed, chains)
    misses = {EARLY: cell.predicted(generation=cell.generations - 1)}
    if not cell.full:
        misses[LARGER] = cell.predicted(np.add(cell.size, 1))
    out = []
    for p in run.predict():
        values: Any = np.asarray(run[p.observable][:, -1])
        index = component(p.observable, values)
        value = float(p.values[-1][index])
        claimed = {t: m for t, m in misses.items() if p.observable not in cell.weak.get(t, ())}
        wrong = {title: float(miss[p.observable][index]) for title, miss in claimed.items()}
        # a mean that stays the same, whatever the fit or M, is held against an estimator that is biased by one item
        wrong = {t: w for t, w in wrong.items() if not np.isclose(w, value, rtol=1e-9, atol=0)}
        wrong = wrong or {BIASED: value * (1 - 1 / float(np.max(cell.size)))}
        out.append(Evidence(seen(p.observable, values[:, *index]), value, wrong, f"{name}: {p.observable}"))
    if len(out) < len(cell.observe):
        raise ValueError(f"the cell {name!r} asks for {', '.join(cell.observe)}, of which some have no prediction")
    return out


@claim(
    "every prediction holds beside its run: family, regime, sizes and shares, at the right fit and at the right M",
    source="the theorems that the predictions name",
    section="H. predictions",
    chains=40_000,
)
def predictions_beside_runs(seed: int, chains: int) -> list[Evidence]:
    return [evidence for name in CELLS for evidence in compared(name, seed, chains)]

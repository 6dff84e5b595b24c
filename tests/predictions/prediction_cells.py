"""The table: kinds of process by regimes by sizes. A cell is (process, regime, sizes)."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Iterator
from fractions import Fraction as F
from typing import Any

import numpy as np
import remedy_cells
import robust_values
from exact_detected import BY_STATE, takes
from exact_detected import CELLS as DETECTED
from exact_populations import ModelsOfStates, NormalModels
from exact_regression import GivenDesign, NormalCovariates
from exact_selection import SELECTED, SELECTED_UNDER
from exact_values import (
    DampedGaussian,
    Decoder,
    Ends,
    Events,
    Gaussians,
    KernelRows,
    OneParameter,
    States,
    Tails,
    Trials,
    Waiting,
)

import modelcollapse as mc
from modelcollapse.predict import registry
from modelcollapse.regimes import Exchange

PLANE = ((4.0, 1.0), (1.0, 0.5))
ROWS = ((0.0,), (1.0,), (5.0,), (2.0,))  # mean 2, variance 7/2
PAIRS = ((0.0, 1.0), (1.0, -1.0), (5.0, 0.5), (2.0, 3.5))
DESIGN = ((1.0, 0.5), (1.0, -1.0), (1.0, 2.0), (1.0, 0.25), (1.0, -0.5))
SPREAD = tuple(tuple(x) for x in np.cov(np.array(PAIRS).T, bias=True))

PROCESSES: dict[str, Any] = {
    "three states": States((F(1, 2), F(3, 8), F(1, 8))),
    "a state that is not there": States((F(3, 4), F(0), F(1, 4))),
    "a table of states": States((F(1, 4), F(1, 2), F(1, 4)), table=(0, 1, 2, 1)),
    "a table of states without replacement": States((F(1, 4), F(1, 2), F(1, 4)), table=(0, 1, 2, 1), once=True),
    "gaussian, ddof 1": Gaussians((2.0,), ((4.0,),), 1),
    "gaussian, ddof 0": Gaussians((2.0,), ((4.0,),), 0),
    "plane, ddof 1": Gaussians((2.0, -1.0), PLANE, 1),
    "plane, ddof 0": Gaussians((2.0, -1.0), PLANE, 0),
    "gaussian on rows, ddof 1": Gaussians((2.0,), ((3.5,),), 1, ROWS),
    "gaussian on rows, ddof 0": Gaussians((2.0, 1.0), SPREAD, 0, PAIRS),
    "gaussian on rows without replacement, ddof 1": Gaussians((2.0, 1.0), SPREAD, 1, PAIRS, once=True),
    "gaussian on rows without replacement, ddof 0": Gaussians((2.0,), ((3.5,),), 0, ROWS, once=True),
    "half a gaussian": DampedGaussian(0.5, 1),
    "a whole gaussian": DampedGaussian(1.0, 0),
    "bernoulli": Trials(lambda: mc.Binomial(), lambda: mc.bernoulli(0.25), F(1, 4), (F(0), F(1), F(-1))),
    "binomial": Trials(
        lambda: mc.Binomial(3), lambda: mc.binomial(3, 0.25), F(3, 4), (F(0), F(1), F(-1, 3)), trials=3
    ),
    "poisson": Events(lambda: mc.Poisson(), lambda: mc.poisson(1.5), F(3, 2), (F(0), F(1), F(0))),
    "negative binomial": OneParameter(
        lambda: mc.NegativeBinomial(2.0), lambda: mc.negative_binomial(1.5, 2.0), F(3, 2), (F(0), F(1), F(1, 2))
    ),
    "exponential": Waiting(lambda: mc.Gamma(), lambda: mc.exponential(2.0), F(2), (F(0), F(0), F(1))),
    "gamma": Waiting(lambda: mc.Gamma(2.5), lambda: mc.gamma(2.0, 2.5), F(2), (F(0), F(0), F(2, 5)), shape=2.5),
    "gaussian mean": OneParameter(
        lambda: mc.GaussianMean(4.0), lambda: mc.normal(2.0, 4.0), F(2), (F(4), F(0), F(0))
    ),
    "poisson on a table": OneParameter(
        lambda: mc.Poisson(), lambda: mc.table(np.array([0, 1, 5, 2])), F(2), (F(0), F(1), F(0)), real=F(7, 2)
    ),
    "poisson on a table without replacement": OneParameter(
        lambda: mc.Poisson(), lambda: mc.table(np.array([0, 1, 5, 2, 2, 2]), replace=False),
        F(2), (F(0), F(1), F(0)), real=F(7, 3), together=F(-7, 15),
    ),
    "gamma on a wrong shape": OneParameter(
        lambda: mc.Gamma(2.0), lambda: mc.exponential(2.0), F(2), (F(0), F(0), F(1, 2)), real=F(4)
    ),
    "uniform": Ends(2.0, "mle"),
    "uniform, unbiased": Ends(2.0, "unbiased"),
    "pareto": Tails(3.0, "mle"),
    "pareto, unbiased": Tails(3.0, "unbiased"),
    "kernels": KernelRows((4.0, 0.25), 0.5),
    "kernels by scott": KernelRows((4.0, 0.25), 0.75, "scott"),
    "kernels by silverman, not scaled": KernelRows((4.0,), 0.75, "silverman", scaled=False),
    "kernels of fixed width, scaled": KernelRows((4.0,), 0.5, "fixed", scaled=True),
    "kernels on rows": KernelRows((3.5,), 0.5, rows=ROWS),
    "regression": NormalCovariates((1.0, -0.5)),
    "regression on one feature": NormalCovariates((1.5,), scale=4.0),
    "regression, other noise": NormalCovariates((1.0, -0.5), noise=2.0, own=0.5),
    "shortest solution": NormalCovariates((1.0, -0.5, 0.25, 2.0, 1.0), shortest=True),
    "shortest solution of many rows": NormalCovariates((1.0, -0.5), shortest=True),
    "design": GivenDesign((1.0, -0.5), DESIGN),
    "design, other noise": GivenDesign((1.0, -0.5), DESIGN, noise=2.0, own=0.5),
    "ridge": GivenDesign((1.0, -0.5), DESIGN, penalty=0.25),
    "stopped descent": GivenDesign((1.0, -0.5), DESIGN, steps=3, rate=0.25),
    "a column of ones": GivenDesign((1.5,), ((1.0,),) * 5),
    "models of states": ModelsOfStates((F(3, 8),)),
    "models of states of their own": ModelsOfStates((F(3, 8), F(3, 4))),
    "normal models, ddof 1": NormalModels(1),
    "normal models, ddof 0": NormalModels(0),
    "normal models of their own": NormalModels(1, (2.0, -1.0), (4.0, 0.5)),
    "decoder that samples": Decoder((4.0, 1.0, 0.25), 1, output="sampled"),
    "decoder of fitted noise": Decoder((4.0, 1.0, 0.25), 1),
    "decoder of given noise that samples": Decoder((4.0, 1.0), 1, 0.25, "sampled"),
    **SELECTED,
}  # fmt: skip
PROCESSES |= remedy_cells.PROCESSES
PROCESSES["median of three"] = robust_values.MedianOfThree(4.0)


def shares(*values: float) -> np.ndarray:
    return np.array(values)


TEACHES = np.array([[0.5, 0.25], [0.375, 0.5]])


# name: regime, sizes
REGIMES: dict[str, tuple[Any, list[int]]] = {
    "replace": (mc.Replace(), [4, 4, 4]),
    "replace, sizes": (mc.Replace(), [4, 5, 3]),
    "fresh": (mc.FreshReal(0.5), [4, 4, 4]),
    "fresh, sizes": (mc.FreshReal(0.5), [4, 5, 3]),  # 2.5 and 1.5 rows round up
    "fresh, shares": (mc.FreshReal(shares(0.0, 0.25, 0.75)), [4, 4, 4]),
    "fresh, all": (mc.FreshReal(1.0), [4, 4, 4]),
    "fresh, a share that is no binary number": (mc.FreshReal(0.58), [25, 25]),  # 14.5 rows
    "fixed": (mc.FixedReal(0.5), [4, 4, 4]),
    "fixed, sizes": (mc.FixedReal(0.5), [4, 5, 3]),
    "fixed, none": (mc.FixedReal(0.1), [4, 4, 4]),
    "retain": (mc.Retain(0.5), [4, 4, 4]),
    "retain and fresh": (mc.Retain(0.25, 0.5), [4, 4, 4]),
    "retain, sizes": (mc.Retain(0.5), [4, 5, 3]),
    "retain, shares": (mc.Retain(shares(0.0, 0.25, 0.75), shares(0.0, 0.5, 0.25)), [4, 4, 4]),
    "retain, moran": (mc.Retain(0.75), [4, 4, 4]),
    "accumulate": (mc.Accumulate(), [4, 4, 4]),
    "accumulate, sizes": (mc.Accumulate(), [4, 5, 3]),
    "subsample": (mc.AccumulateSubsample(), [3, 3, 3]),
    "subsample, budget": (mc.AccumulateSubsample(3), [4, 4]),
    "subsample, sizes": (mc.AccumulateSubsample(), [4, 3]),
    "mixture": (mc.Mixture(0.5, 0.25, 0.25), [3, 3, 3]),
    "mixture, no old data": (mc.Mixture(0.75, 0.0, 0.25), [4, 4, 4]),
    "mixture, no real data": (mc.Mixture(0.5, 0.5, 0.0), [3, 3, 3]),
    "mixture, old data alone": (mc.Mixture(0.0, 1.0, 0.0), [3, 3, 3]),
    "mixture, replace": (mc.Mixture(1.0, 0.0, 0.0), [4, 4, 4]),
    "mixture, sizes": (mc.Mixture(0.5, 0.25, 0.25), [3, 4, 3]),
    "mixture, weights": (mc.Mixture(shares(1, 0.5, 0.25), shares(0, 0.25, 0.25), shares(0, 0.25, 0.5)), [3, 3, 3]),
    "switch to fresh": (mc.Switch(mc.Replace(), mc.FreshReal(0.5), 2), [4, 4, 4]),
    "switch from accumulate": (mc.Switch(mc.Accumulate(), mc.Replace(), 2), [4, 4, 4]),
    "weighted": (mc.Weighted(0.75, 0.5), [4, 4, 4]),
    "weighted, sizes": (mc.Weighted(0.75, 0.5), [4, 5, 3]),
    "exchange": (Exchange(TEACHES, 1 - TEACHES.sum(1), [3, 2]), [3, 3, 3]),
    "exchange, schedules": (
        Exchange([TEACHES, np.eye(2), TEACHES], [[0, 0], [0, 0], [0.25, 0.125]], [[3, 2], [2, 4], [3, 3]]),
        [3, 4, 3],
    ),
    "exchange, counts": (Exchange([[0.5, 0.25], [0.25, 0.25]], [0.25, 0.5], fixed=True), [4, 4, 4]),
    "exchange, in common": (Exchange(np.full((2, 2), 0.375), 0.25, shared=2), [3, 3, 3]),
    "exchange, entry": (Exchange([[0.75, 0], [0.5, 0]], [0.25, 0.5], enters=[0, 1], frozen=[2, None]), [3, 3, 3]),
    "weighted, shares": (mc.Weighted(shares(0, 0.75, 0.25), shares(0.5, 0.25, 0.5)), [4, 4, 4]),
    **DETECTED,
}


ALIKE = {
    "a state that is not there", "gaussian on rows, ddof 1", "gaussian on rows, ddof 0", "plane, ddof 0",
    "exponential", "a whole gaussian", "gamma on a wrong shape", "poisson on a table",
    "kernels by silverman, not scaled", "kernels on rows", "design, other noise", "regression on one feature",
    "regression, other noise", "shortest solution of many rows", "stopped descent", "decoder of fitted noise",
    "decoder of given noise that samples", "a table of states", "kernels of fixed width, scaled",
}  # fmt: skip
"""Processes that differ from another one in a number or two: they run under a few regimes only."""
FEW = {
    "replace", "replace, sizes", "fresh, shares", "fixed, none", "retain and fresh", "accumulate",
    "accumulate, sizes", "mixture", "weighted",
}  # fmt: skip


@dataclasses.dataclass(frozen=True)
class Cell:
    process: Any
    regime: Any
    sizes: list[int]

    @property
    def size(self) -> Any:
        """As a user gives it: one number where it is the same in every generation."""
        return self.sizes[0] if len(set(self.sizes)) == 1 else np.array(self.sizes)


def adapted(process: Any, sizes: list[int]) -> list[int]:
    """Sizes at which this process has the moments, or the rank, that it needs."""
    constant = len(set(sizes)) == 1
    if isinstance(process, remedy_cells.Remedy):
        return process.adapted(sizes)
    if isinstance(process, NormalCovariates):
        if process.shortest and len(process.weights) > 2:
            return [2, 2, 2] if constant else [2, 1, 2]
        return [n + 2 for n in sizes]
    if isinstance(process, GivenDesign) and (process.penalty or process.steps) and constant:
        return [len(process.design)] * len(sizes)
    return sizes


def exchanged(process: Any, regime: Any) -> bool:
    """Whether the pair is a population under an exchange that is enumerated for it."""
    if not isinstance(regime, Exchange):
        return False
    if isinstance(process, NormalModels):
        unlike = regime.fixed and (process.ddof == 1 or len(process.means) == 2)
        return not unlike and regime.shared is None and regime.enters is None
    own = isinstance(process, ModelsOfStates) and len(process.first) == 2
    return isinstance(process, ModelsOfStates) and not (own and regime.shared is not None)


def accepted(kind: str, name: str) -> bool:
    """Whether ``simulate`` takes the pair, and its enumeration is small."""
    process, (regime, _) = PROCESSES[kind], REGIMES[name]
    if isinstance(regime, Exchange) or isinstance(process, ModelsOfStates | NormalModels):
        return exchanged(process, regime)
    if isinstance(process, remedy_cells.Remedy):
        return name in process.regimes
    if name in DETECTED:
        return takes(kind, regime)
    if kind in SELECTED:
        return name in SELECTED_UNDER
    if isinstance(regime, mc.Weighted) and not isinstance(process, States | Gaussians | NormalCovariates | GivenDesign):
        return False
    if "no binary number" in name:
        return kind in ("gaussian, ddof 0", "gaussian, ddof 1", "bernoulli", "poisson")
    if "without replacement" in kind and name.endswith("sizes"):
        return False  # more rows than the table has
    if kind == "shortest solution":
        return not isinstance(regime, mc.Weighted | mc.AccumulateSubsample)
    return kind not in ALIKE or name in FEW


CELLS = {
    kind: {
        name: Cell(process, regime, adapted(process, sizes))
        for name, (regime, sizes) in REGIMES.items()
        if accepted(kind, name)
    }
    for kind, process in PROCESSES.items()
}
for _kind, (_process, _regime) in BY_STATE.items():
    PROCESSES[_kind] = _process
    CELLS[_kind] = {"detected": Cell(_process, _regime, [4, 4, 4])}


USED: set[int] = set()
"""Registered rules that have answered, by identity."""


@contextlib.contextmanager
def taken_down() -> Iterator[None]:
    """Add to ``USED`` every rule that answers within."""
    answer = registry.Rule.answer

    def noted(rule: Any, process: Any) -> Any:
        found = answer(rule, process)
        if found is not None:
            USED.add(id(rule))
        return found

    registry.Rule.answer = noted
    try:
        yield
    finally:
        registry.Rule.answer = answer

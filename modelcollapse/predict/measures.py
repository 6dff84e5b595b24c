"""What a run shows of the things that definitions of collapse speak of: risks by generation, and the last fits."""

from __future__ import annotations

import dataclasses
from typing import Any, Protocol

import numpy as np

from modelcollapse import families, regimes
from modelcollapse.families.gaussian import Normal
from modelcollapse.families.wrapping import Wrapper
from modelcollapse.location import exactly
from modelcollapse.numeric import shown
from modelcollapse.observables import OBSERVABLES, ExcessLogLoss, Read
from modelcollapse.predict.beside import Observed, of_run
from modelcollapse.predict.prediction import Predictions
from modelcollapse.predict.setting import Setting, simplest
from modelcollapse.protocols import Family, Moments, Params, Projects
from modelcollapse_theory import NotCovered, definitions

RISKS = (
    "chi_square", "squared_mean_error", "excess_risk", "squared_error", "w2_squared", "l2_squared", "kl_divergence",
    "total_variation",
)  # fmt: skip
"""Observables that are risks, the first recorded one of which a profile judges by."""
LOSS = "1 - H/H_0"
"""The loss of diversity, a risk of every run that keeps the heterozygosity."""


class Judged(Observed, Protocol):
    """What a profile reads of a run besides."""

    @property
    def trace(self) -> dict[str, np.ndarray]: ...
    @property
    def state(self) -> Any: ...
    @property
    def params(self) -> Params: ...


@dataclasses.dataclass(frozen=True, eq=False)
class Risk:
    """A risk by chain and recorded generation, ``(chain, generation)``, and its exact mean where that is known."""

    name: str
    values: np.ndarray
    exact: np.ndarray | None


@dataclasses.dataclass(frozen=True, eq=False)
class Look:
    """A run with what is known of its process."""

    run: Judged
    setting: Setting
    sound: np.ndarray
    """Which chains came to their end, booleans ``(chain,)``."""

    @property
    def family(self) -> Family:
        """What is refitted, within all wrappers."""
        family = self.run.family
        while isinstance(family, Wrapper):
            family = family.family
        return family

    @property
    def chains(self) -> int:
        """How many chains are sound."""
        return int(self.sound.sum())

    @property
    def last(self) -> int:
        """The last generation of the run."""
        return len(self.run.sizes()) - 1

    def trace(self, name: str) -> np.ndarray:
        """The trace of an observable in the chains that are sound, float64."""
        return np.asarray(self.run.trace[name], np.float64)[self.sound]

    def predicted(self, name: str) -> np.ndarray | None:
        """The exact mean of an observable of this package at the recorded generations, ``(G, ...)``."""
        return _exact(of_run(self.run, {name: Read(OBSERVABLES[name])}), name)

    def at_the_end(self, name: str) -> np.ndarray | None:
        """The same at the last generation, if that is recorded."""
        found = self.predicted(name)
        there = self.run.recorded.size and int(self.run.recorded[-1]) == self.last
        return found[-1] if found is not None and there else None

    def law(self) -> np.ndarray | None:
        """The true law ``(K,)`` of a discrete process."""
        try:
            return self.setting.law if isinstance(self.family, families.Discrete) else None
        except NotCovered:
            return None

    def states(self) -> np.ndarray | None:
        """The last law of every sound chain of a discrete process, ``(chain, K)``."""
        params = self.run.params
        if not isinstance(self.family, families.Discrete) or np.ndim(params) != 2:
            return None
        return np.asarray(params, np.float64)[self.sound]

    def normal(self) -> tuple[np.ndarray, np.ndarray] | None:
        """Mean and log variance of every coordinate of the last normal law of every sound chain, ``(chain, d)``."""
        params = self.run.params
        if not isinstance(params, Normal) or np.ndim(params.mean) != 2:
            return None
        unit, scale = (np.asarray(x, np.float64)[self.sound] for x in (params.unit, params.log_scale))
        with np.errstate(divide="ignore"):
            each = 2 * (np.log(np.abs(unit)) + scale[:, None, :])
        return np.asarray(params.mean, np.float64)[self.sound], np.logaddexp.reduce(each, axis=2)

    def moments(self) -> tuple[np.ndarray, np.ndarray] | None:
        """True mean and variances ``(d,)``."""
        try:
            mean, covariance = self.setting.moments
        except NotCovered:
            return None
        return mean, np.diagonal(covariance)


def look(run: Judged) -> Look:
    """A run, ready to be judged."""
    sizes, source = np.asarray(run.sizes()), exactly(run.source)
    regime = simplest(run.family, source, run.regime, sizes) or run.regime
    setting = Setting(run.family, source, regime, sizes, np.asarray(run.recorded) + 1)
    return Look(run, setting, np.asarray(run.state.status) == 0)


def risk(seen: Look, name: str | None = None) -> Risk | None:
    """The risk that a run is judged by: the one of that name, else the first in ``RISKS`` or what follows from others.

    Raises
    ------
    KeyError, TypeError
        If the run kept nothing of that name, or it is no name.
    ValueError
        If it is not one number for each chain and generation.
    """
    trace = seen.run.trace
    if name is None:
        name = next((known for known in RISKS if known in trace and np.ndim(trace[known]) == 2), None)
        return _implied(seen) if name is None else Risk(name, seen.trace(name), _mean(seen, name))
    if not isinstance(name, str):
        raise TypeError(f"risk must be the name of an observable of the run, got {shown(name)}")
    if name not in trace:
        raise KeyError(f"risk must be an observable of the run, one of {', '.join(trace)}, got {name!r}")
    if np.ndim(trace[name]) != 2:
        raise ValueError(f"risk must be one number for each chain and generation, {name!r} is an array of them")
    return Risk(name, seen.trace(name), _mean(seen, name))


def _mean(seen: Look, name: str) -> np.ndarray | None:
    if isinstance(seen.run.observables[name], ExcessLogLoss):
        return _log_loss(seen)
    return _exact(of_run(seen.run), name)


def _log_loss(seen: Look) -> np.ndarray | None:
    """The exact mean log loss of normal refits on one coordinate."""
    s, family = seen.setting, seen.run.family
    if type(family) is not families.Gaussian or type(s.regime) is not regimes.Replace or not s.constant:
        return None
    if s.drawn_from is not families.Gaussian:
        return None
    try:
        if s.covariance.shape != (1, 1):
            return None
        found = definitions.expected_log_loss(int(s.sizes[0]), s.fits, ddof=int(family.ddof))
    except NotCovered:
        return None
    return found if np.all(np.isfinite(found)) else None


def _implied(seen: Look) -> Risk | None:
    """A risk that follows from what is kept for other ends."""
    trace, law = seen.run.trace, seen.law()

    def kept(name: str, dimensions: int) -> bool:
        return name in trace and np.ndim(trace[name]) == dimensions

    if kept("heterozygosity", 2) and law is not None and (law * (1 - law)).sum() > 0:
        start, mean = (law * (1 - law)).sum(), seen.predicted("heterozygosity")
        return Risk(LOSS, 1 - seen.trace("heterozygosity") / start, None if mean is None else 1 - mean / start)
    if kept("probabilities", 3) and law is not None:
        there = law > 0
        square = (seen.trace("probabilities")[..., there] - law[there]) ** 2 / law[there]
        return Risk("chi_square", square.sum(-1), seen.predicted("chi_square"))
    if kept("mean", 3) and (moments := seen.moments()) is not None:
        square = ((seen.trace("mean") - moments[0]) ** 2).sum(-1)
        return Risk("squared_mean_error", square, seen.predicted("squared_mean_error"))
    truth = seen.run.family.project(seen.run.source) if isinstance(seen.run.family, Projects) else None
    if kept("coefficients", 3) and truth is not None and not isinstance(truth, Moments):
        square = ((seen.trace("coefficients") - np.asarray(truth.weights, np.float64)) ** 2).sum(-1)
        return Risk("squared_error", square, seen.predicted("squared_error"))
    return None


def _exact(found: Predictions, name: str) -> np.ndarray | None:
    """The values of a prediction that is an exact mean."""
    if name not in found:
        return None
    one = found[name]
    return one.values if one.kind == "mean" and one.order.startswith("exact") else None

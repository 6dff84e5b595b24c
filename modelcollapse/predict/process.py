"""What the closed forms may know of a process: exact numbers of its parts, on the host, and which parts they are.

Parts are known by their exact type. A subclass, a wrapper or a regime of the user's own is another process, and nothing here
describes it.
"""

from __future__ import annotations

import dataclasses
import functools
from typing import Any

import numpy as np

from modelcollapse import families, regimes
from modelcollapse.families.exponential import LogScale, Mean
from modelcollapse.families.gaussian import Normal
from modelcollapse.laws import Law, Table
from modelcollapse.portions import portion

COUNTS = (families.Binomial, families.Poisson, families.NegativeBinomial)
ONE_PARAMETER = (*COUNTS, families.Gamma, families.GaussianMean)
FAITHFUL = (
    *ONE_PARAMETER, families.Discrete, families.Gaussian, families.GaussianMixture, families.KernelDensity, families.PPCA,
    families.Pareto, families.Regression, families.Uniform,
)  # fmt: skip
"""Families whose draws have the mean and covariance that their parameters say."""
CONSERVING = (
    regimes.Replace, regimes.FreshReal, regimes.FixedReal, regimes.Retain, regimes.Mixture, regimes.Accumulate,
    regimes.AccumulateSubsample, regimes.Weighted, regimes.Switch,
)  # fmt: skip
"""Regimes whose data sets hold draws of past fits and of the truth, picked without a look at their values."""


def steady(schedule: Any, sizes: np.ndarray) -> Any:
    """The one value of a number or schedule from generation 1 on, or None if it changes; entry 0 is never read."""
    values = np.broadcast_to(np.asarray(schedule), sizes.shape)
    values = values[1:] if values.size > 1 else values
    return values[0].item() if (values == values[0]).all() else None


@dataclasses.dataclass(frozen=True, eq=False)
class Process:
    """A family refitted under a regime, with ``sizes`` (generations + 1,) and the ``fits`` that are asked for, counted from 1."""

    family: Any
    source: Any
    regime: Any
    sizes: np.ndarray
    fits: np.ndarray

    @property
    def last(self) -> int:
        """Number of fits in all."""
        return self.sizes.size

    @functools.cached_property
    def size(self) -> int | None:
        """M, if it is the same in every generation."""
        return int(self.sizes[0]) if (self.sizes == self.sizes[0]).all() else None

    def trajectory(self, values: Any) -> np.ndarray:
        """Entries of ``fits`` from values after 0, 1, 2, ... fits."""
        return np.asarray(values)[self.fits]

    def after(self, values: Any) -> np.ndarray:
        """Entries of ``fits`` from values after 1, 2, ... fits."""
        return np.asarray(values)[self.fits - 1]

    @property
    def recorded(self) -> int:
        """Number of fits that are asked for."""
        return self.fits.size

    @functools.cached_property
    def drawn_from(self) -> type | None:
        """The exact family of the law that is real, or None for a table."""
        return type(self.source.family) if type(self.source) is Law else None

    def own(self, parameter: str | None = None) -> Any:
        """The true parameters, if real data come from a law of this very family, ``parameter`` in common."""
        if self.drawn_from is not type(self.family):
            return None
        if parameter is not None:
            mine, theirs = (float(getattr(f, parameter)) for f in (self.family, self.source.family))
            if not np.isclose(mine, theirs, rtol=1e-6):
                return None
        return self.source.params

    @property
    def normal(self) -> bool:
        """Whether real data are normal."""
        return self.drawn_from in (families.Gaussian, families.GaussianMean)

    # --- finite tables -------------------------------------------------------------------------------------------------

    @functools.cached_property
    def rows(self) -> int | None:
        """N, if real data are drawn without replacement from a table of N rows."""
        return int(self.source.points.shape[0]) if type(self.source) is Table and not self.source.replace else None

    @functools.cached_property
    def spread(self) -> float | None:
        """Variance between two different real draws over that of independent ones, ``N/(N - 1)`` for a table of N rows.

        1 for independent draws. None where later data sets draw again from such a table, and so may hold the same rows, or N is 1.
        """
        if self.rows is None:
            return 1.0
        return self.rows / (self.rows - 1) if self.rows > 1 and _real_once(self.regime) else None

    def less_shared(self, share: Any) -> np.ndarray:
        """A loss of independent draws as it is for those of the table: what is kept grows by ``spread``."""
        kept = self.spread
        assert kept is not None
        return np.asarray(share) if kept == 1 else np.maximum(kept * np.asarray(share) - (kept - 1), 0.0)

    # --- the truth -----------------------------------------------------------------------------------------------------

    @functools.cached_property
    def law(self) -> np.ndarray | None:
        """p0 ``(K,)`` of a discrete process, if it is known."""
        if self.drawn_from is families.Discrete:
            p = np.asarray(self.source.params, np.float64)
        else:
            states = self.family.states or (self.source.states if type(self.source) is Table else None)
            if type(self.source) is not Table or self.source.points.ndim != 1 or states is None:
                return None
            p = np.bincount(np.asarray(self.source.points), minlength=states).astype(np.float64)
        return p / p.sum()

    @functools.cached_property
    def moments(self) -> tuple[np.ndarray, np.ndarray] | None:
        """Mean ``(d,)`` and covariance ``(d, d)`` of real data, where both are known; the covariance may be infinite."""
        if type(self.source) is Table:
            points = np.asarray(self.source.points, np.float64).reshape(self.source.points.shape[0], -1)
            return points.mean(0), np.atleast_2d(np.cov(points.T, ddof=0))
        if self.drawn_from not in FAITHFUL:
            return None
        params = self.source.params
        if type(params) is Normal:
            factor = np.asarray(params.unit, np.float64) * np.exp(np.asarray(params.log_scale, np.float64))
            return np.asarray(params.mean, np.float64), factor @ factor.T
        if type(params) is Mean:
            return np.asarray(params.mean, np.float64), np.asarray(params.variance, np.float64)[:, None]
        if type(params) is LogScale:
            logs = (np.asarray(x, np.float64) for x in (params.log_mean, params.log_variance))
            mean, variance = (np.exp(x) for x in logs)
            return mean, variance[:, None]
        known = self.source.moments()
        return None if known is None else (np.asarray(known[0], np.float64), np.asarray(known[1], np.float64))

    @functools.cached_property
    def mean(self) -> np.ndarray | None:
        """True mean ``(d,)``, where it is finite."""
        return self.moments[0] if self.moments is not None and np.all(np.isfinite(self.moments[0])) else None

    @functools.cached_property
    def covariance(self) -> np.ndarray | None:
        """True covariance ``(d, d)``, where it is finite and no coordinate is constant."""
        sigma = None if self.moments is None else self.moments[1]
        return sigma if sigma is not None and np.all(np.isfinite(sigma)) and np.all(np.diagonal(sigma) > 0) else None


# --- the same process, said more simply ---------------------------------------------------------------------------------


def reduced(family: Any, source: Any, regime: Any, sizes: np.ndarray) -> tuple[Any, Any] | None:
    """Family and regime of the same process in their simplest form; None if a part is not one of this package, to the exact type."""
    if type(source) not in (Law, Table):
        return None
    if type(family) is families.Damped and np.ndim(family.rate) == 0 and float(family.rate) == 1:
        family = family.family
    simpler = _simplest(family, source, regime, sizes)
    return None if simpler is None else (family, simpler)


def _simplest(family: Any, source: Any, regime: Any, sizes: np.ndarray) -> Any:
    kind = type(regime)
    if kind not in CONSERVING:
        return None
    if kind is regimes.Switch:
        parts = [_simplest(family, source, part, sizes) for part in (regime.before, regime.after)]
        if parts[0] is None or parts[1] is None:
            return None
        if int(regime.generation) >= sizes.size or {type(part) for part in parts} == {regimes.Replace}:
            return parts[0]
        return regimes.Switch(parts[0], parts[1], regime.generation)
    if kind is regimes.Mixture:
        if _cut(family, source, regime, sizes):
            return None
        return regimes.Replace() if steady(regime.alpha, sizes) == 1 else regime
    return regimes.Replace() if _draws_models_only(regime, sizes) else regime


def _draws_models_only(regime: Any, sizes: np.ndarray) -> bool:
    kind = type(regime)
    if kind is regimes.FixedReal:
        return portion(regime.share, sizes[0]) == 0
    if kind is regimes.FreshReal:
        return not portion(regime.share, sizes)[1:].any()
    if kind is regimes.Retain:
        return not portion(regime.share, sizes)[1:].any() and not portion(regime.fresh, sizes)[1:].any()
    return False


def _cut(family: Any, source: Any, mixture: Any, sizes: np.ndarray) -> bool:
    """Whether the memory of a mixture was cut short by its ``depth``, so that weight was lost."""
    closed = type(family) is families.Discrete and type(source) is Law and type(source.family) is families.Discrete
    beta = float(np.max(np.asarray(mixture.beta)))
    if mixture.depth is None or closed or beta == 0 or mixture.depth >= sizes.size - 1:
        return False
    return beta**mixture.depth * float(sizes.sum()) > 1e-12


def _real_once(regime: Any) -> bool:
    """Whether only the first data set draws from the truth."""
    kind = type(regime)
    if kind is regimes.Switch:
        return _real_once(regime.before) and _real_once(regime.after)
    if kind is regimes.Retain:
        return not np.any(np.asarray(regime.fresh))
    return kind in (regimes.Replace, regimes.Accumulate, regimes.AccumulateSubsample)

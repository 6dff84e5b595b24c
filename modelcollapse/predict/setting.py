"""What the closed forms may know of a process: exact numbers of its parts, on the host, and which parts they are.

Parts are known by their exact type. A subclass, or a wrapper or regime that no rule names, makes another process, and
nothing here describes it. What a rule asks for and the process lacks (one sample size, a known law) raises
``NotCovered``, as a theorem does where it refuses.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable
from typing import Any, TypeAlias, TypeVar

import numpy as np
from numpy.typing import ArrayLike

from modelcollapse import families, regimes
from modelcollapse.families.exponential import LogScale, Mean
from modelcollapse.families.gaussian import Normal
from modelcollapse.laws import Law, Table, Tokens
from modelcollapse.portions import portion
from modelcollapse.protocols import Family, Regime, Source
from modelcollapse.together import Separate, Tree
from modelcollapse_theory import NotCovered

T = TypeVar("T")

COUNTS = (families.Binomial, families.Poisson, families.NegativeBinomial)
ONE_PARAMETER = (*COUNTS, families.Gamma, families.GaussianMean)
FAITHFUL = (
    *ONE_PARAMETER, families.Discrete, families.Gaussian, families.GaussianMixture, families.KernelDensity,
    families.PPCA, families.Pareto, families.Regression, families.Uniform,
)  # fmt: skip
"""Families whose draws have the mean and covariance that their parameters say."""
CONSERVING = (
    regimes.Replace, regimes.FreshReal, regimes.FixedReal, regimes.Retain, regimes.Mixture, regimes.Accumulate,
    regimes.AccumulateSubsample, regimes.Weighted, regimes.Switch,
)  # fmt: skip
"""Regimes whose data sets hold draws of past fits and of the truth, picked without a look at their values."""


def known(value: T | None) -> T:
    """``value``; NotCovered where it is None."""
    if value is None:
        raise NotCovered
    return value


def needed(condition: object) -> None:
    """NotCovered unless ``condition`` is true."""
    if not condition:
        raise NotCovered


def steady(schedule: ArrayLike, sizes: np.ndarray) -> float | None:
    """The one value of a number or schedule from generation 1 on, or None if it changes; entry 0 is never read."""
    values = np.broadcast_to(np.asarray(schedule), sizes.shape)
    values = values[1:] if values.size > 1 else values
    return values[0].item() if (values == values[0]).all() else None


@dataclasses.dataclass(frozen=True, eq=False)
class Setting:
    """A family refitted under a regime, with ``sizes`` (generations + 1,); the ``fits`` asked for count from 1."""

    family: Any
    source: Any
    regime: Any
    sizes: np.ndarray
    fits: np.ndarray
    observable: Any = None
    """What is observed, where a rule asks for more than its function."""

    @property
    def last(self) -> int:
        """Number of all fits."""
        return self.sizes.size

    @functools.cached_property
    def constant(self) -> bool:
        """Whether the sample size is the same in every generation."""
        return bool((self.sizes == self.sizes[0]).all())

    @property
    def size(self) -> int:
        """M, where it is the same in every generation."""
        needed(self.constant)
        return int(self.sizes[0])

    def steady(self, schedule: ArrayLike) -> float:
        """The one value of a number or schedule from generation 1 on."""
        return known(steady(schedule, self.sizes))

    def items(self, share: ArrayLike) -> int:
        """The number of items that a share of the sample size comes to, where it is the same in every generation."""
        return int(self.steady(portion(share, self.sizes)))

    def trajectory(self, values: ArrayLike) -> np.ndarray:
        """Entries of ``fits`` from values after 0, 1, 2, ... fits."""
        return np.asarray(values)[self.fits]

    def after(self, values: ArrayLike) -> np.ndarray:
        """Entries of ``fits`` from values after 1, 2, ... fits."""
        return np.asarray(values)[self.fits - 1]

    def always(self, value: ArrayLike) -> np.ndarray:
        """The same ``value`` at each of ``fits``."""
        found = np.asarray(value)
        return np.broadcast_to(found, (self.fits.size, *found.shape))

    @functools.cached_property
    def drawn_from(self) -> type | None:
        """The exact family of the real law, or None for a table."""
        return type(self.source.family) if type(self.source) is Law else None

    def own(self, parameter: str | None = None) -> Any:
        """The true parameters, where real data come from a law of this very family that agrees on ``parameter``."""
        needed(self.drawn_from is type(self.family))
        if parameter is not None:
            mine, theirs = (float(getattr(f, parameter)) for f in (self.family, self.source.family))
            needed(np.isclose(mine, theirs, rtol=1e-6))
        return self.source.params

    # --- finite tables -----------------------------------------------------------------------------------------------

    @functools.cached_property
    def rows(self) -> int | None:
        """N, if real data are drawn without replacement from a table of N rows."""
        return int(self.source.points.shape[0]) if type(self.source) is Table and not self.source.replace else None

    @functools.cached_property
    def spread(self) -> float:
        """Variance between two different real draws over that of independent ones: 1, or ``N/(N - 1)`` for N rows.

        NotCovered where later data sets draw again from such a table, and so may hold the same rows, or N is 1.
        """
        if self.rows is None:
            return 1.0
        needed(self.rows > 1 and _real_once(self.regime))
        return self.rows / (self.rows - 1)

    def less_shared(self, loss: ArrayLike) -> np.ndarray:
        """A loss of independent draws turned into one of draws from the table: what is kept grows by ``spread``."""
        kept, lost = self.spread, np.asarray(loss)
        return lost if kept == 1 else np.maximum(kept * lost - (kept - 1), 0.0)

    # --- the truth ---------------------------------------------------------------------------------------------------

    @functools.cached_property
    def law(self) -> np.ndarray:
        """p0 ``(K,)`` of a discrete process, where it is known."""
        if self.drawn_from is families.Discrete:
            p = np.asarray(self.source.params, np.float64)
        else:
            needed(type(self.source) is Table and self.source.points.ndim == 1)
            states = known(self.family.states or self.source.states)
            p = np.bincount(np.asarray(self.source.points), minlength=states).astype(np.float64)
        return p / p.sum()

    @functools.cached_property
    def moments(self) -> tuple[np.ndarray, np.ndarray]:
        """Mean ``(d,)`` and covariance ``(d, d)`` of real data, where both are known; either may be infinite."""
        if type(self.source) is Table:
            points = np.asarray(self.source.points, np.float64).reshape(self.source.points.shape[0], -1)
            return points.mean(0), np.atleast_2d(np.cov(points.T, ddof=0))
        needed(self.drawn_from in FAITHFUL)
        params = self.source.params
        if type(params) is Normal:
            factor = np.asarray(params.unit, np.float64) * np.exp(np.asarray(params.log_scale, np.float64))
            return np.asarray(params.mean, np.float64), factor @ factor.T
        if type(params) is Mean:
            return np.asarray(params.mean, np.float64), np.asarray(params.variance, np.float64)[:, None]
        if type(params) is LogScale:
            mean, variance = (np.exp(np.asarray(x, np.float64)) for x in (params.log_mean, params.log_variance))
            return mean, variance[:, None]
        mean, covariance = known(self.source.moments())
        return np.asarray(mean, np.float64), np.asarray(covariance, np.float64)

    @property
    def mean(self) -> np.ndarray:
        """True mean ``(d,)``, where it is finite."""
        needed(np.all(np.isfinite(self.moments[0])))
        return self.moments[0]

    @property
    def finite_covariance(self) -> np.ndarray:
        """True covariance ``(d, d)``, where it is finite; coordinates may be constant."""
        needed(np.all(np.isfinite(self.moments[1])))
        return self.moments[1]

    @property
    def covariance(self) -> np.ndarray:
        """True covariance ``(d, d)``, where it is finite and no coordinate is constant."""
        needed(np.all(np.diagonal(self.finite_covariance) > 0))
        return self.moments[1]

    @property
    def variances(self) -> np.ndarray:
        """True variances ``(d,)``, as ``covariance``."""
        return np.diagonal(self.covariance)


# --- conditions on what is real, for ``source=`` of a rule -----------------------------------------------------------


def independent(s: Setting) -> bool:
    """Real draws are independent: they do not come from a table without replacement."""
    return s.rows is None


def drawn_once(s: Setting) -> bool:
    """Real draws are independent, or only the first data set draws from a table without replacement."""
    return s.spread >= 1


def normal(s: Setting) -> bool:
    """Real data are normal."""
    return s.drawn_from in (families.Gaussian, families.GaussianMean)


# --- the same process, said more simply ------------------------------------------------------------------------------


def reduced(family: Tree, source: Source, regime: Tree, sizes: np.ndarray) -> tuple[Any, Any] | None:
    """Family and regime of the same process in their simplest form; None if a part is not known."""
    kinds = {families.Population: Separate, families.NGram: Tokens}
    if type(source) not in (Law, Table, kinds.get(type(family))):
        return None
    if isinstance(family, families.Damped) and type(family) is families.Damped:
        family = family.family if np.ndim(family.rate) == 0 and float(family.rate) == 1 else family
    simpler = simplest(family, source, regime, sizes)
    return None if simpler is None else (family, simpler)


Reduced: TypeAlias = Callable[[Family, Source, Any, np.ndarray], Regime | None]
SIMPLER: dict[type, Reduced] = {}
"""For a type of regime, its simplest form as a function of family, source, regime and sizes."""
R = TypeVar("R", bound=Reduced)


def simplified(*kinds: type) -> Callable[[R], R]:
    """Register the decorated function as what makes regimes of these exact types simpler; None where nothing is known.

    A regime without one is as simple as it can be.
    """

    def register(function: R) -> R:
        SIMPLER.update(dict.fromkeys(kinds, function))
        return function

    return register


def simplest(family: Family, source: Source, regime: Regime, sizes: np.ndarray) -> Regime | None:
    """The simplest regime with the same data sets, or None where a part of it is not known."""
    simpler = SIMPLER.get(type(regime))
    return regime if simpler is None else simpler(family, source, regime, sizes)


@simplified(regimes.Switch)
def _(family: Family, source: Source, regime: regimes.Switch, sizes: np.ndarray) -> Regime | None:
    before, after = (simplest(family, source, part, sizes) for part in (regime.before, regime.after))
    if type(before) not in CONSERVING or type(after) not in CONSERVING:
        return None
    if int(regime.generation) >= sizes.size or {type(before), type(after)} == {regimes.Replace}:
        return before
    return regimes.Switch(before, after, regime.generation)


@simplified(regimes.Mixture)
def _(family: Family, source: Source, regime: regimes.Mixture, sizes: np.ndarray) -> Regime | None:
    if _cut(family, source, regime, sizes):
        return None
    return regimes.Replace() if steady(regime.alpha, sizes) == 1 else regime


@simplified(regimes.FixedReal)
def _(family: Family, source: Source, regime: regimes.FixedReal, sizes: np.ndarray) -> Regime:
    return regime if portion(regime.share, sizes[0]) else regimes.Replace()


@simplified(regimes.FreshReal)
def _(family: Family, source: Source, regime: regimes.FreshReal, sizes: np.ndarray) -> Regime:
    return regime if portion(regime.share, sizes)[1:].any() else regimes.Replace()


@simplified(regimes.Retain)
def _(family: Family, source: Source, regime: regimes.Retain, sizes: np.ndarray) -> Regime:
    both = (portion(share, sizes)[1:].any() for share in (regime.share, regime.fresh))
    return regime if any(both) else regimes.Replace()


def _cut(family: Family, source: Source, mixture: regimes.Mixture, sizes: np.ndarray) -> bool:
    """Whether the ``depth`` of a mixture cut its memory short, so that weight was lost."""
    of_discrete = type(source) is Law and type(source.family) is families.Discrete
    beta = float(np.max(np.asarray(mixture.beta)))
    if mixture.depth is None or beta == 0 or mixture.depth >= sizes.size - 1:
        return False
    return not (type(family) is families.Discrete and of_discrete) and beta**mixture.depth * float(sizes.sum()) > 1e-12


def _real_once(regime: Regime) -> bool:
    """Whether only the first data set draws from the truth."""
    if isinstance(regime, regimes.Switch):
        return _real_once(regime.before) and _real_once(regime.after)
    if isinstance(regime, regimes.Retain):
        return not np.any(np.asarray(regime.fresh))
    return isinstance(regime, (regimes.Replace, regimes.Accumulate, regimes.AccumulateSubsample))

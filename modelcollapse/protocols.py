"""Every seam of the package, declared once: what a part must have, and what it may have.

A part has an ability if it has the methods of the protocol; nothing needs to be inherited. The package asks by
``isinstance(part, Ability)`` on the host or while a program is traced, never in a compiled loop. A wrapper passes on
the abilities of what it wraps by one rule, ``modelcollapse.families.wrapping``.

``key`` is a JAX key, an address rather than a queue: derive others by ``jax.random.fold_in``. A number of draws ``n``
may be traced; ``capacity`` is a plain integer that bounds it. Parameters are any PyTree of arrays.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol, Self, TypeAlias, runtime_checkable

import jax
import numpy as np

from modelcollapse.declarations import Bounded as Bounded
from modelcollapse.declarations import ByRows as ByRows
from modelcollapse.declarations import ChecksFamily as ChecksFamily
from modelcollapse.declarations import ComesShort as ComesShort
from modelcollapse.declarations import CountsTokens as CountsTokens
from modelcollapse.declarations import Detokenizes as Detokenizes
from modelcollapse.declarations import Diverse as Diverse
from modelcollapse.declarations import Divides as Divides
from modelcollapse.declarations import Equivariant as Equivariant
from modelcollapse.declarations import GoesOn as GoesOn
from modelcollapse.declarations import HasDensity as HasDensity
from modelcollapse.declarations import HasFactor as HasFactor
from modelcollapse.declarations import HasFeatures as HasFeatures
from modelcollapse.declarations import HasLogMean as HasLogMean
from modelcollapse.declarations import HasLogVariance as HasLogVariance
from modelcollapse.declarations import HasPoints as HasPoints
from modelcollapse.declarations import HasRates as HasRates
from modelcollapse.declarations import HasTokenizer as HasTokenizer
from modelcollapse.declarations import HasVariance as HasVariance
from modelcollapse.declarations import HasWhole as HasWhole
from modelcollapse.declarations import HoldsRows as HoldsRows
from modelcollapse.declarations import InPlace as InPlace
from modelcollapse.declarations import LosesOnData as LosesOnData
from modelcollapse.declarations import Marks as Marks
from modelcollapse.declarations import MayForget as MayForget
from modelcollapse.declarations import Moments as Moments
from modelcollapse.declarations import Movable as Movable
from modelcollapse.declarations import Multiplies as Multiplies
from modelcollapse.declarations import Needs as Needs
from modelcollapse.declarations import NeedsItems as NeedsItems
from modelcollapse.declarations import Numbered as Numbered
from modelcollapse.declarations import OfKind as OfKind
from modelcollapse.declarations import Pools as Pools
from modelcollapse.declarations import PredictsTokens as PredictsTokens
from modelcollapse.declarations import ReadsTokens as ReadsTokens
from modelcollapse.declarations import Rewritable as Rewritable
from modelcollapse.declarations import Samples as Samples
from modelcollapse.declarations import Saves as Saves
from modelcollapse.declarations import SaysUnfit as SaysUnfit
from modelcollapse.declarations import ScoresTokens as ScoresTokens
from modelcollapse.declarations import Staggers as Staggers
from modelcollapse.declarations import WeighsApart as WeighsApart
from modelcollapse.declarations import marks as marks
from modelcollapse.declarations import vouched as vouched

if TYPE_CHECKING:
    from modelcollapse.data import Rows
    from modelcollapse.laws import Law, Stream
    from modelcollapse.loop import State

# PyTrees of any kind; the truth is the parameters that infinitely many real draws would be fitted by, or None
Params: TypeAlias = Any
Memory: TypeAlias = Any
Carry: TypeAlias = Any
Truth: TypeAlias = Any
Number: TypeAlias = float | np.ndarray | jax.Array
Count: TypeAlias = int | jax.Array


@runtime_checkable
class Data(Protocol):
    """What a family is fitted to: ``size`` draws. ``a | b`` pools two data sets; an empty one changes nothing."""

    size: jax.Array

    def __or__(self, other: Self) -> Self: ...

    @staticmethod
    def capacity_for(size: int) -> int:
        """The capacity to draw at most ``size`` items with; nearby sizes may share one, and with it a program."""


@runtime_checkable
class HasItems(Protocol):
    """A data set of items: ``take`` gives a uniformly random subset of ``n`` of them, or all if it has no more."""

    def take(self, key: jax.Array, n: Count, capacity: int) -> Self: ...


@runtime_checkable
class HasRoom(Protocol):
    """A data set kept as an array that may be longer than its rows: which are ``present``, and a longer array."""

    present: jax.Array

    def with_room(self, capacity: int) -> Self: ...


@runtime_checkable
class CanWeigh(Protocol):
    """A data set whose rows may carry weights: in a mixed pool these weigh ``weight`` in all, the other's the rest."""

    def mixed(self, other: Self, weight: Number) -> Self: ...


@runtime_checkable
class Source(Protocol):
    """What is real: independent rows, and their mean ``(d,)`` and covariance ``(d, d)`` where these are known."""

    def draw_rows(self, key: jax.Array, n: Count, capacity: int) -> Rows: ...

    def moments(self) -> tuple[jax.Array, jax.Array] | None: ...


@runtime_checkable
class Family(Protocol):
    """What is refitted at each generation. Its ``draw`` takes ``given`` only if it ``Continues``."""

    @property
    def data(self) -> type[Any]: ...  # a class with the methods of ``Data``

    def draw(self, key: jax.Array, params: Params, n: Count, capacity: int) -> Any:
        """``n`` independent draws as one data set."""

    def draw_rows(self, key: jax.Array, params: Params, n: Count, capacity: int) -> Rows: ...

    def summarise(self, rows: Rows) -> Any:
        """The data set that these rows make."""

    def fit(self, key: jax.Array, data: Any, previous: Params | None) -> Params:
        """Parameters fitted to ``data``, or numbers that are not finite; ``previous`` is None at generation 0."""


@runtime_checkable
class Continues(Protocol):
    """A family whose draws may continue ``given`` rows: ``continued_rows`` of real rows, prompts or covariates."""

    def draw(self, key: jax.Array, params: Params, n: Count, capacity: int, given: Rows | None = None) -> Any: ...

    def continued_rows(self, rows: Rows) -> Rows: ...


@runtime_checkable
class DrawsMany(Protocol):
    """A family with a shorter way to draw many rows: ``draw_many`` is right for 0 rows, and from ``many`` rows on."""

    def many(self, source: Source) -> int: ...
    def draw_many(self, key: jax.Array, params: Params, n: Count, capacity: int) -> Any: ...


@runtime_checkable
class Precedes(Protocol):
    """A family whose fit does not look at ``previous``; ``before`` is a model that draws as ``source`` does, or None.

    Where a regime opens, too, generation 0 is made by the program of all others.
    """

    def before(self, source: Source) -> Params | None: ...


@runtime_checkable
class Checks(Protocol):
    """A family that refuses a source or numbers of items ``(generations + 1,)`` per fit, by ValueError or TypeError."""

    def check(self, source: Source, sizes: np.ndarray) -> None: ...


@runtime_checkable
class ChecksNeeds(Protocol):
    """A family that refuses a regime by what it ``needs``, by a ValueError, as it cannot draw part of a data set."""

    def check_needs(self, regime: Any, needs: Needs) -> None: ...


@runtime_checkable
class Reads(Protocol):
    """A family that reads a source in its own way: ``reading`` gives what its runs draw from."""

    def reading(self, source: Source) -> Source: ...


@runtime_checkable
class Informed(Protocol):
    """A family that a source may tell something, such as its number of states."""

    def told(self, source: Source) -> Self: ...


@runtime_checkable
class Projects(Protocol):
    """A family that knows the truth for observables: what infinitely many draws would be fitted by, or None."""

    def project(self, source: Source) -> Truth: ...


@runtime_checkable
class Limits(Protocol):
    """A family that knows what infinitely many draws teach it, biases included, or None; ``Exact`` needs it."""

    def limit(self, source: Any) -> Params | None: ...


@runtime_checkable
class Mixes(Protocol):
    """A family that mixtures of its laws belong to; ``weights`` ``(n,)``, leaves of ``params`` ``(n, ...)``."""

    def mix(self, weights: jax.Array, params: Params) -> Params: ...


@runtime_checkable
class Blends(Protocol):
    """A family with a meaningful path between two fits; ``Damped`` needs it."""

    def blend(self, previous: Params, fitted: Params, rate: Number) -> Params: ...


@runtime_checkable
class Rests(Protocol):
    """A family with fixed points: laws whose draws are all alike, so that a refit gives the same law bit for bit."""

    def at_rest(self, params: Params) -> jax.Array: ...


@runtime_checkable
class Validates(Protocol):
    """A family that says itself, boolean ``()``, whether a fit succeeded; otherwise its numbers must be finite."""

    def valid(self, params: Params) -> jax.Array: ...


@runtime_checkable
class KeepsRows(Protocol):
    """A family whose parameters hold the rows of a fit; ``with_room`` gives them the shape of ``capacity`` rows."""

    def with_room(self, params: Params, capacity: int) -> Params: ...


@runtime_checkable
class HoldsData(Protocol):
    """A family whose parameters hold the data set of the fit, so that a regime that ``Appends`` needs no memory."""

    def held(self, params: Params) -> Any: ...

    def shortened(self, params: Params, before: Params) -> Params:
        """The fit ``before``, in the array of ``params``, to which rows were only appended since."""


@runtime_checkable
class Works(Protocol):
    """A family that says how many numbers a fit or draw holds for each item; the default is 4."""

    def workspace(self, params: Params) -> int: ...


@runtime_checkable
class Labours(Protocol):
    """A family whose fit to ``rows`` rows is far more work than its size tells: about how many products it takes."""

    def labour(self, params: Params, rows: int) -> int: ...


@runtime_checkable
class SeesLaws(Protocol):
    """A family that is fitted to laws: ``population`` is what infinitely many draws give, weighing ``n`` in a pool."""

    deterministic: bool

    def population(self, law: Any, n: Count) -> Any: ...


@runtime_checkable
class Represents(Protocol):
    """A family that keeps another's law in its own form; if not ``labelled``, positive entries in any order will do."""

    def represented(self, params: Params, labelled: bool = True) -> Params: ...


@runtime_checkable
class GivesOut(Protocol):
    """A wrapper of what a model gives out, never of real data: a law of the family within, or else a source."""

    def given_out(self, params: Params) -> Law | Source: ...


@runtime_checkable
class Observed(Protocol):
    """A family with observables of its own: what ``simulate`` keeps if nothing else is asked for."""

    default_observables: tuple[str, ...]


@runtime_checkable
class Regime(Protocol):
    """Which data the next generation learns from. ``needs_items`` says that it takes subsets of data sets."""

    @property
    def needs_items(self) -> bool: ...

    def start(self, key: jax.Array, real: Stream, size: jax.Array) -> tuple[Any, Memory]:
        """The real data set of generation 0, and the first memory."""

    def next(
        self, key: jax.Array, model: Stream, real: Stream, memory: Memory, size: jax.Array, generation: jax.Array
    ) -> tuple[Any, Memory]:
        """The data set of ``generation`` (1, 2, ...; 0 too if it ``Opens``) and the memory after it."""


@runtime_checkable
class Opens(Protocol):
    """A regime whose ``next`` also makes generation 0: there ``model`` is what is real, and the memory is zeros."""

    opens: bool


@runtime_checkable
class Exchanges(Protocol):
    """A regime of several models per chain, the first axis of all trees, and of ``keys``: plain ``c * models + i``."""

    @property
    def models(self) -> int: ...
    def start(self, keys: jax.Array, real: Stream, size: jax.Array) -> tuple[Any, Memory]: ...

    def exchange(
        self, keys: jax.Array, models: Stream, real: Stream, memory: Memory, size: jax.Array, generation: jax.Array
    ) -> tuple[Any, Memory]:
        """In place of ``next``, the data sets of all models."""


@runtime_checkable
class ChecksSizes(Protocol):
    """A regime or source that refuses sample sizes ``(generations + 1,)``, by a ValueError."""

    def check(self, sizes: np.ndarray) -> None: ...


@runtime_checkable
class Plans(Protocol):
    """A regime that draws more than it keeps, keeps more than a data set, or fits fewer items than it draws."""

    def plan(self, sizes: np.ndarray) -> Needs: ...


@runtime_checkable
class Prepares(Protocol):
    """A regime that finds counts or room before a run."""

    def prepared(self, family: Any, source: Any, sizes: np.ndarray) -> Self: ...


@runtime_checkable
class Resumes(Protocol):
    """A regime whose memory has another shape in a longer run: ``continued`` makes it of that of a shorter one."""

    def continued(self, memory: Memory) -> Memory: ...


@runtime_checkable
class Appends(Protocol):
    """A regime whose memory is the last data set, and whose next one is that with new rows after it."""

    appends: bool


@runtime_checkable
class SelfContained(Protocol):
    """A regime that shows a chain nothing but the newest model's output."""

    self_contained: bool


@runtime_checkable
class Observable(Protocol):
    """What is kept of a chain. Every generation passes through ``update``; only recorded ones are read."""

    def start(self, truth: Truth, first: State) -> Carry: ...
    def update(self, carry: Carry, state: State, truth: Truth) -> Carry: ...
    def read(self, carry: Carry, state: State, truth: Truth) -> jax.Array: ...


@runtime_checkable
class ChecksParams(Protocol):
    """An observable that refuses, by ValueError or TypeError, parameters of which only shapes and types are known."""

    def check(self, params: Params) -> None: ...

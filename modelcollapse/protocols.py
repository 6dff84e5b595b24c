"""Every seam of the package, declared once: what a part must have, and what it may have.

A part has an ability if it has the methods of the protocol; nothing needs to be inherited. The package asks by
``isinstance(part, Ability)`` on the host or while a program is traced, never in a compiled loop. A wrapper passes on
the abilities of what it wraps by one rule, ``modelcollapse.families.wrapping``.

``key`` is a JAX key, an address rather than a queue: derive others by ``jax.random.fold_in``. A number of draws ``n``
may be traced; ``capacity`` is a plain integer that bounds it. Parameters are any PyTree of arrays.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any, Protocol, Self, TypeAlias, runtime_checkable

import jax
import numpy as np

if TYPE_CHECKING:
    from modelcollapse.data import Rows
    from modelcollapse.laws import Law, Stream
    from modelcollapse.loop import State

# PyTrees of any kind: parameters of a family, memory of a regime, carry of an observable, and the parameters that
# infinitely many real draws would be fitted by (None where they are not known)
Params: TypeAlias = Any
Memory: TypeAlias = Any
Carry: TypeAlias = Any
Truth: TypeAlias = Any
# on the host or traced
Number: TypeAlias = float | np.ndarray | jax.Array
Count: TypeAlias = int | np.ndarray | jax.Array


@runtime_checkable
class Data(Protocol):
    """What a family is fitted to. ``a | b`` pools two data sets, and an empty one changes nothing."""

    @property
    def size(self) -> jax.Array:
        """How many draws it stands for, ``()``."""

    def __or__(self, other: Self) -> Self: ...

    @staticmethod
    def capacity_for(size: int) -> int:
        """The capacity for draws of at most ``size`` items; nearby sizes may share one, and with it a program."""


@runtime_checkable
class HasItems(Protocol):
    """A data set of items, which has subsets."""

    def take(self, key: jax.Array, n: Count, capacity: int) -> Self:
        """A uniformly random subset of ``n`` items, or the whole if it has no more."""


@runtime_checkable
class Thins(Protocol):
    """A data set that a filter may leave items out of."""

    def thinned(self, key: jax.Array, probability: Number) -> Self:
        """The items that stay, each with ``probability`` independently: one number, or one for each state or row."""


@runtime_checkable
class HasRoom(Protocol):
    """A data set kept as an array of rows, longer than their number."""

    def with_room(self, capacity: int) -> Self:
        """The same rows in an array of ``capacity`` or more."""


@runtime_checkable
class CanWeigh(Protocol):
    """A data set whose rows may carry weights."""

    def mixed(self, other: Self, weight: Number) -> Self:
        """The pool in which these rows weigh ``weight`` together, and the other's the rest; the mean weight is 1."""


@runtime_checkable
class Source(Protocol):
    """What is real."""

    def draw_rows(self, key: jax.Array, n: Count, capacity: int) -> Rows:
        """``n`` independent rows."""

    def moments(self) -> tuple[jax.Array, jax.Array] | None:
        """Mean ``(d,)`` and covariance ``(d, d)`` of a row, or None where they are not known."""


@runtime_checkable
class Family(Protocol):
    """What is refitted at each generation."""

    @property
    def data(self) -> type[Any]:
        """The kind of data set that it is fitted to: a class with the methods of ``Data``."""

    def draw(self, key: jax.Array, params: Params, n: Count, capacity: int) -> Any:
        """``n`` independent draws as one data set."""

    def draw_rows(self, key: jax.Array, params: Params, n: Count, capacity: int) -> Rows:
        """The same as rows."""

    def summarise(self, rows: Rows) -> Any:
        """The data set that these rows make."""

    def fit(self, key: jax.Array, data: Any, previous: Params | None) -> Params:
        """Fitted parameters; ``previous`` is None at generation 0. Numbers that are not finite mean failure."""


@runtime_checkable
class Continues(Protocol):
    """A family whose draws may continue rows, one draw for each: ``draw`` and ``draw_rows`` take ``given``."""

    def draw(self, key: jax.Array, params: Params, n: Count, capacity: int, given: Rows | None = None) -> Any: ...

    def continued_rows(self, rows: Rows) -> Rows:
        """What is given of real rows: their prompts, or their covariates."""


@runtime_checkable
class Checks(Protocol):
    """A family that refuses a source or sample sizes that it cannot be fitted to, before anything is compiled."""

    def check(self, source: Source, sizes: np.ndarray) -> None:
        """Raise ValueError or TypeError; ``sizes`` ``(generations + 1,)`` count the items that it is fitted to."""


@runtime_checkable
class Informed(Protocol):
    """A family that a source may tell something, such as its number of states."""

    def told(self, source: Source) -> Self: ...


@runtime_checkable
class Projects(Protocol):
    """A family that knows the truth that observables compare with."""

    def project(self, source: Source) -> Truth:
        """What infinitely many draws of ``source`` would be fitted by; None where it is not known."""


@runtime_checkable
class Limits(Protocol):
    """A family that knows what infinitely many draws teach it, biases of the learner included; ``Exact`` needs it."""

    def limit(self, source: Any) -> Params | None:
        """The parameters, from a law of its own or from anything with ``moments()``; None where they are not known."""


@runtime_checkable
class Mixes(Protocol):
    """A family that mixtures of its laws belong to."""

    def mix(self, weights: jax.Array, params: Params) -> Params:
        """The mixture law; ``weights`` ``(n,)``, leaves of ``params`` ``(n, ...)``."""


@runtime_checkable
class Blends(Protocol):
    """A family with a meaningful path between two fits; ``Damped`` needs it."""

    def blend(self, previous: Params, fitted: Params, rate: Number) -> Params: ...


@runtime_checkable
class Rests(Protocol):
    """A family with fixed points: laws whose draws are all alike, so that a refit gives the same law bit for bit."""

    def at_rest(self, params: Params) -> jax.Array:
        """Whether the law is one of them, boolean ``()``."""


@runtime_checkable
class Validates(Protocol):
    """A family that says itself which fits are failures; otherwise those with a number that is not finite are."""

    def valid(self, params: Params) -> jax.Array:
        """Boolean ``()``."""


@runtime_checkable
class KeepsRows(Protocol):
    """A family whose parameters hold the rows that they were fitted to."""

    def with_room(self, params: Params, capacity: int) -> Params:
        """The same law in the shape that parameters fitted to ``capacity`` rows have."""


@runtime_checkable
class Works(Protocol):
    """A family that says how much memory a fit or draw takes; the default is 4."""

    def workspace(self, params: Params) -> int:
        """Numbers held for each item."""


@runtime_checkable
class SeesLaws(Protocol):
    """A family that is fitted to laws in place of draws."""

    deterministic: bool

    def population(self, law: Any, n: Count) -> Any:
        """The data set that infinitely many draws of ``law`` give, which weighs as ``n`` items in a pool."""


@runtime_checkable
class Represents(Protocol):
    """A family that keeps the law of another one in a form of its own: what observables see is ``law(params)``."""

    def law(self, params: Params, labelled: bool = True) -> Params:
        """The parameters of the other family; if not ``labelled``, its positive probabilities in any order will do."""


@runtime_checkable
class GivesOut(Protocol):
    """A wrapper of what a model gives out (temperature, truncation): it changes the model's draws, never real data."""

    def given_out(self, params: Params) -> Law:
        """The law of what the model with these parameters gives out, as a law of the family within."""


@runtime_checkable
class Equivariant(Protocol):
    """A family that fits moved rows by the moved law (``Movable``), or a regime that ignores where rows lie."""

    equivariant: bool


@runtime_checkable
class Bounded(Protocol):
    """A family of rows within [0, 1]."""

    bounded: bool


@runtime_checkable
class Observed(Protocol):
    """A family with observables of its own: what ``simulate`` keeps if nothing else is asked for."""

    default_observables: tuple[str, ...]


@runtime_checkable
class Movable(Protocol):
    """Parameters of a law that has a location."""

    mean: jax.Array

    def moved(self, by: Any) -> Self:
        """The law of rows moved by ``by`` ``(d,)``."""


@runtime_checkable
class Moments(Protocol):
    """Parameters of a law with a mean ``(d,)`` and a covariance ``(d, d)``."""

    mean: jax.Array
    covariance: jax.Array


@runtime_checkable
class HasLogVariance(Protocol):
    """Parameters that know the logarithms of their variances ``(d,)``, and so do not underflow."""

    log_variance: jax.Array


@runtime_checkable
class HasVariance(Protocol):
    """Parameters that know their variances ``(d,)`` without a covariance."""

    variance: jax.Array


@runtime_checkable
class HasLogMean(Protocol):
    """Parameters that know the logarithm of their mean ``(d,)``."""

    log_mean: jax.Array


@runtime_checkable
class HasFactor(Protocol):
    """Parameters that hold a factor ``(d, d)`` of their covariance, ``factor @ factor.T``."""

    factor: jax.Array


@runtime_checkable
class HasDensity(Protocol):
    """Parameters of a law with a density."""

    def log_density(self, points: jax.Array) -> jax.Array:
        """Natural logarithm of the density at ``points`` ``(n, d)``, ``(n,)``."""


@dataclasses.dataclass(frozen=True)
class Needs:
    """What a regime needs of a run, by generation."""

    draw: np.ndarray
    """``(generations + 1,)``: the most draws that it asks a stream for at once."""
    pool: int
    """The most items that a data set or memory of it holds."""
    fitted: np.ndarray
    """``(generations + 1,)``: how many items the family is fitted to."""


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
        """The data set of ``generation`` (1, 2, ...) and the memory after it; ``model`` is the newest fit."""


@runtime_checkable
class Exchanges(Protocol):
    """A regime of several models in one chain, which see one another's output.

    Model i of chain c has the keys that chain ``c * models + i`` of a plain run has.
    """

    models: int

    def exchange(
        self,
        keys: jax.Array,
        models: tuple[Stream, ...],
        real: Stream,
        memory: Memory,
        size: jax.Array,
        generation: jax.Array,
    ) -> tuple[tuple[Any, ...], Memory]:
        """A data set for each model, in place of ``next``; ``keys`` and leaves of ``memory`` have the model first."""


@runtime_checkable
class ChecksSizes(Protocol):
    """A regime that refuses sample sizes."""

    def check(self, sizes: np.ndarray) -> None:
        """Raise ValueError; ``sizes`` ``(generations + 1,)``."""


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
    """A regime whose memory has another shape in a longer run."""

    def continued(self, memory: Memory) -> Memory:
        """The memory of a shorter run as this regime needs it."""


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
    """An observable that refuses parameters that it cannot be read from."""

    def check(self, params: Params) -> None:
        """Raise ValueError or TypeError; of ``params`` only shapes and types are known."""


@dataclasses.dataclass(frozen=True)
class Marks:
    """What an observable or a function of parameters says of itself by attributes; the defaults are safe."""

    units: str = ""
    dims: tuple[str, ...] = ()
    """Names of the dimensions beyond chain and generation."""
    settles: bool = False
    """It no longer changes once the parameters do not: chains that have come to rest then cost nothing."""
    unlabelled: bool = False
    """It depends on the positive probabilities alone, not on whose they are: lost states then cost nothing."""
    shifts: bool | None = None
    """True: its last axis moves with the coordinates of the rows. False: it stays if all rows move. None: unknown."""
    needs_truth: bool = False
    needs_data: bool = False
    """It reads ``state.data``, the data set that the generation was fitted to."""


def marks(observable: Any) -> Marks:
    """All marks of ``observable``, those that it does not set by default."""
    # the one place that asks an observable for attributes by name: a plain class or function need not set any
    said: Any = {field.name: getattr(observable, field.name, field.default) for field in dataclasses.fields(Marks)}
    return Marks(**said)


@runtime_checkable
class HoldsRows(Protocol):
    """An observable that holds real rows, which a run may keep about a location of its own."""

    def about(self, location: np.ndarray | None) -> Self: ...

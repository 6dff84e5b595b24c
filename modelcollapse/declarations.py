"""What parts say of themselves: marks of an observable, needs of a regime or fit, what parameters know of their law."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol, Self, TypeAlias, runtime_checkable

import jax
import numpy as np

if TYPE_CHECKING:
    from pathlib import Path

    from modelcollapse.laws import Stream
    from modelcollapse.protocols import Count, Family, Observable, Params
    from modelcollapse.run import Run

One: TypeAlias = "str | Callable[..., Any] | Observable"
Observe: TypeAlias = "One | Iterable[One] | Mapping[str, One]"
"""What is observed: a name, a function, an observable, several of them, or a dictionary from names."""
Seed: TypeAlias = int | Sequence[int] | np.ndarray | np.random.SeedSequence | jax.Array | None


@dataclasses.dataclass(frozen=True)
class Marks:
    """What an observable, or a function of parameters, may say of itself by attributes of these names.

    The defaults are safe. An observable made of others says all of it at once, by an attribute ``marks``.
    """

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
    """A run whose truth is not known is refused."""
    needs_data: bool = False
    """It reads ``state.data``, the data set that the generation was fitted to."""
    joint: bool = False
    """It reads all models of a chain at once: ``state.params`` is a ``Models``, and truths have the model first."""


def vouched(part: object, promise: str, *methods: str) -> bool:
    """Whether what ``part`` says by the attribute ``promise`` is about its own ``methods``.

    A class that defines one of these again says nothing by the promise that it inherits, which was made for another.
    """
    classes = [vars(part), *map(vars, type(part).__mro__)]

    def depth(name: str) -> int:
        return next((i for i, names in enumerate(classes) if name in names), len(classes))

    return all(depth(promise) <= depth(name) for name in methods)


def marks(observable: Any) -> Marks:
    """All marks of ``observable``, those that it does not set by default."""
    # the one place that asks an observable for attributes by name: a plain class or function need not set any
    own = getattr(observable, "marks", None)
    if isinstance(own, Marks):
        return own
    said: Any = {field.name: getattr(observable, field.name, field.default) for field in dataclasses.fields(Marks)}
    return Marks(**said)


@dataclasses.dataclass(frozen=True)
class Needs:
    """What a regime needs of a run, by generation."""

    draw: np.ndarray
    """``(generations + 1,)``: the most draws that it asks a stream for at once."""
    pool: int
    """The most items that a data set or memory of it holds."""
    fitted: np.ndarray
    """``(generations + 1,)``: how many items the family is fitted to."""
    least: int = 0
    """The fewest draws that it asks a stream for at once, where it asks for any; 0 where it does not say."""


@runtime_checkable
class Multiplies(Protocol):
    """A family whose models give ``times`` items for each one that is asked for."""

    times: int


@runtime_checkable
class Movable(Protocol):
    """Parameters of a law that has a location: ``moved`` gives the law of rows moved by ``by`` ``(d,)``."""

    mean: jax.Array

    def moved(self, by: np.ndarray | jax.Array) -> Self: ...


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
    """Parameters that know a factor F ``(d, d)`` of their covariance, which is ``F @ F.T``."""

    covariance_factor: jax.Array


@runtime_checkable
class HasDensity(Protocol):
    """Parameters of a law with a density, whose natural logarithm is ``(n,)`` at ``points`` ``(n, d)``."""

    def log_density(self, points: jax.Array) -> jax.Array: ...


@runtime_checkable
class SaysUnfit(Protocol):
    """A family that says, for the message of a chain that failed, which data leave it without a finite fit; a wrapper,
    where nothing comes out that can be fitted to.
    """

    unfit: str


@runtime_checkable
class HasRates(Protocol):
    """A regime's memory that knows the shares of synthetic and of real items that a detector flagged, ``(2,)``."""

    rates: jax.Array


@runtime_checkable
class OfKind(Protocol):
    """A family that says what its laws are: of ``kind`` "states", with parameters ``(K,)`` that are probabilities; or
    "normal", with a ``Normal``.
    """

    kind: str


@runtime_checkable
class ByRows(Protocol):
    """A family that, where ``by_rows``, draws rows and summarises them: a draw needs room for each of its rows."""

    by_rows: bool


@runtime_checkable
class WeighsApart(Protocol):
    """A data set whose weighted pools have a form of their own, ``alone`` that of one with nothing else in it."""

    def alone(self) -> Any: ...


@runtime_checkable
class NeedsItems(Protocol):
    """A family that says how few items it can be fitted to; the default is 1."""

    def fewest(self, params: Any) -> int | jax.Array: ...


@runtime_checkable
class Divides(Protocol):
    """A regime whose pool is draws of the newest model and real ones, ``divided``: how many of each, and no memory."""

    def divided(
        self, key: jax.Array, model: Stream, size: jax.Array, generation: int | jax.Array
    ) -> tuple[int | jax.Array, int | jax.Array]: ...


@runtime_checkable
class Pools(Protocol):
    """A regime that gives the rows of a pool itself, and says which of them ``(capacity,)`` the newest model made."""

    def pool(
        self, key: jax.Array, model: Stream, real: Stream, memory: Any, size: jax.Array, generation: int | jax.Array
    ) -> tuple[Any, jax.Array]: ...


@runtime_checkable
class ComesShort(Protocol):
    """A regime whose data sets may have too few items to fit: a chain then keeps its last fit."""

    comes_short: bool


@runtime_checkable
class Staggers(Protocol):
    """An exchange whose models enter or stay as they are: which ``(models,)`` are there, and which are refitted."""

    @property
    def staggered(self) -> bool: ...
    def entered(self, generation: jax.Array) -> jax.Array: ...
    def refitted(self, generation: jax.Array) -> jax.Array: ...


@runtime_checkable
class Numbered(Protocol):
    """An exchange whose model i has the keys of number ``numbers[i]`` in its chain; None for its place."""

    numbers: tuple[int, ...] | None


@runtime_checkable
class Bounded(Protocol):
    """A family of rows within [0, 1]."""

    bounded: bool


@runtime_checkable
class ReadsTokens(Protocol):
    """A family of rows of whole numbers: tokens, labels. Any other gets a table of integers as measurements."""

    tokens: bool


@runtime_checkable
class PredictsTokens(Protocol):
    """A family that says how probable tokens, whole numbers below ``vocabulary``, are to its models."""

    @property
    def vocabulary(self) -> int: ...

    def log_probabilities(self, params: Params, blocks: jax.Array) -> jax.Array:
        """Natural logarithms ``(n, L - 1)`` of the probabilities of the tokens of ``blocks`` (n, L), integers, each
        given those before it in its block; the first is never predicted. The family bounds the room for any n.
        """


@runtime_checkable
class ScoresTokens(Protocol):
    """Parameters that know this of themselves, as models on the host do."""

    def log_probabilities(self, blocks: jax.Array) -> jax.Array | np.ndarray: ...


@runtime_checkable
class ChecksFamily(Protocol):
    """An observable that refuses a family, by ValueError or TypeError."""

    def check_family(self, family: Family) -> None: ...


@runtime_checkable
class Detokenizes(Protocol):
    """A tokenizer, as far as it reads: the text of tokens ``(n,)``."""

    def decode(self, ids: np.ndarray) -> str: ...


@runtime_checkable
class HasTokenizer(Protocol):
    """A source of tokens that may know the texts that they stand for."""

    tokenizer: Detokenizes | None


@runtime_checkable
class HasPoints(Protocol):
    """A data set of rows ``(n, d)``."""

    points: Any


@runtime_checkable
class HasWhole(Protocol):
    """A family of the laws of a text, of which ``whole`` is the data set that has each place of the text once; None
    where there is no such text.
    """

    def whole(self) -> Any: ...


@runtime_checkable
class InPlace(Protocol):
    """A regime that gives the newest model what to continue, and puts each draw in the place of that."""

    in_place: bool


@runtime_checkable
class Samples(Protocol):
    """A decoding whose ``pick`` draws a token with weights exp(scores), independently for each row and key."""

    samples: bool


@runtime_checkable
class LosesOnData(Protocol):
    """A family that says the mean loss, -log p in nats, ``()``, of the tokens of a data set that has no blocks."""

    def data_loss(self, params: Params, data: Any) -> jax.Array: ...


@runtime_checkable
class MayForget(Protocol):
    """A family that ``forgets``, as far as is known, when a token that is not drawn has probability 0 from then on."""

    @property
    def forgets(self) -> bool: ...


@runtime_checkable
class CountsTokens(Protocol):
    """A data set without blocks that knows how often it has each token below ``vocabulary``, ``(V,)`` int32."""

    def unigrams(self, vocabulary: int) -> jax.Array: ...


@runtime_checkable
class Diverse(Protocol):
    """Parameters of several laws that know their diversity: distinct items, heterozygosity and entropy, each ``()``."""

    support_size: jax.Array
    heterozygosity: jax.Array
    entropy: jax.Array


@runtime_checkable
class Rewritable(Protocol):
    """A data set whose items have places. In a ``rewritten`` one, ``kept`` of them, a uniformly random subset, are as
    they were, and what ``draw(n, given)`` makes of the n others, ``given``, has their places.
    """

    def rewritten(self, key: jax.Array, kept: Count, draw: Callable[[Count, Self], Self]) -> Self: ...


@runtime_checkable
class HasFeatures(Protocol):
    """A family whose rows hold more than it models, such as a class at their end; ``features`` leaves that out."""

    def features(self, points: jax.Array) -> jax.Array: ...


@runtime_checkable
class Equivariant(Protocol):
    """A family that fits moved rows by the moved law, which is ``Movable``, or a regime blind to where rows lie."""

    equivariant: bool


@runtime_checkable
class HoldsRows(Protocol):
    """An observable that holds real rows, which a run may keep about a location of its own."""

    def about(self, location: np.ndarray | None) -> Self: ...


@runtime_checkable
class Saves(Protocol):
    """A model of ``simulate_models`` that files at ``path`` can hold; ``load`` fills a new model, or returns one."""

    def save(self, path: Path) -> Any: ...
    def load(self, path: Path) -> Any: ...


@runtime_checkable
class GoesOn(Protocol):
    """What a run was of, if it has a loop of its own, to which ``Run.extend`` leaves the way to ``last``."""

    def go_on(self, run: Run, key: jax.Array, recorded: np.ndarray, last: int, progress: bool) -> Run: ...

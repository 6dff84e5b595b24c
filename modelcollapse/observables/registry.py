"""What is kept of a chain: a pure function of the parameters, or of the parameters and the truth.

Any function ``f(params)`` or ``f(params, truth)`` that returns an array is an observable; its name is its own.
``truth`` holds the parameters that infinitely many real draws would be fitted by. An observable that must see every
generation, recorded or not, is a part with the methods of ``modelcollapse.protocols.Observable``. Functions and parts
may set the attributes that ``modelcollapse.protocols.Marks`` lists, such as their units.
"""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any, TypeVar

import jax

from modelcollapse.declarations import Observe
from modelcollapse.protocols import Carry, ChecksParams, Marks, Observable, Params, Truth, marks
from modelcollapse.pytree import PACKAGE, part, register, static, used

if TYPE_CHECKING:
    from modelcollapse.loop import State

Function = TypeVar("Function", bound=Callable[..., jax.Array])

OBSERVABLES: dict[str, Any] = {}
"""The observables of this package by name."""


def observable(
    units: str = "1", dims: tuple[str, ...] = (), unlabelled: bool = False, shifts: bool | None = None
) -> Callable[[Function], Function]:
    """Give the decorated function its marks and a name, its own, that strings and the command line may use."""

    def enter(function: Function) -> Function:
        own = function.__module__.partition(".")[0] == PACKAGE
        register(function, name=f"{PACKAGE}.{function.__name__}" if own else None)
        vars(function).update(units=units, dims=dims, unlabelled=unlabelled, shifts=shifts)
        OBSERVABLES[function.__name__] = function
        return function

    return enter


class Momentary:
    """Base of observables that look at one generation alone: they carry nothing, and rest when the parameters do."""

    settles = True

    def start(self, truth: Truth, first: State) -> Carry:
        """Nothing is carried."""
        return ()

    def update(self, carry: Carry, state: State, truth: Truth) -> Carry:
        """Nothing is carried."""
        return carry


@part
class Read(Momentary):
    """A function of the parameters, or of the parameters and the truth, as an observable."""

    function: Callable[..., jax.Array] = static()

    @property
    def marks(self) -> Marks:
        """Those of the function; it settles with the parameters."""
        return dataclasses.replace(marks(self.function), settles=True, needs_truth=len(_required(self.function)) == 2)

    def read(self, carry: Carry, state: State, truth: Truth) -> jax.Array:
        return self.function(state.params, truth) if self.marks.needs_truth else self.function(state.params)


@part
class Call(Read):
    """The same for a part with ``__call__``: what it holds are leaves, not constants of the program."""

    function: Callable[..., jax.Array]


def as_observable(given: Any) -> Observable:
    """The observable behind a name, a function, or an object that is one already."""
    if isinstance(given, str):
        if given not in OBSERVABLES:
            raise ValueError(f"unknown observable {given!r}; the names are {', '.join(sorted(OBSERVABLES))}")
        given = OBSERVABLES[given]
    if isinstance(given, Observable):
        return given
    if not callable(given):
        raise TypeError(
            f"an observable must be a name, a function of (params) or (params, truth), or an Observable; got {given!r}"
        )
    if len(_required(given)) not in (1, 2):
        raise TypeError(f"an observable must take (params) or (params, truth), got {given!r}{inspect.signature(given)}")
    used(given)
    return (Call if dataclasses.is_dataclass(given) else Read)(given)


def check(observable: Observable, params: Params) -> None:
    """Let an observable refuse parameters that it cannot be read from; of these, only shapes and types are known."""
    if isinstance(observable, ChecksParams):
        observable.check(params)


def named(observe: Observe) -> dict[str, Observable]:
    """One observable, several, or a mapping from names, as a mapping from names to observables."""
    if isinstance(observe, Mapping) and observe:
        return {str(name): as_observable(given) for name, given in observe.items()}
    if hasattr(observe, "__array__"):  # arrays of any library are iterable, and mean something else
        raise TypeError(
            f"observe must be names, functions of (params) or (params, truth), or Observables; got {observe!r}"
        )
    several = [observe] if isinstance(observe, str) or not isinstance(observe, Iterable) else list(observe)
    out: dict[str, Observable] = {}
    for given in several:
        # functools.partial and parts have no name of their own
        name = given if isinstance(given, str) else getattr(given, "__name__", type(given).__name__)
        if name in out or name == "<lambda>":
            raise ValueError(
                f"observables need names of their own, got {name!r}: pass a dictionary of names and observables"
            )
        out[name] = as_observable(given)
    if not out:
        raise ValueError("observe must name at least one observable")
    return out


def _required(function: Callable[..., Any]) -> list[str]:
    kinds = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    parameters = inspect.signature(function).parameters.values()
    return [p.name for p in parameters if p.kind in kinds and p.default is inspect.Parameter.empty]

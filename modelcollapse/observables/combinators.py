"""Observables made of others: of one field of the parameters, and the first time at which something holds.

Each takes whatever ``as_observable`` takes: a name, a function of the parameters or of them and the truth, a part.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

import jax
import jax.numpy as jnp
import numpy as np

from modelcollapse import arguments
from modelcollapse.observables.discrete import absorbed
from modelcollapse.observables.registry import OBSERVABLES, as_observable, check
from modelcollapse.protocols import Carry, ChecksFamily, Family, Marks, Observable, Params, Truth, marks
from modelcollapse.pytree import part, static

if TYPE_CHECKING:
    from modelcollapse.loop import State


class Combinator:
    """Base of observables made of another one, ``inner``: they have its marks and memory, unless they say otherwise."""

    observable: Observable

    @property
    def inner(self) -> Observable:
        """The observable that is combined."""
        return self.observable

    @property
    def marks(self) -> Marks:
        """What still holds of the marks of the inner observable."""
        found = marks(self.inner)
        # what does not change when rows move leads to nothing that does; otherwise nothing is known
        return dataclasses.replace(found, units="", dims=(), shifts=False if found.shifts is False else None)

    def check(self, params: Params) -> None:
        check(self.inner, params)

    def check_family(self, family: Family) -> None:
        if isinstance(self.inner, ChecksFamily):
            self.inner.check_family(family)

    def start(self, truth: Truth, first: State) -> Carry:
        """As the inner observable begins."""
        return self.inner.start(truth, first)

    def update(self, carry: Carry, state: State, truth: Truth) -> Carry:
        """As the inner observable goes on."""
        return self.inner.update(carry, state, truth)


@part
class Of(Combinator):
    """An observable of one field of the parameters, and of the same field of the truth."""

    field: str = static()
    observable: Any

    def __post_init__(self) -> None:
        arguments.converted(self, observable=_observed)
        if not isinstance(self.field, str):
            raise TypeError(f"field must be the name of a field of the parameters, got {self.field!r}")

    @property
    def marks(self) -> Marks:
        """Of labelled entries; what moves with the rows is not known."""
        return dataclasses.replace(marks(self.inner), unlabelled=False, shifts=None)

    def check(self, params: Params) -> None:
        if not hasattr(params, self.field):  # the field is a name that a user gave
            raise TypeError(f"field must be one of {type(params).__name__}, which has no {self.field!r}")
        super().check(getattr(params, self.field))

    def start(self, truth: Truth, first: State) -> Carry:
        return self.inner.start(self._truth(truth), self._state(first))

    def update(self, carry: Carry, state: State, truth: Truth) -> Carry:
        return self.inner.update(carry, self._state(state), self._truth(truth))

    def read(self, carry: Carry, state: State, truth: Truth) -> jax.Array:
        return self.inner.read(carry, self._state(state), self._truth(truth))

    def _state(self, state: State) -> State:
        return dataclasses.replace(state, params=getattr(state.params, self.field))

    def _truth(self, truth: Truth) -> Truth:
        return None if truth is None else getattr(truth, self.field)


@part
class FirstTime(Combinator):
    """First generation at which ``condition`` holds, as a number; infinity as long as it has not, ``()``.

    The condition is followed through every generation, so that it may be a running observable, or about one.
    """

    condition: Any

    def __post_init__(self) -> None:
        arguments.converted(self, condition=_observed)

    @property
    def inner(self) -> Observable:
        """The condition that is waited for."""
        return self.condition

    @property
    def marks(self) -> Marks:
        """Counted in generations."""
        return dataclasses.replace(super().marks, units="generations")

    def start(self, truth: Truth, first: State) -> tuple[jax.Array, Carry]:
        return self._noted(jnp.full((), jnp.inf), self.inner.start(truth, first), first, truth)

    def update(self, carry: tuple[jax.Array, Carry], state: State, truth: Truth) -> tuple[jax.Array, Carry]:
        time, running = carry
        return self._noted(time, self.inner.update(running, state, truth), state, truth)

    def read(self, carry: tuple[jax.Array, Carry], state: State, truth: Truth) -> jax.Array:
        return carry[0]

    def _noted(self, time: jax.Array, running: Carry, state: State, truth: Truth) -> tuple[jax.Array, Carry]:
        holds = self.inner.read(running, state, truth)
        return jnp.where(jnp.isinf(time) & holds, state.generation.astype(time.dtype), time), running


@part
class Below(Combinator):
    """Whether an observable that is one number is below ``threshold``, boolean ``()``."""

    observable: Any
    threshold: Any

    def __post_init__(self) -> None:
        arguments.converted(self, observable=_observed, threshold=_threshold)

    def read(self, carry: Carry, state: State, truth: Truth) -> jax.Array:
        value = self.inner.read(carry, state, truth)
        if value.size != 1:
            raise ValueError(f"a threshold needs an observable that is one number, got shape {value.shape}")
        return value.reshape(()) < self.threshold


def _observed(name: str, value: Any) -> Observable:
    return as_observable(value)


def _threshold(name: str, value: Any) -> float | int:
    found = arguments.number(name, value)
    # a count is compared with a whole number as it is
    return int(found) if isinstance(value, int | np.integer) and abs(found) <= arguments.LARGEST else found


def of(field: str, observable: Any) -> Of:
    """An observable of one field of the parameters: ``of("frequencies", "heterozygosity")``."""
    return Of(field, observable)


def absorption_time() -> FirstTime:
    """First generation at which one state is left; generation g is the fit number g + 1."""
    return FirstTime(absorbed)


def first_below(observable: Any, threshold: Any) -> FirstTime:
    """First generation at which an observable is below ``threshold``, a finite number."""
    return FirstTime(Below(observable, threshold))


OBSERVABLES["absorption_time"] = absorption_time()

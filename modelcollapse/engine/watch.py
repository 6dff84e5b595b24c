"""Observables see every generation of a chain, and carry what they need from one to the next."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

from modelcollapse.engine.forms import Copied, Surviving, Tally
from modelcollapse.protocols import Carry, Observable, Truth, marks
from modelcollapse.pytree import part

if TYPE_CHECKING:
    from modelcollapse.engine.loop import State


@part
class Watch:
    """The observables of a run by name, and the truth that they compare with."""

    observables: dict[str, Observable]
    truth: Truth

    def start(self, state: State) -> dict[str, Carry]:
        """The carries with which the observables begin, at generation 0."""
        return {name: o.start(self.truth, seen(state, o)) for name, o in self.observables.items()}

    def update(self, carries: dict[str, Carry], state: State) -> dict[str, Carry]:
        """The carries after one more generation, which ended in ``state``."""
        return {name: o.update(carries[name], seen(state, o), self.truth) for name, o in self.observables.items()}

    def read(self, state: State) -> dict[str, Any]:
        """The value of each observable."""
        return {name: self.value(name, state) for name in self.observables}

    def value(self, name: str, state: State) -> Any:
        """The value of one observable."""
        observable = self.observables[name]
        return observable.read(state.carries[name], seen(state, observable), self.truth)


def seen(state: State, observable: Observable) -> State:
    """The state as an observable sees it: a form of a closed chain shows its law, in any order of states if that is enough."""
    if not isinstance(state.params, Copied | Tally | Surviving):
        return state
    return dataclasses.replace(state, params=state.params.law(not marks(observable).unlabelled))

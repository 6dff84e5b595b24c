"""A rule says of which observable, family and regime a theorem gives the mean, and calls it.

``@prediction(observable, theorem, ..., family=..., regime=..., source=...)`` registers a rule ``body(s, theorem,
...)``. The body returns the values at ``s.fits`` of a setting ``s``, or an ``Answer`` that says more. The functions
come to it as arguments, so what is named beside a prediction is what was evaluated; its formula, conditions and order
are those of the first theorem unless the rule says otherwise. Where the setting lacks something, or a theorem refuses,
``NotCovered`` is raised and the rule does not answer; any other error is a fault and stops the prediction. Of several
rules for one observable, the first that answers is taken: exact ones come first.
"""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeAlias, TypeVar

import numpy as np
from numpy.typing import ArrayLike

from modelcollapse.families import Population
from modelcollapse.families.population import Learner
from modelcollapse.location import exactly
from modelcollapse.observables import OBSERVABLES, Between, Read, Union
from modelcollapse.predict.prediction import Function, Prediction, Predictions, registered
from modelcollapse.predict.setting import CONSERVING, Setting, needed, reduced
from modelcollapse.protocols import Exchanges, Observable, Regime, Source, marks
from modelcollapse.regimes import Exchange
from modelcollapse_theory import NotCovered
from modelcollapse_theory._register import THEOREMS, Theorem

UNREGISTERED = Theorem("", "", "", "", "")


@dataclasses.dataclass(frozen=True, eq=False)
class Answer:
    """What a rule found; what is empty is as the rule was registered."""

    values: np.ndarray
    functions: tuple[Function, ...] = ()
    formula: str = ""
    conditions: str = ""
    order: str = ""
    kind: str = "mean"
    absent: np.ndarray | None = None
    """Where nothing is observed, as a model has not entered: the values are NaN there, and numbers elsewhere."""


Found: TypeAlias = ArrayLike | Answer
Body: TypeAlias = Callable[..., Found]
B = TypeVar("B", bound=Callable[..., Any])
Guard: TypeAlias = Callable[[Setting], bool]


@dataclasses.dataclass(frozen=True, eq=False)
class Rule:
    """One registered rule; ``formula``, ``conditions`` and ``order`` default to those of its first theorem."""

    functions: tuple[Function, ...]
    families: tuple[type, ...] | None
    regimes: tuple[type, ...]
    guards: tuple[Guard, ...]
    body: Body
    formula: str
    conditions: str
    order: str

    def answer(self, s: Setting) -> Answer | None:
        """What this rule says of a process; None where it says nothing."""
        if self.families is not None and type(s.family) not in self.families:
            return None
        if type(s.regime) not in self.regimes:
            return None
        try:
            with np.errstate(all="ignore"):  # a value that overflows is not an answer, see below
                for guard in self.guards:
                    needed(guard(s))
                found = self.body(s, *self.functions)
        except NotCovered:
            return None
        found = found if isinstance(found, Answer) else Answer(np.asarray(found))
        there = np.isfinite(found.values) if found.absent is None else np.isfinite(found.values) | found.absent
        return self._described(found) if np.all(there) else None

    def _described(self, found: Answer) -> Answer:
        functions = tuple(inspect.unwrap(f) for f in found.functions or self.functions)
        theorem = THEOREMS.get(registered(functions[0]), UNREGISTERED)
        return dataclasses.replace(
            found,
            functions=functions,
            formula=found.formula or self.formula or theorem.statement,
            conditions=found.conditions or self.conditions or theorem.conditions,
            order=found.order or self.order or theorem.order,
        )


Key: TypeAlias = "Function | type | tuple[type, Key]"
RULES: dict[Key, list[Rule]] = {}
"""Rules by observable: the function itself, not its name; the exact type of one that holds data; or for several models
the kind of what is made of it, and the function.
"""


def key_of(observable: Observable) -> Key | None:
    """What the rules for an observable are found by, if there may be any."""
    if type(observable) is Read:
        return observable.function
    if isinstance(observable, Between | Union):
        inner = key_of(observable.inner)
        return None if inner is None else (type(observable), inner)
    return type(observable) if type(observable) in RULES else None


def prediction(
    observables: Key | list[Key] | tuple[Function, ...],
    *functions: Function,
    family: type | Iterable[type] | None = None,
    regime: type | Iterable[type] = CONSERVING,
    source: Guard | None = None,
    where: Guard | None = None,
    formula: str = "",
    conditions: str = "",
    order: str = "",
) -> Callable[[B], B]:
    """Register ``body(s, *functions)`` for one observable or several, whose values are then alike.

    ``family`` and ``regime`` are exact types, by default all families and the regimes in ``CONSERVING``; ``source`` is
    a condition on what is real, ``where`` one on anything else.
    """
    one = not isinstance(observables, tuple | list) or (
        isinstance(observables, tuple) and isinstance(observables[0], type)
    )
    keys: Any = [observables] if one else observables
    guards = tuple(guard for guard in (source, where) if guard is not None)

    def register(body: B) -> B:
        types = None if family is None else _types(family)
        rule = Rule(functions, types, _types(regime), guards, body, formula, conditions, order)
        for key in keys:
            RULES.setdefault(key, []).append(rule)
        return body

    return register


def several(*functions: Function, pick: Mapping[Function, Body], **where: Any) -> Callable[[B], B]:
    """Register ``body(s, *functions) -> parts`` for each observable in ``pick``, whose value is ``pick(s, *parts)``."""

    def register(body: B) -> B:
        for key, of in pick.items():
            prediction(key, *functions, **where)(lambda s, *given, of=of: of(s, *body(s, *given)))
        return body

    return register


def _types(given: type | Iterable[type]) -> tuple[type, ...]:
    return (given,) if isinstance(given, type) else tuple(given)


def first(key: Key | None, s: Setting) -> Answer | None:
    """What the first rule says that says anything."""
    rules = () if key is None else RULES.get(key, ())
    return next((a for a in (rule.answer(s) for rule in rules) if a is not None), None)


def every_observable(family: Learner | None = None) -> dict[str, Observable]:
    """The observables of this package that have a rule, by name; of a population those of all models, too."""
    found: dict[str, Observable] = {name: Read(f) for name, f in OBSERVABLES.items() if f in RULES}
    if type(family) is Population:
        for kind in (Between, Union):
            of_all = {
                f"{kind.__name__.lower()} {n}": kind(Read(f)) for n, f in OBSERVABLES.items() if (kind, f) in RULES
            }
            found |= of_all
    return found


def predict(
    family: Learner,
    source: Source,
    regime: Regime | Exchanges,
    observables: Mapping[str, Observable],
    sizes: np.ndarray,
    recorded: np.ndarray,
) -> Predictions:
    """One prediction for each observable that has one."""
    source = exactly(source)
    # without an exchange each model of a population goes its own way
    apart = family if isinstance(family, Population) and type(regime) is not Exchange else None
    simple = reduced(family if apart is None else apart.family, source, regime, sizes)
    out = Predictions()
    if simple is None:
        return out
    setting = Setting(simple[0], source, simple[1], np.asarray(sizes), np.asarray(recorded) + 1)
    for name, part in observables.items():
        key = None if apart and marks(part).joint else key_of(part)
        found = first(key, dataclasses.replace(setting, observable=part))
        if found is not None:
            values = np.asarray(found.values, np.float64)
            if apart:
                values = np.repeat(values[:, None], apart.models, 1)
            said = (found.formula, found.conditions, found.order, found.functions, found.kind)
            out.append(Prediction(name, np.asarray(recorded), values, *said))
    return out

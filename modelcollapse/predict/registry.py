"""A rule says of which observable, family and regime a theorem gives the mean, and calls it.

``@prediction(observable, theorem, ..., family=..., regime=...)`` registers a rule ``body(process, theorem, ...)``. It returns the values
at ``process.fits``, an ``Answer`` that says more, or None where its conditions do not hold. The functions come to the body as
arguments, so what is named beside a prediction is what was evaluated; a theorem that refuses its arguments does not apply. Of several
rules for one observable the first that answers is taken: exact ones come first.
"""

from __future__ import annotations

import dataclasses
import functools
import inspect
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from modelcollapse.location import exactly
from modelcollapse.observables import OBSERVABLES, Read
from modelcollapse.predict.prediction import Prediction, Predictions, registered
from modelcollapse.predict.process import CONSERVING, Process, reduced
from modelcollapse_theory._register import THEOREMS, Theorem

Body = Callable[..., Any]


@dataclasses.dataclass(frozen=True, eq=False)
class Answer:
    """What a rule found; what is None is as the rule was registered."""

    values: Any
    functions: tuple[Callable[..., Any], ...] | None = None
    formula: str | None = None
    conditions: str | None = None
    order: str | None = None
    kind: str = "mean"


@dataclasses.dataclass(frozen=True, eq=False)
class Rule:
    """One registered rule; ``formula``, ``conditions`` and ``order`` default to those of its first theorem."""

    functions: tuple[Callable[..., Any], ...]
    families: tuple[type, ...]
    regimes: tuple[type, ...]
    body: Body
    formula: str | None
    conditions: str | None
    order: str | None

    def answer(self, process: Process) -> Answer | None:
        """What this rule says of a process, None if nothing."""
        if type(process.family) not in self.families or type(process.regime) not in self.regimes:
            return None
        try:
            with np.errstate(all="ignore"):  # a value that overflows is not an answer, see below
                found = self.body(process, *(asked(f) for f in self.functions))
        except _Refused:
            return None
        if found is None:
            return None
        found = found if isinstance(found, Answer) else Answer(found)
        if not np.all(np.isfinite(found.values)):
            return None
        return self._described(found)

    def _described(self, found: Answer) -> Answer:
        functions = tuple(inspect.unwrap(f) for f in found.functions or self.functions)
        theorem = THEOREMS.get(registered(functions[0])) or Theorem("", "", "", "", "")
        return dataclasses.replace(
            found,
            functions=functions,
            formula=found.formula or self.formula or theorem.statement,
            conditions=found.conditions or self.conditions or theorem.conditions,
            order=found.order or self.order or theorem.order,
        )


class _Refused(Exception):
    """A theorem refused its arguments: they lie outside its domain."""


def asked(function: Callable[..., Any]) -> Callable[..., Any]:
    """A function of the theory, where a refusal means that it has no answer and is not an error."""

    @functools.wraps(function)
    def asked(*args: Any, **options: Any) -> Any:
        try:
            return function(*args, **options)
        except ValueError as error:
            raise _Refused from error

    return asked


RULES: dict[Any, list[Rule]] = {}
"""Rules by observable: the function itself, not its name."""


def prediction(
    observables: Any,
    *functions: Callable[..., Any],
    family: type | Iterable[type],
    regime: type | Iterable[type] = CONSERVING,
    formula: str | None = None,
    conditions: str | None = None,
    order: str | None = None,
) -> Callable[[Body], Body]:
    """Register ``body(process, *functions)`` for one observable or several, whose values are then alike."""
    keys = observables if isinstance(observables, tuple) else (observables,)

    def register(body: Body) -> Body:
        rule = Rule(functions, _types(family), _types(regime), body, formula, conditions, order)
        for key in keys:
            RULES.setdefault(key, []).append(rule)
        return body

    return register


def _types(given: type | Iterable[type]) -> tuple[type, ...]:
    return (given,) if isinstance(given, type) else tuple(given)


def known() -> dict[str, Any]:
    """The observables of this package that have a rule, by name."""
    return {name: Read(function) for name, function in OBSERVABLES.items() if function in RULES}


def predict(
    family: Any, source: Any, regime: Any, observables: dict[str, Any], sizes: np.ndarray, recorded: np.ndarray
) -> Predictions:
    """One prediction for each observable that has one."""
    source = exactly(source)
    simple = reduced(family, source, regime, sizes)
    out = Predictions()
    if simple is None:
        return out
    process = Process(simple[0], source, simple[1], np.asarray(sizes), np.asarray(recorded) + 1)
    for name, part in observables.items():
        rules = RULES.get(part.function, ()) if type(part) is Read else ()
        found = next((a for a in (rule.answer(process) for rule in rules) if a is not None), None)
        if found is not None:
            values = np.asarray(found.values, np.float64)
            out.append(
                Prediction(
                    name, np.asarray(recorded), values, found.formula or "", found.conditions or "", found.order or "",
                    found.functions or (), found.kind,
                )
            )  # fmt: skip
    return out

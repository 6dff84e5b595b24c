"""What happens when one argument of a legal call is of a bad kind, and whether that is in order."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import inspect
import re
import warnings
from collections.abc import Iterator
from typing import Any

import base_cases
import jax
import matplotlib.pyplot as plt
import numpy as np
import test_domain

from tests.fuzz import cases, kinds
from tests.fuzz.accepted import ACCEPTED, CALLED, INFINITE, matches

SLOW = {("theory.plan.entropy_half_life", "2**62"), ("theory.plan.vocabulary_half_life", "2**62")}
"""Calls that are answered, in ten seconds."""
CLEAR, FOREIGN, OTHER, TAKEN, SILENT = "clear", "foreign", "other exception", "taken", "silent"
"""Refused by the argument's name; refused without it; another exception; taken, for a reason in the table; taken
without one.
"""


@dataclasses.dataclass(frozen=True)
class Outcome:
    call: str
    argument: str
    kind: str
    verdict: str
    said: str = ""

    def __str__(self) -> str:
        return f"{self.verdict}: {self.call}({self.argument}={self.kind}): {self.said}"


def targets() -> Iterator[tuple[str, str]]:
    """Every argument of every callable: of the simulator, of the theory."""
    for name, case in cases.cases().items():
        yield from ((name, argument) for argument in case.arguments)
    yield from ((f"theory.{name}", argument) for name, argument in base_cases.arguments())


def outcome(call: str, argument: str, kind: str, value: Any) -> Outcome:
    """One call with one bad value."""
    outcome = functools.partial(Outcome, call, argument, kind)
    try:
        answer = _answer(call, **{argument: value})
    except (ValueError, TypeError) as error:
        return outcome(CLEAR if _named(call, argument, error) else FOREIGN, f"{type(error).__name__}: {error}")
    except Exception as error:
        if not call.startswith("theory.") and isinstance(error, cases.cases()[call].raises):
            return outcome(CLEAR, repr(error))
        return outcome(OTHER, f"{type(error).__name__}: {error}")
    reason = _reason(call, argument, kind)
    if reason is None:
        return outcome(SILENT, "accepted, and not in the table")
    if fault := _fault(call, answer):
        return outcome(SILENT, fault)
    return outcome(TAKEN, reason)


def form_fault(call: str, argument: str, form: Any) -> str:
    """What is wrong with how a call takes a legal number in another type; empty where nothing is."""
    try:
        answer, plain = _answer(call, **{argument: form}), _plain_answer(call, jax.config.jax_enable_x64)
    except Exception as error:
        return f"{call}({argument}={form!r}): {error!r}"
    same = len(answer) == len(plain) and all(
        np.allclose(a, b, equal_nan=True) for a, b in zip(answer, plain, strict=True)
    )
    return "" if same else f"{call}({argument}={form!r}): another answer than that of the plain number"


@functools.cache
def _plain_answer(call: str, precision: bool) -> list[np.ndarray]:
    return _answer(call)


def base(call: str) -> dict[str, Any]:
    """The legal arguments of a call."""
    if call.startswith("theory."):
        return base_cases.CASES[call.removeprefix("theory.")]
    return cases.cases()[call].arguments


def _answer(call: str, **changed: Any) -> list[np.ndarray]:
    with warnings.catch_warnings(), np.errstate(all="ignore"), contextlib.chdir(cases.FOLDER):
        warnings.simplefilter("ignore")
        if call.startswith("theory."):
            return base_cases.call(call.removeprefix("theory."), **changed)
        case = cases.cases()[call]
        try:
            found = case.call(**{**case.arguments, **changed})
            return [np.asarray(leaf) for leaf in jax.tree.leaves((found, case.then(found))) if _is_number(leaf)]
        finally:
            plt.close("all")


def _is_number(leaf: Any) -> bool:
    return isinstance(leaf, bool | int | float) or getattr(leaf, "dtype", np.dtype(object)).kind in "iufbc"


def _named(call: str, argument: str, error: Exception) -> bool:
    names = [argument, *CALLED.get((cases.plain_name(call), argument), CALLED.get(("", argument), ()))]
    return any(re.search(rf"\b{re.escape(name)}\b", str(error)) for name in names)


def _fault(call: str, answer: list[np.ndarray]) -> str:
    floats = [part for part in answer if part.dtype.kind in "fc"]
    if any(np.isnan(part).any() for part in floats):
        return "a NaN"
    infinite = test_domain.INFINITE if call.startswith("theory.") else INFINITE
    if call.removeprefix("theory.") not in infinite and not all(np.isfinite(part).all() for part in floats):
        return "an infinity that no docstring names"
    return ""


def _reason(call: str, argument: str, kind: str) -> str | None:
    """Why a value of a kind is taken; None where nothing says so."""
    value = base(call)[argument]
    if call.startswith("theory."):
        function = base_cases.public()[call.removeprefix("theory.")]
        if kind == "None" and inspect.signature(function).parameters[argument].default is None:
            return "the default"
        reason, arguments = test_domain.ACCEPTED.get(kind, ("", ()))
        return reason if argument in arguments else None
    if kind == "None" and _default(call, argument) is None:
        return "the default"
    if kind == "bool" and isinstance(value, bool):
        return "a switch"
    name = cases.plain_name(call)
    return next((reason for key, reason in ACCEPTED.items() if matches(key, name, argument, kind)), None)


def _default(call: str, argument: str) -> Any:
    with contextlib.suppress(TypeError, ValueError, KeyError):
        return inspect.signature(cases.cases()[call].call).parameters[argument].default
    return inspect.Parameter.empty


def cross_product(only: str = "") -> Iterator[Outcome]:
    """Every callable, argument and kind, with the example of the kind."""
    for call, argument in targets():
        if only in call:
            examples = {kind: value for kind, value in kinds.EXAMPLES.items() if (call, kind) not in SLOW}
            yield from (outcome(call, argument, kind, value) for kind, value in examples.items())

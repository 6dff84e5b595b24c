"""No public callable takes what makes no sense in silence, or refuses it without saying which argument it was."""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from typing import Any

import base_cases
import hypothesis
import jax
import pytest
from hypothesis import strategies as st

from tests.fuzz import cases, command_line, harness, kinds
from tests.fuzz.accepted import ACCEPTED, matches

ENDLESS = pytest.param(itertools.repeat(10_000), marks=pytest.mark.soak, id="without_limit")
PRECISIONS = pytest.mark.parametrize("bits", [32, 64])


def in_order(outcome: harness.Outcome) -> bool:
    return outcome.verdict in (harness.CLEAR, harness.TAKEN)


def test_every_public_callable_has_a_base_case() -> None:
    with jax.enable_x64(True):
        covered = {cases.plain_name(name) for name in cases.cases()}
    assert cases.public() <= covered | set(cases.RECORDS)
    assert set(cases.RECORDS) <= cases.public() | set(cases.RECORDS) - covered


@pytest.mark.parametrize(
    "name", ["categorical", "Damped", "Retain", "tail_mass", "Run.summary", "plot.chains", "transport.bures"]
)
def test_the_fuzzer_finds_what_it_looks_for(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A callable that takes everything, one that refuses without a name, one that fails by accident."""
    case = cases.cases()[name]
    argument = next(iter(case.arguments))

    def found(call: Any) -> str:
        everything = {**cases.cases(), name: cases.Case(call, case.arguments)}
        monkeypatch.setattr(cases, "cases", lambda: everything)
        return harness.outcome(name, argument, "complex", 1 + 0j).verdict

    def refuses(error: Exception) -> Any:
        def call(**_: Any) -> None:
            raise error

        return call

    assert found(lambda **_: 0.0) == harness.SILENT
    assert found(refuses(ValueError("could not convert string to float"))) == harness.FOREIGN
    assert found(refuses(AttributeError(f"no {argument}"))) == harness.OTHER
    assert found(refuses(TypeError(f"{argument} must be real"))) == harness.CLEAR


@pytest.mark.parametrize(
    "rounds", [pytest.param([60], id="few"), pytest.param([150], id="once", marks=pytest.mark.slow), ENDLESS]
)
@PRECISIONS
def test_a_bad_value_is_refused_by_the_name_of_its_argument(rounds: Iterable[int], bits: int) -> None:
    with jax.enable_x64(bits == 64):
        targets = sorted(harness.targets())
        theory = [target for target in targets if target[0].startswith("theory.")]
        simulator = [target for target in targets if target not in theory]

        @hypothesis.given(st.data())
        def one_call(data: st.DataObject) -> None:
            call, argument = data.draw(st.sampled_from(simulator) | st.sampled_from(theory), label="argument")
            kind = data.draw(st.sampled_from(sorted(kinds.EXAMPLES)), label="kind")
            hypothesis.assume((call, kind) not in harness.SLOW)
            value = data.draw(kinds.values(kind), label="value")
            found = harness.outcome(call, argument, kind, value)
            assert in_order(found), str(found)

        for calls in rounds:
            endless = calls > 1000
            settings = hypothesis.settings(
                max_examples=calls, derandomize=not endless, suppress_health_check=list(hypothesis.HealthCheck)
            )
            settings(one_call)()


@pytest.mark.soak
@PRECISIONS
def test_every_kind_of_bad_value_for_every_argument(bits: int) -> None:
    with jax.enable_x64(bits == 64):
        wrong = [str(found) for found in harness.cross_product() if not in_order(found)]
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize(
    "share", [40, pytest.param(10, marks=pytest.mark.slow), pytest.param(1, marks=pytest.mark.soak)]
)
def test_numbers_of_any_type_are_the_same_numbers(share: int) -> None:
    """Of every ``share``-th argument of the simulator that is a number; the theory has a test of its own."""
    wrong = []
    numbers = [
        (name, key, form)
        for name, case in cases.cases().items()
        for key, v in case.arguments.items()
        for form in kinds.forms(v)
    ]
    for call, argument, form in itertools.islice(numbers, 0, None, share):
        wrong += [fault] if (fault := harness.form_fault(call, argument, form)) else []
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize(
    "share", [21, pytest.param(7, marks=pytest.mark.slow), pytest.param(1, marks=pytest.mark.soak)]
)
def test_the_command_line_says_which_option_is_wrong(share: int) -> None:
    """Of every ``share``-th text; what is taken runs and compiles, so only all of them do."""
    wrong = []
    options = [
        (call, option, kind)
        for call, option in command_line.targets()
        for kind in command_line.TEXTS
        if option not in command_line.SWITCHES
    ]
    for call, option, kind in itertools.islice(options, 0, None, share):
        taken = any(matches(key, command_line.PREFIX + call.split()[0], option, kind) for key in ACCEPTED)
        if not (taken and share > 1):
            wrong += [fault] if (fault := command_line.fault(call, option, kind, taken)) else []
    assert not wrong, "\n".join(wrong)


def test_the_theory_is_covered_too() -> None:
    assert {name for name, _ in base_cases.arguments()} <= set(base_cases.CASES)

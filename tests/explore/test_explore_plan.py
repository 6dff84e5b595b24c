"""The planner's questions, answers and refusals as sentences."""

from __future__ import annotations

import json
import re
from typing import Any

import asking
import pytest
from asking import told

from modelcollapse import planner
from modelcollapse.__main__ import main
from modelcollapse.explore import choices, server
from modelcollapse.explore.sentences import SENTENCES, shown

served = asking.served


def defaults(name: str) -> dict[str, Any]:
    return {blank.name: blank.default for blank in SENTENCES[name].blanks}


def test_every_question_of_the_planner_has_a_sentence() -> None:
    assert {sentence.question for sentence in SENTENCES.values()} == set(planner.QUESTIONS)
    asked = {
        name: {b.name for s in SENTENCES.values() if s.question == name for b in s.blanks} for name in planner.QUESTIONS
    }
    for name, question in planner.QUESTIONS.items():
        options = {option.replace("-", "_") for option in question.options}
        assert asked[name] <= options
        # what is left out has a usual value, or is another way to say the same
        assert options - asked[name] <= {"words", "ddof", "fits"}, name


@pytest.mark.parametrize("name", SENTENCES)
def test_the_answer_is_that_of_the_command_beside_it(served: server.Server, name: str, capsys: Any) -> None:
    values = defaults(name) | ({"sample_size": 1000} if name == "real-share" else {})
    answer = told(served, "plan", {"question": name, "values": values, "setting": choices.DEFAULT})
    assert "refused" not in answer, answer
    command = answer["command"]
    if command.startswith("modelcollapse plan"):
        assert main([*command.split()[1:], "--json"]) == 0
        found = json.loads(capsys.readouterr().out)
    else:
        exec(command)
        value, achieved = re.search(r"value=([^,]+), achieved=([^,]+)", capsys.readouterr().out).groups()  # type: ignore[union-attr]
        found = {"value": float(value), "achieved": float(achieved)}
    numbers = [shown(found["value"]), shown(found["value"] - 1)]
    assert any(number in answer["answer"] for number in numbers), answer["answer"]
    home, _, function = answer["theorem"].partition(".")
    module = __import__(f"modelcollapse_theory.{home}", fromlist=[function])
    assert callable(getattr(module, function))
    assert "{" not in answer["answer"]
    assert answer["answer"].endswith(".")


REFUSED = [
    ("sample-size", {"probability": 1.5}, "“probability of the state” must lie in (0, 1)"),
    ("real-share", {"probability": 0.01, "sample_size": 10, "failure": 0.01}, "“accepted risk” must be at least 0.904"),
    ("real-items", {"failure": 0}, "“accepted risk” must"),
    ("variance", {"threshold": 2}, "“part of the variance” must lie in (0, 1)"),
    ("half-life", {"of": "vocabulary", "zipf": 2}, "must have at least 3 possible states"),
    ("temperature", {"effective": 50}, "“effective states” must lie in"),
    ("growth", {"kept": 0.995}, "what the first fit leaves, got 0.995; it takes “items in each data set” above 200"),
    ("batch", {"kept": 1}, "“diversity that is left” must"),
    ("flagged", {"share": 2}, "“real share of the pool” must"),
    ("labels", {"real": 0}, "“real items” must"),
    ("detector", {"sample_size": 0}, "“items in each data set” must be at least 1"),
    ("detector-power", {"share": 0}, "“real share of the pool” must lie in (0, 1)"),
    ("entrant-pool", {"share": 0.1, "pool_loss": 0.01}, "must be above 0.292893: no number of items"),
    ("entrant-labels", {"leader": 0.5}, "“real items that the leader is worth” must be finite and at least 1"),
    ("worth-of-draws", {"lost": 1.5}, "“loss of the model” must lie in [0, 1]"),
    ("draws-worth", {"real": 200}, "“real items” must be below 1/“loss of the model” = 200: no number of draws is worth more"),
    ("remedy", {"real": 100}, "“real items” must be below “items in each data set” = 100"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "change", "message"), REFUSED)
def test_a_demand_that_cannot_be_met_is_refused_in_the_words_of_the_question(
    served: server.Server, name: str, change: dict[str, Any], message: str
) -> None:
    answer = told(served, "plan", {"question": name, "values": defaults(name) | change, "setting": choices.DEFAULT})
    assert message in answer["refused"]
    assert "--" not in answer["refused"]
    assert answer["refused"].endswith(".")


def test_a_refusal_is_seen_for_every_question() -> None:
    assert {name for name, *_ in REFUSED} == set(SENTENCES)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"probability": None}, "“probability of the state” is empty: fill it in"),
        ({"probability": "much"}, "“probability of the state” must be a number"),
        ({"fits": 2.5}, "“fits” must be a whole number"),
        ({"colour": 1}, "colour is no blank of this question"),
    ],
)
def test_a_blank_is_checked(served: server.Server, values: dict[str, Any], message: str) -> None:
    asked = {"question": "sample-size", "values": defaults("sample-size") | values, "setting": None}
    assert message in told(served, "plan", asked)["refused"]


def test_a_detector_that_is_not_enough_is_told_so(served: server.Server) -> None:
    values = {
        "probability": 0.15,
        "sample_size": 30,
        "failure": 0.02,
        "share": 0.1,
        "true_positive": 0.1,
        "false_positive": 0,
    }
    answer = told(served, "plan", {"question": "detector", "values": values, "setting": None})["answer"]
    assert answer.startswith("No: after the detector the real share is only 0.1099")


def test_the_law_of_the_page_is_asked_about(served: server.Server) -> None:
    """Left empty, the law is that of the setting, and the answer that of the same law by name."""
    asked = {
        "question": "half-life",
        "values": {"sample_size": 30, "of": "entropy", "zipf": None},
        "setting": choices.DEFAULT,
    }
    named = asked | {"values": {"sample_size": 30, "of": "entropy", "zipf": 10}}
    assert told(served, "plan", asked)["answer"] == told(served, "plan", named)["answer"]
    without = told(served, "plan", asked | {"setting": None})
    assert "must say which law the question is about" in without["refused"]
    assert "must be an object" in told(served, "plan", asked | {"values": 3})["refused"]
    assert "question must be" in told(served, "plan", asked | {"question": "why"})["refused"]

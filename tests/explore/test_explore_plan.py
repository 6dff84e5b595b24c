"""The planner's questions, answers and refusals as sentences."""

from __future__ import annotations

import json
import re
from typing import Any

import asking
import numpy as np
import pytest
from asking import told

from modelcollapse import planner
from modelcollapse.__main__ import main
from modelcollapse.explore import choices, server
from modelcollapse.explore.sentences import SENTENCES, shown
from modelcollapse_theory import divergence, plan, support

served = asking.served


ZIPF = 1 / np.arange(1, 11) / (1 / np.arange(1, 11)).sum()


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
    ("variance-half-life", {"sample_size": 1}, "“items in each data set” must be at least 2"),
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


@pytest.mark.parametrize(
    ("name", "change", "label", "most", "command"),
    [
        (
            "half-life",
            {"of": "vocabulary", "zipf": 10**6, "sample_size": 10**9},
            "states of a law by Zipf",
            "1,000",
            "plan half-life --sample-size 1000000000 --of vocabulary --zipf 1000000",
        ),
        (
            "half-life",
            {"of": "vocabulary", "zipf": 100, "sample_size": 10**4},
            "items in each data set",
            "3,000",
            "plan half-life --sample-size 10000 --of vocabulary --zipf 100",
        ),
        (
            "half-life",
            {"of": "entropy", "sample_size": 10**5},
            "items in each data set",
            "1,000",
            "modelcollapse_theory.plan.entropy_half_life in Python",
        ),
        ("temperature", {"zipf": 10**6}, "states of a law by Zipf", "1,000", "plan temperature"),
        ("real-share", {"sample_size": 10**7, "fits": 10**6}, "items in each data set", "500", "plan real-share"),
        ("real-share", {"fits": 10**6}, "fits", "10,000", "plan real-share"),
        ("real-share", {"sample_size": 20_000}, "items in each data set", "5,000", "plan real-share"),
        ("detector", {"sample_size": 20_000}, "items in each data set", "5,000", "plan detector"),
        ("detector-power", {"sample_size": 20_000}, "items in each data set", "5,000", "plan detector"),
    ],
)
def test_an_answer_that_takes_long_is_for_the_command_line(
    served: server.Server, name: str, change: dict[str, Any], label: str, most: str, command: str
) -> None:
    answer = told(served, "plan", {"question": name, "values": defaults(name) | change, "setting": choices.DEFAULT})
    assert answer["refused"].startswith(f"“{label}” may be {most} at most on this page")
    assert command in answer["refused"]


def test_half_of_the_variance_is_gone_in_half_of_the_chains(served: server.Server) -> None:
    """With divisor M - 1 its mean never falls; the planner answers for the median, and the sentence says so."""
    values = {"sample_size": 100, "ddof": 1}
    answer = told(served, "plan", {"question": "variance-half-life", "values": values, "setting": None})
    found = plan.variance_half_life(100, ddof=1)
    assert f"After {found.value} fits" in answer["answer"]
    assert "median" in answer["answer"]
    assert answer["command"] == "modelcollapse plan half-life --of variance --sample-size 100 --ddof 1"
    assert "in half of the chains" in SENTENCES["variance-half-life"].sentence
    assert "variance" not in next(blank for blank in SENTENCES["half-life"].blanks if blank.name == "of").choices


@pytest.mark.parametrize("of", ["heterozygosity", "entropy", "vocabulary"])
def test_the_other_half_lives_are_of_means(served: server.Server, of: str) -> None:
    values = {"sample_size": 50, "of": of, "zipf": 10}
    answer = told(served, "plan", {"question": "half-life", "values": values, "setting": None})
    assert "the mean over chains is then at most half" in answer["answer"]
    mean = {
        "heterozygosity": lambda n: (1 - 1 / 50) ** n,
        "entropy": lambda n: divergence.expected_entropy(ZIPF, 50, n) / divergence.entropy(ZIPF),
        "vocabulary": lambda n: support.expected_support(ZIPF, 50, n) / 10,
    }[of]
    fits = int(re.search(r"After (\d+) fits", answer["answer"])[1])  # type: ignore[index]
    assert mean(fits) <= 0.5 < mean(fits - 1)


def test_an_answer_is_told_from_the_demand(served: server.Server) -> None:
    """Rounded to four digits the risk that is too much would be the one that is accepted."""
    values = {"probability": 0.01, "fits": 20, "failure": 0.05}
    answer = told(served, "plan", {"question": "sample-size", "values": values, "setting": None})["answer"]
    assert answer.endswith("With 3,254 items it is 0.050003, too much.")


@pytest.mark.parametrize(
    ("value", "beside", "text"),
    [
        (0.05000302, [0.05], "0.050003"),
        (0.04999999, [0.05], "0.04999999"),
        (0.05, [0.05], "0.05"),
        (0.05 * (1 - 1e-14), [0.05], "0.05"),
        (1.4984503e16, [1.4984518e16], "1.49845e+16"),
        (12345, [12346], "12,345"),
        (1 / 3, [0.4], "0.3333"),
        (np.float64(0.9999999), [1], "0.9999999"),
        (float("inf"), [], "more than 1e308"),
    ],
)
def test_a_number_has_the_digits_that_tell_it_from_others(value: float, beside: list[float], text: str) -> None:
    assert shown(value, beside) == text


def test_an_answer_beyond_all_numbers_is_refused(served: server.Server) -> None:
    values = {"probability": 1e-320, "fits": 20, "failure": 0.05}
    answer = told(served, "plan", {"question": "sample-size", "values": values, "setting": None})
    assert "beyond the numbers of float64" in answer["refused"]

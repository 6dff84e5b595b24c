"""``modelcollapse plan`` prints the planner's answer, all of it, and refuses with what is possible."""

import json

import pytest

from modelcollapse import _planner
from modelcollapse.__main__ import main
from modelcollapse_theory import plan

CASES = {
    "sample-size --probability 0.1 --fits 5 --failure 0.05": lambda: plan.sample_size_to_keep(0.1, 5, 0.05),
    "real-share --probability 0.1 --size 40 --failure 0.1": lambda: plan.share_to_keep(0.1, 40, 0.1),
    "real-share --probability 0.1 --size 40 --failure 0.1 --fits 6": lambda: plan.share_to_keep(0.1, 40, 0.1, 6),
    "real-items --probability 0.1 --failure 0.01": lambda: plan.real_items_to_keep(0.1, 0.01),
    "variance --threshold 0.1 --size 20 --confidence 0.9 --ddof 0": lambda: plan.variance_below(0.1, 20, 0.9, ddof=0),
    "half-life --of variance --size 30": lambda: plan.variance_half_life(30),
    "half-life --of heterozygosity --size 30": lambda: plan.heterozygosity_half_life(30),
    "half-life --of entropy --size 30 --zipf 2": lambda: plan.entropy_half_life([2 / 3, 1 / 3], 30),
    "half-life --of vocabulary --size 30 --zipf 3": lambda: plan.vocabulary_half_life([6 / 11, 3 / 11, 2 / 11], 30),
    "growth --kept 0.7 --size 5 --fits 20": lambda: plan.growth_to_keep(0.7, 5, 20),
    "batch --kept 0.62": lambda: plan.batch_to_keep(0.62),
    "detector --probability 0.15 --size 30 --failure 0.02 --share 0.1 --true-positive 0.5": lambda: (
        plan.detector_to_keep(0.15, 30, 0.02, 0.1, 0.5, 0.0)
    ),
    "detector --probability 0.15 --size 30 --failure 0.02 --share 0.1": lambda: plan.detector_power_to_keep(
        0.15, 30, 0.02, 0.1
    ),
}


@pytest.mark.parametrize("command", CASES)
def test_every_question_gets_the_planners_answer(command, capsys):
    expected = CASES[command]()
    assert main(["plan", *command.split(), "--json"]) == 0
    given = json.loads(capsys.readouterr().out)
    for name in ("value", "achieved", "neighbour", "achieved_aside", "cost"):
        wanted = getattr(expected, name)
        assert given[name] == (None if wanted is None else pytest.approx(wanted)), name
    assert (given["exact"], given["meets"], given["regime"]) == (expected.exact, expected.meets, expected.regime)
    assert tuple(given["assumptions"]) == expected.assumptions


def test_every_question_is_covered():
    assert {command.split()[0] for command in CASES} == set(_planner.QUESTIONS)


def test_people_see_value_neighbour_regime_and_assumptions(capsys):
    answer = plan.sample_size_to_keep(0.1, 5, 0.05)
    assert main(["plan", "sample-size", "--probability", "0.1", "--fits", "5", "--failure", "0.05"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == f"sample size: {answer.value:g}"
    assert f"{answer.achieved:.10g}" in lines[1]
    assert lines[2].split() == ["at", f"{answer.neighbour:g}:", f"{answer.achieved_aside:.10g}"]
    assert lines[3].endswith("replace")
    assert "independent draws" in lines[4]
    assert lines[5].endswith("yes")


def test_a_large_sample_answer_and_a_failed_demand_are_named(capsys):
    assert main(["plan", "sample-size", "--probability", "0.001", "--fits", "10", "--failure", "0.01"]) == 0
    assert "no, a large-sample law" in capsys.readouterr().out
    command = "plan detector --probability 0.15 --size 30 --failure 0.02 --share 0.1 --true-positive 0.1"
    assert main(command.split()) == 0
    assert "NOT ENOUGH" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("command", "message"),
    [
        ("sample-size --probability 1.5 --fits 5 --failure 0.05", "probability must lie in (0, 1)"),
        ("growth --kept 0.995 --size 100", "it takes sample_size above 200"),
        ("real-share --probability 0.01 --size 10 --failure 0.01", "failure must"),
        ("half-life --of entropy --size 30", "--zipf or --words must say"),
        ("half-life --of entropy --size 30 --zipf 0", "--zipf must be at least 1"),
    ],
)
def test_an_impossible_demand_is_refused_with_what_is_possible(command, message, capsys):
    assert main(["plan", *command.split()]) == 2
    assert message in capsys.readouterr().err

"""``modelcollapse plan`` prints the planner's answer, all of it, and refuses with what is possible."""

import json

import pytest

from modelcollapse.__main__ import main
from modelcollapse.cli import plan as _planner
from modelcollapse_theory import entrant, flag_weights, plan, remedies, temperature, weights

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
    "temperature --temperature 0.9 --effective 2 --zipf 3": lambda: temperature.share_to_keep_words(
        [6 / 11, 3 / 11, 2 / 11], 0.9, 2.0
    ),
    "growth --kept 0.7 --size 5 --fits 20": lambda: plan.growth_to_keep(0.7, 5, 20),
    "batch --kept 0.62": lambda: plan.batch_to_keep(0.62),
    "detector --probability 0.15 --size 30 --failure 0.02 --share 0.1 --true-positive 0.5": lambda: (
        plan.detector_to_keep(0.15, 30, 0.02, 0.1, 0.5, 0.0)
    ),
    "flagged --size 20 --share 0.2 --true-positive 0.8 --false-positive 0.1 --refill no": lambda: (
        flag_weights.best_treatment(20, 0.2, 0.8, 0.1, refill=False)
    ),
    "flagged --size 20 --share 0.2 --true-positive 0.8": lambda: flag_weights.best_treatment(20, 0.2, 0.8, 0.0),
    "labels --real 10 --synthetic 90 --of mean": lambda: weights.label_weight(10, 90, "mean"),
    "detector --probability 0.15 --size 30 --failure 0.02 --share 0.1": lambda: plan.detector_power_to_keep(
        0.15, 30, 0.02, 0.1
    ),
    "entrant --leader 200 --share 0.1": lambda: entrant.pool_to_match(1 / 200, 0.1),
    "entrant --leader 200 --share 0.3 --pool-loss 0.008": lambda: entrant.pool_to_match(1 / 200, 0.3, 0.008),
    "entrant --leader 200 --drawn 1000": lambda: entrant.real_items_to_match(1 / 200, 1000),
    "entrant --leader 200 --drawn 1000 --pool-loss 0.008": lambda: entrant.real_items_to_match(1 / 200, 1000, 0.008),
    "worth --lost 0.005 --drawn 1000": lambda: entrant.worth_of_draws(1000, 0.005),
    "worth --lost 0.005 --real 150": lambda: entrant.draws_worth(150, 0.005),
    "remedy --size 100 --real 10 --synthetic 990 --per compute --without law prior": lambda: remedies.best_remedy(
        100, 10, 990, per="compute", without=["law", "prior"]
    ),
    "remedy --size 100 --real 10 --synthetic 990 --fits 5": lambda: remedies.best_remedy(100, 10, 990, fits=5),
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
    assert lines[1].split() == ["P(lost):", f"{answer.achieved:.10g}"]
    assert lines[2].split() == ["at", f"{answer.neighbour:g}:", f"{answer.achieved_aside:.10g}"]
    assert lines[3].endswith("replace")
    assert "independent draws" in lines[4]
    assert lines[5].endswith("yes")


def test_a_large_sample_answer_and_a_failed_demand_are_named(capsys):
    assert main(["plan", "sample-size", "--probability", "0.001", "--fits", "10", "--failure", "0.01"]) == 0
    assert "no, a large-sample law" in capsys.readouterr().out
    command = "plan detector --probability 0.15 --size 30 --failure 0.02 --share 0.1 --true-positive 0.1"
    assert main(command.split()) == 0
    shown = capsys.readouterr().out
    assert "NOT ENOUGH" in shown
    needed = plan.share_to_keep(0.15, 30, 0.02)
    assert f"needed {needed.value:.10g}: {needed.achieved:.10g}" in " ".join(shown.split())


@pytest.mark.parametrize(
    ("command", "message"),
    [
        ("sample-size --probability 1.5 --fits 5 --failure 0.05", "plan: --probability must lie in (0, 1)"),
        ("sample-size --probability nan --fits 5 --failure 0.05", "plan: --probability must be finite, got nan"),
        ("sample-size --probability 0.1 --fits 0 --failure 0.05", "plan: --fits must be at least 1, got 0"),
        ("sample-size --probability 0.1 --generations -1 --failure 0.05", "plan: --generations must be at least 0"),
        (
            "growth --kept 0.995 --size 100",
            "1 - 1/--size = 0.99, what the first fit leaves, got 0.995; it takes --size above 200",
        ),
        ("growth --kept 0.995 --sample-size 100", "it takes --sample-size above 200"),
        ("real-share --probability 0.01 --size 10 --failure 0.01", "plan: --failure must be at least 0.904"),
        ("real-share --probability 0.01 --size 0 --failure 0.01", "plan: --size must be at least 1"),
        (
            f"real-share --probability 0.01 --sample-size {10**30} --failure 0.01",
            "plan: --sample-size must be below 2**63",
        ),
        ("variance --threshold 2 --size 10", "plan: --threshold must lie in (0, 1)"),
        ("variance --threshold 0.5 --size 1", "plan: --size must be at least 2"),
        ("detector --probability 0.1 --size 30 --failure 0.2 --share 0", "plan: --share must lie in (0, 1)"),
        (
            "entrant --leader 200 --share 0.1 --pool-loss 0.01",
            "plan: --share must be above 0.292893: no number of items",
        ),
        (
            "entrant --leader 200 --share 0",
            "below (1 - --share)^2 --pool-loss = 0.005, and the loss to match is 0.005, got 0.0",
        ),
        ("entrant --leader 200", "give one of --share and --drawn, got neither"),
        ("entrant --leader 200 --share 0.1 --drawn 5", "give one of --share and --drawn, got both"),
        ("entrant --leader 0.5 --share 0.1", "--leader must be finite and at least 1, got 0.5"),
        ("worth --lost 0.005 --real 200", "--real must be below 1/--lost = 200: no number of draws is worth more"),
        ("worth --lost 0.005", "give one of --drawn and --real, got neither"),
        ("worth --lost 1.5 --drawn 5", "plan: --lost must lie in [0, 1], got 1.5"),
        ("half-life --of vocabulary --size 30 --zipf 2", "plan: --zipf must have at least 3 possible states"),
        ("half-life --of entropy --size 30", "--zipf or --words must say"),
        ("temperature --temperature 0.9 --effective 5 --zipf 3", "the vocabulary's own number, got 5.0"),
        ("temperature --temperature 0.9 --effective 5 --zipf 3", "plan: --effective must lie in (0, 2.70"),
        ("temperature --temperature 0 --effective 2 --zipf 3", "plan: --temperature must be positive, got 0"),
        ("temperature --temperature 0.9 --effective 2", "--zipf or --words must say"),
        ("half-life --of entropy --size 30 --zipf 0", "--zipf must be at least 1"),
    ],
)
def test_an_impossible_demand_is_refused_with_what_is_possible(command, message, capsys):
    assert main(["plan", *command.split()]) == 2
    assert message in capsys.readouterr().err


def test_a_temperature_that_needs_no_real_data_is_answered_by_the_law_of_infinite_data(capsys):
    assert main(["plan", "temperature", "--temperature", "1.2", "--effective", "2", "--zipf", "3"]) == 0
    shown = capsys.readouterr().out
    assert shown.startswith("real share: 0\n")
    assert "no, the law of infinite data" in shown
    assert "not proved" not in shown


def test_generations_are_fits_less_one(capsys):
    """Generation 0 is a fit on real data already."""
    command = ["plan", "real-share", "--probability", "0.1", "--size", "40", "--failure", "0.1", "--json"]
    assert main([*command, "--generations", "5"]) == 0
    by_generations = capsys.readouterr().out
    assert main([*command, "--fits", "6"]) == 0
    assert capsys.readouterr().out == by_generations
    assert main(["plan", "half-life", "--of", "heterozygosity", "--size", "30"]) == 0
    answer = plan.heterozygosity_half_life(30).value
    assert capsys.readouterr().out.splitlines()[0] == f"fits: {answer} (generation {answer - 1})"


@pytest.mark.parametrize("question", ["sample-size", "real-share", "growth", "variance", "half-life"])
def test_help_says_how_fits_and_generations_count(question, capsys):
    with pytest.raises(SystemExit):
        main(["plan", question, "--help"])
    assert "generation g of a run is fit g + 1, so that 20 generations are --fits 21" in " ".join(
        capsys.readouterr().out.split()
    )


@pytest.mark.parametrize("command", ["sample-size --probability 0.1 --failure 0.1", "growth --kept 0.5 --size 10"])
def test_fits_and_generations_exclude_each_other(command, capsys):
    with pytest.raises(SystemExit) as stopped:
        main(["plan", *command.split(), "--fits", "3", "--generations", "2"])
    assert stopped.value.code == 2
    assert "not allowed with" in capsys.readouterr().err

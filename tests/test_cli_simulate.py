"""The command line runs every family that it names, and says what is wrong where it cannot."""

import numpy as np
import pytest

from modelcollapse import Run
from modelcollapse.__main__ import _FAMILIES, main

SMALL = ["--size", "12", "--generations", "2", "--chains", "3", "--quiet"]


@pytest.mark.parametrize("family", _FAMILIES)
def test_every_family_runs_with_its_own_source_and_observables(family, capsys):
    assert main(["simulate", "--family", family, *SMALL]) == 0
    out = capsys.readouterr().out
    assert all(name in out for name in _FAMILIES[family][2])
    assert "predictions at the last generation" in out or family == "gmm"


@pytest.mark.parametrize(
    ("family", "name", "value"),
    [("bernoulli", "mean", 1.0), ("poisson", "mean", 0.0), ("pareto", "log_index", None)],
)
def test_the_parameter_is_that_of_the_source(family, name, value, tmp_path):
    given = {"bernoulli": "1", "poisson": "0", "pareto": "1e6"}[family]
    saved = tmp_path / "run.npz"
    arguments = ["--parameter", given, "--observe", name, "--save", str(saved)]
    assert main(["simulate", "--family", family, *SMALL, *arguments]) == 0
    found = Run.load(saved)[name]
    if value is None:
        assert np.all(np.abs(found - np.log(1e6)) < 5)
    else:
        assert np.all(found == value)


def test_a_table_of_counts_is_read_as_counts(tmp_path, capsys):
    table = tmp_path / "counts.csv"
    table.write_text("visits\n0\n3\n1\n2\n")
    assert main(["simulate", "--family", "poisson", "--table", str(table), *SMALL]) == 0
    assert "squared_mean_error" not in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--family", "gaussian", "--parameter", "2"], "--parameter is not for --family gaussian"),
        (["--family", "poisson", "--normal", "0,1"], "source must give counts"),
        (["--family", "kde", "--bandwidth", "0"], "bandwidth must be finite and above 0"),
        (["--family", "bernoulli", "--parameter", "1.5"], "chance must lie in [0, 1], got 1.5"),
        (["--family", "pareto", "--parameter", "-1"], "index must be finite and positive, got -1"),
    ],
)
def test_what_makes_no_sense_is_refused(arguments, message, capsys):
    assert main(["simulate", *arguments, *SMALL]) == 2
    assert message in capsys.readouterr().err

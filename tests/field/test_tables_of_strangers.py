"""Files as people have them: a list of words with counts, a column of states, a mark before the first number, a gap in
the first row.
"""

import numpy as np
import pytest

import modelcollapse as mc
from modelcollapse.__main__ import main

SHORT = ["--size", "20", "--generations", "1", "--chains", "4", "--quiet"]
WORDS, STATES = "word,count\nthe,500\nof,120\nand,40\ncat,9\n", "state\n0\n0\n1\n2\n2\n1\n0\n"


@pytest.mark.parametrize("content", [WORDS, STATES])
def test_a_discrete_family_says_which_option_takes_the_file(content, tmp_path, capsys):
    path = tmp_path / "given.csv"
    path.write_text(content)
    assert main(["simulate", "--family", "discrete", "--table", str(path), *SHORT]) == 2
    said = capsys.readouterr().err
    assert all(option in said for option in ("--counts FILE", "--states FILE", "--probabilities 500,120,40,9"))


@pytest.mark.parametrize(("option", "content", "most"), [("--counts", WORDS, 4), ("--states", STATES, 3)])
def test_and_that_option_takes_it(option, content, most, tmp_path):
    path, saved = tmp_path / "given.csv", tmp_path / "run.npz"
    path.write_text(content)
    assert main(["simulate", "--family", "discrete", option, str(path), "--save", str(saved), *SHORT]) == 0
    run = mc.Run.load(saved)
    assert run.source.params.shape == (most,)
    assert np.all(run["support_size"] <= most)


@pytest.mark.parametrize(
    ("content", "rows"), [(b"\xef\xbb\xbf1,2\n3,5\n4,4\n2,9\n6,1\n", 5), (b"1,\n3,5\n4,4\n2,9\n6,1\n", None)]
)
def test_the_first_row_is_never_lost(content, rows, tmp_path, capsys):
    path, saved = tmp_path / "given.csv", tmp_path / "run.npz"
    path.write_bytes(content)
    code = main(["simulate", "--table", str(path), "--observe", "mean", "--save", str(saved), *SHORT])
    if rows is None:
        assert code == 2
        assert "line 1, column 2: a number is missing" in capsys.readouterr().err
    else:
        assert mc.Run.load(saved).source.points.shape[0] == rows

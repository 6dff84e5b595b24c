"""A run may be written down in a file: under the names of its options, refused by name, overruled by the command line."""

import re
import subprocess
import sys
import tomllib

import pytest

from modelcollapse.__main__ import main
from modelcollapse.cli import config
from modelcollapse.cli.simulate import LAYOUT

CASES = {
    # a file, options beside it, and what must come out
    "": ([], {}),
    "size = 7\ngenerations = 3\nprecision = 32": ([], {"size": 7, "generations": 3, "precision": 32}),
    "size = 7": (["--size", "9"], {"size": 9}),
    'family = "gmm"\ncomponents = 3': ([], {"family": {"name": "gmm", "components": 3}}),
    '[family]\nname = "gmm"\ncomponents = 3\nreg-covar = 1': ([], {"family": {"name": "gmm", "components": 3, "reg-covar": 1.0}}),
    '[family]\nfamily = "gmm"': ([], {"family": {"name": "gmm"}}),
    '[family]\nname = "gmm"\nreg_covar = 0.5': ([], {"family": {"name": "gmm", "reg-covar": 0.5}}),
    # another family replaces its section, the same family does not
    '[family]\nname = "gmm"\ncomponents = 3\n[regime]\nname = "fresh-real"': (
        ["--family", "kde"], {"family": {"name": "kde"}, "regime": {"name": "fresh-real"}},
    ),
    '[family]\nname = "gmm"\ncomponents = 4': (["--family", "gmm"], {"family": {"name": "gmm", "components": 4}}),
    "[family]\ncomponents = 5": (["--family", "gmm"], {"family": {"name": "gmm", "components": 5}}),
    '[regime]\nname = "mixture"\nmixture = [0.5, 0, 0.5]': (
        ["--share", "0.2"], {"regime": {"name": "mixture", "share": 0.2}},
    ),
    '[regime]\nname = "mixture"\nshare = 0.3': (
        ["--mixture", "1,0,0"], {"regime": {"name": "mixture", "mixture": [1.0, 0.0, 0.0]}},
    ),
    # another choice of what is real replaces its section
    "[source]\niris = true": (["--normal", "1,2"], {"source": {"normal": [1.0, 2.0]}}),
    '[source]\nstates = "a.csv"\ncolumns = ["x"]\nheader = true': (["--zipf", "3"], {"source": {"zipf": 3}}),
    "[source]\niris = false": ([], {}),
    "[source]\nwords = true": ([], {"source": {"words": ""}}),
    "[source]\nprobabilities = [1, 2.5]": ([], {"source": {"probabilities": [1.0, 2.5]}}),
    'observe = "mean"': ([], {"observe": ["mean"]}),
    'observe = ["mean", "log_variance"]': ([], {"observe": ["mean", "log_variance"]}),
    'observe = ["mean", "variance"]': (["--observe", "entropy", "--observe", "mean"], {"observe": ["entropy", "mean"]}),
    "seed = 1606938044258990275541962092341162602522202993782792835301376": ([], {"seed": 2**200}),
    "quiet = true": ([], {"quiet": True}),
}  # fmt: skip
USUAL = {
    "family": {"name": "gaussian"}, "regime": {"name": "replace"}, "size": 100, "generations": 50, "chains": 1000, "seed": 0,
    "quiet": False, "precision": 64,
}  # fmt: skip


def printed(arguments, capsys):
    assert main(["simulate", *arguments, "--print-config"]) == 0
    return capsys.readouterr().out


@pytest.mark.parametrize("content", CASES)
def test_a_file_gives_options_and_the_command_line_wins(content, tmp_path, capsys):
    given, expected = CASES[content]
    path = tmp_path / "run.toml"
    path.write_text(content)
    shown = printed(["--config", str(path), *given], capsys)
    assert tomllib.loads(shown) == USUAL | expected
    # what is printed gives the same run again
    path.write_text(shown)
    assert printed(["--config", str(path)], capsys) == shown


def test_a_run_of_a_file_is_that_of_its_options(tmp_path, capsys):
    arguments = [
        "--family",
        "discrete",
        "--zipf",
        "3",
        "--size",
        "12",
        "--generations",
        "2",
        "--chains",
        "3",
        "--quiet",
    ]
    assert main(["simulate", *arguments]) == 0
    expected = capsys.readouterr().out
    path = tmp_path / "run.toml"
    path.write_text(printed(arguments, capsys))
    assert main(["simulate", "--config", str(path)]) == 0
    assert capsys.readouterr().out == expected


def test_files_are_beside_the_file_that_names_them(tmp_path, capsys, monkeypatch):
    inner = tmp_path / "inner"
    inner.mkdir()
    (inner / "x.csv").write_text("state,n\na,3\nb,1\n")
    (inner / "run.toml").write_text(
        'size = 12\ngenerations = 2\nchains = 3\nsave = "run.npz"\n[family]\nname = "discrete"\n[source]\ncounts = "x.csv"\n'
    )
    monkeypatch.chdir(tmp_path)
    assert main(["simulate", "--config", "inner/run.toml"]) == 0
    assert "2 states (a, b) and 4 draws of them from" in capsys.readouterr().err
    assert (inner / "run.npz").exists()
    # what is printed may be put elsewhere
    content = tomllib.loads(printed(["--config", "inner/run.toml"], capsys))
    assert content["source"]["counts"] == str(inner / "x.csv")


WRONG = {
    "sise = 7": "unknown key 'sise'; did you mean 'size'?",
    "[sauce]\nzipf = 1": "unknown section [sauce]; did you mean 'source'?",
    "[family]\ncomponent = 2": "unknown key 'component' of [family]; did you mean 'components'?",
    "[family]\nshare = 0.2": "unknown key 'share' of [family]; it belongs into [regime]",
    "[source]\nsize = 3": "unknown key 'size' of [source]; it belongs above the first section",
    "[size]\nx = 3": "size is a key, not a section: write size = ... above the first section",
    "qqq = 1": "unknown key 'qqq'; the names are",
    'config = "other.toml"': "unknown key 'config'",
    "print-config = true": "unknown key 'print-config'",
    'size = "100"': "size must be a whole number, got '100'",
    "size = 1.5": "size must be a whole number, got 1.5",
    "size = true": "size must be a whole number, got True",
    "size = 0": "size must be a whole number of at least 1, got '0'",
    "size = [1, 2]": "size must be a whole number, got [1, 2]",
    "precision = 16": "precision must be one of 32, 64, got 16",
    "[regime]\nshare = nan": "share of [regime] must be a finite number in [0, 1], got 'nan'",
    "[regime]\nshare = 1.5": "share of [regime] must be a finite number in [0, 1], got '1.5'",
    '[regime]\nshare = "half"': "share of [regime] must be a number, got 'half'",
    "[source]\nnormal = [0, 1, 2]": "normal of [source] must be 2 numbers, MEAN,VARIANCE, got 3",
    "[source]\nnormal = 0": "normal of [source] must be an array of numbers, got 0",
    "[source]\nprobabilities = [true]": "probabilities of [source] must be an array of numbers, got [True]",
    "[source]\niris = 1": "iris of [source] must be true or false, got 1",
    "[source]\ntable = 1": "table of [source] must be a text, got 1",
    "[source]\niris = true\nzipf = 3": "zipf and iris exclude each other; give one of them",
    "[regime]\nshare = 0.1\nmixture = [1, 0, 0]": "share and mixture exclude each other; give one of them",
    'family = "gmm"\n[family]\nname = "kde"': "Cannot",
    "components = 2\n[family]\ncomponents = 3": "components of [family] is given twice",
    "observe = 1": "observe must be a text, or an array of them, got 1",
    "observe = []": "observe must be a text, or an array of them, got []",
    '[family]\nname = "gausian"': "got 'gausian'; did you mean 'gaussian'?",
    "quiet = 1": "quiet must be true or false, got 1",
    "size = ": "Invalid value (at end of document)",
}


@pytest.mark.parametrize("content", WRONG)
def test_what_a_file_says_wrong_is_refused_by_name(content, tmp_path, capsys):
    path = tmp_path / "run.toml"
    path.write_text(content)
    with pytest.raises(SystemExit) as stopped:
        main(["simulate", "--config", str(path)])
    assert stopped.value.code == 2
    said = capsys.readouterr().err.splitlines()[-1]
    assert f"modelcollapse simulate: error: --config {path}: " in said
    assert WRONG[content] in said


def test_a_file_that_cannot_be_read_is_refused(tmp_path, capsys):
    (tmp_path / "latin.toml").write_bytes(b'observe = "\xe9"')
    for name, message in (("none.toml", "No such file"), (".", "Is a directory"), ("latin.toml", "utf-8")):
        with pytest.raises(SystemExit, match="2"):
            main(["simulate", "--config", str(tmp_path / name)])
        assert message in capsys.readouterr().err


def test_every_option_has_one_home_and_every_kind_of_value_a_word(capsys):
    with pytest.raises(SystemExit, match="0"):
        main(["simulate", "--help"])
    shown = capsys.readouterr().out
    found = {name.replace("-", "_") for name in re.findall(r"^  (?:-\w, )?--([a-z-]+)", shown, re.MULTILINE)}
    inside = [name for options in LAYOUT.sections.values() for name in options]
    assert len(inside) == len(set(inside))
    assert set(inside) <= found
    for default in ("gaussian", "replace", "100", "50", "1000", "64"):  # while a file may give others
        assert f"default {default})" in " ".join(shown.split())
    assert "Unset" not in shown


def test_texts_are_written_so_that_they_are_read_again():
    import argparse

    awkward = 'a "quoted" \\ one, é\u00a0½ \U0001f600\ttab\nline'
    shown = config.to_toml(argparse.Namespace(observe=[awkward], columns=None), LAYOUT)
    assert tomllib.loads(shown) == {"observe": [awkward]}


@pytest.mark.parametrize("shell", ["bash", "zsh", "tcsh"])
def test_shells_complete_commands_options_and_names(shell, tmp_path, capsys):
    pytest.importorskip("shtab")
    with pytest.raises(SystemExit, match="0"):
        main(["--print-completion", shell])
    script = capsys.readouterr().out
    assert all(word in script for word in ("simulate", "--regime", "fresh-real", "half-life", "log_variance"))
    if shell == "bash":
        path = tmp_path / "completion"
        path.write_text(script)
        asked = (
            f"source {path}; COMP_WORDS=(modelcollapse simulate --regime fresh); COMP_CWORD=3; "
            'COMP_LINE="${COMP_WORDS[*]}"; COMP_POINT=${#COMP_LINE}; _shtab_modelcollapse; echo "${COMPREPLY[@]}"'
        )
        done = subprocess.run(["bash", "-euc", asked], capture_output=True, text=True)
        assert (done.returncode, done.stdout.strip()) == (0, "fresh-real"), done.stderr


def test_without_shtab_completion_says_what_to_install(monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "shtab", None)
    with pytest.raises(SystemExit, match="2"):
        main(["--print-completion", "bash"])
    assert "needs shtab: pip install 'modelcollapse[completion]'" in capsys.readouterr().err

"""What the commands say: strict JSON of one style, one set of exit statuses, and nothing of the library's own unless it
is asked for.
"""

import ast
import json
import logging
import os
import subprocess
import sys
from pathlib import Path

import jax.numpy as jnp
import numpy as np
import pytest

import modelcollapse as mc
from modelcollapse import __main__ as main_module
from modelcollapse import strict_json
from modelcollapse.__main__ import main
from modelcollapse.cli import simulate as command
from modelcollapse.failures import Interrupted

PACKAGE = Path(mc.__file__).parent
SMALL = ["--size", "12", "--generations", "2", "--chains", "3", "--quiet"]
COMMANDS = {
    "simulate": ["simulate", "--family", "discrete", *SMALL],
    "plan": ["plan", "growth", "--kept", "0.7", "--size", "5", "--fits", "20"],
    "verify": ["verify", "heterozygosity_decay", "--chains", "100", "--quiet"],
    "verify list": ["verify", "heterozygosity_decay", "--list"],
    "info": ["info"],
    "report": ["report", "RUN"],
}


def strict(text):
    """JSON as another language reads it: without words for what is not finite."""

    def refuse(word):
        raise AssertionError(f"{word} is not JSON")

    return json.loads(text, parse_constant=refuse)


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_answers_in_strict_json_of_one_style(name, tmp_path, capsys):
    saved = tmp_path / "run.npz"
    if name == "report":
        assert main([*COMMANDS["simulate"], "--save", str(saved)]) == 0
        capsys.readouterr()
    arguments = [str(saved) if word == "RUN" else word for word in COMMANDS[name]]
    code = main([*arguments, "--json"])
    content = strict(capsys.readouterr().out)
    assert (content["version"], content["command"]) == (mc.__version__, arguments[0])
    path = tmp_path / "out.json"
    assert main([*arguments, "--json", str(path)]) == code
    shown, written = capsys.readouterr().out, strict(path.read_text())
    assert shown
    assert not shown.startswith("{")  # the text is printed besides
    assert written.keys() == content.keys()
    if "claims" not in written:  # which say how long they took
        assert written == content
    assert main([*arguments, "--json", str(tmp_path / "none" / "out.json")]) == 2
    assert "--json: the folder of " in capsys.readouterr().err


def test_the_page_lists_every_command_and_what_each_answers():
    page = (Path(__file__).parents[1] / "docs/command-line.md").read_text()
    tables = (
        page.partition("| command | what it does |\n|---|---|\n")[2],
        page.partition("| command | content |\n|---|---|\n")[2],
    )
    rows = [{row.split("|")[1] for row in table.partition("\n\n")[0].splitlines()} for table in tables]
    names = {module.__name__.rpartition(".")[2] for module in main_module.COMMANDS}
    assert {row.split()[1].rstrip("`") for row in rows[0]} == names
    assert {row.strip(" `") for row in rows[1]} == names - {"explore"} == {words[0] for words in COMMANDS.values()}


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (["report", "RUN", "-o", "RUN"], "--output must name a file of its own, got 'RUN': the run is read from it"),
        (["report", "RUN", "--json", "RUN"], "--json must name a file of its own, got 'RUN': the run is read from it"),
        (["report", "RUN", "--cite", "-o", "x.html"], "--cite writes no page: omit -o x.html"),
        (
            ["simulate", "--save", "a.csv", "--json", "a.csv"],
            "--json must name a file of its own, got 'a.csv': --save names it too",
        ),
        (["simulate", "--save", "a.xlsx"], "--save must end in one of .npz, .csv, .parquet, got 'a.xlsx'"),
        (["simulate", "--save", "-"], "--save must name a file, got '-'"),
        (["simulate", "--plot", "-"], "--plot must name a file, got '-'"),
    ],
)
def test_no_file_is_overwritten_by_another_and_each_is_of_its_kind(given, said, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    Path("RUN").write_bytes(b"kept")
    assert main(given) == 2
    assert said in capsys.readouterr().err
    assert Path("RUN").read_bytes() == b"kept"
    assert [path.name for path in tmp_path.iterdir()] == ["RUN"]


def test_files_are_written_before_anything_is_printed(tmp_path, monkeypatch):
    """A reader that goes away, as ``| head -1`` does, takes no file with it."""
    files = [tmp_path / name for name in ("run.npz", "run.png", "run.json")]

    def gone(*_: object) -> None:
        assert all(file.exists() for file in files)
        raise KeyboardInterrupt  # a closed pipe would close this test's own

    monkeypatch.setattr(command, "_report", gone)
    options = ("--save", "--plot", "--json")
    given = [word for pair in zip(options, map(str, files), strict=True) for word in pair]
    assert main([*COMMANDS["simulate"], *given]) == 130


def test_a_run_in_json_holds_what_the_library_says_of_it(capsys):
    main([*COMMANDS["simulate"], "--json"])
    content = strict(capsys.readouterr().out)
    source = mc.categorical(1 / np.arange(1, 11), normalise=True)
    run = mc.simulate(mc.Discrete(), source, size=12, generations=2, chains=3)
    assert content["failure"] is None
    assert content["generations"] == [0, 1, 2]
    for name, found in run.summary().statistics.items():
        for statistic, values in found.items():
            np.testing.assert_array_equal(content["summary"]["statistics"][name][statistic], values)
    assert [one["theorem"] for one in content["predictions"]] == [one.function for one in run.predict()]
    for one, expected in zip(content["predictions"], run.predict(), strict=True):
        np.testing.assert_array_equal(one["values"], expected.values)
    assert [(v["name"], v["holds"], v["words"]) for v in content["profile"]] == [
        (v.name, v.holds, v.words) for v in run.profile()
    ]
    assert content["provenance"]["seed"] == 0
    assert content["provenance"]["parts"] == run.provenance["parts"]


def test_what_is_not_finite_is_a_text_that_reads_back(capsys):
    # one chain has no spread, and what is absorbed in no generation is absorbed at infinity
    arguments = [
        "simulate",
        "--family",
        "discrete",
        "--zipf",
        "3",
        "--size",
        "50",
        "--generations",
        "1",
        "--chains",
        "1",
    ]
    main([*arguments, "--observe", "absorption_time", "--quiet", "--json"])
    found = strict(capsys.readouterr().out)["summary"]["statistics"]["absorption_time"]
    assert found["standard_error"][-1] == "NaN"
    assert found["median"][-1] == "Infinity"
    assert float(found["median"][-1]) == np.inf
    shown = strict(
        strict_json.dumps({"a": [np.float32("-inf"), 1], "b": jnp.zeros(2), "c": (None, True), "d": Path("x")})
    )
    assert shown == {"a": ["-Infinity", 1], "b": [0.0, 0.0], "c": [None, True], "d": "x"}
    with pytest.raises(TypeError, match="JSON has no word for set"):
        strict_json.dumps({"a": {1}})


@pytest.mark.parametrize("name", ["heterozygosity_decay", "A"])
def test_a_claim_is_not_taken_for_a_file(name, capsys, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    assert main(["verify", "--json", name]) == 2
    assert f"--json {name}: that names claims, not a file; write the claims before --json" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_a_chain_that_fails_is_a_status_and_is_said_in_json(tmp_path, capsys):
    saved = tmp_path / "run.npz"
    # the total of four draws passes 2^31 in some chains
    given = ["--parameter", str(2.0**31 / 4 - 1e4), "--size", "4", "--generations", "2", "--chains", "400"]
    assert main(["simulate", "--family", "poisson", *given, "--observe", "mean", "--save", str(saved), "--json"]) == 1
    output = capsys.readouterr()
    content = strict(output.out)
    assert "the fit of Poisson was not finite in chain" in content["failure"]
    assert f"modelcollapse simulate: {content['failure']}" in output.err
    assert content["summary"]["statistics"]["mean"]["mean"][-1] == ["NaN"]
    assert mc.Run.load(saved).chains == 400


def test_ctrl_c_keeps_what_there_is(monkeypatch, tmp_path, capsys):
    run = mc.simulate(mc.Discrete(), mc.categorical([0.5, 0.5]), size=12, generations=2, chains=3)

    def stop(*_, **__):
        raise Interrupted(run)

    monkeypatch.setattr(command, "simulate", stop)
    assert main([*COMMANDS["simulate"], "--save", str(tmp_path / "run.npz")]) == 130
    output = capsys.readouterr()
    assert "modelcollapse simulate: interrupted: 3 chains reached generation 2" in output.err
    assert "heterozygosity" in output.out
    assert mc.Run.load(tmp_path / "run.npz").chains == 3

    def nothing(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(command, "simulate", nothing)
    assert main(COMMANDS["simulate"]) == 130
    assert capsys.readouterr().err.splitlines() == ["modelcollapse simulate: interrupted"]


def python(code):
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(p for p in sys.path if p)}
    return subprocess.run(
        ["bash", "-c", code], env=environment | {"PY": sys.executable}, capture_output=True, text=True
    )


@pytest.mark.skipif(sys.platform == "win32", reason="there is no such pipe")
def test_a_reader_that_goes_away_is_no_error():
    done = python('"$PY" -m modelcollapse verify --list | true; echo "${PIPESTATUS[0]}"')
    assert done.stdout.strip() in ("141", "0")  # 0 where all was written before the reader went
    assert not done.stderr


def test_nothing_is_said_unless_it_is_asked_for(capfd):
    source = mc.categorical([0.5, 0.3, 0.2])
    run = mc.simulate(mc.Discrete(), source, size=12, generations=2, chains=3).extend(2).more(2)
    run.summary(), run.predict(), run.profile()
    mc.simulate_models(Mean, mc.normal(), size=5, generations=1)
    assert capfd.readouterr() == ("", "")
    main(COMMANDS["simulate"])
    assert not capfd.readouterr().err


class Mean:
    """A model in the host loop."""

    def fit(self, rows):
        self.middle = rows.mean(0)

    def sample(self, n, rng):
        return self.middle + rng.normal(size=(n, self.middle.size))


def test_the_library_logs_what_it_does(caplog, tmp_path):
    source = mc.categorical([0.5, 0.3, 0.2])
    with caplog.at_level(logging.DEBUG, "modelcollapse"):
        mc.simulate(mc.Discrete(), source, size=12, generations=2, chains=3, checkpoint=tmp_path / "kept", workers=1)
        mc.simulate_models(Mean, mc.normal(), size=5, generations=1, chains=2)
    assert {record.name for record in caplog.records} == {"modelcollapse"}
    said = [(record.levelname, record.getMessage()) for record in caplog.records]
    assert ("INFO", "3 chains from generation 0 to 2, in batches of 16; threads: at most 1; devices: cpu:0") in said
    assert any(level == "INFO" and text.startswith("3 chains reached generation 2 in ") for level, text in said)
    assert any(level == "DEBUG" and text.startswith("chains 0 to 2 reached generation") for level, text in said)
    assert any(level == "DEBUG" and f"checkpoint {tmp_path / 'kept'} has batch 0" in text for level, text in said)
    assert ("DEBUG", "chain 1: generation 1 of 1 is fitted") in said
    assert ("INFO", "chain 1 of 2 reached generation 1") in said


@pytest.mark.parametrize("place", ["before", "after"])
def test_verbose_shows_what_is_logged(place, capfd):
    arguments, log = COMMANDS["simulate"], logging.getLogger("modelcollapse")
    before = log.level, list(log.handlers)
    assert main(["-v", *arguments] if place == "before" else [*arguments, "--verbose"]) == 0
    output = capfd.readouterr()
    lines = output.err.splitlines()
    assert "modelcollapse simulate: 3 chains from generation 0 to 2, in batches of 16; " in output.err
    assert all(line.startswith("modelcollapse simulate: ") for line in lines)
    assert not any("chains 0 to 2 reached" in line for line in lines)
    assert main(["-v", *arguments, "-v"] if place == "before" else [*arguments, "-vv"]) == 0
    again = capfd.readouterr()
    assert again.out == output.out
    assert "modelcollapse simulate: chains 0 to 2 reached generation 2" in again.err.splitlines()
    # and afterwards all is silent again
    assert (log.level, log.handlers) == before
    assert main(arguments) == 0
    assert not capfd.readouterr().err


PRINTS = {"environment": 1, "explore/server": 2}
"""Calls of ``print`` in the library, which are what a user has asked for."""


def test_the_library_prints_nothing():
    found = {}
    for path in sorted(PACKAGE.rglob("*.py")):
        name = path.relative_to(PACKAGE).with_suffix("").as_posix()
        calls = [n for n in ast.walk(ast.parse(path.read_text())) if isinstance(n, ast.Call)]
        prints = [n for n in calls if isinstance(n.func, ast.Name) and n.func.id == "print"]
        if prints and not name.startswith(("cli/", "__main__")):
            found[name] = len(prints)
    assert found == PRINTS

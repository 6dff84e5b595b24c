"""The command line: one legal call of every command, every option of it with texts of every kind."""

from __future__ import annotations

import contextlib
import functools
import io
import re
from collections.abc import Iterator

from modelcollapse.__main__ import main
from tests.fuzz import cases

TEXTS = {
    "text": "abc",
    "nothing": "",
    "nan": "nan",
    "inf": "inf",
    "-inf": "-inf",
    "negative": "-1",
    "zero": "0",
    "fraction": "0.5",
    "list": "1,2",
    "list of text": "1,a",
    "bool": "True",
    "complex": "1+0j",
    "1e300": "1e300",
    "10**30": str(10**30),
    "2**62": str(2**62),
    "space": "a b",
    "accents": "é\u00a0½",
}
"""One text of each kind."""


@functools.cache
def calls() -> dict[str, dict[str, str]]:
    """Commands, and the options of a legal call of each; positional arguments have no dashes."""
    kept = {"--size": "5", "--generations": "2", "--chains": "2", "--seed": "0", "--precision": "64"}
    files = cases.file_cases()
    table, states, counted, words = (
        str(files[f"datasets.{name}"].arguments[argument])
        for name, argument in (
            ("read_table", "path"),
            ("read_states", "path"),
            ("read_counts", "path"),
            ("word_counts", "text"),
        )
    )
    (cases.FOLDER / "run.toml").write_text("quiet = true\n[source]\nzipf = 3\n")
    keep, size, law = {"--probability": "0.1", "--failure": "0.1"}, {"--sample-size": "50"}, {"--family": "discrete"}
    fresh = {"--share": "0.25", "--regime": "fresh-real"}
    read = {"--header": "", "--encoding": "utf-8"}
    return {
        "verify": {"claims": "A", "--list": "", "--seed": "0", "--chains": "10", "--json": f"{cases.FOLDER}/evidence.json"},
        "info": {"--json": ""},
        "simulate": {**law, "--zipf": "3", **fresh, "--observe": "heterozygosity", **kept, "--quiet": "", "--config": f"{cases.FOLDER}/run.toml"},
        "simulate json": {**law, **kept, "--json": f"{cases.FOLDER}/run.json"},
        "simulate probabilities": {**law, "--probabilities": "1,2", **kept},
        "simulate words": {**law, "--words": words, "--encoding": "utf-8", **kept},
        "simulate counts": {**law, "--counts": counted, "--columns": "state,count", **read, **kept},
        "simulate states": {**law, "--states": states, "--columns": "s", **read, **kept},
        "simulate bernoulli": {"--family": "bernoulli", "--parameter": "0.25", **kept},
        "simulate gaussian": {"--ddof": "1", "--normal": "0,1", "--mixture": "0.5,0,0.5", "--regime": "mixture", **kept},
        "simulate table": {"--table": table, "--columns": "x", **read, **kept, "--save": f"{cases.FOLDER}/saved.npz"},
        "simulate iris": {"--iris": "", **kept, "--size": "8", "--plot": f"{cases.FOLDER}/plot.png"},
        "simulate gmm": {"--family": "gmm", "--components": "1", "--reg-covar": "0.5", **kept},
        "simulate kde": {"--family": "kde", "--bandwidth": "0.5", **kept},
        "simulate pareto": {"--family": "pareto", "--estimator": "mle", "--parameter": "2", **kept},
        "plan sample-size": {**keep, "--fits": "3", "--json": f"{cases.FOLDER}/plan.json"},
        "plan sample-size generations": {**keep, "--generations": "3"},
        "plan real-share": {**keep, **size, "--fits": "3"},
        "plan real-items": keep,
        "plan variance": {"--threshold": "0.5", **size, "--confidence": "0.5", "--ddof": "1"},
        "plan half-life": {"--of": "heterozygosity", **size, "--ddof": "1"},
        "plan half-life zipf": {"--of": "entropy", **size, "--zipf": "3"},
        "plan half-life words": {"--of": "vocabulary", **size, "--words": words},
        "plan growth": {"--kept": "0.5", **size, "--fits": "3"},
        "plan batch": {"--kept": "0.5"},
        "plan detector": {
            **keep, **size, "--share": "0.25", "--true-positive": "0.9", "--false-positive": "0.1",
        },
        "plan remedy": {**size, "--real": "5", "--synthetic": "100", "--per": "real", "--without": "law", "--fits": "3"},
    }  # fmt: skip


PREFIX = "command "
"""How the table of what is accepted calls a command."""
WORDS = {"verify": 1, "simulate": 1, "plan": 2, "info": 1}
"""How many words of the name of a call are the command."""
BY_NAME = {"claims", "--observe", "--words", "--table", "--counts", "--states", "--columns", "--encoding", "--config"}
"""What a user types there is a name, and an error that says the name is clear."""
SWITCHES = {"--list", "--quiet", "--header", "--iris"}


def targets() -> Iterator[tuple[str, str]]:
    """Every option of every command; one that several calls share, in the first of them."""
    seen = set()
    for call, options in calls().items():
        command = " ".join(call.split()[: WORDS[call.split()[0]]])
        for option in options:
            if (command, option) not in seen:
                seen.add((command, option))
                yield call, option


def ran(call: str, **changed: str) -> tuple[int, str]:
    """The exit status of a call with some options changed, and what it said."""
    return _ran(call, {**calls()[call], **changed})


def _ran(call: str, options: dict[str, str]) -> tuple[int, str]:
    command = call.split()[: WORDS[call.split()[0]]]
    given = [_given(option, value) for option, value in options.items()]
    said, errors = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(said), contextlib.redirect_stderr(errors), contextlib.chdir(cases.FOLDER):
        try:
            code = main([*command, *given])
        except SystemExit as stop:
            code = int(stop.code or 0)
    return code, errors.getvalue()


def _given(option: str, value: str) -> str:
    if not option.startswith("--"):
        return value
    return option if option in SWITCHES or (option == "--json" and not value) else f"{option}={value}"


def fault(call: str, option: str, kind: str, taken: bool) -> str:
    """What is wrong with how a command takes a text; empty where nothing is. ``taken``: the table says why it may."""
    try:
        code, said = ran(call, **{option: TEXTS[kind]})
    except Exception as error:
        return f"{call} {option} {kind}: {error!r}"
    if code == 2:
        return "" if named(option, TEXTS[kind], said) else f"{call} {option} {kind}: not named: {said.strip()[-300:]}"
    return "" if code == 0 and taken else f"{call} {option} {kind}: {code or 'accepted, and not in the table'}"


def named(option: str, value: str, said: str) -> bool:
    """Whether an error speaks of the option; or, of a file or a name, by itself."""
    said = said.split("error:")[-1]
    if option in BY_NAME and any(name in said for name in (value.split(",")[0], repr(value)[1:-1])):
        return True
    word = re.escape(option.removeprefix("--"))
    return bool(re.search(rf"(?<!\w){word}(?!\w)", said))

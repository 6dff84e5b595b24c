"""The code in the documentation runs, in order, as it stands, and gives the output that stands beside it.

Output is shown in three ways. A comment behind ``print(...)`` that begins with a number, a quotation mark or a bracket
is what it prints; a ``text`` block behind a ``python`` block is all that it prints; and indented lines below
``$ modelcollapse ...`` are what the command prints.
"""

import ast
import contextlib
import importlib
import io
import math
import re
import shlex
from pathlib import Path

import numpy as np
import pytest
from matplotlib import pyplot

import modelcollapse as mc
from modelcollapse import protocols
from modelcollapse.__main__ import main
from modelcollapse.claims import registry
from modelcollapse.predict.registry import RULES
from modelcollapse.verify import REGISTRY
from modelcollapse_theory import precision
from modelcollapse_theory._register import THEOREMS

ROOT = Path(__file__).parents[1]
ALL = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]
QUICK = {
    "README.md", "CONTRIBUTING.md", "docs/extending.md", "docs/files.md", "docs/notebooks/how_much_real_data.md",
    "docs/notebooks/tails_die_first.md", "docs/notebooks/theorem_3_1.md", "docs/start/engineer.md",
    "docs/start/regimes.md", "docs/start/researcher.md", "docs/start/teacher.md",
}  # fmt: skip
"""Pages of the default run; the others are slow."""
NOT_RUN = {
    "docs/devices.md": "it needs several devices or hosts",
    "docs/performance.md": "it changes a global setting of JAX",
}
NUMBER = re.compile(r"(?<![\w.])[-+]?(?:\d+\.?\d*|\.\d+)(?:e[-+]?\d+)?(?![\w.]*\w)|(?<!\w)(?:nan|inf)(?!\w)")


def page(path):
    return path.relative_to(ROOT).as_posix()


BLOCK = re.compile(
    r"^```(?:python|\{code-cell\} ipython3(?:\n---\n.*?^---)?)\n(.*?)^```(?:\n+```text\n(.*?)^```)?",
    re.MULTILINE | re.DOTALL,
)
"""Python for a reader, or a cell of a notebook with what it says of its picture."""


def blocks(path):
    """Line, code and shown output (or None) of each Python block, so that a failure points into the page."""
    text = path.read_text(encoding="utf-8")
    for match in BLOCK.finditer(text):
        yield text[: match.start(1)].count("\n"), match.group(1), match.group(2)


@pytest.fixture
def figures_closed():
    yield
    pyplot.close("all")


def transcripts(path):
    """Line, command and shown output of each ``$ modelcollapse ...``."""
    text = path.read_text(encoding="utf-8")
    for match in re.finditer(r"^    \$ (modelcollapse .*)\n((?:(?:    (?!\$).*)?\n)*)", text, re.MULTILINE):
        yield (
            text[: match.start()].count("\n") + 1,
            match.group(1),
            re.sub(r"^    ", "", match.group(2), flags=re.MULTILINE),
        )


PAGES = [path for path in ALL if list(blocks(path)) and page(path) not in NOT_RUN]


def quick_or_slow(paths):
    return [pytest.param(path, id=page(path), marks=() if page(path) in QUICK else pytest.mark.slow) for path in paths]


def last_digit(shown):
    """Half a unit of the last digit that is shown."""
    digits, _, power = shown.partition("e")
    return 0.5 * 10.0 ** (int(power or 0) - len(digits.partition(".")[2]))


def differences(shown, actual):
    """Where two texts differ in more than white space and the digits of numbers that are not shown.

    Rows of a summary are random: another version of JAX may draw other numbers. Their mean lies within five standard
    errors, and what else they show within a fifth or ten standard errors. Measured numbers of a profile lie within a
    fifth.
    """
    wanted, found = ([line for line in text.splitlines() if line.strip()] for text in (shown, actual))
    if len(wanted) != len(found):
        return [f"{len(wanted)} lines are shown, and there are {len(found)}:\n{actual}"]
    wrong, random, judged = [], False, False
    for line, other in zip(wanted, found, strict=True):
        random = "std. error" in line or (random and not line.startswith((" ", "predictions", "no closed")))
        judged = line.startswith("collapse, by") or (judged and line.startswith(" "))
        texts = [" ".join(NUMBER.sub("#", text).split()) for text in (line, other)]
        numbers = [NUMBER.findall(text) for text in (line, other)]
        values = [[float(n) for n in several] for several in numbers]
        slack = [1.01 * last_digit(n) for n in numbers[0]]
        if random and "std. error" not in line and len(values[0]) == len(values[1]) == 5:
            error = values[0][1]
            slack = [5 * error, 0.5 * error, *[max(10 * error, 0.2 * abs(v)) for v in values[0][2:]]]
        if judged:
            slack = [max(0.05, 0.2 * abs(v)) for v in values[0]]
        close = texts[0] == texts[1] and all(
            math.isclose(a, b, rel_tol=1e-9, abs_tol=s) for a, b, s in zip(*values, slack, strict=True)
        )
        if not close:
            wrong.append(f"shown: {line}\nfound: {other}")
    return wrong


def run_block(code, line, path, namespace):
    """What a block prints; what its comments promise is compared statement by statement."""
    printed = ""
    for statement in ast.parse("\n" * line + code).body:
        program = compile(ast.Module([statement], []), str(path), "exec")
        with contextlib.redirect_stdout(io.StringIO()) as out:
            exec(program, namespace)
        printed += out.getvalue()
        promise = re.search(r"#\s*([-+\d\['\"({].*)$", code.splitlines()[statement.end_lineno - line - 1])
        if promise and ast.unparse(statement).startswith("print("):
            wrong = differences(promise.group(1), out.getvalue())
            assert not wrong, f"{path}:{statement.end_lineno}\n" + "\n".join(wrong)
    return printed


def run_command(command, capsys):
    with contextlib.suppress(SystemExit):
        main(shlex.split(command)[1:])
    out, err = capsys.readouterr()
    # a bar is drawn over, a note is not
    return "".join(f"{line}\n" for line in err.splitlines() if line.startswith("modelcollapse")) + out


@pytest.mark.parametrize("path", quick_or_slow(PAGES))
def test_the_code_and_the_output_of_a_page_are_right(path, tmp_path, monkeypatch, capsys, figures_closed):
    monkeypatch.chdir(tmp_path)
    registry()
    registers = [(register, set(register)) for register in (REGISTRY, THEOREMS, RULES)]
    namespace: dict = {"__name__": page(path).replace("/", "_").replace(".", "_")}
    try:
        for line, code, shown in blocks(path):
            printed = run_block(code, line, path, namespace)
            wrong = differences(shown, printed) if shown is not None else []
            assert not wrong, f"{path}:{line}\n" + "\n".join(wrong)
    finally:
        for register, before in registers:
            for key in set(register) - before:
                del register[key]
    for line, command, shown in transcripts(path):
        capsys.readouterr()
        wrong = differences(shown, run_command(command, capsys))
        assert not wrong, f"{path}:{line}\n" + "\n".join(wrong)


@pytest.mark.parametrize("path", [path for path in ALL if list(transcripts(path)) and path not in PAGES], ids=page)
def test_the_output_of_a_page_of_commands_is_right(path, capsys):
    for line, command, shown in transcripts(path):
        wrong = differences(shown, run_command(command, capsys))
        assert not wrong, f"{path}:{line}\n" + "\n".join(wrong)


SMALL = ["--size", "12", "--generations", "2", "--chains", "3", "--quiet"]


@pytest.mark.parametrize(
    "command",
    [c for path in ALL for b in re.findall(r"^```sh\n(.*?)^```", path.read_text("utf-8"), re.M | re.S) for c in b.splitlines()
     if c.startswith("modelcollapse ")],
)  # fmt: skip
def test_the_commands_of_a_page_run(command, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    _, name, *options = shlex.split(command, comments=True)
    try:
        code = main([name, *options, *{"simulate": SMALL, "verify": ["--list"], "explore": ["--help"]}.get(name, [])])
    except SystemExit as stopped:
        code = stopped.code
    assert code == 0
    assert capsys.readouterr().out


@pytest.mark.parametrize(
    ("shown", "actual", "same"),
    [
        ("0.0626", "0.06262", True),
        ("0.0626", "0.0628", False),
        ("[1, 2.5]", "[1, 2.5000001]", True),
        ("{'a': 3}", "{'a': 4}", False),
        ("{'a': 3}", "{'b': 3}", False),
        ("p 1e-3", "p 0.00100", True),
        ("one\ntwo", "one", False),
        ("x std. error\nmean 1.0 0.1 1.0 [0.5, 1.5]", "x std. error\nmean 1.3 0.12 1.1 [0.4, 1.6]", True),
        ("x std. error\nmean 1.0 0.1 1.0 [0.5, 1.5]", "x std. error\nmean 1.6 0.1 1.0 [0.5, 1.5]", False),
        (
            "x std. error\nmean 1.0 0.1 1.0 [0, 2]\n  mean x = 0.5",
            "x std. error\nmean 1.0 0.1 1.0 [0, 2]\n  mean x = 0.6",
            False,
        ),
    ],
)
def test_a_wrong_number_is_seen(shown, actual, same):
    assert (not differences(shown, actual)) == same


def test_a_wrong_output_of_each_kind_is_seen(tmp_path, capsys):
    with pytest.raises(AssertionError, match=r"page.md:2\n *shown: 0.4\n *found: 0.25"):
        run_block("x = 1 / 4\nprint(x)  # 0.4\n", 0, "page.md", {})
    assert run_block("x = 1 / 4\nprint(x)  # 0.25\nprint(x)  # a quarter\n", 7, "page.md", {}) == "0.25\n0.25\n"
    given = tmp_path / "page.md"
    given.write_text(
        "```python\nprint(1)\n```\n\n```text\n2\n```\n\n    $ modelcollapse plan batch --kept 0.62\n    batch: 5\n"
    )
    assert list(blocks(given)) == [(1, "print(1)\n", "2\n")]
    ((line, command, shown),) = transcripts(given)
    assert (line, shown) == (9, "batch: 5\n")
    assert differences(shown, run_command(command, capsys))


def installs_by_name(text):
    """Where a reader is told to install from an index: the project is on none; a wheel's file name is no such place."""
    return re.findall(r"pip\s+install\s+modelcollapse\b(?!-)", text)


@pytest.mark.parametrize("path", ALL, ids=page)
def test_no_page_installs_from_an_index(path):
    assert not installs_by_name(path.read_text("utf-8"))


def test_an_install_by_name_is_seen():
    assert installs_by_name("`pip\ninstall modelcollapse`; `pip install modelcollapse`")
    assert not installs_by_name("python -m pip install modelcollapse-*.whl")


def test_there_is_code_to_run_and_output_to_compare():
    assert len(list(blocks(ROOT / "docs/extending.md"))) >= 4
    assert len(list(transcripts(ROOT / "docs/files.md"))) >= 3
    assert len(list(transcripts(ROOT / "docs/planner.md"))) >= 2
    for name in NOT_RUN:
        assert list(blocks(ROOT / name))


def test_the_calls_in_the_tables_of_regimes_make_them():
    text = (ROOT / "docs/start/regimes.md").read_text("utf-8")
    calls = re.findall(r"`(mc\.[^`]+\))`", text)
    given = {"before": mc.Replace(), "after": mc.Accumulate(), "generation": 3, "weights": [[0.6, 0.3], [0.1, 0.8]]}
    made = [eval(call, {"mc": mc, "family": mc.Discrete(), **given}) for call in calls]
    regimes = {type(one).__name__ for one in made if isinstance(one, protocols.Regime | protocols.Exchanges)}
    assert {"Replace", "Rewrite", "Switch", "Weighted", "Detected", "Exchange"} < regimes
    assert len(made) >= 14


def promises(text):
    """Each sentence of the bullets of a section, and the names in the brackets at its end."""
    for bullet in re.findall(r"^\* \*\*.+?\*\*(.*?)(?=^\*|\Z)", text, re.MULTILINE | re.DOTALL):
        for sentence in re.split(r"\.\s+(?=[A-Z`])|\.\s*\Z", bullet.strip())[:-1]:
            *_, end = re.findall(r"\(([^()]*)\)", sentence) or [""]
            yield sentence, re.findall(r"`([^`]+)`", end) if sentence.endswith(f"({end})") else []


def test_each_guarantee_names_a_test_or_claim_that_exists():
    text = (ROOT / "README.md").read_text("utf-8").partition("## What is guaranteed\n")[2].partition("\n## ")[0]
    sentences = list(promises(text))
    assert len(sentences) > 20
    for sentence, names in sentences:
        assert names, sentence
        for name in [name for end in re.findall(r"\(([^()]*`)\)", sentence) for name in re.findall("`([^`]+)`", end)]:
            file, _, function = name.partition("::")
            if file.endswith(".py"):
                assert f"def {function}" in (ROOT / "tests" / file).read_text("utf-8"), name
            else:
                assert name in registry(), name


def test_the_share_of_the_claims_that_run_in_32_bits_is_what_is_said():
    quick = [claim.section[0] for claim in registry().values() if claim.tier == "quick"]
    share = rf"{sum(section in 'AD' for section in quick)} of (the )?{len(quick)}\b"
    for name in ("README.md", "Makefile"):
        assert re.search(share, (ROOT / name).read_text("utf-8")), (name, share)


def test_a_guarantee_without_a_test_is_seen():
    given = "* **A.** Held (`x`). Not held\nat all. `f()` is (`y::z`, `w`), or so.\n* **B.** Also (`v`).\n"
    assert [names for _, names in promises(given)] == [["x"], [], [], ["v"]]


def shown_table(path, head):
    """The cells of a table of Markdown below its head."""
    rows = path.read_text(encoding="utf-8").partition(head)[2].split("\n\n")[0].strip().splitlines()
    return [[cell.strip() for cell in row.strip("|").split("|")] for row in rows if not row.startswith("|---")]


ERRORS = {
    "samples": "samples",
    "family": "family",
    "family (2 latents)": "family",
    "bias (ddof = 0)": "bias",
    "bias": "bias",
    "10 steps of gradient descent": "few steps",
    "10 steps": "few steps",
    "objective (decoder noise 0.02)": "objective",
    "objective": "objective",
}
"""What the page calls an error, and what ``examples/error_sources.py`` does."""


def test_the_table_of_errors_is_right(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "examples"))
    example = importlib.import_module("error_sources")
    parts = iter(
        (
            (example.one_normal, example.one_normal_theory, None),
            (example.regression, example.regression_theory, "excess_risk"),
            (example.bottleneck, example.bottleneck_theory, "decoder_variance"),
        )
    )
    rows = shown_table(ROOT / "docs/error-sources.md", "| errors that are on | theory | simulation |\n")
    compared = 0
    for errors_on, theory, simulation in rows:
        if errors_on.startswith("**"):
            build, known, observe = next(parts)
            continue
        on = tuple(ERRORS[name] for name in errors_on.split(" + ")) if errors_on not in ERRORS else (ERRORS[errors_on],)
        exact, kind = known(on, np.arange(1, 17)), "mean"
        if exact is None:
            found = mc.predictions(**{"observe": observe, "size": 50, "generations": 15} | build(on))
            exact, kind = (found[0].values, found[0].kind) if found else (None, "")
        assert (exact is None) == (theory == "none known"), errors_on
        if exact is None:
            continue
        assert theory.startswith("at least ") == (kind == "lower bound"), errors_on
        theory, value = theory.removeprefix("at least "), float(np.asarray(exact)[-1])
        assert abs(float(theory) - value) <= 1.01 * last_digit(theory), (errors_on, theory, value)
        mean, _, error = simulation.partition(" ± ")
        assert abs(float(mean) - value) <= 5 * float(error or 0) + last_digit(mean), (errors_on, simulation, value)
        compared += 1
    assert compared >= 14


def test_the_table_of_few_digits_is_right():
    for size, free, _ in shown_table(ROOT / "docs/error-sources.md", "(float16; bfloat16 and float32 within 3%) |\n"):
        assert abs(float(free) - precision.resolution_time(10.0, 1.0, int(size))) <= 0.51

"""The command line runs every family that it names, takes its data from files, and says what is wrong."""

import io
import re
import sys

import jax
import numpy as np
import pytest

import modelcollapse as mc
from modelcollapse import families
from modelcollapse.__main__ import main
from modelcollapse.observables import OBSERVABLES

SMALL = ["--size", "12", "--generations", "2", "--chains", "3", "--quiet"]
# what each family is on the command line; the last few have no law of their own there
KINDS = {
    "bernoulli": families.Binomial,
    "discrete": families.Discrete,
    "exponential": families.Gamma,
    "gaussian": families.Gaussian,
    "gaussianmean": families.GaussianMean,
    "gmm": families.GaussianMixture,
    "kde": families.KernelDensity,
    "medianmad": families.MedianMAD,
    "negativebinomial": families.NegativeBinomial,
    "pareto": families.Pareto,
    "poisson": families.Poisson,
    "uniform": families.Uniform,
    "vae": families.VAE,
}
UNKNOWN = {
    "gmm": ["log_determinant", "mean"],
    "medianmad": ["log_variance"],
    "pareto": ["mean"],
    "uniform": ["mean"],
}  # no closed form
LAWLESS = ("negativebinomial", "vae")
STATES, ROWS, LAW = (
    ("probabilities", "zipf", "words", "counts", "states"),
    ("normal", "iris", "table"),
    ("parameter", "table"),
)
SOURCES = {
    "bernoulli": ("parameter", "probabilities", "table", "counts", "states"),
    "discrete": STATES,
    "exponential": LAW,
    "gaussian": ROWS,
    "gmm": ROWS,
    "kde": ROWS,
    "medianmad": ROWS,
    "pareto": LAW,
    "poisson": ("parameter", "table", *STATES),
    "uniform": LAW,
}
SOURCE = {
    "probabilities": ["--probabilities", "1,2"],
    "zipf": ["--zipf", "3"],
    "words": ["--words"],
    "normal": ["--normal", "0,1"],
    "parameter": ["--parameter", "0.5"],
    "iris": ["--iris"],
    "table": ["--table", "x.csv"],
    "counts": ["--counts", "x.csv"],
    "states": ["--states", "x.csv"],
}
OPTIONS = {
    "ddof": ("0", {"gaussian"}),
    "components": ("2", {"gmm"}),
    "reg-covar": ("0.1", {"gmm"}),
    "bandwidth": ("0.1", {"kde"}),
    "estimator": ("mle", {"uniform", "pareto"}),
}
REGIMES = ("accumulate", "accumulate-subsample", "fixed-real", "fresh-real", "mixture", "replace", "retain")
SHARED = {"fixed-real", "fresh-real", "mixture", "retain"}


def refusal(arguments, capsys):
    """The last line of standard error after exit status 2, and nothing on standard output."""
    try:
        code = main(arguments)
    except SystemExit as stopped:
        code = stopped.code
    assert code == 2
    out, err = capsys.readouterr()
    assert not out
    return err.splitlines()[-1]


def test_the_tables_of_these_tests_are_whole(capsys):
    with pytest.raises(SystemExit, match="0"):
        main(["simulate", "--help"])
    shown = " ".join(capsys.readouterr().out.split())
    for option, names in (("family", KINDS), ("regime", REGIMES)):
        assert f"--{option} {{{','.join(names)}}}" in shown
    for name in (*SOURCE, *OPTIONS):
        assert f"--{name} " in shown
    assert f"Observables: {', '.join(sorted(OBSERVABLES))}." in shown
    assert all(f"{name} {', '.join(kind.default_observables)}" in shown for name, kind in KINDS.items())
    for default in ("gaussian", "replace", "100", "50", "1000", "0", "1", "2", "0.1", "0,1", "mle", "64"):
        assert re.search(rf"[( ]{re.escape(default)}\)", shown), default


QUICK = ("discrete", "gaussian", "poisson")


@pytest.mark.parametrize(
    "family",
    [pytest.param(name, marks=() if name in QUICK else pytest.mark.slow) for name in KINDS if name not in LAWLESS],
)
def test_every_family_runs_with_its_own_source_and_observables(family, capsys):
    observed = KINDS[family].default_observables
    assert main(["simulate", "--family", family, *SMALL]) == 0
    out = capsys.readouterr().out
    without = re.search("no closed form is known here for (.*)", out)
    missing = without[1].split(", ") if without else []
    for name in observed:
        assert re.search(rf"^{name} .*\]$", out, re.MULTILINE)
        assert (re.search(rf"^  mean {name} [=<>]+ .* at generation 2: .* \(.*\)$", out, re.MULTILINE) is None) == (
            name in missing
        )
    assert ("predictions at the last generation" in out) == (len(missing) < len(observed))
    assert sorted(missing) == UNKNOWN.get(family, [])


def test_one_number_is_printed_as_a_number(capsys):
    main(["simulate", "--family", "poisson", "--parameter", "0.5", *SMALL])
    out = capsys.readouterr().out
    assert re.search(r"^mean  ", out, re.MULTILINE)
    assert "mean mean = 0.5 at generation 2" in out
    main(["simulate", "--iris", "--observe", "mean", "--observe", "log_mean", *SMALL])
    out = capsys.readouterr().out
    assert re.search(r"^mean\[3\]  ", out, re.MULTILINE)
    assert "  mean mean = [" in out
    assert "no closed form is known here for log_mean\n" in out


@pytest.mark.parametrize(
    ("family", "name", "value"),
    [("bernoulli", "mean", 1.0), ("poisson", "mean", 0.0), ("pareto", "log_index", None)],
)
def test_the_parameter_is_that_of_the_source(family, name, value, tmp_path):
    given = {"bernoulli": "1", "poisson": "0", "pareto": "1e6"}[family]
    saved = tmp_path / "run.npz"
    arguments = ["--parameter", given, "--observe", name, "--save", str(saved)]
    assert main(["simulate", "--family", family, *SMALL, *arguments]) == 0
    found = mc.Run.load(saved)[name]
    if value is None:
        assert np.all(np.abs(found - np.log(1e6)) < 5)
    else:
        assert np.all(found == value)


FILES = {
    "a table of counts is read as counts": ("poisson", "table", "visits\n0\n3\n1\n2\n", [0, 3, 1, 2]),
    "numbers with their counts": ("poisson", "counts", "visits,n\n0,6\n3,2\n", [0.75, 0, 0, 0.25]),
    "two numbers with their counts": ("bernoulli", "counts", "0,6\n1,2\n", 0.25),
    "two numbers one by one": ("bernoulli", "states", "b\n1\n0\n0\n0\n", 0.25),
    "words with their counts": ("discrete", "counts", "word,count\nthe,5\nof,3\n", [0.625, 0.375]),
    "words one by one": ("discrete", "states", "the\nof\nthe\nthe\n", [0.25, 0.75]),
    "wide identities": ("discrete", "states", f"{2**40}\n{2**33}\n{2**40}\n{2**40}\n", [0.25, 0.75]),
    "rows": ("gaussian", "table", "a;b\n1,5;1\n2,25;3\n4;2\n", [[1.5, 1], [2.25, 3], [4, 2]]),
}
NAMES = {
    "words with their counts": ("the", "of"),
    "words one by one": ("of", "the"),
    "wide identities": (2**33, 2**40),
}
SAID = {
    "rows": ("commas within numbers are read as decimal points", "read 3 rows of 2 columns (a, b) from "),
    "words one by one": ("read 2 states (of, the) and 4 draws of them from ",),
}


@pytest.mark.parametrize("case", FILES)
def test_files_are_what_is_real_and_what_was_read_is_said(case, tmp_path, capsys):
    family, option, content, expected = FILES[case]
    path, saved = tmp_path / "given.csv", tmp_path / "run.npz"
    path.write_text(content)
    assert main(["simulate", "--family", family, f"--{option}", str(path), "--save", str(saved), *SMALL[:-1]]) == 0
    source = mc.Run.load(saved).source
    if option == "table":
        np.testing.assert_array_equal(source.points, expected)
        assert (source.points.dtype.kind == "i") == (family == "poisson")
    elif family == "bernoulli":
        assert float(source.params.mean[0]) == expected
    else:
        np.testing.assert_allclose(source.params, expected, rtol=1e-15)
        assert source.names == NAMES.get(case)
    err = capsys.readouterr().err
    assert "modelcollapse simulate: read " in err
    assert all(said in err for said in SAID.get(case, ()))


@pytest.mark.parametrize("family", [name for name, options in SOURCES.items() if "table" in options])
def test_every_family_of_numbers_takes_a_table(family, tmp_path, capsys):
    path = tmp_path / "given.csv"
    path.write_text("0\n1\n0\n1\n" if family in ("bernoulli", "poisson") else "1\n1.5\n2\n4\n")
    # what cannot be observed is refused after the family has taken its source, and before anything is compiled
    said = refusal(["simulate", "--family", family, "--table", str(path), "--observe", "probabilities", *SMALL], capsys)
    assert "the observable 'probabilities' cannot be read" in said


@pytest.mark.parametrize("given", SOURCE)
@pytest.mark.parametrize("family", SOURCES)
def test_what_is_real_fits_the_family_or_is_refused(family, given, tmp_path, capsys):
    if given in SOURCES[family]:
        return
    path = tmp_path / "x.csv"
    path.write_text("0,2\n1,3\n")
    arguments = [str(path) if word == path.name else word for word in SOURCE[given]]
    said = refusal(["simulate", "--family", family, *arguments, *SMALL], capsys)
    assert f"--{given}: " in said or "source must give" in said


@pytest.mark.parametrize("option", OPTIONS)
@pytest.mark.parametrize("family", KINDS)
def test_an_option_of_other_families_is_refused(family, option, capsys):
    value, having = OPTIONS[option]
    if family not in having:
        said = refusal(["simulate", "--family", family, f"--{option}", value], capsys)
        assert f"--{option} is not for --family {family}, only for " in said
        assert all(name in said for name in having)


@pytest.mark.parametrize(("option", "value"), [("share", "0.2"), ("mixture", "0.5,0,0.5")])
@pytest.mark.parametrize("regime", REGIMES)
def test_an_option_of_other_regimes_is_refused(regime, option, value, capsys):
    if regime not in (SHARED if option == "share" else {"mixture"}):
        said = refusal(["simulate", "--regime", regime, f"--{option}", value], capsys)
        assert f"--{option} is not for --regime {regime}, only for " in said


WHOLE = {"size": 1, "generations": 0, "chains": 1, "seed": 0, "components": 1, "zipf": 1}
REAL = {"share": "[0, 1]", "reg-covar": "of at least 0", "bandwidth": "above 0", "parameter": "number"}
LISTS = {"normal": "2 numbers, MEAN,VARIANCE", "mixture": "3 numbers, ALPHA,BETA,GAMMA"}


@pytest.mark.parametrize("option", [*WHOLE, *REAL, *LISTS, "probabilities"])
def test_numbers_are_checked_where_they_enter(option, capsys):
    bad = ["abc", "", "nan", "inf", "1e999", "1_", "0x1"]
    if option in WHOLE:
        bad += ["1.5", "1e2", str(WHOLE[option] - 1)] + (["2147483648"] if option != "seed" else [])
    if option in REAL:
        bad += {"share": ["-0.1", "1.1"], "reg-covar": ["-1"], "bandwidth": ["0", "-1"]}.get(option, [])
    if option in LISTS:
        bad += ["1", "1,", "1,2,3,4", "1,x" + ",0" * (option == "mixture"), "nan,1" + ",0" * (option == "mixture")]
    for text in bad:
        said = refusal(["simulate", f"--{option}={text}"], capsys)
        assert f"argument --{option}: must be" in said
        assert repr(text) in said
    for form in (REAL | LISTS).get(option, "").splitlines():
        assert form in refusal(["simulate", f"--{option}=-7,7,7,7,7,7"], capsys) or option in REAL


@pytest.mark.parametrize("option", ["seed", "chains"])
@pytest.mark.parametrize("value", ["-1", "x", "1.5"])
def test_verify_checks_its_numbers_too(option, value, capsys):
    said = refusal(["verify", f"--{option}", value], capsys)
    assert f"argument --{option}: must be a whole number" in said
    assert repr(value) in said


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--family", "bernoulli", "--parameter", "1.5"], "chance must lie in [0, 1], got 1.5"),
        (["--family", "pareto", "--parameter", "-1"], "index must be finite and positive, got -1"),
        (["--regime", "mixture", "--mixture", "1,0,0", "--share", "0.1"], "gives all three weights; leave --share out"),
        (["--observe", "abc"], "unknown observable 'abc'; the names are absorbed"),
        (["--columns", "a"], "--columns is about a file: give --table, --counts or --states FILE as well"),
        (["--no-header"], "--header is about a file"),
        (["--encoding", "latin-1"], "--encoding is about a file"),
        (["--table", "none.csv"], "none.csv"),
        (["--table", "."], "Is a directory"),
        (["--save", "no/folder/run.npz"], "the folder of no/folder/run.npz does not exist"),
        (["--plot", "no/folder/run.png"], "the folder of no/folder/run.png does not exist"),
    ],
)
def test_what_makes_no_sense_is_refused(arguments, message, capsys):
    assert message in refusal(["simulate", *arguments, *SMALL], capsys)


@pytest.mark.parametrize(
    ("family", "option", "content", "message"),
    [
        ("gaussian", "table", "1,2\n3,\n", "line 2, column 2: a number is missing"),
        ("gaussian", "table", b"\xff", "is not utf-8 text: byte 0xff at position 0, in line 1"),
        ("poisson", "table", "1\n2.5\n", "one column of whole numbers from 0 for --family poisson, got 2.5 in row 2"),
        ("poisson", "table", "1,2\n2,5\n", "one column of whole numbers from 0 for --family poisson, got 2 columns"),
        (
            "poisson",
            "counts",
            "a,1\nb,2\n",
            "states must be whole numbers from 0 to 1000000 for --family poisson, got 'a'",
        ),
        ("poisson", "states", "-1\n2\n", "states must be whole numbers from 0 to 1000000 for --family poisson, got -1"),
        ("bernoulli", "states", "0\n2\n", "states must be whole numbers from 0 to 1 for --family bernoulli, got 2"),
        ("bernoulli", "counts", "0,0\n1,0\n", "weights must not all be zero"),
        ("discrete", "counts", "a,0\nb,0\n", "counts must not all be zero"),
        ("discrete", "states", "1.5\n2\n", "states must be text or whole numbers, got '1.5'"),
    ],
)
def test_files_that_cannot_be_used_are_refused(family, option, content, message, tmp_path, capsys):
    path = tmp_path / "given.csv"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    assert message in refusal(["simulate", "--family", family, f"--{option}", str(path), *SMALL], capsys)


def test_any_seed_runs_and_no_two_give_the_same(capsys):
    shown = set()
    for seed in (1, 2**32 + 1, 2**63 + 1, 2**200):
        assert main(["simulate", "--seed", str(seed), *SMALL]) == 0
        shown.add(capsys.readouterr().out)
    assert len(shown) == 4
    with jax.numpy_dtype_promotion("standard"):  # as a user has it
        assert main(["verify", "heterozygosity_decay", "--chains", "100", "--quiet", "--seed", str(2**200)]) in (0, 3)


@pytest.mark.parametrize(
    "command",
    [
        ["simulate", *SMALL],
        ["plan", "growth", "--kept", "0.7", "--size", "5", "--fits", "20"],
        ["verify", "heterozygosity_decay", "--chains", "100", "--quiet"],
        ["verify", "--list"],
    ],
)
def test_a_terminal_that_knows_only_ascii_gets_everything(command, monkeypatch, capsys):
    terminal = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    with jax.numpy_dtype_promotion("standard"):  # as a user has it
        assert main(command) in (0, 3)
        expected = capsys.readouterr().out
        monkeypatch.setattr(sys, "stdout", terminal)
        assert main(command) in (0, 3)
    terminal.flush()
    shown = terminal.buffer.getvalue().decode("ascii")
    plain = expected.replace("±", "+/-")
    # the last line of verify ends in its seconds
    assert re.sub(r"; \d+ s$", "", shown.strip()) == re.sub(r"; \d+ s$", "", plain.strip())


def test_letters_that_a_terminal_lacks_are_spelled_out(monkeypatch, tmp_path):
    path = tmp_path / "given.csv"
    path.write_text("größe,Σσ²,名\n1,2,x\n3,4,y\n", encoding="utf-8")
    terminal = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    monkeypatch.setattr(sys, "stderr", terminal)
    assert main(["simulate", "--table", str(path), *SMALL]) == 2
    terminal.flush()
    shown = terminal.buffer.getvalue().decode("ascii")
    assert "columns of numbers (gro\\xdfe, Sigmasigma2) and columns of text (\\u540d; line 2: 'x')" in shown


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.mark.parametrize(
    ("stream", "quiet", "shown"), [(Terminal, False, True), (Terminal, True, False), (io.StringIO, False, False)]
)
def test_a_terminal_sees_the_time_left(stream, quiet, shown, monkeypatch):
    told = stream()
    monkeypatch.setattr(sys, "stderr", told)
    assert main(["simulate", *(SMALL if quiet else SMALL[:-1])]) == 0
    assert bool(re.search(r"\[\d+:\d\d<(\d+:\d\d|\?)", told.getvalue())) == shown

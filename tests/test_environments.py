"""The same numbers wherever the library runs: settings of JAX and Python, places without a home, a display or more than
ASCII.
"""

import json
import os
import subprocess
import sys
import tempfile

import pytest

SCRIPT = """
import json, sys, tempfile, pathlib
import modelcollapse as mc
from modelcollapse import plot
from modelcollapse.__main__ import main

def numbers():
    options = {"size": 6, "generations": 2, "chains": 3, "seed": 1}
    words = mc.simulate(mc.Discrete(), mc.categorical([0.5, 0.3, 0.2]), mc.FreshReal(0.5), ["probabilities", "entropy"], **options)
    line = mc.simulate(mc.Gaussian(), mc.normal(), observe=["log_variance", "mean"], **options)
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder)
        line.save(path / "run.npz")
        longer = mc.Run.load(path / "run.npz").extend(1)
        plot.overview(words).savefig(path / "picture.png")
        if (path / "picture.png").stat().st_size < 1000:
            sys.exit("no picture")
    predicted = [float(p.values[-1].ravel()[0]) for p in words.predict()]
    print(words.summary(), words.predict(), file=sys.stderr)
    return {
        "counts": (words["probabilities"] * 6).round().astype(int).ravel().tolist(),
        "reals": [*words["entropy"].ravel().tolist(), *longer["log_variance"].ravel().tolist()],
        "exact": predicted,
    }

BODY
"""
PLAIN = "print(json.dumps(numbers()))"
THREAD = """
import threading
found = []
thread = threading.Thread(target=lambda: found.append(numbers()))
thread.start()
thread.join()
print(json.dumps(found[0]))
"""
COMMANDS = """
for arguments in (["simulate", "--size", "6", "--generations", "1", "--chains", "2", "--quiet"], ["verify", "--list"], ["plan", "batch", "--kept", "0.9"]):
    if main(arguments):
        sys.exit(str(arguments))
for arguments in (["--help"], ["simulate", "--help"], ["plan", "--help"], ["verify", "--help"]):
    try:
        main(arguments)
    except SystemExit as stop:
        if stop.code:
            sys.exit(str(arguments))
"""
SETTINGS = {
    "plain": ({}, PLAIN),
    "without compilation": ({"JAX_DISABLE_JIT": "1"}, PLAIN),
    "NaN is an error": ({"JAX_DEBUG_NANS": "1"}, PLAIN),
    "without docstrings and assertions": ({"PYTHONOPTIMIZE": "2"}, PLAIN),
    "in a thread": ({}, THREAD),
    "no home and no display": (
        {"HOME": "/dev/null", "XDG_CACHE_HOME": "/dev/null/cache", "XDG_CONFIG_HOME": "/dev/null/config", "DISPLAY": ""},
        PLAIN,
    ),
}  # fmt: skip


def run(body: str, **settings: str) -> subprocess.CompletedProcess:
    environment = {k: v for k, v in os.environ.items() if k not in ("MPLBACKEND", "JAX_ENABLE_X64")} | settings
    with tempfile.TemporaryDirectory() as elsewhere:
        return subprocess.run(
            [sys.executable, "-W", "error::DeprecationWarning:modelcollapse", "-c", SCRIPT.replace("BODY", body)],
            env=environment, cwd=elsewhere, capture_output=True, text=True, encoding="utf-8", errors="replace",
        )  # fmt: skip


@pytest.fixture(scope="module")
def expected() -> dict:
    done = run(PLAIN)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


QUICK = {"no home and no display"}


@pytest.mark.parametrize(
    "setting", [pytest.param(n, marks=() if n in QUICK else pytest.mark.slow) for n in SETTINGS if n != "plain"]
)
def test_the_numbers_are_those_of_a_plain_process(setting: str, expected: dict) -> None:
    settings, body = SETTINGS[setting]
    done = run(body, **settings)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout.splitlines()[-1])
    assert found["counts"] == expected["counts"]
    assert found["reals"] == pytest.approx(expected["reals"], rel=2e-5, abs=1e-6)
    assert found["exact"] == pytest.approx(expected["exact"], rel=1e-12)


def test_double_precision_draws_the_same_counts(expected: dict) -> None:
    done = run(PLAIN, JAX_ENABLE_X64="1")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout.splitlines()[-1])
    assert found["counts"] == expected["counts"]
    assert found["exact"] == pytest.approx(expected["exact"], rel=1e-7)  # of the law as float32 holds it


@pytest.mark.parametrize(
    "settings",
    [
        {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0", "PYTHONIOENCODING": "ascii"},
        pytest.param({"PYTHONOPTIMIZE": "2", "COLUMNS": "40"}, marks=pytest.mark.slow),
    ],
    ids=["ASCII terminal", "without docstrings"],
)
def test_the_command_line_speaks_everywhere(settings: dict) -> None:
    done = run(COMMANDS, **settings)
    assert done.returncode == 0, done.stderr
    assert "heterozygosity" in done.stdout

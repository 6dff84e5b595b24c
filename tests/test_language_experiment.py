"""The experiment with language models: what its report says of runs, and that a stopped experiment goes on."""

import csv
import importlib
import sys
from pathlib import Path

import matplotlib as mpl
import numpy as np
import pytest

mpl.use("Agg")

FOLDER = Path(__file__).parents[1] / "examples" / "language"

pytestmark = pytest.mark.skipif(not FOLDER.is_dir(), reason="the examples are not part of the installed package")


@pytest.fixture
def modules(monkeypatch):
    monkeypatch.syspath_prepend(str(FOLDER))
    found = [importlib.import_module(name) for name in ("base", "report", "collapse")]
    for module in found:
        monkeypatch.setitem(sys.modules, module.__name__, module)
    return found[1:]


def made(perplexity, own=(30, 5, 4), distinct=(0.6, 0.2, 0.1)):
    """The columns of one run of three generations."""
    columns = {
        "generation": range(3),
        "perplexity": perplexity,
        "own_mean": own,
        "distinct_2": distinct,
        "looped": (0, 0.2, 0.9),
    }
    columns |= dict.fromkeys(("words_1_1", "words_2_5", "words_6_20"), (100, 40, 20))
    return {name: np.array(values, float) for name, values in columns.items()}


def written(folder, name, seed, columns):
    with (folder / f"{name}-{seed}.csv").open("w", newline="") as file:
        csv.writer(file).writerows([list(columns), *zip(*columns.values(), strict=True)])


def test_a_direction_is_seen_where_every_seed_shows_it(modules, tmp_path):
    report, _ = modules
    for seed in range(2):
        written(tmp_path, "none", seed, made((40, 60, 55 + seed)))
        # the rise that is left: log(44 / 40) of log(55 / 40) or of log(56 / 40), less than half
        written(tmp_path, "ten", seed, made((40, 48, 44)))
        written(tmp_path, "real", seed, made((40, 41, 41)))
    written(tmp_path, "sampled", 0, made((40, 45, 50), own=(30, 30, 35)))
    # a seed in which own text falls under pure sampling, too
    written(tmp_path, "sampled", 1, made((40, 45, 50), own=(30, 30, 29)))
    runs = report.read(tmp_path)
    assert runs["none"]["perplexity"].shape == (2, 3)
    rows = {text: (measured, seen, seeds) for text, measured, seen, seeds in report.directions(runs)}
    assert [(seen, seeds) for _, seen, seeds in rows.values()] == [(2, 2)] * 4 + [(1, 2)] + [(2, 2)] * 2
    left = [np.log(44 / 40) / np.log(last / 40) for last in (55, 56)]
    assert rows["(ii) 10 % kept: less than half of the rise is left at the end"][0] == report.said(left) + " of it"
    assert report.verdict(5, 5) == "seen in 5 of 5 seeds (nominal level 1/32)"
    assert report.verdict(4, 5) == "NOT seen in all: in 4 of 5 seeds"
    assert report.verdict(0, 5) == "NOT seen: in 0 of 5 seeds"
    assert report.said([1.0, 3.0]) == "2 ± 1"
    text = "\n".join(report.lines(runs))
    assert text.count("NOT seen") == 1
    assert report.NOTE in text
    assert "| none kept, generation 2 | 0.2 ± 0 |" in text


def test_committed_runs_are_whole(modules):
    """What the page of the documentation shows comes from these files."""
    report, collapse = modules
    runs = report.read(FOLDER / "results")
    assert runs
    for name, columns in runs.items():
        assert columns["generation"].shape == (len(columns["generation"]), 11), name
        tokens = sum(values for column, values in columns.items() if column.startswith("token_"))
        np.testing.assert_array_equal(tokens, 256 * 64)
        blocks = sum(values for column, values in columns.items() if column.startswith("own_from_"))
        np.testing.assert_array_equal(blocks, 256)
        assert len(columns["generation"]) <= collapse.SEEDS[name]


def test_runs_of_other_settings_are_not_taken_for_these(modules, tmp_path):
    _, collapse = modules
    size = collapse.SIZES["small"]
    collapse.check_settings(size, tmp_path)
    collapse.check_settings(size, tmp_path)
    for other in (collapse.SIZES["default"], collapse.dataclasses.replace(size, text=("a.txt", "b.txt", "c.txt"))):
        with pytest.raises(SystemExit, match="holds runs of other settings"):
            collapse.check_settings(other, tmp_path)
    # more seeds or conditions are more runs of the same kind
    collapse.check_settings(collapse.dataclasses.replace(size, seeds=1, conditions=("ten",)), tmp_path)
    stored = (FOLDER / "results" / "settings.json").read_text()
    collapse.check_settings(collapse.SIZES["default"], FOLDER / "results")
    assert (FOLDER / "results" / "settings.json").read_text() == stored


@pytest.mark.slow
def test_the_small_experiment_runs_and_goes_on(modules, tmp_path, monkeypatch):
    pytest.importorskip("tokenizers")
    pytest.importorskip("gensim")
    report, collapse = modules
    size = collapse.SIZES["small"]
    seconds = collapse.work("sampled", 0, size, tmp_path)
    assert seconds > 0
    assert "Data set of generation 2" in (tmp_path / "sampled.md").read_text()
    found = report.read(tmp_path)["sampled"]
    assert found["perplexity"].shape == (1, 3)
    assert np.all(found["words_1_1"][:, 1:] < found["words_1_1"][:, :1])
    # nothing is left to do
    monkeypatch.setattr(collapse, "work", None)
    collapse.every(collapse.dataclasses.replace(size, seeds=1), ("sampled",), tmp_path, 1)


def test_the_page_counts_the_runs_that_are_wanted(modules):
    report, collapse = modules
    assert sum(collapse.SEEDS.values()) == report.RUNS
    assert list(report.LABELS) == list(report.COLOURS)
    assert set(report.LABELS) == set(collapse.CONDITIONS)

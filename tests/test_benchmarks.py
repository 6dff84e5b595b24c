"""A benchmark row runs, ours and rivals, and what the rivals compute is right; times are never asserted."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

from modelcollapse_theory import fixation

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "benchmarks"))

import cores
import device
import exploring
import figure
import first
import rivals
import rows
import run
import timing


def test_a_tiny_row_ends_as_a_line_of_a_table_and_a_bar(tmp_path: Path) -> None:
    result = timing.timed(rows.gaussian(1, 10, 4, 3, "3x"), repeats=2)
    assert set(result.cpu) == {"modelcollapse", "NumPy sufficient statistics", "sample and refit"}
    assert result.rival in set(result.cpu) - {"modelcollapse"}
    low, middle, high = result.ratio("cpu")
    assert low <= middle <= high
    lines = run.table(result)
    assert len(lines) == 3
    assert all(line.count("|") == 9 for line in lines)
    (bar,) = figure.bars([result])
    assert bar == (result.row.name, low, middle, high, 3.0)
    page = "\n".join(lines)
    (read,) = figure.bars_of(page)
    assert read.name == bar.name
    assert read[1:] == pytest.approx(bar[1:], rel=0.01)
    figure.draw([bar], tmp_path / "bars.png")
    assert (tmp_path / "bars.png").stat().st_size > 1000


def test_the_rivals_solve_the_same_problem() -> None:
    np.testing.assert_allclose(
        rivals.two_allele_moments(0.3, 12), fixation.fixation_time_moments([0.3, 0.7], 12), rtol=1e-11
    )
    mean, variance = fixation.fixation_time_moments([0.3, 0.7], 12)
    for until_fixed in (rivals.resample_until_fixed, rivals.multinomial_until_fixed):
        times = until_fixed(0, np.array([0.3, 0.7]), 12, 2000)
        assert abs(times.mean() - mean) < 5.5 * (variance / 2000) ** 0.5


def test_the_rivals_of_the_kernel_density_have_one_law() -> None:
    """Two ways of the same chain, by a z of the mean variance: 4e-7 for a false alarm; another bandwidth shows."""
    _, pooled = rivals.kernel_pool(0, 20, 4000, 6)
    plain = rivals.kernel_pool_of_scipy(1, 20, 600, 6)
    error = np.hypot(pooled.std() / len(pooled) ** 0.5, plain.std() / len(plain) ** 0.5)
    assert abs(pooled.mean() - plain.mean()) < 5 * error
    _, early = rivals.kernel_pool(2, 20, 4000, 2)
    assert abs(early.mean() - plain.mean()) > 5 * error


def test_an_exponent_is_a_slope_of_logarithms() -> None:
    sizes = np.array([10.0, 100.0, 1000.0])
    assert timing.exponent(sizes, 3 * sizes**1.5) == pytest.approx(1.5)


def test_an_unknown_row_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        run.main(["--only", "nonsense"])
    assert "no row is named 'nonsense'" in capsys.readouterr().err


@pytest.mark.slow
def test_the_script_for_a_device_runs_on_a_cpu() -> None:
    lines = device.main(small=True)
    assert not [line for line in lines if "FAILED" in line or "left out" in line], lines
    assert "equal to the CPU's in 6 of 6" in "".join(lines)


@pytest.mark.slow
def test_the_first_result_and_the_cores_are_lines_of_tables(monkeypatch: pytest.MonkeyPatch) -> None:
    lines = first.first_result(repeats=1, names=["Gaussian, Replace"])
    assert [line.count("|") for line in lines] == [11] * 4
    monkeypatch.setattr(cores, "CASES", {name: case for name, case in cores.CASES.items() if "short" in name})
    assert [line.count("|") for line in cores.cores(repeats=1)] == [8] * 3


@pytest.mark.slow
def test_the_explorer_has_lines_of_a_table(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exploring, "STEPS", 2)
    assert [line.count("|") for line in exploring.rows(("fresh",), 0.0)] == [5] * 5


@pytest.mark.slow
def test_the_rows_of_language_models_run() -> None:
    for row in rows.language(2, 4, 5):
        assert all((seconds > 0).all() for seconds in timing.timed(row, 1).cpu.values())

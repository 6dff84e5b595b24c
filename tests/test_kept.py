"""What jobs install is kept in the user's cache: per lock file, and for as long as a job uses it."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
JOBS = [path for path in [ROOT / "tests" / "browser" / "run", *ROOT.glob(".ci/jobs/*")] if path.is_file()]
DAY = 86_400

pytestmark = pytest.mark.skipif(shutil.which("bash") is None, reason="no bash here")


def kept(cache: Path, name: str, content: str) -> Path:
    run = subprocess.run(
        [ROOT / "tests" / "kept", name],
        input=content, text=True, capture_output=True, check=True, env=os.environ | {"XDG_CACHE_HOME": str(cache)},
    )  # fmt: skip
    return Path(run.stdout.strip())


def used(folder: Path, days: float) -> None:
    os.utime(folder, (time.time() - days * DAY,) * 2)


def test_the_folders_of_other_checkouts_stay_until_they_are_unused_for_days(tmp_path: Path) -> None:
    mine, other = kept(tmp_path, "docs", "one lock file"), kept(tmp_path, "docs", "another one")
    assert mine != other
    assert mine.is_dir()
    assert other.is_dir()
    (other / "whole").touch()
    used(other, 8)
    assert kept(tmp_path, "docs", "one lock file") == mine
    assert (other / "whole").exists()
    # a job that uses a folder makes it new again
    used(other, 30)
    assert kept(tmp_path, "docs", "another one") == other
    assert (other / "whole").exists()
    used(other, 30)
    others = kept(tmp_path, "browser", "one lock file")
    assert other.exists(), "of another name"
    kept(tmp_path, "docs", "one lock file")
    assert not other.exists()
    assert mine.exists()
    assert others.exists()


@pytest.mark.parametrize("job", JOBS, ids=lambda path: path.name)
def test_no_job_removes_a_folder_that_another_may_use(job: Path) -> None:
    text = job.read_text()
    assert 'rm -rf "$kept' not in text
    assert "modelcollapse-ci" not in text

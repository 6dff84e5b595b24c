"""Compiled programs are kept where a user says, and nowhere unasked."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

RUN = "import modelcollapse as mc; mc.simulate(mc.Gaussian(), mc.normal(), size=9, generations=2, chains=2)"
SHOW = "import jax, modelcollapse as mc; kept = mc.keep_programs({}); print(kept); print(jax.config.jax_compilation_cache_dir)"


def python(code: str, **variables: str) -> list[str]:
    ours = ("MODELCOLLAPSE_CACHE", "JAX_COMPILATION_CACHE_DIR", "XDG_CACHE_HOME")
    environment = {name: value for name, value in os.environ.items() if name not in ours}
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment | variables, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.split("\n")


def test_nothing_is_kept_unasked(tmp_path: Path) -> None:
    code = "import jax, modelcollapse; print(jax.config.jax_compilation_cache_dir)"
    assert python(code, XDG_CACHE_HOME=str(tmp_path), MODELCOLLAPSE_CACHE=str(tmp_path))[0] == "None"
    assert not list(tmp_path.iterdir())


@pytest.mark.skipif(sys.platform != "linux", reason="the user's cache folder is elsewhere")
def test_programs_are_kept_in_the_cache_folder_of_the_user(tmp_path: Path) -> None:
    kept, used = python(SHOW.format(""), XDG_CACHE_HOME=str(tmp_path))[:2]
    assert kept == used
    assert Path(kept).parent == tmp_path / "modelcollapse"


def test_a_folder_or_off(tmp_path: Path) -> None:
    mine, other = tmp_path / "mine", str(tmp_path / "other")
    python(f"import modelcollapse as mc; mc.keep_programs({str(mine)!r}); {RUN}")
    assert list(mine.iterdir())
    assert python(SHOW.format(""), MODELCOLLAPSE_CACHE=other)[:2] == [other, other]
    assert python(SHOW.format(repr(str(mine))), MODELCOLLAPSE_CACHE="off")[:2] == ["None", "None"]
    # a folder that JAX has been given already is left as it is
    assert python(SHOW.format(""), JAX_COMPILATION_CACHE_DIR=other)[:2] == [other, other]


def test_the_command_line_keeps_programs(tmp_path: Path) -> None:
    code = "from modelcollapse.__main__ import main; import sys; sys.exit(main({!r}))"
    command = ["simulate", "--family", "gaussian", "--size", "9", "--generations", "2", "--chains", "2"]
    python(code.format(command), MODELCOLLAPSE_CACHE=str(tmp_path / "kept"))
    assert list((tmp_path / "kept").iterdir())


def test_a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    code = f"import modelcollapse as mc\ntry:\n  mc.keep_programs({str(tmp_path / 'file' / 'in')!r})\nexcept OSError as error:\n  print('refused')"
    assert python(code)[0] == "refused"

"""Executed notebooks are kept between builds, in a folder for each state of the library; compiled programs too."""

from __future__ import annotations

import hashlib
import os
import shutil
from pathlib import Path


def folder(root: Path) -> Path:
    """Where all of it is kept."""
    return Path(os.environ.get("MODELCOLLAPSE_NOTEBOOKS", root / "build" / "notebooks"))


def programs(root: Path) -> dict[str, str]:
    """Settings of JAX under which the programs of an earlier state serve the next; what the user set goes first."""
    own = {"JAX_COMPILATION_CACHE_DIR": str(folder(root) / "programs")}
    return own | {"JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0.05"} | os.environ


def kept(root: Path) -> Path:
    """The folder of this state; those of earlier ones are removed."""
    state = hashlib.sha256((root / "constraints.txt").read_bytes())
    for package in ("modelcollapse", "theory/modelcollapse_theory"):
        for path in sorted((root / package).rglob("*.py")):
            state.update(path.read_bytes())
    own = folder(root) / f"state-{state.hexdigest()[:16]}"
    for other in folder(root).glob("state-*"):
        if other != own:
            shutil.rmtree(other)
    return own

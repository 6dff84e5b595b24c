"""Executed notebooks are kept between builds, in a folder for each state of the library."""

from __future__ import annotations

import hashlib
import os
import shutil
from pathlib import Path


def kept(root: Path) -> Path:
    """The folder of this state; those of earlier ones are removed."""
    state = hashlib.sha256((root / "constraints.txt").read_bytes())
    for package in ("modelcollapse", "theory/modelcollapse_theory"):
        for path in sorted((root / package).rglob("*.py")):
            state.update(path.read_bytes())
    folder = Path(os.environ.get("MODELCOLLAPSE_NOTEBOOKS", root / "build" / "notebooks"))
    own = folder / state.hexdigest()[:16]
    for other in folder.glob("*/"):
        if other != own:
            shutil.rmtree(other)
    return own

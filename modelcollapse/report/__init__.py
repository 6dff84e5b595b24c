"""A run as one HTML page: ``write(run, path)`` makes a file that a colleague opens without installing anything.

The page holds the setting in words, figures with alternative text and captions, predictions beside the simulation, the
profile of collapse, how to repeat the run, provenance and references. It runs no script and asks no other file or host
for anything. What it knows of the theory comes from ``run.predict()``, ``run.profile()`` and ``run.cite()``.
"""

from __future__ import annotations

import os
from pathlib import Path

from modelcollapse import arguments
from modelcollapse.report.document import page as page
from modelcollapse.run import Run

__all__ = ["page", "write"]


def write(run: Run, path: str | os.PathLike[str]) -> None:
    """Write the page of a run to a file, which replaces an older one.

    Raises
    ------
    TypeError
        If ``run`` is not a ``Run``.
    OSError
        If the file cannot be written.
    """
    text = page(run)
    Path(arguments.path("path", path)).write_text(text, encoding="utf-8")

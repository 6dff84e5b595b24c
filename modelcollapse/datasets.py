"""Real input that needs no download: words of English, and Fisher's iris."""

from __future__ import annotations

import collections
import csv
import importlib.resources
import os
import re
from pathlib import Path

import numpy as np

WORD = r"[a-z]+(?:'[a-z]+)*"
"""A word of a text in lower case: letters a to z, with apostrophes inside. Digits and underscores separate."""

SPECIES = ("setosa", "versicolor", "virginica")


def word_counts(text: str | os.PathLike | None = None) -> tuple[list[str], np.ndarray]:
    """Words and how often each occurs, int64 ``(K,)``, most frequent first and ties in alphabetical order.

    ``categorical(counts, normalise=True)`` makes them a law.

    Parameters
    ----------
    text
        The text itself, or a ``Path`` to a file of UTF-8 text (bytes that are not are replaced). Default: the help
        topics of the Python documentation in the standard library (``pydoc_data.topics``), some 60,000 words of
        technical English of which some 3,000 differ; the numbers depend on the version of Python.

    Raises
    ------
    ValueError
        If the text holds no word.
    TypeError
        If ``text`` is neither.
    """
    if text is None:
        from pydoc_data.topics import topics

        text = "\n".join(topics.values())
    elif isinstance(text, os.PathLike):
        text = Path(text).read_text(encoding="utf-8", errors="replace")
    elif not isinstance(text, str):
        raise TypeError(f"text must be a string, or a Path to a text file, got {text!r}")
    counted = collections.Counter(re.findall(WORD, text.lower()))
    if not counted:
        raise ValueError(f"text must hold at least one word of letters a to z, got {len(text)} characters without one")
    ranked = sorted(counted.items(), key=lambda item: (-item[1], item[0]))
    return [word for word, _ in ranked], np.array([count for _, count in ranked], np.int64)


def iris(species: str | None = None) -> tuple[np.ndarray, tuple[str, ...]]:
    """Fisher's iris measurements: rows ``(150, 4)`` in centimetres, and the names of the columns.

    Fifty plants of each of three species, in the order setosa, versicolor, virginica; ``species`` keeps one of them,
    ``(50, 4)``. The values are those that Fisher printed: plant 35 is (4.9, 3.1, 1.5, 0.2) and plant 38 is (4.9, 3.6,
    1.4, 0.1), while the copy in the UCI repository, and what was made from it, has errors in these two. Public domain.
    Raises ValueError for an unknown species. Source: R. A. Fisher, Annals of Eugenics 7 (1936), table I, measured by
    E. Anderson.
    """
    if species is not None and species not in SPECIES:
        raise ValueError(f"species must be one of {', '.join(SPECIES)}, got {species!r}")
    file = importlib.resources.files("modelcollapse") / "data_files" / "iris.csv"
    names, *plants = csv.reader(file.read_text(encoding="utf-8").splitlines())
    kept = [plant[:-1] for plant in plants if species in (None, plant[-1])]
    return np.array(kept, np.float64), tuple(names[:-1])

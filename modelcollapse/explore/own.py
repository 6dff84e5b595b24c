"""A person's own data, as they paste it: counts, a text whose words are counted, or a table with a column of states."""

from __future__ import annotations

import collections
import re
import tempfile
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from modelcollapse import arguments, datasets, tables
from modelcollapse.explore import choices, counts
from modelcollapse.explore.settings import Weights

KINDS = ("counts", "words", "csv")
OTHERS = "all other words"
FILE = "the table"
"""What a message calls pasted text, which has no file."""


class SeveralColumns(ValueError):
    """A table of which one column has to be chosen."""

    def __init__(self, message: str, columns: list[str]) -> None:
        super().__init__(message)
        self.columns = columns


def read(text: str, kind: str, column: str | None = None) -> dict[str, Any]:
    """The answer of ``api/read``. ValueError for text without states, with what was found in it."""
    arguments.choice("kind", kind, KINDS)
    if not arguments.text("text", text).strip():
        raise ValueError("text is empty: paste some counts, a text or a table")
    if re.search("[\ud800-\udfff]", text):
        raise ValueError("text has half a character in it (a lone surrogate)")
    if column is not None and kind != "csv":
        raise ValueError(f"column is for a table, not for {kind}")
    text = text.lstrip("\ufeff")
    found, said = {"counts": _counts, "words": _words, "csv": lambda text: _table(text, column)}[kind](text)
    checked = Weights.checked([str(state) for state in found], list(found.values()))
    empty = len(found) - len(checked.states)
    if empty:
        said += f" Left out: {empty} without items."
    return {"states": list(checked.states), "weights": list(checked.weights), "said": said}


def _counts(text: str) -> tuple[Mapping[Any, int], str]:
    found: Mapping[Any, int] | None = counts.read(text)
    if found is None:
        found = _file(text, datasets.read_counts)
        if max(found.values()) > counts.MOST:
            raise ValueError(f"{FILE} has a count that is not below 2**53, and would not stay exact")
        if list(found) == list(range(len(found))):  # counts alone, which have numbers for names
            found = {i + 1: count for i, count in found.items()}
    return found, f"Read {len(found)} states and {sum(found.values()):,} items of them."


def _words(text: str) -> tuple[Mapping[Any, int], str]:
    words, found_counts = datasets.word_counts(text)
    number = found_counts.tolist()
    said = f"Read {sum(number):,} words, of which {len(words):,} differ"
    if len(words) <= choices.STATES:
        return dict(zip(words, number, strict=True)), said + "."
    kept = choices.STATES - 1
    found = dict(zip(words[:kept], number[:kept], strict=True)) | {OTHERS: sum(number[kept:])}
    return found, f"{said}; the {kept} most frequent are states of their own, all others together are one."


def _table(text: str, column: str | None) -> tuple[Mapping[Any, int], str]:
    columns = None if column is None else [arguments.text("column", column)]

    def read(path: Path) -> tuple[list[str], list[Any]]:
        found = tables.read(path, columns, None, None)
        return list(found.names), found.states(0) if len(found.names) == 1 else []

    names, states = _file(text, read)
    if len(names) > 1:
        raise SeveralColumns(f"{FILE} has {len(names)} columns: choose the one with the states", names)
    seen = collections.Counter(states)
    if len(seen) > choices.STATES:
        raise ValueError(
            f"{FILE} has {len(seen):,} different values in {len(states):,} rows; a law may have {choices.STATES} "
            "states: choose a column of categories"
        )
    found = {state: seen[state] for state in sorted(seen)}
    return found, f"Read {len(states):,} rows with {len(found)} different values."


def _file(text: str, reader: Callable[[Path], Any]) -> Any:
    """What a reader of files finds in a text; its messages call the text a table."""
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        path = Path(folder) / "table"
        path.write_text(text, encoding="utf-8", errors="strict")
        try:
            return reader(path)
        except ValueError as error:
            raise ValueError(str(error).replace(str(path), FILE)) from None

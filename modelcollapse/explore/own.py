"""A person's own data, as they paste it: counts, a text whose words are counted, or a table with a column of states."""

from __future__ import annotations

import collections
import re
import tempfile
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from modelcollapse import arguments, datasets
from modelcollapse.explore import choices
from modelcollapse.explore.settings import Weights

KINDS = ("counts", "words", "csv")
OTHERS = "all other words"
FILE = "the table"
"""What a message calls pasted text, which has no file."""
_NUMBERS = re.compile(r"\s*\d+(?:\s*[,;\s]\s*\d+)+\s*")
_NAMED = re.compile(r"[^\S\n]*[:=][^\S\n]*(?=\d+[^\S\n]*$)", re.MULTILINE)


def read(text: str, kind: str, column: str | None = None) -> dict[str, Any]:
    """The answer of ``api/read``. ValueError for text without states, with what was found in it."""
    arguments.choice("kind", kind, KINDS)
    if not arguments.text("text", text).strip():
        raise ValueError("text is empty: paste some counts, a text or a table")
    if column is not None and kind != "csv":
        raise ValueError(f"column is for a table, not for {kind}")
    found, said = {"counts": _counts, "words": _words, "csv": lambda text: _table(text, column)}[kind](text)
    checked = Weights.checked([str(state) for state in found], list(found.values()))
    return {"states": list(checked.states), "weights": list(checked.weights), "said": said}


def _counts(text: str) -> tuple[Mapping[Any, int], str]:
    if _NUMBERS.fullmatch(text) and "\n" not in text.strip():
        found = dict(enumerate(map(int, re.findall(r"\d+", text)), 1))
    else:
        found = dict(_file(_NAMED.sub("\t", text), lambda path: datasets.read_counts(path)))
    return found, f"Read {len(found)} states and {sum(found.values()):,} items of them."


def _words(text: str) -> tuple[Mapping[Any, int], str]:
    words, counts = datasets.word_counts(text)
    number = counts.tolist()
    said = f"Read {sum(number):,} words, of which {len(words):,} differ"
    if len(words) <= choices.STATES:
        return dict(zip(words, number, strict=True)), said + "."
    kept = choices.STATES - 1
    found = dict(zip(words[:kept], number[:kept], strict=True)) | {OTHERS: sum(number[kept:])}
    return found, f"{said}; the {kept} most frequent are states of their own, all others together are one."


def _table(text: str, column: str | None) -> tuple[Mapping[Any, int], str]:
    columns = None if column is None else [column]
    states = _file(text, lambda path: datasets.read_states(path, columns))
    seen = collections.Counter(states)
    if len(seen) > choices.STATES:
        raise ValueError(
            f"{FILE} has {len(seen):,} different values in {len(states):,} rows; a law may have {choices.STATES} "
            f"states: "
            "choose a column of categories"
        )
    found = {state: seen[state] for state in sorted(seen)}
    return found, f"Read {len(states):,} rows with {len(found)} different values."


def _file(text: str, reader: Any) -> Any:
    """What a reader of files finds in a text; its messages call the text a table."""
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        path = Path(folder) / "table"
        path.write_text(text, encoding="utf-8", errors="strict")
        try:
            return reader(path)
        except ValueError as error:
            raise ValueError(str(error).replace(str(path), FILE)) from None

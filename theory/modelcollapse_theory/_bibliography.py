"""The works that sources name: ``bibliography.bib``, and how the words of a source find their entries.

A source needs no key. It finds an entry by its authors and year ("Kimura 1962", "Kimura and Ohta (1969)", "Seddik et
al. 2024"), by an arXiv number, or by words that the entry has under ``named`` ("Cochran's theorem"). So a theorem that
names a work which is listed needs no edit here, and a new work is one entry in the file.
"""

from __future__ import annotations

import functools
import importlib.resources
import re
from collections.abc import Iterator
from dataclasses import dataclass

_ENTRY = re.compile(r"@(\w+)\{([\w-]+),\n((?:  \w+ = \{.*\},\n)+)\}\n")
_FIELD = re.compile(r"  (\w+) = \{(.*)\},\n")
_DERIVATION = re.compile(r"theory/derivations/[\w-]+\.md|the docstring of modelcollapse_theory\.\w+")


@dataclass(frozen=True)
class Entry:
    """One work: its kind, such as ``"article"``, its key and its fields, as BibTeX has them."""

    kind: str
    key: str
    fields: dict[str, str]

    @property
    def bibtex(self) -> str:
        """The entry as BibTeX prints it."""
        lines = [f"  {name} = {{{value}}}," for name, value in self.fields.items() if name != "named"]
        return "\n".join([f"@{self.kind}{{{self.key},", *lines, "}"])

    @property
    def authors(self) -> list[str]:
        """The authors, family name last: "Motoo Kimura"."""
        given = self.fields["author"]
        return [_readable(" ".join(reversed(one.split(", ", 1)))) for one in given.split(" and ")]

    @property
    def text(self) -> str:
        """The reference as one line of plain text."""
        fields = {name: _readable(value) for name, value in self.fields.items()}
        *first, last = self.authors
        where = fields.get("journal") or fields.get("booktitle") or fields.get("howpublished", "")
        number = f"({fields['number']})" if "number" in fields else ""
        volume = f"{fields['volume']}{number}" if "volume" in fields else ""
        parts = [f"{where} {volume}".strip(), fields.get("publisher", ""), fields.get("pages", "").replace("--", "-")]
        parts.append(f"arXiv {fields['eprint']}" if "eprint" in fields else "")
        year = f" ({fields['year']})" if "year" in fields else ""
        names = f"{', '.join(first)} and {last}" if first else last
        said = ", ".join(part for part in parts if part)
        note = f" {fields['note']}." if "note" in fields else ""
        return f"{names}{year}. {fields['title']}. {said}{'.' if said else ''}{note}"

    def phrases(self) -> Iterator[str]:
        """Regular expressions of the words by which a source names this work."""
        if "eprint" in self.fields:
            yield rf"(?<![\d.]){re.escape(self.fields['eprint'])}(?!\d)"
        words = self.fields.get("named", "")
        yield from (re.escape(one.strip()) for one in words.split("; ") if one.strip())
        if self.fields.get("year", "no year") in words:
            return
        family = [one.split(",")[0].strip("{}") for one in self.fields["author"].split(" and ")]
        year = rf",? (?:{self.fields['year']}(?!\d)|\({self.fields['year']}\))"
        if len(family) == 1:
            yield rf"\b{re.escape(family[0])}{year}"
        else:
            every = rf"{', '.join(family[:-1])}(?:,| and) {family[-1]}"
            yield rf"\b(?:{every}|{re.escape(family[0])} et al\.,?){year}"


def parsed(text: str) -> dict[str, Entry]:
    """The entries of a file in the form of ``bibliography.bib``, one field a line, by key.

    Raises ValueError for anything between entries that is not a comment, and for a key or a field that occurs twice.
    """
    rest = _ENTRY.sub("", text)
    stray = [line for line in rest.splitlines() if line.strip() and not line.startswith("%")]
    if stray:
        raise ValueError(f"the bibliography has a line that belongs to no entry: {stray[0]!r}")
    found: dict[str, Entry] = {}
    for kind, key, body in _ENTRY.findall(text):
        fields = _FIELD.findall(body)
        if key in found or len(dict(fields)) < len(fields):
            raise ValueError(f"the bibliography has the key {key!r}, or one of its fields, twice")
        found[key] = Entry(kind, key, dict(fields))
    return found


@functools.cache
def entries() -> dict[str, Entry]:
    """Every work that is listed, by key."""
    file = importlib.resources.files("modelcollapse_theory") / "bibliography.bib"
    return parsed(file.read_text(encoding="utf-8"))


@functools.cache
def _phrases() -> tuple[tuple[re.Pattern[str], str], ...]:
    return tuple((re.compile(phrase), key) for key, entry in entries().items() for phrase in entry.phrases())


def named(source: str) -> tuple[list[str], str]:
    """The keys of the works that a text names, in its order, and what is left of the text without their names.

    Of words that lie within longer ones, the longer decide.
    """
    text = " ".join(source.split())
    spans = [(m.start(), m.end(), key) for pattern, key in _phrases() for m in pattern.finditer(text)]
    kept = [a for a in spans if not any(b[0] <= a[0] and a[1] <= b[1] and b[:2] != a[:2] for b in spans)]
    keys = list(dict.fromkeys(key for _, _, key in sorted(kept)))
    for first, last in sorted({(first, last) for first, last, _ in kept}, reverse=True):
        text = text[:first] + text[last:]
    return keys, text


def derivations(source: str) -> list[str]:
    """Where a source says that its theorem is derived in this project."""
    return _DERIVATION.findall(source)


def _readable(latex: str) -> str:
    """Plain text of a value: without braces, and with the formulas that occur."""
    return latex.replace(r"$\pi^2/6$", "π²/6").replace("{", "").replace("}", "")

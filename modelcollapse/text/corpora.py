"""Texts with where they come from, and their parts for training, validation and test, cut between documents."""

from __future__ import annotations

import dataclasses
import hashlib
import importlib.util
import os
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from modelcollapse import arguments, tables
from modelcollapse.text.wikitext import articles

_EXTRACT = "test/test_data/enwiki-latest-pages-articles1.xml-p000000010p000030302-shortened.bz2"


@dataclasses.dataclass(frozen=True, repr=False)
class Corpus:
    """Documents, and where they come from.

    ``documents`` and their ``titles`` are strings, at least one; ``licence``, ``attribution`` and ``source`` say who
    wrote the text, on what terms it is passed on, and where it was found. Any list of strings will do:
    ``Corpus(["A first text.", "A second one."])``.

    Raises
    ------
    ValueError
        If a document holds no text, there is none, or there are not as many titles.
    TypeError
        If the documents are a single string, or not strings.
    """

    documents: tuple[str, ...]
    titles: tuple[str, ...] = ()
    licence: str = "unknown"
    attribution: str = "unknown"
    source: str = "unknown"

    def __post_init__(self) -> None:
        documents = arguments.texts("documents", self.documents)
        if not documents:
            raise ValueError("documents must hold at least one text, got none")
        titles = arguments.texts("titles", self.titles) or [str(i) for i in range(len(documents))]
        if len(titles) != len(documents):
            raise ValueError(f"titles must be as many as documents, {len(documents)}, got {len(titles)}")
        for document, title in zip(documents, titles, strict=True):
            if not document.strip():
                raise ValueError(f"documents must hold text, got {document!r} for {title!r}")
        object.__setattr__(self, "documents", tuple(documents))
        object.__setattr__(self, "titles", tuple(titles))
        for name in ("licence", "attribution", "source"):
            arguments.text(name, getattr(self, name))

    def __len__(self) -> int:
        return len(self.documents)

    def __repr__(self) -> str:
        return (
            f"Corpus({len(self)} documents, {self.characters:,} characters; licence: {self.licence}; attribution: "
            f"{self.attribution}; source: {self.source})"
        )

    @property
    def text(self) -> str:
        """All documents in order, with an empty line between two."""
        return "\n\n".join(self.documents)

    @property
    def characters(self) -> int:
        """How many characters the documents have together."""
        return sum(map(len, self.documents))

    @property
    def digest(self) -> str:
        """SHA-256 of the documents, which a model trained on them can name: 64 hexadecimal digits."""
        found = hashlib.sha256()
        for document in self.documents:
            content = document.encode()
            found.update(len(content).to_bytes(8, "big") + content)
        return found.hexdigest()

    def parts(self, *shares: float, seed: int = 0) -> tuple[Corpus, ...]:
        """As many corpora as ``shares``, with about these shares of the characters, and no document in two of them.

        Documents go, in an order that depends on ``seed`` and their text alone, to the part that lacks most; the first
        of them to the parts in turn, so that none is empty. Within a part they keep the order that they had.

        Raises
        ------
        ValueError
            If a share is not positive, their sum is not 1, or there are fewer documents than parts.
        """
        wanted = [arguments.number("shares", share, low=0.0, open_low=True) for share in shares]
        if not wanted or abs(sum(wanted) - 1) > 1e-9:
            raise ValueError(f"shares must be positive with sum 1, got {shares}")
        if len(self) < len(wanted):
            raise ValueError(
                f"{len(wanted)} parts need at least as many documents, got {len(self)}: texts are cut between "
                'documents, and read(path, separator="\\n\\n") cuts a file into its paragraphs'
            )
        mark = f"{arguments.whole('seed', seed)}:"
        order = sorted(range(len(self)), key=lambda i: hashlib.sha256((mark + self.documents[i]).encode()).digest())
        lacking = [share * self.characters for share in wanted]
        members: list[list[int]] = [[] for _ in wanted]
        for rank, i in enumerate(order):
            part = len(wanted) - 1 - rank if rank < len(wanted) else max(range(len(wanted)), key=lacking.__getitem__)
            members[part].append(i)
            lacking[part] -= len(self.documents[i])
        return tuple(self._only(sorted(chosen)) for chosen in members)

    def split(self, validation: float = 0.1, test: float = 0.1, *, seed: int = 0) -> Split:
        """Train, validation and test by document, with about these shares of the characters.

        Neighbouring blocks of one text are alike, so a cut within a document would show the model what it is tested
        on. Errors as for ``parts``.
        """
        held = [arguments.positive("validation", validation), arguments.positive("test", test)]
        if sum(held) >= 1:
            raise ValueError(f"validation and test must leave a share to train on, got {validation} and {test}")
        return Split(*self.parts(1 - sum(held), *held, seed=seed))

    def _only(self, chosen: Iterable[int]) -> Corpus:
        kept = list(chosen)
        return dataclasses.replace(
            self,
            documents=tuple(self.documents[i] for i in kept),
            titles=tuple(self.titles[i] for i in kept),
        )


class Split(NamedTuple):
    """Three corpora that share no document."""

    train: Corpus
    validation: Corpus
    test: Corpus


def read(
    paths: str | os.PathLike | Iterable[str | os.PathLike],
    *,
    separator: str | None = None,
    encoding: str | None = None,
    licence: str = "unknown",
    attribution: str = "unknown",
) -> Corpus:
    r"""Text files of your own: each is a document, or falls into several.

    Parameters
    ----------
    paths
        A path, or several in order.
    separator
        Where a file is cut into documents: ``"\n\n"`` at each empty line. Pieces without text are left out.
    encoding
        Default: UTF-8, or what the byte order mark says.
    licence, attribution
        What the corpus says of itself.

    Raises
    ------
    ValueError
        For bytes that are not text in the encoding (with their place), and files without text.
    OSError
        If a file cannot be read.
    """
    files = [paths] if isinstance(paths, str | os.PathLike) else arguments.listed("paths", paths)
    if not files:
        raise ValueError("paths must hold at least one file, got none")
    documents, titles = [], []
    for file in files:
        text, name = tables.read_text(arguments.path("paths", file), encoding), Path(file).name
        if separator is None:
            pieces = [text]
        else:
            pieces = [piece for piece in text.split(arguments.text("separator", separator)) if piece.strip()]
        if not any(piece.strip() for piece in pieces):
            raise ValueError(f"{os.fspath(file)} holds no text")
        documents += pieces
        titles += [name] if len(pieces) == 1 else [f"{name}:{i}" for i in range(len(pieces))]
    source = ", ".join(os.fspath(file) for file in files)
    return Corpus(tuple(documents), tuple(titles), licence, attribution, source)


def topics() -> Corpus:
    """The help topics of the Python documentation, in the standard library: some 80 documents, 460,000 characters.

    Technical English with much code. The text depends on the version of Python, which ``source`` names.
    """
    from pydoc_data.topics import topics as found

    version = ".".join(map(str, sys.version_info[:3]))
    return Corpus(
        tuple(found.values()),
        tuple(found),
        "PSF-2.0",
        "Python Software Foundation, the Python documentation",
        f"pydoc_data.topics of Python {version}",
    )


def wikipedia() -> Corpus:
    """English Wikipedia: 98 articles as of 1 May 2016, 2.8 million characters of plain text.

    They are a part of the dump of that day which ships in the package gensim, for its tests; gensim is not imported.
    Markup, templates, tables, references and formulas are left out, and so are redirects; a line is a paragraph, an
    item of a list or a heading. The text is the same on every machine. Who passes it on (a model's output too where it
    repeats the text) names the authors and the licence, CC BY-SA: https://creativecommons.org/licenses/by-sa/3.0/

    Raises
    ------
    ModuleNotFoundError
        If gensim is not installed.
    """
    package = importlib.util.find_spec("gensim")
    file = Path(*package.submodule_search_locations or ()) / _EXTRACT if package else None
    if file is None or not file.is_file():
        raise ModuleNotFoundError(
            'the Wikipedia extract ships in the package gensim: pip install "modelcollapse[text]", or give texts of '
            "your own, read(paths) or Corpus(strings)"
        )
    titles, documents = zip(*articles(file), strict=True)
    return Corpus(
        documents,
        titles,
        "CC BY-SA 3.0",
        "Wikipedia contributors; the history of https://en.wikipedia.org/wiki/TITLE lists the authors of each article",
        "English Wikipedia, dump of 1 May 2016, extract in the package gensim",
    )

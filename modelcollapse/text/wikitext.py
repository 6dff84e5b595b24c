"""Articles of a Wikipedia dump as plain text, by the standard library alone; the same text on any machine."""

from __future__ import annotations

import bz2
import html
import re
import unicodedata
from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree

CLEANER = 1
"""Number of the rules of this file; a text that they change gets the next one."""

_UNREAD = "ref|math|gallery|timeline|imagemap|source|syntaxhighlight|pre|score|table|hiero|chem|noinclude"
_HIDDEN = re.compile(
    rf"<!--.*?-->|<(?:{_UNREAD})\b[^<>]*/>|<({_UNREAD})\b[^<>]*>.*?</\1\s*>", re.DOTALL | re.IGNORECASE
)
_TEMPLATE = re.compile(r"\{\{([^{}]*)\}\}|\{\{\{[^{}]*\}\}\}")
_TABLE = re.compile(r"\{\|(?:(?!\{\||\|\}).)*\|\}", re.DOTALL)
_LINK = re.compile(r"\[\[((?:(?!\[\[|\]\]).)*)\]\]", re.DOTALL)
_WEB = re.compile(r"\[(?:https?:|ftp:|mailto:)?//[^\s\[\]]*\s*([^\[\]]*)\]")
_UNSHOWN = re.compile(r"\s*(?:file|image|media|category|[a-z]{2,3}(?:-[a-z]+)?)\s*:\s*\S", re.IGNORECASE)
_UNCLOSED = re.compile(r"\[\[|\]\]|\{\{.*")
_BREAK = re.compile(r"<br\b[^<>]*>", re.IGNORECASE)
_TAG = re.compile(r"</?[a-zA-Z][^<>]*>")
_MARKS = re.compile(r"'{2,}|__[A-Z]+__")
_HEADING = re.compile(r"(={2,6})\s*(.*?)\s*={2,6}")
_BULLET = re.compile(r"[*#:;]+\s*")
_EMPTY_BRACKETS = re.compile(r"\s?\([\s,;:–]*\)|\s?\[\s*\]")
_OPENING = re.compile(r"\([\s,;]+")
_STRAY = re.compile(r"\s+([,.;:)])")
_UNREAD_SECTIONS = {
    "bibliography", "books", "citations", "external links", "footnotes", "further reading", "gallery", "notes",
    "notes and references", "references", "references and notes", "see also", "sources", "works cited",
}  # fmt: skip
"""Sections of lists, not of sentences."""

_SIGNS = {
    "'": "'", "'s": "'s", "mdash": "—", "nbsp": " ", "ndash": "–", "snd": " – ", "spaced ndash": " – ", "spnd": " – ",
}  # fmt: skip
_OF_WORDS = {
    "abbr": 0, "angbr": 0, "convert": 0, "cvt": 0, "keypress": 0, "lang": 1, "nihongo": 0, "nobold": 0, "nowrap": 0,
    "quote": 0, "small": 0, "transl": -1, "val": 0, "vanchor": 0,
}  # fmt: skip
"""Templates that stand for words of a sentence, and which argument holds them; of ``convert`` the next is the unit."""


def articles(path: Path) -> Iterator[tuple[str, str]]:
    """Title and plain text of each article in a dump ``.xml.bz2``, in its order.

    Redirects, pages that only tell meanings of a name apart, and pages that are no articles are left out.
    """
    with bz2.open(path) as file:
        for _, page in ElementTree.iterparse(file):
            if page.tag.rpartition("}")[2] != "page":
                continue
            fields = {part.tag.rpartition("}")[2]: part.text or "" for part in page.iter()}
            redirects = "redirect" in fields or fields["text"].lstrip().lower().startswith("#redirect")
            page.clear()
            if fields["ns"] == "0" and not redirects and not _tells_apart(fields["title"], fields["text"]):
                yield fields["title"], plain(fields["text"])


def _tells_apart(title: str, text: str) -> bool:
    markers = r"\{\{\s*(?:disambig\w*|hndis|geodis|numberdis|surname|given name)\b"
    return title.endswith("(disambiguation)") or bool(re.search(markers, text, re.IGNORECASE))


def plain(wikitext: str) -> str:
    """The sentences of an article: a line for each paragraph, item of a list and heading.

    Comments, references, formulas, tables, templates, pictures, categories, and sections of references and links are
    left out; links, bold and italic type leave their words.
    """
    text = _HIDDEN.sub("", wikitext)
    text = _until_same(_TEMPLATE, _template, text)
    text = _until_same(_TABLE, lambda found: "", text)
    text = _until_same(_LINK, _link, _until_same(_WEB, lambda found: found[1], text))
    text = html.unescape(_MARKS.sub("", _TAG.sub("", _BREAK.sub(" ", text))))
    return unicodedata.normalize("NFC", "\n".join(_lines(text)))


def _until_same(pattern: re.Pattern, replacement, text: str) -> str:
    """Innermost first, as often as it takes."""
    while True:
        text, times = pattern.subn(replacement, text)
        if not times:
            return text


def _template(found: re.Match) -> str:
    name, *given = [part.strip() for part in (found[1] or "").split("|")]
    name, given = name.lower(), [part for part in given if not re.match(r"[\w -]+=", part)]
    place = _OF_WORDS.get(name)
    if name in ("chem", "as of") and given:
        return "".join(given) if name == "chem" else f"as of {given[0]}"
    if place is None or place >= len(given) or not given:
        return _SIGNS.get(name, "")
    return " ".join(given[:2]) if name in ("convert", "cvt") else given[place]


def _link(found: re.Match) -> str:
    target, _, rest = found[1].partition("|")
    if _UNSHOWN.match(target):
        return ""
    return rest.rpartition("|")[2] if rest else target.strip().lstrip(":")


def _lines(text: str) -> Iterator[str]:
    skipped = 0  # level of the heading of the section that is left out
    waiting: list[tuple[int, str]] = []  # headings without text so far
    for line in text.splitlines():
        line = " ".join(line.split())
        if heading := _HEADING.fullmatch(line):
            level, title = len(heading[1]), heading[2].strip()
            if not skipped or level <= skipped:
                skipped = level if title.lower() in _UNREAD_SECTIONS else 0
                waiting = [(above, name) for above, name in waiting if above < level]
                waiting += [] if skipped else [(level, title)]
            continue
        line = _tidy(line)
        table = line[:1] in ("|", "!", "{", "}") or ("|" in line and _UNSHOWN.match(line))
        if skipped or table or not any(letter.isalpha() for letter in line):
            continue
        yield from (name for _, name in waiting)
        waiting = []
        yield line


def _tidy(line: str) -> str:
    """Without a bullet, and without what the loss of a template leaves of brackets and commas."""
    line = _UNCLOSED.sub("", line)
    line = _OPENING.sub("(", _EMPTY_BRACKETS.sub("", _BULLET.sub("", line, count=1) if line[:1] in "*#:;" else line))
    return _STRAY.sub(r"\1", " ".join(line.split()))

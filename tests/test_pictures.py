"""Every picture of the documentation is used, says in words what it shows, and has a caption that says what to see."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
DOCS = sorted((ROOT / "docs").rglob("*.md"))
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *DOCS, *sorted((ROOT / "theory").rglob("*.md"))]
IMAGE = re.compile(r"!\[(?P<shows>[^\]]*)\]\((?P<file>[^)]+)\)(?P<below>\n\n(?:.+\n)+)?")
CELL = re.compile(
    r"^```\{code-cell\} ipython3\n(?:---\n(?P<about>.*?)^---\n)?(?P<code>.*?)^```", re.MULTILINE | re.DOTALL
)
DRAWS = re.compile(r"\bplt\.subplots\(|\bplot\.\w+\(run")
FOLDED = re.compile(r"^ +(?P<key>alt|caption): >-\n(?P<words>(?:      .+\n)+)", re.MULTILINE)
FEWEST = 6
"""Words that say what a picture shows."""


def name(path):
    return path.relative_to(ROOT).as_posix()


def images(text):
    """What each picture of a page shows, its file, and the paragraph below it."""
    return [(m["shows"], m["file"], (m["below"] or "").strip()) for m in IMAGE.finditer(text)]


def cells(text):
    """The folded texts ``alt`` and ``caption`` of each cell of a notebook that draws."""
    for cell in CELL.finditer(text):
        if DRAWS.search(cell["code"]):
            yield {m["key"]: " ".join(m["words"].split()) for m in FOLDED.finditer(cell["about"] or "")}


def lacking(text):
    """Which pictures of a page lack words or a caption."""
    found = [f"{file}: alternative text" for shows, file, _ in images(text) if len(shows.split()) < FEWEST]
    found += [f"{file}: caption" for _, file, below in images(text) if not captioned(below)]
    for number, about in enumerate(cells(text)):
        if len(about.get("alt", "").split()) < FEWEST:
            found.append(f"figure {number} of the notebook: alternative text")
        if not about.get("caption", "").startswith("What to see: "):
            found.append(f"figure {number} of the notebook: caption")
    return found


def captioned(below):
    return below.startswith("*") and "What to see: " in " ".join(below.split()) and below.endswith(".*")


@pytest.mark.parametrize("path", [path for path in PAGES if images(path.read_text("utf-8"))], ids=name)
def test_every_picture_says_in_words_what_it_shows(path):
    for shows, file, _ in images(path.read_text("utf-8")):
        assert len(shows.split()) >= FEWEST, (file, shows)
        assert (path.parent / file).is_file(), file


@pytest.mark.parametrize(
    "path", [p for p in DOCS if images(p.read_text("utf-8")) or list(cells(p.read_text("utf-8")))], ids=name
)
def test_every_picture_of_the_documentation_has_a_caption_that_says_what_to_see(path):
    assert lacking(path.read_text("utf-8")) == []


def test_every_picture_is_used():
    used = {(path.parent / file).resolve() for path in PAGES for _, file, _ in images(path.read_text("utf-8"))}
    kept = {path for path in (ROOT / "docs" / "images").rglob("*") if path.suffix in (".png", ".svg", ".jpg", ".gif")}
    assert kept - used == set()
    assert len(kept) > 25


def test_a_picture_without_words_is_seen():
    page = "![curves](a.png)\n\nText.\n\n![one two three four five six](b.png)\n\n*What to see: it\nfalls.*\n\nMore.\n"
    assert lacking(page) == ["a.png: alternative text", "a.png: caption"]
    cell = "```{{code-cell}} ipython3\n{}figure, ax = plt.subplots()\n```\n"
    about = (
        "---\nmystnb:\n  image:\n    alt: >-\n      {}\n  figure:\n    caption: >-\n      What to see: a line.\n---\n"
    )
    assert lacking(cell.format(about.format("one two three four five six"))) == []
    assert lacking(cell.format(about.format("a line"))) == ["figure 0 of the notebook: alternative text"]
    assert len(lacking(cell.format(""))) == 2
    assert lacking("```{code-cell} ipython3\nprint(1)\n```\n") == []

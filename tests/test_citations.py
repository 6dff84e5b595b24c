"""What a run rests on: every theorem names its works, and every work is a complete entry of one bibliography."""

from __future__ import annotations

import dataclasses
import importlib
import inspect
import pkgutil
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import runs

import modelcollapse as mc
import modelcollapse.predict  # the rules import the theorems
import modelcollapse_theory
from modelcollapse import datasets, regimes
from modelcollapse.families.decoding import Sampled
from modelcollapse.predict import citations
from modelcollapse.pytree import FUNCTIONS, PARTS
from modelcollapse_theory import _bibliography as bibliography
from modelcollapse_theory._register import THEOREMS

ROOT = Path(__file__).parents[1]
REQUIRED = {
    "article": {"author", "title", "journal", "year"},
    "book": {"author", "title", "year"},
    "inproceedings": {"author", "title", "booktitle", "year"},
    "misc": {"author", "title"},
}
FORM = {
    "year": r"1[789]\d\d|20\d\d", "pages": r"\d+(--\d+)?", "volume": r"\d+", "number": r"\d+(--\d+)?",
    "doi": r"10\.\d{4,}/\S+", "eprint": r"\d{4}\.\d{4,5}", "archiveprefix": "arXiv",
}  # fmt: skip
for module in pkgutil.iter_modules(modelcollapse_theory.__path__):
    importlib.import_module(f"modelcollapse_theory.{module.name}")


def unresolved(source: str) -> str:
    """What is wrong with a source; empty if each work that it names is an entry and each derivation a file."""
    keys, rest = bibliography.named(source)
    where = bibliography.derivations(source)
    if left := re.search(r"\b(1[6789]|20)\d\d\b|\b\d{4}\.\d{4,5}\b|arXiv:\d", rest):
        return f"{left[0]!r} names a work that is not listed"
    if missing := [path for path in where if path.endswith(".md") and not (ROOT / path).is_file()]:
        return f"{missing[0]} is not there"
    if not keys and not where and re.search(r"\bet al\.", source):
        return "it names authors and no work"
    return ""


def test_every_source_of_a_theorem_resolves() -> None:
    assert {name: why for name, theorem in THEOREMS.items() if (why := unresolved(theorem.source))} == {}
    assert len(THEOREMS) > 300


@pytest.mark.parametrize(
    "source", ["Nobody 1999", "setting of arXiv 2999.12345", "theory/derivations/nothing.md", "as in Nobody et al."]
)
def test_a_source_that_does_not_resolve_is_seen(source: str) -> None:
    assert unresolved(source)


def parse(text: str) -> dict[str, tuple[str, dict[str, str]]]:
    """A BibTeX file by a scanner of its own, which counts braces; comments stand between entries."""
    found: dict[str, tuple[str, dict[str, str]]] = {}
    at = 0
    while (at := text.find("@", at)) >= 0:
        kind, at = text[at + 1 : text.index("{", at)], text.index("{", at) + 1
        depth, end = 1, at
        while depth:
            depth += {"{": 1, "}": -1}.get(text[end], 0)
            end += 1
        key, body = text[at : end - 1].split(",", 1)
        fields, place = {}, 0
        while head := re.match(r"\s*(\w+)\s*=\s*\{", body[place:]):
            first = last = place + head.end()
            depth = 1
            while depth:
                depth += {"{": 1, "}": -1}.get(body[last], 0)
                last += 1
            assert head[1] not in fields
            fields[head[1]] = body[first : last - 1]
            place = last + (body[last : last + 1] == ",")
        assert not body[place:].strip(), body[place:]
        assert key not in found
        found[key] = (kind, fields)
        at = end
    return found


def test_every_entry_is_complete_and_well_formed() -> None:
    file = ROOT / "theory/modelcollapse_theory/bibliography.bib"
    read = parse(re.sub(r"^%.*\n", "", file.read_text("utf-8"), flags=re.MULTILINE))
    known = bibliography.entries()
    assert {key: (e.kind, e.fields) for key, e in known.items()} == read
    for key, (kind, fields) in read.items():
        assert re.fullmatch(r"[a-z]+\d{4}[a-z]*", key), key
        assert fields.keys() >= REQUIRED[kind], key
        assert fields["year"] in key
        assert ("eprint" in fields) == ("archiveprefix" in fields)
        for name, value in fields.items():
            assert value.strip() == value != "", (key, name)
            assert name not in FORM or re.fullmatch(FORM[name], value), (key, name, value)
        assert known[key].text.startswith(known[key].authors[0])
        assert not set("{}\\$") & set(known[key].text)
    for field in ("doi", "eprint", "title"):
        values = [fields[field] for _, fields in read.values() if field in fields]
        assert len(set(values)) == len(values)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ("@misc{a,\n  author = {A},\n}\n@misc{a,\n  author = {A},\n}\n", "twice"),
        ("@misc{a,\n  author = {A},\n  author = {B},\n}\n", "twice"),
        ("@misc{a,\n  author = A,\n}\n", "belongs to no entry"),
    ],
)
def test_a_faulty_bibliography_is_refused(wrong: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        bibliography.parsed(wrong)


def test_no_entry_is_without_a_use() -> None:
    sources = [theorem.source for theorem in THEOREMS.values()]
    documented = [inspect.getdoc(thing) or "" for thing in [*PARTS.values(), *FUNCTIONS.values()]]
    data = [inspect.getdoc(function) or "" for function in (datasets.iris, datasets.fashion_mnist)]
    used = {key for text in [*sources, *documented, *data] for key in bibliography.named(text)[0]}
    used |= {"fisher1936", "lecun1998", "wikipedia2016"}  # data, known by what they hold
    # what the documentation of functions and modules names
    package = "\n".join(path.read_text() for path in (ROOT / "modelcollapse").rglob("*.py"))
    used |= set(bibliography.named(package)[0])
    assert set(bibliography.entries()) - used == set()


def test_words_find_their_works() -> None:
    for words, keys in {
        "Kimura 1962, haploid": ["kimura1962"],
        "see Seddik et al. 2404.05090": ["seddik2024"],
        "(Griffiths and Kalish 2007)": ["griffiths2007"],
        "Lange, Little and\n  Taylor (1989)": ["lange1989"],
        "classical (Maruyama 1970, Nagylaki 1980)": ["maruyama1970alleles", "nagylaki1980"],
        "fixation in subdivided populations, Maruyama 1970)": ["maruyama1970fixation"],
        "Cochran's theorem; the inversion formula of Gil-Pelaez": ["cochran1934", "gilpelaez1951"],
        "law of total variance": [],
        "Kimura 19623": [],
    }.items():
        assert bibliography.named(words)[0] == keys


def test_a_run_cites_every_theorem_that_it_predicts_by() -> None:
    for run in (runs.words(), runs.normal()):
        cited = run.cite()
        used = {p.function for p in run.predict()}
        named = {use for one in cited for use in one.uses}
        assert used <= named | set(cited.derived) | set(cited.argued)
        assert used
        # what is printed is BibTeX, as a scanner reads it
        printed = parse(re.sub(r"^%.*\n?", "", str(cited), flags=re.MULTILINE))
        assert list(printed) == [one.key for one in cited]
        assert cited.bibtex() == str(cited) + "\n" == repr(cited) + "\n"
        assert all("named" not in fields for _, fields in printed.values())
        for one in cited:
            assert all(use in cited._repr_html_() for use in one.uses)
    assert [one.key for one in runs.normal().cite()][:2] == ["modelcollapse", "kakutani1948"]
    assert "wright1931" in [one.key for one in runs.words().cite()]


def test_the_software_is_cited_as_the_citation_file_has_it() -> None:
    (ours,) = [one for one in runs.words().cite() if one.key == "modelcollapse"]
    cff = (ROOT / "CITATION.cff").read_text("utf-8")
    said = dict(re.findall(r"^\W*(\w[\w-]*): *(.+)$", cff, re.MULTILINE))
    assert said["title"] in ours.text
    assert ours.entry.authors == [said["name"]]
    assert f"version {mc.__version__}" in ours.text or mc.__version__ == "unknown"
    assert said["license"] in ours.text
    assert "http" not in ours.bibtex


def told(**parts: Any) -> mc.Run:
    """A small run that says of itself to have had other parts."""
    return dataclasses.replace(runs.words(), **{"family": mc.Discrete(), **parts})


def keys(run: mc.Run) -> list[str]:
    return [one.key for one in run.cite()]


def test_parts_cite_what_their_documentation_names() -> None:
    assert "shumailov2024" in keys(told(regime=regimes.Mixture(0.5, 0.3, 0.2)))
    # a rule of decoding that is not used is not cited
    plain, cut = (list(citations._documented(told(family=one))) for one in (Sampled(), Sampled(top_p=0.9)))
    assert [bibliography.named(text)[0] for name, text in plain if name == "Sampled"] == [[]]
    assert [bibliography.named(text)[0] for name, text in cut if name == "Sampled"] == [["holtzman2020"]]


def test_data_of_this_package_are_recognised() -> None:
    iris = datasets.iris()[0]
    assert "fisher1936" in keys(told(source=mc.table(iris)))
    assert "fisher1936" in keys(told(source=mc.table(datasets.iris("virginica")[0])))
    assert "fisher1936" not in keys(told(source=mc.table(iris + np.float64(0.1))))
    assert "lecun1998" not in keys(told(source=mc.sources.images(np.full((30, 784), 0.5, np.float32))))
    digits = datasets.mnist_digits()[0].reshape(-1, 784)[:40].astype(np.float32)
    assert "lecun1998" in keys(told(source=mc.sources.images(digits)))


def test_the_extract_of_wikipedia_is_recognised() -> None:
    pytest.importorskip("gensim")
    tokenizer = mc.text.Bytes()
    words = mc.text.wikipedia().documents[3][:400]
    blocks = mc.text.blocks(tokenizer.encode(words), 40)
    assert "wikipedia2016" in keys(told(source=mc.sources.tokens(blocks, tokenizer)))
    other = mc.text.blocks(tokenizer.encode("nobody has written this sentence there " * 4), 40)
    assert "wikipedia2016" not in keys(told(source=mc.sources.tokens(other, tokenizer)))


def test_a_run_of_parts_from_elsewhere_cites_the_software() -> None:
    assert keys(runs.walk()) == ["modelcollapse"]

"""The page itself: its sections in order, each a piece of HTML; text is escaped where it enters."""

from __future__ import annotations

import importlib.resources
import json
from collections.abc import Callable

import jax

from modelcollapse.forks import computes
from modelcollapse.predict.prediction import Predictions
from modelcollapse.provenance import version
from modelcollapse.report import figures, setting, tables
from modelcollapse.report.markup import Cell, escaped, listed, table
from modelcollapse.report.recipe import recipe
from modelcollapse.run import Run

POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"
"""What a browser may load for the page: the images and the style within it."""
LETTERS = 400
"""Letters of a text, or of the repr of a part, that are shown."""


@computes
def page(run: Run) -> str:
    """The page of a run as HTML; its size is bounded whatever the run holds.

    Raises TypeError if ``run`` is not a ``Run``.
    """
    if not isinstance(run, Run):
        raise TypeError(f"run must be a Run, as simulate returns it or Run.load reads it, got {type(run).__name__}")
    with jax.enable_x64(run.provenance.get("dtype") == "float64"):  # as the run itself would be read
        predictions = run.predict()
        sections = [(key, title, make(run, predictions)) for key, title, make in SECTIONS]
    kept = [(key, title, content) for key, title, content in sections if content]
    links = "".join(f'<li><a href="#{key}">{title}</a></li>' for key, title, _ in kept)
    body = "".join(_section(*one) for one in kept)
    style = (importlib.resources.files("modelcollapse.report") / "page.css").read_text(encoding="utf-8")
    title = escaped(setting.title(run))
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">\n'
        f"<title>{title}</title>\n<style>\n{style}</style>\n</head>\n<body>\n"
        f'<header><h1>{title}</h1><p class="lead">{escaped(setting.lead(run))}</p></header>\n'
        f'<nav aria-label="Sections"><ul>{links}</ul></nav>\n<main>{body}</main>\n'
        f"<footer><p>Written by modelcollapse {escaped(version())}. This page is one file: it runs no script and loads "
        "nothing from elsewhere.</p></footer>\n</body>\n</html>\n"
    )


def _section(key: str, title: str, content: str) -> str:
    return f'<section aria-labelledby="{key}"><h2 id="{key}">{title}</h2>{content}</section>\n'


def _setting(run: Run, _: Predictions) -> str:
    rows = "".join(f"<dt>{escaped(name)}</dt><dd>{words}</dd>" for name, words in setting.parts(run))
    return f"<dl>{rows}</dl>"


def _figures(run: Run, predictions: Predictions) -> str:
    drawn = figures.figures(run, predictions)
    if not drawn:
        return ""
    items = [
        f'<figure><img src="{one.source}" alt="{escaped(one.alternative)}">'
        f"<figcaption>{escaped(one.caption)}</figcaption></figure>"
        for one in drawn
    ]
    left = [name for name in run.trace if name not in {one.name for one in drawn}]
    note = f'<p class="note">Not drawn: {escaped(listed(left))}.</p>' if left else ""
    return f'<div class="figures">{"".join(items)}</div>{note}'


def _texts(run: Run, _: Predictions) -> str:
    out = []
    for at in dict.fromkeys((0, -1)) if run.recorded.size else ():
        generation = int(run.recorded[at])
        blocks = "".join(f"<pre>{escaped(block[:LETTERS])}</pre>" for block in setting.texts(run, generation))
        out.append(f"<h3>Generation {generation}</h3>{blocks}" if blocks else "")
    return "".join(dict.fromkeys(out))


def _repeat(run: Run, _: Predictions) -> str:
    found = recipe(run)
    if found.missing:
        items = "".join(f"<li>{escaped(sentence)}</li>" for sentence in found.missing)
        said = (
            "<p>This call makes the run again but for what code cannot hold; a file that <code>run.save(path)</code> "
            "wrote has it, as <code>mc.Run.load(path)</code> shows:</p>"
            f"<ul>{items}</ul>"
        )
    else:
        said = "<p>This call makes the run again:</p>"
    where = (
        "<p>Keys and counts are the same bit for bit with the versions and the precision below, other floats within a "
        "few units in the last place on another machine.</p>"
    )
    return f"{said}<pre>{escaped(found.code)}</pre>{where}"


def _provenance(run: Run, _: Predictions) -> str:
    record = run.provenance
    versions = ", ".join(f"{name} {number}" for name, number in record.get("versions", {}).items())
    plain: dict[str, str] = {
        "versions": versions,
        **{name: str(record[name]) for name in ("dtype", "device", "generator", "seed") if name in record},
        "key": json.dumps(record.get("key", "")),
    }
    steps = [f"{kind}: {json.dumps(one.get('generations', one.get('chains')))}" for kind in ("extended", "added")
             for one in record.get(kind, [])]  # fmt: skip
    if steps:
        plain["made in steps"] = listed(steps)
    rows = "".join(f"<dt>{escaped(name)}</dt><dd>{escaped(words[:LETTERS])}</dd>" for name, words in plain.items())
    parts = [
        [Cell(escaped(name), head=True), Cell(f"<code>{escaped(part['repr'][:LETTERS])}</code>", long=True),
         Cell(f"<code>{escaped(part['sha256'])}</code>", long=True)]
        for name, part in record.get("parts", {}).items()
    ]  # fmt: skip
    head = ["part", "what it is", "SHA-256 of its content"]
    return f"<dl>{rows}</dl>" + (table("The parts of the run", head, parts) if parts else "")


def _references(run: Run, _: Predictions) -> str:
    cited = run.cite()
    return cited._repr_html_() + f"<details><summary>BibTeX</summary><pre>{escaped(cited.bibtex())}</pre></details>"


Section = Callable[[Run, Predictions], str]
SECTIONS: tuple[tuple[str, str, Section], ...] = (
    ("setting", "What was run", _setting),
    ("figures", "What happened", _figures),
    ("predictions", "Predictions beside the simulation", tables.predictions),
    ("measured", "What was measured", tables.measured),
    ("texts", "What the models wrote", _texts),
    ("profile", "Profile of collapse", tables.profile),
    ("repeat", "How to repeat it", _repeat),
    ("provenance", "Where the numbers come from", _provenance),
    ("references", "References", _references),
)
"""The sections in order: anchor, heading and content, which is left out where it is empty."""

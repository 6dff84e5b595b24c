"""The page itself: its sections in order, each a piece of HTML from words and tables that are escaped where they enter."""

from __future__ import annotations

import importlib.resources
import json
from collections.abc import Callable
from typing import Any

import numpy as np

from modelcollapse.families import Population
from modelcollapse.forks import computes
from modelcollapse.predict.prediction import Predictions, shown
from modelcollapse.provenance import version
from modelcollapse.report import compared, figures, setting
from modelcollapse.report.markup import Cell, escaped, listed, number, table
from modelcollapse.report.recipe import recipe
from modelcollapse.run import Run

SHOWN = 8
"""Entries of an array up to which a table has a row for each, as in ``run.summary()``."""
LINES = 60
"""Rows of the table of everything that was measured."""
LETTERS = 400
"""Letters of a text, or of the repr of a part, that are shown."""


@computes
def page(run: Run) -> str:
    """The page of a run as HTML; its size is bounded whatever the run holds.

    Raises TypeError if ``run`` is not a ``Run``.
    """
    if not isinstance(run, Run):
        raise TypeError(f"run must be a Run, as simulate returns it or Run.load reads it, got {type(run).__name__}")
    predictions = run.predict()
    written = [
        (key, title, content)
        for key, title, section in SECTIONS
        if (content := section(run, predictions))
    ]
    links = "".join(f'<li><a href="#{key}">{title}</a></li>' for key, title, _ in written)
    body = "".join(f'<section aria-labelledby="{key}"><h2 id="{key}">{title}</h2>{c}</section>' for key, title, c in written)
    style = (importlib.resources.files("modelcollapse.report") / "page.css").read_text(encoding="utf-8")
    title = escaped(setting.title(run))
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<meta http-equiv="Content-Security-Policy" content="default-src \'none\'; img-src data:; style-src \'unsafe-inline\'">\n'
        f"<title>{title}</title>\n<style>\n{style}</style>\n</head>\n<body>\n<header><h1>{title}</h1>"
        f'<p class="lead">{escaped(setting.lead(run))}</p></header>\n'
        f'<nav aria-label="Sections"><ul>{links}</ul></nav>\n<main>{body}</main>\n'
        f"<footer><p>Written by modelcollapse {escaped(version())}. This page is one file: it runs no script and loads "
        "nothing from elsewhere.</p></footer>\n</body>\n</html>\n"
    )


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


def _predictions(run: Run, predictions: Predictions) -> str:
    if not run.recorded.size:
        return ""
    without = [name for name in run.trace if name not in predictions]
    note = f"<p>No closed form is known here for {escaped(listed(without))}.</p>" if without else ""
    if not predictions:
        return note
    found = compared.rows(run, predictions)
    head = ["observable", "exact value", "simulated mean", "standard error", "median", "do they agree?", "theorem",
            "formula, conditions, order"]  # fmt: skip
    rows = [
        [
            Cell(escaped(_observable(row)), head=True), number(row.exact, _relation(row)), number(row.mean),
            number(row.error), number(row.median),
            Cell(f'<span class="{row.verdict.replace(" ", "-")}">{row.verdict}</span>: {escaped(row.reason)}', long=True),
            Cell(f"<code>{escaped(row.prediction.function)}</code>"),
            Cell(escaped(f"{row.prediction.formula}; {row.prediction.conditions}; {row.prediction.order}"), long=True),
        ]
        for row in found
    ]  # fmt: skip
    of = f"Generation {run.recorded[-1]}, fit number {run.recorded[-1] + 1} of the theory; {run.chains} chains"
    judged = sum(row.prediction.order == "exact" for row in found)
    return table(of, head, rows) + _judged(judged, run, predictions) + note


def _relation(row: compared.Row) -> str:
    return {"mean": "", "lower bound": "≥ ", "upper bound": "≤ "}[row.prediction.kind]


def _observable(row: compared.Row) -> str:
    return row.prediction.observable + (f" [{row.entry}]" if row.entry else "")


def _judged(judged: int, run: Run, predictions: Predictions) -> str:
    how = (
        "<p>How this was judged: the distance of the simulated mean from the exact value, in standard errors, is held "
        f"against Student's t with {max(run.chains - 1, 0)} degrees of freedom. A row differs where chance alone goes "
        f"that far with a probability below {compared.FALSE_ALARM / max(judged, 1):.2g}, so that all rows together "
        f"raise a false alarm in one page of {1 / compared.FALSE_ALARM:.0f}. That rate is nominal: it takes means over "
        "chains for normal. Agreement is no proof, it is what these chains can see: a wrong formula within a few "
        "standard errors of the right one would pass. Only the last recorded generation is judged; the figures show "
        "the others.</p>"
    )
    cut = [p.observable for p in predictions if np.prod(p.values.shape[1:]) > compared.ENTRIES]
    return how + (
        f'<p class="note">Of {escaped(listed(cut))} the first {compared.ENTRIES} entries are shown.</p>' if cut else ""
    )


def _measured(run: Run, _: Predictions) -> str:
    if not run.recorded.size:
        return "<p>No generation is recorded.</p>"
    summary, rows = run.summary(), []
    for name, held in summary.statistics.items():
        shape = held["mean"].shape[1:]
        if int(np.prod(shape)) > SHOWN:
            rows.append([Cell(escaped(name), head=True), Cell(f"array of shape {escaped(shape)}", span=6)])
            continue
        for index in np.ndindex(shape):
            label = compared.entry(run, name, index)
            first, last = (0, *index), (-1, *index)
            cells = [number(float(held["mean"][first])), *(number(float(held[k][last])) for k in KEPT)]
            rows.append([Cell(escaped(name + (f" [{label}]" if label else "")), head=True), *cells])
    head = ["observable", f"mean in generation {run.recorded[0]}", "mean", "standard error", "median", "5 % of chains",
            "95 % of chains"]  # fmt: skip
    level = summary.level
    head[5:] = [f"{50 * (1 - level):g} % of chains below", f"{50 * (1 - level):g} % of chains above"]
    more = f'<p class="note">{len(rows) - LINES} further rows are left out.</p>' if len(rows) > LINES else ""
    return table(f"In generation {run.recorded[-1]}, where nothing else is said", head, rows[:LINES]) + more


KEPT = ("mean", "standard_error", "median", "lower", "upper")


def _profile(run: Run, _: Predictions) -> str:
    if isinstance(run.family, Population):
        return "<p>A run of several models for each chain has no profile: each definition is about one model.</p>"
    head = ["", "kind", "definition", "judged by", "measured", "exact", "threshold", "verdict"]
    rows = []
    for verdict in run.profile():
        numbers = [Cell("" if x is None else shown(x), number=True) for x in (verdict.measured, verdict.exact, verdict.threshold)]
        answer = f'<span class="{verdict.answer}">{verdict.answer}</span>: {escaped(verdict.words)}'
        words = (verdict.title, verdict.definition, verdict.risk)
        rows.append([Cell(escaped(verdict.name), head=True), *(Cell(escaped(w)) for w in words), *numbers, Cell(answer, long=True)])
    return (
        "<p>“Model collapse” has eight kinds of definition in use, which need not agree. R is the risk that a line is "
        "judged by, R<sub>n</sub> that of fit n, generation n − 1. A verdict follows the exact value where one is "
        "known; a measured one decides where it lies three standard errors from the threshold.</p>"
        + table("Which kinds of definition this run meets", head, rows)
    )


def _texts(run: Run, _: Predictions) -> str:
    out = []
    for at in dict.fromkeys((0, -1)) if run.recorded.size else ():
        generation = int(run.recorded[at])
        blocks = setting.texts(run, generation)
        if blocks:
            out.append(f"<h3>Generation {generation}</h3>" + "".join(f"<pre>{escaped(b[:LETTERS])}</pre>" for b in blocks))
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
    plain = {
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
    ("predictions", "Predictions beside the simulation", _predictions),
    ("measured", "What was measured", _measured),
    ("texts", "What the models wrote", _texts),
    ("profile", "Profile of collapse", _profile),
    ("repeat", "How to repeat it", _repeat),
    ("provenance", "Where the numbers come from", _provenance),
    ("references", "References", _references),
)
"""The sections in order: anchor, heading and content, which is left out where it is empty."""

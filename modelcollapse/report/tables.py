"""The tables of a page: predictions beside the simulation, everything that was measured, the profile of collapse."""

from __future__ import annotations

import numpy as np

from modelcollapse.families import Population
from modelcollapse.predict import Prediction
from modelcollapse.predict.prediction import Predictions, shown
from modelcollapse.report import compared
from modelcollapse.report.markup import Cell, escaped, listed, number, table
from modelcollapse.run import Run

SHOWN = 8
"""Entries of an array up to which a table has a row for each, as in ``run.summary()``."""
LINES = 60
"""Rows of the table of everything that was measured."""
RELATION = {"mean": "", "lower bound": "≥ ", "upper bound": "≤ "}
"""How a mean relates to a prediction of each kind."""


def predictions(run: Run, found: Predictions) -> str:
    """What theorems say beside what the chains say, and how the two were compared."""
    if not run.recorded.size:
        return ""
    without = [name for name in run.trace if name not in found]
    note = f"<p>No closed form is known here for {escaped(listed(without))}.</p>" if without else ""
    if not found:
        return note
    rows = compared.rows(run, found)
    head = ["observable", "exact value", "simulated mean", "standard error", "median", "do they agree?"]
    of = f"Generation {run.recorded[-1]}, fit number {run.recorded[-1] + 1} of the theory; {counted(run)}"
    cut = [p.observable for p in found if np.prod(p.values.shape[1:]) > compared.ENTRIES]
    few = f"Of {escaped(listed(cut))} the first {compared.ENTRIES} entries are shown."
    first = f'<p class="note">{few}</p>' if cut else ""
    return table(of, head, [_compared(row) for row in rows]) + first + _judged(rows, run) + _theorems(found) + note


def counted(run: Run) -> str:
    """How many chains there are."""
    return "one chain" if run.chains == 1 else f"{run.chains} chains"


def _compared(row: compared.Row) -> list[Cell]:
    name = row.prediction.observable + (f" [{row.entry}]" if row.entry else "")
    numbers = [number(row.exact, RELATION[row.prediction.kind]), *map(number, (row.mean, row.error, row.median))]
    verdict = f'<span class="{row.verdict.replace(" ", "-")}">{row.verdict}</span>: {escaped(row.reason)}'
    return [Cell(escaped(name), head=True), *numbers, Cell(verdict, long=True)]


def _judged(rows: list[compared.Row], run: Run) -> str:
    shared = max(1, compared.judged(row.prediction for row in rows))
    return (
        "<p>How this was judged: the distance of the simulated mean from the exact value, in standard errors, is held "
        f"against Student’s t with {max(run.chains - 1, 0)} degrees of freedom. A row differs where chance alone goes "
        f"that far with a probability below {compared.FALSE_ALARM / shared:.2g}: nominally, all rows together raise a "
        f"false alarm in one page of {1 / compared.FALSE_ALARM:.0f}. Student’s t is for normal numbers, which chains "
        f"are not, so that means of fewer than {compared.FEWEST} chains, of strongly skewed ones and of such that one "
        "chain carries are not judged; measured with that rule, on true theorems of eight settings, "
        f"{compared.MEASURED}. Other settings may have another rate. Agreement is no proof: a formula that is wrong by "
        "less than a few standard errors would pass. Only the last recorded generation is judged; the figures show the "
        "others.</p>"
    )


def _theorems(found: Predictions) -> str:
    def cells(p: Prediction) -> list[Cell]:
        return [
            Cell(escaped(p.observable), head=True),
            Cell(escaped(p.formula), long=True),
            Cell(f"<code>{escaped(p.function)}</code>"),
            Cell(escaped(p.conditions), long=True),
            Cell(escaped(p.order)),
        ]

    head = ["observable", "formula", "theorem", "conditions", "order of its error"]
    return table("The theorems behind these values, by their names in modelcollapse_theory", head, [*map(cells, found)])


def measured(run: Run, _: Predictions) -> str:
    """The statistics of ``run.summary()`` at the end, and the mean at the beginning."""
    if not run.recorded.size:
        return "<p>No generation is recorded.</p>"
    summary, rows = run.summary(), []
    for name, held in summary.statistics.items():
        shape = held["mean"].shape[1:]
        if int(np.prod(shape)) > SHOWN:
            what = f"array of shape {shape}"
            rows.append([Cell(escaped(name), head=True), Cell(what, span=len(KEPT) + 1)])
            continue
        for index in np.ndindex(shape):
            label = compared.entry(run, name, index)
            cells = [number(float(held["mean"][(0, *index)])), *(number(float(held[k][(-1, *index)])) for k in KEPT)]
            rows.append([Cell(escaped(name + (f" [{label}]" if label else "")), head=True), *cells])
    failed = int(np.count_nonzero(run.state.status))
    gone = "Chains that failed have no value, and these statistics are of all chains: they are nan from then on."
    note = f'<p class="note">{gone}</p>' if failed else ""
    tail = f"{50 * (1 - summary.level):g} % of chains"
    head = ["observable", f"mean in generation {run.recorded[0]}", "mean", "standard error", "median"]
    more = f'<p class="note">{len(rows) - LINES} further rows are left out.</p>' if len(rows) > LINES else ""
    of = f"Over {counted(run)}, in generation {run.recorded[-1]} but for the first column"
    return table(of, [*head, f"{tail} lie below", f"{tail} lie above"], rows[:LINES]) + note + more


KEPT = ("mean", "standard_error", "median", "lower", "upper")
"""Statistics of the last recorded generation that the table has, in this order."""


def profile(run: Run, _: Predictions) -> str:
    """Which kinds of definition of collapse the run meets."""
    if isinstance(run.family, Population):
        return "<p>A run of several models for each chain has no profile: each definition is about one model.</p>"
    head = ["", "kind", "definition", "judged by", "measured", "exact", "threshold", "verdict"]
    rows = []
    for verdict in run.profile():
        numbers = (verdict.measured, verdict.exact, verdict.threshold)
        answer = f'<span class="{verdict.answer}">{verdict.answer}</span>: {escaped(verdict.words)}'
        rows.append(
            [
                Cell(escaped(verdict.name), head=True),
                *(Cell(escaped(words)) for words in (verdict.title, verdict.definition, verdict.risk)),
                *(Cell("" if x is None else shown(x), number=True) for x in numbers),
                Cell(answer, long=True),
            ]
        )
    return (
        "<p>“Model collapse” has eight kinds of definition in use, which need not agree. R is the risk that a line is "
        "judged by, R<sub>n</sub> that of fit n, generation n − 1. A verdict follows the exact value where one is "
        "known; a measured one decides where it lies three standard errors from the threshold.</p>"
        + table("Which kinds of definition this run meets", head, rows)
    )

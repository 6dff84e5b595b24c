"""What the figures share: one way to run, judge, draw and save each, and the table of published numbers beside ours.

A figure is a module with ``numbers(small, seed, progress)``, all that is computed; ``evidence(found)``, what theory says of it,
with near misses; ``table(found)``, what the papers report beside it; and ``draw(found)``. ``SHOWS`` describes the picture
to those who do not see it, ``SEE`` is its caption. ``[F]`` marks numbers read off a published figure
by eye.
"""

import sys
import time
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from matplotlib import pyplot

sys.path.insert(0, str(Path(__file__).parents[1]))

import _common

from modelcollapse.verify import runner as claims
from modelcollapse.verify.evidence import NominalMean

FIGURES = (
    "tail_cut", "single_fit", "recursion", "w2_growth", "several_dimensions", "pooled_data", "mixtures", "discrete_chain",
    "forgetting", "gmm", "vae",
)  # fmt: skip
SHARE = claims.RATE / len(FIGURES)
"""Of the false alarms, for one figure."""


class Row(NamedTuple):
    """One line of the gallery: a published number, the exact one, ours, and what the comparison says."""

    what: str
    paper: str
    exact: str
    ours: str
    reading: str


class Quoted(NamedTuple):
    """A published mean of many repeats with its standard error, as a statistic of its own."""

    estimate: float
    standard_error: float
    certain = False

    log_p = NominalMean.log_p


class Made(NamedTuple):
    """A figure that was made."""

    module: Any
    found: dict[str, Any]
    rows: list[Row]
    verdicts: list[claims.Row]
    wall: float
    cpu: float


parser = _common.parser


def judged(evidence):
    """Verdicts of one figure: all predictions of all figures together are wrongly rejected with probability 1e-6."""
    return [claims.judge(e, SHARE / len(evidence)) for e in evidence]


def make(module, chosen):
    """Compute, judge, draw and save one figure."""
    wall, cpu = time.perf_counter(), time.process_time()
    found = module.numbers(small=chosen.small, seed=chosen.seed, progress=sys.stderr.isatty())
    verdicts = judged(module.evidence(found))
    figure = module.draw(found)
    _common.save(figure, name(module), chosen, under="paper")
    pyplot.close(figure)
    return Made(module, found, module.table(found), verdicts, time.perf_counter() - wall, time.process_time() - cpu)


def main(module, argv=None):
    """Make one figure and print its numbers."""
    made = make(module, _common.options(module.__doc__.splitlines()[0], argv))
    print(report(made))
    return made


def name(module):
    return Path(module.__file__).stem


def report(made):
    """Both tables as text."""
    lines = [f"{'':44s} {'paper':>16s} {'exact':>16s} {'here':>16s}  reading"]
    lines += [f"{r.what:44s} {r.paper:>16s} {r.exact:>16s} {r.ours:>16s}  {r.reading}" for r in made.rows]
    lines += ["", claims.HEADER]
    shown = claims.Claim(name(made.module), made.module.__doc__.splitlines()[0], "", "", 0, made.module.evidence)
    lines.append(claims.to_text(claims.Result(shown, 0, made.wall, tuple(made.verdicts))))
    return "\n".join(lines)


def number(value, digits=4):
    return "-" if value is None else f"{value:.{digits}g}"


def spread(mean, deviation, digits=4):
    return f"{mean:.{digits}g} ± {deviation:.2g}"


def standard_error(values):
    return np.std(values, axis=0, ddof=1) / np.sqrt(len(values))

"""The setting of a run in words."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator
from typing import Any

import numpy as np

from modelcollapse.families import Population
from modelcollapse.host.models import FitSample
from modelcollapse.numeric import shown
from modelcollapse.observables import Read
from modelcollapse.observables.texts import Blocks
from modelcollapse.protocols import marks
from modelcollapse.pytree import PACKAGE
from modelcollapse.report.markup import escaped, listed
from modelcollapse.run import Run
from modelcollapse.summary import labelled

BLOCKS = 3
"""Blocks of text of a generation that are shown."""


def title(run: Run) -> str:
    """What the page is about, in one line."""
    return f"Recursive training of {_called(run.family)}, regime {type(run.regime).__name__}"


def lead(run: Run) -> str:
    """The run in two sentences."""
    family = _called(run.family)
    failed = int(np.count_nonzero(run.state.status))
    said = (
        f"In each of {run.chains} independent chains, {family} was fitted to {_size(run)} real items, generation 0. "
        f"Then {run.generations} times a new model was fitted to data that the regime made from the models before it."
    )
    if failed:
        said += f" {failed} chains failed on the way: a fit was not finite there, and their values are missing after it."
    return said


def parts(run: Run) -> Iterator[tuple[str, str]]:
    """Names and descriptions, as HTML."""
    yield "What is real", _described(run.source) + _names(run)
    yield "What is refitted", _described(run.family)
    yield "What a generation learns from", _described(run.regime)
    yield "Sample size", escaped(_size(run)) + " items in each data set"
    yield "Generations", f"0 to {run.generations}, {run.recorded.size} recorded; generation g is fit number g + 1"
    yield "Chains", escaped(run.chains)
    yield "What was kept", escaped(listed([_unit(name, run) for name in run.trace], 20))


def texts(run: Run, generation: int) -> list[str]:
    """The first blocks of a generation of the first chain, where the run kept some."""
    if not any(isinstance(kept, Blocks) for kept in run.observables.values()):
        return []
    found = run.texts(generation)
    return [one if isinstance(one, str) else " ".join(map(str, one)) for one in list(found)[:BLOCKS]]


def _called(family: Any) -> str:
    if isinstance(family, FitSample):
        made = family.make_model
        return f"models by {getattr(made, '__name__', type(made).__name__)}"
    if isinstance(family, Population):
        return f"{family.models} models of {type(family.family).__name__}"
    return type(family).__name__


def _size(run: Run) -> str:
    sizes = run.sizes()
    low, high = int(sizes.min()), int(sizes.max())
    return f"{low}" if low == high else f"{low} to {high}"


def _unit(name: str, run: Run) -> str:
    units = marks(run.observables.get(name)).units
    return name if units in ("", "1") else f"{name} ({units})"


def _names(run: Run) -> str:
    known = labelled(run.source)
    if known is None:
        return ""
    kind = "states" if known[0] == "state" else "columns"
    return escaped(f" Its {len(known[1])} {kind}: {listed([str(one) for one in known[1]])}.")


def _described(part: Any) -> str:
    """The repr of a part, and the first sentence of its documentation, if it is one of this package."""
    if isinstance(part, tuple):
        return "; ".join(map(_described, part[:4]))
    words = ""
    kind = type(part)
    if kind.__module__.partition(".")[0] == PACKAGE and not isinstance(part, Read):
        words = (inspect.getdoc(kind) or "").split("\n\n")[0]
    said = re.sub(r"(?::math:)?`+([^`]+)`+", r"<code>\1</code>", escaped(" ".join(words.split())))
    return f"<code>{escaped(shown(part))}</code>{'. ' if said else ''}{said}"

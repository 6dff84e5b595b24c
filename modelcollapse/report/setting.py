"""The setting of a run in words."""

from __future__ import annotations

import functools
import inspect
import re
import types
from collections.abc import Iterator

import numpy as np

from modelcollapse.axes import labelled
from modelcollapse.families import Population
from modelcollapse.host.adapted import FromFrames, FromFunctions
from modelcollapse.host.models import FitSample
from modelcollapse.laws import Law, Table, Tokens
from modelcollapse.numeric import shown
from modelcollapse.observables import Call, Read
from modelcollapse.observables.texts import Blocks
from modelcollapse.protocols import marks
from modelcollapse.pytree import PACKAGE
from modelcollapse.report.markup import escaped, listed
from modelcollapse.run import Run

KEPT = 20
"""Observables that are described."""
LETTERS = {
    "sum": "Σ", "Sigma": "Σ", "sigma": "σ", "alpha": "α", "beta": "β", "gamma": "γ", "delta": "δ", "theta": "θ",
    "mu": "μ", "tau": "τ", "pi": "π", "ln": "ln", "log": "log", "min": "min", "max": "max", "propto": "∝", "cdot": "·",
    "ge": "≥", "le": "≤", "sqrt": "√", "infty": "∞", "circ": "∘",
}  # fmt: skip
"""Commands of LaTeX that occur in formulas of one line, as letters."""
BLOCKS = 3
"""Blocks of text of a generation that are shown."""


def title(run: Run) -> str:
    """What the page is about, in one line."""
    return f"Recursive training of {_called(run.family)}, regime {type(run.regime).__name__}"


def lead(run: Run) -> str:
    """The run in two sentences."""
    family = ("each of " if isinstance(run.family, Population) else "") + _called(run.family)
    failed = int(np.count_nonzero(run.state.status))
    where = "In one chain" if run.chains == 1 else f"In each of {run.chains} independent chains"
    if not run.generations:
        return f"{where}, {family} was fitted to {int(run.sizes()[0])} real items, and no generation followed."
    said = (
        f"{where}, {family} was fitted to {int(run.sizes()[0])} real items, generation 0. In each generation after it, "
        f"up to {run.generations}, a new model was fitted to data that the regime made from the models before."
    )
    if failed:
        chains = "one chain" if failed == 1 else f"{failed} chains"
        said += f" The fit of {chains} failed on the way, and values are missing from there on."
    return said


def parts(run: Run) -> Iterator[tuple[str, str]]:
    """Names and descriptions, as HTML."""
    yield "What is real", _real(run.source) + _names(run)
    yield "What is refitted", _described(run.family)
    yield "What a generation learns from", _described(run.regime)
    yield "Sample size", escaped(_size(run)) + " items drawn in each generation"
    yield "Generations", f"0 to {run.generations}, {run.recorded.size} recorded; generation g is fit number g + 1"
    yield "Chains", escaped(run.chains)
    kept = [f"<li>{_kept(name, run)}</li>" for name in list(run.trace)[:KEPT]]
    more = f"<li>and {len(run.trace) - KEPT} more</li>" if len(run.trace) > KEPT else ""
    yield "What was kept", f"<ul>{''.join(kept)}{more}</ul>"


def texts(run: Run, generation: int) -> list[str]:
    """The first blocks of a generation of the first chain, where the run kept some."""
    if not any(isinstance(kept, Blocks) for kept in run.observables.values()):
        return []
    found = run.texts(generation)
    return [one if isinstance(one, str) else " ".join(map(str, one)) for one in list(found)[:BLOCKS]]


def _called(family: object) -> str:
    if isinstance(family, FitSample):
        return f"a model by {_maker(family.make_model)}"
    if isinstance(family, Population):
        return f"{family.models} models of {type(family.family).__name__}"
    return type(family).__name__


def _maker(made: object) -> str:
    """What makes models, by the name of what the user gave, within whatever adapters hold it."""
    while isinstance(made, FromFrames | FromFunctions | functools.partial):
        made = (
            made.make if isinstance(made, FromFrames) else made.train if isinstance(made, FromFunctions) else made.func
        )
    name = (made if isinstance(made, type | types.FunctionType | types.MethodType) else type(made)).__name__
    return "a function without a name" if name == "<lambda>" else name


def _size(run: Run) -> str:
    sizes = run.sizes()
    low, high = int(sizes.min()), int(sizes.max())
    return f"{low}" if low == high else f"{low} to {high}"


def _kept(name: str, run: Run) -> str:
    """An observable with its unit and the first sentence of its documentation, if this package has it."""
    held = run.observables.get(name)
    units = marks(held).units
    of: object = type(held.function) if isinstance(held, Call) else type(held)
    if isinstance(held, Read) and not isinstance(held, Call):
        of = held.function
    said = _first_words(of)
    unit = "" if units in ("", "1") else f" ({escaped(units)})"
    return f"<strong>{escaped(name)}</strong>{unit}{': ' if said else ''}{said}"


def _names(run: Run) -> str:
    known = labelled(run.source)
    if known is None:
        return ""
    kind = "states" if known[0] == "state" else "columns"
    return escaped(f" Its {len(known[1])} {kind}: {listed([str(one) for one in known[1]])}.")


def _real(source: object) -> str:
    """What a source is, and its repr."""
    if isinstance(source, tuple):
        return "; ".join(map(_real, source[:4]))
    repr_ = f"<code>{escaped(shown(source))}</code>"
    if isinstance(source, Law):
        return f"A law of the family {escaped(type(source.family).__name__)}: {repr_}."
    if isinstance(source, Table):
        shape = source.points.shape
        kind = "rows" if len(shape) == 2 else "states"
        if isinstance(source, Tokens):
            kind = "blocks of tokens"
        of = f" of {shape[1]} numbers each" if len(shape) == 2 else ""
        back = "with" if source.replace else "without"
        return f"A table of {shape[0]} {kind}{of}, drawn {back} replacement: {repr_}."
    return _described(source)


def _described(part: object) -> str:
    """The first sentence of the documentation of a part, if it is one of this package, and its repr."""
    said = _first_words(type(part))
    return f"{said} <code>{escaped(shown(part))}</code>"


def _first_words(thing: object) -> str:
    """The first paragraph of the documentation of a class or function of this package, as HTML."""
    if not isinstance(thing, type | types.FunctionType) or thing.__module__.partition(".")[0] != PACKAGE:
        return ""
    words = " ".join((inspect.getdoc(thing) or "").split("\n\n")[0].split())
    words = re.sub(r",? (?:int32 )?``\([\w, +-]*\)``", "", words)  # shapes of arrays are for programmers
    words = re.sub(r":math:`([^`]+)`", lambda found: f"`{_unicode(found[1])}`", words)
    return re.sub(r"`+([^`]+)`+", r"<code>\1</code>", escaped(words))


def _unicode(formula: str) -> str:
    """A formula of LaTeX, as short ones occur in documentation, in plain letters."""
    for command, letter in LETTERS.items():
        formula = re.sub(rf"\\{command}(?![a-z])", letter, formula)
    return re.sub(r"\\(mathrm|mathbf|text)\{([^}]*)\}", r"\2", formula).replace("\\,", " ")

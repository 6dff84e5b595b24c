"""A prediction is the mean of one observable over chains at the recorded generations, with its theorem."""

from __future__ import annotations

import dataclasses
import html
from collections.abc import Callable, Sequence
from typing import Any, SupportsIndex, TypeAlias, cast, overload

import numpy as np
from numpy.typing import ArrayLike

from modelcollapse import arguments

Function: TypeAlias = Callable[..., Any]
"""A function of the theory, or of the parameters of a family."""

RELATION = {"mean": "=", "lower bound": ">=", "upper bound": "<="}
"""How the mean of an observable relates to the values of each kind of prediction."""
HEADER = ("observable", "generation", "mean", "formula", "order", "theorem")
MOST = 8
"""How many generations of a single prediction are shown."""


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class Prediction:
    """The mean of an observable over chains at each recorded generation, by a closed form.

    ``print`` shows the last generation on one line; ``repr``, and a notebook, a table of generations.

    Attributes
    ----------
    observable
        The name under which it is observed.
    recorded
        Generations ``(G,)``; generation g is fit number g + 1 of the theory.
    values
        ``(G, ...)``, in the shape that the observable has in a trace of one chain.
    formula
        What was computed.
    conditions
        When it holds.
    order
        ``"exact"``, or the order of its error.
    functions
        The functions of ``modelcollapse_theory`` that were evaluated, the theorem to cite first.
    kind
        ``"mean"``, or ``"lower bound"`` or ``"upper bound"`` of the mean.
    """

    observable: str
    recorded: np.ndarray
    values: np.ndarray
    formula: str
    conditions: str
    order: str
    functions: tuple[Function, ...]
    kind: str = "mean"

    @property
    def function(self) -> str:
        """The theorem to cite, as ``module.name`` in ``modelcollapse_theory``."""
        return registered(self.functions[0])

    @property
    def summary(self) -> str:
        """What is predicted at the last recorded generation, without the formula."""
        value = shown(self.values[-1])
        return f"mean {self.observable} {RELATION[self.kind]} {value} at generation {self.recorded[-1]}"

    def __str__(self) -> str:
        return f"{self.summary}: {self._source}"

    def __repr__(self) -> str:
        return f"{self.observable}: {self._source}\n{as_text(self._rows())}"

    def _repr_html_(self) -> str:
        return f"<p>{html.escape(f'{self.observable}: {self._source}')}</p>{as_html(self._rows())}"

    @property
    def _source(self) -> str:
        return f"{self.formula} ({self.conditions}; {self.order}; {self.function})"

    def _rows(self) -> list[tuple[str, ...]]:
        """At most ``MOST`` generations, evenly spread, below a header."""
        at = np.unique(np.linspace(0, self.recorded.size - 1, min(MOST, self.recorded.size)).round().astype(int))
        return [("generation", self.kind), *((str(self.recorded[i]), shown(self.values[i])) for i in at)]


class Predictions(list[Prediction]):
    """A list of predictions that prints as a table; ``predictions["entropy"]`` is the one of an observable."""

    @overload
    def __getitem__(self, index: str | SupportsIndex) -> Prediction: ...
    @overload
    def __getitem__(self, index: slice) -> Predictions: ...
    def __getitem__(self, index: str | SupportsIndex | slice) -> Prediction | Predictions:
        if isinstance(index, slice):
            return Predictions(super().__getitem__(index))
        if not isinstance(index, str):
            return super().__getitem__(arguments.whole("index", cast(int, index), -len(self), len(self) - 1))
        for prediction in self:
            if prediction.observable == index:
                return prediction
        known = ", ".join(p.observable for p in self) or "no observable of this process"
        raise KeyError(f"no closed form for {index!r}; there is one for {known}")

    def __contains__(self, item: object) -> bool:
        return any(p.observable == item for p in self) if isinstance(item, str) else super().__contains__(item)

    def __str__(self) -> str:
        return as_text(self._rows()) if self else "no closed form applies"

    __repr__ = __str__

    def _repr_html_(self) -> str:
        return as_html(self._rows()) if self else "<p>no closed form applies</p>"

    def _rows(self) -> list[tuple[str, ...]]:
        return [HEADER, *(_cells(p) for p in self)]


def _cells(p: Prediction) -> tuple[str, ...]:
    relation = "" if p.kind == "mean" else RELATION[p.kind] + " "
    return p.observable, str(p.recorded[-1]), relation + shown(p.values[-1]), p.formula, p.order, p.function


def as_text(rows: Sequence[tuple[str, ...]]) -> str:
    """Rows as lines with aligned columns."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join("  ".join(cell.ljust(w) for cell, w in zip(row, widths, strict=True)).rstrip() for row in rows)


def as_html(rows: Sequence[tuple[str, ...]]) -> str:
    """Rows as a table whose first is its head."""
    head = "".join(f"<th>{html.escape(name)}</th>" for name in rows[0])
    body = "".join("<tr>" + "".join(f"<td>{html.escape(cell)}</td>" for cell in row) + "</tr>" for row in rows[1:])
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def shown(value: ArrayLike) -> str:
    """A number without brackets, or the first few of an array."""
    array = np.asarray(value, np.float64)
    if array.size == 1:
        return f"{array.item():.6g}"
    flat = ", ".join(f"{x:.6g}" for x in array.ravel()[:4])
    return f"[{flat}{', ...' if array.size > 4 else ''}]"


def registered(function: Function) -> str:
    """``module.name`` of a function of the theory, as its register has it."""
    return f"{function.__module__.rpartition('.')[2]}.{function.__name__}"

"""A prediction is the mean of one observable over chains at the recorded generations, with the theorem that gives it."""

from __future__ import annotations

import dataclasses
import html
from collections.abc import Callable
from typing import Any, overload

import numpy as np

from modelcollapse import arguments

RELATION = {"mean": "=", "lower bound": ">=", "upper bound": "<="}
"""How the mean of an observable relates to the values of each kind of prediction."""


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class Prediction:
    """The mean of an observable over chains at each recorded generation, by a closed form; printing shows the last one.

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
    functions: tuple[Callable[..., Any], ...]
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
        return f"{self.summary}: {self.formula} ({self.conditions}; {self.order}; {self.function})"

    __repr__ = __str__


class Predictions(list[Prediction]):
    """A list of predictions that prints as a table; ``predictions["entropy"]`` is the one of an observable."""

    @overload
    def __getitem__(self, index: str) -> Prediction: ...
    @overload
    def __getitem__(self, index: Any) -> Any: ...
    def __getitem__(self, index: Any) -> Any:
        if not isinstance(index, str):
            if not isinstance(index, slice):
                index = arguments.whole("index", index, -len(self), len(self) - 1)
            found = super().__getitem__(index)
            return Predictions(found) if isinstance(index, slice) else found
        for prediction in self:
            if prediction.observable == index:
                return prediction
        known = ", ".join(p.observable for p in self) or "no observable of this process"
        raise KeyError(f"no closed form for {index!r}; there is one for {known}")

    def __contains__(self, item: object) -> bool:
        return any(p.observable == item for p in self) if isinstance(item, str) else super().__contains__(item)

    def __str__(self) -> str:
        if not self:
            return "no closed form applies"
        rows = [HEADER, *(_cells(p) for p in self)]
        widths = [max(len(row[i]) for row in rows) for i in range(len(HEADER))]
        return "\n".join("  ".join(cell.ljust(w) for cell, w in zip(row, widths, strict=True)).rstrip() for row in rows)

    __repr__ = __str__

    def _repr_html_(self) -> str:
        if not self:
            return "<p>no closed form applies</p>"
        head = "".join(f"<th>{name}</th>" for name in HEADER)
        body = "".join("<tr>" + "".join(f"<td>{html.escape(cell)}</td>" for cell in _cells(p)) + "</tr>" for p in self)
        return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


HEADER = ("observable", "generation", "mean", "formula", "order", "theorem")


def _cells(p: Prediction) -> tuple[str, ...]:
    relation = "" if p.kind == "mean" else RELATION[p.kind] + " "
    return (
        p.observable, str(p.recorded[-1]), relation + shown(p.values[-1]), p.formula, p.order, p.function
    )  # fmt: skip


def shown(value: Any) -> str:
    """A number without brackets, or the first few of an array."""
    array = np.asarray(value, np.float64)
    if array.size == 1:
        return f"{array.item():.6g}"
    flat = ", ".join(f"{x:.6g}" for x in array.ravel()[:4])
    return f"[{flat}{', ...' if array.size > 4 else ''}]"


def registered(function: Callable[..., Any]) -> str:
    """``module.name`` of a function of the theory, as its register has it."""
    return f"{function.__module__.rpartition('.')[2]}.{function.__name__}"

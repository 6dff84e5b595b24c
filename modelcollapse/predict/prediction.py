"""A prediction is the mean of one observable over chains at the recorded generations, with its theorem."""

from __future__ import annotations

import dataclasses
import html
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, SupportsIndex, TypeAlias, cast, overload

import numpy as np
from numpy.typing import ArrayLike

from modelcollapse import arguments, exports, notebook
from modelcollapse.axes import Axes, entries
from modelcollapse.numeric import mean_and_error

if TYPE_CHECKING:
    import pandas

Function: TypeAlias = Callable[..., Any]
"""A function of the theory, or of the parameters of a family."""

RELATION = {"mean": "=", "lower bound": ">=", "upper bound": "<="}
"""How the mean of an observable relates to the values of each kind of prediction."""
HEADER = ("observable", "generation", "mean", "formula", "order", "theorem")
BESIDE = "Mean over chains, with two standard errors, and the closed form, dashed"
MOST_DRAWN = 64
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
        return f"<p>{html.escape(f'{self.observable}: {self._source}')}</p>{notebook.table(self._rows())}"

    @property
    def _source(self) -> str:
        return f"{self.formula} ({self.conditions}; {self.order}; {self.function})"

    def _rows(self) -> list[tuple[str, ...]]:
        """At most ``MOST`` generations, evenly spread, below a header."""
        at = np.unique(np.linspace(0, self.recorded.size - 1, min(MOST, self.recorded.size)).round().astype(int))
        return [("generation", self.kind), *((str(self.recorded[i]), shown(self.values[i])) for i in at)]


class Predictions(list[Prediction]):
    """A list of predictions that prints as a table; ``predictions["entropy"]`` is the one of an observable.

    Attributes
    ----------
    axes
        By observable: what its axes are called, and their entries, where that is known.
    trace
        What was observed of the run that the predictions stand beside; None without one.
    """

    axes: Axes = {}  # noqa: RUF012
    trace: Mapping[str, np.ndarray] | None = None

    def beside(self, axes: Axes, trace: Mapping[str, np.ndarray] | None) -> Predictions:
        """The same list beside a run with this ``trace``."""
        self.axes, self.trace = axes, trace
        return self

    def to_dataframe(self) -> pandas.DataFrame:
        """A row for each number that is predicted and each recorded generation. Needs ``modelcollapse[pandas]``.

        Columns: ``observable``, such as ``entropy``, ``mean[0]`` or ``probabilities[cat]``; ``generation``;
        ``predicted``; beside a run the mean over its chains, ``simulated``, and its ``standard_error``; and, of the
        prediction, ``kind``, ``formula``, ``conditions``, ``order`` and ``function``.
        """
        return exports.prediction_frame(self, self.axes, self.trace)

    @overload
    def __getitem__(self, index: str | SupportsIndex) -> Prediction: ...
    @overload
    def __getitem__(self, index: slice) -> Predictions: ...
    def __getitem__(self, index: str | SupportsIndex | slice) -> Prediction | Predictions:
        if isinstance(index, slice):
            return Predictions(super().__getitem__(index)).beside(self.axes, self.trace)
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
        if not self:
            return "<p>no closed form applies</p>"
        if self.trace is None:
            return notebook.table(self._rows())
        head, *rows = self._rows()
        beside = [_simulated(self.trace[p.observable]) for p in self]
        found = [(*head[:3], "simulated", *head[3:])]
        found += [(*row[:3], mean, *row[3:]) for row, mean in zip(rows, beside, strict=True)]
        return notebook.table(found) + notebook.figure([self._panel(p) for p in self[: notebook.PANELS]], BESIDE)

    def _panel(self, p: Prediction) -> notebook.Panel:
        at = notebook.evenly(p.recorded.size, MOST_DRAWN)
        number = int(np.prod(p.values.shape[1:]))
        labels = entries(p.observable, p.values.shape[1:], self.axes.get(p.observable, ()))[: notebook.LINES]
        mean, error = (x.reshape(at.size, number) for x in mean_and_error((self.trace or {})[p.observable][:, at]))
        values = p.values[at].reshape(at.size, number)
        lines = [
            notebook.Line(label, mean[:, i], *_band(mean[:, i], error[:, i]), predicted=values[:, i])
            for i, label in enumerate(labels)
        ]
        title = p.observable if number <= len(labels) else f"{p.observable}, first {len(labels)} of {number}"
        return notebook.Panel(p.observable, title, p.recorded[at], lines)

    def _rows(self) -> list[tuple[str, ...]]:
        return [HEADER, *(_cells(p) for p in self)]


def _simulated(values: np.ndarray) -> str:
    """The mean over chains at the last recorded generation, and, of one number, its standard error."""
    mean, error = mean_and_error(values[:, -1])
    return shown(mean) + (f" ± {error.item():.2g}" if mean.size == 1 and np.isfinite(error).all() else "")


def _band(mean: np.ndarray, error: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    return mean - 2 * error, mean + 2 * error


def _cells(p: Prediction) -> tuple[str, ...]:
    relation = "" if p.kind == "mean" else RELATION[p.kind] + " "
    return p.observable, str(p.recorded[-1]), relation + shown(p.values[-1]), p.formula, p.order, p.function


def as_text(rows: Sequence[tuple[str, ...]]) -> str:
    """Rows as lines with aligned columns."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join("  ".join(cell.ljust(w) for cell, w in zip(row, widths, strict=True)).rstrip() for row in rows)


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

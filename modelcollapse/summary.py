"""A run read by name: a mapping of traces that prints as a table of their statistics over chains."""

from __future__ import annotations

import dataclasses
import statistics
from collections.abc import ItemsView, Iterator, KeysView, ValuesView
from typing import TYPE_CHECKING, Any

import numpy as np

from modelcollapse import arguments, exports, notebook
from modelcollapse.axes import Axes, axes_of, entries
from modelcollapse.numeric import shown
from modelcollapse.observables.texts import Blocks
from modelcollapse.protocols import Detokenizes, HasTokenizer, marks

if TYPE_CHECKING:
    import pandas
    import xarray

    from modelcollapse.loop import State
    from modelcollapse.predict import Predictions

Cells = list[tuple[str, ...]]
SHOWN = 8
"""Entries of an array up to which a table has a line for each."""
GENERATIONS, CHAINS = 64, 2000
"""What the small figure of a notebook is drawn from, at most."""


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class Summary:
    """Statistics over chains at each recorded generation; printing shows the last.

    Attributes
    ----------
    level
        Of the interval of the mean, and of the central band.
    recorded
        The recorded generations.
    statistics
        By observable: ``mean``, its ``standard_error`` and interval ``low`` to ``high``, ``median``, and the central
        band ``lower`` to ``upper``, each ``(generation, ...)``.
    axes
        By observable: what its axes are called, and their entries.
    """

    level: float
    recorded: np.ndarray
    statistics: dict[str, dict[str, np.ndarray]]
    axes: Axes = dataclasses.field(default_factory=dict)

    def __getitem__(self, name: str) -> dict[str, np.ndarray]:
        return _known(self.statistics, name)

    def __repr__(self) -> str:
        return _text(self._cells())

    def _repr_html_(self) -> str:
        said = f"Median and central {100 * self.level:g}% of chains"
        return notebook.table(self._cells()) + notebook.figure(self.panels(), said)

    def panels(self) -> list[notebook.Panel]:
        """What a small figure shows of each observable: its median and band, of the first entries of an array."""
        at = notebook.evenly(self.recorded.size, GENERATIONS)
        return [self._panel(name, found, at) for name, found in self.statistics.items()]

    def _panel(self, name: str, found: dict[str, np.ndarray], at: np.ndarray) -> notebook.Panel:
        shape = found["median"].shape[1:]
        labels = entries(name, shape, self.axes.get(name, ()))[: notebook.LINES]
        number = int(np.prod(shape))
        middle, lower, upper = (found[key][at].reshape(at.size, number) for key in ("median", "lower", "upper"))
        lines = [notebook.Line(label, middle[:, i], lower[:, i], upper[:, i]) for i, label in enumerate(labels)]
        title = name if number <= len(labels) else f"{name}, first {len(labels)} of {number}"
        return notebook.Panel(name, title, self.recorded[at], lines)

    def to_dataframe(self) -> pandas.DataFrame:
        """A row for each number that is observed and each recorded generation. Needs ``modelcollapse[pandas]``.

        Columns: ``observable``, such as ``entropy``, ``mean[0]`` or ``probabilities[cat]``; ``generation``; ``mean``,
        ``standard_error``, ``low``, ``high``, ``median``, ``lower`` and ``upper``.
        """
        return exports.summary_frame(self.recorded, self.statistics, self.axes)

    def _cells(self) -> Cells:
        if not self.recorded.size:
            return [("no generation is recorded",)]
        band = f"{100 * self.level:g}% of chains"
        out: Cells = [(f"generation {self.recorded[-1]}", "mean", "std. error", "median", band)]
        for name, found in self.statistics.items():
            last = {key: np.asarray(values[-1]) for key, values in found.items()}
            mean = last["mean"]
            if mean.size > SHOWN:
                out.append((name, f"array of shape {mean.shape}"))
                continue
            labels = entries(name, mean.shape, self.axes.get(name, ()))
            for label, index in zip(labels, np.ndindex(mean.shape), strict=True):
                v = {key: float(values[index]) for key, values in last.items()}
                numbers = f"{v['mean']:.6g}", f"{v['standard_error']:.2g}", f"{v['median']:.6g}"
                out.append((label, *numbers, f"[{v['lower']:.6g}, {v['upper']:.6g}]"))
        return out


def summarised(trace: dict[str, np.ndarray], recorded: np.ndarray, level: float, axes: Axes) -> Summary:
    """The summary of traces ``(chain, generation, ...)``."""
    level = arguments.number("level", level, 0, 1, open_low=True, open_high=True)
    return Summary(level, recorded, {name: _statistics(values, level) for name, values in trace.items()}, axes)


class Traces:
    """Base of a run: reads it as a mapping from its observables to their traces, and prints it as a table."""

    family: Any
    source: Any
    regime: Any
    size: np.ndarray
    recorded: np.ndarray
    trace: dict[str, np.ndarray]
    state: State
    observables: dict[str, Any]
    provenance: dict[str, Any]

    if TYPE_CHECKING:

        def predict(self) -> Predictions: ...

    def __getitem__(self, name: str) -> np.ndarray:
        """The trace of one observable, ``(chain, generation, ...)``."""
        return _known(self.trace, name)

    def __contains__(self, name: object) -> bool:
        return name in self.trace

    def __iter__(self) -> Iterator[str]:
        return iter(self.trace)

    def __len__(self) -> int:
        return len(self.trace)

    def keys(self) -> KeysView[str]:
        """The names of the observables."""
        return self.trace.keys()

    def values(self) -> ValuesView[np.ndarray]:
        """The traces, each ``(chain, generation, ...)``."""
        return self.trace.values()

    def items(self) -> ItemsView[str, np.ndarray]:
        """Names and traces."""
        return self.trace.items()

    @property
    def chains(self) -> int:
        return int(np.shape(self.state.status)[0])

    @property
    def generations(self) -> int:
        """The last generation of the run."""
        return int(np.max(self.state.generation))

    def sizes(self, generations: int | None = None) -> np.ndarray:
        """Sample size of the data set of each generation 0, ..., ``generations``."""
        last = self.generations if generations is None else arguments.whole("generations", generations)
        if self.size.ndim and last >= self.size.size:
            raise ValueError(
                f"generations must be below {self.size.size}, where the schedule of sizes ends, got {last}"
            )
        return np.broadcast_to(self.size, (last + 1,)) if self.size.ndim == 0 else self.size[: last + 1]

    def axes(self) -> Axes:
        """What the axes of each observable are called, besides chains and generations, and their entries."""
        shapes = {name: values.shape[2:] for name, values in self.trace.items()}
        return axes_of(self.family, self.source, self.observables, shapes)

    def units(self, name: str) -> str:
        """The unit of an observable, "" where it has none."""
        return marks(_known(self.observables, name)).units

    def to_dataframe(self, name: str | None = None) -> pandas.DataFrame:
        """The trace as a tidy ``pandas.DataFrame``: one row for each chain and recorded generation.

        Needs ``modelcollapse[pandas]``. Its columns are ``chain``, ``generation`` and the observables; one that is an
        array has a column for each entry, ``mean[0]`` or ``probabilities[cat]``, by the names of states and columns
        where the source has them. With ``name`` the frame is about this observable alone and long: a row for each
        entry, with columns for its axes, such as ``state``, and for its value, called ``name``.

        Raises
        ------
        KeyError
            If ``name`` was not observed.
        ValueError
            If an observable has the name of another column.
        """
        if name is not None:
            _known(self.trace, name)
        return exports.frame(self, name)

    def to_dataset(self) -> xarray.Dataset:
        """The trace as an ``xarray.Dataset`` with dimensions, units, sample sizes, names of states and columns, and
        provenance. Needs ``modelcollapse[xarray]``.
        """
        return exports.dataset(self)

    def to_datatree(self) -> xarray.DataTree:
        """Groups ``simulation``, ``prediction`` and ``summary`` of an ``xarray.DataTree``: ``to_dataset``, the closed
        forms, each with its formula, and the statistics over chains. Needs ``modelcollapse[xarray]``.
        """
        return exports.tree(self, self.predict(), self.summary())

    def texts(self, generation: int, chain: int = 0, *, tokenizer: Detokenizes | None = None) -> list[str] | np.ndarray:
        """Blocks of the data set of a recorded generation, to read: as texts, or else as tokens ``(n, L)``.

        The blocks are those that ``mc.observables.blocks(n)`` kept. ``tokenizer``, with a method ``decode``, makes
        texts of them; the default is that of the source, if it has one. Those of several models follow each other.

        Raises
        ------
        ValueError
            If the run keeps no blocks, or the generation was not recorded, or there is no such chain.
        """
        name = next((name for name, kept in self.observables.items() if isinstance(kept, Blocks)), None)
        if name is None:
            raise ValueError(
                "texts needs blocks that the run kept: run it with observe={'blocks': mc.observables.blocks(n), ...}, "
                "which keeps the first n blocks of each recorded generation"
            )
        generation, chain = arguments.whole("generation", generation), arguments.whole("chain", chain)
        if generation not in self.recorded:
            raise ValueError(f"generation must be one that was recorded, {self.recorded.tolist()}, got {generation}")
        if chain >= self.chains:
            raise ValueError(f"chain must be below {self.chains}, the number of chains, got {chain}")
        found = self.trace[name][chain, list(self.recorded).index(generation)]
        found = found.reshape(-1, found.shape[-1])
        found = found[(found >= 0).all(1)]
        if tokenizer is None and isinstance(self.source, HasTokenizer):
            tokenizer = self.source.tokenizer
        if tokenizer is None:
            return found
        arguments.having("tokenizer", tokenizer, ("decode",))
        return [tokenizer.decode(block) for block in found]

    def summary(self, level: float = 0.95) -> Summary:
        """Mean, its standard error and interval, median and central band over chains, at each recorded generation.

        The interval of the mean is normal, and worthless where the mean rests on rare chains (the variance under the
        unbiased estimator, W2 at late generations); the median and the band do not have that weakness.
        """
        return summarised(self.trace, self.recorded, level, self.axes())

    def __repr__(self) -> str:
        return "\n".join(["Run", *(f"  {name:12s} {value}" for name, value in self._facts()), repr(self._last())])

    def _repr_html_(self) -> str:
        table = notebook.table([("Run", ""), *self._facts()]) + notebook.table(self._last()._cells())
        return table + self._figure()

    def _figure(self) -> str:
        """A small figure of a few generations and chains, as it is drawn whenever a run is looked at."""
        at, some = notebook.evenly(self.recorded.size, GENERATIONS), min(self.chains, CHAINS)
        trace = {name: values[:some, at] for name, values in list(self.trace.items())[: notebook.PANELS]}
        few = summarised(trace, self.recorded[at], 0.95, self.axes())
        first = "" if some == self.chains else f"the first {some} "
        return notebook.figure(few.panels(), f"Median and central 95% of {first}chains")

    def _last(self) -> Summary:
        """The summary of the last recorded generation alone."""
        last = {name: values[:, -1:] for name, values in self.trace.items()}
        return summarised(last, self.recorded[-1:], 0.95, self.axes())

    def _facts(self) -> Cells:
        """What was run, each part on one line."""
        parts = {"family": self.family, "source": self.source, "regime": self.regime}
        low, high = int(self.size.min()), int(self.size.max())
        failed = np.count_nonzero(self.state.status)
        return [
            *((name, _line(part)) for name, part in parts.items()),
            ("size", f"{low}" if low == high else f"{low} to {high}"),
            ("chains", f"{self.chains}" + (f", of which {failed} failed" if failed else "")),
            ("generations", f"0 to {self.generations}, {self.recorded.size} recorded"),
        ]


def _known(held: dict[str, Any], name: str) -> Any:
    if not isinstance(name, str) or name not in held:
        raise KeyError(f"{name!r} was not observed; the observables are {', '.join(held)}")
    return held[name]


def _line(part: Any) -> str:
    text = shown(part)
    return text if len(text) <= 100 else f"{text[:97]}..."


def _text(cells: Cells) -> str:
    widths = (">12", ">11", ">12", "")
    lines = []
    for name, *rest in cells:
        alone = len(rest) < len(widths)
        padded = rest if alone else [f"{cell:{width}s}" for cell, width in zip(rest, widths, strict=True)]
        lines.append(" ".join([f"{name:28s}", *padded[:3], *("  " + cell for cell in padded[3:])]))
    return "\n".join(lines)


def _statistics(values: np.ndarray, level: float) -> dict[str, np.ndarray]:
    values = values.astype(np.float64)
    chains = values.shape[0]
    tail = (1 - level) / 2
    with np.errstate(invalid="ignore"):
        mean = values.mean(0)
        spread = values.std(0, ddof=1) if chains > 1 else np.full(mean.shape, np.nan)
    error = spread / np.sqrt(chains)
    width = statistics.NormalDist().inv_cdf(1 - tail) * error
    # order statistics, not interpolation: times may be infinite
    lower, median, upper = np.quantile(values, [tail, 0.5, 1 - tail], axis=0, method="inverted_cdf")
    return {
        "mean": mean, "standard_error": error, "low": mean - width, "high": mean + width,
        "median": median, "lower": lower, "upper": upper,
    }  # fmt: skip

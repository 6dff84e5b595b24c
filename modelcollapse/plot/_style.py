"""Colours, line styles and rows of a record, as the figures of this package use them.

Colours are those of Okabe and Ito (2008), which colour-blind readers can tell apart; every line has a style of its own
besides, so that a figure survives a grey print.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, TypeAlias, cast, runtime_checkable

import numpy as np
from numpy.typing import ArrayLike

from modelcollapse import arguments
from modelcollapse.names import texts
from modelcollapse.numeric import real
from modelcollapse.observables import OBSERVABLES
from modelcollapse.predict import Prediction, of_run
from modelcollapse.protocols import marks
from modelcollapse.run import Run

if TYPE_CHECKING:
    from matplotlib.axes import Axes

BLUE, ORANGE, GREEN, VERMILION, PURPLE, SKY, YELLOW, BLACK = (
    "#0072B2", "#E69F00", "#009E73", "#D55E00", "#CC79A7", "#56B4E9", "#F0E442", "#000000",
)  # fmt: skip
STYLES = ("--", ":", "-.", (0, (1, 1)), (0, (5, 1, 1, 1, 1, 1)))
"""Line styles of the predictions, in order."""
LAYERS = (BLUE, VERMILION, GREEN, PURPLE, ORANGE, BLACK, SKY)
"""Colours of runs on the same Axes, in order."""
MARKERS = ("o", "s", "D", "^", "v", "h", "p")
MOST_NAMES = 30
"""States up to which each has its name on an axis."""
LAYER = "run: "
"""How the group id of the central curve of a run begins; what follows is the name of the run."""

Curve = ArrayLike | Callable[[np.ndarray], ArrayLike] | Prediction | Sequence[Prediction]
"""Values ``(G,)`` or ``(G, d)`` at the recorded generations, a function of generations ``(G,)``, or predictions."""
Curves: TypeAlias = "dict[str, tuple[np.ndarray | None, np.ndarray | Callable[[np.ndarray], ArrayLike]]]"


Given = Curve | Mapping[str, Curve]


@runtime_checkable
class Recorded(Protocol):
    """All that a figure needs of a run."""

    @property
    def recorded(self) -> np.ndarray: ...
    @property
    def trace(self) -> Mapping[str, np.ndarray]: ...


class Record(NamedTuple):
    recorded: np.ndarray
    trace: dict[str, np.ndarray]


def plain(name: str) -> str:
    """A name as a label that shows it as it is: two ``$`` in it begin no formula."""
    return name.replace("$", r"\$")


def axes(ax: Axes | None, name: str = "ax") -> Axes:
    from matplotlib.axes import Axes

    if ax is None:
        from matplotlib import pyplot

        _, ax = pyplot.subplots(layout="constrained")
    if not isinstance(ax, Axes):
        raise TypeError(f"{name} must be Axes of matplotlib, such as those of pyplot.subplots(), got {ax!r}")
    return ax


def check_run(run: object, name: str = "run") -> None:
    if not isinstance(run, Recorded) or not isinstance(run.trace, Mapping):
        raise TypeError(f"{name} must be a Run, as simulate returns it, got {run!r}")


def trace(run: Recorded, name: str, argument: str = "run") -> tuple[np.ndarray, np.ndarray]:
    check_run(run)
    if name not in run.trace:
        raise ValueError(f"{argument}: the run did not observe {name!r}; its observables are {', '.join(run.trace)}")
    return np.asarray(run.recorded), np.asarray(run.trace[name])


def values(
    run: Recorded, name: str, component: int | None, until: int | None, last_named: str = "until"
) -> tuple[np.ndarray, np.ndarray]:
    """Recorded generations ``(G,)`` and values ``(chain, G)`` of one number."""
    check_run(run)
    recorded, values = trace(run, arguments.text("name", name), "name")
    component = None if component is None else arguments.whole("component", component, -(2**31))
    last = np.inf if until is None else arguments.number(last_named, until)
    if values.ndim == 3 and (component is not None or values.shape[2] == 1):
        index = component or 0
        if not 0 <= index < values.shape[2]:
            raise ValueError(f"component must lie between 0 and {values.shape[2] - 1}, got {component}")
        values = values[:, :, index]
    elif component:
        raise ValueError(f"component must be 0 or None for {name!r}, which is one number, got {component}")
    if values.ndim != 2:
        raise ValueError(f"{name!r} has shape {values.shape[2:]} at each generation; choose one number with component=")
    keep = recorded <= last
    if not keep.any():
        raise ValueError(f"{last_named} must not lie before the first recorded generation {recorded[0]}, got {until}")
    return recorded[keep], values[:, keep].astype(np.float64)


def entries_of(run: Recorded, name: str) -> tuple[str, ...] | None:
    """What the entries of a vector are called, where the source has names for them."""
    known = _names(run, name)
    return None if known is None else tuple(texts(known))


def _names(run: Recorded, name: str) -> tuple | None:
    axes = run.axes().get(name, ()) if isinstance(run, Run) else ()
    return axes[0].names if len(axes) == 1 else None


def place(run: Recorded, name: str, component: int | str | None) -> int | None:
    """The number of a component that may be given by its name."""
    if not isinstance(component, str):
        return component
    names = _names(run, arguments.text("name", name)) or ()
    if component in names:
        return names.index(component)
    known = texts(names)
    if known.count(component) != 1:
        choice = f"one of {', '.join(known[:8])}{', ...' * (len(known) > 8)}" if known else "a number: it has no names"
        raise ValueError(f"component of {name!r} must be {choice}, got {component!r}")
    return known.index(component)


def scaling(scale: float | Callable[[np.ndarray], np.ndarray]) -> Callable[[np.ndarray], np.ndarray]:
    """A factor, or a function, as a function."""
    if callable(scale):
        return scale
    factor = arguments.number("scale", scale)
    if not factor:
        raise ValueError(f"scale must not be 0, got {scale!r}")
    return lambda x: np.asarray(x) * factor


def spread(x: np.ndarray, points: int, log: bool) -> np.ndarray:
    """At most ``points`` places of the increasing ``x``, evenly spread along the axis."""
    if x.size <= points:
        return np.arange(x.size)
    wanted = np.geomspace(x[0], x[-1], points) if log else np.linspace(x[0], x[-1], points)
    return np.unique(np.abs(x[:, None] - wanted).argmin(0))


def closed_forms(run: Recorded, name: str) -> list[Prediction]:
    """Every closed form of one observable of a run, at every generation."""
    if not isinstance(run, Run) or name not in run.observables:
        return []
    every = dataclasses.replace(run, recorded=np.arange(run.generations + 1), observables={name: run.observables[name]})
    return list(of_run(every))


def rows(recorded: np.ndarray, generations: Sequence[int] | None, most: int) -> np.ndarray:
    """Where in the record the ``generations`` are."""
    if generations is None:
        return np.unique(np.linspace(0, len(recorded) - 1, min(most, len(recorded))).round().astype(int))
    generations = arguments.whole_array("generations", generations, ndim=1).tolist()
    if not generations:
        raise ValueError("generations must be at least one, got none")
    missing = sorted(set(generations) - set(recorded.tolist()))
    if missing:
        raise ValueError(f"generations must have been recorded, got {missing[0]}, which was not")
    return np.searchsorted(recorded, np.sort(np.asarray(generations)))


def called(run: Recorded) -> str:
    """The regime of a run with its numbers: how a legend names the run."""
    if not isinstance(run, Run):
        return "run"
    regime = run.regime
    if not dataclasses.is_dataclass(regime):
        return type(regime).__name__
    values = [getattr(regime, field.name) for field in dataclasses.fields(regime)]
    numbers = [
        f"{float(v):g}" if np.ndim(v) == 0 else "..."
        for v in values
        if isinstance(v, (int, float, np.ndarray, np.generic))
    ]
    return type(regime).__name__ + (f"({', '.join(numbers)})" if numbers else "")


class Layer(NamedTuple):
    """One run on Axes that may hold others."""

    colour: str
    prefix: str  # of its labels; empty while the run is alone
    gid: str
    alone: bool


def layer(ax: Axes, run: Recorded, name: str | None, color: str | None) -> Layer:
    """Colour and name for one more run on ``ax``. The first gets its name in the legend when the second comes."""
    from matplotlib.colors import is_color_like

    if color is not None and not is_color_like(color):
        raise ValueError(f"color must be a colour of matplotlib, such as 'C0' or '#0072B2', got {color!r}")
    before = [line for line in ax.get_lines() if (line.get_gid() or "").startswith(LAYER)]
    taken = [str(line.get_gid())[len(LAYER) :] for line in before]
    own = called(run) if name is None else arguments.text("run_name", name)
    count = sum(other == own or other.startswith(f"{own} (") for other in taken)
    own = f"{own} ({count + 1})" if own in taken else own
    for line, other in zip(before, taken, strict=True):
        if not str(line.get_label()).startswith(plain(other)):
            line.set_label(f"{plain(other)}: {line.get_label()}")
    used = {line.get_color() for line in before}
    free = [one for one in LAYERS if one not in used] or [LAYERS[len(before) % len(LAYERS)]]
    return Layer(
        free[0] if color is None else color,
        f"{plain(own)}: " if before or name is not None else "",
        LAYER + own,
        not before,
    )


def curves(
    prediction: Given | None, name: str, component: int | None, recorded: np.ndarray, argument: str = "prediction"
) -> Curves:
    """Each prediction by label: its generations ``(G,)``, None for those shown; its values ``(G,)`` or a function."""
    if prediction is None:
        return {}
    if isinstance(prediction, Prediction) and prediction.observable != name:
        raise ValueError(f"the prediction is about {prediction.observable!r}, not about {name!r}")
    about = _predictions(prediction)
    if about is not None:
        about = [p for p in about if p.observable == name]
        labels = [relation(p) for p in about]
        return {
            f"{label}, {p.function}" if labels.count(label) > 1 else label: (
                np.asarray(p.recorded),
                _one(argument, label, p.values, component, np.asarray(p.recorded)),
            )
            for label, p in zip(labels, about, strict=True)
        }
    out: Curves = {}
    for label, curve in (prediction if isinstance(prediction, Mapping) else {"prediction": prediction}).items():
        if isinstance(curve, Prediction):
            out[label] = next(iter(curves(curve, name, component, recorded).values()))
        elif callable(curve):
            out[label] = (None, curve)
        else:
            out[label] = (recorded, _one(argument, label, curve, component, recorded))
    return out


def _predictions(prediction: Given) -> list[Prediction] | None:
    """One prediction or a list of them as a list; None for anything else."""
    listed = prediction if isinstance(prediction, list | tuple) else [prediction]
    found = [p for p in listed if isinstance(p, Prediction)]
    return found if len(found) == len(listed) else None


def relation(prediction: Prediction) -> str:
    """What a closed form gives: the mean, or a bound of it."""
    return "closed form" if prediction.kind == "mean" else str(prediction.kind)


def _one(
    argument: str, label: str, curve: ArrayLike | Sequence[Prediction], component: int | None, recorded: np.ndarray
) -> np.ndarray:
    try:  # a closed form may be infinite
        y = real(argument, cast(ArrayLike, curve), "an array of numbers")
    except (TypeError, ValueError):
        raise TypeError(
            f"{argument}: {label!r} must be numbers, a function of generations or what run.predict() returns, "
            f"got {curve!r}"
        ) from None
    if y.ndim == 2 and (y.shape[1] == 1 or component is not None):
        index = 0 if y.shape[1] == 1 else component or 0
        if not 0 <= index < y.shape[1]:
            raise ValueError(f"component must lie between 0 and {y.shape[1] - 1}, got {component}")
        y = y[:, index]
    if y.shape != recorded.shape:
        raise ValueError(
            f"{argument}: {label!r} needs one value for each of the {recorded.size} recorded generations, "
            f"got shape {y.shape}"
        )
    return y


def draw_predictions(
    ax: Axes,
    given: Curves,
    generations: np.ndarray,
    change: Callable[[np.ndarray], np.ndarray],
    own: Layer,
    *,
    offset: int = 0,
    styles: Sequence[Any] = STYLES,
) -> None:
    """Each prediction as a line of its own style: in the colour of its run, unless a run is alone on the Axes."""
    colours = (BLACK, VERMILION, GREEN, PURPLE, ORANGE)
    for i, (label, (x, curve)) in enumerate(given.items()):
        x = generations if x is None else x
        y = np.asarray(curve(x) if callable(curve) else curve, np.float64)
        keep = x <= generations[-1]
        colour = colours[i % len(colours)] if own.alone else own.colour
        style = styles[i % len(styles)]
        ax.plot(x[keep] + offset, change(y[keep]), color=colour, ls=style, lw=1.6, label=own.prefix + label)


def ridge(ax: Axes, edges: np.ndarray, height: np.ndarray, base: int, count: int, overlap: float = 1.5) -> None:
    """One row of a ridge plot; later rows lie in front, and are darker."""
    shade = 0.25 + 0.45 * -base / max(count - 1, 1)
    top = base + overlap * np.append(height, height[-1])
    # mixed with white rather than transparent, so that a row covers what lies behind it
    fill = 1 - shade * (1 - np.array([0.337, 0.706, 0.914]))
    ax.fill_between(edges, base, top, step="post", color=tuple(fill), lw=0, zorder=2 - base)
    ax.step(edges, top, where="post", color=BLUE, lw=0.9, zorder=2 - base)
    ax.axhline(base, color="0.7", lw=0.5, zorder=2 - base)


def ridge_axes(ax: Axes, generations: np.ndarray) -> None:
    ax.set_yticks(-np.arange(len(generations)), [str(g) for g in generations])
    ax.set_ylabel("generation")
    ax.tick_params(axis="y", length=0)
    for side in ("top", "left", "right"):
        ax.spines[side].set_visible(False)
    ax.margins(x=0)


def name_states(ax: Axes, states: Sequence[str]) -> None:
    """Names at the horizontal axis, upright if there are many, and only so many that they can be read."""
    step = -(-len(states) // MOST_NAMES)
    at = list(range(0, len(states), step))
    few = len(at) <= MOST_NAMES // 2
    turn = {"rotation": 45, "rotation_mode": "anchor", "ha": "right"} if few else {"rotation": 90, "fontsize": 8}
    names = [states[i] if len(states[i]) <= 20 else f"{states[i][:19]}…" for i in at]
    for tick in ax.set_xticks(at, names, **turn):
        tick.label1.set_parse_math(False)  # ticks are made once: their texts are the names themselves
    if step > 1:
        ax.set_xlabel(f"state (one name in {step} shown)")


def axis_label(run: Recorded, name: str, given: str | None, component: int | None = None) -> str:
    """What stands at an axis: as given, formulas included, or the names of an observable and of its component."""
    if given is not None:
        return arguments.text("label", given)
    return label(run, name) + component_label(run, name, component)


def component_label(run: Recorded, name: str, component: int | None) -> str:
    """A component in brackets, by its name if it has one; nothing for an observable of one number."""
    if component is None or np.ndim(run.trace[name]) != 3 or np.shape(run.trace[name])[2] == 1:
        return ""
    known = entries_of(run, name)
    return plain(f" [{component if known is None else known[component]}]")


def label(run: Recorded, name: str) -> str:
    # anything with a trace may be drawn; without observables, names are those of this package
    units = marks((run.observables if isinstance(run, Run) else OBSERVABLES).get(name)).units
    words = name.replace("_", " ").replace("w2", "W2").replace("l2", "L2")
    return plain(words if units in ("1", "") else f"{words} ({units})")

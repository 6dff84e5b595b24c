"""A setting of the explorer: checked where it enters, hashable, and the parts of ``mc.simulate`` that it stands for."""

from __future__ import annotations

import dataclasses
from collections.abc import Hashable, Iterable, Mapping
from typing import Any

import numpy as np

from modelcollapse import arguments, families, observables, sources
from modelcollapse.explore import choices
from modelcollapse.explore.counts import MOST
from modelcollapse.laws import Law
from modelcollapse.protocols import Family, Regime

TAIL = 0.1
"""What the rarest states hold together, at most; where one alone holds more, there are none."""

Body = Mapping[str, Any]


def fields(body: Body, *names: str) -> list[Any]:
    """The values of exactly these names. ValueError for one that is missing or unknown."""
    for name in names:
        if name not in body:
            raise ValueError(f"{name} is missing; the request must have {', '.join(names)}")
    for name in body:
        if name not in names:
            raise ValueError(f"{name} is unknown; the request must have {', '.join(names) or 'nothing'}")
    return [body[name] for name in names]


def unread(share: object) -> float:
    """The share of a regime that has none: nothing, or a number that is not read. TypeError, ValueError for another."""
    if share is not None:
        arguments.number("share", share, 0.0, 1.0)  # type: ignore[arg-type]
    return 0.0


@dataclasses.dataclass(frozen=True)
class Weights:
    """A law by the names of its states and their weights, checked."""

    states: tuple[str, ...]
    weights: tuple[float, ...]

    @staticmethod
    def checked(states: Iterable[str], weights: Iterable[float]) -> Weights:
        """States and weights of a request, those without weight left out; a ValueError says what is wrong."""
        names, given = arguments.texts("states", states), list(weights)
        found = arguments.array("weights", given, ndim=1, low=0.0)
        if len(names) != found.size:
            raise ValueError(f"weights must be as many as states, {len(names)}, got {found.size}")
        if not 2 <= len(names) <= choices.STATES:
            raise ValueError(f"states must be 2 to {choices.STATES}, got {len(names)}")
        vast = next((weight for weight in given if isinstance(weight, int) and weight > MOST), None)
        if vast is not None:
            raise ValueError(f"weights must be below 2**53, to stay exact, got {vast}")
        twice = next((name for i, name in enumerate(names) if name in names[:i]), None)
        if twice is not None:
            raise ValueError(f"states must have different names, got {twice!r} twice")
        if not found.sum() > 0:
            raise ValueError("weights must not all be 0")
        law = [(name, int(w) if w == int(w) else w) for name, w in zip(names, found.tolist(), strict=True) if w > 0]
        if len(law) < 2:
            raise ValueError(f"weights must be above 0 for at least 2 states, got {law[0][0]!r} alone")
        return Weights(tuple(name for name, _ in law), tuple(weight for _, weight in law))

    @staticmethod
    def of(source: object) -> Weights:
        """``{preset}`` or ``{states, weights}``."""
        if not isinstance(source, Mapping):
            raise TypeError(f"source must be an object with preset, or with states and weights, got {source!r}")
        if "preset" in source:
            (name,) = fields(source, "preset")
            preset = choices.presets()[arguments.choice("preset", name, choices.presets())]
            return Weights(preset.states, preset.weights)
        states, weights = fields(source, "states", "weights")
        return Weights.checked(arguments.listed("states", states), arguments.listed("weights", weights))

    @property
    def whole(self) -> bool:
        return all(isinstance(weight, int) for weight in self.weights)

    @property
    def law(self) -> np.ndarray:
        """Probabilities ``(K,)``."""
        found = np.asarray(self.weights, np.float64)
        return found / found.sum()

    @property
    def rarest(self) -> tuple[int, ...]:
        """The rarest states that hold ``TAIL`` together at most: none where each holds more."""
        law = self.law
        order = np.argsort(law, kind="stable")
        held = int((np.cumsum(law[order]) <= TAIL * (1 + 1e-12)).sum())
        return tuple(sorted(order[:held].tolist()))

    def source(self) -> Law:
        """The law that they are, with names."""
        named: dict[Hashable, float] = dict(zip(self.states, self.weights, strict=True))
        return sources.counts(named) if self.whole else sources.categorical(named, normalise=True)


@dataclasses.dataclass(frozen=True)
class Setting:
    """What a person has set."""

    weights: Weights
    regime: str
    share: float
    temperature: float
    size: int
    generations: int
    seed: int

    @staticmethod
    def checked(body: Body) -> Setting:
        """ValueError or TypeError for what makes no sense, with its name."""
        source, regime, share, temperature, size, generations, seed = fields(
            body, "source", "regime", "share", "temperature", "size", "generations", "seed"
        )
        choice = choices.REGIMES[arguments.choice("regime", regime, choices.REGIMES)]
        ends = choices.GENERATIONS
        return Setting(
            Weights.of(source),
            choice.name,
            arguments.number("share", share, 0.0, 1.0) if choice.shared else unread(share),
            arguments.number("temperature", temperature, 0.1, 10.0),
            arguments.choice("size", arguments.whole("size", size), choices.SIZES),
            arguments.whole("generations", generations, ends["low"], ends["high"]),
            arguments.whole("seed", seed, 0, choices.SEEDS["high"]),
        )

    @property
    def watched(self) -> list[str]:
        """The observables of the page: without the rare states where there are none."""
        return [name for name in choices.OBSERVABLES if name != "tail" or self.weights.rarest]

    @property
    def choice(self) -> choices.Choice:
        """The regime as the page knows it."""
        return choices.REGIMES[self.regime]

    def family(self) -> Family:
        """Frequencies, sampled at the temperature."""
        model = families.Discrete()
        return model if self.temperature == 1 else families.Tempered(model, self.temperature)

    def parts(self) -> tuple[Family, Law, Regime, dict[str, Any]]:
        """Family, source, regime and observables of ``mc.simulate``."""
        watched: dict[str, Any] = {name: name for name in (*self.watched, "probabilities")}
        if "tail" in watched:
            watched["tail"] = observables.tail_mass(self.weights.rarest)
        return self.family(), self.weights.source(), self.choice.make(self.share), watched

    def call(self) -> str:
        """Python source that makes the same numbers."""
        kind = (
            "mc.Discrete()" if self.temperature == 1 else f"mc.families.Tempered(mc.Discrete(), {self.temperature!r})"
        )
        named = dict(zip(self.weights.states, self.weights.weights, strict=True))
        law = f"mc.counts({named!r})" if self.weights.whole else f"mc.categorical({named!r}, normalise=True)"
        tail = f"mc.tail_mass({list(self.weights.rarest)!r})"
        made = {name: f'"{name}"' for name in self.watched} | ({"tail": tail} if self.weights.rarest else {})
        observe = ", ".join(f'"{name}": {source}' for name, source in made.items())
        return "\n".join(
            [
                "import modelcollapse as mc",
                "",
                "run = mc.simulate(",
                f"    {kind},",
                f"    {law},",
                f"    {self.choice.code(self.share)},",
                f"    {{{observe}}},",
                f"    size={self.size}, generations={self.generations}, chains={choices.CHAINS}, seed={self.seed},",
                ")",
                f"print(run.summary({choices.BAND}))",
                "print(run.predict())",
            ]
        )

"""Models on the host as files: each is written by its own ``save``, and read by the ``load`` of a new model."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import numpy as np

from modelcollapse import files, serial
from modelcollapse.host.foreign import Model
from modelcollapse.protocols import Carry, Memory, Saves
from modelcollapse.pytree import part

STATE = "chain.npz"


@part
class Held:
    """A fit that an observable holds on to: its place among those of the chain, and what it was fitted to."""

    place: int
    points: np.ndarray


@part
class Standing:
    """One chain between generations, and its trace so far."""

    generation: int
    memory: Memory  # the regime's own; its laws have weights for the fits of ``generations``
    carries: dict[str, Carry]
    models: dict[str, Any]  # older fits that the memory needs, by their places in the weights
    records: list[dict[str, np.ndarray]]
    generations: int
    values: list[Any] | None  # of the coded columns of a data frame


class Checkpoint:
    """A folder with one for each chain: the models that the chain needs, and ``chain.npz``, which is written last."""

    def __init__(
        self, path: str | os.PathLike, history: dict[str, Any], sizes: np.ndarray, recorded: np.ndarray
    ) -> None:
        self.path, self.sizes, self.recorded = Path(path), sizes, recorded
        # functions that make models have no content that could be compared
        parts = {name: held["sha256"] for name, held in history["parts"].items() if name != "family"}
        self.run = {"seed": history["key"], **parts}
        self.path.mkdir(parents=True, exist_ok=True)

    def _until(self, generation: int) -> dict[str, Any]:
        """What decides the numbers of the run until ``generation``."""
        recorded = self.recorded[self.recorded <= generation]
        return {**self.run, "size": self.sizes[: generation + 1].tolist(), "record": recorded.tolist()}

    def write(self, chain: int, standing: Standing, models: dict[int, Model]) -> None:
        """Replace what is there of ``chain``; a process that is killed on the way leaves the last generation whole."""
        for place, model in models.items():
            # a fit is written once, and the newest replaces what a killed process may have left in its place
            if place == standing.generation + 1:
                folder = self._folder(chain) / str(place)
                shutil.rmtree(folder, ignore_errors=True)
                folder.mkdir(parents=True)
                check_saves(model).save(folder / serial.MODEL)
        arrays: dict[str, np.ndarray] = {}
        spec = serial.encode(standing, arrays)
        files.write(
            self._folder(chain) / STATE,
            {"run": self._until(standing.generation), "places": sorted(models), "chain": spec},
            arrays,
        )
        for folder in self._folder(chain).iterdir():
            if folder.name.isdecimal() and int(folder.name) not in models:
                shutil.rmtree(folder)

    def read(self, chain: int, new: Callable[[], Model]) -> tuple[Standing, dict[int, Model]] | None:
        """Where ``chain`` stood and its models, made by ``new`` and loaded; None if it was not begun."""
        if not (self._folder(chain) / STATE).exists():
            return None
        spec, arrays = files.read(self._folder(chain) / STATE)
        with jax.enable_x64(True):
            standing = serial.decode(spec["chain"], arrays)
        if standing.generation >= len(self.sizes):
            raise ValueError(
                f"{self.path} holds a run that has reached generation {standing.generation}: ask for no fewer "
                "generations"
            )
        other = [name for name, now in self._until(standing.generation).items() if spec["run"][name] != now]
        if other:
            raise ValueError(
                f"{self.path} holds the checkpoint of a run with another {', '.join(other)}: give another folder"
            )
        models = {place: load(new(), self._folder(chain) / str(place) / serial.MODEL) for place in spec["places"]}
        return standing, models

    def _folder(self, chain: int) -> Path:
        return self.path / f"chain-{chain}"


def load(model: Model, path: Path) -> Model:
    """What the ``load`` of a new ``model`` reads: the model itself, or what it returns."""
    found = check_saves(model).load(path)
    return model if found is None else found


def restored(model: Model | serial.SavedModel, new: Callable[[], Model]) -> Model:
    """A model of a run: itself, or what a new one loads from the files that a saved run holds."""
    return model.into(lambda path: load(new(), path)) if isinstance(model, serial.SavedModel) else model


def check_saves(model: Model) -> Saves:
    """A model that files can hold; TypeError for another."""
    if not isinstance(model, Saves):
        raise TypeError(
            f"a {type(model).__name__} cannot be kept in a file: give its class methods save(path) and load(path), "
            "in a subclass if it is not yours"
        )
    return model

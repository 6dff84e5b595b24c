"""A run that can be killed: every batch is written at stops, and the same call goes on from there."""

from __future__ import annotations

import dataclasses
import json
import logging
import os
import time
from pathlib import Path
from typing import Any

import jax
import numpy as np
from jax.sharding import Mesh

from modelcollapse import arguments, files, serial
from modelcollapse.engine import devices
from modelcollapse.engine.batch import Batch
from modelcollapse.engine.plan import Plan

LOG = logging.getLogger("modelcollapse")
FORMAT = 2
SECONDS = 30.0
"""Least time between two times that a batch is written within a stage."""


class Checkpoint:
    """A folder with one file for each batch of the stage that the run has reached, and an index of them."""

    def __init__(self, path: str | os.PathLike[str], identity: dict[str, Any]) -> None:
        self.folder = Path(path)
        self.identity = json.loads(json.dumps({"format": FORMAT, **identity}))
        self._written: dict[int, float] = {}
        if self.folder.exists() and not self.folder.is_dir():
            raise ValueError(f"checkpoint must be a folder, or a path where one can be made; {path} is a file")
        self.folder.mkdir(parents=True, exist_ok=True)

    def load(self, plan: Plan, key: jax.Array, mesh: Mesh | None) -> tuple[int, list[Batch], list[int]] | None:
        """The stage that the run has reached, its batches, and how many legs each has done; None for a new run.

        Raises
        ------
        ValueError
            If the folder holds another run.
        """
        index = self.folder / "index.npz"
        if not index.exists():
            return None
        found, _ = files.read(index)
        if found["identity"] != self.identity:
            theirs = found["identity"]
            differ = [name for name in self.identity if theirs.get(name) != self.identity[name]]
            raise ValueError(
                f"checkpoint {self.folder} holds a run that differs in {', '.join(differ)}: "
                "repeat the call that wrote it, or give another folder"
            )
        stage = int(found["stage"])
        LOG.info("checkpoint %s: going on with stage %d", self.folder, stage)
        read = [self._read(stage, number, plan, key, mesh) for number in range(int(found["batches"]))]
        return stage, [batch for batch, _ in read], [legs for _, legs in read]

    def save_stage(self, stage: int, batches: list[Batch]) -> None:
        """Write all batches at the beginning of a stage; only then does the index name it."""
        for number, batch in enumerate(batches):
            self._write(stage, number, batch, 0)
        content = {"identity": self.identity, "stage": stage, "batches": len(batches)}
        files.write(self.folder / "index.npz", content, {})
        for old in self.folder.glob("stage-*.npz"):
            if not old.name.startswith(f"stage-{stage}-"):
                old.unlink()

    def save(self, stage: int, number: int, batch: Batch, legs: int, *, last: bool) -> None:
        """Write a batch after its first ``legs`` legs of a stage, at most every ``SECONDS``, and after the last."""
        now = time.monotonic()
        if last or now - self._written.get(number, -np.inf) >= SECONDS:
            self._write(stage, number, batch, legs)
            self._written[number] = now

    def _file(self, stage: int, number: int) -> Path:
        return self.folder / f"stage-{stage}-batch-{number}.npz"

    def _write(self, stage: int, number: int, batch: Batch, legs: int) -> None:
        held = {field.name: getattr(batch, field.name) for field in dataclasses.fields(batch)}
        held = {name: value for name, value in held.items() if name not in ("key", "mesh", "process")}
        arrays: dict[str, np.ndarray] = {}
        spec = serial.encode({**held, "state": devices.collect(batch.state, batch.mesh), "legs": legs}, arrays)
        files.write(self._file(stage, number), spec, arrays)
        LOG.debug("checkpoint %s has batch %d at generation %d", self.folder, number, batch.generation)

    def _read(self, stage: int, number: int, plan: Plan, key: jax.Array, mesh: Mesh | None) -> tuple[Batch, int]:
        # arrays keep the precision that they were written in
        with jax.enable_x64(True):
            held = serial.decode(*files.read(self._file(stage, number)))
        legs = held.pop("legs")
        process = plan.stages[stage].process
        state = jax.tree.map(lambda leaf: devices.place(leaf, mesh), held.pop("state"))
        return Batch(key=key, mesh=mesh, process=process, state=state, **held), legs


def folder(path: Any, seed: Any, mesh: Mesh | None) -> Path | None:
    """The folder of a checkpoint, if there is to be one, for a run that can have one."""
    if path is None:
        return None
    if seed is None:
        raise ValueError("seed must be given with checkpoint: a new seed, None, would be another run at the next call")
    if mesh is not None and mesh.is_multi_process:
        raise ValueError("checkpoint must be None for a mesh of several processes, which would write the same files")
    return Path(arguments.path("checkpoint", path))


def identity(history: dict[str, Any], plan: Plan, *parts: Any) -> dict[str, Any]:
    """What must be the same in two calls of ``simulate`` for one to go on with the other's checkpoint."""
    hashes = {name: content["sha256"] for name, content in history["parts"].items()}
    span = {"chains": plan.chains, "generations": plan.last, "record": plan.recorded.tolist(), "batch_size": plan.batch}
    same = {name: history[name] for name in ("key", "dtype", "generator")}
    sizes, code = np.asarray(plan.opening.sizes).tolist(), serial.code_hashes(parts)
    return {**hashes, "size": sizes, **span, **same, "code of functions": code}

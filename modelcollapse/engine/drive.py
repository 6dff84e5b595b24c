"""A plan is carried out: batches go from stage to stage, and what they show comes back whole."""

from __future__ import annotations

import contextlib
import dataclasses
import itertools
import logging
import time
from collections.abc import Iterator
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh
from tqdm.auto import tqdm

from modelcollapse.engine import batch as batches
from modelcollapse.engine import compiling
from modelcollapse.engine import plan as plans
from modelcollapse.engine.batch import Batch
from modelcollapse.engine.checkpoint import Checkpoint
from modelcollapse.engine.forms import cut
from modelcollapse.engine.plan import How, Leg, Plan, Stage
from modelcollapse.engine.workers import Workers
from modelcollapse.loop import State

LOG = logging.getLogger("modelcollapse")


@dataclasses.dataclass(frozen=True)
class Outcome:
    """What came of a plan: trace ``(chain, record, ...)``, final states, and the recorded generations."""

    trace: dict[str, np.ndarray]
    state: Any
    recorded: np.ndarray
    interrupted: bool = False


def drive(
    plan: Plan,
    key: jax.Array,
    how: How,
    states: State | None = None,
    *,
    checkpoint: Checkpoint | None = None,
) -> Outcome:
    """Carry out ``plan``; ``states`` are those of the chains that it goes on with, None for new ones.

    After Ctrl-C the outcome is that of the chains that were begun, at the last stop that all of them reached.
    """
    work, threads = _Work(plan, key, states, how.mesh, checkpoint), min(how.threads, plan.abreast)
    chain_generations = plan.chains * sum(stage.generations for stage in plan.stages)
    bar = tqdm(total=chain_generations, disable=not how.progress, unit="chain-gen", unit_scale=True, smoothing=0)
    with bar, Workers(threads) as workers, _logged(plan, threads, how.mesh):
        try:
            work.begin()
            for number, stage in enumerate(plan.stages):
                work.run(number, stage, bar, workers)
        except KeyboardInterrupt:
            running = work.stopped()
            if not running:
                raise
            return _outcome(running, plan, interrupted=True)
    return _outcome(work.running, plan)


@contextlib.contextmanager
def _logged(plan: Plan, threads: int, mesh: Mesh | None) -> Iterator[None]:
    """Say what a run is about to do, and how long that took; only an application that listens pays for it."""
    if not LOG.isEnabledFor(logging.INFO):
        yield
        return
    places = jax.local_devices()[:1] if mesh is None else list(mesh.devices.flat)
    LOG.info(
        "%d chains from generation %d to %d, in batches of %d; threads: at most %d; devices: %s",
        plan.chains, max(plan.now, 0), plan.last, plan.batch, threads, ", ".join(map(str, places)),
    )  # fmt: skip
    (programs, seconds), begun = compiling.compiled(), time.perf_counter()
    yield
    made, spent = compiling.compiled()
    LOG.info(
        "%d chains reached generation %d in %.2f s, of which %.2f s for %d programs, compiled or read from the cache",
        plan.chains, plan.last, time.perf_counter() - begun, spent - seconds, made - programs,
    )  # fmt: skip


class _Work:
    """The batches of a run while it is carried out."""

    def __init__(
        self,
        plan: Plan,
        key: jax.Array,
        states: State | None,
        mesh: Mesh | None,
        checkpoint: Checkpoint | None,
    ) -> None:
        self.plan, self.key, self.states, self.mesh, self.checkpoint = plan, key, states, mesh, checkpoint
        self.running: list[Batch] = []
        self.stop: list[Batch] = []  # as they were at the last stop that all have reached
        self.stage, self.legs = -1, [0]  # where a checkpoint was left

    def begin(self) -> None:
        plan = self.plan
        left = self.checkpoint.load(plan, self.key, self.mesh) if self.checkpoint else None
        if left is not None:
            self.stage, self.running, self.legs = left
            self._stand()
            return
        for offset in range(0, plan.chains, plan.batch):
            first, chains = plan.first + offset, min(plan.batch, plan.chains - offset)
            common = (self.key, self.mesh, first, chains, plan.opening, plan.batch, plan.recorded)
            if self.states is None:
                self.running.append(batches.started(*common))
                self._stand()  # these are begun, whatever becomes of the others
            else:
                self.running.append(batches.resumed(*common, self.states, plan.first))

    def run(self, number: int, stage: Stage, bar: tqdm, workers: Workers) -> None:
        if number < self.stage:
            bar.update(self.plan.chains * stage.generations)
            return
        if number > self.stage:
            self._enter(stage)
            self.legs = [0] * len(self.running)
            if self.checkpoint:
                self.checkpoint.save_stage(number, self.running)
        together = workers.pool is not None and self._together(stage)
        for done, leg in enumerate(stage.legs):
            if done:  # before the first leg the form may just have changed
                if self.plan.merges and not self.checkpoint:
                    self.running = batches.regrouped(self.running)
                    self.legs = [0] * len(self.running)
                self._stand()

            def advance(i: int, done: int = done, leg: Leg = leg) -> int:
                batch = self.running[i]
                if done >= self.legs[i]:
                    batch.advance(stage, leg, self.plan.quick)
                    if self.checkpoint:
                        self.checkpoint.save(number, i, batch, done + 1, last=leg is stage.legs[-1])
                return batch.chains * leg.generations

            for i, generations in enumerate(workers.map(advance, range(len(self.running)), together)):
                bar.update(generations)
                one = self.running[i]
                last = one.first + one.chains - 1
                LOG.debug("chains %d to %d reached generation %d", one.first, last, one.generation)
        self._stand()

    def _together(self, stage: Stage) -> bool:
        """Whether batches may run at once: on a CPU, where that repays the threads, and none waits for another."""
        several = len(self.running) > 1 and self.mesh is None and jax.default_backend() == "cpu"
        return several and self.plan.work >= plans.SHARED and not self.running[0].takes_turns(stage, self.plan.quick)

    def _stand(self) -> None:
        """Note where all batches stand."""
        self.stop = [batch.snapshot() for batch in self.running]

    def stopped(self) -> list[Batch]:
        """All batches as they were at the last stop that all have reached."""
        # after a checkpoint some may be a leg ahead, and chains are numbered without gaps
        reached = itertools.takewhile(lambda batch: batch.generation == self.stop[0].generation, self.stop)
        return [batch for batch in reached if batch.trace and batch.generation >= 0]

    def _enter(self, stage: Stage) -> None:
        for batch in self.running:
            batch.change_form(stage.process)
        if not self.running[0].trace:
            self.running = [batches.with_trace(b, stage.process, self.plan.recorded.size) for b in self.running]
        if self.plan.merges and len(self.running) > 1:
            state = self.running[0].state
            cost = plans.costs(stage.process, plans.single(state))
            self.running = batches.merged(self.running, plans.most(cost, self.plan.recorded.size))


def _outcome(running: list[Batch], plan: Plan, *, interrupted: bool = False) -> Outcome:
    generation = running[0].generation if interrupted else plan.last
    recorded = plan.recorded[plan.recorded <= generation] if interrupted else plan.recorded
    finished = [batch.finish(generation) for batch in running]
    trace = {name: np.concatenate([t[name][:, : recorded.size] for t, _ in finished]) for name in finished[0][0]}
    state = cut(batches.stacked_chains([state for _, state in finished]), plan.whole)
    state = jax.tree.map(_own, state)
    return Outcome(masked(trace, state.status, recorded, np), state, recorded, interrupted)


def _own(leaf: np.ndarray) -> np.ndarray:
    """A view of a device's memory cannot be written to."""
    return leaf if leaf.flags.writeable else leaf.copy()


def masked(trace: dict[str, Any], status: Any, recorded: Any, xp: Any) -> dict[str, Any]:
    """A chain that failed at generation g has no value from g on: NaN, where the observable is a real number."""
    gone = (status > 0)[:, None] & (recorded[None, :] >= status[:, None] - 1)

    def nan_after(values: Any) -> Any:
        if not jnp.issubdtype(values.dtype, jnp.floating):
            return values
        return xp.where(gone.reshape(gone.shape + (1,) * (values.ndim - 2)), xp.asarray(xp.nan, values.dtype), values)

    return trace if xp is np and not gone.any() else jax.tree.map(nan_after, trace)

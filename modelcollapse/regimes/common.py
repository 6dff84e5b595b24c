"""What regimes are made of: schedules, counts, and what a run asks of them beside their data sets."""

from __future__ import annotations

import dataclasses
from typing import Any, TypeVar

import jax
import jax.numpy as jnp
import numpy as np

from modelcollapse import arguments
from modelcollapse.addresses import MODEL, REAL, fold
from modelcollapse.laws import Law, Stream
from modelcollapse.portions import Portion, portion, traced_portion
from modelcollapse.protocols import (
    CanWeigh,
    ChecksSizes,
    Count,
    Family,
    Memory,
    Needs,
    Number,
    Params,
    Plans,
    Prepares,
    Regime,
    Resumes,
    SelfContained,
    Source,
    WeighsApart,
    vouched,
)

T = TypeVar("T")


def at(value: Number, generation: int | jax.Array) -> Any:
    """A number as it is; of a schedule, the entry of ``generation``."""
    return value if jnp.ndim(value) == 0 else value[generation]  # type: ignore[index]


def at_first(generation: int | jax.Array, first: T, later: T) -> T:
    """``first`` at generation 0, and ``later`` from then on; trees of arrays of one shape, or anything on the host."""
    if not isinstance(generation, jax.Array):
        return first if generation == 0 else later
    return jax.tree.map(lambda one, other: jnp.where(generation == 0, one, other), first, later)


def role(generation: int | jax.Array) -> int | jax.Array:
    """The role of the newest model's draw; at generation 0, where the model is what is real, that of a real draw."""
    return at_first(generation, REAL, MODEL)


def drawn(key: jax.Array, model: Stream, real: Stream, n: Count, m: Count) -> tuple[Any, Any]:
    """``n`` draws of the newest model and ``m`` real ones, as two data sets.

    Where both laws are of one kind, the two are turns of one loop, so that their kernel is compiled once.
    """
    if not model.alike:
        return model.draw(fold(key, MODEL), n), real.draw(fold(key, REAL), m)

    def one(_: None, turn: tuple[jax.Array, Params, jax.Array]) -> tuple[None, Any]:
        role, params, count = turn
        stream = dataclasses.replace(model, law=Law(model.family, params))
        return None, stream.draw(fold(key, role), count)

    def pair(first: Count, second: Count) -> jax.Array:
        return jnp.stack([jnp.asarray(first), jnp.asarray(second)])

    turns = pair(MODEL, REAL), jax.tree.map(pair, model.law.params, real.law.params), pair(n, m).astype(jnp.int32)
    _, sets = jax.lax.scan(one, None, turns)
    return jax.tree.map(lambda leaf: leaf[0], sets), jax.tree.map(lambda leaf: leaf[1], sets)


def counted(share: Number | Portion, size: jax.Array, generation: int | jax.Array) -> jax.Array:
    """How many of ``size`` items a share is in ``generation``: as found before the run, or else rounded here."""
    if isinstance(share, Portion):
        return at(share.counts, generation)
    return traced_portion(at(share, generation), size)


def counts_of(share: Number | Portion, sizes: np.ndarray) -> Portion:
    """The counts that a known share comes to, one number where all that are read are equal."""
    counts = portion(share, sizes).astype(np.int32)
    read = counts[1:] if len(counts) > 1 else counts
    return Portion(read[0] if (read == read[0]).all() else counts)


def alone(data: T) -> T:
    """A data set in the form that weighted pools of its kind have, with nothing else in it."""
    return data.alone() if isinstance(data, WeighsApart) else data


def weighable(data: T, family: Family, regime: str, instead: str) -> T:
    """``data`` in the form of a weighted pool; TypeError if its kind cannot be weighted."""
    if not isinstance(data, CanWeigh):
        raise TypeError(
            f"{regime} needs a family whose data sets can be weighted, such as Discrete, Gaussian or Regression; got "
            f"{type(family).__name__}, whose {type(data).__name__} have no method `mixed`: {instead}"
        )
    return alone(data)


def shares(name: str, value: Any) -> Any:
    """Shares, or a portion as it is."""
    return value if isinstance(value, Portion) else arguments.shares(name, value)


def share(name: str, value: Any) -> Any:
    """One share, or a portion as it is."""
    return value if isinstance(value, Portion) else arguments.share(name, value)


def check(regime: Regime, sizes: np.ndarray) -> None:
    """Let a regime refuse sample sizes ``(generations + 1,)``."""
    if isinstance(regime, ChecksSizes):
        regime.check(sizes)


def plan(regime: Regime, sizes: np.ndarray) -> Needs:
    """What a regime needs of a run; one that does not say draws, holds and fits one data set at a time."""
    if not isinstance(regime, Plans):
        return Needs(sizes, int(sizes.max()), sizes)
    needs = regime.plan(sizes)
    return needs if vouched(regime, "plan", "start", "next") else dataclasses.replace(needs, least=0)


def contained(regime: Regime) -> bool:
    """Whether a regime shows a chain nothing but the newest model's output."""
    return isinstance(regime, SelfContained) and regime.self_contained and vouched(regime, "self_contained", "next")


def parted(share: Number | Portion, sizes: np.ndarray) -> Needs:
    """The needs of a regime that draws a share of each data set, and the rest, from different laws."""
    if arguments.traced(share):
        return Needs(sizes, int(sizes.max()), sizes)
    part = np.broadcast_to(share.counts if isinstance(share, Portion) else portion(share, sizes), sizes.shape)
    drawn = np.concatenate([sizes[:1], part, sizes - part])
    return Needs(sizes, int(sizes.max()), sizes, int(drawn[drawn > 0].min()))


def prepared(regime: Regime, family: Family, source: Source, sizes: np.ndarray) -> Any:
    """The regime as a run carries it, with its counts and the room that it needs; a traced one as it is."""
    if arguments.traced(regime) or not isinstance(regime, Prepares):
        return regime
    return regime.prepared(family, source, sizes)


def continued(regime: Regime, memory: Memory) -> Memory:
    """The memory of a run that ended, as the same regime needs it for a longer one."""
    return regime.continued(memory) if isinstance(regime, Resumes) else memory

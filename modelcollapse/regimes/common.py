"""What regimes are made of: schedules, counts, and what a run asks of them beside their data sets."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from modelcollapse import arguments
from modelcollapse.addresses import MODEL, REAL
from modelcollapse.portions import Portion, portion, traced_portion
from modelcollapse.protocols import ChecksSizes, Family, Memory, Needs, Number, Plans, Prepares, Regime, Resumes, Source


def at(value: Number, generation: int | jax.Array) -> Any:
    """A number as it is; of a schedule, the entry of ``generation``."""
    return value if jnp.ndim(value) == 0 else value[generation]  # type: ignore[index]


def role(generation: int | jax.Array) -> int | jax.Array:
    """The role of the newest model's draw; at generation 0, where the model is what is real, that of a real draw."""
    return jnp.where(generation == 0, REAL, MODEL)


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


def shares(name: str, value: Any) -> Any:
    return value if isinstance(value, Portion) else arguments.shares(name, value)


def share(name: str, value: Any) -> Any:
    return value if isinstance(value, Portion) else arguments.share(name, value)


def check(regime: Regime, sizes: np.ndarray) -> None:
    """Let a regime refuse sample sizes ``(generations + 1,)``."""
    if isinstance(regime, ChecksSizes):
        regime.check(sizes)


def plan(regime: Regime, sizes: np.ndarray) -> Needs:
    """What a regime needs of a run; one that does not say draws, holds and fits one data set at a time."""
    return regime.plan(sizes) if isinstance(regime, Plans) else Needs(sizes, int(sizes.max()), sizes)


def prepared(regime: Regime, family: Family, source: Source, sizes: np.ndarray) -> Any:
    """The regime as a run carries it, with its counts and the room that it needs; a traced one as it is."""
    if arguments.traced(regime) or not isinstance(regime, Prepares):
        return regime
    return regime.prepared(family, source, sizes)


def continued(regime: Regime, memory: Memory) -> Memory:
    """The memory of a run that ended, as the same regime needs it for a longer one."""
    return regime.continued(memory) if isinstance(regime, Resumes) else memory

"""Small runs that any test may look at: each is made once in a process, and all with the same settings share one
program.
"""

import functools
from typing import Any

from toys import Walk, origin, place

import modelcollapse as mc


@functools.cache
def normal() -> mc.Run:
    """Eight chains of a Gaussian that is replaced at each generation, with what its closed forms are about."""
    return mc.simulate(
        mc.Gaussian(), mc.normal(), observe=["log_variance", "w2_squared"], size=20, generations=3, chains=8
    )


@functools.cache
def words() -> mc.Run:
    """Forty chains of a discrete law."""
    return mc.simulate(
        mc.Discrete(), mc.categorical([0.4, 0.3, 0.2, 0.1]), observe=["heterozygosity", "support_size"],
        size=10, generations=6, chains=40,
    )  # fmt: skip


def walk(seed: Any = 0, *, generations: int = 3, size: Any = 3, chains: Any = 4) -> mc.Run:
    """Four random walks: the cheapest program there is, for questions about seeds and arguments."""
    return mc.simulate(Walk(), origin(), observe=place, size=size, generations=generations, chains=chains, seed=seed)

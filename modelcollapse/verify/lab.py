"""Where a claim is put to the test: a seed, a number of chains, and independent random streams, each with a name."""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Callable, Hashable, Iterable, Sequence
from functools import lru_cache
from typing import Any, TypeAlias, TypeVar

import jax.numpy as jnp
import numpy as np
from numpy.typing import ArrayLike

from modelcollapse.declarations import Observe
from modelcollapse.families.population import Learner
from modelcollapse.protocols import Exchanges, Regime, Source
from modelcollapse.run import Run, simulate
from modelcollapse.verify.evidence import Evidence
from modelcollapse.verify.runner import claim, stream
from modelcollapse_theory._register import THEOREMS


@dataclasses.dataclass(frozen=True)
class Lab:
    """The seed of a claim and its number of chains."""

    seed: int
    chains: int

    def run(
        self,
        name: str,
        family: Learner,
        source: Source,
        regime: Regime | Exchanges | None = None,
        observe: Observe = "mean",
        *,
        size: ArrayLike,
        fits: int | Sequence[int],
        batch_size: int | None = None,
    ) -> Run:
        """The process on the stream ``name``, as far as the last of ``fits`` and recorded after each of them."""
        record = [n - 1 for n in np.ravel(fits).tolist()]
        return simulate(
            family, source, regime, observe, size=size, generations=record[-1], chains=self.chains,
            seed=stream(self.seed, name), record=record, batch_size=batch_size,
        )  # fmt: skip

    def last(self, *parts: Any, **sizes: Any) -> np.ndarray:
        """The only observable of such a run after the last fit, ``(chains, ...)``."""
        (values,) = self.run(*parts, **sizes).trace.values()
        return values[:, -1]

    def random(self, name: str) -> np.random.Generator:
        """NumPy's generator on the stream ``name``."""
        return np.random.default_rng(stream(self.seed, name))


Content: TypeAlias = Callable[[Lab], Evidence | Iterable[Evidence]]
C = TypeVar("C", bound=Content)
S = TypeVar("S", bound=Callable[..., Any])


def shared(function: S) -> S:
    """A run that several claims read: made once for each lab, each precision and each of its other arguments."""

    @lru_cache(maxsize=8)
    def made(precision: np.dtype, *arguments: Hashable) -> Any:
        return function(*arguments)

    def cached(*arguments: Hashable) -> Any:
        return made(jnp.result_type(float), *arguments)

    return cached  # type: ignore[return-value]


@dataclasses.dataclass(frozen=True)
class Section:
    """What the claims of one section have in common, as far as they do not say otherwise."""

    title: str
    source: str = ""
    chains: int = 10_000
    tier: str = "default"

    def claim(
        self, *tests: Callable[..., Any], source: str | None = None, chains: int | None = None, tier: str | None = None
    ) -> Callable[[C], C]:
        """Register a function of a ``Lab`` as a claim: its docstring is the statement, ``tests`` are its theorems."""

        def register(function: C) -> C:
            def judged(seed: int, chains: int) -> Evidence | Iterable[Evidence]:
                return function(Lab(seed, chains))

            judged.__name__, judged.__module__ = function.__name__, function.__module__
            judged.__wrapped__ = function  # type: ignore[attr-defined]
            claim(
                " ".join((inspect.getdoc(function) or function.__name__).split()),
                source=self.source if source is None else source,
                section=self.title,
                chains=chains or self.chains,
                theorems=[theorem(test) for test in tests],
                tier=tier or self.tier,
            )(judged)
            return function

        return register


def theorem(function: Callable[..., Any]) -> str:
    """The name under which a function of the theory is registered."""
    plain = inspect.unwrap(function)
    name = f"{plain.__module__.rpartition('.')[2]}.{plain.__name__}"
    if name not in THEOREMS:
        raise ValueError(f"a claim must test registered theorems, and {name} is not one of them")
    return name

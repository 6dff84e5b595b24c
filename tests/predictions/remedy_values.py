"""Exact means of discrete laws under remedies: all data sets, in fractions."""

from __future__ import annotations

import dataclasses
import functools
import itertools
import math
from collections import defaultdict
from collections.abc import Iterator
from fractions import Fraction as F
from typing import Any

import numpy as np
from exact_process import at, compositions
from exact_values import Values

import modelcollapse as mc
from modelcollapse import families

Law = tuple[F, ...]


@dataclasses.dataclass(frozen=True)
class Remedy:
    """What is enumerated for a few regimes only, by name."""

    @property
    def regimes(self) -> tuple[str, ...]:
        return ("replace", "replace, sizes")

    def adapted(self, sizes: list[int]) -> list[int]:
        """Sizes at which all moments exist."""
        return sizes


def numbers(law: Law) -> list[float]:
    return [float(p) for p in law]


@functools.cache
def multinomial(size: int, law: Law) -> tuple[tuple[F, tuple[int, ...]], ...]:
    out = []
    for counts in compositions(size, len(law)):
        chance = F(math.factorial(size))
        for n, p in zip(counts, law, strict=True):
            chance *= p**n / math.factorial(n)
        if chance:
            out.append((chance, counts))
    return tuple(out)


def polya(size: int, balls: Law) -> Iterator[tuple[F, tuple[int, ...]]]:
    """Data sets of one draw from Dirichlet(balls)."""

    def rising(x: F, n: int) -> F:
        return math.prod((x + i for i in range(n)), start=F(1))

    for counts in compositions(size, len(balls)):
        chance = F(math.factorial(size)) / rising(sum(balls, F(0)), size)
        for n, ball in zip(counts, balls, strict=True):
            chance *= rising(ball, n) / math.factorial(n)
        yield chance, counts


def of_squares(law: Law, seen: list[tuple[np.ndarray, np.ndarray]]) -> Values:
    """Observables of two moments of every state, ``(fits, K)`` each."""
    mean, square = (np.array(x, float) for x in zip(*seen, strict=True))
    truth = np.array(numbers(law))
    return {
        "probabilities": mean,
        "heterozygosity": 1 - square.sum(1),
        "chi_square": ((square - 2 * mean * truth + truth**2) / truth).sum(1),
    }


@dataclasses.dataclass(frozen=True)
class PosteriorStates(Remedy):
    """A draw from Dirichlet(strength base + counts) for each fit, or for each item, or the mean of several."""

    law: Law
    base: Law | None
    strength: F
    per: str = "fit"
    refits: int = 1

    @property
    def regimes(self) -> tuple[str, ...]:
        plain = self.base is None and self.per == "fit" and self.refits == 1
        return ("replace", "mixture, no old data") if plain else ("replace", "replace, sizes")

    def make(self) -> tuple[Any, Any]:
        base = None if self.base is None else mc.categorical(numbers(self.base))
        family: Any = families.Posterior(mc.Discrete(), float(self.strength), base, per=self.per)
        if self.refits > 1:
            family = families.Ensemble(family, self.refits, samples="one")
        return family, mc.categorical(numbers(self.law))

    def values(self, regime: Any, sizes: list[int]) -> Values:
        base = self.law if self.base is None else self.base
        worlds = {x: p for p, x in multinomial(sizes[0], self.law)}
        seen = []
        for generation, size in enumerate([*sizes[1:], 0], 1):
            first, second = np.zeros((2, len(base)), dtype=object)
            after: dict[tuple[int, ...], F] = defaultdict(F)
            for x, weight in worlds.items():
                balls = tuple(self.strength * b + n for b, n in zip(base, x, strict=True))
                total = sum(balls)
                mean = np.array([n / total for n in balls], dtype=object)
                again = np.array([n / total * (n + 1) / (total + 1) for n in balls], dtype=object)
                part = F(1, self.refits) if self.per == "fit" else F(0)
                first = first + weight * mean
                second = second + weight * (part * again + (1 - part) * mean**2)
                for p, y in self._next(regime, generation, size, balls) if size else ():
                    after[y] += weight * p
            seen.append((first, second))
            worlds = after
        return of_squares(self.law, seen)

    def _next(self, regime: Any, generation: int, size: int, balls: Law) -> Iterator[tuple[F, tuple[int, ...]]]:
        share = at(regime.gamma, generation) if isinstance(regime, mc.Mixture) else F(0)
        for real in range(size + 1):
            chance = math.comb(size, real) * share**real * (1 - share) ** (size - real)
            if chance:
                for (p, x), (q, y) in itertools.product(multinomial(real, self.law), self._drawn(size - real, balls)):
                    yield chance * p * q, tuple(a + b for a, b in zip(x, y, strict=True))

    def _drawn(self, size: int, balls: Law) -> Iterator[tuple[F, tuple[int, ...]]]:
        if self.per == "item":
            yield from multinomial(size, tuple(n / sum(balls) for n in balls))
            return
        # each item is of one of the draws, which are independent given the data
        for split in compositions(size, self.refits):
            among = F(math.factorial(size), self.refits**size * math.prod(map(math.factorial, split)))
            for parts in itertools.product(*(list(polya(n, balls)) for n in split)):
                chance = math.prod((p for p, _ in parts), start=among)
                yield chance, tuple(sum(x) for x in zip(*(y for _, y in parts), strict=True))


@dataclasses.dataclass(frozen=True)
class StratifiedStates(Remedy):
    """Systematic sampling of each model, one common shift of equal steps."""

    law: Law

    def make(self) -> tuple[Any, Any]:
        return families.Stratified(mc.Discrete()), mc.categorical(numbers(self.law))

    def values(self, regime: Any, sizes: list[int]) -> Values:
        worlds = {x: p for p, x in multinomial(sizes[0], self.law)}
        seen = []
        for before, size in itertools.pairwise([*sizes, 0]):
            shares = {tuple(F(n, before) for n in x): w for x, w in worlds.items()}
            seen.append(moments(shares))
            after: dict[tuple[int, ...], F] = defaultdict(F)
            for p, weight in shares.items() if size else ():
                edges = list(itertools.accumulate(p, initial=F(0)))
                turns = sorted({F(0), F(1), *((size * e) % 1 for e in edges)})
                for low, high in itertools.pairwise(turns):
                    below = [math.ceil(size * e - (low + high) / 2) if e else 0 for e in edges]
                    after[tuple(b - a for a, b in itertools.pairwise(below))] += weight * (high - low)
            worlds = after
        return of_squares(self.law, seen)


def moments(shares: dict[Law, F]) -> tuple[np.ndarray, np.ndarray]:
    laws = [(w, np.array(p, dtype=object)) for p, w in shares.items()]
    return sum(w * p for w, p in laws), sum(w * p**2 for w, p in laws)


@dataclasses.dataclass(frozen=True)
class ShrunkStates(Remedy):
    law: Law
    to: Law
    weight: F

    def make(self) -> tuple[Any, Any]:
        to = mc.categorical(numbers(self.to))
        return families.Shrunk(mc.Discrete(), to, float(self.weight)), mc.categorical(numbers(self.law))

    def values(self, regime: Any, sizes: list[int]) -> Values:
        worlds, seen = {self.law: F(1)}, []
        for size in sizes:
            after: dict[Law, F] = defaultdict(F)
            for law, chance in worlds.items():
                for p, x in multinomial(size, law):
                    mixed = (self.weight * t + (1 - self.weight) * F(n, size) for t, n in zip(self.to, x, strict=True))
                    after[tuple(mixed)] += chance * p
            worlds = after
            seen.append(moments(worlds))
        return of_squares(self.law, seen)


@dataclasses.dataclass(frozen=True)
class DampedStates(Remedy):
    """Each refit but the first goes a part of the way from the last law."""

    law: Law
    rate: F

    @property
    def regimes(self) -> tuple[str, ...]:
        return ("replace",)

    def make(self) -> tuple[Any, Any]:
        return families.Damped(mc.Discrete(), float(self.rate)), mc.categorical(numbers(self.law))

    def values(self, regime: Any, sizes: list[int]) -> Values:
        worlds, seen, rate = {self.law: F(1)}, [], F(1)
        for size in sizes:
            after: dict[Law, F] = defaultdict(F)
            for law, chance in worlds.items():
                for p, x in multinomial(size, law):
                    after[tuple((1 - rate) * a + rate * F(n, size) for a, n in zip(law, x, strict=True))] += chance * p
            worlds, rate = after, self.rate
            seen.append(moments(worlds))
        return of_squares(self.law, seen)


@dataclasses.dataclass(frozen=True)
class Larger(Remedy):
    """``times`` as many items in all data sets but the first, of one family or as several samples."""

    within: Any
    times: int
    samples: str = ""  # of an ensemble

    def make(self) -> tuple[Any, Any]:
        family, source = self.within.make()
        if self.samples:
            return families.Ensemble(family, self.times, samples=self.samples), source
        return families.Oversampled(family, self.times), source

    def values(self, regime: Any, sizes: list[int]) -> Values:
        times = 1 if self.samples == "one" else self.times
        return self.within.values(regime, [sizes[0], *(times * m for m in sizes[1:])])

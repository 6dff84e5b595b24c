"""Which data set each fit sees, by enumeration: every regime is replayed item by item from its description.

Nothing here knows a closed form, and nothing is drawn. A regime is read off its public fields, and a share is taken for
the decimal number that its user wrote. Two kinds of data set are replayed: counts of states, of which every outcome is
listed with its probability; and anonymous items, of which only the second moments are known (``Items``).
"""

from __future__ import annotations

import itertools
import math
from collections import defaultdict
from collections.abc import Callable, Iterator
from fractions import Fraction
from typing import Any

import modelcollapse as mc

Outcomes = list[tuple[Any, Any]]  # (probability, data set)
Law = tuple[tuple[Any, Any], ...]  # (weight, data set), or None for the real law in place of a data set


def decimal(value: Any) -> Fraction:
    """The decimal number that prints as ``value``."""
    return Fraction(str(float(value)))


def at(value: Any, generation: int) -> Fraction:
    return decimal(value if getattr(value, "ndim", 0) == 0 else value[generation])


def rows(share: Fraction, size: int) -> int:
    """share * size to the nearest integer, halves up."""
    return math.floor(share * size + Fraction(1, 2))


def only_models(regime: Any, sizes: list[int]) -> bool:
    """Whether every data set but the first is drawn from the newest model alone: this is replacement by any name."""
    later = range(1, len(sizes))
    if isinstance(regime, mc.Mixture):
        return all(at(regime.alpha, g) == 1 for g in later)
    if isinstance(regime, mc.FixedReal):
        return rows(decimal(regime.share), sizes[0]) == 0
    return isinstance(regime, mc.Replace)


def fitted(regime: Any, sizes: list[int], kind: Any) -> list[dict[Any, Any]]:
    """For each fit the data sets that it may see, with their probabilities."""
    worlds: dict[Any, Any] = defaultdict(Fraction)
    for p, state in begin(regime, kind, sizes[0]):
        worlds[state] += p
    out = [worlds]
    for generation, size in enumerate(sizes[1:], 1):
        moved: dict[Any, Any] = defaultdict(Fraction)
        for (data, memory), p in worlds.items():
            for q, state in go_on(regime, kind, ((Fraction(1), data),), memory, size, generation, sizes):
                moved[state] += p * q
        worlds = moved
        out.append(worlds)
    return [_marginal(worlds) for worlds in out]


def _marginal(worlds: dict[Any, Any]) -> dict[Any, Any]:
    seen: dict[Any, Any] = defaultdict(Fraction)
    for (data, _), p in worlds.items():
        seen[data] += p
    return seen


REAL: Law = ((Fraction(1), None),)


def begin(regime: Any, kind: Any, size: int) -> Iterator[tuple[Any, tuple[Any, Any]]]:
    """Every (probability, (first data set, memory))."""
    name = type(regime)
    if name is mc.FixedReal:
        kept = rows(decimal(regime.share), size)
        for (p, mine), (q, rest) in itertools.product(kind.draw(REAL, kept), kind.draw(REAL, size - kept)):
            yield p * q, (kind.pool(mine, rest), mine)
        return
    for p, data in kind.draw(REAL, size):
        if name is mc.AccumulateSubsample:
            for q, chosen in kind.choose(data, regime.budget or size):
                yield p * q, (chosen, data)
        elif name is mc.Mixture:
            yield p, (data, REAL)
        elif name is mc.Switch:
            yield p, (data, tuple(_started(part, data) for part in (regime.before, regime.after)))
        else:
            yield p, (data, _started(regime, data))


def _started(regime: Any, data: Any) -> Any:
    """The memory of a regime that begins with the real data set ``data``."""
    return data if isinstance(regime, mc.Retain | mc.Accumulate) else ()


def go_on(
    regime: Any, kind: Any, model: Law, memory: Any, size: int, generation: int, sizes: list[int]
) -> Iterator[tuple[Any, tuple[Any, Any]]]:
    """Every (probability, (next data set, memory))."""
    rule: Callable[..., Iterator[Any]] = RULES[type(regime)]
    yield from rule(regime, kind, model, memory, size, generation, sizes)


def _replace(regime, kind, model, memory, size, generation, sizes):
    for p, data in kind.draw(model, size):
        yield p, (data, ())


def _fresh(regime, kind, model, memory, size, generation, sizes):
    real = rows(at(regime.share, generation), size)
    for (p, new), (q, old) in itertools.product(kind.draw(REAL, real), kind.draw(model, size - real)):
        yield p * q, (kind.pool(new, old), ())


def _weighted(regime, kind, model, memory, size, generation, sizes):
    real, weight = rows(at(regime.share, generation), size), at(regime.weight, generation)
    for (p, new), (q, old) in itertools.product(kind.draw(REAL, real), kind.draw(model, size - real)):
        heavy, light = (kind.scaled(d, w * size) for d, w in ((new, weight), (old, 1 - weight)))
        yield p * q, (kind.pool(heavy, light), ())


def _fixed(regime, kind, model, memory, size, generation, sizes):
    kept = rows(decimal(regime.share), sizes[0])
    for p, data in kind.draw(model, size - kept):
        yield p, (kind.pool(memory, data), memory)


def _retain(regime, kind, model, memory, size, generation, sizes):
    kept = rows(at(regime.share, generation), size)
    fresh = min(rows(at(regime.fresh, generation), size), size - kept)
    parts = kind.choose(memory, kept), kind.draw(REAL, fresh), kind.draw(model, size - kept - fresh)
    for (p, old), (q, real), (r, new) in itertools.product(*parts):
        data = kind.pool(kind.pool(old, real), new)
        yield p * q * r, (data, data)


def _accumulate(regime, kind, model, memory, size, generation, sizes):
    for p, data in kind.draw(model, size):
        pool = kind.pool(memory, data)
        yield p, (pool, pool)


def _subsample(regime, kind, model, memory, size, generation, sizes):
    for p, data in kind.draw(model, size):
        pool = kind.pool(memory, data)
        for q, chosen in kind.choose(pool, regime.budget or size):
            yield p * q, (chosen, pool)


def _mixture(regime, kind, model, memory, size, generation, sizes):
    alpha, beta, gamma = (at(w, generation) for w in (regime.alpha, regime.beta, regime.gamma))
    law = [(alpha * w, d) for w, d in model] + [(beta * w, d) for w, d in memory] + [(gamma, None)]
    parts: dict[Any, Any] = defaultdict(Fraction)
    for weight, data in law:
        parts[data] += weight
    mixed = tuple((w, d) for d, w in parts.items() if w)
    for p, data in kind.draw(mixed, size):
        yield p, (data, mixed)


def _switch(regime, kind, model, memory, size, generation, sizes):
    first = generation < int(regime.generation)
    part, mine, other = (regime.before, *memory) if first else (regime.after, *memory[::-1])
    for p, (data, moved) in go_on(part, kind, model, mine, size, generation, sizes):
        yield p, (data, (moved, other) if first else (other, moved))


RULES: dict[type, Callable[..., Iterator[Any]]] = {
    mc.Replace: _replace,
    mc.FreshReal: _fresh,
    mc.FixedReal: _fixed,
    mc.Retain: _retain,
    mc.Accumulate: _accumulate,
    mc.AccumulateSubsample: _subsample,
    mc.Weighted: _weighted,
    mc.Mixture: _mixture,
    mc.Switch: _switch,
}


class Counts:
    """Data sets are counts of states, and every outcome of a draw is listed.

    ``once``: real ones come from a table without replacement.
    """

    fewest = 1

    def __init__(self, law: tuple[Fraction, ...], once: tuple[int, ...] | None = None) -> None:
        self.law, self.once = law, once

    def chances(self, law: Law) -> list[Fraction]:
        out = [Fraction(0)] * len(self.law)
        for weight, data in law:
            given = self.law if data is None else [Fraction(n, sum(data)) for n in data]
            out = [have + weight * p for have, p in zip(out, given, strict=True)]
        return out

    def draw(self, law: Law, n: int) -> Outcomes:
        real = sum(weight for weight, data in law if data is None)
        if self.once is None or not real:
            return self._multinomial(self.chances(law), n)
        if real == 1:
            return self.choose(self.once, n)
        rest = tuple((weight / (1 - real), data) for weight, data in law if data is not None)
        out = []
        for p, (k, _) in self._multinomial([real, 1 - real], n):
            for (q, old), (r, new) in itertools.product(self.choose(self.once, k), self.draw(rest, n - k)):
                out.append((p * q * r, self.pool(old, new)))
        return out

    def _multinomial(self, chances: list[Fraction], n: int) -> Outcomes:
        out = []
        for counts in compositions(n, len(chances)):
            p = Fraction(math.factorial(n))
            for k, chance in zip(counts, chances, strict=True):
                p *= chance**k / math.factorial(k)
            if p:
                out.append((p, counts))
        return out

    def choose(self, data: tuple[int, ...], n: int) -> Outcomes:
        every = math.comb(sum(data), n)
        ways = ((math.prod(map(math.comb, data, kept)), kept) for kept in compositions(n, len(data)))
        return [(Fraction(w, every), kept) for w, kept in ways if w]

    def pool(self, first: tuple[int, ...], second: tuple[int, ...]) -> tuple[int, ...]:
        return tuple(a + b for a, b in zip(first, second, strict=True))

    def scaled(self, data: tuple[int, ...], mass: Any) -> tuple[Any, ...]:
        return tuple(Fraction(n) * mass / sum(data) for n in data)


def compositions(n: int, parts: int) -> Iterator[tuple[int, ...]]:
    if parts == 1:
        yield (n,)
        return
    for first in range(n + 1):
        for rest in compositions(n - first, parts - 1):
            yield (first, *rest)


class Items:
    """Data sets are items (number, weight), of which E x_i x_j is known, with x measured from the true mean.

    ``real`` is the variance of a real item, ``together`` the covariance of two real items of one draw (a table drawn
    without replacement). A model's next item has the mean m of the items that it was fitted to, and the variance
    ``constant(n) + spread(n) S + square (m - m_0)^2``, where S is their variance (divisor: their weight n).
    """

    def __init__(
        self,
        real: Any,
        *,
        constant: Callable[[int], Any] = lambda n: 0,
        spread: Callable[[int], Any] = lambda n: 0,
        square: Any = 0,
        together: Any = 0,
        fewest: int = 1,
    ) -> None:
        self.fewest = fewest  # items, with fewer of which a fit is not made
        self.real, self.together = real, together
        self.constant, self.spread, self.square = constant, spread, square
        self.laws: list[tuple[int, Law]] = []  # of each item: number of its draw, law
        self.draws = 0
        self.known: dict[Any, Any] = {}  # what was worked out, by pair of items, draw or data set

    def draw(self, law: Law, n: int) -> Outcomes:
        first = len(self.laws)
        self.laws += [(self.draws, law)] * n
        self.draws += 1
        return [(Fraction(1), tuple((first + i, Fraction(1)) for i in range(n)))]

    def choose(self, data: tuple[Any, ...], n: int) -> Outcomes:
        subsets = list(itertools.combinations(data, n))
        return [(Fraction(1, len(subsets)), kept) for kept in subsets]

    def pool(self, first: tuple[Any, ...], second: tuple[Any, ...]) -> tuple[Any, ...]:
        return first + second

    def scaled(self, data: tuple[Any, ...], mass: Any) -> tuple[Any, ...]:
        return tuple((item, mass / len(data)) for item, _ in data)

    def mean_of(self, law: Law) -> dict[int, Any]:
        """The mean of a law as a linear combination of items; a real law has mean 0."""
        out: dict[int, Any] = defaultdict(Fraction)
        for weight, data in law:
            if data is not None:
                mass = sum(w for _, w in data)
                for item, w in data:
                    out[item] += weight * w / mass
        return out

    def product(self, i: int, j: int) -> Any:
        """E x_i x_j."""
        old, new = min(i, j), max(i, j)
        return self._once((old, new), lambda: self._product(old, new))

    def _product(self, old: int, new: int) -> Any:
        group, law = self.laws[new]
        if old == new:
            square = lambda: sum(w * (self.real if d is None else self.error(d) + self.variance(d)) for w, d in law)  # noqa: E731
            return self._once(("square", group), square)
        if self.laws[old][0] == group:
            both_real = sum(w for w, d in law if d is None) ** 2
            return self._once(("draw", group), lambda: both_real * self.together + self._square(self.mean_of(law)))
        mean = self._once(("mean", group), lambda: self.mean_of(law))
        return sum(w * self.product(k, old) for k, w in mean.items())

    def _once(self, key: Any, value: Callable[[], Any]) -> Any:
        if key not in self.known:
            self.known[key] = value()
        return self.known[key]

    def _square(self, combination: dict[int, Any]) -> Any:
        pairs = itertools.combinations(combination.items(), 2)
        own = sum(a * a * self.product(i, i) for i, a in combination.items())
        return own + 2 * sum(a * b * self.product(i, j) for (i, a), (j, b) in pairs)

    def error(self, data: tuple[Any, ...]) -> Any:
        """E (m - m_0)^2 of the items' mean m."""
        return self._once(("error", data), lambda: self._square(self.mean_of(((Fraction(1), data),))))

    def variance(self, data: tuple[Any, ...]) -> Any:
        """Expected variance of the next item of a model fitted to ``data``."""
        mass = sum(w for _, w in data)
        error = self.error(data)
        inner = sum(w * self.product(i, i) for i, w in data) / mass - error
        return self.constant(mass) + self.spread(mass) * inner + self.square * error

"""Detectors by enumeration: which items of each pool are flagged, one by one; and the cells that are held against it."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from fractions import Fraction
from typing import Any

import exact_process
import numpy as np
from exact_process import REAL, at, rows

import modelcollapse as mc
from modelcollapse.regimes import Detected


def binomial(n: int, p: Fraction) -> Iterator[tuple[Fraction, int]]:
    yield from ((math.comb(n, k) * p**k * (1 - p) ** (n - k), k) for k in range(n + 1))


def pools(regime: Any, size: int, generation: int) -> Iterator[tuple[Fraction, int]]:
    """How many of the items are real, with its chance."""
    if isinstance(regime, mc.Mixture):
        yield from binomial(size, at(regime.gamma, generation))
    else:
        yield Fraction(1), rows(at(regime.share, generation), size) if isinstance(regime, mc.FreshReal) else 0


def detected(regime, kind, model, memory, size, generation, sizes):
    """Every (probability, (next data set, memory)) without refill."""
    t, f = (exact_process.decimal(rate) for rate in (regime.true_positive, regime.false_positive))
    for p, real in pools(regime.regime, size, generation):
        for (q, fresh), (r, own) in itertools.product(binomial(real, 1 - f), binomial(size - real, 1 - t)):
            if not p * q * r:
                continue
            if regime.weight is None:
                if fresh + own < kind.fewest:
                    yield p * q * r, (model[0][1], ())
                    continue
                for (u, new), (v, old) in itertools.product(kind.draw(REAL, fresh), kind.draw(model, own)):
                    yield p * q * r * u * v, (kind.pool(new, old), ())
                continue
            weight = exact_process.decimal(regime.weight)
            counts = [
                (REAL, fresh, 1),
                (model, own, 1),
                (REAL, real - fresh, weight),
                (model, size - real - own, weight),
            ]
            total = sum(n * each for _, n, each in counts)
            for draws in itertools.product(*(kind.draw(law, n) for law, n, _ in counts if n)):
                chance, data = p * q * r, None
                for (u, drawn), (_, n, each) in zip(draws, [c for c in counts if c[1]], strict=True):
                    chance *= u
                    part = kind.scaled(drawn, n * each * size / total)
                    data = part if data is None else kind.pool(data, part)
                yield chance, (data, ())


exact_process.RULES[Detected] = detected

IID, COUNTS = mc.Mixture(0.75, 0.0, 0.25), mc.FreshReal(0.5)
CELLS: dict[str, tuple[Any, list[int]]] = {
    "removed": (Detected(IID, 0.6, 0.2, refill=False), [3, 3, 3]),
    "removed from counts": (Detected(COUNTS, 0.6, 0.2, refill=False), [4, 4, 4]),
    "removed, models alone": (Detected(mc.Replace(), 0.6, 0.2, refill=False), [3, 3, 3]),
    "weighing less": (Detected(IID, 0.6, 0.2, weight=0.25), [3, 3]),
    "weighing less, counts": (Detected(COUNTS, 0.6, 0.2, weight=0.25), [4, 4]),
    "nothing flagged": (Detected(COUNTS, 0.0, 0.0, refill=False), [4, 4, 4]),
}
KINDS = {"three states", "gaussian, ddof 1", "gaussian, ddof 0", "plane, ddof 1", "plane, ddof 0", "poisson"}


def takes(kind: str, regime: Any) -> bool:
    """Whether a kind of process is compared under a detector; Poisson data cannot be weighted."""
    return kind in KINDS and not (kind == "poisson" and regime.weight is not None)


class EndlessStates:
    """Infinitely many draws of three states, real ones and synthetic ones flagged by their state; or a mean law."""

    law, share, true, false = (Fraction(1, 2), Fraction(3, 10), Fraction(1, 5)), Fraction(1, 4), None, None

    def __init__(self, endless: bool) -> None:
        self.endless = endless

    def make(self) -> tuple[Any, Any]:
        source = mc.categorical([float(p) for p in self.law])
        return (mc.Exact(mc.Discrete()) if self.endless else mc.Discrete()), source

    def values(self, regime: Any, sizes: list[int]) -> dict[str, np.ndarray]:
        """The law of what passes, state by state; its mean where it is linear in the last one."""
        true, false = (
            [exact_process.decimal(x) for x in np.broadcast_to(rate, 3)]
            for rate in (regime.true_positive, regime.false_positive)
        )
        out, p = [], list(self.law)
        for generation, size in enumerate(sizes):
            if generation:
                inner = regime.regime
                share = (
                    at(inner.gamma, 1)
                    if isinstance(inner, mc.Mixture)
                    else Fraction(rows(at(inner.share, 1), size), size)
                )
                passed = [
                    share * a * (1 - f) + (1 - share) * b * (1 - t)
                    for a, b, t, f in zip(self.law, p, true, false, strict=True)
                ]
                p = [x / sum(passed) for x in passed]
            out.append([float(x) for x in p])
        return {"probabilities": np.array(out)}


BY_STATE = {
    "endless, flagged by state": (EndlessStates(True), Detected(IID, [0.5, 0.7, 0.9], [0.1, 0.0, 0.2])),
    "endless, flagged by state, counts": (
        EndlessStates(True), Detected(COUNTS, [0.5, 0.7, 0.9], [0.1, 0.0, 0.2], refill=False)
    ),
    "real items flagged by state": (EndlessStates(False), Detected(IID, 0.6, [0.1, 0.0, 0.2])),
}  # fmt: skip

"""The replace chain by brute force: every count vector, exact fractions, nothing shared with the formulas on trial."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator
from fractions import Fraction

import numpy as np
from scipy.stats import binom

Law = dict[tuple[int, ...], Fraction]


def count_vectors(total: int, states: int) -> Iterator[tuple[int, ...]]:
    if states == 1:
        yield (total,)
        return
    for first in range(total + 1):
        for rest in count_vectors(total - first, states - 1):
            yield (first, *rest)


def multinomial(counts: tuple[int, ...], probabilities: list[Fraction]) -> Fraction:
    ways, chance = math.factorial(sum(counts)), Fraction(1)
    for count, probability in zip(counts, probabilities, strict=True):
        ways //= math.factorial(count)
        chance *= probability**count
    return ways * chance


def law_after(probabilities: list[Fraction], sizes: list[int]) -> Law:
    """The law of the counts in the last of the data sets of ``sizes``."""
    current = {x: multinomial(x, probabilities) for x in count_vectors(sizes[0], len(probabilities))}
    for before, size in itertools.pairwise(sizes):
        after: Law = dict.fromkeys(count_vectors(size, len(probabilities)), Fraction(0))
        for x, weight in current.items():
            model = [Fraction(count, before) for count in x]
            for y in after:
                after[y] += weight * multinomial(y, model)
        current = after
    return current


def mean(law: Law, function: Callable[[list[Fraction]], Fraction | float | bool]) -> float:
    """Mean of a function of the frequencies."""
    total = sum(next(iter(law)))
    return float(sum(weight * function([Fraction(c, total) for c in x]) for x, weight in law.items()))


def two_state_chain(size: int) -> np.ndarray:
    """Transition matrix of the count of one of two states."""
    return binom.pmf(np.arange(size + 1), size, np.arange(size + 1)[:, None] / size)

"""Pools that a detector has judged: what ``detectors`` and ``flag_weights`` have in common."""

from __future__ import annotations

import numpy as np

from modelcollapse_theory._domain import Array, one_real, one_whole
from modelcollapse_theory.moments import binomial_rows

SOURCE = "theory/derivations/detectors.md"
IID = "each item of a pool of M is real with probability g, independently; "
COUNTS = "a pool of exactly r real items and M - r model draws; "
PASSING = "true_positive and false_positive must let something pass"
LARGEST_PAIR = 2_000
"""The largest pool whose two counts are summed over together."""


def rates(share: float, true_positive: float, false_positive: float) -> tuple[float, float, float]:
    g, t = one_real("share", share, 0, 1), one_real("true_positive", true_positive, 0, 1)
    return g, t, one_real("false_positive", false_positive, 0, 1)


def passing(share: float, true_positive: float, false_positive: float) -> float:
    """s, the share of the pool that is not flagged."""
    return share * (1 - false_positive) + (1 - share) * (1 - true_positive)


def one_pool(sample_size: int, real: int) -> tuple[int, int]:
    size = one_whole("sample_size", sample_size, 1, "a fit needs data", most=LARGEST_PAIR)
    r = one_whole("real", real)
    if r > size:
        raise ValueError(f"real must not exceed sample_size, got {real!r}")
    return size, r


def pairs(size: int, real: int, true_positive: float, false_positive: float) -> tuple[Array, Array, Array]:
    """Numbers of real and of synthetic items that pass, as column and row, and the chance of each pair."""
    t, f = one_real("true_positive", true_positive, 0, 1), one_real("false_positive", false_positive, 0, 1)

    def passed(items: int, chance: float) -> Array:
        return binomial_rows(items, np.array([chance]))[0] if items else np.ones(1)

    chance = np.outer(passed(real, 1 - f), passed(size - real, 1 - t))
    return np.arange(real + 1.0)[:, None], np.arange(size - real + 1.0)[None], chance

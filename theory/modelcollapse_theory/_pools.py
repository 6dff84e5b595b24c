"""Pools that a detector has judged: what ``detectors`` and ``flag_weights`` have in common."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from modelcollapse_theory._domain import Array, one_real, one_whole, whole
from modelcollapse_theory.moments import binomial_rows
from modelcollapse_theory.workflows import affine

SOURCE = "theory/derivations/detectors.md"
IID = "each item of a pool of M is real with probability g, independently; "
COUNTS = "a pool of exactly r real items and M - r model draws; "
PASSING = "true_positive and false_positive must let something pass"
LARGEST_PAIR = 2_000
"""The largest pool whose two counts are summed over together."""


def rates(share: float, true_positive: float, false_positive: float) -> tuple[float, float, float]:
    g, t = one_real("share", share, 0, 1), one_real("true_positive", true_positive, 0, 1)
    return g, t, one_real("false_positive", false_positive, 0, 1)


def one_pool(sample_size: int, real: int) -> tuple[int, int]:
    size = one_whole("sample_size", sample_size, 1, "a fit needs data", most=LARGEST_PAIR)
    r = one_whole("real", real)
    if r > size:
        raise ValueError(f"real must not exceed sample_size, got {real!r}")
    return size, r


def pairs(size: int, real: int, true_positive: float, false_positive: float) -> tuple[Array, Array, Array]:
    """Numbers of real and of synthetic items that pass, as column and row, and the chance of each pair."""
    t, f = one_real("true_positive", true_positive, 0, 1), one_real("false_positive", false_positive, 0, 1)

    def passing(items: int, chance: float) -> Array:
        return binomial_rows(items, np.array([chance]))[0] if items else np.ones(1)

    chance = np.outer(passing(real, 1 - f), passing(size - real, 1 - t))
    return np.arange(real + 1.0)[:, None], np.arange(size - real + 1.0)[None], chance


def from_first_fit(size: int, fits: ArrayLike, source: float, gap: float) -> Array:
    """v_n of x' = source + (1 - gap) x started at v_1 = 1/M, with v_0 = 0."""
    count = whole("fits", fits)
    value = affine(1 / size, np.asarray(source), np.asarray(gap), np.maximum(count - 1, 0))
    return np.where(count == 0, 0.0, np.minimum(value, 1.0))

"""A normal law refitted to selected draws: what ``best_of``, ``truncation`` and Student draws have in common."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from modelcollapse_theory import gaussian
from modelcollapse_theory._domain import LONGEST, Array, choice, whole


def relative_noise(kurtosis: ArrayLike, size: ArrayLike) -> Array:
    """Var s^2 over the squared variance, kappa/M + 2/(M - 1), for M draws of excess kurtosis kappa. Exact."""
    size = np.asarray(size, np.float64)
    return np.asarray(kurtosis / size + 2 / (size - 1))


def selected_variance(factor: ArrayLike, sample_size: ArrayLike, fits: ArrayLike, ddof: int) -> Array:
    """E sigma_n^2/sigma_0^2 where every model's draws have ``factor`` times its variance."""
    count = whole("fits", fits, 1, most=LONGEST)
    plain = gaussian.expected_variance(sample_size, count, ddof=ddof)
    with np.errstate(under="ignore"):
        return np.asarray(plain * np.asarray(factor) ** (count - 1.0))


def selected_drift(factor: ArrayLike, kurtosis: ArrayLike, sample_size: ArrayLike, ddof: int) -> Array:
    """What a fit adds to E ln sigma^2 where draws have that variance and excess kurtosis, by the delta method."""
    size = whole("sample_size", sample_size, 2)
    biased = 0.0 if choice("ddof", ddof, (0, 1)) == 1 else np.log1p(-1 / size)
    return np.asarray(np.log(factor) - relative_noise(kurtosis, size) / 2 + biased)

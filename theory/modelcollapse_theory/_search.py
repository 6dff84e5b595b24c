"""The least whole number, or the least share, that meets a demand met from some value on."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import scipy


def least(meets: Callable[[int], bool], low: int, guess: int, high: int) -> int:
    """The least whole number of [low, high] that meets a demand met from some number on, galloping from a guess; high
    + 1 if none.
    """
    at = min(max(guess, low), high)
    step = 1
    if meets(at):
        while at > low and meets(below := max(at - step, low)):
            at, step = below, 2 * step
        if at == low:
            return low
        bad, good = below, at
    else:
        while not meets(at):
            if at == high:
                return high + 1
            bad, at, step = at, min(at + step, high), 2 * step
        good = at
    while good - bad > 1:
        middle = (good + bad) // 2
        bad, good = (bad, middle) if meets(middle) else (middle, good)
    return good


def least_share(absent: Callable[[float], float], delta: float) -> float:
    """The root of absent(g) = delta, in ln g; 0 where none is needed, 1 where all is."""
    if absent(0.0) <= delta:
        return 0.0

    def excess(log_share: float) -> float:
        return float(np.log(max(absent(float(np.exp(log_share))), 1e-300) / delta))

    if excess(0.0) >= 0:
        return 1.0
    low = -1.0
    while excess(low) < 0:
        low *= 2
    return float(np.exp(scipy.optimize.brentq(excess, low, 0.0, xtol=1e-13, rtol=1e-13)))

"""Exact means under robust fits: three normal rows, by the joint law of their two gaps."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np
from exact_values import Values
from remedy_values import Remedy
from scipy.special import ndtri

import modelcollapse as mc
from modelcollapse import families


def of_three(function: Callable[[np.ndarray], np.ndarray]) -> float:
    """The mean of a function of the scale that is fitted to three standard normal rows: their smaller gap, rescaled.

    The gaps u and v have the density sqrt(3)/pi exp(-(u^2 + v^2 + u v)/3).
    """
    a = np.arange(-60.0, 4.0, 0.02)
    nodes, weights = np.polynomial.legendre.leggauss(200)
    more, u = 10 * (nodes + 1), np.exp(a)[:, None]
    density = 2 * np.sqrt(3) / np.pi * np.exp(-(u**2 + (u + more) ** 2 + u * (u + more)) / 3)
    mass = (density @ (10 * weights)) * np.exp(a) * 0.02
    return float((mass * function(np.exp(a) / ndtri(0.75))).sum())


@dataclasses.dataclass(frozen=True)
class MedianOfThree(Remedy):
    """A normal law of this variance, refitted to three rows by their median and its smaller gap."""

    variance: float

    @property
    def regimes(self) -> tuple[str, ...]:
        return ("replace",)

    def adapted(self, sizes: list[int]) -> list[int]:
        return [3] * len(sizes)

    def make(self) -> tuple[Any, Any]:
        return families.MedianMAD(), mc.normal(2.0, self.variance)

    def values(self, regime: Any, sizes: list[int]) -> Values:
        n = np.arange(1, len(sizes) + 1)
        logs, one, two = (of_three(f) for f in (np.log, np.abs, np.square))
        return {
            "mean": np.full((len(sizes), 1), 2.0),
            "log_variance": np.log(self.variance) + 2 * logs * n[:, None],
            "standard_deviation": np.sqrt(self.variance) * one ** n[:, None],
            "variance": self.variance * two ** n[:, None],
            "squared_mean_error": self.variance * (1 - np.sqrt(3) / np.pi) * np.cumsum(two ** (n - 1)),
        }

"""Exact means under robust fits: three normal rows, by the joint law of their two gaps."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
from exact_values import Values
from remedy_values import Remedy
from three_rows import of_three

import modelcollapse as mc
from modelcollapse import families


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

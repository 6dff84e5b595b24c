"""The exact excess risk of a regression refitted to its own labels: a linear recursion on a design, Wishart facts on normal rows."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
from exact_process import at, rows
from exact_values import Values, of_chi_square

import modelcollapse as mc


@dataclasses.dataclass(frozen=True)
class NormalCovariates:
    """Least squares on fresh rows x ~ N(0, scale I), d = 1 or 2; or the shortest solution."""

    weights: tuple[float, ...]
    noise: float = 1.0  # of real labels
    own: float = 1.0  # of synthetic labels
    scale: float = 1.0
    shortest: bool = False

    def make(self) -> tuple[Any, Any]:
        source = mc.linear(self.weights, self.scale, noise=self.noise)
        family = mc.Regression(source.family.rows, self.own, minimum_norm=self.shortest)
        return family, source

    def values(self, regime: Any, sizes: list[int]) -> Values:
        d = len(self.weights)
        noise = [self.noise**2] + [self.own**2] * (len(sizes) - 1)
        if self.shortest and max(sizes) < d and type(regime) is mc.Replace:
            return self._projected(sizes, noise)
        if d > 2 or min(sizes) < d + 2:
            return {}
        each: list[float] = []
        total, risk = 0, 0.0
        for generation, (size, sigma2) in enumerate(zip(sizes, noise, strict=True)):
            total += size
            if type(regime) is mc.Replace:
                risk += sigma2 * inverse_trace(size, d)
            elif type(regime) is mc.Accumulate:
                # the newest rows are the share size / total of the pool's scatter, and independent of its sum
                risk += sigma2 * size / total * inverse_trace(total, d)
            elif type(regime) is mc.FreshReal and d == 1 and self.noise == self.own:
                synthetic = size - rows(at(regime.share, generation), size) if generation else 0
                # the share of the scatter that is synthetic is Beta(synthetic / 2, real / 2)
                kept = synthetic * (synthetic + 2) / (size * (size + 2))
                risk = kept * risk + sigma2 * inverse_trace(size, d)
            else:
                return {}
            each.append(risk)
        return {"excess_risk": np.array(each), "coefficients": np.tile(self.weights, (len(sizes), 1))}

    def _projected(self, sizes: list[int], noise: list[float]) -> Values:
        """w_n = P w_(n-1) + X^+ noise, P a projection on T random directions out of d."""
        d, truth = len(self.weights), float(np.dot(self.weights, self.weights))
        product, square, out = truth, truth, []  # E w_(n-1) . w_0 and E |w_(n-1)|^2
        for size, sigma2 in zip(sizes, noise, strict=True):
            assert size in (1, 2)
            product, square = size / d * product, size / d * square + sigma2 / self.scale * inverse_trace(d, size)
            out.append(self.scale * (square - 2 * product + truth))
        return {"excess_risk": np.array(out)}


def inverse_trace(freedom: int, d: int) -> float:
    """E tr W^-1 of a Wishart matrix with unit scale, by its Bartlett factor [[a, 0], [z, b]]."""
    first = of_chi_square(lambda x: 1 / x, freedom)
    if d == 1:
        return first
    assert d == 2
    second = of_chi_square(lambda x: 1 / x, freedom - 1)
    return first + second + first * second  # (a^2 + b^2 + z^2) / (a^2 b^2)


@dataclasses.dataclass(frozen=True)
class GivenDesign:
    """A linear learner on given rows: least squares, ridge, or gradient descent that stops."""

    weights: tuple[float, ...]
    design: tuple[tuple[float, ...], ...]
    noise: float = 1.0
    penalty: float = 0.0
    steps: int | None = None
    rate: float | None = None
    own: float | None = None

    def make(self) -> tuple[Any, Any]:
        source = mc.linear(self.weights, noise=self.noise, design=self.design)
        own = self.noise if self.own is None else self.own
        rows = source.family.rows
        return mc.Regression(rows, own, penalty=self.penalty, steps=self.steps, rate=self.rate), source

    def learner(self, x: np.ndarray) -> np.ndarray:
        """The matrix that turns labels into weights."""
        d, n = x.shape[1], len(x)
        if self.steps is None:
            return np.linalg.solve(x.T @ x + self.penalty * n * np.eye(d), x.T)
        out = np.zeros((d, n))
        for _ in range(self.steps):
            out = out - self.rate / n * x.T @ (x @ out - np.eye(n))
        return out

    def values(self, regime: Any, sizes: list[int]) -> Values:
        if type(regime) not in (mc.Replace, mc.Accumulate):
            return {}
        full, truth = np.array(self.design), np.array(self.weights)
        judged = full.T @ full / len(full)
        own = self.noise if self.own is None else self.own
        risks, means = [], []
        # the joint law of all labels so far is that of w_0 and of independent noises: carry the linear map
        labels: list[np.ndarray] = []  # each (rows, 1 + all noises): label = row @ [1, noises]
        x = np.zeros((0, truth.size))
        weights = np.zeros((truth.size, 1 + sum(sizes)))
        weights[:, 0] = truth
        deviations = np.concatenate([[1.0], [self.noise] * sizes[0], [own] * sum(sizes[1:])])
        at_noise = 1
        for size in sizes:
            label = full[:size] @ weights
            label[:, at_noise : at_noise + size] += np.eye(size)
            at_noise += size
            if type(regime) is mc.Replace:
                labels, x = [label], full[:size]
            else:
                labels, x = [*labels, label], np.concatenate([x, full[:size]])
            weights = self.learner(x) @ np.concatenate(labels)
            gap = weights * deviations
            gap[:, 0] -= truth
            risks.append(np.trace(gap.T @ judged @ gap))
            means.append(weights[:, 0])
        return {"excess_risk": np.array(risks), "coefficients": np.array(means)}

"""The exact excess risk of a refitted regression: a linear recursion on a design, Wishart facts on normal rows."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import numpy as np
from exact_process import at, only_models, rows
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
        d, mean = len(self.weights), {"coefficients": np.tile(self.weights, (len(sizes), 1))}
        noise = [self.noise**2] + [self.own**2] * (len(sizes) - 1)
        if self.shortest and max(sizes) < d and only_models(regime, sizes):
            return self._projected(sizes, noise)
        if d > 2 or min(sizes) < d + 3:
            return {}
        each: list[float] = []
        total, risk = 0, 0.0
        for generation, (size, sigma2) in enumerate(zip(sizes, noise, strict=True)):
            total += size
            if only_models(regime, sizes):
                risk += sigma2 * inverse_trace(size, d)
            elif type(regime) is mc.Accumulate:
                # the newest rows are the share size / total of the pool's scatter, and independent of its sum
                risk += sigma2 * size / total * inverse_trace(total, d)
            elif type(regime) is mc.FreshReal and self.noise == self.own:
                synthetic = size - rows(at(regime.share, generation), size) if generation else 0
                risk = kept(size, synthetic, d) * risk + sigma2 * inverse_trace(size, d)
            else:
                return mean
            each.append(risk)
        return mean | {"excess_risk": np.array(each)}

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


def kept(size: int, synthetic: int, d: int) -> float:
    """E |A^-1 W e|^2 / |e|^2, W the scatter of the synthetic rows and A that of all, for e in any direction.

    A^-1 W = A^-1/2 B A^1/2 with B a matrix beta, independent of A. In two dimensions |.|^2 is B_11^2 + B_22^2 + B_12^2
    (r + 1/r), r the ratio of the eigenvalues of A, and B_12^2 follows from B_11 and det B, whose laws are betas: B is
    as likely as any rotation of it.
    """

    def beta(a: float, power: int) -> float:
        return math.prod((a / 2 + i) / (size / 2 + i) for i in range(power))

    first = beta(synthetic, 2)
    if d == 1 or not synthetic or synthetic == size:
        return first
    determinant = beta(synthetic, 1) * (synthetic - 1) / (size - 1)
    across = (first - determinant) / 3
    x, y = (of_chi_square(lambda x: 1 / x, size - lost) for lost in (0, 1))
    # (tr A)^2 / det A = (X + Y + Z)^2 / (X Y) by its Bartlett factor, with E Z = 1 and E Z^2 = 3
    ratio = size * y + (size - 1) * x + 3 * x * y + 2 + 2 * x + 2 * y - 2
    return (2 * first + across * ratio) / 2


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
        rows = source.family.rows
        return mc.Regression(rows, self.deviation, penalty=self.penalty, steps=self.steps, rate=self.rate), source

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
        """Labels are linear in the truth and in every noise so far: the map has one column for each noise."""
        known = isinstance(regime, mc.Accumulate | mc.FreshReal | mc.Weighted)
        if not known and not only_models(regime, sizes):
            return {} if self.penalty or self.steps else {"coefficients": np.tile(self.weights, (len(sizes), 1))}
        full, truth = np.array(self.design), np.array(self.weights)
        judged = full.T @ full / len(full)
        real = np.zeros((truth.size, 1))
        real[:, 0] = truth
        deviations, risks, means = [1.0], [], []
        x, labels = np.zeros((0, truth.size)), np.zeros((0, 1))
        weights = real
        for generation, size in enumerate(sizes):
            batches, scales = self._batches(regime, size, generation)
            if type(regime) is not mc.Accumulate:
                x, labels = x[:0], labels[:0]
            for (count, is_real), scale in zip(batches, scales, strict=True):
                rule, before = real if is_real else weights, len(deviations)
                deviations += [self.noise if is_real else self.deviation] * count
                real, weights, rule, labels = (
                    np.pad(m, ((0, 0), (0, len(deviations) - m.shape[1]))) for m in (real, weights, rule, labels)
                )
                new = full[:count] @ rule
                new[:, before:] += np.eye(count)
                x = np.concatenate([x, scale * full[:count]])
                labels = np.concatenate([labels, scale * new])
            weights = self.learner(x) @ labels
            gap = weights * np.array(deviations)
            gap[:, 0] -= truth
            risks.append(np.trace(gap.T @ judged @ gap))
            means.append(weights[:, 0])
        return {"excess_risk": np.array(risks), "coefficients": np.array(means)}

    @property
    def deviation(self) -> float:
        return self.noise if self.own is None else self.own

    def _batches(self, regime: Any, size: int, generation: int) -> tuple[list[tuple[int, bool]], list[float]]:
        """Rows and whether their labels are real; the square root of what each row weighs."""
        if not generation:
            return [(size, True)], [1.0]
        if not isinstance(regime, mc.FreshReal | mc.Weighted):
            return [(size, False)], [1.0]
        real = rows(at(regime.share, generation), size)
        batches = [(real, True), (size - real, False)]
        if isinstance(regime, mc.FreshReal):
            return batches, [1.0, 1.0]
        weight = float(at(regime.weight, generation))
        return batches, [math.sqrt(weight * size / real), math.sqrt((1 - weight) * size / (size - real))]

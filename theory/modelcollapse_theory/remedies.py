r"""The price of a remedy: what each leaves of the diversity, and what it costs, at a user's own sample size.

One row for each remedy, each computed by the exact function of its workflow: ``workflows``, ``accumulation``,
``weights``, ``detectors``, ``iterated_learning``, ``sampling_designs``. The loss v is that of the fit, the law that is
drawn from: :math:`E H_n = (1 - v_n) H_0`. 1/v is its worth in independent real items: an average of that many has the
same variance. The first fit sees M real items whatever comes later, so v_1 = 1/M in every row but those of a posterior.
Derived in theory/derivations/remedies.md.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Iterator, Sequence

import numpy as np
from numpy.typing import ArrayLike

from modelcollapse_theory import (
    accumulation,
    detectors,
    flag_weights,
    iterated_learning,
    sampling_designs,
    weights,
    workflows,
)
from modelcollapse_theory._domain import Array, choice, one_real, one_whole
from modelcollapse_theory._pools import passing
from modelcollapse_theory.plan import Answer
from modelcollapse_theory.selection import detected_share

NEEDS = ("labels", "detector", "law", "prior")
"""What a remedy may need: to know which items are real, a detector of synthetic ones, the law of the model when it is
sampled, or a prior at the truth."""

Loss = Callable[[ArrayLike], Array]


@dataclasses.dataclass(frozen=True)
class Row:
    """A remedy with its ``loss`` v after so many fits, its ``limit`` for ever, and its price.

    ``real`` fresh real items and ``drawn`` model draws are paid at each fit after the first, ``once`` real items once
    for all; a fit is trained on ``trained`` items, and ``memory`` items are stored from fit to fit. ``needs`` is one of
    ``NEEDS``, or empty. For what grows with the number of fits, price and memory are those of the last.
    """

    remedy: str
    loss: float
    limit: float
    real: float = 0.0
    once: float = 0.0
    drawn: float = 0.0
    trained: float = 0.0
    memory: float = 0.0
    needs: str = ""

    @property
    def compute(self) -> float:
        """Items drawn and items trained on, for each fit."""
        return self.drawn + self.trained


@dataclasses.dataclass(frozen=True)
class _Question:
    """M items a fit, r real ones among them, s model draws where more are bought, rates of a detector, and n fits."""

    size: int
    real: int
    synthetic: int
    true_positive: float
    false_positive: float
    fits: int
    rate: float

    @property
    def share(self) -> float:
        return self.real / self.size

    @property
    def times(self) -> int:
        """How many samples of M the model draws are."""
        return max(1, math.ceil(self.synthetic / self.size))

    def row(self, remedy: str, loss: Loss, limit: ArrayLike, **price: float | str) -> Row:
        size = float(self.size)
        given = {"drawn": size, "trained": size, **price}
        return Row(remedy, float(loss(self.fits)), float(limit), **given)  # type: ignore[arg-type]


def price_table(
    sample_size: int,
    real: int,
    synthetic: int,
    true_positive: float = 0.9,
    false_positive: float = 0.1,
    *,
    fits: int = 50,
    rate: float = 0.3,
) -> list[Row]:
    r"""Every remedy with its loss after ``fits`` fits and for ever, and its price; the first row is no remedy, replace.

    Parameters
    ----------
    sample_size
        M, the items of a data set.
    real
        r, from 1 to M - 1: fresh real items in each data set, items kept for ever, or what a prior is worth.
    synthetic
        s: model draws where more of them than M are bought, beside r real ones or without.
    true_positive, false_positive
        t and f of a detector, in a pool with the real share r/M; some items must pass.
    fits
        n, at least 1.
    rate
        eta of the slow update.

    Exact. Raises ValueError, TypeError or NotCovered for arguments that one of the functions does not cover.
    """
    size = one_whole("sample_size", sample_size, 2, most=10**6)
    r = one_whole("real", real, 1)
    if r >= size:
        raise ValueError(f"real must be below sample_size = {size}, got {real!r}")
    question = _Question(
        size,
        r,
        one_whole("synthetic", synthetic, 1, most=10**12),
        one_real("true_positive", true_positive, 0, 1),
        one_real("false_positive", false_positive, 0, 1, open_high=True),
        one_whole("fits", fits, 1, most=10**6),
        one_real("rate", rate, 0, 1),
    )
    return [*_without_real(question), *_once_real(question), *_with_real(question), *_detected(question)]


def _without_real(q: _Question) -> Iterator[Row]:
    m, times, n = q.size, q.times, q.fits
    yield q.row("replace", lambda n: workflows.replace(m, n), 1.0)
    yield q.row("posterior sampling, no prior", lambda n: iterated_learning.posterior(m, n, 0.0), 1.0)
    half = m // 2
    yield q.row(
        f"keep {half} of the last data set", lambda n: workflows.retain(m, n, half), 1.0, drawn=m - half, memory=half
    )
    more = float(times * m)
    yield q.row(
        f"{times} x synthetic sample",
        lambda n: sampling_designs.oversampled(m, n, times),
        1.0,
        drawn=more,
        trained=more,
    )
    yield q.row(
        f"{times} refits, mixed",
        lambda n: sampling_designs.ensemble(m, n, times, own_start=False),
        1.0,
        drawn=more,
        trained=more,
    )
    yield q.row(
        f"slow update, rate {q.rate:g}",
        lambda n: sampling_designs.slow_update(m, n, q.rate),
        1.0 if q.rate > 0 else 1 / m,
    )
    yield q.row("stratified sampling", lambda n: _stratified(m, n), 1 / m, needs="law")
    yield q.row(
        "accumulate everything",
        lambda n: accumulation.accumulate(m, n),
        accumulation.accumulate_limit(m),
        trained=float(n * m),
        memory=float((n - 1) * m),
    )


def _stratified(size: int, fits: ArrayLike) -> Array:
    """v of a balanced law of two states, whose loss is that of all laws at one sample size: none after the first."""
    squares = sampling_designs.stratified_moments([0.5, 0.5], [size] * min(int(np.asarray(fits)), 2))[-1]
    return np.asarray(4 * squares[0] - 1)


def _once_real(q: _Question) -> Iterator[Row]:
    m, r = q.size, q.real
    yield q.row(
        f"{r} real kept for ever",
        lambda n: workflows.fixed_set(m, n, r),
        workflows.fixed_set_limit(m, r),
        once=r,
        drawn=m - r,
        memory=r,
    )
    yield q.row(
        f"posterior sampling, prior worth {r}",
        lambda n: iterated_learning.posterior(m, n, r),
        iterated_learning.posterior_limit(m, r),
        needs="prior",
    )
    yield q.row(
        f"smoothing, prior worth {r}",
        lambda n: iterated_learning.smoothing(m, n, r),
        iterated_learning.smoothing_limit(m, r),
        needs="prior",
    )


def _with_real(q: _Question) -> Iterator[Row]:
    m, r = q.size, q.real
    real = float(r)
    alone = _weighed(m, r, 1, 1.0)
    yield q.row(f"{r} fresh real, no synthetic", *alone, real=real, drawn=0.0, trained=real, needs="labels")
    for s in dict.fromkeys((m - r, q.synthetic)):
        name, pool = f"{r} fresh real + {s} synthetic", float(r + s)
        best = float(weights.best(r, s))
        pooled, weighed = _weighed(m, r, s, r / pool), _weighed(m, r, s, best)
        yield q.row(f"{name}, pooled", *pooled, real=real, drawn=float(s), trained=pool)
        yield q.row(
            f"{name}, best weight {best:.3g}", *weighed, real=real, drawn=float(s), trained=pool, needs="labels"
        )


def _weighed(size: int, real: int, synthetic: int, weight: float) -> tuple[Loss, float]:
    """Loss and limit where r fresh real items weigh w in all beside s draws, after a first fit to M real items."""
    limit = float(workflows.weighted_limit(real + synthetic, real, weight))
    gap = weight * (2 - weight) + (1 - weight) ** 2 / synthetic  # 1 - (1-w)^2 (1 - 1/s), without the cancellation
    return lambda n: workflows.from_first_fit(1 / size, n, limit * gap, gap), limit


def _detected(q: _Question) -> Iterator[Row]:
    m, r, g = q.size, float(q.real), q.share
    rates = (q.true_positive, q.false_positive)
    passed = passing(g, *rates)
    kept = float(detected_share(g, *rates))
    name = f"detector t = {q.true_positive:g}, f = {q.false_positive:g}"
    yield q.row(
        f"{name}, removed",
        lambda n: detectors.removed(m, n, g, *rates),
        detectors.removed_limit(m, g, *rates),
        real=r,
        drawn=m - r,
        trained=passed * m,
        needs="detector",
    )
    omega = max(flag_weights.best_flag_weight(g, *rates), 1e-9)
    yield q.row(
        f"{name}, flagged weigh {omega:.3g}",
        lambda n: flag_weights.weighted_flags(m, n, g, *rates, omega),
        flag_weights.weighted_flags_limit(m, g, *rates, omega),
        real=r,
        drawn=m - r,
        needs="detector",
    )
    yield q.row(
        f"{name}, refilled to a real share {kept:.3g}",
        lambda n: detectors.refilled(m, n, g, *rates),
        workflows.random_mixing_limit(m, kept),
        real=r / passed,
        drawn=(m - r) / passed,
        needs="detector",
    )


def best_remedy(
    sample_size: int,
    real: int,
    synthetic: int,
    true_positive: float = 0.9,
    false_positive: float = 0.1,
    *,
    fits: int | None = None,
    per: str = "real",
    without: Sequence[str] = (),
) -> Answer:
    r"""Which remedy buys most for each real item, or for each unit of compute, of those in ``price_table``.

    What a remedy buys is worth, :math:`1/v - 1/v_{\mathrm{replace}}` in independent real items: for ever, where replace
    is worth 1, or after ``fits`` fits. ``per="real"`` divides by the fresh real items of a fit, among the remedies that
    pay such; ``per="compute"`` by the items drawn and trained on for a fit. ``without`` names what cannot be had, of
    ``NEEDS``. ``value`` is what is bought for one unit, ``achieved`` the loss; ``neighbour`` and ``achieved_aside`` are
    those of the runner-up, which ``assumptions`` name. Exact. Raises ValueError where no remedy is left.
    """
    unit = choice("per", per, ("real", "compute"))
    if not isinstance(without, (list, tuple, np.ndarray)):
        raise TypeError(f"without must be a list of names, got {without!r}")
    missing = [choice("without", name, NEEDS) for name in without]
    count = None if fits is None else one_whole("fits", fits, 1)
    table = price_table(
        sample_size, real, synthetic, true_positive, false_positive, fits=50 if count is None else count
    )

    def worth(row: Row) -> float:
        return 1 / (row.limit if count is None else row.loss) - start

    start = 0.0
    start = worth(table[0])
    growing = count is None  # what is trained on for ever by accumulation has no end
    prices = {row: row.real if unit == "real" else row.compute for row in table if row.needs not in missing}
    bought = {
        row: worth(row) / price
        for row, price in prices.items()
        if price > 0 and not (growing and unit == "compute" and row.remedy.startswith("accumulate"))
    }
    if not bought:
        raise ValueError(f"without must leave a remedy, got {list(without)!r}")
    ranked = sorted(bought, key=lambda row: -bought[row])
    first, second = ranked[0], ranked[1] if len(ranked) > 1 else None
    lost = [None if row is None else (row.limit if count is None else row.loss) for row in (first, second)]
    assumed = ["families that reproduce mean and covariance", "for ever" if count is None else f"fit {count}"]
    assumed += [f"needs: {first.needs}"] if first.needs else []
    assumed += [f"next best: {second.remedy}"] if second else []
    aside = None if second is None else bought[second]
    return Answer(bought[first], float(lost[0] or 0.0), aside, lost[1], first.remedy, tuple(assumed))

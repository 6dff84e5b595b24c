"""A detector of synthetic items between a pool and the fit: what it flags is removed, replaced, or weighs less."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any, TypeVar

import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import ArrayLike

from modelcollapse import arguments
from modelcollapse.addresses import DETECTED, fold
from modelcollapse.arguments import converted, optional
from modelcollapse.data import Rows
from modelcollapse.laws import Law, Stream, Table, outcome
from modelcollapse.numeric import shown
from modelcollapse.portions import portion
from modelcollapse.protocols import (
    Divides,
    Equivariant,
    Family,
    Memory,
    Needs,
    Projects,
    Regime,
    SeesLaws,
    Source,
)
from modelcollapse.pytree import part, static
from modelcollapse.regimes import common
from modelcollapse.regimes.basic import FreshReal, Replace
from modelcollapse.regimes.common import at, drawn, weighable
from modelcollapse.regimes.mixture import Mixture, Past, mixes
from modelcollapse.regimes.passing import (
    FLAGGED,
    OF_MODEL,
    OF_REAL,
    POOLS,
    REFILLED,
    Pair,
    judged,
    number_of,
    real_share,
    refilled,
    thinned,
)
from modelcollapse.regimes.scored import Rated, judged_rows, pools

T = TypeVar("T")


@part
class Detected:
    r"""The pool that ``regime`` would give, after a detector of synthetic items. Generation 0 is never filtered.

    An item of the newest model is flagged with probability ``true_positive``, a real one with ``false_positive``. What
    is flagged is removed; with ``refill`` others that pass take its place; with a ``weight`` it stays and weighs that
    much in the fit, where other items weigh 1. With rates of one number, or one for each state, how many items pass is
    drawn before any item is, so that a data set costs what it costs under ``regime``.

    With the real share g of a ``Mixture``, what passes has the real share g' = g (1 - f)/[g (1 - f) + (1 - g)(1 - t)]:
    refilled, this *is* ``Mixture(1 - g', 0, g')``, in the same numbers. From exact counts (``FreshReal``), and with a
    score, whole pools are drawn until enough items have passed, of the last a random subset; a chain that has not
    enough after 10,000 pools fails.

    Parameters
    ----------
    regime
        ``Replace()``, ``FreshReal(share)``, ``Mixture(1 - g, 0, g)``, or one that says how its pool ``Divides``. With a
        score also ``Rewrite(share)``, or one that ``Pools``: the blocks that are kept and those that the model
        continued. To refill, other blocks are kept and the others continued anew; a real block may then come twice.
    true_positive, false_positive
        Chances to be flagged in [0, 1]: ``()``, or ``(K,)`` for the states of a discrete model.
    refill
        Whether removed items are replaced. Default: where ``weight`` is 0. Without refill, a data set with fewer items
        than the family can be fitted to leaves the last fit as it is.
    weight
        What a flagged item weighs, in [0, 1]; kept as None where it is 0. Needs data sets that can be weighted.
    score, threshold
        In place of the rates: items whose ``score(points)``, rows ``(n, d)`` or states ``(n,)`` to ``(n,)``, is at
        least ``threshold`` are flagged. The shares that were flagged are the observable ``detected_rates``.

    Raises
    ------
    TypeError
        If the pool of ``regime`` holds anything but new draws of the model and real ones.
    ValueError
        If rates and score are both given or both missing, rates are given for ``Rewrite``, a rate or weight lies
        outside [0, 1], ``refill`` meets a weight, nothing can pass, or rates for each state meet a family without
        states.
    """

    regime: Any
    true_positive: Any = None
    false_positive: Any = None
    refill: bool | None = static(default=None)
    weight: Any = 0.0
    score: Callable[[jax.Array], jax.Array] | None = static(default=None)
    threshold: Any = None

    def __post_init__(self) -> None:
        rate, number = optional(_rate), optional(arguments.number)
        converted(
            self, regime=_divides, true_positive=rate, false_positive=rate, refill=optional(arguments.flag),
            weight=_weight, score=optional(arguments.function), threshold=number,
        )  # fmt: skip
        rates, scored = (self.true_positive, self.false_positive), (self.score, self.threshold)
        given = [[value is not None for value in pair] for pair in (rates, scored)]
        if given not in ([[True, True], [False, False]], [[False, False], [True, True]]):
            raise ValueError(
                "true_positive and false_positive, or score and threshold, must be given, got "
                f"{', '.join(f'{name}={shown(vars(self)[name])}' for name in _SAID)}"
            )
        if self.score is None and not isinstance(self.regime, Divides):
            raise ValueError(
                f"score and threshold must be given for {type(self.regime).__name__}, whose items a detector looks at, "
                f"got true_positive={shown(self.true_positive)}"
            )
        if self.refill and self.weight is not None:
            raise ValueError(f"refill must be False where flagged items stay, got refill=True, weight={self.weight!r}")

    @property
    def needs_items(self) -> bool:
        return self.score is not None

    @property
    def equivariant(self) -> bool:
        regime = self.regime
        return self.score is None and isinstance(regime, Equivariant) and regime.equivariant

    @property
    def refills(self) -> bool:
        """Whether removed items are replaced."""
        return self.weight is None if self.refill is None else self.refill

    @property
    def comes_short(self) -> bool:
        return self.weight is None and not self.refills

    def plan(self, sizes: np.ndarray) -> Needs:
        return dataclasses.replace(common.plan(self.regime, sizes), least=0)

    def check(self, sizes: np.ndarray) -> None:
        common.check(self.regime, sizes)
        if isinstance(self.regime, Mixture) and np.any(np.broadcast_to(self.regime.beta, sizes.shape)[1:]):
            raise ValueError(
                f"regime must be a mixture without older models (beta = 0) for Detected, got beta = {self.regime.beta}"
            )
        if self.score is None and self.weight is None and not arguments.traced((self.true_positive, self.regime)):
            self._check_passing(sizes)

    def _check_passing(self, sizes: np.ndarray) -> None:
        share = _real_share(self.regime, sizes)
        if share is None or len(sizes) < 2:
            return
        model, real = (np.min(rate) < 1 for rate in (self.true_positive, self.false_positive))
        if np.any(~(((share < 1) & model) | ((share > 0) & real))[1:]):
            raise ValueError(
                f"true_positive and false_positive must let something pass, got {self.true_positive!r} and "
                f"{self.false_positive!r} for {self.regime!r}"
            )
        if not self.refills or isinstance(self.regime, Mixture) or np.ndim(self.true_positive + self.false_positive):
            return
        passes = (share * (1 - self.false_positive) + (1 - share) * (1 - self.true_positive))[1:].min()
        if passes * POOLS < MANY:
            raise ValueError(
                f"true_positive and false_positive must let at least {MANY / POOLS:g} of the items pass, so that "
                f"{POOLS:,} pools refill a data set, got {self.true_positive!r} and {self.false_positive!r}: "
                f"{passes:.3g} pass"
            )

    def prepared(self, family: Family, source: Source, sizes: np.ndarray) -> Any:
        """The same regime with the counts of this run; where it is a ``Mixture``, that."""
        rates = self.true_positive, self.false_positive
        for name, rate in zip(("true_positive", "false_positive"), rates, strict=True):
            _check_states(name, rate, family, source)
        if self.score is not None and not isinstance(family, Family):
            raise TypeError(
                "Detected(score=) draws rows in the compiled loop, which models on the host do not: give "
                "true_positive and false_positive, or let the model leave out what the score flags"
            )
        if self.score is not None:  # a family that cannot be fitted to rows says so now
            row = jax.eval_shape(lambda: source.draw_rows(jax.random.key(0), jnp.int32(1), 1))
            jax.eval_shape(family.summarise, row)
        inner = self.regime
        if isinstance(inner, Mixture) and self.score is None and self.refills and not any(map(np.ndim, rates)):
            share = real_share(np.asarray(inner.gamma, np.float64), *(1 - np.float64(rate) for rate in rates))
            return Mixture(1 - share, np.zeros_like(share), share).prepared(family, source, sizes)
        return dataclasses.replace(self, regime=common.prepared(inner, family, source, sizes))

    def continued(self, memory: Memory) -> Memory:
        if isinstance(memory, Rated):
            return dataclasses.replace(memory, memory=common.continued(self.regime, memory.memory))
        return common.continued(self.regime, memory)

    def start(self, key: jax.Array, real: Stream, size: jax.Array) -> tuple[Any, Memory]:
        data, memory = self.regime.start(key, real, size)
        if self.weight is not None:
            data = weighable(_summary(real, data), real.family, "Detected(weight=)", "use weight=0")
        if self.score is None:
            return data, () if isinstance(self.regime, Mixture) else memory
        return data, Rated(jnp.full(2, jnp.nan, jnp.result_type(float)), memory if pools(self.regime) else None)

    def next(
        self, key: jax.Array, model: Stream, real: Stream, memory: Memory, size: jax.Array, generation: jax.Array
    ) -> tuple[Any, Memory]:
        if self.score is not None:
            refills = self.refills
            detector = self.regime, self.score, self.threshold
            rows, others, rated = judged_rows(detector, key, (model, real), memory, size, generation, refills)
            if refills:
                rows = _unless(rows.count < size, rows)
            elif self.weight is not None:
                return self._weighed(model, (rows, others)), rated
            return rows if model.rows else _summary(model, rows), rated
        rates = self.true_positive, self.false_positive
        chances, passing = judged((model, real), rates, passes=True)
        if isinstance(self.regime, Mixture):
            return self._mixed(key, chances, passing, (model, real), size, generation), memory
        own, fresh = self.regime.divided(key, model, size, generation)
        pool = number_of(model, own), number_of(model, fresh)
        passed = self._passed(key, model, pool, chances, size)
        data = _pooled(key, passing, passed)
        if self.refills and not isinstance(model.family, SeesLaws):
            return _unless(passed[0] + passed[1] < size, data), memory
        if self.weight is None:
            return data, memory
        _, flagged = judged((model, real), rates, passes=False)
        rest = pool[0] - passed[0], pool[1] - passed[1]
        other = _pooled(fold(fold(key, DETECTED), FLAGGED), flagged, rest)
        return self._weighed(model, (data, other)), memory

    def _mixed(
        self, key: jax.Array, chances: Pair, passing: Pair, streams: Pair, size: jax.Array, generation: jax.Array
    ) -> Any:
        """The data set of i.i.d. shares: what passes is another mixture, and so is what is flagged."""
        share = jnp.asarray(at(self.regime.gamma, generation), jnp.result_type(float))
        passes = share * chances[1] + (1 - share) * chances[0]
        n = size if self.refills else thinned(streams[0], fold(fold(key, DETECTED), OF_MODEL), size, passes)

        def pool(key: jax.Array, of: Pair, chances: Pair, n: jax.Array) -> Any:
            real = real_share(share, *chances)
            # without older models nothing is remembered
            memory = outcome(of[1].law).params if mixes(of[0].family, of[1].law) else Past.empty(of[0].law.params, 1)
            return Mixture(1 - real, jnp.zeros_like(real), real).next(key, *of, memory, n, generation)[0]

        data = pool(key, passing, chances, n)
        if self.weight is None:
            return data
        rates, flagged = judged(streams, (self.true_positive, self.false_positive), passes=False)
        rest = number_of(streams[0], size) - n
        other = pool(fold(fold(key, DETECTED), FLAGGED), flagged, rates, rest)
        return self._weighed(streams[0], (data, other))

    def _passed(self, key: jax.Array, model: Stream, pool: Pair, chances: Pair, size: jax.Array) -> Pair:
        """How many items of the model and how many real ones are in the data set, or pass where others only weigh
        less.
        """
        key = fold(key, DETECTED)
        if not self.refills:
            both = zip((OF_MODEL, OF_REAL), pool, chances, strict=True)
            own, fresh = (thinned(model, fold(key, role), n, chance) for role, n, chance in both)
            return own, fresh
        if isinstance(model.family, SeesLaws):
            own, fresh = (n * chance for n, chance in zip(pool, chances, strict=True))
            total = size.astype(own.dtype) / (own + fresh)
            return total * own, total * fresh
        return refilled(fold(key, REFILLED), pool, chances, size)

    def _weighed(self, stream: Stream, sets: Pair) -> Any:
        """The weighted pool of what passed and of what was flagged."""
        passed, flagged = (_summary(stream, data) for data in sets)
        dtype = jnp.result_type(float)
        mine, theirs = passed.size.astype(dtype), self.weight * flagged.size.astype(dtype)
        return passed.mixed(flagged, mine / (mine + theirs))


MANY = 30
"""How many data sets must be expected to pass of the most pools that are drawn, for one to be refilled."""
_SAID = ("true_positive", "false_positive", "score", "threshold")


def _pooled(key: jax.Array, streams: Pair, counts: Pair) -> Any:
    own, fresh = drawn(key, *streams, *counts)
    return own | fresh


def _summary(stream: Stream, data: T) -> T:
    """Rows as the data set that the family is fitted to."""
    return stream.family.summarise(data) if isinstance(data, Rows) else data


def _unless(failed: jax.Array, data: T) -> T:
    """A data set that no fit survives where ``failed``."""

    def ruined(leaf: jax.Array) -> jax.Array:
        bad = jnp.nan if jnp.issubdtype(leaf.dtype, jnp.inexact) else -1
        return jnp.where(failed, jnp.asarray(bad, leaf.dtype), leaf)

    return jax.tree.map(ruined, data)


def _real_share(regime: Regime, sizes: np.ndarray) -> np.ndarray | None:
    """The real share of each pool, ``(generations + 1,)``; None for a regime of a user's own."""
    if isinstance(regime, Mixture):
        return np.broadcast_to(np.asarray(regime.gamma, np.float64), sizes.shape)
    if isinstance(regime, FreshReal):
        return portion(regime.share, sizes) / sizes
    return np.zeros(sizes.shape) if isinstance(regime, Replace) else None


def _divides(name: str, value: Regime) -> Regime:
    arguments.regime(name, value)
    if not isinstance(value, Divides) and not pools(value):
        raise TypeError(
            f"{name} must be one whose pools are new draws of the model and real ones alone, such as FreshReal, "
            f"Mixture or Rewrite, for Detected, got {type(value).__name__}"
        )
    return value


def _rate(name: str, value: ArrayLike) -> float | np.ndarray:
    found = arguments.array(name, value, ndim=(0, 1), least=1, low=0.0, high=1.0)
    return found if found.ndim else float(found)


def _weight(name: str, value: ArrayLike | None) -> float | None:
    found = None if value is None else arguments.number(name, value, 0.0, 1.0)
    return found or None


def _check_states(name: str, rate: ArrayLike | None, family: Family, source: Source) -> None:
    """Refuse rates for each state where the items have none, or another number of them."""
    if rate is None or not np.ndim(rate):
        return
    truth = family.project(source) if isinstance(family, Projects) else None
    independent = isinstance(source, Law) or (isinstance(source, Table) and source.replace)
    if not isinstance(truth, jax.Array | np.ndarray) or truth.ndim != 1 or not independent:
        raise ValueError(
            f"{name} must be one number for {type(family).__name__} and this {type(source).__name__}, got shape "
            f"{np.shape(rate)}: one for each state needs states whose law is known, drawn with replacement"
        )
    if np.shape(rate) != truth.shape:
        raise ValueError(f"{name} must have one entry for each of the {truth.size} states, got shape {np.shape(rate)}")

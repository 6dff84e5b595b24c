"""Curation: of k draws of a model, the one that a reward prefers comes out."""

from __future__ import annotations

import math
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import ArrayLike

from modelcollapse import arguments, protocols
from modelcollapse.addresses import JUDGE, fold
from modelcollapse.data import Rows
from modelcollapse.families import picks
from modelcollapse.families.selecting import (
    Drawing,
    OfRows,
    Selecting,
    candidate,
    check_function,
    check_states,
    ruined,
    vector_or_function,
)
from modelcollapse.families.wrapping import described, inherits
from modelcollapse.laws import Law
from modelcollapse.protocols import Count, Family, Params, SeesLaws, Source
from modelcollapse.pytree import part, static

ODDS, BEST = "bradley-terry", "best"


@part
@inherits(protocols.Checks, protocols.Bounded)
class Curated(Selecting):
    r"""``family``, whose models give out picks: of k draws, one is chosen by ``reward``; real data stay as they are.

    A pick by Bradley-Terry is draw j with probability :math:`e^{r_j} / \sum_i e^{r_i}`; the best is the draw of the
    largest reward, one of equals with equal chances. On states, the law of the pick is computed at once, to rounding
    (see ``families.picks``). Of any other family, k candidates are drawn for each item, as rows. One choice, and a
    reward that is the same for all states, are the family itself, bit for bit.

    Parameters
    ----------
    family
        Any; ``Discrete`` for a reward by state.
    reward
        On states a vector ``(K,)``, or ``(R, K)`` for R rewards: finite, and at most 80 apart. Of rows a function,
        ``(n, d)`` to ``(n,)``, or to ``(n, R)``. A reward that is not a number makes the fit fail.
    choices
        k >= 1. ``math.inf``: the law p e^r / E e^r, on states or around ``Exact``.
    pick
        "bradley-terry" or "best".
    shares
        ``(R,)``, for several rewards: the probability that an item is judged by each.

    Raises
    ------
    TypeError, ValueError
        For a reward that does not fit the family, has not one number for each state, or is too far apart; for shares
        that do not sum to 1 or are not as many as the rewards.
    """

    family: Family
    reward: Any
    choices: float = static(default=2)
    pick: str = static(default=ODDS)
    shares: Any = None

    def __post_init__(self) -> None:
        arguments.converted(
            self,
            family=arguments.family,
            reward=lambda name, value: vector_or_function(name, value, self.family, (1, 2)),
            choices=_choices,
            pick=arguments.checker(arguments.choice, (ODDS, BEST)),
            shares=arguments.optional(arguments.law),
        )
        if math.isinf(self.choices) and self.pick == BEST:
            raise ValueError(f"choices must be finite for pick='best', got {self.choices}")
        if math.isinf(self.choices) and self.by_rows and not isinstance(self.family, SeesLaws):
            raise ValueError(
                f"choices must be finite for rows of {described(self.family)}, got {self.choices}: "
                "infinitely many draws are seen by Curated(Exact(family), ...)"
            )
        if not self.by_rows and not arguments.traced(self.reward):
            self._check_vectors(np.asarray(self.reward))

    def _check_vectors(self, reward: np.ndarray) -> None:
        spans = np.ptp(reward, axis=-1)
        if spans.max() > picks.SPAN and self.pick == ODDS:
            raise ValueError(f"reward must span at most {picks.SPAN:g}, got {spans.max():g}: use pick='best'")
        if (reward.ndim == 2) != (self.shares is not None):
            raise ValueError(f"give shares (R,) with rewards (R, K), got reward {reward.shape}, shares={self.shares!r}")
        if self.shares is not None and np.shape(self.shares) != reward.shape[:1]:
            raise ValueError(
                f"shares must have one entry for each of {len(reward)} rewards, got {np.shape(self.shares)}"
            )

    @property
    def by_rows(self) -> bool:
        return isinstance(self.reward, OfRows)

    def check(self, source: Source, sizes: np.ndarray) -> None:
        self.family.check(source, sizes)  # type: ignore[attr-defined]
        if self.by_rows:
            check_function("reward", self.reward, source, () if self.shares is None else np.shape(self.shares))
        else:
            check_states(self.family, source, reward=self.reward)

    def altered(self, law: Law) -> Law:
        return Law(law.family, self._law(law.params, jnp.asarray(self.reward, law.params.dtype)))

    def _law(self, p: jax.Array, reward: jax.Array) -> jax.Array:
        best = self.pick == BEST
        if self.shares is None:
            return picks.chosen(p, reward, self.choices, best)
        judged = jnp.stack([picks.chosen(p, one, self.choices, best) for one in reward])
        return (jnp.asarray(self.shares, p.dtype)[:, None] * judged).sum(0)

    def passing(self, mass: jax.Array, points: jax.Array) -> jax.Array | None:
        return self._law(mass, jnp.moveaxis(self.reward(points), 0, -1).astype(mass.dtype))

    def draw(self, key: jax.Array, params: Params, n: Count, capacity: int, given: Rows | None = None) -> Any:
        if self.by_rows and self.choices == 1:
            return self.family.draw(key, params, n, capacity)
        return Selecting.draw(self, key, params, n, capacity, given)

    def picked(self, key: jax.Array, n: jax.Array, capacity: int, draw: Drawing) -> Rows:
        dtype = jnp.result_type(float)
        judge = None
        if self.shares is not None:
            logs = jnp.log(jnp.asarray(self.shares, dtype))
            judge = jax.random.categorical(fold(key, JUDGE), logs, shape=(capacity,))

        def scored(turn: jax.Array | int) -> tuple[jax.Array, jax.Array]:
            drawn, chance = candidate(key, turn)
            points = draw.candidates(drawn, n, capacity)
            reward = self.reward(draw.placed(points)).astype(dtype)
            if judge is not None:
                reward = jnp.take_along_axis(reward, judge[:, None], 1)[:, 0]
            # the largest of rewards with a Gumbel variate each is a pick by e^reward
            return (reward if self.pick == BEST else reward + jax.random.gumbel(chance, (capacity,), dtype)), points

        def better(turn: jax.Array, held: tuple[jax.Array, jax.Array]) -> tuple[jax.Array, jax.Array]:
            score, points = scored(turn)
            wins = (score > held[0]) | jnp.isnan(score)
            column = wins.reshape(capacity, *(1,) * (points.ndim - 1))
            return jnp.where(wins, score, held[0]), jnp.where(column, points, held[1])

        score, points = jax.lax.fori_loop(1, int(self.choices), better, scored(0))
        wrong = jnp.isnan(score).reshape(capacity, *(1,) * (points.ndim - 1))
        return Rows(jnp.where(wrong, ruined(points), points), n)


def _choices(name: str, value: ArrayLike) -> float:
    endless = isinstance(value, float | np.floating) and value == np.inf
    return math.inf if endless else arguments.count(name, value)

"""Verification: what a model draws comes out only if a verifier accepts it."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import DTypeLike
from numpy.typing import ArrayLike

from modelcollapse import arguments, protocols
from modelcollapse.data import Rows
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
from modelcollapse.families.wrapping import inherits
from modelcollapse.laws import Law
from modelcollapse.protocols import Family, Number, Source
from modelcollapse.pytree import part, static

Held = tuple[jax.Array, jax.Array, jax.Array, jax.Array]
"""Turns, rows that passed, these rows, and whether all chances were such."""


@part
@inherits(protocols.Checks, protocols.Bounded)
class Verified(Selecting):
    r"""``family``, whose models give out what a verifier accepts; real data stay as they are.

    On states, what comes out is drawn from the accepted law at once, :math:`p'(x) \propto p(x)\,a(x)`. Of any other
    family, as many rows as are wanted are drawn and verified, again and again until enough have passed. A chain that
    has too few after ``rounds`` turns, or whose law a verifier of states rejects as a whole, fails at that generation.
    A verifier that accepts all states alike is the family itself, bit for bit.

    Parameters
    ----------
    family
        Any; ``Discrete`` for a verifier of states.
    accept
        The chance to pass: a vector ``(K,)``, or a function of rows, ``(n, d)`` to ``(n,)``, in [0, 1] or true and
        false. Chances out of range make the fit fail.
    correct, right, wrong
        In place of ``accept``: what is right, as ``(K,)`` true and false, or such a function; right items pass with
        probability ``right``, others with ``wrong``.
    rounds
        Rows are drawn up to so many times the number that is wanted.

    Raises
    ------
    TypeError, ValueError
        If neither ``accept`` nor ``correct``, ``right`` and ``wrong`` are given, or both; for rates outside [0, 1], a
        verifier that accepts nothing, or one that has not one number for each state.
    """

    family: Family
    accept: Any = None
    correct: Any = None
    right: Number | None = None
    wrong: Number | None = None
    rounds: int = static(default=64)

    def __post_init__(self) -> None:
        def chances(name: str, value: ArrayLike) -> Any:
            return vector_or_function(name, value, self.family, high=1.0)

        optional = arguments.optional
        by_truth = [value is not None for value in (self.correct, self.right, self.wrong)]
        if (self.accept is not None) == any(by_truth) or any(by_truth) != all(by_truth):
            given = {name: vars(self)[name] for name in ("accept", "correct", "right", "wrong")}
            named = ", ".join(name for name, value in given.items() if value is not None) or "none of them"
            raise ValueError(f"give either accept, or correct, right and wrong; got {named}")
        arguments.converted(
            self,
            family=arguments.family,
            accept=optional(chances),
            correct=optional(chances),
            right=optional(arguments.share),
            wrong=optional(arguments.share),
            rounds=arguments.count,
        )
        if not arguments.traced((self.accept, self.correct, self.right, self.wrong)):
            self._check_something_passes()

    def _check_something_passes(self) -> None:
        if self.accept is not None and not self.by_rows and not np.any(self.accept):
            raise ValueError(f"accept must let something pass, got {np.asarray(self.accept)}")
        if self.correct is None:
            return
        if not self.by_rows and not np.isin(self.correct, (0, 1)).all():
            raise ValueError(f"correct must be true or false for each state, got {np.asarray(self.correct)}")
        seen = {1.0, 0.0} if self.by_rows else set(np.unique(self.correct))
        if not any(rate for rate, truth in ((self.right, 1.0), (self.wrong, 0.0)) if truth in seen):
            raise ValueError(f"right and wrong must let something pass, got right={self.right}, wrong={self.wrong}")

    @property
    def by_rows(self) -> bool:
        return isinstance(self.accept, OfRows) or isinstance(self.correct, OfRows)

    @property
    def unfit(self) -> str:
        """Why a chain has nothing to be fitted to."""
        name = "accept" if self.correct is None else "correct"
        if self.by_rows:
            return (
                f"Verified gives out no data set if fewer rows than wanted pass {name} in rounds={self.rounds} turns, "
                "or if a chance is outside [0, 1]: give larger rounds, or a verifier that accepts more"
            )
        return (
            f"Verified gives out no data set if {name} lets none of the states pass that the model has left: "
            "let each pass with some chance, or add real data"
        )

    def check(self, source: Source, sizes: np.ndarray) -> None:
        self.family.check(source, sizes)  # type: ignore[attr-defined]
        if self.by_rows:
            name = "correct" if self.accept is None else "accept"
            check_function(name, vars(self)[name], source)
        else:
            check_states(self.family, source, accept=self.accept, correct=self.correct)

    def _chance(self, points: jax.Array | None, dtype: DTypeLike) -> jax.Array:
        """The chance to pass, of each state or of each of ``points`` (n, ...)."""
        value = self.correct if self.accept is None else self.accept
        found = jnp.asarray(value if points is None else value(points))
        if self.accept is None:
            return jnp.where(found.astype(bool), jnp.asarray(self.right, dtype), jnp.asarray(self.wrong, dtype))
        return found.astype(dtype)

    def altered(self, law: Law) -> Law:
        p = law.params
        chance = self._chance(None, p.dtype)
        passed = p * chance
        alike = (chance == chance[0]).all() & (chance[0] > 0)
        return Law(law.family, jnp.where(alike, p, passed / passed.sum()))

    def passing(self, mass: jax.Array, points: jax.Array) -> jax.Array | None:
        chance = self._chance(points, mass.dtype)
        return jnp.where(_sound(chance), mass * chance, jnp.nan)

    def picked(self, key: jax.Array, n: jax.Array, capacity: int, draw: Drawing) -> Rows:
        dtype = jnp.result_type(float)
        wanted = jnp.arange(capacity, dtype=jnp.int32) < n

        def unfinished(held: Held) -> jax.Array:
            turn, count, _, sound = held
            return (turn < self.rounds) & (count < n) & sound

        def some_more(held: Held) -> Held:
            turn, count, kept, sound = held
            drawn, luck = candidate(key, turn)
            points = draw.candidates(drawn, n, capacity)
            chance = self._chance(draw.placed(points), dtype)
            passes = wanted & (jax.random.uniform(luck, (capacity,), dtype) < chance)
            place = jnp.where(passes, count + jnp.cumsum(passes, dtype=jnp.int32) - 1, capacity)
            kept = kept.at[place].set(points, mode="drop")
            return turn + 1, count + passes.sum(dtype=jnp.int32), kept, sound & (_sound(chance) | ~wanted).all()

        shape = jax.eval_shape(lambda key: draw.candidates(key, n, capacity), key)
        none = jnp.zeros((), jnp.int32)
        empty = none, none, jnp.zeros(shape.shape, shape.dtype), jnp.ones((), bool)
        _, count, points, sound = jax.lax.while_loop(unfinished, some_more, empty)
        return Rows(jnp.where((count >= n) & sound, points, ruined(points)), n)


def _sound(chance: jax.Array) -> jax.Array:
    return (chance >= 0) & (chance <= 1)

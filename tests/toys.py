"""Parts that exist for tests only: each shows one thing that the real families hide."""

from typing import Any

import jax
import jax.numpy as jnp

import modelcollapse as mc
from modelcollapse.data import Rows
from modelcollapse.pytree import part, static

LABELS = 8
"""Label 0 is real; label g + 1 is the model of generation g."""
ITEMS = 64
"""The largest tally that has subsets."""


@part
class Tally:
    """How many items each origin gave."""

    n: jax.Array  # (LABELS,) int32

    @property
    def size(self) -> jax.Array:
        return self.n.sum(dtype=jnp.int32)

    def __or__(self, other: "Tally") -> "Tally":
        return Tally(self.n + other.n)

    def take(self, key: jax.Array, n: Any, capacity: int) -> "Tally":
        items = jnp.repeat(jnp.arange(LABELS, dtype=jnp.int32), self.n, total_repeat_length=ITEMS)
        chosen = Rows(items, self.size).take(key, n, ITEMS)
        return Tally(jnp.zeros(LABELS, jnp.int32).at[chosen.points].add(chosen.present.astype(jnp.int32)))

    def with_room(self, capacity: int) -> "Tally":
        return self

    @staticmethod
    def capacity_for(size: int) -> int:
        return 0


@part
class Labelled:
    """A model that knows its generation and remembers the origins that it was fitted to."""

    label: jax.Array  # (), int32
    seen: jax.Array  # (LABELS,)


@part
class Origins:
    """A family whose items carry nothing but the label of the law that they came from."""

    data = Tally

    def draw(self, key: jax.Array, params: Labelled, n: Any, capacity: int) -> Tally:
        return Tally(jnp.zeros(LABELS, jnp.int32).at[params.label].set(jnp.asarray(n, jnp.int32)))

    def draw_rows(self, key: jax.Array, params: Labelled, n: Any, capacity: int) -> Rows:
        return Rows(jnp.full(capacity, params.label), jnp.asarray(n, jnp.int32))

    def summarise(self, rows: Rows) -> Tally:
        return Tally(jnp.zeros(LABELS, jnp.int32).at[rows.points].add(rows.present.astype(jnp.int32)))

    def fit(self, key: jax.Array, data: Tally, previous: Labelled | None) -> Labelled:
        label = jnp.int32(1) if previous is None else previous.label + 1
        return Labelled(label, data.n.astype(jnp.result_type(float)))


def originals() -> mc.Law:
    """The real law of ``Origins``."""
    return mc.Law(Origins(), Labelled(jnp.int32(0), jnp.zeros(LABELS)))


def seen(params: Labelled) -> jax.Array:
    return params.seen


@part
class Walk:
    """A random walk in place of a model: draws are the current place, a fit adds a normal step. From generation
    ``breaks`` on, the fit of a chain that is then below 0 is not a number.
    """

    breaks: int = static(default=10**6)

    data = Rows

    def draw(self, key: jax.Array, params: jax.Array, n: Any, capacity: int) -> Rows:
        return self.draw_rows(key, params, n, capacity)

    def draw_rows(self, key: jax.Array, params: jax.Array, n: Any, capacity: int) -> Rows:
        return Rows(jnp.broadcast_to(params[None, :], (capacity, 2)), jnp.asarray(n, jnp.int32))

    def summarise(self, rows: Rows) -> Rows:
        return rows

    def fit(self, key: jax.Array, data: Rows, previous: jax.Array | None) -> jax.Array:
        place, age = data.points[0, 0], data.points[0, 1] + 1
        broken = (age > self.breaks) & (place < 0)
        return jnp.stack([jnp.where(broken, jnp.nan, place + jax.random.normal(key, (), place.dtype)), age])


def origin() -> mc.Law:
    """Where every ``Walk`` starts; the second entry counts its fits."""
    return mc.Law(Walk(), jnp.zeros(2))


def place(params: jax.Array) -> jax.Array:
    return params[0]


@part
class Noise:
    """A family whose rows are uniform numbers, whatever it was fitted to: two that are equal were drawn with one key."""

    data = Rows

    def draw(self, key: jax.Array, params: jax.Array, n: Any, capacity: int) -> Rows:
        return self.draw_rows(key, params, n, capacity)

    def draw_rows(self, key: jax.Array, params: jax.Array, n: Any, capacity: int) -> Rows:
        return Rows(jax.random.uniform(key, (capacity, 1)), jnp.asarray(n, jnp.int32))

    def summarise(self, rows: Rows) -> Rows:
        return rows

    def fit(self, key: jax.Array, data: Rows, previous: jax.Array | None) -> jax.Array:
        return jnp.zeros(())


@part
class Bigram:
    """A smoothed table of next tokens ``(V, V)``, which continues blocks token by token."""

    vocabulary: int = static(default=5)

    data = Rows
    tokens = True

    def draw(self, key: Any, params: Any, n: Any, capacity: int, given: Rows | None = None) -> Rows:
        return self.draw_rows(key, params, n, capacity, given)

    def draw_rows(self, key: Any, params: Any, n: Any, capacity: int, given: Rows | None = None) -> Rows:
        if given is None:
            raise TypeError("a Bigram continues what it is given")

        def following(last: Any, place: Any) -> Any:
            token = jax.random.categorical(jax.random.fold_in(key, place), params[last]).astype(jnp.int32)
            return token, token

        steps = jnp.arange(given.points.shape[1], dtype=jnp.int32)
        _, out = jax.lax.scan(following, given.points[:, -1], steps)
        return Rows(out.T, jnp.asarray(n, jnp.int32))

    def continued_rows(self, rows: Rows) -> Rows:
        return rows

    def summarise(self, rows: Rows) -> Rows:
        return rows

    def fit(self, key: Any, data: Rows, previous: Any) -> Any:
        there = jnp.broadcast_to(data.present[:, None], data.points[:, 1:].shape)
        counts = (
            jnp.ones((self.vocabulary, self.vocabulary))
            .at[data.points[:, :-1], data.points[:, 1:]]
            .add(there.astype(float))
        )
        return jnp.log(counts / counts.sum(1, keepdims=True))

    def log_probabilities(self, params: Any, blocks: Any) -> Any:
        return params[blocks[:, :-1], blocks[:, 1:]]


STEP = 1000


@part
class Continuing:
    """A toy language: the model of generation g is g + 1, and continues a token t by t + 1000 (g + 1)."""

    data = Rows
    tokens = True

    def draw(self, key: Any, params: Any, n: Any, capacity: int, given: Rows | None = None) -> Rows:
        return self.draw_rows(key, params, n, capacity, given)

    def draw_rows(self, key: Any, params: Any, n: Any, capacity: int, given: Rows | None = None) -> Rows:
        assert given is not None
        there = (jnp.arange(capacity, dtype=jnp.int32) < n)[:, None]
        # what is beyond n is never to be seen
        return Rows(jnp.where(there, given.points + STEP * params.astype(jnp.int32), -7), jnp.asarray(n, jnp.int32))

    def continued_rows(self, rows: Rows) -> Rows:
        return rows

    def summarise(self, rows: Rows) -> Rows:
        return rows

    def fit(self, key: Any, data: Rows, previous: Any) -> Any:
        return jnp.ones(()) if previous is None else previous + 1


@part
class Points:
    """The rows of the generation, with the room behind them."""

    needs_data = True
    settles = False

    def start(self, truth: Any, first: Any) -> tuple:
        return ()

    def update(self, carry: Any, state: Any, truth: Any) -> Any:
        return carry

    def read(self, carry: Any, state: Any, truth: Any) -> jax.Array:
        return state.data.points

"""Continuations of prompts by a network that reads one token at a time: tokens picked one by one, or beam search."""

from __future__ import annotations

from typing import Any, NamedTuple, Protocol

import jax
import jax.numpy as jnp

from modelcollapse.families.decoding import Decodes, Past
from modelcollapse.protocols import Params


class CachesTokens(Protocol):
    """A network that goes on from a prompt without reading it again: the methods of ``Transformer``."""

    @property
    def vocabulary(self) -> int: ...

    def begin(self, weights: Params, prompts: jax.Array, new: int, width: int = 1) -> tuple[jax.Array, Any]: ...

    def go_on(
        self, weights: Params, tokens: jax.Array, cache: Params, step: jax.Array, mine: jax.Array
    ) -> tuple[jax.Array, Any]: ...


class Lines(NamedTuple):
    """The lines ``b`` of each of ``n`` prompts: several in a beam search, one otherwise."""

    score: jax.Array  # (n, b) the sum of the scores of its tokens; in the order of a beam search, the best first
    tokens: jax.Array  # (n, b) the last one
    mine: jax.Array  # (n, b, new * b) which of all tokens so far are its own: place i * b + j is token j of step i
    seen: jax.Array | None  # (n, b, vocabulary) tokens of prompt and line, where the decoding reads them


def continued(
    network: CachesTokens,
    weights: Params,
    decoding: Decodes,
    key: jax.Array,
    prompts: jax.Array,
    rows: jax.Array,
    new: int,
) -> jax.Array:
    """``new`` tokens ``(n, new)`` int32 that follow each of ``prompts`` (n, t).

    ``rows`` ``(n,)`` int32 are the numbers of the prompts in the whole draw, which has this ``key``: what follows a
    prompt does not depend on which others are continued with it.
    """
    n, b = prompts.shape[0], decoding.width or 1
    each = jax.vmap(jax.random.fold_in, (None, 0))(key, rows)
    logits, cache = network.begin(weights, prompts, new, b)

    def chosen(lines: Lines, logits: jax.Array, step: jax.Array) -> Lines:
        past = Past(key, lines.seen, lines.tokens, step)
        scores = decoding.scores(logits, past)
        return _extended(lines, scores, step) if decoding.width else _picked(decoding, each, lines, scores, past)

    seen = None
    if decoding.needs_seen:
        seen = jnp.zeros((n, network.vocabulary), bool).at[jnp.arange(n, dtype=jnp.int32)[:, None], prompts].set(True)
        seen = jnp.broadcast_to(seen[:, None], (n, b, network.vocabulary))
    first = jnp.broadcast_to(jnp.where(jnp.arange(b, dtype=jnp.int32) == 0, 0.0, -jnp.inf), (n, b))
    lines = Lines(
        first.astype(logits.dtype),
        jnp.broadcast_to(prompts[:, -1:], (n, b)),
        jnp.zeros((n, b, new * b), bool),
        seen,
    )
    start = jnp.int32(0)
    lines = chosen(lines, jnp.broadcast_to(logits[:, None], (n, b, network.vocabulary)), start)

    def step(carry: tuple[Lines, Any], index: jax.Array) -> tuple[tuple[Lines, Any], jax.Array]:
        lines, cache = carry
        logits, cache = network.go_on(weights, lines.tokens, cache, index, lines.mine)
        after = chosen(lines, logits, index + 1)
        return (after, cache), after.tokens

    (last, _), tokens = jax.lax.scan(step, (lines, cache), jnp.arange(new - 1, dtype=jnp.int32))
    tokens = jnp.concatenate([lines.tokens[None], tokens])  # (new, n, b)
    mine = last.mine[:, 0].reshape(n, new, b)
    return jnp.where(mine, tokens.transpose(1, 0, 2), 0).sum(-1, dtype=jnp.int32)


def _extended(lines: Lines, scores: jax.Array, step: jax.Array) -> Lines:
    """The best extensions by one token, as many as there are lines."""
    n, b, vocabulary = scores.shape
    total = (lines.score[..., None] + scores).reshape(n, b * vocabulary)
    score, place = _largest(total, b)
    parent, token = place // vocabulary, place % vocabulary
    mine = jnp.take_along_axis(lines.mine, parent[..., None], 1)
    seen = None if lines.seen is None else jnp.take_along_axis(lines.seen, parent[..., None], 1)
    return _grown(Lines(score, token, mine, seen), step)


def _largest(x: jax.Array, k: int) -> tuple[jax.Array, jax.Array]:
    """The ``k`` largest entries of each row of ``x`` (n, m) and their places, as ``top_k``: of equal ones the first.

    On a CPU ``top_k`` sorts the whole row, which takes fifty times as long as five rounds.
    """
    if k > 16:
        return jax.lax.top_k(x, k)
    values, places = [], []
    every = jax.lax.broadcasted_iota(jnp.int32, x.shape, 1)
    for _ in range(k):
        value = x.max(-1)
        place = jnp.where(x == value[:, None], every, x.shape[1] - 1).min(-1)
        x = jnp.where(every == place[:, None], -jnp.inf, x)
        values.append(value)
        places.append(place)
    return jnp.stack(values, 1), jnp.stack(places, 1)


def _picked(decoding: Decodes, keys: jax.Array, lines: Lines, scores: jax.Array, past: Past) -> Lines:
    """One more token of the only line, with a key for each prompt and place."""
    here = jax.vmap(jax.random.fold_in, (0, None))(keys, past.place)
    token = jax.vmap(decoding.pick, (0, 0, Past(None, 0, 0, None)))(here, scores, past)  # type: ignore[arg-type]
    return _grown(lines._replace(tokens=token), past.place)


def _grown(lines: Lines, step: jax.Array) -> Lines:
    """Lines whose last tokens are among what they are made of, and what they have seen."""
    b, places = lines.mine.shape[1:]
    own = jnp.arange(places, dtype=jnp.int32)[None] == step * b + jnp.arange(b, dtype=jnp.int32)[:, None]
    seen = lines.seen
    if seen is not None:
        seen = seen | (jax.lax.broadcasted_iota(jnp.int32, seen.shape, 2) == lines.tokens[..., None])
    return lines._replace(mine=lines.mine | own[None], seen=seen)

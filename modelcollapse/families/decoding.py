r"""Decodings: from the logits of the next token to the token. One decoding serves n-grams, networks and watermarks.

``scores`` gives log weights of all tokens, which need not be normalised, and minus infinity for those that never come.
A decoding whose ``width`` is None then draws or chooses a token by ``pick``; one with a number is a beam search: a
network keeps the ``width`` lines with the largest sums of scores, and the best one is the continuation.

The rules that cut, their order and their names are those of the library transformers: penalty for repetition,
temperature, ``top_k``, ``top_p``, ``min_p``, ``typical``, ``epsilon``, ``eta``. Each rule sees what the one before has
left, renormalised, and one token stays at least. Tokens that tie with the last one kept are kept.
"""

from __future__ import annotations

from typing import NamedTuple, Protocol, runtime_checkable

import jax
import jax.numpy as jnp

from modelcollapse import arguments
from modelcollapse.protocols import Number
from modelcollapse.pytree import part, static


class Past(NamedTuple):
    """What a decoding may know besides logits ``(..., V)``."""

    key: jax.Array
    """The key of this generation's draw, the same for all rows and places: two generations never share it."""
    seen: jax.Array | None
    """``(..., V)`` boolean: the tokens of prompt and continuation so far; None where that is not known."""
    previous: jax.Array
    """``(...,)`` int32: the last token, of an n-gram the last token of the context; -1 if there is none."""
    place: jax.Array
    """``()`` int32: which new token this is, 0, 1, ...; 0 where tokens have no order, as in an n-gram."""


@runtime_checkable
class Decodes(Protocol):
    """How the next token comes from its logits, for any shape ``(..., V)`` and under ``vmap``."""

    @property
    def width(self) -> int | None:
        """None: tokens are taken by ``pick``. A number: a beam search keeps so many lines, by sums of ``scores``."""

    @property
    def needs_seen(self) -> bool:
        """Whether ``scores`` reads ``past.seen``: refused where that is not known."""

    def scores(self, logits: jax.Array, past: Past) -> jax.Array:
        """Log weights ``(..., V)`` of the next token: not normalised, minus infinity for what never comes."""

    def pick(self, key: jax.Array, scores: jax.Array, past: Past) -> jax.Array:
        """A token ``(...,)`` int32 for each row of ``scores``; ``key`` is new at each place and for each row."""


@part
class Sampled:
    r"""Draws the next token at random, from a law that may be sharpened and cut. The defaults are pure sampling.

    Parameters
    ----------
    temperature
        :math:`p \propto p^{1/\tau}`. 0 is greedy: the first of the most probable tokens.
    top_k
        Keeps the ``top_k`` most probable tokens.
    top_p
        Keeps the most probable tokens until their mass reaches ``top_p`` (Holtzman et al. 2020).
    min_p
        Keeps tokens with at least ``min_p`` times the largest probability (Nguyen et al. 2024).
    typical
        Keeps tokens in order of :math:`|-\log p - H|`, H the entropy, until their mass reaches ``typical`` (Meister et
        al. 2023).
    epsilon
        Keeps tokens of probability at least ``epsilon``.
    eta
        The same with the threshold :math:`\min(\eta, \sqrt{\eta}\, e^{-H})` (Hewitt et al. 2022).
    repetition
        Divides the *logits* of tokens that were seen, prompt included, by this number where they are positive, and
        multiplies them where they are negative (Keskar et al. 2019). It depends on the arbitrary zero of the logits;
        the penalty of ``Beam`` acts on log probabilities.

    None leaves a rule out, at no cost. A token is drawn in the precision of the logits: probabilities below about 1e-7
    of float32 are not resolved.
    """

    temperature: Number = 1.0
    top_k: int | None = static(default=None)
    top_p: Number | None = None
    min_p: Number | None = None
    typical: Number | None = None
    epsilon: Number | None = None
    eta: Number | None = None
    repetition: Number | None = None

    width = None
    samples = True

    def __post_init__(self) -> None:
        inside = arguments.optional(arguments.number, low=0.0, high=1.0, open_low=True)
        arguments.converted(
            self,
            temperature=arguments.nonnegative,
            top_k=arguments.optional(arguments.count),
            **dict.fromkeys(("top_p", "typical"), inside),
            **dict.fromkeys(("min_p", "epsilon", "eta"), arguments.optional(arguments.share)),
            repetition=arguments.optional(arguments.positive),
        )

    @property
    def needs_seen(self) -> bool:
        return self.repetition is not None

    def scores(self, logits: jax.Array, past: Past) -> jax.Array:
        dtype = logits.dtype
        if self.repetition is not None:
            penalty = jnp.asarray(self.repetition, dtype)
            logits = jnp.where(_known(past), jnp.where(logits < 0, logits * penalty, logits / penalty), logits)
        temperature = jnp.asarray(self.temperature, dtype)
        places = jax.lax.broadcasted_iota(jnp.int32, logits.shape, logits.ndim - 1)
        best = places == jnp.argmax(logits, -1)[..., None].astype(jnp.int32)
        # at 0 a division would give 0 / 0 for the best token
        sharp = logits / jnp.where(temperature > 0, temperature, 1.0)
        logits = jnp.where((temperature > 0) | best, sharp, -jnp.inf)
        if self.top_k is not None and self.top_k < logits.shape[-1]:
            logits = _cut(logits, logits >= jax.lax.top_k(logits, self.top_k)[0][..., -1:])
        if self.top_p is not None:
            logits = _cut(logits, _until(-logits, logits, self.top_p))
        if self.min_p is not None:
            weights = jax.nn.softmax(logits, -1)
            logits = _cut(logits, weights >= jnp.asarray(self.min_p, dtype) * weights.max(-1, keepdims=True))
        if self.typical is not None:
            logp, entropy = _entropy(logits)
            logits = _cut(logits, _until(jnp.abs(logp + entropy), logits, self.typical))
        if self.epsilon is not None:
            logits = _cut(logits, _likely(logits, jnp.asarray(self.epsilon, dtype)))
        if self.eta is not None:
            eta = jnp.asarray(self.eta, dtype)
            logits = _cut(logits, _likely(logits, jnp.minimum(eta, jnp.sqrt(eta) * jnp.exp(-_entropy(logits)[1]))))
        return logits

    def pick(self, key: jax.Array, scores: jax.Array, past: Past) -> jax.Array:
        return jax.random.categorical(key, scores).astype(jnp.int32)


@part
class Greedy:
    """The most probable token; of several, the first."""

    width = None
    needs_seen = False

    def scores(self, logits: jax.Array, past: Past) -> jax.Array:
        return logits

    def pick(self, key: jax.Array, scores: jax.Array, past: Past) -> jax.Array:
        return jnp.argmax(scores, -1).astype(jnp.int32)


@part
class Beam:
    r"""Beam search: the continuation with the largest sum of log probabilities among those that ``width`` lines reach.

    At each place the ``width`` best of all one-token extensions of the lines go on; with ``width`` 1 it is greedy. All
    continuations have the same length, so that there is no penalty for length.

    Parameters
    ----------
    width
        Number of lines; 5 in Shumailov et al. (2024).
    penalty
        Multiplies the *log probabilities* of tokens that were seen, prompt included, without renormalising them, as
        transformers does in a beam search; 2 in the paper's ablation. None for none. ``Sampled(repetition=...)`` acts
        on logits, and is another thing.
    """

    width: int = static(default=5)
    penalty: Number | None = None

    def __post_init__(self) -> None:
        arguments.converted(self, width=arguments.count, penalty=arguments.optional(arguments.positive))

    @property
    def needs_seen(self) -> bool:
        return self.penalty is not None

    def scores(self, logits: jax.Array, past: Past) -> jax.Array:
        logp = jax.nn.log_softmax(logits, -1)
        if self.penalty is None:
            return logp
        return jnp.where(_known(past), logp * jnp.asarray(self.penalty, logp.dtype), logp)

    def pick(self, key: jax.Array, scores: jax.Array, past: Past) -> jax.Array:
        """What a search of one token chooses."""
        return jnp.argmax(scores, -1).astype(jnp.int32)


def _known(past: Past) -> jax.Array:
    if past.seen is None:
        raise ValueError("a penalty for repetition needs the tokens seen so far, and this family does not know them")
    return past.seen


def _cut(logits: jax.Array, stays: jax.Array) -> jax.Array:
    return jnp.where(stays, logits, -jnp.inf)


def _until(order: jax.Array, logits: jax.Array, mass: Number) -> jax.Array:
    """Which tokens come, by increasing ``order`` (..., V), before ``mass`` of the probability is reached; one at least.

    Those that tie with the last stay as well.
    """
    ordered, weights = jax.lax.sort((order, jax.nn.softmax(logits, -1)), num_keys=1)
    before = jnp.cumsum(weights, -1) - weights
    last = (before < jnp.asarray(mass, logits.dtype)).sum(-1, keepdims=True, dtype=jnp.int32) - 1
    return order <= jnp.take_along_axis(ordered, last, -1)


def _entropy(logits: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Log probabilities ``(..., V)`` and entropy ``(..., 1)`` in nats."""
    logp = jax.nn.log_softmax(logits, -1)
    return logp, -jnp.where(logp > -jnp.inf, jnp.exp(logp) * logp, 0.0).sum(-1, keepdims=True)


def _likely(logits: jax.Array, least: jax.Array) -> jax.Array:
    """Tokens of probability at least ``least``, and the most probable ones."""
    weights = jax.nn.softmax(logits, -1)
    return (weights >= least) | (weights == weights.max(-1, keepdims=True))

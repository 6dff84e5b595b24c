r"""Watermarks: decodings that leave a mark in the tokens, and the scores by which a detector with the key finds it.

``Watermarked`` raises the logits of a green list (Kirchenbauer et al. 2023), ``Gumbel`` draws by the exponential
minimum (Aaronson 2022). Both are seeded by the previous token and a key. One key in all generations is a selection
that compounds: the odds of a green list grow by the factor :math:`e^\delta` each generation, and a context under a
fixed-key ``Gumbel`` is a point mass after one.

Scores are minus the logarithm of an exact p-value, so that a block of any length is flagged by one threshold:
``Detected(pool, score=watermark.score(vocabulary), threshold=-log(rate))``. The p-value is over keys, of text that does
not depend on the key; in real text written before the key was drawn, for instance.
"""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from modelcollapse import arguments
from modelcollapse.addresses import WATERMARK, fold
from modelcollapse.families.decoding import Decodes, Past, Sampled
from modelcollapse.families.watermark_seeds import (
    green_counts,
    green_lists,
    green_number,
    gumbel_sums,
    key_of,
    seeded_words,
    winner,
)
from modelcollapse.numeric import shown
from modelcollapse.protocols import Number, Samples
from modelcollapse.pytree import part, static

PER = ("previous", "place", "block")


@part
class Watermarked:
    r"""``decoding``, after which the logits of a green list are raised by ``delta`` (Kirchenbauer et al. 2023).

    The list has ``round(share * V)`` of the V tokens (halves up), drawn by the key and the previous token; all lists of
    that size are alike. As in transformers the mark comes after penalty, temperature and cuts, and in a beam search it
    is added to the log probabilities. An n-gram context has one list, of the last token of the context.

    Parameters
    ----------
    decoding
        ``Sampled()``, ``Greedy()`` or ``Beam()``.
    share
        Share of the vocabulary that is green, in (0, 1).
    delta
        :math:`\delta`, added to green logits: at least 0, a leaf. 0 changes nothing.
    key
        A whole number: one key in all generations. None: a new one each generation, which no detector has.

    Raises
    ------
    TypeError
        If ``decoding`` is no decoding.
    ValueError
        If ``share`` lies outside (0, 1), or ``delta`` or ``key`` is negative.
    """

    decoding: Any = Sampled()
    share: float = static(default=0.25)
    delta: Number = 2.0
    key: int | jax.Array | None = 0

    def __post_init__(self) -> None:
        inside = arguments.checker(arguments.number, low=0.0, high=1.0, open_low=True, open_high=True)
        arguments.converted(
            self, decoding=_decoding, share=inside, delta=arguments.nonnegative, key=arguments.optional(arguments.whole)
        )

    @property
    def width(self) -> int | None:
        return self.decoding.width

    @property
    def needs_seen(self) -> bool:
        return self.decoding.needs_seen

    @property
    def samples(self) -> bool:
        return isinstance(self.decoding, Samples) and self.decoding.samples

    def scores(self, logits: jax.Array, past: Past) -> jax.Array:
        scores = self.decoding.scores(logits, past)
        green = green_lists(_of_draw(self.key, past), past.previous, scores.shape[-1], self.share)
        return jnp.where(green, scores + jnp.asarray(self.delta, scores.dtype), scores)

    def pick(self, key: jax.Array, scores: jax.Array, past: Past) -> jax.Array:
        return self.decoding.pick(key, scores, past)

    def score(self, vocabulary: int) -> GreenScore:
        """The score of a detector that knows this key; ValueError where there is a new key each generation."""
        return GreenScore(vocabulary, self.share, _known(self.key))


@part
class Gumbel:
    r"""Draws from the law of ``decoding`` by the exponential minimum, the token of least :math:`-\log(U_i)/p_i`
    (Aaronson 2022).

    The uniforms :math:`U_i` come from the key and what ``per`` names. Over keys a token has its own probability, but
    all draws with the same seed after the same context are the same token: under ``per="previous"`` an n-gram context
    is a point mass after one generation, with a new key each generation too.

    Parameters
    ----------
    decoding
        ``Sampled()``, whose law is drawn from. A beam search draws nothing, and is refused.
    key
        A whole number: one key in all generations. None: a new one each generation, which no detector has.
    per
        What seeds a draw beside the key: the "previous" token; that and the "place" in the block; or "block": each
        block and place has a seed of its own. That is plain sampling, which leaves an n-gram's rows as they are, and
        only who keeps the seeds of each block finds it.

    Raises
    ------
    TypeError
        If ``decoding`` is no decoding.
    ValueError
        If ``decoding`` searches, ``key`` is negative, or ``per`` is another word.
    """

    decoding: Any = Sampled()
    key: int | jax.Array | None = 0
    per: str = static(default="previous")

    width = None
    samples = True
    """With a seed that is not each block's own, from the law of one sure token."""

    def __post_init__(self) -> None:
        per = arguments.checker(arguments.choice, allowed=PER)
        arguments.converted(self, decoding=_drawing, key=arguments.optional(arguments.whole), per=per)

    @property
    def needs_seen(self) -> bool:
        return self.decoding.needs_seen

    def scores(self, logits: jax.Array, past: Past) -> jax.Array:
        scores = self.decoding.scores(logits, past)
        if self.per == "block":
            return scores
        seed = fold(_of_draw(self.key, past), WATERMARK)
        words = seeded_words(fold(seed, past.place) if self.per == "place" else seed, past.previous, scores.shape[-1])
        return _only(winner(scores, words), scores)

    def pick(self, key: jax.Array, scores: jax.Array, past: Past) -> jax.Array:
        if self.per == "block":
            return winner(scores, jax.random.bits(fold(key, WATERMARK), scores.shape, jnp.uint32))
        return jnp.argmax(scores, -1).astype(jnp.int32)

    def score(self, vocabulary: int) -> GumbelScore:
        """The score of a detector that knows this key; ValueError where none does."""
        if self.per == "block":
            raise ValueError("per must be 'previous' or 'place' for a score: no detector has the seeds of each block")
        return GumbelScore(vocabulary, _known(self.key), self.per)


class _Valued:
    """Scores of one detector are equal if their fields are, so that they share a compiled program."""

    def __eq__(self, other: object) -> bool:
        return type(other) is type(self) and vars(other) == vars(self)

    def __hash__(self) -> int:
        return hash((type(self), *vars(self).values()))

    @staticmethod
    def threshold(rate: float) -> float:
        """The least score whose false-positive rate is at most ``rate``, in (0, 1]: minus its logarithm."""
        return -float(np.log(arguments.number("rate", rate, 0.0, 1.0, open_low=True)))


@part
class GreenScore(_Valued):
    r"""Minus the logarithm of the p-value :math:`P(\mathrm{Bin}(T, g) \ge G)` of each block of tokens ``(n, L)``,
    ``(n,)``.

    G of the T different pairs (previous token, token) of a block are green; the first token has no previous one. g is
    the share of the vocabulary that is listed. For text that does not depend on the key the binomial law is exact if no
    previous token comes twice. Otherwise tokens that share a list are negatively dependent, and p-values below the
    median bound the true ones from above (Hoeffding 1956).

    Parameters
    ----------
    vocabulary
        Number of tokens V, at least 2.
    share, key
        As in ``Watermarked``.

    Raises
    ------
    ValueError
        If ``vocabulary`` is below 2, ``share`` lies outside (0, 1) or ``key`` is negative.
    """

    vocabulary: int = static()
    share: float = static(default=0.25)
    key: int = static(default=0)

    def __post_init__(self) -> None:
        inside = arguments.checker(arguments.number, low=0.0, high=1.0, open_low=True, open_high=True)
        arguments.converted(
            self, vocabulary=arguments.checker(arguments.whole, minimum=2), share=inside, key=arguments.whole
        )
        _ = self.listed

    @property
    def listed(self) -> int:
        """How many tokens are on a list."""
        return green_number(self.share, self.vocabulary)

    def counts(self, points: jax.Array) -> tuple[jax.Array, jax.Array]:
        """How many different pairs each block has, and how many of them are green: two ``(n,)`` int32."""
        return green_counts(key_of(self.key), points, self.vocabulary, self.share)

    def __call__(self, points: jax.Array) -> jax.Array:
        pairs, green = self.counts(points)
        table = _binomial_tails(points.shape[1] - 1, self.listed / self.vocabulary)
        return jnp.asarray(table, jnp.result_type(float))[pairs, green]


@part
class GumbelScore(_Valued):
    r"""Minus the logarithm of the p-value :math:`P(\Gamma(T) \ge S)` of each block of tokens ``(n, L)``, ``(n,)``.

    S is the sum of :math:`-\log(1 - U)` over the T different pairs (previous token, token), with the place if ``per``
    is "place"; the first token has no previous one. For text that does not depend on the key the law is exact.

    Parameters
    ----------
    vocabulary
        Number of tokens V, at least 2.
    key, per
        As in ``Gumbel``; ``per`` is "previous" or "place".

    Raises
    ------
    ValueError
        If ``vocabulary`` is below 2, ``key`` is negative or ``per`` is another word.
    """

    vocabulary: int = static()
    key: int = static(default=0)
    per: str = static(default="previous")

    def __post_init__(self) -> None:
        arguments.converted(
            self, vocabulary=arguments.checker(arguments.whole, minimum=2), key=arguments.whole,
            per=arguments.checker(arguments.choice, allowed=PER[:2]),
        )  # fmt: skip

    def sums(self, points: jax.Array) -> tuple[jax.Array, jax.Array]:
        """How many different pairs each block has, int32, and the sum S of their scores: two ``(n,)``."""
        return gumbel_sums(key_of(self.key), points, self.vocabulary, self.per)

    def __call__(self, points: jax.Array) -> jax.Array:
        pairs, total = self.sums(points)
        # Q(T, S) = e^-S sum_{k < T} S^k/k!, in logarithms
        k = np.arange(max(points.shape[1] - 1, 1))
        factorials = jnp.asarray(_log_factorials(k), total.dtype)[None]
        terms = jax.scipy.special.xlogy(jnp.asarray(k, total.dtype)[None], total[:, None]) - factorials
        inside = jnp.asarray(k, jnp.int32)[None] < pairs[:, None]
        tail = jax.nn.logsumexp(jnp.where(inside, terms, -jnp.inf), -1)
        return jnp.where(pairs > 0, jnp.maximum(total - tail, 0.0), 0.0)


def _only(token: jax.Array, scores: jax.Array) -> jax.Array:
    """Log weights of a sure ``token`` (...,)."""
    there = jax.lax.broadcasted_iota(jnp.int32, scores.shape, scores.ndim - 1) == token[..., None]
    return jnp.where(there, jnp.zeros((), scores.dtype), -jnp.inf)


def _log_factorials(n: np.ndarray) -> np.ndarray:
    from scipy import special  # takes a while

    return special.gammaln(np.asarray(n, np.float64) + 1)


def _binomial_tails(most: int, chance: float) -> np.ndarray:
    """-log P(Bin(T, chance) >= G) at [T, G], for T and G from 0 to ``most``; infinite where G > T."""
    trials, count = np.arange(most + 1.0)[:, None], np.arange(most + 1.0)[None]
    with np.errstate(divide="ignore", invalid="ignore"):
        ways = _log_factorials(trials) - _log_factorials(count) - _log_factorials(np.maximum(trials - count, 0))
        logs = ways + count * np.log(chance) + (trials - count) * np.log1p(-chance)
    logs = np.where(count <= trials, logs, -np.inf)
    return np.maximum(-np.logaddexp.accumulate(logs[:, ::-1], axis=1)[:, ::-1], 0.0)


def _of_draw(key: int | jax.Array | None, past: Past) -> jax.Array:
    return past.key if key is None else key_of(key)


def _known(key: int | jax.Array | None) -> int:
    if key is None:
        raise ValueError("key must be a whole number for a score, got None: no detector has a key that is always new")
    return arguments.whole("key", key)


def _decoding(name: str, value: object) -> Decodes:
    if not isinstance(value, Decodes) or isinstance(value, type):
        raise TypeError(f"{name} must be a decoding, such as Sampled(), got {shown(value)}")
    return value


def _drawing(name: str, value: object) -> Decodes:
    found = _decoding(name, value)
    if found.width is not None:
        raise ValueError(f"{name} must draw at random for Gumbel, such as Sampled(), got {shown(value)}")
    return found

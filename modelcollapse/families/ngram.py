r"""n-gram models: a law of the next token for each context, refitted to tokens drawn after real contexts.

Each generation draws one token for each real place, after the real context (teacher-forced), so that every context is a
chain of its own: of Wright and Fisher, with mutation where there is smoothing.
"""

from __future__ import annotations

import dataclasses
from typing import Any, Self

import jax
import jax.numpy as jnp
import numpy as np

from modelcollapse import arguments
from modelcollapse.addresses import NGRAM_ORDER, NGRAM_PROMPTS, NGRAM_TOKENS, fold
from modelcollapse.data import Rows
from modelcollapse.families.decoding import Past, Sampled
from modelcollapse.families.transitions import Text, Transitions, text_of
from modelcollapse.laws import Law, Table
from modelcollapse.protocols import Count, Needs, Source
from modelcollapse.pytree import part, static
from modelcollapse.sampling import exact, keys, multinomial


@part
class NextTokens:
    r"""The law of an n-gram model: of the next token after each of C contexts.

    .. math:: p_c(a) = (1 - g_c) X_{ca} / M_c + g_c u_a

    Attributes
    ----------
    seen
        The tokens that the model was fitted to, X; of a context without any, those of its last fit.
    mutation
        ``(C,)``: the weight g of the background.
    background
        ``(V,)``: the law u.
    weights
        ``(C,)``: the share of each context in the real text.
    """

    seen: Any
    mutation: jax.Array
    background: jax.Array
    weights: jax.Array

    @property
    def probabilities(self) -> jax.Array:
        """The law of the next token after each context, ``(C, V)``, before any decoding."""
        dtype = self.mutation.dtype
        total = jnp.maximum(self.seen.of_contexts, 1).astype(dtype)[:, None]
        share = self.mutation[:, None]
        # a token that is left alone has probability 1 exactly
        raw = jnp.where(self.seen.counts == self.seen.of_contexts[:, None], 1.0, self.seen.counts.astype(dtype) / total)
        return (1 - share) * raw + share * self.background[None]


@part
class NGram:
    r"""An n-gram model of order n: the law of the next token after each context of n - 1 tokens.

    The source is a text, blocks of tokens ``(n, L)`` (``mc.text.tokens``) or one text ``(L,)`` (``mc.labels(words)``);
    the contexts are those of this text. A data set has one token for each place, drawn after the real context of that
    place, and ``size`` is the number of places: N = n (L - order + 1) where prompts are fixed.

    Fitted to X of M tokens after a context, the model has
    :math:`p = (1 - g) X / M + g u`, where ``smoothing`` :math:`\lambda` (add-lambda) has
    :math:`g = V \lambda / (M + V \lambda)` and u uniform, ``strength`` :math:`\mu` (Dirichlet) has
    :math:`g = \mu / (M + \mu)`, and ``interpolation`` (Jelinek and Mercer) is g. Parameters: a ``NextTokens``.

    Parameters
    ----------
    order
        n: 2 for a bigram model. 1 is the unigram model, whose only context is empty.
    smoothing
        What is added to each count, at least 0.
    background
        The law u ``(V,)`` for ``strength`` or ``interpolation``; None for the uniform one.
    strength, interpolation
        At most one of the three ways to smooth.
    decoding
        How tokens come from the law; None, or ``Sampled()``, is pure sampling.
    prompts
        "fixed": each generation goes once through the real text, so that each context has as many tokens as there.
        "random": the context of each place is drawn anew, by its share in the real text; a context without data keeps
        its law, at generation 0 that of the real text.
    vocabulary
        V; None for what the source says, or its largest token and 1.
    text
        The contexts of the real text, which a source tells.
    """

    order: int = static(default=2)
    smoothing: Any = 0.0
    background: Any = None
    strength: Any = None
    interpolation: Any = None
    decoding: Any = None
    prompts: str = static(default="fixed")
    vocabulary: int | None = static(default=None)
    text: Any = None

    tokens = True
    default_observables = ("heterozygosity", "support_size")

    def __post_init__(self) -> None:
        arguments.converted(
            self,
            order=arguments.count,
            smoothing=arguments.nonnegative,
            background=arguments.optional(arguments.law),
            strength=arguments.optional(arguments.nonnegative),
            interpolation=arguments.optional(arguments.share),
            prompts=arguments.checker(arguments.choice, ("fixed", "random")),
            vocabulary=arguments.optional(arguments.count),
        )
        plain = isinstance(self.decoding, Sampled) and not arguments.traced(self.decoding)
        if plain and repr(self.decoding) == repr(Sampled()):
            object.__setattr__(self, "decoding", None)

    @property
    def data(self) -> type[Any]:
        return Transitions if self.text is None else type(self.text.data)

    def told(self, source: Source) -> NGram:
        """This family with the contexts of a text."""
        text = self.reading(source).family.text
        return dataclasses.replace(self, text=text, vocabulary=text.vocabulary)

    def reading(self, source: Source) -> Law:
        """A table of tokens as the law of its next tokens, after its contexts."""
        if isinstance(source, Law) and isinstance(source.family, RealText | NGram):
            return source
        if not isinstance(source, Table):
            raise TypeError(
                f"source must be a text, tokens(blocks) or labels(words), for NGram, got {type(source).__name__}"
            )
        vocabulary = source.states if self.vocabulary is None else self.vocabulary
        text = text_of(source, self.order, vocabulary)
        real = RealText(text, self.prompts, source.replace)
        return Law(real, real.law())

    def draw(self, key: jax.Array, params: NextTokens, n: Count, capacity: int, given: Any = None) -> Transitions:
        """A token for each place: of ``given`` places, after the contexts that these have."""
        text = self.text
        places = _places(key, text, n, self.prompts) if given is None else given.of_contexts
        return _drawn(fold(key, NGRAM_TOKENS), self._weights(key, params), places, text.longest)

    def _weights(self, key: jax.Array, params: NextTokens) -> jax.Array:
        """Weights ``(C, V)`` of the next token, as they are decoded."""
        if self.decoding is None:
            return params.probabilities
        contexts = jnp.asarray(self.text.contexts)
        previous = contexts[:, -1] if self.order > 1 else jnp.full(len(contexts), -1, jnp.int32)
        past = Past(key, None, previous, jnp.int32(0))
        scores = self.decoding.scores(jnp.log(params.probabilities), past)
        return jnp.exp(scores - scores.max(-1, keepdims=True))

    def draw_rows(self, key: jax.Array, params: NextTokens, n: Count, capacity: int, given: Any = None) -> Rows:
        """The same tokens as n-grams ``(capacity, order)``, context and token, in random order."""
        return _rows(key, self.text, self.draw(key, params, n, capacity, given), capacity)

    def continued_rows(self, rows: Any) -> Any:
        return rows

    def summarise(self, rows: Rows) -> Transitions:
        """n-grams ``(n, order)``, counted; -1 everywhere if one has a context that the text lacks."""
        grams = rows.points
        context, token = self.text.numbers(grams[:, :-1]), grams[:, -1]
        shape = self.text.data.counts.shape
        inside = (context >= 0) & (token >= 0) & (token < shape[1])
        counts = jnp.zeros(shape, jnp.int32).at[context, token].add((rows.present & inside).astype(jnp.int32))
        return Transitions(jnp.where((inside | ~rows.present).all(), counts, -1))

    def fit(self, key: jax.Array, data: Transitions, previous: NextTokens | None) -> NextTokens:
        text, dtype = self.text, jnp.result_type(float)
        before = jnp.asarray(text.data.counts) if previous is None else previous.seen.counts
        seen = Transitions(jnp.where(data.of_contexts[:, None] != 0, data.counts, before))
        vocabulary = text.vocabulary
        uniform = jnp.full(vocabulary, 1 / vocabulary, dtype)
        background = uniform if self.background is None else jnp.asarray(self.background, dtype)
        real = text.data.of_contexts
        weights = jnp.asarray(real).astype(dtype) / jnp.asarray(real.sum(), dtype)
        return NextTokens(seen, self._mutation(seen.of_contexts.astype(dtype)), background, weights)

    def _mutation(self, total: jax.Array) -> jax.Array:
        """g of contexts with ``total`` tokens each."""
        dtype = total.dtype
        if self.interpolation is not None:
            return jnp.broadcast_to(jnp.asarray(self.interpolation, dtype), total.shape)
        added = self.text.vocabulary * jnp.asarray(self.smoothing, dtype)
        added = added if self.strength is None else jnp.asarray(self.strength, dtype)
        return added / (total + added)

    def valid(self, params: NextTokens) -> jax.Array:
        return (params.seen.counts >= 0).all() & jnp.isfinite(params.mutation).all()

    def check(self, source: Source, sizes: np.ndarray) -> None:
        size = int(self.text.data.size)
        if self.prompts == "fixed" and (sizes != size).any() and False:
            raise ValueError(f"size must be {size}, the number of places of the text, got {sizes.max()}")

    def project(self, source: Source) -> NextTokens | None:
        return source.params if isinstance(source, Law) and isinstance(source.family, RealText) else None


@part
class RealText:
    """What is real for an n-gram model: the tokens of a text after their contexts.

    Where prompts are fixed and the table is drawn without replacement, a data set is the text itself.
    """

    text: Text
    prompts: str = static(default="fixed")
    replace: bool = static(default=True)

    @property
    def data(self) -> type[Any]:
        return type(self.text.data)

    def law(self) -> NextTokens:
        """The frequencies of the text itself."""
        return NGram(self.text.order, vocabulary=self.text.vocabulary, text=self.text).fit(
            jax.random.key(0), jax.tree.map(jnp.asarray, self.text.data), None
        )

    def draw(self, key: jax.Array, params: NextTokens, n: Count, capacity: int) -> Transitions:
        if not self.replace:
            return jax.tree.map(jnp.asarray, self.text.data).take(fold(key, NGRAM_TOKENS), n, capacity)
        places = _places(key, self.text, n, self.prompts)
        return _drawn(fold(key, NGRAM_TOKENS), params.seen.counts, places, self.text.longest)

    def draw_rows(self, key: jax.Array, params: NextTokens, n: Count, capacity: int) -> Rows:
        return _rows(key, self.text, self.draw(key, params, n, capacity), capacity)


def _rows(key: jax.Array, text: Text, data: Transitions, capacity: int) -> Rows:
    """The n-grams of a data set, in random order."""
    count = data.size
    row = jnp.arange(capacity, dtype=jnp.int32)
    bits = jnp.where(row < count, jax.random.bits(fold(key, NGRAM_ORDER), (capacity,)) >> 1, jnp.uint32(0xFFFFFFFF))
    cell = exact.search(jnp.cumsum(data.counts.reshape(-1), dtype=jnp.int32), jnp.argsort(bits).astype(jnp.int32))
    context, token = jnp.divmod(jnp.minimum(cell, data.counts.size - 1), text.vocabulary)
    return Rows(jnp.concatenate([jnp.asarray(text.contexts)[context], token[:, None]], axis=1), count)


def _places(key: jax.Array, text: Text, n: Count, prompts: str) -> jax.Array:
    """How many of ``n`` places each context has, ``(C,)`` int32."""
    real = jnp.asarray(text.data.of_contexts)
    if prompts == "fixed":
        return jnp.where(jnp.asarray(n) > 0, real, 0)
    return multinomial(fold(key, NGRAM_PROMPTS), jnp.asarray(n, jnp.int32), real)


def _drawn(key: jax.Array, weights: jax.Array, places: jax.Array, longest: int) -> Transitions:
    """Tokens of contexts with ``weights`` (C, V), so many for each as ``places`` (C,) says."""
    each = jax.vmap(keys.fold, (None, 0))(keys.wrap(key), jnp.arange(len(places), dtype=jnp.uint32))
    return Transitions(jax.vmap(multinomial)(each, places, weights))

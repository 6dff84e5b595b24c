r"""n-gram models: a law of the next token for each context, refitted to tokens that are drawn after real contexts.

Each generation draws a token for each real place, after the real context (teacher-forced), so that every context is a
chain of its own: of Wright and Fisher, with mutation where there is smoothing.
"""

from __future__ import annotations

import dataclasses
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from modelcollapse import arguments
from modelcollapse.addresses import NGRAM_ORDER, NGRAM_PROMPTS, NGRAM_TOKENS, fold
from modelcollapse.data import Rows
from modelcollapse.families import ngram_draws
from modelcollapse.families.decoding import Sampled
from modelcollapse.families.real_text import Text, counted, ngrams, text_of
from modelcollapse.families.transitions import Places, Transitions
from modelcollapse.laws import Law, Table
from modelcollapse.protocols import Count, InPlace, Needs, Regime, Source
from modelcollapse.pytree import part, static
from modelcollapse.sampling import exact, multinomial

CELLS = 10**7
"""Beyond so many cells, contexts times tokens, a data set has no table of counts."""
_CELL = 50
"""What drawing a count costs, in tokens drawn one by one."""


@part
class NextTokens:
    r"""The law of an n-gram model: of the next token after each of C contexts, before any decoding.

    .. math:: p_c(a) = (1 - g_c) X_{ca} / M_c + g_c u_a

    Attributes
    ----------
    seen
        The M tokens after each context that the model was fitted to: X. A context without any has those of its last
        fit.
    mutation
        ``(C,)``: the weight g of the background.
    background
        ``(V,)``: the law u.
    weights
        ``(C,)``: the share of each context in the real text.
    """

    seen: Transitions | Places
    mutation: jax.Array
    background: jax.Array
    weights: jax.Array

    @property
    def probabilities(self) -> jax.Array:
        """``(C, V)``."""
        return self._smoothed(self.seen.table(self.background.size), self.seen.of_contexts, self.mutation)

    def rows(self, contexts: jax.Array) -> jax.Array:
        """The laws ``(K, V)`` of some contexts, by number, in ascending order."""
        if isinstance(self.seen, Transitions):
            return self.probabilities[contexts]
        vocabulary, place = self.background.size, self.seen.contexts()
        there = (jnp.arange(len(self.seen.tokens), dtype=jnp.int32) < self.seen.passes)[:, None]
        row = exact.search(contexts, place) - 1
        mine = (row >= 0) & (contexts[jnp.maximum(row, 0)] == place)
        row = jnp.where(mine, row, contexts.size)[None]
        counts = jnp.zeros((contexts.size, vocabulary), jnp.int32)
        counts = counts.at[row, self.seen.tokens].add(there.astype(jnp.int32), mode="drop")
        return self._smoothed(counts, self.seen.of_contexts[contexts], self.mutation[contexts])

    def _smoothed(self, counts: jax.Array, total: jax.Array, mutation: jax.Array) -> jax.Array:
        g, u = mutation[:, None], self.background[None]
        return (1 - g) * frequencies(counts, total[:, None], g.dtype) + g * u

    def of_next(self, contexts: jax.Array, tokens: jax.Array) -> jax.Array:
        """Probabilities ``(n,)`` of ``tokens`` (n,) after ``contexts`` (n,), by number; after number C, which the text
        lacks, those of the background, or 0 without smoothing.
        """
        g, total = self.mutation, self.seen.of_contexts
        g = jnp.append(g, (g.max() > 0).astype(g.dtype))[contexts]
        raw = frequencies(self.seen.seen(contexts, tokens), jnp.append(total, 1)[contexts], g.dtype)
        return (1 - g) * raw + g * self.background[tokens]

    @property
    def support_size(self) -> jax.Array:
        """How many different n-grams the model was fitted to, int32 ``()``."""
        if self._small:
            return (self.seen.table(self.background.size) > 0).sum(dtype=jnp.int32)
        return (self.seen.runs()[2] > 0).sum(dtype=jnp.int32)  # type: ignore[union-attr]

    @property
    def heterozygosity(self) -> jax.Array:
        r"""Probability :math:`\sum_c w_c (1 - \sum_a p_c(a)^2)` that two tokens after one context differ, ``()``."""
        return self._mean(lambda p: p * (1 - p))

    @property
    def entropy(self) -> jax.Array:
        r"""Conditional entropy :math:`-\sum_c w_c \sum_a p_c(a) \ln p_c(a)`, in nats, ``()``."""
        return self._mean(jax.scipy.special.entr)

    @property
    def _small(self) -> bool:
        return isinstance(self.seen, Transitions) or self.mutation.size * self.background.size <= CELLS

    def _mean(self, function: Any) -> jax.Array:
        """The mean over contexts, by their real shares, of the sum of a function of the probabilities of tokens."""
        if self._small:
            return self.weights @ function(self.probabilities).sum(1)
        context, token, times = self.seen.runs()  # type: ignore[union-attr]
        total, g, u = self.seen.of_contexts, self.mutation, self.background
        unseen = jax.lax.map(lambda share: function(share * u).sum(), g, batch_size=64)
        here = jnp.minimum(context, g.size - 1)
        low = g[here] * u[jnp.clip(token, 0, u.size - 1)]
        p = (1 - g[here]) * frequencies(times, total[here], g.dtype) + low
        gained = jnp.where(times > 0, self.weights[here] * (function(p) - function(low)), 0.0)
        return self.weights @ unseen + gained.sum()


def frequencies(counts: jax.Array, total: jax.Array, dtype: Any) -> jax.Array:
    """Counts over their totals; all of them is exactly 1, which a product with a rounded reciprocal is not."""
    share = counts.astype(dtype) / jnp.maximum(total, 1).astype(dtype)
    return jnp.where((counts == total) & (total > 0), 1.0, share)


@part
class NGram:
    r"""An n-gram model of order n: a law of the next token after each context of n - 1 tokens.

    The source is a text: blocks of tokens ``(m, L)``, ``mc.text.tokens(blocks)``, or one text ``(L,)``,
    ``mc.labels(words)``. Its n-grams within blocks are the places, N = m (L - n + 1) of them; the first n - 1 tokens of
    a block are never predicted. A data set has one token for each place, drawn after the real context of that place,
    and ``size`` counts places. A table that is drawn without replacement gives generation 0 the text itself; one with
    replacement (``table``'s default), draws from the frequencies of the text after each context.

    Fitted to X, of which M tokens follow a context, the model is :math:`p = (1 - g) X / M + g u`: the next data set is
    the chain of Wright and Fisher with mutation. With ``smoothing`` :math:`\lambda`, add-lambda,
    :math:`g = V \lambda / (M + V \lambda)` and u is uniform; with ``strength`` :math:`\mu`, Dirichlet,
    :math:`g = \mu / (M + \mu)`; ``interpolation``, Jelinek and Mercer, is g. Parameters: a ``NextTokens``.

    Parameters
    ----------
    order
        n: 2 for a bigram model, 1 for unigrams, whose only context is empty.
    smoothing
        What is added to each count, at least 0.
    background
        The law u ``(V,)`` for ``strength`` or ``interpolation``; None for the uniform one.
    strength, interpolation
        The other two ways to smooth; at most one of the three.
    decoding
        How tokens come from the law: ``Sampled``, ``Greedy``, ``Beam``, whose search of one token is greedy, or
        ``Watermarked``. None, as ``Sampled()``, is pure sampling.
    prompts
        "fixed": each generation goes once through the real text, so that ``size`` is N and each context has as many
        tokens as in the text. "random": the context of each of ``size`` places is drawn anew, by its share in the real
        text; a context without data keeps its law, at generation 0 that of the real text.
    form
        What a data set is: "counts" ``(C, V)``; or "tokens", the next token of each place, 4 bytes each. Both are one
        law. None takes tokens beyond 10^7 cells, and where drawing so many tokens costs less.
    vocabulary
        V; None for what the source says, or its largest token and 1.
    text
        The real text; the source tells it.

    Raises
    ------
    TypeError
        If the source is no text, or holds something other than whole numbers.
    ValueError
        If a token lies outside the vocabulary, the text has blocks shorter than the order or a single word; if
        ``decoding`` needs the tokens before the context; or if a regime asks for part of a text whose prompts are fixed.
    """

    order: int = static(default=2)
    smoothing: Any = 0.0
    background: Any = None
    strength: Any = None
    interpolation: Any = None
    decoding: Any = None
    prompts: str = static(default="fixed")
    form: str | None = static(default=None)
    vocabulary: int | None = static(default=None)
    text: Text | None = None

    tokens = True
    default_observables = ("heterozygosity", "entropy", "support_size")

    def __post_init__(self) -> None:
        arguments.converted(
            self,
            order=arguments.count,
            smoothing=arguments.nonnegative,
            background=arguments.optional(arguments.law),
            strength=arguments.optional(arguments.nonnegative),
            interpolation=arguments.optional(arguments.share),
            decoding=_decoding,
            prompts=arguments.checker(arguments.choice, allowed=("fixed", "random")),
            form=arguments.optional(arguments.choice, ("counts", "tokens")),
            vocabulary=arguments.optional(arguments.count),
        )
        _check_smoothing(self)

    @property
    def data(self) -> type[Any]:
        return Transitions if self.text is None else type(self.text.data)

    def reading(self, source: Source) -> Law:
        """A table of tokens as the law of its next tokens, each after its own context."""
        if isinstance(source, Law) and isinstance(source.family, RealText | NGram):
            return self._checked(source)
        if not isinstance(source, Table):
            raise TypeError(
                f"source must be a text for NGram, such as tokens(blocks) or labels(words), got {type(source).__name__}"
            )
        vocabulary = self.vocabulary or source.states
        grams = ngrams("the text", source, self.order, vocabulary)
        text = text_of(grams, vocabulary or int(np.max(source.points)) + 1)
        if self.form == "counts" or (self.form is None and not self._by_tokens(text)):
            text = counted(text)
        real = RealText(text, self.prompts, source.replace)
        return Law(real, real.law())

    def _checked(self, source: Law) -> Law:
        text = source.family.text
        if text is None or text.order != self.order:
            order = None if text is None else text.order
            raise ValueError(f"order must be {order}, that of the source, got {self.order}")
        return source

    def _by_tokens(self, text: Text) -> bool:
        cells, places = len(text.contexts) * text.vocabulary, text.data.tokens.shape[1]
        return cells > CELLS or (self.decoding is None and self.prompts == "fixed" and places < _CELL * cells)

    def told(self, source: Source) -> NGram:
        """This family with the contexts of a text."""
        text = self.reading(source).family.text
        if self.background is not None and not arguments.traced(self.background):
            if len(self.background) != text.vocabulary:
                raise ValueError(
                    f"background must have one entry for each of {text.vocabulary} tokens, got {len(self.background)}"
                )
        return dataclasses.replace(self, text=text, vocabulary=text.vocabulary)

    def check_needs(self, regime: Regime, needs: Needs) -> None:
        """Refuse sizes other than the text's, and regimes that draw part of a data set, where that would be wrong."""
        text = self._text()
        whole, once = int(text.starts[-1]), int(needs.pool) == int(needs.draw.max())
        in_place = isinstance(regime, InPlace) and regime.in_place
        if self.prompts == "fixed":
            if (needs.draw != whole).any():
                wrong = needs.draw[needs.draw != whole][0]
                raise ValueError(
                    f"size must be {whole}, the number of places of the text, where prompts are fixed, got {wrong}: or "
                    "use NGram(prompts='random')"
                )
            if needs.least != whole and not in_place:
                raise ValueError(
                    f"{type(regime).__name__} draws part of a data set, and a model with fixed prompts goes through the "
                    f"whole text each time: use Rewrite(share), which keeps a share of the text in its place, or "
                    "NGram(prompts='random')"
                )
        elif self.data is Places and not in_place and (not once or needs.least < needs.draw.min()):
            raise ValueError(
                f"{type(regime).__name__} needs parts or pools of data sets, which random prompts have as counts only: "
                "use NGram(form='counts')"
            )

    def draw(self, key: jax.Array, params: NextTokens, n: Count, capacity: int, given: Any = None) -> Any:
        """A token for each place: of the places of ``given``, after the contexts that these have."""
        text, draw = self._text(), fold(key, NGRAM_TOKENS)
        if self.data is Transitions:
            sizes = _sizes(key, text, n, self.prompts) if given is None else given.of_contexts
            if self.decoding is None:
                return ngram_draws.counts(draw, params.probabilities, sizes)
            p = params.probabilities
            return ngram_draws.decoded_counts(self.decoding, key, draw, p, text, sizes, capacity)
        if given is None:
            starts, context = _starts(key, text, n, self.prompts, capacity)
        else:
            starts, context = given.starts, given.contexts()
        if self.decoding is None:
            background = text.vocabulary if self.background is None else params.background
            return ngram_draws.places(draw, params.seen, starts, context, params.mutation, background)  # type: ignore[arg-type]
        return ngram_draws.decoded_places(self.decoding, key, draw, params, text, starts, context)

    def draw_rows(self, key: jax.Array, params: NextTokens, n: Count, capacity: int, given: Any = None) -> Rows:
        """The same tokens as n-grams ``(capacity, order)``, context and token, in random order."""
        return _rows(key, self._text(), self.draw(key, params, n, capacity, given), capacity)

    def continued_rows(self, rows: Any) -> Any:
        """Real places as they are: what follows their contexts is drawn."""
        return rows

    def summarise(self, rows: Rows) -> Transitions:
        """n-grams ``(n, order)``, counted; -1 everywhere if one has a context or token that the text lacks."""
        text = self._text()
        if self.data is Places:
            raise TypeError(
                "rows of n-grams are counted, and this data set has the token of each place: use form='counts'"
            )
        context, token = text.numbers(rows.points[:, :-1]), rows.points[:, -1]
        shape = (len(text.contexts), text.vocabulary)
        inside = (context < shape[0]) & (token >= 0) & (token < shape[1])
        counts = jnp.zeros(shape, jnp.int32).at[context, token].add(rows.present.astype(jnp.int32), mode="drop")
        return Transitions(jnp.where((inside | ~rows.present).all(), counts, -1))

    def fit(self, key: jax.Array, data: Any, previous: NextTokens | None) -> NextTokens:
        text, dtype = self._text(), jnp.result_type(float)
        before = text.data if previous is None else previous.seen
        seen = data.over(before) if self.prompts == "random" else data
        uniform = jnp.full(text.vocabulary, 1 / text.vocabulary, dtype)
        background = uniform if self.background is None else jnp.asarray(self.background, dtype)
        weights = text.sizes.astype(dtype) / jnp.asarray(text.starts)[-1].astype(dtype)
        return NextTokens(seen, self._mutation(seen.of_contexts.astype(dtype)), background, weights)

    def _mutation(self, total: jax.Array) -> jax.Array:
        """g of contexts with ``total`` tokens each, at least 1."""
        dtype = total.dtype
        if self.interpolation is not None:
            return jnp.broadcast_to(jnp.asarray(self.interpolation, dtype), total.shape)
        strength = self._text().vocabulary * jnp.asarray(self.smoothing, dtype)
        strength = strength if self.strength is None else jnp.asarray(self.strength, dtype)
        return strength / (total + strength)

    def valid(self, params: NextTokens) -> jax.Array:
        return params.seen.sound() & jnp.isfinite(params.mutation).all()

    def with_room(self, params: NextTokens, capacity: int) -> NextTokens:
        seen = params.seen
        return dataclasses.replace(params, seen=seen.with_room(capacity)) if isinstance(seen, Places) else params

    def project(self, source: Source) -> NextTokens | None:
        """The real law, as its frequencies in the text."""
        return source.params if isinstance(source, Law) and isinstance(source.family, RealText) else None

    def log_probabilities(self, params: NextTokens, blocks: jax.Array) -> jax.Array:
        """Natural logarithms ``(m, L - order + 1)`` of the probabilities of tokens of ``blocks`` (m, L)."""
        order, length = self.order, blocks.shape[1]
        if length < order:
            raise ValueError(
                f"blocks must have at least {order} tokens for an n-gram model of order {order}, got {length}"
            )
        number = length - order + 1
        grams = jnp.stack([blocks[:, i : i + number] for i in range(order)], -1).reshape(-1, order).astype(jnp.int32)
        p = params.of_next(self._text().numbers(grams[:, :-1]), grams[:, -1])
        return jnp.log(p).reshape(len(blocks), number)

    def data_loss(self, params: NextTokens, data: Any) -> jax.Array:
        """Mean of -log p over the tokens of a data set, each after its context, in nats, ``()``."""
        if isinstance(data, Transitions):
            loss = jnp.where(data.counts > 0, -data.counts * jnp.log(params.probabilities), 0.0).sum()
        else:
            context = jnp.broadcast_to(data.contexts()[None], data.tokens.shape).reshape(-1)
            there = data.present & (context < len(self._text().contexts))
            p = params.of_next(jnp.where(there, context, 0), jnp.where(there, data.tokens.reshape(-1), 0))
            loss = jnp.where(there, -jnp.log(p), 0.0).sum()
        return loss / data.size.astype(loss.dtype)

    @property
    def unsmoothed(self) -> bool:
        """Whether a token that is lost has probability 0; False where that is not known."""
        given = [one for one in (self.strength, self.interpolation) if one is not None] or [self.smoothing]
        return not arguments.traced(given[0]) and float(np.max(given[0])) == 0

    def _text(self) -> Text:
        if self.text is None:
            raise ValueError("NGram knows no text yet: simulate(NGram(), tokens(blocks), ...) tells it")
        return self.text


@part
class RealText:
    """What is real for an n-gram model: the tokens of a text, each after its own context."""

    text: Text
    prompts: str = static(default="fixed")
    replace: bool = static(default=True)

    @property
    def data(self) -> type[Any]:
        return type(self.text.data)

    def law(self) -> NextTokens:
        """The frequencies of the text itself."""
        family = NGram(self.text.order, vocabulary=self.text.vocabulary, text=self.text)
        return family.fit(jax.random.key(0), self.text.data, None)

    def whole(self) -> Any:
        """The text itself."""
        return jax.tree.map(jnp.asarray, self.text.data)

    def draw(self, key: jax.Array, params: NextTokens, n: Count, capacity: int) -> Any:
        draw = fold(key, NGRAM_TOKENS)
        if not self.replace:
            return self.whole() if self.prompts == "fixed" else self._part(draw, n, capacity)
        if self.data is Transitions:
            return ngram_draws.counts(draw, params.seen.counts, _sizes(key, self.text, n, self.prompts))  # type: ignore[union-attr]
        starts, context = _starts(key, self.text, n, self.prompts, capacity)
        vocabulary = self.text.vocabulary
        return ngram_draws.places(draw, params.seen, starts, context, params.mutation, vocabulary)  # type: ignore[arg-type]

    def _part(self, key: jax.Array, n: Count, capacity: int) -> Any:
        part = self.whole().take(key, n, capacity)
        return part.with_width(_width(self.text, capacity)) if isinstance(part, Places) else part

    def draw_rows(self, key: jax.Array, params: NextTokens, n: Count, capacity: int) -> Rows:
        return _rows(key, self.text, self.draw(key, params, n, capacity), capacity)


def _decoding(name: str, value: Any) -> Any:
    """A decoding that needs no tokens before the context; None for pure sampling."""
    if value is None:
        return None
    arguments.having(name, value, ("scores", "pick", "width", "needs_seen"))
    if value.needs_seen:
        raise ValueError(
            f"{name} must not need the tokens seen so far, as a penalty for repetition does, for NGram, which knows the "
            f"context alone; got {value!r}"
        )
    pure = isinstance(value, Sampled) and not arguments.traced(value) and repr(value) == repr(Sampled())
    return None if pure else value


def _check_smoothing(family: NGram) -> None:
    given = [name for name in ("strength", "interpolation") if vars(family)[name] is not None]
    smoothing = family.smoothing
    if arguments.traced(smoothing) or np.ndim(smoothing) or smoothing != 0:
        given.insert(0, "smoothing")
    if len(given) > 1:
        raise ValueError(
            f"at most one of smoothing, strength and interpolation may be given, got {' and '.join(given)}"
        )
    if family.background is not None and given not in (["strength"], ["interpolation"]):
        raise ValueError("background must come with a strength or an interpolation, got neither")


def _sizes(key: jax.Array, text: Text, n: Count, prompts: str) -> jax.Array:
    """How many of ``n`` places each context has, ``(C,)`` int32."""
    if prompts == "fixed":
        return jnp.where(jnp.asarray(n) > 0, text.sizes, 0)
    return multinomial(fold(key, NGRAM_PROMPTS), jnp.asarray(n, jnp.int32), text.sizes)


def _starts(key: jax.Array, text: Text, n: Count, prompts: str, capacity: int) -> tuple[jax.Array, jax.Array]:
    """Where the places of each context begin, ``(C + 1,)``, and the context of each place ``(width,)``."""
    if prompts == "fixed":
        starts = jnp.asarray(text.starts)
        return starts, exact.search(starts[1:], jnp.arange(text.data.tokens.shape[1], dtype=jnp.int32))
    sizes = _sizes(key, text, n, prompts)
    starts = jnp.concatenate([jnp.zeros(1, jnp.int32), jnp.cumsum(sizes, dtype=jnp.int32)])
    return starts, exact.search(starts[1:], jnp.arange(_width(text, capacity), dtype=jnp.int32))


def _width(text: Text, capacity: int) -> int:
    """Room for the tokens of random prompts, and of the laws that contexts without data keep: more has a chance below
    1e-12.
    """
    kept = capacity + len(text.contexts)
    return kept + 8 * int(np.ceil(np.sqrt(kept))) + 64


def _rows(key: jax.Array, text: Text, data: Any, capacity: int) -> Rows:
    """The n-grams of a data set, in random order."""
    count, contexts = data.size, jnp.asarray(text.contexts)
    row = jnp.arange(capacity, dtype=jnp.int32)
    bits = jnp.where(row < count, jax.random.bits(fold(key, NGRAM_ORDER), (capacity,)) >> 1, jnp.uint32(0xFFFFFFFF))
    item = jnp.argsort(bits).astype(jnp.int32)
    if isinstance(data, Transitions):
        cell = exact.search(jnp.cumsum(data.counts.reshape(-1), dtype=jnp.int32), item)
        context, token = jnp.divmod(jnp.minimum(cell, data.counts.size - 1), text.vocabulary)
    else:
        context, token = exact.search(data.starts[1:], item), data.tokens[0, item]
    return Rows(jnp.concatenate([contexts[jnp.minimum(context, len(contexts) - 1)], token[:, None]], axis=1), count)

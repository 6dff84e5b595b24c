r"""n-gram models: a law of the next token for each context, refitted to tokens that are drawn after real contexts.

Each generation draws a token for each real place, after the real context (teacher-forced), so that every context is a
chain of its own: of Wright and Fisher, with mutation where there is smoothing.
"""

from __future__ import annotations

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np

from modelcollapse import arguments
from modelcollapse.addresses import NGRAM_TOKENS, fold
from modelcollapse.data import Rows
from modelcollapse.families import decoded_draws, next_draws
from modelcollapse.families.decoding import Decodes, Sampled
from modelcollapse.families.next_tokens import CELLS, NextTokens
from modelcollapse.families.real_text import (
    RealText,
    Text,
    by_place,
    counted,
    ngrams,
    rows_of_places,
    sizes,
    starts_of,
    text_of,
)
from modelcollapse.families.transitions import Places, Seen, Transitions
from modelcollapse.laws import Law, Table
from modelcollapse.numeric import shown
from modelcollapse.protocols import Count, InPlace, Needs, Number, Regime, Source
from modelcollapse.pytree import part, static

_CELL = 50
"""What drawing a count costs, in tokens drawn one by one."""


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
        ``decoding`` needs the tokens before the context; or if a regime asks for part of a text with fixed prompts.
    """

    order: int = static(default=2)
    smoothing: Number = 0.0
    background: jax.Array | np.ndarray | None = None
    strength: Number | None = None
    interpolation: Number | None = None
    decoding: Decodes | None = None
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
            text=arguments.optional(_text),
        )
        _check_smoothing(self)

    @property
    def data(self) -> type[Seen]:
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
        if source.family.prompts != self.prompts:
            raise ValueError(f"prompts must be {source.family.prompts!r}, as of the source, got {self.prompts!r}")
        return source

    def _by_tokens(self, text: Text) -> bool:
        cells, places = len(text.contexts) * text.vocabulary, by_place(text.data).tokens.shape[1]
        return cells > CELLS or (self.decoding is None and self.prompts == "fixed" and places < _CELL * cells)

    def told(self, source: Source) -> NGram:
        """This family with the contexts of a text."""
        text = self.reading(source).family.text
        if self.background is not None and len(self.background) != text.vocabulary:
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
                    f"{type(regime).__name__} draws part of a data set, and a model with fixed prompts goes through "
                    "the whole text each time: use Rewrite(share), which keeps a share of the text in its place, or "
                    "NGram(prompts='random')"
                )
        elif self.data is Places and not in_place and (not once or needs.least < needs.draw.min()):
            raise ValueError(
                f"{type(regime).__name__} needs parts or pools of data sets, which random prompts have as counts only: "
                "use NGram(form='counts')"
            )

    def check(self, source: Source, sizes: np.ndarray) -> None:
        """Refuse data sets larger than a text that is drawn without replacement."""
        places = int(self._text().starts[-1])
        real = source.family if isinstance(source, Law) else None
        if isinstance(real, RealText) and not real.replace and sizes.max() > places:
            raise ValueError(
                f"size {sizes.max()} exceeds the {places} places of a text drawn without replacement; use a smaller "
                "size or tokens(blocks, replace=True)"
            )

    def draw(self, key: jax.Array, params: NextTokens, n: Count, capacity: int, given: Seen | None = None) -> Seen:
        """A token for each place: of the places of ``given``, after the contexts that these have."""
        text, draw = self._text(), fold(key, NGRAM_TOKENS)
        if self.data is Transitions:
            number = sizes(key, text, n, self.prompts) if given is None else given.of_contexts
            if self.decoding is None:
                return next_draws.counts(draw, params.probabilities, number)
            return decoded_draws.counts(self.decoding, key, draw, params.probabilities, text, number, capacity)
        if given is None or self.prompts == "fixed":
            starts, context = starts_of(key, text, n, self.prompts, capacity)
        else:
            at = by_place(given)
            starts, context = at.starts, at.contexts()
        if self.decoding is None:
            return self._resampled(draw, params, starts, context)
        return decoded_draws.places(self.decoding, key, draw, params, text, starts, context)

    def _resampled(self, key: jax.Array, params: NextTokens, starts: jax.Array, context: jax.Array) -> Places:
        """Tokens of the parent, or of the background."""
        text, parent, mutation = self._text(), params.seen, params.mutation
        assert isinstance(parent, Places)  # as the data sets of this family
        if self.prompts == "fixed" and len(parent.tokens) == 1:
            # what is the same for all chains is found once for all of them
            parent = Places(parent.tokens, jnp.int32(1), starts)
            mutation = self._mutation(text.sizes.astype(mutation.dtype))
        background = text.vocabulary if self.background is None else params.background
        return next_draws.places(key, parent, starts, context, mutation, background)

    def draw_rows(self, key: jax.Array, params: NextTokens, n: Count, capacity: int, given: Seen | None = None) -> Rows:
        """The same tokens as n-grams ``(capacity, order)``, context and token, in random order."""
        return rows_of_places(key, self._text(), self.draw(key, params, n, capacity, given), capacity)

    def continued_rows(self, rows: Seen) -> Seen:
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

    def fit(self, key: jax.Array, data: Seen, previous: NextTokens | None) -> NextTokens:
        text, dtype = self._text(), jnp.result_type(float)
        before = text.data if previous is None else previous.seen
        seen = data.over(before) if self.prompts == "random" else data  # type: ignore[arg-type]
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

    def data_loss(self, params: NextTokens, data: Seen) -> jax.Array:
        """Mean of -log p over the tokens of a data set, each after its context, in nats, ``()``."""
        if isinstance(data, Transitions):
            logs = jnp.log(params.probabilities)
            loss = jnp.where(data.counts > 0, -data.counts.astype(logs.dtype) * logs, 0.0).sum()
        else:
            context = jnp.broadcast_to(data.contexts()[None], data.tokens.shape).reshape(-1)
            there = data.present & (context < len(self._text().contexts))
            p = params.of_next(jnp.where(there, context, 0), jnp.where(there, data.tokens.reshape(-1), 0))
            loss = jnp.where(there, -jnp.log(p), 0.0).sum()
        return loss / data.size.astype(loss.dtype)

    @property
    def forgets(self) -> bool:
        """Whether a token that is lost has probability 0; False where that is not known."""
        given = [one for one in (self.strength, self.interpolation) if one is not None] or [self.smoothing]
        return not arguments.traced(given[0]) and float(np.max(given[0])) == 0

    def _text(self) -> Text:
        if self.text is None:
            raise ValueError("NGram knows no text yet: simulate(NGram(), tokens(blocks), ...) tells it")
        return self.text


def _decoding(name: str, value: Decodes | None) -> Decodes | None:
    """A decoding that needs no tokens before the context; None for pure sampling."""
    if value is None:
        return None
    arguments.having(name, value, ("scores", "pick", "width", "needs_seen"))
    if value.needs_seen:
        raise ValueError(
            f"{name} must not need the tokens seen so far, as a penalty for repetition does, for NGram, which knows "
            f"the context alone; got {value!r}"
        )
    pure = isinstance(value, Sampled) and not arguments.traced(value) and repr(value) == repr(Sampled())
    return None if pure else value


def _text(name: str, value: object) -> Text:
    if not isinstance(value, Text):
        raise TypeError(f"{name} must be left out, as the source tells it, got {shown(value)}")
    return value


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

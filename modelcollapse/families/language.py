r"""A language model in the loop: a small network, fine-tuned at each generation on blocks of tokens."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, Protocol

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import DTypeLike
from numpy.typing import ArrayLike

from modelcollapse import arguments
from modelcollapse.addresses import LANGUAGE_INIT, LANGUAGE_ORDER, LANGUAGE_PROMPT, LANGUAGE_TOKEN, fold
from modelcollapse.data import Rows, row_type
from modelcollapse.families.continuation import CachesTokens, continued
from modelcollapse.families.decoding import Beam, Decodes
from modelcollapse.families.training import cosine_adamw, descend_epochs
from modelcollapse.laws import rows_of
from modelcollapse.numeric import shown
from modelcollapse.protocols import Count, Number, Params, Source
from modelcollapse.pytree import part, static

__all__ = ["LanguageModel", "TrainedNetwork"]


class CausalNetwork(CachesTokens, Protocol):
    """A network over a ``vocabulary`` that reads at most ``length`` tokens."""

    @property
    def length(self) -> int: ...

    def init(self, key: jax.Array, dtype: DTypeLike = jnp.float32) -> Any: ...

    def __call__(self, weights: Params, tokens: jax.Array) -> jax.Array:
        """Logits ``(n, t, vocabulary)`` of the token after each place of ``tokens`` (n, t)."""


@part
class TrainedNetwork:
    """A network with weights: what a fit of ``LanguageModel`` gives."""

    network: CausalNetwork
    weights: Params
    loss: jax.Array  # () mean loss of a token over the last epoch, in nats; NaN after a training that failed
    validation: jax.Array  # (epochs,) the same on validation blocks after each epoch; empty without any


def _log_probability(logits: jax.Array, tokens: jax.Array) -> jax.Array:
    """Log probabilities ``(...)`` of ``tokens`` (...) by ``logits`` (..., V)."""
    chosen = jnp.take_along_axis(logits, tokens[..., None], -1)[..., 0]
    return chosen - jax.nn.logsumexp(logits, -1)


@part
class LanguageModel:
    r"""A causal network, trained at each generation on blocks of tokens, that continues the blocks it is given.

    Parameters: a ``TrainedNetwork``; data sets are rows of int32 blocks ``(n, L)``. A refit goes ``epochs`` times
    through all blocks, each time in a new random order, by AdamW at a rate that falls as a half cosine to a twentieth.
    The loss is the mean of :math:`-\log p` over the tokens of a batch without the first of each block, which is never
    predicted. With the defaults and ``base`` it is the loop of Shumailov et al. (2024): each generation begins with
    the base, never with the one before, and a beam search writes what the next one reads. Under ``Rewrite`` each real
    block is followed by as many new tokens as it has, and these are the new block.

    Other regimes ask for ``n`` draws and give nothing to continue, and a network without a token for the start has no
    first token of its own: give it ``prompts`` for them.

    Parameters
    ----------
    network
        ``Transformer(vocabulary, width, layers, heads, length)``, or a part with the same methods. It reads a prompt
        and what follows, so that its ``length`` is at least twice that of a block.
    base
        Weights that training starts from, a dictionary as ``network.init(key)`` gives; those of type float16 are
        trained in float32.
    decoding
        How tokens follow: ``Beam``, ``Sampled``, ``Greedy``, or ``Watermarked`` around one of them.
    epochs, batch, rate, decay
        Passes through the data, blocks in a step (the last batch of an epoch has what is left), first learning rate,
        and decoupled weight decay.
    start
        ``"base"``: from ``base``. ``"warm"``: from the generation before, the first one from ``base`` or, without one,
        from random weights. ``"fresh"``: from random weights.
    validation
        Real blocks ``(m, L)``: the weights of the epoch with the least loss on them are kept. None keeps the last.
    prompts
        Blocks ``(m, t)`` to continue where a regime gives none: each draw takes one of them at random.
    at_once
        How many prompts are continued, and validation blocks judged, at once: it bounds memory and changes no number
        but by rounding.

    Raises
    ------
    TypeError
        If an argument or the source is of the wrong kind, or nothing is there to be continued.
    ValueError
        If tokens lie outside the vocabulary, blocks are shorter than 2 or too long for the network, ``base`` has other
        shapes than the network's weights, or ``start`` needs a base that is missing.
    """

    network: CausalNetwork
    base: Any = None
    decoding: Decodes = Beam()
    epochs: int = static(default=5)
    batch: int = static(default=64)
    rate: Number = 3e-4
    decay: Number = 0.01
    start: str = static(default="base")
    validation: Any = None
    prompts: Any = None
    at_once: int = static(default=64)

    data = Rows
    tokens = True
    default_observables = ("training_loss",)
    unfit = "a training has failed if its loss is not finite (lower `rate`), or if a token lies outside the vocabulary"

    def __post_init__(self) -> None:
        arguments.converted(
            self,
            network=arguments.checker(arguments.having, ("init", "begin", "go_on", "vocabulary", "length")),
            decoding=arguments.checker(arguments.having, ("scores", "pick", "width", "needs_seen")),
            **dict.fromkeys(("epochs", "batch", "at_once"), arguments.count),
            rate=arguments.positive,
            decay=arguments.nonnegative,
            start=arguments.checker(arguments.choice, ("base", "warm", "fresh")),
        )
        length = self.network.length
        arguments.converted(
            self,
            base=arguments.optional(self._weights),
            validation=functools.partial(self._blocks, longest=length),
            prompts=functools.partial(self._blocks, longest=length // 2),
        )
        if self.start == "base" and self.base is None:
            raise ValueError("base must be the weights that each generation starts from for start='base', got None")

    def _weights(self, name: str, value: Params) -> Any:
        expected = jax.eval_shape(self.network.init, jax.random.key(0))
        found, right = (jax.tree.map(np.shape, tree) for tree in (value, expected))
        if found != right:
            raise ValueError(f"{name} must have the shapes of the network's weights, {right}, got {found}")
        for leaf in jax.tree.leaves(value):
            if not jnp.issubdtype(leaf.dtype, jnp.floating):
                raise TypeError(f"{name} must hold real numbers, got an array of {leaf.dtype}")
            if not np.isfinite(np.asarray(leaf, float)).all():
                raise ValueError(f"{name} must hold finite numbers, got {shown(np.asarray(leaf))}")
        half = lambda leaf: np.dtype(leaf.dtype).itemsize < 4  # noqa: E731
        return jax.tree.map(lambda leaf: jnp.asarray(leaf, jnp.float32 if half(leaf) else None), value)

    def _blocks(self, name: str, value: ArrayLike | None, longest: int) -> jax.Array | None:
        if value is None:
            return None
        found = arguments.whole_array(name, value, ndim=2)
        if not len(found) or not 2 <= found.shape[1] <= longest:
            raise ValueError(f"{name} must be blocks (n, L) of 2 to {longest} tokens, got shape {found.shape}")
        self._check_tokens(name, found)
        return jnp.asarray(found, jnp.int32)

    def _check_tokens(self, name: str, blocks: np.ndarray) -> None:
        if blocks.size and not 0 <= blocks.min() <= blocks.max() < self.network.vocabulary:
            raise ValueError(
                f"{name} must hold tokens from 0 to {self.network.vocabulary - 1}, the network's vocabulary, got "
                f"{blocks.min() if blocks.min() < 0 else blocks.max()}"
            )

    def draw(self, key: jax.Array, params: TrainedNetwork, n: Count, capacity: int, given: Rows | None = None) -> Rows:
        """What follows each of the ``given`` blocks: as many tokens as it has; or else each of ``prompts``."""
        if given is not None:
            prompts = given.with_room(capacity).points[:capacity]
        elif self.prompts is not None:
            chosen = jax.random.randint(fold(key, LANGUAGE_PROMPT), (capacity,), 0, len(self.prompts), jnp.int32)
            prompts = self.prompts[chosen]
        else:
            raise TypeError(
                "LanguageModel continues blocks, and this regime gives it none: use Rewrite(share), or "
                "LanguageModel(prompts=blocks) for draws that follow random ones of them"
            )
        token = fold(key, LANGUAGE_TOKEN)
        chunk = min(self.at_once, capacity)
        rows = jnp.arange(-(-capacity // chunk) * chunk, dtype=jnp.int32)
        prompts = prompts[jnp.minimum(rows, capacity - 1)]
        length = prompts.shape[1]

        def write(i: jax.Array, out: jax.Array) -> jax.Array:
            some, here = (jax.lax.dynamic_slice_in_dim(x, i * chunk, chunk) for x in (prompts, rows))
            new = continued(self.network, params.weights, self.decoding, token, some, here, length)
            return jax.lax.dynamic_update_slice_in_dim(out, new, i * chunk, 0)

        count = jnp.minimum(jnp.asarray(n, jnp.int32), capacity)
        out = jax.lax.fori_loop(0, -(-count // chunk), write, jnp.zeros_like(prompts))
        return Rows(out[:capacity], jnp.asarray(n, jnp.int32))

    draw_rows = draw

    def continued_rows(self, rows: Rows) -> Rows:
        return rows

    def summarise(self, rows: Rows) -> Rows:
        return rows

    def fit(self, key: jax.Array, data: Rows, previous: TrainedNetwork | None) -> TrainedNetwork:
        if previous is not None and self.start == "warm":
            weights = previous.weights
        elif self.base is None or self.start == "fresh":
            weights = self.network.init(fold(key, LANGUAGE_INIT))
        else:
            weights = self.base
        blocks = data.points

        def loss(weights: Params, chosen: jax.Array, there: jax.Array) -> jax.Array:
            some = blocks[chosen]
            logp = _log_probability(self.network(weights, some[:, :-1]), some[:, 1:]).mean(1)
            return -jnp.where(there, logp, 0.0).sum() / there.sum(dtype=jnp.int32).astype(logp.dtype)

        done = descend_epochs(
            loss, weights, fold(key, LANGUAGE_ORDER), (data.count, data.capacity), self.epochs, self.batch,
            cosine_adamw, {"rate": self.rate, "decay": self.decay}, self._judge(),
        )  # fmt: skip
        inside = ((blocks >= 0) & (blocks < self.network.vocabulary)).all(1) | ~data.present
        final = jnp.where(inside.all(), done.losses[-1], jnp.nan)
        return TrainedNetwork(self.network, done.weights, final, done.judged[: 0 if self.validation is None else None])

    @property
    def vocabulary(self) -> int:
        """Tokens are whole numbers below it."""
        return self.network.vocabulary

    def log_probabilities(self, params: TrainedNetwork, blocks: jax.Array) -> jax.Array:
        """Natural logarithms ``(n, L - 1)`` of the probability of each token of ``blocks`` (n, L) but the first."""
        return self._scored(params.weights, blocks)

    def _scored(self, weights: Params, blocks: jax.Array) -> jax.Array:
        """The same under ``weights``, so many blocks ``at_once``."""
        if blocks.shape[1] - 1 > self.network.length:
            raise ValueError(
                f"blocks must have at most {self.network.length + 1} tokens, as the network reads "
                f"{self.network.length}, got {blocks.shape[1]}"
            )
        n, chunk = len(blocks), max(min(self.at_once, len(blocks)), 1)
        rows = jnp.minimum(jnp.arange(-(-n // chunk) * chunk, dtype=jnp.int32), n - 1).reshape(-1, chunk)

        def scored(rows: jax.Array) -> jax.Array:
            some = blocks[rows]
            return _log_probability(self.network(weights, some[:, :-1]), some[:, 1:])

        return jax.lax.map(scored, rows).reshape(-1, blocks.shape[1] - 1)[:n]

    def _judge(self) -> Callable[[Any], jax.Array] | None:
        """The mean loss of a token of the validation blocks."""
        if self.validation is None:
            return None
        blocks = jnp.asarray(self.validation)
        return lambda weights: -self._scored(weights, blocks).mean()

    def labour(self, params: TrainedNetwork, rows: int) -> int:
        """Each token is multiplied by every weight, forward and twice back in each epoch, and once in each line."""
        weights = sum(leaf.size for leaf in jax.tree.leaves(params.weights))
        return weights * rows * (self.network.length // 2) * (3 * self.epochs + (self.decoding.width or 1))

    def workspace(self, params: TrainedNetwork) -> int:
        """Tokens that are held for each block: the block, its prompt and what follows it."""
        return 2 * self.network.length

    def check(self, source: Source, sizes: np.ndarray) -> None:
        """Refuse what gives no blocks of tokens of this vocabulary, or blocks that the network cannot continue."""
        shape, dtype = row_type(source)
        if len(shape) != 1 or not jnp.issubdtype(dtype, jnp.integer):
            raise TypeError(
                f"source must give blocks of tokens, int32 of shape (n, L), for LanguageModel; this "
                f"{type(source).__name__} gives {dtype} of shape {('n', *shape)}: use sources.tokens(blocks)"
            )
        longest = self.network.length // 2
        if not 2 <= shape[0] <= longest:
            raise ValueError(
                f"source must give blocks of 2 to {longest} tokens, as the network reads {self.network.length} with "
                f"what follows, got blocks of {shape[0]}"
            )
        if self.prompts is not None and self.prompts.shape[1] != shape[0]:
            raise ValueError(
                f"prompts must be as long as the blocks of the source, {shape[0]} tokens, got {self.prompts.shape[1]}"
            )
        table = rows_of(source)
        if table is not None:
            self._check_tokens("source", np.asarray(table))

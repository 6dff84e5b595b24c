r"""A small decoder of language models: plain arrays as parameters, pure functions, layers in one scan.

Each layer normalises its input before attention and before its feed-forward part (pre-norm), as in GPT-2, by the root
mean square (Zhang and Sennrich 2019); places are learned, and the embedding of a token is also the row of the output
that scores it. The time to compile a training does not grow with the number of layers.
"""

from __future__ import annotations

import operator
from typing import Any, NamedTuple, TypeAlias

import jax
import jax.numpy as jnp
from jax.typing import DTypeLike

from modelcollapse import arguments, sampling
from modelcollapse.protocols import Count
from modelcollapse.pytree import part, static

Weights: TypeAlias = dict[str, Any]
Pair: TypeAlias = tuple[jax.Array, jax.Array]
"""Keys and values of one layer."""


class Cache(NamedTuple):
    """Keys and values of what was read: those of prompts are shared by all continuations of a prompt.

    Those of new tokens are only appended: step ``i`` writes places ``i * width, ..., (i + 1) * width - 1``, one for
    each of ``width`` continuations, whichever of them will be kept. There is one array for each layer, keys and values
    apart: what a loop carries in one piece is copied at each step.
    """

    prompts: tuple[Pair, ...]  # (n, heads, t, d)
    new: tuple[Pair, ...]  # (n, heads, steps * width, d)


@part
class Transformer:
    """A decoder that reads at most ``length`` tokens of a ``vocabulary``; ``width`` is a multiple of ``heads``.

    Its parameters are ``embed`` (vocabulary, width), ``place`` (length, width), ``gain`` (width,), and ``blocks`` with
    one more axis (layers, ...): ``gain_attention`` (width,), ``attention`` (width, 3 width), ``join`` (width, width),
    ``gain_dense`` (width,), ``up`` (width, 4 width), ``down`` (4 width, width). A vocabulary of 1024 and the defaults
    make 935,040 parameters.
    """

    vocabulary: int = static()
    width: int = static(default=128)
    layers: int = static(default=4)
    heads: int = static(default=4)
    length: int = static(default=128)

    def __post_init__(self) -> None:
        arguments.converted(
            self, **dict.fromkeys(("vocabulary", "width", "layers", "heads", "length"), arguments.count)
        )
        if self.width % self.heads:
            raise ValueError(f"width must be a multiple of the {self.heads} heads, got {self.width}")

    def init(self, key: jax.Array, dtype: DTypeLike = jnp.float32) -> Weights:
        """Normal weights of spread 0.02, over the square root of twice the layers where a layer adds its output."""
        v, w, layers = self.vocabulary, self.width, self.layers
        shapes = {"attention": (w, 3 * w), "join": (w, w), "up": (w, 4 * w), "down": (4 * w, w)}
        spread = {"join": 0.02 / (2 * layers) ** 0.5, "down": 0.02 / (2 * layers) ** 0.5}

        def drawn(role: int, shape: tuple[int, ...], spread: float = 0.02) -> jax.Array:
            return spread * sampling.normal(jax.random.fold_in(key, role), shape, dtype)

        blocks = {
            name: drawn(role, (layers, *shape), spread.get(name, 0.02))
            for role, (name, shape) in enumerate(shapes.items(), 2)
        }
        ones = jnp.ones((layers, w), dtype)
        blocks |= {"gain_attention": ones, "gain_dense": ones}
        return {
            "embed": drawn(0, (v, w)), "place": drawn(1, (self.length, w)), "gain": jnp.ones((w,), dtype),
            "blocks": blocks,
        }  # fmt: skip

    def __call__(self, weights: Weights, tokens: jax.Array) -> jax.Array:
        """Logits ``(n, t, vocabulary)`` of the token after each place of ``tokens`` (n, t)."""
        return self.score(weights, self._read(weights, tokens)[0])

    def score(self, weights: Weights, hidden: jax.Array) -> jax.Array:
        """Logits ``(..., vocabulary)`` of outputs of the last layer ``(..., width)``."""
        return normed(hidden, weights["gain"]) @ weights["embed"].T

    def begin(self, weights: Weights, prompts: jax.Array, new: int, width: int = 1) -> tuple[jax.Array, Cache]:
        """Logits ``(n, vocabulary)`` after ``prompts`` (n, t), and a cache for ``new`` tokens of ``width`` lines."""
        hidden, read = self._read(weights, prompts)
        _, _, n, heads, _, d = read.shape
        room = jnp.zeros((n, heads, new * width, d), read.dtype)
        before = tuple((one[0], one[1]) for one in read)
        return self.score(weights, hidden[:, -1]), Cache(before, ((room, room),) * self.layers)

    def go_on(
        self, weights: Weights, tokens: jax.Array, cache: Cache, step: Count, mine: jax.Array
    ) -> tuple[jax.Array, Cache]:
        """Logits ``(n, b, vocabulary)`` after one more token of ``b`` lines, ``tokens`` (n, b), and the longer cache.

        ``step`` counts new tokens from 0. Line ``j`` sees the whole prompt and those places of new tokens that are true
        in ``mine[:, j]``, ``(n, b, steps * b)``: its own, ``step * b + j``, and those of the lines it grew from.
        """
        b, (before, after) = tokens.shape[1], cache
        place = jax.lax.dynamic_slice_in_dim(weights["place"], before[0][0].shape[2] + step, 1)
        hidden = weights["embed"][tokens] + place[None]
        out_of_sight = jnp.where(mine, 0.0, -jnp.inf).astype(hidden.dtype)[:, None]
        longer = []
        for i, (old, room) in enumerate(zip(before, after, strict=True)):
            block = jax.tree.map(operator.itemgetter(i), weights["blocks"])
            q, k, v = self._heads(block, hidden)
            new = _written(room[0], k, step * b), _written(room[1], v, step * b)
            one = jnp.einsum("nhbd,nhld->nhbl", q, old[0])
            two = jnp.einsum("nhbd,nhld->nhbl", q, new[0]) + out_of_sight
            share, t = jax.nn.softmax(jnp.concatenate([one, two], -1), -1), one.shape[-1]
            seen = jnp.einsum("nhbl,nhld->nhbd", share[..., :t], old[1])
            seen = seen + jnp.einsum("nhbl,nhld->nhbd", share[..., t:], new[1])
            hidden = self._rest(block, hidden, seen)
            longer.append(new)
        return self.score(weights, hidden), Cache(before, tuple(longer))

    def _read(self, weights: Weights, tokens: jax.Array) -> tuple[jax.Array, jax.Array]:
        """Outputs of the last layer ``(n, t, width)``, and keys and values ``(layers, 2, n, heads, t, d)``."""
        t = tokens.shape[1]
        hidden = weights["embed"][tokens] + weights["place"][None, :t]
        later = jnp.where(jnp.tri(t, dtype=bool), 0.0, -jnp.inf).astype(hidden.dtype)[None, None]

        def layer(h: jax.Array, block: Weights) -> tuple[jax.Array, jax.Array]:
            q, k, v = self._heads(block, h)
            share = jax.nn.softmax(jnp.einsum("nhtd,nhld->nhtl", q, k) + later, -1)
            return self._rest(block, h, jnp.einsum("nhtl,nhld->nhtd", share, v)), jnp.stack([k, v])

        return jax.lax.scan(layer, hidden, weights["blocks"])

    def _heads(self, block: Weights, h: jax.Array) -> tuple[jax.Array, jax.Array, jax.Array]:
        """Queries, keys and values ``(n, heads, t, d)``; queries are divided by the square root of ``d``."""
        n, t, w = h.shape
        three = (normed(h, block["gain_attention"]) @ block["attention"]).reshape(n, t, 3, self.heads, -1)
        q, k, v = three.transpose(2, 0, 3, 1, 4)
        return q * (w // self.heads) ** -0.5, k, v

    def _rest(self, block: Weights, h: jax.Array, seen: jax.Array) -> jax.Array:
        """The layer's output, from its input and what its heads saw ``(n, heads, t, d)``."""
        h = h + seen.transpose(0, 2, 1, 3).reshape(h.shape) @ block["join"]
        return h + jax.nn.gelu(normed(h, block["gain_dense"]) @ block["up"]) @ block["down"]


def normed(x: jax.Array, gain: jax.Array) -> jax.Array:
    """``x`` over the root of its mean square along the last axis, times ``gain``."""
    return x * jax.lax.rsqrt((x * x).mean(-1, keepdims=True) + 1e-6) * gain.reshape((1,) * (x.ndim - 1) + gain.shape)


def _written(room: jax.Array, new: jax.Array, start: Count) -> jax.Array:
    """``room`` (n, heads, l, d) with ``new`` (n, heads, b, d) from place ``start`` on."""
    return jax.lax.dynamic_update_slice_in_dim(room, new, start, 2)

"""The mixture of the newest model, the previous law and the truth of Shumailov et al. (2024)."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from modelcollapse import arguments
from modelcollapse.addresses import CHOICE, MODEL, OLDER, REAL, fold
from modelcollapse.arguments import converted, optional
from modelcollapse.laws import Law, Stream, outcome
from modelcollapse.protocols import Count, Family, Memory, Mixes, Params, Source
from modelcollapse.pytree import part, schedule, static
from modelcollapse.regimes.common import at, at_first, drawn


@part
class Mixture:
    r"""The mixture of Shumailov et al. (2024): data set i + 1 is i.i.d. from
    :math:`p_{i+1} = \alpha\,p_{\theta_{i+1}} + \beta\,p_i + \gamma\,p_0`.

    The previous law :math:`p_i` is itself such a mixture, of all past models. Where the family's laws are closed under
    mixing (discrete) the memory is that law. Elsewhere it is a ring of the last ``depth`` models with their weights;
    what lies beyond weighs :math:`\beta^{\mathrm{depth}}`, and ``simulate`` chooses the depth so that no row is
    expected from there (1e-12 over the whole run). Counts for each source are multinomial. (1, 0, 0) is ``Replace`` in
    the same numbers: the paper's "alpha = gamma = 0" for the fully synthetic loop is a slip.
    """

    alpha: Any = schedule(default=1.0)
    beta: Any = schedule(default=0.0)
    gamma: Any = schedule(default=0.0)
    depth: int | None = static(default=None)

    needs_items = False
    equivariant = True
    opens = True
    DEEPEST = 256

    def __post_init__(self) -> None:
        weights = dict.fromkeys(("alpha", "beta", "gamma"), arguments.shares)
        converted(self, **weights, depth=optional(arguments.count))

    def check(self, sizes: np.ndarray) -> None:
        total = np.asarray(self.alpha) + np.asarray(self.beta) + np.asarray(self.gamma)
        if np.any(np.abs(total - 1) > arguments.law_tolerance(3)):
            raise ValueError(
                f"alpha + beta + gamma must be 1, got {self.alpha} + {self.beta} + {self.gamma}"
                f" (furthest from 1: {total.flat[np.abs(total - 1).argmax()]:g})"
            )

    def prepared(self, family: Family, source: Source, sizes: np.ndarray) -> Mixture:
        """The same regime with the depth that this run needs."""
        if self.depth is not None or mixes(family, source):
            return self
        beta = float(np.max(np.asarray(self.beta)))
        models = len(sizes) - 1
        if beta == 0 or models <= 1:
            depth = 1
        elif beta == 1:
            depth = models
        else:
            depth = min(models, max(1, int(np.ceil(np.log(1e-12 / sizes.sum()) / np.log(beta)))))
        if depth > self.DEEPEST:
            raise ValueError(
                f"beta = {beta:g} needs the last {depth} models in memory, more than {self.DEEPEST}: "
                "use a smaller beta or fewer generations, or give `depth` and accept the loss of weight beta**depth"
            )
        return Mixture(self.alpha, self.beta, self.gamma, depth)

    def divided(
        self, key: jax.Array, model: Stream, size: jax.Array, generation: int | jax.Array
    ) -> tuple[Count, Count]:
        """How many of ``size`` items are model draws and real ones, where ``beta`` is 0: binomial counts."""
        gamma = jnp.asarray(at(self.gamma, generation), jnp.result_type(float))
        own, fresh = model.split(fold(key, CHOICE), size, jnp.stack([1 - gamma, gamma]))
        return own, fresh

    def continued(self, memory: Memory) -> Memory:
        """The memory of a shorter run, with places for as many models as this one needs."""
        return memory.deepened(self.depth or 0) if isinstance(memory, Past) else memory

    def start(self, key: jax.Array, real: Stream, size: jax.Array) -> tuple[Any, Memory]:
        data = real.draw(fold(key, REAL), size)
        if mixes(real.family, real.law):
            return data, outcome(real.law).params
        if self.depth is None:
            raise ValueError("a mixture outside `simulate` needs its depth: Mixture(alpha, beta, gamma, depth=D)")
        fitted = jax.eval_shape(real.family.fit, key, real.family.summarise(data) if real.rows else data, None)
        return data, Past.empty(fitted, self.depth)

    def next(
        self, key: jax.Array, model: Stream, real: Stream, memory: Memory, size: jax.Array, generation: jax.Array
    ) -> tuple[Any, Memory]:
        # all is real at generation 0
        alpha, beta, gamma = (
            at_first(generation, jnp.asarray(opening), jnp.asarray(at(w, generation), jnp.result_type(float)))
            for w, opening in ((self.alpha, 0.0), (self.beta, 0.0), (self.gamma, 1.0))
        )
        if mixes(model.family, real.law):
            newest, truth = outcome(model.law), outcome(real.law)
            laws = jnp.stack([newest.params, memory, truth.params])
            mixed = newest.family.mix(jnp.stack([alpha, beta, gamma]).astype(laws.dtype), laws)
            # the corner where all is real asks for the data that a real stream would give
            role = jnp.where(gamma >= 1, REAL, MODEL)
            stream = Stream(Law(newest.family, mixed), model.family, model.capacity, model.items)
            return stream.draw(jax.random.fold_in(key, role), size), mixed
        past = memory.pushed(model.law.params, alpha, beta, gamma, generation)
        counts = model.split(fold(key, CHOICE), size, jnp.append(past.weights, past.real))
        own, fresh = drawn(key, model, real, counts[0], counts[-1])
        data = own | fresh
        if past.weights.size == 1:
            return data, past

        def add(data: Any, older: tuple[Any, jax.Array, jax.Array]) -> tuple[Any, None]:
            params, age, count = older
            stream = Stream(Law(model.family, params), model.family, model.capacity, model.items)
            return data | stream.draw(fold(fold(key, OLDER), age), count), None

        ages = jnp.arange(1, past.weights.size, dtype=jnp.int32)
        older = jax.tree.map(lambda leaf: leaf[1:], past.models)
        return jax.lax.scan(add, data, (older, ages, counts[1:-1]))[0], past


@part
class Past:
    """The last models, newest first, and what each weighs in the law of the current data set."""

    models: Any  # leaves (depth, ...)
    weights: jax.Array  # (depth,)
    real: jax.Array  # (), weight of the original law

    @classmethod
    def empty(cls, like: Params, depth: int) -> Past:
        """``depth`` places for parameters of these shapes, and all the weight on the original law."""
        ring = jax.tree.map(lambda leaf: jnp.zeros((depth, *leaf.shape), leaf.dtype), like)
        dtype = jnp.result_type(float)
        return cls(ring, jnp.zeros(depth, dtype), jnp.ones((), dtype))

    def pushed(
        self, params: Params, alpha: jax.Array, beta: jax.Array, gamma: jax.Array, generation: jax.Array
    ) -> Past:
        """The law ``alpha * params + beta * self + gamma * original``."""

        def push(ring: jax.Array, leaf: jax.Array) -> jax.Array:
            # places not yet taken hold the first model, so that every place is a law that can be drawn from
            return jnp.concatenate([leaf[None], jnp.where(generation == 1, leaf[None], ring[:-1])])

        weights = jnp.concatenate([alpha[None], beta * self.weights[:-1]])
        return Past(jax.tree.map(push, self.models, params), weights, beta * self.real + gamma)

    def deepened(self, depth: int) -> Past:
        """The same with ``depth`` places; the new ones hold the oldest model, and weigh nothing."""
        more = max(depth - self.weights.size, 0)
        models = jax.tree.map(lambda ring: jnp.concatenate([ring, jnp.repeat(ring[-1:], more, axis=0)]), self.models)
        return Past(models, jnp.pad(self.weights, (0, more)), self.real)


def mixes(family: Family, source: Source) -> bool:
    """Whether the mixture of a fit and the truth is again a law of the family."""
    return isinstance(source, Law) and isinstance(family, Mixes) and source.family.data is family.data

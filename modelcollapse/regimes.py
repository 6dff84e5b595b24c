"""Which data the next generation learns from: one small class a regime.

Generation 0 is always fitted to real data. A regime sees two streams, ``model`` (the newest fit) and ``real``, and its own
``memory``. Shares and weights may be numbers, or arrays with one entry for each generation 0, 1, ... (entry 0 is where generation
0 would be, and is not read); they are PyTree leaves, so ``jax.vmap`` over them is a sweep with one trace.

A share of a size is a whole number by one rule (``modelcollapse.portions``). Where share and sizes are known, ``simulate`` finds the
counts before the run; only a traced share is rounded within it.

Draws are addressed by role, so regimes that ask for the same data get the same numbers.
"""

from __future__ import annotations

from typing import Any, Protocol

import jax
import jax.numpy as jnp
import numpy as np

from modelcollapse import arguments
from modelcollapse.arguments import checker, converted, optional
from modelcollapse.laws import Law, Stream
from modelcollapse.portions import Portion, portion, traced_portion
from modelcollapse.pytree import part, static

MODEL, REAL, KEPT, CHOICE, OLDER = range(5)


class Regime(Protocol):
    """The protocol; ``check``, ``prepared``, ``room`` and ``continued`` are optional.

    So is ``equivariant = True``: it never looks at where the rows lie.
    """

    needs_items: bool

    def start(self, key: jax.Array, real: Stream, size: jax.Array) -> tuple[Any, Any]: ...

    def next(
        self, key: jax.Array, model: Stream, real: Stream, memory: Any, size: jax.Array, generation: jax.Array
    ) -> tuple[Any, Any]: ...


def fold(key: jax.Array, role: Any) -> jax.Array:
    return jax.random.fold_in(key, role)


def at(value: Any, generation: jax.Array) -> Any:
    """A number as it is; of a schedule, the entry of ``generation``."""
    return value if jnp.ndim(value) == 0 else value[generation]


def counted(share: Any, size: jax.Array, generation: Any) -> jax.Array:
    """How many of ``size`` items a share is in ``generation``: as found before the run, or else rounded here."""
    if isinstance(share, Portion):
        return at(share.counts, generation)
    return traced_portion(at(share, generation), size)


def _portion(share: Any, sizes: np.ndarray) -> Portion:
    """The counts of a share that is known, one number where all that are read are equal."""
    counts = portion(share, sizes).astype(np.int32)
    read = counts[1:] if len(counts) > 1 else counts
    return Portion(read[0] if (read == read[0]).all() else counts)


def _shares(name: str, value: Any) -> Any:
    return value if isinstance(value, Portion) else arguments.shares(name, value)


def _share(name: str, value: Any) -> Any:
    return value if isinstance(value, Portion) else arguments.share(name, value)


@part
class Replace:
    """Only the newest model's output: the fully synthetic loop."""

    needs_items = False
    equivariant = True
    # nothing else is ever seen, so a model that can only reproduce itself stays
    closed = True

    def start(self, key: jax.Array, real: Stream, size: jax.Array) -> tuple[Any, Any]:
        return real.draw(fold(key, REAL), size), ()

    def next(self, key: Any, model: Stream, real: Stream, memory: Any, size: Any, generation: Any) -> tuple[Any, Any]:
        return model.draw(fold(key, MODEL), size), ()


@part
class FreshReal:
    """Exact counts: ``round(share * size)`` rows (halves up) are real and newly drawn each generation, the rest model output."""

    share: Any

    needs_items = False
    equivariant = True

    def __post_init__(self) -> None:
        converted(self, share=_shares)

    def prepared(self, family: Any, source: Any, sizes: np.ndarray) -> FreshReal:
        """The same regime with the counts of this run."""
        return FreshReal(_portion(self.share, sizes))

    def start(self, key: jax.Array, real: Stream, size: jax.Array) -> tuple[Any, Any]:
        return real.draw(fold(key, REAL), size), ()

    def next(self, key: Any, model: Stream, real: Stream, memory: Any, size: Any, generation: Any) -> tuple[Any, Any]:
        fresh = counted(self.share, size, generation)
        return model.draw(fold(key, MODEL), size - fresh) | real.draw(fold(key, REAL), fresh), ()


@part
class FixedReal:
    """``round(share * size_0)`` real rows, drawn once, are in every data set; the rest is model output (generation 0: fresh real rows)."""

    share: Any

    needs_items = False
    equivariant = True

    def __post_init__(self) -> None:
        converted(self, share=_share)

    def prepared(self, family: Any, source: Any, sizes: np.ndarray) -> FixedReal:
        """The same regime with the count of this run."""
        return FixedReal(_portion(self.share, sizes[:1]))

    def check(self, sizes: np.ndarray) -> None:
        kept = portion(self.share, sizes[0])
        if kept > sizes.min():
            raise ValueError(f"share keeps {kept} real rows for good, more than the smallest sample size {sizes.min()}")

    def start(self, key: jax.Array, real: Stream, size: jax.Array) -> tuple[Any, Any]:
        count = counted(self.share, size, 0)
        kept = real.draw(fold(key, KEPT), count)
        return kept | real.draw(fold(key, REAL), size - count), kept

    def next(self, key: Any, model: Stream, real: Stream, memory: Any, size: Any, generation: Any) -> tuple[Any, Any]:
        return memory | model.draw(fold(key, MODEL), size - memory.size), memory


@part
class Retain:
    """``round(share * size)`` items of the previous data set stay (chosen without replacement), ``round(fresh * size)`` are real and new,
    the rest is model output. Where both round up to more than the size, fewer are new.
    """

    share: Any
    fresh: Any = 0.0

    needs_items = True
    equivariant = True

    def __post_init__(self) -> None:
        converted(self, share=_shares, fresh=_shares)

    def prepared(self, family: Any, source: Any, sizes: np.ndarray) -> Retain:
        """The same regime with the counts of this run."""
        return Retain(_portion(self.share, sizes), _portion(self.fresh, sizes))

    def check(self, sizes: np.ndarray) -> None:
        total = np.asarray(self.share) + np.asarray(self.fresh)
        if np.any(total > 1 + arguments.law_tolerance(3)):
            raise ValueError(f"share + fresh must be at most 1, got {np.max(total):g}")
        kept = portion(self.share, sizes)
        lacking = np.flatnonzero(kept[1:] > sizes[:-1])
        if lacking.size:
            first = lacking[0]
            raise ValueError(f"share keeps {kept[first + 1]} items of a data set that had only {sizes[first]}")

    def start(self, key: jax.Array, real: Stream, size: jax.Array) -> tuple[Any, Any]:
        data = real.draw(fold(key, REAL), size)
        return data, data

    def next(self, key: Any, model: Stream, real: Stream, memory: Any, size: Any, generation: Any) -> tuple[Any, Any]:
        kept = counted(self.share, size, generation)
        fresh = jnp.minimum(counted(self.fresh, size, generation), size - kept)
        new = model.draw(fold(key, MODEL), size - kept - fresh) | real.draw(fold(key, REAL), fresh)
        data = memory.take(fold(key, KEPT), kept, model.capacity) | new
        return data, data.with_room(getattr(memory, "capacity", 0))


@part
class Accumulate:
    """Everything ever drawn: each generation is fitted to all real and synthetic data so far."""

    needs_items = False
    equivariant = True

    def room(self, sizes: np.ndarray) -> int:
        return int(sizes.sum())

    def fitted_sizes(self, sizes: np.ndarray) -> np.ndarray:
        return np.cumsum(sizes)

    def start(self, key: jax.Array, real: Stream, size: jax.Array) -> tuple[Any, Any]:
        pool = real.draw(fold(key, REAL), size)
        return pool, pool

    def next(self, key: Any, model: Stream, real: Stream, memory: Any, size: Any, generation: Any) -> tuple[Any, Any]:
        pool = memory | model.draw(fold(key, MODEL), size)
        return pool, pool


@part
class AccumulateSubsample:
    """Everything is kept, but each generation is fitted to a random subset of ``budget`` items (default: the sample size)."""

    budget: int | None = static(default=None)

    needs_items = True
    equivariant = True

    def room(self, sizes: np.ndarray) -> int:
        return int(sizes.sum())

    def fitted_sizes(self, sizes: np.ndarray) -> np.ndarray:
        return sizes if self.budget is None else np.full_like(sizes, self.budget)

    def __post_init__(self) -> None:
        converted(self, budget=optional(arguments.count))

    def check(self, sizes: np.ndarray) -> None:
        if self.budget is not None and self.budget > sizes[0]:
            raise ValueError(f"budget must be at most the first sample size {sizes[0]}, got {self.budget}")

    def start(self, key: jax.Array, real: Stream, size: jax.Array) -> tuple[Any, Any]:
        pool = real.draw(fold(key, REAL), size)
        return self._choose(key, pool, size, real), pool

    def next(self, key: Any, model: Stream, real: Stream, memory: Any, size: Any, generation: Any) -> tuple[Any, Any]:
        pool = memory | model.draw(fold(key, MODEL), size)
        return self._choose(key, pool, size, model), pool

    def _choose(self, key: jax.Array, pool: Any, size: jax.Array, stream: Stream) -> Any:
        return pool.take(
            fold(key, CHOICE), size if self.budget is None else self.budget, self.budget or stream.capacity
        )


@part
class Weighted:
    r"""``round(share * size)`` rows (halves up) are real and new, the rest model output, and the real ones weigh ``weight`` in all.

    Each real row weighs ``weight / share`` and each synthetic one ``(1 - weight) / (1 - share)``, so that all weights sum to the
    sample size. ``weight = share`` is plain pooling, ``FreshReal(share)``. With k real rows for one synthetic,
    ``share = k / (1 + k)``, the best weight for a sample mean is :math:`(\sqrt{k^2 + 4k} - k) / 2`, the golden ratio at k = 1 (He, Xu
    and Cheng, arXiv 2502.18049). Needs data sets that can be weighted (``mixed``): of ``Gaussian`` or ``Regression``.
    """

    weight: Any
    share: Any = 0.5

    needs_items = False
    equivariant = True

    def __post_init__(self) -> None:
        converted(self, weight=arguments.shares, share=_shares)

    def prepared(self, family: Any, source: Any, sizes: np.ndarray) -> Weighted:
        """The same regime with the counts of this run."""
        return Weighted(self.weight, _portion(self.share, sizes))

    def check(self, sizes: np.ndarray) -> None:
        real = portion(self.share, sizes)[1:]
        if np.any((real < 1) | (real >= sizes[1:])):
            raise ValueError(f"share must leave at least one real and one synthetic row to weigh, got {self.share!r}")

    def start(self, key: jax.Array, real: Stream, size: jax.Array) -> tuple[Any, Any]:
        data = real.draw(fold(key, REAL), size)
        if not hasattr(data, "mixed"):
            raise TypeError(
                f"Weighted needs data sets with a method `mixed`, which the {type(data).__name__} of "
                f"{type(real.family).__name__} lack; use FreshReal for plain pooling"
            )
        return data, ()

    def next(self, key: Any, model: Stream, real: Stream, memory: Any, size: Any, generation: Any) -> tuple[Any, Any]:
        fresh = counted(self.share, size, generation)
        drawn = real.draw(fold(key, REAL), fresh)
        return drawn.mixed(model.draw(fold(key, MODEL), size - fresh), at(self.weight, generation)), ()


@part
class Mixture:
    r"""The mixture of Shumailov et al. (2024): data set i + 1 is i.i.d. from
    :math:`p_{i+1} = \alpha\,p_{\theta_{i+1}} + \beta\,p_i + \gamma\,p_0`.

    The previous law :math:`p_i` is itself such a mixture, of all past models. Where the family's laws are closed under mixing
    (discrete) the memory is that law. Elsewhere it is a ring of the last ``depth`` models with their weights; what lies beyond
    weighs :math:`\beta^{\mathrm{depth}}`, and ``simulate`` chooses the depth so that no row is expected from there (1e-12 over the
    whole run). Counts for each source are multinomial. (1, 0, 0) is ``Replace`` in the same numbers: the paper's "alpha = gamma = 0"
    for the fully synthetic loop is a slip.
    """

    alpha: Any = 1.0
    beta: Any = 0.0
    gamma: Any = 0.0
    depth: int | None = static(default=None)

    needs_items = False
    equivariant = True
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

    def prepared(self, family: Any, source: Any, sizes: np.ndarray) -> Mixture:
        """The same regime with the depth that this run needs."""
        if self.depth is not None or _closed(family, source):
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

    def continued(self, memory: Any) -> Any:
        """The memory of a shorter run, with places for as many models as this one needs."""
        return memory.deepened(self.depth or 0) if isinstance(memory, Past) else memory

    def start(self, key: jax.Array, real: Stream, size: jax.Array) -> tuple[Any, Any]:
        data = real.draw(fold(key, REAL), size)
        if _closed(real.family, real.law):
            return data, real.law.params
        if self.depth is None:
            raise ValueError("a mixture outside `simulate` needs its depth: Mixture(alpha, beta, gamma, depth=D)")
        fitted = jax.eval_shape(real.family.fit, key, real.family.summarise(data) if real.rows else data, None)
        ring = jax.tree.map(lambda leaf: jnp.zeros((self.depth, *leaf.shape), leaf.dtype), fitted)
        dtype = jnp.result_type(float)
        return data, Past(ring, jnp.zeros(self.depth, dtype), jnp.ones((), dtype))

    def next(self, key: Any, model: Stream, real: Stream, memory: Any, size: Any, generation: Any) -> tuple[Any, Any]:
        alpha, beta, gamma = (
            jnp.asarray(at(w, generation), jnp.result_type(float)) for w in (self.alpha, self.beta, self.gamma)
        )
        if _closed(model.family, real.law):
            laws = jnp.stack([model.law.params, memory, real.law.params])
            mixed = model.family.mix(jnp.stack([alpha, beta, gamma]).astype(laws.dtype), laws)
            # the corner where all is real asks for the data that a real stream would give
            role = jnp.where(gamma >= 1, REAL, MODEL)
            stream = Stream(Law(model.family, mixed), model.family, model.capacity, model.items)
            return stream.draw(jax.random.fold_in(key, role), size), mixed
        past = memory.pushed(model.law.params, alpha, beta, gamma, generation)
        counts = model.split(fold(key, CHOICE), size, jnp.append(past.weights, past.real))
        data = model.draw(fold(key, MODEL), counts[0]) | real.draw(fold(key, REAL), counts[-1])
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

    def pushed(self, params: Any, alpha: Any, beta: Any, gamma: Any, generation: Any) -> Past:
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


@part
class Switch:
    """``before`` for the data sets of generations below ``generation``, ``after`` from there on: healing is ``Switch(Replace(), FreshReal(1.0), n)``.

    Each part has a memory of its own, started at generation 0 from the same real data; only the part in force moves its own.
    """

    before: Any
    after: Any
    generation: Any

    def __post_init__(self) -> None:
        converted(self, before=arguments.regime, after=arguments.regime, generation=checker(arguments.whole, 1))

    @property
    def needs_items(self) -> bool:
        return self.before.needs_items or self.after.needs_items

    @property
    def equivariant(self) -> bool:
        return all(getattr(regime, "equivariant", False) for regime in (self.before, self.after))

    def room(self, sizes: np.ndarray) -> int:
        return max(room(self.before, sizes), room(self.after, sizes))

    def check(self, sizes: np.ndarray) -> None:
        for regime in (self.before, self.after):
            if hasattr(regime, "check"):
                regime.check(sizes)

    def prepared(self, family: Any, source: Any, sizes: np.ndarray) -> Switch:
        before, after = (prepared(r, family, source, sizes) for r in (self.before, self.after))
        return Switch(before, after, self.generation)

    def continued(self, memory: Any) -> Any:
        return tuple(continued(regime, own) for regime, own in zip((self.before, self.after), memory, strict=True))

    def start(self, key: jax.Array, real: Stream, size: jax.Array) -> tuple[Any, Any]:
        data, before = self.before.start(key, real, size)
        return data, (before, self.after.start(key, real, size)[1])

    def next(self, key: Any, model: Stream, real: Stream, memory: Any, size: Any, generation: Any) -> tuple[Any, Any]:
        before, after = memory

        def first() -> tuple[Any, Any]:
            data, moved = self.before.next(key, model, real, before, size, generation)
            return data, (moved, after)

        def second() -> tuple[Any, Any]:
            data, moved = self.after.next(key, model, real, after, size, generation)
            return data, (before, moved)

        # both branches must return data sets of one shape: rows in the room of the larger
        capacity = max(getattr(jax.eval_shape(branch)[0], "capacity", 0) for branch in (first, second))
        data, memories = jax.lax.cond(
            generation < self.generation,
            *((lambda branch=branch: (branch()[0].with_room(capacity), branch()[1])) for branch in (first, second)),
        )
        return data, memories


def prepared(regime: Any, family: Any, source: Any, sizes: np.ndarray) -> Any:
    """The regime as a run carries it: with its counts, and the room that it needs; one that is traced as it is."""
    if arguments.traced(regime) or not hasattr(regime, "prepared"):
        return regime
    return regime.prepared(family, source, sizes)


def fitted_sizes(regime: Any, sizes: np.ndarray) -> np.ndarray:
    """How many items each generation is fitted to."""
    return regime.fitted_sizes(sizes) if hasattr(regime, "fitted_sizes") else sizes


def room(regime: Any, sizes: np.ndarray) -> int:
    """How many items the largest data set that ``regime`` holds can have."""
    return regime.room(sizes) if hasattr(regime, "room") else int(sizes.max())


def continued(regime: Any, memory: Any) -> Any:
    """The memory of a run that ended, as the same regime needs it for a longer one."""
    return regime.continued(memory) if hasattr(regime, "continued") else memory


def _closed(family: Any, source: Any) -> bool:
    """Whether the mixture of a fit and the truth is again a law of the family."""
    own = getattr(source, "family", None)
    return own is not None and hasattr(family, "mix") and own.data is family.data

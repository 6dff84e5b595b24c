"""Several models that learn from one another's output, and from what is real."""

from __future__ import annotations

import dataclasses
import functools
import operator
from collections.abc import Callable, Iterable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from modelcollapse import arguments
from modelcollapse.addresses import CHOICE, MODEL, OTHER, REAL, SHARED, fold
from modelcollapse.arguments import converted, optional
from modelcollapse.laws import Law, Stream, outcome
from modelcollapse.portions import Portion
from modelcollapse.protocols import ComesShort, Data, Equivariant, Family, Memory, Mixes, Needs, Params, Regime, Source
from modelcollapse.pytree import part, schedule, static
from modelcollapse.regimes import checks
from modelcollapse.regimes.common import check, continued, plan, prepared
from modelcollapse.together import Separate, Tree, drawing_from, first, of_model, turns


@part
class Exchange:
    r"""Model i learns from :math:`M_i` items: each is real with probability ``real[i]``, and with probability
    ``weights[i, j]`` drawn from model j as it was last fitted.

    For ``Population(family, models=D)``. Items are drawn independently given the fits; where the family's laws are
    closed under mixing, a data set is drawn from the mixture at once. Generation 0 is real. ``weights = I`` is
    ``Mixture(1, 0, 0)`` for each model, in the same numbers; ``Replace`` agrees with both, at least in law, as a closed
    chain of states may be kept in a shorter form. A schedule has one such array for each generation 0, 1, ... as first
    axis (entry 0 is not read); an array of length D is never one.

    Parameters
    ----------
    weights
        ``(D, D)``, or a schedule ``(generations + 1, D, D)``: who learns from whom; rows are those who learn.
    real
        ``()`` or ``(D,)``, or a schedule ``(generations + 1, D)``: the share that is real and new. Each row of
        ``weights`` and its entry sum to 1, from the generation on in which the model enters, as long as it is refitted.
    sizes
        ``(D,)``, or a schedule ``(generations + 1, D)``: the sample size of each model. The ``size`` of the run is the
        largest. Default ``size`` for all.
    enters
        ``(D,)``: the generation in which a model is first fitted; None or 0 for generation 0, to real data. Before it
        has no fit, nobody may draw from it, and an observable of it is NaN (0, where it counts).
    frozen
        ``(D,)``: the generation from which on a model stays as it is; None for a model that is always refitted.
    shared
        Number of items, one for all or ``(D,)``, that models have in common: the first so many of one crawl. Models
        that share have equal shares of the same sources.
    fixed
        Whether shares are fixed counts of items, ``weights[i, j] * M_i`` and ``real[i] * M_i``, which must be whole.
    numbers
        The numbers of the models, by which their keys are addressed; default their places 0, ..., D - 1. With all
        arguments permuted alike, the run is permuted.

    Raises
    ------
    ValueError, TypeError
        For shares outside [0, 1], arrays of other shapes, numbers that are no permutation. By ``simulate``: for shares
        that do not sum to 1, a model that draws from one that has not entered, one that enters after the end or is
        frozen before it enters, sizes whose largest is not that of the run, counts that are not whole.
    """

    weights: Any = schedule(axes=2)
    real: Any = schedule(axes=1, default=0.0)
    sizes: Any = schedule(axes=1, default=None)
    enters: Any = None
    frozen: Any = None
    shared: Any = None
    fixed: bool = static(default=False)
    numbers: tuple[int, ...] | None = static(default=None)

    needs_items = False
    equivariant = True

    def __post_init__(self) -> None:
        shares = optional(_unless_counted(arguments.checker(arguments.array, low=0.0, high=1.0)))
        whole = optional(arguments.whole_array)
        when = {name: optional(checks.when, never) for name, never in (("enters", 0), ("frozen", checks.NEVER))}
        converted(self, weights=shares, real=shares, sizes=whole, **when)
        converted(self, shared=whole, fixed=arguments.flag, numbers=optional(checks.permutation))
        checks.check_shapes(self)

    @property
    def models(self) -> int:
        weights = self.weights.counts if isinstance(self.weights, Portion) else self.weights
        return int(np.shape(weights)[-1])

    @property
    def staggered(self) -> bool:
        return self.enters is not None or self.frozen is not None

    def entered(self, generation: jax.Array | np.ndarray) -> Any:
        return generation >= self._enters

    def refitted(self, generation: jax.Array | np.ndarray) -> Any:
        return (generation >= self._enters) & (generation < self._frozen)

    @property
    def _enters(self) -> Any:
        return np.zeros(self.models, np.int32) if self.enters is None else self.enters

    @property
    def _frozen(self) -> Any:
        return np.full(self.models, checks.NEVER, np.int32) if self.frozen is None else self.frozen

    # --- before a run ------------------------------------------------------------------------------------------------

    def joined(self, models: int) -> Exchange:
        """This regime, for a population of so many models."""
        if self.models != models:
            raise ValueError(
                f"weights must have shape ({models}, {models}) for a Population of {models} models, or one such matrix "
                f"for each generation, got {np.shape(self.weights)}"
            )
        return self

    def check(self, sizes: np.ndarray) -> None:
        checks.check_exchange(self, sizes)

    def plan(self, sizes: np.ndarray) -> Needs:
        each = checks.sizes_of(self, sizes)
        generations = np.arange(len(sizes))[:, None]
        fitted = np.where(self.refitted(generations) if self.staggered else True, each, checks.NEVER).min(1)
        return Needs(each.max(1), int(each.max()), np.minimum(fitted, each.max(1)))

    def prepared(self, family: Family, source: Source, sizes: np.ndarray) -> Exchange:
        """The same regime with the counts of this run, if they are fixed."""
        if not self.fixed or isinstance(self.weights, Portion):
            return self
        counts = checks.counts_of(self, sizes)
        return dataclasses.replace(self, weights=Portion(counts[..., :-1]), real=Portion(counts[..., -1]))

    # --- in a run ----------------------------------------------------------------------------------------------------

    def start(self, keys: jax.Array, real: Stream, size: jax.Array) -> tuple[Any, Memory]:
        make, sources = drawing_from(real)
        leader = fold(keys[self._leader], SHARED)

        def one(key: jax.Array, source: Source | None, size: jax.Array, common: jax.Array | None) -> Any:
            return _and_common(make(source).draw, (fold(key, REAL),), (leader,), size, common)

        return turns(one, keys, sources, self._sizes(size, 0), self._common()), ()

    def exchange(
        self, keys: jax.Array, models: Stream, real: Stream, memory: Memory, size: jax.Array, generation: jax.Array
    ) -> tuple[Any, Memory]:
        shares = jnp.concatenate(
            [self._at(self.weights, generation, 2), self._at(self.real, generation, 1)[:, None]], 1
        )
        sizes = self._sizes(size, generation)
        data = self._mixed if not self.fixed and _mixes(models.family, real.law) else self._pooled
        return data(keys, models, real, shares, sizes), memory

    def _mixed(self, keys: jax.Array, models: Stream, real: Stream, shares: jax.Array, sizes: jax.Array) -> Any:
        """The data set of each model, drawn at once from the mixture that it learns from."""
        one = outcome(Law(models.law.family, first(models.law.params)))
        laws = self._by_number(
            jax.vmap(lambda params: outcome(Law(models.law.family, params)).params)(models.law.params)
        )
        truths, axis = (real.law.stacked, 0) if isinstance(real.law, Separate) else (real.law, None)
        shares = jnp.concatenate([self._by_number(shares[:, :-1].T).T, shares[:, -1:]], 1).astype(laws.dtype)

        def mixture(share: jax.Array, truth: Law) -> jax.Array:
            return one.family.mix(share, jnp.concatenate([laws, outcome(truth).params[None]]))

        mixed = jax.vmap(mixture, (0, axis))(shares, truths)
        # the corner where all is real asks for the data that a real stream would give
        roles = jnp.where(shares[:, -1] >= 1, REAL, MODEL)
        leader = fold(keys[self._leader], SHARED)

        def draw(key: jax.Array, role: jax.Array, law: Params, size: jax.Array, common: jax.Array | None) -> Any:
            stream = Stream(Law(one.family, law), models.family, models.capacity, models.items)
            return _and_common(stream.draw, (fold(key, role),), (leader,), size, common)

        return turns(draw, keys, roles, mixed, sizes, self._common())

    def _pooled(self, keys: jax.Array, models: Stream, real: Stream, shares: jax.Array, sizes: jax.Array) -> Any:
        """The data set of each model, drawn from each of its sources and pooled."""
        make, sources = drawing_from(real)
        numbers = jnp.asarray(self.numbers or range(self.models), jnp.int32)
        each = self._by_number((jnp.arange(self.models, dtype=jnp.int32), models.law.params))
        shares = jnp.concatenate([self._by_number(shares[:, :-1].T).T, shares[:, -1:]], 1)
        leader = fold(keys[self._leader], SHARED), jnp.int32(0)

        def one(
            key: jax.Array,
            number: jax.Array,
            source: Source | None,
            share: jax.Array,
            size: jax.Array,
            common: jax.Array | None,
        ) -> Any:
            def drawn(key: jax.Array, number: jax.Array, size: jax.Array) -> Any:
                counts = share if self.fixed else models.split(fold(key, CHOICE), size, share)

                def draw(of: jax.Array, params: Params, count: jax.Array) -> Any:
                    other = fold(fold(key, OTHER), numbers[of])
                    address = jnp.where(numbers[of] == number, fold(key, MODEL), other)
                    return of_model(models, params).draw(address, count)

                sets = turns(draw, *each, counts[:-1])
                parts = [jax.tree.map(lambda leaf, i=i: leaf[i], sets) for i in range(self.models)]
                return functools.reduce(operator.or_, [*parts, make(source).draw(fold(key, REAL), counts[-1])])

            return _and_common(drawn, (key, number), leader, size, common)

        return turns(one, keys, numbers, sources, shares, sizes, self._common())

    @property
    def _leader(self) -> int:
        """The place of the model with number 0, whose keys address what models share."""
        return 0 if self.numbers is None else self.numbers.index(0)

    def _by_number(self, tree: Tree) -> Tree:
        """What models have, in the order of their numbers, so that places make no difference, not even in rounding."""
        if self.numbers is None:
            return tree
        order = np.argsort(self.numbers)
        return jax.tree.map(lambda leaf: leaf[order], tree)

    def _common(self) -> jax.Array | None:
        if self.shared is None or self.models == 1:
            return None
        return jnp.broadcast_to(jnp.asarray(self.shared, jnp.int32), (self.models,))

    def _sizes(self, size: jax.Array, generation: jax.Array | int) -> jax.Array:
        if self.sizes is None:
            return jnp.broadcast_to(size, (self.models,))
        return self._at(self.sizes, generation, 1).astype(jnp.int32)

    def _at(self, value: Portion | jax.Array | np.ndarray, generation: jax.Array | int, axes: int) -> jax.Array:
        """The shares, counts or sizes of all models in a generation."""
        found = jnp.asarray(value.counts if isinstance(value, Portion) else value)
        now = found[generation] if found.ndim > axes else found
        return jnp.broadcast_to(now, (self.models,) * axes)


@part
class Apart:
    """Models that each go through a regime of their own, without one another."""

    regime: Regime
    models: int = static()

    @property
    def needs_items(self) -> bool:
        """As the regime of each model."""
        return self.regime.needs_items

    @property
    def equivariant(self) -> bool:
        return isinstance(self.regime, Equivariant) and self.regime.equivariant

    @property
    def comes_short(self) -> bool:
        return isinstance(self.regime, ComesShort) and self.regime.comes_short

    def plan(self, sizes: np.ndarray) -> Needs:
        return plan(self.regime, sizes)

    def check(self, sizes: np.ndarray) -> None:
        check(self.regime, sizes)

    def prepared(self, family: Family, source: Source, sizes: np.ndarray) -> Apart:
        return Apart(prepared(self.regime, family, source, sizes), self.models)

    def continued(self, memory: Memory) -> Memory:
        return continued(self.regime, memory)

    def start(self, keys: jax.Array, real: Stream, size: jax.Array) -> tuple[Any, Memory]:
        make, sources = drawing_from(real)
        return turns(lambda key, source: self.regime.start(key, make(source), size), keys, sources)

    def exchange(
        self, keys: jax.Array, models: Stream, real: Stream, memory: Memory, size: jax.Array, generation: jax.Array
    ) -> tuple[Any, Memory]:
        make, sources = drawing_from(real)

        def one(key: jax.Array, params: Params, source: Source | None, memory: Memory) -> tuple[Any, Memory]:
            return self.regime.next(key, of_model(models, params), make(source), memory, size, generation)

        return turns(one, keys, models.law.params, sources, memory)


def joined(regime: Tree, models: int) -> Any:
    """A regime for a population of so many models."""
    return regime.joined(models) if isinstance(regime, Exchange) else Apart(regime, models)


def _mixes(family: Family, source: Source) -> bool:
    """Whether the mixture of fits and the truth is again a law of the family."""
    one = source.first if isinstance(source, Separate) else source
    return isinstance(one, Law) and isinstance(family, Mixes) and one.family.data is family.data


def _and_common(
    draw: Callable[..., Data], own: Iterable[Tree], leader: Iterable[Tree], size: jax.Array, common: jax.Array | None
) -> Any:
    """``draw(*own, size)``; or what models have in common, ``draw(*leader, common)``, and after it what is its own.

    The two are turns of one loop, so that their kernel is compiled once.
    """
    if common is None:
        return draw(*own, size)
    pairs = [jnp.stack(pair) for pair in zip(leader, own, strict=True)]
    sets = turns(draw, *pairs, jnp.stack([common, size - common]))
    first, second = (jax.tree.map(lambda leaf, i=i: leaf[i], sets) for i in range(2))
    return first | second


def _unless_counted(check: Callable[..., np.ndarray]) -> Callable[..., np.ndarray | Portion]:
    return lambda name, value: value if isinstance(value, Portion) else check(name, value)

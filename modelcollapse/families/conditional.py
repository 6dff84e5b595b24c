"""A model for each class: the classes are the discrete chain, and what a class looks like is a chain of its own."""

from __future__ import annotations

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np

from modelcollapse import arguments, protocols
from modelcollapse.addresses import CLASS_LABEL, CLASS_MODEL
from modelcollapse.data import Rows, row_type
from modelcollapse.families.discrete import Discrete
from modelcollapse.families.wrapping import Wrapper, inherits
from modelcollapse.laws import Table, rows_of
from modelcollapse.protocols import Count, Family, Params, Source
from modelcollapse.pytree import part, static


@part
class Conditioned:
    """Frequencies of the classes ``(K,)``, and a model of each: the leaves of ``models`` have K as first axis."""

    frequencies: jax.Array
    models: Params


@part
@inherits(protocols.Informed, protocols.Validates, protocols.KeepsRows, protocols.Bounded)
class Conditional(Wrapper):
    """``family`` fitted to the rows of each class, and the frequencies of the classes. Parameters: a ``Conditioned``.

    A row ends with its class, 0 to ``classes`` - 1; ``images(pixels, labels)`` makes such rows. A draw is a class by
    its frequency and then a row by that class's model, so under every regime the classes are the chain of ``Discrete``,
    whatever the family. A class without rows has frequency 0 and keeps the model that it had, so that real data can
    bring it back.

    Rows are drawn from every model and one is chosen, K times the work of one model.
    """

    family: Family
    classes: int = static()

    data = Rows

    def __post_init__(self) -> None:
        arguments.converted(self, family=arguments.family, classes=arguments.count)
        if isinstance(self.family, protocols.SeesLaws):
            raise TypeError(f"Conditional needs rows of each class, and {type(self.family).__name__} is fitted to laws")

    def draw(self, key: jax.Array, params: Conditioned, n: Count, capacity: int, given: Rows | None = None) -> Rows:
        return self.draw_rows(key, params, n, capacity)

    def draw_rows(
        self, key: jax.Array, params: Conditioned, n: Count, capacity: int, given: Rows | None = None
    ) -> Rows:
        n = jnp.asarray(n, jnp.int32)
        chosen = Discrete().draw_rows(jax.random.fold_in(key, CLASS_LABEL), params.frequencies, n, capacity)
        return self.rows_of_classes(key, params, chosen)

    def rows_of_classes(self, key: jax.Array, params: Conditioned, chosen: Rows) -> Rows:
        """Rows by the models of the ``chosen`` classes ``(capacity,)``, each followed by its class."""
        classes, capacity = jnp.arange(self.classes, dtype=jnp.int32), chosen.capacity
        one = lambda k, model: self.family.draw_rows(_address(key, k), model, chosen.count, capacity).points  # noqa: E731
        each = jax.vmap(one)(classes, params.models)
        points = each[chosen.points, jnp.arange(capacity, dtype=jnp.int32)]
        labels = chosen.points[:, None].astype(points.dtype)
        return Rows(jnp.concatenate([points, labels], axis=1), chosen.count)

    def summarise(self, rows: Rows) -> Rows:
        return rows

    def features(self, points: jax.Array) -> jax.Array:
        """Rows without their class."""
        return points[:, :-1]

    def fit(self, key: jax.Array, data: Rows, previous: Conditioned | None) -> Conditioned:
        points, labels = data.points[:, :-1], data.points[:, -1].astype(jnp.int32)
        counts = Discrete(self.classes).summarise(Rows(labels, data.count))

        def one(k: jax.Array, count: jax.Array, before: Params | None) -> Params:
            # in order, so that the room at the end of the data set stays behind the rows that are there
            rows = Rows(points[jnp.argsort(labels != k, stable=True)], count)
            fitted = self.family.fit(_address(key, k), self.family.summarise(rows), before)
            kept = jax.tree.map(jnp.zeros_like, fitted) if before is None else before
            return jax.tree.map(lambda new, old: jnp.where(count > 0, _filled(new, old.shape), old), fitted, kept)

        classes = jnp.arange(self.classes, dtype=jnp.int32)
        if previous is None:
            models = jax.vmap(lambda k, count: one(k, count, None))(classes, counts.n)
        else:
            models = jax.vmap(one)(classes, counts.n, previous.models)
        return Conditioned(Discrete().fit(key, counts, None if previous is None else previous.frequencies), models)

    def told(self, source: Source) -> Conditional:
        return dataclasses.replace(self, family=self.family.told(_unlabelled(source)))  # type: ignore[attr-defined]

    def valid(self, params: Conditioned) -> jax.Array:
        models = jax.vmap(self.family.valid)(params.models)  # type: ignore[attr-defined]
        return jnp.isfinite(params.frequencies).all() & models.all()

    def with_room(self, params: Conditioned, capacity: int) -> Conditioned:
        """The same laws in the shape that models fitted to ``capacity`` rows have: any class may have them all."""
        one = lambda model: self.family.with_room(model, capacity)  # type: ignore[attr-defined] # noqa: E731
        return Conditioned(params.frequencies, jax.vmap(one)(params.models))

    def workspace(self, params: Conditioned) -> int:
        """Floats that are held for each row: what each class holds."""
        one = jax.eval_shape(lambda models: jax.tree.map(lambda leaf: leaf[:, 0], models), params.models)
        return self.classes * (self.family.workspace(one) if isinstance(self.family, protocols.Works) else 4)

    def check(self, source: Source, sizes: np.ndarray) -> None:
        """Refuse rows without a class, classes out of range, and what the family refuses of the rows without it."""
        shape, dtype = row_type(source)
        if len(shape) != 1 or shape[0] < 2 or not jnp.issubdtype(dtype, jnp.floating):
            raise TypeError(
                f"source must give rows of real numbers that end with a class, shape (n, d + 1), for Conditional; this "
                f"{type(source).__name__} gives {dtype} of shape {('n', *shape)}: use images(pixels, labels)"
            )
        table = rows_of(source)
        rows = source.draw_rows(jax.random.key(0), jnp.int32(64), 64).points if table is None else table
        labels = np.asarray(rows[:, -1])
        bad = ~((labels >= 0) & (labels < self.classes) & (labels == np.floor(labels)))
        if bad.any():
            raise ValueError(
                f"the last entry of a row must be its class, 0 to {self.classes - 1}, "
                f"got {labels[bad][0]:g} in row {int(bad.argmax())}"
            )
        if isinstance(self.family, protocols.Checks):
            self.family.check(_unlabelled(source), sizes)
            if isinstance(source, Table):
                self._check_classes(source, labels, sizes)

    def _check_classes(self, source: Table, labels: np.ndarray, sizes: np.ndarray) -> None:
        """Refuse a table in which the rows of one class are none that the family can be fitted to."""
        for label in np.unique(labels):
            own = dataclasses.replace(source, points=source.points[labels == label, :-1])
            try:
                self.family.check(own, sizes)  # type: ignore[attr-defined]
            except ValueError as error:
                raise ValueError(f"class {label:g}: {error}") from None

    def project(self, source: Source) -> Conditioned | None:
        """The frequencies of the classes in a table; what infinitely many rows of a class would give is left out."""
        if not isinstance(source, Table):
            return None
        labels = dataclasses.replace(source, points=source.points[:, -1].astype(jnp.int32))
        frequencies = labels.frequencies(self.classes)
        assert frequencies is not None  # labels are integers
        return Conditioned(frequencies, None)


@part
class Unlabelled:
    """A source without the last entry of its rows."""

    source: Source

    def draw_rows(self, key: jax.Array, n: Count, capacity: int) -> Rows:
        rows = self.source.draw_rows(key, n, capacity)
        return Rows(rows.points[:, :-1], rows.count)

    def moments(self) -> None:
        return None


def _unlabelled(source: Source) -> Source:
    if isinstance(source, Table):
        return dataclasses.replace(source, points=source.points[:, :-1])
    return Unlabelled(source)


def _filled(leaf: jax.Array, shape: tuple[int, ...]) -> jax.Array:
    """The leaf with zeros up to ``shape``: a model that keeps its rows was given room for more of them."""
    missing = [(0, longer - own) for own, longer in zip(leaf.shape, shape, strict=True)]
    return jnp.pad(leaf, missing) if any(more for _, more in missing) else leaf


def _address(key: jax.Array, k: jax.Array) -> jax.Array:
    return jax.random.fold_in(jax.random.fold_in(key, CLASS_MODEL), k)

"""A part is a frozen dataclass that is a PyTree: its fields are leaves, so ``vmap`` over a field is a sweep."""

from __future__ import annotations

import dataclasses
from typing import Any, TypeVar, dataclass_transform

import jax

T = TypeVar("T")

PARTS: dict[str, type] = {}
"""Every part by ``module:qualname``: the only classes that a saved run may name."""


def static(*, default: Any = dataclasses.MISSING) -> Any:
    """A field that is not a leaf: hashable, fixed at trace time, one compilation for each value."""
    return dataclasses.field(default=default, metadata={"static": True})


@dataclass_transform(frozen_default=True, eq_default=False, field_specifiers=(static,))
def part(cls: type[T]) -> type[T]:
    """Make ``cls`` a frozen dataclass whose fields are PyTree leaves, except those declared ``static(...)``.

    Parts compare by identity (an ``==`` over arrays has no single answer) and print all their fields. Unflattening
    runs no checks, so ``__post_init__`` must not compare values that may be traced.
    """
    cls = dataclasses.dataclass(frozen=True, eq=False)(cls)
    fields = dataclasses.fields(cls)  # type: ignore[arg-type]
    fixed = [f.name for f in fields if f.metadata.get("static")]
    leaves = [f.name for f in fields if f.name not in fixed]
    names = leaves + fixed
    keys = [jax.tree_util.GetAttrKey(name) for name in leaves]

    def values(node: T) -> tuple[tuple, tuple]:
        held = vars(node)
        return tuple([held[name] for name in leaves]), tuple([held[name] for name in fixed])

    def keyed(node: T) -> tuple[tuple, tuple]:
        inner, aux = values(node)
        return tuple(zip(keys, inner, strict=True)), aux

    def assembled(aux: Any, inner: Any) -> T:
        node = object.__new__(cls)
        vars(node).update(zip(names, (*inner, *aux), strict=True))
        return node

    # not register_dataclass: its trees are equal whatever the class (jaxlib 0.10.2), and jit then now and then, where
    # hashes collide, runs the program of another regime with the same leaves
    jax.tree_util.register_pytree_with_keys(cls, keyed, assembled, values)
    PARTS[f"{cls.__module__}:{cls.__qualname__}"] = cls
    return cls

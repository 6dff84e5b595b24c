"""A law that a fit is drawn towards: that of a source, parameters of the family, or what is real."""

from __future__ import annotations

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np

from modelcollapse import arguments
from modelcollapse.families.wrapping import described
from modelcollapse.laws import Law
from modelcollapse.numeric import shown
from modelcollapse.protocols import Family, Informed, OfKind, Params, Projects
from modelcollapse.protocols import Source as SourceProtocol

KINDS = {"states": "a law on states", "normal": "a normal law"}


def _kind(family: Family) -> str:
    return family.kind if isinstance(family, OfKind) else ""


def _named(source: SourceProtocol) -> str:
    """A source in words: a law of a known kind, of another family, or the name of its class."""
    if not isinstance(source, Law):
        return f"a {type(source).__name__}, of which no such law is known"
    return KINDS.get(_kind(source.family), f"a law of {described(source.family)}")


def target(name: str, value: SourceProtocol | Params, family: Family) -> Params:
    """Parameters of ``family``: what it would be fitted to by infinitely many draws of a source, or as given."""
    if isinstance(value, SourceProtocol):
        told = family.told(value) if isinstance(family, Informed) else family
        found = told.project(value) if isinstance(told, Projects) else None
        if found is None:
            wanted = KINDS.get(_kind(family), "a law")
            raise ValueError(
                f"{name} must be {wanted} that {described(family)} can have, or its parameters; got {_named(value)}"
            )
        return found
    if isinstance(value, jax.Array | np.ndarray | list | tuple):
        return jnp.asarray(arguments.law(name, value), jnp.result_type(float))
    if not dataclasses.is_dataclass(value) or isinstance(value, type):
        raise TypeError(
            f"{name} must be a source, such as categorical(p) or normal(0, 1), or parameters of {described(family)}; "
            f"got {shown(value)}"
        )
    return value


def target_in(value: Params | None, family: Family) -> Params:
    """The parameters, in the floats in force; ValueError where there are none."""
    if value is None:
        raise ValueError(
            f"{described(family)} outside `simulate` needs a law of its own to be drawn towards: it was given None"
        )
    return jax.tree.map(lambda leaf: jnp.asarray(leaf, jnp.result_type(float)), value)


def check_target(name: str, value: Params | None, family: Family, source: SourceProtocol) -> None:
    """Refuse parameters of another shape than those of what is real, and none at all."""
    if value is None:
        raise ValueError(
            f"{name} must be given for a {type(source).__name__}, as what {described(family)} would be fitted to by "
            f"infinitely many draws of it is not known"
        )
    real = family.project(source) if isinstance(family, Projects) else None
    if real is None:
        return
    arrays = isinstance(value, np.ndarray | jax.Array) and isinstance(real, np.ndarray | jax.Array)
    if type(value) is not type(real) and not arrays:
        raise TypeError(f"{name} must be parameters such as {type(real).__name__}, got {type(value).__name__}")
    shapes = [tuple(map(np.shape, jax.tree.leaves(params))) for params in (value, real)]
    if shapes[0] != shapes[1]:
        raise ValueError(
            f"{name} must have parameters of the shapes that the source has, {', '.join(map(str, shapes[1]))}; "
            f"got {', '.join(map(str, shapes[0]))}"
        )

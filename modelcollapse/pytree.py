"""A part is a frozen dataclass that is a PyTree: its fields are leaves, so ``vmap`` over a field is a sweep.

Parts and functions have names by which saved runs know them. A name in a file that is not registered here is never
looked up.
"""

from __future__ import annotations

import dataclasses
import functools
import operator
import sys
from collections.abc import Callable, Iterable, Iterator
from typing import Any, TypeVar, dataclass_transform, overload

import jax
import numpy as np
from numpy.typing import ArrayLike

T = TypeVar("T")
F = TypeVar("F", bound=Callable[..., Any])

PACKAGE = __name__.partition(".")[0]
PARTS: dict[str, type] = {}
"""Every part by its saved name: the only classes that a saved run may name."""
FUNCTIONS: dict[str, Any] = {}
"""Every function by its saved name: the only functions that a saved run may name."""
RENAMED: dict[str, str] = {}
"""Saved names of the past, each with the name that took its place."""


def static(*, default: Any = dataclasses.MISSING) -> Any:
    """A field that is not a leaf: hashable, fixed at trace time, one compilation for each value."""
    return dataclasses.field(default=default, metadata={"static": True})


def schedule(*, default: Any = dataclasses.MISSING, axes: int = 0) -> Any:
    """A field that is one number, or one for each generation 0, 1, ...; ``simulate`` checks its length.

    With ``axes`` it is an array with so many axes, or one such array for each generation.
    """
    return dataclasses.field(default=default, metadata={"schedule": axes})


def schedules(node: object) -> Iterator[tuple[str, Any]]:
    """What goes on with the generations, in a part and in those within it: the path of a field, such as
    ``.before.share``, and its value, one entry for each generation. A constant is none.
    """
    for field in dataclasses.fields(node) if dataclasses.is_dataclass(node) else ():
        value = vars(node)[field.name]
        if "schedule" not in field.metadata:
            yield from ((f".{field.name}{name}", inner) for name, inner in schedules(value))
        elif varies(field, value):
            yield f".{field.name}", value


def may_vary(node: object) -> Iterator[tuple[str, int]]:
    """The paths of all fields, of a part and of those within it, that may be schedules; and the axes of a constant."""
    for field in dataclasses.fields(node) if dataclasses.is_dataclass(node) else ():
        if "schedule" in field.metadata:
            yield f".{field.name}", field.metadata["schedule"]
        else:
            yield from ((f".{field.name}{name}", axes) for name, axes in may_vary(vars(node)[field.name]))


def varies(field: dataclasses.Field[Any], value: ArrayLike) -> bool:
    """Whether the value of a field is a schedule, with one axis more than a constant has."""
    return "schedule" in field.metadata and np.ndim(value) > field.metadata["schedule"]


@overload
def part(cls: type[T]) -> type[T]: ...
@overload
def part(*, name: str | None = None, formerly: Iterable[str] = ()) -> Callable[[type[T]], type[T]]: ...
@dataclass_transform(frozen_default=True, eq_default=False, field_specifiers=(static, schedule))
def part(cls: Any = None, *, name: str | None = None, formerly: Iterable[str] = ()) -> Any:
    """Make ``cls`` a frozen dataclass whose fields are PyTree leaves, except those declared ``static(...)``.

    Parts compare by identity (an ``==`` over arrays has no single answer) and print all their fields. Unflattening runs
    no checks, so ``__post_init__`` must not compare values that may be traced. A method ``_completed`` of the class is
    called at the end of both, with fields that may be placeholders.

    ``name`` is the name in saved runs; without it ``module:Class``, which changes when the class moves. ``formerly``
    lists the names under which older files know the class. A class that is defined again, as in a notebook, replaces
    the old one.

    Raises
    ------
    ValueError
        If another class has this name already, or the name is reserved for this package.
    """
    if cls is None:
        return functools.partial(part, name=name, formerly=formerly)
    completed = getattr(cls, "_completed", None)
    if completed is not None:
        cls.__post_init__ = _in_turn(getattr(cls, "__post_init__", None), completed)
    cls = dataclasses.dataclass(frozen=True, eq=False)(cls)
    fields = dataclasses.fields(cls)
    fixed = [f.name for f in fields if f.metadata.get("static")]
    leaves = [f.name for f in fields if f.name not in fixed]
    names = leaves + fixed
    keys = [jax.tree_util.GetAttrKey(name) for name in leaves]

    def values(node: Any) -> tuple[tuple, tuple]:
        held = vars(node)
        return tuple([held[name] for name in leaves]), tuple([held[name] for name in fixed])

    def keyed(node: Any) -> tuple[tuple, tuple]:
        inner, aux = values(node)
        return tuple(zip(keys, inner, strict=True)), aux

    def assembled(aux: Any, inner: Any) -> Any:
        node = object.__new__(cls)
        vars(node).update(zip(names, (*inner, *aux), strict=True))
        if completed is not None:
            completed(node)
        return node

    cls._saved_as = _entered(PARTS, cls, name, formerly)
    # not register_dataclass: its trees are equal whatever the class (jaxlib 0.10.2), and jit then now and then, where
    # hashes collide, runs the program of another regime with the same leaves
    jax.tree_util.register_pytree_with_keys(cls, keyed, assembled, values)
    return cls


def _in_turn(first: Callable[[Any], None] | None, second: Callable[[Any], None]) -> Callable[[Any], None]:
    def both(node: Any) -> None:
        if first is not None:
            first(node)
        second(node)

    return both


class Unregistered(ValueError):
    """A function of a saved run was called, and nobody registered it here."""


@overload
def register(function: F) -> F: ...
@overload
def register(*, name: str | None = None, formerly: Iterable[str] = ()) -> Callable[[F], F]: ...
@overload
def register(function: F, *, name: str | None = None, formerly: Iterable[str] = ()) -> F: ...
def register(function: Any = None, *, name: str | None = None, formerly: Iterable[str] = ()) -> Any:
    """Let saved runs name ``function``: a decorator for an observable or sampler that ``Run.load`` shall find.

    ``name`` and ``formerly`` as for ``part``. A function that is found in its module under its own name need not be
    registered in the process that simulates with it; a process that only loads the run must register it, for instance
    by importing its module.

    Raises
    ------
    TypeError, ValueError
        If it is not a function; if it has no name of its own, as a lambda, and none is given; or as ``part`` for the
        name.
    """
    if function is None:
        return functools.partial(register, name=name, formerly=formerly)
    if not callable(function):
        raise TypeError(f"function must be a function, got {function!r}")
    if name is None and "<" in (_qualname(function) or "<"):
        raise ValueError(f"{function!r} has no name by which another process could know it: register it with name=...")
    _entered(FUNCTIONS, function, name, formerly)
    return function


def used(function: Callable[..., Any]) -> None:
    """Register a function that a run of this process was given, if it has a name, so that it may come back here."""
    if not _saved_names(function) and _is_found(function):
        register(function)


def part_name(cls: type) -> tuple[str | None, bool]:
    """The saved name of a part's class, or None, and whether a file that names it will find it again.

    What exists only inside a function is not found by a process that has not run that function.
    """
    name = vars(cls).get("_saved_as")
    return name, name is not None and "<locals>" not in name


def saved_name(function: Callable[..., Any]) -> tuple[str | None, bool]:
    """The same of a function, or of a class of models."""
    for name in _saved_names(function):
        return name, True
    return (_address(function), _is_found(function)) if _qualname(function) else (None, False)


def resolved(registry: dict[str, Any], name: str) -> Any:
    """What a saved name stands for now, or None."""
    return registry.get(RENAMED.get(name, name))


def _entered(registry: dict[str, Any], thing: Callable[..., Any], name: str | None, formerly: Iterable[str]) -> str:
    if not isinstance(formerly, list | tuple | set | frozenset) or not all(isinstance(one, str) for one in formerly):
        raise TypeError(f"formerly must be a list of names, got {formerly!r}")
    address = _address(thing)
    module, _, path = address.partition(":")
    own = module.partition(".")[0] == PACKAGE
    if name is None:
        # the modules of this package may be rearranged; a user's module tells one `Mine` from another
        name = f"{PACKAGE}.{path}" if own and isinstance(thing, type) else address
    elif not isinstance(name, str) or not name or (name.partition(".")[0] == PACKAGE and not own):
        raise ValueError(f"name must be a text that does not begin with {PACKAGE!r} and a dot, got {name!r}")
    holder = registry.get(name)
    if holder is not None and _address(holder) != address:
        raise ValueError(
            f"the name {name!r} belongs to {_address(holder)} already: give {address} another with name=..."
        )
    registry[name] = thing
    RENAMED.update(dict.fromkeys(formerly, name))
    return name


def _qualname(thing: Callable[..., Any]) -> str | None:
    # a function of any kind or a class has one, another object that can be called need not
    return getattr(thing, "__qualname__", None)


def _address(thing: Callable[..., Any]) -> str:
    named = thing if _qualname(thing) else type(thing)
    # in a process that multiprocessing has spawned, the script has another name
    module = "__main__" if named.__module__ == "__mp_main__" else named.__module__
    return f"{module}:{named.__qualname__}"


def _is_found(thing: Callable[..., Any]) -> bool:
    try:
        return operator.attrgetter(_qualname(thing) or "")(sys.modules.get(thing.__module__)) is thing
    except AttributeError:
        return False


def _saved_names(function: Callable[..., Any]) -> list[str]:
    return [name for name, known in FUNCTIONS.items() if known is function]

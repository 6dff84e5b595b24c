"""The Python call that makes a run again, as far as its parts can be written as code.

A part is written by its public constructor where that gives the same content, hash for hash, and otherwise by its class
and fields. What no code can hold, a large table or a function that nobody can import, is left as a name to fill in.
"""

from __future__ import annotations

import ast
import dataclasses
import sys
import types
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import jax
import numpy as np

import modelcollapse
from modelcollapse import families, host, observables, regimes, sources
from modelcollapse.laws import Law, Table
from modelcollapse.names import Names
from modelcollapse.numeric import shown
from modelcollapse.observables import OBSERVABLES, Read
from modelcollapse.pytree import PACKAGE
from modelcollapse.run import Run
from modelcollapse.serial import content_hash

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

MOST = 200
"""Numbers of an array that are written out."""
NAMESPACES = {
    "mc": modelcollapse, "mc.sources": sources, "mc.families": families, "mc.regimes": regimes,
    "mc.observables": observables,
}  # fmt: skip


class Unwritable(ValueError):
    """What is given cannot be written as code, and why."""


@dataclasses.dataclass(frozen=True)
class Recipe:
    """Python code, and what is missing in it: sentences, none if it makes the run again as it stands."""

    code: str
    missing: tuple[str, ...]


class _Writer:
    """Expressions of values, and the imports that they need."""

    def __init__(self) -> None:
        self.imports: set[str] = set()
        self.missing: list[str] = []
        self.unknown: list[str] = []

    def part(self, name: str, value: object, words: str) -> str:
        """The expression of a part of the run; or its name, left to be filled in."""
        try:
            return self.expression(value)
        except Unwritable as reason:
            self.missing.append(f"{name}: {reason}")
            self.unknown.append(f"{name} = ...  # {words}")
            return name

    def expression(self, value: object) -> str:
        """Code that makes ``value``. Raises Unwritable."""
        if value is None or isinstance(value, bool | int | str):
            return repr(value)
        if isinstance(value, float):
            return repr(value) if np.isfinite(value) else f"float({str(value)!r})"
        if isinstance(value, np.ndarray | np.generic | jax.Array):
            return self._array(value)
        if isinstance(value, tuple | list):
            inner = [self.expression(one) for one in value]
            joined = ", ".join(inner)
            return f"[{joined}]" if isinstance(value, list) else f"({joined}{',' if len(inner) == 1 else ''})"
        if isinstance(value, dict):
            return "{" + ", ".join(f"{self.expression(k)}: {self.expression(v)}" for k, v in value.items()) + "}"
        if dataclasses.is_dataclass(value) and not isinstance(value, type):
            return self._constructed(value) or self._fields(value)
        if callable(value):
            return self._named(value)
        raise Unwritable(f"{shown(value)} is a {type(value).__name__}, which has no form in code")

    def _array(self, value: object) -> str:
        array = np.asarray(value)
        if array.size > MOST:
            raise Unwritable(f"it holds an array of {array.size} numbers, shape {array.shape}")
        if array.dtype.kind not in "iufb" or (array.size and not np.isfinite(array).all()):
            raise Unwritable(f"it holds numbers of type {array.dtype}, or such as are not finite")
        module = "jnp" if isinstance(value, jax.Array) else "np"
        self.imports.add("import jax.numpy as jnp" if module == "jnp" else "import numpy as np")
        return f"{module}.asarray({_digits(array)}, {array.dtype.name!r})"

    def _constructed(self, value: object) -> str:
        """The call of a function of ``mc.sources`` that makes the same source; empty if there is none.

        Each call is tried with the literals that are printed, as Python will read them.
        """
        for function, given in _constructors(value):
            try:
                literals = {key: self._literal(one) for key, one in given.items()}
                made = function(**{key: ast.literal_eval(literal) for key, literal in literals.items()})
                same = content_hash(made) == content_hash(value)
            except (ValueError, TypeError):  # no literals, or a constructor that does not take them
                continue
            if same:
                first, *others = literals.items()
                inner = ", ".join([first[1], *(f"{key}={literal}" for key, literal in others)])
                return f"{self._named(function)}({inner})"
        return ""

    def _literal(self, value: object) -> str:
        """A number, or an array as a list."""
        if isinstance(value, np.ndarray):
            if value.size > MOST:
                raise Unwritable(f"it holds an array of {value.size} numbers, shape {value.shape}")
            return _digits(value)
        return self.expression(value)

    def _fields(self, value: DataclassInstance) -> str:
        kept = []
        for field in dataclasses.fields(value):
            held = vars(value)[field.name]
            plain = held is None or isinstance(held, bool | int | float | str)
            if field.init and not (plain and type(held) is type(field.default) and held == field.default):
                kept.append(f"{field.name}={self.expression(held)}")
        return f"{self._named(type(value))}({', '.join(kept)})"

    def _named(self, thing: Callable[..., Any]) -> str:
        if not isinstance(thing, type | types.FunctionType):
            raise Unwritable(f"it holds {shown(thing)}, which no other program can import")
        name, home = thing.__name__, thing.__module__
        for path, module in NAMESPACES.items():
            if name in module.__all__ and vars(module).get(name) is thing:
                return f"{path}.{name}"
        found = vars(sys.modules[home]).get(name) if home in sys.modules else None
        if found is not thing or home in ("__main__", "__mp_main__"):
            raise Unwritable(f"it holds {name!r}, which no other program can import")
        self.imports.add(f"from {home} import {name}")
        if home.partition(".")[0] != PACKAGE:
            self.missing.append(f"{name} is imported from {home}, which is not a part of {PACKAGE}")
        return name


def recipe(run: Run) -> Recipe:
    """The call that makes ``run`` again."""
    wide = _wide(run)
    with jax.enable_x64(wide):  # constructors are compared in the precision that the parts were made in
        return _recipe(run, wide)


def _wide(run: Run) -> bool:
    """Whether the parts were made with 64 bits; models on the host run so whatever the parts were made in."""
    if isinstance(run.family, host.models.FitSample):
        leaves = [leaf for leaf in jax.tree.leaves(run.source) if isinstance(leaf, np.ndarray | jax.Array)]
        return any(leaf.dtype == np.float64 for leaf in leaves)
    return run.provenance.get("dtype") == "float64"


def _recipe(run: Run, wide: bool) -> Recipe:
    write = _Writer()
    models = isinstance(run.family, host.models.FitSample)
    family = run.family.make_model if models else run.family
    described = "what makes a model, as a function" if models else "the family"
    arguments = [
        write.part("make_model" if models else "family", family, described),
        write.part("source", run.source, f"what is real: {_short(run.source)}"),
        write.part("regime", run.regime, f"the regime: {_short(run.regime)}"),
        f"observe={_observed(write, run)}",
        f"size={run.size.tolist() if run.size.ndim else int(run.size)}",
        f"generations={run.generations}",
        f"chains={run.chains}",
        f"seed={_seed(write, run)}",
    ]
    if run.recorded.tolist() != list(range(run.generations + 1)):
        arguments.append(f"record={run.recorded.tolist()}")
    if run.size.size > MOST or run.recorded.size > 10 * MOST:
        write.missing.append("size or record is a schedule too long to print")
        arguments[4] = "size=..."
    write.missing.extend(_reservations(run))
    verb = "simulate_models" if models else "simulate"
    call = "\n".join([f"run = mc.{verb}(", *(f"    {argument}," for argument in arguments), ")"])
    head = ["import jax", "", f"jax.config.update('jax_enable_x64', {wide})", ""]
    lines = [*head, *sorted(write.imports), "import modelcollapse as mc", "", *write.unknown, call]
    return Recipe("\n".join(lines), tuple(dict.fromkeys(write.missing)))


def _observed(write: _Writer, run: Run) -> str:
    """The observables: by name where each is one of this package under its own name."""
    own = {n: isinstance(o, Read) and OBSERVABLES.get(n) is o.function for n, o in run.observables.items()}
    if all(own.values()):
        return repr(list(own))
    entries = []
    for name, held in run.observables.items():
        inner = held.function if type(held) is Read else held
        words = f"observe[{name!r}]"
        try:
            short = next((known for known, function in OBSERVABLES.items() if function is inner), None)
            entries.append(f"{name!r}: {write.expression(inner) if short is None else repr(short)}")
        except Unwritable as reason:
            write.missing.append(f"{words}: {reason}; it is left out")
    return "{" + ", ".join(entries) + "}" if entries else "..."


def _seed(write: _Writer, run: Run) -> str:
    given = run.provenance.get("seed")
    if isinstance(given, dict):
        write.imports.add("import numpy as np")
        return f"np.random.SeedSequence({given['entropy']}, spawn_key={tuple(given['spawn_key'])})"
    if given is not None:
        return repr(given)
    write.imports.add("import jax.numpy as jnp")
    words = f"jnp.asarray({run.key.tolist()}, {str(run.key.dtype)!r})"
    return f"jax.random.wrap_key_data({words}, impl={run.key_impl!r})"


def _reservations(run: Run) -> Iterator[str]:
    """What the call does not repeat of how the run was made."""
    if np.any(run.state.status):
        yield "chains of this run failed, so the call ends in mc.ChainFailure, whose `run` holds the run"
    if any(record.get("parts") for record in run.provenance.get("extended", [])):
        yield "the run was extended with another regime: one call from the start need not give its numbers"
    if run.provenance.get("extended") or run.provenance.get("added"):
        yield "the run was made in several steps; one call gives the same numbers unless sizes grew on the way"


def _constructors(value: object) -> Iterator[tuple[Callable[..., Any], dict[str, Any]]]:
    """Functions of ``mc.sources``, and arguments, that may make ``value``."""
    if isinstance(value, Law) and type(value.family) is families.Discrete:
        p = np.asarray(value.params)
        weights = {name: float(str(one)) for name, one in zip(value.names, p, strict=True)} if value.names else p
        yield sources.categorical, {"weights": weights}
        yield sources.categorical, {"weights": weights, "normalise": True}
    elif isinstance(value, Law) and type(value.family) is families.Gaussian and value.exact is None:
        mean, covariance = np.asarray(value.params.mean), np.asarray(value.params.covariance)
        if covariance.shape == (1, 1):
            yield sources.normal, {"mean": float(str(mean[0])), "covariance": float(str(covariance[0, 0]))}
        yield sources.normal, {"mean": mean, "covariance": covariance}
    elif type(value) is Table and value.exact is None and not isinstance(value.named, Names):
        yield sources.table, {"rows": np.asarray(value.points), "replace": value.replace}


def _digits(array: np.ndarray) -> str:
    """An array as nested lists, with the shortest digits that come back to the same numbers in its type."""
    if array.dtype.kind != "f":
        return repr(array.tolist())
    if array.ndim == 0:
        return str(array[()]) if np.isfinite(array) else repr(float(array))
    return f"[{', '.join(_digits(one) for one in array)}]"


def _short(part: object) -> str:
    text = shown(part)
    return text if len(text) <= 80 else f"{text[:77]}..."

"""Parts as JSON and arrays: what a saved run holds, and what it may name."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import tempfile
import types
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, TypeVar

import jax
import jax.numpy as jnp
import numpy as np

from modelcollapse.protocols import Saves
from modelcollapse.pytree import FUNCTIONS, PARTS, Unregistered, part_name, resolved, saved_name

MODEL = "model"
"""The name of the file or folder that a model's ``save`` and ``load`` are given."""
T = TypeVar("T")


class Unresolved:
    """A function of a saved run that is not registered here; using it says which one is missing."""

    def __init__(self, name: str) -> None:
        self.name = self.__name__ = name

    def __call__(self, *args: Any) -> Any:
        raise Unregistered(
            f"the saved run uses the function {self.name}: import its module, which decorates it with "
            f"`modelcollapse.register`, or call modelcollapse.register(function, name={self.name!r}), "
            "and load the run again"
        )

    def __repr__(self) -> str:
        return f"Unresolved({self.name!r})"


class SavedModel:
    """The files of a model of ``simulate_models``, as its ``save`` wrote them; ``into`` hands them to its ``load``."""

    def __init__(self, files: dict[str, np.ndarray]) -> None:
        self.files = files

    @staticmethod
    def of(model: Saves) -> SavedModel:
        """The files that a model writes of itself."""
        with tempfile.TemporaryDirectory() as folder:
            model.save(Path(folder, MODEL))
            found = [path for path in Path(folder).rglob("*") if path.is_file()]
            files = {p.relative_to(folder).as_posix(): np.frombuffer(p.read_bytes(), np.uint8) for p in found}
        if not files:
            raise ValueError(f"save(path) of a {type(model).__name__} must write a file at that path, and wrote none")
        return SavedModel(files)

    def into(self, load: Callable[[Path], T]) -> T:
        """What ``load`` makes of the files, at the path where they are for as long as it reads them."""
        with tempfile.TemporaryDirectory() as folder:
            for name, content in self.files.items():
                path = Path(folder, name)
                if not path.resolve().is_relative_to(Path(folder).resolve()):
                    raise ValueError(f"a saved model cannot have a file at {name!r}")
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(content.tobytes())
            return load(Path(folder, MODEL))


def encode(value: Any, arrays: dict[str, np.ndarray], lost: set[str] | None = None) -> Any:
    """``value`` as JSON, its arrays moved into ``arrays``, and into ``lost`` the names that no later process will find.

    Raises
    ------
    TypeError
        If it holds anything but parts, tuples, lists, dictionaries, arrays of numbers, functions and plain values.
    """
    lost = set() if lost is None else lost
    name, found = part_name(type(value))
    if name is not None:
        if not found:
            lost.add(name)
        fields = type(value).__dataclass_fields__
        return {"part": name, "fields": {f: encode(vars(value)[f], arrays, lost) for f in fields}}
    if isinstance(value, (np.ndarray, np.generic, jax.Array)):
        return _array(value, arrays)
    if value is None or type(value) in (bool, int, str):
        return {"value": value}
    if type(value) is float:
        return {"float": value.hex()}
    if type(value) is dict and all(type(key) is str for key in value):
        return {"dict": {k: encode(v, arrays, lost) for k, v in value.items()}}
    if type(value) in (tuple, list):
        return {type(value).__name__: [encode(v, arrays, lost) for v in value]}
    if isinstance(value, Unresolved):
        return {"function": value.name}
    if isinstance(value, SavedModel) or (isinstance(value, Saves) and not isinstance(value, type)):
        files = value.files if isinstance(value, SavedModel) else SavedModel.of(value).files
        return {"model": {name: encode(content, arrays) for name, content in files.items()}}
    name, found = saved_name(value)
    if name is not None:
        if not found:
            lost.add(name)
        return {"function": name}
    raise TypeError(
        f"cannot save {value!r}: a part may hold parts, tuples, lists, dictionaries with text keys, arrays of numbers, "
        "functions and plain values, and a run models with methods save(path) and load(path)"
    )


def _array(value: np.ndarray | np.generic | jax.Array, arrays: dict[str, np.ndarray]) -> Any:
    array = np.asarray(value)
    if array.dtype.hasobject:
        raise TypeError(f"cannot save {value!r}: an array of objects would need pickle to come back")
    key = f"array{len(arrays)}"
    arrays[key] = array
    # NumPy's files know bfloat16 and its like as bytes only
    dtype = {"dtype": array.dtype.name} if array.dtype.kind == "V" else {}
    return {"array": key, "jax": isinstance(value, jax.Array), **dtype}


def decode(spec: Any, arrays: dict[str, np.ndarray]) -> Any:
    """What ``encode`` was given. Only parts are built and only registered functions returned; no function is called.

    Raises
    ------
    ValueError
        If it names a part that is not known here.
    """
    kind, content = next(iter(spec.items()))
    if kind == "part":
        cls = resolved(PARTS, content)
        if cls is None:
            module, colon, _ = content.partition(":")
            raise ValueError(
                f"the saved run holds a {content}: import "
                f"{f'the module {module!r}' if colon else 'the module that defines it'} before loading it"
            )
        return cls(**{name: decode(field, arrays) for name, field in spec["fields"].items()})
    if kind == "array":
        array = arrays[content].view(jnp.dtype(spec["dtype"])) if "dtype" in spec else arrays[content]
        return jnp.asarray(array) if spec["jax"] else array
    if kind == "float":
        return float.fromhex(content)
    if kind == "dict":
        return {name: decode(v, arrays) for name, v in content.items()}
    if kind in ("tuple", "list"):
        return (tuple if kind == "tuple" else list)(decode(v, arrays) for v in content)
    if kind == "model":
        return SavedModel({name: decode(file, arrays) for name, file in content.items()})
    if kind == "function":
        known = resolved(FUNCTIONS, content)
        return Unresolved(content) if known is None else known
    if kind == "value" and (content is None or isinstance(content, (bool, int, str))):
        return content
    raise ValueError(f"the saved run holds {kind!r}, which this version does not know")


def content_hash(value: Any) -> str:
    """SHA-256 of every field and array of a part: the same for the same content, whatever its repr leaves out."""
    arrays: dict[str, np.ndarray] = {}
    try:
        text = json.dumps(encode(value, arrays), sort_keys=True)
    except TypeError:  # it cannot be saved, but has leaves and a structure
        leaves, structure = jax.tree.flatten(value)
        held = [isinstance(leaf, np.ndarray | np.generic | jax.Array) for leaf in leaves]
        arrays = {f"array{i}": np.asarray(leaf) for i, leaf in enumerate(leaves) if held[i]}
        text = f"{structure} {[leaf for i, leaf in enumerate(leaves) if not held[i]]}"
    digest = hashlib.sha256(text.encode())
    for name, array in sorted(arrays.items()):
        digest.update(f"{name}{array.dtype.str}{array.shape}".encode())
        digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()


def code_hashes(value: object) -> list[str]:
    """A hash of what each function that ``value`` holds does: a function is saved by its name, and one that was edited
    is another.
    """
    return [_code(function) for function in _functions(value)]


def _functions(value: Any) -> Iterator[types.FunctionType]:
    """The functions that parts hold."""
    if isinstance(value, types.FunctionType):
        yield value
    elif isinstance(value, Mapping | tuple | list):
        for inner in value.values() if isinstance(value, Mapping) else value:
            yield from _functions(inner)
    elif dataclasses.is_dataclass(value) and not isinstance(value, type):
        yield from _functions([vars(value)[field.name] for field in dataclasses.fields(value)])


def _code(function: types.FunctionType) -> str:
    """A hash of what a function does: its code, defaults, and the plain values and functions that it closes over."""

    def said(value: Any) -> Any:
        if isinstance(value, types.CodeType):
            return value.co_code.hex(), value.co_names, [said(constant) for constant in value.co_consts]
        if isinstance(value, types.FunctionType):
            return said(value.__code__)
        if isinstance(value, np.ndarray | jax.Array):
            return np.asarray(value).tolist()
        return value if isinstance(value, int | float | str | bytes | bool | None) else type(value).__qualname__

    closed = [cell.cell_contents for cell in function.__closure__ or ()]
    content = [said(value) for value in (function.__code__, *(function.__defaults__ or ()), *closed)]
    return hashlib.sha256(repr(content).encode()).hexdigest()

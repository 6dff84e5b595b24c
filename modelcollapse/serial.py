"""Parts as JSON and arrays: what a saved run holds, and what it may name."""

from __future__ import annotations

import hashlib
import importlib
import json
import os
import sys
import tempfile
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from modelcollapse.pytree import PARTS


class Unresolved:
    """A function of a saved run that cannot be found here; using it says which one is missing."""

    def __init__(self, name: str) -> None:
        self.name = self.__name__ = name

    def __call__(self, params: Any) -> Any:
        raise ValueError(
            f"the saved run uses the function {self.name}: import its module before loading, or pass it again"
        )

    def __repr__(self) -> str:
        return f"Unresolved({self.name!r})"


def encode(value: Any, arrays: dict[str, np.ndarray]) -> Any:
    """``value`` as JSON, its arrays moved into ``arrays``.

    Raises
    ------
    TypeError
        If it holds anything but parts, tuples, lists, dictionaries, arrays, functions and plain values.
    """
    name = f"{type(value).__module__}:{type(value).__qualname__}"
    if name in PARTS:
        fields = PARTS[name].__dataclass_fields__  # type: ignore[attr-defined]
        return {"part": name, "fields": {f: encode(getattr(value, f), arrays) for f in fields}}
    if isinstance(value, (np.ndarray, np.generic, jax.Array)):
        key = f"array{len(arrays)}"
        arrays[key] = np.asarray(value)
        return {"array": key, "jax": isinstance(value, jax.Array)}
    if value is None or isinstance(value, (bool, int, str)):
        return {"value": value}
    if isinstance(value, float):
        return {"float": value.hex()}
    if isinstance(value, dict):
        return {"dict": {k: encode(v, arrays) for k, v in value.items()}}
    if type(value) in (tuple, list):
        return {type(value).__name__: [encode(v, arrays) for v in value]}
    if isinstance(value, Unresolved):
        return {"function": value.name}
    if hasattr(value, "__qualname__"):
        return {"function": f"{value.__module__}:{value.__qualname__}"}
    raise TypeError(
        f"cannot save {value!r}: a part may hold parts, tuples, dictionaries, arrays, functions and plain values"
    )


def decode(spec: Any, arrays: Any) -> Any:
    """What ``encode`` was given. Only classes made with ``part`` are built; only this package is imported for them."""
    (kind, content), *_ = spec.items()
    if kind == "part":
        module = content.partition(":")[0]
        if content not in PARTS and module.partition(".")[0] == "modelcollapse":
            importlib.import_module(module)
        if content not in PARTS:
            raise ValueError(f"the saved run holds a {content}: import the module {module!r} before loading it")
        cls = PARTS[content]
        return cls(**{name: decode(field, arrays) for name, field in spec["fields"].items()})
    if kind == "array":
        return jnp.asarray(arrays[content]) if spec["jax"] else arrays[content]
    if kind == "float":
        return float.fromhex(content)
    if kind == "dict":
        return {name: decode(v, arrays) for name, v in content.items()}
    if kind in ("tuple", "list"):
        return (tuple if kind == "tuple" else list)(decode(v, arrays) for v in content)
    if kind == "function":
        return _function(content)
    return content


def _function(name: str) -> Any:
    module, _, path = name.partition(":")
    found: Any = sys.modules.get(module)
    for attribute in path.split("."):
        found = getattr(found, attribute, None)
    return Unresolved(name) if found is None else found


def content_hash(value: Any) -> str:
    """SHA-256 of every field and array of a part: the same for the same content, whatever its repr leaves out."""
    arrays: dict[str, np.ndarray] = {}
    try:
        text = json.dumps(encode(value, arrays), sort_keys=True)
    except TypeError:  # it cannot be saved, but has leaves and a structure
        leaves, structure = jax.tree.flatten(value)
        arrays = {f"array{i}": np.asarray(leaf) for i, leaf in enumerate(leaves) if hasattr(leaf, "dtype")}
        text = f"{structure} {[leaf for leaf in leaves if not hasattr(leaf, 'dtype')]}"
    digest = hashlib.sha256(text.encode())
    for name, array in sorted(arrays.items()):
        digest.update(f"{name}{array.dtype.str}{array.shape}".encode())
        digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()


def write(path: str | os.PathLike, spec: Any, arrays: dict[str, np.ndarray]) -> None:
    """Write one ``.npz``: to a file beside the target, flushed to disk, then moved over it in one step.

    Whatever goes wrong on the way, a full disk or a killed process, the old file stays whole.
    """
    target = Path(path)
    header = np.frombuffer(json.dumps(spec).encode(), np.uint8)
    handle, temporary = tempfile.mkstemp(prefix=f".{target.name}.", dir=target.parent or ".")
    try:
        with os.fdopen(handle, "wb") as file:
            np.savez_compressed(file, **{**arrays, "header": header})  # type: ignore[arg-type]
            file.flush()
            os.fsync(file.fileno())
        # a temporary file is private; the result has the mode that any new file would have
        mask = os.umask(0)
        os.umask(mask)
        os.chmod(temporary, 0o666 & ~mask)
        os.replace(temporary, target)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def read(path: str | os.PathLike) -> tuple[Any, dict[str, np.ndarray]]:
    """What ``write`` wrote. Nothing is unpickled."""
    with np.load(path, allow_pickle=False) as file:
        arrays = {name: file[name] for name in file.files}
    if "header" not in arrays:
        raise ValueError(f"{os.fspath(path)} is not a saved run: it has no header")
    return json.loads(arrays.pop("header").tobytes()), arrays

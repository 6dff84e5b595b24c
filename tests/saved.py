"""Files of small runs, whole or with something changed in them."""

import functools
import io
import json
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

import modelcollapse as mc


def coin(generations: int = 1, observe: Any = "entropy") -> mc.Run:
    return mc.simulate(
        mc.Discrete(), mc.categorical([0.5, 0.5]), observe=observe, size=5, generations=generations, chains=3
    )


@functools.cache
def saved_coin() -> tuple[mc.Run, bytes]:
    """A small run and its file, made once for all tests."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "run.npz")
        run = coin()
        run.save(path)
        return run, path.read_bytes()


def members(whole: bytes) -> dict[str, Any]:
    with np.load(io.BytesIO(whole)) as file:
        return dict(file)


def archive(**arrays: Any) -> bytes:
    file = io.BytesIO()
    np.savez(file, **arrays)
    return file.getvalue()


def text(header: str) -> np.ndarray:
    return np.frombuffer(header.encode(), np.uint8)


def edited(whole: bytes, change: Callable[[dict[str, Any]], Any]) -> bytes:
    """The file with another header: ``change`` is given what it holds, and may change the arrays too."""
    arrays = members(whole)
    content = json.loads(arrays.pop("header").tobytes())
    change(content)
    return archive(**arrays, header=text(json.dumps(content)))


def field(name: str, spec: Any) -> Callable[[bytes], bytes]:
    """One field of the run replaced."""
    return lambda whole: edited(whole, lambda content: content["run"]["dict"].update({name: spec}))

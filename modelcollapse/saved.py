"""A saved run: one file that holds everything, read back without loss and without calling anything that it names."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterable
from typing import Any

import jax
import numpy as np

from modelcollapse import files, serial

FORMAT = 2
_KINDS = {
    "size": np.ndarray, "recorded": np.ndarray, "key": np.ndarray, "key_impl": str,
    "observables": dict, "trace": dict, "provenance": dict,
}  # fmt: skip


def write(path: str | os.PathLike[str], fields: dict[str, Any]) -> None:
    """Write the fields of a run."""
    arrays: dict[str, np.ndarray] = {}
    lost: set[str] = set()
    spec = serial.encode(fields, arrays, lost)
    if lost:
        warnings.warn(
            f"another process that loads this run will not find {', '.join(sorted(lost))}: "
            "define it at the top of a module, or give it a name with modelcollapse.part(name=...) or "
            "modelcollapse.register(name=...)",
            stacklevel=3,
        )
    files.write(path, {"format": FORMAT, "run": spec}, arrays)


def read(path: str | os.PathLike[str], needed: Iterable[str]) -> dict[str, Any]:
    """The fields of a run, which must have those that are ``needed`` and fit together; ValueError if they do not."""
    spec, arrays = files.read(path)
    name = os.fspath(path)
    found = spec.get("format") if isinstance(spec, dict) else None
    if found == 1:
        raise ValueError(
            f"{name} has format 1, which early copies of modelcollapse 0.1 wrote, and this version reads format "
            f"{FORMAT}: "
            "read it with the version that wrote it, or make the run again"
        )
    if found != FORMAT:
        raise ValueError(f"{name} has format {found!r}, this version reads {FORMAT}")
    try:
        # arrays keep the precision that they were saved in, whatever it is here
        with jax.enable_x64(True):
            fields = serial.decode(spec["run"], arrays)
        _check(fields, list(needed))
    except Exception as error:  # parts check their fields as they please
        raise ValueError(f"{name} cannot be loaded: {error}") from error
    return fields


def _check(fields: dict[str, Any], needed: list[str]) -> None:
    lacking = [name for name in needed if name not in fields]
    wrong = [name for name, kind in _KINDS.items() if name not in lacking and not isinstance(fields[name], kind)]
    if lacking or wrong:
        raise ValueError(f"the record of the run lacks {', '.join(lacking + wrong)}")
    trace, shape = fields["trace"], (np.shape(fields["state"].status)[0], fields["recorded"].size)
    if set(trace) != set(fields["observables"]) or any(np.shape(values)[:2] != shape for values in trace.values()):
        raise ValueError(f"the trace does not hold {shape[0]} chains and {shape[1]} generations of each observable")

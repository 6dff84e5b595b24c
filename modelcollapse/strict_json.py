"""JSON that every reader takes: what is not finite is a text, as JSON has no word for it.

``"NaN"``, ``"Infinity"`` and ``"-Infinity"`` are what protocol buffers write; ``float`` of Python and ``Number`` of
JavaScript read them.
"""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jax
import numpy as np


def dumps(value: object) -> str:
    """``value`` as indented JSON: mappings, sequences, arrays, dataclasses, numbers, texts and paths.

    Raises
    ------
    TypeError
        If it holds anything else.
    """
    return json.dumps(plain(value), indent=1, allow_nan=False)


def plain(value: object) -> Any:
    """``value`` in dictionaries, lists, texts and finite numbers."""
    if isinstance(value, np.ndarray | np.generic | jax.Array):
        value = np.asarray(value).tolist()
    if isinstance(value, float):
        return value if math.isfinite(value) else _name(value)
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, Mapping):
        return {str(name): plain(inner) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [plain(inner) for inner in value]
    if dataclasses.is_dataclass(value):
        return {field.name: plain(getattr(value, field.name)) for field in dataclasses.fields(value)}
    raise TypeError(f"JSON has no word for {type(value).__name__}: {value!r}")


def _name(value: float) -> str:
    return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"

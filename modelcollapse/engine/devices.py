"""Chains are split over the devices of a mesh, and what comes back is whole, on every process.

Chains do not talk to each other, so nothing is communicated until the results are collected.
"""

from __future__ import annotations

from typing import Any

import jax
import numpy as np
from jax.sharding import AxisType, Mesh, NamedSharding


def check(mesh: Any) -> None:
    """Raise unless ``mesh`` is None or has one axis, of type Auto."""
    if mesh is None:
        return
    if not isinstance(mesh, Mesh):
        raise TypeError(f"mesh must be a jax.sharding.Mesh or None, got {mesh!r}")
    if mesh.axis_types != (AxisType.Auto,):
        raise ValueError(
            f"mesh must have one axis of type Auto, got {dict(zip(mesh.axis_names, mesh.axis_types, strict=True))}: "
            'use jax.make_mesh((jax.device_count(),), ("chain",), axis_types=(jax.sharding.AxisType.Auto,))'
        )


def count(mesh: Mesh | None) -> int:
    """Devices of a mesh; one without."""
    return 1 if mesh is None else mesh.size


def place(leaf: Any, mesh: Mesh | None) -> Any:
    """An array over chains, for a program on one device, or split over those of the mesh, which may belong to other
    processes.
    """
    if mesh is None:  # the program takes it from there
        return leaf
    whole = np.asarray(leaf)
    return jax.make_array_from_callback(
        whole.shape, NamedSharding(mesh, jax.P(mesh.axis_names[0])), lambda part: whole[part]
    )


def collect(tree: Any, mesh: Mesh | None) -> Any:
    """Arrays over chains as NumPy arrays, the parts of other processes included."""
    if mesh is not None and mesh.is_multi_process:
        from jax.experimental import multihost_utils

        tree = multihost_utils.process_allgather(tree, tiled=True)
    return jax.tree.map(np.asarray, tree)

"""Where the numbers of a run come from: versions, precision, device, generator, and what every part held.

A run that goes on elsewhere gets a record of its own for each extension. What would change the numbers is refused, and
what may change them is said.
"""

from __future__ import annotations

import functools
import importlib.metadata
import platform
import warnings
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from modelcollapse import sampling
from modelcollapse.serial import content_hash

COMPUTING = ("modelcollapse", "jax", "jaxlib")
"""Packages whose versions may change the numbers of a seed."""


@functools.cache
def version() -> str:
    """The version of the installed package; ``"unknown"`` for a checkout that is not installed."""
    try:
        return importlib.metadata.version("modelcollapse")
    except importlib.metadata.PackageNotFoundError:
        return "unknown"


@functools.cache
def _versions() -> tuple[tuple[str, str], ...]:
    versions = {name: importlib.metadata.version(name) for name in ("jax", "jaxlib", "numpy", "scipy")}
    return tuple((versions | {"modelcollapse": version(), "python": platform.python_version()}).items())


def implementation(key: jax.Array) -> str:
    """The generator of a key by the name that JAX has for it."""
    impl = jax.random.key_impl(key)
    # the unrolled generator is threefry2x32, and on another backend the stock one takes over
    return "threefry2x32" if impl == sampling.keys.unrolled() else str(impl)


def made(seed: Any, key: jax.Array, **parts: Any) -> dict[str, Any]:
    """The record of a run that begins here."""
    return {
        **_here(key),
        "seed": seed,
        "key": [int(word) for word in np.asarray(jax.random.key_data(key)).ravel()],
        "parts": {name: _part(part) for name, part in parts.items()},
    }


def extended(record: dict[str, Any], key: jax.Array, first: int, last: int, **parts: Any) -> dict[str, Any]:
    """The record of a run that goes on here from generation ``first`` to ``last``, with the ``parts`` given for that.

    Raises
    ------
    ValueError
        If the precision or the random generator here is not that of the run, which would then go on with other numbers.

    Warns
    -----
    UserWarning
        If the versions here are not those that the run has been made with so far.
    """
    here = _compared(record, key)
    new = {"generations": [first, last], **here, "parts": {name: _part(part) for name, part in parts.items()}}
    return {**record, "extended": [*record.get("extended", []), new]}


def enlarged(record: dict[str, Any], key: jax.Array, first: int, chains: int) -> dict[str, Any]:
    """The record of a run to which chains ``first``, ..., ``chains - 1`` were added here; refuses what ``extended``
    does.
    """
    return {**record, "added": [*record.get("added", []), {"chains": [first, chains - 1], **_compared(record, key)}]}


def _compared(record: dict[str, Any], key: jax.Array) -> dict[str, Any]:
    """Where JAX computes now, which must be what the run was made with."""
    here, last = _here(key), [record, *record.get("extended", [])][-1]
    _check_precision(str(record.get("dtype")), here["dtype"])
    _check_generator(str(record.get("generator")), here["generator"])
    _compare_versions(last.get("versions", {}), here["versions"])
    return here


def _here(key: jax.Array) -> dict[str, Any]:
    device = jax.devices()[0]
    return {
        "versions": dict(_versions()),
        "dtype": str(jnp.result_type(float)),
        "device": f"{device.platform}: {device.device_kind}",
        "generator": _generator(key),
    }


def _generator(key: jax.Array) -> str:
    """What numbers a key gives, as far as settings and devices decide that."""
    name = implementation(key)
    if jax.random.key_impl(key) == sampling.keys.unrolled():
        return name
    partitionable = jax.config.jax_threefry_partitionable  # type: ignore[attr-defined]
    whole = name if partitionable else f"{name}, not partitionable"
    # other generators are those of the backend
    return whole if name == "threefry2x32" else f"{whole}, on {jax.default_backend()}"


def _check_precision(run: str, here: str) -> None:
    if run != here:
        wide = run == "float64"
        raise ValueError(
            f"the run was made in {run} and JAX computes in {here} here, so that other random numbers would follow; to "
            f"extend it, turn {'on' if wide else 'off'} 64 bits: jax.config.update('jax_enable_x64', {wide}), "
            f"or extend it within `with jax.enable_x64({wide}):`"
        )


def _check_generator(run: str, here: str) -> None:
    if run != here:
        flag = "not partitionable" not in run
        raise ValueError(
            f"the run was made with the random generator {run!r} and would go on with {here!r}, which gives other "
            "numbers; extend it on a backend and with settings that give the former "
            f"(jax.config.update('jax_threefry_partitionable', {flag}))"
        )


def _compare_versions(run: dict[str, str], here: dict[str, str]) -> None:
    other = [f"{name} {run[name]} (here {here[name]})" for name in COMPUTING if run.get(name, here[name]) != here[name]]
    if other:
        warnings.warn(
            f"the run was made with {', '.join(other)}; the numbers that follow may not be those of one "
            "uninterrupted run",
            stacklevel=6,
        )


def _part(part: Any) -> dict[str, str]:
    with np.printoptions(threshold=20):
        return {"repr": repr(part), "sha256": content_hash(part)}

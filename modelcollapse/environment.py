"""What the library finds here: versions, extras, devices, cache and threads. A piece that is broken says so, and the
others are still told.
"""

from __future__ import annotations

import importlib.metadata
import os
import platform
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, TextIO

import jax
import jax.numpy as jnp
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

from modelcollapse import arguments, cache, processors, provenance

NAME = "modelcollapse"


def show_versions(file: TextIO | None = None) -> None:
    """Print what a report of an error should say: versions, what each extra has and lacks, devices, cache and threads.

    Parameters
    ----------
    file
        Where to print. Default standard output.

    A piece that cannot be told is printed with the reason. ``modelcollapse info`` prints the same, and with ``--json``
    for machines.

    Raises
    ------
    TypeError
        If ``file`` has no method ``write``.
    """
    if file is not None:
        arguments.having("file", file, ("write",))
    print(text(environment()), file=sys.stdout if file is None else file)


def environment() -> dict[str, Any]:
    """What ``show_versions`` prints, by piece; one that cannot be told is ``{"failed": reason}``."""
    pieces: dict[str, Callable[[], dict[str, Any]]] = {
        "modelcollapse": _package,
        "python": _python,
        "dependencies": lambda: _found(_wanted(NAME)),
        "extras": _extras,
        "jax": _jax,
        "devices": _devices,
        "cache": _cache,
        "threads": _threads,
    }
    return {name: _told(piece) for name, piece in pieces.items()}


def text(found: dict[str, Any]) -> str:
    """The environment for people."""
    lines = []
    for piece, content in found.items():
        lines.append(piece)
        lines += [f"  {name:<14s} {_line(value)}" for name, value in content.items()]
    return "\n".join(lines)


def _line(value: object) -> str:
    if isinstance(value, dict) and "complete" in value:
        parts = [f"{name} {version}" for name, version in value["packages"].items()]
        return f"{'found' if value['complete'] else 'missing':8s} {', '.join(parts)}"
    return str(value)


def _told(piece: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    try:
        return piece()
    except Exception as error:  # whatever is broken here, this report is what finds it
        return {"failed": f"{type(error).__name__}: {error}"}


def _package() -> dict[str, Any]:
    return {"version": provenance.version(), "folder": str(Path(__file__).parent)}


def _python() -> dict[str, Any]:
    return {
        "version": platform.python_version(),
        "implementation": platform.python_implementation(),
        "executable": sys.executable,
        "platform": platform.platform(),
        "processors": os.cpu_count(),
    }


# --- packages --------------------------------------------------------------------------------------------------------


def _wanted(package: str, extra: str = "") -> list[Requirement]:
    """What the metadata of an installed package ask for; with an ``extra``, what this one adds."""
    every = [Requirement(line) for line in importlib.metadata.requires(package) or ()]
    always = [r for r in every if r.marker is None or r.marker.evaluate({"extra": ""})]
    if not extra:
        return always
    return [r for r in every if r not in always and r.marker is not None and r.marker.evaluate({"extra": extra})]


def _found(wanted: Iterable[Requirement]) -> dict[str, Any]:
    """The version of each package, and what is wrong with it."""
    return {name: said for r in wanted for name, said in _of(r, set()).items()}


def _of(requirement: Requirement, seen: set[tuple[str, str]]) -> dict[str, str]:
    """The version of a package, and those of what its extras ask for: ``all`` names extras, ``jax[cuda13]`` plugins."""
    name: str = canonicalize_name(requirement.name)
    out: dict[str, str] = {}
    try:
        version = importlib.metadata.version(name)
        fits = requirement.specifier.contains(Version(version), prereleases=True)
    except importlib.metadata.PackageNotFoundError:
        return {name: "(missing)"}
    except Exception as error:  # files of a package that was half removed
        return {name: f"(broken: {error!r})"}
    if name != NAME:
        out[name] = version if fits else f"{version} (needs {requirement.specifier})"
    for extra in sorted(requirement.extras):
        if (name, extra) not in seen:
            seen.add((name, extra))
            for inner in _wanted(name, extra):
                out |= _of(inner, seen)
    return out


def _extras() -> dict[str, Any]:
    """Each extra that the installed metadata name: its packages, and whether it is complete."""
    out: dict[str, Any] = {}
    for extra in sorted(importlib.metadata.metadata(NAME).get_all("Provides-Extra") or ()):
        packages = _found(_wanted(NAME, extra))
        out[extra] = {"complete": not any("(" in said for said in packages.values()), "packages": packages}
    return out


# --- JAX -------------------------------------------------------------------------------------------------------------


def _jax() -> dict[str, Any]:
    return {
        "version": jax.__version__,
        "jaxlib": importlib.metadata.version("jaxlib"),
        "default dtype": str(jnp.result_type(float)),
    }


def _devices() -> dict[str, Any]:
    return {"backend": jax.default_backend(), **{str(device.id): device.device_kind for device in jax.devices()}}


def _cache() -> dict[str, Any]:
    used, would = jax.config.values["jax_compilation_cache_dir"], cache.place()
    if not used:
        return {"used": "none in this process", "keep_programs": str(would or "keeps nothing")}
    programs, size = cache.programs(Path(used))
    return {"used": str(used), "programs": programs, "megabytes": round(size / 1e6, 1)}


def _threads() -> dict[str, Any]:
    limits = {name: os.environ[name] for name in (processors.VARIABLE, "NPROC") if name in os.environ}
    return {"workers": processors.count(None), **limits}

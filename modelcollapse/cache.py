"""Compiled programs are kept on disk, for those who ask for it."""

from __future__ import annotations

import hashlib
import logging
import os
import platform
from pathlib import Path

import jax
import platformdirs
from jax.experimental.compilation_cache import compilation_cache

from modelcollapse import arguments

LOG = logging.getLogger("modelcollapse")
VARIABLE = "MODELCOLLAPSE_CACHE"
"""The environment variable that names the folder, or says ``off``."""
SECONDS = 0.05
"""Programs that took less to compile are not kept: to read them would take as long."""


def keep_programs(folder: str | os.PathLike[str] | None = None) -> Path | None:
    """Keep the programs that JAX compiles from now on, in this process and in later ones.

    The library changes no setting of JAX by itself; this one call sets JAX's persistent compilation cache. The command
    line makes it at its start. Results do not depend on it.

    Parameters
    ----------
    folder
        Where to keep them. Default the folder that the environment variable ``MODELCOLLAPSE_CACHE`` names; or else a
        folder that JAX has been given already (``JAX_COMPILATION_CACHE_DIR``); or else one in the user's cache folder,
        by version of JAX and by kind of processor, as programs are made for one. ``MODELCOLLAPSE_CACHE=off`` keeps
        nothing here, whatever the argument, and changes no setting.

    Returns
    -------
    The folder, or None if nothing is kept: ``off``, or there is no place for a cache.

    Raises
    ------
    TypeError
        If ``folder`` is no path.
    OSError
        If a folder that was named cannot be made.
    """
    kept, before = place(folder), jax.config.values["jax_compilation_cache_dir"]
    if kept is None:
        return None
    if "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS" not in os.environ:
        jax.config.update("jax_persistent_cache_min_compile_time_secs", SECONDS)
    named = folder is not None or bool(os.environ.get(VARIABLE))
    if named or not before:
        try:
            kept.mkdir(parents=True, exist_ok=True)
        except OSError:
            if not named:  # a user without a folder of their own
                return None
            raise
        jax.config.update("jax_compilation_cache_dir", str(kept))
    if before and Path(before) != kept:  # JAX would go on with the folder that it has opened
        compilation_cache.reset_cache()
    LOG.info("compiled programs are kept in %s", kept)
    return kept


def place(folder: str | os.PathLike[str] | None = None) -> Path | None:
    """The folder that ``keep_programs(folder)`` uses; None if that keeps nothing."""
    given = None if folder is None else arguments.path("folder", folder)
    wanted = os.environ.get(VARIABLE, "")
    if wanted.lower() == "off":
        return None
    before = jax.config.values["jax_compilation_cache_dir"]
    if given is None and not wanted and before:
        return Path(before)
    return Path(given or wanted or platformdirs.user_cache_path("modelcollapse") / _machine()).absolute()


def programs(folder: Path) -> tuple[int, int]:
    """How many compiled programs a folder holds, and their bytes."""
    sizes = [file.stat().st_size for file in folder.glob("*-cache")]
    return len(sizes), sum(sizes)


def _machine() -> str:
    """Version of JAX and a hash of what the processor can do."""
    try:
        flags = next(line for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("flags"))
    except (OSError, StopIteration):  # not Linux, or another processor
        flags = platform.processor()
    kind = hashlib.sha256(f"{platform.machine()} {flags}".encode()).hexdigest()[:12]
    return f"jax-{jax.__version__}-{kind}"

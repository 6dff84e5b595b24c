"""Compiled programs are kept on disk, for those who ask for it."""

from __future__ import annotations

import hashlib
import os
import platform
from pathlib import Path

import jax
import platformdirs
from jax.experimental.compilation_cache import compilation_cache

from modelcollapse import arguments

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
    given = None if folder is None else arguments.path("folder", folder)
    wanted = os.environ.get(VARIABLE, "")
    if wanted.lower() == "off":
        return None
    before = jax.config.values["jax_compilation_cache_dir"]
    if "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS" not in os.environ:
        jax.config.update("jax_persistent_cache_min_compile_time_secs", SECONDS)
    if given is None and not wanted and before:
        return Path(before)
    kept = Path(given or wanted or platformdirs.user_cache_path("modelcollapse") / _machine()).absolute()
    try:
        kept.mkdir(parents=True, exist_ok=True)
    except OSError:
        if given is None and not wanted:  # a user without a folder of their own
            return None
        raise
    jax.config.update("jax_compilation_cache_dir", str(kept))
    if before and Path(before) != kept:  # JAX would go on with the folder that it has opened
        compilation_cache.reset_cache()
    return kept


def _machine() -> str:
    """Version of JAX and a hash of what the processor can do."""
    try:
        flags = next(line for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("flags"))
    except (OSError, StopIteration):  # not Linux, or another processor
        flags = platform.processor()
    kind = hashlib.sha256(f"{platform.machine()} {flags}".encode()).hexdigest()[:12]
    return f"jax-{jax.__version__}-{kind}"

"""A file is written whole or not at all, and read only if it is whole: a failure leaves the old file as it was."""

from __future__ import annotations

import contextlib
import json
import math
import os
import secrets
import stat
import sys
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

try:
    import fcntl
except ModuleNotFoundError:  # Windows
    fcntl = None  # type: ignore[assignment]

UNFINISHED = ".unfinished"
"""How the name of a file ends until it is whole."""
HEADER = "header"
HOUR = 3600


def write(path: str | os.PathLike, spec: Any, arrays: dict[str, np.ndarray]) -> None:
    """Write one ``.npz``: to a file beside the target, flushed to disk, then moved over it in one step.

    A symbolic link is followed, and an existing file keeps its mode. Whatever goes wrong on the way, a full disk or a
    killed process, the old file stays whole; what a killed process leaves behind is removed by the next that writes to
    the same path.

    Raises
    ------
    ValueError
        If the path leads to a directory, a device, a pipe or anything else that is not a regular file.
    OSError
        If the file cannot be written.
    """
    target = Path(os.path.realpath(path))
    before = _status(target)
    if before is not None and not stat.S_ISREG(before.st_mode):
        raise ValueError(f"{os.fspath(path)} is {_kind(before)}: a run can only be saved to a regular file")
    header = np.frombuffer(json.dumps(spec).encode(), np.uint8)
    _remove_leftovers(target)
    with _beside(target, 0o666 if before is None else stat.S_IMODE(before.st_mode)) as (file, temporary):
        np.savez_compressed(file, **{**arrays, HEADER: header})  # type: ignore[arg-type]
        file.flush()
        os.fsync(file.fileno())
        if before is not None:
            _keep_owner_and_mode(file, before)
        if fcntl is None:  # Windows moves no open file
            file.close()
        os.replace(temporary, target)


def read(path: str | os.PathLike) -> tuple[Any, dict[str, np.ndarray]]:
    """What ``write`` wrote. Nothing is unpickled, and no array is allocated that the file does not hold in full.

    Raises
    ------
    ValueError
        If the file is not one that ``write`` has written, and whole.
    OSError
        If it cannot be opened.
    """
    status = os.stat(path)
    if not stat.S_ISREG(status.st_mode):
        raise ValueError(f"{os.fspath(path)} is {_kind(status)}, not a saved run")
    with open(path, "rb") as file:
        try:
            with zipfile.ZipFile(file) as archive:
                _check_memory(archive)
                arrays = {
                    member.filename.removesuffix(".npy"): _array(archive, member) for member in archive.infolist()
                }
            spec = json.loads(arrays.pop(HEADER).tobytes())
        except Exception as error:  # whatever a damaged archive makes of the libraries that read it
            raise ValueError(f"{os.fspath(path)} is not a saved run, or not a whole one: {_reason(error)}") from None
    return spec, arrays


def _array(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> np.ndarray:
    """One array, after a look at whether its shape and its bytes agree."""
    layout = np.lib.format
    with archive.open(member) as file:
        version = layout.read_magic(file)
        shape, _, dtype = (layout.read_array_header_1_0 if version == (1, 0) else layout.read_array_header_2_0)(file)
        if dtype.hasobject:
            raise ValueError(f"{member.filename} holds objects")
        if file.tell() + math.prod(shape) * dtype.itemsize != member.file_size:
            raise ValueError(f"{member.filename} does not hold {shape} numbers")
    with archive.open(member) as file:
        return layout.read_array(file, allow_pickle=False)


def _reason(error: Exception) -> str:
    if isinstance(error, KeyError):
        return "it has no header"
    # NumPy's advice for such files is to unpickle them
    return type(error).__name__ + ("" if "pickle" in str(error) else f", {error}")


def _check_memory(archive: zipfile.ZipFile) -> None:
    unpacked = sum(member.file_size for member in archive.infolist())
    try:
        memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, ValueError):  # not every system tells
        return
    if unpacked > memory:
        raise ValueError(f"it unpacks to {unpacked} bytes, more than the {memory} bytes of memory of this machine")


@contextlib.contextmanager
def _beside(target: Path, mode: int) -> Iterator[tuple[BinaryIO, str]]:
    """A new file beside ``target``, removed unless it was moved; locked, once not empty, while this process lives."""
    temporary = str(target.parent / f"{_prefix(target)}{secrets.token_hex(8)}{UNFINISHED}")
    descriptor = os.open(temporary, os.O_CREAT | os.O_EXCL | os.O_RDWR, mode)
    try:
        with os.fdopen(descriptor, "wb") as file:
            _lock(file.fileno())
            os.ftruncate(descriptor, 1)
            yield file, temporary
    except BaseException:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(temporary)
        raise


def _remove_leftovers(target: Path) -> None:
    """Remove what dead writers of ``target`` have left behind: the system has released their locks."""
    with contextlib.suppress(OSError):
        for found in target.parent.iterdir():
            if found.name.startswith(_prefix(target)) and found.name.endswith(UNFINISHED):
                with contextlib.suppress(OSError), open(found, "rb+") as file:
                    status = os.fstat(file.fileno())
                    # an empty file may be one that its writer is about to lock
                    if (status.st_size or time.time() - status.st_mtime > HOUR) and _lock(file.fileno()):
                        os.unlink(found)


def _lock(descriptor: int) -> bool:
    """Whether the file is now this process's own. False where another holds it, or where locks are not to be had."""
    if fcntl is None:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def _prefix(target: Path) -> str:
    # names may be as long as the file system allows
    return f".{target.name[:40]}."


def _status(path: Path) -> os.stat_result | None:
    try:
        return os.stat(path)
    except FileNotFoundError:
        return None


def _keep_owner_and_mode(file: BinaryIO, before: os.stat_result) -> None:
    if sys.platform != "win32":
        with contextlib.suppress(PermissionError):
            os.fchown(file.fileno(), before.st_uid, before.st_gid)
        os.fchmod(file.fileno(), stat.S_IMODE(before.st_mode))


def _kind(status: os.stat_result) -> str:
    kinds = {
        stat.S_IFDIR: "a directory", stat.S_IFIFO: "a pipe", stat.S_IFCHR: "a device", stat.S_IFBLK: "a device",
        stat.S_IFSOCK: "a socket",
    }  # fmt: skip
    return kinds.get(stat.S_IFMT(status.st_mode), "not a regular file")

"""Nothing that Linux alone has is needed to import the package, to simulate, or to save."""

import os
import subprocess
import sys
from pathlib import Path

WINDOWS = {
    "modules": ["fcntl", "resource", "pwd", "grp", "termios"],
    "os": [
        "fork", "forkpty", "register_at_fork", "sysconf", "sysconf_names", "fchown", "chown", "getuid", "geteuid", "sched_getaffinity",
        "sched_setaffinity", "posix_fallocate", "sendfile", "pread", "pwrite", "statvfs", "O_CLOEXEC",
    ],
    "signal": ["SIGALRM", "SIGKILL", "SIGHUP", "alarm", "setitimer"],
}  # fmt: skip
"""What Python does not have there, of what a program might reach for; not O_NONBLOCK, which Python's own ``shutil`` uses."""

CODE = """
import os, runpy, signal, sys
windows = {windows!r}
for name in windows["modules"]:
    sys.modules[name] = None
import {libraries}
for module in (os, signal):
    for name in windows[module.__name__]:
        vars(module).pop(name, None)
sys.platform = "win32"
runpy.run_path({smoke!r}, run_name="__main__")
"""


LIBRARIES = "asyncio, jax, matplotlib, multiprocessing, numpy, optax, regex, scipy, shutil, subprocess, tempfile, tqdm"


def test_a_run_needs_nothing_that_only_linux_has() -> None:
    """Other libraries are imported first: what *they* reach for on Linux is not the question."""
    code = CODE.format(windows=WINDOWS, libraries=LIBRARIES, smoke=str(Path(__file__).with_name("smoke.py")))
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(p for p in sys.path if p)}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "modelcollapse" in done.stdout

"""How long the explorer takes to answer: from a process of its own, through its server, as the page asks it.

The first answer is counted from the start of the command. A step of a slider asks for a share that was not asked for
before; the program is there. A new size is one that was compiled ahead, or one that was not.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np

Ask: TypeAlias = Callable[[str, dict[str, Any]], dict[str, Any]]
"""A question to the explorer."""
STEPS = 40
PAUSE = 0.15
"""Seconds between two steps, so that nothing is compiled ahead meanwhile."""
GOALS = {"first": "4 s", "step": "60 ms"}


@contextlib.contextmanager
def explorer(cache: str) -> Iterator[tuple[Ask, float, int]]:
    """What asks a new explorer with this cache of programs, when its process was started, and its number."""
    environment = os.environ | {"MODELCOLLAPSE_CACHE": cache}
    begun = time.perf_counter()
    command = [sys.executable, "-m", "modelcollapse", "explore", "--no-browser", "--port", "0"]
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as running:
        assert running.stdout is not None
        found = re.search(r"(http://[^/]+)/\?token=(\S+)", running.stdout.readline())
        assert found is not None
        base, token = found.groups()

        def ask(name: str, body: dict[str, Any]) -> dict[str, Any]:
            content, headers = json.dumps(body).encode(), {"X-Token": token}
            with urllib.request.urlopen(urllib.request.Request(f"{base}/api/{name}", content, headers)) as answer:
                told: dict[str, Any] = json.load(answer)
            assert "refused" not in told, told
            return told

        try:
            yield ask, begun, running.pid
        finally:
            running.send_signal(signal.SIGINT)
            running.communicate()  # what it says at the end has somewhere to go


def timed(ask: Ask, body: dict[str, Any]) -> float:
    """Milliseconds from the question to the answer, read and parsed."""
    start = time.perf_counter()
    ask("simulate", body)
    return (time.perf_counter() - start) * 1e3


def cpu(process: int) -> float:
    """CPU-milliseconds of a process so far; not a number where the system does not tell."""
    try:
        fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return float("nan")
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK") * 1e3


def first(cache: str) -> tuple[float, float]:
    """Seconds from the start of the command to the first answer, and CPU-seconds."""
    with explorer(cache) as (ask, begun, process):
        ask("simulate", ask("start", {})["default"])
        return time.perf_counter() - begun, cpu(process) / 1e3


def steps(cache: str, regime: str, settle: float) -> tuple[np.ndarray, float, float, float]:
    """Milliseconds of ``STEPS`` steps of the share, and CPU time of one; of a size that was compiled ahead for ``settle``
    seconds; of a law with another number of states, which was not.
    """
    with explorer(cache) as (ask, _, process):
        body = ask("start", {})["default"] | {"regime": regime}
        ask("simulate", body)
        time.sleep(settle)
        each, before = [], cpu(process)
        for share in np.linspace(0.05, 0.95, STEPS):
            time.sleep(PAUSE)
            each.append(timed(ask, body | {"share": round(float(share), 4)}))
        spent = (cpu(process) - before) / STEPS
        ahead = timed(ask, body | {"size": 50})
        new = timed(ask, body | {"source": {"states": list("abcdefg"), "weights": [7, 6, 5, 4, 3, 2, 1]}})
    return np.array(each), spent, ahead, new


def rows(regimes: tuple[str, ...] = ("fresh", "mixture", "retain"), settle: float = 60.0) -> list[str]:
    """Markdown: the first answer, then the steps in each regime."""
    with tempfile.TemporaryDirectory() as cache:
        cold, warm = first(cache), first(cache)
        lines = [
            f"| first answer, no program kept | {cold[0]:.1f} s | {cold[1]:.1f} s | |",
            f"| first answer, programs kept | {warm[0]:.1f} s | {warm[1]:.1f} s | {GOALS['first']} |",
        ]
        for regime in regimes:
            each, spent, ahead, new = steps(cache, regime, settle)
            low, middle, high = np.quantile(each, [0.0, 0.5, 0.9])
            goal = GOALS["step"]
            lines += [
                f"| a step of the share, {regime} | {middle:.0f} ms ({low:.0f}, 90%: {high:.0f}) | {spent:.0f} ms | {goal} |",
                f"| a size that was compiled ahead, {regime} | {ahead:.0f} ms | | |",
                f"| another number of states, {regime} | {new / 1e3:.1f} s | | |",
            ]
    return lines


if __name__ == "__main__":
    print("\n".join(rows()))

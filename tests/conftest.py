"""Strict numerics for every test (64 bits, no silent promotion, warnings are errors), and a budget of compiled programs
per module.
"""

import gc
import os
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import hypothesis
import pytest
from budget import DEFAULT, PROGRAMS

PIN = re.compile(r"^jax==(\S+)", re.MULTILINE)
MAPS = 40_000
"""A compiled program holds some 37 memory maps. Linux allows a process 65,530 of them; beyond, XLA crashes."""
PAGES = 2**19
"""Memory of a process in pages, 2 GiB, beyond which it forgets its programs."""

made: dict[str, int] = {}
"""Programs compiled so far, by the module whose tests asked for them."""


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--programs", action="store_true", help="print how many programs each module compiled")


def pytest_sessionfinish(session: pytest.Session) -> None:
    if hasattr(session.config, "workeroutput"):  # a worker of pytest-xdist
        session.config.workeroutput["programs"] = made


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any, error: Any) -> None:
    for name, count in getattr(node, "workeroutput", {}).get("programs", {}).items():
        made[name] = made.get(name, 0) + count


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    if config.getoption("programs"):
        terminalreporter.section("compiled programs")
        for name, count in sorted(made.items(), key=lambda item: -item[1]):
            terminalreporter.write_line(f"{count:6d}  {name}")


def memory_maps() -> int | None:
    """How many memory maps this process holds, where the system tells."""
    try:
        return Path("/proc/self/maps").read_bytes().count(b"\n")
    except OSError:
        return None


def pages() -> int:
    """The pages of memory that this process has, where the system tells."""
    try:
        return int(Path("/proc/self/statm").read_text().split()[1])
    except OSError:
        return 0


def is_over(count: int, name: str) -> str | None:
    """What to say to a module that compiled ``count`` programs, or None where that is within its budget."""
    budget = PROGRAMS.get(name, DEFAULT)
    if count <= budget:
        return None
    return (
        f"{name} compiled {count} programs; tests/budget.py allows it {budget}. Use the runs of tests/runs.py, the sizes and chains of a test "
        "beside it, or jax.eval_shape; a test that needs many programs is marked slow."
    )


try:
    import jax
except ModuleNotFoundError:  # the theory package alone needs no JAX
    pass
else:
    import jax.monitoring

    from modelcollapse.cache import keep_programs
    from modelcollapse.engine import scan

    keep_programs()
    scan.programs()  # asks the compiler which options it knows, before any module is counted
    jax.config.update("jax_enable_x64", True)
    jax.config.update("jax_numpy_rank_promotion", "raise")
    jax.config.update("jax_numpy_dtype_promotion", "strict")

    programs = 0

    def _count(event: str, seconds: float, **_: object) -> None:
        global programs
        # also sent for a program that comes from the cache on disk, so that the count does not depend on the machine
        programs += event == "/jax/core/compile/backend_compile_duration"

    jax.monitoring.register_event_duration_secs_listener(_count)

    def _counts_are_comparable() -> bool:
        """Another JAX needs another number of programs for the same calls."""
        pin = PIN.search((Path(__file__).parents[1] / "constraints.txt").read_text())
        return pin is not None and pin[1] == jax.__version__

    @pytest.fixture(autouse=True, scope="module")
    def _few_programs(request: pytest.FixtureRequest) -> Iterator[None]:
        """A module stays within its budget of programs, and a process within its memory maps."""
        before = programs
        yield
        name = request.path.relative_to(Path(__file__).parent).as_posix()
        made[name] = made.get(name, 0) + programs - before
        maps = memory_maps()
        if maps is None or maps > MAPS or pages() > PAGES:
            jax.clear_caches()
            gc.collect()
        chosen = (item for item in request.session.items if item.path == request.path)
        slow = any(item.get_closest_marker(mark) for item in chosen for mark in ("slow", "soak"))
        if not slow and _counts_are_comparable() and (message := is_over(made[name], name)):
            pytest.fail(message, pytrace=False)


@pytest.fixture(autouse=True)
def _no_figure_stays_open() -> Iterator[None]:
    """Matplotlib warns, in whichever test comes then, once more than twenty are open."""
    yield
    if pyplot := sys.modules.get("matplotlib.pyplot"):
        pyplot.close("all")


hypothesis.settings.register_profile("ci", deadline=None, derandomize=True, max_examples=50, print_blob=True)
hypothesis.settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "ci"))

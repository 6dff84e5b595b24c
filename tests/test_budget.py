"""The suite counts its programs, and a module that compiles too many is told so."""

from pathlib import Path

import budget
import conftest
import jax
import pytest


def test_a_compiled_program_is_counted_once() -> None:
    add = jax.jit(lambda x: x + 41.5)
    counts = []
    for _ in range(2):
        before = conftest.programs
        add(1.0)
        counts.append(conftest.programs - before)
    assert counts == [1, 0]


def test_a_module_above_its_budget_is_told_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(budget.PROGRAMS, "test_x.py", 7)
    assert conftest.is_over(7, "test_x.py") is None
    assert str(conftest.is_over(8, "test_x.py")).startswith(
        "test_x.py compiled 8 programs; tests/budget.py allows it 7."
    )
    assert conftest.is_over(budget.DEFAULT, "test_new.py") is None
    assert conftest.is_over(budget.DEFAULT + 1, "test_new.py")


def test_every_budget_is_that_of_a_module() -> None:
    here = Path(__file__).parent
    assert [name for name in budget.PROGRAMS if not (here / name).is_file()] == []
    assert all(number > budget.DEFAULT for number in budget.PROGRAMS.values())


def test_memory_maps_are_counted_where_the_system_tells(monkeypatch: pytest.MonkeyPatch) -> None:
    if Path("/proc/self/maps").exists():
        maps = conftest.memory_maps()
        assert maps is not None
        assert maps > 10

    def missing(self: Path) -> bytes:
        raise FileNotFoundError(self)

    monkeypatch.setattr(Path, "read_bytes", missing)
    assert conftest.memory_maps() is None

"""Theory never meets the simulator it judges, and importing the package does no work."""

import ast
import importlib.util
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

BOTH_SIDES = {"checks", "predict", "plot", "__main__", "_planner"}


def modules(package: str) -> Iterator[tuple[str, ast.AST]]:
    """Every module of an installed package by its path within, and its syntax tree."""
    spec = importlib.util.find_spec(package)
    assert spec is not None
    (root,) = spec.submodule_search_locations or ()
    for path in sorted(Path(root).rglob("*.py")):
        yield path.relative_to(root).as_posix(), ast.parse(path.read_text())


def imported(tree: ast.AST) -> set[str]:
    """The top-level packages that a module imports, anywhere in it."""
    names = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names.add((node.module or "").partition(".")[0] if not node.level else "." * node.level)
        elif isinstance(node, ast.Call) and getattr(node.func, "attr", getattr(node.func, "id", "")) in (
            "import_module", "__import__",
        ):  # fmt: skip
            names |= {str(a.value).partition(".")[0] for a in node.args if isinstance(a, ast.Constant)}
    return names


def test_the_walk_sees_imports_wherever_they_hide() -> None:
    source = (
        "def f():\n  import jax.numpy as jnp\n  from modelcollapse_theory import x\n  importlib.import_module('a.b')"
    )
    assert imported(ast.parse(source)) == {"jax", "modelcollapse_theory", "a"}


def test_theory_imports_numpy_and_scipy_alone() -> None:
    found = dict(modules("modelcollapse_theory"))
    assert len(found) > 10
    for path, tree in found.items():
        assert imported(tree) <= {"numpy", "scipy", "modelcollapse_theory", "."} | sys.stdlib_module_names, path


def test_simulators_do_not_import_theory() -> None:
    found = dict(modules("modelcollapse"))
    assert {"loop.py", "driver.py", "families/gaussian.py"} <= set(found)
    judges = [path for path, tree in found.items() if "modelcollapse_theory" in imported(tree)]
    assert {path.partition("/")[0].removesuffix(".py") for path in judges} <= BOTH_SIDES
    assert judges  # the claims at least must meet both sides


@pytest.fixture(scope="module")
def fresh() -> str:
    """What a new interpreter says about itself after importing the package."""
    code = """
import sys
import modelcollapse
from jax._src import xla_bridge
print("backend", xla_bridge.backends_are_initialized())
print("x64", __import__("jax").config.jax_enable_x64)
print("theory", any(name.startswith("modelcollapse_theory") for name in sys.modules))
print("heavy", sorted({"matplotlib", "xarray", "sklearn"} & set(sys.modules)))
"""
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(p for p in sys.path if p)}
    environment.pop("JAX_ENABLE_X64", None)
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code], env=environment, capture_output=True, text=True, check=True
    )
    return done.stdout


def test_importing_initialises_no_backend(fresh: str) -> None:
    assert "backend False" in fresh


def test_importing_changes_no_setting_and_loads_nothing_heavy(fresh: str) -> None:
    assert "x64 False" in fresh
    assert "theory False" in fresh
    assert "heavy []" in fresh


def test_every_public_name_exists() -> None:
    import modelcollapse

    assert all(hasattr(modelcollapse, name) for name in modelcollapse.__all__)
    # their order is checked by the linter, which puts constants and acronyms first
    assert len(set(modelcollapse.__all__)) == len(modelcollapse.__all__)

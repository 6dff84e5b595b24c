"""The house stays as it was drawn: no circle, no upward arrow, no private name across modules, and sizes that can be
read.
"""

from __future__ import annotations

import ast
import functools
import graphlib
import itertools
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1] / "modelcollapse"
THEORY = ROOT.parent / "theory" / "modelcollapse_theory"
PACKAGE = "modelcollapse"
MODULES = {
    ".".join((PACKAGE, *path.relative_to(ROOT).with_suffix("").parts)).removesuffix(".__init__"): path
    for path in sorted(ROOT.rglob("*.py"))
}
LONGEST = 400
"""Lines of a file."""
PROBES = 30
"""Questions by the name of an attribute, ``hasattr(...)`` and ``getattr(..., default)``; each other one is an
``isinstance``.
"""
ANY = 150
"""Arguments annotated ``Any``."""

# who may import the theory
SEES_THEORY = ("predict", "verify", "claims", "inference", "planner", "cli")
# who shows theory, and through what alone
SHOWS_THEORY = ("explore", "report", "plot")
THROUGH = ("predict", "planner")
# what only some may import: the engine is the run's, and the content of the claims belongs to those who run them
ONLY = {"engine": ("engine", "run"), "claims": ("claims", "cli", "checks")}


@functools.cache
def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text())


def typed_only(module: ast.Module) -> set[ast.AST]:
    """What stands under ``if TYPE_CHECKING``."""
    blocks = (n for n in ast.walk(module) if isinstance(n, ast.If) and ast.unparse(n.test) == "TYPE_CHECKING")
    return {node for block in blocks for statement in block.body for node in ast.walk(statement)}


def imports(path: Path) -> Iterator[tuple[str, str]]:
    """Modules of this package or of the theory that a file imports, wherever in it, and the name that is taken from
    each.
    """
    module = tree(path)
    hidden = typed_only(module)
    for node in ast.walk(module):
        if node in hidden:
            continue
        if isinstance(node, ast.Import):
            yield from ((alias.name, "") for alias in node.names if alias.name.startswith(PACKAGE))
        elif isinstance(node, ast.ImportFrom) and (node.module or "").startswith(PACKAGE):
            for alias in node.names:
                inner = f"{node.module}.{alias.name}"
                yield (inner, "") if inner in MODULES else (str(node.module), alias.name)


def lazy(path: Path) -> set[str]:
    """What a file imports inside its functions."""
    functions = (n for n in ast.walk(tree(path)) if isinstance(n, ast.FunctionDef | ast.AsyncFunctionDef))
    inner = (n for function in functions for n in ast.walk(function) if isinstance(n, ast.ImportFrom))
    return {node.module for node in inner if (node.module or "").startswith(PACKAGE)}  # type: ignore[misc]


def test_no_circle() -> None:
    # one arrow points up, and is right: a run asks for predictions, and `import modelcollapse` must not import the
    # theory
    graph = {
        name: {to for to, _ in imports(path) if to in MODULES and to != name and not name.startswith(to + ".")}
        - ({f"{PACKAGE}.predict", f"{PACKAGE}.predict.citations"} if name == f"{PACKAGE}.predicted" else set())
        for name, path in MODULES.items()
        if name != PACKAGE
    }
    tuple(graphlib.TopologicalSorter(graph).static_order())


def test_imports_inside_functions_are_few() -> None:
    # those of the command line and of lazy names keep its start short; the run's to its predictions is the one that
    # points up
    allowed = {f"{PACKAGE}.predicted": {f"{PACKAGE}.predict", f"{PACKAGE}.predict.citations"}}
    for name, path in MODULES.items():
        found = lazy(path) - allowed.get(name, set())
        if not name.startswith((f"{PACKAGE}.cli", f"{PACKAGE}.__main__")) and name != PACKAGE:
            assert not found, f"{name} imports {found} inside a function"


def test_who_may_import_whom() -> None:
    for name, path in MODULES.items():
        inner = name.removeprefix(PACKAGE + ".")
        for to, _ in imports(path):
            if to.startswith("modelcollapse_theory"):
                assert inner.startswith((*SEES_THEORY, "__main__")), f"{name} must not import the theory"
            for part, users in ONLY.items():
                if to.startswith(f"{PACKAGE}.{part}"):
                    assert inner.startswith(users), f"{name} must not import {to}"


def test_pages_and_pictures_get_theory_through_predictions_and_the_planner() -> None:
    seen = set()
    for name, path in MODULES.items():
        inner = name.removeprefix(PACKAGE + ".")
        if not inner.startswith(SHOWS_THEORY):
            continue
        for to, _ in imports(path):
            assert not to.startswith("modelcollapse_theory"), f"{name} must not import the theory"
            part = to.removeprefix(PACKAGE + ".").partition(".")[0]
            assert part not in SEES_THEORY or part in THROUGH, f"{name} must not import {to}"
            seen |= {part} & set(THROUGH)
    assert seen == set(THROUGH)


def test_the_theory_stands_alone() -> None:
    for path in THEORY.rglob("*.py"):
        for node in ast.walk(tree(path)):
            names = [a.name for a in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            assert not any(name.split(".")[0] in ("jax", PACKAGE) for name in names), path


def test_no_private_name_of_another_module() -> None:
    for name, path in MODULES.items():
        for to, taken in imports(path):
            assert not taken.startswith("_") or taken.startswith("__"), f"{name} uses {to}.{taken}"
            # a private module belongs to its folder
            private = [part for part in to.split(".") if part.startswith("_") and not part.startswith("__")]
            folder = to.split("." + private[0])[0] if private else ""
            assert not private or to.startswith("modelcollapse_theory") or name.startswith(folder), f"{name} uses {to}"


def test_no_function_has_the_name_of_a_module_beside_it() -> None:
    for name, path in MODULES.items():
        if path.name != "__init__.py":
            continue
        beside = {other.rpartition(".")[2] for other in MODULES if other.rpartition(".")[0] == name}
        bound = {taken for to, taken in imports(path)} | {
            node.name for node in tree(path).body if isinstance(node, ast.FunctionDef | ast.ClassDef)
        }
        assert not beside & bound, f"{name} has modules and names {beside & bound}"


@pytest.mark.parametrize("name", MODULES)
def test_files_can_be_read(name: str) -> None:
    assert len(MODULES[name].read_text().splitlines()) <= LONGEST


def test_abilities_are_declared() -> None:
    found = [
        f"{name}:{node.lineno}"
        for name, path in MODULES.items()
        for node in ast.walk(tree(path))
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name)
        and (node.func.id == "hasattr" or (node.func.id == "getattr" and len(node.args) == 3))
    ]
    assert len(found) <= PROBES, found


def test_arguments_have_types() -> None:
    def arguments(node: ast.FunctionDef) -> Iterator[ast.arg]:
        spec = node.args
        extra = [a for a in (spec.vararg, spec.kwarg) if a is not None]
        yield from itertools.chain(spec.posonlyargs, spec.args, spec.kwonlyargs, extra)

    counted: dict[str, int] = {}
    for name, path in MODULES.items():
        functions = (n for n in ast.walk(tree(path)) if isinstance(n, ast.FunctionDef))
        bare = [a for f in functions for a in arguments(f) if a.annotation and ast.unparse(a.annotation) == "Any"]
        counted[name] = len(bare)
    worst = sorted(counted.items(), key=lambda item: -item[1])[:12]
    assert sum(counted.values()) < ANY, worst
